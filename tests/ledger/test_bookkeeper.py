"""The ledger beside a trading bot: what it says is what the exchange says, whatever happened in between."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from benchmarks.harness import accrued
from ledger.entries import AccruedSeconds
from simulator import lifecycle
from tests.support.bench import (
    ALL,
    BUSY,
    STILL,
    Bench,
    MakeBench,
    buy_by_hand,
    fill_quote,
    trade_cycles,
    unavailable,
)
from tests.support.boards import with_windows
from tests.support.project import START
from tests.support.statements import assert_as_stated, present, total, truth

pytestmark = pytest.mark.slow

D = Decimal


def test_fills_fees_positions_and_profit_are_the_exchanges(make_bench: MakeBench) -> None:
    bench = make_bench(**BUSY)
    trade_cycles(bench, 25)
    bench.bot.start_trading()
    assert len(bench.ledger.fills()) > 6
    ours = {record.order_id for record in bench.ledger.orders()}
    begun = bench.ledger.begun or START
    theirs = [one for one in bench.ledger.fills(begun) if one.order_id not in ours]
    assert theirs == [], "every fill is joined to its order"
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
def test_a_position_over_midnight_is_marked_at_midnights_bids(make_bench: MakeBench, down: bool) -> None:
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


def test_seconds_in_a_halted_market_are_not_taken_to_be_paid(make_bench: MakeBench) -> None:
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
    make_bench: MakeBench,
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


def test_the_last_minute_of_a_window_is_paid_and_counted(make_bench: MakeBench) -> None:
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


def test_ctrl_c_leaves_a_finished_ledger(make_bench: MakeBench) -> None:
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
    The log says that the next start reads what the ledger lacks."""
    trade_cycles(bench, 1)
    bench.wire.fault = lambda request, _: unavailable if "/portfolio/fills" in (request.url or "") else None
    assert bench.run(cycles=1, end=KeyboardInterrupt) == 0
    assert bench.resting() == []
    assert "None of our orders rests any more" in bench.events("SHUTDOWN")[-1]
    assert "The next start reads from the exchange what the ledger lacks" in bench.log


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


def test_a_ledger_is_thinned_while_the_bot_runs(make_bench: MakeBench) -> None:
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


def test_a_settlement_clears_the_position_while_the_bot_runs(make_bench: MakeBench) -> None:
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


def test_a_quiet_cycle_asks_for_resting_orders_only(make_bench: MakeBench) -> None:
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


def test_a_fill_that_cannot_be_read_is_told_and_ends_no_cycle(make_bench: MakeBench) -> None:
    faults = [{"do": "missing_field", "on": "GET /portfolio/fills", "field": "fee_cost", "times": 1}]
    bench = make_bench(faults=faults)
    bench.bot.start_trading()
    assert "A fill is missing in the ledger" in bench.log
    assert len(bench.resting()) == 4


def test_the_seconds_of_a_failed_cycle_are_not_counted_twice(
    make_bench: MakeBench,
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


def test_a_window_that_left_the_board_is_counted_to_its_end(make_bench: MakeBench) -> None:
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


def test_a_fill_that_two_pages_list_is_counted_once(make_bench: MakeBench) -> None:
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
