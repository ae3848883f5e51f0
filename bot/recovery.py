"""Decide what follows a failure: retry, outage, announced pause, or the end.

Promise:
- Each error is logged with what it means for the request; a bug in the bot is logged with its traceback. What the
  machine lacks, such as memory, is no bug.
- A failed cycle is retried after 10 s. In an outage the wait doubles with each failure, up to 300 s.
- An announced pause is waited out without errors in the log.
- Nothing here waits.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from exchange.errors import BotError, ExchangeError, Recovery
from exchange.machine_trouble import machine_trouble
from exchange.trading_hours import Span
from runtime.last_words import named
from runtime.log_format import Log, local_time

RETRY_SECONDS = 10.0
LONGEST_RETRY = 300.0
"""Seconds until a failed cycle is retried: the first and the longest wait. It doubles with each failure."""

OUTAGE_AFTER = 3
"""Failed cycles in a row that make an outage."""


class Failure(NamedTuple):
    """A failure: text and details for the log, and what the bot does about it."""

    text: str
    details: tuple[str, ...]
    recovery: Recovery


def attempt(step: Callable[[], object]) -> Failure | None:
    """Run a step. Returns its failure, or None. Only process-ending exceptions pass."""
    try:
        step()
    except Exception as error:
        return failure_of(error)
    return None


def failure_of(error: Exception) -> Failure:
    """What an error means."""
    if isinstance(error, BotError):
        looked_for = "The exchange may have carried it out; the next cycle checks before it acts"
        in_doubt = isinstance(error, ExchangeError) and error.maybe_done
        return Failure(str(error), (looked_for,) if in_doubt else (), error.recovery)
    if lacking := machine_trouble(error):
        return Failure(lacking, (), Recovery.RETRY)
    told = f"Bug in the bot, please report it: {named(error)}"
    return Failure(told, tuple("".join(traceback.format_exception(error)).splitlines()), Recovery.RETRY)


def log_failure(log: Log, failure: Failure, means: str) -> None:
    """Log a failure, and what it means."""
    log("ERROR", failure.text, [*failure.details, means])


def try_or_log(step: Callable[[], object], log: Log, means: str) -> None:
    """Run a step that may fail. A failure is logged with what it `means`."""
    failure = attempt(step)
    if failure:
        log_failure(log, failure, means)


class RetryDecision(NamedTuple):
    """What follows a failed cycle.

    `seconds`: the wait until the next try. `ends`: whether to cancel all quotes and end the session (logged once).
    `until`: the end of an announced pause, else None. `stop`: whether the bot must stop."""

    seconds: float
    ends: bool = False
    until: datetime | None = None
    stop: bool = False


class RetryPolicy:
    """Counts failed cycles in a row, except those in an announced pause.

    `count`: their number. `since`: the time of the first."""

    def __init__(self) -> None:
        self.count = 0
        self.since: datetime | None = None
        self._ever_worked = self._is_outage = self._is_away = False
        self._pause: Span | None = None

    @property
    def gave_up(self) -> bool:
        """Whether quotes were given up since the last successful cycle."""
        return self._is_outage or self._is_away

    def on_schedule(self, pause: Span | None) -> None:
        """Remember the exchange's next or current pause, None if there is none."""
        self._pause = pause

    def on_success(self) -> None:
        """Count a successful cycle: failures start from zero."""
        self.count, self.since, self._ever_worked = 0, None, True
        self._is_outage = self._is_away = False

    def on_failure(self, recovery: Recovery, now: datetime, wait_time: float) -> RetryDecision:
        """Decide what follows a failed cycle.

        `recovery`: what its error requires. `wait_time`: seconds from the start of a cycle to the next."""
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
    """Log a failed cycle, and what follows.

    `orders`: which orders may rest meanwhile, from `resting_text`."""
    next_try = local_time(now + timedelta(seconds=follows.seconds))
    if follows.until is None:
        again = "" if follows.stop else f"; the bot tries again at {next_try}"
        log_failure(log, failure, f"This cycle ends here{again}. Orders: {orders}")
    if follows.ends and follows.until:
        until = f"{follows.until:%Y-%m-%d %H:%M} UTC"
        log("INFO", {"Exchange": "is away, as it announced; the bot places nothing", "Until": until})
    elif follows.ends:
        said = {"Failed cycles": failed_cycles, "Last": failure.text, "Orders": f"being canceled; {orders}"}
        log("OUTAGE", said | {"Tried again": f"at {next_try}, then at least every {LONGEST_RETRY / 60:.0f} min"})


def resting_text(last_expiry: datetime | None, now: datetime) -> str:
    """Which of our orders may rest although they are not being renewed.

    `last_expiry`: when the last order sent expires, None if none was sent."""
    if last_expiry is None:
        return "the bot has placed none"
    if last_expiry <= now:
        return f"the last one expired at {local_time(last_expiry)}"
    return f"any that still rest expire by {local_time(last_expiry)}"


def log_recovered(log: Log, retry_policy: RetryPolicy, now: datetime) -> None:
    """Log that the exchange is back, if quotes had been given up."""
    if not retry_policy.gave_up:
        return
    if retry_policy.since is None:
        log("INFO", {"Exchange": "is back as announced"})
        return
    took = f"after {(now - retry_policy.since).total_seconds() / 60:,.0f} min"
    log("RECOVERED", {"Exchange": f"is back {took}", "Failed cycles": retry_policy.count})
