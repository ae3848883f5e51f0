"""The rewards of resting orders.

Promise:
- This is the published rule, word for word. A side whose best bid is at the grid's top tick counts, because the
  text does not mention the case. `TopTick.DISQUALIFIED` is the older reading.
- It shares no code with the bot.

Source: the exchange's amendment of its Liquidity Incentive Program, filed 15 July 2026, in force since 30 July
2026. Once a second, at a secret instant, each side of a program's market is scored. At the window's end the scores
are paid, rounded down to the cent. Rewards below $1 are not paid.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from simulator.listing import Grid, ListedMarket, ListedProgram
from simulator.matching import HalfBook, MatchingBook

SHARE = 10**18
"""Shares are integers in 1e-18."""

FLOOR_CENTS = 100
"""Rewards below this many cents are not paid."""


class TopTick(Enum):
    """How the exchange reads a side whose best bid is at the grid's top tick."""

    COUNTED = "counted"
    DISQUALIFIED = "disqualified"


Level = tuple[int, Mapping[str | None, int]]
"""(tick, contracts by owner) of one price. A higher tick is better for the side."""


def qualifying(levels: Iterable[Level], target: int) -> tuple[int, list[Level]] | None:
    """The tick of a side's reference price, and the levels that qualify.
    Returns None if the side does not reach the target. `levels` come best first; all sizes are in the target's
    unit."""
    counted = 0
    reference: int | None = None
    found: list[Level] = []
    for tick, sizes in levels:
        counted += sum(sizes.values())
        found.append((tick, sizes))
        if reference is None and counted * 5 >= target:
            reference = tick
        if counted >= target:
            break
    return None if counted < target or reference is None else (reference, found)


def score_side(levels: Iterable[Level], target: int, discount: Fraction) -> dict[str | None, Fraction]:
    """Score one side of one snapshot: each owner's share. The shares add up to 1.
    Returns {} if the side does not reach the target. `levels` and sizes are as in `qualifying`."""
    found = qualifying(levels, target)
    if found is None:
        return {}
    reference, counting = found
    raw: dict[str | None, int] = {}
    deepest = max(reference - counting[-1][0], 0)
    for tick, sizes in counting:
        # discount ** (steps below the reference), all scaled by one integer: exact and fast.
        steps = max(reference - tick, 0)
        weight = discount.numerator**steps * discount.denominator ** (deepest - steps)
        for owner, size in sizes.items():
            raw[owner] = raw.get(owner, 0) + weight * size
    everyone = sum(raw.values())
    return {owner: Fraction(score, everyone) for owner, score in raw.items()}


def payment(
    score: Fraction, everyone: Fraction, reward: Fraction, valid: int, snapshots: int, cap: Fraction | None = None
) -> int:
    """The reward of one account for one window, in cents.
    It is the account's fraction of everyone's score, times `reward` (dollars), times the fraction of valid
    `snapshots`, limited to `cap`. A millionth of a cent is added before rounding down, because summing loses it.
    """
    if not everyone or not snapshots:
        return 0
    earned = score / everyone * reward * valid / snapshots
    if cap is not None:
        earned = min(earned, cap)
    cents = int(earned * 100 + Fraction(1, 1_000_000))
    return cents if cents >= FLOOR_CENTS else 0


class Snapshots:
    """Snapshot times: one in every second, at an instant drawn for that second."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._last = (-1, 0.0)

    def instant(self, second: int) -> float:
        """The time of the snapshot in a Unix second, in Unix seconds."""
        if self._last[0] != second:
            self._last = second, second + random.Random(self._seed * 2_147_483_647 + second).random()
        return self._last[1]

    def before(self, time: float) -> int:
        """The first Unix second whose snapshot is still to come at `time`."""
        second = int(time)
        return second + (self.instant(second) < time)


class Run(NamedTuple):
    """`length` seconds from `second` on, with an account's side shares in 1e-18."""

    second: int
    length: int
    yes: int
    no: int


