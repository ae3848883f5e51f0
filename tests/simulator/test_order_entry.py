"""Orders that rest are changed and taken down as the exchange says: one that lost its place, or stayed when it was
thought gone, would be filled when nobody expects it."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import lifecycle, order_entry, order_groups, pauses
from simulator.exchange import Exchange
from simulator.matching import CONTRACT, DOLLAR, Order
from simulator.order_entry import Amendment
from tests.support.small_exchange import (
    NOW,
    QUARTER,
    M,
    amend,
    ask,
    bid,
    filled,
    held,
    listed,
    refusal,
    small_exchange,
)

# -- amend -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "keeps_its_place"),
    [
        ({"count": 4}, True),
        ({"expires": NOW + 50}, True),
        ({"expires": 0}, True),
        ({"count": 2, "expires": NOW + 50}, True),
        ({}, True),
        ({"count": 6}, False),
        ({"cents": 39}, False),
        ({"cents": 39, "count": 3}, False),
    ],
)
def test_only_a_smaller_size_or_a_new_expiry_keeps_the_place(
    change: dict[str, Any], keeps_its_place: bool
) -> None:
    """An amend to a larger size or another price loses the place in the queue."""
    exchange, _ = small_exchange(owners="ann bob cat")
    first = bid(exchange, "ann", 40, 5)
    second = bid(exchange, "bob", 40, 5)
    amend(exchange, first, **change)
    if first.price < second.price:
        amend(exchange, first, cents=40)
    ask(exchange, "cat", 40, 1)
    assert filled([first, second]) == ([1, 0] if keeps_its_place else [0, 1])


def test_an_amended_count_is_what_was_filled_and_what_shall_rest() -> None:
    exchange, market = small_exchange()
    order = bid(exchange, "ann", 40, 5)
    ask(exchange, "bob", 40, 2)
    amend(exchange, order, count=4)
    assert (order.filled, order.remaining, market.book.bids.levels()) == (200, 200, [(4_000, 200)])
    amend(exchange, order, count=9, cents=41)
    assert (order.filled, order.remaining, market.book.bids.levels()) == (200, 700, [(4_100, 700)])
    assert refusal(lambda: amend(exchange, order, count=1.99)) == (400, "invalid_order_size")
    amend(exchange, order, count=2)
    assert (order.status, order.filled, market.book.bids.levels()) == ("canceled", 200, [])
    untouched = bid(exchange, "ann", 40, 5)
    assert refusal(lambda: amend(exchange, untouched, count=0)) == (400, "invalid_order_size")


def test_an_amended_order_may_cross_and_take() -> None:
    exchange, market = small_exchange()
    ask(exchange, "bob", 60, 2)
    order = bid(exchange, "ann", 40, 5)
    _, fills, resized = order_entry.amend(exchange, "ann", order.order_id, Amendment(M, True, 6_000, 500))
    assert ([fill.is_taker for fill in fills], resized) == ([True], False)
    assert (order.filled, order.remaining, market.book.bids.levels()) == (200, 300, [(6_000, 300)])
    ask(exchange, "bob", 61, 3)
    amend(exchange, order, cents=61)
    assert order.status == "executed"
    assert exchange.resting("ann") == market.book.bids.levels() == []
    assert list(market.owned) == []


def test_an_amended_order_does_not_trade_with_its_owners_own() -> None:
    """If an amended order meets an order of its owner, the setting for self-trade prevention tells which of the
    two is canceled."""
    exchange, market = small_exchange()
    own = ask(exchange, "ann", 60, 2)
    order = bid(exchange, "ann", 40, 5)
    amend(exchange, order, cents=60)
    assert (order.status, order.filled, own.status) == ("canceled", 0, "resting")
    assert exchange.resting("ann") == [own]
    other = bid(exchange, "ann", 40, 5, self_trade_prevention="maker")
    amend(exchange, other, cents=60)
    assert (own.status, other.status, market.book.asks.levels()) == ("canceled", "resting", [])


def test_a_new_expiry_replaces_the_old_one_and_0_clears_it() -> None:
    exchange, _ = small_exchange()
    longer, endless, shorter = (bid(exchange, "ann", 40, 1, expires=NOW + 10) for _ in range(3))
    amend(exchange, longer, expires=NOW + 20)
    amend(exchange, endless, expires=0)
    amend(exchange, shorter, expires=NOW + 5)
    late = bid(exchange, "ann", 40, 1)
    amend(exchange, late, expires=NOW + 20, cents=41)
    alive = []
    for seconds in (4.9, 5, 10, 19.9, 20, 10_000):
        exchange.advance(NOW + seconds)
        alive.append(sum(order.status == "resting" for order in (longer, endless, shorter, late)))
    assert alive == [4, 3, 3, 3, 1, 1]
    assert endless.status == "resting"
    past = bid(exchange, "ann", 40, 1)
    assert refusal(lambda: amend(exchange, past, expires=NOW)) == (400, "invalid_order")
    assert past.status == "resting"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ticker": "KXM-26-T2"}, (400, "order_ticker_mismatch")),
        ({"is_bid": False}, (400, "order_side_mismatch")),
        ({"client_order_id": "other"}, (400, "order_id_and_client_order_id_mismatch")),
        ({"new_client_order_id": "used"}, (409, "order_already_exists")),
        ({"cents": 40.5}, (400, "invalid_price")),
        ({"count": 10_000}, (400, "insufficient_balance")),
        ({"shard": 2}, (404, "not_found")),
    ],
)
def test_an_amend_that_does_not_fit_its_order_changes_nothing(change: dict[str, Any], code: object) -> None:
    exchange, market = small_exchange()
    bid(exchange, "ann", 1, 1, client_order_id="used")
    order = bid(exchange, "ann", 40, 5, client_order_id="mine")
    assert refusal(lambda: amend(exchange, order, **change)) == code
    assert (order.price, order.size, order.client_order_id, order.expires) == (4_000, 500, "mine", None)
    assert market.book.bids.levels() == [(100, 100), (4_000, 500)]
    assert refusal(lambda: amend(exchange, order, owner="bob")) == (404, "not_found")
    amend(exchange, order, client_order_id="mine", new_client_order_id="new")
    assert order.client_order_id == "new"
    assert refusal(lambda: bid(exchange, "ann", 1, 1, client_order_id="new")) == (409, "order_already_exists")


def test_an_amend_needs_only_the_collateral_of_what_will_rest() -> None:
    """An amend needs the collateral of the order that is to rest after it, and no more. Without that cash it is
    refused."""
    exchange, _ = small_exchange(cash=5)
    order = bid(exchange, "ann", 50, 10)
    assert refusal(lambda: amend(exchange, order, count=10.01)) == (400, "insufficient_balance")
    amend(exchange, order, cents=25, count=20)
    assert exchange.free_cash(exchange.accounts["ann"], 0) == 0
    exchange.accounts["bob"].cash[0] = 50 * DOLLAR
    ask(exchange, "bob", 25, 10)
    assert refusal(lambda: amend(exchange, order, cents=26)) == (400, "insufficient_balance")
    amend(exchange, order, cents=24)
    assert exchange.free_cash(exchange.accounts["ann"], 0) == DOLLAR // 10


def test_an_amend_of_an_older_sale_leaves_no_younger_one_unpaid() -> None:
    """What is held closes the oldest orders first. An older sale that an amend would grow is refused if a
    younger one could then not be paid."""
    exchange, _ = small_exchange()
    ask(exchange, "bob", 50, 10)
    bid(exchange, "ann", 50, 10)
    exchange.accounts["ann"].cash[0] = DOLLAR
    older = ask(exchange, "ann", 90, 1)
    ask(exchange, "ann", 60, 10)
    assert refusal(lambda: amend(exchange, older, count=10)) == (400, "insufficient_balance")
    assert exchange.free_cash(exchange.accounts["ann"], 0) >= 0


# -- decrease ----------------------------------------------------------------------------------------------------


def test_a_decrease_keeps_the_place_in_the_queue() -> None:
    """A decrease to nothing cancels the order, and no decrease makes an order larger."""
    exchange, market = small_exchange(owners="ann bob cat")
    first = bid(exchange, "ann", 40, 5)
    second = bid(exchange, "bob", 40, 5)
    order_entry.decrease(exchange, "ann", first.order_id, -1, 100, None)
    ask(exchange, "cat", 40, 1)
    assert filled([first, second]) == [1, 0]
    order_entry.decrease(exchange, "ann", first.order_id, -1, None, 200)
    assert (first.remaining, first.size) == (200, 300)
    order_entry.decrease(exchange, "ann", first.order_id, -1, None, 900)
    assert first.remaining == 200, "no order grows by it"
    order_entry.decrease(exchange, "ann", first.order_id, -1, 900, None)
    assert (first.status, first.filled, market.book.bids.levels()) == ("canceled", 100, [(4_000, 500)])
    order_entry.decrease(exchange, "bob", second.order_id, -1, None, 0)
    assert second.status == "canceled"


# -- cancel ------------------------------------------------------------------------------------------------------


def test_dead_unknown_and_other_peoples_orders_all_look_alike() -> None:
    exchange, _ = small_exchange()
    gone, done, others = bid(exchange, "ann", 40, 1), bid(exchange, "ann", 41, 1), ask(exchange, "bob", 60, 1)
    assert order_entry.cancel(exchange, "ann", gone.order_id, 0) == 100
    ask(exchange, "bob", 41, 1)
    for order_id in (gone.order_id, done.order_id, others.order_id, "nothing"):
        assert refusal(lambda name=order_id: order_entry.cancel(exchange, "ann", name, 0)) == (404, "not_found")
    assert others.status == "resting"


def test_a_client_order_id_is_never_free_again() -> None:
    exchange, _ = small_exchange()
    order = bid(exchange, "ann", 40, 1, client_order_id="once")
    again = lambda: bid(exchange, "ann", 40, 1, client_order_id="once")  # noqa: E731
    assert refusal(again) == (409, "order_already_exists")
    order_entry.cancel(exchange, "ann", order.order_id, 0)
    assert refusal(again) == (409, "order_already_exists")
    exchange.advance(NOW + 90_000)
    assert refusal(again) == (409, "order_already_exists")
    bid(exchange, "bob", 40, 1, client_order_id="once")


def test_orders_can_be_canceled_in_a_pause_of_trading_only() -> None:
    """A pause of trading lets a resting order be canceled, but takes no new order and no amend. A pause of the
    exchange holds every order, even from a cancel of all."""
    exchange, market = small_exchange()
    stays, other, leaves = (bid(exchange, "ann", 40, 1, cancel_on_pause=n == 2) for n in range(3))
    pauses.pause(exchange, "trading")
    assert [o.status for o in (stays, other, leaves)] == ["resting", "resting", "canceled"]
    assert refusal(lambda: bid(exchange, "ann", 40, 1)) == (409, "trading_is_paused")
    assert refusal(lambda: amend(exchange, stays, count=0.5)) == (409, "trading_is_paused")
    order_entry.cancel(exchange, "ann", stays.order_id, 0)
    pauses.pause(exchange, "exchange", [0])
    assert refusal(lambda: order_entry.cancel(exchange, "ann", other.order_id, 0)) == (409, "exchange_is_paused")
    assert refusal(lambda: order_entry.decrease(exchange, "ann", other.order_id, 0, 1, None)) == (
        409,
        "exchange_is_paused",
    )
    order_entry.cancel_all(exchange, "ann")
    assert other.status == "resting"
    for what in ("exchange", "trading"):
        pauses.resume(exchange, what)
    assert market.book.bids.levels() == [(4_000, 100)]
    order_entry.cancel(exchange, "ann", other.order_id, 0)


def test_a_pause_of_one_shard_leaves_the_others_alone() -> None:
    exchange, _ = small_exchange()
    listed(exchange, "KXS-26-T1", shard=3)
    exchange.accounts["ann"].cash[3] = DOLLAR
    pauses.pause(exchange, "trading", [3])
    bid(exchange, "ann", 40, 1)
    assert refusal(lambda: bid(exchange, "ann", 40, 1, ticker="KXS-26-T1")) == (409, "trading_is_paused")
    pauses.resume(exchange, "trading", [3])
    bid(exchange, "ann", 40, 1, ticker="KXS-26-T1")


def test_cancel_all_takes_the_orders_on_every_shard() -> None:
    """It also cancels some of the orders that the owner places within the next minute. Later orders and those
    of others stay."""
    exchange, _ = small_exchange()
    listed(exchange, "KXS-26-T1", shard=3)
    exchange.accounts["ann"].cash[3] = DOLLAR
    orders = [bid(exchange, "ann", 40, 1), bid(exchange, "ann", 40, 1, ticker="KXS-26-T1")]
    others = bid(exchange, "bob", 40, 1)
    order_entry.cancel_all(exchange, "ann")
    assert [o.status for o in orders] == ["canceled", "canceled"]
    within = [bid(exchange, "ann", 1 + n, 1) for n in range(30)]
    exchange.advance(NOW + 59.99)
    last = [bid(exchange, "ann", 1 + n, 1) for n in range(30)]
    exchange.advance(NOW + 60)
    after = [bid(exchange, "ann", 1 + n, 1) for n in range(30)]
    exchange.advance(NOW + 500)
    for orders in (within, last):
        assert {o.status for o in orders} == {"resting", "canceled"}
        assert all(o.updated <= NOW + 60 for o in orders)
    assert {o.status for o in after} == {"resting"}
    assert others.status == "resting"


# -- order groups ------------------------------------------------------------------------------------------------


def grouped(limit: int | None = 10) -> tuple[Exchange, str, list[Order]]:
    """A group of ann's, three of her orders in it, and one that is not."""
    exchange, _ = small_exchange(owners="ann bob")
    group = order_groups.create(exchange, "ann", 0, None if limit is None else limit * CONTRACT)
    orders = [bid(exchange, "ann", cents, 8, group_id=group.group_id) for cents in (42, 41, 40)]
    return exchange, group.group_id, [*orders, bid(exchange, "ann", 39, 8)]


