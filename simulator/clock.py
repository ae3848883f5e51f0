"""The simulated clock of an embedded exchange.

Promise:
- Only `sleep` and `advance` move the clock; computing takes no simulated time.
- A run is therefore the same on a slow machine and on a fast one.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class SimulatedClock:
    """A clock that starts at `start` (UTC).
    `sleep` advances it and waits 1/`pace` of that time in real time. With a `pace` of None it does not wait."""

    def __init__(self, start: datetime, pace: float | None) -> None:
        self._now = start
        self._pace = pace

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        """The same time, in seconds. Nothing resets this clock."""
        return self._now.timestamp()

    def sleep(self, seconds: float) -> None:
        if self._pace is not None:
            time.sleep(seconds / self._pace)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass without a real wait: the latency of a request."""
        self._now += timedelta(seconds=max(seconds, 0.0))
