"""What `TRADE_SIZE = AUTO` leaves on the table, and what it takes: `python -m benchmarks.sizing [--boards N]
[--rounds N]`.

**Quality.** On random boards small enough for it, every whole size of every market is valued, and the best plan
within all limits is found exhaustively: by the same prices (`Trade.prices`), the same estimate (rivals doubled,
windows of $1.50 or more), the same limits. Printed is AUTO's net dollars a day divided by that plan's, on average
and at worst. A board on which nothing is worth doing counts 1 if AUTO does nothing, else 0; so does a plan that
breaks a limit, has a part of a contract, or loses money. The solver shares no code with `menu.py` and `sizing.py`.

**Time.** A board of 8,140 books, recorded ones where their file is there: milliseconds of `choose_sizes`, beside
scoring the same board with a fixed size (`Trade.candidates`), by the shipped settings and where no market is left
out for its price or its rivals. Both start from parsed books and known programs. A round times each by itself, on
a heap without garbage, the collector running as it always does; a ratio is the median of the rounds' own ratios.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

import market_bot
import parsing
from benchmarks.board import BOOKS, CENTS, orderbooks, pages, seconds
from benchmarks.progress import progress
from fields import Fields, listing
from incentive import RIVALS_ANSWER, Candidate, Caution, Choice, IncentiveProgram, Skip, Wish, what_lacks, with_bids
from models import (
    NO,
    SIDES,
    YES,
    Bid,
    Book,
    IncentiveType,
    Level,
    Market,
    MarketStatus,
    PriceGrid,
    PriceRange,
    Program,
    Side,
)
from risk import Room, room_beside
from screening import RATE_WHERE_UNKNOWN
from sizing import LEAST_WINDOW, choose_sizes
from strategy import Strategy
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
NEAR = 1e-9


# Boards ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A small board, and what is wanted of it."""

    trade: Trade
    wish: Wish
    room: Room
    incentives: tuple[IncentiveProgram, ...]
    books: Mapping[str, Book]

    @property
    def caution(self) -> Caution:
        return Caution(RIVALS_ANSWER, float(max(LEAST_WINDOW, self.wish.min_reward)), self.wish.fill_cost)

    def chosen(self) -> Choice:
        """AUTO's."""
        return choose_sizes(
            self.trade, self.incentives, self.books, NOW, self.wish, self.room, frozenset()
        )


def problem(seed: int) -> Problem:
    """A board of two to four markets with targets of 20 to 200 contracts, and money for some 40 of them."""
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
    room = Room(
        capital,
        round(capital * dice.choice((2, 1, 1, Decimal("0.7"), Decimal("0.4"))), 2),
        capital * dice.choice((2, 1, Decimal("0.7"))),
        _cash(dice, capital),
        _held(dice, events, incentives, capital),
        frozenset(event for event in events if alike[event] and dice.random() < 0.3),
    )
    return Problem(
        Trade(None, dice.choice((0, 1, 1, 2, 3)), dice.choice((None, None, Decimal(dice.randint(20, 200))))),
        Wish(dice.randint(1, 3), dice.choice((Decimal(0), Decimal(0), Decimal(3))), dice.choice((0.0, 0.01, 0.03))),
        room,
        tuple(incentives),
        books,
    )


def _cash(dice: random.Random, capital: Decimal) -> dict[int, Decimal] | None:
    """By shard: plenty, or less than the capital; None where it is not told."""
    if dice.random() < 0.4:
        return None
    return {shard: capital * dice.choice((1, 1, Decimal("0.6"), Decimal("0.3"))) for shard in (0, 1)}


def _held(
    dice: random.Random, events: Iterable[str], incentives: Iterable[IncentiveProgram], capital: Decimal
) -> dict[str, dict[str, tuple[Decimal, Decimal]]]:
    """Losses, YES and NO, of what the account holds already in some markets, on this board or beside it."""
    held: dict[str, dict[str, tuple[Decimal, Decimal]]] = {}
    for event in events:
        tickers = [one.ticker for one in incentives if one.market.event_ticker == event] + [f"{event}-OTHER"]
        for ticker in tickers:
            if dice.random() < 0.2:
                cost = capital * dice.randint(5, 40) / 100
                pair = round(cost, 2), round(-cost * dice.randint(0, 300) / 100, 2)
                held.setdefault(event, {})[ticker] = pair if dice.random() < 0.5 else pair[::-1]
    return held


