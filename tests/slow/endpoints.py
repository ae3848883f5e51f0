"""Every endpoint that may die alone, answering wrongly: `python -m tests.slow.endpoints [--all] [--only ...]`.

Whole bots on the simulator, from just before midnight UTC (`tests/support/endpoint_run.py`): quotes rest in each
cycle, no limit is exceeded, no cash is called a reward, and all is back within eleven minutes of the endpoint's
return. Each endpoint, and all of them at once, meets each wrong answer, from the bot's first request on and from
its second cycle on. Without `--all` each endpoint meets two of them, as in the suite.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.console import progress
from simulator.faults import MISSING
from tests.support.endpoint_run import (
    ALL,
    ENDPOINTS,
    HEALTHY,
    PHASES,
    SIZE,
    START,
    EndpointCell,
    EndpointStage,
    Episode,
    cells_of,
)
from tests.support.verdict import conclude

NAMES = (*ENDPOINTS, ALL)


@dataclass(frozen=True)
class Tried:
    """What came of a cell. `struck`: wrong answers. `least`: the fewest sides quoted in a cycle, of `full`.
    `broken`: what does not hold."""

    cell: EndpointCell
    struck: int
    least: int
    full: int
    broken: Sequence[str]


@dataclass
class Tally:
    tried: list[Tried] = field(default_factory=list)
    cycles: int = 0
    requests: int = 0

    def broken(self) -> list[str]:
        """What is broken, with the words by which it is tried again."""
        return [f"{one.cell}: {'; '.join(one.broken)}" for one in self.tried if one.broken]

    def not_struck(self) -> list[EndpointCell]:
        return [one.cell for one in self.tried if one.cell.endpoint and not one.struck]

    def thin(self) -> Iterator[str]:
        """How many sides were quoted at the least, by endpoint, if not all of them."""
        for name in NAMES:
            least = {one.least for one in self.tried if one.cell.endpoint == name and one.least < one.full}
            if least:
                yield f"{name}: {min(least)} of {self.tried[0].full} sides were quoted in some cycle"

    def table(self) -> Iterator[str]:
        """A row for each endpoint, a column for each wrong answer and phase: how many were sent, `-` if none was,
        and `!` with the number of broken cells."""
        columns = [(kind, phase) for kind in MISSING for phase in PHASES]
        wide = max(map(len, NAMES)) + 1
        yield " " * wide + " ".join(f"{kind if phase == START else '':>8}" for kind, phase in columns)
        yield " " * wide + " ".join(f"{phase:>8}" for _, phase in columns)
        for name in NAMES:
            marks = [
                _mark(
                    [
                        one
                        for one in self.tried
                        if (one.cell.endpoint, one.cell.kind, one.cell.phase) == (name, *at)
                    ]
                )
                for at in columns
            ]
            if any(marks):
                yield f"{name:{wide}}" + " ".join(f"{mark:>8}" for mark in marks)

    def totals(self) -> str:
        return (
            f"{len(self.tried):,} runs, {sum(one.struck for one in self.tried):,} wrong answers, "
            f"{len(self.not_struck()):,} cells not struck, {self.cycles:,} cycles, {self.requests:,} requests, "
            f"broken: {len(self.broken())}"
        )


def _mark(tried: Sequence[Tried]) -> str:
    if not tried:
        return ""
    bad = sum(bool(one.broken) for one in tried)
    return f"{sum(one.struck for one in tried) or '-'}" + (f"!{bad}" if bad else "")


def everything(names: Iterable[str] = NAMES) -> list[EndpointCell]:
    return [cell for name in names for cell in cells_of(name)]


def sample() -> list[EndpointCell]:
    """Two cells of each endpoint, one from the start and one from the middle, such that each kind occurs with
    each phase; and all endpoints at once, from the start and from the middle."""
    return [
        next(cell for cell in cells_of(name) if (cell.kind, cell.phase) == (kind, phase))
        for number, name in enumerate(NAMES)
        for kind, phase in zip(
            (MISSING[number % len(MISSING)], MISSING[(number + 3) % len(MISSING)]), PHASES, strict=True
        )
    ]


def try_all(cells: Sequence[EndpointCell], folder: Path) -> Tally:
    """Try each cell on a stage of its own."""
    tally = Tally()
    for number, cell in enumerate(cells, start=1):
        progress(f"{number - 1:,} runs of {len(cells):,}, {len(tally.broken())} broken: {cell}")
        tally.tried.append(try_one(cell, folder / f"stage-{number}", tally))
    progress("")
    return tally


def try_one(cell: EndpointCell, folder: Path, tally: Tally) -> Tried:
    folder.mkdir(parents=True)
    stage = EndpointStage(folder, cell)
    stage.know_balance()
    episode = Episode(stage, cell)
    stage.play(episode.direct())
    stage.close()
    tally.cycles, tally.requests = tally.cycles + stage.cycles, tally.requests + stage.requests
    return Tried(cell, sum(episode.struck.values()), episode.least, stage.full, list(dict.fromkeys(stage.broken)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.slow.endpoints", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every endpoint, every wrong answer, both phases")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", default=[], help="endpoints, answers, phases to keep to"
    )
    parser.add_argument(
        "--cell",
        nargs=4,
        metavar=("ENDPOINT", "ANSWER", "PHASE", "FILL_LIMIT"),
        help="one cell; None: no limit set",
    )
    asked = parser.parse_args()
    unknown = {*asked.only} - {*NAMES, *MISSING, *PHASES}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    cells = everything() if asked.all or asked.only else sample()
    for axis, of in ((NAMES, "endpoint"), (MISSING, "kind"), (PHASES, "phase")):
        kept = [name for name in axis if name in asked.only] or axis
        cells = [cell for cell in cells if getattr(cell, of) in kept]
    if asked.cell:
        name, kind, phase, most = asked.cell
        cells = [EndpointCell(name, kind, phase, None if most == "None" else SIZE * 2)]
    folder = Path(tempfile.mkdtemp(prefix="endpoints-"))
    os.environ["HOME"] = str(folder)  # your own state folder stays as it is
    began = time.monotonic()
    tally = try_all([*HEALTHY, *cells], folder)
    return conclude([*tally.table(), *tally.thin()], tally.broken(), tally.totals(), began, folder)


if __name__ == "__main__":
    sys.exit(main())
