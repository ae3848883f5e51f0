"""Alerts over the real process: each arrives at a server and at a command, and none costs a quote."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from benchmarks.harness import moment, read_variables
from simulator.people import EVERYBODY
from tests.support.alert_server import AlertServer, alert_server
from tests.support.processes import killed_at_the_end, python, read, stop, wait_for
from tests.support.project import PROJECT
from tests.support.raw_client import sell_all
from tests.support.statements import own_orders

pytestmark = pytest.mark.slow

BEFORE_MIDNIGHT = (
    "from datetime import datetime, timezone; from functools import partial; from simulator import embedded; "
    "embedded.start = partial(embedded.start, at=datetime(2026, 11, 22, 23, 56, tzinfo=timezone.utc)); "
    "import market_bot; raise SystemExit(market_bot.main())"
)
"""The bot on an embedded exchange whose day ends in four minutes, which take ten seconds."""

SOON_AGAIN = (
    "from bot import recovery; recovery.RETRY_SECONDS = 0.5; "
    "from exchange import transport; transport.PATIENCE = 0.5; "
    "import market_bot; raise SystemExit(market_bot.main())"
)
"""The bot with retries after half a second."""


class Told:
    """A server and a command's file that take the alerts of a bot in a folder."""

    def __init__(self, folder: Path, server: AlertServer) -> None:
        self.server, self._file = server, folder / "told.jsonl"
        program = folder / "tell.py"
        append = f"open({str(self._file)!r}, 'a').write(json.dumps(sys.argv[1:]) + chr(10))"
        program.write_text(f"#!{sys.executable}\nimport json, sys\n{append}\n")
        program.chmod(stat.S_IRWXU)
        self.variables = {
            "ALERT_URL": server.url("/ok/alerts"), "ALERT_FORMAT": "json", "ALERT_FILLS": "0",
            "ALERT_COMMAND": "./tell.py", "HEARTBEAT_URL": server.url("/ok/beat"),
        }  # fmt: skip

    def by_url(self) -> list[tuple[str, str]]:
        return [(one.json["event"], one.json["text"]) for one in self.server.posted()]

    def by_command(self) -> list[tuple[str, str]]:
        """Each once: a Ctrl-C in the middle of a delivery makes the bot deliver it again."""
        found = [(event, text) for event, text in map(json.loads, read(self._file).splitlines())]
        return list(dict.fromkeys(found))

    def beats(self) -> int:
        return len([one for one in self.server.got if one.method == "GET"])

    def wait_for(self, event: str, seconds: float = 30) -> None:
        wait_for(lambda: event in dict(self.by_url()) and event in dict(self.by_command()), seconds, event)


@pytest.fixture
def told(clone: Path) -> Iterator[Told]:
    with alert_server() as server:
        yield Told(clone, server)


