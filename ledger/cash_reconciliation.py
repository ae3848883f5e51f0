"""What explains the account's cash. Promise: pure and exact: cash that no fill, settlement or payment explains
shows as a step between two looks, and is seen twice before it counts. The exchange never says what it pays for
liquidity; this is where such a payment shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from exchange.account import Fill, Position, Settlement
from exchange.models import Order
from exchange.orderbook import Side

STEP = Decimal("0.50")
"""Dollars that come or go at once without an explanation and are a step of their own. What is less may be a fee
that is reserved otherwise than we think; no reward is less than a dollar."""

_SAME = Decimal("0.01")
_NOTHING = Decimal(0)
_PIP = Decimal("0.0001")
_MILLIONTH = Decimal("0.000001")


class CashReading(NamedTuple):
    """Dollars at a time: the account's `cash`, what orders tie up included, and what trades and settlements
    (`traded`) and listed payments (`paid`) had moved until then."""

    cash: Decimal
    traded: Decimal
    paid: Decimal

    @property
    def level(self) -> Decimal:
        """The cash that they do not explain; it stays as it is unless money comes or goes without a name."""
        return self.cash - self.traded - self.paid


class ExplainedSpan(NamedTuple):
    """From a `first` look to a `last` one all cash was explained, to less than a step from one to the next. Where
    it begins `anew`, what it differs by from the one before tells nothing: positions were taken over."""

    since: datetime
    until: datetime
    first: CashReading
    last: CashReading
    anew: bool = False


def cash_effect(held: Decimal, one: Fill | Settlement) -> Decimal:
    """Dollars that a fill or a settlement adds to the cash, where so many contracts (YES positive) are held before
    it: a YES and a NO together are a dollar, paid back at once."""
    if isinstance(one, Settlement):
        return one.revenue
    against = -held if one.side is Side.YES else held
    pairs = min(one.count, max(against, _NOTHING))
    return pairs - one.price * one.count - one.fee


def tied_up(
    orders: Iterable[Order], positions: Iterable[Position], maker_rate: Callable[[str], Decimal]
) -> Decimal:
    """Dollars that resting orders tie up: the price, and the maker's fee if there is one, of what would open
    something. What would only close a position needs nothing; the oldest orders close first. `maker_rate`: by
    ticker the fee for a contract at P, divided by P x (1 - P)."""
    held = {position.ticker: position.count for position in positions}
    closable: dict[tuple[str, Side], Decimal] = {}
    total = _NOTHING
    for order in sorted(orders, key=lambda order: (order.created is not None, order.created, order.order_id)):
        side = order.ticker, order.side
        count = held.get(order.ticker, _NOTHING)
        left = closable.get(side, max(-count if order.side is Side.YES else count, _NOTHING))
        closes = min(left, order.remaining)
        closable[side] = left - closes
        opens = order.remaining - closes
        total += opens * order.price
        rate = maker_rate(order.ticker)
        if rate and order.asked:
            fee = (rate * order.asked * order.price * (1 - order.price)).quantize(_PIP, ROUND_CEILING)
            total += (fee * opens / order.asked).quantize(_MILLIONTH, ROUND_CEILING)
    return total


def extend_span(
    before: ExplainedSpan | None,
    doubt: ExplainedSpan | None,
    at: datetime,
    reading: CashReading,
    anew: bool = False,
) -> tuple[ExplainedSpan | None, ExplainedSpan | None]:
    """A look at the cash: the span that it goes on or begins, None where neither is sure yet, and what is then
    in `doubt`: a step counts once two looks in a row agree on it."""
    now = ExplainedSpan(at, at, reading, reading)
    if before is None or anew:
        return now._replace(anew=True), None
    if abs(reading.level - before.last.level) < STEP:
        return before._replace(until=at, last=reading), None
    if doubt is None or abs(reading.level - doubt.last.level) > _SAME:
        return None, now
    return doubt._replace(until=at, last=reading), None
