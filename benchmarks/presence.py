"""Measure how much of the wanted time an order rests, and a cycle's requests.

Run it with `python -m benchmarks.presence`. The bot trades an hour of simulated time, without other traders and
with all of them. The comparison is the same bot, except that it cancels every order at the start of a cycle and
places it again.

A side is wanted from the end of the first cycle whose plan names it until a plan no longer does. Whether an order
rested then is taken from the exchange's own record. Seconds in which a guard blocks the side after a fill are left
out, and printed separately. So are the seconds from a full fill to the end of the cycle that sees it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from benchmarks.harness import Desk, desk, filled, moment
from exchange.orderbook import Side
from execution import cancel_reasons
from market_bot import MarketBot
from risk.gate import Place
from runtime.console import progress
from selection.ranking import Selection
from simulator.people import EVERYBODY
from trade import OWN_PREFIX, is_own

PROGRAMS, CYCLES = 40, 60

BUSY: dict[str, object] = {
    "TRADE_SIZE": 20,
    "TRADE_DELTA": 0.00,
    "TRADE_TICKER_SIZE": 6,
    "INCENTIVE_SIZE": None,
    "MAX_CAPITAL": 400,
    "MAX_EVENT_LOSS": 200,
    "FILL_COST": 0,
    "MIN_HOURS_TO_CLOSE": 1,
}
"""Settings with which quotes are moved and filled."""

WITH_FILLS = 6
"""A board on which quotes at the touch are filled within the hour."""


class Anew(MarketBot):
    """A bot that cancels all its orders when a cycle begins, and places them again."""

    def start_trading(self) -> Selection | None:
        for order in self._client.get_resting_orders():
            if is_own(order):
                self.session.canceler.cancel_one(order, cancel_reasons.BY_HAND)
        return super().start_trading()


class Hour(NamedTuple):
    """The result of a run, with times in side-seconds.

    `present`: the part of `wanted` in which an order rested. `after_fills` and `guarded`: the seconds left out.
    `requests`: of a usual cycle, including its `writes`. `contracts`: filled contracts of quotes."""

    wanted: float
    present: float
    after_fills: float
    guarded: float
    requests: int
    writes: int
    contracts: float

    @property
    def part(self) -> float:
        return self.present / self.wanted


def hour(one: Desk, cycles: int = CYCLES) -> Hour:
    """Trade, and compare the plans with the exchange's record."""
    spans: list[tuple[datetime, frozenset[Place]]] = []
    counts: list[tuple[int, int]] = []
    guarded = 0.0
    for number in one.cycles(cycles):
        progress(f"cycle {number + 1} of {cycles}")
        plan = one.bot.plan
        spans.append((one.exchange.clock.now(), plan.places if plan else frozenset()))
        if plan:
            counts.append((one.requests, len(plan.amendments) + len(plan.orders) + len(plan.cancels)))
        sides, quoted = one.bot.session.memory.guards.sides, one.bot.incentive_program.quoted
        guarded += one.wait * sum(1 for ticker, _ in sides if ticker in quoted)
    progress("")
    said = one.statement
    spans.append((one.exchange.clock.now(), frozenset()))
    wanted, present, after_fills = side_seconds(spans, said)
    usual = Counter(counts[1:]).most_common(1)[0][0]
    contracts = filled(said)
    return Hour(wanted, present, after_fills, guarded, *usual, contracts)


def side_seconds(
    spans: list[tuple[datetime, frozenset[Place]]], said: Mapping[str, Any]
) -> tuple[float, float, float]:
    """Side-seconds wanted, those with a resting order, and those after a full fill.

    The seconds after a full fill do not count as wanted. `said` is the exchange's statement. `spans`: start times,
    with the places wanted from then until the next start."""
    lives: dict[Place, list[_Life]] = defaultdict(list)
    for order in said["orders"]:
        if order["client_order_id"].startswith(OWN_PREFIX):
            life = _life(order, said["time"])
            lives[life[0]].append(life)
    wanted = present = after_fills = 0.0
    for (start, places), (end, _) in pairwise(spans):
        for place in places:
            rested, filled_out = _rested(lives[place], start, end)
            after_fills += filled_out
            wanted += (end - start).total_seconds() - filled_out
            present += rested
    return wanted, present, after_fills


_Life = tuple[Place, datetime, datetime, bool]


def _life(order: dict[str, Any], now: str) -> _Life:
    """An order's place, its start and end, and whether it was filled completely."""
    ended = now if order["status"] == "resting" else order["last_update_time"]
    place = order["ticker"], Side(order["outcome_side"])
    return place, moment(order["created_time"]), moment(ended), order["status"] == "executed"


def _rested(lives: list[_Life], start: datetime, end: datetime) -> tuple[float, float]:
    """Seconds of a span in which an order rested, and those after a full fill."""
    rested, until, filled_out = 0.0, start, 0.0
    for _, begins, ends, executed in sorted(lives, key=lambda life: life[1]):
        if executed and start < ends <= end:
            filled_out = (end - ends).total_seconds()
        begins, ends = max(begins, until), min(ends, end)
        rested += max((ends - begins).total_seconds(), 0.0)
        until = max(until, ends)
    return rested, filled_out


def main() -> None:
    print(f"{CYCLES} cycles of a minute, simulated; a request takes 0.05 s there")
    rows: list[tuple[str, int, Collection[str], dict[str, object]]] = [
        ("no other traders, 2 markets", 1, (), {}),
        ("everybody, 2 markets", 1, EVERYBODY, {}),
        ("everybody, 6 markets at the touch", WITH_FILLS, EVERYBODY, BUSY),
    ]
    for what, seed, who, settings in rows:
        for name, kind in (("orders that stay", MarketBot), ("canceled and placed again", Anew)):
            with desk(seed, PROGRAMS, who, settings, kind) as one:
                told = hour(one)
            print(
                f"{what:34} {name:26} present {told.part:8.3%} of {told.wanted:8,.0f} s; left out: "
                f"{told.after_fills:,.0f} s after fills, {told.guarded:,.0f} s guarded; {told.contracts:,.0f} "
                f"contracts filled; {told.requests} requests in a usual cycle"
            )


if __name__ == "__main__":
    main()
