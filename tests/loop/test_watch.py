"""Looks at the quotes between two cycles: they cancel within seconds, and never do anything else."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import requests

from benchmarks.harness import accrued, desk
from benchmarks.presence import CYCLES, PROGRAMS, hour
from exchange.market_data import TICKERS_PER_CALL
from exchange.models import OrderStatus
from exchange.orderbook import YES
from ledger.entries import OrderRecord
from simulator import book_hole
from simulator.listing import ListedMarket
from simulator.matching import CONTRACT, Order
from simulator.people import EVERYBODY
from tests.support.bench import (
    BUSY,
    Bench,
    MakeBench,
    answer,
    assert_quoting_once,
    fill_quote,
    own_resting,
    unavailable,
)
from tests.support.small_exchange import take

pytestmark = pytest.mark.slow

EVERY = 5
SOON = EVERY + 2
"""Seconds in which a quote is gone that should be: until the next look, and for its requests."""

TWO_EVENTS: dict[str, Any] = {"TRADE_TICKER_SIZE": 2, "AVOID": ("KXCPI-*-T3", "KXHIGH*", "KXLOW*", "KXODD*")}
"""Two markets are quoted that no piece of news strikes together."""

Act = Callable[[], object]


def watching(make_bench: MakeBench, **changed: Any) -> Bench:
    """A bot that looks every five seconds. Its quotes rest long enough for the public book to show them."""
    bench = make_bench(**{"who": (), "TRADE_SIZE": 5, "WATCH_TIME": EVERY} | changed)
    bench.run(cycles=2)
    return bench


def in_the_wait(bench: Bench, act: Act, cycles: int = 1, after: float = 21) -> float:
    """Run cycles, and act so many seconds after the first began. Returns the exchange's time of that."""
    exchange = bench.exchange.api.exchange
    at = exchange.now + after
    exchange.at(at, act)
    bench.run(cycles=cycles)
    return at


def one_of(bench: Bench, is_bid: bool = True) -> tuple[Order, ListedMarket]:
    order = next(one for one in own_resting(bench) if one.is_bid == is_bid)
    return order, bench.exchange.api.exchange.markets[order.ticker]


def around_looks(bench: Bench, begin: Act, end: Act) -> None:
    """Call `begin` before the looks of each wait, and `end` after them."""
    watch = bench.bot.watch

    def spy(until: float) -> float:
        begin()
        try:
            return watch(until)
        finally:
            end()

    bench.bot.watch = spy  # type: ignore[method-assign]


def spied(bench: Bench) -> list[tuple[int, int]]:
    """The places on the wire where the looks of each wait begin and end; filled while the bot runs."""
    spans: list[tuple[int, int]] = []
    began: list[int] = []
    around_looks(
        bench,
        lambda: began.append(len(bench.wire.sent)),
        lambda: spans.append((began[-1], len(bench.wire.sent))),
    )
    return spans


def requests_of(bench: Bench, spans: list[tuple[int, int]]) -> list[str]:
    return [asked for began, end in spans for asked in bench.wire.asked()[began:end]]


# -- nothing happens -------------------------------------------------------------------------------------------


def test_quiet_cycles_are_traded_as_without_looks(make_bench: MakeBench) -> None:
    """The same decisions at the same times, the same orders, and at most 30 reads a minute."""
    watched, blind = (make_bench(who=(), WATCH_TIME=every) for every in (EVERY, None))
    spans = spied(watched)
    for bench in (watched, blind):
        bench.run(cycles=30)

    def told(bench: Bench) -> list[str]:
        return [line for line in bench.log.splitlines() if "[SETTINGS]" not in line and "Ledger: " not in line]

    def lives(bench: Bench) -> list[tuple[object, ...]]:
        orders = bench.account.orders.values()
        return [(one.order_id, one.status, one.price, one.size, one.created) for one in orders]

    assert told(watched) == told(blind)
    assert lives(watched) == lives(blind)
    assert_quoting_once(watched)
    looks = Counter(requests_of(watched, spans))
    assert set(looks) == {"GET /trade-api/v2/markets/orderbooks", "GET /trade-api/v2/portfolio/fills"}
    assert 9 * 30 <= looks.total() / 2 <= 11 * 30
    asked = watched.wire.asked()
    minutes = [asked[before:end] for (_, before), (_, end) in pairwise(spans)]
    reads = [sum(one.startswith("GET") for one in minute) for minute in minutes]
    assert Counter(reads).most_common(1)[0][0] <= 30, reads


