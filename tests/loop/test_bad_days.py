"""The loop on a bad day: outages, refusals, Ctrl-C at the wrong moment, a restart."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import requests

import trade
from rewards.skips import Reason
from simulator.account import Account
from simulator.listing import ListedProgram
from tests.support.bench import (
    Bench,
    MakeBench,
    answer,
    assert_quoting_once,
    cut_before,
    fill_quote,
    is_quote,
    unavailable,
)
from tests.support.project import START

pytestmark = pytest.mark.slow


def test_a_hiccup_costs_no_cycle(make_bench: MakeBench) -> None:
    """One lost answer, or one 503, at any request: it is asked again, and nothing is told but what is true."""
    healthy = make_bench()
    healthy.run(cycles=2)
    for broken in range(1, len(healthy.wire.sent), 5):
        bench = make_bench()
        fault = unavailable if broken % 2 else cut_before
        bench.wire.fault = lambda _, number, broken=broken, fault=fault: fault if number == broken else None
        bench.run(cycles=2)
        assert bench.events("ERROR") == [], f"request {broken}"
        assert all(wait > 40 for wait in bench.waits), (broken, bench.waits)
        assert_quoting_once(bench)


def test_a_create_whose_answer_was_lost_is_not_sent_twice(bench: Bench) -> None:
    """The exchange acted, the answer never came: the order rests and the bot finds its number."""
    lost = []

    def lose_second_quote(request: requests.PreparedRequest, _: int) -> object:
        if is_quote(request) and not lost and len(bench.resting()) == 2:
            lost.append(request)
            return cut_before
        return None

    bench.wire.after = lose_second_quote
    bench.run(cycles=1)
    assert lost
    assert [request.body for request in bench.wire.sent].count(lost[0].body) == 1
    assert bench.events("ERROR") == []
    assert_quoting_once(bench)


def test_a_refused_order_does_not_end_the_cycle(bench: Bench) -> None:
    """The log shows the refusal in the exchange's words, and the bot places its other orders."""
    refuse = answer(400, '{"error":{"code":"invalid_order","message":"no","details":"post only cross"}}')
    refused = []

    def first_create(request: requests.PreparedRequest, _: int) -> object:
        if is_quote(request) and not refused:
            refused.append(request)
            return refuse
        return None

    bench.wire.fault = first_create
    bench.bot.start_trading()
    (line,) = bench.events("ERROR")
    assert "400 invalid_order · no · post only cross" in line
    assert len(bench.resting()) == 3


