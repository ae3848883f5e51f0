"""The bot is killed (SIGKILL) at random moments and started again, and nothing may come of it: `python -m
tests.slow.kills`.

The simulator is a process of its own, with people in its market. The bot is another, forked from this one so that
its imports need not be paid for three hundred times, and like any other in all else. After each start, once its
first cycle has ended, it is held, and what the simulator itself says is looked at: one live order a side at most,
none of those of the process before, all that is held known, every fill known once, no limit broken. Some of the
kills come before that. Now and then trading is halted before a start, which has to stay so.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.harness import SteppedClock
from bot import connection
from clients import Environment
from commands import emergency
from ledger.ledger import Ledger
from runtime.console import progress
from tests.slow import soak
from tests.support import statements
from tests.support.account_limits import CAPITAL, EVENT_LOSS, exceeded
from tests.support.project import PROJECT

RULES: Mapping[str, object] = {
    **soak.RULES,
    "MAX_CAPITAL": CAPITAL,
    "MAX_EVENT_LOSS": EVENT_LOSS,
    "TRADE_DELTA": 0,
}
"""At the touch, so that there are fills."""

AT_START, IN_START = 0.3, 0.25
"""How many of the kills come in the first so many seconds of a process, before its first cycle has ended."""

LATEST = 0.6
"""Seconds of work, at most, after which a process is killed whose first cycle has ended."""

HALTED = 0.1
"""Before so many of the starts trading is halted."""

PAUSES = (0.0, 20.0, 45.0, 200.0)
"""Simulated seconds from a kill to the next start; after the last of them all has expired."""


@dataclass
class Tally:
    """What was tried, and what was found that may not be."""

    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    halts: int = 0
    fills: int = 0
    orders: int = 0
    broken: list[str] = field(default_factory=list)

    def told(self) -> str:
        kinds = ", ".join(f"{count} {where}" for where, count in sorted(self.kills.items()))
        result = "; ".join(self.broken[:5]) or "the invariants held"
        return (
            f"{self.kills.total()} kills: {kinds}; {self.starts} starts looked at, {self.halts} of them halted; "
            f"{self.orders:,} orders, {self.fills} fills: {result}"
        )


class Bot:
    """A bot's process, which waits after its first cycle until it is let go."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._ready, ready = os.pipe()
        go, self._go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _be_the_bot(folder, variables, ready, go)
        os.close(ready)
        os.close(go)

    def first_cycle(self) -> bool:
        """Whether the first cycle ended; no where the process did before it."""
        return os.read(self._ready, 1) == b"1"

    def let_go(self) -> None:
        os.write(self._go, b"1")

    def end(self, number: int) -> int:
        """Send a signal. Returns the exit code, below 0 where a signal ended it."""
        os.kill(self.pid, number)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._ready)
        os.close(self._go)
        return os.waitstatus_to_exitcode(status)


def _be_the_bot(folder: Path, variables: Mapping[str, str], ready: int, go: int) -> None:
    """What the forked process does, until it is killed or ends. Never returns."""
    waited = False

    def before_wait(_: SteppedClock, seconds: float) -> None:
        nonlocal waited
        if seconds > 2 and not waited and _ended_a_cycle(folder / "trade.log"):
            waited = True
            os.write(ready, b"1")
            os.read(go, 1)

    code = 70
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = soak.trade(folder, RULES, variables, before_wait)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _ended_a_cycle(log: Path) -> bool:
    """Whether the process that started last ended a cycle, or halted.

    It waits within a cycle too, before it sells."""
    said = log.read_text(encoding="utf-8").rpartition("[START] ")[2]
    return "[CYCLE] " in said or "[HALT] " in said


