"""What was traded in a market: each trade once and as it was, and how far back the list reaches.

A list that is cut short and does not say so would be taken for a quiet market.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import requests

from clients import KalshiHttpClient
from exchange.errors import Unreadable
from exchange.orderbook import Side
from simulator.api.listing_forms import trade_id
from tests.support import call_coverage
from tests.support.bench import Bench, answer
from tests.support.call_coverage import SHARD_0, SHARD_3, about, market, taken_by_others, wait
from tests.support.canned_answers import TICKER, body_of, client_that_hears, give, sent
from tests.support.project import START

D = Decimal
MICROSECOND = timedelta(microseconds=1)

bench, open_bench = call_coverage.bench, call_coverage.open_bench


def trade_at(bench: Bench, seconds: float, size: int = 10) -> datetime:
    """Others buy `size` 1/100 contracts, so many seconds from the start. Returns the time of the trade."""
    at = START + timedelta(seconds=seconds)
    wait(bench, (at - bench.exchange.clock.now()).total_seconds())
    taken_by_others(bench, SHARD_3, True, 9_900, size)
    return at


def short_pages(request: requests.PreparedRequest, _: int) -> None:
    """Two trades a page."""
    request.url = (request.url or "").replace("limit=1000", "limit=2")


def sizes(trades: Any) -> list[Decimal]:
    return [trade.count for trade in trades]


@about("get_trades")
def test_a_trade_is_read_as_the_exchange_recorded_it(bench: Bench) -> None:
    """Newest first, and none of another market. A taker who sold YES is told as one who bought NO."""
    before = bench.exchange.clock.now()
    for seconds, ticker, is_bid, pips, size in (
        (5, SHARD_3, True, 9_900, 70), (9, SHARD_3, False, 100, 250), (9, SHARD_0, True, 9_900, 30),
        (3_600, SHARD_3, True, 9_900, 1),
    ):  # fmt: skip
        wait(bench, before.timestamp() + seconds - bench.exchange.clock.now().timestamp())
        taken_by_others(bench, ticker, is_bid, pips, size)
    trades = bench.client.get_trades(SHARD_3, before, most_pages=2)
    theirs = [one for one in market(bench).trades if one.time > before.timestamp()]
    assert len(theirs) == 3
    for ours, real in zip(trades.all_or_raise(), reversed(theirs), strict=True):
        assert ours.trade_id == trade_id(bench.exchange.api.exchange, real.number)
        assert (ours.ticker, ours.yes_price, ours.count) == (SHARD_3, D(real.price) / 10_000, D(real.size) / 100)
        assert ours.taker_side is (Side.YES if real.taker_is_bid else Side.NO)
        assert ours.time.timestamp() == pytest.approx(real.time, abs=1e-5)
        assert (ours.time.tzinfo, ours.is_block) == (timezone.utc, False)
    assert [trade.taker_side for trade in trades] == [Side.YES, Side.NO, Side.YES]
    assert (trades.is_complete, trades.read_from) == (True, before)
    assert len(bench.wire.sent) == 1


@pytest.mark.parametrize("excluded", [0, 1], ids=["the second counts", "the second does not count"])
@pytest.mark.parametrize("seconds", [100.0, 100.25, 100.999_999])
@about("get_trades")
def test_no_trade_at_an_end_of_the_span_is_lost(bench: Bench, seconds: float, excluded: int) -> None:
    """Whether the exchange counts the seconds that it is told or only those between. Both ends count, to the
    microsecond."""

    def narrower(request: requests.PreparedRequest, _: int) -> None:
        url = request.url or ""
        for name, change in (("min_ts", excluded), ("max_ts", -excluded)):
            url = re.sub(f"{name}=([0-9]+)", lambda found, n=name, c=change: f"{n}={int(found[1]) + c}", url)
        request.url = url

    bench.wire.fault = narrower
    for size, other in enumerate((seconds - 1.5, seconds - 0.5), 1):
        trade_at(bench, other, size)
    at = trade_at(bench, seconds, 3)
    for size, other in enumerate((seconds + 0.5, seconds + 1.5), 4):
        trade_at(bench, other, size)
    for since, until, found in (
        (at, at, "3"), (at, None, "543"), (at + MICROSECOND, None, "54"), (START, at, "321"),
        (START, at - MICROSECOND, "21"), (at - timedelta(seconds=1), at + timedelta(seconds=1), "432"),
        (at + MICROSECOND, at, ""),
    ):  # fmt: skip
        trades = bench.client.get_trades(SHARD_3, since, until, most_pages=1)
        assert [f"{size * 100:.0f}" for size in sizes(trades)] == list(found)
        assert (trades.is_complete, trades.read_from) == (True, since)


@about("get_trades")
def test_a_list_that_was_cut_says_how_far_back_it_reaches(bench: Bench) -> None:
    times = [trade_at(bench, 10.0 * number, number) for number in range(1, 8)]
    bench.wire.fault = short_pages
    for most, found in ((1, 2), (2, 4), (3, 6), (4, 7), (9, 7)):
        before = len(bench.wire.sent)
        trades = bench.client.get_trades(SHARD_3, START + timedelta(seconds=1), most_pages=most)
        assert sizes(trades) == [D(number) / 100 for number in range(7, 7 - found, -1)]
        assert trades.is_complete is (most >= 4)
        assert trades.read_from == (START + timedelta(seconds=1) if most >= 4 else times[7 - found])
        assert len(bench.wire.sent) - before == min(most, 4)


@about("get_trades")
def test_a_list_that_reaches_beyond_the_span_is_complete(bench: Bench) -> None:
    """The exchange is asked for a second more. If the last page has a trade of that second, the span was read."""
    for size, seconds in enumerate((100.1, 100.2, 100.3, 100.6, 100.7), 1):
        trade_at(bench, seconds, size)
    bench.wire.fault = short_pages
    since = START + timedelta(seconds=100.5)
    trades = bench.client.get_trades(SHARD_3, since, most_pages=2)
    assert sizes(trades) == [D("0.05"), D("0.04")]
    assert (trades.is_complete, trades.read_from) == (True, since)
    assert bench.client.get_trades(SHARD_3, since, most_pages=1).is_complete is False


@about("get_trades")
def test_what_is_traded_while_pages_are_read_does_no_harm(bench: Bench) -> None:
    """No trade is doubled or lost. A page that fails once is asked for again."""
    for number in range(1, 6):
        trade_at(bench, 10.0 * number, number)
    failed = False

    def busy(request: requests.PreparedRequest, number: int) -> Any:
        nonlocal failed
        short_pages(request, number)
        if "cursor" in request.path_url:
            taken_by_others(bench, SHARD_3, True, 9_900, 90)
            if not failed:
                failed = True
                return answer(500, "{}")
        return None

    bench.wire.fault = busy
    trades = bench.client.get_trades(SHARD_3, START + timedelta(seconds=1), most_pages=9)
    bench.wire.fault = None
    assert failed
    assert sizes(trades) == [D(number) / 100 for number in (5, 4, 3, 2, 1)]
    assert trades.is_complete


@about("get_trades")
def test_a_market_that_is_not_listed_has_no_trades(bench: Bench) -> None:
    trade_at(bench, 5)
    trades = bench.client.get_trades("KXNOT-THERE", START, most_pages=2)
    assert (trades.items, trades.unreadable, trades.is_complete) == ((), (), True)


# -- answers that the simulator does not give -----------------------------------------------------------------


def row(number: float, **fields: Any) -> dict[str, Any]:
    """A trade of so many seconds after the start."""
    (real, *_) = body_of("get_trades")["trades"]
    time = (START + timedelta(seconds=number)).isoformat()
    return real | {"trade_id": f"trade-{number}", "created_time": time} | fields


def hears(*rows: Any, cursor: str = "") -> KalshiHttpClient:
    return client_that_hears(give(200, sent({"trades": list(rows), "cursor": cursor})))


def ids(trades: Any) -> list[str]:
    return [trade.trade_id.removeprefix("trade-") for trade in trades]


def test_a_block_trade_is_told_from_one_of_the_book() -> None:
    """It took nothing from the book. A trade that is not called one is none."""
    absent = {name: value for name, value in row(1).items() if name != "is_block_trade"}
    trades = hears(row(3, is_block_trade=True), row(2), absent).get_trades(TICKER, START, most_pages=1)
    assert [trade.is_block for trade in trades.all_or_raise()] == [True, False, False]


UNREADABLE: dict[str, Any] = {
    "unknown taker": row(5, taker_outcome_side="maybe"), "no taker": row(5, taker_outcome_side=None),
    "no price": row(5, yes_price_dollars=None), "cents": row(5, yes_price_dollars=52),
    "above a dollar": row(5, yes_price_dollars="1.0001"), "below nothing": row(5, yes_price_dollars="-0.0100"),
    "no contracts": row(5, count_fp="0.00"), "fewer than none": row(5, count_fp="-1.00"),
    "no time": row(5, created_time=""), "no object": "nonsense",
}  # fmt: skip


@pytest.mark.parametrize("bad", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_trade_costs_no_other(bad: Any) -> None:
    """It is told, and the list is as complete as without it."""
    trades = hears(row(9), bad, row(1)).get_trades(TICKER, START, most_pages=1)
    assert ids(trades) == ["9", "1"]
    assert len(trades.unreadable) == 1
    assert str(trades.unreadable[0]).startswith("GET /markets/trades trades")
    assert trades.is_complete


@pytest.mark.parametrize("until", [START + timedelta(seconds=60), None])
@pytest.mark.parametrize("rows", [(), (row(5, count_fp="many"), row(4, count_fp="many"))], ids=["none", "bad"])
def test_a_cut_list_without_a_trade_claims_nothing(rows: tuple[Any, ...], until: datetime | None) -> None:
    """Pages are left, and nothing is known of their times: no part of the span counts as read."""
    client = hears(*rows, cursor="more")
    trades = client.get_trades(TICKER, START - timedelta(hours=1), until, most_pages=1)
    assert (trades.items, trades.is_complete) == ((), False)
    assert trades.read_from == (until or client.clock.now()) >= START


def test_a_cut_list_does_not_know_the_rest_of_its_last_moment() -> None:
    """The oldest trade was made at the span's very beginning. Others of that time may be on the next page."""
    trades = hears(row(9), row(0), cursor="more").get_trades(TICKER, START, most_pages=1)
    assert (ids(trades), trades.is_complete, trades.read_from) == (["9", "0"], False, START)


