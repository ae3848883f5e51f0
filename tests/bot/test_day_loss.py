"""What a day lost counts until midnight: no restart, resume or new ledger sets it back."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal

import pytest
import requests

import market_bot
from bot import day_loss
from commands import emergency
from execution.plan import Exit
from ledger.account_state import state_folder
from ledger.entries import AccountMark
from report import text
from report.build import build_report
from report.facts import read_report_facts
from simulator import lifecycle
from simulator.account import Holding
from tests.support.bench import (
    BUSY,
    STILL,
    Bench,
    Beside,
    MakeBench,
    buy_by_hand,
    emptied,
    fill_quote,
    hold_paused,
    own_resting,
    trade_cycles,
    unavailable,
)
from tests.support.builders import D

MINUTE, HOUR = 60, 3_600


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 11, 22, hour, minute, second, tzinfo=timezone.utc)


def mark(own: str | None, when: datetime) -> AccountMark:
    """The day of the whole account was better by $40."""
    return AccountMark(
        when, None, D(0), None if own is None else D(own) + 40, None, None if own is None else D(own)
    )


@pytest.mark.parametrize(
    ("own", "halts"), [("-24.9999", False), ("-25", True), ("-30.94", True), ("3", False), (None, False)]
)
def test_the_limit_counts_the_bots_result_and_no_persons(own: str | None, halts: bool) -> None:
    assert bool(day_loss.reason(mark(own, at(15)), D(25))) == halts


@pytest.mark.parametrize(
    ("now", "left"), [(at(20, 48), "3 h 12 min"), (at(23, 59, 30), "0 h 1 min"), (at(0), "24 h 0 min")]
)
def test_who_resumes_is_told_how_long_the_loss_counts(now: datetime, left: str) -> None:
    told = day_loss.still_halts(D("-30.94"), D(25), now)
    assert "The UTC day has lost $30.94, DAILY_LOSS_LIMIT is $25.00: the bot halts again at once" in told
    assert f"(in {left})" in told
    assert day_loss.still_halts(D("-30.94"), D(31), now) == "", "the limit was raised"


# -- a bot that lost too much ------------------------------------------------------------------------------------


def own_result(bench: Bench) -> Decimal:
    last = bench.ledger.last_mark()
    assert last is not None
    assert last.own_profit is not None
    return last.own_profit


def before_bot(bench: Bench) -> Decimal:
    last = bench.ledger.last_mark()
    assert last is not None
    return last.before_bot


def lost(make_bench: MakeBench, is_bid: bool = True) -> Bench:
    """A bot that halted: a quote was filled, its market paused, and its price fell for good."""
    bench = make_bench(programs=20, **STILL | {"DAILY_LOSS_LIMIT": 2})
    bench.bot.start_trading()
    ticker = hold_paused(bench, is_bid)
    bench.pass_time(MINUTE)
    trade_cycles(bench, 1)
    emptied(bench, ticker, is_bid)
    trade_cycles(bench, 2)
    assert len(bench.events("HALT")) == 1
    assert own_result(bench) < -2
    return bench


def loses_ledger(bench: Bench) -> None:
    """The ledger is deleted, and the halt cleared."""
    emergency.clear_halts(bench.ledger_file)
    bench.end()
    for file in bench.ledger_file.parent.glob(f"{bench.ledger_file.name}*"):
        file.unlink()
    bench.restart()


def moves_to_another_machine(bench: Bench) -> None:
    """Neither the ledger nor the account's state is there."""
    loses_ledger(bench)
    shutil.rmtree(state_folder())


def loses_state(bench: Bench) -> None:
    shutil.rmtree(state_folder())
    bench.restart()


def uses_another_key(bench: Bench) -> None:
    """The account is the same, but a ledger is for one key, or here for one run of the simulator."""
    bench.exchange.api.run += "x"
    bench.restart()


def resumes(bench: Bench) -> None:
    emergency.clear_halts(bench.ledger_file)


def resumes_and_restarts(bench: Bench) -> None:
    emergency.clear_halts(bench.ledger_file)
    bench.restart()


