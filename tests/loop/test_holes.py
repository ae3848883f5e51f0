"""A book that others leave for some seconds: what the bot sells into it, and when, on a simulated exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator import book_hole, pauses
from simulator.account import Fill
from simulator.listing import DECI, LINEAR, Grid, ListedMarket
from simulator.matching import CONTRACT, Order
from tests.support import strangers
from tests.support.bench import Bench, MakeBench, Said, fill_quote, own_resting, share, unavailable
from tests.support.crowds import crowd

pytestmark = pytest.mark.slow

BID, ASK = 5_000, 5_200
LIMIT = 1_000
"""Pips: ten cents."""

FOR_EVER = 1e6

BOTH_SIDES = pytest.mark.parametrize("is_bid", [True, False], ids=["yes", "no"])


def quoting(make_bench: MakeBench, grid: Grid = LINEAR, size: int = 20, **changed: Any) -> Bench:
    """A bot that quotes one market at the touch, with 300 contracts at each of ten levels a side."""
    bench = make_bench(
        who=(), programs=12, TRADE_SIZE=size, TRADE_DELTA=0, INCENTIVE_SIZE=None, TRADE_TICKER_SIZE=1,
        MAX_CAPITAL=5_000, MAX_EVENT_LOSS=5_000, DAILY_LOSS_LIMIT=5_000, FILL_COST=0, **changed,
    )  # fmt: skip
    bench.let_expire(bench.resting())
    bench.account.holdings.clear()
    for one in bench.exchange.api.exchange.markets.values():
        one.grid = grid
        crowd(bench, one, BID, ASK, contracts=300)
    bench.run(2)
    return bench


def filled(bench: Bench, is_bid: bool) -> ListedMarket:
    """All of a quote is filled just before the next cycle. Returns its market."""
    ticker, _ = fill_quote(bench, is_bid)
    assert bench.held()[ticker]
    return bench.exchange.api.exchange.markets[ticker]


def torn(bench: Bench, one: ListedMarket, seconds: float) -> None:
    """Nobody bids for what is held there but one at a cent, for so many seconds."""
    book_hole.tear(bench.exchange.api.exchange, one, bench.held()[one.ticker] > 0, seconds)


def moved(bench: Bench, one: ListedMarket, pips: int) -> None:
    """All others move by `pips` against what is held."""
    down = -pips if bench.held()[one.ticker] > 0 else pips
    crowd(bench, one, BID + down, ASK + down, contracts=300)


def sold(bench: Bench) -> list[tuple[float, int]]:
    """What the bot sold as a taker: contracts, and pips of the side that was held."""
    opened = bench.exchange.api.exchange.opened
    taken: list[Fill] = [fill for fill in bench.account.fills if fill.is_taker and fill.time > opened]
    return [(fill.size / CONTRACT, 10_000 - fill.price if fill.is_bid else fill.price) for fill in taken]


def across(bench: Bench, one: ListedMarket, is_bid: bool) -> list[Order]:
    """The bot's orders on the side that sells what a filled quote bought."""
    return [order for order in own_resting(bench) if order.ticker == one.ticker and order.is_bid is not is_bid]


def skips(bench: Bench) -> list[str]:
    return bench.events("SKIP POSITION")


@BOTH_SIDES
@pytest.mark.parametrize(("size", "grid"), [(1, LINEAR), (300, LINEAR), (20, DECI)])
def test_a_fill_in_a_hole_is_sold_after_it(make_bench: MakeBench, is_bid: bool, size: int, grid: Grid) -> None:
    """In the same cycle, ten seconds later, and not at a cent in the cycle in which the guard has seen the
    jump."""
    bench = quoting(make_bench, grid, size)
    one = filled(bench, is_bid)
    torn(bench, one, 8)
    bench.run(1)
    assert sold(bench) == [(size, BID if is_bid else 10_000 - ASK)]
    assert "waits for a second look" in skips(bench)[0]
    assert not bench.held()


@BOTH_SIDES
@pytest.mark.parametrize("seconds", [15, 100, FOR_EVER])
def test_a_hole_that_lasts_is_never_sold_into(make_bench: MakeBench, is_bid: bool, seconds: float) -> None:
    bench = quoting(make_bench)
    one = filled(bench, is_bid)
    torn(bench, one, seconds)
    bench.run(1 + int(min(seconds, 600) / 60))
    assert sold(bench) == []
    assert [order for order in own_resting(bench) if order.ticker == one.ticker] == []
    bench.run(2)
    assert sold(bench) == ([] if seconds == FOR_EVER else [(20, BID if is_bid else 10_000 - ASK)])
    told = [line for line in skips(bench) if "EXIT_LIMIT" in line]
    assert len(told) == 1, "told once"


