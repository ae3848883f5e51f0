"""Orders that move in place: an amend cannot be post-only, so none may come near enough to pay a taker's fee."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from exchange.models import Order
from exchange.orderbook import NO, SIDES, YES, Bid, Book, Level, PriceGrid, Side
from execution.cancel_reasons import CancelReason
from execution.exits import Exit
from execution.plan import AmendKind, Plan, TargetQuote, Targets, make_plan
from risk.gate import RefusalCode, TradingState
from risk.guards import Guards
from simulator.listing import CENTI_EDGE, DECI, LINEAR, TAPERED, Grid
from tests.support import builders
from tests.support.bench import MakeBench
from tests.support.builders import CENTS, TENTHS, UNTIL, grid, held, market, order, prices_of, state
from tests.support.crowds import crowd

D = Decimal
TICKER = "KXA-1"
EDGES = grid(("0", "0.01", "0.0001"), ("0.01", "0.99", "0.01"), ("0.99", "1", "0.0001"))
COARSE_BELOW = grid(("0", "0.2", "0.05"), ("0.2", "1", "0.001"))
GRIDS = (*builders.GRIDS, EDGES, COARSE_BELOW)


def world(
    to: Bid, rivals: Book | None, price_grid: PriceGrid = CENTS, at: str | Decimal = "0.05", *beside: Order
) -> tuple[TradingState, Targets]:
    """An order of the bot at `at` dollars that is wanted as `to`."""
    one = market(price_grid, ticker=TICKER)
    books = {} if rivals is None else {TICKER: rivals}
    now = state(orders=(order(TICKER, to.side, at, 5), *beside), markets={TICKER: one}, books=books)
    return now, Targets((TargetQuote(one, to, UNTIL, to.count),), until=UNTIL)


def plan(now: TradingState, targets: Targets) -> Plan:
    return make_plan(now, targets, {0: "group-0"})


def across(side: Side, price: str | Decimal | None) -> Book:
    """A book with a low bid on `side`, and with one bid on the other side or with none."""
    here, there = (Level(D("0.05"), D(900)),), () if price is None else (Level(D(price), D(900)),)
    return Book(TICKER, *((there, here) if side is NO else (here, there)))


def moved(made: Plan) -> list[Bid]:
    return [one.bid for one in made.amendments if one.bid.price != one.order.price]


def assert_placed_again(made: Plan, bid: Bid) -> None:
    assert not made.amendments
    ((_, cause),) = made.cancels
    assert cause.reason is CancelReason.NEW_PRICE
    (placed,) = made.orders
    assert (placed.bid, placed.post_only, placed.group_id) == (bid, True, "group-0")


# -- by the harm --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price_grid", "price", "best_across", "may"),
    [
        (CENTS, "0.53", "0.45", True),
        (CENTS, "0.54", "0.45", False),
        (TENTHS, "0.530", "0.450", True),
        (TENTHS, "0.531", "0.450", False),
        (TENTHS, "0.548", "0.450", False),
        (builders.TAPERED, "0.078", "0.902", True),
        (builders.TAPERED, "0.095", "0.89", False),
        (builders.TAPERED, "0.09", "0.89", True),
        (builders.TAPERED, "0.92", "0.060", True),
        (builders.TAPERED, "0.921", "0.060", False),
        (EDGES, "0.0001", "0.9900", False),
        (EDGES, "0.0099", "0.97", True),
        (EDGES, "0.0099", "0.98", False),
        (COARSE_BELOW, "0.15", "0.75", True),
        (COARSE_BELOW, "0.15", "0.751", False),
    ],
)
def test_a_move_keeps_two_steps_and_two_cents_from_the_ask(
    price_grid: PriceGrid, price: str, best_across: str, may: bool
) -> None:
    """A YES order may move to `price`, or not. Where the steps differ on the way, the largest counts."""
    to = Bid(YES, D(price), D(5))
    made = plan(*world(to, across(YES, best_across), price_grid))
    if may:
        assert moved(made) == [to]
        assert not made.cancels
    else:
        assert_placed_again(made, to)


@pytest.mark.parametrize("price", ["0.982", "0.990"])
def test_an_order_does_not_move_to_the_top_of_an_empty_side(price: str) -> None:
    """Nobody bids on the other side, so $1.00 is asked: a first bid there may come at its lowest price."""
    to = Bid(NO, D(price), D(5))
    assert_placed_again(plan(*world(to, across(NO, None), TENTHS)), to)
    below = Bid(NO, D("0.980"), D(5))
    assert moved(plan(*world(below, across(NO, None), TENTHS))) == [below]


def test_an_order_does_not_move_in_a_book_that_was_not_read() -> None:
    to = Bid(YES, D("0.20"), D(5))
    assert_placed_again(plan(*world(to, None)), to)


@pytest.mark.parametrize("ours", [True, False])
def test_an_own_order_does_not_hide_the_bids_beside_it(ours: bool) -> None:
    """The own order was filled after the orders were read. The book that was read next had the same contracts from
    a rival, and they were taken out as the account's own."""
    to, hides = Bid(YES, D("0.54"), D(5)), order(TICKER, NO, "0.45", 5, "2", ours=ours)
    now, targets = world(to, across(YES, "0.30"), CENTS, "0.05", hides)
    quoted = TargetQuote(now.markets[TICKER], hides.bid, UNTIL, D(5))
    made = plan(now, replace(targets, quotes=(*targets.quotes, quoted) if ours else targets.quotes))
    assert moved(made) == []
    assert [one.bid for one in made.orders] == [to]


