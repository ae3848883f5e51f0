"""Calls about a customer's account, and transfers of its cash between shards.

Promise:
- All account data is read from the account that is passed in, so a lagging read uses the same code.
"""

from __future__ import annotations

import re

from simulator.account import Account
from simulator.api import account_forms as forms
from simulator.api.listing_forms import contracts
from simulator.api.wire import MOST_SHARDS, Answer, QueryRefused, Request, page
from simulator.exchange import SHARDS, EngineRefusal, Exchange, Refusal
from simulator.matching import Order

CENTICENT = 100
"""The account's units in 1/10,000 dollar, the unit of a transfer's amount."""

ORDER_STATUSES = ("resting", "canceled", "executed")


def balance(exchange: Exchange, account: Account, request: Request) -> Answer:
    request.check_subaccount()
    shard = request.whole("exchange_index", -1, -1, MOST_SHARDS)
    return Answer(200, forms.balance(exchange, account, None if shard == -1 else shard))


def resting_value(exchange: Exchange, account: Account, _: Request) -> Answer:
    if not exchange.reading.tells_resting_value:
        raise Refusal(403, "permission_denied")
    return Answer(200, forms.resting_value(exchange, account))


def positions(exchange: Exchange, account: Account, request: Request) -> Answer:
    request.check_subaccount()
    ticker, event, shard = request.value("ticker"), request.value("event_ticker"), request.shard()
    wanted = request.one_of("settlement_status", ("unsettled", "settled", "all")) or "unsettled"
    counts = request.words("count_filter")
    if counts - {"position", "total_traded"}:
        raise QueryRefused("invalid query parameter count_filter")
    found = [
        exchange.markets[name]
        for name, held in account.holdings.items()
        if ("position" not in counts or held.count) and ("total_traded" not in counts or held.traded)
    ]
    found = [
        market
        for market in found
        if ticker in (None, market.ticker)
        and event in (None, market.event.ticker)
        and shard in (None, market.shard)
        and (wanted == "all" or (market.status == "finalized") == (wanted == "settled"))
    ]
    rows, cursor = page(request, sorted(found, key=lambda market: market.number), 1_000)
    held = [market.ticker for market in rows]
    return Answer(200, forms.positions(exchange, account, held) | {"cursor": cursor})


def orders(exchange: Exchange, account: Account, request: Request) -> Answer:
    request.check_subaccount()
    status = request.one_of("status", ORDER_STATUSES)
    tickers, events, shard = request.words("ticker", 100), request.words("event_ticker", 100), request.shard()
    low, high = request.period()
    found = []
    for order in (exchange.reading.listed(one, exchange.now) for one in account.orders.values()):
        market = exchange.markets[order.ticker]
        if (
            status in (None, order.status)
            and (not tickers or order.ticker in tickers)
            and (not events or market.event.ticker in events)
            and shard in (None, market.shard)
            and low <= order.created <= high
        ):
            found.append(order)
    rows, cursor = page(request, found, 1_000, newest_first=True)
    return Answer(200, {"orders": [forms.order(exchange, o) for o in rows], "cursor": cursor})


def order(exchange: Exchange, account: Account, _: Request, order_id: str) -> Answer:
    found = exchange.reading.listed(_order(account, order_id), exchange.now)
    return Answer(200, {"order": forms.order(exchange, found)})


def queue_position(exchange: Exchange, account: Account, _: Request, order_id: str) -> Answer:
    return Answer(200, {"queue_position_fp": _queue_position(exchange, _order(account, order_id))})


def queue_positions(exchange: Exchange, account: Account, request: Request) -> Answer:
    request.check_subaccount()
    tickers, event = request.words("market_tickers"), request.value("event_ticker")
    if not tickers and not event:
        raise QueryRefused("invalid query: market_tickers or event_ticker is needed")
    found = [
        order
        for order in account.resting.values()
        if order.ticker in tickers or exchange.markets[order.ticker].event.ticker == event
    ]
    rows = [
        {
            "order_id": order.order_id,
            "market_ticker": order.ticker,
            "queue_position_fp": _queue_position(exchange, order),
        }
        for order in found
    ]
    return Answer(200, {"queue_positions": rows})


