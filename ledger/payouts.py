"""Ask whether the windows that wait for their money were paid out.

Promise:
- It only reads from the exchange: once an hour while a window waits, and soon after unexplained cash came.
- A failed request leaves the ledger as it is. The next one is made when it would have been anyway.

The exchange does not say what it paid. It does say when a program was paid out: its cash cannot have come before
the last time that it was seen not paid out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from clients import KalshiHttpClient
from exchange.errors import ExchangeError
from ledger import sql_rows
from ledger.entries import EPOCH, PayoutLook, PendingWrites
from ledger.ledger import Ledger

SOONEST, LATEST = timedelta(hours=1), timedelta(days=3)
"""The earliest and latest arrival of a reward, after its window's end."""

ASKED_EVERY = timedelta(hours=1)
ASKED_AGAIN = timedelta(minutes=10)
"""The shortest time between two requests, if cash came without an explanation after the first."""


class PayoutTimes(NamedTuple):
    """When a program was last seen not paid out, and first seen paid out. None: never."""

    unpaid: datetime | None = None
    paid: datetime | None = None


class PayoutWatch:
    """Asks for one account's windows, and adds the answers to the entry `pending`."""

    def __init__(self, client: KalshiHttpClient, ledger: Ledger) -> None:
        self._client, self._ledger = client, ledger
        self._asked = EPOCH

    def catch_up(self, pending: PendingWrites) -> None:
        """Ask if it is time to. Raises `LedgerError`."""
        now = self._client.clock.now()
        span = self._ledger.last_span() if now >= self._asked + ASKED_AGAIN else None
        if not is_due(now, self._asked, span.since if span else None):
            return
        waiting = self._waiting(now)
        self._asked = now
        try:
            ended = self._client.get_ended_programs(waiting)
        except ExchangeError:  # the log says so when the call begins to fail
            return
        for program in ended:
            pending.payouts[program.id] = PayoutLook(now, program)

    def _waiting(self, now: datetime) -> set[str]:
        """The ids of the programs that may still be paid for what our orders accrued."""
        programs = self._ledger.latest_programs()
        accrued = (programs[name] for name in self._ledger.accrued_by_program() if name in programs)
        return {one.id for one in accrued if one.end <= now < one.end + LATEST and not one.paid_out}


def is_due(now: datetime, asked: datetime, came: datetime | None) -> bool:
    """Whether to ask again.

    `asked`: the last time. `came`: when cash last came that nothing explained, if ever."""
    is_new = came is not None and came > asked
    return now >= asked + (ASKED_AGAIN if is_new else ASKED_EVERY)


def payout_times(ledger: Ledger) -> Mapping[str, PayoutTimes]:
    """What is known of every program's payment, by its id. Raises `LedgerError`."""
    wanted = """
        SELECT program_id, max(CASE WHEN NOT paid_out THEN seen END), min(CASE WHEN paid_out THEN seen END)
        FROM programs GROUP BY program_id
    """
    time = partial(sql_rows.optional, sql_rows.from_micros)
    return {name: PayoutTimes(time(unpaid), time(paid)) for name, unpaid, paid in ledger.select(wanted)}
