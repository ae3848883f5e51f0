"""What bids would bring, and the selection: an estimate that flatters buys losses, and a market that is left out
without a reason is one that nobody looks for.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from exchange.models import FeeType
from exchange.orderbook import NO, YES, Bid, Book, Side
from rewards import estimate as rule
from rewards.estimate import Candidate, Estimate, EstimateRules, RewardedMarket, Scored, expected_fills
from rewards.fees import maker_rate
from rewards.skips import Reason, Skip
from risk.exposure import Headroom
from selection import ranking as choices
from selection.ranking import Selection, SelectionRules, choose
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


# -- the selection ------------------------------------------------------------------------------------------------


def candidate(
    ticker: str,
    net: float = 1.0,
    *,
    payable: float | None = None,
    per_day: float = 0.0,
    costs: float = 0.0,
    yes: float = 0,
    no: float = 0,
    shard: int | None = 0,
    exclusive: bool = False,
) -> Candidate:
    """A market with bids for 50 cents of so many contracts a side, and what they would bring a day."""
    found = RewardedMarket(market(ticker=ticker, shard=shard), (program(ticker=ticker),), exclusive=exclusive)
    bids = tuple(builders.bid(side, "0.50", count) for side, count in ((YES, yes), (NO, no)) if count)
    paid = Decimal(str(net + costs if payable is None else payable))
    estimate = Estimate(0, 0, per_day, 0, paid, paid, net + costs, costs / 0.04, costs * 3 / 4, costs / 4)
    return Candidate(found, Book(ticker, (), ()), Scored(bids, (None,), (Decimal(0),) * len(bids)), estimate, NOW)


AMPLE = Headroom(Decimal(1_000), Decimal(1_000), Decimal(1_000))
NONE: frozenset[str] = frozenset()


def chosen(selection: Selection) -> list[str]:
    return [candidate.ticker for candidate in selection.chosen]


def reasons(selection: Selection) -> dict[str, Reason]:
    assert len({skip.ticker for skip in selection.skipped}) == len(selection.skipped)
    return {skip.ticker: skip.reason for skip in selection.skipped}


def test_slots_go_to_the_markets_with_the_best_net() -> None:
    """The bot ranks markets by what they bring after the cost of fills. A market that gets no slot is skipped
    with its rank and is a runner-up."""
    busy = candidate("KXBUSY-1", 1.0, costs=5.0)
    quiet = candidate("KXQUIET-1", 2.0)
    fair = candidate("KXFAIR-1", 1.5)
    selection = choose([busy, fair, quiet], [], SelectionRules(2), AMPLE, NONE)
    assert chosen(selection) == ["KXQUIET-1", "KXFAIR-1"]
    (skip,) = selection.skipped
    assert skip == Skip("KXBUSY-1", Reason.TRADE_TICKER_SIZE, "Rank", "3 of 3, the best 2 are quoted")
    assert selection.runners_up == (busy,)
    assert selection.unpaid == NONE


def test_equal_markets_are_chosen_by_ticker() -> None:
    """The order in which the markets came in does not decide between equals."""
    ones = [candidate(f"KX{name}-1") for name in "BCA"]
    assert chosen(choose(ones, [], SelectionRules(2), AMPLE, NONE)) == ["KXA-1", "KXB-1"]


@pytest.mark.parametrize(("net", "quoted"), [(0.01, True), (0.0, False), (-2.0, False)])
def test_a_market_whose_fills_eat_its_reward_is_not_quoted(net: float, quoted: bool) -> None:
    selection = choose([candidate("KXBUSY-1", net, payable=5, costs=4.0)], [], SelectionRules(2), AMPLE, NONE)
    assert chosen(selection) == (["KXBUSY-1"] if quoted else [])
    if not quoted:
        (skip,) = selection.skipped
        assert (skip.reason, skip.label) == (Reason.FILL_COST, "Net a day")
        assert skip.number == f"-${-net:.4f}, 100.0 fills a day cost $4.0000"


def test_a_market_below_the_minimum_reward_is_not_quoted() -> None:
    """A market that pays less a window than the minimum is skipped with both sums, even if a slot stays free."""
    ones = [
        candidate("KXA-1", 1, payable=1.99),
        candidate("KXB-1", 1, payable=2),
        candidate("KXC-1", 0, per_day=9),
    ]
    selection = choose(ones, [], SelectionRules(3, Decimal(2)), AMPLE, NONE)
    assert chosen(selection) == ["KXB-1"]
    assert reasons(selection) == {"KXA-1": Reason.MIN_REWARD, "KXC-1": Reason.MIN_REWARD}
    assert selection.skipped[0].number == "$1.99 of $2.00 a window"
    assert selection.unpaid == NONE


def test_free_slots_go_to_markets_below_the_floor() -> None:
    """Paid markets come first. Free slots then go to the markets with the most reward a day before the floor,
    and the selection names them as unpaid."""
    ones = [
        candidate("KXLESS-1", 0, per_day=0.1),
        candidate("KXMORE-1", -3, payable=0, per_day=0.9, costs=3),
        candidate("KXPAID-1", 0.3, per_day=0.3),
    ]
    selection = choose(ones, [], SelectionRules(2), AMPLE, NONE)
    assert chosen(selection) == ["KXPAID-1", "KXMORE-1"]
    assert selection.unpaid == {"KXMORE-1"}
    assert reasons(selection) == {"KXLESS-1": Reason.TRADE_TICKER_SIZE}
    assert chosen(choose(ones, [], SelectionRules(1), AMPLE, NONE)) == ["KXPAID-1"]


def test_a_quoted_unpaid_market_does_not_outrank_a_paid_one() -> None:
    """The advantage of a market that is quoted already does not lift it over a market that pays."""
    ones = [candidate("KXIDLE-1", 0, per_day=50), candidate("KXPAID-1", 0.1)]
    selection = choose(ones, [], SelectionRules(1), AMPLE, frozenset({"KXIDLE-1"}))
    assert chosen(selection) == ["KXPAID-1"]


@pytest.mark.parametrize(("other", "stays"), [(1.2, True), (1.3, False)])
@pytest.mark.parametrize("paid", [True, False])
def test_a_slightly_better_market_does_not_take_a_quoted_slot(other: float, stays: bool, paid: bool) -> None:
    """A market that is quoted already loses its slot only if the other one is clearly better. This holds for
    paid and for unpaid markets."""
    if paid:
        ones = [candidate("KXOTHER-1", other), candidate("KXQUOTED-1", 1.0)]
    else:
        ones = [candidate("KXOTHER-1", 0, per_day=other), candidate("KXQUOTED-1", 0, per_day=1.0)]
    assert chosen(choose(ones, [], SelectionRules(1), AMPLE, NONE)) == ["KXOTHER-1"]
    kept = chosen(choose(ones, [], SelectionRules(1), AMPLE, frozenset({"KXQUOTED-1"})))
    assert kept == (["KXQUOTED-1"] if stays else ["KXOTHER-1"])


def test_a_market_that_exceeds_the_capital_gives_way_to_the_next() -> None:
    """A market that does not fit in the capital is skipped with what it needs and what is left. The next one
    that fits gets the slot."""
    headroom = Headroom(Decimal(10), Decimal(1_000), Decimal(1_000))
    ones = [
        candidate("KXA-1", 3, yes=12), candidate("KXB-1", 2, yes=6, no=4), candidate("KXC-1", 1, no=8),
        candidate("KXD-1", 0.5, yes=1),
    ]  # fmt: skip
    selection = choose(ones, [], SelectionRules(3), headroom, NONE)
    assert chosen(selection) == ["KXA-1", "KXC-1"]
    assert reasons(selection) == {"KXB-1": Reason.MAX_CAPITAL, "KXD-1": Reason.MAX_CAPITAL}
    assert [skip.number for skip in selection.skipped] == ["$5.00, $4.00 left", "$0.50, $0.00 left"]


def test_cash_on_another_shard_is_of_no_use() -> None:
    headroom = Headroom(Decimal(1_000), Decimal(1_000), Decimal(20), {0: Decimal(3), 1: Decimal(17)})
    ones = [
        candidate("KXA-1", 3, yes=8), candidate("KXB-1", 2, yes=34, shard=1), candidate("KXC-1", 1, yes=6),
        candidate("KXD-1", 0.5, yes=1, shard=2),
    ]  # fmt: skip
    selection = choose(ones, [], SelectionRules(4), headroom, NONE)
    assert chosen(selection) == ["KXB-1", "KXC-1"]
    assert reasons(selection) == {"KXA-1": Reason.CASH, "KXD-1": Reason.CASH}
    assert selection.skipped[0].number == "$4.00, $3.00 free on shard 0"


def test_strikes_of_one_event_share_one_loss_limit() -> None:
    """The strikes of one event count as one bet. A strike that would exceed the event's loss limit is skipped
    with both sums, and another event gets the slot."""
    headroom = Headroom(Decimal(1_000), Decimal(10), Decimal(1_000))
    strikes = [candidate(f"KXRAIN-1-{name}", 3, no=12) for name in "AB"]
    selection = choose([*strikes, candidate("KXSUN-1-A", 1, yes=12)], [], SelectionRules(2), headroom, NONE)
    assert chosen(selection) == ["KXRAIN-1-A", "KXSUN-1-A"]
    assert reasons(selection) == {"KXRAIN-1-B": Reason.MAX_EVENT_LOSS}
    assert selection.skipped[0].number == "$12.00 of $10.00 with it"


def test_exclusive_strikes_do_not_add_up_their_no_losses() -> None:
    """If strikes exclude each other, at most one NO bid loses, so all fit in the event's loss limit. Their YES
    bids can all lose, so one fits."""
    headroom = Headroom(Decimal(1_000), Decimal(10), Decimal(1_000))
    no = [candidate(f"KXRAIN-1-{name}", 3, no=12, exclusive=True) for name in "ABC"]
    yes = [candidate(f"KXRAIN-1-{name}", 3, yes=12, exclusive=True) for name in "ABC"]
    assert len(choose(no, [], SelectionRules(3), headroom, NONE).chosen) == 3
    assert len(choose(yes, [], SelectionRules(3), headroom, NONE).chosen) == 1


def test_one_side_of_a_quote_is_filled_alone() -> None:
    pair = candidate("KXA-1", yes=12, no=8)
    assert choices.losses(pair) == (Decimal(4), Decimal(6))
    assert choices.broken_limit(pair, Headroom(Decimal(10), Decimal(6), Decimal(10))) is None
    lacking = choices.broken_limit(pair, Headroom(Decimal(10), Decimal("5.99"), Decimal(10)))
    assert lacking is not None
    assert lacking.reason is Reason.MAX_EVENT_LOSS


def test_a_market_left_out_before_keeps_its_reason() -> None:
    """A market that was left out before the selection comes last among the skipped markets."""
    before = Skip("KXZ-1", Reason.NO_BOOK, "Book", "not sent by the exchange")
    selection = choose([candidate("KXA-1"), candidate("KXB-1")], [before], SelectionRules(1), AMPLE, NONE)
    assert selection.skipped[-1] == before
    assert len(selection.skipped) == 2


@st.composite
def boards(draw: st.DrawFn) -> list[Candidate]:
    """Markets of a few events on a few shards. What is known of an event holds for all of its markets."""
    exclusive = {event: draw(st.booleans()) for event in "PQR"}
    shards = draw(st.sampled_from([(None,), (0, 1)]))
    count = st.integers(0, 40)
    found = []
    for number in range(draw(st.integers(0, 12))):
        name = draw(st.sampled_from("PQR"))
        found.append(
            candidate(
                f"KX-{name}-{number}",
                draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])),
                payable=draw(st.sampled_from([0, 1, 1.5, 3])),
                per_day=draw(st.sampled_from([0.0, 0.5, 1.0, 2.0])),
                yes=draw(count),
                no=draw(count),
                shard=draw(st.sampled_from(shards)),
                exclusive=exclusive[name],
            )
        )
    return found


@settings(max_examples=200, deadline=None)
@given(
    boards(), st.integers(1, 6), st.sampled_from([0, 1, 2]), st.integers(0, 60), st.integers(0, 20),
    st.tuples(st.integers(0, 40), st.integers(0, 40)), st.booleans(), st.sets(st.integers(0, 11)),
)  # fmt: skip
def test_every_market_is_chosen_or_skipped_once_within_limits(
    board: list[Candidate], slots: int, min_reward: int, capital: int, event_loss: int,
    cash: tuple[int, int], told: bool, quoted: set[int],
) -> None:  # fmt: skip
    """A market that is not chosen has exactly one reason. The chosen markets keep within slots, minimum reward,
    capital, cash of each shard and event loss, with the paid ones first."""
    by_shard = {0: Decimal(cash[0]), 1: Decimal(cash[1])} if told else None
    headroom = Headroom(Decimal(capital), Decimal(event_loss), Decimal(sum(cash)), by_shard)
    names = frozenset(one.ticker for one in board if int(one.ticker.rpartition("-")[2]) in quoted)
    before = Skip("KXBEFORE-1", Reason.NO_BOOK, "Book", "not sent by the exchange")
    selection = choose(board, [before], SelectionRules(slots, Decimal(min_reward)), headroom, names)
    told_of = Counter([*chosen(selection), *(skip.ticker for skip in selection.skipped)])
    assert told_of == Counter([*(one.ticker for one in board), "KXBEFORE-1"])
    assert len(selection.chosen) <= slots
    for reason in set(reasons(selection).values()):
        event(reason.name)
    paid = [bool(one.conservative.payable) for one in selection.chosen]
    assert paid == sorted(paid, reverse=True)
    assert selection.unpaid == {one.ticker for one in selection.chosen if not one.conservative.payable}
    assert all(one.conservative.payable >= min_reward for one in selection.chosen)
    assert all(one.conservative.net_per_day > 0 for one in selection.chosen if one.conservative.payable)
    if Reason.TRADE_TICKER_SIZE in reasons(selection).values():
        assert len(selection.chosen) == slots
    tied_up = {one.ticker: sum(bid.price * bid.count for bid in one.bids) for one in selection.chosen}
    assert sum(tied_up.values()) <= capital
    assert sum(tied_up.values()) <= sum(cash)
    for shard, free in (by_shard or {}).items():
        on_it = [one.ticker for one in selection.chosen if one.incentive.market.exchange_index == shard]
        assert sum(tied_up[ticker] for ticker in on_it) <= free
    for name in "PQR":
        same = [one for one in selection.chosen if one.incentive.market.event_ticker == f"KX-{name}"]
        worst = [{bid.side: bid.price * bid.count for bid in one.bids} for one in same]
        if same and same[0].incentive.exclusive:
            yes_loses = sum(cost.get(YES, 0) for cost in worst)
            outcomes = [yes_loses - cost.get(YES, 0) + cost.get(NO, 0) for cost in worst]
            assert max(yes_loses, *outcomes) <= event_loss
        else:
            assert sum(max(cost.values(), default=0) for cost in worst) <= event_loss
