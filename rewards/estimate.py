"""Estimate what resting orders would earn, and what their fills would cost.

Promise:
- Every function is pure: programs, markets, books, intended bids, earnings so far and a time go in; scored bids
  and estimates come out.
- Prices, sizes and rewards are exact `Decimal`; shares and estimates are floats.
- Decisions are made with doubled rivals' scores, because rivals respond within hours.
- Seconds in which the market does not qualify earn nothing. A market counts until it closes or is expected to
  resolve.

`selection/screening.py` decides which programs may be quoted, `selection/ranking.py` which of them get a slot, and
`selection/allocation.py` their sizes for `TRADE_SIZE = AUTO`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from typing import NamedTuple

from exchange.models import Market, Program
from exchange.orderbook import NO, SIDES, YES, Bid, Book, Level, Side
from rewards import rule_2026_07_30 as rule
from rewards.fees import exact
from rewards.rule_2026_07_30 import SideScore, TopTick

RIVAL_MULTIPLIER = 2.0
"""Multiplies the rivals' score in estimates that decide. Reported estimates use the book as it stands."""


_DAY = 86_400.0
_PIP = Decimal("0.0001")
_NOTHING = Decimal(0)
NOTHING_ACCRUED: Mapping[str, float] = MappingProxyType({})


def from_cents(cents: int) -> Decimal:
    return Decimal(cents) / 100 if cents else _NOTHING


def dollars_per_day(program: Program) -> float:
    """A program's whole pool, for all accounts, in dollars a day.

    Normalized to a day because windows run from 15 minutes to 31 days."""
    return float(program.reward) * _DAY / program.seconds


class EstimateRules(NamedTuple):
    """How cautious an estimate is.

    `rival_multiplier` multiplies the rivals' score. Windows below `min_window` dollars count as 0. Each filled
    contract costs `fill_cost` dollars."""

    rival_multiplier: float = 1.0
    min_window: float = float(rule.PAYOUT_FLOOR)
    fill_cost: float = 0.0


NEUTRAL = EstimateRules()
"""The rules for reported estimates."""


class Estimate(NamedTuple):
    """What bids would earn if nothing moved until the windows end. Shares are 0 to 1.

    Dollars: `dollars_per_day` is the reward before the $1.00 floor, and `window` that of the window that earns
    most. `payable` is what all windows would pay, with their earnings so far. `worth` is the part of it that would
    be lost if we left now; `worth_per_day` is the same, normalized to a day.

    Fills: `fills_per_day` contracts are expected to be filled a day, at `fill_cost_per_day` and `fees_per_day`."""

    share_yes: float
    share_no: float
    dollars_per_day: float
    window: float
    payable: Decimal
    worth: Decimal
    worth_per_day: float
    fills_per_day: float
    fill_cost_per_day: float
    fees_per_day: float

    @property
    def net_per_day(self) -> float:
        """Dollars a day by which markets are ranked."""
        return self.worth_per_day - self.fill_cost_per_day - self.fees_per_day


class Scored(NamedTuple):
    """Bids in a book, with their scores.

    `sides`: for each program the scores of both sides (YES, NO), or None if a side misses the target and every
    second is excluded. `ahead`: for each bid the rivals' contracts at its price or ahead of it."""

    bids: tuple[Bid, ...]
    sides: tuple[tuple[SideScore, SideScore] | None, ...]
    ahead: tuple[Decimal, ...]

    @property
    def qualifies(self) -> bool:
        """Whether any program's seconds count."""
        return any(self.sides)


