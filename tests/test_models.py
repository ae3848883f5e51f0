"""The price grid: an order one step off it is refused, and a step miscounted is a reward misjudged."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Bid, Level, PriceGrid, Side
from tests.values import CENTS, FINE_BELOW, GRIDS, TAPERED, book, cents, grid

ANY_PRICE = st.integers(1, 9_999).map(lambda pips: Decimal(pips) / 10_000)


@given(st.sampled_from(GRIDS), st.sampled_from(Side), ANY_PRICE)
def test_a_price_is_rounded_down_onto_the_grid_of_its_own_side(
    price_grid: PriceGrid, side: Side, price: Decimal
) -> None:
    ticks = price_grid.ticks(side, price)
    assert price_grid.floor(side, price) == price_grid.price(side, ticks)
    assert price_grid.price(side, ticks) <= price < price_grid.price(side, ticks + 1)


@given(st.sampled_from(GRIDS), st.integers(1, 99))
def test_a_no_price_is_on_the_grid_exactly_where_the_yes_ask_it_is_sent_as_is(
    price_grid: PriceGrid, step: int
) -> None:
    yes_ask = price_grid.price(Side.YES, step)
    assert price_grid.floor(Side.YES, yes_ask) == yes_ask
    assert price_grid.floor(Side.NO, 1 - yes_ask) == 1 - yes_ask


def test_steps_are_the_grids_own_where_it_tapers() -> None:
    assert TAPERED.below(Side.YES, Decimal("0.11"), 1) == Decimal("0.10")
    assert TAPERED.below(Side.YES, Decimal("0.10"), 1) == Decimal("0.099")
    assert TAPERED.below(Side.NO, Decimal("0.91"), 2) == Decimal("0.908")
    assert TAPERED.ticks(Side.YES, Decimal("0.12")) - TAPERED.ticks(Side.YES, Decimal("0.099")) == 3


def test_no_prices_are_fine_where_the_yes_asks_they_are_sent_as_are_fine() -> None:
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
