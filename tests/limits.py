"""Thousands of cycles with whoever comes, and whether a limit was ever broken: `python -m tests.limits`.

After each cycle what the exchange itself lists is held against the settings: what orders and positions tie up,
what each event can lose, and that no side has two orders. The suite does a few hundred cycles, `make soak`
thousands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from benchmarks.desk import Desk, desk
from benchmarks.progress import progress
from bot.settings import AUTO
from exchange.account import Position
from exchange.models import Order
from risk.gate import Gate, Limits, TradingState
from simulator.people import EVERYBODY, INFORMED, NOISE, RIVALS, SWEEPS
from trade import is_own

PROGRAMS = 40
CAPITAL, EVENT_LOSS = 60, 15
RULES: dict[str, Any] = {
    "TRADE_DELTA": 0.00,
    "TRADE_TICKER_SIZE": 3,
    "INCENTIVE_SIZE": None,
    "MAX_CAPITAL": CAPITAL,
    "MAX_EVENT_LOSS": EVENT_LOSS,
    "DAILY_LOSS_LIMIT": 1_000,
    "FILL_COST": 0,
    "MIN_HOURS_TO_CLOSE": 1,
    "AVOID": (),
}
"""At the touch, with limits that bind and nothing that halts."""


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
    return exceeded(one.client.get_resting_orders().items, one.client.get_positions().items)


def exceeded(orders: Sequence[Order], positions: Sequence[Position]) -> list[str]:
    """Which limits these orders and positions break."""
    settled = Limits(Decimal(CAPITAL), Decimal(EVENT_LOSS), 0)
    known = Gate(TradingState(settled, orders=tuple(orders), positions=tuple(positions)), {})
    found = [f"{event}: ${risk} at risk" for event, risk in known.risks().items() if risk > EVENT_LOSS]
    if known.tied_up > CAPITAL:
        found.append(f"${known.tied_up} tied up")
    sides = [(order.ticker, order.side) for order in orders if is_own(order)]
    if len(sides) > len(set(sides)):
        found.append("two orders on one side")
    return found


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
    parser = argparse.ArgumentParser(prog="python -m tests.limits", description=__doc__)
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
