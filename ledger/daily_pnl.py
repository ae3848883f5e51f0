"""Compute the profit of a UTC day, and the positions at its beginning.

Promise:
- Results are exact. The functions are pure, except that `before_bot` reads the ledger.
- Only trades, settlements and prices make profit. Deposits, withdrawals, transfers and rewards do not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

from clients import KalshiHttpClient
from exchange.account import Fill, Settlement
from exchange.errors import ExchangeError
from exchange.models import Candle
from exchange.orderbook import Book, Side
from ledger.entries import AccountMark, DayMark, PendingWrites, Quotes
from ledger.ledger import Ledger

_NOTHING = Decimal(0)
_NO_QUOTES: Quotes = (None, None)


def midnight(day: date) -> datetime:
    """The time at which a UTC day begins."""
    return datetime.combine(day, time(0), timezone.utc)


def held_before(
    held: Mapping[str, Decimal], fills: Iterable[Fill], settlements: Iterable[Settlement]
) -> dict[str, Decimal]:
    """Positions, YES positive, before some fills and settlements led to `held`."""
    before = defaultdict(Decimal, held)
    changes: list[Fill | Settlement] = [*fills, *settlements]
    for one in changes:
        before[one.ticker] -= one.change
    return {ticker: count for ticker, count in before.items() if count}


def price(quotes: Mapping[str, Quotes], ticker: str, count: Decimal) -> Decimal:
    """Dollars that a contract of a position brings at the best bids.

    `count`: the position, YES positive. 0 if there are no bids."""
    yes, no = quotes.get(ticker, _NO_QUOTES)
    return (yes if count > 0 else no) or _NOTHING


def marked(held: Mapping[str, Decimal], quotes: Mapping[str, Quotes]) -> dict[str, DayMark]:
    """Positions with their prices at the best bids."""
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
    """A day's profit in dollars.

    It runs from the positions' value at the day's beginning (`opening`) to the value now, at the best bids. It
    includes the day's fills with their fees, and its settlements."""
    profit = -sum((abs(mark.contracts) * mark.price for mark in opening.values()), start=_NOTHING)
    yes: dict[str, Decimal] = defaultdict(Decimal)
    no: dict[str, Decimal] = defaultdict(Decimal)
    for ticker, mark in opening.items():
        (yes if mark.contracts > 0 else no)[ticker] += abs(mark.contracts)
    for fill in fills:
        profit -= fill.price * fill.count + fill.fee
        (yes if fill.side is Side.YES else no)[fill.ticker] += fill.count
    held = {ticker: yes[ticker] - no[ticker] for ticker in yes.keys() | no.keys()}
    profit += sum((min(yes[ticker], no[ticker]) for ticker in held), start=_NOTHING)  # a YES and a NO pay $1
    for one in settlements:
        profit += one.revenue
        held[one.ticker] = held.get(one.ticker, _NOTHING) + one.change
    return profit + value(held, quotes)


def before_bot(ledger: Ledger, day: date, marks: Mapping[str, DayMark] | None = None) -> Decimal:
    """The profit of a UTC day before the ledger was begun on it, in dollars.

    It comes from a person's own trades, and from price changes of the positions until then. `marks`: positions at
    the day's beginning, if the ledger does not have them yet. 0 on every other day, or if unknown."""
    begun = ledger.begun
    if begun is None or begun.date() != day:
        return _NOTHING
    opening, marks = ledger.opening(), ledger.day_marks(day) if marks is None else marks
    if marks is None or any(known is None for _, known in opening.values()):
        return _NOTHING
    changes = ledger.changes(midnight(day), earlier=True)
    fills = [one for one in changes if isinstance(one, Fill)]
    settlements = [one for one in changes if isinstance(one, Settlement)]
    opened = sum((abs(count) * (known or _NOTHING) for count, known in opening.values()), start=_NOTHING)
    taken_over = [one for one in ledger.adjustments() if one.time.date() == day and one.ticker in marks]
    opened += sum((abs(one.change) * marks[one.ticker].price for one in taken_over), start=_NOTHING)
    return day_profit(marks, fills, settlements, {}) + opened


_BEFORE_MIDNIGHT = timedelta(hours=6)


class Marker:
    """Computes an account's mark from its ledger and a pending entry.

    Prices and opening positions that it finds out are added to the entry."""

    def __init__(self, client: KalshiHttpClient, ledger: Ledger) -> None:
        self._client, self._ledger = client, ledger

    def mark(
        self,
        pending: PendingWrites,
        now: datetime,
        held: Mapping[str, Decimal],
        books: Mapping[str, Book],
        free_cash: Decimal | None,
    ) -> AccountMark:
        """Mark `held` contracts (YES positive) at the best bids of `books`.

        `free_cash`: dollars. Raises `LedgerError`."""
        held = {ticker: count for ticker, count in held.items() if count}
        quotes = self._quotes(pending, held, books)
        brought, accrued = self._day_profit(pending, now, held, quotes), self._accrued(pending, now.date())
        own = brought - before_bot(self._ledger, now.date(), pending.days.get(now.date()))
        return AccountMark(now, free_cash, value(held, quotes), brought, accrued, own)

    def _quotes(
        self, pending: PendingWrites, held: Collection[str], books: Mapping[str, Book]
    ) -> dict[str, Quotes]:
        """Best bids of the markets with a position.

        If a book was not read, or is empty, the last known bids are used."""
        known = self._ledger.prices() if held else {}
        for ticker in held:
            book = books.get(ticker)
            if book and (book.yes or book.no):
                known[ticker] = pending.prices[ticker] = book.best_bids()
        return known

    def _accrued(self, pending: PendingWrites, day: date) -> float:
        """Dollars accrued on a UTC day, before floor and cap."""
        before = sum(one.reward for one in self._ledger.seconds(day).values())
        return before + sum(one.reward for key, one in pending.seconds.items() if key.day == day)

    def _day_profit(
        self, pending: PendingWrites, now: datetime, held: Mapping[str, Decimal], quotes: Mapping[str, Quotes]
    ) -> Decimal:
        day, start = now.date(), midnight(now.date())
        fills = {fill.fill_id: fill for fill in self._ledger.fills(start)}
        fills |= {name: fill for name, fill in pending.fills.items() if fill.time >= start}
        settled = {(one.ticker, one.time): one for one in self._ledger.settlements(start)}
        settled |= {key: one for key, one in pending.settlements.items() if one.time >= start}
        opening = self._ledger.day_marks(day)
        if opening is None:
            then = held_before(held, fills.values(), settled.values())
            opening = pending.days[day] = self._opening(start, then, quotes)
        return day_profit(opening, fills.values(), settled.values(), quotes)

    def _opening(
        self, start: datetime, held: Mapping[str, Decimal], quotes: Mapping[str, Quotes]
    ) -> dict[str, DayMark]:
        """Positions at the beginning of a day, with their prices then.

        Prices are the best bids of the last one-minute candle before `start`, however late this is called. If the
        exchange has none in the 6 hours before, the current best bids are used. If it gives no candles at all, the
        ledger's are used first: its last ones are from before `start`, as each day's first mark calls this."""
        then = dict(quotes)
        try:
            candles: Iterable[Candle] = (
                self._client.get_candles(held, start - _BEFORE_MIDNIGHT, start) if held else ()
            )
        except ExchangeError:  # the log says so when the call begins to fail
            candles = ()
            then |= self._ledger.prices()
        for candle in candles:
            then[candle.ticker] = candle.yes_bid, candle.no_bid
        return marked(held, then)
