"""The API's entry: authenticate, bill and answer each request.

Promise:
- Every request gets an answer in the API's form.
- Requests under `/portfolio`, `/account/limits` and `/api_keys` must be signed; market data is public.
- A signed call is billed to its key's budget.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from simulator.account import Account
from simulator.api import account_forms as forms
from simulator.api import market_data, order_calls, portfolio
from simulator.api.auth import PublicKey, authenticate
from simulator.api.limits import TIERS, Budget, Tier, TooMany
from simulator.api.wire import Answer, BodyRefused, OutOfBounds, QueryRefused, Request, camel_case
from simulator.exchange import Exchange, Refusal
from simulator.opening import CUSTOMER

ROOT = "/trade-api/v2"
DEFAULT_COST = 10
RUN_HEADER = "Simulator-Run"


@dataclass(frozen=True)
class Route:
    """A call of the API.

    A `public` call needs no key; any other gets the account of the key's user. A batch costs `cost` for each
    order."""

    method: str
    template: str
    call: Callable[..., Answer]
    public: bool = False
    writes: bool = False
    cost: int = DEFAULT_COST
    batch: bool = False

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{\w+\}", "([^/]+)", self.template))

    def arguments(self, path: str) -> list[str] | None:
        """The values of the template's parameters, or None if `path` does not match."""
        found = self._pattern.fullmatch(path)
        return [unquote(part) for part in found.groups()] if found else None


def _public(template: str, call: Callable[..., Answer]) -> Route:
    return Route("GET", template, call, public=True)


_ORDERS, _GROUPS = "/portfolio/events/orders", "/portfolio/order_groups"
_CANDLES = "/series/{series_ticker}/markets/{ticker}/candlesticks"
_MOVES = "/portfolio/intra_exchange_instance_transfer"

ROUTES = (
    _public("/exchange/status", market_data.status),
    _public("/exchange/schedule", market_data.schedule),
    _public("/exchange/user_data_timestamp", market_data.user_data_timestamp),
    _public("/incentive_programs", market_data.programs),
    _public("/markets", market_data.markets),
    _public("/markets/orderbooks", market_data.orderbooks),
    _public("/markets/trades", market_data.trades),
    _public("/markets/candlesticks", market_data.many_candlesticks),
    _public("/markets/{ticker}", market_data.market),
    _public("/markets/{ticker}/orderbook", market_data.orderbook),
    _public(_CANDLES, market_data.candlesticks),
    _public("/series", market_data.all_series),
    _public("/series/fee_changes", market_data.series_fee_changes),
    _public("/series/{series_ticker}", market_data.one_series),
    _public("/events", market_data.events),
    _public("/events/fee_changes", market_data.event_fee_changes),
    _public("/events/{event_ticker}", market_data.event),
    Route("GET", "/portfolio/balance", portfolio.balance),
    Route("GET", "/portfolio/summary/total_resting_order_value", portfolio.resting_value),
    Route("GET", "/portfolio/positions", portfolio.positions),
    Route("GET", "/portfolio/orders", portfolio.orders),
    Route("GET", "/portfolio/orders/queue_positions", portfolio.queue_positions),
    Route("GET", "/portfolio/orders/{order_id}", portfolio.order, cost=2),
    Route("GET", "/portfolio/orders/{order_id}/queue_position", portfolio.queue_position),
    Route("GET", "/portfolio/fills", portfolio.fills),
    Route("GET", "/portfolio/settlements", portfolio.settlements),
    Route("GET", "/portfolio/deposits", portfolio.deposits),
    Route("GET", "/portfolio/withdrawals", portfolio.withdrawals),
    Route("GET", "/portfolio/subaccounts/transfers", portfolio.subaccount_transfers),
    Route("POST", _MOVES, portfolio.make_transfer),
    Route("GET", f"{_MOVES}s", portfolio.transfers),
    Route("GET", f"{_MOVES}s/{{transfer_id}}", portfolio.transfer),
    Route("POST", _ORDERS, order_calls.create, writes=True),
    Route("DELETE", _ORDERS, order_calls.cancel_all, writes=True, cost=2),
    Route("POST", f"{_ORDERS}/batched", order_calls.create_batch, writes=True, batch=True),
    Route("DELETE", f"{_ORDERS}/batched", order_calls.cancel_batch, writes=True, cost=2, batch=True),
    Route("DELETE", f"{_ORDERS}/{{order_id}}", order_calls.cancel, writes=True, cost=2),
    Route("POST", f"{_ORDERS}/{{order_id}}/amend", order_calls.amend, writes=True),
    Route("POST", f"{_ORDERS}/{{order_id}}/decrease", order_calls.decrease, writes=True),
    Route("GET", _GROUPS, order_calls.groups),
    Route("POST", f"{_GROUPS}/create", order_calls.create_group, writes=True),
    Route("GET", f"{_GROUPS}/{{order_group_id}}", order_calls.group),
    Route("DELETE", f"{_GROUPS}/{{order_group_id}}", order_calls.delete_group, writes=True),
    Route("PUT", f"{_GROUPS}/{{order_group_id}}/reset", order_calls.reset_group, writes=True),
    Route("PUT", f"{_GROUPS}/{{order_group_id}}/trigger", order_calls.trigger_group, writes=True),
    Route("PUT", f"{_GROUPS}/{{order_group_id}}/limit", order_calls.limit_group, writes=True),
)
"""Every call except `LIMITS`, `COSTS` and `KEYS`. Fixed paths come before those with parameters."""

