"""The exchange's time, taken from the `Date` header of its answers.

Promise:
- Every time that is sent or compared is the exchange's, as far as its answers show it.
- A difference within `TOLERANCE` (2 s) is left alone: the exchange accepts signatures that are 5 s off (measured,
  undocumented).

A `Date` header has whole seconds, so one answer gives the exchange's time to 0.5 s plus half the answer's delay.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Protocol

TOLERANCE = 2.0
"""Seconds that this machine's clock may be off before it is corrected."""


class Clock(Protocol):
    """A source of time, and the only way to wait."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; setting the clock does not change them."""
        ...

    def sleep(self, seconds: float) -> float | None:
        """Wait. Returns the seconds in which the process was suspended.

        In that case the wait may end early."""


SUSPENDED_AFTER = 5.0
"""Seconds that a short wait may be late on a busy machine; a longer delay is a suspension."""

_A_MOMENT = 1.0


class WallClock:
    """The machine's own clock. Its monotonic seconds also count while it sleeps."""

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        return _seconds_since_boot()

    def sleep(self, seconds: float) -> float:
        """Wait in short steps: the system's sleep does not count the machine's.

        If the process was suspended or the machine slept, the wait ends as soon as the process runs again."""
        until = self.monotonic() + seconds
        while (before := self.monotonic()) < until:
            moment = min(until - before, _A_MOMENT)
            time.sleep(moment)
            late = self.monotonic() - before - moment
            if late >= SUSPENDED_AFTER:
                return late
        return 0.0


def how_to_set() -> str:
    """Return the command that sets this machine's clock, or "" if unknown."""
    return ": timedatectl set-ntp true" if shutil.which("timedatectl") else ""


def _seconds_since_boot() -> float:
    """Return seconds that also count while the machine sleeps.

    On Linux, the monotonic clock stops during sleep. On macOS, only `time.monotonic` does."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


class ExchangeClock:
    """A machine's clock, corrected by the exchange's answers.

    With the embedded exchange both share one clock, so there is nothing to correct."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._offset = timedelta(0)
        self._took = 0.0  # seconds, of the answer that gave the offset
        self._last_date = ""
        self._read_at = 0.0
        self._message: str | None = None
        self.is_known = False
        """Whether an answer has given the exchange's time yet."""

    @property
    def offset(self) -> float:
        """Seconds by which the exchange is ahead of this machine; 0 while they agree."""
        return self._offset.total_seconds()

    def now(self) -> datetime:
        return self._machine.now() + self._offset

    def monotonic(self) -> float:
        return self._machine.monotonic()

    def sleep(self, seconds: float) -> float:
        """Wait. Returns the seconds in which the process was suspended.

        In that case the wait may have ended early."""
        return self._machine.sleep(seconds) or 0.0

    def synchronize(self, headers: Mapping[str, str], took: float, refused: bool = False) -> None:
        """Compare with an answer that just came, `took` seconds after its request.

        `refused`: the exchange rejected our time, so the answer's time is better in any case."""
        date = headers.get("Date", "")
        since = self._machine.monotonic() - self._read_at
        if not refused and date == self._last_date and since < TOLERANCE:
            return  # the same second again adds nothing, and parsing it costs as much as a signature
        # An answer from a cache has the time at which it was stored.
        if not date or headers.get("Age", "0") != "0":
            return
        unsure = 0.5 + took / 2
        try:
            theirs = parsedate_to_datetime(date).astimezone(timezone.utc)
            ahead = theirs + timedelta(seconds=unsure) - self._machine.now()
        except (ValueError, OverflowError):
            return
        self._last_date, self._read_at = date, self._machine.monotonic()
        self.is_known = True
        is_off = abs(ahead).total_seconds() > TOLERANCE
        differs = abs(ahead - self._offset).total_seconds()
        if differs > (unsure if refused else TOLERANCE + (took + self._took) / 2):
            self._correct(ahead if is_off else timedelta(0))
            self._took = took if is_off else 0.0
        elif self._offset and is_off and took < self._took:  # the same difference, measured more exactly
            self._offset, self._took = ahead, took

    def pop_message(self) -> str | None:
        """Return the latest correction for the log, once; None if there was no new one."""
        news, self._message = self._message, None
        return news

    def _correct(self, offset: timedelta) -> None:
        if offset == self._offset:
            return
        self._offset = offset
        seconds = offset.total_seconds()
        if not seconds:
            self._message = "This machine's clock agrees with the exchange's again"
            return
        way = "behind" if seconds > 0 else "ahead of"
        self._message = (
            f"This machine's clock is {abs(seconds):,.0f} s {way} the exchange's. The bot corrects all times "
            f"by that from now on, in this log too. Please set the clock{how_to_set()}"
        )
