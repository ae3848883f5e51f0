"""Whether the simulator is as hard on a maker as the real exchange was: `python -m tests.slow.calibration`.

A quoter that knows nothing rests at the touch. Makers on the real exchange measured what that costs by the price
five minutes after a fill, at settlement, and in a market's last hour. Here it must cost about as much, on held-
out boards. Settlement counts by what it brings on average: the luck of the outcomes moves it further than these
bounds. It must lose to those who know more: without them it must earn. Eight boards are too few: the last hour's
standard error is 2 cents there.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable

from benchmarks.calibration import MARKETS, cents
from benchmarks.harness import HELD_OUT_SEEDS, done
from benchmarks.quoter import Marks, quote
from runtime.console import progress
from simulator.people import EVERYBODY, INFORMED

SEEDS = HELD_OUT_SEEDS[:16]

BOUNDS = {"after 5 min": (-3.4, -2.2), "settled, on average": (-5.8, -3.8), "last hour": (-11.0, -6.0)}
"""Cents a contract, from and to. Measured on the real exchange: -2.8, -4.8 and -7.6. The first two are within 20 %
of that."""


def earned(who: Collection[str], seeds: Iterable[int], days: float) -> tuple[float, float]:
    """Dollars of rewards, and of trading, that the quoter earned on a board of each seed."""
    boards = []
    for seed in seeds:
        progress(f"seed {seed}, {len(who)} kinds of people")
        boards.append(quote(frozenset(who), seed, markets=8, days=days, programs=20, past=0))
    progress("")
    trading = [marks.after_five_minutes - marks.fees for marks in boards]
    return sum(marks.rewards for marks in boards), sum(trading)


def _board(job: tuple[frozenset[str], int]) -> Marks:
    who, seed = job
    return quote(who, seed, MARKETS, 2.0)


def main() -> int:
    jobs = [(who, seed) for who in (EVERYBODY, EVERYBODY - {INFORMED}) for seed in SEEDS]
    marks = [board for _, board in done(_board, jobs)]
    everybody, ignorant = (sum(half[1:], start=half[0]) for half in (marks[: len(SEEDS)], marks[len(SEEDS) :]))
    late = [fill for fill in everybody.fills if 0 <= fill.hours < 1]
    found = {
        "after 5 min": cents(everybody.fills, lambda fill: fill.after_five_minutes)[0],
        "settled, on average": cents(everybody.fills, lambda fill: fill.known)[0],
        "last hour": cents(late, lambda fill: fill.known)[0],
    }
    wrong = 0
    print(
        f"A quoter at the touch of {MARKETS} markets, boards {SEEDS[0]} to {SEEDS[-1]}, two days each, simulated:"
    )
    for name, (low, high) in BOUNDS.items():
        is_off = not low <= found[name] <= high
        wrong += is_off
        print(f"{'WRONG' if is_off else 'ok':6}{name}: {found[name]:.1f} cents a contract ({low} to {high})")
    loses = everybody.after_five_minutes < -2 * everybody.rewards < 0
    gained = ignorant.after_five_minutes
    print(f"{'ok' if loses else 'WRONG':6}fills cost more than twice the rewards of ${everybody.rewards:.2f}")
    print(f"{'ok' if gained > 0 else 'WRONG':6}without the informed: trading ${gained:.2f}")
    return 0 if loses and gained > 0 and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