def test_looks_cost_no_second_of_presence() -> None:
    with desk(1, PROGRAMS, (), {"WATCH_TIME": EVERY}) as one:
        told = hour(one, CYCLES)
    assert told.part >= 0.9999, f"{told}"
    assert told.wanted > 0.9 * 4 * 60 * CYCLES


# -- what withdraws --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_bid", [True, False], ids=["yes", "no"])
def test_what_is_left_of_a_filled_quote_goes_at_once(make_bench: MakeBench, is_bid: bool) -> None:
    """It is canceled within seconds, and its side is empty until its pause ends. The other side stays."""
    bench = watching(make_bench, **TWO_EVENTS)
    order, _ = one_of(bench, is_bid)
    others = {one.order_id for one in own_resting(bench)} - {order.order_id}
    at = in_the_wait(bench, lambda: take(bench.exchange.api.exchange, order, 0.4))
    assert order.status == "canceled"
    assert at < order.updated <= at + SOON
    (line,) = bench.events("CANCEL ORDER")[-1:]
    assert order.ticker in line
    assert "Reason: GUARD | it was filled" in line
    assert {one.order_id for one in own_resting(bench)} == others
    bench.run(cycles=4)
    assert bench.held() == {}
    assert others <= {one.order_id for one in own_resting(bench)}
    again = [one for one in bench.account.orders.values() if is_quote_at(order, one) and one.created > at]
    assert [one.created >= at + bench.settings.fill_pause for one in again] == [True]


def is_quote_at(order: Order, one: Order) -> bool:
    return one.group_id is not None and (one.ticker, one.is_bid) == (order.ticker, order.is_bid)


@pytest.mark.parametrize("is_bid", [True, False], ids=["yes", "no"])
def test_a_fill_withdraws_the_same_side_of_other_strikes(make_bench: MakeBench, is_bid: bool) -> None:
    """Two strikes of one number are quoted: the fill of one withdraws the other, the other sides stay."""
    bench = watching(make_bench, ONLY=("KXCPI*",))
    order, _ = one_of(bench, is_bid)
    assert len(own_resting(bench)) == 4
    at = in_the_wait(bench, lambda: take(bench.exchange.api.exchange, order))
    assert {one.is_bid for one in own_resting(bench)} == {not is_bid}
    assert len(own_resting(bench)) == 2
    (line,) = [line for line in bench.events("CANCEL ORDER") if "the same bet as" in line]
    assert f"{order.ticker} {'yes' if is_bid else 'no'}: it was filled" in line
    gone = [one for one in bench.account.orders.values() if one.group_id and one.status == "canceled"]
    assert [at < one.updated <= at + SOON for one in gone] == [True]


def deep_touch(bench: Bench, market: ListedMarket) -> tuple[int, int]:
    """A best bid that holds 280 contracts, seen by a cycle. Returns its price and size."""
    price, size = max(market.book.bids.levels())
    bench.exchange.api.exchange.crowd_rest(market, True, price, 280 * CONTRACT - size)
    bench.exchange.api.exchange.changed(market)
    bench.run(cycles=1)
    assert len(own_resting(bench)) == 4
    return price, 280 * CONTRACT


