"""What a cycle sees: what the account has, and what the market shows.

Promise: it only reads. What could not be read is named, so that nothing is placed or renewed there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import trade
from clients import KalshiHttpClient
from exchange.account import Balance, Position
from exchange.errors import ExchangeError
from exchange.json_fields import PartialList
from exchange.models import ExchangeStatus, Market, MarketStatus, Order
from exchange.orderbook import Book
from execution.canceler import Clearing
from incentive import Seen
from ledger.bookkeeper import Bookkeeper, Difference
from ledger.entries import Stay
from runtime.log_format import Log


class Account(NamedTuple):
    """The account as it was found. `early`: orders of ours that were taken down before their time, not by us;
    `unread`: markets in which something of the account's could not be
    read; `differences`: positions that fills and settlements do not explain."""

    orders: tuple[Order, ...]
    positions: PartialList[Position]
    balance: Balance | None
    early: tuple[Stay, ...]
    unread: frozenset[str]
    differences: Mapping[str, Difference]

    @property
    def ours(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if trade.is_own(order))

    @property
    def theirs(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if not trade.is_own(order))


def look_at_account(client: KalshiHttpClient, clearing: Clearing, books: Bookkeeper, log: Log) -> Account:
    """Read what rests, what was filled, what is held and the cash. Raises an `ExchangeError` where one of the
    first three is not told, or not even which market could not be read."""
    clearing.await_lists()
    orders = client.get_resting_orders()
    early = books.rested([order for order in orders if trade.is_own(order)])
    books.read_fills()
    positions = client.get_positions()
    books.settled(positions)
    differences = books.differences(positions)
    if differences:  # a fill may have come between the two lists
        books.read_fills()
        differences = books.differences(positions)
    unread = frozenset(_unread(orders, log) | _unread(positions, log))
    balance = _read_balance(client, log)
    return Account(orders.items, positions, balance, tuple(early), unread, differences)


def _unread(found: PartialList[Order] | PartialList[Position], log: Log) -> set[str]:
    """The markets of what could not be read. Raises the `Unreadable` that does not even tell its market."""
    for error in found.unreadable:
        if not error.ticker:
            raise error
        log("ERROR", str(error), [f"Nothing is placed or renewed in {error.ticker} until it can be read"])
    return {error.ticker for error in found.unreadable}


def _read_balance(client: KalshiHttpClient, log: Log) -> Balance | None:
    try:
        return client.get_balance()
    except ExchangeError as error:
        log("ERROR", str(error), ["Cash is not known; the exchange refuses orders that there is none for"])
        return None


class View(NamedTuple):
    """What the market shows: a look at the watched markets (`seen`), and with the markets of what is held all
    `markets`, and the `rivals`' books."""

    seen: Seen
    markets: Mapping[str, Market]
    rivals: Mapping[str, Book]

    def without(self, ours: Iterable[Order]) -> Mapping[str, Book]:
        """The watched books without our orders, those of a person still in them."""
        return trade.rivals_books(self.seen.books.values(), ours)


def look_at_held(client: KalshiHttpClient, seen: Seen, account: Account) -> View:
    """Add the markets of what is held to a look. Raises an `ExchangeError`."""
    missing = sorted({position.ticker for position in account.positions} - seen.rivals.keys())
    if not missing:
        return View(seen, seen.markets, seen.rivals)
    markets, rivals = read_markets(client, missing, account.orders)
    return View(seen, {**seen.markets, **markets}, {**seen.rivals, **rivals})


def read_markets(
    client: KalshiHttpClient, tickers: Collection[str], resting: Iterable[Order]
) -> tuple[dict[str, Market], dict[str, Book]]:
    """Some markets and the rivals' books in them. Raises an `ExchangeError`."""
    markets = {market.ticker: market for market in client.get_markets(tickers)}
    return markets, trade.rivals_books(client.get_orderbooks(tickers), resting)


def taken_down(early: Iterable[Stay], markets: Mapping[str, Market], status: ExchangeStatus) -> dict[int, str]:
    """The shards on which orders were taken down early, and not by us, though they and their markets trade: the
    breaker did that, or a pause that is over, or a person."""
    found: dict[int, list[str]] = defaultdict(list)
    for stay in early:
        market = markets.get(stay.ticker)
        shard = (market.exchange_index or 0) if market else 0
        if status.trades(shard) and (market is None or market.status is MarketStatus.ACTIVE):
            found[shard].append(stay.ticker)
    return {
        shard: f"{len(gone)} of our orders were taken down, and not by us ({', '.join(sorted(set(gone)))})"
        for shard, gone in found.items()
    }
