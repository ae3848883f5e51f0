"""The one gate that every order passes, when it is planned and again when it is sent.

Promise: pure; what passes is an order that the market accepts, is the only one of its intent, meets no order of
the account's own, and leaves every limit kept whatever becomes of it. What does not pass has a code and its
numbers. Cancels pass no gate, nor does a renewal, which asks for nothing but more time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

import trade
from exchange.account import Balance, Position
from exchange.models import ExchangeStatus, Market, MarketStatus, Order, OrderRequest, TimeInForce
from exchange.orderbook import ONE_DOLLAR, SIDES, YES, Bid, Book, Side
from rewards.skips import contracts
from risk import exposure

_NOTHING = Decimal(0)
_NO_LOSSES = (_NOTHING, _NOTHING)
_SMALLEST = Decimal("0.01")

Place = tuple[str, Side]
"""A side of a market: at most one order of ours rests there."""


class RefusalCode(Enum):
    """Why an order is not sent. The value is what the log prints."""

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
    MAX_EVENT_LOSS = "MAX_EVENT_LOSS"


class Refusal(NamedTuple):
    """An order that does not pass: the code, and the numbers behind it as the log prints them."""

    order: OrderRequest
    code: RefusalCode
    number: str

    @property
    def text(self) -> str:
        """The code and its numbers, as the log prints them."""
        return f"{self.code.value} | {self.number}"


class Limits(NamedTuple):
    """Dollars that may be tied up and that an event may lose; new and moved orders a minute."""

    max_capital: Decimal
    max_event_loss: Decimal
    orders_a_minute: int


def orders_a_minute(trade_ticker_size: int) -> int:
    """A ceiling that only a bot gone wrong reaches: six cycles a minute, for failed ones are tried again every ten
    seconds, and in each of them both quotes of every market moved and one position sold."""
    return max(60, 18 * trade_ticker_size)


def price_without_fee(_: str, bid: Bid) -> Decimal:
    """What a bid ties up where no fee is known."""
    return bid.price * bid.count


@dataclass(frozen=True)
class TradingState:
    """What orders are judged against, as it was read. `orders`: all that rests of the account's, whoever sent it;
    `books`: the rivals'; `markets`: those that were read; `exclusive`: events of which it is known that their
    markets exclude each other; `cost`: dollars that a bid in a market ties up; `sent_lately`: orders of the last
    minute; `halted`: why nothing may be placed, empty where it may. Cash that is not known (None) limits nothing:
    the exchange refuses what there is none for."""

    limits: Limits
    orders: tuple[Order, ...] = ()
    positions: tuple[Position, ...] = ()
    balance: Balance | None = None
    markets: Mapping[str, Market] = field(default_factory=dict)
    books: Mapping[str, Book] = field(default_factory=dict)
    status: ExchangeStatus = ExchangeStatus(True, {}, None)  # noqa: RUF009  (a named tuple, which cannot change)
    exclusive: frozenset[str] = frozenset()
    cost: Callable[[str, Bid], Decimal] = price_without_fee
    sent_lately: int = 0
    halted: str = ""


class _Resting(NamedTuple):
    bid: Bid
    cost: Decimal
    is_ours: bool


class Gate:
    """The account as it is, or as a plan would make it: what is told of orders is counted in. `sizes`: the size of
    the quote that is meant to stand on each side, which position and order together never exceed."""

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
        self._tied_up = sum((position.exposure for position in state.positions), start=_NOTHING)
        self._spent: dict[int | None, Decimal] = {}
        for position in state.positions:
            self._held[position.ticker] = position.count
            self._exposure[position.ticker] = position.exposure
        self._held_losses = {position.ticker: exposure.position_losses(position) for position in state.positions}
        for order in state.orders:
            is_ours = trade.is_own(order)
            self._resting[order.ticker][order.order_id] = self._as_resting(order.ticker, order.bid, is_ours)
        for ticker in self._held.keys() | self._resting.keys():
            self._count(ticker)
        self._spent = dict.fromkeys(self._spent, _NOTHING)  # of what the balance is without already

    # -- what happens to orders --------------------------------------------------------------------------------

    def rests(self, ticker: str, order_id: str, bid: Bid) -> None:
        """An order of ours rests now, or rests so from now on."""
        self._resting[ticker][order_id] = self._as_resting(ticker, bid, is_ours=True)
        self._count(ticker)

    def gone(self, ticker: str, *order_ids: str) -> None:
        """Orders rest no more."""
        for order_id in order_ids:
            self._resting[ticker].pop(order_id, None)
        self._count(ticker)

    def sold(self, ticker: str, count: Decimal) -> None:
        """So many of the contracts held in a market were sold."""
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
        """Something of ours in a market could not be removed: nothing may be added there."""
        self._blocked.add(ticker)

    def halt(self, why: str) -> None:
        """Nothing may be placed any more."""
        self._halted = why

    def count_order(self) -> None:
        """An order is being sent, or moved."""
        self._sent += 1

    # -- what there is -----------------------------------------------------------------------------------------

    @property
    def tied_up(self) -> Decimal:
        """Dollars that orders and positions tie up."""
        return self._tied_up

    @property
    def spent(self) -> Decimal:
        """Dollars that orders took from the cash since the balance was read; below 0 they gave some back."""
        return sum(self._spent.values(), start=_NOTHING)

    def risks(self) -> dict[str, Decimal]:
        """Dollars at risk by event, worst outcome, of all that is held and rests."""
        return {event: self._risk(event) for event in self._losses}

    # -- may it be sent? ---------------------------------------------------------------------------------------

    def check(self, order: OrderRequest, instead_of: Order | None = None) -> Refusal | None:
        """Why an order may not be sent, None where it may. `instead_of`: the order of ours that it takes the place
        of."""
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
        """Count an order in that is to rest, or say why it may not. `is_kept`: it rests already, with as many
        contracts at least, so that it is no news to the market."""
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
            return RefusalCode.NOT_CLEARED, "something of ours there could not be removed"
        return None

    def _malformed(self, order: OrderRequest, exits: bool) -> tuple[RefusalCode, str] | None:
        side, price, count = order.bid.side, order.bid.price, order.bid.count
        grid = self._state.markets[order.ticker].grid
        if not _NOTHING < price < ONE_DOLLAR:
            return RefusalCode.PRICE_BOUNDS, f"{price} is not between $0 and $1"
        if grid.floor(side, price) != price:
            return RefusalCode.GRID, f"{price} is off the market's grid"
        if count <= 0 or count % _SMALLEST:
            return RefusalCode.SIZE, f"{count} contracts"
        if exits != order.reduce_only or exits == order.post_only or exits != (order.expires is None):
            return RefusalCode.FORM, "a quote is post-only and expires, an exit only reduces"
        return None

    def _bad_exit(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        held = self._signed(order.ticker, order.bid.side.other)
        if order.bid.count > held:
            return (
                RefusalCode.POSITION,
                f"{contracts(order.bid.count)} to sell of {contracts(max(held, _NOTHING))} held",
            )
        return self._meets_own(order)

    def _bad_quote(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        side, bid = order.bid.side, order.bid
        book = self._state.books.get(order.ticker)
        best = book.best(side.other) if book else None
        if best is not None and bid.price + best.price >= ONE_DOLLAR:
            return RefusalCode.WOULD_CROSS, f"{side.other.value} is bid at {best.price:.4f}"
        return self._meets_own(order) or self._duplicate_or_oversized(order)

    def _duplicate_or_oversized(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        side, bid = order.bid.side, order.bid
        same = [one.bid for one in self._resting[order.ticker].values() if one.is_ours and one.bid.side is side]
        if same:
            return RefusalCode.DUPLICATE, f"{contracts(same[0].count)} at {same[0].price:.4f} rest there already"
        size, held = self._sizes.get((order.ticker, side), _NOTHING), self._signed(order.ticker, side)
        if held + bid.count > size:
            return (
                RefusalCode.POSITION,
                f"{contracts(bid.count)} beside {contracts(held)} held, of {contracts(size)}",
            )
        return None

    def _over_order_rate(self) -> tuple[RefusalCode, str] | None:
        most = self._state.limits.orders_a_minute
        return (RefusalCode.ORDER_RATE, f"{self._sent} of {most} a minute") if self._sent >= most else None

    def _over_limit(self, order: OrderRequest, order_id: str) -> tuple[RefusalCode, str] | None:
        """Let an order rest, unless that breaks a limit."""
        self.rests(order.ticker, order_id, order.bid)
        beyond = self._broken_limit(order)
        if beyond:
            self.gone(order.ticker, order_id)
        return beyond

    def _meets_own(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        for one in self._resting[order.ticker].values():
            if one.bid.side is order.bid.side.other and one.bid.price + order.bid.price >= ONE_DOLLAR:
                return RefusalCode.OWN_ORDER, f"{one.bid.side.value} at {one.bid.price:.4f} is the account's own"
        return None

    def _broken_limit(self, order: OrderRequest) -> tuple[RefusalCode, str] | None:
        """With the order counted in."""
        limits, tied_up = self._state.limits, self._tied_up
        adds = self._state.cost(order.ticker, order.bid)
        if tied_up > limits.max_capital:
            return (
                RefusalCode.MAX_CAPITAL,
                f"${adds:.2f} more, ${tied_up:.2f} with it, at most ${limits.max_capital:.2f}",
            )
        lacking = self._missing_cash(order)
        if lacking is not None:
            return RefusalCode.CASH, f"${adds:.2f} more, ${lacking:.2f} too much on shard {order.exchange_index}"
        at_risk = self._risk(self._event(order.ticker))
        if at_risk > limits.max_event_loss:
            return RefusalCode.MAX_EVENT_LOSS, f"${at_risk:.2f} with it, at most ${limits.max_event_loss:.2f}"
        return None

    def _missing_cash(self, order: OrderRequest) -> Decimal | None:
        """Dollars of cash that the order's shard has too little, None where it has enough."""
        balance = self._state.balance
        if balance is None:
            return None
        shard, by_shard = order.exchange_index, balance.by_shard
        if by_shard and shard is not None:
            free = by_shard.get(shard, _NOTHING) - self._spent.get(shard, _NOTHING)
        else:
            free = balance.available - self.spent
        return -free if free < 0 else None

    # -- how it is counted -------------------------------------------------------------------------------------

    def _event(self, ticker: str) -> str:
        market = self._state.markets.get(ticker)
        return market.event_ticker if market else exposure.event_of(ticker)

    def _risk(self, event: str) -> Decimal:
        return exposure.event_risk(self._losses[event].values(), event in self._state.exclusive, _NOTHING)

    def _signed(self, ticker: str, side: Side) -> Decimal:
        """Contracts held on a side; those of the other side count negative."""
        held = self._held.get(ticker, _NOTHING)
        return held if side is YES else -held

    def _as_resting(self, ticker: str, bid: Bid, is_ours: bool) -> _Resting:
        return _Resting(bid, self._state.cost(ticker, bid), is_ours)

    def _count(self, ticker: str) -> None:
        """What a market ties up, and loses if it settles YES and if NO: what is held, and each order's cost where
        it would be lost. Of an order that sells what is held only the rest ties anything up."""
        yes_loss, no_loss = self._held_losses.get(ticker, _NO_LOSSES)
        tied = _NOTHING
        resting = self._resting[ticker].values()
        for bid, cost, _ in resting:
            tied += cost
            if bid.side is YES:
                no_loss += cost
            else:
                yes_loss += cost
        if self._held.get(ticker):
            tied -= sum((self._closing_part(ticker, side) for side in SIDES), start=_NOTHING)
        more, market = tied - self._tied[ticker], self._state.markets.get(ticker)
        shard = market.exchange_index if market else None
        self._spent[shard] = self._spent.get(shard, _NOTHING) + more
        self._tied_up += more
        self._tied[ticker] = tied
        self._losses[self._event(ticker)][ticker] = (yes_loss, no_loss)

    def _closing_part(self, ticker: str, side: Side) -> Decimal:
        """Dollars of a side's orders' cost that are not tied up, for they would sell what is held."""
        closes, spared = max(-self._signed(ticker, side), _NOTHING), _NOTHING
        here = [one for one in self._resting[ticker].values() if one.bid.side is side]
        for bid, cost, _ in sorted(here, key=lambda one: -one.bid.price):
            part = min(closes, bid.count)
            closes -= part
            spared += cost * part / bid.count if part else _NOTHING
        return spared
