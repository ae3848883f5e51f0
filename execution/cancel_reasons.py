"""Why an order is canceled.

Promise:
- Every cancel has one reason of this list, used by the log and docs/trade-log.md, and the facts behind it.
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
    NO_AMEND = "NO_AMEND"
    LIMIT = "LIMIT"
    DUPLICATE = "DUPLICATE"
    HALT = "HALT"
    PAUSE = "PAUSE"
    OUTAGE = "OUTAGE"
    LEDGER = "LEDGER"
    EARLIER_RUN = "EARLIER_RUN"
    STOP = "STOP"
    BY_HAND = "BY_HAND"


class CancelCause(NamedTuple):
    """The reason for a cancel, and the facts behind it as text."""

    reason: CancelReason
    facts: str

    @property
    def text(self) -> str:
        """As the log prints it."""
        return f"{self.reason.value} | {self.facts}"


NEW_SESSION = CancelCause(CancelReason.NEW_SESSION, "the account is cleared before trading")
PROGRAM_ENDED = CancelCause(CancelReason.PROGRAM_ENDED, "its program has ended or is no longer listed")
DUPLICATE = CancelCause(CancelReason.DUPLICATE, "the bot has another order on this side")
NO_AMEND = CancelCause(CancelReason.NO_AMEND, "placed again, because the exchange amends no orders for now")
PAUSE = CancelCause(CancelReason.PAUSE, "the exchange pauses")
OUTAGE = CancelCause(CancelReason.OUTAGE, "too many cycles in a row failed")
LEDGER = CancelCause(CancelReason.LEDGER, "the ledger, which records halts, cannot be opened")
EARLIER_RUN = CancelCause(CancelReason.EARLIER_RUN, "an earlier run of the bot sent it, and it turned up late")
BY_HAND = CancelCause(CancelReason.BY_HAND, "a person asked for it")
