"""The rule: whoever misreads it quotes for nothing, and believes that it pays.

The vectors are numbers published by practitioners and by the exchange's help page. They are copied here, so that
no other file is needed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from exchange.orderbook import Bid, Book, Level, PriceGrid, Side
from rewards import rule_2026_07_30 as rule
from rewards.rule_2026_07_30 import SideScore
from simulator import rewards
from simulator.matching import CONTRACT
from tests.support import builders, strategies
from tests.support.builders import (
    CENTS,
    FINE_BELOW,
    GRIDS,
    NOW,
    TAPERED,
    TENTHS,
    book,
    cents,
    level,
    prices_of,
    program,
)
from tests.support.project import LIP_VECTORS, needs

HALF = Decimal("0.5")
DISCOUNTS = tuple(map(Decimal, ("0.05", "0.5", "0.9", "1")))


class Expected(NamedTuple):
    reference: int
    total: float
    mine: float
    share: float
    levels: int


class Vector(NamedTuple):
    """A side as others have scored it: (cents, contracts) of the rivals and of us; None where it pays nobody."""

    name: str
    target: int
    discount: float
    levels: list[tuple[int, float]]
    own: list[tuple[int, float]]
    expected: Expected | None


VECTORS = (
    Vector("T1", 1000, 0.5, [(40, 150), (39, 100), (37, 1000), (30, 5000)], [], Expected(39, 500.0, 0.0, 0.0, 3)),
    Vector(
        "T2", 1000, 0.5, [(4, 301), (3, 1100), (1, 1000)], [(4, 1000)],
        Expected(4, 1301.0, 1000.0, 0.7686395080707148, 1),
    ),
    Vector(
        "T3", 1000, 0.5, [(4, 301), (3, 1100), (1, 1000)], [(5, 1000)], Expected(5, 1000.0, 1000.0, 1.0, 1)
    ),
    Vector(
        "T4", 1000, 0.5, [(40, 12000), (39, 5000)], [(40, 200)],
        Expected(40, 12200.0, 200.0, 0.01639344262295082, 1),
    ),
    Vector(
        "T6", 1000, 0.5, [(4, 301), (3, 1100), (1, 1000)], [(5, 300)],
        Expected(5, 725.5, 300.0, 0.4135079255685734, 3),
    ),
    Vector("T8", 1000, 0.5, [(30, 50), (20, 40)], [(30, 100)], None),
    Vector("T9", 100, 0.5, [(50, 1), (49, 99)], [(49, 100)], Expected(49, 200.0, 100.0, 0.5, 2)),
    Vector(
        "T12", 1000, 0.5,
        [(38, 120), (34, 120), (31, 120), (27, 220), (23, 120), (19, 120), (15, 120), (11, 120)], [(35, 50)],
        Expected(34, 306.7812490463257, 50.0, 0.1629825817432855, 9),
    ),
    Vector(
        "G_yes_join_v3", 1000, 0.5,
        [
            (1, 1053.0), (2, 157.27), (3, 489.93), (4, 1.0), (5, 2.0), (6, 1.0), (8, 1.0), (10, 1.0), (11, 1.0),
            (14, 18.61), (16, 150.6), (17, 10.04), (21, 2.29), (25, 5.43), (26, 1.0), (31, 5.96), (40, 101.0),
            (42, 6.11), (46, 700.0), (47, 43.0), (53, 7.0), (54, 400.0), (55, 150.0), (56, 40.59), (57, 33.0),
            (58, 88.0), (60, 29.0),
        ],
        [(60, 100)], Expected(58, 287.80814453125004, 100.0, 0.3474536836435567, 9),
    ),
    Vector(
        "G_no_join_v3", 1000, 0.5,
        [
            (1, 4659.05), (2, 510.0), (3, 106.64), (4, 4.82), (5, 403.0), (6, 11.52), (7, 32.91), (8, 4.65),
            (9, 29.92), (10, 342.37), (11, 21.94), (12, 208.17), (13, 40.44), (14, 604.91), (15, 1.45),
            (16, 104.37), (18, 1.0), (20, 694.23), (21, 546.6), (22, 278.06), (23, 25.7), (24, 1.95),
            (25, 46.02), (26, 45.0), (31, 30.0), (32, 3.0), (33, 97.0), (34, 85.93), (36, 5.0), (37, 129.17),
        ],
        [(37, 100)], Expected(37, 249.0880908203125, 100.0, 0.40146439627311664, 12),
    ),
)  # fmt: skip


class Payout(NamedTuple):
    """Our sum of scores of everyone's, the reward in dollars, valid and all snapshots: dollars that are paid."""

    name: str
    score: float
    everyone: float
    reward: int
    valid: int
    snapshots: int
    paid: float


