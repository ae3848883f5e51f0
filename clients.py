"""The only way to an exchange: signs, spends the token budget, pages and parses.

Promise: nothing above this room sees a dict, a string price or a status code, and no float touches a price, a
size or cash on its way out. Every request has a time-out. A request is sent once: what may be tried again is
decided by the caller, who knows from the error (`errors.py`) whether it may have been carried out.

Contract: the exchange's Trade API v2 (docs.kalshi.com/api-reference), orders on the V2 paths.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import ROUND_CEILING, Decimal
from enum import Enum
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import requests

import parsing
from errors import Unreachable, Unreadable, answered
from models import (
    ONE_DOLLAR,
    Balance,
    Book,
    ExchangeStatus,
    Fill,
    Market,
    Order,
    OrderRequest,
    OrderResponse,
    Position,
    Program,
    Side,
)
from parsing import Fields
from signing import Signer

API_ROOT = "/trade-api/v2"
TICKERS_PER_CALL = 100
ORDERS = "/portfolio/events/orders"
TIMEOUTS = (5.0, 10.0)
"""Seconds to wait for a connection, and for an answer."""

PRIMARY_SUBACCOUNT = 0
"""Sent with every call that takes it: what the exchange assumes where it is left out differs by call."""

T = TypeVar("T")


class Environment(Enum):
    """Which exchange. `SIM` is the embedded one: no account, no money."""

    SIM = "SIM"
    DEMO = "DEMO"
    PROD = "PROD"

    @property
    def base_url(self) -> str | None:
        """Where its API lives by default; None for the exchange inside this process."""
        return {
            Environment.SIM: None,
            Environment.DEMO: f"https://external-api.demo.kalshi.co{API_ROOT}",
            Environment.PROD: f"https://external-api.kalshi.com{API_ROOT}",
        }[self]


class Clock(Protocol):
    """The time that the exchange goes by, and the only way to let it pass."""

    def now(self) -> datetime: ...

    def sleep(self, seconds: float) -> None: ...


class WallClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class TokenBucket:
    """A budget of tokens that refills by `rate` a second up to `capacity`."""

    def __init__(self, rate: float, capacity: float, clock: Clock) -> None:
        self._rate = rate
        self._capacity = capacity
        self._clock = clock
        self._tokens = capacity
        self._at = clock.now()

    def spend(self, cost: float) -> None:
        """Take `cost` tokens, waiting just as long as they need to come in."""
        self._refill()
        if self._tokens < cost:
            self._clock.sleep((cost - self._tokens) / self._rate)
            self._refill()
        self._tokens -= cost

    def _refill(self) -> None:
        now = self._clock.now()
        elapsed = max((now - self._at).total_seconds(), 0.0)
        self._tokens = min(self._tokens + elapsed * self._rate, self._capacity)
        self._at = now


@dataclass(frozen=True, slots=True)
class Cost:
    """Which bucket a call draws on, and how many tokens (docs.kalshi.com/getting_started/rate_limits)."""

    bucket: str
    tokens: int


READ = Cost("read", 10)
BALANCE = Cost("balance", 1)
CREATE = Cost("write", 10)
CANCEL = Cost("write", 2)


class KalshiHttpClient:
    """One account on one exchange, over one `requests.Session`. Not for use by several threads.

    Every method raises an `ExchangeError` (`errors.py`) where the exchange refuses, fails, cannot be reached
    or answers what cannot be read.
    """

    def __init__(self, base_url: str, signer: Signer, clock: Clock, session: requests.Session | None = None):
        self._base_url = base_url
        self._path_root = urlsplit(base_url).path
        self._signer = signer
        self._clock = clock
        self._session = session or requests.Session()
        # The exchange's lowest tier ("Basic"): 200 read tokens a second with 3 s in store, 100 write tokens
        # with none, and one look at the balance a second.
        self._buckets = {
            "read": TokenBucket(200, 600, clock),
            "write": TokenBucket(100, 100, clock),
            "balance": TokenBucket(1, 1, clock),
        }
        self.requests_sent = 0
        self.timeouts = TIMEOUTS
        self._unreadable: list[str] = []

    def get_exchange_status(self) -> ExchangeStatus:
        """GET /exchange/status: whether orders are taken now, in all and by shard."""
        return parsing.exchange_status(self._get("/exchange/status"))

    def get_incentive_programs(self) -> list[Program]:
        """GET /incentive_programs: all active liquidity programs. Their cursor is called `next_cursor`."""
        query = {"status": "active", "type": "liquidity", "limit": 10_000}
        pages = self._pages("/incentive_programs", query, "next_cursor")
        return self._readable(pages, "incentive_programs", parsing.program)

    def get_markets(self, tickers: Iterable[str]) -> dict[str, Market]:
        """GET /markets, 100 tickers a call: the named markets that the exchange lists, by ticker."""
        found = {}
        for batch in _batches(tickers):
            pages = self._pages("/markets", {"tickers": ",".join(batch), "limit": 1000})
            found.update({market.ticker: market for market in self._readable(pages, "markets", parsing.market)})
        return found

    def get_orderbooks(self, tickers: Iterable[str]) -> dict[str, Book]:
        """GET /markets/orderbooks, 100 tickers a call: whole books, our own orders included, by ticker."""
        found = {}
        for batch in _batches(tickers):
            page = self._get("/markets/orderbooks", {"tickers": batch})
            found.update({book.ticker: book for book in self._readable([page], "orderbooks", parsing.book)})
        return found

    def get_balance(self) -> Balance:
        """GET /portfolio/balance: free cash in dollars, over all shards and by shard. One a second at most."""
        return parsing.balance(self._get("/portfolio/balance", {"subaccount": PRIMARY_SUBACCOUNT}, BALANCE))

    def get_positions(self) -> list[Position]:
        """GET /portfolio/positions: every market in which contracts are held now."""
        query = {"count_filter": "position", "limit": 1000, "subaccount": PRIMARY_SUBACCOUNT}
        pages = self._pages("/portfolio/positions", query)
        positions = [parsing.position(f) for page in pages for f in _each(page, "market_positions")]
        return [position for position in positions if position.count]

    def get_resting_orders(self) -> list[Order]:
        """GET /portfolio/orders with status resting: every order of the account that rests, whoever sent it."""
        query = {"status": "resting", "limit": 1000, "subaccount": PRIMARY_SUBACCOUNT}
        pages = self._pages("/portfolio/orders", query)
        return [parsing.order(f) for page in pages for f in _each(page, "orders")]

    def get_fills(self, since: datetime) -> list[Fill]:
        """GET /portfolio/fills from `since` (whole seconds) on, oldest first."""
        query = {"min_ts": int(since.timestamp()), "limit": 1000, "subaccount": PRIMARY_SUBACCOUNT}
        pages = self._pages("/portfolio/fills", query)
        fills = [parsing.fill(f) for page in pages for f in _each(page, "fills")]
        return sorted(fills, key=lambda fill: fill.time)

    def create_order(self, order: OrderRequest) -> OrderResponse:
        """POST /portfolio/events/orders. Prices in whole 1/10,000 dollar and counts in whole 1/100 contract
        go out exactly; anything finer is a `ValueError`, and nothing is sent."""
        bid = order.bid
        yes_price = bid.price if bid.side is Side.YES else ONE_DOLLAR - bid.price
        body: dict[str, object] = {
            "ticker": order.ticker,
            "client_order_id": order.client_order_id,
            "side": "bid" if bid.side is Side.YES else "ask",
            "count": _fixed(bid.count, 2),
            "price": _fixed(yes_price, 4),
            "time_in_force": order.time_in_force.value,
            "self_trade_prevention_type": order.self_trade_prevention.value,
            "post_only": order.post_only,
            "reduce_only": order.reduce_only,
            "cancel_order_on_pause": order.cancel_on_pause,
            "subaccount": PRIMARY_SUBACCOUNT,
            "exchange_index": order.exchange_index,
        }
        if order.expires is not None:
            body["expiration_time"] = int(Decimal(order.expires.timestamp()).to_integral_value(ROUND_CEILING))
        answer = self._request("POST", ORDERS, CREATE, body=body)
        return parsing.order_response(answer, bid.count)

    def cancel_order(self, order: Order) -> Decimal:
        """DELETE /portfolio/events/orders/{order_id}: contracts withdrawn. The exchange's 404 (`Refused`)
        means that the order is gone, and may have been filled: look at the fills."""
        # Without its market a cancel goes to shard 0, wherever the order rests.
        query = {
            "market_ticker": order.ticker,
            "exchange_index": order.exchange_index,
            "subaccount": PRIMARY_SUBACCOUNT,
        }
        return self._request("DELETE", f"{ORDERS}/{order.order_id}", CANCEL, query).decimal("reduced_by")

    def take_unreadable(self) -> list[str]:
        """What could not be read of the board since the last call, and was left out of the lists returned."""
        told, self._unreadable = self._unreadable, []
        return told

    def _readable(self, pages: Iterable[Fields], name: str, parse: Callable[[Fields], T]) -> list[T]:
        """The items of a public list. One that cannot be read costs that market, not the whole board; of the
        account's own lists nothing may be missing, so those are read whole or not at all."""
        items = []
        for page in pages:
            for item in page.items(name):
                try:
                    items.append(parse(_item(page, name, item)))
                except Unreadable as error:
                    self._unreadable.append(str(error))
        return items

    def _get(self, path: str, query: Mapping[str, object] | None = None, cost: Cost = READ) -> Fields:
        return self._request("GET", path, cost, query)

    def _pages(self, path: str, query: Mapping[str, object], cursor_field: str = "cursor") -> Iterator[Fields]:
        seen: set[str] = set()
        while True:
            page = self._get(path, query)
            yield page
            cursor = page.optional(cursor_field, page.text) or ""
            if not cursor:
                return
            if cursor in seen:
                raise Unreadable(page.source, f"the same {cursor_field} came twice: the list has no end")
            seen.add(cursor)
            query = {**query, "cursor": cursor}

    def _request(
        self,
        method: str,
        path: str,
        cost: Cost,
        query: Mapping[str, object] | None = None,
        body: dict[str, object] | None = None,
    ) -> Fields:
        self._buckets[cost.bucket].spend(cost.tokens)
        source = f"{method} {path}"
        timestamp_ms = int(self._clock.now().timestamp() * 1000)
        self.requests_sent += 1
        try:
            response = self._session.request(
                method,
                self._base_url + path,
                params=query,  # type: ignore[arg-type]
                json=body,
                headers=self._signer.headers(method, self._path_root + path, timestamp_ms),
                timeout=self.timeouts,
                allow_redirects=False,  # a redirect would carry the signature to another place
            )
        except requests.RequestException as error:
            raise Unreachable(source, _cause(error)) from None
        if not 200 <= response.status_code < 300:
            raise answered(source, response.status_code, *_error_words(response))
        try:
            return Fields(source, response.json())
        except requests.JSONDecodeError:
            raise Unreadable(source, f"answered {response.status_code} with no JSON: {_start(response)}") from None


