"""The board: a scan that reads too much starves the quotes, one that misses an end leaves them up unpaid, and one
that is not told leaves a person guessing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from bot.recovery import try_or_log
from rewards.fees import UNKNOWN_MAKER_RATE
from rewards.skips import Reason
from simulator.matching import CONTRACT
from tests.support.bench import Bench, MakeBench, answer, assert_quoting_once, buy_by_hand, unavailable
from tests.support.boards import end_programs, list_window, quoted, scan, skipped
from tests.support.project import START

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
    seen = bench.events("SKIP POSITION")[-1]
    assert f"Ticker: {ticker} | Side: yes" in seen
    assert "Count: 3 | Reason: waits for a second look" in seen


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
    assert "The bot keeps the last scan's board until the next scan" in bench.log
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
