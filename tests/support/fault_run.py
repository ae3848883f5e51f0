"""A whole bot on an exchange that a script of faults strikes, and the conditions that must always hold.

Promise:
- The loop is the bot's own (`MarketBot.run`), with its waits and outages on the simulated clock.
- The exchange's own record is judged, never the bot's word.

A generator, the *director*, decides the next step: it yields `START`, `GO`, or an exception for the bot's wait. It
resumes at the loop's next wait, or once the bot has ended.
"""

from __future__ import annotations

import io
import json
import re
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
from requests.adapters import BaseAdapter

import market_bot
from bot.connection import Connection, embedded_client
from exchange import parse_account
from exchange.json_fields import JsonObject
from ledger.ledger import Ledger
from market_bot import MarketBot
from runtime import log_output
from simulator import embedded, order_entry
from simulator.api import account_forms
from simulator.faults import Rule
from simulator.matching import CONTRACT, Order
from simulator.mishaps import Mishaps
from simulator.opening import CUSTOMER
from simulator.transport import ExchangeAdapter
from tests.support import strangers
from tests.support.account_limits import RULES, exceeded
from tests.support.bench import BETWEEN_CYCLES, Killed
from tests.support.key_leaks import leaks
from tests.support.project import START as OPENING
from tests.support.small_exchange import take
from trade import OWN_PREFIX

PROGRAMS, SIZE = 20, 5
WAIT, EXPIRATION, WATCH = 60.0, 60.0, 25.0
SLACK = 15.0
"""Seconds for a cycle until it renews, and for the exchange's rounding to whole seconds."""

SETTINGS: Mapping[str, object] = {
    **RULES,
    "TRADE_SIZE": SIZE,
    "TRADE_DELTA": 0.01,
    "WAIT_TIME": WAIT,
    "EXPIRATION_TS": EXPIRATION / 60,
    "FILL_PAUSE": 5,
    "SCAN_TIME": 1_200,
    "WATCH_TIME": WATCH,
}
"""As in `tests/support/account_limits.py`, one tick behind the touch. A filled quote is back in the second cycle
after the fill. In each wait there is one look, `WATCH` seconds after the cycle."""

CYCLES_TO_RECOVER = 2
RUNAWAY = 3_000
"""Requests between two waits that only a runaway bot sends."""

START, GO = "start", "go"
WAITING = "waiting"
_SIGNATURE = "KALSHI-ACCESS-SIGNATURE"
_NEVER = "NONE /"

Director = Generator[object, Any, None]
Place = tuple[str, bool]
"""A side: its market, and whether it buys YES."""

Aim = Callable[[str, str, Mapping[str, Any]], bool]
"""Whether a fault is meant for a request, by its method, path and body."""


@dataclass(frozen=True)
class Ended:
    """How the bot ended: its exit code, or None if it was killed. `died`: the traceback of a bug."""

    code: int | None
    died: str = ""


class BotEnded(Exception):
    """The bot ended when it should have continued."""

    def __init__(self, ended: Ended) -> None:
        self.ended = ended
        super().__init__(ended.died or f"the bot ended with {ended.code}")


class _Over(BaseException):
    """The director has no more steps."""


@dataclass
class _Wire(BaseAdapter):
    stage: Stage

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        return self.stage.carry(request, **options)

    def close(self) -> None: ...


