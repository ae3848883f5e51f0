"""What a person does by hand beside a running bot: it must stay done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import market_bot
from bot import launch
from ledger.account_state import FILE_NAME
from runtime.lock import Lock, account_file, lock_file, state_folder
from tests.support.bench import MakeBench, Said, assert_quoting_once, is_quote, place_by_hand, share


def test_a_running_bot_does_not_undo_cancel_all(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said]
) -> None:
    """The command cancel-all cancels all orders of the account, also a person's, and halts the running bot. The
    bot quotes again only after a resume."""
    bench = make_bench(who=())
    share(bench, monkeypatch)
    bench.run(cycles=2)
    place_by_hand(bench)
    said = typed("cancel-all", "--yes")
    assert said.code == 0
    assert bench.resting() == []
    assert "The bot is halted" in said.out
    assert "The account has no resting orders now" in said.out
    bench.run(cycles=3)
    assert bench.resting() == []
    assert "python main.py cancel-all" in bench.events("HALT")[0]
    assert typed("resume", "--yes").code == 0
    bench.run(cycles=2)
    assert_quoting_once(bench)


def test_a_cancel_all_in_mid_cycle_stops_the_later_orders(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said]
) -> None:
    """If cancel-all comes in the middle of a cycle, the bot refuses the orders that were still to come. Nothing
    rests afterwards."""
    bench = make_bench(who=())
    share(bench, monkeypatch)

    def strike(request: Any, _: int) -> None:
        if is_quote(request):
            bench.wire.after = None
            assert typed("cancel-all", "--yes").code == 0

    bench.wire.after = strike
    bench.run(cycles=1)
    assert len([line for line in bench.events("REFUSED ORDER") if "Reason: HALT" in line]) == 3
    bench.run(cycles=1)
    assert bench.resting() == []


def test_close_all_sells_what_is_held_and_says_what_it_could_not(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said]
) -> None:
    bench = make_bench(who=())
    share(bench, monkeypatch)
    bench.account.holdings["KXODD-26NOV23-EMPTY"].count = 700
    said = typed("close-all", "--yes")
    assert said.code == 1
    assert bench.held() == {"KXODD-26NOV23-EMPTY": 700}
    assert bench.resting() == []
    assert "2 of 3 positions are closed" in said.out
    assert "Exit cost: $" in said.out
    assert "KXODD-26NOV23-EMPTY" in said.out
    bench.account.holdings["KXODD-26NOV23-EMPTY"].count = 0
    assert typed("close-all", "--yes").code == 0


def test_nothing_is_done_by_hand_that_nobody_agreed_to(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said]
) -> None:
    bench = make_bench(who=())
    share(bench, monkeypatch)
    errors = ""
    for answered in (None, lambda _: False):
        monkeypatch.setattr(launch, "keyboard", lambda answered=answered: answered)
        said = typed("close-all")
        assert said.code == 2
        errors += said.err
    assert len(bench.resting()) == 2
    assert bench.ledger.halts() == []
    assert "close-all --yes" in errors


# -- which bot is reached --------------------------------------------------------------------------------------


@pytest.fixture
def hold() -> Iterator[Callable[[Path], None]]:
    """Holds a lock, as a bot that runs does."""
    held: list[Lock] = []
    yield lambda file: held.append(Lock(file, "trades"))
    for one in held:
        one.release()


def break_state() -> None:
    (state_folder() / FILE_NAME).unlink(missing_ok=True)
    (state_folder() / FILE_NAME).mkdir(parents=True)


@pytest.mark.parametrize("command", ["cancel-all", "close-all", "resume"])
def test_a_command_names_the_bot_that_it_reaches(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said],
    hold: Callable[[Path], None], command: str,
) -> None:  # fmt: skip
    bench = make_bench(programs=12, who=())
    share(bench, monkeypatch)
    said = typed("cancel-all", "--yes")
    assert (said.code, "No bot runs on this account" in said.out) == (0, True)
    hold(account_file("SIM", bench.exchange.key_id, 0))
    said = typed(command, "--yes")
    assert (said.code, f"It runs as process {os.getpid()}, since " in said.out) == (0, True)
    assert "A BOT GOES ON" not in said.out


@pytest.mark.parametrize("is_this_folders", [True, False])
def test_without_the_state_only_this_folders_bot_is_reached(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said],
    hold: Callable[[Path], None], is_this_folders: bool,
) -> None:  # fmt: skip
    """The halt is in this folder's ledger alone. A bot that runs here reads it, another one goes on."""
    bench = make_bench(programs=12, who=())
    share(bench, monkeypatch)
    break_state()
    hold(account_file("SIM", bench.exchange.key_id, 0))
    if is_this_folders:
        hold(market_bot.paths().lock)
    said = typed("cancel-all", "--yes")
    assert bench.resting() == [], "what it can cancel is canceled all the same"
    assert "halted in this folder's ledger alone" in said.out
    goes_on = f"A BOT GOES ON: SIM, process {os.getpid()}, "
    assert (said.code, goes_on in said.out) == ((0, False) if is_this_folders else (1, True))


@pytest.mark.parametrize("other", ["DEMO", "SIM"])
@pytest.mark.parametrize("is_private", [True, False])
def test_a_bot_of_another_account_goes_on_and_is_named(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said],
    hold: Callable[[Path], None], other: str, is_private: bool,
) -> None:  # fmt: skip
    """It trades in another environment, or on an exchange inside its own process, in another folder."""
    bench = make_bench(programs=12, who=())
    share(bench, monkeypatch, is_private)
    hold(lock_file(other, "0123456789abcdef"))
    said = typed("cancel-all", "--yes")
    assert said.code == 1
    assert f"A BOT GOES ON: {other}, process {os.getpid()}, " in said.out
