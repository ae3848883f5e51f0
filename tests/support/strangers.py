"""Another bot's orders on the account, by their names: a bot that started later, so that it is the one to halt."""

from __future__ import annotations

from simulator.exchange import Exchange
from simulator.matching import Order
from simulator.opening import CUSTOMER
from trade import OWN_PREFIX

NAME = f"{OWN_PREFIX}feedbeef-ffffffff-"


def is_stranger(order: Order) -> bool:
    return order.client_order_id.startswith(NAME)


def leave(exchange: Exchange) -> None:
    """The other bot cancels its orders."""
    for order in list(filter(is_stranger, exchange.accounts[CUSTOMER].resting.values())):
        exchange.take_down(exchange.markets[order.ticker], order)
