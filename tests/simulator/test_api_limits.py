"""Rate limits: the published buckets, tier by tier. A bot that is let through here and not there finds out when it
has to cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.api import service
from simulator.opening import CUSTOMER
from tests.support.raw_client import ORDERS
from tests.support.small_exchange import SPORTS, TOO_MANY, Desk, M, listed, open_desk, rest, wanted


@pytest.fixture
def desk() -> Desk:
    return open_desk()


def times(act: Callable[[], Any], most: int = 1_000) -> int:
    """How often something goes through before it is one too many."""
    for number in range(most):
        response = act()
        if response.status_code == 429:
            assert response.json() == TOO_MANY
            assert "Retry-After" not in response.headers
            return number
        assert response.status_code < 300, response.text
    return most


def test_an_order_beyond_the_rate_limit_is_not_done(desk: Desk) -> None:
    """The exchange takes ten orders at once and then ten a second. Reads have a rate limit of their own."""
    before = len(desk.account.orders)
    assert times(desk.create) == 10
    assert desk.create(client_order_id="late").status_code == 429
    assert (len(desk.account.orders) - before, "late" in desk.account.client_order_ids) == (10, False)
    desk.wait(0.1)
    assert times(desk.create) == 1
    desk.wait(0.5)
    assert times(desk.create) == 5
    desk.wait(3_600)
    assert times(desk.create) == 10
    assert desk.send("GET", "/portfolio/positions").status_code == 200, "reads have a bucket of their own"


def test_reads_are_200_tokens_a_second_and_three_seconds_at_once(desk: Desk) -> None:
    assert times(lambda: desk.send("GET", "/portfolio/positions")) == 60
    assert desk.create().status_code == 201
    assert desk.send("GET", "/portfolio/balance").status_code == 200, "it has a bucket of its own"
    assert desk.send("GET", "/account/limits").status_code == 429
    desk.wait(0.05)
    order_id = next(iter(desk.account.orders))
    assert times(lambda: desk.send("GET", f"/portfolio/orders/{order_id}")) == 5
    desk.wait(1)
    assert times(lambda: desk.send("GET", "/portfolio/fills")) == 20


def test_the_balance_may_be_read_once_a_second(desk: Desk) -> None:
    read = lambda: desk.send("GET", "/portfolio/balance")  # noqa: E731
    assert times(read) == 1
    desk.wait(0.9)
    assert times(read) == 0
    desk.wait(0.1)
    assert times(read) == 1
    desk.wait(60)
    assert times(read) == 1
    higher = open_desk("premier")
    assert times(lambda: higher.send("GET", "/portfolio/balance")) == 1
    higher.wait(0.2)
    assert times(lambda: higher.send("GET", "/portfolio/balance")) == 1


def test_public_calls_are_not_billed(desk: Desk) -> None:
    assert times(lambda: desk.public("GET", "/markets?limit=1"), 300) == 300
    assert times(lambda: desk.send("GET", "/portfolio/positions")) == 60


def test_a_cancel_costs_a_fifth_of_an_order(desk: Desk) -> None:
    ids = iter(rest(desk, 60))
    assert times(lambda: desk.send("DELETE", f"{ORDERS}/{next(ids)}?exchange_index=0")) == 50
    desk.wait(0.02)
    assert desk.send("DELETE", ORDERS).status_code == 204
    assert desk.exchange.resting(CUSTOMER) == []


def test_a_batch_must_fit_whole(desk: Desk) -> None:
    def batch(count: int, method: str = "POST") -> Any:
        ids = [{"order_id": name, "market_ticker": M} for name in rest(desk, count)] if method == "DELETE" else []
        return desk.send(method, f"{ORDERS}/batched", json={"orders": ids or [wanted()] * count})

    before = len(desk.account.orders)
    assert batch(11).json() == TOO_MANY
    assert len(desk.account.orders) == before
    assert batch(10).status_code == 201
    assert batch(1).status_code == 429
    desk.wait(0.99)
    assert batch(10).status_code == 429
    desk.wait(0.01)
    assert batch(51, "DELETE").status_code == 429
    assert batch(50, "DELETE").status_code == 200
    assert batch(1, "DELETE").status_code == 429


def test_a_write_pays_on_the_shard_it_names(desk: Desk) -> None:
    """A write that names no shard pays on all of them."""
    listed(desk.exchange, SPORTS, shard=3)
    sport = lambda **more: desk.create(ticker=SPORTS, **more)  # noqa: E731
    assert times(lambda: sport(exchange_index=3)) == 10
    assert sport().status_code == sport(exchange_index=-1).status_code == 429, "routed ones pay everywhere"
    assert desk.create().status_code == 429
    assert desk.send("POST", f"{ORDERS}/batched", json={"orders": [wanted()] * 4}).status_code == 201
    assert times(lambda: desk.create(exchange_index=0)) == 6
    desk.wait(1)
    (order_id,) = rest(desk, 1, SPORTS)
    path = f"{ORDERS}/{order_id}"
    assert times(sport) == 10
    for act in (
        lambda: sport(exchange_index=3),
        lambda: desk.create(exchange_index=0),
        lambda: desk.send("POST", f"{path}/decrease", json={"reduce_to": "0.01", "exchange_index": 3}),
    ):
        assert act().status_code == 429
    desk.wait(1)
    assert times(lambda: sport(exchange_index=3)) == 10
    amended = {"ticker": SPORTS, "side": "bid", "price": "0.0100", "count": "0.01"}
    assert desk.send("POST", f"{path}/amend", json=amended).status_code == 429
    smaller = {"reduce_to": "0.01", "market_ticker": SPORTS}
    assert desk.send("POST", f"{path}/decrease", json=smaller).status_code == 429
    assert desk.send("DELETE", f"{path}?market_ticker={SPORTS}").status_code == 429
    assert desk.send("DELETE", f"{path}?exchange_index=3").status_code == 429
    desk.wait(0.02)
    assert desk.send("DELETE", f"{path}?exchange_index=3").status_code == 200


TIERS = {  # refill and capacity of reads, of writes
    "basic": (200, 600, 100, 100),
    "advanced": (300, 900, 300, 900),
    "expert": (600, 600, 600, 1_800),
    "premier": (1_200, 1_200, 1_200, 3_600),
    "paragon": (2_400, 2_400, 2_400, 7_200),
    "prime": (4_800, 4_800, 4_800, 14_400),
    "prestige": (12_000, 12_000, 9_600, 28_800),
}


@pytest.mark.parametrize("tier", TIERS)
def test_the_limits_told_are_the_tiers(tier: str) -> None:
    read_rate, read_capacity, write_rate, write_capacity = TIERS[tier]
    desk = open_desk(tier)
    told = desk.get("/account/limits")
    assert told == {
        "usage_tier": tier,
        "read": {"refill_rate": read_rate, "bucket_capacity": read_capacity},
        "write": {"refill_rate": write_rate, "bucket_capacity": write_capacity},
        "grants": [],
    }
    if write_capacity <= 1_800:
        assert times(desk.create) == write_capacity / 10


def test_the_costs_told_are_those_charged(desk: Desk) -> None:
    told = desk.look("/account/endpoint_costs")
    assert told["default_cost"] == 10
    assert {
        (row["method"], row["path"].removeprefix(service.ROOT)): row["cost"] for row in told["endpoint_costs"]
    } == {
        ("DELETE", ORDERS): 2,
        ("DELETE", f"{ORDERS}/:order_id"): 2,
        ("DELETE", f"{ORDERS}/batched"): 2,
        ("GET", "/portfolio/orders/:order_id"): 2,
    }


def test_signed_calls_are_billed_wherever_they_go(desk: Desk) -> None:
    """A bot that signs its scans of the market pays for them like for any other read."""
    assert times(lambda: desk.send("GET", "/markets/orderbooks?tickers=x")) == 60
    assert desk.public("GET", "/markets/orderbooks?tickers=x").status_code == 200
    assert desk.send("GET", "/portfolio/positions").status_code == 429
