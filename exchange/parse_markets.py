"""The exchange's objects turned into `exchange/models.py` and `exchange/account.py`. Promise: what comes out is
exact and complete, or an `Unreadable` says which endpoint sent what field wrong.

Wire forms: prices "0.5600" and counts "10.00" are strings; rewards are integers of 1/10,000 dollar, payments
of a cent; order books list bids of both sides, the best at the end by the exchange's documentation and first by
its specification, so they are sorted here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any

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
from exchange.errors import Unreadable
from exchange.json_fields import Fields, without_ids
from exchange.models import (
    ONE_DOLLAR,
    AmendResponse,
    Book,
    Candle,
    Event,
    ExchangeStatus,
    FeeType,
    IncentiveType,
    Level,
    Market,
    MarketStatus,
    Order,
    OrderResponse,
    OrderStatus,
    PriceGrid,
    PriceRange,
    Program,
    Schedule,
    Series,
    Side,
    WeeklyHours,
)

CENTI_CENTS = Decimal(10_000)
"""Units of `period_reward` and `max_reward_per_account` in a dollar."""

CENTS = Decimal(100)

MOST_KNOWN = 1 << 15
"""Prices, and sizes, of books that are remembered at most: a few megabytes."""

DEAREST = 1_000
"""Tokens that a call can cost, at most: more would be waited for without end."""

_VERSION = re.compile(r"^/trade-api/v[0-9]+")
_HOUR = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])(?::[0-5][0-9])?", re.ASCII)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


# -- what is listed and traded -----------------------------------------------------------------------------------


def program(f: Fields) -> Program:
    discount = f.optional("discount_factor_bps", f.whole)
    cap = f.optional("max_reward_per_account", f.whole)
    start, end = f.time("start_date"), f.time("end_date")
    if end <= start:
        raise f.wrong("end_date", "should be later than start_date")
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
    ranges = tuple(
        PriceRange(r.decimal("start"), r.decimal("end"), r.decimal("step")) for r in f.objects("price_ranges")
    )
    try:
        grid = _grid(ranges)
    except ValueError as error:
        raise f.wrong("price_ranges", f"should be a price grid ({error})") from None
    volume = f.decimal("volume_24h_fp")
    if volume < 0:
        raise f.wrong("volume_24h_fp", "should be contracts, not fewer than none")
    return Market(
        ticker=f.text("ticker"),
        event_ticker=f.text("event_ticker"),
        status=f.enum("status", MarketStatus),
        close_time=f.time("close_time"),
        grid=grid,
        exchange_index=f.optional("exchange_index", f.whole),
        expected_resolution=f.optional("expected_expiration_time", f.time),
        volume_24h=volume,
        opened=f.optional("open_time", f.time),
        settled=f.optional("settlement_ts", f.time),
        yes_payout=f.optional("settlement_value_dollars", f.decimal),
    )


@lru_cache(maxsize=64)
def _grid(ranges: tuple[PriceRange, ...]) -> PriceGrid:
    """One object for all markets with that grid: what it remembers of its prices serves them all."""
    return PriceGrid(ranges)


def book(f: Fields) -> Book:
    sides = f.inner("orderbook_fp") if f.has("orderbook_fp") else Fields(f.source, {})
    return Book(f.text("ticker"), _levels(sides, "yes_dollars"), _levels(sides, "no_dollars"))


def _levels(f: Fields, name: str) -> tuple[Level, ...]:
    levels: list[Level] = []
    new = tuple.__new__  # as `Level` itself makes one, without its call: a board has a quarter of a million
    for pair in f.items(name):
        if not isinstance(pair, list) or len(pair) != 2:
            raise f.wrong(name, "should hold [price, size] pairs")
        price, size = pair
        try:
            levels.append(new(Level, (_PRICES[price], _SIZES[size])))
        except (TypeError, ValueError, Unreadable):
            f.exact(name, price)
            f.exact(name, size)
            raise f.wrong(name, "should hold prices up to a dollar and sizes") from None
    levels.sort(key=itemgetter(0), reverse=True)
    return tuple(levels)


class _Known(dict[str, Decimal]):
    """Numbers of books by how they are written, each checked once, 0 to `most`. They are the same objects each
    time: a `Decimal` remembers its hash, which costs more to find than the number itself."""

    def __init__(self, most: Decimal) -> None:
        super().__init__()
        self._most = most

    def __missing__(self, text: str) -> Decimal:
        number = Fields("", {}).exact("", text)
        if not 0 <= number <= self._most:
            raise ValueError
        if len(self) == MOST_KNOWN:
            self.clear()
        self[text] = number
        return number


_PRICES, _SIZES = _Known(ONE_DOLLAR), _Known(Decimal("Infinity"))


def candles(f: Fields) -> tuple[Candle, ...]:
    """One market's candles, oldest first."""
    ticker = f.text("market_ticker")
    return tuple(
        Candle(
            ticker=ticker,
            end=stick.unix("end_period_ts"),
            yes_bid=_closing(stick, "yes_bid"),
            yes_ask=_closing(stick, "yes_ask"),
        )
        for stick in f.objects("candlesticks")
    )


