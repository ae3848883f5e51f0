"""Days of simulated trading, and whether the ledger agrees with the exchange's own statement: `python -m
tests.slow.soak`.

The simulator is a process of its own whose clock stands still until the bot, another process, waits; so a day
takes as long as its requests do. The bot is killed (SIGKILL) as often as is asked, in the middle of whatever it
does, and started again with its ledger. At its end it is stopped by Ctrl-C, and all that the ledger says is held
against what the exchange says.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import market_bot
from benchmarks.harness import LOG_FILES, LOG_SIZE, SteppedClock, accrued, moment, read_variables, trade
from ledger.cash_reconciliation import ExplainedSpan
from ledger.daily_pnl import midnight
from ledger.entries import AccruedSeconds
from ledger.ledger import Ledger
from report.build import build_report
from report.facts import read_report_facts
from runtime.console import progress
from simulator.people import EVERYBODY
from tests.support import process_health
from tests.support.process_health import Health
from tests.support.project import PROJECT
from tests.support.statements import above_last_look, present, traded_since

DAY = 86_400.0
PROGRAMS = 20

RULES: Mapping[str, object] = {
    "TRADE_SIZE": 10,
    "TRADE_TICKER_SIZE": 2,
    "INCENTIVE_SIZE": None,
    "MAX_CAPITAL": 400,
    "MAX_EVENT_LOSS": 200,
    "MIN_HOURS_TO_CLOSE": 1,
    "FILL_COST": 0,
    "AVOID": (),
}
"""Settings under which something happens: quotes that are filled now and then."""

PAID: Mapping[str, object] = {
    "TRADE_SIZE": 150,
    "TRADE_TICKER_SIZE": 6,
    "MAX_CAPITAL": 1300,
    "MAX_EVENT_LOSS": 600,
    "DAILY_LOSS_LIMIT": 1000,
}
"""Settings under which windows reach their dollar and are paid."""

_READS, _WRITES = "GET /*", "POST /*"
FAULTS: list[dict[str, Any]] = [
    {"do": "500", "on": _READS, "chance": 0.002},
    {"do": "429", "on": _READS, "chance": 0.002},
    {"do": "truncated", "on": _READS, "chance": 0.001},
    {"do": "reset_before", "on": _READS, "chance": 0.001},
    {"do": "503", "on": _WRITES, "chance": 0.004, "acted": True},
    {"do": "reset_after", "on": _WRITES, "chance": 0.004},
    {"do": "reset_before", "on": "DELETE /*", "chance": 0.004},
    {"do": "reset_after", "on": "DELETE /*", "chance": 0.004},
    {"do": "partial_fill", "on": "DELETE /*", "chance": 0.004},
    {"do": "stale", "on": "GET /portfolio/*", "chance": 0.05, "seconds": 3, "from": 30_000, "until": 36_000},
    {"do": "trading_paused", "from": 20_000, "until": 20_400},
    {"do": "exchange_paused", "from": 50_000, "until": 50_100},
    {"do": "settles", "on": "POST /portfolio/events/orders", "chance": 0.005, "times": 40, "result": "yes"},
    {"do": "cash_withdrawn", "from": 40_000, "amount": 50},
    {"do": "cash_moved", "from": 45_000, "source": 0, "destination": 3, "amount": 20},
    {"do": "cash_set_aside", "from": 56_000, "amount": 13},
    {"do": "cash_given", "from": 60_000, "amount": 41.17},
    {"do": "cash_given", "from": 65_000, "amount": 0.63},
]
"""A bad day: about one request in a hundred goes wrong, trading stands still twice, markets settle when an order
for them is on its way, a person takes money out, and money comes that nobody explains."""

LOOKS_ON: Mapping[str, object] = {"MIN_REWARD": 10_000, "SCAN_TIME": 86_400}
"""Settings under which nothing is quoted any more: the bot waits for the rewards of what it quoted."""


_QUARTER = DAY / 4
MOST_GROWN = 5 * 2**20
LEDGER_BASE, LEDGER_A_DAY = 600_000, 50_000
"""Bytes that a ledger may have: what two days of detail take, and what stays of each day."""


def faults(days: float, seed: int) -> list[dict[str, Any]]:
    """The faults of so many days, those that have a time at a time by chance of each."""
    dice, script = random.Random(seed), [rule for rule in FAULTS if "from" not in rule]
    for day in range(math.ceil(days)):
        for rule in FAULTS:
            if "from" in rule:
                begins = rule["from"] if day == 0 else day * DAY + dice.uniform(0, DAY - 7_200)
                moved = {"from": begins} | (
                    {"until": begins + rule["until"] - rule["from"]} if "until" in rule else {}
                )
                script.append(rule | moved)
    return script


def until(end: float, folder: Path) -> Callable[[SteppedClock, float], None]:
    """Stop as by Ctrl-C at a Unix second, and write down the process's health four times a day until then."""
    seen = -1.0
    stopping = False

    def before_wait(clock: SteppedClock, seconds: float) -> None:
        nonlocal seen, stopping
        now = clock.now().timestamp()
        if now // _QUARTER != seen and seconds > 2:
            seen = now // _QUARTER
            process_health.note(folder, now)
        if now >= end and not stopping:
            stopping = True
            raise KeyboardInterrupt

    return before_wait


