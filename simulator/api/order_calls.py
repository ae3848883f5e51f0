"""Calls that create, amend, decrease and cancel orders, and order-group calls.

Promise:
- A batch handles each of its orders separately, and returns a result for each.

They translate the API's JSON into calls of the exchange.
"""

from __future__ import annotations

from simulator import order_entry, order_groups
from simulator.account import Account
from simulator.api import account_forms as forms
from simulator.api.listing_forms import Json
from simulator.api.wire import Answer, Body, BodyRefused, Request
from simulator.exchange import SHARDS, Exchange, Refusal
from simulator.matching import CONTRACT
from simulator.order_entry import Amendment, OrderTerms

MOST_IN_BATCH = 1_000
_CREATE, _CANCEL = "CreateOrderV2Request", "BatchCancelOrdersV2Request"
CLIENT_ID = r"[\-\w:+=/]{0,64}"
LARGEST_LIMIT = 1_000_000


def create(exchange: Exchange, account: Account, request: Request) -> Answer:
    return Answer(201, _create(exchange, account, request.json(_CREATE)))


def create_batch(exchange: Exchange, account: Account, request: Request) -> Answer:
    rows: list[Json] = []
    for body in request.json("BatchCreateOrdersV2Request").objects("orders", MOST_IN_BATCH, _CREATE):
        try:
            rows.append(_create(exchange, account, body))
        except (Refusal, BodyRefused) as no:
            name = body.fields.get("client_order_id")
            rows.append(({"client_order_id": name} if isinstance(name, str) else {}) | {"error": _error(no)})
    return Answer(201, {"orders": rows})


def _create(exchange: Exchange, account: Account, body: Body) -> Json:
    body.check_subaccount()
    terms = OrderTerms(
        ticker=body.text("ticker", r".+"),
        is_bid=body.text("side", "bid|ask") == "bid",
        price=body.price(),
        size=body.size("count"),
        client_order_id=body.text("client_order_id", CLIENT_ID, ""),
        time_in_force=body.text("time_in_force", "good_till_canceled|immediate_or_cancel|fill_or_kill"),
        self_trade_prevention=body.text("self_trade_prevention_type", "taker_at_cross|maker"),
        post_only=body.flag("post_only"),
        reduce_only=body.flag("reduce_only"),
        cancel_on_pause=body.flag("cancel_order_on_pause"),
        expires=body.whole("expiration_time", None),
        group_id=body.text("order_group_id", r".*", "") or None,
        shard=body.shard(),
    )
    order, fills = order_entry.create(exchange, account.owner, terms)
    return forms.created(order, fills, exchange.now)


def cancel(exchange: Exchange, account: Account, request: Request, order_id: str) -> Answer:
    request.check_subaccount()
    shard = request.whole("exchange_index", -1, -1, max(SHARDS))
    shard = _route(exchange, request.value("market_ticker"), shard)
    return Answer(200, _cancel(exchange, account, order_id, shard))


def cancel_batch(exchange: Exchange, account: Account, request: Request) -> Answer:
    bodies = request.json(_CANCEL).objects("orders", MOST_IN_BATCH, f"{_CANCEL}Order")
    rows: list[Json] = []
    for body, order_id in [(body, body.text("order_id", r".*")) for body in bodies]:
        try:
            body.check_subaccount()
            shard = _route(exchange, body.text("market_ticker", r".*", "") or None, body.shard())
            rows.append(_cancel(exchange, account, order_id, shard))
        except (Refusal, BodyRefused) as no:
            rows.append({"order_id": order_id, "reduced_by": "0.00", "error": _error(no)})
    return Answer(200, {"orders": rows})


def _cancel(exchange: Exchange, account: Account, order_id: str, shard: int) -> Json:
    withdrawn = order_entry.cancel(exchange, account.owner, order_id, shard)
    return forms.canceled(account.orders[order_id], withdrawn, exchange.now)


def _route(exchange: Exchange, ticker: str | None, shard: int) -> int:
    """The shard for a cancel or decrease: the named one, the market's, or the first."""
    if shard != -1:
        return shard
    market = exchange.markets.get(ticker or "")
    return market.shard if market is not None else 0


def cancel_all(exchange: Exchange, account: Account, request: Request) -> Answer:
    request.check_subaccount()
    order_entry.cancel_all(exchange, account.owner)
    return Answer(204, None)


