"""What bids would bring: an estimate that flatters buys losses."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.models import FeeType
from exchange.orderbook import NO, YES, Bid, Side
from rewards import estimate as rule
from rewards.estimate import Estimate, EstimateRules, RewardedMarket, expected_fills
from rewards.fees import maker_rate
from tests.support import builders
from tests.support.builders import CENTS, FINE_BELOW, NOW, TAPERED, book, cents, level, market, program

DAY = timedelta(days=1)
QUALIFYING = book(yes=cents((54, 80), (52, 160), (50, 900)), no=cents((44, 60), (42, 180), (40, 900)))
RIVALS = 80 + 160 + 900 / 4
"""Their score on YES by a target of 1,000 and a discount of a half."""
BID = builders.bid(YES, "0.52", 100)
SHARE = 100 / (RIVALS + 100)
WHOLE = 100 * SHARE / 2
"""Dollars that BID would bring in the whole of a window of $100: about $8.84."""


def estimated(found: RewardedMarket, *bids: Bid, after: timedelta = 0 * DAY, **care: float) -> Estimate:
    return found.estimate(found.score(QUALIFYING, bids or (BID,)), NOW + after, EstimateRules(**care))


# -- what a market is ------------------------------------------------------------------------------------------


def test_a_markets_terms_are_those_of_its_richest_program() -> None:
    """The program that pays most a day sets the market's target and discount. The market's pool is the sum of
    all its programs, and it ends with the last of them."""
    found = builders.incentive(
        CENTS, program(100, 5, target=300, discount="0.05"), program(50, 10, target=1_000, name="later")
    )
    assert (found.ticker, found.target, found.discount) == ("KXTEST-1", 300, Decimal("0.05"))
    assert found.pool_per_day == pytest.approx(25)
    assert found.ends == NOW + 10 * DAY
    with pytest.raises(ValueError, match="p of KXTEST-1 has no published score"):
        _ = builders.incentive(CENTS, program(target=None)).target


def test_rewards_of_different_windows_are_compared_by_the_day() -> None:
    """A program of a quarter of an hour and one of a month are both converted to dollars a day."""
    assert rule.dollars_per_day(program(20, 1 / 96)) == pytest.approx(1_920)
    assert rule.dollars_per_day(program(310, 31)) == pytest.approx(10)


# -- scoring ---------------------------------------------------------------------------------------------------


def test_bids_are_scored_in_the_rivals_book() -> None:
    """Every program that qualifies gives the reference price and our score of each side. Each bid comes with
    the number of rivals' contracts at its price or ahead of it."""
    no, deep = builders.bid(NO, "0.43", 7), builders.bid(YES, "0.50", 30)
    scored = builders.incentive().score(QUALIFYING, [no, deep, BID])
    assert scored.bids == (deep, BID, no)
    assert scored.ahead == (80 + 160 + 900, 80 + 160, 60)
    ((on_yes, on_no),) = [sides for sides in scored.sides if sides]
    assert (on_yes.reference, on_yes.ours) == (Decimal("0.52"), 100 + 30 / 4)
    assert (on_no.reference, on_no.ours) == (Decimal("0.42"), 7)


@pytest.mark.parametrize("side", Side)
def test_a_best_bid_at_the_top_tick_pays_nothing(side: Side) -> None:
    """If the best bid of either side rests at the highest tick of the grid, the market is taken not to qualify."""
    for grid, top, low in ((CENTS, "0.99", "0.01"), (TAPERED, "0.999", "0.001")):
        ends = ((level(top, 2_000),), (level(low, 2_000),))
        found = builders.incentive(grid)
        scored = found.score(book(*ends) if side is YES else book(*reversed(ends)), [builders.bid(side, top, 100)])
        assert not scored.qualifies
        assert found.estimate(scored, NOW).dollars_per_day == 0


def test_no_prices_are_scored_by_the_steps_of_the_mirrored_grid() -> None:
    on_no = (level("0.849", 300), level("0.848", 900))
    (sides,) = builders.incentive(FINE_BELOW).score(book(cents((10, 2_000)), on_no), []).sides
    assert sides is not None
    assert sides[1].rivals == 300 + 900 / 2


