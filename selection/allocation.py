"""Choose markets and sizes for `TRADE_SIZE = AUTO`, by the reward of each dollar.

Promise:
- Every function is pure.
- An allocation keeps every limit and has whole contracts only.
- A window is funded only if it is expected to pay $1.50 or more.
- Every value that an allocation relies on comes from scoring the rivals' book with our bids merged in.

The reward of a dollar falls with every further dollar, but not smoothly. On a side without paid rivals one
contract earns the whole half. Below the target nothing is paid. A larger order pushes deeper rivals out of the
walk. A window pays nothing below the floor and nothing above its cap.

So sizes are tried, not solved for:
- Each market offers the sizes that are worth their money.
- Allocations are built from those, market by market. For each amount spent the best so far is kept.
- The sizes of the best allocations are then moved contract by contract while that gains.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import NamedTuple

from exchange.orderbook import Book
from rewards.estimate import RIVAL_MULTIPLIER, EstimateRules, RewardedMarket
from rewards.skips import Reason, Skip
from risk.exposure import Headroom
from selection.ranking import HYSTERESIS, Selection, SelectionRules, broken_limit, headroom_after
from selection.size_options import PIPS, RoughValue, SizeOption, SizeOptions, SizingBudget, thinned
from trade import Trade, no_book, target_missed

LEAST_WINDOW = Decimal("1.50")
"""Dollars that a window must be expected to pay.

The exchange pays from $1.00. The margin is for rivals who come later: a window that then falls short pays nothing.
"""

_FINALISTS = 12
_LOOKED_AT_TWICE = 2
_ALLOCATIONS, _FEW = 480, 3
_ROUNDS = 12


class Allocation(NamedTuple):
    """Sizes for some markets.

    `net`: net dollars a day. `spent`: in 1/10,000 dollars. `picks`: each market's number and its sizes."""

    net: float
    spent: int
    picks: tuple[tuple[int, SizeOption], ...]


_NOTHING_ALLOCATED = Allocation(0.0, 0, ())


