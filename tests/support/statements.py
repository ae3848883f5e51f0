"""Checks of the bot by the exchange's own statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from benchmarks.harness import moment
from exchange.models import Program
from exchange.orderbook import SIDES, Side
from ledger.daily_pnl import value
from ledger.entries import AccruedSeconds
from ledger.ledger import Ledger
from simulator import statement
from simulator.opening import CUSTOMER
from tests.support.bench import Bench
from tests.support.builders import D
from trade import OWN_PREFIX


def traded_since(statement: Mapping[str, Any], start: datetime) -> Decimal:
    """Dollars earned since a time by trades, fees and settlements, plus the value of the positions now. That is at
    the best bids, as the bot counts it, and not what selling them would bring."""
    kinds = ("trade", "fee", "settlement")
    moved = [entry for entry in statement["journal"] if entry["kind"] in kinds and moment(entry["time"]) >= start]
    return sum((Decimal(entry["amount"]) for entry in moved), start=Decimal(statement["value"]))


def own_orders(orders: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The bot's orders in a statement."""
    return (order for order in orders if order["client_order_id"].startswith(OWN_PREFIX))


def present(orders: Iterable[Mapping[str, Any]], programs: Iterable[Program]) -> float:
    """Seconds in which an order of the bot rested, summed over windows and sides, by the exchange's own record."""
    spans: dict[tuple[str, Side], list[tuple[datetime, datetime]]] = {}
    for order in own_orders(orders):
        key = order["ticker"], Side(order["outcome_side"])
        spans.setdefault(key, []).append((moment(order["created_time"]), moment(order["last_update_time"])))
    total = timedelta(0)
    for program in programs:
        if program.target is None:
            continue
        for side in SIDES:
            until = program.start
            for start, end in sorted(spans.get((program.ticker, side), [])):
                begins, ends = max(start, until), min(end, program.end)
                total += max(ends - begins, timedelta(0))
                until = max(until, ends)
    return total.total_seconds()


def truth(bench: Bench) -> dict[str, Any]:
    return statement.statement(bench.exchange.api.exchange, CUSTOMER)


def assert_as_stated(bench: Bench) -> None:
    """Fills, fees, positions, settlements and the day's profit equal the exchange's, to the last digit."""
    said, true = bench.ledger, truth(bench)
    stated = {one["fill_id"]: (D(one["count_fp"]), D(one["fee_cost"])) for one in true["fills"]}
    assert {one.fill_id: (one.count, one.fee) for one in said.fills()} == stated
    assert {ticker: D(count) for ticker, count in true["positions"].items()} == said.positions()
    assert sum(one.revenue for one in said.settlements()) == D(true["totals"].get("settlement", 0))
    mark = said.last_mark()
    assert mark is not None
    traded = traded_since(true, bench.exchange.clock.now().replace(hour=0, minute=0)) - opening(bench)
    assert mark.day_profit == traded + above_last_look(bench.ledger)


def above_last_look(ledger: Ledger) -> Decimal:
    """Dollars that the positions count above the bids of the last look, because those of the one before were
    higher. An exchange's statement knows the last ones only."""
    held, looks = ledger.positions(), ledger.price_looks()
    now = {ticker: look.bids for ticker, look in looks.items()}
    return value(held, ledger.prices()) - value(held, now)


def opening(bench: Bench) -> Decimal:
    marks = bench.ledger.day_marks(bench.exchange.clock.now().date())
    assert marks is not None
    return sum((abs(mark.contracts) * mark.price for mark in marks.values()), start=D(0))


def stated_orders(bench: Bench) -> set[str]:
    """The bot's orders, by the exchange's record."""
    return {order["order_id"] for order in own_orders(truth(bench)["orders"])}


def total(bench: Bench) -> AccruedSeconds:
    return sum(bench.ledger.seconds().values(), start=AccruedSeconds())
