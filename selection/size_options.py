"""The sizes of one market and what each would earn, for `TRADE_SIZE = AUTO`.

Promise:
- Every function is pure.
- Prices are fixed. Sizes are free and whole.
- The reward of a size comes from scoring the rivals' book with our bids merged in, with the rivals' score doubled.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import NamedTuple, TypeVar

from exchange.models import Program
from exchange.orderbook import NO, YES, Bid, Book, Side
from rewards import rule_2026_07_30 as rule
from rewards.estimate import Candidate, EstimateRules, RewardedMarket, contracts_ahead, expected_fills, score_terms
from rewards.rule_2026_07_30 import SideScore
from rewards.skips import Skip
from risk.exposure import Headroom, event_risk
from trade import Prices

ONE = Decimal(1)

PIPS = 10_000
"""Costs are counted in whole 1/10,000 dollars, the step of the finest price grid."""

_EVERY_SIZE = 24
_SIZES, _FEWER_SIZES, _MANY = 14, 7, 24
_DAY = 86_400.0
_SPLITS = ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.1, 0.1))

T = TypeVar("T")

Counts = tuple[int, int]
"""Contracts on YES and on NO."""


class SizeOption(NamedTuple):
    """Sizes that a market could get.

    `net`: net dollars a day. `yes_cost` and `no_cost`: money tied up by each side, in 1/10,000 dollars; `cost`: by
    both."""

    net: float
    counts: Counts
    yes_cost: int
    no_cost: int
    cost: int


@dataclass(frozen=True)
class SizingBudget:
    """`Headroom` in whole 1/10,000 dollars.

    `money`: the total that may be spent, limited by MAX_CAPITAL and the cash."""

    money: int
    event_loss: int
    headroom: Headroom
    _on_shards: dict[int | None, int] = field(default_factory=dict)

    @classmethod
    def of(cls, headroom: Headroom) -> SizingBudget:
        return cls(_pips(min(headroom.capital, headroom.free_cash)), _pips(headroom.event_loss), headroom)

    def money_on(self, shard: int | None) -> int:
        """Money that may be spent on a shard, limited by the cash there."""
        known = self._on_shards.get(shard)
        if known is None:
            known = self._on_shards[shard] = max(min(self.money, _pips(self.headroom.cash_on(shard))), 0)
        return known

    def event_fits(self, event_ticker: str, added: Iterable[tuple[str, int, int]], exclusive: bool) -> bool:
        """Whether an event keeps its limit with `added` bids resting in it.

        `added`: (market, YES cost, NO cost)."""
        losses = {
            ticker: (pips_up(yes), pips_up(no))
            for ticker, (yes, no) in self.headroom.losses.get(event_ticker, {}).items()
        }
        for ticker, yes_cost, no_cost in added:
            yes, no = losses.get(ticker, (0, 0))
            losses[ticker] = yes + no_cost, no + yes_cost
        known = exclusive or event_ticker in self.headroom.exclusive
        return event_risk(losses.values(), known, 0) <= self.event_loss

    def most_on(self, incentive: RewardedMarket) -> Counts:
        """Money that each side of a market may tie up if other markets have no orders.

        As far as the event's limit goes, both sides may tie that up at once: in no outcome do both lose."""
        market = incentive.market
        money = self.money_on(market.exchange_index)
        event = market.event_ticker
        if event not in self.headroom.losses:
            most = min(money, max(self.event_loss, 0))
            return most, most

        def breaks(side: int, cost: int) -> bool:
            added = (market.ticker, cost, 0) if side == 0 else (market.ticker, 0, cost)
            return not self.event_fits(event, [added], incentive.exclusive)

        # a position may gain in the outcome in which a bid loses, so more than the limit can rest there
        costs = range(1, money + 1)
        return bisect_left(costs, True, key=partial(breaks, 0)), bisect_left(costs, True, key=partial(breaks, 1))


def _pips(dollars: Decimal) -> int:
    return math.floor(dollars * PIPS)


def pips_up(dollars: Decimal) -> int:
    return math.ceil(dollars * PIPS)


class RoughValue(NamedTuple):
    """Rough net dollars a day: for each 1/10,000 dollar spent, and in all."""

    a_pip: float
    net: float


