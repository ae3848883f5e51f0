"""What a start says of a day: a figure that flatters makes people trade who should not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import market_bot
from bot import expectations
from incentive import Board
from selection.ranking import Selection
from tests.support.builders import NOW
from tests.support.paying_markets import candidate

DAYS = 5
"""How long the windows of `candidate` last."""


def expected(*chosen: object, runners_up: tuple[object, ...] = ()) -> expectations.Expectation:
    selection = Selection(chosen, (), runners_up=runners_up)  # type: ignore[arg-type]
    return expectations.expect(Board(NOW, selection=selection), market_bot.read_settings())


@pytest.mark.parametrize(("window", "accrued", "a_day"), [
    (5.0, 0.0, 1.00),
    (0.5, 0.0, 0.00),  # below the floor
    (0.3, 0.9, 0.06),  # staying saves the 90 cents too, but only once
    (5.0, 3.0, 1.00),
])  # fmt: skip
def test_a_day_brings_no_more_than_its_own_seconds(window: float, accrued: float, a_day: float) -> None:
    found = expected(candidate(window=window, accrued=accrued))
    assert found.rewards == pytest.approx(a_day, abs=0.003)


ONES = st.lists(
    st.tuples(st.floats(0, 20), st.floats(0, 3), st.sampled_from([0, 100, 5_000]), st.sampled_from([None, 2])),
    max_size=4,
)


@settings(max_examples=50)
@given(ONES)
def test_what_is_told_is_never_more_than_is_paid(ones: list[tuple[float, float, int, int | None]]) -> None:
    """The rewards of the windows' days are never more than they pay in all, and each fill has its cost."""
    chosen = [candidate(f"KX{n}-1", w, accrued=a, volume=v, cap=c) for n, (w, a, v, c) in enumerate(ones)]
    found = expected(*chosen)
    assert found.rewards * DAYS <= sum(one.conservative.payable for one in chosen) + Decimal("0.01") * len(ones)
    assert found.rewards <= sum(one.conservative.dollars_per_day for one in chosen) + 1e-9
    assert found.costs == pytest.approx(found.fills * 0.03)
    assert found.net == found.rewards - found.costs


def test_a_sale_at_once_is_told_by_the_middle_quote() -> None:
    """Of the quotes if there are any, else of the markets that would be next. Bids of 40 cents on both sides leave
    a spread of 20 cents."""
    quoted, other = candidate("KXA-1", 5.0), candidate("KXB-1", 5.0)
    for found in (expected(quoted, runners_up=(other,)), expected(runners_up=(quoted,))):
        assert found.cross is not None
        assert (found.cross.ticker, found.cross.spread) == ("KXA-1", Decimal("0.20"))
        assert found.cross.fee == Decimal("0.0168")
    text = expectations.cross_text(expected(quoted))
    assert "costs about $0.2168 ($0.2000 of spread, $0.0168 of taker fee, as in KXA-1)" in text
    assert "more than FILL_COST ($0.03)" in text
    assert expected().cross is None
    assert expectations.cross_text(expected()).startswith("not known")
