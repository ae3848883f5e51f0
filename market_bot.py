"""The bot: `python market_bot.py` runs it, Ctrl-C stops it, trade.log tells what it does and why.

Promise: the loop is here, and every wait of it. A cycle, `start_trading`, looks at the account and at the books,
asks `incentive.py` which markets pay best, and sends what leads from the orders that rest to those that are
wanted. A failed cycle is logged, and the next one begins, unless only a person can mend what failed. A position
that nothing explains, and a day that lost too much, halt trading until a person lets it go on.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the rest is imported, which takes a while and may not be there
    from runtime import preflight

    preflight.start("market_bot")  # as a module: a slip in the settings below is then one line

import argparse
import math
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from logging import Logger
from pathlib import Path
from types import MappingProxyType

from bot import launch, log_events, recovery
from bot.connection import Connection
from bot.decision import CycleInputs, Decision, decide, headroom
from bot.log_events import CycleReport
from bot.observation import AccountSnapshot, MarketView, early_cancels, look_at_held
from bot.prod_confirmation import Confirm
from bot.recovery import Failure
from bot.session import REPORT_LACKS_IT, Session
from bot.settings import AUTO as AUTO  # a person may write it below
from bot.settings import Settings, check_settings, lookalikes, strategy_of
from clients import Environment
from exchange import order_payloads, trading_hours
from exchange.errors import Recovery
from exchange.models import ExchangeStatus
from execution import cancel_reasons
from execution.plan import Plan
from incentive import IncentiveProgram
from ledger.entries import CycleRecord, NewFill
from ledger.ledger import Ledger, file_name
from runtime import log_format, signals
from runtime.console import ExitCode
from runtime.log_output import TradeLog
from runtime.version import VERSION
from selection.ranking import Selection

_NOT_SETTINGS = {*globals(), "_NOT_SETTINGS"}  # what is named between here and the settings' end is one

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

# True: trade.log also tells what stays the same, such as each order that is kept.
LOG_DETAIL = False

# End of the settings --------------------------------------------------------------------------------------

_WRITTEN = frozenset(globals()) - _NOT_SETTINGS
"""The names of the settings, misspelt ones too."""

_HOME = Path(__file__).resolve().parent
LOG_FILE = _HOME / "trade.log"
DOTENV_FILE = _HOME / ".env"


class MarketBot:
    """One account on one exchange, traded in a loop. `confirm` asks the person at the keyboard; None where nobody
    sits there."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        ledger: Ledger,
        logger: Logger,
        confirm: Confirm | None = None,
    ) -> None:
        self.settings, self._connection = settings, connection
        self._client, self._clock = connection.client, connection.client.clock
        self._trade_log, self._confirm = TradeLog(logger, self._clock.now, settings.log_detail), confirm
        self._announcements = log_events.Announcements(settings.log_detail)
        self.incentive_program = IncentiveProgram(self._client, strategy_of(settings))
        self.session = Session(settings, connection, ledger, self.incentive_program, self.log, self._on_fills)
        self._bookkeeper, self._executor = self.session.bookkeeper, self.session.executor
        self._retry_policy = self.session.retry_policy
        self._account: AccountSnapshot | None = None
        self._cycle = 0
        self.plan: Plan | None = None

    # -- the loop ----------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Trade until a person stops it. Returns the process's exit code: `OK`, `MISCONFIGURED` where only a
        person can mend what is wrong, or agree to what would be done, or `ORDERS_MAY_REST`."""
        try:
            what = {"Version": VERSION, "Environment": self.settings.env.value, **self._connection.about}
            self.log("START", what | {"Time zone": log_format.time_zone(self._clock.now())})
            for warning in self._connection.warnings:
                self.log("INFO", {"Warning": warning})
            self.log("SETTINGS", self.settings.in_words())
            return self._trade()
        except KeyboardInterrupt as stop:
            signals.acknowledge()
            return self.session.stop(str(stop) or "Ctrl-C")

    def _trade(self) -> int:
        """Cycle after cycle. Returns an exit code where it ends by itself."""
        code = self._first_contact()
        if code is not None:
            return code
        while True:
            due = self._clock.monotonic() + self.settings.wait_time
            began, sent_before = self._clock.now(), self._client.requests_sent
            failure = recovery.attempt(self.start_trading)
            if failure:
                self._bookkeeper.record_failed(self._cycle_record(began, sent_before, problem=failure.text))
                pause = self._after_failure(failure)
                if pause is None:
                    return self._stop_on_error(failure)
                due = self._clock.monotonic() + pause
            else:
                recovery.log_recovered(self.log, self._retry_policy, self._clock.now())
                self._retry_policy.on_success()
                self._use_slack()
            self._log_clock()
            self._wait(due)

    def start_trading(self) -> Selection | None:
        """One trading cycle: from a look at the exchange to quotes that rest on it. Returns what was chosen, None
        while trading is paused or halted. Raises an `ExchangeError` where the exchange does not play along, and a
        `LedgerError` where the ledger cannot be read; nothing is placed or renewed blindly then, and the orders
        that rest expire."""
        sent_before = self._client.requests_sent
        self._cycle += 1
        self.plan = None
        status = self._client.get_exchange_status()
        began = self._clock.now()  # by its answer the clock is right, however wrong the machine's
        due = self._clock.monotonic() + self.settings.wait_time
        if not self.session.may_trade(status):
            return None
        self._log_all(self._announcements.shards(status))
        if not self.session.begun:
            self.session.begin(self.settings, status)
        if self.incentive_program.board is None:  # before the account is read to decide by: it may take 40 s
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
        self._executor.execute(decision.plan, decision.state)
        resting = self.place_order(decision, due)
        if decision.plan.exits:
            self._bookkeeper.read_fills()
        self._stay_out_of_refused()
        cycle = self._cycle_record(began, sent_before, len(self.incentive_program.quoted), resting)
        mark = self._bookkeeper.close_cycle(cycle, account.balance)
        kept = self._executor.kept(decision.plan)
        done = CycleReport(self._cycle, cycle, kept, bool(account.unread), decision, mark)
        self._log_all(self._announcements.cycle(done, began + timedelta(seconds=self.settings.wait_time)))
        return decision.selection

    def place_order(self, decision: Decision, due: float) -> int:
        """Place the orders of the incentive tickers: all that a decision wants and that do not rest yet, as its
        plan has priced them. `due`: when, by the monotonic clock, the next cycle begins, which places what this
        one could not. Returns how many orders of ours rest then. Raises an `ExchangeError` where what became of an
        order is not known; one that the gate or the exchange refuses is logged and left out."""
        return self._executor.place(decision.plan, decision.state.books, due)

    def scan_board(self) -> None:
        """Read the whole board while the quotes rest, and withdraw those whose programs have ended."""
        status = self._client.get_exchange_status()
        if self._account is None or not status.trades_anywhere:
            return
        orders = self._client.get_resting_orders().items
        self._scan(status, self._account._replace(orders=orders))
        ended = self.incentive_program.ended()
        if ended:
            told = {"Programs ended": "or cannot be read any more; their quotes are withdrawn"}
            self.log("INFO", told | {"Markets": ", ".join(sorted(ended))})
            self.session.canceler.cancel_own(cancel_reasons.PROGRAM_ENDED, ended)
            self.incentive_program.drop(ended)

    def log(self, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> None:
        """Write one event to the console and to trade.log; what goes wrong again and again is counted."""
        self._trade_log.write(event, fields, details)

    # -- around a cycle ----------------------------------------------------------------------------------------

    def _first_contact(self) -> int | None:
        """Read the account's limits and, where money is real, ask before it is touched; tried until the exchange
        answers. Returns an exit code where that is the end."""
        agreed: list[bool] = []

        def meet() -> None:
            self.session.read_limits()
            self._log_clock()
            is_real = self.settings.env is Environment.PROD
            about = self._connection.about
            agreed.append(not is_real or self.session.may_take_over(self.settings, about, self._confirm))

        while True:
            failure = recovery.attempt(meet)
            if failure is None:
                return None if agreed[-1] else ExitCode.MISCONFIGURED
            if failure.recovery is Recovery.STOP:
                return self._stop_on_error(failure)
            again = f"Nothing was touched; tried again in {recovery.RETRY_SECONDS:.0f} s"
            recovery.log_failure(self.log, failure, again)
            self._clock.sleep(recovery.RETRY_SECONDS)

    def _after_failure(self, failure: Failure) -> float | None:
        """Seconds until a failed cycle is tried again; None where only a person can mend it. What was quoted is
        given up in an outage and in a pause that was announced, both told once."""
        now, orders = self._clock.now(), self.session.resting_text()
        follows = self._retry_policy.on_failure(failure.recovery, now, self.settings.wait_time)
        recovery.log_failed_cycle(self.log, failure, follows, self._retry_policy.count, orders, now)
        if follows.ends:
            cause = cancel_reasons.PAUSE if follows.until else cancel_reasons.OUTAGE
            self.session.withdraw(cause, is_told=follows.until is None)
            self.session.end()
        return None if follows.stop else follows.seconds

    def _stop_on_error(self, failure: Failure) -> int:
        """Stop by itself. Returns the exit code."""
        self.log("ERROR", f"The bot stops: only a person can mend this ({failure.text})")
        return max(self.session.stop("it cannot go on"), ExitCode.MISCONFIGURED)

    def _use_slack(self) -> None:
        """Between two cycles: read the prices that the report lacks and, where it is due, the board."""
        if self.session.begun:
            recovery.try_or_log(self._bookkeeper.catch_up, self.log, REPORT_LACKS_IT)
        if self._scan_is_due():
            kept = "The board of the last scan is kept until the next one"
            recovery.try_or_log(self.scan_board, self.log, kept)

    def _scan_is_due(self) -> bool:
        """Whether this cycle's slack is the one that is nearest to the time of the next scan."""
        half_a_cycle = self.settings.wait_time / 2
        seconds = max(self.settings.scan_time - half_a_cycle, half_a_cycle)
        board = self.incentive_program.board
        return self.session.begun and board is not None and board.due(self._clock.now(), seconds)

    def _wait(self, due: float) -> None:
        """Sleep until the next cycle is due. One that took longer than a cycle may is told, never made up for."""
        left, wait_time = due - self._clock.monotonic(), self.settings.wait_time
        if left < 0:
            self._log_all([log_events.slow_cycle(wait_time - left, wait_time)])
        asleep = self._clock.sleep(max(left, 0.0))
        if asleep:
            self._log_all([log_events.awake_again(asleep)])

    # -- within a cycle ----------------------------------------------------------------------------------------

    def _scan(self, status: ExchangeStatus, account: AccountSnapshot) -> None:
        """Read the whole board and tell what is new on it."""
        now = self._clock.now()
        left, until = headroom(self.settings, account), self.settings.expiry(now, now)
        urgent, expiry = math.inf, self._executor.last_expiry
        if expiry is not None and expiry > now:  # what rests is to be renewed well before
            rests = (expiry - now).total_seconds()
            urgent = self._clock.monotonic() + rests - self.settings.expiration_ts / 2
        board = self.incentive_program.scan(
            status, account.orders, until, left, self._bookkeeper.accrued_by_program(), urgent
        )
        self._bookkeeper.on_programs(board.programs)
        self._log_all(log_events.problems(board))
        recovery.try_or_log(self._read_schedule, self.log, "Planned pauses are met when they come")
        self._log_all(self._announcements.board(board))

    def _read_schedule(self) -> None:
        """Know when the exchange pauses next."""
        pause = trading_hours.next_pause(self._client.get_schedule(), self._clock.now())
        self._retry_policy.on_schedule(pause)
        self._log_all(self._announcements.pause(pause))

    def _decide(self, status: ExchangeStatus, account: AccountSnapshot, began: datetime) -> Decision:
        """Look at the market, count what was earned since the last look, and decide."""
        until = self.settings.expiry(began, self._clock.now())
        view = look_at_held(self._client, self.incentive_program.refresh(status, account.orders, until), account)
        self._bookkeeper.accrue(view.snapshot.at, view.snapshot.markets, view.without(account.ours), view.rivals)
        recovery.try_or_log(partial(self.session.count_cash, account, view), self.log, REPORT_LACKS_IT)
        self._update_guards(account, view, status)
        now = CycleInputs(status, self._bookkeeper.accrued_by_program(), until, self._executor.sent_lately())
        decision = decide(self.settings, self.session.memory, account, view, now)
        self._log_all(log_events.problems(decision.board))
        return decision

    def _update_guards(self, account: AccountSnapshot, view: MarketView, status: ExchangeStatus) -> None:
        """Let go what waited long enough, and stay out of what moved or was taken down."""
        guards, now = self.session.memory.guards, view.snapshot.at
        self._log_guards(guards.ended(now, self.session.reset_groups(now)))
        self._log_guards(guards.on_books(view.markets, view.snapshot.rivals, self.incentive_program.quoted, now))
        for shard, why in early_cancels(account.early, view.markets, status).items():
            self._log_guards(guards.on_group_triggered(shard, why, now))

    def _stay_out_of_refused(self) -> None:
        """Stay out of the shards and markets that were found to take no orders."""
        guards = self.session.memory.guards
        for shard, why in self._executor.triggered_shards.items():
            self._log_guards(guards.on_group_triggered(shard, why, self._clock.now()))
        for ticker, why in self._executor.closed_markets.items():
            self._log_guards(guards.on_refused(ticker, why, self._clock.now()))

    def _on_fills(self, fills: Collection[NewFill]) -> None:
        """Tell of fills that were not known yet, and stay away from what was filled."""
        for new in fills:
            self.log("FILL", log_format.fill(new.fill, new.closed))
        self._log_guards(self.session.memory.guards.on_fills([new.fill for new in fills], self._clock.now()))

    # -- what is told ------------------------------------------------------------------------------------------

    def _log_all(self, told: Iterable[log_events.Event]) -> None:
        for event in told:
            self.log(*event)

    def _log_guards(self, told: Iterable[Mapping[str, str]]) -> None:
        for said in told:
            self.log("GUARD", said)

    def _log_clock(self) -> None:
        news = self._clock.pop_message()
        if news:
            self.log("INFO", {"Clock": news})

    def _cycle_record(
        self, began: datetime, sent_before: int, markets: int = 0, orders: int = 0, problem: str = ""
    ) -> CycleRecord:
        """What the cycle that `began` then, when so many requests had been sent, has come to."""
        took = (self._clock.now() - began).total_seconds()
        return CycleRecord(began, took, self._client.requests_sent - sent_before, markets, orders, problem)


