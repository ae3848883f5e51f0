"""What stops the bot until a person lets it go on. Promise: a halt is in the ledger before anything else is done
about it, and stands through restarts until it is cleared there.

A vanished order never halts, nor does cash: a pause, a group's trigger or a person explains the one, and rewards
come without a name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from ledger import DAY_LOST, Ledger, LedgerError
from models import Order

HOW_TO_GO_ON = "python main.py resume lets it go on, with a new session"

Difference = tuple[Decimal, Decimal]
"""Contracts of a market that we believe to hold, and that the exchange says are held, YES positive."""


class Halting:
    """The halts of a ledger, and what looks like one coming."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._unwritten = ""
        self._differences: dict[str, Difference] = {}
        self._strangers = False

    def standing(self) -> str:
        """Why nothing may be placed, empty where nobody and nothing forbids it. Raises `LedgerError`."""
        standing = self._ledger.halts(standing=True)
        return self._unwritten or (f"{standing[-1].reason}" if standing else "")

    def declare(self, now: datetime, reason: str) -> LedgerError | None:
        """Halt. Where the ledger cannot be written the halt stands as long as this process, and is written as soon
        as that works: the error comes back."""
        self._unwritten = reason
        return self.write(now)

    def write(self, now: datetime) -> LedgerError | None:
        """Write down a halt that could not be written before."""
        if self._unwritten:
            try:
                self._ledger.halt(now, self._unwritten)
            except LedgerError as error:
                return error
            self._unwritten = ""
        return None

    def suspect(self, differences: Mapping[str, Difference], strangers: Collection[Order]) -> str:
        """What was seen in a cycle: positions that nothing explains, and orders with our prefix that we never
        sent. Returns the reason to halt where the same was seen in the cycle before, empty where it was not."""
        both = {ticker: pair for ticker, pair in differences.items() if self._differences.get(ticker) == pair}
        again = bool(strangers) and self._strangers
        self._differences, self._strangers = dict(differences), bool(strangers)
        if both:
            told = ", ".join(
                f"{ticker}: {here:+} by its fills, {there:+} listed" for ticker, (here, there) in both.items()
            )
            return f"a position that no fill, settlement or transfer explains ({told})"
        if again:
            where = ", ".join(sorted({order.ticker for order in strangers}))
            return (
                f"orders with our prefix that this process never sent, in {where}: does a second bot trade here?"
            )
        return ""

    def forget(self) -> None:
        """Begin to watch anew."""
        self._differences, self._strangers = {}, False


def lost_too_much(day_profit: Decimal, forgiven: Decimal, limit: Decimal) -> str:
    """Why a day's loss halts trading, empty where it does not. All in dollars; `forgiven`: the day's profit after
    which a person let it go on."""
    lost = forgiven - day_profit
    if lost < limit:
        return ""
    more = f" beside ${-forgiven:.4f} that were accepted" if forgiven else ""
    return f"lost ${lost:.4f} today{more}, {DAY_LOST} is ${limit:.2f}"


def worst_case(risks: Iterable[tuple[str, Decimal]]) -> str:
    """The event that can lose most, and all together, for the log."""
    found = sorted(risks, key=lambda one: (-one[1], one[0]))
    total = sum((risk for _, risk in found), start=Decimal(0))
    if not total:
        return "$0.00"
    return f"${found[0][1]:.2f} in {found[0][0]}, ${total:.2f} in all"
