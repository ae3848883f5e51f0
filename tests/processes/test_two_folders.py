"""Two copies of the bot's folder: a command in one reaches the bot of the other, or says that it goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator.keyfile import read_or_make
from simulator.people import EVERYBODY
from tests.support.processes import heed_signals, python, read, simulator, stop, wait_for
from tests.support.project import copy_of_the_product

FAST = "m.WAIT_TIME = 1; m.EXPIRATION_TS = 60; m.SCAN_TIME = 600"
ON = (
    "from runtime import preflight; preflight.prepare('market_bot'); import market_bot as m; "
    "m.env = m.Environment.{}; {}; raise SystemExit(m.main())"
)
COMMAND = "import market_bot as m; m.env = m.Environment.{}; import main; raise SystemExit(main.main())"


class Folders:
    """Two folders of one user of the machine, and a simulator with two keys of one user and one of another."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        self.first, self.second = (copy_of_the_product(path / name) for name in ("first", "second"))
        keys = ("--key-file", "key-1.pem", "--second-key-file", "key-2.pem", "--other-user-key-file", "key-3.pem")
        files = [name if name.startswith("--") else str(path / name) for name in keys]
        self.simulator = simulator(
            "--port", "0", "--ed25519", "--programs", "20", "--without", ",".join(EVERYBODY), *files, *options
        )
        self.keys: list[str] = []
        self.url = ""
        while len(self.keys) < 4:  # SIM's and DEMO's lines of the first key, then the other two
            line = (self.simulator.stdout or iter(())).readline()  # type: ignore[union-attr]
            assert line, "the simulator did not start"
            self.url = line.partition("=")[2].strip() if line.startswith("SIM_URL=") else self.url
            if re.match(r"\w+_KEYID=", line):
                self.keys.append(line.partition("=")[2].strip())
        self.processes: list[subprocess.Popen[str]] = []

    def use(self, folder: Path, key: int, environment: str = "DEMO") -> None:
        """Write `.env`: which of the three keys a folder's bot has."""
        key_id = {1: self.keys[0], 2: self.keys[2], 3: self.keys[3]}[key]
        values = {"URL": self.url, "KEYID": key_id, "KEYFILE": self.path / f"key-{key}.pem"}
        lines = [f"{environment}_{name}={value}\n" for name, value in values.items()]
        (folder / ".env").write_text("".join(lines))

    def env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.path), "PYTHONUNBUFFERED": "1"}

    def start(self, folder: Path, environment: str = "DEMO") -> subprocess.Popen[str]:
        code = ON.format(environment, FAST)
        bot = python(folder, "-c", code, env=self.env(), stdin=subprocess.DEVNULL, preexec_fn=heed_signals)
        self.processes.append(bot)
        return bot

    def quoting(self, folder: Path, environment: str = "DEMO") -> subprocess.Popen[str]:
        """A bot that runs in a folder and has quoted."""
        since = len(read(folder / "trade.log"))
        bot = self.start(folder, environment)
        wait_for(lambda: "[CYCLE] Number: 1 " in read(folder / "trade.log")[since:], 30, "first cycle")
        return bot

    def type(self, folder: Path, command: str, environment: str = "DEMO") -> tuple[int, str]:
        """Type `main.py COMMAND --yes` in a folder. Returns the exit code and the output."""
        words = [command] if command in ("status", "doctor") else [command, "--yes"]
        done = python(folder, "-c", COMMAND.format(environment), *words, env=self.env())
        said, _ = done.communicate(timeout=60)
        return done.returncode, said

    def close(self) -> None:
        for process in (*self.processes, self.simulator):
            process.kill()
            process.communicate()


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Callable[..., Folders]]:
    opened: list[Folders] = []

    def begin(*options: str) -> Folders:
        opened.append(Folders(tmp_path, *options))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def test_cancel_all_in_the_wrong_folder_stops_the_bot(folders: Callable[..., Folders]) -> None:
    """The bot runs in the first folder. `cancel-all` in the second one, with another key of the same user, halts
    it and says where it runs. `resume` there, with the same key, lets it trade again. A second bot is turned
    away."""
    both = folders()
    both.use(both.first, 1)
    both.use(both.second, 2)
    bot = both.quoting(both.first)
    second = both.start(both.second)
    assert second.wait(timeout=20) == 2
    log = read(both.second / "trade.log")
    assert f"Another bot trades on this account, with another key: process {bot.pid}" in log
    assert "[CANCEL ORDER]" not in log
    since = len(read(both.first / "trade.log"))
    code, said = both.type(both.second, "cancel-all")
    assert code == 0, said
    assert f"It runs as process {bot.pid}, since " in said
    assert f", in {both.first}." in said
    wait_for(lambda: "[HALT]" in read(both.first / "trade.log")[since:], 20, "halt")
    both.use(both.second, 1)
    told = both.type(both.second, "status")[1]
    assert "HALTED since " in told
    assert f"(process {bot.pid}, " in told
    since = len(read(both.first / "trade.log"))
    code, said = both.type(both.second, "resume")
    assert (code, f"process {bot.pid}" in said) == (0, True), said
    wait_for(lambda: "[CYCLE]" in read(both.first / "trade.log")[since:], 20, "new cycle")
    assert stop(bot, signal.SIGINT)[0] == 0
    assert "was killed" not in read(both.first / "trade.log")


def test_a_bot_that_goes_on_is_named_and_fails_the_command(folders: Callable[..., Folders]) -> None:
    """A command reaches the account of its own folder's key and environment. A bot that trades elsewhere goes on,
    and the command says where."""
    both = folders()
    both.use(both.first, 1)
    bot = both.quoting(both.first)
    both.use(both.second, 3)
    since = len(read(both.first / "trade.log"))
    goes_on = f"A BOT GOES ON: DEMO, process {bot.pid}, "
    code, said = both.type(both.second, "cancel-all", "SIM")  # a copy as it was unpacked
    assert (code, goes_on in said, f", in {both.first}" in said) == (1, True, True), said
    both.use(both.second, 1)
    (both.path / ".kalshi-bot" / "accounts.db").rename(both.path / "accounts.db")
    (both.path / ".kalshi-bot" / "accounts.db").mkdir()
    code, said = both.type(both.second, "cancel-all")
    assert (code, goes_on in said) == (1, True), said
    assert "[HALT]" not in read(both.first / "trade.log")[since:]


def test_with_real_money_nothing_starts_without_a_state_folder(tmp_path: Path) -> None:
    """PROD exits with 2 and one line, and sends nothing: no exchange is there to answer."""
    folder = copy_of_the_product(tmp_path / "only")
    (tmp_path / ".kalshi-bot").write_text("not a folder")
    read_or_make(tmp_path / "key.pem", make_ed25519=True)
    address = "PROD_URL=http://127.0.0.1:9/trade-api/v2"
    (folder / ".env").write_text(f"{address}\nPROD_KEYID=a-key\nPROD_KEYFILE={tmp_path / 'key.pem'}\n")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    bot = python(folder, "-c", ON.format("PROD", FAST), env=env, stdin=subprocess.DEVNULL)
    said, _ = bot.communicate(timeout=20)
    assert (bot.returncode, len(said.splitlines())) == (2, 1), said
    assert ".kalshi-bot" in said
    assert "Nothing was sent" in said
