"""What a process still says while it ends.

Promise:
- Nothing that is said here can end the process, or keep it from ending.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress

from runtime.log_format import Log


def unfailing(log: Log) -> Log:
    """A log that raises nothing: what it cannot write goes to stderr."""

    def write(event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> None:
        try:
            log(event, fields, details)
        except Exception as error:
            say(f"[{event}] {fields} (the log could not be written: {named(error)})")

    return write


def say(text: str) -> None:
    """Print a line of the bot to stderr, if that takes it."""
    with suppress(Exception):
        print(f"market_bot: {text}", file=sys.stderr, flush=True)


def named(error: BaseException) -> str:
    """An error's type and text."""
    return f"{type(error).__name__}: {error}"
