"""The ledger's file is removed or replaced while the bot runs: nothing is lost, and no halt is missed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.database import Database
from ledger.ledger import Ledger
from tests.support.bench import STILL, Bench, MakeBench, assert_quoting_once, fill_quote, own_resting, trade_cycles
from tests.support.statements import assert_as_stated

pytestmark = pytest.mark.slow


def remove(file: Path) -> None:
    for one in file.parent.glob(f"{file.name}*"):
        one.unlink()


def remove_the_file_alone(file: Path) -> None:
    file.unlink()


def rename(file: Path) -> None:
    file.rename(file.with_name("my-old-ledger.db"))


def an_interrupted_copy_is_left(file: Path) -> None:
    remove(file)
    file.with_name(f"{file.name}.new").write_bytes(b"half of it")


LOSSES: list[Callable[[Path], None]] = [remove, remove_the_file_alone, rename, an_interrupted_copy_is_left]


def facts(bench: Bench) -> list[Any]:
    book = bench.ledger
    return [book.begun, book.tags(), book.sessions(), book.fills(), book.orders(), book.seconds(), book.halts()]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_ledger_that_is_removed_is_written_again(make_bench: MakeBench, lose: Callable[[Path], None]) -> None:
    """With the next cycle its file is back, with all that was in it. The orders stay, and the next process knows
    them as its own."""
    bench = make_bench(programs=12, **STILL)
    bench.run(cycles=1)
    fill_quote(bench)
    bench.run(cycles=1)
    assert bench.ledger.fills()
    before, resting = facts(bench), {order.order_id for order in bench.resting()}
    lose(bench.ledger_file)
    bench.bot.session.open_ledger()
    assert facts(bench) == before
    assert {order.order_id for order in bench.resting()} == resting
    bench.run(cycles=2)
    (line,) = [line for line in bench.events("INFO") if "was removed while the bot ran" in line]
    assert bench.ledger_file.name in line
    assert bench.events("ERROR") == []
    bench.restart()
    trade_cycles(bench, 2)
    assert "another bot" not in bench.log.lower()
    assert_as_stated(bench)


def test_the_removed_files_log_does_not_spoil_the_new_file(tmp_path: Path) -> None:
    """SQLite keeps the latest changes in a second file, and would add them to the new ledger, page by page."""
    file = tmp_path / "trade.db"
    with closing(Database(file)) as data:
        add = "INSERT INTO days VALUES (?)"
        with data.transaction() as db:
            db.executemany(add, [(f"{day:01000}",) for day in range(2_000)])
            db.execute("DELETE FROM days WHERE CAST(day AS INTEGER) % 3")
        data.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        with data.transaction() as db:
            db.executemany(add, [(f"{day:01000}",) for day in range(5_000, 5_030)])
        before = data.rows("SELECT * FROM days")
        file.unlink()
        assert data.keep_in_place()
        assert data.rows("PRAGMA integrity_check") == [("ok",)]
        assert data.rows("SELECT * FROM days") == before


def copy_in_its_place(file: Path) -> None:
    copy = file.with_name("copy.db")
    shutil.copy(file, copy)
    copy.replace(file)


def an_older_one_in_its_place(file: Path) -> None:
    remove(file)
    with closing(Ledger(file)):
        pass


def a_folder_in_its_place(file: Path) -> None:
    remove(file)
    file.mkdir()


REPLACED: list[Callable[[Path], None]] = [copy_in_its_place, an_older_one_in_its_place, a_folder_in_its_place]


@pytest.mark.parametrize("replace", REPLACED)
def test_a_ledger_that_is_replaced_ends_quoting(make_bench: MakeBench, replace: Callable[[Path], None]) -> None:
    """A halt that a command writes to the other file would not be seen: the bot cancels its orders and says what
    to do. With its own file back it quotes again."""
    bench = make_bench(who=(), programs=12)
    bench.run(cycles=2)
    own = bench.ledger_file.with_name("kept.db")
    os.link(bench.ledger_file, own)
    replace(bench.ledger_file)
    bench.run(cycles=4)
    assert own_resting(bench) == []
    (line,) = bench.events("ERROR")
    assert "was replaced by another file while the bot ran. The bot places nothing" in line
    shutil.rmtree(bench.ledger_file) if bench.ledger_file.is_dir() else bench.ledger_file.unlink()
    own.rename(bench.ledger_file)
    bench.run(cycles=2)
    assert_quoting_once(bench)


def test_a_halt_in_a_new_file_at_the_ledgers_place_stops_the_bot(make_bench: MakeBench) -> None:
    """`main.py cancel-all` finds no ledger and begins one: nothing is placed after it."""
    bench = make_bench(who=(), programs=12)
    bench.run(cycles=2)
    remove(bench.ledger_file)
    with closing(Ledger(bench.ledger_file)) as new:
        new.halt(bench.exchange.clock.now(), "python main.py cancel-all")
    bench.run(cycles=3)
    assert own_resting(bench) == []
    bench.restart()
    bench.run(cycles=2)
    assert own_resting(bench) == [], "the next start finds the halt"


def test_a_ledger_without_a_folder_is_kept_until_it_has_one(make_bench: MakeBench) -> None:
    """Its whole folder is gone. The bot cancels its orders and waits; nothing that it knows is lost."""
    bench = make_bench(programs=12, **STILL)
    bench.ledger_file = bench.ledger_file.parent / "folder" / "trade-sim.db"
    bench.ledger_file.parent.mkdir()
    bench.restart()
    bench.run(cycles=1)
    fill_quote(bench)
    bench.run(cycles=1)
    before = facts(bench)
    shutil.rmtree(bench.ledger_file.parent)
    bench.run(cycles=4)
    assert own_resting(bench) == []
    assert len(bench.events("ERROR")) == len(bench.events("OUTAGE")) == 1
    bench.ledger_file.parent.mkdir()
    bench.bot.session.open_ledger()
    assert [one in facts(bench)[3] for one in before[3]] == [True] * len(before[3]), "every fill"
    bench.run(cycles=2)
    assert own_resting(bench)
    assert_as_stated(bench)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_a_ledger_that_the_bot_may_no_longer_reach_ends_quoting(make_bench: MakeBench) -> None:
    """Somebody took the folder's permissions away: it cannot be seen whether a halt is written there."""
    bench = make_bench(who=(), programs=12)
    bench.run(cycles=2)
    bench.ledger_file.parent.chmod(0o700)
    os.seteuid(65_534)
    try:
        bench.run(cycles=5)
    finally:
        os.seteuid(0)
    assert own_resting(bench) == []
    bench.run(cycles=1)
    assert "entries are missing here" in bench.log, "the log is in that folder too"
    assert "Bug in the bot" not in bench.log
    assert_quoting_once(bench)