# -- estimates -------------------------------------------------------------------------------------------------


def test_an_estimate_is_half_of_each_sides_share_of_the_pool() -> None:
    estimate = estimated(builders.incentive())
    assert estimate.share_yes == pytest.approx(SHARE)
    assert estimate.share_no == 0
    assert estimate.dollars_per_day == pytest.approx(WHOLE / 5)
    assert estimate.window == pytest.approx(WHOLE)
    assert estimate.payable == estimate.worth == Decimal(int(WHOLE * 100)) / 100
    assert estimate.worth_per_day == pytest.approx(float(estimate.worth) / 5)
    both = estimated(builders.incentive(), BID, builders.bid(NO, "0.42", 50))
    on_no = 50 / (60 + 180 + 900 / 4 + 50)
    assert (both.share_yes, both.share_no) == (pytest.approx(SHARE), pytest.approx(on_no))
    assert both.window == pytest.approx(WHOLE + 100 * on_no / 2)


def test_a_side_below_its_target_makes_both_sides_worth_nothing() -> None:
    """If one side of the book misses the target, a bid on the other side earns nothing either."""
    lopsided = book(yes=QUALIFYING.yes, no=cents((44, 60), (42, 180)))
    found = builders.incentive()
    estimate = found.estimate(found.score(lopsided, [BID]), NOW)
    assert (estimate.share_yes, estimate.dollars_per_day, estimate.payable) == (0, 0, 0)


def test_a_market_that_seldom_qualifies_is_not_overestimated() -> None:
    """Looks at which a market did not qualify count as seconds that pay nothing. The share of the side stays
    the same."""
    always, seldom = estimated(builders.incentive()), estimated(builders.incentive(qualified=0.25))
    assert seldom.window == pytest.approx(always.window / 4)
    assert seldom.dollars_per_day == pytest.approx(always.dollars_per_day / 4)
    assert seldom.payable == Decimal(int(WHOLE / 4 * 100)) / 100
    assert seldom.share_yes == always.share_yes
    assert estimated(builders.incentive(qualified=0.1)).payable == 0


def test_half_a_window_gone_halves_what_is_payable() -> None:
    """The dollars a day stay the same in the rest of the window. After its end nothing is payable."""
    first, later = estimated(builders.incentive()), estimated(builders.incentive(), after=2.5 * DAY)
    assert later.dollars_per_day == first.dollars_per_day
    assert later.worth_per_day == pytest.approx(first.worth_per_day, abs=0.01)
    assert later.payable == Decimal(int(WHOLE / 2 * 100)) / 100
    ended = estimated(builders.incentive(), after=5 * DAY)
    assert (ended.payable, ended.worth, ended.window) == (0, 0, 0)


@pytest.mark.parametrize(
    "ending", [{"closes_in": 86_400}, {"resolves_in": 86_400}, {"closes_in": 86_400, "resolves_in": 2 * 86_400}]
)
def test_a_market_earns_only_until_it_closes_or_resolves(ending: dict[str, float]) -> None:
    """If a market closes or is expected to resolve before its program ends, the estimate counts only the time
    until the earlier of them."""
    estimate = estimated(RewardedMarket(market(**ending), (program(),)))  # type: ignore[arg-type]
    assert estimate.window == pytest.approx(WHOLE / 5)
    assert estimate.payable == Decimal(int(WHOLE / 5 * 100)) / 100
    assert estimate.worth_per_day == pytest.approx(float(estimate.payable))


def test_a_market_pays_nothing_after_it_has_closed() -> None:
    closed = RewardedMarket(market(closes_in=-60), (program(),), accrued_by_program={"p": 30.0})
    estimate = estimated(closed)
    assert (estimate.payable, estimate.worth, estimate.worth_per_day, estimate.window) == (0, 0, 0, 30.0)


