"""Send alerts and heartbeats between two cycles.

Promise:
- Nothing is sent while an event is logged. The loop calls `flush` and `beat` when its orders are sent.
- A flush begins no delivery after `FLUSH_SECONDS`.
- A receiver that fails is one line in the log. Trading goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from bot.alert_receivers import Configured, Heartbeat, NotDelivered, Receiver
from bot.alerts import Alert, BackOff, Outbox, is_alert
from runtime import log_format
from runtime.last_words import say
from runtime.log_format import Log

FLUSH_SECONDS = 5.0

_NOWHERE = Configured()


class Notifier:
    """Sends the alerts among a log's events to the configured receivers.

    `monotonic` returns seconds."""

    def __init__(self, configured: Configured = _NOWHERE, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._least_fill, self._monotonic = configured.least_fill, monotonic
        self._channels = [_Channel(receiver, monotonic) for receiver in configured.receivers]
        self._heart = _Heart(configured.heartbeat, monotonic) if configured.heartbeat else None
        self._stops_by_itself = False

    def on_event(self, now: datetime, environment: str, event: str, fields: Mapping[str, object] | str) -> None:
        """Note an event of the log. If it is an alert, the next flush sends it."""
        self._stops_by_itself |= event == "STOP"
        if self._channels and is_alert(event, fields, self._least_fill, self._stops_by_itself):
            alert = Alert(event, f"{environment} {log_format.entry(now, event, fields)}".strip())
            for channel in self._channels:
                channel.outbox.put(alert)

    def flush(self, log: Log) -> None:
        """Send what waits, as far as time allows. Raises nothing but a wish to stop.

        A bot that stops by itself tries each receiver once more, also one that has just failed."""
        until = self._monotonic() + FLUSH_SECONDS
        for channel in self._channels:
            channel.flush(until, log, is_last=self._stops_by_itself)

    def flush_at_end(self) -> None:
        """Send what waits when the log has its last line.

        What fails goes to stderr. Raises as `flush`."""
        self.flush(_say_errors)

    def beat(self, log: Log) -> None:
        """Tell the dead man's switch that a cycle went well. Raises as `flush`."""
        if self._heart:
            self._heart.beat(log)


def _say_errors(event: str, fields: object, _: object = ()) -> None:
    if event == "ERROR":
        say(str(fields))


class _Patient:
    """Tries a receiver that failed again after a while, and logs both."""

    def __init__(self, name: str, monotonic: Callable[[], float]) -> None:
        self._name, self._monotonic, self._back_off = name, monotonic, BackOff()

    def _try(self, deliver: Callable[[], None], log: Log, is_last: bool = False) -> bool:
        """Deliver, if it is time or the last try. Returns whether that worked."""
        if not (is_last or self._back_off.is_over(self._monotonic())):
            return False
        try:
            deliver()
        except NotDelivered as error:
            seconds = self._back_off.on_failure(self._monotonic())
            then = f"No alert was taken there. Trading goes on; the bot tries again in {seconds / 60:.0f} min"
            log("ERROR", str(error), [then])
            return False
        if self._back_off.on_success():
            log("INFO", {"Alerts": f"{self._name} takes them again"})
        return True


class _Channel(_Patient):
    def __init__(self, receiver: Receiver, monotonic: Callable[[], float]) -> None:
        super().__init__(receiver.name, monotonic)
        self._receiver, self.outbox = receiver, Outbox()

    def flush(self, until: float, log: Log, is_last: bool) -> None:
        """Send what waits, one after the other; begin none after a monotonic time."""
        while (now := self._monotonic()) < until and (alert := self.outbox.next(now)):
            deliver = partial(self._receiver.deliver, alert.event, self.outbox.text_of(alert))
            if not self._try(deliver, log, is_last):
                return
            self.outbox.on_sent(alert, now)


class _Heart(_Patient):
    def __init__(self, heartbeat: Heartbeat, monotonic: Callable[[], float]) -> None:
        super().__init__(heartbeat.name, monotonic)
        self._heartbeat = heartbeat

    def beat(self, log: Log) -> None:
        self._try(self._heartbeat.beat, log)


SILENT = Notifier()
"""Sends nothing."""
