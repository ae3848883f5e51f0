"""The exchange itself: an unfair one would teach the bot, and its users, the wrong things."""

from __future__ import annotations

import json
import random
import signal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import Signer
from simulator import embedded
from simulator.account import taker_fee
from simulator.board import CASH, CUSTOMER, BoardBuilder, use_account
from simulator.exchange import Exchange, ListedMarket, OrderTerms, Refusal
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS, MatchingBook, Order
from simulator.opening import open_exchange
from tests.conftest import START, Bench

ROOT = "/trade-api/v2"
NOW = START.timestamp()

INCOMING = st.tuples(
    st.booleans(), st.integers(1, 20).map(lambda n: n * 500 - 100), st.integers(1, 40), st.sampled_from("abc")
)


@given(st.lists(INCOMING, max_size=60))
def test_a_book_is_never_crossed_and_serves_first_who_came_first_at_the_best_price(
    incoming: list[tuple[bool, int, int, str]],
) -> None:
    book = MatchingBook()
    arrival: dict[int, int] = {}
    everyone: list[Order] = []
    for number, (is_bid, price, size, owner) in enumerate(incoming):
        order = Order("M", is_bid, price, size, owner=owner)
        arrival[id(order)] = number
        everyone.append(order)
        before = [
            (o.price, arrival[id(o)]) for o in everyone if o.is_bid != is_bid and o.remaining and o is not order
        ]
        trades, _ = book.match(order)
        for trade in trades:
            better = max(before) if not is_bid else min(before)
            assert trade.price == better[0], "not the best price"
            assert arrival[id(trade.maker)] == min(n for p, n in before if p == trade.price), "not the first"
            if not trade.maker.remaining:
                before.remove((trade.price, arrival[id(trade.maker)]))
        if order.status == "resting":
            book.half(is_bid).add(order)
        bid, ask = book.bids.best(), book.asks.best()
        assert bid is None or ask is None or bid < ask


def small_exchange(seed: int = 3) -> tuple[Exchange, ListedMarket]:
    exchange = Exchange(NOW, seed)
    market = ListedMarket("KXM-1", "KXM", "A market", 0, NOW - 1, NOW + 1e6, "linear_cent", ((0, 10_000, 100),))
    exchange.list_market(market)
    for owner in ("ann", "bob"):
        exchange.open_account(owner, {0: 500 * DOLLAR})
    return exchange, market


def terms(is_bid: bool, price: int, size: int, name: str = "", **changed: Any) -> OrderTerms:
    shape: dict[str, Any] = {
        "ticker": "KXM-1", "is_bid": is_bid, "price": price, "size": size, "client_order_id": name,
        "time_in_force": "good_till_canceled", "self_trade_prevention": "taker_at_cross", "post_only": False,
        "reduce_only": False, "cancel_on_pause": False, "expires": None, "shard": 0,
    }  # fmt: skip
    return OrderTerms(**(shape | changed))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9))
def test_contracts_bought_are_contracts_sold_and_no_cash_appears_or_vanishes(seed: int) -> None:
    dice = random.Random(seed)
    exchange, _ = small_exchange()
    for number in range(60):
        owner = dice.choice(["ann", "bob"])
        wanted = terms(
            dice.random() < 0.5, dice.randint(1, 99) * 100, dice.randint(1, 90_000), f"{owner}-{number}",
            time_in_force=dice.choice(["good_till_canceled", "immediate_or_cancel"]),
            self_trade_prevention=dice.choice(["maker", "taker_at_cross"]),
        )  # fmt: skip
        try:
            exchange.create(owner, wanted)
        except Refusal as no:
            assert no.code == "insufficient_balance"
        if dice.random() < 0.2 and (resting := exchange.resting(owner)):
            exchange.cancel(owner, resting[0].order_id, 0)
    ann, bob = (exchange.accounts[name] for name in ("ann", "bob"))
    held = ann.holdings["KXM-1"].count
    assert held == -bob.holdings["KXM-1"].count
    # Every YES and NO pair that exists was paid a dollar for; the rest of the cash went in fees.
    pairs = abs(held) * DOLLAR_PIPS
    fees = sum(fill.fee for fill in exchange.fills)
    assert ann.cash[0] + bob.cash[0] + pairs + fees == 1_000 * DOLLAR


