"""Rewards that a real account was paid: each event is given its own cash, and a referral's is not taken for one.

The figures are those of one account's credits on the real exchange in July and August 2026: the cents of each
market, the window's end and the time of the credit. The estimates are made up around them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.models import Program
from ledger.cash_reconciliation import CashReading, ExplainedSpan, extend_span
from ledger.entries import AccruedSeconds
from report.reward_payments import ABOVE, BELOW, Rewards, WindowState, event_of, match_rewards
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


@cache
def cash(gifts: tuple[tuple[str, int], ...]) -> list[ExplainedSpan]:
    came = [(time(credited), sum(cents)) for _, _, cents, credited in CREDITS]
    return looks([*came, *((time(at), cents) for at, cents in gifts)])


def matched(ratios: Sequence[float], *gifts: tuple[str, int]) -> Rewards:
    """Match the credits. `ratios`: by market, what it was paid as a multiple of its estimate."""
    programs: dict[str, Program] = {}
    seconds: dict[str, AccruedSeconds] = {}
    places = iter(ratios)
    for event, end, cents, _ in CREDITS:
        for strike, amount in enumerate(cents):
            name = f"{event}-T{strike}"
            terms = program(name=name, ticker=name)
            programs[name] = terms._replace(start=time(end) - timedelta(hours=20), end=time(end))
            estimate = amount / 100 / next(places)
            seconds[name] = AccruedSeconds(3_600, 3_600, 0, 0, 100, estimate, estimate)
    return match_rewards(programs, seconds, cash(gifts), [], time("2026-08-08T00:00:00"))


def by_event(found: Rewards) -> dict[str, int]:
    paid: Counter[str] = Counter()
    for one in found.windows:
        paid[event_of(one.ticker)] += int((one.credit or 0) * 100)
    return dict(paid)


RIGHT = {event: sum(cents) for event, _, cents, _ in CREDITS}
NEAR = (1 - BELOW + 0.001, 1 + ABOVE - 0.001)
REFERRALS = ("2026-07-21T06:10:00", "2026-07-22T12:00:00", "2026-07-24T14:00:00", "2026-07-28T03:00:00")


@settings(max_examples=40)
@given(
    st.lists(st.one_of(st.sampled_from(NEAR), st.floats(*NEAR)), min_size=MARKETS, max_size=MARKETS),
    st.sampled_from(REFERRALS),
)
def test_every_event_is_given_its_own_cash(ratios: list[float], referral: str) -> None:
    """Also if the estimates are as wrong as they may be, and if a referral's $15.00 comes while windows wait that
    could have paid it."""
    for gifts in ((), ((referral, 1500),)):
        found = matched(ratios, *gifts)
        assert by_event(found) == RIGHT
        assert {one.state for one in found.windows} == {WindowState.CREDITED}
        assert found.of_series == []
        assert [one.amount * 100 for one in found.unexplained] == [cents for _, cents in gifts]


def test_the_lags_are_those_that_were_measured() -> None:
    """Or the test above would be easier than what happened: 1.3 to 24 hours, two events waiting at once."""
    lags = [(time(credited) - time(end)) / timedelta(hours=1) for _, end, _, credited in CREDITS]
    assert 1.2 < min(lags) < 1.3
    assert 24 < max(lags) < 24.5
