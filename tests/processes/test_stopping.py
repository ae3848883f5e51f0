"""The real process, stopped, killed and started again, as a person or a machine does it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks.harness import read_variables
from runtime.lock import AlreadyRuns, Lock, account_file
from simulator.people import EVERYBODY
from tests.support.processes import heed_signals, killed_at_the_end, python, read, stop, wait_for
from tests.support.project import PROJECT
from tests.support.raw_client import sell_all
from tests.support.statements import own_orders

ON = (
    "from runtime import preflight; preflight.prepare('market_bot'); import market_bot as m; "
    "m.env = m.Environment.{}; {}; raise SystemExit(m.main())"
)
QUICK = 2.0
"""Seconds that stopping may take where the network answers."""

SLOWLY = "m.WAIT_TIME = 30"

Run = Callable[..., subprocess.Popen[str]]


class Served:
    """A simulator in a process of its own. `is_used`: whether its account holds positions. If there are faults, it
    does."""

    def __init__(
        self, folder: Path, *options: str, faults: list[dict[str, Any]] | None = None, is_used: bool = False
    ) -> None:
        script = folder / "faults.json"
        script.write_text(json.dumps(faults or []))
        command = [sys.executable, "-m", "simulator", "--port", "0", "--ed25519", "--programs", "20"]
        command += ["--key-file", str(folder / "sim.pem"), "--faults", str(script)]
        command += ["--without", ",".join(EVERYBODY), *options]
        self.process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        self._variables = read_variables(self.process)
        if not (faults or is_used):
            sell_all(self._variables)

    def env(self, environment: str) -> str:
        return "".join(f"{name.replace('SIM', environment)}={value}\n" for name, value in self._variables.items())

    def resting(self) -> list[dict[str, Any]]:
        """What rests of the bot's by the simulator's own word."""
        root = self._variables["SIM_URL"].rpartition("/trade-api")[0]
        orders = requests.get(f"{root}/simulator/statement", timeout=10).json()["orders"]
        return [order for order in own_orders(orders) if order["status"] == "resting"]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    opened: list[Served] = []

    def begin(*options: str, **more: Any) -> Served:
        opened.append(Served(tmp_path, *options, **more))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


@pytest.fixture
def run(clone: Path) -> Iterator[Run]:
    """Starts the bot in the clone, on a served simulator, a group of its own as a shell makes one."""
    with killed_at_the_end() as running:

        def begin(
            served: Served | None = None, change: str = "pass", environment: str = "SIM", **options: Any
        ) -> Any:
            if served is not None:
                (clone / ".env").write_text(served.env(environment))
            is_shipped = (change, environment) == ("pass", "SIM")
            command = ["market_bot.py"] if is_shipped else ["-c", ON.format(environment, change)]
            running.append(python(clone, *command, **({"stdin": subprocess.DEVNULL} | options)))
            return running[-1]

        yield begin


def quoting(clone: Path, since: int = 0) -> Callable[[], bool]:
    return lambda: "[CYCLE] Number: 1 " in read(clone / "trade.log")[since:]


def test_each_stop_signal_leaves_no_order_resting(clone: Path, serve: Callable[..., Served], run: Run) -> None:
    """Ctrl-C, a polite kill (SIGTERM) and a closed terminal each end the bot quickly with exit 0. No order
    rests, nothing is held, and the log names the way."""
    served = serve()
    for number, why in (
        (signal.SIGINT, "Ctrl-C"),
        (signal.SIGTERM, "SIGTERM"),
        (signal.SIGHUP, "its terminal was"),
    ):
        since = len(read(clone / "trade.log"))
        bot = run(served)
        wait_for(quoting(clone, since), 30, "first cycle")
        assert len(served.resting()) > 2
        code, seconds = stop(bot, number)
        assert (code, seconds < QUICK) == (0, True), f"{why}: exit {code} after {seconds:.1f} s"
        assert served.resting() == []
        told = read(clone / "trade.log")[since:]
        assert f"[INFO] Stopping: {why}" in told
        assert "[SHUTDOWN] None of our orders rests any more; no positions are held" in told
        assert "was killed" not in told
    assert (clone / "trade.lock").read_text() == ""


def test_a_terminal_that_is_closed_is_noticed_by_itself(
    clone: Path, serve: Callable[..., Served], run: Run
) -> None:
    served = serve()
    near, far = pty.openpty()
    terminal = dict.fromkeys(("stdin", "stdout", "stderr"), far)

    def sit_at_it() -> None:
        import fcntl
        import termios

        heed_signals()
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    bot = run(served, **terminal, preexec_fn=sit_at_it)
    os.close(far)
    wait_for(lambda: bool(os.read(near, 65_536)) and quoting(clone)(), 30, "first cycle")
    began = time.monotonic()
    os.close(near)
    assert bot.wait(timeout=20) == 0
    assert time.monotonic() - began < QUICK
    assert served.resting() == []
    assert "[INFO] Stopping: its terminal was closed" in read(clone / "trade.log")


def test_stopping_does_not_wait_for_an_answer_that_does_not_come(
    clone: Path, serve: Callable[..., Served], run: Run
) -> None:
    hangs = {"do": "timeout_before", "on": "GET /markets/orderbooks", "skip": 8, "times": 1}
    served = serve(faults=[hangs])
    bot = run(served, "m.WAIT_TIME = 2")
    wait_for(lambda: "[CYCLE] Number: 1 " in read(clone / "trade.log"), 30, "first cycle")
    wait_for(lambda: _silent(clone, 3.0), 30, "silence")
    code, seconds = stop(bot, signal.SIGTERM)
    assert (code, seconds < QUICK) == (0, True), f"exit {code} after {seconds:.1f} s"
    assert served.resting() == []


def _silent(clone: Path, seconds: float) -> bool:
    return time.time() - (clone / "trade.log").stat().st_mtime > seconds


def test_stopping_does_not_wait_for_the_rate_limit(clone: Path, serve: Callable[..., Served], run: Run) -> None:
    served = serve("--programs", "3000")
    bot = run(served)
    wait_for(lambda: "[NEW SESSION]" in read(clone / "trade.log"), 30, "session")
    time.sleep(2.0)
    assert "[CYCLE]" not in read(clone / "trade.log"), "reads the board, as fast as the limit allows"
    code, seconds = stop(bot, signal.SIGINT)
    assert (code, seconds < QUICK) == (0, True), f"exit {code} after {seconds:.1f} s"


def test_a_second_ctrl_c_stops_at_once(clone: Path, serve: Callable[..., Served], run: Run) -> None:
    """If the exchange hangs, a deliberate second Ctrl-C ends the bot within a second with exit 3. The log says how
    many orders may still rest, until when, and what to do. What comes in the first second, or is no Ctrl-C, does
    not count."""
    served = serve()
    bot = run(served, SLOWLY)
    wait_for(quoting(clone), 30, "first cycle")
    served.process.send_signal(signal.SIGSTOP)
    bot.send_signal(signal.SIGINT)
    wait_for(lambda: "Stopping: Ctrl-C" in read(clone / "trade.log"), 5, "first answer")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        time.sleep(0.1)
        bot.send_signal(number)
    time.sleep(1.2)
    assert bot.poll() is None
    code, seconds = stop(bot, signal.SIGINT)
    assert (code, seconds < 1.0) == (3, True), f"exit {code} after {seconds:.1f} s"
    (line,) = [line for line in read(clone / "trade.log").splitlines() if "[SHUTDOWN]" in line]
    assert re.search(r"OUR ORDERS MAY STILL REST until \d\d:\d\d:\d\d at the latest \(\d+ as far as", line)
    assert "Ctrl-C a second time" in line
    assert "main.py cancel-all" in line
    served.process.send_signal(signal.SIGCONT)


def test_an_exchange_that_is_gone_means_exit_3_and_a_time(
    clone: Path, serve: Callable[..., Served], run: Run
) -> None:
    served = serve()
    bot = run(served, SLOWLY)
    wait_for(quoting(clone), 30, "first cycle")
    served.close()
    code, _ = stop(bot, signal.SIGTERM, patience=30.0)
    assert code == 3
    assert "OUR ORDERS MAY STILL REST until" in read(clone / "trade.log").splitlines()[-1]


def listens(process: subprocess.Popen[str]) -> bool:
    """Whether the process answers SIGTERM by now, and is not killed by it: it runs code of ours."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")
