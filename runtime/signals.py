"""How a process is stopped: Ctrl-C, SIGTERM, a terminal that is closed. Promise: whichever it was, it is raised
where the bot is just then, as a `KeyboardInterrupt` that says which, and what follows takes its orders down.
"""

from __future__ import annotations

import math
import signal
import time
from types import FrameType

_SAME_WISH = 10.0
"""Seconds within which another SIGTERM or SIGHUP is the same wish: a shell passes on what a terminal sends too. A
second Ctrl-C is never: there is somebody in a hurry."""

_AGAIN = 0.75
"""Seconds after which it is raised once more where nobody has called `acknowledge`. Python drops what is raised
while it cleans up an object, and a signal that comes a moment before a long wait is noticed after it."""

_NAMES = {"SIGINT": "Ctrl-C", "SIGHUP": "its terminal was closed", "SIGBREAK": "its window was closed"}


class Stopped(KeyboardInterrupt):
    """The process is to stop; the text says by what."""


class Signals:
    """From now on the signals that stop a process raise `Stopped` in its main thread, until `ignore`."""

    def __init__(self) -> None:
        self._last = -math.inf
        self._why = ""
        self._numbers = stop_signals()
        for number in self._numbers:
            signal.signal(number, self._stop)
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, self._insist)

    def ignore(self) -> None:
        """What there is to be done is done; nothing more may interrupt the process's end."""
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
    """Somebody stops because of it: it need not be raised again."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def stop_signals() -> list[signal.Signals]:
    """The signals by which a person or the machine stops a process, on this system: Ctrl-C, a polite kill, a
    closed terminal. One that whoever started it wants ignored (`nohup`) is not among them."""
    known = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")]
    return [number for number in known if number and signal.getsignal(number) is not signal.SIG_IGN]
