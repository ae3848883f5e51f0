"""An error has the exchange's own words, whatever their form, and nothing that may be printed shows a secret."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from requests.adapters import HTTPAdapter

from clients import KalshiHttpClient
from exchange.errors import (
    AlreadyExists,
    Answered,
    ExchangeError,
    Gone,
    Refused,
    ShortOfCash,
    Unauthorized,
    Unavailable,
    Unreadable,
)
from exchange.models import OrderStatus
from exchange.signing import Signer
from exchange.transport import Transport
from simulator import embedded
from simulator.clock import SimulatedClock
from tests.support.bench import Wire
from tests.support.canned_answers import (
    CALLS,
    KEY,
    KEY_ID,
    ORDER,
    USER,
    body_of,
    client_and_wire,
    client_that_hears,
    give,
    sent,
    terms,
)
from tests.support.project import START

SHAPES: list[tuple[bytes, tuple[str, str, str]]] = [
    (b'{"error":{"code":"c","message":"m","details":"d"}}', ("c", "m", "d")),
    (b'{"code":"c","message":"m","details":"d"}', ("c", "m", "d")),
    (b'{"msg":"m"}', ("", "m", "")),
    (b'{"error":{"code":"some_code_of_tomorrow"}}', ("some_code_of_tomorrow", "", "")),
    (b'{"error":{"code":"c","msg":"m"}}', ("c", "m", "")),
    (b'{"trading_active":false,"exchange_active":true}', ("", "exchange active: True, trading active: False", "")),
]
WORDLESS: list[tuple[bytes, tuple[str, str, str]]] = [
    (b"<html><h1>Bad gateway</h1>\n</html>", ("", "<html><h1>Bad gateway</h1> </html>", "")),
    (b"", ("", "", "")),
    (b"\xff\xfe", ("", "\ufffd\ufffd", "")),
    (b'{"error":{}}', ("", '{"error":{}}', "")),
    (b'{"error":"m"}', ("", "m", "")),
]
"""Bodies that are not the exchange's at a 400. At a 503 what they say is kept all the same."""


def assert_words_are_kept(
    kind: type[Answered], status: int, payload: bytes, words: tuple[str, str, str]
) -> Answered:
    with pytest.raises(kind) as refused:
        CALLS["cancel_order"](client_that_hears(give(status, payload)))
    error = refused.value
    assert (error.code, error.message, error.details) == words
    assert str(error).startswith(f"DELETE /portfolio/events/orders/{ORDER.order_id}: {status} ")
    assert all(word in str(error) for word in words)
    return error


@pytest.mark.parametrize(("payload", "words"), SHAPES)
def test_the_exchanges_words_are_kept_whole_in_all_their_forms(
    payload: bytes, words: tuple[str, str, str]
) -> None:
    assert assert_words_are_kept(Refused, 400, payload, words).status == 400


@pytest.mark.parametrize(("payload", "words"), WORDLESS)
def test_what_a_broken_exchange_says_is_kept_too(payload: bytes, words: tuple[str, str, str]) -> None:
    assert_words_are_kept(Unavailable, 503, payload, words)


@pytest.mark.parametrize("prefix", ["user_not_found:_", "user_not_found:", "user ", ""])
@pytest.mark.parametrize("spelled", [USER, USER.upper()])
def test_a_users_id_is_cut_from_an_error_code(prefix: str, spelled: str) -> None:
    """The client still knows the code by its prefix. Neither the error's text nor its code shows the id, in any
    spelling."""
    payload = json.dumps({"error": {"code": f"{prefix}{spelled}", "message": "m"}}).encode()
    with pytest.raises(Answered) as refused:
        CALLS["get_balance"](client_that_hears(give(404, payload)))
    assert refused.value.code.startswith(prefix)
    assert refused.value.has_code(prefix)
    for shown in (str(refused.value), repr(refused.value), refused.value.code):
        assert USER not in shown.lower()
        assert USER[9:] not in shown.lower()


