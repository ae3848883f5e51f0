"""Whatever the exchange answers: a value that is exact, or a typed error that says what is wrong, and no secret.

Answers are the simulator's own, spoilt in one place, or anything at all; they go through `requests` and the whole
client, where they are not handed to the parsers themselves.
"""

from __future__ import annotations

import copy
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

import parsing
from account import OrderGroup
from channel import Channel
from clients import KalshiHttpClient
from errors import AlreadyExists, ExchangeError, Gone, Refused, Unauthorized, Unavailable, Unreadable
from fields import Fields, Listing, decode
from models import Bid, Order, OrderRequest, OrderStatus, SelfTradePrevention, Side, TimeInForce
from signing import Signer
from simulator import embedded, lifecycle
from simulator.clock import SimulatedClock
from tests.conftest import START, Wire

D = Decimal
USER = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"
KEY_ID = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
KEY = Ed25519PrivateKey.generate()
TICKER = "KXMLBGAME-26NOV25-T2"

BID = Bid(Side.YES, D("0.50"), D(2))
ORDER = Order(
    "00000000-0000-4000-8000-000000000001", "lipbot-1", TICKER, Side.YES, D("0.50"), OrderStatus.RESTING, D(2),
    D(0), D(2), D(0), 3, None,
)  # fmt: skip
GROUP = OrderGroup("00000000-0000-4000-8000-000000000002", D(5), 3)


def terms(name: str = "lipbot-1") -> OrderRequest:
    return OrderRequest(TICKER, 3, name, BID, TimeInForce.GOOD_TILL_CANCELED, SelfTradePrevention.MAKER)


def since_a_write(client: KalshiHttpClient) -> bool:
    with suppress(ExchangeError):
        client.cancel_all_orders()
    return client.lists_are_current()


LIMITS = {
    "usage_tier": "basic",
    "read": {"refill_rate": 200, "bucket_capacity": 600},
    "write": {"refill_rate": 100, "bucket_capacity": 100},
}
"""What the simulator says of itself, in a body with the costs: one answer for both calls."""

CALLS: dict[str, Callable[[KalshiHttpClient], Any]] = {
    "amend_order": lambda c: c.amend_order(ORDER, BID),
    "cancel_all_orders": lambda c: c.cancel_all_orders(),
    "cancel_order": lambda c: c.cancel_order(ORDER),
    "cancel_orders": lambda c: c.cancel_orders([ORDER, ORDER]),
    "create_order": lambda c: c.create_order(terms()),
    "create_order_group": lambda c: c.create_order_group(D(5), 3),
    "create_orders": lambda c: c.create_orders([terms(), terms("lipbot-2")]),
    "delete_order_group": lambda c: c.delete_order_group(GROUP),
    "get_balance": lambda c: c.get_balance(),
    "get_candles": lambda c: c.get_candles([TICKER], START, START + timedelta(minutes=5)),
    "get_deposits": lambda c: c.get_deposits(),
    "get_event": lambda c: c.get_event("KXMLBGAME-26NOV25"),
    "get_exchange_status": lambda c: c.get_exchange_status(),
    "get_fills": lambda c: c.get_fills(START),
    "get_incentive_programs": lambda c: c.get_incentive_programs(),
    "get_markets": lambda c: c.get_markets([TICKER, "KXODD-26NOV23-FINEGRID"]),
    "get_order_groups": lambda c: c.get_order_groups(),
    "get_orderbooks": lambda c: c.get_orderbooks([TICKER, "KXODD-26NOV23-FINEGRID"]),
    "get_positions": lambda c: c.get_positions(),
    "get_resting_orders": lambda c: c.get_resting_orders(),
    "get_schedule": lambda c: c.get_schedule(),
    "get_series": lambda c: c.get_series("KXMLBGAME"),
    "get_settlements": lambda c: c.get_settlements(START),
    "get_transfers": lambda c: c.get_transfers(),
    "get_withdrawals": lambda c: c.get_withdrawals(),
    "limit_order_group": lambda c: c.limit_order_group(GROUP, D(6)),
    "lists_are_current": since_a_write,
    "read_limits": lambda c: c.read_limits(),
    "reset_order_group": lambda c: c.reset_order_group(GROUP),
    "trigger_order_group": lambda c: c.trigger_order_group(GROUP),
}


