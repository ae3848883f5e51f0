"""Every fault of the simulator's script against every step of the bot's: `python -m tests.slow.matrix [--all]`.

Whole bots on the simulator, and invariants alone (`fault_*.py` in `tests/support`): at most one live order an
intent, limits kept, nothing resting after the end or past its expiry, every held position known, quoting again
within two cycles after the fault, no cycle late for a look, no key material anywhere. Without `--all` each fault
meets each step once, and of the other factors (how long, EXIT, who else trades) every pair of values occurs; with
it all of their combinations do. A cell in which nothing was struck shows as `-` and is not counted as passed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, product
from pathlib import Path
from typing import Any

from runtime.console import progress
from simulator.faults import KINDS, MISSING
from simulator.people import NOISE, RIVALS
from tests.support.fault_run import Stage
from tests.support.fault_scenarios import (
    CYCLE,
    DURATIONS,
    LONG_GONE,
    ONCE,
    OUTAGE,
    Cell,
    Script,
    calm,
    episode,
    to_the_end,
)
from tests.support.fault_steps import STEPS, WATCH_PHASE, Step
from tests.support.strangers import NAME
from tests.support.verdict import conclude

_ACTED_OR_NOT: tuple[dict[str, Any], ...] = ({}, {"acted": True})
_A_QUOTED_MARKET = {"ticker": ""}

GIVEN: Mapping[str, tuple[dict[str, Any], ...]] = {
    "refused": ({},), "reset_before": ({},), "reset_after": ({},), "timeout_before": ({},), "timeout_after": ({},),
    "latency": ({"seconds": 8.0},), "429": _ACTED_OR_NOT, "500": _ACTED_OR_NOT, "503": _ACTED_OR_NOT,
    "503_html": _ACTED_OR_NOT, "order_refused": ({},), **dict.fromkeys(MISSING, ({},)), "truncated": ({},),
    "no_order": ({},), "unknown_status": ({},),
    "missing_field": ({"field": ""},), "repeated_cursor": ({},), "stale": ({"seconds": 20.0},),
    "clock_jump": ({"seconds": 30.0},), "trading_paused": ({},), "exchange_paused": ({},),
    "halted": (_A_QUOTED_MARKET,), "closes": (_A_QUOTED_MARKET,), "settles": (_A_QUOTED_MARKET,),
    "new_grid": ({**_A_QUOTED_MARKET, "grid": ""},), "partial_fill": (_A_QUOTED_MARKET,),
    "hole": ({**_A_QUOTED_MARKET, "seconds": 30.0},),
    "cash_moved": ({"amount": 20},), "cash_deposited": ({"amount": 20, "fee": 0.4},),
    "cash_withdrawn": ({"amount": 20},), "cash_set_aside": ({"amount": 20},), "cash_given": ({"amount": 20},),
    "group_triggered": ({},), "key_revoked": ({},), "stranger": ({**_A_QUOTED_MARKET, "name": NAME},),
}  # fmt: skip
"""What each kind of fault takes. A market is one that the bot quotes, a field the one that the step needs most, a
grid another than the market has."""

FAULTS: Mapping[str, dict[str, Any]] = {
    kind + ("+acted" if given.get("acted") else ""): {"do": kind} | given
    for kind in KINDS
    for given in GIVEN[kind]
}
"""By name. A kind of the simulator's that has no entry above fails."""

ORDERS_ALONE = frozenset({"order_refused"})
"""Faults that find nothing to strike at a step that sends or amends no order."""

WAYS = ("CROSS", "REST")
PEOPLE = (NOISE, RIVALS)

KNOWN: Mapping[tuple[str, str], str] = {}
"""Findings that are not mended yet, by fault and step: shown as `k`, and counted by themselves."""

MOST_LOST, MOST_TRIED = 3, 48
"""Markets that a stage may lose, and cells that it is used for, before another is opened: one that was struck
hundreds of times is not the board it was, for its books thin out."""

