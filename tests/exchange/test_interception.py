"""What answers in the exchange's place is an outage, whatever it says: a firewall, a proxy, a login page. It is no
problem of the key, nothing that it answers ends the bot, and no order is doubled or lost by it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
import requests

from clients import KalshiHttpClient
from exchange.errors import (
    Answered,
    ExchangeError,
    Forbidden,
    Gone,
    Intercepted,
    RateLimited,
    Recovery,
    Refused,
    Unauthorized,
    Unavailable,
    Unreadable,
)
from exchange.interception import is_own_refusal
from exchange.models import OrderRequest, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Side
from tests.support.bench import Bench, MakeBench, Wire, answer, own_resting
from tests.support.canned_answers import CALLS, KEY_ID, client_and_wire, client_that_hears, give
from tests.support.faulty_exchange import HOST, MARKET, open_with
from tests.support.project import SPECIFICATION, needs
from tests.support.raw_client import ORDERS, ROOT

STATUSES = (301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 407, 410, 418, 451, 511)
BODIES = {
    "empty": "",
    "a page": "<!DOCTYPE html><html><head><title>Access  denied</title></head><body>x</body></html>",
    "a page without a title": "<html><body>Blocked by the firewall</body></html>",
    "text": "403 Forbidden",
    "a gateway's": '{"message":"Forbidden"}',
    "a framework's": '{"detail":"Authentication credentials were not provided."}',
    "a proxy's": '{"error":"access denied"}',
    "a proxy's message": '{"error":{"message":"blocked by policy"}}',
    "a cloud's": '{"error":{"code":"AuthorizationFailed","message":"no"}}',
    "another cloud's": '{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}',
    "a network's": '{"success":false,"errors":[{"code":1020,"message":"Access denied"}]}',
    "a number": '{"code":"1020","msg":"no"}',
    "null": "null",
    "a list": '["not_found"]',
    "no UTF-8": "\ud83d\ude00",
}
KEYS_OWN = '{"error":{"code":"authentication_error","message":"authentication_error","details":"NOT_FOUND"}}'


def raised(client: Any, call: str = "get_balance") -> ExchangeError:
    with pytest.raises(ExchangeError) as failed:
        CALLS[call](client)
    return failed.value


@pytest.mark.parametrize("body", BODIES)
def test_nothing_in_between_is_taken_for_the_exchanges_refusal(body: str) -> None:
    """The bot tries again, and takes an order for one that may have been placed. The text tells the status and
    what came, on one line."""
    for status in STATUSES:
        if (status, body) == (400, "a number"):  # with `msg` a 400 may be the exchange's own
            continue
        given = give(status, BODIES[body].encode("utf-8", "surrogatepass"))
        error = raised(client_that_hears(given))
        assert type(error) is Intercepted, (status, error)
        assert error.recovery is Recovery.RETRY
        assert error.maybe_done is False, "a read"
        assert error.status == status
        assert f"{status} that does not come from the exchange's API: " in str(error)
        assert "\n" not in str(error)
        assert "write permission" not in str(error)
        placed = raised(client_that_hears(given), "create_order")
        assert placed.maybe_done
        assert placed.recovery is Recovery.RETRY


def test_a_page_is_told_by_its_title() -> None:
    assert "from the exchange's API: Access denied (" in str(
        raised(client_that_hears(give(403, BODIES["a page"].encode())))
    )


@pytest.mark.parametrize("body", BODIES)
def test_a_429_and_a_5xx_stay_what_they_are_whoever_sends_them(body: str) -> None:
    payload = BODIES[body].encode("utf-8", "surrogatepass")
    assert type(raised(client_that_hears(give(429, payload)))) is RateLimited
    for status in (500, 502, 503, 504):
        assert type(raised(client_that_hears(give(status, payload)))) is Unavailable


OWN: list[tuple[int, str, type[Answered]]] = [
    (401, KEYS_OWN, Unauthorized),
    (401, '{"error":{"code":"signature_is_missing_from_headers","message":"m"}}', Unauthorized),
    (401, '{"error":{"code":"header_timestamp_expired","message":"m"}}', Unauthorized),
    (403, '{"code":"permission_denied"}', Forbidden),
    (403, '{"error":{"code":"forbidden","message":"this API key is restricted"}}', Forbidden),
    (400, '{"msg":"Parameter validation failed"}', Refused),
    (400, '{"code":"bad_request","message":"bad request","details":"json"}', Refused),
    (409, '{"error":{"code":"market_closed"}}', Refused),
    (410, '{"error":{"code":"deprecated_v1_order_endpoint","message":"m"}}', Refused),
    (404, '{"error":{"code":"user_not_found:_9B1DEB4D-3B7D-4BAD-9BDD-2B0D7B3DCB6D"}}', Refused),
    (400, '{"error":{"code":"invalid order","message":"with a space"}}', Refused),
    (403, '{"exchange_active":false,"trading_active":false}', Forbidden),
]


@pytest.mark.parametrize(("status", "body", "kind"), OWN)
def test_the_exchanges_own_refusal_is_taken_at_its_word(status: int, body: str, kind: type[Answered]) -> None:
    assert type(raised(client_that_hears(give(status, body.encode())))) is kind


def test_every_refusal_of_the_simulator_is_the_exchanges_own() -> None:
    """It refuses as the exchange does: by the query, the body, the path, the signature and the account's state."""
    client, seen = open_with(), set()
    asks: list[tuple[str, str, Any, bool]] = [
        ("GET", "/markets?limit=99999", None, False), ("GET", "/markets?limit=x", None, False),
        ("GET", "/no/such/path", None, True), ("PUT", "/exchange/status", None, True),
        ("GET", "/portfolio/balance", None, False), ("POST", ORDERS, {"count": 1}, True),
        ("POST", ORDERS, {"ticker": "NO-SUCH"}, True), ("DELETE", f"{ORDERS}/none", None, True),
        ("POST", "/portfolio/orders", {}, True), ("GET", "/markets/NO-SUCH/orderbook", None, False),
    ]  # fmt: skip
    answers = [
        client.session.request(method, client.base + path, json=body, auth=client.sign if signed else None)
        for method, path, body, signed in asks
    ]
    answers += [client.create(price="0.5255"), client.create(post_only=True, price="0.9900")]
    for one in answers:
        assert one.status_code >= 400, one.url
        assert is_own_refusal(one.status_code, one.json()), (one.url, one.text)
        seen.add(one.status_code)
    assert seen >= {400, 401, 404, 405}


