"""The simulator answers in the real exchange's form: a client that reads one reads the other.

The recorded answers are those of `tests/support/real_answers.py`. What differs stands in `DIFFERENCES`, and in
docs/simulator.md with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator import lifecycle
from simulator.listing import ListedProgram
from simulator.matching import CONTRACT
from simulator.opening import CUSTOMER
from simulator.reading import SPEC
from tests.support.pages import TEXTS, rows
from tests.support.raw_client import ORDERS
from tests.support.real_answers import ANSWERS
from tests.support.small_exchange import NOW, QUARTER, Desk, M, ask, bid, listed, open_desk, wanted

MINE = "00000000-0000-4000-8000-000000000003"
RESTING_VALUE = "/portfolio/summary/total_resting_order_value"

DIFFERENCES = {
    ("an order", "exchange_index"),
    ("a position", "exchange_index"),
    ("a settlement of August", "exchange_index"),
}
"""Fields that one of the two answers lacks, the simulator's or the recorded one, or that have another form."""


@pytest.fixture
def desk() -> Desk:
    return open_desk()


# -- forms -------------------------------------------------------------------------------------------------------

FORMS = (
    ("id", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ("time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
    ("six decimals", r"-?\d+\.\d{6}"),
    ("four decimals", r"-?\d+\.\d{4}"),
    ("two decimals", r"-?\d+\.\d{2}"),
)


def form(value: Any) -> Any:
    """The form of an answer: its keys, and what kind of value each has. Of a list, the form of its first item."""
    if isinstance(value, dict):
        return {name: form(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [form(inner) for inner in value[:1]]
    if isinstance(value, str):
        return next((name for name, pattern in FORMS if re.fullmatch(pattern, value)), "text")
    return type(value).__name__


def differences(here: Any, there: Any, name: str = "") -> set[str]:
    """The names of fields with different forms, or in one of two answers only."""
    if isinstance(here, dict) and isinstance(there, dict):
        return {
            found
            for key in here.keys() | there.keys()
            for found in differences(here.get(key, "absent"), there.get(key, "absent"), key)
        }
    if isinstance(here, list) and isinstance(there, list) and here and there:
        return differences(here[0], there[0], name)
    return set() if here == there else {name}


def filled(desk: Desk) -> Any:
    """The answer to a create that is filled at 52 cents."""
    desk.exchange.crowd_rest(desk.exchange.markets[M], False, 5_200, CONTRACT)
    return desk.create(price="0.5200", client_order_id=MINE).json()


def self_cross(desk: Desk) -> Any:
    ask(desk.exchange, CUSTOMER, 52, 1)
    return desk.create(price="0.5200", client_order_id=MINE).json()


def canceled(desk: Desk) -> Any:
    return desk.cancel(desk.place(client_order_id=MINE)).json()


def made_smaller(desk: Desk) -> Any:
    order_id = desk.place(count="2.00", client_order_id=MINE)
    change = {"ticker": M, "side": "bid", "price": "0.0100", "count": "1.00"}
    return desk.send("POST", f"{ORDERS}/{order_id}/amend", json=change).json()


def order_row(desk: Desk) -> Any:
    return desk.get(f"/portfolio/orders/{desk.place(client_order_id=MINE)}")["order"]


def position(desk: Desk) -> Any:
    filled(desk)
    return desk.get(f"/portfolio/positions?ticker={M}")


def settlement(desk: Desk) -> Any:
    filled(desk)
    lifecycle.settle_now(desk.exchange, desk.exchange.markets[M], 4_500)
    return desk.get("/portfolio/settlements")["settlements"][0]


def settled(desk: Desk) -> Any:
    filled(desk)
    lifecycle.settle_now(desk.exchange, desk.exchange.markets[M], "no")
    return desk.get("/portfolio/settlements")["settlements"][0]


def deposits(desk: Desk) -> Any:
    desk.exchange.deposit_cash(desk.account, 0, 37_800, 756)
    return desk.get("/portfolio/deposits")


WRITES = ANSWERS["08_answers_of_writes"]
COUNTS = ("fill_count", "remaining_count")
FORM_TABLE: list[tuple[str, Callable[[Desk], Any], Any]] = [
    ("a balance", lambda d: d.get("/portfolio/balance"), ANSWERS["01_balance_is_gross"]["before_any_order"]),
    ("a deposit", deposits, ANSWERS["03_deposit_with_fee"]["answer"]),
    ("a settlement", settled, ANSWERS["04_settlement_gross_sides"]["rows"][0]),
    ("a settlement in parts", settlement, ANSWERS["05_settlement_scalar"]["rows"][0]),
    ("a settlement of August", settled, ANSWERS["06_settlements_without_exchange_index"]["row"]),
    ("a position", position, ANSWERS["07_positions_without_exchange_index"]["answer"]),
    ("a create", lambda d: d.create(client_order_id=MINE).json(), WRITES["create_201"]),
    ("a create that is filled", filled, WRITES["create_filled_201"]),
    ("a create that meets one's own order", self_cross, WRITES["create_self_cross_201"]),
    ("a cancel", canceled, WRITES["cancel_200"]),
    ("an amend that makes smaller", made_smaller, WRITES["amend_smaller_200"]),
    ("an order", order_row, ANSWERS["10_order_row_as_listed"]["row"]),
]


def test_answers_have_the_recorded_form() -> None:
    """Keys, kinds of values and numbers of decimals. A key that is unset there is absent here too."""
    found = {
        (name, field)
        for name, answer, recorded in FORM_TABLE
        for field in differences(form(answer(open_desk())), form(recorded))
    }
    assert found == DIFFERENCES


def test_what_differs_is_told_with_its_reason() -> None:
    told = [(row[0], row[1].strip("`")) for row in rows(TEXTS["docs/simulator.md"], "answer |")]
    assert sorted(told) == sorted(DIFFERENCES)


@pytest.mark.parametrize(
    ("name", "answer"), [("create_self_cross_201", self_cross), ("amend_smaller_200", made_smaller)]
)
def test_an_order_that_is_not_filled_says_so(desk: Desk, name: str, answer: Callable[[Desk], Any]) -> None:
    """The counts are the recorded ones: nothing filled, and nothing or the smaller size left."""
    told, recorded = answer(desk), WRITES[name]
    assert [told[count] for count in COUNTS] == [recorded[count] for count in COUNTS]


def test_an_order_that_sets_every_key_shows_every_key(desk: Desk) -> None:
    group = desk.send("POST", "/portfolio/order_groups/create", json={"contracts_limit": 5}).json()
    name, until = group["order_group_id"], int(NOW) + 60
    order_id = desk.place(order_group_id=name, expiration_time=until, cancel_order_on_pause=True)
    row = desk.get(f"/portfolio/orders/{order_id}")["order"]
    told = {
        "order_group_id": name,
        "expiration_time": "2026-11-22T15:01:00.000000Z",
        "cancel_order_on_pause": True,
    }
    assert told.items() <= row.items()


# -- words of errors ---------------------------------------------------------------------------------------------


def crossing(desk: Desk) -> requests.Response:
    desk.exchange.crowd_rest(desk.exchange.markets[M], False, 5_200, CONTRACT)
    return desk.create(price="0.5200", post_only=True)


def twice(desk: Desk) -> requests.Response:
    desk.place(client_order_id=MINE)
    return desk.create(client_order_id=MINE)


BALANCE = "/portfolio/balance"
REFUSED: dict[str, Callable[[Desk], requests.Response]] = {
    "401_no_signature_header": lambda d: d.public("GET", BALANCE),
    "401_bad_signature": lambda d: d.send("GET", BALANCE, headers={"KALSHI-ACCESS-SIGNATURE": "AAAA"}),
    "401_unknown_key": lambda d: d.send("GET", BALANCE, headers={"KALSHI-ACCESS-KEY": "somebody"}),
    "401_clock": lambda d: d.send("GET", BALANCE, skew_ms=-30_000),
    "400_limit": lambda d: d.public("GET", "/markets?limit=1001"),
    "400_types": lambda d: d.create(count=1),
    "400_price": lambda d: d.create(price="0.0150"),
    "400_funds": lambda d: d.create(count="999999999"),
    "400_post_only": crossing,
    "404_cancel": lambda d: d.cancel("00000000-0000-4000-8000-000000000004"),
    "409": twice,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_has_the_recorded_words(desk: Desk, name: str) -> None:
    refused = REFUSED[name](desk)
    assert refused.status_code == int(name[:3])
    assert refused.json() == ANSWERS["09_error_bodies"][name]


def test_an_order_beyond_the_reserves_is_refused(desk: Desk) -> None:
    before = desk.get(BALANCE)["balance_dollars"]
    desk.place(price="0.5000", count="1900.00")
    desk.wait(1)
    assert desk.get(BALANCE)["balance_dollars"] == before
    refused = desk.create(price="0.5000", count="200.00")
    assert refused.json() == ANSWERS["01_balance_is_gross"]["a_third_create"]["answer"]


def test_every_recorded_refusal_is_compared() -> None:
    assert {*REFUSED, "403_resting_value"} == set(ANSWERS["09_error_bodies"])


def test_an_account_may_not_read_what_its_orders_tie_up(desk: Desk) -> None:
    refused, recorded = desk.send("GET", RESTING_VALUE), ANSWERS["09_error_bodies"]["403_resting_value"]
    assert (refused.status_code, refused.json()["error"]["code"]) == (recorded["status"], recorded["code"])


@pytest.mark.parametrize(
    ("query", "operation", "key", "rule"),
    [
        ("/portfolio/orders?limit=1001", "GetOrders", "Limit", "lte"),
        ("/portfolio/fills?limit=-1", "GetFills", "Limit", "gte"),
        ("/incentive_programs?limit=10001", "GetIncentivePrograms", "Limit", "lte"),
        (f"/markets/{M}/orderbook?depth=101", "GetOrderbook", "Depth", "lte"),
    ],
)
def test_a_number_out_of_bounds_is_named(desk: Desk, query: str, operation: str, key: str, rule: str) -> None:
    """In the recorded words, by the name of the call and of the parameter."""
    recorded = ANSWERS["09_error_bodies"]["400_limit"]["msg"]
    said = recorded.replace("GetMarkets", operation).replace("Limit", key).replace("lte", rule)
    assert desk.send("GET", query).json() == {"msg": said}


@pytest.mark.parametrize(
    ("field", "value", "kind", "type_"),
    [
        ("price", 0.5, "number", "string"),
        ("post_only", "yes", "string", "bool"),
        ("expiration_time", [], "array", "int64"),
        ("ticker", {}, "object", "string"),
        ("count", True, "bool", "string"),
    ],
)
def test_a_value_of_another_type_is_named(desk: Desk, field: str, value: Any, kind: str, type_: str) -> None:
    """Also in a batch, whose other orders are placed."""
    details = f"json: cannot unmarshal {kind} into Go struct field CreateOrderV2Request.{field} of type {type_}"
    said = {"code": "bad_request", "message": "bad request", "details": details}
    assert desk.create(**{field: value}).json() == said
    batch = {"orders": [wanted(**{field: value}), wanted()]}
    wrong, right = desk.send("POST", f"{ORDERS}/batched", json=batch).json()["orders"]
    assert wrong["error"] == said
    assert right["remaining_count"] == "1.00"


# -- fields that other people's clients read ---------------------------------------------------------------------


def test_directions_are_told_in_the_old_words_too(desk: Desk) -> None:
    """`action`, `side` and `taker_side` agree with the words that replaced them. To sell YES is to buy NO."""
    filled(desk)
    ask(desk.exchange, CUSTOMER, 90, 1)
    asked, bought = desk.get(f"/portfolio/orders?ticker={M}")["orders"]
    (fill,) = desk.get(f"/portfolio/fills?ticker={M}")["fills"]
    words = ("action", "side", "outcome_side", "book_side")
    assert [asked[word] for word in words] == ["buy", "no", "no", "ask"]
    assert [bought[word] for word in words] == [fill[word] for word in words] == ["buy", "yes", "yes", "bid"]
    (trade,) = desk.look(f"/markets/trades?ticker={M}")["trades"]
    assert (trade["taker_side"], trade["taker_outcome_side"]) == ("yes", "yes")


def test_a_market_tells_what_its_yes_stands_for() -> None:
    """By its strikes: above one, between two, or in words. Other keys of strikes are absent."""
    desk = open_desk(programs=60)
    keys = {"strike_type", "floor_strike", "cap_strike", "custom_strike", "functional_strike"}
    markets = desk.look("/markets?limit=1000")["markets"]
    found = {row["strike_type"]: {key: row[key] for key in keys & row.keys()} for row in markets}
    assert {kind: strike.keys() - {"strike_type"} for kind, strike in found.items()} == {
        "greater": {"floor_strike"}, "between": {"floor_strike", "cap_strike"}, "custom": {"custom_strike"},
    }  # fmt: skip
    assert found["between"]["cap_strike"] > found["between"]["floor_strike"]
    others = {"subtitle", "expiration_time", "occurrence_datetime", "early_close_condition"}
    assert all(others <= row.keys() and None not in row.values() for row in markets)


def test_a_position_counts_the_orders_in_its_market(desk: Desk) -> None:
    filled(desk)
    assert desk.get(f"/portfolio/positions?ticker={M}")["market_positions"][0]["resting_orders_count"] == 0
    bid(desk.exchange, CUSTOMER, 1, 1)
    ask(desk.exchange, CUSTOMER, 90, 1)
    assert desk.get(f"/portfolio/positions?ticker={M}")["market_positions"][0]["resting_orders_count"] == 2


def test_an_event_may_be_of_year_one(desk: Desk) -> None:
    """It has been seen in `last_updated_ts`. An event that is decided at a date tells it."""
    dated, *_ = (event for event in desk.look("/events")["events"] if "strike_date" in event)
    assert dated["last_updated_ts"] == "0001-01-01T00:00:00Z"
    assert form(dated["strike_date"]) == "time"
    assert dated["product_metadata"] == {}


# -- as specified ------------------------------------------------------------------------------------------------

MAY_BE_UNSET = {
    "order": {"expiration_time", "order_group_id", "cancel_order_on_pause"},
    "event": {"fee_type_override", "fee_multiplier_override"},
    "program": {"discount_factor_bps", "target_size_fp", "max_reward_per_account"},
}


def with_nothing_set(desk: Desk) -> dict[str, Any]:
    """An order, an event and a program with nothing that may be left out."""
    exchange = desk.exchange
    number = exchange.next_number()
    lifecycle.list_program(exchange, ListedProgram(number, "bare", M, "volume", NOW, NOW + 60, 1, None, None))
    programs = desk.look("/incentive_programs?limit=10000")["incentive_programs"]
    return {
        "order": order_row(desk),
        "event": desk.look("/events/KXM-26")["event"],
        "program": next(row for row in programs if row["id"] == "bare"),
    }


def test_what_is_unset_is_absent_or_null_by_the_reading(desk: Desk) -> None:
    """Absent as on the real exchange; null or false as specified. What is 0 is set."""
    for name, row in with_nothing_set(desk).items():
        assert not MAY_BE_UNSET[name] & row.keys()
        assert None not in row.values()
    other = open_desk(reading=SPEC)
    for name, row in with_nothing_set(other).items():
        assert {row[key] for key in MAY_BE_UNSET[name]} <= {None, False}
    listed(desk.exchange, "KXFREE-26-T1", event_fees=QUARTER)
    free = desk.look("/events/KXFREE-26")["event"]
    assert (free["fee_type_override"], free["fee_multiplier_override"]) == ("quadratic_with_maker_fees", 1.0)
    assert {0} == {
        row["fee_multiplier_override"]
        for row in desk.look("/events?limit=200")["events"]
        if row["event_ticker"].startswith("KXODDFREE")
    }


def test_what_is_contested_is_as_specified_on_request() -> None:
    """The balance is net, what orders tie up is told, and an unknown status of programs is refused."""
    desk = open_desk(reading=SPEC)
    before = desk.get(BALANCE)["balance"]
    desk.place(price="0.5000", count="10.00")
    desk.wait(1)
    assert desk.get(BALANCE)["balance"] == before - 500
    assert desk.get(RESTING_VALUE)["total_resting_order_value"] >= 500
    assert desk.public("GET", "/incentive_programs?status=running").status_code == 400