LIMITS, COSTS, KEYS = "/account/limits", "/account/endpoint_costs", "/api_keys"


@dataclass
class Api:
    """Answers requests for one exchange.

    `keys` maps key ids to public keys. `owners` names a key's account, if it is not the customer's. Keys in
    `read_only` may not write, those in `without_key_list` may not list their user's keys.
    `read_account` returns the account that reads see. `clocks` returns the Unix seconds that a signature's
    timestamp may be near, instead of the exchange's own. `run` identifies this run of the exchange, even among
    runs with the same seed. Every answer carries it."""

    exchange: Exchange
    keys: dict[str, PublicKey] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    read_only: set[str] = field(default_factory=set)
    without_key_list: set[str] = field(default_factory=set)
    tier: Tier = TIERS["basic"]
    read_account: Callable[[], Account] | None = None
    clocks: Callable[[], list[float]] | None = None
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    _budgets: dict[str, Budget] = field(default_factory=dict)

    def handle(self, request: Request, now: float) -> Answer:
        """Answer a request that arrives at `now`, Unix seconds."""
        self.exchange.advance(now)
        answer = self._answered(request)
        return replace(answer, headers={**answer.headers, RUN_HEADER: self.run})

    def _answered(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except TooMany:
            return Answer(429, {"error": "too many requests"})
        except Refusal as no:
            return Answer(no.status, {"error": forms.error(no.code, no.message, no.details, no.service)})
        except BodyRefused as no:
            return Answer(400, forms.error(no.code, no.code.replace("_", " "), str(no)))
        except OutOfBounds as no:
            return Answer(400, {"msg": no.told_by(_operation(request))})
        except QueryRefused as no:
            return Answer(400, {"msg": str(no)})

    def _answer(self, request: Request) -> Answer:
        path = request.path.removeprefix(ROOT) if request.path.startswith(f"{ROOT}/") else ""
        key_id = self._authenticate(request, needed=path.startswith(("/portfolio", LIMITS, KEYS)))
        if path in (COSTS, LIMITS) and request.method == "GET":
            if key_id is not None:
                self._budget(key_id).take_read(DEFAULT_COST, self.exchange.now)
            return Answer(200, _costs() if path == COSTS else _limits(self.tier))
        if (path, request.method) == (KEYS, "GET") and key_id is not None:
            return self._keys_of_user(key_id)
        others = False
        for route in ROUTES:
            arguments = route.arguments(path)
            if arguments is None:
                continue
            if route.method != request.method:
                others = True
                continue
            if key_id is not None:
                self._bill(key_id, route, request)
            if key_id in self.read_only and route.method != "GET":
                raise Refusal(403, "forbidden", "this API key may not write")
            if route.public:
                return route.call(self.exchange, request, *arguments)
            return route.call(self.exchange, self._account(route, key_id), request, *arguments)
        raise _nothing_there(request.method, path, others)

    def _authenticate(self, request: Request, needed: bool) -> str | None:
        """The id of the request's key. If none is needed, a bad signature counts as none."""
        clocks = self.clocks() if self.clocks else [self.exchange.now]
        try:
            return authenticate(self.keys, request, clocks)
        except Refusal:
            if needed:
                raise
            return None

    def _owner(self, key_id: str | None) -> str:
        return self.owners.get(key_id or "", CUSTOMER)

    def _account(self, route: Route, key_id: str | None) -> Account:
        owner = self._owner(key_id)
        if route.method == "GET" and self.read_account is not None and owner == CUSTOMER:
            return self.read_account()
        return self.exchange.accounts[owner]

    def _keys_of_user(self, key_id: str) -> Answer:
        """All keys of the caller's user, or a 403 if the key may not list them."""
        self._budget(key_id).take_read(DEFAULT_COST, self.exchange.now)
        if key_id in self.without_key_list:
            raise Refusal(403, "permission_denied")
        found = [one for one in self.keys if self._owner(one) == self._owner(key_id)]
        rows = [
            {
                "api_key_id": one,
                "name": f"key {number}",
                "scopes": ["read"] + ["write"] * (one not in self.read_only),
            }
            for number, one in enumerate(found, 1)
        ]
        return Answer(200, {"api_keys": rows})

    def _budget(self, key_id: str) -> Budget:
        return self._budgets.setdefault(key_id, Budget(self.tier))

    def _bill(self, key_id: str, route: Route, request: Request) -> None:
        """Pay for a request, or raise `TooMany`."""
        budget, now = self._budget(key_id), self.exchange.now
        if route.call is portfolio.balance:
            budget.take_balance(now)
        elif not route.writes:
            budget.take_read(route.cost, now)
        elif route.batch:
            orders = request.json().fields.get("orders")
            budget.take_write(route.cost * (len(orders) if isinstance(orders, list) else 1), None, now)
        else:
            budget.take_write(route.cost, _shard_named(request), now)


def _operation(request: Request) -> str:
    """The name of a call by the exchange's own convention, such as GetMarkets."""
    words = [part for part in request.path.removeprefix(ROOT).split("/") if re.fullmatch("[a-z_]+", part)]
    return request.method.capitalize() + camel_case(words[-1])


def _shard_named(request: Request) -> int:
    """The shard that a single write names, or -1 if the exchange must find it."""
    by_query = request.value("exchange_index")
    try:
        named: Any = int(by_query) if by_query is not None else request.json().fields.get("exchange_index")
    except (ValueError, BodyRefused, Refusal):
        return 0  # the call itself refuses it, with the right error
    if isinstance(named, int) and not isinstance(named, bool):
        return named
    body = request.json()
    routed = request.value("market_ticker") or "ticker" in body or "market_ticker" in body
    return -1 if routed else 0


def _nothing_there(method: str, path: str, others: bool) -> Refusal:
    """Why no call answers: the call is retired, has another method, or never existed."""
    if path.startswith("/portfolio/orders") and method in ("POST", "DELETE"):
        return Refusal(
            410, "deprecated_v1_order_endpoint", "Please switch to the V2 endpoints",
            "https://docs.kalshi.com/api-reference/orders/create-order-v2",
        )  # fmt: skip
    if others:
        return Refusal(405, "method_not_allowed", "method not allowed")
    return Refusal(404, "not_found", "not found")


def _limits(tier: Tier) -> Mapping[str, Any]:
    return {
        "usage_tier": tier.name,
        "read": {"refill_rate": tier.read, "bucket_capacity": tier.read * tier.read_burst},
        "write": {"refill_rate": tier.write, "bucket_capacity": tier.write * tier.write_burst},
        "grants": [],
    }


def _costs() -> Mapping[str, Any]:
    """The calls that do not cost the default, with parameters written `:name`."""
    return {
        "default_cost": DEFAULT_COST,
        "endpoint_costs": [
            {
                "method": route.method,
                "path": ROOT + re.sub(r"\{(\w+)\}", r":\1", route.template),
                "cost": route.cost,
            }
            for route in ROUTES
            if route.cost != DEFAULT_COST
        ],
    }
