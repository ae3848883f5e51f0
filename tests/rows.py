"""What a ledger may hold, short to write; imported by processes of their own too, so that it takes no time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from exchange.account import Fill, Identity
from exchange.models import OrderStatus
from exchange.orderbook import NO, YES, Side
from ledger.entries import AccrualKey, OrderRecord

D = Decimal
NOW = datetime(2026, 11, 22, 15, 0, tzinfo=timezone.utc)
US = Identity("https://exchange.example/trade-api/v2", "key-1")
SECONDS = AccrualKey("p", YES, NOW.date(), "M")


def later(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def order_record(name: str = "o", ended: float | None = None) -> OrderRecord:
    return OrderRecord(
        name, f"lipbot-{name}", "M", NO, D("0.0710"), D("12.50"), D("0.01"), D("0.000001"), OrderStatus.RESTING,
        NOW + timedelta(microseconds=1), NOW + later(120), None if ended is None else NOW + later(ended),
    )  # fmt: skip


def fill(name: str = "f", count: str = "3.00", side: Side = YES, at: float = 0) -> Fill:
    return Fill(name, "o", "M", side, D("0.0710"), D(count), D("0.014231"), False, NOW + later(at))
