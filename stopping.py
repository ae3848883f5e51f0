"""How a process is stopped: Ctrl-C, SIGTERM, a terminal that is closed. Promise: whichever it was, it is raised
where the bot is just then, as a `KeyboardInterrupt` that says which, and what follows takes its orders down.
"""

from __future__ import annotations

import math
import signal
import time
from types import FrameType

from startup import stop_signals

_SAME_WISH = 10.0
"""Seconds within which another SIGTERM or SIGHUP is the same wish: a shell passes on what a terminal sends too. A
second Ctrl-C is never: there is somebody in a hurry."""

_NAMES = {"SIGINT": "Ctrl-C", "SIGHUP": "its terminal was closed", "SIGBREAK": "its window was closed"}


class Stopped(KeyboardInterrupt):
    """The process is to stop; the text says by what."""


class Signals:
    """From now on the signals that stop a process raise `Stopped` in its main thread, until `ignore`."""

    def __init__(self) -> None:
        self._last = -math.inf
        self._numbers = stop_signals()
        for number in self._numbers:
            signal.signal(number, self._stop)

    def ignore(self) -> None:
        """What there is to be done is done; nothing more may interrupt the process's end."""
        for number in self._numbers:
            signal.signal(number, signal.SIG_IGN)

    def _stop(self, number: int, _: FrameType | None) -> None:
        last, self._last = self._last, time.monotonic()
        if number != signal.SIGINT and self._last - last < _SAME_WISH:
            return
        name = signal.Signals(number).name
        raise Stopped(_NAMES.get(name, name))
