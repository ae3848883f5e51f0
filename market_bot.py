"""The bot: `python market_bot.py` runs it, Ctrl-C stops it, trade.log tells what it does and why.

Promise: this is the only room that keeps state from one cycle to the next, sleeps, or decides to log. A cycle
looks at the account and at the books, chooses the markets that pay best, and sends what leads from the orders that
rest to those that are wanted. Whatever goes wrong in a cycle is logged, and the next one begins, unless only a
person can mend it (`errors.Then`); what nobody can explain, and a day that lost too much, halt it until a person
lets it go on.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the rest is imported, which takes a while and may not be there
    from runtime import preflight

    preflight.prepare("market_bot")

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from logging import Logger
from pathlib import Path
from types import MappingProxyType

from bot import launch, log_events, prod_confirmation, recovery, settings
from bot.connection import Connection
from bot.decision import Circumstances, Decision, decide, room, session_start
from bot.halts import Halting, worst_case
from bot.observation import Account, View, look_at_account, look_at_held, taken_down
from bot.recovery import Failure, Outages
from bot.settings import AUTO  # noqa: F401  (for TRADE_SIZE below)
from clients import Environment
from exchange import order_payloads, trading_hours
from exchange.account import Fill
from exchange.errors import ExchangeError, Then, Unauthorized
from exchange.models import ExchangeStatus, OrderRequest, OrderResponse
from execution.canceler import Clearing
from execution.executor import Sender
from execution.order_groups import Breaker
from execution.plan import Plan
from incentive import Board, Scanner, Strategy
from ledger.bookkeeper import Bookkeeper
from ledger.database import LedgerError
from ledger.entries import Cycle, Mark
from ledger.ledger import Ledger, file_name
from risk.guards import Guards, Patience
from runtime import log_format, log_output, signals
from selection.ranking import Choice

# Settings -------------------------------------------------------------------------------------------------

# Which exchange. SIM: one inside this process, no account, no money. DEMO: the exchange's own test site, play
# money, needs a demo key in .env. PROD: real money, needs a real key in .env.
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

# How positions are closed. "CROSS": sold at once at the best bid, which pays the spread and the taker's fee.
# "REST": by an order that waits on the other side and earns that side's reward meanwhile; the price may run away.
EXIT = "CROSS"

# Dollars that may be lost in a UTC day. Beyond it the bot cancels everything and halts until you let it go on.
DAILY_LOSS_LIMIT = 25

# Seconds that a side stays away after it was filled. A market that is filled again and again, or whose price
# jumps, is left alone ten times as long.
FILL_PAUSE = 120

# Contracts filled within 15 seconds beyond which the exchange itself takes all our quotes down. None: one largest
# order.
FILL_LIMIT = None

# Seconds between scans of the whole board. In between the bot follows the hundred best markets, or
# as many as it may quote.
SCAN_TIME = 600

# Megabytes after which trade.log begins anew.
LOG_SIZE = 10

# Older logs that are kept: trade.log.1 is the latest of them.
LOG_FILES = 5

# End of the settings --------------------------------------------------------------------------------------

_HOME = Path(__file__).resolve().parent
_LOG_FILE = _HOME / "trade.log"
_DOTENV_FILE = _HOME / ".env"
_REPORT_LACKS_IT = "Trading goes on; the report lacks it until it can be read"


class MarketBot:
    """One account on one exchange, traded in a loop. `confirm` asks the person at the keyboard; None where nobody
    sits there."""

    def __init__(
        self,
        rules: settings.Settings,
        connection: Connection,
        ledger: Ledger,
        logger: Logger,
        confirm: prod_confirmation.Confirm | None = None,
    ) -> None:
        self._rules, self._connection, self._ledger = rules, connection, ledger
        self._client = connection.client
        self._clock = connection.client.clock
        self._logger, self._confirm = logger, confirm
        self._scanner = Scanner(self._client, Strategy.of(rules))
        self._books = Bookkeeper(self._client, ledger, rules.wait_seconds, self.log)
        self._clearing = Clearing(self._client, self.log, self._books)
        self._breaker = Breaker(self._client, rules.fill_limit, self.log)
        self._halting = Halting(self._client, ledger, self._clearing, self._books, self.log)
        self._sender = Sender(
            self._client, self._clearing, self._books, self._halting.standing, self.log, self._breaker
        )
        self.guards = Guards(timedelta(seconds=rules.fill_pause))
        self._patience = Patience()
        self._told, self._repeats = log_events.Told(), log_output.Repeats()
        self._outages = Outages()
        self._board: Board | None = None
        self._account: Account | None = None
        self.quoted: frozenset[str] = frozenset()
        self._session_begun = False
        self._paused = False
        self._cycle = 0
        self.plan: Plan | None = None

    # -- the loop ----------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Trade until a person stops it. Returns the process's exit code: 0, 2 where only a person can mend what
        is wrong, or agree to what would be done, or 3 where orders of ours may still rest."""
        try:
            self._announce()
            return self._trade()
        except KeyboardInterrupt as stop:
            signals.heard()
            return self._stop(str(stop) or "Ctrl-C")

    def _trade(self) -> int:
        """Cycle after cycle. Returns an exit code where it ends by itself."""
        code = self._first_contact()
        if code is not None:
            return code
        while True:
            due = self._clock.monotonic() + self._rules.wait_seconds
            began, sent_before = self._clock.now(), self._client.requests_sent
            failure = recovery.attempt(self.start_trading)
            if failure:
                self._books.failed(self._so_far(began, sent_before, problem=failure.told))
                pause = self._after_failure(failure)
                if pause is None:
                    return self._give_up(failure)
                due = self._clock.monotonic() + pause
            else:
                self._after_success()
                if self._session_begun:
                    self._attempt(self._books.catch_up, _REPORT_LACKS_IT)
                if self._scan_is_due():
                    self._attempt(self.scan_board, "The board of the last scan is kept until the next one")
            self._log_clock()
            self._wait(due)

    def start_trading(self) -> Choice | None:
        """One trading cycle: from a look at the exchange to quotes that rest on it. Returns what was chosen, None
        while trading is paused or halted. Raises an `ExchangeError` where the exchange does not play along, and a
        `LedgerError` where the ledger cannot be read; nothing is placed or renewed blindly then, and the orders
        that rest expire."""
        sent_before = self._client.requests_sent
        self._cycle += 1
        self.plan = None
        status = self._client.get_exchange_status()
        began = self._clock.now()  # by its answer the clock is right, however wrong the machine's
        due = self._clock.monotonic() + self._rules.wait_seconds
        self._take_up_ledger()
        if self._halting.holds():
            self._end_session()
            return None
        if self._is_paused(status):
            return None
        for event, fields in self._told.shards(status):
            self.log(event, fields)
        if not self._session_begun:
            self._begin_session(status)
        self._account = account = look_at_account(self._client, self._clearing, self._books, self.log)
        self._take_fills(account.fills)
        strangers = [order for order in account.ours if not self._sender.is_mine(order)]
        reason = self._halting.suspect(account.differences, strangers)
        if reason:
            self._halt(reason, account)
            return None
        decision, mark = self._decide(status, account, began)
        reason = self._halting.lost_too_much(mark, self._rules.daily_loss_limit)
        if reason:
            self._halt(reason, account)
            return None
        self._board, self.quoted, self.plan = decision.board, decision.quoted, decision.plan
        for event, fields in self._told.choice(decision.choice, decision.stay):
            self.log(event, fields)
        resting = self._sender.carry_out(decision.plan, decision.situation, due)
        if decision.plan.sales:
            self._take_fills(self._books.read_fills())
        for shard, why in self._sender.tripped.items():
            self._tell_guards(self.guards.tripped(shard, why, self._clock.now()))
        for ticker, why in self._sender.paused.items():
            self._tell_guards(self.guards.refused(ticker, why, self._clock.now()))
        cycle = self._so_far(began, sent_before, len(self.quoted), resting)
        self._log_cycle(decision, cycle, self._books.close(cycle, account.balance))
        return decision.choice

    def place_order(self, order: OrderRequest) -> OrderResponse | None:
        """Send one order through the gate, judged by the last cycle's look at the account. None where it does not
        exist: the gate or the exchange refused it, and the log says why. Raises an `ExchangeError` where that is
        not known."""
        return self._sender.place_order(order)

    def scan_board(self) -> None:
        """Read the whole board while the quotes rest, and withdraw those whose programs have ended."""
        status = self._client.get_exchange_status()
        if self._account is None or not _trades(status):
            return
        orders = self._client.get_resting_orders().items
        board = self._scan(status, self._account._replace(orders=orders))
        ended = {ticker for ticker in self.quoted if not board.pays(ticker, board.at)}
        if ended:
            told = {"Programs ended": "or cannot be read any more; their quotes are withdrawn"}
            self.log("INFO", told | {"Markets": ", ".join(sorted(ended))})
            self._clearing.withdraw(ended)
            self.quoted -= ended

    def log(self, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> None:
        """Write one event to the console and to trade.log; what goes wrong again and again is counted."""
        now, details = self._clock.now(), list(details)
        plain = fields if isinstance(fields, str) else log_format.pairs(fields)
        said = self._repeats.counted(event, plain, now, details[-1] if details else "")
        if said is not None:
            self._logger.info(log_format.entry(now, event, said, details))

    # -- sessions ----------------------------------------------------------------------------------------------

    def _first_contact(self) -> int | None:
        """Read the account's limits and, where money is real, ask before it is touched; tried until the exchange
        answers. Returns an exit code where that is the end."""
        agreed: list[bool] = []

        def meet() -> None:
            self._read_limits()
            agreed.append(self._rules.environment is not Environment.PROD or self._may_take_over())

        while True:
            failure = recovery.attempt(meet)
            if failure is None:
                return None if agreed[-1] else ExitCode.MISCONFIGURED
            if failure.then is Then.STOP:
                return self._give_up(failure)
            self._tell(failure, f"Nothing was touched; tried again in {recovery.RETRY_SECONDS:.0f} s")
            self._clock.sleep(recovery.RETRY_SECONDS)

    def _may_take_over(self) -> bool:
        """Announce real money, and ask before its account is cleared."""
        self._client.get_exchange_status()  # its answer tells a simulator's run
        self._books.take_up()
        found = prod_confirmation.find(self._client, self._ledger.opened_positions())
        for said in prod_confirmation.real_money(self._rules, self._connection.about, found):
            self.log("REAL MONEY", said)
        if self._halting.standing():  # then nothing is closed, and what rests of others is left alone
            return True
        return prod_confirmation.confirmed(found, self.log, self._confirm)

    def _take_up_ledger(self) -> None:
        """Open the account's ledger. Without it nobody knows whether trading is halted: our orders go."""
        try:
            self._books.take_up()
        except LedgerError:
            self._clearing.withdraw()
            raise

    def _begin_session(self, status: ExchangeStatus) -> None:
        """Clear the account: cancel every order, whoever sent it, and close the positions."""
        self.log("NEW SESSION", "All resting orders are canceled and all positions closed before trading")
        self._clearing.everything()
        self._take_fills(self._books.begin_session())
        account = look_at_account(self._client, self._clearing, self._books, self.log)
        self._take_fills(account.fills)
        self._books.adopt(account.differences)
        plan, situation = session_start(
            self._rules, self._client, account, status, self._expires(self._clock.now())
        )
        self._sender.carry_out(plan, situation)
        self._take_fills(self._books.read_fills())
        self._session_begun, self._paused = True, False

    def _end_session(self) -> None:
        """What was quoted is taken down, or may be gone: the next session begins anew."""
        self._session_begun, self.quoted = False, frozenset()
        self.guards.forget_books()
        self._halting.forget()

    def _halt(self, reason: str, account: Account) -> None:
        self._end_session()
        self._halting.halt(reason, account.positions.items, account.balance)

    def _is_paused(self, status: ExchangeStatus) -> bool:
        """Whether no part of the exchange takes orders; what rests is withdrawn then."""
        if _trades(status):
            return False
        if status.resumes:
            self._outages.announced((self._clock.now(), status.resumes))
        if not self._paused:
            resumes = f"{status.resumes:%Y-%m-%d %H:%M} UTC" if status.resumes else "not said"
            self.log("INFO", {"Exchange": "trading is paused, nothing is placed", "Resumes": resumes})
            self._withdraw()
        self._paused = True
        self._end_session()
        return True

    def _withdraw(self, is_told: bool = True) -> None:
        """Take down what is ours, as far as that works."""
        failure = recovery.attempt(self._clearing.withdraw)
        if failure and is_told:
            self._tell(failure, "Orders of ours may rest until they expire")

    def _after_failure(self, failure: Failure) -> float | None:
        """Seconds until a failed cycle is tried again; None where only a person can mend it. What was quoted is
        given up in an outage and in a pause that was announced, both told once."""
        follows = self._outages.failed(failure.then, self._clock.now(), self._rules.wait_seconds)
        if follows.until is None:
            again = "" if follows.stop else " and is tried again"
            self._tell(failure, f"This cycle ends here{again}; {self._rest()}")
        if follows.ends and follows.until:
            until = f"{follows.until:%Y-%m-%d %H:%M} UTC"
            self.log("INFO", {"Exchange": "is away, as it announced; nothing is placed", "Until": until})
        elif follows.ends:
            rest = "what rests is withdrawn as far as that works, and expires by itself"
            self.log("OUTAGE", {"Failed cycles": self._outages.count, "Last": failure.told, "Orders": rest})
        if follows.ends:
            self._withdraw(is_told=follows.until is None)
            self._end_session()
        return None if follows.stop else follows.seconds

    def _after_success(self) -> None:
        since = self._outages.since
        if self._outages.gave_up:
            minutes = (self._clock.now() - since).total_seconds() / 60 if since else 0.0
            took = f"after {minutes:,.0f} min" if since else "as announced"
            self.log("INFO", {"Exchange": f"is back {took}", "Failed cycles": self._outages.count})
        self._outages.worked()

    def _give_up(self, failure: Failure) -> int:
        """Stop by itself. Returns the exit code."""
        self.log("ERROR", f"The bot stops: only a person can mend this ({failure.told})")
        return max(self._stop("it cannot go on"), ExitCode.MISCONFIGURED)

    # -- within a cycle ----------------------------------------------------------------------------------------

    def _decide(self, status: ExchangeStatus, account: Account, began: datetime) -> tuple[Decision, Mark]:
        """Look at the market, count what was earned since the last look, and decide."""
        board = self._board or self._scan(status, account)
        until = self._expires(began)
        seen = self._scanner.look(board, status, account.orders, until, self.quoted)
        view = look_at_held(self._client, seen, account)
        self._books.look(seen.at, seen.markets, view.without(account.ours), view.rivals)
        self._count_cash(account, view)
        self._see_to_guards(account, view, seen.at, status)
        now = Circumstances(status, self.quoted, self._books.earned(), until, self._sender.sent_lately())
        decision = decide(
            self._rules, self._scanner, board, account, view, now, self.guards, self._patience, self._breaker
        )
        self._log_problems(decision.board)
        return decision, self._books.mark(account.balance)

    def _count_cash(self, account: Account, view: View) -> None:
        """Look at the cash for the report, where all else of the account is known."""
        if account.balance is None or account.unread or account.differences:
            return
        rates = {incentive.ticker: incentive.exact_maker_rate for incentive in view.seen.incentives}
        count = partial(
            self._books.count_cash,
            account.orders,
            account.positions,
            account.balance,
            lambda ticker: rates.get(ticker, Decimal(0)),
        )
        self._attempt(count, _REPORT_LACKS_IT)

    def _see_to_guards(self, account: Account, view: View, now: datetime, status: ExchangeStatus) -> None:
        """Let go what waited long enough, and stay out of what moved or was taken down."""
        tripped = []
        for shard in self.guards.due(now):
            failure = recovery.attempt(partial(self._breaker.reset, shard))
            if failure:
                tripped.append(shard)
                self._tell(failure, f"Nothing is quoted on shard {shard} before that works")
        self._tell_guards(self.guards.ended(now, tripped))
        self._tell_guards(self.guards.looked(view.markets, view.seen.rivals, self.quoted, now))
        for shard, why in taken_down(account.early, view.markets, status).items():
            self._tell_guards(self.guards.tripped(shard, why, now))

    def _tell_guards(self, told: Iterable[Mapping[str, str]]) -> None:
        for said in told:
            self.log("GUARD", said)

    def _take_fills(self, fills: Iterable[Fill]) -> None:
        found = list(fills)
        for fill in found:
            self.log("FILL", log_format.fill(fill))
        self._tell_guards(self.guards.filled(found, self._clock.now()))

    def _expires(self, began: datetime) -> datetime:
        """When an order is gone that is placed or renewed in the cycle that `began` then, if nobody renews it:
        some time after the next cycle, which may have to wait for the end of this one."""
        next_cycle = max(began + timedelta(seconds=self._rules.wait_seconds), self._clock.now())
        return next_cycle + timedelta(seconds=self._rules.expiration_seconds)

    def _scan_is_due(self) -> bool:
        """Whether this cycle's slack is the one that is nearest to the time of the next scan."""
        half_a_cycle = self._rules.wait_seconds / 2
        seconds = max(self._rules.scan_seconds - half_a_cycle, half_a_cycle)
        return self._session_begun and self._board is not None and self._board.due(self._clock.now(), seconds)

    def _scan(self, status: ExchangeStatus, account: Account) -> Board:
        """Read the whole board and tell what is new on it."""
        left, until = room(self._rules, account), self._expires(self._clock.now())
        earned = self._books.earned()
        urgent, expiry = math.inf, self._sender.last_expiry
        if expiry is not None and expiry > self._clock.now():  # what rests is to be renewed well before
            rests = (expiry - self._clock.now()).total_seconds()
            urgent = self._clock.monotonic() + rests - self._rules.expiration_seconds / 2
        board = self._scanner.scan(self._board, status, account.orders, until, left, self.quoted, earned, urgent)
        self._board = board
        self._books.saw(board.programs)
        self._log_problems(board)
        self._attempt(self._read_schedule, "Planned pauses are met when they come")
        for event, fields in self._told.board(board):
            self.log(event, fields)
        return board

    def _read_schedule(self) -> None:
        """Know when the exchange pauses next."""
        pause = trading_hours.next_pause(self._client.get_schedule(), self._clock.now())
        self._outages.announced(pause)
        for event, fields in self._told.pause(pause):
            self.log(event, fields)

    def _wait(self, due: float) -> None:
        """Sleep until the next cycle is due. One that took longer than a cycle may is told, never made up for."""
        left = due - self._clock.monotonic()
        if left < 0:
            says = f"it took {self._rules.wait_seconds - left:.1f} s of {self._rules.wait_seconds:g}"
            self.log("INFO", {"Slow cycle": f"{says}; the next one begins at once"})
        self._clock.sleep(max(left, 0.0))

    def _attempt(self, step: Callable[[], object], means: str) -> None:
        """A step that may fail: that is logged, with what it means, and the bot goes on."""
        failure = recovery.attempt(step)
        if failure:
            self._tell(failure, means)

    def _tell(self, failure: Failure, means: str) -> None:
        self.log("ERROR", failure.told, [*failure.details, means])

    def _rest(self) -> str:
        """What may rest meanwhile, in words."""
        if self._sender.last_expiry is None:
            return "orders: none of ours was placed"
        return f"orders: what rests expires by {log_format.local_time(self._sender.last_expiry)}"

    # -- the end -----------------------------------------------------------------------------------------------

    def _stop(self, why: str) -> int:
        """Take down what rests, then finish the ledger. Returns the process's exit code."""
        if self._client.requests_sent:
            more = "our orders are taken down; Ctrl-C once more ends that at once"
            self.log("INFO", {"Stopping": why, "Then": more})
        code = self._clearing.shut_down(self._sender.last_expiry)
        try:
            if not code:
                self._breaker.close()
            if self._session_begun and not code:
                self._attempt(self._finish_books, "The next start asks the exchange for what is missing")
        except KeyboardInterrupt:  # whoever is in a hurry need not wait for what the next start does as well
            signals.heard()
        self._books.end_session(f"stopped: {why}")
        return code

    def _finish_books(self) -> None:
        self._books.rested(())
        self._take_fills(self._books.read_fills())
        self._books.look(self._clock.now(), {}, {}, {})
        self._books.close(None, self._client.get_balance())

    # -- what is told ------------------------------------------------------------------------------------------

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
        except Unauthorized:
            raise
        except ExchangeError as error:  # a key need not be allowed to read this
            self.log("ERROR", str(error), ["The rate limits of the lowest tier are kept to; all else goes on"])
        self._log_clock()

    def _log_clock(self) -> None:
        news = self._clock.take_news()
        if news:
            self.log("INFO", {"Clock": news})

    def _log_problems(self, board: Board) -> None:
        if board.problems:
            more = f"{len(board.problems)} part(s) of the board are not known; those markets are left out"
            self.log("ERROR", str(board.problems[0]), [more])

    def _so_far(
        self, began: datetime, sent_before: int, markets: int = 0, orders: int = 0, problem: str = ""
    ) -> Cycle:
        """What the cycle that `began` then, when so many requests had been sent, has come to."""
        took = (self._clock.now() - began).total_seconds()
        return Cycle(began, took, self._client.requests_sent - sent_before, markets, orders, problem)

    def _log_cycle(self, decision: Decision, cycle: Cycle, mark: Mark) -> None:
        next_cycle = cycle.began + timedelta(seconds=self._rules.wait_seconds)
        said = log_events.cycle(cycle, decision.choice, decision.plan, decision.situation, mark)
        worst = {"Worst case": worst_case(decision.plan.risks.items())}
        self.log("CYCLE", {"Number": self._cycle} | said | worst | {"Next": log_format.local_time(next_cycle)})


MARKET_BOT = MarketBot  # the design document's spelling


def _trades(status: ExchangeStatus) -> bool:
    """Whether any part of the exchange takes orders."""
    return status.trading or any(status.trading_by_shard.values())


def read_settings(changed: Mapping[str, object] = MappingProxyType({})) -> settings.Settings:
    """The settings above, with those of `changed` in their place, checked. Raises one `ConfigError` that lists
    every problem."""
    constants = {name: value for name, value in globals().items() if name.isupper() and name[0] != "_"}
    for name in ("MARKET_BOT", "AUTO"):
        del constants[name]
    return settings.check({"env": env} | constants | dict(changed))


def ledger_file(environment: Environment) -> Path:
    """Where the ledger of an environment is: beside the log."""
    return _LOG_FILE.with_name(file_name(environment.value, order_payloads.PRIMARY_SUBACCOUNT))


def files() -> launch.Files:
    """Where all that the bot reads and writes is."""
    return launch.Files(_LOG_FILE, _DOTENV_FILE, _LOG_FILE.with_suffix(".lock"), ledger_file)


def main() -> int:
    """Check the settings, connect, trade. Returns the exit code, as `MarketBot.run` does: 2 also where nothing was
    sent for want of a setting, a variable or a key."""
    parser = argparse.ArgumentParser(prog="python market_bot.py", description="Trade until Ctrl-C.")
    parser.add_argument("--yes", action="store_true", help="with real money: clear the account without asking")
    confirm = (lambda _: True) if parser.parse_args().yes else launch.keyboard()
    return launch.start(read_settings, files(), confirm, MarketBot)


if __name__ == "__main__":
    sys.exit(main())
