"""Whatever the exchange answers: a value, or a typed error that says what is wrong.

Answers are the simulator's own, spoilt in some places, or anything at all. What is strange in itself is tried in
every place, one after the other; chance is left what comes together.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clients import KalshiHttpClient
from exchange import json_fields, parse_account, parse_markets
from exchange.errors import ExchangeError, Unreadable
from exchange.json_fields import JsonObject, PartialList, decode
from exchange.orderbook import Side
from tests.support.canned_answers import (
    CALLS,
    RAW,
    body_of,
    client_that_hears,
    give,
    places,
    real_answers,
    sent,
    short_answer,
)

D = Decimal
UTC = timezone.utc

STRANGE: list[Any] = [
    D("1e999999999"), D("-1e999999999"), D("1e-999999999"), D("0.5"), 10**18 + 1, -(10**40), int("9" * 4_000),
    "1e5", "NaN", "0.5600", "10.00", "2026-11-22T15:00:00Z", "-0", "9" * 40, "9" * 5_000,
    "00:99999999999999999999", "24:00", "25:61", "yes", "resting", "active", "liquidity", "applied", "٣", "",
    "\ud800", "\x00",
]  # fmt: skip
"""Values as they come out of JSON."""

OF_ANOTHER_KIND: list[Any] = [
    None, True, 0, -1, [], {}, [None], [[]], [{}], ["\ud800"], [["\ud800"]], {"ticker": "\ud800"},
    decode(RAW["less deep"].encode()),
]  # fmt: skip

AS_DECODED = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(STRANGE)
SHORT = [f"@{name}" for name, raw in RAW.items() if len(raw) < 2_000]
AS_SENT = (
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(SHORT)
    | st.sampled_from(["0.5600", "1e5", "00:99999999999999999999", "24:00", "2026-11-22T15:00:00Z", "x" * 500])
)  # fmt: skip


def nested(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Those values, and a few of them in lists and objects."""
    return st.recursive(
        values,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=5,
    )


ANYTHING, ANYTHING_SENT = nested(AS_DECODED), nested(AS_SENT)


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
    assert set(CALLS) == public - {"shorten_timeouts", "hurried"}
    assert set(real_answers()) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=6)
@given(data=st.data())
def test_any_answer_gives_a_value_or_a_typed_error(name: str, data: st.DataObject) -> None:
    """No answer, however broken, raises anything but an exchange error. The error is short and names the
    request."""
    payload = data.draw(
        spoilt(name, ANYTHING_SENT).map(sent) | ANYTHING_SENT.map(sent) | st.binary(max_size=60),
        label="the answer",
    )
    try:
        result = CALLS[name](client_that_hears(give(200, payload)))
    except ExchangeError as error:
        assert "/" in error.request or "Order" in error.request
        assert len(str(error)) < 2_000
    else:
        errors = (
            result.unreadable if isinstance(result, PartialList) else result if isinstance(result, list) else ()
        )
        assert all(str(error) for error in errors)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("raw", ["large", "larger", "less deep", "surrogate"])
def test_a_strange_value_anywhere_gives_a_typed_error_at_most(name: str, raw: str) -> None:
    """A strange value stands in each place of a real answer in its turn, and one call reads that answer. The
    call may only raise an exchange error."""
    body = body_of(name)
    for container, key in list(places(body)):
        if isinstance(container, list) and key:
            continue  # as the first
        right, container[key] = container[key], f"@{raw}"
        try:
            CALLS[name](client_that_hears(give(200, sent(body))))
        except ExchangeError:
            pass
        except Exception as error:
            pytest.fail(f"{key} of {name} as {RAW[raw][:40]}: {error!r:.200}")
        container[key] = right


