"""Which events are alerts, and when each is sent: a HALT must not drown in fills, nor a phone in alerts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerts import KEPT, MOST_AN_HOUR, TOPICS, Alert, BackOff, Outbox, is_alert


def fill(count: str) -> dict[str, object]:
    return {"Ticker": "KXA", "Count": count}


@pytest.mark.parametrize("event", ["START", "HALT", "OUTAGE", "RECOVERED", "STOP", "DAY"])
def test_what_needs_a_person_is_an_alert(event: str) -> None:
    assert is_alert(event, {}, None, False)


@pytest.mark.parametrize("event", ["INFO", "CYCLE", "ERROR", "OPEN ORDER", "GUARD", "SETTINGS", "NEW SESSION"])
def test_what_happens_every_minute_is_no_alert(event: str) -> None:
    assert not is_alert(event, {}, Decimal(0), True)


def test_a_stop_that_was_asked_for_is_no_alert() -> None:
    assert not is_alert("SHUTDOWN", "None of our orders rests", None, False)
    assert is_alert("SHUTDOWN", "None of our orders rests", None, True)


def test_only_a_fill_above_the_size_is_an_alert() -> None:
    assert not is_alert("FILL", fill("1000"), None, False), "on request only"
    assert not is_alert("FILL", fill("100"), Decimal(100), False)
    assert is_alert("FILL", fill("100.01"), Decimal(100), False)
    assert is_alert("FILL", fill("0.01"), Decimal(0), False)


def sent_until(outbox: Outbox, now: float) -> list[str]:
    """The lines that go out at a time."""
    found = []
    while alert := outbox.next(now):
        found.append(outbox.text_of(alert))
        outbox.on_sent(alert, now)
    return found


def test_alerts_go_out_in_their_order() -> None:
    outbox = Outbox()
    for event in ("START", "OUTAGE", "RECOVERED", "STOP"):
        outbox.put(Alert(event, event))
    assert sent_until(outbox, 0) == ["START", "OUTAGE", "RECOVERED", "STOP"]


def test_a_halt_is_sent_although_fills_flood_the_hour() -> None:
    """Fills beyond the hour's number wait, the newest of them, and the next one counts what was held back."""
    outbox, sent = Outbox(), list[str]()
    for number in range(30):
        outbox.put(Alert("FILL", f"fill {number}"))
        sent += sent_until(outbox, number)
    outbox.put(Alert("HALT", "halted"))
    assert sent_until(outbox, 31) == ["halted"]
    assert sent == [f"fill {number}" for number in range(MOST_AN_HOUR)]
    later = sent_until(outbox, 3_700)
    held_back = 30 - MOST_AN_HOUR - KEPT
    assert later[0] == f"fill {30 - KEPT} | Held back: {held_back} earlier of this kind"
    assert later[1:] == [f"fill {number}" for number in range(30 - KEPT + 1, 30)]


def test_the_last_word_on_an_outage_is_never_the_wrong_one() -> None:
    """An exchange that comes and goes: what was sent last says how it is."""
    outbox = Outbox()
    for number in range(40):
        outbox.put(Alert("OUTAGE" if number % 2 == 0 else "RECOVERED", f"{number}"))
        sent_until(outbox, number)
    assert sent_until(outbox, 10_000)[-1] == "39"


@given(st.lists(st.tuples(st.sampled_from(sorted(TOPICS)), st.floats(0, 900))))
def test_no_topic_sends_more_than_its_number_in_any_hour(steps: list[tuple[str, float]]) -> None:
    """And nothing that is sent goes out twice or is lost, but for the oldest of too many."""
    outbox, now, sent = Outbox(), 0.0, list[tuple[float, Alert]]()
    for number, (event, seconds) in enumerate(steps):
        outbox.put(Alert(event, str(number)))
        now += seconds
        while alert := outbox.next(now):
            outbox.on_sent(alert, now)
            sent.append((now, alert))
    assert len({alert for _, alert in sent}) == len(sent)
    for at, alert in sent:
        hour = [one for when, one in sent if at - 3_600 < when <= at and one.topic is alert.topic]
        assert len(hour) <= MOST_AN_HOUR


def test_a_long_line_is_cut_to_what_a_receiver_takes() -> None:
    assert len(Outbox().text_of(Alert("STOP", "x" * 9_000))) < 2_000


def test_a_receiver_that_fails_is_tried_less_and_less_often() -> None:
    back_off, now, waits = BackOff(), 0.0, list[float]()
    for _ in range(5):
        assert back_off.is_over(now)
        waits.append(back_off.on_failure(now))
        assert not back_off.is_over(now + waits[-1] - 0.1)
        now += waits[-1]
    assert waits == [60, 120, 240, 300, 300]
    assert back_off.on_success()
    assert not back_off.on_success(), "it works again only once"
    assert back_off.on_failure(now) == 60