@needs(SPECIFICATION)
def test_an_error_of_the_specification_is_the_exchanges_own() -> None:
    """Its flat form, with all fields that it names."""
    text = SPECIFICATION.read_text(encoding="utf-8")
    found = re.search(r"^    ErrorResponse:\n(?:      .*\n)+", text, re.M)
    assert found
    fields = re.findall(r"^        (\w+):$", found[0], re.M)
    assert {"code", "message"} <= set(fields)
    assert is_own_refusal(403, dict.fromkeys(fields, "some_words"))


@pytest.mark.parametrize(
    ("call", "told"), [("get_balance", "may not read this"), ("cancel_order", "write permission")]
)
def test_a_key_that_may_not_do_something_is_advised_about_that(call: str, told: str) -> None:
    refused = raised(client_that_hears(give(403, b'{"code":"permission_denied"}')), call)
    assert type(refused) is Forbidden
    assert told in str(refused)
    assert ("write" in str(refused)) is (call != "get_balance")


# -- login pages -----------------------------------------------------------------------------------------------

PAGES = {
    "a page": "<!DOCTYPE html>\n<html><head><title>Hotel Wi-Fi</title></head></html>",
    "in capitals, after a comment": "\n<!-- portal --> <HTML><TITLE>Hotel Wi-Fi</TITLE></HTML>",
    "without a title": "<html><body>Hotel Wi-Fi</body></html>",
    "a script": "<script>location='https://login.example/?session=private-words'</script>Hotel Wi-Fi",
}


@pytest.mark.parametrize("what", PAGES)
def test_a_login_page_is_not_told_as_a_new_api(what: str) -> None:
    client = client_that_hears(give(200, PAGES[what].encode(), "text/html"))
    error = raised(client)
    assert type(error) is Intercepted
    assert "200 that does not come from the exchange's API: a web page: " in str(error)
    assert "sign in to this network in a browser" in str(error)
    assert "changed its API" not in str(error)
    assert raised(client, "create_order").maybe_done


@pytest.mark.parametrize("body", ["", "null", "[1]", '"x"', "1", '{"balance":', "hello"])
def test_a_success_that_is_no_object_and_no_page_is_unreadable(body: str) -> None:
    assert type(raised(client_that_hears(give(200, body.encode())))) is Unreadable


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_tells_its_host_and_never_its_query(status: int) -> None:
    """The host alone: the rest of the address may hold the words of a session, or a user's name."""

    def redirect(request: requests.PreparedRequest) -> requests.Response:
        response = give(status, b"", "text/html")(request)
        response.headers["Location"] = (
            "https://me:secret@login.hotel.example:8443/private-words?session=private-words"
        )
        return response

    client, wire = client_and_wire(redirect)
    error = raised(client)
    assert type(error) is Intercepted
    assert (
        f"{status} that does not come from the exchange's API: it sends the bot on to login.hotel.example ("
        in str(error)
    )
    assert "sign in to this network in a browser" in str(error)
    assert "private-words" not in f"{error} {vars(error)}"
    assert "secret" not in f"{error} {vars(error)}"
    assert all("hotel" not in (request.url or "") for request in wire.sent)


