"""The file itself: what a cycle brought is there whole, once, and for whoever reads along, or the bot says why
not."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exchange.account import Fill, Identity, Settlement
from exchange.orderbook import NO, YES
from ledger import schema
from ledger.cash_reconciliation import CashReading, ExplainedSpan
from ledger.database import LedgerError
from ledger.entries import (
    AccountMark,
    AccruedSeconds,
    CashFlow,
    CycleRecord,
    DayMark,
    Outcome,
    PayoutLook,
    PendingWrites,
    PriceLook,
)
from ledger.ledger import Ledger, file_name
from ledger.markouts import BestBids, MarkoutPoint
from ledger.ownership import Renamed
from ledger.payouts import PayoutTimes
from ledger.sql_rows import to_micros
from report.facts import read_report_facts
from tests.support.builders import NOW, SECONDS, US, book, cents, later, ledger_fill, ledger_order, program
from tests.support.project import PROJECT
from tests.support.strategies import FILLS

D = Decimal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trade-demo.db"


@pytest.fixture
def ours(path: Path) -> Iterator[Ledger]:
    opened = Ledger(path)
    opened.open_for(US, NOW)
    opened.begin_session(NOW)
    yield opened
    opened.close()


def settlement(count: str, at: float = 60) -> Settlement:
    return Settlement("M", "E", D(count), D("1.17"), D(0), D(0), D(count), D("0.05"), D(1), 2, NOW + later(at))


TILL = CashReading(D("1499.659000"), D("-1.205000"), D(500))


def full_entry() -> PendingWrites:
    return PendingWrites(
        NOW,
        CycleRecord(NOW, 0.75, 16, 2, 4, ""),
        AccountMark(NOW, D("1499.659000"), D("0.38"), D("-0.341"), 0.0021),
        [program(name="p"), program(name="q", target=None, cap=7)],
        {"o": ledger_order()},
        {"f": ledger_fill()},
        {("M", NOW + later(60)): settlement("1.00")},
        days={NOW.date(): {"M": DayMark(D("-3.00"), D("0.8400"))}},
        prices={"M": PriceLook(NOW + later(1), (None, D("0.6100")), (D("0.3800"), D("0.6100")))},
        seconds={SECONDS: AccruedSeconds(60, 50, 10, 0, 0.25, 0.001, 0.002)},
        looked=NOW + timedelta(seconds=1),
        looks={"M": book(cents((50, 100.5), (49, 3)), ())._replace(ticker="M")},
        traded=D("-1.205000"),
        cash={NOW: ExplainedSpan(NOW, NOW + later(60), TILL, TILL._replace(cash=D("1499.10")), True)},
        flows={"d": CashFlow("d", "deposit", D(500), D(500), NOW)},
        markouts={MarkoutPoint("f", "1 h"): BestBids(NOW + later(3600), D("0.3800"), None, True)},
        outcomes={"M": Outcome(NOW + later(60), D("1.0000"))},
        capital={(NOW.date(), "M"): 12.5},
        payouts={"q": PayoutLook(NOW + timedelta(seconds=2), program(name="q", target=None, cap=7))},
    )


def test_what_goes_in_comes_out_to_the_last_digit(ours: Ledger, path: Path) -> None:
    entry = full_entry()
    ours.record(entry)
    for read in (ours, Ledger(path, read_only=True)):
        assert read.cycles() == [entry.cycle]
        assert read.last_mark() == entry.mark
        assert str(read.last_mark().free_cash) == "1499.659000"  # type: ignore[union-attr]
        assert read.programs() == {one.id: [one] for one in entry.programs}
        assert read.orders() == [ledger_order()]
        assert read.fills() == [ledger_fill()]
        assert read.settlements() == [settlement("1.00")]
        assert read.day_marks(NOW.date()) == entry.days[NOW.date()]
        assert read.price_looks() == entry.prices
        assert read.prices() == {"M": (D("0.3800"), D("0.6100"))}
        assert read.seconds() == entry.seconds
        assert (read.looked(), read.looks()) == (entry.looked, entry.looks)
        assert read.accrued_by_program() == {"p": 0.001}
        known = read_report_facts(read)
        assert (read.traded(), known.cash_spans) == (entry.traded, [entry.cash[NOW]])
        assert (known.cash_flows, known.markouts) == ([entry.flows["d"]], entry.markouts)
        assert (known.outcomes, known.capital) == (entry.outcomes, entry.capital)
        assert known.payouts == {"p": PayoutTimes(NOW), "q": PayoutTimes(entry.payouts["q"].at)}


def test_a_fill_that_is_told_again_is_counted_once(ours: Ledger) -> None:
    for _ in range(2):
        ours.record(PendingWrites(NOW, fills={"f": ledger_fill(), "g": ledger_fill("g", "1.00")}))
    assert ours.positions() == {"M": D(4)}
    assert [one.fill_id for one in ours.fills()] == ["f", "g"]


def test_a_program_is_written_again_only_when_a_term_changes(ours: Ledger, path: Path) -> None:
    first = program()
    other = first._replace(reward=D(50))
    for seen in (first, first, other, other):
        ours.record(PendingWrites(NOW, programs=[seen]))
    again = Ledger(path)
    again.record(PendingWrites(NOW, programs=[other]))
    assert again.programs() == {"p": [first, other]}


def test_seconds_add_up_and_days_stay_apart(ours: Ledger) -> None:
    for day in (NOW.date(), NOW.date(), NOW.date() + timedelta(days=1)):
        ours.record(
            PendingWrites(
                NOW, seconds={SECONDS._replace(day=day): AccruedSeconds(60, 40, 12, 8, 0.5, 0.25, 0.375)}
            )
        )
    assert ours.seconds(NOW.date()) == {SECONDS: AccruedSeconds(120, 80, 24, 16, 1, 0.5, 0.75)}
    assert len(ours.seconds()) == 2
    assert ours.accrued_by_program() == {"p": 0.75}


def test_what_was_held_before_the_ledger_began_is_held(ours: Ledger) -> None:
    earlier = ledger_fill("before", "2.00")
    ours.record(PendingWrites(NOW, fills={"before": earlier}, opening={"M": DayMark(D(5), D("0.4"))}))
    ours.record(PendingWrites(NOW, fills={"after": ledger_fill("after", "1.00", NO), "before": earlier}))
    assert ours.positions() == {"M": D(4)}
    ours.record(PendingWrites(NOW, settlements={("M", NOW + later(60)): settlement("4.00")}))
    assert ours.positions() == {}


def test_a_halt_stands_until_a_person_clears_it(ours: Ledger, path: Path) -> None:
    ours.halt(NOW, "daily loss: -$25.10 of $25.00")
    again = Ledger(path)
    (halt,) = again.halts(standing=True)
    assert (halt.at, halt.reason, halt.cleared) == (NOW, "daily loss: -$25.10 of $25.00", None)
    assert again.clear_halts(NOW + later(9), "python main.py resume") == 1
    assert again.clear_halts(NOW + later(10), "again") == 0
    assert ours.halts(standing=True) == []
    assert ours.halts()[0].cleared_by == "python main.py resume"


def test_sessions_tell_how_they_ended(ours: Ledger, path: Path) -> None:
    second = Ledger(path)
    second.begin_session(NOW + later(60))
    second.end_session(NOW + later(90), "stopped by Ctrl-C")
    assert [(end, how) for _, end, how in ours.sessions()] == [
        (None, "did not say goodbye"),
        (NOW + later(90), "stopped by Ctrl-C"),
    ]


def test_another_accounts_ledger_is_put_aside_whole(ours: Ledger, path: Path) -> None:
    ours.record(full_entry())
    ours.close()
    for other in (replace_identity(key_id="key-2"), replace_identity(base_url="x"), replace_identity(run="2")):
        opened = Ledger(path)
        before = opened.identity
        aside = opened.open_for(other, NOW + later(5)).aside
        assert aside is not None
        assert opened.identity == other
        assert opened.fills() == []
        opened.close()
        old = Ledger(aside, read_only=True)
        assert old.identity == before
        old.close()
    names = sorted(file.name for file in path.parent.iterdir() if file.suffix == ".db")
    assert names == [
        "trade-demo-2026-11-22-150000.db", "trade-demo-2026-11-22-150005-2.db", "trade-demo-2026-11-22-150005.db",
        "trade-demo.db",
    ]  # fmt: skip
    assert Ledger(path.with_name(names[0])).fills() == [ledger_fill()]


def replace_identity(**changed: str) -> Identity:
    return US._replace(**changed)


def test_a_ledger_in_use_is_not_taken_from_under_a_running_bot(ours: Ledger, path: Path) -> None:
    other = Ledger(path)
    with pytest.raises(LedgerError, match="another bot may be using it; stop that bot"):
        other.open_for(US._replace(key_id="key-2"), NOW)
    ours.record(full_entry())
    assert Ledger(path).fills() == [ledger_fill()]
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".db", ".db-shm", ".db-wal"]


def test_the_same_account_goes_on_with_its_ledger(ours: Ledger, path: Path) -> None:
    ours.record(full_entry())
    again = Ledger(path)
    assert again.open_for(US, NOW + later(999)) == Renamed()
    assert again.begun == NOW
    assert again.fills() == [ledger_fill()]


def test_a_foreign_or_newer_file_is_refused(path: Path) -> None:
    """The bot does not open a file that is no ledger, or the ledger of a newer version, and leaves it alone."""
    path.write_text("these are somebody's notes, and they are longer than a page header of SQLite\n" * 9)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"trade-demo.db cannot be opened: file is not a database"):
        Ledger(path)
    assert path.read_bytes() == before
    path.unlink()
    Ledger(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LedgerError, match="a newer version of the bot"):
        Ledger(path)


def test_an_older_file_is_brought_up_to_date(ours: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file keeps all that is in it. A read-only look refuses an older version."""
    ours.record(full_entry())
    ours.close()
    more = (*schema.MIGRATIONS, "ALTER TABLE cycles ADD COLUMN mood TEXT NOT NULL DEFAULT 'fine'")
    monkeypatch.setattr(schema, "MIGRATIONS", more)
    with pytest.raises(LedgerError, match="an older version"):
        Ledger(path, read_only=True)
    assert Ledger(path).fills() == [ledger_fill()]
    db = sqlite3.connect(path)
    assert db.execute("SELECT mood FROM cycles").fetchall() == [("fine",)]
    assert db.execute("PRAGMA user_version").fetchone() == (len(more),)


