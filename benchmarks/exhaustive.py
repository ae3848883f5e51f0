"""Small random boards, and the best `TRADE_SIZE = AUTO` plan for each of them.

Promise:
- The best plan is found by exhaustive search.
- The solver has no code in common with `selection/size_options.py` and `selection/allocation.py`, whose plans it
  judges.
- Prices, estimates and limits are the public ones of `trade.py`, `rewards/estimate.py` and `risk/exposure.py`.

`benchmarks.sizing` runs it and prints the comparison.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

from benchmarks.board import CENTS
from exchange.models import IncentiveType, Market, MarketStatus, Program
from exchange.orderbook import SIDES, Bid, Book, Level, PriceGrid, PriceRange, Side
from rewards.estimate import RIVAL_MULTIPLIER, Candidate, EstimateRules, RewardedMarket
from rewards.skips import Skip
from risk.exposure import Headroom
from selection.allocation import LEAST_WINDOW, choose_sizes
from selection.ranking import Selection, SelectionRules, broken_limit
from trade import Prices, Trade

NOW = datetime(2026, 11, 22, 15, tzinfo=timezone.utc)
TAPERED = PriceGrid(
    (
        PriceRange(Decimal(0), Decimal("0.1"), Decimal("0.001")),
        PriceRange(Decimal("0.1"), Decimal("0.9"), Decimal("0.01")),
        PriceRange(Decimal("0.9"), Decimal(1), Decimal("0.001")),
    )
)
PIPS = 10_000


# Boards ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A small board, with the settings and limits of its plan."""

    trade: Trade
    rules: SelectionRules
    headroom: Headroom
    incentives: tuple[RewardedMarket, ...]
    books: Mapping[str, Book]

    @property
    def estimate_rules(self) -> EstimateRules:
        return EstimateRules(
            RIVAL_MULTIPLIER, float(max(LEAST_WINDOW, self.rules.min_reward)), self.rules.fill_cost
        )

    def chosen(self) -> Selection:
        """AUTO's plan."""
        return choose_sizes(self.trade, self.incentives, self.books, NOW, self.rules, self.headroom, frozenset())


def problem(seed: int) -> Problem:
    """A random board of two to four markets.

    Targets are 20 to 200 contracts, and the money is enough for some 40 contracts."""
    dice = random.Random(seed)
    count = dice.choice((2, 2, 3, 3, 3, 4))
    events = [f"KXE{number}-26NOV" for number in range(dice.randint(1, count))]
    alike = {event: dice.random() < 0.5 for event in events}
    incentives, books = [], {}
    for number in range(count):
        event = dice.choice(events)
        incentive, book = _market(dice, f"{event}-M{number}", event, alike[event])
        incentives.append(incentive)
        books[book.ticker] = book
    capital = Decimal(dice.randint(300, 1_400)) / 100
    headroom = Headroom(
        capital,
        round(capital * dice.choice((2, 1, 1, Decimal("0.7"), Decimal("0.4"))), 2),
        capital * dice.choice((2, 1, Decimal("0.7"))),
        _cash(dice, capital),
        _held(dice, events, incentives, capital),
        frozenset(event for event in events if alike[event] and dice.random() < 0.3),
    )
    return Problem(
        Trade(None, dice.choice((0, 1, 1, 2, 3)), dice.choice((None, None, Decimal(dice.randint(20, 200))))),
        SelectionRules(
            dice.randint(1, 3), dice.choice((Decimal(0), Decimal(0), Decimal(3))), dice.choice((0.0, 0.01, 0.03))
        ),
        headroom,
        tuple(incentives),
        books,
    )


def _cash(dice: random.Random, capital: Decimal) -> dict[int, Decimal] | None:
    """Cash by shard, which may be less than the capital; None if it is unknown."""
    if dice.random() < 0.4:
        return None
    return {shard: capital * dice.choice((1, 1, Decimal("0.6"), Decimal("0.3"))) for shard in (0, 1)}


