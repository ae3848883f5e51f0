"""The judge of pricing rules: if it errs, a worse rule is shipped as a better one."""

from __future__ import annotations

import math
import random
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import results_file
from benchmarks.judgement import Result, interval, payable, table, worst_decile
from benchmarks.price_rules import TodaysPrice
from benchmarks.results_file import Done, Job
from benchmarks.strategies import BASE, MONEY, STRATEGIES, finish, told
from benchmarks.true_cost import FEW, LUCKS, Cost, pooled, true_costs
from market_bot import read_settings
from simulator.people import EVERYBODY, INFORMED

HOUR, DAY = 3_600.0, 86_400.0

# -- the $1.00 floor ---------------------------------------------------------------------------------------------


def test_a_window_that_would_pay_less_than_a_dollar_is_nothing() -> None:
    """In six hours of a day, 25 cents are a dollar a day."""
    assert payable(0.25, 6 * HOUR, DAY) == pytest.approx(0.25)
    assert payable(0.2499, 6 * HOUR, DAY) == 0.0
    assert payable(0.25, 6 * HOUR, 0.99 * DAY) == 0.0
    assert payable(0.0, 0.0, DAY) == 0.0


def test_no_more_than_the_cap_is_counted() -> None:
    assert payable(10.0, 6 * HOUR, DAY, cap=8.0) == pytest.approx(2.0)
    assert payable(10.0, 6 * HOUR, DAY, cap=40.0) == pytest.approx(10.0)
    assert payable(10.0, 6 * HOUR, DAY, cap=0.5) == 0.0


@given(st.floats(0, 1_000), st.floats(1, 30 * DAY), st.floats(1, 100), st.one_of(st.none(), st.floats(0.1, 100)))
def test_never_more_is_counted_than_was_earned(
    accrued: float, seconds: float, times: float, cap: float | None
) -> None:
    counted = payable(accrued, seconds, seconds * times, cap)
    assert 0 <= counted <= accrued * (1 + 1e-9)
    assert counted == 0 or counted * times >= 1 - 1e-6
    assert cap is None or counted <= cap / times * (1 + 1e-9)


# -- the comparison ----------------------------------------------------------------------------------------------

DOLLARS = st.floats(-100, 100)


@settings(max_examples=25)
@given(st.lists(DOLLARS, min_size=2, max_size=40))
def test_an_interval_holds_the_mean_and_no_impossible_one(differences: list[float]) -> None:
    low, high = interval(differences)
    assert min(differences) - 1e-9 <= low <= high <= max(differences) + 1e-9
    if len(differences) >= 20:
        assert low - 1e-9 <= fmean(differences) <= high + 1e-9


def test_an_interval_is_as_wide_as_chance() -> None:
    """Of many samples of a difference of 0, about one in ten has an interval that leaves 0 out."""
    dice, outside = random.Random(7), 0
    for _ in range(40):
        low, high = interval([dice.gauss(0, 5) for _ in range(30)])
        outside += not low <= 0 <= high
    assert 1 <= outside <= 9


def result(rewards: float, trading: float = 0.0) -> Result:
    return Result(rewards, trading, trading, 0.0, 0.0)


def test_strategies_are_compared_board_by_board() -> None:
    """A dollar more on each board is certain, however much the boards differ."""
    base = [result(100.0 * (board % 3), -50.0 * (board % 2)) for board in range(30)]
    better = [result(one.rewards + 1, one.trading) for one in base]
    row = table({BASE: base, "better": better}, BASE).splitlines()[-1]
    assert row.startswith("| better |")
    assert row.endswith("| $1.00 [$1.00, $1.00] | $1.00 [$1.00, $1.00] |")


def test_the_worst_decile_is_the_mean_of_the_worst_tenth() -> None:
    assert worst_decile([float(net) for net in range(30)]) == 1.0
    assert worst_decile([5.0, -3.0, 4.0]) == -3.0


# -- the true cost of a fill -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_informed_takers_make_fills_dearer() -> None:
    """Else the oracle would be told nothing. Who takes is all that differs."""
    calm, toxic = (pooled(true_costs(2, 60, 3.0, (1,), who)) for who in (EVERYBODY - {INFORMED}, EVERYBODY))
    assert toxic.board > calm.board + 0.01
    both = calm.by_ticker.keys() & toxic.by_ticker.keys()
    assert len(both) >= 4
    assert all(toxic.by_ticker[ticker] > calm.by_ticker[ticker] for ticker in both)


@pytest.mark.slow
def test_another_luck_of_a_board_has_other_fills() -> None:
    """The oracle is told of other lucks than that in which it trades."""
    assert 0 not in LUCKS
    once, again, other = (true_costs(2, 40, 1.0, (luck,)) for luck in (1, 1, 2))
    assert once == again != other
    assert all(math.isinf(cost.standard_error) for cost in once.values()), "one luck tells no error"


def test_few_fills_tell_little_of_a_market() -> None:
    costs = {
        "KXHIGHNY-26NOV24-B1.5": Cost(100_000.0, 0.05, 0.001),
        "KXHIGHNY-26NOV24-B2.5": Cost(1.0, 0.9, math.inf),
        "KXCPI-26DEC20-T1": Cost(FEW, 0.01, 0.005),
    }
    found = pooled(costs)
    high, few, cpi = found.by_ticker.values()
    assert high == pytest.approx(0.05, abs=0.001)
    assert few == pytest.approx(0.05, abs=0.005), "its kind's, nearly"
    assert 0.01 < cpi < found.board
    assert pooled({}).board == 0.0


# -- a run that was cut ------------------------------------------------------------------------------------------

JOBS = [Job(name, 2, 1 / 30, 12) for name in (BASE, "bot")]


def test_a_cut_line_is_no_result_and_spoils_none(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    first, second = (Done(job, result(1.5), "c0ffee00") for job in JOBS)
    for one in (first, second):
        results_file.append(file, one)
    assert results_file.read(file) == [first, second]
    file.write_bytes(file.read_bytes()[:-9])
    assert results_file.read(file) == [first]
    results_file.append(file, second)
    assert results_file.read(file) == [first, second]
    assert results_file.read(tmp_path / "none") == []


def test_what_a_file_has_is_not_run_again(tmp_path: Path) -> None:
    """Only the missing job runs. The table says that the other one is of other code."""
    file = tmp_path / "results.jsonl"
    kept = Done(JOBS[0], result(123.0), "c0ffee00")
    results_file.append(file, kept)
    finished = finish(JOBS, file)
    assert finished[0] == kept
    assert finished[1].job == JOBS[1]
    assert finished[1].result.capital > 0
    assert results_file.read(file) == finished
    assert finish(JOBS, file) == finished
    assert f"{BASE} c0ffee00" in told(finished, [BASE, "bot"])
    assert "c0ffee00" not in told([finished[1], Done(JOBS[0], result(1.0), finished[1].code)], [BASE, "bot"])


@pytest.mark.parametrize("name", sorted(STRATEGIES.keys() - {"bot"}))
def test_another_rule_in_trade_changes_the_bots_line_only(name: str) -> None:
    """Else the version before would change with the new one, and the difference would tell nothing."""
    plan = STRATEGIES[name]
    assert isinstance(plan.strategy_of(read_settings({**MONEY, **plan.settings})).trade, TodaysPrice)
