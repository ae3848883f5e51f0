"""What the tests share: a bot on a simulated exchange that does not wait, and a wire that can fail.

Nothing here replaces code of ours: requests are prepared, signed, sent through `requests`, answered by the
simulator and parsed as ever. Only time does not pass on the wall, and a test can cut the wire.
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

import main
import market_bot
from bot import connection
from bot.connection import Connection
from clients import KalshiHttpClient
from exchange.signing import Signer
from incentive import Board
from ledger.ledger import Ledger
from market_bot import MarketBot
from runtime import log_output
from selection.ranking import Selection
from simulator import embedded
from simulator.account import Account
from simulator.embedded import EmbeddedExchange
from simulator.matching import Order
from simulator.opening import CUSTOMER
from simulator.people import NOISE, RIVALS
from tests.struck import Killed

START = datetime(2026, 11, 22, 15, 0, tzinfo=timezone.utc)
SHARED = Path(__file__).resolve().parents[2] / "shared"
SPECIFICATION = SHARED / "kalshi" / "openapi.yaml"
RECORDED_BOOKS = SHARED / "data" / "books-2026-07-23.jsonl.gz"


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches a real log, a real `.env` or a real home, nor sees the variables of whoever runs it."""
    monkeypatch.setattr(market_bot, "_LOG_FILE", tmp_path / "trade.log")
    monkeypatch.setattr(market_bot, "_DOTENV_FILE", tmp_path / ".env")
    monkeypatch.setenv("HOME", str(tmp_path))
    for environment in ("SIM", "DEMO", "PROD"):
        for variable in ("URL", "KEYID", "KEYFILE"):
            monkeypatch.delenv(f"{environment}_{variable}", raising=False)


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """A bot that ran in this process leaves it deaf to what stops it, and so would be the processes started
    later."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, answer in before.items():
        signal.signal(number, answer)


PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = sorted(file.parent.name for file in PROJECT.glob("*/__init__.py") if file.parent.name != "benchmarks")
PRODUCT = ["*.py", *(f"{name}/**/*.py" for name in PACKAGES), "requirements.txt", ".env.example"]


def copy_of_the_product(there: Path) -> Path:
    for pattern in PRODUCT:
        for file in PROJECT.glob(pattern):
            (there / file.relative_to(PROJECT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, there / file.relative_to(PROJECT))
    return there


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The product's files and nothing else: no key, no log, no settings of whoever runs the tests."""
    return copy_of_the_product(tmp_path / "clone")


def answer(status: int, body: str, content_type: str = "application/json") -> Callable[..., requests.Response]:
    """An answer that the wire gives in the exchange's place."""

    def give(request: requests.PreparedRequest) -> requests.Response:
        raw = HTTPResponse(
            io.BytesIO(body.encode()), {"Content-Type": content_type}, status, preload_content=False
        )
        return HTTPAdapter().build_response(request, raw)

    return give


def unavailable(request: requests.PreparedRequest) -> requests.Response:
    return answer(503, '{"error":{"code":"service_unavailable","message":"down for a moment"}}')(request)


def cut_before(request: requests.PreparedRequest) -> requests.Response:
    raise requests.exceptions.ConnectionError("cut before the exchange had it", request=request)


@dataclass
class Wire(BaseAdapter):
    """Between the client and the exchange. `fault`, asked with each request's number, may answer it in the
    exchange's place, or fail; `after` does the same once the exchange has acted. All requests are kept."""

    inner: BaseAdapter
    fault: Callable[[requests.PreparedRequest, int], Any] | None = None
    after: Callable[[requests.PreparedRequest, int], Any] | None = None
    sent: list[requests.PreparedRequest] = field(default_factory=list)
    answers: list[requests.Response] = field(default_factory=list)
    timeouts: list[Any] = field(default_factory=list)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        number = len(self.sent)
        self.sent.append(request)
        self.timeouts.append(options.get("timeout"))
        instead = self.fault(request, number) if self.fault else None
        response: requests.Response = instead(request) if instead else self.inner.send(request, **options)
        instead = self.after(request, number) if self.after and not instead else None
        response = instead(request) if instead else response
        self.answers.append(response)
        return response

    def close(self) -> None:
        self.inner.close()

    def asked(self) -> list[str]:
        return [f"{request.method} {request.path_url.partition('?')[0]}" for request in self.sent]


