"""One look at which nobody bids costs no halt; a true fall does, at the second look."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.models import Candle
from ledger.entries import PriceLook, Quotes
from ledger.price_looks import after_look, bids_at, higher
from simulator import lifecycle
from tests.support.bench import STILL, Bench, MakeBench, buy_by_hand, emptied, hold_paused, trade_cycles
from tests.support.builders import NOW, D, later
from tests.support.strategies import PRICES

LONGEST = timedelta(seconds=180)
BIDS = st.tuples(st.none() | PRICES, st.none() | PRICES)
MINUTE = 60


def worth(bid: Decimal | None) -> Decimal:
    return bid or D(0)


@given(BIDS, BIDS, st.integers(1, 400))
def test_a_side_counts_at_its_higher_bid_of_two_near_looks(first: Quotes, second: Quotes, seconds: int) -> None:
    look = after_look(PriceLook(NOW, first, first), NOW + later(seconds), second, LONGEST)
    assert look.bids == second
    for before, now, counted in zip(first, second, look.counted, strict=True):
        assert worth(counted) == (max(worth(before), worth(now)) if seconds <= 180 else worth(now))


@given(BIDS, BIDS, BIDS)
def test_a_price_lives_for_two_looks_only(first: Quotes, second: Quotes, third: Quotes) -> None:
    """What an earlier look made a position count at is not carried on from look to look."""
    one = after_look(PriceLook(NOW, first, first), NOW + later(60), second, LONGEST)
    assert after_look(one, NOW + later(120), third, LONGEST).counted == higher(second, third)


def candle(minutes: float, yes: str | None) -> Candle:
    return Candle("M", NOW + later(60 * minutes), None if yes is None else D(yes), D("0.99"))


@pytest.mark.parametrize(
    ("candles", "counts"),
    [
        ([candle(-1, "0.50"), candle(0, None)], "0.50"),
        ([candle(-1, None), candle(0, "0.50")], "0.50"),
        ([candle(-2, "0.60"), candle(-1, "0.40"), candle(0, "0.50")], "0.50"),
        ([candle(-300, "0.60"), candle(0, None)], "0.60"),  # nothing changed in between, so no candle
        ([candle(-300, "0.60"), candle(-200, "0.40")], "0.40"),
        ([candle(-1, None), candle(0, None)], None),
        ([candle(0, "0.30")], "0.30"),
    ],
)
def test_one_minute_without_a_bid_is_no_days_beginning(candles: list[Candle], counts: str | None) -> None:
    assert bids_at(NOW, candles) == {"M": (None if counts is None else D(counts), D("0.01"))}


# -- a bot that holds what it cannot sell ------------------------------------------------------------------------

LIMIT = 2


def held(make_bench: MakeBench, is_bid: bool, size: float = 20) -> tuple[Bench, str]:
    """A bot that holds a filled quote in a market that is paused: its book can be read, nothing can be sold."""
    bench = make_bench(programs=20, **STILL | {"DAILY_LOSS_LIMIT": LIMIT, "TRADE_SIZE": size})
    bench.bot.start_trading()
    ticker = hold_paused(bench, is_bid)
    bench.pass_time(MINUTE)
    trade_cycles(bench, 2)
    return bench, ticker


def marked(bench: Bench) -> Decimal:
    mark = bench.ledger.last_mark()
    assert mark is not None
    return mark.held


@pytest.mark.parametrize("is_bid", [True, False], ids=["YES", "NO"])
@pytest.mark.parametrize("size", [10, 20])
@pytest.mark.parametrize("looks", [1, 2, 3])
def test_one_empty_look_halts_nobody_and_the_second_does(
    make_bench: MakeBench, is_bid: bool, size: float, looks: int
) -> None:
    bench, ticker = held(make_bench, is_bid, size)
    before = marked(bench)
    assert before > LIMIT
    bring_back = emptied(bench, ticker, is_bid)
    trade_cycles(bench, looks)
    assert len(bench.events("HALT")) == (looks > 1)
    assert marked(bench) == (before if looks == 1 else 0)
    bring_back()
    trade_cycles(bench, 2)
    assert len(bench.events("HALT")) == (looks > 1)


def test_flickers_apart_halt_nobody(make_bench: MakeBench) -> None:
    bench, ticker = held(make_bench, True)
    before = marked(bench)
    for _ in range(3):
        bring_back = emptied(bench, ticker, True)
        trade_cycles(bench, 1)
        bring_back()
        trade_cycles(bench, 1)
        assert marked(bench) == before
    assert bench.events("HALT") == []


@pytest.mark.parametrize("is_bid", [True, False], ids=["YES", "NO"])
def test_a_restart_between_two_looks_changes_neither(make_bench: MakeBench, is_bid: bool) -> None:
    """The look before the restart counts: one empty look after it halts nobody, an empty one before it and one
    after it do. Restarts at each look keep no price alive."""
    bench, ticker = held(make_bench, is_bid)
    before = marked(bench)
    bench.restart()
    bring_back = emptied(bench, ticker, is_bid)
    trade_cycles(bench, 1)
    assert (marked(bench), bench.events("HALT")) == (before, [])
    bring_back()
    trade_cycles(bench, 2)
    emptied(bench, ticker, is_bid)
    trade_cycles(bench, 1)
    bench.restart()
    trade_cycles(bench, 1)
    assert (marked(bench), len(bench.events("HALT"))) == (0, 1)


@pytest.mark.parametrize(("minutes", "halts"), [(2, 0), (4, 1)])
def test_a_look_from_before_a_long_gap_says_nothing_of_now(
    make_bench: MakeBench, minutes: int, halts: int
) -> None:
    """An earlier look counts up to three WAIT_TIMEs; then the newest counts alone."""
    bench, ticker = held(make_bench, True)
    emptied(bench, ticker, True)
    bench.pass_time((minutes - 1) * MINUTE)
    trade_cycles(bench, 1)
    assert len(bench.events("HALT")) == halts


@pytest.mark.parametrize("minute", [-60, 0], ids=["the last minute", "the first minute"])
@pytest.mark.parametrize("is_bid", [True, False], ids=["YES", "NO"])
def test_a_flicker_at_midnight_flatters_no_day(make_bench: MakeBench, is_bid: bool, minute: int) -> None:
    """The day does not begin at $0.00 for a position that nobody bid for in one minute: the bids that come back
    would be a profit of the day, and hide as large a loss."""
    bench, ticker = held(make_bench, is_bid)
    before = marked(bench)
    clock = bench.exchange.clock
    midnight = clock.now().replace(hour=0, minute=0, second=0) + timedelta(days=1)
    bench.pass_time((midnight - clock.now()).total_seconds() + minute + 1)
    bring_back = emptied(bench, ticker, is_bid)
    bench.pass_time(59)
    if minute < 0:
        bench.pass_time(5)
    bring_back()
    trade_cycles(bench, 2)
    mark = bench.ledger.last_mark()
    assert mark is not None
    assert (mark.at.date(), mark.held, mark.day_profit) == (midnight.date(), before, 0)


@pytest.mark.parametrize("is_bid", [True, False], ids=["YES", "NO"])
def test_a_flicker_as_the_ledger_begins_flatters_no_day(make_bench: MakeBench, is_bid: bool) -> None:
    """What is taken over counts from its price then, not from $0.00 because nobody bid at that moment."""
    bench = make_bench(programs=20, **STILL)
    exchange = bench.exchange.api.exchange
    theirs = {order.ticker for order in bench.resting()} | bench.held().keys()
    ticker = next(
        name
        for name, one in exchange.markets.items()
        if one.book.bids.best() and one.book.asks.best() and not one.shard and name not in theirs
    )
    if is_bid:
        buy_by_hand(bench, ticker)
    else:
        bench.raw.place(ticker=ticker, side="ask", count="3.00", time_in_force="immediate_or_cancel")
    lifecycle.halt(exchange, exchange.markets[ticker])
    bench.pass_time(3 * MINUTE)
    bring_back = emptied(bench, ticker, is_bid)
    trade_cycles(bench, 1)
    bring_back()
    trade_cycles(bench, 2)
    mark = bench.ledger.last_mark()
    assert mark is not None
    assert mark.held > 0
    assert mark.own_profit is not None
    assert abs(mark.own_profit) < D("0.30"), "what selling the account's other positions cost"
