"""Calls that need no key: listings, prices, trades and the exchange's status.

Promise:
- This module decides only the form and the order of the answers.
- A list is filtered by exactly the parameters of its request.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import merge
from operator import attrgetter

from simulator.api import listing_forms as forms
from simulator.api.wire import Answer, QueryRefused, Request, first_page, follows, page
from simulator.exchange import Exchange, Refusal
from simulator.listing import ListedEvent, ListedMarket

MOST_CANDLES = 5_000
MOST_BATCH_CANDLES = 10_000


def status(exchange: Exchange, _: Request) -> Answer:
    return Answer(200, forms.exchange_status(exchange))


def schedule(exchange: Exchange, _: Request) -> Answer:
    return Answer(200, forms.schedule(exchange.now))


def user_data_timestamp(exchange: Exchange, _: Request) -> Answer:
    return Answer(200, {"as_of_time": forms.moment(exchange.lists_as_of)})


def programs(exchange: Exchange, request: Request) -> Answer:
    kind = request.one_of("type", forms.PROGRAM_TYPES) or "all"
    wanted = request.value("status")
    if exchange.reading.checks_program_status:
        request.one_of("status", forms.PROGRAM_STATUSES)
    wanted = wanted if wanted in forms.PROGRAM_STATUSES else "all"
    description = request.value("incentive_description")
    found = [
        program
        for program in exchange.programs
        if kind in ("all", program.kind)
        and wanted in ("all", forms.program_status(program, exchange.now))
        and description in (None, "")
    ]
    rows, cursor = page(request, found, 10_000)
    return Answer(
        200,
        {"incentive_programs": [forms.program(exchange, p) for p in rows]}
        | ({"next_cursor": cursor} if cursor else {}),
    )


_MOMENTS: dict[str, Callable[[ListedMarket], float | None]] = {
    "created": lambda market: market.opened,
    "close": lambda market: market.closes,
    "settled": lambda market: market.settled,
    "updated": lambda market: market.updated,
}

_STATUSES_WITH: dict[str, tuple[str, ...]] = {
    "created": ("unopened", "open"),
    "close": ("closed",),
    "settled": ("settled",),
    "updated": (),
}
"""The statuses that may be asked for together with a family of timestamps."""


def markets(exchange: Exchange, request: Request) -> Answer:
    tickers = request.words("tickers")
    event, series = request.value("event_ticker"), request.value("series_ticker")
    wanted = request.one_of("status", forms.MARKET_FILTERS)
    combos = request.one_of("mve_filter", ("only", "exclude"))
    families = [name for name in _MOMENTS if any(request.value(f"{b}_{name}_ts") for b in ("min", "max"))]
    if len(families) > 1:
        raise QueryRefused("invalid query parameters: only one family of timestamps may be used")
    if wanted is not None and any(wanted not in _STATUSES_WITH[name] for name in families):
        raise QueryRefused(f"invalid query parameter status: {wanted} does not go with these timestamps")
    if families == ["updated"] and (tickers or event or (combos != "exclude" and (combos or series))):
        raise QueryRefused("invalid query parameters: updated_ts goes with mve_filter=exclude alone")
    found = [
        market
        for market in exchange.markets.values()
        if (not tickers or market.ticker in tickers)
        and event in (None, market.event.ticker)
        and series in (None, market.event.series.ticker)
        and (wanted is None or market.status in forms.MARKET_FILTERS[wanted])
        and (combos is None or market.event.combo == (combos == "only"))
    ]
    for name in families:
        low, high = request.period(name)
        times = [(market, _MOMENTS[name](market)) for market in found]
        found = [market for market, time in times if time is not None and low <= time <= high]
    rows, cursor = page(request, found, 1_000, least=0)
    return Answer(200, {"markets": [forms.market(exchange, m) for m in rows], "cursor": cursor})


def market(exchange: Exchange, _: Request, ticker: str) -> Answer:
    return Answer(200, {"market": forms.market(exchange, _market(exchange, ticker))})


def orderbook(exchange: Exchange, request: Request, ticker: str) -> Answer:
    depth = request.whole("depth", 0, 0, 100)
    return Answer(200, {"orderbook_fp": forms.orderbook(exchange, _market(exchange, ticker), depth)})


def orderbooks(exchange: Exchange, request: Request) -> Answer:
    tickers = request.values("tickers")
    if not 1 <= len(tickers) <= 100:
        raise QueryRefused("invalid query parameter tickers: between 1 and 100 are needed")
    found = [exchange.markets[ticker] for ticker in dict.fromkeys(tickers) if ticker in exchange.markets]
    rows = [{"ticker": m.ticker, "orderbook_fp": forms.orderbook(exchange, m)} for m in found]
    return Answer(200, {"orderbooks": rows})


def trades(exchange: Exchange, request: Request) -> Answer:
    ticker, only_blocks = request.value("ticker"), request.flag("is_block_trade")
    low, high = request.period()
    named = exchange.markets.get(ticker or "")
    found = exchange.markets.values() if ticker is None else [named] if named else []
    tapes = [
        market.trades_between(low, high, before=follows(request))
        for market in found
        if market.trades and not only_blocks  # no trade is a block trade here
    ]
    newest_first = merge(*tapes, key=attrgetter("number"), reverse=True)
    rows, cursor = first_page(request, newest_first, 1_000, least=0)
    return Answer(200, {"trades": [forms.trade(exchange, t) for t in rows], "cursor": cursor})


def candlesticks(exchange: Exchange, request: Request, series: str, ticker: str) -> Answer:
    market = exchange.markets.get(ticker)
    if market is None or market.event.series.ticker != series:
        raise Refusal(404, "not_found", "market not found")
    start, end, seconds = _period(request, (1, 60, 1440))
    if (end - start) // seconds > MOST_CANDLES:
        raise QueryRefused(f"invalid query parameter end_ts: more than {MOST_CANDLES} candlesticks")
    sticks = list(forms.candlesticks(market, start, min(end, int(exchange.now)), seconds))
    return Answer(200, {"ticker": ticker, "candlesticks": sticks})


def many_candlesticks(exchange: Exchange, request: Request) -> Answer:
    tickers = request.words("market_tickers", most=100)
    start, end, seconds = _period(request, None)
    if not tickers or (end - start) // seconds * len(tickers) > MOST_BATCH_CANDLES:
        raise QueryRefused(f"invalid query parameters: 1 to {MOST_BATCH_CANDLES} candlesticks are served")
    end = min(end, int(exchange.now))
    found = [exchange.markets[ticker] for ticker in sorted(tickers) if ticker in exchange.markets]
    return Answer(
        200,
        {
            "markets": [
                {
                    "market_ticker": m.ticker,
                    "candlesticks": list(forms.candlesticks(m, start, end, seconds)),
                }
                for m in found
            ]
        },
    )


def _period(request: Request, minutes: tuple[int, ...] | None) -> tuple[int, int, int]:
    """Start, end and candle length in seconds."""
    for name in ("start_ts", "end_ts", "period_interval"):
        if request.value(name) is None:
            raise QueryRefused(f"invalid query parameter {name}: it is needed")
    interval = request.whole("period_interval", 1, 1, 1440)
    if minutes is not None and interval not in minutes:
        raise QueryRefused(f"invalid query parameter period_interval: {interval}")
    start, end = request.whole("start_ts", 0, 0), request.whole("end_ts", 0, 0)
    if end < start:
        raise QueryRefused("invalid query parameter end_ts: it is before start_ts")
    return start, end, interval * 60


def all_series(exchange: Exchange, request: Request) -> Answer:
    category = request.value("category")
    tags = request.words("tags")
    found = [s for s in exchange.series.values() if category in (None, s.category) and not tags]
    return Answer(200, {"series": [forms.series(s) for s in found]})


def one_series(exchange: Exchange, _: Request, ticker: str) -> Answer:
    if ticker not in exchange.series:
        raise Refusal(400, "not_found", "series not found")
    return Answer(200, {"series": forms.series(exchange.series[ticker])})


def series_fee_changes(_: Exchange, request: Request) -> Answer:
    request.flag("show_historical")
    return Answer(200, {"series_fee_change_arr": []})


def events(exchange: Exchange, request: Request) -> Answer:
    series, tickers = request.value("series_ticker"), request.words("tickers", most=200)
    wanted = request.one_of("status", ("unopened", "open", "closed", "settled"))
    nested = request.flag("with_nested_markets")
    closes_from, updated_from = request.whole("min_close_ts", 0), request.whole("min_updated_ts", 0)
    by_event: dict[str, list[ListedMarket]] = {}
    for market in exchange.markets.values():
        by_event.setdefault(market.event.ticker, []).append(market)

    def fits(event: ListedEvent) -> bool:
        inside = by_event[event.ticker]
        return (
            not event.combo
            and series in (None, event.series.ticker)
            and (not tickers or event.ticker in tickers)
            and (wanted is None or any(m.status in forms.MARKET_FILTERS[wanted] for m in inside))
            and any(m.closes >= closes_from and m.updated >= updated_from for m in inside)
        )

    rows, cursor = page(request, [e for e in exchange.events.values() if fits(e)], 200, default=200)
    return Answer(
        200,
        {
            "events": [
                forms.event(exchange, e)
                | ({"markets": [forms.market(exchange, m) for m in by_event[e.ticker]]} if nested else {})
                for e in rows
            ],
            "cursor": cursor,
        },
    )


def event(exchange: Exchange, request: Request, ticker: str) -> Answer:
    found = exchange.events.get(ticker)
    if found is None:
        raise Refusal(404, "not_found", "event not found")
    inside = [forms.market(exchange, m) for m in exchange.markets.values() if m.event is found]
    nested = request.flag("with_nested_markets")
    inside = [] if request.flag("exclude_markets") else inside
    form = forms.event(exchange, found)
    return Answer(
        200, {"event": form | {"markets": inside}, "markets": []} if nested else {"event": form, "markets": inside}
    )


def event_fee_changes(_: Exchange, request: Request) -> Answer:
    request.whole("limit", 100, 1, 1_000)
    return Answer(200, {"event_fee_changes": [], "cursor": ""})


def _market(exchange: Exchange, ticker: str) -> ListedMarket:
    market = exchange.markets.get(ticker)
    if market is None:
        raise Refusal(404, "not_found", "market not found")
    return market
