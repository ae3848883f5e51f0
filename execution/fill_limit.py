"""How many contracts may be filled on a shard in 15 s, if `FILL_LIMIT` is None.

Promise:
- Pure functions.
- No fill of so many contracts costs more than `MAX_EVENT_LOSS`, whichever of the shard's quotes it takes, unless
  it is a single contract.
- Within that bound the largest quote may be filled whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from exchange.orderbook import Bid

LEAST = Decimal(1)
"""The smallest limit that the exchange accepts, in contracts."""

_NO_BOUND = Decimal("Infinity")


class FillLimit(NamedTuple):
    """Contracts of a shard's quotes that may be filled in 15 s.

    `wanted`: the limit. `most`: a limit that is there already may be as high; infinite if all quotes together cost
    no more than `MAX_EVENT_LOSS`."""

    wanted: Decimal
    most: Decimal


def fill_limit(largest: Decimal, opening: Iterable[Bid], max_event_loss: Decimal) -> FillLimit:
    """The limit for a shard: its largest quote, if the money is enough for that.

    `largest`: the contracts of the largest quote. `opening`: all quotes, without the contracts that only sell a
    position."""
    most = _most_contracts(opening, max_event_loss)
    return FillLimit(min(max(largest.to_integral_value(ROUND_CEILING), LEAST), most), most)


def _most_contracts(opening: Iterable[Bid], dollars: Decimal) -> Decimal:
    """The most contracts that cost no more than `dollars`, whichever are filled.

    Whole ones, and one at least; infinite if all of them cost no more."""
    count, left = Decimal(0), dollars
    for bid in sorted(opening, key=lambda one: one.price, reverse=True):
        costs = bid.price * bid.count
        if costs > left:
            return max((count + left / bid.price).to_integral_value(ROUND_FLOOR), LEAST)
        count, left = count + bid.count, left - costs
    return _NO_BOUND
