"""The client, over `requests`, against the simulator: what it sends, what it makes of answers."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from clients import KalshiHttpClient
from exchange.errors import (
    ExchangeError,
    Gone,
    Intercepted,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unauthorized,
    Unavailable,
    Unreadable,
)
from exchange.models import OrderRequest, OrderStatus, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Side
from exchange.signing import Signer
from simulator.clock import SimulatedClock
from tests.support.bench import Bench, answer
from tests.support.project import START

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def quote(bench: Bench, side: Side = Side.NO, price: str = "0.0200", count: str = "2.5") -> OrderRequest:
    market = next(m for m in bench.exchange.api.exchange.markets.values() if m.shard == 3)
    return OrderRequest(
        ticker=market.ticker,
        exchange_index=market.shard,
        client_order_id="lipbot-test",
        bid=Bid(side, Decimal(price), Decimal(count)),
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
        post_only=True,
        cancel_on_pause=True,
        expires=START + timedelta(minutes=5, seconds=0.5),
    )


def test_neither_the_key_nor_its_id_shows_in_what_gets_printed(bench: Bench) -> None:
    signer = Signer("a-secret-id", KEY)
    assert "a-secret-id" not in repr(signer)
    client = KalshiHttpClient(bench.exchange.base_url, signer, bench.exchange.clock, bench.exchange.session)
    with pytest.raises(Refused) as refused:
        client.get_balance()
    assert refused.value.status == 401
    assert "a-secret-id" not in str(refused.value)
    assert "key file in .env" in str(refused.value)


def test_what_is_signed_is_what_is_sent_query_and_all(bench: Bench) -> None:
    """The simulator refuses a signature over anything else, so an answer is the proof."""
    assert bench.client.get_positions()
    assert "?" in bench.wire.sent[-1].path_url


def test_no_float_touches_an_order_on_its_way_out(bench: Bench) -> None:
    response = bench.client.create_order(quote(bench))
    body = json.loads(bench.wire.sent[-1].body or b"")
    assert (body["side"], body["price"], body["count"]) == ("ask", "0.9800", "2.50")
    assert body["expiration_time"] == int(START.timestamp()) + 301, "never earlier than asked for"
    assert body["exchange_index"] == 3
    assert (response.status, response.filled, response.remaining) == (OrderStatus.RESTING, 0, Decimal("2.5"))
    (order,) = [o for o in bench.client.get_resting_orders() if o.order_id == response.order_id]
    assert order.bid == quote(bench).bid
    assert isinstance(order.price, Decimal)


@pytest.mark.parametrize(("price", "count"), [("0.12345", "1"), ("0.02", "0.005")])
def test_a_number_with_too_many_decimals_is_refused_not_rounded(bench: Bench, price: str, count: str) -> None:
    """If the exchange has no room for a price or a count, the client raises an error and sends no request."""
    sent = len(bench.wire.sent)
    with pytest.raises(ValueError, match="decimals"):
        bench.client.create_order(quote(bench, price=price, count=count))
    assert len(bench.wire.sent) == sent


def test_a_cancel_finds_an_order_on_another_shard(bench: Bench) -> None:
    response = bench.client.create_order(quote(bench))
    (order,) = [o for o in bench.client.get_resting_orders() if o.order_id == response.order_id]
    assert bench.client.cancel_order(order) == Decimal("2.5")
    with pytest.raises(Gone):
        bench.client.cancel_order(order)


def test_a_list_of_several_pages_is_read_to_its_end(bench: Bench) -> None:
    everything = bench.client.get_markets(bench.exchange.api.exchange.markets)
    assert len(everything) == len(bench.exchange.api.exchange.markets)

    def small_pages(request: requests.PreparedRequest, _: int) -> None:
        request.url = (request.url or "").replace("limit=1000", "limit=7").replace("limit=10000", "limit=7")

    bench.wire.fault = small_pages
    before = len(bench.wire.sent)
    assert bench.client.get_markets(bench.exchange.api.exchange.markets) == everything
    assert len(bench.wire.sent) - before > 3
    running = {p.ticker for p in bench.client.get_incentive_programs()}
    assert len(running) > 7


def test_a_list_that_never_ends_is_noticed(bench: Bench) -> None:
    bench.wire.fault = lambda *_: answer(200, '{"orders": [], "cursor": "again"}')
    with pytest.raises(Unreadable, match="has no end"):
        bench.client.get_resting_orders()


def test_more_than_a_hundred_tickers_go_in_several_calls(bench: Bench) -> None:
    listed = list(bench.exchange.api.exchange.markets)
    tickers = [*listed, *(f"KXNONE-{n}" for n in range(300 - len(listed)))]
    books = bench.client.get_orderbooks(tickers)
    assert {book.ticker for book in books} == set(listed)
    assert len(bench.wire.sent) == 3


BODIES = [
    ('{"error":{"code":"invalid_order","message":"m","details":"d"}}', "invalid_order · m · d"),
    ('{"code":"bad_request","message":"m","details":"d"}', "bad_request · m · d"),
    ('{"msg":"query is off"}', "query is off"),
]
OTHERS_WORDS = [
    ('{"error":"too many requests"}', "too many requests"),
    ("<html><h1>Bad gateway</h1></html>", "<html><h1>Bad gateway</h1></html>"),
    ("", "no message"),
    ("[1]", "[1]"),
    ("null", "null"),
]


@pytest.mark.parametrize(("body", "said"), BODIES)
def test_the_exchanges_own_words_are_kept_whatever_their_form(bench: Bench, body: str, said: str) -> None:
    bench.wire.fault = lambda *_: answer(400, body)
    with pytest.raises(Refused) as refused:
        bench.client.get_exchange_status()
    assert said in str(refused.value)
    assert refused.value.maybe_done is False


@pytest.mark.parametrize(("body", "said"), OTHERS_WORDS)
@pytest.mark.parametrize(("status", "kind"), [(400, Intercepted), (429, RateLimited), (503, Unavailable)])
def test_words_in_no_form_of_the_exchange_are_kept_too(
    bench: Bench, status: int, kind: type[ExchangeError], body: str, said: str
) -> None:
    bench.wire.fault = lambda *_: answer(status, body)
    with pytest.raises(kind) as failed:
        bench.client.get_exchange_status()
    assert said in str(failed.value)
    assert failed.value.maybe_done is False


OWN = '{"error":{"code":"some_code"}}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "maybe_done"),
    [
        (302, OWN, Refused, False),
        (401, OWN, Unauthorized, False),
        (404, OWN, Refused, False),
        (410, OWN, Refused, False),
        (302, "{}", Intercepted, True),
        (401, "{}", Intercepted, True),
        (404, "{}", Intercepted, True),
        (410, "{}", Intercepted, True),
        (429, "{}", RateLimited, False),
        (500, "{}", Unavailable, True),
        (503, "{}", Unavailable, True),
    ],
)
def test_an_error_says_whether_the_request_may_be_done(
    bench: Bench, status: int, body: str, kind: type[ExchangeError], maybe_done: bool
) -> None:
    """The HTTP status decides the kind of the error, if the exchange sent it. A 5xx, and what is not the
    exchange's own, says that the exchange may have carried the request out."""
    bench.wire.fault = lambda *_: answer(status, body)
    with pytest.raises(kind) as error:
        bench.client.cancel_all_orders()
    assert type(error.value) is kind
    assert (error.value.maybe_done, error.value.status) == (maybe_done, status)


