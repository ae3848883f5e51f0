"""The exchange's nouns as frozen values; those of the account are in `exchange/account.py`. No rule, no
clock, no file and no network lives here.

Promise: whoever holds one of these holds money that is exact and a time that knows its zone. Most are named
tuples, quick to make, for a board has a quarter of a million levels; those with a `count` cannot be.

* Prices and cash are `Decimal` dollars, sizes are `Decimal` contracts (the exchange's smallest is 0.01).
* Times are aware `datetime`s in UTC.
* Every order is seen as a **bid**: buying YES at p, or buying NO at q. Selling YES at p *is* buying NO at
  1 - p, on the exchange's one book as here, so nothing else is needed. Prices are always those of the side
  named. Only `order_payloads.py` translates to the wire's YES-only `bid`/`ask`.
"""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from exchange.orderbook import ONE_DOLLAR, Bid, PriceGrid, Side

_HOUR, _DAY = 3_600.0, 86_400.0


class OrderStatus(Enum):
    RESTING = "resting"
    CANCELED = "canceled"
    EXECUTED = "executed"


class TimeInForce(Enum):
    GOOD_TILL_CANCELED = "good_till_canceled"
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel"


class SelfTradePrevention(Enum):
    """Whose order gives way when two of ours would meet."""

    TAKER_AT_CROSS = "taker_at_cross"
    MAKER = "maker"


class MarketStatus(Enum):
    INITIALIZED = "initialized"
    INACTIVE = "inactive"
    ACTIVE = "active"
    CLOSED = "closed"
    DETERMINED = "determined"
    DISPUTED = "disputed"
    AMENDED = "amended"
    FINALIZED = "finalized"


class IncentiveType(Enum):
    LIQUIDITY = "liquidity"
    VOLUME = "volume"
    MARGIN_MAKER_VOLUME = "margin_maker_volume"
    MARGIN_TAKER_VOLUME = "margin_taker_volume"


class Market(NamedTuple):
    """One yes/no question. `exchange_index` is the shard that holds its book and its collateral; None where the
    exchange does not say, and finds it by the ticker. `close_time` is when trading ends,
    `expected_resolution` when its outcome is expected to be known, None where nobody says. `volume_24h`:
    contracts traded in the last 24 hours, of which it may have been open, since `opened`, for a part only.
    `yes_payout`: dollars that a YES contract paid at its end, None before that, `settled` when."""

    ticker: str
    event_ticker: str
    status: MarketStatus
    close_time: datetime
    grid: PriceGrid
    exchange_index: int | None
    expected_resolution: datetime | None
    volume_24h: Decimal
    opened: datetime | None = None
    settled: datetime | None = None
    yes_payout: Decimal | None = None

    def volume_a_day(self, now: datetime) -> float:
        """Contracts a day that are traded lately: what a market saw that was listed this morning is not all that a
        day brings. Of its first hour nothing is concluded: it counts as a whole one."""
        volume = float(self.volume_24h)
        if not volume or self.opened is None:
            return volume
        open_for = (now - self.opened).total_seconds()
        return volume * _DAY / min(max(open_for, _HOUR), _DAY)

    @property
    def ends(self) -> datetime:
        """When trading ends or the outcome is expected, whichever is first."""
        expected = self.expected_resolution
        return self.close_time if expected is None else min(self.close_time, expected)


class Program(NamedTuple):
    """An incentive program of one market.

    `reward` and `cap` (the most one account may be paid, None for no cap) are dollars for the whole window
    from `start` to `end`; `target` contracts a side must hold before anyone on it is paid; `discount` is the
    factor per tick behind the reference price. `target` and `discount` may be None: such a program has no
    published score.
    """

    id: str
    ticker: str
    type: IncentiveType
    start: datetime
    end: datetime
    reward: Decimal
    paid_out: bool
    target: Decimal | None
    discount: Decimal | None
    cap: Decimal | None

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