def test_what_a_window_has_earned_counts_towards_the_floor() -> None:
    """The accrued reward of a program helps its window to reach $1.00, and that of another program does not.
    Staying is worth only what leaving would lose."""
    small = program(10)
    fresh = estimated(builders.incentive(CENTS, small))
    assert (fresh.window, fresh.payable, fresh.worth) == (pytest.approx(WHOLE / 10), 0, 0)
    rescued = estimated(builders.incentive(CENTS, small, accrued_by_program={"p": 0.99, "another": 50.0}))
    assert rescued.window == pytest.approx(0.99 + WHOLE / 10)
    assert rescued.payable == rescued.worth == Decimal("1.87")
    safe = estimated(builders.incentive(CENTS, small, accrued_by_program={"p": 1.50}))
    assert (safe.payable, safe.worth) == (Decimal("2.38"), Decimal("0.88"))
    assert safe.worth_per_day == pytest.approx(0.88 / 5)


def test_the_last_cents_below_the_floor_are_worth_a_dollar() -> None:
    estimate = estimated(builders.incentive(CENTS, program(1), accrued_by_program={"p": 0.99}), after=4 * DAY)
    assert estimate.dollars_per_day == pytest.approx(WHOLE / 500)
    assert estimate.payable == estimate.worth == 1
    assert estimate.worth_per_day == pytest.approx(1)


def test_staying_past_the_accounts_cap_is_worth_nothing() -> None:
    """A program's cap limits what is payable. What the account has earned of the cap is not counted again, so
    staying is worth only the rest."""
    capped = program(100, cap=3)
    assert estimated(builders.incentive(CENTS, capped)).payable == 3
    half = estimated(builders.incentive(CENTS, capped, accrued_by_program={"p": 1.25}))
    assert (half.payable, half.worth) == (3, Decimal("1.75"))
    full = estimated(builders.incentive(CENTS, capped, accrued_by_program={"p": 3.5}))
    assert (full.payable, full.worth, full.worth_per_day) == (3, 0, 0)


def test_overlapping_programs_add_up_each_with_its_own_floor() -> None:
    """Dollars a day, payable and worth are sums over a market's programs. A program below its own floor adds
    nothing to payable, and the window is that of the best program."""
    long, short, small = program(100, 5, name="a"), program(40, 4, name="b"), program(10, 5, name="c")
    alone = [estimated(builders.incentive(CENTS, one)) for one in (long, short, small)]
    all_three = estimated(builders.incentive(CENTS, long, short, small))
    assert alone[2].payable == 0
    assert all_three.dollars_per_day == pytest.approx(sum(one.dollars_per_day for one in alone))
    assert all_three.window == alone[0].window
    assert all_three.payable == alone[0].payable + alone[1].payable
    assert all_three.worth == alone[0].worth + alone[1].worth
    assert all_three.worth_per_day == pytest.approx(alone[0].worth_per_day + alone[1].worth_per_day)
    earned = estimated(builders.incentive(CENTS, long, short, small, accrued_by_program={"b": 4.0}))
    assert earned.worth == all_three.worth
    assert earned.payable == all_three.payable + 4


def test_each_program_is_scored_by_its_own_target_and_discount() -> None:
    steep, far = program(100, discount="0.05", name="a"), program(100, target=5_000, name="b")
    both = builders.incentive(CENTS, steep, far)
    scored = both.score(QUALIFYING, [BID])
    assert scored.sides[1] is None
    assert scored.qualifies
    estimate = both.estimate(scored, NOW)
    assert estimate.share_yes == pytest.approx(100 / (80 + 160 + 900 / 400 + 100))
    assert estimate.dollars_per_day == pytest.approx(100 * estimate.share_yes / 2 / 5)


def test_a_decision_doubles_the_rivals_score() -> None:
    decided = estimated(builders.incentive(), rival_multiplier=2.0)
    assert decided.share_yes == pytest.approx(100 / (2 * RIVALS + 100))
    assert decided.payable == Decimal(int(100 * decided.share_yes / 2 * 100)) / 100
    assert estimated(builders.incentive()).share_yes == pytest.approx(SHARE)
    assert rule.RIVAL_MULTIPLIER == 2.0


