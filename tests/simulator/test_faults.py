"""Every fault of a script does what it says, to a client that knows nothing of ours: a test that meets a fault
which does less than its name would prove nothing. What the client sees is one half; what the exchange really did
is the other."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from tests.support.faulty_exchange import CANCEL, CREATE, LATENCY, MARKET, OTHER, PATIENCE, open_with, said, shows
from tests.support.raw_client import ORDERS

# -- lost on the wire ------------------------------------------------------------------------------------------


@shows("refused", "reset_before")
@pytest.mark.parametrize(
    ("kind", "reason"), [("refused", "Connection refused"), ("reset_before", "Connection reset by peer")]
)
def test_what_is_cut_before_the_exchange_is_not_done(kind: str, reason: str) -> None:
    client = open_with({"do": kind, "on": CREATE, "times": 1})
    with pytest.raises(requests.exceptions.ConnectionError, match=reason) as lost:
        client.create(client_order_id="mine")
    assert not isinstance(lost.value, requests.exceptions.Timeout)
    assert lost.value.request is not None
    assert client.resting() == []
    assert client.create(client_order_id="mine").status_code == 201, "the name was not used up"


@shows("reset_after")
def test_an_order_whose_answer_is_reset_rests_all_the_same() -> None:
    """If the connection is reset after the exchange acted, the order rests. A second order under the same id is
    refused as a duplicate."""
    client = open_with({"do": "reset_after", "on": CREATE, "times": 1})
    with pytest.raises(requests.exceptions.ConnectionError, match="Connection reset by peer"):
        client.create(client_order_id="mine")
    (order,) = client.resting()
    assert (order.client_order_id, order.status, order.remaining) == ("mine", "resting", 1_000)
    assert said(client.create(client_order_id="mine")) == (409, "order_already_exists")
    assert len(client.resting()) == 1


@shows("reset_after")
def test_a_cancel_whose_answer_is_lost_has_canceled() -> None:
    client = open_with({"do": "reset_after", "on": CANCEL, "times": 1})
    order_id = client.place()
    with pytest.raises(requests.exceptions.ConnectionError):
        client.cancel(order_id)
    assert client.resting() == []
    assert said(client.cancel(order_id)) == (404, "not_found")


@shows("timeout_before", "timeout_after")
@pytest.mark.parametrize(("kind", "rests"), [("timeout_before", 0), ("timeout_after", 1)])
def test_a_timeout_does_not_say_whether_the_order_rests(kind: str, rests: int) -> None:
    """The client waits for its whole read timeout. The error is the same whether the exchange placed the order
    or not."""
    client = open_with({"do": kind, "on": CREATE, "times": 1})
    sent = client.elapsed
    with pytest.raises(requests.exceptions.ReadTimeout, match=r"read timeout=3\.0"):
        client.create()
    assert PATIENCE <= client.elapsed - sent <= PATIENCE + LATENCY
    assert len(client.resting()) == rests


@shows("latency")
def test_a_late_answer_comes_so_late_and_is_whole() -> None:
    client = open_with({"do": "latency", "on": CREATE, "seconds": 2.5, "times": 1})
    sent = client.elapsed
    assert client.create().status_code == 201
    assert client.elapsed - sent == pytest.approx(2.5 + LATENCY)
    sent = client.elapsed
    client.create()
    assert client.elapsed - sent == pytest.approx(LATENCY)


@shows("latency")
def test_an_answer_that_comes_too_late_is_a_timeout() -> None:
    """If an answer takes longer than the client's read timeout, the client stops waiting then. The order rests
    all the same."""
    client = open_with({"do": "latency", "on": CREATE, "seconds": PATIENCE + 1})
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.create()
    assert client.elapsed <= PATIENCE + LATENCY
    assert len(client.resting()) == 1


# -- answered in the exchange's place --------------------------------------------------------------------------


@shows("429", "500", "503", "503_html")
@pytest.mark.parametrize("acted", [False, True])
@pytest.mark.parametrize("kind", ["429", "500", "503", "503_html"])
def test_an_injected_error_places_no_order_unless_it_acted(kind: str, acted: bool) -> None:
    """The script answers 429, 500 or 503 in the exchange's place, in the exchange's form. The order rests only
    if the rule says that it acted."""
    client = open_with({"do": kind, "on": CREATE, "times": 1, "acted": acted})
    answer = client.create(client_order_id="mine")
    assert answer.status_code == int(kind[:3])
    if kind == "429":
        assert answer.json() == {"error": "too many requests"}
        assert "Retry-After" not in answer.headers
    elif kind == "500":
        assert answer.json()["error"]["code"] == "internal_server_error"
    elif kind == "503":
        assert answer.json()["exchange_active"] is True
    else:
        assert answer.headers["Content-Type"] == "text/html"
        with pytest.raises(requests.exceptions.JSONDecodeError):
            answer.json()
    assert [order.client_order_id for order in client.resting()] == ["mine"] * acted
    assert client.create(client_order_id="mine").status_code == (409 if acted else 201)


def test_an_error_can_come_late_or_never() -> None:
    client = open_with(
        {"do": "503", "on": CREATE},
        {"do": "latency", "seconds": 2, "on": CREATE, "times": 1},
        {"do": "reset_after", "on": CREATE, "skip": 1},
    )
    assert client.create().status_code == 503
    assert client.elapsed == pytest.approx(2 + LATENCY)
    with pytest.raises(requests.exceptions.ConnectionError):
        client.create()
    assert client.resting() == []


@shows("order_refused")
@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ({}, (400, "invalid_price")),
        ({"code": "invalid_order_size"}, (400, "invalid_order_size")),
        ({"status": 409, "code": "exceeded_per_market_risk_limit"}, (409, "exceeded_per_market_risk_limit")),
    ],
)
def test_a_refused_order_is_answered_as_the_engine_does(given: dict[str, Any], answered: tuple[int, str]) -> None:
    """Creates and amends, not reads and cancels. Nothing is placed or changed."""
    client = open_with({"do": "order_refused", "skip": 1} | given)
    order_id = client.place()
    assert said(client.create()) == answered
    lower = {"ticker": MARKET, "side": "bid", "price": "0.5100", "count": "10.00"}
    assert said(client.send("POST", f"{ORDERS}/{order_id}/amend", json=lower)) == answered
    assert [order.order_id for order in client.resting()] == [order_id]
    assert client.resting()[0].price == 5_200
    assert client.send("GET", "/exchange/status").status_code == 200
    client.cancel(order_id)
    assert client.resting() == []


@shows("order_refused")
@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"ticker": MARKET}, {(MARKET, "bid"), (MARKET, "ask")}),
        ({"ticker": MARKET, "side": "ask"}, {(MARKET, "ask")}),
        ({"side": "bid"}, {(MARKET, "bid"), (OTHER, "bid")}),
    ],
)
def test_orders_of_one_market_or_side_are_refused(given: dict[str, str], refused: set[tuple[str, str]]) -> None:
    """Others neither are, nor do they count for `times`."""
    client = open_with({"do": "order_refused", "times": len(refused)} | given)
    prices = {"bid": "0.5200", "ask": "0.5700"}
    found = {
        (ticker, side)
        for side in ("bid", "ask") for ticker in (OTHER, MARKET)
        if client.create(ticker=ticker, side=side, price=prices[side]).status_code == 400
    }  # fmt: skip
    assert found == refused
    assert client.create().status_code == 201


# -- an endpoint that is not there -----------------------------------------------------------------------------


@shows("403", "404", "404_html", "501", "501_text", "html")
@pytest.mark.parametrize(
    ("kind", "status", "content_type", "says"),
    [
        ("403", 403, "application/json", '"code": "permission_denied"'),
        ("404", 404, "application/json", '"code": "not_found"'),
        ("404_html", 404, "text/html", "<h1>404 Not Found</h1>"),
        ("501", 501, "application/json", '"code": "not_implemented"'),
        ("501_text", 501, "text/plain", "Not Implemented"),
        ("html", 200, "text/html", "<title>Scheduled maintenance</title>"),
    ],
)
def test_an_endpoint_that_is_missing_says_so_and_does_nothing(
    kind: str, status: int, content_type: str, says: str
) -> None:
    """The exchange does nothing, and every other endpoint answers as usual."""
    client = open_with({"do": kind, "on": CREATE, "until": 60})
    answer = client.create(client_order_id="mine")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)
    assert says in answer.text
    assert client.resting() == []
    assert client.send("GET", "/portfolio/balance").status_code == 200
    client.wait_until(60)
    assert client.create(client_order_id="mine").status_code == 201


@shows("nonsense")
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/portfolio/settlements", "settlements"),
        ("/portfolio/intra_exchange_instance_transfers", "transfers"),
        ("/portfolio/balance", "balance"),
        ("/account/limits", "read"),
    ],
)
def test_nonsense_has_many_shapes_and_none_that_is_an_answer(path: str, name: str) -> None:
    """Among them are another type, an empty object, a list of rows that are nonsense, and fields of a wrong type.
    The same seed sends them in the same order."""

    def drawn() -> list[object]:
        client = open_with({"do": "nonsense", "on": f"GET {path}"})
        found = []
        for number in range(100):
            client.wait_until(number)
            answer = client.send("GET", path)
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
            found.append(answer.json())
        return found

    seen = drawn()
    assert seen == drawn()
    for shape in ([], "ok", {}, {"data": None}, {"error": "x"}):
        assert shape in seen
    own = [one[name] for one in seen if isinstance(one, dict) and name in one]
    assert own, "the answer's own field is never there"
    assert all(value in ("none", "much", "fast") or value == [1, None, {"a": "b"}] for value in own)


# -- spoilt answers --------------------------------------------------------------------------------------------


@shows("truncated")
def test_half_an_answer_is_no_json_and_the_order_rests() -> None:
    client = open_with({"do": "truncated", "on": CREATE, "times": 1})
    answer = client.create()
    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "application/json")
    assert answer.text.startswith("{")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()
    assert len(client.resting()) == 1
    client.create().json()


@shows("no_order")
def test_a_success_without_the_order_in_it_has_placed_the_order() -> None:
    client = open_with({"do": "no_order", "on": CREATE})
    answer = client.create()
    assert (answer.status_code, answer.json()) == (201, {})
    assert len(client.resting()) == 1
    assert said(client.create(price="0.5250")) == (400, "invalid_price"), "only what succeeds is spoilt"


@shows("unknown_status")
def test_an_unknown_status_replaces_only_the_answers_status() -> None:
    """The script shows an unknown order status in the list and in the single order. The order itself still
    rests, and the market's status stays as it is."""
    client = open_with({"do": "unknown_status", "on": "GET /portfolio/orders*"})
    order_id = client.place()
    assert {order["status"] for order in client.get("/portfolio/orders")["orders"]} == {"pondering"}
    assert client.get(f"/portfolio/orders/{order_id}")["order"]["status"] == "pondering"
    assert client.get(f"/markets/{MARKET}")["market"]["status"] == "active"
    assert client.resting()[0].status == "resting"


