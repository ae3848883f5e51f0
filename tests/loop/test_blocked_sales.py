"""An order of the account's owner in the way of a sale: what the owner is told, and what the bot does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.blocked_sales import blocked_sales
from bot.log_events import Announcements
from exchange.models import Order
from exchange.orderbook import NO, YES, Side
from execution.plan import Plan, UnsoldPosition
from risk.gate import Refusal, RefusalCode
from risk.refusals import REFUSED_CYCLES
from simulator.matching import DOLLAR_PIPS
from tests.support.bench import STILL, Bench, MakeBench, answer, own_resting, trade_cycles
from tests.support.builders import UNTIL, bid, held, market, order, state
from trade import quote_order


def buy(bench: Bench, ticker: str, is_yes: bool, count: int) -> None:
    """The owner buys contracts of a side at the market."""
    side, price = ("bid", "0.9900") if is_yes else ("ask", "0.0100")
    bench.raw.place(
        ticker=ticker, side=side, count=f"{count}.00", price=price, client_order_id=f"bought-by-hand-{side}",
        time_in_force="immediate_or_cancel",
    )  # fmt: skip


def stand_in_front(bench: Bench, ticker: str, is_yes: bool, count: int, ticks: int = 0) -> str:
    """The owner bids for a side, so many ticks above its best bid. Returns the order's id."""
    market = bench.exchange.api.exchange.markets[ticker]
    best = market.book.half(is_yes).best()
    assert best is not None
    price = market.grid.nearest(best, ticks if is_yes else -ticks)
    return bench.raw.place(
        ticker=ticker, side="bid" if is_yes else "ask", count=f"{count}.00", price=f"{price / DOLLAR_PIPS:.4f}",
        client_order_id=f"by-hand-{ticker}-{is_yes}-{count}", post_only=True,
    )  # fmt: skip


def told(bench: Bench) -> list[str]:
    """The errors of an order in the way, each with its details in one line."""
    lines, found = bench.log.splitlines(), []
    for number, line in enumerate(lines):
        if "[ERROR] An order of your own stands in the way of a sale" in line:
            found.append(" ".join(lines[number : number + 3]))
    return found


def blocked(make_bench: MakeBench, is_yes: bool) -> tuple[Bench, str]:
    """A bot that quotes two markets, and holds a position in the first; and that market."""
    bench = make_bench(**STILL)
    trade_cycles(bench, 1)
    ticker = bench.board().selection.chosen[0].ticker
    assert bench.held() == {}
    buy(bench, ticker, is_yes, 5)
    return bench, ticker


@pytest.mark.parametrize("is_yes", [True, False])
@pytest.mark.parametrize("count", [1, 400])
def test_the_order_to_cancel_is_told_once(make_bench: MakeBench, is_yes: bool, count: int) -> None:
    """With its side, price, count and id, and what the position may lose. The order stays."""
    bench, ticker = blocked(make_bench, is_yes)
    theirs = stand_in_front(bench, ticker, is_yes, count)
    trade_cycles(bench, 4)
    (line,) = told(bench)
    side = "yes" if is_yes else "no"
    price = next(one for one in bench.resting() if one.order_id == theirs).price / DOLLAR_PIPS
    price = price if is_yes else 1 - price
    assert f"{ticker}, {side}, {count} at {price:.4f}, order {theirs[:8]}..." in line
    assert f"keeps 5 {side} there, which may lose $" in line
    assert "Cancel that order on the exchange's website. Or " in line
    assert "cancel-all" in line


def test_the_end_is_told_and_so_is_another_order(make_bench: MakeBench) -> None:
    bench, ticker = blocked(make_bench, True)
    first = stand_in_front(bench, ticker, True, 10)
    trade_cycles(bench, 2)
    bench.raw.cancel(first)
    second = stand_in_front(bench, ticker, True, 20)
    trade_cycles(bench, 2)
    one, other = told(bench)
    assert first[:8] in one
    assert second[:8] in other
    bench.raw.cancel(second)
    trade_cycles(bench, 2)
    assert bench.held() == {}
    ended = [line for line in bench.events("INFO") if "is out of its way" in line]
    assert [name[:8] in line for name, line in zip((first, second), ended, strict=True)] == [True, True]