@dataclass(slots=True)
class Score:
    """One account's score in one window: the sum of its shares, and its runs."""

    total: int = 0
    runs: list[Run] = field(default_factory=list)


Shares = dict[str, tuple[int, int]]
"""Each account's shares of the YES and the NO side, in 1e-18."""


class Meter:
    """Scores one program on its market from `start` to `end` (Unix seconds).
    An unchanged book scores the same every second, so the meter reads it only after a change."""

    def __init__(
        self,
        program: ListedProgram,
        market: ListedMarket,
        snapshots: Snapshots,
        now: float,
        top_tick: TopTick = TopTick.COUNTED,
    ) -> None:
        self.program = program
        self._market = market
        self._snapshots = snapshots
        self._top_tick = top_tick
        self.start = snapshots.before(program.starts)
        self.end = snapshots.before(program.ends)
        self.valid = 0
        self.scores: dict[str, Score] = {}
        self._target = program.target or 0
        self._discount = Fraction(program.discount_bps or 0, 10_000)
        self._since = max(self.start, snapshots.before(now))
        self._is_valid = False
        self._shares: Shares = {}

    def note(self, now: float, trading: bool) -> None:
        """Handle a possible change: count seconds until now at the old shares, then look."""
        book = self._market.book
        is_valid = trading and book.bids.total >= self._target and book.asks.total >= self._target
        if self._top_tick is TopTick.DISQUALIFIED:
            is_valid = is_valid and not at_top_tick(book, self._market.grid)
        if not self._market.owned and is_valid == self._is_valid and not self._shares:
            return
        shares = self._look() if is_valid and self._market.owned else {}
        if is_valid == self._is_valid and shares == self._shares:
            return
        self.count(now)
        self._is_valid, self._shares = is_valid, shares

    def count(self, now: float) -> None:
        """Count the seconds until now at the current shares."""
        until = min(self._snapshots.before(now), self.end)
        seconds = until - self._since
        if seconds <= 0:
            return
        if self._is_valid:
            self.valid += seconds
            for owner, (yes, no) in self._shares.items():
                score = self.scores.setdefault(owner, Score())
                score.total += (yes + no) * seconds
                score.runs.append(Run(self._since, seconds, yes, no))
        self._since = until

    def cents(self, owner: str) -> int:
        """The account's reward in cents for the seconds counted so far."""
        score = self.scores.get(owner)
        return payment(
            Fraction(score.total if score else 0, SHARE),
            Fraction(2 * self.valid),
            Fraction(self.program.reward, 10_000),
            self.valid,
            self.end - self.start,
            None if self.program.cap is None else Fraction(self.program.cap, 10_000),
        )

    def _look(self) -> Shares:
        book, grid = self._market.book, self._market.grid
        yes, no = (
            score_side(ladder(half, grid, is_bid), self._target, self._discount)
            for half, is_bid in ((book.bids, True), (book.asks, False))
        )
        owners = {owner for owner in (*yes, *no) if owner is not None}
        return {owner: (_units(yes.get(owner)), _units(no.get(owner))) for owner in sorted(owners)}


def at_top_tick(book: MatchingBook, grid: Grid) -> bool:
    """Whether the best bid of either side is at the grid's top tick.
    After a change of grid it may be above that. A YES ask is a NO bid, so an ask at the lowest price is a NO bid
    at the highest."""
    bid, ask = book.bids.best(), book.asks.best()
    return (bid is not None and bid >= grid.prices[-1]) or (ask is not None and ask <= grid.prices[0])


def ladder(half: HalfBook, grid: Grid, is_bid: bool) -> Iterable[Level]:
    """The levels of one side by owner, best first.
    A YES ask is a NO bid, so a lower ask is better."""
    for price, queue in half.queues():
        sizes: dict[str | None, int] = {}
        for order in queue:
            sizes[order.owner] = sizes.get(order.owner, 0) + order.remaining
        yield (grid.tick(price) if is_bid else -grid.tick(price)), sizes


def _units(share: Fraction | None) -> int:
    return 0 if share is None else share.numerator * SHARE // share.denominator
