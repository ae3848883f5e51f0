"""This machine lacks something while the bot trades: quotes are kept up or given up, and nothing is lost."""

from __future__ import annotations

import errno
import gc
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import requests

from bot.recovery import attempt
from exchange.errors import Recovery
from ledger.account_state import FILE_NAME
from ledger.database import LedgerError
from runtime.lock import state_folder
from tests.support.bench import STILL, Bench, MakeBench, assert_quoting_once, fill_quote, own_resting, trade_cycles
from tests.support.project import PROJECT
from tests.support.statements import assert_as_stated

pytestmark = pytest.mark.slow


# -- no room, no handles, no permission to write ---------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a file system can be mounted here only by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    filler = os.open(disk / "filler", os.O_CREAT | os.O_WRONLY)
    for size in (65_536, 4_096, 1):
        try:
            while True:
                os.write(filler, b"x" * size)
        except OSError as error:
            assert error.errno == errno.ENOSPC
    os.close(filler)
    try:
        yield
    finally:
        (disk / "filler").unlink()


@contextmanager
def no_growth(bench: Bench) -> Iterator[None]:
    """The ledger may not grow, as on a full disk, wherever the test runs."""
    bench.limit_ledger(pages=1)
    yield
    bench.limit_ledger(pages=1 << 30)


@contextmanager
def read_only(bench: Bench) -> Iterator[None]:
    bench.let_ledger_write(False)
    yield
    bench.let_ledger_write(True)


@contextmanager
def no_handles(_: Bench) -> Iterator[None]:
    """This process can open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


PLACES: list[Callable[[Bench], AbstractContextManager[None]]] = [no_growth, read_only, no_handles]


def trade_through(bench: Bench, trouble: AbstractContextManager[None]) -> None:
    """Three cycles in trouble with a fill, then one without."""
    trade_cycles(bench, 2)
    resting = len(bench.resting())
    with trouble:
        fill_quote(bench)
        trade_cycles(bench, 3)
        assert len(bench.resting()) >= resting - 1, "quotes are renewed meanwhile"
    trade_cycles(bench, 2)
    assert len(bench.events("ERROR")) <= 1
    assert len([line for line in bench.events("INFO") if "Warning" in line]) <= 1
    assert_as_stated(bench)


def stop_in(bench: Bench, trouble: AbstractContextManager[None]) -> None:
    """A fill, and Ctrl-C, in trouble; then a new process."""
    bench.run(cycles=2)
    with trouble:
        fill_quote(bench)
        assert bench.run(cycles=1, end=KeyboardInterrupt) == 0
        assert own_resting(bench) == []
    bench.restart()
    trade_cycles(bench, 2)
    assert_as_stated(bench)


@pytest.mark.parametrize("then", [trade_through, stop_in])
@pytest.mark.parametrize("trouble", PLACES)
def test_a_fill_is_not_lost_while_nothing_can_be_written(
    make_bench: MakeBench,
    trouble: Callable[[Bench], AbstractContextManager[None]],
    then: Callable[[Bench, AbstractContextManager[None]], None],
) -> None:
    bench = make_bench(programs=12, **STILL)
    then(bench, trouble(bench))


@pytest.mark.parametrize("then", [trade_through, stop_in])
def test_a_fill_is_not_lost_while_the_disk_is_full(
    make_bench: MakeBench,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    then: Callable[[Bench, AbstractContextManager[None]], None],
) -> None:
    """The ledger and the account's state are on it."""
    monkeypatch.setenv("HOME", str(small_disk))
    bench = make_bench(programs=12, **STILL)
    bench.ledger_file = small_disk / "trade-sim.db"
    bench.restart()
    then(bench, full(small_disk))


def test_a_bot_that_cannot_write_its_tag_places_nothing(make_bench: MakeBench, small_disk: Path) -> None:
    """After a crash its orders could not be told from another bot's. At a start, the error says what to do."""
    bench = make_bench(programs=12, who=())
    bench.ledger_file = small_disk / "trade-sim.db"
    bench.restart()
    bench.run(cycles=1)
    bench.restart()
    with full(small_disk):
        bench.run(cycles=5)
        assert own_resting(bench) == []
        assert len(bench.events("ERROR")) == len(bench.events("OUTAGE")) == 1
        assert len([line for line in bench.events("INFO") if "Ledger:" in line]) == 1, "that of the first start"
    bench.end()
    with full(small_disk), pytest.raises(LedgerError, match="disk may be full"):
        bench.restart()
    bench.restart()
    bench.run(cycles=1)
    assert_quoting_once(bench)


def test_a_state_that_fails_in_several_ways_is_told_once(make_bench: MakeBench) -> None:
    bench = make_bench(programs=12, who=())
    file = state_folder() / FILE_NAME
    bench.run(cycles=1)
    for break_it in (lambda: file.mkdir(), lambda: (file.rmdir(), file.write_bytes(b"x" * 9_000))):
        file.unlink(missing_ok=True) if file.is_file() else None
        break_it()
        bench.run(cycles=2)
    assert len([line for line in bench.events("INFO") if "goes on with its ledger alone" in line]) == 1
    file.unlink()
    bench.bot.session.account_state.check()
    bench.run(cycles=2)
    assert len([line for line in bench.events("INFO") if "can be read and written again" in line]) == 1
    assert_quoting_once(bench)


