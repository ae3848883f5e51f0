"""Cash that is taken for a reward: nothing that may be something else flatters what the bot earned."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.models import Program
from ledger.cash_reconciliation import ExplainedSpan
from ledger.entries import AccruedSeconds, CashFlow
from report.reward_payments import Unexplained, Window, WindowState
from tests.support.reward_windows import END, HOUR, LONG_AFTER, looks, matched, till, window

D = Decimal


def told(
    *windows: tuple[Program, AccruedSeconds],
    cash: list[ExplainedSpan],
    flows: tuple[CashFlow, ...] = (),
    now: datetime = LONG_AFTER,
) -> tuple[dict[str, Window], list[Unexplained]]:
    found, of_series, unexplained = matched(*windows, cash=cash, flows=flows, now=now)
    assert of_series == []
    return {one.program_id: one for one in found}, unexplained


def test_cash_near_the_estimate_after_a_window_is_its_reward() -> None:
    """Cash of about the estimated amount that comes a day after the window's end is credited to it, and no cash
    stays unexplained."""
    windows, unexplained = told(window(), cash=looks((-20, "1000"), (24, "1004.12")))
    one = windows["p"]
    assert (one.state, one.credit, one.estimate, one.together) == (WindowState.CREDITED, D("4.12"), D("4.00"), 1)
    assert one.credited == END + 24 * HOUR
    assert unexplained == []


@pytest.mark.parametrize("hours", [0.5, 0.9, 72.1, 90])
def test_cash_that_comes_too_early_or_too_late_is_no_reward(hours: float) -> None:
    windows, (cash,) = told(window(), cash=looks((-20, "1000"), (hours, "1004.12")))
    assert windows["p"].state is WindowState.NOTHING_CAME
    assert (cash.amount, "1 hour to 3 days" in cash.why) == (D("4.12"), True)


@pytest.mark.parametrize(
    ("came", "why"),
    [
        ("3.59", "other amounts"),
        ("5.51", "other amounts"),
        ("41.17", "other amounts"),
        ("0.99", "below the smallest reward"),
        ("4.125", "not whole cents"),
        ("-4.12", "cash left the account"),
    ],
)
def test_cash_that_is_not_what_was_estimated_is_no_reward(came: str, why: str) -> None:
    windows, (cash,) = told(window(), cash=looks((-20, "1000"), (24, str(1000 + D(came)))))
    assert windows["p"].state is WindowState.NOTHING_CAME
    assert windows["p"].credit is None
    assert cash.amount == D(came)
    assert why in cash.why


@pytest.mark.parametrize("came", ["3.60", "5.50"])
def test_the_tolerance_is_the_one_that_is_stated(came: str) -> None:
    windows, unexplained = told(window(), cash=looks((-20, "1000"), (24, str(1000 + D(came)))))
    assert (windows["p"].credit, unexplained) == (D(came), [])


def test_a_persons_deposit_is_not_taken_for_a_reward() -> None:
    """Cash that a person moves is no reward, even if the balance shows it before the list of deposits,
    transfers or withdrawals does. The report then names that kind."""
    for kind, amount in (("deposit", "4.12"), ("transfer", "4.12"), ("withdrawal", "4.12")):
        flow = CashFlow("d", kind, D(amount), D(amount), END + 60 * HOUR)
        windows, (cash,) = told(window(), cash=looks((-20, "1000"), (24, "1004.12")), flows=(flow,))
        assert windows["p"].credit is None
        assert kind in cash.why


def test_cash_that_came_and_went_is_no_reward() -> None:
    cash = looks((-20, "1000"), (24, "1004.12"), (30, "1000"))
    windows, unexplained = told(window(), cash=cash)
    assert windows["p"].credit is None
    assert sum(one.amount for one in unexplained) == 0


def test_cash_behind_positions_that_were_taken_over_is_no_reward() -> None:
    windows, (cash,) = told(window(), cash=looks((-20, "1000"), (24, "1004.12"), anew=True))
    assert windows["p"].credit is None
    assert "taken over" in cash.why


def test_a_reward_mixed_with_other_cash_is_not_guessed() -> None:
    """If a reward comes in one sum with other cash, the whole sum stays unexplained and the window counts as
    unpaid."""
    windows, (cash,) = told(window(), cash=looks((-20, "1000"), (24, "1045.29")))
    assert (windows["p"].state, cash.amount) == (WindowState.NOTHING_CAME, D("45.29"))


def test_one_sum_is_never_two_rewards() -> None:
    """If it could be the reward of either of two series, it is neither's."""
    windows, (cash,) = told(window("a"), window("b"), cash=looks((-20, "1000"), (24, "1004.12")))
    assert {one.state for one in windows.values()} == {WindowState.IN_DOUBT}
    assert (cash.amount, {one.credit for one in windows.values()}) == (D("4.12"), {None})
    assert "it could be KXB-26 (ended" in cash.why
    assert " or KXA-26 (ended" in cash.why


