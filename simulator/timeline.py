"""What is due when. Promise: things happen in the order of their times, and those due at once in the order in
which they were asked for, so a run never depends on how far time moves in one step.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Timeline:
    """An exchange's time, `now` in Unix seconds, and all that is still to happen."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = count()

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Do something when time reaches `when`; what is asked for the past happens with the next advance."""
        heapq.heappush(self._due, (when, next(self._sequence), do))

    def advance(self, now: float) -> None:
        """Let time pass up to `now`: all that was due by then happens, in order."""
        due = self._due
        while due and due[0][0] <= now:
            when, _, do = heapq.heappop(due)
            if when > self.now:
                self.now = when
            do()
        self.now = max(self.now, now)
