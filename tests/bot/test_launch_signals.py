"""Stop signals at any moment of a start, and of the process's last steps."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import market_bot
from bot import launch
from bot.settings import Replaced, Settings
from exchange.errors import ConfigError
from market_bot import MarketBot
from runtime import lock
from tests.support.moments import at_call, at_line, send
from tests.support.processes import heed_signals, read

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def start() -> int:
    heed_signals()
    signal.signal(TERM, signal.SIG_DFL)
    return launch.start(market_bot.read_settings, market_bot.paths(), None, MarketBot)


def assert_left_nothing(paths: launch.Paths) -> None:
    """The locks are free, and no later start takes this one for killed."""
    assert paths.lock.read_text() == ""
    assert lock.all_holders() == {}
    assert {file.read_text() for file in lock.state_folder().glob("*.lock")} <= {""}


@pytest.mark.parametrize("moment", [90, 150, 250, 400, 600, 1_000, 2_000])
def test_signals_at_any_moment_of_a_start_end_it_cleanly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], moment: int
) -> None:
    """Also while it holds a lock that it has not noted yet."""
    code, lines = at_line(moment, lambda: send(INT, HUP), start)
    assert (code, lines) == (0, moment)
    assert_left_nothing(market_bot.paths())
    log = read(market_bot.LOG_FILE)
    assert log.count("[SHUTDOWN]") == 1
    assert "[SHUTDOWN]" in [line for line in log.splitlines() if not line.startswith("  └─")][-1]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("function", ["ignore", "_let_go", "release"])
def test_signals_in_the_last_steps_of_a_process_change_nothing(
    capfd: pytest.CaptureFixture[str], function: str
) -> None:
    def wrong(*, replaced: Replaced) -> Settings:
        raise ConfigError("WAIT_TIME is wrong")

    def end() -> int:
        heed_signals()
        return launch.start(wrong, market_bot.paths(), None, MarketBot)

    code, called = at_call(function, lambda: send(INT, INT), end)
    assert code == 2
    assert any(f":{function}:" in one for one in called)
    assert_left_nothing(market_bot.paths())
    assert "Traceback" not in capfd.readouterr().err
