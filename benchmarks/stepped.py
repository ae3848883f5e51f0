"""A bot in a process of its own, on a simulator in another whose clock stands still until the bot waits: what it
does takes no simulated time, and an hour no longer than its requests.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import requests

import market_bot
from bot import connection
from ledger.ledger import Ledger
from runtime import log_output

LOG_SIZE, LOG_FILES = 1_000_000, 4
"""Bytes of a log, and how many older ones are kept."""


class SteppedClock:
    """The simulator's clock, which stands still until somebody waits."""

    def __init__(self, root: str) -> None:
        self._control = requests.Session()
        self._root = root
        self._now = datetime.fromtimestamp(self.ask("GET", "time")["unix"], timezone.utc)
        self._began = self._now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._began).total_seconds()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            unix = self.ask("POST", "advance", {"seconds": seconds})["unix"]
            self._now = datetime.fromtimestamp(unix, timezone.utc)

    def ask(self, method: str, what: str, body: object = None) -> Any:
        return self._control.request(method, f"{self._root}/simulator/{what}", json=body, timeout=120).json()


def trade(
    folder: Path,
    settings: Mapping[str, object],
    variables: Mapping[str, str],
    before_wait: Callable[[SteppedClock, float], None],
) -> int:
    """The bot's process: trade by SIM_ `variables`. `before_wait` is asked before each wait of so many seconds,
    the client's own short ones too, and may end it."""
    clock = SteppedClock(variables["SIM_URL"].rpartition("/trade-api")[0])
    connection.WallClock = lambda: clock  # type: ignore[assignment, attr-defined, return-value]
    connected = connection.connect(market_bot.env, variables)
    logger = log_output.open_log(folder / "trade.log", LOG_SIZE, LOG_FILES)
    logger.handlers = logger.handlers[1:]
    sleep = clock.sleep

    def watched(seconds: float) -> None:
        before_wait(clock, seconds)
        sleep(seconds)

    clock.sleep = watched  # type: ignore[method-assign]
    with closing(Ledger(folder / "trade-sim.db")) as ledger:
        return market_bot.MarketBot(market_bot.read_settings(settings), connected, ledger, logger).run()


def read_variables(simulator: subprocess.Popen[str]) -> dict[str, str]:
    """The variables of .env that a simulator prints when it is ready."""
    found: dict[str, str] = {}
    for line in simulator.stdout or ():
        name, is_variable, value = line.strip().partition("=")
        if is_variable and name.startswith("SIM_"):
            found[name] = value
        if name == "SIM_KEYFILE":
            return found
    raise RuntimeError("the simulator did not start")
