"""A session: from the account that is cleared to the last order that is withdrawn, and the pauses in between.

Promise: before anything is quoted every order of the account is canceled and every position closed, as the
settings say. A session that ends leaves nothing quoted that the next one would not find. The loop's waits are
`market_bot.py`'s; cancels wait here until they are seen to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from bot import prod_confirmation, recovery
from bot.connection import Connection
from bot.decision import LoopMemory, flatten_plan
from bot.halts import Halts
from bot.observation import AccountSnapshot, MarketView, look_at_account, read_markets
from bot.prod_confirmation import Confirm
from bot.recovery import RetryPolicy
from bot.settings import Settings
from clients import KalshiHttpClient
from exchange.errors import ExchangeError, Unauthorized
from exchange.models import ExchangeStatus
from execution import cancel_reasons
from execution.cancel_reasons import CancelCause
from execution.canceler import Canceler
from execution.executor import Executor
from execution.order_groups import OrderGroups
from incentive import IncentiveProgram
from ledger.bookkeeper import Bookkeeper
from ledger.database import LedgerError
from ledger.entries import NewFill
from ledger.ledger import Ledger
from risk.guards import Guards, TargetGrace
from runtime import signals
from runtime.log_format import Log

REPORT_LACKS_IT = "Trading goes on; the report lacks it until it can be read"


class Session:
    """One account, with all that is kept of it and sent to it. `begun`: whether it was cleared, and quotes may
    rest; `memory`: what the loop remembers from cycle to cycle; `on_fills` hears of every fill."""

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
        self.bookkeeper = Bookkeeper(self._client, ledger, settings.wait_time, log, on_fills)
        self.canceler = Canceler(self._client, log, self.bookkeeper)
        self.halts = Halts(self._client, ledger, self.canceler, self.bookkeeper, log)
        self.order_groups = OrderGroups(self._client, settings.fill_limit, log)
        self.executor = Executor(
            self._client, self.canceler, self.bookkeeper, self.halts.reason, log, self.order_groups
        )
        guards = Guards(timedelta(seconds=settings.fill_pause))
        self.memory = LoopMemory(incentives, guards, TargetGrace(), self.order_groups)
        self.retry_policy = RetryPolicy()
        self.begun = False
        self._is_paused = False

    # -- its start ---------------------------------------------------------------------------------------------

    def read_limits(self) -> None:
        """Go by the account's own limits. Where it does not tell them the lowest tier's are kept to."""
        try:
            limits = self._client.read_limits()
            read, write = (f"{bucket.rate} tokens/s" for bucket in (limits.read, limits.write))
            self._log("INFO", {"Rate limits": limits.tier, "Reads": read, "Writes": write})
        except Unauthorized:
            raise
        except ExchangeError as error:  # a key need not be allowed to read this
            self._log("ERROR", str(error), ["The rate limits of the lowest tier are kept to; all else goes on"])

    def may_take_over(self, settings: Settings, about: Mapping[str, str], confirm: Confirm | None) -> bool:
        """Announce real money, and ask before its account is cleared."""
        self._client.get_exchange_status()  # its answer tells a simulator's run
        self.bookkeeper.open_ledger()
        found = prod_confirmation.find_foreign(self._client, self._ledger.opened_positions())
        for said in prod_confirmation.real_money(settings, about, found):
            self._log("REAL MONEY", said)
        if self.halts.reason():  # then nothing is closed, and what rests of others is left alone
            return True
        return prod_confirmation.confirm(found, self._log, confirm)

    def may_trade(self, status: ExchangeStatus) -> bool:
        """Whether a cycle may go on: not while a halt stands or the exchange pauses. What rests of ours is
        withdrawn then. Raises an `ExchangeError` or a `LedgerError`."""
        try:
            self.bookkeeper.open_ledger()
        except LedgerError:  # without it nobody knows whether trading is halted: our orders go
            self.canceler.cancel_own(cancel_reasons.LEDGER)
            raise
        if self.halts.check():
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
            resumes = f"{status.resumes:%Y-%m-%d %H:%M} UTC" if status.resumes else "not said"
            orders = "ours are canceled, by the exchange or by us"
            paused = {"Exchange": "trading is paused, nothing is placed", "Orders": orders}
            self._log("INFO", paused | {"Resumes": resumes})
            self.withdraw(cancel_reasons.PAUSE)
        self._is_paused = True
        self.end()
        return True

    def begin(self, settings: Settings, status: ExchangeStatus) -> None:
        """Clear the account: cancel every order, whoever sent it, and close the positions. Raises an
        `ExchangeError` or a `LedgerError`."""
        self._log("NEW SESSION", "All resting orders are canceled and all positions closed before trading")
        self.canceler.cancel_all(cancel_reasons.NEW_SESSION)
        self.bookkeeper.begin_session()
        account = self.look_at_account()
        self.bookkeeper.accept_positions(account.mismatches)
        flatten(self._client, self.executor, settings, account, status)
        self.bookkeeper.read_fills()
        self.begun = True

    def look_at_account(self) -> AccountSnapshot:
        """What rests, what was filled, what is held and the cash; errors as in `look_at_account` of
        `bot/observation.py`."""
        return look_at_account(self._client, self.canceler, self.bookkeeper, self._log)

    def suspicion(self, account: AccountSnapshot) -> str:
        """Why what was seen of the account halts trading, empty where it does not."""
        strangers = [order for order in account.ours if not self.executor.is_mine(order)]
        return self.halts.check_positions(account.mismatches, strangers)

    def loss(self, account: AccountSnapshot, daily_loss_limit: Decimal) -> str:
        """Why the day's loss halts trading, empty where it does not. Raises an `ExchangeError` or a
        `LedgerError`."""
        return self.halts.daily_loss_reason(self.bookkeeper.mark(account.balance), daily_loss_limit)

    def count_cash(self, account: AccountSnapshot, view: MarketView) -> None:
        """Look at the cash for the report, where all else of the account is known."""
        if account.balance is None or account.unread or account.mismatches:
            return
        rates = {incentive.ticker: incentive.exact_maker_rate for incentive in view.snapshot.incentives}
        self.bookkeeper.count_cash(
            account.orders, account.positions, account.balance, lambda ticker: rates.get(ticker, Decimal(0))
        )

    def reset_groups(self, now: datetime) -> list[int]:
        """Let the order groups that waited long enough take orders again. Returns the shards on which that
        failed."""
        failed = []
        for shard in self.memory.guards.due(now):
            failure = recovery.attempt(partial(self.order_groups.reset, shard))
            if failure:
                failed.append(shard)
                means = f"Nothing is quoted on shard {shard} before that works"
                recovery.log_failure(self._log, failure, means)
        return failed

    # -- its end -----------------------------------------------------------------------------------------------

    def end(self) -> None:
        """What was quoted is taken down, or may be gone: the next session begins anew."""
        self.begun = False
        self.memory.forget()
        self.halts.forget()

    def halt_for(self, reason: str, account: AccountSnapshot) -> bool:
        """Stop trading, where there is a reason, until a person lets it go on. Returns whether there is."""
        if reason:
            self.end()
            self.halts.halt(reason, account.positions.items, account.balance)
        return bool(reason)

    def withdraw(self, cause: CancelCause, is_told: bool = True) -> None:
        """Take down what is ours, as far as that works."""
        failure = recovery.attempt(partial(self.canceler.cancel_own, cause))
        if failure and is_told:
            recovery.log_failure(self._log, failure, f"Orders could not be canceled: {self.resting_text()}")

    def resting_text(self) -> str:
        """What may rest of ours though nobody renews it, in words."""
        return recovery.resting_text(self.executor.last_expiry, self._client.clock.now())

    def stop(self, why: str) -> int:
        """Take down what rests, then finish the ledger. Returns the process's exit code."""
        if not self._client.requests_sent:
            self._log("SHUTDOWN", "Nothing was sent")
            return 0
        more = "our orders are taken down; Ctrl-C once more ends that at once"
        self._log("INFO", {"Stopping": why, "Then": more})
        end = self.canceler.shut_down(self.executor.last_expiry, why)
        if end.problem:
            self._log("SHUTDOWN", end.problem)
        try:
            if not end.code:
                self.order_groups.close()
            if self.begun and not end.code:
                means = "The next start asks the exchange for what is missing"
                recovery.try_or_log(self._finish_books, self._log, means)
        except KeyboardInterrupt:  # whoever is in a hurry need not wait for what the next start does as well
            signals.acknowledge()
        self.bookkeeper.end_session(f"stopped: {why}")
        if not end.problem:  # last, with what was filled meanwhile
            self._log("SHUTDOWN", *self.canceler.held_text())
        return end.code

    def _finish_books(self) -> None:
        self.bookkeeper.sync_resting(())
        self.bookkeeper.read_fills()
        self.bookkeeper.accrue(self._client.clock.now(), {}, {}, {})
        self.bookkeeper.close_cycle(None, self._client.get_balance())


def flatten(
    client: KalshiHttpClient,
    executor: Executor,
    settings: Settings,
    account: AccountSnapshot,
    status: ExchangeStatus,
) -> None:
    """Close the positions of an account, as the settings say. Raises an `ExchangeError`."""
    markets, rivals = read_markets(client, [one.ticker for one in account.positions], account.orders)
    now = client.clock.now()
    executor.execute(*flatten_plan(settings, account, markets, rivals, status, settings.expiry(now, now)))
