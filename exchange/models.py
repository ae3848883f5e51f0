"""The exchange's data types as frozen values: markets, programs, orders.

Promise:
- Prices and cash are exact `Decimal` dollars; sizes are `Decimal` contracts (the exchange's smallest is 0.01).
- Times are timezone-aware `datetime`s in UTC.
- The module holds no rules, and uses no clock, file or network.

Every order is a **bid**: to buy YES at p, or NO at q. To sell YES at p *is* to buy NO at 1 - p, on the exchange's
one book too, so bids are enough. A price is always that of the named side. Only `exchange/order_payloads.py`
translates to the wire's YES-only `bid`/`ask`.

Most classes are NamedTuples because they are cheap to create (a board has 250,000 levels). Those with a `count`
field are dataclasses: `count` is already a tuple method. The account's types are in `exchange/account.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from exchange.json_fields import PartialList
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
    """Which order is canceled if two of our orders would trade with each other."""

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
    """One yes/no question.

    - `exchange_index`: the shard of its book and collateral. If None, the exchange finds it by the ticker.
    - `close_time`: when trading ends. `expected_resolution`: when the outcome is expected, None if unknown.
    - `volume_24h`: contracts traded in the last 24 hours. It covers less if the market `opened` later.
    - `yes_payout`: dollars that a YES contract paid at settlement, None before. `settled`: when that was.
    """

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

    @property
    def shard(self) -> int:
        """The shard of the market; 0 if it is not named."""
        return self.exchange_index or 0

    def volume_a_day(self, now: datetime) -> float:
        """Recent volume in contracts per day.

        A market open for less than a day is scaled up to a full day; its first hour counts as a whole one."""
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

    `reward` and `cap` are dollars for the whole window from `start` to `end`. `cap` is the most that an account is
    paid (None: no cap). A side must hold `target` contracts before any order on it is paid. `discount` is the
    factor per tick behind the reference price. Without `target` or `discount` a program has no published score.
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
    """An order of the account.

    `asked` contracts were ordered and `filled` are done; `remaining` counts only while the order rests. `fees` are
    dollars over all fills. `created` and `updated` (last change) are None if the exchange does not give them.
    `group_id` is its order group."""

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
    def shard(self) -> int:
        """The shard of the order; 0 if it is not named."""
        return self.exchange_index or 0

    @property
    def bid(self) -> Bid:
        return Bid(self.side, self.price, self.remaining)


class ExchangeStatus(NamedTuple):
    """Whether the exchange, and each shard it lists, accepts orders now."""

    trading: bool
    trading_by_shard: dict[int, bool]
    resumes: datetime | None

    def trades(self, exchange_index: int | None) -> bool:
        return self.trading if exchange_index is None else self.trading_by_shard.get(exchange_index, self.trading)

    @property
    def trades_anywhere(self) -> bool:
        """Whether any part of the exchange accepts orders."""
        return self.trading or any(self.trading_by_shard.values())


class Schedule(NamedTuple):
    """When the exchange is open.

    `hours`: weekly hours, each valid from a start to an end. They are (opening, closing) by weekday, Monday first,
    in New York time. A closing at midnight is the end of the day. `windows`: (start, end) of planned
    maintenance."""

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
    """A family of events, and its markets' fee unless an event has its own."""

    ticker: str
    fee_type: FeeType
    fee_multiplier: Decimal


class Event(NamedTuple):
    """A group of markets on one subject.

    `mutually_exclusive`: at most one of them can settle YES. The event's own fees, if any, take precedence over
    those of its series."""

    ticker: str
    series_ticker: str
    mutually_exclusive: bool
    fee_type: FeeType | None
    fee_multiplier: Decimal | None


class Candle(NamedTuple):
    """A market's best YES bid and ask at the end of a minute, in dollars.

    None if the side was empty all the time."""

    ticker: str
    end: datetime
    yes_bid: Decimal | None
    yes_ask: Decimal | None

    @property
    def no_bid(self) -> Decimal | None:
        """The best NO bid: a YES ask at p is a NO bid at 1 - p."""
        return None if self.yes_ask is None else ONE_DOLLAR - self.yes_ask


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade between any two users, of `count` contracts at `yes_price` dollars.

    `taker_side`: what the taker bought; to sell YES is to buy NO. `is_block`: negotiated, so it took nothing from
    the book."""

    trade_id: str
    ticker: str
    yes_price: Decimal
    count: Decimal
    taker_side: Side
    time: datetime
    is_block: bool


@dataclass(frozen=True, slots=True)
class TradeList(PartialList[PublicTrade]):
    """A market's trades in a span of time, newest first, as far as they were read.

    `is_complete`: the span was read to its beginning. `read_from`: all that was traded after that time was read,
    though some of it may be unreadable. That is the span's beginning if the list is complete, and its end if pages
    are left and no trade was readable."""

    is_complete: bool = field(kw_only=True)
    read_from: datetime = field(kw_only=True)


class OrderRequest(NamedTuple):
    """An order to be sent.

    `expires` is allowed only with `GOOD_TILL_CANCELED`, `reduce_only` only without it: the exchange refuses the
    other pairings. `group_id` is its order group, on its own shard."""

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

    @property
    def shard(self) -> int:
        """The shard of the order; 0 if it is not named."""
        return self.exchange_index or 0


class OrderResponse(NamedTuple):
    """The exchange's answer to an `OrderRequest`.

    `average_fee` (dollars per contract) is None if nothing was filled."""

    order_id: str
    status: OrderStatus
    filled: Decimal
    remaining: Decimal
    average_fee: Decimal | None


class AmendResponse(NamedTuple):
    """An amend's result: contracts `filled` by it and `remaining` after it.

    Both are None if the exchange omits them. Then either nothing was filled and the size stayed, or an earlier
    attempt, whose answer was lost, had amended the order."""

    order_id: str
    filled: Decimal | None
    remaining: Decimal | None


def event_of(ticker: str) -> str:
    """Return a market's event by its ticker alone, which begins with the event's."""
    return ticker.rpartition("-")[0]
