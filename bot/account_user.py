"""Find out whose the key is, and keep other bots off that user's account.

Promise:
- Two keys of one user are known as one account before anything is placed, if the exchange tells it.
- It asks until the user is known, and not after that.
- Locks that were removed are held again, or the bot stops because another one holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from bot.connection import Connection
from exchange.errors import ExchangeError
from ledger.account_state import AccountState
from runtime.lock import AlreadyRuns
from runtime.log_format import Log


class AccountUser:
    """The user of a connection's key, as far as the exchange tells it.

    `is_taken`: another bot of this user of the machine trades on the account, with another key."""

    def __init__(self, connection: Connection, state: AccountState, log: Log) -> None:
        self._connection, self._state, self._log = connection, state, log
        self._holds = self.is_taken = False
        self._problem = ""
        self._locks: Mapping[str, str] = {}

    def find(self) -> None:
        """Ask whose the key is, and hold the user's lock.

        An exchange that lives in this process is not asked: no other process can reach it. Raises an
        `ExchangeError`, a `LedgerError`, or `AlreadyRuns`."""
        try:
            self._keep_locks()
            self._find_user()
        except AlreadyRuns:
            self.is_taken = True
            raise
        self.is_taken = False

    def _keep_locks(self) -> None:
        """Hold the locks again if they were removed, and log it once."""
        told = self._connection.keep_locks()
        if told and told != self._locks:
            self._log("INFO", told)
        self._locks = told

    def _find_user(self) -> None:
        if self._connection.is_private:
            return
        user = self._state.user or ask(self._connection, self._state)
        self._tell()
        if user and not self._holds:
            self._connection.hold_user(user)
            self._holds = True

    def _tell(self) -> None:
        """Log when a state that the bot can do without begins or ceases to fail."""
        if self._state.problem and not self._problem:
            self._log("INFO", {"Warning": state_warning(self._state.problem)})
        if self._problem and not self._state.problem:
            self._log("INFO", {"Account's state": "can be read and written again"})
        self._problem = self._state.problem


def ask(connection: Connection, state: AccountState, writes: bool = True) -> str:
    """Ask the exchange whose the key is, and note it, with `writes` in the file.

    Returns the user's hash, empty if not known. Raises an `ExchangeError` if the account's orders cannot be read,
    or a `LedgerError`."""
    client = connection.client
    user_id, key_ids = client.get_user_id(), tuple[str, ...]()
    if not user_id:  # an account without an order yet
        with suppress(ExchangeError):  # the key may lack the permission; the log says so
            key_ids = client.get_api_keys()
    state.identify(user_id, key_ids, writes)
    return state.user


def state_warning(problem: str) -> str:
    """What it means that the account's state fails, where no real money is at stake."""
    return (
        f"{problem}. The bot goes on with its ledger alone: a halt holds for this ledger and not for the account"
    )
