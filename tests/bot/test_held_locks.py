"""The state folder, with the locks and halts of all bots of this user, vanishes while the bot trades."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.held_locks import HeldLocks
from clients import Environment
from ledger.account_state import FILE_NAME
from runtime.lock import AlreadyRuns, Lock, all_holders, lock_file, state_folder
from tests.support.bench import Bench, Beside, MakeBench, assert_quoting_once, own_resting

WHAT = "trades on this account"


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def locked(bench: Bench, held: ExitStack, environment: Environment) -> Path:
    """The bot holds a lock on the account, as `bot/launch.py` does it. Returns its file."""
    locks = HeldLocks(held)
    file = locks.hold(lock_file(environment.value, "account"), WHAT).path
    bench.connection = replace(bench.connection, keep_locks=partial(locks.keep, environment))
    bench.restart()
    bench.run(cycles=1)
    assert_quoting_once(bench)
    return file


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("not a folder")


@pytest.mark.parametrize("environment", [Environment.DEMO, Environment.PROD])
def test_a_removed_state_folder_does_not_let_a_second_bot_start(
    make_bench: MakeBench, held: ExitStack, environment: Environment
) -> None:
    bench = make_bench(programs=12, who=())
    file = locked(bench, held, environment)
    shutil.rmtree(state_folder())
    bench.run(cycles=2)
    with pytest.raises(AlreadyRuns):
        Lock(file, WHAT)
    assert len([line for line in bench.events("INFO") if "removed while the bot ran" in line]) == 1
    assert_quoting_once(bench)


def test_real_money_places_nothing_without_a_lock(make_bench: MakeBench, held: ExitStack) -> None:
    bench = make_bench(programs=12, who=())
    locked(bench, held, Environment.PROD)
    a_file(state_folder())
    bench.run(cycles=5)
    assert own_resting(bench) == []
    (line,) = bench.events("ERROR")
    assert "The bot places nothing without them" in line
    state_folder().unlink()
    bench.run(cycles=1)
    assert_quoting_once(bench)


def test_without_real_money_it_trades_on_and_says_it_once(make_bench: MakeBench, held: ExitStack) -> None:
    bench = make_bench(programs=12, who=())
    locked(bench, held, Environment.DEMO)
    a_file(state_folder())
    bench.run(cycles=5)
    assert_quoting_once(bench)
    assert len([line for line in bench.events("INFO") if "a second bot would not find it" in line]) == 1


def test_a_bot_whose_account_was_taken_cancels_and_ends(make_bench: MakeBench, held: ExitStack) -> None:
    """A second bot started while the lock's file was gone. None of the first one's orders rests."""
    bench = make_bench(programs=12, who=())
    file = locked(bench, held, Environment.DEMO)
    shutil.rmtree(state_folder())
    second = Lock(file, WHAT)
    assert bench.run(cycles=9) == 2
    assert own_resting(bench) == []
    assert "Another bot trades on this account" in bench.events("ERROR")[0]
    assert "None of our orders rests any more" in bench.events("SHUTDOWN")[-1]
    second.release()


def removed(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def no_database(folder: Path) -> None:
    (folder / FILE_NAME).unlink(missing_ok=True)
    (folder / FILE_NAME).mkdir(parents=True)


@pytest.mark.parametrize("break_it", [removed, a_file, no_database])
def test_a_command_reaches_a_bot_whose_state_folder_is_broken(
    beside: Beside, break_it: Callable[[Path], None]
) -> None:
    """`cancel-all` writes the halt where it can, and the bot takes it over. `resume` lets it trade again."""
    bench, typed = beside
    bench.run(cycles=1)
    break_it(state_folder())
    said = typed("cancel-all", "--yes")
    assert "The bot is halted" in said.out
    bench.run(cycles=2)
    assert own_resting(bench) == []
    assert len(bench.events("HALT")) == 1
    typed("resume", "--yes")
    bench.run(cycles=2)
    assert_quoting_once(bench)


def test_an_unreadable_folder_of_locks_is_not_empty(tmp_path: Path) -> None:
    """`cancel-all` would say that no bot runs."""
    assert all_holders() == {}
    state_folder().write_text("not a folder")
    with pytest.raises(OSError, match=r"[Nn]ot a directory"):
        all_holders()
