"""The bot's memory across restarts: an SQLite file next to the log.

Promise:
- An entry, such as a cycle's, is written whole or not at all.
- A fill is counted once, even if it is recorded several times.
- Money is read back exactly as it was written.
- Any program may read the file while the bot writes.

It holds the bot's orders, the account's fills and positions, and the estimated rewards. If the exchange disagrees,
the exchange is right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchange.account import Fill, Identity, Settlement
from exchange.models import Program
from exchange.orderbook import Book
from ledger import ownership, sql_rows
from ledger.balance_reading import KnownCashRule
from ledger.cash_reconciliation import ExplainedSpan
from ledger.database import Database, insert
from ledger.entries import (
    EPOCH,
    AccountMark,
    AccrualKey,
    AccruedSeconds,
    CashFlow,
    CycleRecord,
    DayMark,
    Halt,
    OrderRecord,
    PendingWrites,
    PositionAdjustment,
    PriceLook,
    Quotes,
)
from ledger.markouts import BestBids, MarkoutPoint
from ledger.ownership import Renamed
from ledger.sql_rows import Row

DETAIL_KEPT = timedelta(days=2)
"""How long cycles, marks and ended orders without a fill are kept; programs, this long after their end."""

_CYCLE = "began, seconds, requests, markets, orders, problem, without"

_ADD_SECONDS = """
INSERT INTO seconds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (program_id, side, day) DO UPDATE SET
    present = seconds.present + excluded.present, qualified = seconds.qualified + excluded.qualified,
    excluded = seconds.excluded + excluded.excluded, unknown = seconds.unknown + excluded.unknown,
    shares = seconds.shares + excluded.shares, reward = seconds.reward + excluded.reward,
    at_most = seconds.at_most + excluded.at_most
"""

_SEE_UNPAID = "UPDATE programs SET seen = ? WHERE id = (SELECT max(id) FROM programs WHERE program_id = ?)"


def file_name(environment: str, subaccount: int) -> str:
    """The ledger's file name, for an environment and a subaccount (0: no suffix)."""
    return f"trade-{environment.lower()}{f'-{subaccount}' if subaccount else ''}.db"