@BOTH_SIDES
def test_no_more_is_sold_than_rests_within_the_limit(make_bench: MakeBench, is_bid: bool) -> None:
    """A large position in a thin book goes level by level, none of it below the limit."""
    bench = quoting(make_bench, size=300)
    one = filled(bench, is_bid)
    crowd(bench, one, BID, ASK, contracts=20)
    bench.run(1)
    lowest = (BID + ASK) / 2 - LIMIT if is_bid else 10_000 - (BID + ASK) / 2 - LIMIT
    assert sum(count for count, _ in sold(bench)) == 20 * 10
    assert min(price for _, price in sold(bench)) >= lowest
    assert abs(bench.held()[one.ticker]) == 100 * CONTRACT


# -- collapses ---------------------------------------------------------------------------------------------------


@BOTH_SIDES
@pytest.mark.parametrize("cents", [6, 8])
def test_a_collapse_within_the_limit_is_sold_soon(make_bench: MakeBench, is_bid: bool, cents: int) -> None:
    bench = quoting(make_bench)
    one = filled(bench, is_bid)
    moved(bench, one, cents * 100)
    bench.run(3)
    assert sold(bench) == [(20, (BID if is_bid else 10_000 - ASK) - cents * 100)]


@BOTH_SIDES
def test_beyond_the_limit_a_position_is_kept_and_told(make_bench: MakeBench, is_bid: bool) -> None:
    bench = quoting(make_bench, FILL_PAUSE=0)  # no cooldown: the limit alone keeps the market out
    one = filled(bench, is_bid)
    moved(bench, one, 2_000)
    bench.run(5)
    (told,) = [line for line in skips(bench) if "EXIT_LIMIT" in line]
    lowest = f"{((BID + ASK) / 2 if is_bid else 10_000 - (BID + ASK) / 2) / 10_000 - 0.1:.4f}"
    assert f"is below the limit, {lowest}" in told
    assert "would lose $4.20" in told
    assert "main.py close-all" in told
    assert sold(bench) == []
    assert own_resting(bench)
    assert one.ticker not in {order.ticker for order in own_resting(bench)}, "another market has the slot"
    moved(bench, one, 0)
    bench.run(2)
    assert sold(bench) == [(20, BID if is_bid else 10_000 - ASK)]


@BOTH_SIDES
def test_a_restart_does_not_sell_what_was_kept(make_bench: MakeBench, is_bid: bool) -> None:
    """The ledger's last price is the one at which it was kept."""
    bench = quoting(make_bench)
    moved(bench, filled(bench, is_bid), 2_000)
    bench.run(3)
    bench.restart()
    bench.run(3)
    assert sold(bench) == []


# -- the first look after a break
# ----------------------------------------------------------------------------------


def pause(bench: Bench) -> None:
    pauses.pause(bench.exchange.api.exchange, "exchange", None)
    bench.run(2)
    pauses.resume(bench.exchange.api.exchange, "exchange", None)


def outage(bench: Bench) -> None:
    bench.wire.fault = lambda request, _: unavailable
    bench.run(4)
    bench.wire.fault = None


@BOTH_SIDES
@pytest.mark.parametrize("happens", [pause, outage, Bench.restart], ids=lambda one: one.__name__)
@pytest.mark.parametrize("seconds", [8, 300])
def test_a_hole_after_a_break_is_not_sold_into(
    make_bench: MakeBench, is_bid: bool, happens: Callable[[Bench], None], seconds: float
) -> None:
    """The position was bought just before."""
    bench = quoting(make_bench)
    one = filled(bench, is_bid)
    happens(bench)
    assert sold(bench) == []
    torn(bench, one, seconds)
    bench.run(1)
    expected = [(20, BID if is_bid else 10_000 - ASK)]
    assert sold(bench) == (expected if seconds == 8 else [])
    bench.run(7)
    assert sold(bench) == expected