ROWS: list[tuple[Any, type[ExchangeError], str]] = [
    ({"code": "not_found", "message": "not found"}, Gone, "not_found"),
    ({"code": "order_not_found", "message": "x"}, Gone, "order_not_found"),
    ({"code": "order_already_exists", "message": "x"}, AlreadyExists, "order_already_exists"),
    ({"code": "insufficient_balance", "message": "x", "details": "y"}, ShortOfCash, "insufficient_balance"),
    ({"code": "market_not_found", "message": "x"}, Refused, "market_not_found"),
    ({"code": "internal_server_error"}, Unavailable, "internal_server_error"),
    ({"code": "service_unavailable"}, Unavailable, "service_unavailable"),
    ({"code": "a_code_of_tomorrow", "message": "x"}, Refused, "a_code_of_tomorrow"),
    ({"message": "only words"}, Refused, ""),
]


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize(("row", "kind", "code"), ROWS)
def test_an_error_of_one_order_in_a_batch_is_read(
    row: Any, kind: type[ExchangeError], code: str, wrapped: bool
) -> None:
    """The exchange may send the error of an order wrapped in an error field or bare. The client reads its kind,
    code and details and keeps the other order's result."""
    said = {"order_id": ORDER.order_id, "reduced_by": "0.00"} | ({"error": row} if wrapped else row)
    done = {"order_id": "1", "client_order_id": "a", "reduced_by": "2.00", "ts_ms": 1}
    good, bad = CALLS["cancel_orders"](client_that_hears(give(200, sent({"orders": [done, said]}))))
    assert good == 2
    assert type(bad) is kind
    assert (bad.code, bad.details) == (code, row.get("details", ""))
    assert "DELETE /portfolio/events/orders/batched" in str(bad)


@pytest.mark.parametrize("wrapped", [True, False])
def test_an_order_of_a_batch_that_was_refused_costs_no_other(wrapped: bool) -> None:
    row = {"code": "invalid_price", "message": "x"}
    said = {"error": row} if wrapped else row
    made = {
        "order_id": "1",
        "client_order_id": "lipbot-1",
        "fill_count": "0.00",
        "remaining_count": "2.00",
        "ts_ms": 1,
    }
    good, bad = CALLS["create_orders"](client_that_hears(give(201, sent({"orders": [made, said]}))))
    assert (good.order_id, good.status) == ("1", OrderStatus.RESTING)
    assert type(bad) is Refused
    assert bad.code == "invalid_price"
    assert bad.maybe_done is False


def test_a_batch_answer_with_too_few_orders_is_not_guessed() -> None:
    """If a batch answers for fewer orders than were sent, every result is an error that says so."""
    done = {"order_id": "1", "client_order_id": "a", "reduced_by": "2.00", "ts_ms": 1}
    results = CALLS["cancel_orders"](client_that_hears(give(200, sent({"orders": [done]}))))
    assert [type(result) for result in results] == [Unreadable] * 2
    assert "orders should have 2 items" in str(results[0])


# -- nothing secret -----------------------------------------------------------------------------------------------


@dataclass
class Said:
    """All texts that a person may see of some objects."""

    texts: list[str] = field(default_factory=list)

    def add(self, *values: object) -> None:
        for value in values:
            self.texts += [str(value), repr(value)]
            if isinstance(value, ExchangeError):
                self.texts += [str(vars(value)), str(value.args)]

    def assert_free_of(self, *secrets: str) -> None:
        for text in self.texts:
            for secret in secrets:
                assert secret.lower() not in text.lower(), text


def private() -> str:
    pem = KEY.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    return pem.hex()


ECHOES = {
    "a code": (401, '{"error":{"code":"no_such_key:_%s","message":"m"}}'),
    "a message": (401, '{"code":"c","message":"key %s is not known"}'),
    "details": (403, '{"error":{"code":"c","message":"m","details":"%s"}}'),
    "msg": (400, '{"msg":"for %s"}'),
    "a string": (400, '{"error":"%s"}'),
    "a page": (502, "<html><body>%s</body></html>"),
    "a list": (400, '["%s"]'),
    "another object": (400, '{"who": "%s"}'),
    "a success that is none": (200, "<html>%s</html>"),
    "a field": (200, '{"balance_dollars": "%s"}'),
    "no object": (200, '["%s"]'),
}


