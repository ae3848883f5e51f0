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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import ROUND_FLOOR, Decimal
from enum import Enum
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

ONE_DOLLAR = Decimal(1)

_HOUR, _DAY = 3_600.0, 86_400.0
MOST_PRICES = 10_001
"""Prices of the finest grid there is, and what is remembered of a side's at most."""


class Side(Enum):
    """An outcome of a market, as the log and the exchange spell it."""

    YES = "yes"
    NO = "no"

    @property
    def other(self) -> Side:
        return Side.NO if self is Side.YES else Side.YES


YES, NO = SIDES = Side.YES, Side.NO
"""For who scores a board: to look a member up in its class costs more than what is done with it."""


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


class PriceRange(NamedTuple):
    """A stretch of YES prices in dollars, `start` to `end`, in steps of `step`."""

    start: Decimal
    end: Decimal
    step: Decimal


@dataclass(frozen=True)
class PriceGrid:
    """The prices a market accepts, and how far apart they are, counted in grid steps ("ticks").

    The exchange gives the grid in YES prices. A NO bid at q rests as a YES ask at 1 - q, so NO prices
    live on the mirrored grid. Ticks count up from the lowest price of the side asked for. What is on the grid is
    counted once and remembered: a board asks for the same prices a hundred thousand times.
    """

    ranges: tuple[PriceRange, ...]

    def __post_init__(self) -> None:
        ordered = sorted(self.ranges, key=lambda r: r.start)
        if not ordered:
            raise ValueError("a price grid needs at least one range")
        for stretch in ordered:
            if not (stretch.step > 0 and 0 <= stretch.start < stretch.end <= 1):
                raise ValueError(f"impossible price range {stretch}")
            if (stretch.end - stretch.start) % stretch.step:
                raise ValueError(f"price range {stretch} is not a whole number of steps")
        for lower, upper in pairwise(ordered):
            if lower.end != upper.start:
                raise ValueError(f"price ranges {lower} and {upper} leave a gap or overlap")
        object.__setattr__(self, "ranges", tuple(ordered))

    @cached_property
    def _steps(self) -> int:
        return int(self._steps_up_to(self.ranges[-1].end))

    def _steps_up_to(self, yes_price: Decimal) -> Decimal:
        """Grid steps from the grid's start up to a YES price; not whole where the price is off the grid."""
        return sum(
            ((min(yes_price, r.end) - r.start) / r.step for r in self.ranges if yes_price > r.start),
            start=Decimal(0),
        )

    def _yes_price(self, steps: int) -> Decimal:
        price, left = self.ranges[0].start, steps
        for stretch in self.ranges:
            here = min(left, int((stretch.end - stretch.start) / stretch.step))
            price += here * stretch.step
            left -= here
        return price

    def _yes_ticks(self, price: Decimal) -> int:
        return int(self._steps_up_to(price).to_integral_value(ROUND_FLOOR))

    def _no_ticks(self, price: Decimal) -> int:
        return int((self._steps - self._steps_up_to(ONE_DOLLAR - price)).to_integral_value(ROUND_FLOOR))

    def _no_price(self, steps: int) -> Decimal:
        return ONE_DOLLAR - self._yes_price(self._steps - steps)

    @cached_property
    def _yes(self) -> _Remembered:
        return _Remembered(self._yes_ticks, self._yes_price)

    @cached_property
    def _no(self) -> _Remembered:
        return _Remembered(self._no_ticks, self._no_price)

    def tick_table(self, side: Side) -> Mapping[Decimal, int]:
        """`ticks` of a side as a table, for who asks often. It answers for every price, also those it does not
        hold yet; quickest for a price that is the same object each time, as those that are parsed are."""
        return self._yes if side is YES else self._no

    def ticks(self, side: Side, price: Decimal) -> int:
        """Grid steps from the side's lowest price up to `price`, rounded down as a bid is (contracts: none)."""
        return self._yes[price] if side is YES else self._no[price]

    def price(self, side: Side, ticks: int) -> Decimal:
        """The price in dollars of `side` that lies `ticks` grid steps above its lowest."""
        return (self._yes if side is YES else self._no).prices[ticks]

    def below(self, side: Side, price: Decimal, ticks: int) -> Decimal | None:
        """The price `ticks` grid steps under `price`, or None where no order could rest there."""
        known = self._yes if side is YES else self._no
        steps = known[price] - ticks
        if steps < 0:
            return None
        return known.prices[steps] or None

    @cached_property
    def tops(self) -> tuple[Decimal, Decimal]:
        """The highest prices in dollars that an order can have, YES and NO."""
        yes, no = (self.below(side, ONE_DOLLAR, 1) for side in SIDES)
        return yes or ONE_DOLLAR, no or ONE_DOLLAR

    def floor(self, side: Side, price: Decimal) -> Decimal:
        """The highest price of the grid that is not above `price`."""
        known = self._yes if side is YES else self._no
        return known.prices[known[price]]


