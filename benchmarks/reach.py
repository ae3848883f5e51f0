"""Measure how many markets one bot process can quote.

Run it with `python -m benchmarks.reach [--tiers basic,advanced] [--way 0.05] [--quick] [--no-machine]`.

The bot's own loop trades on a simulated board of 8,140 programs. It quotes both sides of more and more markets
until one of its limits is reached: the tokens of the account's tier, the wait for each answer (one request after
another), or the machine. The result is printed next to the numbers that tokens and waiting allow by arithmetic.

There are no other traders, so every order stays and a cycle sends only renewals. All cash is on shard 0, so all
quotes rest there and share one token bucket. An order is a tenth of a contract, so that the cash suffices. The
board is scanned every three minutes instead of ten, so that a short run includes a scan.

A number of markets *fits* if all this is true from the third cycle on:

* every market asked for is quoted
* no order expired before it was renewed
* no cycle with its scan took longer than `WAIT_TIME`
* no request was answered with 429

Simulated time includes none of the bot's own computing. Therefore `benchmarks.machine` follows, for the fewest and
the most markets that fit.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from benchmarks import machine
from benchmarks.harness import Desk, desk
from benchmarks.machine import CYCLES, FEWEST, RULES, SETTLING, WAIT
from benchmarks.presence import side_seconds
from benchmarks.scan import PROGRAMS, CountingWire
from exchange.market_data import TICKERS_PER_CALL
from exchange.models import OrderRequest
from exchange.rate_limits import COSTS
from execution.plan import Plan
from market_bot import MarketBot
from risk.gate import Place
from runtime.console import progress
from selection.ranking import Selection
from simulator import embedded
from simulator.api.limits import TIERS
from simulator.opening import CUSTOMER

WAY = 0.05
"""Simulated seconds from a request to its answer."""

SIDES = 2
PARTS = (0.97, 1.05)
"""The parts that are tried of the number of markets that should just fit by arithmetic."""


class Enough(BaseException):
    """Ends the run, and leaves the orders resting."""


class Note(NamedTuple):
    """A cycle: its start and end in simulated seconds, its plan, the markets quoted."""

    began: float
    ended: float
    at: datetime
    plan: Plan
    markets: int


class Noting(MarketBot):
    """A bot that notes its cycles and scans' seconds, and ends after `CYCLES` cycles."""

    notes: list[Note]
    scans: list[float]

    def start_trading(self) -> Selection | None:
        if len(self.notes) == CYCLES:
            raise Enough
        progress(f"{self.settings.trade_ticker_size:,} markets: cycle {len(self.notes) + 1} of {CYCLES}")
        began = self._clock.monotonic()
        selection = super().start_trading()
        self.notes.append(
            Note(
                began,
                self._clock.monotonic(),
                self._clock.now(),
                self.plan or Plan(),
                len(self.incentive_program.quoted),
            )
        )
        return selection

    def scan_board(self) -> None:
        began = self._clock.monotonic()
        super().scan_board()
        self.scans.append(self._clock.monotonic() - began)


class Run(NamedTuple):
    """Medians of the cycles after the first `SETTLING`.

    `takes`: seconds from a cycle's start until all orders are renewed. `scan`: seconds of the slowest scan, 0 if
    none finished. `slowest`: the most seconds from one cycle's start to the next one's, including the scan.
    `late`: orders that were gone before their renewal, or were left to the next cycle. `present`: the part of the
    time with a resting order, on the sides that two cycles in a row wanted."""

    asked: int
    markets: float
    renewals: float
    takes: float
    scan: float
    slowest: float
    late: int
    present: float
    refusals: int

    @property
    def fits(self) -> bool:
        on_time = self.scan > 0 and self.slowest <= WAIT + 0.01 and not self.late and not self.refusals
        return on_time and self.markets >= 0.99 * self.asked  # if a window ends, its slot stays empty until a scan


def run(markets: int, tier: str, way: float) -> Run:
    """Trade on a tier, with this number of markets asked for."""
    progress(f"{markets:,} markets: the exchange opens")
    settings = RULES | {"TRADE_TICKER_SIZE": markets}
    with desk(1, PROGRAMS, (), settings, Noting, tier) as one:
        bot, exchange = one.bot, one.exchange.api.exchange
        assert isinstance(bot, Noting)  # noqa: S101  (it was asked for)
        bot.notes, bot.scans = [], []
        wire = CountingWire(one.exchange, way)
        one.exchange.session.mount(embedded.HOST, wire)
        account = exchange.accounts[CUSTOMER]
        for shard in [shard for shard in account.cash if shard]:
            exchange.move_cash(account, shard, 0, exchange.free_cash(account, shard))
        with suppress(Enough):
            bot.run()
        progress("")
        if len(bot.notes) < CYCLES:
            raise RuntimeError(f"the bot stopped by itself: {one.log[-1]}")
        return _judged(markets, one, bot, wire.refusals)


