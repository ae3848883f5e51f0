"""Two copies of the bot in homes of their own, as on two machines, on one account: no lock sees both."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.harness import read_variables
from simulator.people import EVERYBODY
from tests.support.processes import python, read, wait_for
from tests.support.project import PROJECT, copy_of_the_product

BEGIN = (
    "import market_bot as m; m.env = m.Environment.{}; m.WAIT_TIME = {}; m.EXPIRATION_TS = 0.5; "
    "m.TRADE_SIZE = m.AUTO; m.MAX_CAPITAL = 500; m.MAX_EVENT_LOSS = 250; m.FILL_COST = 0; "
    "raise SystemExit(m.main())"
)
"""With sizes that are paid, as real money needs them. On a busy machine a cycle takes seconds: the second start
sees a renewal because it waits until shortly before the orders expire."""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a copy of the bot in a home of its own, on a simulator that all copies share."""
    command = [sys.executable, "-m", "simulator", "--port", "0", "--ed25519", "--programs", "20"]
    command += ["--key-file", str(tmp_path / "sim.pem"), "--without", ",".join(EVERYBODY)]
    simulator = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    variables = read_variables(simulator)
    running = [simulator]

    def begin(name: str, *more: str, environment: str = "SIM", wait: float = 1) -> subprocess.Popen[str]:
        home = tmp_path / name
        if not home.exists():
            copy_of_the_product(home)
        lines = (f"{key.replace('SIM', environment)}={value}\n" for key, value in variables.items())
        (home / ".env").write_text("".join(lines))
        running.append(python(home, "-c", BEGIN.format(environment, wait), *more, stdin=subprocess.DEVNULL))
        return running[-1]

    yield begin
    for process in reversed(running):
        process.kill()
        process.communicate()


def test_a_second_machine_does_not_start_beside_a_running_bot(tmp_path: Path, start: Start) -> None:
    """Exit code 2, also with --yes and real money, and the first bot goes on undisturbed."""
    log = tmp_path / "one" / "trade.log"
    start("one", "--yes", environment="PROD")
    wait_for(lambda: "[CYCLE] Number: 2 " in read(log), 60, "quotes")
    second = start("two", "--yes", environment="PROD")
    output, _ = second.communicate(timeout=90)
    assert second.returncode == 2, output
    assert "[STOP] Another bot trades on this account: it renewed or placed orders in" in output
    assert "[NEW SESSION]" not in output
    assert "[CANCEL ORDER]" not in output
    cycles = read(log).count("[CYCLE]")
    wait_for(lambda: read(log).count("[CYCLE]") > cycles + 1, 60, "more cycles of the first")
    assert "[ERROR]" not in read(log)
