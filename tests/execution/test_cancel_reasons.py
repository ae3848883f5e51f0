"""Why an order is canceled: a person who finds a quote gone must be able to read in the log what took it down."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from exchange.orderbook import NO, YES, Bid, Side
from execution.cancel_reasons import CancelCause, CancelReason
from execution.plan import Plan, TargetQuote, Targets, make_plan
from ledger.ledger import Ledger
from simulator.matching import Order
from tests.support.bench import (
    Bench,
    Beside,
    MakeBench,
    Said,
    answer,
    fill_quote,
    own_resting,
    unavailable,
)
from tests.support.builders import UNTIL, held, market, order, state

D = Decimal


def canceled(bench: Bench) -> dict[str, set[str]]:
    """The facts of all cancels in a log, by their reason."""
    found: dict[str, set[str]] = {}
    for line in bench.events("CANCEL ORDER"):
        said = re.search(r"Reason: ([A-Z_]+) \| (.+)$", line)
        assert said, line
        found.setdefault(said[1], set()).add(said[2])
    return found


def facts(bench: Bench, reason: CancelReason) -> str:
    """What one reason says, which must have taken down something."""
    (said, *_) = canceled(bench)[reason.value]
    return said


# -- in a plan -------------------------------------------------------------------------------------------------


def plan(resting: list[Any], quotes: list[TargetQuote], **more: Any) -> Plan:
    unwanted = more.pop("unwanted", {})
    targets = Targets(quotes, until=UNTIL, unwanted=unwanted)
    return make_plan(state(orders=tuple(resting), **more), targets, {0: "group-0"})


def quote(side: Side, price: str, count: float = 5) -> TargetQuote:
    return TargetQuote(market(ticker="KXA-1"), Bid(side, D(price), D(str(count))), UNTIL, D(str(count)))


def causes(made: Plan) -> list[CancelCause]:
    return [cause for _, cause in made.cancels]


def test_a_side_that_is_not_wanted_says_why() -> None:
    why = CancelCause(CancelReason.NOT_CHOSEN, "MAX_CAPITAL | Ties up: $9.00, $1.00 left")
    made = plan([order("KXA-1", YES, "0.49", 5)], [], unwanted={("KXA-1", YES): why})
    assert causes(made) == [why]


def test_a_side_that_is_held_is_taken_down_as_held() -> None:
    """What is held of a side is its whole size, or is being sold."""
    for count in (5, 3):
        made = plan([order("KXA-1", YES, "0.49", 5)], [quote(YES, "0.49")], positions=(held("KXA-1", count),))
        (cause,) = causes(made)
        assert cause.reason is CancelReason.POSITION
        assert cause.facts == f"{count} contracts of this side are held and being sold"


def test_a_second_order_of_a_side_is_a_duplicate() -> None:
    twice = [order("KXA-1", YES, "0.49", 5, name="a"), order("KXA-1", YES, "0.48", 5, name="b")]
    assert [cause.reason for cause in causes(plan(twice, [quote(YES, "0.49")]))] == [CancelReason.DUPLICATE]


def test_an_order_that_may_not_be_moved_says_where_it_goes() -> None:
    """So near to the other side an amend could take, so it is placed again."""
    made = plan([order("KXA-1", YES, "0.40", 5)], [quote(YES, "0.54")])
    (cause,) = causes(made)
    assert (cause.reason, "at 0.5400" in cause.facts) == (CancelReason.NEW_PRICE, True)
    assert len(made.orders) == 1


def test_an_order_outside_its_group_says_so() -> None:
    made = plan([order("KXA-1", YES, "0.49", 5, group="another")], [quote(YES, "0.49")])
    assert [cause.reason for cause in causes(made)] == [CancelReason.ORDER_GROUP]


def test_an_order_that_a_limit_forbids_names_the_limit() -> None:
    """The code and the numbers are those of the refusal."""
    limits = state().limits._replace(max_capital=D("0.50"))
    made = plan([order("KXA-1", NO, "0.49", 5)], [quote(NO, "0.49")], limits=limits)
    (cause,) = causes(made)
    assert cause.reason is CancelReason.LIMIT
    assert cause.facts.startswith("MAX_CAPITAL | $")


# -- in the loop -----------------------------------------------------------------------------------------------


def test_a_start_and_a_stop_say_so(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    assert bench.run(cycles=2, end=KeyboardInterrupt) == 0
    found = canceled(bench)
    assert found == {
        "NEW_SESSION": {"the account is cleared before trading"},
        "STOP": {"the bot stops (Ctrl-C)"},
    }


def end_programs(bench: Bench) -> None:
    tickers = {order.ticker for order in own_resting(bench)}
    programs = bench.exchange.api.exchange.programs
    programs[:] = [program for program in programs if program.ticker not in tickers]
    bench.bot.scan_board()


def fill_half(bench: Bench) -> None:
    fill_quote(bench, part=0.5)


def halt(bench: Bench) -> None:
    with closing(Ledger(bench.ledger_file)) as ledger:
        ledger.halt(bench.client.clock.now(), "python main.py cancel-all")


def pause(bench: Bench) -> None:
    bench.wire.fault = lambda request, _: (
        answer(200, '{"exchange_active": true, "trading_active": false}')
        if "exchange/status" in request.url
        else None
    )


def lose_books(bench: Bench) -> None:
    bench.wire.fault = lambda request, _: unavailable if "/markets/orderbooks" in (request.url or "") else None


@pytest.mark.parametrize(
    ("do", "changed", "reason", "told"),
    [
        (end_programs, {}, CancelReason.PROGRAM_ENDED, "its program has ended or is no longer listed"),
        (fill_half, {"TRADE_SIZE": 20}, CancelReason.GUARD, "it was filled, until 15:0"),
        (
            fill_half,
            {"TRADE_SIZE": 20, "FILL_PAUSE": 0},
            CancelReason.POSITION,
            "10 contracts of this side are held",
        ),
        (halt, {}, CancelReason.HALT, "python main.py cancel-all"),
        (pause, {}, CancelReason.PAUSE, "the exchange pauses"),
        (lose_books, {}, CancelReason.OUTAGE, "too many cycles in a row failed"),
    ],
)
def test_what_happens_to_a_quote_is_its_reason(
    make_bench: MakeBench, do: Callable[[Bench], None], changed: dict[str, Any], reason: CancelReason, told: str
) -> None:
    bench = make_bench(who=(), MAX_CAPITAL=500, MAX_EVENT_LOSS=500, **changed)
    bench.run(cycles=2)
    do(bench)
    bench.run(cycles=4)
    assert facts(bench, reason).startswith(told)
    assert set(canceled(bench)) == {"NEW_SESSION", reason.value}


def test_a_market_that_a_guard_closes_says_so(make_bench: MakeBench) -> None:
    """Three fills of one side within a minute take down the other side too."""
    bench = make_bench(who=(), TRADE_SIZE=20, MAX_CAPITAL=500, MAX_EVENT_LOSS=500, FILL_LIMIT=1_000)
    bench.run(cycles=2)
    for _ in range(3):
        fill_quote(bench, part=0.1)
    bench.run(cycles=1)
    told = canceled(bench)["GUARD"]
    assert any(facts.startswith("GUARD | Because: 3 fills within a minute, ") for facts in told)


@pytest.mark.parametrize("is_bid", [True, False])
def test_a_side_without_a_price_says_why(make_bench: MakeBench, is_bid: bool) -> None:
    """Others rest ahead of it, more than INCENTIVE_SIZE. The other side goes on."""
    bench = make_bench(who=(), TRADE_TICKER_SIZE=1, ONLY=("KXODD-26NOV23-TWICE",))
    bench.run(cycles=2)
    exchange = bench.exchange.api.exchange
    ours = next(one for one in own_resting(bench) if one.is_bid is is_bid)
    exchange.crowd_rest(exchange.markets[ours.ticker], is_bid, ours.price, 40_000)
    bench.run(cycles=1)
    side = "yes" if is_bid else "no"
    said = facts(bench, CancelReason.NO_PRICE)
    assert re.fullmatch(
        rf"only the other side is quoted: INCENTIVE_SIZE \| Rivals ahead on {side}: \d+, at most 300", said
    )
    assert [one.is_bid for one in own_resting(bench)] == [not is_bid]


def test_a_market_that_loses_its_slot_says_to_what(make_bench: MakeBench) -> None:
    """Another market pays far more now. The reason of the skip follows, with its number."""
    bench = make_bench(who=(), TRADE_TICKER_SIZE=1)
    bench.run(cycles=2)
    better = bench.board().selection.skipped[3].ticker
    programs = bench.exchange.api.exchange.programs
    programs[:] = [replace(one, reward=one.reward * 50) if one.ticker == better else one for one in programs]
    bench.bot.scan_board()
    bench.run(cycles=1)
    assert re.match(
        r"TRADE_TICKER_SIZE \| Rank: 2 of \d+, the best 1 are quoted", facts(bench, CancelReason.NOT_CHOSEN)
    )
    assert {order.ticker for order in own_resting(bench)} == {better}


def test_what_a_person_cancels_says_so(beside: Beside) -> None:
    bench, typed = beside
    bench.run(cycles=1)
    said: Said = typed("cancel-all", "--yes")
    found = re.findall(r"\[CANCEL ORDER\] .* \| Reason: (.*)$", said.out, re.MULTILINE)
    assert len(found) == 4
    assert set(found) == {"BY_HAND | a person asked for it"}


def left(bench: Bench) -> list[Order]:
    return own_resting(bench)


def test_a_ledger_that_cannot_be_opened_takes_quotes_down(make_bench: MakeBench) -> None:
    """Nobody knows then whether trading is halted."""
    bench = make_bench(who=())
    bench.run(cycles=1)
    assert len(left(bench)) == 4
    bench.restart()
    bench.let_ledger_write(False)
    bench.run(cycles=1)
    assert left(bench) == []
    assert facts(bench, CancelReason.LEDGER) == "the ledger, which records halts, cannot be opened"