PAYOUTS = (
    Payout("P1", 0.2, 1, 100, 8000, 10000, 16.0),
    Payout("P2", 0.2, 1, 100, 1, 1, 20.0),
    Payout("P4", 0.0499, 1, 20, 1, 1, 0.0),
    Payout("P5", 0.05, 1, 20, 1, 1, 1.0),
)


def named(vector: Vector | Payout) -> str:
    return vector.name


@needs(LIP_VECTORS)
def test_the_copied_vectors_are_the_published_ones() -> None:
    """The copied vectors are all of the published ones, both those of a side and those of a payout."""
    published = json.loads(LIP_VECTORS.read_text(encoding="utf-8"))
    sides = tuple(
        Vector(
            side["id"], side["target"], side["df"], *([tuple(pair) for pair in side[k]] for k in _PAIRS),
            side["result"] and Expected(*(side["result"][name] for name in _RESULT)),
        )
        for side in published["side"]
    )  # fmt: skip
    assert sides == VECTORS
    payouts = tuple(
        Payout(one["id"], *(one["args"][name] for name in _ARGUMENTS), one["expect"])
        for one in published["payout"]
    )
    assert payouts == PAYOUTS


_PAIRS = ("levels_ticks", "own")
_RESULT = ("ref", "total", "mine", "share", "n_levels")
_ARGUMENTS = ("sum_user", "sum_all", "reward", "n_valid", "n_total")


def scored(
    grid: PriceGrid, side: Side, rivals: Sequence[Level], ours: Sequence[Bid], target: Decimal, discount: Decimal
) -> SideScore | None:
    top = grid.tops[0 if side is Side.YES else 1]
    return rule.score_side(rivals, ours, target, discount, grid.tick_table(side), top)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("vector", VECTORS, ids=named)
def test_a_side_is_scored_as_others_have_measured_it(vector: Vector, side: Side) -> None:
    ours = [builders.bid(side, f"0.{price:02}", size) for price, size in vector.own]
    rivals = cents(*vector.levels)
    score = scored(CENTS, side, rivals, ours, Decimal(vector.target), Decimal(str(vector.discount)))
    if vector.expected is None:
        assert score is None
        return
    assert score is not None
    expected = vector.expected
    walked = sorted({price for price, _ in vector.levels + vector.own}, reverse=True)[: expected.levels]
    assert (score.reference, score.paid_down_to) == (Decimal(expected.reference) / 100, Decimal(walked[-1]) / 100)
    assert score.rivals + score.ours == pytest.approx(expected.total, rel=1e-12)
    assert score.ours == pytest.approx(expected.mine, rel=1e-12)
    assert score.share() == pytest.approx(expected.share, rel=1e-12)


@pytest.mark.parametrize("vector", PAYOUTS, ids=named)
def test_a_window_is_paid_as_the_exchange_reckons(vector: Payout) -> None:
    _, score, everyone, reward, valid, snapshots, paid = vector
    earned = rule.window_reward(score, everyone, Decimal(reward), valid, snapshots)
    assert rule.payout(earned) == Decimal(str(paid))


# -- one side --------------------------------------------------------------------------------------------------

TIGHT = cents((54, 80), (52, 160), (50, 900), (49, 5_000))
"""A fifth of 1,000 is reached at 52, all of it at 50."""


@pytest.mark.parametrize(
    ("price", "weight"), [("0.54", 1.0), ("0.53", 1.0), ("0.52", 1.0), ("0.51", 0.5), ("0.50", 0.25), ("0.49", 0)]
)
def test_a_bid_counts_less_for_each_tick_below_the_reference(price: str, weight: float) -> None:
    """A bid counts whole down to the reference price. Below it counts less for each tick, and below the last
    level of the walk it counts nothing."""
    score = scored(CENTS, Side.YES, TIGHT, [builders.bid(Side.YES, price, 4)], Decimal(1_000), HALF)
    assert score is not None
    assert score.reference == Decimal("0.52")
    assert score.rivals == 80 + 160 + 900 / 4
    assert score.ours == 4 * weight
    assert score.share() == score.ours / (score.ours + score.rivals)


def test_a_level_that_just_reaches_a_fifth_is_the_reference() -> None:
    """The level that just reaches a fifth of the target is the reference, and the one that just reaches the
    target is the last paid. If a hundredth of a contract is missing, it is not."""
    just = cents((54, 80), (52, 120), (50, 800), (49, 5_000))
    score = scored(CENTS, Side.YES, just, (), Decimal(1_000), HALF)
    assert score is not None
    assert (score.reference, score.paid_down_to) == (Decimal("0.52"), Decimal("0.50"))
    short = cents((54, 80), (52, 119.99), (50, 800), (49, 5_000))
    score = scored(CENTS, Side.YES, short, (), Decimal(1_000), HALF)
    assert score is not None
    assert (score.reference, score.paid_down_to) == (Decimal("0.50"), Decimal("0.49"))
    assert scored(CENTS, Side.YES, just[:3], (), Decimal(1_000), HALF)
    assert scored(CENTS, Side.YES, short[:3], (), Decimal(1_000), HALF) is None


