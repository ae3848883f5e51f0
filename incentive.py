"""Which markets to quote: the board of incentive programs, what was chosen of it, and what became of it since.

Promise: a scan reads no book of a market that cannot pass, and reads by the hundred; a look reads the few that may
be quoted. Nothing here is sent to the books of the exchange. Prices and sizes are `trade.py`'s, the search for the
best choice is in `selection/`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from clients import KalshiHttpClient
from exchange.errors import ExchangeError, TookTooLong, Unreadable
from exchange.json_fields import PartialList
from exchange.market_data import TICKERS_PER_CALL
from exchange.models import Event, ExchangeStatus, Market, Order, Program, Series
from exchange.orderbook import Book
from rewards.estimate import NOTHING_ACCRUED, RIVAL_MULTIPLIER, Candidate, EstimateRules, RewardedMarket
from rewards.skips import Reason, Skip
from risk.exposure import Headroom
from selection import advice, allocation
from selection.ranking import Selection, SelectionRules, choose, no_slot_left
from selection.screening import Screen, with_terms
from trade import Trade, books_without_own

T = TypeVar("T")

WATCHED = 100
"""Markets that every cycle reads anew, the quoted ones and the best of the others: one call of markets, one of
books. More where more are to be quoted."""

FEES_KEPT = timedelta(days=1)
"""So long the fees of series and the kinds of events are taken to stay as they were read."""

NONE_ASIDE: Mapping[str, Skip] = MappingProxyType({})

LOOKS_KEPT = 1_440
"""After so many looks at a market, a day of minutes, the older half of them counts no more."""

_NEXT = frozenset({Reason.TRADE_TICKER_SIZE, Reason.MAX_CAPITAL, Reason.MAX_EVENT_LOSS, Reason.CASH})
"""The reasons of markets that would be quoted if there were room for them."""

_QUALIFIED = _NEXT | {Reason.FILL_COST, Reason.MIN_REWARD, Reason.REWARD_FLOOR}
_EXCLUDED = frozenset({Reason.TARGET_MISSED, Reason.NO_REFERENCE, Reason.PRICE_BOUNDS})
"""The reasons that tell whether a second counted in a market; the others leave it open."""


class QualifyingLooks(NamedTuple):
    """How often a market was looked at, and how often it would have paid."""

    all: int = 0
    qualified: int = 0

    def with_look(self, qualified: bool) -> QualifyingLooks:
        looks = QualifyingLooks(self.all + 1, self.qualified + qualified)
        return QualifyingLooks(looks.all // 2, looks.qualified // 2) if looks.all >= LOOKS_KEPT else looks


class ProgramChange(NamedTuple):
    """A program that is not what it was at the scan before: new (`was` None), ended (`now` None), or with other
    terms."""

    was: Program | None
    now: Program | None

    @property
    def program(self) -> Program:
        found = self.now or self.was
        if found is None:
            raise ValueError("a change of nothing")
        return found


class BoardSnapshot(NamedTuple):
    """Some markets as they are now: with their programs, their `books`, those of the rivals (the account's orders
    removed), and a reason for each that cannot be quoted. `problems`: what of it was not told, or could not be
    read."""

    at: datetime
    markets: Mapping[str, Market]
    books: Mapping[str, Book]
    incentives: list[RewardedMarket]
    rivals: Mapping[str, Book]
    skipped: list[Skip]
    problems: tuple[ExchangeError, ...]


@dataclass(frozen=True)
class Board:
    """All that was seen of the board at the scan of `at`. `programs`: every one that was listed; `watched`: the
    markets that a look reads, best first; `selection`: what the scan would have quoted, and why not the rest;
    `advice`: what to change where the settings cannot be paid, told by the first scan. `accrued_by_program`:
    dollars that windows have earned so far, by program id."""

    at: datetime
    programs: tuple[Program, ...] = ()
    watched: tuple[str, ...] = ()
    selection: Selection = field(default_factory=lambda: Selection((), ()))
    changes: tuple[ProgramChange, ...] = ()
    series: Mapping[str, Series] = field(default_factory=dict)
    fees_at: datetime | None = None
    events: Mapping[str, Event] = field(default_factory=dict)
    looks: Mapping[str, QualifyingLooks] = field(default_factory=dict)
    problems: tuple[ExchangeError, ...] = ()
    advice: str = ""
    accrued_by_program: Mapping[str, float] = field(default_factory=dict)

    def due(self, now: datetime, seconds: float) -> bool:
        """Whether it is time for another scan: `seconds` have passed, or a window of a watched market has ended,
        which may have a successor."""
        if now >= self.at + timedelta(seconds=seconds):
            return True
        watched = set(self.watched)
        return any(self.at < program.end <= now for program in self.programs if program.ticker in watched)

    def pays(self, ticker: str, now: datetime) -> bool:
        """Whether a listed program of a market runs."""
        return any(program.start <= now < program.end for program in self.programs if program.ticker == ticker)


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to price (`trade`), what to keep to (`screen`), what a selection is to bring (`rules`)."""

    trade: Trade
    screen: Screen
    rules: SelectionRules

    @property
    def estimate_rules(self) -> EstimateRules:
        """How the estimates are made that decide."""
        if self.trade.trade_size is None:
            return allocation.estimate_rules_of(self.rules)
        return EstimateRules(RIVAL_MULTIPLIER, fill_cost=self.rules.fill_cost)

    def with_fewer_slots(self, taken: int) -> Strategy:
        """The same, with so many slots taken already."""
        left = max(self.rules.trade_ticker_size - taken, 0)
        return replace(self, rules=replace(self.rules, trade_ticker_size=left))

    def decide(
        self,
        incentives: Iterable[RewardedMarket],
        rivals: Mapping[str, Book],
        now: datetime,
        headroom: Headroom,
        quoted: frozenset[str],
        skipped: Iterable[Skip] = (),
    ) -> Selection:
        """The markets to quote, with which bids, and one reason for each of the rest. `rivals`: books without our
        own orders; `quoted`: the tickers that have a slot now; `skipped`: those that were left out before."""
        if self.trade.trade_size is None and self.rules.trade_ticker_size:
            return allocation.choose_sizes(
                self.trade, incentives, rivals, now, self.rules, headroom, quoted, skipped
            )
        if self.trade.trade_size is None:
            return Selection((), (*(no_slot_left(one.ticker) for one in incentives), *skipped))
        candidates, unquoted = self.trade.candidates(incentives, rivals, now, self.estimate_rules)
        return choose(candidates, [*unquoted, *skipped], self.rules, headroom, quoted)


