"""Simulated hours on an exchange that answers as the real one does, oddities and lags included."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import pytest
import requests

from benchmarks.presence import side_seconds
from report.build import build_report
from report.facts import read_report_facts
from risk.gate import Place
from selection.ranking import Selection
from simulator.matching import CONTRACT, Order
from simulator.people import EVERYBODY
from simulator.reading import REAL, SPEC
from tests.support.bench import Bench, MakeBench, assert_quoting_once, is_quote
from tests.support.statements import assert_as_stated, present, total, truth

pytestmark = pytest.mark.slow

SIX_HOURS, THREE_HOURS = 6 * 60, 3 * 60
"""In cycles of a minute."""

ODD = replace(REAL, own_size_lag=20.0)
"""With the longest lag of the own size in public books that was seen."""

SETTINGS: dict[str, Any] = {
    "TRADE_SIZE": 60, "TRADE_DELTA": 0.00, "TRADE_TICKER_SIZE": 2, "INCENTIVE_SIZE": None, "MAX_CAPITAL": 400,
    "MAX_EVENT_LOSS": 200, "FILL_COST": 0, "MIN_HOURS_TO_CLOSE": 1, "AVOID": (), "DAILY_LOSS_LIMIT": 1_000,
}  # fmt: skip
"""Quotes that are moved and filled."""


class Outcome(NamedTuple):
    """What came of a run. `present`: the part of the seconds that quotes were wanted in which they rested."""

    present: float
    fills: int


def trade(bench: Bench, cycles: int) -> Outcome:
    """Trade cycles in which nothing fails, and hold the ledger against the exchange's record."""
    spans: list[tuple[datetime, frozenset[Place]]] = []
    start_trading: Callable[[], Selection | None] = bench.bot.start_trading

    def watched() -> Selection | None:
        selection = start_trading()
        spans.append((bench.exchange.clock.now(), bench.bot.plan.places if bench.bot.plan else frozenset()))
        return selection

    bench.bot.start_trading = watched  # type: ignore[method-assign]
    bench.run(cycles=cycles)
    spans.append((bench.exchange.clock.now(), frozenset()))
    assert bench.events("ERROR") == bench.events("HALT") == []
    assert_as_stated(bench)
    report = build_report(read_report_facts(bench.ledger))
    assert report.cash is not None
    assert report.cash.unexplained == 0
    wanted, rested, _ = side_seconds(spans, truth(bench))
    print(f"{wanted:,.0f} s wanted, {rested / wanted:.4%} present, {report.total.fills} fills")
    return Outcome(rested / wanted, report.total.fills)


def test_hours_of_lags_and_oddities_cost_no_presence(make_bench: MakeBench) -> None:
    """No error, no halt, every cent and every position explained, and quotes rest as long as on an exchange that
    answers as specified. Half a percent is left, because the fills of two runs come at other moments: once a
    request is a second later, other traders meet other quotes."""
    odd = trade(make_bench(reading=ODD, who=EVERYBODY, programs=8, **SETTINGS), SIX_HOURS)
    plain = trade(make_bench(reading=SPEC, who=EVERYBODY, programs=8, **SETTINGS), THREE_HOURS)
    assert odd.present > 0.99
    assert odd.present == pytest.approx(plain.present, abs=0.005)
    assert odd.fills > 5


def test_a_refused_quote_listed_as_canceled_earns_nothing(make_bench: MakeBench) -> None:
    """The market is somewhere else for the moment in which the first quote arrives: the exchange refuses it and
    lists it as canceled. The bot counts no seconds for it, does not think that somebody canceled it, and quotes
    that side in the next cycle. A new process, which reads the list of orders, does the same."""
    bench = make_bench(who=(), programs=12, TRADE_SIZE=20, MAX_CAPITAL=500, MAX_EVENT_LOSS=200)
    exchange = bench.exchange.api.exchange
    refused: list[str] = []

    def in_between(request: requests.PreparedRequest, _: int) -> object:
        if not is_quote(request) or refused:
            return None
        terms = json.loads(request.body or b"")
        refused.append(terms["client_order_id"])
        book = exchange.markets[terms["ticker"]].book
        is_bid, price = terms["side"] == "bid", round(float(terms["price"]) * 10_000)
        ours, others = book.half(is_bid), book.half(not is_bid)
        aside = ours.everyone()
        for one in aside:
            ours.remove(one)
        others.add(crossed := Order(terms["ticker"], not is_bid, price, CONTRACT))
        response = bench.wire.inner.send(request)
        others.remove(crossed)
        for one in aside:
            ours.add(one)
        return lambda _: response

    bench.wire.fault = in_between
    bench.run(cycles=3)
    bench.restart()
    bench.run(cycles=2)
    (row,) = [order for order in bench.account.orders.values() if order.client_order_id in refused]
    assert (row.status, row.filled) == ("canceled", 0)
    (error,) = bench.events("ERROR")
    assert "post only cross" in error
    assert bench.events("GUARD") == bench.events("HALT") == []
    assert_quoting_once(bench)
    assert_as_stated(bench)
    counted = total(bench).present
    truly = present(truth(bench)["orders"], [terms[-1] for terms in bench.ledger.programs().values()])
    assert counted == pytest.approx(truly, rel=0.01)
