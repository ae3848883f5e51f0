"""What the real exchange answered is read as what it meant: what was held, what arrived, and what is now to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from clients import KalshiHttpClient
from exchange import parse_account
from exchange.account import Fill, PaymentStatus, Settlement
from exchange.errors import (
    AlreadyExists,
    ExchangeError,
    Forbidden,
    Gone,
    OutcomeUnknown,
    Recovery,
    Refused,
    ShortOfCash,
    Unauthorized,
)
from exchange.json_fields import JsonObject
from exchange.models import OrderRequest, OrderResponse, OrderStatus, SelfTradePrevention, TimeInForce
from exchange.orderbook import NO, YES, Bid, Side
from exchange.reserves import BalanceReading, CashRule, free_cash, reserves
from ledger.cash_reconciliation import cash_effect
from ledger.daily_pnl import day_profit
from ledger.report_inputs import DEPOSIT, WITHDRAWAL, payment_flow
from report.pnl import attribute_pnl
from tests.support.builders import order
from tests.support.canned_answers import CALLS, ORDER, client_and_wire, client_that_hears, give, sent, terms
from tests.support.project import SHARED, START, needs
from tests.support.real_answers import ANSWERS

D = Decimal
RECORDED = SHARED / "kalshi" / "answers"
WORDS = {"what", "note", "confidence", "right_reading", "where", "other_measures_of_the_lag"}


def numbers(value: Any) -> Any:
    """A recorded answer without the words about it."""
    if isinstance(value, dict):
        return {name: numbers(inner) for name, inner in value.items() if name not in WORDS}
    return [numbers(inner) for inner in value] if isinstance(value, list) else value


@needs(RECORDED)
def test_no_recorded_answer_is_left_out_or_changed() -> None:
    recorded = {file.stem: numbers(json.loads(file.read_text())) for file in RECORDED.glob("*.json")}
    assert recorded == ANSWERS


def hears(body: Any, status: int = 200) -> KalshiHttpClient:
    return client_that_hears(give(status, sent(body)))


# -- cash ------------------------------------------------------------------------------------------------------


def test_the_balance_is_read_by_shard() -> None:
    answers = ANSWERS["01_balance_is_gross"]
    for name in ("before_any_order", "while_they_rest"):
        assert hears(answers[name]).get_balance().by_shard == {0: 30, 2: 30}


@pytest.mark.parametrize("reading", [BalanceReading.GROSS, BalanceReading.NOT_KNOWN])
def test_cash_that_resting_orders_reserve_is_not_free(reading: BalanceReading) -> None:
    """The third order was refused for want of cash: $4.50 where $3.50 was free. No cash came or went."""
    answers = ANSWERS["01_balance_is_gross"]
    balance = hears(answers["while_they_rest"]).get_balance()
    resting = [
        order(one["ticker"], Side(one["side"]), one["price"], float(one["remaining"]), f"{number}")
        for number, one in enumerate(answers["resting_orders"])
    ]
    cash = free_cash(balance, resting, reserves(resting, (), lambda _: D(0)), CashRule(reading))
    assert [cash.by_order[one.order_id] for one in resting] == [
        D(one["cost"]) for one in answers["resting_orders"]
    ]
    assert (cash.reserved, cash.by_shard) == (D("26.50"), {0: D("3.50"), 2: 30})
    assert cash.by_shard[0] < D(answers["a_third_create"]["needs"])
    assert balance.total == hears(answers["before_any_order"]).get_balance().total == 60


def test_the_times_of_credits_are_read_to_the_second() -> None:
    for credit in ANSWERS["02_credits_real_times"]["rows"]:
        row = JsonObject("credits", credit)
        lag = (row.time("created_at") - row.time("end")) / timedelta(hours=1)
        assert lag == pytest.approx(credit["hours_after_end"], abs=0.05)


def test_a_deposits_fee_is_not_taken_for_cash_that_arrived() -> None:
    (deposit,) = hears(ANSWERS["03_deposit_with_fee"]["answer"]).get_deposits().all_or_raise()
    assert (deposit.amount, deposit.fee) == (378, D("7.56"))
    assert payment_flow(DEPOSIT, deposit).moves == D("370.44")
    pending = payment_flow(DEPOSIT, deposit._replace(status=PaymentStatus.PENDING))
    assert (pending.moves, pending.amount) == (0, D("370.44")), "cash of this amount is not a reward"


@pytest.mark.parametrize("taken_in_addition", [False, True])
def test_a_withdrawals_fee_never_looks_like_a_reward(taken_in_addition: bool) -> None:
    """What the exchange does with such a fee is not known. In neither case does cash seem to come from nothing."""
    (payment,) = hears(ANSWERS["03_deposit_with_fee"]["answer"]).get_deposits().all_or_raise()
    moved = -payment.amount - (payment.fee if taken_in_addition else 0)
    assert moved - payment_flow(WITHDRAWAL, payment).moves <= 0


# -- settlements and positions ---------------------------------------------------------------------------------

SETTLED = [*ANSWERS["04_settlement_gross_sides"]["rows"], *ANSWERS["05_settlement_scalar"]["rows"],
           ANSWERS["06_settlements_without_exchange_index"]["row"]]  # fmt: skip
RIGHT = [
    # held at the end, revenue, YES pays, shard
    ("0", "0", "0", 2), ("-60", "0", "1", 0), ("0.31", "0.31", "1", 0), ("0.14", "0.06", "0.45", 3),
    ("1", "0.50", "0.50", 0), ("10", "0", "0", 0),
]  # fmt: skip


def settlement(row: Any) -> Settlement:
    (read,) = hears({"settlements": [row], "cursor": ""}).get_settlements(START).all_or_raise()
    return read


@pytest.mark.parametrize(("row", "right"), [*zip(SETTLED, RIGHT, strict=True)])
def test_only_what_was_held_at_the_end_is_settled(row: Any, right: tuple[str, str, str, int]) -> None:
    read = settlement(row)
    net, revenue, payout, shard = right
    assert read.change == -D(net)
    assert (read.revenue, read.yes_payout, read.exchange_index) == (D(revenue), D(payout), shard)
    assert cash_effect(D(net), read) == D(revenue)


@pytest.mark.parametrize("row", SETTLED)
@pytest.mark.parametrize("yes_first", [True, False])
def test_pairs_and_fees_are_counted_once(row: Any, yes_first: bool) -> None:
    """The fills brought the pairs and charged the fees long before. The settlement, whose counts and fee are those
    of all these fills, brings its revenue and nothing else: to the cash, to the day's profit and to the report."""
    read, price = settlement(row), {YES: D("0.40"), NO: D("0.45")}
    fills = [
        Fill(side.value, "o", read.ticker, side, price[side], count, read.fee / 2, False, read.time - age)
        for side, count, age in (
            (YES, read.yes_count, timedelta(minutes=2 if yes_first else 1)),
            (NO, read.no_count, timedelta(minutes=1 if yes_first else 2)),
        )
        if count
    ]
    changes: list[Fill | Settlement] = sorted([*fills, read], key=lambda one: one.time)
    cash = held = D(0)
    for one in changes:
        cash += cash_effect(held, one)
        held += one.change
    assert held == 0
    paid = sum(fill.price * fill.count + fill.fee for fill in fills)
    assert cash == min(read.yes_count, read.no_count) + read.revenue - paid
    assert day_profit({}, fills, [read], {}) == cash
    parts = attribute_pnl(read.time.date(), {}, changes, {}, {}, {})
    assert sum(one.spread - one.exits - one.fees + one.moves for one in parts.values()) == cash
    assert sum(one.fees for one in parts.values()) == sum(fill.fee for fill in fills)


