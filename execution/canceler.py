"""Takes down what rests. Promise: cancels pass no gate, no limit and no halt; what could not be taken down is
said, and stopping ends with none of our orders resting, or says loudly until when they may.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import trade
from clients import KalshiHttpClient
from exchange.errors import ExchangeError, Gone, OutcomeUnknown, Recovery, StillResting
from exchange.models import Order, OrderRequest, OrderResponse
from exchange.orderbook import Bid
from execution.cancel_reasons import CancelCause, CancelReason
from runtime import log_format, signals
from runtime.console import ExitCode
from runtime.log_format import Log

VERIFY_TRIES = 5
VERIFY_SECONDS = 1.0
STOP_TRIES = 3
"""Before the bot ends it cancels what rests, and looks whether it is gone, so often; a look at lists that lag
behind is not counted, up to `VERIFY_TRIES` looks in all."""


_SLACK = timedelta(seconds=2)


class OrderRecorder(Protocol):
    """Hears what becomes of orders."""

    def placed(self, order: OrderRequest, response: OrderResponse) -> None:
        """An order was taken."""

    def amended(self, order: Order, bid: Bid, until: datetime) -> None:
        """An order rests as `bid` until a time from now on."""

    def canceling(self, order: Order) -> None:
        """An order is about to be taken down."""

    def canceled(self, order: Order) -> None:
        """An order was taken down."""


class NullRecorder:
    """For who keeps none: the bot that runs on the same account reads it all from the exchange."""

    def placed(self, order: OrderRequest, response: OrderResponse) -> None: ...

    def amended(self, order: Order, bid: Bid, until: datetime) -> None: ...

    def canceling(self, order: Order) -> None: ...

    def canceled(self, order: Order) -> None: ...


class Shutdown(NamedTuple):
    """How the end of a bot went: the `problem` with taking its orders down, empty where none of them rests, and
    the process's exit code: 0, or 3 where something may still rest."""

    problem: str
    code: int