def _market(dice: random.Random, ticker: str, event: str, exclusive: bool) -> tuple[IncentiveProgram, Book]:
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
    earned = {one.id: dice.choice((0.4, 0.9, 1.3, 2.6)) for one in programs if dice.random() < 0.3}
    rate = dice.choice((0.0, 0.0, 0.0, 0.0175, 0.07))
    qualified = dice.choice((1.0, 1.0, dice.uniform(0.3, 1.0)))
    book = Book(ticker, _side(dice, best_yes, target, grid), _side(dice, best_no, target, grid))
    return IncentiveProgram(market, tuple(programs), rate, exclusive, qualified, earned), book


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
    """The rivals' bids of a side, best first: nearly none, a reference to supply, a target to complete, the whole
    target at the touch, or spread down to deep rivals whom a larger order pushes out of the walk. Now and then
    nobody bids."""
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
    """Contracts on both sides of a market: net dollars a day, and what each side ties up, in 1/10,000 dollar."""

    net: float
    yes_cost: int
    no_cost: int
    yes: int = 0
    no: int = 0

    @property
    def cost(self) -> int:
        return self.yes_cost + self.no_cost


class Spent(NamedTuple):
    """What a plan ties up, in 1/10,000 dollar: in all and by shard, whether one of its markets' shards is not told,
    and what is lost by event and market if it settles YES and NO."""

    all: int
    cash: Mapping[int | None, int]
    untold: bool
    losses: Mapping[str, Mapping[str, tuple[int, int]]]


Front = list[tuple[int, float]]
"""Cost and net of sizes or plans, each dearer than the last and worth more."""


