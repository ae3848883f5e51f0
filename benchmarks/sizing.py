"""Measure the plans of `TRADE_SIZE = AUTO` against the best ones, and their time.

Run it with `python -m benchmarks.sizing [--boards N] [--rounds N]`.

**Quality.** The random boards are so small that every whole size of every market can be valued. The best plan
within all limits is found exhaustively (`exhaustive.py`). It uses the same prices (`Trade.prices`), the same
estimate (rivals doubled, windows of $1.50 or more) and the same limits as AUTO. Printed is AUTO's net dollars a
day divided by that plan's, on average and at worst. If nothing on a board is worth doing, it counts 1 if AUTO does
nothing, else 0. AUTO's plan counts 0 if it breaks a limit, has a part of a contract, or loses money.

**Time.** It is measured on a board of 8,140 books, recorded ones if their file exists. Printed are milliseconds of
`choose_sizes`, next to scoring the same board with a fixed size (`Trade.candidates`). Both are timed with the
shipped settings, and with no market left out for its price or its rivals. Both start from parsed books and known
programs. A round times each separately, on a heap without garbage, with the collector running as usual. A ratio is
the median of the rounds' own ratios.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import market_bot
from benchmarks.board import BOOKS, CENTS, orderbooks, pages, seconds
from benchmarks.exhaustive import NOW, TAPERED, Exhaustive, Problem, problem, valued
from bot.settings import strategy_of
from exchange import parse_markets
from exchange.json_fields import JsonObject, read_list
from exchange.market_data import BY_TICKER
from exchange.models import IncentiveType, Market, MarketStatus, Program
from exchange.orderbook import NO, YES
from rewards.estimate import Candidate, RewardedMarket
from rewards.fees import UNKNOWN_MAKER_RATE
from risk.exposure import remaining_headroom
from runtime.console import progress
from selection.allocation import choose_sizes
from selection.ranking import Selection, broken_limit, headroom_after
from trade import Trade

NEAR = 1e-9


def honest_net(problem: Problem, chosen: Sequence[Candidate]) -> float | None:
    """A plan's net dollars a day, valued again; None if the plan is not valid.

    It is not valid if it breaks a limit, has a part of a contract, or has a price that `Trade.prices` does not
    give. Nor may it fund a market that is not worth it."""
    headroom, net = problem.headroom, 0.0
    for candidate in chosen:
        counts = {bid.side: bid.count for bid in candidate.bids}
        if (
            any(count <= 0 or count % 1 for count in counts.values())
            or broken_limit(candidate, headroom) is not None
        ):
            return None
        again = valued(problem, candidate.incentive, int(counts.get(YES, 0)), int(counts.get(NO, 0)))
        if set(again.bids) != set(candidate.bids) or not again.conservative.payable:
            return None
        net += again.conservative.net_per_day
        headroom = headroom_after(headroom, candidate)
    distinct = {candidate.ticker for candidate in chosen}
    return net if len(distinct) == len(chosen) <= problem.rules.trade_ticker_size else None


class Outcome(NamedTuple):
    """Net dollars a day of AUTO's plan (None: not valid) and of the best one."""

    auto: float | None
    best: float

    @property
    def ratio(self) -> float:
        if self.auto is None or self.auto < 0 or not self.best:
            return 1.0 if self.auto == self.best else 0.0
        return self.auto / self.best


def compared(problem: Problem) -> Outcome:
    best, plan = Exhaustive(problem).best
    worth = honest_net(problem, [valued(problem, one, size.yes, size.no) for one, size in plan])
    if worth is None or abs(worth - best) > NEAR:
        raise AssertionError(f"the best plan is worth {worth}, not {best}")
    chosen = problem.chosen().chosen
    outcome = Outcome(honest_net(problem, chosen), best if chosen or best else 0.0)
    if outcome.auto is not None and outcome.auto > best + NEAR:
        raise AssertionError(f"AUTO's {outcome.auto} beats the best plan, {best}")
    return outcome


class Board:
    """A board of 8,140 books with their programs, to time AUTO and scoring on."""

    def __init__(self, texts: Sequence[str]) -> None:
        answers = (JsonObject("the benchmark", json.loads(text)) for text in texts)
        self.books = {
            book.ticker: book for book in read_list(answers, "orderbooks", parse_markets.book, BY_TICKER)
        }
        settings = market_bot.read_settings({"OVERRIDES": {}})
        strategy = strategy_of(settings)
        self.shipped, self._rules = replace(strategy.trade, trade_size=None), strategy.rules
        self.full = replace(self.shipped, trade_delta=0, incentive_size=None)
        self._estimate_rules = strategy.estimate_rules
        self._headroom = remaining_headroom((settings.max_capital, settings.max_event_loss), None, (), ())

    def auto(self, trade: Trade, incentives: Sequence[RewardedMarket]) -> Selection:
        return choose_sizes(trade, incentives, self.books, NOW, self._rules, self._headroom, frozenset())

    def times(self, trade: Trade) -> tuple[float, float]:
        """Seconds of scoring with one contract, and of AUTO.

        Each of them gets newly made markets and programs."""
        fixed, known, anew = replace(trade, trade_size=Decimal(1)), self.incentives(), self.incentives()
        scoring = seconds(lambda: fixed.candidates(known, self.books, NOW, self._estimate_rules), 1)
        return scoring, seconds(lambda: self.auto(trade, anew), 1)

    def incentives(self) -> list[RewardedMarket]:
        """One program for each market.

        It pays $20 to $500 for 1 to 14 days, with target 1,000 and discount 0.5. An event has five markets, which
        exclude each other in a third of the events. Events are on four shards. Every fourth market charges a maker
        fee."""
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
            rate = 0.0 if number % 4 else UNKNOWN_MAKER_RATE
            found.append(RewardedMarket(market, (program,), rate, event % 3 == 0))
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
    print(
        f"Net of AUTO's plan / the best plan's, {boards:,} random boards, {nothing:,} of them not worth a cent:\n"
    )
    print(f"  on average  {statistics.mean(ratios):.4f}")
    print(f"  at worst    {ratios[worst]:.4f} (board {worst})")
    print(f"  below 0.98  {sum(ratio < 0.98 for ratio in ratios)}\n")


def print_time(rounds: int) -> None:
    source, books = orderbooks()
    board = Board(pages(books))
    print(f"A board of {BOOKS:,} books, {source}. Medians of {rounds} rounds, ms:\n")
    print(f"{'':28}{'scoring':>10}{'AUTO':>10}{'ratio':>10}")
    for name, trade in (("with the shipped settings", board.shipped), ("all that qualify", board.full)):
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
