"""The account's state: what holds whatever key, address, folder or ledger is used."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from exchange.account import Identity
from ledger.account_state import FILE_NAME, AccountState
from ledger.database import LedgerError
from runtime.lock import state_folder

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=timezone.utc)
DAY = NOW.date()
URL = "https://external-api.kalshi.com/trade-api/v2"
SAME_EXCHANGE = (
    URL,
    "https://api.elections.kalshi.com/trade-api/v2",
    "https://EXTERNAL-API.KALSHI.COM./trade-api/v2",
    "https://external-api.kalshi.com:443/trade-api/v2",
)


def state(
    key: str = "key-1", environment: str = "PROD", run: str = "", url: str = URL, sub: int = 0
) -> AccountState:
    return AccountState.open(environment, sub, lambda: Identity(url, key, run))


def known(user: str, key: str, **more: str) -> AccountState:
    found = state(key, **more)  # type: ignore[arg-type]
    found.identify(user)
    return found


def reasons(found: AccountState) -> list[str]:
    return [halt.reason for halt in found.halts()]


# -- a halt that can be lost -----------------------------------------------------------------------------------


@pytest.mark.parametrize("url", SAME_EXCHANGE)
def test_an_address_written_another_way_does_not_lose_a_halt(url: str) -> None:
    state().halt(NOW, "lost $30")
    assert reasons(state(url=url)) == ["lost $30"]


@pytest.mark.parametrize("told", ["user first", "halt first", "by the list of keys"])
def test_another_key_of_the_user_does_not_lose_a_halt(told: str) -> None:
    if told == "user first":
        known("user-1", "key-1").halt(NOW, "lost $30")
        second = known("user-1", "key-2")
    elif told == "halt first":
        state("key-1").halt(NOW, "lost $30")
        known("user-1", "key-1")
        second = known("user-1", "key-2")
    else:
        known("user-1", "key-1").halt(NOW, "lost $30")
        second = state("key-2")
        second.identify("", ["key-1", "key-2"])
        assert second.user
    assert reasons(second) == ["lost $30"]


def test_a_halt_of_another_key_holds_until_both_users_are_known() -> None:
    first, second = state("key-1"), state("key-2")
    first.halt(NOW, "lost $30")
    assert reasons(second) == ["lost $30"], "it may be the same account"
    second.identify("user-2")
    assert reasons(second) == ["lost $30"], "whose halt it is is not known"
    first.identify("user-1")
    assert reasons(second) == []
    assert reasons(first) == ["lost $30"]


def test_a_key_whose_user_is_not_known_is_held_by_any_halt() -> None:
    known("user-1", "key-1").halt(NOW, "lost $30")
    new = state("key-2")
    assert reasons(new) == ["lost $30"]
    new.identify("user-2")
    assert reasons(new) == []


@pytest.mark.parametrize(
    "other", [{"environment": "DEMO"}, {"environment": "SIM"}, {"run": "another-run"}, {"sub": 1}]
)
def test_a_halt_does_not_reach_another_exchange(other: dict[str, object]) -> None:
    state().halt(NOW, "lost $30")
    assert reasons(state(**other)) == []  # type: ignore[arg-type]


def test_resume_clears_a_halt_for_every_key() -> None:
    known("user-1", "key-1").halt(NOW, "lost $30")
    state("key-3").halt(NOW + timedelta(seconds=1), "by hand")
    assert known("user-1", "key-2").clear_halts(NOW + timedelta(hours=1), "resume") == 2
    for key in ("key-1", "key-2", "key-3"):
        assert reasons(state(key)) == []
    (first, _) = state("key-1").halts(standing=False)
    assert (first.at, first.cleared, first.cleared_by) == (NOW, NOW + timedelta(hours=1), "resume")


def test_resuming_one_user_does_not_resume_another() -> None:
    known("user-1", "key-1").halt(NOW, "lost $30")
    known("user-2", "key-2").halt(NOW, "by hand")
    known("user-2", "key-2").clear_halts(NOW, "resume")
    assert reasons(state("key-1")) == ["lost $30"]


# -- the day and the agreement ---------------------------------------------------------------------------------


def test_what_the_day_lost_is_kept_whatever_key_is_used() -> None:
    known("user-1", "key-1").note_day_result(DAY, Decimal("-12.3400"))
    known("user-1", "key-2")
    assert state("key-2").day_result(DAY) == Decimal("-12.3400")
    assert state("key-2").day_result(date(2026, 11, 26)) is None
    assert state("key-9").day_result(DAY) is None


def test_two_keys_of_one_user_have_one_day_and_one_agreement() -> None:
    first, second = state("key-1"), state("key-2")
    first.note_day_result(DAY, Decimal("-9"))
    second.note_day_result(DAY, Decimal("-10"))
    second.agree(NOW + timedelta(hours=1), {"MAX_CAPITAL": Decimal("20")})
    first.agree(NOW, {"MAX_CAPITAL": Decimal("200.50")})
    first.identify("user-1")
    second.identify("user-1")
    for one in (first, second):
        assert one.day_result(DAY) == Decimal("-10")
        assert one.agreed() == {"MAX_CAPITAL": Decimal("20")}


def test_an_agreement_is_kept_with_the_account_alone() -> None:
    known("user-1", "key-1").agree(NOW, {"MAX_CAPITAL": Decimal("200.50")})
    assert known("user-1", "key-2").agreed() == {"MAX_CAPITAL": Decimal("200.50")}
    assert known("user-2", "key-3").agreed() is None
    assert state("key-4").agreed() is None


# -- a file that fails -----------------------------------------------------------------------------------------


def as_a_folder(file: Path) -> None:
    file.mkdir(parents=True)


def garbage(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("this is no database, and longer than the header of one would be" * 20)


def newer(file: Path) -> None:
    file.parent.mkdir()
    sqlite3.connect(file).execute("PRAGMA user_version = 99").connection.close()


def folder_is_a_file(file: Path) -> None:
    file.parent.write_text("")


BROKEN: list[Callable[[Path], None]] = [as_a_folder, garbage, newer, folder_is_a_file]


@pytest.mark.parametrize("break_it", BROKEN)
def test_with_real_money_a_state_that_fails_is_an_error(break_it: Callable[[Path], None]) -> None:
    break_it(state_folder() / FILE_NAME)
    found = state()
    for use in (found.check, found.halts, lambda: found.halt(NOW, "lost $30"), found.agreed):
        with pytest.raises(LedgerError, match=r"accounts\.db"):
            use()


@pytest.mark.parametrize("environment", ["SIM", "DEMO"])
@pytest.mark.parametrize("break_it", BROKEN)
def test_without_real_money_it_goes_on_and_says_so(break_it: Callable[[Path], None], environment: str) -> None:
    break_it(state_folder() / FILE_NAME)
    found = state(environment=environment)
    found.note_day_result(DAY, Decimal("-3"))
    assert found.day_result(DAY) == Decimal("-3")
    assert found.halts() == []
    assert "accounts.db" in found.problem
    with pytest.raises(LedgerError):
        found.halt(NOW, "a halt that is nowhere must not look written")


def test_a_removed_file_is_written_again_with_what_is_known() -> None:
    first = known("user-1", "key-1")
    (state_folder() / FILE_NAME).unlink()
    first.halt(NOW, "lost $30")
    assert reasons(known("user-1", "key-2")) == ["lost $30"]


def test_reading_leaves_no_file_behind() -> None:
    found = state()
    assert (found.halts(), found.user, found.agreed(), found.clear_halts(NOW, "resume")) == ([], "", None, 0)
    assert not state_folder().exists()


def test_neither_keys_nor_users_can_be_read_from_the_file() -> None:
    known("user-1", "key-1").halt(NOW, "lost $30")
    found = (state_folder() / FILE_NAME).read_bytes()
    assert b"user-1" not in found
    assert b"key-1" not in found


def test_a_private_exchange_leaves_no_file() -> None:
    found = AccountState.open("SIM", 0, lambda: Identity(URL, "key-1", "run"), is_private=True)
    found.halt(NOW, "lost $30")
    assert reasons(found) == ["lost $30"]
    assert not state_folder().exists()
