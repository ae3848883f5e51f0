"""Orders in the exchange's words, and what it says of each order of a batch.

Promise: prices in whole 1/10,000 dollar and counts in whole 1/100 contract go out exactly; anything finer is a
`ValueError`, and nothing is sent. Wire forms: docs.kalshi.com/api-reference/orders (V2).
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
"""Sent with every call that takes it: what the exchange assumes where it is left out differs by call."""

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
"""Statuses for the codes in a batch's rows, by a word in them; all others are refusals."""


def order_body(order: OrderRequest) -> dict[str, object]:
    if not CLIENT_ORDER_ID.fullmatch(order.client_order_id):
        raise ValueError(f"{order.client_order_id!r} is no client order id: 1 to 64 of A-Z a-z 0-9 _ : + = / -")
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
    """`order` as it is to rest from now on. The exchange counts what was filled of it in."""
    body: dict[str, object] = {
        "ticker": order.ticker,
        "side": book_side(order.side),
        "price": yes_price(bid),
        "count": decimal_string(order.filled + bid.count, 2),
        **shard_field(order.exchange_index),
    }
    return body if expires is None else body | {"expiration_time": unix_seconds_up(expires)}


def order_location(order: Order) -> dict[str, object]:
    """Where an order rests. Without its market a cancel goes to shard 0, wherever the order is."""
    return {
        "market_ticker": order.ticker,
        "subaccount": PRIMARY_SUBACCOUNT,
        **shard_field(order.exchange_index),
    }


def shard_field(exchange_index: int | None) -> dict[str, object]:
    """The shard, where it is known; where it is not the exchange finds it by the ticker, and 0 would be wrong."""
    return {} if exchange_index is None else {"exchange_index": exchange_index}


def book_side(side: Side) -> str:
    """The one book is of YES prices: buying NO is selling YES."""
    return "bid" if side is Side.YES else "ask"


def yes_price(bid: Bid) -> str:
    return decimal_string(bid.price if bid.side is Side.YES else ONE_DOLLAR - bid.price, 4)


def decimal_string(value: Decimal, places: int) -> str:
    if not value.is_finite() or abs(value) > LARGEST:
        raise ValueError(f"{value} is no number that the exchange could take")
    rounded = round(value, places)
    if rounded != value:
        raise ValueError(f"{value} has more than {places} decimals; the exchange takes no such number")
    return f"{rounded:f}"


def unix_seconds_up(moment: datetime) -> int:
    """Whole Unix seconds, never earlier than `moment`."""
    return int(Decimal(moment.timestamp()).to_integral_value(ROUND_CEILING))


def batch_rows(answer: JsonObject, count: int) -> list[JsonObject]:
    """The answers to the orders of a batch, of which there must be one for each."""
    rows = answer.objects("orders")
    if len(rows) != count:
        raise answer.wrong("orders", f"should have {count} items")
    return rows


def batch_result(
    row: JsonObject, parse: Callable[[JsonObject], T], clean: Callable[[str], str]
) -> T | ExchangeError:
    """What became of one order of a batch. Its error stands in a field of its own, or in the row itself (both
    were seen), and has no status: the one that goes with its code is taken. `clean` takes secrets out of its
    words."""
    code, message, details = map(clean, json_fields.error_words(row.value))
    if code or message:
        status = next((status for word, status in _STATUSES if word in code.replace(" ", "_")), 400)
        return error_for_status(row.source, status, code, message, details, about_order=True)
    try:
        if row.has("error"):
            raise row.wrong("error", "should say something")
        return parse(row)
    except Unreadable as error:
        return error
