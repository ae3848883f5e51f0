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
from exchange.orderbook import ONE_DOLLAR, Book, Side
from ledger import price_looks
from ledger.entries import AccountMark, DayMark, Mismatch, PendingWrites, PositionAdjustment, PriceLook, Quotes
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
    """The profit of a UTC day that is not the bot's, in dollars.

    It comes from a person's own trades before the ledger was begun, and from price changes of the positions until
    then. What the bot's orders brought with an earlier ledger is not in it. `marks`: positions at the day's
    beginning, if the ledger does not have them yet. 0 on every other day, or if unknown."""
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
    adopted = [one for one in ledger.adjustments() if one.price is None]
    taken_over = [one for one in adopted if one.time.date() == day and one.ticker in marks]
    opened += sum((abs(one.change) * marks[one.ticker].price for one in taken_over), start=_NOTHING)
    return day_profit(marks, fills, settlements, {}) + opened - ledger.carried(day)


_BEFORE_MIDNIGHT = timedelta(hours=6)


class Marker:
    """Computes an account's mark.

    It takes the ledger, the looks at prices, and a pending entry. Prices and opening positions that it finds out
    are added to the entry. A look counts together with the one before it, unless that is more than `longest`
    earlier."""

    def __init__(self, client: KalshiHttpClient, ledger: Ledger, longest: timedelta) -> None:
        self._client, self._ledger, self._longest = client, ledger, longest
        self._looks: dict[str, PriceLook] = {}

    def restore(self) -> None:
        """Continue from the last looks in the ledger. Raises `LedgerError`."""
        self._looks = self._ledger.price_looks()

    def on_look(self, at: datetime, books: Mapping[str, Book]) -> None:
        """Take the books of a look. An empty one says that nobody bids."""
        for ticker, book in books.items():
            self._see(ticker, at, book.best_bids())

    def open(
        self, pending: PendingWrites, now: datetime, held: Mapping[str, Decimal], books: Mapping[str, Book]
    ) -> Mapping[str, DayMark]:
        """The positions `held` when the ledger is begun, with their prices.

        Adds those of the day's beginning to the entry. The price of a contract is the higher bid of its book and
        of the last minute before: a lower one would make the day look better. What was read before, in `pending`,
        is history."""
        self._look_back(held, now)
        self.on_look(now, books)
        quotes = self._quotes(pending, held)
        self._opening(pending, now.date(), held)
        return marked(held, quotes)

    def adopt(
        self, pending: PendingWrites, now: datetime, mismatches: Mapping[str, Mismatch], books: Mapping[str, Book]
    ) -> list[PositionAdjustment]:
        """What makes the ledger's positions those of the exchange.

        The contracts count at their price now, as those of `open` do: they bring no profit and no loss."""
        self._look_back(mismatches, now)
        self.on_look(now, books)
        quotes, found = self._quotes(pending, mismatches), []
        for ticker, (here, there) in mismatches.items():
            kept = min(here, there, key=abs) if here * there > 0 else _NOTHING
            if (
                kept != here
            ):  # what is gone was worth its bid: as if the other side had been bought at $1.00 less it
                gone = ONE_DOLLAR - price(quotes, ticker, here)
                found.append(PositionAdjustment(now, ticker, kept - here, gone))
            if there != kept:
                found.append(PositionAdjustment(now, ticker, there - kept, price(quotes, ticker, there)))
        return found

    def mark(
        self, pending: PendingWrites, now: datetime, held: Mapping[str, Decimal], free_cash: Decimal | None
    ) -> AccountMark:
        """Mark `held` contracts (YES positive) at the best bids of the last two looks.

        `free_cash`: dollars. Raises `LedgerError`."""
        held = {ticker: count for ticker, count in held.items() if count}
        day, quotes = now.date(), self._quotes(pending, held)
        brought, accrued = self._day_profit(pending, day, held, quotes), self._accrued(pending, day)
        own = brought - before_bot(self._ledger, day, pending.days.get(day))
        seen = self._looks.items()  # of the markets that are not held, only looks that may still count
        self._looks = {name: look for name, look in seen if name in held or now - look.at <= self._longest}
        return AccountMark(now, free_cash, value(held, quotes), brought, accrued, own)

    def _look_back(self, tickers: Collection[str], now: datetime) -> None:
        """Take the last minutes' candles for the looks that there were none of."""
        for candle in self._candles(tickers, now - self._longest, now) or ():
            last = self._looks.get(candle.ticker)
            if last is None or candle.end > last.at:
                self._see(candle.ticker, candle.end, (candle.yes_bid, candle.no_bid))

    def _see(self, ticker: str, at: datetime, bids: Quotes) -> None:
        self._looks[ticker] = price_looks.after_look(self._looks.get(ticker), at, bids, self._longest)

    def _quotes(self, pending: PendingWrites, held: Collection[str]) -> dict[str, Quotes]:
        """The bids at which positions count.

        Those of a market whose book is not read any more stay."""
        known = {ticker: self._looks[ticker] for ticker in held if ticker in self._looks}
        pending.prices |= known
        return {ticker: look.counted for ticker, look in known.items()}

    def _accrued(self, pending: PendingWrites, day: date) -> float:
        """Dollars accrued on a UTC day, before floor and cap."""
        before = sum(one.reward for one in self._ledger.seconds(day).values())
        return before + sum(one.reward for key, one in pending.seconds.items() if key.day == day)

    def _day_profit(
        self, pending: PendingWrites, day: date, held: Mapping[str, Decimal], quotes: Mapping[str, Quotes]
    ) -> Decimal:
        known = self._ledger.day_marks(day)
        opening = self._opening(pending, day, held) if known is None else known
        return day_profit(opening, *self._changes(pending, midnight(day)), quotes)

    def _changes(self, pending: PendingWrites, start: datetime) -> tuple[list[Fill], list[Settlement]]:
        """The fills and settlements since `start`, of the ledger and of the entry.

        Adopted contracts are among the fills."""
        fills = {fill.fill_id: fill for fill in self._ledger.fills(start)}
        fills |= {name: fill for name, fill in pending.fills.items() if fill.time >= start}
        settled = {(one.ticker, one.time): one for one in self._ledger.settlements(start)}
        settled |= {key: one for key, one in pending.settlements.items() if one.time >= start}
        adopted = [one.as_fill for one in self._ledger.adjustments() if one.time >= start]
        return [*fills.values(), *(one for one in adopted if one)], list(settled.values())

    def _opening(self, pending: PendingWrites, day: date, held: Mapping[str, Decimal]) -> Mapping[str, DayMark]:
        """Add the positions at the beginning of a day to an entry.

        Returns them, with their prices then. `held`: those now. A price is the higher bid of 23:59 and 00:00 UTC,
        by the one-minute candles, however late this is called: one minute without a bid would make the day look
        better. If the exchange has no candle in the 6 hours before, the bids at which the position counts now are
        used. If it gives no candles at all, the ledger's are used first: its last ones are from before midnight,
        as each day's first mark calls this."""
        start = midnight(day)
        before = held_before(held, *self._changes(pending, start))
        candles = self._candles(before, start - _BEFORE_MIDNIGHT, start)
        then = {ticker: look.counted for ticker, look in self._looks.items()}
        then |= self._ledger.prices() if candles is None else price_looks.bids_at(start, candles)
        pending.days[day] = marked(before, then)
        return pending.days[day]

    def _candles(self, tickers: Collection[str], start: datetime, end: datetime) -> Iterable[Candle] | None:
        """One-minute candles, each market's oldest first; None if the exchange gives none."""
        if not tickers:
            return ()
        try:
            return self._client.get_candles(tickers, start, end)
        except ExchangeError:  # the log says so when the call begins to fail
            return None