class IncentiveProgram:
    """The exchange's incentive programs: loads them, filters and selects those to quote, follows what becomes of
    them, and keeps those that are traded.

    `board`: all that the last scan saw, None before the first; `traded`: the markets that have a slot, with what
    was chosen for each. `told` hears how far a scan is."""

    def __init__(
        self, client: KalshiHttpClient, strategy: Strategy, told: Callable[[str], None] = lambda _: None
    ) -> None:
        self._client = client
        self._strategy = strategy
        self._told = told
        self._give_up = math.inf
        self.board: Board | None = None
        self.traded: dict[str, Candidate] = {}

    @property
    def quoted(self) -> frozenset[str]:
        """The tickers that have a slot."""
        return frozenset(self.traded)

    def scan(
        self,
        status: ExchangeStatus,
        resting: Collection[Order],
        until: datetime,
        headroom: Headroom,
        accrued_by_program: Mapping[str, float] = NOTHING_ACCRUED,
        give_up: float = math.inf,
        quoted: frozenset[str] | None = None,
    ) -> Board:
        """Read the whole board, and remember it. `resting`: all that the account has in the books; `until`: when
        an order that is placed now would expire; `headroom`: what may be tied up and lost; `accrued_by_program`:
        dollars that windows have earned so far, by program id; `give_up`: when, by the monotonic clock, other
        things are more urgent; `quoted`: the tickers that have a slot, where another process trades. Raises an
        `ExchangeError` where the exchange does not tell what is needed, or not in time: then the board is the one
        before."""
        now, self._give_up = self._client.clock.now(), give_up
        before, quoted = self.board, self.quoted if quoted is None else quoted
        self._told("programs")
        listed = self._client.get_incentive_programs()
        by_ticker, ended = self._strategy.screen.programs(listed, now)
        problems: list[ExchangeError] = list(listed.unreadable)
        board = replace(
            self._with_fees(before or Board(now), now, problems), accrued_by_program=accrued_by_program
        )
        snapshot = self._see(board, by_ticker, status, resting, until, now)
        selection = self._strategy.decide(
            snapshot.incentives, snapshot.rivals, now, headroom, quoted, [*ended, *snapshot.skipped]
        )
        watched = _watched(selection, quoted, max(WATCHED, self._strategy.rules.trade_ticker_size))
        events = self._events(board, snapshot.incentives, watched, problems)
        self._told("")
        self.board = replace(
            board,
            advice="" if before else self._advice(listed, selection, snapshot, headroom),
            at=now,
            programs=listed.items,
            watched=watched,
            selection=selection,
            changes=self._changes(before.programs, listed) if before else (),
            events=events,
            looks=_after_look(board.looks, snapshot.rivals, selection),
            problems=(*problems, *snapshot.problems),
        )
        return self.board

    def refresh(self, status: ExchangeStatus, resting: Collection[Order], until: datetime) -> BoardSnapshot:
        """Read the watched markets anew; arguments as for `scan`. Raises an `ExchangeError`."""
        now, self._give_up = self._client.clock.now(), math.inf
        board = self._scanned()
        watched = set(board.watched) | self.quoted
        programs = [program for program in board.programs if program.ticker in watched]
        by_ticker, ended = self._strategy.screen.programs(programs, now)
        snapshot = self._see(board, by_ticker, status, resting, until, now)
        return snapshot._replace(skipped=[*ended, *snapshot.skipped])

    def choose(
        self,
        snapshot: BoardSnapshot,
        headroom: Headroom,
        accrued_by_program: Mapping[str, float] = NOTHING_ACCRUED,
        aside: Mapping[str, Skip] = NONE_ASIDE,
        stay: Collection[str] = (),
    ) -> tuple[Selection, Board]:
        """Choose among the markets of a look; arguments as for `scan`. `aside`: markets that are out of the
        question, and why; `stay`: those of them that keep their slot. Returns the selection, and the board that
        knows of the look; neither is remembered before `adopt`."""
        board = self._scanned()
        known = [
            one._replace(accrued_by_program=accrued_by_program)
            for one in snapshot.incentives
            if one.ticker not in aside
        ]
        skipped = [skip for skip in snapshot.skipped if skip.ticker not in aside]
        skipped += [skip for ticker, skip in aside.items() if ticker in snapshot.markets or ticker in stay]
        strategy = self._strategy.with_fewer_slots(len(stay))
        selection = strategy.decide(known, snapshot.rivals, snapshot.at, headroom, self.quoted, skipped)
        looks = _after_look(board.looks, snapshot.rivals, selection)
        return selection, replace(
            board, looks=looks, problems=snapshot.problems, accrued_by_program=accrued_by_program
        )

    def adopt(self, selection: Selection, stay: Collection[str], board: Board) -> None:
        """What was chosen has its slot from now on, and so have the markets of `stay`, which had one before."""
        kept = {ticker: self.traded[ticker] for ticker in stay}
        self.traded = {candidate.ticker: candidate for candidate in selection.chosen} | kept
        self.board = board

    def drop(self, tickers: Collection[str]) -> None:
        """These markets are traded no more."""
        self.traded = {ticker: one for ticker, one in self.traded.items() if ticker not in tickers}

    def ended(self) -> set[str]:
        """The traded markets for which the board lists no program that runs."""
        board = self._scanned()
        return {ticker for ticker in self.traded if not board.pays(ticker, board.at)}

    def one_market(self, ticker: str, resting: Collection[Order]) -> tuple[RewardedMarket, Book] | None:
        """One market of the board with the rivals' book in it, None where it has no program that pays for resting
        orders, or is not listed, or sends no book. Whether it may be quoted is not asked."""
        board = self._scanned()
        programs = [program for program in board.programs if program.ticker == ticker]
        by_ticker, _ = Screen().programs(programs, self._client.clock.now())
        markets = self._client.get_markets(by_ticker)
        books = books_without_own(self._client.get_orderbooks(by_ticker), resting)
        for incentive in with_terms(
            markets, by_ticker, board.series, board.events, _qualified(board), board.accrued_by_program
        ):
            if ticker in books:
                return incentive, books[ticker]
        return None

    def _scanned(self) -> Board:
        if self.board is None:
            raise ValueError("the board was not scanned yet")
        return self.board

    def _advice(
        self, listed: Iterable[Program], selection: Selection, snapshot: BoardSnapshot, headroom: Headroom
    ) -> str:
        """What to change where a pattern matches nothing, or a selection is paid nothing; empty where all is
        well."""
        trade, estimate_rules = self._strategy.trade, self._strategy.estimate_rules
        unmatched = self._strategy.screen.unmatched(listed)
        found = advice.advise(
            trade, estimate_rules, selection, snapshot.incentives, snapshot.rivals, snapshot.at, headroom
        )
        told = f"no listed market matches {', '.join(unmatched)} of ONLY" if unmatched else ""
        return "; ".join(filter(None, (told, found)))

    def _see(
        self,
        board: Board,
        by_ticker: Mapping[str, list[Program]],
        status: ExchangeStatus,
        resting: Collection[Order],
        until: datetime,
        now: datetime,
    ) -> BoardSnapshot:
        markets = self._read("markets", self._client.get_markets, list(by_ticker))
        listed = {market.ticker: market for market in markets}
        tradable, skipped = self._strategy.screen.markets(by_ticker, listed, status, now, until)
        books = self._read("books", self._client.get_orderbooks, [market.ticker for market in tradable])
        found = with_terms(
            tradable, by_ticker, board.series, board.events, _qualified(board), board.accrued_by_program
        )
        return BoardSnapshot(
            now, listed, {book.ticker: book for book in books}, found, books_without_own(books, resting), skipped,
            (*markets.unreadable, *books.unreadable),
        )  # fmt: skip

    def _read(
        self, what: str, get: Callable[[Iterable[str]], PartialList[T]], tickers: Sequence[str]
    ) -> PartialList[T]:
        """All that `get` tells of the tickers, a call's worth at a time."""
        items: list[T] = []
        unreadable: list[Unreadable] = []
        for start in range(0, len(tickers), TICKERS_PER_CALL):
            self._told(f"{what} {start:,} of {len(tickers):,}")
            if self._client.clock.monotonic() > self._give_up:
                raise TookTooLong("Reading the board", f"{what} {start:,} of {len(tickers):,} were read in time")
            part = get(tickers[start : start + TICKERS_PER_CALL])
            items += part.items
            unreadable += part.unreadable
        return PartialList(tuple(items), tuple(unreadable))

    def _changes(self, before: Iterable[Program], now: PartialList[Program]) -> tuple[ProgramChange, ...]:
        """What is new, other or gone among the programs of markets that are wanted."""
        was, listed = ({program.id: program for program in programs} for programs in (before, now))
        found = [
            ProgramChange(was.get(name), program) for name, program in listed.items() if was.get(name) != program
        ]
        unread = {error.ticker for error in now.unreadable}  # nobody knows whether those have ended
        found += [
            ProgramChange(p, None) for name, p in was.items() if name not in listed and p.ticker not in unread
        ]
        unwanted = self._strategy.screen.unwanted()
        return tuple(change for change in found if unwanted(change.program.ticker) is None)

    def _with_fees(self, board: Board, now: datetime, problems: list[ExchangeError]) -> Board:
        """The board with the fees of all series, read once a day. Where they are not told, fees are assumed."""
        if board.fees_at is not None and now < board.fees_at + FEES_KEPT:
            return board
        try:
            series = {one.ticker: one for one in self._client.get_all_series()}
        except ExchangeError as error:
            problems.append(error)
            return board
        return replace(board, series=series, events={}, fees_at=now)

    def _events(
        self,
        board: Board,
        found: Iterable[RewardedMarket],
        watched: Iterable[str],
        problems: list[ExchangeError],
    ) -> Mapping[str, Event]:
        """What is known of the watched markets' events; those not known yet are asked for. Of one that is not told
        the worse is assumed: that its markets can all go wrong at once."""
        by_ticker = {incentive.ticker: incentive.market.event_ticker for incentive in found}
        wanted = {by_ticker[ticker] for ticker in watched if ticker in by_ticker}
        known = {ticker: event for ticker, event in board.events.items() if ticker in wanted}
        try:
            asked = self._client.get_events(sorted(wanted - known.keys()))
        except ExchangeError as error:
            problems.append(error)
            return known
        return known | {event.ticker: event for event in asked}