def resumes_with_money(bench: Bench) -> None:
    bench.exchange.api.exchange.withdraw_cash(bench.account, 0, -500_000)
    emergency.clear_halts(bench.ledger_file)


@pytest.mark.parametrize("is_bid", [True, False], ids=["YES", "NO"])
@pytest.mark.parametrize(
    "does",
    [
        loses_ledger,
        loses_state,
        moves_to_another_machine,
        uses_another_key,
        resumes,
        resumes_and_restarts,
        resumes_with_money,
    ],
)
def test_nothing_that_a_person_does_sets_the_days_loss_back(
    make_bench: MakeBench, does: Callable[[Bench], None], is_bid: bool
) -> None:
    bench = lost(make_bench, is_bid)
    before = own_result(bench)
    does(bench)
    bench.run(cycles=2)
    assert own_result(bench) == before
    assert len(bench.events("HALT")) == 2
    assert own_resting(bench) == []


@pytest.mark.parametrize("does", [resumes, resumes_and_restarts, loses_ledger, uses_another_key])
def test_the_next_day_begins_with_no_loss(make_bench: MakeBench, does: Callable[[Bench], None]) -> None:
    bench = lost(make_bench)
    bench.pass_time(9 * HOUR)
    does(bench)
    bench.run(cycles=2)
    assert len(bench.events("HALT")) == 1
    assert own_resting(bench)
    assert own_result(bench) == 0


def test_a_higher_limit_lets_the_bot_lose_the_difference(make_bench: MakeBench) -> None:
    bench = lost(make_bench)
    resumes(bench)
    bench.restart(daily_loss_limit=D(100))
    bench.run(cycles=2)
    assert len(bench.events("HALT")) == 1
    assert own_resting(bench)
    bench.restart(daily_loss_limit=-own_result(bench))
    bench.run(cycles=1)
    assert len(bench.events("HALT")) == 2


def test_what_the_account_noted_counts_where_fills_tell_less(make_bench: MakeBench) -> None:
    """A position was taken over and fell; no fill of the bot tells of it. On this machine its loss is known all
    the same, whatever becomes of the ledger."""
    bench = make_bench(programs=20, **STILL | {"DAILY_LOSS_LIMIT": 2})
    markets = bench.exchange.api.exchange.markets
    market = next(one for one in markets.values() if (one.book.bids.best() or 0) > 3_000 and one.book.asks.best())
    buy_by_hand(bench, market.ticker)
    bench.account.holdings[market.ticker].count = 2_000
    lifecycle.halt(bench.exchange.api.exchange, market)
    trade_cycles(bench, 2)
    emptied(bench, market.ticker, True)
    trade_cycles(bench, 2)
    before = own_result(bench)
    assert before < -2
    loses_ledger(bench)
    trade_cycles(bench, 1)
    assert (own_result(bench), len(bench.events("HALT"))) == (before, 2)


@pytest.mark.parametrize("way", ["CROSS", "REST"])
@pytest.mark.parametrize("does", [moves_to_another_machine, uses_another_key])
def test_a_ledger_lost_in_a_busy_day_costs_no_digit(
    make_bench: MakeBench, does: Callable[[Bench], None], way: str
) -> None:
    """The account was in use before the bot, which sold its positions. The ledger is lost again and again, with
    positions and without: the part of the day that is not the bot's stays the same."""
    bench = make_bench(**BUSY)
    trade_cycles(bench, 3)
    bench.restart(exit=Exit(way))
    trade_cycles(bench, 1)
    before = before_bot(bench)
    for cycle in range(6):
        fill_quote(bench, is_bid=cycle % 2 == 0)
        trade_cycles(bench, 1 + cycle % 3)
        does(bench)
        bench.let_expire(bench.resting())  # the ledger does not know them: they are another bot's
        trade_cycles(bench, 1)
        assert before_bot(bench) == before != 0
        (today,) = build_report(read_report_facts(bench.ledger)).days
        assert today.money.trading == own_result(bench), "the report says the same"
    assert "(earlier ledger)" in text.text(build_report(read_report_facts(bench.ledger)))
    assert len(bench.ledger.sessions()) == 1
    assert abs(own_result(bench)) > 1


