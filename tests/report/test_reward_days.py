"""Rewards of days that are alike: no window is given what may be another's, and the report says what it may be."""

from __future__ import annotations

from decimal import Decimal

import pytest

from report.reward_payments import Rewards, WindowState
from tests.support.reward_windows import looks, matched, window

D = Decimal
TODAY, YESTERDAY = ("KXGASD-26NOV23", 0), ("KXGASD-26NOV22", -24)


def two_days(*cash: tuple[float, str], **seen: tuple[float | None, float | None]) -> Rewards:
    """A daily series with a window that ended at hour 0 and one that ended the day before, estimated alike."""
    windows = [
        window(name, ends=ends, event=event)
        for name, (event, ends) in (("today", TODAY), ("yesterday", YESTERDAY))
    ]
    return matched(*windows, cash=looks((-60, "1000"), *cash), seen=seen)


def credits(found: Rewards) -> dict[str, Decimal]:
    return {one.program_id: one.credit for one in found.windows if one.credit}


def test_two_days_that_pay_alike_each_get_their_own() -> None:
    """Nobody needs to say which was paid: yesterday's cash came before today's window had ended."""
    found = two_days((-22.4, "1004.12"), (1.6, "1008.24"))
    assert credits(found) == {"yesterday": D("4.12"), "today": D("4.12")}
    assert (found.of_series, found.unexplained) == ([], [])


def test_one_sum_for_either_of_two_days_is_the_series_reward() -> None:
    """The report counts it and does not say whose it is. Neither window is said to be paid, or lost."""
    found = two_days((1.6, "1004.12"))
    assert credits(found) == {}
    (one,) = found.of_series
    assert (one.series, one.amount, found.unexplained) == ("KXGASD", D("4.12"), [])
    assert "KXGASD-26NOV23 (ended 11-23 15:00) or KXGASD-26NOV22 (ended 11-22 15:00)" in one.why
    assert {window.state for window in found.windows} == {WindowState.IN_DOUBT}


@pytest.mark.parametrize(
    ("seen", "paid"),
    [
        ({"yesterday": (2.0, 30.0)}, "today"),
        ({"today": (2.0, None)}, "yesterday"),
        ({"yesterday": (-23.0, -22.0), "today": (1.0, 2.0)}, "today"),
        ({"yesterday": (1.0, 2.0), "today": (2.0, 3.0)}, "yesterday"),
    ],
)
def test_what_was_seen_paid_out_tells_two_days_apart(
    seen: dict[str, tuple[float | None, float | None]], paid: str
) -> None:
    """A window that is not paid out after the cash came was not paid by it. One that was seen paid out a day
    before gives way to one that was paid out just then."""
    found = two_days((1.6, "1004.12"), **seen)
    assert (credits(found), found.of_series, found.unexplained) == ({paid: D("4.12")}, [], [])


def test_a_window_that_is_not_paid_out_yet_is_given_nothing() -> None:
    alone = window(event="KXGASD-26NOV23")
    cash = looks((-20, "1000"), (24, "1004.12"))
    for unpaid, credit in ((23.0, D("4.12")), (24.5, None)):
        (one,) = matched(alone, cash=cash, seen={"p": (unpaid, None)}).windows
        assert one.credit == credit


def test_cash_long_after_its_window_was_paid_out_is_not_lost() -> None:
    """Nobody knows how long cash takes after the exchange says that it was paid."""
    (one,) = matched(window(), cash=looks((-20, "1000"), (24, "1004.12")), seen={"p": (1.0, 2.0)}).windows
    assert one.credit == D("4.12")


def test_two_events_within_one_minute_each_get_their_windows() -> None:
    """What came is their sum. It is divided by the estimates, and every part says so."""
    windows = [
        window("a", 4.0, 4.2, event="KXGASD-26NOV23"), window("b", 6.0, 6.3, event="KXGASD-26NOV23"),
        window("c", 20.0, 21.0, event="KXINXHUD-26NOV23"),
    ]  # fmt: skip
    found = matched(*windows, cash=looks((-20, "1000"), (5, "1031.40")))
    assert sum(credits(found).values()) == D("31.40")
    assert {one.together for one in found.windows} == {3}
    for one in found.windows:
        assert one.credit is not None
        assert 0.9 * one.accrued <= float(one.credit) <= 1.25 * one.at_most