MARKET_BOT = MarketBot  # the design document's spelling


def read_settings(changed: Mapping[str, object] = MappingProxyType({})) -> Settings:
    """The settings above, with those of `changed` in their place, checked. Raises one `ConfigError` that lists
    every problem."""
    names = _WRITTEN | lookalikes(globals())
    return check_settings({name: globals()[name] for name in names} | dict(changed))


def ledger_file(environment: Environment) -> Path:
    """Where the ledger of an environment is: beside the log."""
    return LOG_FILE.with_name(file_name(environment.value, order_payloads.PRIMARY_SUBACCOUNT))


def paths() -> launch.Paths:
    """Where all that the bot reads and writes is."""
    return launch.Paths(LOG_FILE, DOTENV_FILE, LOG_FILE.with_suffix(".lock"), ledger_file)


def main() -> int:
    """Check the settings, connect, trade. Returns the exit code, as `MarketBot.run` does: 2 also where nothing was
    sent for want of a setting, a variable or a key."""
    parser = argparse.ArgumentParser(prog="python market_bot.py", description="Trade until Ctrl-C.")
    parser.add_argument("--yes", action="store_true", help="with real money: clear the account without asking")
    parser.add_argument("--version", action="version", version=VERSION)
    confirm = (lambda _: True) if parser.parse_args().yes else launch.keyboard()
    return launch.start(read_settings, paths(), confirm, MarketBot)
