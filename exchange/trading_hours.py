"""Find the exchange's next pause in its published schedule.

Promise:
- Pure functions.
- Results are in UTC, and right in a week in which New York's clocks change.

A pause is a planned maintenance window or a gap in the weekly opening hours. Pauses that overlap or touch are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exchange.models import Schedule, WeeklyHours

Span = tuple[datetime, datetime]

_DAY = timedelta(days=1)
_LOOK = 8 * _DAY


def new_york() -> tzinfo:
    """Return New York's time zone.

    On a machine without time zone data it is New York's winter time, which is an hour off in summer."""
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        return timezone(timedelta(hours=-5))


def next_pause(schedule: Schedule, now: datetime) -> Span | None:
    """Return the current or next pause (start, end) in UTC; None if none is planned.

    The weekly hours are read for eight days before and after `now`. A longer closure seems to end there."""
    zone = new_york()
    opened = _union(session for week in schedule.hours for session in _sessions(week, now, zone))
    closed = [gap for week in schedule.hours for gap in _gaps(_in_force(week, now), opened)]
    pauses = _union([*closed, *schedule.windows])
    return next((pause for pause in pauses if pause[1] > now), None)


def _in_force(week: WeeklyHours, now: datetime) -> Span:
    return max(week.start, now - _LOOK), min(week.end, now + _LOOK)


def _sessions(week: WeeklyHours, now: datetime, zone: tzinfo) -> Iterator[Span]:
    """Yield a weekly plan's trading hours around `now`, while the plan is in force."""
    begins, ends = _in_force(week, now)
    day = (now - _LOOK).astimezone(zone).date()
    while begins < ends and day <= (now + _LOOK).astimezone(zone).date():
        for opens, closes in week.days[day.weekday()]:
            until = day if closes > opens else day + _DAY  # a closing at midnight is the end of the day
            yield max(_moment(day, opens, zone), begins), min(_moment(until, closes, zone), ends)
        day += _DAY


def _moment(day: date, at: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(timezone.utc)


def _union(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order; those that overlap or touch are merged."""
    whole: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if whole and start <= whole[-1][1]:
            whole[-1] = whole[-1][0], max(end, whole[-1][1])
        else:
            whole.append((start, end))
    return whole


def _gaps(within: Span, spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the parts of `within` that are in none of `spans` (sorted, disjoint)."""
    since, end = within
    for begins, ends in spans:
        if begins > since:
            yield since, min(begins, end)
        since = max(since, ends)
    yield since, end
