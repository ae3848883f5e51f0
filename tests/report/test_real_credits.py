"""Rewards that a real account was paid: each event is given its own cash, and a referral's is not taken for one.

The figures are those of one account's credits on the real exchange in July and August 2026: the cents of each market,
the window's end and the time of the credit. The estimates are made up around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.models import Program
from ledger.cash_reconciliation import CashReading, ExplainedSpan, extend_span
from ledger.entries import AccruedSeconds
from report.reward_payments import Rewards, WindowState, event_of, match_rewards
from tests.support.builders import program

D = Decimal
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

CREDITS = (
    ("KXAAAGASD-26JUL21", "2026-07-21T03:59:00", (114, 101), "2026-07-21T05:36:39"),
    ("KXAAAGASD-26JUL23", "2026-07-23T03:59:00", (375, 175, 257, 202), "2026-07-23T05:34:03"),
    ("KXAAAGASD-26JUL24", "2026-07-24T03:59:00", (163, 291, 158, 269), "2026-07-24T05:15:25"),
    ("KXAAAGASD-26JUL25", "2026-07-25T03:59:00", (493, 180, 526), "2026-07-25T05:48:44"),
    ("KXTEMPAUSH-26JUL2021", "2026-07-21T01:00:00", (374, 229, 739, 133, 173), "2026-07-21T06:50:27"),
    ("KXTEMPDCH-26JUL2123", "2026-07-22T03:00:00", (247, 188), "2026-07-22T06:29:17"),
    ("KXINXHUD-26JUL271600", "2026-07-27T20:00:00", (1312,), "2026-07-28T05:26:53"),
    ("KXTEMPAUSH-26AUG0202", "2026-08-02T06:00:00", (368,), "2026-08-03T06:14:00"),
)  # fmt: skip
MARKETS = sum(len(cents) for _, _, cents, _ in CREDITS)


def time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def looks(came: Sequence[tuple[datetime, int]]) -> list[ExplainedSpan]:
    """The cash as a look a minute saw it. `came`: times and cents."""
    events, found = sorted(came), {}
    at, last = events[0][0].replace(second=0) - DAY, events[-1][0] + 4 * DAY
    span = doubt = None
    cash = D(500)
    while at <= last:
        while events and events[0][0] <= at:
            cash += D(events.pop(0)[1]) / 100
        new, doubt = extend_span(span, doubt, at, CashReading(cash, D(0), D(0)))
        if new:
            span = found[new.since] = new
        at += MINUTE
    return list(found.values())


def matched(errors: Sequence[float], gifts: Sequence[tuple[str, int]] = ()) -> Rewards:
    """Match the credits. `errors`: by market, from -1 (paid as little as may be) to 1 (as much as may be)."""
    programs: dict[str, Program] = {}
    seconds: dict[str, AccruedSeconds] = {}
    came = [(time(at), cents) for at, cents in gifts]
    places = iter(errors)
    for event, end, cents, credited in CREDITS:
        came += [(time(credited), sum(cents))]
        for strike, amount in enumerate(cents):
            name, error = f"{event}-T{strike}", next(places)
            terms = program(name=name, ticker=name)
            programs[name] = terms._replace(start=time(end) - 20 * timedelta(hours=1), end=time(end))
            paid = amount / 100 + 0.005
            accrued = paid / (0.9 + 0.001) if error == -1 else paid / (1 - error * 0.2 if error > 0 else 1)
            accrued = paid / 1.245 if error == 1 else paid / (1 - 0.099 * -error) if error < 0 else paid
            seconds[name] = AccruedSeconds(3_600, 3_600, 0, 0, 100, accrued, accrued)
    return match_rewards(programs, seconds, looks(came), [], time("2026-08-08T00:00:00"))
