"""A small exchange without other traders than those a test sends, and a customer that uses it over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import requests

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
from simulator.reading import REAL, Reading
from simulator.transport import ExchangeAdapter
from tests.support.project import START
from tests.support.raw_client import ROOT, RawClient, create_body

NOW = START.timestamp()
M = "KXM-26-T1"
"""The market that most tests trade in."""

QUARTER = FeeTerms("quadratic_with_maker_fees")
SPORTS = "KXS-26-T1"
"""A market of shard 3, in tests that list it."""

TOO_MANY = {"error": "too many requests"}


def listed(
    exchange: Exchange,
    ticker: str = M,
    shard: int = 0,
    grid: Grid = LINEAR,
    fees: FeeTerms = STANDARD,
    opens_in: float = -1.0,
    closes_in: float = 1e6,
    result: str | int = "yes",
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
    """An exchange with one market on shard 0, and accounts with `cash` dollars there."""
    exchange = Exchange(NOW, seed)
    market = listed(exchange)
    for owner in owners.split():
        exchange.open_account(owner, {0: cash * DOLLAR})
    return exchange, market


def terms(is_bid: bool, cents: float, count: float, **changed: Any) -> OrderTerms:
    """An order for `count` contracts at `cents` of YES."""
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
    """Amend an order. Terms that are not given stay. `count` in contracts, `cents` of YES."""
    count, cents = changed.pop("count", order.size / CONTRACT), changed.pop("cents", order.price / 100)
    shape = {
        "ticker": order.ticker, "is_bid": order.is_bid, "price": round(cents * 100),
        "size": round(count * CONTRACT),
    }  # fmt: skip
    return order_entry.amend(exchange, owner, order.order_id, Amendment(**(shape | changed)))[0]


def take(exchange: Exchange, order: Order, part: float = 1.0) -> int:
    """A trader takes a part of an order's remaining size; the orders ahead of it step aside for a moment. Returns
    the 1/100 contracts, 1 or more."""
    market = exchange.markets[order.ticker]
    half, ahead = market.book.half(order.is_bid), []
    while half.first(half.best() or 0) is not order:
        ahead.append(half.first(half.best() or 0))
        half.remove(ahead[-1])
    size = max(int(order.remaining * part), 1)
    exchange.execute(market, Order(order.ticker, not order.is_bid, order.price, size))
    for one in ahead:
        half.add(one)
    exchange.changed(market)
    return size


def refusal(act: Callable[[], object]) -> tuple[int, str]:
    """The status and the code of a refusal."""
    with pytest.raises(Refusal) as no:
        act()
    return no.value.status, no.value.code


# -- over HTTP -------------------------------------------------------------------------------------------------


class Desk(RawClient):
    """A customer of an exchange whose wire takes no time."""

    def __init__(self, opened: EmbeddedExchange) -> None:
        signer = Signer(opened.key_id, opened.private_key)
        super().__init__(embedded.HOST + ROOT, signer, opened.session, opened.clock.now, M)
        self.embedded = opened

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

    def public(self, method: str, path: str, **options: Any) -> requests.Response:
        """An unsigned request."""
        return self.session.request(method, self.base + path, **options)

    def get(self, path: str, **options: Any) -> Any:
        """The body of a signed read that must succeed, at a pace that every tier allows."""
        self.wait(0.05)
        return super().get(path, **options)

    def look(self, path: str) -> Any:
        """The body of a public read that must succeed."""
        response = self.public("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    def pages(self, path: str, name: str, limit: int, cursor: str = "cursor") -> list[list[Any]]:
        """All pages of a list. A cursor that comes twice is an error."""
        found, mark, marks = [], "", {""}
        glue = "&" if "?" in path else "?"
        while not found or mark:
            answer = self.look(f"{path}{glue}limit={limit}&cursor={mark}") if path.startswith(
                ("/markets", "/events", "/incentive")
            ) else self.get(f"{path}{glue}limit={limit}&cursor={mark}")  # fmt: skip
            found.append(answer[name])
            mark = answer.get(cursor, "")
            assert mark not in marks - {""}, f"{path} has no end"
            marks.add(mark)
        return found


def open_desk(tier: str = "basic", seed: int = 1, programs: int = 1, reading: Reading = REAL) -> Desk:
    """An exchange without traders, with one extra quiet market. Its customer has cash on shards 0, 2 and 3."""
    opened = embedded.start(seed, None, None, START, programs, (), tier, reading=reading)
    opened.session.mount(embedded.HOST, ExchangeAdapter(opened.api, opened.clock, 0.0))
    listed(opened.api.exchange)
    return Desk(opened)


def wanted(**changed: Any) -> dict[str, Any]:
    """The body of a create request, for the quiet market."""
    return create_body(M, **changed)


def rest(desk: Desk, count: int, ticker: str = M) -> list[str]:
    """Ids of orders that rest without having cost anything."""
    return [bid(desk.exchange, CUSTOMER, 1, 0.01, ticker=ticker).order_id for _ in range(count)]


def code(response: Any) -> str:
    """An error's code, in either form of the body."""
    body = response.json()
    return str(body.get("code") or body["error"]["code"])