def test_an_order_that_a_sale_would_not_meet_is_not_told(make_bench: MakeBench) -> None:
    bench, ticker = blocked(make_bench, True)
    stand_in_front(bench, ticker, True, 10, ticks=-3)
    stand_in_front(bench, ticker, False, 10, ticks=-3)
    trade_cycles(bench, 2)
    assert told(bench) == []
    assert bench.held() == {}


def test_a_market_whose_position_is_stuck_gives_up_its_slot(make_bench: MakeBench) -> None:
    """Its quotes are gone, and new ones are refused while the sale is blocked. The sale is tried on, and is made
    once the order is gone."""
    bench, ticker = blocked(make_bench, True)
    theirs = stand_in_front(bench, ticker, True, 10)
    bench.let_expire(own_resting(bench))
    trade_cycles(bench, REFUSED_CYCLES + 2)
    quoted = {order.ticker for order in own_resting(bench)}
    assert len(quoted) == 2
    assert ticker not in quoted
    (guard,) = [line for line in bench.events("GUARD") if "refused in" in line]
    assert ticker in guard
    assert "NOT_CLEARED" in guard
    bench.raw.cancel(theirs)
    trade_cycles(bench, 2)
    assert bench.held() == {}


def test_a_market_in_which_nothing_can_be_sold_gives_up_its_slot(make_bench: MakeBench) -> None:
    """The exchange takes the sale and fills nothing of it, again and again."""
    bench, ticker = blocked(make_bench, True)
    bench.let_expire(own_resting(bench))
    nothing = answer(201, '{"order_id": "sold-nothing", "fill_count": "0.00", "remaining_count": "0.00"}')
    bench.wire.fault = lambda request, _: nothing if b'"reduce_only": true' in (request.body or b"") else None
    trade_cycles(bench, REFUSED_CYCLES + 2)
    (guard,) = [line for line in bench.events("GUARD") if "refused in" in line]
    assert f"Ticker: {ticker} |" in guard
    assert "nothing could be sold" in guard
    assert ticker not in {order.ticker for order in own_resting(bench)}
    bench.wire.fault = None
    trade_cycles(bench, 1)
    assert bench.held() == {}


# -- which order -----------------------------------------------------------------------------------------------


def by_hand(side: Side, price: str, name: str) -> Order:
    return order("KXA-1", side, price, 10)._replace(order_id=name, client_order_id=f"by-hand-{name}")


@pytest.mark.parametrize(("side", "count"), [(YES, "5"), (NO, "-5")])
def test_the_first_order_that_a_sale_would_meet_is_named(side: Side, count: str) -> None:
    """Not one of the bot's own, of the other side, or of another market."""
    orders = (
        by_hand(side, "0.40", "low"), by_hand(side, "0.45", "high"), by_hand(side.other, "0.50", "other"),
        by_hand(side, "0.60", "elsewhere")._replace(ticker="KXB-1"), order("KXA-1", side, "0.60", 10),
    )  # fmt: skip
    position = held("KXA-1", count)
    plan = Plan(unsold=(UnsoldPosition(position, "in the way", is_blocked=True),))
    known = state(orders=orders, positions=(position,))
    (found,) = blocked_sales(plan, known)
    announcements = Announcements()
    assert [len(list(announcements.blocked_sales(plan, known))) for _ in range(3)] == [1, 0, 0]
    assert (found.position, found.order.order_id) == (position, "high")
    assert blocked_sales(Plan(), known) == ()


@pytest.mark.parametrize(("price", "is_met"), [("0.54", False), ("0.55", True), ("0.60", True)])
def test_an_exit_that_the_gate_refuses_names_the_order_it_meets(price: str, is_met: bool) -> None:
    position = held("KXA-1", "5")
    refused = Refusal(
        quote_order(market(ticker="KXA-1"), bid(NO, "0.45", 5), "", UNTIL), RefusalCode.OWN_ORDER, "yes side"
    )
    known = state(orders=(by_hand(YES, price, "met"),), positions=(position,))
    assert len(blocked_sales(Plan(refused=(refused,)), known)) == is_met
    assert blocked_sales(Plan(refused=(refused._replace(code=RefusalCode.WOULD_CROSS),)), known) == ()
    assert blocked_sales(Plan(refused=(refused,)), replace(known, positions=())) == ()