def test_an_order_group_that_fills_too_fast_is_canceled() -> None:
    """If an order group fills more than its limit, its resting orders are canceled. It takes no more orders
    until it is reset."""
    exchange, group, orders = grouped()
    ask(exchange, "bob", 41, 10)
    exchange.advance(NOW)
    assert [o.status for o in orders] == ["executed", "resting", "resting", "resting"], "10 are not more than 10"
    ask(exchange, "bob", 41, 0.01)
    exchange.advance(NOW)
    assert [o.status for o in orders] == ["executed", "canceled", "canceled", "resting"]
    more = lambda: bid(exchange, "ann", 30, 1, group_id=group)  # noqa: E731
    assert refusal(more) == (409, "exceeded_order_group_risk_limit")
    exchange.advance(NOW + 100)
    assert refusal(more) == (409, "exceeded_order_group_risk_limit")
    order_groups.reset(exchange, "ann", group, 0)
    assert more().status == "resting"
    exchange.advance(NOW + 200)
    assert exchange.accounts["ann"].groups[group].filled == []


def test_a_group_that_fills_slowly_stays() -> None:
    exchange, _, orders = grouped()
    for number, seconds in enumerate((0, 15, 30)):
        exchange.advance(NOW + seconds)
        ask(exchange, "bob", 40, 8)
        exchange.advance(NOW + seconds)
        assert [o.status for o in orders].count("executed") == number + 1
    assert orders[3].status == "resting"
    exchange, _, orders = grouped()
    ask(exchange, "bob", 40, 8)
    exchange.advance(NOW + 14.9)
    ask(exchange, "bob", 40, 8)
    exchange.advance(NOW + 14.9)
    assert [o.status for o in orders] == ["executed", "executed", "canceled", "resting"]