def test_resume_says_first_that_the_bot_halts_again(
    beside: Beside, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = lost(make_bench)
    monkeypatch.setattr(market_bot, "ledger_file", lambda _: bench.ledger_file)
    monkeypatch.setattr(market_bot, "DAILY_LOSS_LIMIT", 2)
    monkeypatch.setenv("SIM_URL", "")  # the exchange lives inside the bot, and so does its clock
    asked: list[str] = []
    monkeypatch.setattr("bot.launch.keyboard", lambda: lambda question: bool(asked.append(question)) or True)
    assert emergency.resume(argparse.Namespace(command="resume", yes=False)) == 0
    told = (
        f"The UTC day has lost ${-own_result(bench):.2f}, DAILY_LOSS_LIMIT is $2.00: the bot halts again at once"
    )
    assert told in asked[0]
    assert told in capsys.readouterr().out


CALLS = ["/portfolio/positions", "/portfolio/fills", "/markets/orderbooks", "/portfolio/orders"]


@pytest.mark.parametrize("works", [0, 1, 2])
@pytest.mark.parametrize("path", CALLS)
def test_a_failed_first_cycle_makes_no_persons_trade_the_bots(
    make_bench: MakeBench, path: str, works: int
) -> None:
    """A call of the first cycle fails, at its first or at a later use. The next cycle begins the ledger anew: a
    person's trades before it are no fills of the bot."""

    def run(bench: Bench) -> Bench:
        for ticker in sorted(bench.exchange.api.exchange.markets)[3:9]:
            buy_by_hand(bench, ticker, f"typed-{ticker.replace('.', '-')}")
        bench.run(cycles=3)
        return bench

    asked: list[str] = []

    def fault(request: requests.PreparedRequest, _: int) -> object:
        if not request.path_url.partition("?")[0].endswith(path) or failed.events("ERROR"):
            return None
        asked.append(path)
        return unavailable if len(asked) > works else None

    failed, clean = make_bench(**BUSY | {"who": ()}), run(make_bench(**BUSY | {"who": ()}))
    failed.wire.fault = fault
    run(failed)
    assert "[ERROR]" in failed.log
    assert before_bot(failed) == before_bot(clean) != 0
    assert failed.ledger.positions() == {ticker: D(count) / 100 for ticker, count in failed.held().items()}


@pytest.mark.parametrize(
    ("here", "there"), [(0, 500), (0, -500), (700, 300), (-700, -300), (300, 700), (300, -400), (-300, 400)]
)
def test_what_is_taken_over_at_a_start_brings_nothing_by_itself(
    make_bench: MakeBench, here: int, there: int
) -> None:
    """At a start the exchange lists other positions than the fills explain. Their prices of midnight are not the
    bot's business: they count from now on."""
    bench = make_bench(programs=20, **STILL)
    exchange = bench.exchange.api.exchange
    bench.account.holdings.clear()
    bench.bot.start_trading()
    quoted = {order.ticker for order in bench.resting()}
    market = next(
        one for name, one in exchange.markets.items()
        if name not in quoted and one.book.bids.best() and one.book.asks.best()
    )  # fmt: skip
    lifecycle.halt(exchange, market)
    before = own_result(bench)
    for count in (here, there):  # the first is adopted as well
        holding = bench.account.holdings.setdefault(market.ticker, Holding())
        holding.count, holding.cost = count, 1_000_000
        bench.pass_time(MINUTE)
        bench.restart()
        trade_cycles(bench, 1)
        assert own_result(bench) == before
        assert bench.ledger.positions() == ({market.ticker: D(count) / 100} if count else {})
    assert "positions are taken from the exchange" in bench.log
    half = market.book.half(there > 0)
    best = half.best()
    assert best
    while half.best() == best:
        half.remove(half.first(best))
    trade_cycles(bench, 2)
    fell = abs(best - (half.best() or (0 if there > 0 else 10_000)))
    assert own_result(bench) == before - D(fell) / 10_000 * abs(there) / 100
