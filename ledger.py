"""What must survive: an SQLite file beside the log, the bot's memory of what it sent, what was filled, what it
holds and what it believes it earned. The exchange stays the truth.

Promise: what one cycle brings is written whole or not at all, wherever the process is killed; a fill is counted
once however often it is told; money comes out as exact as it went in. Any program may read while the bot writes.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import entries
from account import Fill, Identity, Settlement
from entries import EPOCH, Cycle, DayMark, Entry, Halt, Mark, Quotes, Row, Seconds, SecondsOf, Stay
from errors import LedgerError
from models import Book, Program
from schema import MIGRATIONS

DETAIL_KEPT = timedelta(days=2)
"""Cycles, marks and orders without a fill are kept so long, programs so long after their end."""

DAY_LOST = "DAILY_LOSS_LIMIT"
"""What the reason of a halt has in it that came of a day's loss."""

_BUSY_SECONDS = 2.0
"""Readers never wait for the writer nor it for them; another writer, a person's tool for one, is waited for so
long."""

_CYCLE = "began, seconds, requests, markets, orders, problem"

_ADD_SECONDS = """
INSERT INTO seconds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (program_id, side, day) DO UPDATE SET
    present = seconds.present + excluded.present, qualified = seconds.qualified + excluded.qualified,
    excluded = seconds.excluded + excluded.excluded, unknown = seconds.unknown + excluded.unknown,
    shares = seconds.shares + excluded.shares, reward = seconds.reward + excluded.reward
"""


def file_name(environment: str, subaccount: int) -> str:
    """The name of the ledger of an environment and, where it is not 0, a subaccount."""
    return f"trade-{environment.lower()}{f'-{subaccount}' if subaccount else ''}.db"


