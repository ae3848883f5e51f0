"""The lines of the report's growth chart.

Promise:
- Pure.
- Every line begins and ends with the report, and ends at the report's own sum.
- A report of one day or less has a point an hour. A longer one has a point a day.
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
"""Maximum number of labels under the chart. A phone shows half of them."""

_HOUR = timedelta(hours=1)


class Growth(NamedTuple):
    """The growth chart.

    `lines` in the order of `NAMES`. `spans`: pieces of the time with their tooltips. `dates`: the labels below.
    `sums`: the end of each line, in dollars.
    """

    lines: Sequence[Line]
    spans: Sequence[Span]
    dates: Sequence[Date]
    sums: dict[str, Decimal]


class _Stage(NamedTuple):
    """A named piece of the time, and the cumulative sums at its end.

    `start` and `end` are fractions of the report's length.
    """

    name: str
    start: float
    end: float
    sums: Sequence[Decimal]


def before_fees(money: Result) -> Decimal:
    """The trading result before fees."""
    return money.trading + money.fees


def growth(report: Report) -> Growth:
    """Build the chart of a report that has at least one day."""
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
    for line, end in zip(points, sums, strict=True):  # flat after the last day with a result
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
    """A time as a fraction of the report's length: 0 is its beginning, 1 its end."""
    length = report.until - report.since
    return min(1.0, max(0.0, (when - report.since) / length)) if length else 1.0


def _day_parts(report: Report, day: date) -> tuple[float, float]:
    """The beginning and end of a UTC day, as fractions of the report's length."""
    begins = midnight(day)
    return _part(report, begins), _part(report, begins + timedelta(days=1))


def _day_labels(report: Report) -> Iterator[Date]:
    """Labels for the last day and days before it, spaced so that each has room."""
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
    """Labels for full UTC hours, spaced so that each has room."""
    first = report.since.replace(minute=0, second=0, microsecond=0) + _HOUR
    hours = max((report.until - first) // _HOUR + 1, 0)
    stride = hours // _MOST_DATES + 1
    for place in range(0, hours, stride):
        at = first + place * _HOUR
        yield Date(_part(report, at), f"{at:%H:%M}", place // stride % 2 == 0)
