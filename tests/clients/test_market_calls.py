"""What is everybody's, call by call: what a user reads of markets and their times is what the exchange holds."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import pairwise

import pytest
import requests

from exchange.errors import Unreadable
from exchange.models import FeeType, MarketStatus
from exchange.orderbook import Side
from simulator import lifecycle, pauses
from tests.support import call_coverage
from tests.support.bench import Bench, answer
from tests.support.call_coverage import SHARD_0, SHARD_3, about, market, place, taken_by_others, wait
from tests.support.canned_answers import client_that_hears, give
from tests.support.project import START

D = Decimal

bench, open_bench = call_coverage.bench, call_coverage.open_bench


@about("get_exchange_status")
def test_a_pause_of_one_shard_is_not_taken_for_one_of_all(bench: Bench) -> None:
    """The bot does not miss that pause either. The status tells for each shard if it trades."""
    exchange = bench.exchange.api.exchange
    assert bench.client.get_exchange_status().trading_by_shard == dict.fromkeys(range(4), True)
    pauses.pause(exchange, "trading", [2])
    pauses.pause(exchange, "exchange", [3])
    status = bench.client.get_exchange_status()
    assert status.trading_by_shard == {0: True, 1: True, 2: False, 3: False}
    assert [status.trades(shard) for shard in (0, 3, 9)] == [True, False, True]
    pauses.pause(exchange, "trading")
    assert bench.client.get_exchange_status().trading is False


@about("get_schedule")
def test_the_weekly_pause_is_known_before_it_comes(bench: Bench) -> None:
    schedule = bench.client.get_schedule()
    (hours,) = schedule.hours
    whole = ((time(0), time(0)),)
    assert hours.days[3] == ((time(0), time(3)), (time(5), time(0))), "Thursday, in New York's time"
    assert [hours.days[day] for day in (0, 1, 2, 4, 5, 6)] == [whole] * 6
    assert hours.start < START < hours.end
    starts, ends = pauses.next_maintenance(START.timestamp())
    ((begins, until),) = schedule.windows
    assert (begins.timestamp(), until.timestamp()) == (starts, ends)
    assert begins.tzinfo is timezone.utc


@about("get_incentive_programs")
def test_no_program_that_pays_now_is_missed(bench: Bench) -> None:
    """No program that does not pay now is listed. Each listed program has the terms that the exchange gives."""
    exchange = bench.exchange.api.exchange
    running = {
        p.program_id: p
        for p in exchange.programs
        if p.kind == "liquidity" and p.starts <= exchange.now < p.ends and not p.paid_out
    }
    programs = {p.id: p for p in bench.client.get_incentive_programs().all_or_raise()}
    assert set(programs) == set(running)
    assert len(programs) > 12
    for name, listed in running.items():
        program = programs[name]
        assert program.ticker == listed.ticker
        assert program.reward == D(listed.reward) / 10_000
        assert program.target == (None if listed.target is None else D(listed.target) / 100)
        assert program.discount == (None if listed.discount_bps is None else D(listed.discount_bps) / 10_000)
        assert program.cap == (None if listed.cap is None else D(listed.cap) / 10_000)
        assert program.start.timestamp() == pytest.approx(listed.starts, abs=1e-5)
        assert program.seconds == pytest.approx(listed.ends - listed.starts, abs=1e-5)


@about("get_ended_programs")
def test_a_window_that_ended_is_told_paid_out_or_not(bench: Bench) -> None:
    """Only those that were asked for. While none of them was paid out, the list of those is not read."""
    exchange = bench.exchange.api.exchange
    exchange.advance(exchange.now + 2 * 86_400)
    ended = [p for p in exchange.programs if p.kind == "liquidity" and p.ends <= exchange.now]
    unpaid = [p.program_id for p in ended if not p.paid_out][:2]
    paid = [p.program_id for p in ended if p.paid_out][:2]
    assert len(unpaid) == len(paid) == 2
    bench.wire.sent.clear()
    assert {p.id: p.paid_out for p in bench.client.get_ended_programs(unpaid)} == dict.fromkeys(unpaid, False)
    assert len(bench.wire.sent) == 1
    both = bench.client.get_ended_programs([*unpaid, *paid, "not-there"]).all_or_raise()
    assert {p.id: p.paid_out for p in both} == {**dict.fromkeys(unpaid, False), **dict.fromkeys(paid, True)}
    assert bench.client.get_ended_programs([]).items == ()


@about("get_ended_programs")
def test_a_list_of_ended_programs_is_not_read_for_ever(bench: Bench) -> None:
    """Nobody knows how far back the exchange's lists reach. Three pages of each are read."""
    pages = 0

    def one_more(request: requests.PreparedRequest) -> requests.Response:
        nonlocal pages
        pages += 1
        return answer(200, f'{{"incentive_programs": [], "next_cursor": "page-{pages}"}}')(request)

    bench.wire.fault = lambda request, _: one_more if "incentive_programs" in request.path_url else None
    assert bench.client.get_ended_programs(["not-there"]).items == ()
    assert pages == 6