def test_a_redirect_does_not_send_the_signature_elsewhere(bench: Bench) -> None:
    """The client does not follow a redirect. It asks again at the same place, and then raises an error."""

    def elsewhere(request: requests.PreparedRequest) -> requests.Response:
        response = answer(302, "{}")(request)
        response.headers["Location"] = f"{bench.exchange.base_url}/exchange/schedule"
        return response

    bench.wire.fault = lambda *_: elsewhere
    with pytest.raises(Intercepted):
        bench.client.get_exchange_status()
    assert set(bench.wire.asked()) == {"GET /trade-api/v2/exchange/status"}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (requests.exceptions.ReadTimeout, OutcomeUnknown),
        (requests.exceptions.ConnectionError, OutcomeUnknown),
        (requests.exceptions.SSLError, OutcomeUnknown),
        (requests.exceptions.ChunkedEncodingError, OutcomeUnknown),
        (requests.exceptions.ConnectTimeout, NotSent),
        (requests.exceptions.ProxyError, NotSent),
    ],
)
def test_silence_is_not_taken_for_a_no(bench: Bench, fault: type[Exception], kind: type[ExchangeError]) -> None:
    def silent(_: requests.PreparedRequest) -> requests.Response:
        raise fault("...")

    bench.wire.fault = lambda *_: silent
    with pytest.raises(kind) as error:
        bench.client.create_order(quote(bench))
    assert error.value.maybe_done is (kind is OutcomeUnknown)


