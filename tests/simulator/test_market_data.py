"""What everybody may see over HTTP: nothing left out of a filter, and books, trades and candles that are what the
market really was."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import lifecycle
from simulator.fees import FeeTerms
from simulator.listing import DAY, TAPERED
from simulator.opening import CUSTOMER
from simulator.reading import SPEC
from tests.support.small_exchange import NOW, QUARTER, Desk, M, bid, listed, open_desk


@pytest.fixture
def desk() -> Desk:
    return open_desk()


# -- markets, events, series -------------------------------------------------------------------------------------


def tickers(desk: Desk, query: str) -> list[str]:
    return [row["ticker"] for row in desk.look(f"/markets?series_ticker=KXLIFE&{query}")["markets"]]


def test_markets_are_found_by_status_and_by_their_times(desk: Desk) -> None:
    exchange = desk.exchange
    names = {
        name: listed(exchange, f"KXLIFE-26-{name}", opens_in=opens, closes_in=closes)
        for name, opens, closes in (
            ("NEW", 900, 1e6), ("OPEN", -1, 2e6), ("HALT", -1, 3e6), ("SHUT", -1, 10), ("KNOWN", -1, 5),
            ("DONE", -1, 4e6),
        )
    }  # fmt: skip
    names["KNOWN"].settlement_timer = 1e6
    lifecycle.halt(exchange, names["HALT"])
    desk.wait(8)
    names["SHUT"].closes = NOW + 10
    desk.wait(300)
    lifecycle.settle_now(exchange, names["DONE"], "yes")
    assert [m.status for m in names.values()] == [
        "initialized", "active", "inactive", "closed", "determined", "finalized",
    ]  # fmt: skip
    for status, found in (
        ("unopened", ["NEW"]), ("open", ["OPEN"]), ("paused", ["HALT"]), ("closed", ["SHUT", "KNOWN"]),
        ("settled", ["DONE"]),
    ):  # fmt: skip
        assert tickers(desk, f"status={status}") == [f"KXLIFE-26-{name}" for name in found]
    now = int(exchange.now)
    assert tickers(desk, f"min_close_ts={int(NOW) + 2_000_000}") == ["KXLIFE-26-OPEN", "KXLIFE-26-HALT"]
    assert tickers(desk, f"max_close_ts={now}&status=closed") == ["KXLIFE-26-SHUT", "KXLIFE-26-KNOWN"]
    assert tickers(desk, f"min_settled_ts={now}") == tickers(desk, f"max_settled_ts={now}") == ["KXLIFE-26-DONE"]
    assert tickers(desk, f"min_settled_ts={now + 1}") == []
    assert tickers(desk, f"min_created_ts={int(NOW) + 1}") == ["KXLIFE-26-NEW"]
    assert tickers(desk, f"min_updated_ts={now}&mve_filter=exclude") == ["KXLIFE-26-DONE"]
    for query in (
        "status=active", "status=open,closed", "min_close_ts=1&min_created_ts=1", "min_close_ts=1&status=open",
        "min_settled_ts=1&status=closed", "min_updated_ts=1", "min_updated_ts=1&mve_filter=only", "mve_filter=no",
        "min_updated_ts=1&mve_filter=exclude&event_ticker=E", "min_close_ts=soon",
    ):  # fmt: skip
        refused = desk.public("GET", f"/markets?series_ticker=KXLIFE&{query}")
        assert (refused.status_code, list(refused.json())) == (400, ["msg"]), query
    done = desk.look("/markets/KXLIFE-26-DONE")["market"]
    assert (done["status"], done["result"], done["settlement_value_dollars"]) == ("finalized", "yes", "1.0000")


def test_markets_are_found_by_ticker_event_series_and_kind(desk: Desk) -> None:
    listed(desk.exchange, "KXLIFE-26-A")
    listed(desk.exchange, "KXLIFE-26-B")
    listed(desk.exchange, "KXLIFE-27-A")
    combo = listed(desk.exchange, "KXMVEX-26-A", shard=1, combo=True)
    assert tickers(desk, "tickers=KXLIFE-26-B,KXLIFE-27-A,KXNONE") == ["KXLIFE-26-B", "KXLIFE-27-A"]
    assert tickers(desk, "event_ticker=KXLIFE-26") == ["KXLIFE-26-A", "KXLIFE-26-B"]
    assert tickers(desk, "event_ticker=NONE") == tickers(desk, "mve_filter=only") == []
    everything = [row["ticker"] for row in desk.look("/markets?limit=1000")["markets"]]
    plain = [row["ticker"] for row in desk.look("/markets?limit=1000&mve_filter=exclude")["markets"]]
    combos = [row["ticker"] for row in desk.look("/markets?limit=1000&mve_filter=only")["markets"]]
    assert combo.ticker in combos
    assert sorted(plain + combos) == sorted(everything)
    assert set(plain).isdisjoint(combos)
    events = [row["event_ticker"] for row in desk.look("/events")["events"]]
    assert "KXLIFE-26" in events
    assert combo.event.ticker not in events
    nested = desk.look("/events?series_ticker=KXLIFE&with_nested_markets=true")["events"]
    assert [[m["ticker"] for m in e["markets"]] for e in nested] == [
        ["KXLIFE-26-A", "KXLIFE-26-B"],
        ["KXLIFE-27-A"],
    ]


def test_series_and_events_tell_their_fees_and_shards(desk: Desk) -> None:
    listed(desk.exchange, "KXFEE-26-A", shard=3, fees=QUARTER)
    listed(desk.exchange, "KXOWN-26-A", fees=FeeTerms(percent=0), event_fees=QUARTER, grid=TAPERED)
    series = desk.look("/series/KXFEE")["series"]
    assert (series["fee_type"], series["fee_multiplier"], series["exchange_index"]) == (
        "quadratic_with_maker_fees", 1.0, 3,
    )  # fmt: skip
    plain = desk.look("/events/KXFEE-26")["event"]
    assert (plain["series_ticker"], plain["exchange_index"]) == ("KXFEE", 3)
    assert not {"fee_type_override", "fee_multiplier_override"} & plain.keys()
    own = desk.look("/events/KXOWN-26")["event"]
    assert (own["fee_type_override"], own["fee_multiplier_override"]) == ("quadratic_with_maker_fees", 1.0)
    assert desk.look("/series/KXOWN")["series"]["fee_multiplier"] == 0
    assert desk.look("/markets/KXOWN-26-A")["market"]["price_ranges"] == [
        {"start": "0.0000", "end": "0.1000", "step": "0.0010"},
        {"start": "0.1000", "end": "0.9000", "step": "0.0100"},
        {"start": "0.9000", "end": "1.0000", "step": "0.0010"},
    ]
    assert desk.public("GET", "/series/KXNONE").status_code == 400
    listed_series = [row["ticker"] for row in desk.look("/series?category=Tests")["series"]]
    assert {"KXFEE", "KXOWN"} <= set(listed_series)


def test_books_are_told_as_bids_of_both_sides_best_last(desk: Desk) -> None:
    market = desk.exchange.markets[M]
    for is_bid, cents, size in ((True, 40, 100), (True, 42, 250), (False, 60, 1), (False, 55, 300)):
        desk.exchange.crowd_rest(market, is_bid, cents * 100, size)
    bid(desk.exchange, CUSTOMER, 42, 1)
    book = {
        "yes_dollars": [["0.4000", "1.00"], ["0.4200", "3.50"]],
        "no_dollars": [["0.4000", "0.01"], ["0.4500", "3.00"]],
    }
    assert desk.look(f"/markets/{M}/orderbook") == {"orderbook_fp": book}
    assert desk.look(f"/markets/{M}/orderbook?depth=1")["orderbook_fp"] == {
        "yes_dollars": [["0.4200", "3.50"]], "no_dollars": [["0.4500", "3.00"]],
    }  # fmt: skip
    many = desk.look(f"/markets/orderbooks?tickers={M}&tickers=KXNONE&tickers={M}")["orderbooks"]
    assert many == [{"ticker": M, "orderbook_fp": book}]
    shown = desk.look(f"/markets/{M}")["market"]
    assert (shown["yes_bid_dollars"], shown["yes_ask_dollars"], shown["no_bid_dollars"]) == (
        "0.4200", "0.5500", "0.4500",
    )  # fmt: skip
    assert (shown["yes_bid_size_fp"], shown["yes_ask_size_fp"]) == ("3.50", "3.00")
    for query in ("/markets/orderbooks", f"/markets/{M}/orderbook?depth=101"):
        assert desk.public("GET", query).status_code == 400


# -- trades and candles ------------------------------------------------------------------------------------------

HISTORY: list[tuple[float, str, int, int]] = [
    (5, "bid", 40, 500), (10, "ask", 60, 300), (20, "buy", 60, 100), (50, "bid", 45, 200),
    (70, "buy", 60, 100), (80, "sell", 45, 150), (100, "ask", 61, 100), (110, "ask", 63, 100),
    (190, "buy", 63, 300), (200, "bid", 50, 100), (210, "sell", 40, 400), (215, "ask", 70, 100),
    (3_700, "sell", 40, 50), (3_701, "bid", 41, 100),
]  # fmt: skip
"""(seconds from the opening, what the crowd does, at so many cents, 1/100 contract)"""


def expected_candle(quotes: list[Any], trades: list[Any], start: float, end: float) -> dict[str, Any] | None:
    """A candle from the best prices after each second, (time, bid, ask), and the trades, (time, price, size)."""
    before, inside = [q for q in quotes if q[0] < start], [q for q in quotes if start <= q[0] < end]
    seen = before[-1:] + inside
    traded = [t for t in trades if start <= t[0] < end]
    past = [t for t in trades if t[0] < start]

    def spread(values: list[float]) -> dict[str, str]:
        names = ("open_dollars", "low_dollars", "high_dollars", "close_dollars")
        picked = (values[0], min(values), max(values), values[-1])
        return {name: f"{value:.4f}" for name, value in zip(names, picked, strict=True)}

    prices = spread([t[1] for t in traded]) if traded else {}
    return {
        "end_period_ts": int(end),
        "yes_bid": spread([q[1] for q in seen]),
        "yes_ask": spread([q[2] for q in seen]),
        "price": prices | ({"previous_dollars": f"{past[-1][1]:.4f}"} if past else {}),
        "volume_fp": f"{sum(t[2] for t in traded):.2f}",
    }


@pytest.mark.parametrize("minutes", [1, 60])
def test_candles_are_what_the_book_and_the_tape_were(desk: Desk, minutes: int) -> None:
    market = desk.exchange.markets[M]
    quotes = [(NOW, 0.0, 1.0)]
    for seconds, act, cents, size in HISTORY:
        desk.wait(NOW + seconds - desk.exchange.now)
        if act in ("bid", "ask"):
            assert desk.exchange.crowd_rest(market, act == "bid", cents * 100, size)
            desk.exchange.changed(market)
        else:
            desk.exchange.crowd_take(market, act == "buy", cents * 100, size)
        best = market.book.bids.best() or 0, market.book.asks.best() or 10_000
        quotes.append((NOW + seconds, best[0] / 10_000, best[1] / 10_000))
    desk.wait(2 * 3_600)
    listed_trades = list(reversed(desk.look(f"/markets/trades?ticker={M}&limit=1000")["trades"]))
    times = [trade.time for trade in market.trades]
    trades = [
        (time, float(t["yes_price_dollars"]), float(t["count_fp"]))
        for time, t in zip(times, listed_trades, strict=True)
    ]
    assert [trade[1:] for trade in trades] == [
        (0.6, 1), (0.6, 1), (0.45, 1.5), (0.6, 1), (0.61, 1), (0.63, 1), (0.5, 1), (0.45, 0.5),
        (0.4, 2.5), (0.4, 0.5),
    ]  # fmt: skip
    period = minutes * 60
    query = f"start_ts={int(NOW)}&end_ts={int(NOW) + 7_199}&period_interval={minutes}"
    sticks = desk.look(f"/series/KXM/markets/{M}/candlesticks?{query}")["candlesticks"]
    ends = [NOW + n * period for n in range(1, 7_199 // period + 1)]
    assert len(sticks) == len(ends)
    for stick, end in zip(sticks, ends, strict=True):
        mean = stick["price"].pop("mean_dollars", None)
        stick.pop("open_interest_fp")
        assert stick == expected_candle(quotes, trades, end - period, end)
        if mean is not None:
            assert stick["price"]["low_dollars"] <= mean <= stick["price"]["high_dollars"]
    many = desk.look(f"/markets/candlesticks?market_tickers={M}&{query}")["markets"]
    assert [row["market_ticker"] for row in many] == [M]
    assert [c["end_period_ts"] for c in many[0]["candlesticks"]] == ends


@pytest.mark.parametrize(
    "query",
    [
        "start_ts=0&end_ts=60", "start_ts=60&end_ts=0&period_interval=1", "start_ts=0&end_ts=60&period_interval=7",
        "end_ts=60&period_interval=1", "start_ts=0&end_ts=9999999&period_interval=1",
    ],
)  # fmt: skip
def test_candles_are_asked_for_properly_or_not_given(desk: Desk, query: str) -> None:
    assert desk.public("GET", f"/series/KXM/markets/{M}/candlesticks?{query}").status_code == 400
    good = f"start_ts={int(NOW)}&end_ts={int(NOW)}&period_interval=1"
    assert desk.look(f"/series/KXM/markets/{M}/candlesticks?{good}")["candlesticks"] == []
    assert desk.public("GET", f"/series/KXOTHER/markets/{M}/candlesticks?{good}").status_code == 404


def test_trades_tell_the_takers_side(desk: Desk) -> None:
    """The list of trades can be narrowed by market, time and block trades. The market shows the last price and
    the volumes of the trades."""
    market = desk.exchange.markets[M]
    desk.exchange.crowd_rest(market, False, 6_000, 100)
    desk.exchange.crowd_rest(market, True, 4_000, 250)
    desk.exchange.crowd_take(market, True, 6_000, 100)
    desk.wait(10)
    desk.exchange.crowd_take(market, False, 4_000, 50)
    sold, bought = desk.look(f"/markets/trades?ticker={M}")["trades"]
    assert (sold["yes_price_dollars"], sold["no_price_dollars"], sold["count_fp"]) == ("0.4000", "0.6000", "0.50")
    assert (sold["taker_book_side"], sold["taker_outcome_side"]) == ("ask", "no")
    assert (bought["taker_book_side"], bought["taker_outcome_side"]) == ("bid", "yes")
    since = f"ticker={M}&min_ts={int(NOW) + 1}"
    assert desk.look(f"/markets/trades?{since}")["trades"] == [sold]
    assert desk.look(f"/markets/trades?ticker={M}&max_ts={int(NOW)}")["trades"] == [bought]
    assert desk.look(f"/markets/trades?{since}&is_block_trade=true")["trades"] == []
    assert desk.look(f"/markets/trades?{since}&is_block_trade=false")["trades"] == [sold]
    assert desk.public("GET", "/markets/trades?is_block_trade=maybe").status_code == 400
    desk.wait(5)
    shown = desk.look(f"/markets/{M}")["market"]
    assert (shown["last_price_dollars"], shown["volume_fp"], shown["volume_24h_fp"]) == ("0.4000", "1.50", "1.50")
    desk.wait(DAY)
    later = desk.look(f"/markets/{M}")["market"]
    assert (later["volume_fp"], later["volume_24h_fp"], later["previous_price_dollars"]) == (
        "1.50",
        "0.00",
        "0.4000",
    )


def test_programs_are_found_by_status_and_type(desk: Desk) -> None:
    def rows(query: str) -> Any:
        return desk.look(f"/incentive_programs?limit=10000&{query}")["incentive_programs"]

    everything = rows("status=all&type=all")
    assert rows("") == everything
    assert {p["incentive_type"] for p in rows("type=liquidity")} == {"liquidity"}
    parts = [rows(f"status={status}") for status in ("active", "upcoming", "closed", "paid_out")]
    assert sorted(p["id"] for part in parts for p in part) == sorted(p["id"] for p in everything)
    assert all(p["paid_out"] for p in parts[3])
    assert min(map(len, (parts[0], parts[1], parts[3]))) > 0
    assert rows("incentive_description=anything") == []
    assert desk.public("GET", "/incentive_programs?type=maker").status_code == 400
    assert rows("status=running") == everything, "an unknown status is none"
    desk.exchange.reading = SPEC
    assert desk.public("GET", "/incentive_programs?status=running").status_code == 400
