"""The bot: `python market_bot.py` runs it, Ctrl-C stops it, trade.log tells what it does and why.

Promise: this is the only room that keeps state from one cycle to the next, sleeps, or decides to log. A cycle
looks at the exchange, takes down what the bot has up, closes what it holds, chooses the markets that pay best,
and quotes them. Whatever goes wrong in a cycle is logged, and the next one begins.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from logging import Logger
from pathlib import Path

import risk
import settings
import trade
import tradelog
import writing
from account import Balance, Fill
from bookkeeping import Bookkeeper
from choice import Choice, without
from clearing import Cleared, Clearing, new_order_id
from clients import Environment
from connection import Connection, connect, read_variables
from entries import Cycle, Mark
from errors import ConfigError, ExchangeError, Refused
from incentive import Candidate
from ledger import Ledger, LedgerError, file_name
from models import ExchangeStatus, Order, OrderRequest, OrderResponse, OrderStatus
from risk import Room
from scan import Board, Scanner
from settings import AUTO  # noqa: F401  (for TRADE_SIZE below)
from strategy import Strategy

# Settings -------------------------------------------------------------------------------------------------

# Which exchange. SIM: one inside this process, no account, no money. DEMO: the exchange's own test site, play
# money, needs a demo key in .env. PROD: real money; this version refuses to start there.
env = Environment.SIM

# Contracts per order, or AUTO: as many as bring most for each dollar, within the limits below. One is for watching
# what happens: it almost always earns $0.00, because a window that would pay less than a dollar pays nothing.
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

# Patterns of tickers to keep to, such as ("KXHIGH*",), and to stay out of. Empty: all, and none. To be avoided by
# default are families in which people who know more than a resting order can take it: short crypto windows,
# announcements, index and currency strikes, combos.
ONLY = ()
AVOID = (
    "KX*15M*",
    "KXCRYPTOLEAD*",
    "*MENTION*",
    "KXINX*",
    "KXNASDAQ*",
    "KXEURUSD*",
    "KXUSDJPY*",
    "KXMVE*",
)

# Dollars that resting orders and positions may tie up, all together.
MAX_CAPITAL = 100

# Dollars that may be lost in one event, at its worst outcome. The strikes of an event are one bet.
MAX_EVENT_LOSS = 20

# Hours that a market must have left before it closes or is expected to resolve. In the last hours those trade who
# know the outcome.
MIN_HOURS_TO_CLOSE = 6

# Dollars that a market must be expected to pay, else it is skipped. At 0 a slot that stays free goes to a market
# that will pay $0.00, and the log says so.
MIN_REWARD = 0

# Dollars that a filled contract is expected to lose, charged against the reward when markets are ranked and sized.
FILL_COST = 0.03

# Seconds between scans of the whole board. In between the bot follows the hundred best markets.
SCAN_TIME = 600

# End of the settings --------------------------------------------------------------------------------------

_HOME = Path(__file__).resolve().parent
_LOG_FILE = _HOME / "trade.log"
_DOTENV_FILE = _HOME / ".env"

_RETRY_SECONDS = 10.0

_PROD_REFUSED = (
    "PROD is closed in this version: the limit on a day's loss, the halt and the tested stopping that real money "
    "needs are not built yet. Nothing was sent. Set env = Environment.SIM or Environment.DEMO in market_bot.py."
)


class MarketBot:
    """One account on one exchange, traded in a loop."""

    def __init__(self, rules: settings.Settings, connection: Connection, ledger: Ledger, logger: Logger) -> None:
        self._rules = rules
        self._client = connection.client
        self._clock = connection.client.clock
        self._connection = connection
        self._logger = logger
        self._strategy = Strategy.of(rules)
        self._scanner = Scanner(self._client, self._strategy)
        self._books = Bookkeeper(self._client, ledger, rules.wait_seconds, self.log)
        self._clearing = Clearing(self._client, self.log, self._send, self._books.canceled)
        self._board: Board | None = None
        self._quoted: frozenset[str] = frozenset()
        self._room = risk.room_beside((rules.max_capital, rules.max_event_loss), None, (), ())
        self._session_begun = False
        self._cycle = 0
        self._last_expiry: datetime | None = None
        self._told = tradelog.Told()
        self._balance: Balance | None = None

    def run(self) -> int:
        """Trade until Ctrl-C. Returns the process's exit code: 0, or 3 where orders of ours may still rest."""
        try:
            self._announce()
            self._read_limits()
            while True:
                next_cycle = self._clock.monotonic() + self._rules.wait_seconds
                began, sent_before = self._clock.now(), self._client.requests_sent
                problem = self._attempt(self.start_trading, self._after_failed_cycle)
                if problem:
                    self._books.failed(self._so_far(began, sent_before, problem=problem))
                elif self._scan_is_due():
                    self._attempt(self.scan_board, lambda: "The board of the last scan is kept until the next one")
                self._log_clock()
                self._clock.sleep(_RETRY_SECONDS if problem else max(next_cycle - self._clock.monotonic(), 0.0))
        except KeyboardInterrupt:
            return self._stop()

    def start_trading(self) -> Choice | None:
        """One trading cycle: from a look at the exchange to quotes that rest on it. Returns what was chosen,
        None while trading is paused. Raises an `ExchangeError` where the exchange does not play along, and a
        `LedgerError` where the ledger cannot be begun; nothing is placed blindly then, and the orders that rest
        expire."""
        sent_before = self._client.requests_sent
        self._cycle += 1
        status = self._client.get_exchange_status()
        began = self._clock.now()  # by its answer the clock is right, however wrong the machine's
        if not _trades(status):
            resumes = f"{status.resumes:%Y-%m-%d %H:%M} UTC" if status.resumes else "not said"
            self.log("INFO", {"Exchange": "trading is paused, nothing is placed", "Resumes": resumes})
            return None
        cleared = self._clear_orders()
        self._log_fills(self._books.read_fills())
        blocked = cleared.blocked | self._close_positions(cleared.theirs)
        board = self._board or self._scan(status, cleared.theirs, self._room)
        expires = self._expires(began)
        choice = self._choose_markets(board, status, cleared, expires, blocked)
        placed = self.place_order(choice.chosen, expires)
        cycle = self._so_far(began, sent_before, len(choice.chosen), placed)
        self._log_cycle(choice, cycle, self._books.close(cycle, self._balance))
        return choice

    def _stop(self) -> int:
        """Take down what rests, then finish the ledger. Returns the process's exit code."""
        code = self._clearing.shut_down(self._last_expiry)
        try:
            if self._session_begun and not code:
                self._attempt(self._finish_books, lambda: "The next start asks the exchange for what is missing")
        except KeyboardInterrupt:
            pass  # whoever is in a hurry need not wait for what the next start does as well
        self._books.end_session("stopped by Ctrl-C")
        return code

    def _finish_books(self) -> None:
        self._books.rested(())
        self._log_fills(self._books.read_fills())
        self._books.look(self._clock.now(), {}, {})
        self._books.close(None, self._client.get_balance())

    def place_order(self, candidates: Iterable[Candidate], expires: datetime) -> int:
        """Quote the chosen markets until `expires`. An order that the exchange refuses is logged and left out.
        Returns how many orders rest."""
        self._last_expiry = expires
        resting = 0
        for candidate in candidates:
            self.log("ORDER BOOK", {"Ticker": candidate.ticker}, tradelog.top_levels(candidate.rivals))
            until = min(expires, candidate.incentive.ends)  # what rests longer is not paid
            for bid in candidate.bids:
                self.log("OPEN ORDER", tradelog.new_order(candidate.ticker, bid))
                order = trade.open_order(candidate.incentive.market, bid, new_order_id(), until)
                response = self._send(order)
                resting += response is not None and response.status is OrderStatus.RESTING
        return resting

    def scan_board(self) -> None:
        """Read the whole board while the quotes rest, and withdraw those whose programs have ended."""
        status = self._client.get_exchange_status()
        if not _trades(status):
            return
        board = self._scan(status, self._client.get_resting_orders().items, self._room)
        ended = {ticker for ticker in self._quoted if not board.pays(ticker, board.at)}
        if ended:
            told = {"Programs ended": "or cannot be read any more; their quotes are withdrawn"}
            self.log("INFO", told | {"Markets": ", ".join(sorted(ended))})
            self._clearing.withdraw(ended)
            self._quoted -= ended

    def log(self, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> None:
        """Write one event to the console and to trade.log."""
        self._logger.info(tradelog.entry(self._clock.now(), event, fields, details))

    def _announce(self) -> None:
        self.log("START", {"Environment": self._rules.environment.value, **self._connection.about})
        for warning in self._connection.warnings:
            self.log("INFO", {"Warning": warning})
        self.log("SETTINGS", self._rules.in_words())

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

    def _attempt(self, step: Callable[[], object], then: Callable[[], str]) -> str:
        """A step that may fail: whatever happens is logged, with what it means (`then`), and the bot goes on.
        Returns what went wrong, empty where all went well."""
        try:
            step()
        except (ExchangeError, LedgerError) as error:
            told, details = str(error), []
            if isinstance(error, ExchangeError) and error.maybe_done:
                details = ["It may have been carried out all the same; the next cycle looks before it acts"]
        except Exception as error:
            told = f"the bot met a fault of its own, please report it: {type(error).__name__}: {error}"
            details = traceback.format_exc().splitlines()
        else:
            return ""
        self.log("ERROR", told, [*details, then()])
        return told

    def _after_failed_cycle(self) -> str:
        rest = "none of ours was placed"
        if self._last_expiry is not None:
            rest = f"what rests expires by {tradelog.local_time(self._last_expiry)}"
        return f"This cycle ends here and is tried again in {_RETRY_SECONDS:.0f} s; orders: {rest}"

    def _clear_orders(self) -> Cleared:
        """Take down what rests: at a session's start every order of the account, whoever sent it, later our
        own."""
        if self._session_begun:
            cleared = self._clearing.own_orders()
            self._books.rested(cleared.ours)
            return cleared
        self.log("NEW SESSION", "All resting orders are canceled and all positions closed before trading")
        self._clearing.everything()
        self._log_fills(self._books.begin_session())
        self._session_begun = True
        return Cleared()

    def _close_positions(self, theirs: Collection[Order]) -> set[str]:
        """Sell what is held, and find out what then is left to commit. Returns the markets in which something is
        held afterwards."""
        positions, held, books = self._clearing.positions(theirs)
        if positions:
            self._log_fills(self._books.read_fills())
        self._books.held(positions, books)
        kept = [position for position in positions if position.ticker in held]
        limits = (self._rules.max_capital, self._rules.max_event_loss)
        self._balance = self._read_balance()
        self._room = risk.room_beside(limits, self._balance, kept, theirs)
        return held

    def _read_balance(self) -> Balance | None:
        try:
            return self._client.get_balance()
        except ExchangeError as error:
            self.log(
                "ERROR", str(error), ["Cash is not known; the exchange refuses orders that there is none for"]
            )
            return None

    def _expires(self, began: datetime) -> datetime:
        """When an order is gone that is placed in the cycle that `began` then, if nobody renews it: some time
        after the next cycle, which may have to wait for the end of this one."""
        next_cycle = max(began + timedelta(seconds=self._rules.wait_seconds), self._clock.now())
        return next_cycle + timedelta(seconds=self._rules.expiration_seconds)

    def _scan_is_due(self) -> bool:
        """Whether this cycle's slack is the one that is nearest to the time of the next scan."""
        half_a_cycle = self._rules.wait_seconds / 2
        seconds = max(self._rules.scan_seconds - half_a_cycle, half_a_cycle)
        return self._board is not None and self._board.due(self._clock.now(), seconds)

    def _scan(self, status: ExchangeStatus, resting: Collection[Order], room: Room) -> Board:
        """Read the whole board and tell what is new on it."""
        board = self._scanner.scan(
            self._board,
            status,
            resting,
            self._expires(self._clock.now()),
            room,
            self._quoted,
            self._books.earned(),
        )
        self._board = board
        self._books.saw(board.programs)
        self._log_problems(board)
        for event, fields in self._told.board(board):
            self.log(event, fields)
        return board

    def _choose_markets(
        self,
        board: Board,
        status: ExchangeStatus,
        cleared: Cleared,
        expires: datetime,
        blocked: frozenset[str],
    ) -> Choice:
        """Choose among the watched markets, those left out in which nothing may be placed."""
        seen = self._scanner.look(board, status, cleared.theirs, expires, self._quoted)
        self._books.look(seen.at, seen.markets, seen.books)
        choice, self._board = self._scanner.choose(board, seen, self._room, self._quoted, self._books.earned())
        self._log_problems(self._board)
        choice = without(choice, blocked)
        self._quoted = frozenset(candidate.ticker for candidate in choice.chosen)
        for event, fields in self._told.choice(choice):
            self.log(event, fields)
        return choice

    def _log_problems(self, board: Board) -> None:
        if board.problems:
            more = f"{len(board.problems)} part(s) of the board are not known; those markets are left out"
            self.log("ERROR", str(board.problems[0]), [more])

    def _send(self, order: OrderRequest) -> OrderResponse | None:
        """Send an order and log what became of it. None where the exchange refused it: it does not rest."""
        try:
            response = self._client.create_order(order)
        except Refused as error:
            self.log("ERROR", f"{error}", [f"Ticker: {order.ticker}; this order is left out, the cycle goes on"])
            return None
        self._books.placed(order, response)
        self.log("ORDER RESPONSE", tradelog.order_response(response))
        return response

    def _log_fills(self, fills: Iterable[Fill]) -> None:
        for fill in fills:
            self.log("FILL", tradelog.fill(fill))

    def _so_far(
        self, began: datetime, sent_before: int, markets: int = 0, orders: int = 0, problem: str = ""
    ) -> Cycle:
        """What the cycle that `began` then, when so many requests had been sent, has come to."""
        took = (self._clock.now() - began).total_seconds()
        return Cycle(began, took, self._client.requests_sent - sent_before, markets, orders, problem)

    def _log_cycle(self, choice: Choice, cycle: Cycle, mark: Mark) -> None:
        per_day = sum(candidate.estimate.dollars_per_day for candidate in choice.chosen)
        payable = sum((candidate.estimate.payable for candidate in choice.chosen), start=Decimal(0))
        tied_up = sum((candidate.collateral for candidate in choice.chosen), start=Decimal(0))
        next_cycle = cycle.began + timedelta(seconds=self._rules.wait_seconds)
        self.log(
            "CYCLE",
            {
                "Number": self._cycle,
                "Markets": cycle.markets,
                "Orders resting": cycle.orders,
                "Tied up": f"${tied_up:.2f} of ${self._rules.max_capital:.2f}",
                "Free cash": f"${self._room.free_cash - tied_up:,.4f}",
                "Estimate": tradelog.expected(per_day, payable),
                "Accrued today": tradelog.known(mark.accrued),
                "Trading today": tradelog.known(mark.day_profit),
                "Requests": cycle.requests,
                "Took": f"{cycle.seconds:.1f} s",
                "Next": tradelog.local_time(next_cycle),
            },
        )


MARKET_BOT = MarketBot  # the design document's spelling


def _trades(status: ExchangeStatus) -> bool:
    """Whether any part of the exchange takes orders."""
    return status.trading or any(status.trading_by_shard.values())


def read_settings() -> settings.Settings:
    """The settings above, checked. Raises one `ConfigError` that lists every problem."""
    constants = {name: value for name, value in globals().items() if name.isupper() and name[0] != "_"}
    for name in ("MARKET_BOT", "AUTO"):
        del constants[name]
    return settings.check({"env": env} | constants)


def ledger_file(environment: Environment) -> Path:
    """Where the ledger of an environment is: beside the log."""
    return _LOG_FILE.with_name(file_name(environment.value, writing.PRIMARY_SUBACCOUNT))


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
        ledger = Ledger(ledger_file(rules.environment))
    except (ConfigError, LedgerError) as error:
        logger.info(tradelog.entry(datetime.now().astimezone(), "ERROR", str(error)))
        return 2
    except KeyboardInterrupt:
        logger.info(tradelog.entry(datetime.now().astimezone(), "SHUTDOWN", "Nothing was sent"))
        return 0
    with closing(ledger):
        return MarketBot(rules, connection, ledger, logger).run()


if __name__ == "__main__":
    sys.exit(main())
