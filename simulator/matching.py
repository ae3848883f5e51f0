"""One market's book: price-time priority on YES prices. Promise: it is never crossed, and contracts bought
equal contracts sold, because both sides of a trade are the same record.

Units in this package are integers: prices 1/10,000 dollar (a *pip*), sizes 1/100 contract, money 1/1,000,000
dollar. A price times a size is money, exactly.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass

DOLLAR_PIPS = 10_000
CONTRACT = 100
DOLLAR = 1_000_000


@dataclass(slots=True, eq=False)
class Order:
    """An order on the YES book. `owner` is None for the crowd, whose orders nobody asks for by id."""

    ticker: str
    is_bid: bool
    price: int
    size: int
    owner: str | None = None
    order_id: str = ""
    client_order_id: str = ""
    filled: int = 0
    status: str = "resting"
    created: float = 0.0
    updated: float = 0.0
    expires: float | None = None
    self_trade_prevention: str = "taker_at_cross"
    cancel_on_pause: bool = False
    taker_cost: int = 0
    maker_cost: int = 0
    taker_fees: int = 0

    @property
    def remaining(self) -> int:
        return self.size - self.filled if self.status == "resting" else 0


@dataclass(frozen=True, slots=True)
class Trade:
    """`size` changed hands at `price` between a resting order and the one that met it."""

    maker: Order
    taker: Order
    price: int
    size: int


class HalfBook:
    """The resting orders of one side: first come, first served at each price."""

    def __init__(self, is_bid: bool) -> None:
        self._is_bid = is_bid
        self._prices: list[int] = []
        self._queues: dict[int, deque[Order]] = {}

    def best(self) -> int | None:
        if not self._prices:
            return None
        return self._prices[-1] if self._is_bid else self._prices[0]

    def first(self, price: int) -> Order:
        return self._queues[price][0]

    def add(self, order: Order) -> None:
        if order.price not in self._queues:
            insort(self._prices, order.price)
            self._queues[order.price] = deque()
        self._queues[order.price].append(order)

    def remove(self, order: Order) -> None:
        queue = self._queues[order.price]
        queue.remove(order)
        if not queue:
            del self._queues[order.price]
            del self._prices[bisect_left(self._prices, order.price)]

    def levels(self) -> list[tuple[int, int]]:
        """(price, size) of every level, lowest price first."""
        return [(price, self.size_at(price)) for price in self._prices]

    def size_at(self, price: int) -> int:
        return sum(order.size - order.filled for order in self._queues.get(price, ()))

    def crowd_size_at(self, price: int) -> int:
        """What nobody with an account rests at a price."""
        return sum(order.size - order.filled for order in self._queues.get(price, ()) if order.owner is None)


class MatchingBook:
    """Both sides of one market."""

    def __init__(self) -> None:
        self.bids = HalfBook(is_bid=True)
        self.asks = HalfBook(is_bid=False)

    def half(self, is_bid: bool) -> HalfBook:
        return self.bids if is_bid else self.asks

    def would_cross(self, is_bid: bool, price: int) -> bool:
        best = self.half(not is_bid).best()
        return best is not None and (price >= best if is_bid else price <= best)

    def match(self, taker: Order) -> tuple[list[Trade], list[Order]]:
        """Trade `taker` against what it crosses, best price first, at the resting orders' prices. Returns the
        trades and the owner's own resting orders that had to give way (self-trade prevention `maker`); with
        `taker_at_cross` the taker's rest is canceled instead. Whatever is left of it then rests nowhere yet.
        """
        trades: list[Trade] = []
        withdrawn: list[Order] = []
        half = self.half(not taker.is_bid)
        while taker.remaining and self.would_cross(taker.is_bid, taker.price):
            best = half.best()
            assert best is not None  # noqa: S101  (it crosses something)
            maker = half.first(best)
            if taker.owner is not None and maker.owner == taker.owner:
                if taker.self_trade_prevention == "taker_at_cross":
                    taker.status = "canceled"
                    break
                half.remove(maker)
                maker.status = "canceled"
                withdrawn.append(maker)
                continue
            size = min(taker.remaining, maker.remaining)
            trades.append(Trade(maker, taker, best, size))
            taker.filled += size
            maker.filled += size
            if maker.filled == maker.size:
                half.remove(maker)
                maker.status = "executed"
        if taker.filled == taker.size:
            taker.status = "executed"
        return trades, withdrawn
