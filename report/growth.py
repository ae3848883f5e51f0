"""How a report's money grew, as the lines of its chart. Promise: pure; every line begins and ends where the report
does, at the report's own sums; the first day has a point an hour, later ones have one a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from ledger.daily_pnl import midnight
from report.build import Report, Result
from report.number_format import dollars
from report.svg_charts import Date, Line, Span

NAMES = ("Rewards", "Trading", "Fees", "Net")

_MOST_DATES = 8
"""Labels under the chart, half of them on a phone."""

_HOUR = timedelta(hours=1)


class Growth(NamedTuple):
    """The lines by name, in the order of `NAMES`; what is told of each piece of the time; the labels below.
    `sums`: where the lines end, in dollars."""

    lines: Sequence[Line]
    spans: Sequence[Span]
    dates: Sequence[Date]
    sums: dict[str, Decimal]


class _Stage(NamedTuple):
    """A piece of the time under its name, from `start` to `end` of the whole, and the sums so far at its end."""

    name: str
    start: float
    end: float
    sums: Sequence[Decimal]


def before_fees(money: Result) -> Decimal:
    """What trading brought before fees."""
    return money.trading + money.fees


def growth(report: Report) -> Growth:
    """The chart's lines of a report that has at least a day."""
    stages = list(_by_hour(report)) if report.hours else list(_by_day(report))
    sums = tuple(stages[-1].sums)
    points: list[list[tuple[float, Decimal]]] = [[(0.0, Decimal(0))] for _ in NAMES]
    spans, before = [], [Decimal(0)] * len(NAMES)
    for stage in stages:
        for line, was, now in zip(points, before, stage.sums, strict=True):
            line += [(stage.start, was), (stage.end, now)]
        brought = [now - was for was, now in zip(before, stage.sums, strict=True)]
        told = ", ".join(f"{name.lower()} {dollars(one)}" for name, one in zip(NAMES, brought, strict=True))
        spans.append(Span(stage.start, stage.end, f"{stage.name}: {told}; net so far {dollars(stage.sums[-1])}"))
        before = list(stage.sums)
    for line, end in zip(points, sums, strict=True):  # after the last day that brought something
        line.append((1.0, end))
    lines = [Line(name, name.lower(), line) for name, line in zip(NAMES, points, strict=True)]
    dates = _hour_labels(report) if report.hours else _day_labels(report)
    return Growth(lines, spans, list(dates), dict(zip(NAMES, sums, strict=True)))


def _figures(money: Result) -> tuple[Decimal, ...]:
    return money.credited, before_fees(money), -money.fees, money.net


def _by_day(report: Report) -> Iterator[_Stage]:
    so_far = Result()
    for day in report.days:
        so_far += day.money
        yield _Stage(day.name, *_day_parts(report, date.fromisoformat(day.name)), _figures(so_far))


def _by_hour(report: Report) -> Iterator[_Stage]:
    since = report.since
    for hour in report.hours:
        name = f"{since:%H:%M} to {hour.at:%H:%M} UTC"
        net = hour.credited + hour.trading
        sums = (hour.credited, hour.trading + hour.fees, -hour.fees, net)
        yield _Stage(name, _part(report, since), _part(report, hour.at), sums)
        since = hour.at


def _part(report: Report, when: datetime) -> float:
    """Where a time lies between the report's beginning (0) and its end (1)."""
    length = report.until - report.since
    return min(1.0, max(0.0, (when - report.since) / length)) if length else 1.0


def _day_parts(report: Report, day: date) -> tuple[float, float]:
    """Where a UTC day begins and ends."""
    begins = midnight(day)
    return _part(report, begins), _part(report, begins + timedelta(days=1))


def _day_labels(report: Report) -> Iterator[Date]:
    """The last day and those before it, so many apart that there is room for each."""
    first, last = (date.fromisoformat(report.days[place].name) for place in (0, -1))
    stride = (last - first).days // _MOST_DATES + 1
    found = range((last - first).days // stride + 1)
    narrow, room = (2 if len(found) > _MOST_DATES // 2 else 1), 1.0 / _MOST_DATES / 2
    before = 2.0
    for place in found:
        day = last - timedelta(days=place * stride)
        at = sum(_day_parts(report, day)) / 2
        if before - at > room:
            yield Date(at, f"{day:%b} {day.day}", place % narrow == 0)
            before = at


def _hour_labels(report: Report) -> Iterator[Date]:
    """Full hours of UTC, so many apart that there is room for each."""
    first = report.since.replace(minute=0, second=0, microsecond=0) + _HOUR
    hours = max((report.until - first) // _HOUR + 1, 0)
    stride = hours // _MOST_DATES + 1
    for place in range(0, hours, stride):
        at = first + place * _HOUR
        yield Date(_part(report, at), f"{at:%H:%M}", place // stride % 2 == 0)
