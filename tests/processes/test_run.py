"""The real processes, as a person starts and stops them, in a copy of the project as a clone would be."""

from __future__ import annotations

import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.support.pages import BLOCKS
from tests.support.processes import killed_at_the_end, python, read, stop, wait_for

ON_DEMO = (
    "import market_bot; market_bot.env = market_bot.Environment.DEMO; {}; raise SystemExit(market_bot.main())"
)
MAIN_ON_DEMO = (
    "import market_bot, main; market_bot.env = market_bot.Environment.DEMO; raise SystemExit(main.main())"
)


@pytest.fixture
def start(clone: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python in the clone; whatever still runs at the end is killed."""
    with killed_at_the_end() as running:

        def begin(*arguments: str) -> subprocess.Popen[str]:
            running.append(python(clone, *arguments))
            return running[-1]

        yield begin


def lines_for_dotenv(simulator: subprocess.Popen[str]) -> list[str]:
    """The lines that a simulator prints for .env, once it serves."""
    assert simulator.stdout is not None
    printed = ""
    while "SIM_KEYFILE" not in printed or "DEMO_KEYFILE" not in printed:
        line = simulator.stdout.readline()
        assert line, printed
        printed += line
    lines = [line for line in printed.splitlines() if re.match(r"(DEMO|SIM)_[A-Z]+=", line)]
    assert len(lines) == 6
    return lines


STEPS = ("CANCEL ORDER", "CLOSE POSITION", "QUOTE MARKET", "ORDER BOOK", "OPEN ORDER", "ORDER RESPONSE")


def test_a_first_start_trades_within_seconds_and_stops_clean(
    clone: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """The bot logs its first orders within 15 seconds and goes on. Ctrl-C ends it with exit 0 and no order
    resting, without an error or a private key in the log."""
    bot = start("market_bot.py")
    log = clone / "trade.log"
    wait_for(lambda: all(f"[{step}]" in read(log) for step in STEPS), 15, "first orders")
    wait_for(lambda: "[CYCLE] Number: 3 " in read(log), 30, "third cycle")
    assert bot.poll() is None
    code, seconds = stop(bot)
    assert (code, seconds < 4) == (0, True), f"exit {code} after {seconds:.1f} s"
    output, _ = bot.communicate()
    assert "no real money is involved" in output.splitlines()[0]
    assert "25 times as fast" in output.splitlines()[0]
    assert output == read(log), "the console and the log differ"
    assert "[SHUTDOWN] None of our orders rests any more" in output.splitlines()[-1]
    assert "[ERROR]" not in output
    assert "PRIVATE KEY" not in output


def test_a_closed_console_does_not_stop_the_bot(clone: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    """When its console is closed, the bot goes on trading and logging and stops cleanly. It prints no
    traceback."""
    complaints = clone / "stderr.txt"
    begin = "import sys, market_bot; sys.stderr = open('stderr.txt', 'w'); raise SystemExit(market_bot.main())"
    bot = start("-c", begin)
    assert bot.stdout is not None
    bot.stdout.readline()
    bot.stdout.close()
    wait_for(lambda: "[CYCLE] Number: 2 " in read(clone / "trade.log"), 20, "second cycle")
    stop(bot)
    assert "[SHUTDOWN] None of our orders rests any more" in read(clone / "trade.log")
    assert "Traceback" not in read(complaints)


@pytest.mark.parametrize(
    ("env_file", "named"),
    [
        ("", "DEMO_KEYID"),
        ("DEMO_KEYID=an-id\n", "DEMO_KEYFILE"),
        ("DEMO_KEYID=an-id\nDEMO_KEYFILE=nowhere.pem\n", "DEMO_KEYFILE"),
        ("DEMO_KEYID=an-id\nDEMO_KEYFILE=market_bot.py\n", "DEMO_KEYFILE"),
    ],
)
def test_missing_credentials_are_one_clear_line_and_exit_2(
    clone: Path, start: Callable[..., subprocess.Popen[str]], env_file: str, named: str
) -> None:
    (clone / ".env").write_text(env_file)
    bot, look = start("-c", ON_DEMO.format("pass")), start("-c", MAIN_ON_DEMO)
    for process in (bot, look):
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 2
        assert len(output.splitlines()) == 1
        assert named in output
        assert "Traceback" not in output
    assert named in read(clone / "trade.log")


def test_the_bot_trades_over_a_port_with_the_simulators_key(
    clone: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """The simulator writes a private key file that only its owner may read. The report of main.py looks at the
    same exchange and says if a bot runs there."""
    simulator = start("-m", "simulator", "--port", "0", "--programs", "40", "--tier", "expert")
    lines = lines_for_dotenv(simulator)
    key_file = clone / "simulator-key.pem"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    (clone / ".env").write_text("\n".join(lines))

    bot = start("-c", ON_DEMO.format("market_bot.WAIT_TIME = 3"))
    log = clone / "trade.log"
    wait_for(lambda: "[CYCLE] Number: 2 " in read(log), 30, "second cycle")
    assert all(f"[{step}]" in read(log) for step in STEPS)
    look = start("-c", MAIN_ON_DEMO)
    report, _ = look.communicate(timeout=20)
    assert look.returncode == 0
    assert "this bot" in report, "main.py looks at the exchange that the bot trades on"
    assert f"Bot: one runs on this account, on this machine (process {bot.pid}, " in report
    code, seconds = stop(bot)
    assert (code, seconds < 4) == (0, True), f"exit {code} after {seconds:.1f} s"
    assert "Environment: DEMO | Money: no real money is involved" in read(log).splitlines()[0]
    report, _ = start("-c", MAIN_ON_DEMO).communicate(timeout=20)
    assert "Bot: none runs on this account" in report
    assert "Resting orders: none" in report
    assert "Positions: none" in report

    url = lines[0].partition("=")[2]
    assert requests.get(f"{url}/portfolio/balance", timeout=5).status_code == 401
    assert stop(simulator)[0] == 0


def test_the_script_of_the_docs_places_an_order_and_cancels_it(
    clone: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    simulator = start("-m", "simulator", "--port", "0", "--programs", "40", "--without", "noise,informed,sweeps")
    lines = lines_for_dotenv(simulator)
    (clone / ".env").write_text("\n".join(lines))
    (script,) = [block for language, block in BLOCKS if language == "python"]
    (clone / "script.py").write_text(script)
    script_run = start("script.py")
    output, _ = script_run.communicate(timeout=30)
    assert script_run.returncode == 0, output
    assert output.endswith(" resting\n")
    url = lines[0].partition("=")[2]
    (told,) = requests.get(url.replace("/trade-api/v2", "/simulator/statement"), timeout=5).json()["orders"][-1:]
    assert (told["status"], told["outcome_side"]) == ("canceled", "yes"), told


def test_the_bot_survives_a_simulator_that_is_not_running(
    clone: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """The bot logs an error and stays up. It stops cleanly without a traceback, and says that it placed no
    order."""
    start("-m", "simulator", "--port", "0", "--key-file", "k.pem")
    wait_for(lambda: (clone / "k.pem").exists() and (clone / "k.pem").stat().st_size > 1_000, 20, "key file")
    (clone / ".env").write_text("SIM_URL=http://127.0.0.1:9/trade-api/v2\nSIM_KEYID=x\nSIM_KEYFILE=k.pem\n")
    bot = start("market_bot.py")
    log = clone / "trade.log"
    wait_for(lambda: "[ERROR] GET /account/limits" in read(log), 20, "error")
    assert bot.poll() is None
    code, seconds = stop(bot)
    assert (code, seconds < 4) == (0, True), f"exit {code} after {seconds:.1f} s"
    assert "[SHUTDOWN] The bot placed no order" in read(log)
    assert "Traceback" not in read(log)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--books", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--key-file", "market_bot.py"], "market_bot.py is not a key"),
        (["--port", "99999"], "port"),
    ],
)
def test_the_simulator_says_what_it_cannot_use(
    start: Callable[..., subprocess.Popen[str]], arguments: list[str], told: str
) -> None:
    simulator = start("-m", "simulator", *arguments)
    output, _ = simulator.communicate(timeout=20)
    assert simulator.returncode == 2
    assert told in output
    assert "Traceback" not in output


def test_a_halted_simulation_goes_on_after_a_resume(
    clone: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """The exchange lives in the bot's process, and with it the account's state, which no command can reach."""
    bot, log = start("market_bot.py"), clone / "trade.log"
    wait_for(lambda: "[CYCLE] Number: 1 " in read(log), 30, "first cycle")
    for times in (1, 2):
        assert start("main.py", "cancel-all", "--yes").wait(30) == 0
        wait_for(lambda: read(log).count("[HALT]") == times, 20, "halt")  # noqa: B023  (called at once)
        assert start("main.py", "resume", "--yes").wait(30) == 0
        cleared = "[INFO] Halt: cleared, a new session begins"
        wait_for(lambda: read(log).count(cleared) == times, 20, "new session")  # noqa: B023
        cycles = read(log).count("[CYCLE]")
        wait_for(lambda: read(log).count("[CYCLE]") > cycles, 30, "cycle")  # noqa: B023
    assert stop(bot)[0] == 0