def test_more_contracts_do_not_make_a_near_move_allowed() -> None:
    """An amend of price and size together is a move. So is that of an exit in a quote's place."""
    to = Bid(YES, D("0.54"), D(9))
    assert_placed_again(plan(*world(to, across(YES, "0.45"))), to)
    now, targets = world(to, across(YES, "0.45"))
    touch = replace(now, books={TICKER: across(YES, "0.45")._replace(yes=(Level(D("0.54"), D(900)),))})
    made = plan(replace(touch, positions=(held(TICKER, -7),)), replace(targets, exit=Exit.REST))
    assert_placed_again(made, Bid(YES, D("0.54"), D(7)))


@pytest.mark.parametrize(("count", "kind"), [(5, AmendKind.RENEW), (3, AmendKind.REDUCE), (9, AmendKind.REPLACE)])
def test_an_order_at_the_ask_is_renewed_and_resized_in_place(count: int, kind: AmendKind) -> None:
    """It rests at its price already. A bid that it could take would have been matched with it."""
    for rivals in (across(YES, "0.4599"), across(YES, None)):
        made = plan(*world(Bid(YES, D("0.54"), D(count)), rivals, at="0.54"))
        assert [(one.kind, one.bid.price) for one in made.amendments] == [(kind, D("0.54"))]
        assert not made.cancels


# -- a law -----------------------------------------------------------------------------------------------------


@st.composite
def moves(draw: st.DrawFn) -> tuple[PriceGrid, Bid, Decimal | None, TradingState, Targets]:
    """A grid, a wanted order, the best bid across or None, and the world in which it is to be planned."""
    price_grid, side = draw(st.sampled_from(GRIDS)), draw(st.sampled_from(SIDES))
    prices = prices_of(price_grid, side)[1:-1]
    price, at = draw(st.sampled_from(prices)), draw(st.sampled_from(prices))
    others = [one for one in prices_of(price_grid, side.other)[1:-1] if abs(1 - one - price) < D("0.12")]
    near = st.sampled_from(others) if others else st.none()
    best = draw(st.one_of(near, st.none()))
    to = Bid(side, price, D(draw(st.integers(1, 9))))
    own = draw(near) if draw(st.integers(0, 3)) == 0 else None
    beside = [] if own is None or own + at >= 1 else [order(TICKER, side.other, own, 4, "2", ours=False)]
    now, targets = world(to, across(side, best), price_grid, at, *beside)
    positions = (held(TICKER, 3 if side is NO else -3),) if draw(st.booleans()) else ()
    bids = [one.price for one in beside] + ([] if best is None else [best])
    return price_grid, to, max(bids, default=None), replace(now, positions=positions), replace(
        targets, exit=Exit.REST
    )  # fmt: skip


