"""The trading loop and its settings. Run `python market_bot.py`, stop with Ctrl-C.

Promise:
- A cycle (`start_trading`) reads the account and the order books, asks `incentive.py` which markets pay best, and
  sends only the changes from resting orders to wanted quotes. trade.log records what the bot does and why.
- A failed cycle is logged and retried. The bot stops on an error that only a person can fix.
- A position that nothing explains, or a day's loss above the limit, halts trading until `main.py resume`.
- All waits between cycles are in this module, except the one for a second look (`bot/second_look.py`).
"""

from __future__ import annotations

if __name__ == "__main__":  # before the other imports, which are slow and may be missing
    from runtime import preflight

    preflight.start("market_bot")  # imports this file as a module: an error in the settings is then one line

import argparse
import math
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from logging import Logger
from pathlib import Path
from types import MappingProxyType

from bot import cooldowns, ending, launch, log_events, recovery
from bot.between_cycles import BetweenCycles
from bot.connection import DOTENV_FILE, Connection
from bot.decision import CycleInputs, Decision, decide, headroom, resting_quotes
from bot.ending import End
from bot.log_events import CycleReport
from bot.notifier import SILENT, Notifier
from bot.observation import AccountSnapshot, look_at_held
from bot.prod_confirmation import Confirm
from bot.recovery import Failure
from bot.session import REPORT_LACKS_IT, Session
from bot.settings import AUTO as AUTO  # a value of the settings below
from bot.settings import NOTHING_REPLACED, Replaced, Settings, check_settings, lookalikes, strategy_of
from bot.watch import Watch
from clients import Environment
from exchange import order_payloads
from exchange.models import ExchangeStatus
from execution import cancel_reasons
from execution.plan import Plan
from incentive import IncentiveProgram, Strategy
from ledger.entries import CycleRecord, NewFill
from ledger.ledger import Ledger, file_name
from runtime import log_format
from runtime.console import HOME, ExitCode
from runtime.log_output import TradeLog
from runtime.version import VERSION
from selection.ranking import Selection

_NOT_SETTINGS = {*globals(), "_NOT_SETTINGS"}  # every name from here to the settings' end is a setting

# Settings -------------------------------------------------------------------------------------------------

# The exchange. SIM: simulated inside this process, no account, no money. DEMO: Kalshi's own test site, play money,
# needs a demo key in .env. PROD: real money, needs a real key in .env.
env = Environment.SIM

# Contracts per order, or AUTO: the sizes that earn most per dollar within the limits below. 1 is for watching: it
# almost always earns $0.00, because a window that would pay less than $1.00 pays nothing.
TRADE_SIZE = 1

# Minimum distance behind a side's best bid, in dollars. 0.01 is one tick, also where ticks are finer than a cent.
# At 0.00 an order may rest at the touch, where it is filled first.
TRADE_DELTA = 0.01

# Seconds from the start of one cycle to the start of the next.
WAIT_TIME = 60

# Minutes that an order outlives the cycle that should renew it; then it expires, even if the bot died.
EXPIRATION_TS = 1

# Markets to quote at the same time.
TRADE_TICKER_SIZE = 2

# Skip a side where rivals rest more contracts than this at our price or ahead of it: the emptiest book that
# qualifies pays best. None: no limit.
INCENTIVE_SIZE = 300

# Ticker patterns, such as ("KXHIGH*",). ONLY: markets to quote; empty: all. AVOID: markets to skip, by default
# families with informed takers: short crypto windows, announcements, index and currency strikes, combos.
ONLY = ()
AVOID = ("KX*15M*", "KXCRYPTOLEAD*", "*MENTION*", "KXINX*", "KXNASDAQ*", "KXEURUSD*", "KXUSDJPY*", "KXMVE*")

# Settings of single markets, by ticker pattern: {"KXHIGH*": {"TRADE_SIZE": 20, "TRADE_DELTA": 0.02}}. A market
# takes the first entry whose pattern it matches (docs/settings.md). {}: no market has settings of its own.
OVERRIDES = {}

# Dollars that all resting orders and positions together may tie up.
MAX_CAPITAL = 100

