"""Measure what is left of an order's share after the rivals' answers.

Run it with `python -m benchmarks.answers [--building] [--books all]`. On each side of a board's paid markets one
order is placed, at one of three places and in one of four sizes. It is kept at its place, and at its size, for six
hours: it is looked at once a minute.

A share is that of one instant, of the sides that reach the target then. The rivals' score is their discounted size
(LIP.md: the raw score), and its multiple compares with the book before the order came.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from benchmarks.harness import BUILDING_SEEDS, HELD_OUT_SEEDS, START, done
from simulator import order_entry
from simulator.exchange import Exchange
from simulator.listing import ListedMarket, ListedProgram
from simulator.matching import CONTRACT, DOLLAR, Order
from simulator.opening import open_exchange
from simulator.order_entry import Amendment, OrderTerms
from simulator.people import EVERYBODY, RIVALS
from simulator.rewards import Level, ladder, qualifying, score_side

OWNER = "farmer"
CASH = dict.fromkeys(range(4), 10_000_000 * DOLLAR)
NOW = START.timestamp()
PROGRAMS = 40
HOUR, HOURS, MINUTE = 3_600, (0, 1, 6), 60

SIZES = (20, 100, 300, 1_000)
"""Contracts of the order."""

TOUCH, REFERENCE, BEHIND = "at the touch", "at the reference", "a tick behind"
PLACES = (TOUCH, REFERENCE, BEHIND)
"""By the book without the order; `BEHIND` is one tick behind its best price."""

THIN = 600
"""Contracts of the rivals' score below which a side's book counts as thin."""

CASTS = {"everybody": EVERYBODY, "rivals alone": frozenset({RIVALS})}


class Found(NamedTuple):
    """What one order saw at each of `HOURS`.

    Its share, and the rivals' score as a multiple of that before the order. None: the side was not paid."""

    size: int
    place: str
    is_thin: bool
    shares: tuple[float | None, ...]
    multiples: tuple[float | None, ...]


@dataclass
class Held:
    """An order that is kept at its place on one side of a market, and what it saw."""

    exchange: Exchange
    market: ListedMarket
    program: ListedProgram
    is_bid: bool
    size: int
    place: str
    order: Order | None = None
    before: float = 0.0
    shares: list[float | None] = field(default_factory=list)
    multiples: list[float | None] = field(default_factory=list)

    @property
    def target(self) -> int:
        return self.program.target or 0

    @property
    def discount(self) -> Fraction:
        return Fraction(self.program.discount_bps or 0, 10_000)

    def levels(self) -> list[Level]:
        return list(ladder(self.market.book.half(self.is_bid), self.market.grid, self.is_bid))

    def price(self) -> int | None:
        """Where the order belongs now; None: the others do not reach the target."""
        others = [(tick, rest) for tick, sizes in self.levels() if (rest := _without_us(sizes))]
        found = qualifying(others, self.target)
        if found is None:
            return None
        tick = {TOUCH: others[0][0], REFERENCE: found[0], BEHIND: others[0][0] - 1}[self.place]
        return self.market.grid.price(tick if self.is_bid else -tick)

    def keep(self) -> None:
        """Place the order, or bring it back to its place and size."""
        price, rests = self.price(), self.order is not None and self.order.status == "resting"
        if price is None or self.market.book.would_cross(self.is_bid, price):
            return
        if not self.exchange.trades_in(self.market):
            return
        if not rests:
            terms = OrderTerms(self.market.ticker, self.is_bid, price, self.size, post_only=True)
            self.order, _ = order_entry.create(self.exchange, OWNER, terms)
        elif self.order is not None and (self.order.price, self.order.remaining) != (price, self.size):
            change = Amendment(self.market.ticker, self.is_bid, price, self.order.filled + self.size)
            order_entry.amend(self.exchange, OWNER, self.order.order_id, change)

    def score(self) -> float:
        """The rivals' score, in 1/100 contract. 0: the side does not reach the target."""
        found = qualifying(self.levels(), self.target)
        if found is None:
            return 0.0
        reference, levels = found
        return float(sum(self.discount ** max(reference - tick, 0) * sizes.get(None, 0) for tick, sizes in levels))

    def look(self) -> None:
        shares, score = score_side(self.levels(), self.target, self.discount), self.score()
        self.shares.append(float(shares.get(OWNER, Fraction(0))) if shares else None)
        self.multiples.append(score / self.before if shares else None)


