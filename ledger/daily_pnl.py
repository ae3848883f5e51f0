"""What was held when, and what a UTC day brought. Promise: pure and exact. Cash that comes or goes without a trade
or a settlement (deposits, withdrawals, transfers, rewards) is not in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timezone
from decimal import Decimal

from exchange.account import Fill, Settlement
from exchange.models import Side
from ledger.entries import DayMark, Quotes

_NOTHING = Decimal(0)
_NOBODY: Quotes = (None, None)


def midnight(day: date) -> datetime:
    """When a UTC day begins."""
    return datetime.combine(day, time(0), timezone.utc)


def held_before(
    held: Mapping[str, Decimal], fills: Iterable[Fill], settlements: Iterable[Settlement]
) -> dict[str, Decimal]:
    """What was held, YES positive, before some fills and settlements led to what is `held`."""
    before = defaultdict(Decimal, held)
    changes: list[Fill | Settlement] = [*fills, *settlements]
    for one in changes:
        before[one.ticker] -= one.change
    return {ticker: count for ticker, count in before.items() if count}


def price(quotes: Mapping[str, Quotes], ticker: str, count: Decimal) -> Decimal:
    """Dollars that a contract of a position of `count`, YES positive, brings at the best bids."""
    yes, no = quotes.get(ticker, _NOBODY)
    return (yes if count > 0 else no) or _NOTHING


def marked(held: Mapping[str, Decimal], quotes: Mapping[str, Quotes]) -> dict[str, DayMark]:
    """What is held, and what a contract of it brings at the best bids."""
    return {ticker: DayMark(count, price(quotes, ticker, count)) for ticker, count in held.items()}


def value(held: Mapping[str, Decimal], quotes: Mapping[str, Quotes]) -> Decimal:
    """Dollars that positions bring at the best bids."""
    return sum((abs(count) * price(quotes, ticker, count) for ticker, count in held.items()), start=_NOTHING)


def day_profit(
    opening: Mapping[str, DayMark],
    fills: Iterable[Fill],
    settlements: Iterable[Settlement],
    quotes: Mapping[str, Quotes],
) -> Decimal:
    """Dollars that a day brought: from what was held at its beginning (`opening`), its fills with their fees and
    its settlements, to what is held now, at the best bids."""
    profit = -sum((abs(mark.contracts) * mark.price for mark in opening.values()), start=_NOTHING)
    yes: dict[str, Decimal] = defaultdict(Decimal)
    no: dict[str, Decimal] = defaultdict(Decimal)
    for ticker, mark in opening.items():
        (yes if mark.contracts > 0 else no)[ticker] += abs(mark.contracts)
    for fill in fills:
        profit -= fill.price * fill.count + fill.fee
        (yes if fill.side is Side.YES else no)[fill.ticker] += fill.count
    held = {ticker: yes[ticker] - no[ticker] for ticker in yes.keys() | no.keys()}
    profit += sum((min(yes[ticker], no[ticker]) for ticker in held), start=_NOTHING)  # a YES and a NO are a dollar
    for one in settlements:
        profit += one.revenue
        held[one.ticker] = held.get(one.ticker, _NOTHING) + one.change
    return profit + value(held, quotes)
