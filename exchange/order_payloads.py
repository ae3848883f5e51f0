"""Build the JSON of orders, and read the result of each order in a batch.

Promise:
- Prices in whole 1/10,000 dollars and counts in whole 1/100 contracts are sent exactly.
- Anything finer is a `ValueError`, and nothing is sent.

Wire format: docs.kalshi.com/api-reference/orders (V2).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar

from exchange import json_fields
from exchange.errors import ExchangeError, Unreadable, error_for_status
from exchange.json_fields import JsonObject
from exchange.models import Order, OrderRequest
from exchange.orderbook import ONE_DOLLAR, Bid, Side

PRIMARY_SUBACCOUNT = 0
"""Sent with every call that accepts it, because the exchange's default differs by call."""

LARGEST = 10**12
CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9_:+=/-]{1,64}")

T = TypeVar("T")

_STATUSES = (
    ("not_found", 404),
    ("order_already_exists", 409),
    ("internal", 500),
    ("unavailable", 503),
    ("timeout", 504),
)
"""HTTP status for a code in a batch's row, by a word in the code; all others are refusals."""


def order_body(order: OrderRequest) -> dict[str, object]:
    if not CLIENT_ORDER_ID.fullmatch(order.client_order_id):
        raise ValueError(f"{order.client_order_id!r} is not a client order id: 1 to 64 of A-Z a-z 0-9 _ : + = / -")
    body: dict[str, object] = {
        "ticker": order.ticker,
        "client_order_id": order.client_order_id,
        "side": book_side(order.bid.side),
        "count": decimal_string(order.bid.count, 2),
        "price": yes_price(order.bid),
        "time_in_force": order.time_in_force.value,
        "self_trade_prevention_type": order.self_trade_prevention.value,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "cancel_order_on_pause": order.cancel_on_pause,
        "subaccount": PRIMARY_SUBACCOUNT,
        **shard_field(order.exchange_index),
    }
    if order.expires is not None:
        body["expiration_time"] = unix_seconds_up(order.expires)
    if order.group_id is not None:
        body["order_group_id"] = order.group_id
    return body


def amend_body(order: Order, bid: Bid, expires: datetime | None) -> dict[str, object]:
    """Return the body that amends `order`; its count includes the filled contracts."""
    body: dict[str, object] = {
        "ticker": order.ticker,
        "side": book_side(order.side),
        "price": yes_price(bid),
        "count": decimal_string(order.filled + bid.count, 2),
        **shard_field(order.exchange_index),
    }
    return body if expires is None else body | {"expiration_time": unix_seconds_up(expires)}


def order_location(order: Order) -> dict[str, object]:
    """Return an order's location: without its market, a cancel goes to shard 0."""
    return {
        "market_ticker": order.ticker,
        "subaccount": PRIMARY_SUBACCOUNT,
        **shard_field(order.exchange_index),
    }


def shard_field(exchange_index: int | None) -> dict[str, object]:
    """Return the shard's field, or none if unknown.

    The exchange then finds the shard by the ticker; 0 could be wrong."""
    return {} if exchange_index is None else {"exchange_index": exchange_index}


def book_side(side: Side) -> str:
    """Return the side in the one book of YES prices: buying NO is selling YES."""
    return "bid" if side is Side.YES else "ask"


def yes_price(bid: Bid) -> str:
    return decimal_string(bid.price if bid.side is Side.YES else ONE_DOLLAR - bid.price, 4)


def decimal_string(value: Decimal, places: int) -> str:
    if not value.is_finite() or abs(value) > LARGEST:
        raise ValueError(f"{value} is not a number that the exchange accepts")
    rounded = round(value, places)
    if rounded != value:
        raise ValueError(f"{value} has more than {places} decimals, which the exchange does not accept")
    return f"{rounded:f}"


def unix_seconds_up(moment: datetime) -> int:
    """Return whole Unix seconds, never earlier than `moment`."""
    return int(Decimal(moment.timestamp()).to_integral_value(ROUND_CEILING))


def batch_rows(answer: JsonObject, count: int) -> list[JsonObject]:
    """Return a batch's rows. Raises `Unreadable` unless there is one per order."""
    rows = answer.objects("orders")
    if len(rows) != count:
        raise answer.wrong("orders", f"should have {count} items")
    return rows


def batch_result(
    row: JsonObject, parse: Callable[[JsonObject], T], clean: Callable[[str], str]
) -> T | ExchangeError:
    """Return the result of one order in a batch, which may be an error.

    The error is in its own field or in the row itself (both occur). It has no status, so the code selects one.
    `clean` removes secrets from its text."""
    code, message, details = map(clean, json_fields.error_words(row.value))
    if code or message:
        status = next((status for word, status in _STATUSES if word in code.replace(" ", "_")), 400)
        return error_for_status(row.source, status, code, message, details, about_order=True)
    try:
        if row.has("error"):
            raise row.wrong("error", "should have a code or a message")
        return parse(row)
    except Unreadable as error:
        return error
