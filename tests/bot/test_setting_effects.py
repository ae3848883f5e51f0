"""Every setting does what its comment says, seen from the exchange's side."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from fnmatch import fnmatch
from functools import partial

import pytest

import market_bot
from bot import launch
from clients import Environment
from exchange.orderbook import Side
from market_bot import MarketBot
from rewards.skips import Reason
from simulator.listing import DAY
from tests.support.bench import Bench, MakeBench, is_quote
from tests.support.project import START

pytestmark = pytest.mark.slow


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


def test_wait_time_and_expiration_ts_set_when_orders_expire(make_bench: MakeBench) -> None:
    """An order outlives the cycle that should replace it by EXPIRATION_TS minutes. The bot never waits longer
    than WAIT_TIME seconds."""
    bench = make_bench(WAIT_TIME=30, EXPIRATION_TS=4)
    bench.run(cycles=2)
    assert bench.waits == [wait for wait in bench.waits if wait <= 30]
    planned = (START + timedelta(seconds=30 + 30 + 240)).timestamp()
    assert {
        order.expires is not None and planned - 2 <= order.expires <= planned + 2 for order in bench.resting()
    } == {True}


def reasons(bench: Bench) -> dict[str, Reason]:
    """By ticker, why the last scan left a market out."""
    return {skip.ticker: skip.reason for skip in bench.board().selection.skipped}


def test_only_and_avoid_decide_which_families_are_quoted(make_bench: MakeBench) -> None:
    """The bot quotes only families in ONLY, in any case of letters, and never one in AVOID. Each market that is
    left out has that setting as its reason."""
    bench = make_bench(ONLY=("kxodd*", "KXCPI*"), AVOID=("*-TWICE",), TRADE_TICKER_SIZE=50)
    bench.bot.start_trading()
    quoted = {order.ticker for order in bench.resting()}
    assert quoted
    assert all(fnmatch(ticker, "KXODD*") or fnmatch(ticker, "KXCPI*") for ticker in quoted)
    assert "KXODD-26NOV23-TWICE" not in quoted
    why = reasons(bench)
    assert why["KXODD-26NOV23-TWICE"] is Reason.AVOID
    assert why["KXRAINCHI-26DEC09-T2"] is Reason.ONLY


def test_max_capital_is_all_that_quotes_tie_up(make_bench: MakeBench) -> None:
    tied_up = {}
    for limit in (12, 60):
        bench = make_bench(TRADE_SIZE=10, FILL_COST=0, TRADE_TICKER_SIZE=50, MAX_CAPITAL=limit, MAX_EVENT_LOSS=500)
        bench.bot.start_trading()
        orders = bench.client.get_resting_orders()
        tied_up[limit] = sum((order.price * order.remaining for order in orders), start=Decimal(0))
        assert limit * 0.7 < tied_up[limit] <= limit
        assert Reason.MAX_CAPITAL in reasons(bench).values()


def test_max_event_loss_limits_the_strikes_of_one_event(make_bench: MakeBench) -> None:
    """The strikes of one event count as one bet, and their worst losses together keep within the limit. A low
    limit leaves one strike, a high one several."""
    by_limit = {}
    for limit in (8, 1_000):
        bench = make_bench(
            TRADE_SIZE=10, FILL_COST=0, TRADE_TICKER_SIZE=50, MAX_CAPITAL=1_000, MAX_EVENT_LOSS=limit
        )
        bench.bot.start_trading()
        by_limit[limit] = {order.ticker for order in bench.resting() if order.ticker.startswith("KXODD-")}
        for event in {order.ticker.rpartition("-")[0] for order in bench.resting()}:
            sides: dict[str, dict[Side, Decimal]] = {}
            for order in bench.client.get_resting_orders():
                if order.ticker.startswith(event):
                    sides.setdefault(order.ticker, {})[order.side] = order.price * order.remaining
            worst = sum(max(costs.values()) for costs in sides.values())
            assert worst <= limit, "strikes that are not known to exclude each other can all go wrong"
    assert len(by_limit[8]) == 1 < len(by_limit[1_000])


def test_min_hours_to_close_keeps_the_bot_out_of_the_last_hours(make_bench: MakeBench) -> None:
    quoted = {}
    for hours in (0, 24, 24 * 7):
        bench = make_bench(MIN_HOURS_TO_CLOSE=hours, TRADE_TICKER_SIZE=50)
        bench.bot.start_trading()
        quoted[hours] = {order.ticker for order in bench.resting()}
        soonest = START + timedelta(hours=hours)
        for market in bench.client.get_markets(quoted[hours]):
            assert market.ends > soonest
    assert quoted[24 * 7] < quoted[24] < quoted[0]


def test_min_reward_leaves_what_pays_less_and_what_pays_nothing(make_bench: MakeBench) -> None:
    bench = make_bench(TRADE_SIZE=10, FILL_COST=0, TRADE_TICKER_SIZE=50, MAX_CAPITAL=1_000, MAX_EVENT_LOSS=1_000)
    free = bench.bot.start_trading()
    assert free is not None
    assert min(candidate.conservative.payable for candidate in free.chosen) < 2
    bench = make_bench(
        TRADE_SIZE=10, FILL_COST=0, TRADE_TICKER_SIZE=50, MAX_CAPITAL=1_000, MAX_EVENT_LOSS=1_000, MIN_REWARD=2
    )
    choice = bench.bot.start_trading()
    assert choice is not None
    assert choice.chosen
    assert min(candidate.conservative.payable for candidate in choice.chosen) >= 2
    assert Reason.MIN_REWARD in reasons(bench).values()


def test_fill_cost_leaves_what_fills_would_eat(make_bench: MakeBench) -> None:
    taken = []
    for cost in (0.002, 0.01, 1):
        bench = make_bench(
            past=DAY, TRADE_SIZE=10, FILL_COST=cost, TRADE_TICKER_SIZE=50, MAX_CAPITAL=1_000, MIN_REWARD=0.01
        )
        bench.bot.start_trading()
        taken.append({order.ticker for order in bench.resting()})
    free, fair, dear = taken
    assert dear < fair < free
    assert set(reasons(bench).values()) >= {Reason.FILL_COST}


def test_scan_time_is_how_often_the_whole_board_is_read(make_bench: MakeBench) -> None:
    def scans(cycles: int, **changed: object) -> int:
        bench = make_bench(WAIT_TIME=60, **changed)
        bench.run(cycles=cycles)
        return bench.wire.asked().count("GET /trade-api/v2/incentive_programs")

    assert scans(9, SCAN_TIME=600) == 1
    assert scans(9, SCAN_TIME=110) == 5, "a scan has to wait for the slack of a cycle"
    assert scans(4, SCAN_TIME=1) == 4


def test_watch_time_is_how_often_the_wait_is_interrupted(make_bench: MakeBench) -> None:
    def looks(watch_time: float | None) -> int:
        bench = make_bench(who=(), WAIT_TIME=60, WATCH_TIME=watch_time)
        bench.run(cycles=4)
        return bench.wire.asked().count("GET /trade-api/v2/markets/orderbooks")

    without = looks(None)
    assert 3 * 9 < looks(5) - without <= 4 * 10, "the last five seconds belong to the cycle"
    assert 3 * 1 < looks(20) - without <= 4 * 2


def test_log_json_writes_the_events_as_objects_too() -> None:
    """Through a real start, which a missing key ends: its one event is in trade.jsonl. As shipped there is no such
    file."""
    paths = market_bot.paths()
    file = paths.log.with_name("trade.jsonl")
    for changed in ({}, {"LOG_JSON": True}):
        settings = partial(market_bot.read_settings, {"env": Environment.DEMO} | changed)
        assert launch.start(settings, paths, None, MarketBot) == 2
        assert "[STOP] DEMO_KEYID" in paths.log.read_text(encoding="utf-8")
        assert file.exists() is bool(changed)
    told = json.loads(file.read_text(encoding="utf-8"))
    assert told["event"] == "STOP"
    assert told["text"].startswith("DEMO_KEYID")


def test_auto_sizes_are_whole_contracts_within_the_limits(make_bench: MakeBench) -> None:
    bench = make_bench(TRADE_SIZE="AUTO", MAX_CAPITAL=60, MAX_EVENT_LOSS=40, FILL_COST=0, TRADE_TICKER_SIZE=4)
    choice = bench.bot.start_trading()
    assert choice is not None
    orders = bench.client.get_resting_orders().items
    assert len([request for request in bench.wire.sent if is_quote(request)]) == len(orders) > 1
    assert all(order.remaining % 1 == 0 for order in orders)
    assert len({order.remaining for order in orders}) > 1, "each size is its market's own"
    assert 30 < sum(order.price * order.remaining for order in orders) <= 60
    assert all(candidate.conservative.payable >= Decimal("1.50") for candidate in choice.chosen)
