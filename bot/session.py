"""A trading session: from clearing the account to canceling the last order.

Promise:
- Before the bot quotes anything, it cancels every order of the account and closes every position, as the settings
  say.
- The next session finds every quote that an ended session may have left.

The loop's waits are in `market_bot.py`. This module waits only until the exchange answers for the first time,
until cancels are confirmed, and for a second look at positions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import trade
from bot import (
    agreement,
    another_bot,
    day_loss,
    expectations,
    log_events,
    prod_confirmation,
    recovery,
    second_look,
)
from bot.account_user import AccountUser
from bot.another_bot import FoundAtStart
from bot.connection import Connection, account_state
from bot.decision import Decision, LoopMemory
from bot.halts import Halts
from bot.observation import AccountSnapshot, look_at_account
from bot.prod_confirmation import Confirm
from bot.recovery import Failure, RetryPolicy
from bot.settings import Settings
from clients import Environment
from exchange import trading_hours
from exchange.account import AccountLimits
from exchange.errors import ExchangeError, Recovery, Unauthorized
from exchange.models import ExchangeStatus, Order
from exchange.optional_calls import FailingCall, OptionalCall
from execution import cancel_reasons
from execution.cancel_reasons import CancelCause
from execution.canceler import Canceler
from execution.executor import Executor
from execution.exits import Exit
from execution.order_groups import OrderGroups
from incentive import IncentiveProgram
from ledger.bookkeeper import Bookkeeper
from ledger.database import LedgerError
from ledger.entries import NewFill
from ledger.ledger import Ledger
from rewards import fees
from risk.guards import Guards, TargetGrace
from risk.holes import Holes
from risk.refusals import Refusals
from runtime import signals
from runtime.last_words import unfailing
from runtime.log_format import Log

REPORT_LACKS_IT = "Trading continues; the report lacks this until it can be read"


class Session:
    """One account, with all that the bot keeps of it and sends to it.

    `account_state`: what is kept with the account and not in the ledger. `begun`: whether the account was cleared
    and quotes may rest. `memory`: what the loop remembers from cycle to
    cycle. `on_fills` receives every fill."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        ledger: Ledger,
        incentives: IncentiveProgram,
        log: Log,
        on_fills: Callable[[Collection[NewFill]], None],
    ) -> None:
        self._client, self._ledger, self._log = connection.client, ledger, log
        self.account_state = account_state(settings.env, connection)
        self._client.optional_calls.on_news = self._tell_of_call
        self._incentives = incentives
        self.bookkeeper = Bookkeeper(self._client, ledger, self.account_state, settings.wait_time, log, on_fills)
        self.canceler = Canceler(self._client, log, self.bookkeeper.order_records, self.bookkeeper.own)
        self.halts = Halts(self._client, ledger, self.account_state, self.canceler, self.bookkeeper, log)
        self._account_user = AccountUser(connection, self.account_state, log)
        self.order_groups = OrderGroups(self._client, settings.fill_limit, log)
        self.executor = Executor(
            self._client,
            self.canceler,
            self.bookkeeper.order_records,
            self.halts.reason,
            log,
            self.order_groups,
            self.bookkeeper.balance_watch.refused,
        )
        guards = Guards(timedelta(seconds=settings.fill_pause))
        holes, refusals = Holes(settings.exit_limit), Refusals(timedelta(seconds=settings.wait_time))
        self.memory = LoopMemory(incentives, guards, holes, TargetGrace(), self.order_groups, refusals)
        self.retry_policy = RetryPolicy()
        self._exit = settings.exit
        self.begun = False
        self._is_paused = False
        self._strangers = another_bot.Watch(settings.wait_time)
        self._left_over = FoundAtStart(())
        self._is_waiting_at_start = self._was_alone = False
        self._limits: AccountLimits | None = None

    def _tell_of_call(self, call: FailingCall, fails: bool) -> None:
        """Log that an optional call begins to fail, or works again."""
        if call.call is OptionalCall.LIMITS and isinstance(call.error, Unauthorized):
            return  # `read_limits` raises this error, and its caller tells it
        self._log(*log_events.call_fails(call) if fails else log_events.call_works(call, self._client.clock.now()))

    # -- its start ---------------------------------------------------------------------------------------------

    def read_limits(self) -> None:
        """Use the account's own rate limits, or the lowest tier's if unreadable.

        Raises `Unauthorized` if the key is refused."""
        try:
            limits = self._client.read_limits()
        except Unauthorized:
            raise
        except ExchangeError:  # a key may lack the permission to read this; the log says so
            return
        if limits != self._limits:
            read, write = (f"{bucket.rate} tokens/s" for bucket in (limits.read, limits.write))
            self._log("INFO", {"Rate limits": limits.tier, "Reads": read, "Writes": write})
        self._limits = limits

    def first_contact(
        self,
        settings: Settings,
        about: Mapping[str, str],
        confirm: Confirm | None,
        before_wait: Callable[[], None],
    ) -> Failure | bool:
        """Read the account's limits, retrying until the exchange answers.

        `before_wait` is called before each wait for that. Makes sure that no other bot trades on the account.
        With real money, asks before the account is touched. Returns whether the bot may trade, or the failure that
        only a person can fix."""
        agreed: list[bool] = []

        def meet() -> None:
            self.read_limits()
            self.log_clock()
            self._was_alone = self._was_alone or self._is_alone(settings.wait_time)
            is_real = settings.env is Environment.PROD
            agreed.append(self._was_alone and (not is_real or self.may_take_over(settings, about, confirm)))

        while True:
            failure = recovery.attempt(meet)
            if failure is None:
                return agreed[-1]
            if failure.recovery is Recovery.STOP:
                return failure
            again = f"Nothing was touched; the bot tries again in {recovery.RETRY_SECONDS:.0f} s"
            recovery.log_failure(self._log, failure, again)
            before_wait()
            self._client.clock.sleep(recovery.RETRY_SECONDS)

    def log_clock(self) -> None:
        """Log what is new about the exchange's clock, if anything is."""
        news = self._client.clock.pop_message()
        if news:
            self._log("INFO", {"Clock": news})

    def _is_alone(self, wait_time: float) -> bool:
        """Whether no other copy of the bot trades on the account.

        If such a copy's orders rest, waits for it to renew them. Raises an `ExchangeError`."""
        self._is_waiting_at_start = False
        if not any(map(trade.is_own, self._client.get_resting_orders())):
            return True
        self._client.get_exchange_status()  # its answer names a simulator's run, and so the ledger
        try:
            self.open_ledger()
            halted = self.halts.reason()
        except LedgerError:  # the first cycle tells it, and places nothing
            return True
        found = FoundAtStart(self._resting_strangers())
        if halted or not found.orders:
            return True
        seconds = found.seconds_to_wait(wait_time, self._client.clock.now())
        self._log("INFO", *found.waiting(seconds))
        self._is_waiting_at_start = True
        strangers, until = list(found.orders), self._client.clock.monotonic() + seconds
        while (left := until - self._client.clock.monotonic()) > 0:  # also if all are gone: they may come again
            self._client.clock.sleep(min(left, another_bot.LOOK_SECONDS))
            strangers = self._resting_strangers()
            if not found.are_unchanged(strangers):
                self._log("STOP", *another_bot.trades_here(strangers))
                self.bookkeeper.end_session("did not start: another bot trades on this account")
                return False
        self._is_waiting_at_start = False
        self._left_over = found
        left_over = (
            f"{len(strangers)} are left over and will be canceled" if strangers else "their orders are gone"
        )
        self._log("INFO", {"Another bot": f"does not run; {left_over}"})
        return True

    def _resting_strangers(self) -> list[Order]:
        """Other bots' orders that rest, except those that this start found left over."""
        return list(filter(self._is_strange, self._client.get_resting_orders()))

    def _is_strange(self, order: Order) -> bool:
        return self.bookkeeper.own.is_stranger(order) and not self._left_over.is_unchanged(order)

    def may_take_over(self, settings: Settings, about: Mapping[str, str], confirm: Confirm | None) -> bool:
        """Announce real money, and ask for what nobody agreed to yet."""
        status = self._client.get_exchange_status()  # its answer names a simulator's run
        self.open_ledger()
        found = prod_confirmation.find_foreign(
            self._client,
            self._ledger.opened_positions(),
            self.bookkeeper.balance_watch.known.rule,
            self.bookkeeper.own,
        )
        for said in prod_confirmation.real_money(settings, about, found):
            self._log("REAL MONEY", said)
        accrued = self.bookkeeper.accrued_by_program()
        expected = expectations.read(self._client, settings, status, found.all_orders, found.cash, accrued)
        for said in expectations.lines(expected):
            self._log("REAL MONEY", said)
        limits, agreed = agreement.limits_of(settings), self.account_state.agreed()
        missing = agreement.beyond(limits, agreed)
        if not prod_confirmation.confirm(found, missing, self._log, confirm, bool(self.halts.reason())):
            return False
        if missing:
            self.account_state.agree(self._client.clock.now(), limits)
        return True

    def open_ledger(self) -> None:
        """Find out whose the account is, and open its ledger.

        The exchange must have answered before. Raises an `ExchangeError`, a `LedgerError`, or `AlreadyRuns` if
        another bot of this user of the machine trades on the account."""
        self._account_user.find()
        if self._ledger.keep_in_place():
            again = f"{self._ledger.path.name} was removed while the bot ran; it is written again, with all of it"
            self._log("INFO", {"Ledger": again})
        self.bookkeeper.open_ledger(self.account_state.is_mine)

    def may_trade(self, status: ExchangeStatus) -> bool:
        """Whether a cycle may go on: not while a halt stands or the exchange pauses.

        If not, our resting orders are canceled. Raises an `ExchangeError` or a `LedgerError`."""
        try:
            self.open_ledger()
            is_halted = self.halts.check()
        except LedgerError:  # without it the bot cannot see a halt: cancel our orders
            self.canceler.cancel_own(cancel_reasons.LEDGER)
            raise
        if is_halted:
            self.end()
            return False
        return not self._pauses(status)

    def _pauses(self, status: ExchangeStatus) -> bool:
        """Whether no part of the exchange takes orders."""
        if status.trades_anywhere:
            if self._is_paused:
                self._log("INFO", {"Exchange": "takes orders again"})
            self._is_paused = False
            return False
        if status.resumes:
            self.retry_policy.on_schedule((self._client.clock.now(), status.resumes))
        if not self._is_paused:
            resumes = f"{status.resumes:%Y-%m-%d %H:%M} UTC" if status.resumes else "not announced"
            orders = "our orders are canceled, by the exchange or the bot"
            paused = {"Exchange": "trading is paused, the bot places nothing", "Orders": orders}
            self._log("INFO", paused | {"Resumes": resumes})
            self.withdraw(cancel_reasons.PAUSE)
        self._is_paused = True
        self.end()
        return True

    def read_schedule(self, tell: Callable[[tuple[datetime, datetime] | None], None]) -> None:
        """Read from the schedule when the exchange pauses next, if it tells.

        `tell` receives the pause's start and end."""
        try:
            schedule = self._client.get_schedule()
        except ExchangeError:  # the log says so when the call begins to fail
            return
        pause = trading_hours.next_pause(schedule, self._client.clock.now())
        self.retry_policy.on_schedule(pause)
        tell(pause)

    def begin(self, settings: Settings, status: ExchangeStatus) -> None:
        """Clear the account: cancel every order and close the positions.

        Includes orders that a person sent. Another bot's orders are left alone, and while they rest no position is
        closed. Raises an `ExchangeError` or a `LedgerError`."""
        self._log("NEW SESSION", "All resting orders are canceled and all positions closed before trading")
        self.canceler.cancel_all(cancel_reasons.NEW_SESSION, spares=self._is_strange)
        self.bookkeeper.begin_session()
        account = self.look_at_account()
        self.bookkeeper.accept_positions(account.mismatches)
        self.memory.holes.on_start(self._ledger.prices())
        second_look.flatten(self._client, self.executor, settings, account, status, self.memory.holes, self._log)
        self.bookkeeper.read_fills()
        self.begun = True

    def sell_at_second_look(
        self, decision: Decision | None, due: float, look_until: Callable[[float], float]
    ) -> None:
        """Wait for the second look that positions of a decision need, and sell them then.

        `due`: the monotonic time of the next cycle, which comes first if it is sooner. `look_until`: see
        `second_look.wait`. Raises an `ExchangeError` or a `LedgerError`."""
        if decision is None or self._exit is not Exit.CROSS or not self.begun:
            return
        tickers = second_look.wait(self._client, self.memory.holes, decision, due, look_until)
        account = self.look_at_account() if tickers else None
        if account is None or account.mismatches or account.strangers:
            return  # the next cycle sees what is strange
        if second_look.sell(self._client, self.executor, self.memory.holes, decision, account, tickers):
            self.bookkeeper.read_fills()

    def look_at_account(self) -> AccountSnapshot:
        """Read the account, as `look_at_account` of `bot/observation.py` does.

        Orders of an earlier run that turn up after the session's start are canceled first."""
        read = partial(look_at_account, self._client, self.canceler, self.bookkeeper, self._maker_rate, self._log)
        account = read()
        late = [order for order in account.orders if self.bookkeeper.own.is_earlier(order)]
        if not late:
            return account
        self.canceler.cancel(late, cancel_reasons.EARLIER_RUN)
        return read()

    def _maker_rate(self, ticker: str) -> Decimal:
        """The maker fee rate of a market, by the last scan; assumed before the first."""
        board = self._incentives.board
        return fees.exact_maker_rate(ticker, board.series if board else {}, board.events if board else {})

    def suspicion(self, account: AccountSnapshot) -> str:
        """Why the account as it was found halts trading, empty if it does not."""
        strangers = [order for order in account.orders if order.order_id in account.strangers]
        return self.halts.check_positions(account.mismatches) or self._look_at(strangers)

    def _look_at(self, strangers: Collection[Order]) -> str:
        """Why another bot's orders halt trading, empty if they do not."""
        return self._strangers.look(strangers, self.bookkeeper.own.process, self._client.clock.now(), self._log)

    def loss(self, account: AccountSnapshot, daily_loss_limit: Decimal) -> str:
        """Why the day's loss halts trading, empty if it does not.

        Raises an `ExchangeError` or a `LedgerError`."""
        return day_loss.reason(self.bookkeeper.mark(account.free_cash), daily_loss_limit)

    def count_cash(self, account: AccountSnapshot) -> None:
        """Record the cash for the report, if all of the account is known."""
        if account.cash is not None and not account.unread and not account.mismatches:
            self.bookkeeper.count_cash(account.orders, account.positions, account.cash)

    def renew_groups(self, now: datetime) -> None:
        """Reopen order groups after their cooldown, and create those that are missing."""
        for shard in self.memory.guards.due(now):
            self.order_groups.reset(shard)
        self.order_groups.try_again()

    # -- its end -----------------------------------------------------------------------------------------------

    def end(self) -> None:
        """End the session: quotes are canceled, or may be. The next one starts fresh."""
        self.begun = False
        self.memory.forget()
        self.halts.forget()

    def halt_for(self, reason: str, account: AccountSnapshot) -> bool:
        """Halt trading if there is a `reason`. Returns whether there is."""
        if reason:
            self.end()
            self.halts.halt(reason, account.positions.items, account.free_cash)
        return bool(reason)

    def withdraw(self, cause: CancelCause, is_told: bool = True) -> None:
        """Cancel our orders, as far as possible. `is_told`: whether to log a failure."""
        failure = recovery.attempt(partial(self.canceler.cancel_own, cause))
        if failure and is_told:
            recovery.log_failure(self._log, failure, f"Orders could not be canceled: {self.resting_text()}")

    def resting_text(self) -> str:
        """Log text: which of our orders may rest although they are not being renewed."""
        return recovery.resting_text(self.executor.last_expiry, self._client.clock.now())

    def stop(self, why: str) -> int:
        """Cancel our orders, then finish the ledger. Returns the process's exit code.

        Ends with one `[SHUTDOWN]`, also if parts of it fail. A hurry of `runtime/signals.py` ends what waits."""
        log = unfailing(self._log)
        if not self._client.requests_sent or self._is_waiting_at_start:
            log("SHUTDOWN", "Nothing was placed or canceled" if self._client.requests_sent else "Nothing was sent")
            return 0
        if self._account_user.is_taken and self.executor.last_expiry is None:
            log("SHUTDOWN", "Nothing was changed: what rests is the other bot's")
            return 0
        more = "the bot cancels its orders; if you press Ctrl-C again after a second, it stops at once"
        log("INFO", {"Stopping": why, "Then": more})
        end = self.canceler.shut_down(self.executor.last_expiry, why, self.bookkeeper.order_records.resting())
        means = "The next start reads from the exchange what the ledger lacks"
        if not end.code:  # the next start does this as well, if a hurry ends it
            signals.until_hurried(partial(recovery.try_or_log, self._close_books, log, means))
        recovery.try_or_log(partial(self.bookkeeper.end_session, f"stopped: {why}"), log, means)
        # last, so that it includes the latest fills
        log("SHUTDOWN", *((end.problem,) if end.problem else self.canceler.held_text()))
        return end.code

    def _close_books(self) -> None:
        self.order_groups.close()
        if self.begun:
            self._finish_books()

    def _finish_books(self) -> None:
        self.bookkeeper.order_records.sync_resting(())
        self.bookkeeper.read_fills()
        self.bookkeeper.accrue(self._client.clock.now(), {}, {}, {})
        orders, positions = self._client.get_resting_orders(), self._client.get_positions()
        cash = self.bookkeeper.read_cash(orders, positions, self._maker_rate)
        self.bookkeeper.close_cycle(None, cash.total if cash else None)
