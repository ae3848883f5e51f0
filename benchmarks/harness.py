"""Run a bot on a simulated exchange, for benchmarks and long tests.

`desk` runs it in this process, on an embedded exchange. `trade` runs it in a separate process, on a served
exchange whose clock stands still until the bot waits. An hour then takes no longer than its requests. Requests are
real, time is simulated.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import requests

import market_bot
from bot import connection
from bot.connection import Connection, embedded_client
from bot.settings import Settings, strategy_of
from clients import KalshiHttpClient
from incentive import Strategy
from ledger.ledger import Ledger
from market_bot import MarketBot
from runtime import log_output
from runtime.console import progress
from selection.ranking import Selection
from simulator import embedded
from simulator.embedded import EmbeddedExchange
from simulator.opening import CUSTOMER
from simulator.statement import statement

START = datetime(2026, 11, 22, 15, 0, tzinfo=timezone.utc)

BUILDING_SEEDS = range(1, 31)
"""Boards on which a rule may be built and tuned; what it nets on them proves nothing."""

HELD_OUT_SEEDS = range(101, 131)
"""Boards on which a finished rule is judged; nothing is set by what they show."""

Job = TypeVar("Job")
Result = TypeVar("Result")


class Kept(logging.Handler):
    """A log handler that keeps the lines in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@dataclass
class Desk:
    """A bot, its exchange and its log.

    `requests`: those of the last cycle, without the looks in its wait."""

    bot: MarketBot
    exchange: EmbeddedExchange
    client: KalshiHttpClient
    log: list[str]
    wait: float
    requests: int = 0

    def cycles(self, count: int) -> Iterator[int]:
        """Trade `count` cycles. After each, the caller's code runs before the wait."""
        clock = self.exchange.clock
        for number in range(count):
            began = clock.monotonic()
            sent = self.client.requests_sent
            self.bot.start_trading()
            self.requests = self.client.requests_sent - sent
            yield number
            self.bot.watch(began + self.wait)
            clock.sleep(max(began + self.wait - clock.monotonic(), 0.0))

    def run(self, hours: float, before_cycle: Callable[[], None]) -> None:
        """Run the bot's own loop, and end it as Ctrl-C does after some hours.

        It ends where the next cycle would begin. Unlike `cycles` it also scans the board again, and sells what
        needs a second look. Raises a `RuntimeError` if the bot stopped or halted by itself."""
        clock, trade, ends = self.exchange.clock, self.bot.start_trading, []
        until = clock.monotonic() + hours * 3_600

        def cycle() -> Selection | None:
            before_cycle()
            if clock.monotonic() >= until:
                ends.append(clock.now())
                raise KeyboardInterrupt
            return trade()

        self.bot.start_trading = cycle  # type: ignore[method-assign]
        self.bot.run()
        stopped = [*self.told("HALT"), *self.told("STOP")]
        if stopped or not ends:
            raise RuntimeError(f"the bot stopped by itself: {(stopped or self.log)[-1]}")

    def told(self, event: str) -> list[str]:
        return [line for line in self.log if f"[{event}]" in line]

    @property
    def statement(self) -> dict[str, Any]:
        """The exchange's own record, up to now and not to the last request."""
        self.exchange.api.exchange.advance(self.exchange.clock.now().timestamp())
        return statement(self.exchange.api.exchange, CUSTOMER)

    def worth(self) -> Decimal:
        """Dollars from trades, fees and settlements, and from selling all positions now."""
        said = self.statement
        kinds = ("trade", "fee", "settlement")
        return sum((Decimal(said["totals"].get(kind, 0)) for kind in kinds), start=Decimal(said["worth"]))


class _NoKey:
    """A key of both ends that signs nothing and admits everything."""

    def sign(self, _: bytes) -> bytes:
        return b"not signed"

    def verify(self, *_: bytes) -> None:
        pass


_NO_KEY: Any = _NoKey()


@contextmanager
def desk(
    seed: int,
    programs: int,
    who: Collection[str],
    settings: Mapping[str, object] = MappingProxyType({}),
    bot_class: type[MarketBot] = MarketBot,
    tier: str = "basic",
    strategy_of: Callable[[Settings], Strategy] = strategy_of,
    is_signed: bool = True,
) -> Iterator[Desk]:
    """Open a desk on a board of `programs` with the simulated traders `who`.

    `settings` replace the shipped ones. `tier` sets the rate limits, which the bot reads only in `run`.
    `strategy_of` makes of the checked settings how the bot prices, screens and chooses markets. Requests that are
    not `is_signed` are admitted too: signatures take a tenth of a run, and change nothing in it."""
    exchange = embedded.start(seed, None, None, START, programs, tuple(who), tier)
    if not is_signed:
        exchange.api.keys[exchange.key_id] = _NO_KEY
        exchange = replace(exchange, private_key=_NO_KEY)
    client = embedded_client(exchange)
    checked = market_bot.read_settings(settings)
    kept = Kept()
    logger = logging.Logger("benchmark", logging.INFO)
    logger.addHandler(kept)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "trade-sim.db")
        try:
            connected = Connection(client, exchange.about, is_private=True)
            bot = bot_class(checked, connected, ledger, logger, strategy=strategy_of(checked))
            yield Desk(bot, exchange, client, kept.lines, checked.wait_time)
        finally:
            ledger.close()


def moment(text: str) -> datetime:
    """Parse a time of a statement."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def accrued(window: Mapping[str, Any]) -> float:
    """Dollars earned so far in a statement's window, before floor and cap."""
    return float(window["reward"]) * float(window["share_seconds"]) / 2 / int(window["snapshots"])


LOG_SIZE, LOG_FILES = 1_000_000, 4
"""Bytes of a log file, and the number of older files that are kept."""


class SteppedClock:
    """The simulator's clock, which stands still until a caller waits."""

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
    """Trade in the bot's own process with SIM_ `variables`. Returns the exit code.

    `before_wait` is called before each wait with its seconds, also before the client's own short ones. It may end
    the run by an exception."""
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
    """Read the `.env` variables that a simulator prints when it is ready."""
    found: dict[str, str] = {}
    for line in simulator.stdout or ():
        name, is_variable, value = line.strip().partition("=")
        if is_variable and name.startswith("SIM_"):
            found[name] = value
        if name == "SIM_KEYFILE":
            return found
    raise RuntimeError("the simulator did not start")


def filled(said: Mapping[str, Any]) -> float:
    """Contracts of quotes that were filled, by a statement."""
    return sum(float(fill["count_fp"]) for fill in said["fills"] if not fill["is_taker"])


def done(work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
    """Each job and its result, in their order, worked on by all cores."""
    with multiprocessing.get_context("spawn").Pool(initializer=_collect_rarely) as pool:
        for number, found in enumerate(zip(jobs, pool.imap(work, jobs), strict=True), start=1):
            progress(f"{number} of {len(jobs)}")
            yield found
    progress("")


def _collect_rarely() -> None:
    """Let Python look for cyclic garbage a hundred times less often.

    A run makes little of it, and looking took up to a tenth of its time."""
    gc.set_threshold(100 * gc.get_threshold()[0])
