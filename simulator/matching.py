"""One market's order book, with price-time priority on YES prices.

Promise:
- The book is never crossed.
- Contracts bought equal contracts sold, because one record holds both sides of a trade.

All quantities in this package are integers. Prices are in 1/10,000 dollar (a *pip*), sizes in 1/100 contract and
money in 1/1,000,000 dollar. A price times a size is exact money.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

DOLLAR_PIPS = 10_000
CONTRACT = 100
DOLLAR = 1_000_000


@dataclass(slots=True, eq=False)
class Order:
    """An order on the YES book.
    `owner` is None for simulated traders; their orders have no id. `asked` is the size that the customer
    requested. `entered` is when it joined its queue. `was` is a canceled order as it rested before its cancel.
    `fee_reserve` is the highest fee if all of it fills while it rests. `overpaid` is the excess of charged over
    exact fees due to rounding, in 1e-16 dollar."""

    ticker: str
    is_bid: bool
    price: int
    size: int
    owner: str | None = None
    number: int = 0
    order_id: str = ""
    client_order_id: str = ""
    asked: int = 0
    filled: int = 0
    status: str = "resting"
    created: float = 0.0
    updated: float = 0.0
    entered: float = 0.0
    was: Order | None = None
    expires: float | None = None
    self_trade_prevention: str = "taker_at_cross"
    cancel_on_pause: bool = False
    group_id: str | None = None
    taker_cost: int = 0
    maker_cost: int = 0
    taker_fees: int = 0
    maker_fees: int = 0
    fee_reserve: int = 0
    overpaid: int = 0

    @property
    def remaining(self) -> int:
        return self.size - self.filled if self.status == "resting" else 0


@dataclass(frozen=True, slots=True)
class Match:
    """A trade of `size` at `price` between a resting order and an incoming one."""

    maker: Order
    taker: Order
    price: int
    size: int


class HalfBook:
    """The resting orders of one side, by price and arrival. `total` is their size."""

    def __init__(self, is_bid: bool) -> None:
        self._is_bid = is_bid
        self._prices: list[int] = []
        self._queues: dict[int, deque[Order]] = {}
        self._sizes: dict[int, int] = {}
        self.total = 0

    def best(self) -> int | None:
        if not self._prices:
            return None
        return self._prices[-1] if self._is_bid else self._prices[0]

    def first(self, price: int) -> Order:
        return self._queues[price][0]

    def add(self, order: Order) -> None:
        """Put an order at the end of its price's queue."""
        price, size = order.price, order.size - order.filled
        if price not in self._queues:
            insort(self._prices, price)
            self._queues[price] = deque()
            self._sizes[price] = 0
        self._queues[price].append(order)
        self._sizes[price] += size
        self.total += size

    def remove(self, order: Order) -> None:
        price, size = order.price, order.size - order.filled
        queue = self._queues[price]
        queue.remove(order)
        self._sizes[price] -= size
        self.total -= size
        if not queue:
            del self._queues[price], self._sizes[price]
            del self._prices[bisect_left(self._prices, price)]

    def fill(self, order: Order, size: int) -> None:
        """Fill `size` of a resting order. A fully filled one leaves the book."""
        if order.filled + size == order.size:
            self.remove(order)
            order.filled += size
            order.status = "executed"
            return
        order.filled += size
        self._sizes[order.price] -= size
        self.total -= size

    def shrink(self, order: Order, size: int) -> None:
        """Reduce a resting order's total size to `size`. It keeps its queue position."""
        self._sizes[order.price] -= order.size - size
        self.total -= order.size - size
        order.size = size

    def levels(self) -> list[tuple[int, int]]:
        """(price, size) of every level, lowest price first."""
        return [(price, self._sizes[price]) for price in self._prices]

    def queues(self) -> Iterator[tuple[int, deque[Order]]]:
        """(price, orders by arrival) of every level, best price first."""
        for price in reversed(self._prices) if self._is_bid else self._prices:
            yield price, self._queues[price]

    def size_at(self, price: int) -> int:
        return self._sizes.get(price, 0)

    def ahead_of(self, order: Order) -> int:
        """Contracts (1/100) ahead of a resting order: at better prices and in its queue."""
        ahead = 0
        for price, queue in self.queues():
            if price == order.price:
                for other in queue:
                    if other is order:
                        return ahead
                    ahead += other.remaining
            ahead += self._sizes[price]
        return ahead

    def everyone(self) -> list[Order]:
        return [order for queue in self._queues.values() for order in queue]


class MatchingBook:
    """The two sides of one market."""

    def __init__(self) -> None:
        self.bids = HalfBook(is_bid=True)
        self.asks = HalfBook(is_bid=False)

    def half(self, is_bid: bool) -> HalfBook:
        return self.bids if is_bid else self.asks

    def would_cross(self, is_bid: bool, price: int) -> bool:
        best = self.half(not is_bid).best()
        return best is not None and (price >= best if is_bid else price <= best)

    def fillable(self, taker: Order) -> int:
        """Contracts (1/100) that `taker` could fill at its limit, up to its size.
        Its owner's own resting orders do not count."""
        found = 0
        for price, queue in self.half(not taker.is_bid).queues():
            if found >= taker.size or (price > taker.price if taker.is_bid else price < taker.price):
                break
            for order in queue:
                if taker.owner is None or order.owner != taker.owner:
                    found += order.remaining
                elif taker.self_trade_prevention == "taker_at_cross":
                    return min(found, taker.size)
        return min(found, taker.size)

    def match(self, taker: Order) -> tuple[list[Match], list[Order]]:
        """Match `taker` against the orders it crosses, best price first, at their prices.
        Returns the trades, and the owner's own resting orders that were canceled (self-trade prevention `maker`).
        With `taker_at_cross` the taker's remainder is canceled instead. Any other remainder does not rest yet.
        """
        trades: list[Match] = []
        withdrawn: list[Order] = []
        half = self.half(not taker.is_bid)
        while taker.remaining and self.would_cross(taker.is_bid, taker.price):
            best = half.best()
            assert best is not None  # noqa: S101  (it crosses an order)
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
            trades.append(Match(maker, taker, best, size))
            taker.filled += size
            half.fill(maker, size)
        if taker.filled == taker.size:
            taker.status = "executed"
        return trades, withdrawn
