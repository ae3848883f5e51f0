"""Time the scoring of a whole board against plain `json.loads`.

Run it with `python -m benchmarks.board [--rounds N]`. It prints this process's milliseconds for a board of 8,140
books. It also prints their ratio to plain `json.loads` of the same books as the exchange sends them. If the file
of recorded books exists, they are repeated in turn. Otherwise the books are invented, with the same depth. The
sections are timed separately:

* **json.loads**: decodes pages, which are texts of 100 books each. The results are kept until the section ends.
  Most of that time is the garbage collector's, which scans everything that is kept again and again.
* **json.loads, nothing held**: the same, but each page is dropped before the next one is decoded, which spares the
  collector that work.
* **with the shipped settings**: `Trade.candidates` with the settings of `market_bot.py`. It starts from parsed
  books and known markets and programs. For each market it makes a scored candidate with its estimate, or gives one
  reason.
* **all that qualify**: the same, with no market left out for its price or its rivals: `TRADE_DELTA` 0,
  `INCENTIVE_SIZE` None.
* **the rule alone**: `score_side` on both sides of every book, without our bids.
* **choosing**: `ranking.choose` among 100 scored candidates, with the shipped slots and limits, and with room for
  all 100.

Every program has a target of 1,000 and a discount of 0.5, as most have. A quarter of the markets charge a maker
fee. No section parses books into the bot's own types. Books stay in memory throughout, as in the bot. Garbage is
collected before each section, the collector runs in it as usual, and the section's results are dropped at its end.
A round times every section once. A ratio is the median of the rounds' own ratios.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import market_bot
from bot.settings import strategy_of
from exchange import parse_markets
from exchange.json_fields import JsonObject, read_list
from exchange.market_data import BY_TICKER
from exchange.models import IncentiveType, Market, MarketStatus, Program
from exchange.orderbook import NO, ONE_DOLLAR, YES, PriceGrid, PriceRange
from rewards import rule_2026_07_30 as rule
from rewards.estimate import Candidate, RewardedMarket
from rewards.fees import UNKNOWN_MAKER_RATE
from rewards.skips import Skip
from risk.exposure import Headroom, remaining_headroom
from runtime.console import progress
from selection.ranking import choose
from trade import Trade

BOOKS, PAGE, CANDIDATES = 8_140, 100, 100
RECORDED = Path(__file__).resolve().parents[2] / "shared" / "data" / "books-2026-07-23.jsonl.gz"
NOW = datetime(2026, 11, 22, 15, tzinfo=timezone.utc)
TARGET, DISCOUNT = Decimal(1_000), Decimal("0.5")
CENTS = PriceGrid((PriceRange(Decimal(0), ONE_DOLLAR, Decimal("0.01")),))
EMPTY, FILLED = 0.25, 0.45
AMPLE = Headroom(Decimal(10**6), Decimal(10**6), Decimal(10**6))
CHOICES = 10
"""Choices in a section: a single one is too short to time."""

JSON, DROPPED = "json.loads", "json.loads, nothing held"
SHIPPED, FULL, RULE = "with the shipped settings", "all that qualify", "the rule alone"
FEW, MANY = "choosing, shipped limits", "choosing, room for all"


def orderbooks() -> tuple[str, list[Any]]:
    """The source of 8,140 order books, and the books as the exchange sends them."""
    if RECORDED.exists():
        with gzip.open(RECORDED, "rt", encoding="utf-8") as lines:
            kinds = [json.loads(line)["orderbook_fp"] for line in lines]
        source = f"{len(kinds):,} recorded ones, repeated in turn"
    else:
        dice = random.Random(1)
        kinds = [_invented(dice) for _ in range(BOOKS)]
        source = "invented ones as deep as real ones"
    named = enumerate(islice(cycle(kinds), BOOKS))
    return source, [{"ticker": f"KXBENCH-26NOV22-{number}", "orderbook_fp": book} for number, book in named]


def _invented(dice: random.Random) -> Any:
    """A book as deep as those recorded in July 2026.

    A quarter of the sides is empty. The others have 22 levels, on about half of the prices below the best. A level
    has 213 contracts in the median, and 3 to 6,000 in eight of ten cases."""
    best = dice.randint(13, 85)

    def side(top: int) -> list[tuple[str, str]]:
        if dice.random() < EMPTY:
            return []
        prices = [cents for cents in range(1, top) if dice.random() < FILLED] + [top]
        return [(f"{cents / 100:.4f}", f"{dice.lognormvariate(5.36, 2.6) + 0.01:.2f}") for cents in prices]

    return {"yes_dollars": side(best), "no_dollars": side(100 - best - dice.randint(1, 5))}


def pages(books: Sequence[Any]) -> list[str]:
    """The answers that the exchange would send, as JSON text."""
    parts = (books[start : start + PAGE] for start in range(0, len(books), PAGE))
    return [json.dumps({"orderbooks": part}, separators=(",", ":")) for part in parts]


def incentive(number: int, ticker: str) -> RewardedMarket:
    """A market with one program, as a scan reads it: each number a separate object.

    The program pays $100 to $1,000 for a week, with target 1,000 and discount 0.5. An event has ten markets."""
    market = Market(
        ticker=ticker,
        event_ticker=f"KXBENCH-{number // 10}",
        status=MarketStatus.ACTIVE,
        close_time=NOW + timedelta(days=7),
        grid=CENTS,
        exchange_index=number % 4,
        expected_resolution=None,
        volume_24h=Decimal(number % 1_000),
        opened=NOW - timedelta(days=2),
    )
    program = Program(
        id=f"program-{number}",
        ticker=ticker,
        type=IncentiveType.LIQUIDITY,
        start=NOW,
        end=NOW + timedelta(days=7),
        reward=Decimal(100 * (1 + number % 10)),
        paid_out=False,
        target=Decimal(1_000),
        discount=Decimal(5_000) / 10_000,
        cap=None,
    )
    return RewardedMarket(market, (program,), 0.0 if number % 4 else UNKNOWN_MAKER_RATE)


class Bench:
    """A known board, and the sections that are timed on it."""

    def __init__(self, texts: Sequence[str]) -> None:
        answers = (JsonObject("the benchmark", json.loads(text)) for text in texts)
        self.books = {
            book.ticker: book for book in read_list(answers, "orderbooks", parse_markets.book, BY_TICKER)
        }
        self._texts = texts
        self.renew()
        settings = market_bot.read_settings({"OVERRIDES": {}})
        strategy = strategy_of(settings)
        self._estimate_rules = strategy.estimate_rules
        self.shipped = strategy.trade
        self.full = replace(strategy.trade, trade_delta=0, incentive_size=None)
        self._rules = strategy.rules
        self._headroom = remaining_headroom((settings.max_capital, settings.max_event_loss), None, (), ())
        self._found = self.scored(self.full)[0][:CANDIDATES]

    def renew(self) -> None:
        """Build markets and programs again, as every scan does: no values are cached."""
        self._incentives = [incentive(number, ticker) for number, ticker in enumerate(self.books)]

    def scored(self, trade: Trade) -> tuple[list[Candidate], list[Skip]]:
        return trade.candidates(self._incentives, self.books, NOW, self._estimate_rules)

    def sections(self) -> dict[str, tuple[Callable[[], object], int]]:
        """By name, the work of each section and how often it is repeated."""
        few, many = self._rules, replace(self._rules, trade_ticker_size=CANDIDATES)
        return {
            JSON: (lambda: [json.loads(text) for text in self._texts], 1),
            DROPPED: (self._read_and_drop, 1),
            SHIPPED: (lambda: self.scored(self.shipped), 1),
            FULL: (lambda: self.scored(self.full), 1),
            RULE: (self._rule_alone, 1),
            FEW: (lambda: choose(self._found, (), few, self._headroom, frozenset()), CHOICES),
            MANY: (lambda: choose(self._found, (), many, AMPLE, frozenset()), CHOICES),
        }

    def _read_and_drop(self) -> None:
        for text in self._texts:
            json.loads(text)

    def _rule_alone(self) -> list[rule.SideScore | None]:
        yes, no = CENTS.tick_table(YES), CENTS.tick_table(NO)
        yes_top, no_top = CENTS.tops
        found = []
        for book in self.books.values():
            found.append(rule.score_side(book.yes, (), TARGET, DISCOUNT, yes, yes_top))
            found.append(rule.score_side(book.no, (), TARGET, DISCOUNT, no, no_top))
        return found


def seconds(work: Callable[[], object], times: int) -> float:
    """Seconds that one call of `work` takes, on a heap without garbage."""
    gc.collect()
    began = time.perf_counter()
    made = [work() for _ in range(times)]
    took = time.perf_counter() - began
    del made
    return took / times


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.board", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default 7)")
    arguments = parser.parse_args()
    progress("books")
    source, books = orderbooks()
    texts = pages(books)
    del books
    bench = Bench(texts)
    sections = bench.sections()
    rounds = []
    for number in range(-1, arguments.rounds):  # the first is to warm up
        progress(f"round {max(number + 1, 1)} of {arguments.rounds}")
        times = {}
        for name, (work, often) in sections.items():
            bench.renew()
            times[name] = seconds(work, often)
        if number >= 0:
            rounds.append(times)
    progress("")
    levels = sum(len(book.yes) + len(book.no) for book in bench.books.values())
    print(
        f"A board of {BOOKS:,} books, {source}: {levels / BOOKS:.1f} levels a book,"
        f" {sum(map(len, texts)) / 1e6:.1f} MB. Medians of {arguments.rounds} rounds.\n"
    )
    print(f"{'':28}{'ms':>10}{'vs json.loads':>17}")
    for name in sections:
        took = statistics.median(times[name] for times in rounds)
        ratio = statistics.median(times[name] / times[JSON] for times in rounds)
        print(f"{name:28}{took * 1e3:10,.1f}{ratio:15.3f} x")
    counts = [len(bench.scored(trade)[0]) for trade in (bench.shipped, bench.full)]
    print(f"\nCandidates: {counts[0]:,} {SHIPPED}, {counts[1]:,} if {FULL} are scored.")


if __name__ == "__main__":
    main()
