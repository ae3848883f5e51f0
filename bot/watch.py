"""Look at the quoted markets between two cycles, and withdraw within seconds.

Promise:
- A look reads the quoted markets' books and our fills, and may cancel. It never places, moves or sells.
- What it withdraws has a cooldown, so that the next cycle does not place it again. `risk/withdrawals.py` has the
  rules.
- A look that fails or hangs delays no cycle: its requests are not repeated, and end before the cycle is due.

The seconds between two looks are counted by the worse of the two. So frequent looks also make the accrual exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from bot import recovery
from bot.decision import Decision
from bot.session import Session
from bot.settings import Settings
from clients import KalshiHttpClient
from exchange.errors import ExchangeError
from exchange.market_data import TICKERS_PER_CALL
from exchange.models import Market
from exchange.orderbook import YES, Bid, Book, Side
from execution.cancel_reasons import CancelCause, CancelReason
from execution.exits import Exit
from ledger.entries import NewFill, OrderRecord
from risk import withdrawals
from risk.gate import Place
from risk.withdrawals import Hit, MarketFacts, RestingQuote, Withdrawal
from runtime.log_format import Log, local_time

LONGEST_ANSWER = 2.0
"""Seconds that a look waits for a byte of an answer, also to a cancel; less if the next cycle is near."""

_WORST = 4
"""A look of two reads ends after this many times that: it waits half as long for a connection, and one and a half
times as long for a whole answer."""


class Watch:
    """Looks at one bot's quotes every `WATCH_TIME` seconds; never if that is None."""

    def __init__(self, settings: Settings, client: KalshiHttpClient, session: Session, log: Log) -> None:
        self._every = settings.watch_time
        self._stale = timedelta(seconds=2 * settings.wait_time)
        self._rests_exits = settings.exit is Exit.REST
        self._client, self._session, self._log = client, session, log
        self._decision: Decision | None = None
        self._decided = client.clock.now()
        self._terms: dict[str, tuple[Decimal, Decimal, datetime]] = {}
        self._hits: list[Hit] = []
        self._canceled: set[str] = set()
        self._turn, self._last, self._is_blind = 0, 0.0, False

    # -- between cycles ----------------------------------------------------------------------------------------

    def look_until(self, until: float, decision: Decision | None) -> float:
        """Look every `WATCH_TIME` seconds while quotes rest, until shortly before a time.

        `until`: that monotonic time. `decision`: the last cycle's, None if it failed. The caller waits for the
        rest of the time. Returns the seconds that the machine slept."""
        asleep, clock = 0.0, self._client.clock
        if decision is not self._decision and decision is not None:
            self._decision, self._decided, self._last = decision, clock.now(), clock.monotonic()
            self._canceled = set()
        while self._every is not None and decision is not None and self._session.begun:
            pause = max(self._last + self._every - clock.monotonic(), 0.0)
            if clock.monotonic() + pause + self._every > until or not self._quotes(clock.now()):
                break
            asleep += clock.sleep(pause)
            if asleep:
                self._decision = None  # its books are too old for a comparison
                break
            self._last = clock.monotonic()
            again = "Quotes rest; the next look, and the next cycle, try again"
            recovery.try_or_log(partial(self.look, until), self._log, again)
        return asleep

    def look(self, until: float) -> None:
        """Look once, and withdraw. `until`: the monotonic time of the next cycle."""
        clock, now = self._client.clock, self._client.clock.now()
        try:
            with self._client.hurried(self._patience(until)):
                books, asked = self._read_books(now)
                self._session.bookkeeper.read_fills()
        except ExchangeError as error:
            if not self._is_blind:
                again = f"their quotes rest, and the bot tries again every {self._every:g} s and in each cycle"
                self._log("INFO", {"Watch": f"the quoted markets could not be looked at; {again}"}, [str(error)])
            self._is_blind = True
            return
        if self._is_blind:
            self._log("INFO", {"Watch": "the quoted markets can be looked at again"})
        self._is_blind = False
        quotes = self._quotes(clock.now())
        self._accrue(books, quotes, now)
        self._judge(books, asked, now)
        with self._client.hurried(self._patience(until)):
            self._cancel_blocked(until)

    def _patience(self, until: float) -> float:
        """Seconds that a request of a look waits for a byte of an answer."""
        return min(LONGEST_ANSWER, max(until - self._client.clock.monotonic(), 1.0) / _WORST)

    def _read_books(self, now: datetime) -> tuple[dict[str, Book], frozenset[str]]:
        """The public books, and for which markets they were asked.

        Too many markets take turns."""
        tickers = sorted({one.ticker for one in self._quotes(now)})
        turns = max(-(-len(tickers) // TICKERS_PER_CALL), 1)
        self._turn = (self._turn + 1) % turns
        asked = tickers[self._turn :: turns]
        asked += self._siblings(asked)[: TICKERS_PER_CALL - len(asked)]
        found = self._client.get_orderbooks(asked)
        unreadable = {error.ticker for error in found.unreadable}
        return {book.ticker: book for book in found}, frozenset(asked) - unreadable

    def _cancel_blocked(self, until: float) -> None:
        """Cancel the quotes in a cooldown. From `until` on, the cycle takes the rest."""
        clock, guards = self._client.clock, self._session.memory.guards
        now = clock.now()
        causes: dict[Place, CancelCause] = {}
        for one in self._quotes(now):
            cooldown = guards.blocking(one.place, now)
            if cooldown is not None and one.order_id not in self._canceled:
                facts = f"{cooldown.why}, until {local_time(cooldown.until)}"
                causes[one.place] = CancelCause(CancelReason.GUARD, facts)
                self._canceled.add(one.order_id)
        if not causes:
            return
        try:
            own = self._session.bookkeeper.own
            for order in self._client.get_resting_orders():
                if clock.monotonic() >= until:
                    break
                if own.is_own(order) and (order.ticker, order.side) in causes:
                    self._session.canceler.cancel_one(order, causes[order.ticker, order.side])
        except ExchangeError as error:
            self._canceled.clear()
            self._log("ERROR", str(error), ["Quotes to be withdrawn may still rest; the next look tries again"])

    # -- judging -----------------------------------------------------------------------------------------------

    def on_fills(self, fills: Iterable[NewFill]) -> None:
        """Withdraw what bets on the same as a filled quote, and families that were hit."""
        if self._every is not None:
            opened = [new.fill for new in fills if not new.fill.is_taker and new.closed < new.fill.count]
            self._hit([Hit(fill.ticker, fill.side, fill.time) for fill in opened], self._client.clock.now())

    def judge(self, books: Mapping[str, Book], now: datetime) -> None:
        """Judge a cycle's look as well. `books`: the public ones."""
        if self._every is not None:
            self._judge(books, books, now)

    def _judge(self, books: Mapping[str, Book], asked: Collection[str], now: datetime) -> None:
        """Begin the cooldowns that a look calls for.

        `asked`: the markets looked at, also those without a book."""
        ours: dict[str, list[RestingQuote]] = defaultdict(list)
        for one in self._unblocked(now):
            ours[one.ticker].append(one)
        hits: list[Hit] = []
        for ticker in asked:
            facts, book = self._facts(ticker, now), books.get(ticker)
            if facts is None:
                continue
            if ticker in ours:
                found = withdrawals.judge_market(ticker, book, ours[ticker], facts, now)
                self._withdraw(found, now)
                hits += [Hit(ticker, one.side, now) for one in found if one.side is not None]
            if book is not None:
                rivals = withdrawals.without_quotes(book, ours[ticker], now)
                for side, numbers in withdrawals.thinned_sides(rivals, facts).items():
                    if any(one.bid.side is side for one in ours[ticker]):
                        self._withdraw([Withdrawal(ticker, side, numbers)], now)
                    self._withdraw_same_bets(ticker, side, numbers, now)
        self._hit(hits, now)

    def _hit(self, hits: Collection[Hit], now: datetime) -> None:
        """Quotes were filled: withdraw what bets on the same."""
        self._hits = [one for one in self._hits if one.at > now - withdrawals.HITS_APART] + list(hits)
        for hit in hits:
            self._withdraw_same_bets(hit.ticker, hit.side, "it was filled", now)
        if hits:
            self._withdraw(withdrawals.hit_families(self._hits, self._unblocked(now), self._events, now), now)

    def _withdraw_same_bets(self, ticker: str, side: Side, what: str, now: datetime) -> None:
        exclusive = self._decision.state.exclusive if self._decision else ()
        quotes = self._unblocked(now)
        self._withdraw(withdrawals.same_bets(ticker, side, what, quotes, self._events, exclusive), now)

    def _withdraw(self, found: Iterable[Withdrawal], now: datetime) -> None:
        guards = self._session.memory.guards
        for one in found:
            for told in guards.withdraw(one.ticker, one.side, one.why, one.times, now):
                self._log("GUARD", told)

    # -- what is known -----------------------------------------------------------------------------------------

    @property
    def _markets(self) -> Mapping[str, Market]:
        return self._decision.state.markets if self._decision else {}

    @property
    def _events(self) -> Mapping[str, str]:
        return {one: market.event_ticker for one, market in self._markets.items()}

    def _siblings(self, tickers: Collection[str]) -> list[str]:
        """The other watched markets of the same events: the same news moves them."""
        markets = self._markets
        events = {markets[ticker].event_ticker for ticker in tickers if ticker in markets}
        return sorted(
            ticker for ticker, market in markets.items() if market.event_ticker in events and ticker not in tickers
        )

    def _facts(self, ticker: str, now: datetime) -> MarketFacts | None:
        """What the last cycle knew of a market, None if nothing.

        Old books are not compared with new ones."""
        market = self._markets.get(ticker)
        if self._decision is None or market is None:
            return None
        usual = self._session.memory.holes.usual_spread(ticker)
        before = self._decision.state.books.get(ticker) if now - self._decided <= self._stale else None
        return MarketFacts(market.grid, before, usual)

    def _quotes(self, now: datetime) -> list[RestingQuote]:
        """Our quotes that rest, as far as the bot knows. Exits that rest are none."""
        bookkeeper = self._session.bookkeeper
        filled: dict[str, Decimal] = defaultdict(Decimal)
        for fill in bookkeeper.fills.values():
            filled[fill.order_id] += fill.count
        known, found = self._terms, []
        self._terms = {}
        for record in bookkeeper.order_records.known.values():
            left = record.asked - max(record.filled, filled[record.order_id])
            if record.ended is not None or left <= 0 or (record.expires is not None and record.expires <= now):
                continue
            price, asked, since = known.get(record.order_id, (record.price, record.asked, record.created))
            if (price, asked) != (record.price, record.asked):
                since = now
            self._terms[record.order_id] = record.price, record.asked, since
            if not (self._rests_exits and self._closes(record)):
                bid = Bid(record.side, record.price, left)
                found.append(RestingQuote(record.order_id, record.ticker, bid, since))
        return found

    def _unblocked(self, now: datetime) -> list[RestingQuote]:
        """Our quotes that are in no cooldown yet."""
        guards = self._session.memory.guards
        return [one for one in self._quotes(now) if guards.blocking(one.place, now) is None]

    def _closes(self, record: OrderRecord) -> bool:
        held = self._session.bookkeeper.held.get(record.ticker, Decimal(0))
        return held < 0 if record.side is YES else held > 0

    def _accrue(self, books: Mapping[str, Book], quotes: Iterable[RestingQuote], now: datetime) -> None:
        """Count the seconds since the last look, if the books show all that rests."""
        ours: dict[str, list[RestingQuote]] = {ticker: [] for ticker in books}
        for one in quotes:
            ours.setdefault(one.ticker, []).append(one)
        records = self._session.bookkeeper.order_records.known.values()
        if {record.ticker for record in records} <= books.keys() and all(
            withdrawals.are_shown(books[ticker], resting, now) for ticker, resting in ours.items()
        ):
            rivals = {
                ticker: withdrawals.without_quotes(books[ticker], resting, now) for ticker, resting in ours.items()
            }
            markets = {ticker: self._markets[ticker] for ticker in rivals if ticker in self._markets}
            self._session.bookkeeper.accrue(now, markets, rivals, None)
