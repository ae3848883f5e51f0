"""Score resting orders by the Liquidity Incentive Program's rule of 30 July 2026.

Promise:
- Every function is pure.
- The module implements this rule only (the exchange's amendment filed on 15 July 2026). Another version would be a
  module of its own; `estimate.py` imports the one in force.

The exchange takes a snapshot of the order book every second and scores each side of it:
- Walk the side from its best bid down to the level at which `target` contracts are reached. That level counts
  whole.
- The *reference* is the price at which the walk reaches a fifth of the target.
- A walked contract weighs `discount` to the power of its ticks behind the reference. Contracts at the reference or
  ahead of it weigh 1. Contracts on deeper levels earn nothing.
- Each side pays half of the reward. Accounts share that half by their weighted contracts.
- If either side holds less than the target, the second is *excluded*: it pays no account and still counts in the
  window.
- A window that would pay an account less than $1.00 pays it nothing.

The rule leaves two points open:
- Ticks across a change of step. This module counts the market's grid steps.
- A side whose best bid is at the grid's top tick. `TopTick` names both readings, and the bot goes by the careful
  one, `TOP_TICK`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from exchange.orderbook import Bid

NAME = "2026-07-30"
"""The rule's name in the settings."""

TITLE = "rule of 30 July 2026"
"""The rule's name in a sentence."""

KNOWN_SINCE = datetime(2026, 7, 30, tzinfo=timezone.utc)
"""When the rule came into force."""

KNOWN_UNTIL = datetime(2027, 1, 1, tzinfo=timezone.utc)
"""When the program ends unless it is renewed.

The filing says "by 1 January 2027", without an hour or a time zone. This is the earlier of the likely instants:
midnight in UTC comes five hours before midnight in New York, where the exchange is. To stop five hours early costs
little. To quote five hours for nothing may cost a fill."""


class TopTick(Enum):
    """How a side is read whose best bid is at the grid's top tick.

    The text of this rule does not mention the case, so the side counts. Older rules disqualified the side, and
    practitioners still see that."""

    COUNTED = "counted"
    DISQUALIFIED = "disqualified"


TOP_TICK = TopTick.DISQUALIFIED
"""The reading by which the bot decides and accrues: it never promises more than is paid."""

REFERENCE_PART = 5
"""The walk reaches the reference at target / REFERENCE_PART contracts."""

PAYOUT_FLOOR = Decimal("1.00")
"""Dollars. A window that would pay an account less pays it nothing, and nothing is carried over."""

_FLOOR_CENTS = 100
_NOTHING = Decimal(0)


Ladder = Sequence[tuple[Decimal, Decimal]]
"""One side's bids as (price in dollars, contracts), best price first."""


class SideScore(NamedTuple):
    """The score of one side of a book that includes our bids.

    Prices are in dollars. `rivals` and `ours` are weighted contracts on the levels that are paid."""

    reference: Decimal
    paid_down_to: Decimal
    rivals: float
    ours: float

    def share(self, rival_multiplier: float = 1.0) -> float:
        """Our share of the side, 0 to 1.

        `rival_multiplier` multiplies the rivals' score."""
        ours = self.ours
        return ours / (ours + rival_multiplier * self.rivals) if ours else 0.0


def score_side(
    rivals: Ladder,
    ours: Sequence[Bid],
    target: Decimal,
    discount: Decimal,
    ticks: Mapping[Decimal, int],
    top: Decimal,
    top_tick: TopTick = TOP_TICK,
) -> SideScore | None:
    """Score one side of a book, made of the `rivals`' levels and `ours`.

    All of `ours` are bids of this side. `rivals` must not contain our own orders. `ticks`: the grid steps of a
    price above the side's lowest price. `top`: the highest price of the grid. `top_tick`: how a best bid at `top`
    is read. Returns None if the side pays no account: it misses the target, or is disqualified."""
    levels = _merged(rivals, ours) if ours else rivals
    if not levels or (levels[0][0] >= top and top_tick is TopTick.DISQUALIFIED):
        return None
    needed, walked, walk = target / REFERENCE_PART, _NOTHING, iter(levels)
    for level in walk:  # not unpacked: on a NamedTuple that costs more than two lookups
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
    """The rivals' levels with our bids merged in."""
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
    """The weight of a contract, by its ticks behind the reference."""

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
    """Dollars that a window pays, before floor and cap.

    `score / everyone` is the account's part of all scores. `valid / snapshots` is the part of all snapshots that
    was not excluded."""
    return score / everyone * float(reward) * valid / snapshots


def payout_cents(dollars: float, cap: Decimal | None = None) -> int:
    """Cents that a window pays for `dollars` earned.

    The amount is limited to `cap`, rounded down to the cent, and 0 below $1.00. A shortfall of up to a billionth
    of a dollar is forgiven, because adding up floats loses it."""
    if cap is not None:
        dollars = min(dollars, float(cap))
    cents = math.floor(round(dollars * 100, 7))
    return cents if cents >= _FLOOR_CENTS else 0


def payout(dollars: float, cap: Decimal | None = None) -> Decimal:
    """`payout_cents` in dollars."""
    cents = payout_cents(dollars, cap)
    return Decimal(cents) / 100 if cents else _NOTHING