def test_a_taker_over_its_groups_limit_leaves_the_book() -> None:
    """If a taker's fill breaks the limit of its order group, the rest of the order does not stay on the book."""
    exchange, group, _ = grouped()
    ask(exchange, "bob", 60, 11)
    taker = bid(exchange, "ann", 60, 20, group_id=group)
    exchange.advance(NOW)
    assert (taker.filled, taker.status) == (1_100, "canceled")


def test_a_lower_limit_triggers_an_order_group_that_filled_more() -> None:
    """If an order group has just filled more than its new limit, the change of the limit cancels its orders."""
    exchange, group, orders = grouped()
    ask(exchange, "bob", 40, 5)
    order_groups.set_limit(exchange, "ann", group, 0, 5 * CONTRACT)
    assert orders[1].status == "resting"
    order_groups.set_limit(exchange, "ann", group, 0, 4 * CONTRACT)
    assert [o.status for o in orders] == ["canceled", "canceled", "canceled", "resting"]


def test_a_trigger_or_deletion_cancels_the_groups_orders() -> None:
    """The owner can trigger, reset and delete an order group by hand, and only on its shard."""
    exchange, group, orders = grouped(limit=None)
    ask(exchange, "bob", 40, 20)
    exchange.advance(NOW)
    for act in (order_groups.trigger, order_groups.delete, order_groups.reset):
        assert refusal(lambda a=act: a(exchange, "ann", group, 3)) == (404, "not_found")
        assert refusal(lambda a=act: a(exchange, "bob", group, 0)) == (404, "not_found")
    order_groups.trigger(exchange, "ann", group, 0)
    assert [o.status for o in orders] == ["executed", "executed", "canceled", "resting"]
    order_groups.reset(exchange, "ann", group, 0)
    last = bid(exchange, "ann", 20, 1, group_id=group)
    order_groups.delete(exchange, "ann", group, 0)
    assert last.status == "canceled"
    assert refusal(lambda: bid(exchange, "ann", 20, 1, group_id=group)) == (400, "order_group_not_found")
    assert held(exchange.accounts["ann"]) == 20


