"""The score and the choice: whoever gets them wrong quotes for nothing.

The vectors are numbers published by practitioners and by the exchange's help page; they are copied here so that
the tests need no other file.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import incentive as rule
from incentive import Candidate, Estimate, Reason
from models import Bid, Book, ExchangeStatus, IncentiveType, MarketStatus, PriceGrid, Side
from tests import values
from tests.values import CENTS, GRIDS, NOW, book, cents, program

HALF = Decimal("0.5")

VECTORS = [
    ("T1", 1000, [(40, 150), (39, 100), (37, 1000), (30, 5000)], [], 39, 500.0, 0.0),
    ("T2", 1000, [(4, 301), (3, 1100), (1, 1000)], [(4, 1000)], 4, 1301.0, 1000 / 1301),
    ("T3", 1000, [(4, 301), (3, 1100), (1, 1000)], [(5, 1000)], 5, 1000.0, 1.0),
    ("T4", 1000, [(40, 12000), (39, 5000)], [(40, 200)], 40, 12200.0, 200 / 12200),
    ("T6", 1000, [(4, 301), (3, 1100), (1, 1000)], [(5, 300)], 5, 725.5, 300 / 725.5),
    ("T9", 100, [(50, 1), (49, 99)], [(49, 100)], 49, 200.0, 0.5),
    (
        "T12", 1000,
        [(38, 120), (34, 120), (31, 120), (27, 220), (23, 120), (19, 120), (15, 120), (11, 120)],
        [(35, 50)], 34, 306.7812490463257, 0.1629825817432855,
    ),
]  # fmt: skip


def own_bids(*bids: tuple[int, float]) -> list[Bid]:
    return [Bid(Side.YES, Decimal(price) / 100, Decimal(str(size))) for price, size in bids]


@pytest.mark.parametrize(("name", "target", "levels", "own", "reference", "total", "share"), VECTORS)
def test_a_side_is_scored_as_others_have_measured_it(
    name: str, target: int, levels: list[tuple[int, float]], own: list[tuple[int, float]],
    reference: int, total: float, share: float,
) -> None:  # fmt: skip
    bids = own_bids(*own)
    merged = book(yes=cents(*levels)).with_bids(bids)
    score = rule.score_side(merged, Side.YES, CENTS, Decimal(target), HALF)
    assert score is not None
    assert score.reference == Decimal(reference) / 100
    assert score.total == pytest.approx(total, rel=1e-12)
    assert rule.share_of(bids, score, Side.YES, CENTS, HALF) == pytest.approx(share, rel=1e-12)


def test_a_side_short_of_the_target_pays_nobody() -> None:
    merged = book(yes=cents((30, 50), (20, 40))).with_bids(own_bids((30, 100)))
    assert rule.score_side(merged, Side.YES, CENTS, Decimal(1000), HALF) is None


@pytest.mark.parametrize(
    ("earned", "cap", "paid"),
    [
        (0.2 * 100 * 8000 / 10000, None, "16.00"),
        (20.0, None, "20.00"),
        (0.0499 * 20, None, "0"),
        (0.05 * 20, None, "1.00"),
        (3.999, None, "3.99"),
        (12.0, 5, "5.00"),
        (0.1 + 0.2 + 0.7, None, "1.00"),
    ],
)
def test_a_window_pays_whole_cents_and_nothing_below_a_dollar(earned: float, cap: int | None, paid: str) -> None:
    assert rule.payout(earned, None if cap is None else Decimal(cap)) == Decimal(paid)


@given(
    st.data(),
    st.sampled_from(GRIDS),
    st.sampled_from(Side),
    st.integers(1, 3000),
    st.sampled_from(["0.5", "0.9", "1"]),
)
def test_the_shares_of_a_side_sum_to_one_and_nothing_below_the_walk_earns(
    data: st.DataObject, grid: PriceGrid, side: Side, target: int, discount: str
) -> None:
    drawn = data.draw(values.books(grid))
    score = rule.score_side(drawn, side, grid, Decimal(target), Decimal(discount))
    resting = sum(level.size for level in drawn.side(side))
    assert (score is None) == (resting < target)
    if score is None:
        return
    shares = [
        rule.share_of([Bid(side, level.price, level.size)], score, side, grid, Decimal(discount))
        for level in drawn.side(side)
    ]
    assert sum(shares) == pytest.approx(1.0)
    walked = Decimal(0)
    for level, share in zip(drawn.side(side), shares, strict=True):
        assert (share > 0) == (walked < target)
        walked += level.size


QUALIFYING = book(yes=cents((54, 80), (52, 160), (50, 900)), no=cents((44, 60), (42, 180), (40, 900)))


def test_an_estimate_is_half_of_each_sides_share_of_the_pool() -> None:
    bids = [Bid(Side.YES, Decimal("0.52"), Decimal(100))]
    estimate = values.incentive().estimate(QUALIFYING, bids, NOW)
    share = 100 / (80 + 160 + 100 + 900 * 0.25)
    assert estimate.share_yes == pytest.approx(share)
    assert estimate.share_no == 0
    assert estimate.dollars_per_day == pytest.approx(20 * share / 2)
    assert estimate.payable == Decimal(int(100 * share / 2 * 100)) / 100


def test_one_side_missing_the_target_is_worth_nothing_on_the_other() -> None:
    lopsided = book(yes=QUALIFYING.yes, no=cents((44, 60), (42, 180)))
    bids = [Bid(Side.YES, Decimal("0.52"), Decimal(100))]
    estimate = values.incentive().estimate(lopsided, bids, NOW)
    assert (estimate.dollars_per_day, estimate.payable) == (0, 0)


def test_half_a_window_gone_halves_what_is_payable_not_what_a_day_brings() -> None:
    bids = [Bid(Side.YES, Decimal("0.52"), Decimal(100))]
    first = values.incentive().estimate(QUALIFYING, bids, NOW)
    later = values.incentive().estimate(QUALIFYING, bids, NOW + timedelta(days=2.5))
    assert later.dollars_per_day == first.dollars_per_day
    assert float(later.payable) == pytest.approx(float(first.payable) / 2, abs=0.01)


@pytest.mark.parametrize("side", Side)
def test_a_best_bid_at_the_top_tick_of_either_side_is_taken_to_pay_nothing(side: Side) -> None:
    high, low = cents((99, 2_000)), cents((1, 2_000))
    crossed_out = book(high, low) if side is Side.YES else book(low, high)
    bids = [Bid(side, Decimal("0.99"), Decimal(100))]
    assert values.incentive().estimate(crossed_out, bids, NOW).dollars_per_day == 0


def test_a_market_pays_nothing_after_it_has_closed() -> None:
    bids = [Bid(Side.YES, Decimal("0.52"), Decimal(100))]
    closing = rule.IncentiveProgram(values.market(closes_in=600), (program(1_400, 14),))
    open_longer = rule.IncentiveProgram(values.market(closes_in=14 * 86_400), (program(1_400, 14),))
    assert closing.estimate(QUALIFYING, bids, NOW).payable == 0
    assert open_longer.estimate(QUALIFYING, bids, NOW).payable > 100


def test_the_cap_of_an_account_caps_the_estimate() -> None:
    bids = [Bid(Side.YES, Decimal("0.52"), Decimal(100))]
    capped = values.incentive(CENTS, program(100, 5, cap=3))
    assert capped.estimate(QUALIFYING, bids, NOW).payable == 3


def test_two_programs_on_one_market_add_up() -> None:
    bids = [Bid(Side.YES, Decimal("0.52"), Decimal(100))]
    both = values.incentive(CENTS, program(100, 5, name="a"), program(40, 4, name="b"))
    one = values.incentive(CENTS, program(100, 5))
    other = values.incentive(CENTS, program(40, 4))
    estimates = [found.estimate(QUALIFYING, bids, NOW) for found in (both, one, other)]
    assert estimates[0].dollars_per_day == pytest.approx(sum(e.dollars_per_day for e in estimates[1:]))
    assert estimates[0].payable == sum(e.payable for e in estimates[1:])


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (program(kind=IncentiveType.VOLUME), Reason.NOT_LIQUIDITY),
        (program(paid_out=True), Reason.PAID_OUT),
        (program(starts_in=1), Reason.NOT_RUNNING),
        (program(starts_in=-5, days=5), Reason.NOT_RUNNING),
        (program(target=None), Reason.NO_PUBLISHED_SCORE),
    ],
)
def test_a_program_that_does_not_pay_for_resting_orders_now_is_left_with_its_reason(
    seen: rule.Program, reason: Reason
) -> None:
    running, skipped = rule.running([seen], NOW)
    assert running == {}
    assert [skip.reason for skip in skipped] == [reason]


def test_a_market_with_one_running_program_needs_no_reason_for_another() -> None:
    running, skipped = rule.running([program(paid_out=True, name="old"), program(name="new")], NOW)
    assert [p.id for p in running["KXTEST-1"]] == ["new"]
    assert skipped == []


def test_a_program_of_two_weeks_does_not_outrank_a_richer_day() -> None:
    running, _ = rule.running([program(300, 14, name="long"), program(50, 1, name="short")], NOW)
    assert [p.id for p in running["KXTEST-1"]] == ["short", "long"]


OPEN = ExchangeStatus(True, {0: True, 2: False}, None)


@pytest.mark.parametrize(
    ("changes", "closes_in", "reason"),
    [
        ({"status": MarketStatus.INACTIVE}, 1e6, Reason.MARKET_STATUS),
        ({"exchange_index": 2}, 1e6, Reason.TRADING_PAUSED),
        ({}, 119, Reason.CLOSES_SOON),
        ({}, 121, None),
    ],
)
def test_no_order_is_left_in_a_market_that_cannot_be_traded_until_it_expires(
    changes: dict[str, object], closes_in: float, reason: Reason | None
) -> None:
    market = values.market(closes_in=closes_in)._replace(**changes)  # type: ignore[arg-type]
    found, skipped = rule.tradable(
        {"KXTEST-1": [program()]}, {"KXTEST-1": market}, OPEN, NOW + timedelta(seconds=120)
    )
    assert [skip.reason for skip in skipped] == ([reason] if reason else [])
    assert len(found) == (0 if reason else 1)


def candidate(ticker: str, per_day: float, payable_per_day: float) -> Candidate:
    market = values.market()._replace(ticker=ticker)
    found = rule.IncentiveProgram(market, (program(),))
    estimate = Estimate(0.1, 0.1, per_day, Decimal(str(payable_per_day)), payable_per_day)
    return Candidate(found, Book(ticker, (), ()), (), estimate)


def test_what_is_really_paid_outranks_what_the_floor_takes_away() -> None:
    below_floor = candidate("KXBELOW-1", per_day=0.9, payable_per_day=0.0)
    paid = candidate("KXPAID-1", per_day=0.3, payable_per_day=0.3)
    small = candidate("KXSMALL-1", per_day=0.1, payable_per_day=0.0)
    choice = rule.choose([small, below_floor, paid], [], slots=2)
    assert [c.ticker for c in choice.chosen] == ["KXPAID-1", "KXBELOW-1"]
    assert [(skip.ticker, skip.reason, skip.number) for skip in choice.skipped] == [
        ("KXSMALL-1", Reason.TRADE_TICKER_SIZE, "3, the best 2 are quoted")
    ]
