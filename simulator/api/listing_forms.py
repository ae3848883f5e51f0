"""The JSON objects of public data, in the API's format.

Promise:
- Every object has the fields that the published specification requires.

The objects are markets, books, programs, series, events, trades and candles.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

from simulator.exchange import SHARDS, Exchange
from simulator.listing import (
    DAY,
    Grid,
    ListedEvent,
    ListedMarket,
    ListedProgram,
    ListedSeries,
    PublicTrade,
    Touch,
)
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS, Order
from simulator.pauses import eastern, next_maintenance

Json = dict[str, Any]

MARKET_FILTERS: dict[str, tuple[str, ...]] = {
    "unopened": ("initialized",),
    "open": ("active",),
    "paused": ("inactive",),
    "closed": ("closed", "determined", "disputed", "amended"),
    "settled": ("finalized",),
}
"""The `status` of a query for markets, and the statuses that the listed markets show."""

PROGRAM_TYPES = ("all", "liquidity", "volume", "margin_maker_volume", "margin_taker_volume")
PROGRAM_STATUSES = ("all", "active", "upcoming", "closed", "paid_out")

YEAR_ONE = "0001-01-01T00:00:00Z"
"""A time that the exchange does not know."""

_EARLY = "Simulated: the market closes early when its outcome is known."
_RULES = "Simulated: an outcome is drawn, and nobody is owed anything."


@lru_cache(maxsize=DOLLAR_PIPS + 1)
def price(pips: int) -> str:
    return f"{pips // DOLLAR_PIPS}.{pips % DOLLAR_PIPS:04d}"


def contracts(units: int) -> str:
    sign, units = ("-" if units < 0 else ""), abs(units)
    return f"{sign}{units // CONTRACT}.{units % CONTRACT:02d}"


def dollars(micros: int) -> str:
    """Cash as the exchange writes it: four decimals, or six if four are not exact."""
    sign, micros = ("-" if micros < 0 else ""), abs(micros)
    text = f"{micros // DOLLAR}.{micros % DOLLAR:06d}"
    return sign + (text[:-2] if text.endswith("00") else text)


def cost(micros: int) -> str:
    """A fee or a cost as the exchange writes it: always six decimals."""
    return f"{'-' if micros < 0 else ''}{abs(micros) // DOLLAR}.{abs(micros) % DOLLAR:06d}"


def unset(exchange: Exchange, optional: Json) -> Json:
    """The keys of an object that may be unset: as they are, or without those that are."""
    if not exchange.reading.leaves_out_unset:
        return optional
    return {name: value for name, value in optional.items() if value is not None and value is not False}


def moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def http_date(unix: float) -> str:
    """A time in the format of a `Date` header."""
    return format_datetime(datetime.fromtimestamp(unix, timezone.utc), usegmt=True)


def trade_id(exchange: Exchange, number: int) -> str:
    """The id of a trade, and of each fill in it."""
    return _trade_id(exchange.seed, number)


@lru_cache(maxsize=10_000)
def _trade_id(seed: int, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed}:{number}"))


def exchange_status(exchange: Exchange) -> Json:
    shards = [{"exchange_index": n, "description": name} | _active(exchange, n) for n, name in SHARDS.items()]
    return _active(exchange, 0) | {"exchange_index_statuses": shards}


def _active(exchange: Exchange, shard: int) -> Json:
    pause = exchange.pause_on(shard)
    return {
        "exchange_active": pause != "exchange",
        "trading_active": pause is None,
        "intra_exchange_transfers_active": pause != "exchange",
    }


def schedule(now: float) -> Json:
    """Trading hours: around the clock, except for the weekly pause.

    The pause shows in Thursday's hours and as the next maintenance window."""
    whole = [{"open_time": "00:00", "close_time": "00:00"}]
    thursday = [{"open_time": "00:00", "close_time": "03:00"}, {"open_time": "05:00", "close_time": "00:00"}]
    days = dict.fromkeys(("monday", "tuesday", "wednesday", "friday", "saturday", "sunday"), whole)
    start = datetime.fromtimestamp(now, eastern()).replace(month=1, day=1, hour=0, minute=0, second=0)
    starts, ends = next_maintenance(now)
    return {
        "schedule": {
            "standard_hours": [
                days
                | {
                    "thursday": thursday,
                    "start_time": moment(start.timestamp()),
                    "end_time": moment((start + timedelta(days=730)).timestamp()),
                }
            ],
            "maintenance_windows": [{"start_datetime": moment(starts), "end_datetime": moment(ends)}],
        }
    }