def _judged(asked: int, one: Desk, bot: Noting, refusals: int) -> Run:
    notes = bot.notes[SETTLING:]
    spans = [(note.at, note.plan.places & after.plan.places) for note, after in pairwise(notes)]
    one.client.get_exchange_status()  # moves the exchange on to the present
    wanted, present, _ = side_seconds([*spans, (notes[-1].at, frozenset())], one.statement)
    late = sum("was gone already" in line for line in one.log)
    for before, note in pairwise(notes):
        late += len(before.plan.places & {_place(order) for order in note.plan.orders})
    return Run(
        asked,
        median(note.markets for note in notes),
        median(len(note.plan.amendments) for note in notes),
        median(note.ended - note.began for note in notes),
        max(bot.scans, default=0.0),
        max(after.began - note.began for note, after in pairwise(notes)),
        late,
        present / wanted,
        refusals,
    )


def _place(order: OrderRequest) -> Place:
    return order.ticker, order.bid.side


class Dictated(NamedTuple):
    """The markets that arithmetic allows in `WAIT_TIME`, if only renewals are sent.

    `by_tokens`: limited by one bucket's tokens. `by_answers`: limited by the wait for each answer."""

    by_tokens: int
    by_answers: int

    @classmethod
    def at(cls, tier: str, way: float) -> Dictated:
        tokens = WAIT * TIERS[tier].write / (SIDES * COSTS.default)
        return cls(int(tokens), int(WAIT / (SIDES * way)))


def expected(first: Run, tier: str, way: float) -> int:
    """Markets that should just fit, extrapolated from a run with few.

    A cycle also has its other requests and its scan, and two more reads for each hundred markets."""
    renewal = max(way, COSTS.default / TIERS[tier].write)
    other = max(first.takes - first.renewals * renewal, 0.0)
    return int((WAIT - first.scan - other) / (SIDES * renewal + SIDES * way / TICKERS_PER_CALL))


def ladder(tier: str, way: float, parts: Sequence[float]) -> list[Run]:
    """Runs on a tier, with different numbers of markets.

    The first is `FEWEST`. The others are `parts` of the number that should just fit."""
    first = run(FEWEST, tier, way)
    most = expected(first, tier, way)
    return [first, *(run(int(most * part), tier, way) for part in parts)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reach", description=__doc__)
    parser.add_argument("--tiers", default="basic,advanced", help=f"some of {', '.join(TIERS)}, or all")
    parser.add_argument("--way", type=float, default=WAY, help="seconds from a request to its answer (0.05)")
    parser.add_argument("--quick", action="store_true", help="try no number that should be too large")
    parser.add_argument("--no-machine", action="store_true", help="leave out memory and CPU")
    asked = parser.parse_args()
    tiers = list(TIERS) if asked.tiers == "all" else asked.tiers.split(",")
    print(
        f"A board of {PROGRAMS:,} programs; an answer takes {asked.way * 1e3:.0f} ms, a cycle may take {WAIT:.0f} "
        "s. Simulated."
    )
    print(f"{'':10}{'most markets by':^20}{'measured':>10}")
    heads = ("tokens", "answers", "markets", "renewals", "cycle", "scan", "slowest", "late", "resting", "429s")
    print(f"{'tier':10}" + "".join(f"{head:>10}" for head in heads))
    fitting = {FEWEST}
    with ProcessPoolExecutor() as pool:
        jobs = [pool.submit(ladder, tier, asked.way, PARTS[: 1 if asked.quick else None]) for tier in tiers]
        for tier, job in zip(tiers, jobs, strict=True):
            for one in job.result():
                print(f"{tier:10}{_told(Dictated.at(tier, asked.way), one)}", flush=True)
                fitting |= {one.asked} if one.fits else set()
    if not asked.no_machine:
        print()
        machine.tell(sorted({FEWEST, max(fitting)}))


def _told(dictated: Dictated, one: Run) -> str:
    seconds = "".join(f"{value:8.1f} s" for value in (one.takes, one.scan, one.slowest))
    return (
        f"{dictated.by_tokens:10,}{dictated.by_answers:10,}{one.markets:10,.0f}{one.renewals:10,.0f}{seconds}"
        f"{one.late:10,}{one.present:10.2%}{one.refusals:10}   {'fits' if one.fits else 'does not fit'}"
    )


if __name__ == "__main__":
    main()