def _each(page: Fields, name: str) -> Iterator[Fields]:
    for item in page.items(name):
        yield _item(page, name, item)


def _item(page: Fields, name: str, item: object) -> Fields:
    """One item of a list, which errors then name by its ticker."""
    ticker = item.get("ticker") or item.get("market_ticker") or "" if isinstance(item, Mapping) else ""
    return Fields(f"{page.source} {name} {ticker}".rstrip(), item)


def _batches(tickers: Iterable[str]) -> Iterator[list[str]]:
    every = list(tickers)
    for start in range(0, len(every), TICKERS_PER_CALL):
        yield every[start : start + TICKERS_PER_CALL]


def _fixed(value: Decimal, places: int) -> str:
    rounded = round(value, places)
    if rounded != value:
        raise ValueError(f"{value} has more than {places} decimals; the exchange takes no such number")
    return f"{rounded:f}"


def _error_words(response: requests.Response) -> tuple[str, str, str]:
    try:
        words = parsing.error_words(response.json())
    except requests.JSONDecodeError:
        words = "", "", ""
    return words if any(words) else ("", _start(response), "")


def _start(response: requests.Response) -> str:
    return " ".join(response.text[:200].split())


def _cause(error: requests.RequestException) -> str:
    """Why no answer came, in words. The exception's own text repeats the address and nests four deep."""
    kinds: list[tuple[type[requests.RequestException], str]] = [
        (requests.exceptions.ConnectTimeout, "no connection in time"),
        (requests.exceptions.ReadTimeout, "no answer in time"),
        (requests.exceptions.SSLError, "the exchange's certificate could not be verified"),
        (requests.exceptions.ProxyError, "the proxy of this machine could not be reached"),
        (requests.exceptions.ConnectionError, "the connection failed or was cut"),
    ]
    said = next((words for kind, words in kinds if isinstance(error, kind)), "the request failed")
    return f"{said} ({type(error).__name__}); is the network up?"