def _without_us(sizes: Mapping[str | None, int]) -> dict[str | None, int]:
    return {owner: size for owner, size in sizes.items() if owner != OWNER}


def board(job: tuple[str, int]) -> list[Found]:
    """Hold orders on both sides of the paid markets of one board."""
    cast, seed = job
    exchange = open_exchange(NOW, seed, programs=PROGRAMS, who=CASTS[cast])
    exchange.open_account(OWNER, CASH)
    held = list(_orders(exchange, seed))
    for one in held:
        one.before = one.score()
    for one in held:
        one.keep()
    for minute in range(HOURS[-1] * HOUR // MINUTE + 1):
        exchange.advance(NOW + minute * MINUTE)
        for one in held:
            if minute * MINUTE in {hours * HOUR for hours in HOURS}:
                one.look()
            one.keep()
    return [
        Found(
            one.size // CONTRACT, one.place, one.before < THIN * CONTRACT, tuple(one.shares), tuple(one.multiples)
        )
        for one in held
    ]


def _orders(exchange: Exchange, seed: int) -> Iterator[Held]:
    """One order for each side of each paid market, sizes and places in turn.

    Left out are markets that close too soon, with several programs, or with an order of the account."""
    kinds = [(size * CONTRACT, place) for size in SIZES for place in PLACES]
    number = seed
    for market in list(exchange.markets.values()):
        meters = exchange.running.get(market.ticker, ())
        until = NOW + (HOURS[-1] + 1) * HOUR
        if len(meters) != 1 or market.owned or min(market.closes, market.resolves or market.closes) < until:
            continue
        program = meters[0].program
        for is_bid in (True, False):
            size, place = kinds[number % len(kinds)]
            one = Held(exchange, market, program, is_bid, size, place)
            if one.score() and one.price() is not None:
                number += 5  # no divisor of the number of kinds
                yield one


def _median_and_mean(values: Iterable[float | None], form: str) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return "-"
    return f"{statistics.median(there):{form}}, {statistics.mean(there):{form}}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answers", description=__doc__)
    parser.add_argument("--building", action="store_true", help="the boards on which the figures were set")
    parser.add_argument("--books", choices=("thin", "all"), default="thin", help="which books (default thin)")
    arguments = parser.parse_args()
    seeds: Sequence[int] = BUILDING_SEEDS if arguments.building else HELD_OUT_SEEDS
    what = f"thin books (rivals' score below {THIN})" if arguments.books == "thin" else "all paid books"
    print(f"Boards {seeds[0]} to {seeds[-1]} of {PROGRAMS} programs, {what}, simulated. Median, mean.\n")
    found: dict[tuple[str, int, str], list[Found]] = defaultdict(list)
    for (cast, _), orders in done(board, [(cast, seed) for cast in CASTS for seed in seeds]):
        for one in orders:
            if one.is_thin or arguments.books == "all":
                found[cast, one.size, one.place].append(one)
    for cast in CASTS:
        print(f"{cast}\n\n| size | place | orders | share at once | 1 h | 6 h | score at once | 1 h | 6 h |")
        print("|---" * 9 + "|")
        for size in SIZES:
            for place in PLACES:
                seen = found[cast, size, place]
                shares = [_median_and_mean((one.shares[n] for one in seen), ".1%") for n in range(len(HOURS))]
                scores = [_median_and_mean((one.multiples[n] for one in seen), ".2f") for n in range(len(HOURS))]
                print(f"| {size:,} | {place} | {len(seen)} | {' | '.join(shares)} | {' | '.join(scores)} |")
        print()


if __name__ == "__main__":
    main()
