"""What the loop does between two cycles, before it waits.

Promise:
- What may cost a quote comes first: positions that need a second look are sold before anything else.
- Nothing here ends the loop: what fails is logged, and trading goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

from bot import log_events, recovery
from bot.connection import Connection
from bot.decision import Decision
from bot.notifier import Notifier
from bot.session import REPORT_LACKS_IT, Session
from bot.settings import Settings
from ledger import day_summary
from ledger.ledger import Ledger
from runtime.log_format import Log

_DAY = timedelta(days=1)
_TRADING_GOES_ON = "Trading continues"


class BetweenCycles:
    """The work between two cycles of one account.

    `scan_board` scans the board while quotes rest. `watch` looks at the quotes until a monotonic time, and returns
    the seconds that the machine slept."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        session: Session,
        ledger: Ledger,
        notifier: Notifier,
        log: Log,
        scan_board: Callable[[], None],
        watch: Callable[[float], float],
    ) -> None:
        self._settings, self._connection, self._session = settings, connection, session
        self._client, self._ledger = connection.client, ledger
        self._notifier, self._log, self._scan_board, self._watch = notifier, log, scan_board, watch
        self._told: date | None = None

    def after_good(self, decision: Decision | None, due: float) -> None:
        """Use the time after a cycle that did not fail.

        `due`: the monotonic time of the next one."""
        again = partial(self._session.sell_at_second_look, decision, due, self._watch)
        recovery.try_or_log(again, self._log, "The next cycle looks again")
        recovery.try_or_log(self._tell_day, self._log, "The day's line is tried again after the next cycle")
        self.flush()
        self._connection.show_life()
        if not self._session.halts.stands:
            self._notifier.beat(self._log)
        recovery.try_or_log(self._use_slack, self._log, _TRADING_GOES_ON)

    def after_failure(self, is_announced: bool) -> None:
        """Use the time after a failed cycle.

        `is_announced`: in an announced pause of the exchange."""
        self.flush()
        if is_announced:
            self._connection.show_life()
            self._notifier.beat(self._log)

    def flush(self) -> None:
        """Send the alerts that wait."""
        self._notifier.flush(self._log)

    def _tell_day(self) -> None:
        """Log what a day brought once it is over, also one that ended while no bot ran.

        Raises a `LedgerError`."""
        today = self._client.clock.now().date()
        if self._told == today - _DAY or not self._ledger.begun:
            return
        over = [] if self._told else self._last_run(today)
        told = self._told or today - _DAY
        over += [told + _DAY * number for number in range(1, (today - told).days)]
        for day in over:
            self._log(*log_events.day(day_summary.summary(self._ledger, day)))
        self._told = today - _DAY

    def _last_run(self, today: date) -> list[date]:
        """The last day of an earlier run, unless that run went on today and told it."""
        last = day_summary.last_day(self._ledger, today)
        return [last] if last and day_summary.summary(self._ledger, today).marks <= 1 else []

    def _use_slack(self) -> None:
        """Read prices missing from the report, and scan a due board."""
        if self._client.may_read_limits:
            recovery.try_or_log(self._session.read_limits, self._log, _TRADING_GOES_ON)
        self._client.optional_calls.ask_again()
        if self._session.begun:
            recovery.try_or_log(self._session.bookkeeper.catch_up, self._log, REPORT_LACKS_IT)
        if self._scan_is_due():
            kept = "The bot keeps the last scan's board until the next scan"
            recovery.try_or_log(self._scan_board, self._log, kept)

    def _scan_is_due(self) -> bool:
        """Whether this cycle's slack is the one nearest to the time of the next scan."""
        half_a_cycle = self._settings.wait_time / 2
        seconds = max(self._settings.scan_time - half_a_cycle, half_a_cycle)
        board = self._session.memory.incentive_program.board
        return self._session.begun and board is not None and board.due(self._client.clock.now(), seconds)
