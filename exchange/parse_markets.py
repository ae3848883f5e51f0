"""Parse the exchange's public objects into `exchange/models.py`.

Promise:
- A result is exact and complete, or an `Unreadable` names the request and the wrong field.

Wire format: prices "0.5600" and counts "10.00" are strings. Rewards are integers of 1/10,000 dollar.
Order books list the bids of both sides. The best is last by the exchange's documentation and first by its
specification, so they are sorted here.
"""

from __future__ import annotations

import re
from datetime import time
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter

from exchange.errors import Unreadable
from exchange.json_fields import JsonObject
from exchange.models import (
    Candle,
    Event,
    ExchangeStatus,
    FeeType,
    IncentiveType,
    Market,
    MarketStatus,
    Program,
    PublicTrade,
    Schedule,
    Series,
    WeeklyHours,
)
from exchange.orderbook import ONE_DOLLAR, Book, Level, PriceGrid, PriceRange, Side

CENTI_CENTS = Decimal(10_000)
"""Units of `period_reward` and `max_reward_per_account` in a dollar."""


MOST_KNOWN = 1 << 15
"""Maximum number of cached book prices, and of sizes: a few megabytes."""


_HOUR = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])(?::[0-5][0-9])?", re.ASCII)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_PAYOUTS = {"yes": Decimal(1), "no": Decimal(0)}


def program(f: JsonObject) -> Program:
    discount = f.optional("discount_factor_bps", f.integer)
    cap = f.optional("max_reward_per_account", f.integer)
    start, end = f.time("start_date"), f.time("end_date")
    if end <= start:
        raise f.wrong("end_date", "should be later than start_date")
    return Program(
        id=f.text("id"),
        ticker=f.text("market_ticker"),
        type=f.enum("incentive_type", IncentiveType),
        start=start,
        end=end,
        reward=Decimal(f.integer("period_reward")) / CENTI_CENTS,
        paid_out=f.boolean("paid_out"),
        target=f.optional("target_size_fp", f.decimal),
        discount=None if discount is None else Decimal(discount) / 10_000,
        cap=None if cap is None else Decimal(cap) / CENTI_CENTS,
    )


def market(f: JsonObject) -> Market:
    ranges = tuple(
        PriceRange(r.decimal("start"), r.decimal("end"), r.decimal("step")) for r in f.objects("price_ranges")
    )
    try:
        grid = _grid(ranges)
    except ValueError as error:
        raise f.wrong("price_ranges", f"should be a price grid ({error})") from None
    volume = f.decimal("volume_24h_fp")
    if volume < 0:
        raise f.wrong("volume_24h_fp", "should be contracts, at least 0")
    return Market(
        ticker=f.text("ticker"),
        event_ticker=f.text("event_ticker"),
        status=f.enum("status", MarketStatus),
        close_time=f.time("close_time"),
        grid=grid,
        exchange_index=f.optional("exchange_index", f.integer),
        expected_resolution=f.optional("expected_expiration_time", f.time),
        volume_24h=volume,
        opened=f.optional("open_time", f.time),
        settled=f.optional("settlement_ts", f.time),
        yes_payout=_yes_payout(f),
    )


def _yes_payout(f: JsonObject) -> Decimal | None:
    """What a YES contract paid, by its value or else by the market's result."""
    value = f.optional("settlement_value_dollars", f.decimal)
    result = f.optional("result", f.text)
    return value if value is not None or result is None else _PAYOUTS.get(result)


@lru_cache(maxsize=64)
def _grid(ranges: tuple[PriceRange, ...]) -> PriceGrid:
    """Return one object per grid, so that all its markets share its price cache."""
    return PriceGrid(ranges)


def book(f: JsonObject) -> Book:
    sides = f.nested("orderbook_fp") if f.has("orderbook_fp") else JsonObject(f.source, {})
    return Book(f.text("ticker"), _levels(sides, "yes_dollars"), _levels(sides, "no_dollars"))