@dataclass
class Bench:
    """A bot, the exchange it trades on, the wire between them and the log."""

    exchange: EmbeddedExchange
    wire: Wire
    client: KalshiHttpClient
    log_file: Path
    new_bot: Callable[[Ledger], MarketBot]
    ledger_file: Path
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ledger: Ledger | None = None
        self._reader: Ledger | None = None
        self.restart()

    def restart(self) -> None:
        """A new process, as far as the bot can tell: it remembers its ledger and nothing else."""
        self._close_reader()
        if self._ledger is not None:
            self._ledger.close()
        self._ledger = Ledger(self.ledger_file)
        self.bot = self.new_bot(self._ledger)

    @property
    def ledger(self) -> Ledger:
        """As another program reads it, for now."""
        self._close_reader()
        self._reader = Ledger(self.ledger_file, read_only=True)
        return self._reader

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def events(self, name: str) -> list[str]:
        return [line for line in self.log.splitlines() if f"[{name}]" in line]

    def board(self) -> Board:
        """The board as the bot last saw it."""
        assert self.bot.incentive_program.board is not None
        return self.bot.incentive_program.board

    def resting(self) -> list[Order]:
        """What really rests, by the exchange's own word."""
        return self.exchange.api.exchange.resting(CUSTOMER)

    @property
    def account(self) -> Account:
        return self.exchange.api.exchange.accounts[CUSTOMER]

    def held(self) -> dict[str, int]:
        return {ticker: holding.count for ticker, holding in self.account.holdings.items() if holding.count}

    def pass_time(self, seconds: float) -> None:
        self.exchange.clock.advance(seconds)

    def run(self, cycles: int, end: type[BaseException] = Killed) -> int | None:
        """Run the real loop; `end` strikes in the wait after that many cycles. Returns the exit code, or None
        where the process was killed. Waits between cycles are kept in `waits`."""
        clock = self.exchange.clock
        sleep = clock.sleep
        self.waits = []

        def watched(seconds: float) -> None:
            if seconds > 2:  # shorter ones are the client's own
                self.waits.append(seconds)
                if len(self.waits) == cycles:
                    raise end
            sleep(seconds)

        clock.sleep = watched  # type: ignore[method-assign]
        try:
            return self.bot.run()
        except Killed:
            return None
        finally:
            clock.sleep = sleep  # type: ignore[method-assign]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Opens benches, on a small board with takers by chance and rivals; keyword arguments are settings, but for
    those that go to the exchange."""
    loggers = []

    def make(
        seed: int = 1,
        books: Path | None = None,
        programs: int = 40,
        who: Collection[str] = (NOISE, RIVALS),
        tier: str = "basic",
        faults: list[dict[str, Any]] | None = None,
        **changed: object,
    ) -> Bench:
        exchange = embedded.start(seed, None, books, START, programs, who, tier, faults)
        wire = Wire(exchange.session.adapters[embedded.HOST])
        exchange.session.mount(embedded.HOST, wire)
        signer = Signer(exchange.key_id, exchange.private_key)
        client = KalshiHttpClient(exchange.base_url, signer, exchange.clock, exchange.session)
        log_file = tmp_path / f"trade-{len(loggers)}.log"
        logger = log_output.open_log(log_file)
        loggers.append(logger)
        rules = market_bot.read_settings(changed)
        connected = Connection(client, exchange.about)
        ledger_file = tmp_path / f"trade-sim-{len(loggers)}.db"

        def new_bot(ledger: Ledger) -> MarketBot:
            return MarketBot(rules, connected, ledger, logger)

        return Bench(exchange, wire, client, log_file, new_bot, ledger_file)

    yield make
    for logger in loggers:
        for handler in logger.handlers:
            handler.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


def is_quote(request: requests.PreparedRequest) -> bool:
    return request.method == "POST" and b'"post_only": true' in (request.body or b"")


def assert_quoting_once(bench: Bench) -> None:
    sides = Counter((order.ticker, order.is_bid) for order in bench.resting())
    assert len(sides) == 4
    assert set(sides.values()) == {1}


def assert_told_apart(choice: Selection, tickers: set[str]) -> None:
    """Each market is chosen, or has exactly one reason."""
    told = [candidate.ticker for candidate in choice.chosen] + [skip.ticker for skip in choice.skipped]
    assert len(told) == len(set(told)), "more than one reason"
    assert set(told) == tickers


# -- what is typed beside the loop -----------------------------------------------------------------------------


@dataclass
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """`python main.py ARGUMENTS`."""

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["main.py", *arguments])
        try:
            code = main.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def beside(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said]
) -> tuple[Bench, Callable[..., Said]]:
    """A bot, and `main.py` on the exchange and the ledger that it uses, as where a simulator is shared."""
    bench = make_bench(programs=12, who=())
    share(bench, monkeypatch)
    return bench, typed


def share(bench: Bench, monkeypatch: pytest.MonkeyPatch, is_private: bool = False) -> None:
    shared = replace(bench.bot._connection, is_private=is_private)
    monkeypatch.setattr(connection, "connect", lambda *_: shared)
    monkeypatch.setattr(market_bot, "ledger_file", lambda _: bench.ledger_file)
    monkeypatch.setenv("SIM_URL", "" if is_private else "http://127.0.0.1:9/trade-api/v2")


Beside = tuple[Bench, Callable[..., Said]]
