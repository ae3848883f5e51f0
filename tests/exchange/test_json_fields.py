"""A field that is not what was promised is named, with its endpoint, and costs its item and no other.

Fields that nobody was promised cost nothing.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from exchange.errors import ExchangeError, Unreadable
from tests.support.canned_answers import (
    CALLS,
    body_of,
    client_and_wire,
    client_that_hears,
    give,
    places,
    sent,
    short_answer,
)

WRONG: dict[str, list[Any]] = {
    "text": ["@absent", None, 5, True, [], {}],
    "decimal": ["@absent", None, 12, "@fraction", "", "NaN", "Infinity", "1e5", "1,000", " 1", "٣", "9" * 5_000,
                True],
    "integer": ["@absent", None, "5", True, "@fraction", 10**30, "@large", []],
    "number": ["@absent", None, "5", True, 10**30, "@large", []],
    "boolean": ["@absent", None, "true", 0, 1],
    "time": ["@absent", None, 5, "yesterday", "0001-01-01T00:00:00Z", "99999-01-01T00:00:00Z", ""],
    "unix": ["@absent", None, "5", 10**12, 10**17, True, "@fraction", "@large"],
    "enum": ["@absent", None, "pondering", 5, ""],
    "list": [5, "a", {}, [5], [None], [[]]],
}  # fmt: skip
"""By what is promised, what is not that."""

PROMISED: dict[str, dict[str, str]] = {
    "get_incentive_programs incentive_programs": {
        "id": "text", "market_ticker": "text", "incentive_type": "enum", "start_date": "time", "end_date": "time",
        "period_reward": "integer", "paid_out": "boolean",
    },
    "get_markets markets": {
        "ticker": "text", "event_ticker": "text", "status": "enum", "close_time": "time", "price_ranges": "list",
        "volume_24h_fp": "decimal",
    },
    "get_all_series series": {"ticker": "text", "fee_type": "enum", "fee_multiplier": "number"},
    "get_events events": {"event_ticker": "text", "series_ticker": "text", "mutually_exclusive": "boolean"},
    "get_orderbooks orderbooks": {"ticker": "text"},
    "get_candles markets": {"market_ticker": "text", "candlesticks": "list"},
    "get_trades trades": {
        "trade_id": "text", "ticker": "text", "yes_price_dollars": "decimal", "count_fp": "decimal",
        "taker_outcome_side": "enum", "created_time": "time",
    },
    "get_positions market_positions": {
        "ticker": "text", "position_fp": "decimal", "market_exposure_dollars": "decimal",
    },
    "get_resting_orders orders": {
        "order_id": "text", "client_order_id": "text", "ticker": "text", "outcome_side": "enum", "status": "enum",
        "yes_price_dollars": "decimal", "initial_count_fp": "decimal", "fill_count_fp": "decimal",
        "remaining_count_fp": "decimal", "maker_fees_dollars": "decimal", "taker_fees_dollars": "decimal",
    },
    "get_orders orders": {
        "order_id": "text", "client_order_id": "text", "ticker": "text", "outcome_side": "enum", "status": "enum",
        "yes_price_dollars": "decimal", "initial_count_fp": "decimal", "fill_count_fp": "decimal",
        "remaining_count_fp": "decimal", "maker_fees_dollars": "decimal", "taker_fees_dollars": "decimal",
    },
    "get_fills fills": {
        "fill_id": "text", "order_id": "text", "ticker": "text", "outcome_side": "enum", "count_fp": "decimal",
        "yes_price_dollars": "decimal", "fee_cost": "decimal", "is_taker": "boolean",
    },
    "get_settlements settlements": {
        "ticker": "text", "event_ticker": "text", "yes_count_fp": "decimal", "yes_total_cost_dollars": "decimal",
        "no_count_fp": "decimal", "no_total_cost_dollars": "decimal", "revenue": "integer", "fee_cost": "decimal",
        "settled_time": "time",
    },
    "get_deposits deposits": {
        "id": "text", "status": "enum", "amount_cents": "integer", "fee_cents": "integer", "created_ts": "unix",
    },
    "get_withdrawals withdrawals": {
        "id": "text", "status": "enum", "amount_cents": "integer", "fee_cents": "integer", "created_ts": "unix",
    },
    "get_transfers transfers": {
        "transfer_id": "text", "status": "text", "amount": "decimal", "source_exchange_shard": "integer",
        "destination_exchange_shard": "integer", "created_ts": "unix",
    },
    "get_subaccount_transfers transfers": {
        "transfer_id": "text", "amount_cents": "integer", "from_subaccount": "integer", "to_subaccount": "integer",
        "created_ts": "unix",
    },
    "get_order_groups order_groups": {"id": "text"},
}  # fmt: skip
"""By method and list, what every item must have."""

OPTIONAL: dict[str, dict[str, str]] = {
    "get_incentive_programs incentive_programs": {
        "discount_factor_bps": "integer", "max_reward_per_account": "integer", "target_size_fp": "decimal",
    },
    "get_markets markets": {"exchange_index": "integer", "expected_expiration_time": "time"},
    "get_events events": {"fee_type_override": "enum", "fee_multiplier_override": "number"},
    "get_trades trades": {"is_block_trade": "boolean"},
    "get_resting_orders orders": {"exchange_index": "integer", "expiration_time": "time"},
    "get_positions market_positions": {"exchange_index": "integer"},
    "get_settlements settlements": {"exchange_index": "integer", "value": "integer"},
    "get_deposits deposits": {"finalized_ts": "unix"},
    "get_order_groups order_groups": {"contracts_limit_fp": "decimal", "exchange_index": "integer"},
}  # fmt: skip


def put(item: Any, name: str, value: Any) -> None:
    item[name] = value
    if value == "@absent":
        del item[name]


@pytest.mark.parametrize("where", PROMISED)
def test_one_wrong_field_costs_only_its_item(where: str) -> None:
    """An item with a wrong field is left out of the list. Its error names the endpoint, the list and the field,
    and the other items stay."""
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
                listed.all_or_raise()


SINGLE: dict[str, dict[str, str]] = {
    "get_exchange_status": {"exchange_active": "boolean", "trading_active": "boolean"},
    "get_balance": {"balance_dollars": "decimal"},
    "create_order": {"order_id": "text", "fill_count": "decimal", "remaining_count": "decimal"},
    "amend_order": {"order_id": "text"},
    "cancel_order": {"reduced_by": "decimal"},
    "create_order_group": {"order_group_id": "text"},
    "get_lists_time": {"as_of_time": "time"},
}


@pytest.mark.parametrize("method", SINGLE)
def test_an_answer_with_one_wrong_field_is_an_error(method: str) -> None:
    """The error names the endpoint and the field, and says that the exchange may have acted on the request."""
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
@pytest.mark.parametrize("method", ["get_balance", "get_resting_orders", "cancel_order", "get_all_series"])
def test_what_is_hardly_json_is_an_error_that_names_the_endpoint(method: str, raw: str) -> None:
    body = body_of(method) | {"field_of_tomorrow": f"@{raw}"}
    with pytest.raises(Unreadable, match=r"(GET|DELETE) /[\w/-]+: answered 200 with no JSON"):
        CALLS[method](client_that_hears(give(200, sent(body))))


@pytest.mark.parametrize("payload", [b"\xff\xfe\xfd", b'{"balance_dollars": "\xe9"}', b"", b"null", b"\x00" * 9])
def test_bytes_that_are_no_text_are_an_error(payload: bytes) -> None:
    """An answer that is no text or no JSON object is an error that names the endpoint."""
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
    body = body_of("get_all_series")
    body["series"][0]["fee_multiplier"] = f"@{raw}"
    with pytest.raises(
        Unreadable, match=r"GET /series( series KX\w+: field fee_multiplier|: answered 200 with no JSON)"
    ):
        CALLS["get_all_series"](client_that_hears(give(200, sent(body)))).all_or_raise()


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


def test_a_write_with_an_invalid_time_in_its_answer_is_a_write() -> None:
    """Even if the answer to a write has no valid time, the bot does not believe lists before they show the
    write."""
    body = body_of("cancel_order") | {"ts_ms": "soon"}
    past = give(200, sent({"as_of_time": "2026-11-22T14:59:59Z"}))
    refused, wire = client_and_wire(give(200, sent(body)))
    CALLS["cancel_order"](refused)
    wire.fault = lambda *_: past
    assert not refused.lists_are_current()