@pytest.mark.parametrize(("least", "counts"), [(8.8, True), (8.9, False)])
def test_a_window_that_falls_short_of_the_least_is_worth_nothing(least: float, counts: bool) -> None:
    careful = estimated(builders.incentive(), min_window=least)
    assert (careful.payable, careful.worth) == ((Decimal("8.84"),) * 2 if counts else (0, 0))
    assert careful.window == pytest.approx(WHOLE)


# -- what fills cost -------------------------------------------------------------------------------------------


def test_expected_fills_are_shared_with_the_contracts_ahead() -> None:
    """Half of a day's volume comes to each side. A bid gets its part of that among the contracts ahead of it,
    and no fills without volume."""
    assert expected_fills(1_000, 300, 100) == pytest.approx(125)
    assert expected_fills(1_000, 0, 1) == 500
    assert expected_fills(0, 300, 100) == 0


def test_the_net_pays_for_fill_losses_and_maker_fees() -> None:
    """The expected fills of both sides cost their loss per contract and the maker's fee at each price. The net
    a day is the worth less both."""
    no = builders.bid(NO, "0.42", 50)
    busy = RewardedMarket(market(volume=4_000), (program(),), maker_rate=0.0175)
    estimate = estimated(busy, BID, no, fill_cost=0.03)
    yes_fills, no_fills = 2_000 * 100 / (240 + 100), 2_000 * 50 / (240 + 50)
    assert estimate.fills_per_day == pytest.approx(yes_fills + no_fills)
    assert estimate.fill_cost_per_day == pytest.approx((yes_fills + no_fills) * 0.03)
    fees = 0.0175 * (yes_fills * 0.52 * 0.48 + no_fills * 0.42 * 0.58)
    assert estimate.fees_per_day == pytest.approx(fees)
    net = estimate.worth_per_day - estimate.fill_cost_per_day - fees
    assert estimate.net_per_day == pytest.approx(net)
    assert estimated(busy, BID, no).fill_cost_per_day == 0
    free = estimated(busy._replace(maker_rate=0.0), BID, no, fill_cost=0.03)
    assert (free.fees_per_day, free.fill_cost_per_day) == (0, estimate.fill_cost_per_day)


@pytest.mark.parametrize(("hours", "times"), [(48, 1), (6, 4), (0.25, 24)])
def test_a_young_markets_fills_are_counted_at_its_pace(hours: float, times: float) -> None:
    young = market(volume=680)._replace(opened=NOW - timedelta(hours=hours))
    estimate = estimated(RewardedMarket(young, (program(),)), fill_cost=0.03)
    assert estimate.fills_per_day == pytest.approx(340 * times * 100 / (240 + 100))
    assert estimate.fill_cost_per_day == pytest.approx(estimate.fills_per_day * 0.03)


@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        (FeeType.QUADRATIC, 0.0),
        (FeeType.QUADRATIC_WITH_MAKER_FEES, 0.0175),
        (FeeType.QUADRATIC_WITH_COMBO_MAKER_FEES, 0.035),
        (FeeType.FLAT, 0.07),
    ],
)
def test_the_maker_rate_follows_fee_type_and_multiplier(kind: FeeType, rate: float) -> None:
    """Each fee type charges a maker its own part of the taker's fee, none for plain quadratic. The multiplier
    of the market scales it."""
    assert maker_rate(kind, Decimal(1)) == pytest.approx(rate)
    assert maker_rate(kind, Decimal("0.5")) == pytest.approx(rate / 2)
    assert maker_rate(kind, Decimal(0)) == 0


def test_a_bid_ties_up_its_price_and_its_fee() -> None:
    """The fee is the maker's fee if the bid is filled, and it is rounded up."""
    bid = builders.bid(NO, "0.42", 50)
    assert builders.incentive().cost(bid) == Decimal("21")
    assert builders.incentive(maker_rate=0.0175).cost(bid) == 50 * (Decimal("0.42") + Decimal("0.0043"))
    odd = builders.incentive(maker_rate=0.0175).cost(builders.bid(YES, "0.45", 1))  # a fee of 0.00433125
    assert odd == Decimal("0.45") + Decimal("0.0044")
