"""Sides, price grids, bids and books, as frozen values with exact money.

Promise:
- Prices and sizes are `Decimal`.
- A book never changes after it is created.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from enum import Enum
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

ONE_DOLLAR = Decimal(1)

MOST_PRICES = 10_001
"""Number of prices on the finest grid, and the most prices cached per side."""


class Side(Enum):
    """An outcome of a market, as the log and the exchange spell it."""

    YES = "yes"
    NO = "no"

    @property
    def other(self) -> Side:
        return Side.NO if self is Side.YES else Side.YES


YES, NO = SIDES = Side.YES, Side.NO
"""Aliases for the scoring loop: an attribute lookup on the Enum costs more than the work itself."""


class PriceRange(NamedTuple):
    """A range of YES prices in dollars, from `start` to `end` in steps of `step`."""

    start: Decimal
    end: Decimal
    step: Decimal


@dataclass(frozen=True)
class PriceGrid:
    """The prices that a market accepts, and their distances in ticks.

    The exchange gives the grid in YES prices. A NO bid at q rests as a YES ask at 1 - q, so NO prices are on the
    mirrored grid. Ticks count up from the side's lowest price. Prices on the grid are cached, because a board asks
    for the same ones 100,000 times.
    """

    ranges: tuple[PriceRange, ...]

    def __post_init__(self) -> None:
        ordered = sorted(self.ranges, key=lambda r: r.start)
        if not ordered:
            raise ValueError("a price grid needs at least one range")
        for stretch in ordered:
            if not (stretch.step > 0 and 0 <= stretch.start < stretch.end <= 1):
                raise ValueError(f"impossible price range {stretch}")
            if (stretch.end - stretch.start) % stretch.step:
                raise ValueError(f"price range {stretch} is not a whole number of steps")
        for lower, upper in pairwise(ordered):
            if lower.end != upper.start:
                raise ValueError(f"price ranges {lower} and {upper} leave a gap or overlap")
        object.__setattr__(self, "ranges", tuple(ordered))

    @cached_property
    def _steps(self) -> int:
        return int(self._steps_up_to(self.ranges[-1].end))

    def _steps_up_to(self, yes_price: Decimal) -> Decimal:
        """Ticks from the grid's start to a YES price; fractional if it is off the grid."""
        return sum(
            ((min(yes_price, r.end) - r.start) / r.step for r in self.ranges if yes_price > r.start),
            start=Decimal(0),
        )

    def _yes_price(self, steps: int) -> Decimal:
        price, left = self.ranges[0].start, steps
        for stretch in self.ranges:
            here = min(left, int((stretch.end - stretch.start) / stretch.step))
            price += here * stretch.step
            left -= here
        return price

    def _yes_ticks(self, price: Decimal) -> int:
        return int(self._steps_up_to(price).to_integral_value(ROUND_FLOOR))

    def _no_ticks(self, price: Decimal) -> int:
        return int((self._steps - self._steps_up_to(ONE_DOLLAR - price)).to_integral_value(ROUND_FLOOR))

    def _no_price(self, steps: int) -> Decimal:
        return ONE_DOLLAR - self._yes_price(self._steps - steps)

    @cached_property
    def _yes(self) -> _TickCache:
        return _TickCache(self._yes_ticks, self._yes_price)

    @cached_property
    def _no(self) -> _TickCache:
        return _TickCache(self._no_ticks, self._no_price)

    def tick_table(self, side: Side) -> Mapping[Decimal, int]:
        """Return `ticks` of a side as a mapping, for frequent lookups.

        It also answers for prices that it does not hold yet. It is fastest if a price is the same object each
        time, as parsed prices are."""
        return self._yes if side is YES else self._no

    def ticks(self, side: Side, price: Decimal) -> int:
        """Return the ticks from the lowest price to `price`, rounded down as bids are."""
        return self._yes[price] if side is YES else self._no[price]

    def price(self, side: Side, ticks: int) -> Decimal:
        """Return the price in dollars that is `ticks` above the lowest price of `side`."""
        return (self._yes if side is YES else self._no).prices[ticks]

    def below(self, side: Side, price: Decimal, ticks: int) -> Decimal | None:
        """Return the price `ticks` below `price`, or None if no order can rest there."""
        known = self._yes if side is YES else self._no
        steps = known[price] - ticks
        if steps < 0:
            return None
        return known.prices[steps] or None

    def largest_step(self, side: Side, low: Decimal, high: Decimal) -> Decimal:
        """Return the largest step in dollars between two prices of `side`.

        It is 0 if `low` is not below `high`."""
        if side is NO:
            low, high = ONE_DOLLAR - high, ONE_DOLLAR - low
        between = (r.step for r in self.ranges if low < high and r.start < high and low < r.end)
        return max(between, default=Decimal(0))

    @cached_property
    def tops(self) -> tuple[Decimal, Decimal]:
        """The highest prices in dollars that an order can have, for YES and NO."""
        yes, no = (self.below(side, ONE_DOLLAR, 1) for side in SIDES)
        return yes or ONE_DOLLAR, no or ONE_DOLLAR

    def floor(self, side: Side, price: Decimal) -> Decimal:
        """Return the highest price on the grid that is not above `price`."""
        known = self._yes if side is YES else self._no
        return known.prices[known[price]]


