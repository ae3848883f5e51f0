"""Which markets pay for resting orders, and how much they would pay for ours after what fills cost.

Promise: pure. Programs, markets, books, intended bids, what was earned so far and a time go in; scored bids and
estimates come out. Shares and estimates are floats; prices, sizes and rewards stay exact. Which programs may be
quoted at all is `selection/screening.py`'s, which of them get a slot `selection/ranking.py`'s, with which sizes
for `TRADE_SIZE = AUTO` `selection/allocation.py`'s.

Nothing here flatters. Where a choice is made the rivals' score is doubled, for they answer within hours; seconds
in which the market does not qualify earn nothing; a market counts only until it closes or is expected to resolve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from typing import NamedTuple

from exchange.models import Market, Program
from exchange.orderbook import NO, YES, Bid, Book, Level
from rewards import rule_2026_07_30 as rule
from rewards.rule_2026_07_30 import SideScore

RIVAL_MULTIPLIER = 2.0
"""What the rivals' score is multiplied by when something is decided. What is reported is the book as it stands."""


_DAY = 86_400.0
_PIP = Decimal("0.0001")
_NOTHING = Decimal(0)
NOTHING_ACCRUED: Mapping[str, float] = MappingProxyType({})


def from_cents(cents: int) -> Decimal:
    return Decimal(cents) / 100 if cents else _NOTHING


def dollars_per_day(program: Program) -> float:
    """A program's whole pool, for everybody, normalised to a day: windows run from 15 minutes to 31 days."""
    return float(program.reward) * _DAY / program.seconds


class EstimateRules(NamedTuple):
    """How an estimate is made: by so many times the rivals' score, with windows that reach `min_window` dollars
    alone, and `fill_cost` dollars lost on each contract that is filled."""

    rival_multiplier: float = 1.0
    min_window: float = float(rule.PAYOUT_FLOOR)
    fill_cost: float = 0.0


NEUTRAL = EstimateRules()
"""For what is reported."""


class Estimate(NamedTuple):
    """What bids would bring if nothing moved until the windows end. Dollars; shares are 0 to 1.

    `dollars_per_day` is the reward before the $1.00 floor, `window` the same for the one window that brings most,
    `payable` what all windows would really pay, with what they have earned so far; `worth` what of that would be
    missing if we left now, `worth_per_day` the same, normalised. Of fills so many contracts a day are expected, at
    `fill_cost_per_day` and `fees_per_day`."""

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
        """What markets are ranked by."""
        return self.worth_per_day - self.fill_cost_per_day - self.fees_per_day


class Scored(NamedTuple):
    """Bids in a book. `sides`: for each program of the market both sides' scores (YES, NO), or None where a side
    misses the target and every second is excluded; `ahead`: for each bid the rivals' contracts at or ahead of
    it."""

    bids: tuple[Bid, ...]
    sides: tuple[tuple[SideScore, SideScore] | None, ...]
    ahead: tuple[Decimal, ...]

    @property
    def qualifies(self) -> bool:
        """Whether any program's seconds count."""
        return any(self.sides)


class RewardedMarket(NamedTuple):
    """A market whose resting orders are paid for, with the running programs that pay, richest a day first, and
    what is known of it: the makers' fee (see `maker_rate`), whether its event's markets exclude each other, the
    part of our looks at it in which it qualified, dollars earned so far by program id."""

    market: Market
    programs: tuple[Program, ...]
    maker_rate: float = 0.0
    exclusive: bool = False
    qualified: float = 1.0
    accrued_by_program: Mapping[str, float] = NOTHING_ACCRUED

    @property
    def ticker(self) -> str:
        return self.market.ticker

    @property
    def target(self) -> Decimal:
        """Contracts a side must hold, by the richest program."""
        return score_terms(self.programs[0])[0]

    @property
    def discount(self) -> Decimal:
        """Factor per tick behind the reference, by the richest program."""
        return score_terms(self.programs[0])[1]

    @property
    def pool_per_day(self) -> float:
        """Dollars a day that all who quote here share."""
        return sum(map(dollars_per_day, self.programs))

    @property
    def ends(self) -> datetime:
        """When the last of the windows ends: quotes are paid no longer."""
        return max(program.end for program in self.programs)

    @property
    def exact_maker_rate(self) -> Decimal:
        return Decimal(repr(round(self.maker_rate, 9)))

    def cost(self, bid: Bid) -> Decimal:
        """Dollars that a bid ties up and, at worst, loses: its price and the fee of being filled, rounded up to
        $0.0001 a contract."""
        if not self.maker_rate:
            return bid.price * bid.count
        fee = self.exact_maker_rate * bid.price * bid.other_price
        return (bid.price + fee.quantize(_PIP, ROUND_CEILING)) * bid.count

    def score(self, rivals: Book, bids: Sequence[Bid]) -> Scored:
        """The rivals' book (our own orders removed) with `bids` merged in, by every program's terms."""
        yes = tuple([bid for bid in bids if bid.side is YES])
        no = tuple([bid for bid in bids if bid.side is NO])
        grid = self.market.grid
        yes_ticks, no_ticks, (yes_top, no_top) = grid.tick_table(YES), grid.tick_table(NO), grid.tops
        sides: list[tuple[SideScore, SideScore] | None] = []
        for program in self.programs:
            target, discount = score_terms(program)
            on_yes = rule.score_side(rivals.yes, yes, target, discount, yes_ticks, yes_top)
            on_no = on_yes and rule.score_side(rivals.no, no, target, discount, no_ticks, no_top)
            sides.append((on_yes, on_no) if on_yes and on_no else None)
        ahead = [contracts_ahead(rivals.yes, bid.price) for bid in yes]
        ahead += [contracts_ahead(rivals.no, bid.price) for bid in no]
        return Scored((*yes, *no), tuple(sides), tuple(ahead))

    def estimate(self, scored: Scored, now: datetime, estimate_rules: EstimateRules = NEUTRAL) -> Estimate:
        """What scored bids would bring from `now` on, as careful as `estimate_rules` are."""
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
    """Target in contracts and discount of a program that has a score."""
    if program.target is None or program.discount is None:
        raise ValueError(f"program {program.id} of {program.ticker} has no published score")
    return program.target, program.discount


def contracts_ahead(levels: Sequence[Level], price: Decimal) -> Decimal:
    """What rests on a side (best level first) at a price or ahead of it: all of that is filled before a new bid
    there."""
    walked = _NOTHING
    for level in levels:
        if level.price < price:
            break
        walked += level.size
    return walked


def expected_fills(volume_a_day: float, ahead: float, count: float) -> float:
    """Contracts of a resting bid that a day is expected to fill, the bid being renewed each time.

    Half of the market's volume of the last 24 hours, or of a day at that pace where it was listed later, comes to
    each side, and any contract that rests at the bid's price or ahead of it is taken to be as likely to meet it as
    any other: volume / 2 x count / (ahead + count). Those ahead are filled first, so that this counts too many
    fills for a bid that rests behind others, rather than too few."""
    return volume_a_day / 2 * count / (ahead + count)


class Candidate(NamedTuple):
    """A market that can be quoted: the rivals' book, the bids we mean to rest in it, scored, and what they would
    bring by the cautious estimate that decides."""

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
        """What is reported: the book as it stands, before what fills cost."""
        return self.incentive.estimate(self.scored, self.at)
