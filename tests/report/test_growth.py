"""The chart of a report: a first day must show more than one step, and a line must not end before its axis."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.account import Fill
from exchange.orderbook import NO, YES
from ledger.entries import AccountMark
from report import html_page, text
from report.build import Report, build_report, why_none_credited
from report.facts import ReportFacts, read_report_facts
from report.growth import NAMES, growth
from report.number_format import error_text, percent
from report.reward_payments import Window, WindowState
from tests.support import sample_reports
from tests.support.bench import BUSY, Bench, MakeBench
from tests.support.builders import NOW, ledger_fill

D = Decimal


def ends(report: Report) -> list[tuple[float, Decimal]]:
    return [line.points[-1] for line in growth(report).lines]


# -- where lines end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, 2, 7, 40])
def test_every_line_runs_from_one_end_of_the_axis_to_the_other(days: int) -> None:
    for quiet in (0, 3):
        full = sample_reports.report(days)
        report = replace(full, until=full.until + timedelta(days=quiet))
        for line, sum_ in zip(growth(report).lines, growth(report).sums.values(), strict=True):
            places = [at for at, _ in line.points]
            assert (places[0], places[-1]) == (0.0, 1.0), "though the last days brought nothing"
            assert places == sorted(places)
            assert line.points[-1][1] == sum_


def test_the_sums_are_those_of_the_report() -> None:
    report = sample_reports.report(7)
    money = report.total.money
    assert list(growth(report).sums) == list(NAMES)
    expected = (money.credited, money.trading + money.fees, -money.fees, money.net)
    assert tuple(growth(report).sums.values()) == expected


# -- a first day -----------------------------------------------------------------------------------------------


def of_hours(hours: float, marks: list[AccountMark], fills: list[Fill]) -> Report:
    """A ledger begun at NOW, 15:00, and so many hours old."""
    facts = ReportFacts(
        ledger="trade-sim.db", exchange="x", begun=NOW, until=NOW + timedelta(hours=hours), sessions=1,
        programs={}, seconds={}, opening={}, changes=fills, days={},
        prices={"KXA-1": (D("0.40"), D("0.55"))}, cash_spans=[], cash_flows=[], markouts={}, outcomes={},
        capital={}, marks=marks,
    )  # fmt: skip
    return build_report(facts)


def mark(minutes: float, own: str | None) -> AccountMark:
    return AccountMark(NOW + timedelta(minutes=minutes), D(1), D(0), None, None, None if own is None else D(own))


def bought(minutes: float, fee: str) -> Fill:
    return replace(
        ledger_fill(f"f{minutes}", count="1", side=YES), ticker="KXA-1", price=D("0.50"), fee=D(fee),
        time=NOW + timedelta(minutes=minutes),
    )  # fmt: skip


def test_a_first_day_has_a_point_an_hour() -> None:
    """Each shows what the last cycle before the full hour found; the last point is the report's own sum."""
    marks = [mark(10, "-0.10"), mark(59, "-0.20"), mark(61, "-0.90"), mark(130, "-0.15"), mark(170, None)]
    fills = [bought(5, "0.01"), bought(60.5, "0.02")]
    report = of_hours(3.5, marks, fills)
    hours = [(hour.at - NOW, hour.trading, hour.fees) for hour in report.hours]
    assert hours[:3] == [
        (timedelta(hours=1), D("-0.20"), D("0.01")),
        (timedelta(hours=2), D("-0.90"), D("0.03")),
        (timedelta(hours=3), D("-0.15"), D("0.03")),
    ]
    assert hours[3] == (timedelta(hours=3.5), report.total.money.trading, report.total.money.fees)
    drawn = growth(report)
    assert len(drawn.spans) == 4
    assert drawn.spans[0].told.startswith(
        "15:00 to 16:00 UTC: rewards $0.00, trading -$0.19, fees -$0.01, net -$0.20"
    )
    assert [date.text for date in drawn.dates] == ["16:00", "17:00", "18:00"]
    assert drawn.lines[-1].points[-1] == (1.0, report.total.money.net)


@pytest.mark.parametrize(("hours", "points"), [(0.2, 1), (1, 1), (24, 24), (24.1, 0), (200, 0)])
def test_only_a_first_day_is_told_by_the_hour(hours: float, points: int) -> None:
    marks = [mark(minute, "-0.10") for minute in range(0, int(hours * 60), 10)]
    report = of_hours(hours, marks, [bought(1, "0.01")])
    assert len(report.hours) == points
    assert len(list(growth(report).dates)) <= 9


