"""A list that changes while it is read shows an item on two pages. It is one item, and nothing counts it twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.support.bench import STILL, Bench, MakeBench, answer
from tests.support.canned_answers import CALLS, body_of, client_that_hears, give, sent

PAGED = {
    "get_incentive_programs": "incentive_programs", "get_markets": "markets", "get_events": "events",
    "get_positions": "market_positions", "get_resting_orders": "orders", "get_orders": "orders",
    "get_fills": "fills", "get_settlements": "settlements", "get_deposits": "deposits",
    "get_withdrawals": "withdrawals", "get_transfers": "transfers", "get_subaccount_transfers": "transfers",
    "get_trades": "trades",
}  # fmt: skip
"""By method, the list that it reads page by page."""

WHOLE = {
    "get_all_series": "series", "get_orderbooks": "orderbooks", "get_candles": "markets",
    "get_order_groups": "order_groups",
}  # fmt: skip
"""By method, the list that comes in one answer."""

OVERLAPS: dict[str, Any] = {
    "the last item again": lambda items: [items, items[-1:]],
    "an earlier item again": lambda items: [items, items[:1]],
    "the same page again": lambda items: [items, items],
    "all of it on three pages": lambda items: [items, items[::-1], items],
    "twice on one page": lambda items: [[*items, *items]],
}
"""From a list's items to pages that overlap."""


def pages(method: str, name: str, lists: list[list[Any]]) -> list[Any]:
    """Answers to one method: pages that name each other, the last one without a next."""
    cursor = "next_cursor" if method == "get_incentive_programs" else "cursor"
    bodies = [body_of(method) | {name: items, cursor: f"page-{number}"} for number, items in enumerate(lists, 1)]
    bodies[-1] |= {cursor: ""}
    return [give(200, sent(body)) for body in bodies]


def test_no_list_is_left_out() -> None:
    several = {"get_balance", "get_exchange_status", "get_lists_time", "get_schedule"}  # these read no list
    several |= {"get_user_id", "get_api_keys"}  # the first order tells whose the key is; a user has few keys
    several |= {"get_ended_programs"}  # picks the programs that it is asked for, by their ids
    assert {name for name in CALLS if name.startswith("get_")} - several == PAGED.keys() | WHOLE.keys()


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("method", PAGED)
def test_an_item_on_two_pages_is_one_item(method: str, overlap: str) -> None:
    items = body_of(method)[PAGED[method]]
    assert items
    once = CALLS[method](client_that_hears(*pages(method, PAGED[method], [items])))
    again = CALLS[method](client_that_hears(*pages(method, PAGED[method], OVERLAPS[overlap](items))))
    assert again == once
    assert len(once) == len(items)


@pytest.mark.parametrize("method", WHOLE)
def test_an_item_twice_in_one_answer_is_one_item(method: str) -> None:
    items = body_of(method)[WHOLE[method]]
    once = CALLS[method](client_that_hears(*pages(method, WHOLE[method], [items])))
    again = CALLS[method](client_that_hears(*pages(method, WHOLE[method], [[*items, *items]])))
    assert again == once
    assert len(once) > 0


CHANGES: dict[str, tuple[str, Any, str, Any]] = {
    "get_resting_orders": ("remaining_count_fp", "0.25", "remaining", 0.25),
    "get_positions": ("position_fp", "7.00", "count", 7),
    "get_deposits": ("amount_cents", 125, "amount", 1.25),
    "get_incentive_programs": ("paid_out", True, "paid_out", True),
}
"""By method, a field that may change between two pages, its later value, and the same as the bot reads it."""


@pytest.mark.parametrize("method", CHANGES)
def test_what_was_read_last_of_an_item_counts(method: str) -> None:
    """An order that was partly filled between two pages is not believed to rest with all its contracts."""
    field, later, name, right = CHANGES[method]
    items = body_of(method)[PAGED[method]]
    newer = items[0] | {field: later}
    found = CALLS[method](client_that_hears(*pages(method, PAGED[method], [items, [newer]])))
    assert [getattr(one, name) for one in found].count(right) == 1
    assert len(found) == len(items)


def test_a_position_closed_between_two_pages_is_not_held() -> None:
    items = body_of("get_positions")["market_positions"]
    closed = items[0] | {"position_fp": "0.00"}
    found = CALLS["get_positions"](
        client_that_hears(*pages("get_positions", "market_positions", [items, [closed]]))
    )
    assert [one.ticker for one in found] == [item["ticker"] for item in items[1:]]


def test_two_transactions_of_one_market_stay_two() -> None:
    """A market that was settled anew has two settlements, and an order two fills: they differ in what identifies
    them, and both count."""
    for method, name, changed in (
        ("get_settlements", "settlements", {"settled_time": "2026-11-24T00:00:00Z"}),
        ("get_fills", "fills", {"fill_id": "another"}),
        ("get_orders", "orders", {"order_id": "another"}),
    ):
        (item, *_) = body_of(method)[name]
        found = CALLS[method](client_that_hears(*pages(method, name, [[item, item | changed]])))
        assert len(found) == 2, method


def listed_twice(bench: Bench, path: str, name: str) -> None:
    """From now on the exchange's list `name` has each item twice, as from pages that overlap."""

    def repeat(request: requests.PreparedRequest, _: int) -> Any:
        if request.method != "GET" or not request.path_url.startswith(f"/trade-api/v2{path}?"):
            return None
        body = json.loads(bench.wire.inner.send(request).content)
        return answer(200, json.dumps(body | {name: body[name] * 2}))

    bench.wire.fault = repeat


def test_a_program_that_is_listed_twice_is_not_paid_twice(make_bench: MakeBench) -> None:
    """The bot chooses the same markets, and promises the same rewards in each, as from a list without repeats."""
    plain, doubled = make_bench(**STILL), make_bench(**STILL)

    listed_twice(doubled, "/incentive_programs", "incentive_programs")
    for bench in (plain, doubled):
        bench.run(cycles=1)
    quoted = plain.events("QUOTE MARKET")
    assert quoted
    assert [line.partition("]")[2] for line in doubled.events("QUOTE MARKET")] == [
        line.partition("]")[2] for line in quoted
    ]


def test_an_order_that_two_pages_list_is_canceled_once(make_bench: MakeBench) -> None:
    """No cancel is sent for an order that the first cancel has taken away."""
    bench = make_bench(**STILL)
    bench.run(cycles=1)
    resting = len(bench.resting())
    assert resting > 1

    listed_twice(bench, "/portfolio/orders", "orders")
    listed = bench.client.get_resting_orders().all_or_raise()
    assert len(listed) == len({order.order_id for order in listed})
    results = bench.client.cancel_orders([order for order in listed if order.client_order_id.startswith("lipbot")])
    assert not [one for one in results if isinstance(one, Exception)]