@shows("missing_field")
def test_a_missing_field_is_missing_everywhere() -> None:
    """The field is missing from the answer to an order and from all rows of a list. All other fields stay, and
    the order rests."""
    client = open_with({"do": "missing_field", "field": "order_id"})
    answer = client.create()
    assert answer.status_code == 201
    assert set(answer.json()) == {"client_order_id", "fill_count", "remaining_count", "ts_ms"}
    assert len(client.resting()) == 1
    orders = client.get("/portfolio/orders")["orders"]
    assert len(orders) > 1
    assert all("order_id" not in order and "ticker" in order for order in orders)


@shows("repeated_cursor")
@pytest.mark.parametrize(
    ("path", "cursor"), [("/portfolio/orders", "cursor"), ("/incentive_programs", "next_cursor")]
)
def test_a_page_that_names_itself_as_the_next_never_ends(path: str, cursor: str) -> None:
    client = open_with({"do": "repeated_cursor", "on": f"GET {path}"})
    first = client.get(f"{path}?limit=1000")
    again = client.get(f"{path}?limit=1000&cursor={first[cursor]}")
    assert again == first
    assert first[cursor]
    assert cursor not in open_with().get("/incentive_programs?limit=1000")


# -- reads and clocks ------------------------------------------------------------------------------------------


