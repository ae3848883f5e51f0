"""The steps of the bot that a fault may strike, and what makes the bot take them.

A step is a phase and the requests that belong to it. Steps that a steady cycle would not take are provoked: quotes
are filled, rivals step in front of them, groups trip.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from bot.watch import Watch
from simulator import order_groups
from simulator.listing import ListedMarket
from simulator.matching import CONTRACT, DOLLAR_PIPS, Order
from simulator.opening import CUSTOMER
from tests.support.fault_run import Aim, Stage

_ORDERS = "/portfolio/events/orders"
_A_LOOK = Watch.look.__code__
WATCH_PHASE = "watch"
"""The phase of the looks between two cycles. A request of a cycle is never struck in it, nor the reverse."""


@dataclass(frozen=True)
class Step:
    """Requests of one phase that a fault may strike. `on` is a pattern as in a fault script; `act` (see `_act`) is
    used if that says too little. `field`: a field that an answer may lack. `provoke`: makes the bot take the step
    within `reach` turns of its loop; in the phase "watch" it is called just before each look."""

    name: str
    phase: str
    on: str = ""
    act: str = ""
    field: str = "order_id"
    provoke: Callable[[Stage], None] = lambda _: None
    reach: int = 1

    def aim(self, stage: Stage) -> Aim:
        def is_meant(method: str, path: str, body: Mapping[str, Any]) -> bool:
            if self.on:
                is_its = fnmatchcase(f"{method} {path}", self.on)
            else:
                is_its = _act(stage, method, path, body) in self.act.split()
            return is_its and _in_a_look() is (self.phase == WATCH_PHASE)

        return is_meant


def _in_a_look() -> bool:
    """Whether a look between two cycles sends the present request."""
    frame = sys._getframe(1)
    while frame.f_code is not _A_LOOK:
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return True


def _act(stage: Stage, method: str, path: str, body: Mapping[str, Any]) -> str:
    """The bot's action on an order by a request: cancel, renew, move, sell or place. With `REST`, an order sells
    that takes the place of a quote on the other side of a position."""
    if method == "DELETE" and fnmatchcase(path, f"{_ORDERS}/*"):
        return "cancel"
    if method == "POST" and path == _ORDERS:
        return "place" if body.get("post_only") else "sell"
    if method == "POST" and path.endswith("/amend"):
        order = stage.account.resting.get(path.split("/")[-2])
        holding = stage.account.holdings.get(order.ticker) if order else None
        held = holding.count if holding else 0
        if order and stage.way == "REST" and held and (held > 0) is not order.is_bid:
            return "renew" if Decimal(body["count"]) * CONTRACT == order.size else "sell"
        if order is None or Decimal(body["price"]) * DOLLAR_PIPS != order.price:
            return "move"
        more = Decimal(body["count"]) * CONTRACT > order.size
        return "place" if more else "renew"
    return ""


# -- provoking a step ------------------------------------------------------------------------------------------


def _quote(stage: Stage, is_bid: bool = True, ticker: str = "") -> Order | None:
    """A quote of the bot, or None if a trader has just taken it."""
    return next((one for one in stage.own() if one.is_bid == is_bid and ticker in ("", one.ticker)), None)


def _fill_a_part(stage: Stage) -> None:
    """Just before the cycle, so that the rest of the quote is canceled and the filled part is sold."""
    stage.pass_time(stage.left - 0.5)
    quote = _quote(stage)
    if quote is not None:
        stage.take(quote, 0.4)


def _fill_both_sides(stage: Stage) -> None:
    """With time between the fills, so that the group does not trip. No position and no quote is left there."""
    ticker = stage.own()[0].ticker
    for is_bid in (True, False):
        stage.pass_time(16.0)
        quote = _quote(stage, is_bid, ticker)
        if quote is not None:
            stage.take(quote)


def _fill_while_watched(stage: Stage) -> None:
    """A trader takes a part of a quote that is no exit, so that the look withdraws the rest."""
    exchange, held = stage.exchange, stage.account.held_against
    quotes = [one for one in stage.own() if exchange.trades_in(exchange.markets[one.ticker])]
    quote = next((one for one in quotes if not held(one.ticker, one.is_bid)), None)
    if quote is not None:
        stage.take(quote, 0.4)


def _step_in_front(stage: Stage) -> None:
    """A trader bids one tick above the best bid; or the market falls: he leaves, and another asks a tick less.

    If he only left, his bid would have been taken for all that the bot knows, and the quote would be withdrawn."""
    guest = next((one for one in stage.guests if one.status == "resting"), None)
    stage.guests = []
    if guest:
        market = stage.exchange.markets[guest.ticker]
        market.book.half(guest.is_bid).remove(guest)
        guest.status = "canceled"
        if guest.is_bid:
            _rest_in_front(stage, market, False, 10)
            stage.exchange.changed(market)
            return
    for quote in stage.own():
        if quote.is_bid and _rest_in_front(stage, stage.exchange.markets[quote.ticker], True, 400):
            return


def _rest_in_front(stage: Stage, market: ListedMarket, is_bid: bool, count: int) -> bool:
    """Rest a trader's order one tick in front of a side's best price, if there is room."""
    bid, ask = market.book.bids.best(), market.book.asks.best()
    if not (bid and ask) or market.grid.tick(ask) - market.grid.tick(bid) <= 1:
        return False
    price = market.grid.nearest(bid, 1) if is_bid else market.grid.nearest(ask, -1)
    rests = stage.exchange.crowd_rest(market, is_bid, price, count * CONTRACT)
    stage.exchange.changed(market)
    stage.guests = [rests] if rests else []
    return bool(rests)


def _trip(stage: Stage) -> None:
    for group in list(stage.account.groups.values()):
        order_groups.trigger(stage.exchange, CUSTOMER, group.group_id, group.shard)


_CREATE = f"POST {_ORDERS}"
STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step("0limit", "start", "GET /account/limits", field="usage_tier"),
        Step("0statu", "start", "GET /exchange/status", field="exchange_active"),
        Step("0order", "start", "GET /portfolio/orders"),
        Step("0fills", "start", "GET /portfolio/fills", field="fill_id"),
        Step("0posit", "start", "GET /portfolio/positions", field="position_fp"),
        Step("0cance", "start", act="cancel", field="reduced_by"),
        Step("0sell", "start", _CREATE),
        Step("0group", "start", "POST /portfolio/order_groups/create", field="order_group_id"),
        Step("status", "cycle", "GET /exchange/status", field="trading_active"),
        Step("fresh", "cycle", "GET /exchange/user_data_timestamp", field="as_of_time", provoke=_fill_both_sides),
        Step("orders", "cycle", "GET /portfolio/orders"),
        Step("fills", "cycle", "GET /portfolio/fills", field="fill_id", provoke=_fill_a_part),
        Step("posit", "cycle", "GET /portfolio/positions", field="position_fp", provoke=_fill_a_part),
        Step("balan", "cycle", "GET /portfolio/balance", field="balance_dollars"),
        Step("market", "cycle", "GET /markets", field="status"),
        Step("books", "cycle", "GET /markets/orderbooks", field="orderbook_fp"),
        Step("scan", "cycle", "GET /incentive_programs", field="market_ticker"),
        Step("cancel", "cycle", act="cancel", field="reduced_by", provoke=_fill_a_part),
        Step("renew", "cycle", act="renew", reach=3),
        Step("move", "cycle", act="move", provoke=_step_in_front, reach=3),
        Step("sell", "cycle", act="sell", provoke=_fill_a_part),
        Step("place", "cycle", act="place", provoke=_fill_both_sides),
        Step("reset", "cycle", "PUT /portfolio/order_groups/*/reset", provoke=_trip, reach=2),
        Step("kill", "kill", act="cancel renew move sell place", provoke=_fill_a_part),
        Step("9order", "stop", "GET /portfolio/orders"),
        Step("9cance", "stop", act="cancel", field="reduced_by"),
        Step("9group", "stop", "DELETE /portfolio/order_groups/*"),
        Step("~books", WATCH_PHASE, "GET /markets/orderbooks", field="orderbook_fp"),
        Step("~fills", WATCH_PHASE, "GET /portfolio/fills", field="fill_id", provoke=_fill_while_watched),
        Step("~order", WATCH_PHASE, "GET /portfolio/orders", provoke=_fill_while_watched),
        Step("~cance", WATCH_PHASE, act="cancel", field="reduced_by", provoke=_fill_while_watched),
    )
}
"""A name that begins with 0 is a step of the start, with 9 of the stop, with ~ of a look between two cycles."""
