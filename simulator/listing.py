"""The data that an exchange lists: series, events, markets, programs and trades."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from simulator.fees import STANDARD, FeeTerms
from simulator.matching import CONTRACT, DOLLAR_PIPS, MatchingBook, Order

HOUR = 3_600.0
DAY = 24 * HOUR

TOUCHES_KEPT = 3_000
"""Number of `Touch` records that a market keeps: about two days at one change a minute."""

TRADES_KEPT = 2 * DAY
"""Seconds for which a market keeps its trades."""

_TIME, _NUMBER = attrgetter("time"), attrgetter("number")

Ranges = tuple[tuple[int, int, int], ...]
"""(start, end, step) of each stretch of a price grid, in YES pips."""


@dataclass(frozen=True)
class Grid:
    """The valid prices of a market, numbered as ticks from the lowest.
    All lie strictly between 0 and a dollar."""

    structure: str
    ranges: Ranges

    @cached_property
    def prices(self) -> list[int]:
        found = {p for start, end, step in self.ranges for p in range(start, end + 1, step)}
        return sorted(found - {0, DOLLAR_PIPS})

    @cached_property
    def _numbers(self) -> dict[int, int]:
        return {price: number for number, price in enumerate(self.prices)}

    def holds(self, price: int) -> bool:
        return price in self._numbers

    def tick(self, price: int) -> int:
        """The tick of a price. A price off the grid gives the next tick above it."""
        number = self._numbers.get(price)
        return bisect_left(self.prices, price) if number is None else number

    def price(self, tick: int) -> int | None:
        return self.prices[tick] if 0 <= tick < len(self.prices) else None

    def nearest(self, price: int, steps: int = 0) -> int:
        """The price `steps` ticks above the tick of `price`, limited to the grid's ends."""
        return self.prices[min(max(self.tick(price) + steps, 0), len(self.prices) - 1)]


LINEAR = Grid("linear_cent", ((0, DOLLAR_PIPS, 100),))
TAPERED = Grid("tapered_deci_cent", ((0, 1_000, 10), (1_000, 9_000, 100), (9_000, DOLLAR_PIPS, 10)))
DECI = Grid("deci_cent", ((0, DOLLAR_PIPS, 10),))
CENTI_EDGE = Grid("center_whole_edge_centi_cent", ((0, 100, 1), (100, 9_900, 100), (9_900, DOLLAR_PIPS, 1)))


