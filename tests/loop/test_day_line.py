"""Once a day one line tells what the day brought: by the ledger, once, and also of a day that ended unwatched."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest

from tests.support.bench import STILL, Bench, MakeBench, fill_quote, unavailable

pytestmark = pytest.mark.slow

EVENING = datetime(2026, 11, 22, 23, 56, 30, tzinfo=timezone.utc)
DAY = 86_400


def days(bench: Bench) -> list[str]:
    """The dates of the day lines."""
    return re.findall(r"\[DAY\] Date: (\S+) \(UTC\)", bench.log)


def test_the_day_is_told_once_with_what_the_ledger_has(make_bench: MakeBench) -> None:
    """A fill after midnight belongs to the new day."""
    bench = make_bench(at=EVENING, **STILL)
    bench.run(cycles=2)
    fill_quote(bench)
    bench.run(cycles=6)
    assert days(bench) == ["2026-11-22"]
    (line,) = bench.events("DAY")
    midnight = EVENING.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    mark = [one for one in bench.ledger.marks() if one.at < midnight][-1]
    assert mark.own_profit is not None
    dollars = f"{abs(mark.own_profit):.4f}"
    assert f"| Trading: {'-' if mark.own_profit < 0 else ''}${dollars}" in line
    assert "| Fills: 4 of 46 contracts" in line, "two positions sold at the start, a quote filled and sold"
    cycles = [one for one in bench.ledger.cycles() if one.began < midnight]
    assert line.endswith(f"| Cycles: {len(cycles)}, 0 of them failed")
    assert len(bench.ledger.cycles()) > len(cycles)


def test_a_restart_tells_the_day_before_and_not_again(make_bench: MakeBench) -> None:
    """The bot was down at midnight, and for a day: its last day is told, the day without it is not."""
    bench = make_bench(at=EVENING, **STILL)
    bench.run(cycles=2)
    bench.pass_time(DAY)
    bench.restart()
    bench.run(cycles=2)
    assert days(bench) == ["2026-11-22"]
    bench.restart()
    bench.run(cycles=2)
    assert days(bench) == ["2026-11-22"], "told again after a restart on the same day"


def test_a_first_start_has_no_day_to_tell(make_bench: MakeBench) -> None:
    bench = make_bench(**STILL)
    bench.run(cycles=2)
    assert days(bench) == []


def test_failed_cycles_are_counted_and_a_failed_night_is_told(make_bench: MakeBench) -> None:
    """The exchange is away over midnight: the line comes when it is back."""
    bench = make_bench(at=EVENING, **STILL)
    bench.run(cycles=1)
    until = EVENING + timedelta(minutes=10)
    bench.wire.fault = lambda *_: unavailable if bench.exchange.clock.now() < until else None
    while bench.exchange.clock.now() < until + timedelta(minutes=5):
        bench.run(cycles=1)
    (line,) = bench.events("DAY")
    failed = re.search(r"Cycles: (\d+), (\d+) of them failed", line)
    assert failed
    assert int(failed[1]) > int(failed[2]) > 0


def test_a_halted_bot_tells_its_day(make_bench: MakeBench) -> None:
    bench = make_bench(at=EVENING, **STILL)
    bench.run(cycles=2)
    bench.bot.session.account_state.halt(bench.exchange.clock.now(), "python main.py cancel-all")
    bench.run(cycles=8)
    assert len(bench.events("HALT")) >= 1
    assert days(bench) == ["2026-11-22"]
