"""What the ledger knows of a UTC day.

Promise:
- It only reads.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

from ledger import sql_rows
from ledger.database import Database
from ledger.entries import AccountMark


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


def summary(file: Database, day: date) -> DaySummary:
    """Read the summary of a day. Raises `LedgerError`."""
    span = tuple(sql_rows.to_micros(_midnight(one)) for one in (day, day + timedelta(days=1)))
    marks = file.rows("SELECT * FROM marks WHERE at >= ? AND at < ? ORDER BY at DESC", *span)
    counted = "SELECT count(*), coalesce(sum(problem != ''), 0) FROM cycles WHERE began >= ? AND began < ?"
    ((cycles, failed),) = file.rows(counted, *span)
    rows = file.rows("SELECT * FROM fills WHERE time >= ? AND time < ? AND NOT earlier", *span)
    fills = list(map(sql_rows.fill_of, rows))
    contracts = sum((fill.count for fill in fills), start=Decimal(0))
    last = sql_rows.mark_of(marks[0]) if marks else None
    return DaySummary(day, last, len(marks), cycles, failed, len(fills), contracts)


def last_day(file: Database, before: date) -> date | None:
    """The last day before another on which a cycle did not fail, None if not known.

    Raises `LedgerError`."""
    end = sql_rows.to_micros(_midnight(before))
    ((last,),) = file.rows("SELECT max(at) FROM marks WHERE at < ?", end)
    return None if last is None else sql_rows.from_micros(last).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), timezone.utc)
