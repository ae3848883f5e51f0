"""The exchange's front door: who gets in, and in which words they are turned away. A client that never met these
words here would meet them with money at stake."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from exchange.signing import Signer
from simulator import order_entry, pauses
from simulator.opening import CUSTOMER
from tests.support.raw_client import ORDERS, Ed25519Signer
from tests.support.small_exchange import (
    NOW,
    SPORTS,
    TOO_MANY,
    Desk,
    M,
    code,
    listed,
    open_desk,
    rest,
    terms,
    wanted,
)


@pytest.fixture
def desk() -> Desk:
    return open_desk()


@pytest.fixture(scope="module")
def _one_desk() -> Desk:
    return open_desk()


@pytest.fixture
def shared(_one_desk: Desk) -> Desk:
    """The desk of tests that leave nothing behind, its buckets full."""
    _one_desk.wait(10)
    return _one_desk


# -- signatures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skew_ms", [-30_000, -5_001, 5_001, 300_000])
def test_a_request_of_another_time_is_turned_away(shared: Desk, skew_ms: int) -> None:
    response = shared.send("GET", "/portfolio/balance", skew_ms=skew_ms)
    assert response.status_code == 401
    assert response.json()["error"].keys() == {"code", "message"}
    assert code(response) == "header_timestamp_expired"
    for near in (-5_000, 5_000):
        assert shared.send("GET", "/portfolio/positions", skew_ms=near).status_code == 200


@pytest.mark.parametrize(
    ("options", "details"),
    [
        ({"headers": {"KALSHI-ACCESS-KEY": "somebody"}}, "NOT_FOUND"),
        ({"headers": {"KALSHI-ACCESS-KEY": ""}}, "NOT_FOUND"),
        ({"signed_path": "/portfolio/positions"}, "INCORRECT_API_KEY_SIGNATURE"),
        ({"signed_path": "/trade-api/v2/portfolio/positions?limit=5"}, "INCORRECT_API_KEY_SIGNATURE"),
        ({"headers": {"KALSHI-ACCESS-SIGNATURE": "%%%"}}, "INCORRECT_API_KEY_SIGNATURE"),
        ({"headers": {"KALSHI-ACCESS-SIGNATURE": "AAAA"}}, "INCORRECT_API_KEY_SIGNATURE"),
    ],
)
def test_an_account_needs_a_signature_of_that_very_request(
    shared: Desk, options: dict[str, Any], details: str
) -> None:
    """A request with an unknown key, or with a signature that is none or of another path, gets a 401 with the
    exchange's details. One without a signature is told so."""
    response = shared.send("GET", "/portfolio/positions?limit=5", **options)
    assert response.status_code == 401
    assert response.json()["error"] == {
        "code": "authentication_error", "message": "authentication_error", "details": details,
    }  # fmt: skip
    for unsigned in (shared.public("GET", "/portfolio/positions"), shared.send("GET", "/portfolio/positions",
                     headers={"KALSHI-ACCESS-SIGNATURE": ""})):  # fmt: skip
        assert (unsigned.status_code, code(unsigned)) == (401, "signature_is_missing_from_headers")
    assert shared.public("GET", "/account/limits").status_code == 401
    assert shared.send("GET", "/portfolio/positions?limit=5").status_code == 200


def test_the_key_and_not_the_request_decides_how_it_is_signed(desk: Desk) -> None:
    edwards, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    desk.embedded.api.keys["ed"] = edwards.public_key()
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    cases = [
        (Ed25519Signer("ed", edwards), 200),
        (Ed25519Signer("ed", other), 401),
        (Ed25519Signer(desk.embedded.key_id, edwards), 401),
        (Signer("ed", desk.embedded.private_key), 401),
        (Signer(desk.embedded.key_id, stranger), 401),
        (Signer(desk.embedded.key_id, desk.embedded.private_key), 200),
    ]
    for signer, status in cases:
        response = desk.send("POST", ORDERS, signer, json=wanted())
        assert response.status_code == (201 if status == 200 else status)
        if status == 401:
            assert response.json()["error"]["details"] == "INCORRECT_API_KEY_SIGNATURE"
    assert len([o for o in desk.exchange.resting(CUSTOMER) if o.ticker == M]) == 2


def test_a_signature_for_one_method_opens_no_other(desk: Desk) -> None:
    now_ms = int(desk.embedded.clock.now().timestamp() * 1000)
    signer = Signer(desk.embedded.key_id, desk.embedded.private_key)
    headers = signer.headers("POST", "/trade-api/v2" + ORDERS, now_ms)
    assert desk.public("DELETE", ORDERS, headers=headers).status_code == 401
    assert desk.public("POST", ORDERS, headers=headers, json=wanted()).status_code == 201


