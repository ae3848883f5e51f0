"""What an event can lose: the limit that keeps one bad day from being the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from exchange.account import Position
from exchange.models import Order, OrderStatus
from exchange.orderbook import NO, YES, Bid, Side
from exchange.reserves import FreeCash
from risk.exposure import Headroom, event_risk, position_losses, remaining_headroom
from tests.support.builders import NOW

EVENT = "KXRAIN-26NOV23"
NOTHING = Decimal(0)
LIMITS = (Decimal(100), Decimal(20))


def strike(name: str | int) -> str:
    return f"{EVENT}-{name}"


def position(name: str, count: float, cost: str, ticker: str = "") -> Position:
    """`count` below 0 is NO."""
    return Position(ticker or strike(name), Decimal(str(count)), Decimal(cost), 0)


def order(name: str, side: Side, price: str, count: float, shard: int | None = 0, filled: float = 0) -> Order:
    left, done = Decimal(str(count)), Decimal(str(filled))
    return Order(
        "1", "lipbot-1", strike(name), side, Decimal(price), OrderStatus.RESTING, left + done, done, left, NOTHING,
        shard, NOW,
    )  # fmt: skip


# -- the worst outcome -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "exclusive", "unknown"),
    [
        # One of two NOs must pay, and both do where neither strike comes: 10 + 0 of a cost of 11, or 20.
        ([position("A", -10, "6"), position("B", -10, "5")], "1", "11"),
        # YES of both: one at most is paid.
        ([position("A", 10, "3"), position("B", 10, "4")], "7", "7"),
        # YES of A and NO of B win together; A loses with B, where both lose.
        ([position("A", 10, "6"), position("B", -10, "3")], "9", "9"),
        # A sure gain, whatever happens.
        ([position("A", -10, "2"), position("B", -10, "3")], "0", "5"),
        ([], "0", "0"),
    ],
)
def test_positions_offset_only_in_exclusive_markets(what: list[Position], exclusive: str, unknown: str) -> None:
    """If the markets of an event are known to exclude each other, its risk is the worst outcome of all
    positions. Otherwise each market counts by itself."""
    headroom = remaining_headroom(LIMITS, None, what, ())
    assert headroom.event_risk(EVENT) == Decimal(unknown)
    assert replace(headroom, exclusive=frozenset({EVENT})).event_risk(EVENT) == Decimal(exclusive)


def test_a_resting_order_never_offsets_a_risk() -> None:
    """A resting order may not be filled, so it offsets no position. Orders on both sides of a market count with
    the larger loss alone."""
    held_no = position("A", -10, "6")
    hedge = order("B", NO, "0.50", 10)
    headroom = replace(remaining_headroom(LIMITS, None, [held_no], [hedge]), exclusive=frozenset({EVENT}))
    assert headroom.event_risk(EVENT) == 6
    pair = [order("A", YES, "0.40", 10), order("A", NO, "0.50", 10)]
    for known in (frozenset({EVENT}), frozenset[str]()):
        assert replace(remaining_headroom(LIMITS, None, (), pair), exclusive=known).event_risk(EVENT) == 5


@pytest.mark.parametrize(("count", "yes", "no"), [(10, "-4", "6"), (-10, "6", "-4"), (2.5, "3.5", "6")])
def test_a_position_loses_its_cost_or_gains_the_payout(count: float, yes: str, no: str) -> None:
    """If the market goes against the position, it loses its cost. Otherwise it gains a dollar a contract less
    that cost."""
    assert position_losses(position("A", count, "6")) == (Decimal(yes), Decimal(no))


def test_events_are_told_apart() -> None:
    headroom = remaining_headroom(LIMITS, None, [position("", 10, "3", ticker="KXSUN-26NOV23-A")], ())
    assert (headroom.event_risk(EVENT), headroom.event_risk("KXSUN-26NOV23")) == (0, 3)


PRICES = st.integers(1, 99).map(lambda cents: Decimal(cents) / 100)
COUNTS = st.integers(1, 50)


@st.composite
def events(draw: st.DrawFn) -> tuple[int, list[Position], list[Bid], list[str]]:
    """An event's markets, what is held in them, and bids that rest in some."""
    markets = draw(st.integers(1, 4))
    holdings = []
    for number in range(markets):
        count = draw(st.integers(-50, 50))
        if count:
            cost = str(abs(count) * draw(PRICES))
            holdings.append(position(str(number), count, cost))
    bids = draw(
        st.lists(st.tuples(st.integers(0, markets - 1), st.sampled_from(Side), PRICES, COUNTS), max_size=5)
    )
    resting = [Bid(side, price, Decimal(count)) for _, side, price, count in bids]
    return markets, holdings, resting, [strike(number) for number, *_ in bids]