def program_status(program: ListedProgram, now: float) -> str:
    if program.paid_out:
        return "paid_out"
    if now < program.starts:
        return "upcoming"
    return "active" if now < program.ends else "closed"


def program(exchange: Exchange, listed: ListedProgram) -> Json:
    form: Json = {
        "id": listed.program_id,
        "market_id": str(uuid.uuid5(uuid.NAMESPACE_OID, listed.ticker)),
        "market_ticker": listed.ticker,
        "incentive_type": listed.kind,
        "incentive_description": "",
        "start_date": moment(listed.starts),
        "end_date": moment(listed.ends),
        "period_reward": listed.reward,
        "paid_out": listed.paid_out,
    }
    return form | unset(
        exchange,
        {
            "discount_factor_bps": listed.discount_bps,
            "target_size_fp": None if listed.target is None else contracts(listed.target),
            "max_reward_per_account": listed.cap,
        },
    )


def market(exchange: Exchange, listed: ListedMarket) -> Json:
    """A market. Its quotes and its last price lag behind its book."""
    now = exchange.now
    quote = listed.quote_at(now - exchange.reading.quote_lag(exchange.seed, listed.ticker))
    bid, ask = quote.bid, quote.ask or DOLLAR_PIPS
    yesterday = listed.touch_at(now - DAY)
    before = (yesterday.bid, yesterday.ask or DOLLAR_PIPS, yesterday.last) if yesterday else (0, DOLLAR_PIPS, 0)
    form: Json = {
        "ticker": listed.ticker,
        "event_ticker": listed.event.ticker,
        "market_type": "binary",
        "title": listed.title,
        "subtitle": listed.title,
        "yes_sub_title": listed.title,
        "no_sub_title": listed.title,
        "created_time": moment(listed.opened),
        "updated_time": moment(listed.updated),
        "open_time": moment(listed.opened),
        "close_time": moment(listed.closes),
        "expected_expiration_time": moment(listed.resolves or listed.closes),
        "expiration_time": moment(listed.closes + 7 * DAY),
        "latest_expiration_time": moment(listed.closes + 7 * DAY),
        "occurrence_datetime": moment(listed.resolves or listed.closes),
        "settlement_timer_seconds": int(listed.settlement_timer),
        "status": listed.status,
        "notional_value_dollars": price(DOLLAR_PIPS),
        "yes_bid_dollars": price(bid),
        "yes_ask_dollars": price(ask),
        "no_bid_dollars": price(DOLLAR_PIPS - ask),
        "no_ask_dollars": price(DOLLAR_PIPS - bid),
        "yes_bid_size_fp": contracts(quote.bid_size),
        "yes_ask_size_fp": contracts(quote.ask_size),
        "last_price_dollars": price(quote.last),
        "previous_yes_bid_dollars": price(before[0]),
        "previous_yes_ask_dollars": price(before[1]),
        "previous_price_dollars": price(before[2]),
        "volume_fp": contracts(listed.total_volume),
        "volume_24h_fp": contracts(listed.volume_since(now - DAY)),
        "open_interest_fp": contracts(listed.total_volume),
        "result": listed.result,
        "can_close_early": True,
        "early_close_condition": _EARLY,
        "expiration_value": listed.result,
        "rules_primary": _RULES,
        "rules_secondary": "",
        "price_level_structure": listed.grid.structure,
        "price_ranges": ranges(listed.grid),
        "settlement_bounds_type": "default",
        "exchange_index": listed.shard,
        **_strike(listed),
    }
    if listed.payout is not None:
        form["settlement_value_dollars"] = price(listed.payout)
    if listed.settled is not None:
        form["settlement_ts"] = moment(listed.settled)
    if listed.event.combo:
        form["mve_collection_ticker"] = listed.event.series.ticker
    return form


def _strike(listed: ListedMarket) -> Json:
    """What a market's YES stands for, as far as it is told in numbers."""
    if listed.strikes is None:
        return {"strike_type": "custom", "custom_strike": {"Outcome": listed.title}}
    floor, cap = listed.strikes
    if cap is None:
        return {"strike_type": "greater", "floor_strike": floor}
    return {"strike_type": "between", "floor_strike": floor, "cap_strike": cap}


def ranges(grid: Grid) -> list[Json]:
    return [{"start": price(start), "end": price(end), "step": price(step)} for start, end, step in grid.ranges]


