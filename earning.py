"""What the windows have earned so far, from one look to the next. Promise: pure, and never more than was earned:
of two looks the worse one holds for the seconds between them, and only orders that still rest at the second count.

It is forgotten when the process ends; a window that was quoted before then counts from nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from incentive import IncentiveProgram, Scored
from models import Bid, Book


def parts(incentive: IncentiveProgram, scored: Scored) -> dict[str, float]:
    """Our part, 0 to 1, of each program's reward in a second in which the book stands as scored, by program id."""
    return {
        program.id: (sides[0].share() + sides[1].share()) / 2 if sides else 0.0
        for program, sides in zip(incentive.programs, scored.sides, strict=True)
    }


def earned_since(
    before: Mapping[str, float],
    then: datetime,
    incentives: Iterable[IncentiveProgram],
    rivals: Mapping[str, Book],
    rested: Mapping[str, Sequence[Bid]],
    now: datetime,
) -> dict[str, float]:
    """Dollars earned by program id between two looks. `before`: our parts as of the first one, at `then`;
    `rivals`: the books of the second one without our orders; `rested`: what rested from then until now, by
    ticker."""
    earned: dict[str, float] = {}
    for incentive in incentives:
        bids, book = rested.get(incentive.ticker), rivals.get(incentive.ticker)
        if not bids or book is None:
            continue
        here = parts(incentive, incentive.score(book, bids))
        for program in incentive.programs:
            seconds = (now - max(then, program.start)).total_seconds()
            part = min(here[program.id], before.get(program.id, 0.0))
            earned[program.id] = float(program.reward) * part * max(seconds, 0.0) / program.seconds
    return earned
