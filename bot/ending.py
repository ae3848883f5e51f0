"""End a run: after a wish to stop, by itself, or after an uncaught error.

Promise:
- Whatever ends a run, the bot's orders are canceled before the process ends.
- An error that nothing else caught is logged once, with its traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bot import recovery
from runtime import signals
from runtime.console import ExitCode
from runtime.last_words import named, say, unfailing
from runtime.log_format import Log


class End(NamedTuple):
    """The end of a run that ended by itself.

    `why`: what stops the bot, empty if there is nothing to stop. `code`: the least exit code."""

    why: str
    code: int


def run(trade: Callable[[], End], stop: Callable[[str], int], log: Log) -> int:
    """Trade until the run ends. Returns the process's exit code.

    `stop` cancels the bot's orders, for a reason, and returns an exit code. It must raise nothing."""
    ends: list[End] = []
    failed: list[Exception] = []

    def step() -> None:
        try:
            ends.append(trade())
        except Exception as error:
            failed.append(error)

    asked = signals.until_stopped(step)
    if failed:
        _tell(failed[0], unfailing(log))
    end = ends[0] if ends else End(asked or "an error in the bot", ExitCode.OK)
    return max(stop(end.why), end.code) if end.why else end.code


def _tell(error: Exception, log: Log) -> None:
    def again() -> None:
        raise error

    try:
        recovery.try_or_log(again, log, "The bot stops: it cannot go on from here. Start it again")
    except Exception:  # no memory for a traceback
        say(named(error))
