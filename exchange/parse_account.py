"""Parse the account's objects into `exchange/models.py` and `exchange/account.py`.

Promise:
- A result is exact and complete, or an `Unreadable` names the request and the wrong field.

Wire format: prices, counts and most cash are decimal strings. Payments, subaccount transfers, `revenue` and
`value` are integers of cents. A position or a settlement without `exchange_index` is on shard 0. An order without
one keeps None: requests about it name its market, by which the exchange finds the shard.
"""

from __future__ import annotations

import re
from decimal import Decimal

from exchange.account import (
    AccountLimits,
    Balance,
    BucketLimit,
    EndpointCosts,
    Fill,
    OrderGroup,
    Payment,
    PaymentStatus,
    Position,
    Settlement,
    SubaccountTransfer,
    Transfer,
)
from exchange.json_fields import JsonObject
from exchange.models import (
    AmendResponse,
    Order,
    OrderResponse,
    OrderStatus,
)
from exchange.orderbook import Side

CENTS = Decimal(100)

DEAREST = 1_000
"""Maximum cost of a call in tokens; a higher one would mean an endless wait."""

_VERSION = re.compile(r"^/trade-api/v[0-9]+")


def order(f: JsonObject) -> Order:
    side = f.enum("outcome_side", Side)
    return Order(
        order_id=f.identifier("order_id"),
        client_order_id=f.text("client_order_id"),
        ticker=f.text("ticker"),
        side=side,
        price=f.decimal(f"{side.value}_price_dollars"),
        status=f.enum("status", OrderStatus),
        asked=f.decimal("initial_count_fp"),
        filled=f.decimal("fill_count_fp"),
        remaining=f.decimal("remaining_count_fp"),
        fees=f.decimal("maker_fees_dollars") + f.decimal("taker_fees_dollars"),
        exchange_index=f.optional("exchange_index", f.integer),
        expires=f.optional("expiration_time", f.time),
        created=f.optional("created_time", f.time),
        updated=f.optional("last_update_time", f.time),
        group_id=f.optional("order_group_id", f.text) or None,
    )


def user_id(f: JsonObject) -> str:
    """The user that an order names, empty if it names none."""
    return f.optional("user_id", f.text) or ""


def api_key_id(f: JsonObject) -> str:
    return f.text("api_key_id")


def order_response(f: JsonObject, asked: Decimal) -> OrderResponse:
    """Parse the answer to a create, and derive its status, which the answer lacks.

    Of `asked` contracts, those neither filled nor resting were canceled at once: by self-trade prevention, or
    because the order was immediate-or-cancel."""
    filled, remaining = f.decimal("fill_count"), f.decimal("remaining_count")
    status = (
        OrderStatus.RESTING if remaining > 0 else OrderStatus.EXECUTED if filled >= asked else OrderStatus.CANCELED
    )
    return OrderResponse(
        order_id=f.identifier("order_id"),
        status=status,
        filled=filled,
        remaining=remaining,
        average_fee=f.optional("average_fee_paid", f.decimal),
    )


def amend_response(f: JsonObject) -> AmendResponse:
    return AmendResponse(
        order_id=f.text("order_id"),
        filled=f.optional("fill_count", f.decimal),
        remaining=f.optional("remaining_count", f.decimal),
    )


def order_group(f: JsonObject) -> OrderGroup:
    return OrderGroup(
        id=f.identifier("id"),
        limit=f.optional("contracts_limit_fp", f.decimal),
        exchange_index=f.optional("exchange_index", f.integer) or 0,
    )


def position(f: JsonObject) -> Position:
    return Position(
        ticker=f.text("ticker"),
        count=f.decimal("position_fp"),
        exposure=f.decimal("market_exposure_dollars"),
        exchange_index=f.optional("exchange_index", f.integer) or 0,
        fees=f.optional("fees_paid_dollars", f.decimal) or Decimal(0),
    )