# Dollars that one event may lose at its worst outcome. All strikes of an event count as one bet.
MAX_EVENT_LOSS = 20

# Minimum hours until a market closes or is expected to resolve: traders in the last hours know the outcome.
MIN_HOURS_TO_CLOSE = 6

# Minimum dollars a market is expected to pay. At 0 a free slot goes to one that will pay $0.00, for watching; the
# log says so. With real money no slot does, whatever stands here.
MIN_REWARD = 0

# With real money the bot quotes no window that reaches beyond the known end of the reward rule, 1 January 2027.
# "2026-07-30": trust the rule of that name beyond its dates, because you know that the program goes on by it.
TRUST_RULE = None

# Dollars that a filled contract is expected to lose, charged against the reward when markets are ranked and sized.
FILL_COST = 0.03

# How positions are closed. "CROSS": sell at once to the best bids; this costs the spread and the taker fee.
# "REST": rest an order on the other side, which earns that side's reward meanwhile; the price may run away.
EXIT = "CROSS"

# Dollars a contract below the sane mid price at which a position is still sold; never below half that price.
# Beyond that it is kept. Selling 20 contracts loses up to $2.00 against that price, and the fee.
EXIT_LIMIT = 0.10

# Dollars that the bot may lose in a UTC day. Then it cancels all its orders and halts until `main.py resume`.
# Nothing sets the day's loss back before 00:00 UTC: after a resume on the same day it halts again at once.
DAILY_LOSS_LIMIT = 25

# Seconds that a side is not quoted after a fill. Repeated fills or a price jump: ten times this for the market.
FILL_PAUSE = 120

# Contracts filled in 15 seconds above which the exchange cancels all our quotes. None: the largest order's size,
# or as many contracts of the costliest quotes as MAX_EVENT_LOSS pays for, if they are fewer.
FILL_LIMIT = None

# Seconds between scans of the board. In between the bot follows the best 100 markets (TRADE_TICKER_SIZE if more).
SCAN_TIME = 600

# Seconds between looks at the quoted markets while the loop waits. A look may cancel, never place. None: no looks.
WATCH_TIME = 5

# Megabytes after which trade.log is rotated.
LOG_SIZE = 10

# Rotated logs to keep. trade.log.1 is the latest.
LOG_FILES = 5

# True: trade.log also reports what stays the same, such as each order that is kept.
LOG_DETAIL = False

# True: trade.jsonl has the same events as JSON objects, one a line.
LOG_JSON = False

# End of the settings --------------------------------------------------------------------------------------

_WRITTEN = frozenset(globals()) - _NOT_SETTINGS
"""The names of the settings, including misspelled ones."""

LOG_FILE = HOME / "trade.log"