def test_a_file_of_the_first_version_keeps_its_fills(tmp_path: Path) -> None:
    """It also keeps what was earned and its opening positions, and it takes new cycles."""
    path = tmp_path / "first.db"
    db = sqlite3.connect(path)
    db.executescript(f"{schema.MIGRATIONS[0]};PRAGMA user_version = 1")
    at = to_micros(NOW)
    db.execute("INSERT INTO account VALUES ('https://x', 'key', '', ?, ?, NULL)", (at, at))
    db.execute("INSERT INTO opening_positions VALUES ('M', '5.00')")
    db.execute("INSERT INTO fills VALUES ('f', 'o', 'M', 'no', '0.6000', '2.00', '0.0100', 0, ?, 0)", (at,))
    db.execute("INSERT INTO seconds VALUES ('p', 'yes', '2026-11-23', 'M', 60, 50, 10, 0, 0.25, 0.5)")
    db.commit()
    db.close()
    ledger = Ledger(path)
    assert ledger.positions() == {"M": D(3)}
    assert read_report_facts(ledger).opening == {"M": (D(5), None)}
    (seconds,) = ledger.seconds().values()
    assert (seconds.reward, seconds.at_most) == (0.5, 0.5)
    assert (ledger.traded(), read_report_facts(ledger).cash_spans) == (0, [])
    ledger.begin_session(NOW)
    ledger.record(full_entry())
    assert read_report_facts(ledger).cash_spans == [full_entry().cash[NOW]]


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    ours: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours.record(full_entry())
    ours.close()
    broken = "ALTER TABLE cycles ADD COLUMN mood TEXT; INSERT INTO nowhere VALUES (1)"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with pytest.raises(LedgerError, match="nowhere"):
        Ledger(path)
    monkeypatch.undo()
    assert Ledger(path).cycles() == [full_entry().cycle]


