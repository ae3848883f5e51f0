"""Collect what only reports need: unexplained cash, prices, outcomes, capital.

Promise:
- It only reads from the exchange.
- It asks again later for data that it could not read.
- It never stops a cycle: its callers log its `ExchangeError` and go on.

Prices are those around each fill. An outcome is what a market paid at its end. Capital is the money tied up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from clients import KalshiHttpClient
from exchange.account import Fill, Payment, PaymentStatus, Position, Settlement
from exchange.errors import ExchangeError
from exchange.models import Order
from exchange.order_payloads import PRIMARY_SUBACCOUNT
from exchange.orderbook import Book
from exchange.reserves import FreeCash
from ledger import cash_reconciliation, markouts
from ledger.cash_reconciliation import CashReading, ExplainedSpan
from ledger.entries import EPOCH, CashFlow, Outcome, PendingWrites
from ledger.ledger import Ledger
from ledger.markouts import MarkoutTracker
from runtime.console import typed
from runtime.log_format import Log

_ASKED_EVERY = timedelta(minutes=10)
_OUTCOMES_EVERY = timedelta(hours=1)
_FILLS_REMEMBERED = timedelta(days=1)

DEPOSIT, WITHDRAWAL, SHARDS, SUBACCOUNTS = "deposit", "withdrawal", "transfer", "subaccount transfer"


def payment_flow(kind: str, one: Payment) -> CashFlow:
    """The cash that a deposit or a withdrawal moves; none before it is applied.

    A deposit's fee comes off what arrives. Whether a withdrawal's fee is taken in addition to its amount is not
    known, so it is not counted: if it is taken, a little cash is missing. Counting a fee that is not taken would
    make it look like cash that came, and so like a reward."""
    amount, sign = (one.amount - one.fee, 1) if kind == DEPOSIT else (one.amount, -1)
    moves = sign * amount if one.status is PaymentStatus.APPLIED else Decimal(0)
    return CashFlow(one.id, kind, amount, moves, one.finalized or one.created)


class ReportInputs:
    """Watches one account, and adds what it finds to the ledger entry `pending`.

    If two looks are more than `longest` apart, the capital between them is not counted."""

    def __init__(self, client: KalshiHttpClient, ledger: Ledger, longest: timedelta, log: Log) -> None:
        self._client, self._ledger, self._longest, self._log = client, ledger, longest, log
        self._begun, self._traded = EPOCH, Decimal(0)
        self._span: ExplainedSpan | None = None
        self._doubt: ExplainedSpan | None = None
        self._flows: dict[str, CashFlow] = {}
        self._anew = self._reread = False
        self._reserved: Decimal | None = None
        self._capital_at: datetime | None = None
        self._markouts = MarkoutTracker()
        self._asked = self._outcomes_asked = EPOCH

    def restore(self, now: datetime) -> None:
        """Continue from the last state in the ledger."""
        self._begun, self._traded = self._ledger.begun or now, self._ledger.traded()
        self._span = self._ledger.last_span()
        self._flows = {flow.id: flow for flow in self._ledger.flows()}  # the exchange may forget old ones
        since = now - _FILLS_REMEMBERED
        fills = [one for one in self._ledger.changes(since) if isinstance(one, Fill)]
        self._markouts.expect(fills, self._ledger.markouts(since - markouts.FURTHEST))

    def open(self) -> None:
        """Start from the ledger's opening: cash effects and fills before it do not count."""
        self._traded, self._markouts = Decimal(0), MarkoutTracker()

    def begin_anew(self) -> None:
        """Start a new cash span: positions were adopted that no fill explains.

        The cash behind them is not explained either."""
        self._anew = True

    def reread(self) -> None:
        """Start a new cash span: the balance is read in another way from now on."""
        self._reread = True

    @property
    def traded(self) -> Decimal:
        """Change of the cash by all fills and settlements since the opening, in dollars."""
        return self._traded

    def on_change(self, pending: PendingWrites, held: Decimal, one: Fill | Settlement) -> None:
        """Take a fill or a settlement.

        `held`: the market's position before it, YES positive."""
        self._traded += cash_reconciliation.cash_effect(held, one)
        if isinstance(one, Fill):
            pending.markouts |= self._markouts.on_fill(one)

    def on_books(self, pending: PendingWrites, at: datetime, books: Mapping[str, Book]) -> None:
        """Take the books of a look, without our own orders."""
        pending.markouts |= self._markouts.on_books(at, books)

    # -- cash --------------------------------------------------------------------------------------------------

    def count_cash(
        self,
        pending: PendingWrites,
        orders: Collection[Order],
        positions: Collection[Position],
        cash: FreeCash,
        read_settlements: Callable[[datetime], object],
    ) -> None:
        """Reconcile the cash of an account, and count its capital.

        Call it only if all of the account was read, and fills and settlements explain its positions. If something
        that may explain a change cannot be read, the change waits for it. `read_settlements` reads those since a
        time."""
        now = self._client.clock.now()
        self._count_capital(pending, now, orders, positions)
        there = self._whole(cash)
        if there is None:
            return
        before, reading = self._span, self._cash_reading(there)
        if before and (self._reread or abs(reading.level - before.last.level) >= cash_reconciliation.STEP):
            try:
                read_settlements(before.until)
                self._read_flows(pending)
            except ExchangeError:  # the log says so when the call begins to fail
                return
            reading = self._cash_reading(there)
        span, self._doubt = cash_reconciliation.extend_span(
            before, self._doubt, now, reading, self._anew, self._reread
        )
        if span:
            self._anew = self._reread = False
            self._span = pending.cash[span.since] = span
            if before and span.since != before.since and not (span.anew or span.reread):
                self._log_step(span.first.level - before.last.level)

    def _whole(self, cash: FreeCash) -> Decimal | None:
        """The whole cash, or what shows the same steps. None: this look is left out.

        As long as it is not known how the balance is meant, it shows them until what orders reserve changes."""
        if cash.told is None:
            self._reserved = None
            return cash.whole
        same, self._reserved = cash.reserved == self._reserved, cash.reserved
        self._reread = self._reread or not same
        return cash.told if same else None

    def _log_step(self, came: Decimal) -> None:
        said = f"${abs(came):.4f} {'came' if came > 0 else 'went'} that no fill, settlement or payment explains"
        report = typed("main.py report")
        maybe = f"; perhaps a reward: {report} compares it with the estimates" if came > 0 else ""
        self._log("INFO", {"Cash": said + maybe})

    def _cash_reading(self, there: Decimal) -> CashReading:
        paid = sum((flow.moves for flow in self._flows.values()), start=Decimal(0))
        return CashReading(there, self._traded, paid)

    def _count_capital(
        self, pending: PendingWrites, now: datetime, orders: Collection[Order], positions: Collection[Position]
    ) -> None:
        """Count the capital that is tied up now for the time since the last look."""
        since, self._capital_at = self._capital_at, now
        if since is None or now - since > self._longest:
            return
        seconds = (now - since).total_seconds()
        spent = [(position.ticker, position.exposure) for position in positions]
        spent += [(order.ticker, order.price * order.remaining) for order in orders]
        for ticker, dollars in spent:
            key = now.date(), ticker
            pending.capital[key] = pending.capital.get(key, 0.0) + float(dollars) * seconds

    def _read_flows(self, pending: PendingWrites) -> None:
        """Read every payment and transfer since the ledger was begun."""
        found: list[CashFlow] = []
        for kind, payments in (
            (DEPOSIT, self._client.get_deposits()),
            (WITHDRAWAL, self._client.get_withdrawals()),
        ):
            self._log_unreadable(payments.unreadable)
            found += [payment_flow(kind, one) for one in payments]
        shards = self._client.get_transfers()
        self._log_unreadable(shards.unreadable)
        found += [CashFlow(one.id, SHARDS, one.amount, Decimal(0), one.created) for one in shards]
        between = self._client.get_subaccount_transfers()
        self._log_unreadable(between.unreadable)
        for moved in between:
            signs = (moved.to_subaccount == PRIMARY_SUBACCOUNT) - (moved.from_subaccount == PRIMARY_SUBACCOUNT)
            found.append(CashFlow(moved.id, SUBACCOUNTS, moved.amount, signs * moved.amount, moved.created))
        listed = {flow.id: flow for flow in found if flow.at >= self._begun}
        self._flows |= listed
        pending.flows |= listed

    def _log_unreadable(self, unreadable: Iterable[ExchangeError]) -> None:
        for error in unreadable:
            self._log("ERROR", str(error), ["Cash that it moved will be shown as unexplained, not as a reward"])

    # -- prices ------------------------------------------------------------------------------------------------

    def catch_up(self, pending: PendingWrites) -> None:
        """Read what no look gave: prices of minutes without a look, and outcomes.

        Raises `ExchangeError`."""
        now = self._client.clock.now()
        missing = self._markouts.missing(now)
        if missing and now >= self._asked + _ASKED_EVERY:
            self._asked = now
            start, end = markouts.candle_span(missing.items())
            tickers = sorted({fill.ticker for fill in missing.values()})
            try:
                candles = self._client.get_candles(tickers, start, min(end, now)).items
            except ExchangeError:  # the log says so when the call begins to fail
                candles = ()
            pending.markouts |= self._markouts.from_candles(now, candles)
        if now >= self._outcomes_asked + _OUTCOMES_EVERY:
            self._outcomes_asked = now
            for market in self._client.get_markets(self._ledger.without_outcome()):
                if market.yes_payout is not None and market.settled is not None:
                    pending.outcomes[market.ticker] = Outcome(market.settled, market.yes_payout)
