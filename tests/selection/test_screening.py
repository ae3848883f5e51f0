"""What is left out before a book is read: a market that cannot be quoted costs a read, one that should not be
quoted costs money.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.models import Event, ExchangeStatus, FeeType, IncentiveType, Market, MarketStatus, Program, Series
from exchange.ticker_patterns import PerMarket
from rewards.fees import UNKNOWN_MAKER_RATE, maker_rate_of
from rewards.skips import Reason, Skip
from selection.screening import Screen, with_terms
from tests.support.builders import NOW, market, program

ALL = Screen()
OPEN = ExchangeStatus(True, {0: True, 2: False}, None)
SOON = NOW + timedelta(seconds=120)


def told(skips: list[Skip]) -> list[tuple[str, Reason]]:
    return [(skip.ticker, skip.reason) for skip in skips]


# -- programs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (program(kind=IncentiveType.VOLUME), Reason.NOT_LIQUIDITY),
        (program(kind=IncentiveType.MARGIN_MAKER_VOLUME), Reason.NOT_LIQUIDITY),
        (program(paid_out=True), Reason.PAID_OUT),
        (program(starts_in=0.001), Reason.NOT_RUNNING),
        (program(starts_in=-5, days=5), Reason.NOT_RUNNING),
        (program(target=None), Reason.NO_PUBLISHED_SCORE),
        (program(target=0), Reason.NO_PUBLISHED_SCORE),
        (program()._replace(discount=None), Reason.NO_PUBLISHED_SCORE),
    ],
)
def test_a_program_that_does_not_pay_now_is_left_with_a_reason(seen: Program, reason: Reason) -> None:
    """A program that does not pay for resting orders at this time is left out with the reason that fits it."""
    running, skipped = ALL.programs([seen], NOW)
    assert running == {}
    assert told(skipped) == [("KXTEST-1", reason)]


def test_a_program_runs_from_its_first_second_to_before_its_last() -> None:
    one = program(days=1)
    assert ALL.programs([one], one.start)[0]
    assert ALL.programs([one], one.end - timedelta(seconds=1))[0]
    assert not ALL.programs([one], one.end)[0]


def test_one_running_program_is_enough_for_a_market() -> None:
    """If one program of a market runs, no skip reason is given for another program of it."""
    running, skipped = ALL.programs([program(paid_out=True, name="old"), program(name="new")], NOW)
    assert [one.id for one in running["KXTEST-1"]] == ["new"]
    assert skipped == []


def test_a_market_without_a_running_program_has_one_reason() -> None:
    """The market has a single skip reason even if several of its programs do not run."""
    ended = [program(paid_out=True, name="a"), program(starts_in=1, name="b"), program(target=None, name="c")]
    assert told(ALL.programs(ended, NOW)[1]) == [("KXTEST-1", Reason.PAID_OUT)]


def test_a_program_of_two_weeks_does_not_outrank_a_richer_day() -> None:
    running, _ = ALL.programs([program(300, 14, name="long"), program(50, 1, name="short")], NOW)
    assert [one.id for one in running["KXTEST-1"]] == ["short", "long"]


@pytest.mark.parametrize(
    ("only", "avoid", "reason"),
    [
        ((), (), None),
        (("KXHIGH*",), (), None),
        (("kxhigh*",), (), None),
        (("KXLOW*", "*CHI-*"), (), None),
        (("KXLOW*",), (), Reason.ONLY),
        (("KXHIGH",), (), Reason.ONLY),
        (("KX.*",), (), Reason.ONLY),
        ((), ("KXLOW*",), None),
        ((), ("KXHIGH*",), Reason.AVOID),
        ((), ("*mention*", "kxh??hCHI-*"), Reason.AVOID),
        ((), ("HIGH*",), None),
        (("KXHIGH*",), ("*CHI*",), Reason.AVOID),
        (("KXLOW*",), ("*CHI*",), Reason.ONLY),
    ],
)
def test_patterns_match_whole_tickers_in_any_case(
    only: tuple[str, ...], avoid: tuple[str, ...], reason: Reason | None
) -> None:
    """ONLY and AVOID match the whole ticker, in upper or lower case. A market that AVOID names stays out even
    if ONLY names it."""
    ticker = "KXHIGHCHI-26NOV23-B35.5"
    screen = Screen(only, avoid)
    found, skipped = screen.programs([program(ticker=ticker)], NOW)
    assert told(skipped) == ([(ticker, reason)] if reason else [])
    assert list(found) == ([] if reason else [ticker])
    skip = screen.unwanted()(ticker)
    assert (skip and skip.reason) == reason


def test_the_pattern_that_keeps_a_market_out_is_named() -> None:
    skip = Screen(avoid=("KXINX*", "*MENTION*", "*NEWS*")).unwanted()("KXMENTIONNEWS-1-A")
    assert skip == Skip("KXMENTIONNEWS-1-A", Reason.AVOID, "Pattern", "*MENTION*")
    skip = Screen(only=("KXHIGH*", "KXLOW*")).unwanted()("KXRAIN-1-A")
    assert skip == Skip("KXRAIN-1-A", Reason.ONLY, "Patterns", "KXHIGH*, KXLOW*")


@given(
    st.lists(
        st.builds(
            program,
            ticker=st.sampled_from(["KXA-1", "KXB-1", "KXC-1", "KXD-1"]),
            kind=st.sampled_from([IncentiveType.LIQUIDITY, IncentiveType.VOLUME]),
            paid_out=st.booleans(),
            starts_in=st.sampled_from([-9, -1, 0, 1]),
            target=st.sampled_from([None, 1_000]),
        )
    ),
    st.sampled_from([(), ("KXA*", "KXB*")]),
    st.sampled_from([(), ("*A-*", "KXC*")]),
)
def test_every_market_with_a_program_is_kept_or_has_a_reason(
    listed: list[Program], only: tuple[str, ...], avoid: tuple[str, ...]
) -> None:
    """Each market with a program is either kept or skipped with exactly one reason."""
    found, skipped = Screen(only, avoid).programs(listed, NOW)
    assert sorted([*found, *(skip.ticker for skip in skipped)]) == sorted({one.ticker for one in listed})


# -- markets ---------------------------------------------------------------------------------------------------


def screened(hours: float, seen: Market | None, status: ExchangeStatus = OPEN) -> list[Skip]:
    """The reasons against one market in which an order would rest for two minutes."""
    listed = {seen.ticker: seen} if seen else {}
    found, skipped = Screen(min_hours_to_close=PerMarket(hours)).markets(
        {"KXTEST-1": [program()]}, listed, status, NOW, SOON
    )
    assert found == ([] if skipped else [seen])
    return skipped


@pytest.mark.parametrize("status", [status for status in MarketStatus if status is not MarketStatus.ACTIVE])
def test_a_market_that_is_not_active_is_left_with_its_status(status: MarketStatus) -> None:
    (skip,) = screened(0, market()._replace(status=status))
    assert skip == Skip("KXTEST-1", Reason.MARKET_STATUS, "Status", status.value)


def test_a_market_that_the_exchange_does_not_list_is_not_quoted() -> None:
    assert told(screened(0, None)) == [("KXTEST-1", Reason.NO_MARKET)]


@pytest.mark.parametrize(
    ("shard", "status", "paused"),
    [
        (0, OPEN, False),
        (2, OPEN, True),
        (1, OPEN, False),
        (None, OPEN, False),
        (1, OPEN._replace(trading=False), True),
        (None, OPEN._replace(trading=False), True),
        (0, OPEN._replace(trading=False), False),
    ],
)
def test_no_order_is_sent_to_a_shard_that_is_paused(
    shard: int | None, status: ExchangeStatus, paused: bool
) -> None:
    skipped = screened(0, market(shard=shard), status)
    assert told(skipped) == ([("KXTEST-1", Reason.TRADING_PAUSED)] if paused else [])


HOUR = 3_600.0


@pytest.mark.parametrize(
    ("hours", "ending", "what", "number"),
    [
        (0, {"closes_in": 119}, "Closes", "in 0.0 hours, at least 0.0333 wanted"),
        (0, {"closes_in": 120}, "Closes", "in 0.0 hours, at least 0.0333 wanted"),
        (0, {"closes_in": 121}, None, None),
        (6, {"closes_in": 6 * HOUR}, "Closes", "in 6.0 hours, at least 6 wanted"),
        (6, {"closes_in": 6 * HOUR + 1}, None, None),
        (6, {"resolves_in": 5 * HOUR}, "Expected to resolve", "in 5.0 hours, at least 6 wanted"),
        (6, {"resolves_in": -5 * HOUR}, "Expected to resolve", "in 0.0 hours, at least 6 wanted"),
        (6, {"closes_in": 5 * HOUR, "resolves_in": 9 * HOUR}, "Closes", "in 5.0 hours, at least 6 wanted"),
        (6, {"closes_in": 9 * HOUR, "resolves_in": 8 * HOUR}, None, None),
    ],
)
def test_a_market_about_to_close_or_to_resolve_is_skipped(
    hours: float, ending: dict[str, float], what: str | None, number: str | None
) -> None:
    """No order rests in a market that is about to close or to resolve, or beyond the end of the market."""
    skipped = screened(hours, market(**ending))  # type: ignore[arg-type]
    assert skipped == ([Skip("KXTEST-1", Reason.MIN_HOURS_TO_CLOSE, what, number)] if what else [])


def test_each_market_has_one_reason_and_none_is_forgotten() -> None:
    wanted = {f"KXTEST-{n}": [program(ticker=f"KXTEST-{n}")] for n in range(4)}
    listed = {f"KXTEST-{n}": market(ticker=f"KXTEST-{n}", shard=n) for n in range(3)}
    found, skipped = ALL.markets(wanted, listed, OPEN, NOW, SOON)
    assert [one.ticker for one in found] == ["KXTEST-0", "KXTEST-1"]
    assert told(skipped) == [("KXTEST-2", Reason.TRADING_PAUSED), ("KXTEST-3", Reason.NO_MARKET)]


# -- what is known of a market ---------------------------------------------------------------------------------

QUADRATIC, CHARGED = FeeType.QUADRATIC, FeeType.QUADRATIC_WITH_MAKER_FEES


def happening(kind: FeeType | None = None, times: str | None = None, exclusive: bool = False) -> Event:
    return Event("KXTEST", "KXFAMILY", exclusive, kind, times if times is None else Decimal(times))


@pytest.mark.parametrize(
    ("known", "event", "rate"),
    [
        ((QUADRATIC, "1"), happening(), 0.0),
        ((CHARGED, "1"), happening(), 0.0175),
        ((CHARGED, "2"), happening(), 0.035),
        ((CHARGED, "2"), happening(times="0.5"), 0.00875),
        ((CHARGED, "2"), happening(times="0"), 0.0),
        ((QUADRATIC, "2"), happening(CHARGED), 0.035),
        ((CHARGED, "1"), happening(QUADRATIC), 0.0),
        ((QUADRATIC, "1"), happening(CHARGED, "3"), 0.0525),
        (None, happening(CHARGED), 0.0175),
        (None, happening(QUADRATIC), 0.0),
        (None, happening(), 0.07),
        (None, None, 0.07),
    ],
)
def test_an_events_own_fee_goes_before_its_series(
    known: tuple[FeeType, str] | None, event: Event | None, rate: float
) -> None:
    """If neither the event nor its series tells a fee, the bot assumes the dearest that makers pay."""
    series = {"KXFAMILY": Series("KXFAMILY", known[0], Decimal(known[1]))} if known else {}
    assert maker_rate_of(market(), series, event) == pytest.approx(rate)
    assert pytest.approx(0.07) == UNKNOWN_MAKER_RATE


def test_the_series_of_an_unknown_event_is_read_off_its_ticker() -> None:
    """If the event is not known, the bot takes the first part of the market's ticker as the series. A ticker
    that only begins like the series does not match."""
    series = {"KXTEST": Series("KXTEST", QUADRATIC, Decimal(1))}
    assert maker_rate_of(market(ticker="KXTEST-26NOV23-A"), series, None) == 0
    assert maker_rate_of(market(ticker="KXTESTER-26NOV23-A"), series, None) == UNKNOWN_MAKER_RATE


def test_the_worse_is_assumed_where_a_markets_terms_are_unknown() -> None:
    """A market comes with all that is known of it: programs, fee, event, qualified share and accrued rewards."""
    known, unknown = market(ticker="KXTEST-1"), market(ticker="KXOTHER-1")
    programs: dict[str, Any] = {
        "KXTEST-1": [program(name="rich"), program(10, name="poor")],
        "KXOTHER-1": [program(name="other", ticker="KXOTHER-1")],
    }
    series = {"KXFAMILY": Series("KXFAMILY", QUADRATIC, Decimal(1))}
    first, second = with_terms(
        [known, unknown],
        programs,
        series,
        {"KXTEST": happening(exclusive=True)},
        {"KXTEST-1": 0.5},
        {"rich": 1.25},
    )
    assert (first.market, first.programs) == (known, tuple(programs["KXTEST-1"]))
    assert (first.maker_rate, first.exclusive, first.qualified) == (0.0, True, 0.5)
    assert first.accrued_by_program == {"rich": 1.25}
    assert (second.market, second.programs) == (unknown, tuple(programs["KXOTHER-1"]))
    assert (second.maker_rate, second.exclusive, second.qualified) == (UNKNOWN_MAKER_RATE, False, 1.0)
    (shared,) = with_terms([known], programs, series, {"KXTEST": happening(exclusive=False)}, {})
    assert not shared.exclusive
    assert shared.accrued_by_program == {}
