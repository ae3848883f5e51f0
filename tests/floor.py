"""A small exchange with nobody in it but those whom a test sends, and a customer at its HTTP door."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ed25519

from exchange.signing import Signer
from simulator import embedded, order_entry
from simulator.account import Account
from simulator.embedded import EmbeddedExchange
from simulator.exchange import Exchange, Refusal
from simulator.fees import STANDARD, FeeTerms
from simulator.lifecycle import list_market
from simulator.listing import LINEAR, Grid, ListedEvent, ListedMarket, ListedSeries
from simulator.matching import CONTRACT, DOLLAR, Order
from simulator.opening import CUSTOMER
from simulator.order_entry import Amendment, OrderTerms
from simulator.transport import ExchangeAdapter
from tests.conftest import START

NOW = START.timestamp()
M = "KXM-26-T1"
"""The market that most tests trade in."""

QUARTER = FeeTerms("quadratic_with_maker_fees")
ROOT = "/trade-api/v2"
ORDERS = "/portfolio/events/orders"
SPORTS = "KXS-26-T1"
"""A market of shard 3, where a test lists it."""

TOO_MANY = {"error": "too many requests"}


def listed(
    exchange: Exchange,
    ticker: str = M,
    shard: int = 0,
    grid: Grid = LINEAR,
    fees: FeeTerms = STANDARD,
    opens_in: float = -1.0,
    closes_in: float = 1e6,
    result: str = "yes",
    event_fees: FeeTerms | None = None,
    combo: bool = False,
) -> ListedMarket:
    """List a market. Its ticker names its event and series: SERIES-EVENT-MARKET."""
    series, name = ticker.split("-")[0], ticker.rpartition("-")[0]
    listed_series = ListedSeries(series, series, "Tests", "custom", shard, fees)
    event = exchange.events.get(name) or ListedEvent(
        exchange.next_number(), name, listed_series, name, fees=event_fees, combo=combo
    )
    now = exchange.now
    number = exchange.next_number()
    market = ListedMarket(number, ticker, event, "A market", now + opens_in, now + closes_in, grid)
    list_market(exchange, market, lambda: result)
    return market


def small_exchange(seed: int = 3, owners: str = "ann bob", cash: int = 500) -> tuple[Exchange, ListedMarket]:
    """An exchange with one market on shard 0, and accounts with so many dollars there."""
    exchange = Exchange(NOW, seed)
    market = listed(exchange)
    for owner in owners.split():
        exchange.open_account(owner, {0: cash * DOLLAR})
    return exchange, market


def terms(is_bid: bool, cents: float, count: float, **changed: Any) -> OrderTerms:
    """An order for so many contracts at so many cents of YES."""
    shape: dict[str, Any] = {
        "ticker": M, "is_bid": is_bid, "price": round(cents * 100), "size": round(count * CONTRACT)
    }  # fmt: skip
    return OrderTerms(**(shape | changed))


def bid(exchange: Exchange, owner: str, cents: float, count: float, **changed: Any) -> Order:
    return order_entry.create(exchange, owner, terms(True, cents, count, **changed))[0]


def ask(exchange: Exchange, owner: str, cents: float, count: float, **changed: Any) -> Order:
    return order_entry.create(exchange, owner, terms(False, cents, count, **changed))[0]


def held(account: Account, ticker: str = M) -> float:
    """Contracts: above 0 YES, below 0 NO."""
    return account.holdings[ticker].count / CONTRACT


def filled(orders: Iterable[Order]) -> list[float]:
    return [order.filled / CONTRACT for order in orders]


def amend(exchange: Exchange, order: Order, owner: str = "ann", **changed: Any) -> Order:
    """Amend an order; what is not said stays. `count` in contracts, `cents` of YES."""
    count, cents = changed.pop("count", order.size / CONTRACT), changed.pop("cents", order.price / 100)
    shape = {
        "ticker": order.ticker, "is_bid": order.is_bid, "price": round(cents * 100),
        "size": round(count * CONTRACT),
    }  # fmt: skip
    return order_entry.amend(exchange, owner, order.order_id, Amendment(**(shape | changed)))[0]


def refusal(act: Callable[[], object]) -> tuple[int, str]:
    """The status and the code that something is refused with."""
    with pytest.raises(Refusal) as no:
        act()
    return no.value.status, no.value.code


# -- over HTTP -------------------------------------------------------------------------------------------------


class Ed25519Signer:
    """Signs as an owner of an Ed25519 key does."""

    def __init__(self, key_id: str, key: ed25519.Ed25519PrivateKey) -> None:
        self._key_id = key_id
        self._key = key

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        signature = self._key.sign(f"{timestamp_ms}{method}{path}".encode())
        return {
            "KALSHI-ACCESS-KEY": self._key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }


@dataclass
class Desk:
    """A client that is not ours, at an exchange whose wire takes no time."""

    embedded: EmbeddedExchange

    @property
    def exchange(self) -> Exchange:
        return self.embedded.api.exchange

    @property
    def account(self) -> Account:
        return self.exchange.accounts[CUSTOMER]

    def wait(self, seconds: float) -> None:
        """Let time pass, for the exchange too."""
        self.embedded.clock.advance(seconds)
        self.exchange.advance(self.embedded.clock.now().timestamp())

    def send(
        self,
        method: str,
        path: str,
        signer: Signer | Ed25519Signer | None = None,
        skew_ms: int = 0,
        signed_path: str = "",
        **options: Any,
    ) -> requests.Response:
        """A signed request."""
        signer = signer or Signer(self.embedded.key_id, self.embedded.private_key)
        now_ms = int(self.embedded.clock.now().timestamp() * 1000) + skew_ms
        headers = signer.headers(method, signed_path or ROOT + path.partition("?")[0], now_ms)
        return self.public(method, path, headers=headers | options.pop("headers", {}), **options)

    def public(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request that nobody signed."""
        return self.embedded.session.request(method, embedded.HOST + ROOT + path, **options)

    def get(self, path: str) -> Any:
        """The body of a signed read that must succeed, at the pace that every tier allows."""
        self.wait(0.05)
        response = self.send("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    def look(self, path: str) -> Any:
        """The body of a public read that must succeed."""
        response = self.public("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    def place(self, **changed: Any) -> requests.Response:
        return self.send("POST", ORDERS, json=wanted(**changed))

    def pages(self, path: str, name: str, limit: int, cursor: str = "cursor") -> list[list[Any]]:
        """All pages of a list."""
        found, mark = [], ""
        glue = "&" if "?" in path else "?"
        while not found or mark:
            answer = self.look(f"{path}{glue}limit={limit}&cursor={mark}") if path.startswith(
                ("/markets", "/events", "/incentive")
            ) else self.get(f"{path}{glue}limit={limit}&cursor={mark}")  # fmt: skip
            found.append(answer[name])
            mark = answer.get(cursor, "")
        return found


def open_desk(tier: str = "basic", seed: int = 1, programs: int = 1) -> Desk:
    """An exchange without people, whose customer has cash on shards 0, 2 and 3, and one quiet market more."""
    opened = embedded.start(seed, None, None, START, programs, (), tier)
    opened.session.mount(embedded.HOST, ExchangeAdapter(opened.api, opened.clock, 0.0))
    listed(opened.api.exchange)
    return Desk(opened)


def wanted(**changed: Any) -> dict[str, Any]:
    """The body of a create request, for the quiet market."""
    return {
        "ticker": M, "side": "bid", "count": "1.00", "price": "0.0100",
        "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
    } | changed  # fmt: skip


def rest(desk: Desk, count: int, ticker: str = M) -> list[str]:
    """Ids of orders that rest without having cost anything."""
    return [bid(desk.exchange, CUSTOMER, 1, 0.01, ticker=ticker).order_id for _ in range(count)]


def code(response: Any) -> str:
    """An error's code, in whichever form it comes."""
    body = response.json()
    return str(body.get("code") or body["error"]["code"])
