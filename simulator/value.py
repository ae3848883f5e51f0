"""What an event's markets are really worth, hidden from everybody who only sees the book.

Promise: the path depends on the seed and the event alone, whoever trades and however often it is asked for; the
outcome agrees with it, and the outcomes of one event's markets agree with each other.

One number drives an event: a random walk in logit that jumps on news. A market above a strike is worth
1 / (1 + exp(-(walk + offset))), one between two strikes the difference of two such. In the last hour before the
outcome is read the walk is faster; then the outcome is known, and every market is worth all or nothing.
"""

from __future__ import annotations

import math
import random
from array import array
from dataclasses import dataclass

STEP = 60.0
"""Seconds between two points of a walk."""

LAST_HOUR = 3_600.0
LAST_HOUR_PACE = 4.0
"""In the hour before the reading the walk moves so many times as fast."""

NEWS_SIZE = (0.3, 0.9)
"""A piece of news moves the walk by so much, up or down."""

SURE = 0.985
"""What a market whose outcome is known trades at."""


@dataclass(frozen=True, slots=True)
class Temper:
    """How restless an event is: the walk's standard deviation in an hour, and pieces of news a day."""

    hourly: float
    news_a_day: float


class EventValue:
    """The hidden walk of one event from `start` on, whose outcome is known at `reads`. Times in Unix seconds."""

    def __init__(self, seed: int, event: str, start: float, reads: float, temper: Temper) -> None:
        self.reads = reads
        self._start = start
        self._temper = temper
        self._dice = random.Random(f"{seed}:{event}:value")
        self._luck = self._dice.random()
        self._walk = array("d", [0.0])

    def at(self, time: float) -> float:
        """The walk at a time, however far ahead; it stands still from the reading on."""
        steps = max(int((min(time, self.reads) - self._start) / STEP), 0)
        while len(self._walk) <= steps:
            self._extend()
        return self._walk[steps]

    def _extend(self) -> None:
        until_reading = self.reads - (self._start + len(self._walk) * STEP)
        hourly = self._temper.hourly * (LAST_HOUR_PACE if until_reading < LAST_HOUR else 1.0)
        move = self._dice.gauss(0.0, hourly * math.sqrt(STEP / 3_600))
        if self._dice.random() < self._temper.news_a_day * STEP / 86_400:
            move += self._dice.choice((-1, 1)) * self._dice.uniform(*NEWS_SIZE)
        self._walk.append(self._walk[-1] + move)

    def above(self, offset: float, time: float) -> float:
        """The chance, seen at a time, that the outcome lies above the strike of an offset."""
        chance = 1 / (1 + math.exp(-(self.at(time) + offset)))
        if time < self.reads:
            return chance
        return 1.0 if self._luck < chance else 0.0


@dataclass(frozen=True, slots=True)
class MarketValue:
    """What YES of one market is worth: of `above` a strike's offset, or where `below` is given too, of an outcome
    between the two (`below` is the smaller offset, of the higher strike)."""

    event: EventValue
    above: float
    below: float | None = None

    def at(self, time: float) -> float:
        """Dollars that people would pay who knew all that is to be known at a time."""
        return min(max(self.chance(time), 1 - SURE), SURE)

    def chance(self, time: float) -> float:
        value = self.event.above(self.above, time)
        return value if self.below is None else value - self.event.above(self.below, time)

    def outcome(self) -> str:
        """`yes` or `no`, as it will be read."""
        return "yes" if self.chance(self.event.reads) > 0.5 else "no"


def logit(chance: float) -> float:
    return math.log(chance / (1 - chance))
