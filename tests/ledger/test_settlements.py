"""What a market paid at its end is counted once, whatever was bought there, by whom and when."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from exchange.account import Fill
from report.build import Report, build_report
from report.facts import read_report_facts
from simulator import lifecycle
from simulator.listing import ListedMarket
from tests.support.bench import STILL, Bench, MakeBench, fill_quote, trade_cycles
from tests.support.statements import assert_as_stated, truth

pytestmark = pytest.mark.slow

D = Decimal


def market_of(bench: Bench, ticker: str) -> ListedMarket:
    return bench.exchange.api.exchange.markets[ticker]


def settle(bench: Bench, ticker: str, result: str | int) -> None:
    lifecycle.settle_now(bench.exchange.api.exchange, market_of(bench, ticker), result)


def take_by_hand(bench: Bench, ticker: str, count: str, side: str = "bid") -> None:
    """A person buys YES, or sells it (buys NO: "ask"), at the best price there is."""
    best = market_of(bench, ticker).book.half(side == "ask").best()
    bench.raw.place(
        ticker=ticker, count=count, side=side, price=f"{(best or 0) / 10_000:.4f}",
        client_order_id=f"typed-{side}-{len(bench.account.fills)}", time_in_force="immediate_or_cancel",
    )  # fmt: skip


def told(bench: Bench) -> Report:
    return build_report(read_report_facts(bench.ledger))


def assert_all_explained(bench: Bench) -> None:
    """The ledger, the day's profit, the cash and the report agree with the exchange's own statement."""
    assert_as_stated(bench)
    report = told(bench)
    assert report.cash is not None
    assert (report.cash.unexplained, report.unexplained) == (0, [])
    assert report.total.money.fees == sum(fill.fee for fill in bench.ledger.changes() if isinstance(fill, Fill))
    mark = bench.ledger.last_mark()
    assert mark is not None
    assert report.total.money.trading == mark.own_profit
    assert bench.events("HALT") == []


@pytest.mark.parametrize("result", ["yes", "no", 4_500, 5_000])
@pytest.mark.parametrize(
    ("bought", "sold"), [("0.00", "0.00"), ("20.14", "20.00"), ("1.00", "61.00"), ("9.30", "0.00")]
)
def test_a_payout_is_counted_once_whatever_was_bought(
    make_bench: MakeBench, result: str | int, bought: str, sold: str
) -> None:
    """The bot's 20 contracts and what a person bought there on both sides, pairs included. Without the person's
    trades the row is plain; with them its counts are far above what was held."""
    bench = make_bench(**STILL, DAILY_LOSS_LIMIT=100)
    trade_cycles(bench, 1)
    ticker, _ = fill_quote(bench)
    for side, count in (("bid", bought), ("ask", sold)):
        if D(count):
            take_by_hand(bench, ticker, count, side)
    lifecycle.halt(bench.exchange.api.exchange, market_of(bench, ticker))  # so the bot cannot sell
    trade_cycles(bench, 3)
    held = bench.ledger.positions()[ticker]
    settle(bench, ticker, result)
    trade_cycles(bench, 4)
    (row,) = [one for one in bench.ledger.settlements() if one.ticker == ticker]
    assert row.yes_count >= 20
    assert row.change == -held
    assert row.yes_count + row.no_count == D("20") + D(bought) + D(sold)
    assert bench.ledger.positions() == {name: D(count) for name, count in truth(bench)["positions"].items()}
    assert_all_explained(bench)


def test_a_market_that_was_flat_at_its_end_changes_nothing(make_bench: MakeBench) -> None:
    """Its settlement counts all that was bought and sold there, and pays nothing."""
    bench = make_bench(**STILL)
    trade_cycles(bench, 1)
    ticker = bench.resting()[-1].ticker
    take_by_hand(bench, ticker, "7.25")
    take_by_hand(bench, ticker, "7.25", "ask")
    trade_cycles(bench, 2)
    before, cash = bench.ledger.positions(), bench.account.cash[0]
    profit = told(bench).total.money.trading
    settle(bench, ticker, "yes")
    trade_cycles(bench, 1)
    bench.restart()
    trade_cycles(bench, 3)
    (row,) = [one for one in bench.ledger.settlements() if one.ticker == ticker]
    assert (row.yes_count, row.no_count, row.change, row.revenue) == (D("7.25"), D("7.25"), 0, 0)
    assert bench.ledger.positions() == before
    assert bench.account.cash[0] == cash
    assert told(bench).total.money.trading == profit
    assert_all_explained(bench)


def test_a_settlement_while_a_ledger_begins_is_counted_once(make_bench: MakeBench) -> None:
    """A market is paid out after the bot read the settlements for a new ledger and before it reads the positions.
    The position is in neither, and must not appear as its opposite when the settlement is read later."""
    bench = make_bench(**STILL)
    (ticker, *_) = bench.held()
    seen = 0

    def pay(request: requests.PreparedRequest, _: int) -> Any:
        nonlocal seen
        if "/portfolio/positions" in (request.url or "") and "/portfolio/settlements" in "".join(
            bench.wire.asked()
        ):
            seen += 1
            if seen == 1:
                settle(bench, ticker, "yes")

    bench.wire.fault = pay
    trade_cycles(bench, 3)
    assert seen > 1
    assert ticker not in bench.held()
    assert [one.ticker for one in bench.ledger.changes()].count(ticker) == 0, "it was before the beginning"
    bench.restart()
    trade_cycles(bench, 2)
    assert ticker not in bench.ledger.positions()
    assert_all_explained(bench)


def test_contracts_of_fills_no_longer_listed_end_with_the_market(make_bench: MakeBench) -> None:
    """While the bot was down a person bought in a market, it was paid out, and the exchange lists only the
    settlement. The ledger does not hold the opposite position for ever, and cash is explained from then on."""
    bench = make_bench(**STILL)
    bench.know_balance()
    trade_cycles(bench, 3)
    ticker = bench.resting()[-1].ticker
    known = len(bench.account.fills)
    take_by_hand(bench, ticker, "3.00")
    del bench.account.fills[known:]
    settle(bench, ticker, "yes")
    for _ in range(2):
        bench.pass_time(60)
        bench.restart()
        trade_cycles(bench, 3)
    assert [one.change for one in bench.ledger.settlements() if one.ticker == ticker] == [-3]
    assert ticker not in bench.ledger.positions()
    assert bench.events("HALT") == []
    assert [line for line in bench.events("INFO") if f"Changed: {ticker} +3" in line]
    spans = read_report_facts(bench.ledger).cash_spans
    assert spans[-1].until - spans[-1].since >= timedelta(minutes=2)
