"""Cancel orders, in a cycle, in an emergency and when the bot stops.

Promise:
- A cancel needs no gate, no limit and no halt check, and no record of it can keep it back.
- An order that could not be canceled is logged.
- A stop ends with none of the bot's orders resting, or says in capitals until when some may rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple, Protocol

from clients import KalshiHttpClient
from exchange.account import Position
from exchange.errors import ExchangeError, Gone, OutcomeUnknown, Recovery, StillResting
from exchange.json_fields import PartialList
from exchange.models import Order, OrderRequest, OrderResponse
from exchange.orderbook import Bid
from execution.cancel_reasons import CancelCause, CancelReason
from ledger.own_tags import OwnTags
from runtime import log_format, signals
from runtime.console import ExitCode, typed
from runtime.last_words import named, unfailing
from runtime.log_format import Log

VERIFY_TRIES = 5
VERIFY_SECONDS = 1.0
STOP_TRIES = 3
"""Attempts to cancel the orders and verify it before the bot stops. Checks of lists that lag do not count, but
there are no more than `VERIFY_TRIES` + 1 checks once every order was answered."""


_SLACK = timedelta(seconds=2)


class CancelResult(Enum):
    """What became of an order that was to be canceled."""

    CANCELED = auto()
    GONE = auto()  # it was filled, had expired or was canceled before
    RESTS = auto()


class OrderRecorder(Protocol):
    """Receives the outcome of orders."""

    def placed(self, order: OrderRequest, response: OrderResponse) -> None:
        """The exchange accepted an order."""

    def amended(self, order: Order, bid: Bid, until: datetime) -> None:
        """An order now rests as `bid`, and expires at `until`."""

    def canceling(self, order: Order) -> None:
        """An order is about to be canceled."""

    def canceled(self, order: Order) -> None:
        """An order was canceled."""


class NullRecorder:
    """Records nothing, for manual commands: a running bot reads the changes itself."""

    def placed(self, order: OrderRequest, response: OrderResponse) -> None: ...

    def amended(self, order: Order, bid: Bid, until: datetime) -> None: ...

    def canceling(self, order: Order) -> None: ...

    def canceled(self, order: Order) -> None: ...


class Shutdown(NamedTuple):
    """The outcome of a stop.

    `problem`: what the bot could not do or verify, empty if it verified that no order rests. `code`: the process's
    exit code, 0, or 3 if an order may still rest."""

    problem: str
    code: int


class Canceler:
    """Cancels the account's orders, and verifies it.

    `own`: which of them are the bot's."""

    def __init__(self, client: KalshiHttpClient, log: Log, recorder: OrderRecorder, own: OwnTags) -> None:
        self._client, self._log, self._recorder, self.own = client, log, recorder, own

    def cancel_all(self, cause: CancelCause, spares: Callable[[Order], bool] = lambda _: False) -> None:
        """Cancel every order of the account and verify it. Raises `StillResting`.

        `spares`: whether an order is left alone. The check waits, because lists lag behind orders."""
        told: dict[str, bool] = {}
        for attempt in range(VERIFY_TRIES + 1):
            current = self._client.lists_are_current()
            found = self._client.get_resting_orders()
            left = [order for order in found if not spares(order)]
            self.cancel(left, cause, told)
            found.all_or_raise()
            if not left and attempt and current:
                return
            self._client.clock.sleep(VERIFY_SECONDS)
        where = ", ".join(sorted({order.ticker for order in left})) or "markets that the lists do not show yet"
        raise StillResting("Verifying that no order rests", f"{len(left)} orders still rest, in {where}")

    def cancel_own(self, cause: CancelCause, tickers: Collection[str] | None = None) -> int:
        """Cancel the bot's orders, only in `tickers` if given. Returns their number."""
        self.wait_for_lists()
        resting = self._client.get_resting_orders()
        own = [one for one in resting if self.own.is_own(one) and (tickers is None or one.ticker in tickers)]
        self.cancel(own, cause)
        return len(own)

    def wait_for_lists(self) -> None:
        """Wait until the account's lists are current. Raises `OutcomeUnknown` if they lag.

        With old lists the bot would place an order twice."""
        for _ in range(VERIFY_TRIES):
            if self._client.lists_are_current():
                return
            self._client.clock.sleep(VERIFY_SECONDS)
        raise OutcomeUnknown("Reading the account", "the exchange's lists lag behind the bot's requests")

    def cancel(self, orders: Iterable[Order], cause: CancelCause, told: dict[str, bool] | None = None) -> None:
        """Cancel orders.

        `told`: ids whose cancel was logged before, and whether it worked; lists that lag may repeat them. Raises
        the last error that concerns more than its order, after all were tried."""
        failed: Exception | None = None
        told = {} if told is None else told
        for order in orders:
            try:
                result = self.cancel_one(order, cause, is_told=order.order_id in told)
                told[order.order_id] = result is not CancelResult.RESTS
            except Exception as error:  # the others are still tried
                failed = error
        if failed is not None:
            raise failed

    def cancel_one(self, order: Order, cause: CancelCause, is_told: bool = False) -> CancelResult:
        """Cancel an order.

        `is_told`: it was logged before. Raises an `ExchangeError` if the outcome is unknown."""
        said = log_format.resting_order(order)
        if not is_told:
            self._log("CANCEL ORDER", said | {"Reason": cause.text})
        self._record(self._recorder.canceling, order)
        try:
            self._client.cancel_order(order)
        except Gone:
            if not is_told:
                self._log("INFO", said | {"Order": "was gone already: filled, expired or canceled"})
            return CancelResult.GONE
        except ExchangeError as error:
            if error.recovery is not Recovery.SKIP:
                raise
            self._log("ERROR", str(error), [f"It still rests; the bot adds nothing in {order.ticker} meanwhile"])
            return CancelResult.RESTS
        self._record(self._recorder.canceled, order)
        return CancelResult.CANCELED

    def _record(self, record: Callable[[Order], None], order: Order) -> None:
        """Record a cancel. A failure is logged: the other orders must be canceled too."""
        try:
            record(order)
        except Exception as error:
            means = "The order is canceled all the same; the report may lack it"
            self._log("ERROR", f"A cancel could not be recorded: {named(error)}", [means])

    def shut_down(self, last_expiry: datetime | None, why: str, known: int = 0) -> Shutdown:
        """Cancel the bot's orders and verify it. Raises nothing.

        A hurry of `runtime/signals.py` ends that. `last_expiry`: the expiry of the last order sent, None if none
        was sent. `why`: what stops the bot. `known`: how many of its orders rest as far as the bot knows."""
        self._log = unfailing(self._log)
        self._client.shorten_timeouts()
        end = _ShutdownState(last_expiry, known)
        cause = CancelCause(CancelReason.STOP, f"the bot stops ({why})")

        def take_down() -> None:
            try:
                self._take_down(end, cause)
            except Exception as error:
                self._tell(end, error)

        ended_by = signals.until_hurried(take_down)
        if ended_by and end.problem:
            end.problem = f"{ended_by} a second time"
        return Shutdown(*end.outcome(self._client.clock.now())) if end.problem else Shutdown("", ExitCode.OK)

    def _take_down(self, end: _ShutdownState, cause: CancelCause) -> None:
        """Cancel and check repeatedly: lists lag, and an order may have been on its way."""
        tries = 0
        for attempt in itertools.count():
            settled = not self._client.unanswered_seconds
            try:
                current = self._lists_are_current()
                resting = self._client.get_resting_orders()
                own = [order for order in resting if self.own.is_own(order)]
                end.saw(own, len(resting.unreadable))
                if attempt and current and settled and not end.left:
                    end.problem = ""
                    return
                end.problem = f"{end.left} are still listed" if end.left else "the exchange's lists lag behind"
                tries += current
                self.cancel(own, cause, end.told)
            except Exception as error:
                self._tell(end, error)
                tries += 1
                if end.until is None and not end.left:
                    return
            if (tries >= STOP_TRIES or attempt >= VERIFY_TRIES) and settled:
                return
            self._client.clock.sleep(VERIFY_SECONDS)

    def _tell(self, end: _ShutdownState, error: Exception) -> None:
        """Note why orders may rest. The last line tells an error of the exchange."""
        end.problem = str(error) if isinstance(error, ExchangeError) else named(error)
        if not isinstance(error, ExchangeError):
            means = "The stop goes on; its last line says whether orders may rest"
            self._log("ERROR", f"While the bot canceled its orders: {end.problem}", [means])

    def held_text(self) -> tuple[str, list[str]]:
        """The positions that a stopped bot still holds, as text and details for the log.

        Raises nothing."""
        gone = "None of our orders rests any more"
        found: list[PartialList[Position]] = []

        def look() -> None:
            with suppress(Exception):  # no answer: say less
                found.append(self._client.get_positions())

        signals.until_hurried(look)
        if not found:
            return f"{gone}; positions could not be read", []
        held = found[0]
        if not held:
            return f"{gone}; no positions are held", []
        many = "1 position is" if len(held) == 1 else f"{len(held)} positions are"
        then = f"{many} still held: sell them, or the next start sells what it can"
        return f"{gone}; {then}", [log_format.pairs(log_format.held_position(one)) for one in held]

    def _lists_are_current(self) -> bool:
        """Whether lists are current; False if the exchange does not say."""
        try:
            return self._client.lists_are_current()
        except ExchangeError:
            return False