class _WindowPayout:
    """A quick calculator of one window's payout for a share of its market."""

    __slots__ = ("_cap", "_least", "_leaving", "_whole", "left", "so_far")

    def __init__(self, incentive: RewardedMarket, program: Program, seconds: float, least: float) -> None:
        """`seconds`: the time until the window ends."""
        self.left, self._cap, self._least = seconds, program.cap, least
        self.so_far = incentive.accrued_by_program.get(program.id, 0.0)
        self._whole = rule.window_reward(0.5 * incentive.qualified, 1.0, program.reward, seconds, program.seconds)
        self._leaving = rule.payout_cents(self.so_far, program.cap) if self.so_far else 0

    def expects(self, shares: float) -> float:
        """Dollars before floor and cap, for the sum of both sides' shares."""
        return self.so_far + self._whole * shares

    def roughly(self, shares: float) -> float:
        """Like `per_day`, but without rounding to cents and without the cap."""
        added = self._whole * shares
        return added * _DAY / self.left if self.left and self.so_far + added >= self._least else 0.0

    def per_day(self, shares: float) -> float:
        """Dollars a day that would be lost if we left now.

        Returns 0 if the window is not worth funding."""
        expected = self.so_far + self._whole * shares
        if expected < self._least or not self.left:
            return 0.0
        return (rule.payout_cents(expected, self._cap) - self._leaving) / 100 * _DAY / self.left


