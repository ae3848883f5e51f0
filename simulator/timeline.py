"""An exchange's clock and its scheduled events.

Promise:
- Events run in the order of their times. Events due at one time run in the order in which they were scheduled.
- A run does not depend on how far time moves in one step.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Timeline:
    """The time `now` (Unix seconds) and the events still to run."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = count()

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Schedule `do` for the time `when`. One in the past runs at the next advance."""
        heapq.heappush(self._due, (when, next(self._sequence), do))

    def advance(self, now: float) -> None:
        """Move time to `now` and run all events due by then, in order."""
        due = self._due
        while due and due[0][0] <= now:
            when, _, do = heapq.heappop(due)
            if when > self.now:
                self.now = when
            do()
        self.now = max(self.now, now)
