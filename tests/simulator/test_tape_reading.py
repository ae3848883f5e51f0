"""What the public trades of a day say that fills cost: a bot that misreads them thinks that fills are free."""

from __future__ import annotations

import pytest

from benchmarks.tape_reading import FROM, UNTIL, Job, errors, measure, read
from simulator.listing import PublicTrade
from simulator.matching import CONTRACT


def trade(time: float, cents: int, is_bid: bool, contracts: int = 10) -> PublicTrade:
    return PublicTrade(round(time), "KXA-1", cents * 100, contracts * CONTRACT, is_bid, time)


@pytest.mark.parametrize(("is_bid", "later", "cost"), [(True, 55, 0.05), (False, 55, -0.05), (False, 42, 0.08)])
def test_a_maker_loses_what_the_price_moves_for_the_taker(is_bid: bool, later: int, cost: float) -> None:
    """Trades that come at once, or much later, are not compared with."""
    tape = [
        trade(0, 50, is_bid),
        trade(FROM - 1, 99, is_bid, contracts=0),
        trade(FROM, later, is_bid, contracts=0),
        trade(UNTIL + 1, 1, is_bid, contracts=0),
    ]
    told = read(tape)
    assert told.contracts == 10
    assert told.dollars == pytest.approx(cost)


def test_trades_with_none_after_them_tell_nothing() -> None:
    assert read([trade(0, 50, True), trade(FROM - 1, 60, True)]).contracts == 0
    assert read([]).contracts == 0


@pytest.mark.slow
def test_a_markets_day_tells_more_than_the_boards_mean() -> None:
    """Of what the hidden value says of the same trades."""
    told = errors([measure(Job(2, 40, 0.1))], lambda market: market.of_trades)
    reading, mean = float(told.partition(" ")[0]), float(told.partition("alone: ")[2].partition(")")[0])
    assert reading < 0.8 * mean, told