def test_each_window_gets_the_sum_that_fits_it() -> None:
    """If two sums fit one window and only one fits the other, each window gets its own. The order in which the
    sums come does not matter."""
    wide, narrow = window("wide", 3.0, 5.0), window("narrow", 4.5, 4.7)  # alone, $4.10 is rather the wide one's
    for first, second in (("4.10", "3.00"), ("3.00", "4.10")):
        cash = looks((-20, "1000"), (20, str(1000 + D(first))), (22, str(1000 + D(first) + D(second))))
        windows, unexplained = told(wide, narrow, cash=cash)
        assert (windows["wide"].credit, windows["narrow"].credit) == (D("3.00"), D("4.10"))
        assert unexplained == []


def test_two_rewards_in_one_sum_are_divided_to_the_cent() -> None:
    """If two rewards come between two looks at the cash, the sum is divided by the estimates. The parts add up
    to it."""
    cash = looks((-20, "1000"), (24, "1007.33"))
    windows, unexplained = told(
        window("a", 4.0, 4.4, event="KX-1"), window("b", 2.9, 3.1, event="KX-1"), cash=cash
    )
    a, b = windows["a"], windows["b"]
    assert (a.together, b.together, unexplained) == (2, 2, [])
    assert a.credit is not None
    assert b.credit is not None
    assert a.credit + b.credit == D("7.33")
    assert a.credit > b.credit > 0


def test_rewards_of_days_without_a_look_are_found_in_one_sum() -> None:
    """If the bot was off for days, one sum of cash is credited to all windows that must have paid in the
    meantime."""
    windows = [window(str(n), 2.0 + n, 2.2 + n, ends=n) for n in range(6)]
    paid = D("28.50")
    before, after = looks((-20, "1000"), (90, str(1000 + paid)))
    found, unexplained = told(*windows, cash=[before._replace(until=END - 19 * HOUR), after])
    assert {one.state for one in found.values()} == {WindowState.CREDITED}
    assert sum((one.credit or D(0) for one in found.values()), start=D(0)) == paid
    assert unexplained == []


def test_a_window_below_a_dollar_is_said_to_pay_nothing() -> None:
    windows, _ = told(window(accrued=0.6, at_most=0.7), cash=looks((-20, "1000")))
    assert (windows["p"].state, windows["p"].estimate) == (WindowState.BELOW_FLOOR, 0)
    assert WindowState.BELOW_FLOOR.value == "would have paid $0.00"


def test_a_window_near_the_floor_is_credited_if_its_cash_came() -> None:
    """A window whose estimate is just below the dollar, but may have reached it, is credited if the cash came.
    Otherwise it counts as below the floor."""
    close = window(accrued=0.9, at_most=1.1)
    windows, _ = told(close, cash=looks((-20, "1000"), (24, "1001.02")))
    assert (windows["p"].credit, windows["p"].estimate) == (D("1.02"), 0)
    windows, _ = told(close, cash=looks((-20, "1000")))
    assert windows["p"].state is WindowState.BELOW_FLOOR