def test_a_stop_during_the_start_ends_without_a_traceback(run: Run) -> None:
    """Ctrl-C or SIGTERM may come at any moment of the start, and the other in the same moment. The bot exits with
    0."""
    for number, delay in enumerate((0.0, 0.05, 0.15, 0.3, 0.6, 0.9)):
        bot = run()
        wait_for(lambda bot=bot: listens(bot), 10, "signal handler")  # type: ignore[misc]
        time.sleep(delay)
        for one in ((signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT))[number % 2]:
            bot.send_signal(one)
        said, _ = bot.communicate(timeout=10)
        assert bot.returncode == 0, said
        assert "Traceback" not in said, said


def test_a_stop_that_python_drops_is_raised_again() -> None:
    """What is raised while an object is cleaned up goes nowhere."""
    script = (
        "import os, signal, time; from runtime import signals as stopping\n"
        "stopping.heed()\n"
        "class Cleaned:\n"
        "    def __del__(self): os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.1)\n"
        "def step(): one = Cleaned(); del one; time.sleep(20)\n"
        "print('stopped by', stopping.until_stopped(step))\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=30, check=True
    )
    assert "Exception ignored" in done.stderr, "else this shows nothing"
    assert done.stdout == "stopped by SIGTERM\n"
    assert time.monotonic() - began < 5