class Stage:
    """An exchange with traders, one ledger and log in `folder`, and one bot at a time. `way` is its EXIT.
    `broken`: the violations found."""

    def __init__(
        self,
        folder: Path,
        way: str,
        who: Collection[str],
        markets: int = 2,
        at: datetime = OPENING,
        **changed: object,
    ) -> None:
        self.opened = embedded.start(1, None, None, at, PROGRAMS, tuple(who), past=0)
        self.api, self.clock = self.opened.api, self.opened.clock
        self.exchange = self.api.exchange
        self.account = self.exchange.accounts[CUSTOMER]
        self.opened.session.mount(embedded.HOST, _Wire(self))
        self._keys, self._cash = dict(self.api.keys), self.account.cash[0]
        self._sleep, self.clock.sleep = self.clock.sleep, self._slept  # type: ignore[method-assign]
        self.way, self.is_alone = way, not who
        self._settings = market_bot.read_settings(
            {**SETTINGS, "EXIT": way, "TRADE_TICKER_SIZE": markets, **changed}
        )
        self._log_file, self._ledger_file = folder / "trade.log", folder / "trade-sim.db"
        self._logger = log_output.open_log(self._log_file)
        self._client = embedded_client(self.opened)
        self._ledger: Ledger | None = None
        self._reader: Ledger | None = None
        self._console = io.StringIO()
        self.signatures: list[str] = []
        self._aimed: list[tuple[Rule, Aim]] = []
        self._director: Director | None = None
        self._front = ExchangeAdapter(self.api, self.clock, embedded.LATENCY)
        self._since_wait = self._read = 0
        self.broken: list[str] = []
        self.kill_after: Callable[[], bool] = lambda: False
        self.before_look: Callable[[], None] = lambda: None  # called a second before each look
        self.is_running = self.is_starting = False
        self.left = 0.0
        self.placed: set[Place] = set()  # quoted before the look of this wait, none without a look
        self.full = 2 * markets
        """Quotes that rest in normal operation."""
        self.guests: list[Order] = []
        self.cycles = self.requests = 0

    # -- the loop ----------------------------------------------------------------------------------------------

    def play(self, director: Director) -> None:
        """Run the bot as `director` says until it has no more steps."""
        self._director = director
        with redirect_stdout(self._console), redirect_stderr(self._console):
            try:
                command = next(director)
                while True:
                    if command is not START:
                        raise ValueError(f"the bot does not run: {command} makes no sense")
                    command = director.send(self._run())
            except (StopIteration, _Over):
                return

    def _run(self) -> Ended:
        """Run a new process, from the bot's point of view, from its start to its end."""
        if self._ledger is not None:
            self._ledger.close()
        self._ledger = Ledger(self._ledger_file)
        self._client = embedded_client(self.opened)
        bot = MarketBot(self._settings, Connection(self._client, self.opened.about), self._ledger, self._logger)
        self.is_running, self.is_starting, self._since_wait = True, True, 0
        try:
            return Ended(bot.run())
        except Killed:
            return Ended(None)
        except Exception:
            if self._director is None or self._director.gi_frame is None:
                raise  # a bug of the director
            return Ended(None, traceback.format_exc())
        finally:
            self.is_running, self.kill_after = False, lambda: False

    def _slept(self, seconds: float) -> None:
        caller = sys._getframe(2).f_code.co_name
        self.is_starting = caller == "first_contact"
        if caller == "look_until":
            self.placed = self.quotes()
            self._sleep(max(seconds - 1.0, 0.0))
            self.exchange.advance(self.clock.now().timestamp())
            self.before_look()
            seconds = min(seconds, 1.0)
        if caller not in BETWEEN_CYCLES:
            self._sleep(seconds)
            return
        self.cycles, self.left, self._since_wait = self.cycles + 1, seconds, 0
        self.look()
        assert self._director is not None
        try:
            command = self._director.send(WAITING)
        except StopIteration:
            raise _Over from None
        if command is not GO:
            assert isinstance(command, type)
            raise command
        self.placed = set()
        self._sleep(max(self.left, 0.0))

    def carry(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Pass a request to the exchange, and check the resting orders in any case."""
        self.requests += 1
        self._since_wait += 1
        self.signatures.append(str(request.headers[_SIGNATURE]))
        method, path = request.method or "", request.path_url.partition("?")[0]
        path = path.removeprefix("/trade-api/v2")
        body = json.loads(request.body) if request.body else {}
        for rule, is_meant in self._aimed:
            rule.on = f"{method} {path}" if is_meant(method, path, body) else _NEVER
        before = self._crowd()
        try:
            response = self._front.send(request, **options)
        finally:
            self._refill(before)
            twice = [place for place, count in Counter(map(_place, self.own())).items() if count > 1]
            self.broken += [f"two live orders of one intent on {place} after {method} {path}" for place in twice]
        if self._since_wait > RUNAWAY:
            self.broken.append(f"{RUNAWAY:,} requests without a wait")
            raise Killed
        if self.kill_after():
            raise Killed
        return response

    def _crowd(self) -> list[tuple[Order, int]]:
        """The traders' orders in markets in which a quote may be about to be taken, with their sizes."""
        tickers = {
            rule.given["ticker"] for rule, _ in self._aimed if rule.do == "partial_fill" and rule.on != _NEVER
        }
        books = [self.exchange.markets[ticker].book for ticker in tickers]
        everyone = [order for book in books for half in (book.bids, book.asks) for order in half.everyone()]
        return [(order, order.remaining) for order in everyone if order.owner is None]

    def _refill(self, before: Sequence[tuple[Order, int]]) -> None:
        """Restore the traders' orders that were taken with a quote. Without them the book would miss its target,
        which is another test's subject."""
        for order, had in before:
            market = self.exchange.markets[order.ticker]
            if order.remaining < had:
                self.exchange.crowd_rest(market, order.is_bid, order.price, had - order.remaining)
                self.exchange.changed(market)

    # -- faults ------------------------------------------------------------------------------------------------

    def strike(self, aimed: Sequence[tuple[Rule, Aim]]) -> None:
        """Apply these rules from now on, each only to the requests that it is meant for."""
        self._aimed = list(aimed)
        for rule, _ in aimed:
            rule.on = _NEVER
        front = Mishaps(self.api, [rule for rule, _ in aimed])
        self._front = ExchangeAdapter(front, self.clock, embedded.LATENCY)

    def lift(self) -> None:
        """End the faults that can end. Cash that was moved or taken out comes back, because the bot rightly does
        not quote without it."""
        if any(rule.do.startswith("cash_") for rule, _ in self._aimed):
            self.account.cash[0] = max(self.account.cash[0], self._cash)
        self._aimed, self.before_look = [], lambda: None
        strangers.leave(self.exchange)
        self.api.clocks = self.api.read_account = None
        self._front = ExchangeAdapter(self.api, self.clock, embedded.LATENCY)

    def new_key(self) -> None:
        """Restore the key that was revoked."""
        self.api.keys.update(self._keys)

    @property
    def elapsed(self) -> float:
        """Simulated seconds since the opening."""
        return float(self.clock.now().timestamp() - self.exchange.opened)

    @property
    def is_paused(self) -> bool:
        return any(self.exchange.pauses.values())

    @property
    def is_without(self) -> bool:
        """Whether the bot does without a call for now, which failed in an earlier episode."""
        return bool(self._client.optional_calls.failing)

    # -- actions of people -------------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Let time pass; in a wait of the loop, only up to its end."""
        passed = min(seconds, self.left) if self.is_running else seconds
        self.left -= passed
        self.clock.advance(passed)
        self.exchange.advance(self.clock.now().timestamp())

    def take(self, order: Order, part: float = 1.0) -> None:
        """A trader takes from a quote."""
        take(self.exchange, order, part)

    def use_by_hand(self, ticker: str) -> None:
        """The account's owner rests an order and buys three contracts in a market."""
        book, grid = self.exchange.markets[ticker].book, self.exchange.markets[ticker].grid
        bid, ask = book.bids.best() or 1_000, book.asks.best() or 9_000
        for price, rests in ((grid.nearest(bid, -3), True), (grid.nearest(ask, 0), False)):
            terms = order_entry.OrderTerms(
                ticker, True, price, 3 * CONTRACT, f"by-hand-{self.requests}-{rests}",
                "good_till_canceled" if rests else "immediate_or_cancel", post_only=rests,
            )  # fmt: skip
            order_entry.create(self.exchange, CUSTOMER, terms)

    def even_out(self) -> None:
        """A trader buys all that an exit offers, so that no position is left."""
        for order in self.own():
            held = self.account.held_against(order.ticker, order.is_bid)
            if held and self.exchange.trades_in(self.exchange.markets[order.ticker]):
                self.take(order, min(held / order.remaining, 1.0))

    # -- conditions that hold ----------------------------------------------------------------------------------

    def own(self) -> list[Order]:
        """The bot's live orders, by the exchange's record."""
        live = [one for one in self.account.resting.values() if not strangers.is_stranger(one)]
        return [one for one in live if one.client_order_id.startswith(OWN_PREFIX)]

    def quotes(self) -> set[Place]:
        """Sides on which the bot has an order that can be filled. If exits rest, also the sides whose full size is
        held already."""
        trading = {ticker for ticker, market in self.exchange.markets.items() if self.exchange.trades_in(market)}
        places = {_place(one) for one in self.own() if one.ticker in trading}
        if self.way == "REST":
            places |= {
                (ticker, one.count > 0)
                for ticker, one in self.account.holdings.items()
                if abs(one.count) >= SIZE * CONTRACT and ticker in trading
            }
        return places

    def missing(self, before: Collection[Place], now: Collection[Place] | None = None) -> int:
        """How many of the sides quoted `before` are neither quoted `now` nor replaced. A market does not count if
        traders took the book below its target, or did not take what is for sale: the bot rightly waits."""
        now = self.quotes() if now is None else now
        thin = 0 if self.is_alone else sum(1 for place in set(before) - set(now) if self._rightly_waits(place[0]))
        asked = min(len(before), self.full)  # any further sides had resting exits, which are sold by now
        return max(asked - len(now) - thin, 0)

    def _rightly_waits(self, ticker: str) -> bool:
        book = self.exchange.markets[ticker].book
        own = [one for one in self.own() if one.ticker == ticker]
        targets = [one.target for one in self.exchange.programs if one.ticker == ticker and one.target]
        halves = ((book.bids, True), (book.asks, False))
        least = min(half.total - sum(o.remaining for o in own if o.is_bid == is_bid) for half, is_bid in halves)
        return bool(self.account.holdings[ticker].count) or not targets or least < max(targets)

    def unknown(self) -> list[str]:
        """Positions that the ledger does not agree with."""
        if self._reader is None:
            self._reader = Ledger(self._ledger_file, read_only=True)
        said = self._reader.positions()
        held = {name: Decimal(one.count) / CONTRACT for name, one in self.account.holdings.items() if one.count}
        return [
            f"{ticker}: {said.get(ticker, 0):+} by the ledger, {held.get(ticker, 0):+} held"
            for ticker in sorted(said.keys() | held.keys())
            if said.get(ticker, 0) != held.get(ticker, 0)
        ]

    def look(self) -> None:
        """Record broken limits and a halt of the bot, after each cycle."""
        exchange = self.exchange
        resting = [one for one in self.account.resting.values() if not strangers.is_stranger(one)]
        held = [ticker for ticker, one in self.account.holdings.items() if one.count]
        rows = account_forms.positions(exchange, self.account, held)["market_positions"]
        orders = [
            parse_account.order(JsonObject("the record", account_forms.order(exchange, one))) for one in resting
        ]
        positions = [parse_account.position(JsonObject("the record", row)) for row in rows]
        self.broken += exceeded(orders, positions)
        self._console.seek(self._read)
        if "[HALT]" in self._console.read():
            self.broken.append("the bot has halted without cause")
        self._read = self._console.tell()

    def after_end(self, ended: Ended) -> None:
        """Record orders of the bot that must not rest after its end. After exit code 0, or 2 because its key was
        refused at the start, none may rest. After a kill or another code none may rest past the expiry that the
        bot reported or gave."""
        if ended.died:
            self.broken.append(f"the bot died of a fault of its own: {ended.died.splitlines()[-1]}")
        if ended.code == 3:
            named = self._named_expiry()
            if named is None:
                self.broken.append(f"the bot ended with {ended.code} and did not say until when orders rest")
            else:
                self.pass_time((named - self.clock.now()).total_seconds() + 2.0)
        elif ended.code is None:
            self.pass_time(WAIT + EXPIRATION + SLACK)
        if self.own():
            until = [one.expires and round(one.expires - self.clock.now().timestamp()) for one in self.own()]
            self.broken.append(
                f"{len(until)} orders rest after the bot has ended with {ended.code}, for {until} s"
            )

    def _named_expiry(self) -> datetime | None:
        """The time of day, by the log's last line, until which orders may rest. It is in local time."""
        line = [one for one in self.log.splitlines() if "[SHUTDOWN]" in one][-1]
        found = re.search(r"REST until (\d\d):(\d\d):(\d\d)", line)
        if found is None:
            return None
        hour, minute, second = map(int, found.groups())
        now = self.clock.now().astimezone()
        named = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
        days = round((now - named) / timedelta(days=1))
        return named + timedelta(days=days)

    @property
    def log(self) -> str:
        return self._log_file.read_text(encoding="utf-8")

    def close(self) -> None:
        """End the stage. Its files must contain no key and no signature."""
        for ledger in (self._ledger, self._reader):
            if ledger is not None:
                ledger.close()
        for handler in self._logger.handlers:
            handler.close()
        files = [self._log_file, *self._ledger_file.parent.glob(f"{self._ledger_file.name}*")]
        written = {file.name: file.read_bytes() for file in files} | {
            "the console": self._console.getvalue().encode()
        }
        key = self.opened.private_key
        found = [(name, what) for name, text in written.items() for what in leaks(text, key, self.signatures)]
        self.broken += [f"{name} has {what} in it" for name, what in found]


def _place(order: Order) -> Place:
    return order.ticker, order.is_bid
