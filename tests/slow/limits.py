"""Thousands of cycles with whoever comes, and whether a limit was ever broken: `python -m tests.slow.limits`.

After each cycle what the exchange itself lists is held against the settings: what orders and positions tie up,
what each event can lose, and that no side has two orders. The suite does a few hundred cycles, `make soak`
thousands.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

from benchmarks.harness import Desk, desk
from bot.settings import AUTO
from runtime.console import progress
from simulator.people import EVERYBODY, INFORMED, NOISE, RIVALS, SWEEPS
from tests.support.account_limits import RULES, exceeded

PROGRAMS = 40


class Run(NamedTuple):
    """A seed, a size, a way to close positions, and who else trades."""

    seed: int
    size: object
    way: str
    who: tuple[str, ...]


RUNS = (
    Run(1, AUTO, "CROSS", tuple(EVERYBODY)),
    Run(2, 12, "REST", tuple(EVERYBODY)),
    Run(3, 12, "CROSS", (NOISE, RIVALS)),
    Run(4, AUTO, "REST", (INFORMED, SWEEPS)),
)


def broken(one: Desk) -> list[str]:
    """What breaks a limit now, by what the exchange lists."""
    one.bot.session.canceler.wait_for_lists()  # they still show what was canceled just now
    return exceeded(one.client.get_resting_orders().items, one.client.get_positions().items)


def trade(run: Run, cycles: int) -> tuple[list[str], int]:
    """Trade so many cycles. Returns what went wrong, with the cycle, and how many fills there were."""
    wrong: list[str] = []
    with desk(run.seed, PROGRAMS, run.who, RULES | {"TRADE_SIZE": run.size, "EXIT": run.way}) as one:
        for number in one.cycles(cycles):
            progress(f"seed {run.seed}: cycle {number + 1:,} of {cycles:,}")
            wrong += [f"cycle {number + 1}: {what}" for what in broken(one)]
        progress("")
        wrong += [line for event in ("ERROR", "HALT") for line in one.told(event)]
        return wrong, len(one.statement["fills"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.slow.limits", description=__doc__)
    parser.add_argument("--cycles", type=int, default=1_000, help="of each of the four runs")
    cycles = parser.parse_args().cycles
    code = 0
    for run in RUNS:
        wrong, fills = trade(run, cycles)
        told = "no limit was broken" if not wrong else "; ".join(wrong[:5])
        print(
            f"seed {run.seed}, TRADE_SIZE {run.size}, EXIT {run.way}: {cycles:,} cycles, {fills:,} fills: {told}"
        )
        code = max(code, bool(wrong))
    return code


if __name__ == "__main__":
    sys.exit(main())