def test_an_unreadable_program_is_not_taken_for_paid_or_unpaid() -> None:
    row = '{"id": "broken", "market_ticker": "KXA-1"}'
    rows = f'{{"incentive_programs": ["nonsense", {{"id": []}}, {row}]}}'
    with pytest.raises(Unreadable, match="KXA-1"):
        client_that_hears(give(200, rows.encode()), give(200, rows.encode())).get_ended_programs(["broken"])


@about("get_markets")
def test_a_market_is_what_the_exchange_lists_it_as(bench: Bench) -> None:
    listed = bench.exchange.api.exchange.markets
    markets = {m.ticker: m for m in bench.client.get_markets([*listed, "KXNOT-THERE"]).all_or_raise()}
    assert set(markets) == set(listed), "one that is not listed is left out"
    for ticker, theirs in listed.items():
        ours = markets[ticker]
        assert (ours.event_ticker, ours.exchange_index) == (theirs.event.ticker, theirs.shard)
        assert ours.status is MarketStatus(theirs.status)
        assert ours.close_time.timestamp() == pytest.approx(theirs.closes, abs=1e-5)
        assert ours.expected_resolution is not None
        assert ours.expected_resolution.timestamp() == pytest.approx(theirs.resolves or theirs.closes, abs=1e-5)
        steps = [(int(r.start * 10_000), int(r.end * 10_000), int(r.step * 10_000)) for r in ours.grid.ranges]
        assert steps == list(theirs.grid.ranges)
    assert {m.exchange_index for m in markets.values()} == {0, 1, 3}
    assert MarketStatus.INACTIVE in {m.status for m in markets.values()}
    lifecycle.settle_now(bench.exchange.api.exchange, listed[SHARD_3], "no")
    (settled,) = bench.client.get_markets([SHARD_3])
    assert settled.status is MarketStatus.FINALIZED


@about("get_markets")
def test_volume_counts_what_was_traded_in_the_last_day(bench: Bench) -> None:
    """What was traded before that day is not counted."""
    before = {m.ticker: m.volume_24h for m in bench.client.get_markets([SHARD_0, SHARD_3])}
    best = market(bench, SHARD_0).book.asks.best()
    assert best is not None
    taken_by_others(bench, SHARD_0, True, best, 250)
    after = {m.ticker: m.volume_24h for m in bench.client.get_markets([SHARD_0, SHARD_3])}
    assert after == before | {SHARD_0: before[SHARD_0] + D("2.5")}
    wait(bench, 23 * 3_600)
    (today,) = bench.client.get_markets([SHARD_0])
    wait(bench, 3_601)
    (tomorrow,) = bench.client.get_markets([SHARD_0])
    assert (today.volume_24h, tomorrow.volume_24h) == (D("2.5"), 0)


@about("get_orderbooks")
def test_no_level_of_a_book_is_missed_or_on_the_wrong_side(bench: Bench) -> None:
    """Each side of each book has the levels that the exchange has, best price first."""
    listed = bench.exchange.api.exchange.markets
    mine = place(bench, "mine", side=Side.NO, price="0.3100")
    books = {book.ticker: book for book in bench.client.get_orderbooks(listed).all_or_raise()}
    assert set(books) == set(listed)
    for ticker, theirs in listed.items():
        yes = [(D(p) / 10_000, D(size) / 100) for p, size in theirs.book.bids.levels()]
        no = [(1 - D(p) / 10_000, D(size) / 100) for p, size in theirs.book.asks.levels()]
        assert [(level.price, level.size) for level in books[ticker].yes] == sorted(yes, reverse=True)
        assert [(level.price, level.size) for level in books[ticker].no] == sorted(no, reverse=True)
    assert sum(level.size for level in books[SHARD_3].no if level.price == mine.price) >= mine.remaining
    assert books["KXODD-26NOV23-EMPTY"].best(Side.YES) is None