class Canceler:
    """The account's orders, on their way out."""

    def __init__(self, client: KalshiHttpClient, log: Log, recorder: OrderRecorder) -> None:
        self._client, self._log, self._recorder = client, log, recorder

    def cancel_all(self, cause: CancelCause) -> None:
        """Cancel every order of the account and verify it, some time later: lists lag behind orders. Raises
        `StillResting` where some stay."""
        told: set[str] = set()
        for attempt in range(VERIFY_TRIES + 1):
            current = self._client.lists_are_current()
            left = self._client.get_resting_orders()
            self.cancel(left, cause, told)
            if not left.all_or_raise() and attempt and current:
                return
            self._client.clock.sleep(VERIFY_SECONDS)
        where = ", ".join(sorted({order.ticker for order in left})) or "markets that the lists do not show yet"
        raise StillResting("Verifying that nothing rests", f"{len(left)} orders still do, in {where}")

    def cancel_own(self, cause: CancelCause, tickers: Collection[str] | None = None) -> int:
        """Cancel the bot's own orders, in some markets where they are named. Returns how many rested."""
        self.wait_for_lists()
        resting = self._client.get_resting_orders()
        own = [order for order in resting if trade.is_own(order) and (tickers is None or order.ticker in tickers)]
        self.cancel(own, cause)
        return len(own)

    def wait_for_lists(self) -> None:
        """Wait until the account's lists show all that was sent: by older ones an order would be placed again."""
        for _ in range(VERIFY_TRIES):
            if self._client.lists_are_current():
                return
            self._client.clock.sleep(VERIFY_SECONDS)
        raise OutcomeUnknown("Reading the account", "the exchange's lists lag behind what was sent")

    def cancel(self, orders: Iterable[Order], cause: CancelCause, told: set[str] | None = None) -> None:
        """Cancel orders. `told`: ids of those that lists which lag behind may show again; their second cancel is
        not told. Raises the last `ExchangeError` that concerns more than its order, once all were tried."""
        failed: ExchangeError | None = None
        told = set() if told is None else told
        for order in orders:
            try:
                self.cancel_one(order, cause, is_told=order.order_id in told)
            except ExchangeError as error:  # the others are tried all the same
                failed = error
            else:
                told.add(order.order_id)
        if failed is not None:
            raise failed

    def cancel_one(self, order: Order, cause: CancelCause, is_told: bool = False) -> bool:
        """Cancel an order. `is_told`: it was told before. Returns whether it is gone; raises an `ExchangeError`
        where that is not known."""
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
            self._log("ERROR", str(error), [f"It still rests; nothing is added in {order.ticker} meanwhile"])
            return False
        else:
            self._recorder.canceled(order)
        return True

    def shut_down(self, last_expiry: datetime | None, why: str) -> Shutdown:
        """Cancel what rests of ours and verify it. `last_expiry`: when the last order that was sent expires, None
        where none was; `why` the bot stops."""
        self._client.shorten_timeouts()
        end = _ShutdownState(last_expiry)
        try:
            self._take_down(end, CancelCause(CancelReason.STOP, f"the bot stops ({why})"))
        except KeyboardInterrupt:
            signals.acknowledge()
            end.problem = "Ctrl-C a second time"
        return Shutdown(*end.told(self._client.clock.now())) if end.problem else Shutdown("", ExitCode.OK)

    def _take_down(self, end: _ShutdownState, cause: CancelCause) -> None:
        """One look is not enough: lists lag, and an order may have been on its way when the stop came."""
        tries, told = 0, set[str]()
        for attempt in itertools.count():
            settled = not self._client.unanswered_seconds
            try:
                current = self._lists_are_current()
                resting = self._client.get_resting_orders()
                own = [order for order in resting if trade.is_own(order)]
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
        """What a bot leaves behind that has taken its orders down: the log's words and details."""
        gone = "None of our orders rests any more"
        try:
            held = self._client.get_positions()
        except (ExchangeError, KeyboardInterrupt):  # in a hurry, or without an answer, less is said
            signals.acknowledge()
            return f"{gone}; what is held could not be read", []
        if not held:
            return f"{gone}; nothing is held", []
        many = "1 position is" if len(held) == 1 else f"{len(held)} positions are"
        then = f"{many} held until a start sells what there is, or you do"
        return f"{gone}; {then}", [log_format.pairs(log_format.held_position(one)) for one in held]

    def _lists_are_current(self) -> bool:
        """Whether lists show all that was sent; no where the exchange does not tell."""
        try:
            return self._client.lists_are_current()
        except ExchangeError:
            return False


class _ShutdownState:
    """What is known of our orders while the bot stops: how many were `left` when it last looked, `until` when they
    may rest, and the `problem` with taking them down, empty where none rests."""

    def __init__(self, last_expiry: datetime | None) -> None:
        self.until, self.left, self.problem = last_expiry, 0, "nothing was looked at yet"

    def saw(self, own: Collection[Order], unreadable: int) -> None:
        self.left = len(own) + unreadable
        self.until = max((at for at in (self.until, *(order.expires for order in own)) if at), default=None)

    def told(self, now: datetime) -> tuple[str, int]:
        """What a problem means, and the exit code."""
        if self.until is None and not self.left:
            return f"No order was placed; whether an earlier run left one could not be seen ({self.problem})", 0
        if self.until and self.until + _SLACK < now:
            return f"All our orders have expired by now; they could not be seen to be gone ({self.problem})", 0
        until = f"until {log_format.local_time(self.until)}" if self.until else "until they are canceled"
        seen = f"{self.left} were listed last; " if self.left else ""
        loudly = f"ORDERS OF OURS MAY STILL REST {until} ({seen}{self.problem}). Cancel them on the website"
        return loudly, ExitCode.ORDERS_MAY_REST
