"""What stops the bot until a person lets it go on, what only interrupts it, and what a person does by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from commands import emergency
from simulator.opening import CUSTOMER
from simulator.people import INFORMED, NOISE
from simulator.statement import statement
from tests.support.bench import (
    Bench,
    MakeBench,
    assert_quoting_once,
    buy_by_hand,
    fill_quote,
    own_resting,
    place_by_hand,
)

pytestmark = pytest.mark.slow

D = Decimal


def number(pattern: str, line: str) -> Decimal:
    found = re.search(pattern, line)
    assert found, line
    return D(found[1])


# -- the day's loss --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "way", "size"), [(1, "CROSS", 60), (3, "REST", 100)])
def test_informed_flow_ends_in_a_halt_within_the_worst_case(
    make_bench: MakeBench, seed: int, way: str, size: int
) -> None:
    """In a day of informed flow the bot halts. It has then lost at most DAILY_LOSS_LIMIT plus the worst case
    that its last cycle stated, and a restart trades nothing."""
    limit = D(2)
    bench = make_bench(
        seed=seed, who=(INFORMED, NOISE), programs=30, EXIT=way, TRADE_SIZE=size, TRADE_DELTA=0.00,
        TRADE_TICKER_SIZE=6, INCENTIVE_SIZE=None, MAX_CAPITAL=600, MAX_EVENT_LOSS=200, DAILY_LOSS_LIMIT=2,
        FILL_COST=0, MIN_HOURS_TO_CLOSE=0, AVOID=(), FILL_PAUSE=60,
    )  # fmt: skip
    for _ in range(500):
        bench.bot.start_trading()
        if bench.events("HALT"):
            break
        bench.pass_time(60)
    (line,) = bench.events("HALT")
    assert "DAILY_LOSS_LIMIT is $2.00" in line
    assert own_resting(bench) == []
    lost = number(r"lost \$([\d.]+) today", line)
    worst = number(r"Worst case: \$([\d.]+) ", bench.events("CYCLE")[-1])
    assert limit <= lost <= limit + worst
    print(f"halted at -${lost}, limit ${limit}, worst case ${worst}")
    (standing,) = bench.ledger.halts(standing=True)
    assert "DAILY_LOSS_LIMIT" in standing.reason
    held = bench.held()
    bench.restart()
    bench.run(cycles=2)
    assert (bench.resting(), bench.held()) == ([], held)


def halted(make_bench: MakeBench, **more: object) -> Bench:
    bench = make_bench(who=(), **more)
    bench.run(cycles=2)
    bench.bot.settings = replace(bench.bot.settings, daily_loss_limit=D("0.01"))  # the opening sales cost more
    bench.run(cycles=1)
    return bench


def test_a_halt_cancels_the_bots_orders_and_no_other(make_bench: MakeBench) -> None:
    """A halt leaves a person's order resting and keeps the positions. The log lists the positions with their
    cost and worst case, and names the resume command."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    theirs = place_by_hand(bench)
    ticker = bench.resting()[0].ticker
    bench.bot.settings = replace(bench.bot.settings, daily_loss_limit=D("0.01"))
    holding = bench.account.holdings["KXRAINCHI-26DEC09-T1"]
    holding.count, holding.cost = 300, 1_200_000
    bench.run(cycles=1)
    assert [order.order_id for order in bench.resting()] == [theirs]
    assert ticker
    assert bench.held() == {"KXRAINCHI-26DEC09-T1": 300}
    told = bench.log.partition("[HALT]")[2]
    assert "Ticker: KXRAINCHI-26DEC09-T1 | Side: yes | Count: 3 | Cost: $1.2000" in told
    assert "Event: KXRAINCHI-26DEC09 | Worst case: -$1.20" in told
    assert "python main.py resume" in told


def test_a_halted_bot_sends_only_reads_and_cancels(make_bench: MakeBench) -> None:
    """A halted bot stays up, has no order resting and logs its halt once."""
    bench = halted(make_bench)
    assert own_resting(bench) == []
    sent = len(bench.wire.sent)
    lines = len(bench.log.splitlines())
    bench.run(cycles=5)
    methods = {request.method for request in bench.wire.sent[sent:]}
    assert methods <= {"GET", "DELETE"}
    assert len(bench.events("HALT")) == 1
    assert len(bench.log.splitlines()) - lines < 10, "the start of the loop, and nothing each minute"
    assert bench.events("ERROR") == []


def test_a_restart_while_halted_stays_halted(make_bench: MakeBench) -> None:
    """A restart while halted leaves no order of the bot resting and closes no position. It logs the halt again
    and begins no new session."""
    bench = halted(make_bench)
    bench.account.holdings["KXRAINCHI-26DEC09-T1"].count = 300
    bench.restart()
    bench.run(cycles=3)
    assert bench.held() == {"KXRAINCHI-26DEC09-T1": 300}
    assert own_resting(bench) == []
    assert len(bench.events("HALT")) == 2
    assert len(bench.events("NEW SESSION")) == 1


def raise_limit(bench: Bench, dollars: str) -> None:
    bench.bot.settings = replace(bench.bot.settings, daily_loss_limit=D(dollars))


