"""The dead man's line: it is heard after each good cycle, and its silence means that somebody has to look."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.alert_receivers import configured
from bot.connection import Variables
from bot.notifier import Notifier
from simulator.pauses import next_maintenance
from tests.support.alert_server import AlertServer, alert_server
from tests.support.bench import STILL, Bench, MakeBench, cut_before, unavailable

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[AlertServer]:
    with alert_server() as found:
        yield found


@pytest.fixture
def beating(make_bench: MakeBench, server: AlertServer) -> Bench:
    """A bot with a heartbeat, after two cycles."""
    bench = make_bench(**STILL, MIN_HOURS_TO_CLOSE=0)
    bench.notifier = Notifier(configured(Variables({}, {"HEARTBEAT_URL": server.url("/ok")})))
    bench.restart()
    bench.run(cycles=2)
    assert len(server.got) == 2, "one for each cycle"
    server.got.clear()
    return bench


def test_a_failed_cycle_and_an_outage_are_silent(beating: Bench, server: AlertServer) -> None:
    beating.wire.fault = lambda *_: unavailable
    beating.run(cycles=5, waits_in={"_wait"})
    assert server.got == []
    beating.wire.fault = None
    beating.run(cycles=1)
    assert len(server.got) == 1


def test_a_halted_bot_is_silent(beating: Bench, server: AlertServer) -> None:
    beating.bot.session.account_state.halt(beating.exchange.clock.now(), "python main.py cancel-all")
    beating.run(cycles=3)
    assert server.got == []
    beating.bot.session.account_state.clear_halts(beating.exchange.clock.now(), "resume")
    beating.run(cycles=2)
    assert len(server.got) == 2


def test_a_pause_that_was_announced_is_no_silence(beating: Bench, server: AlertServer) -> None:
    """Else each weekly pause would wake you."""
    exchange = beating.exchange
    begins = next_maintenance(exchange.clock.now().timestamp())[0]
    beating.pass_time(begins - exchange.clock.now().timestamp() - 130)
    beating.run(cycles=3)
    server.got.clear()
    gone = begins + 30
    beating.wire.fault = lambda *_: cut_before if exchange.clock.now().timestamp() > gone else None
    beating.run(cycles=20)
    assert exchange.clock.now().timestamp() > begins + 600
    assert beating.events("OUTAGE") == []
    assert len(server.got) >= 17
    assert beating.ledger.failed_in_a_row() == 0, "status --check would call it an outage"