def test_a_taker_pays_what_the_fee_schedule_says() -> None:
    assert taker_fee(5_200, CONTRACT) == 17_500, "measured on the real exchange: 1 at $0.52 costs $0.0175"
    assert taker_fee(5_000, 100 * CONTRACT) == 1_750_000


@pytest.mark.parametrize(
    ("wanted", "status", "code", "details"),
    [
        (terms(True, 5_050, 100), 400, "invalid_price", None),
        (terms(True, 0, 100), 400, "invalid_price", None),
        (terms(True, 5_000, 0), 400, "invalid_order_size", None),
        (terms(True, 6_000, 100, post_only=True), 400, "invalid_order", "post only cross"),
        (terms(True, 5_000, 10**8), 400, "insufficient_balance", None),
        (terms(True, 5_000, 100, expires=NOW - 1), 400, "invalid_order", None),
        (
            terms(True, 5_000, 100, expires=NOW + 9, time_in_force="immediate_or_cancel"),
            400,
            "invalid_order",
            None,
        ),
        (terms(True, 5_000, 100, expires=NOW * 1000), 400, "invalid_order", "expiration_time is in seconds"),
        (terms(True, 5_000, 100, reduce_only=True), 400, "invalid_order", None),
        (terms(True, 5_000, 100, ticker="KXNONE-1"), 404, "market_not_found", None),
        (terms(True, 5_000, 100, shard=2), 404, "market_not_found", None),
        (terms(True, 5_000, 100, name="used"), 409, "order_already_exists", None),
    ],
)
def test_an_order_that_the_real_exchange_refuses_is_refused_in_its_words(
    wanted: OrderTerms, status: int, code: str, details: str | None
) -> None:
    exchange, _ = small_exchange()
    exchange.create("bob", terms(False, 6_000, 500))
    used, _ = exchange.create("ann", terms(True, 100, 100, "used"))
    exchange.cancel("ann", used.order_id, 0)
    with pytest.raises(Refusal) as no:
        exchange.create("ann", wanted)
    assert (no.value.status, no.value.code) == (status, code)
    assert details is None or no.value.details == details


def test_ones_own_orders_do_not_trade_with_each_other() -> None:
    exchange, _ = small_exchange()
    resting, _ = exchange.create("ann", terms(False, 6_000, 500))
    taker, fills = exchange.create("ann", terms(True, 6_000, 300))
    assert (taker.status, taker.filled, fills, resting.remaining) == ("canceled", 0, [], 500)
    exchange.create("bob", terms(False, 6_000, 200))
    taker, fills = exchange.create("ann", terms(True, 6_000, 300, self_trade_prevention="maker"))
    assert (resting.status, sum(fill.size for fill in fills)) == ("canceled", 200)
    assert exchange.resting("ann") == [taker]


def test_reduce_only_never_opens_a_position() -> None:
    exchange, _ = small_exchange()
    exchange.create("bob", terms(True, 4_000, 5_000))
    immediate = {"time_in_force": "immediate_or_cancel", "reduce_only": True}
    order, fills = exchange.create("ann", terms(False, 4_000, 300, **immediate))
    assert (order.status, fills) == ("canceled", [])
    exchange.create("bob", terms(False, 6_000, 200))
    exchange.create("ann", terms(True, 6_000, 200))
    exchange.create("ann", terms(False, 4_000, 900, **immediate))
    assert exchange.accounts["ann"].holdings["KXM-1"].count == 0


