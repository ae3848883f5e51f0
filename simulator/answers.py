"""The exchange's state in its API's own words: field names, strings and nesting of Trade API v2.

Promise: every object here carries the fields that the published specification requires.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from simulator.account import Holding
from simulator.exchange import SHARDS, Exchange, Fill, ListedMarket, ListedProgram, account_value
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS, Order

Json = dict[str, Any]

USER_ID = "simulated-user"

MARKET_FILTERS = {
    "unopened": "initialized",
    "open": "active",
    "paused": "inactive",
    "closed": "closed",
    "settled": "finalized",
}
"""The status that a list of markets is asked for, and the one that a market shows."""

PROGRAM_TYPES = ("all", "liquidity", "volume", "margin_maker_volume", "margin_taker_volume")
PROGRAM_STATUSES = ("all", "active", "upcoming", "closed", "paid_out")


def error(code: str, message: str, details: str = "") -> Json:
    return {"code": code, "message": message} | ({"details": details} if details else {})


def price(pips: int) -> str:
    return f"{pips // DOLLAR_PIPS}.{pips % DOLLAR_PIPS:04d}"


def contracts(units: int) -> str:
    sign, units = ("-" if units < 0 else ""), abs(units)
    return f"{sign}{units // CONTRACT}.{units % CONTRACT:02d}"


def dollars(micros: int) -> str:
    """Up to six decimals, four at the least, as the exchange writes cash."""
    sign, micros = ("-" if micros < 0 else ""), abs(micros)
    text = f"{micros // DOLLAR}.{micros % DOLLAR:06d}"
    return sign + (text[:-2] if text.endswith("00") else text)


def moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def exchange_status() -> Json:
    active = {"exchange_active": True, "trading_active": True, "intra_exchange_transfers_active": True}
    shards = [{"exchange_index": n, "description": name} | active for n, name in SHARDS.items()]
    return active | {"exchange_index_statuses": shards}


def program_status(program: ListedProgram, now: float) -> str:
    if program.paid_out:
        return "paid_out"
    if now < program.starts:
        return "upcoming"
    return "active" if now < program.ends else "closed"


def program(listed: ListedProgram) -> Json:
    return {
        "id": listed.program_id,
        "market_id": f"market-of-{listed.ticker}",
        "market_ticker": listed.ticker,
        "incentive_type": listed.kind,
        "incentive_description": "",
        "start_date": moment(listed.starts),
        "end_date": moment(listed.ends),
        "period_reward": listed.reward,
        "paid_out": listed.paid_out,
        "discount_factor_bps": listed.discount_bps,
        "target_size_fp": None if listed.target is None else contracts(listed.target),
    }


def market(listed: ListedMarket) -> Json:
    bid, ask = listed.book.bids.best(), listed.book.asks.best()
    bid_size = listed.book.bids.size_at(bid) if bid is not None else 0
    ask_size = listed.book.asks.size_at(ask) if ask is not None else 0
    yes_bid, yes_ask = bid or 0, DOLLAR_PIPS if ask is None else ask
    return {
        "ticker": listed.ticker,
        "event_ticker": listed.event_ticker,
        "market_type": "binary",
        "yes_sub_title": listed.title,
        "no_sub_title": listed.title,
        "created_time": moment(listed.opened),
        "updated_time": moment(listed.opened),
        "open_time": moment(listed.opened),
        "close_time": moment(listed.closes),
        "expected_expiration_time": moment(listed.closes),
        "latest_expiration_time": moment(listed.closes + 7 * 86_400),
        "settlement_timer_seconds": 3_600,
        "status": listed.status,
        "notional_value_dollars": price(DOLLAR_PIPS),
        "yes_bid_dollars": price(yes_bid),
        "yes_ask_dollars": price(yes_ask),
        "no_bid_dollars": price(DOLLAR_PIPS - yes_ask),
        "no_ask_dollars": price(DOLLAR_PIPS - yes_bid),
        "yes_bid_size_fp": contracts(bid_size),
        "yes_ask_size_fp": contracts(ask_size),
        "last_price_dollars": price(listed.last_price),
        "previous_yes_bid_dollars": price(yes_bid),
        "previous_yes_ask_dollars": price(yes_ask),
        "previous_price_dollars": price(listed.last_price),
        "volume_fp": contracts(listed.volume),
        "volume_24h_fp": contracts(listed.volume),
        "open_interest_fp": contracts(listed.volume),
        "result": "",
        "can_close_early": False,
        "expiration_value": "",
        "rules_primary": "Simulated: resolves to nothing anybody is owed.",
        "rules_secondary": "",
        "price_level_structure": listed.structure,
        "price_ranges": [
            {"start": price(start), "end": price(end), "step": price(step)} for start, end, step in listed.ranges
        ],
        "settlement_bounds_type": "default",
        "exchange_index": listed.shard,
    }


def orderbook(listed: ListedMarket) -> Json:
    """Bids of both sides, lowest first. An ask at p is shown as a NO bid at 1 - p."""
    yes = [[price(p), contracts(size)] for p, size in listed.book.bids.levels()]
    no = [[price(DOLLAR_PIPS - p), contracts(size)] for p, size in reversed(listed.book.asks.levels())]
    return {"ticker": listed.ticker, "orderbook_fp": {"yes_dollars": yes, "no_dollars": no}}


def balance(exchange: Exchange, owner: str) -> Json:
    account = exchange.accounts[owner]
    shards = {n: account.available(n, exchange.resting(owner, n)) for n in SHARDS}
    total = sum(shards.values())
    return {
        "balance": total * 100 // DOLLAR,
        "balance_dollars": dollars(total),
        "portfolio_value": account_value(exchange, owner) * 100 // DOLLAR,
        "updated_ts": int(exchange.now),
        "balance_breakdown": [{"exchange_index": n, "balance": dollars(cash)} for n, cash in shards.items()],
    }


def positions(exchange: Exchange, held: Iterable[tuple[str, Holding]]) -> Json:
    rows = list(held)
    events: dict[str, list[Holding]] = {}
    for ticker, holding in rows:
        events.setdefault(exchange.markets[ticker].event_ticker, []).append(holding)
    return {
        "market_positions": [
            {
                "ticker": ticker,
                "exchange_index": exchange.markets[ticker].shard,
                "total_traded_dollars": dollars(holding.traded),
                "position_fp": contracts(holding.count),
                "market_exposure_dollars": dollars(holding.cost),
                "realized_pnl_dollars": dollars(holding.realized),
                "fees_paid_dollars": dollars(holding.fees),
                "last_updated_ts": moment(holding.updated),
            }
            for ticker, holding in rows
        ],
        "event_positions": [
            {
                "event_ticker": event,
                "total_cost_dollars": dollars(sum(h.traded for h in holdings)),
                "total_cost_shares_fp": contracts(sum(abs(h.count) for h in holdings)),
                "event_exposure_dollars": dollars(sum(h.cost for h in holdings)),
                "realized_pnl_dollars": dollars(sum(h.realized for h in holdings)),
                "fees_paid_dollars": dollars(sum(h.fees for h in holdings)),
            }
            for event, holdings in events.items()
        ],
    }


def order(exchange: Exchange, o: Order) -> Json:
    return {
        "order_id": o.order_id,
        "user_id": USER_ID,
        "client_order_id": o.client_order_id,
        "ticker": o.ticker,
        "outcome_side": "yes" if o.is_bid else "no",
        "book_side": "bid" if o.is_bid else "ask",
        "type": "limit",
        "status": o.status,
        "yes_price_dollars": price(o.price),
        "no_price_dollars": price(DOLLAR_PIPS - o.price),
        "fill_count_fp": contracts(o.filled),
        "remaining_count_fp": contracts(o.remaining),
        "initial_count_fp": contracts(o.size),
        "taker_fees_dollars": dollars(o.taker_fees),
        "maker_fees_dollars": dollars(0),
        "taker_fill_cost_dollars": dollars(o.taker_cost),
        "maker_fill_cost_dollars": dollars(o.maker_cost),
        "expiration_time": None if o.expires is None else moment(o.expires),
        "created_time": moment(o.created),
        "last_update_time": moment(o.updated),
        "self_trade_prevention_type": o.self_trade_prevention,
        "order_group_id": None,
        "cancel_order_on_pause": o.cancel_on_pause,
        "subaccount_number": 0,
        "exchange_index": exchange.markets[o.ticker].shard,
    }


def created(o: Order, fills: list[Fill], now: float) -> Json:
    """The flat answer to a create. Averages only where something was filled."""
    answer: Json = {
        "order_id": o.order_id,
        "client_order_id": o.client_order_id,
        "fill_count": contracts(o.filled),
        "remaining_count": contracts(o.remaining),
        "ts_ms": int(now * 1000),
    }
    if o.filled:
        paid = sum(f.price * f.size for f in fills)
        answer["average_fill_price"] = dollars(round(paid * 100 / o.filled))
        answer["average_fee_paid"] = dollars(round(sum(f.fee for f in fills) * CONTRACT / o.filled))
    return answer


def canceled(o: Order, withdrawn: int, now: float) -> Json:
    return {
        "order_id": o.order_id,
        "client_order_id": o.client_order_id,
        "reduced_by": contracts(withdrawn),
        "ts_ms": int(now * 1000),
    }


def fill(f: Fill) -> Json:
    return {
        "fill_id": f.fill_id,
        "trade_id": f.fill_id,
        "order_id": f.order_id,
        "ticker": f.ticker,
        "market_ticker": f.ticker,
        "exchange_index": f.shard,
        "outcome_side": "yes" if f.is_bid else "no",
        "book_side": "bid" if f.is_bid else "ask",
        "count_fp": contracts(f.size),
        "yes_price_dollars": price(f.price),
        "no_price_dollars": price(DOLLAR_PIPS - f.price),
        "is_taker": f.is_taker,
        "fee_cost": dollars(f.fee),
        "created_time": moment(f.time),
        "ts": int(f.time),
        "subaccount_number": 0,
    }
