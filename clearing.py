"""Takes down what rests and sells what is held. Promise: what could not be taken down or sold is said, and so is
every market in which something of the account's may still be: nothing new may be placed there. Stopping ends with
none of our orders resting, or says loudly until when they may.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import NamedTuple

import trade
import tradelog
from account import Position
from clients import KalshiHttpClient
from errors import ExchangeError, Gone, OutcomeUnknown, Refused, StillResting
from fields import Listing
from models import Book, Order, OrderRequest, OrderResponse

VERIFY_TRIES = 5
VERIFY_SECONDS = 1.0

Log = Callable[..., None]
"""`MarketBot.log`: an event, what it says, and details."""

Send = Callable[[OrderRequest], "OrderResponse | None"]
"""Sends an order; None where the exchange refused it."""


class Cleared(NamedTuple):
    """What rested: `theirs`, somebody else's, left alone, and `ours`, taken down, but for those in the markets of
    `blocked`, in which an order that should be gone may still rest."""

    theirs: tuple[Order, ...] = ()
    ours: tuple[Order, ...] = ()
    blocked: frozenset[str] = frozenset()


def new_order_id() -> str:
    return f"{trade.OWN_PREFIX}{uuid.uuid4().hex}"


class Clearing:
    """The account's orders and positions, on their way out. `canceled` hears of each order that was taken down."""

    def __init__(self, client: KalshiHttpClient, log: Log, send: Send, canceled: Callable[[Order], None]) -> None:
        self._client, self._log, self._send, self._canceled = client, log, send, canceled

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

    def own_orders(self) -> Cleared:
        """Cancel the bot's own orders."""
        self._await_lists()
        resting = self._client.get_resting_orders()
        theirs = tuple(order for order in resting if not trade.is_own(order))
        ours = tuple(order for order in resting if trade.is_own(order))
        return Cleared(theirs, ours, frozenset(self.cancel(ours) | self._unread_markets(resting)))

    def withdraw(self, tickers: Collection[str]) -> None:
        """Cancel the bot's own orders in some markets."""
        self._await_lists()
        resting = self._client.get_resting_orders()
        self.cancel(order for order in resting if trade.is_own(order) and order.ticker in tickers)

    def cancel(self, orders: Iterable[Order]) -> set[str]:
        """Cancel orders. Returns the markets in which one could not be: nothing new may be placed there."""
        kept: set[str] = set()
        failed: ExchangeError | None = None
        for order in orders:
            self._log("CANCEL ORDER", tradelog.resting_order(order))
            try:
                self._client.cancel_order(order)
                self._canceled(order)
            except Gone:
                gone = {"Order": "was gone already: filled, expired or canceled"}
                self._log("INFO", tradelog.resting_order(order) | gone)
            except Refused as error:
                self._log("ERROR", str(error))
                kept.add(order.ticker)
            except ExchangeError as error:  # the others are tried all the same
                failed = error
        if failed is not None:
            raise failed
        return kept

    def positions(self, theirs: Iterable[Order]) -> tuple[Listing[Position], set[str], dict[str, Book]]:
        """Sell what is held at the best bids, but never to an order of the account's own (`theirs`: what rests and
        is not ours). Returns the positions as they were found, the markets in which something is held afterwards,
        and the books by which it was sold."""
        positions = self._client.get_positions()
        tickers = [position.ticker for position in positions]
        markets = {market.ticker: market for market in self._client.get_markets(tickers)}
        books = {book.ticker: book for book in self._client.get_orderbooks(tickers)}
        own = trade.bids_by_ticker(theirs)
        held = set(tickers)
        for position in positions:
            order = trade.close_order(
                position,
                markets.get(position.ticker),
                books.get(position.ticker),
                own.get(position.ticker, []),
                new_order_id(),
            )
            if isinstance(order, trade.Unclosable):
                self._log("SKIP POSITION", tradelog.kept_position(position, order.reason))
                continue
            self._log("CLOSE POSITION", tradelog.closing(position, order))
            response = self._send(order)
            if response is not None and response.filled >= position.size:
                held.discard(position.ticker)
        return positions, held | self._unread_markets(positions), books

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

    def _await_lists(self) -> None:
        """Wait until the account's lists show all that was sent: by older ones an order would be placed again."""
        for _ in range(VERIFY_TRIES):
            if self._client.lists_are_current():
                return
            self._client.clock.sleep(VERIFY_SECONDS)
        raise OutcomeUnknown("Reading the account", "the exchange's lists lag behind what was sent")

    def _unread_markets(self, listing: Listing[Order] | Listing[Position]) -> set[str]:
        """The markets in which something of the account's could not be read. Raises the `Unreadable` that does not
        even tell its market."""
        for error in listing.unreadable:
            if not error.ticker:
                raise error
            self._log("ERROR", str(error), [f"Nothing is placed in {error.ticker} until it can be read"])
        return {error.ticker for error in listing.unreadable}
