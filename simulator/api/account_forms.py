"""The JSON objects of a customer's account, in the API's format.

Promise:
- Every object has the fields that the published specification requires.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial

from simulator.account import Account, Fill, Holding, OrderGroup, Payment, SetAside, Settlement, ShardTransfer
from simulator.api.listing_forms import Json, contracts, cost, dollars, moment, price, trade_id, unset
from simulator.exchange import SHARDS, Exchange
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS, Order
from simulator.worth import account_value


def error(code: str, message: str, details: str = "", service: str = "") -> Json:
    optional = {"details": details, "service": service}
    return {"code": code, "message": message} | {name: words for name, words in optional.items() if words}


def balance(exchange: Exchange, account: Account, shard: int | None) -> Json:
    """The cash and the value of the positions on all shards together, or on one."""
    told = account.cash.get if exchange.reading.is_balance_gross else partial(exchange.free_cash, account)
    shards = {n: told(n) or 0 for n in SHARDS}
    total = sum(shards.values()) if shard is None else shards.get(shard, 0)
    return {
        "balance": total * 100 // DOLLAR,
        "balance_dollars": dollars(total),
        "portfolio_value": account_value(exchange, account, shard) * 100 // DOLLAR,
        "updated_ts": int(exchange.now),
        "balance_breakdown": [{"exchange_index": n, "balance": dollars(cash)} for n, cash in shards.items()],
    }


def resting_value(exchange: Exchange, account: Account) -> Json:
    shards = {n: account.collateral(exchange.resting_on(account, n)) for n in SHARDS}
    return {
        "total_resting_order_value": sum(shards.values()) * 100 // DOLLAR,
        "resting_order_value_breakdown": [
            {"exchange_index": n, "balance": dollars(value)} for n, value in shards.items()
        ],
    }


def positions(exchange: Exchange, account: Account, tickers: Iterable[str]) -> Json:
    rows = [(ticker, account.holdings[ticker]) for ticker in tickers]
    resting = Counter(o.ticker for o in account.resting.values())
    events: dict[str, list[Holding]] = {}
    for ticker, holding in rows:
        events.setdefault(exchange.markets[ticker].event.ticker, []).append(holding)
    return {
        "market_positions": [
            {
                "ticker": ticker,
                "exchange_index": exchange.markets[ticker].shard,
                "total_traded_dollars": cost(holding.traded),
                "position_fp": contracts(holding.count),
                "market_exposure_dollars": cost(holding.cost),
                "realized_pnl_dollars": cost(holding.realized),
                "fees_paid_dollars": cost(holding.fees),
                "resting_orders_count": resting[ticker],
                "last_updated_ts": moment(holding.updated),
            }
            for ticker, holding in rows
        ],
        "event_positions": [
            {
                "event_ticker": event,
                "total_cost_dollars": cost(sum(h.traded for h in holdings)),
                "total_cost_shares_fp": contracts(sum(abs(h.count) for h in holdings)),
                "event_exposure_dollars": cost(sum(h.cost for h in holdings)),
                "realized_pnl_dollars": cost(sum(h.realized for h in holdings)),
                "fees_paid_dollars": cost(sum(h.fees for h in holdings)),
            }
            for event, holdings in events.items()
        ],
    }


def order(exchange: Exchange, o: Order) -> Json:
    form: Json = {
        "order_id": o.order_id,
        "user_id": exchange.accounts[o.owner or ""].user_id,
        "client_order_id": o.client_order_id,
        "ticker": o.ticker,
        **_direction(o.is_bid),
        "type": "limit",
        "status": o.status,
        "yes_price_dollars": price(o.price),
        "no_price_dollars": price(DOLLAR_PIPS - o.price),
        "fill_count_fp": contracts(o.filled),
        "remaining_count_fp": contracts(o.remaining),
        "initial_count_fp": contracts(o.asked),
        "taker_fees_dollars": cost(o.taker_fees),
        "maker_fees_dollars": cost(o.maker_fees),
        "taker_fill_cost_dollars": cost(o.taker_cost),
        "maker_fill_cost_dollars": cost(o.maker_cost),
        "created_time": moment(o.created),
        "last_update_time": moment(o.updated),
        "self_trade_prevention_type": o.self_trade_prevention,
        "subaccount_number": 0,
        "exchange_index": exchange.markets[o.ticker].shard,
    }
    return form | unset(
        exchange,
        {
            "expiration_time": None if o.expires is None else moment(o.expires),
            "order_group_id": o.group_id,
            "cancel_order_on_pause": o.cancel_on_pause,
        },
    )


def _direction(is_bid: bool) -> Json:
    """The direction of an order or a fill, in all its forms.

    An ask of YES is told as a purchase of NO."""
    side = "yes" if is_bid else "no"
    return {"action": "buy", "side": side, "outcome_side": side, "book_side": "bid" if is_bid else "ask"}


def created(o: Order, fills: list[Fill], now: float) -> Json:
    """The flat answer to a create; it has averages only if something was filled."""
    answer: Json = {
        "order_id": o.order_id,
        "client_order_id": o.client_order_id,
        "fill_count": contracts(o.filled),
        "remaining_count": contracts(o.remaining),
        "ts_ms": int(now * 1000),
    }
    if fills:
        answer |= _averages(fills)
    return answer


def _averages(fills: list[Fill]) -> Json:
    """The average price and fee of a contract."""
    size = sum(f.size for f in fills)
    return {
        "average_fill_price": dollars(round(sum(f.price * f.size for f in fills) * CONTRACT / size)),
        "average_fee_paid": dollars(round(sum(f.fee for f in fills) * CONTRACT / size)),
    }


def amended(o: Order, fills: list[Fill], resized: bool, now: float) -> Json:
    """The flat answer to an amend.

    It has counts only if something was filled or the size changed."""
    answer: Json = {"order_id": o.order_id, "ts_ms": int(now * 1000)}
    if fills or resized:
        answer |= {"fill_count": contracts(sum(f.size for f in fills)), "remaining_count": contracts(o.remaining)}
    return answer | (_averages(fills) if fills else {})


def decreased(o: Order, now: float) -> Json:
    return {
        "order_id": o.order_id,
        "remaining_count": contracts(o.remaining),
        "ts_ms": int(now * 1000),
    }


def canceled(o: Order, withdrawn: int, now: float) -> Json:
    return {
        "order_id": o.order_id,
        "reduced_by": contracts(withdrawn),
        "ts_ms": int(now * 1000),
    }


def fill(exchange: Exchange, f: Fill) -> Json:
    return {
        "fill_id": trade_id(exchange, f.number),
        "trade_id": trade_id(exchange, f.number),
        "order_id": f.order_id,
        "ticker": f.ticker,
        "market_ticker": f.ticker,
        "exchange_index": f.shard,
        **_direction(f.is_bid),
        "count_fp": contracts(f.size),
        "yes_price_dollars": price(f.price),
        "no_price_dollars": price(DOLLAR_PIPS - f.price),
        "is_taker": f.is_taker,
        "fee_cost": cost(f.fee),
        "created_time": moment(f.time),
        "ts": int(f.time),
        "subaccount_number": 0,
    }


def settlement(s: Settlement) -> Json:
    return {
        "ticker": s.ticker,
        "exchange_index": s.shard,
        "event_ticker": s.event_ticker,
        "market_result": s.result,
        "yes_count_fp": contracts(s.yes_count),
        "yes_total_cost_dollars": cost(s.yes_cost),
        "no_count_fp": contracts(s.no_count),
        "no_total_cost_dollars": cost(s.no_cost),
        "revenue": s.revenue * 100 // DOLLAR,
        "settled_time": moment(s.time),
        "fee_cost": cost(s.fees),
        "value": s.payout * 100 // DOLLAR_PIPS,
    }


def payment(p: Payment) -> Json:
    """A deposit or a withdrawal."""
    return {
        "id": p.payment_id,
        "status": "applied",
        "type": "ach",
        "amount_cents": p.amount,
        "fee_cents": p.fee,
        "created_ts": int(p.time),
        "finalized_ts": int(p.time),
    }


def shard_transfer(t: ShardTransfer) -> Json:
    return {
        "transfer_id": t.transfer_id,
        "client_transfer_id": t.client_transfer_id,
        "source": "event_contract",
        "destination": "event_contract",
        "source_exchange_shard": t.source,
        "destination_exchange_shard": t.destination,
        "amount": dollars(t.amount),
        "status": "complete",
        "created_ts": int(t.time),
    }


def subaccount_transfer(t: SetAside) -> Json:
    return {
        "transfer_id": t.transfer_id,
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": t.amount,
        "created_ts": int(t.time),
        "exchange_index": t.shard,
    }


def order_group(group: OrderGroup) -> Json:
    form: Json = {"is_auto_cancel_enabled": True, "exchange_index": group.shard}
    return form if group.limit is None else form | {"contracts_limit_fp": contracts(group.limit)}