@pytest.fixture
def start(clone: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python in the clone; whatever still runs at the end is killed."""
    with killed_at_the_end() as running:

        def begin(*arguments: str) -> subprocess.Popen[str]:
            running.append(python(clone, *arguments, stdout=subprocess.DEVNULL))
            return running[-1]

        yield begin


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., dict[str, str]]]:
    """Serves a simulator in which nobody else trades, with a script of faults. Returns its variables."""
    with ExitStack() as stack:

        def serve(faults: object = ()) -> dict[str, str]:
            (tmp_path / "faults.json").write_text(json.dumps(list(faults)))  # type: ignore[call-overload]
            command = [sys.executable, "-m", "simulator", "--port", "0", "--ed25519", "--programs", "20"]
            command += ["--key-file", str(tmp_path / "sim.pem"), "--without", ",".join(EVERYBODY)]
            command += ["--faults", str(tmp_path / "faults.json")] if faults else []
            process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
            stack.callback(process.communicate)
            stack.callback(process.kill)
            variables = read_variables(process)
            sell_all(variables)  # else the start waits for a second look at its positions
            return variables

        yield serve


def write_dotenv(clone: Path, *several: dict[str, str]) -> None:
    lines = [f"{name}={value}\n" for variables in several for name, value in variables.items()]
    (clone / ".env").write_text("".join(lines))


def test_a_start_a_fill_a_day_and_a_halt_arrive(
    clone: Path, told: Told, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """Both receivers get the same lines, those of the log, and a stop by Ctrl-C sends none."""
    quotes = {"BOT_TRADE_SIZE": "60", "BOT_TRADE_DELTA": "0", "BOT_TRADE_TICKER_SIZE": "10", "BOT_MIN_REWARD": "0"}
    limits = {"BOT_MAX_CAPITAL": "1000", "BOT_MAX_EVENT_LOSS": "500", "BOT_DAILY_LOSS_LIMIT": "900"}
    write_dotenv(clone, told.variables, quotes, limits)
    bot = start("-c", BEFORE_MIDNIGHT)
    told.wait_for("START")
    told.wait_for("DAY")
    told.wait_for("FILL", 60)
    assert told.beats() > 2
    assert python(clone, "main.py", "cancel-all", "--yes", stdout=subprocess.DEVNULL).wait(30) == 0
    told.wait_for("HALT")
    assert stop(bot)[0] == 0
    assert told.by_url() == told.by_command()
    assert [event for event, _ in told.by_url() if event != "FILL"] == ["START", "DAY", "HALT"]
    log = read(clone / "trade.log").splitlines()
    for event, text in told.by_url():
        assert re.match(rf"SIM \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \[{event}\] ", text)
        assert text.partition(" ")[2] in log
    assert re.search(
        r"\[DAY\] Date: 2026-11-22 \(UTC\) \| Trading: -?\$.*Cycles: [1-9]", dict(told.by_url())["DAY"]
    )


def test_an_outage_its_end_and_a_refused_key_arrive(
    clone: Path, told: Told, start: Callable[..., subprocess.Popen[str]], served: Callable[..., dict[str, str]]
) -> None:
    """The exchange is away for some seconds, then the key is revoked: the bot stops by itself, and says so."""
    faults = [{"do": "refused", "from": 12, "until": 22}, {"do": "key_revoked", "from": 28}]
    write_dotenv(clone, told.variables, served(faults), {"BOT_WAIT_TIME": "2"})
    bot = start("-c", SOON_AGAIN)
    told.wait_for("OUTAGE", 60)
    assert "[RECOVERED]" not in read(clone / "trade.log"), "told only when it was over"
    told.wait_for("RECOVERED", 60)
    told.wait_for("SHUTDOWN", 60)
    assert bot.wait(10) == 3, "its orders cannot be canceled without the key"
    assert told.by_url() == told.by_command()
    assert [event for event, _ in told.by_url()] == ["START", "OUTAGE", "RECOVERED", "STOP", "SHUTDOWN"]
    texts = dict(told.by_url())
    assert "401" in texts["STOP"]
    assert "only you can fix this" in texts["STOP"]
    assert "OUR ORDERS MAY STILL REST until" in texts["SHUTDOWN"]
    key = read(clone / ".env").partition("SIM_KEYID=")[2].partition("\n")[0]
    assert key not in str(told.by_url())


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"BOT_TRADE_SIZE": "many"}, "BOT_TRADE_SIZE in .env = 'many': must be a number"),
        ({"BOT_ENV": "PROD"}, "Not confirmed: no keyboard to ask at"),
        ({"BOT_ENV": "DEMO", "DEMO_KEYID": "an-id", "DEMO_KEYFILE": "gone.pem"}, "DEMO_KEYFILE"),
    ],
)
def test_a_start_that_fails_unattended_arrives(
    clone: Path,
    told: Told,
    start: Callable[..., subprocess.Popen[str]],
    served: Callable[..., dict[str, str]],
    variables: dict[str, str],
    why: str,
) -> None:
    """Such as after a reboot: nobody reads the line on the terminal, and no service starts it again."""
    exchange = served() if variables == {"BOT_ENV": "PROD"} else {}
    exchange = {name.replace("SIM_", "PROD_"): value for name, value in exchange.items()}
    write_dotenv(clone, told.variables, exchange, variables)
    assert start("market_bot.py").wait(30) == 2
    assert told.by_command() == told.by_url()
    (text,) = [text for event, text in told.by_url() if event == "STOP"]
    assert why in text


def test_a_start_while_the_exchange_is_away_arrives(
    clone: Path, told: Told, start: Callable[..., subprocess.Popen[str]], served: Callable[..., dict[str, str]]
) -> None:
    write_dotenv(clone, told.variables, served() | {"SIM_URL": "http://127.0.0.1:9/trade-api/v2"})
    bot = start("-c", SOON_AGAIN)
    told.wait_for("START", 20)
    assert "Nothing was touched; the bot tries again" in read(clone / "trade.log")
    assert stop(bot)[0] == 0


def test_a_second_start_that_is_refused_wakes_nobody(
    clone: Path, told: Told, start: Callable[..., subprocess.Popen[str]]
) -> None:
    write_dotenv(clone, told.variables)
    first = start("market_bot.py")
    told.wait_for("START")
    assert start("market_bot.py").wait(30) == 2
    assert stop(first)[0] == 0
    assert [event for event, _ in told.by_url() if event != "FILL"] == ["START"]


def test_what_a_command_prints_is_seen_in_a_test(clone: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    """So that you can find out what is wrong with it. The bot drops it."""
    write_dotenv(clone, {"ALERT_COMMAND": "echo it says:"})
    output, _ = python(clone, "main.py", "alert", "--test").communicate(timeout=30)
    assert "it says: TEST " in output
    assert "ok    ALERT_COMMAND (echo): took the test alert" in output


BAD = {
    "hang": {
        "ALERT_URL": "/hang/a", "ALERT_FORMAT": "ntfy", "ALERT_COMMAND": "sh -c 'sleep 60'",
        "HEARTBEAT_URL": "/hang/b",
    },
    "redirect, exit 1, 500": {
        "ALERT_URL": "/redirect/a", "ALERT_FORMAT": "slack", "ALERT_COMMAND": "false", "HEARTBEAT_URL": "/500/b",
    },
    "refuse": {
        "ALERT_URL": "http://127.0.0.1:9/a", "ALERT_FORMAT": "json", "ALERT_COMMAND": "tell.py",
        "HEARTBEAT_URL": "http://127.0.0.1:9/b",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_receivers_cost_no_quote(
    clone: Path,
    told: Told,
    start: Callable[..., subprocess.Popen[str]],
    served: Callable[..., dict[str, str]],
    kind: str,
) -> None:
    """Every order rests from its placing to the stop, the cycles keep their times, and the stop is quick. Each
    failure is one line."""
    server = told.server
    variables = {name: server.url(value) if value[0] == "/" else value for name, value in BAD[kind].items()}
    if variables["ALERT_COMMAND"] == "tell.py":
        variables["ALERT_COMMAND"] = "./broken"
        (clone / "broken").write_text("#!/no/such/interpreter\n")
        (clone / "broken").chmod(stat.S_IRWXU)
    exchange = served()
    write_dotenv(clone, variables, exchange, {"BOT_WAIT_TIME": "12", "BOT_EXPIRATION_TS": "0.2"})
    bot, log = start("market_bot.py"), clone / "trade.log"
    wait_for(lambda: "[CYCLE] Number: 2 " in read(log), 90, "second cycle")
    stopped = datetime.now(timezone.utc)
    code, seconds = stop(bot, signal.SIGTERM)
    assert (code, seconds < 4) == (0, True), f"exit {code} after {seconds:.1f} s"
    lines = read(log).splitlines()
    errors = [line for line in lines if "[ERROR]" in line]
    assert sorted(line.split()[3] for line in errors) == ["ALERT_COMMAND", "ALERT_URL", "HEARTBEAT_URL"]
    times = [datetime.fromisoformat(line[:19]) for line in lines if "[CYCLE]" in line]
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert all(gap <= 12 + 3 for gap in gaps), gaps
    root = exchange["SIM_URL"].rpartition("/trade-api")[0]
    orders = list(own_orders(requests.get(f"{root}/simulator/statement", timeout=10).json()["orders"]))
    quotes = [moment(one["last_update_time"]) for one in orders if one["status"] != "executed"]
    assert len(quotes) >= 3
    assert min(quotes) >= stopped, "a quote was gone before the stop"