def test_who_reads_sees_whole_cycles_and_holds_nobody_up(ours: Ledger, path: Path) -> None:
    reader = Ledger(path, read_only=True)
    db = sqlite3.connect(path)
    db.execute("BEGIN")
    db.execute("SELECT * FROM fills").fetchall()
    ours.record(full_entry())  # would wait, and fail, if a reader could lock it
    assert reader.fills() == [ledger_fill()]
    assert db.execute("SELECT * FROM fills").fetchall() == []
    with pytest.raises(LedgerError, match="readonly"):
        reader.record(full_entry())


def test_a_cycle_is_written_whole_or_not_at_all(ours: Ledger) -> None:
    """If the ledger cannot write a part of a cycle, it keeps nothing of it. It takes the next cycle as usual."""
    entry = full_entry()
    entry.looks = {"M": None}  # type: ignore[dict-item]
    with pytest.raises(AttributeError):
        ours.record(entry)
    assert ours.fills() == []
    assert ours.cycles() == []
    ours.record(full_entry())
    assert ours.fills() == [ledger_fill()]


def test_old_detail_goes_and_what_was_earned_and_filled_stays(ours: Ledger) -> None:
    ours.record(full_entry())
    ours.record(
        PendingWrites(
            NOW,
            programs=[program(name="ended")],
            orders={name: ledger_order(name, ended=10) for name in ("o", "unfilled")}
            | {"resting": ledger_order("resting")},
        )
    )
    ours.prune(NOW + timedelta(days=9))
    assert ours.cycles() == []
    assert ours.last_mark() is None
    assert {one.order_id for one in ours.orders()} == {"o", "resting"}, "the one that was filled, and the live one"
    assert set(ours.programs()) == {"p"}, "the one that seconds are known of"
    assert ours.fills() == [ledger_fill()]
    assert ours.seconds() == full_entry().seconds
    ours.record(PendingWrites(NOW, programs=[program(name="ended")]))
    assert set(ours.programs()) == {"p", "ended"}


