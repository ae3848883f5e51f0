"""Handle the signals that stop a process: Ctrl-C, SIGTERM, a closed terminal.

Promise:
- Each signal raises `Stopped`, a `KeyboardInterrupt`, at the point that the bot has reached.
- Its text says which signal it was.

The code that catches it cancels the bot's orders.
"""

from __future__ import annotations

import math
import signal
import time
from types import FrameType

_SAME_WISH = 10.0
"""Seconds within which a second SIGTERM or SIGHUP is ignored, because a shell passes on what a terminal sends too.
A second Ctrl-C always counts: you are in a hurry."""

_AGAIN = 0.75
"""Seconds after which `Stopped` is raised again, unless `acknowledge` was called.

Python drops an exception that is raised while it cleans up an object. It notices a signal just before a long wait
only after the wait."""

_NAMES = {"SIGINT": "Ctrl-C", "SIGHUP": "its terminal was closed", "SIGBREAK": "its window was closed"}


class Stopped(KeyboardInterrupt):
    """The process must stop; the text says which signal asked for it."""


class Signals:
    """Makes the stop signals raise `Stopped` in the main thread, until `ignore`."""

    def __init__(self) -> None:
        self._last = -math.inf
        self._why = ""
        self._numbers = stop_signals()
        for number in self._numbers:
            signal.signal(number, self._stop)
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, self._insist)

    def ignore(self) -> None:
        """Ignore further stop signals, so that nothing interrupts the process's end."""
        acknowledge()
        for number in self._numbers:
            signal.signal(number, signal.SIG_IGN)

    def _stop(self, number: int, _: FrameType | None) -> None:
        last, self._last = self._last, time.monotonic()
        if number != signal.SIGINT and self._last - last < _SAME_WISH:
            return
        name = signal.Signals(number).name
        self._why = _NAMES.get(name, name)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
        raise Stopped(self._why)

    def _insist(self, *_: object) -> None:
        raise Stopped(self._why)


def acknowledge() -> None:
    """Stop raising `Stopped` again: the process is already stopping."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def stop_signals() -> list[signal.Signals]:
    """The signals that stop a process here: Ctrl-C, SIGTERM, a closed terminal.

    A signal that the process was started to ignore (`nohup`) is left out."""
    known = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")]
    return [number for number in known if number and signal.getsignal(number) is not signal.SIG_IGN]
