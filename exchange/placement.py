"""Place each order at most once, and find out what happened to it.

Promise:
- One requested order becomes at most one order on the exchange.
- The result that the caller gets is true.

An order has a client order id before it is first sent, and the exchange accepts no id twice. The outcome of a
send may be unknown: a timeout, a lost connection, a 5xx, a success that names no order. Then the bot looks the
order up by its id. Only if an account list newer than the attempt does not show it, the bot sends it again under
the same id. A 409 then means that the earlier attempt had arrived.
Source: docs.kalshi.com/getting_started (orders). That ids are never freed was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from exchange.clock import Clock
from exchange.errors import AlreadyExists, ExchangeError, OutcomeUnknown
from exchange.json_fields import PartialList
from exchange.models import Order, OrderRequest, OrderResponse, OrderStatus

OrderResult = OrderResponse | ExchangeError
"""An order's result. An error means that it was not placed, or that this is unknown."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 1.0
"""Backoff in seconds between lookups of an order: the first, and the maximum."""


class OrderPlacement:
    """Places orders by `send`. Not for use by several threads.

    - `send` returns one result per order, in their order. An `ExchangeError` is a result, and is not raised.
    - `list_orders` lists a market's orders in any state, created in the last given seconds.
    - `lists_are_current` returns whether the lists show everything that was sent.
    """

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
        """Place orders and return their results, in their order.

        `patience`: seconds in which a new attempt may begin."""
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
        """Return the result of an order whose sending ended in `error`.

        None if it does not exist and may be sent again."""
        pause = _FIRST_PAUSE
        while True:
            if self._lookup_error:
                return _unknown(order, f"{error}; its lookup failed too: {self._lookup_error}")
            current = self._is_current()  # asked before the list, so the list is at least as new
            try:
                found = _by_id(self._list_orders(order.ticker, self._age()), order.client_order_id)
            except ExchangeError as failed:
                self._lookup_error = str(failed)  # else each other order of the batch would wait as long, in vain
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
        except ExchangeError:  # an order may still be found; its absence is then not proven
            return False

    def _age(self) -> float:
        """Seconds since the first attempt, by the monotonic clock.

        The attempt's own time cannot be used: its answer may have corrected the clock."""
        return self._clock.monotonic() - self._began

    def _has_time(self) -> bool:
        return self._clock.monotonic() + _LONGEST_PAUSE < self._until


def _in_doubt(error: ExchangeError) -> bool:
    return error.maybe_done or isinstance(error, AlreadyExists)


def _by_id(orders: PartialList[Order], client_order_id: str) -> Order | None:
    """Return the order with that id. Raises `Unreadable` if it may be unreadable."""
    found = next((order for order in orders if order.client_order_id == client_order_id), None)
    if found is None:
        orders.all_or_raise()
    return found


def _is_same(order: OrderRequest, found: Order) -> bool:
    terms = (found.ticker, found.side, found.price, found.asked)
    return terms == (order.ticker, order.bid.side, order.bid.price, order.bid.count)


def _as_response(found: Order) -> OrderResponse:
    """Return the answer that the create would have had."""
    resting = found.status is OrderStatus.RESTING
    return OrderResponse(
        order_id=found.order_id,
        status=found.status,
        filled=found.filled,
        remaining=found.remaining if resting else Decimal(0),
        average_fee=found.fees / found.filled if found.filled else None,
    )


def _other_terms(order: OrderRequest, error: ExchangeError) -> ExchangeError:
    """Return the error for an order that was found with other terms.

    After a 409, the id belongs to another order. Otherwise the order is ours, and was changed on the exchange."""
    if not isinstance(error, AlreadyExists):
        return _unknown(order, f"{error}; the order exists with other terms")
    said = f"{order.client_order_id} belongs to an order with other terms; this one was not placed"
    return AlreadyExists(error.request, 409, "order_already_exists", said)


def _final(order: OrderRequest, error: ExchangeError) -> ExchangeError:
    """Return the result of an order that is not listed and will not be sent again.

    It was refused, or the bot gave up. In the second case an attempt may still reach the exchange."""
    return _unknown(order, f"{error}; the order was not listed yet") if error.maybe_done else error


def _unknown(order: OrderRequest, why: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"Order {order.client_order_id} in {order.ticker}", why)