def test_a_window_below_the_floor_gets_none_of_its_events_cash() -> None:
    """The other windows of its event get theirs."""
    low = window("low", 0.85, 0.95, event="KXGASD-26NOV23")  # perhaps $1.00, rather not
    others = [window("a", 4.0, 4.2, event="KXGASD-26NOV23"), window("b", 6.0, 6.3, event="KXGASD-26NOV23")]
    found = matched(low, *others, cash=looks((-20, "1000"), (5, "1010.30")))
    assert sorted(credits(found)) == ["a", "b"]
    assert sum(credits(found).values()) == D("10.30")
    assert next(one for one in found.windows if one.program_id == "low").state is WindowState.BELOW_FLOOR


def test_a_window_near_the_floor_gets_a_part_that_the_sum_needs() -> None:
    low = window("low", 0.95, 1.1, event="KXGASD-26NOV23")
    other = window("a", 4.0, 4.2, event="KXGASD-26NOV23")
    assert sorted(credits(matched(low, other, cash=looks((-20, "1000"), (5, "1006.20"))))) == ["a", "low"]


@pytest.mark.parametrize("amount", ["15.00", "5.00", "25.00"])
def test_a_referrals_round_amount_is_not_taken_for_a_reward(amount: str) -> None:
    """It is one only if its window was seen paid out just then."""
    about = float(amount)
    alone, cash = window("p", about, about), looks((-20, "1000"), (24, str(1000 + D(amount))))
    for seen in ({}, {"p": (20.0, 21.0)}, {"p": (24.2, 25.2)}):
        found = matched(alone, cash=cash, seen=seen)
        assert (credits(found), [one.amount for one in found.unexplained]) == ({}, [D(amount)])
    assert "a round amount, as a referral pays" in matched(alone, cash=cash).unexplained[0].why
    assert credits(matched(alone, cash=cash, seen={"p": (23.5, 24.5)})) == {"p": D(amount)}


def test_a_referral_beside_the_reward_leaves_the_reward_its_own() -> None:
    cash = looks((-20, "1000"), (20, "1015"), (24, "1031.48"))
    found = matched(window("p", 16.0, 16.5), cash=cash)
    assert (credits(found), [one.amount for one in found.unexplained]) == ({"p": D("16.48")}, [D("15.00")])


def test_two_sums_for_one_window_are_both_left_unexplained() -> None:
    """One of them is no reward, and nothing tells which."""
    found = matched(window(), cash=looks((-20, "1000"), (20, "1004.03"), (24, "1008.15")))
    assert (credits(found), [one.amount for one in found.unexplained]) == ({}, [D("4.03"), D("4.12")])


def test_a_reward_of_any_of_many_windows_is_the_series() -> None:
    """With two hundred windows pending their cash is the series'. With a second series alike it is nobody's."""
    quarters = [window(f"q{n}", 2.0, 2.2, ends=n / 4 - 50, event=f"KXGOLD15M-26NOV{n}") for n in range(200)]
    cash = looks((-60, "1000"), (6, "1002.12"), (7, "1004.20"))
    found = matched(*quarters, cash=cash)
    assert [(one.series, one.amount) for one in found.of_series] == [
        ("KXGOLD15M", D("2.12")),
        ("KXGOLD15M", D("2.08")),
    ]
    assert "or 197 more" in found.of_series[0].why
    other = [window(f"w{n}", 2.0, 2.2, ends=n / 4 - 50, event=f"KXWTI15M-26NOV{n}") for n in range(200)]
    found = matched(*quarters, *other, cash=cash)
    assert (credits(found), found.of_series) == ({}, [])
    assert sum(one.amount for one in found.unexplained) == D("4.20")


def test_only_what_is_a_windows_in_any_case_is_given() -> None:
    """A sum that fits a daily window alone, and also with a small one of another series. Both were paid out just
    then; the small one may have been below the floor."""
    big, small = window("big", 20.0, 20.5), window("small", 0.95, 1.2)
    seen = {"big": (23.5, 24.5), "small": (23.5, 24.5)}
    found = matched(big, small, cash=looks((-20, "1000"), (24, "1021.31")), seen=seen)
    assert credits(found) == {"big": D("19.81")}
    (left,) = found.unexplained
    assert (left.amount, left.why.startswith("the rest of a sum")) == (D("1.50"), True)
