"""The dates of the reward rule: with real money a window beyond them is a bet on a rule that nobody has read."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.settings import strategy_of
from clients import Environment
from exchange.models import ExchangeStatus, Program
from market_bot import read_settings
from rewards import rule_dates
from rewards.rule_dates import Beyond
from rewards.skips import Reason
from selection.screening import Screen
from tests.support.builders import market, program

SINCE, UNTIL = datetime(2026, 7, 30, tzinfo=timezone.utc), datetime(2027, 1, 1, tzinfo=timezone.utc)
OPEN = ExchangeStatus(True, {}, None)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
CAREFUL = Screen(known_rule_only=True)


def window(start: datetime, end: datetime, name: str = "p") -> Program:
    return program(name=name)._replace(start=start, end=end)


@pytest.mark.parametrize(
    ("start", "end", "is_known"),
    [
        (UNTIL - DAY, UNTIL, True),
        (UNTIL - DAY, UNTIL + SECOND / 1_000, False),
        (UNTIL - DAY, UNTIL + DAY, False),
        (UNTIL, UNTIL + DAY, False),
        (UNTIL + 9 * DAY, UNTIL + 10 * DAY, False),
        (SINCE, SINCE + DAY, True),
        (SINCE - SECOND, SINCE + DAY, False),
        (SINCE - 9 * DAY, SINCE - 8 * DAY, False),
        (SINCE - DAY, UNTIL + DAY, False),
    ],
)
def test_only_a_window_within_the_dates_is_quoted(start: datetime, end: datetime, is_known: bool) -> None:
    """Looked at in the middle of the window, at its first instant and at its last."""
    for now in (start, start + (end - start) / 2, end - SECOND / 1_000_000):
        found, skipped = CAREFUL.programs([window(start, end)], now)
        assert bool(found) == is_known
        assert [skip.reason for skip in skipped] == ([] if is_known else [Reason.RULE_NOT_KNOWN])
        assert Screen().programs([window(start, end)], now)[0]


def test_the_reason_says_which_window_and_which_dates() -> None:
    _, (skip,) = CAREFUL.programs([window(UNTIL - DAY, UNTIL + DAY)], UNTIL - HOUR)
    assert skip.text == (
        "RULE_NOT_KNOWN | Window: 2026-12-31 00:00 to 2027-01-02 00:00 UTC, "
        "the rule is known from 2026-07-30 to 2027-01-01 00:00 UTC"
    )


def test_of_two_windows_the_known_one_is_quoted_alone() -> None:
    known, beyond = window(UNTIL - DAY, UNTIL, "known"), window(UNTIL - DAY, UNTIL + DAY, "beyond")
    found, skipped = CAREFUL.programs([beyond, known], UNTIL - HOUR)
    assert found == {"KXTEST-1": [known]}
    assert skipped == []


TIMES = st.integers(-30, 200).map(lambda days: SINCE + days * DAY)


@given(TIMES, st.integers(1, 744).map(lambda hours: hours * HOUR), st.floats(0, 0.999))
def test_no_second_outside_the_dates_is_quoted(start: datetime, length: timedelta, part: float) -> None:
    """Whatever is quoted ends within the dates, so nothing is quoted once they have passed."""
    now = start + length * part
    found, _ = CAREFUL.programs([window(start, start + length)], now)
    if found:
        assert SINCE <= now < start + length <= UNTIL


@pytest.mark.parametrize(
    ("now", "closes", "resolves", "is_quoted"),
    [
        (UNTIL - 7 * DAY - SECOND, UNTIL + 30 * DAY, None, True),
        (UNTIL - 7 * DAY, UNTIL + 30 * DAY, None, False),
        (UNTIL - DAY, UNTIL + SECOND, None, False),
        (UNTIL - DAY, UNTIL, None, False),
        (UNTIL - DAY, UNTIL - SECOND, None, True),
        (UNTIL - DAY, UNTIL + DAY, UNTIL - SECOND, True),
        (UNTIL - DAY, UNTIL + DAY, UNTIL + HOUR, False),
        (UNTIL - DAY, UNTIL - SECOND, UNTIL + DAY, True),
    ],
)
def test_the_last_week_takes_up_only_what_ends_in_time(
    now: datetime, closes: datetime, resolves: datetime | None, is_quoted: bool
) -> None:
    """A market must close, or be expected to resolve, before the rule's known end."""
    one = market()._replace(close_time=closes, expected_resolution=resolves)
    by_ticker, listed = {one.ticker: [program()]}, {one.ticker: one}
    found, skipped = CAREFUL.markets(by_ticker, listed, OPEN, now, now + 60 * SECOND)
    assert found == ([one] if is_quoted else [])
    assert [skip.reason for skip in skipped] == ([] if is_quoted else [Reason.RULE_ENDS_SOON])
    assert Screen().markets(by_ticker, listed, OPEN, now, now + 60 * SECOND)[0] == [one]


@pytest.mark.parametrize(
    ("environment", "trusted", "beyond"),
    [
        (Environment.SIM, None, Beyond.PLAY),
        (Environment.DEMO, None, Beyond.PLAY),
        (Environment.DEMO, "2026-07-30", Beyond.PLAY),
        (Environment.PROD, None, Beyond.STOP),
        (Environment.PROD, "2026-07-30", Beyond.TRUST),
    ],
)
def test_only_real_money_without_trust_stops_at_the_known_end(
    environment: Environment, trusted: str | None, beyond: Beyond
) -> None:
    checked = read_settings({"env": environment, "TRUST_RULE": trusted})
    assert checked.beyond_rule is beyond
    assert strategy_of(checked).screen.known_rule_only == (beyond is Beyond.STOP)


def test_trust_in_another_rule_is_no_trust_in_this_one() -> None:
    """As when the settings still name the rule of an older version of the bot."""
    assert Beyond.of(is_real_money=True, trusted="2025-01-01") is Beyond.STOP


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (SINCE - SECOND, "is known from 2026-07-30 00:00 UTC to 2027-01-01 00:00 UTC; now is earlier"),
        (SINCE, "is known until 2027-01-01 00:00 UTC; the program ends then unless it is renewed"),
        (UNTIL - SECOND, "is known until 2027-01-01 00:00 UTC; the program ends then unless it is renewed"),
        (
            UNTIL,
            "was known until 2027-01-01 00:00 UTC; the program has ended, or goes on by a rule not known here",
        ),
    ],
)
def test_the_words_say_until_when_and_what_follows(now: datetime, told: str) -> None:
    assert rule_dates.until_text(now) == f"the rule of 30 July 2026 {told}"
    assert rule_dates.in_general(now).startswith(f"The rule of 30 July 2026 {told}. With real money the bot")