def test_resume_begins_a_new_session_at_the_next_cycle(make_bench: MakeBench) -> None:
    """After a resume the bot quotes again, if the limit is above what the day lost. With no halt or no ledger,
    resume says so."""
    bench = halted(make_bench)
    told = emergency.clear_halts(bench.ledger_file)
    assert "DAILY_LOSS_LIMIT" in told
    raise_limit(bench, "1")
    bench.run(cycles=2)
    assert len(bench.events("NEW SESSION")) == 2
    assert_quoting_once(bench)
    assert len(bench.events("HALT")) == 1
    assert emergency.clear_halts(bench.ledger_file) == "The bot is not halted."
    assert emergency.clear_halts(bench.ledger_file.with_name("none.db")).startswith("There is no ledger")


def test_after_resume_the_limit_holds_for_the_whole_day(make_bench: MakeBench) -> None:
    """A resume accepts no loss: with the limit raised, the losses before and after it count together, and that
    halt outlasts a restart."""
    bench = halted(make_bench)
    lost = number(r"lost \$([\d.]+) today", bench.events("HALT")[0])
    emergency.clear_halts(bench.ledger_file)
    raise_limit(bench, str(lost + D("0.01")))
    bench.run(cycles=2)
    assert len(bench.events("HALT")) == 1
    markets = bench.exchange.api.exchange.markets
    dear = next(ticker for ticker, one in markets.items() if one.book.asks.best() and one.book.bids.best())
    buy_by_hand(bench, dear)  # buys at the ask what the bot then sells at the bid
    bench.run(cycles=2)
    _, line = bench.events("HALT")
    assert number(r"lost \$([\d.]+) today", line) > lost + D("0.01")
    bench.restart()
    bench.run(cycles=1)
    assert len(bench.events("HALT")) == 3, "and stands"


def test_a_halt_that_cannot_be_written_stands_all_the_same(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.run(cycles=2)
    bench.let_ledger_write(False)
    bench.bot.settings = replace(bench.bot.settings, daily_loss_limit=D("0.01"))
    bench.run(cycles=3)
    assert own_resting(bench) == []
    assert "The halt stands in the one that could be written" in bench.log
    assert bench.ledger.halts() == []
    assert len(bench.events("HALT")) == len(bench.events("NEW SESSION")) == 1
    bench.let_ledger_write(True)
    bench.run(cycles=2)
    assert own_resting(bench) == []
    assert len(bench.ledger.halts(standing=True)) == 1


# -- what nobody can explain -----------------------------------------------------------------------------------


def test_an_unexplained_position_halts_after_two_cycles(
    make_bench: MakeBench,
) -> None:
    """A position that no fill explains halts the bot in the second cycle that sees it. After a resume the bot
    takes the position as true and quotes again."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    ticker = "KXODD-26NOV23-EMPTY"  # nobody bids there, so that it cannot be sold
    bench.account.holdings[ticker].count = 700
    bench.run(cycles=1)
    assert bench.events("HALT") == []
    bench.run(cycles=1)
    (line,) = bench.events("HALT")
    assert f"{ticker}: +0 by the ledger, +7.00 on the exchange" in line
    assert own_resting(bench) == []
    emergency.clear_halts(bench.ledger_file)
    bench.run(cycles=3)
    assert len(bench.events("HALT")) == 1
    assert bench.ledger.positions() == {ticker: D(7)}
    assert_quoting_once(bench)


def test_a_fill_or_a_settlement_between_two_lists_halts_nobody(make_bench: MakeBench) -> None:
    bench = make_bench(
        seed=3, TRADE_SIZE=20, TRADE_DELTA=0.00, TRADE_TICKER_SIZE=8, INCENTIVE_SIZE=None, MAX_CAPITAL=500,
        MAX_EVENT_LOSS=500, MIN_HOURS_TO_CLOSE=0, FILL_COST=0, EXIT="REST",
        faults=[{"do": "settles", "on": "POST /portfolio/events/orders", "chance": 0.05, "result": "yes"}],
    )  # fmt: skip
    for _ in range(20):
        bench.bot.start_trading()
        bench.pass_time(60)
    assert bench.events("HALT") == []


def test_an_unreadable_fill_causes_no_halt(make_bench: MakeBench) -> None:
    """The exchange sends fills in an unknown form for ten minutes. The bot does not halt, and counts each fill
    when it can read it."""
    unreadable: dict[str, object] = {"do": "missing_field", "field": "fill_id", "from": 70, "until": 700}
    unreadable["on"] = "GET /portfolio/fills"
    bench = make_bench(who=(), TRADE_SIZE=5, faults=[unreadable])
    bench.run(cycles=2)
    fill_quote(bench)
    bench.run(cycles=8)
    assert bench.events("HALT") == []
    bench.run(cycles=6)
    assert bench.events("HALT") == []
    assert bench.ledger.positions() == {ticker: D(count) / 100 for ticker, count in bench.held().items()}
    true = {str(fill["fill_id"]) for fill in statement(bench.exchange.api.exchange, CUSTOMER)["fills"]}
    assert {fill.fill_id for fill in bench.ledger.fills()} == true


def test_vanished_orders_and_missing_cash_halt_nobody(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.run(cycles=2)
    exchange = bench.exchange.api.exchange
    bench.account.cash[0] += 50_000_000
    for order in list(bench.resting()):
        exchange.take_down(exchange.markets[order.ticker], order)
    bench.run(cycles=5)
    assert bench.events("HALT") == []
    assert_quoting_once(bench)