def profit(ticker: str, side: Side, count: Decimal, cost: Decimal, winner: str | None) -> Decimal:
    """Of contracts that cost so much, if `winner` is the market that settles YES (None: no one does)."""
    pays = side is (YES if ticker == winner else NO)
    return (count if pays else NOTHING) - cost


def worst_loss(
    holdings: Sequence[Position], bids: Sequence[Bid], tickers: Sequence[str], outcomes: Sequence[str | None]
) -> Decimal:
    """The design's words: what is held under each outcome, and of each resting order what it loses if filled."""
    worst = NOTHING
    for winner in outcomes:
        total = sum((profit(p.ticker, p.side, p.size, p.exposure, winner) for p in holdings), start=NOTHING)
        for bid, ticker in zip(bids, tickers, strict=True):
            total += min(NOTHING, profit(ticker, bid.side, bid.count, bid.price * bid.count, winner))
        worst = max(worst, -total)
    return worst


@given(events())
def test_an_events_risk_is_its_worst_outcome(
    drawn: tuple[int, list[Position], list[Bid], list[str]],
) -> None:
    """If it is not known that the markets exclude each other, the risk is the sum of each market's worst loss.
    That sum is never below the worst outcome."""
    markets, holdings, bids, tickers = drawn
    orders = [
        order(ticker.rpartition("-")[2], bid.side, str(bid.price), float(bid.count))
        for bid, ticker in zip(bids, tickers, strict=True)
    ]
    names = [strike(number) for number in range(markets)]
    unknown = remaining_headroom(LIMITS, None, holdings, orders)
    known = replace(unknown, exclusive=frozenset({EVENT}))
    assert known.event_risk(EVENT) == worst_loss(holdings, bids, tickers, [None, *names])
    apart = NOTHING
    for name in names:
        mine = [one for one in holdings if one.ticker == name]
        resting = [bid for bid, ticker in zip(bids, tickers, strict=True) if ticker == name]
        apart += worst_loss(mine, resting, [name] * len(resting), [None, name])
    assert unknown.event_risk(EVENT) == apart
    assert unknown.event_risk(EVENT) >= known.event_risk(EVENT)
    event("offsets" if unknown.event_risk(EVENT) > known.event_risk(EVENT) else "the same")


@given(events(), st.booleans())
def test_orders_that_are_meant_to_rest_count_like_those_that_do(
    drawn: tuple[int, list[Position], list[Bid], list[str]], exclusive: bool
) -> None:
    _, holdings, bids, tickers = drawn
    orders = [
        order(ticker.rpartition("-")[2], bid.side, str(bid.price), float(bid.count))
        for bid, ticker in zip(bids, tickers, strict=True)
    ]
    at_once = remaining_headroom(LIMITS, None, holdings, orders)
    if exclusive and bids:
        at_once = replace(at_once, exclusive=frozenset({EVENT}))
    one_by_one = remaining_headroom(LIMITS, None, holdings, ())
    for bid, ticker in zip(bids, tickers, strict=True):
        cost = bid.price * bid.count
        loses = (NOTHING, cost) if bid.side is YES else (cost, NOTHING)
        one_by_one = one_by_one.after(EVENT, ticker, loses, cost, 0, exclusive)
    assert one_by_one.event_risk(EVENT) == at_once.event_risk(EVENT)
    assert one_by_one.capital == at_once.capital
    assert one_by_one.exclusive == at_once.exclusive


