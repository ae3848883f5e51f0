"""What time it is on the exchange. Promise: every time that is sent or compared goes by the exchange's clock, as
far as its answers tell it, however wrong this machine's is.

An answer's `Date` header has whole seconds, so one answer tells the exchange's time to half a second and half
of what the answer took. A difference within `TOLERANCE` is left alone: the exchange takes signatures that are
5 s off (measured; it documents nothing).
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
    """A time, and the only way to let it pass."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float:
        """Seconds since some moment; never set, unlike a clock's time."""
        ...

    def sleep(self, seconds: float) -> float | None:
        """Wait. Returns for how many seconds the process did not run meanwhile; a wait may end early then."""


SUSPENDED_AFTER = 5.0
"""Seconds that a moment's wait may be late on a busy machine. After more the process did not run."""

_A_MOMENT = 1.0


class WallClock:
    """The machine's own clock. Its monotonic seconds go on while the machine sleeps."""

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        return _seconds_since_boot()

    def sleep(self, seconds: float) -> float:
        """Wait, in moments, because the system's own sleep does not count the time that the machine slept. A wait
        within which the process did not run (suspended, or the machine asleep) ends as soon as it runs again."""
        until = self.monotonic() + seconds
        while (before := self.monotonic()) < until:
            moment = min(until - before, _A_MOMENT)
            time.sleep(moment)
            late = self.monotonic() - before - moment
            if late >= SUSPENDED_AFTER:
                return late
        return 0.0


def how_to_set() -> str:
    """The command that sets this machine's clock, where it is known."""
    return ": timedatectl set-ntp true" if shutil.which("timedatectl") else ""


def _seconds_since_boot() -> float:
    """Seconds that pass while the machine sleeps too: the monotonic clock of Linux stands still then, the one of
    macOS only as Python reads it by itself."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


class ExchangeClock:
    """A machine's clock, corrected by what the exchange's answers say. On an embedded exchange, whose clock is
    given, there is nothing to correct."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._offset = timedelta(0)
        self._took = 0.0  # by the answer that the offset comes from
        self._last_date = ""
        self._read_at = 0.0
        self._message: str | None = None
        self.is_known = False
        """Whether an answer has told the exchange's time yet."""

    @property
    def offset(self) -> float:
        """Seconds that the exchange is taken to be ahead of this machine; 0 while they agree."""
        return self._offset.total_seconds()

    def now(self) -> datetime:
        return self._machine.now() + self._offset

    def monotonic(self) -> float:
        return self._machine.monotonic()

    def sleep(self, seconds: float) -> float:
        """Wait. Returns for how many seconds the process did not run meanwhile; the wait may have ended early
        then."""
        return self._machine.sleep(seconds) or 0.0

    def synchronize(self, headers: Mapping[str, str], took: float, refused: bool = False) -> None:
        """Compare with an answer that came just now, `took` seconds after its request. `refused`: the exchange
        did not accept our time, so whatever the answer says is better."""
        date = headers.get("Date", "")
        since = self._machine.monotonic() - self._read_at
        if not refused and date == self._last_date and since < TOLERANCE:
            return  # the same second as before tells nothing new, and reading it costs as much as a signature
        # What a cache on the way kept has the time at which it was kept.
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
        elif self._offset and is_off and took < self._took:  # the same difference, told more exactly
            self._offset, self._took = ahead, took

    def pop_message(self) -> str | None:
        """What the last correction was, for the log, once; None where there was none since."""
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
            f"This machine's clock is {abs(seconds):,.0f} s {way} the exchange's. All times are corrected by that "
            f"from here on, in this log too; set the clock all the same{how_to_set()}"
        )