@dataclass
class Outcome:
    """What the ledger (`said`) and the exchange (`true`) say of the same, and what else happened. Positions are at
    the best bids there, as the bot counts them; `worth`: dollars that selling them all would bring. `windows`:
    dollars accrued by a program before floor and cap, by both."""

    said: dict[str, Any] = field(default_factory=dict)
    true: dict[str, Any] = field(default_factory=dict)
    seconds: AccruedSeconds = field(default_factory=AccruedSeconds)
    truly_present: float = 0.0
    worth: Decimal = Decimal(0)
    windows: dict[str, tuple[float, float]] = field(default_factory=dict)
    credited: int = 0
    sessions: int = 0
    cycles: int = 0
    errors: int = 0
    bytes: int = 0
    log_bytes: int = 0
    days: float = 1.0
    health: list[Health] = field(default_factory=list)
    took: float = 0.0

    @property
    def grown(self) -> int:
        """Bytes of memory that the last process took more at its end than after its first day."""
        return self.health[-1].memory - self.health[0].memory if self.health else 0

    @property
    def truly_earned(self) -> float:
        return sum(true for _, true in self.windows.values())

    @property
    def off(self) -> float:
        """The accrued reward against the exchange's, 0 where they agree."""
        return self.seconds.reward / self.truly_earned - 1 if self.truly_earned else 0.0

    def wrong(self, still: bool) -> list[str]:
        """What does not agree as it must. `still`: only our orders moved and nothing failed, so that the estimate
        has to be right in every window, and not only on the safe side."""
        found = [
            f"{what} is not as the statement says" for what, said in self.said.items() if said != self.true[what]
        ]
        if abs(self.seconds.present - self.truly_present) > 0.01 * self.truly_present:
            found.append("the seconds present are off by more than 1 %")
        if self.off > 0.02:
            found.append("the estimate flatters by more than 2 %")
        if still:
            off = [abs(said - true) > 0.01 * true + 1e-6 for said, true in self.windows.values()]
            found += [f"{sum(off)} windows are estimated wrong by more than 1 %"] if any(off) else []
        if self.grown > MOST_GROWN:
            found.append(f"memory has grown by {self.grown / 2**20:.1f} MiB")
        for what in ("handles", "threads"):
            counts = [getattr(one, what) for one in self.health]
            if counts and counts[-1] > counts[0]:
                found.append(f"{counts[-1] - counts[0]} more {what} than there were")
        if self.log_bytes > LOG_SIZE * (LOG_FILES + 1):
            found.append(f"the logs have {self.log_bytes:,} bytes")
        if self.bytes > LEDGER_BASE + LEDGER_A_DAY * self.days:
            found.append(f"the ledger has {self.bytes:,} bytes")
        return found

    def told(self) -> str:
        said, one = self.said, self.seconds
        present = one.present / self.truly_present - 1 if self.truly_present else 0.0
        agrees = "as the statement says" if said == self.true else "NOT AS THE STATEMENT SAYS"
        money = f"fees ${said['fees']:.4f}, settled ${said['settled']:.2f}, cash ${said['cash']:.4f}"
        rewards = f"{self.credited} windows paid ${said['credited']:.2f}"
        counted = f"qualified {one.qualified:,.0f} s, excluded {one.excluded:,.0f} s, unknown {one.unknown:,.0f} s"
        lines = [
            f"{self.cycles:,} cycles kept, {self.sessions} sessions, {self.errors} errors in the log",
            f"ledger {self.bytes / 1e6:.2f} MB, logs {self.log_bytes / 1e6:.2f} MB, {self.took:.0f} s",
            self._health(),
            f"fills {len(said['fills']):,}, {money}, {len(said['positions'])} positions: {agrees}",
            f"present {one.present:,.0f} s, truly {self.truly_present:,.0f} s ({present:+.2%}); {counted}",
            f"accrued ${one.reward:.4f}, truly ${self.truly_earned:.4f} ({self.off:+.2%})",
            f"trading ${said['trading']:.4f}, {rewards}, ${said['unexplained']:.2f} unexplained: {agrees}",
            f"positions ${said['held']:.4f} at the best bids, ${self.worth:.4f} if all are sold now, after fees",
        ]
        return "\n".join(lines)

    def _health(self) -> str:
        if not self.health:
            return "memory was not looked at"
        first, last = self.health[0], self.health[-1]
        return (
            f"memory {last.memory / 2**20:.1f} MiB ({self.grown / 2**20:+.2f} since its first day or quarter), "
            f"handles {first.handles} then {last.handles}, threads {first.threads} then {last.threads}"
        )


