"""How much may still be tied up and lost. Promise: pure; the risk of an event is as the design defines it, its
worst outcome counted from what is held and what rests, one side of a quote filled alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar

from exchange.account import Balance, Position
from exchange.models import Order
from exchange.orderbook import Side

Amount = TypeVar("Amount", Decimal, int)

Losses = tuple[Decimal, Decimal]
"""Dollars that what we have in a market loses if it settles YES, and if it settles NO; below 0 it gains."""

_NOTHING, _CENT = Decimal(0), Decimal("0.01")

_DEAREST_RATE = Decimal("0.14")
"""Twice the common taker's rate (docs.kalshi.com/getting_started, fees): no series charges more."""


def event_of(ticker: str) -> str:
    """The event of a market of which no more is known: its ticker begins with the event's."""
    return ticker.rpartition("-")[0]


def event_risk(losses: Collection[tuple[Amount, Amount]], exclusive: bool, nothing: Amount) -> Amount:
    """The loss under the worst outcome of an event, from the (YES, NO) losses of its markets, never below
    `nothing`.

    Where the markets exclude each other one of them settles YES, or none does; held pairs offset. Where that is
    not known, each market's worst case is added up."""
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
    """What is left to commit, in dollars: `capital` of MAX_CAPITAL, `cash` by shard (None where the exchange does
    not tell it by shard: `free_cash` then), and `event_loss` that an event may lose. `losses` and `exclusive` tell
    of what is held or meant to rest already: by event and market, and of which events it is known that their
    markets exclude each other."""

    capital: Decimal
    event_loss: Decimal
    free_cash: Decimal
    cash: Mapping[int, Decimal] | None = None
    losses: Mapping[str, Mapping[str, Losses]] = field(default_factory=dict)
    exclusive: frozenset[str] = frozenset()

    def cash_on(self, exchange_index: int | None) -> Decimal:
        """Cash that an order on a shard can use: elsewhere it is of no use to it."""
        if exchange_index is None or self.cash is None:
            return self.free_cash
        return min(self.cash.get(exchange_index, _NOTHING), self.free_cash)

    def event_risk(self, event_ticker: str) -> Decimal:
        """Dollars at risk in an event, worst outcome."""
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
        """What is left beside an order or a position that ties up so much and can lose so much."""
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
    """What a position loses if its market settles YES, and if NO: what it cost with its fees, less a dollar for
    each contract that is paid. The exchange tells the fees of all that was ever traded in a market; those of what
    is held now were no more than the dearest rate on it."""
    average = position.exposure / position.size if position.size else _NOTHING
    dearest = _DEAREST_RATE * position.exposure * max(1 - average, _NOTHING)
    cost = position.exposure + min(position.fees, dearest.quantize(_CENT, ROUND_CEILING))
    paid = cost - position.size
    return (paid, cost) if position.count > 0 else (cost, paid)


def remaining_headroom(
    limits: tuple[Decimal, Decimal],
    balance: Balance | None,
    positions: Iterable[Position],
    orders: Iterable[Order],
    ours: Iterable[Order] = (),
) -> Headroom:
    """What is left of the `limits` (MAX_CAPITAL, MAX_EVENT_LOSS) beside what the account holds and what rests in
    it. The money behind `ours`, quotes of the bot, can be used anew. Where the balance is not known (None) cash
    limits nothing: the exchange refuses what there is none for."""
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
    if balance is None:
        return Headroom(capital, event_loss, max(capital, _NOTHING), None, losses)
    free, cash = balance.available, dict(balance.by_shard)
    for order in ours:
        free += order.price * order.remaining
        if order.exchange_index in cash:
            cash[order.exchange_index] += order.price * order.remaining
    return Headroom(capital, event_loss, free, cash or None, losses)
