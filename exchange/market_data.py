"""What anybody may ask the exchange: its state, what it lists, and what that trades at.

Promise: lists are read to their end, and one item that cannot be read does not cost the others. Requests are
signed all the same: what the exchange allows those that are not is written nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from exchange import parse_markets
from exchange.errors import Unreadable
from exchange.json_fields import JsonObject, PartialList, read_list
from exchange.models import Candle, Event, ExchangeStatus, Market, Program, Schedule, Series
from exchange.orderbook import Book
from exchange.rate_limits import Endpoint
from exchange.transport import Transport

TICKERS_PER_CALL = 100
EVENTS_PER_CALL = 200
CANDLES_PER_CALL = 10_000
LONGEST_PAGE = 1_000
MOST_PAGES = 1_000


class MarketData:
    """The calls about what is everybody's. Each raises an `ExchangeError` where the exchange refuses, fails,
    cannot be reached or answers what cannot be read. A `PartialList` has the items that could be read, and the
    errors of those that could not."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get_exchange_status(self) -> ExchangeStatus:
        """GET /exchange/status: whether orders are taken now, in all and by shard."""
        return parse_markets.exchange_status(self._get("/exchange/status"))

    def get_schedule(self) -> Schedule:
        """GET /exchange/schedule: opening hours and planned maintenance."""
        return parse_markets.schedule(self._get("/exchange/schedule"))

    def lists_are_current(self) -> bool:
        """GET /exchange/user_data_timestamp: whether the account's lists, asked for now, show all that this client
        sent. They lag behind: an order canceled a third of a second ago was seen as resting (measured)."""
        last = self._transport.last_write
        return last is None or self._get("/exchange/user_data_timestamp").time("as_of_time") >= last

    def get_incentive_programs(self) -> PartialList[Program]:
        """GET /incentive_programs: all active liquidity programs. Their cursor is called `next_cursor`."""
        query = {"status": "active", "type": "liquidity", "limit": 10_000}
        pages = self._pages("/incentive_programs", query, "next_cursor")
        return read_list(pages, "incentive_programs", parse_markets.program)

    def get_markets(self, tickers: Iterable[str]) -> PartialList[Market]:
        """GET /markets, 100 tickers a call: those of the named markets that the exchange lists."""
        pages = (
            page
            for batch in _batches(tickers)
            for page in self._pages("/markets", {"tickers": ",".join(batch), "limit": LONGEST_PAGE})
        )
        return read_list(pages, "markets", parse_markets.market)

    def get_orderbooks(self, tickers: Iterable[str]) -> PartialList[Book]:
        """GET /markets/orderbooks, 100 tickers a call: whole books, our own orders included."""
        pages = (self._get("/markets/orderbooks", {"tickers": batch}) for batch in _batches(tickers))
        return read_list(pages, "orderbooks", parse_markets.book)

    def get_candles(self, tickers: Iterable[str], start: datetime, end: datetime) -> PartialList[Candle]:
        """GET /markets/candlesticks: the one-minute candles of the named markets that end from `start` to `end`,
        market by market, oldest first."""
        pages = (
            self._get("/markets/candlesticks", {"market_tickers": ",".join(batch), "period_interval": 1} | period)
            for batch in _batches(tickers)
            for period in _periods(start, end, CANDLES_PER_CALL // len(batch))
        )
        sticks = read_list(pages, "markets", parse_markets.candles)
        ordered = sorted((one for several in sticks for one in several), key=lambda one: (one.ticker, one.end))
        return PartialList(tuple(ordered), sticks.unreadable)

    def get_all_series(self) -> PartialList[Series]:
        """GET /series: what the markets of every series take as a fee. All come in one answer."""
        return read_list([self._get("/series")], "series", parse_markets.series)

    def get_events(self, tickers: Iterable[str]) -> PartialList[Event]:
        """GET /events, 200 tickers a call: the series of each named event, its own fees, and whether its markets
        exclude each other. One that is not listed is left out, and so is every combo."""
        pages = (
            page
            for batch in _batches(tickers, EVENTS_PER_CALL)
            for page in self._pages("/events", {"tickers": ",".join(batch), "limit": EVENTS_PER_CALL})
        )
        return read_list(pages, "events", parse_markets.event)

    def _get(self, path: str, query: Mapping[str, object] | None = None) -> JsonObject:
        return self._transport.request(Endpoint("GET", path), query)

    def _pages(self, path: str, query: Mapping[str, object], cursor_field: str = "cursor") -> Iterator[JsonObject]:
        seen: set[str] = set()
        while True:
            page = self._get(path, query)
            yield page
            cursor = page.optional(cursor_field, page.text) or ""
            if not cursor:
                return
            if len(seen) == MOST_PAGES:
                raise Unreadable(page.source, f"more than {MOST_PAGES} pages: the list has no end")
            if cursor in seen:
                raise Unreadable(page.source, f"the same {cursor_field} came twice: the list has no end")
            seen.add(cursor)
            query = {**query, "cursor": cursor}


def _batches(tickers: Iterable[str], size: int = TICKERS_PER_CALL) -> Iterator[list[str]]:
    every = list(tickers)
    for start in range(0, len(every), size):
        yield every[start : start + size]


def _periods(start: datetime, end: datetime, minutes: int) -> Iterator[dict[str, object]]:
    """From `start` to `end` in pieces of so many minutes at most, Unix seconds; both ends belong to a piece."""
    begins, last = int(start.timestamp()), int(end.timestamp())
    while begins <= last:
        ends = min(begins + (minutes - 1) * 60, last)
        yield {"start_ts": begins, "end_ts": ends}
        begins = ends + 1
