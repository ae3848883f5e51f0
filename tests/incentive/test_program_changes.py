"""Programs that begin, change and end: a quote that outlasts its program is paid by nobody."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest
import requests

from bot.settings import AUTO
from rewards.skips import Reason
from simulator.matching import CONTRACT
from tests.support.bench import Bench, MakeBench, answer, assert_told_apart, place_by_hand
from tests.support.boards import end_programs, list_window, quoted, scan, skipped
from tests.support.project import START


def test_a_program_that_disappears_ends_its_quotes(bench: Bench) -> None:
    """The scan that misses the program cancels the quotes in its market. Quotes in other markets and a person's
    order stay."""
    bench.bot.start_trading()
    gone, stays = sorted(quoted(bench))
    theirs = place_by_hand(bench, ticker=gone)
    end_programs(bench, gone)
    scan(bench)
    assert quoted(bench) == {stays}
    assert theirs in {order.order_id for order in bench.resting()}, "a person's order is theirs"
    (line,) = [line for line in bench.events("INFO") if "Programs ended" in line]
    assert gone in line
    assert stays not in line
    assert any(f"Ticker: {gone}" in line and "Now: ended" in line for line in bench.events("UPDATE INCENTIVE"))
    bench.bot.start_trading()
    assert gone not in quoted(bench)


def test_a_program_that_ended_early_ends_its_quotes(bench: Bench) -> None:
    """The scan cancels the quotes even if the exchange still lists the program, with an end that has passed."""
    bench.bot.start_trading()
    gone, stays = sorted(quoted(bench))
    bench.pass_time(10)
    now = bench.exchange.clock.now().timestamp()
    rows = bench.wire.inner

    def ended(request: requests.PreparedRequest, _: int) -> object:
        if "incentive_programs" not in (request.url or ""):
            return None
        told = json.loads(rows.send(request).content)
        for row in told["incentive_programs"]:
            if row["market_ticker"] == gone:
                row["end_date"] = datetime.fromtimestamp(now - 1, timezone.utc).isoformat()
        return answer(200, json.dumps(told))

    bench.wire.fault = ended
    scan(bench)
    assert quoted(bench) == {stays}
    assert skipped(bench)[gone].reason is Reason.NOT_RUNNING


def test_a_board_that_comes_back_empty_ends_all_quotes(bench: Bench) -> None:
    """If a scan finds no program, the bot cancels all quotes and logs the reason once."""
    bench.bot.start_trading()
    was = quoted(bench)
    assert len(was) == 2
    bench.exchange.api.exchange.programs.clear()
    scan(bench)
    assert quoted(bench) == set()
    assert len([line for line in bench.events("INFO") if "no program that pays for resting orders" in line]) == 1
    assert all(f"Ticker: {ticker} |" in "\n".join(bench.events("UPDATE INCENTIVE")) for ticker in was)
    bench.bot.start_trading()
    assert quoted(bench) == set()


@pytest.mark.parametrize("left", [100, 30, 5])
def test_no_quote_outlasts_its_window(make_bench: MakeBench, left: int) -> None:
    """What rests longer is filled and not paid."""
    bench = make_bench(who=())
    bench.account.holdings.clear()  # selling them would take ten seconds
    end_programs(bench, *bench.exchange.api.exchange.markets)
    list_window(bench, "KXODD-26NOV23-CAPPED", -600, left, "short")
    list_window(bench, "KXRAINCHI-26DEC09-T2", -600, 3_600, "long")
    bench.bot.start_trading()
    by_ticker: dict[str, set[int | None]] = {}
    for order in bench.resting():
        by_ticker.setdefault(order.ticker, set()).add(order.expires)
    assert by_ticker["KXODD-26NOV23-CAPPED"] == {int(START.timestamp()) + left}
    (other,) = by_ticker["KXRAINCHI-26DEC09-T2"]
    assert other is not None
    assert other >= START.timestamp() + 120
    bench.exchange.api.exchange.advance(START.timestamp() + left + 0.001)  # and the bot does nothing
    assert quoted(bench) == {"KXRAINCHI-26DEC09-T2"}


def test_a_quote_may_last_as_long_as_the_longer_of_two_windows(make_bench: MakeBench) -> None:
    """If two reward windows run in a market, a quote expires when the longer one ends."""
    bench = make_bench(who=())
    end_programs(bench, *bench.exchange.api.exchange.markets)
    list_window(bench, "KXODD-26NOV23-CAPPED", -600, 20, "short")
    list_window(bench, "KXODD-26NOV23-CAPPED", -600, 50, "longer")
    bench.bot.start_trading()
    assert {order.expires for order in bench.resting()} == {int(START.timestamp()) + 50}


def test_the_first_scan_does_not_flood_the_log(make_bench: MakeBench) -> None:
    """The first scan logs the counts of programs and the best 20 skipped markets. It does not log each program
    as new."""
    bench = make_bench(programs=300, who=())
    bench.bot.start_trading()
    assert bench.events("NEW INCENTIVE") == bench.events("UPDATE INCENTIVE") == []
    assert len(bench.events("SKIP MARKET")) == 20
    (line,) = [line for line in bench.events("INFO") if "Programs: " in line]
    said = dict(part.split(": ") for part in line.partition("[INFO] ")[2].split(" | "))
    assert int(said.pop("Programs")) == len(bench.board().programs)
    assert said.pop("Pools").endswith("a day")
    assert sum(int(count.replace(",", "")) for count in said.values()) == len(
        {program.ticker for program in bench.board().programs}
    )
    assert len(bench.log.splitlines()) < 75


def test_new_changed_and_ended_programs_are_logged_once(make_bench: MakeBench) -> None:
    """A scan logs each program that is new, changed or ended since the last scan. The next scan does not log it
    again."""
    bench = make_bench(who=())
    bench.bot.start_trading()
    programs = bench.exchange.api.exchange.programs
    changed = next(p for p in programs if p.ticker == "KXODD-26NOV23-CAPPED")
    programs[programs.index(changed)] = replace(changed, reward=2 * changed.reward, target=500 * CONTRACT)
    end_programs(bench, "KXODDFREE-26NOV23-1")
    list_window(bench, "KXODD-26NOV23-UPCOMING", 0, 86_400, "new", dollars=77)
    scan(bench)
    (new,) = bench.events("NEW INCENTIVE")
    assert "Ticker: KXODD-26NOV23-UPCOMING | Pool: $77.00 a day | Terms: $77.00 until 2026-11-23 15:00 UTC" in new
    told = {line.partition("Ticker: ")[2].partition(" ")[0]: line for line in bench.events("UPDATE INCENTIVE")}
    assert set(told) == {"KXODD-26NOV23-CAPPED", "KXODDFREE-26NOV23-1"}
    was, now = "$100.00 until 2026-11-26 15:00 UTC, target 1,000", "$200.00 until 2026-11-26 15:00 UTC, target 500"
    assert f"Was: {was}, discount 0.5 | Now: {now}, discount 0.5" in told["KXODD-26NOV23-CAPPED"]
    assert "Was: $80.00 until" in told["KXODDFREE-26NOV23-1"]
    assert told["KXODDFREE-26NOV23-1"].endswith("Now: ended")
    scan(bench)
    assert len(bench.events("NEW INCENTIVE") + bench.events("UPDATE INCENTIVE")) == 3


def test_news_of_markets_that_are_stayed_out_of_is_not_told(make_bench: MakeBench) -> None:
    bench = make_bench(who=(), AVOID=("KXODD*",))
    bench.bot.start_trading()
    end_programs(bench, "KXODD-26NOV23-CAPPED")
    list_window(bench, "KXODD-26NOV23-UPCOMING", 0, 86_400, "new")
    scan(bench)
    assert bench.events("NEW INCENTIVE") == bench.events("UPDATE INCENTIVE") == []


def test_news_of_quoted_markets_is_not_lost_among_larger_ones(make_bench: MakeBench) -> None:
    bench = make_bench(programs=150, who=())
    bench.bot.start_trading()
    was = quoted(bench)
    programs = bench.exchange.api.exchange.programs
    programs[:] = [replace(p, reward=p.reward // 2 if p.ticker in was else p.reward * 2) for p in programs]
    scan(bench)
    told = bench.events("UPDATE INCENTIVE")
    assert len(told) == 20
    assert was <= {line.partition("Ticker: ")[2].partition(" ")[0] for line in told}
    assert any("more, of smaller programs" in line for line in bench.events("INFO"))


@pytest.mark.parametrize(
    "changed",
    [{}, {"TRADE_SIZE": 20, "MAX_CAPITAL": 30}, {"TRADE_SIZE": AUTO, "FILL_COST": 0}, {"TRADE_SIZE": AUTO},
     {"INCENTIVE_SIZE": 0}, {"MIN_REWARD": 1, "TRADE_SIZE": 20}, {"ONLY": ("KXODD*", "KXMVE*"), "AVOID": ()}],
    ids=str,
)  # fmt: skip
def test_every_listed_market_is_chosen_or_has_exactly_one_reason(
    make_bench: MakeBench, changed: dict[str, object]
) -> None:
    bench = make_bench(programs=150, who=(), **changed)
    choice = bench.bot.start_trading()
    assert choice is not None
    assert_told_apart(bench.board().selection, {p.ticker for p in bench.client.get_incentive_programs()})
    assert_told_apart(choice, set(bench.board().watched))
    assert all(skip.label and skip.number for skip in bench.board().selection.skipped)
