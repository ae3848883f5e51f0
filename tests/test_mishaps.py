"""Every fault of a script does what it says, to a client that knows nothing of ours: a test that meets a fault
which does less than its name would prove nothing. What the client sees is one half; what the exchange really did
is the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from signing import Signer
from simulator.account import Account
from simulator.api.service import Api
from simulator.clock import SimulatedClock
from simulator.exchange import Exchange
from simulator.faults import KINDS, UnusableFaults, parse_faults, read_faults
from simulator.matching import DOLLAR, Order
from simulator.mishaps import Mishaps
from simulator.opening import CUSTOMER, open_exchange
from simulator.transport import ExchangeAdapter

START = datetime(2026, 11, 22, 15, 0, tzinfo=timezone.utc)
HOST, ROOT = "http://simulator.invalid", "/trade-api/v2"
LATENCY = 0.05
MARKET, OTHER, FINE = (f"KXODD-26NOV23-{name}" for name in ("CAPPED", "TWICE", "FINEGRID"))
"""Nobody is in these but who opened their books: 0.53 to 0.56, and the last 0.068 to 0.071 in steps of 0.001."""

ORDERS = "/portfolio/events/orders"
CREATE, CANCEL = f"POST {ORDERS}", f"DELETE {ORDERS}/*"
PATIENCE = 3.0

SHOWN: set[str] = set()
Test = TypeVar("Test", bound=Callable[..., None])


def shows(*kinds: str) -> Callable[[Test], Test]:
    """Notes the kinds of fault that a test is about."""
    SHOWN.update(kinds)
    return lambda test: test


@dataclass(frozen=True)
class Client:
    """A plain one: it signs, sends, and waits for `PATIENCE` seconds. Times are simulated seconds since the
    exchange opened. What is really the case it can look up at the exchange itself."""

    exchange: Exchange
    clock: SimulatedClock
    session: requests.Session
    signer: Signer

    @property
    def account(self) -> Account:
        return self.exchange.accounts[CUSTOMER]

    @property
    def elapsed(self) -> float:
        return (self.clock.now() - START).total_seconds()

    def wait_until(self, elapsed: float) -> None:
        self.clock.advance(elapsed - self.elapsed)
        self.exchange.advance(self.clock.now().timestamp())

    def ask(self, method: str, path: str, off: float = 0.0, **options: Any) -> requests.Response:
        """A signed request. `off` is how many seconds this client's clock is fast."""
        now_ms = int((self.clock.now().timestamp() + off) * 1000)
        headers = self.signer.headers(method, ROOT + path.partition("?")[0], now_ms)
        return self.session.request(method, HOST + ROOT + path, headers=headers, timeout=PATIENCE, **options)

    def get(self, path: str, **options: Any) -> Any:
        """The body of a read that succeeds."""
        answer = self.ask("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def create(self, **changed: Any) -> requests.Response:
        """Ten contracts for 52 cents, which nobody wants, but for what is `changed`."""
        terms = {
            "ticker": MARKET, "side": "bid", "count": "10.00", "price": "0.5200",
            "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
        }  # fmt: skip
        return self.ask("POST", ORDERS, json=terms | changed)

    def place(self, **changed: Any) -> str:
        """The id of an order that is taken."""
        answer = self.create(**changed)
        assert answer.status_code == 201, answer.text
        order_id: str = answer.json()["order_id"]
        return order_id

    def cancel(self, order_id: str, ticker: str = MARKET) -> requests.Response:
        return self.ask("DELETE", f"{ORDERS}/{order_id}?market_ticker={ticker}")

    def resting(self, ticker: str = MARKET) -> list[Order]:
        """What really rests in a market."""
        return list(self.exchange.markets[ticker].owned.values())


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def open_with(*faults: dict[str, Any], seed: int = 1) -> Client:
    """A client of an exchange like `simulator.embedded`'s; all of them have one key, for keys are slow to make."""
    clock = SimulatedClock(START, None)
    api = Api(open_exchange(START.timestamp(), seed, programs=4, who=()), {"a-key": KEY.public_key()})
    session = requests.Session()
    session.trust_env = False
    session.mount(HOST, ExchangeAdapter(Mishaps(api, parse_faults(list(faults))), clock, LATENCY))
    return Client(api.exchange, clock, session, Signer("a-key", KEY))


def said(answer: requests.Response) -> tuple[int, str]:
    """A refusal's status and code."""
    return answer.status_code, answer.json()["error"]["code"]


def test_no_fault_can_be_added_without_a_test_that_shows_it() -> None:
    assert set(KINDS) == SHOWN


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
def test_what_is_reset_after_the_exchange_acted_is_done_all_the_same() -> None:
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
def test_a_timeout_costs_the_clients_whole_patience_and_says_not_what_was_done(kind: str, rests: int) -> None:
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
def test_an_answer_later_than_the_clients_patience_is_a_timeout_and_the_order_rests() -> None:
    client = open_with({"do": "latency", "on": CREATE, "seconds": PATIENCE + 1})
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.create()
    assert client.elapsed <= PATIENCE + LATENCY
    assert len(client.resting()) == 1


# -- answered in the exchange's place --------------------------------------------------------------------------


@shows("429", "500", "503", "503_html")
@pytest.mark.parametrize("acted", [False, True])
@pytest.mark.parametrize("kind", ["429", "500", "503", "503_html"])
def test_an_error_in_the_exchanges_place_does_nothing_unless_it_acted(kind: str, acted: bool) -> None:
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
def test_a_status_that_nobody_knows_stands_where_the_real_one_was() -> None:
    client = open_with({"do": "unknown_status", "on": "GET /portfolio/orders*"})
    order_id = client.place()
    assert {order["status"] for order in client.get("/portfolio/orders")["orders"]} == {"pondering"}
    assert client.get(f"/portfolio/orders/{order_id}")["order"]["status"] == "pondering"
    assert client.get(f"/markets/{MARKET}")["market"]["status"] == "active"
    assert client.resting()[0].status == "resting"


@shows("missing_field")
def test_a_field_that_is_missing_is_missing_everywhere_and_nothing_else_is() -> None:
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
    assert client.ask("GET", f"/portfolio/orders/{order_id}").status_code == 404
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
def test_a_clock_that_jumps_shuts_an_honest_client_out_until_it_follows_the_date(seconds: float) -> None:
    client = open_with({"do": "clock_jump", "seconds": seconds, "from": 10, "until": 30})
    assert client.ask("GET", "/portfolio/balance").status_code == 200
    client.wait_until(10)
    answer = client.ask("GET", "/portfolio/balance")
    assert said(answer) == (401, "header_timestamp_expired")
    told = parsedate_to_datetime(answer.headers["Date"]) - client.clock.now()
    assert told.total_seconds() == pytest.approx(seconds, abs=1.1)
    assert said(client.create()) == (401, "header_timestamp_expired")
    assert client.resting() == []
    assert client.get("/portfolio/balance", off=told.total_seconds())
    assert client.get("/exchange/status"), "market data asks for no signature"
    client.wait_until(30)
    answer = client.ask("GET", "/portfolio/balance")
    assert answer.status_code == 200
    told = parsedate_to_datetime(answer.headers["Date"]) - client.clock.now()
    assert abs(told.total_seconds()) <= 1


# -- what happens to the exchange ------------------------------------------------------------------------------


@shows("trading_paused", "exchange_paused")
@pytest.mark.parametrize("what", ["trading", "exchange"])
def test_a_pause_takes_no_orders_keeps_what_rests_and_ends(what: str) -> None:
    client = open_with({"do": f"{what}_paused", "from": 10, "until": 60})
    stays, goes = client.place(), client.place(cancel_order_on_pause=True)
    status = client.get("/exchange/status")
    assert (status["exchange_active"], status["trading_active"]) == (True, True)
    client.wait_until(10)
    assert [order.order_id for order in client.resting()] == [stays]
    assert client.account.orders[goes].status == "canceled"
    status = client.get("/exchange/status")
    assert (status["exchange_active"], status["trading_active"]) == (what == "trading", False)
    assert said(client.create()) == (409, f"{what}_is_paused")
    canceled = client.cancel(stays)
    if what == "trading":
        assert canceled.json()["reduced_by"] == "10.00"
    else:
        assert said(canceled) == (409, "exchange_is_paused")
        assert [order.order_id for order in client.resting()] == [stays]
    client.wait_until(60)
    assert client.get("/exchange/status")["trading_active"] is True
    client.place()


@shows("trading_paused")
def test_a_pause_of_one_shard_leaves_the_others_alone() -> None:
    client = open_with({"do": "trading_paused", "shards": [2]})
    active = {
        row["exchange_index"]: row["trading_active"]
        for row in client.get("/exchange/status")["exchange_index_statuses"]
    }
    assert active == {0: True, 1: True, 2: False, 3: True}
    client.place()
    client = open_with({"do": "trading_paused", "shards": [0]})
    assert said(client.create()) == (409, "trading_is_paused")


@shows("trading_paused", "exchange_paused")
@pytest.mark.parametrize("what", ["trading", "exchange"])
def test_a_pause_that_a_request_brings_on_strikes_that_request_and_ends_too(what: str) -> None:
    client = open_with({"do": f"{what}_paused", "on": CREATE, "skip": 1, "times": 1, "until": 60})
    client.place()
    assert client.get("/exchange/status")["trading_active"] is True
    assert said(client.create()) == (409, f"{what}_is_paused")
    assert client.get("/exchange/status")["trading_active"] is False
    client.wait_until(60)
    client.place()


@shows("halted")
@pytest.mark.parametrize("by_request", [False, True])
def test_a_halted_market_takes_no_orders_and_comes_back_without_those_it_had(by_request: bool) -> None:
    how = {"on": CREATE, "skip": 2, "times": 1} if by_request else {"from": 10, "ticker": MARKET}
    client = open_with({"do": "halted", "until": 60} | how)
    kept, dropped = client.place(), client.place()
    client.wait_until(10)
    assert said(client.create()) == (409, "trading_is_paused")
    assert client.get(f"/markets/{MARKET}")["market"]["status"] == "inactive"
    assert client.get("/exchange/status")["trading_active"] is True
    assert [order.order_id for order in client.resting()] == [kept, dropped]
    assert client.cancel(kept).status_code == 200
    elsewhere = client.place(ticker=OTHER)
    client.wait_until(60)
    assert client.get(f"/markets/{MARKET}")["market"]["status"] == "active"
    assert client.account.orders[dropped].status == "canceled"
    assert client.resting() == []
    assert [order.order_id for order in client.resting(OTHER)] == [elsewhere]
    client.place()


@shows("closes")
@pytest.mark.parametrize("result", ["yes", "no"])
def test_a_market_that_closes_between_a_read_and_a_write_refuses_the_write(result: str) -> None:
    client = open_with({"do": "closes", "on": CREATE, "skip": 1, "times": 1, "result": result})
    order_id = client.place()
    assert client.get(f"/markets/{MARKET}")["market"]["status"] == "active"
    assert said(client.create()) == (409, "market_closed")
    closed = client.get(f"/markets/{MARKET}")["market"]
    assert (closed["status"], closed["result"]) == ("closed", "")
    assert said(client.cancel(order_id)) == (409, "market_inactive"), "nobody can take it down"
    assert [order.order_id for order in client.resting()] == [order_id]
    client.wait_until(30)
    assert (client.resting(), client.account.orders[order_id].status) == ([], "canceled")
    client.wait_until(600)
    assert client.get(f"/markets/{MARKET}")["market"]["result"] == result
    client.place(ticker=OTHER)


@shows("closes", "settles")
@pytest.mark.parametrize("kind", ["closes", "settles"])
def test_a_market_can_end_at_its_time_with_nobody_asking(kind: str) -> None:
    client = open_with({"do": kind, "ticker": MARKET, "from": 10})
    client.wait_until(9)
    assert client.get(f"/markets/{MARKET}")["market"]["status"] == "active"
    client.wait_until(10)
    listed = client.get(f"/markets/{MARKET}")["market"]["status"]
    assert listed == ("closed" if kind == "closes" else "finalized")
    assert said(client.create()) == (409, "market_closed")
    assert client.get(f"/markets/{OTHER}")["market"]["status"] == "active"


@shows("settles")
@pytest.mark.parametrize(("result", "pays"), [("yes", 10), ("no", 0)])
def test_a_market_that_settles_under_a_sale_has_paid_what_was_held(result: str, pays: int) -> None:
    client = open_with({"do": "settles", "on": CREATE, "skip": 2, "times": 1, "result": result})
    client.create(price="0.5600", time_in_force="immediate_or_cancel")
    order_id = client.place()
    cash = client.account.cash[0]
    assert client.get(f"/portfolio/positions?ticker={MARKET}")["market_positions"][0]["position_fp"] == "10.00"
    sale = client.create(side="ask", price="0.5300", time_in_force="immediate_or_cancel")
    assert said(sale) == (409, "market_closed")
    assert client.account.cash[0] - cash == pays * DOLLAR
    assert client.get(f"/portfolio/positions?ticker={MARKET}")["market_positions"] == []
    (settlement,) = client.get(f"/portfolio/settlements?ticker={MARKET}")["settlements"]
    assert (settlement["market_result"], settlement["yes_count_fp"]) == (result, "10.00")
    assert settlement["revenue"] == pays * 100
    assert said(client.cancel(order_id)) == (404, "not_found")
    assert client.resting() == []


@shows("new_grid")
def test_a_finer_grid_takes_prices_that_were_off_it() -> None:
    client = open_with({"do": "new_grid", "ticker": MARKET, "grid": "deci", "from": 10})
    assert said(client.create(price="0.5250")) == (400, "invalid_price")
    client.wait_until(10)
    client.place(price="0.5250")
    (ranges,) = client.get(f"/markets/{MARKET}")["market"]["price_ranges"]
    assert ranges["step"] == "0.0010"
    assert said(client.create(price="0.5255")) == (400, "invalid_price")


@shows("new_grid")
def test_a_coarser_grid_refuses_what_was_just_read_and_keeps_what_rests() -> None:
    client = open_with({"do": "new_grid", "on": CREATE, "skip": 1, "times": 1, "grid": "linear"})
    order_id = client.place(ticker=FINE, price="0.0670")
    assert said(client.create(ticker=FINE, price="0.0670")) == (400, "invalid_price")
    assert [(order.order_id, order.price) for order in client.resting(FINE)] == [(order_id, 670)]
    client.place(ticker=FINE, price="0.0600")


@shows("new_grid")
def test_a_tapered_grid_is_fine_only_at_its_ends() -> None:
    client = open_with({"do": "new_grid", "ticker": MARKET, "grid": "tapered"})
    client.place(price="0.0850")
    assert said(client.create(price="0.5250")) == (400, "invalid_price")


@shows("partial_fill")
def test_a_cancel_that_somebody_was_faster_than_takes_down_only_the_rest() -> None:
    client = open_with({"do": "partial_fill", "on": CANCEL, "part": 0.3})
    others, order_id = client.place(), client.place()
    answer = client.cancel(order_id)
    assert answer.json()["reduced_by"] == "7.00"
    fills = client.get(f"/portfolio/fills?order_id={order_id}")["fills"]
    assert [(fill["count_fp"], fill["yes_price_dollars"], fill["is_taker"]) for fill in fills] == [
        ("3.00", "0.5200", False)
    ]
    assert client.account.orders[others].status == "executed", "it was ahead of the other"
    assert client.account.holdings[MARKET].count == 1_300
    assert client.resting() == []


@shows("partial_fill", "trading_paused")
def test_nobody_trades_where_nothing_trades() -> None:
    client = open_with({"do": "partial_fill", "on": CANCEL}, {"do": "trading_paused", "from": 10})
    order_id = client.place()
    client.wait_until(11)
    assert client.cancel(order_id).json()["reduced_by"] == "10.00"
    assert all(fill.order_id != order_id for fill in client.account.fills)


@shows("partial_fill", "halted")
def test_a_batch_is_struck_by_its_first_order() -> None:
    client = open_with(
        {"do": "partial_fill", "on": f"DELETE {ORDERS}/batched"},
        {"do": "halted", "on": f"POST {ORDERS}/batched"},
    )
    batch = [{"order_id": client.place(), "market_ticker": MARKET} for _ in range(2)]
    rows = client.ask("DELETE", f"{ORDERS}/batched", json={"orders": batch}).json()["orders"]
    assert [row["reduced_by"] for row in rows] == ["5.00", "10.00"]
    client.ask("POST", f"{ORDERS}/batched", json={"orders": [{"ticker": OTHER}, {"ticker": MARKET}]})
    statuses = [client.exchange.markets[ticker].status for ticker in (OTHER, MARKET)]
    assert statuses == ["inactive", "active"]


@shows("partial_fill")
def test_a_cancel_that_finds_all_of_the_order_taken_is_a_404_and_the_fill_is_there() -> None:
    client = open_with({"do": "partial_fill", "on": CANCEL, "part": 1})
    order_id = client.place(side="ask", price="0.5500")
    assert said(client.cancel(order_id)) == (404, "not_found")
    (fill,) = client.get(f"/portfolio/fills?order_id={order_id}")["fills"]
    assert (fill["count_fp"], fill["book_side"]) == ("10.00", "ask")
    assert client.account.orders[order_id].status == "executed"


@shows("partial_fill")
def test_an_order_can_be_half_taken_at_a_time_with_nobody_asking() -> None:
    client = open_with({"do": "partial_fill", "ticker": MARKET, "from": 10})
    order_id = client.place()
    client.wait_until(10)
    assert [(order.order_id, order.remaining) for order in client.resting()] == [(order_id, 500)]


@shows("cash_moved")
def test_cash_that_was_moved_away_cannot_be_spent_and_the_move_is_listed() -> None:
    client = open_with({"do": "cash_moved", "from": 10, "source": 0, "destination": 3, "amount": 1_000_000})
    order_id = client.place()
    before = client.get("/portfolio/balance")
    client.wait_until(10)
    after = client.get("/portfolio/balance")
    assert after["balance_dollars"] == before["balance_dollars"], "all shards together"
    free = [{row["exchange_index"]: row["balance"] for row in b["balance_breakdown"]} for b in (before, after)]
    assert float(free[0][0]) > 900
    assert float(free[1][0]) == 0, "what the order ties up stays, and nobody owes anything"
    assert float(free[1][3]) == pytest.approx(float(free[0][3]) + float(free[0][0]))
    assert said(client.create()) == (400, "insufficient_balance")
    assert [order.order_id for order in client.resting()] == [order_id]
    (move,) = client.get("/portfolio/intra_exchange_instance_transfers")["transfers"]
    assert (move["source_exchange_shard"], move["destination_exchange_shard"]) == (0, 3)
    assert move["amount"] == free[0][0]


@shows("cash_moved")
def test_so_much_of_the_cash_is_moved_as_the_script_says() -> None:
    client = open_with({"do": "cash_moved", "on": CREATE, "times": 1, "source": 2, "amount": 100.1})
    client.place()
    assert client.account.cash[2] == 149_900_000
    assert client.account.cash[1] == 100_100_000


@shows("cash_withdrawn")
def test_cash_that_was_withdrawn_is_gone_and_the_withdrawal_is_listed() -> None:
    client = open_with({"do": "cash_withdrawn", "from": 10, "source": 2, "amount": 100.1})
    before = client.account.cash[2]
    client.wait_until(10)
    (gone,) = client.get("/portfolio/withdrawals")["withdrawals"]
    assert gone["amount_cents"] == 10_010
    assert client.account.cash[2] == before - 100_100_000


@shows("group_triggered")
def test_a_triggered_group_loses_its_orders_and_takes_no_more_until_it_is_reset() -> None:
    client = open_with({"do": "group_triggered", "from": 10})
    group = client.ask("POST", "/portfolio/order_groups/create", json={"contracts_limit": 100}).json()
    inside = {"order_group_id": group["order_group_id"]}
    client.place(**inside)
    client.place(ticker=OTHER, **inside)
    alone = client.place()
    client.wait_until(10)
    assert [order.order_id for order in client.resting()] == [alone]
    assert client.resting(OTHER) == []
    assert said(client.create(**inside)) == (409, "exceeded_order_group_risk_limit")
    client.place()
    assert client.ask("PUT", f"/portfolio/order_groups/{group['order_group_id']}/reset", json={}).json() == {}
    client.place(**inside)


@shows("key_revoked")
def test_a_revoked_key_opens_nothing_any_more_and_the_orders_stay() -> None:
    client = open_with({"do": "key_revoked", "from": 10})
    order_id = client.place()
    client.wait_until(10)
    for answer in (client.ask("GET", "/portfolio/balance"), client.create(), client.cancel(order_id)):
        assert said(answer) == (401, "authentication_error")
        assert answer.json()["error"]["details"] == "NOT_FOUND"
    assert [order.order_id for order in client.resting()] == [order_id]
    assert client.get("/exchange/status"), "market data asks for no key"


# -- which requests are struck ---------------------------------------------------------------------------------


def struck(client: Client, times: int, path: str = "/exchange/status") -> str:
    """What becomes of so many reads, a second apart: x for a 503."""
    seen = ""
    for number in range(times):
        client.wait_until(number)
        seen += "x" if client.ask("GET", path).status_code == 503 else "."
    return seen


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, "xxxxxxxx"),
        ({"skip": 3}, "...xxxxx"),
        ({"times": 2}, "xx......"),
        ({"skip": 1, "times": 2}, ".xx....."),
        ({"times": 0}, "........"),
        ({"chance": 0}, "........"),
        ({"chance": 1}, "xxxxxxxx"),
        ({"from": 3}, "...xxxxx"),
        ({"until": 3}, "xxx....."),
        ({"from": 2, "until": 5}, "..xxx..."),
        ({"from": 2, "skip": 1, "times": 1}, "...x...."),
        ({"on": "GET /exchange/status"}, "xxxxxxxx"),
        ({"on": "* /exchange/*"}, "xxxxxxxx"),
        ({"on": "GET /exchange"}, "........"),
        ({"on": "POST /exchange/status"}, "........"),
        ({"on": "GET /portfolio/*"}, "........"),
    ],
)
def test_a_rule_strikes_the_requests_it_names_and_no_others(rule: dict[str, Any], expected: str) -> None:
    assert struck(open_with({"do": "503"} | rule), 8) == expected