class Allocator:
    """Builds allocations from sized markets, within a budget and a number of slots."""

    def __init__(self, markets: Sequence[SizeOptions], budget: SizingBudget, trade_ticker_size: int) -> None:
        self._markets, self._budget, self._trade_ticker_size = markets, budget, trade_ticker_size
        self._shards, self._events = [one.shard for one in markets], [one.event for one in markets]

    def best(self) -> Allocation:
        """Return the best allocation found.

        The search tries all markets with few sizes of each, then few markets with many sizes."""
        allocations = self._put_together(range(len(self._markets)))
        if len(self._markets) > _FEW:
            allocations += self._put_together(self._prominent(allocations))
        return max(
            (self._polished(allocation) for allocation in self._ends(allocations)),
            key=lambda allocation: (allocation.net, -allocation.spent),
        )

    def _put_together(self, numbers: Sequence[int]) -> list[Allocation]:
        """Build allocations from some of the markets: fewer markets, more sizes."""
        count = max(len(numbers), 1)
        most_options = max(12, min(48, 150 // count))
        kept = max(12, _ALLOCATIONS // (count * min(self._trade_ticker_size, count)))
        events = [self._markets[number].event for number in numbers]
        allocations = [_NOTHING_ALLOCATED]
        for number in numbers:
            sizes = self._markets[number]
            options = sizes.options(self._budget, most_options, events.count(sizes.event) > 1)
            allocations = self._kept([*allocations, *self._extended(allocations, number, options)], kept)
        return allocations

    def _prominent(self, allocations: Iterable[Allocation]) -> list[int]:
        """The markets of the best allocations, and those that would earn most alone."""
        found: set[int] = set()
        for allocation in sorted(allocations, key=lambda allocation: -allocation.net):
            found.update(number for number, _ in allocation.picks)
            if len(found) >= _FEW:
                break
        alone = [(sizes.best.net, number) for number, sizes in enumerate(self._markets) if sizes.best is not None]
        return sorted(found.union(number for _, number in sorted(alone)[-_FEW:]))

    def _extended(
        self, allocations: Iterable[Allocation], number: int, options: Sequence[SizeOption]
    ) -> Iterator[Allocation]:
        """Allocations with one more market. `options`: the market's sizes, cheapest first."""
        shards, shard, event = self._shards, self._shards[number], self._events[number]
        for net, spent, picks in allocations:
            if len(picks) == self._trade_ticker_size:
                continue
            on_shard = sum(option.cost for other, option in picks if shards[other] == shard)
            left = min(self._budget.money - spent, self._budget.money_on(shard) - on_shard)
            of_event = [pick for pick in picks if self._events[pick[0]] == event]
            for option in options:
                if option.cost > left:
                    break
                pick = (number, option)
                if not of_event or self._event_fits([*of_event, pick]):
                    yield Allocation(net + option.net, spent + option.cost, (*picks, pick))

    def _fits_in(self, picks: Sequence[tuple[int, SizeOption]], number: int) -> bool:
        """Whether the shard and the event of market `number` can carry all picks.

        A pick alone in its event needs no check: no option is larger than the event's limit."""
        shards, events = self._shards, self._events
        shard, event = shards[number], events[number]
        on_shard, of_event = 0, []
        for pick in picks:
            other, option = pick
            if shards[other] == shard:
                on_shard += option.cost
            if events[other] == event:
                of_event.append(pick)
        if on_shard > self._budget.money_on(shard):
            return False
        return len(of_event) == 1 or self._event_fits(of_event)

    def _event_fits(self, picks: Sequence[tuple[int, SizeOption]]) -> bool:
        """Whether the event of `picks`, all of one event, keeps its limit."""
        one = self._markets[picks[-1][0]]
        added = [(self._markets[other].ticker, option.yes_cost, option.no_cost) for other, option in picks]
        return self._budget.event_fits(one.event, added, one.incentive.exclusive)

    def _kept(self, allocations: Iterable[Allocation], most: int) -> list[Allocation]:
        """The best allocation for each amount spent, by number of markets."""
        by_length: dict[int, list[Allocation]] = {}
        for allocation in sorted(allocations, key=lambda one: (one.spent, -one.net)):
            same = by_length.setdefault(len(allocation.picks), [])
            if not same or allocation.net > same[-1].net:
                same.append(allocation)
        found = []
        for same in by_length.values():
            found += thinned(same, most)
        return found

    def _ends(self, allocations: Sequence[Allocation]) -> list[Allocation]:
        """The few allocations worth polishing: the best of each length."""
        by_length: dict[int, Allocation] = {}
        for allocation in allocations:
            held = by_length.get(len(allocation.picks))
            if held is None or allocation.net > held.net:
                by_length[len(allocation.picks)] = allocation
        return sorted(by_length.values(), key=lambda allocation: -allocation.net)[:4]

    def _polished(self, allocation: Allocation) -> Allocation:
        """The allocation with its sizes moved while that gains."""
        for _ in range(_ROUNDS):
            better = self._moved(allocation)
            if better is None:
                return allocation
            allocation = better
        return allocation

    def _moved(self, allocation: Allocation) -> Allocation | None:
        """The best allocation that moves one size, or money from one size to another."""
        start = allocation
        for place in range(len(allocation.picks)):
            for side in (0, 1):
                for step in self._steps(allocation, place, side):
                    allocation = self._resized(allocation, place, side, step, allocation.net) or allocation
                    if step > 0:
                        continue
                    allocation = self._given_on(allocation, place, side, step)
        return None if allocation.net <= start.net + 1e-9 else allocation

    def _given_on(self, allocation: Allocation, place: int, side: int, step: int) -> Allocation:
        """Take contracts from one size and give their money to another, if that gains."""
        poorer = self._resized(allocation, place, side, step)
        if poorer is None:
            return allocation
        free = self._budget.money - poorer.spent
        for other, (number, option) in enumerate(allocation.picks):
            for end in (0, 1):
                unit = self._markets[number].units[end]
                if (other, end) == (place, side) or not unit:
                    continue
                more = min(free // unit, self._markets[number].most[end] - option.counts[end])
                if more > 0:
                    allocation = self._resized(poorer, other, end, more, allocation.net) or allocation
        return allocation

    def _steps(self, allocation: Allocation, place: int, side: int) -> Iterator[int]:
        number, option = allocation.picks[place]
        step = 1
        while step <= max(self._markets[number].most[side] // 2, 1):
            yield step
            if step <= option.counts[side]:
                yield -step
            step *= 2
        if option.counts[side]:
            yield -option.counts[side]

    def _resized(
        self, allocation: Allocation, place: int, side: int, step: int, better_than: float | None = None
    ) -> Allocation | None:
        """The allocation with one size changed by `step` contracts.

        Returns None if a limit forbids it. With `better_than`, also if it does not net more than that, or if a
        market in it nets nothing."""
        number, option = allocation.picks[place]
        sizes = self._markets[number]
        count = option.counts[side] + step
        if not 0 <= count <= sizes.most[side]:
            return None
        spent = allocation.spent + step * sizes.units[side]
        if spent > self._budget.money:
            return None
        counts = (count, option.counts[1]) if side == 0 else (option.counts[0], count)
        net = allocation.net - option.net + sizes.net(counts) * sizes.hysteresis
        if better_than is not None and net <= better_than + 1e-12:
            return None
        picks = (*allocation.picks[:place], (number, sizes.option(counts)), *allocation.picks[place + 1 :])
        if better_than is not None and any(one.net <= 0 for _, one in picks):
            return None
        return Allocation(net, spent, picks) if self._fits_in(picks, number) else None


def estimate_rules_of(rules: SelectionRules) -> EstimateRules:
    """The rules of the estimates that decide for `TRADE_SIZE = AUTO`.

    A window below its minimum ($1.50, or `min_reward` if larger) counts as 0."""
    return EstimateRules(RIVAL_MULTIPLIER, float(max(LEAST_WINDOW, rules.min_reward)), rules.fill_cost)


def choose_sizes(
    trade: Trade,
    incentives: Iterable[RewardedMarket],
    rivals: Mapping[str, Book],
    now: datetime,
    rules: SelectionRules,
    headroom: Headroom,
    quoted: frozenset[str],
    skipped: Iterable[Skip] = (),
) -> Selection:
    """Choose the markets to quote and their sizes, best first.

    Each of the other markets gets one reason."""
    estimate_rules = rules.per_market.map(estimate_rules_of)
    budget = SizingBudget.of(headroom)
    markets: list[SizeOptions] = []
    refused: list[Skip] = []
    for incentive in incentives:
        decides = estimate_rules.of(incentive.ticker)
        sizes = _sizes_of(trade, incentive, rivals.get(incentive.ticker), now, decides, budget)
        if isinstance(sizes, Skip):
            refused.append(sizes)
        else:
            sizes.hysteresis = HYSTERESIS if sizes.ticker in quoted else 1.0
            markets.append(sizes)
    markets, beyond = _finalists(markets, budget, rules.trade_ticker_size)
    allocation = Allocator(markets, budget, rules.trade_ticker_size).best()
    chosen = [markets[number].candidate(option.counts) for number, option in allocation.picks]
    taken = {candidate.ticker for candidate in chosen}
    beside = reduce(headroom_after, chosen, headroom)
    left = [
        _not_allocated(sizes, allocation, budget, rules.trade_ticker_size, beside)
        for sizes in markets
        if sizes.ticker not in taken
    ]
    chosen.sort(key=lambda candidate: (-candidate.conservative.net_per_day, candidate.ticker))
    return Selection(tuple(chosen), (*left, *beyond, *refused, *skipped))


def _sizes_of(
    trade: Trade,
    incentive: RewardedMarket,
    rivals: Book | None,
    now: datetime,
    estimate_rules: EstimateRules,
    budget: SizingBudget,
) -> SizeOptions | Skip:
    """A market that some size within the budget makes worth funding.

    Returns the reason if no size does."""
    if rivals is None:
        return no_book(incentive)
    prices = trade.prices(incentive, rivals)
    if isinstance(prices, Skip):
        return prices
    sizes = SizeOptions(incentive, rivals, prices, now, estimate_rules, budget)
    if sizes.most == (0, 0):
        one_contract = sizes.candidate((1, 0) if sizes.units[0] else (0, 1))
        return broken_limit(one_contract, budget.headroom) or _unworthy(sizes, -math.inf)
    expected = sizes.expects(sizes.most)
    if expected is None:
        return target_missed(incentive, rivals, prices.bids(*map(Decimal, sizes.most)))
    if expected < estimate_rules.min_window:
        needed = f"${estimate_rules.min_window:.2f} a window"
        number = f"${expected:.2f} of {needed}, with the largest size that the limits allow on each side"
        return Skip(incentive.ticker, Reason.REWARD_FLOOR, "At most", number)
    return sizes


def _finalists(
    markets: list[SizeOptions], budget: SizingBudget, trade_ticker_size: int
) -> tuple[list[SizeOptions], list[Skip]]:
    """The markets that the allocation uses, and a reason for each of the others."""
    if len(markets) <= _FINALISTS:
        return markets, []
    rough = _ranked(markets, budget, trade_ticker_size)
    again = (_FINALISTS + trade_ticker_size) * _LOOKED_AT_TWICE
    ranked = (
        _ranked([sizes for _, sizes in rough[:again]], budget, trade_ticker_size, exactly=True) + rough[again:]
    )
    most = _FINALISTS + trade_ticker_size
    beyond = []
    for rank, (promise, sizes) in enumerate(ranked[most:], start=most + 1):
        if promise.net > 0:
            number = f"{rank:,} of {len(ranked):,} by net reward per dollar, sizes are tried for the best {most}"
            beyond.append(Skip(sizes.ticker, Reason.TRADE_TICKER_SIZE, "Rank", number))
        else:
            beyond.append(_unworthy(sizes, promise.net))
    return [sizes for _, sizes in ranked[:most]], beyond


def _ranked(
    markets: Iterable[SizeOptions], budget: SizingBudget, trade_ticker_size: int, exactly: bool = False
) -> list[tuple[RoughValue, SizeOptions]]:
    """Rank markets by reward per dollar, best first; the ticker breaks ties."""
    valued = [(sizes.rough_value(budget, trade_ticker_size, exactly), sizes) for sizes in markets]
    return sorted(valued, key=lambda pair: (-pair[0].a_pip * pair[1].hysteresis, pair[1].ticker))


def _unworthy(sizes: SizeOptions, net: float) -> Skip:
    """The reason if no size pays for its fills, or none makes a window worth funding."""
    if net == -math.inf:
        number = f"at every size tried: less than ${sizes.least:.2f} a window, or its cap is earned already"
        return Skip(sizes.ticker, Reason.REWARD_FLOOR, "Adds", f"$0.00 {number}")
    return Skip(sizes.ticker, Reason.FILL_COST, "Net a day", f"-${-net:.4f} at the best of the sizes tried")


def _not_allocated(
    sizes: SizeOptions, allocation: Allocation, budget: SizingBudget, trade_ticker_size: int, beside: Headroom
) -> Skip:
    """Why a finalist was left out of the allocation.

    `beside`: the headroom that the allocation leaves."""
    best = sizes.best
    if best is None:
        return _unworthy(sizes, sizes.rough_value(budget, trade_ticker_size, exactly=True).net)
    net = f"${best.net / sizes.hysteresis:.4f} a day at best"
    if len(allocation.picks) >= trade_ticker_size:
        return Skip(
            sizes.ticker, Reason.TRADE_TICKER_SIZE, "Net", f"{net}, the best {trade_ticker_size:,} are quoted"
        )
    left = f"{net}, ${(budget.money - allocation.spent) / PIPS:.2f} left by markets that earn more"
    lacking = broken_limit(sizes.candidate(best.counts), beside)
    return lacking or Skip(sizes.ticker, Reason.MAX_CAPITAL, "Net", left)