class MarketBot:
    """One account on one exchange, traded in a loop.

    `confirm` asks the person at the keyboard; None if there is no keyboard. `notifier` sends alerts. `strategy`:
    how to price, screen and choose markets; None: as the settings say."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        ledger: Ledger,
        logger: Logger,
        confirm: Confirm | None = None,
        notifier: Notifier = SILENT,
        strategy: Strategy | None = None,
    ) -> None:
        self.settings, self._connection, self._notifier = settings, connection, notifier
        self._client, self._clock = connection.client, connection.client.clock
        self._trade_log, self._confirm = TradeLog(logger, self._clock.now, settings.log_detail), confirm
        self._announcements = log_events.Announcements(settings.log_detail)
        self._strategy = strategy or strategy_of(settings)
        self.incentive_program = IncentiveProgram(self._client, self._strategy)
        self.session = Session(settings, connection, ledger, self.incentive_program, self.log, self._on_fills)
        self._bookkeeper, self._executor = self.session.bookkeeper, self.session.executor
        self._watch = Watch(settings, self._client, self.session, self.log)
        self._between = BetweenCycles(
            settings, connection, self.session, ledger, notifier, self.log, self.scan_board, self.watch
        )  # fmt: skip
        self._retry_policy = self.session.retry_policy
        self._account: AccountSnapshot | None = None
        self._cycle = 0
        self._decision: Decision | None = None
        self.plan: Plan | None = None

    # -- the loop ----------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Trade until the bot is stopped. Returns the process's exit code.

        `OK`, `ORDERS_MAY_REST`, or `MISCONFIGURED` if only you can fix the error or you did not confirm."""
        return ending.run(self._trade, self.session.stop, self.log, self._notifier.flush_at_end)

    def _trade(self) -> End:
        """Run cycle after cycle. Returns when the loop ends by itself."""
        what = {"Version": VERSION, "Environment": self.settings.env.value, **self._connection.about}
        self.log("START", what | {"Time zone": log_format.time_zone(self._clock.now())})
        for warning in self._connection.warnings:
            self.log("INFO", {"Warning": warning})
        self.log("SETTINGS", self.settings.in_words())
        self._log_all([log_events.rule_known(self._clock.now(), self.settings.beyond_rule)])
        about, flush = self._connection.about, self._between.flush
        met = self.session.first_contact(self.settings, about, self._confirm, flush)
        if isinstance(met, Failure):
            return self._stop_on_error(met)
        if not met:
            return End("", ExitCode.MISCONFIGURED)
        while True:
            due = self._clock.monotonic() + self.settings.wait_time
            began, sent_before = self._clock.now(), self._client.requests_sent
            failure = recovery.attempt(self.start_trading)
            if failure:
                pause = self._after_failure(failure, began, sent_before)
                if pause is None:
                    return self._stop_on_error(failure)
                due = self._clock.monotonic() + pause
            else:
                recovery.log_recovered(self.log, self._retry_policy, self._clock.now())
                self._retry_policy.on_success()
                self._between.after_good(self._decision, due)
            recovery.try_or_log(self.session.log_clock, self.log, "Trading continues")
            self._wait(due)

    def start_trading(self) -> Selection | None:
        """Run one trading cycle: read the exchange, decide, send the changes.

        Returns the selection, None while trading is paused or halted. Raises an `ExchangeError` if the exchange
        fails, a `LedgerError` if the ledger cannot be read. The cycle then ends: the bot places and renews nothing
        blindly, and resting orders expire."""
        sent_before = self._client.requests_sent
        self._cycle += 1
        self.plan = self._decision = None
        status = self._client.get_exchange_status()
        began = self._clock.now()  # the answer has corrected the clock, however wrong the machine's is
        due = self._clock.monotonic() + self.settings.wait_time
        if not self.session.may_trade(status):
            return None
        self._log_all(self._announcements.shards(status))
        if not self.session.begun:
            self.session.begin(self.settings, status)
        if self.incentive_program.board is None:  # a scan may take 40 s: it precedes the decision's account read
            self._scan(status, self.session.look_at_account())
        self._account = account = self.session.look_at_account()
        if self.session.halt_for(self.session.suspicion(account), account):
            return None
        decision = self._decide(status, account, began)
        if self.session.halt_for(self.session.loss(account, self.settings.daily_loss_limit), account):
            return None
        self.incentive_program.adopt(decision.selection, decision.stay, decision.board)
        self.plan = decision.plan
        self._log_all(self._announcements.selection(decision.selection, decision.stay))
        self._log_all(self._announcements.blocked_sales(decision.plan, decision.state))
        self._executor.execute(decision.plan, decision.state)
        self.place_order(decision, due)
        if decision.plan.exits:
            self._bookkeeper.read_fills()
        self._decision = decision
        self._close_cycle(account, decision, began, sent_before)
        return decision.selection

    def place_order(self, decision: Decision, due: float) -> int:
        """Place the incentive orders that a decision wants and that do not rest yet.

        Prices are those of its plan. `due`: the monotonic time of the next cycle, which places the orders that
        this one could not. Returns the number of our resting orders. Raises an `ExchangeError` if an order's
        outcome is unknown. An order that the gate or the exchange refuses is logged and left out."""
        return self._executor.place(decision.plan, decision.state.books, due)

    def watch(self, until: float) -> float:
        """Look at the quotes until shortly before a monotonic time.

        Returns the seconds that the machine slept."""
        return self._watch.look_until(until, self._decision)

    def scan_board(self) -> None:
        """Scan the board while quotes rest, and cancel quotes whose programs ended."""
        status = self._client.get_exchange_status()
        if self._account is None or not status.trades_anywhere:
            return
        orders = self._client.get_resting_orders().items
        self._scan(status, self._account._replace(orders=orders))
        ended = self.incentive_program.ended()
        if ended:
            told = {"Programs ended": "or can no longer be read; their quotes are being canceled"}
            self.log("INFO", told | {"Markets": ", ".join(sorted(ended))})
            self.session.canceler.cancel_own(cancel_reasons.PROGRAM_ENDED, ended)
            self.incentive_program.drop(ended)

    def log(self, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> None:
        """Write one event to the console and to trade.log. Repeated errors are counted."""
        self._trade_log.write(event, fields, details)
        self._notifier.on_event(self._clock.now(), self.settings.env.value, event, fields)

    # -- around a cycle ----------------------------------------------------------------------------------------

    def _after_failure(self, failure: Failure, began: datetime, sent_before: int) -> float | None:
        """Seconds until a failed cycle is retried; None if only a person can fix it.
        An outage and an announced pause end the session: quotes are canceled, and each is logged once."""
        now, orders = self._clock.now(), self.session.resting_text()
        follows = self._retry_policy.on_failure(failure.recovery, now, self.settings.wait_time)
        problem = "" if follows.until else failure.text  # what fails in an announced pause is none
        self._bookkeeper.record_failed(self._cycle_record(began, sent_before, problem=problem))
        recovery.log_failed_cycle(self.log, failure, follows, self._retry_policy.count, orders, now)
        if follows.ends:
            cause = cancel_reasons.PAUSE if follows.until else cancel_reasons.OUTAGE
            self.session.withdraw(cause, is_told=follows.until is None)
            self.session.end()
        if follows.stop:
            return None
        self._between.after_failure(follows.until is not None)
        return follows.seconds

    def _stop_on_error(self, failure: Failure) -> End:
        """Stop because only a person can fix the error."""
        self.log("STOP", {"Why": failure.text, "Then": "only you can fix this, then start the bot again"})
        return End("an error that only you can fix", ExitCode.MISCONFIGURED)

    def _wait(self, due: float) -> None:
        """Sleep until the next cycle is due. An overrun is logged, not made up for."""
        left, wait_time = due - self._clock.monotonic(), self.settings.wait_time
        if left < 0:
            self._log_all([log_events.slow_cycle(wait_time - left, wait_time)])
        asleep = self.watch(due) or self._clock.sleep(max(due - self._clock.monotonic(), 0.0))
        if asleep:
            self._log_all([log_events.awake_again(asleep)])
            self.session.memory.holes.forget_looks()

    # -- within a cycle ----------------------------------------------------------------------------------------

    def _scan(self, status: ExchangeStatus, account: AccountSnapshot) -> None:
        """Read the whole board and log what is new on it."""
        now = self._clock.now()
        left, until = headroom(self.settings, account), self.settings.expiry(now, now)
        urgent, expiry = math.inf, self._executor.last_expiry
        if expiry is not None and expiry > now:  # quotes must be renewed well before
            rests = (expiry - now).total_seconds()
            urgent = self._clock.monotonic() + rests - self.settings.expiration_ts / 2
        board = self.incentive_program.scan(
            status, account.orders, until, left, self._bookkeeper.accrued_by_program(), urgent
        )
        self._bookkeeper.on_programs(board.programs)
        self._log_all(log_events.problems(board))
        self.session.read_schedule(lambda pause: self._log_all(self._announcements.pause(pause)))
        self._log_all(self._announcements.board(board))

    def _decide(self, status: ExchangeStatus, account: AccountSnapshot, began: datetime) -> Decision:
        """Look at the market, accrue what was earned since the last look, and decide."""
        until = self.settings.expiry(began, self._clock.now())
        view = look_at_held(self._client, self.incentive_program.refresh(status, account.orders, until), account)
        self._bookkeeper.accrue(view.snapshot.at, view.snapshot.markets, view.without(account.ours), view.rivals)
        recovery.try_or_log(partial(self.session.count_cash, account), self.log, REPORT_LACKS_IT)
        memory, at = self.session.memory, view.snapshot.at
        self.session.renew_groups(at)
        memory.holes.on_books(view.markets, view.rivals, account.positions, status, at)
        self._log_guards(cooldowns.after_look(memory, account, view, status))
        self._watch.judge(view.snapshot.books, at)
        now = CycleInputs(status, self._bookkeeper.accrued_by_program(), until, self._executor.sent_lately())
        decision = decide(self.settings, memory, account, view, now)
        self._log_all(log_events.problems(decision.board))
        return decision

    def _close_cycle(
        self, account: AccountSnapshot, decision: Decision, began: datetime, sent_before: int
    ) -> None:
        """Begin cooldowns after what was refused, write the cycle down, and log it."""
        outcome, memory = self._executor.outcome(), self.session.memory
        quotes = resting_quotes(decision.selection.chosen, outcome.resting, self._strategy)
        told = cooldowns.after_requests(memory, self._executor, outcome, quotes, self._strategy, self._clock.now())
        self._log_guards(told)
        markets = self.incentive_program.quoted & outcome.resting.keys()
        cycle = self._cycle_record(began, sent_before, len(markets), outcome.orders)
        mark = self._bookkeeper.close_cycle(cycle, account.free_cash)
        kept = self._executor.kept(decision.plan)
        done = CycleReport(self._cycle, cycle, kept, bool(account.unread), decision, outcome, quotes, mark)
        self._log_all(self._announcements.cycle(done, began + timedelta(seconds=self.settings.wait_time)))

    def _on_fills(self, fills: Collection[NewFill]) -> None:
        """Log new fills, and start cooldowns on the filled sides."""
        for new in fills:
            self.log("FILL", log_format.fill(new.fill, new.closed))
        self._log_guards(self.session.memory.guards.on_fills([new.fill for new in fills], self._clock.now()))
        self._watch.on_fills(fills)

    # -- logging -----------------------------------------------------------------------------------------------

    def _log_all(self, told: Iterable[log_events.Event]) -> None:
        for event in told:
            self.log(*event)

    def _log_guards(self, told: Iterable[Mapping[str, str]]) -> None:
        for said in told:
            self.log("GUARD", said)

    def _cycle_record(
        self, began: datetime, sent_before: int, markets: int = 0, orders: int = 0, problem: str = ""
    ) -> CycleRecord:
        """The record of a cycle that `began` after `sent_before` requests."""
        took = (self._clock.now() - began).total_seconds()
        sent, without = self._client.requests_sent - sent_before, self._client.optional_calls.failing
        return CycleRecord(
            began, took, sent, markets, orders, problem, "\n".join(map(log_events.failing_call, without))
        )


MARKET_BOT = MarketBot  # the design document's spelling


def read_settings(
    changed: Mapping[str, object] = MappingProxyType({}), replaced: Replaced = NOTHING_REPLACED
) -> Settings:
    """The settings above, checked, some replaced by `changed` and by variables.

    Raises one `ConfigError` that lists every problem."""
    names = _WRITTEN | lookalikes(globals())
    return check_settings({name: globals()[name] for name in names} | dict(changed), replaced)


def ledger_file(environment: Environment) -> Path:
    """The path of an environment's ledger, next to the log."""
    return LOG_FILE.with_name(file_name(environment.value, order_payloads.PRIMARY_SUBACCOUNT))


def paths() -> launch.Paths:
    """The paths of all files that the bot reads and writes."""
    return launch.Paths(LOG_FILE, DOTENV_FILE, LOG_FILE.with_suffix(".lock"), ledger_file)


def main() -> int:
    """Check the settings, connect, trade. Returns the exit code of `MarketBot.run`.

    Returns 2, with nothing sent, if a setting, a variable or a key is missing."""
    parser = argparse.ArgumentParser(prog="python market_bot.py", description="Trade until Ctrl-C.")
    parser.add_argument("--yes", action="store_true", help="with real money: agree, and clear the account unasked")
    parser.add_argument("--version", action="version", version=VERSION)
    confirm = (lambda _: True) if parser.parse_args().yes else launch.keyboard()
    return launch.start(read_settings, paths(), confirm, MarketBot)