# -- paths and forms of errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/portfolio/orders"),
        ("DELETE", "/portfolio/orders/some-id"),
        ("POST", "/portfolio/orders/some-id/amend"),
        ("POST", "/portfolio/orders/some-id/decrease"),
        ("POST", "/portfolio/orders/batched"),
        ("DELETE", "/portfolio/orders/batched"),
    ],
)
def test_the_retired_order_paths_are_gone(shared: Desk, method: str, path: str) -> None:
    response = shared.send(method, path, json={})
    assert response.status_code == 410
    assert response.json()["error"] == {
        "code": "deprecated_v1_order_endpoint",
        "message": "Please switch to the V2 endpoints",
        "details": "https://docs.kalshi.com/api-reference/orders/create-order-v2",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/portfolio/nowhere", 404),
        ("GET", "/markets/KXNONE-1", 404),
        ("GET", "/events/KXNONE-1", 404),
        ("GET", "/portfolio/orders/none", 404),
        ("GET", "/portfolio/order_groups/none", 404),
        ("DELETE", f"{ORDERS}/none", 404),
        ("POST", "/markets", 405),
        ("PUT", "/portfolio/balance", 405),
        ("DELETE", "/portfolio/fills", 405),
        ("GET", ORDERS, 405),
    ],
)
def test_what_is_not_there_and_what_cannot_be_done_there(
    shared: Desk, method: str, path: str, status: int
) -> None:
    response = shared.send(method, path)
    assert response.status_code == status
    assert code(response) == {404: "not_found", 405: "method_not_allowed"}[status]


def test_errors_have_the_four_forms_that_the_exchange_has(desk: Desk) -> None:
    as_json = {"Content-Type": "application/json"}
    nested = desk.create(price="0.0150").json()
    assert nested["error"].keys() == {"code", "message", "service"}
    for text in ("{", "[]", "[" * 100_000, "1", '"x"'):
        flat = desk.send("POST", ORDERS, data=text, headers=as_json)
        assert flat.status_code == 400
        assert flat.json().keys() == {"code", "message", "details"}
        assert flat.json()["code"] == "bad_request"
    for query in ("limit=1001", "limit=x", "limit=-1", "status=open", "subaccount=2", "min_ts=soon"):
        word = desk.send("GET", f"/portfolio/orders?{query}")
        assert word.status_code == 400
        assert word.json().keys() == {"msg"}
    plain = desk.send("POST", ORDERS, data="{}", headers={"Content-Type": "text/plain"})
    assert code(plain) == "invalid_content_type"
    desk.get("/portfolio/balance")
    limited = desk.send("GET", "/portfolio/balance")
    assert (limited.status_code, limited.json()) == (429, TOO_MANY)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"count": 1}, "bad_request"),
        ({"price": 0.01}, "bad_request"),
        ({"count": None}, "bad_request"),
        ({"ticker": None}, "bad_request"),
        ({"time_in_force": None}, "bad_request"),
        ({"self_trade_prevention_type": None}, "bad_request"),
        ({"post_only": "yes"}, "bad_request"),
        ({"expiration_time": "1"}, "bad_request"),
        ({"exchange_index": "0"}, "bad_request"),
        ({"price": "0.01234"}, "invalid_parameters"),
        ({"price": ".01"}, "invalid_parameters"),
        ({"count": "1.001"}, "invalid_parameters"),
        ({"count": "-1"}, "invalid_parameters"),
        ({"side": "yes"}, "invalid_parameters"),
        ({"time_in_force": "gtc"}, "invalid_parameters"),
        ({"client_order_id": "KXHIGHCHI-26JAN16-B35.5"}, "invalid_parameters"),
        ({"client_order_id": "x" * 65}, "invalid_parameters"),
        ({"subaccount": 5}, "invalid_parameters"),
        ({"exchange_index": 99}, "invalid_parameters"),
        ({"exchange_index": 2}, "market_not_found"),
        ({"price": "0.0000"}, "invalid_price"),
        ({"price": "1.0000"}, "invalid_price"),
        ({"count": "0.00"}, "invalid_order_size"),
    ],
)
def test_a_malformed_order_is_refused_and_nothing_rests(shared: Desk, change: dict[str, Any], says: str) -> None:
    before = len(shared.account.orders)
    response = shared.create(**change)
    assert (response.status_code, code(response)) == (400, says)
    assert len(shared.account.orders) == before
    assert shared.create(client_order_id=f"a-Z_0:+=/{before}").status_code == 201


# -- writes over HTTP --------------------------------------------------------------------------------------------