_SITUATIONS = (("CROSS", True), ("CROSS", False), ("REST", False), ("REST", True))
_LENGTHS = (OUTAGE, CYCLE, CYCLE, *[ONCE] * 10)
"""In the suite every thirteenth cell is an outage; those are what takes long."""

_PINNED = {("stale", "fresh"): OUTAGE}
"""How long a cell must be struck to show anything: an order that is not listed is placed twice a cycle later."""

_SETTINGS: Mapping[str, Mapping[str, object]] = {"scan": {"SCAN_TIME": 60}, "move": {"AVOID": ("*-FINEGRID",)}}
"""Of stages for one step alone. With fine steps, quotes are too near the ask to be moved in place."""


@dataclass
class Tally:
    """What was tried and what came of it. `found`: what is broken, by cell."""

    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: list[tuple[Cell, list[str]]] = field(default_factory=list)
    strikes: int = 0
    cycles: int = 0
    requests: int = 0

    def add(self, other: Tally) -> None:
        self.runs += other.runs
        self.struck += other.struck
        self.found += other.found
        for name in ("strikes", "cycles", "requests"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def broken(self) -> list[str]:
        """What is broken and not known, with the words by which it is tried again."""
        return [f"{cell}: {'; '.join(what)}" for cell, what in self.found if not _is_known(cell)]

    def not_struck(self) -> list[tuple[str, str]]:
        return [place for place in self.runs if not self.struck[place]]

    def table(self) -> Iterator[str]:
        steps = [name for name in STEPS if any(step == name for _, step in self.runs)]
        wide = max(map(len, FAULTS)) + 1
        yield " " * wide + " ".join(f"{name:>6}" for name in steps)
        bad = Counter((cell.fault, step.name) for cell, _ in self.found for step in cell.steps)
        for fault in FAULTS:
            marks = [self._mark(bad[fault, name], (fault, name)) for name in steps]
            if any(self.runs[fault, name] for name in steps):
                yield f"{fault:{wide}}" + " ".join(f"{mark:>6}" for mark in marks)

    def _mark(self, bad: int, place: tuple[str, str]) -> str:
        if not self.runs[place]:
            return ""
        if not self.struck[place]:
            return "-"
        return f"{self.struck[place]}" + (f"{'k' if place in KNOWN else '!'}{bad}" if bad else "")

    def totals(self) -> str:
        known = len(self.found) - len(self.broken())
        return (
            f"{sum(self.runs.values()):,} runs, {self.strikes:,} faults struck, {len(self.not_struck()):,} cells "
            f"not struck, {self.cycles:,} cycles, {self.requests:,} requests, broken: {len(self.broken())}"
            + (f", known: {known}" if known else "")
        )


def _is_known(cell: Cell) -> bool:
    return any((cell.fault, step.name) in KNOWN for step in cell.steps)


# -- what is tried ---------------------------------------------------------------------------------------------


def pairwise(names: Iterable[str]) -> list[Cell]:
    """Each fault at each of these steps once, the other factors in turn. All steps of a stop and of the start
    after it are struck in one episode, one of them for long."""
    wanted = [STEPS[name] for name in STEPS if name in set(names)]
    groups = [tuple(group) for _, group in groupby(sorted(wanted, key=_group), key=_group)]
    return [_cell(fault, row, group) for group in groups for row, fault in enumerate(FAULTS)]


def _group(step: Step) -> str:
    """What is struck in one episode."""
    return step.name if step.phase in ("cycle", WATCH_PHASE, "kill") else "start and stop"


def _cell(fault: str, row: int, steps: tuple[Step, ...]) -> Cell:
    column = list(STEPS).index(steps[-1].name)
    length = _PINNED.get((fault, steps[0].name), _LENGTHS[(2 * row + 3 * column) % len(_LENGTHS)])
    way, is_alone = _SITUATIONS[(row + column) % len(_SITUATIONS)]
    return Cell(fault, FAULTS[fault], steps, length, way, is_alone, row % len(steps))


def everything(names: Iterable[str] = STEPS, faults: Iterable[str] = FAULTS) -> list[Cell]:
    """All combinations of all factors."""
    return [
        Cell(fault, FAULTS[fault], (STEPS[name],), length, way, is_alone)
        for name, fault, length, way, is_alone in product(names, faults, DURATIONS, WAYS, (True, False))
    ]


# -- trying it -------------------------------------------------------------------------------------------------


def try_all(cells: Sequence[Cell], folder: Path, markets: int) -> Tally:
    """Try the cells, those of one situation one after the other on one stage, for as long as nothing is broken;
    the bot quotes so many `markets`."""
    tally = Tally()
    number = 0
    key = _situation
    for _, group in groupby(sorted(cells, key=key), key=key):
        waiting = list(group)
        while waiting:
            number += 1
            _play(waiting, folder / f"stage-{number}", tally, len(cells), markets)
    return tally


def _situation(cell: Cell) -> tuple[str, bool, str]:
    name = cell.steps[0].name
    return cell.way, cell.is_alone, name if name in _SETTINGS else ""


def _play(waiting: list[Cell], folder: Path, tally: Tally, of: int, markets: int) -> None:
    """Open a stage and try cells on it, which are taken from `waiting`, until one breaks something or too many
    markets are gone."""
    folder.mkdir(parents=True)
    first = waiting[0]
    more = _SETTINGS.get(first.steps[0].name, {})
    stage = Stage(folder, first.way, () if first.is_alone else PEOPLE, markets, **more)
    tried: list[Cell] = []

    def direct() -> Script:
        lost = 0
        while waiting and lost < MOST_LOST and len(tried) < MOST_TRIED and not stage.broken:
            if not (yield from calm(stage)):
                if not tried:
                    raise RuntimeError(f"a new stage does not come to rest: {folder}")
                break
            cell = waiting.pop(0)
            tried.append(cell)
            progress(f"{sum(tally.runs.values()):,} runs of {of:,}, {len(tally.found)} broken: {cell}")
            rules: dict[str, Any] = {}
            yield from episode(stage, cell, rules)
            lost += cell.given["do"] in LONG_GONE
            for step in cell.steps:
                struck = rules[step.name].struck if step.name in rules else 0
                tally.runs[cell.fault, step.name] += 1
                tally.struck[cell.fault, step.name] += bool(struck)
                tally.strikes += struck
        yield from to_the_end(stage)

    stage.play(direct())
    stage.close()
    tally.cycles, tally.requests = tally.cycles + stage.cycles, tally.requests + stage.requests
    if stage.broken:
        tally.found.append((tried[-1], list(dict.fromkeys(stage.broken))))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.slow.matrix", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every combination of the factors, not every pair")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="faults and steps to keep to")
    parser.add_argument("--markets", type=int, help="that the bot quotes: 2 with --all, else 1, which is faster")
    parser.add_argument(
        "--cell", nargs=6, metavar=("FAULT", "STEPS", "HOW_LONG", "EXIT", "WHO", "WHICH"), help="one cell"
    )
    asked = parser.parse_args()
    unknown = set(asked.only) - FAULTS.keys() - STEPS.keys()
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    steps = [name for name in STEPS if name in asked.only] or list(STEPS)
    faults = [name for name in FAULTS if name in asked.only] or list(FAULTS)
    cells = everything(steps, faults) if asked.all else [c for c in pairwise(steps) if c.fault in faults]
    if asked.cell:
        fault, names, length, way, who, which = asked.cell
        several = tuple(STEPS[name] for name in names.split("+"))
        cells = [Cell(fault, FAULTS[fault], several, length, way, who == "nobody", int(which))]
    folder = Path(tempfile.mkdtemp(prefix="matrix-"))
    os.environ["HOME"] = str(folder)  # your own state folder stays as it is
    began = time.monotonic()
    tally = try_all(cells, folder, asked.markets or (2 if asked.all else 1))
    progress("")
    return conclude(tally.table(), tally.broken(), tally.totals(), began, folder)


if __name__ == "__main__":
    sys.exit(main())
