"""Estimate the rewards that our orders earned, from one look to the next.

Promise:
- Estimates are conservative: the worse of two looks applies to the seconds between them.
- Only seconds in which an order really rested count.
- Everything except `AccrualTracker` is pure. It remembers the last look, and reads missing books and markets.
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
from ledger.entries import AccrualKey, AccruedSeconds, OrderRecord, PendingWrites
from ledger.ledger import Ledger
from rewards.estimate import RewardedMarket


class RestingInterval(NamedTuple):
    """An interval in which the same orders of the bot rested in a market."""

    start: datetime
    end: datetime
    bids: tuple[Bid, ...]


def resting_intervals(
    records: Iterable[OrderRecord], fills: Iterable[Fill], since: datetime, until: datetime
) -> list[RestingInterval]:
    """Split the time between `since` and `until` by which orders rested.

    `records`, `fills`: one market's orders, and their fills. An order without a known end rested until its
    expiry."""
    filled: dict[str, list[tuple[datetime, Decimal]]] = defaultdict(list)
    for fill in fills:
        filled[fill.order_id].append((fill.time, fill.count))
    spans: list[tuple[datetime, datetime, Bid]] = []
    for record in records:
        start, left = max(record.created, since), record.asked
        end = min(until, *(at for at in (record.ended, record.expires) if at is not None))
        for at, count in sorted(filled[record.order_id]):
            if start < at < end:
                spans.append((start, at, Bid(record.side, record.price, left)))
                start = at
            if at < end:
                left -= count
        if start < end and left > 0:
            spans.append((start, end, Bid(record.side, record.price, left)))
    moments = sorted({moment for start, end, _ in spans for moment in (start, end)})
    found = []
    for start, end in pairwise(moments):
        bids = tuple(bid for begins, ends, bid in spans if begins <= start and end <= ends)
        if bids:
            found.append(RestingInterval(start, end, bids))
    return found


def count_seconds(
    market: Market | None,
    programs: Sequence[Program],
    looks: tuple[Book | None, Book | None],
    rested: Iterable[RestingInterval],
) -> Mapping[AccrualKey, AccruedSeconds]:
    """Count the seconds in which our orders `rested`, and what they earned.

    `programs`: the market's, all with published score terms. `looks`: the books before and after, without our
    orders. If a book or the market is None, the seconds are unknown."""
    books = [book for book in looks if book is not None]
    incentive = RewardedMarket(market, tuple(programs)) if market and len(books) == len(looks) else None
    found: dict[AccrualKey, AccruedSeconds] = defaultdict(AccruedSeconds)
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
                key = AccrualKey(program.id, side, start.date(), program.ticker)
                both = [score[place] for score in scored]
                if not both:
                    found[key] += AccruedSeconds(present, unknown=present)
                    continue
                shares = [pair[number].share() for pair in both if pair]
                whole = float(program.reward) / 2 * present / program.seconds
                at_most = max(shares, default=0.0) * whole
                if len(shares) < len(both):
                    found[key] += AccruedSeconds(present, excluded=present, at_most=at_most)
                else:
                    share = min(shares)
                    found[key] += AccruedSeconds(
                        present,
                        qualified=present,
                        shares=share * present,
                        reward=share * whole,
                        at_most=at_most,
                    )
    return found


class AccrualTracker:
    """Counts the seconds of our orders from look to look.

    If two looks are more than `longest` apart, the seconds between them are unknown. `last_look`: the time of the
    last look, None before the first. `books`: the markets' books then, without our own orders."""

    def __init__(self, client: KalshiHttpClient, longest: timedelta) -> None:
        self._client, self._longest = client, longest
        self._programs: dict[str, Program] = {}
        self._accrued_by_program: dict[str, float] = {}
        self.last_look: datetime | None = None
        self.books: Mapping[str, Book] = {}

    def restore(self, ledger: Ledger) -> None:
        """Continue from the last state in the ledger. Raises `LedgerError`."""
        self._accrued_by_program = ledger.accrued_by_program()
        self.last_look, self.books = ledger.looked(), ledger.looks()
        self._programs = self._uncounted(ledger.latest_programs())

    def on_programs(self, pending: PendingWrites, programs: Iterable[Program]) -> None:
        """Take the programs that the exchange lists.

        Others are kept if they ended after the last look: they may have uncounted seconds."""
        pending.programs = list(programs)
        self._programs = self._uncounted(self._programs) | {program.id: program for program in pending.programs}

    def accrue(
        self,
        pending: PendingWrites,
        at: datetime,
        markets: Mapping[str, Market],
        books: Mapping[str, Book],
        records: Collection[OrderRecord],
        fills: Collection[Fill],
    ) -> None:
        """Add the seconds since the last look, and what they earned, to an entry.

        `markets`, `books`: this look, without our own orders. Missing ones are read if our orders may have rested
        there. `records`, `fills`: our orders' lives and fills. Raises `ExchangeError`."""
        tickers = {record.ticker for record in records if self.is_uncounted(record)}
        missing = sorted(tickers - books.keys())
        if missing:
            books = {**books, **{book.ticker: book for book in self._client.get_orderbooks(missing)}}
            markets = {**markets, **{market.ticker: market for market in self._client.get_markets(missing)}}
        by_ticker: dict[str, list[Program]] = {ticker: [] for ticker in sorted(tickers)}
        for program in self._programs.values():
            if program.ticker in tickers and program.target is not None and program.discount is not None:
                by_ticker[program.ticker].append(program)
        for ticker, scored in by_ticker.items():
            ours = [record for record in records if record.ticker == ticker]
            filled = [fill for fill in fills if fill.ticker == ticker]
            since = self.last_look or min(record.created for record in ours)
            market, book = markets.get(ticker), books.get(ticker)
            trusted = at - since <= self._longest and market is not None and market.status is MarketStatus.ACTIVE
            looks = (self.books.get(ticker), book) if trusted else (None, None)
            pending.add(count_seconds(market, scored, looks, resting_intervals(ours, filled, since, at)))
        self.last_look, self.books = at, books

    def accrued_by_program(self, pending: PendingWrites) -> dict[str, float]:
        """Dollars accrued by program id, including an entry, before floor and cap."""
        found = dict(self._accrued_by_program)
        for key, seconds in pending.seconds.items():
            found[key.program_id] = found.get(key.program_id, 0.0) + seconds.reward
        return found

    def on_written(self, pending: PendingWrites) -> None:
        """Add a written entry to the accrued dollars."""
        self._accrued_by_program = self.accrued_by_program(pending)

    def is_uncounted(self, record: OrderRecord) -> bool:
        """Whether an order may have rested since the last look."""
        return record.ended is None or self.last_look is None or record.ended > self.last_look

    def _uncounted(self, programs: Mapping[str, Program]) -> dict[str, Program]:
        looked = self.last_look
        return {name: program for name, program in programs.items() if looked is None or program.end > looked}
