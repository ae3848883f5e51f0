"""The exchange's JSON turned into `models.py`. Promise: what comes out is exact and complete, or `Unreadable`
says which endpoint sent what field wrong. Unknown extra fields are ignored: the exchange adds some every month.

Wire forms: prices "0.5600" and counts "10.00" are strings; rewards are integers of 1/10,000 dollar; order
books list bids of both sides, the best at the end by its documentation and first by its specification, so
they are sorted here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, TypeVar

from errors import Unreadable
from models import (
    Balance,
    Book,
    ExchangeStatus,
    Fill,
    IncentiveType,
    Level,
    Market,
    MarketStatus,
    Order,
    OrderResponse,
    OrderStatus,
    Position,
    PriceGrid,
    PriceRange,
    Program,
    Side,
)

CENTI_CENTS = Decimal(10_000)
"""Units of `period_reward` and `max_reward_per_account` in a dollar."""

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


class Fields:
    """One JSON object of an answer, read field by field. `source` names the request in errors."""

    def __init__(self, source: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise Unreadable(source, f"expected a JSON object, got {value!r:.100}")
        self.source = source
        self._fields = value

    def _get(self, name: str, kind: type[T]) -> T:
        value = self._fields.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Unreadable(self.source, f"field {name} should be {kind.__name__}, is {value!r:.100}")
        return value

    def has(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def text(self, name: str) -> str:
        return self._get(name, str)

    def whole(self, name: str) -> int:
        return self._get(name, int)

    def flag(self, name: str) -> bool:
        return self._get(name, bool)

    def inner(self, name: str) -> Fields:
        return Fields(self.source, self._fields.get(name))

    def items(self, name: str) -> list[object]:
        """A list, empty where the exchange left it out or sent null."""
        return self._get(name, list) if self.has(name) else []

    def decimal(self, name: str) -> Decimal:
        return exact(self.source, name, self.text(name))

    def time(self, name: str) -> datetime:
        text = self.text(name)
        try:
            moment = datetime.fromisoformat(_plain_rfc3339(text))
        except ValueError:
            raise Unreadable(self.source, f"field {name} should be a time, is {text!r:.100}") from None
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)

    def enum(self, name: str, kind: type[E]) -> E:
        text = self.text(name)
        try:
            return kind(text)
        except ValueError:
            raise Unreadable(self.source, f"field {name} has the unknown value {text!r:.100}") from None

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        return read(name) if self.has(name) else None


def _plain_rfc3339(text: str) -> str:
    """RFC 3339 as Python 3.10 can read it: no Z, and exactly six decimals of a second where there are any."""
    text = text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text
    head, dot, tail = text.partition(".")
    if not dot:
        return text
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[:digits][:6]:0<6}{tail[digits:]}"


def exact(source: str, name: str, text: object) -> Decimal:
    """A price, a count or cash, as exact as it was sent."""
    try:
        value = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise Unreadable(source, f"field {name} should be a decimal number in a string, is {text!r:.100}")
    return value


def program(f: Fields) -> Program:
    discount = f.optional("discount_factor_bps", f.whole)
    cap = f.optional("max_reward_per_account", f.whole)
    start, end = f.time("start_date"), f.time("end_date")
    if end <= start:
        raise Unreadable(f.source, f"program {f.text('id')} ends before it starts")
    return Program(
        id=f.text("id"),
        ticker=f.text("market_ticker"),
        type=f.enum("incentive_type", IncentiveType),
        start=start,
        end=end,
        reward=Decimal(f.whole("period_reward")) / CENTI_CENTS,
        paid_out=f.flag("paid_out"),
        target=f.optional("target_size_fp", f.decimal),
        discount=None if discount is None else Decimal(discount) / 10_000,
        cap=None if cap is None else Decimal(cap) / CENTI_CENTS,
    )


def market(f: Fields) -> Market:
    ranges = [Fields(f.source, item) for item in f.items("price_ranges")]
    try:
        grid = PriceGrid(
            tuple(PriceRange(r.decimal("start"), r.decimal("end"), r.decimal("step")) for r in ranges)
        )
    except ValueError as error:
        raise Unreadable(f.source, f"field price_ranges of {f.text('ticker')}: {error}") from None
    return Market(
        ticker=f.text("ticker"),
        event_ticker=f.text("event_ticker"),
        status=f.enum("status", MarketStatus),
        close_time=f.time("close_time"),
        grid=grid,
        exchange_index=f.optional("exchange_index", f.whole) or 0,
    )


def book(f: Fields) -> Book:
    sides = f.inner("orderbook_fp") if f.has("orderbook_fp") else Fields(f.source, {})
    return Book(f.text("ticker"), _levels(sides, "yes_dollars"), _levels(sides, "no_dollars"))


def _levels(f: Fields, name: str) -> tuple[Level, ...]:
    levels = []
    for pair in f.items(name):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Unreadable(f.source, f"field {name} should hold [price, size] pairs, has {pair!r:.100}")
        levels.append(Level(exact(f.source, name, pair[0]), exact(f.source, name, pair[1])))
    return tuple(sorted(levels, key=lambda level: level.price, reverse=True))


def order(f: Fields) -> Order:
    side = f.enum("outcome_side", Side)
    return Order(
        order_id=f.text("order_id"),
        client_order_id=f.text("client_order_id"),
        ticker=f.text("ticker"),
        side=side,
        price=f.decimal(f"{side.value}_price_dollars"),
        status=f.enum("status", OrderStatus),
        filled=f.decimal("fill_count_fp"),
        remaining=f.decimal("remaining_count_fp"),
        exchange_index=f.optional("exchange_index", f.whole) or 0,
        expires=f.optional("expiration_time", f.time),
    )


def order_response(f: Fields, asked: Decimal) -> OrderResponse:
    """The answer to a create, which names no status: `asked` contracts, less what was filled and what rests,
    were canceled at once (self-trade prevention, the rest of an immediate order)."""
    filled, remaining = f.decimal("fill_count"), f.decimal("remaining_count")
    status = (
        OrderStatus.RESTING if remaining > 0 else OrderStatus.EXECUTED if filled >= asked else OrderStatus.CANCELED
    )
    return OrderResponse(
        order_id=f.text("order_id"),
        status=status,
        filled=filled,
        remaining=remaining,
        average_fee=f.optional("average_fee_paid", f.decimal),
    )


def position(f: Fields) -> Position:
    return Position(
        ticker=f.text("ticker"),
        count=f.decimal("position_fp"),
        exposure=f.decimal("market_exposure_dollars"),
        exchange_index=f.whole("exchange_index"),
    )


def fill(f: Fields) -> Fill:
    side = f.enum("outcome_side", Side)
    return Fill(
        fill_id=f.text("fill_id"),
        order_id=f.text("order_id"),
        ticker=f.text("ticker"),
        side=side,
        price=f.decimal(f"{side.value}_price_dollars"),
        count=f.decimal("count_fp"),
        fee=f.decimal("fee_cost"),
        is_taker=f.flag("is_taker"),
        time=f.time("created_time")
        if f.has("created_time")
        else datetime.fromtimestamp(f.whole("ts"), timezone.utc),
    )


def balance(f: Fields) -> Balance:
    shards = [Fields(f.source, item) for item in f.items("balance_breakdown")]
    return Balance(
        available=f.decimal("balance_dollars"),
        by_shard={shard.whole("exchange_index"): shard.decimal("balance") for shard in shards},
    )


def exchange_status(f: Fields) -> ExchangeStatus:
    shards = [Fields(f.source, item) for item in f.items("exchange_index_statuses")]
    return ExchangeStatus(
        trading=f.flag("exchange_active") and f.flag("trading_active"),
        trading_by_shard={
            shard.whole("exchange_index"): shard.flag("exchange_active") and shard.flag("trading_active")
            for shard in shards
        },
        resumes=f.optional("exchange_estimated_resume_time", f.time),
    )


def error_words(body: Any) -> tuple[str, str, str]:
    """(code, message, details) of an error body, in any of the four shapes the exchange uses; empty strings
    where it says nothing."""
    if not isinstance(body, Mapping):
        return "", "", ""
    inner = body.get("error", body)
    if isinstance(inner, str):
        return "", inner, ""
    if not isinstance(inner, Mapping):
        return "", "", ""
    message = inner.get("message") or inner.get("msg") or ""
    return str(inner.get("code") or ""), str(message), str(inner.get("details") or "")
