"""Alerts on their way: a receiver that fails for a while costs no alert, and the log says so in a line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from bot.alert_receivers import configured
from bot.connection import Variables
from bot.notifier import FLUSH_SECONDS, Notifier
from tests.support.alert_server import AlertServer, alert_server

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)


class Seconds:
    """A clock that a test moves. `each`: what each reading of it adds, as a delivery would take."""

    def __init__(self) -> None:
        self.now, self.each = 1_000.0, 0.0

    def __call__(self) -> float:
        self.now += self.each
        return self.now


class Log:
    """The lines that a log got."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, list[str]]] = []

    def __call__(self, event: str, fields: object, details: object = ()) -> None:
        self.lines.append((event, str(fields), list(details)))  # type: ignore[call-overload]


@pytest.fixture
def server() -> Iterator[AlertServer]:
    with alert_server() as found:
        yield found


def notifier(seconds: Seconds, **variables: str) -> Notifier:
    return Notifier(configured(Variables({}, variables)), seconds)


def tell(to: Notifier, *events: str) -> None:
    for event in events:
        to.on_event(NOW, "SIM", event, {"Why": "x"})


def events(server: AlertServer) -> list[str]:
    return [one.json["event"] for one in server.posted()]


def test_a_receiver_that_comes_back_gets_what_it_missed(server: AlertServer) -> None:
    seconds, log = Seconds(), Log()
    to = notifier(seconds, ALERT_URL=server.url("/switch"), ALERT_FORMAT="json")
    server.status = 500
    tell(to, "START")
    to.flush(log)
    tell(to, "OUTAGE")
    seconds.now += 59
    to.flush(log)
    assert events(server) == ["START"], "tried again before its time"
    assert log.lines == [
        (
            "ERROR",
            "ALERT_URL (127.0.0.1): it answers 500",
            ["No alert was taken there. Trading goes on; the bot tries again in 1 min"],
        )
    ]
    server.status = 200
    server.got.clear()
    seconds.now += 2
    to.flush(log)
    assert events(server) == ["START", "OUTAGE"]
    assert log.lines[1:] == [("INFO", "{'Alerts': 'ALERT_URL (127.0.0.1) takes them again'}", [])]
    to.flush(log)
    assert len(server.got) == 2, "sent twice"


def test_one_bad_receiver_keeps_nothing_from_the_other(server: AlertServer) -> None:
    to = notifier(Seconds(), ALERT_URL=server.url("/ok"), ALERT_FORMAT="json", ALERT_COMMAND="false")
    log = Log()
    tell(to, "START", "HALT")
    to.flush(log)
    assert events(server) == ["START", "HALT"]
    assert [line for _, line, _ in log.lines] == ["ALERT_COMMAND (false): it ended with exit code 1"]


def test_a_bot_that_stops_by_itself_tries_once_more(server: AlertServer) -> None:
    """There is no later flush: a receiver that failed a moment ago may take the most important alert."""
    seconds = Seconds()
    to = notifier(seconds, ALERT_URL=server.url("/switch"), ALERT_FORMAT="json")
    server.status = 503
    tell(to, "OUTAGE")
    to.flush(Log())
    server.status = 200
    server.got.clear()
    tell(to, "STOP", "SHUTDOWN")
    to.flush(Log())
    assert events(server) == ["OUTAGE", "STOP", "SHUTDOWN"]


def test_a_flush_ends_in_time_though_much_waits(server: AlertServer) -> None:
    """Slow deliveries are not begun after the flush's seconds; the others go out with the next flush."""
    seconds = Seconds()
    seconds.each = FLUSH_SECONDS / 4
    to = notifier(seconds, ALERT_URL=server.url("/ok"), ALERT_FORMAT="json")
    tell(to, "START", "HALT", "OUTAGE", "RECOVERED", "DAY")
    to.flush(Log())
    first = len(server.got)
    assert 0 < first < 5
    for _ in range(4):
        to.flush(Log())
    assert events(server) == ["START", "HALT", "OUTAGE", "RECOVERED", "DAY"]


def test_a_heartbeat_that_fails_is_one_line_and_waits(server: AlertServer) -> None:
    seconds, log = Seconds(), Log()
    to = notifier(seconds, HEARTBEAT_URL=server.url("/switch"))
    server.status = 500
    for _ in range(5):
        to.beat(log)
    assert (len(server.got), len(log.lines)) == (1, 1)
    server.status = 200
    seconds.now += 61
    to.beat(log)
    to.beat(log)
    assert len(server.got) == 3
    assert [event for event, _, _ in log.lines] == ["ERROR", "INFO"]