def _levels(f: JsonObject, name: str) -> tuple[Level, ...]:
    levels: list[Level] = []
    new = tuple.__new__  # creates a `Level` without its own call: a board has 250,000
    for pair in f.items(name):
        if not isinstance(pair, list) or len(pair) != 2:
            raise f.wrong(name, "should hold [price, size] pairs")
        price, size = pair
        try:
            levels.append(new(Level, (_PRICES[price], _SIZES[size])))
        except (TypeError, ValueError, Unreadable):
            f.decimal_text(name, price)
            f.decimal_text(name, size)
            raise f.wrong(name, "should hold prices up to a dollar and sizes") from None
    levels.sort(key=itemgetter(0), reverse=True)
    return tuple(levels)


class DecimalCache(dict[str, Decimal]):
    """A cache of a book's numbers by their text; each is checked once, 0 to `most`.

    A lookup returns the same object each time. A `Decimal` caches its hash, which costs more to compute than the
    number itself."""

    def __init__(self, most: Decimal) -> None:
        super().__init__()
        self._most = most

    def __missing__(self, text: str) -> Decimal:
        number = JsonObject("", {}).decimal_text("", text)
        if not 0 <= number <= self._most:
            raise ValueError
        if len(self) == MOST_KNOWN:
            self.clear()
        self[text] = number
        return number


_PRICES, _SIZES = DecimalCache(ONE_DOLLAR), DecimalCache(Decimal("Infinity"))


def candles(f: JsonObject) -> tuple[Candle, ...]:
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


def _closing(f: JsonObject, side: str) -> Decimal | None:
    """Return the last best price of a candle, None if the side was empty.

    The exchange omits an empty side, or sends null, 0 for a bid or a dollar for an ask."""
    spread = f.optional(side, f.nested)
    price = spread.optional("close_dollars", spread.decimal) if spread else None
    return None if price is None or not 0 < price < 1 else price


def trade(f: JsonObject) -> PublicTrade:
    """Parse a public trade. One that is not called a block trade is none."""
    price, count = f.decimal("yes_price_dollars"), f.decimal("count_fp")
    if not 0 <= price <= ONE_DOLLAR:
        raise f.wrong("yes_price_dollars", "should be a price up to a dollar")
    if count <= 0:
        raise f.wrong("count_fp", "should be contracts, above 0")
    return PublicTrade(
        trade_id=f.text("trade_id"),
        ticker=f.text("ticker"),
        yes_price=price,
        count=count,
        taker_side=f.enum("taker_outcome_side", Side),
        time=f.time("created_time"),
        is_block=f.optional("is_block_trade", f.boolean) or False,
    )


def series(f: JsonObject) -> Series:
    return Series(f.text("ticker"), f.enum("fee_type", FeeType), f.number("fee_multiplier"))


def event(f: JsonObject) -> Event:
    return Event(
        ticker=f.text("event_ticker"),
        series_ticker=f.text("series_ticker"),
        mutually_exclusive=f.boolean("mutually_exclusive"),
        fee_type=f.enum("fee_type_override", FeeType) if f.has("fee_type_override") else None,
        fee_multiplier=f.optional("fee_multiplier_override", f.number),
    )


def exchange_status(f: JsonObject) -> ExchangeStatus:
    return ExchangeStatus(
        trading=f.boolean("exchange_active") and f.boolean("trading_active"),
        trading_by_shard={
            shard.integer("exchange_index"): shard.boolean("exchange_active") and shard.boolean("trading_active")
            for shard in f.objects("exchange_index_statuses")
        },
        resumes=f.optional("exchange_estimated_resume_time", f.time),
    )


def schedule(f: JsonObject) -> Schedule:
    inner = f.nested("schedule")
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


def _hour(f: JsonObject, name: str) -> time:
    found = _HOUR.fullmatch(f.text(name))
    if found is None:
        raise f.wrong(name, "should be hours and minutes")
    return time(int(found[1]) % 24, int(found[2]))
