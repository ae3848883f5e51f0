"""With real money no slot goes to a market that pays nothing: fills there cost, and nothing comes back."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.orderbook import PriceGrid
from rewards.estimate import RIVAL_MULTIPLIER
from rewards.skips import Reason
from risk.exposure import Headroom
from selection.allocation import choose_sizes
from selection.ranking import HYSTERESIS, Selection, SelectionRules, choose
from tests.support.builders import GRIDS, NOW
from tests.support.paying_markets import candidate
from trade import Trade

AMPLE = Headroom(Decimal(100_000), Decimal(100_000), Decimal(100_000))
NONE: frozenset[str] = frozenset()
REAL = SelectionRules(3, fill_cost=0.03, must_pay=True)
WATCHING = replace(REAL, must_pay=False)


def chosen(selection: Selection) -> list[str]:
    return [one.ticker for one in selection.chosen]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("size", [1, 20, 3_000])
@pytest.mark.parametrize("window", [0.01, 0.5, 0.99])
def test_no_slot_goes_to_a_market_that_will_be_paid_nothing(grid: PriceGrid, size: int, window: float) -> None:
    """A market that stays below $1.00 gets a free slot for watching only. With real money it is skipped with what
    it would earn, the best first."""
    ones = [
        candidate("KXLESS-1", window - 0.005, size=size, grid=grid),
        candidate("KXMORE-1", window, size=size, grid=grid),
    ]
    assert chosen(choose(ones, [], WATCHING, AMPLE, NONE)) == ["KXMORE-1", "KXLESS-1"]
    selection = choose(ones, [], REAL, AMPLE, NONE)
    assert chosen(selection) == []
    assert selection.unpaid == NONE
    assert [(skip.ticker, skip.reason) for skip in selection.skipped] == [
        ("KXMORE-1", Reason.REWARD_FLOOR), ("KXLESS-1", Reason.REWARD_FLOOR),
    ]  # fmt: skip
    assert selection.skipped[0].text == f"REWARD_FLOOR | Payable: $0.00, ${window:.2f} of $1.00 a window"
    assert [one.ticker for one in selection.runners_up] == ["KXMORE-1", "KXLESS-1"], "shown with their estimates"


@pytest.mark.parametrize(("window", "accrued", "cap", "quoted"), [
    (1.01, 0.0, None, True),
    (0.5, 0.45, None, False),
    (0.5, 0.51, None, True),  # what was earned before counts: leaving now would lose it
    (0.5, 1.2, None, True),
    (0.0, 1.2, None, False),  # nothing is added by staying
    (3.0, 0.0, 1, True),
    (3.0, 2.0, 2, False),  # the cap is earned already
])  # fmt: skip
def test_what_counts_is_what_the_window_pays_by_its_end(
    window: float, accrued: float, cap: int | None, quoted: bool
) -> None:
    one = candidate(window=window, accrued=accrued, cap=cap)
    assert bool(chosen(choose([one], [], REAL, AMPLE, NONE))) is quoted


@pytest.mark.parametrize(("volume", "quoted"), [(0, True), (100, True), (5_000, False)])
def test_a_market_that_nets_nothing_gets_no_slot(volume: int, quoted: bool) -> None:
    """A market that pays $2.00 in five days, with more and more fills to pay for."""
    selection = choose([candidate(window=2.0, volume=volume)], [], REAL, AMPLE, NONE)
    assert bool(chosen(selection)) is quoted
    assert [skip.reason for skip in selection.skipped] == ([] if quoted else [Reason.FILL_COST])


@pytest.mark.parametrize(
    ("window", "stays"), [(1.0, True), (0.95, True), (0.85, True), (0.75, False), (0.1, False)]
)
@pytest.mark.parametrize("size", [1, 20, 400])
def test_a_quoted_market_near_its_floor_does_not_flap(window: float, stays: bool, size: int) -> None:
    """A quoted market that falls a little below the floor keeps its slot, so that it is not left and taken again
    with every rival's order. Below that it loses its slot. It never stands in the way of one that is paid."""
    falling = candidate("KXA-1", window, size=size)
    paid = candidate("KXB-1", 1.02, size=size)
    quoted = frozenset({"KXA-1"})
    assert chosen(choose([falling], [], REAL, AMPLE, NONE)) == (["KXA-1"] if window >= 1 else []), "no new slot"
    selection = choose([falling], [], REAL, AMPLE, quoted)
    assert chosen(selection) == (["KXA-1"] if stays else [])
    assert all(one.conservative.payable > 0 for one in selection.chosen)
    if window < 1:
        one_slot = replace(REAL, trade_ticker_size=1)
        assert chosen(choose([falling, paid], [], one_slot, AMPLE, quoted)) == ["KXB-1"]


@pytest.mark.parametrize("min_reward", [Decimal(2), Decimal(5)])
def test_a_minimum_reward_holds_with_real_money_too(min_reward: Decimal) -> None:
    rules = replace(REAL, min_reward=min_reward)
    ones = [candidate("KXA-1", 0.5), candidate("KXB-1", float(min_reward) - 0.5), candidate("KXC-1", 6)]
    selection = choose(ones, [], rules, AMPLE, NONE)
    assert chosen(selection) == ["KXC-1"]
    assert {skip.ticker: skip.reason for skip in selection.skipped} == {
        "KXA-1": Reason.MIN_REWARD, "KXB-1": Reason.MIN_REWARD,
    }  # fmt: skip


MARKETS = st.lists(
    st.tuples(st.floats(0, 3), st.sampled_from([0, 50, 5_000]), st.sampled_from([0.0, 0.4, 1.3]), st.booleans()),
    min_size=1, max_size=6,
)  # fmt: skip
"""Dollars a window, the day's volume, dollars accrued before, and whether it has a slot now."""


@settings(max_examples=50)
@given(MARKETS, st.integers(1, 40), st.integers(1, 4), st.sampled_from([1, 20, 300]), st.sampled_from([0, 1, 3]))
def test_every_slot_is_expected_to_pay_and_to_net(
    board: list[tuple[float, int, float, bool]], capital: int, slots: int, size: int, min_reward: int
) -> None:
    """With a fixed size and with AUTO, whatever has been earned, is quoted, and whatever the limits are."""
    rules = SelectionRules(slots, Decimal(min_reward), 0.03, must_pay=True)
    headroom = Headroom(Decimal(capital * 10), Decimal(capital * 5), Decimal(1_000))
    ones = [
        candidate(f"KX{number}-1", window, size=size, volume=volume, accrued=accrued)
        for number, (window, volume, accrued, _) in enumerate(board)
    ]
    quoted = frozenset(one.ticker for one, (*_, has_slot) in zip(ones, board, strict=True) if has_slot)
    fixed = choose(ones, [], rules, headroom, quoted)
    rivals = {one.ticker: one.rivals for one in ones}
    incentives = [one.incentive for one in ones]
    sized = choose_sizes(Trade(None, 0, None), incentives, rivals, NOW, rules, headroom, quoted)
    for selection in (fixed, sized):
        for one in selection.chosen:
            assert one.conservative.payable > 0
            assert one.conservative.payable >= min_reward
            assert one.conservative.net_per_day > 0
        assert len({*chosen(selection), *(skip.ticker for skip in selection.skipped)}) == len(ones)


def test_the_grace_is_the_usual_quarter() -> None:
    """A quoted market is judged with 1.6 times its rivals instead of twice: the docs say so."""
    assert RIVAL_MULTIPLIER / HYSTERESIS == 1.6
