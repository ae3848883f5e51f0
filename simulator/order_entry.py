"""Order requests of customers: create, amend, decrease, cancel and cancel all.

Promise:
- Every check that the real exchange is known to make runs before anything changes, with the exchange's words.
- A refused request leaves the book unchanged. A post-only create that would cross may leave a canceled order.

A refused request raises `Refusal`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from simulator.account import Account, Fill
from simulator.exchange import EngineRefusal, Exchange, Refusal
from simulator.listing import ListedMarket
from simulator.matching import DOLLAR_PIPS, Order

FARTHEST_TIME = 253_402_300_799
"""The end of the year 9999. A later expiry is refused, because it was meant in milliseconds."""

CANCEL_ALL_SECONDS = 60.0
"""Orders that are placed within this time after a cancel-all may be canceled too."""


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """A create request, checked for form but not yet for validity.
    A `shard` of -1 means the market's shard."""

    ticker: str
    is_bid: bool
    price: int
    size: int
    client_order_id: str = ""
    time_in_force: str = "good_till_canceled"
    self_trade_prevention: str = "taker_at_cross"
    post_only: bool = False
    reduce_only: bool = False
    cancel_on_pause: bool = False
    expires: float | None = None
    group_id: str | None = None
    shard: int = -1


@dataclass(frozen=True, slots=True)
class Amendment:
    """An amend request. `size` is the filled size plus the size that shall rest.
    `expires`: None keeps the expiry, 0 clears it."""

    ticker: str
    is_bid: bool
    price: int
    size: int
    client_order_id: str = ""
    new_client_order_id: str = ""
    expires: float | None = None
    shard: int = -1


def create(exchange: Exchange, owner: str, terms: OrderTerms) -> tuple[Order, list[Fill]]:
    """Accept an order: match it, and rest the remainder if its terms allow.
    Returns the order and its fills."""
    account = exchange.accounts[owner]
    # A used id takes precedence over all other errors: so a client learns that its order arrived.
    _check_client_order_id(account, terms.client_order_id)
    market = _open_market(exchange, terms.ticker, terms.shard)
    _check_terms(exchange, account, market, terms)
    size = min(terms.size, account.held_against(terms.ticker, terms.is_bid)) if terms.reduce_only else terms.size
    order = Order(
        ticker=terms.ticker,
        is_bid=terms.is_bid,
        price=terms.price,
        size=size,
        asked=terms.size,
        owner=owner,
        number=exchange.next_number(),
        order_id=exchange.new_id(),
        client_order_id=terms.client_order_id,
        created=exchange.now,
        updated=exchange.now,
        expires=terms.expires,
        self_trade_prevention=terms.self_trade_prevention,
        cancel_on_pause=terms.cancel_on_pause,
        group_id=terms.group_id,
        fee_reserve=market.event.fee_terms.at_most(terms.price, size, is_taker=False),
    )
    if terms.post_only and market.book.would_cross(terms.is_bid, terms.price):
        order.status = "canceled"
        if exchange.reading.keeps_refused:
            _list(account, order)
        raise Refusal(400, "invalid_order", details="post only cross")
    if terms.time_in_force == "fill_or_kill" and market.book.fillable(order) < order.size:
        raise EngineRefusal(409, "fill_or_kill_insufficient_resting_volume", "insufficient resting volume")
    _check_collateral(exchange, market, order)
    _list(account, order)
    if order.size == 0:
        order.status = "canceled"
        return order, []
    before = len(account.fills)
    exchange.execute(market, order)
    if order.status == "resting" and terms.time_in_force != "good_till_canceled":
        order.status = "canceled"
    elif order.status == "resting":
        exchange.rest(market, order)
        _after_cancel_all(exchange, account, market, order)
    _finish(exchange, market, order)
    return order, [fill for fill in account.fills[before:] if fill.order_id == order.order_id]


def amend(exchange: Exchange, owner: str, order_id: str, change: Amendment) -> tuple[Order, list[Fill], bool]:
    """Change a resting order. Returns it, its new fills, and whether its size changed.
    A new price or a larger size sends it to the back of the queue, and it may trade. A smaller size or another
    expiry keeps its place."""
    account = exchange.accounts[owner]
    order, market = _resting(exchange, account, order_id, change.shard)
    _check_amendment(exchange, account, market, order, change)
    if change.new_client_order_id:
        account.client_order_ids.add(change.new_client_order_id)
        order.client_order_id = change.new_client_order_id
    if change.expires is not None:
        order.expires = change.expires or None
        exchange.expire_later(market, order)
    order.updated = exchange.now
    before, size_before = len(account.fills), order.size
    if change.size == order.filled:
        exchange.withdraw(market, order)
    elif change.price == order.price and change.size <= order.size:
        market.book.half(order.is_bid).shrink(order, change.size)
    else:
        _requeue(exchange, market, order, change)
    order.asked = change.size
    _finish(exchange, market, order)
    fills = [fill for fill in account.fills[before:] if fill.order_id == order.order_id]
    return order, fills, change.size != size_before