class Exhaustive:
    """The best plan for a board, found by trying all sizes that the limits allow. What is dominated in value and
    under every limit is dropped; so is what could not become the best if all limits but the capital fell."""

    def __init__(self, problem: Problem) -> None:
        self._problem, self._room = problem, problem.room
        self._capital = _pips(min(problem.room.capital, problem.room.free_cash))
        self._event_loss = _pips(problem.room.event_loss)
        self._free = _pips(problem.room.free_cash)
        self._markets = [one for one in problem.incentives if isinstance(self._prices(one), Prices)]
        self._sizes = [sorted(self._useful(one), reverse=True) for one in self._markets]
        self._beyond = self._relaxed()
        self.best: tuple[float, tuple[tuple[IncentiveProgram, Size], ...]] = 0.0, ()
        losses = {
            event: {ticker: (_pips(pair[0]), _pips(pair[1])) for ticker, pair in markets.items()}
            for event, markets in self._room.losses.items()
        }
        self._search(0, problem.wish.slots, Spent(0, {}, False, losses), 0.0, ())

    def _prices(self, incentive: IncentiveProgram) -> Prices | Skip:
        return self._problem.trade.prices(incentive, self._problem.books[incentive.ticker])

    def _cash(self, incentive: IncentiveProgram) -> int:
        return _pips(self._room.cash_on(incentive.market.exchange_index))

    def _useful(self, incentive: IncentiveProgram) -> Iterator[Size]:
        """The sizes that gain something and keep the limits, less those that another one beats at no more cost."""
        event = incentive.market.event_ticker
        alone = sum(one.market.event_ticker == event for one in self._markets) == 1
        best: dict[tuple[int, int], float] = {}
        front = -1.0
        for size in sorted(self._all(incentive), key=lambda one: (one.cost if alone else 0, one.yes, one.no, -one.net)):
            if alone:
                beaten, front = size.net <= front, max(front, size.net)
            else:
                before = max(
                    best.get((size.yes - 1, size.no), -1.0), best.get((size.yes, size.no - 1), -1.0)
                )
                best[size.yes, size.no] = max(before, size.net)
                beaten = size.net <= before
            if size.net > 0 and not beaten:
                yield size

    def _all(self, incentive: IncentiveProgram) -> Iterator[Size]:
        """All sizes that the limits allow to the market alone."""
        prices = self._prices(incentive)
        assert isinstance(prices, Prices)  # noqa: S101
        most = min(self._capital, self._cash(incentive))
        units = [_contract(incentive, side, price) for side, price in zip(SIDES, prices, strict=True)]
        for yes in range(most // units[0] + 1 if units[0] else 1):
            left = most - yes * units[0]
            for no in range(left // units[1] + 1 if units[1] else 1):
                candidate = _candidate(self._problem, incentive, yes, no)
                if what_lacks(candidate, self._room) is None:
                    decided = candidate.decided
                    net = decided.net_per_day if decided.payable else 0.0
                    yield Size(net, yes * units[0], no * units[1], yes, no)

    def _relaxed(self) -> list[list[Front]]:
        """The most that the markets from a number on can bring with so many slots, by the money that they take,
        were the capital the only limit."""
        slots = self._problem.wish.slots
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
        self, number: int, slots: int, spent: Spent, net: float, taken: tuple[tuple[IncentiveProgram, Size], ...]
    ) -> None:
        if net > self.best[0]:
            self.best = net, taken
        if number == len(self._sizes) or net + _most(self._beyond[number][slots], self._capital - spent.all) <= (
            self.best[0]
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

    def _with(self, spent: Spent, incentive: IncentiveProgram, size: Size) -> Spent | None:
        """What is spent with one market more, None where that breaks a limit."""
        event, shard = incentive.market.event_ticker, incentive.market.exchange_index
        told = shard is not None and self._room.cash is not None
        cash = {**spent.cash, shard: spent.cash.get(shard, 0) + size.cost}
        untold = spent.untold or not told
        if (told and cash[shard] > self._cash(incentive)) or (untold and spent.all + size.cost > self._free):
            return None
        markets = dict(spent.losses.get(event, {}))
        yes, no = markets.get(incentive.ticker, (0, 0))
        markets[incentive.ticker] = yes + size.no_cost, no + size.yes_cost
        known = incentive.exclusive or event in self._room.exclusive
        if _worst(list(markets.values()), known) > self._event_loss:
            return None
        return Spent(spent.all + size.cost, cash, untold, {**spent.losses, event: markets})


def _worst(losses: list[tuple[int, int]], exclusive: bool) -> int:
    """An event's loss in its worst outcome, from its markets' losses if they settle YES and NO: none of them does
    or one, where they exclude each other; else whatever is worst for each."""
    if not exclusive:
        return sum(max(yes, no, 0) for yes, no in losses)
    outcomes = [sum(no for _, no in losses)]
    for winner in range(len(losses)):
        outcomes.append(sum(pair[0] if number == winner else pair[1] for number, pair in enumerate(losses)))
    return max(outcomes)


def _pips(dollars: Decimal) -> int:
    return int(dollars * PIPS // 1)


def _contract(incentive: IncentiveProgram, side: Side, price: Decimal | Skip) -> int:
    """What one contract ties up, in 1/10,000 dollar; 0 where the side has no price."""
    return 0 if isinstance(price, Skip) else _pips(incentive.cost(Bid(side, price, Decimal(1))))


def _candidate(problem: Problem, incentive: IncentiveProgram, yes: int, no: int) -> Candidate:
    rivals = problem.books[incentive.ticker]
    prices = problem.trade.prices(incentive, rivals)
    bids = [
        Bid(side, price, Decimal(count))
        for side, price, count in zip(SIDES, prices, (yes, no), strict=True)
        if count and isinstance(price, Decimal)
    ]
    scored = incentive.score(rivals, bids)
    return Candidate(incentive, rivals, scored, incentive.estimate(scored, NOW, problem.caution), NOW)


def _front(pairs: Iterable[tuple[int, float]]) -> Front:
    found: Front = []
    for cost, net in sorted(pairs, key=lambda pair: (pair[0], -pair[1])):
        if not found or net > found[-1][1]:
            found.append((cost, net))
    return found


def _most(front: Front, money: int) -> float:
    place = bisect_right(front, money, key=lambda pair: pair[0])
    return front[place - 1][1] if place else 0.0


# Quality and time -----------------------------------------------------------------------------------------


def honest_net(problem: Problem, chosen: Sequence[Candidate]) -> float | None:
    """What a plan brings a day, valued anew; None where it breaks a limit, has a part of a contract, a price of its
    own or a market that is not worth funding."""
    room, net = problem.room, 0.0
    untold_last = sorted(chosen, key=lambda one: one.incentive.market.exchange_index is None)
    for candidate in untold_last:
        counts = {bid.side: bid.count for bid in candidate.bids}
        if any(count <= 0 or count % 1 for count in counts.values()) or what_lacks(candidate, room) is not None:
            return None
        again = _candidate(problem, candidate.incentive, int(counts.get(YES, 0)), int(counts.get(NO, 0)))
        if set(again.bids) != set(candidate.bids) or not again.decided.payable:
            return None
        net += again.decided.net_per_day
        room = with_bids(room, candidate)
    distinct = {candidate.ticker for candidate in chosen}
    return net if len(distinct) == len(chosen) <= problem.wish.slots else None


class Outcome(NamedTuple):
    """Net dollars a day of AUTO's plan (None: not one that may be had) and of the best one."""

    auto: float | None
    best: float

    @property
    def ratio(self) -> float:
        if self.auto is None or self.auto < 0 or not self.best:
            return 1.0 if self.auto == self.best else 0.0
        return self.auto / self.best


def compared(problem: Problem) -> Outcome:
    best, plan = Exhaustive(problem).best
    worth = honest_net(problem, [_candidate(problem, one, size.yes, size.no) for one, size in plan])
    if worth is None or abs(worth - best) > NEAR:
        raise AssertionError(f"the best plan is worth {worth}, not {best}")
    chosen = problem.chosen().chosen
    outcome = Outcome(honest_net(problem, chosen), best if chosen or best else 0.0)
    if outcome.auto is not None and outcome.auto > best + NEAR:
        raise AssertionError(f"AUTO's {outcome.auto} beats the best plan, {best}")
    return outcome


class Board:
    """A board of 8,140 books and its programs, as large ones are. `times`: what AUTO and scoring take on it."""

    def __init__(self, texts: Sequence[str]) -> None:
        answers = (Fields("the benchmark", json.loads(text)) for text in texts)
        self.books = {book.ticker: book for book in listing(answers, "orderbooks", parsing.book)}
        strategy, rules = Strategy.of(market_bot.read_settings()), market_bot.read_settings()
        self.shipped, self._wish = replace(strategy.trade, size=None), strategy.wish
        self.full = replace(self.shipped, delta_ticks=0, rivals_ahead=None)
        self._caution = strategy.caution
        self._room = room_beside((rules.max_capital, rules.max_event_loss), None, (), ())

    def auto(self, trade: Trade, incentives: Sequence[IncentiveProgram]) -> Choice:
        return choose_sizes(trade, incentives, self.books, NOW, self._wish, self._room, frozenset())

    def times(self, trade: Trade) -> tuple[float, float]:
        """Seconds of scoring with one contract, and of AUTO; before each, markets and programs are read anew."""
        fixed, known, anew = replace(trade, size=Decimal(1)), self.incentives(), self.incentives()
        scoring = seconds(lambda: fixed.candidates(known, self.books, NOW, self._caution), 1)
        return scoring, seconds(lambda: self.auto(trade, anew), 1)

    def incentives(self) -> list[IncentiveProgram]:
        """One program a market: $20 to $500 for 1 to 14 days, target 1,000, discount 0.5; events of some five
        markets, a third of which exclude each other, on four shards; every fourth takes a maker's fee."""
        dice, found = random.Random(1), []
        for number, (ticker, book) in enumerate(self.books.items()):
            days, event = dice.uniform(1, 14), number // 5
            fine = any(level.price * 100 % 1 for level in (*book.yes, *book.no))
            market = Market(
                ticker, f"KXBENCH-{event}", MarketStatus.ACTIVE, NOW + timedelta(days=days + 7),
                TAPERED if fine else CENTS, event % 4, None, Decimal(round(10 ** dice.uniform(0, 4))),
            )  # fmt: skip
            program = Program(
                f"p{number}", ticker, IncentiveType.LIQUIDITY, NOW, NOW + timedelta(days=days),
                Decimal(dice.randint(20, 500)), False, Decimal(1_000), Decimal("0.5"), None,
            )  # fmt: skip
            rate = 0.0 if number % 4 else RATE_WHERE_UNKNOWN
            found.append(IncentiveProgram(market, (program,), rate, event % 3 == 0))
        return found


def print_quality(boards: int) -> None:
    outcomes = []
    for seed in range(boards):
        progress(f"board {seed + 1:,} of {boards:,}")
        outcomes.append(compared(problem(seed)))
    progress("")
    ratios = [outcome.ratio for outcome in outcomes]
    worst = min(range(boards), key=ratios.__getitem__)
    nothing = sum(not outcome.best for outcome in outcomes)
    print(f"Net of AUTO's plan by the best one's, {boards:,} random boards, {nothing:,} of them not worth a cent:\n")
    print(f"  on average  {statistics.mean(ratios):.4f}")
    print(f"  at worst    {ratios[worst]:.4f} (board {worst})")
    print(f"  below 0.98  {sum(ratio < 0.98 for ratio in ratios)}\n")


def print_time(rounds: int) -> None:
    source, books = orderbooks()
    board = Board(pages(books))
    print(f"A board of {BOOKS:,} books, {source}. Medians of {rounds} rounds, ms:\n")
    print(f"{'':28}{'scoring':>10}{'AUTO':>10}{'ratio':>10}")
    for name, trade in (("by the shipped settings", board.shipped), ("all that qualify", board.full)):
        times = []
        for number in range(rounds + 1):
            progress(f"{name}, round {max(number, 1)} of {rounds}")
            times.append(board.times(trade))
        progress("")
        scoring, auto = zip(*times[1:], strict=True)  # the first is to warm up
        ratio = statistics.median(one / other for one, other in zip(auto, scoring, strict=True))
        middle = [statistics.median(part) * 1e3 for part in (scoring, auto)]
        print(f"{name:28}{middle[0]:10,.0f}{middle[1]:10,.0f}{ratio:8.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--boards", type=int, default=200, help="random boards (default 200)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default 7)")
    arguments = parser.parse_args()
    if arguments.boards:
        print_quality(arguments.boards)
    if arguments.rounds:
        print_time(arguments.rounds)


if __name__ == "__main__":
    main()
