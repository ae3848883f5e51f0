"""The price grid: an order one step off it is refused, and a step miscounted is a reward misjudged."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.orderbook import MOST_PRICES, Bid, Level, PriceGrid, Side
from tests.support.builders import CENTS, FINE_BELOW, GRIDS, NOW, TAPERED, book, cents, grid, market, prices_of

ANY_PRICE = st.integers(1, 9_999).map(lambda pips: Decimal(pips) / 10_000)


@given(st.sampled_from(GRIDS), st.sampled_from(Side), ANY_PRICE)
def test_a_price_is_rounded_down_onto_the_grid_of_its_own_side(
    price_grid: PriceGrid, side: Side, price: Decimal
) -> None:
    ticks = price_grid.ticks(side, price)
    assert price_grid.floor(side, price) == price_grid.price(side, ticks)
    assert price_grid.price(side, ticks) <= price < price_grid.price(side, ticks + 1)


@given(st.sampled_from(GRIDS), st.integers(1, 99))
def test_a_no_price_is_on_the_grid_with_its_yes_ask(price_grid: PriceGrid, step: int) -> None:
    """A NO bid is sent as a YES ask. Its price is on the grid where the YES ask is on the grid."""
    yes_ask = price_grid.price(Side.YES, step)
    assert price_grid.floor(Side.YES, yes_ask) == yes_ask
    assert price_grid.floor(Side.NO, 1 - yes_ask) == 1 - yes_ask


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("price_grid", GRIDS)
def test_the_table_counts_every_price_as_the_definition_does(price_grid: PriceGrid, side: Side) -> None:
    prices, table = prices_of(price_grid, side), price_grid.tick_table(side)
    for _ in range(2):
        assert [table[price] for price in prices] == list(range(len(prices)))
        assert [price_grid.price(side, tick) for tick in range(len(prices))] == prices
    assert set(table) == set(prices)


@given(st.sampled_from(GRIDS), st.sampled_from(Side), ANY_PRICE, st.integers(0, 12))
def test_a_grid_answers_the_same_from_memory(
    price_grid: PriceGrid, side: Side, price: Decimal, ticks: int
) -> None:
    """A grid that remembers its answers gives the same ticks and prices as a grid that is asked for the first
    time."""
    fresh = PriceGrid(price_grid.ranges)
    prices = prices_of(price_grid, side)
    behind = sum(one <= price for one in prices) - 1
    for known in (fresh, fresh, price_grid):
        assert known.tick_table(side)[price] == known.ticks(side, price) == behind
        assert known.floor(side, price) == prices[behind]
        lower = prices[behind - ticks] if behind >= ticks else Decimal(0)
        assert known.below(side, price, ticks) == (lower or None)


@pytest.mark.parametrize("side", Side)
def test_prices_off_the_grid_do_not_fill_the_memory(side: Side) -> None:
    price_grid, nano = grid(("0", "1", "0.01")), Decimal("1e-9")
    table = price_grid.tick_table(side)
    assert {table[Decimal("0.41") + number * nano] for number in range(1, 1_000)} == {41}
    assert not table
    fine = grid(("0", "1", "0.000001"))
    assert [fine.ticks(side, number * Decimal("0.000001")) for number in range(12_000)] == list(range(12_000))
    assert len(fine.tick_table(side)) == MOST_PRICES


def test_steps_are_the_grids_own_where_it_tapers() -> None:
    assert TAPERED.below(Side.YES, Decimal("0.11"), 1) == Decimal("0.10")
    assert TAPERED.below(Side.YES, Decimal("0.10"), 1) == Decimal("0.099")
    assert TAPERED.below(Side.NO, Decimal("0.91"), 2) == Decimal("0.908")
    assert TAPERED.ticks(Side.YES, Decimal("0.12")) - TAPERED.ticks(Side.YES, Decimal("0.099")) == 3


def test_no_prices_have_fine_ticks_where_their_yes_asks_do() -> None:
    """A NO bid is sent as a YES ask, so NO prices have fine ticks where those YES asks do."""
    assert FINE_BELOW.below(Side.NO, Decimal("0.85"), 1) == Decimal("0.849")
    assert FINE_BELOW.below(Side.NO, Decimal("0.15"), 1) == Decimal("0.14")
    assert FINE_BELOW.floor(Side.NO, Decimal("0.149")) == Decimal("0.14")


def test_there_is_no_price_under_the_lowest() -> None:
    assert CENTS.below(Side.YES, Decimal("0.01"), 1) is None
    assert CENTS.below(Side.NO, Decimal("0.02"), 5) is None
    assert CENTS.below(Side.NO, Decimal("0.02"), 1) == Decimal("0.01")


@pytest.mark.parametrize(
    "ranges",
    [
        (("0", "0.5", "0.01"), ("0.6", "1", "0.01")),
        (("0", "1", "0"),),
        (("0", "1", "0.03"),),
        (("0.5", "0.5", "0.01"),),
    ],
)
def test_a_grid_that_makes_no_sense_is_not_traded_on(ranges: tuple[tuple[str, str, str], ...]) -> None:
    with pytest.raises(ValueError, match="range"):
        grid(*ranges)


@pytest.mark.parametrize(("resolves_in", "ends_in"), [(None, 900), (600, 600), (1_200, 900)])
def test_a_market_that_is_decided_before_it_closes_ends_there(resolves_in: float | None, ends_in: float) -> None:
    assert market(closes_in=900, resolves_in=resolves_in).ends == NOW + timedelta(seconds=ends_in)


def test_our_own_order_is_not_taken_for_a_rivals() -> None:
    shown = book(yes=cents((50, 120), (49, 300)), no=cents((45, 20)))
    own = [Bid(Side.YES, Decimal("0.50"), Decimal(120)), Bid(Side.YES, Decimal("0.49"), Decimal(100))]
    rivals = shown.without_bids(own)
    assert rivals.yes == (Level(Decimal("0.49"), Decimal(200)),)
    assert rivals.no == shown.no
    assert rivals.with_bids(own) == shown


def test_a_book_read_after_our_cancel_leaves_no_negative_size() -> None:
    shown = book(yes=cents((50, 10)))
    assert shown.without_bids([Bid(Side.YES, Decimal("0.50"), Decimal(30))]).yes == ()
