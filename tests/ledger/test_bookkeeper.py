"""The ledger beside a trading bot: what it says is what the exchange says, whatever happened in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import market_bot
from benchmarks.harness import accrued
from ledger.entries import AccruedSeconds
from ledger.ledger import Ledger
from simulator import lifecycle, statement
from simulator.matching import CONTRACT
from simulator.opening import CUSTOMER
from tests.support.bench import (
    BUSY,
    STILL,
    Bench,
    Killed,
    buy_by_hand,
    fill_quote,
    is_quote,
    trade_cycles,
    unavailable,
    with_windows,
)
from tests.support.project import START
from tests.support.statements import own_orders, present, traded_since

D = Decimal


ALL = 1_000_000 * CONTRACT
"""As much as anybody would want: also what rests ahead of us."""


def truth(bench: Bench) -> dict[str, Any]:
    return statement.statement(bench.exchange.api.exchange, CUSTOMER)


def assert_as_stated(bench: Bench) -> None:
    """Fills, fees, positions, settlements and the day's profit are the exchange's, to the last digit."""
    said, true = bench.ledger, truth(bench)
    stated = {one["fill_id"]: (D(one["count_fp"]), D(one["fee_cost"])) for one in true["fills"]}
    assert {one.fill_id: (one.count, one.fee) for one in said.fills()} == stated
    assert {ticker: D(count) for ticker, count in true["positions"].items()} == said.positions()
    assert sum(one.revenue for one in said.settlements()) == D(true["totals"].get("settlement", 0))
    mark = said.last_mark()
    assert mark is not None
    assert mark.day_profit == traded_since(true, bench.exchange.clock.now().replace(hour=0, minute=0)) - opening(
        bench
    )


def opening(bench: Bench) -> Decimal:
    marks = bench.ledger.day_marks(bench.exchange.clock.now().date())
    assert marks is not None
    return sum((abs(mark.contracts) * mark.price for mark in marks.values()), start=D(0))


def stated_orders(bench: Bench) -> set[str]:
    """The bot's orders by the exchange's own word."""
    return {order["order_id"] for order in own_orders(truth(bench)["orders"])}


def total(bench: Bench) -> AccruedSeconds:
    return sum(bench.ledger.seconds().values(), start=AccruedSeconds())


def test_fills_fees_positions_and_profit_are_the_exchanges(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(**BUSY)
    trade_cycles(bench, 25)
    bench.bot.start_trading()
    assert len(bench.ledger.fills()) > 6
    ours = {record.order_id for record in bench.ledger.orders()}
    begun = bench.ledger.begun or START
    theirs = [one for one in bench.ledger.fills(begun) if one.order_id not in ours]
    assert theirs == [], "every fill is joined to its order"
    assert_as_stated(bench)


def test_fills_during_downtime_are_counted_once(
    make_bench: Callable[..., Bench],
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
    make_bench: Callable[..., Bench],
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
    assert len(bench.ledger.settlements()) == 1
    assert bench.ledger.positions() == {}
    assert_as_stated(bench)


def test_money_put_in_or_taken_out_is_no_profit(bench: Bench) -> None:
    trade_cycles(bench, 2)
    before = bench.ledger.last_mark()
    exchange = bench.exchange.api.exchange
    exchange.withdraw_cash(bench.account, 0, 50_000)
    exchange.move_cash(bench.account, 0, 1, 1_000_000)
    trade_cycles(bench, 1)
    after = bench.ledger.last_mark()
    assert before is not None
    assert after is not None
    assert after.day_profit == before.day_profit
    assert before.free_cash is not None
    assert after.free_cash == before.free_cash - 500


def hold(bench: Bench) -> str:
    """Fill an order of ours in a market that then nobody bids in: what is held cannot be sold."""
    exchange = bench.exchange.api.exchange
    order = next(one for one in bench.resting() if one.is_bid)
    market = exchange.markets[order.ticker]
    exchange.crowd_take(market, False, order.price, ALL)
    lifecycle.halt(exchange, market)
    return order.ticker


@pytest.mark.parametrize("down", [False, True], ids=["it runs", "killed before midnight"])
def test_a_position_over_midnight_is_marked_at_midnights_bids(
    make_bench: Callable[..., Bench], down: bool
) -> None:
    """The day's profit counts from the best bid at midnight, also if the bot was down at that time."""
    bench = make_bench(programs=20, **STILL)
    bench.bot.start_trading()
    ticker = hold(bench)
    bench.pass_time(60)
    bench.bot.start_trading()
    book = bench.exchange.api.exchange.markets[ticker].book
    best = book.bids.best()
    assert best
    bench.pass_time(8 * 3600 + 55 * 60)  # 23:57
    if down:
        bench.restart()
    else:
        trade_cycles(bench, 1)
    bench.pass_time(600)
    while book.bids.best() == best:
        book.bids.remove(book.bids.first(best))
    worse = book.bids.best()
    assert worse
    trade_cycles(bench, 3)
    (mark,) = (bench.ledger.day_marks(bench.exchange.clock.now().date()) or {}).values()
    assert mark.contracts == 20
    assert mark.price == D(best) / 10_000
    last = bench.ledger.last_mark()
    assert last is not None
    assert last.held == 20 * D(worse) / 10_000
    assert last.day_profit == last.held - 20 * mark.price < 0


