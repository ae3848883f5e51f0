"""The tables of the account's state, and how accounts of one user are united.

Promise:
- Two processes may make a new file's tables at the same time.
- Nothing that was kept for a key is lost when its user becomes known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from decimal import Decimal

_VERSION = 1

_TABLES = """
-- `scope`: environment, subaccount and a simulator's run. `user`: hash of the user id, NULL if not known.
CREATE TABLE IF NOT EXISTS accounts (
    id INTEGER PRIMARY KEY, scope TEXT NOT NULL, user TEXT, UNIQUE (scope, user)
);
CREATE TABLE IF NOT EXISTS keys (
    scope TEXT NOT NULL, key TEXT NOT NULL, account INTEGER NOT NULL REFERENCES accounts, PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS halts (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts, at INTEGER NOT NULL,
    reason TEXT NOT NULL, cleared INTEGER, cleared_by TEXT
);
-- `dollars`: the result of a UTC day.
CREATE TABLE IF NOT EXISTS days (
    account INTEGER NOT NULL REFERENCES accounts, day TEXT NOT NULL, dollars TEXT NOT NULL,
    PRIMARY KEY (account, day)
) WITHOUT ROWID;
-- `limits`: what a person agreed to, dollars by name, as JSON.
CREATE TABLE IF NOT EXISTS agreements (
    account INTEGER PRIMARY KEY REFERENCES accounts, at INTEGER NOT NULL, limits TEXT NOT NULL
);
"""


def unite(db: sqlite3.Connection, scope: str, user: str | None, keys: Collection[str]) -> int:
    """Make the account of a user and of its keys one. Returns its number.

    An account of another known user keeps what it has; a key leaves it."""
    places = ", ".join("?" * len(keys))
    wanted = f"""
        SELECT id, user FROM accounts WHERE scope = ? AND (user = ? OR id IN (
            SELECT account FROM keys WHERE scope = ? AND key IN ({places}))) ORDER BY user IS NULL, id
    """  # noqa: S608  (no input)
    found = db.execute(wanted, (scope, user, scope, *keys)).fetchall()
    whose = user or next((one for _, one in found if one), None)
    same = [number for number, one in found if one in (None, whose)]
    if not same:
        same = [db.execute("INSERT INTO accounts (scope) VALUES (?)", (scope,)).lastrowid or 0]
    into: int = same[0]
    for other in same[1:]:
        _move(db, other, into)
    db.execute("UPDATE accounts SET user = ? WHERE id = ? AND user IS NOT ?", (whose, into, whose))
    db.executemany("INSERT OR REPLACE INTO keys VALUES (?, ?, ?)", [(scope, key, into) for key in keys])
    return into


def _move(db: sqlite3.Connection, other: int, into: int) -> None:
    """Move what an account has to another.

    The worse result of a day counts, and the later agreement."""
    for table in ("keys", "halts"):
        db.execute(f"UPDATE {table} SET account = ? WHERE account = ?", (into, other))  # noqa: S608  (no input)
    for day, dollars in db.execute("SELECT day, dollars FROM days WHERE account = ?", (other,)).fetchall():
        known = db.execute("SELECT dollars FROM days WHERE account = ? AND day = ?", (into, day)).fetchone()
        worse = min((dollars, *(known or ())), key=Decimal)
        db.execute("INSERT OR REPLACE INTO days VALUES (?, ?, ?)", (into, day, worse))
    rows = db.execute(
        "SELECT at, limits FROM agreements WHERE account IN (?, ?) ORDER BY at", (into, other)
    ).fetchall()
    if rows:
        db.execute("INSERT OR REPLACE INTO agreements VALUES (?, ?, ?)", (into, *rows[-1]))
    for table in ("days", "agreements"):
        db.execute(f"DELETE FROM {table} WHERE account = ?", (other,))  # noqa: S608  (no input)
    db.execute("DELETE FROM accounts WHERE id = ?", (other,))


def prepare(db: sqlite3.Connection, read_only: bool) -> None:
    """Make the tables of a new file.

    Raises `sqlite3.Error`, also if the file is newer than this version."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"it was written by a newer version of the bot (schema {version})")
    if (
        version < _VERSION and not read_only
    ):  # another process may do the same: each table is made if it is missing
        db.executescript(f"BEGIN IMMEDIATE;{_TABLES};PRAGMA user_version = {_VERSION};COMMIT;")
