"""Measure what the ledger costs: time per cycle, and disk space in a week.

Run it with `python -m benchmarks.ledger [--cycles N] [--week N]`. It records the cycles of a bot that quotes both
sides of two markets, and cancels and replaces its orders every minute. No bot of that size costs more. The time is
also measured with 20 markets. It is compared with writing the same entry as JSON to a file without a sync, which
is the least that remembering can cost. The exit code is 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from exchange.account import Fill, Identity
from exchange.models import IncentiveType, OrderStatus, Program
from exchange.orderbook import SIDES, Book, Level, Side
from ledger import sql_rows
from ledger.cash_reconciliation import CashReading, ExplainedSpan
from ledger.entries import AccountMark, AccrualKey, AccruedSeconds, CycleRecord, OrderRecord, PendingWrites
from ledger.ledger import Ledger
from ledger.markouts import POINTS, BestBids, MarkoutPoint
from runtime.console import progress

MOST_MILLISECONDS = 5.0
MOST_BYTES = 20_000_000

BOARD, NEW_A_DAY = 8_140, 1_000
"""Programs on the board, and how many of them are new every day."""

FILLS_A_DAY = 200
LEVELS = 30
"""Levels on each side of a book."""

WEEK = 7 * 1_440
START = datetime(2026, 11, 16, tzinfo=timezone.utc)


def programs(dice: random.Random, count: int, start: datetime) -> list[Program]:
    def one() -> Program:
        name = str(uuid.UUID(int=dice.getrandbits(128)))
        ticker = f"KXSERIES-26NOV{dice.randrange(30):02d}-T{dice.randrange(999)}"
        end, reward = start + timedelta(days=5), Decimal(dice.randrange(10, 500))
        terms = (reward, False, Decimal(1_000), Decimal("0.5"), None)
        return Program(name, ticker, IncentiveType.LIQUIDITY, start, end, *terms)

    return [one() for _ in range(count)]


def cycles(count: int, markets: int, board: bool = True) -> Iterator[PendingWrites]:
    """Yield what a bot records, one cycle a minute.

    Each entry first ends the orders of the cycle before."""
    dice = random.Random(1)
    quoted = programs(dice, markets, START)
    listed = quoted + programs(dice, BOARD - markets, START) if board else quoted
    resting: list[OrderRecord] = []
    for number in range(count):
        now = START + timedelta(minutes=number)
        if board and number and number % 1_440 == 0:
            listed = quoted + programs(dice, NEW_A_DAY, now) + listed[markets : BOARD - NEW_A_DAY]
        entry = PendingWrites(
            now, CycleRecord(now, 0.75, 16, markets, 2 * markets), programs=listed if number % 10 == 0 else []
        )
        entry.mark = AccountMark(now, Decimal("1499.659000"), Decimal(0), Decimal("-0.341000"), 0.0021)
        stays = [one._replace(ended=now, status=OrderStatus.CANCELED) for one in resting]
        resting = [_order_record(dice, program, side, now) for program in quoted for side in SIDES]
        entry.orders = {record.order_id: record for record in (*stays, *resting)}
        if dice.random() < FILLS_A_DAY / 1_440:
            fill = _fill(dice, resting[0], now)
            entry.fills[fill.fill_id] = fill
            seen = BestBids(now, Decimal("0.4300"), Decimal("0.5500"))
            entry.markouts = {MarkoutPoint(fill.fill_id, name): seen for name in POINTS}
        entry.seconds = {
            AccrualKey(program.id, side, now.date(), program.ticker): AccruedSeconds(59.5, 59.5, 0, 0, 0.13, 1e-4)
            for program in quoted
            for side in SIDES
        }
        entry.traded = Decimal("-12.345678")
        reading = CashReading(Decimal("1499.659000"), entry.traded, Decimal(0))
        entry.cash = {START: ExplainedSpan(START, now, reading, reading)}
        entry.capital = {(now.date(), program.ticker): 516.0 for program in quoted}
        entry.looked = now
        entry.looks = {program.ticker: _book(dice, program.ticker) for program in quoted}
        yield entry


def _order_record(dice: random.Random, program: Program, side: Side, now: datetime) -> OrderRecord:
    name = uuid.UUID(int=dice.getrandbits(128))
    terms = (program.ticker, side, Decimal("0.4300"), Decimal("10.00"), Decimal("0.00"), Decimal("0.0000"))
    expires = now + timedelta(minutes=2)
    return OrderRecord(str(name), f"lipbot-{name.hex}", *terms, OrderStatus.RESTING, now, expires, None)


def _fill(dice: random.Random, record: OrderRecord, now: datetime) -> Fill:
    name = str(uuid.UUID(int=dice.getrandbits(128)))
    fee = Decimal("0.014231")
    return Fill(name, record.order_id, record.ticker, record.side, record.price, record.asked, fee, False, now)


def _book(dice: random.Random, ticker: str) -> Book:
    def side() -> tuple[Level, ...]:
        prices = range(48, 48 - LEVELS, -1)
        return tuple(Level(Decimal(price) / 100, Decimal(dice.randrange(100, 99_999)) / 100) for price in prices)

    return Book(ticker, side(), side())


def new_ledger(folder: Path, name: str) -> Ledger:
    ledger = Ledger(folder / f"{name}.db")
    ledger.open_for(Identity("https://exchange.example", "a-key"), START)
    ledger.begin_session(START)
    return ledger


def time_cycles(folder: Path, markets: int, count: int) -> tuple[float, float, float]:
    """Milliseconds to write a cycle: median, 99th percentile, median as plain JSON."""
    ledger, plain = new_ledger(folder, f"time-{markets}"), (folder / "plain.jsonl").open("w")
    written, jotted = [], []
    for number, entry in enumerate(cycles(count, markets, board=False)):
        progress(f"writing {markets} markets, {number:,} of {count:,} cycles")
        began = time.perf_counter()
        ledger.record(entry)
        written.append((time.perf_counter() - began) * 1_000)
        began = time.perf_counter()
        rows = [sql_rows.order_row(record) for record in entry.orders.values()]
        rows += [sql_rows.look_row(book) for book in entry.looks.values()]
        rows += map(sql_rows.stretch_row, entry.cash.values())
        rows += [(day.isoformat(), ticker, of) for (day, ticker), of in entry.capital.items()]
        rows += [sql_rows.seconds_row(*one) for one in entry.seconds.items()]
        print(json.dumps(rows), file=plain, flush=True)
        jotted.append((time.perf_counter() - began) * 1_000)
    ledger.close()
    plain.close()
    return statistics.median(written), statistics.quantiles(written, n=100)[98], statistics.median(jotted)


def weigh(folder: Path, count: int, markets: int = 2) -> int:
    """The most bytes that `count` cycles take, all files together, pruned every hour."""
    ledger = new_ledger(folder, "week")
    most = 0
    for number, entry in enumerate(cycles(count, markets)):
        if number % 60 == 0:
            progress(f"a week, {number:,} of {count:,} cycles")
            ledger.prune(entry.at)
            most = max(most, sum(file.stat().st_size for file in folder.glob("week.db*")))
        ledger.record(entry)
    ledger.close()
    return max(most, sum(file.stat().st_size for file in folder.glob("week.db*")))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--cycles", type=int, default=1_500, help="cycles that are timed (default 1500)")
    parser.add_argument(
        "--week", type=int, default=WEEK, help=f"cycles for the disk space (default {WEEK:,}, a week)"
    )
    asked = parser.parse_args()
    fine = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for markets in (2, 20):
            median, slowest, plain = time_cycles(folder, markets, asked.cycles)
            fine = fine and median <= MOST_MILLISECONDS
            progress("")
            print(
                f"{markets:2} markets: {median:.2f} ms a cycle (median; 1 % take more than {slowest:.1f} ms), "
                f"{median / plain:.1f} x the same as plain JSON; limit {MOST_MILLISECONDS:g} ms"
            )
        size = weigh(folder, asked.week)
        progress("")
        days = asked.week / 1_440
        print(
            f"{days:.1f} days of two markets on a board of {BOARD:,} programs, {FILLS_A_DAY} fills a day: "
            f"{size / 1e6:.1f} MB at its largest; limit {MOST_BYTES / 1e6:g} MB"
        )
    return 0 if fine and size <= MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