@shows("stale")
def test_reads_of_the_account_lag_and_writes_act_at_once() -> None:
    client = open_with({"do": "stale", "on": "GET /portfolio/*", "seconds": 20, "from": 5})
    before = client.get("/portfolio/balance")["balance_dollars"]
    client.wait_until(10)
    order_id = client.place()

    def listed() -> list[str]:
        return [order["order_id"] for order in client.get("/portfolio/orders?status=resting")["orders"]]

    assert [order.order_id for order in client.resting()] == [order_id]
    assert order_id not in listed()
    assert client.send("GET", f"/portfolio/orders/{order_id}").status_code == 404
    assert client.get("/portfolio/balance")["balance_dollars"] == before, "its collateral is not seen yet"
    bids = client.get(f"/markets/{MARKET}/orderbook")["orderbook_fp"]["yes_dollars"]
    assert [size for price, size in bids if price == "0.5200"] != [], "the book is nobody's account"
    client.wait_until(28)
    assert order_id not in listed()
    client.wait_until(32)
    assert order_id in listed()
    assert client.cancel(order_id).json()["reduced_by"] == "10.00"
    assert client.resting() == []
    assert order_id in listed(), "gone, and still shown"
    client.wait_until(55)
    assert order_id not in listed()


@shows("stale")
@pytest.mark.parametrize("placed", [30.0, 30.2, 30.95])
def test_lists_that_lag_are_not_called_complete_too_early(placed: float) -> None:
    """Once the exchange says that its lists show all up to the time of a write, they show it. Said any earlier, it
    would let a client place the order again."""
    client = open_with({"do": "stale", "on": "GET /portfolio/*", "seconds": 5, "from": 5})
    client.wait_until(placed)
    answer = client.create().json()
    complete = []
    for tenth in range(80):
        client.wait_until(placed + 1 + tenth / 10)
        told = client.get("/exchange/user_data_timestamp")["as_of_time"]
        as_of = datetime.fromisoformat(told.replace("Z", "+00:00"))
        listed = [order["order_id"] for order in client.get("/portfolio/orders?status=resting")["orders"]]
        complete.append(as_of.timestamp() >= answer["ts_ms"] / 1_000)
        assert answer["order_id"] in listed or not complete[-1]
    assert {*complete} == {False, True}