def test_what_the_rivals_may_answer_lowers_the_bots_share() -> None:
    """If the rivals answer with twice their contracts, the bot's share of the side falls. A side on which the
    bot bids alone stays its own."""
    joined = scored(CENTS, Side.YES, TIGHT, [builders.bid(Side.YES, "0.52", 465)], Decimal(1_000), HALF)
    assert joined is not None
    assert (joined.share(), joined.share(2.0)) == (1 / 2, 1 / 3)
    alone = scored(CENTS, Side.YES, (), [builders.bid(Side.YES, "0.52", 1_000)], Decimal(1_000), HALF)
    assert alone is not None
    assert (alone.share(), alone.share(2.0)) == (1, 1)


def test_ticks_are_the_grids_steps_also_across_a_change_of_step() -> None:
    over_the_change = (level("0.11", 300), level("0.099", 900))
    score = scored(TAPERED, Side.YES, over_the_change, (), Decimal(1_000), HALF)
    assert score is not None
    assert score.rivals == 300 + 900 / 4
    fine = (level("0.848", 300), level("0.847", 900))
    for grid, side in ((TENTHS, Side.YES), (FINE_BELOW, Side.NO)):
        score = scored(grid, side, fine, (), Decimal(1_000), HALF)
        assert score is not None
        assert score.rivals == 300 + 900 / 2


@pytest.mark.parametrize(
    ("grid", "side", "top", "below"),
    [
        (CENTS, Side.YES, "0.99", "0.98"),
        (CENTS, Side.NO, "0.99", "0.98"),
        (TAPERED, Side.NO, "0.999", "0.998"),
        (FINE_BELOW, Side.YES, "0.99", "0.98"),
        (FINE_BELOW, Side.NO, "0.999", "0.998"),
    ],
)
def test_a_best_bid_at_the_top_tick_means_no_reward(grid: PriceGrid, side: Side, top: str, below: str) -> None:
    """A side with its best bid at the top tick of its grid scores nothing, also if that bid is the bot's own. A
    tick below it scores."""
    target = Decimal(1_000)
    assert scored(grid, side, (level(top, 2_000),), (), target, HALF) is None
    assert scored(grid, side, (level(below, 2_000),), [builders.bid(side, top, 1)], target, HALF) is None
    assert scored(grid, side, (level(below, 2_000),), (), target, HALF)


SIDES = st.sampled_from(Side)


@st.composite
def one_side(draw: st.DrawFn) -> tuple[PriceGrid, Side, tuple[Level, ...], list[Bid], Decimal]:
    """A side of a book of rivals, our bids on it, and a target."""
    grid, side = draw(st.sampled_from(GRIDS)), draw(SIDES)
    levels = draw(strategies.sides(grid, side is Side.YES, Decimal("0.98")))
    ours = draw(strategies.own_bids(grid, levels, side))
    merged = merge(side, levels, ours)
    return grid, side, levels, ours, draw(strategies.targets(merged))


def merge(side: Side, levels: tuple[Level, ...], ours: Sequence[Bid]) -> tuple[Level, ...]:
    rivals = book(levels) if side is Side.YES else book(no=levels)
    return rivals.with_bids(ours).side(side)


def counted(levels: Sequence[Level]) -> Decimal:
    return sum((size for _, size in levels), start=Decimal(0))


@given(one_side(), st.sampled_from(DISCOUNTS))
def test_a_book_scores_the_same_with_the_bots_bids_merged(
    drawn: tuple[PriceGrid, Side, tuple[Level, ...], list[Bid], Decimal], discount: Decimal
) -> None:
    """A side has the same reference, last paid level and total score if the bot's bids are apart from the book
    or merged into it."""
    grid, side, levels, ours, target = drawn
    apart = scored(grid, side, levels, ours, target, discount)
    merged = scored(grid, side, merge(side, levels, ours), (), target, discount)
    event("paid" if apart else "not paid")
    assert (apart is None) == (merged is None)
    if apart and merged:
        assert (apart.reference, apart.paid_down_to) == (merged.reference, merged.paid_down_to)
        assert apart.rivals + apart.ours == pytest.approx(merged.rivals)