class Ledger:
    """An open ledger file.

    With `read_only` the file is another process's. Only committed data is visible, and reading never waits."""

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self._file = Database(path, read_only)
        self._session: int | None = None
        self._terms: dict[str, Program] | None = None

    @property
    def path(self) -> Path:
        return self._file.path

    def close(self) -> None:
        self._file.close()

    def keep_in_place(self) -> bool:
        """Write the file again if it was removed. Returns whether it was.

        See `Database.keep_in_place`. Raises `LedgerError`."""
        return self._file.keep_in_place()

    # -- account -----------------------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity | None:
        """The account of this ledger; None for a new one."""
        return ownership.identity_of(self._file)

    @property
    def begun(self) -> datetime | None:
        """When the ledger was begun; None for a new one."""
        rows = self._file.rows("SELECT begun FROM account")
        return sql_rows.from_micros(rows[0][0]) if rows else None

    @property
    def opened(self) -> datetime | None:
        """When the opening positions were read; None if they are not recorded."""
        rows = self._file.rows("SELECT opened FROM account")
        return sql_rows.optional(sql_rows.from_micros, rows[0][0]) if rows else None

    def open_for(
        self, identity: Identity, now: datetime, is_mine: Callable[[Identity], bool] = lambda _: False
    ) -> Renamed:
        """Make sure that this is the account's ledger.

        See `ownership.open_for`. Raises `LedgerError`."""
        self._terms = None
        return ownership.open_for(self._file, identity, now, is_mine)

    # -- writing -----------------------------------------------------------------------------------------------

    def begin_session(self, now: datetime) -> None:
        with self._file.transaction() as db:
            row = db.execute("INSERT INTO sessions (began) VALUES (?)", (sql_rows.to_micros(now),))
            self._session = row.lastrowid

    def end_session(self, now: datetime, how: str) -> None:
        with self._file.transaction() as db:
            ended = (sql_rows.to_micros(now), how, self._session)
            db.execute("UPDATE sessions SET ended = ?, how = ? WHERE id = ?", ended)

    def record(self, pending: PendingWrites) -> None:
        """Write an entry, whole or not at all. Raises `LedgerError`."""
        at = sql_rows.to_micros(pending.at)
        changed = self._changed([*pending.programs, *(look.program for look in pending.payouts.values())])
        with self._file.transaction() as db:
            if pending.cycle:
                began, *rest = pending.cycle
                insert(db, "cycles", [(None, self._session, sql_rows.to_micros(began), *rest)])
            if pending.mark:
                insert(db, "marks", [sql_rows.mark_row(pending.mark)], "OR REPLACE")
            insert(db, "programs", [(None, at, *sql_rows.program_row(program)) for program in changed])
            unpaid = (look for look in pending.payouts.values() if not look.program.paid_out)
            db.executemany(_SEE_UNPAID, [(sql_rows.to_micros(look.at), look.program.id) for look in unpaid])
            insert(db, "orders", map(sql_rows.order_row, pending.orders.values()), "OR REPLACE")
            earlier = pending.opening is not None
            if earlier:
                db.execute("UPDATE account SET opened = ?, carried = ?", (at, str(pending.carried)))
            if pending.traded is not None:
                db.execute("UPDATE account SET traded = ?", (str(pending.traded),))
            if pending.cash_rule is not None:
                rule = sql_rows.cash_rule_row(pending.cash_rule)
                db.execute("UPDATE account SET balance = ?, balance_at = ?, closing = ?", rule)
            fills = (sql_rows.fill_row(fill, earlier) for fill in pending.fills.values())
            insert(db, "fills", fills, "OR IGNORE")
            settled = (sql_rows.settlement_row(one, earlier) for one in pending.settlements.values())
            insert(db, "settlements", settled, "OR IGNORE")
            insert(db, "opening_positions", _mark_rows(pending.opening or {}))
            for day, marks in pending.days.items():
                insert(db, "days", [(day.isoformat(),)], "OR IGNORE")
                insert(db, "day_marks", _mark_rows(marks, day.isoformat()), "OR IGNORE")
            insert(db, "prices", (sql_rows.price_row(*look) for look in pending.prices.items()), "OR REPLACE")
            db.executemany(_ADD_SECONDS, [sql_rows.seconds_row(*one) for one in pending.seconds.items()])
            if pending.looked is not None:
                db.execute("UPDATE account SET looked = ?", (sql_rows.to_micros(pending.looked),))
                db.execute("DELETE FROM looks")
                insert(db, "looks", map(sql_rows.look_row, pending.looks.values()))
            sql_rows.insert_watched(db, pending)
        if self._terms is not None:
            self._terms.update({program.id: program for program in changed})

    def prune(self, now: datetime) -> None:
        """Delete details older than `DETAIL_KEPT`.

        Fills with their orders, settlements and accrued rewards stay. The file does not shrink: its free space is
        used again."""
        before = (sql_rows.to_micros(now - DETAIL_KEPT),)
        with self._file.transaction() as db:
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

    def adjust(self, changes: Iterable[PositionAdjustment]) -> None:
        """Adopt contracts that no fill or settlement explains."""
        with self._file.transaction() as db:
            insert(db, "adopted", map(sql_rows.adjustment_row, changes))

    def halt(self, now: datetime, reason: str) -> None:
        """Record a halt, which stays until a person clears it; it survives a power cut."""
        with self._file.transaction(durable=True) as db:
            db.execute("INSERT INTO halts (at, reason) VALUES (?, ?)", (sql_rows.to_micros(now), reason))

    def clear_halts(self, now: datetime, by: str) -> int:
        """Resume trading. Returns the number of halts that this clears."""
        with self._file.transaction(durable=True) as db:
            cleared = "UPDATE halts SET cleared = ?, cleared_by = ? WHERE cleared IS NULL"
            return db.execute(cleared, (sql_rows.to_micros(now), by)).rowcount

    def add_tag(self, tag: str, now: datetime) -> None:
        """Record that orders with this tag are the bot's own; it survives a power cut."""
        with self._file.transaction(durable=True) as db:
            insert(db, "own_tags", [(tag, sql_rows.to_micros(now))], "OR IGNORE")

    # -- reading -----------------------------------------------------------------------------------------------

    def tags(self) -> frozenset[str]:
        """The tags of the client order ids of this ledger's processes."""
        return frozenset(row[0] for row in self._file.rows("SELECT tag FROM own_tags"))

    def halts(self, standing: bool = False) -> list[Halt]:
        """Halts, oldest first. With `standing`, only those that are not cleared."""
        rows = self._file.rows("SELECT at, reason, cleared, cleared_by FROM halts ORDER BY id")
        found = [
            Halt(sql_rows.from_micros(at), why, sql_rows.optional(sql_rows.from_micros, end), by)
            for at, why, end, by in rows
        ]
        return [halt for halt in found if halt.cleared is None or not standing]

    def sessions(self) -> list[tuple[datetime, datetime | None, str]]:
        """Each session's beginning, end (None if not recorded), and how it ended."""
        rows = self._file.rows("SELECT began, ended, how FROM sessions ORDER BY id")
        return [
            (sql_rows.from_micros(began), sql_rows.optional(sql_rows.from_micros, ended), how)
            for began, ended, how in rows
        ]

    def cycles(self) -> list[CycleRecord]:
        rows = self._file.rows(f"SELECT {_CYCLE} FROM cycles ORDER BY id")  # noqa: S608  (no input is in it)
        return list(map(sql_rows.cycle_of, rows))

    def last_cycle(self) -> CycleRecord | None:
        rows = self._file.rows(f"SELECT {_CYCLE} FROM cycles ORDER BY id DESC LIMIT 1")  # noqa: S608  (no input is in it)
        return sql_rows.cycle_of(rows[0]) if rows else None

    def failed_in_a_row(self) -> int:
        """The number of the latest cycles that failed."""
        worked = "SELECT coalesce(max(id), 0) FROM cycles WHERE problem = ''"
        ((count,),) = self._file.rows(f"SELECT count(*) FROM cycles WHERE id > ({worked})")  # noqa: S608  (no input is in it)
        return int(count)

    def programs(self) -> dict[str, list[Program]]:
        """All sets of terms that each program has had, by program id, latest last."""
        found: dict[str, list[Program]] = defaultdict(list)
        columns = "program_id, ticker, type, starts, ends, reward, paid_out, target, discount, cap"
        for row in self._file.rows(f"SELECT {columns} FROM programs ORDER BY id"):  # noqa: S608  (no input is in it)
            found[row[0]].append(sql_rows.program_of(row))
        return dict(found)

    def latest_programs(self) -> Mapping[str, Program]:
        """The latest terms of every program, by id."""
        if self._terms is None:
            self._terms = {name: seen[-1] for name, seen in self.programs().items()}
        return self._terms

    def orders(self, since: datetime = EPOCH) -> list[OrderRecord]:
        """Our orders that rest, or that ended at `since` or later, oldest first."""
        wanted = "SELECT * FROM orders WHERE ended IS NULL OR ended >= ? ORDER BY created, order_id"
        return [sql_rows.order_of(row) for row in self._file.rows(wanted, sql_rows.to_micros(since))]

    def fills(self, since: datetime = EPOCH) -> list[Fill]:
        """Fills from a time on, oldest first."""
        wanted = "SELECT * FROM fills WHERE time >= ? ORDER BY time, fill_id"
        return [sql_rows.fill_of(row) for row in self._file.rows(wanted, sql_rows.to_micros(since))]

    def settlements(self, since: datetime = EPOCH) -> list[Settlement]:
        """Settlements from a time on, oldest first."""
        wanted = "SELECT * FROM settlements WHERE time >= ? ORDER BY time, ticker"
        return [sql_rows.settlement_of(row) for row in self._file.rows(wanted, sql_rows.to_micros(since))]

    def last_fill(self) -> datetime | None:
        """The time of the latest recorded fill."""
        return self._latest("fills")

    def last_settlement(self) -> datetime | None:
        """The time of the latest recorded settlement."""
        return self._latest("settlements")

    def positions(self) -> dict[str, Decimal]:
        """Positions according to the ledger, by ticker, YES positive."""
        held: dict[str, Decimal] = defaultdict(Decimal)
        taken_over = "SELECT ticker, count FROM opening_positions UNION ALL SELECT ticker, count FROM adopted"
        for ticker, count in self._file.rows(taken_over):
            held[ticker] += Decimal(count)
        for one in self.changes():
            held[one.ticker] += one.change
        return {ticker: count for ticker, count in held.items() if count}

    def opened_positions(self) -> dict[str, Decimal]:
        """Positions from fills of our own orders, by ticker, YES positive."""
        held: dict[str, Decimal] = defaultdict(Decimal)
        ours = "SELECT * FROM fills WHERE order_id IN (SELECT order_id FROM orders)"
        for fill in map(sql_rows.fill_of, self._file.rows(ours)):
            held[fill.ticker] += fill.change
        settled = {row[0] for row in self._file.rows("SELECT ticker FROM settlements")}
        return {ticker: count for ticker, count in held.items() if count and ticker not in settled}

    def day_marks(self, day: date) -> dict[str, DayMark] | None:
        """Positions at the beginning of a UTC day; None if they are not recorded."""
        if not self._file.rows("SELECT 1 FROM days WHERE day = ?", day.isoformat()):
            return None
        rows = self._file.rows("SELECT ticker, count, price FROM day_marks WHERE day = ?", day.isoformat())
        return {ticker: DayMark(Decimal(count), Decimal(price)) for ticker, count, price in rows}

    def opening(self) -> dict[str, tuple[Decimal, Decimal | None]]:
        """Positions when the ledger was begun (YES positive), with prices, by ticker.

        A price is the dollars that a contract would have brought then, None if it was not read."""
        rows = self._file.rows("SELECT ticker, count, price FROM opening_positions")
        return {ticker: (Decimal(count), sql_rows.optional(Decimal, price)) for ticker, count, price in rows}

    def carried(self, day: date) -> Decimal:
        """Dollars that the bot's orders brought before the ledger was begun.

        Only on the UTC day on which it was begun; 0 on every other day."""
        begun = self.begun
        if begun is None or begun.date() != day:
            return Decimal(0)
        return Decimal(self._file.rows("SELECT carried FROM account")[0][0])

    def adjustments(self) -> list[PositionAdjustment]:
        """Adopted contracts that no fill explained, oldest first."""
        return list(map(sql_rows.adjustment_of, self._file.rows("SELECT * FROM adopted ORDER BY at")))

    def last_mark(self) -> AccountMark | None:
        rows = self._file.rows("SELECT * FROM marks ORDER BY at DESC LIMIT 1")
        return sql_rows.mark_of(rows[0]) if rows else None

    def marks(self) -> list[AccountMark]:
        """The account at the end of each cycle that is still kept, oldest first."""
        return [sql_rows.mark_of(row) for row in self._file.rows("SELECT * FROM marks ORDER BY at")]

    def prices(self) -> dict[str, Quotes]:
        """The best bids at which positions count, by ticker."""
        return {ticker: look.counted for ticker, look in self.price_looks().items()}

    def price_looks(self) -> dict[str, PriceLook]:
        """The last looks at markets with a position, by ticker."""
        return dict(map(sql_rows.price_of, self._file.rows("SELECT * FROM prices")))

    def looked(self) -> datetime | None:
        """The time of the bot's last look; seconds are counted up to it."""
        rows = self._file.rows("SELECT looked FROM account")
        return sql_rows.optional(sql_rows.from_micros, rows[0][0]) if rows else None

    def looks(self) -> dict[str, Book]:
        """Books of the last look, of markets with our orders but without those, by ticker."""
        return {row[0]: sql_rows.look_of(row) for row in self._file.rows("SELECT * FROM looks")}

    def seconds(self, day: date | None = None) -> dict[AccrualKey, AccruedSeconds]:
        """Our orders' accrued seconds of a UTC day, or of all time if `day` is None."""
        if day is None:
            rows = self._file.rows("SELECT * FROM seconds")
        else:
            rows = self._file.rows("SELECT * FROM seconds WHERE day = ?", day.isoformat())
        return dict(map(sql_rows.seconds_of, rows))

    def accrued_by_program(self) -> dict[str, float]:
        """Dollars accrued so far by program id, before floor and cap."""
        return dict(self._file.rows("SELECT program_id, sum(reward) FROM seconds GROUP BY program_id"))

    # -- for reports -------------------------------------------------------------------------------------------

    @contextmanager
    def at_one_time(self) -> Iterator[None]:
        """Read one snapshot inside the block, even if the bot writes meanwhile."""
        with self._file.at_one_time():
            yield

    def select(self, wanted: str) -> list[Any]:
        """Return the rows of a SELECT that only a report needs. Raises `LedgerError`."""
        return self._file.rows(wanted)

    def traded(self) -> Decimal:
        """Change of the cash by all fills and settlements since the opening, in dollars."""
        rows = self._file.rows("SELECT traded FROM account")
        return Decimal(rows[0][0]) if rows else Decimal(0)

    def changes(self, since: datetime = EPOCH, earlier: bool = False) -> list[Fill | Settlement]:
        """Fills and settlements after the opening (`earlier`: before it), oldest first.

        Only those from `since` on."""
        wanted = "SELECT * FROM {} WHERE earlier = ? AND time >= ?"
        which = earlier, sql_rows.to_micros(since)
        fills = map(sql_rows.fill_of, self._file.rows(wanted.format("fills"), *which))
        settled = map(sql_rows.settlement_of, self._file.rows(wanted.format("settlements"), *which))
        found: list[Fill | Settlement] = [*fills, *settled]
        return sorted(found, key=lambda one: (one.time, one.ticker))

    def cash_rule(self) -> KnownCashRule:
        """How the exchange counts cash, as far as it was found out."""
        rows = self._file.rows("SELECT balance, balance_at, closing FROM account")
        return sql_rows.cash_rule_of(rows[0]) if rows else KnownCashRule()

    def last_span(self) -> ExplainedSpan | None:
        rows = self._file.rows("SELECT * FROM cash ORDER BY since DESC LIMIT 1")
        return sql_rows.stretch_of(rows[0]) if rows else None

    def flows(self) -> list[CashFlow]:
        """Deposits, withdrawals and transfers, oldest first."""
        return [sql_rows.flow_of(row) for row in self._file.rows("SELECT * FROM payments ORDER BY at, id")]

    def markouts(self, since: datetime = EPOCH) -> dict[MarkoutPoint, BestBids]:
        """Best bids around fills, seen at `since` or later."""
        rows = self._file.rows("SELECT * FROM markouts WHERE at >= ?", sql_rows.to_micros(since))
        return dict(map(sql_rows.markout_of, rows))

    def without_outcome(self) -> list[str]:
        """Tickers of markets with fills whose outcome is not known."""
        wanted = (
            "SELECT DISTINCT ticker FROM fills WHERE NOT earlier AND ticker NOT IN (SELECT ticker FROM outcomes)"
        )
        return [row[0] for row in self._file.rows(f"{wanted} ORDER BY ticker")]

    # -- internals ---------------------------------------------------------------------------------------------

    def _changed(self, programs: list[Program]) -> list[Program]:
        """The programs that are new or have new terms."""
        latest = {program.id: program for program in programs}
        return [program for name, program in latest.items() if self.latest_programs().get(name) != program]

    def _latest(self, table: str) -> datetime | None:
        rows = self._file.rows(f"SELECT max(time) FROM {table}")  # noqa: S608  (no input is in it)
        return sql_rows.optional(sql_rows.from_micros, rows[0][0])


def _mark_rows(marks: Mapping[str, DayMark], *day: str) -> Iterator[Row]:
    return ((*day, ticker, str(one.contracts), str(one.price)) for ticker, one in marks.items())