def fills(exchange: Exchange, account: Account, request: Request) -> Answer:
    request.check_subaccount()
    tickers, order_id, shard = request.words("ticker", 100), request.value("order_id"), request.shard()
    low, high = request.period()
    found = [
        fill
        for fill in account.fills
        if low <= fill.time <= high
        and (not tickers or fill.ticker in tickers)
        and order_id in (None, fill.order_id)
        and shard in (None, fill.shard)
    ]
    rows, cursor = page(request, found, 1_000, newest_first=True)
    return Answer(200, {"fills": [forms.fill(exchange, f) for f in rows], "cursor": cursor})


def settlements(_: Exchange, account: Account, request: Request) -> Answer:
    request.check_subaccount()
    ticker, event = request.value("ticker"), request.value("event_ticker")
    low, high = request.period()
    found = [
        s
        for s in account.settlements
        if low <= s.time <= high and ticker in (None, s.ticker) and event in (None, s.event_ticker)
    ]
    rows, cursor = page(request, found, 1_000, newest_first=True)
    return Answer(200, {"settlements": [forms.settlement(s) for s in rows], "cursor": cursor})


def deposits(_: Exchange, account: Account, request: Request) -> Answer:
    rows, cursor = page(request, account.deposits, 500, newest_first=True)
    return Answer(200, {"deposits": [forms.payment(p) for p in rows], "cursor": cursor})


def withdrawals(_: Exchange, account: Account, request: Request) -> Answer:
    rows, cursor = page(request, account.withdrawals, 500, newest_first=True)
    return Answer(200, {"withdrawals": [forms.payment(p) for p in rows], "cursor": cursor})


def subaccount_transfers(_: Exchange, account: Account, request: Request) -> Answer:
    rows, cursor = page(request, account.set_aside, 500, newest_first=True)
    return Answer(200, {"transfers": [forms.subaccount_transfer(t) for t in rows], "cursor": cursor})


def transfers(_: Exchange, account: Account, request: Request) -> Answer:
    rows, cursor = page(request, account.transfers, 500, newest_first=True)
    return Answer(200, {"transfers": [forms.shard_transfer(t) for t in rows], "cursor": cursor})


def transfer(_: Exchange, account: Account, __: Request, transfer_id: str) -> Answer:
    found = next((t for t in account.transfers if t.transfer_id == transfer_id), None)
    if found is None:
        raise Refusal(404, "not_found", "transfer not found")
    return Answer(200, {"transfer": forms.shard_transfer(found)})


def make_transfer(exchange: Exchange, account: Account, request: Request) -> Answer:
    """Move free cash from one shard to another."""
    body = request.json("ApplyIntraExchangeInstanceTransferRequest")
    for name in ("source", "destination"):
        body.text(name, "event_contract")
        body.check_subaccount(f"{name}_subaccount")
    amount = (body.whole("amount", None, 1) or 0) * CENTICENT
    source, destination = (
        body.whole(f"{name}_exchange_shard", 0, 0, max(SHARDS)) or 0 for name in ("source", "destination")
    )
    client_id = body.text("client_transfer_id", r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "")
    if not amount or source == destination:
        raise Refusal(400, "invalid_parameters", "invalid parameters", "an amount and two shards are needed")
    if client_id and any(t.client_transfer_id == client_id for t in account.transfers):
        raise Refusal(409, "transfer_already_exists", "transfer already exists")
    if "exchange" in (exchange.pause_on(source), exchange.pause_on(destination)):
        raise Refusal(409, "exchange_is_paused", "exchange is paused")
    if exchange.free_cash(account, source) < amount:
        raise EngineRefusal(400, "insufficient_balance")
    done = exchange.move_cash(account, source, destination, amount, client_id)
    return Answer(200, {"transfer_id": done.transfer_id})


def _order(account: Account, order_id: str) -> Order:
    order = account.orders.get(order_id) if re.fullmatch(r"[0-9a-f-]{36}", order_id) else None
    if order is None:
        raise Refusal(404, "not_found", "not found")
    return order


def _queue_position(exchange: Exchange, order: Order) -> str:
    """Contracts now ahead of an order, even if the account is read with a lag."""
    market = exchange.markets[order.ticker]
    live = market.owned.get(order.order_id)
    return contracts(0 if live is None else market.book.half(live.is_bid).ahead_of(live))
