"""The simulated traders in a market.

Promise:
- The times, sides and sizes at which they come depend only on the seed and the market. The book that they find
  decides what they trade.
- Each kind of trader can be left out.

The kinds are:

- `NOISE` buys or sells at random, with equal chances and without information.
- `INFORMED` knows the hidden value minutes before the book does, and takes orders that are mispriced against it.
- `RIVALS` quote around the value as the public knows it. They refresh quotes, join the best price or step in
  front.
- `SWEEPS` know the outcome shortly before it is read, and take everything on the losing side.

Calibration (`python -m benchmarks.calibration --seeds 8`), all kinds on, for a quoter at the best price: it loses
2.5 cents a contract after five minutes and 5.0 at settlement. Makers on the real exchange measured 2.8 and 4.8.
The loss far exceeds the rewards; without `INFORMED` the quoter earns. In the last hour it loses 17 cents, against
7.6 measured. Unpublished rates and sizes were set to meet the first two figures.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from simulator.exchange import Exchange
from simulator.listing import ListedMarket
from simulator.matching import CONTRACT, DOLLAR_PIPS, Order
from simulator.value import MarketValue

NOISE, INFORMED, RIVALS, SWEEPS = "noise", "informed", "rivals", "sweeps"
EVERYBODY = frozenset({NOISE, INFORMED, RIVALS, SWEEPS})

MEDIAN_TAKE = 20.0
"""Median size of a random take, in contracts."""

TAKE_SPREAD = 1.3
"""Standard deviation of the logarithm of a take's size: 1 in 40 exceeds 250 contracts."""

DEPTH_TICKS = 6
"""A random taker pays at most this many ticks beyond the best price."""

INFORMED_SECONDS = 120.0
"""Average seconds between two visits of an informed taker."""

INFORMED_AHEAD = (60.0, 900.0)
"""Informed takers know the value this many seconds ahead, drawn from this range."""

STEP_BEFORE = 1.0
"""Informed takers know no value later than this many seconds before the reading: only sweeps know the outcome."""

INFORMED_MEDIAN = 300.0
INFORMED_EDGE = 0.025
"""Dollars per contract, after the fee, that informed takers want to gain."""

REFRESH_SECONDS = 45.0
PUBLIC_LAG = 120.0
"""Rivals quote around the value of this many seconds ago."""

VISIT_SECONDS = 1_200.0
"""Average seconds between rivals that join the best price or step in front of it."""

VISIT_MEDIAN = 60.0
STAY_SECONDS = (120.0, 900.0)

SWEEP_CHANCE = 0.3
SWEEP_SECONDS = (30.0, 180.0)
"""A sweep, if there is one, comes this many seconds before the outcome is read."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How rivals fill a book.
    `bid_steps` and `ask_steps` are the ticks from the value to the best bid and ask. `bids` and `asks` give sizes
    (1/100 contract) by ticks behind these. `deep_bids` and `deep_asks` give sizes at fixed prices."""

    bid_steps: int
    ask_steps: int
    bids: dict[int, int]
    asks: dict[int, int]
    deep_bids: dict[int, int]
    deep_asks: dict[int, int]


class Visitor:
    """A simulated trader that visits a market once in `seconds` on average."""

    def __init__(self, exchange: Exchange, market: ListedMarket, kind: str, seconds: float) -> None:
        self.exchange = exchange
        self.market = market
        self.dice = random.Random(f"{exchange.seed}:{market.ticker}:{kind}")
        self._timeline = exchange.timeline
        self._seconds = seconds

    def move_in(self) -> None:
        self._await()

    def _await(self) -> None:
        when = self._timeline.now - math.log(1.0 - self.dice.random()) * self._seconds
        if when < self.market.closes:
            self._timeline.at(when, self._come)

    def _come(self) -> None:
        self.visit()
        self._await()

    def visit(self) -> None:
        """Act on arrival. Draw all random numbers before reading the market."""
        raise NotImplementedError

    def contracts(self, median: float) -> int:
        """Draw a size, in 1/100 contract."""
        return max(round(median * math.exp(self.dice.gauss(0.0, TAKE_SPREAD))), 1) * CONTRACT


class NoiseTaker(Visitor):
    def __init__(self, exchange: Exchange, market: ListedMarket, seconds: float) -> None:
        super().__init__(exchange, market, NOISE, seconds)

    def visit(self) -> None:
        is_bid = self.dice.random() < 0.5
        size = self.contracts(MEDIAN_TAKE)
        touch = self.market.book.half(not is_bid).best()
        if touch is None or not self.exchange.trades_in(self.market):
            return
        limit = self.market.grid.nearest(touch, DEPTH_TICKS if is_bid else -DEPTH_TICKS)
        self.exchange.crowd_take(self.market, is_bid, limit, size)


class InformedTaker(Visitor):
    def __init__(self, exchange: Exchange, market: ListedMarket, value: MarketValue) -> None:
        super().__init__(exchange, market, INFORMED, INFORMED_SECONDS)
        self._value = value

    def visit(self) -> None:
        size, knows = self.contracts(INFORMED_MEDIAN), self.dice.uniform(*INFORMED_AHEAD)
        if not self.exchange.trades_in(self.market):
            return
        now = self.exchange.now
        ahead = min(now + knows, max(self._value.event.reads - STEP_BEFORE, now))
        worth = self._value.at(ahead)
        margin = INFORMED_EDGE + self.market.event.fee_terms.of_a_contract(worth)
        book = self.market.book
        ask, bid = book.asks.best(), book.bids.best()
        most, least = int((worth - margin) * DOLLAR_PIPS), int((worth + margin) * DOLLAR_PIPS) + 1
        if ask is not None and ask <= most:
            self.exchange.crowd_take(self.market, True, most, size)
        elif bid is not None and bid >= least:
            self.exchange.crowd_take(self.market, False, least, size)