class RewardedMarket(NamedTuple):
    """A market that pays for resting orders, and what is known of it.

    `programs`: its running programs that pay, richest a day first. `maker_rate`: the maker fee rate (see
    `maker_rate` in `fees.py`). `exclusive`: whether the markets of its event exclude each other. `qualified`: the
    part of our looks at the market in which it qualified. `accrued_by_program`: dollars earned so far, by program
    id. `top_tick`: how a side is read whose best bid is at the top tick."""

    market: Market
    programs: tuple[Program, ...]
    maker_rate: float = 0.0
    exclusive: bool = False
    qualified: float = 1.0
    accrued_by_program: Mapping[str, float] = NOTHING_ACCRUED
    top_tick: TopTick = rule.TOP_TICK

    @property
    def ticker(self) -> str:
        return self.market.ticker

    @property
    def target(self) -> Decimal:
        """Contracts that a side must hold, by the richest program."""
        return score_terms(self.programs[0])[0]

    @property
    def discount(self) -> Decimal:
        """Factor for each tick behind the reference, by the richest program."""
        return score_terms(self.programs[0])[1]

    @property
    def pool_per_day(self) -> float:
        """Dollars a day, shared by all accounts that quote here."""
        return sum(map(dollars_per_day, self.programs))

    @property
    def ends(self) -> datetime:
        """When the last window ends, and with it all payments for quotes."""
        return max(program.end for program in self.programs)

    @property
    def exact_maker_rate(self) -> Decimal:
        return exact(self.maker_rate)

    def cost(self, bid: Bid) -> Decimal:
        """Dollars that a bid ties up and can lose: its price and its maker fee.

        The fee is rounded up to $0.0001 a contract."""
        if not self.maker_rate:
            return bid.price * bid.count
        fee = self.exact_maker_rate * bid.price * bid.other_price
        return (bid.price + fee.quantize(_PIP, ROUND_CEILING)) * bid.count

    def side_at_top_tick(self, book: Book) -> Side | None:
        """The side whose best bid is at the grid's top tick, None if neither is."""
        for side, levels, top in zip(SIDES, (book.yes, book.no), self.market.grid.tops, strict=True):
            if levels and levels[0].price >= top:
                return side
        return None

    def score(self, rivals: Book, bids: Sequence[Bid]) -> Scored:
        """Score the rivals' book with `bids` merged in, by every program's terms.

        `rivals` must not contain our own orders."""
        yes = tuple([bid for bid in bids if bid.side is YES])
        no = tuple([bid for bid in bids if bid.side is NO])
        grid = self.market.grid
        yes_ticks, no_ticks, (yes_top, no_top) = grid.tick_table(YES), grid.tick_table(NO), grid.tops
        reading = self.top_tick
        sides: list[tuple[SideScore, SideScore] | None] = []
        for program in self.programs:
            target, discount = score_terms(program)
            on_yes = rule.score_side(rivals.yes, yes, target, discount, yes_ticks, yes_top, reading)
            on_no = on_yes and rule.score_side(rivals.no, no, target, discount, no_ticks, no_top, reading)
            sides.append((on_yes, on_no) if on_yes and on_no else None)
        ahead = [contracts_ahead(rivals.yes, bid.price) for bid in yes]
        ahead += [contracts_ahead(rivals.no, bid.price) for bid in no]
        return Scored((*yes, *no), tuple(sides), tuple(ahead))

    def estimate(self, scored: Scored, now: datetime, estimate_rules: EstimateRules = NEUTRAL) -> Estimate:
        """What scored bids would earn from `now` on, as cautious as `estimate_rules` are."""
        multiplier, least, fill_cost = estimate_rules
        share_yes = share_no = per_day = best = worth_per_day = 0.0
        payable_cents = worth_cents = 0
        ends = self.market.ends
        for program, sides in zip(self.programs, scored.sides, strict=True):
            yes, no = (sides[0].share(multiplier), sides[1].share(multiplier)) if sides else (0.0, 0.0)
            seconds, end = program.seconds, program.end
            left = ((end if end < ends else ends) - now).total_seconds()
            rate = (yes + no) / 2 * self.qualified * float(program.reward) / seconds
            so_far = self.accrued_by_program.get(program.id, 0.0)
            window = so_far + rate * left if left > 0 else so_far
            share_yes = yes if yes > share_yes else share_yes
            share_no = no if no > share_no else share_no
            best = window if window > best else best
            per_day += rate * _DAY
            if window >= least and left > 0:
                staying = rule.payout_cents(window, program.cap)
                missed = max(staying - rule.payout_cents(so_far, program.cap), 0)
                payable_cents += staying
                worth_cents += missed
                worth_per_day += missed / 100 * _DAY / left
        fills = fees = 0.0
        volume = self.market.volume_a_day(now)
        for bid, ahead in zip(scored.bids, scored.ahead, strict=True):
            filled = expected_fills(volume, float(ahead), float(bid.count))
            fills += filled
            if self.maker_rate:
                fees += filled * self.maker_rate * float(bid.price * bid.other_price)
        return Estimate(
            share_yes, share_no, per_day, best, from_cents(payable_cents), from_cents(worth_cents), worth_per_day,
            fills, fills * fill_cost, fees,
        )  # fmt: skip


def score_terms(program: Program) -> tuple[Decimal, Decimal]:
    """The target in contracts and the discount of a program.

    Raises `ValueError` if the program has no published score."""
    if program.target is None or program.discount is None:
        raise ValueError(f"program {program.id} of {program.ticker} has no published score")
    return program.target, program.discount


def contracts_ahead(levels: Sequence[Level], price: Decimal) -> Decimal:
    """Contracts on a side (best level first) at `price` or ahead of it.

    All of them are filled before a new bid at that price."""
    walked = _NOTHING
    for level in levels:
        if level.price < price:
            break
        walked += level.size
    return walked


def expected_fills(volume_a_day: float, ahead: float, count: float) -> float:
    """Contracts of a resting bid that a day is expected to fill.

    The bid is renewed after each fill. Formula: volume / 2 x count / (ahead + count). Volume is that of the last
    24 hours; for a market listed later it is scaled to a day. Half of it comes to each side. Every contract at the
    bid's price or ahead of it is equally likely to be filled. Those ahead are really filled first, so a bid behind
    others gets too many fills rather than too few."""
    return volume_a_day / 2 * count / (ahead + count)


class Candidate(NamedTuple):
    """A market that can be quoted, with the rivals' book.

    `scored`: the bids that we intend to rest in it, with their scores. `conservative` is the cautious estimate
    that decides."""

    incentive: RewardedMarket
    rivals: Book
    scored: Scored
    conservative: Estimate
    at: datetime

    @property
    def ticker(self) -> str:
        return self.incentive.ticker

    @property
    def bids(self) -> tuple[Bid, ...]:
        return self.scored.bids

    @property
    def collateral(self) -> Decimal:
        """Dollars that the bids tie up."""
        return sum(map(self.incentive.cost, self.bids), start=Decimal(0))

    @property
    def estimate(self) -> Estimate:
        """The reported estimate: the book as it stands, before the cost of fills."""
        return self.incentive.estimate(self.scored, self.at)