class Ledger:
    """One open file. With `read_only` it is another process's: only what has been written is seen, nothing
    waits."""

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self._db = self._open()
        self._session: int | None = None
        self._terms: dict[str, Program] | None = None

    def close(self) -> None:
        self._db.close()

    # -- whose it is -------------------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity | None:
        """Whose it is; None of a new one."""
        rows = self._all("SELECT base_url, key_id, run FROM account")
        return Identity(*rows[0]) if rows else None

    @property
    def begun(self) -> datetime | None:
        """When it was begun; None of a new one."""
        rows = self._all("SELECT begun FROM account")
        return entries.time(rows[0][0]) if rows else None

    @property
    def is_opened(self) -> bool:
        """Whether it knows what was held when it was begun."""
        return bool(self._all("SELECT 1 FROM account WHERE opened IS NOT NULL"))

    def claim(self, identity: Identity, now: datetime) -> Path | None:
        """Make sure that this is the ledger of an account. One of another account is put aside, under a name with
        the time at which it was begun, and a new one takes its place. Returns the other's new name, None where
        there was no other. Raises `LedgerError`, also where another process uses the one that is to be put
        aside."""
        found = self.identity
        if found == identity:
            return None
        aside = self._put_aside() if found else None
        with self._transaction() as db:
            db.execute("INSERT INTO account VALUES (?, ?, ?, ?, NULL, NULL)", (*identity, entries.moment(now)))
        return aside

    # -- writing -----------------------------------------------------------------------------------------------

    def begin_session(self, now: datetime) -> None:
        with self._transaction() as db:
            row = db.execute("INSERT INTO sessions (began) VALUES (?)", (entries.moment(now),))
            self._session = row.lastrowid

    def end_session(self, now: datetime, how: str) -> None:
        with self._transaction() as db:
            ended = (entries.moment(now), how, self._session)
            db.execute("UPDATE sessions SET ended = ?, how = ? WHERE id = ?", ended)

    def record(self, entry: Entry) -> None:
        """Write an entry, all of it or nothing. Raises `LedgerError`."""
        at = entries.moment(entry.at)
        changed = self._changed(entry.programs)
        with self._transaction() as db:
            if entry.cycle:
                began, *rest = entry.cycle
                _insert(db, "cycles", [(None, self._session, entries.moment(began), *rest)])
            if entry.mark:
                _insert(db, "marks", [entries.mark_row(entry.mark)], "OR REPLACE")
            _insert(db, "programs", [(None, at, *entries.program_row(program)) for program in changed])
            _insert(db, "orders", map(entries.order_row, entry.orders.values()), "OR REPLACE")
            earlier = entry.opening is not None
            if earlier:
                db.execute("UPDATE account SET opened = ?", (at,))
            fills = (entries.fill_row(fill, earlier) for fill in entry.fills.values())
            _insert(db, "fills", fills, "OR IGNORE")
            settled = (entries.settlement_row(one, earlier) for one in entry.settlements.values())
            _insert(db, "settlements", settled, "OR IGNORE")
            opening = ((ticker, str(count)) for ticker, count in (entry.opening or {}).items())
            _insert(db, "opening_positions", opening)
            for day, marks in entry.days.items():
                rows = [
                    (day.isoformat(), ticker, str(one.contracts), str(one.price)) for ticker, one in marks.items()
                ]
                _insert(db, "days", [(day.isoformat(),)], "OR IGNORE")
                _insert(db, "day_marks", rows, "OR IGNORE")
            prices = ((t, at, *(entries.maybe(str, bid) for bid in quotes)) for t, quotes in entry.prices.items())
            _insert(db, "prices", prices, "OR REPLACE")
            db.executemany(_ADD_SECONDS, [entries.seconds_row(*one) for one in entry.seconds.items()])
            if entry.looked is not None:
                db.execute("UPDATE account SET looked = ?", (entries.moment(entry.looked),))
                db.execute("DELETE FROM looks")
                _insert(db, "looks", map(entries.look_row, entry.looks.values()))
        if self._terms is not None:
            self._terms.update({program.id: program for program in changed})

    def thin(self, now: datetime) -> None:
        """Let old detail go: what happened and what was earned stays, how it came about does not. The file does
        not shrink; what is free in it is used again."""
        before = (entries.moment(now - DETAIL_KEPT),)
        with self._transaction() as db:
            db.execute("DELETE FROM cycles WHERE began < ?", before)
            db.execute("DELETE FROM marks WHERE at < ?", before)
            db.execute(
                "DELETE FROM orders WHERE ended < ? AND order_id NOT IN (SELECT order_id FROM fills)", before
            )
            db.execute(
                "DELETE FROM programs WHERE ends < ? AND program_id NOT IN (SELECT program_id FROM seconds)",
                before,
            )
        self._terms = None

    def adjust(self, changes: Mapping[str, Decimal], day: date) -> None:
        """Hold so many contracts more (YES positive) than fills and settlements tell, by ticker, and always have
        held them: what `day` began with is to be found out anew."""
        with self._transaction() as db:
            for ticker, change in changes.items():
                rows = db.execute("SELECT count FROM opening_positions WHERE ticker = ?", (ticker,)).fetchall()
                count = str(change + (Decimal(rows[0][0]) if rows else 0))
                db.execute("INSERT OR REPLACE INTO opening_positions VALUES (?, ?)", (ticker, count))
            for table in ("day_marks", "days"):
                db.execute(f"DELETE FROM {table} WHERE day = ?", (day.isoformat(),))  # noqa: S608  (no input)

    def halt(self, now: datetime, reason: str) -> None:
        """Remember, also through a power cut, that trading has stopped until a person clears it."""
        with self._transaction(durable=True) as db:
            db.execute("INSERT INTO halts (at, reason) VALUES (?, ?)", (entries.moment(now), reason))

    def clear_halts(self, now: datetime, by: str) -> int:
        """Let trading go on. Returns how many halts that clears."""
        with self._transaction(durable=True) as db:
            cleared = "UPDATE halts SET cleared = ?, cleared_by = ? WHERE cleared IS NULL"
            return db.execute(cleared, (entries.moment(now), by)).rowcount

    # -- reading -----------------------------------------------------------------------------------------------

    def halts(self, standing: bool = False) -> list[Halt]:
        """Halts, the oldest first; only those that nobody has cleared where they are `standing`."""
        rows = self._all("SELECT at, reason, cleared, cleared_by FROM halts ORDER BY id")
        found = [Halt(entries.time(at), why, entries.maybe(entries.time, end), by) for at, why, end, by in rows]
        return [halt for halt in found if halt.cleared is None or not standing]

    def forgiven(self, since: datetime) -> Decimal:
        """The day's profit in dollars when trading was last halted for it since a time, if a person has let it go
        on: what was lost until then halts no more. 0 where that did not happen."""
        halts = [halt.at for halt in self.halts() if halt.cleared and halt.at >= since and DAY_LOST in halt.reason]
        wanted = "SELECT day_profit FROM marks WHERE at >= ? AND day_profit IS NOT NULL ORDER BY at LIMIT 1"
        rows = self._all(wanted, entries.moment(halts[-1])) if halts else []
        return Decimal(rows[0][0]) if rows else Decimal(0)

    def sessions(self) -> list[tuple[datetime, datetime | None, str]]:
        """From when, until when, and how each session ended."""
        rows = self._all("SELECT began, ended, how FROM sessions ORDER BY id")
        return [(entries.time(began), entries.maybe(entries.time, ended), how) for began, ended, how in rows]

    def cycles(self) -> list[Cycle]:
        rows = self._all(f"SELECT {_CYCLE} FROM cycles ORDER BY id")  # noqa: S608  (no input is in it)
        return list(map(_cycle, rows))

    def last_cycle(self) -> Cycle | None:
        rows = self._all(f"SELECT {_CYCLE} FROM cycles ORDER BY id DESC LIMIT 1")  # noqa: S608  (no input is in it)
        return _cycle(rows[0]) if rows else None

    def programs(self) -> dict[str, list[Program]]:
        """By id, every set of terms that a program was seen with, the latest last."""
        found: dict[str, list[Program]] = defaultdict(list)
        columns = "program_id, ticker, type, starts, ends, reward, paid_out, target, discount, cap"
        for row in self._all(f"SELECT {columns} FROM programs ORDER BY id"):  # noqa: S608  (no input is in it)
            found[row[0]].append(entries.program_of(row))
        return dict(found)

    def terms(self) -> Mapping[str, Program]:
        """The latest terms of every program, by id."""
        if self._terms is None:
            self._terms = {name: seen[-1] for name, seen in self.programs().items()}
        return self._terms

    def orders(self, since: datetime = EPOCH) -> list[Stay]:
        """Our orders that rest, or did so at a time or later, oldest first."""
        wanted = "SELECT * FROM orders WHERE ended IS NULL OR ended >= ? ORDER BY created, order_id"
        return [entries.order_of(row) for row in self._all(wanted, entries.moment(since))]

    def fills(self, since: datetime = EPOCH) -> list[Fill]:
        """Fills from a time on, oldest first."""
        wanted = "SELECT * FROM fills WHERE time >= ? ORDER BY time, fill_id"
        return [entries.fill_of(row) for row in self._all(wanted, entries.moment(since))]

    def settlements(self, since: datetime = EPOCH) -> list[Settlement]:
        """Settlements from a time on, oldest first."""
        wanted = "SELECT * FROM settlements WHERE time >= ? ORDER BY time, ticker"
        return [entries.settlement_of(row) for row in self._all(wanted, entries.moment(since))]

    def last_fill(self) -> datetime | None:
        """When the latest fill was that is known."""
        return self._latest("fills")

    def last_settlement(self) -> datetime | None:
        """When the latest settlement was that is known."""
        return self._latest("settlements")

    def positions(self) -> dict[str, Decimal]:
        """What is held by all that is known here, by ticker, YES positive."""
        held: dict[str, Decimal] = defaultdict(Decimal)
        for ticker, count in self._all("SELECT ticker, count FROM opening_positions"):
            held[ticker] += Decimal(count)
        fills = map(entries.fill_of, self._all("SELECT * FROM fills WHERE NOT earlier"))
        settled = map(entries.settlement_of, self._all("SELECT * FROM settlements WHERE NOT earlier"))
        changes: list[Fill | Settlement] = [*fills, *settled]
        for one in changes:
            held[one.ticker] += one.change
        return {ticker: count for ticker, count in held.items() if count}

    def opened_positions(self) -> dict[str, Decimal]:
        """What is held of what our own orders were filled with, by ticker, YES positive."""
        held: dict[str, Decimal] = defaultdict(Decimal)
        ours = "SELECT * FROM fills WHERE order_id IN (SELECT order_id FROM orders)"
        for fill in map(entries.fill_of, self._all(ours)):
            held[fill.ticker] += fill.change
        settled = {row[0] for row in self._all("SELECT ticker FROM settlements")}
        return {ticker: count for ticker, count in held.items() if count and ticker not in settled}

    def day_marks(self, day: date) -> dict[str, DayMark] | None:
        """What was held at the beginning of a UTC day; None where nobody has looked."""
        if not self._all("SELECT 1 FROM days WHERE day = ?", day.isoformat()):
            return None
        rows = self._all("SELECT ticker, count, price FROM day_marks WHERE day = ?", day.isoformat())
        return {ticker: DayMark(Decimal(count), Decimal(price)) for ticker, count, price in rows}

    def last_mark(self) -> Mark | None:
        rows = self._all("SELECT * FROM marks ORDER BY at DESC LIMIT 1")
        return entries.mark_of(rows[0]) if rows else None

    def prices(self) -> dict[str, Quotes]:
        """The last best bids of what was held, by ticker."""
        rows = self._all("SELECT ticker, yes_bid, no_bid FROM prices")
        return {ticker: (entries.maybe(Decimal, yes), entries.maybe(Decimal, no)) for ticker, yes, no in rows}

    def looked(self) -> datetime | None:
        """When the bot last looked at the books: until then the seconds are counted."""
        rows = self._all("SELECT looked FROM account")
        return entries.maybe(entries.time, rows[0][0]) if rows else None

    def looks(self) -> dict[str, Book]:
        """The books of the last look, without our own orders, where some of those rest, by ticker."""
        return {row[0]: entries.look_of(row) for row in self._all("SELECT * FROM looks")}

    def seconds(self, day: date | None = None) -> dict[SecondsOf, Seconds]:
        """What our orders' seconds were: of a UTC day, of all time where none is given."""
        if day is None:
            rows = self._all("SELECT * FROM seconds")
        else:
            rows = self._all("SELECT * FROM seconds WHERE day = ?", day.isoformat())
        return dict(map(entries.seconds_of, rows))

    def earned(self) -> dict[str, float]:
        """Dollars accrued so far by program id, before floor and cap."""
        return dict(self._all("SELECT program_id, sum(reward) FROM seconds GROUP BY program_id"))

    # -- how it is done ----------------------------------------------------------------------------------------

    def _changed(self, programs: list[Program]) -> list[Program]:
        """The programs that were never seen, or not with these terms."""
        return [program for program in programs if self.terms().get(program.id) != program]

    def _latest(self, table: str) -> datetime | None:
        rows = self._all(f"SELECT max(time) FROM {table}")  # noqa: S608  (no input is in it)
        return entries.maybe(entries.time, rows[0][0])

    def _open(self) -> sqlite3.Connection:
        with self._told("opened"):
            where = f"{self.path.absolute().as_uri()}?mode={'ro' if self._read_only else 'rwc'}"
            db = sqlite3.connect(where, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)
            try:
                _prepare(db, self._read_only)
            except BaseException:
                db.close()
                raise
            return db

    def _put_aside(self) -> Path:
        begun = self.begun or EPOCH
        with self._told("put aside; a bot that still runs may be using it, stop that one"):
            # Only who is alone with a file can end its write-ahead log, which then is no file of its own any more.
            self._db.execute("PRAGMA busy_timeout = 100")
            self._db.execute("PRAGMA journal_mode = DELETE")
            self._db.close()
            name, number = f"{self.path.stem}-{begun:%Y-%m-%d-%H%M%S}", 1
            aside = self.path.with_name(f"{name}.db")
            while aside.exists():
                number += 1
                aside = self.path.with_name(f"{name}-{number}.db")
            self.path.rename(aside)
        self._db = self._open()
        self._terms = None
        return aside

    def _all(self, wanted: str, *values: object) -> list[Any]:
        with self._told("read"):
            return self._db.execute(wanted, values).fetchall()

    @contextmanager
    def _transaction(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """All that is done within is written, or nothing is. What is not `durable` survives the process, and may
        be lost with the machine: the exchange knows it."""
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

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"The ledger {self.path.name} cannot be {done}: {error}") from error


def _cycle(row: Row) -> Cycle:
    began, *rest = row
    return Cycle(entries.time(began), *rest)


def _insert(db: sqlite3.Connection, table: str, rows: Any, how: str = "") -> None:
    """Insert rows of all columns of a table."""
    found: list[Row] = list(rows)
    if found:
        places = ", ".join("?" * len(found[0]))
        db.executemany(f"INSERT {how} INTO {table} VALUES ({places})", found)  # noqa: S608  (no input is in it)


def _prepare(db: sqlite3.Connection, read_only: bool) -> None:
    """Bring a file to this version's schema. Raises `sqlite3.Error`."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS) or (read_only and version < len(MIGRATIONS)):
        than = "a newer" if version > len(MIGRATIONS) else "an older"
        raise sqlite3.DatabaseError(f"it was written by {than} version of the bot (schema {version})")
    if read_only:
        return
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA foreign_keys = ON")
    while version < len(MIGRATIONS):
        # A script commits what was begun before it; with a transaction of its own it is done whole or not at all.
        db.executescript(f"BEGIN IMMEDIATE;{MIGRATIONS[version]};PRAGMA user_version = {version + 1};COMMIT;")
        version += 1