class Sweeper:
    """Takes the whole losing side once, in some markets, shortly before the reading.
    Does nothing if no side loses all."""

    def __init__(self, exchange: Exchange, market: ListedMarket, value: MarketValue) -> None:
        self._exchange = exchange
        self._market = market
        self._value = value
        dice = random.Random(f"{exchange.seed}:{market.ticker}:{SWEEPS}")
        self._when = value.event.reads - dice.uniform(*SWEEP_SECONDS)
        self._comes = dice.random() < SWEEP_CHANCE

    def move_in(self) -> None:
        if self._comes and self._when > self._exchange.now:
            self._exchange.at(self._when, self._sweep)

    def _sweep(self) -> None:
        if self._exchange.trades_in(self._market):
            payout = self._value.outcome()
            if 0 < payout < DOLLAR_PIPS:
                return
            yes = payout == DOLLAR_PIPS
            limit = self._market.grid.nearest(int((0.97 if yes else 0.03) * DOLLAR_PIPS))
            self._exchange.crowd_take(self._market, yes, limit, self._market.book.half(not yes).total)


class Rivals(Visitor):
    """Quote a book's shape around the public value, and refill it on each visit."""

    def __init__(self, exchange: Exchange, market: ListedMarket, value: MarketValue, shape: Shape) -> None:
        super().__init__(exchange, market, RIVALS, REFRESH_SECONDS)
        self._value = value
        self._shape = shape
        self._resting: dict[tuple[bool, int], Order] = {}
        self._seen: tuple[int, bool, int] | None = None
        self._quoted: tuple[int, int] | None = None

    def visit(self) -> None:
        exchange, market = self.exchange, self.market
        if not exchange.trades_in(market):
            return
        known, event = exchange.now - PUBLIC_LAG, self._value.event
        seen = (event.step(known), known >= event.reads, market.stirred)
        if seen == self._seen:
            return
        middle = market.grid.tick(int(self._value.at(known) * DOLLAR_PIPS))
        if (middle, market.stirred) == self._quoted:
            self._seen = seen
            return
        self._seen, self._quoted = seen, (middle, market.stirred)
        wanted = self._wanted(middle)
        for place, order in list(self._resting.items()):
            if order.remaining != wanted.get(place):
                if order.status == "resting":
                    exchange.withdraw(market, order)
                del self._resting[place]
        for place, size in wanted.items():
            if place not in self._resting:
                rested = exchange.crowd_rest(market, *place, size)
                if rested is not None:
                    self._resting[place] = rested
                else:
                    self._seen = self._quoted = None
        exchange.changed(market)

    def _wanted(self, middle: int) -> dict[tuple[bool, int], int]:
        """Wanted size by (is_bid, price)."""
        shape, grid = self._shape, self.market.grid
        wanted: dict[tuple[bool, int], int] = {}
        for is_bid, sizes in ((True, shape.bids), (False, shape.asks)):
            touch = middle - shape.bid_steps if is_bid else middle - 1 + shape.ask_steps
            for behind, size in sizes.items():
                price = grid.price(touch - behind if is_bid else touch + behind)
                if price is not None:
                    wanted[is_bid, price] = size
        bids, asks = ([p for is_bid, p in wanted if is_bid == side] for side in (True, False))
        below, above = min([*bids, *asks, DOLLAR_PIPS]), max([*asks, *bids, 0])
        wanted.update({(True, p): size for p, size in shape.deep_bids.items() if p < below})
        wanted.update({(False, p): size for p, size in shape.deep_asks.items() if p > above})
        return wanted


class Joiner(Visitor):
    """A rival that stays for some minutes.
    It joins the best price, or steps in front of it if there is room."""

    def __init__(self, exchange: Exchange, market: ListedMarket) -> None:
        super().__init__(exchange, market, "joiner", VISIT_SECONDS)

    def visit(self) -> None:
        is_bid, in_front = self.dice.random() < 0.5, self.dice.random() < 0.5
        size, stay = self.contracts(VISIT_MEDIAN), self.dice.uniform(*STAY_SECONDS)
        exchange, market = self.exchange, self.market
        best = market.book.half(is_bid).best()
        if best is None or not exchange.trades_in(market):
            return
        price = market.grid.nearest(best, (1 if is_bid else -1) if in_front else 0)
        order = exchange.crowd_rest(market, is_bid, price, size)
        if order is None:
            return
        exchange.changed(market)
        exchange.at(exchange.now + stay, lambda: exchange.take_down(market, order))


def move_in(
    exchange: Exchange,
    market: ListedMarket,
    value: MarketValue,
    shape: Shape,
    take_seconds: float,
    who: frozenset[str],
) -> None:
    """Fill a market's book for the first time, and start the traders of `who`.
    Random takers come once in `take_seconds` on average."""
    rivals = Rivals(exchange, market, value, shape)
    rivals.visit()
    if RIVALS in who:
        rivals.move_in()
        Joiner(exchange, market).move_in()
    if NOISE in who:
        NoiseTaker(exchange, market, take_seconds).move_in()
    if INFORMED in who:
        InformedTaker(exchange, market, value).move_in()
    if SWEEPS in who:
        Sweeper(exchange, market, value).move_in()
