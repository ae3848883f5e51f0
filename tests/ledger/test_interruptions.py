"""The ledger when the bot was down, was killed, or could not write: nothing is lost, and nothing counts twice."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import market_bot
from ledger.ledger import Ledger
from simulator import lifecycle
from tests.support.bench import ALL, BUSY, STILL, Bench, Killed, MakeBench, fill_quote, is_quote, trade_cycles
from tests.support.statements import (
    assert_as_stated,
    present,
    stated_orders,
    total,
    truth,
)

pytestmark = pytest.mark.slow


def test_fills_during_downtime_are_counted_once(
    make_bench: MakeBench,
) -> None:
    """A fill that came while the bot was down is logged and counted once at the next start. A second restart
    does not count it again."""
    bench = make_bench(**BUSY)
    trade_cycles(bench, 3)
    told, known = len(bench.events("FILL")), len(bench.ledger.fills())
    exchange = bench.exchange.api.exchange
    order = bench.resting()[0]
    market = exchange.markets[order.ticker]
    exchange.crowd_take(market, not order.is_bid, order.price, ALL)  # killed; somebody takes what rests
    bench.pass_time(500)
    bench.restart()
    bench.bot.start_trading()
    assert len(bench.ledger.fills()) > known
    assert len(bench.events("FILL")) - told == len(bench.ledger.fills()) - known
    bench.restart()
    bench.bot.start_trading()
    assert_as_stated(bench)


def test_a_settlement_during_downtime_clears_the_position(
    make_bench: MakeBench,
) -> None:
    """If a market was settled while the bot was down, the next start records the settlement. The ledger does
    not hold the position for ever."""
    bench = make_bench(programs=20, **STILL)
    bench.bot.start_trading()
    exchange = bench.exchange.api.exchange
    order = bench.resting()[0]
    market = exchange.markets[order.ticker]
    exchange.crowd_take(market, not order.is_bid, order.price, ALL)
    lifecycle.settle_now(exchange, market, "yes")
    bench.pass_time(50 * 3_600)
    bench.restart()
    bench.bot.start_trading()
    assert [one.ticker for one in bench.ledger.settlements() if one.change] == [market.ticker]
    assert bench.ledger.positions() == {}
    assert_as_stated(bench)


def test_orders_that_the_ledger_never_saw_are_found_after_a_kill(make_bench: MakeBench) -> None:
    bench = make_bench(**STILL)
    trade_cycles(bench, 2)
    bench.restart()
    quotes = 0

    def kill(request: Any, _: int) -> None:
        nonlocal quotes
        quotes += is_quote(request)
        if quotes == 3:
            raise Killed

    bench.wire.after = kill
    with pytest.raises(Killed):
        bench.bot.start_trading()
    bench.wire.after = None
    assert len(bench.resting()) == 3
    bench.restart()
    bench.pass_time(20)
    trade_cycles(bench, 2)
    bench.bot.start_trading()
    assert {record.order_id for record in bench.ledger.orders()} == stated_orders(bench)
    programs = [terms[-1] for terms in bench.ledger.programs().values()]
    truly = present(truth(bench)["orders"], programs)
    assert total(bench).present == pytest.approx(truly, rel=0.01), "the last ones have only just been placed"


def test_a_full_disk_does_not_stop_the_renewal_of_orders(
    make_bench: MakeBench,
) -> None:
    """If the ledger cannot be written, the bot trades on and logs that once, and its end once. The seconds of
    those cycles are unknown."""
    bench = make_bench(**STILL)
    trade_cycles(bench, 3)
    before = total(bench)
    bench.let_ledger_write(False)
    old = {order.order_id: order.expires or 0 for order in bench.resting()}
    trade_cycles(bench, 3)
    assert old.keys() == {order.order_id for order in bench.resting()}
    assert all((order.expires or 0) > old[order.order_id] + 150 for order in bench.resting()), "renewed"
    (line,) = bench.events("ERROR")
    assert f"The ledger {bench.ledger_file.name} cannot be written: attempt to write a readonly database" in line
    assert "Trading goes on; rewards meanwhile are not counted" in bench.log
    assert total(bench) == before
    bench.let_ledger_write(True)
    trade_cycles(bench, 2)
    assert len([line for line in bench.events("INFO") if "is written again" in line]) == 1
    after = total(bench)
    minute = before.present / 2
    assert after.present == pytest.approx(7 * minute, rel=0.03)
    assert after.unknown == pytest.approx(3 * minute, rel=0.03), "those of the cycles that could not be written"
    assert {record.order_id for record in bench.ledger.orders()} == stated_orders(bench)
    assert_as_stated(bench)


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_ledger_that_cannot_be_begun_leaves_no_order_resting(bench: Bench, is_lost: bool) -> None:
    """If the bot cannot begin its ledger, it cancels its orders, places none and logs the error. If the ledger
    that names them is lost, they expire."""
    trade_cycles(bench, 1)
    assert len(bench.resting()) == 4
    if is_lost:
        bench.ledger_file = bench.ledger_file.with_name("another.db")
    bench.restart()
    bench.let_ledger_write(False)
    bench.run(cycles=7 if is_lost else 3)
    assert bench.resting() == []
    assert "cannot be written" in bench.events("ERROR")[0]
    assert "Orders: the bot has placed none" in bench.log


def test_a_new_simulator_gets_a_new_ledger(bench: Bench) -> None:
    """The ledger of the former simulator is kept under another name, with its fills, and the log names it."""
    trade_cycles(bench, 2)
    fills = bench.ledger.fills()
    bench.exchange.api.run = "another"
    bench.restart()
    bench.bot.start_trading()
    (line,) = [line for line in bench.events("INFO") if "was another account's" in line]
    aside = line.rpartition("now ")[2]
    assert aside == f"{bench.ledger_file.stem}-2026-11-22-150000.db"
    assert Ledger(bench.ledger_file.with_name(aside), read_only=True).fills() == fills
    assert bench.ledger.identity is not None
    assert bench.ledger.identity.run == "another"


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(1, 5),
    kills=st.lists(st.tuples(st.integers(1, 120), st.integers(0, 400)), min_size=1, max_size=4),
)
def test_any_kills_leave_each_fill_counted_once(
    make_bench: MakeBench, seed: int, kills: list[tuple[int, int]]
) -> None:
    """The bot is killed before or after any request and is down for any time. At the end its ledger and the
    day's profit are what the exchange says."""
    bench = make_bench(**BUSY | {"seed": seed, "programs": 10})
    for requests, down in kills:
        left = requests

        def kill(_: Any, __: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed

        setattr(bench.wire, "fault" if requests % 2 else "after", kill)
        bench.run(cycles=12)
        bench.wire.fault = bench.wire.after = None
        bench.pass_time(down)
        bench.restart()
    trade_cycles(bench, 2)
    bench.bot.start_trading()
    assert_as_stated(bench)
    known = bench.ledger.last_mark()
    bench.restart()
    bench.run(cycles=1)
    again = bench.ledger.last_mark()
    assert known is not None
    assert again is not None
    assert_as_stated(bench)


def test_nothing_is_traded_beside_a_ledger_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["market_bot.py"])
    path = market_bot.ledger_file(market_bot.env)
    path.write_text("not a ledger, and longer than the header of a database would ever be: " * 3)
    assert market_bot.main() == 2
    assert "[STOP] The ledger trade-sim.db cannot be opened: file is not a database" in capsys.readouterr().out


def test_an_earlier_fill_is_not_counted_twice_after_a_restart(
    make_bench: MakeBench,
) -> None:
    """A fill a minute before the last one is counted once after a restart. The exchange is asked by whole
    seconds, so it lists up to a second more than the ledger asked for."""
    bench = make_bench(**STILL | {"TRADE_SIZE": 5, "EXIT": "REST"})
    bench.run(cycles=1)
    exchange, clock = bench.exchange.api.exchange, bench.exchange.clock
    for is_bid, seconds in ((True, 60.1 - clock.now().timestamp() % 60), (False, 60.5)):
        bench.pass_time(seconds)
        exchange.advance(clock.now().timestamp())
        fill_quote(bench, is_bid)
    assert bench.run(cycles=1, end=KeyboardInterrupt) == 0
    bench.restart()
    bench.run(cycles=1)
    assert_as_stated(bench)
    assert not any("positions are taken from the exchange" in line for line in bench.events("INFO"))
