"""A bot on a simulated exchange without waiting, and the wire between them, which a test can cut.

All of the product's code runs: requests are prepared, signed, sent through `requests`, answered by the simulator
and parsed as usual. Only time is simulated.
"""

from __future__ import annotations

import io
import json
import logging
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

import market_bot
from bot import connection
from bot.connection import Connection
from bot.notifier import SILENT, Notifier
from bot.prod_confirmation import Confirm
from bot.settings import Settings
from clients import KalshiHttpClient
from exchange.reserves import BalanceReading, CashRule
from incentive import Board
from ledger.balance_reading import KnownCashRule
from ledger.entries import PendingWrites
from ledger.ledger import Ledger
from market_bot import MarketBot
from selection.ranking import Selection
from simulator import lifecycle
from simulator.account import Account
from simulator.embedded import EmbeddedExchange
from simulator.matching import CONTRACT, HalfBook, Order
from simulator.opening import CUSTOMER
from simulator.people import EVERYBODY
from tests.support.raw_client import RawClient
from tests.support.small_exchange import take
from trade import OWN_PREFIX


def answer(status: int, body: str, content_type: str = "application/json") -> Callable[..., requests.Response]:
    """An answer that the wire gives instead of the exchange."""

    def give(request: requests.PreparedRequest) -> requests.Response:
        raw = HTTPResponse(
            io.BytesIO(body.encode()), {"Content-Type": content_type}, status, preload_content=False
        )
        return HTTPAdapter().build_response(request, raw)

    return give


not_there = answer(501, '{"error":{"code":"not_implemented","message":"not implemented"}}')
"""The exchange does not have this call."""


def unavailable(request: requests.PreparedRequest) -> requests.Response:
    return answer(503, '{"error":{"code":"service_unavailable","message":"down for a moment"}}')(request)


def cut_before(request: requests.PreparedRequest) -> requests.Response:
    raise requests.exceptions.ConnectionError("cut before the exchange had it", request=request)


class Killed(BaseException):
    """Ends a bot as `kill -9` does: none of its code runs any more."""


@dataclass
class Wire(BaseAdapter):
    """The wire between the client and the exchange. `fault` is called with each request and its number. It may
    return an answer that replaces the exchange's, or raise. `after` does the same once the exchange has acted. All
    requests are kept."""

    inner: BaseAdapter
    fault: Callable[[requests.PreparedRequest, int], Any] | None = None
    after: Callable[[requests.PreparedRequest, int], Any] | None = None
    sent: list[requests.PreparedRequest] = field(default_factory=list)
    answers: list[requests.Response] = field(default_factory=list)
    timeouts: list[Any] = field(default_factory=list)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        number = len(self.sent)
        self.sent.append(request)
        self.timeouts.append(options.get("timeout"))
        instead = self.fault(request, number) if self.fault else None
        response: requests.Response = instead(request) if instead else self.inner.send(request, **options)
        instead = self.after(request, number) if self.after and not instead else None
        response = instead(request) if instead else response
        self.answers.append(response)
        return response

    def close(self) -> None:
        self.inner.close()

    def asked(self) -> list[str]:
        return [f"{request.method} {request.path_url.partition('?')[0]}" for request in self.sent]


BETWEEN_CYCLES = frozenset({"_wait", "first_contact"})
"""The functions that wait for the next cycle, or for the next try of a start. Other waits are within these."""