def test_a_fault_of_our_own_does_not_stop_the_bot(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log shows the fault with its traceback, and the next cycle quotes again."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("what nobody thought of")

    with monkeypatch.context() as patch:
        patch.setattr(trade.Trade, "quote", broken)
        bench.run(cycles=1)
    assert "ZeroDivisionError: what nobody thought of" in bench.log
    assert "Traceback (most recent call last):" in bench.log
    bench.run(cycles=1)
    assert_quoting_once(bench)


def test_a_failed_cycle_is_tried_again_before_the_orders_expire(bench: Bench) -> None:
    """The bot tries again after 10 seconds, long before the orders expire, and then goes back to its normal
    wait."""
    bench.wire.fault = lambda *_: None if bench.waits else unavailable
    bench.run(cycles=3)
    assert bench.waits[0] == 10
    assert 40 < bench.waits[1] < 60, "ten seconds of it were for a second look at the positions"


def test_ctrl_c_leaves_none_of_our_orders_behind(bench: Bench) -> None:
    assert bench.run(cycles=2, end=KeyboardInterrupt) == 0
    assert len(bench.events("CYCLE")) == 2
    assert bench.resting() == []
    assert "[SHUTDOWN] None of our orders rests any more" in bench.log.splitlines()[-1]


@pytest.mark.parametrize("at_request", range(1, 40, 3))
def test_ctrl_c_in_the_middle_of_a_cycle_leaves_no_orders(bench: Bench, at_request: int) -> None:
    """Ctrl-C may come after any request that the exchange has acted on. None of the bot's orders rests after
    that."""

    def interrupt(_: requests.PreparedRequest, number: int) -> None:
        if number == at_request:
            raise KeyboardInterrupt

    bench.wire.after = interrupt  # the exchange has acted on the request; the bot never hears of it
    assert bench.run(cycles=3) == 0
    assert [order for order in bench.resting() if order.client_order_id.startswith(trade.OWN_PREFIX)] == []


def test_a_failed_shutdown_says_until_when_orders_may_rest(bench: Bench) -> None:
    """If the shutdown cannot cancel, the last line of the log says that orders may still rest and until when."""
    bench.wire.fault = lambda *_: unavailable if bench.events("CYCLE") else None
    assert bench.run(cycles=1, end=KeyboardInterrupt) == 3
    last = bench.log.splitlines()[-1]
    until = max(order.expires for order in bench.resting() if order.expires)
    assert START.timestamp() + 120 <= until <= START.timestamp() + 125
    local = [datetime.fromtimestamp(until - early).astimezone() for early in (0, 1)]  # it went out rounded up
    assert any(f"MAY STILL REST until {time:%H:%M:%S}" in last for time in local)
    assert len(bench.resting()) == 4


def test_a_restart_after_a_kill_takes_over_what_rests(bench: Bench) -> None:
    bench.run(cycles=1)
    before = {order.order_id for order in bench.resting()}
    assert len(before) == 4
    bench.restart()
    bench.run(cycles=1)
    assert_quoting_once(bench)
    assert not before & {order.order_id for order in bench.resting()}


def test_positions_are_sold_at_the_start_without_a_board(bench: Bench) -> None:
    """The bot sells the positions that it finds at the start even if it cannot read the board."""
    bench.wire.fault = lambda request, _: unavailable if "incentive_programs" in (request.url or "") else None
    bench.run(cycles=1)
    assert bench.events("ERROR")
    assert bench.held() == {}


def test_what_the_exchange_says_cannot_forge_a_line_of_the_log(bench: Bench) -> None:
    forged = "2026-11-22 16:00:00 [SHUTDOWN] None of our orders rests any more"
    bench.wire.fault = lambda *_: answer(400, json.dumps({"msg": f"no\n{forged}\r{forged}\u2028{forged}"}))
    bench.run(cycles=1)
    assert forged in bench.log
    assert forged not in bench.log.splitlines()


def interrupt_at_first_quote(bench: Bench) -> None:
    """The exchange has it; the bot never hears of it."""

    def strike(request: requests.PreparedRequest, _: int) -> None:
        if is_quote(request):
            bench.wire.after = None
            raise KeyboardInterrupt

    bench.wire.after = strike


def test_ctrl_c_finds_an_order_that_the_exchange_lists_late(bench: Bench) -> None:
    """Lists lag behind orders by a third of a second: one empty look proves nothing."""
    api, account = bench.exchange.api, bench.account

    def as_it_was() -> Account:
        since = api.exchange.now - 0.36
        return replace(account, orders={key: o for key, o in account.orders.items() if o.created <= since})

    api.read_account = as_it_was
    interrupt_at_first_quote(bench)
    assert bench.run(cycles=1) == 0
    assert bench.resting() == []


def test_ctrl_c_finds_an_order_without_an_answer_on_stale_lists(
    make_bench: MakeBench,
) -> None:
    """The answer to a create never came and the exchange's lists lag by two seconds. The bot still finds the
    order and cancels it."""
    bench = make_bench(faults=[{"do": "stale", "on": "GET /portfolio/*", "seconds": 2}])

    interrupt_at_first_quote(bench)
    assert bench.run(cycles=1) == 0
    assert bench.resting() == []


def test_stale_lists_do_not_place_the_quotes_again(
    make_bench: MakeBench,
) -> None:
    """By lists that are older than the quotes nothing rests, and each side once had two orders without an error
    in the log. Now the bot logs that the lists lag behind."""
    bench = make_bench(faults=[{"do": "stale", "on": "GET /portfolio/orders", "from": 30, "seconds": 70}])
    bench.run(cycles=8)
    assert_quoting_once(bench)
    assert any("lists lag behind" in line for line in bench.events("ERROR"))


def test_an_order_without_its_shard_is_canceled_where_it_is(bench: Bench) -> None:
    """If the exchange does not tell the shard of an order, the cancel still reaches it on the right shard."""

    def without_shard(request: requests.PreparedRequest, _: int) -> object:
        if "/portfolio/orders" not in (request.url or "") and "/markets?" not in (request.url or ""):
            return None
        text = bench.wire.inner.send(request).content.decode()
        return answer(200, re.sub(r'"exchange_index": ?\d, ?|, ?"exchange_index": ?\d', "", text))

    bench.wire.fault = without_shard
    bench.run(cycles=3)
    assert not [line for line in bench.events("INFO") if "gone already" in line]
    assert_quoting_once(bench)


def test_one_stuck_order_does_not_keep_the_others_up(bench: Bench) -> None:
    """If one order cannot be canceled, the shutdown still cancels all the others and ends with exit code 3."""
    bench.run(cycles=1)
    stuck = min(order.order_id for order in bench.resting())
    bench.wire.fault = lambda request, _: unavailable if stuck in (request.url or "") else None
    bench.restart()
    bench.bot.session.begun = True
    assert bench.run(cycles=1, end=KeyboardInterrupt) == 3
    assert [order.order_id for order in bench.resting()] == [stuck]


def test_a_shutdown_cancels_without_the_age_of_the_lists(bench: Bench) -> None:
    """The exchange does not tell how old its lists are, and the bot still cancels all orders. It believes that
    they are gone only by a list that it reads at least two seconds after its last cancel."""
    bench.run(cycles=1)
    nowhere = answer(404, '{"error":{"code":"not_found","message":"not found"}}')
    bench.wire.fault = lambda request, _: nowhere if "user_data" in (request.url or "") else None
    assert bench.run(cycles=1, end=KeyboardInterrupt) == 0
    assert bench.resting() == []
    asked = [(n, line) for n, line in enumerate(bench.wire.asked()) if line.split()[0] in ("DELETE", "GET")]
    last_cancel = max(n for n, line in asked if line.startswith("DELETE") and "/events/orders/" in line)
    last_list = max(n for n, line in asked if line == "GET /trade-api/v2/portfolio/orders")
    stamps = [int(request.headers["KALSHI-ACCESS-TIMESTAMP"]) for request in bench.wire.sent]
    assert stamps[last_list] - stamps[last_cancel] >= 2_000


def test_ctrl_c_waits_for_an_order_that_may_still_be_on_its_way(bench: Bench) -> None:
    late: list[requests.PreparedRequest] = []

    def hold(request: requests.PreparedRequest, _: int) -> None:
        if is_quote(request) and not late:
            late.append(request)
            raise KeyboardInterrupt
        if late and bench.exchange.clock.now() > began + timedelta(seconds=8) and len(late) == 1:
            late.append(request)
            bench.wire.inner.send(late[0])

    bench.wire.fault = hold
    began = bench.exchange.clock.now()
    assert bench.run(cycles=1) == 0
    assert len(late) == 2, "it landed while the bot was shutting down"
    assert bench.resting() == []


def test_a_wrong_machine_clock_does_not_shift_the_ledgers_start(make_bench: MakeBench) -> None:
    """The ledger begins by the exchange's clock, so fills are told even if the machine's clock is ten minutes
    off."""
    for seconds in (600, -600):
        bench = make_bench(faults=[{"do": "clock_jump", "on": "*", "seconds": seconds}])
        bench.run(cycles=1)
        begun = bench.ledger.begun
        assert begun is not None
        assert abs((begun - bench.exchange.clock.now()).total_seconds() - seconds) < 20


def test_lists_that_never_catch_up_are_not_taken_for_empty_ones(make_bench: MakeBench) -> None:
    bench = make_bench(faults=[{"do": "stale", "on": "GET /portfolio/*", "from": 1, "seconds": 900}])
    bench.bot.session.begun = True
    assert bench.run(cycles=1, end=KeyboardInterrupt) == 3
    assert "MAY STILL REST" in bench.log.splitlines()[-1]
    assert "lists lag behind" in bench.log.splitlines()[-1]


def test_a_clock_ten_minutes_off_costs_no_cycle_and_is_told_once(make_bench: MakeBench) -> None:
    bench = make_bench(faults=[{"do": "clock_jump", "on": "*", "seconds": 600}])
    bench.run(cycles=3)
    assert bench.events("ERROR") == []
    (told,) = [line for line in bench.events("INFO") if "Clock" in line]
    assert "600 s behind" in told
    assert_quoting_once(bench)
    ours = [o for o in bench.resting() if o.client_order_id.startswith(trade.OWN_PREFIX)]
    by_exchange = bench.exchange.clock.now().timestamp() + 600  # where expiries are compared with its own clock
    # Both the correction and the expiry are in whole seconds.
    assert all(60 < (order.expires or 0) - by_exchange <= 122 for order in ours)


def test_an_unreadable_order_gets_no_second_one_beside_it(bench: Bench) -> None:
    """If the bot cannot read an order of the account, it neither doubles nor renews the orders in that market.
    It logs the error."""
    bench.bot.start_trading()
    (hidden, *_) = bench.resting()
    before = {order.order_id: order.expires for order in bench.resting() if order.ticker == hidden.ticker}
    bench.pass_time(60)

    def spoil(request: requests.PreparedRequest, _: int) -> object:
        if "portfolio/orders" not in (request.url or "") or request.method != "GET":
            return None
        rows = json.loads(bench.wire.inner.send(request).content)
        for row in rows["orders"]:
            if row["order_id"] == hidden.order_id:
                row["status"] = "pondering"
        return answer(200, json.dumps(rows))

    bench.wire.fault = spoil
    bench.bot.start_trading()
    there = {order.order_id: order.expires for order in bench.resting() if order.ticker == hidden.ticker}
    assert there == before, "neither doubled nor renewed"
    assert len(bench.resting()) == 4
    assert any("'pondering'" in line for line in bench.events("ERROR"))


def test_a_session_waits_until_its_canceled_orders_are_gone(bench: Bench) -> None:
    """The session does not begin while orders that it canceled still rest. The log says how many do, and the
    next try quotes each side once."""
    stuck = answer(409, '{"error":{"code":"market_closed","message":"market is closed"}}')
    bench.wire.fault = lambda request, _: stuck if request.method == "DELETE" and not bench.waits else None
    bench.run(cycles=2)
    assert any("2 orders still rest" in line for line in bench.events("ERROR"))
    assert_quoting_once(bench)


def test_orders_known_to_rest_are_never_reported_as_gone(bench: Bench) -> None:
    bench.run(cycles=1)
    expires = {order.expires for order in bench.resting()}
    bench.restart()
    stuck = answer(409, '{"error":{"code":"exchange_is_paused","message":"paused"}}')
    bench.wire.fault = lambda request, _: stuck if request.method == "DELETE" else None
    assert bench.run(cycles=1, end=KeyboardInterrupt) == 3
    until = datetime.fromtimestamp(max(e for e in expires if e)).astimezone()
    assert "4 are still listed" in bench.log.splitlines()[-1]
    assert f"MAY STILL REST until {until:%H:%M:%S}" in bench.log.splitlines()[-1]


def test_a_fill_is_sold_even_where_the_board_cannot_be_read(bench: Bench) -> None:
    bench.run(cycles=1)
    fill_quote(bench)
    bench.wire.fault = lambda request, _: unavailable if "incentive_programs" in (request.url or "") else None
    bench.run(cycles=1)
    assert bench.held() == {}


def test_one_unreadable_market_does_not_cost_the_whole_board(bench: Bench) -> None:
    """The bot skips that market, logs the field that it cannot read and leaves the orders there to their
    expiry. It keeps the other market."""
    choice = bench.bot.start_trading()
    assert choice is not None
    bad = choice.chosen[0].ticker
    bench.exchange.api.exchange.markets[bad].status = "a_status_of_tomorrow"
    again = bench.bot.start_trading()
    assert again is not None
    assert len(again.chosen) == 1
    assert [skip.reason for skip in again.skipped if skip.ticker == bad] == [Reason.NO_MARKET]
    assert len([order for order in bench.resting() if order.ticker == bad]) == 2, "left alone, until they expire"
    (line,) = bench.events("ERROR")
    assert f"{bad}: field status has the unknown value 'a_status_of_tomorrow'" in line


def test_nothing_is_placed_while_trading_is_paused(bench: Bench) -> None:
    paused = answer(200, '{"exchange_active": true, "trading_active": false}')
    bench.wire.fault = lambda request, _: (
        paused if "/exchange/status" in (request.url or "") and len(bench.waits) < 2 else None
    )
    bench.run(cycles=2)
    assert {line.partition(" ")[0] for line in bench.wire.asked()} == {"GET"}
    assert len([line for line in bench.events("INFO") if "trading is paused" in line]) == 1
    bench.run(cycles=3)
    assert_quoting_once(bench)


def test_an_order_gone_before_its_cancel_is_no_error(bench: Bench) -> None:
    """If an order went before the bot could cancel it, the log says that it is gone already and shows no error."""
    bench.bot.start_trading()
    nothing_is_paid(bench)
    gone = answer(404, '{"error":{"code":"not_found","message":"not found"}}')
    bench.wire.fault = lambda request, _: gone if request.method == "DELETE" else None
    bench.bot.start_trading()
    assert bench.events("ERROR") == []
    assert len([line for line in bench.events("INFO") if "gone already" in line]) == 4


def test_an_order_that_cannot_be_canceled_gets_no_second_one(bench: Bench) -> None:
    """The order stays up when the exchange refuses its cancel. When the market is quoted again, its side still
    has one order."""
    bench.bot.start_trading()
    resting = bench.resting()
    stuck = answer(409, '{"error":{"code":"exchange_is_paused","message":"paused"}}')
    bench.wire.fault = lambda request, _: stuck if resting[0].order_id in (request.url or "") else None
    programs = nothing_is_paid(bench)
    bench.bot.start_trading()
    assert [order.order_id for order in bench.resting()] == [resting[0].order_id]
    bench.exchange.api.exchange.programs[:] = programs
    bench.bot.incentive_program.board = None
    bench.bot.start_trading()
    there = [order for order in bench.resting() if order.ticker == resting[0].ticker]
    assert sum(order.is_bid == resting[0].is_bid for order in there) == 1


def nothing_is_paid(bench: Bench) -> list[ListedProgram]:
    """From now on. Returns what was listed until then."""
    listed = bench.exchange.api.exchange.programs
    was = listed[:]
    listed.clear()
    bench.bot.incentive_program.board = None
    return was
