"""Another bot's orders in a plan and at the gate: they count like a person's, and are not the bot's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

import trade
from exchange.orderbook import SIDES, YES, Bid, Side
from execution.plan import AmendKind, Exit, TargetQuote, Targets, make_plan
from risk.gate import Gate, Limits, RefusalCode, TradingState
from tests.support.builders import UNTIL, held, market, order, state

D = Decimal
GROUPS = {0: "group-0"}
SIZES = {("KXA-1", side): D(10) for side in SIDES}
THEIRS = frozenset({"theirs"})


def seen(*orders: object, halted: str = "", **changed: object) -> TradingState:
    return state(orders=orders, strangers=THEIRS, halted=halted, **changed)


def target(side: Side, price: str, count: float = 5) -> TargetQuote:
    return TargetQuote(market(ticker="KXA-1"), Bid(side, D(price), D(count)), UNTIL, D(count))


def wanted(*quotes: TargetQuote, **more: object) -> Targets:
    return replace(Targets(quotes, until=UNTIL), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", SIDES)
def test_a_strangers_order_is_no_second_order_of_the_bots(side: Side) -> None:
    """It does not stand for the bot's on its side, and counts in the money and against crossing."""
    price = "0.49" if side is YES else "0.44"
    theirs = order("KXA-1", side, price, 5, "theirs")
    quote = trade.quote_order(market(ticker="KXA-1"), Bid(side, D(price), D(5)), "", UNTIL)
    refusal = Gate(state(orders=(theirs,)), SIZES).check(quote)
    assert refusal is not None
    assert refusal.code is RefusalCode.DUPLICATE
    assert Gate(seen(theirs), SIZES).check(quote) is None
    poor = Gate(seen(theirs, limits=Limits(D(4), D(9), 99)), SIZES).check(quote)
    assert poor is not None
    assert poor.code is RefusalCode.MAX_CAPITAL
    across = Gate(seen(order("KXA-1", side.other, "0.51", 5, "theirs")), SIZES).check(
        quote._replace(bid=Bid(side, D("0.49"), D(1)))
    )
    assert across is not None
    assert across.code is RefusalCode.OWN_ORDER


@pytest.mark.parametrize("way", list(Exit))
@pytest.mark.parametrize("side", SIDES)
def test_a_plan_touches_no_strangers_order(side: Side, way: Exit) -> None:
    """Neither where the bot wants an order, nor where it wants none, nor where it cannot read."""
    price = "0.49" if side is YES else "0.44"
    theirs = order("KXA-1", side, "0.30", 5, "theirs")
    for quotes, leave in (((target(side, price),), ()), ((), ()), ((), ("KXA-1",))):
        made = make_plan(seen(theirs), wanted(*quotes, leave=leave, exit=way), GROUPS)
        assert theirs not in (*made.stays, *(one for one, _ in made.cancels))
        assert [one.order for one in made.amendments] == []
        assert len(made.orders) == len(quotes)


@pytest.mark.parametrize("way", list(Exit))
def test_own_orders_only_stay_or_shrink_beside_a_strangers(way: Exit) -> None:
    """Nothing is sold, placed, moved or enlarged. What cannot stay is canceled."""
    theirs = order("KXA-1", YES, "0.30", 5, "theirs")
    blocked = "another bot's orders rest in KXA-1"
    cases = {
        ("0.49", 5): [AmendKind.RENEW],
        ("0.49", 7): [AmendKind.REDUCE],
        ("0.49", 3): [AmendKind.RENEW],
        ("0.47", 5): [],
    }
    for (price, count), kinds in cases.items():
        ours = order("KXA-1", YES, price, count, "ours")
        made = make_plan(seen(theirs, ours, halted=blocked), wanted(target(YES, "0.49"), exit=way), GROUPS)
        assert [one.kind for one in made.amendments] == kinds
        assert [one for one, _ in made.cancels] == ([] if kinds else [ours])
        assert made.orders == ()
        assert all(one.bid.count <= one.order.remaining for one in made.amendments)
    sale = make_plan(seen(theirs, positions=(held("KXA-1", 5),), halted=blocked), wanted(exit=way), GROUPS)
    assert (sale.exits, sale.orders) == ((), ())
    assert {one.code for one in sale.refused} == {RefusalCode.HALT}
    assert make_plan(seen(positions=(held("KXA-1", 5),)), wanted(exit=way), GROUPS) != sale
