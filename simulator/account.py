"""The customer's side of the exchange: cash by shard, what is held, what resting orders tie up.

Promise: cash changes by nothing but trades, fees and what is put in, and every change is exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from simulator.matching import DOLLAR_PIPS, Order

FEE_GRAIN = 100
"""Fees are rounded up to $0.0001, in 1/1,000,000 dollar."""


@dataclass(slots=True)
class Holding:
    """What is held in one market: `count` > 0 is YES, < 0 NO. `cost` is what the contracts held now cost."""

    count: int = 0
    cost: int = 0
    realized: int = 0
    fees: int = 0
    traded: int = 0
    updated: float = 0.0


@dataclass(slots=True)
class Account:
    owner: str
    cash: dict[int, int] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=lambda: defaultdict(Holding))

    def trade(self, shard: int, ticker: str, is_bid: bool, price: int, size: int, fee: int, now: float) -> int:
        """Book a trade and its fee. Buying YES while NO is held closes pairs, each worth a dollar; the rest
        opens. Returns what the trade cost (negative: what it brought), without the fee."""
        held = self.holdings[ticker]
        own_price = price if is_bid else DOLLAR_PIPS - price
        direction = 1 if is_bid else -1
        closing = min(size, max(-direction * held.count, 0))
        opening = size - closing
        if closing:
            released = held.cost * closing // abs(held.count)
            proceeds = closing * (DOLLAR_PIPS - own_price)
            held.cost -= released
            held.realized += proceeds - released
            self.cash[shard] = self.cash.get(shard, 0) + proceeds
        held.cost += opening * own_price
        self.cash[shard] = self.cash.get(shard, 0) - opening * own_price - fee
        held.count += direction * size
        held.fees += fee
        held.traded += size * own_price
        held.updated = now
        return opening * own_price - closing * (DOLLAR_PIPS - own_price)

    def available(self, shard: int, resting: Iterable[Order]) -> int:
        """Cash of a shard that the orders resting on it do not tie up."""
        return self.cash.get(shard, 0) - self.collateral(resting)

    def collateral(self, resting: Iterable[Order]) -> int:
        """What `resting` orders tie up: the whole price of every contract that would open something. What
        would only close a holding needs none; the oldest orders close first."""
        by_side: dict[tuple[str, bool], list[Order]] = defaultdict(list)
        for order in resting:
            by_side[order.ticker, order.is_bid].append(order)
        total = 0
        for (ticker, is_bid), orders in by_side.items():
            count = self.holdings[ticker].count if ticker in self.holdings else 0
            closable = max(-count if is_bid else count, 0)
            for order in orders:
                closes = min(closable, order.remaining)
                closable -= closes
                own_price = order.price if is_bid else DOLLAR_PIPS - order.price
                total += (order.remaining - closes) * own_price
        return total


def taker_fee(price: int, size: int) -> int:
    """0.07 x contracts x P x (1 - P), rounded up to $0.0001, in 1/1,000,000 dollar."""
    fee = -(-7 * size * price * (DOLLAR_PIPS - price) // 1_000_000)
    return -(-fee // FEE_GRAIN) * FEE_GRAIN
