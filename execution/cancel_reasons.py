"""Why an order is canceled.

Promise: every cancel has one reason of this list, which the log and the README use, with the facts behind it.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class CancelReason(Enum):
    """Why an order is canceled. The value is what the log prints."""

    NEW_SESSION = "NEW_SESSION"
    NOT_CHOSEN = "NOT_CHOSEN"
    PROGRAM_ENDED = "PROGRAM_ENDED"
    NO_PRICE = "NO_PRICE"
    GUARD = "GUARD"
    POSITION = "POSITION"
    NEW_PRICE = "NEW_PRICE"
    ORDER_GROUP = "ORDER_GROUP"
    LIMIT = "LIMIT"
    DUPLICATE = "DUPLICATE"
    HALT = "HALT"
    PAUSE = "PAUSE"
    OUTAGE = "OUTAGE"
    LEDGER = "LEDGER"
    STOP = "STOP"
    BY_HAND = "BY_HAND"


class CancelCause(NamedTuple):
    """The reason of a cancel, and the facts behind it in words."""

    reason: CancelReason
    facts: str

    @property
    def text(self) -> str:
        """As the log prints it."""
        return f"{self.reason.value} | {self.facts}"


NEW_SESSION = CancelCause(CancelReason.NEW_SESSION, "the account is cleared before trading")
PROGRAM_ENDED = CancelCause(CancelReason.PROGRAM_ENDED, "its program has ended, or is not listed any more")
DUPLICATE = CancelCause(CancelReason.DUPLICATE, "another order of ours rests on this side")
PAUSE = CancelCause(CancelReason.PAUSE, "the exchange pauses")
OUTAGE = CancelCause(CancelReason.OUTAGE, "too many cycles in a row failed")
LEDGER = CancelCause(CancelReason.LEDGER, "the ledger, which knows of halts, cannot be opened")
BY_HAND = CancelCause(CancelReason.BY_HAND, "a person asked for it")