def decrease(exchange: Exchange, owner: str, order_id: str, shard: int, by: int | None, to: int | None) -> Order:
    """Reduce an order's remaining size by `by`, or to `to` if more than that remains.
    It keeps its place. An order reduced to 0 is canceled."""
    order, market = _resting(exchange, exchange.accounts[owner], order_id, shard)
    remaining = max(order.remaining - by, 0) if by is not None else min(to or 0, order.remaining)
    if remaining == 0:
        exchange.withdraw(market, order)
    else:
        market.book.half(order.is_bid).shrink(order, order.filled + remaining)
        order.updated = exchange.now
    _finish(exchange, market, order)
    return order


def cancel(exchange: Exchange, owner: str, order_id: str, shard: int) -> int:
    """Cancel an order. Returns the canceled contracts (1/100).
    The error is the same for a finished order, an unknown one and one on another shard."""
    order, market = _resting(exchange, exchange.accounts[owner], order_id, shard)
    withdrawn = order.remaining
    exchange.take_down(market, order)
    return withdrawn


def cancel_all(exchange: Exchange, owner: str) -> None:
    """Cancel all orders on every shard where the exchange is not paused.
    Orders that are placed in the next minute may be canceled too."""
    account = exchange.accounts[owner]
    for order in list(account.resting.values()):
        market = exchange.markets[order.ticker]
        if exchange.pause_on(market.shard) != "exchange" and market.status != "closed":
            exchange.take_down(market, order)
    account.cancel_all_until = exchange.now + CANCEL_ALL_SECONDS


def _list(account: Account, order: Order) -> None:
    """Enter an order in the account's list. Its client order id is used up."""
    account.client_order_ids.add(order.client_order_id)
    account.orders[order.order_id] = order


def _after_cancel_all(exchange: Exchange, account: Account, market: ListedMarket, order: Order) -> None:
    """Cancel half of the orders that are placed in the minute after a cancel-all.
    Each is chosen by chance and canceled at a random time before that minute ends."""
    dice = random.Random(f"{exchange.seed}:cancel-all:{order.number}")
    if exchange.now < account.cancel_all_until and dice.random() < 0.5:
        when = dice.uniform(exchange.now, account.cancel_all_until)
        exchange.at(when, lambda: exchange.take_down(market, order))


def _finish(exchange: Exchange, market: ListedMarket, order: Order) -> None:
    """Run the events that an order caused just now, so that the answer shows them."""
    order.fee_reserve = market.event.fee_terms.at_most(order.price, order.size, is_taker=False)
    exchange.changed(market)
    exchange.advance(exchange.now)


def _requeue(exchange: Exchange, market: ListedMarket, order: Order, change: Amendment) -> None:
    """Remove an order from the book and enter it again with its new terms."""
    market.book.half(order.is_bid).remove(order)
    order.price, order.size = change.price, change.size
    exchange.execute(market, order)
    if order.status == "resting":
        market.book.half(order.is_bid).add(order)
        order.entered = exchange.now
    elif order.status == "canceled":  # self-trade prevention
        exchange.forget(market, order)


def _open_market(exchange: Exchange, ticker: str, shard: int) -> ListedMarket:
    market = exchange.markets.get(ticker)
    if market is None or shard not in (-1, market.shard):
        raise EngineRefusal(400, "market_not_found")
    _check_pause(exchange, market, stops=("trading", "exchange"))
    if market.status == "inactive":
        raise EngineRefusal(409, "trading_is_paused")
    if market.status != "active":
        raise EngineRefusal(409, "market_closed", "market is closed")
    return market


def _resting(exchange: Exchange, account: Account, order_id: str, shard: int) -> tuple[Order, ListedMarket]:
    """The order and its market.
    Raises `Refusal` if the order does not rest on that shard or cannot be canceled now."""
    order = account.resting.get(order_id)
    market = exchange.markets[order.ticker] if order is not None else None
    if order is None or market is None or shard not in (-1, market.shard):
        raise EngineRefusal(404, "not_found")
    _check_pause(exchange, market, stops=("exchange",))
    if market.status == "closed":
        raise EngineRefusal(409, "market_inactive", "market is inactive")
    return order, market


