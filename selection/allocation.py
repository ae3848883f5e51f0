"""`TRADE_SIZE = AUTO`: how many contracts to rest in which markets, by what each dollar would bring.

Promise: pure. A plan keeps every limit, has whole contracts alone, and funds a window to at least $1.50 expected
or not at all; everything it counts on was found by scoring the rivals' book with our bids merged in.

What a dollar brings falls with every dollar, but not smoothly: one contract may take a side that nobody is paid
for, a target must be completed, a larger order pushes deeper rivals out of the walk, a window pays nothing below
the floor and nothing above its cap. So sizes are tried, not solved for: each market offers the sizes that are
worth their money, plans are put together from those, market by market, the best so far for each amount spent being
kept, and the best one's sizes are then moved contract by contract as long as it gains.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import NamedTuple

from exchange.orderbook import Book
from rewards.estimate import RIVALS_ANSWER, Caution, RewardedMarket
from rewards.skips import Reason, Skip
from risk.exposure import Room
from selection.ranking import HYSTERESIS, Choice, Wish, what_lacks, with_bids
from selection.size_options import PIPS, Menu, Option, Promise, Purse, thinned
from trade import Trade, no_book, target_missed

LEAST_WINDOW = Decimal("1.50")
"""Dollars that a window must be expected to bring. The exchange pays from $1.00; rivals come, and nothing is paid
for what then falls short."""

_FINALISTS = 12
_LOOKED_AT_TWICE = 2
_PLANS, _FEW = 480, 3
_ROUNDS = 12


class Plan(NamedTuple):
    """Sizes for some markets: net dollars a day, 1/10,000 dollars spent, and an option by the menu's number."""

    net: float
    spent: int
    picks: tuple[tuple[int, Option], ...]


_EMPTY = Plan(0.0, 0, ())


