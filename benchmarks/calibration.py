"""How hard the simulator is on a maker: `python -m benchmarks.calibration [--seeds N] [--days D]`.

Prints what a quoter at the touch earned and lost, with everybody in the market and with some left out, beside what
makers measured on the real exchange.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor

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
    print(f"A quoter at the touch of {MARKETS} paid markets for {arguments.days:g} simulated days, simulated.")
    print("Medians over the seeds. Markouts in cents a contract; measured by makers on the real exchange:")
    print("-2.8 after five minutes, -4.8 at settlement, -7.6 for fills of the last hour.\n")
    print(
        f"{'':28}{'contracts':>10}{'rewards':>10}{'trading':>10}{'net':>10}{'5 min':>8}{'settled':>8}{'last h':>8}"
    )
    with ProcessPoolExecutor() as pool:
        jobs = {
            name: [pool.submit(quote, who, seed, MARKETS, arguments.days) for seed in range(arguments.seeds)]
            for name, who in CASTS.items()
        }
        for number, (name, runs) in enumerate(jobs.items(), start=1):
            _progress(f"{number} of {len(jobs)}: {name}")
            print(f"{name:28}{_line([run.result() for run in runs])}", flush=True)


def _line(marks: list[Marks]) -> str:
    def median(of: str) -> float:
        return statistics.median(float(getattr(mark, of)) for mark in marks)

    money = "".join(f"{median(name):10,.0f}" for name in ("contracts", "rewards", "trading", "net"))
    names = ("after_five_minutes", "at_the_latest", "in_the_last_hour")
    return money + "".join(f"{median(name):8.1f}" for name in names)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
