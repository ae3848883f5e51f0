"""Handle the signals that stop a process: Ctrl-C, SIGTERM, a closed terminal.

Promise:
- The first signal is the wish to stop. It raises `Stopped`, a `KeyboardInterrupt`, in a step that runs
  `until_stopped`, at the point that the step has reached. Elsewhere it is kept, and ends the next such step.
- A later one can be a hurry. It ends a step that runs `until_hurried`, and each later one. Nothing else is
  interrupted.
- A Ctrl-C is a hurry if it comes at least a second after the stop signal before it, whether or not that one
  counted. So keys that bounce or are held, and signals that come together (of the shell and of `timeout`, SIGHUP
  with SIGTERM), are one wish.
- A step is interrupted once: nothing is raised while it cleans up.
"""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable
from enum import Enum
from types import FrameType

PAUSE = 1.0
"""Seconds without any stop signal after which a Ctrl-C is a hurry."""

_SAME_WISH = 10.0
"""The same for SIGTERM and SIGHUP, which a shell passes on, and a service manager repeats."""

_AGAIN = 0.75
"""Seconds after which `Stopped` is raised again, unless it has arrived.

Python drops an exception that is raised while it cleans up an object. It notices a signal just before a long wait
only after the wait."""

_NAMES = {"SIGINT": "Ctrl-C", "SIGHUP": "its terminal was closed", "SIGBREAK": "its window was closed"}


class Stopped(KeyboardInterrupt):
    """The process, or what it does now, must stop.

    The text says which signal asked for it."""


class _Ends(Enum):
    """What ends the step that runs now."""

    NOTHING = "nothing"
    WISH = "the wish to stop"
    HURRY = "a hurry"


class _Process:
    """What this process was asked, and which step runs in its main thread.

    `wish` and `hurry`: the names of the signals, empty if none came."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.wish = self.hurry = ""
        self._last = -math.inf
        self._ends = _Ends.NOTHING
        self._on_its_way = ""
        """The text of a `Stopped` that was raised and has not arrived, empty if there is none."""

    def run(self, step: Callable[[], object], ends: _Ends) -> str:
        """Run a step. Returns what ended it, empty if it ended by itself."""
        try:
            try:
                self._ends = ends
                asked = self.wish if ends is _Ends.WISH else self.hurry
                if asked:
                    raise Stopped(asked)
                step()
            finally:
                self._ends = _Ends.NOTHING
                ended_by, self._on_its_way = self._on_its_way, ""  # dropped, if the step ended by itself
        except KeyboardInterrupt as stop:
            self._on_its_way, ended_by = "", str(stop) or _NAMES["SIGINT"]
        _set_timer(0.0)
        return ended_by

    def on_signal(self, number: int, _: FrameType | None) -> None:
        before, self._last = self._last, self._monotonic()
        name = signal.Signals(number).name
        if not self.wish:
            self.wish = _NAMES.get(name, name)
            if self._ends is _Ends.WISH:
                self._raise(self.wish)
        elif self._last - before >= (PAUSE if number == signal.SIGINT else _SAME_WISH):
            self.hurry = _NAMES.get(name, name)
            if self._ends is _Ends.HURRY:
                self._raise(self.hurry)

    def on_alarm(self, *_: object) -> None:
        if self._on_its_way and not _is_handled():
            raise Stopped(self._on_its_way)

    def _raise(self, why: str) -> None:
        self._ends, self._on_its_way = _Ends.NOTHING, why
        _set_timer(_AGAIN)
        raise Stopped(why)


def _is_handled() -> bool:
    """Whether a `Stopped` is being handled here: it was not dropped."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, Stopped):
        error = error.__context__
    return error is not None


def _set_timer(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)


_process = _Process()
"""Signals have one handler in a process, so this is one too."""


def heed(monotonic: Callable[[], float] = time.monotonic) -> None:
    """Handle the stop signals from now on, until `ignore`.

    `monotonic` returns seconds."""
    global _process
    _process = _Process(monotonic)
    for number in stop_signals():
        signal.signal(number, _process.on_signal)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, _process.on_alarm)


def until_stopped(step: Callable[[], object]) -> str:
    """Run a step until it ends or the process is asked to stop.

    Returns what asked for it, such as "Ctrl-C", empty if the step ended by itself."""
    return _process.run(step, _Ends.WISH)


def until_hurried(step: Callable[[], object]) -> str:
    """Run a step of a start or a stop until it ends, or a hurry ends it.

    It does not run at all if a hurry came before. Returns what ended it, such as "Ctrl-C", empty if it ended by
    itself."""
    return _process.run(step, _Ends.HURRY)


def ignore() -> None:
    """Ignore further stop signals, so that nothing interrupts the process's end."""
    global _process
    for number in stop_signals():
        signal.signal(number, signal.SIG_IGN)
    _set_timer(0.0)
    _process = _Process()


def stop_signals() -> list[signal.Signals]:
    """The signals that stop a process here: Ctrl-C, SIGTERM, a closed terminal.

    A signal that the process was started to ignore (`nohup`) is left out."""
    known = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")]
    return [number for number in known if number and signal.getsignal(number) is not signal.SIG_IGN]
