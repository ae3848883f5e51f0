"""Whose a ledger file is: it is continued by its account, under any key, and by no other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from exchange.account import Identity
from ledger.database import LedgerError
from ledger.ledger import Ledger
from ledger.ownership import Renamed

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=timezone.utc)
LATER = NOW + timedelta(hours=1)
US = Identity("https://external-api.kalshi.com/trade-api/v2", "key-1")
OTHER = US._replace(key_id="key-of-another")
SAME = (
    US._replace(key_id="key-2"),
    US._replace(base_url="https://api.elections.kalshi.com/trade-api/v2"),
    Identity("https://EXTERNAL-API.KALSHI.COM.:443/trade-api/v2", "key-3"),
)


def is_ours(identity: Identity) -> bool:
    return identity.key_id in ("key-1", "key-2", "key-3")


def is_theirs(identity: Identity) -> bool:
    return not is_ours(identity)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trade-prod.db"


def opened(path: Path, identity: Identity, mine: Callable[[Identity], bool] = is_ours) -> Ledger:
    ledger = Ledger(path)
    ledger.open_for(identity, LATER, mine)
    return ledger


def begin(path: Path, reason: str = "lost $30", identity: Identity = US) -> None:
    ledger = Ledger(path)
    ledger.open_for(identity, NOW)
    ledger.halt(NOW, reason)
    ledger.close()


def reasons(ledger: Ledger) -> list[str]:
    return [halt.reason for halt in ledger.halts(standing=True)]


@pytest.mark.parametrize("identity", SAME)
def test_another_key_or_address_continues_the_ledger(path: Path, identity: Identity) -> None:
    begin(path)
    ledger = opened(path, identity)
    assert (ledger.identity, ledger.begun, reasons(ledger)) == (identity, NOW, ["lost $30"])
    assert [file.name for file in path.parent.glob("*.db")] == [path.name]


@pytest.mark.parametrize("identity", [US, *SAME])
def test_a_ledger_whose_account_is_back_is_continued(path: Path, identity: Identity) -> None:
    begin(path)
    opened(path, OTHER, is_theirs).close()
    ledger = Ledger(path)
    aside, again = ledger.open_for(identity, LATER, is_ours)
    assert (ledger.begun, reasons(ledger)) == (NOW, ["lost $30"])
    assert again == path.with_name("trade-prod-2026-11-27-030000.db")
    assert not again.exists()
    assert aside is not None
    assert aside.exists()


def test_a_deleted_ledger_is_replaced_by_its_own_archive_alone(path: Path) -> None:
    begin(path)
    opened(path, OTHER, is_theirs).close()
    path.unlink()
    stranger = opened(path, Identity(US.base_url, "key-of-a-third"), lambda _: False)
    assert reasons(stranger) == []
    stranger.close()
    path.unlink()
    assert reasons(opened(path, US)) == ["lost $30"]


def test_of_several_archives_the_last_begun_is_continued(path: Path) -> None:
    for number, key in enumerate(("key-1", "key-2")):
        ledger = Ledger(path)
        ledger.open_for(US._replace(key_id=key), NOW + timedelta(days=number))  # as an earlier version did
        ledger.halt(NOW, key)
        ledger.close()
    opened(path, OTHER, is_theirs).close()
    assert reasons(opened(path, US)) == ["key-2"]


def test_a_halt_of_the_file_that_is_replaced_is_not_lost(path: Path) -> None:
    """A command halts before it is known whose the account is: the halt is in a file of no account yet."""
    begin(path, "lost $30")
    opened(path, OTHER, is_theirs).close()
    path.unlink()
    new = Ledger(path)
    new.halt(LATER, "by hand")
    new.open_for(US, LATER, is_ours)
    assert reasons(new) == ["lost $30", "by hand"]


@pytest.mark.parametrize("user", ["reads", "writes"])
def test_a_file_that_another_process_uses_is_not_taken(path: Path, user: str) -> None:
    begin(path)
    opened(path, OTHER, is_theirs).close()
    archive = path.with_name("trade-prod-2026-11-27-030000.db")
    with_it = sqlite3.connect(archive, isolation_level=None)
    with_it.execute("BEGIN" if user == "reads" else "BEGIN IMMEDIATE")
    with_it.execute("SELECT * FROM halts").fetchall()
    ledger = Ledger(path)
    with pytest.raises(LedgerError, match="another bot may be using it; stop that bot"):
        ledger.open_for(US, LATER, is_ours)
    assert archive.exists()
    with_it.execute("ROLLBACK")
    with_it.close()
    assert ledger.open_for(US, LATER, is_ours) == Renamed(None, archive)
    assert reasons(ledger) == ["lost $30"]


def test_unreadable_archives_hide_no_other(path: Path) -> None:
    begin(path)
    opened(path, OTHER, is_theirs).close()
    path.with_name("trade-prod-2026-11-28-000000.db").write_text("this is not a ledger " * 99)
    sqlite3.connect(path.with_name("trade-prod-2026-11-29-000000.db")).close()
    assert reasons(opened(path, US)) == ["lost $30"]
