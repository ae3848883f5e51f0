"""Simulated months of rewards with the real lags, and what became of their dollars: `python -m
tests.slow.reward_months`.

It fails if a dollar is given to a wrong window or series, or if less than 90 % of the dollars of daily windows are
given to theirs.
"""

from __future__ import annotations

import argparse
import sys
import time
from decimal import Decimal

from tests.support.reward_month import QUARTERS, Month

GIFTS = ((3.3, "15.00"), (9.1, "25.00"), (12.2, "7.31"), (20.0, "15.00"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.slow.reward_months", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many months (default 10)")
    parser.add_argument("--first", type=int, default=100, help="the first month's seed (default 100)")
    parser.add_argument("--quarters", type=int, default=2, help="series of 15-minute windows, 0 to 2 (default 2)")
    parser.add_argument("--silent", action="store_true", help="the exchange does not say what was paid out")
    asked = parser.parse_args()
    failed = False
    for seed in range(asked.first, asked.first + asked.seeds):
        month = Month(seed, quarters=QUARTERS[: asked.quarters], gifts=GIFTS)
        began = time.monotonic()
        found = month.compare(month.rewards(asks=not asked.silent))
        took = time.monotonic() - began
        daily = found.daily_given / found.daily_came
        parts = [part / found.came for part in (found.given, found.uncertain, found.unexplained)]
        print(
            f"seed {seed}: ${found.came} came; {parts[0]:.1%} given, {parts[1]:.1%} to a series, {parts[2]:.1%} "
            f"unexplained; daily windows {daily:.1%}; wrong ${found.wrong}, divided wrongly ${found.split:.2f}, "
            f"to windows below the floor ${found.unpaid}; {took:.1f} s",
            flush=True,
        )
        failed |= bool(found.wrong) or (not asked.silent and daily < Decimal("0.9"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