class Order(NamedTuple):
    """An order of the account. Of `asked` contracts `filled` are done; `remaining` counts only while it rests.
    `fees` in dollars, over all fills. `created` and `updated`, when it came and when it last changed, where the
    exchange tells it. `group_id`: the order group it belongs to."""

    order_id: str
    client_order_id: str
    ticker: str
    side: Side
    price: Decimal
    status: OrderStatus
    asked: Decimal
    filled: Decimal
    remaining: Decimal
    fees: Decimal
    exchange_index: int | None
    expires: datetime | None
    created: datetime | None = None
    updated: datetime | None = None
    group_id: str | None = None

    @property
    def bid(self) -> Bid:
        return Bid(self.side, self.price, self.remaining)


class ExchangeStatus(NamedTuple):
    """Whether the exchange, and each shard where it says so, takes orders now."""

    trading: bool
    trading_by_shard: dict[int, bool]
    resumes: datetime | None

    def trades(self, exchange_index: int | None) -> bool:
        return self.trading if exchange_index is None else self.trading_by_shard.get(exchange_index, self.trading)

    @property
    def trades_anywhere(self) -> bool:
        """Whether any part of the exchange takes orders."""
        return self.trading or any(self.trading_by_shard.values())


class Schedule(NamedTuple):
    """When the exchange is open. `hours`: the hours of a week from one time to another, by weekday (Monday is 0),
    each from opening to closing, in New York's time; midnight as a closing is the day's end. `windows`: planned
    maintenance, from and until."""

    hours: tuple[WeeklyHours, ...]
    windows: tuple[tuple[datetime, datetime], ...]


class WeeklyHours(NamedTuple):
    start: datetime
    end: datetime
    days: tuple[tuple[tuple[time, time], ...], ...]


class FeeType(Enum):
    QUADRATIC = "quadratic"
    QUADRATIC_WITH_MAKER_FEES = "quadratic_with_maker_fees"
    QUADRATIC_WITH_COMBO_MAKER_FEES = "quadratic_with_combo_maker_fees"
    FLAT = "flat"


class Series(NamedTuple):
    """A family of events, and the fee that its markets take unless an event says otherwise."""

    ticker: str
    fee_type: FeeType
    fee_multiplier: Decimal


class Event(NamedTuple):
    """What a group of markets is about. `mutually_exclusive`: at most one of them can settle YES. Its own fees,
    where it has any, go before those of its series."""

    ticker: str
    series_ticker: str
    mutually_exclusive: bool
    fee_type: FeeType | None
    fee_multiplier: Decimal | None


class Candle(NamedTuple):
    """A market's best YES bid and ask at the end of a minute, in dollars; None where a side was empty all the
    time."""

    ticker: str
    end: datetime
    yes_bid: Decimal | None
    yes_ask: Decimal | None

    @property
    def no_bid(self) -> Decimal | None:
        """Who offers YES at a price bids the rest of a dollar for NO."""
        return None if self.yes_ask is None else ONE_DOLLAR - self.yes_ask


class OrderRequest(NamedTuple):
    """An order to be sent. `expires` only with `GOOD_TILL_CANCELED`, `reduce_only` only without it: the
    exchange refuses the other pairings. `group_id`: the order group it belongs to, of its own shard."""

    ticker: str
    exchange_index: int | None
    client_order_id: str
    bid: Bid
    time_in_force: TimeInForce
    self_trade_prevention: SelfTradePrevention
    post_only: bool = False
    reduce_only: bool = False
    cancel_on_pause: bool = False
    expires: datetime | None = None
    group_id: str | None = None


class OrderResponse(NamedTuple):
    """What the exchange made of an `OrderRequest`. `average_fee` (dollars a contract) is None where nothing was
    filled."""

    order_id: str
    status: OrderStatus
    filled: Decimal
    remaining: Decimal
    average_fee: Decimal | None


class AmendResponse(NamedTuple):
    """What an amend did: contracts `filled` by it and `remaining` after it. None where the exchange says neither:
    nothing was filled and the size stayed, or an attempt whose answer was lost had done it already."""

    order_id: str
    filled: Decimal | None
    remaining: Decimal | None
