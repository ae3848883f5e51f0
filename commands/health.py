"""Whether the bot of this folder is well: `python main.py status --check`.

Promise:
- It reads this machine alone: the folder's lock and its ledger. It asks the exchange nothing.
- It prints one line. The exit code is 0 only if the bot runs, trades or waits for an announced pause, and its last
  cycle is not old.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timezone
from typing import NamedTuple

import market_bot
from bot.recovery import OUTAGE_AFTER
from clients import Environment
from commands import context
from ledger.entries import Halt
from ledger.ledger import Ledger
from runtime import lock
from runtime.console import ExitCode, typed
from runtime.log_format import local_time, span_text

CYCLES = 3
"""The last cycle is old after this many times `WAIT_TIME`."""


class Health(NamedTuple):
    """What this machine knows of the folder's bot.

    `process`: the text of its lock, empty if none runs. `seconds`: since its last cycle that did not
    fail ended, or since its start. `failed`: how many of the latest cycles failed, the last one with `problem`."""

    process: str
    seconds: float = 0.0
    halts: Sequence[Halt] = ()
    failed: int = 0
    problem: str = ""


def run() -> int:
    """Print whether all is well, and return the exit code.

    Raises `ConfigError` for a wrong setting, `LedgerError` if the ledger cannot be read."""
    settings = context.settings()
    try:
        found = _read(settings.env)
    except OSError as error:
        print(f"NOT KNOWN: {market_bot.paths().lock} cannot be read ({error.strerror})")
        return ExitCode.FAILED
    problem = problem_of(found, settings.wait_time)
    print(problem or f"OK: the bot runs ({found.process}), its last cycle ended {found.seconds:.0f} s ago")
    return ExitCode.FAILED if problem else ExitCode.OK


def problem_of(found: Health, wait_time: float) -> str:
    """What is wrong, as one line; empty if nothing is.

    `wait_time`: seconds from cycle to cycle."""
    if not found.process:
        return f"NOT RUNNING: no bot runs in this folder. To start it: {typed('market_bot.py')}"
    if found.halts:
        last = found.halts[-1]
        since = f"{last.at.astimezone():%Y-%m-%d} {local_time(last.at)}"
        return f"HALTED since {since}: {last.reason}. To go on: {typed('main.py resume')}"
    if found.failed >= OUTAGE_AFTER:
        return f"OUTAGE: the last {found.failed:,} cycles failed, the latest with: {found.problem}"
    if found.seconds > CYCLES * wait_time:
        ago = span_text(found.seconds)
        return (
            f"OLD: the last cycle that did not fail ended {ago} ago, WAIT_TIME is {wait_time:g} s. See trade.log"
        )
    return ""


def _read(environment: Environment) -> Health:
    """Raises `OSError` or `LedgerError`."""
    paths = market_bot.paths()
    process = lock.current_holder(paths.lock)
    if not process:
        return Health("")
    seconds = datetime.now(timezone.utc).timestamp() - paths.lock.stat().st_mtime
    file = paths.ledger(environment)
    if not file.exists():
        return Health(process, seconds)
    with closing(Ledger(file, read_only=True)) as ledger:
        last = ledger.last_cycle()
        return Health(
            process, seconds, ledger.halts(standing=True), ledger.failed_in_a_row(), last.problem if last else ""
        )
