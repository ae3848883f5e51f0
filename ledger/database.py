"""Read and write the ledger's SQLite file.

Promise:
- A transaction is written whole or not at all, even if the process is killed.
- Readers never wait for the writer, and the writer never waits for readers.
- Every SQLite or file error becomes a `LedgerError` that names the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from exchange.errors import BotError
from ledger import schema

_BUSY_SECONDS = 2.0
"""Wait for another writer, such as a person's SQLite tool, up to this many seconds."""


IN_MEMORY = Path(":memory:")
"""The path of a file that exists only while it is open, and only for its `Database`."""


class LedgerError(BotError):
    """The ledger, or the account's state, could not be opened, read or written."""


class Database:
    """An open SQLite file.

    With `read_only` the file is another process's. Only committed data is visible. `prepare` upgrades the tables.
    `title` is the file's name in errors."""

    def __init__(
        self,
        path: Path,
        read_only: bool = False,
        prepare: Callable[[sqlite3.Connection, bool], None] = schema.prepare,
        title: str = "",
    ) -> None:
        self.path = path
        self._read_only, self._prepare = read_only, prepare
        self._title = title or f"The ledger {path.name}"
        self._db = self._open()

    def close(self) -> None:
        self._db.close()

    def rows(self, wanted: str, *values: object) -> list[Any]:
        """Return the rows of a SELECT."""
        with self._told("read"):
            return self._db.execute(wanted, values).fetchall()

    @contextmanager
    def at_one_time(self) -> Iterator[None]:
        """Read one snapshot inside the block, even if another process writes meanwhile."""
        with self._told("read"):
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    @contextmanager
    def transaction(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Commit everything done inside the block, or nothing.

        A commit survives the end of the process. A power cut may lose it unless it is `durable`."""
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
        """Rename the file to a free name that begins with `stem`, and start a new file.

        Returns the renamed file's path."""
        with self._told("put aside (another bot may be using it; stop that bot)"):
            # Fold the write-ahead log into the file. SQLite refuses if another process has the file open.
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

    def take_up(self, other: Path) -> None:
        """Continue with another file, which gets this one's name. This one is deleted.

        Neither may be open in another process."""
        try:
            with self._told(f"replaced by {other.name} (another bot may be using it; stop that bot)"):
                with closing(sqlite3.connect(other, timeout=0.1, isolation_level=None)) as db:
                    db.execute("PRAGMA journal_mode = DELETE")
                    db.execute("BEGIN EXCLUSIVE")
                    db.execute("ROLLBACK")
                self._db.execute("PRAGMA busy_timeout = 100")
                self._db.execute("PRAGMA journal_mode = DELETE")
                self._db.close()
                other.replace(self.path)
        finally:
            self._db.close()
            self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        with self._told("opened"):
            mode = "memory" if self.path == IN_MEMORY else "ro" if self._read_only else "rwc"
            where = f"{self.path.absolute().as_uri()}?mode={mode}"
            db = sqlite3.connect(where, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)
            try:
                self._prepare(db, self._read_only)
            except BaseException:
                db.close()
                raise
            return db

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"{self._title} cannot be {done}: {error}") from error


def insert(db: sqlite3.Connection, table: str, rows: Iterable[Any], how: str = "") -> None:
    """Insert rows that have all columns of a table."""
    found = list(rows)
    if found:
        places = ", ".join("?" * len(found[0]))
        db.executemany(f"INSERT {how} INTO {table} VALUES ({places})", found)  # noqa: S608  (no input is in it)
