"""The other people in a market: takers who come and go, rivals who rebuild what was taken.

Promise: when each of them comes, on which side and for how much depends on the seed and the market alone, never
on who else trades: the same seed brings the same people whatever the bot does.

Kept simple on purpose: takers are noise (they come at random, buy or sell with equal chance, know nothing),
and rivals rebuild the book's first shape. A bot loses here by paying the spread and the fee on what it is
filled with; that the people who fill it know more than it does is not simulated.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from simulator.exchange import Exchange, ListedMarket
from simulator.matching import CONTRACT, DOLLAR_PIPS

MEDIAN_TAKE = 20.0
"""Contracts that half of the takers stay below."""

TAKE_SPREAD = 1.3
"""Standard deviation of the logarithm of a take: one in forty asks for more than 250 contracts."""

DEPTH_TICKS = 6
"""A taker pays at most this many grid steps beyond the touch."""

REBUILD_SECONDS = (20.0, 90.0)
"""Rivals put back what was taken after a time in this range."""


@dataclass(frozen=True, slots=True)
class Levels:
    """A book's first shape: size in 1/100 contract by YES price in pips, for bids and for asks."""

    bids: dict[int, int]
    asks: dict[int, int]

    def side(self, is_bid: bool) -> dict[int, int]:
        return self.bids if is_bid else self.asks


class Crowd:
    """The people of one market, who take once in `mean_seconds` on average."""

    def __init__(self, exchange: Exchange, market: ListedMarket, home: Levels, mean_seconds: float) -> None:
        self._exchange = exchange
        self._market = market
        self._home = home
        self._mean_seconds = mean_seconds
        self._random = random.Random(f"{exchange.seed}:{market.ticker}:crowd")

    def move_in(self) -> None:
        """Fill the book with its first shape and let the takers come from now on."""
        self._rebuild()
        self._await_taker()

    def _await_taker(self) -> None:
        wait = self._random.expovariate(1 / self._mean_seconds)
        self._exchange.at(self._exchange.now + wait, self._take)

    def _take(self) -> None:
        is_bid = self._random.random() < 0.5
        contracts = max(round(self._random.lognormvariate(math.log(MEDIAN_TAKE), TAKE_SPREAD)), 1)
        rebuild_in = self._random.uniform(*REBUILD_SECONDS)
        if self._market.status != "active":
            return
        touch = self._market.book.half(not is_bid).best()
        if touch is not None:
            step = self._market.step_at(touch)
            limit = touch + DEPTH_TICKS * step * (1 if is_bid else -1)
            limit = min(max(limit, 1), DOLLAR_PIPS - 1)
            self._exchange.crowd_order(self._market, is_bid, limit, contracts * CONTRACT, rest=False)
        self._exchange.at(self._exchange.now + rebuild_in, self._rebuild)
        self._await_taker()

    def _rebuild(self) -> None:
        if self._market.status != "active":
            return
        for is_bid in (True, False):
            half = self._market.book.half(is_bid)
            for price, size in self._home.side(is_bid).items():
                missing = size - half.crowd_size_at(price)
                if missing > 0 and not self._market.book.would_cross(is_bid, price):
                    self._exchange.crowd_order(self._market, is_bid, price, missing, rest=True)
