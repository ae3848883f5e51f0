"""The hidden true value of an event's markets.

Promise:
- The path depends only on the seed and the event, not on trades or on how often it is read.
- The value is a fair price at every moment: holding a position has an expected gain of 0.
- The outcome agrees with the value, and the outcomes of one event's markets agree with each other.

One number drives an event: a random walk that jumps on news. Its end, at the reading, is the outcome. A market
above a strike is worth the chance that the walk ends above it. One between two strikes is worth the difference of
two such chances. On the log-odds scale that is a random walk too, slow while the end is far and fast in the last
hour.

Few events end in another way. In a tie the walk has two ends, and a contract pays half a dollar for each that is
right. An event without a reading pays what its contracts were last worth, in whole cents.
"""

from __future__ import annotations

import math
import random
from array import array
from dataclasses import dataclass
from statistics import NormalDist

from simulator.matching import DOLLAR_PIPS

STEP = 60.0
"""Seconds between two points of the walk."""

LAST_HOUR = 3_600.0

AT_THE_READING, IN_THE_LAST_HOUR, BY_NEWS = 0.01, 0.25, 0.4
"""Fractions of the total information that arrive at the reading itself, in the hour before it, and in news jumps.
The rest arrives evenly from the start."""

TIES, UNREAD = 0.02, 0.02
"""Fractions of events that end in a tie, and that have no reading."""

SURE = 0.985
"""Default highest price that traders pay; the lowest is 1 minus this. Nothing is quite certain."""


class EventValue:
    """The hidden walk of one event since it was `opened` (None: at `start`).
    Times are Unix seconds. The outcome is known at `reads`. The walk is 0 at `start`, and its variance from there
    to the end is 1. `news_a_day` is the rate of jumps.

    The time before `start` is walked backwards, as fast as the quiet days after it. A random walk has no
    direction: who knows only the past cannot tell where it goes from `start`."""

    def __init__(
        self,
        seed: int | str,
        event: str,
        start: float,
        reads: float,
        news_a_day: float,
        opened: float | None = None,
    ) -> None:
        self.reads = reads
        self._opened = start if opened is None else min(opened, start)
        self._start = start
        self._last_hour = max(reads - LAST_HOUR, start)
        quiet = max(self._last_hour - start, STEP)
        even, jumps = 1 - AT_THE_READING - IN_THE_LAST_HOUR - BY_NEWS, BY_NEWS
        self._even = (even + jumps) / quiet  # average variance per second
        self._last = IN_THE_LAST_HOUR / max(reads - self._last_hour, STEP)
        self._news_chance = min(news_a_day * STEP / 86_400, 1.0)
        self._move = math.sqrt(even / quiet * STEP)
        self._jump = math.sqrt(jumps / quiet * STEP / self._news_chance)
        self._last_move = math.sqrt(self._last * STEP)
        self._dice = random.Random(f"{seed}:{event}:value")
        self._surprise = self._dice.gauss(0.0, math.sqrt(AT_THE_READING))
        ending = random.Random(f"{seed}:{event}:ending").random()
        self._ties, self._unread = ending < TIES, TIES <= ending < TIES + UNREAD
        self._walk = array("d", [0.0])
        self._scale = array("d", [self._scale_at(0)])
        self._past_dice = random.Random(f"{seed}:{event}:past")
        self._past: list[tuple[float, float]] = []  # of the points -1, -2, ...: the walk, and the variance to come

    def above(self, strike: float, time: float) -> float:
        """The chance at `time` that the walk ends above `strike`.
        From `reads` on, the dollars that are paid for it."""
        if time >= self.reads and not self._unread:
            surprises = (self._surprise, -self._surprise) if self._ties else (self._surprise,)
            end = self._point(self.step(self.reads))[0]
            return sum(end + surprise > strike for surprise in surprises) / len(surprises)
        at, scale = self._point(self.step(min(time, self.reads)))
        chance = 0.5 * math.erfc((strike - at) * scale)
        return chance if time < self.reads else round(chance, 2)

    def step(self, time: float) -> int:
        """The number of the walk's point at a time: 0 at the start, negative before.
        Values change only from one point to the next, and at the reading."""
        return math.floor((max(time, self._opened) - self._start) / STEP)

    def time(self, step: int) -> float:
        """The time of the walk's point `step`."""
        return self._start + step * STEP

    def _point(self, step: int) -> tuple[float, float]:
        """The walk at a point, and the scale there of a distance to a strike."""
        if step < 0:
            while len(self._past) < -step:
                self._extend_back()
            at, left = self._past[-step - 1]
            return at, 1 / math.sqrt(2 * left)
        while len(self._walk) <= step:
            self._extend()
        return self._walk[step], self._scale[step]

    def _extend(self) -> None:
        """Add one point to the walk."""
        step = len(self._walk)
        roll, move = self._dice.random(), self._dice.gauss(0.0, 1.0)
        if self._start + step * STEP > self._last_hour:
            size = self._last_move
        else:
            size = math.hypot(self._move, self._jump) if roll < self._news_chance else self._move
        self._walk.append(self._walk[-1] + move * size)
        self._scale.append(self._scale_at(step))

    def _extend_back(self) -> None:
        """Add one point before the earliest."""
        roll, move = self._past_dice.random(), self._past_dice.gauss(0.0, 1.0)
        at, left = self._past[-1] if self._past else (0.0, self._left_at(0))
        if self._start - len(self._past) * STEP > self.reads - LAST_HOUR:
            rate = IN_THE_LAST_HOUR / LAST_HOUR
            size = math.sqrt(rate * STEP)
        else:
            rate = min(self._even, 1 / LAST_HOUR)
            size = math.hypot(self._move, self._jump) if roll < self._news_chance else self._move
            size *= math.sqrt(rate / self._even)
        self._past.append((at - move * size, left + rate * STEP))

    def _scale_at(self, step: int) -> float:
        """The scale of a distance to a strike, from the variance still to come."""
        return 1 / math.sqrt(2 * self._left_at(step))

    def _left_at(self, step: int) -> float:
        """The variance still to come at a point from the start on."""
        time = min(self._start + step * STEP, self.reads)
        quiet = max(self._last_hour - time, 0.0)
        return AT_THE_READING + quiet * self._even + (self.reads - max(time, self._last_hour)) * self._last


@dataclass(frozen=True, slots=True)
class MarketValue:
    """The value of a market's YES, in dollars.
    YES wins if the outcome is `above` a strike, and also below `below` if that is given."""

    event: EventValue
    above: float
    below: float | None = None
    sure: float = SURE

    def at(self, time: float) -> float:
        """The price in dollars of a trader who knows everything that is known at `time`."""
        return min(max(self.chance(time), 1 - self.sure), self.sure)

    def chance(self, time: float) -> float:
        value = self.event.above(self.above, time)
        return value if self.below is None else value - self.event.above(self.below, time)

    def outcome(self) -> int:
        """Pips that a YES contract pays, in whole cents.
        In nearly all events that is a dollar or nothing."""
        return round(self.chance(self.event.reads) * 100) * (DOLLAR_PIPS // 100)


def strike_for(chance: float) -> float:
    """The strike that the outcome exceeds with this `chance`, seen from the start."""
    return -NormalDist().inv_cdf(chance)
