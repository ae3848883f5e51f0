"""What all simulated traders share: when they come, and how much they want.

Promise:
- The times at which a trader may come depend only on the exchange's seed, the market and the kind of trader. They
  do not depend on the book, or on what anybody did.
"""

from __future__ import annotations

import math
from collections import deque

from simulator.exchange import Exchange
from simulator.listing import ListedMarket
from simulator.matching import CONTRACT
from simulator.toxicity import Changes

SIZE_SPREAD = 1.3
"""Standard deviation of the logarithm of a size: 1 in 40 is more than 12 times the median."""


class Visitor:
    """A simulated trader that visits a market once in `seconds` on average.
    `changes`: from each of these times on, it comes once in that many seconds."""

    def __init__(
        self, exchange: Exchange, market: ListedMarket, kind: str, seconds: float, changes: Changes = ()
    ) -> None:
        self.exchange = exchange
        self.market = market
        self.dice = exchange.dice(f"{market.ticker}:{kind}")
        self._timeline = exchange.timeline
        self._seconds = seconds
        self._changes = deque(changes)
        while self._changes and self._changes[0][0] <= exchange.now:
            self._seconds = self._changes.popleft()[1]

    def move_in(self) -> None:
        self._await()

    def after(self, time: float) -> float:
        """Draw the time of the next visit after one at `time`.
        From call to call, `time` never goes back."""
        when = time - math.log(1.0 - self.dice.random()) * self._seconds
        while self._changes and self._changes[0][0] <= when:
            change, seconds = self._changes.popleft()
            when = change + (when - change) * seconds / self._seconds  # what is left of the wait, at the new pace
            self._seconds = seconds
        return when

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
