"""Strategies that draw books, targets, bids and fills."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from exchange.account import Fill
from exchange.orderbook import Bid, Book, Level, PriceGrid, Side
from tests.support.builders import NOW, D, book

PRICES = st.integers(1, 99).map(lambda cents: D(cents) / 100)
COUNTS = st.integers(1, 5_000).map(lambda n: D(n) / 100)

FILLS = st.lists(
    st.builds(
        Fill,
        fill_id=st.uuids().map(str),
        order_id=st.just("o"),
        ticker=st.sampled_from(["A-1", "A-2", "B-1"]),
        side=st.sampled_from(Side),
        price=PRICES,
        count=COUNTS,
        fee=st.integers(0, 10_000).map(lambda n: D(n) / 10_000),
        is_taker=st.booleans(),
        time=st.just(NOW),
    ),
    max_size=12,
)


SIZES = st.integers(1, 150_000).map(lambda n: Decimal(n) / 100)


@st.composite
def sides(
    draw: st.DrawFn, price_grid: PriceGrid, yes: bool, highest: Decimal, least: int = 0
) -> tuple[Level, ...]:
    """One side of a book on a grid, with its best bid at `highest` or below, often near it. It has at least
    `least` levels if there is room for them."""
    side = Side.YES if yes else Side.NO
    top = price_grid.ticks(side, highest)
    lowest = draw(st.sampled_from((1, max(top - 12, 1))))
    ticks = draw(st.sets(st.integers(lowest, top), min_size=min(least, top), max_size=8)) if top >= 1 else set()
    return tuple(Level(price_grid.price(side, t), draw(SIZES)) for t in sorted(ticks, reverse=True))


@st.composite
def books(draw: st.DrawFn, price_grid: PriceGrid, least: int = 0) -> Book:
    """Any book that is not crossed, with at least `least` levels a side if there is room for them."""
    yes = draw(sides(price_grid, True, Decimal("0.98"), least))
    best = yes[0].price if yes else Decimal("0.01")
    no = draw(sides(price_grid, False, 1 - best - Decimal("0.001"), least))
    return book(yes, no)


@st.composite
def targets(draw: st.DrawFn, levels: tuple[Level, ...]) -> Decimal:
    """Any target, often one that a level just reaches or misses, or whose fifth it does."""
    walked, edges = Decimal(0), []
    for level in levels:
        walked += level.size
        edges += [walked, walked * 5]
    cent = Decimal("0.01")
    drawn = st.integers(1, 600_000).map(lambda n: Decimal(n) / 100)
    if edges:
        near = st.tuples(st.sampled_from(edges), st.sampled_from((-cent, Decimal(0), cent)))
        drawn = st.one_of(near.map(lambda pair: max(sum(pair), cent)), drawn)
    return draw(drawn)


@st.composite
def own_bids(draw: st.DrawFn, price_grid: PriceGrid, levels: tuple[Level, ...], side: Side) -> list[Bid]:
    """Up to four of our bids on a side of a book: at its levels, between them, behind and ahead of them, but not
    at the top tick."""
    top = price_grid.ticks(side, Decimal(1)) - 2
    near = [price_grid.ticks(side, price) + step for price, _ in levels for step in (-1, 0, 1)]
    places = st.integers(1, top)
    if near:
        places = st.one_of(st.sampled_from(near).map(lambda tick: min(max(tick, 1), top)), places)
    drawn = draw(st.lists(st.tuples(places, SIZES), max_size=4))
    return [Bid(side, price_grid.price(side, tick), size) for tick, size in drawn]
