"""The board: a scan that reads too much starves the quotes, one that misses an end leaves them up unpaid, and one
that is not told leaves a person guessing.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from bot.recovery import try_or_log
from bot.settings import AUTO
from rewards.fees import UNKNOWN_MAKER_RATE
from rewards.skips import Reason, Skip
from simulator.lifecycle import list_program
from simulator.listing import ListedProgram
from simulator.matching import CONTRACT
from tests.support.bench import (
    Bench,
    answer,
    assert_quoting_once,
    assert_told_apart,
    buy_by_hand,
    place_by_hand,
    unavailable,
)
from tests.support.project import START

MakeBench = Callable[..., Bench]

ROOT = "/trade-api/v2"
BOARD = f"GET {ROOT}/incentive_programs"
BEFORE_BOOKS = {
    Reason.NOT_RUNNING, Reason.NO_PUBLISHED_SCORE, Reason.ONLY, Reason.AVOID, Reason.MARKET_STATUS,
    Reason.MIN_HOURS_TO_CLOSE,
}  # fmt: skip
BEFORE_MARKETS = BEFORE_BOOKS - {Reason.MARKET_STATUS, Reason.MIN_HOURS_TO_CLOSE}


def asked_for(sent: Iterable[requests.PreparedRequest], path: str) -> list[list[str]]:
    """The tickers of each call of a path."""
    found = []
    for request in sent:
        url = urlsplit(request.url or "")
        if url.path == f"{ROOT}/{path}":
            found.append([ticker for given in parse_qs(url.query)["tickers"] for ticker in given.split(",")])
    return found


def together(calls: Iterable[list[str]]) -> list[str]:
    return [ticker for call in calls for ticker in call]


def skipped(bench: Bench) -> dict[str, Skip]:
    return {skip.ticker: skip for skip in bench.board().selection.skipped}


def scan(bench: Bench) -> list[requests.PreparedRequest]:
    """Scan, and return what was sent for it."""
    before = len(bench.wire.sent)
    bench.bot.scan_board()
    return bench.wire.sent[before:]


def quoted(bench: Bench) -> set[str]:
    return {order.ticker for order in bench.resting() if order.client_order_id.startswith("lipbot-")}


def list_window(bench: Bench, ticker: str, starts: float, ends: float, name: str, dollars: int = 5_000) -> None:
    """A window in the simulator, in seconds from `START`."""
    now = START.timestamp()
    exchange = bench.exchange.api.exchange
    program = ListedProgram(
        exchange.next_number(), name, ticker, "liquidity", now + starts, now + ends, dollars * 10_000,
        1_000 * CONTRACT, 5_000,
    )  # fmt: skip
    list_program(exchange, program)


def end_programs(bench: Bench, *tickers: str) -> None:
    programs = bench.exchange.api.exchange.programs
    programs[:] = [program for program in programs if program.ticker not in tickers]


# -- what is read ------------------------------------------------------------------------------------------------


def test_no_book_is_read_of_a_market_that_cannot_be_quoted(make_bench: MakeBench) -> None:
    bench = make_bench(programs=150)
    bench.bot.start_trading()
    sent = scan(bench)
    why = {ticker: skip.reason for ticker, skip in skipped(bench).items()}
    assert set(why.values()) > {
        Reason.AVOID, Reason.MARKET_STATUS, Reason.MIN_HOURS_TO_CLOSE, Reason.NO_PUBLISHED_SCORE
    }  # fmt: skip
    markets, books = (Counter(together(asked_for(sent, path))) for path in ("markets", "markets/orderbooks"))
    assert {ticker for ticker, reason in why.items() if reason in BEFORE_BOOKS}.isdisjoint(books)
    assert {ticker for ticker, reason in why.items() if reason in BEFORE_MARKETS}.isdisjoint(markets)
    assert set(books.values()) == set(markets.values()) == {1}, "asked for twice"
    could_be = {ticker for ticker, reason in why.items() if reason not in BEFORE_BOOKS}
    assert set(books) == could_be | {candidate.ticker for candidate in bench.board().selection.chosen}


def test_the_account_is_read_after_the_first_scan(make_bench: MakeBench) -> None:
    """The first scan can take 40 s: the bot must see what a person does meanwhile before it places an order. It
    decides by an account that it reads after the scan."""
    bench = make_bench(programs=24, who=())
    exchange = bench.exchange.api.exchange
    ticker = next(name for name, market in exchange.markets.items() if market.book.asks.best() is not None)

    def meanwhile(request: requests.PreparedRequest, _: int) -> None:
        if "/incentive_programs" in (request.url or "") and not bench.held():
            buy_by_hand(bench, ticker)
            bench.pass_time(40)

    bench.wire.after = meanwhile
    bench.bot.start_trading()
    asked = bench.wire.asked()
    (scanned,) = (number for number, call in enumerate(asked) if call.endswith("/incentive_programs"))
    account = ("/portfolio/orders", "/portfolio/fills", "/portfolio/positions", "/portfolio/balance")
    last = [max(number for number, call in enumerate(asked) if call.endswith(path)) for path in account]
    assert min(last) > scanned
    closed = bench.events("CLOSE POSITION")[-1]
    assert f"Ticker: {ticker} | Side: yes" in closed
    assert "Count: 3" in closed


def test_only_spares_the_books_of_all_the_others(make_bench: MakeBench) -> None:
    bench = make_bench(programs=150, ONLY=("KXRAIN*",))
    bench.bot.start_trading()
    read = together(asked_for(scan(bench), "markets/orderbooks"))
    assert read
    assert all(ticker.startswith("KXRAIN") for ticker in read)


def test_markets_and_books_are_read_by_the_hundred(make_bench: MakeBench) -> None:
    bench = make_bench(programs=300, who=())
    bench.bot.start_trading()
    sent = scan(bench)
    for path in ("markets", "markets/orderbooks"):
        sizes = [len(call) for call in asked_for(sent, path)]
        assert sum(sizes) > 200
        assert len(sizes) == math.ceil(sum(sizes) / 100)
        assert max(sizes) == 100
    assert len(sent) == 4 + sum(len(asked_for(sent, path)) for path in ("markets", "markets/orderbooks"))


def test_fees_are_read_once_a_day_and_events_only_once(make_bench: MakeBench) -> None:
    """Scans do not waste requests: the bot reads the fees of series once a day. It reads an event once, and
    only if it watches a market of the event."""
    bench = make_bench(programs=150, who=())
    bench.bot.start_trading()
    markets = {market.ticker: market for market in bench.client.get_markets(bench.board().watched)}
    events = {market.event_ticker for market in markets.values()}
    assert sorted(together(asked_for(bench.wire.sent, "events"))) == sorted(events)
    listed = {p.ticker.rpartition("-")[0] for p in bench.board().programs}
    assert len(events) < len(listed), "there are others, which are not asked for"
    for _ in range(3):
        bench.pass_time(60)
        asked = {request.path_url.partition("?")[0] for request in scan(bench)}
        assert f"{ROOT}/series" not in asked
        assert set(together(asked_for(bench.wire.sent, "events"))) >= set(bench.board().events)
    counts = Counter(together(asked_for(bench.wire.sent, "events")))
    assert set(counts.values()) == {1}
    bench.pass_time(86_400)
    assert f"{ROOT}/series" in {request.path_url.partition("?")[0] for request in scan(bench)}


def test_fees_that_are_not_told_are_assumed_and_asked_for_again(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.wire.fault = lambda request, _: unavailable if "/series" in (request.url or "") else None
    choice = bench.bot.start_trading()
    assert choice is not None
    assert "GET /series" in bench.events("ERROR")[0]
    assert_quoting_once(bench)
    assert {candidate.incentive.maker_rate for candidate in bench.board().selection.chosen} == {UNKNOWN_MAKER_RATE}
    bench.wire.fault = None
    bench.pass_time(60)
    scan(bench)
    assert {candidate.incentive.maker_rate for candidate in bench.board().selection.chosen} != {UNKNOWN_MAKER_RATE}


def test_a_cycle_between_scans_reads_the_watched_markets_alone(make_bench: MakeBench) -> None:
    bench = make_bench(programs=300, who=())
    bench.bot.start_trading()
    before = len(bench.wire.sent)
    bench.pass_time(60)
    bench.bot.start_trading()
    sent = bench.wire.sent[before:]
    watched = set(bench.board().watched)
    assert quoted(bench) <= watched
    assert 2 < len(watched) <= 100
    for path in ("markets", "markets/orderbooks"):
        (call,) = asked_for(sent, path)
        assert set(call) == watched
    asked = {request.path_url.partition("?")[0] for request in sent}
    assert asked.isdisjoint({f"{ROOT}/{path}" for path in ("incentive_programs", "series", "events")})


def test_our_own_quotes_are_not_the_rivals_that_a_scan_counts(make_bench: MakeBench) -> None:
    bench = make_bench(who=(), TRADE_SIZE=20, FILL_COST=0)
    choice = bench.bot.start_trading()
    assert choice is not None
    assert_quoting_once(bench)
    scan(bench)
    first = {candidate.ticker: (candidate.rivals, candidate.bids) for candidate in choice.chosen}
    again = {candidate.ticker: (candidate.rivals, candidate.bids) for candidate in bench.board().selection.chosen}
    assert again == first


# -- what ends ---------------------------------------------------------------------------------------------------


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


# -- what is told ------------------------------------------------------------------------------------------------


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
    assert any("more of smaller programs" in line for line in bench.events("INFO"))


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


# -- when --------------------------------------------------------------------------------------------------------


def scans(bench: Bench) -> int:
    return bench.wire.asked().count(BOARD)


def test_a_scan_follows_the_end_of_a_watched_window(
    make_bench: MakeBench,
) -> None:
    """The bot does not scan in every cycle, but it scans right after a watched window has ended."""
    bench = make_bench(who=(), SCAN_TIME=86_400)
    end_programs(bench, *bench.exchange.api.exchange.markets)
    list_window(bench, "KXODD-26NOV23-CAPPED", -600, 200, "first")
    list_window(bench, "KXRAINCHI-26DEC09-T2", -600, 86_400, "long")
    exchange = bench.exchange.api.exchange
    exchange.at(START.timestamp() + 200, lambda: list_window(bench, "KXODD-26NOV23-CAPPED", 200, 900, "second"))
    seen = []
    start = bench.bot.start_trading

    def counted() -> object:
        done = start()
        seen.append((scans(bench), quoted(bench)))
        return done

    bench.bot.start_trading = counted  # type: ignore[method-assign, assignment]
    bench.run(cycles=8)
    both, one = {"KXODD-26NOV23-CAPPED", "KXRAINCHI-26DEC09-T2"}, {"KXRAINCHI-26DEC09-T2"}
    assert seen == [(1, both)] * 4 + [(1, one)] + [(2, both)] * 3


def test_a_scan_that_fails_keeps_the_quotes_and_the_last_board(bench: Bench) -> None:
    """The failure of a scan is logged as one error, and no quote is canceled."""
    bench.run(cycles=1)
    was, board = bench.resting(), bench.board()
    for path in ("incentive_programs", "markets?", "orderbooks"):
        bench.wire.fault = lambda request, _, path=path: unavailable if path in (request.url or "") else None
        told = len(bench.events("ERROR"))
        try_or_log(bench.bot.scan_board, bench.bot.log, "kept")
        assert len(bench.events("ERROR")) == told + 1
        assert "503" in bench.events("ERROR")[-1]
        assert bench.board() is board
        assert {order.order_id for order in bench.resting()} == {order.order_id for order in was}


def test_the_loop_goes_on_quoting_when_its_scans_fail(make_bench: MakeBench) -> None:
    """While scans fail the bot quotes by the last board and logs the errors. When a scan works again, it
    replaces the board."""
    bench = make_bench(SCAN_TIME=100)
    bench.wire.fault = lambda request, _: (
        unavailable if "incentive_programs" in (request.url or "") and bench.waits else None
    )
    bench.run(cycles=5)
    assert len(bench.events("CYCLE")) == 5
    assert_quoting_once(bench)
    told = bench.events("ERROR")
    assert told
    assert all("GET /incentive_programs" in line for line in told)
    assert "The board of the last scan is kept until the next one" in bench.log
    assert all(wait > 10 for wait in bench.waits), "the cycle itself was fine"
    bench.wire.fault = None
    at = bench.board().at
    bench.run(cycles=3)
    assert bench.board().at > at


def test_nothing_is_scanned_while_trading_is_paused(make_bench: MakeBench) -> None:
    bench = make_bench(SCAN_TIME=1)
    paused = answer(200, '{"exchange_active": true, "trading_active": false}')
    bench.wire.fault = lambda request, _: paused if "status" in (request.url or "") and bench.waits else None
    bench.run(cycles=4)
    assert len([line for line in bench.events("INFO") if "trading is paused" in line]) == 1
    assert scans(bench) == 1
    after = bench.wire.asked()[bench.wire.asked().index(BOARD) + 1 :]
    first = next(n for n, call in enumerate(after) if call.endswith("/exchange/status"))
    looks = {
        f"GET {ROOT}/{path}" for path in ("exchange/status", "exchange/user_data_timestamp", "portfolio/orders")
    }
    assert {call for call in after[first:] if not call.startswith("DELETE")} <= looks


# -- what is remembered ------------------------------------------------------------------------------------------


def test_past_exclusions_of_a_market_lower_its_estimate(make_bench: MakeBench) -> None:
    """If a market did not qualify in half of the scans, the bot expects half of the reward there."""
    bench = make_bench(who=(), ONLY=("KXODD-26NOV23-CAPPED",), TRADE_SIZE=20, FILL_COST=0)
    first = bench.bot.start_trading()
    assert first is not None
    (always,) = first.chosen
    assert always.incentive.qualified == 1
    programs = bench.exchange.api.exchange.programs
    (number,) = [n for n, program in enumerate(programs) if program.ticker == always.ticker]
    usual = programs[number]
    for target in (100_000, 1_000):
        programs[number] = replace(usual, target=target * CONTRACT)
        for _ in range(20):
            bench.pass_time(1)
            scan(bench)
    again = bench.bot.start_trading()
    assert again is not None
    (half,) = again.chosen
    assert half.incentive.qualified == pytest.approx(0.5, abs=0.04)
    ratio = half.estimate.dollars_per_day / always.estimate.dollars_per_day
    assert ratio == pytest.approx(half.incentive.qualified, rel=1e-9)
    assert half.estimate.payable < always.estimate.payable * Decimal("0.55")


def test_a_market_left_out_for_want_of_a_slot_is_qualified(make_bench: MakeBench) -> None:
    """A market that the bot leaves out only because of TRADE_TICKER_SIZE counts as qualified at each look."""
    bench = make_bench(who=(), TRADE_TICKER_SIZE=1)
    bench.bot.start_trading()
    for _ in range(5):
        bench.pass_time(60)
        bench.bot.start_trading()
    waiting = {ticker for ticker, skip in skipped(bench).items() if skip.reason is Reason.TRADE_TICKER_SIZE}
    assert waiting
    assert all(bench.board().looks[ticker] == (7, 7) for ticker in waiting)


def test_more_than_a_hundred_markets_can_be_quoted(make_bench: MakeBench) -> None:
    """If the settings allow more than 100 markets, the bot quotes more than 100, all of them watched."""
    bench = make_bench(
        programs=300, who=(), TRADE_TICKER_SIZE=120, TRADE_SIZE=1, MAX_CAPITAL=300, MAX_EVENT_LOSS=300,
        INCENTIVE_SIZE=None, FILL_COST=0, MIN_HOURS_TO_CLOSE=1, AVOID=(),
    )  # fmt: skip
    bench.bot.start_trading()
    assert len(quoted(bench)) > 100
    assert quoted(bench) <= set(bench.board().watched)