def test_a_first_day_over_midnight_adds_both_days_up() -> None:
    """The cycles count by the UTC day, the chart from the beginning."""
    marks = [mark(60 * hour, str(-hour / 100 if hour < 9 else (hour - 9) / 100)) for hour in range(1, 12)]
    report = of_hours(11.5, marks, [bought(1, "0.01"), replace(bought(600, "0"), side=NO, price=D("0.40"))])
    first = next(day for day in report.days if day.name == NOW.date().isoformat()).money.trading
    by_hour = {(hour.at - NOW) / timedelta(hours=1): hour.trading for hour in report.hours}
    assert by_hour[8] == D("-0.08")
    assert by_hour[10] == first + D("0.01")


def test_the_page_of_a_first_day_says_that_its_points_are_hours(make_bench: MakeBench) -> None:
    """By a real ledger: the chart's dots are as many as its hours."""
    bench = make_bench(**BUSY | {"WAIT_TIME": 300})
    bench.run(cycles=26)
    report = whole(bench)
    assert len(report.hours) == 3
    page = html_page.page(report)
    chart = page.partition("Cumulative net")[2].partition("</section>")[0]
    assert "A point an hour, in UTC." in chart
    assert chart.count("<circle") == 3
    assert re.search(r"15:00 to 16:00 UTC: rewards \$0\.00, trading -?\$", chart)
    at_two = [one for one in bench.ledger.marks() if one.at <= NOW + timedelta(hours=2)][-1]
    assert report.hours[1].trading == at_two.own_profit


def whole(bench: Bench) -> Report:
    return build_report(read_report_facts(bench.ledger))


# -- what stands at the top ------------------------------------------------------------------------------------


def window(state: WindowState) -> Window:
    return Window("p", "KXA-1", NOW, NOW, D(100), 0.4, 0.5, D("0.40"), state)


@pytest.mark.parametrize(
    ("states", "why"),
    [
        ([], "no order rested in a reward window"),
        ([WindowState.RUNNING], "1 window still running"),
        ([WindowState.BELOW_FLOOR] * 3, "3 windows ended below the $1.00 floor"),
        ([WindowState.EXPECTED] * 2, "2 windows ended less than 3 days ago and not paid yet"),
        ([WindowState.NOTHING_CAME], "1 window ended more than 3 days ago and nothing came"),
        (
            [WindowState.BELOW_FLOOR, WindowState.RUNNING, WindowState.RUNNING],
            "2 windows still running, 1 window ended below the $1.00 floor",
        ),
    ],
)
def test_the_top_says_why_no_reward_came(states: list[WindowState], why: str) -> None:
    report = replace(sample_reports.unfilled(2), windows=[window(state) for state in states])
    assert report.total.money.credited == 0
    assert why_none_credited(report) == why
    assert f"Rewards credited            $0.00  none: {why}\n" in text.text(report)
    top = html_page.page(report).partition("Cumulative net")[0]
    assert f"none: {why}" in top.replace("&#x27;", "'")
    unseen = replace(report, cash=None, windows=[window(WindowState.RUNNING)])
    assert why_none_credited(unseen).endswith("; cash has not been read yet")


def test_a_reward_that_came_needs_no_reason() -> None:
    page = html_page.page(sample_reports.report(7))
    assert "received as cash" in page
    assert "none: " not in page.partition("Cumulative net")[0]


def test_the_return_is_a_percentage_of_what_was_tied_up() -> None:
    report = sample_reports.report(7)
    rate = percent(report.total.per_dollar or 0, 2)
    assert re.fullmatch(r"-?\d+\.\d\d%", rate)
    page = html_page.page(report)
    assert f'id="return">{rate}<' in page
    assert "a day: net as paid, divided by capital tied up" in page
    assert "return a day" in page
    assert "%/day" in text.text(report)
    assert f"; net as paid is {rate} of it a day" in text.text(report)


def test_hours_that_qualified_are_not_called_paid() -> None:
    page = html_page.page(sample_reports.report(7))
    assert ">qualified " in page
    assert "paid)" not in page
    told = text.text(sample_reports.report(7))
    assert "Qual%" in told
    assert "Paid%" not in told


@pytest.mark.parametrize(
    ("off", "told"),
    [
        (0.0, "right to the percent"), (0.004, "right to the percent"), (-0.004, "right to the percent"),
        (0.07, "7% too high"), (-0.02, "2% too low"), (0.99, "99% too high"), (1.0, "2.0 times what was paid"),
        (44.5, "45.5 times what was paid"), (-1.0, "100% too low"),
    ],
)  # fmt: skip
def test_the_error_of_an_estimate_is_words(off: float, told: str) -> None:
    assert error_text(off) == told
