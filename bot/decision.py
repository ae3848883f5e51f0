"""One cycle's look and decision, without the loop's memory: what the account has, what the market shows, and the
plan that comes of both.

Promise: reads first, decides then, sends nothing. What could not be read is named, so that nothing is placed or
renewed there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import trade
from bot.settings import Settings
from clients import KalshiHttpClient
from exchange.account import Balance, Fill, Position
from exchange.errors import ExchangeError
from exchange.json_fields import Listing
from exchange.models import Bid, Book, ExchangeStatus, Market, MarketStatus, Order
from execution.canceler import Clearing
from execution.order_groups import Breaker
from execution.plan import Plan, Wanted, Wishes, make_plan
from ledger.bookkeeper import Bookkeeper, Difference
from ledger.entries import Stay
from rewards.estimate import IncentiveProgram, Reason, Skip
from risk import exposure, gate
from risk.exposure import Room
from risk.gate import Situation
from risk.guards import Guards, Patience
from runtime.log_format import Log
from scan import Board, Scanner, Seen
from selection.ranking import Choice

_NOT_SEEN = frozenset({Reason.NO_BOOK, Reason.NO_MARKET, Reason.UNREADABLE})


class Account(NamedTuple):
    """The account as it was found. `early`: orders of ours that were taken down before their time, not by us;
    `fills`: those that were not known yet; `unread`: markets in which something of the account's could not be
    read; `differences`: positions that fills and settlements do not explain."""

    orders: tuple[Order, ...]
    positions: Listing[Position]
    balance: Balance | None
    early: tuple[Stay, ...]
    fills: tuple[Fill, ...]
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
    fills = books.read_fills()
    positions = client.get_positions()
    books.settled(positions)
    differences = books.differences(positions)
    if differences:  # a fill may have come between the two lists
        fills += books.read_fills()
        differences = books.differences(positions)
    unread = frozenset(_unread(orders, log) | _unread(positions, log))
    balance = _read_balance(client, log)
    return Account(orders.items, positions, balance, tuple(early), tuple(fills), unread, differences)


def _unread(found: Listing[Order] | Listing[Position], log: Log) -> set[str]:
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


@dataclass(frozen=True)
class Decision:
    """What a cycle does: the choice it comes from, the markets that keep their orders though they are not chosen,
    the situation it was made in, and the plan. `board` knows of the look."""

    choice: Choice
    stay: frozenset[str]
    board: Board
    situation: Situation
    plan: Plan

    @property
    def quoted(self) -> frozenset[str]:
        return frozenset(candidate.ticker for candidate in self.choice.chosen) | self.stay


@dataclass(frozen=True)
class Circumstances:
    """What a decision depends on beside the look: `quoted` markets, `earned` dollars by program, `until` when what
    is placed or renewed now expires, and orders that were `sent_lately`."""

    status: ExchangeStatus
    quoted: frozenset[str]
    earned: Mapping[str, float]
    until: datetime
    sent_lately: int


def decide(
    rules: Settings,
    scanner: Scanner,
    board: Board,
    account: Account,
    view: View,
    now: Circumstances,
    guards: Guards,
    patience: Patience,
    breaker: Breaker,
) -> Decision:
    """The markets to quote, and the plan that leads there. Sends nothing."""
    seen, quoted = view.seen, now.quoted
    aside = guards.skips(seen.markets.values(), seen.at)
    unread = "an order or a position of ours could not be read"
    aside |= {ticker: Skip(ticker, Reason.UNREADABLE, "What", unread) for ticker in account.unread}
    choice, after = scanner.choose(board, seen, room(rules, account), quoted, now.earned, aside)
    reasons = {skip.ticker: skip for skip in choice.skipped}
    keep = patience.keeps(quoted, choice.skipped)
    blind = frozenset(ticker for ticker in quoted & reasons.keys() if reasons[ticker].reason in _NOT_SEEN)
    stay = keep | blind
    if stay:
        aside |= {ticker: reasons[ticker] for ticker in stay}
        left = room(rules, account, stay)
        choice, after = scanner.choose(board, seen, left, quoted, now.earned, aside, stay)
    wanted = [
        Wanted(candidate.incentive.market, bid, min(now.until, candidate.incentive.ends))  # later is not paid
        for candidate in choice.chosen
        for bid in candidate.bids
        if (candidate.ticker, bid.side) not in guards.sides
    ]
    situation = situation_of(rules, account, view, now)
    wishes = Wishes(wanted, keep, blind | account.unread, now.until, rules.exit)
    shards = {market.exchange_index or 0 for market in view.markets.values()}
    plan = make_plan(situation, wishes, breaker.ids(shards))
    return Decision(choice, stay, after, situation, plan)


def situation_of(rules: Settings, account: Account, view: View, now: Circumstances) -> Situation:
    known = {incentive.ticker: incentive for incentive in view.seen.incentives}
    return Situation(
        limits=_limits(rules),
        orders=account.orders,
        positions=account.positions.items,
        balance=account.balance,
        markets=view.markets,
        books=view.rivals,
        status=now.status,
        exclusive=frozenset(one.market.event_ticker for one in known.values() if one.exclusive),
        cost=lambda ticker, bid: _cost(known.get(ticker), bid),
        sent_lately=now.sent_lately,
    )


def _limits(rules: Settings) -> gate.Limits:
    return gate.Limits(rules.max_capital, rules.max_event_loss, gate.orders_a_minute(rules.ticker_slots))


def _cost(incentive: IncentiveProgram | None, bid: Bid) -> Decimal:
    return incentive.cost(bid) if incentive else bid.price * bid.count


def room(rules: Settings, account: Account, stay: Collection[str] = ()) -> Room:
    """What may be committed beside what is held, what a person has resting, and our orders in the markets of
    `stay`."""
    fixed = [*account.theirs, *(order for order in account.ours if order.ticker in stay)]
    free = [order for order in account.ours if order.ticker not in stay]
    limits = rules.max_capital, rules.max_event_loss
    return exposure.room_beside(limits, account.balance, account.positions, fixed, free)


def session_start(
    rules: Settings, client: KalshiHttpClient, account: Account, status: ExchangeStatus, until: datetime
) -> tuple[Plan, Situation]:
    """What closes the positions that a session begins with, before anything is quoted. Raises an
    `ExchangeError`."""
    markets, rivals = read_markets(client, [one.ticker for one in account.positions], account.orders)
    situation = Situation(
        _limits(rules), account.orders, account.positions.items, account.balance, markets, rivals, status
    )
    leave = {order.ticker for order in account.ours} | account.unread
    return make_plan(situation, Wishes(leave=leave, until=until, exit=rules.exit)), situation


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