def test_a_touch_that_was_taken_withdraws_that_side(make_bench: MakeBench) -> None:
    """Most of the touch is gone, so we may be next. The other side stays."""
    bench = watching(make_bench, **TWO_EVENTS)
    exchange = bench.exchange.api.exchange
    order, market = one_of(bench)
    price, size = deep_touch(bench, market)
    at = in_the_wait(bench, lambda: exchange.crowd_take(market, False, price, size * 8 // 10))
    assert at < order.updated <= at + SOON
    assert order.status == "canceled"
    assert order.filled == 0
    (line,) = bench.events("CANCEL ORDER")[-1:]
    assert "contracts are left of its touch" in line
    assert [one.is_bid for one in own_resting(bench) if one.ticker == order.ticker] == [False]


def test_a_touch_of_which_most_is_left_keeps_our_quotes(make_bench: MakeBench) -> None:
    bench = watching(make_bench, **TWO_EVENTS)
    exchange = bench.exchange.api.exchange
    _, market = one_of(bench)
    price, size = deep_touch(bench, market)
    in_the_wait(bench, lambda: exchange.crowd_take(market, False, price, size * 4 // 10))
    assert len(own_resting(bench)) == 4
    assert bench.events("GUARD") == []


def assert_only_left(bench: Bench, ticker: str) -> None:
    """No quote rests in a market any more, and the other markets' quotes do."""
    assert ticker not in {one.ticker for one in own_resting(bench)}
    assert own_resting(bench), "other markets stay"


def assert_both_told(bench: Bench, why: str) -> None:
    assert len([line for line in bench.events("CANCEL ORDER") if why in line]) == 2


def test_a_book_that_all_others_left_withdraws_both_sides(make_bench: MakeBench) -> None:
    bench = watching(make_bench)
    order, market = one_of(bench)

    def leave() -> None:
        for half in (market.book.bids, market.book.asks):
            for other in half.everyone():
                if other.owner is None:
                    half.remove(other)
        bench.exchange.api.exchange.changed(market)

    in_the_wait(bench, leave)
    assert_only_left(bench, order.ticker)
    assert_both_told(bench, "its book is a hole")


def test_a_book_that_is_not_told_withdraws_both_sides(make_bench: MakeBench) -> None:
    """The exchange shows no book of a market in which trading has stopped."""
    bench = watching(make_bench)
    order, _ = one_of(bench)

    def hide(request: requests.PreparedRequest, _: int) -> object:
        if "/markets/orderbooks" not in (request.url or ""):
            return None
        rows = bench.wire.inner.send(request).json()["orderbooks"]
        return answer(200, json.dumps({"orderbooks": [row for row in rows if row["ticker"] != order.ticker]}))

    in_the_wait(bench, lambda: setattr(bench.wire, "fault", hide))
    assert_only_left(bench, order.ticker)
    assert_both_told(bench, "its book is gone")


def test_a_torn_side_withdraws_both_sides(make_bench: MakeBench) -> None:
    bench = watching(make_bench)
    order, market = one_of(bench)
    in_the_wait(bench, lambda: book_hole.tear(bench.exchange.api.exchange, market, False))
    assert_only_left(bench, order.ticker)


# -- it only cancels -------------------------------------------------------------------------------------------


def test_looks_place_move_and_sell_nothing(make_bench: MakeBench) -> None:
    """With everybody trading: between two cycles the wire carries reads and cancels alone."""
    bench = make_bench(**BUSY, WATCH_TIME=EVERY)
    spans = spied(bench)
    bench.run(cycles=30)
    methods = Counter(asked.split()[0] for asked in requests_of(bench, spans))
    assert set(methods) == {"GET", "DELETE"}, methods
    assert methods["GET"] > 30 * 2 * 8
    assert any("Reason: GUARD" in line for line in bench.events("CANCEL ORDER"))
    assert bench.events("FILL")


def test_a_resting_exit_stays_when_its_market_is_withdrawn(make_bench: MakeBench) -> None:
    """It is what a position needs. The market's quotes go."""
    bench = watching(make_bench, EXIT="REST")
    ticker, size = fill_quote(bench)
    bench.run(cycles=1)
    guards, now, held = bench.bot.session.memory.guards, bench.exchange.clock.now, bench.held()
    exits = [one for one in own_resting(bench) if held.get(one.ticker, 0) * (-1 if one.is_bid else 1) > 0]
    assert (ticker, False, size) in [(one.ticker, one.is_bid, one.remaining) for one in exits]
    quoted = {one.ticker for one in own_resting(bench)}
    assert len(own_resting(bench)) > len(exits)
    in_the_wait(bench, lambda: [guards.withdraw(one, None, "a test", 10, now()) for one in quoted], after=30)
    assert own_resting(bench) == exits


# -- a look that fails -----------------------------------------------------------------------------------------


def blind_looks(bench: Bench, how: Callable[[int], Any]) -> None:
    """From now on what the looks read fails, but nothing that the cycles read."""
    looks: list[bool] = []
    around_looks(bench, lambda: looks.append(True), looks.clear)
    bench.wire.fault = lambda _, number: how(number) if looks else None


def hang(bench: Bench) -> Callable[[int], Any]:
    """No answer ever comes: the client gives up when its time is over."""

    def fault(number: int) -> Any:
        _, answer_seconds = bench.wire.timeouts[number]
        bench.exchange.clock.advance(1.5 * answer_seconds)
        raise requests.exceptions.ReadTimeout("nothing came", request=bench.wire.sent[number])

    return fault


@pytest.mark.parametrize("how", ["503", "hang"])
def test_a_failing_look_is_told_once_and_costs_no_cycle(make_bench: MakeBench, how: str) -> None:
    """Orders stay and are renewed meanwhile. Its end is told once."""
    bench = watching(make_bench)
    before = {one.order_id: one.expires for one in own_resting(bench)}
    blind_looks(bench, hang(bench) if how == "hang" else lambda _: unavailable)
    began = bench.exchange.clock.monotonic()
    bench.run(cycles=3)
    assert 60 < bench.exchange.clock.monotonic() - began - 120 + 10 < 70, "each minute has its cycle"
    assert len([line for line in bench.events("INFO") if "could not be looked at" in line]) == 1
    assert not [line for line in bench.events("INFO") if "Slow cycle" in line or "looked at again" in line]
    after = {one.order_id: one.expires for one in own_resting(bench)}
    assert after.keys() == before.keys()
    assert all((after[name] or 0) >= (before[name] or 0) + 100 for name in after), "renewed"
    bench.wire.fault = None
    bench.run(cycles=2)
    assert len([line for line in bench.events("INFO") if "can be looked at again" in line]) == 1
    assert len([line for line in bench.events("INFO") if "could not be looked at" in line]) == 1
    assert {one.order_id for one in own_resting(bench)} == before.keys()


def test_a_look_waits_two_seconds_for_an_answer(make_bench: MakeBench) -> None:
    """A cycle's requests have their own time again. The last look before a cycle waits less."""
    bench = make_bench(who=(), WATCH_TIME=EVERY)
    spans = spied(bench)
    bench.run(cycles=3)
    looks = {number for began, end in spans for number in range(began, end)}
    given = bench.wire.timeouts
    assert looks
    assert max(given[number] for number in looks) <= (1, 2)
    assert all(4 * answer_seconds <= 60 for _, answer_seconds in given)
    assert min(given[number] for number in range(len(given)) if number not in looks) > (1, 2)


# -- many markets ----------------------------------------------------------------------------------------------


def test_many_quoted_markets_are_looked_at_in_turns(make_bench: MakeBench) -> None:
    """A look is two reads however many markets are quoted. Two looks see twice a hundred of them."""
    bench = make_bench(who=(), programs=250, WATCH_TIME=EVERY)
    bench.run(cycles=1)
    now = bench.exchange.clock.now()
    tickers = sorted(bench.exchange.api.exchange.markets)[: TICKERS_PER_CALL + 60]
    assert len(tickers) == TICKERS_PER_CALL + 60
    known = bench.bot.session.bookkeeper.order_records.known
    known |= {one: resting_record(one, now) for one in tickers}
    sent = len(bench.wire.sent)
    bench.bot.watch(bench.exchange.clock.monotonic() + 17)
    asked = [request.path_url for request in bench.wire.sent[sent:]]
    looks = [re.findall(r"tickers=([^&]+)", path) for path in asked if "orderbooks" in path]
    assert len(asked) == 2 * len(looks)
    assert len(looks) == 2
    assert all(len(look) <= TICKERS_PER_CALL for look in looks)
    assert set(tickers) <= set(looks[0]) | set(looks[1])


def resting_record(ticker: str, now: datetime) -> OrderRecord:
    """A quote that was placed just now, as the bot remembers it."""
    price, count, nothing = Decimal("0.01"), Decimal(1), Decimal(0)
    expires = now + timedelta(minutes=2)
    terms = ticker, YES, price, count, nothing, nothing
    return OrderRecord(ticker, f"lipbot-{ticker}", *terms, OrderStatus.RESTING, now, expires, None)


# -- what was earned -------------------------------------------------------------------------------------------


def test_hours_of_looks_accrue_what_the_exchange_counts() -> None:
    """Within 2 % with everybody trading, and never too much. Without looks it is 3 % less and more."""
    with desk(2, PROGRAMS, EVERYBODY, {"TRADE_SIZE": 20, "WATCH_TIME": EVERY}) as one:
        for _ in one.cycles(4 * 60):
            pass
        counted = sum(one.bot.session.bookkeeper.accrued_by_program().values())
        earned = sum(accrued(window) for window in one.statement["rewards"])
    assert earned > 0.1
    assert 0.98 * earned <= counted <= 1.001 * earned, f"{counted} of {earned}"
