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
from execution.canceler import Canceler
from incentive import BoardSnapshot
from ledger.bookkeeper import Bookkeeper, Mismatch
from ledger.entries import OrderRecord
from runtime.log_format import Log


class AccountSnapshot(NamedTuple):
    """The account as it was found. `early`: orders of ours that were taken down before their time, not by us;
    `unread`: markets in which something of the account's could not be read; `mismatches`: positions that fills
    and settlements do not explain."""

    orders: tuple[Order, ...]
    positions: PartialList[Position]
    balance: Balance | None
    early: tuple[OrderRecord, ...]
    unread: frozenset[str]
    mismatches: Mapping[str, Mismatch]

    @property
    def ours(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if trade.is_own(order))

    @property
    def theirs(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if not trade.is_own(order))


def look_at_account(
    client: KalshiHttpClient, canceler: Canceler, bookkeeper: Bookkeeper, log: Log
) -> AccountSnapshot:
    """Read what rests, what was filled, what is held and the cash. Raises an `ExchangeError` where one of the
    first three is not told, or not even which market could not be read."""
    canceler.wait_for_lists()
    orders = client.get_resting_orders()
    early = bookkeeper.sync_resting([order for order in orders if trade.is_own(order)])
    bookkeeper.read_fills()
    positions = client.get_positions()
    bookkeeper.check_settlements(positions)
    mismatches = bookkeeper.position_mismatches(positions)
    if mismatches:  # a fill may have come between the two lists
        bookkeeper.read_fills()
        mismatches = bookkeeper.position_mismatches(positions)
    unread = frozenset(_unread(orders, log) | _unread(positions, log))
    balance = _read_balance(client, log)
    return AccountSnapshot(orders.items, positions, balance, tuple(early), unread, mismatches)


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


class MarketView(NamedTuple):
    """What the market shows: a look at the watched markets (`snapshot`), and with the markets of what is held all
    `markets`, and the `rivals`' books."""

    snapshot: BoardSnapshot
    markets: Mapping[str, Market]
    rivals: Mapping[str, Book]

    def without(self, ours: Iterable[Order]) -> Mapping[str, Book]:
        """The watched books without our orders, those of a person still in them."""
        return trade.books_without_own(self.snapshot.books.values(), ours)


def look_at_held(client: KalshiHttpClient, snapshot: BoardSnapshot, account: AccountSnapshot) -> MarketView:
    """Add the markets of what is held to a look. Raises an `ExchangeError`."""
    missing = sorted({position.ticker for position in account.positions} - snapshot.rivals.keys())
    if not missing:
        return MarketView(snapshot, snapshot.markets, snapshot.rivals)
    markets, rivals = read_markets(client, missing, account.orders)
    return MarketView(snapshot, {**snapshot.markets, **markets}, {**snapshot.rivals, **rivals})


def read_markets(
    client: KalshiHttpClient, tickers: Collection[str], resting: Iterable[Order]
) -> tuple[dict[str, Market], dict[str, Book]]:
    """Some markets and the rivals' books in them. Raises an `ExchangeError`."""
    markets = {market.ticker: market for market in client.get_markets(tickers)}
    return markets, trade.books_without_own(client.get_orderbooks(tickers), resting)


def early_cancels(
    early: Iterable[OrderRecord], markets: Mapping[str, Market], status: ExchangeStatus
) -> dict[int, str]:
    """The shards on which orders were taken down early, and not by us, though they and their markets trade: the
    order group did that, or a pause that is over, or a person."""
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
