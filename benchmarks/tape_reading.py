"""Compare what a market's last day of trades says a fill costs with what it costs.

Run it with `python -m benchmarks.tape_reading [--boards N] [--first SEED] [--programs N] [--hours H]
[--building]`. Boards are held out unless `--building`.

The reading is plain, and needs the public tape alone: a maker's loss in a trade is how far the market's trades of
the next hours were from its price, on average, in the taker's favour. It is compared with two truths:

- *the same trades*: how far the hidden value was from their prices, `KNOWN_SECONDS` seconds later.
- *fills of a maker*: what fills cost a small maker at the bot's usual price in the hours after the opening, by
  replays with other luck (`benchmarks/true_cost.py`).

The first says what is lost because the value is not seen. The second says also what is lost because one day is
short, and because the maker rests elsewhere and later. Markets count by their contracts on the tape.
"""

from __future__ import annotations

import argparse
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.harness import BUILDING_SEEDS, HELD_OUT_SEEDS, START, done
from benchmarks.quoter import KNOWN_SECONDS
from benchmarks.true_cost import Cost, true_costs
from simulator.listing import PublicTrade
from simulator.matching import CONTRACT, DOLLAR_PIPS
from simulator.opening import open_exchange

FROM, UNTIL = 900.0, 4 * 3_600.0
"""A trade is compared with trades that come this many seconds after it."""

FEW = 300.0
"""Contracts of the board's mean that are added to a market's own, as one day of a market holds few trades."""

PARTS = 4
"""Groups of markets, by their reading, whose truths are shown."""


class Reading(NamedTuple):
    """What the tape says a fill costs, in dollars a contract.

    `contracts`: those that it is read from."""

    contracts: float
    dollars: float


class Market(NamedTuple):
    """A market's reading, and its two truths.

    `of_trades` is in dollars a contract. `of_maker` is None if no fill of the maker was seen there."""

    ticker: str
    reading: Reading
    of_trades: float
    of_maker: Cost | None


class Job(NamedTuple):
    seed: int
    programs: int
    hours: float


def read(trades: Sequence[PublicTrade]) -> Reading:
    """What trades of one market, oldest first, say a fill cost the maker.

    Trades without later ones in time are left out."""
    times = [trade.time for trade in trades]
    sums, contracts, dollars = _running_sums(trades), 0.0, 0.0
    for trade in trades:
        first, last = bisect_left(times, trade.time + FROM), bisect_right(times, trade.time + UNTIL)
        if first < last:
            later = (sums[last] - sums[first]) / (last - first)
            contracts += trade.size / CONTRACT
            dollars += _loss(trade, later)
    return Reading(contracts, dollars / contracts if contracts else 0.0)


def shrunk(readings: Sequence[Reading]) -> list[float]:
    """Each market's reading in dollars a contract, with `FEW` of all markets'."""
    contracts = sum(one.contracts for one in readings)
    board = sum(one.contracts * one.dollars for one in readings) / contracts if contracts else 0.0
    return [(one.contracts * one.dollars + FEW * board) / (one.contracts + FEW) for one in readings]


def measure(job: Job) -> list[Market]:
    """Every market of a board with a reading."""
    exchange = open_exchange(START.timestamp(), job.seed, programs=job.programs)
    costs = true_costs(job.seed, job.programs, job.hours)
    found = []
    for ticker, market in exchange.markets.items():
        trades = [trade for trade in market.trades if trade.time < exchange.opened]
        reading = read(trades)
        if reading.contracts:
            worth = exchange.hidden_value[ticker]
            lost = sum(_loss(trade, worth(trade.time + KNOWN_SECONDS)) for trade in trades)
            of_trades = lost / sum(trade.size / CONTRACT for trade in trades)
            found.append(Market(ticker, reading, of_trades, costs.get(ticker)))
    return found


def _loss(trade: PublicTrade, worth: float) -> float:
    """Dollars that the maker of a trade lost, if a contract was `worth` dollars."""
    return (worth - trade.price / DOLLAR_PIPS) * (1 if trade.taker_is_bid else -1) * trade.size / CONTRACT


def _running_sums(trades: Sequence[PublicTrade]) -> list[float]:
    """Sums of the prices of the first 0, 1, 2, ... trades, in dollars."""
    sums = [0.0]
    for trade in trades:
        sums.append(sums[-1] + trade.price / DOLLAR_PIPS)
    return sums


Truth = Callable[[Market], float | None]
TRUTHS: dict[str, Truth] = {
    "the same trades": lambda market: market.of_trades,
    "fills of a maker": lambda market: market.of_maker and market.of_maker.dollars,
}