class _Remembered(dict[Decimal, int]):
    """The ticks of one side's prices, and the prices of its ticks. Each is counted when it is first asked for. A
    price off the grid is not remembered: there is no end of those."""

    def __init__(self, ticks: Callable[[Decimal], int], price: Callable[[int], Decimal]) -> None:
        super().__init__()
        self._ticks = ticks
        self.prices = _Prices(price)

    def __missing__(self, price: Decimal) -> int:
        ticks = self._ticks(price)
        if len(self) < MOST_PRICES and self.prices[ticks] == price:
            self[price] = ticks
        return ticks


class _Prices(dict[int, Decimal]):
    def __init__(self, price: Callable[[int], Decimal]) -> None:
        super().__init__()
        self._price = price

    def __missing__(self, ticks: int) -> Decimal:
        price = self._price(ticks)
        if len(self) < MOST_PRICES:
            self[ticks] = price
        return price


@dataclass(frozen=True, slots=True)
class Bid:
    """`count` contracts bid at `price` dollars on `side`: resting, or meant to rest."""

    side: Side
    price: Decimal
    count: Decimal

    @property
    def other_price(self) -> Decimal:
        """What the other side is sold at by this bid, in dollars of that side."""
        return ONE_DOLLAR - self.price


class Level(NamedTuple):
    """All contracts bid at one price of one side."""

    price: Decimal
    size: Decimal


class Book(NamedTuple):
    """The resting bids of a market, aggregated by price, best (highest) first, each side in its own prices."""

    ticker: str
    yes: tuple[Level, ...]
    no: tuple[Level, ...]

    def side(self, side: Side) -> tuple[Level, ...]:
        return self.yes if side is YES else self.no

    def best(self, side: Side) -> Level | None:
        levels = self.side(side)
        return levels[0] if levels else None

    def best_bids(self) -> tuple[Decimal | None, Decimal | None]:
        """The best prices of YES and NO, in dollars; None where nobody bids."""
        return self.yes[0].price if self.yes else None, self.no[0].price if self.no else None

    def with_bids(self, bids: Sequence[Bid]) -> Book:
        """This book with `bids` resting in it too."""
        return self._changed(bids, sign=1)

    def without_bids(self, bids: Sequence[Bid]) -> Book:
        """This book as it would stand without `bids`. A level never falls below zero: the book may have
        been read a moment after some of them went."""
        return self._changed(bids, sign=-1)

    def _changed(self, bids: Sequence[Bid], sign: int) -> Book:
        if not bids:
            return self
        sizes = {side: {level.price: level.size for level in self.side(side)} for side in Side}
        for bid in bids:
            here = sizes[bid.side]
            here[bid.price] = here.get(bid.price, Decimal(0)) + sign * bid.count
        return Book(self.ticker, *(_levels(sizes[side]) for side in SIDES))


def _levels(sizes: dict[Decimal, Decimal]) -> tuple[Level, ...]:
    return tuple(Level(price, sizes[price]) for price in sorted(sizes, reverse=True) if sizes[price] > 0)


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