class _TickCache(dict[Decimal, int]):
    """A cache of one side's ticks by price, and of its prices by tick.

    Each is computed at its first lookup. A price off the grid is not cached, because their number has no limit."""

    def __init__(self, ticks: Callable[[Decimal], int], price: Callable[[int], Decimal]) -> None:
        super().__init__()
        self._ticks = ticks
        self.prices = _PriceCache(price)

    def __missing__(self, price: Decimal) -> int:
        ticks = self._ticks(price)
        if len(self) < MOST_PRICES and self.prices[ticks] == price:
            self[price] = ticks
        return ticks


class _PriceCache(dict[int, Decimal]):
    def __init__(self, price: Callable[[int], Decimal]) -> None:
        super().__init__()
        self._price = price

    def __missing__(self, ticks: int) -> Decimal:
        price = self._price(ticks)
        if len(self) < MOST_PRICES:
            self[ticks] = price
        return price


@dataclass(frozen=True, slots=True)
class Bid:
    """A bid for `count` contracts at `price` dollars on `side`, resting or planned."""

    side: Side
    price: Decimal
    count: Decimal

    @property
    def other_price(self) -> Decimal:
        """The price in dollars at which this bid sells the other side."""
        return ONE_DOLLAR - self.price


class Level(NamedTuple):
    """All contracts bid at one price of one side."""

    price: Decimal
    size: Decimal


class Book(NamedTuple):
    """The resting bids of a market, aggregated by price, best (highest) first.

    Each side is in its own prices."""

    ticker: str
    yes: tuple[Level, ...]
    no: tuple[Level, ...]

    def side(self, side: Side) -> tuple[Level, ...]:
        return self.yes if side is YES else self.no

    def best(self, side: Side) -> Level | None:
        levels = self.side(side)
        return levels[0] if levels else None

    def best_bids(self) -> tuple[Decimal | None, Decimal | None]:
        """Return the best YES and NO bids in dollars; None if there are no bids."""
        return self.yes[0].price if self.yes else None, self.no[0].price if self.no else None

    def with_bids(self, bids: Sequence[Bid]) -> Book:
        """Return this book with `bids` added."""
        return self._changed(bids, sign=1)

    def without_bids(self, bids: Sequence[Bid]) -> Book:
        """Return this book without `bids`.

        A level never falls below zero: some bids may have gone just before the book was read."""
        return self._changed(bids, sign=-1)

    def _changed(self, bids: Sequence[Bid], sign: int) -> Book:
        if not bids:
            return self
        sizes = {side: {level.price: level.size for level in self.side(side)} for side in Side}
        for bid in bids:
            here = sizes[bid.side]
            here[bid.price] = here.get(bid.price, Decimal(0)) + sign * bid.count
        return Book(self.ticker, *(_levels(sizes[side]) for side in SIDES))


def _levels(sizes: dict[Decimal, Decimal]) -> tuple[Level, ...]:
    return tuple(Level(price, sizes[price]) for price in sorted(sizes, reverse=True) if sizes[price] > 0)