@dataclass
class Bench:
    """A bot, the exchange it trades on, the wire between them, and the log.

    `home`: the home of the machine's user, None: the test's."""

    exchange: EmbeddedExchange
    wire: Wire
    client: KalshiHttpClient
    settings: Settings
    logger: logging.Logger
    log_file: Path
    ledger_file: Path
    confirm: Confirm | None = None
    notifier: Notifier = SILENT
    waits: list[float] = field(default_factory=list)
    home: Path | None = None

    def __post_init__(self) -> None:
        self.connection = Connection(self.client, self.exchange.about)
        self._ledger: Ledger | None = None
        self._reader: Ledger | None = None
        self.restart()

    def restart(self, **changed: Any) -> None:
        """Start a new process, from the bot's point of view: only the ledger is kept. `changed`: settings that a
        person has changed."""
        self.end()
        self.settings = replace(self.settings, **changed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite3, "connect", self._connect)
            self._ledger = Ledger(self.ledger_file)
            if self.home:
                patch.setenv("HOME", str(self.home))
            self.bot = MarketBot(
                self.settings, self.connection, self._ledger, self.logger, self.confirm, self.notifier
            )

    def know_balance(self, reading: str = "gross") -> None:
        """An earlier session of this account found out how the exchange counts cash."""
        assert self._ledger is not None
        self.client.get_exchange_status()  # its answer names the simulator's run
        now = self.exchange.clock.now()
        self._ledger.open_for(self.client.identity, now)
        known = KnownCashRule(CashRule(BalanceReading(reading)), now)
        self._ledger.record(PendingWrites(now, cash_rule=known))

    def end(self) -> None:
        """The bot's process has ended."""
        self._close_reader()
        if self._ledger is not None:
            self._ledger.close()

    def _connect(self, *where: Any, **how: Any) -> sqlite3.Connection:
        self._database = connect(*where, **how)
        return self._database

    def let_ledger_write(self, can: bool) -> None:
        """Let SQLite write to the bot's ledger, or make it refuse with "readonly database"."""
        self._database.execute(f"PRAGMA query_only = {int(not can)}")

    def limit_ledger(self, pages: int) -> None:
        """Let the bot's ledger have at most so many pages, or the number that it has."""
        self._database.execute(f"PRAGMA max_page_count = {pages}")

    @property
    def ledger(self) -> Ledger:
        """The ledger as another program reads it now."""
        self._close_reader()
        self._reader = Ledger(self.ledger_file, read_only=True)
        return self._reader

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def events(self, name: str) -> list[str]:
        return [line for line in self.log.splitlines() if f"[{name}]" in line]

    def board(self) -> Board:
        """The board as the bot last read it."""
        assert self.bot.incentive_program.board is not None
        return self.bot.incentive_program.board

    def resting(self) -> list[Order]:
        """The orders that rest, by the exchange's own record."""
        return self.exchange.api.exchange.resting(CUSTOMER)

    @property
    def account(self) -> Account:
        return self.exchange.api.exchange.accounts[CUSTOMER]

    @property
    def raw(self) -> RawClient:
        """Another program of the account's owner."""
        return RawClient.of_owner(self.exchange)

    def held(self) -> dict[str, int]:
        return {ticker: holding.count for ticker, holding in self.account.holdings.items() if holding.count}

    def let_expire(self, orders: Iterable[Order]) -> None:
        """The exchange cancels these orders: they expire now."""
        exchange = self.exchange.api.exchange
        for order in list(orders):
            order.expires = exchange.now
            exchange.take_down(exchange.markets[order.ticker], order)

    def pass_time(self, seconds: float) -> None:
        self.exchange.clock.advance(seconds)

    def run(
        self, cycles: int, end: type[BaseException] = Killed, waits_in: Collection[str] = BETWEEN_CYCLES
    ) -> int | None:
        """Run the real loop. `end` is raised in the wait after `cycles` cycles. Returns the exit code, or None if
        the process was killed. Waits between cycles are kept in `waits`: what the looks at the quotes leave of
        them. `waits_in`: the functions whose waits count. Each wait of the loop itself counts, however short."""
        clock = self.exchange.clock
        sleep = clock.sleep
        self.waits = []

        def watched(seconds: float) -> float | None:
            caller = sys._getframe(2).f_code.co_name  # of the client's clock
            if caller in waits_in and (seconds > 2 or caller == "_wait"):
                self.waits.append(seconds)
                if len(self.waits) == cycles:
                    raise end
            return sleep(seconds)

        clock.sleep = watched  # type: ignore[method-assign]
        try:
            return self.bot.run()
        except Killed:
            return None
        finally:
            clock.sleep = sleep  # type: ignore[method-assign]


def lose(bench: Bench, *paths: str) -> None:
    """From now on the exchange does not have the calls whose path ends so."""
    bench.wire.fault = lambda request, _: not_there if request.path_url.partition("?")[0].endswith(paths) else None


MakeBench = Callable[..., Bench]
"""Opens a bench. Keyword arguments are settings, except those for the exchange."""


def is_quote(request: requests.PreparedRequest) -> bool:
    return request.method == "POST" and b'"post_only": true' in (request.body or b"")


def assert_quoting_once(bench: Bench) -> None:
    sides = Counter((order.ticker, order.is_bid) for order in bench.resting())
    assert len(sides) == 4
    assert set(sides.values()) == {1}


