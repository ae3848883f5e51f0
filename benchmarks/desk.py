"""A bot on an exchange of its own that waits for nobody, for benchmarks: real requests, simulated time."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import market_bot
from bot.connection import Connection
from clients import KalshiHttpClient
from exchange.signing import Signer
from ledger.ledger import Ledger
from market_bot import MarketBot
from simulator import embedded
from simulator.embedded import EmbeddedExchange
from simulator.opening import CUSTOMER
from simulator.statement import statement

START = datetime(2026, 11, 22, 15, 0, tzinfo=timezone.utc)


class Kept(logging.Handler):
    """The log's lines, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@dataclass
class Desk:
    """A bot, its exchange, and what the bot has logged."""

    bot: MarketBot
    exchange: EmbeddedExchange
    client: KalshiHttpClient
    log: list[str]
    wait: float

    def cycles(self, count: int) -> Iterator[int]:
        """Trade so many cycles; what is done between two of them comes before the wait."""
        clock = self.exchange.clock
        for number in range(count):
            began = clock.monotonic()
            self.bot.start_trading()
            yield number
            clock.sleep(max(self.wait - (clock.monotonic() - began), 0.0))

    def told(self, event: str) -> list[str]:
        return [line for line in self.log if f"[{event}]" in line]

    @property
    def statement(self) -> dict[str, Any]:
        """The exchange's own record."""
        return statement(self.exchange.api.exchange, CUSTOMER)

    def worth(self) -> Decimal:
        """Dollars that trades, fees and settlements brought so far, with what is held at the best bids."""
        said = self.statement
        kinds = ("trade", "fee", "settlement")
        return sum((Decimal(said["totals"].get(kind, 0)) for kind in kinds), start=Decimal(said["value"]))


@contextmanager
def desk(
    seed: int,
    programs: int,
    who: Collection[str],
    settings: Mapping[str, object] = MappingProxyType({}),
    bot_class: type[MarketBot] = MarketBot,
    tier: str = "basic",
) -> Iterator[Desk]:
    """A desk on a board of `programs` with the people `who`; `settings` are those that are not as they are
    shipped, `tier` the account's rate limits, which a bot reads that is `run`."""
    exchange = embedded.start(seed, None, None, START, programs, tuple(who), tier)
    signer = Signer(exchange.key_id, exchange.private_key)
    client = KalshiHttpClient(exchange.base_url, signer, exchange.clock, exchange.session)
    checked = market_bot.read_settings(settings)
    kept = Kept()
    logger = logging.Logger("benchmark", logging.INFO)
    logger.addHandler(kept)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "trade-sim.db")
        try:
            bot = bot_class(checked, Connection(client, exchange.about), ledger, logger)
            yield Desk(bot, exchange, client, kept.lines, checked.wait_time)
        finally:
            ledger.close()


def moment(text: str) -> datetime:
    """A time of a statement."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def accrued(window: Mapping[str, Any]) -> float:
    """Dollars that a window of a statement has brought so far, before floor and cap."""
    return float(window["reward"]) * float(window["share_seconds"]) / 2 / int(window["snapshots"])
