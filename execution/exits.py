"""Plan how positions are closed: sold now, or by an order on the other side.

Promise:
- Pure: the same positions, books and answers of `risk/holes.py` give the same exits.
- Nothing is sold below a position's limit, or while its book needs a second look. No exit order that rests takes
  its price from a hole.
- A position that is not sold has its reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

import trade
from exchange.account import Position
from exchange.models import Market, Order, OrderRequest
from exchange.orderbook import Bid, Book
from rewards.skips import contracts
from risk.gate import TradingState
from risk.holes import Sale
from runtime.console import typed

_NOTHING = Decimal(0)


class Exit(Enum):
    """How positions are closed: take bids, or rest on the other side."""

    CROSS = "CROSS"
    REST = "REST"


class UnsoldPosition(NamedTuple):
    """A position that is not sold now, and why.

    `again`: when a second look settles it, None if none does. `is_kept`: only bids below its limit are left.
    `is_blocked`: an order of the account's owner stands in the way."""

    position: Position
    reason: str
    again: datetime | None = None
    is_kept: bool = False
    is_blocked: bool = False


class ExitOrder(NamedTuple):
    """A position and the order that sells it, or a part of it, now."""

    position: Position
    order: OrderRequest


class Exits(NamedTuple):
    """Orders that sell now, positions that are not sold, bids that rest to sell."""

    crossing: tuple[ExitOrder, ...]
    unsold: tuple[UnsoldPosition, ...]
    resting: tuple[tuple[Market, Bid], ...]


def plan_exits(
    state: TradingState, way: Exit, sales: Mapping[str, Sale] | None, leave: Collection[str] = ()
) -> Exits:
    """Plan the exits of all positions.

    `sales`: what may be sold, by market; None: everything, at any price. `leave`: markets that could not be
    read."""
    theirs = trade.bids_by_ticker(one for one in state.orders if not trade.is_own(one))
    crossing: list[ExitOrder] = []
    unsold: list[UnsoldPosition] = []
    resting: list[tuple[Market, Bid]] = []
    for position in state.positions:
        ticker = position.ticker
        if not position.count:
            continue
        market, book = state.markets.get(ticker), state.books.get(ticker)
        if ticker in leave:
            unsold.append(UnsoldPosition(position, "its orders could not be read"))
            continue
        if not state.status.trades(market.exchange_index if market else None):
            unsold.append(UnsoldPosition(position, "trading is paused there"))
            continue
        held_back = _held_back(position, market, book, sales, way)
        if way is Exit.CROSS:
            own, lowest = theirs.get(ticker, []), _NOTHING
            if sales is not None and held_back is None:
                lowest = sales[ticker].lowest
            order = trade.exit_order(position, market, book, own, "", lowest)
            if isinstance(order, trade.NoExit):
                again = held_back.again if held_back else None
                unsold.append(UnsoldPosition(position, order.reason, again, is_blocked=order.is_blocked))
            elif held_back is not None:
                unsold.append(held_back)
            else:
                crossing.append(ExitOrder(position, order))
        elif held_back is not None:
            unsold.append(held_back)
            last = _last_exit(position, state.orders)
            resting += [(market, last)] if market and last else []
        else:
            price = trade.resting_exit_price(position, market, book)
            if isinstance(price, trade.NoExit):
                unsold.append(UnsoldPosition(position, price.reason))
            elif market is not None:
                resting.append((market, Bid(position.side.other, price, position.size)))
    return Exits(tuple(crossing), tuple(unsold), tuple(resting))


def kept_below(position: Position, book: Book | None, sale: Sale | None) -> str:
    """Why a position is kept because all bids for it are below its limit, or ""."""
    best = book.best(position.side) if book else None
    if sale is None or sale.wait or book is None or best is None or best.price >= sale.lowest:
        return ""
    bids = trade.walk(book.side(position.side), position.size)
    loses = sale.middle * bids.size - bids.dollars
    return (
        f"the best bid, {best.price:.4f}, is below the limit, {sale.lowest:.4f} (EXIT_LIMIT); the sane mid price "
        f"is {sale.middle:.4f}. Selling {contracts(bids.size)} of {contracts(position.size)} at the bids now "
        f"would lose ${loses:.2f} against it. The bot tries again at each look; {typed('main.py close-all')} "
        "sells at any price"
    )


def _held_back(
    position: Position, market: Market | None, book: Book | None, sales: Mapping[str, Sale] | None, way: Exit
) -> UnsoldPosition | None:
    """Why a position may not be sold at this look, None if it may.

    The limit is for sales with `CROSS`. An order that rests waits for somebody to pay its price."""
    if sales is None or trade.not_trading(market) is not None:
        return None
    sale = sales.get(position.ticker)
    if sale is None or (sale.wait and sale.again is None):
        return UnsoldPosition(position, "its market could not be looked at")
    if sale.again is not None:
        return UnsoldPosition(position, f"waits for a second look ({sale.wait})", sale.again)
    if way is Exit.REST:
        hole = "its book is a hole, from which the exit order takes no price"
        return UnsoldPosition(position, hole) if sale.is_wide else None
    below = kept_below(position, book, sale)
    return UnsoldPosition(position, below, is_kept=True) if below else None


def _last_exit(position: Position, orders: Collection[Order]) -> Bid | None:
    """The bot's resting order that sells a position, as it rests."""
    side = position.side.other
    found = [one for one in orders if one.ticker == position.ticker and one.side is side and trade.is_own(one)]
    best = max(found, key=lambda one: (one.remaining, one.order_id), default=None)
    return None if best is None else Bid(side, best.price, min(best.remaining, position.size))