PARSERS: dict[str, tuple[Callable[[JsonObject], Any], str, tuple[Any, ...]]] = {
    "program": (parse_markets.program, "get_incentive_programs", ("incentive_programs", 0)),
    "market": (parse_markets.market, "get_markets", ("markets", 0)),
    "book": (parse_markets.book, "get_orderbooks", ("orderbooks", 0)),
    "candles": (parse_markets.candles, "get_candles", ("markets", 0)),
    "trade": (parse_markets.trade, "get_trades", ("trades", 0)),
    "series": (parse_markets.series, "get_all_series", ("series", 0)),
    "event": (parse_markets.event, "get_events", ("events", 0)),
    "exchange_status": (parse_markets.exchange_status, "get_exchange_status", ()),
    "schedule": (parse_markets.schedule, "get_schedule", ()),
    "order": (parse_account.order, "get_resting_orders", ("orders", 0)),
    "order_response": (lambda f: parse_account.order_response(f, D(2)), "create_order", ()),
    "amend_response": (parse_account.amend_response, "amend_order", ()),
    "order_group": (parse_account.order_group, "get_order_groups", ("order_groups", 0)),
    "position": (parse_account.position, "get_positions", ("market_positions", 0)),
    "fill": (parse_account.fill, "get_fills", ("fills", 0)),
    "settlement": (parse_account.settlement, "get_settlements", ("settlements", 0)),
    "payment": (parse_account.payment, "get_deposits", ("deposits", 0)),
    "transfer": (parse_account.transfer, "get_transfers", ("transfers", 0)),
    "subaccount_transfer": (parse_account.subaccount_transfer, "get_subaccount_transfers", ("transfers", 0)),
    "balance": (parse_account.balance, "get_balance", ()),
    "limits": (parse_account.limits, "read_limits", ()),
    "user_id": (parse_account.user_id, "get_user_id", ("orders", 0)),
    "api_key_id": (parse_account.api_key_id, "get_api_keys", ("api_keys", 0)),
    "endpoint_costs": (parse_account.endpoint_costs, "read_limits", ()),
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
        for module in (parse_markets, parse_account)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and "f" in inspect.signature(function).parameters
    }
    assert set(PARSERS) == takes_fields
    for parser, (parse, _, _) in PARSERS.items():
        assert parse(JsonObject("GET /x", sample(parser))) is not None


def read(parser: str, value: Any) -> None:
    """It makes a value or says what is wrong."""
    try:
        PARSERS[parser][0](JsonObject("GET /some/path", value))
    except Unreadable as error:
        assert str(error).startswith("GET /some/path: ")
        assert "field " in str(error) or "expected a JSON object" in str(error)
        assert len(str(error)) < 2_000


@pytest.mark.parametrize("parser", PARSERS)
def test_a_strange_value_in_one_place_is_read_or_named(parser: str) -> None:
    """Each place of a sample holds each strange value in its turn. The parser makes a value or says which field
    is wrong."""
    whole = sample(parser)
    read(parser, whole)
    for container, key in list(places(whole)):
        right = container[key]
        for strange in (*STRANGE, *OF_ANOTHER_KIND):
            container[key] = strange
            read(parser, whole)
        container[key] = right


@pytest.mark.parametrize("parser", PARSERS)
@settings(max_examples=8)
@given(data=st.data())
def test_a_parser_makes_a_value_or_says_what_is_wrong(parser: str, data: st.DataObject) -> None:
    """A parser reads a sample with several random changes, or any random value. It makes a value or says which
    field is wrong."""
    value = sample(parser)
    if data.draw(st.booleans()):
        for _ in range(data.draw(st.integers(1, 4))):
            found = list(places(value))
            if found:
                container, key = found[data.draw(st.integers(0, len(found) - 1))]
                container[key] = data.draw(ANYTHING)
    else:
        value = data.draw(ANYTHING)
    read(parser, value)


def changed(parser: str, **fields: Any) -> JsonObject:
    """An object that the parser reads but for these fields, which are sent otherwise, or left out where `...`."""
    whole = sample(parser) | fields
    return JsonObject("GET /x", {name: value for name, value in whole.items() if value is not ...})


def book_of(*levels: Any) -> JsonObject:
    return JsonObject("GET /x", {"ticker": "KXTEST-1", "orderbook_fp": {"yes_dollars": list(levels)}})


@pytest.mark.parametrize("order", [1, -1])
def test_the_best_bid_is_first_whichever_way_a_book_is_sent(order: int) -> None:
    levels = [["0.0100", "3.00"], ["0.1000", "1.00"], ["0.9900", "2.50"]]
    assert parse_markets.book(book_of(*levels[::order])).yes == (
        (D("0.99"), D("2.5")),
        (D("0.1"), D(1)),
        (D("0.01"), D(3)),
    )