def test_a_position_without_a_shard_is_held_on_shard_0() -> None:
    (held,) = hears(ANSWERS["07_positions_without_exchange_index"]["answer"]).get_positions().all_or_raise()
    assert (held.count, held.exposure, held.fees, held.exchange_index) == (3, D("2.5"), D("0.0189"), 0)
    assert held.side is YES


# -- orders ----------------------------------------------------------------------------------------------------

WRITES = ANSWERS["08_answers_of_writes"]
ROW = ANSWERS["10_order_row_as_listed"]["row"]


def wanted() -> OrderRequest:
    """The order that the recorded row lists."""
    bid = Bid(YES, D(ROW["yes_price_dollars"]), D(ROW["initial_count_fp"]))
    return OrderRequest(
        ROW["ticker"], 0, ROW["client_order_id"], bid, TimeInForce.GOOD_TILL_CANCELED, SelfTradePrevention.MAKER
    )


@pytest.mark.parametrize(
    ("name", "status", "filled", "remaining", "fee"),
    [
        ("create_201", OrderStatus.RESTING, "0", "1", None),
        ("create_filled_201", OrderStatus.EXECUTED, "1", "0", "0.0175"),
        ("create_self_cross_201", OrderStatus.CANCELED, "0", "0", None),
    ],
)
def test_the_answer_to_a_create_tells_what_became_of_the_order(
    name: str, status: OrderStatus, filled: str, remaining: str, fee: str | None
) -> None:
    """An order that was withdrawn at once because it met our own is not taken for one that rests."""
    assert hears(WRITES[name], 201).create_order(wanted()) == OrderResponse(
        WRITES[name]["order_id"], status, D(filled), D(remaining), None if fee is None else D(fee)
    )


