"""The turn of the year, when the program ends unless it is renewed: quotes for windows of a rule that is not known
cost fills and may earn nothing.

The real loop trades on a simulated board with its clock in December and January. Nobody else moves there. What is
expected is read from the simulator's own list of programs and markets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from clients import Environment
from commands import doctor
from runtime.console import Checklist
from simulator.lifecycle import list_program
from simulator.listing import ListedMarket, ListedProgram
from tests.support.bench import Bench, MakeBench, Said, fill_quote, own_resting, share
from tests.support.boards import end_programs, quoted
from tests.support.small_exchange import take

pytestmark = pytest.mark.slow

SINCE = datetime(2026, 7, 30, tzinfo=timezone.utc)
UNTIL = datetime(2027, 1, 1, tzinfo=timezone.utc)
LAST_WEEK = UNTIL - timedelta(days=7)
HOUR = timedelta(hours=1)

WIDE: dict[str, Any] = {
    "who": (), "TRADE_SIZE": 60, "FILL_COST": 0, "TRADE_TICKER_SIZE": 60, "INCENTIVE_SIZE": None,
    "MAX_CAPITAL": 5_000, "MAX_EVENT_LOSS": 5_000, "MIN_HOURS_TO_CLOSE": 1, "AVOID": (),
}  # fmt: skip
"""Limits and a size so wide that every market is quoted that qualifies, also if it must pay."""

CYCLES_3_HOURS_APART: dict[str, Any] = {"WAIT_TIME": 10_800, "SCAN_TIME": 10_800}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def real_money(bench: Bench, **changed: object) -> Bench:
    """The same account, traded as if its money were real."""
    bench.confirm = lambda _: True
    bench.restart(env=Environment.PROD, **changed)
    return bench


def known(bench: Bench, ticker: str) -> bool:
    """Whether a window of a market runs that lies within the rule's dates, by the simulator's list."""
    exchange = bench.exchange.api.exchange
    return any(
        program.starts <= exchange.now < program.ends
        and SINCE.timestamp() <= program.starts
        and program.ends <= UNTIL.timestamp()
        for program in exchange.programs
        if program.ticker == ticker and program.kind == "liquidity" and program.target
    )


def ends(bench: Bench, ticker: str) -> datetime:
    market = bench.exchange.api.exchange.markets[ticker]
    return datetime.fromtimestamp(min(market.closes, market.resolves or market.closes), timezone.utc)


TIMES = (
    "2026-07-29 12:00",  # the rule is not in force yet
    "2026-07-30 12:00",  # most windows began before it was
    "2026-12-22 12:00",
    "2026-12-24 23:30",
    "2026-12-25 00:30",  # the last week has begun
    "2026-12-30 12:00",
    "2027-01-02 12:00",
)


@pytest.mark.parametrize("at", TIMES)
def test_real_money_rests_only_on_windows_of_a_known_rule(make_bench: MakeBench, at: str) -> None:
    """Without real money all that pays is quoted. With real money only windows within the rule's dates are, and in
    the last week only in markets that end before it does. With TRUST_RULE all is quoted."""
    sim, demo, prod, trusting = (make_bench(at=utc(at), **WIDE) for _ in range(4))
    demo.restart(env=Environment.DEMO)
    real_money(prod)
    real_money(trusting, trust_rule="2026-07-30")
    for bench in (sim, demo, prod, trusting):
        bench.run(cycles=2)
        assert bench.events("ERROR") == []
    everything = quoted(sim)
    assert len(everything) > 10
    assert quoted(demo) == quoted(trusting) == everything
    expected = {ticker for ticker in everything if known(prod, ticker)}
    if utc(at) >= LAST_WEEK:
        expected = {ticker for ticker in expected if ends(prod, ticker) < UNTIL}
    assert quoted(prod) == expected
    assert bool(expected) == (utc(at) > SINCE and utc(at) < UNTIL)
    for bench in (sim, demo, trusting):
        told = [line for line in bench.events("INFO") if "reaches beyond the dates" in line]
        assert len(told) == (any(not known(bench, ticker) for ticker in everything)), "once"
    assert "reaches beyond the dates" not in prod.log


def test_the_times_tell_the_reasons_apart(make_bench: MakeBench) -> None:
    """The board has windows that reach beyond, and markets that close after: else the test above shows nothing."""
    reasons = {}
    for at in ("2026-12-24 23:30", "2026-12-25 00:30"):
        bench = real_money(make_bench(at=utc(at), **WIDE))
        bench.run(cycles=1)
        skips = bench.board().selection.skipped
        reasons[at] = {skip.reason.value: skip for skip in skips}
        beyond = reasons[at]["RULE_NOT_KNOWN"]
        told = r".* to 2027-01-\d\d \d\d:\d\d UTC, the rule is known from .* 2027-01-01 00:00 UTC"
        assert re.fullmatch(told, beyond.number)
    before, after = reasons.values()
    assert "RULE_ENDS_SOON" not in before
    assert "not before the rule's known end (2027-01-01 00:00 UTC)" in after["RULE_ENDS_SOON"].number


def window(bench: Bench, ticker: str, starts: datetime, ends: datetime, name: str) -> None:
    exchange = bench.exchange.api.exchange
    program = ListedProgram(
        exchange.next_number(), name, ticker, "liquidity", starts.timestamp(), ends.timestamp(), 50_000_000,
        100_000, 5_000,
    )  # fmt: skip
    list_program(exchange, program)


def closing_after(bench: Bench, hour: datetime) -> list[ListedMarket]:
    """The thin markets that close after an hour, and reach the target on both sides."""
    found = [market for market in bench.exchange.api.exchange.markets.values() if market.closes > hour.timestamp()]
    thin = range(105_000, 200_000)
    return [market for market in found if market.book.bids.total in thin and market.book.asks.total in thin]


def test_the_last_second_of_the_known_rule_is_quoted(make_bench: MakeBench) -> None:
    """A window that ends exactly when the known rule does is quoted; one that ends a second later is not; of two
    windows of a market the one that is known decides."""
    at = utc("2026-12-20 12:00")
    bench = real_money(make_bench(at=at, **WIDE))
    just, later, both = (market.ticker for market in closing_after(bench, UNTIL + 24 * HOUR)[:3])
    bench.exchange.api.exchange.programs.clear()
    window(bench, just, at, UNTIL, "just")
    window(bench, later, at, UNTIL + timedelta(seconds=1), "later")
    window(bench, both, at, UNTIL, "known")
    window(bench, both, at - HOUR, UNTIL + 24 * HOUR, "unknown")
    bench.run(cycles=1)
    assert quoted(bench) == {just, both}


def test_a_year_turns_without_a_fault(
    make_bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    typed: Callable[..., Said],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """From 24 December to 3 January in one run of each. Real money quotes until its windows end, and then idles
    with nothing resting. Report and doctor work, and say until when the rule is known."""
    settings = WIDE | CYCLES_3_HOURS_APART | {"TRADE_TICKER_SIZE": 6}
    sim, prod = (make_bench(at=utc("2026-12-24 12:00"), **settings) for _ in range(2))
    real_money(prod)
    for bench in (sim, prod):
        bench.run(cycles=3)
        assert quoted(bench)
        bench.run(cycles=80)
        assert bench.client.clock.now() > utc("2027-01-03 00:00")
        assert bench.events("ERROR") == []
        assert "Traceback" not in bench.log
        begun = bench.ledger.begun
        assert begun is not None
        assert begun < utc("2026-12-24 12:01"), "the ledger is the first one"
    assert quoted(sim)
    assert own_resting(prod) == []
    assert len(prod.events("CYCLE")) >= 80
    (told, *_) = [line for line in prod.events("INFO") if "Rule: " in line]
    assert "is known until 2027-01-01 00:00 UTC; the program ends then unless it is renewed" in told
    assert 'To quote on by this rule: TRUST_RULE = "2026-07-30"' in told
    for bench, does in ((sim, "no real money is involved"), (prod, 'TRUST_RULE = "2026-07-30"')):
        share(bench, monkeypatch)
        report = typed("report")
        assert (report.code, report.err) == (0, "")
        assert "was known until 2027-01-01 00:00 UTC" in " ".join(report.out.split())
        page = tmp_path / "report.html"
        assert typed("report", "--html", str(page)).code == 0
        assert "was known until 2027-01-01 00:00 UTC" in page.read_text(encoding="utf-8")
        doctor.exchange(Checklist(), bench.settings.env, bench.connection)
        (rule,) = [line for line in capsys.readouterr().out.splitlines() if "Reward rule" in line]
        assert "was known until 2027-01-01 00:00 UTC; the program has ended" in rule
        assert does in rule
        assert "note" in rule


def test_a_position_of_the_last_week_is_closed_as_ever(make_bench: MakeBench) -> None:
    """A position in a market that is no longer quoted, because it stays open after the known rule, still has its
    exit order, which closes it."""
    at = LAST_WEEK - timedelta(minutes=4)
    bench = real_money(make_bench(at=at, **WIDE, EXIT="REST", FILL_PAUSE=0, SCAN_TIME=60))
    ticker = next(market.ticker for market in closing_after(bench, UNTIL))
    bench.exchange.api.exchange.programs.clear()
    window(bench, ticker, at - HOUR, UNTIL, "it")
    bench.restart(only=(ticker,))
    bench.run(cycles=2)
    fill_quote(bench, part=0.5)
    assert bench.held()[ticker] > 0
    bench.run(cycles=6)
    assert bench.client.clock.now() > LAST_WEEK
    assert "RULE_ENDS_SOON" in bench.log
    (exit_order,) = [order for order in own_resting(bench) if order.ticker == ticker]
    assert not exit_order.is_bid
    assert exit_order.size == bench.held()[ticker]
    take(bench.exchange.api.exchange, exit_order, 1.0)
    bench.run(cycles=2)
    assert ticker not in bench.held()
    assert ticker not in quoted(bench)
    assert bench.events("ERROR") == []


# -- a board without programs ----------------------------------------------------------------------------------

END = {"programs_end": UNTIL}


@pytest.mark.parametrize("is_real", [False, True])
def test_a_board_that_empties_is_told_once_and_watched(make_bench: MakeBench, is_real: bool) -> None:
    """The bot idles, cancels nothing that it does not have, looks at each scan, and quotes again when programs
    come back. A second empty board is told again."""
    bench = make_bench(at=utc("2026-12-31 22:00"), **END, **WIDE, WAIT_TIME=600, SCAN_TIME=600)
    for program in bench.exchange.api.exchange.programs:
        program.reward *= 100  # so that the last two hours pay
    if is_real:
        real_money(bench, trust_rule="2026-07-30")
    bench.run(cycles=3)
    assert quoted(bench)
    bench.run(cycles=12)
    assert own_resting(bench) == []
    sent = len(bench.wire.sent)
    bench.run(cycles=12)
    asked = bench.wire.asked()[sent:]
    assert asked.count("GET /trade-api/v2/incentive_programs") >= 11
    assert {call.split()[0] for call in asked} == {"GET"}
    (board,) = [line for line in bench.events("INFO") if "] Board: " in line]
    assert "no program that pays for resting orders is listed" in board
    assert "was known until 2027-01-01 00:00 UTC" in board
    assert "looks again at each scan" in board
    now = bench.client.clock.now()
    ticker = closing_after(bench, now + 48 * HOUR)[0].ticker
    window(bench, ticker, now, now + 24 * HOUR, "renewed")
    bench.run(cycles=3)
    assert quoted(bench) == {ticker}
    end_programs(bench, ticker)
    bench.run(cycles=3)
    assert own_resting(bench) == []
    told = [line.partition("] Board: ")[2][:10] for line in bench.events("INFO") if "] Board: " in line]
    assert told == ["no program", "programs a", "no program"]
    assert bench.events("ERROR") == []


@pytest.mark.parametrize("is_real", [False, True])
def test_a_start_on_an_empty_board_idles(make_bench: MakeBench, is_real: bool) -> None:
    bench = make_bench(at=utc("2027-01-02 12:00"), **END, **WIDE, SCAN_TIME=60)
    if is_real:
        real_money(bench)
    bench.run(cycles=20)
    assert bench.resting() == []
    assert len(bench.events("CYCLE")) == 20
    assert len([line for line in bench.events("INFO") if "] Board: " in line]) == 1
    assert len(bench.events("NEW SESSION")) == 1
    assert bench.events("ERROR") == []
    assert len(bench.log.splitlines()) < 60
