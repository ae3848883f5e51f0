"""The exchange's HTTP surface: paths, fields, status codes and error bodies of its Trade API v2.

Promise: a client cannot tell from an answer's form that no real exchange stands behind it. Requests under
`/portfolio` must be signed as the exchange demands; market data is public. Everything is one YES book on the
wire: `bid` buys YES, `ask` sells it; prices and counts are strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote

from cryptography.hazmat.primitives.asymmetric import rsa

from simulator import answers
from simulator.auth import authenticate
from simulator.board import CUSTOMER
from simulator.exchange import Exchange, OrderTerms, Refusal
from simulator.matching import CONTRACT, DOLLAR_PIPS

ROOT = "/trade-api/v2"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrives. `path` runs from the host's root, header names are lower-case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def values(self, name: str) -> list[str]:
        return parse_qs(self.query).get(name, [])

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    def one_of(self, name: str, allowed: Iterable[str]) -> str | None:
        value = self.value(name)
        if value is not None and value not in allowed:
            raise QueryRefused(f"invalid query parameter {name}: {value}")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        text = self.value(name)
        if text is None:
            return default
        if not re.fullmatch(r"-?\d{1,18}", text) or not low <= int(text) <= high:
            raise QueryRefused(f"invalid query parameter {name}: must be between {low} and {high}")
        return int(text)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Mapping[str, Any]

    @property
    def payload(self) -> bytes:
        return json.dumps(self.body).encode()


class QueryRefused(Exception):
    """A query that does not validate; the exchange answers these in a form of their own."""


class BodyRefused(Exception):
    """A body that does not decode; the exchange answers these in a form of their own."""


@dataclass
class Api:
    """Answers requests for one exchange. `keys` maps key ids to the public keys of the customer's account."""

    exchange: Exchange
    keys: dict[str, rsa.RSAPublicKey] = field(default_factory=dict)

    def handle(self, request: Request, now: float) -> Answer:
        """Answer a request that arrives at `now`, Unix seconds."""
        self.exchange.advance(now)
        try:
            return self._route(request)
        except Refusal as no:
            return Answer(no.status, {"error": answers.error(no.code, no.message, no.details)})
        except BodyRefused as no:
            return Answer(400, answers.error("bad_request", "bad request", str(no)))
        except QueryRefused as no:
            return Answer(400, {"msg": str(no)})

    def _route(self, request: Request) -> Answer:
        path = request.path.removeprefix(ROOT) if request.path.startswith(ROOT) else ""
        if path.startswith("/portfolio"):
            authenticate(self.keys, request.method, request.path, request.headers, self.exchange.now)
        for method, pattern, endpoint in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == request.method:
                return endpoint(self, request, *map(unquote, found.groups()))
        if path.startswith("/portfolio/orders") and request.method in ("POST", "DELETE"):
            raise Refusal(
                410, "deprecated_v1_order_endpoint", "Please switch to the V2 endpoints",
                "https://docs.kalshi.com/api-reference/orders/create-order-v2",
            )  # fmt: skip
        raise Refusal(404, "not_found", "not found")

    # -- public ---------------------------------------------------------------------------------------------

    def _status(self, _: Request) -> Answer:
        return Answer(200, answers.exchange_status())

    def _programs(self, request: Request) -> Answer:
        kind = request.one_of("type", answers.PROGRAM_TYPES) or "all"
        status = request.one_of("status", answers.PROGRAM_STATUSES) or "all"
        now = self.exchange.now
        found = [
            program
            for program in self.exchange.programs
            if kind in ("all", program.kind) and status in ("all", answers.program_status(program, now))
        ]
        page, cursor = _page(request, found, 10_000)
        return Answer(
            200,
            {"incentive_programs": [answers.program(p) for p in page]}
            | ({"next_cursor": cursor} if cursor else {}),
        )

    def _markets(self, request: Request) -> Answer:
        wanted = set(",".join(request.values("tickers")).split(",")) - {""}
        event, status = request.value("event_ticker"), request.one_of("status", answers.MARKET_FILTERS)
        found = [
            market
            for market in self.exchange.markets.values()
            if (not wanted or market.ticker in wanted)
            and event in (None, market.event_ticker)
            and (status is None or market.status == answers.MARKET_FILTERS[status])
        ]
        page, cursor = _page(request, found, 1000)
        return Answer(200, {"markets": [answers.market(m) for m in page], "cursor": cursor})

    def _orderbooks(self, request: Request) -> Answer:
        tickers = request.values("tickers")
        if not 1 <= len(tickers) <= 100:
            raise QueryRefused("invalid query parameter tickers: between 1 and 100 are needed")
        markets = [self.exchange.markets[t] for t in tickers if t in self.exchange.markets]
        return Answer(200, {"orderbooks": [answers.orderbook(m) for m in markets]})

    # -- the account ----------------------------------------------------------------------------------------

    def _balance(self, _: Request) -> Answer:
        return Answer(200, answers.balance(self.exchange, CUSTOMER))

    def _positions(self, request: Request) -> Answer:
        holdings = self.exchange.accounts[CUSTOMER].holdings
        ticker = request.value("ticker")
        found = [(name, held) for name, held in holdings.items() if held.count and ticker in (None, name)]
        page, cursor = _page(request, found, 1000)
        return Answer(200, answers.positions(self.exchange, page) | {"cursor": cursor})

    def _orders(self, request: Request) -> Answer:
        status = request.one_of("status", ("resting", "canceled", "executed"))
        ticker = request.value("ticker")
        found = [
            order
            for order in self.exchange.orders.values()
            if order.owner == CUSTOMER and status in (None, order.status) and ticker in (None, order.ticker)
        ]
        page, cursor = _page(request, found, 1000)
        return Answer(200, {"orders": [answers.order(self.exchange, o) for o in page], "cursor": cursor})

    def _fills(self, request: Request) -> Answer:
        since, until = (
            request.whole(name, default, 0, 10**12) for name, default in (("min_ts", 0), ("max_ts", 10**12))
        )
        ticker, order_id = request.value("ticker"), request.value("order_id")
        found = [
            fill
            for fill in reversed(self.exchange.fills)
            if since <= int(fill.time) <= until
            and ticker in (None, fill.ticker)
            and order_id in (None, fill.order_id)
        ]
        page, cursor = _page(request, found, 1000)
        return Answer(200, {"fills": [answers.fill(f) for f in page], "cursor": cursor})

    def _create(self, request: Request) -> Answer:
        order, fills = self.exchange.create(CUSTOMER, _order_terms(_json(request)))
        return Answer(201, answers.created(order, fills, self.exchange.now))

    def _cancel(self, request: Request, order_id: str) -> Answer:
        market = self.exchange.markets.get(request.value("market_ticker") or "")
        shard = request.whole("exchange_index", market.shard if market else 0, -1, 1_000)
        if shard == -1 and market is not None:
            shard = market.shard
        withdrawn = self.exchange.cancel(CUSTOMER, order_id, shard)
        return Answer(200, answers.canceled(self.exchange.orders[order_id], withdrawn, self.exchange.now))


_ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", "/exchange/status", Api._status),
    ("GET", "/incentive_programs", Api._programs),
    ("GET", "/markets", Api._markets),
    ("GET", "/markets/orderbooks", Api._orderbooks),
    ("GET", "/portfolio/balance", Api._balance),
    ("GET", "/portfolio/positions", Api._positions),
    ("GET", "/portfolio/orders", Api._orders),
    ("GET", "/portfolio/fills", Api._fills),
    ("POST", "/portfolio/events/orders", Api._create),
    ("DELETE", "/portfolio/events/orders/([^/]+)", Api._cancel),
]


def _page(request: Request, found: Sequence[T], most: int) -> tuple[Sequence[T], str]:
    """One page of a list, and the cursor of the next: empty on the last. An unknown cursor starts over, as
    the real exchange lets it."""
    limit = request.whole("limit", 100, 0, most) or 100
    cursor = request.value("cursor") or ""
    start = int(cursor) if cursor.isdecimal() else 0
    following = start + limit
    return found[start:following], str(following) if following < len(found) else ""


def _json(request: Request) -> Mapping[str, Any]:
    if "application/json" not in request.headers.get("content-type", ""):
        raise Refusal(400, "invalid_content_type", "Content-Type must be application/json")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise BodyRefused(f"invalid JSON: {error}") from None
    if not isinstance(body, Mapping):
        raise BodyRefused("a JSON object is needed")
    return body


def _order_terms(body: Mapping[str, Any]) -> OrderTerms:
    """The fields of a create request. Prices and counts must be strings, as the exchange insists."""
    if body.get("subaccount", 0) != 0:
        raise Refusal(400, "invalid_parameters", "invalid parameters", "there is no such subaccount")
    return OrderTerms(
        ticker=_text(body, "ticker", r".+"),
        is_bid=_text(body, "side", "bid|ask") == "bid",
        price=_units(body, "price", DOLLAR_PIPS, r"\d+\.\d{2,4}"),
        size=_units(body, "count", CONTRACT, r"\d+(\.\d{1,2})?"),
        client_order_id=_client_order_id(body),
        time_in_force=_text(body, "time_in_force", "good_till_canceled|immediate_or_cancel"),
        self_trade_prevention=_text(body, "self_trade_prevention_type", "taker_at_cross|maker"),
        post_only=_flag(body, "post_only"),
        reduce_only=_flag(body, "reduce_only"),
        cancel_on_pause=_flag(body, "cancel_order_on_pause"),
        expires=_whole(body, "expiration_time", None),
        shard=_whole(body, "exchange_index", -1) or 0,
    )


def _text(body: Mapping[str, Any], name: str, pattern: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise BodyRefused(f"{name} must be a string")
    if not re.fullmatch(pattern, value):
        raise Refusal(400, "invalid_parameters", "invalid parameters", f"{name} may not be {value}")
    return value


def _client_order_id(body: Mapping[str, Any]) -> str:
    return _text(body, "client_order_id", r"[\-\w:+=/]{0,64}") if "client_order_id" in body else ""


def _units(body: Mapping[str, Any], name: str, units: int, pattern: str) -> int:
    whole, _, part = _text(body, name, pattern).partition(".")
    digits = len(str(units)) - 1
    return int(whole) * units + int(part.ljust(digits, "0") or 0)


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise BodyRefused(f"{name} must be true or false")
    return value


def _whole(body: Mapping[str, Any], name: str, default: int | None) -> int | None:
    value = body.get(name, default)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise BodyRefused(f"{name} must be an integer")
    return value