def run(
    folder: Path,
    days: float = 1.0,
    seed: int = 1,
    kills: int = 2,
    still: bool = False,
    looking_on: float = 0.0,
    look_seconds: int = 7200,
    **changed: object,
) -> Outcome:
    """Trade for `days`, with `kills` and faults on the way, or where nobody else moves and nothing fails; then
    look on for so many days, every so many seconds. `changed` are settings."""
    began = time.monotonic()
    rules = {**RULES, **changed}
    script = folder / "faults.json"
    script.write_text(json.dumps([] if still else faults(days, seed)))
    command = [sys.executable, "-m", "simulator", "--port", "0", "--step", "--ed25519", "--seed", str(seed)]
    command += ["--programs", str(PROGRAMS), "--key-file", str(folder / "key.pem"), "--faults", str(script)]
    command += ["--without", ",".join(EVERYBODY)] if still else []
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            variables = read_variables(simulator)
            clock = SteppedClock(variables["SIM_URL"].rpartition("/trade-api")[0])
            opening = clock.ask("GET", "statement")
            _trade_on(folder, rules, variables, clock, days, 0 if still else kills)
            if looking_on:
                waiting = {**rules, **LOOKS_ON, "WAIT_TIME": look_seconds}
                _trade_on(folder, waiting, variables, clock, looking_on, 0)
            statement = clock.ask("GET", "statement")
        finally:
            simulator.kill()
    outcome = compare(folder, statement, opening)
    outcome.days, outcome.health = days, process_health.last_process(folder)
    outcome.took = time.monotonic() - began
    return outcome


def _trade_on(
    folder: Path,
    rules: Mapping[str, object],
    variables: Mapping[str, str],
    clock: SteppedClock,
    days: float,
    kills: int,
) -> None:
    start = clock.ask("GET", "time")["unix"]
    until = start + days * DAY
    command = [sys.executable, "-m", "tests.slow.soak", "--bot", str(folder), "--until", str(until)]
    command += ["--rules", json.dumps(rules)]
    # All in the first day: whether memory stays as it is, one process has to live long for.
    killed = [start + min(days, 1.0) * DAY * (number + 1) / (kills + 1) for number in range(kills)]
    while True:
        with subprocess.Popen(command, cwd=PROJECT, env={**os.environ, **variables}) as bot:
            while bot.poll() is None:
                now = clock.ask("GET", "time")["unix"]
                progress(f"{(now - start) / DAY:.2f} of {days:g} days")
                if killed and now >= killed[0]:
                    os.kill(bot.pid, signal.SIGKILL)
                time.sleep(0.05)
        if bot.returncode == -signal.SIGKILL:
            # Awake again before the next look is due, then long after it: those seconds nobody can know.
            clock.sleep(
                45.0 if len(killed) % 2 else 3.0 * float(str(rules.get("WAIT_TIME", market_bot.WAIT_TIME)))
            )
            killed.pop(0)
            continue
        if bot.returncode:
            raise RuntimeError(f"the bot ended with {bot.returncode}, see {folder / 'trade.log'}")
        return


