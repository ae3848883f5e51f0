"""What the ledger knows of a UTC day.

Promise:
- It only reads.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from exchange.account import Fill
from ledger.daily_pnl import midnight
from ledger.entries import AccountMark
from ledger.ledger import Ledger


class DaySummary(NamedTuple):
    """A UTC day of the bot.

    `mark`: the account at the end of the day's last cycle that did not fail, None if it had none. `marks`: their
    number. `cycles`: their number, of which `failed` failed. `fills`: their number, of `contracts` in all."""

    day: date
    mark: AccountMark | None
    marks: int
    cycles: int
    failed: int
    fills: int
    contracts: Decimal


def summary(ledger: Ledger, day: date) -> DaySummary:
    """Read the summary of a day. Raises `LedgerError`."""
    marks = [mark for mark in ledger.marks() if mark.at.date() == day]
    cycles = [cycle for cycle in ledger.cycles() if cycle.began.date() == day]
    changes = [change for change in ledger.changes(midnight(day)) if change.time.date() == day]
    counts = [change.count for change in changes if isinstance(change, Fill)]
    return DaySummary(
        day,
        marks[-1] if marks else None,
        len(marks),
        len(cycles),
        sum(bool(cycle.problem) for cycle in cycles),
        len(counts),
        sum(counts, start=Decimal(0)),
    )


def last_day(ledger: Ledger, before: date) -> date | None:
    """The last day before another on which a cycle did not fail, None if not known.

    Raises `LedgerError`."""
    return max((mark.at.date() for mark in ledger.marks() if mark.at.date() < before), default=None)
