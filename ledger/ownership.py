"""Whose a ledger file is, and which file is the account's.

Promise:
- Another key or address of the same account continues its ledger.
- Another account's ledger is renamed, never written to. A renamed one whose account is back is continued.
- A file that another process uses is neither renamed nor taken up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from exchange.account import Identity
from ledger import sql_rows
from ledger.database import Database, LedgerError


class Renamed(NamedTuple):
    """The files that were renamed.

    `aside`: the new name of another account's ledger. `again`: the former name of the account's own."""

    aside: Path | None = None
    again: Path | None = None


def open_for(file: Database, identity: Identity, now: datetime, is_mine: Callable[[Identity], bool]) -> Renamed:
    """Make a ledger file the account's.

    `is_mine`: whether the identity in a ledger is the account's, under another key or address. Another account's
    file is renamed, with the time it was begun in its name. The account's own renamed file is then continued; if
    there is none, a new one is begun. Raises `LedgerError`, also if another process uses a file to rename."""
    found, aside = identity_of(file), None
    if found == identity:
        return Renamed()
    if found is not None and not is_mine(found):
        ((begun,),) = file.rows("SELECT begun FROM account")
        aside = file.put_aside(f"{file.path.stem}-{sql_rows.from_micros(begun):%Y-%m-%d-%H%M%S}")
        found = None
    again = None
    if found is None:
        again = max(_archived(file.path, lambda one: one == identity or is_mine(one)), default=(0, None))[1]
        if again is not None:
            _take_up(file, again)
    with file.transaction() as db:
        if found is None and again is None:
            begun_now = (*identity, sql_rows.to_micros(now))
            db.execute("INSERT INTO account (base_url, key_id, run, begun) VALUES (?, ?, ?, ?)", begun_now)
        else:
            db.execute("UPDATE account SET base_url = ?, key_id = ?, run = ?", identity)
    return Renamed(aside, again)


def identity_of(file: Database) -> Identity | None:
    """The account of a ledger file; None for a new one."""
    rows = file.rows("SELECT base_url, key_id, run FROM account")
    return Identity(*rows[0]) if rows else None


def _archived(path: Path, is_wanted: Callable[[Identity], bool]) -> Iterator[tuple[int, Path]]:
    """The renamed ledgers that are wanted, with the time when each was begun.

    Unreadable files are left out."""
    for other in path.parent.glob(f"{path.stem}-????-??-??-??????*.db"):
        with suppress(LedgerError), closing(Database(other, True, lambda db, read_only: None)) as archive:
            found = identity_of(archive)
            if found is not None and is_wanted(found):
                ((begun,),) = archive.rows("SELECT begun FROM account")
                yield begun, other


def _take_up(file: Database, again: Path) -> None:
    """Continue a renamed ledger.

    A halt that was written to the new file meanwhile stands in it."""
    halts = file.rows("SELECT at, reason FROM halts WHERE cleared IS NULL")
    file.take_up(again)
    with file.transaction(durable=True) as db:
        db.executemany("INSERT INTO halts (at, reason) VALUES (?, ?)", halts)
