"""Orders that stay: what the loop keeps up, moves, sells and lets the exchange take down."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest
import requests

from benchmarks.harness import desk
from benchmarks.presence import BUSY, CYCLES, PROGRAMS, WITH_FILLS, hour
from risk.guards import Guards
from simulator import order_groups
from simulator.matching import CONTRACT
from simulator.opening import CUSTOMER
from simulator.people import EVERYBODY
from tests.slow import limits
from tests.support.bench import MakeBench, answer, assert_quoting_once, fill_quote, unavailable
from tests.support.small_exchange import take
from trade import OWN_PREFIX

pytestmark = pytest.mark.slow

D = Decimal

# -- presence --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "least"), [((), 0.995), (EVERYBODY, 0.98)], ids=["nobody takes", "everybody"])
def test_wanted_sides_are_quoted_all_the_time(who: tuple[str, ...], least: float) -> None:
    """The bot needs at most twelve requests a cycle for this, and at most four of them are writes."""
    with desk(1, PROGRAMS, who) as one:
        told = hour(one, CYCLES)
    assert told.wanted > 0.9 * 4 * 60 * CYCLES
    assert told.part >= least, f"{told}"
    assert told.requests <= 12
    assert told.writes <= 4


@pytest.mark.parametrize(("seed", "least"), [(8, 0.98), (WITH_FILLS, 0.95)], ids=["usual", "much news"])
def test_busy_markets_at_the_touch_are_quoted_all_the_time_too(seed: int, least: float) -> None:
    """Most of what is missing are the seconds from a withdrawal between two cycles to the next cycle."""
    with desk(seed, PROGRAMS, EVERYBODY, BUSY) as one:
        told = hour(one, 30)
    assert told.part >= least, f"{told}"
    assert told.contracts > 0


def test_what_stays_keeps_its_place_in_the_queue(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.run(cycles=5)
    assert len(bench.resting()) == 4
    ours = [order for order in bench.account.orders.values() if order.client_order_id.startswith(OWN_PREFIX)]
    assert len([order for order in ours if order.group_id]) == 4, "none was placed twice"
    assert all((order.expires or 0) > bench.exchange.clock.now().timestamp() + 60 for order in bench.resting())


def test_renewals_are_sent_while_the_board_cannot_be_scanned(make_bench: MakeBench) -> None:
    """A scan that takes too long is given up before what rests expires."""
    bench = make_bench(who=(), SCAN_TIME=60, programs=300, EXPIRATION_TS=0.5)
    bench.run(cycles=1)
    before = {order.order_id for order in bench.resting()}
    slow_ones = 0

    def slow(request: requests.PreparedRequest, _: int) -> None:
        nonlocal slow_ones
        if "incentive_programs" in (request.url or "") or (slow_ones and not bench.events("ERROR")):
            slow_ones += 1
            bench.exchange.clock.advance(20)

    bench.pass_time(60)
    bench.wire.after = slow
    bench.run(cycles=2)
    assert any("Reading the board" in line for line in bench.events("ERROR"))
    assert {order.order_id for order in bench.resting()} == before


def test_a_slow_cycle_is_told_and_not_made_up_for(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.run(cycles=1)

    def slow(request: requests.PreparedRequest, _: int) -> None:
        if "/markets/orderbooks" in (request.url or ""):
            bench.exchange.clock.advance(70)
            bench.wire.after = None

    bench.wire.after = slow
    began = bench.exchange.clock.monotonic()
    bench.run(cycles=2)
    (line,) = [line for line in bench.events("INFO") if "Slow cycle" in line]
    assert re.search(r"it took 7\d\.\d s, more than 60 \(.* suspended\); the next one begins at once", line)
    assert bench.exchange.clock.monotonic() - began < 71 + 61 + 5


# -- exits -----------------------------------------------------------------------------------------------------


def test_a_fill_is_sold_at_the_best_bid_and_its_side_pauses(make_bench: MakeBench) -> None:
    """The log tells the cost of the exit once. The other side stays quoted, and the pause ends later."""
    bench = make_bench(who=(), TRADE_SIZE=5)
    bench.run(cycles=1)
    ticker, _ = fill_quote(bench)
    bench.run(cycles=1)
    assert bench.held() == {}
    assert any(ticker in line and "Side: yes" in line for line in bench.events("CLOSE POSITION"))
    costs = [line for line in bench.events("INFO") if "Exit cost" in line and ticker in line]
    assert len(costs) == 1
    assert "Spread: $" in costs[0]
    assert "Fee: $" in costs[0]
    assert any(ticker in line and "Side: yes | Guard: it was filled" in line for line in bench.events("GUARD"))
    here = [order for order in bench.resting() if order.ticker == ticker]
    assert [order.is_bid for order in here] == [False], "the other side stays"
    bench.run(cycles=3)
    assert any("Guard: ended" in line for line in bench.events("GUARD"))
    assert_quoting_once(bench)


def test_a_resting_exit_sells_as_a_maker(make_bench: MakeBench) -> None:
    """It takes the place of its side's quote, at the best bid. It pays no taker fee."""
    bench = make_bench(who=(), TRADE_SIZE=5, EXIT="REST")
    bench.run(cycles=1)
    bench.pass_time(10)
    ticker, size = fill_quote(bench)
    bench.run(cycles=1)
    assert bench.held()[ticker] == size
    (exit_,) = [order for order in bench.resting() if order.ticker == ticker]
    assert not exit_.is_bid
    assert exit_.remaining == size
    assert take(bench.exchange.api.exchange, exit_) == size
    assert ticker not in bench.held()
    assert not bench.account.fills[-1].is_taker, "it pays no taker's fee"


