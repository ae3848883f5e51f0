"""Compare the values of `EXIT` and `TRADE_DELTA` on the same seeds.

Run it with `python -m benchmarks.exits [--seeds N] [--hours H]`. The whole bot trades each board for some hours
with all simulated traders, once with each pair of settings. Columns in dollars:

* *rewards*: the value of the bot's seconds by the exchange's own record. It is before the $1.00 floor, because no
  window ends within the run.
* *trading*: the result of fills, fees and settlements, and what selling all open positions at the end would bring
  after fees (`simulator/worth.py`).
* *exit cost*: what sales at the best bid gave away against the mid price, with their fees. Trading includes it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

from benchmarks.harness import accrued, desk, done, filled
from simulator.people import EVERYBODY

PROGRAMS = 60
RULES: dict[str, object] = {
    "TRADE_SIZE": 20,
    "TRADE_TICKER_SIZE": 6,
    "INCENTIVE_SIZE": None,
    "MAX_CAPITAL": 400,
    "MAX_EVENT_LOSS": 100,
    "DAILY_LOSS_LIMIT": 10_000,
    "MIN_HOURS_TO_CLOSE": 1,
    "FILL_COST": 0,
    "AVOID": (),
}
"""Settings with enough fills for a comparison, and without a halt."""

PAIRS = tuple(product(("CROSS", "REST"), (0.00, 0.01)))


class Result(NamedTuple):
    """A run's result in dollars, and the contracts filled."""

    rewards: float
    contracts: float
    fees: float
    exit_cost: float
    trading: float

    @property
    def net(self) -> float:
        return self.rewards + self.trading


def trade(job: tuple[int, str, float, float]) -> Result:
    """Run one job: a seed, EXIT, TRADE_DELTA and hours."""
    seed, way, delta, hours = job
    with desk(seed, PROGRAMS, EVERYBODY, RULES | {"EXIT": way, "TRADE_DELTA": delta}) as one:
        before = one.worth()
        for _ in one.cycles(round(hours * 60)):
            pass
        said = one.statement
        costs = [re.search(r"Exit cost: \$(-?[\d.]+)", line) for line in one.told("INFO")]
        return Result(
            sum(map(accrued, said["rewards"])),
            filled(said),
            sum(float(fill["fee_cost"]) for fill in said["fills"]),
            sum(float(cost[1]) for cost in costs if cost),
            float(one.worth() - before),
        )


def table(results: Mapping[tuple[str, float], Sequence[Result]]) -> str:
    lines = [
        "| EXIT | TRADE_DELTA | rewards | contracts filled | fees | exit cost | trading | net | net by seed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (way, delta), found in results.items():
        sums = [sum(column) for column in zip(*found, strict=True)]
        rewards, contracts, fees, exits, trading = sums
        each = " ".join(f"{one.net:.2f}" for one in found)
        money = " | ".join(f"${one:,.2f}" for one in (fees, exits, trading, rewards + trading))
        lines.append(f"| {way} | {delta:.2f} | ${rewards:,.2f} | {contracts:,.0f} | {money} | {each} |")
    return "\n".join(lines).replace("$-", "-$")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exits", description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--hours", type=float, default=8.0)
    asked = parser.parse_args()
    jobs = [(seed, *pair, asked.hours) for pair in PAIRS for seed in range(1, asked.seeds + 1)]
    found: dict[tuple[str, float], list[Result]] = {pair: [] for pair in PAIRS}
    for job, result in done(trade, jobs):
        found[job[1], job[2]].append(result)
    print(f"{asked.seeds} boards of {PROGRAMS} programs, {asked.hours:g} hours each, simulated")
    print(table(found))


if __name__ == "__main__":
    main()