def compare(folder: Path, statement: Mapping[str, Any], opening: Mapping[str, Any]) -> Outcome:
    """Hold a ledger, and the report made from it, against a statement, and the one when it was begun."""
    file = folder / "trade-sim.db"
    ledger = Ledger(file, read_only=True)
    mark = ledger.last_mark()
    assert mark is not None
    assert mark.free_cash is not None
    fills = ledger.fills()
    said = ledger.accrued_by_program()
    seconds = sum(ledger.seconds().values(), start=AccruedSeconds())
    logs = list(folder.glob("trade.log*"))
    log = "".join(path.read_text(encoding="utf-8") for path in logs)
    day, above = mark.at.date(), above_last_look(ledger)
    told = build_report(read_report_facts(ledger))
    watched = told.cash.until if told.cash else mark.at
    mixed = with_gifts(statement, read_report_facts(ledger).cash_spans)
    return Outcome(
        said={
            "fills": {
                fill.fill_id: (fill.ticker, fill.side.value, fill.price, fill.count, fill.fee) for fill in fills
            },
            "fees": sum(fill.fee for fill in fills),
            "settled": sum(one.revenue for one in ledger.settlements()),
            "positions": ledger.positions(),
            "cash": mark.free_cash,
            "held": mark.held - above,
            "today": None if ledger.day_marks(day) or mark.day_profit is None else mark.day_profit - above,
            "trading": told.total.money.trading - above,
            "fees since": told.total.money.fees,
            "credited": told.total.money.credited,
            "unexplained": told.cash.unexplained if told.cash else None,
        },
        true={
            "fills": dict(map(_stated_fill, statement["fills"])),
            "fees": sum(Decimal(fill["fee_cost"]) for fill in statement["fills"]),
            "settled": Decimal(statement["totals"].get("settlement", 0)),
            "positions": {ticker: Decimal(count) for ticker, count in statement["positions"].items()},
            "cash": sum(map(Decimal, statement["cash"].values())),
            "held": Decimal(statement["value"]),
            "today": None if ledger.day_marks(day) else traded_since(statement, midnight(day)),
            "trading": traded(statement, opening),
            "fees since": -sum(
                (Decimal(entry["amount"]) for entry in _later(statement, opening) if entry["kind"] == "fee"),
                start=Decimal(0),
            ),
            "credited": came(statement, "reward", watched) - mixed,
            "unexplained": came(statement, "gift", watched) + mixed,
        },
        seconds=seconds,
        worth=Decimal(statement["worth"]),
        truly_present=present(statement["orders"], (terms[-1] for terms in ledger.programs().values())),
        windows={
            one["program_id"]: (said.get(one["program_id"], 0.0), accrued(one)) for one in statement["rewards"]
        },
        credited=sum(window.credit is not None for window in told.windows),
        sessions=len(ledger.sessions()),
        cycles=len(ledger.cycles()),
        errors=len(re.findall(r"\[ERROR\]", log)),
        bytes=sum(path.stat().st_size for path in folder.glob("trade-sim.db*")),
        log_bytes=sum(path.stat().st_size for path in logs),
    )


def _stated_fill(fill: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    side = fill["outcome_side"]
    numbers = (fill[f"{side}_price_dollars"], fill["count_fp"], fill["fee_cost"])
    return fill["fill_id"], (fill["ticker"], side, *map(Decimal, numbers))


def traded(statement: Mapping[str, Any], opening: Mapping[str, Any]) -> Decimal:
    """Dollars that trades, fees and settlements brought since an earlier statement, with what was held then and is
    held now at the best bids."""
    later = {**statement, "journal": _later(statement, opening)}
    return traded_since(later, moment(opening["time"])) - Decimal(opening["value"])


def _later(statement: Mapping[str, Any], opening: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Why cash has changed since an earlier statement."""
    entries: list[Mapping[str, Any]] = statement["journal"][len(opening["journal"]) :]
    return entries


def came(statement: Mapping[str, Any], kind: str, until: datetime) -> Decimal:
    """Dollars of cash of a kind that came until a time."""
    found = [entry for entry in statement["journal"] if entry["kind"] == kind and moment(entry["time"]) <= until]
    return sum((Decimal(entry["amount"]) for entry in found), start=Decimal(0))


def with_gifts(statement: Mapping[str, Any], spans: Sequence[ExplainedSpan]) -> Decimal:
    """Dollars of rewards that came between the same two looks as a gift. The report cannot tell them apart, and
    leaves the sum unexplained."""
    total = Decimal(0)
    for before, after in pairwise(spans):
        came_then = [
            entry for entry in statement["journal"] if before.until < moment(entry["time"]) <= after.since
        ]
        if any(entry["kind"] == "gift" for entry in came_then):
            rewards = (Decimal(entry["amount"]) for entry in came_then if entry["kind"] == "reward")
            total += sum(rewards, start=Decimal(0))
    return total


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.slow.soak", description=__doc__)
    parser.add_argument("--days", type=float, default=1.0, help="simulated days (default 1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--paid", action="store_true", help="quote so much that windows are paid, and wait for it")
    parser.add_argument("--still", action="store_true", help="nobody else moves, nothing fails, nobody is killed")
    parser.add_argument("--bot", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--rules", type=json.loads, default={}, help="settings, as JSON")
    asked = parser.parse_args()
    if asked.bot:
        return trade(asked.bot, asked.rules, os.environ, until(asked.until, asked.bot))
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    os.environ["HOME"] = str(folder)  # your own state folder stays as it is
    rules = {**(PAID if asked.paid else {}), **asked.rules}
    looking_on = 2.0 if asked.paid else 0.0
    # Often enough that a gift and a reward seldom come between the same two looks: then both are unexplained.
    outcome = run(folder, asked.days, asked.seed, asked.kills, asked.still, looking_on, look_seconds=600, **rules)
    progress("")
    how = "nobody else moves" if asked.still else f"with people, faults and {asked.kills} kills"
    print(f"{asked.days:g} simulated days, {how}, seed {asked.seed}, in {folder}\n{outcome.told()}")
    wrong = outcome.wrong(asked.still)
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