def amend(exchange: Exchange, account: Account, request: Request, order_id: str) -> Answer:
    request.check_subaccount()
    body = request.json("AmendOrderV2Request")
    change = Amendment(
        ticker=body.text("ticker", r".+"),
        is_bid=body.text("side", "bid|ask") == "bid",
        price=body.price(),
        size=body.size("count"),
        client_order_id=body.text("client_order_id", CLIENT_ID, ""),
        new_client_order_id=body.text("updated_client_order_id", CLIENT_ID, ""),
        expires=body.whole("expiration_time", None, 0),
        shard=body.shard(),
    )
    order, fills, resized = order_entry.amend(exchange, account.owner, order_id, change)
    return Answer(200, forms.amended(order, fills, resized, exchange.now))


def decrease(exchange: Exchange, account: Account, request: Request, order_id: str) -> Answer:
    request.check_subaccount()
    body = request.json("DecreaseOrderV2Request")
    by, to = (body.size(name) if name in body else None for name in ("reduce_by", "reduce_to"))
    if (by is None) == (to is None) or by == 0:
        raise Refusal(400, "invalid_parameters", "invalid parameters", "one of reduce_by and reduce_to is needed")
    shard = _route(exchange, body.text("market_ticker", r".*", "") or None, body.shard())
    order = order_entry.decrease(exchange, account.owner, order_id, shard, by, to)
    return Answer(200, forms.decreased(order, exchange.now))


def _error(no: Refusal | BodyRefused) -> Json:
    if isinstance(no, BodyRefused):
        return forms.error("bad_request", "bad request", str(no))
    return forms.error(no.code, no.message, no.details, no.service)


# -- order groups ------------------------------------------------------------------------------------------------


def groups(_: Exchange, account: Account, request: Request) -> Answer:
    request.check_subaccount()
    rows = [{"id": group.group_id} | forms.order_group(group) for group in account.groups.values()]
    return Answer(200, {"order_groups": rows})


def group(exchange: Exchange, account: Account, request: Request, group_id: str) -> Answer:
    request.check_subaccount()
    found = order_groups.find(exchange, account.owner, group_id)
    inside = [order.order_id for order in account.resting.values() if order.group_id == group_id]
    return Answer(200, forms.order_group(found) | {"orders": inside})


def create_group(exchange: Exchange, account: Account, request: Request) -> Answer:
    body = request.json("CreateOrderGroupRequest")
    body.check_subaccount()
    shard = body.shard(default=0)
    if shard == -1:
        raise Refusal(400, "invalid_parameters", "invalid parameters", "an order group lives on one shard")
    made = order_groups.create(exchange, account.owner, shard, _limit(body))
    return Answer(201, {"order_group_id": made.group_id, "subaccount": 0, "exchange_index": shard})


def reset_group(exchange: Exchange, account: Account, request: Request, group_id: str) -> Answer:
    order_groups.reset(exchange, account.owner, group_id, _shard(request))
    return Answer(200, {})


def trigger_group(exchange: Exchange, account: Account, request: Request, group_id: str) -> Answer:
    order_groups.trigger(exchange, account.owner, group_id, _shard(request))
    return Answer(200, {})


def limit_group(exchange: Exchange, account: Account, request: Request, group_id: str) -> Answer:
    shard, limit = _shard(request), _limit(request.json("UpdateOrderGroupLimitRequest"))
    if limit is None:
        raise Refusal(400, "invalid_parameters", "invalid parameters", "a contracts_limit is needed")
    order_groups.set_limit(exchange, account.owner, group_id, shard, limit)
    return Answer(200, {})


def delete_group(exchange: Exchange, account: Account, request: Request, group_id: str) -> Answer:
    order_groups.delete(exchange, account.owner, group_id, _shard(request))
    return Answer(200, {})


def _shard(request: Request) -> int:
    """The named shard, or the first one, because order groups are not routed."""
    request.check_subaccount()
    return request.whole("exchange_index", 0, 0, max(SHARDS))


def _limit(body: Body) -> int | None:
    """A group's limit in 1/100 contract. If both forms are given, they must agree."""
    whole = body.whole("contracts_limit", None, 1, LARGEST_LIMIT)
    by_text = body.size("contracts_limit_fp") if "contracts_limit_fp" in body else None
    if by_text is not None and (
        not CONTRACT <= by_text <= LARGEST_LIMIT * CONTRACT or whole not in (None, by_text / CONTRACT)
    ):
        raise Refusal(400, "invalid_parameters", "invalid parameters", "contracts_limit: 1 to 1,000,000")
    return by_text if whole is None else whole * CONTRACT