def test_each_environment_and_subaccount_has_its_own_file() -> None:
    assert file_name("PROD", 0) == "trade-prod.db"
    assert file_name("PROD", 2) == "trade-prod-2.db"
    assert file_name("SIM", 0) == "trade-sim.db"


WRITER = """
import sys
from pathlib import Path
from ledger.entries import AccruedSeconds, CycleRecord, PendingWrites
from ledger.ledger import Ledger
from ledger.ownership import Renamed
from tests.support.builders import NOW, SECONDS, US, later, ledger_fill, ledger_order
ledger = Ledger(Path(sys.argv[1]))
ledger.open_for(US, NOW)
ledger.begin_session(NOW)
number = len(ledger.fills())
print("ready", flush=True)
while True:
    at = NOW + later(number)
    fills = {str(number): ledger_fill(str(number), "1.00", at=number)}
    entry = PendingWrites(at, CycleRecord(at, 1.0, number, 1, 2), fills=fills)
    entry.orders = {str(number): ledger_order(str(number))}
    entry.seconds = {SECONDS: AccruedSeconds(60, 60, 0, 0, 1, 1)}
    ledger.record(entry)
    number += 1
"""


@pytest.mark.slow
def test_kill_9_at_any_moment_leaves_whole_cycles(path: Path) -> None:
    for number in range(8):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(0.02 + 0.013 * number)
            os.kill(writer.pid, signal.SIGKILL)
        opened = Ledger(path)
        count = len(opened.cycles())
        assert len(opened.fills()) == len(opened.orders()) == opened.positions()["M"] == count
        assert opened.seconds()[SECONDS].reward == count
        opened.close()
        db = sqlite3.connect(path)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
    assert count > 8


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(fills=FILLS, cuts=st.lists(st.integers(0, 12)), data=st.data())
def test_each_fill_counts_once_however_often_the_bot_is_killed(
    tmp_path_factory: pytest.TempPathFactory, fills: list[Fill], cuts: list[int], data: st.DataObject
) -> None:
    """The exchange's list is read from some way back each time, so fills are told again. A process that dies
    before it has written starts again from what the file knows."""
    path = tmp_path_factory.mktemp("killed") / "trade-demo.db"
    ledger = Ledger(path)
    ledger.open_for(US, NOW)
    ordered = [replace(one, time=NOW + later(number)) for number, one in enumerate(fills)]
    for cut in [*sorted(cuts), len(ordered)]:
        last = ledger.last_fill()
        back = data.draw(st.integers(0, 3))
        known = [one for one in ordered[:cut] if last is None or one.time >= last - later(back)]
        if data.draw(st.booleans()) or cut == len(ordered):
            ledger.record(PendingWrites(NOW, fills={one.fill_id: one for one in known}))
        ledger.close()
        ledger = Ledger(path)
    assert ledger.fills() == ordered
    held: dict[str, Decimal] = {}
    for one in ordered:
        held[one.ticker] = held.get(one.ticker, D(0)) + (one.count if one.side is YES else -one.count)
    assert ledger.positions() == {ticker: count for ticker, count in held.items() if count}
    ledger.close()
