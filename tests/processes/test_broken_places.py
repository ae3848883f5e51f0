"""The real bot while its files vanish and its machine runs short, one accident after the other."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.harness import read_variables
from ledger.ledger import Ledger
from simulator.people import EVERYBODY
from tests.support.processes import python, read, stop, wait_for
from tests.support.project import PROJECT, copy_of_the_product
from tests.support.raw_client import sell_all

if sys.platform != "linux":
    pytest.skip("limits of a running process can be set on Linux only", allow_module_level=True)

BEGIN = (
    "from runtime import preflight; preflight.prepare('market_bot'); import market_bot as m, bot.recovery as r; "
    "m.env = m.Environment.DEMO; r.RETRY_SECONDS = 0.3; m.WAIT_TIME = 1; m.EXPIRATION_TS = 60; m.SCAN_TIME = 3; "
    "raise SystemExit(m.main())"
)

NO_HANDLES, NO_BYTES = (resource.RLIMIT_NOFILE, 3), (resource.RLIMIT_FSIZE, 0)


class Place:
    """A bot in a folder, with a home, on a simulator of its own. `said`: what it printed."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        command = [sys.executable, "-m", "simulator", "--port", "0", "--ed25519", "--tier", "expert", *options]
        command += ["--key-file", str(path / "sim.pem"), "--without", ",".join(EVERYBODY)]
        self._simulator = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        variables = read_variables(self._simulator)
        sell_all(variables)
        self._dotenv = "".join(f"{key.replace('SIM', 'DEMO')}={value}\n" for key, value in variables.items())
        self.folder, self.state = self.copy("first"), path / ".kalshi-bot"
        self.log, self.ledger = self.folder / "trade.log", self.folder / "trade-demo.db"
        self.bot, self._lines = self.start(self.folder), list[str]()
        threading.Thread(target=lambda: self._lines.extend(self.bot.stdout or ()), daemon=True).start()

    def copy(self, name: str) -> Path:
        folder = copy_of_the_product(self.path / name)
        (folder / ".env").write_text(self._dotenv)
        return folder

    def start(self, folder: Path) -> subprocess.Popen[str]:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.path), "PYTHONUNBUFFERED": "1"}
        return python(folder, "-c", BEGIN, env=env, stdin=subprocess.DEVNULL)

    @property
    def said(self) -> str:
        return "".join(self._lines)

    def wait_for(self, said: str, count: int = 1) -> None:
        wait_for(lambda: len(re.findall(said, self.said)) >= count, 20, said)

    def trades_on(self) -> None:
        """Two more cycles, the second of which began after now."""
        self.wait_for(r"\[CYCLE\]", len(re.findall(r"\[CYCLE\]", self.said)) + 2)

    def handles(self) -> int:
        return len(list(Path(f"/proc/{self.bot.pid}/fd").iterdir()))

    @contextmanager
    def lacking(self, limit: int, value: int) -> Iterator[None]:
        soft, hard = resource.prlimit(self.bot.pid, limit)
        resource.prlimit(self.bot.pid, limit, (value, hard))
        yield
        if self.bot.poll() is None:
            resource.prlimit(self.bot.pid, limit, (soft, hard))

    def remove_ledger(self) -> None:
        for file in self.folder.glob(f"{self.ledger.name}*"):
            file.unlink()

    def close(self) -> None:
        for process in (self.bot, self._simulator):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[int], Place]]:
    """Starts a bot on a board of some programs."""
    begun: list[Place] = []

    def start(programs: int) -> Place:
        begun.append(Place(tmp_path, "--programs", str(programs)))
        return begun[-1]

    yield start
    for place in begun:
        place.close()


def test_lost_files_and_lacks_do_not_take_the_bot_down(begin: Callable[[int], Place]) -> None:
    """Each accident is one line. The bot then trades on, a second bot does not start, and Ctrl-C ends it clean."""
    place = begin(12)
    place.wait_for(r"\[OPEN ORDER\]")
    handles = place.handles()

    shutil.rmtree(place.state)
    place.remove_ledger()
    place.wait_for(r"Locks: \S+, \S+: removed while the bot ran; it holds them again")
    place.wait_for("trade-demo.db was removed while the bot ran; it is written again")
    second = place.copy("second")
    refused = place.start(second)
    said, _ = refused.communicate(timeout=20)
    assert (refused.returncode, len(said.splitlines())) == (2, 1), said
    assert f"Another bot trades on this account: process {place.bot.pid}," in said

    with place.lacking(*NO_BYTES):
        place.wait_for("The ledger trade-demo.db cannot be written")
        place.wait_for("trade.log cannot be written")
    place.wait_for("Ledger: is written again")
    assert "entries are missing here: the log could not be written" in read(place.log)

    with place.lacking(*NO_HANDLES):
        place.remove_ledger()
        place.log.unlink()
        place.wait_for("trade-demo.db cannot be written again, after it was removed")
        place.wait_for(r"\[OUTAGE\]")
    place.wait_for("was removed while the bot ran; it is written again", 2)
    place.wait_for(r"\[NEW SESSION\]", 2)
    place.trades_on()
    assert place.handles() <= handles
    assert len(re.findall(r"\[ERROR\]|WARNING", place.said)) == 4, "one for each file that could not be written"

    with place.lacking(*NO_BYTES), place.lacking(*NO_HANDLES):
        code, _ = stop(place.bot)
    ends = {0: "None of our orders rests any more", 3: "OUR ORDERS MAY STILL REST until"}
    assert ends[code] in place.said.splitlines()[-1], "3 if the exchange closed the connection: there is no handle"
    assert "Traceback" not in place.said
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        assert len(ledger.tags()) == 1, "the next start knows whose orders these were"
        assert ledger.orders(), "and those of before the accidents"


def test_without_memory_ctrl_c_still_cancels(begin: Callable[[int], Place]) -> None:
    """The process may have no more memory than it has, and reads a long board."""
    place = begin(500)
    place.wait_for(r"\[OPEN ORDER\]")
    has = re.search(r"VmSize:\s+(\d+) kB", Path(f"/proc/{place.bot.pid}/status").read_text())
    assert has
    with place.lacking(resource.RLIMIT_AS, int(has[1]) * 1024):
        place.wait_for("no memory left|MemoryError")
        code, _ = stop(place.bot)
    ends = {0: "None of our orders rests any more", 3: "OUR ORDERS MAY STILL REST until"}
    assert ends[code] in place.said.splitlines()[-1], "3 if the exchange closed the connection: there is no handle"
    assert "Traceback" not in place.said
    assert place.said.count("[ERROR]") <= 2, "at most one more while it stops"