def test_a_sale_pays_its_fee_out_of_what_it_brings_in() -> None:
    exchange, _ = small_exchange()
    exchange.create("bob", terms(False, 6_000, 1_000))
    exchange.create("ann", terms(True, 6_000, 1_000))
    exchange.create("bob", terms(True, 4_000, 1_000))
    exchange.accounts["ann"].cash[0] = 0
    immediate = {"time_in_force": "immediate_or_cancel", "reduce_only": True}
    order, _ = exchange.create("ann", terms(False, 4_000, 1_000, **immediate))
    assert order.status == "executed"
    assert exchange.accounts["ann"].cash[0] == 4 * DOLLAR - taker_fee(4_000, 1_000)


def test_a_taker_needs_the_cash_for_its_fee_too() -> None:
    exchange, _ = small_exchange()
    exchange.create("bob", terms(False, 5_000, 1_000))
    exchange.accounts["ann"].cash[0] = 5 * DOLLAR
    with pytest.raises(Refusal, match="insufficient_balance"):
        exchange.create("ann", terms(True, 5_000, 1_000))
    exchange.accounts["ann"].cash[0] += taker_fee(5_000, 1_000)
    exchange.create("ann", terms(True, 5_000, 1_000))
    assert exchange.accounts["ann"].cash[0] == 0


def test_a_holding_covers_only_as_many_resting_sales_as_there_are_contracts() -> None:
    exchange, _ = small_exchange()
    exchange.create("bob", terms(False, 5_000, 1_000))
    exchange.create("ann", terms(True, 5_000, 1_000))
    exchange.accounts["ann"].cash[0] = 0
    exchange.create("ann", terms(False, 9_000, 700))
    with pytest.raises(Refusal, match="insufficient_balance"):
        exchange.create("ann", terms(False, 9_000, 700))
    exchange.create("ann", terms(False, 9_000, 300))


def test_cash_on_another_shard_cannot_be_spent() -> None:
    exchange, market = small_exchange()
    market.shard = 2
    with pytest.raises(Refusal, match="insufficient_balance"):
        exchange.create("ann", terms(True, 5_000, 100, shard=2))


def test_an_order_goes_when_it_expires_and_when_its_market_closes() -> None:
    exchange, market = small_exchange()
    short, _ = exchange.create("ann", terms(True, 4_000, 100, expires=NOW + 10))
    long, _ = exchange.create("ann", terms(True, 4_000, 100))
    exchange.advance(NOW + 9.9)
    assert short.status == "resting"
    exchange.advance(NOW + 10)
    assert (short.status, long.status) == ("canceled", "resting")
    exchange.advance(market.closes)
    assert long.status == "canceled"
    with pytest.raises(Refusal, match="market_closed"):
        exchange.create("ann", terms(True, 4_000, 100))


def tape(exchange: Exchange) -> list[tuple[object, ...]]:
    return [
        (m.ticker, m.last_price, m.volume, m.book.bids.levels(), m.book.asks.levels())
        for m in exchange.markets.values()
    ]


def test_the_same_seed_is_the_same_market_and_another_is_not() -> None:
    hour = [open_exchange(NOW, seed) for seed in (5, 5, 6)]
    for exchange in hour:
        exchange.advance(NOW + 3_600)
    assert tape(hour[0]) == tape(hour[1])
    assert tape(hour[0]) != tape(hour[2])


def test_people_come_and_go_alike_whatever_the_customer_does() -> None:
    busy, idle = open_exchange(NOW, 5), Exchange(NOW, 5)
    BoardBuilder(idle).invented()
    for exchange in (busy, idle):
        exchange.advance(NOW + 3_600)
    traded = {ticker for ticker in busy.markets if busy.markets[ticker].volume}
    quiet = set(busy.markets) - set(busy.accounts[CUSTOMER].holdings) - {o.ticker for o in busy.orders.values()}
    assert traded & quiet
    for ticker in quiet:
        assert busy.markets[ticker].volume == idle.markets[ticker].volume


