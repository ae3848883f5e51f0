"""A stop signal arrives once, and where nothing is cleaned up."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest

from runtime import signals
from tests.support.moments import Seconds

INT, TERM, HUP, ALARM = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM


def test_keys_that_are_held_are_one_wish(seconds: Seconds) -> None:
    """A key that repeats 30 times a second, for three seconds: no repeat counts. One a second after counts."""
    done = []

    def hold() -> None:
        for _ in range(90):
            seconds.now += 1 / 30
            signal.raise_signal(INT)
        done.append("held")
        seconds.now += 1.0
        signal.raise_signal(INT)
        done.append("never")

    signal.raise_signal(INT)
    assert signals.until_hurried(hold) == "Ctrl-C"
    assert done == ["held"]


@pytest.mark.parametrize(
    ("first", "second", "after", "counts"),
    [
        (INT, INT, 0.9, False), (INT, INT, 1.1, True), (TERM, INT, 0.9, False), (TERM, INT, 1.1, True),
        (INT, TERM, 9.0, False), (INT, TERM, 11.0, True), (TERM, TERM, 9.0, False), (HUP, HUP, 9.0, False),
        (TERM, HUP, 11.0, True), (HUP, INT, 1.1, True),
    ],
)  # fmt: skip
def test_which_second_signal_ends_a_stop(
    seconds: Seconds, first: int, second: int, after: float, counts: bool
) -> None:
    def step() -> None:
        seconds.now += after
        signal.raise_signal(second)

    signal.raise_signal(first)
    assert bool(signals.until_hurried(step)) is counts
    assert bool(signals.until_hurried(lambda: None)) is counts, "a later step of the stop does not begin"


@pytest.mark.parametrize("is_hurried", [False, True])
@pytest.mark.parametrize("more", [INT, TERM, ALARM])
def test_what_an_interrupted_step_cleans_up_is_not_interrupted(
    seconds: Seconds, more: int, is_hurried: bool
) -> None:
    """A file is closed, a transaction rolled back. Neither another signal nor the alarm that repeats a dropped
    one cuts that short."""
    done = []

    def step() -> None:
        try:
            signal.raise_signal(INT)
        finally:
            seconds.now += 20
            signal.raise_signal(more)
            done.append("cleaned up")

    if is_hurried:
        signal.raise_signal(TERM)
        seconds.now += 20
    assert (signals.until_hurried if is_hurried else signals.until_stopped)(step) == "Ctrl-C"
    assert done == ["cleaned up"]


def test_a_stop_that_a_step_drops_arrives_all_the_same(seconds: Seconds) -> None:
    """Once the alarm comes, or when the step ends. After that no alarm acts as a second Ctrl-C."""

    def drop() -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(INT)

    def drop_and_go_on() -> None:
        drop()
        signal.raise_signal(ALARM)
        raise AssertionError

    assert signals.until_stopped(drop) == "Ctrl-C"
    signals.heed(seconds)
    assert signals.until_stopped(drop_and_go_on) == "Ctrl-C"
    done = []
    assert signals.until_hurried(lambda: [signal.raise_signal(ALARM), done.append("stopped")]) == ""
    assert done == ["stopped"]


def test_a_signal_between_two_steps_ends_the_next(seconds: Seconds) -> None:
    signal.raise_signal(TERM)
    done: list[str] = []
    assert signals.until_stopped(lambda: done.append("traded")) == "SIGTERM"
    assert done == []