def assert_told_apart(selection: Selection, tickers: set[str]) -> None:
    """Each market is chosen, or has exactly one reason."""
    told = [candidate.ticker for candidate in selection.chosen] + [skip.ticker for skip in selection.skipped]
    assert len(told) == len(set(told)), "more than one reason"
    assert set(told) == tickers


@dataclass
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


def share(bench: Bench, monkeypatch: pytest.MonkeyPatch, is_private: bool = False) -> None:
    shared = replace(bench.connection, is_private=is_private)
    monkeypatch.setattr(connection, "connect", lambda *_: shared)
    monkeypatch.setattr(market_bot, "ledger_file", lambda _: bench.ledger_file)
    monkeypatch.setenv("SIM_URL", "" if is_private else "http://127.0.0.1:9/trade-api/v2")


Beside = tuple[Bench, Callable[..., Said]]


# -- actions of people -------------------------------------------------------------------------------------------


def place_by_hand(
    bench: Bench, ticker: str | None = None, above_best: bool = False, name: str = "typed-by-hand"
) -> str:
    """A person's own bid for 400 contracts, with the client order id `name`. Returns its id."""
    ticker = ticker or bench.resting()[0].ticker
    best = bench.exchange.api.exchange.markets[ticker].book.bids.best()
    assert best is not None
    price = f"{(best + (100 if above_best else -200)) / 10_000:.4f}"
    return bench.raw.place(ticker=ticker, count="400", price=price, client_order_id=name, post_only=True)


def buy_by_hand(bench: Bench, ticker: str, name: str = "typed-by-hand") -> str:
    """A person buys three contracts at any price. Returns the order's id."""
    return bench.raw.place(
        ticker=ticker, count="3.00", price="0.9900", client_order_id=name,
        time_in_force="immediate_or_cancel",
    )  # fmt: skip


def fill_quote(bench: Bench, is_bid: bool = True, part: float = 1.0) -> tuple[str, int]:
    """A trader takes from one of our quotes. Returns the market and the 1/100 contracts."""
    order = next(one for one in bench.resting() if one.is_bid == is_bid and one.group_id)
    return order.ticker, take(bench.exchange.api.exchange, order, part)


ALL = 1_000_000 * CONTRACT
"""More 1/100 contracts than rest anywhere: orders ahead of the bot are taken too."""


def hold_paused(bench: Bench, is_bid: bool) -> str:
    """All of a quote is filled, and its market paused: its book can be read, and nothing can be sold. Returns its
    ticker."""
    exchange = bench.exchange.api.exchange
    order = next(one for one in bench.resting() if one.is_bid == is_bid)
    market = exchange.markets[order.ticker]
    exchange.crowd_take(market, not is_bid, order.price, ALL)
    lifecycle.halt(exchange, market)
    return order.ticker


def emptied(bench: Bench, ticker: str, is_bid: bool) -> Callable[[], None]:
    """Take all bids for the held side away. Returns what brings them back."""
    exchange = bench.exchange.api.exchange
    market = exchange.markets[ticker]
    half, name = market.book.half(is_bid), "bids" if is_bid else "asks"

    def put(other: HalfBook) -> None:
        bench.client.get_exchange_status()  # until now the exchange was as it is
        setattr(market.book, name, other)
        exchange.changed(market)
        bench.client.get_exchange_status()

    put(HalfBook(is_bid))
    return lambda: put(half)


def own_resting(bench: Bench) -> list[Order]:
    """The bot's own orders that rest, by the exchange's record."""
    return [order for order in bench.resting() if order.client_order_id.startswith(OWN_PREFIX)]


BUSY: dict[str, Any] = {
    "seed": 2, "who": EVERYBODY, "TRADE_DELTA": 0.00, "TRADE_SIZE": 20, "INCENTIVE_SIZE": None,
    "TRADE_TICKER_SIZE": 8, "FILL_COST": 0, "MAX_CAPITAL": 500, "MAX_EVENT_LOSS": 500, "MIN_HOURS_TO_CLOSE": 1,
    "ONLY": ("KXBTCD*", "KXTENNIS*", "KXHIGH*", "KXLOWT*"),
}  # fmt: skip
"""Quotes at the touch on markets with traders: a fill every few minutes."""


STILL: dict[str, Any] = {"who": (), "TRADE_SIZE": 20, "MAX_CAPITAL": 500, "MAX_EVENT_LOSS": 200}


def trade_cycles(bench: Bench, count: int) -> None:
    """Run trading cycles a minute apart, without the loop around them."""
    for _ in range(count):
        bench.bot.start_trading()
        bench.pass_time(60)
