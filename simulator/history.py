"""Invented trades of a market from before the exchange opened.

Promise:
- A market that was listed earlier shows about the daily volume that its simulated traders produce.
- Trades from before the opening leave the 24-hour volume gradually, as on any other day.
- The history depends only on the seed and the market. Traders that are left out have not traded.
"""

from __future__ import annotations

import math
import random

from simulator.exchange import Exchange
from simulator.listing import DAY, ListedMarket, Touch
from simulator.matching import CONTRACT
from simulator.people import INFORMED, NOISE
from simulator.takers import MEDIAN_TAKE
from simulator.visitor import SIZE_SPREAD

PIECES = 4
"""Number of trades that stand for the last day before the opening (or the market's life, if that is shorter).
Enough for a gradual decline, and few enough for a board of thousands of markets."""

WITH_INFORMED = 1.5
"""Volume multiplier if informed traders take part. Measured: 1.1 in slow markets, above 2 in fast ones."""


def remember(exchange: Exchange, market: ListedMarket, take_seconds: float, who: frozenset[str]) -> None:
    """Give a market the volume that the traders of `who` produced since it opened.
    Its book must be filled. A random taker comes once in `take_seconds` on average. All past trades are at
    today's best bid or ask, because earlier prices are not known."""
    age = exchange.now - market.opened
    bid, ask = market.book.bids.best() or 0, market.book.asks.best() or 0
    prices = [price for price in (bid, ask) if price]
    often, together = _takes(market, take_seconds, who)
    if age <= 0 or not often:
        return
    dice = random.Random(f"{exchange.seed}:{market.ticker}:history")
    lately = min(age, DAY)
    market.volume = round(often * together * (age - lately)) * CONTRACT
    market.last_price = prices[0] if market.volume else 0
    market.touches.append(Touch(exchange.now - lately, bid, ask, market.last_price, market.volume))
    size = round(dice.gammavariate(often * lately, together) / PIECES) * CONTRACT
    if not size:
        return
    for number in range(PIECES):
        when = exchange.now - lately * (1 - (number + dice.random()) / PIECES)
        market.volume += size
        market.last_price = prices[int(dice.random() * len(prices))]
        market.touches.append(Touch(when, bid, ask, market.last_price, market.volume))


def _takes(market: ListedMarket, take_seconds: float, who: frozenset[str]) -> tuple[float, float]:
    """Average takes per second that find an order, and average contracts per take."""
    sides = [half.total / CONTRACT for half in (market.book.bids, market.book.asks) if half.best() is not None]
    if NOISE not in who or not sides:
        return 0.0, 0.0
    times = WITH_INFORMED if INFORMED in who else 1.0
    return 0.5 * len(sides) * times / take_seconds, sum(map(_taken, sides)) / len(sides)


def _taken(rests: float) -> float:
    """Average contracts of a random take if `rests` contracts rest."""
    z = math.log(rests / MEDIAN_TAKE) / SIZE_SPREAD
    less = MEDIAN_TAKE * math.exp(SIZE_SPREAD**2 / 2) * _normal(z - SIZE_SPREAD)
    return less + rests * _normal(-z)


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
