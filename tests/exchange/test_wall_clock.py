"""A machine that sleeps: a lid that was closed for a night must not cost another minute of quotes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from exchange import clock
from exchange.clock import ExchangeClock, WallClock


@dataclass
class Laptop:
    """A machine whose lid is closed `at` its seconds awake, for so many `asleep`. Its monotonic clock stands still
    then, as that of Linux does; the one that counts from its start goes on. `waits` were asked of it."""

    at: float
    asleep: float
    awake: float = 0.0
    slept: float = 0.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self.awake <= self.at < self.awake + seconds:
            self.slept += self.asleep
        self.awake += seconds

    def clock_gettime(self, _: int) -> float:
        return self.awake + self.slept


@pytest.mark.parametrize(
    ("at", "asleep", "lost"),
    [(20, 28_800, 28_800), (59.5, 600, 600), (0, 12, 12), (20, 4, 0), (20, 0.4, 0), (500, 600, 0)],
)
def test_a_wait_ends_when_the_machine_wakes(
    monkeypatch: pytest.MonkeyPatch, at: float, asleep: float, lost: float
) -> None:
    """By the machine's own sleep the rest of a minute would be waited out. A stutter is no sleep, and its time
    counts."""
    laptop = Laptop(at, asleep)
    monkeypatch.setattr(clock.time, "sleep", laptop.sleep)
    monkeypatch.setattr(clock.time, "clock_gettime", laptop.clock_gettime)
    ours = ExchangeClock(WallClock())
    began = ours.monotonic()
    assert ours.sleep(60) == pytest.approx(lost)
    if lost:
        assert laptop.awake == pytest.approx(at + 1, abs=1), "it looked within a second"
        assert ours.monotonic() - began > asleep
    else:
        assert ours.monotonic() - began == pytest.approx(60)
        assert laptop.awake <= 60
    assert max(laptop.waits) <= 1


def test_no_wait_takes_no_time() -> None:
    assert WallClock().sleep(0) == WallClock().sleep(-5) == 0.0


@pytest.mark.parametrize("there", [(), ("CLOCK_MONOTONIC",)])
def test_a_system_without_such_a_clock_has_another(
    monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...]
) -> None:
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        if name not in there:
            monkeypatch.delattr(clock.time, name, raising=False)
    before = WallClock().monotonic()
    WallClock().sleep(0.01)
    assert 0.01 <= WallClock().monotonic() - before < 5


@pytest.mark.parametrize("tools", [True, False])
def test_how_to_set_a_clock_is_told_where_it_can_be_typed(monkeypatch: pytest.MonkeyPatch, tools: bool) -> None:
    monkeypatch.setattr(clock.shutil, "which", lambda name: f"/usr/bin/{name}" if tools else None)
    assert ("timedatectl set-ntp true" in clock.how_to_set()) is tools
