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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchange.account import Fill, Identity, Settlement
from exchange.models import Program
from exchange.orderbook import Book
from ledger import sql_rows
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
    Quotes,
)
from ledger.markouts import BestBids, MarkoutPoint
from ledger.sql_rows import Row

DETAIL_KEPT = timedelta(days=2)
"""How long cycles, marks and ended orders without a fill are kept; programs, this long after their end."""

DAY_LOST = "DAILY_LOSS_LIMIT"
"""Part of a halt's reason that marks it as caused by the day's loss."""

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

    # -- account -----------------------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity | None:
        """The account of this ledger; None for a new one."""
        rows = self._file.rows("SELECT base_url, key_id, run FROM account")
        return Identity(*rows[0]) if rows else None

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

    def open_for(self, identity: Identity, now: datetime) -> Path | None:
        """Make sure that this is the account's ledger.

        Another account's ledger is renamed, with the time it was begun in its name, and a new one is started.
        Returns the renamed file's path, or None. Raises `LedgerError`, also if another process uses
        the file to rename."""
        found = self.identity
        if found == identity:
            return None
        aside = self._file.put_aside(f"{self.path.stem}-{self.begun:%Y-%m-%d-%H%M%S}") if found else None
        self._terms = None
        with self._file.transaction() as db:
            begun = (*identity, sql_rows.to_micros(now))
            db.execute("INSERT INTO account (base_url, key_id, run, begun) VALUES (?, ?, ?, ?)", begun)
        return aside

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
                db.execute("UPDATE account SET opened = ?", (at,))
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
            prices = (
                (t, at, *(sql_rows.optional(str, bid) for bid in quotes)) for t, quotes in pending.prices.items()
            )
            insert(db, "prices", prices, "OR REPLACE")
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

    def adjust(self, changes: Mapping[str, Decimal], now: datetime) -> None:
        """Adopt contracts that no fill or settlement explains, by ticker, YES positive.

        They count as held since the day began, so the day's opening marks are deleted, to be computed again."""
        day = now.date()
        with self._file.transaction() as db:
            rows = ((sql_rows.to_micros(now), ticker, str(change)) for ticker, change in changes.items())
            insert(db, "adopted", rows)
            for table in ("day_marks", "days"):
                db.execute(f"DELETE FROM {table} WHERE day = ?", (day.isoformat(),))  # noqa: S608  (no input)

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

    def accepted_loss(self, since: datetime) -> Decimal:
        """The day's profit in dollars at the last daily-loss halt that a person cleared.

        A loss up to it does not halt again. Only halts at `since` or later count. 0 if there was none."""
        halts = [halt.at for halt in self.halts() if halt.cleared and halt.at >= since and DAY_LOST in halt.reason]
        wanted = "SELECT day_profit FROM marks WHERE at >= ? AND day_profit IS NOT NULL ORDER BY at LIMIT 1"
        rows = self._file.rows(wanted, sql_rows.to_micros(halts[-1])) if halts else []
        return Decimal(rows[0][0]) if rows else Decimal(0)

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

    def adjustments(self) -> list[PositionAdjustment]:
        """Adopted contracts that no fill explained, oldest first."""
        rows = self._file.rows("SELECT at, ticker, count FROM adopted ORDER BY at")
        return [PositionAdjustment(sql_rows.from_micros(at), ticker, Decimal(count)) for at, ticker, count in rows]

    def last_mark(self) -> AccountMark | None:
        rows = self._file.rows("SELECT * FROM marks ORDER BY at DESC LIMIT 1")
        return sql_rows.mark_of(rows[0]) if rows else None

    def marks(self) -> list[AccountMark]:
        """The account at the end of each cycle that is still kept, oldest first."""
        return [sql_rows.mark_of(row) for row in self._file.rows("SELECT * FROM marks ORDER BY at")]

    def prices(self) -> dict[str, Quotes]:
        """The last known best bids of markets with a position, by ticker."""
        rows = self._file.rows("SELECT ticker, yes_bid, no_bid FROM prices")
        return {
            ticker: (sql_rows.optional(Decimal, yes), sql_rows.optional(Decimal, no)) for ticker, yes, no in rows
        }

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
