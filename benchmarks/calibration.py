"""Measure how hard the simulator is on a market maker.

Run it with `python -m benchmarks.calibration [--seeds N] [--days D]`. It prints what a quoter at the touch earned
and lost, with all simulated traders and with some left out. For comparison it prints what makers measured on the
real exchange.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor

from benchmarks.harness import progress
from benchmarks.quoter import Marks, quote
from simulator.people import EVERYBODY, INFORMED, SWEEPS

MARKETS = 20

CASTS = {
    "everybody": EVERYBODY,
    "without the informed": EVERYBODY - {INFORMED},
    "without informed and sweeps": EVERYBODY - {INFORMED, SWEEPS},
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="boards to try (default 5)")
    parser.add_argument("--days", type=float, default=2.0, help="simulated days on each (default 2)")
    arguments = parser.parse_args()
    boards = arguments.seeds
    print(
        f"A quoter at the touch of {MARKETS} paid markets, {boards} boards of {arguments.days:g} days, simulated."
    )
    print("Rewards, trading, net: dollars over all boards. Last three columns: cents per contract.")
    print("Makers on the real exchange: -2.8 after 5 min, -4.8 settled, -7.6 for fills of the last hour.\n")
    columns = ("contracts", "rewards", "trading", "net", "5 min", "settled", "last hour")
    print(" " * 28 + "".join(f"{column:>10}" for column in columns))
    with ProcessPoolExecutor() as pool:
        jobs = {
            name: [pool.submit(quote, who, seed, MARKETS, arguments.days) for seed in range(boards)]
            for name, who in CASTS.items()
        }
        for number, (name, runs) in enumerate(jobs.items(), start=1):
            progress(f"{number} of {len(jobs)}: {name}")
            first, *others = [run.result() for run in runs]
            print(f"{name:28}{_line(sum(others, start=first))}", flush=True)


def _line(marks: Marks) -> str:
    money = (marks.contracts, marks.rewards, marks.at_the_latest, marks.net)
    per_contract = (
        marks.after_five_minutes / marks.contracts,
        marks.at_the_latest / marks.contracts,
        marks.of_the_last_hour / marks.late_contracts if marks.late_contracts else 0.0,
    )
    return "".join(f"{value:10,.0f}" for value in money) + "".join(
        f"{value * 100:10.1f}" for value in per_contract
    )


if __name__ == "__main__":
    main()