def _check_pause(exchange: Exchange, market: ListedMarket, stops: tuple[str, ...]) -> None:
    pause = exchange.pause_on(market.shard)
    if pause in stops:
        raise EngineRefusal(409, f"{pause}_is_paused")


def _check_client_order_id(account: Account, client_order_id: str) -> None:
    if client_order_id and client_order_id in account.client_order_ids:
        raise EngineRefusal(409, "order_already_exists")


def _check_terms(exchange: Exchange, account: Account, market: ListedMarket, terms: OrderTerms) -> None:
    resting = terms.time_in_force == "good_till_canceled"
    if not market.grid.holds(terms.price):
        raise EngineRefusal(400, "invalid_price")
    if terms.size <= 0:
        raise EngineRefusal(400, "invalid_order_size")
    if terms.reduce_only and terms.time_in_force != "immediate_or_cancel":
        raise Refusal(400, "invalid_order", "invalid order", "reduce_only needs immediate_or_cancel")
    if terms.post_only and not resting:
        raise Refusal(400, "invalid_order", "invalid order", "post_only needs good_till_canceled")
    if terms.expires is not None and not resting:
        raise Refusal(400, "invalid_order", f"Cannot specify both {terms.time_in_force} and expiration_time")
    _check_expiry(exchange, terms.expires)
    if terms.group_id is not None:
        group = account.groups.get(terms.group_id)
        if group is None or group.shard != market.shard:
            raise EngineRefusal(400, "order_group_not_found", "order group not found")
        if group.triggered:
            raise EngineRefusal(409, "exceeded_order_group_risk_limit", "order group was triggered")


def _check_expiry(exchange: Exchange, expires: float | None) -> None:
    if expires is not None and expires <= exchange.now:
        raise Refusal(400, "invalid_order", "Expiration timestamp must be in the future")
    if expires is not None and expires > FARTHEST_TIME:
        raise Refusal(400, "invalid_order", "invalid order", "expiration_time is in seconds")


def _check_amendment(
    exchange: Exchange, account: Account, market: ListedMarket, order: Order, change: Amendment
) -> None:
    _check_pause(exchange, market, stops=("trading", "exchange"))
    if market.status != "active":
        raise EngineRefusal(409, "trading_is_paused")
    if change.ticker != order.ticker:
        raise EngineRefusal(400, "order_ticker_mismatch", "ticker is not the order's")
    if change.is_bid != order.is_bid:
        raise EngineRefusal(400, "order_side_mismatch", "side is not the order's")
    if change.client_order_id and change.client_order_id != order.client_order_id:
        raise EngineRefusal(400, "order_id_and_client_order_id_mismatch", "client_order_id is not the order's")
    if change.new_client_order_id != order.client_order_id:
        _check_client_order_id(account, change.new_client_order_id)
    if not market.grid.holds(change.price):
        raise EngineRefusal(400, "invalid_price")
    if change.size < order.filled or change.size == 0:
        raise EngineRefusal(400, "invalid_order_size", "invalid order size", "count is less than what was filled")
    if change.expires:
        _check_expiry(exchange, change.expires)
    if change.price != order.price or change.size > order.size:
        wanted = Order(
            order.ticker, order.is_bid, change.price, change.size - order.filled, order.owner,
            self_trade_prevention=order.self_trade_prevention,
            fee_reserve=market.event.fee_terms.at_most(change.price, change.size, is_taker=False),
        )  # fmt: skip
        _check_collateral(exchange, market, wanted, instead_of=order)


def _check_collateral(
    exchange: Exchange, market: ListedMarket, order: Order, instead_of: Order | None = None
) -> None:
    """Raise `Refusal` if the account cannot pay for an order filled at its limit.
    The order needs its collateral and, if it crosses, the taker fee. Cash from closing a position at once is
    deducted."""
    account = exchange.accounts[order.owner or ""]
    due = 0
    if market.book.would_cross(order.is_bid, order.price):
        held = account.held_against(order.ticker, order.is_bid)
        closing = min(market.book.fillable(order), held)
        sold_at = DOLLAR_PIPS - order.price if order.is_bid else order.price
        due = market.event.fee_terms.at_most(order.price, order.size) - closing * sold_at
    if order.size and exchange.free_cash(account, market.shard, order, instead_of) < due:
        raise EngineRefusal(400, "insufficient_balance")
