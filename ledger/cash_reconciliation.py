"""Find changes of the account's cash that nothing explains.

Promise:
- The functions are pure and exact.
- Cash that no fill, settlement or payment explains shows as a step between two looks.
- A step counts after two looks in a row have shown it.

The exchange does not report what it pays for liquidity. Such a payment shows as a step.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from exchange.account import Fill, Settlement
from exchange.orderbook import Side

STEP = Decimal("0.50")
"""The smallest unexplained change, in dollars, that is a step. A smaller one may be a fee that the exchange
reserves in another way than `exchange/reserves.py` assumes. Every reward is at least $1."""

_SAME = Decimal("0.01")
_NOTHING = Decimal(0)


class CashReading(NamedTuple):
    """The account's cash at a time, in dollars.

    `cash` includes what resting orders reserve. `traded`, `paid`: how trades and settlements, and listed payments,
    have changed it until then."""

    cash: Decimal
    traded: Decimal
    paid: Decimal

    @property
    def level(self) -> Decimal:
        """The cash that they do not explain: constant until an unexplained change."""
        return self.cash - self.traded - self.paid


class ExplainedSpan(NamedTuple):
    """A time, from the `first` look to the `last`, in which all cash was explained.

    Each change of the level from look to look was less than a step. `anew`: the difference from the span before
    means nothing, because the ledger was new or positions were adopted.
    `reread`: because the balance is read in another way since, so it is no cash at all."""

    since: datetime
    until: datetime
    first: CashReading
    last: CashReading
    anew: bool = False
    reread: bool = False


def cash_effect(held: Decimal, one: Fill | Settlement) -> Decimal:
    """Dollars that a fill or a settlement adds to the cash.

    `held`: the position before it, YES positive. A YES and a NO together are $1, which the exchange pays at
    once."""
    if isinstance(one, Settlement):
        return one.revenue
    against = -held if one.side is Side.YES else held
    pairs = min(one.count, max(against, _NOTHING))
    return pairs - one.price * one.count - one.fee


def extend_span(
    before: ExplainedSpan | None,
    doubt: ExplainedSpan | None,
    at: datetime,
    reading: CashReading,
    anew: bool = False,
    reread: bool = False,
) -> tuple[ExplainedSpan | None, ExplainedSpan | None]:
    """Extend the span `before` with a reading, or begin a new span.

    Returns the span and None. If the reading shows a step, it returns None and the span in `doubt`: pass that with
    the next reading. The step counts once two looks in a row agree on it. `anew`, `reread`: begin a new
    span at once."""
    now = ExplainedSpan(at, at, reading, reading)
    if before is None or anew or reread:
        return now._replace(anew=before is None or anew, reread=reread), None
    if abs(reading.level - before.last.level) < STEP:
        return before._replace(until=at, last=reading), None
    if doubt is None or abs(reading.level - doubt.last.level) > _SAME:
        return None, now
    return doubt._replace(until=at, last=reading), None
