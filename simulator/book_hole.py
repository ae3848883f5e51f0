"""A hole in a book: for some seconds one bid at a cent is all that others leave.

Promise:
- The orders of customers stay.
- The others' orders leave the book and come back to their prices, at the end of the queue. One that would then
  trade
  stays away.
"""

from __future__ import annotations

from simulator.exchange import Exchange
from simulator.listing import ListedMarket
from simulator.matching import CONTRACT, DOLLAR_PIPS

LEFT_CONTRACTS = 1_000
"""Contracts that are bid at a cent."""

SECONDS = 30.0
"""How long a hole lasts unless the script says."""

_CENT = DOLLAR_PIPS // 100


def tear(exchange: Exchange, market: ListedMarket, is_bid: bool, seconds: float = SECONDS) -> None:
    """Take the others' bids out of a market's book for so many seconds.

    `is_bid`: those for YES, else those for NO."""
    half = market.book.half(is_bid)
    away = [order for order in half.everyone() if order.owner is None]
    for order in away:
        exchange.withdraw(market, order)
    cent = market.grid.nearest(_CENT if is_bid else DOLLAR_PIPS - _CENT, 0)
    left = exchange.crowd_rest(market, is_bid, cent, LEFT_CONTRACTS * CONTRACT)
    exchange.changed(market)

    def come_back() -> None:
        if left is not None and left.status == "resting":
            exchange.withdraw(market, left)
        for order in away if exchange.trades_in(market) else ():
            if not market.book.would_cross(is_bid, order.price):
                order.status = "resting"
                half.add(order)
        exchange.changed(market)

    exchange.at(exchange.now + seconds, come_back)
