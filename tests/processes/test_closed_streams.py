"""Real processes whose stdin, stdout or stderr is closed, full, or loses its reader."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks.harness import read_variables
from tests.support.processes import heed_signals, killed_at_the_end, python, read, stop, wait_for
from tests.support.project import PROJECT, copy_of_the_product

Start = Callable[..., subprocess.Popen[Any]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python in a folder, with some standard streams closed; what still runs at the end is killed."""
    with killed_at_the_end() as running:

        def begin(
            folder: Path, *arguments: str, closed: tuple[int, ...] = (), **options: Any
        ) -> subprocess.Popen[Any]:
            def close_some() -> None:
                heed_signals()
                for number in closed:
                    os.close(number)

            buffered = {"PATH": os.environ["PATH"], "HOME": str(folder)}
            usual: dict[str, Any] = {"stdin": subprocess.DEVNULL, "env": buffered, "preexec_fn": close_some}
            running.append(python(folder, *arguments, **(usual | options)))
            return running[-1]

        yield begin


@pytest.fixture
def pipe_without_reader() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_the_bot_needs_no_output(tmp_path: Path, start: Start, pipe_without_reader: int) -> None:
    """Closed, or a pipe without a reader and a full device: the log has everything from the first line to the
    last, Ctrl-C ends the bot with 0, and no file or socket got the number of a closed stream."""
    full = os.open("/dev/full", os.O_WRONLY)
    ways: dict[str, dict[str, Any]] = {
        "closed": {"closed": (0, 1), "stderr": subprocess.PIPE},
        "no reader": {"stdout": pipe_without_reader, "stderr": full},
    }
    folders = {name: copy_of_the_product(tmp_path / name.replace(" ", "-")) for name in ways}
    bots = {name: start(folders[name], "market_bot.py", **way) for name, way in ways.items()}
    os.close(full)
    logs = {name: folder / "trade.log" for name, folder in folders.items()}
    for name in ways:
        wait_for(lambda name=name: "[CYCLE] Number: 1 " in read(logs[name]), 40, name)  # type: ignore[misc]
    streams = Path("/proc") / str(bots["closed"].pid) / "fd"
    if streams.exists():
        assert {str((streams / str(number)).readlink()) for number in (0, 1)} == {"/dev/null"}
    for name, bot in bots.items():
        code, seconds = stop(bot)
        assert (name, code, seconds < 4) == (name, 0, True), f"exit {code} after {seconds:.1f} s"
        lines = read(logs[name]).splitlines()
        assert "[START]" in lines[0], name
        assert "[SHUTDOWN] None of our orders rests any more" in lines[-1], name
        assert "Traceback" not in read(logs[name]), name
    assert bots["closed"].communicate()[1] == ""


def test_a_failed_start_needs_no_output(clone: Path, start: Start, pipe_without_reader: int) -> None:
    """A typo in the settings is exit code 2, whether or not somebody can read why."""
    program = clone / "market_bot.py"
    program.write_text(program.read_text().replace("\nWAIT_TIME = 60\n", "\nWAIT_TIME = sixty\n"))
    runs = {
        "closed": start(clone, "market_bot.py", closed=(0, 1, 2)),
        "no reader": start(clone, "market_bot.py", stdout=pipe_without_reader, stderr=pipe_without_reader),
    }
    told = start(clone, "market_bot.py", closed=(0, 1), stdout=None, stderr=subprocess.PIPE)
    assert {name: process.wait(20) for name, process in runs.items()} == dict.fromkeys(runs, 2)
    line = told.communicate(timeout=20)[1]
    assert (told.returncode, line.count("\n")) == (2, 1)
    assert "WAIT_TIME = sixty" in line


class Account:
    """A served exchange with a resting order of a person, and the variables of its key."""

    def __init__(self, folder: Path) -> None:
        self.errors = folder / "simulator-stderr.txt"
        command = [sys.executable, "-m", "simulator", "--port", "0", "--ed25519", "--programs", "20"]
        command += ["--key-file", str(folder / "sim.pem"), "--without", "informed,noise,rivals,sweeps"]
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=errors, text=True, preexec_fn=heed_signals
            )
        self.variables = read_variables(self.process)
        self._root = self.variables["SIM_URL"].rpartition("/trade-api")[0]

    def resting(self) -> int:
        """The number of the account's resting orders."""
        orders = requests.get(f"{self._root}/simulator/statement", timeout=10).json()["orders"]
        return sum(order["status"] == "resting" for order in orders)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    served = Account(tmp_path)
    yield served
    served.process.kill()
    served.process.wait()


def test_commands_do_their_work_when_nobody_reads(
    clone: Path, account: Account, start: Start, pipe_without_reader: int
) -> None:
    """The simulator serves on after the reader of its lines left, and without a traceback. `cancel-all` cancels
    everything although its first line cannot be written. Output lost on a full disk is exit code 1 and a line."""
    assert account.process.stdout is not None
    account.process.stdout.close()
    (clone / ".env").write_text("".join(f"{name}={value}\n" for name, value in account.variables.items()))
    assert account.resting() > 0

    near, far = pty.openpty()
    with Path("/dev/full").open("w") as full:
        looks = {
            "full": start(clone, "main.py", "status", "--json", stdout=full, stderr=subprocess.PIPE),
            "unasked": start(clone, "main.py", "cancel-all", closed=(1,), stdin=far, stderr=subprocess.PIPE),
        }
    said = {name: process.communicate(timeout=30)[1] for name, process in looks.items()}
    assert {name: process.returncode for name, process in looks.items()} == {"full": 1, "unasked": 2}, said
    assert said["full"] == (
        "main: the output could not be written (No space left on device). The command ran to its end\n"
    )
    assert said["unasked"].startswith("main: nothing was done: there is no keyboard to confirm it, or no place")
    assert account.resting() > 0, "nothing was done without an agreement"
    os.close(near)
    os.close(far)

    cancel = start(clone, "main.py", "cancel-all", "--yes", stdout=pipe_without_reader, stderr=subprocess.PIPE)
    assert cancel.communicate(timeout=30)[1] == ""
    assert cancel.returncode == 0
    assert account.resting() == 0
    account.process.send_signal(signal.SIGINT)
    assert account.process.wait(10) == 0
    assert account.errors.read_text() == ""
