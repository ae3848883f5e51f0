"""The simulated traders that take resting orders.

Promise:
- The book that they find decides what they trade; when they come, and how much they want, does not depend on it.
- Only `Sweeper` knows the outcome before it is read.
"""

from __future__ import annotations

from simulator.exchange import Exchange
from simulator.listing import ListedMarket
from simulator.matching import DOLLAR_PIPS
from simulator.toxicity import informed_pace, stretch_at
from simulator.value import MarketValue
from simulator.visitor import Visitor

MEDIAN_TAKE = 20.0
"""Median size of a random take, in contracts."""

DEPTH_TICKS = 6
"""A random taker pays at most this many ticks beyond the best price."""

INFORMED_AHEAD = (60.0, 900.0)
"""Informed takers know the value this many seconds ahead, drawn from this range. Near the reading it is less."""

STEP_BEFORE = 1.0
"""Informed takers know no value later than this many seconds before the reading: only sweeps know the outcome."""

INFORMED_MEDIAN = 300.0
INFORMED_EDGE = 0.025
"""Dollars per contract, after the fee, that informed takers want to gain."""

SWEEP_CHANCE = 0.2
SWEEP_SECONDS = (10.0, 90.0)
"""A sweep, if there is one, comes this many seconds before the outcome is read."""


class NoiseTaker(Visitor):
    def __init__(self, exchange: Exchange, market: ListedMarket, seconds: float) -> None:
        super().__init__(exchange, market, "noise", seconds)

    def visit(self) -> None:
        is_bid = self.dice.random() < 0.5
        size = self.contracts(MEDIAN_TAKE)
        touch = self.market.book.half(not is_bid).best()
        if touch is None or not self.exchange.trades_in(self.market):
            return
        limit = self.market.grid.nearest(touch, DEPTH_TICKS if is_bid else -DEPTH_TICKS)
        self.exchange.crowd_take(self.market, is_bid, limit, size)


class InformedTaker(Visitor):
    """Comes to a market as often as its toxicity's `factor` says."""

    def __init__(self, exchange: Exchange, market: ListedMarket, value: MarketValue, factor: float) -> None:
        super().__init__(exchange, market, "informed", *informed_pace(factor, value.event.reads))
        self._value = value

    def visit(self) -> None:
        size, knows = self.contracts(INFORMED_MEDIAN), self.dice.uniform(*INFORMED_AHEAD)
        if not self.exchange.trades_in(self.market):
            return
        now = self.exchange.now
        reads = self._value.event.reads
        knows *= stretch_at(reads - now).ahead
        worth = self._value.at(min(now + knows, max(reads - STEP_BEFORE, now)))
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
        dice = exchange.dice(f"{market.ticker}:sweeps")
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
