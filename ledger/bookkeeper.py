"""Keeps the ledger: what became of our orders, what was filled, what is held, what the seconds were worth.

Promise: all of it is the exchange's word, and whatever was missed while the bot was down or blind is asked for;
what nobody can know is recorded as unknown. A ledger that cannot be written stops nothing but itself: it is told
once, and what it lost are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import trade
from clients import KalshiHttpClient
from exchange.account import Balance, Fill, Position, Settlement
from exchange.errors import ExchangeError
from exchange.json_fields import PartialList
from exchange.models import Market, MarketStatus, Order, OrderRequest, OrderResponse, OrderStatus, Program
from exchange.orderbook import Bid, Book
from ledger.accrual import AccrualTracker
from ledger.daily_pnl import Marker, marked, midnight
from ledger.database import LedgerError
from ledger.entries import EPOCH, AccountMark, CycleRecord, NewFill, OrderRecord, PendingWrites
from ledger.ledger import Ledger
from ledger.report_inputs import ReportInputs
from runtime.log_format import Log

T = TypeVar("T")

Mismatch = tuple[Decimal, Decimal]
"""Contracts of a market that we believe to hold, and that the exchange says are held, YES positive."""

_OVERLAP = timedelta(seconds=60)
"""What is listed late is this late at most."""

_WHOLE_SECOND = timedelta(seconds=1)
"""The exchange is asked for what came from a whole second on, and lists so much more."""

_EARLY = timedelta(seconds=2)
"""An order that ends so long before its expiry did not expire: the exchange counts that in whole seconds."""

_PRUNE_EVERY = timedelta(hours=1)


class Bookkeeper:
    """One account's ledger, kept cycle by cycle. Two looks that are further apart than twice `wait_time` tell
    nothing of the time between them. `on_fills` hears of every fill that was not known yet, once."""

    def __init__(
        self,
        client: KalshiHttpClient,
        ledger: Ledger,
        wait_time: float,
        log: Log,
        on_fills: Callable[[Collection[NewFill]], None],
    ) -> None:
        self._client, self._ledger, self._log, self._on_fills = client, ledger, log, on_fills
        longest = timedelta(seconds=2 * wait_time)
        self._accrual = AccrualTracker(client, longest)
        self._pending = PendingWrites(EPOCH)
        self._is_open = False
        self._is_written = True
        self._orders: dict[str, OrderRecord] = {}
        self._fills: dict[str, Fill] = {}
        self._fills_since = EPOCH
        self._unread_fills: set[str] = set()
        self._held: dict[str, Decimal] = {}
        self._held_books: Mapping[str, Book] = {}
        self._pruned = EPOCH
        self._canceled_by_us: set[str] = set()
        self._marker = Marker(client, ledger)
        self._report_inputs = ReportInputs(client, ledger, longest, log)

    # -- at a session's start ----------------------------------------------------------------------------------

    def begin_session(self) -> None:
        """Take up the ledger, the first time, and catch up with the exchange, on which nothing of ours rests now.
        Raises `LedgerError`, and an `ExchangeError` where something could not be read."""
        now = self._client.clock.now()
        self.open_ledger()
        last = self._ledger.last_mark()
        begun = self._ledger.begun or now
        since = min([last.at if last else begun, *(record.created for record in self._orders.values())])
        self._read_orders(since - _OVERLAP)
        self._fills_since = self._ledger.last_fill() or midnight(begun.date())
        if self._ledger.is_opened:
            self.read_fills()
        else:  # what was filled before is history
            self._new_fills()
        self._read_settlements(self._ledger.last_settlement() or midnight(begun.date()))
        if self._ledger.is_opened:
            return
        positions = self._client.get_positions().all_or_raise()
        while self._new_fills():  # one that came between the two lists is in the one and not in the other
            positions = self._client.get_positions().all_or_raise()
        self._open(now, {position.ticker: position.count for position in positions})

    def _open(self, now: datetime, held: Mapping[str, Decimal]) -> None:
        """Begin with what is `held`, and what it would bring now. All that was found out before is history."""
        self._held = dict(held)
        books = {book.ticker: book for book in self._client.get_orderbooks(self._held)}
        quotes = {ticker: book.best_bids() for ticker, book in books.items()}
        self._pending.at = now
        self._pending.opening = marked(self._held, quotes)
        self._pending.prices |= quotes
        self._report_inputs.open()
        self._pending.traded, self._pending.markouts = self._report_inputs.traded, {}
        self._ledger.record(self._pending)
        self._written()

    def open_ledger(self) -> None:
        """Open the account's ledger, once an answer has told which account on which exchange this is. Raises
        `LedgerError`."""
        if self._is_open:
            return
        now = self._client.clock.now()
        aside = self._ledger.open_for(self._client.identity, now)
        if aside is not None:
            self._log("INFO", {"Ledger": f"{self._ledger.path.name} was another account's, now {aside.name}"})
        begun = self._ledger.begun or now
        told = f"of {begun:%Y-%m-%d %H:%M} UTC, kept on" if self._ledger.is_opened else "begun"
        self._log("INFO", {"Ledger": f"{self._ledger.path.name}, {told}"})
        self._ledger.begin_session(now)
        self._held = self._ledger.positions()
        self._accrual.restore(self._ledger)
        looked = self._accrual.last_look or now
        known = self._ledger.orders(looked)
        self._orders = {record.order_id: record for record in known} | self._orders
        since = min([looked, self._ledger.last_fill() or now, *(record.created for record in known)])
        self._fills = {fill.fill_id: fill for fill in self._ledger.fills(since - _OVERLAP - _WHOLE_SECOND)}
        self._report_inputs.restore(now)
        self._is_open = True

    def accept_positions(self, mismatches: Mapping[str, Mismatch]) -> None:
        """Take the exchange's word for what is held, at a session's start. Raises `LedgerError`."""
        changes = {ticker: there - here for ticker, (here, there) in mismatches.items()}
        if changes:
            now = self._client.clock.now()
            self._write(now, None, None)  # what was filled meanwhile is in it before it is adjusted
            self._ledger.adjust(changes, now)
            self._report_inputs.on_adjusted()
            for ticker, change in changes.items():
                self._held[ticker] = self._held.get(ticker, Decimal(0)) + change
            held = ", ".join(f"{ticker} {change:+}" for ticker, change in changes.items())
            self._log("INFO", {"Ledger": "positions are taken as the exchange has them", "Changed": held})

    def position_mismatches(self, positions: PartialList[Position]) -> dict[str, Mismatch]:
        """Where what is held by all fills and settlements is not what the exchange lists: by ticker what we and
        what it says, YES positive. What is not known of one that closed is its settlement, which comes late; of
        one with a fill that cannot be read, that fill."""
        listed = {position.ticker: position.count for position in positions}
        unread = {error.ticker for error in positions.unreadable} | self._unread_fills
        if "" in unread:  # it may be about any of them
            return {}
        found = {}
        for ticker in sorted(listed.keys() | self._held.keys()):
            here, there = self._held.get(ticker, Decimal(0)), listed.get(ticker, Decimal(0))
            if here != there and ticker not in unread:
                found[ticker] = here, there
        if not found:
            return found
        markets = {market.ticker: market for market in self._client.get_markets(found)}
        trading = {ticker for ticker, market in markets.items() if market.status is MarketStatus.ACTIVE}
        return {ticker: both for ticker, both in found.items() if both[1] or ticker in trading}

    # -- in a cycle --------------------------------------------------------------------------------------------

    def placed(self, order: OrderRequest, response: OrderResponse) -> None:
        """An order of ours was taken."""
        now = self._client.clock.now()
        fees = (response.average_fee or Decimal(0)) * response.filled
        rests = response.status is OrderStatus.RESTING
        record = OrderRecord(
            response.order_id, order.client_order_id, order.ticker, order.bid.side, order.bid.price,
            order.bid.count, response.filled, fees, response.status, now, order.expires, None if rests else now,
        )  # fmt: skip
        self._record_order(record)

    def canceling(self, order: Order) -> None:
        """An order is about to be taken down: should it be gone, it was us."""
        self._canceled_by_us.add(order.order_id)

    def amended(self, order: Order, bid: Bid, until: datetime) -> None:
        """An order rests as `bid` until a time from now on. The second or so since the last look counts so too."""
        known = self._orders.get(order.order_id, OrderRecord.of(order, self._client.clock.now()))
        self._record_order(known._replace(price=bid.price, asked=order.filled + bid.count, expires=until))

    def canceled(self, order: Order) -> None:
        """An order was taken down just now."""
        if trade.is_own(order):
            now = self._client.clock.now()
            record = self._orders.get(order.order_id, OrderRecord.of(order, now))
            self._record_order(record._replace(status=OrderStatus.CANCELED, ended=now))

    def sync_resting(self, ours: Collection[Order]) -> list[OrderRecord]:
        """These, and no others, still rested when the cycle began. What became of others is asked for. Returns
        those that were taken down early, and not by us."""
        now = self._client.clock.now()
        for order in ours:
            known = self._orders.get(order.order_id)
            ended = known.ended if known else None
            status = known.status if known else order.status
            self._record_order(OrderRecord.of(order, now)._replace(ended=ended, status=status))
        listed = {order.order_id for order in ours}
        missing = [record for name, record in self._orders.items() if record.ended is None and name not in listed]
        if missing:
            self._read_orders(min(record.created for record in missing) - _OVERLAP)
        now_known = [self._orders[record.order_id] for record in missing]
        early = [record for record in now_known if record.status is OrderStatus.CANCELED and _is_early(record)]
        return [record for record in early if record.order_id not in self._canceled_by_us]

    def read_fills(self) -> None:
        """Ask for fills that are not known yet, and let them be heard of. Raises an `ExchangeError`."""
        new = self._new_fills()
        if new:
            self._on_fills(new)

    def _new_fills(self) -> list[NewFill]:
        """The fills that were not known yet, oldest first. Raises an `ExchangeError`."""
        listed = self._client.get_fills(self._fills_since - _OVERLAP)
        new = list({fill.fill_id: fill for fill in listed if fill.fill_id not in self._fills}.values())
        self._unread_fills = {error.ticker for error in listed.unreadable}
        found = []
        for fill in new:  # a page may repeat what stood on the last one
            self._fills[fill.fill_id] = self._pending.fills[fill.fill_id] = fill
            held = self._held.get(fill.ticker, Decimal(0))
            closes = held * fill.change < 0
            found.append(NewFill(fill, min(abs(held), fill.count) if closes else Decimal(0)))
            self._change_held(fill)
            if not self._unread_fills:  # else asked for again, from before that one
                self._fills_since = max(self._fills_since, fill.time)
        self._log_unreadable(
            listed, "A fill is missing in the ledger until it can be read; what is held is read by itself"
        )
        return found

    def check_settlements(self, positions: Iterable[Position]) -> None:
        """These are the exchange's positions. What the ledger holds beside them may have been settled: that is
        asked for. Raises an `ExchangeError`."""
        listed = {position.ticker for position in positions}
        gone = [ticker for ticker, count in self._held.items() if count and ticker not in listed]
        if gone:
            self._read_settlements(self._client.clock.now() - timedelta(days=1))

    def accrue(
        self,
        at: datetime,
        markets: Mapping[str, Market],
        books: Mapping[str, Book],
        held: Mapping[str, Book],
    ) -> None:
        """Count the seconds since the look before, as `AccrualTracker.accrue` does. By the books of `held` goes
        what positions are worth. Raises an `ExchangeError`."""
        self._held_books = held
        self._accrual.accrue(self._pending, at, markets, books, self._orders.values(), self._fills.values())
        self._report_inputs.on_books(self._pending, at, {**held, **self._accrual.books})

    def accrued_by_program(self) -> dict[str, float]:
        """Dollars accrued so far by program id, before floor and cap."""
        return self._accrual.accrued_by_program(self._pending)

    def on_programs(self, programs: Iterable[Program]) -> None:
        """These programs are listed."""
        self._accrual.on_programs(self._pending, programs)

    def count_cash(
        self,
        orders: Collection[Order],
        positions: PartialList[Position],
        balance: Balance,
        maker_rate: Callable[[str], Decimal],
    ) -> None:
        """Look at the cash, where all that rests and is held could be read; `maker_rate` as for
        `cash_reconciliation.tied_up`. Raises an `ExchangeError`, and nothing is lost: the next look counts."""
        listed = {position.ticker: position.count for position in positions}
        held = {ticker: count for ticker, count in self._held.items() if count}
        if listed == held and not self._unread_fills:
            self._report_inputs.count_cash(self._pending, orders, positions.items, balance, maker_rate)

    def catch_up(self) -> None:
        """Ask for the prices that no look told. Raises an `ExchangeError` or a `LedgerError`."""
        self._report_inputs.catch_up(self._pending)

    # -- at a cycle's end --------------------------------------------------------------------------------------

    def close_cycle(self, cycle: CycleRecord | None, balance: Balance | None) -> AccountMark:
        """Write down what a cycle, or the end of a session (None), brought. Returns what there is now. Raises
        nothing: what cannot be written is told, and kept for the next time."""
        try:
            mark = self.mark(balance)
        except (ExchangeError, LedgerError) as error:
            now, cash = self._client.clock.now(), balance.available if balance else None
            mark = AccountMark(now, cash, Decimal(0), None, None)
            if isinstance(error, LedgerError):
                self._not_written(error)
                return mark
            self._log("ERROR", str(error), ["The day's profit is not known before this can be read"])
        self._write(mark.at, cycle, mark)
        return mark

    def mark(self, balance: Balance | None) -> AccountMark:
        """What there is now, and what the day has brought. Raises an `ExchangeError` or a `LedgerError` where that
        cannot be told."""
        books = {**self._held_books, **self._accrual.books}
        return self._marker.mark(self._pending, self._client.clock.now(), self._held, books, balance)

    def record_failed(self, cycle: CycleRecord) -> None:
        """Write down that a cycle failed, and what it brought until then. Raises nothing."""
        if self._is_open:
            self._write(self._client.clock.now(), cycle, None)

    def _write(self, now: datetime, cycle: CycleRecord | None, mark: AccountMark | None) -> None:
        pending = self._pending
        pending.at, pending.cycle, pending.mark, pending.traded = now, cycle, mark, self._report_inputs.traded
        resting = {record.ticker for record in self._orders.values() if record.ended is None}
        pending.looked = self._accrual.last_look
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
        """Say how the session ended."""
        if self._is_open:
            try:
                self._ledger.end_session(self._client.clock.now(), how)
            except LedgerError as error:
                self._not_written(error)

    def _written(self) -> None:
        if not self._is_written:
            self._log("INFO", {"Ledger": "is written again; what it missed counts as unknown time"})
        self._is_written = True
        self._accrual.on_written(self._pending)
        self._pending = PendingWrites(EPOCH)
        self._orders = {
            name: record for name, record in self._orders.items() if self._accrual.is_uncounted(record)
        }
        self._canceled_by_us &= self._orders.keys()
        latest = max((fill.time for fill in self._fills.values()), default=EPOCH)
        recent = min(latest, self._fills_since) - 2 * _OVERLAP
        self._fills = {
            name: fill
            for name, fill in self._fills.items()
            if fill.time >= recent or fill.order_id in self._orders
        }

    def _not_written(self, error: LedgerError) -> None:
        """Quoting goes on: what the ledger lacks the exchange still knows, but for what the seconds were worth."""
        if self._is_written:
            told = "Trading goes on, what is earned meanwhile is not counted; free some disk, or make it writable"
            self._log("ERROR", str(error), [told])
        self._is_written = False
        self._pending.lose_estimates()

    # -- what the exchange tells -------------------------------------------------------------------------------

    def _read_orders(self, since: datetime) -> None:
        """What became of our orders, those of a process that was killed among them."""
        now = self._client.clock.now()
        listed = self._client.get_orders(since)
        self._log_unreadable(
            listed, "How long an order of ours rested is not known; its seconds are taken to end with its expiry"
        )
        for order in filter(trade.is_own, listed):
            known = self._orders.get(order.order_id)
            if known is None or known.ended is None or order.status is not OrderStatus.RESTING:
                self._record_order(OrderRecord.of(order, now))

    def _read_settlements(self, since: datetime) -> None:
        known = {(one.ticker, one.time) for one in self._ledger.settlements(since - _OVERLAP - _WHOLE_SECOND)}
        listed = self._client.get_settlements(since - _OVERLAP)
        self._log_unreadable(listed, "A settlement is missing in the ledger, and in the day's profit")
        for one in listed:
            key = one.ticker, one.time
            if key not in known and key not in self._pending.settlements:
                self._pending.settlements[key] = one
                self._change_held(one)

    def _log_unreadable(self, listed: PartialList[T], means: str) -> None:
        for error in listed.unreadable:
            self._log("ERROR", str(error), [means])

    def _change_held(self, one: Fill | Settlement) -> None:
        held = self._held.get(one.ticker, Decimal(0))
        self._report_inputs.on_change(self._pending, held, one)
        self._held[one.ticker] = held + one.change

    def _record_order(self, record: OrderRecord) -> None:
        self._orders[record.order_id] = self._pending.orders[record.order_id] = record


def _is_early(record: OrderRecord) -> bool:
    return record.ended is not None and (record.expires is None or record.ended < record.expires - _EARLY)
