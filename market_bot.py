"""The bot: `python market_bot.py` runs it, Ctrl-C stops it, trade.log tells what it does and why.

Promise: this is the only room that keeps state from one cycle to the next, sleeps, or decides to log. A cycle
looks at the exchange, takes down what the bot has up, closes what it holds, chooses the markets that pay best,
and quotes them. Whatever goes wrong in a cycle is logged, and the next one begins.
"""

from __future__ import annotations

import sys
import traceback
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from logging import Logger
from pathlib import Path

import incentive
import settings
import trade
import tradelog
from account import Position
from clients import Environment
from connection import Connection, connect, read_variables
from errors import ConfigError, ExchangeError, Gone, OutcomeUnknown, Refused, StillResting
from fields import Listing
from incentive import Candidate, Choice
from models import ExchangeStatus, Order, OrderRequest, OrderResponse, OrderStatus

# Settings -------------------------------------------------------------------------------------------------

# Which exchange. SIM: one inside this process, no account, no money. DEMO: the exchange's own test site, play
# money, needs a demo key in .env. PROD: real money; this version refuses to start there.
env = Environment.SIM

# Contracts per order. One is for watching what happens: it almost always earns $0.00, because a window that
# would pay less than a dollar pays nothing.
TRADE_SIZE = 1

# Dollars to stay behind a side's best bid, at least: 0.01 is one tick of a one-cent market, and one tick on
# finer grids too. At 0.00 an order may rest at the touch, where it is filled first.
TRADE_DELTA = 0.01

# Seconds from the start of one cycle to the start of the next.
WAIT_TIME = 60

# Minutes that an order outlives the cycle that should have replaced it. If the bot dies or loses the network,
# the exchange removes its orders by itself after this.
EXPIRATION_TS = 1

# Markets to quote at the same time.
TRADE_TICKER_SIZE = 2

# Skip a side on which others rest more contracts than this at our price or ahead of it: the emptiest book that
# qualifies pays best. None: no limit.
INCENTIVE_SIZE = 300

# End of the settings --------------------------------------------------------------------------------------

_HOME = Path(__file__).resolve().parent
_LOG_FILE = _HOME / "trade.log"
_DOTENV_FILE = _HOME / ".env"

_RETRY_SECONDS = 10.0
_VERIFY_TRIES = 5
_VERIFY_SECONDS = 1.0
_FILL_OVERLAP = timedelta(seconds=5)

_PROD_REFUSED = (
    "PROD is closed in this version: the limit on a day's loss, the halt and the tested stopping that real money "
    "needs are not built yet. Nothing was sent. Set env = Environment.SIM or Environment.DEMO in market_bot.py."
)