def test_a_failure_before_the_wire_is_known_as_not_sent() -> None:
    """If a port refuses the connection or a host has no address, the error says that nothing was sent. The
    client tries again, because that does no harm."""
    for base_url in ("http://127.0.0.1:9/trade-api/v2", "http://no.such.host.invalid/trade-api/v2"):
        client = KalshiHttpClient(base_url, Signer("id", KEY), SimulatedClock(START, pace=None))
        with pytest.raises(NotSent) as error:
            client.cancel_all_orders()
        assert error.value.maybe_done is False
        assert client.requests_sent > 1, "where nothing left this machine there is no harm in trying again"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"balance_dollars": 12.5}', "should be a decimal number in a string, is 12.5"),
        ('{"balance_dollars": "NaN"}', "balance_dollars should be a decimal"),
        ('{"balance": 12}', "balance_dollars should be a decimal number in a string, is None"),
        ("[]", "expected a JSON object"),
        ("{", "no JSON"),
    ],
)
def test_an_unreadable_answer_is_not_guessed(bench: Bench, body: str, told: str) -> None:
    """If an answer is not what the exchange promises, the error names the request, the field and what was
    wrong."""
    bench.wire.fault = lambda *_: answer(200, body)
    with pytest.raises(Unreadable, match=r"GET /portfolio/balance") as error:
        bench.client.get_balance()
    assert told in str(error.value)


def test_a_book_is_read_best_first_however_it_is_sent(bench: Bench) -> None:
    """The order of the levels in the answer does not matter. A side or a book that is empty, null or missing is
    read as empty."""
    levels = [["0.0300", "5.00"], ["0.4200", "13.50"], ["0.1000", "1.00"]]
    books = {
        "orderbooks": [
            {"ticker": "A", "orderbook_fp": {"yes_dollars": levels, "no_dollars": None}},
            {"ticker": "B", "orderbook_fp": {}},
            {"ticker": "C"},
        ]
    }
    bench.wire.fault = lambda *_: answer(200, json.dumps(books))
    read = {book.ticker: book for book in bench.client.get_orderbooks(["A", "B", "C"])}
    assert [level.price for level in read["A"].yes] == [Decimal("0.42"), Decimal("0.1"), Decimal("0.03")]
    assert read["A"].no == read["B"].yes == read["C"].no == ()


def test_times_are_read_in_every_form_the_exchange_writes_them(bench: Bench) -> None:
    forms = ["2026-07-20T21:04:00Z", "2026-07-20T21:04:00.5Z", "2026-07-20T17:04:00.123456789-04:00"]
    rows = [
        {
            "id": str(n), "market_ticker": "A", "incentive_type": "liquidity", "start_date": form,
            "end_date": "2026-07-31T03:59:00Z", "period_reward": 1_000_000, "paid_out": False,
            "discount_factor_bps": 5000, "target_size_fp": "1000.00", "field_of_tomorrow": 1,
            "max_reward_per_account": 50_000,
        }
        for n, form in enumerate(forms)
    ]  # fmt: skip
    bench.wire.fault = lambda *_: answer(200, json.dumps({"incentive_programs": rows}))
    programs = bench.client.get_incentive_programs().all_or_raise()
    at = datetime(2026, 7, 20, 21, 4, tzinfo=timezone.utc)
    assert [p.start for p in programs] == [at, at.replace(microsecond=500_000), at.replace(microsecond=123_456)]
    assert (programs[0].reward, programs[0].cap) == (100, 5), "both are sent in 1/10,000 dollar"
    assert programs[0].discount == Decimal("0.5")


def test_no_request_waits_for_ever_or_leaves_out_its_account(bench: Bench) -> None:
    """Every request has a timeout, and every request but a POST names the subaccount. A cancel also names its
    market and shard."""
    response = bench.client.create_order(quote(bench))
    (order,) = [o for o in bench.client.get_resting_orders() if o.order_id == response.order_id]
    bench.client.cancel_order(order)
    bench.client.get_positions()
    bench.client.get_fills(START)
    bench.client.get_balance()
    assert all(timeout == (5.0, 10.0) for timeout in bench.wire.timeouts)
    asked = [request.path_url for request in bench.wire.sent if request.method != "POST"]
    assert all("subaccount=0" in path for path in asked)
    (cancel,) = [path for path in asked if order.order_id in path]
    assert f"market_ticker={order.ticker}" in cancel
    assert "exchange_index=3" in cancel


def test_an_unreadable_order_of_a_list_is_not_forgotten(bench: Bench) -> None:
    """One bad row does not cost the others. The list names the bad row and its market, and a caller that needs
    all rows gets an error."""
    bench.client.create_order(quote(bench))
    (good, *_) = bench.exchange.api.exchange.resting("customer")

    def spoil(request: requests.PreparedRequest, _: int) -> object:
        if request.method != "GET":
            return None
        rows = json.loads(bench.wire.inner.send(request).content)
        bad = {"order_id": "1", "ticker": "KXA-1"}
        return answer(200, json.dumps(rows | {"orders": [bad, *rows["orders"]]}))

    bench.wire.fault = spoil
    listed = bench.client.get_resting_orders()
    assert good.order_id in {order.order_id for order in listed}, "one bad row does not cost the others"
    (error,) = listed.unreadable
    assert error.ticker == "KXA-1"
    with pytest.raises(Unreadable, match=r"GET /portfolio/orders orders KXA-1: field outcome_side"):
        listed.all_or_raise()