def _closing(f: Fields, side: str) -> Decimal | None:
    """The last best price of a candle. An empty side is left out, null, or told as no price at all: 0 for a bid,
    a dollar for an ask."""
    spread = f.optional(side, f.inner)
    price = spread.optional("close_dollars", spread.decimal) if spread else None
    return None if price is None or not 0 < price < 1 else price


def series(f: Fields) -> Series:
    return Series(f.text("ticker"), f.enum("fee_type", FeeType), f.number("fee_multiplier"))


def event(f: Fields) -> Event:
    return Event(
        ticker=f.text("event_ticker"),
        series_ticker=f.text("series_ticker"),
        mutually_exclusive=f.flag("mutually_exclusive"),
        fee_type=f.enum("fee_type_override", FeeType) if f.has("fee_type_override") else None,
        fee_multiplier=f.optional("fee_multiplier_override", f.number),
    )


def exchange_status(f: Fields) -> ExchangeStatus:
    return ExchangeStatus(
        trading=f.flag("exchange_active") and f.flag("trading_active"),
        trading_by_shard={
            shard.whole("exchange_index"): shard.flag("exchange_active") and shard.flag("trading_active")
            for shard in f.objects("exchange_index_statuses")
        },
        resumes=f.optional("exchange_estimated_resume_time", f.time),
    )


def schedule(f: Fields) -> Schedule:
    inner = f.inner("schedule")
    return Schedule(
        hours=tuple(
            WeeklyHours(
                start=week.time("start_time"),
                end=week.time("end_time"),
                days=tuple(
                    tuple((_hour(day, "open_time"), _hour(day, "close_time")) for day in week.objects(name))
                    for name in _DAYS
                ),
            )
            for week in inner.objects("standard_hours")
        ),
        windows=tuple(
            (window.time("start_datetime"), window.time("end_datetime"))
            for window in inner.objects("maintenance_windows")
        ),
    )


def _hour(f: Fields, name: str) -> time:
    found = _HOUR.fullmatch(f.text(name))
    if found is None:
        raise f.wrong(name, "should be hours and minutes")
    return time(int(found[1]) % 24, int(found[2]))


# -- the account -------------------------------------------------------------------------------------------------


def order(f: Fields) -> Order:
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
        exchange_index=f.optional("exchange_index", f.whole),
        expires=f.optional("expiration_time", f.time),
        created=f.optional("created_time", f.time),
        updated=f.optional("last_update_time", f.time),
        group_id=f.optional("order_group_id", f.text) or None,
    )


def order_response(f: Fields, asked: Decimal) -> OrderResponse:
    """The answer to a create, which names no status: `asked` contracts, less what was filled and what rests,
    were canceled at once (self-trade prevention, the rest of an immediate order)."""
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


def amend_response(f: Fields) -> AmendResponse:
    return AmendResponse(
        order_id=f.text("order_id"),
        filled=f.optional("fill_count", f.decimal),
        remaining=f.optional("remaining_count", f.decimal),
    )


def order_group(f: Fields) -> OrderGroup:
    return OrderGroup(
        id=f.identifier("id"),
        limit=f.optional("contracts_limit_fp", f.decimal),
        exchange_index=f.optional("exchange_index", f.whole) or 0,
    )