def test_a_cancels_answer_needs_no_client_order_id() -> None:
    assert hears(WRITES["cancel_200"]).cancel_order(ORDER) == 1
    amended = hears(WRITES["amend_smaller_200"]).amend_order(ORDER, ORDER.bid)
    assert (amended.filled, amended.remaining) == (0, 1)


def test_an_order_row_without_its_unset_keys_is_whole() -> None:
    """It has no expiry and no group. As it names no shard, its cancel names its market and no shard either."""
    client, wire = client_and_wire(
        give(200, sent({"orders": [ROW], "cursor": ""})), give(200, sent(WRITES["cancel_200"]))
    )
    (order,) = client.get_resting_orders().all_or_raise()
    assert (order.expires, order.group_id, order.status) == (None, None, OrderStatus.RESTING)
    assert (order.bid, order.filled, order.fees) == (Bid(YES, D("0.01"), D(1)), 0, 0)
    assert (order.exchange_index or 0) == 0
    client.cancel_order(order)
    assert f"market_ticker={order.ticker}" in (wire.sent[-1].url or "")
    assert "exchange_index" not in (wire.sent[-1].url or "")


# -- errors ----------------------------------------------------------------------------------------------------

ERRORS = ANSWERS["09_error_bodies"]
MEANT: dict[str, tuple[str, type[ExchangeError], Recovery]] = {
    "401_no_signature_header": ("get_balance", Unauthorized, Recovery.STOP),
    "401_bad_signature": ("get_balance", Unauthorized, Recovery.STOP),
    "401_unknown_key": ("get_balance", Unauthorized, Recovery.STOP),
    "401_clock": ("get_balance", Unauthorized, Recovery.RETRY),
    "400_limit": ("get_markets", Refused, Recovery.SKIP),
    "400_types": ("create_order", Refused, Recovery.SKIP),
    "400_price": ("create_order", Refused, Recovery.SKIP),
    "400_funds": ("create_order", ShortOfCash, Recovery.SKIP),
    "400_post_only": ("create_order", Refused, Recovery.SKIP),
    "404_cancel": ("cancel_order", Gone, Recovery.SKIP),
    "403_resting_value": ("get_balance", Forbidden, Recovery.STOP),
}


@pytest.mark.parametrize("name", MEANT)
def test_each_error_has_its_meaning_and_its_words(name: str) -> None:
    """What the bot does about it is right, nothing was carried out, and the log has the exchange's own words."""
    call, kind, recovery = MEANT[name]
    with pytest.raises(ExchangeError) as raised:
        CALLS[call](hears(ERRORS[name], int(name[:3])))
    error = raised.value
    assert (type(error), error.recovery, error.maybe_done) == (kind, recovery, False)
    said = ERRORS[name].get("error", ERRORS[name])
    assert (error.code, error.message) == (said.get("code", ""), said.get("message", said.get("msg", "")))
    assert error.details == said.get("details", "")


def test_no_recorded_error_is_left_out() -> None:
    assert {*MEANT, "409"} == set(ERRORS)
    assert ANSWERS["01_balance_is_gross"]["a_third_create"]["answer"] == ERRORS["400_funds"]


def exchange_that_has(rows: list[Any]) -> Callable[[requests.PreparedRequest], requests.Response]:
    """An exchange that has these orders, and refuses each create because its client order id is used."""

    def reply(request: requests.PreparedRequest) -> requests.Response:
        if request.method == "POST":
            return give(409, sent(ERRORS["409"]))(request)
        current = {"as_of_time": (START + timedelta(days=1)).isoformat()}
        return give(200, sent({"orders": rows, "cursor": "", **current}))(request)

    return reply


def test_a_client_order_id_that_is_used_leads_to_its_order() -> None:
    """An earlier attempt has arrived. The order that it placed is found by its terms, and counts as placed. With
    other terms, or if it is not listed, the order does not count as placed."""
    placed = client_that_hears(exchange_that_has([ROW])).create_order(wanted())
    assert (placed.order_id, placed.status, placed.remaining) == (ROW["order_id"], OrderStatus.RESTING, 1)
    with pytest.raises(AlreadyExists):
        client_that_hears(exchange_that_has([ROW | {"yes_price_dollars": "0.0200"}])).create_order(wanted())
    with pytest.raises(OutcomeUnknown):
        client_that_hears(exchange_that_has([])).create_order(terms())


def test_an_untold_payout_is_not_invented() -> None:
    """Without `value` it is not known what a contract paid, whatever the result says."""
    row = {name: value for name, value in SETTLED[3].items() if name != "value"}
    for told in (row, row | {"value": None}):
        assert parse_account.settlement(JsonObject("settlements", told)).yes_payout is None