def test_unseen_seconds_may_be_paid_but_are_not_estimated() -> None:
    """A larger reward is credited if seconds without a look explain it. The estimate counts only the seconds
    that the bot saw."""
    blind = window(accrued=2.0, at_most=2.2, unknown=1800)
    windows, _ = told(blind, cash=looks((-20, "1000"), (24, "1004.10")))
    assert (windows["p"].credit, windows["p"].estimate) == (D("4.10"), D("2.00"))


def test_an_estimate_is_expected_for_three_days_only() -> None:
    """After 72 hours without the cash the window counts nothing. If the bot did not look at the cash in that
    time, the estimate stays expected."""
    cash = looks((-20, "1000"))
    states = []
    for hours in (-1, 1, 71, 73):
        watched = [cash[0]._replace(until=END + hours * HOUR)]
        windows, _ = told(window(), cash=watched, now=END + hours * HOUR)
        states.append(windows["p"].state)
    assert states == [WindowState.RUNNING, WindowState.EXPECTED, WindowState.EXPECTED, WindowState.NOTHING_CAME]
    windows, _ = told(window(), cash=[], now=LONG_AFTER)
    assert windows["p"].state is WindowState.EXPECTED, "nobody looked whether it came"


def test_cash_above_the_accounts_cap_is_not_a_reward() -> None:
    """The cap of an account limits the estimate of a window and the cash that is credited to it. A sum above it
    stays unexplained."""
    terms, known = window(accrued=9.0, at_most=9.5)
    capped = terms._replace(cap=D(5)), known
    windows, (cash,) = told(capped, cash=looks((-20, "1000"), (24, "1009.20")))
    assert (windows["p"].credit, windows["p"].estimate, cash.amount) == (None, D(5), D("9.20"))
    windows, _ = told(capped, cash=looks((-20, "1000"), (24, "1005.00")))
    assert windows["p"].credit == 5


def test_what_comes_in_pieces_too_small_to_see_is_told_too() -> None:
    (one,) = looks((-20, "1000"))
    _, (cash,) = told(window(), cash=[one._replace(last=till("1000.37"))])
    assert (cash.amount, cash.why) == (D("0.37"), "in pieces below $0.50")


AMOUNTS = st.decimals(-9, 9, places=3, allow_nan=False)
WINDOWS = st.lists(st.tuples(st.floats(0, 9), st.floats(1, 1.6), st.integers(-40, 40)), max_size=6)


@given(WINDOWS, st.lists(st.tuples(st.integers(1, 90), AMOUNTS), max_size=8), st.booleans())
def test_every_cent_is_credited_once_or_unexplained(
    drawn: list[tuple[float, float, int]], came: list[tuple[int, Decimal]], one_event: bool
) -> None:
    """Credits and unexplained cash add up to all that came. A credit of a single window is at least $1.00, near
    its estimate and 1 hour to 3 days after its end."""
    windows = [
        window(str(n), accrued, accrued * more, ends, event="KX-1" if one_event else "")
        for n, (accrued, more, ends) in enumerate(drawn)
    ]
    level, steps = D(1000), [(-60.0, "1000")]
    for hours, amount in sorted(dict(came).items()):
        level += amount
        steps.append((float(hours), str(level)))
    found, of_series, unexplained = matched(*windows, cash=looks(*steps))
    credited = sum((one.credit or D(0) for one in found), start=D(0))
    credited += sum((one.amount for one in of_series), start=D(0))
    assert credited + sum((one.amount for one in unexplained), start=D(0)) == level - 1000
    for one in found:
        if one.credit is not None:
            assert 0.9 * one.accrued - 0.01 <= float(one.credit) <= 1.25 * one.at_most + 0.01
            assert one.credit >= 1
            assert one.credited is not None
            assert HOUR <= one.credited - one.end <= 72 * HOUR + timedelta(minutes=1)
