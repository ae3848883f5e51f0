"""What was traded in a market before the exchange opened.

Promise: a market that was listed earlier shows about the volume that its people trade there in a day, and the day
before the opening wears off hour by hour, as it does for any other day. All of it depends on the seed and the
market alone. Who is left out has not traded.

Rates follow from what `people` do, with no constant of their own: takers by chance come at their rate, the
informed whenever the value is about to move beyond the touch and their margin. Over three boards the median
market of a kind shows 0.9 to 1.5 times what it then trades in a simulated day; 0.4 to 0.6 times where its event
ends within that day, as much more is traded towards an end.
"""

from __future__ import annotations

import math
import random

from simulator.exchange import Exchange
from simulator.listing import DAY, ListedMarket, Touch
from simulator.matching import CONTRACT, DOLLAR_PIPS
from simulator.people import (
    INFORMED,
    INFORMED_AHEAD,
    INFORMED_EDGE,
    INFORMED_MEDIAN,
    INFORMED_SECONDS,
    MEDIAN_TAKE,
    NOISE,
    PUBLIC_LAG,
    TAKE_SPREAD,
)
from simulator.value import MarketValue

PIECES = 4
"""The last day before the opening, or the market's life where that is shorter, is remembered in so many trades:
enough to wear off, few enough to be made for a board of thousands."""

LEAD = sum(INFORMED_AHEAD) / 2 + PUBLIC_LAG
"""Seconds by which the informed are ahead of the book, on average."""


def remember(
    exchange: Exchange, market: ListedMarket, value: MarketValue, take_seconds: float, who: frozenset[str]
) -> None:
    """Give a market whose book is filled the volume that those of `who` traded since it opened. The best prices
    are today's all along, and trades were at one of them: nobody remembers others."""
    age = exchange.now - market.opened
    bid, ask = market.book.bids.best() or 0, market.book.asks.best() or 0
    prices = [price for price in (bid, ask) if price]
    flows = _flows(market, value, take_seconds, age, who) if age > 0 and prices else []
    if not flows:
        return
    dice = random.Random(f"{exchange.seed}:{market.ticker}:history")

    lately = min(age, DAY)
    older = sum(often * together for often, together in flows) * (age - lately) / DAY
    day = sum(dice.gammavariate(often * lately / DAY, together) for often, together in flows)
    market.volume = round(older) * CONTRACT
    market.last_price = prices[0] if older else 0
    market.touches.append(Touch(exchange.now - lately, bid, ask, market.last_price, market.volume))
    size = round(day / PIECES) * CONTRACT
    if not size:
        return
    for number in range(PIECES):
        when = exchange.now - lately * (1 - (number + dice.random()) / PIECES)
        market.volume += size
        market.last_price = prices[int(dice.random() * len(prices))]
        market.touches.append(Touch(when, bid, ask, market.last_price, market.volume))


def _flows(
    market: ListedMarket, value: MarketValue, take_seconds: float, age: float, who: frozenset[str]
) -> list[tuple[float, float]]:
    """How often a day there was something to take for takers by chance, and for the informed; and how many
    contracts were taken each time, on average. The informed come several times for the same news."""
    worth = value.at(value.event.start)
    margin = INFORMED_EDGE + market.event.fee_terms.of_a_contract(worth)
    by_chance, informed = [], []
    for is_bid in (True, False):
        half = market.book.half(is_bid)
        touch = half.best()
        if touch is None:
            continue
        rests = half.total / CONTRACT
        by_chance.append((0.5 * DAY / take_seconds, _taken(MEDIAN_TAKE, rests)))
        gap = abs(worth - touch / DOLLAR_PIPS) + margin
        # What is worth next to nothing falls no further, whatever becomes known.
        if gap < (worth if is_bid else 1 - worth) - (1 - value.sure):
            moves = DAY / LEAD * value.chance_to_move(gap, LEAD, min(age, DAY) / 2)
            informed.append((moves, LEAD / INFORMED_SECONDS * _taken(INFORMED_MEDIAN, rests)))
    flows = []
    for people, sides in ((NOISE, by_chance), (INFORMED, informed)):
        often = sum(times for times, _ in sides)
        if people in who and often > 0:
            flows.append((often, sum(times * size for times, size in sides) / often))
    return flows


def _taken(median: float, rests: float) -> float:
    """Contracts that somebody takes on average who asks for a `median` of them where so many rest."""
    z = math.log(rests / median) / TAKE_SPREAD
    less = median * math.exp(TAKE_SPREAD**2 / 2) * _normal(z - TAKE_SPREAD)
    return less + rests * _normal(-z)


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