def position(f: Fields) -> Position:
    return Position(
        ticker=f.text("ticker"),
        count=f.decimal("position_fp"),
        exposure=f.decimal("market_exposure_dollars"),
        exchange_index=f.whole("exchange_index"),
        fees=f.optional("fees_paid_dollars", f.decimal) or Decimal(0),
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
        time=f.time("created_time") if f.has("created_time") else f.unix("ts"),
    )


def settlement(f: Fields) -> Settlement:
    payout = f.optional("value", f.whole)
    return Settlement(
        ticker=f.text("ticker"),
        event_ticker=f.text("event_ticker"),
        yes_count=f.decimal("yes_count_fp"),
        yes_cost=f.decimal("yes_total_cost_dollars"),
        no_count=f.decimal("no_count_fp"),
        no_cost=f.decimal("no_total_cost_dollars"),
        revenue=Decimal(f.whole("revenue")) / CENTS,
        fee=f.decimal("fee_cost"),
        yes_payout=None if payout is None else Decimal(payout) / CENTS,
        exchange_index=f.whole("exchange_index"),
        time=f.time("settled_time"),
    )


def payment(f: Fields) -> Payment:
    return Payment(
        id=f.text("id"),
        status=f.enum("status", PaymentStatus),
        amount=Decimal(f.whole("amount_cents")) / CENTS,
        fee=Decimal(f.whole("fee_cents")) / CENTS,
        created=f.unix("created_ts"),
        finalized=f.optional("finalized_ts", f.unix),
    )


def transfer(f: Fields) -> Transfer:
    return Transfer(
        id=f.text("transfer_id"),
        status=f.text("status"),
        amount=f.decimal("amount"),
        source_shard=f.whole("source_exchange_shard"),
        destination_shard=f.whole("destination_exchange_shard"),
        created=f.unix("created_ts"),
    )


def subaccount_transfer(f: Fields) -> SubaccountTransfer:
    return SubaccountTransfer(
        id=f.text("transfer_id"),
        amount=Decimal(f.whole("amount_cents")) / CENTS,
        from_subaccount=f.whole("from_subaccount"),
        to_subaccount=f.whole("to_subaccount"),
        created=f.unix("created_ts"),
    )


def balance(f: Fields) -> Balance:
    return Balance(
        available=f.decimal("balance_dollars"),
        by_shard={s.whole("exchange_index"): s.decimal("balance") for s in f.objects("balance_breakdown")},
    )


def limits(f: Fields) -> AccountLimits:
    return AccountLimits(f.text("usage_tier"), _bucket(f.inner("read")), _bucket(f.inner("write")))


def _bucket(f: Fields) -> BucketLimit:
    bucket = BucketLimit(f.whole("refill_rate"), f.whole("bucket_capacity"))
    if bucket.rate <= 0 or bucket.capacity <= 0:
        raise f.wrong("refill_rate", f"and bucket_capacity ({bucket.capacity}) should be above 0")
    return bucket


def endpoint_costs(f: Fields) -> EndpointCosts:
    return EndpointCosts(
        default=_cost(f, "default_cost"),
        table=tuple(
            (row.text("method"), _VERSION.sub("", row.text("path"), count=1), _cost(row, "cost"))
            for row in f.objects("endpoint_costs")
        ),
    )


def _cost(f: Fields, name: str) -> int:
    cost = f.whole(name)
    if not 1 <= cost <= DEAREST:
        raise f.wrong(name, f"should be tokens, 1 to {DEAREST}")
    return cost


# -- errors ------------------------------------------------------------------------------------------------------


def error_words(body: Any) -> tuple[str, str, str]:
    """(code, message, details) of an error body, in any of the four shapes the exchange uses, or the state that it
    answers with when it is down; empty strings where it says nothing. Long identifiers are cut to their
    beginning: a code may carry a user's."""
    if not isinstance(body, Mapping):
        return "", "", ""
    if "trading_active" in body:
        state = f"exchange active: {body.get('exchange_active')}, trading active: {body['trading_active']}"
        return "", without_ids(state), ""
    inner = body.get("error") or body
    if isinstance(inner, str):
        return "", without_ids(inner), ""
    if not isinstance(inner, Mapping):
        return "", "", ""
    message = inner.get("message") or inner.get("msg") or ""
    words = inner.get("code") or "", message, inner.get("details") or ""
    code, message, details = (without_ids(str(word)) for word in words)
    return code, message, details
