"""When the exchange stands still next, by the schedule that it publishes. Promise: pure; what comes out is in UTC,
and right in a week in which New York's clocks change.

A pause is a planned maintenance window, or a gap in the weekly opening hours; those that overlap or touch are one.
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
    """New York's time; on a machine that has no time zones its winter time, in summer an hour off."""
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        return timezone(timedelta(hours=-5))


def next_pause(schedule: Schedule, now: datetime) -> Span | None:
    """From when to when (UTC) the pause lasts that is running or comes next; None where none is planned. Of the
    weekly hours the eight days around `now` are looked at: what is closed for longer seems to end there."""
    zone = new_york()
    opened = _union(session for week in schedule.hours for session in _sessions(week, now, zone))
    closed = [gap for week in schedule.hours for gap in _gaps(_in_force(week, now), opened)]
    pauses = _union([*closed, *schedule.windows])
    return next((pause for pause in pauses if pause[1] > now), None)


def _in_force(week: WeeklyHours, now: datetime) -> Span:
    return max(week.start, now - _LOOK), min(week.end, now + _LOOK)


def _sessions(week: WeeklyHours, now: datetime, zone: tzinfo) -> Iterator[Span]:
    """The hours of trading that a week's plan gives to the days around `now`. Times beyond its own are another
    plan's, or nobody's."""
    begins, ends = _in_force(week, now)
    day = (now - _LOOK).astimezone(zone).date()
    while begins < ends and day <= (now + _LOOK).astimezone(zone).date():
        for opens, closes in week.days[day.weekday()]:
            until = day if closes > opens else day + _DAY  # midnight as a closing is the day's end
            yield max(_moment(day, opens, zone), begins), min(_moment(until, closes, zone), ends)
        day += _DAY


def _moment(day: date, at: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(timezone.utc)


def _union(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, with those that overlap or touch made one."""
    whole: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if whole and start <= whole[-1][1]:
            whole[-1] = whole[-1][0], max(end, whole[-1][1])
        else:
            whole.append((start, end))
    return whole


def _gaps(within: Span, spans: Iterable[Span]) -> Iterator[Span]:
    """What of `within` lies in none of `spans`, which are in order and apart."""
    since, end = within
    for begins, ends in spans:
        if begins > since:
            yield since, min(begins, end)
        since = max(since, ends)
    yield since, end