def test_levels_at_one_price_keep_their_order_and_their_sizes() -> None:
    assert [
        level.size for level in parse_markets.book(book_of(["0.5", "1"], ["0.50", "9"], ["0.500", "4"])).yes
    ] == [
        1,
        9,
        4,
    ]


@pytest.mark.parametrize(
    ("level", "told"),
    [
        (["1.0001", "5"], "should hold prices up to a dollar and sizes"),
        (["-0.01", "5"], "should hold prices up to a dollar and sizes"),
        (["0.5", "-5"], "should hold prices up to a dollar and sizes"),
        (["0.5", 5], "should be a decimal number in a string, is 5"),
        ([["0.5"], "5"], r"should be a decimal number in a string, is \['0.5'\]"),
        (["0.5", {}], r"should be a decimal number in a string, is {}"),
        (["1e-1", "5"], "should be a decimal number in a string, is '1e-1'"),
        (["0.5"], r"should hold \[price, size\] pairs"),
        (["0.5", "5", "5"], r"should hold \[price, size\] pairs"),
        ("05", r"should hold \[price, size\] pairs"),
        ({"0.5": 1, "5": 1}, r"should hold \[price, size\] pairs"),
    ],
)
def test_a_malformed_level_is_refused_also_after_a_good_read(level: Any, told: str) -> None:
    """A size may be more than a dollar: what is remembered of a size says nothing about a price. So a bad level
    is refused also if its strings were read before."""
    good = [["0.5", "5"], ["0", "1.0001"], ["1", "0.5"]]
    for _ in range(2):
        assert len(parse_markets.book(book_of(*good)).yes) == 3
        with pytest.raises(Unreadable, match=f"GET /x: field yes_dollars {told}"):
            parse_markets.book(book_of(*good, level))


def test_what_is_remembered_of_books_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_markets, "MOST_KNOWN", 8)
    known = parse_markets.DecimalCache(D(100))
    assert [known[str(number)] for number in range(100)] == [D(number) for number in range(100)]
    assert len(known) <= 8


def test_a_markets_volume_and_expected_end_are_read() -> None:
    """A market without an expected end ends at its close time. A volume below zero is refused."""
    moment = "2026-11-23T04:00:00Z"
    market = parse_markets.market(changed("market", volume_24h_fp="1234.50", expected_expiration_time=moment))
    assert (market.volume_24h, market.expected_resolution) == (D("1234.5"), datetime(2026, 11, 23, 4, tzinfo=UTC))
    for nobody_says in (None, ...):
        market = parse_markets.market(changed("market", expected_expiration_time=nobody_says))
        assert (market.expected_resolution, market.ends) == (None, market.close_time)
    with pytest.raises(Unreadable, match=r"field volume_24h_fp should be contracts, .* is '-0.01'"):
        parse_markets.market(changed("market", volume_24h_fp="-0.01"))


def test_only_markets_with_the_same_price_ranges_share_a_grid() -> None:
    """Markets with the same price ranges share what is known of their prices. Another grid has its own ticks,
    and a broken one is refused each time."""
    cents, tenths = ([{"start": "0.0000", "end": "1.0000", "step": step}] for step in ("0.0100", "0.0010"))
    one, same, another = (
        parse_markets.market(changed("market", ticker=name, price_ranges=ranges)).grid
        for name, ranges in (("KXA-1", cents), ("KXB-1", cents), ("KXC-1", tenths))
    )
    assert one is same
    assert (one.ticks(Side.YES, D("0.5")), another.ticks(Side.YES, D("0.5"))) == (50, 500)
    broken = [{"start": "0.0000", "end": "1.0000", "step": "0.0300"}]
    for _ in range(2):
        with pytest.raises(Unreadable, match="field price_ranges should be a price grid"):
            parse_markets.market(changed("market", price_ranges=broken))


@settings(max_examples=40)
@given(ANYTHING)
@example({"error": {"code": "a", "message": ["b"], "details": {"c": 1}}})
@example({"code": 5, "message": None})
def test_an_error_body_of_any_form_gives_words(body: Any) -> None:
    words = json_fields.error_words(body)
    assert [type(word) for word in words] == [str] * 3


@settings(max_examples=40)
@given(st.binary() | ANYTHING_SENT.map(sent))
def test_bytes_are_json_or_a_value_error(payload: bytes) -> None:
    with suppress(ValueError):
        decode(payload)
