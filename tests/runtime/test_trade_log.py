"""Times of a log: after a night in which the clocks changed a person must be able to tell them apart."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from runtime.log_format import entry, span_text, time_zone
from runtime.log_output import TradeLog, open_log


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the machine's time zone."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


class Written(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += record.getMessage().splitlines()


def written(begins: datetime, hours: float, detail: bool = False) -> list[str]:
    """What stands in a log to which a line is written every half an hour."""
    logger, handler, now = logging.Logger("trade"), Written(), begins
    logger.addHandler(handler)
    log = TradeLog(logger, lambda: now, detail)
    while now <= begins + timedelta(hours=hours):
        log.write("INFO", {"Told": "at all times"})
        log.write("KEEP ORDER", {"Ticker": "KXA-1"})
        now += timedelta(minutes=30)
    return handler.lines


@pytest.mark.parametrize(
    ("zone", "begins", "told"),
    [
        (
            "Europe/Berlin",
            "2026-10-24T23:10+00:00",
            ["CET (UTC+01:00) from here on, CEST (UTC+02:00) before"],
        ),
        (
            "Europe/Berlin",
            "2026-03-28T23:40+00:00",
            ["CEST (UTC+02:00) from here on, CET (UTC+01:00) before"],
        ),
        (
            "America/New_York",
            "2026-11-01T04:05+00:00",
            ["EST (UTC-05:00) from here on, EDT (UTC-04:00) before"],
        ),
        (
            "Australia/Lord_Howe",
            "2026-04-04T13:00+00:00",
            ["+1030 (UTC+10:30) from here on, +11 (UTC+11:00) before"],
        ),
        ("Europe/Berlin", "2026-11-26T00:00+00:00", []),
        ("Asia/Kolkata", "2026-10-24T23:10+00:00", []),
    ],
)
def test_a_change_of_the_clocks_is_marked_once(
    in_zone: Callable[[str], None], zone: str, begins: str, told: list[str]
) -> None:
    """The mark stands before the first line of the new offset, so that the hour that comes twice has it between
    its two halves."""
    in_zone(zone)
    lines = written(datetime.fromisoformat(begins), hours=6)
    marks = [line.partition("[INFO] Clock: times are ")[2] for line in lines if "Clock: " in line]
    assert marks == told
    times = [line[:19] for line in lines if "Clock: " not in line]
    falls = [place for place in range(1, len(times)) if times[place] <= times[place - 1]]
    if falls:
        where = lines.index(next(line for line in lines if "Clock: " in line))
        assert where == falls[0], "between the two halves"


def test_the_zone_is_named_with_its_offset(in_zone: Callable[[str], None]) -> None:
    in_zone("America/New_York")
    assert time_zone(datetime(2026, 7, 1, tzinfo=timezone.utc)) == "EDT (UTC-04:00)"
    in_zone("Asia/Kolkata")
    assert time_zone(datetime(2026, 7, 1, tzinfo=timezone.utc)) == "IST (UTC+05:30)"


@pytest.mark.parametrize(
    ("zone", "when", "at", "named"),
    [
        ("Europe/Berlin", "2026-07-01T12:00+00:00", "2026-07-01T14:00:00+02:00", "CEST (UTC+02:00)"),
        ("Europe/Berlin", "2026-12-01T12:00+00:00", "2026-12-01T13:00:00+01:00", "CET (UTC+01:00)"),
        ("America/New_York", "2026-07-01T02:00+00:00", "2026-06-30T22:00:00-04:00", "EDT (UTC-04:00)"),
        ("Asia/Kolkata", "2026-12-01T12:00+00:00", "2026-12-01T17:30:00+05:30", "IST (UTC+05:30)"),
        ("UTC", "2026-12-01T12:00+00:00", "2026-12-01T12:00:00+00:00", "UTC (UTC+00:00)"),
    ],
)
def test_an_object_has_local_time_and_its_offset(
    in_zone: Callable[[str], None], zone: str, when: str, at: str, named: str
) -> None:
    in_zone(zone)
    told = json.loads(entry(datetime.fromisoformat(when), "INFO", "at all times").as_json())
    assert (told["at"], told["zone"]) == (at, named)


def test_objects_tell_the_hour_that_comes_twice_apart(in_zone: Callable[[str], None], tmp_path: Path) -> None:
    """In the night in which the clocks are set back, the times of trade.jsonl are half an hour apart. The mark of
    the change is in it too."""
    in_zone("Europe/Berlin")
    now, half_hour = datetime(2026, 10, 24, 23, 10, tzinfo=timezone.utc), timedelta(minutes=30)
    times = [now + half_hour * number for number in range(8)]
    moments = iter(times)
    log = TradeLog(open_log(tmp_path / "trade.log", with_json=True), lambda: next(moments))
    for _ in times:
        log.write("INFO", "at all times")
    told = [json.loads(line) for line in (tmp_path / "trade.jsonl").read_text(encoding="ascii").splitlines()]
    assert [datetime.fromisoformat(one["at"]) for one in told if "text" in one] == times
    (mark,) = [one for one in told if "Clock" in one.get("fields", {})]
    assert mark["zone"] == "CET (UTC+01:00)"


def test_what_stays_the_same_is_told_in_detail_alone() -> None:
    now = datetime(2026, 11, 26, tzinfo=timezone.utc)
    assert not [line for line in written(now, 1) if "KEEP ORDER" in line]
    assert len([line for line in written(now, 1, detail=True) if "KEEP ORDER" in line]) == 3


@pytest.mark.parametrize(
    ("seconds", "told"), [(6, "6 s"), (119.4, "119 s"), (120, "2.0 min"), (7_199, "120.0 min"), (28_800, "8.0 h")]
)
def test_how_long_something_lasted_is_told_in_a_fit_unit(seconds: float, told: str) -> None:
    assert span_text(seconds) == told
