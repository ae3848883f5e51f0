"""The exchange itself: markets, programs, orders, fills, and what happens as time passes.

Promise: it does what the real one is documented to do and nothing for the bot's sake. It knows HTTP as little
as the matching engine of a real exchange does: `api.py` speaks for it.
"""

from __future__ import annotations

import heapq
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from simulator.account import Account, taker_fee
from simulator.matching import DOLLAR_PIPS, MatchingBook, Order, Trade

FARTHEST_TIME = 253_402_300_799
"""The end of the year 9999: what lies beyond it was meant in milliseconds."""

SHARDS = {0: "Default", 1: "Exotics", 2: "Crypto and Commodities", 3: "Sports"}


class Refusal(Exception):
    """The exchange does not do what was asked. In the words of its API."""

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(f"{status} {code} {details or message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details


@dataclass(slots=True)
class ListedMarket:
    """A market as the exchange lists it. `ranges` are (start, end, step) in YES pips; times are Unix seconds."""

    ticker: str
    event_ticker: str
    title: str
    shard: int
    opened: float
    closes: float
    structure: str
    ranges: tuple[tuple[int, int, int], ...]
    status: str = "active"
    book: MatchingBook = field(default_factory=MatchingBook)
    last_price: int = 0
    volume: int = 0

    def on_grid(self, price: int) -> bool:
        return 0 < price < DOLLAR_PIPS and any(
            start <= price <= end and (price - start) % step == 0 for start, end, step in self.ranges
        )

    def step_at(self, price: int) -> int:
        """The grid's step in the range that a price lies in."""
        return next(step for start, end, step in self.ranges if start <= price <= end)


@dataclass(frozen=True, slots=True)
class ListedProgram:
    """An incentive program. `reward` in 1/10,000 dollar for the whole window, `target` in 1/100 contract."""

    program_id: str
    ticker: str
    kind: str
    starts: float
    ends: float
    reward: int
    target: int | None
    discount_bps: int | None
    paid_out: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    fill_id: str
    order_id: str
    ticker: str
    shard: int
    is_bid: bool
    price: int
    size: int
    is_taker: bool
    fee: int
    time: float


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """A create request, checked for form but not yet for sense."""

    ticker: str
    is_bid: bool
    price: int
    size: int
    client_order_id: str
    time_in_force: str
    self_trade_prevention: str
    post_only: bool
    reduce_only: bool
    cancel_on_pause: bool
    expires: float | None
    shard: int


class Exchange:
    """All state of one exchange, `now` Unix seconds into its life. Ids come from `seed`, so the same seed with
    the same requests gives the same exchange."""

    def __init__(self, now: float, seed: int) -> None:
        self.now = now
        self.seed = seed
        self.markets: dict[str, ListedMarket] = {}
        self.programs: list[ListedProgram] = []
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self._resting: dict[str, Order] = {}
        self._client_ids: set[tuple[str, str]] = set()
        self._ids = random.Random(f"{seed}:ids")
        self._timeline: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = count()

    # -- the board ------------------------------------------------------------------------------------------

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def list_market(self, market: ListedMarket) -> None:
        self.markets[market.ticker] = market
        self.at(market.closes, lambda: self._close(market))

    def open_account(self, owner: str, cash: dict[int, int]) -> Account:
        self.accounts[owner] = Account(owner, dict(cash))
        return self.accounts[owner]

    # -- time -----------------------------------------------------------------------------------------------

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Do something when the exchange's time reaches `when`; things due at once happen in the order asked."""
        heapq.heappush(self._timeline, (when, next(self._sequence), do))

    def advance(self, now: float) -> None:
        """Let time pass up to `now`: all that was due by then happens, in order."""
        while self._timeline and self._timeline[0][0] <= now:
            when, _, do = heapq.heappop(self._timeline)
            self.now = max(self.now, when)
            do()
        self.now = max(self.now, now)

    def _close(self, market: ListedMarket) -> None:
        market.status = "closed"
        for order in [o for o in self._resting.values() if o.ticker == market.ticker]:
            self._withdraw(order)

    def _expire(self, order: Order) -> None:
        if order.status == "resting":
            self._withdraw(order)

    # -- orders ---------------------------------------------------------------------------------------------

    def resting(self, owner: str, shard: int | None = None) -> list[Order]:
        """The owner's resting orders, oldest first, on all shards or on one."""
        return [
            order
            for order in self._resting.values()
            if order.owner == owner and (shard is None or self.markets[order.ticker].shard == shard)
        ]

    def create(self, owner: str, terms: OrderTerms) -> tuple[Order, list[Fill]]:
        """Take an order: match it, rest what is left where it may. Returns it and its own fills."""
        market = self._open_market(terms)
        if terms.client_order_id and (owner, terms.client_order_id) in self._client_ids:
            raise Refusal(409, "order_already_exists", "order already exists")
        self._check(market, terms)
        order = Order(
            ticker=terms.ticker,
            is_bid=terms.is_bid,
            price=terms.price,
            size=min(terms.size, self._held_against(owner, terms)) if terms.reduce_only else terms.size,
            owner=owner,
            order_id=self.new_id(),
            client_order_id=terms.client_order_id,
            created=self.now,
            updated=self.now,
            expires=terms.expires,
            self_trade_prevention=terms.self_trade_prevention,
            cancel_on_pause=terms.cancel_on_pause,
        )
        self._check_collateral(owner, market, order)
        self._client_ids.add((owner, terms.client_order_id))
        self.orders[order.order_id] = order
        if order.size == 0:
            order.status = "canceled"
            return order, []
        before = len(self.fills)
        self._execute(market, order)
        if order.status == "resting" and terms.time_in_force == "immediate_or_cancel":
            order.status = "canceled"
        elif order.status == "resting":
            self._rest(market, order)
        return order, [fill for fill in self.fills[before:] if fill.order_id == order.order_id]

    def cancel(self, owner: str, order_id: str, shard: int) -> int:
        """Take an order off the book: contracts withdrawn. Gone, unknown and on another shard look alike."""
        order = self._resting.get(order_id)
        if order is None or order.owner != owner or self.markets[order.ticker].shard != shard:
            raise Refusal(404, "not_found", "not found")
        withdrawn = order.remaining
        self._withdraw(order)
        return withdrawn

    def crowd_order(self, market: ListedMarket, is_bid: bool, price: int, size: int, rest: bool) -> None:
        """An order of somebody else: `rest` if it may wait in the book, else it takes what is there."""
        order = Order(market.ticker, is_bid, price, size, created=self.now)
        self._execute(market, order)
        if rest and order.status == "resting":
            market.book.half(is_bid).add(order)

    def _open_market(self, terms: OrderTerms) -> ListedMarket:
        market = self.markets.get(terms.ticker)
        if market is None or terms.shard not in (-1, market.shard):
            raise Refusal(404, "market_not_found", "market not found")
        if market.status == "inactive":
            raise Refusal(409, "trading_is_paused", "trading is paused")
        if market.status != "active":
            raise Refusal(409, "market_closed", "market is closed")
        return market

    def _check(self, market: ListedMarket, terms: OrderTerms) -> None:
        resting = terms.time_in_force == "good_till_canceled"
        if not market.on_grid(terms.price):
            raise Refusal(400, "invalid_price", "invalid price", "price is not on the market's grid")
        if terms.size <= 0:
            raise Refusal(400, "invalid_order_size", "invalid order size")
        if terms.reduce_only and resting:
            raise Refusal(400, "invalid_order", "invalid order", "reduce_only needs immediate_or_cancel")
        if terms.expires is not None and not resting:
            raise Refusal(400, "invalid_order", "Cannot specify both immediate_or_cancel and expiration_time")
        if terms.expires is not None and terms.expires <= self.now:
            raise Refusal(400, "invalid_order", "Expiration timestamp must be in the future")
        if terms.expires is not None and terms.expires > FARTHEST_TIME:
            raise Refusal(400, "invalid_order", "invalid order", "expiration_time is in seconds")
        if terms.post_only and market.book.would_cross(terms.is_bid, terms.price):
            raise Refusal(400, "invalid_order", "invalid order", "post only cross")

    def _check_collateral(self, owner: str, market: ListedMarket, order: Order) -> None:
        """Whether the account can pay for an order, were it filled at its limit: its collateral, the taker's fee
        where it crosses, less what closing a holding brings in."""
        account = self.accounts[owner]
        resting = self.resting(owner, market.shard)
        due = 0
        if market.book.would_cross(order.is_bid, order.price):
            closing = min(order.size, self._held_against(owner, order))
            sold_at = DOLLAR_PIPS - order.price if order.is_bid else order.price
            due = taker_fee(order.price, order.size) - closing * sold_at
        if order.size and account.available(market.shard, [*resting, order]) < due:
            raise Refusal(400, "insufficient_balance", "insufficient balance")

    def _held_against(self, owner: str, order: Order | OrderTerms) -> int:
        """Contracts held on the side that an order sells."""
        held = self.accounts[owner].holdings.get(order.ticker)
        return 0 if held is None else max(-held.count if order.is_bid else held.count, 0)

    def _execute(self, market: ListedMarket, order: Order) -> None:
        trades, withdrawn = market.book.match(order)
        for own in withdrawn:
            self._resting.pop(own.order_id, None)
            own.updated = self.now
        for trade in trades:
            market.last_price = trade.price
            market.volume += trade.size
            for side in (trade.taker, trade.maker):
                self._settle_trade(market, trade, side)

    def _settle_trade(self, market: ListedMarket, trade: Trade, order: Order) -> None:
        order.updated = self.now
        if order.owner is None:
            return
        is_taker = order is trade.taker
        fee = taker_fee(trade.price, trade.size) if is_taker else 0
        account = self.accounts[order.owner]
        cost = account.trade(market.shard, market.ticker, order.is_bid, trade.price, trade.size, fee, self.now)
        if is_taker:
            order.taker_cost += cost
            order.taker_fees += fee
        else:
            order.maker_cost += cost
        if order.status != "resting":
            self._resting.pop(order.order_id, None)
        self.fills.append(
            Fill(
                self.new_id(), order.order_id, market.ticker, market.shard,
                order.is_bid, trade.price, trade.size, is_taker, fee, self.now,
            )
        )  # fmt: skip

    def _rest(self, market: ListedMarket, order: Order) -> None:
        market.book.half(order.is_bid).add(order)
        self._resting[order.order_id] = order
        if order.expires is not None:
            self.at(order.expires, lambda: self._expire(order))

    def _withdraw(self, order: Order) -> None:
        self.markets[order.ticker].book.half(order.is_bid).remove(order)
        self._resting.pop(order.order_id, None)
        order.status = "canceled"
        order.updated = self.now


def account_value(exchange: Exchange, owner: str) -> int:
    """What the account's holdings would bring at the best bids now, in 1/1,000,000 dollar."""
    return sum(
        _mark(exchange.markets[ticker].book, held.count)
        for ticker, held in exchange.accounts[owner].holdings.items()
    )


def _mark(book: MatchingBook, held: int) -> int:
    if held >= 0:
        return held * (book.bids.best() or 0)
    best_ask = book.asks.best()
    return -held * (DOLLAR_PIPS - best_ask) if best_ask is not None else 0
