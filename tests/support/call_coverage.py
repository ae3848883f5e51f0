"""Helpers for tests of client calls: the methods a test covers, benches that check the wire, and short ways to
orders.

A test of calls talks to the simulator over HTTP. It compares with the exchange's own state, never with the
client's. If the published specification is present, it judges every request and answer after the test. Each
request must have gone to the path in the tested method's docstring.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from clients import KalshiHttpClient
from exchange.models import Order, OrderRequest, OrderResponse, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Side
from simulator import matching
from simulator.listing import ListedMarket
from tests.support.bench import Bench
from tests.support.project import SPECIFICATION
from tests.support.published_spec import assert_all_published

T = TypeVar("T", bound=Callable[..., None])
D = Decimal

CALL = re.compile(r"(GET|POST|PUT|DELETE) (/[\w{}/]+)")
ALSO = re.compile(r"and (/account/[\w]+)")


def about(*methods: str) -> Callable[[T], T]:
    """Mark the methods that a test covers. It must have made the calls that their docstrings name."""

    def note(test: T) -> T:
        test.methods = methods  # type: ignore[attr-defined]
        return test

    return note


def public_methods() -> dict[str, str]:
    """The docstrings of the client's public methods."""
    found = inspect.getmembers(KalshiHttpClient, inspect.isfunction)
    return {name: inspect.getdoc(method) or "" for name, method in found if not name.startswith("_")}


def calls_of(doc: str) -> list[tuple[str, str]]:
    """The verbs and paths that a docstring names."""
    return [*CALL.findall(doc), *(("GET", path) for path in ALSO.findall(doc))]


def assert_called(methods: Sequence[str], asked: Sequence[str]) -> None:
    for name in methods:
        for verb, template in calls_of(public_methods()[name]):
            pattern = re.compile(f"{verb} /trade-api/v2{re.sub(r'{[^}]+}', '[^/]+', template)}")
            assert any(pattern.fullmatch(line) for line in asked), f"{name} never called {verb} {template}"


@pytest.fixture
def open_bench(make_bench: Callable[..., Bench], request: pytest.FixtureRequest) -> Iterator[Callable[..., Bench]]:
    """Benches without other traders. Their requests and answers are judged at the end."""
    benches: list[Bench] = []

    def make(**changed: Any) -> Bench:
        benches.append(make_bench(**{"programs": 12, "who": ()} | changed))
        return benches[-1]

    yield make
    asked = [line for bench in benches for line in bench.wire.asked()]
    assert_called(getattr(request.function, "methods", ()), asked)
    if SPECIFICATION.exists():
        for bench in benches:
            assert_all_published(bench.wire)


@pytest.fixture
def bench(open_bench: Callable[..., Bench]) -> Bench:
    return open_bench()


SHARD_0, SHARD_3 = "KXHIGHCHI-26NOV24-B5.5", "KXMLBGAME-26NOV25-T2"
"""Two markets with both sides: the first on shard 0, at 13 to 14 cents; the second on shard 3, at 52 to 53 cents,
with maker fees."""


def market(bench: Bench, ticker: str = SHARD_3) -> ListedMarket:
    return bench.exchange.api.exchange.markets[ticker]


def ask_for(bench: Bench, name: str, ticker: str = SHARD_3, **changed: Any) -> OrderRequest:
    """A request for 2.5 YES at 50 cents, which rests."""
    terms: dict[str, Any] = {
        "side": Side.YES, "price": "0.5000" if ticker == SHARD_3 else "0.0500", "count": "2.50",
        "time_in_force": TimeInForce.GOOD_TILL_CANCELED,
    } | changed  # fmt: skip
    bid = Bid(terms.pop("side"), D(terms.pop("price")), D(terms.pop("count")))
    return OrderRequest(
        ticker, market(bench, ticker).shard, name, bid, self_trade_prevention=SelfTradePrevention.MAKER, **terms
    )


def place(bench: Bench, name: str, ticker: str = SHARD_3, **changed: Any) -> Order:
    """An order that rests, as the client reads it."""
    response = bench.client.create_order(ask_for(bench, name, ticker, **changed))
    return next(o for o in bench.client.get_resting_orders() if o.order_id == response.order_id)


def real(bench: Bench, order: Order | OrderResponse) -> matching.Order:
    """The order itself, in the exchange."""
    return bench.account.orders[order.order_id]


def queue(bench: Bench, order: Order) -> int:
    """Contracts ahead of our order, in 1/100 contracts."""
    return market(bench).book.bids.ahead_of(real(bench, order))


def taken_by_others(bench: Bench, ticker: str, is_bid: bool, pips: int, size: int) -> None:
    """A trader takes `size` 1/100 contracts of the resting orders."""
    exchange = bench.exchange.api.exchange
    exchange.crowd_take(market(bench, ticker), is_bid, pips, size)
    exchange.advance(exchange.now)


def wait(bench: Bench, seconds: float) -> None:
    bench.pass_time(seconds)
    bench.exchange.api.exchange.advance(bench.exchange.clock.now().timestamp())


def dollars(micros: int) -> Decimal:
    return D(micros) / matching.DOLLAR
