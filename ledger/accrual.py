"""What our orders' seconds were worth, from one look at a market to the next. Promise: pure, and on the safe side:
of two looks the worse one holds for the seconds between them, and only seconds in which an order really rested
count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from exchange.account import Fill
from exchange.models import Market, Program
from exchange.orderbook import SIDES, Bid, Book
from ledger.entries import Seconds, SecondsOf, Stay
from rewards.estimate import RewardedMarket


class Piece(NamedTuple):
    """A time in which the same orders of ours rested in a market."""

    start: datetime
    end: datetime
    bids: tuple[Bid, ...]


def pieces(stays: Iterable[Stay], fills: Iterable[Fill], since: datetime, until: datetime) -> list[Piece]:
    """What rested in a market between two times, of which orders, by what is known of their lives and fills. An
    order of which no end is known rested until it expired."""
    filled: dict[str, list[tuple[datetime, Decimal]]] = defaultdict(list)
    for fill in fills:
        filled[fill.order_id].append((fill.time, fill.count))
    spans: list[tuple[datetime, datetime, Bid]] = []
    for stay in stays:
        start, left = max(stay.created, since), stay.asked
        end = min(until, *(at for at in (stay.ended, stay.expires) if at is not None))
        for at, count in sorted(filled[stay.order_id]):
            if start < at < end:
                spans.append((start, at, Bid(stay.side, stay.price, left)))
                start = at
            if at < end:
                left -= count
        if start < end and left > 0:
            spans.append((start, end, Bid(stay.side, stay.price, left)))
    moments = sorted({moment for start, end, _ in spans for moment in (start, end)})
    found = []
    for start, end in pairwise(moments):
        bids = tuple(bid for begins, ends, bid in spans if begins <= start and end <= ends)
        if bids:
            found.append(Piece(start, end, bids))
    return found


def accrue(
    market: Market | None,
    programs: Sequence[Program],
    looks: tuple[Book | None, Book | None],
    rested: Iterable[Piece],
) -> Mapping[SecondsOf, Seconds]:
    """What the seconds were in which our orders `rested`, for each of a market's `programs` with a published
    score. `looks`: the books before and after without our orders; where one is not known, or the market is not,
    nor are the seconds."""
    books = [book for book in looks if book is not None]
    incentive = RewardedMarket(market, tuple(programs)) if market and len(books) == len(looks) else None
    found: dict[SecondsOf, Seconds] = defaultdict(Seconds)
    for piece in rested:
        scored = [incentive.score(book, piece.bids).sides for book in books] if incentive else []
        sides = {bid.side for bid in piece.bids}
        for place, program in enumerate(programs):
            start, end = max(piece.start, program.start), min(piece.end, program.end)
            present = (end - start).total_seconds()
            if present <= 0:
                continue
            for number, side in enumerate(SIDES):
                if side not in sides:
                    continue
                key = SecondsOf(program.id, side, start.date(), program.ticker)
                both = [score[place] for score in scored]
                if not both:
                    found[key] += Seconds(present, unknown=present)
                    continue
                shares = [pair[number].share() for pair in both if pair]
                whole = float(program.reward) / 2 * present / program.seconds
                at_most = max(shares, default=0.0) * whole
                if len(shares) < len(both):
                    found[key] += Seconds(present, excluded=present, at_most=at_most)
                else:
                    share = min(shares)
                    found[key] += Seconds(
                        present,
                        qualified=present,
                        shares=share * present,
                        reward=share * whole,
                        at_most=at_most,
                    )
    return found
