"""Read the exchange's public data: its state, its lists and their prices.

Promise:
- Lists are read to their end. Each item comes once, however often the pages list it.
- An unreadable item does not affect the others.
- Requests are signed too, because what unsigned ones may do is undocumented.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter

from exchange import parse_markets
from exchange.errors import ExchangeError, Unreadable
from exchange.json_fields import JsonObject, PartialList, read_list
from exchange.models import Candle, Event, ExchangeStatus, Market, Program, Schedule, Series, TradeList
from exchange.optional_calls import OptionalCall, OptionalCalls, optional
from exchange.orderbook import Book
from exchange.rate_limits import Endpoint
from exchange.transport import Transport

TICKERS_PER_CALL = 100
EVENTS_PER_CALL = 200
CANDLES_PER_CALL = 10_000
LONGEST_PAGE = 1_000
MOST_PAGES = 1_000
ENDED_PAGES = 3
"""Pages of 10,000 programs that are read of each list of ended ones: nobody knows how far back they reach."""

LISTS_LAG = timedelta(seconds=2)
"""The longest time until the account's lists show a write, if the exchange does not tell their time."""

BY_ID, BY_TICKER = attrgetter("id"), attrgetter("ticker")
"""What makes two listed items the same one, see `read_list`."""


class MarketData:
    """The calls for public data.

    Each raises an `ExchangeError` if the exchange refuses, fails, cannot be reached or sends an unreadable answer.
    A `PartialList` holds the readable items, and the errors of the others. `optional_calls`: what is known of the
    calls marked `@optional`, which the bot can do without."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.optional_calls = OptionalCalls(transport)

    def get_exchange_status(self) -> ExchangeStatus:
        """GET /exchange/status: whether orders are accepted now, overall and by shard."""
        return parse_markets.exchange_status(self._get("/exchange/status"))

    @optional(OptionalCall.SCHEDULE)
    def get_schedule(self) -> Schedule:
        """GET /exchange/schedule: opening hours and planned maintenance."""
        return parse_markets.schedule(self._get("/exchange/schedule"))

    @optional(OptionalCall.LISTS_TIME)
    def get_lists_time(self) -> datetime:
        """GET /exchange/user_data_timestamp: the time that the account's lists show."""
        return self._get("/exchange/user_data_timestamp").time("as_of_time")

    def lists_are_current(self) -> bool:
        """GET /exchange/user_data_timestamp: whether the lists show all our writes.

        They lag: an order canceled 0.3 s ago was listed as resting (measured). If the exchange does not tell their
        time, they count as current `LISTS_LAG` after the last write."""
        last = self._transport.last_write
        if last is None:
            return True
        try:
            return self.get_lists_time() >= last
        except ExchangeError:
            return self._transport.clock.now() >= last + LISTS_LAG

    def get_incentive_programs(self) -> PartialList[Program]:
        """GET /incentive_programs: all active liquidity programs.

        The cursor's field is `next_cursor` here."""
        return read_list(self._program_pages("active"), "incentive_programs", parse_markets.program, BY_ID)

    @optional(OptionalCall.ENDED_PROGRAMS)
    def get_ended_programs(self, ids: Collection[str]) -> PartialList[Program]:
        """GET /incentive_programs: which of these programs have ended, paid out or not.

        One that is not listed any more, or behind the first `ENDED_PAGES` pages, is left out. The list of those
        that were paid out is read only if the other list lacks some."""
        found: dict[str, Program] = {}
        unreadable: list[Unreadable] = []
        for status in ("closed", "paid_out"):
            if found.keys() >= set(ids):
                break
            for page in islice(self._program_pages(status), ENDED_PAGES):
                for source, ticker, row in page.list_items("incentive_programs"):
                    name = row.get("id") if isinstance(row, Mapping) else None
                    if not isinstance(name, str) or name not in ids:
                        continue
                    try:
                        found[name] = parse_markets.program(JsonObject(source, row, ticker))
                    except Unreadable as error:
                        unreadable.append(error)
        return PartialList(tuple(found.values()), tuple(unreadable))

    def get_markets(self, tickers: Iterable[str]) -> PartialList[Market]:
        """GET /markets, 100 tickers a call: the named markets, if they are listed."""
        pages = (
            page
            for batch in _batches(tickers)
            for page in self._pages("/markets", {"tickers": ",".join(batch), "limit": LONGEST_PAGE})
        )
        return read_list(pages, "markets", parse_markets.market, BY_TICKER)

    def get_orderbooks(self, tickers: Iterable[str]) -> PartialList[Book]:
        """GET /markets/orderbooks, 100 tickers a call: full books, with our own orders."""
        pages = (self._get("/markets/orderbooks", {"tickers": batch}) for batch in _batches(tickers))
        return read_list(pages, "orderbooks", parse_markets.book, BY_TICKER)

    @optional(OptionalCall.CANDLES)
    def get_candles(self, tickers: Iterable[str], start: datetime, end: datetime) -> PartialList[Candle]:
        """GET /markets/candlesticks: the named markets' one-minute candles.

        They end between `start` and `end`, both included, and are sorted by market, oldest first."""
        pages = (
            self._get("/markets/candlesticks", {"market_tickers": ",".join(batch), "period_interval": 1} | period)
            for batch in _batches(tickers)
            for period in _periods(start, end, CANDLES_PER_CALL // len(batch))
        )
        sticks = read_list(pages, "markets", parse_markets.candles, identity=tuple)
        found = {(one.ticker, one.end): one for several in sticks for one in several}
        return PartialList(tuple(found[key] for key in sorted(found)), sticks.unreadable)

    def get_trades(
        self, ticker: str, since: datetime, until: datetime | None = None, *, most_pages: int
    ) -> TradeList:
        """GET /markets/trades: what was traded in a market, block trades included.

        The span is from `since` to `until` (None: now), both included. Its newest trades are read, up to
        `most_pages` (1 or more) of 1,000. A market that is not listed has none. Raises `Unreadable` if pages are
        left and the trades did not come newest first: the exchange does not document their order."""
        # Whether "after" and "before" a second include it is not documented: a second more is asked for.
        query: dict[str, object] = {
            "ticker": ticker, "min_ts": int(since.timestamp()) - 1, "limit": LONGEST_PAGE,
        }  # fmt: skip
        if until is not None:
            query["max_ts"] = int(until.timestamp()) + 1
        pages = list(islice(self._pages("/markets/trades", query), most_pages))
        found = read_list(pages, "trades", parse_markets.trade, attrgetter("trade_id"))
        last, is_complete, read_from = pages[-1], True, since
        if last.optional("cursor", last.text):  # pages are left
            times = [trade.time for trade in found]
            if times and times[0] < times[-1]:
                raise Unreadable(last.source, "trades should be listed newest first")
            ends = [until] if until else []
            oldest = min([*times, *ends], default=self._transport.clock.now())
            is_complete, read_from = oldest < since, max(oldest, since)
        within = [trade for trade in found if since <= trade.time and (until is None or trade.time <= until)]
        newest_first = tuple(sorted(within, key=attrgetter("time"), reverse=True))
        return TradeList(newest_first, found.unreadable, is_complete=is_complete, read_from=read_from)

    @optional(OptionalCall.SERIES)
    def get_all_series(self) -> PartialList[Series]:
        """GET /series: the fees of every series' markets, in one answer."""
        return read_list([self._get("/series")], "series", parse_markets.series, BY_TICKER)

    @optional(OptionalCall.EVENTS)
    def get_events(self, tickers: Iterable[str]) -> PartialList[Event]:
        """GET /events, 200 tickers a call: the named events.

        Each has its series, its own fees, and whether its markets exclude each other. An unlisted event is left
        out, and so is every combo."""
        pages = (
            page
            for batch in _batches(tickers, EVENTS_PER_CALL)
            for page in self._pages("/events", {"tickers": ",".join(batch), "limit": EVENTS_PER_CALL})
        )
        return read_list(pages, "events", parse_markets.event, BY_TICKER)

    def _get(self, path: str, query: Mapping[str, object] | None = None) -> JsonObject:
        return self._transport.request(Endpoint("GET", path), query)

    def _program_pages(self, status: str) -> Iterator[JsonObject]:
        query = {"status": status, "type": "liquidity", "limit": 10_000}
        return self._pages("/incentive_programs", query, "next_cursor")

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
    """Split `start` to `end` into periods of up to `minutes` minutes.

    They are in Unix seconds, and each includes both its ends."""
    begins, last = int(start.timestamp()), int(end.timestamp())
    while begins <= last:
        ends = min(begins + (minutes - 1) * 60, last)
        yield {"start_ts": begins, "end_ts": ends}
        begins = ends + 1
