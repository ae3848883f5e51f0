"""Cancel orders, in a cycle, in an emergency and when the bot stops.

Promise:
- A cancel needs no gate, no limit and no halt check.
- An order that could not be canceled is logged.
- A stop ends with none of the bot's orders resting, or says in capitals until when some may rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from clients import KalshiHttpClient
from exchange.errors import ExchangeError, Gone, OutcomeUnknown, Recovery, StillResting
from exchange.models import Order, OrderRequest, OrderResponse
from exchange.orderbook import Bid
from execution.cancel_reasons import CancelCause, CancelReason
from ledger.own_tags import OwnTags
from runtime import log_format, signals
from runtime.console import ExitCode
from runtime.log_format import Log

VERIFY_TRIES = 5
VERIFY_SECONDS = 1.0
STOP_TRIES = 3
"""Attempts to cancel the orders and verify it before the bot stops. Checks of lists that lag do not count, but
there are no more than `VERIFY_TRIES` + 1 checks once every order was answered."""


_SLACK = timedelta(seconds=2)


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
        told: set[str] = set()
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

    def cancel(self, orders: Iterable[Order], cause: CancelCause, told: set[str] | None = None) -> None:
        """Cancel orders.

        `told`: ids whose cancel was logged before; lists that lag may repeat them. Raises the last `ExchangeError`
        that concerns more than its order, after all were tried."""
        failed: ExchangeError | None = None
        told = set() if told is None else told
        for order in orders:
            try:
                self.cancel_one(order, cause, is_told=order.order_id in told)
            except ExchangeError as error:  # the others are still tried
                failed = error
            else:
                told.add(order.order_id)
        if failed is not None:
            raise failed

    def cancel_one(self, order: Order, cause: CancelCause, is_told: bool = False) -> bool:
        """Cancel an order. Returns whether it is gone.

        `is_told`: it was logged before. Raises an `ExchangeError` if the outcome is unknown."""
        said = log_format.resting_order(order)
        if not is_told:
            self._log("CANCEL ORDER", said | {"Reason": cause.text})
        self._recorder.canceling(order)
        try:
            self._client.cancel_order(order)
        except Gone:
            if not is_told:
                self._log("INFO", said | {"Order": "was gone already: filled, expired or canceled"})
        except ExchangeError as error:
            if error.recovery is not Recovery.SKIP:
                raise
            self._log("ERROR", str(error), [f"It still rests; the bot adds nothing in {order.ticker} meanwhile"])
            return False
        else:
            self._recorder.canceled(order)
        return True

    def shut_down(self, last_expiry: datetime | None, why: str) -> Shutdown:
        """Cancel the bot's orders and verify it.

        `last_expiry`: the expiry of the last order sent, None if none was sent. `why`: what stops the bot."""
        self._client.shorten_timeouts()
        end = _ShutdownState(last_expiry)
        try:
            self._take_down(end, CancelCause(CancelReason.STOP, f"the bot stops ({why})"))
        except KeyboardInterrupt:
            signals.acknowledge()
            end.problem = "Ctrl-C a second time"
        return Shutdown(*end.told(self._client.clock.now())) if end.problem else Shutdown("", ExitCode.OK)

    def _take_down(self, end: _ShutdownState, cause: CancelCause) -> None:
        """Cancel and check repeatedly: lists lag, and an order may have been on its way."""
        tries, told = 0, set[str]()
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
                self.cancel(own, cause, told)
            except ExchangeError as error:
                end.problem = str(error)
                tries += 1
                if end.until is None and not end.left:
                    return
            if (tries >= STOP_TRIES or attempt >= VERIFY_TRIES) and settled:
                return
            self._client.clock.sleep(VERIFY_SECONDS)

    def held_text(self) -> tuple[str, list[str]]:
        """The positions that a stopped bot still holds, as text and details for the log."""
        gone = "None of our orders rests any more"
        try:
            held = self._client.get_positions()
        except (ExchangeError, KeyboardInterrupt):  # no time, or no answer: say less
            signals.acknowledge()
            return f"{gone}; positions could not be read", []
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

    `left`: their number at the last check. `until`: when the last of them expires. `problem`: why some may rest,
    empty if none does."""

    def __init__(self, last_expiry: datetime | None) -> None:
        self.until, self.left, self.problem = last_expiry, 0, "the orders were not checked yet"

    def saw(self, own: Collection[Order], unreadable: int) -> None:
        self.left = len(own) + unreadable
        self.until = max((at for at in (self.until, *(order.expires for order in own)) if at), default=None)

    def told(self, now: datetime) -> tuple[str, int]:
        """The problem as text for the log, and the exit code."""
        if self.until is None and not self.left:
            return (
                f"The bot placed no order, but could not check whether an earlier run left one ({self.problem})",
                0,
            )
        if self.until and self.until + _SLACK < now:
            return f"All our orders have expired by now, but the bot could not verify it ({self.problem})", 0
        until = f"until {log_format.local_time(self.until)}" if self.until else "until they are canceled"
        seen = f"{self.left} were listed last; " if self.left else ""
        loudly = f"OUR ORDERS MAY STILL REST {until} ({seen}{self.problem}). Cancel them on the website"
        return loudly, ExitCode.ORDERS_MAY_REST