def fill(f: JsonObject) -> Fill:
    side = f.enum("outcome_side", Side)
    return Fill(
        fill_id=f.text("fill_id"),
        order_id=f.text("order_id"),
        ticker=f.text("ticker"),
        side=side,
        price=f.decimal(f"{side.value}_price_dollars"),
        count=f.decimal("count_fp"),
        fee=f.decimal("fee_cost"),
        is_taker=f.boolean("is_taker"),
        time=f.time("created_time") if f.has("created_time") else f.unix("ts"),
        exchange_index=f.optional("exchange_index", f.integer) or 0,
    )


def settlement(f: JsonObject) -> Settlement:
    payout = f.optional("value", f.integer)
    return Settlement(
        ticker=f.text("ticker"),
        event_ticker=f.text("event_ticker"),
        yes_count=f.decimal("yes_count_fp"),
        yes_cost=f.decimal("yes_total_cost_dollars"),
        no_count=f.decimal("no_count_fp"),
        no_cost=f.decimal("no_total_cost_dollars"),
        revenue=Decimal(f.integer("revenue")) / CENTS,
        fee=f.decimal("fee_cost"),
        yes_payout=None if payout is None else Decimal(payout) / CENTS,
        exchange_index=f.optional("exchange_index", f.integer) or 0,
        time=f.time("settled_time"),
    )


def payment(f: JsonObject) -> Payment:
    return Payment(
        id=f.text("id"),
        status=f.enum("status", PaymentStatus),
        amount=Decimal(f.integer("amount_cents")) / CENTS,
        fee=Decimal(f.integer("fee_cents")) / CENTS,
        created=f.unix("created_ts"),
        finalized=f.optional("finalized_ts", f.unix),
    )


def transfer(f: JsonObject) -> Transfer:
    return Transfer(
        id=f.text("transfer_id"),
        status=f.text("status"),
        amount=f.decimal("amount"),
        source_shard=f.integer("source_exchange_shard"),
        destination_shard=f.integer("destination_exchange_shard"),
        created=f.unix("created_ts"),
    )


def subaccount_transfer(f: JsonObject) -> SubaccountTransfer:
    return SubaccountTransfer(
        id=f.text("transfer_id"),
        amount=Decimal(f.integer("amount_cents")) / CENTS,
        from_subaccount=f.integer("from_subaccount"),
        to_subaccount=f.integer("to_subaccount"),
        created=f.unix("created_ts"),
    )


def balance(f: JsonObject) -> Balance:
    """Parse the balance. The total is the sum of the shards, if they are told.

    Accounts have seen `balance_dollars` of shard 0 alone."""
    told = f.decimal("balance_dollars")
    by_shard = {s.integer("exchange_index"): s.decimal("balance") for s in f.objects("balance_breakdown")}
    return Balance(sum(by_shard.values(), start=Decimal(0)) if by_shard else told, by_shard)


def limits(f: JsonObject) -> AccountLimits:
    return AccountLimits(f.text("usage_tier"), _bucket(f.nested("read")), _bucket(f.nested("write")))


def _bucket(f: JsonObject) -> BucketLimit:
    bucket = BucketLimit(f.integer("refill_rate"), f.integer("bucket_capacity"))
    if bucket.rate <= 0 or bucket.capacity <= 0:
        raise f.wrong("refill_rate", f"and bucket_capacity ({bucket.capacity}) should be above 0")
    return bucket


def endpoint_costs(f: JsonObject) -> EndpointCosts:
    return EndpointCosts(
        default=_cost(f, "default_cost"),
        table=tuple(
            (row.text("method"), _VERSION.sub("", row.text("path"), count=1), _cost(row, "cost"))
            for row in f.objects("endpoint_costs")
        ),
    )


def _cost(f: JsonObject, name: str) -> int:
    cost = f.integer(name)
    if not 1 <= cost <= DEAREST:
        raise f.wrong(name, f"should be tokens, 1 to {DEAREST}")
    return cost