def table(boards: Sequence[Sequence[Market]]) -> str:
    """The truths of markets, in groups by their reading."""
    rows = sorted(
        ((said, market) for markets in boards for said, market in zip(_said(markets), markets, strict=True)),
        key=lambda row: row[0],
    )
    lines = [
        "| markets by reading | markets | contracts on the tape | reading | " + " | ".join(TRUTHS) + " |",
        "|---" * (4 + len(TRUTHS)) + "|",
    ]
    for part in range(PARTS):
        group = rows[len(rows) * part // PARTS : len(rows) * (part + 1) // PARTS]
        contracts = sum(market.reading.contracts for _, market in group)
        cells = [_mean([(said, market.reading.contracts) for said, market in group])]
        cells += [_mean(_weighed(of, [market for _, market in group])) for of in TRUTHS.values()]
        cents = " | ".join(f"{cell * 100:.1f}" for cell in cells)
        lines.append(f"| part {part + 1} of {PARTS} | {len(group)} | {contracts:,.0f} | {cents} |")
    return "\n".join(lines).replace("-0.0", "0.0")


def errors(boards: Sequence[Sequence[Market]], of: Truth) -> str:
    """How far readings are from a truth, and the board's mean alone, in cents."""
    off_reading: list[tuple[float, float]] = []
    off_board: list[tuple[float, float]] = []
    pairs: list[tuple[float, float, float]] = []
    for markets in boards:
        board = _mean(_weighed(of, markets))
        for said, market in zip(_said(markets), markets, strict=True):
            truth, weight = of(market), market.reading.contracts
            if truth is not None:
                off_reading.append(((said - truth) ** 2, weight))
                off_board.append(((board - truth) ** 2, weight))
                pairs.append((said, truth, weight))
    return (
        f"{math.sqrt(_mean(off_reading)) * 100:.1f} (the board's mean alone: "
        f"{math.sqrt(_mean(off_board)) * 100:.1f}), correlation {_correlation(pairs):.2f}"
    )


def own_error(boards: Sequence[Sequence[Market]]) -> float:
    """Typical standard error of the maker's cost where it is known, in cents."""
    costs = [(market.of_maker, market.reading.contracts) for markets in boards for market in markets]
    known = [(cost.standard_error, weight) for cost, weight in costs if cost and cost.standard_error < math.inf]
    return math.sqrt(_mean([(error**2, weight) for error, weight in known])) * 100


def _said(markets: Sequence[Market]) -> list[float]:
    return shrunk([market.reading for market in markets])


def _weighed(of: Truth, markets: Sequence[Market]) -> list[tuple[float, float]]:
    """A truth and its weight, of markets that have it."""
    found = [(of(market), market.reading.contracts) for market in markets]
    return [(truth, weight) for truth, weight in found if truth is not None]


def _mean(values: Sequence[tuple[float, float]]) -> float:
    """The mean of (value, weight)."""
    return sum(value * weight for value, weight in values) / sum(weight for _, weight in values)


def _correlation(pairs: Sequence[tuple[float, float, float]]) -> float:
    """The correlation of (one, other, weight)."""
    one, other = (_mean([(pair[n], pair[2]) for pair in pairs]) for n in (0, 1))
    both, first, second = (
        _mean([((a - one) ** p * (b - other) ** q, weight) for a, b, weight in pairs])
        for p, q in ((1, 1), (2, 0), (0, 2))
    )
    return both / math.sqrt(first * second)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tape_reading", description=__doc__)
    parser.add_argument("--boards", type=int, default=10)
    parser.add_argument("--first", type=int, help="the first board's seed")
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument(
        "--hours", type=float, default=6.0, help="hours of the maker after the opening (default 6)"
    )
    parser.add_argument("--building", action="store_true", help="boards to build and tune on, not held-out ones")
    asked = parser.parse_args()
    seeds = BUILDING_SEEDS if asked.building else HELD_OUT_SEEDS
    first = seeds[0] if asked.first is None else asked.first
    jobs = [Job(seed, asked.programs, asked.hours) for seed in range(first, first + asked.boards)]
    boards = [markets for _, markets in done(measure, jobs)]
    print(f"{asked.boards} boards of {asked.programs} programs from {first}, cents a contract, simulated")
    print(table(boards))
    for name, of in TRUTHS.items():
        print(f"Typical error against {name}: {errors(boards, of)}")
    print(f"Typical standard error of the fills of a maker: {own_error(boards):.1f}")


if __name__ == "__main__":
    main()
