"""What was traded in a market before the exchange opened.

Promise: a market that was listed earlier shows about the volume that its people trade there in a day, and the day
before the opening wears off hour by hour, as it does for any other day. All of it depends on the seed and the
market alone. Who is left out has not traded.
"""

from __future__ import annotations

import math
import random

from simulator.exchange import Exchange
from simulator.listing import DAY, ListedMarket, Touch
from simulator.matching import CONTRACT
from simulator.people import INFORMED, MEDIAN_TAKE, NOISE, TAKE_SPREAD

PIECES = 4
"""The last day before the opening, or the market's life where that is shorter, is remembered in so many trades:
enough to wear off, few enough to be made for a board of thousands."""

WITH_INFORMED = 1.5
"""Times as much is traded where the informed come too: 1.1 in slow markets, above 2 in quick ones, measured."""


def remember(exchange: Exchange, market: ListedMarket, take_seconds: float, who: frozenset[str]) -> None:
    """Give a market whose book is filled the volume that those of `who` traded since it opened, where somebody
    takes by chance once in `take_seconds`. The best prices are today's all along, and trades were at one of them:
    nobody remembers others."""
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
    """How often a second there was something to take, and how many contracts were taken each time, on average."""
    sides = [half.total / CONTRACT for half in (market.book.bids, market.book.asks) if half.best() is not None]
    if NOISE not in who or not sides:
        return 0.0, 0.0
    times = WITH_INFORMED if INFORMED in who else 1.0
    return 0.5 * len(sides) * times / take_seconds, sum(map(_taken, sides)) / len(sides)


def _taken(rests: float) -> float:
    """Contracts that somebody takes by chance on average, where so many rest."""
    z = math.log(rests / MEDIAN_TAKE) / TAKE_SPREAD
    less = MEDIAN_TAKE * math.exp(TAKE_SPREAD**2 / 2) * _normal(z - TAKE_SPREAD)
    return less + rests * _normal(-z)


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
