"""The time of an embedded exchange. Promise: it moves only when it is told to, never by computing time, so a
run is the same on a slow machine and on a fast one.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class SimulatedClock:
    """Starts at `start` (UTC). `sleep` lets simulated seconds pass and waits a `pace`-th of them on the wall;
    a `pace` of None does not wait at all."""

    def __init__(self, start: datetime, pace: float | None) -> None:
        self._now = start
        self._pace = pace

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        """The same time in seconds. Nothing sets this clock."""
        return self._now.timestamp()

    def sleep(self, seconds: float) -> None:
        if self._pace is not None:
            time.sleep(seconds / self._pace)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass without waiting: what a request takes on its way."""
        self._now += timedelta(seconds=max(seconds, 0.0))