def _held(
    dice: random.Random, events: Iterable[str], incentives: Iterable[RewardedMarket], capital: Decimal
) -> dict[str, dict[str, tuple[Decimal, Decimal]]]:
    """The losses of existing positions if their market settles YES, and if NO.

    Their markets are on this board, or outside it in the same events."""
    held: dict[str, dict[str, tuple[Decimal, Decimal]]] = {}
    for event in events:
        tickers = [one.ticker for one in incentives if one.market.event_ticker == event] + [f"{event}-OTHER"]
        for ticker in tickers:
            if dice.random() < 0.2:
                cost = capital * dice.randint(5, 40) / 100
                pair = round(cost, 2), round(-cost * dice.randint(0, 300) / 100, 2)
                held.setdefault(event, {})[ticker] = pair if dice.random() < 0.5 else pair[::-1]
    return held


def _market(dice: random.Random, ticker: str, event: str, exclusive: bool) -> tuple[RewardedMarket, Book]:
    grid = dice.choice((CENTS, CENTS, TAPERED))
    best_yes = dice.randint(3, 92)
    best_no = dice.randint(3, 97 - best_yes) if best_yes < 94 else 3
    target = dice.choice((20, 20, 30, 40, 60, 100, 200))
    closes = NOW + timedelta(days=dice.uniform(0.2, 20))
    resolves = None if dice.random() < 0.6 else NOW + timedelta(days=dice.uniform(0.1, 10))
    market = Market(
        ticker, event, MarketStatus.ACTIVE, closes, grid, dice.choice((0, 1, None)), resolves,
        Decimal(round(10 ** dice.uniform(0, 3.5))), NOW - timedelta(days=dice.uniform(0, 3)),
    )  # fmt: skip
    programs = [_program(dice, f"{ticker}-p0", ticker, target)]
    if dice.random() < 0.3:
        programs.append(_program(dice, f"{ticker}-p1", ticker, dice.choice((target, 30, 100))))
    programs.sort(key=lambda one: -float(one.reward) / one.seconds)
    accrued_by_program = {one.id: dice.choice((0.4, 0.9, 1.3, 2.6)) for one in programs if dice.random() < 0.3}
    rate = dice.choice((0.0, 0.0, 0.0, 0.0175, 0.07))
    qualified = dice.choice((1.0, 1.0, dice.uniform(0.3, 1.0)))
    book = Book(ticker, _side(dice, best_yes, target, grid), _side(dice, best_no, target, grid))
    return RewardedMarket(market, tuple(programs), rate, exclusive, qualified, accrued_by_program), book


def _program(dice: random.Random, name: str, ticker: str, target: int) -> Program:
    days = 10 ** dice.uniform(-1, 1.2)
    left = days * dice.choice((0.05, 0.5, 1.0, dice.random()))
    return Program(
        id=name,
        ticker=ticker,
        type=IncentiveType.LIQUIDITY,
        start=NOW - timedelta(days=days - left),
        end=NOW + timedelta(days=left),
        reward=Decimal(round(10 ** dice.uniform(1, 2.5))),
        paid_out=False,
        target=Decimal(target),
        discount=dice.choice((Decimal("0.5"), Decimal("0.5"), Decimal("0.05"), Decimal("0.9"))),
        cap=dice.choice((None, None, None, Decimal(2), Decimal(5))),
    )


def _side(dice: random.Random, best: int, target: int, grid: PriceGrid) -> tuple[Level, ...]:
    """The rivals' bids on a side, best first, of one of seven kinds.

    They are nearly none, lack the reference, fall short of the target, reach it at the touch, or spread downward.
    A larger order pushes deep rivals out of the walk. Rarely there are no bids."""
    parts = {
        "nearly none": [0.0005 * dice.random()],
        "no reference": [dice.uniform(0.005, 0.19)],
        "short": [dice.uniform(0.2, 0.6) for _ in range(dice.randint(1, 3))],
        "touch": [dice.uniform(0.6, 1.5), dice.uniform(0.1, 3)],
        "spread": [dice.uniform(0.04, 0.4) for _ in range(dice.randint(4, 8))],
        "deep": [dice.uniform(0.05, 0.3), dice.uniform(0.05, 0.3), dice.uniform(0.5, 6), dice.uniform(0.5, 6)],
        "empty": [],
    }
    kind = dice.choices(list(parts), (0.6, 1, 4, 1, 8, 8, 0.1))[0]
    step = Decimal("0.001") if grid is TAPERED and best < 10 else Decimal("0.01")
    price, levels = Decimal(best) / 100, []
    for part in parts[kind]:
        if price <= 0:
            break
        levels.append(Level(price, max(round(Decimal(part * target), dice.choice((0, 2))), Decimal("0.01"))))
        price -= step * dice.choice((1, 1, 1, 2, 3))
    return tuple(levels)


