"""What resting orders earn by the Liquidity Incentive Program's rule of **30 July 2026** (the exchange's amendment
filed on the 15th). Promise: pure, and this rule alone; another version would stand beside it as a module of its
own, and `estimate.py` says which is in force.

Once a second each side of a market's book is walked from its best bid down to the level at which `target`
contracts are reached; that level counts whole. The *reference* is the price at which a fifth of the target is
reached. What rests on the walked levels is weighted by `discount` per tick behind the reference, and shares that
side's half of the reward; what rests deeper earns nothing. If either side of the book holds less than the target,
the second is *excluded*: it pays nobody and still counts in the window. A window pays nothing below $1.00.

Left open by the rule, and read conservatively: ticks are the market's grid steps, also across a change of step; a
side whose best bid is at the grid's top tick is taken to be disqualified (older rules said so, practitioners still
see it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from exchange.orderbook import Bid

NAME = "rule of 30 July 2026"

REFERENCE_PART = 5
"""The reference is where the walk has met a fifth of the target."""

PAYOUT_FLOOR = Decimal("1.00")
"""Dollars: a window that would pay an account less pays it nothing, and nothing is carried over."""

_FLOOR_CENTS = 100
_NOTHING = Decimal(0)


Ladder = Sequence[tuple[Decimal, Decimal]]
"""Prices in dollars and contracts of a side's bids, best price first."""


class SideScore(NamedTuple):
    """One side of a book, with our bids in it, as the rule reads it. Prices in dollars; `rivals` and `ours` are
    the weighted contracts of all that is paid."""

    reference: Decimal
    paid_down_to: Decimal
    rivals: float
    ours: float

    def share(self, rival_multiplier: float = 1.0) -> float:
        """Our part of the side, 0 to 1, were the rivals' score so many times what it is."""
        ours = self.ours
        return ours / (ours + rival_multiplier * self.rivals) if ours else 0.0


def score_side(
    rivals: Ladder,
    ours: Sequence[Bid],
    target: Decimal,
    discount: Decimal,
    ticks: Mapping[Decimal, int],
    top: Decimal,
) -> SideScore | None:
    """Score a side that holds the `rivals`' levels (none of our own orders in them) and `ours`, all of them bids
    of this side. `ticks`: the grid steps of a price above the side's lowest; `top`: the highest price of the grid.
    None where both together miss the target: nobody on the side is paid."""
    levels = _merged(rivals, ours) if ours else rivals
    if not levels or levels[0][0] >= top:
        return None
    needed, walked, walk = target / REFERENCE_PART, _NOTHING, iter(levels)
    for level in walk:  # not unpacked, which costs a named tuple more than two look-ups
        walked += level[1]
        if walked >= needed:
            break
    else:
        return None
    reference = paid_down_to = level[0]
    step, weights, everyone = ticks[reference], _weights(discount), float(walked)
    if walked < target:
        for level in walk:
            size = level[1]
            walked += size
            everyone += weights[step - ticks[level[0]]] * float(size)
            if walked >= target:
                break
        else:
            return None
        paid_down_to = level[0]
    own = 0.0
    for bid in ours:
        price = bid.price
        if price >= paid_down_to:
            behind = step - ticks[price]
            own += weights[behind if behind > 0 else 0] * float(bid.count)
    others = everyone - own
    return SideScore(reference, paid_down_to, others if others > 0 else 0.0, own)


def _merged(rivals: Ladder, ours: Sequence[Bid]) -> Ladder:
    """The levels with our bids in them."""
    levels = list(rivals)
    for bid in ours:
        place, bid_price = 0, bid.price
        for level in levels:
            if level[0] <= bid_price:
                break
            place += 1
        if place < len(levels) and levels[place][0] == bid_price:
            levels[place] = (bid_price, levels[place][1] + bid.count)
        else:
            levels.insert(place, (bid_price, bid.count))
    return levels


class _Weights(dict[int, float]):
    """What a contract counts so many ticks behind the reference."""

    def __init__(self, discount: Decimal) -> None:
        super().__init__()
        self._discount = float(discount)

    def __missing__(self, behind: int) -> float:
        self[behind] = weight = self._discount**behind
        return weight


@lru_cache(maxsize=64)
def _weights(discount: Decimal) -> _Weights:
    return _Weights(discount)


def window_reward(score: float, everyone: float, reward: Decimal, valid: float, snapshots: float) -> float:
    """Dollars that a window brings before floor and cap: a user's part of everyone's score, of the reward, for the
    part of all snapshots that was not excluded."""
    return score / everyone * float(reward) * valid / snapshots


def payout_cents(dollars: float, cap: Decimal | None = None) -> int:
    """Cents that a window really pays for `dollars` earned: at most the cap, floored to the cent, and nothing at
    all below $1.00. A billionth of a dollar is forgiven: it is lost in adding up."""
    if cap is not None:
        dollars = min(dollars, float(cap))
    cents = math.floor(round(dollars * 100, 7))
    return cents if cents >= _FLOOR_CENTS else 0


def payout(dollars: float, cap: Decimal | None = None) -> Decimal:
    """The same in dollars."""
    cents = payout_cents(dollars, cap)
    return Decimal(cents) / 100 if cents else _NOTHING
