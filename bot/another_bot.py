"""Another bot on the same account, which no lock of this machine sees.

Promise:
- Everything here is pure: orders and a time go in, a verdict comes out.
- A verdict depends on the order of the two starts, not on the phase or the length of the cycles. So the bot that
  started later halts, and never both unless they started in the same second.

A stranger's order has the bot's prefix and a tag that is not in this ledger. While one rests, the gate refuses new
orders, moves and sales. Renewals, reductions and cancels of own orders go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.observation import AccountSnapshot
from exchange import client_ids
from exchange.client_ids import Process
from exchange.models import Order
from runtime.log_format import Log

LOOK_SECONDS = 5.0
"""Seconds between two looks at the strangers' orders while a start waits."""

_REMEMBERED = timedelta(minutes=10)
"""Two looks at strangers count together within this time, or within three cycles if they are longer."""

_LONGEST_WAIT = 300.0
_BEFORE_EXPIRY = 5.0
"""A start waits until this many seconds before the strangers' orders expire, at most `_LONGEST_WAIT` s."""

HOW_TO_STOP = (
    "It runs on another machine, as another user, or with another key of this account. Stop it with "
    "Ctrl-C in its terminal. If you cannot find it, delete its API key on the website"
)


def blocked(account: AccountSnapshot) -> str:
    """Why nothing may be placed or sold now, empty if no stranger's order rests."""
    found = [order for order in account.orders if order.order_id in account.strangers]
    return f"another bot's orders rest in {_tickers(found)}" if found else ""


class Watch:
    """The looks at strangers' orders in this run. `wait_time`: seconds of a cycle."""

    def __init__(self, wait_time: float) -> None:
        self._remembered = max(_REMEMBERED, 3 * timedelta(seconds=wait_time))
        self._last_look: datetime | None = None
        self._told: frozenset[Process] = frozenset()

    def look(self, strangers: Collection[Order], this: Process, now: datetime, log: Log) -> str:
        """Take note of the strangers' orders that rest at a look, and log what is new.

        Returns the reason to halt if this is the second look at strangers and this process started later than one
        of them, or in the same second. Else empty."""
        seen = processes(strangers)
        if not strangers:
            if self._told:
                log("INFO", {"Another bot": "its orders are gone; the bot places and sells again"})
            self._told = frozenset()
            return ""
        last, self._last_look = self._last_look, now
        earlier = [one for one in seen if one.started <= this.started]
        if earlier and last is not None and now - last <= self._remembered:
            self._last_look = None
            told = f"another bot trades on this account and started no later, {earlier[0].started_text}"
            return f"{told}; its orders rest in {_tickers(strangers)}"
        if not frozenset(seen) <= self._told:
            self._tell(strangers, seen, this, log)
        self._told |= frozenset(seen)
        return ""

    @staticmethod
    def _tell(strangers: Collection[Order], seen: Iterable[Process], this: Process, log: Log) -> None:
        started = ", ".join(one.started_text for one in seen)
        many = "an order rests" if len(strangers) == 1 else f"{len(strangers)} orders rest"
        log(
            "ERROR",
            f"Another bot trades on this account: {many} in {_tickers(strangers)} that no run of this bot sent",
            [
                f"The other bot started {started}; this one started {this.started_text}",
                "While its orders rest, this bot places and sells nothing, and cancels only its own orders",
                "The bot that started later halts if it sees the other's orders again",
                HOW_TO_STOP,
            ],
        )


# -- at a start --------------------------------------------------------------------------------------------------


class _Terms(NamedTuple):
    price: object
    expires: datetime | None


class FoundAtStart:
    """Strangers' orders that rest at a start: of a running bot, or left over.

    `orders`: as they were found first."""

    def __init__(self, orders: Collection[Order]) -> None:
        self.orders = tuple(orders)
        self._terms = {order.order_id: _terms(order) for order in orders}

    def seconds_to_wait(self, wait_time: float, now: datetime) -> float:
        """Seconds in which a running bot renews them.

        That is a cycle, `wait_time`. A bot with longer cycles renews them before they expire."""
        left = [(order.expires - now).total_seconds() for order in self.orders if order.expires]
        return max(wait_time, min(max(left, default=0.0) - _BEFORE_EXPIRY, _LONGEST_WAIT))

    def are_unchanged(self, strangers: Iterable[Order]) -> bool:
        """Whether strangers' orders are those found first, neither renewed nor moved.

        If they are not, a bot runs that sent them. Orders that are gone or filled prove nothing."""
        return all(self.is_unchanged(order) for order in strangers)

    def is_unchanged(self, order: Order) -> bool:
        """Whether an order was found first, and was neither renewed nor moved."""
        return self._terms.get(order.order_id) == _terms(order)

    def waiting(self, seconds: float) -> tuple[dict[str, str], list[str]]:
        """What the start waits for, as fields and details for the log."""
        many = "an order rests" if len(self.orders) == 1 else f"{len(self.orders)} orders rest"
        found = f"{many} in {_tickers(self.orders)} that another copy of the bot sent"
        details = [
            "If it renews or replaces them, it runs, and this bot does not start",
            "Else they are left over, and the start cancels them",
            "Nothing was touched yet; Ctrl-C stops at once",
        ]
        return {"Another bot": found, "Waits": f"{seconds:.0f} s"}, details


def trades_here(strangers: Collection[Order]) -> tuple[str, list[str]]:
    """Why the bot does not start, as a sentence and details for the log."""
    told = f"Another bot trades on this account: it renewed or placed orders in {_tickers(strangers)} just now"
    started = ", ".join(one.started_text for one in processes(strangers))
    return told, [f"It started {started}. This bot does not start, and nothing was touched", HOW_TO_STOP]


def processes(orders: Iterable[Order]) -> list[Process]:
    """The processes that sent orders, the earliest first."""
    found = {client_ids.sender(order.client_order_id) for order in orders}
    return sorted((one for one in found if one), key=lambda one: (one.started, one.tag))


def _terms(order: Order) -> _Terms:
    return _Terms(order.price, order.expires)


def _tickers(orders: Iterable[Order]) -> str:
    return ", ".join(sorted({order.ticker for order in orders}))