# The best plan --------------------------------------------------------------------------------------------


class Size(NamedTuple):
    """Contracts on both sides of a market, with their net value and cost.

    `net`: dollars a day. `yes_cost`, `no_cost`: the cash that a side ties up, in 1/10,000 dollar."""

    net: float
    yes_cost: int
    no_cost: int
    yes: int = 0
    no: int = 0

    @property
    def cost(self) -> int:
        return self.yes_cost + self.no_cost


class Spent(NamedTuple):
    """The cash that a plan ties up, and what it can lose, in 1/10,000 dollar.

    `all`: the total cash. `cash`: by shard. `losses`: by event and market, if it settles YES and if NO."""

    all: int
    cash: Mapping[int | None, int]
    losses: Mapping[str, Mapping[str, tuple[int, int]]]


Front = list[tuple[int, float]]
"""Cost and net of sizes or plans. Each costs more than the one before, and nets more."""


class Exhaustive:
    """Finds the best plan for a board, by trying all sizes that the limits allow.

    A size is dropped if another one dominates it in value and under every limit. A partial plan is dropped if it
    could not become the best even if only capital and slots limited it."""

    def __init__(self, problem: Problem) -> None:
        self._problem, self._headroom = problem, problem.headroom
        self._capital = _pips(min(problem.headroom.capital, problem.headroom.free_cash))
        self._event_loss = _pips(problem.headroom.event_loss)
        self._markets = [one for one in problem.incentives if isinstance(self._prices(one), Prices)]
        self._sizes = [sorted(self._useful(one), reverse=True) for one in self._markets]
        self._beyond = self._relaxed()
        self.best: tuple[float, tuple[tuple[RewardedMarket, Size], ...]] = 0.0, ()
        losses = {
            event: {ticker: (_pips(pair[0]), _pips(pair[1])) for ticker, pair in markets.items()}
            for event, markets in self._headroom.losses.items()
        }
        self._search(0, problem.rules.trade_ticker_size, Spent(0, {}, losses), 0.0, ())

    def _prices(self, incentive: RewardedMarket) -> Prices | Skip:
        return self._problem.trade.prices(incentive, self._problem.books[incentive.ticker])

    def _cash(self, incentive: RewardedMarket) -> int:
        return _pips(self._headroom.cash_on(incentive.market.exchange_index))

    def _useful(self, incentive: RewardedMarket) -> Iterator[Size]:
        """Yield the profitable sizes within the limits.

        A size is left out if another one nets as much at no more cost."""
        event = incentive.market.event_ticker
        alone = sum(one.market.event_ticker == event for one in self._markets) == 1
        best: dict[tuple[int, int], float] = {}
        front = -1.0
        for size in sorted(
            self._all(incentive), key=lambda one: (one.cost if alone else 0, one.yes, one.no, -one.net)
        ):
            if alone:
                beaten, front = size.net <= front, max(front, size.net)
            else:
                before = max(best.get((size.yes - 1, size.no), -1.0), best.get((size.yes, size.no - 1), -1.0))
                best[size.yes, size.no] = max(before, size.net)
                beaten = size.net <= before
            if size.net > 0 and not beaten:
                yield size

    def _all(self, incentive: RewardedMarket) -> Iterator[Size]:
        """Yield all sizes that the limits allow if nothing else is quoted."""
        prices = self._prices(incentive)
        assert isinstance(prices, Prices)  # noqa: S101
        most = min(self._capital, self._cash(incentive))
        units = [_contract(incentive, side, price) for side, price in zip(SIDES, prices, strict=True)]
        for yes in range(most // units[0] + 1 if units[0] else 1):
            left = most - yes * units[0]
            for no in range(left // units[1] + 1 if units[1] else 1):
                candidate = valued(self._problem, incentive, yes, no)
                if broken_limit(candidate, self._headroom) is None:
                    decided = candidate.conservative
                    net = decided.net_per_day if decided.payable else 0.0
                    yield Size(net, yes * units[0], no * units[1], yes, no)

    def _relaxed(self) -> list[list[Front]]:
        """The highest nets of the markets from a number on, by slots and by money.

        The capital is the only other limit here."""
        slots = self._problem.rules.trade_ticker_size
        beyond: list[list[Front]] = [[[(0, 0.0)] for _ in range(slots + 1)]]
        for sizes in reversed(self._sizes):
            after, single = beyond[0], _front((size.cost, size.net) for size in sizes)
            fronts = [after[0]]
            for left in range(1, slots + 1):
                with_it = ((c + cost, n + net) for cost, net in single for c, n in after[left - 1])
                fronts.append(_front([*after[left], *(pair for pair in with_it if pair[0] <= self._capital)]))
            beyond.insert(0, fronts)
        return beyond

    def _search(
        self, number: int, slots: int, spent: Spent, net: float, taken: tuple[tuple[RewardedMarket, Size], ...]
    ) -> None:
        if net > self.best[0]:
            self.best = net, taken
        if (
            number == len(self._sizes)
            or net + _most(self._beyond[number][slots], self._capital - spent.all) <= (self.best[0])
        ):
            return
        incentive, after = self._markets[number], self._beyond[number + 1]
        for size in self._sizes[number] if slots else ():
            left = self._capital - spent.all - size.cost
            if left < 0 or net + size.net + _most(after[slots - 1], left) <= self.best[0]:
                continue
            longer = self._with(spent, incentive, size)
            if longer is not None:
                self._search(number + 1, slots - 1, longer, net + size.net, (*taken, (incentive, size)))
        self._search(number + 1, slots, spent, net, taken)

    def _with(self, spent: Spent, incentive: RewardedMarket, size: Size) -> Spent | None:
        """`spent` with one more market, or None if that breaks a limit."""
        event, shard = incentive.market.event_ticker, incentive.market.exchange_index
        cash = {**spent.cash, shard: spent.cash.get(shard, 0) + size.cost}
        if cash[shard] > self._cash(incentive):
            return None
        markets = dict(spent.losses.get(event, {}))
        yes, no = markets.get(incentive.ticker, (0, 0))
        markets[incentive.ticker] = yes + size.no_cost, no + size.yes_cost
        known = incentive.exclusive or event in self._headroom.exclusive
        if _worst(list(markets.values()), known) > self._event_loss:
            return None
        return Spent(spent.all + size.cost, cash, {**spent.losses, event: markets})


def _worst(losses: list[tuple[int, int]], exclusive: bool) -> int:
    """An event's loss in its worst outcome, from each market's loss on YES and on NO.

    If the markets exclude each other, at most one of them settles YES. Otherwise each settles in its worst way."""
    if not exclusive:
        return sum(max(yes, no, 0) for yes, no in losses)
    outcomes = [sum(no for _, no in losses)]
    for winner in range(len(losses)):
        outcomes.append(sum(pair[0] if number == winner else pair[1] for number, pair in enumerate(losses)))
    return max(outcomes)


def _pips(dollars: Decimal) -> int:
    return int(dollars * PIPS // 1)


def _contract(incentive: RewardedMarket, side: Side, price: Decimal | Skip) -> int:
    """The cash for one contract, in 1/10,000 dollar; 0 if the side has no price."""
    return 0 if isinstance(price, Skip) else _pips(incentive.cost(Bid(side, price, Decimal(1))))


def valued(problem: Problem, incentive: RewardedMarket, yes: int, no: int) -> Candidate:
    """A market with `yes` and `no` contracts, valued by the estimate that decides."""
    rivals = problem.books[incentive.ticker]
    prices = problem.trade.prices(incentive, rivals)
    bids = [
        Bid(side, price, Decimal(count))
        for side, price, count in zip(SIDES, prices, (yes, no), strict=True)
        if count and isinstance(price, Decimal)
    ]
    scored = incentive.score(rivals, bids)
    return Candidate(incentive, rivals, scored, incentive.estimate(scored, NOW, problem.estimate_rules), NOW)


def _front(pairs: Iterable[tuple[int, float]]) -> Front:
    found: Front = []
    for cost, net in sorted(pairs, key=lambda pair: (pair[0], -pair[1])):
        if not found or net > found[-1][1]:
            found.append((cost, net))
    return found


def _most(front: Front, money: int) -> float:
    place = bisect_right(front, money, key=lambda pair: pair[0])
    return front[place - 1][1] if place else 0.0