def test_a_group_of_another_shard_takes_no_order() -> None:
    exchange, _ = small_exchange()
    group = order_groups.create(exchange, "ann", 3, None)
    assert refusal(lambda: bid(exchange, "ann", 40, 1, group_id=group.group_id)) == (400, "order_group_not_found")


def test_a_paused_exchange_holds_a_groups_orders_too() -> None:
    exchange, group, orders = grouped()
    pauses.pause(exchange, "exchange")
    for act in (order_groups.trigger, order_groups.delete):
        assert refusal(lambda a=act: a(exchange, "ann", group, 0)) == (409, "exchange_is_paused")
    assert {o.status for o in orders} == {"resting"}
    pauses.resume(exchange, "exchange")
    order_groups.delete(exchange, "ann", group, 0)
    assert {o.status for o in orders[:3]} == {"canceled"}


def test_an_id_that_was_used_says_so_whatever_else_is_wrong() -> None:
    """Whoever sends an order again, not knowing what became of it, must not learn that its market is halted."""
    exchange, market = small_exchange()
    bid(exchange, "ann", 40, 1, client_order_id="mine")
    lifecycle.halt(exchange, market)
    assert refusal(lambda: bid(exchange, "ann", 40, 1, client_order_id="mine")) == (409, "order_already_exists")
    assert refusal(lambda: bid(exchange, "ann", 40, 1, client_order_id="other")) == (409, "trading_is_paused")