@shows("stale")
def test_a_fill_is_not_seen_before_its_time_either() -> None:
    client = open_with({"do": "stale", "seconds": 10, "until": 60})
    filled = client.create(price="0.5600", time_in_force="immediate_or_cancel").json()
    assert filled["fill_count"] == "10.00"
    held = f"/portfolio/positions?ticker={MARKET}"
    assert client.get(f"/portfolio/fills?ticker={MARKET}")["fills"] == []
    assert client.get(held)["market_positions"] == []
    assert client.account.holdings[MARKET].count == 1_000
    client.wait_until(12)
    assert client.get(held)["market_positions"][0]["position_fp"] == "10.00"
    client.create(price="0.5300", side="ask", time_in_force="immediate_or_cancel")
    assert client.get(held)["market_positions"][0]["position_fp"] == "10.00"
    client.wait_until(50)
    assert client.get(held)["market_positions"][0]["position_fp"] == "0.00"
    client.create(price="0.5600", time_in_force="immediate_or_cancel")
    client.wait_until(59)
    assert client.get(held)["market_positions"][0]["position_fp"] == "0.00"
    client.wait_until(60)
    assert client.get(held)["market_positions"][0]["position_fp"] == "10.00", "the lag is over"


@shows("clock_jump")
@pytest.mark.parametrize("seconds", [60.0, -60.0])
def test_a_clock_jump_refuses_a_client_until_it_follows_the_date(seconds: float) -> None:
    """The exchange refuses signed requests in the jump, places no order and still gives market data. The Date
    header shows the shift, and a client that follows it gets in."""
    client = open_with({"do": "clock_jump", "seconds": seconds, "from": 10, "until": 30})
    assert client.send("GET", "/portfolio/balance").status_code == 200
    client.wait_until(10)
    answer = client.send("GET", "/portfolio/balance")
    assert said(answer) == (401, "header_timestamp_expired")
    told = parsedate_to_datetime(answer.headers["Date"]) - client.clock.now()
    assert told.total_seconds() == pytest.approx(seconds, abs=1.1)
    assert said(client.create()) == (401, "header_timestamp_expired")
    assert client.resting() == []
    assert client.get("/portfolio/balance", skew_ms=round(told.total_seconds() * 1000))
    assert client.get("/exchange/status"), "market data asks for no signature"
    client.wait_until(30)
    answer = client.send("GET", "/portfolio/balance")
    assert answer.status_code == 200
    told = parsedate_to_datetime(answer.headers["Date"]) - client.clock.now()
    assert abs(told.total_seconds()) <= 1
