"""What our orders' seconds were worth, from one look at a market to the next.

Promise: on the safe side: of two looks the worse one holds for the seconds between them, and only seconds in which
an order really rested count. Everything but `Accrual`, which remembers the last look and reads what it lacks, is
pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from clients import KalshiHttpClient
from exchange.account import Fill
from exchange.models import Market, MarketStatus, Program
from exchange.orderbook import SIDES, Bid, Book
from ledger.entries import Entry, Seconds, SecondsOf, Stay
from ledger.ledger import Ledger
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


class Accrual:
    """Counts the seconds of our orders from look to look. Two looks that are further apart than `longest` tell
    nothing of the time between them. `looked`: when it last looked, None where it never did; `books`: what the
    markets looked like then, our own orders not in them."""

    def __init__(self, client: KalshiHttpClient, longest: timedelta) -> None:
        self._client, self._longest = client, longest
        self._programs: dict[str, Program] = {}
        self._earned: dict[str, float] = {}
        self.looked: datetime | None = None
        self.books: Mapping[str, Book] = {}

    def take_up(self, ledger: Ledger) -> None:
        """Go on where the ledger ends. Raises a `LedgerError`."""
        self._earned = ledger.earned()
        self.looked, self.books = ledger.looked(), ledger.looks()
        self._programs = self._uncounted(ledger.terms())

    def saw(self, entry: Entry, programs: Iterable[Program]) -> None:
        """These programs are listed. Those that are so no more may have had seconds since the last look."""
        entry.programs = list(programs)
        self._programs = self._uncounted(self._programs) | {program.id: program for program in entry.programs}

    def look(
        self,
        entry: Entry,
        at: datetime,
        markets: Mapping[str, Market],
        books: Mapping[str, Book],
        stays: Collection[Stay],
        fills: Collection[Fill],
    ) -> None:
        """Add to an entry what the seconds since the look before were worth, by what `markets` and `books` look
        like now, our own orders not in them. Those of markets that were not looked at are read. `stays`, `fills`:
        what became of our orders. Raises an `ExchangeError`."""
        tickers = {stay.ticker for stay in stays if self.is_uncounted(stay)}
        missing = sorted(tickers - books.keys())
        if missing:
            books = {**books, **{book.ticker: book for book in self._client.get_orderbooks(missing)}}
            markets = {**markets, **{market.ticker: market for market in self._client.get_markets(missing)}}
        by_ticker: dict[str, list[Program]] = {ticker: [] for ticker in sorted(tickers)}
        for program in self._programs.values():
            if program.ticker in tickers and program.target is not None and program.discount is not None:
                by_ticker[program.ticker].append(program)
        for ticker, scored in by_ticker.items():
            ours = [stay for stay in stays if stay.ticker == ticker]
            filled = [fill for fill in fills if fill.ticker == ticker]
            since = self.looked or min(stay.created for stay in ours)
            market, book = markets.get(ticker), books.get(ticker)
            trusted = at - since <= self._longest and market is not None and market.status is MarketStatus.ACTIVE
            looks = (self.books.get(ticker), book) if trusted else (None, None)
            entry.add(accrue(market, scored, looks, pieces(ours, filled, since, at)))
        self.looked, self.books = at, books

    def earned(self, entry: Entry) -> dict[str, float]:
        """Dollars accrued so far by program id, with those of an entry, before floor and cap."""
        found = dict(self._earned)
        for key, seconds in entry.seconds.items():
            found[key.program_id] = found.get(key.program_id, 0.0) + seconds.reward
        return found

    def written(self, entry: Entry) -> None:
        """An entry is in the ledger, and what it has is known from then on."""
        self._earned = self.earned(entry)

    def is_uncounted(self, stay: Stay) -> bool:
        """Whether an order may have rested since the last look."""
        return stay.ended is None or self.looked is None or stay.ended > self.looked

    def _uncounted(self, programs: Mapping[str, Program]) -> dict[str, Program]:
        looked = self.looked
        return {name: program for name, program in programs.items() if looked is None or program.end > looked}
