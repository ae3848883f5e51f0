"""What a monitor is told: a bot that is dead, halted or stuck must not look well."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone

import pytest

import market_bot
from bot.held_locks import HeldLocks
from commands.health import Health, problem_of
from ledger.entries import Halt
from runtime.lock import Lock
from tests.support.bench import Beside, Said, unavailable
from tests.support.pages import TEXTS, rows, spans

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)


def halt(reason: str) -> Halt:
    return Halt(NOW, reason, None, None)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Health(""), "NOT RUNNING: no bot runs in this folder. To start it: "),
        (
            Health("process 1", 5, [halt("lost much")], 5, "503"),
            r"HALTED since 2026-11-27 \d\d:\d\d:\d\d: lost much",
        ),
        (Health("process 1", 5, (), 3, "503"), "OUTAGE: the last 3 cycles failed, the latest with: 503"),
        (Health("process 1", 181), "OLD: the last cycle that did not fail ended 3.0 min ago, WAIT_TIME is 60 s"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_reason(found: Health, told: str) -> None:
    problem = problem_of(found, 60)
    assert re.match(told, problem)
    assert "\n" not in problem


def test_nothing_is_wrong_with_a_bot_that_trades() -> None:
    assert problem_of(Health("process 1", 179, (), 2, "503"), 60) == "", "two failed cycles are no outage"


def test_the_page_has_each_line() -> None:
    lines = [spans(cells[0])[0].split("…")[0] for cells in rows(TEXTS["docs/commands.md"], "line begins with |")]
    wrong = (Health(""), Health("p", 1, [halt("x")]), Health("p", 1, (), 3, "x"), Health("p", 999))
    said = [problem_of(one, 60) for one in wrong]
    assert [line for line in lines if not any(one.startswith(line) for one in said)] == ["OK: ", "NOT KNOWN: "]


# -- beside a bot ----------------------------------------------------------------------------------------------


@pytest.fixture
def check(beside: Beside) -> Callable[[], Said]:
    """`main.py status --check` in the folder of the bench's bot, whose lock this process holds."""
    _, typed = beside
    return lambda: typed("status", "--check")


def hold() -> Lock:
    return Lock(market_bot.paths().lock, "runs in this folder")


def age(seconds: float) -> None:
    """The last cycle ended so long ago."""
    then = time.time() - seconds
    os.utime(market_bot.paths().lock, (then, then))


def test_no_bot_is_not_well(check: Callable[[], Said]) -> None:
    said = check()
    assert (said.code, said.err) == (1, "")
    assert said.out.startswith("NOT RUNNING: ")
    hold().release()
    assert check().out.startswith("NOT RUNNING: "), "a lock file that a bot left behind is no bot"


def test_a_bot_that_trades_is_well_and_the_exchange_is_not_asked(
    beside: Beside, check: Callable[[], Said]
) -> None:
    bench, _ = beside
    lock = hold()
    bench.run(cycles=2)
    asked = len(bench.wire.sent)
    said = check()
    lock.release()
    assert (said.code, said.err) == (0, "")
    assert re.fullmatch(r"OK: the bot runs \(process \d+, since .*\), its last cycle ended \d s ago\n", said.out)
    assert len(bench.wire.sent) == asked


def test_an_old_cycle_is_told_and_the_next_one_ends_it(check: Callable[[], Said]) -> None:
    with ExitStack() as held:
        locks = HeldLocks(held)
        locks.hold(market_bot.paths().lock, "runs in this folder")
        age(3 * 60 + 2)
        assert check().out.startswith("OLD: ")
        assert check().code == 1
        age(3 * 60 - 20)
        assert check().code == 0
        age(1_000)
        locks.show_life()
        assert check().code == 0


def test_only_a_cycle_that_did_not_fail_shows_life(beside: Beside) -> None:
    bench, _ = beside
    shown: list[float] = []
    bench.connection = replace(bench.connection, show_life=lambda: shown.append(bench.exchange.clock.monotonic()))
    bench.restart()
    bench.run(cycles=3)
    assert len(shown) == 3
    bench.wire.fault = lambda *_: unavailable
    bench.run(cycles=3)
    assert len(shown) == 3


def test_an_outage_is_told_until_a_cycle_is_good(beside: Beside, check: Callable[[], Said]) -> None:
    bench, _ = beside
    lock = hold()
    bench.run(cycles=1)
    bench.wire.fault = lambda *_: unavailable
    bench.run(cycles=1, waits_in={"_wait"})
    assert check().code == 0, "one failed cycle"
    bench.run(cycles=3, waits_in={"_wait"})
    said = check()
    assert said.code == 1
    assert re.match(r"OUTAGE: the last \d+ cycles failed, the latest with: .*503", said.out)
    bench.wire.fault = None
    bench.run(cycles=1)
    assert check().code == 0
    lock.release()


def test_a_halt_is_told(beside: Beside, check: Callable[[], Said]) -> None:
    """Also one that another folder's command wrote to the account, once the bot has seen it."""
    bench, _ = beside
    lock = hold()
    bench.run(cycles=1)
    bench.bot.session.account_state.halt(bench.exchange.clock.now(), "python main.py cancel-all")
    bench.run(cycles=1)
    said = check()
    lock.release()
    assert (said.code, said.err) == (1, "")
    assert re.match(r"HALTED since .*: python main.py cancel-all. To go on: .*main.py resume\n", said.out)


def test_a_wrong_setting_is_one_line_and_exit_2(check: Callable[[], Said]) -> None:
    market_bot.DOTENV_FILE.write_text("BOT_WAIT_TIME=soon\n")
    said = check()
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("main: BOT_WAIT_TIME in .env = 'soon'")