def test_a_batch_says_of_each_order_what_became_of_it(desk: Desk) -> None:
    orders = [
        wanted(client_order_id="one"),
        wanted(client_order_id="one"),
        wanted(client_order_id="off", price="0.0150"),
        wanted(ticker="KXNONE-1"),
        wanted(count=1, client_order_id="number"),
        wanted(client_order_id="two", count="2.5"),
    ]
    response = desk.send("POST", f"{ORDERS}/batched", json={"orders": orders})
    assert response.status_code == 201
    rows = response.json()["orders"]
    assert [row["error"]["code"] if "error" in row else row["remaining_count"] for row in rows] == [
        "1.00", "order_already_exists", "invalid_price", "market_not_found", "bad_request", "2.50",
    ]  # fmt: skip
    assert [row.get("client_order_id") for row in rows] == ["one", "one", "off", None, "number", "two"]
    listed(desk.exchange, SPORTS, shard=3)
    (sport,) = rest(desk, 1, SPORTS)
    desk.wait(10)
    doomed = [
        {"order_id": rows[0]["order_id"], "market_ticker": M},
        {"order_id": rows[0]["order_id"], "market_ticker": M},
        {"order_id": sport},
        {"order_id": sport, "market_ticker": SPORTS, "subaccount": 4},
        {"order_id": rows[5]["order_id"], "exchange_index": 0},
    ]
    response = desk.send("DELETE", f"{ORDERS}/batched", json={"orders": doomed})
    assert response.status_code == 200
    answers = response.json()["orders"]
    assert [row["order_id"] for row in answers] == [row["order_id"] for row in doomed]
    assert [(row["reduced_by"], row.get("error", {}).get("code")) for row in answers] == [
        ("1.00", None), ("0.00", "not_found"), ("0.00", "not_found"), ("0.00", "invalid_parameters"),
        ("2.50", None),
    ]  # fmt: skip
    for bad in ([], {}, [1], [{"order_id": sport, "market_ticker": SPORTS}, {"order_id": 5}], None):
        desk.wait(1)
        assert desk.send("DELETE", f"{ORDERS}/batched", json={"orders": bad}).status_code == 400
    assert [o.order_id for o in desk.exchange.resting(CUSTOMER) if o.ticker == SPORTS] == [sport]


def test_a_cancel_without_its_market_misses_on_another_shard(desk: Desk) -> None:
    """A cancel without a market goes to the first shard. If the order is on another one, the answer is 404, as
    with a wrong market or shard."""
    listed(desk.exchange, SPORTS, shard=3)
    (order_id,) = rest(desk, 1, SPORTS)
    path = f"{ORDERS}/{order_id}"
    for query in ("", "?exchange_index=0", "?exchange_index=2", f"?market_ticker={M}", "?market_ticker=KXNONE"):
        missed = desk.send("DELETE", path + query)
        assert (missed.status_code, missed.json()) == (
            404,
            {"error": {"code": "not_found", "message": "not found", "service": "exchange"}},
        )
    assert desk.send("DELETE", f"{path}?market_ticker={SPORTS}").json()["reduced_by"] == "0.01"
    assert desk.send("DELETE", f"{path}?market_ticker={SPORTS}").json() == missed.json()


def test_answers_to_writes_tell_counts_prices_and_fees(desk: Desk) -> None:
    market = desk.exchange.markets[M]
    desk.exchange.crowd_rest(market, False, 5_200, 100)
    desk.exchange.crowd_rest(market, False, 5_300, 100)
    resting = desk.create(count="3.00").json()
    assert resting.keys() == {"order_id", "client_order_id", "fill_count", "remaining_count", "ts_ms"}
    assert (resting["fill_count"], resting["remaining_count"], resting["ts_ms"]) == ("0.00", "3.00", NOW * 1000)
    taken = desk.create(count="1.50", price="0.5300", time_in_force="immediate_or_cancel").json()
    assert (taken["fill_count"], taken["remaining_count"]) == ("1.50", "0.00")
    assert taken["average_fill_price"] == "0.523333"
    assert float(taken["average_fee_paid"]) == pytest.approx(
        0.07 * (0.52 * 0.48 + 0.53 * 0.47 / 2) / 1.5, abs=1e-4
    )
    path = f"{ORDERS}/{resting['order_id']}"
    body = {"ticker": M, "side": "bid", "price": "0.0100", "count": "3.00"}
    same = desk.send("POST", f"{path}/amend", json=body | {"expiration_time": int(NOW) + 60}).json()
    assert same.keys() == {"order_id", "ts_ms"}
    smaller = desk.send("POST", f"{path}/amend", json=body | {"count": "2.00"}).json()
    assert (smaller["fill_count"], smaller["remaining_count"]) == ("0.00", "2.00")
    crossing = desk.send("POST", f"{path}/amend", json=body | {"count": "2.00", "price": "0.5300"}).json()
    assert (crossing["fill_count"], crossing["remaining_count"]) == ("0.50", "1.50")
    assert crossing["average_fill_price"] == "0.5300"
    less = desk.send("POST", f"{path}/decrease", json={"reduce_by": "0.25", "market_ticker": M}).json()
    assert less["remaining_count"] == "1.25"
    desk.wait(1)
    for bad in ({}, {"reduce_by": "1.00", "reduce_to": "1.00"}, {"reduce_by": "0.00"}, {"reduce_by": 1}):
        assert desk.send("POST", f"{path}/decrease", json=bad).status_code == 400
    assert desk.send("DELETE", f"{path}?market_ticker={M}").json()["reduced_by"] == "1.25"
    desk.wait(1)
    row = desk.get(f"/portfolio/orders/{resting['order_id']}")["order"]
    assert (row["status"], row["fill_count_fp"], row["remaining_count_fp"]) == ("canceled", "0.50", "0.00")


