"""Choose the markets to quote from the board of programs, and track them.

Promise:
- A scan reads the whole board, 100 markets a call, but only the books of markets that pass the screening.
- A look reads only the few markets that may be quoted.
- This module sends no orders.

`trade.py` sets prices and sizes. `selection/` searches for the best choice.
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
from exchange.ticker_patterns import PerMarket
from rewards.estimate import NOTHING_ACCRUED, Candidate, EstimateRules, RewardedMarket
from rewards.skips import Reason, Skip
from risk.exposure import Headroom
from selection import advice, allocation
from selection.ranking import Selection, SelectionRules, choose, estimate_rules_of, no_slot_left
from selection.screening import Screen, with_terms
from trade import Trade, books_without_own

T = TypeVar("T")

WATCHED = 100
"""Markets that each cycle reads: the quoted ones and the best of the others, or more if more may be quoted.

100 take one call for markets and one for books."""

FEES_KEPT = timedelta(days=1)
"""How long the fees of series and the kinds of events are valid after they were read."""

NONE_ASIDE: Mapping[str, Skip] = MappingProxyType({})

LOOKS_KEPT = 1_440
"""At this many looks at a market (a day of minutes) both counts are halved, so that old looks lose weight."""

_NEXT = frozenset({Reason.TRADE_TICKER_SIZE, Reason.MAX_CAPITAL, Reason.MAX_EVENT_LOSS, Reason.CASH})
"""The reasons of markets that would be quoted if there were room."""

_QUALIFIED = _NEXT | {Reason.FILL_COST, Reason.MIN_REWARD, Reason.REWARD_FLOOR}
_EXCLUDED = frozenset({Reason.TARGET_MISSED, Reason.NO_REFERENCE, Reason.PRICE_BOUNDS, Reason.TOP_TICK})
"""Both sets show whether a second of a market counted. The other reasons leave it open."""


class QualifyingLooks(NamedTuple):
    """How often a market was looked at, and how often it would have paid."""

    all: int = 0
    qualified: int = 0

    def with_look(self, qualified: bool) -> QualifyingLooks:
        looks = QualifyingLooks(self.all + 1, self.qualified + qualified)
        return QualifyingLooks(looks.all // 2, looks.qualified // 2) if looks.all >= LOOKS_KEPT else looks


class ProgramChange(NamedTuple):
    """A program that changed since the previous scan.

    New: `was` is None. Ended: `now` is None. Otherwise its terms changed."""

    was: Program | None
    now: Program | None

    @property
    def program(self) -> Program:
        found = self.now or self.was
        if found is None:
            raise ValueError("a change without a program")
        return found


class BoardSnapshot(NamedTuple):
    """Some markets as they are now.

    `incentives`: the markets with their programs. `rivals`: the `books` without the account's orders. `skipped`: a
    reason for each market that cannot be quoted. `problems`: an error for each part that could not be read."""

    at: datetime
    markets: Mapping[str, Market]
    books: Mapping[str, Book]
    incentives: list[RewardedMarket]
    rivals: Mapping[str, Book]
    skipped: list[Skip]
    problems: tuple[ExchangeError, ...]


@dataclass(frozen=True)
class Board:
    """The board as the scan at `at` saw it.

    `programs`: all listed programs. `watched`: the markets that a look reads, quoted ones first, then best first.
    `selection`: what the scan would have quoted, and why not the rest. `advice`: what to change if the settings
    cannot be paid, from the first scan and from one that leaves no market that must pay. `accrued_by_program`:
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
        """Whether the scan is `seconds` old, or a watched market's window ended since.

        An ended window may have a successor."""
        if now >= self.at + timedelta(seconds=seconds):
            return True
        watched = set(self.watched)
        return any(self.at < program.end <= now for program in self.programs if program.ticker in watched)

    def pays(self, ticker: str, now: datetime) -> bool:
        """Whether a listed program of a market is running."""
        return any(program.start <= now < program.end for program in self.programs if program.ticker == ticker)


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to price (`trade`), screen (`screen`) and choose markets (`rules`)."""

    trade: Trade
    screen: Screen
    rules: SelectionRules

    @property
    def estimate_rules(self) -> PerMarket[EstimateRules]:
        """The rules for estimates that decide."""
        is_auto = self.trade.trade_size is None
        return self.rules.per_market.map(allocation.estimate_rules_of if is_auto else estimate_rules_of)

    def with_fewer_slots(self, taken: int) -> Strategy:
        """The same strategy, with `taken` slots fewer."""
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
        """Choose the markets to quote, with bids, and give each other market a reason.

        `rivals`: books without our own orders. `quoted`: the tickers that have a slot now. `skipped`: markets that
        were left out before."""
        if self.trade.trade_size is None and self.rules.trade_ticker_size:
            return allocation.choose_sizes(
                self.trade, incentives, rivals, now, self.rules, headroom, quoted, skipped
            )
        if self.trade.trade_size is None:
            return Selection((), (*(no_slot_left(one.ticker) for one in incentives), *skipped))
        candidates, unquoted = self.trade.candidates(incentives, rivals, now, self.estimate_rules)
        return choose(candidates, [*unquoted, *skipped], self.rules, headroom, quoted)


class IncentiveProgram:
    """Loads, filters and selects the incentive programs, and tracks the traded ones.

    `strategy`: how it prices, screens and chooses. `board`: what the last scan saw, None before the first.
    `traded`: the markets that have a slot, with the candidate chosen for each. `told` receives the progress of a
    scan."""

    def __init__(
        self, client: KalshiHttpClient, strategy: Strategy, told: Callable[[str], None] = lambda _: None
    ) -> None:
        self._client = client
        self.strategy = strategy
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
        """Read the whole board, and remember it.

        `resting`: all resting orders of the account. `until`: when an order placed now would expire. `headroom`:
        dollars that may be tied up and lost. `accrued_by_program`: dollars that windows have earned so far, by
        program id. `give_up`: the monotonic time at which other work is more urgent. `quoted`: the tickers that
        have a slot, if another process trades.

        Raises an `ExchangeError` if needed data cannot be read, or not in time. The previous board then stays."""
        now, self._give_up = self._client.clock.now(), give_up
        before, quoted = self.board, self.quoted if quoted is None else quoted
        self._told("programs")
        listed = self._client.get_incentive_programs()
        by_ticker, ended = self.strategy.screen.programs(listed, now)
        board = replace(self._with_fees(before or Board(now), now), accrued_by_program=accrued_by_program)
        snapshot = self._see(board, by_ticker, status, resting, until, now)
        selection = self.strategy.decide(
            snapshot.incentives, snapshot.rivals, now, headroom, quoted, [*ended, *snapshot.skipped]
        )
        watched = _watched(selection, quoted, max(WATCHED, self.strategy.rules.trade_ticker_size))
        events = self._events(board, snapshot.incentives, watched)
        self._told("")
        self.board = replace(
            board,
            advice=self._advice(listed, selection, snapshot, headroom) if self._is_advised(selection) else "",
            at=now,
            programs=listed.items,
            watched=watched,
            selection=selection,
            changes=self._changes(before.programs, listed) if before else (),
            events=events,
            looks=_after_look(board.looks, snapshot.rivals, selection),
            problems=(*listed.unreadable, *snapshot.problems),
        )
        return self.board

    def refresh(self, status: ExchangeStatus, resting: Collection[Order], until: datetime) -> BoardSnapshot:
        """Look at the watched markets. Arguments as for `scan`. Raises an `ExchangeError`."""
        now, self._give_up = self._client.clock.now(), math.inf
        board = self._scanned()
        watched = set(board.watched) | self.quoted
        programs = [program for program in board.programs if program.ticker in watched]
        by_ticker, ended = self.strategy.screen.programs(programs, now)
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
        """Choose among the markets of a look. Arguments as for `scan`.

        `aside`: excluded markets, each with its reason. `stay`: those of them that keep their slot. Returns the
        selection, and the board updated with the look. Neither is remembered before `adopt`."""
        board = self._scanned()
        known = [
            one._replace(accrued_by_program=accrued_by_program)
            for one in snapshot.incentives
            if one.ticker not in aside
        ]
        skipped = [skip for skip in snapshot.skipped if skip.ticker not in aside]
        skipped += [skip for ticker, skip in aside.items() if ticker in snapshot.markets or ticker in stay]
        strategy = self.strategy.with_fewer_slots(len(stay))
        selection = strategy.decide(known, snapshot.rivals, snapshot.at, headroom, self.quoted, skipped)
        looks = _after_look(board.looks, snapshot.rivals, selection)
        return selection, replace(
            board, looks=looks, problems=snapshot.problems, accrued_by_program=accrued_by_program
        )

    def adopt(self, selection: Selection, stay: Collection[str], board: Board) -> None:
        """Remember a look's board, and give slots to its selection.

        Markets of `stay` keep the slots they had."""
        kept = {ticker: self.traded[ticker] for ticker in stay}
        self.traded = {candidate.ticker: candidate for candidate in selection.chosen} | kept
        self.board = board

    def drop(self, tickers: Collection[str]) -> None:
        """Take the slots of these markets away."""
        self.traded = {ticker: one for ticker, one in self.traded.items() if ticker not in tickers}

    def ended(self) -> set[str]:
        """The traded markets without a running program on the board."""
        board = self._scanned()
        return {ticker for ticker in self.traded if not board.pays(ticker, board.at)}

    def one_market(self, ticker: str, resting: Collection[Order]) -> tuple[RewardedMarket, Book] | None:
        """One market of the board, with the rivals' book in it.

        None if it has no program that pays for resting orders, is not listed, or has no book. Does not check
        whether the market may be quoted."""
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
            raise ValueError("the board has not been scanned yet")
        return self.board

    def _is_advised(self, selection: Selection) -> bool:
        """Whether a scan's selection needs advice."""
        if self.board is None:
            return True
        return self.strategy.rules.must_pay and bool(self.board.selection.chosen) and not selection.chosen

    def _advice(
        self, listed: Iterable[Program], selection: Selection, snapshot: BoardSnapshot, headroom: Headroom
    ) -> str:
        """What to change if a pattern matches nothing or nothing is paid; else empty."""
        trade, estimate_rules = self.strategy.trade, self.strategy.estimate_rules
        found = advice.advise(
            trade, estimate_rules, selection, snapshot.incentives, snapshot.rivals, snapshot.at, headroom,
            self.strategy.rules.must_pay,
        )  # fmt: skip
        return "; ".join(filter(None, (*self.strategy.screen.unmatched(listed), found)))

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
        tradable, skipped = self.strategy.screen.markets(by_ticker, listed, status, now, until)
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
        """All that `get` returns for the tickers, `TICKERS_PER_CALL` at a time."""
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
        """The new, changed and ended programs of markets that the settings allow."""
        was, listed = ({program.id: program for program in programs} for programs in (before, now))
        found = [
            ProgramChange(was.get(name), program) for name, program in listed.items() if was.get(name) != program
        ]
        unread = {error.ticker for error in now.unreadable}  # these may still run
        found += [
            ProgramChange(p, None) for name, p in was.items() if name not in listed and p.ticker not in unread
        ]
        unwanted = self.strategy.screen.unwanted()
        return tuple(change for change in found if unwanted(change.program.ticker) is None)

    def _with_fees(self, board: Board, now: datetime) -> Board:
        """The board with the fees of all series, read once a day.

        If they cannot be read, the earlier fees stay, or the dearest are assumed."""
        if board.fees_at is not None and now < board.fees_at + FEES_KEPT:
            return board
        try:
            series = {one.ticker: one for one in self._client.get_all_series()}
        except ExchangeError:  # the log says so when the call begins to fail
            return board
        return replace(board, series=series, events={}, fees_at=now)

    def _events(
        self,
        board: Board,
        found: Iterable[RewardedMarket],
        watched: Iterable[str],
    ) -> Mapping[str, Event]:
        """The watched markets' events. Events not known yet are requested.

        If an event cannot be read, the bot assumes the worse: all its markets can lose at once."""
        by_ticker = {incentive.ticker: incentive.market.event_ticker for incentive in found}
        wanted = {by_ticker[ticker] for ticker in watched if ticker in by_ticker}
        known = {ticker: event for ticker, event in board.events.items() if ticker in wanted}
        try:
            asked = self._client.get_events(sorted(wanted - known.keys()))
        except ExchangeError:  # the log says so when the call begins to fail
            return known
        return known | {event.ticker: event for event in asked}


def _qualified(board: Board) -> dict[str, float]:
    """The part of looks in which each market qualified, counting one more that does."""
    return {ticker: (looks.qualified + 1) / (looks.all + 1) for ticker, looks in board.looks.items()}


def _watched(selection: Selection, quoted: frozenset[str], most: int) -> tuple[str, ...]:
    """The quoted markets, the chosen ones and the best others, at most `most`."""
    best = [candidate.ticker for candidate in selection.chosen]
    best += [skip.ticker for skip in selection.skipped if skip.reason in _NEXT]
    return tuple(dict.fromkeys([*sorted(quoted), *best]))[:most]


def _after_look(
    looks: Mapping[str, QualifyingLooks], rivals: Mapping[str, Book], selection: Selection
) -> dict[str, QualifyingLooks]:
    """The looks, with one more at each judged market whose book was read."""
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
