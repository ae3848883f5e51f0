"""Every call by name: what a user reads is what the exchange holds, and what goes out is as published.

Each test talks to the simulator over HTTP and compares with the exchange's own state, never with the client.
Where the published specification is at hand, every request of every test here and every answer to it is judged by
it when the test is over, and each must have gone where the docstring of the tested method says.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

import signing
from account import BucketLimit, OrderGroup, PaymentStatus
from clients import KalshiHttpClient
from clock import WallClock
from errors import AlreadyExists, ExchangeError, Gone, Refused
from models import (
    AmendResponse,
    Bid,
    FeeType,
    MarketStatus,
    Order,
    OrderRequest,
    OrderResponse,
    OrderStatus,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from simulator import lifecycle, matching, order_entry, pauses
from simulator.api.service import COSTS, LIMITS, ROUTES
from simulator.embedded import HOST
from simulator.listing import ListedMarket
from simulator.opening import CASH, CUSTOMER
from tests.conftest import SPECIFICATION, START, Bench, Wire
from tests.test_server import run
from tests.test_specification import COUNT, PRICE, inline_nullable

T = TypeVar("T", bound=Callable[..., None])
D = Decimal

CALL = re.compile(r"(GET|POST|PUT|DELETE) (/[\w{}/]+)")
ALSO = re.compile(r"and (/account/[\w]+)")
NO_CALL = {"hurry": "changes how long is waited, and asks nothing"}

TESTED: dict[str, str] = {}
"""By method, the test of it."""


def about(*methods: str) -> Callable[[T], T]:
    """Says which methods a test is about. It must have made the calls that their docstrings name."""

    def note(test: T) -> T:
        TESTED.update(dict.fromkeys(methods, test.__name__))
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


# -- the specification as a judge --------------------------------------------------------------------------------

CREATES = ("CreateOrderV2Request", "BatchCreateOrdersV2Request")
BODIES = (*CREATES, "AmendOrderV2Request", "BatchCancelOrdersV2Request", "CreateOrderGroupRequest",
          "UpdateOrderGroupLimitRequest", "EmptyResponse")  # fmt: skip
PLACES = {"exchange_index", "market_ticker", "subaccount"}
FILTERS = {"/portfolio/balance", "/portfolio/orders", "/portfolio/fills", "/portfolio/positions"}
"""Reads that `exchange_index` would only narrow to one shard: left out, they tell of all ("Omit to return results
from all exchange shards"), and that is what is wanted."""


@lru_cache(maxsize=1)
def published() -> tuple[dict[str, Any], OpenAPI]:
    """The specification, its bodies closed to fields that it does not name, with the error answers that it does
    not list for each call; and the judge by it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with SPECIFICATION.open(encoding="utf-8") as file:
        document: dict[str, Any] = yaml.load(file, Loader=loader)  # noqa: S506  (a safe loader, the fast one)
    document["servers"] = [{"url": f"{HOST}/trade-api/v2"}]
    schemas = document["components"]["schemas"]
    for name in BODIES:
        schemas[name]["additionalProperties"] = False
    schemas["BatchCancelOrdersV2Request"]["properties"]["orders"]["items"]["additionalProperties"] = False
    inline_nullable(document, schemas)
    described = {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}
    refusal = {"description": "refused", "content": {"application/json": described}}
    for methods in document["paths"].values():
        for method in {"get", "post", "put", "delete"} & set(methods):
            for status in ("400", "429", *(() if method == "get" else ("409",))):
                methods[method]["responses"].setdefault(status, refusal)
    return document, OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


def operation(document: dict[str, Any], request: requests.PreparedRequest) -> dict[str, Any]:
    """What the specification says of a request: fixed paths go before those with places."""
    path = urlsplit(request.url or "").path.removeprefix("/trade-api/v2")
    for template, methods in sorted(document["paths"].items(), key=lambda item: item[0].count("{")):
        if re.fullmatch(re.sub(r"{[^}]+}", "[^/]+", template), path) and (request.method or "").lower() in methods:
            return dict(methods[(request.method or "").lower()])
    raise AssertionError(f"{request.method} {path} is not in the specification")


def takes(document: dict[str, Any], request: requests.PreparedRequest) -> tuple[set[str], dict[str, Any]]:
    """What an operation takes in its query, and the schema of its body (an empty one: it takes none)."""
    components = document["components"]
    described = operation(document, request)
    listed = [
        components["parameters"][p["$ref"].rpartition("/")[2]] if "$ref" in p else p
        for p in described.get("parameters", [])
    ]
    schema = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = components["schemas"][schema["$ref"].rpartition("/")[2]]
    return {p["name"] for p in listed if p["in"] == "query"}, schema


def rows_of(document: dict[str, Any], schema: dict[str, Any], body: Any) -> list[tuple[set[str], dict[str, Any]]]:
    """Each object of a body, with the names that it may have."""
    inner = schema.get("properties", {}).get("orders", {}).get("items")
    if inner is None:
        return [(set(schema.get("properties", {})), body or {})]
    inner = document["components"]["schemas"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
    return [(set(inner["properties"]), row) for row in body["orders"]]


def assert_places_named(document: dict[str, Any], request: requests.PreparedRequest) -> None:
    """Account, shard and market go with every call that takes them: what is assumed without them differs."""
    known, schema = takes(document, request)
    url = urlsplit(request.url or "")
    exempt = {"exchange_index"} if url.path.removeprefix("/trade-api/v2") in FILTERS else set()
    missing = (known & PLACES) - set(parse_qs(url.query)) - exempt
    for names, row in rows_of(document, schema, json.loads(request.body or b"{}")):
        missing |= (names & PLACES) - set(row)
    assert not missing, f"{request.method} {request.url} was sent without {missing}"


def assert_published(request: requests.PreparedRequest, response: requests.Response, base: str = "") -> None:
    """A request and its answer are as the specification has them. `base` is where it went, if not to the embedded
    exchange."""
    document, judge = published()
    request = request.copy()
    request.url = (request.url or "").replace(base, HOST, 1) if base else request.url
    known, schema = takes(document, request)
    assert set(parse_qs(urlsplit(request.url or "").query)) <= known
    assert bool(request.body) <= bool(schema), "a body where none is taken"
    as_request = RequestsOpenAPIRequest(request)
    judge.validate_request(as_request)
    for _, row in rows_of(document, schema, json.loads(request.body or b"{}")):
        assert PRICE.fullmatch(row.get("price", "0.50")), row
        for name in ("count", "contracts_limit_fp"):
            assert COUNT.fullmatch(row.get(name, "1.00")), row
    assert_places_named(document, request)
    judge.validate_response(as_request, RequestsOpenAPIResponse(response))


def assert_called(methods: Sequence[str], asked: Sequence[str]) -> None:
    for name in methods:
        for verb, template in calls_of(public_methods()[name]):
            pattern = re.compile(f"{verb} /trade-api/v2{re.sub(r'{[^}]+}', '[^/]+', template)}")
            assert any(pattern.fullmatch(line) for line in asked), f"{name} never called {verb} {template}"


@pytest.fixture
def open_bench(make_bench: Callable[..., Bench], request: pytest.FixtureRequest) -> Iterator[Callable[..., Bench]]:
    """Benches on which nobody trades but the customer. What went over their wires is judged at the end."""
    benches: list[Bench] = []

    def make(**changed: Any) -> Bench:
        benches.append(make_bench(**{"programs": 12, "who": ()} | changed))
        return benches[-1]

    yield make
    asked = [line for bench in benches for line in bench.wire.asked()]
    assert_called(getattr(request.function, "methods", ()), asked)
    if SPECIFICATION.exists():
        for bench in benches:
            for sent, answer in zip(bench.wire.sent, bench.wire.answers, strict=True):
                assert_published(sent, answer)


@pytest.fixture
def bench(open_bench: Callable[..., Bench]) -> Bench:
    return open_bench()


# -- short ways ---------------------------------------------------------------------------------------------------

SHARD_0, SHARD_3 = "KXHIGHCHI-26NOV24-B5.5", "KXMLBGAME-26NOV25-T2"
"""Two markets with both sides, on the shards of their names: 13 to 14 cents; 52 to 53, with makers' fees."""


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


def taken_by_others(bench: Bench, ticker: str, is_bid: bool, pips: int, size: int) -> None:
    """Somebody takes `size` 1/100 contracts of what rests."""
    exchange = bench.exchange.api.exchange
    exchange.crowd_take(market(bench, ticker), is_bid, pips, size)
    exchange.advance(exchange.now)


def wait(bench: Bench, seconds: float) -> None:
    bench.pass_time(seconds)
    bench.exchange.api.exchange.advance(bench.exchange.clock.now().timestamp())


def dollars(micros: int) -> Decimal:
    return D(micros) / matching.DOLLAR


# -- no method without a test -------------------------------------------------------------------------------------


def test_no_call_is_without_a_test_of_its_own() -> None:
    assert set(TESTED) | set(NO_CALL) == set(public_methods())


@pytest.mark.parametrize("name", sorted(set(public_methods()) - set(NO_CALL)))
def test_no_docstring_sends_a_reader_to_a_path_that_is_not_there(name: str) -> None:
    there = {(route.method, route.template) for route in ROUTES} | {("GET", LIMITS), ("GET", COSTS)}
    named = calls_of(public_methods()[name])
    assert named, "a docstring names the call that is made"
    assert set(named) <= there


@pytest.mark.skipif(not SPECIFICATION.exists(), reason=f"no specification here: {SPECIFICATION}")
def test_the_judge_notices_a_field_too_many_and_a_shard_too_few(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(programs=12, who=())
    group = bench.client.create_order_group(D(5), 2)
    orders = [place(bench, "one"), place(bench, "two")]
    bench.client.amend_order(orders[0], orders[0].bid)
    bench.client.limit_order_group(OrderGroup(group, D(5), 2), D(6))
    bench.client.cancel_orders(orders)
    bodies = [(s, a) for s, a in zip(bench.wire.sent, bench.wire.answers, strict=True) if s.body]
    assert len(bodies) == 6
    for sent, answer in bodies:
        assert_published(sent, answer)
        body = json.loads(sent.body or b"")
        spoilt = sent.copy()
        for row in body.get("orders", [body]):
            row["buy_max_cost"] = 1
        spoilt.prepare_body(None, None, body)
        with pytest.raises(Exception, match=r"(?i)body"):
            assert_published(spoilt, answer)
        body = json.loads(sent.body or b"")
        lost = [row.pop("exchange_index", None) for row in body.get("orders", [body])]
        spoilt.prepare_body(None, None, body)
        spoilt.url = re.sub("exchange_index=[0-9]", "", sent.url or "")
        assert any(n is not None for n in lost) or spoilt.url != sent.url
        with pytest.raises(AssertionError, match="exchange_index"):
            assert_published(spoilt, answer)


# -- what is everybody's ------------------------------------------------------------------------------------------


@about("get_exchange_status")
def test_a_pause_of_one_shard_is_not_taken_for_one_of_all_nor_for_none(bench: Bench) -> None:
    exchange = bench.exchange.api.exchange
    assert bench.client.get_exchange_status().trading_by_shard == dict.fromkeys(range(4), True)
    pauses.pause(exchange, "trading", [2])
    pauses.pause(exchange, "exchange", [3])
    status = bench.client.get_exchange_status()
    assert status.trading_by_shard == {0: True, 1: True, 2: False, 3: False}
    assert [status.trades(shard) for shard in (0, 3, 9)] == [True, False, True]
    pauses.pause(exchange, "trading")
    assert bench.client.get_exchange_status().trading is False


@about("get_schedule")
def test_the_weekly_pause_is_known_before_it_comes(bench: Bench) -> None:
    schedule = bench.client.get_schedule()
    (hours,) = schedule.hours
    whole = ((time(0), time(0)),)
    assert hours.days[3] == ((time(0), time(3)), (time(5), time(0))), "Thursday, in New York's time"
    assert [hours.days[day] for day in (0, 1, 2, 4, 5, 6)] == [whole] * 6
    assert hours.start < START < hours.end
    starts, ends = pauses.next_maintenance(START.timestamp())
    ((begins, until),) = schedule.windows
    assert (begins.timestamp(), until.timestamp()) == (starts, ends)
    assert begins.tzinfo is timezone.utc


@about("lists_are_current")
def test_lists_are_not_believed_while_they_lag_behind_what_was_sent(open_bench: Callable[..., Bench]) -> None:
    bench = open_bench(faults=[{"do": "stale", "on": "GET /*", "seconds": 5}])
    assert bench.client.lists_are_current(), "nothing was sent"
    assert bench.client.requests_sent == 0
    response = bench.client.create_order(ask_for(bench, "new"))
    assert response.order_id in bench.account.resting
    assert not bench.client.lists_are_current()
    assert response.order_id not in {order.order_id for order in bench.client.get_resting_orders()}
    wait(bench, 6)
    assert bench.client.lists_are_current()
    (order,) = [o for o in bench.client.get_resting_orders() if o.order_id == response.order_id]
    bench.client.cancel_order(order)
    assert not bench.client.lists_are_current(), "a cancel is a write too"
    assert order.order_id in {o.order_id for o in bench.client.get_resting_orders()}
    wait(bench, 6)
    bench.client.get_resting_orders()
    assert bench.client.lists_are_current(), "a read is none"


def test_lists_that_do_not_lag_are_believed_at_once(bench: Bench) -> None:
    bench.client.create_order(ask_for(bench, "new"))
    assert bench.client.lists_are_current()


@about("lists_are_current")
def test_a_write_without_a_time_in_its_answer_is_waited_for_as_long_as_clocks_may_differ(bench: Bench) -> None:
    bench.client.cancel_all_orders()
    assert not bench.client.lists_are_current()
    wait(bench, 2.1)
    assert bench.client.lists_are_current()


@about("get_incentive_programs")
def test_no_program_that_pays_now_is_missed_and_none_that_does_not_is_listed(bench: Bench) -> None:
    exchange = bench.exchange.api.exchange
    running = {
        p.program_id: p
        for p in exchange.programs
        if p.kind == "liquidity" and p.starts <= exchange.now < p.ends and not p.paid_out
    }
    programs = {p.id: p for p in bench.client.get_incentive_programs().whole()}
    assert set(programs) == set(running)
    assert len(programs) > 12
    for name, listed in running.items():
        program = programs[name]
        assert program.ticker == listed.ticker
        assert program.reward == D(listed.reward) / 10_000
        assert program.target == (None if listed.target is None else D(listed.target) / 100)
        assert program.discount == (None if listed.discount_bps is None else D(listed.discount_bps) / 10_000)
        assert program.cap == (None if listed.cap is None else D(listed.cap) / 10_000)
        assert program.start.timestamp() == pytest.approx(listed.starts, abs=1e-5)
        assert program.seconds == pytest.approx(listed.ends - listed.starts, abs=1e-5)


@about("get_markets")
def test_a_market_is_what_the_exchange_lists_it_as(bench: Bench) -> None:
    listed = bench.exchange.api.exchange.markets
    markets = {m.ticker: m for m in bench.client.get_markets([*listed, "KXNOT-THERE"]).whole()}
    assert set(markets) == set(listed), "one that is not listed is left out"
    for ticker, theirs in listed.items():
        ours = markets[ticker]
        assert (ours.event_ticker, ours.exchange_index) == (theirs.event.ticker, theirs.shard)
        assert ours.status is MarketStatus(theirs.status)
        assert ours.close_time.timestamp() == pytest.approx(theirs.closes, abs=1e-5)
        steps = [(int(r.start * 10_000), int(r.end * 10_000), int(r.step * 10_000)) for r in ours.grid.ranges]
        assert steps == list(theirs.grid.ranges)
    assert {m.exchange_index for m in markets.values()} == {0, 1, 3}
    assert MarketStatus.INACTIVE in {m.status for m in markets.values()}
    lifecycle.settle_now(bench.exchange.api.exchange, listed[SHARD_3], "no")
    (settled,) = bench.client.get_markets([SHARD_3])
    assert settled.status is MarketStatus.FINALIZED


@about("get_orderbooks")
def test_no_level_of_a_book_is_missed_and_none_is_on_the_wrong_side(bench: Bench) -> None:
    listed = bench.exchange.api.exchange.markets
    mine = place(bench, "mine", side=Side.NO, price="0.3100")
    books = {book.ticker: book for book in bench.client.get_orderbooks(listed).whole()}
    assert set(books) == set(listed)
    for ticker, theirs in listed.items():
        yes = [(D(p) / 10_000, D(size) / 100) for p, size in theirs.book.bids.levels()]
        no = [(1 - D(p) / 10_000, D(size) / 100) for p, size in theirs.book.asks.levels()]
        assert [(level.price, level.size) for level in books[ticker].yes] == sorted(yes, reverse=True)
        assert [(level.price, level.size) for level in books[ticker].no] == sorted(no, reverse=True)
    assert sum(level.size for level in books[SHARD_3].no if level.price == mine.price) >= mine.remaining
    assert books["KXODD-26NOV23-EMPTY"].best(Side.YES) is None


@about("get_candles")
def test_a_candle_tells_the_last_best_prices_of_its_minute_and_an_empty_side_as_none(bench: Bench) -> None:
    exchange, listed = bench.exchange.api.exchange, market(bench, SHARD_0)
    wait(bench, 90)
    size = sum(size for price, size in listed.book.asks.levels() if price == 1_400)
    taken_by_others(bench, SHARD_0, True, 1_400, size)
    best = listed.book.asks.best()
    assert best is not None
    assert best > 1_400
    wait(bench, 60)
    taken_by_others(bench, SHARD_0, True, 9_900, 10**9)
    assert listed.book.asks.best() is None
    wait(bench, 90)
    now = datetime.fromtimestamp(exchange.now, timezone.utc)
    candles = bench.client.get_candles([SHARD_0, "KXODD-26NOV23-EMPTY"], START, now).whole()
    mine = [candle for candle in candles if candle.ticker == SHARD_0]
    assert [candle.end - START for candle in mine] == [timedelta(minutes=n) for n in (1, 2, 3, 4)]
    assert [candle.yes_bid for candle in mine] == [D("0.13")] * 4
    assert [candle.yes_ask for candle in mine] == [D("0.14"), D(best) / 10_000, None, None]
    assert {(c.yes_bid, c.yes_ask) for c in candles if c.ticker != SHARD_0} == {(None, None)}
    one = START + timedelta(minutes=2)
    assert [c.end for c in bench.client.get_candles([SHARD_0], one, one)] == [one], "both ends count"


@about("get_candles")
def test_a_long_history_comes_in_pieces_that_neither_overlap_nor_leave_a_gap(bench: Bench) -> None:
    nobodys = [f"KXNOBODY-{number}" for number in range(98)]
    wait(bench, 4 * 3_600)
    end = START + timedelta(hours=4)
    candles = bench.client.get_candles([SHARD_0, SHARD_3, *nobodys], START, end).whole()
    assert len(bench.wire.sent) == 3, "10,000 candles a call, counted as if all markets were there"
    for ticker in (SHARD_0, SHARD_3):
        ends = [candle.end for candle in candles if candle.ticker == ticker]
        assert ends == sorted(set(ends))
        assert {later - before for before, later in pairwise(ends)} == {timedelta(minutes=1)}
        assert ends[-1] == end


@about("get_series")
def test_a_series_with_makers_fees_is_not_taken_for_one_without(bench: Bench) -> None:
    series = bench.client.get_series("KXMLBGAME")
    assert (series.ticker, series.fee_type) == ("KXMLBGAME", FeeType.QUADRATIC_WITH_MAKER_FEES)
    assert series.fee_multiplier == 1
    assert isinstance(series.fee_multiplier, Decimal)
    assert bench.client.get_series("KXHIGHCHI").fee_type is FeeType.QUADRATIC
    for name, listed in bench.exchange.api.exchange.series.items():
        found = bench.client.get_series(name)
        assert (found.fee_type.value, found.fee_multiplier * 100) == (listed.fees.kind, listed.fees.percent)
    with pytest.raises(Refused, match="series not found"):
        bench.client.get_series("KXNOBODY")


@about("get_event")
def test_an_events_own_fees_and_whether_its_markets_exclude_each_other_are_not_missed(bench: Bench) -> None:
    events = {name: bench.client.get_event(name) for name in bench.exchange.api.exchange.events}
    for name, listed in bench.exchange.api.exchange.events.items():
        assert events[name].series_ticker == listed.series.ticker
        assert events[name].mutually_exclusive is listed.exclusive
        fees = listed.fees
        assert events[name].fee_type == (None if fees is None else FeeType(fees.kind))
        assert events[name].fee_multiplier == (None if fees is None else D(fees.percent) / 100)
    assert events["KXHIGHCHI-26NOV24"].mutually_exclusive
    free = events["KXODDFREE-26NOV23"]
    assert (free.fee_type, free.fee_multiplier) == (FeeType.QUADRATIC, 0), "nothing is a fee too"
    with pytest.raises(Refused, match="event not found"):
        bench.client.get_event("KXNOBODY-1")


# -- the account --------------------------------------------------------------------------------------------------


@about("read_limits")
def test_a_higher_tier_is_made_use_of_and_not_overdrawn(open_bench: Callable[..., Bench]) -> None:
    bench = open_bench(tier="advanced")
    assert bench.client.limits.tier == "basic", "the lowest until it is known"
    limits = bench.client.read_limits()
    assert (limits.tier, limits.read, limits.write) == ("advanced", BucketLimit(300, 900), BucketLimit(300, 900))
    assert bench.client.limits == limits
    began = bench.exchange.clock.now()
    for number in range(60):
        bench.client.create_order(ask_for(bench, f"n-{number}", count="0.01"))
    seconds = (bench.exchange.clock.now() - began).total_seconds()
    assert seconds < 60 * 0.06, "60 creates fit into its bucket; the lowest tier would take 5 s"
    assert all(response.status_code != 429 for response in bench.wire.answers)


@about("get_balance")
def test_cash_of_one_shard_is_not_taken_for_anothers_and_what_orders_tie_up_is_not_counted(bench: Bench) -> None:
    before = bench.client.get_balance()
    place(bench, "mine", count="10.00")
    balance = bench.client.get_balance()
    exchange = bench.exchange.api.exchange
    assert balance.by_shard == {n: dollars(exchange.free_cash(bench.account, n)) for n in range(4)}
    assert balance.available == sum(balance.by_shard.values())
    assert before.by_shard[3] - balance.by_shard[3] >= D("5.00")
    assert [before.by_shard[n] - balance.by_shard[n] for n in (0, 1, 2)] == [0, 0, 0]


@about("get_positions")
def test_what_is_held_is_listed_with_its_side_and_cost_and_what_was_closed_is_not(bench: Bench) -> None:
    positions = {p.ticker: p for p in bench.client.get_positions().whole()}
    held = {ticker: h for ticker, h in bench.account.holdings.items() if h.count}
    assert set(positions) == set(held)
    for ticker, holding in held.items():
        ours = positions[ticker]
        assert (ours.count * 100, ours.exposure) == (holding.count, dollars(holding.cost))
        assert (ours.side, ours.size) == (Side.YES if holding.count > 0 else Side.NO, abs(ours.count))
    assert {p.side for p in positions.values()} == {Side.YES, Side.NO}
    bench.client.create_order(
        ask_for(bench, "sell", "KXHIGHCHI-26NOV24-B3.5", side=Side.NO, price="0.9900", count="3.00",
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL, reduce_only=True)
    )  # fmt: skip
    assert bench.account.holdings["KXHIGHCHI-26NOV24-B3.5"].count == 0
    assert "KXHIGHCHI-26NOV24-B3.5" not in {p.ticker for p in bench.client.get_positions()}
    bench.client.create_order(
        ask_for(bench, "buy", count="1.25", price="0.5300", time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    )
    (new,) = [p for p in bench.client.get_positions() if p.ticker == SHARD_3]
    assert (new.count, new.exposure, new.exchange_index) == (D("1.25"), D("0.6625"), 3)


@about("get_resting_orders")
def test_no_order_that_rests_is_missed_whoever_sent_it(bench: Bench) -> None:
    expires = START + timedelta(minutes=7)
    place(bench, "mine", side=Side.NO, price="0.4000", expires=expires)
    taken_by_others(bench, SHARD_3, True, 6_000, 10**9)
    listed = {order.order_id: order for order in bench.client.get_resting_orders().whole()}
    resting = {order.order_id: order for order in bench.resting()}
    assert set(listed) == set(resting)
    assert any(order.client_order_id.startswith("by-hand") for order in listed.values())
    for order_id, theirs in resting.items():
        ours = listed[order_id]
        price = D(theirs.price) / 10_000
        assert (ours.ticker, ours.client_order_id) == (theirs.ticker, theirs.client_order_id)
        assert (ours.side, ours.price) == ((Side.YES, price) if theirs.is_bid else (Side.NO, 1 - price))
        counts = (ours.asked, ours.filled, ours.remaining)
        assert counts == (D(theirs.asked) / 100, D(theirs.filled) / 100, D(theirs.remaining) / 100)
        assert ours.exchange_index == market(bench, ours.ticker).shard
        assert ours.fees == dollars(theirs.maker_fees + theirs.taker_fees)
        assert ours.expires == (None if theirs.expires is None else expires)
        assert ours.status is OrderStatus.RESTING


def test_an_order_that_was_filled_in_part_shows_what_is_left_of_it_and_what_it_paid(bench: Bench) -> None:
    order = place(bench, "mine", price="0.5200", count="4.00")
    ahead = market(bench).book.bids.ahead_of(real(bench, order))
    taken_by_others(bench, SHARD_3, False, 5_200, ahead + 150)
    (order,) = [o for o in bench.client.get_resting_orders() if o.order_id == order.order_id]
    assert (order.asked, order.filled, order.remaining) == (4, D("1.5"), D("2.5"))
    assert order.fees == dollars(real(bench, order).maker_fees) > 0


@about("get_fills")
def test_no_fill_since_a_time_is_missed_and_each_has_its_price_its_fee_and_its_time(bench: Bench) -> None:
    wait(bench, 3_600)
    since = bench.client.clock.now()
    order = place(bench, "maker", price="0.5200", count="4.00")
    taken_by_others(bench, SHARD_3, False, 5_200, market(bench).book.bids.ahead_of(real(bench, order)) + 150)
    wait(bench, 10)
    taken_by_others(bench, SHARD_3, False, 5_200, 250)
    bench.client.create_order(
        ask_for(bench, "taker", SHARD_0, side=Side.NO, price="0.8700", count="1.00",
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    )  # fmt: skip
    fills = bench.client.get_fills(since).whole()
    theirs = [fill for fill in bench.account.fills if fill.time >= since.timestamp()]
    assert [fill.time for fill in fills] == sorted(fill.time for fill in fills), "oldest first"
    assert sorted((f.order_id, f.count * 100, f.fee, f.is_taker) for f in fills) == sorted(
        (f.order_id, D(f.size), dollars(f.fee), f.is_taker) for f in theirs
    )
    maker = [fill for fill in fills if fill.order_id == order.order_id]
    assert [(f.side, f.price, f.count) for f in maker] == [
        (Side.YES, D("0.52"), D("1.5")), (Side.YES, D("0.52"), D("2.5"))
    ]  # fmt: skip
    assert sum(f.fee for f in maker) == dollars(real(bench, order).maker_fees) > 0
    assert [(f.side, f.price, f.is_taker) for f in fills if f.ticker == SHARD_0] == [(Side.NO, D("0.87"), True)]
    assert len({f.fill_id for f in fills}) == len(fills)
    assert len(bench.client.get_fills(START)) == len(bench.account.fills) > len(fills)
    later = bench.client.clock.now() + timedelta(hours=1)
    assert bench.client.get_fills(later) == bench.client.get_fills(later + timedelta(hours=1))
    assert len(bench.client.get_fills(later)) == 0


@about("get_settlements")
def test_what_a_market_paid_out_is_what_arrived(bench: Bench) -> None:
    exchange = bench.exchange.api.exchange
    won, lost = "KXHIGHCHI-26NOV24-B3.5", "KXHIGHCHI-26NOV24-B4.5"
    bench.client.create_order(
        ask_for(bench, "more", price="0.5300", count="2.50", time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    )
    assert len(bench.client.get_settlements(START)) == 0
    cash = dict(bench.account.cash)
    cost = {t: dollars(h.cost) for t, h in bench.account.holdings.items()}
    fees = {t: dollars(h.fees) for t, h in bench.account.holdings.items()}
    for ticker in (won, lost, SHARD_3):
        lifecycle.settle_now(exchange, market(bench, ticker), "yes")
        wait(bench, 60)
    settlements = bench.client.get_settlements(START).whole()
    assert [s.ticker for s in settlements] == [won, lost, SHARD_3], "oldest first"
    first, second, third = settlements
    assert (first.yes_count, first.yes_cost, first.no_count, first.no_cost) == (3, cost[won], 0, 0)
    assert (first.revenue, first.yes_payout, first.fee) == (3, 1, fees[won])
    assert (second.yes_count, second.no_count, second.no_cost, second.revenue) == (0, 3, cost[lost], 0)
    assert (third.yes_count, third.revenue, third.exchange_index) == (D("2.5"), D("2.5"), 3)
    assert sum(s.revenue for s in settlements if s.exchange_index == 0) == dollars(bench.account.cash[0] - cash[0])
    assert first.event_ticker == "KXHIGHCHI-26NOV24"
    assert second.time - first.time >= timedelta(minutes=1)
    assert bench.client.get_settlements(third.time).whole() == (third,)


@about("get_deposits", "get_withdrawals", "get_transfers")
def test_money_that_went_in_or_out_or_to_another_shard_is_told_to_the_cent(
    open_bench: Callable[..., Bench],
) -> None:
    bench = open_bench(
        faults=[
            {"do": "cash_withdrawn", "from": 60, "amount": 12.34, "source": 0},
            {"do": "cash_moved", "from": 120, "amount": 7.5, "source": 2, "destination": 1},
            {"do": "cash_moved", "from": 180, "amount": 1, "source": 0, "destination": 3},
        ]
    )
    (deposit,) = bench.client.get_deposits().whole()
    assert deposit.amount == dollars(sum(CASH.values())) == 1_500
    assert (deposit.status, deposit.fee, deposit.created) == (PaymentStatus.APPLIED, 0, START)
    assert len(bench.client.get_withdrawals()) == len(bench.client.get_transfers()) == 0
    wait(bench, 200)
    (out,) = bench.client.get_withdrawals().whole()
    assert (out.amount, out.status, out.finalized) == (D("12.34"), PaymentStatus.APPLIED, out.created)
    assert out.created == START + timedelta(seconds=60)
    moves = {t.created: t for t in bench.client.get_transfers().whole()}
    assert [moves[at].amount for at in sorted(moves)] == [D("7.5"), 1]
    assert [(moves[at].source_shard, moves[at].destination_shard) for at in sorted(moves)] == [(2, 1), (0, 3)]
    assert {t.status for t in moves.values()} == {"complete"}
    entries = [e for e in bench.account.journal if e.kind in ("deposit", "withdrawal")]
    assert deposit.amount - out.amount == dollars(sum(e.amount for e in entries))


# -- orders -------------------------------------------------------------------------------------------------------


@about("create_order")
def test_an_order_rests_as_it_was_asked_for_or_trades_and_says_so(bench: Bench) -> None:
    expires = START + timedelta(minutes=5)
    response = bench.client.create_order(
        ask_for(bench, "rests", side=Side.NO, price="0.4500", expires=expires, post_only=True,
                cancel_on_pause=True)
    )  # fmt: skip
    assert (response.status, response.filled, response.remaining) == (OrderStatus.RESTING, 0, D("2.5"))
    assert response.average_fee is None
    order = real(bench, response)
    assert (order.is_bid, order.price, order.size, order.client_order_id) == (False, 5_500, 250, "rests")
    assert (order.expires, order.cancel_on_pause) == (expires.timestamp(), True)
    assert order.self_trade_prevention == "maker"
    taken = bench.client.create_order(
        ask_for(bench, "takes", price="0.5300", count="1.00", time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    )
    assert (taken.status, taken.filled, taken.remaining) == (OrderStatus.EXECUTED, 1, 0)
    assert taken.average_fee == dollars(real(bench, taken).taker_fees) > 0
    part = bench.client.create_order(
        ask_for(bench, "part", SHARD_0, price="0.1400", count="4000",
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    )  # fmt: skip
    assert part.status is OrderStatus.CANCELED, "what is left of an immediate order is not said to rest"
    assert part.filled * 100 == real(bench, part).filled
    with pytest.raises(Refused, match="post only cross"):
        bench.client.create_order(ask_for(bench, "crosses", price="0.5300", post_only=True))


def test_the_same_name_twice_is_one_order(bench: Bench) -> None:
    first = bench.client.create_order(ask_for(bench, "once"))
    again = bench.client.create_order(ask_for(bench, "once"))
    assert again.order_id == first.order_id, "it is the same order, and known to have landed before"
    assert len([o for o in bench.resting() if o.client_order_id == "once"]) == 1
    with pytest.raises(AlreadyExists):
        bench.client.create_order(ask_for(bench, "once", price="0.4900"))
    assert len([o for o in bench.resting() if o.client_order_id == "once"]) == 1


@about("create_orders")
def test_one_bad_order_of_many_costs_only_itself_and_each_answer_is_its_own_orders(bench: Bench) -> None:
    orders = [
        ask_for(bench, "a"),
        ask_for(bench, "b", price="0.0001"),
        ask_for(bench, "c", SHARD_0, side=Side.NO, price="0.8000", count="0.01"),
        ask_for(bench, "d", price="0.5300", count="1.00", time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL),
        ask_for(bench, "e", SHARD_0, count="999999.00", price="0.1200"),
    ]
    a, b, c, d, e = bench.client.create_orders(orders)
    assert isinstance(a, OrderResponse)
    assert isinstance(c, OrderResponse)
    assert isinstance(d, OrderResponse)
    assert (real(bench, a).client_order_id, real(bench, c).client_order_id) == ("a", "c")
    assert (real(bench, c).is_bid, real(bench, c).price, real(bench, c).size) == (False, 2_000, 1)
    assert (d.status, d.filled) == (OrderStatus.EXECUTED, 1)
    assert isinstance(b, Refused)
    assert isinstance(e, Refused)
    assert (b.code, e.code) == ("invalid_price", "insufficient_balance")
    assert {o.client_order_id for o in bench.resting()} >= {"a", "c"}
    assert not {o.client_order_id for o in bench.account.orders.values()} & {"b", "e"}


def test_a_batch_larger_than_the_budget_goes_in_pieces_and_nothing_is_refused_for_it(bench: Bench) -> None:
    orders = [ask_for(bench, f"n-{number}", count="0.01") for number in range(25)]
    results = bench.client.create_orders(orders)
    assert all(isinstance(result, OrderResponse) for result in results)
    assert {o.client_order_id for o in bench.resting()} >= {order.client_order_id for order in orders}
    assert all(response.status_code == 201 for response in bench.wire.answers)
    assert bench.client.create_orders([]) == []


def queue(bench: Bench, order: Order) -> int:
    return market(bench).book.bids.ahead_of(real(bench, order))


def others_queue_behind(bench: Bench, pips: int) -> None:
    assert bench.exchange.api.exchange.crowd_rest(market(bench), True, pips, 700)


@about("amend_order")
def test_a_longer_life_does_not_cost_an_order_its_place(bench: Bench) -> None:
    order = place(bench, "mine", expires=START + timedelta(minutes=1))
    others_queue_behind(bench, 5_000)
    before = queue(bench, order)
    later = START + timedelta(minutes=10)
    answer = bench.client.amend_order(order, order.bid, later)
    assert answer == AmendResponse(order.order_id, None, None), "nothing was filled and the size stayed"
    assert queue(bench, order) == before
    assert real(bench, order).expires == later.timestamp()
    wait(bench, 120)
    assert real(bench, order).status == "resting", "it outlives its first expiry"
    bench.client.amend_order(order, order.bid)
    assert real(bench, order).expires == later.timestamp(), "no expiry leaves it as it was"
    wait(bench, 500)
    assert real(bench, order).status == "canceled"


def test_a_smaller_order_keeps_its_place_and_a_dearer_or_larger_one_goes_to_the_end(bench: Bench) -> None:
    order = place(bench, "mine", count="5.00")
    others_queue_behind(bench, 5_000)
    before = queue(bench, order)
    answer = bench.client.amend_order(order, Bid(Side.YES, order.price, D(2)))
    assert (answer.filled, answer.remaining) == (0, 2)
    assert (queue(bench, order), real(bench, order).remaining) == (before, 200)
    bench.client.amend_order(order, Bid(Side.YES, order.price, D(3)))
    assert queue(bench, order) == before + 700
    bench.client.amend_order(order, Bid(Side.YES, D("0.4900"), D(3)))
    assert (real(bench, order).price, real(bench, order).remaining) == (4_900, 300)
    assert [o.order_id for o in bench.resting() if o.client_order_id == "mine"] == [order.order_id]


def test_an_amend_after_a_partial_fill_rests_what_was_meant_to_rest(bench: Bench) -> None:
    """The exchange counts what was filled in; the size that is meant is what rests from now on."""
    order = place(bench, "mine", price="0.5200", count="4.00")
    taken_by_others(bench, SHARD_3, False, 5_200, queue(bench, order) + 150)
    (order,) = [o for o in bench.client.get_resting_orders() if o.order_id == order.order_id]
    bench.client.amend_order(order, Bid(Side.YES, D("0.5100"), D(3)))
    assert (real(bench, order).filled, real(bench, order).remaining, real(bench, order).price) == (150, 300, 5_100)


def test_an_amend_that_meets_the_book_says_what_it_bought(bench: Bench) -> None:
    order = place(bench, "mine", side=Side.NO, price="0.4500", count="2.00")
    answer = bench.client.amend_order(order, Bid(Side.NO, D("0.4800"), D(2)))
    assert (answer.filled, answer.remaining) == (2, 0)
    assert real(bench, order).status == "executed"
    with pytest.raises(Gone):
        bench.client.amend_order(order, order.bid)


@about("cancel_order")
def test_a_cancel_takes_down_that_order_and_tells_what_was_left_of_it(bench: Bench) -> None:
    order, other = place(bench, "mine", price="0.5200", count="4.00"), place(bench, "other")
    taken_by_others(bench, SHARD_3, False, 5_200, queue(bench, order) + 150)
    assert bench.client.cancel_order(order) == D("2.5")
    assert real(bench, order).status == "canceled"
    assert real(bench, other).status == "resting"
    with pytest.raises(Gone) as gone:
        bench.client.cancel_order(order)
    assert gone.value.maybe_done is False


@about("cancel_orders")
def test_a_batch_of_cancels_tells_of_each_order_what_became_of_it(bench: Bench) -> None:
    first, gone, last = place(bench, "a"), place(bench, "b"), place(bench, "c", SHARD_0, count="0.75")
    order_entry.cancel(bench.exchange.api.exchange, CUSTOMER, gone.order_id, 3)
    a, b, c = bench.client.cancel_orders([first, gone, last])
    assert (a, c) == (D("2.5"), D("0.75"))
    assert isinstance(b, Gone)
    assert {real(bench, o).status for o in (first, gone, last)} == {"canceled"}
    assert {o.client_order_id for o in bench.resting()} == {"by-hand-0", "by-hand-1"}
    bench.client.create_orders([ask_for(bench, f"n-{n}", count="0.01") for n in range(60)])
    many = [o for o in bench.client.get_resting_orders() if o.client_order_id.startswith("n-")]
    sent = len(bench.wire.sent)
    assert set(bench.client.cancel_orders(many)) == {D("0.01")}
    assert len(bench.wire.sent) == sent + 2, "as many a call as the budget holds"
    assert bench.client.cancel_orders([]) == []


@about("cancel_all_orders")
def test_cancel_all_leaves_nothing_on_any_shard(bench: Bench) -> None:
    place(bench, "a")
    place(bench, "b", SHARD_0)
    assert len(bench.resting()) == 4
    bench.client.cancel_all_orders()
    assert bench.resting() == []


# -- order groups -------------------------------------------------------------------------------------------------


def new_group(bench: Bench, limit: str = "3") -> OrderGroup:
    made = bench.client.create_order_group(D(limit), 3)
    return next(group for group in bench.client.get_order_groups() if group.id == made)


@about("create_order_group", "get_order_groups")
def test_a_group_takes_its_orders_down_once_its_limit_is_passed(bench: Bench) -> None:
    group = new_group(bench, "3.5")
    assert group == OrderGroup(group.id, D("3.5"), 3)
    theirs = bench.account.groups[group.id]
    assert (theirs.limit, theirs.shard) == (350, 3)
    orders = [place(bench, f"n-{n}", price="0.5200", count="4.00", group_id=group.id) for n in range(2)]
    alone = place(bench, "alone")
    taken_by_others(bench, SHARD_3, False, 5_200, queue(bench, orders[0]) + 400)
    assert [real(bench, order).status for order in (*orders, alone)] == ["executed", "canceled", "resting"]
    with pytest.raises(Refused, match="exceeded_order_group_risk_limit"):
        bench.client.create_order(ask_for(bench, "late", group_id=group.id))


@about("limit_order_group")
def test_a_groups_limit_changes_where_the_group_lives(bench: Bench) -> None:
    group = new_group(bench)
    order = place(bench, "mine", price="0.5200", count="4.00", group_id=group.id)
    taken_by_others(bench, SHARD_3, False, 5_200, queue(bench, order) + 200)
    bench.client.limit_order_group(group, D("7.25"))
    assert bench.account.groups[group.id].limit == 725
    assert real(bench, order).status == "resting"
    bench.client.limit_order_group(group, D(1))
    assert real(bench, order).status == "canceled", "2 were just filled"
    with pytest.raises(Refused, match="404"):
        bench.client.limit_order_group(OrderGroup(group.id, None, 0), D(2))


@about("trigger_order_group", "reset_order_group")
def test_a_triggered_group_rests_nothing_and_takes_orders_again_once_it_is_reset(bench: Bench) -> None:
    group = new_group(bench)
    order = place(bench, "mine", group_id=group.id)
    bench.client.trigger_order_group(group)
    assert real(bench, order).status == "canceled"
    assert bench.account.groups[group.id].triggered
    with pytest.raises(Refused, match="exceeded_order_group_risk_limit"):
        bench.client.create_order(ask_for(bench, "late", group_id=group.id))
    bench.client.reset_order_group(group)
    assert real(bench, place(bench, "again", group_id=group.id)).group_id == group.id


@about("delete_order_group")
def test_a_deleted_group_takes_its_orders_with_it(bench: Bench) -> None:
    group, kept = new_group(bench), new_group(bench)
    order, other = place(bench, "mine", group_id=group.id), place(bench, "other", group_id=kept.id)
    bench.client.delete_order_group(group)
    assert set(bench.account.groups) == {kept.id}
    assert (real(bench, order).status, real(bench, other).status) == ("canceled", "resting")
    assert [g.id for g in bench.client.get_order_groups()] == [kept.id]
    with pytest.raises(Refused, match="404"):
        bench.client.delete_order_group(group)


# -- over a real socket -------------------------------------------------------------------------------------------


def test_a_served_exchange_is_spoken_to_as_the_embedded_one(tmp_path: Path) -> None:
    key_file, script = tmp_path / "key.pem", tmp_path / "faults.json"
    orders = "/portfolio/events/orders"
    lost = {"do": "reset_after", "on": f"POST {orders}", "times": 1}
    script.write_text(json.dumps([lost, {"do": "reset_after", "on": f"DELETE {orders}/*", "times": 1}]))
    arguments = ["--port", "0", "--programs", "12", "--without", "informed,noise,rivals,sweeps"]
    process = run(*arguments, "--key-file", str(key_file), "--faults", str(script))
    try:
        printed = ""
        while "DEMO_KEYFILE" not in printed:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, printed
            printed += line
        told = dict(re.findall(r"^SIM_(\w+)=(.+)$", printed, re.MULTILINE))
        signer = signing.Signer(told["KEYID"], signing.load_key(key_file, "SIM_KEYFILE"))
        session = requests.Session()
        session.trust_env = False
        wire = Wire(session.get_adapter(told["URL"]))
        session.mount(told["URL"], wire)
        served(KalshiHttpClient(told["URL"], signer, WallClock(), session))
        if SPECIFICATION.exists():
            base = told["URL"].removesuffix("/trade-api/v2")
            lost_ones = [sent for sent in wire.sent if not any(a.request is sent for a in wire.answers)]
            assert [sent.method for sent in lost_ones] == ["POST", "DELETE"]
            for answer in wire.answers:
                assert_published(answer.request, answer, base)
    finally:
        process.kill()
        process.communicate()


def served(client: KalshiHttpClient) -> None:
    assert client.read_limits().tier == "basic"
    assert client.get_exchange_status().trading
    programs = client.get_incentive_programs().whole()
    markets = {m.ticker: m for m in client.get_markets({p.ticker for p in programs}).whole()}
    book = next(b for b in client.get_orderbooks(markets) if b.ticker.endswith("-CAPPED"))
    assert book.best(Side.YES)
    found = markets[book.ticker]
    bid = Bid(Side.YES, D("0.0200"), D("1.50"))
    expires = client.clock.now() + timedelta(minutes=5)
    terms = OrderRequest(
        found.ticker, found.exchange_index, "over-a-socket", bid,
        TimeInForce.GOOD_TILL_CANCELED, SelfTradePrevention.MAKER, expires=expires,
    )  # fmt: skip
    response = client.create_order(terms)
    assert response.status is OrderStatus.RESTING, "its answer was lost, and it was found"
    mine = [o for o in client.get_resting_orders() if o.client_order_id == "over-a-socket"]
    assert [(o.order_id, o.bid) for o in mine] == [(response.order_id, bid)]
    client.amend_order(mine[0], Bid(Side.YES, D("0.0300"), D("1.00")))
    balance = client.get_balance()
    assert balance.available == sum(balance.by_shard.values())
    with pytest.raises(Gone):
        client.cancel_order(mine[0])  # the first attempt's answer was lost; it was repeated
    assert "over-a-socket" not in {o.client_order_id for o in client.get_resting_orders()}
    results: list[Decimal | ExchangeError] = client.cancel_orders(mine)
    assert isinstance(results[0], Gone)