def test_an_order_group_is_kept_on_the_shard_that_is_named(desk: Desk) -> None:
    """Over HTTP a group is made, listed, reset, triggered, limited and deleted on its own shard. On the first
    shard it is not found, and a bad limit is refused."""
    listed(desk.exchange, SPORTS, shard=3)
    groups = "/portfolio/order_groups"
    for bad in ({"contracts_limit": 0}, {"contracts_limit": 1_000_001}, {"contracts_limit_fp": "0.50"},
                {"contracts_limit": 5, "contracts_limit_fp": "6.00"}, {"exchange_index": -1}):  # fmt: skip
        assert desk.send("POST", f"{groups}/create", json=bad).status_code == 400
    made = desk.send("POST", f"{groups}/create", json={"contracts_limit": 5, "exchange_index": 3})
    assert made.status_code == 201
    name = made.json()["order_group_id"]
    desk.wait(1)
    order_id = desk.create(ticker=SPORTS, order_group_id=name).json()["order_id"]
    assert desk.get(groups)["order_groups"] == [
        {"id": name, "contracts_limit_fp": "5.00", "is_auto_cancel_enabled": True, "exchange_index": 3}
    ]
    assert desk.get(f"{groups}/{name}")["orders"] == [order_id]
    for call, body in (("reset", {}), ("trigger", {}), ("limit", {"contracts_limit_fp": "7.00"})):
        assert desk.send("PUT", f"{groups}/{name}/{call}", json=body).status_code == 404, "it is not on the first"
        assert desk.send("PUT", f"{groups}/{name}/{call}?exchange_index=3", json=body).json() == {}
    assert desk.get(f"{groups}/{name}") == {
        "contracts_limit_fp": "7.00", "is_auto_cancel_enabled": True, "exchange_index": 3, "orders": [],
    }  # fmt: skip
    assert code(desk.create(ticker=SPORTS, order_group_id=name)) == "exceeded_order_group_risk_limit"
    desk.wait(1)
    assert desk.send("DELETE", f"{groups}/{name}?exchange_index=3").json() == {}
    assert desk.get(groups)["order_groups"] == []


def test_pauses_are_told_and_refused_in_the_exchanges_words(desk: Desk) -> None:
    (order_id,) = rest(desk, 1)
    pauses.pause(desk.exchange, "exchange", [0])
    pauses.pause(desk.exchange, "trading", [3])
    status = desk.look("/exchange/status")
    assert (status["exchange_active"], status["trading_active"]) == (False, False)
    assert [(s["exchange_active"], s["trading_active"]) for s in status["exchange_index_statuses"]] == [
        (False, False), (True, True), (True, True), (True, False),
    ]  # fmt: skip
    assert desk.create().status_code == 409
    assert code(desk.create()) == "exchange_is_paused"
    assert code(desk.send("DELETE", f"{ORDERS}/{order_id}?market_ticker={M}")) == "exchange_is_paused"
    pauses.resume(desk.exchange, "exchange")
    order_entry.create(desk.exchange, CUSTOMER, terms(True, 1, 1))
    assert desk.send("DELETE", f"{ORDERS}/{order_id}?market_ticker={M}").status_code == 200


def test_a_key_that_may_only_read_is_refused_every_write(desk: Desk) -> None:
    desk.embedded.api.read_only.add(desk.embedded.key_id)
    assert desk.get("/portfolio/balance")
    for method, path in (("POST", ORDERS), ("DELETE", ORDERS), ("PUT", "/portfolio/order_groups/x/reset")):
        refused = desk.send(method, path, json=wanted())
        assert (refused.status_code, code(refused)) == (403, "forbidden")
    assert all(order.ticker != M for order in desk.account.resting.values())
