"""The kinds of events on an invented board.

Promise:
- In this mix an invented board resembles the real exchange's, as measured from July to October 2026:

  - Target: 1,000 on 98 % of programs, 300 on short commodity series, a few 500 and 2,500.
  - Discount: 0.5 on 97 % of programs, 0.05 on the rest.
  - Windows: 15 minutes at $20 (crypto), 16 hours at $100 (gas), 1 to 14 days at $100 to $500.
  - Pay: $14 to $23 a day in the median market.
  - Markets that reach the target on both sides: 20 % (weather) to 67-88 % (sports, the whole board).
  - In deep books the best price alone holds the whole target, in 45 % of the sides that reach it.

The mix of kinds itself is a guess.

How toxic kinds are follows what practitioners reported with money (the brief's LIP.md, section 3): toxic are
crypto of 15 minutes, index strikes and mentions; best are slow markets days from their resolution. The figures
are a guess. That the last hour and weather near its reading are toxic follows from the hours (`toxicity`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from simulator.fees import STANDARD, FeeTerms
from simulator.listing import DAY, HOUR, LINEAR, TAPERED, Grid
from simulator.matching import CONTRACT

Sizes = dict[int, int]
"""Sizes in 1/100 contract by the number of ticks behind the best price."""


def thin(dice: random.Random) -> Sizes:
    """A side that pays well.
    It reaches a target of 1,000, with a few hundred contracts near the best price."""
    return {
        0: dice.randint(40, 130) * CONTRACT,
        2: dice.randint(160, 190) * CONTRACT,
        4: dice.randint(500, 900) * CONTRACT,
        5: dice.randint(300, 600) * CONTRACT,
    }


def busy(dice: random.Random) -> Sizes:
    """A side that reaches the target a few levels down, with hundreds at each level."""
    return {n: dice.randint(280, 330) * CONTRACT for n in range(5)}


def crowded(dice: random.Random) -> Sizes:
    """A side whose best price holds a whole target: one tick behind it earns nothing."""
    return {n: dice.randint(1_100, 4_000) * CONTRACT for n in range(3)}


def short(dice: random.Random) -> Sizes:
    """A side below the target: every second of its market is excluded."""
    return {n: dice.randint(60, 160) * CONTRACT for n in range(4)}


def empty(_: random.Random) -> Sizes:
    return {}


SHAPES = (thin, busy, crowded, short, empty)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of series.
    Each event has `strikes` markets: `ranges` between strikes (one ends YES), or above a strike. Markets close
    after `open_for` seconds. A program pays `reward` dollars for `window` seconds; another follows while its
    market is open. `shapes` are the weights of `SHAPES`. News jumps come `news_a_day` times a day. A random taker
    comes once in `take_minutes` on average. `weight` is the kind's relative share of all programs. Informed takers
    come `toxicity` times as often as elsewhere."""

    prefix: str
    codes: tuple[str, ...]
    question: str
    category: str
    shard: int
    strikes: int
    ranges: bool
    open_for: float
    window: float
    reward: int
    news_a_day: float
    take_minutes: float
    shapes: tuple[int, int, int, int, int]
    weight: int
    target: int = 1_000
    discount_bps: int = 5_000
    grid: Grid = LINEAR
    fees: FeeTerms = STANDARD
    toxicity: float = 1.0


_CITIES = ("CHI", "NY", "MIA", "AUS", "DEN", "LAX", "PHIL", "SEA", "BOS", "ATL", "DAL", "PHX", "SFO", "DC", "MSP")
_SPORTS = (2, 3, 4, 2, 1)
_SLOW = (5, 3, 2, 2, 1)
_MAKER_FEES = FeeTerms("quadratic_with_maker_fees")

KINDS = (
    Kind("KXHIGH", _CITIES, "Highest temperature", "Climate and Weather", 0, 6, True, 2 * DAY, 2 * DAY, 40,
         3.0, 30, (2, 1, 0, 12, 1), 30),
    Kind("KXALBUM", ("REL", "TOP", "GRAM", "SOLD"), "Album released before the year ends", "Entertainment", 0, 3,
         False, 60 * DAY, 14 * DAY, 300, 1.5, 180, _SLOW, 16, toxicity=0.3),
    Kind("KXTENNIS", ("SET", "MATCH", "ACE", "GAMES"), "Sets in tonight's match", "Sports", 3, 3, False, 1 * DAY,
         1 * DAY, 40, 4.0, 18, _SPORTS, 28),
    Kind("KXAAAGASD", ("",), "Gas price today", "Economics", 0, 5, False, 16 * HOUR, 16 * HOUR, 100,
         3.0, 48, _SLOW, 10, toxicity=0.6),
    Kind("KXMLB", ("GAME", "TOTAL", "SPREAD"), "Runs in tonight's game", "Sports", 3, 4, False, 3 * DAY, 3 * DAY,
         60, 4.0, 18, _SPORTS, 22, fees=_MAKER_FEES),
    Kind("KXLOWT", _CITIES, "Lowest temperature", "Climate and Weather", 0, 5, True, 2 * DAY, 2 * DAY, 40,
         3.0, 36, (2, 1, 0, 12, 1), 14),
    Kind("KXCPI", ("", "YOY", "CORE"), "Consumer prices next month", "Economics", 0, 5, False, 30 * DAY, 14 * DAY,
         250, 2.0, 90, _SLOW, 14, fees=_MAKER_FEES, toxicity=0.4),
    Kind("KXRAIN", _CITIES, "Rain this month", "Climate and Weather", 0, 4, False, 20 * DAY, 10 * DAY, 200,
         2.0, 120, (2, 1, 0, 12, 1), 14, toxicity=0.4),
    Kind("KXBTCD", ("", "MAX", "MIN"), "Bitcoin tomorrow", "Crypto", 2, 6, False, 1 * DAY, 1 * DAY, 20,
         6.0, 12, (1, 3, 5, 1, 0), 12, grid=TAPERED, toxicity=1.5),
    Kind("KXCORN", ("W", "D", "M"), "Corn price this week", "Commodities", 2, 4, False, 3 * DAY, 3 * DAY, 60,
         3.0, 36, _SLOW, 3, target=300, toxicity=0.7),
    Kind("KXSENATE", ("", "VOTE", "CONF"), "Vote in the Senate this month", "Politics", 0, 3, False, 25 * DAY,
         7 * DAY, 140, 2.5, 150, _SLOW, 6, discount_bps=500, toxicity=0.5),
    Kind("KXETH15M", ("",), "Ether in fifteen minutes", "Crypto", 2, 1, False, 0.25 * HOUR, 0.25 * HOUR, 20,
         20.0, 3, (1, 3, 4, 1, 0), 2, grid=TAPERED, toxicity=3.0),
    Kind("KXNATO", ("MENTION",), "What will be said at the summit", "Mentions", 0, 4, False, 2 * DAY, 2 * DAY, 40,
         6.0, 48, _SLOW, 5, toxicity=2.0),
    Kind("KXINX", ("", "Y"), "Index level at the close", "Financials", 0, 5, True, 1 * DAY, 1 * DAY, 25,
         6.0, 18, (2, 3, 3, 2, 0), 2, target=2_500, fees=_MAKER_FEES, toxicity=2.5),
)  # fmt: skip
"""A board adds events in proportion to the weights. This order breaks ties."""
