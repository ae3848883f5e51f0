"""Compute how much capital, cash and event loss is left.

Promise:
- Pure functions.
- An event's risk is the loss of its worst outcome, counted from positions and resting orders. Each order counts as
  if it alone were filled, without the other side of its quote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar

from exchange.account import Position
from exchange.models import Order, event_of
from exchange.orderbook import Side
from exchange.reserves import FreeCash

Amount = TypeVar("Amount", Decimal, int)

Losses = tuple[Decimal, Decimal]
"""Dollars lost in a market if it settles YES, and if it settles NO; negative is a gain."""

_NOTHING, _CENT = Decimal(0), Decimal("0.01")

_DEAREST_RATE = Decimal("0.14")
"""Twice the common taker fee rate (docs.kalshi.com/getting_started, fees): no series charges more."""


def event_risk(losses: Collection[tuple[Amount, Amount]], exclusive: bool, nothing: Amount) -> Amount:
    """Return an event's worst-case loss, from its markets' (YES, NO) losses.

    It is never below `nothing`. If the markets exclude each other, one of them or none settles YES, so positions
    offset. If that is not known, the worst cases of all markets are added up."""
    worst = none_of_them = nothing
    if not exclusive:
        for yes, no in losses:
            worst += max(yes, no, nothing)
        return worst
    for _, no in losses:
        none_of_them += no
    for yes, no in losses:
        worst = max(worst, none_of_them - no + yes)
    return max(worst, none_of_them)


@dataclass(frozen=True)
class Headroom:
    """The headroom for new orders, in dollars.

    - `capital`: what is left of MAX_CAPITAL.
    - `cash`: free cash by shard. If None, the exchange does not report it by shard, and `free_cash` counts.
    - `event_loss`: what an event may lose.
    - `losses`: by event and market, from positions, resting orders and planned ones.
    - `exclusive`: the events whose markets are known to exclude each other.
    """

    capital: Decimal
    event_loss: Decimal
    free_cash: Decimal
    cash: Mapping[int, Decimal] | None = None
    losses: Mapping[str, Mapping[str, Losses]] = field(default_factory=dict)
    exclusive: frozenset[str] = frozenset()

    def cash_on(self, exchange_index: int | None) -> Decimal:
        """Return the cash that an order can use: only that of its own shard."""
        if exchange_index is None or self.cash is None:
            return self.free_cash
        return min(self.cash.get(exchange_index, _NOTHING), self.free_cash)

    def event_risk(self, event_ticker: str) -> Decimal:
        """Return the dollars at risk in an event, in its worst outcome."""
        losses = self.losses.get(event_ticker, {}).values()
        return event_risk(losses, event_ticker in self.exclusive, _NOTHING)

    def after(
        self,
        event_ticker: str,
        ticker: str,
        losses: Losses,
        tied_up: Decimal,
        exchange_index: int | None,
        exclusive: bool,
    ) -> Headroom:
        """Return the headroom after one more order or position.

        It ties up `tied_up` dollars and can lose `losses`."""
        event = dict(self.losses.get(event_ticker, {}))
        yes, no = event.get(ticker, (_NOTHING, _NOTHING))
        event[ticker] = (yes + losses[0], no + losses[1])
        cash = self.cash
        if cash is not None and exchange_index is not None:
            cash = {**cash, exchange_index: cash.get(exchange_index, _NOTHING) - tied_up}
        return replace(
            self,
            capital=self.capital - tied_up,
            free_cash=self.free_cash - tied_up,
            cash=cash,
            losses={**self.losses, event_ticker: event},
            exclusive=self.exclusive | {event_ticker} if exclusive else self.exclusive,
        )


def position_losses(position: Position) -> Losses:
    """Return what a position loses if its market settles YES, and if it settles NO.

    The loss is the cost with fees, less a dollar per contract that pays out. The exchange reports the fees of all
    trades ever made in the market. The fees of the current position are capped at the highest fee rate on it."""
    average = position.exposure / position.size if position.size else _NOTHING
    dearest = _DEAREST_RATE * position.exposure * max(1 - average, _NOTHING)
    cost = position.exposure + min(position.fees, dearest.quantize(_CENT, ROUND_CEILING))
    paid = cost - position.size
    return (paid, cost) if position.count > 0 else (cost, paid)


def remaining_headroom(
    limits: tuple[Decimal, Decimal],
    cash: FreeCash | None,
    positions: Iterable[Position],
    orders: Iterable[Order],
    ours: Iterable[Order] = (),
) -> Headroom:
    """Return the headroom within `limits` (MAX_CAPITAL, MAX_EVENT_LOSS).

    `positions` and `orders` use it up. What `ours`, the bot's own quotes, reserve of the `cash` is free to be used
    again. If the cash is unknown (None), it is not a limit: the exchange refuses orders without cash."""
    capital, event_loss = limits
    losses: dict[str, dict[str, Losses]] = {}

    def add(ticker: str, yes: Decimal, no: Decimal) -> None:
        event = losses.setdefault(event_of(ticker), {})
        before = event.get(ticker, (_NOTHING, _NOTHING))
        event[ticker] = (before[0] + yes, before[1] + no)

    for position in positions:
        capital -= position.exposure
        add(position.ticker, *position_losses(position))
    for order in orders:
        cost = order.price * order.remaining
        capital -= cost
        add(order.ticker, *((_NOTHING, cost) if order.side is Side.YES else (cost, _NOTHING)))
    if cash is None:
        return Headroom(capital, event_loss, max(capital, _NOTHING), None, losses)
    free, by_shard = cash.total, dict(cash.by_shard)
    for order in ours:
        frees, shard = cash.by_order.get(order.order_id, _NOTHING), order.shard
        free += frees
        if shard in by_shard:
            by_shard[shard] += frees
    return Headroom(capital, event_loss, free, by_shard or None, losses)
