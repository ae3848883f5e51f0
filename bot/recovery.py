"""What a failure says, and what follows it: another try, an outage, a pause that was announced, or the end.

Promise: every error is told with what it means for what was asked, a fault of the bot's own with its traceback.
One failure costs ten seconds, many leave the exchange in peace, and what was announced is waited out without a
word. Nothing here waits.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from exchange.errors import BotError, ExchangeError, Recovery
from exchange.trading_hours import Span
from runtime.log_format import Log, local_time

RETRY_SECONDS = 10.0
LONGEST_RETRY = 300.0
"""Seconds until a failed cycle is tried again: at first, and at most, doubled with each failure in between."""

OUTAGE_AFTER = 3
"""Failed cycles in a row that are an outage."""


class Failure(NamedTuple):
    """What went wrong, in words for the log and details, and what the bot does about it."""

    text: str
    details: tuple[str, ...]
    recovery: Recovery


def attempt(step: Callable[[], object]) -> Failure | None:
    """Do a step. Returns how it failed, None where it went well. Only what stops the process passes."""
    try:
        step()
    except BotError as error:
        looked_for = "It may have been carried out all the same; the next cycle looks before it acts"
        in_doubt = isinstance(error, ExchangeError) and error.maybe_done
        return Failure(str(error), (looked_for,) if in_doubt else (), error.recovery)
    except Exception as error:
        told = f"the bot met a fault of its own, please report it: {type(error).__name__}: {error}"
        return Failure(told, tuple(traceback.format_exc().splitlines()), Recovery.RETRY)
    return None


def log_failure(log: Log, failure: Failure, means: str) -> None:
    """Tell what went wrong, and what that means."""
    log("ERROR", failure.text, [*failure.details, means])


def try_or_log(step: Callable[[], object], log: Log, means: str) -> None:
    """A step that may fail: that is logged, with what it means, and the bot goes on."""
    failure = attempt(step)
    if failure:
        log_failure(log, failure, means)


class RetryDecision(NamedTuple):
    """What follows a failed cycle. `seconds` until the next try; whether what was quoted is given up (`ends`, told
    once); `until` when the exchange is away as it announced, None where it did not; whether the bot must
    `stop`."""

    seconds: float
    ends: bool = False
    until: datetime | None = None
    stop: bool = False


class RetryPolicy:
    """Failed cycles in a row. `count` is how many there were, but for those in an announced pause, `since` when
    the first of them was."""

    def __init__(self) -> None:
        self.count = 0
        self.since: datetime | None = None
        self._ever_worked = self._is_outage = self._is_away = False
        self._pause: Span | None = None

    @property
    def gave_up(self) -> bool:
        """Whether what was quoted was given up since the last cycle that went well."""
        return self._is_outage or self._is_away

    def on_schedule(self, pause: Span | None) -> None:
        """The exchange said from when to when it pauses next, or that it does now."""
        self._pause = pause

    def on_success(self) -> None:
        """A cycle went well."""
        self.count, self.since, self._ever_worked = 0, None, True
        self._is_outage = self._is_away = False

    def on_failure(self, recovery: Recovery, now: datetime, wait_time: float) -> RetryDecision:
        """A cycle failed with an error of which `recovery` is to be done. `wait_time`: seconds from one cycle to
        the next where all goes well."""
        if self._pause and self._pause[0] <= now < self._pause[1] and recovery is not Recovery.STOP:
            ends, self._is_away = not self._is_away, True
            return RetryDecision(wait_time, ends, self._pause[1])
        self.count += 1
        self.since = self.since or now
        if recovery is Recovery.STOP and (self.count >= OUTAGE_AFTER or not self._ever_worked):
            return RetryDecision(0.0, stop=True)
        if self.count < OUTAGE_AFTER:
            return RetryDecision(RETRY_SECONDS)
        ends, self._is_outage = not self._is_outage, True
        doubled = RETRY_SECONDS * 2.0 ** min(self.count - OUTAGE_AFTER, 10)
        return RetryDecision(min(doubled, LONGEST_RETRY), ends)


def log_failed_cycle(
    log: Log, failure: Failure, follows: RetryDecision, failed_cycles: int, orders: str, now: datetime
) -> None:
    """Tell of a failed cycle, and of what follows. `orders`: what may rest meanwhile, as `resting_text` says
    it."""
    next_try = local_time(now + timedelta(seconds=follows.seconds))
    if follows.until is None:
        again = "" if follows.stop else f" and is tried again at {next_try}"
        log_failure(log, failure, f"This cycle ends here{again}; orders: {orders}")
    if follows.ends and follows.until:
        until = f"{follows.until:%Y-%m-%d %H:%M} UTC"
        log("INFO", {"Exchange": "is away, as it announced; nothing is placed", "Until": until})
    elif follows.ends:
        said = {"Failed cycles": failed_cycles, "Last": failure.text, "Orders": f"being canceled; {orders}"}
        log("OUTAGE", said | {"Tried again": f"at {next_try}, then every {LONGEST_RETRY / 60:.0f} min at least"})


def resting_text(last_expiry: datetime | None, now: datetime) -> str:
    """What may rest of ours though nobody renews it. `last_expiry`: when the last order that was sent expires,
    None where none was."""
    if last_expiry is None:
        return "none of ours was placed"
    if last_expiry <= now:
        return f"the last of ours expired at {local_time(last_expiry)}"
    return f"what rests of ours expires by {local_time(last_expiry)}"


def log_recovered(log: Log, retry_policy: RetryPolicy, now: datetime) -> None:
    """Tell that the exchange is back, where what was quoted was given up."""
    if retry_policy.gave_up:
        minutes = (now - retry_policy.since).total_seconds() / 60 if retry_policy.since else 0.0
        took = f"after {minutes:,.0f} min" if retry_policy.since else "as announced"
        log("INFO", {"Exchange": f"is back {took}", "Failed cycles": retry_policy.count})