def test_seconds_in_a_halted_market_are_not_taken_to_be_paid(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(**STILL)
    trade_cycles(bench, 2)
    before = total(bench)
    exchange = bench.exchange.api.exchange
    for ticker in {order.ticker for order in bench.resting()}:
        lifecycle.halt(exchange, exchange.markets[ticker])
    bench.bot.start_trading()
    added = total(bench) + AccruedSeconds(*(-number for number in before))
    assert added.unknown == pytest.approx(added.present)
    assert added.present > 100
    assert added.reward == 0


def test_the_seconds_of_a_short_gap_count(
    make_bench: Callable[..., Bench],
) -> None:
    """The seconds of a short gap between two runs count as qualified. Those of a long gap are unknown."""
    bench = make_bench(**STILL)
    for down, unknown in ((50, False), (130, True)):
        trade_cycles(bench, 2)
        before = total(bench)
        bench.restart()
        bench.pass_time(down - 60)
        bench.bot.start_trading()
        added = total(bench) + AccruedSeconds(*(-number for number in before))
        assert added.present > 4 * 45
        assert added.qualified == pytest.approx(0 if unknown else added.present)
        assert added.unknown == pytest.approx(added.present if unknown else 0)
        bench.pass_time(60)


def test_orders_that_the_ledger_never_saw_are_found_after_a_kill(make_bench: Callable[..., Bench]) -> None:
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


def test_the_last_minute_of_a_window_is_paid_and_counted(make_bench: Callable[..., Bench]) -> None:
    """Between two looks a window ends; by the second one its market is not of interest to anybody else."""
    bench = make_bench(TRADE_TICKER_SIZE=4, FILL_COST=0, **STILL)
    windows = {"KXRAINCHI-26DEC09-T2": (60, 5, 1_000, 5_000), "KXCPI-26DEC21-T5": (40, 5, 300, 5_000)}
    ids = with_windows(bench, windows)
    bench.run(cycles=8)
    windows_paid = {one["program_id"]: one for one in truth(bench)["rewards"] if one["program_id"] in ids}
    said = bench.ledger.accrued_by_program()
    assert set(windows_paid) == set(ids) == set(said)
    for name, window in windows_paid.items():
        assert said[name] == pytest.approx(accrued(window), rel=0.01)


def test_a_full_disk_does_not_stop_the_renewal_of_orders(
    make_bench: Callable[..., Bench],
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
    assert "Trading goes on, what is earned meanwhile is not counted" in bench.log
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


def test_a_ledger_that_cannot_be_begun_leaves_no_order_resting(bench: Bench) -> None:
    """If the bot cannot begin its ledger, it cancels its orders, places none and logs the error."""
    trade_cycles(bench, 1)
    assert len(bench.resting()) == 4
    bench.ledger_file = bench.ledger_file.with_name("another.db")
    bench.restart()
    bench.let_ledger_write(False)
    bench.run(cycles=3)
    assert bench.resting() == []
    assert "cannot be written" in bench.events("ERROR")[0]
    assert "orders: none of ours was placed" in bench.log


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


def test_ctrl_c_leaves_a_finished_ledger(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(**BUSY)
    assert bench.run(cycles=10, end=KeyboardInterrupt) == 0
    assert bench.ledger.sessions()[0][2] == "stopped: Ctrl-C"
    assert all(record.ended for record in bench.ledger.orders())
    assert bench.ledger.looks() == {}
    mark = bench.ledger.last_mark()
    assert mark is not None
    assert mark.free_cash == sum(map(D, truth(bench)["cash"].values()))
    assert_as_stated(bench)


def test_ctrl_c_does_not_wait_for_the_list_of_fills(bench: Bench) -> None:
    """If the exchange does not answer for its fills, Ctrl-C still cancels the bot's orders and exits with 0.
    The log says that the next start asks for what is missing."""
    trade_cycles(bench, 1)
    bench.wire.fault = lambda request, _: unavailable if "/portfolio/fills" in (request.url or "") else None
    assert bench.run(cycles=1, end=KeyboardInterrupt) == 0
    assert bench.resting() == []
    assert "None of our orders rests any more" in bench.events("SHUTDOWN")[-1]
    assert "The next start asks the exchange for what is missing" in bench.log


def test_a_persons_trades_count_in_the_profit(bench: Bench) -> None:
    """The fills of a person's order are in the ledger and in the profit. The order is not listed among those of
    the bot."""
    trade_cycles(bench, 1)
    exchange = bench.exchange.api.exchange
    ticker = next(ticker for ticker, market in exchange.markets.items() if market.book.asks.best())
    order_id = buy_by_hand(bench, ticker)
    bench.bot.start_trading()
    assert order_id in {fill.order_id for fill in bench.ledger.fills()}
    assert order_id not in {record.order_id for record in bench.ledger.orders()}
    assert_as_stated(bench)


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    seed=st.integers(1, 5),
    kills=st.lists(st.tuples(st.integers(1, 120), st.integers(0, 400)), min_size=1, max_size=4),
)
def test_any_kills_leave_each_fill_counted_once(
    make_bench: Callable[..., Bench], seed: int, kills: list[tuple[int, int]]
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
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = market_bot.ledger_file(market_bot.env)
    path.write_text("not a ledger, and longer than the header of a database would ever be: " * 3)
    assert market_bot.main() == 2
    assert "[ERROR] The ledger trade-sim.db cannot be opened: file is not a database" in capsys.readouterr().out


def test_a_ledger_is_thinned_while_the_bot_runs(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(programs=20, **STILL)
    trade_cycles(bench, 3)
    bench.pass_time(timedelta(days=2, hours=1).total_seconds())
    trade_cycles(bench, 2)
    assert len(bench.ledger.cycles()) == 2
    assert len(bench.ledger.orders()) < 5 * 4


def test_a_cycle_that_failed_is_remembered_with_its_reason(bench: Bench) -> None:
    bench.run(cycles=1)
    bench.wire.fault = lambda request, _: unavailable if "/markets/orderbooks" in (request.url or "") else None
    bench.run(cycles=2)
    bench.wire.fault = None
    bench.run(cycles=1)
    problems = [cycle.problem for cycle in bench.ledger.cycles()]
    assert [bool(problem) for problem in problems] == [False, True, True, False]
    assert "GET /markets/orderbooks" in problems[1]
    assert "503" in problems[1]


def test_a_settlement_clears_the_position_while_the_bot_runs(make_bench: Callable[..., Bench]) -> None:
    """When a market settles while the bot runs, its position leaves the ledger."""
    bench = make_bench(programs=20, **STILL)
    bench.bot.start_trading()
    ticker = hold(bench)
    bench.pass_time(60)
    trade_cycles(bench, 2)
    assert bench.ledger.positions() == {ticker: D(20)}
    exchange = bench.exchange.api.exchange
    lifecycle.settle_now(exchange, exchange.markets[ticker], "no")
    trade_cycles(bench, 2)
    assert bench.ledger.positions() == {}
    assert_as_stated(bench)


def test_a_quiet_cycle_asks_for_resting_orders_only(make_bench: Callable[..., Bench]) -> None:
    """A cycle in which nothing happened asks for no order that the bot itself cancelled."""
    bench = make_bench(**STILL)
    trade_cycles(bench, 2)
    sent = len(bench.wire.sent)
    trade_cycles(bench, 1)
    asked = [request.path_url for request in bench.wire.sent[sent:] if "/portfolio/orders" in request.path_url]
    assert asked
    assert all("status=resting" in url for url in asked)


def test_a_fill_while_a_ledger_begins_is_counted_once(bench: Bench) -> None:
    """A person trades at the very moment when the bot reads the positions for a new ledger. The fill falls
    between the two lists that begin it."""
    exchange = bench.exchange.api.exchange
    ticker = next(ticker for ticker, market in exchange.markets.items() if market.book.asks.best())
    seen = 0

    def trade(request: Any, _: int) -> None:
        nonlocal seen
        if "/portfolio/positions" in (request.url or ""):
            seen += 1
            if seen == 1:
                buy_by_hand(bench, ticker)

    bench.wire.fault = trade
    bench.bot.start_trading()
    bench.bot.start_trading()
    assert seen > 1
    assert_as_stated(bench)


def test_a_fill_that_cannot_be_read_is_told_and_ends_no_cycle(make_bench: Callable[..., Bench]) -> None:
    faults = [{"do": "missing_field", "on": "GET /portfolio/fills", "field": "fee_cost", "times": 1}]
    bench = make_bench(faults=faults)
    bench.bot.start_trading()
    assert "A fill is missing in the ledger" in bench.log
    assert len(bench.resting()) == 4


def test_the_seconds_of_a_failed_cycle_are_not_counted_twice(
    make_bench: Callable[..., Bench],
) -> None:
    """A cycle counts its seconds and then fails. After a kill the bot does not count these seconds again."""
    bench = make_bench(**STILL)
    trade_cycles(bench, 3)
    bench.wire.fault = lambda request, _: unavailable if request.method == "POST" else None
    bench.run(cycles=1)
    bench.wire.fault = None
    assert bench.ledger.cycles()[-1].problem
    bench.restart()
    trade_cycles(bench, 2)
    bench.bot.start_trading()
    programs = [terms[-1] for terms in bench.ledger.programs().values()]
    assert total(bench).present == pytest.approx(present(truth(bench)["orders"], programs), rel=0.01)


def test_a_window_that_left_the_board_is_counted_to_its_end(make_bench: Callable[..., Bench]) -> None:
    """A scan of the board no longer lists a window. The bot still counts what it accrued until its end."""
    bench = make_bench(FILL_COST=0, **STILL)
    ids = with_windows(bench, {"KXRAINCHI-26DEC09-T2": (60, 5, 1_000, 5_000)})
    trade_cycles(bench, 5)
    bench.bot.scan_board()
    bench.bot.start_trading()
    (window,) = [one for one in truth(bench)["rewards"] if one["program_id"] in ids]
    assert bench.board().programs == ()
    assert bench.ledger.accrued_by_program()[window["program_id"]] == pytest.approx(accrued(window), rel=0.01)


# -- fills that are listed again -------------------------------------------------------------------------------


def test_an_earlier_fill_is_not_counted_twice_after_a_restart(
    make_bench: Callable[..., Bench],
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
    assert not any("positions are taken as the exchange has them" in line for line in bench.events("INFO"))


def test_a_fill_that_two_pages_list_is_counted_once(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(
        faults=[{"do": "repeated_cursor", "on": "GET /portfolio/fills", "from": 70, "times": 1}],
        **STILL | {"TRADE_SIZE": 5},
    )
    bench.run(cycles=1)
    bench.pass_time(90)
    fill_quote(bench)
    for _ in range(4):
        bench.run(cycles=1)
        bench.pass_time(60)
    assert bench.events("HALT") == []
    assert_as_stated(bench)
