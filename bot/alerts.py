"""Decide which events of `trade.log` are alerts, and which alert is sent when.

Promise:
- Every function is pure: events and times go in, alerts come out.
- An alert says what its line in `trade.log` says.
- At most `MOST_AN_HOUR` alerts of a topic are sent an hour. The others are held back and counted, and the newest
  are sent when the hour allows it.
- What could not be sent is tried again after a minute, then after twice as long each time, up to `LONGEST_WAIT`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

MOST_AN_HOUR = 10
KEPT = 5
"""Alerts of a topic that wait at most. The oldest gives way to a new one."""

FIRST_WAIT, LONGEST_WAIT = 60.0, 300.0
"""Seconds until a failed receiver is tried again: after the first failure, and at most."""

_HOUR = 3_600.0
_LONGEST = 1_500
"""Characters of a line. A receiver takes 2,000 (Discord) or more."""


class Topic(Enum):
    """What an alert is about. The alerts of a topic are limited together."""

    START = "a start"
    HALT = "a halt"
    EXCHANGE = "an outage and its end"
    STOP = "a stop by itself"
    FILL = "a large fill"
    DAY = "the day's line"


TOPICS = {
    "START": Topic.START,
    "HALT": Topic.HALT,
    "OUTAGE": Topic.EXCHANGE,
    "RECOVERED": Topic.EXCHANGE,
    "STOP": Topic.STOP,
    "SHUTDOWN": Topic.STOP,
    "FILL": Topic.FILL,
    "DAY": Topic.DAY,
}
"""The events that may be alerts. An event's name is one word."""


class Alert(NamedTuple):
    """An event that a person is told of.

    `event`: its name. `line`: the environment, and its line in the log."""

    event: str
    line: str

    @property
    def topic(self) -> Topic:
        return TOPICS[self.event]


def is_alert(
    event: str, fields: Mapping[str, object] | str, least_fill: Decimal | None, stops_by_itself: bool
) -> bool:
    """Whether an event of the log is an alert.

    `least_fill`: contracts that a fill must exceed, None: no fill is one. `stops_by_itself`: whether the bot stops
    although nobody asked it to; only then its `SHUTDOWN` is one."""
    if event == "SHUTDOWN":
        return stops_by_itself
    if event == "FILL":
        return (
            least_fill is not None and not isinstance(fields, str) and Decimal(str(fields["Count"])) > least_fill
        )
    return event in TOPICS


class BackOff:
    """When a receiver that failed may be tried again. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.failures = 0
        self._until = float("-inf")

    def is_over(self, now: float) -> bool:
        return now >= self._until

    def on_failure(self, now: float) -> float:
        """Count a failure. Returns the seconds until the next try."""
        seconds = min(FIRST_WAIT * 2.0 ** min(self.failures, 10), LONGEST_WAIT)
        self.failures += 1
        self._until = now + seconds
        return seconds

    def on_success(self) -> bool:
        """Count a success. Returns whether a failure came before it."""
        failed, self.failures, self._until = bool(self.failures), 0, float("-inf")
        return failed


class Outbox:
    """The alerts that wait for one receiver. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._waiting: list[Alert] = []
        self._held_back: Counter[Topic] = Counter()
        self._sent: list[tuple[float, Topic]] = []

    def put(self, alert: Alert) -> None:
        """Let an alert wait."""
        same = [one for one in self._waiting if one.topic is alert.topic]
        if len(same) == KEPT:
            self._waiting.remove(same[0])
            self._held_back[alert.topic] += 1
        self._waiting.append(alert)

    def next(self, now: float) -> Alert | None:
        """The oldest alert that may be sent now, None if there is none."""
        self._sent = [one for one in self._sent if one[0] > now - _HOUR]
        sent = Counter(topic for _, topic in self._sent)
        return next((one for one in self._waiting if sent[one.topic] < MOST_AN_HOUR), None)

    def text_of(self, alert: Alert) -> str:
        """The line of an alert, with the number of those of its topic that were held back."""
        line = alert.line if len(alert.line) <= _LONGEST else f"{alert.line[:_LONGEST]} ..."
        held_back = self._held_back[alert.topic]
        return f"{line} | Held back: {held_back} earlier of this kind" if held_back else line

    def on_sent(self, alert: Alert, now: float) -> None:
        """Note that an alert was sent."""
        self._waiting.remove(alert)
        del self._held_back[alert.topic]
        self._sent.append((now, alert.topic))
