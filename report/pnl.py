"""The trading result by UTC day and market, split into its parts.

Promise:
- Pure and exact.
- All days and markets add up to the cash that fills, fees and settlements moved, plus the change in the positions'
  value.
- Positions are never valued above the best bid.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from exchange.account import Fill, Settlement
from exchange.orderbook import ONE_DOLLAR
from ledger import daily_pnl
from ledger.cash_reconciliation import cash_effect
from ledger.entries import DayMark, PositionAdjustment, Quotes
from ledger.markouts import BEFORE, BestBids, MarkoutPoint

_NOTHING = Decimal(0)

PositionChange = Fill | Settlement | PositionAdjustment


class PnlParts(NamedTuple):
    """The parts of a trading result, in dollars.

    `spread`: earned by fills better than the mid price of the last book before them. `exits`: given away by
    taking. `fees`: charged. Exits and fees are positive. `moves`: the rest.
    """

    spread: Decimal
    exits: Decimal
    fees: Decimal
    moves: Decimal


def attribute_pnl(
    begun: date,
    opening: Mapping[str, tuple[Decimal, Decimal | None]],
    changes: Sequence[PositionChange],
    days: Mapping[date, Mapping[str, DayMark]],
    prices: Mapping[str, Quotes],
    markouts: Mapping[MarkoutPoint, BestBids],
) -> dict[tuple[date, str], PnlParts]:
    """The trading result of each UTC day in each market.

    `opening`: positions at the beginning, on the day `begun`, and the dollars that a contract would have brought
    then. If that price is None, the first trade's price counts. `changes`: since then. `days`: prices at 00:00
    UTC. `prices`: the best bids now.

    A day that is not in `days` belongs to the day before it, because no price was read between them. Adopted
    positions have the price at which they were adopted, or else that of the start of their day.
    """
    starts = [begun, *sorted(day for day in days if day > begun)]
    happened: dict[tuple[str, date], list[PositionChange]] = defaultdict(list)
    for one in sorted(changes, key=lambda one: one.time):
        day = starts[max(bisect_right(starts, one.time.date()) - 1, 0)]
        happened[one.ticker, day].append(one)

    def price(ticker: str, day: date | None, count: Decimal) -> Decimal:
        mark = days[day].get(ticker) if day is not None and day in days else None
        return mark.price if mark else daily_pnl.price(prices, ticker, count)

    found = {}
    for ticker in sorted(opening.keys() | {one.ticker for one in changes}):
        held, known = opening.get(ticker, (_NOTHING, _NOTHING))
        if known is None:
            known = _first_price(ticker, held, changes) or price(ticker, begun, held)
        worth = abs(held) * known
        for day, next_day in zip(starts, [*starts[1:], None], strict=True):
            cash, today = _NOTHING, happened[ticker, day]
            for one in today:
                traded = one.as_fill if isinstance(one, PositionAdjustment) else one
                if traded is None:
                    cash -= abs(one.change) * price(ticker, day, one.change)
                else:
                    cash += cash_effect(held, traded)
                held += one.change
            ends = abs(held) * price(ticker, next_day, held)
            parts = _parts(cash + ends - worth, (one for one in today if isinstance(one, Fill)), markouts)
            worth = ends
            if any(parts):
                found[day, ticker] = parts
    return found


def _first_price(ticker: str, held: Decimal, changes: Iterable[PositionChange]) -> Decimal | None:
    """The first trade's price, from the opening position's side. None without trades."""
    fills = [one for one in changes if isinstance(one, Fill) and one.ticker == ticker]
    if not fills:
        return None
    first = min(fills, key=lambda fill: fill.time)
    return first.price if (first.change > 0) == (held > 0) else ONE_DOLLAR - first.price


def _parts(whole: Decimal, fills: Iterable[Fill], markouts: Mapping[MarkoutPoint, BestBids]) -> PnlParts:
    """Split a day's result in a market into parts.

    If no book was seen before a fill, its spread or exit cost is in the moves.
    """
    spread = exits = fees = _NOTHING
    for fill in fills:
        fees += fill.fee
        seen = markouts.get(MarkoutPoint(fill.fill_id, BEFORE))
        middle = seen.mid_price(fill.side) if seen else None
        if middle is not None and fill.is_taker:
            exits += (fill.price - middle) * fill.count
        elif middle is not None:
            spread += (middle - fill.price) * fill.count
    return PnlParts(spread, exits, fees, whole - spread + exits + fees)
