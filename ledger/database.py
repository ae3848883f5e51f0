"""Read and write the ledger's SQLite file.

Promise:
- A transaction is written whole or not at all, even if the process is killed.
- Readers never wait for the writer, and the writer never waits for readers.
- Every SQLite or file error, and a lack of memory, becomes a `LedgerError` that names the file.
- A file that is removed while it is open is written again, with all that was in it. A replaced one is not used.
- The folder of temporary files is not used: it may be full or missing.
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


_MEANS = {
    "disk I/O error": "the disk may be full or damaged",
    "unable to open database file": "its folder may be gone or not writable, or too many files are open",
}
"""What SQLite's words may mean, if they do not say it."""

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
        self._inode: int | None = None
        self._is_closed = False
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
            with self._told("read"):
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

    def keep_in_place(self) -> bool:
        """Write the file again if it was removed while it was open.

        Returns whether it was. What was in it is in the new one: an open file keeps its contents without a name.
        Raises `LedgerError` if that fails, or if another file is in its place: what others write there could not
        be seen."""
        if self.path == IN_MEMORY:
            return False
        if self._is_closed:  # it was closed to rename it, and could not be opened again
            self._db = self._open()
        found = self._found_inode()
        if found == self._inode:
            return False
        if found is not None:
            raise LedgerError(
                f"{self._title} was replaced by another file while the bot ran. The bot places nothing. Put the "
                "bot's own file back, or restart the bot to go on with the other one"
            )
        with self._told("written again, after it was removed while the bot ran"):
            copy, *logs = (self.path.with_name(f"{self.path.name}{end}") for end in (".new", "-wal", "-shm"))
            copy.unlink(missing_ok=True)
            self._db.execute("VACUUM INTO ?", (str(copy),))
            for log in logs:  # SQLite would take the removed file's log for the new one's
                log.unlink(missing_ok=True)
            copy.rename(self.path)
            self._shut()
        self._db = self._open()
        return True

    def put_aside(self, stem: str) -> Path:
        """Rename the file to a free name that begins with `stem`, and start a new file.

        Returns the renamed file's path."""
        try:
            with self._told("put aside (another bot may be using it; stop that bot)"):
                # Fold the write-ahead log into the file. SQLite refuses if another process has the file open.
                self._db.execute("PRAGMA busy_timeout = 100")
                self._db.execute("PRAGMA journal_mode = DELETE")
                self._shut()
                number, aside = 1, self.path.with_name(f"{stem}.db")
                while aside.exists():
                    number += 1
                    aside = self.path.with_name(f"{stem}-{number}.db")
                self.path.rename(aside)
        finally:
            self._shut()
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
                self._shut()
                other.replace(self.path)
        finally:
            self._shut()
            self._db = self._open()

    def _shut(self) -> None:
        self._is_closed = True
        self._db.close()

    def _open(self) -> sqlite3.Connection:
        with self._told("opened"):
            mode = "memory" if self.path == IN_MEMORY else "ro" if self._read_only else "rwc"
            where = f"{self.path.absolute().as_uri()}?mode={mode}"
            db = sqlite3.connect(where, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)
            try:
                db.execute("PRAGMA temp_store = MEMORY")
                self._prepare(db, self._read_only)
                self._inode = self._found_inode()
            except BaseException:
                db.close()
                raise
            self._is_closed = False
            return db

    def _found_inode(self) -> int | None:
        """What tells the file from another one in its place; None if it is gone."""
        with self._told("found"):
            try:
                return None if self.path == IN_MEMORY else self.path.stat().st_ino
            except FileNotFoundError:
                return None

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, MemoryError) as error:
            why = str(error) or "this machine has no memory left for it"
            means = _MEANS.get(why)
            raise LedgerError(f"{self._title} cannot be {done}: {why}{f' ({means})' if means else ''}") from error


def insert(db: sqlite3.Connection, table: str, rows: Iterable[Any], how: str = "") -> None:
    """Insert rows that have all columns of a table."""
    found = list(rows)
    if found:
        places = ", ".join("?" * len(found[0]))
        db.executemany(f"INSERT {how} INTO {table} VALUES ({places})", found)  # noqa: S608  (no input is in it)