@pytest.mark.parametrize("status", [403, 200])
def test_a_page_that_repeats_the_request_shows_no_key(status: int) -> None:
    for text in (f"<html><title>{KEY_ID}</title></html>", f"<html>KALSHI-ACCESS-KEY: {KEY_ID}</html>"):
        error = raised(client_that_hears(give(status, text.encode())))
        assert KEY_ID not in f"{error} {vars(error)}"


def test_a_login_pages_time_does_not_move_the_clock() -> None:
    """Its `Date` is its own: requests signed by it would be refused."""
    hour_ahead = {"Date": "Sun, 22 Nov 2026 16:00:00 GMT"}

    def page(request: requests.PreparedRequest) -> requests.Response:
        response = give(200, PAGES["a page"].encode(), "text/html")(request)
        response.headers.update(hour_ahead)
        return response

    client = client_that_hears(page)
    raised(client)
    assert not client.clock.offset


# -- orders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [(403, "<html>no</html>"), (302, ""), (200, "<html>log in</html>"), (401, "")])
def test_a_firewall_that_blocks_only_answers_doubles_no_order(given: tuple[int, str]) -> None:
    """The exchange had each request, and something else answered it the first time. A create is looked up and not
    repeated, an amend and a cancel are made once."""
    exchange = open_with()
    wire = Wire(exchange.session.adapters[HOST])
    exchange.session.mount(HOST, wire)
    client = KalshiHttpClient(HOST + ROOT, exchange.signer, exchange.clock, exchange.session)
    struck: set[str] = set()

    def block(request: requests.PreparedRequest, _: int) -> object:
        what = f"{request.method} {'amend' if '/amend' in (request.url or '') else ''}"
        if request.method == "GET" or what in struck:
            return None
        struck.add(what)
        return answer(*given, "text/html")

    wire.after = block
    before = len(exchange.account.orders)
    request = OrderRequest(
        MARKET, 0, "new-1", Bid(Side.YES, Decimal("0.52"), Decimal(10)), TimeInForce.GOOD_TILL_CANCELED,
        SelfTradePrevention.TAKER_AT_CROSS,
    )  # fmt: skip
    made = client.create_order(request)
    assert [one.order_id for one in exchange.resting()] == [made.order_id]
    assert sum(one.method == "POST" for one in wire.sent) == 1, "looked up, not repeated"
    order = next(one for one in client.get_resting_orders() if one.order_id == made.order_id)
    client.amend_order(order, Bid(Side.YES, Decimal("0.52"), Decimal(4)))
    assert [one.remaining for one in exchange.resting()] == [400]
    with pytest.raises(Gone):  # its first attempt canceled it
        client.cancel_order(order)
    assert exchange.resting() == []
    assert len(exchange.account.orders) == before + 1
    assert len(struck) == 3


# -- the bot ---------------------------------------------------------------------------------------------------

BLOCKS = {
    "401 page": answer(401, "<html>who are you</html>", "text/html"),
    "403 of a gateway": answer(403, '{"message":"Forbidden"}'),
    "a redirect": answer(302, "", "text/html"),
    "a login page": answer(200, "<html><title>Log in</title></html>", "text/html"),
    "407": answer(407, ""),
    "451": answer(451, "Unavailable For Legal Reasons"),
    "404 page": answer(404, "<html>no</html>", "text/html"),
}


def block_in_turn(bench: Bench) -> None:
    """From now on the wire answers in the exchange's place, in another way after each wait of the bot."""
    ways = list(BLOCKS.values())
    bench.wire.fault = lambda *_: ways[len(bench.waits) % len(ways)]


def test_a_firewall_at_the_start_is_waited_out(make_bench: MakeBench) -> None:
    """Whatever it answers, nothing is touched. The bot quotes once the exchange answers."""
    bench = make_bench(who=())
    block_in_turn(bench)
    assert bench.run(cycles=len(BLOCKS)) is None, "it goes on"
    assert all(request.method == "GET" for request in bench.wire.sent)
    assert all("does not come from the exchange's API" in line for line in bench.events("ERROR"))
    assert len(bench.events("ERROR")) >= len(BLOCKS)
    bench.wire.fault = None
    bench.run(cycles=2)
    assert len(own_resting(bench)) == 4


def test_a_firewall_in_a_session_is_an_outage_and_not_the_end(make_bench: MakeBench) -> None:
    """Each answer comes once among the first failures, and once after the third, when a refused key would end the
    bot."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    block_in_turn(bench)
    assert bench.run(cycles=2 * len(BLOCKS)) is None, "it goes on"
    assert len(bench.events("OUTAGE")) == 1
    assert "only you can fix this" not in bench.log
    bench.wire.fault = None
    bench.run(cycles=3)
    assert len(own_resting(bench)) == 4


def test_a_key_that_the_exchange_refuses_still_ends_the_bot(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.wire.fault = lambda *_: answer(401, KEYS_OWN)
    assert bench.run(cycles=5) == 2
    assert json.loads(KEYS_OWN)["error"]["code"] in bench.log
