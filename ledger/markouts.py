"""Find market prices around a fill: before it, after it, 5 min and 1 h later.

Promise:
- The module is pure.
- Each price has the time at which it was seen.
- If no price was seen near the time asked for, it is missing, not guessed.

Prices come from the bot's looks, without its own orders, or from the exchange's candles, which include them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from exchange.account import Fill
from exchange.models import Candle
from exchange.orderbook import ONE_DOLLAR, Book, Side

BEFORE, AFTER = "before", "after"
LATER: Mapping[str, timedelta] = {
    AFTER: timedelta(0),
    "5 min": timedelta(minutes=5),
    "1 h": timedelta(hours=1),
}
POINTS = (BEFORE, *LATER)
SETTLEMENT = "settlement"

NEAR = timedelta(seconds=90)
"""The longest time between a look and the time that it stands for. If there is no such look, a candle is used."""

FURTHEST = timedelta(hours=1)
"""The longest time between a candle and the time that it stands for: beyond it, prices may have moved."""

_LOOKS = 3


class MarkoutPoint(NamedTuple):
    """A price wanted for a fill: at one of `POINTS`."""

    fill_id: str
    name: str


class BestBids(NamedTuple):
    """A market's best bids at a time, in dollars, from a look or a one-minute candle.

    None if there are no bids."""

    at: datetime
    yes_bid: Decimal | None
    no_bid: Decimal | None
    is_candle: bool = False

    def mid_price(self, side: Side) -> Decimal | None:
        """The mid price of a side; None if one side of the book was empty."""
        if self.yes_bid is None or self.no_bid is None:
            return None
        middle = (self.yes_bid + ONE_DOLLAR - self.no_bid) / 2
        return middle if side is Side.YES else ONE_DOLLAR - middle


class MarkoutTracker:
    """Tracks the fills with missing points, and the best bids of the last looks."""

    def __init__(self) -> None:
        self._due: dict[MarkoutPoint, Fill] = {}
        self._looks: dict[str, deque[BestBids]] = {}

    def expect(self, fills: Iterable[Fill], known: Iterable[MarkoutPoint] = ()) -> None:
        """Track all points of some fills, except those that are `known`."""
        points = {MarkoutPoint(fill.fill_id, name): fill for fill in fills for name in POINTS}
        for point in known:
            points.pop(point, None)
        self._due |= points

    def on_fill(self, fill: Fill) -> dict[MarkoutPoint, BestBids]:
        """Track a new fill. Returns its points that earlier looks give."""
        self.expect([fill])
        looks = list(self._looks.get(fill.ticker, ()))
        before = [seen for seen in looks if seen.at <= fill.time <= seen.at + NEAR]
        found = {MarkoutPoint(fill.fill_id, BEFORE): before[-1]} if before else {}
        for seen in looks:
            found |= {point: seen for point in self._near(fill, seen) if point not in found}
        return self._taken(found)

    def on_books(self, at: datetime, books: Mapping[str, Book]) -> dict[MarkoutPoint, BestBids]:
        """Take a look's books, without our own orders. Returns the points that it gives."""
        for ticker, book in books.items():
            self._looks.setdefault(ticker, deque(maxlen=_LOOKS)).append(BestBids(at, *book.best_bids()))
        for ticker in [ticker for ticker, seen in self._looks.items() if seen[-1].at < at - FURTHEST]:
            del self._looks[ticker]
        found: dict[MarkoutPoint, BestBids] = {}
        for fill in {fill.fill_id: fill for fill in self._due.values() if fill.ticker in books}.values():
            seen = self._looks[fill.ticker][-1]
            found |= dict.fromkeys(self._near(fill, seen), seen)
        return self._taken(found)

    def missing(self, now: datetime) -> dict[MarkoutPoint, Fill]:
        """The points that no later look can give."""
        return {point: fill for point, fill in self._due.items() if _target(point, fill) + NEAR < now}

    def from_candles(self, now: datetime, candles: Iterable[Candle]) -> dict[MarkoutPoint, BestBids]:
        """Find the missing points that candles give.

        A point that is still missing 2 h after its time is given up."""
        by_ticker: dict[str, list[BestBids]] = {}
        for one in candles:
            by_ticker.setdefault(one.ticker, []).append(BestBids(one.end, one.yes_bid, one.no_bid, True))
        found = {}
        for point, fill in self.missing(now).items():
            seen = _nearest(point, fill, by_ticker.get(fill.ticker, []))
            if seen:
                found[point] = seen
            elif now > _target(point, fill) + 2 * FURTHEST:
                del self._due[point]
        return self._taken(found)

    def _near(self, fill: Fill, seen: BestBids) -> Iterable[MarkoutPoint]:
        for name, later in LATER.items():
            point, target = MarkoutPoint(fill.fill_id, name), fill.time + later
            if point in self._due and target < seen.at <= target + NEAR:
                yield point

    def _taken(self, found: dict[MarkoutPoint, BestBids]) -> dict[MarkoutPoint, BestBids]:
        for point in found:
            self._due.pop(point, None)
        return found


def candle_span(missing: Iterable[tuple[MarkoutPoint, Fill]]) -> tuple[datetime, datetime]:
    """The time span of the candles that can give some points."""
    targets = [_target(point, fill) for point, fill in missing]
    return min(targets) - FURTHEST, max(targets) + FURTHEST


def _target(point: MarkoutPoint, fill: Fill) -> datetime:
    return fill.time + LATER.get(point.name, timedelta(0))


def _nearest(point: MarkoutPoint, fill: Fill, candles: Iterable[BestBids]) -> BestBids | None:
    """The last candle before a fill, or the first that ends after the point's time."""
    target = _target(point, fill)
    if point.name == BEFORE:
        return max((one for one in candles if target - FURTHEST <= one.at <= target), default=None, key=_time)
    return min((one for one in candles if target < one.at <= target + FURTHEST), default=None, key=_time)


def _time(seen: BestBids) -> datetime:
    return seen.at
