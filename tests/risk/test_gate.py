"""The gate: an order that should not go out does not, and the log can say why, in numbers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

import trade
from exchange.models import ExchangeStatus, MarketStatus, Order, OrderRequest
from exchange.orderbook import NO, YES, Bid, Side
from exchange.reserves import FreeCash
from risk.gate import Gate, Limits, RefusalCode, TradingState, orders_a_minute
from tests.support.builders import AMPLE, UNTIL, held, market, order, state

D = Decimal
SIZES = {("KXA-1", side): D(10) for side in (YES, NO)}


def quote(side: Side = YES, price: str = "0.49", count: float = 5, **changed: object) -> OrderRequest:
    bid = Bid(side, D(price), D(str(count)))
    return trade.quote_order(market(ticker="KXA-1"), bid, "", UNTIL)._replace(**changed)


def exit_of(count: float = 3, price: str = "0.50", **changed: object) -> OrderRequest:
    """The sale of YES contracts."""
    position = held("KXA-1", 5)
    made = trade.exit_order(position, market(ticker="KXA-1"), state().books["KXA-1"], [], "")
    assert isinstance(made, OrderRequest)
    return made._replace(bid=Bid(NO, D(price), D(str(count))))._replace(**changed)


def gate(**changed: object) -> Gate:
    return Gate(state(**changed), SIZES)


def code(of: Gate, request: OrderRequest, instead_of: Order | None = None) -> RefusalCode | None:
    refusal = of.check(request, instead_of)
    assert refusal is None or refusal.number
    return refusal.code if refusal else None


def test_a_good_order_passes() -> None:
    assert code(gate(), quote()) is None
    assert code(gate(positions=(held("KXA-1", 5),)), exit_of()) is None


CLOSED = market(ticker="KXA-1")._replace(status=MarketStatus.CLOSED)
PAUSED = ExchangeStatus(True, {0: False}, None)


@pytest.mark.parametrize(
    ("expected", "request_", "changed"),
    [
        (RefusalCode.HALT, quote(), {"halted": "lost too much"}),
        (RefusalCode.MARKET_STATUS, quote(), {"markets": {}}),
        (RefusalCode.MARKET_STATUS, quote(), {"markets": {"KXA-1": CLOSED}}),
        (RefusalCode.EXCHANGE_STATUS, quote(), {"status": PAUSED}),
        (RefusalCode.PRICE_BOUNDS, quote(price="0"), {}),
        (RefusalCode.PRICE_BOUNDS, quote(price="1"), {}),
        (RefusalCode.PRICE_BOUNDS, quote(price="-0.01"), {}),
        (RefusalCode.GRID, quote(price="0.495"), {}),
        (RefusalCode.SIZE, quote(count=0), {}),
        (RefusalCode.SIZE, quote(count=-1), {}),
        (RefusalCode.SIZE, quote(count=1.005), {}),
        (RefusalCode.FORM, quote(post_only=False), {}),
        (RefusalCode.FORM, quote(expires=None), {}),
        (RefusalCode.FORM, quote(reduce_only=True), {}),
        (RefusalCode.FORM, exit_of(reduce_only=False), {"positions": (held("KXA-1", 5),)}),
        (RefusalCode.FORM, exit_of(post_only=True), {"positions": (held("KXA-1", 5),)}),
        (RefusalCode.WOULD_CROSS, quote(price="0.55"), {}),
        (RefusalCode.OWN_ORDER, quote(price="0.50"), {"orders": (order("KXA-1", NO, "0.50", 1, ours=False),)}),
        (
            RefusalCode.OWN_ORDER,
            exit_of(),
            {"positions": (held("KXA-1", 5),), "orders": (order("KXA-1", YES, "0.50", 1),)},
        ),
        (RefusalCode.DUPLICATE, quote(), {"orders": (order("KXA-1", YES, "0.30", 1),)}),
        (RefusalCode.POSITION, quote(), {"positions": (held("KXA-1", 6),)}),
        (RefusalCode.POSITION, quote(count=11), {}),
        (RefusalCode.POSITION, exit_of(count=6), {"positions": (held("KXA-1", 5),)}),
        (RefusalCode.POSITION, exit_of(), {"positions": (held("KXA-1", -5),)}),
        (RefusalCode.ORDER_RATE, quote(), {"sent_lately": 1_000}),
        (RefusalCode.MAX_CAPITAL, quote(), {"limits": AMPLE._replace(max_capital=D("2.44"))}),
        (RefusalCode.CASH, quote(), {"cash": FreeCash(D("2.44"), {})}),
        (RefusalCode.CASH, quote(), {"cash": FreeCash(D("9"), {0: D("2.44"), 1: D("6.56")})}),
        (RefusalCode.MAX_EVENT_LOSS, quote(), {"limits": AMPLE._replace(max_event_loss=D("2.44"))}),
    ],
)
def test_each_kind_of_bad_order_is_stopped_with_its_own_code(
    expected: RefusalCode, request_: OrderRequest, changed: dict[str, object]
) -> None:
    assert code(gate(**changed), request_) is expected


def test_what_just_fits_the_limits_passes() -> None:
    tight = {"limits": Limits(D("2.45"), D("2.45"), 1), "cash": FreeCash(D("2.45"), {0: D("2.45")})}
    assert code(gate(**tight), quote()) is None


def test_an_order_may_take_its_own_place_but_no_others() -> None:
    resting = order("KXA-1", YES, "0.40", 5)
    assert code(gate(orders=(resting,)), quote()) is RefusalCode.DUPLICATE
    one = gate(orders=(resting,), limits=AMPLE._replace(max_capital=D("2.45")))
    assert code(one, quote(), instead_of=resting) is None
    assert one.tied_up == D("2.00"), "asking changes nothing"


def test_what_could_not_be_canceled_or_sold_blocks_its_market() -> None:
    """The gate refuses new orders in that market. The block does not apply to another market."""
    one = gate()
    one.block("KXA-1")
    assert code(one, quote()) is RefusalCode.NOT_CLEARED
    assert code(one, quote(ticker="KXA-2")) is RefusalCode.MARKET_STATUS, "of that market nothing is known here"


def test_a_halt_by_hand_stops_the_next_order_of_the_same_cycle() -> None:
    one = gate()
    assert code(one, quote()) is None
    one.halt("python main.py cancel-all")
    assert code(one, quote()) is RefusalCode.HALT


def test_what_rests_and_what_went_is_counted() -> None:
    one = gate(limits=AMPLE._replace(max_capital=D(5)), cash=FreeCash(D(3), {0: D(3)}))
    one.rests("KXA-1", "x", Bid(NO, D("0.44"), D(5)))
    assert one.risks() == {"KXA": D("2.20")}
    assert code(one, quote()) is RefusalCode.CASH
    one.gone("KXA-1", "x")
    assert code(one, quote()) is None
    assert one.tied_up == 0


@pytest.mark.parametrize(("closing", "expected"), [(None, None), (True, RefusalCode.CASH), (False, None)])
def test_an_exit_is_not_held_back_by_cash_unless_it_needs_it(
    closing: bool | None, expected: RefusalCode | None
) -> None:
    """5 YES that close 5 NO. As long as it is not known whether they need cash, the exchange decides."""
    one = gate(positions=(held("KXA-1", -5),), cash=FreeCash(D("1"), {0: D("1")}, closing=closing))
    assert code(one, quote()) is expected


@pytest.mark.parametrize(
    ("closing", "expected"), [(None, RefusalCode.CASH), (True, RefusalCode.CASH), (False, None)]
)
def test_orders_that_only_close_count_until_seen_otherwise(
    closing: bool | None, expected: RefusalCode | None
) -> None:
    """$3 are free. 5 NO at 0.40 close what is held; if they reserve their $2, 5 YES for $2.45 are too many."""
    one = gate(positions=(held("KXA-1", 5),), cash=FreeCash(D("3"), {0: D("3")}, closing=closing))
    one.rests("KXA-1", "exit", Bid(NO, D("0.40"), D(5)))
    assert code(one, quote()) is expected


def test_a_sale_frees_what_it_sold() -> None:
    one = gate(positions=(held("KXA-1", 10, "4"),), limits=AMPLE._replace(max_event_loss=D(4)))
    assert code(one, quote(count=1)) is RefusalCode.POSITION
    one.sold("KXA-1", D(5))
    assert (one.risks(), one.tied_up) == ({"KXA": D(2)}, D(2))
    assert code(one, quote(count=5)) is RefusalCode.MAX_EVENT_LOSS
    one.sold("KXA-1", D(5))
    assert (one.risks(), one.tied_up) == ({"KXA": D(0)}, D(0))
    assert code(one, quote(count=5)) is None


def test_a_sale_of_a_holding_ties_up_only_what_goes_beyond_it() -> None:
    """An order that sells what is held needs capital only for the contracts beyond the holding."""
    here = state(positions=(held("KXA-1", 3, "1.50"),), limits=AMPLE._replace(max_capital=D("2.38")))
    sizes = {("KXA-1", NO): D(2)}
    one = Gate(here, sizes)
    assert code(one, quote(NO, "0.44", 5)) is None, "1.50 held, and 2 x 0.44"
    assert code(Gate(replace(here, limits=AMPLE._replace(max_capital=D("2.37"))), sizes),
                quote(NO, "0.44", 5)) is RefusalCode.MAX_CAPITAL  # fmt: skip


def test_the_ceiling_on_orders_stops_a_runaway_loop() -> None:
    """The ceiling lets a bad minute through: at least 60 orders a minute, and more with more markets."""
    assert orders_a_minute(2) == 60
    assert orders_a_minute(100) == 6 * 3 * 100
    one = Gate(TradingState(Limits(D(9), D(9), 2), markets=state().markets), SIZES)
    one.count_order()
    assert code(one, quote()) is None
    one.count_order()
    assert code(one, quote()) is RefusalCode.ORDER_RATE