class Planner:
    """Puts plans together from menus, within a purse and so many slots."""

    def __init__(self, menus: Sequence[Menu], purse: Purse, slots: int) -> None:
        self._menus, self._purse, self._slots = menus, purse, slots

    def best(self) -> Plan:
        """The best plan that was found: among all markets with few sizes of each, then among few with many."""
        plans = self._put_together(range(len(self._menus)))
        if len(self._menus) > _FEW:
            plans += self._put_together(self._prominent(plans))
        return max((self._polished(plan) for plan in self._ends(plans)), key=lambda plan: (plan.net, -plan.spent))

    def _put_together(self, numbers: Sequence[int]) -> list[Plan]:
        """Plans for some of the menus; the fewer they are, the more sizes are tried."""
        menus = max(len(numbers), 1)
        most_options = max(12, min(48, 150 // menus))
        kept = max(12, _PLANS // (menus * min(self._slots, menus)))
        events = [self._menus[number].event for number in numbers]
        plans = [_EMPTY]
        for number in numbers:
            menu = self._menus[number]
            options = menu.options(self._purse, most_options, events.count(menu.event) > 1)
            plans = self._kept([*plans, *self._extended(plans, number, options)], kept)
        return plans

    def _prominent(self, plans: Iterable[Plan]) -> list[int]:
        """The markets of the best plans, and those that would bring most alone."""
        found: set[int] = set()
        for plan in sorted(plans, key=lambda plan: -plan.net):
            found.update(number for number, _ in plan.picks)
            if len(found) >= _FEW:
                break
        alone = [(menu.best.net, number) for number, menu in enumerate(self._menus) if menu.best is not None]
        return sorted(found.union(number for _, number in sorted(alone)[-_FEW:]))

    def _extended(self, plans: Iterable[Plan], number: int, options: Sequence[Option]) -> Iterator[Plan]:
        for net, spent, picks in plans:
            if len(picks) == self._slots:
                continue
            for option in options:
                if spent + option.cost > self._purse.money:
                    break
                longer = (*picks, (number, option))
                if not picks or self._fits_in(longer, number):
                    yield Plan(net + option.net, spent + option.cost, longer)

    def _fits_in(self, picks: Sequence[tuple[int, Option]], number: int) -> bool:
        """Whether the shard and the event of one of the picks bear them all. Alone each keeps its event's limit:
        no option is larger than that."""
        menu, purse = self._menus[number], self._purse
        on_shard, added = 0, []
        for other, option in picks:
            one = self._menus[other]
            if one.shard == menu.shard:
                on_shard += option.cost
            if one.event == menu.event:
                added.append((one.ticker, option.yes_cost, option.no_cost))
        if on_shard > purse.money_on(menu.shard):
            return False
        return len(added) == 1 or purse.event_fits(menu.event, added, menu.incentive.exclusive)

    def _kept(self, plans: Iterable[Plan], most: int) -> list[Plan]:
        """Of the plans with as many markets the best for each amount spent."""
        by_length: dict[int, list[Plan]] = {}
        for plan in sorted(plans, key=lambda one: (one.spent, -one.net)):
            same = by_length.setdefault(len(plan.picks), [])
            if not same or plan.net > same[-1].net:
                same.append(plan)
        found = []
        for same in by_length.values():
            found += thinned(same, most)
        return found

    def _ends(self, plans: Sequence[Plan]) -> list[Plan]:
        """The few plans worth polishing: of each length the best ones."""
        by_length: dict[int, Plan] = {}
        for plan in plans:
            held = by_length.get(len(plan.picks))
            if held is None or plan.net > held.net:
                by_length[len(plan.picks)] = plan
        return sorted(by_length.values(), key=lambda plan: -plan.net)[:4]

    def _polished(self, plan: Plan) -> Plan:
        """The plan with its sizes moved as long as that gains."""
        for _ in range(_ROUNDS):
            better = self._moved(plan)
            if better is None:
                return plan
            plan = better
        return plan

    def _moved(self, plan: Plan) -> Plan | None:
        """The best of the plans that move one size, or money from one size to another."""
        start = plan
        for place in range(len(plan.picks)):
            for side in (0, 1):
                for step in self._steps(plan, place, side):
                    plan = self._better(plan, self._resized(plan, place, side, step))
                    if step > 0:
                        continue
                    plan = self._given_on(plan, place, side, step)
        return None if plan.net <= start.net + 1e-9 else plan

    def _given_on(self, plan: Plan, place: int, side: int, step: int) -> Plan:
        """The plan with contracts taken from one size and their money given to another one."""
        poorer = self._resized(plan, place, side, step)
        if poorer is None:
            return plan
        free = self._purse.money - poorer.spent
        for other, (number, option) in enumerate(plan.picks):
            for end in (0, 1):
                unit = self._menus[number].units[end]
                if (other, end) == (place, side) or not unit:
                    continue
                more = min(free // unit, self._menus[number].most[end] - option.counts[end])
                if more > 0:
                    plan = self._better(plan, self._resized(poorer, other, end, more))
        return plan

    def _steps(self, plan: Plan, place: int, side: int) -> Iterator[int]:
        number, option = plan.picks[place]
        step = 1
        while step <= max(self._menus[number].most[side] // 2, 1):
            yield step
            if step <= option.counts[side]:
                yield -step
            step *= 2
        if option.counts[side]:
            yield -option.counts[side]

    def _resized(self, plan: Plan, place: int, side: int, step: int) -> Plan | None:
        """The plan with a size changed by so many contracts, None where that cannot be."""
        number, option = plan.picks[place]
        menu = self._menus[number]
        count = option.counts[side] + step
        if not 0 <= count <= menu.most[side]:
            return None
        changed = menu.option((count, option.counts[1]) if side == 0 else (option.counts[0], count))
        if plan.spent - option.cost + changed.cost > self._purse.money:
            return None
        picks = (*plan.picks[:place], (number, changed), *plan.picks[place + 1 :])
        if not self._fits_in(picks, number):
            return None
        return Plan(plan.net - option.net + changed.net, plan.spent - option.cost + changed.cost, picks)

    @staticmethod
    def _better(plan: Plan, other: Plan | None) -> Plan:
        if other is None or any(option.net <= 0 for _, option in other.picks):
            return plan
        return other if other.net > plan.net + 1e-12 else plan


def choose_sizes(
    trade: Trade,
    incentives: Iterable[RewardedMarket],
    rivals: Mapping[str, Book],
    now: datetime,
    wish: Wish,
    room: Room,
    quoted: frozenset[str],
    skipped: Iterable[Skip] = (),
) -> Choice:
    """The markets to quote and the sizes to quote them with, best first, and one reason for each of the rest."""
    caution = Caution(RIVALS_ANSWER, float(max(LEAST_WINDOW, wish.min_reward)), wish.fill_cost)
    purse = Purse.of(room)
    menus: list[Menu] = []
    refused: list[Skip] = []
    for incentive in incentives:
        menu = _menu(trade, incentive, rivals.get(incentive.ticker), now, caution, purse)
        if isinstance(menu, Skip):
            refused.append(menu)
        else:
            menu.times = HYSTERESIS if menu.ticker in quoted else 1.0
            menus.append(menu)
    menus, beyond = _finalists(menus, purse, wish.slots)
    plan = Planner(menus, purse, wish.slots).best()
    chosen = [menus[number].candidate(option.counts) for number, option in plan.picks]
    taken = {candidate.ticker for candidate in chosen}
    beside = reduce(with_bids, chosen, room)
    left = [_not_in_plan(menu, plan, purse, wish.slots, beside) for menu in menus if menu.ticker not in taken]
    chosen.sort(key=lambda candidate: (-candidate.decided.net_per_day, candidate.ticker))
    return Choice(tuple(chosen), (*left, *beyond, *refused, *skipped))


def _menu(
    trade: Trade, incentive: RewardedMarket, rivals: Book | None, now: datetime, caution: Caution, purse: Purse
) -> Menu | Skip:
    """A market that some size within the purse would make worth funding, or the reason that none does."""
    if rivals is None:
        return no_book(incentive)
    prices = trade.prices(incentive, rivals)
    if isinstance(prices, Skip):
        return prices
    menu = Menu(incentive, rivals, prices, now, caution, purse)
    if menu.most == (0, 0):
        one_contract = menu.candidate((1, 0) if menu.units[0] else (0, 1))
        return what_lacks(one_contract, purse.room) or _unworthy(menu, -math.inf)
    expected = menu.expects(menu.most)
    if expected is None:
        return target_missed(incentive, rivals, prices.bids(*map(Decimal, menu.most)))
    if expected < caution.least:
        number = f"${expected:.2f} of ${caution.least:.2f} a window, with all that the limits allow on each side"
        return Skip(incentive.ticker, Reason.REWARD_FLOOR, "At most", number)
    return menu


def _finalists(menus: list[Menu], purse: Purse, slots: int) -> tuple[list[Menu], list[Skip]]:
    """The markets among which a plan is made, and a reason for each of the others."""
    if len(menus) <= _FINALISTS:
        return menus, []
    rough = _ranked(menus, purse, slots)
    again = (_FINALISTS + slots) * _LOOKED_AT_TWICE
    ranked = _ranked([menu for _, menu in rough[:again]], purse, slots, exactly=True) + rough[again:]
    most = _FINALISTS + slots
    beyond = []
    for rank, (promise, menu) in enumerate(ranked[most:], start=most + 1):
        if promise.net > 0:
            number = f"{rank:,} of {len(ranked):,} by what a dollar brings, sizes are tried for the best {most}"
            beyond.append(Skip(menu.ticker, Reason.TRADE_TICKER_SIZE, "Rank", number))
        else:
            beyond.append(_unworthy(menu, promise.net))
    return [menu for _, menu in ranked[:most]], beyond


def _ranked(menus: Iterable[Menu], purse: Purse, slots: int, exactly: bool = False) -> list[tuple[Promise, Menu]]:
    """By what a dollar brings, best first; the ticker breaks ties."""
    promises = [(menu.promise(purse, slots, exactly), menu) for menu in menus]
    return sorted(promises, key=lambda pair: (-pair[0].a_pip * pair[1].times, pair[1].ticker))


def _unworthy(menu: Menu, net: float) -> Skip:
    """The reason where no size is worth its fills, or none makes a window worth funding."""
    if net == -math.inf:
        number = f"at every size tried: less than ${menu.least:.2f} a window, or its cap is earned already"
        return Skip(menu.ticker, Reason.REWARD_FLOOR, "Adds", f"$0.00 {number}")
    return Skip(menu.ticker, Reason.FILL_COST, "Net a day", f"-${-net:.4f} at the best of the sizes tried")


def _not_in_plan(menu: Menu, plan: Plan, purse: Purse, slots: int, beside: Room) -> Skip:
    """Why a market was left out among which the plan was made. `beside`: what the plan leaves."""
    best = menu.best
    if best is None:
        return _unworthy(menu, menu.promise(purse, slots, exactly=True).net)
    net = f"${best.net / menu.times:.4f} a day at best"
    if len(plan.picks) >= slots:
        return Skip(menu.ticker, Reason.TRADE_TICKER_SIZE, "Net", f"{net}, the best {slots:,} are quoted")
    left = f"{net}, ${(purse.money - plan.spent) / PIPS:.2f} left by those that bring more"
    lacking = what_lacks(menu.candidate(best.counts), beside)
    return lacking or Skip(menu.ticker, Reason.MAX_CAPITAL, "Net", left)
