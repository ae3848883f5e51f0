"""One profit a day: what the cycle says a day brought is what the report says of it in the same minute."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest

from report import html_page, text
from report.build import Report, build_report
from report.facts import read_report_facts
from runtime.log_format import short_dollars
from tests.support.bench import BUSY, Bench, MakeBench, fill_quote

D = Decimal


def report(bench: Bench) -> Report:
    return build_report(read_report_facts(bench.ledger))


def assert_the_same(bench: Bench) -> Decimal:
    """The cycle, the report and its status say the same. Returns what the day had brought before the bot."""
    told = re.search(r"Trading today: (\S+)(?: \((\S+) before the bot\))? \|", bench.events("CYCLE")[-1])
    assert told
    found, mark = report(bench), bench.ledger.last_mark()
    assert mark is not None
    today = next((day for day in found.days if day.name == mark.at.date().isoformat()), None)
    trading = today.money.trading if today else D(0)
    assert told[1] == short_dollars(trading), bench.events("CYCLE")[-1]
    assert mark.own_profit == trading
    before = found.before_bot if found.since.date() == mark.at.date() else D(0)
    assert mark.day_profit == trading + before, "what DAILY_LOSS_LIMIT counts"
    assert told[2] == (short_dollars(before) if before else None)
    return before


def nothing(bench: Bench) -> None:
    return


def buys_by_hand(bench: Bench) -> None:
    """A person buys in markets that the bot may quote, or may not."""
    for ticker in sorted(bench.exchange.api.exchange.markets)[3:9]:
        bench.raw.place(
            ticker=ticker, count="3.00", price="0.9900", time_in_force="immediate_or_cancel",
            client_order_id=f"typed-{len(bench.wire.sent)}-{ticker.replace('.', '-')}",
        )  # fmt: skip


@pytest.mark.parametrize("before", [nothing, buys_by_hand])
@pytest.mark.parametrize("way", ["CROSS", "REST"])
def test_cycle_and_report_say_the_same_of_a_day(
    make_bench: MakeBench, before: Callable[[Bench], None], way: str
) -> None:
    """The account was in use on that day, quotes are filled, a person trades on the side, the bot starts anew."""
    bench = make_bench(**BUSY, EXIT=way)
    before(bench)
    bench.run(cycles=1)
    told = {assert_the_same(bench)}
    for cycle in range(12):
        if cycle == 3:
            fill_quote(bench)
        if cycle == 6:
            buys_by_hand(bench)
        if cycle == 9:
            bench.restart()
        bench.run(cycles=1)
        told.add(assert_the_same(bench))
    (brought,) = told
    assert brought, "and it does not change any more"
    assert report(bench).total.fills > 3


def test_the_next_day_is_all_the_bots(make_bench: MakeBench) -> None:
    """After midnight nothing stands beside it. The report still tells what its first day had brought before."""
    bench = make_bench(**BUSY)
    buys_by_hand(bench)
    bench.run(cycles=3)
    first = assert_the_same(bench)
    for _ in range(3):
        bench.pass_time(4 * 3600)
        bench.run(cycles=2)
        assert_the_same(bench)
    assert "before the bot" not in bench.events("CYCLE")[-1]
    assert report(bench).before_bot == first != 0
    brought = f"trading made {'-' if first < 0 else ''}${abs(first):.2f}, which is not included"
    assert f"2026-11-22: before the bot began, {brought}" in text.text(report(bench))
    assert f"before the bot began, {brought}" in html_page.page(report(bench))


def test_a_position_that_is_taken_over_counts_alike(make_bench: MakeBench) -> None:
    """The exchange says that more is held than any fill explains, at a start."""
    bench = make_bench(**BUSY)
    bench.run(cycles=2)
    ticker = sorted(bench.exchange.api.exchange.markets)[4]
    bench.account.holdings[ticker].count, bench.account.holdings[ticker].cost = 500, 2_000_000
    bench.restart()
    bench.run(cycles=2)
    assert "positions are taken from the exchange" in bench.log
    assert_the_same(bench)
    bench.run(cycles=3)
    assert_the_same(bench)