def test_a_machine_that_slept_looks_twice(make_bench: MakeBench) -> None:
    """The quote was filled just before, in a book that is whole when the machine wakes up."""
    bench = quoting(make_bench)
    clock, usual = bench.exchange.clock, bench.exchange.clock.sleep
    slept: list[float] = []

    def suspended(seconds: float) -> float | None:
        if seconds <= 10 or slept:
            return usual(seconds)
        slept.append(seconds)
        filled(bench, True)
        clock.advance(300)
        return 300.0

    clock.sleep = suspended  # type: ignore[assignment, method-assign]
    bench.run(2)
    assert "waits for a second look (the first since" in skips(bench)[0]
    assert sold(bench) == [(20, BID)]


def test_another_bot_that_comes_meanwhile_stops_the_sale(make_bench: MakeBench) -> None:
    """Its order rests at the second look."""
    bench = quoting(make_bench)
    one = filled(bench, True)
    torn(bench, one, 8)
    clock, usual = bench.exchange.clock, bench.exchange.clock.sleep
    others: list[str] = []

    def meanwhile(seconds: float) -> float | None:
        if skips(bench) and not others:
            name = f"{strangers.NAME}1"
            others.append(bench.raw.place(ticker=one.ticker, post_only=True, client_order_id=name))
        return usual(seconds)

    clock.sleep = meanwhile  # type: ignore[assignment, method-assign]
    bench.run(1)
    assert others
    assert sold(bench) == []


def test_short_cycles_wait_ten_seconds_too(make_bench: MakeBench) -> None:
    """With `WAIT_TIME` below ten seconds a later cycle, or a look within it, is the second look."""
    bench = quoting(make_bench, WAIT_TIME=6)
    torn(bench, filled(bench, True), 4)
    bench.run(1)
    assert sold(bench) == []
    bench.run(3)
    assert sold(bench) == [(20, BID)]
    waited, closed = (bench.events(name)[-1][17:19] for name in ("SKIP POSITION", "CLOSE POSITION"))
    assert int(closed) - int(waited) >= 10


# -- REST
# ----------------------------------------------------------------------------------------------------------


@BOTH_SIDES
def test_a_resting_exit_takes_no_price_from_a_hole(make_bench: MakeBench, is_bid: bool) -> None:
    """The side that the exit joins is torn: it would rest at a cent, and sell for 99. It keeps its last price."""
    bench = quoting(make_bench, EXIT="REST")
    one = filled(bench, is_bid)
    bench.run(2)
    (before,) = [
        order for order in own_resting(bench) if order.ticker == one.ticker and order.is_bid is not is_bid
    ]
    assert before.price == (ASK if is_bid else BID)
    book_hole.tear(bench.exchange.api.exchange, one, not is_bid, 150)
    for _ in range(2):
        bench.run(1)
        prices = {order.price for order in own_resting(bench) if order.ticker == one.ticker}
        assert prices <= {BID, ASK}
    assert [line for line in skips(bench) if "takes no price" in line or "second look" in line]


@BOTH_SIDES
def test_an_exit_on_a_quoted_side_has_its_own_price(make_bench: MakeBench, is_bid: bool) -> None:
    """`TRADE_DELTA` behind the best bid it would wait for two ticks more. The quote does not come to the touch."""
    bench = quoting(make_bench, EXIT="REST")
    bench.restart(trade_delta=2)
    bench.run(2)
    one = filled(bench, is_bid)
    bench.run(2)
    (order,) = across(bench, one, is_bid)
    assert order.price == (ASK if is_bid else BID)
    assert order.remaining == 20 * CONTRACT


# -- by hand
# -------------------------------------------------------------------------------------------------------


@BOTH_SIDES
@pytest.mark.parametrize(
    ("seconds", "cents"), [(8, 0), (FOR_EVER, 0), (None, 20)], ids=["hole", "for ever", "kept"]
)
def test_close_all_sells_at_any_price(
    make_bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    typed: Callable[..., Said],
    is_bid: bool,
    seconds: float | None,
    cents: int,
) -> None:
    bench = quoting(make_bench)
    share(bench, monkeypatch)
    one = filled(bench, is_bid)
    if seconds is None:
        moved(bench, one, cents * 100)
    else:
        torn(bench, one, seconds)
    said = typed("close-all", "--yes")
    assert said.code == 0, said.out
    assert "Second look at their books: in 10 s" in said.out
    assert "Exit cost" in said.out
    usual = BID if is_bid else 10_000 - ASK
    assert sold(bench) == [(20, 100 if seconds == FOR_EVER else usual - cents * 100)]
