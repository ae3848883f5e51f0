"""A simulated month of windows that are paid with the real lags: nobody is given another's dollar.

`python -m tests.slow.reward_months` does the same for more months.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.reward_month import DAILY, QUARTERS, Month

pytestmark = pytest.mark.slow

D = Decimal
GIFTS = ((3.3, "15.00"), (9.1, "25.00"), (12.2, "7.31"), (20.0, "15.00"))


def test_a_month_gives_no_dollar_to_a_wrong_window() -> None:
    """Five daily series and two of 15-minute windows, of which over two hundred wait at any time. The exchange is
    asked which were paid out. What is uncertain is counted for its series."""
    month = Month(seed=1, gifts=GIFTS)
    assert most_pending(month) > 200
    rewards = month.rewards(asks=True)
    found = month.compare(rewards)
    print(found)
    assert (found.wrong, found.unpaid) == (0, 0)
    assert found.split < D("0.005") * found.came, "sums of several events are divided by the estimates"
    assert found.daily_given >= D("0.9") * found.daily_came
    assert found.given + found.uncertain > D("0.75") * found.came
    assert {one.series for one in rewards.of_series} == set(QUARTERS)
    assert D("7.31") in found.others


@pytest.mark.parametrize(
    ("daily", "quarters"), [(DAILY, ()), (DAILY, QUARTERS[:1]), (DAILY, QUARTERS), (DAILY[:1], ())]
)
def test_a_month_without_an_answer_gives_no_wrong_dollar_either(
    daily: tuple[str, ...], quarters: tuple[str, ...]
) -> None:
    """If the exchange does not say which were paid out, more is uncertain or unexplained; nothing is wrong."""
    month = Month(seed=2, days=10, daily=daily, quarters=quarters)
    found = month.compare(month.rewards(asks=False))
    print(found)
    assert (found.wrong, found.unpaid) == (0, 0)
    assert found.given + found.uncertain + found.unexplained == found.came
    if len(daily) == 1:
        assert found.unexplained == 0, "it can only be that series'"


def test_a_month_of_daily_windows_is_given_nearly_whole() -> None:
    month = Month(seed=3, quarters=(), gifts=GIFTS)
    found = month.compare(month.rewards(asks=True))
    print(found)
    assert found.wrong == 0
    assert found.given > D("0.95") * found.came
    assert sum(found.others) == sum(D(dollars) for _, dollars in GIFTS)


def most_pending(month: Month) -> int:
    """The most windows that waited for their money at once."""
    events = [(program.end.timestamp(), 1) for program in month.programs.values()]
    events += [(paid, -1) for paid in month.payments.values()]
    most = waiting = 0
    for _, change in sorted(events):
        waiting += change
        most = max(most, waiting)
    return most