def test_a_query_does_not_hide_a_request_from_its_rule() -> None:
    assert struck(open_with({"do": "503", "on": "GET /markets"}), 2, "/markets?limit=1") == "xx"


def test_the_same_seed_strikes_the_same_requests_and_another_seed_others() -> None:
    rule = {"do": "503", "chance": 0.5}
    first, same, other = (struck(open_with(rule, seed=seed), 60) for seed in (5, 5, 6))
    assert first == same != other
    assert 15 <= first.count("x") <= 45


def test_what_one_rule_strikes_another_counts_for_itself() -> None:
    """Rules that are added, or strike by chance, do not shift each other's dice."""
    rule = {"do": "503", "chance": 0.5}
    alone = struck(open_with({"do": "latency", "seconds": 0}, rule), 30)
    assert struck(open_with({"do": "latency", "seconds": 0, "chance": 0.5, "times": 3}, rule), 30) == alone


# -- scripts that cannot be used -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ('"reset_before"', "must be an object"),
        ("{}", "there is no mishap None"),
        ('{"do": "earthquake"}', "there is no mishap 'earthquake'; there are refused, "),
        ('{"do": ["429"]}', "do may not be"),
        ('{"do": "429", "when": 3}', "there is no field when"),
        ('{"do": "429", "on": "/portfolio/orders"}', "on must be like"),
        ('{"do": "429", "on": 3}', "on may not be 3"),
        ('{"do": "429", "skip": true}', "skip may not be True"),
        ('{"do": "429", "skip": 1.5}', r"skip may not be 1\.5"),
        ('{"do": "429", "skip": -1}', "not negative"),
        ('{"do": "429", "times": -1}', "not negative"),
        ('{"do": "429", "times": "2"}', "times may not be '2'"),
        ('{"do": "429", "chance": 1.1}', "chance is 0 to 1"),
        ('{"do": "429", "chance": NaN}', "chance may not be nan"),
        ('{"do": "429", "chance": null}', "chance may not be None"),
        ('{"do": "429", "from": -1}', "from is not negative"),
        ('{"do": "429", "from": 60, "until": 60}', "before until"),
        ('{"do": "429", "until": Infinity}', "until may not be inf"),
        ('{"do": "429", "acted": 1}', "acted may not be 1"),
        ('{"do": "latency"}', "latency needs seconds"),
        ('{"do": "latency", "seconds": NaN}', "seconds may not be nan"),
        ('{"do": "latency", "seconds": -1}', "seconds is not negative"),
        (f'{{"do": "latency", "seconds": 1{"0" * 400}}}', "seconds may not be 1000"),
        ('{"do": "stale"}', "stale needs seconds"),
        ('{"do": "clock_jump"}', "clock_jump needs seconds"),
        ('{"do": "missing_field"}', "missing_field needs field"),
        ('{"do": "halted", "from": 5}', "halted needs ticker"),
        ('{"do": "settles", "on": "*"}', "settles needs ticker"),
        ('{"do": "settles", "ticker": "KXM-1", "result": "maybe"}', "result is yes or no"),
        ('{"do": "new_grid", "ticker": "KXM-1", "grid": "round"}', "grid is one of linear, tapered, deci"),
        ('{"do": "partial_fill", "ticker": "KXM-1", "part": 0}', "part is more than 0"),
        ('{"do": "partial_fill", "ticker": "KXM-1", "part": 1.5}', "at most 1"),
        ('{"do": "cash_moved", "amount": NaN}', "amount may not be nan"),
        ('{"do": "cash_moved", "amount": -5}', "amount is more than 0"),
        ('{"do": "cash_moved", "source": 1}', "source and destination are two of"),
        ('{"do": "cash_moved", "destination": 9}', "source and destination are two of"),
        ('{"do": "trading_paused", "shards": 2}', "shards may not be 2"),
        ('{"do": "trading_paused", "shards": [9]}', "shards are of"),
        ('{"do": "trading_paused", "shards": [[0]]}', "shards are of"),
        ('{"do": "trading_paused", "shards": [true]}', "shards are of"),
        ('{"do": "trading_paused", "shards": []}', "shards are of"),
        ('{"do": "key_revoked", "times": 1}', "key_revoked needs on for them"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_by_its_number(tmp_path: Path, rule: str, why: str) -> None:
    script = tmp_path / "faults.json"
    script.write_text(f'[{{"do": "429", "times": 1}}, {rule}]')
    with pytest.raises(UnusableFaults, match=why) as refused:
        read_faults(script)
    assert str(refused.value).startswith(f"{script}, rule 2: ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[{", "is not JSON"),
        (b"", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"do": "429"}', "a list of rules is needed"),
        (b"null", "a list of rules is needed"),
    ],
)
def test_a_file_that_is_no_script_is_refused_by_its_name(tmp_path: Path, text: bytes | None, why: str) -> None:
    script = tmp_path / "faults.json"
    if text is not None:
        script.write_bytes(text)
    with pytest.raises(UnusableFaults, match=why) as refused:
        read_faults(script)
    assert str(script) in str(refused.value)


def test_a_script_of_every_kind_is_taken(tmp_path: Path) -> None:
    needs = {"seconds": 5, "field": "order_id"}
    rules = [{"do": kind, "on": CREATE} | needs for kind in KINDS]
    script = tmp_path / "faults.json"
    script.write_text(json.dumps(rules))
    assert [rule.do for rule in read_faults(script)] == list(KINDS)


def test_a_script_with_a_market_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnusableFaults, match="rule 1: there is no market KXNOPE-1"):
        open_with({"do": "halted", "ticker": "KXNOPE-1", "from": 10})