class SizeOptions:
    """One market at fixed prices and free sizes: what each pair of sizes would earn."""

    def __init__(
        self,
        incentive: RewardedMarket,
        rivals: Book,
        prices: Prices,
        now: datetime,
        estimate_rules: EstimateRules,
        budget: SizingBudget,
    ) -> None:
        self.incentive, self.rivals, self.prices = incentive, rivals, prices
        self.event, self.shard = incentive.market.event_ticker, incentive.market.exchange_index
        self.hysteresis = 1.0
        self.best: SizeOption | None = None
        self._now, self._rules = now, estimate_rules
        ends = incentive.market.ends
        self._windows = [
            _WindowPayout(
                incentive,
                program,
                max((min(program.end, ends) - now).total_seconds(), 0.0),
                estimate_rules.min_window,
            )
            for program in incentive.programs
        ]
        yes, no = self.units = self._unit(YES, prices.yes), self._unit(NO, prices.no)
        most_yes, most_no = budget.most_on(incentive)
        self.most: Counts = (most_yes // yes if yes else 0, most_no // no if no else 0)
        self._scored: tuple[dict[int, list[SideScore | None]], ...] = ({}, {})
        self._shares: tuple[dict[int, list[float | None]], ...] = ({}, {})
        self._nets: dict[Counts, float] = {}
        self._volume = incentive.market.volume_a_day(now)
        self._fills = self._lost_by_fills(YES, prices.yes), self._lost_by_fills(NO, prices.no)

    @property
    def ticker(self) -> str:
        return self.incentive.ticker

    @property
    def least(self) -> float:
        """Dollars that a window must be expected to pay."""
        return self._rules.min_window

    def _unit(self, side: Side, price: Decimal | Skip) -> int:
        """The cost of one contract, or 0 if the side has no price."""
        if not isinstance(price, Decimal):
            return 0
        return pips_up(self.incentive.cost(Bid(side, price, ONE)) if self.incentive.maker_rate else price)

    def _lost_by_fills(self, side: Side, price: Decimal | Skip) -> tuple[float, float]:
        """The rivals' contracts at our price or ahead of it, and dollars lost by a fill."""
        if not isinstance(price, Decimal) or not self._volume:
            return 0.0, 0.0
        lost, rate = self._rules.fill_cost, self.incentive.maker_rate
        if rate:
            lost += rate * float(price * (ONE - price))
        return float(contracts_ahead(self.rivals.side(side), price)), lost

    def scores(self, side: int, count: int) -> list[SideScore | None]:
        """A side's score with `count` of our contracts, by each program's terms.

        `side`: 0 is YES, 1 is NO. The score is None if the side misses the target."""
        known = self._scored[side].get(count)
        if known is None:
            known = self._scored[side][count] = self._score(NO if side else YES, self.prices[side], count)
        return known

    def _score(self, side: Side, price: Decimal | Skip, count: int) -> list[SideScore | None]:
        grid, levels = self.incentive.market.grid, self.rivals.side(side)
        ticks, top = grid.tick_table(side), grid.tops[side is NO]
        bids = [Bid(side, price, Decimal(count))] if count and isinstance(price, Decimal) else []
        return [
            rule.score_side(levels, bids, *score_terms(program), ticks, top, self.incentive.top_tick)
            for program in self.incentive.programs
        ]

    def _shares_of(self, side: int, count: int) -> list[float | None]:
        """Our share of a side by each program's terms, with the rivals multiplied.

        Arguments, and None, as for `scores`."""
        known = self._shares[side].get(count)
        if known is None:
            times, scores = self._rules.rival_multiplier, self.scores(side, count)
            known = self._shares[side][count] = [None if one is None else one.share(times) for one in scores]
        return known

    def both(self, counts: Counts) -> list[tuple[_WindowPayout, float]]:
        """Each window whose seconds count, with the sum of our shares."""
        on_yes, on_no = self._shares_of(0, counts[0]), self._shares_of(1, counts[1])
        return [
            (window, yes + no)
            for window, yes, no in zip(self._windows, on_yes, on_no, strict=True)
            if yes is not None and no is not None
        ]

    def expects(self, counts: Counts) -> float | None:
        """Dollars that the best window is expected to pay.

        Returns None if every second is excluded."""
        return max([window.expects(shares) for window, shares in self.both(counts)], default=None)

    def net(self, counts: Counts) -> float:
        """Net payable dollars a day, or 0 if no window is worth funding."""
        known = self._nets.get(counts)
        if known is None:
            paid = 0.0
            for window, shares in self.both(counts):
                paid += window.per_day(shares)
            known = self._nets[counts] = paid - self.costs(counts) if paid else 0.0
        return known

    def costs(self, counts: Counts) -> float:
        """Dollars a day that fills are expected to cost, fees included."""
        (yes_ahead, yes_fill), (no_ahead, no_fill) = self._fills
        yes, no = counts
        lost = yes_fill * expected_fills(self._volume, yes_ahead, yes) if yes and yes_fill else 0.0
        return lost + (no_fill * expected_fills(self._volume, no_ahead, no) if no and no_fill else 0.0)

    def option(self, counts: Counts) -> SizeOption:
        yes, no = self.units[0] * counts[0], self.units[1] * counts[1]
        return SizeOption(self.net(counts) * self.hysteresis, counts, yes, no, yes + no)

    def options(self, budget: SizingBudget, most: int, in_company: bool) -> list[SizeOption]:
        """Sizes worth their money, cheapest first, about `most` of them.

        An option that earns no more than a cheaper one is left out. `in_company`: other markets of the event
        compete for its limit, so it also matters which side costs."""
        steps = _SIZES if most >= _MANY else _FEWER_SIZES
        tried = {(yes, no) for yes in self._sizes(0, steps) for no in self._sizes(1, steps)}
        tried |= set(self._just_enough(steps))
        money, (yes_unit, no_unit) = budget.money_on(self.shard), self.units
        affordable = (counts for counts in tried if counts[0] * yes_unit + counts[1] * no_unit <= money)
        found = [option for option in map(self.option, affordable) if option.net > 0]
        self.best = max(found, default=None)
        best = _front(found, lambda option: option.cost)
        if in_company:
            best = [*best, *_front(found, lambda option: option.yes_cost), *_front(found, lambda o: o.no_cost)]
        return thinned(sorted(set(best), key=lambda option: (option.cost, -option.net)), most)

    def _sizes(self, side: int, steps: int) -> list[int]:
        most = self.most[side]
        if most <= _EVERY_SIZE:
            return list(range(most + 1))
        spread = {round(math.exp(math.log(most) * step / steps)) for step in range(steps + 1)}
        return sorted({0, most} | spread | {size for size in self._turning_points(side) if size <= most})

    def _turning_points(self, side: int) -> Iterator[int]:
        """Sizes at which the walk of a side changes.

        One of them completes a target. At each of the others a level of rivals drops out of the walk."""
        price = self.prices[side]
        for program in self.incentive.programs:
            left = program.target or Decimal(0)
            for level in self.rivals.side(NO if side else YES):
                if left <= 0:
                    break
                if isinstance(price, Decimal) and level.price < price:
                    yield math.ceil(left)
                left -= level.size
            if left > 0:
                yield math.ceil(left)

    def _just_enough(self, steps: int) -> Iterator[Counts]:
        """For each window, the smallest sizes that make it worth funding.

        For some sizes of one side, the smallest size of the other side is searched."""
        for number, window in enumerate(self._windows):
            if window.so_far >= self._rules.min_window:
                continue
            for side in (0, 1):
                for given in self._sizes(1 - side, steps):
                    low, high = 0, self.most[side]
                    if not self._enough(number, side, high, given):
                        continue
                    while low < high:
                        middle = (low + high) // 2
                        if self._enough(number, side, middle, given):
                            high = middle
                        else:
                            low = middle + 1
                    yield (low, given) if side == 0 else (given, low)

    def _enough(self, number: int, side: int, count: int, given: int) -> bool:
        """Whether `count` contracts on a side make a window worth funding.

        `given`: the contracts on the other side."""
        ours, other = self._shares_of(side, count)[number], self._shares_of(1 - side, given)[number]
        if ours is None or other is None:
            return False
        return self._windows[number].expects(ours + other) >= self._rules.min_window

    def rough_value(self, budget: SizingBudget, trade_ticker_size: int, exactly: bool = False) -> RoughValue:
        """The market's value at the best of a few splits of the money between its sides.

        The value is -inf if no split makes a window worth funding. A split that leaves a part of a slot's share of
        the money idle is charged for the whole share. Unless `exactly`, each contract gets the weight it has in
        the largest order, which overestimates."""
        (yes_unit, no_unit), (yes_most, no_most) = self.units, self.most
        strengths = None if exactly else (self._strength(0), self._strength(1))
        money = budget.money_on(self.shard)
        all_yes, all_no = money / yes_unit if yes_unit else 0.0, money / no_unit if no_unit else 0.0
        least_cost, best, best_a_pip = max(budget.money / trade_ticker_size, 1.0), -math.inf, -math.inf
        for yes_part, no_part in _SPLITS:
            yes, no = int(all_yes * yes_part), int(all_no * no_part)
            yes, no = yes if yes < yes_most else yes_most, no if no < no_most else no_most
            if not yes and not no:
                continue
            net = self.net((yes, no)) if strengths is None else self._roughly(yes, no, *strengths)
            a_pip = net / max(yes_unit * yes + no_unit * no, least_cost)
            if net and a_pip > best_a_pip:
                best, best_a_pip = net, a_pip
        return RoughValue(best_a_pip, best)

    def _strength(self, side: int) -> tuple[float, float]:
        """The weight of one of our contracts on a side, and the rivals' score.

        Both are by the richest program."""
        most = self.most[side]
        score = self.scores(side, most)[0]
        if score is None:
            return 0.0, 1.0
        return score.ours / most if most else 0.0, self._rules.rival_multiplier * score.rivals

    def _roughly(self, yes: int, no: int, on_yes: tuple[float, float], on_no: tuple[float, float]) -> float:
        (yes_weight, yes_rivals), (no_weight, no_rivals) = on_yes, on_no
        own_yes, own_no = yes * yes_weight, no * no_weight
        shares = own_yes / (yes_rivals + own_yes) if own_yes else 0.0
        if own_no:
            shares += own_no / (no_rivals + own_no)
        paid = 0.0
        for window in self._windows:
            paid += window.roughly(shares)
        return paid - self.costs((yes, no)) if paid else 0.0

    def candidate(self, counts: Counts) -> Candidate:
        scored = self.incentive.score(self.rivals, self.prices.bids(Decimal(counts[0]), Decimal(counts[1])))
        return Candidate(
            self.incentive,
            self.rivals,
            scored,
            self.incentive.estimate(scored, self._now, self._rules),
            self._now,
        )


def _front(options: Iterable[SizeOption], cost: Callable[[SizeOption], int]) -> list[SizeOption]:
    """The options that earn more than every cheaper one."""
    best: list[SizeOption] = []
    for option in sorted(options, key=lambda one: (cost(one), -one.net)):
        if not best or option.net > best[-1].net:
            best.append(option)
    return best


def thinned(options: list[T], most: int) -> list[T]:
    """About `most` of the options, evenly spaced, with the first and the last."""
    if len(options) <= most:
        return options
    return [options[round(n * (len(options) - 1) / (most - 1))] for n in range(most)]
