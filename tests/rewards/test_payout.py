"""What a window pays of what was earned in it: a cent too many here is one that never comes."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import rule_2026_07_30 as rule
from simulator import rewards


@pytest.mark.parametrize(
    ("earned", "cap", "paid"),
    [
        (0.999, None, "0"),
        (1.0, None, "1.00"),
        (3.999, None, "3.99"),
        (12.0, "5", "5.00"),
        (12.0, "5.005", "5.00"),
        (12.0, "0.99", "0"),
        (0.1 + 0.2 + 0.7, None, "1.00"),
        (0.1 * 3 * 10, None, "3.00"),
        (0.0, None, "0"),
    ],
)
def test_a_window_pays_whole_cents_and_nothing_below_a_dollar(earned: float, cap: str | None, paid: str) -> None:
    assert rule.payout(earned, cap and Decimal(cap)) == Decimal(paid)


DOLLARS = st.one_of(
    st.floats(0, 5_000),
    st.integers(0, 1_000).map(lambda n: n / 100),
    st.integers(0, 3_000).map(lambda n: n / 1_000),
)


CAPS = st.none() | st.integers(1, 100_000).map(lambda n: Decimal(n) / 100)


@given(DOLLARS, DOLLARS, CAPS)
def test_a_payout_is_nothing_or_at_least_a_dollar(earned: float, other: float, cap: Decimal | None) -> None:
    """A payout is in whole cents, at most what was earned and at most the cap. If more was earned, it is not
    smaller."""
    paid = rule.payout(earned, cap)
    assert paid == 0 or paid >= 1
    assert (paid * 100) % 1 == 0
    assert paid == Decimal(rule.payout_cents(earned, cap)) / 100
    assert float(paid) <= earned + 1e-9
    assert cap is None or paid <= cap
    bound = earned if cap is None else min(earned, float(cap))
    assert float(paid) > bound - 0.01 - 1e-9 or bound < 1
    less, more = sorted((earned, other))
    assert rule.payout(less, cap) <= rule.payout(more, cap) <= rule.payout(more)


@given(st.integers(0, 1_000), st.integers(1, 5_000), st.integers(0, 10_000), CAPS)
def test_a_window_is_paid_as_the_simulated_exchange_pays_it(
    thousandths: int, reward: int, valid: int, cap: Decimal | None
) -> None:
    share = Fraction(thousandths, 1_000)
    by_exchange = rewards.payment(
        share * 2 * valid, Fraction(2 * valid), Fraction(reward), valid, 10_000, cap and Fraction(cap)
    )
    earned = rule.window_reward(float(share), 1, Decimal(reward), valid, 10_000)
    assert rule.payout_cents(earned, cap) == by_exchange
