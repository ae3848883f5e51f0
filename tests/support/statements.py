"""What the exchange's own statement says of the bot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from benchmarks.harness import moment
from exchange.models import Program
from exchange.orderbook import SIDES, Side
from trade import OWN_PREFIX


def traded_since(statement: Mapping[str, Any], start: datetime) -> Decimal:
    """Dollars that trades, fees and settlements brought since a time, and what is held now."""
    kinds = ("trade", "fee", "settlement")
    moved = [entry for entry in statement["journal"] if entry["kind"] in kinds and moment(entry["time"]) >= start]
    return sum((Decimal(entry["amount"]) for entry in moved), start=Decimal(statement["value"]))


def own_orders(orders: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Those of a statement's orders that the bot has sent."""
    return (order for order in orders if order["client_order_id"].startswith(OWN_PREFIX))


def present(orders: Iterable[Mapping[str, Any]], programs: Iterable[Program]) -> float:
    """Seconds, added up over windows and sides, in which an order of the bot's rested by the exchange's own
    record."""
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
