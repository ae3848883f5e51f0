"""What a rival does about a customer's larger order.

It stays, follows the order, steps ahead of it, or leaves.

Promise:
- Who answers, and how, depends only on the exchange's seed and the market.
- A rival moves stock that it already rests on that side. It never adds any.
- Nothing is placed in front of the rivals' own best price, except by a rival that steps ahead.

A side's stock belongs to many rivals of 10 to 100 contracts. Of 630,000 recorded increases of a level near the
best price (gold, 15 minutes), half are of 25 contracts or less, and nine in ten of 100 or less. On some sides one
rival owns more: up to a whole target, the part that rests deepest. It steps ahead.

Practitioners measured two things: rivals answer within hours, and one should plan with 2 to 3 times their score of
today. The fractions below were set to about twice, for orders of 100 to 300 contracts in thin books
(`python -m benchmarks.answers --building`). How the answers divide, and the delays, are a guess.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from simulator.matching import CONTRACT


class Temper(Enum):
    """What a rival does about a larger order."""

    DEAF = "stays where it is"
    FOLLOWS = "moves to the reference price"
    LEAVES = "withdraws while the order is there"
    STEPS = "moves one tick ahead of the order, with a whole target"


FRACTIONS = {Temper.DEAF: 0.2, Temper.FOLLOWS: 0.75, Temper.LEAVES: 0.05}
"""How the rivals of a side divide."""

STEPS_CHANCE = 0.1
"""Fraction of sides with a rival that steps ahead."""

STOCK = (10, 100)
"""Contracts of one rival: from and to, evenly on the logarithm."""

DELAY = (120.0, 3_600.0)
"""Seconds until a rival looks again: from and to, evenly on the logarithm."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A rival that is not deaf.
    `pieces` are its stock at home: (ticks behind the touch, 1/100 contract). It heeds orders of more than `heeds`
    (1/100 contract)."""

    temper: Temper
    pieces: tuple[tuple[int, int], ...]
    heeds: int


class Sight(NamedTuple):
    """What a side shows of the customers: the largest order.
    `size` is in 1/100 contract. `behind` and the `reference` price (None: the side does not reach the target) are
    in ticks behind the rivals' touch; below 0 is ahead of it. `is_paid`: the order gets a score."""

    size: int
    behind: int
    reference: int | None
    is_paid: bool


class Away(NamedTuple):
    """An answer: where the stock is in place of home.
    It rests at `behind` ticks behind the touch, as far as it is not nearer at home. None: it is withdrawn."""

    behind: int | None


def rivals_of(sizes: Mapping[int, int], target: int, dice: random.Random) -> list[Rival]:
    """Draw the rivals of a side that are not deaf.
    `sizes` are in 1/100 contract by ticks behind the touch, `target` is a program's, in 1/100 contract."""
    left, found = dict(sizes), []
    if dice.random() < STEPS_CHANCE:
        pieces, wanted = [], target
        for behind in sorted(left, reverse=True):
            taken = min(left[behind], wanted)
            left[behind] -= taken
            wanted -= taken
            if taken:
                pieces.append((behind, taken))
        found.append(Rival(Temper.STEPS, tuple(pieces), _stock(dice)))
    for behind, size in sorted(left.items()):
        while size > 0:
            own = min(_stock(dice), size)
            (temper,) = dice.choices(list(FRACTIONS), list(FRACTIONS.values()))
            if temper is not Temper.DEAF:
                found.append(Rival(temper, ((behind, own),), own))
            size -= own
    return found


def _stock(dice: random.Random) -> int:
    return round(_between(STOCK, dice)) * CONTRACT


def delay(dice: random.Random) -> float:
    """Draw the seconds until a rival looks at what changed."""
    return _between(DELAY, dice)


def _between(ends: tuple[float, float], dice: random.Random) -> float:
    low, high = ends
    return float(low * (high / low) ** dice.random())


def answer(rival: Rival, sight: Sight | None, foremost: int, is_away: bool) -> Away | None:
    """Where a rival wants its stock; None: at home.
    Only an order that is paid for provokes. A rival that `is_away` stays so while a larger order is there, paid or
    not: its own answer may be why the order is not paid. `foremost` is the nearest place that the public value
    allows, in ticks behind the touch."""
    if sight is None or sight.size <= rival.heeds or not (sight.is_paid or is_away):
        return None
    if rival.temper is Temper.LEAVES:
        return Away(None)
    if rival.temper is Temper.STEPS:
        place = max(sight.behind - 1, foremost)
    else:
        place = max(sight.behind, 0 if sight.reference is None else sight.reference, 0)
    return Away(place) if any(behind > place for behind, _ in rival.pieces) else None