@given(moves())
def test_no_move_is_near_the_ask_and_none_is_left_out(
    case: tuple[PriceGrid, Bid, Decimal | None, TradingState, Targets],
) -> None:
    """A new price is amended where two cents and twice each step of the grid lie before the ask. Elsewhere it
    becomes a post-only order, which the gate refuses only if it would cross."""
    price_grid, to, best, now, targets = case
    asked = 1 - best if best is not None else D(1)
    made = plan(now, targets)
    (resting, *_) = now.orders
    if now.positions:  # the exit takes the quote's place, at the side's best bid
        to = Bid(to.side, D("0.05"), sum((one.size for one in now.positions), D(0)))
    on_the_way = [b - a for a, b in pairwise(prices_of(price_grid, to.side)) if a < asked and b > to.price]
    is_clear = asked - to.price >= max([D("0.02"), *(2 * step for step in on_the_way)])
    if resting.price == to.price:
        assert not made.cancels
    elif is_clear:
        assert moved(made) == [to]
        assert not made.cancels
    else:
        assert not made.amendments
        assert [one for one, _ in made.cancels] == [resting]
        if to.price < asked:
            assert [(one.bid, one.post_only) for one in made.orders] == [(to, True)]
        else:
            assert {one.code for one in made.refused} <= {RefusalCode.WOULD_CROSS, RefusalCode.OWN_ORDER}
            assert not made.orders


# -- on a simulated exchange -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price_grid", "ask"),
    [(LINEAR, 6_000), (DECI, 6_000), (TAPERED, 1_000), (TAPERED, 1_100), (CENTI_EDGE, 200), (CENTI_EDGE, 9_950)],
    ids=lambda one: getattr(one, "structure", one),
)
@pytest.mark.parametrize("ticks", [1, 2, 3, 9, 19, 20, 21])
def test_a_book_that_comes_a_cent_nearer_makes_no_taker(
    make_bench: MakeBench, price_grid: Grid, ask: int, ticks: int
) -> None:
    """The rivals' best bid rises to `ticks` before the ask, and the bot follows. Between its look and its request
    all traders come a cent against it. It pays no taker's fee, whether it moves the order or places it again."""
    bench = make_bench(
        who=(), TRADE_SIZE=5, TRADE_DELTA=0, INCENTIVE_SIZE=None, MAX_CAPITAL=500, MAX_EVENT_LOSS=500
    )
    best = price_grid.nearest(ask, -ticks)
    for one in bench.exchange.api.exchange.markets.values():
        one.grid = price_grid
        crowd(bench, one, price_grid.nearest(min(best, ask - 200), -4), ask)
    bench.bot.start_trading()
    quote = next(order for order in bench.resting() if order.is_bid)
    one = bench.exchange.api.exchange.markets[quote.ticker]
    struck: list[str] = []

    def against_us(request: requests.PreparedRequest, _: int) -> None:
        body = str(request.body or "")
        if request.method == "POST" and one.ticker in body and f"{best / 10_000:.4f}" in body and not struck:
            struck.append(str(request.url))
            crowd(bench, one, price_grid.nearest(best - 100, -1), ask - 100)

    crowd(bench, one, best, ask)
    before = len(bench.account.fills)
    bench.wire.fault = against_us
    bench.bot.session.memory.guards = Guards(timedelta(0))  # it has not seen the rise, which it would wait out
    bench.pass_time(60)
    bench.bot.start_trading()
    assert struck, "the bot did not follow"
    assert not [fill for fill in bench.account.fills[before:] if fill.is_taker]
    assert ("/amend" in struck[0]) == (ask - best >= 200)
