"""Read what a cycle needs to know of the account and the market.

Promise:
- It only reads.
- It names the markets that it could not read, so that nothing is placed or renewed there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import trade
from clients import KalshiHttpClient
from exchange.account import Position
from exchange.json_fields import PartialList
from exchange.models import ExchangeStatus, Market, MarketStatus, Order
from exchange.orderbook import Book
from exchange.reserves import FreeCash, MakerRate
from execution.canceler import Canceler
from incentive import BoardSnapshot
from ledger.bookkeeper import Bookkeeper
from ledger.entries import Mismatch, OrderRecord
from runtime.log_format import Log


class AccountSnapshot(NamedTuple):
    """The account as it was found.

    `cash`: what is free of it, None if that is not known. `early`: our orders that were canceled before their
    expiry, but not by the bot. `unread`: markets in which an order or a position of the account could not be read.
    `mismatches`: positions that fills and settlements do not explain. `strangers`: ids of another bot's orders."""

    orders: tuple[Order, ...]
    positions: PartialList[Position]
    cash: FreeCash | None
    early: tuple[OrderRecord, ...]
    unread: frozenset[str]
    mismatches: Mapping[str, Mismatch]
    strangers: frozenset[str] = frozenset()

    @property
    def free_cash(self) -> Decimal | None:
        """Dollars, None if not known."""
        return None if self.cash is None else self.cash.total

    @property
    def ours(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if trade.is_own(order, self.strangers))

    @property
    def theirs(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if not trade.is_own(order, self.strangers))


def look_at_account(
    client: KalshiHttpClient, canceler: Canceler, bookkeeper: Bookkeeper, maker_rate: MakerRate, log: Log
) -> AccountSnapshot:
    """Read the account's resting orders, fills, positions and cash.

    `maker_rate`: the maker fee by ticker. Raises an `ExchangeError` if one of the first three cannot be read, or
    if an unreadable item does not name its market. Cash that is not known is None."""
    canceler.wait_for_lists()
    orders = client.get_resting_orders()
    own = bookkeeper.own
    early = bookkeeper.order_records.sync_resting([order for order in orders if own.is_own(order)])
    bookkeeper.read_fills()
    positions = client.get_positions()
    bookkeeper.check_settlements(positions)
    mismatches = bookkeeper.position_mismatches(positions)
    if mismatches:  # a fill may have come between the two lists
        bookkeeper.read_fills()
        mismatches = bookkeeper.position_mismatches(positions)
    unread = frozenset(_unread(orders, log) | _unread(positions, log))
    cash = bookkeeper.read_cash(orders, positions, maker_rate)
    strangers = frozenset(order.order_id for order in orders if own.is_stranger(order))
    return AccountSnapshot(orders.items, positions, cash, tuple(early), unread, mismatches, strangers)


def _unread(found: PartialList[Order] | PartialList[Position], log: Log) -> set[str]:
    """The markets of unreadable items. Raises an `Unreadable` that names no market."""
    for error in found.unreadable:
        if not error.ticker:
            raise error
        log("ERROR", str(error), [f"The bot places and renews nothing in {error.ticker} until it can be read"])
    return {error.ticker for error in found.unreadable}


class MarketView(NamedTuple):
    """The market as it was found.

    `snapshot`: a look at the watched markets. `markets` and `rivals`: the markets of the look and of all
    positions, and the rivals' books in them."""

    snapshot: BoardSnapshot
    markets: Mapping[str, Market]
    rivals: Mapping[str, Book]

    def without(self, ours: Iterable[Order]) -> Mapping[str, Book]:
        """The watched books without our orders, but with those of a person."""
        return trade.books_without_own(self.snapshot.books.values(), ours)


def look_at_held(client: KalshiHttpClient, snapshot: BoardSnapshot, account: AccountSnapshot) -> MarketView:
    """Add the markets of all positions to a look. Raises an `ExchangeError`."""
    missing = sorted({position.ticker for position in account.positions} - snapshot.rivals.keys())
    if not missing:
        return MarketView(snapshot, snapshot.markets, snapshot.rivals)
    markets, rivals = read_markets(client, missing, account.orders)
    return MarketView(snapshot, {**snapshot.markets, **markets}, {**snapshot.rivals, **rivals})


def read_markets(
    client: KalshiHttpClient, tickers: Collection[str], resting: Iterable[Order]
) -> tuple[dict[str, Market], dict[str, Book]]:
    """Read some markets and the rivals' books in them. Raises an `ExchangeError`."""
    markets = {market.ticker: market for market in client.get_markets(tickers)}
    return markets, trade.books_without_own(client.get_orderbooks(tickers), resting)


def early_cancels(
    early: Iterable[OrderRecord], markets: Mapping[str, Market], status: ExchangeStatus
) -> dict[int, str]:
    """The shards on which our orders were canceled early, but not by the bot.

    Counts only shards and markets that trade now; a market that was not read has none of our quotes any more. The
    order group, a pause that is over or a person canceled the orders."""
    found: dict[int, list[str]] = defaultdict(list)
    for stay in early:
        market = markets.get(stay.ticker)
        if market and market.status is MarketStatus.ACTIVE and status.trades(market.shard):
            found[market.shard].append(stay.ticker)
    return {
        shard: f"{len(gone)} of our orders were canceled, but not by the bot ({', '.join(sorted(set(gone)))})"
        for shard, gone in found.items()
    }