@dataclass(frozen=True, slots=True)
class ListedSeries:
    ticker: str
    title: str
    category: str
    frequency: str
    shard: int
    fees: FeeTerms = STANDARD


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event of a series.
    If `exclusive`, at most one of its markets ends YES. `fees` override the series' fees. A `combo` is left out of
    lists of events. `strike_date` is when the event is decided, in Unix seconds; None: that is not told."""

    number: int
    ticker: str
    series: ListedSeries
    title: str
    exclusive: bool = False
    fees: FeeTerms | None = None
    combo: bool = False
    strike_date: float | None = None

    @property
    def fee_terms(self) -> FeeTerms:
        return self.fees or self.series.fees


class Touch(NamedTuple):
    """A market's best prices (0: none) and last price from `time` on.
    `volume` is the total volume up to that time."""

    time: float
    bid: int
    ask: int
    last: int
    volume: int


class Quote(NamedTuple):
    """What a market quotes from `time` on.
    Its best prices (0: none), their sizes and its last price."""

    time: float
    bid: int
    ask: int
    bid_size: int
    ask_size: int
    last: int


@dataclass(slots=True, eq=False)
class ListedMarket:
    """A market as the exchange lists it. Times are Unix seconds.
    `result` is yes, no or scalar, and empty before; `payout`: pips that a YES contract then pays.
    `earlier_volume` is from before the day before the exchange opened.
    `strikes`: YES pays above the first, and up to the second if there is one; None: the market has no strike.
    `owned` are the resting orders of accounts, oldest first. `stirred` counts fills of simulated traders' orders
    and clearings of the book; `on_stir` is called after each. `on_owned` is called after changes of the market
    while accounts' orders rest, and once when the last has gone; `showed_owned`: some rested at the last change.
    `to_look_at`: the market may have changed, and a look is scheduled. `trades` are its public trades, oldest
    first: their times and their numbers rise."""

    number: int
    ticker: str
    event: ListedEvent
    title: str
    opened: float
    closes: float
    grid: Grid = LINEAR
    resolves: float | None = None
    strikes: tuple[int, int | None] | None = None
    settlement_timer: float = 3_600.0
    status: str = "initialized"
    result: str = ""
    payout: int | None = None
    settled: float | None = None
    updated: float = 0.0
    book: MatchingBook = field(default_factory=MatchingBook)
    owned: dict[str, Order] = field(default_factory=dict)
    last_price: int = 0
    volume: int = 0
    earlier_volume: int = 0
    stirred: int = 0
    on_stir: Callable[[], None] | None = None
    on_owned: Callable[[], None] | None = None
    showed_owned: bool = False
    to_look_at: bool = False
    touches: deque[Touch] = field(default_factory=lambda: deque(maxlen=TOUCHES_KEPT))
    quotes: deque[Quote] = field(default_factory=deque)
    trades: deque[PublicTrade] = field(default_factory=deque)

    @property
    def shard(self) -> int:
        return self.event.series.shard

    def stir(self) -> None:
        """Note that simulated traders' orders were filled or cleared."""
        self.stirred += 1
        if self.on_stir is not None:
            self.on_stir()

    def assume_earlier_volume(self, now: float) -> None:
        """Assume that all days before the last day had the volume of the last day."""
        self.earlier_volume = round(self.volume * max(now - self.opened - DAY, 0.0) / DAY / CONTRACT) * CONTRACT

    def show_owned(self) -> None:
        """Call `on_owned` if accounts' orders rest, or did at the last change."""
        if self.owned or self.showed_owned:
            self.showed_owned = bool(self.owned)
            if self.on_owned is not None:
                self.on_owned()

    def note_touch(self, now: float) -> None:
        """Record the best prices if they or the volume changed."""
        bid, ask = self.book.bids.best() or 0, self.book.asks.best() or 0
        before = self.touches[-1] if self.touches else None
        if before is None or (before.bid, before.ask, before.volume) != (bid, ask, self.volume):
            self.touches.append(Touch(now, bid, ask, self.last_price, self.volume))

    def note_trade(self, trade: PublicTrade) -> None:
        """Record a trade. Those made more than `TRADES_KEPT` before it are dropped."""
        self.trades.append(trade)
        while self.trades[0].time < trade.time - TRADES_KEPT:
            self.trades.popleft()

    def trades_between(self, low: float, high: float, before: int | None = None) -> Iterator[PublicTrade]:
        """The kept trades of the times from `low` to `high`, both included, newest first.
        `before`: only those whose numbers are lower; None: all."""
        first = bisect_left(self.trades, low, key=_TIME)
        end = bisect_right(self.trades, high, key=_TIME)
        if before is not None:
            end = min(end, bisect_left(self.trades, before, key=_NUMBER))
        return (self.trades[place] for place in range(end - 1, first - 1, -1))

    def note_quote(self, now: float, kept: float) -> None:
        """Record the quote. Quotes that were replaced `kept` seconds ago are dropped."""
        quotes = self.quotes
        quotes.append(self._quote(now))
        while len(quotes) > 1 and quotes[1].time <= now - kept:
            quotes.popleft()

    def quote_at(self, time: float) -> Quote:
        """The quote at a time, or the earliest that is recorded."""
        recorded = [quote for quote in self.quotes if quote.time <= time] or list(self.quotes)[:1]
        return recorded[-1] if recorded else self._quote(time)

    def _quote(self, now: float) -> Quote:
        bids, asks = self.book.bids, self.book.asks
        bid, ask = bids.best() or 0, asks.best() or 0
        return Quote(now, bid, ask, bids.size_at(bid), asks.size_at(ask), self.last_price)

    @property
    def total_volume(self) -> int:
        """The volume since the market opened."""
        return self.earlier_volume + self.volume

    def volume_since(self, time: float) -> int:
        """Volume since a time, as far back as the records in `touches` reach."""
        touch = self.touch_at(time)
        if touch is None and len(self.touches) == TOUCHES_KEPT:
            touch = self.touches[0]
        return self.volume - (touch.volume if touch else 0)

    def touch_at(self, time: float) -> Touch | None:
        """The best prices at a time, or None if they are not recorded."""
        place = bisect_right(self.touches, time, key=lambda touch: touch.time)
        return self.touches[place - 1] if place else None


@dataclass(slots=True, eq=False)
class ListedProgram:
    """An incentive program.
    `reward` and `cap` (highest for one account) are in 1/10,000 dollar for the whole window. `target` is in 1/100
    contract."""

    number: int
    program_id: str
    ticker: str
    kind: str
    starts: float
    ends: float
    reward: int
    target: int | None
    discount_bps: int | None
    cap: int | None = None
    paid_out: bool = False


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade on the public tape."""

    number: int
    ticker: str
    price: int
    size: int
    taker_is_bid: bool
    time: float