class _ShutdownState:
    """What is known of the bot's orders while it stops.

    `left`: their number at the last check. `until`: when the last of them expires. `told`: the orders canceled so
    far, and whether that worked. `problem`: why some may rest, empty if none does."""

    def __init__(self, last_expiry: datetime | None, known: int) -> None:
        self.until, self.problem = last_expiry, "the orders were not checked yet"
        self.told: dict[str, bool] = {}
        self._known, self._listed, self._unreadable = known, frozenset[str](), 0

    @property
    def left(self) -> int:
        return len(self._listed) + self._unreadable

    def saw(self, own: Collection[Order], unreadable: int) -> None:
        self._listed, self._unreadable = frozenset(order.order_id for order in own), unreadable
        self._known = 0  # after what replaces it: a hurry may come between two lines
        self.until = max((at for at in (self.until, *(order.expires for order in own)) if at), default=None)

    def outcome(self, now: datetime) -> tuple[str, int]:
        """The problem as text for the log, and the exit code."""
        if self.until is None and not self.left:
            return (
                f"The bot placed no order, but could not check whether an earlier run left one ({self.problem})",
                0,
            )
        if self.until and self.until + _SLACK < now:
            return f"All our orders have expired by now, but the bot could not verify it ({self.problem})", 0
        until = (
            f"until {log_format.local_time(self.until)} at the latest" if self.until else "until they are canceled"
        )
        rest = self._known + self._unreadable + sum(not self.told.get(one) for one in self._listed)
        how = f"Cancel them: {typed('main.py cancel-all')}, or on the website"
        return (
            f"OUR ORDERS MAY STILL REST {until} ({rest} as far as the bot knows; {self.problem}). {how}",
            ExitCode.ORDERS_MAY_REST,
        )
