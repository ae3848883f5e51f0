"""A simulated day on an exchange that answers as the real one does, oddities and lags included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from benchmarks.presence import side_seconds
from report.build import build_report
from report.facts import read_report_facts
from risk.gate import Place
from selection.ranking import Selection
from simulator.people import EVERYBODY
from simulator.reading import REAL, SPEC
from tests.support.bench import Bench, MakeBench
from tests.support.statements import assert_as_stated, truth

pytestmark = pytest.mark.slow

CYCLES = 24 * 60
ODD = replace(REAL, own_size_lag=20.0)
"""With the longest lag of the own size in public books that was seen."""

SETTINGS: dict[str, Any] = {
    "TRADE_SIZE": 30, "TRADE_TICKER_SIZE": 4, "INCENTIVE_SIZE": None, "MAX_CAPITAL": 400, "MAX_EVENT_LOSS": 200,
    "FILL_COST": 0, "MIN_HOURS_TO_CLOSE": 1, "AVOID": (), "DAILY_LOSS_LIMIT": 1_000,
}  # fmt: skip
"""Quotes that are filled now and then, and windows that reach their dollar."""


class Day(NamedTuple):
    """What came of a day. `present`: the part of the wanted time in which an order rested."""

    present: float
    wanted: float
    fills: int
    credited: Decimal


def trade_a_day(bench: Bench) -> Day:
    """Trade, and hold the ledger against the exchange's record."""
    spans: list[tuple[datetime, frozenset[Place]]] = []
    start_trading: Callable[[], Selection | None] = bench.bot.start_trading

    def watched() -> Selection | None:
        selection = start_trading()
        spans.append((bench.exchange.clock.now(), bench.bot.plan.places if bench.bot.plan else frozenset()))
        return selection

    bench.bot.start_trading = watched  # type: ignore[method-assign]
    bench.run(cycles=CYCLES)
    spans.append((bench.exchange.clock.now(), frozenset()))
    print(bench.events("ERROR")[:5])
    assert bench.events("HALT") == []
    told = build_report(read_report_facts(bench.ledger))
    wanted, present, _ = side_seconds(spans, truth(bench))
    print(told.cash, told.total.money)
    return Day(present / wanted, wanted, told.total.fills, told.total.money.credited)


def test_a_real_day(make_bench: MakeBench) -> None:
    for reading in (ODD, SPEC):
        bench = make_bench(reading=reading, who=EVERYBODY, programs=20, **SETTINGS)
        print(reading.name, trade_a_day(bench))
        try:
            assert_as_stated(bench)
        except AssertionError as e:
            print(str(e)[:1500])
