"""Rules of single markets: a market must be judged by its own reward and cost, not by its neighbour's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exchange.ticker_patterns import PerMarket
from rewards.estimate import RIVAL_MULTIPLIER, EstimateRules
from risk.exposure import Headroom
from selection.ranking import Selection, SelectionRules, choose
from tests.support.builders import NOW
from tests.support.paying_markets import candidate
from trade import Trade

AMPLE = Headroom(Decimal(100_000), Decimal(100_000), Decimal(100_000))
FAMILIES = ("KXA", "KXB", "KXC", "KXD")

MONEY = st.tuples(st.sampled_from([0, 1, 3]), st.sampled_from([0.0, 0.03, 0.5]))
"""A minimum reward and a cost of fills, in dollars."""


def results(selection: Selection) -> dict[str, str]:
    """By market: its bids and what they net a day, or why it is skipped."""
    found = {one.ticker: f"{one.bids} {one.conservative.net_per_day}" for one in selection.chosen}
    return found | {skip.ticker: skip.text for skip in selection.skipped}


@given(
    st.lists(MONEY, min_size=3, max_size=3), MONEY, st.booleans(), st.sets(st.sampled_from(FAMILIES)),
    st.lists(st.sampled_from([0.6, 0.9, 1.05, 2, 5]), min_size=4, max_size=4), st.sampled_from([0, 400, 8_000]),
)  # fmt: skip
def test_each_market_is_judged_as_if_its_rules_were_for_all(
    own: list[tuple[int, float]], general: tuple[int, float], must_pay: bool, quoted: set[str],
    windows: list[float], volume: int,
) -> None:  # fmt: skip
    """With room for all markets, each gets the bids or the reason that its own rules alone would give it: with and
    without real money, quoted before or not. The last market takes no entry."""
    every, *single = (SelectionRules(9, Decimal(least), cost, must_pay) for least, cost in (general, *own))
    entries = tuple(zip(("kxa*", "KXB-?", "KX[C]*"), single, strict=True))
    ones = [
        candidate(f"{family}-1", window, volume=volume) for family, window in zip(FAMILIES, windows, strict=True)
    ]
    slots = frozenset(f"{family}-1" for family in quoted)
    together = results(choose(ones, [], replace(every, overrides=entries), AMPLE, slots))
    for one, rules in zip(ones, (*single, every), strict=True):
        assert together[one.ticker] == results(choose([one], [], rules, AMPLE, slots))[one.ticker]


def test_a_market_is_sized_and_estimated_by_its_own_entry() -> None:
    """The bids have the entry's size, and the estimate that decides has the entry's cost of fills."""
    first, second = candidate("KXA-1", 5.0, volume=400), candidate("KXB-1", 5.0, volume=400)
    trade = Trade(Decimal(10), 0, None, (("kxa*", Trade(Decimal(30), 0, None)),))
    dear, free = EstimateRules(RIVAL_MULTIPLIER, fill_cost=0.5), EstimateRules(RIVAL_MULTIPLIER)
    incentives, rivals = [first.incentive, second.incentive], {one.ticker: one.rivals for one in (first, second)}
    found, _ = trade.candidates(incentives, rivals, NOW, PerMarket(free, (("KXA*", dear),)))
    assert [{bid.count for bid in one.bids} for one in found] == [{30}, {10}]
    assert [one.conservative == one.incentive.estimate(one.scored, NOW, dear) for one in found] == [True, False]
    assert found[1].conservative.fill_cost_per_day == 0
