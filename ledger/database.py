"""One SQLite file, the ledger's. Promise: what is done within a transaction is written whole or not at all,
wherever the process is killed; who reads never waits for who writes, nor the other way round; whatever goes wrong
is a `LedgerError` that names the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exchange.errors import BotError
from ledger.schema import prepare

_BUSY_SECONDS = 2.0
"""Another writer, a person's tool for one, is waited for so long."""


class LedgerError(BotError):
    """The ledger could not be opened, read or written."""


class Database:
    """One open file. With `read_only` it is another process's: only what has been written is seen."""

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self._db = self._open()

    def close(self) -> None:
        self._db.close()

    def rows(self, wanted: str, *values: object) -> list[Any]:
        """The rows of a SELECT."""
        with self._told("read"):
            return self._db.execute(wanted, values).fetchall()

    @contextmanager
    def at_one_time(self) -> Iterator[None]:
        """What is read within is of one moment, whatever another process writes meanwhile."""
        with self._told("read"):
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    @contextmanager
    def transaction(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """All that is done within is written, or nothing is. What is not `durable` survives the process, and may
        be lost with the machine."""
        with self._told("written"):
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def put_aside(self, stem: str) -> Path:
        """Rename the file to a name that begins so and is free, and begin a new one in its place. Returns the
        other's new name."""
        with self._told("put aside; a bot that still runs may be using it, stop that one"):
            # Only who is alone with a file can end its write-ahead log, which then is no file of its own any more.
            self._db.execute("PRAGMA busy_timeout = 100")
            self._db.execute("PRAGMA journal_mode = DELETE")
            self._db.close()
            number, aside = 1, self.path.with_name(f"{stem}.db")
            while aside.exists():
                number += 1
                aside = self.path.with_name(f"{stem}-{number}.db")
            self.path.rename(aside)
        self._db = self._open()
        return aside

    def _open(self) -> sqlite3.Connection:
        with self._told("opened"):
            where = f"{self.path.absolute().as_uri()}?mode={'ro' if self._read_only else 'rwc'}"
            db = sqlite3.connect(where, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)
            try:
                prepare(db, self._read_only)
            except BaseException:
                db.close()
                raise
            return db

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"The ledger {self.path.name} cannot be {done}: {error}") from error


def insert(db: sqlite3.Connection, table: str, rows: Iterable[Any], how: str = "") -> None:
    """Insert rows of all columns of a table."""
    found = list(rows)
    if found:
        places = ", ".join("?" * len(found[0]))
        db.executemany(f"INSERT {how} INTO {table} VALUES ({places})", found)  # noqa: S608  (no input is in it)
