"""Sizes for `TRADE_SIZE = AUTO`: a poor plan leaves the reward to others, a greedy one breaks a limit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.exhaustive import Problem, problem
from benchmarks.sizing import compared, honest_net
from exchange.models import Program
from exchange.orderbook import NO, SIDES, YES, Book, Side
from rewards.estimate import Candidate, RewardedMarket
from rewards.skips import Reason
from risk.exposure import Headroom
from selection.allocation import LEAST_WINDOW, choose_sizes
from selection.ranking import Selection, SelectionRules
from tests.support.builders import NOW, cents, level, market, program
from trade import Trade

AT_THE_TOUCH = Trade(None, 0, None)
TWO_SLOTS = SelectionRules(2)
PLENTY = Headroom(Decimal(100), Decimal(100), Decimal(100))

# hard boards among the generator's: held positions that gain, tight cash, shared events, two programs, caps
BOARDS = range(12)


def headroom(capital: float, event_loss: float = 1_000, **known: Any) -> Headroom:
    return Headroom(Decimal(str(capital)), Decimal(str(event_loss)), Decimal(str(capital)), **known)


def known(*programs: Program, name: str = "KXTEST-1", volume: int = 0, **more: Any) -> RewardedMarket:
    return RewardedMarket(market(ticker=name, volume=volume), programs or (program(target=20),))._replace(**more)


def book(yes: Sequence[Any], no: Sequence[Any], name: str = "KXTEST-1") -> Book:
    return Book(name, tuple(yes), tuple(no))


FULL = cents((40, 30))


def chosen(
    incentives: Sequence[RewardedMarket],
    books: Sequence[Book],
    money: Headroom = PLENTY,
    trade: Trade = AT_THE_TOUCH,
    rules: SelectionRules = TWO_SLOTS,
    quoted: frozenset[str] = frozenset(),
) -> Selection:
    return choose_sizes(trade, incentives, {one.ticker: one for one in books}, NOW, rules, money, quoted)


def counts(candidate: Candidate) -> dict[Side, int]:
    """Contracts on YES and NO."""
    found = dict.fromkeys(SIDES, 0)
    for bid in candidate.bids:
        assert bid.count == int(bid.count)
        found[bid.side] = int(bid.count)
    return found


def only(selection: Selection) -> dict[Side, int]:
    (candidate,) = selection.chosen
    return counts(candidate)


def reason(selection: Selection, name: str = "KXTEST-1") -> Reason:
    (skip,) = [skip for skip in selection.skipped if skip.ticker == name]
    return skip.reason


# The plan -------------------------------------------------------------------------------------------------


def test_the_plan_is_nearly_the_best_one() -> None:
    outcomes = [compared(problem(seed)) for seed in BOARDS]
    ratios = [outcome.ratio for outcome in outcomes]
    assert sum(outcome.best > 0 for outcome in outcomes) > len(BOARDS) / 3
    assert sum(ratios) / len(ratios) >= 0.98
    assert min(ratios) >= 0.90


@settings(max_examples=60)
@given(seed=st.integers(10_000, 10_000_000))
def test_no_plan_breaks_a_limit_or_funds_what_pays_too_little(seed: int) -> None:
    """Whole contracts, slots, MAX_CAPITAL, MAX_EVENT_LOSS, cash by shard; judged by `estimate.py` alone."""
    board: Problem = problem(seed)
    selection = board.chosen()
    assert honest_net(board, selection.chosen) is not None
    for candidate in selection.chosen:
        decided = candidate.incentive.estimate(candidate.scored, NOW, board.estimate_rules)
        assert decided.worth > 0
        assert decided.window >= float(LEAST_WINDOW)
        assert decided.net_per_day > 0


@settings(max_examples=60)
@given(seed=st.integers(10_000, 10_000_000))
def test_every_market_is_chosen_or_has_one_reason(seed: int) -> None:
    board = problem(seed)
    selection = board.chosen()
    told = [one.ticker for one in selection.chosen] + [skip.ticker for skip in selection.skipped]
    assert sorted(told) == sorted(board.books)


def test_a_large_board_has_one_reason_each_too() -> None:
    names = [f"KXTEST-{number}" for number in range(60)]
    incentives = [known(program(reward=50 + n, target=20, ticker=x), name=x) for n, x in enumerate(names)]
    selection = chosen(incentives, [book(FULL, FULL, name) for name in names], rules=SelectionRules(3))
    assert len(selection.chosen) == 3
    assert sorted(
        [one.ticker for one in selection.chosen] + [skip.ticker for skip in selection.skipped]
    ) == sorted(names)
    assert {skip.reason for skip in selection.skipped} == {Reason.TRADE_TICKER_SIZE}
    assert "KXTEST-59" in {one.ticker for one in selection.chosen}


# What is not concave --------------------------------------------------------------------------------------


def test_a_side_that_nobody_is_paid_for_takes_one_contract() -> None:
    nobody = [level("0.30", 0.01)]
    assert only(chosen([known(program(reward=2, target=1))], [book(nobody, nobody)], headroom(0.70))) == {
        YES: 1,
        NO: 1,
    }


def test_a_target_is_completed_where_that_is_worth_it() -> None:
    thin = [level("0.30", 15)]
    assert only(chosen([known(program(reward=100, target=20))], [book(thin, FULL)], headroom(10)))[YES] >= 5


def test_no_money_is_spent_on_a_target_that_it_cannot_complete() -> None:
    thin = [level("0.30", 15)]
    selection = chosen([known(program(reward=100, target=20))], [book(thin, FULL)], headroom(1.40))
    assert selection.chosen == ()
    assert reason(selection) is Reason.TARGET_MISSED


def test_a_window_that_brings_less_than_1_50_is_not_funded() -> None:
    """6 contracts a side hold 1/11. A reward of $14 would bring $1.27, which the exchange would pay but the bot
    does not fund; $18 bring $1.64."""
    selection = chosen([known(program(reward=14, target=20))], [book(FULL, FULL)], headroom(5))
    assert selection.chosen == ()
    assert reason(selection) is Reason.REWARD_FLOOR
    assert chosen([known(program(reward=18, target=20))], [book(FULL, FULL)], headroom(5)).chosen


def test_what_a_window_has_accrued_counts_towards_its_floor() -> None:
    """A window that has earned $1.45 already is funded, because that counts towards its $1.50."""
    incentive = known(program(reward=2, target=20, name="p"), accrued_by_program={"p": 1.45})
    assert chosen([incentive], [book(FULL, FULL)], headroom(5)).chosen


def test_nothing_is_spent_past_the_cap() -> None:
    free = only(chosen([known(program(reward=100, target=20))], [book(FULL, FULL)], headroom(20)))
    capped = chosen([known(program(reward=100, target=20, cap=3))], [book(FULL, FULL)], headroom(20))
    assert sum(only(capped).values()) < sum(free.values()) / 4
    (candidate,) = capped.chosen
    assert candidate.conservative.payable == 3


def test_a_larger_order_pushes_deep_rivals_out_of_the_walk() -> None:
    """19 rest at the touch: one contract more completes the target, and the 400 below are paid no longer."""
    deep = [level("0.30", 19), level("0.29", 400)]
    selection = chosen([known(program(reward=200, target=20))], [book(deep, FULL)], headroom(0.35))
    assert only(selection) == {YES: 1, NO: 0}


def large(reward: int, price: str) -> tuple[list[RewardedMarket], list[Book]]:
    """Two markets alike, 1,000 contracts of rivals on each side."""
    side = [level(price, 1_000)]
    names = "KXA-1", "KXB-1"
    return (
        [known(program(reward=reward, target=1_000, ticker=name, name=name), name=name) for name in names],
        [book(side, [level("0.95", 1_000)], name) for name in names],
    )


def test_windows_are_funded_to_just_enough_where_money_is_short() -> None:
    """353 contracts at $0.03 are the least that bring $1.50; there is money for 708."""
    selection = chosen(*large(20, "0.03"), headroom(21.24))
    assert [counts(candidate)[YES] >= 353 for candidate in selection.chosen] == [True, True]


def test_money_is_shared_so_that_each_dollar_brings_as_much() -> None:
    selection = chosen(*large(1_000, "0.03"), headroom(40))
    first, second = (counts(candidate)[YES] for candidate in selection.chosen)
    assert abs(first - second) <= 0.03 * first
    assert first + second >= 0.99 * 40 / 0.03


# Slots ----------------------------------------------------------------------------------------------------


def two(reward: int, other: int) -> tuple[list[RewardedMarket], list[Book]]:
    names = "KXA-1", "KXB-1"
    known_ones = [
        known(program(reward=dollars, target=20, ticker=name, name=name), name=name)
        for dollars, name in zip((reward, other), names, strict=True)
    ]
    return known_ones, [book(FULL, FULL, name) for name in names]


def test_a_quoted_market_is_kept_against_a_slightly_better_one() -> None:
    """The better market is skipped for lack of a slot (TRADE_TICKER_SIZE). If the bot quotes in neither, the
    better one is chosen."""
    incentives, books = two(100, 110)
    assert [c.ticker for c in chosen(incentives, books, rules=SelectionRules(1)).chosen] == ["KXB-1"]
    kept = chosen(incentives, books, rules=SelectionRules(1), quoted=frozenset({"KXA-1"}))
    assert [c.ticker for c in kept.chosen] == ["KXA-1"]
    assert reason(kept, "KXB-1") is Reason.TRADE_TICKER_SIZE


def test_a_quoted_market_gives_way_to_a_much_better_one() -> None:
    incentives, books = two(100, 140)
    swapped = chosen(incentives, books, rules=SelectionRules(1), quoted=frozenset({"KXA-1"}))
    assert [c.ticker for c in swapped.chosen] == ["KXB-1"]


# Limits ---------------------------------------------------------------------------------------------------


def test_markets_of_shards_that_are_not_told_share_the_cash() -> None:
    incentives, books = two(100, 100)
    incentives[1] = incentives[1]._replace(market=incentives[1].market._replace(exchange_index=1))
    cash = Headroom(Decimal(100), Decimal(100), Decimal(10))
    selection = chosen(incentives, books, cash)
    assert sum(candidate.collateral for candidate in selection.chosen) <= 10


def test_what_is_held_makes_room_where_it_gains() -> None:
    """1.00 may be lost. 4.00 more rests on NO: it loses where the YES that is held gains 5.00."""
    held = {"KXTEST": {"KXTEST-1": (Decimal("-5.00"), Decimal("0.50"))}}
    sizes = only(chosen([known()], [book(FULL, FULL)], headroom(100, 1, losses=held)))
    assert sizes[NO] * Decimal("0.40") > 4
    assert sizes[YES] * Decimal("0.40") <= Decimal("0.50")


@pytest.mark.parametrize(
    ("money", "why"),
    [
        (headroom(0.10), Reason.MAX_CAPITAL),
        (Headroom(Decimal(100), Decimal(100), Decimal(100), {0: Decimal("0.10")}), Reason.CASH),
        (headroom(100, 0.10), Reason.MAX_EVENT_LOSS),
    ],
)
def test_where_not_one_contract_fits_the_limit_is_named(money: Headroom, why: Reason) -> None:
    selection = chosen([known()], [book(FULL, FULL)], money)
    assert selection.chosen == ()
    assert reason(selection) is why


def test_a_market_without_event_headroom_names_max_event_loss() -> None:
    """If the event has no room for a second market, the reason is MAX_EVENT_LOSS and not a lack of capital."""
    incentives, books = two(100, 200)
    same = [one._replace(market=one.market._replace(event_ticker="KXEV")) for one in incentives]
    selection = chosen(same, books, Headroom(Decimal(100), Decimal("0.90"), Decimal(100)))
    assert [c.ticker for c in selection.chosen] == ["KXB-1"]
    assert reason(selection, "KXA-1") is Reason.MAX_EVENT_LOSS


# Prices and fills -----------------------------------------------------------------------------------------


def test_the_bot_supplies_a_reference_behind_the_best_bid_only() -> None:
    """If the rivals' bids are too thin for a reference, the bot bids one tick behind their best bid, with
    enough contracts to supply it."""
    thin = [level("0.30", 1)]
    selection = chosen(
        [known(program(reward=100, target=20))], [book(thin, FULL)], headroom(20), Trade(None, 1, None)
    )
    (candidate,) = selection.chosen
    (yes,) = [bid for bid in candidate.bids if bid.side is YES]
    assert yes.price == Decimal("0.29")
    assert yes.count >= 19


def test_no_reference_is_supplied_on_an_empty_side() -> None:
    selection = chosen([known(program(reward=100, target=20))], [book((), FULL)], headroom(100))
    assert selection.chosen == ()
    assert reason(selection) is Reason.NO_REFERENCE


def test_a_market_whose_fills_cost_more_than_it_pays_is_skipped() -> None:
    """A busy market is chosen without a FILL_COST. With one that exceeds the reward it is not, and FILL_COST is
    the reason."""
    busy = [known(program(reward=20, target=20), volume=20_000)]
    assert chosen(busy, [book(FULL, FULL)], headroom(10), rules=SelectionRules(1)).chosen
    selection = chosen(busy, [book(FULL, FULL)], headroom(10), rules=SelectionRules(1, fill_cost=0.05))
    assert selection.chosen == ()
    assert reason(selection) is Reason.FILL_COST
