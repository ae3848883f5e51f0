"""End a run: after a wish to stop, by itself, or after an uncaught error.

Promise:
- Whatever ends a run, the bot's orders are canceled before the process ends.
- An error that nothing else caught is logged once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from bot import recovery
from runtime import signals
from runtime.console import ExitCode, typed
from runtime.last_words import named, say, unfailing
from runtime.log_format import Log


class End(NamedTuple):
    """The end of a run that ended by itself.

    `why`: what stops the bot, empty if there is nothing to stop. `code`: the least exit code."""

    why: str
    code: int


def run(
    trade: Callable[[], End], stop: Callable[[str], int], log: Log, flush: Callable[[], None] = lambda: None
) -> int:
    """Trade until the run ends. Returns the process's exit code.

    `stop` cancels the bot's orders, for a reason, logs `[SHUTDOWN]`, and returns an exit code.
    `flush` sends the last alerts, after `[SHUTDOWN]`, the log's last line; it raises nothing."""
    ends: list[End] = []
    failed: list[Exception] = []

    def step() -> None:
        try:
            ends.append(trade())
        except Exception as error:
            failed.append(error)

    asked = signals.until_stopped(step)
    log = unfailing(log)
    if failed:
        _tell(failed[0], log, "The bot cannot go on from here")
        log("STOP", {"Why": f"an error in the bot ({named(failed[0])})", "Then": "start it again"})
    end = ends[0] if ends else End(asked or "an error in the bot", ExitCode.OK)
    code = max(_stop(partial(stop, end.why), log), end.code) if end.why else end.code
    signals.until_hurried(flush)
    return code


def _stop(stop: Callable[[], int], log: Log) -> int:
    """Stop. An error of the stop itself is told, and the stop begins again, once."""
    for _ in range(2):
        try:
            return stop()
        except Exception as error:
            _tell(error, log, "The bot tries once more to cancel its orders")
    log("SHUTDOWN", f"OUR ORDERS MAY STILL REST until they expire. Cancel them: {typed('main.py cancel-all')}")
    return ExitCode.ORDERS_MAY_REST


def _tell(error: Exception, log: Log, means: str) -> None:
    try:
        recovery.log_failure(log, recovery.failure_of(error), means)
    except Exception:  # no memory for a traceback
        say(named(error))
