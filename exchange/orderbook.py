"""Sides, price grids, bids and books, as frozen values with exact money.

Promise: prices and sizes are `Decimal`; a book is made once and never changed.
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
"""Prices of the finest grid there is, and what is remembered of a side's at most."""


class Side(Enum):
    """An outcome of a market, as the log and the exchange spell it."""

    YES = "yes"
    NO = "no"

    @property
    def other(self) -> Side:
        return Side.NO if self is Side.YES else Side.YES


YES, NO = SIDES = Side.YES, Side.NO
"""For who scores a board: to look a member up in its class costs more than what is done with it."""


class PriceRange(NamedTuple):
    """A stretch of YES prices in dollars, `start` to `end`, in steps of `step`."""

    start: Decimal
    end: Decimal
    step: Decimal


@dataclass(frozen=True)
class PriceGrid:
    """The prices a market accepts, and how far apart they are, counted in grid steps ("ticks").

    The exchange gives the grid in YES prices. A NO bid at q rests as a YES ask at 1 - q, so NO prices
    live on the mirrored grid. Ticks count up from the lowest price of the side asked for. What is on the grid is
    counted once and remembered: a board asks for the same prices a hundred thousand times.
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
        """Grid steps from the grid's start up to a YES price; not whole where the price is off the grid."""
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
        """`ticks` of a side as a table, for who asks often. It answers for every price, also those it does not
        hold yet; quickest for a price that is the same object each time, as those that are parsed are."""
        return self._yes if side is YES else self._no

    def ticks(self, side: Side, price: Decimal) -> int:
        """Grid steps from the side's lowest price up to `price`, rounded down as a bid is (contracts: none)."""
        return self._yes[price] if side is YES else self._no[price]

    def price(self, side: Side, ticks: int) -> Decimal:
        """The price in dollars of `side` that lies `ticks` grid steps above its lowest."""
        return (self._yes if side is YES else self._no).prices[ticks]

    def below(self, side: Side, price: Decimal, ticks: int) -> Decimal | None:
        """The price `ticks` grid steps under `price`, or None where no order could rest there."""
        known = self._yes if side is YES else self._no
        steps = known[price] - ticks
        if steps < 0:
            return None
        return known.prices[steps] or None

    @cached_property
    def tops(self) -> tuple[Decimal, Decimal]:
        """The highest prices in dollars that an order can have, YES and NO."""
        yes, no = (self.below(side, ONE_DOLLAR, 1) for side in SIDES)
        return yes or ONE_DOLLAR, no or ONE_DOLLAR

    def floor(self, side: Side, price: Decimal) -> Decimal:
        """The highest price of the grid that is not above `price`."""
        known = self._yes if side is YES else self._no
        return known.prices[known[price]]


class _TickCache(dict[Decimal, int]):
    """The ticks of one side's prices, and the prices of its ticks. Each is counted when it is first asked for. A
    price off the grid is not remembered: there is no end of those."""

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
    """`count` contracts bid at `price` dollars on `side`: resting, or meant to rest."""

    side: Side
    price: Decimal
    count: Decimal

    @property
    def other_price(self) -> Decimal:
        """What the other side is sold at by this bid, in dollars of that side."""
        return ONE_DOLLAR - self.price


class Level(NamedTuple):
    """All contracts bid at one price of one side."""

    price: Decimal
    size: Decimal


class Book(NamedTuple):
    """The resting bids of a market, aggregated by price, best (highest) first, each side in its own prices."""

    ticker: str
    yes: tuple[Level, ...]
    no: tuple[Level, ...]

    def side(self, side: Side) -> tuple[Level, ...]:
        return self.yes if side is YES else self.no

    def best(self, side: Side) -> Level | None:
        levels = self.side(side)
        return levels[0] if levels else None

    def best_bids(self) -> tuple[Decimal | None, Decimal | None]:
        """The best prices of YES and NO, in dollars; None where nobody bids."""
        return self.yes[0].price if self.yes else None, self.no[0].price if self.no else None

    def with_bids(self, bids: Sequence[Bid]) -> Book:
        """This book with `bids` resting in it too."""
        return self._changed(bids, sign=1)

    def without_bids(self, bids: Sequence[Bid]) -> Book:
        """This book as it would stand without `bids`. A level never falls below zero: the book may have
        been read a moment after some of them went."""
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
