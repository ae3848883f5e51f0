"""When the exchange stands still next: weekly hours in New York's time, planned windows, and both together."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.models import Schedule, WeeklyHours
from exchange.trading_hours import Span, next_pause

MIDNIGHT = time(0)
ALL_DAY = ((MIDNIGHT, MIDNIGHT),)
WITH_A_PAUSE = ((MIDNIGHT, time(3)), (time(5), MIDNIGHT))
THURSDAY = 3
NEW_YORK = ZoneInfo("America/New_York")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def week(
    pause_on: int | None = THURSDAY,
    day: tuple[tuple[time, time], ...] = WITH_A_PAUSE,
    start: str = "2026-01-01",
    end: str = "2028-01-01",
) -> WeeklyHours:
    return WeeklyHours(utc(start), utc(end), tuple(day if n == pause_on else ALL_DAY for n in range(7)))


def plan(*weeks: WeeklyHours, windows: tuple[Span, ...] = ()) -> Schedule:
    return Schedule(weeks, windows)


def span(start: str, end: str) -> Span:
    return utc(start), utc(end)


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-11-22T15:00", "2026-11-26T08:00", "2026-11-26T10:00"),  # winter: five hours behind
        ("2026-07-22T15:00", "2026-07-23T07:00", "2026-07-23T09:00"),  # summer: four
        ("2026-11-26T08:00", "2026-11-26T08:00", "2026-11-26T10:00"),  # it begins now
        ("2026-11-26T09:59", "2026-11-26T08:00", "2026-11-26T10:00"),  # in the midst of it
        ("2026-11-26T10:00", "2026-12-03T08:00", "2026-12-03T10:00"),  # it is over
    ],
)
def test_the_weekly_pause_is_found_in_new_yorks_time(now: str, start: str, end: str) -> None:
    assert next_pause(plan(week()), utc(now)) == span(start, end)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # the clocks go back on Sunday, 1 November 2026, and forward on Sunday, 14 March 2027
        ("2026-10-30T12:00", span("2026-11-05T08:00", "2026-11-05T10:00")),
        ("2027-03-12T12:00", span("2027-03-18T07:00", "2027-03-18T09:00")),
    ],
)
def test_a_change_of_clocks_is_neither_a_gap_nor_an_hour_lost(now: str, expected: Span) -> None:
    """The night when the clocks change is no pause. The next weekly pause begins at its usual New York time."""
    assert next_pause(plan(week()), utc(now)) == expected


def test_a_pause_over_the_change_of_clocks_has_its_true_length() -> None:
    """A pause in the night when the clocks change lasts as long as it does in New York: an hour more or less."""
    sunday = week(6, ((MIDNIGHT, time(1)), (time(4), MIDNIGHT)))
    assert next_pause(plan(sunday), utc("2026-10-31T12:00")) == span("2026-11-01T05:00", "2026-11-01T09:00")
    assert next_pause(plan(sunday), utc("2027-03-13T12:00")) == span("2027-03-14T06:00", "2027-03-14T08:00")


def test_whatever_comes_first_is_told() -> None:
    now, sooner = utc("2026-11-22T15:00"), span("2026-11-24T01:00", "2026-11-24T02:00")
    later, over = span("2026-11-29T01:00", "2026-11-29T02:00"), span("2026-11-20T01:00", "2026-11-20T02:00")
    assert next_pause(plan(week(), windows=(later, sooner, over)), now) == sooner
    weekly = span("2026-11-26T08:00", "2026-11-26T10:00")
    assert next_pause(plan(week(), windows=(later, over)), now) == weekly


def test_a_window_that_overlaps_the_weekly_pause_is_one_with_it() -> None:
    """A maintenance window that overlaps or repeats the weekly pause makes one pause with it."""
    now = utc("2026-11-22T15:00")
    weekly, longer = span("2026-11-26T08:00", "2026-11-26T10:00"), span("2026-11-26T09:00", "2026-11-26T13:00")
    assert next_pause(plan(week(), windows=(weekly,)), now) == weekly
    assert next_pause(plan(week(), windows=(longer,)), now) == (weekly[0], longer[1])
    assert next_pause(plan(week(), windows=(longer,)), utc("2026-11-26T12:00")) == (weekly[0], longer[1])


def test_around_the_clock_there_is_no_pause() -> None:
    now, far = utc("2026-11-22T15:00"), span("2027-06-01T01:00", "2027-06-01T02:00")
    assert next_pause(plan(week(None)), now) is None
    assert next_pause(plan(week(None), windows=(far,)), now) == far
    assert next_pause(plan(), now) is None, "who says nothing of hours says nothing of a pause"


def test_hours_over_midnight_and_hours_that_end_there_join() -> None:
    evening = tuple(((time(20), time(4)),) for _ in range(7))
    nightly = WeeklyHours(utc("2026-01-01"), utc("2028-01-01"), evening)
    assert next_pause(plan(nightly), utc("2026-11-23T05:00")) == span("2026-11-23T09:00", "2026-11-24T01:00")


def test_each_week_has_the_hours_in_force_then() -> None:
    old, new = week(end="2026-11-26T05:00"), week(1, start="2026-11-26T05:00")
    assert next_pause(plan(old, new), utc("2026-11-24T15:00")) == span("2026-12-01T08:00", "2026-12-01T10:00")
    assert next_pause(plan(week(end="2026-11-01")), utc("2026-11-22T15:00")) is None, "hours of the past"


_MINUTES = st.integers(0, 7 * 24 * 60)


@given(passed=st.integers(0, 600 * 24 * 60), lasts=st.integers(1, 900), after=_MINUTES)
def test_the_next_pause_is_not_over(passed: int, lasts: int, after: int) -> None:
    """The pause that is told has not ended, and no maintenance window comes before it."""
    moment = utc("2026-02-01") + timedelta(minutes=passed)
    start = moment + timedelta(minutes=after)
    window = (start, start + timedelta(minutes=lasts))
    found = next_pause(plan(week(), windows=(window,)), moment)
    assert found is not None
    assert found[1] > moment
    assert found[0] <= window[0]
    local = found[0].astimezone(NEW_YORK)
    assert found[0] == window[0] or (local.weekday(), local.hour, local.minute) == (THURSDAY, 3, 0)
