"""What all simulated traders share: when they come, and how much they want.

Promise:
- The times at which a trader may come depend only on the exchange's seed, the market and the kind of trader.
"""

from __future__ import annotations

import math

from simulator.exchange import Exchange
from simulator.listing import ListedMarket
from simulator.matching import CONTRACT

SIZE_SPREAD = 1.3
"""Standard deviation of the logarithm of a size: 1 in 40 is more than 12 times the median."""


class Visitor:
    """A simulated trader that visits a market once in `seconds` on average."""

    def __init__(self, exchange: Exchange, market: ListedMarket, kind: str, seconds: float) -> None:
        self.exchange = exchange
        self.market = market
        self.dice = exchange.dice(f"{market.ticker}:{kind}")
        self._timeline = exchange.timeline
        self._seconds = seconds

    def move_in(self) -> None:
        self._await()

    def after(self, time: float) -> float:
        """Draw the time of the next visit after one at `time`."""
        return time - math.log(1.0 - self.dice.random()) * self._seconds

    def _await(self) -> None:
        when = self.after(self._timeline.now)
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
        return max(round(median * math.exp(self.dice.gauss(0.0, SIZE_SPREAD))), 1) * CONTRACT
