"""Takes down what rests. Promise: cancels pass no gate, no limit and no halt; what could not be taken down is
said, and stopping ends with none of our orders resting, or says loudly until when they may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Protocol

import trade
import tradelog
from clients import KalshiHttpClient
from errors import ExchangeError, Gone, OutcomeUnknown, Refused, StillResting
from models import Bid, Order, OrderRequest, OrderResponse
from tradelog import Log

VERIFY_TRIES = 5
VERIFY_SECONDS = 1.0


class Records(Protocol):
    """Hears what becomes of orders."""

    def placed(self, order: OrderRequest, response: OrderResponse) -> None:
        """An order was taken."""

    def amended(self, order: Order, bid: Bid, until: datetime) -> None:
        """An order rests as `bid` until a time from now on."""

    def canceling(self, order: Order) -> None:
        """An order is about to be taken down."""

    def canceled(self, order: Order) -> None:
        """An order was taken down."""


class NoRecords:
    """For who keeps none: the bot that runs on the same account reads it all from the exchange."""

    def placed(self, order: OrderRequest, response: OrderResponse) -> None: ...

    def amended(self, order: Order, bid: Bid, until: datetime) -> None: ...

    def canceling(self, order: Order) -> None: ...

    def canceled(self, order: Order) -> None: ...


class Clearing:
    """The account's orders, on their way out."""

    def __init__(self, client: KalshiHttpClient, log: Log, records: Records) -> None:
        self._client, self._log, self._records = client, log, records

    def everything(self) -> None:
        """Cancel every order of the account and verify it, some time later: lists lag behind orders. Raises
        `StillResting` where some stay."""
        for attempt in range(VERIFY_TRIES + 1):
            current = self._client.lists_are_current()
            left = self._client.get_resting_orders()
            self.cancel(left)
            if not left.whole() and attempt and current:
                return
            self._client.clock.sleep(VERIFY_SECONDS)
        where = ", ".join(sorted({order.ticker for order in left})) or "markets that the lists do not show yet"
        raise StillResting("Verifying that nothing rests", f"{len(left)} orders still do, in {where}")

    def withdraw(self, tickers: Collection[str] | None = None) -> int:
        """Cancel the bot's own orders, in some markets where they are named. Returns how many rested."""
        self.await_lists()
        resting = self._client.get_resting_orders()
        own = [order for order in resting if trade.is_own(order) and (tickers is None or order.ticker in tickers)]
        self.cancel(own)
        return len(own)

    def await_lists(self) -> None:
        """Wait until the account's lists show all that was sent: by older ones an order would be placed again."""
        for _ in range(VERIFY_TRIES):
            if self._client.lists_are_current():
                return
            self._client.clock.sleep(VERIFY_SECONDS)
        raise OutcomeUnknown("Reading the account", "the exchange's lists lag behind what was sent")

    def cancel(self, orders: Iterable[Order]) -> None:
        """Cancel orders. Raises the last `ExchangeError` that was no refusal, once all were tried."""
        failed: ExchangeError | None = None
        for order in orders:
            try:
                self.cancel_one(order)
            except ExchangeError as error:  # the others are tried all the same
                failed = error
        if failed is not None:
            raise failed

    def cancel_one(self, order: Order, why: str = "") -> bool:
        """Cancel an order. Returns whether it is gone; raises an `ExchangeError` where that is not known."""
        said = tradelog.resting_order(order)
        self._log("CANCEL ORDER", said | {"Reason": why} if why else said)
        self._records.canceling(order)
        try:
            self._client.cancel_order(order)
        except Gone:
            self._log("INFO", said | {"Order": "was gone already: filled, expired or canceled"})
        except Refused as error:
            self._log("ERROR", str(error), [f"It still rests; nothing is added in {order.ticker} meanwhile"])
            return False
        else:
            self._records.canceled(order)
        return True

    def shut_down(self, last_expiry: datetime | None) -> int:
        """Cancel what rests of ours and verify it. `last_expiry`: when the last order that was sent expires, None
        where none was. Returns the process's exit code: 0, or 3 where something may still rest."""
        if self._client.requests_sent == 0:
            self._log("SHUTDOWN", "Nothing was sent")
            return 0
        self._client.hurry()
        problem, left, attempt = "", 0, 0
        try:
            # One look is not enough: lists lag, and an order may have been on its way when Ctrl-C came.
            while True:
                settled = not self._client.unanswered_seconds
                try:
                    current = self._lists_are_current()
                    resting = self._client.get_resting_orders()
                    own = [order for order in resting if trade.is_own(order)]
                    left = len(own) + len(resting.unreadable)
                    if attempt and current and settled and not left:
                        self._log("SHUTDOWN", "None of our orders rests any more")
                        return 0
                    problem = f"{left} are still listed" if left else "the exchange's lists lag behind"
                    known = [order.expires for order in own if order.expires] + [last_expiry]
                    last_expiry = max((expiry for expiry in known if expiry), default=None)
                    self.cancel(own)
                except ExchangeError as error:
                    problem = str(error)
                    if last_expiry is None and not left:
                        break
                if attempt >= VERIFY_TRIES and settled:
                    break
                self._client.clock.sleep(VERIFY_SECONDS)
                attempt += 1
        except KeyboardInterrupt:
            problem = "Ctrl-C a second time"
        if last_expiry is None and not left:
            self._log(
                "SHUTDOWN", f"No order was placed; whether an earlier run left one could not be seen ({problem})"
            )
            return 0
        until = f"until {tradelog.local_time(last_expiry)}" if last_expiry else "until they are canceled"
        self._log("SHUTDOWN", f"ORDERS OF OURS MAY STILL REST {until} ({problem}). Cancel them on the website")
        return 3

    def _lists_are_current(self) -> bool:
        """Whether lists show all that was sent; no where the exchange does not tell."""
        try:
            return self._client.lists_are_current()
        except ExchangeError:
            return False
