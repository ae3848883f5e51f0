"""What belongs to an account and outlives its keys and ledgers, such as halts.

Promise:
- It keeps the account's halts, its day's result, and what a person agreed to.
- A halt holds for every bot of this user on this machine that trades on the account, until a person resumes it.
- While a key's user is not known, every standing halt of its exchange holds for it, and its halts for all.
- A change survives a power cut. Each use looks whether the file is there, and notices a lost or damaged one.

An account is a user of an environment's exchange with a subaccount; of a simulator, of one run of it. Users and
keys are kept as hashes. The file is `accounts.db` in the state folder, next to the accounts' locks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from exchange.account import Identity
from ledger import sql_rows
from ledger.account_tables import prepare, unite
from ledger.database import IN_MEMORY, Database, LedgerError
from ledger.entries import Halt
from runtime.lock import hashed, state_folder

FILE_NAME = "accounts.db"

T = TypeVar("T")

_HELD_HALTS = "account IN (SELECT id FROM accounts WHERE scope = ? AND (? OR user IS NULL OR id = ?))"
"""Halts that hold for an account: its own, those of keys without a known user, and all if its own is not known.

The values: scope, whether the account's user is not known, the account's number."""


class AccountState:
    """The state of the account that a client uses.

    `identity` returns the client's identity; a simulator's run is a part of it, and known from its first answer.
    With `is_needed`, an unreadable or unwritable file is an error. Otherwise this process goes on with what it
    knows itself, and `problem` is the error. Halts are always written to the file, or it is an error."""

    def __init__(
        self,
        file: Path,
        environment: str,
        subaccount: int,
        identity: Callable[[], Identity],
        is_needed: bool = True,
    ) -> None:
        self._file, self._environment, self._subaccount = file, environment, subaccount
        self._identity, self._is_needed = identity, is_needed
        self._own: Database | None = None
        self._kept: Database | None = None
        self._kept_inode = -1
        self._user, self._key_ids = "", frozenset[str]()
        self.problem = ""

    @classmethod
    def open(
        cls, environment: str, subaccount: int, identity: Callable[[], Identity], is_private: bool = False
    ) -> AccountState:
        """The state of an account, in the state folder of this user of the machine.

        `is_private`: the exchange lives and dies with this process, and so does the state. Only `PROD` needs the
        file. Raises `LedgerError` if it is needed, and the user has no home folder."""
        is_needed = environment == "PROD"
        if is_private:
            return cls(IN_MEMORY, environment, subaccount, identity)
        try:
            return cls(state_folder() / FILE_NAME, environment, subaccount, identity, is_needed)
        except RuntimeError as error:
            if is_needed:
                raise LedgerError(f"The state folder cannot be found: {error}") from None
            found = cls(IN_MEMORY, environment, subaccount, identity)
            found.problem = f"The state folder cannot be found: {error}"
            return found

    @property
    def is_in_memory(self) -> bool:
        """Whether this process alone has the state: no command can clear its halts."""
        return self._file == IN_MEMORY

    # -- whose it is -------------------------------------------------------------------------------------------

    @property
    def user(self) -> str:
        """The hash of the account's user, empty until it is known. Raises `LedgerError`."""
        if self._user:
            return self._user_hash()
        return self._read(lambda db: self._account(db)[1] or "") or ""

    def key_hashes(self) -> list[str]:
        """The hashes of the account's known keys, the client's own first.

        Raises `LedgerError`."""
        own = key_hash(self._environment, self._identity().key_id, self._subaccount)

        def read(db: Database) -> list[str]:
            number, _ = self._account(db)
            found = db.rows("SELECT key FROM keys WHERE account = ? ORDER BY key", number)
            return [key for (key,) in found if key != own]

        return [own, *(self._read(read) or ())]

    def is_mine(self, other: Identity) -> bool:
        """Whether an identity is this account's, under another key or address.

        Raises `LedgerError`."""
        key = key_hash(self._environment, other.key_id, self._subaccount)
        return other.run == self._identity().run and key in self.key_hashes()

    def check(self) -> None:
        """Prove that the state can be read and written.

        Raises `LedgerError` if it cannot and is needed."""
        self._write(lambda db, number: None)

    def identify(self, user_id: str, key_ids: Collection[str] = (), writes: bool = True) -> None:
        """Note the user id that orders carry (empty: not known), and the user's keys.

        What was kept for the keys apart is one account's from now on. Without `writes`, it is noted for this
        object alone. Raises `LedgerError`."""
        self._user, self._key_ids = user_id or self._user, self._key_ids | frozenset(key_ids)
        if not writes or (not user_id and not key_ids):
            return
        self._write(lambda db, number: None)

    def is_reached(self, whose: str) -> bool:
        """Whether this account's halts hold for a lock's account, by the lock's hash.

        They do if it is this account, or may be: its user or this one is not known. Raises `LedgerError`."""

        def read(db: Database) -> bool:
            number, user = self._account(db)
            wanted = "SELECT id, user FROM accounts WHERE scope = ? AND (user = ? OR id IN ("
            wanted += "SELECT account FROM keys WHERE scope = ? AND key = ?))"
            found = db.rows(wanted, self._scope(), whose, self._scope(), whose)
            return any(other == number or theirs is None or user is None for other, theirs in found)

        return bool(self._read(read))

    # -- halts -------------------------------------------------------------------------------------------------

    def halts(self, standing: bool = True, own: bool = False) -> list[Halt]:
        """The halts that hold for this account, oldest first.

        With `standing` False, cleared ones too. With `own`, only those that are known to be this account's. Raises
        `LedgerError`."""

        def read(db: Database) -> list[Halt]:
            columns = "at, reason, cleared, cleared_by"
            wanted = f"SELECT {columns} FROM halts WHERE {_HELD_HALTS} ORDER BY at, id"  # noqa: S608  (no input)
            number, user = self._account(db)
            rows = db.rows(wanted, self._scope(), user is None, number)
            if own:
                wanted = f"SELECT {columns} FROM halts WHERE account = ? ORDER BY at, id"  # noqa: S608  (no input)
                rows = db.rows(wanted, number)
            found = [
                Halt(sql_rows.from_micros(at), why, sql_rows.optional(sql_rows.from_micros, end), by)
                for at, why, end, by in rows
            ]
            return [halt for halt in found if halt.cleared is None or not standing]

        return self._read(read) or []

    def halt(self, now: datetime, reason: str) -> None:
        """Record a halt, which stays until a person clears it. Raises `LedgerError`."""
        row = sql_rows.to_micros(now), reason

        def write(db: sqlite3.Connection, number: int) -> None:
            db.execute("INSERT INTO halts (account, at, reason) VALUES (?, ?, ?)", (number, *row))

        self._write(write, is_needed=True)

    def clear_halts(self, now: datetime, by: str) -> int:
        """Clear the halts that hold. Returns their number. Raises `LedgerError`."""
        if not self._exists():
            return 0
        cleared = 0

        def write(db: sqlite3.Connection, number: int) -> None:
            nonlocal cleared
            (user,) = db.execute("SELECT user FROM accounts WHERE id = ?", (number,)).fetchone()
            values = sql_rows.to_micros(now), by, self._scope(), user is None, number
            wanted = f"UPDATE halts SET cleared = ?, cleared_by = ? WHERE cleared IS NULL AND {_HELD_HALTS}"  # noqa: S608
            cleared = db.execute(wanted, values).rowcount

        self._write(write)
        return cleared

    # -- the day and the agreement -----------------------------------------------------------------------------

    def day_result(self, day: date) -> Decimal | None:
        """The result of a UTC day in dollars, as it was last noted; None if it was not.

        Raises `LedgerError`."""

        def read(db: Database) -> Decimal | None:
            number, _ = self._account(db)
            rows = db.rows("SELECT dollars FROM days WHERE account = ? AND day = ?", number, day.isoformat())
            return Decimal(rows[0][0]) if rows else None

        return self._read(read)

    def note_day_result(self, day: date, dollars: Decimal) -> None:
        """Note the result of a UTC day, in dollars. Raises `LedgerError`."""
        if self.day_result(day) == dollars:
            return

        def write(db: sqlite3.Connection, number: int) -> None:
            db.execute("INSERT OR REPLACE INTO days VALUES (?, ?, ?)", (number, day.isoformat(), str(dollars)))

        self._write(write)

    def agreed(self) -> Mapping[str, Decimal] | None:
        """The limits that a person agreed to, by name; None if there are none.

        Raises `LedgerError`."""

        def read(db: Database) -> Mapping[str, Decimal] | None:
            number, _ = self._account(db)
            rows = db.rows("SELECT limits FROM agreements WHERE account = ?", number)
            return {name: Decimal(value) for name, value in json.loads(rows[0][0]).items()} if rows else None

        return self._read(read)

    def agree(self, now: datetime, limits: Mapping[str, Decimal]) -> None:
        """Note that a person agreed to limits, by name. They replace earlier ones.

        Raises `LedgerError`."""
        told = json.dumps({name: str(value) for name, value in limits.items()})

        def write(db: sqlite3.Connection, number: int) -> None:
            row = number, sql_rows.to_micros(now), told
            db.execute("INSERT OR REPLACE INTO agreements VALUES (?, ?, ?)", row)

        self._write(write)

    # -- internals ---------------------------------------------------------------------------------------------

    def _scope(self) -> str:
        return "/".join((self._environment, str(self._subaccount), self._identity().run))

    def _user_hash(self) -> str:
        return user_hash(self._environment, self._user, self._subaccount)

    def _hashes(self) -> list[str]:
        """The hashes of the client's key and of all keys that its user is known to have."""
        key_ids = [self._identity().key_id, *sorted(self._key_ids)]
        return [key_hash(self._environment, key_id, self._subaccount) for key_id in key_ids]

    def _account(self, db: Database) -> tuple[int | None, str | None]:
        """The number of the account and the hash of its user, None if not known."""
        tables = "keys JOIN accounts ON accounts.id = account"
        wanted = f"SELECT accounts.id, user FROM {tables} WHERE keys.scope = ? AND key = ?"  # noqa: S608  (no input)
        own = key_hash(self._environment, self._identity().key_id, self._subaccount)
        rows = db.rows(wanted, self._scope(), own)
        if self._user:
            of_user = db.rows(
                "SELECT id FROM accounts WHERE scope = ? AND user = ?", self._scope(), self._user_hash()
            )
            return (of_user or rows or [(None,)])[0][0], self._user_hash()
        return (rows[0][0], rows[0][1]) if rows else (None, None)

    def _exists(self) -> bool:
        if self._file == IN_MEMORY:
            return True
        try:
            self._file.lstat()
        except FileNotFoundError:
            return False
        except OSError:  # opening it tells why
            return True
        return True

    def _read(self, read: Callable[[Database], T]) -> T | None:
        """What `read` returns, None if there is no file. Raises `LedgerError`."""
        try:
            if not self._exists():
                return None
            with self._opened() as db:
                found = read(db)
        except LedgerError as error:
            if self._is_needed:
                raise
            self.problem = str(error)
            return read(self._memory())
        self.problem = self.problem if self._file == IN_MEMORY else ""
        return found

    def _write(self, write: Callable[[sqlite3.Connection, int], None], is_needed: bool = False) -> None:
        """Write for the account, whole or not at all. Raises `LedgerError`."""
        try:
            with self._opened() as db, db.transaction(durable=True) as rows:
                write(rows, self._found_or_begun(rows))
        except LedgerError as error:
            if self._is_needed or is_needed:
                raise
            self.problem = str(error)
            with self._memory().transaction() as rows:
                write(rows, self._found_or_begun(rows))

    def _found_or_begun(self, db: sqlite3.Connection) -> int:
        """The number of the account, with all that is known of its user written down."""
        return unite(db, self._scope(), self._user_hash() if self._user else None, self._hashes())

    @contextmanager
    def _opened(self) -> Iterator[Database]:
        """The file, opened again if another one is in its place, or if it failed."""
        if self._file == IN_MEMORY:
            yield self._memory()
            return
        title = f"The account's state ({self._file})"
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LedgerError(f"{title} cannot be opened: {error}") from error
        if self._kept is not None and self._inode() != self._kept_inode:
            self._forget()
        try:
            if self._kept is None:
                self._kept = Database(self._file, prepare=prepare, title=title)
                self._kept_inode = self._inode()
            yield self._kept
        except LedgerError:
            self._forget()
            raise

    def _inode(self) -> int:
        """What tells a file from another one in its place; -1 if there is none."""
        try:
            return self._file.stat().st_ino
        except OSError:
            return -1

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _memory(self) -> Database:
        if self._own is None:
            self._own = Database(IN_MEMORY, prepare=prepare, title="The account's state")
        return self._own


def key_hash(environment: str, key_id: str, subaccount: int) -> str:
    """What stands for a key, and does not reveal it. Its lock has the same."""
    return hashed(environment, key_id, subaccount)


def user_hash(environment: str, user_id: str, subaccount: int) -> str:
    """What stands for a user with a subaccount, and does not reveal the user's id."""
    return hashed(environment, f"user {user_id}", subaccount)
