"""How often informed traders come to a market, and how soon rivals know as much.

Promise:
- Pure. What is toxic depends on the board's seed, the kind, the series, the market and the hours to the reading.
  It does not depend on luck or on what anybody trades.
- As the reading comes nearer, informed traders never come less often, and the public never learns later.

A market's factor is its kind's, times one draw for its series, times one for the market. Volume, the book's shape
and the price need no factors, because they work by themselves: random takers dilute informed ones, a deep queue is
reached only by large takes, and a value near 0 or a dollar moves by less than informed traders want to gain.

The figures are a guess, set by `benchmarks.calibration` on its building boards. Which kinds are toxic is in
`kinds`, with its source.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import pairwise

from simulator.listing import HOUR

INFORMED_SECONDS = 120.0
"""Average seconds between two visits of informed takers, for a factor of 1 and a `Stretch.visits` of 1."""

SHORTEST_SECONDS = 45.0
"""Informed takers come no more often on average. They would find what the last one left."""

SERIES_SPREAD, MARKET_SPREAD = 0.6, 0.5
"""Standard deviations of the logarithms of a series' draw and of a market's. The median draw is 1."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """How a market is from `hours` before its reading on.
    Informed takers come `visits` times as often as their factor says, and know the value `ahead` times as long
    before. Rivals quote around the value of `lag` seconds ago, and look at it once in `refresh` seconds."""

    hours: float
    visits: float
    ahead: float
    lag: float
    refresh: float


STRETCHES = (
    Stretch(math.inf, 0.3, 1.0, 180.0, 45.0),
    Stretch(96.0, 0.8, 1.0, 180.0, 45.0),
    Stretch(24.0, 1.3, 1.0, 180.0, 45.0),
    Stretch(6.0, 1.8, 1.0, 180.0, 45.0),
    Stretch(1.0, 1.8, 0.2, 30.0, 10.0),
    Stretch(0.25, 1.8, 0.05, 10.0, 5.0),
)
"""From far to near. The last one goes on after the reading. Near it many watch what happens, and few know it long
before the others."""


def own_factor(seed: int, series: str, market: str) -> float:
    """How much more often than usual informed takers come to a market.
    It is drawn once for the series and once for the market."""
    draws = ((series, SERIES_SPREAD), (market, MARKET_SPREAD))
    return math.exp(sum(random.Random(f"{seed}:{name}:toxicity").gauss(0.0, spread) for name, spread in draws))


def stretch_at(to_reading: float) -> Stretch:
    """The stretch at `to_reading` seconds before a reading (negative: after it)."""
    found = STRETCHES[0]
    for nearer in STRETCHES[1:]:
        if to_reading > nearer.hours * HOUR:
            break
        found = nearer
    return found


Changes = tuple[tuple[float, float], ...]
"""Times (Unix seconds, rising), and the average seconds between visits from each on."""


def informed_pace(factor: float, reads: float) -> tuple[float, Changes]:
    """Average seconds between visits of informed takers at first, and how they change.
    `factor` is the market's; `reads` is the time of its reading."""
    seconds = [INFORMED_SECONDS / (factor * stretch.visits) for stretch in STRETCHES]
    return _pace([max(pace, SHORTEST_SECONDS) for pace in seconds], reads)


def rivals_pace(reads: float) -> tuple[float, Changes]:
    """Average seconds between rivals' looks at a market at first, and how they change."""
    return _pace([stretch.refresh for stretch in STRETCHES], reads)


def _pace(seconds: list[float], reads: float) -> tuple[float, Changes]:
    starts = [reads - stretch.hours * HOUR for stretch in STRETCHES]
    steps = zip(starts[1:], pairwise(seconds), strict=True)
    return seconds[0], tuple((start, after) for start, (before, after) in steps if after != before)


def public_time(now: float, reads: float) -> float:
    """The time whose value the public knows now. It never goes back."""
    return now - stretch_at(reads - now).lag


def public_from(time: float, reads: float) -> float:
    """The first moment at which the public knows the value of a time."""
    for stretch, nearer in pairwise(STRETCHES):
        known = max(time + stretch.lag, reads - stretch.hours * HOUR)
        if known < reads - nearer.hours * HOUR:
            return known
    last = STRETCHES[-1]
    return max(time + last.lag, reads - last.hours * HOUR)