def _qualified(board: Board) -> dict[str, float]:
    """The part of the looks at each market in which it qualified, were it to do so now."""
    return {ticker: (looks.qualified + 1) / (looks.all + 1) for ticker, looks in board.looks.items()}


def _watched(selection: Selection, quoted: frozenset[str], most: int) -> tuple[str, ...]:
    """The quoted markets, those that would be, and the best of the others, so many at most."""
    best = [candidate.ticker for candidate in selection.chosen]
    best += [skip.ticker for skip in selection.skipped if skip.reason in _NEXT]
    return tuple(dict.fromkeys([*sorted(quoted), *best]))[:most]


def _after_look(
    looks: Mapping[str, QualifyingLooks], rivals: Mapping[str, Book], selection: Selection
) -> dict[str, QualifyingLooks]:
    """The looks with one more at each market whose book was read."""
    after = dict(looks)
    judged = {
        skip.ticker: skip.reason in _QUALIFIED
        for skip in selection.skipped
        if skip.reason in _QUALIFIED | _EXCLUDED
    }
    judged |= dict.fromkeys((candidate.ticker for candidate in selection.chosen), True)
    for ticker, qualified in judged.items():
        if ticker in rivals:
            after[ticker] = after.get(ticker, QualifyingLooks()).with_look(qualified)
    return after


INCENTIVE_PROGRAM = IncentiveProgram  # the owner's spelling
