"""All simulated traders of a market, moved by a test."""

from __future__ import annotations

from simulator.listing import ListedMarket
from simulator.matching import CONTRACT
from simulator.matching import Order as SimulatedOrder
from tests.support.bench import Bench


def crowd(bench: Bench, one: ListedMarket, bid: int, ask: int, contracts: int = 3_000) -> None:
    """All simulated traders leave and come back: ten levels of `contracts`, the best at `bid` and at `ask`.

    Both are YES prices in pips. Orders of the account that they cross are filled."""
    exchange = bench.exchange.api.exchange
    for half in (one.book.bids, one.book.asks):
        for other in half.everyone():
            if other.owner is None:
                half.remove(other)
    for is_bid, best in ((True, bid), (False, ask)):
        tick = one.grid.tick(best)
        for step in range(10):
            price = one.grid.price(tick - step if is_bid else tick + step)
            if price is not None:
                came = SimulatedOrder(one.ticker, is_bid, price, contracts * CONTRACT)
                exchange.execute(one, came)
                if came.remaining:
                    exchange.rest(one, came)
    exchange.changed(one)
