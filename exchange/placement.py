"""Orders whose fate is known. Promise: where one order was meant there is one at most, and what the caller is told
of it is true.

An order carries a client order id from before it is first sent, and the exchange takes no id twice. Where the
outcome of sending is unknown (silence, a cut connection, a 5xx, a success that names no order), the order is
looked up by its id among the account's orders, once their list is known to be newer than the attempt. Only if
it is not there is it sent again, under the same id; a 409 then says that it had landed after all.
Source: docs.kalshi.com/getting_started (orders), and what was measured of ids that are never freed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from exchange.clock import Clock
from exchange.errors import AlreadyExists, ExchangeError, OutcomeUnknown
from exchange.json_fields import PartialList
from exchange.models import Order, OrderRequest, OrderResponse, OrderStatus

OrderResult = OrderResponse | ExchangeError
"""What became of an order: an error says that it was not carried out, or that this could not be told."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 1.0
"""Seconds between the first two looks for an order, and at most between later ones."""


class OrderPlacement:
    """Places orders by `send`, which returns a result for each, in their order, and raises nothing of the kind;
    `list_orders` lists those of a market, in whatever state, that were made in so many seconds up to now;
    `lists_are_current` tells whether lists show all that was sent. Not for use by several threads."""

    def __init__(
        self,
        send: Callable[[Sequence[OrderRequest]], list[OrderResult]],
        list_orders: Callable[[str, float], PartialList[Order]],
        lists_are_current: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._send = send
        self._list_orders = list_orders
        self._lists_are_current = lists_are_current
        self._clock = clock
        self._began = self._until = 0.0
        self._lookup_error = ""

    def place(self, orders: Sequence[OrderRequest], patience: float) -> list[OrderResult]:
        """What became of each order, in their order. `patience`: seconds in which a new attempt may begin."""
        self._began, self._lookup_error = self._clock.monotonic(), ""
        self._until = self._began + patience
        results: dict[str, OrderResult] = {}
        waiting = list(orders)
        again = False
        while waiting:
            for order, result in zip(waiting, self._send(waiting), strict=True):
                results[order.client_order_id] = result
            missing = []
            for order in waiting:
                result = results[order.client_order_id]
                if isinstance(result, ExchangeError) and (again or _in_doubt(result)):
                    settled = self._look_up(order, result)
                    if settled is None:
                        missing.append(order)
                    else:
                        results[order.client_order_id] = settled
            waiting, again = missing, True
        return [results[order.client_order_id] for order in orders]

    def _look_up(self, order: OrderRequest, error: ExchangeError) -> OrderResult | None:
        """What became of an order whose sending ended in `error`. None where it does not exist and may be sent
        again."""
        pause = _FIRST_PAUSE
        while True:
            if self._lookup_error:
                return _unknown(order, f"{error}; looking for it failed too: {self._lookup_error}")
            current = self._is_current()  # asked before the list, which is at least as new then
            try:
                found = _by_id(self._list_orders(order.ticker, self._age()), order.client_order_id)
            except ExchangeError as failed:
                self._lookup_error = str(failed)  # the other orders of a batch would wait as long for as little
                continue
            if found is not None:
                return _as_response(found) if _is_same(order, found) else _other_terms(order, error)
            if current and not isinstance(error, AlreadyExists):
                return None if error.maybe_done and self._has_time() else _final(order, error)
            if not self._has_time():
                return _unknown(order, f"{error}; the exchange's lists do not show it yet")
            self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _is_current(self) -> bool:
        try:
            return self._lists_are_current()
        except ExchangeError:  # an order that is found needs no more; that one is not there is not known then
            return False

    def _age(self) -> float:
        """Seconds since the first attempt, reckoned back from now: its answer may have corrected the clock."""
        return self._clock.monotonic() - self._began

    def _has_time(self) -> bool:
        return self._clock.monotonic() + _LONGEST_PAUSE < self._until


def _in_doubt(error: ExchangeError) -> bool:
    return error.maybe_done or isinstance(error, AlreadyExists)


def _by_id(orders: PartialList[Order], client_order_id: str) -> Order | None:
    """The order with that id. One that cannot be read may be it."""
    found = next((order for order in orders if order.client_order_id == client_order_id), None)
    if found is None:
        orders.all_or_raise()
    return found


def _is_same(order: OrderRequest, found: Order) -> bool:
    terms = (found.ticker, found.side, found.price, found.asked)
    return terms == (order.ticker, order.bid.side, order.bid.price, order.bid.count)


def _as_response(found: Order) -> OrderResponse:
    """What a create would have answered, had it been heard."""
    resting = found.status is OrderStatus.RESTING
    return OrderResponse(
        order_id=found.order_id,
        status=found.status,
        filled=found.filled,
        remaining=found.remaining if resting else Decimal(0),
        average_fee=found.fees / found.filled if found.filled else None,
    )


def _other_terms(order: OrderRequest, error: ExchangeError) -> ExchangeError:
    """An id that was used before is another order's; one that was not is ours, and was changed on the exchange."""
    if not isinstance(error, AlreadyExists):
        return _unknown(order, f"{error}; it is there with other terms")
    said = f"{order.client_order_id} belongs to an order with other terms; this one was not placed"
    return AlreadyExists(error.request, 409, "order_already_exists", said)


def _final(order: OrderRequest, error: ExchangeError) -> ExchangeError:
    """It does not exist and will not be sent again: refused, which it was, or given up, which leaves it open
    whether an attempt is still on its way."""
    return _unknown(order, f"{error}; it was not there yet") if error.maybe_done else error


def _unknown(order: OrderRequest, why: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"Order {order.client_order_id} in {order.ticker}", why)
