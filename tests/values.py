"""Short ways to write markets, books and programs in tests, and strategies that draw them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from exchange.models import IncentiveType, Market, MarketStatus, Program
from exchange.orderbook import Bid, Book, Level, PriceGrid, PriceRange, Side
from rewards.estimate import RewardedMarket
from tests.rows import NOW


def grid(*ranges: tuple[str, str, str]) -> PriceGrid:
    return PriceGrid(tuple(PriceRange(*map(Decimal, r)) for r in ranges))


CENTS = grid(("0", "1", "0.01"))
TAPERED = grid(("0", "0.1", "0.001"), ("0.1", "0.9", "0.01"), ("0.9", "1", "0.001"))
TENTHS = grid(("0", "1", "0.001"))
FINE_BELOW = grid(("0", "0.2", "0.001"), ("0.2", "1", "0.01"))
"""Not symmetric: NO prices have their fine steps at the top."""

GRIDS = (CENTS, TAPERED, TENTHS, FINE_BELOW)


def level(price: str, size: float) -> Level:
    return Level(Decimal(price), Decimal(str(size)))


def cents(*levels: tuple[int, float]) -> tuple[Level, ...]:
    """A side from (cents, contracts) pairs, sorted best first."""
    return tuple(level(f"{price / 100:.2f}", size) for price, size in sorted(levels, reverse=True))


def book(yes: tuple[Level, ...] = (), no: tuple[Level, ...] = ()) -> Book:
    return Book("KXTEST-1", yes, no)


def market(
    price_grid: PriceGrid = CENTS,
    closes_in: float = 7 * 86_400,
    resolves_in: float | None = None,
    volume: int = 0,
    ticker: str = "KXTEST-1",
    shard: int | None = 0,
) -> Market:
    """A market of the event that its ticker begins with."""
    closes = NOW + timedelta(seconds=closes_in)
    resolves = None if resolves_in is None else NOW + timedelta(seconds=resolves_in)
    event = ticker.rpartition("-")[0]
    return Market(ticker, event, MarketStatus.ACTIVE, closes, price_grid, shard, resolves, Decimal(volume))


def program(
    reward: int = 100,
    days: float = 5,
    target: int | None = 1_000,
    discount: str = "0.5",
    name: str = "p",
    cap: int | None = None,
    kind: IncentiveType = IncentiveType.LIQUIDITY,
    starts_in: float = 0,
    paid_out: bool = False,
    ticker: str = "KXTEST-1",
) -> Program:
    start = NOW + timedelta(days=starts_in)
    return Program(
        id=name,
        ticker=ticker,
        type=kind,
        start=start,
        end=start + timedelta(days=days),
        reward=Decimal(reward),
        paid_out=paid_out,
        target=None if target is None else Decimal(target),
        discount=Decimal(discount),
        cap=None if cap is None else Decimal(cap),
    )


def incentive(price_grid: PriceGrid = CENTS, *programs: Program, **known: Any) -> RewardedMarket:
    """A market with its programs, and what else is `known` of it."""
    return RewardedMarket(market(price_grid), programs or (program(),))._replace(**known)


def bid(side: Side, price: str, count: float) -> Bid:
    return Bid(side, Decimal(price), Decimal(str(count)))


SIZES = st.integers(1, 150_000).map(lambda n: Decimal(n) / 100)


@st.composite
def sides(
    draw: st.DrawFn, price_grid: PriceGrid, yes: bool, highest: Decimal, least: int = 0
) -> tuple[Level, ...]:
    """One side of a book on a grid, its best bid at most `highest`: near it, or anywhere below. It has at least
    so many levels where there is room for them."""
    side = Side.YES if yes else Side.NO
    top = price_grid.ticks(side, highest)
    lowest = draw(st.sampled_from((1, max(top - 12, 1))))
    ticks = draw(st.sets(st.integers(lowest, top), min_size=min(least, top), max_size=8)) if top >= 1 else set()
    return tuple(Level(price_grid.price(side, t), draw(SIZES)) for t in sorted(ticks, reverse=True))


@st.composite
def books(draw: st.DrawFn, price_grid: PriceGrid, least: int = 0) -> Book:
    """Any book that is not crossed, with at least so many levels a side where there is room for them."""
    yes = draw(sides(price_grid, True, Decimal("0.98"), least))
    best = yes[0].price if yes else Decimal("0.01")
    no = draw(sides(price_grid, False, 1 - best - Decimal("0.001"), least))
    return book(yes, no)


@st.composite
def targets(draw: st.DrawFn, levels: tuple[Level, ...]) -> Decimal:
    """Any target, often one that a level just reaches or just misses, or whose fifth it does."""
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
    """Up to four bids of ours on a side of a book: at its levels, between them, behind and ahead of them, never at
    the top tick."""
    top = price_grid.ticks(side, Decimal(1)) - 2
    near = [price_grid.ticks(side, price) + step for price, _ in levels for step in (-1, 0, 1)]
    places = st.integers(1, top)
    if near:
        places = st.one_of(st.sampled_from(near).map(lambda tick: min(max(tick, 1), top)), places)
    drawn = draw(st.lists(st.tuples(places, SIZES), max_size=4))
    return [Bid(side, price_grid.price(side, tick), size) for tick, size in drawn]