@about("get_candles")
def test_a_candle_tells_the_last_best_prices_of_its_minute(bench: Bench) -> None:
    """The price of an empty side is none. A candle at either end of the asked time counts."""
    exchange, listed = bench.exchange.api.exchange, market(bench, SHARD_0)
    wait(bench, 90)
    size = sum(size for price, size in listed.book.asks.levels() if price == 1_400)
    taken_by_others(bench, SHARD_0, True, 1_400, size)
    best = listed.book.asks.best()
    assert best is not None
    assert best > 1_400
    wait(bench, 60)
    taken_by_others(bench, SHARD_0, True, 9_900, 10**9)
    assert listed.book.asks.best() is None
    wait(bench, 90)
    now = datetime.fromtimestamp(exchange.now, timezone.utc)
    candles = bench.client.get_candles([SHARD_0, "KXODD-26NOV23-EMPTY"], START, now).all_or_raise()
    mine = [candle for candle in candles if candle.ticker == SHARD_0]
    assert [candle.end - START for candle in mine] == [timedelta(minutes=n) for n in (1, 2, 3, 4)]
    assert [candle.yes_bid for candle in mine] == [D("0.13")] * 4
    assert [candle.yes_ask for candle in mine] == [D("0.14"), D(best) / 10_000, None, None]
    assert {(c.yes_bid, c.yes_ask) for c in candles if c.ticker != SHARD_0} == {(None, None)}
    one = START + timedelta(minutes=2)
    assert [c.end for c in bench.client.get_candles([SHARD_0], one, one)] == [one], "both ends count"


@about("get_candles")
def test_a_long_history_has_no_overlap_and_no_gap(bench: Bench) -> None:
    """The history comes in pieces of at most 10,000 candles a call."""
    nobodys = [f"KXNOBODY-{number}" for number in range(98)]
    wait(bench, 4 * 3_600)
    end = START + timedelta(hours=4)
    candles = bench.client.get_candles([SHARD_0, SHARD_3, *nobodys], START, end).all_or_raise()
    assert len(bench.wire.sent) == 3, "10,000 candles a call, counted as if all markets were there"
    for ticker in (SHARD_0, SHARD_3):
        ends = [candle.end for candle in candles if candle.ticker == ticker]
        assert ends == sorted(set(ends))
        assert {later - before for before, later in pairwise(ends)} == {timedelta(minutes=1)}
        assert ends[-1] == end


@about("get_all_series")
def test_a_series_with_makers_fees_is_not_taken_for_one_without(bench: Bench) -> None:
    series = {one.ticker: one for one in bench.client.get_all_series().all_or_raise()}
    listed = bench.exchange.api.exchange.series
    assert set(series) == set(listed)
    assert len(bench.wire.sent) == 1
    for name, theirs in listed.items():
        assert (series[name].fee_type.value, series[name].fee_multiplier * 100) == (
            theirs.fees.kind, theirs.fees.percent,
        )  # fmt: skip
        assert isinstance(series[name].fee_multiplier, Decimal)
    assert series["KXMLBGAME"].fee_type is FeeType.QUADRATIC_WITH_MAKER_FEES
    assert series["KXHIGHCHI"].fee_type is FeeType.QUADRATIC


@about("get_events")
def test_an_events_own_fees_and_exclusion_are_not_missed(bench: Bench) -> None:
    """Each event tells its own fees, zero included, and if its markets exclude each other."""
    listed = bench.exchange.api.exchange.events
    events = {event.ticker: event for event in bench.client.get_events([*listed, "KXNOBODY-1"]).all_or_raise()}
    combos = {name for name, theirs in listed.items() if theirs.combo}
    assert combos
    assert set(events) == set(listed) - combos, "one that is not listed is left out, and so are combos"
    for name, event in events.items():
        assert event.series_ticker == listed[name].series.ticker
        assert event.mutually_exclusive is listed[name].exclusive
        fees = listed[name].fees
        assert event.fee_type == (None if fees is None else FeeType(fees.kind))
        assert event.fee_multiplier == (None if fees is None else D(fees.percent) / 100)
    assert events["KXHIGHCHI-26NOV24"].mutually_exclusive
    free = events["KXODDFREE-26NOV23"]
    assert (free.fee_type, free.fee_multiplier) == (FeeType.QUADRATIC, 0), "nothing is a fee too"


@about("get_events")
def test_many_events_come_in_pieces_and_none_makes_no_call(bench: Bench) -> None:
    """The bot asks for 200 events a call and reads every page. An empty list does not become a call for all
    events."""
    listed = [name for name, theirs in bench.exchange.api.exchange.events.items() if not theirs.combo]
    nobodys = [f"KXNOBODY-{number}" for number in range(401 - len(listed))]
    assert bench.client.get_events([]).items == ()
    assert bench.wire.sent == []
    events = bench.client.get_events([listed[0], *nobodys, *listed[1:]]).all_or_raise()
    assert len(bench.wire.sent) == 3, "200 a call"
    assert sorted(event.ticker for event in events) == sorted(listed)

    def small_pages(request: requests.PreparedRequest, _: int) -> None:
        request.url = (request.url or "").replace("limit=200", "limit=2")

    bench.wire.fault = small_pages
    assert (
        bench.client.get_events(listed).all_or_raise() == bench.client.get_events(reversed(listed)).all_or_raise()
    )
    assert {event.ticker for event in bench.client.get_events(listed)} == set(listed), "every page was read"
