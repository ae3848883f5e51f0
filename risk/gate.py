"""Check every order against all limits, when it is planned and when it is sent.

Promise:
- Pure: no clock, file or network.
- An order that passes is valid in its market, and is the bot's only one on its side. It cannot trade with the
  account's own orders. Every limit is kept, however it fills.
- A refused order has a code and its numbers.

Cancels, renewals and reductions are sent without this check: a renewal changes only an order's expiry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

import trade
from exchange.account import Position
from exchange.models import ExchangeStatus, Market, MarketStatus, Order, OrderRequest, TimeInForce, event_of
from exchange.orderbook import ONE_DOLLAR, SIDES, YES, Bid, Book, Side
from exchange.reserves import FreeCash
from rewards.skips import contracts
from risk import exposure

_NOTHING = Decimal(0)
_NO_LOSSES = (_NOTHING, _NOTHING)
_SMALLEST = Decimal("0.01")

Place = tuple[str, Side]
"""A side of a market; the bot rests up to one order there."""


class RefusalCode(Enum):
    """Why an order is not sent. The log prints the value."""

    HALT = "HALT"
    EXCHANGE_STATUS = "EXCHANGE_STATUS"
    MARKET_STATUS = "MARKET_STATUS"
    NOT_CLEARED = "NOT_CLEARED"
    GRID = "GRID"
    PRICE_BOUNDS = "PRICE_BOUNDS"
    SIZE = "SIZE"
    FORM = "FORM"
    WOULD_CROSS = "WOULD_CROSS"
    OWN_ORDER = "OWN_ORDER"
    DUPLICATE = "DUPLICATE"
    POSITION = "POSITION"
    ORDER_RATE = "ORDER_RATE"
    MAX_CAPITAL = "MAX_CAPITAL"
    CASH = "CASH"
    FILL_LIMIT = "FILL_LIMIT"
    MAX_EVENT_LOSS = "MAX_EVENT_LOSS"


class Refusal(NamedTuple):
    """A refused order, with its code and the numbers as the log prints them."""

    order: OrderRequest
    code: RefusalCode
    number: str

    @property
    def text(self) -> str:
        """The code and its numbers, as the log prints them."""
        return f"{self.code.value} | {self.number}"


class Limits(NamedTuple):
    """Limits: dollars tied up, loss of an event, orders sent or moved a minute."""

    max_capital: Decimal
    max_event_loss: Decimal
    orders_a_minute: int


def orders_a_minute(trade_ticker_size: int) -> int:
    """Return the limit on orders per minute, which only a faulty bot reaches.

    It allows six cycles a minute, because failed ones are retried every 10 s. In each, every market may move both
    quotes and sell one position."""
    return max(60, 18 * trade_ticker_size)


def price_without_fee(_: str, bid: Bid) -> Decimal:
    """Return the dollars that a bid ties up if no fee is known."""
    return bid.price * bid.count


@dataclass(frozen=True)
class TradingState:
    """The state that orders are checked against, as it was read.

    - `orders`: all resting orders of the account, from the bot or not.
    - `cash`: if None (unknown), cash is not a limit: the exchange refuses orders without cash.
    - `markets`: those that were read. `books`: the rivals' order books.
    - `exclusive`: the events whose markets are known to exclude each other.
    - `fill_limits`: by shard, contracts of quotes that may rest there without an order group. Absent: no limit.
    - `cost`: returns the dollars that a bid in a market ties up.
    - `sent_lately`: orders sent or moved in the last minute.
    - `halted`: the reason that orders are blocked, or "". `strangers`: ids of orders of another copy of the bot.
    """

    limits: Limits
    orders: tuple[Order, ...] = ()
    positions: tuple[Position, ...] = ()
    cash: FreeCash | None = None
    markets: Mapping[str, Market] = field(default_factory=dict)
    books: Mapping[str, Book] = field(default_factory=dict)
    status: ExchangeStatus = ExchangeStatus(True, {}, None)  # noqa: RUF009  (a named tuple, which cannot change)
    exclusive: frozenset[str] = frozenset()
    fill_limits: Mapping[int, Decimal] = field(default_factory=dict)
    cost: Callable[[str, Bid], Decimal] = price_without_fee
    sent_lately: int = 0
    halted: str = ""
    strangers: frozenset[str] = frozenset()


class _Resting(NamedTuple):
    bid: Bid
    cost: Decimal
    is_ours: bool


class Gate:
    """The check of orders against the account, as it is or as a plan would make it.

    The caller reports each change of an order or a position, and the gate counts it in. `sizes`: the planned quote
    size by place; position and order together never exceed it."""

    def __init__(self, state: TradingState, sizes: Mapping[Place, Decimal]) -> None:
        self._state = state
        self._sizes = sizes
        self._sent = state.sent_lately
        self._blocked: set[str] = set()
        self._held: dict[str, Decimal] = {}
        self._exposure: dict[str, Decimal] = {}
        self._resting: dict[str, dict[str, _Resting]] = defaultdict(dict)
        self._losses: dict[str, dict[str, exposure.Losses]] = defaultdict(dict)
        self._halted = state.halted
        self._tied: dict[str, Decimal] = defaultdict(Decimal)
        self._reserved: dict[str, Decimal] = defaultdict(Decimal)
        self._tied_up = sum((position.exposure for position in state.positions), start=_NOTHING)
        self._spent: dict[int | None, Decimal] = {}
        for position in state.positions:
            self._held[position.ticker] = position.count
            self._exposure[position.ticker] = position.exposure
        self._held_losses = {position.ticker: exposure.position_losses(position) for position in state.positions}
        for order in state.orders:
            is_ours = trade.is_own(order, state.strangers)
            self._resting[order.ticker][order.order_id] = self._as_resting(order.ticker, order.bid, is_ours)
        for ticker in self._held.keys() | self._resting.keys():
            self._count(ticker)
        self._spent = dict.fromkeys(self._spent, _NOTHING)  # the free cash that was read excludes these orders

    # -- changes that the caller reports -----------------------------------------------------------------------

    def rests(self, ticker: str, order_id: str, bid: Bid) -> None:
        """Count a new or amended order of the bot as resting."""
        self._resting[ticker][order_id] = self._as_resting(ticker, bid, is_ours=True)
        self._count(ticker)

    def gone(self, ticker: str, *order_ids: str) -> None:
        """Remove orders that do not rest any more."""
        for order_id in order_ids:
            self._resting[ticker].pop(order_id, None)
        self._count(ticker)

    def sold(self, ticker: str, count: Decimal) -> None:
        """Record that `count` of the contracts held in a market were sold."""
        held = self._held.get(ticker, _NOTHING)
        if not held:
            return
        left = max(abs(held) - count, _NOTHING)
        part = left / abs(held)
        self._held[ticker] = left if held > 0 else -left
        self._tied_up -= self._exposure[ticker] * (1 - part)
        self._exposure[ticker] *= part
        yes, no = self._held_losses[ticker]
        self._held_losses[ticker] = (yes * part, no * part)
        self._count(ticker)

    def block(self, ticker: str) -> None:
        """Refuse new orders in a market: an order or position there was not cleared."""
        self._blocked.add(ticker)

    def halt(self, why: str) -> None:
        """Refuse all orders from now on, for the reason `why`."""
        self._halted = why

    def count_order(self) -> None:
        """Count an order that is being sent or moved."""
        self._sent += 1

    # -- current totals ----------------------------------------------------------------------------------------

    @property
    def tied_up(self) -> Decimal:
        """Dollars that orders and positions tie up."""
        return self._tied_up

    @property
    def spent(self) -> Decimal:
        """Cash in dollars that orders took since the cash was read.

        It is negative if they gave some back."""
        return sum(self._spent.values(), start=_NOTHING)

    def only_closes(self, ticker: str, bid: Bid) -> bool:
        """Whether a bid only sells contracts that are held."""
        return bid.count <= self._signed(ticker, bid.side.other)

    def risks(self) -> dict[str, Decimal]:
        """Return dollars at risk by event, in its worst outcome.

        It counts positions and resting orders."""
        return {event: self._risk(event) for event in self._losses}

    # -- checks ------------------------------------------------------------------------------------------------

    def check(self, order: OrderRequest, instead_of: Order | None = None) -> Refusal | None:
        """Return why an order may not be sent, or None if it may.

        `instead_of`: the bot's order that it replaces."""
        exits = order.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
        refused = self._not_open(order) or self._malformed(order, exits)
        if refused is None and exits:
            refused = self._bad_exit(order)
        elif refused is None:
            before = self._resting[order.ticker].pop(instead_of.order_id, None) if instead_of else None
            refused = self._bad_quote(order) or self._over_order_rate() or self._over_limit(order, "as if")
            self.gone(order.ticker, "as if")
            if before and instead_of:
                self.rests(order.ticker, instead_of.order_id, before.bid)
        return Refusal(order, *refused) if refused else None

    def admit(self, order: OrderRequest, order_id: str, is_kept: bool = False) -> Refusal | None:
        """Count in an order that is to rest, or return why it may not.

        `is_kept`: it rests already with at least as many contracts. Then only own orders, the position and the
        limits are checked."""
        if is_kept:
            refused = self._meets_own(order) or self._duplicate_or_oversized(order)
        else:
            refused = self._not_open(order) or self._malformed(order, exits=False) or self._bad_quote(order)
            refused = refused or self._over_order_rate()
        refused = refused or self._over_limit(order, order_id)
        return Refusal(order, *refused) if refused else None

    def _not_open(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        state, market = self._state, self._state.markets.get(order.ticker)
        if self._halted:
            return RefusalCode.HALT, self._halted
        if market is None or market.status is not MarketStatus.ACTIVE:
            return RefusalCode.MARKET_STATUS, market.status.value if market else "not listed"
        if not state.status.trades(market.exchange_index):
            return RefusalCode.EXCHANGE_STATUS, f"shard {market.exchange_index} takes no orders"
        if order.ticker in self._blocked:
            return RefusalCode.NOT_CLEARED, "an order or a position in this market could not be cleared"
        return None

    def _malformed(self, order: OrderRequest, exits: bool) -> tuple[RefusalCode, str] | None:
        side, price, count = order.bid.side, order.bid.price, order.bid.count
        grid = self._state.markets[order.ticker].grid
        if not _NOTHING < price < ONE_DOLLAR:
            return RefusalCode.PRICE_BOUNDS, f"{price} is not between $0 and $1"
        if grid.floor(side, price) != price:
            return RefusalCode.GRID, f"{price} is off the market's grid"
        if count <= 0 or count % _SMALLEST:
            return RefusalCode.SIZE, f"{count} contracts: must be above 0 and in steps of 0.01"
        if exits != order.reduce_only or exits == order.post_only or exits != (order.expires is None):
            return RefusalCode.FORM, "a quote must be post-only and expire; an exit must be reduce-only"
        return None

    def _bad_exit(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        held = self._signed(order.ticker, order.bid.side.other)
        if order.bid.count > held:
            return (
                RefusalCode.POSITION,
                f"{contracts(order.bid.count)} contracts to sell, but {contracts(max(held, _NOTHING))} held",
            )
        return self._meets_own(order)

    def _bad_quote(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        side, bid = order.bid.side, order.bid
        book = self._state.books.get(order.ticker)
        best = book.best(side.other) if book else None
        if best is not None and bid.price + best.price >= ONE_DOLLAR:
            return RefusalCode.WOULD_CROSS, f"{side.other.value} side: best bid {best.price:.4f}"
        return self._meets_own(order) or self._duplicate_or_oversized(order)

    def _duplicate_or_oversized(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        side, bid = order.bid.side, order.bid
        same = [one.bid for one in self._resting[order.ticker].values() if one.is_ours and one.bid.side is side]
        if same:
            return (
                RefusalCode.DUPLICATE,
                f"{contracts(same[0].count)} contracts at {same[0].price:.4f} rest on this side already",
            )
        size, held = self._sizes.get((order.ticker, side), _NOTHING), self._signed(order.ticker, side)
        if held + bid.count > size:
            return (
                RefusalCode.POSITION,
                f"{contracts(bid.count)} contracts plus {contracts(held)} held exceed {contracts(size)}",
            )
        return None

    def _over_order_rate(self) -> tuple[RefusalCode, str] | None:
        most = self._state.limits.orders_a_minute
        return (
            (RefusalCode.ORDER_RATE, f"{self._sent} of {most} orders per minute already sent")
            if self._sent >= most
            else None
        )

    def _over_limit(self, order: OrderRequest, order_id: str) -> tuple[RefusalCode, str] | None:
        """Count an order as resting, unless that breaks a limit. Returns the limit."""
        self.rests(order.ticker, order_id, order.bid)
        beyond = self._broken_limit(order)
        if beyond:
            self.gone(order.ticker, order_id)
        return beyond

    def _meets_own(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        for one in self._resting[order.ticker].values():
            if one.bid.side is order.bid.side.other and one.bid.price + order.bid.price >= ONE_DOLLAR:
                return (
                    RefusalCode.OWN_ORDER,
                    f"{one.bid.side.value} side: the bid at {one.bid.price:.4f} is the account's own",
                )
        return None

    def _broken_limit(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        """Return the limit that is broken, with the order already counted in."""
        limits, tied_up = self._state.limits, self._tied_up
        adds = self._state.cost(order.ticker, order.bid)
        if tied_up > limits.max_capital:
            told = f"${adds:.2f} for this order, ${tied_up:.2f} with it, limit ${limits.max_capital:.2f}"
            return RefusalCode.MAX_CAPITAL, told
        lacking = self._missing_cash(order)
        if lacking is not None:
            told = f"${adds:.2f} for this order, ${lacking:.2f} more than the cash on shard {order.exchange_index}"
            return RefusalCode.CASH, told
        at_risk = self._risk(self._event(order.ticker))
        if at_risk > limits.max_event_loss:
            told = f"${at_risk:.2f} at risk with it, limit ${limits.max_event_loss:.2f}"
            return RefusalCode.MAX_EVENT_LOSS, told
        return self._over_fill_limit(order)

    def _over_fill_limit(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        """Return the fill limit if quotes without an order group break it.

        The order is already counted in."""
        most = self._state.fill_limits.get(shard := self._shard(order.ticker))
        if most is None or order.group_id is not None or not self._opens(order.ticker, order.bid):
            return None
        resting = sum(
            self._opens(ticker, one.bid)
            for ticker, orders in self._resting.items()
            for one in orders.values()
            if one.is_ours and self._shard(ticker) == shard
        )
        if resting <= most:
            return None
        told = f"{contracts(resting)} contracts on shard {shard} with it, limit {contracts(most)}"
        return RefusalCode.FILL_LIMIT, f"{told} without an order group"

    def _missing_cash(self, order: OrderRequest) -> Decimal | None:
        """Return the cash in dollars that the order's shard lacks; None if it has enough.

        If it is not known whether an order that only closes needs cash, it is sent: the exchange decides."""
        cash = self._state.cash
        if cash is None or (cash.closing is None and self.only_closes(order.ticker, order.bid)):
            return None
        shard, by_shard = order.exchange_index, cash.by_shard
        if by_shard and shard is not None:
            free = by_shard.get(shard, _NOTHING) - self._spent.get(shard, _NOTHING)
            free -= cash.doubtful.get(shard, _NOTHING)
        else:
            free = cash.total - self.spent - sum(cash.doubtful.values(), start=_NOTHING)
        return -free if free < 0 else None

    # -- counting ----------------------------------------------------------------------------------------------

    def _event(self, ticker: str) -> str:
        market = self._state.markets.get(ticker)
        return market.event_ticker if market else event_of(ticker)

    def _shard(self, ticker: str) -> int:
        market = self._state.markets.get(ticker)
        return market.shard if market else 0

    def _opens(self, ticker: str, bid: Bid) -> Decimal:
        """Return the contracts of a bid beyond those that only sell the position."""
        return max(bid.count - max(self._signed(ticker, bid.side.other), _NOTHING), _NOTHING)

    def _risk(self, event: str) -> Decimal:
        return exposure.event_risk(self._losses[event].values(), event in self._state.exclusive, _NOTHING)

    def _signed(self, ticker: str, side: Side) -> Decimal:
        """Return contracts held on a side; those of the other side count negative."""
        held = self._held.get(ticker, _NOTHING)
        return held if side is YES else -held

    def _as_resting(self, ticker: str, bid: Bid, is_ours: bool) -> _Resting:
        return _Resting(bid, self._state.cost(ticker, bid), is_ours)

    def _count(self, ticker: str) -> None:
        """Update what a market ties up and reserves, and what it loses on YES and on NO.

        Positions count, and each order's cost in the outcome that loses it. An order that sells a position ties up
        money only for its contracts beyond the position; whether it reserves cash for the others, the state's cash
        says."""
        yes_loss, no_loss = self._held_losses.get(ticker, _NO_LOSSES)
        tied = _NOTHING
        resting = self._resting[ticker].values()
        for bid, cost, _ in resting:
            tied += cost
            if bid.side is YES:
                no_loss += cost
            else:
                yes_loss += cost
        reserved, cash = tied, self._state.cash
        if self._held.get(ticker):
            tied -= sum((self._closing_part(ticker, side) for side in SIDES), start=_NOTHING)
        if cash is None or cash.closing is False:
            reserved = tied
        market = self._state.markets.get(ticker)
        shard = market.exchange_index if market else None
        self._spent[shard] = self._spent.get(shard, _NOTHING) + reserved - self._reserved[ticker]
        self._tied_up += tied - self._tied[ticker]
        self._tied[ticker], self._reserved[ticker] = tied, reserved
        self._losses[self._event(ticker)][ticker] = (yes_loss, no_loss)

    def _closing_part(self, ticker: str, side: Side) -> Decimal:
        """Return the cost of a side's orders that only sells the position.

        Those dollars are not tied up."""
        closes, spared = max(-self._signed(ticker, side), _NOTHING), _NOTHING
        here = [one for one in self._resting[ticker].values() if one.bid.side is side]
        for bid, cost, _ in sorted(here, key=lambda one: -one.bid.price):
            part = min(closes, bid.count)
            closes -= part
            spared += cost * part / bid.count if part else _NOTHING
        return spared
