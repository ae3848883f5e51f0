"""Positions whose sale an order of the account's owner blocks.

Promise:
- Pure.
- Only orders that the bot did not send are named. The bot never cancels them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import trade
from exchange.account import Position
from exchange.models import Order
from exchange.orderbook import ONE_DOLLAR
from execution.plan import Plan
from risk.gate import Place, RefusalCode, TradingState


class BlockedSale(NamedTuple):
    """A position, and the order that its sale would meet."""

    position: Position
    order: Order


def blocked_sales(plan: Plan, state: TradingState) -> tuple[BlockedSale, ...]:
    """The positions whose sale an order of the account's owner blocks in `plan`.

    Of several orders, the one with the highest price is named: a sale would meet it first."""
    kept = {one.position.ticker for one in plan.unsold if one.is_blocked}
    asks: dict[Place, Decimal] = {}
    for refusal in plan.refused:
        bid = refusal.order.bid
        if refusal.code is RefusalCode.OWN_ORDER:
            asks[refusal.order.ticker, bid.side.other] = bid.other_price
    found = []
    for position in state.positions:
        place = position.ticker, position.side
        least = Decimal(0) if position.ticker in kept else asks.get(place, ONE_DOLLAR)
        met = [order for order in state.orders if (order.ticker, order.side) == place and order.price >= least]
        theirs = [order for order in met if not trade.is_own(order)]
        if position.count and theirs:
            found.append(BlockedSale(position, max(theirs, key=lambda order: (order.price, order.order_id))))
    return tuple(found)