# -- a machine that slept ----------------------------------------------------------------------------------------


def test_a_suspended_bot_looks_at_once_when_it_runs_again(
    clone: Path, serve: Callable[..., Served], run: Run
) -> None:
    """It says how long it did not run. A minute of waiting does not follow."""
    bot = run(serve())
    wait_for(quoting(clone), 20, "first orders")
    time.sleep(2)  # after the cycle's line it still reads what the report lacks; then it waits
    bot.send_signal(signal.SIGSTOP)
    time.sleep(7)
    bot.send_signal(signal.SIGCONT)
    wait_for(lambda: "[CYCLE] Number: 2 " in read(clone / "trade.log"), 8, "second cycle")
    (told,) = re.findall(
        r"Awake again: this process did not run for (\d+) s \(suspended", read(clone / "trade.log")
    )
    assert 5 <= int(told) <= 9
    assert stop(bot)[0] == 0


# -- with real money (on a simulator) ---------------------------------------------------------------------------


def test_real_money_is_announced_before_anything_is_touched(
    clone: Path, serve: Callable[..., Served], run: Run
) -> None:
    """The bot logs the limits and the worst case. The simulated account was in use, so the bot asks at the
    keyboard, where it can be stopped before it sends or cancels an order."""
    served = serve(is_used=True)
    near, far = pty.openpty()
    bot = run(served, environment="PROD", stdin=far)
    wait_for(lambda: "[FOUND POSITION]" in read(clone / "trade.log"), 30, "question")
    time.sleep(0.5)
    code, seconds = stop(bot, signal.SIGTERM)
    assert (code, seconds < QUICK) == (0, True), f"exit {code} after {seconds:.1f} s"
    os.close(near)
    os.close(far)
    log = read(clone / "trade.log")
    assert "Environment: PROD | Money: REAL MONEY" in log
    lines = [line for line in log.splitlines() if "[REAL MONEY]" in line]
    assert "Orders resting: 2 | Positions: 2" in lines[0]
    assert "MAX_CAPITAL: $100.00 | MAX_EVENT_LOSS: $20.00 | DAILY_LOSS_LIMIT: $25.00" in lines[1]
    assert "Worst case: $20.00 in one event, $100.00 if all goes wrong at once, $125.00 in a day" in lines[2]
    assert log.index("[REAL MONEY]") < log.index("[FOUND ORDER]")
    assert "[CANCEL ORDER]" not in log
    assert "[OPEN ORDER]" not in log


# -- one at a time ---------------------------------------------------------------------------------------------


def test_a_second_bot_is_turned_away(clone: Path, tmp_path: Path, serve: Callable[..., Served], run: Run) -> None:
    """A second bot exits with 2, sends nothing and leaves the log of the first alone. A killed bot keeps no
    other out: the next one replaces its orders."""
    served = serve()
    first = run(served, SLOWLY)
    wait_for(quoting(clone), 30, "first cycle")
    resting = {order["order_id"] for order in served.resting()}
    for change in ("pass", "from pathlib import Path; m.LOG_FILE = Path('elsewhere.log').absolute()"):
        second = run(served, change)
        said, _ = second.communicate(timeout=20)
        assert second.returncode == 2
        assert len(said.splitlines()) == 1
        assert f"process {first.pid}" in said
        assert "Nothing was sent" in said
    assert {order["order_id"] for order in served.resting()} == resting
    assert "Another bot" not in read(clone / "trade.log"), "the log of the one that runs is its own"
    first.kill()
    first.wait()
    since = len(read(clone / "trade.log"))
    third = run(served, SLOWLY)
    wait_for(quoting(clone, since), 30, "first cycle")
    assert f"The previous bot (process {first.pid}" in read(clone / "trade.log")[since:]
    assert resting.isdisjoint(order["order_id"] for order in served.resting())
    assert len(served.resting()) > 2
    assert stop(third, signal.SIGINT)[0] == 0


def test_another_account_may_trade_beside(tmp_path: Path) -> None:
    """A lock is one account's: by environment, key and subaccount. Its name does not tell the key."""
    accounts = (("DEMO", "a-key", 0), ("PROD", "a-key", 0), ("DEMO", "b-key", 0), ("DEMO", "a-key", 1))
    files = {account_file(*whose) for whose in accounts}
    assert len(files) == 4
    assert not any("key" in file.name for file in files)
    first = Lock(tmp_path / "one.lock", "trades on this account")
    Lock(tmp_path / "two.lock", "trades on this account").release()
    with pytest.raises(AlreadyRuns, match=f"process {os.getpid()}"):
        Lock(tmp_path / "one.lock", "trades on this account")
    first.release()
    again = Lock(tmp_path / "one.lock", "trades on this account")
    assert again.left_by == ""
    again.release()