class Judge:
    """Looks at the account from outside, by the simulator's own word."""

    def __init__(self, folder: Path, variables: Mapping[str, str], tally: Tally) -> None:
        self._folder, self._tally = folder, tally
        self.clock = SteppedClock(variables["SIM_URL"].rpartition("/trade-api")[0])
        connection.WallClock = lambda: self.clock  # type: ignore[assignment, misc]
        self._client = connection.connect(Environment.SIM, variables).client
        self._tags: set[str] = set()

    def statement(self) -> dict[str, Any]:
        found: dict[str, Any] = self.clock.ask("GET", "statement")
        return found

    def resting(self) -> list[dict[str, Any]]:
        return [
            order for order in statements.own_orders(self.statement()["orders"]) if order["status"] == "resting"
        ]

    def held(self) -> dict[str, Decimal]:
        return {
            ticker: Decimal(count) for ticker, count in self.statement()["positions"].items() if Decimal(count)
        }

    def at_any_time(self) -> None:
        """What holds at any moment, a killed process's last too."""
        sides = Counter((order["ticker"], order["outcome_side"]) for order in self.resting())
        self._found(f"{count} live orders on {side}" for side, count in sides.items() if count > 1)

    def after_first_cycle(self, number: int) -> None:
        """What holds once a start has ended its first cycle."""
        self.at_any_time()
        said, tags = self.statement(), {_tag(order) for order in self.resting()}
        self._found(f"start {number}: an order of {tag}, which is dead" for tag in tags & self._tags)
        self._tags |= tags
        with closing(Ledger(self._folder / "trade-sim.db", read_only=True)) as ledger:
            known, positions = [fill.fill_id for fill in ledger.fills()], ledger.positions()
        truly = [fill["fill_id"] for fill in said["fills"]]
        if sorted(known) != sorted(truly):
            self._found([f"start {number}: {len(known)} fills known, {len(truly)} there are"])
        if positions != self.held():
            self._found([f"start {number}: {positions} known to be held, {self.held()} is"])
        orders, held = self._client.get_resting_orders().items, self._client.get_positions().items
        self._found(f"start {number}: {what}" for what in exceeded(orders, held))

    def expired(self) -> None:
        """Long after a kill nothing rests."""
        self._found(f"an order rests {PAUSES[-1]:.0f} s after the kill" for _ in self.resting())

    def _found(self, wrong: Any) -> None:
        self._tally.broken += wrong


def _tag(order: Mapping[str, Any]) -> str:
    """The process that sent an order, by what its orders' ids begin with."""
    return str(order["client_order_id"]).rpartition("-")[0]


def run(folder: Path, times: int, seed: int = 1) -> Tally:
    """Kill the bot so many times."""
    tally, dice = Tally(), random.Random(seed)
    command = [sys.executable, "-m", "simulator", "--port", "0", "--step", "--ed25519", "--seed", str(seed)]
    command += ["--programs", str(soak.PROGRAMS), "--tier", "premier", "--key-file", str(folder / "key.pem")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            variables = soak.read_variables(simulator)
            judge = Judge(folder, variables, tally)
            opening = judge.statement()
            while tally.kills.total() < times and not tally.broken:
                progress(tally.told())
                _once(folder, variables, judge, tally, dice)
            _the_end(folder, variables, judge, tally, opening)
        finally:
            simulator.kill()
    progress("")
    return tally


def _once(folder: Path, variables: Mapping[str, str], judge: Judge, tally: Tally, dice: random.Random) -> None:
    """One start, and one kill."""
    file = folder / "trade-sim.db"
    is_halted = file.exists() and dice.random() < HALTED
    if is_halted:
        with closing(Ledger(file)) as ledger:
            ledger.halt(datetime.now(timezone.utc), "a person wants it so")
    held, sent = judge.held(), len(judge.statement()["orders"])
    bot = Bot(folder, variables)
    if not is_halted and dice.random() < AT_START:
        time.sleep(dice.uniform(0.0, IN_START))
        where = "at a start"
    else:
        if not bot.first_cycle():
            tally.broken.append(f"start {tally.starts} ended by itself")
        tally.starts += 1
        where = "later"
        if is_halted:
            tally.halts += 1
            if judge.resting() or judge.held() != held or len(judge.statement()["orders"]) != sent:
                tally.broken.append(f"start {tally.starts}, halted, did something")
            emergency.clear_halts(file)
        else:
            judge.after_first_cycle(tally.starts)
        bot.let_go()
        time.sleep(dice.uniform(0.0, LATEST))
    bot.end(signal.SIGKILL)
    tally.kills[where] += 1
    judge.at_any_time()
    pause = dice.choice(PAUSES)
    judge.clock.sleep(pause)
    if pause == PAUSES[-1]:
        judge.expired()


def _the_end(
    folder: Path, variables: Mapping[str, str], judge: Judge, tally: Tally, opening: Mapping[str, Any]
) -> None:
    """Start once more, stop as by Ctrl-C, and hold the ledger against the statement."""
    bot = Bot(folder, variables)
    bot.first_cycle()
    judge.after_first_cycle(tally.starts + 1)
    code = bot.end(signal.SIGINT)
    if code or judge.resting():
        tally.broken.append(f"ended with {code}, {len(judge.resting())} orders rest")
    statement = judge.statement()
    outcome = soak.compare(folder, statement, opening)
    said, true = dict(outcome.said), outcome.true
    if said["unexplained"] is None:  # on a busy machine each bot is killed before it can count its cash
        del said["unexplained"]
    tally.broken += [f"{what}: not as stated" for what in said if said[what] != true[what]]
    tally.fills, tally.orders = len(statement["fills"]), sum(1 for _ in statements.own_orders(statement["orders"]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.slow.kills", description=__doc__)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    os.environ["HOME"] = str(folder)  # your own state folder stays as it is
    tally = run(folder, asked.times, asked.seed)
    print(tally.told())
    if tally.broken:
        print(f"see {folder}")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