def test_trades_after_the_span_do_not_count_as_its_end() -> None:
    """The exchange is asked for a second more there too."""
    until = START + timedelta(seconds=60)
    trades = hears(row(62), row(61), cursor="more").get_trades(TICKER, START, until, most_pages=1)
    assert (trades.items, trades.is_complete, trades.read_from) == ((), False, until)


@pytest.mark.parametrize("since", [START, START + timedelta(seconds=2)])
def test_a_cut_list_in_another_order_is_not_believed(since: datetime) -> None:
    """The exchange does not document the order. If the oldest came first, it is not known what is left."""
    rows = (row(1), row(2), row(3))
    with pytest.raises(Unreadable, match="GET /markets/trades: trades should be listed newest first"):
        hears(*rows, cursor="more").get_trades(TICKER, since, most_pages=1)
    assert ids(hears(*rows).get_trades(TICKER, START, most_pages=1)) == ["3", "2", "1"], "all were read"


CUT_PLACES: dict[str, Callable[[], KalshiHttpClient]] = {
    "the last is unreadable": lambda: hears(row(9), row(8), row(1, count_fp="many"), cursor="more"),
    "one between is": lambda: hears(row(9), row(8.5, count_fp="many"), row(8), cursor="more"),
}


@pytest.mark.parametrize("client", CUT_PLACES.values(), ids=CUT_PLACES)
def test_a_cut_list_reaches_back_to_its_last_readable_trade(client: Callable[[], KalshiHttpClient]) -> None:
    trades = client().get_trades(TICKER, START, most_pages=1)
    assert (ids(trades), len(trades.unreadable)) == (["9", "8"], 1)
    assert (trades.is_complete, trades.read_from) == (False, START + timedelta(seconds=8))
