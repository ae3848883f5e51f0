"""What a second was worth: an estimate that a trader can believe is never more than was earned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.account import Fill
from exchange.models import OrderStatus
from exchange.orderbook import NO, YES, Side
from ledger import accrual
from ledger.entries import AccrualKey, AccruedSeconds, OrderRecord
from tests.support.builders import CENTS, NOW, bid, book, cents, market, program
from tests.support.strategies import books

D = Decimal
HOUR = timedelta(hours=1)
DEEP = book(cents((50, 500), (49, 900)), cents((48, 600), (47, 900)))
"""Both sides hold a target of 1,000."""


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def record(
    side: Side = YES,
    price: str = "0.50",
    count: int = 100,
    start: float = 0,
    end: float | None = 60,
    name: str = "o",
) -> OrderRecord:
    ended = None if end is None else NOW + at(end)
    began, expires = NOW + at(start), NOW + HOUR
    terms = ("KXTEST-1", side, D(price), D(count), D(0), D(0), OrderStatus.CANCELED)
    return OrderRecord(name, f"lipbot-{name}", *terms, began, expires, ended)


def fill(order: OrderRecord, seconds: float, count: int) -> Fill:
    return Fill(
        f"f{seconds}",
        order.order_id,
        "KXTEST-1",
        order.side,
        order.price,
        D(count),
        D(0),
        False,
        NOW + at(seconds),
    )


def total(found: object) -> AccruedSeconds:
    assert isinstance(found, dict)
    return sum(found.values(), start=AccruedSeconds())


def accrued(
    stays: list[OrderRecord], before: object = DEEP, after: object = DEEP, **terms: object
) -> AccruedSeconds:
    window = program(**terms)  # type: ignore[arg-type]
    rested = accrual.resting_intervals(stays, [], NOW, NOW + at(60))
    return total(accrual.count_seconds(market(CENTS), [window], (before, after), rested))  # type: ignore[arg-type]


def test_a_filled_order_earns_nothing_from_its_fill_on() -> None:
    order = record(count=100)
    fills = [fill(order, 20, 40), fill(order, 30, 60)]
    whole, half = (accrual.resting_intervals([order], told, NOW, NOW + at(60)) for told in ([], fills))
    assert [(p.end - p.start, p.bids[0].count) for p in whole] == [(at(60), 100)]
    assert [(p.end - p.start, p.bids[0].count) for p in half] == [(at(20), 100), (at(10), 60)]


def test_an_order_without_a_known_end_ends_at_its_expiry() -> None:
    """If the bot did not see an order end, the order counts as resting until it expires."""
    order = record(end=None)._replace(expires=NOW + at(25))
    (piece,) = accrual.resting_intervals([order], [], NOW, NOW + at(60))
    assert piece.end == NOW + at(25)


def test_seconds_before_the_last_look_are_not_counted_again() -> None:
    found = accrual.resting_intervals([record(start=-100, end=90)], [], NOW, NOW + at(60))
    assert [(piece.start, piece.end) for piece in found] == [(NOW, NOW + at(60))]


def test_the_gap_between_two_orders_is_not_counted() -> None:
    """If an order is canceled and placed again, the time between does not count as resting."""
    found = accrual.resting_intervals(
        [record(end=20, name="a"), record(start=30, end=50, name="b")], [], NOW, NOW + at(60)
    )
    assert sum((piece.end - piece.start for piece in found), start=timedelta(0)) == at(40)


def test_of_two_looks_the_worse_one_counts() -> None:
    better = book(cents((50, 500), (49, 900)), DEEP.no)
    crowded = book(cents((50, 5000), (49, 900)), DEEP.no)
    lone, worse = accrued([record()], better, better), accrued([record()], crowded, crowded)
    assert worse.reward < lone.reward
    for looks in ((better, crowded), (crowded, better)):
        both = accrued([record()], *looks)
        assert both._replace(at_most=worse.at_most) == worse
        assert both.at_most == lone.reward


def test_a_second_that_pays_nobody_in_either_look_is_excluded() -> None:
    empty = book(cents((50, 100)), DEEP.no)
    for looks in ((empty, DEEP), (DEEP, empty)):
        both = accrued([record()], *looks)
        assert both._replace(at_most=0) == AccruedSeconds(present=60, excluded=60)
        assert both.at_most == accrued([record()]).reward, "the other look may have been right"
    assert accrued([record()], empty, empty) == AccruedSeconds(present=60, excluded=60)


@pytest.mark.parametrize("looks", [(None, DEEP), (DEEP, None), (None, None)])
def test_seconds_that_nobody_saw_are_unknown_and_accrue_nothing(looks: tuple[object, object]) -> None:
    assert accrued([record()], *looks) == AccruedSeconds(present=60, unknown=60)


def test_the_seconds_of_a_market_no_longer_listed_are_unknown() -> None:
    """If the exchange no longer lists a market, the seconds that orders rested there are present but unknown."""
    rested = accrual.resting_intervals([record()], [], NOW, NOW + at(60))
    found = accrual.count_seconds(None, [program()], (DEEP, DEEP), rested)
    assert total(found) == AccruedSeconds(present=60, unknown=60)


def test_only_seconds_of_the_window_count() -> None:
    rested = accrual.resting_intervals([record()], [], NOW, NOW + at(60))
    window = program()._replace(start=NOW + at(15), end=NOW + at(40))
    found = accrual.count_seconds(market(CENTS), [window], (DEEP, DEEP), rested)
    assert total(found).present == 25


def test_a_side_without_an_order_is_not_present() -> None:
    window = program()
    rested = accrual.resting_intervals([record(NO, "0.48")], [], NOW, NOW + at(9))
    found = accrual.count_seconds(market(CENTS), [window], (DEEP, DEEP), rested)
    assert set(found) == {AccrualKey("p", NO, NOW.date(), "KXTEST-1")}


def test_alone_on_both_sides_a_window_brings_its_whole_reward() -> None:
    """The anchor: shares of 1 on both sides, for the whole window, are the reward to the cent."""
    window = program()
    prices = ((YES, "0.40"), (NO, "0.50"))
    stays = [
        record(side, price, 1000, 0, window.seconds, side.value)._replace(expires=None) for side, price in prices
    ]
    rested = accrual.resting_intervals(stays, [], window.start, window.end)
    found = total(accrual.count_seconds(market(CENTS), [window], (book(), book()), rested))
    assert found.reward == pytest.approx(float(window.reward))
    assert found.qualified == found.present == 2 * window.seconds


@given(books(CENTS), books(CENTS), st.integers(1, 2_000), st.integers(1, 99))
def test_what_is_accrued_is_never_more_than_either_look_says(
    first: object, second: object, count: int, price: int
) -> None:
    order = record(price=f"{D(price) / 100}", count=count)
    both = accrued([order], first, second, target=500)
    alone = [accrued([order], one, one, target=500) for one in (first, second)]
    assert both.reward <= min(one.reward for one in alone) + 1e-12
    assert both.at_most >= max(one.reward for one in alone) - 1e-12
    assert both.present == both.qualified + both.excluded + both.unknown


def test_of_two_programs_each_has_its_own_terms() -> None:
    rested = accrual.resting_intervals([record()], [], NOW, NOW + at(60))
    small, large = program(name="small"), program(target=100_000, name="large")
    found = accrual.count_seconds(market(CENTS), [small, large], (DEEP, DEEP), rested)
    by_program = {key.program_id: seconds for key, seconds in found.items()}
    assert by_program["small"].qualified == 60
    assert by_program["large"] == AccruedSeconds(present=60, excluded=60)


def test_fills_of_other_orders_take_nothing_from_ours() -> None:
    order = record()
    theirs = replace(fill(order, 10, 50), order_id="somebody's")
    (piece,) = accrual.resting_intervals([order], [theirs], NOW, NOW + at(60))
    assert piece.bids == (bid(YES, "0.50", 100),)
