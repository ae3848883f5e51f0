"""Measure how fast simulated time passes, against this machine's time.

Run it with `python -m benchmarks.speed [--rounds N] [--day]`. It prints simulated seconds per second of the
machine's time, with all simulated traders, for a board of the default size and for one of 8,140 programs, which
nobody trades before it opens. With `--day` it also prints how long a simulated day of the default board takes. The
boards' figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from simulator.listing import DAY
from simulator.opening import PROGRAMS, open_exchange

START = 1_795_000_000.0

BOARDS = {PROGRAMS: (DAY, 7_200.0), 8_140: (0.0, 600.0)}
"""Programs, and the simulated seconds before the opening and in a round."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="boards to open (default 3)")
    parser.add_argument("--day", action="store_true", help="also run a simulated day of the default board")
    arguments = parser.parse_args()
    for programs, (past, length) in BOARDS.items():
        rounds = [_run(programs, past, length, seed) for seed in range(arguments.rounds)]
        opening, running = (statistics.median(times) for times in zip(*rounds, strict=True))
        print(
            f"{programs:6,} programs: opened in {opening:.2f} s, "
            f"{length / running:8,.0f} simulated seconds a second"
        )
    if arguments.day:
        _, running = _run(PROGRAMS, DAY, DAY, seed=1)
        print(f"a simulated day of {PROGRAMS} programs: {running:.1f} s")


def _run(programs: int, past: float, length: float, seed: int) -> tuple[float, float]:
    """Seconds to open a board, and to let `length` simulated seconds pass on it."""
    began = time.perf_counter()
    exchange = open_exchange(START, seed, programs=programs, past=past)
    opened = time.perf_counter()
    steps = 20
    for step in range(1, steps + 1):
        exchange.advance(START + length * step / steps)
        if sys.stderr.isatty():
            print(f"\r{programs:,} programs, seed {seed}: {step * 100 // steps} %", end="\r", file=sys.stderr)
    return opened - began, time.perf_counter() - opened


if __name__ == "__main__":
    main()