def test_an_order_that_trips_its_group_is_answered_as_canceled() -> None:
    exchange, _ = small_exchange()
    group = order_groups.create(exchange, "ann", 0, 500)
    ask(exchange, "bob", 50, 6)
    order = bid(exchange, "ann", 50, 9, group_id=group.group_id)
    assert (order.filled, order.remaining, order.status) == (600, 0, "canceled")


def test_makers_fees_are_reserved_so_that_a_fill_leaves_no_debt() -> None:
    exchange, _ = small_exchange()
    listed(exchange, "KXFEE-26-T1", fees=QUARTER)
    exchange.accounts["ann"].cash[0] = 100 * DOLLAR
    assert refusal(lambda: bid(exchange, "ann", 50, 200, ticker="KXFEE-26-T1")) == (400, "insufficient_balance")
    bid(exchange, "ann", 50, 198, ticker="KXFEE-26-T1")
    ask(exchange, "bob", 50, 198, ticker="KXFEE-26-T1")
    assert exchange.accounts["ann"].fills[-1].fee > 0
    assert 0 <= exchange.accounts["ann"].cash[0] < DOLLAR


def test_what_an_order_paid_is_told_also_when_it_closes() -> None:
    """The exchange tells the cost of an order even if the order closed a position. It also tells the size that
    was asked for when a reduce-only order is cut."""
    exchange, _ = small_exchange()
    ask(exchange, "bob", 60, 10)
    bid(exchange, "ann", 60, 10)
    bid(exchange, "bob", 40, 15)
    sale = ask(exchange, "ann", 40, 15)
    assert sale.taker_cost == 15 * 60 * DOLLAR // 100, "fifteen NO at 60 cents"
    reduced = ask(exchange, "ann", 40, 50, time_in_force="immediate_or_cancel", reduce_only=True)
    assert (reduced.asked, reduced.size) == (5_000, 0)