def test_risk_is_counted_alike_in_whole_pips() -> None:
    losses = [(30_000, -70_000), (-20_000, 80_000)]
    assert event_risk(losses, True, 0) == 110_000
    assert event_risk(losses, False, 0) == 110_000
    assert event_risk([(-1, -1)], True, 0) == event_risk([(-1, -1)], False, 0) == 0


# -- what is left ----------------------------------------------------------------------------------------------


def test_cash_counts_only_on_its_own_shard() -> None:
    told = Headroom(*LIMITS, Decimal(50), {0: Decimal(30), 1: Decimal(20)})
    assert [told.cash_on(shard) for shard in (0, 1, 2, None)] == [30, 20, 0, 50]
    assert Headroom(*LIMITS, Decimal(50)).cash_on(1) == 50


def test_cash_tied_up_by_an_order_is_gone_for_the_next_one() -> None:
    """The new headroom has less capital, less cash on the order's shard and the added losses. The headroom
    before stays as it was, and an unlisted shard has no cash."""
    before = Headroom(*LIMITS, Decimal(50), {0: Decimal(30), 1: Decimal(20)})
    after = before.after(EVENT, strike("A"), (NOTHING, Decimal(4)), Decimal(4), 1, exclusive=True)
    after = after.after(EVENT, strike("A"), (Decimal(3), NOTHING), Decimal(3), 1, exclusive=False)
    after = after.after(EVENT, strike("B"), (Decimal(2), NOTHING), Decimal(2), None, exclusive=False)
    assert (after.capital, after.free_cash, after.event_loss) == (91, 41, 20)
    assert after.cash == {0: 30, 1: 13}
    assert after.losses == {EVENT: {strike("A"): (3, 4), strike("B"): (2, 0)}}
    assert after.exclusive == {EVENT}
    assert (before.capital, before.free_cash, before.cash) == (100, 50, {0: 30, 1: 20})
    assert (before.losses, before.exclusive) == ({}, frozenset())
    unlisted = before.after(EVENT, strike("A"), (NOTHING, Decimal(4)), Decimal(4), 2, exclusive=False)
    assert unlisted.cash_on(2) == -4


def test_positions_and_resting_orders_take_of_the_capital() -> None:
    """Of a partly filled order only the contracts that still rest take of the capital and add to the losses."""
    resting = [order("A", YES, "0.40", 10, filled=5), order("B", NO, "0.30", 20)]
    headroom = remaining_headroom(LIMITS, None, [position("A", 10, "6")], resting)
    assert headroom.capital == 100 - 6 - 4 - 6
    assert headroom.event_loss == 20
    assert headroom.losses == {EVENT: {strike("A"): (-4, 10), strike("B"): (6, 0)}}


def test_cash_sets_no_limit_if_the_balance_is_unknown() -> None:
    """If the balance is not known, the cash of a shard is what is left of the capital. It is never below zero."""
    assert remaining_headroom(LIMITS, None, [position("A", 50, "30")], ()).cash_on(1) == 70
    spent = remaining_headroom(LIMITS, None, [position("A", 200, "130")], ())
    assert (spent.capital, spent.cash_on(1)) == (-30, 0)


def test_cash_of_own_orders_is_free_for_their_replacements() -> None:
    """What the bot's own orders reserve counts as free cash, on their shard; without a shard, on shard 0. The
    cash itself stays as it was."""
    ours = [order("A", YES, "0.40", 10, shard=1), order("B", NO, "0.30", 10, shard=None)]
    ours = [one._replace(order_id=one.ticker) for one in ours]
    reserved = {ours[0].ticker: Decimal(4), ours[1].ticker: Decimal(1)}  # two thirds of the second only close
    cash = FreeCash(Decimal(50), {0: Decimal(30), 1: Decimal(20)}, by_order=reserved)
    headroom = remaining_headroom(LIMITS, cash, (), (), ours)
    assert (headroom.free_cash, headroom.cash) == (55, {0: 31, 1: 24})
    assert (headroom.capital, headroom.losses) == (100, {})
    assert cash.by_shard == {0: 30, 1: 20}
    unsharded = remaining_headroom(LIMITS, FreeCash(Decimal(50), by_order=reserved), (), (), ours)
    assert unsharded.cash is None
    assert unsharded.cash_on(1) == 55