def give(status: int, payload: bytes, content_type: str = "application/json") -> Callable[..., requests.Response]:
    """An answer of any bytes."""

    def answer(request: requests.PreparedRequest) -> requests.Response:
        raw = HTTPResponse(io.BytesIO(payload), {"Content-Type": content_type}, status, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    return answer


def client_that_hears(*answers: Callable[..., requests.Response]) -> KalshiHttpClient:
    """A client whose requests are answered by these, one after the other, and by the last from then on."""
    session = requests.Session()
    session.trust_env = False
    session.mount(embedded.HOST, Wire(HTTPAdapter(), lambda _, number: answers[min(number, len(answers) - 1)]))
    clock = SimulatedClock(START, pace=None)
    client = KalshiHttpClient(f"{embedded.HOST}/trade-api/v2", Signer(KEY_ID, KEY), clock, session)
    client.hurry()
    return client


# -- what the exchange really answers -----------------------------------------------------------------------------


@cache
def real_answers() -> dict[str, bytes]:
    """By method, what the simulator answered to it last."""
    exchange = embedded.start(1, None, None, START, 12, ())
    wire = Wire(exchange.session.adapters[embedded.HOST])
    exchange.session.mount(embedded.HOST, wire)
    signer = Signer(exchange.key_id, exchange.private_key)
    client = KalshiHttpClient(exchange.base_url, signer, exchange.clock, exchange.session)
    inner = exchange.api.exchange
    account = inner.accounts["customer"]
    for amount in (1_000_000, 2_000_000):
        inner.move_cash(account, 2, 3, amount)
        inner.withdraw_cash(account, 2, amount // 10_000)
        account.deposits.append(account.withdrawals[-1])
    for ticker in ("KXHIGHCHI-26NOV24-B3.5", "KXHIGHCHI-26NOV24-B4.5"):
        client.get_positions()
        positions = wire.answers[-1].content
        lifecycle.settle_now(inner, inner.markets[ticker], "yes")
    found: dict[str, bytes] = {}

    def hear(name: str, call: Callable[[KalshiHttpClient], object]) -> Any:
        result = call(client)
        found[name] = wire.answers[-1].content
        return result

    made = hear("create_order", CALLS["create_order"])
    (order,) = [o for o in client.get_resting_orders() if o.order_id == made.order_id]
    hear("amend_order", lambda c: c.amend_order(order, Bid(Side.YES, D("0.51"), D(3))))
    hear("create_orders", lambda c: c.create_orders([terms("lipbot-3"), terms("lipbot-4")]))
    orders = [o for o in client.get_resting_orders() if o.client_order_id in ("lipbot-3", "lipbot-4")]
    groups = [client.create_order_group(D(5), 3) for _ in range(2)]
    hear("create_order_group", lambda c: c.create_order_group(D(5), 3))
    exchange.clock.advance(200)
    for name in CALLS:
        if name.startswith("get_"):
            hear(name, CALLS[name])
    hear("lists_are_current", lambda c: c.lists_are_current())
    hear("read_limits", lambda c: c.read_limits())
    for name in ("limit", "reset", "trigger", "delete"):
        group = OrderGroup(groups[0], D(5), 3)
        call = {"limit": lambda c, g=group: c.limit_order_group(g, D(6))}.get(
            name, lambda c, n=name, g=group: getattr(c, f"{n}_order_group")(g)
        )
        hear(f"{name}_order_group", call)
    hear("cancel_order", lambda c: c.cancel_order(order))
    hear("cancel_orders", lambda c: c.cancel_orders(orders))
    hear("cancel_all_orders", lambda c: c.cancel_all_orders())
    both = json.dumps(LIMITS | json.loads(found["read_limits"])).encode()
    return found | {"get_positions": positions, "read_limits": both}


@cache
def short_answer(name: str) -> bytes:
    """A real answer, its lists cut to two."""
    body = json.loads(real_answers()[name] or b"{}")
    for container, key in list(places(body)):
        if isinstance(container[key], list) and not (isinstance(container, list) or key == "standard_hours"):
            container[key] = container[key][:2]
    return json.dumps(body).encode()


def body_of(name: str) -> Any:
    return json.loads(short_answer(name))


# -- anything at all ----------------------------------------------------------------------------------------------

DEEP = "[" * 100_000 + "]" * 100_000
RAW = {
    "nan": "NaN", "infinity": "-Infinity", "large": "1e999999999", "larger": "1e9999999999999999999999",
    "small": "1e-999999999", "digits": "9" * 5_000, "fewer digits": "9" * 4_000, "deep": DEEP,
    "less deep": "[" * 600 + "]" * 600, "surrogate": '"\\ud800"', "fraction": "0.1",
}  # fmt: skip
"""JSON, or nearly, that `json.dumps` does not write. They stand in values as `@name`."""

AS_DECODED = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(
    [D("1e999999999"), D("-1e999999999"), D("1e-999999999"), D("0.5"), 10**18 + 1, -(10**40), "1e5", "NaN",
     "0.5600", "10.00", "2026-11-22T15:00:00Z", "-0", "9" * 40, "00:99999999999999999999", "24:00", "25:61",
     "yes", "resting", "active", "liquidity", "applied", "٣", "\ud800", "\x00"]
)  # fmt: skip
"""Values as they come out of JSON."""

ANYTHING = st.recursive(
    AS_DECODED, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
SHORT = [f"@{name}" for name, raw in RAW.items() if len(raw) < 2_000]
AS_SENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(SHORT)
    | st.sampled_from(["0.5600", "1e5", "00:99999999999999999999", "24:00", "2026-11-22T15:00:00Z", "x" * 500]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)  # fmt: skip


def sent(value: Any) -> bytes:
    """A value as JSON, with the raw ones in their places."""
    text = json.dumps(value)
    for name, raw in RAW.items():
        text = text.replace(f'"@{name}"', raw) if "@" in text else text
    return text.encode()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from places(value[key])


@st.composite
def spoilt(draw: st.DrawFn, name: str, values: st.SearchStrategy[Any]) -> Any:
    """A real answer with one to three places dropped, or filled with anything."""
    body = body_of(name)
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(body))
        if not found:
            return draw(values)
        container, key = found[draw(st.integers(0, len(found) - 1))]
        if draw(st.booleans()) and isinstance(container, dict):
            del container[key]
        else:
            container[key] = draw(values)
    return body


def test_every_method_is_among_those_that_are_told_anything() -> None:
    public = {n for n, _ in inspect.getmembers(KalshiHttpClient, inspect.isfunction) if not n.startswith("_")}
    assert set(CALLS) == public - {"hurry"}
    assert set(real_answers()) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_no_answer_at_all_ends_in_anything_but_a_value_or_a_typed_error(name: str, data: st.DataObject) -> None:
    payload = data.draw(
        spoilt(name, AS_SENT).map(sent) | AS_SENT.map(sent) | st.binary(max_size=60), label="the answer"
    )
    try:
        result = CALLS[name](client_that_hears(give(200, payload)))
    except ExchangeError as error:
        assert "/" in error.request or "Order" in error.request
        assert len(str(error)) < 2_000
    else:
        errors = result.unreadable if isinstance(result, Listing) else result if isinstance(result, list) else ()
        assert all(str(error) for error in errors)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("raw", ["large", "larger", "less deep", "surrogate"])
def test_no_strange_value_in_any_place_of_an_answer_ends_in_anything_but_a_typed_error(
    name: str, raw: str
) -> None:
    """Every place of a real answer in its turn. One call: the answer of that place."""
    for number in range(len(list(places(body_of(name))))):
        body = body_of(name)
        container, key = list(places(body))[number]
        if isinstance(container, list) and key:
            continue  # as the first
        container[key] = f"@{raw}"
        try:
            CALLS[name](client_that_hears(give(200, sent(body))))
        except ExchangeError:
            pass
        except Exception as error:
            pytest.fail(f"{key} of {name} as {RAW[raw][:40]}: {error!r:.200}")


PARSERS: dict[str, tuple[Callable[[Fields], Any], str, tuple[Any, ...]]] = {
    "program": (parsing.program, "get_incentive_programs", ("incentive_programs", 0)),
    "market": (parsing.market, "get_markets", ("markets", 0)),
    "book": (parsing.book, "get_orderbooks", ("orderbooks", 0)),
    "candles": (parsing.candles, "get_candles", ("markets", 0)),
    "series": (parsing.series, "get_series", ("series",)),
    "event": (parsing.event, "get_event", ("event",)),
    "exchange_status": (parsing.exchange_status, "get_exchange_status", ()),
    "schedule": (parsing.schedule, "get_schedule", ()),
    "order": (parsing.order, "get_resting_orders", ("orders", 0)),
    "order_response": (lambda f: parsing.order_response(f, D(2)), "create_order", ()),
    "amend_response": (parsing.amend_response, "amend_order", ()),
    "order_group": (parsing.order_group, "get_order_groups", ("order_groups", 0)),
    "position": (parsing.position, "get_positions", ("market_positions", 0)),
    "fill": (parsing.fill, "get_fills", ("fills", 0)),
    "settlement": (parsing.settlement, "get_settlements", ("settlements", 0)),
    "payment": (parsing.payment, "get_deposits", ("deposits", 0)),
    "transfer": (parsing.transfer, "get_transfers", ("transfers", 0)),
    "balance": (parsing.balance, "get_balance", ()),
    "limits": (parsing.limits, "read_limits", ()),
    "endpoint_costs": (parsing.endpoint_costs, "read_limits", ()),
}


def sample(parser: str) -> Any:
    """An object that the parser reads, as decoded."""
    _, name, path = PARSERS[parser]
    value = decode(short_answer(name))
    for step in path:
        value = value[step]
    return value


def test_no_parser_is_left_out() -> None:
    takes_fields = {
        name
        for name, function in inspect.getmembers(parsing, inspect.isfunction)
        if function.__module__ == "parsing"
        and not name.startswith("_")
        and "f" in inspect.signature(function).parameters
    }
    assert set(PARSERS) == takes_fields
    for parser, (parse, _, _) in PARSERS.items():
        assert parse(Fields("GET /x", sample(parser))) is not None


@pytest.mark.parametrize("parser", PARSERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_a_parser_reads_it_makes_a_value_or_says_what_is_wrong(parser: str, data: st.DataObject) -> None:
    value = sample(parser)
    if data.draw(st.booleans()):
        for _ in range(data.draw(st.integers(1, 4))):
            found = list(places(value))
            if found:
                container, key = found[data.draw(st.integers(0, len(found) - 1))]
                container[key] = data.draw(ANYTHING)
    else:
        value = data.draw(ANYTHING)
    try:
        PARSERS[parser][0](Fields("GET /some/path", value))
    except Unreadable as error:
        assert str(error).startswith("GET /some/path: ")
        assert "field " in str(error) or "expected a JSON object" in str(error)


@settings(max_examples=40, deadline=None)
@given(ANYTHING)
@example({"error": {"code": "a", "message": ["b"], "details": {"c": 1}}})
@example({"code": 5, "message": None})
def test_an_error_body_of_any_form_gives_words(body: Any) -> None:
    words = parsing.error_words(body)
    assert [type(word) for word in words] == [str] * 3


@settings(max_examples=40, deadline=None)
@given(st.binary() | AS_SENT.map(sent))
def test_bytes_are_json_or_a_value_error(payload: bytes) -> None:
    with suppress(ValueError):
        decode(payload)


# -- one wrong field, one error that names it ---------------------------------------------------------------------

WRONG: dict[str, list[Any]] = {
    "text": ["@absent", None, 5, True, [], {}],
    "decimal": ["@absent", None, 12, "@fraction", "", "NaN", "Infinity", "1e5", "1,000", " 1", "٣", "9" * 5_000,
                True],
    "whole": ["@absent", None, "5", True, "@fraction", 10**30, "@large", []],
    "flag": ["@absent", None, "true", 0, 1],
    "time": ["@absent", None, 5, "yesterday", "0001-01-01T00:00:00Z", "99999-01-01T00:00:00Z", ""],
    "unix": ["@absent", None, "5", 10**17, True, "@fraction", "@large"],
    "enum": ["@absent", None, "pondering", 5, ""],
    "list": [5, "a", {}, [5], [None], [[]]],
}  # fmt: skip
"""By what is promised, what is not that."""

PROMISED: dict[str, dict[str, str]] = {
    "get_incentive_programs incentive_programs": {
        "id": "text", "market_ticker": "text", "incentive_type": "enum", "start_date": "time", "end_date": "time",
        "period_reward": "whole", "paid_out": "flag",
    },
    "get_markets markets": {
        "ticker": "text", "event_ticker": "text", "status": "enum", "close_time": "time", "price_ranges": "list",
    },
    "get_orderbooks orderbooks": {"ticker": "text"},
    "get_candles markets": {"market_ticker": "text", "candlesticks": "list"},
    "get_positions market_positions": {
        "ticker": "text", "position_fp": "decimal", "market_exposure_dollars": "decimal",
        "exchange_index": "whole",
    },
    "get_resting_orders orders": {
        "order_id": "text", "client_order_id": "text", "ticker": "text", "outcome_side": "enum", "status": "enum",
        "yes_price_dollars": "decimal", "initial_count_fp": "decimal", "fill_count_fp": "decimal",
        "remaining_count_fp": "decimal", "maker_fees_dollars": "decimal", "taker_fees_dollars": "decimal",
    },
    "get_fills fills": {
        "fill_id": "text", "order_id": "text", "ticker": "text", "outcome_side": "enum", "count_fp": "decimal",
        "yes_price_dollars": "decimal", "fee_cost": "decimal", "is_taker": "flag",
    },
    "get_settlements settlements": {
        "ticker": "text", "event_ticker": "text", "yes_count_fp": "decimal", "yes_total_cost_dollars": "decimal",
        "no_count_fp": "decimal", "no_total_cost_dollars": "decimal", "revenue": "whole", "fee_cost": "decimal",
        "exchange_index": "whole", "settled_time": "time",
    },
    "get_deposits deposits": {
        "id": "text", "status": "enum", "amount_cents": "whole", "fee_cents": "whole", "created_ts": "unix",
    },
    "get_withdrawals withdrawals": {
        "id": "text", "status": "enum", "amount_cents": "whole", "fee_cents": "whole", "created_ts": "unix",
    },
    "get_transfers transfers": {
        "transfer_id": "text", "status": "text", "amount": "decimal", "source_exchange_shard": "whole",
        "destination_exchange_shard": "whole", "created_ts": "unix",
    },
    "get_order_groups order_groups": {"id": "text"},
}  # fmt: skip
"""By method and list, what every item must have."""

OPTIONAL: dict[str, dict[str, str]] = {
    "get_incentive_programs incentive_programs": {
        "discount_factor_bps": "whole", "max_reward_per_account": "whole", "target_size_fp": "decimal",
    },
    "get_markets markets": {"exchange_index": "whole"},
    "get_resting_orders orders": {"exchange_index": "whole", "expiration_time": "time"},
    "get_deposits deposits": {"finalized_ts": "unix"},
    "get_order_groups order_groups": {"contracts_limit_fp": "decimal", "exchange_index": "whole"},
}  # fmt: skip


def put(item: Any, name: str, value: Any) -> None:
    item[name] = value
    if value == "@absent":
        del item[name]


@pytest.mark.parametrize("where", PROMISED)
def test_one_field_that_is_wrong_costs_its_item_and_says_so_and_costs_no_other(where: str) -> None:
    method, name = where.split()
    whole = CALLS[method](client_that_hears(give(200, short_answer(method))))
    assert not whole.unreadable
    good = body_of(method)[name]
    assert len(good) >= 1
    optional = OPTIONAL.get(where, {})
    for field_name, kind in (PROMISED[where] | optional).items():
        allowed = ("@absent", None) if field_name in optional else ()
        for value in (value for value in WRONG[kind] if value not in allowed or isinstance(value, int)):
            bad = copy.deepcopy(good[0]) | {"client_order_id": "bad"}
            if field_name == "yes_price_dollars":
                bad["outcome_side"] = "yes"
            put(bad, field_name, value)
            body = body_of(method) | {name: [bad, *good]}
            listed = CALLS[method](client_that_hears(give(200, sent(body))))
            assert set(listed.items) == set(whole.items), (field_name, value)
            assert len(listed.unreadable) == 1, (field_name, value)
            (error,) = listed.unreadable
            told = str(error)
            assert re.match(rf"GET /[\w/]+ {name}( |:)", told), told
            inner = field_name in ("price_ranges", "candlesticks") and isinstance(value, list)
            assert f"field {field_name} " in told or (inner and "expected a JSON object" in told), told
            if field_name not in ("ticker", "market_ticker"):
                ticker = bad.get("ticker") or bad.get("market_ticker") or ""
                assert (error.ticker, ticker in told) == (ticker, True)
            with pytest.raises(Unreadable):
                listed.whole()


SINGLE: dict[str, dict[str, str]] = {
    "get_exchange_status": {"exchange_active": "flag", "trading_active": "flag"},
    "get_balance": {"balance_dollars": "decimal"},
    "create_order": {"order_id": "text", "fill_count": "decimal", "remaining_count": "decimal"},
    "amend_order": {"order_id": "text"},
    "cancel_order": {"reduced_by": "decimal"},
    "create_order_group": {"order_group_id": "text"},
    "lists_are_current": {"as_of_time": "time"},
}


@pytest.mark.parametrize("method", SINGLE)
def test_an_answer_with_one_wrong_field_is_an_error_that_names_endpoint_and_field(method: str) -> None:
    for name, kind in SINGLE[method].items():
        for value in WRONG[kind]:
            body = body_of(method)
            put(body, name, value)
            with pytest.raises(ExchangeError) as error:
                CALLS[method](client_that_hears(give(200, sent(body))))
            assert f"field {name} " in str(error.value), (name, value)
            assert "/" in str(error.value)
            assert error.value.maybe_done


@pytest.mark.parametrize("raw", ["nan", "infinity", "digits", "deep"])
@pytest.mark.parametrize("method", ["get_balance", "get_resting_orders", "cancel_order", "get_series"])
def test_what_is_hardly_json_is_an_error_that_names_the_endpoint(method: str, raw: str) -> None:
    body = body_of(method) | {"field_of_tomorrow": f"@{raw}"}
    with pytest.raises(Unreadable, match=r"(GET|DELETE) /[\w/-]+: answered 200 with no JSON"):
        CALLS[method](client_that_hears(give(200, sent(body))))


@pytest.mark.parametrize("payload", [b"\xff\xfe\xfd", b'{"balance_dollars": "\xe9"}', b"", b"null", b"\x00" * 9])
def test_bytes_that_are_no_text_are_an_error_that_names_the_endpoint(payload: bytes) -> None:
    with pytest.raises(Unreadable, match="GET /portfolio/balance: "):
        CALLS["get_balance"](client_that_hears(give(200, payload)))


@pytest.mark.parametrize("minutes", ["99999999999999999999", "-99999999999999999999", "61", "x", ""])
def test_an_opening_time_that_is_none_is_named(minutes: str) -> None:
    body = body_of("get_schedule")
    body["schedule"]["standard_hours"][0]["monday"] = [{"open_time": f"00:{minutes}", "close_time": "00:00"}]
    with pytest.raises(Unreadable, match=r"GET /exchange/schedule: field open_time should be hours and minutes"):
        CALLS["get_schedule"](client_that_hears(give(200, sent(body))))


@pytest.mark.parametrize("raw", ["large", "larger", "digits"])
def test_a_number_beyond_all_numbers_is_named(raw: str) -> None:
    body = body_of("get_series")
    body["series"]["fee_multiplier"] = f"@{raw}"
    with pytest.raises(
        Unreadable, match=r"GET /series/KXMLBGAME: (field fee_multiplier|answered 200 with no JSON)"
    ):
        CALLS["get_series"](client_that_hears(give(200, sent(body))))


@pytest.mark.parametrize("method", CALLS)
def test_what_the_exchange_adds_next_month_changes_nothing(method: str) -> None:
    if method == "lists_are_current":
        return  # its answer is compared with the present
    before = CALLS[method](client_that_hears(give(200, short_answer(method))))
    body = body_of(method)
    for container in [body, *(c[k] for c, k in places(body))]:
        if isinstance(container, dict):
            container["field_of_tomorrow"] = {"a": [1, "@fraction", None]}
    after = CALLS[method](client_that_hears(give(200, sent(body))))
    assert str(after) == str(before)


def test_a_write_whose_answer_has_a_time_that_is_none_is_a_write_all_the_same() -> None:
    """Lists are not believed before they show it."""
    body = body_of("cancel_order") | {"ts_ms": "soon"}
    past = give(200, sent({"as_of_time": "2026-11-22T14:59:59Z"}))
    refused = client_that_hears(give(200, sent(body)))
    with pytest.raises(Unreadable, match="ts_ms"):
        CALLS["cancel_order"](refused)
    wire = refused._channel._session.get_adapter(embedded.HOST)
    assert isinstance(wire, Wire)
    wire.fault = lambda *_: past
    assert not refused.lists_are_current()


# -- errors in the exchange's own words ---------------------------------------------------------------------------

HTML = b"<html><h1>Bad gateway</h1>\n</html>"
SHAPES: list[tuple[bytes, tuple[str, str, str]]] = [
    (b'{"error":{"code":"c","message":"m","details":"d"}}', ("c", "m", "d")),
    (b'{"code":"c","message":"m","details":"d"}', ("c", "m", "d")),
    (b'{"msg":"m"}', ("", "m", "")),
    (b'{"error":"m"}', ("", "m", "")),
    (b'{"error":{"code":"some_code_of_tomorrow"}}', ("some_code_of_tomorrow", "", "")),
    (b'{"error":{"code":"c","msg":"m"}}', ("c", "m", "")),
    (b'{"trading_active":false,"exchange_active":true}', ("", "exchange active: True, trading active: False", "")),
    (HTML, ("", "<html><h1>Bad gateway</h1> </html>", "")),
    (b"", ("", "", "")),
    (b"\xff\xfe", ("", "\ufffd\ufffd", "")),
    (b'{"error":{}}', ("", '{"error":{}}', "")),
]


@pytest.mark.parametrize(("payload", "words"), SHAPES)
def test_the_exchanges_words_are_kept_whole_in_all_their_forms(
    payload: bytes, words: tuple[str, str, str]
) -> None:
    with pytest.raises(Refused) as refused:
        CALLS["cancel_order"](client_that_hears(give(400, payload)))
    error = refused.value
    assert (error.code, error.message, error.details) == words
    assert str(error).startswith(f"DELETE /portfolio/events/orders/{ORDER.order_id}: 400 ")
    assert all(word in str(error) for word in words)
    assert error.status == 400


@pytest.mark.parametrize("prefix", ["user_not_found:_", "user_not_found:", "user ", ""])
@pytest.mark.parametrize("spelled", [USER, USER.upper()])
def test_a_code_with_a_users_id_behind_it_is_known_and_the_id_is_cut(prefix: str, spelled: str) -> None:
    payload = json.dumps({"error": {"code": f"{prefix}{spelled}", "message": "m"}}).encode()
    with pytest.raises(Refused) as refused:
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
    ({"code": "insufficient_balance", "message": "x", "details": "y"}, Refused, "insufficient_balance"),
    ({"code": "market_not_found", "message": "x"}, Refused, "market_not_found"),
    ({"code": "internal_server_error"}, Unavailable, "internal_server_error"),
    ({"code": "service_unavailable"}, Unavailable, "service_unavailable"),
    ({"code": "a_code_of_tomorrow", "message": "x"}, Refused, "a_code_of_tomorrow"),
    ({"message": "only words"}, Refused, ""),
]


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize(("row", "kind", "code"), ROWS)
def test_what_became_of_an_order_of_a_batch_is_read_wrapped_or_bare(
    row: Any, kind: type[ExchangeError], code: str, wrapped: bool
) -> None:
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


def test_a_batch_that_answers_for_fewer_orders_than_were_sent_is_not_matched_by_guessing() -> None:
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
def test_neither_the_keys_id_nor_the_users_shows_though_the_exchange_repeats_it(echo: str, secret: str) -> None:
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
    client = client_that_hears(give(200, sent({"orders": [{"error": row} if wrapped else row] * 2})))
    if secret not in (KEY_ID, USER):
        client._channel._signer = Signer(secret, KEY)
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


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 429, 500, 503])
def test_no_object_that_may_be_printed_shows_a_key_an_id_or_a_signature(status: int) -> None:
    client = client_that_hears(give(status, b'{"error":{"code":"c","message":"m"}}'))
    channel = client._channel
    said = Said()
    said.add(client, channel, channel._signer, channel.clock, channel.budget, channel.clock.take_news())
    for call in CALLS.values():
        try:
            call(client)
        except ExchangeError as error:
            said.add(error)
    wire = channel._session.get_adapter(embedded.HOST)
    assert isinstance(wire, Wire)
    signatures = {request.headers["KALSHI-ACCESS-SIGNATURE"] for request in wire.sent}
    assert len(signatures) > 5
    said.add(client, channel)
    everything = "\n".join(said.texts).lower()
    assert not [s for s in (KEY_ID, private(), *signatures) if s.lower() in everything]


def test_what_the_wire_says_when_it_is_cut_shows_no_header() -> None:
    session = requests.Session()
    session.trust_env = False

    def cut(request: requests.PreparedRequest) -> requests.Response:
        raise requests.exceptions.ConnectionError(f"with {request.headers}", request=request)

    session.mount(embedded.HOST, Wire(HTTPAdapter(), lambda *_: cut))
    signer, clock = Signer(KEY_ID, KEY), SimulatedClock(START, pace=None)
    channel = Channel(f"{embedded.HOST}/trade-api/v2", signer, clock, session)
    client = KalshiHttpClient(f"{embedded.HOST}/trade-api/v2", signer, clock, session)
    said = Said()
    for call in (client.get_balance, client.cancel_all_orders, lambda: client.create_order(terms())):
        with pytest.raises(ExchangeError) as error:
            call()
        said.add(error.value, channel)
    said.assert_free_of(KEY_ID, "KALSHI-ACCESS")
    assert not issubclass(Unauthorized, Unavailable)
