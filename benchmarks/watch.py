"""Compare values of `WATCH_TIME` on the same boards.

Run it with `python -m benchmarks.watch [--boards N] [--hours H] [--times 5]`. On each board the whole bot trades
with all simulated traders, with `TRADE_SIZE` 20 and AUTO: once without looks between cycles, and once with each
time. The rules of `risk/withdrawals.py` were set on boards 1 to 12, so the boards here begin at 101.

Columns in dollars are those of `benchmarks/exits.py`. The last two compare with no looks on the same boards: the
ratio of the sums of the losses and of the rewards. In brackets is the interval that contains nine of ten ratios if
the boards are drawn again with replacement.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.exits import PROGRAMS, RULES
from benchmarks.harness import accrued, desk, done, filled
from simulator.people import EVERYBODY

FIRST, SIZES = 101, (20, "AUTO")
DRAWS, TAIL = 2_000, 0.05


class Job(NamedTuple):
    seed: int
    size: object
    watch_time: float | None
    hours: float


class Result(NamedTuple):
    """A run's result in dollars, the contracts filled, and the quotes withdrawn."""

    rewards: float
    trading: float
    contracts: float
    withdrawn: float


def trade(job: Job) -> Result:
    """Run one job."""
    changed = {"TRADE_SIZE": job.size, "TRADE_DELTA": 0.01, "WATCH_TIME": job.watch_time}
    with desk(job.seed, PROGRAMS, EVERYBODY, RULES | changed) as one:
        before = one.worth()
        for _ in one.cycles(round(job.hours * 60)):
            pass
        said = one.statement
        return Result(
            sum(map(accrued, said["rewards"])),
            float(one.worth() - before),
            filled(said),
            sum("Reason: GUARD" in line for line in one.told("CANCEL ORDER")),
        )


Pairs = Sequence[tuple[Result, Result]]


def ratio(pairs: Pairs, of: Callable[[Result], float]) -> str:
    """The ratio of the sums with looks and without, and its interval."""
    if sum(of(without) for without, _ in pairs) <= 0:
        return "nothing to compare"
    dice, found = random.Random(1), []
    for _ in range(DRAWS):
        drawn = dice.choices(pairs, k=len(pairs))
        found.append(_quotient(drawn, of))
    found.sort()
    low, high = found[int(TAIL * DRAWS)], found[int((1 - TAIL) * DRAWS) - 1]
    return f"{_quotient(pairs, of):.3f} [{low:.3f}, {high:.3f}]"


def _quotient(pairs: Pairs, of: Callable[[Result], float]) -> float:
    below = sum(of(without) for without, _ in pairs)
    return sum(of(watched) for _, watched in pairs) / below if below > 0 else float("inf")


def table(found: dict[tuple[object, float | None], list[Result]]) -> str:
    lines = [
        "| TRADE_SIZE | WATCH_TIME | rewards | trading | net | contracts | withdrawn | loss | rewards kept |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (size, time), results in found.items():
        rewards, trading, contracts, withdrawn = (sum(column) for column in zip(*results, strict=True))
        pairs = list(zip(found[size, None], results, strict=True))
        compared = ["", ""]
        if time is not None:
            compared = [ratio(pairs, lambda one: -one.trading), ratio(pairs, lambda one: one.rewards)]
        money = " | ".join(f"${one:,.2f}" for one in (rewards, trading, rewards + trading))
        when = "None" if time is None else f"{time:g}"
        lines.append(
            f"| {size} | {when} | {money} | {contracts:,.0f} | {withdrawn:,.0f} | {' | '.join(compared)} |"
        )
    return "\n".join(lines).replace("$-", "-$")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch", description=__doc__)
    parser.add_argument("--first", type=int, default=FIRST, help=f"the first board (default {FIRST})")
    parser.add_argument("--boards", type=int, default=20)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--times", type=float, nargs="+", default=[5.0], help="seconds between looks (default 5)")
    asked = parser.parse_args()
    times: list[float | None] = [None, *asked.times]
    seeds = range(asked.first, asked.first + asked.boards)
    jobs = [Job(seed, size, time, asked.hours) for size in SIZES for time in times for seed in seeds]
    found: dict[tuple[object, float | None], list[Result]] = {(size, time): [] for size in SIZES for time in times}
    for job, result in done(trade, jobs):
        found[job.size, job.watch_time].append(result)
    print(
        f"{asked.boards} boards of {PROGRAMS} programs from {asked.first}, {asked.hours:g} hours each, simulated"
    )
    print(table(found))


if __name__ == "__main__":
    main()