def handles() -> int:
    gc.collect()  # earlier tests' leavings
    return len(list(Path("/proc/self/fd").iterdir()))


def test_handles_do_not_leak_over_failing_cycles(make_bench: MakeBench) -> None:
    bench = make_bench(programs=12, who=())
    bench.run(cycles=2)
    file, before = state_folder() / FILE_NAME, handles()
    for _ in range(2):
        with no_handles(bench):
            bench.run(cycles=2)
        file.unlink(missing_ok=True)
        bench.ledger_file.unlink()
        bench.wire.fault = cut
        bench.run(cycles=3)
        bench.wire.fault = None
        bench.run(cycles=2)
    assert handles() <= before


def cut(request: requests.PreparedRequest, number: int) -> None:
    if number % 3 == 0:
        raise requests.exceptions.ConnectionError("cut", request=request)


# -- no memory -------------------------------------------------------------------------------------------------


WRITES = ("POST", "PUT", "DELETE")


@pytest.mark.parametrize("is_write", [False, True])
def test_a_lack_of_memory_ends_a_cycle_and_not_the_bot(make_bench: MakeBench, is_write: bool) -> None:
    """Each kind of request of three cycles once, after the exchange has carried it out: no order rests twice."""
    bench = make_bench(programs=12, who=())
    seen = set[str]()

    def lacks(request: requests.PreparedRequest, _: int) -> None:
        kind = f"{request.method} {(request.path_url or '').partition('?')[0].rpartition('/')[2]}"
        if (request.method in WRITES) == is_write and kind not in seen:
            seen.add(kind)
            raise MemoryError

    bench.wire.after = lacks
    bench.run(cycles=14)
    assert len(seen) >= (3 if is_write else 10), seen
    bench.wire.after = None
    bench.run(cycles=2)
    assert_quoting_once(bench)
    assert "Bug in the bot" not in bench.log
    assert "Traceback" not in bench.log


OPEN = "import sqlite3; from pathlib import Path; from ledger.database import Database, LedgerError\n"


def run(script: str, *arguments: object) -> None:
    """Run Python in a process of its own, whose limits no other test has."""
    command = [sys.executable, "-c", OPEN + script, *map(str, arguments)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_ledger_without_memory_is_an_error_of_the_ledger(tmp_path: Path) -> None:
    run(
        "import sys; data = Database(Path(sys.argv[1]))\n"
        "data.rows('PRAGMA hard_heap_limit = 400000')\n"
        "try: data.rows('SELECT randomblob(5000000)')\n"
        "except LedgerError as error: assert 'no memory' in str(error), error\n"
        "else: raise SystemExit('it had the memory')\n",
        tmp_path / "trade.db",
    )


def test_the_folder_of_temporary_files_is_not_needed(tmp_path: Path) -> None:
    """It is full or missing: SQLite sorts in memory."""
    run(
        "import os, sys; data = Database(Path(sys.argv[1]))\n"
        "with data.transaction() as db:\n"
        "    for day in range(3000): db.execute('INSERT INTO days VALUES (?)', (f'{day:0900}',))\n"
        "db.execute('PRAGMA cache_size = 5')\n"
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 9))\n"
        "assert len(data.rows('SELECT day FROM days ORDER BY substr(day, 890), day DESC')) == 3000\n",
        tmp_path / "trade.db",
    )


# -- what is told ----------------------------------------------------------------------------------------------


def failing(error: BaseException) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step


LACKING = [
    (OSError(errno.EMFILE, "Too many open files", "/a"), "ulimit -n"),
    (OSError(errno.ENFILE, "Too many open files in system"), "end programs that you do not need"),
    (OSError(errno.ENOSPC, "No space left on device"), "make room"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "make room"),
    (OSError(errno.EROFS, "Read-only file system"), "mount it writable"),
    (OSError(errno.EIO, "Input/output error"), "damaged"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "end programs"),
    (PermissionError(errno.EACCES, "Permission denied", "/a"), "readable and writable to you"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "/a"), "put it back"),
    (OSError("without a number"), "without a number"),
    (MemoryError(), "no memory left"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "told"), LACKING)
def test_what_the_machine_lacks_is_told_with_its_remedy(error: Exception, told: str) -> None:
    failure = attempt(failing(error))
    assert failure is not None
    assert told in failure.text
    assert "Bug" not in failure.text
    assert failure.details == (), "one line, no traceback"
    assert failure.recovery is Recovery.RETRY


def test_a_bug_is_still_told_as_one() -> None:
    failure = attempt(failing(KeyError("x")))
    assert failure is not None
    assert "Bug in the bot" in failure.text
    assert any("Traceback" in line for line in failure.details)
