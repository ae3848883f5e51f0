"""When the exchange, a shard or a market stands still: waited out in peace, and traded again when it is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
import requests

from bot.recovery import RetryDecision, RetryPolicy
from exchange.errors import Recovery
from simulator.pauses import next_maintenance
from tests.support.bench import (
    Bench,
    MakeBench,
    answer,
    assert_quoting_once,
    cut_before,
    is_quote,
    own_resting,
    unavailable,
)
from tests.support.project import START

pytestmark = pytest.mark.slow

MAINTENANCE = timedelta(hours=2)


def lines_since(bench: Bench, count: int) -> list[str]:
    return [
        line for line in bench.log.splitlines()[count:] if "[CYCLE]" not in line and "[KEEP ORDER]" not in line
    ]


def until_maintenance(bench: Bench) -> float:
    """Let the time until shortly before the weekly pause pass; its beginning in simulated seconds from then."""
    begins, _ = next_maintenance(START.timestamp())
    bench.pass_time(begins - bench.exchange.clock.now().timestamp() - 130)
    return begins


def test_the_weekly_pause_ends_with_a_new_session(make_bench: MakeBench) -> None:
    """During the weekly pause the bot has no orders and logs no error, outage or guard line. After it the bot
    starts one new session and quotes again."""
    bench = make_bench(who=(), MIN_HOURS_TO_CLOSE=0)
    begins = until_maintenance(bench)
    bench.run(cycles=3)
    assert own_resting(bench)
    bench.run(cycles=1)
    before = len(bench.log.splitlines())
    while bench.exchange.clock.now().timestamp() < begins + 7_000:
        bench.run(cycles=10)
        assert own_resting(bench) == []
    told = [line for line in lines_since(bench, before) if "Ctrl-C" not in line and "[START]" not in line]
    assert not [line for line in told if "[ERROR]" in line or "[OUTAGE]" in line or "[GUARD]" in line]
    sessions = len(bench.events("NEW SESSION"))
    bench.run(cycles=6)
    assert len(bench.events("NEW SESSION")) == sessions + 1
    assert len(own_resting(bench)) == 4


def test_an_announced_maintenance_is_no_outage(make_bench: MakeBench) -> None:
    """If the exchange is gone during its announced maintenance, the bot logs no outage. It quotes again
    afterwards."""
    bench = make_bench(who=(), MIN_HOURS_TO_CLOSE=0)
    begins = until_maintenance(bench)
    gone_from, gone_until = begins + 30, begins + 7_200

    def gone(request: requests.PreparedRequest, _: int) -> Callable[..., requests.Response] | None:
        return cut_before if gone_from <= bench.exchange.clock.now().timestamp() < gone_until else None

    bench.wire.fault = gone
    bench.run(cycles=125)
    assert bench.exchange.clock.now().timestamp() > begins + 6_000
    assert bench.events("OUTAGE") == []
    assert len(bench.events("ERROR")) <= 1
    away = [line for line in bench.events("INFO") if "is away, as it announced" in line]
    paused = [line for line in bench.events("INFO") if "trading is paused" in line]
    assert len(away) + len(paused) >= 1
    assert len(away) <= 1
    bench.run(cycles=12)
    assert len(own_resting(bench)) == 4


SHARDS = {"TRADE_TICKER_SIZE": 4, "INCENTIVE_SIZE": None, "programs": 60, "who": ()}


def test_the_quotes_of_a_paused_shard_come_back(make_bench: MakeBench) -> None:
    """The bot does not take a paused shard for a triggered order group. Other shards take its slots until it
    resumes."""
    paused = {"do": "trading_paused", "from": 130, "until": 400, "shards": [0]}
    bench = make_bench(faults=[paused], **SHARDS)
    bench.run(cycles=3)
    markets = bench.exchange.api.exchange.markets
    before = {order.ticker for order in own_resting(bench)}
    assert {markets[ticker].shard for ticker in before} == {0}
    bench.run(cycles=2)
    assert {markets[order.ticker].shard for order in own_resting(bench)}.isdisjoint({0}), "others take their place"
    assert len(own_resting(bench)) == 8
    bench.run(cycles=6)
    assert {order.ticker for order in own_resting(bench)} == before
    told = [line for line in bench.events("INFO") if "Shard: 0 | Exchange" in line]
    assert len(told) == 2, "when it began and when it ended"
    assert bench.events("GUARD") == bench.events("ERROR") == []
    assert len(bench.events("NEW SESSION")) == 1


def test_a_halted_market_is_left_and_taken_up_again(make_bench: MakeBench) -> None:
    halted = {"do": "halted", "ticker": "KXODD-26NOV23-TWICE", "from": 130, "until": 400}
    bench = make_bench(who=(), faults=[halted])
    bench.run(cycles=3)
    before = {order.ticker for order in own_resting(bench)}
    assert halted["ticker"] in before
    bench.run(cycles=2)
    assert halted["ticker"] not in {order.ticker for order in own_resting(bench)}
    assert len(own_resting(bench)) == 4
    bench.run(cycles=5)
    assert bench.events("ERROR") == bench.events("GUARD") == []
    assert bench.events("HALT") == []


def test_a_market_that_takes_no_orders_is_not_tried_every_cycle(
    make_bench: MakeBench,
) -> None:
    """If a market takes no orders though its status says otherwise, the bot tries it again after minutes.
    Another market gets its slot meanwhile."""
    bench = make_bench(who=())
    paused = answer(409, '{"error":{"code":"trading_is_paused","message":"trading is paused"}}')
    bench.wire.fault = lambda request, _: (
        paused if is_quote(request) and b"KXODD-26NOV23-TWICE" in request.body else None
    )
    bench.run(cycles=8)
    assert bench.events("ERROR") == []
    begun = [line for line in bench.events("GUARD") if "the market accepts no orders" in line and "Until" in line]
    assert 1 <= len(begun) <= 2, "five minutes apart"
    assert "KXODD-26NOV23-TWICE" not in {order.ticker for order in own_resting(bench)}
    assert len(own_resting(bench)) == 4, "another market has its slot"
    bench.wire.fault = None
    bench.run(cycles=8)
    assert "KXODD-26NOV23-TWICE" in {order.ticker for order in own_resting(bench)}


# -- how long it keeps trying -----------------------------------------------------------------------------------

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)


def test_many_failures_in_a_row_lengthen_the_wait() -> None:
    """The bot soon tries again after a first failure. After many it waits longer, to leave the exchange in
    peace, until a cycle works."""
    outages = RetryPolicy()
    outages.on_success()
    found = [outages.on_failure(Recovery.RETRY, NOON, 60.0) for _ in range(9)]
    assert [one.seconds for one in found] == [10, 10, 10, 20, 40, 80, 160, 300, 300]
    assert [one.ends for one in found] == [False, False, True] + [False] * 6, "told once"
    outages.on_success()
    assert not outages.gave_up
    assert outages.on_failure(Recovery.RETRY, NOON, 60.0) == RetryDecision(10.0)


@pytest.mark.parametrize(("worked", "tries"), [(False, 1), (True, 3)])
def test_what_only_a_person_can_mend_stops_the_bot(worked: bool, tries: int) -> None:
    """At the start such a failure stops the bot at once. Later the bot stops when the failure stays for three
    tries."""
    outages = RetryPolicy()
    if worked:
        outages.on_success()
    found = [outages.on_failure(Recovery.STOP, NOON, 60.0) for _ in range(tries)]
    assert [one.stop for one in found] == [False] * (tries - 1) + [True]


def test_failures_in_an_announced_pause_are_no_outage() -> None:
    """Failures that go on after the announced end of the pause are an outage."""
    outages = RetryPolicy()
    outages.on_schedule((NOON, NOON + MAINTENANCE))
    quiet = [outages.on_failure(Recovery.RETRY, NOON + timedelta(minutes=minute), 60.0) for minute in range(5)]
    assert [one.seconds for one in quiet] == [60.0] * 5
    assert [one.ends for one in quiet] == [True] + [False] * 4
    assert all(one.until == NOON + MAINTENANCE for one in quiet)
    late = [outages.on_failure(Recovery.RETRY, NOON + MAINTENANCE, 60.0) for _ in range(3)]
    assert [one.ends for one in late] == [False, False, True]


def test_an_outage_backs_off_and_ends_with_a_new_session(make_bench: MakeBench) -> None:
    """The bot logs an outage once and waits longer after each failed cycle. When the exchange answers again, a
    new session quotes, without a halt."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    bench.wire.fault = lambda request, _: None if request.method == "DELETE" else unavailable
    waits: list[float] = []
    for _ in range(9):
        bench.run(cycles=1)
        waits += bench.waits
    assert waits == [10, 10, 10, 20, 40, 80, 160, 300, 300]
    (line,) = bench.events("OUTAGE")
    assert "Failed cycles: 3" in line
    bench.wire.fault = None
    bench.run(cycles=2)
    assert len(bench.events("NEW SESSION")) == 2
    assert_quoting_once(bench)
    assert bench.events("HALT") == []


def test_one_failed_cycle_keeps_the_orders_and_the_session(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.run(cycles=2)
    before = {order.order_id for order in bench.resting()}
    bench.wire.fault = lambda *_: None if bench.waits else unavailable
    bench.run(cycles=2)
    assert {order.order_id for order in bench.resting()} == before
    assert len(bench.events("NEW SESSION")) == 1
    assert bench.events("OUTAGE") == []


def test_a_pause_withdraws_and_ends_with_a_new_session(make_bench: MakeBench) -> None:
    bench = make_bench(who=(), faults=[{"do": "trading_paused", "from": 130, "until": 400}])
    bench.run(cycles=5)
    assert bench.resting() == []
    (paused,) = [line for line in bench.events("INFO") if "trading is paused" in line]
    assert "Orders: our orders are canceled" in paused
    bench.run(cycles=4)
    (again,) = [line for line in bench.events("INFO") if "takes orders again" in line]
    assert paused[:19] < again[:19] <= bench.events("NEW SESSION")[-1][:19]
    assert len(bench.events("NEW SESSION")) == 2
    assert bench.events("ERROR") == []
    assert_quoting_once(bench)
