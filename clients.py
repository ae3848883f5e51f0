"""The only way to an exchange: one method for each API call.

Promise:
- Callers never see a dict, a string price or a status code. Outgoing prices, sizes and cash are never floats.
- A request waits until the rate limits allow it, and is repeated if that is safe (`exchange/transport.py`).
- An order is placed once (`exchange/placement.py`).
- Each failure is an `ExchangeError` (`exchange/errors.py`) that says whether the exchange may have carried the
  request out.

Contract: the exchange's Trade API v2 (docs.kalshi.com/api-reference), orders on the V2 paths.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

import requests

from exchange import parse_account
from exchange.account import (
    AccountLimits,
    Balance,
    EndpointCosts,
    Fill,
    Identity,
    OrderGroup,
    Payment,
    Position,
    Settlement,
    SubaccountTransfer,
    Transfer,
)
from exchange.clock import Clock, ExchangeClock
from exchange.errors import ExchangeError, Gone
from exchange.http_session import open_session
from exchange.json_fields import JsonObject, PartialList, read_list
from exchange.market_data import BY_ID, BY_TICKER, LONGEST_PAGE
from exchange.models import AmendResponse, Order, OrderRequest, OrderResponse, OrderStatus
from exchange.optional_calls import OptionalCall, optional
from exchange.order_payloads import (
    PRIMARY_SUBACCOUNT,
    amend_body,
    batch_result,
    batch_rows,
    decimal_string,
    order_body,
    order_location,
)
from exchange.orderbook import Bid
from exchange.placement import OrderPlacement, OrderResult
from exchange.rate_limits import COSTS, Endpoint, largest_batch
from exchange.transport import Transport
from exchange.user_calls import UserCalls

if TYPE_CHECKING:
    from exchange.signing import Signer

API_ROOT = "/trade-api/v2"

_HURRIED_PATIENCE = 1.0
_SINCE = timedelta(minutes=1)
"""The search for an order begins this long before it was sent, because clocks differ."""

_ORDERS, _GROUPS = "/portfolio/events/orders", "/portfolio/order_groups"
_CREATE = Endpoint("POST", _ORDERS, "write", idempotent=False)
_CREATE_BATCH = Endpoint("POST", f"{_ORDERS}/batched", "write", idempotent=False)
_CANCEL = Endpoint("DELETE", f"{_ORDERS}/{{order_id}}", "write")
_CANCEL_BATCH = Endpoint("DELETE", f"{_ORDERS}/batched", "write")
_CANCEL_ALL = Endpoint("DELETE", _ORDERS, "write")
_AMEND = Endpoint("POST", f"{_ORDERS}/{{order_id}}/amend", "write")
_CREATE_GROUP = Endpoint("POST", f"{_GROUPS}/create", "write", changes_lists=False)  # an unused group does no harm
_BALANCE = Endpoint("GET", "/portfolio/balance", "balance")
_BY_ORDER = attrgetter("order_id")

T = TypeVar("T")


class Environment(Enum):
    """Which exchange. `SIM` is the embedded exchange: no account, no money."""

    SIM = "SIM"
    DEMO = "DEMO"
    PROD = "PROD"

    @property
    def base_url(self) -> str | None:
        """The default address of its API; None for the embedded exchange."""
        return {
            Environment.SIM: None,
            Environment.DEMO: f"https://external-api.demo.kalshi.co{API_ROOT}",
            Environment.PROD: f"https://external-api.kalshi.com{API_ROOT}",
        }[self]


class KalshiHttpClient(UserCalls):
    """One account on one exchange, over one `requests.Session`. Not thread-safe.

    The constructor's `clock` is the machine's, or an embedded exchange's. The client's own `clock` is the
    exchange's time, as far as it is known. Errors and lists are as in `MarketData`, whose calls it inherits.
    """

    def __init__(
        self, base_url: str, signer: Signer, clock: Clock, session: requests.Session | None = None
    ) -> None:
        super().__init__(Transport(base_url, signer, clock, session or open_session()))
        self._resting: dict[str, int] = {}
        self._placement = OrderPlacement(self._create, self._orders_of, self.lists_are_current, self.clock)

    @property
    def clock(self) -> ExchangeClock:
        """The exchange's time: the machine's, corrected by the exchange's answers."""
        return self._transport.clock

    @property
    def identity(self) -> Identity:
        """The caller: base address, key id and, from a simulator, the id of its run."""
        return Identity(self._transport.base_url, self._transport.key_id, self._transport.simulator_run)

    @property
    def requests_sent(self) -> int:
        """Requests sent, including repeats and those that could not leave this machine."""
        return self._transport.requests_sent

    @property
    def limits(self) -> AccountLimits:
        """The rate limits that requests keep to."""
        return self._transport.rate_limiter.limits

    @property
    def unanswered_seconds(self) -> float:
        """Seconds for which an unanswered order may still reach the exchange, else 0."""
        return max(self._transport.unanswered_until - self._transport.clock.monotonic(), 0.0)

    def shorten_timeouts(self, answer_seconds: float = 2.0) -> None:
        """Shorten all later waits, because a person is waiting.

        Wait `answer_seconds` for a byte of an answer, 1.5 times that for all of it, and half of
        `answer_seconds` for a connection. Repeat almost nothing."""
        self._transport.timeouts = answer_seconds / 2, answer_seconds
        self._transport.patience = _HURRIED_PATIENCE

    def hurried(self, answer_seconds: float) -> AbstractContextManager[None]:
        """Send each request of a `with` block once, with timeouts as `shorten_timeouts`."""
        return self._transport.hurried(answer_seconds)

    # -- the account -------------------------------------------------------------------------------------------

    def read_limits(self) -> AccountLimits:
        """GET /account/limits and /account/endpoint_costs: the account's rate limits.

        Requests keep to them from now on, and to those of the lowest tier until then. If only the costs cannot be
        read, the lowest tier's are used."""
        limits = self._get_limits()
        try:
            costs = self._get_costs()
        except ExchangeError:
            costs = COSTS
        self._transport.rate_limiter.use_limits(limits, costs)
        return limits

    @property
    def may_read_limits(self) -> bool:
        """Whether limits or costs could not be read, and may be asked for now."""
        return not {OptionalCall.LIMITS, OptionalCall.COSTS}.isdisjoint(self.optional_calls.due)

    @optional(OptionalCall.LIMITS)
    def _get_limits(self) -> AccountLimits:
        return parse_account.limits(self._get("/account/limits"))

    @optional(OptionalCall.COSTS)
    def _get_costs(self) -> EndpointCosts:
        return parse_account.endpoint_costs(self._get("/account/endpoint_costs"))

    @optional(OptionalCall.BALANCE)
    def get_balance(self) -> Balance:
        """GET /portfolio/balance: the account's cash in dollars, in total and by shard.

        At most one call a second."""
        query = {"subaccount": PRIMARY_SUBACCOUNT}
        return parse_account.balance(self._transport.request(_BALANCE, query))

    def get_positions(self) -> PartialList[Position]:
        """GET /portfolio/positions: every market with a position now."""
        held = {"count_filter": "position"}
        found = self._account_list("positions", held, parse_account.position, BY_TICKER, "market_positions")
        return PartialList(tuple(position for position in found if position.count), found.unreadable)

    def get_resting_orders(self) -> PartialList[Order]:
        """GET /portfolio/orders: every resting order of the account.

        Includes orders that the bot did not send."""
        orders = self._account_list("orders", {"status": "resting"}, parse_account.order, _BY_ORDER)
        self._resting = {order.order_id: order.shard for order in orders}
        return orders

    def get_orders(self, since: datetime) -> PartialList[Order]:
        """GET /portfolio/orders: every order, in any state.

        Created from `since` (whole seconds) on."""
        return self._account_list("orders", _from(since), parse_account.order, _BY_ORDER)

    def get_fills(self, since: datetime) -> PartialList[Fill]:
        """GET /portfolio/fills from `since` (whole seconds) on, oldest first."""
        found = self._account_list("fills", _from(since), parse_account.fill, attrgetter("fill_id"))
        return PartialList(tuple(sorted(found, key=lambda fill: fill.time)), found.unreadable)

    @optional(OptionalCall.SETTLEMENTS)
    def get_settlements(self, since: datetime) -> PartialList[Settlement]:
        """GET /portfolio/settlements from `since` (whole seconds) on, oldest first."""
        found = self._account_list(
            "settlements", _from(since), parse_account.settlement, attrgetter("ticker", "time")
        )
        return PartialList(tuple(sorted(found, key=lambda settlement: settlement.time)), found.unreadable)

    @optional(OptionalCall.DEPOSITS)
    def get_deposits(self) -> PartialList[Payment]:
        """GET /portfolio/deposits: all deposits, in any state.

        The exchange lists them for the whole account."""
        pages = self._pages("/portfolio/deposits", {"limit": 500})
        return read_list(pages, "deposits", parse_account.payment, BY_ID)

    @optional(OptionalCall.WITHDRAWALS)
    def get_withdrawals(self) -> PartialList[Payment]:
        """GET /portfolio/withdrawals: all withdrawals, in any state.

        The exchange lists them for the whole account."""
        pages = self._pages("/portfolio/withdrawals", {"limit": 500})
        return read_list(pages, "withdrawals", parse_account.payment, BY_ID)

    @optional(OptionalCall.TRANSFERS)
    def get_transfers(self) -> PartialList[Transfer]:
        """GET /portfolio/intra_exchange_instance_transfers: cash moved between shards."""
        path = "/portfolio/intra_exchange_instance_transfers"
        return read_list(self._pages(path, {"limit": 500}), "transfers", parse_account.transfer, BY_ID)

    @optional(OptionalCall.SUBACCOUNT_TRANSFERS)
    def get_subaccount_transfers(self) -> PartialList[SubaccountTransfer]:
        """GET /portfolio/subaccounts/transfers: cash moved between subaccounts."""
        pages = self._pages("/portfolio/subaccounts/transfers", {"limit": 500})
        return read_list(pages, "transfers", parse_account.subaccount_transfer, BY_ID)

    # -- orders ------------------------------------------------------------------------------------------------

    def create_order(self, order: OrderRequest) -> OrderResponse:
        """POST /portfolio/events/orders: place an order once, and confirm it.

        Prices in whole 1/10,000 dollar and counts in whole 1/100 contract are sent exactly. Finer values raise a
        `ValueError`, and nothing is sent. Raises `OutcomeUnknown` if the order can be neither found nor ruled
        out."""
        (result,) = self._place([order])
        if isinstance(result, ExchangeError):
            raise result
        return result

    def create_orders(self, orders: Sequence[OrderRequest]) -> list[OrderResult]:
        """POST /portfolio/events/orders/batched: place orders once, and confirm them.

        Each call holds as many orders as the rate limits allow. Returns one result for each order, in the same
        order. As `create_order`, but an order's error is its result instead of being raised. Two orders with the
        same client order id raise a `ValueError` too."""
        if len({order.client_order_id for order in orders}) < len(orders):
            raise ValueError("two orders with the same client order id")
        for order in orders:
            order_body(order)  # raises before anything is sent
        results: list[OrderResult] = []
        while len(results) < len(orders):
            cost = self._transport.rate_limiter.cost(_CREATE_BATCH)
            size = largest_batch(self.limits, cost, self._keep(0))
            results += self._place(orders[len(results) : len(results) + size])
        return results

    def amend_order(self, order: Order, bid: Bid, expires: datetime | None = None) -> AmendResponse:
        """POST /portfolio/events/orders/{order_id}/amend: change a resting order.

        `order` then rests as `bid` (on its own side) until `expires` (None: as before). A new price or more
        contracts moves it to the back of the queue; anything else keeps its place. An amended price may cross the
        book and trade. Raises `Gone` if the order no longer exists."""
        answer = self._transport.request(
            _AMEND,
            {"subaccount": PRIMARY_SUBACCOUNT},
            amend_body(order, bid, expires),
            path_params={"order_id": order.order_id},
            shard=order.shard,
        )
        return parse_account.amend_response(answer)

    def cancel_order(self, order: Order) -> Decimal:
        """DELETE /portfolio/events/orders/{order_id}: returns the contracts canceled.

        Raises `Gone` if the order no longer exists: it was filled, has expired or was canceled, perhaps by an
        attempt of this call whose answer was lost."""
        places = {"order_id": order.order_id}
        shard = order.shard
        try:
            answer = self._transport.request(_CANCEL, order_location(order), path_params=places, shard=shard)
        except Gone:
            self._resting.pop(order.order_id, None)
            raise
        self._resting.pop(order.order_id, None)
        return answer.decimal("reduced_by")

    def cancel_orders(self, orders: Sequence[Order]) -> list[Decimal | ExchangeError]:
        """DELETE /portfolio/events/orders/batched: cancel orders.

        Each call holds as many orders as the rate limits allow. Returns for each order, in the same order, the
        contracts canceled or its error (`Gone` as in `cancel_order`)."""
        results: list[Decimal | ExchangeError] = []
        size = largest_batch(self.limits, self._transport.rate_limiter.cost(_CANCEL_BATCH), 0)
        for start in range(0, len(orders), size):
            results += self._cancel_batch(orders[start : start + size])
        return results

    def cancel_all_orders(self) -> None:
        """DELETE /portfolio/events/orders: cancel every order of the account.

        Covers all shards, and orders that the bot did not send. The exchange may also cancel orders placed within
        the next minute. While it is paused it answers as usual but cancels nothing, so check the list of resting
        orders."""
        self._transport.request(_CANCEL_ALL, {"subaccount": PRIMARY_SUBACCOUNT})

    # -- order groups ------------------------------------------------------------------------------------------

    def get_order_groups(self) -> PartialList[OrderGroup]:
        """GET /portfolio/order_groups: all groups of the account."""
        page = self._get(_GROUPS, {"subaccount": PRIMARY_SUBACCOUNT})
        return read_list([page], "order_groups", parse_account.order_group, BY_ID, may_be_absent=True)

    @optional(OptionalCall.ORDER_GROUPS)
    def create_order_group(self, limit: Decimal, exchange_index: int) -> str:
        """POST /portfolio/order_groups/create: returns the id of a new group on a shard.

        `limit`: contracts that may be filled in 15 seconds. If the answer is lost, an unused group may exist: see
        `get_order_groups`."""
        body = {
            "contracts_limit_fp": decimal_string(limit, 2),
            "subaccount": PRIMARY_SUBACCOUNT,
            "exchange_index": exchange_index,
        }
        return self._transport.request(_CREATE_GROUP, body=body, shard=exchange_index).text("order_group_id")

    def limit_order_group(self, group: OrderGroup, limit: Decimal) -> None:
        """PUT /portfolio/order_groups/{order_group_id}/limit: set a new limit.

        A limit below the contracts filled in the last 15 seconds triggers the group."""
        self._group_call("PUT", group, "/limit", {"contracts_limit_fp": decimal_string(limit, 2)})

    def reset_order_group(self, group: OrderGroup) -> None:
        """PUT /portfolio/order_groups/{order_group_id}/reset: reopen a triggered group."""
        self._group_call("PUT", group, "/reset", {}, changes_lists=False)

    def trigger_order_group(self, group: OrderGroup) -> None:
        """PUT /portfolio/order_groups/{order_group_id}/trigger: cancel its orders.

        The group takes no more orders until it is reset."""
        self._group_call("PUT", group, "/trigger", {})

    def delete_order_group(self, group: OrderGroup) -> None:
        """DELETE /portfolio/order_groups/{order_group_id}: cancel its orders, delete it."""
        self._group_call("DELETE", group, "")

    def _group_call(
        self,
        method: str,
        group: OrderGroup,
        action: str,
        body: Mapping[str, object] | None = None,
        changes_lists: bool = True,
    ) -> None:
        endpoint = Endpoint(method, f"{_GROUPS}/{{group_id}}{action}", "write", changes_lists=changes_lists)
        # Group calls are not routed: without an index they go to shard 0.
        query = {"subaccount": PRIMARY_SUBACCOUNT, "exchange_index": group.exchange_index}
        self._transport.request(
            endpoint, query, body, path_params={"group_id": group.id}, shard=group.exchange_index
        )

    # -- requests ----------------------------------------------------------------------------------------------

    def _account_list(
        self,
        what: str,
        query: Mapping[str, object],
        parse: Callable[[JsonObject], T],
        identity: Callable[[T], Hashable],
        field: str = "",
    ) -> PartialList[T]:
        """One of the portfolio's lists. `field`: its JSON field, if not `what`."""
        whole = {**query, "limit": LONGEST_PAGE, "subaccount": PRIMARY_SUBACCOUNT}
        return read_list(self._pages(f"/portfolio/{what}", whole), field or what, parse, identity)

    def _place(self, orders: Sequence[OrderRequest]) -> list[OrderResult]:
        patience = self._transport.timeouts[1] + self._transport.patience  # the first attempt may time out
        results = self._placement.place(orders, patience)
        for order, result in zip(orders, results, strict=True):
            if isinstance(result, OrderResponse) and result.status is OrderStatus.RESTING:
                self._resting[result.order_id] = order.shard
        return results

    def _orders_of(self, ticker: str, seconds: float) -> PartialList[Order]:
        """The orders of a market, in any state, created in the last `seconds`."""
        since = self.clock.now() - _SINCE - timedelta(seconds=seconds)
        return self._account_list("orders", {"ticker": ticker} | _from(since), parse_account.order, _BY_ORDER)

    def _create(self, orders: Sequence[OrderRequest]) -> list[OrderResult]:
        """Send orders once. An error is the result of each order that it concerns."""
        bodies = [order_body(order) for order in orders]
        try:
            if len(orders) == 1:
                shard = orders[0].shard
                answer = self._transport.request(_CREATE, body=bodies[0], shard=shard, keep=self._keep(shard))
                return [parse_account.order_response(answer, orders[0].bid.count)]
            units, keep = len(orders), self._keep(0)
            answer = self._transport.request(_CREATE_BATCH, body={"orders": bodies}, units=units, keep=keep)
            found = batch_rows(answer, len(orders))
        except ExchangeError as error:
            return [error] * len(orders)
        return [
            batch_result(row, partial(parse_account.order_response, asked=order.bid.count), self._transport.clean)
            for row, order in zip(found, orders, strict=True)
        ]

    def _cancel_batch(self, orders: Sequence[Order]) -> list[Decimal | ExchangeError]:
        bodies = [{"order_id": order.order_id, **order_location(order)} for order in orders]
        try:
            answer = self._transport.request(_CANCEL_BATCH, body={"orders": bodies}, units=len(orders))
            found = batch_rows(answer, len(orders))
        except ExchangeError as error:
            return [error] * len(orders)
        clean = self._transport.clean
        results = [batch_result(row, lambda f: f.decimal("reduced_by"), clean) for row in found]
        for order, result in zip(orders, results, strict=True):
            if not isinstance(result, ExchangeError) or isinstance(result, Gone):
                self._resting.pop(order.order_id, None)
        return results

    def _keep(self, shard: int) -> float:
        """Tokens that a create leaves for canceling the resting orders of its shard."""
        resting = sum(1 for index in self._resting.values() if index == shard)
        return self._transport.rate_limiter.reserve_for_cancels(resting, _CANCEL)


def _from(since: datetime) -> dict[str, object]:
    return {"min_ts": int(since.timestamp())}