def test_the_account_is_found_in_use_and_pays_for_it() -> None:
    exchange = Exchange(NOW, 1)
    BoardBuilder(exchange).invented()
    use_account(exchange)
    assert len(exchange.resting(CUSTOMER)) == 2
    held = {ticker: h.count for ticker, h in exchange.accounts[CUSTOMER].holdings.items()}
    assert sorted(held.values()) == [-300, 300]
    assert sum(exchange.accounts[CUSTOMER].cash.values()) < sum(CASH.values())


def test_ctrl_c_does_not_stop_an_exchange_half_way_through_an_order(bench: Bench) -> None:
    happened = []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs start with it ignored

    def strike() -> None:
        signal.raise_signal(signal.SIGINT)
        happened.append("the exchange went on")

    exchange = bench.exchange.api.exchange
    exchange.at(exchange.now, strike)
    with pytest.raises(KeyboardInterrupt):
        bench.client.get_exchange_status()
    assert happened
    bench.client.get_exchange_status()


# -- over HTTP ---------------------------------------------------------------------------------------------


def raw(bench: Bench, method: str, path: str, **options: Any) -> Any:
    """A request of a client that is not ours, signed or not."""
    if options.pop("signed", True):
        now_ms = int(bench.exchange.clock.now().timestamp() * 1000) + options.pop("skew_ms", 0)
        signer = Signer(options.pop("key_id", bench.exchange.key_id), bench.exchange.private_key)
        signed_path = options.pop("sign_path", ROOT + path.partition("?")[0])
        options["headers"] = signer.headers(method, signed_path, now_ms) | options.get("headers", {})
    return bench.exchange.session.request(method, embedded.HOST + ROOT + path, **options)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/portfolio/orders"),
        ("DELETE", "/portfolio/orders/some-id"),
        ("POST", "/portfolio/orders/some-id/amend"),
        ("POST", "/portfolio/orders/batched"),
    ],
)
def test_the_retired_order_paths_are_gone(bench: Bench, method: str, path: str) -> None:
    response = raw(bench, method, path, json={})
    assert response.status_code == 410
    assert response.json()["error"]["code"] == "deprecated_v1_order_endpoint"


@pytest.mark.parametrize(
    ("options", "code", "details"),
    [
        ({"signed": False}, "authentication_error", "NOT_FOUND"),
        ({"key_id": "somebody"}, "authentication_error", "NOT_FOUND"),
        ({"sign_path": "/portfolio/balance"}, "authentication_error", "INCORRECT_API_KEY_SIGNATURE"),
        ({"headers": {"KALSHI-ACCESS-SIGNATURE": "%%%"}}, "authentication_error", "INCORRECT_API_KEY_SIGNATURE"),
        ({"skew_ms": -30_000}, "header_timestamp_expired", None),
        ({"skew_ms": 300_000}, "header_timestamp_expired", None),
    ],
)
def test_nobody_gets_at_the_account_without_a_fresh_signature(
    bench: Bench, options: dict[str, Any], code: str, details: str | None
) -> None:
    response = raw(bench, "GET", "/portfolio/balance", **options)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == code
    assert response.json()["error"].get("details") == details
    assert raw(bench, "GET", "/portfolio/balance", skew_ms=4_000).status_code == 200
    assert raw(bench, "GET", "/markets", signed=False).status_code == 200


GOOD = {
    "ticker": "set by the test", "side": "bid", "count": "1.00", "price": "0.0100",
    "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"count": 1}, "bad_request"),
        ({"price": 0.01}, "bad_request"),
        ({"price": "0.01234"}, "invalid_parameters"),
        ({"side": "yes"}, "invalid_parameters"),
        ({"client_order_id": "KXHIGHCHI-26JAN16-B35.5"}, "invalid_parameters"),
        ({"post_only": "yes"}, "bad_request"),
        ({"subaccount": 5}, "invalid_parameters"),
        ({"self_trade_prevention_type": None}, "bad_request"),
    ],
)
def test_a_malformed_order_is_refused_and_nothing_rests(bench: Bench, change: dict[str, Any], code: str) -> None:
    ticker = next(iter(bench.exchange.api.exchange.markets))
    before = len(bench.resting())
    response = raw(bench, "POST", "/portfolio/events/orders", json=GOOD | {"ticker": ticker} | change)
    body = response.json()
    assert response.status_code == 400
    assert (body.get("code") or body["error"]["code"]) == code
    assert len(bench.resting()) == before
    assert raw(bench, "POST", "/portfolio/events/orders", json=GOOD | {"ticker": ticker}).status_code == 201