@given(one_side(), st.sampled_from(DISCOUNTS), st.data())
def test_the_shares_of_all_who_bid_on_a_side_sum_to_one(
    drawn: tuple[PriceGrid, Side, tuple[Level, ...], list[Bid], Decimal], discount: Decimal, data: st.DataObject
) -> None:
    grid, side, levels, ours, target = drawn
    bids = [*ours, *(Bid(side, *one) for one in levels)]
    owners = data.draw(st.lists(st.integers(0, 2), min_size=len(bids), max_size=len(bids)))
    total = 0.0
    for owner in range(3):
        mine = [bid for bid, whose in zip(bids, owners, strict=True) if whose == owner]
        others = [bid for bid, whose in zip(bids, owners, strict=True) if whose != owner]
        score = scored(grid, side, merge(side, (), others), mine, target, discount)
        assert (score is None) == (sum(bid.count for bid in bids) < target)
        total += score.share() if score else 0.0
    assert total == pytest.approx(1.0 if sum(bid.count for bid in bids) >= target else 0.0)


@given(one_side())
def test_each_bid_down_to_the_target_earns_and_none_below(
    drawn: tuple[PriceGrid, Side, tuple[Level, ...], list[Bid], Decimal],
) -> None:
    """Each bid down to the level that reaches the target earns. A bid below that level earns nothing, and a
    side that misses the target has no score."""
    grid, side, levels, ours, target = drawn
    everything = merge(side, levels, ours)
    walked, paid = Decimal(0), 0
    for one in everything:
        others = tuple(other for other in everything if other != one)
        score = scored(grid, side, others, [Bid(side, *one)], target, HALF)
        if counted(everything) < target:
            assert score is None
            continue
        assert score is not None
        assert (score.share() > 0) == (walked < target)
        assert (one.price >= score.paid_down_to) == (walked < target)
        assert (one.price >= score.reference) == (walked * 5 < target)
        walked += one.size
        paid += score.share() > 0
    event(f"{paid} of {len(everything)} paid")


@settings(max_examples=140)
@given(one_side(), st.sampled_from(DISCOUNTS))
def test_the_bot_and_the_simulated_exchange_read_the_rule_alike(
    drawn: tuple[PriceGrid, Side, tuple[Level, ...], list[Bid], Decimal], discount: Decimal
) -> None:
    """They share no code. Steps are counted here by walking the grid."""
    grid, side, levels, ours, target = drawn
    steps = {price: tick for tick, price in enumerate(prices_of(grid, side))}
    owned: dict[int, dict[str | None, int]] = {}
    for owner, price, size in [
        *((None, *one) for one in levels),
        *(("us", bid.price, bid.count) for bid in ours),
    ]:
        here = owned.setdefault(steps[price], {})
        here[owner] = here.get(owner, 0) + int(size * CONTRACT)
    best_first = sorted(owned.items(), reverse=True)
    by_exchange = rewards.score_side(best_first, int(target * CONTRACT), Fraction(discount))
    by_bot = scored(grid, side, levels, ours, target, discount)
    event("paid" if by_bot and by_bot.ours else "scored" if by_bot else "target missed")
    assert (by_bot is None) == (by_exchange == {})
    assert (by_bot.share() if by_bot else 0) == pytest.approx(float(by_exchange.get("us", 0)), rel=1e-9, abs=1e-9)


@st.composite
def quoted_books(draw: st.DrawFn) -> tuple[PriceGrid, Book, list[Bid], Decimal]:
    grid = draw(st.sampled_from(GRIDS))
    rivals = draw(strategies.books(grid))
    ours = [bid for side in Side for bid in draw(strategies.own_bids(grid, rivals.side(side), side))]
    merged = rivals.with_bids(ours)
    return grid, rivals, ours, draw(strategies.targets(draw(st.sampled_from([merged.yes, merged.no]))))


@given(quoted_books(), st.sampled_from(DISCOUNTS))
def test_a_side_that_misses_the_target_costs_the_whole_reward(
    drawn: tuple[PriceGrid, Book, list[Bid], Decimal], discount: Decimal
) -> None:
    """A market pays nothing if either side misses the target, the bot's own bids counted. Otherwise each side's
    share is the one that it has alone."""
    grid, rivals, ours, target = drawn
    terms = program()._replace(target=target, discount=discount)
    found = builders.incentive(grid, terms)
    score = found.score(rivals, ours)
    merged = rivals.with_bids(ours)
    enough = [counted(merged.side(side)) >= target for side in Side]
    event(f"{sum(enough)} sides reach the target")
    assert score.qualifies == all(enough)
    estimate = found.estimate(score, NOW)
    if not all(enough):
        assert (estimate.share_yes, estimate.share_no, estimate.dollars_per_day, estimate.payable) == (0, 0, 0, 0)
    else:
        for side, share in zip(Side, (estimate.share_yes, estimate.share_no), strict=True):
            mine = [bid for bid in ours if bid.side is side]
            alone = scored(grid, side, rivals.side(side), mine, target, discount)
            assert alone is not None
            assert share == alone.share()
