"""Every setting does what its comment says, seen from the exchange's side."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tests.conftest import START, Bench

MakeBench = Callable[..., Bench]


def touch(bench: Bench, ticker: str, is_bid: bool) -> int:
    best = bench.exchange.api.exchange.markets[ticker].book.half(is_bid).best()
    assert best is not None
    return best


def test_trade_size_is_what_each_order_asks_for(make_bench: MakeBench) -> None:
    bench = make_bench(TRADE_SIZE=7.5)
    bench.bot.start_trading()
    assert {order.size for order in bench.resting()} == {750}


def test_trade_ticker_size_is_how_many_markets_are_quoted(make_bench: MakeBench) -> None:
    for slots in (1, 3):
        bench = make_bench(TRADE_TICKER_SIZE=slots)
        bench.bot.start_trading()
        assert len({order.ticker for order in bench.resting()}) == slots


def test_trade_delta_is_how_far_behind_the_touch_an_order_stays(make_bench: MakeBench) -> None:
    for delta in (0, 1, 2, 3):
        bench = make_bench(TRADE_DELTA=delta / 100, INCENTIVE_SIZE=None, TRADE_TICKER_SIZE=50)
        choice = bench.bot.start_trading()
        assert choice is not None
        assert choice.chosen
        for candidate in choice.chosen:
            grid = candidate.incentive.market.grid
            for bid in candidate.bids:
                best = candidate.rivals.best(bid.side)
                assert best is not None
                assert grid.ticks(bid.side, best.price) - grid.ticks(bid.side, bid.price) >= delta


def test_incentive_size_keeps_the_bot_out_of_crowds(make_bench: MakeBench) -> None:
    quoted = {}
    for limit in (0, 250, 300, None):
        bench = make_bench(INCENTIVE_SIZE=limit, TRADE_TICKER_SIZE=50)
        bench.bot.start_trading()
        quoted[limit] = {(order.ticker, order.is_bid) for order in bench.resting()}
    assert quoted[0] == set()
    assert quoted[250] < quoted[300] < quoted[None]


def test_wait_time_and_expiration_ts_are_when_orders_go_by_themselves(make_bench: MakeBench) -> None:
    bench = make_bench(WAIT_TIME=30, EXPIRATION_TS=4)
    bench.run(cycles=2)
    assert bench.waits == [wait for wait in bench.waits if wait <= 30]
    planned = (START + timedelta(seconds=30 + 30 + 240)).timestamp()
    assert {
        order.expires is not None and planned - 2 <= order.expires <= planned + 2 for order in bench.resting()
    } == {True}