def test_a_partial_fill_is_topped_up_once_its_side_comes_back(make_bench: MakeBench) -> None:
    bench = make_bench(who=(), TRADE_SIZE=5, FILL_PAUSE=0)
    bench.run(cycles=1)
    ticker, _ = fill_quote(bench, part=0.4)
    bench.run(cycles=3)
    assert bench.held() == {}
    assert {order.remaining for order in bench.resting() if order.ticker == ticker} == {5 * CONTRACT}


# -- order groups ---------------------------------------------------------------------------------------------


def test_quotes_are_in_a_group_that_one_largest_order_fills_up(make_bench: MakeBench) -> None:
    """The limit of each order group is the size of one largest order. The shutdown leaves no group behind."""
    bench = make_bench(TRADE_SIZE=7)
    bench.run(cycles=2)
    groups = bench.account.groups
    assert {order.group_id for order in bench.resting()} <= set(groups)
    assert {group.limit for group in groups.values()} == {7 * CONTRACT}
    assert bench.run(cycles=1, end=KeyboardInterrupt) == 0
    assert bench.account.groups == {}, "none is left behind"


def test_a_limit_of_ones_own_is_kept(make_bench: MakeBench) -> None:
    bench = make_bench(TRADE_SIZE=7, FILL_LIMIT=3)
    bench.run(cycles=2)
    assert {group.limit for group in bench.account.groups.values()} == {3 * CONTRACT}


def test_a_triggered_group_is_noticed_waited_out_and_reset(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.run(cycles=2)
    exchange = bench.exchange.api.exchange
    for group in list(bench.account.groups.values()):
        order_groups.trigger(exchange, CUSTOMER, group.group_id, group.shard)
    assert bench.resting() == []
    bench.run(cycles=1)
    assert not [order for order in bench.resting() if exchange.markets[order.ticker].shard == 0]
    assert any("were canceled, but not by the bot" in line for line in bench.events("GUARD"))
    bench.run(cycles=3)
    assert not any(group.triggered for group in bench.account.groups.values())
    assert_quoting_once(bench)
    assert bench.events("ERROR") == []


def test_a_group_that_cannot_be_reset_is_replaced(make_bench: MakeBench) -> None:
    """A failed reset costs no other pause: the bot quotes in a new group."""
    bench = make_bench(who=(), faults=[{"do": "503", "on": "PUT /portfolio/order_groups/*", "times": 12}])
    bench.run(cycles=2)
    exchange = bench.exchange.api.exchange
    for group in list(bench.account.groups.values()):
        order_groups.trigger(exchange, CUSTOMER, group.group_id, group.shard)
    triggered = set(bench.account.groups)
    bench.run(cycles=5)
    assert any("Order group: could not be reset" in line for line in bench.events("INFO"))
    assert_quoting_once(bench)
    groups = {order.group_id for order in bench.resting()}
    assert None not in groups
    assert not groups & triggered
    assert len([line for line in bench.events("GUARD") if "Until" in line]) == 1


def test_a_create_that_its_group_refuses_pauses_the_shard(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.run(cycles=1)
    fill_quote(bench)
    fill_quote(bench, is_bid=False)
    for group in bench.account.groups.values():
        group.triggered = True  # nothing rests in it any more that could be missed
    bench.let_expire(bench.resting())
    bench.bot.session.memory.guards = Guards(timedelta(seconds=bench.settings.fill_pause))
    bench.run(cycles=1)
    assert any("exceeded_order_group_risk_limit" in line for line in bench.events("ERROR"))
    assert any("order group accepts no orders" in line for line in bench.events("GUARD"))
    bench.run(cycles=5)
    assert_quoting_once(bench)


# -- limits, cycle by cycle ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("run", "cycles"), [*zip(limits.RUNS, (15, 40, 40, 15), strict=True)])
def test_no_limit_is_broken_in_hours_of_trading(run: limits.Run, cycles: int) -> None:
    """The limits hold with each mix of simulated people, from all kinds to a few."""
    print(run)
    wrong, _ = limits.trade(run, cycles)
    assert wrong == []


# -- blind -----------------------------------------------------------------------------------------------------


def test_a_quoted_market_without_a_book_is_left_to_its_expiry(make_bench: MakeBench) -> None:
    """If the exchange does not tell the book of a quoted market, the bot does not renew the orders there. It
    renews those in other markets."""
    bench = make_bench(who=())
    bench.run(cycles=1)
    hidden = bench.resting()[0].ticker
    before = {order.order_id: order.expires for order in bench.resting()}

    def hide(request: requests.PreparedRequest, _: int) -> object:
        if "/markets/orderbooks" not in (request.url or ""):
            return None
        rows = json.loads(bench.wire.inner.send(request).content)
        return answer(200, json.dumps({"orderbooks": [r for r in rows["orderbooks"] if r["ticker"] != hidden]}))

    bench.wire.fault = hide
    bench.pass_time(60)
    bench.bot.start_trading()
    after = {order.order_id: order.expires for order in bench.resting()}
    assert after.keys() == before.keys()
    for order in bench.resting():
        assert (order.expires == before[order.order_id]) == (order.ticker == hidden)


def test_an_unreadable_account_is_not_added_to_or_renewed(make_bench: MakeBench) -> None:
    """If the bot cannot read orders, fills, positions or books, it logs an error and neither places nor renews
    an order."""
    for what in ("portfolio/orders", "portfolio/fills", "portfolio/positions", "/markets/orderbooks"):
        bench = make_bench(who=())
        bench.run(cycles=1)
        before = {order.order_id: order.expires for order in bench.resting()}
        bench.wire.fault = lambda r, _, what=what: (  # type: ignore[misc]
            unavailable if r.method == "GET" and what in (r.url or "") else None
        )
        bench.run(cycles=1)
        assert {order.order_id: order.expires for order in bench.resting()} == before
        assert bench.events("ERROR")
