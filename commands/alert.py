"""Try the alerts: `python main.py alert --test`.

Promise:
- Each receiver of the variables gets one test alert. The heartbeat is asked once, the exchange never.
- Each is one line: whether it took it, and if not, why.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from bot.alert_receivers import COMMAND, HEARTBEAT, URL, NotDelivered, configured
from bot.connection import read_variables
from commands import context
from exchange.errors import ConfigError
from runtime.console import HOME, Checklist, ExitCode, typed

ALERTS = "Alerts"


def run(_: argparse.Namespace) -> int:
    """Send a test alert to each receiver. Returns the exit code.

    Raises `ConfigError` if a variable is wrong or none is set."""
    found = configured(context.variables(), is_quiet=False)
    if not (found.receivers or found.heartbeat):
        raise ConfigError(f"No alert goes anywhere: set {URL}, {COMMAND} or {HEARTBEAT} (see .env.example).")
    text = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S} [TEST] A test alert of the bot in {HOME}"
    took = [
        _is_taken(one.name, "took the test alert", partial(one.deliver, "TEST", text)) for one in found.receivers
    ]
    if found.heartbeat:
        took.append(_is_taken(found.heartbeat.name, "was asked", found.heartbeat.beat))
    return ExitCode.OK if all(took) else ExitCode.FAILED


def _is_taken(name: str, said: str, deliver: Callable[[], None]) -> bool:
    try:
        deliver()
    except NotDelivered as error:
        print(f"  FAIL  {error}", flush=True)
        return False
    print(f"  ok    {name}: {said}", flush=True)
    return True


def check(checklist: Checklist, dotenv_file: Path) -> None:
    """Report where alerts would go, for the doctor. Nothing is sent."""
    try:
        variables = read_variables(dotenv_file)
    except ConfigError:
        checklist.unchecked(ALERTS, "it needs .env")
        return
    try:
        found = configured(variables)
    except ConfigError as error:
        checklist.fail(ALERTS, str(error), ExitCode.MISCONFIGURED)
        return
    names = [one.name for one in (*found.receivers, found.heartbeat) if one]
    told = f"{', '.join(names)}; nothing was sent. To try them: {typed('main.py alert --test')}"
    checklist.ok(ALERTS, told if names else "none go anywhere: docs/running.md tells how to set them up")
