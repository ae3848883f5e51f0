"""What the bot's orders had brought in a UTC day before its ledger was begun.

Promise:
- With a ledger that was lost, `DAILY_LOSS_LIMIT` counts what one ledger would have counted, to the last digit, if
  all trades were the bot's.
- A market without an order of the bot does not count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import trade
from clients import KalshiHttpClient
from exchange.account import Fill, Settlement
from exchange.orderbook import ONE_DOLLAR
from ledger.daily_pnl import day_profit, midnight
from ledger.entries import DayMark, PendingWrites
from ledger.ledger import Ledger

_BEFORE = timedelta(days=1)
_LONGEST = timedelta(days=14)  # the exchange lists an ended order about that long


class OwnOrders(NamedTuple):
    """Which of an account's trades were the bot's.

    `ids`: the orders with our prefix. `at_midnight`: markets in which one of them was created before the day."""

    ids: frozenset[str]
    at_midnight: frozenset[str]


def carried(
    client: KalshiHttpClient, ledger: Ledger, pending: PendingWrites, now: datetime, opening: Mapping[str, DayMark]
) -> Decimal:
    """Dollars that the bot's orders brought today before a ledger is begun.

    Another ledger had counted it: it was lost, or was another key's. `pending` has the day's history, and the
    positions at its beginning. `opening`: the positions now. Raises an `ExchangeError` or a `LedgerError`."""
    day, start = now.date(), midnight(now.date())
    begun = ledger.begun
    if begun and begun.date() != day:  # the day began with this ledger: it counts all of it
        return Decimal(0)
    fills = sorted((one for one in pending.fills.values() if one.time >= start), key=lambda one: one.time)
    settled = [one for one in pending.settlements.values() if one.time >= start]
    if not fills and not pending.days[day]:
        return Decimal(0)
    return own_result(pending.days[day], fills, settled, read_own_orders(client, start, fills), opening)


def read_own_orders(client: KalshiHttpClient, start: datetime, fills: Iterable[Fill]) -> OwnOrders:
    """Read which `fills` of a day were of orders with our prefix.

    `start`: the day's beginning. Orders are read from the day before on, or from 14 days before if one of the
    fills is of an older order. Raises an `ExchangeError`."""
    listed = client.get_orders(start - _BEFORE)
    if {fill.order_id for fill in fills} - {order.order_id for order in listed}:
        listed = client.get_orders(start - _LONGEST)
    ours = [order for order in listed if trade.is_own(order)]
    earlier = frozenset(order.ticker for order in ours if order.created is None or order.created < start)
    return OwnOrders(frozenset(order.order_id for order in ours), earlier)


def own_result(
    midnight: Mapping[str, DayMark],
    fills: Collection[Fill],
    settlements: Collection[Settlement],
    ours: OwnOrders,
    now: Mapping[str, DayMark],
) -> Decimal:
    """What the bot's orders brought since midnight, in dollars.

    `midnight`: the account's positions at the day's beginning. `fills` (oldest first) and `settlements`: the
    account's since then. `now`: its positions now.

    A position counts from midnight if an order of the bot is older in its market. Otherwise a market counts from
    the first fill of the bot, and what was held there before counts from that fill's price: the bot took it over.
    """
    found = Decimal(0)
    for ticker in sorted({fill.ticker for fill in fills if fill.order_id in ours.ids} | ours.at_midnight):
        traded = [fill for fill in fills if fill.ticker == ticker]
        settled = [one for one in settlements if one.ticker == ticker]
        opening = {ticker: midnight[ticker]} if ticker in midnight else {}
        if not opening or ticker not in ours.at_midnight:
            first = next((n for n, fill in enumerate(traded) if fill.order_id in ours.ids), None)
            if first is None:
                continue
            held = opening[ticker].contracts if opening else Decimal(0)
            held += sum((fill.change for fill in traded[:first]), start=Decimal(0))
            traded = traded[first:]
            opening = {ticker: DayMark(held, _side_price(traded[0], held))}
        worth = abs(now[ticker].contracts) * now[ticker].price if ticker in now else Decimal(0)
        found += day_profit(opening, traded, settled, {}) + worth
    return found


def _side_price(fill: Fill, held: Decimal) -> Decimal:
    """Dollars that a contract of a position was worth at a fill's price.

    `held`: the position, YES positive."""
    return fill.price if (fill.change > 0) == (held > 0) else ONE_DOLLAR - fill.price