def orderbook(exchange: Exchange, listed: ListedMarket, depth: int = 0) -> Json:
    """The best `depth` bids of each side (0: all), best last.

    An ask at p is a NO bid at 1 - p. An account's order that the public book does not show yet is left out."""
    hidden = [o for o in listed.owned.values() if not exchange.reading.shows_in_book(o, exchange.now)]
    bids, asks = (_without(half.levels(), hidden) for half in (listed.book.bids, listed.book.asks))
    yes = [[price(p), contracts(size)] for p, size in bids]
    no = [[price(DOLLAR_PIPS - p), contracts(size)] for p, size in reversed(asks)]
    return {"yes_dollars": yes[-depth:], "no_dollars": no[-depth:]}


def _without(levels: list[tuple[int, int]], hidden: Sequence[Order]) -> list[tuple[int, int]]:
    """The levels of one side without some orders.

    These may be of both sides, which have no price in common."""
    out = Counter[int]()
    for order in hidden:
        out[order.price] += order.remaining
    return [(p, size - out[p]) for p, size in levels if size > out[p]] if hidden else levels


def trade(exchange: Exchange, t: PublicTrade) -> Json:
    return {
        "trade_id": trade_id(exchange, t.number),
        "ticker": t.ticker,
        "count_fp": contracts(t.size),
        "yes_price_dollars": price(t.price),
        "no_price_dollars": price(DOLLAR_PIPS - t.price),
        "taker_side": "yes" if t.taker_is_bid else "no",
        "taker_outcome_side": "yes" if t.taker_is_bid else "no",
        "taker_book_side": "bid" if t.taker_is_bid else "ask",
        "created_time": moment(t.time),
        "is_block_trade": False,
    }


def series(listed: ListedSeries) -> Json:
    return {
        "ticker": listed.ticker,
        "frequency": listed.frequency,
        "title": listed.title,
        "category": listed.category,
        "categories": [listed.category],
        "tags": [],
        "settlement_sources": [],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": listed.fees.kind,
        "fee_multiplier": listed.fees.percent / 100,
        "additional_prohibitions": [],
        "exchange_index": listed.shard,
    }


def event(exchange: Exchange, listed: ListedEvent) -> Json:
    form: Json = {
        "event_ticker": listed.ticker,
        "series_ticker": listed.series.ticker,
        "sub_title": "",
        "title": listed.title,
        "collateral_return_type": "",
        "mutually_exclusive": listed.exclusive,
        "category": listed.series.category,
        "settlement_sources": [],
        "product_metadata": {},
        "last_updated_ts": YEAR_ONE,
        "exchange_index": listed.series.shard,
    }
    fees = listed.fees
    return form | unset(
        exchange,
        {
            "strike_date": None if listed.strike_date is None else moment(listed.strike_date),
            "fee_type_override": None if fees is None else fees.kind,
            "fee_multiplier_override": None if fees is None else fees.percent / 100,
        },
    )


def candlesticks(listed: ListedMarket, start: int, end: int, seconds: int) -> Iterator[Json]:
    """Yield the candles of the periods that end in [start, end], Unix seconds.

    They start with the first book that is recorded for the market. A missing best bid counts as 0, a missing best
    ask as a dollar."""
    touches = list(listed.touches)
    if not touches:
        return
    first = -(-max(start, int(touches[0].time) + 1) // seconds) * seconds
    times = [touch.time for touch in touches]
    for ends in range(first, end + 1, seconds):
        before = max(bisect_left(times, ends - seconds) - 1, 0)
        inside = touches[before : bisect_left(times, ends)]
        yield _candle(inside or [touches[before]], ends, ends - seconds, listed.earlier_volume)


def _candle(touches: Sequence[Touch], ends: int, starts: int, earlier_volume: int) -> Json:
    """The candle of a period.

    `touches` are those of the period, preceded by the last earlier one, if there is one."""
    opening = touches[0]
    later = [t for t in touches if t.time >= starts]
    traded = [t.last for before, t in pairwise(touches) if t.volume > before.volume and t.time >= starts]
    known = later or [opening]
    quotes = touches if touches[0].time < starts else known
    volume = touches[-1].volume - opening.volume
    prices: Json = {}
    if traded:
        prices = _spread(traded) | {"mean_dollars": price(round(sum(traded) / len(traded)))}
    if opening.last and opening.time < starts:
        prices["previous_dollars"] = price(opening.last)
    return {
        "end_period_ts": ends,
        "yes_bid": _spread([t.bid for t in quotes]),
        "yes_ask": _spread([t.ask or DOLLAR_PIPS for t in quotes]),
        "price": prices,
        "volume_fp": contracts(volume),
        "open_interest_fp": contracts(earlier_volume + touches[-1].volume),
    }


def _spread(pips: Sequence[int]) -> Json:
    return {
        "open_dollars": price(pips[0]),
        "low_dollars": price(min(pips)),
        "high_dollars": price(max(pips)),
        "close_dollars": price(pips[-1]),
    }
