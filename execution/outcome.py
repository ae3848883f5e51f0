"""What the requests of a cycle came to.

Promise:
- Figures count what rests after the cycle, by the exchange's answers, and not what the plan wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from exchange.orderbook import Bid
from risk.gate import Place

_NOTHING = Decimal(0)


class Outcome(NamedTuple):
    """The account after a cycle's requests.

    `resting`: the bot's bids that rest, by ticker; a market without any is not in it. `risks`: dollars at risk by
    event, at its worst outcome, of positions and all resting orders. `tied_up`: dollars that they tie up. `spent`:
    cash in dollars that the cycle's orders took, below 0 if they gave some back. `refused`: why an order was
    refused, by side, if that was the market's fault. `taken`: the sides on which an order was placed, amended or
    kept."""

    resting: Mapping[str, tuple[Bid, ...]] = {}
    risks: Mapping[str, Decimal] = {}
    tied_up: Decimal = _NOTHING
    spent: Decimal = _NOTHING
    refused: Mapping[Place, str] = {}
    taken: frozenset[Place] = frozenset()

    @property
    def orders(self) -> int:
        """The number of the bot's orders that rest."""
        return sum(map(len, self.resting.values()))
