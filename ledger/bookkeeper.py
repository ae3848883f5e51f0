"""Keep the ledger: our orders, fills, positions and what their seconds earned.

Promise:
- The ledger records what the exchange reports. The bot reads later what it missed while down or disconnected.
- What can no longer be known, such as what a second earned, is recorded as unknown.
- If a write fails in a cycle, trading goes on. The failure is logged once, and a later cycle writes the orders,
  fills and settlements. What the seconds until then earned counts as unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from clients import KalshiHttpClient
from exchange.account import Fill, Identity, Position, Settlement
from exchange.errors import ExchangeError
from exchange.json_fields import PartialList
from exchange.models import Market, MarketStatus, Order, Program
from exchange.orderbook import Book
from exchange.reserves import FreeCash, MakerRate, free_cash, reserved_by_shard, reserves
from ledger import rebuilt_day, settlements
from ledger.account_state import AccountState
from ledger.accrual import AccrualTracker
from ledger.balance_reading import BalanceWatch
from ledger.cash_reconciliation import cash_effect
from ledger.daily_pnl import Marker, midnight
from ledger.database import LedgerError
from ledger.entries import EPOCH, AccountMark, CycleRecord, Mismatch, NewFill, PendingWrites
from ledger.ledger import Ledger
from ledger.order_records import OVERLAP, OrderRecords
from ledger.own_tags import OwnTags
from ledger.payouts import PayoutWatch
from ledger.report_inputs import ReportInputs
from runtime.log_format import Log

T = TypeVar("T")

_WHOLE_SECOND = timedelta(seconds=1)
"""A read begins at a whole second, rounded down, so it lists up to this much more."""

_PRUNE_EVERY = timedelta(hours=1)

_LOOKS_BACK = 3
"""A look at prices counts together with the one before it if that is at most this many `WAIT_TIME`s earlier."""


class Bookkeeper:
    """Keeps one account's ledger, cycle by cycle.

    `account_state` keeps the day's result for other ledgers of the account. If two looks are more than twice
    `wait_time` apart, the seconds between them are unknown. `on_fills` is called once with each new fill.
    `balance_watch` finds out how the exchange counts cash. `order_records`: our orders. `own`: which orders those
    are. `fills`: recent fills by id. `held`: positions by market, YES positive."""

    def __init__(
        self,
        client: KalshiHttpClient,
        ledger: Ledger,
        account_state: AccountState,
        wait_time: float,
        log: Log,
        on_fills: Callable[[Collection[NewFill]], None],
    ) -> None:
        self._client, self._ledger, self._account_state = client, ledger, account_state
        self._log, self._on_fills = log, on_fills
        longest = timedelta(seconds=2 * wait_time)
        self._accrual = AccrualTracker(client, longest)
        self._pending = PendingWrites(EPOCH)
        self._is_open = False
        self._is_written = True
        self.own = OwnTags()
        self.order_records = OrderRecords(client, log, self.own)
        self.fills: dict[str, Fill] = {}
        self._fills_since = EPOCH
        self._unread_fills: set[str] = set()
        self.held: dict[str, Decimal] = {}
        self._pruned = EPOCH
        self._marker = Marker(client, ledger, _LOOKS_BACK * timedelta(seconds=wait_time))
        self._report_inputs = ReportInputs(client, ledger, longest, log)
        self.balance_watch = BalanceWatch(log, self._report_inputs.reread)
        self._payout_watch = PayoutWatch(client, ledger)

    # -- at a session's start ----------------------------------------------------------------------------------

    def begin_session(self) -> None:
        """Open the ledger, if it is not open yet, and catch up with the exchange.

        The caller has canceled all of our orders. Raises `LedgerError`, or `ExchangeError` if a read fails."""
        now = self._client.clock.now()
        self.open_ledger()
        self.own.reload(self._ledger)
        last = self._ledger.last_mark()
        begun = self._ledger.begun or now
        since = min(
            [last.at if last else begun, *(record.created for record in self.order_records.known.values())]
        )
        self.order_records.read(since - OVERLAP)
        self._fills_since = self._ledger.last_fill() or midnight(begun.date())
        if self._ledger.opened:
            self.read_fills()
            self._see_settlements(self._ledger.last_settlement() or midnight(begun.date()))
            return
        try:
            self._open(now, self._read_history(midnight(begun.date())))
        except ExchangeError:  # a failed cycle is written too, and would have history as trades since the opening
            self._pending, self.fills = PendingWrites(EPOCH), {}
            raise

    def _read_history(self, since: datetime) -> dict[str, Decimal]:
        """Read fills and settlements from before the opening, and the positions.

        They are history: `on_fills` does not get them. Raises `ExchangeError`."""
        self._new_fills()
        self._see_settlements(since)
        positions = self._client.get_positions().all_or_raise()
        # A fill or a settlement between two reads would be in one of the lists only.
        while self._new_fills() or self._see_settlements(since):
            positions = self._client.get_positions().all_or_raise()
        return {position.ticker: position.count for position in positions}

    def _open(self, now: datetime, held: Mapping[str, Decimal]) -> None:
        """Record the opening positions (`held`) with their prices now.

        Fills and settlements read before are history."""
        self.held = dict(held)
        books = {book.ticker: book for book in self._client.get_orderbooks(self.held)}
        self._pending.at, self._pending.orders = now, self.order_records.changed
        opening = self._marker.open(self._pending, now, self.held, books)
        rebuilt = rebuilt_day.carried(self._client, self._ledger, self._pending, now, opening)
        noted = self._account_state.day_result(now.date())
        self._pending.carried = rebuilt if noted is None else min(rebuilt, noted)
        self._pending.opening = opening
        self._report_inputs.open()
        self._pending.traded, self._pending.markouts = self._report_inputs.traded, {}
        self._ledger.record(self._pending)
        self._written()

    def open_ledger(self, is_mine: Callable[[Identity], bool] = lambda _: False) -> None:
        """Open the account's ledger, if it is not open yet.

        The exchange must have answered before, because its answer completes the account's identity. `is_mine`:
        whether an identity is the account's, under another key or address. Raises `LedgerError`."""
        if self._is_open:
            return
        now = self._client.clock.now()
        aside, again = self._ledger.open_for(self._client.identity, now, is_mine)
        name = self._ledger.path.name
        if aside is not None:
            self._log("INFO", {"Ledger": f"{name} was another account's; it is now {aside.name}"})
        if again is not None:
            self._log("INFO", {"Ledger": f"{again.name} is this account's; it is {name} again"})
        begun = self._ledger.begun or now
        told = f"begun {begun:%Y-%m-%d %H:%M} UTC, continued" if self._ledger.opened else "new"
        self.own.register(self._ledger, now)
        self._ledger.begin_session(now)
        self._log("INFO", {"Ledger": f"{name}, {told}"})  # once: without room it is tried in each cycle
        self.held = self._ledger.positions()
        self._accrual.restore(self._ledger)
        self._marker.restore()
        looked = self._accrual.last_look or now
        known = self._ledger.orders(looked)
        self.order_records.restore(known)
        since = min([looked, self._ledger.last_fill() or now, *(record.created for record in known)])
        self.fills = {fill.fill_id: fill for fill in self._ledger.fills(since - OVERLAP - _WHOLE_SECOND)}
        self._report_inputs.restore(now)
        mark = self._ledger.last_mark()
        self.balance_watch.restore(self._ledger.cash_rule(), mark.free_cash if mark else None)
        self._is_open = True

    def accept_positions(self, mismatches: Mapping[str, Mismatch]) -> None:
        """Adopt the exchange's positions at a session's start.

        Raises `LedgerError`, or `ExchangeError` if a price cannot be read."""
        changes = {ticker: there - here for ticker, (here, there) in mismatches.items()}
        if changes:
            now = self._client.clock.now()
            books = {book.ticker: book for book in self._client.get_orderbooks(changes)}
            adopted = self._marker.adopt(self._pending, now, mismatches, books)
            self._write(now, None, None)  # fills since the last write are stored before the adjustment
            self._ledger.adjust(adopted)
            self._report_inputs.begin_anew()
            for ticker, change in changes.items():
                self.held[ticker] = self.held.get(ticker, Decimal(0)) + change
            held = ", ".join(f"{ticker} {change:+}" for ticker, change in changes.items())
            self._log("INFO", {"Ledger": "positions are taken from the exchange", "Changed": held})

    def position_mismatches(self, positions: PartialList[Position]) -> dict[str, Mismatch]:
        """Find the markets whose position in the ledger differs from the exchange's list.

        Returns both counts by ticker. A market with a fill or position that cannot be read is left out. So is one
        that the exchange no longer lists, if it is not active and its settlement is not known: that is listed
        late."""
        listed = {position.ticker: position.count for position in positions}
        unread = {error.ticker for error in positions.unreadable} | self._unread_fills
        if "" in unread:  # without a ticker it may be about any market
            return {}
        found = {}
        for ticker in sorted(listed.keys() | self.held.keys()):
            here, there = self.held.get(ticker, Decimal(0)), listed.get(ticker, Decimal(0))
            if here != there and ticker not in unread:
                found[ticker] = here, there
        if not found:
            return found
        markets = {market.ticker: market for market in self._client.get_markets(found)}
        certain = {ticker for ticker, market in markets.items() if market.status is MarketStatus.ACTIVE}
        settled = (*self._ledger.settlements(), *self._pending.settlements.values())
        certain |= {one.ticker for one in settled}
        return {ticker: both for ticker, both in found.items() if both[1] or ticker in certain}

    # -- in a cycle --------------------------------------------------------------------------------------------

    def read_fills(self) -> None:
        """Read new fills and pass them to `on_fills`. Raises `ExchangeError`."""
        new = self._new_fills()
        if new:
            self._on_fills(new)

    def _new_fills(self) -> list[NewFill]:
        """Read the fills that were not known yet, oldest first. Raises `ExchangeError`."""
        listed = self._client.get_fills(self._fills_since - OVERLAP)
        new = list({fill.fill_id: fill for fill in listed if fill.fill_id not in self.fills}.values())
        self._unread_fills = {error.ticker for error in listed.unreadable}
        found = []
        for fill in new:  # without repeats: a page may repeat fills of the last one
            self.fills[fill.fill_id] = self._pending.fills[fill.fill_id] = fill
            held = self.held.get(fill.ticker, Decimal(0))
            closes = held * fill.change < 0
            found.append(NewFill(fill, min(abs(held), fill.count) if closes else Decimal(0)))
            self._change_held(fill)
            if not self._unread_fills:  # else the next read begins before the unreadable fill
                self._fills_since = max(self._fills_since, fill.time)
        self._log_unreadable(
            listed, "A fill is missing in the ledger until it can be read; positions are read separately"
        )
        return found

    def check_settlements(self, positions: Iterable[Position]) -> None:
        """Read settlements, if the exchange no longer lists a position of the ledger.

        `positions`: those that the exchange lists. Raises `ExchangeError`."""
        listed = {position.ticker for position in positions}
        gone = [ticker for ticker, count in self.held.items() if count and ticker not in listed]
        if gone and self._see_settlements(self._client.clock.now() - timedelta(days=1)) is None:
            self._settle_by_result(gone)

    def accrue(
        self,
        at: datetime,
        markets: Mapping[str, Market],
        books: Mapping[str, Book],
        held: Mapping[str, Book] | None,
    ) -> None:
        """Count the seconds since the last look, with `AccrualTracker.accrue`.

        `held`: the books that value the positions, None between cycles. Raises `ExchangeError`."""
        self._accrual.accrue(
            self._pending, at, markets, books, self.order_records.known.values(), self.fills.values()
        )
        if held is None:
            return
        self._report_inputs.on_books(self._pending, at, {**held, **self._accrual.books})
        self._marker.on_look(at, {**self._accrual.books, **held})

    def accrued_by_program(self) -> dict[str, float]:
        """Dollars accrued so far by program id, before floor and cap."""
        return self._accrual.accrued_by_program(self._pending)

    def on_programs(self, programs: Iterable[Program]) -> None:
        """Record the programs that the exchange lists."""
        self._accrual.on_programs(self._pending, programs)

    def read_cash(
        self, orders: PartialList[Order], positions: PartialList[Position], rate: MakerRate
    ) -> FreeCash | None:
        """The account's cash, by what is known of how the exchange counts.

        If the balance cannot be read, it is reckoned from the last one known; None if none is. `orders`: all that
        rest. `rate`: their maker fees."""
        watch, reserved = self.balance_watch, reserves(orders, positions, rate)
        try:
            balance = self._client.get_balance()
        except ExchangeError:  # the log says so when the call begins to fail
            reckoned = watch.reckoned(reserved_by_shard(orders, reserved, watch.known.rule))
            free = free_cash(reckoned, orders, reserved, watch.known.rule) if reckoned else None
            return free and free._replace(told=None, whole=None)  # it cannot show that cash came or went
        if not orders.unreadable and self._explains(positions):
            watch.look(self._client.clock.now(), balance, orders.items, positions, reserved, rate)
        rule = watch.known.rule
        at_least = rule._replace(closing=rule.closing or False)
        watch.remember(balance, reserved_by_shard(orders, reserved, at_least))
        return free_cash(balance, orders, reserved, watch.known.rule)

    def count_cash(self, orders: Collection[Order], positions: PartialList[Position], cash: FreeCash) -> None:
        """Reconcile the cash, if all fills were read and the positions match.

        `orders`: all that rest."""
        if self._explains(positions):
            self._report_inputs.count_cash(self._pending, orders, positions.items, cash, self._read_settlements)

    def _explains(self, positions: PartialList[Position]) -> bool:
        """Whether all fills were read, and they explain the positions."""
        listed = {position.ticker: position.count for position in positions}
        held = {ticker: count for ticker, count in self.held.items() if count}
        return listed == held and not positions.unreadable and not self._unread_fills

    def catch_up(self) -> None:
        """Read the prices and outcomes that no look gave, and which windows were paid out.

        Raises `ExchangeError` or `LedgerError`."""
        self._report_inputs.catch_up(self._pending)
        self._payout_watch.catch_up(self._pending)

    # -- at a cycle's end --------------------------------------------------------------------------------------

    def close_cycle(self, cycle: CycleRecord | None, free_cash: Decimal | None) -> AccountMark:
        """Write the entry of a cycle, or of a session's end (None).

        `free_cash`: dollars, None if not known. Returns the account's mark. Raises nothing: a failed write is
        logged, and the entry is kept for the next write."""
        try:
            mark = self.mark(free_cash)
        except LedgerError as error:
            self._not_written(error)
            return AccountMark(self._client.clock.now(), free_cash, Decimal(0), None, None)
        self._write(mark.at, cycle, mark)
        self._note_day(mark)
        return mark

    def _note_day(self, mark: AccountMark) -> None:
        """Keep the day's result with the account, for another ledger. Raises nothing."""
        try:
            if mark.own_profit is not None:
                self._account_state.note_day_result(mark.at.date(), mark.own_profit)
        except LedgerError as error:
            kept = "The ledger has the day's loss, but a new ledger would only find what fills tell of it"
            self._log("ERROR", str(error), [kept])

    def mark(self, free_cash: Decimal | None) -> AccountMark:
        """Compute the account's mark: its state now, and the day's profit.

        Raises `LedgerError`."""
        return self._marker.mark(self._pending, self._client.clock.now(), self.held, free_cash)

    def record_failed(self, cycle: CycleRecord) -> None:
        """Write the entry of a failed cycle. Raises nothing.

        The entry has all that happened before the failure."""
        if self._is_open:
            self._write(self._client.clock.now(), cycle, None)

    def _write(self, now: datetime, cycle: CycleRecord | None, mark: AccountMark | None) -> None:
        pending = self._pending
        pending.orders = self.order_records.changed
        pending.at, pending.cycle, pending.mark, pending.traded = now, cycle, mark, self._report_inputs.traded
        resting = {record.ticker for record in self.order_records.known.values() if record.ended is None}
        pending.looked, pending.cash_rule = self._accrual.last_look, self.balance_watch.known
        pending.looks = {ticker: book for ticker, book in self._accrual.books.items() if ticker in resting}
        try:
            if now >= self._pruned + _PRUNE_EVERY:
                self._ledger.prune(now)
                self._pruned = now
            self._ledger.record(pending)
        except LedgerError as error:
            self._not_written(error)
        else:
            self._written()

    def end_session(self, how: str) -> None:
        """Record how the session ended. Raises nothing."""
        if self._is_open:
            try:
                self._ledger.end_session(self._client.clock.now(), how)
            except LedgerError as error:
                self._not_written(error)

    def _written(self) -> None:
        if not self._is_written:
            self._log("INFO", {"Ledger": "is written again; the seconds that it missed count as unknown"})
        self._is_written = True
        self._accrual.on_written(self._pending)
        self._pending = PendingWrites(EPOCH)
        self.order_records.written(self._accrual.is_uncounted)
        latest = max((fill.time for fill in self.fills.values()), default=EPOCH)
        recent = min(latest, self._fills_since) - 2 * OVERLAP
        self.fills = {
            name: fill
            for name, fill in self.fills.items()
            if fill.time >= recent or fill.order_id in self.order_records.known
        }

    def _not_written(self, error: LedgerError) -> None:
        """Log the first failed write. Quoting goes on.

        The exchange still has what the ledger lacks, except what the seconds earned."""
        if self._is_written:
            told = "Trading goes on; rewards meanwhile are not counted. Free disk space, or make it writable"
            self._log("ERROR", str(error), [told])
        self._is_written = False
        self._pending.lose_estimates()

    # -- reading the exchange ----------------------------------------------------------------------------------

    def _see_settlements(self, since: datetime) -> bool | None:
        """Whether a settlement is new, None if settlements cannot be read."""
        try:
            return self._read_settlements(since)
        except ExchangeError:  # the log says so when the call begins to fail
            return None

    def _read_settlements(self, since: datetime) -> bool:
        """Read settlements, and return whether one is new. Raises `ExchangeError`."""
        listed = self._client.get_settlements(since - OVERLAP)
        self._log_unreadable(listed, "A settlement is missing in the ledger, and in the day's profit")
        return self._settled(listed, since)

    def _settle_by_result(self, tickers: Collection[str]) -> None:
        """Settle positions by their markets' public results, as far as these are final."""
        now = self._client.clock.now()
        markets = self._client.get_markets(tickers)
        found = [settlements.by_result(market, self.held[market.ticker], now) for market in markets]
        self._settled([one for one in found if one], now)

    def _settled(self, found: Iterable[Settlement], since: datetime) -> bool:
        """Count settlements since a time, and return whether one is new."""
        earliest = since - OVERLAP - _WHOLE_SECOND - settlements.ONE_SETTLEMENT
        known = [*self._ledger.settlements(earliest), *self._pending.settlements.values()]
        opened, new = self._ledger.opened, False
        for one in found:
            is_known = any(settlements.is_same(one, other) for other in known)
            if is_known or (opened and one.time < opened):  # history, and the opening positions include it
                continue
            self._pending.settlements[one.ticker, one.time] = one
            self._change_held(one)
            new = True
        return new

    def _log_unreadable(self, listed: PartialList[T], means: str) -> None:
        for error in listed.unreadable:
            self._log("ERROR", str(error), [means])

    def _change_held(self, one: Fill | Settlement) -> None:
        held = self.held.get(one.ticker, Decimal(0))
        self._report_inputs.on_change(self._pending, held, one)
        self.balance_watch.on_change(one.exchange_index, cash_effect(held, one))
        self.held[one.ticker] = held + one.change