def test_bad_json_and_bad_queries_have_the_forms_of_their_own(bench: Bench) -> None:
    headers = {"Content-Type": "application/json"}
    assert (
        raw(bench, "POST", "/portfolio/events/orders", data="{", headers=headers).json()["code"] == "bad_request"
    )
    assert "limit" in raw(bench, "GET", "/portfolio/orders?limit=1001").json()["msg"]
    deep = raw(bench, "POST", "/portfolio/events/orders", data="[" * 100_000, headers=headers)
    assert deep.json()["code"] == "bad_request"
    plain = raw(bench, "POST", "/portfolio/events/orders", data="{}", headers={"Content-Type": "text/plain"})
    assert plain.json()["error"]["code"] == "invalid_content_type"
    assert raw(bench, "GET", "/portfolio/orders?status=open").status_code == 400
    assert raw(bench, "GET", "/markets/orderbooks").status_code == 400
    assert raw(bench, "GET", "/nowhere").json()["error"]["code"] == "not_found"


def test_a_cancel_without_its_market_goes_to_the_first_shard_and_misses(bench: Bench) -> None:
    ticker = next(m.ticker for m in bench.exchange.api.exchange.markets.values() if m.shard == 3)
    placed = raw(bench, "POST", "/portfolio/events/orders", json=GOOD | {"ticker": ticker}).json()
    path = f"/portfolio/events/orders/{placed['order_id']}"
    assert raw(bench, "DELETE", path).status_code == 404
    assert raw(bench, "DELETE", f"{path}?market_ticker={ticker}").json()["reduced_by"] == "1.00"


def test_lists_are_narrowed_by_what_they_are_asked_for(bench: Bench) -> None:
    listed = bench.exchange.api.exchange.markets
    event = next(iter(listed.values())).event_ticker
    found = raw(bench, "GET", f"/markets?event_ticker={event}", signed=False).json()["markets"]
    assert {market["ticker"] for market in found} == {t for t, m in listed.items() if m.event_ticker == event}
    assert raw(bench, "GET", "/markets?event_ticker=NONE", signed=False).json()["markets"] == []
    paused = raw(bench, "GET", "/markets?status=paused", signed=False).json()["markets"]
    assert {market["status"] for market in paused} == {"inactive"}
    fills = raw(bench, "GET", "/portfolio/fills").json()["fills"]
    one = raw(bench, "GET", f"/portfolio/fills?ticker={fills[0]['ticker']}").json()["fills"]
    assert 0 < len(one) < len(fills)


def test_programs_are_found_by_status_and_type_and_page_by_page(bench: Bench) -> None:
    def rows(query: str) -> Any:
        return raw(bench, "GET", f"/incentive_programs?{query}", signed=False).json()

    everything = rows("limit=10000")["incentive_programs"]
    active = rows("status=active&type=liquidity&limit=10000")["incentive_programs"]
    assert {p["incentive_type"] for p in active} == {"liquidity"}
    assert 0 < len(active) < len(everything)
    first = rows("limit=30")
    assert len(first["incentive_programs"]) == 30
    second = rows(f"limit=30&cursor={first['next_cursor']}")
    assert "next_cursor" not in second
    assert first["incentive_programs"] + second["incentive_programs"] == everything
    assert json.dumps(everything).count("period_reward") == len(everything)