class MarketBot:
    """One account on one exchange, traded in a loop."""

    def __init__(self, rules: settings.Settings, connection: Connection, logger: Logger) -> None:
        self._rules = rules
        self._client = connection.client
        self._clock = connection.client.clock
        self._connection = connection
        self._logger = logger
        self._trade = trade.Trade(rules.trade_size, rules.delta_ticks, rules.incentive_size)
        self._session_begun = False
        self._cycle = 0
        self._last_expiry: datetime | None = None
        self._told = tradelog.Told()
        self._started = self._fills_since = self._clock.now()
        self._fills_seen: set[str] = set()

    def run(self) -> int:
        """Trade until Ctrl-C. Returns the process's exit code: 0, or 3 where orders of ours may still rest."""
        try:
            self._announce()
            self._read_limits()
            while True:
                next_cycle = self._clock.monotonic() + self._rules.wait_seconds
                complete = self._attempt_cycle()
                self._log_clock()
                self._clock.sleep(max(next_cycle - self._clock.monotonic(), 0.0) if complete else _RETRY_SECONDS)
        except KeyboardInterrupt:
            return self._shut_down()

    def start_trading(self) -> Choice | None:
        """One trading cycle: from a look at the exchange to quotes that rest on it. Returns what was chosen,
        None while trading is paused. Raises an `ExchangeError` where the exchange does not play along; nothing
        is placed blindly then, and the orders that rest expire."""
        sent_before = self._client.requests_sent
        self._cycle += 1
        status = self._client.get_exchange_status()
        began = self._clock.now()  # by its answer the clock is right, however wrong the machine's
        if not self._session_begun and not self._fills_seen:
            self._started = self._fills_since = began
        if not (status.trading or any(status.trading_by_shard.values())):
            resumes = f"{status.resumes:%Y-%m-%d %H:%M} UTC" if status.resumes else "not said"
            self.log("INFO", {"Exchange": "trading is paused, nothing is placed", "Resumes": resumes})
            return None
        expires = began + timedelta(seconds=self._rules.wait_seconds + self._rules.expiration_seconds)
        theirs, blocked = self._clear_orders()
        self._log_fills()
        blocked |= self._close_positions(theirs)
        choice = incentive.without(self._choose_markets(theirs, status, expires), blocked)
        for event, fields in self._told.news(choice):
            self.log(event, fields)
        placed = self.place_order(choice.chosen, expires)
        self._log_cycle(choice, placed, began, sent_before)
        return choice

    def place_order(self, candidates: Iterable[Candidate], expires: datetime) -> int:
        """Quote the chosen markets until `expires`. An order that the exchange refuses is logged and left out.
        Returns how many orders rest."""
        self._last_expiry = expires
        resting = 0
        for candidate in candidates:
            self.log("ORDER BOOK", {"Ticker": candidate.ticker}, tradelog.top_levels(candidate.rivals))
            for bid in candidate.bids:
                self.log("OPEN ORDER", tradelog.new_order(candidate.ticker, bid))
                order = trade.open_order(candidate.incentive.market, bid, _new_order_id(), expires)
                response = self._send(order)
                resting += response is not None and response.status is OrderStatus.RESTING
        return resting

    def log(self, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> None:
        """Write one event to the console and to trade.log."""
        self._logger.info(tradelog.entry(self._clock.now(), event, fields, details))

    def _announce(self) -> None:
        self.log("START", {"Environment": self._rules.environment.value, **self._connection.about})
        for warning in self._connection.warnings:
            self.log("INFO", {"Warning": warning})
        rules = self._rules
        self.log(
            "SETTINGS",
            {
                "TRADE_SIZE": rules.trade_size,
                "TRADE_DELTA": rules.delta_ticks * settings.CENT,
                "WAIT_TIME": f"{rules.wait_seconds:g} s",
                "EXPIRATION_TS": f"{rules.expiration_seconds / 60:g} min",
                "TRADE_TICKER_SIZE": rules.ticker_slots,
                "INCENTIVE_SIZE": rules.incentive_size,
            },
        )

    def _read_limits(self) -> None:
        """Go by the account's own limits. Where it does not tell them the lowest tier's are kept to."""
        try:
            limits = self._client.read_limits()
            read, write = (f"{bucket.rate} tokens/s" for bucket in (limits.read, limits.write))
            self.log("INFO", {"Rate limits": limits.tier, "Reads": read, "Writes": write})
        except ExchangeError as error:
            self.log("ERROR", str(error), ["The rate limits of the lowest tier are kept to; all else goes on"])
        self._log_clock()

    def _log_clock(self) -> None:
        news = self._clock.take_news()
        if news:
            self.log("INFO", {"Clock": news})

    def _attempt_cycle(self) -> bool:
        """A cycle that may fail: whatever happens is logged, and the bot goes on."""
        try:
            self.start_trading()
        except ExchangeError as error:
            unknown = "It may have been carried out all the same; the next cycle looks before it acts"
            self._log_failed_cycle(str(error), [unknown] if error.maybe_done else [])
        except Exception as error:
            told = f"the bot met a fault of its own, please report it: {type(error).__name__}: {error}"
            self._log_failed_cycle(told, traceback.format_exc().splitlines())
        else:
            return True
        return False

    def _log_failed_cycle(self, problem: str, details: Iterable[str] = ()) -> None:
        rest = "none of ours was placed"
        if self._last_expiry is not None:
            rest = f"what rests expires by {tradelog.local_time(self._last_expiry)}"
        meaning = f"This cycle ends here and is tried again in {_RETRY_SECONDS:.0f} s; orders: {rest}"
        self.log("ERROR", problem, [*details, meaning])

    def _clear_orders(self) -> tuple[list[Order], set[str]]:
        """Take down what rests: at a session's start every order of the account, whoever sent it, later our
        own. Returns the orders left alone, and the markets in which one that should be gone may still rest."""
        if not self._session_begun:
            self.log("NEW SESSION", "All resting orders are canceled and all positions closed before trading")
            self._cancel_everything()
            self._session_begun = True
            return [], set()
        self._await_lists()
        resting = self._client.get_resting_orders()
        theirs = [order for order in resting if not trade.is_own(order)]
        kept = self._cancel(order for order in resting if trade.is_own(order))
        return theirs, kept | self._unread_markets(resting)

    def _await_lists(self) -> None:
        """Wait until the account's lists show all that was sent: by older ones an order would be placed again."""
        for _ in range(_VERIFY_TRIES):
            if self._client.lists_are_current():
                return
            self._clock.sleep(_VERIFY_SECONDS)
        raise OutcomeUnknown("Reading the account", "the exchange's lists lag behind what was sent")

    def _unread_markets(self, listing: Listing[Order] | Listing[Position]) -> set[str]:
        """The markets in which something of the account's could not be read: nothing may be placed there. Raises
        the `Unreadable` that does not even tell its market."""
        for error in listing.unreadable:
            if not error.ticker:
                raise error
            self.log("ERROR", str(error), [f"Nothing is placed in {error.ticker} until it can be read"])
        return {error.ticker for error in listing.unreadable}

    def _cancel_everything(self) -> None:
        """Cancel every order of the account and verify it, some time later: lists lag behind orders."""
        for attempt in range(_VERIFY_TRIES + 1):
            current = self._client.lists_are_current()
            left = self._client.get_resting_orders()
            self._cancel(left)
            if not left.whole() and attempt and current:
                return
            self._clock.sleep(_VERIFY_SECONDS)
        where = ", ".join(sorted({order.ticker for order in left})) or "markets that the lists do not show yet"
        raise StillResting("Verifying that nothing rests", f"{len(left)} orders still do, in {where}")

    def _choose_markets(self, theirs: list[Order], status: ExchangeStatus, expires: datetime) -> Choice:
        now = self._clock.now()
        programs = self._client.get_incentive_programs()
        running, ended = incentive.running(programs, now)
        markets = self._client.get_markets(running)
        by_ticker = {market.ticker: market for market in markets}
        open_until, closed = incentive.tradable(running, by_ticker, status, expires)
        books = self._client.get_orderbooks(found.ticker for found in open_until)
        unreadable = [*programs.unreadable, *markets.unreadable, *books.unreadable]
        if unreadable:
            left_out = f"{len(unreadable)} part(s) of the board could not be read; those markets are left out"
            self.log("ERROR", str(unreadable[0]), [left_out])
        books_by_ticker = {book.ticker: book for book in books}
        candidates, unquoted = self._trade.candidates(open_until, books_by_ticker, theirs, now)
        return incentive.choose(candidates, [*ended, *closed, *unquoted], self._rules.ticker_slots)

    def _cancel(self, orders: Iterable[Order]) -> set[str]:
        """Cancel orders. Returns the markets in which one could not be: nothing new may be placed there."""
        kept: set[str] = set()
        failed: ExchangeError | None = None
        for order in orders:
            self.log("CANCEL ORDER", tradelog.resting_order(order))
            try:
                self._client.cancel_order(order)
            except Gone:
                gone = {"Order": "was gone already: filled, expired or canceled"}
                self.log("INFO", tradelog.resting_order(order) | gone)
            except Refused as error:
                self.log("ERROR", str(error))
                kept.add(order.ticker)
            except ExchangeError as error:  # the others are tried all the same
                failed = error
        if failed is not None:
            raise failed
        return kept

    def _close_positions(self, theirs: list[Order]) -> set[str]:
        """Sell what is held at the best bids, but never to an order of the account's own (`theirs`: what rests
        and is not ours). Returns the markets in which something is held afterwards."""
        positions = self._client.get_positions()
        tickers = [position.ticker for position in positions]
        markets = {market.ticker: market for market in self._client.get_markets(tickers)}
        books = {book.ticker: book for book in self._client.get_orderbooks(tickers)}
        own = trade.bids_by_ticker(theirs)
        held = set(tickers)
        for position in positions:
            order = trade.close_order(
                position,
                markets.get(position.ticker),
                books.get(position.ticker),
                own.get(position.ticker, []),
                _new_order_id(),
            )
            if isinstance(order, trade.Unclosable):
                self.log("SKIP POSITION", tradelog.kept_position(position, order.reason))
                continue
            self.log("CLOSE POSITION", tradelog.closing(position, order))
            response = self._send(order)
            if response is not None and response.filled >= position.size:
                held.discard(position.ticker)
        if positions:
            self._log_fills()
        return held | self._unread_markets(positions)

    def _send(self, order: OrderRequest) -> OrderResponse | None:
        """Send an order and log what became of it. None where the exchange refused it: it does not rest."""
        try:
            response = self._client.create_order(order)
        except Refused as error:
            self.log("ERROR", f"{error}", [f"Ticker: {order.ticker}; this order is left out, the cycle goes on"])
            return None
        self.log("ORDER RESPONSE", tradelog.order_response(response))
        return response

    def _log_fills(self) -> None:
        listed = self._client.get_fills(self._fills_since)
        fills = listed.items
        for fill in fills:
            if fill.time > self._started and fill.fill_id not in self._fills_seen:
                self.log("FILL", tradelog.fill(fill))
        for error in listed.unreadable:
            self.log("ERROR", str(error), ["A fill is not told here; what is held is read by itself"])
        if fills:  # the next look begins a little earlier, since a fill may be listed late
            self._fills_since = max(self._fills_since, fills[-1].time - _FILL_OVERLAP)
            self._fills_seen = {fill.fill_id for fill in fills}

    def _log_cycle(self, choice: Choice, placed: int, began: datetime, sent_before: int) -> None:
        per_day = sum(candidate.estimate.dollars_per_day for candidate in choice.chosen)
        payable = sum((candidate.estimate.payable for candidate in choice.chosen), start=Decimal(0))
        next_cycle = began + timedelta(seconds=self._rules.wait_seconds)
        self.log(
            "CYCLE",
            {
                "Number": self._cycle,
                "Markets": len(choice.chosen),
                "Orders resting": placed,
                "Free cash": self._free_cash(),
                "Estimate": tradelog.expected(per_day, payable),
                "Requests": self._client.requests_sent - sent_before,
                "Took": f"{(self._clock.now() - began).total_seconds():.1f} s",
                "Next": tradelog.local_time(next_cycle),
            },
        )

    def _free_cash(self) -> str:
        try:
            return f"${self._client.get_balance().available:,.4f}"
        except ExchangeError as error:
            self.log("ERROR", str(error), ["Nothing depends on it: the quotes stay, the cycle is complete"])
            return "unknown"

    def _shut_down(self) -> int:
        """Cancel what rests of ours and verify it. Returns 0, or 3 where something may still rest."""
        if self._client.requests_sent == 0:
            self.log("SHUTDOWN", "Nothing was sent")
            return 0
        self._client.hurry()
        problem, left, attempt = "", 0, 0
        try:
            # One look is not enough: lists lag, and an order may have been on its way when Ctrl-C came.
            while True:
                settled = not self._client.unanswered_seconds
                try:
                    current = self._lists_are_current()
                    resting = self._client.get_resting_orders()
                    own = [order for order in resting if trade.is_own(order)]
                    left = len(own) + len(resting.unreadable)
                    if attempt and current and settled and not left:
                        self.log("SHUTDOWN", "None of our orders rests any more")
                        return 0
                    problem = f"{left} are still listed" if left else "the exchange's lists lag behind"
                    known = [order.expires for order in own if order.expires] + [self._last_expiry]
                    self._last_expiry = max((expiry for expiry in known if expiry), default=None)
                    self._cancel(own)
                except ExchangeError as error:
                    problem = str(error)
                    if self._last_expiry is None and not left:
                        break
                if attempt >= _VERIFY_TRIES and settled:
                    break
                self._clock.sleep(_VERIFY_SECONDS)
                attempt += 1
        except KeyboardInterrupt:
            problem = "Ctrl-C a second time"
        if self._last_expiry is None and not left:
            self.log(
                "SHUTDOWN", f"No order was placed; whether an earlier run left one could not be seen ({problem})"
            )
            return 0
        until = (
            f"until {tradelog.local_time(self._last_expiry)}" if self._last_expiry else "until they are canceled"
        )
        self.log("SHUTDOWN", f"ORDERS OF OURS MAY STILL REST {until} ({problem}). Cancel them on the website")
        return 3

    def _lists_are_current(self) -> bool:
        """Whether lists show all that was sent; no where the exchange does not tell."""
        try:
            return self._client.lists_are_current()
        except ExchangeError:
            return False


MARKET_BOT = MarketBot  # the design document's spelling


def _new_order_id() -> str:
    return f"{trade.OWN_PREFIX}{uuid.uuid4().hex}"


def read_settings() -> settings.Settings:
    """The settings above, checked. Raises one `ConfigError` that lists every problem."""
    constants = {name: value for name, value in globals().items() if name.isupper() and name[0] != "_"}
    del constants["MARKET_BOT"]
    return settings.check({"env": env} | constants)


def main() -> int:
    """Check the settings, connect, trade. Returns the exit code: 2 where nothing was sent for want of a
    setting, a variable or a key."""
    try:
        logger = tradelog.open_log(_LOG_FILE)
    except ConfigError as error:
        print(f"market_bot: {error}", file=sys.stderr)
        return 2
    try:
        rules = read_settings()
        if rules.environment is Environment.PROD:
            raise ConfigError(_PROD_REFUSED)
        connection = connect(rules.environment, read_variables(_DOTENV_FILE))
    except ConfigError as error:
        logger.info(tradelog.entry(datetime.now().astimezone(), "ERROR", str(error)))
        return 2
    except KeyboardInterrupt:
        logger.info(tradelog.entry(datetime.now().astimezone(), "SHUTDOWN", "Nothing was sent"))
        return 0
    return MarketBot(rules, connection, logger).run()


if __name__ == "__main__":
    sys.exit(main())
