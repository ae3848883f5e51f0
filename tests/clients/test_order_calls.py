"""Orders and their groups, call by call: what rests, trades and is taken down is what was asked for, and each
answer says what became of which order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.account import OrderGroup
from exchange.errors import AlreadyExists, Gone, Refused
from exchange.models import AmendResponse, OrderResponse, OrderStatus, TimeInForce
from exchange.orderbook import Bid, Side
from simulator import order_entry
from simulator.opening import CUSTOMER
from tests.support import call_coverage
from tests.support.bench import Bench
from tests.support.call_coverage import (
    SHARD_0,
    SHARD_3,
    about,
    ask_for,
    dollars,
    market,
    place,
    queue,
    real,
    taken_by_others,
    wait,
)
from tests.support.project import START

D = Decimal

bench, open_bench = call_coverage.bench, call_coverage.open_bench


@about("create_order")
def test_an_order_rests_as_it_was_asked_for_or_trades(bench: Bench) -> None:
    """The answer says if the order rests, was filled or was cancelled after a partial fill, with its fee. A
    post-only order that would cross is refused."""
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
def test_one_bad_order_in_a_batch_costs_only_itself(bench: Bench) -> None:
    """In a batch the other orders rest or trade. Each answer belongs to its own order, and each refusal has its
    reason."""
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


def test_a_batch_larger_than_the_rate_limit_goes_in_pieces(bench: Bench) -> None:
    """A batch larger than the rate limit's budget is sent in pieces, and the exchange refuses none of them. An
    empty batch gives an empty answer."""
    orders = [ask_for(bench, f"n-{number}", count="0.01") for number in range(25)]
    results = bench.client.create_orders(orders)
    assert all(isinstance(result, OrderResponse) for result in results)
    assert {o.client_order_id for o in bench.resting()} >= {order.client_order_id for order in orders}
    assert all(response.status_code == 201 for response in bench.wire.answers)
    assert bench.client.create_orders([]) == []


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


def test_an_amend_to_a_smaller_size_keeps_the_queue_place(bench: Bench) -> None:
    """A smaller order keeps its place, a larger one goes to the end of the queue. A new price moves the order,
    which keeps its id."""
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


def test_an_amend_after_a_partial_fill_rests_the_meant_size(bench: Bench) -> None:
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
def test_a_cancel_takes_down_only_that_order(bench: Bench) -> None:
    """A cancel says how much of a partly filled order was left, and other orders go on resting. A second cancel
    says that the order is gone."""
    order, other = place(bench, "mine", price="0.5200", count="4.00"), place(bench, "other")
    taken_by_others(bench, SHARD_3, False, 5_200, queue(bench, order) + 150)
    assert bench.client.cancel_order(order) == D("2.5")
    assert real(bench, order).status == "canceled"
    assert real(bench, other).status == "resting"
    with pytest.raises(Gone) as gone:
        bench.client.cancel_order(order)
    assert gone.value.maybe_done is False


@about("cancel_orders")
def test_a_batch_of_cancels_tells_the_outcome_of_each_order(bench: Bench) -> None:
    """For each order the answer says what was left or that the order was gone. Many cancels go in as few calls
    as the budget allows."""
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
def test_a_triggered_order_group_rests_nothing_until_its_reset(bench: Bench) -> None:
    """A triggered order group cancels its orders and refuses new ones. When it is reset, it takes orders again."""
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