@pytest.mark.parametrize("secret", [KEY_ID, USER], ids=["key id", "user"])
@pytest.mark.parametrize("echo", ECHOES)
def test_an_error_does_not_show_the_keys_or_the_users_id(echo: str, secret: str) -> None:
    """The exchange may repeat the id of the key or of the user in its answer. The client's error and its text
    do not show it."""
    status, text = ECHOES[echo]
    client = client_that_hears(give(status, (text % secret).encode()))
    said = Said()
    with pytest.raises(ExchangeError) as error:
        client.get_balance()
    said.add(error.value)
    said.assert_free_of(secret)


@pytest.mark.parametrize("secret", [KEY_ID, USER, "not-a-uuid-at-all"], ids=["key id", "user", "key id of words"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_row_of_a_batch_repeats_no_secret_either(secret: str, wrapped: bool) -> None:
    row = {"code": f"user_not_found:_{secret}", "message": f"by {secret}", "details": secret}
    key_id = KEY_ID if secret in (KEY_ID, USER) else secret
    client = client_that_hears(
        give(200, sent({"orders": [{"error": row} if wrapped else row] * 2})), key_id=key_id
    )
    said = Said()
    said.add(*client.cancel_orders([ORDER, ORDER]))
    said.assert_free_of(secret)


def test_an_item_that_is_not_one_does_not_show_whose_it_is() -> None:
    body = body_of("get_resting_orders")
    body["orders"] = [[USER], f"order of {USER}", {"ticker": "KXA-1", "order_id": {"user_id": USER}}]
    listed = CALLS["get_resting_orders"](client_that_hears(give(200, sent(body))))
    assert len(listed.unreadable) == 3
    said = Said()
    said.add(*listed.unreadable, listed)
    said.assert_free_of(USER)


def parts(whole: object) -> list[object]:
    """An object of ours and, at any depth, the objects of ours that it is made of."""
    found = [whole]
    for one in found:
        inner = vars(one).values() if hasattr(one, "__dict__") else ()
        found += [
            part
            for part in inner
            if type(part).__module__.startswith(("exchange.", "clients")) and part not in found
        ]
    return found


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 429, 500, 503])
def test_no_printed_object_shows_a_key_an_id_or_a_signature(status: int) -> None:
    """This holds for the client, its parts, its messages and every error of every call."""
    client, wire = client_and_wire(give(status, b'{"error":{"code":"c","message":"m"}}'))
    said = Said()
    assert any(isinstance(part, Signer) for part in parts(client))
    said.add(*parts(client), client.clock.pop_message())
    for call in CALLS.values():
        try:
            call(client)
        except ExchangeError as error:
            said.add(error)
    signatures = {request.headers["KALSHI-ACCESS-SIGNATURE"] for request in wire.sent}
    assert len(signatures) > 5
    said.add(*parts(client))
    everything = "\n".join(said.texts).lower()
    assert not [s for s in (KEY_ID, private(), *signatures) if s.lower() in everything]


def test_what_the_wire_says_when_it_is_cut_shows_no_header() -> None:
    session = requests.Session()
    session.trust_env = False

    def cut(request: requests.PreparedRequest) -> requests.Response:
        raise requests.exceptions.ConnectionError(f"with {request.headers}", request=request)

    session.mount(embedded.HOST, Wire(HTTPAdapter(), lambda *_: cut))
    signer, clock = Signer(KEY_ID, KEY), SimulatedClock(START, pace=None)
    channel = Transport(f"{embedded.HOST}/trade-api/v2", signer, clock, session)
    client = KalshiHttpClient(f"{embedded.HOST}/trade-api/v2", signer, clock, session)
    said = Said()
    for call in (client.get_balance, client.cancel_all_orders, lambda: client.create_order(terms())):
        with pytest.raises(ExchangeError) as error:
            call()
        said.add(error.value, channel)
    said.assert_free_of(KEY_ID, "KALSHI-ACCESS")
    assert not issubclass(Unauthorized, Unavailable)
