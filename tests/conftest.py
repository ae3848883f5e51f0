"""Fixtures of every test: a bench with a bot on a simulated exchange, a copy of the product, and `main.py` as you
type it.

No test touches your files or your signal handlers.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import main
import market_bot
from bot.connection import READ, embedded_client
from runtime import log_output, signals
from simulator import embedded
from simulator.people import NOISE, RIVALS
from simulator.reading import REAL, Reading
from simulator.rewards import TopTick
from tests.support.bench import Bench, MakeBench, Said, Wire, share
from tests.support.documented_log import assert_documented
from tests.support.moments import Seconds
from tests.support.project import START, compile_product, copy_of_the_product

hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one is slow, not wrong
hypothesis.settings.load_profile("any machine")

SLOW = {"processes", "slow"}
"""Folders whose tests take seconds each. Other slow tests have the `slow` marker."""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # once, before the workers start
        compile_product()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background of a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name in SLOW:
            item.add_marker("slow")
    items[:] = _waits_among_computations(items)


def _waits_among_computations(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests in an order in which no core is idle for long. Real processes mostly wait, so they are spread
    among the other slow tests. Quick tests come last."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    waits = [item for item in slow if item.path.parent.name == "processes"]
    computes = [item for item in slow if item.path.parent.name != "processes"]
    places = {item: place / len(group) for group in (waits, computes) for place, item in enumerate(group)}
    return sorted(items, key=lambda item: places.get(item, 1.0))


def pytest_collection_finish() -> None:
    """Have the garbage collector look less often, and never at what was imported and collected."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the tests that this machine skipped, one line for each reason."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"Left out: {count} tests ({reason})")


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches a real log, a real `.env` or a real home, or sees your environment variables. An exchange
    inside the process opens at once, without a day before."""
    monkeypatch.setattr(market_bot, "LOG_FILE", tmp_path / "trade.log")
    monkeypatch.setattr(market_bot, "DOTENV_FILE", tmp_path / ".env")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [one for one in os.environ if one.startswith(READ)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIM_PAST_HOURS", "0")


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """Restore the signal handlers, and forget what signals asked for. A bot that ran in this process leaves it
    ignoring the stop signals, and processes started later would inherit that."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    signals.ignore()
    for number, answer in before.items():
        signal.signal(number, answer)


@pytest.fixture
def seconds() -> Iterator[Seconds]:
    """Handle the stop signals in this process, by a time that stands still."""
    found = Seconds()
    before = signal.getsignal(signal.SIGALRM)
    signals.heed(found)
    yield found
    signals.ignore()
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The product's files and nothing else: no key, no log, no settings of yours."""
    return copy_of_the_product(tmp_path / "clone")


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Open benches on a small board with random takers and rivals. Keyword arguments are settings, except those
    for the exchange. The bot does not look between cycles, and the exchange has no `past`, unless a test asks for
    it. At the end, the bots' logs
    are checked against docs/trade-log.md."""
    loggers = []
    log_files = []

    def make(
        seed: int = 1,
        books: Path | None = None,
        programs: int = 40,
        who: Collection[str] = (NOISE, RIVALS),
        tier: str = "basic",
        faults: list[dict[str, Any]] | None = None,
        at: datetime = START,
        top_tick: TopTick = TopTick.COUNTED,
        programs_end: datetime | None = None,
        balance: str | None = None,
        reading: Reading = REAL,
        past: float = 0.0,
        **changed: object,
    ) -> Bench:
        exchange = embedded.start(
            seed, None, books, at, programs, who, tier, faults, top_tick, programs_end, balance, reading, past
        )
        wire = Wire(exchange.session.adapters[embedded.HOST])
        exchange.session.mount(embedded.HOST, wire)
        client = embedded_client(exchange)
        log_file = tmp_path / f"trade-{len(loggers)}.log"
        settings = market_bot.read_settings({"WATCH_TIME": None} | changed)
        logger = log_output.open_log(log_file, with_json=settings.log_json)
        loggers.append(logger)
        log_files.append(log_file)
        ledger_file = tmp_path / f"trade-sim-{len(loggers)}.db"
        return Bench(exchange, wire, client, settings, logger, log_file, ledger_file)

    yield make
    for logger in loggers:
        for handler in logger.handlers:
            handler.close()
    for log_file in log_files:
        assert_documented(log_file.read_text(encoding="utf-8") if log_file.exists() else "")


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()


# -- commands typed next to the loop ---------------------------------------------------------------------------


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
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said]
) -> tuple[Bench, Callable[..., Said]]:
    """A bot, and `main.py` on the same exchange and ledger, as with a shared simulator."""
    bench = make_bench(programs=12, who=())
    share(bench, monkeypatch)
    return bench, typed
