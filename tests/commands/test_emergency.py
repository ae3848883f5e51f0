"""What a person does by hand beside a running bot: it must stay done."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import main
from bot import launch
from tests.support.bench import Bench, MakeBench, assert_quoting_once, is_quote, place_by_hand, share


def by_hand(bench: Bench, command: str, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    """`python main.py COMMAND` on the bench's exchange and ledger, as another process would."""
    share(bench, monkeypatch)
    monkeypatch.setattr(sys, "argv", ["main.py", command, *more])
    return main.main()


def test_a_running_bot_does_not_undo_cancel_all(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command cancel-all cancels all orders of the account, also a person's, and halts the running bot. The
    bot quotes again only after a resume."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    place_by_hand(bench)
    assert by_hand(bench, "cancel-all", monkeypatch, "--yes") == 0
    assert bench.resting() == []
    said = capsys.readouterr().out
    assert "The bot is halted" in said
    assert "No order of the account rests any more" in said
    bench.run(cycles=3)
    assert bench.resting() == []
    assert "python main.py cancel-all" in bench.events("HALT")[0]
    assert by_hand(bench, "resume", monkeypatch, "--yes") == 0
    bench.run(cycles=2)
    assert_quoting_once(bench)


def test_a_cancel_all_in_mid_cycle_stops_the_later_orders(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If cancel-all comes in the middle of a cycle, the bot refuses the orders that were still to come. Nothing
    rests afterwards."""
    bench = make_bench(who=())

    def strike(request: Any, _: int) -> None:
        if is_quote(request):
            bench.wire.after = None
            assert by_hand(bench, "cancel-all", monkeypatch, "--yes") == 0

    bench.wire.after = strike
    bench.run(cycles=1)
    assert len([line for line in bench.events("REFUSED ORDER") if "Reason: HALT" in line]) == 3
    bench.run(cycles=1)
    assert bench.resting() == []


def test_close_all_sells_what_is_held_and_says_what_it_could_not(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = make_bench(who=())
    bench.account.holdings["KXODD-26NOV23-EMPTY"].count = 700
    assert by_hand(bench, "close-all", monkeypatch, "--yes") == 1
    assert bench.held() == {"KXODD-26NOV23-EMPTY": 700}
    assert bench.resting() == []
    said = capsys.readouterr().out
    assert "2 of 3 positions are closed" in said
    assert "Exit cost: $" in said
    assert "KXODD-26NOV23-EMPTY" in said
    bench.account.holdings["KXODD-26NOV23-EMPTY"].count = 0
    assert by_hand(bench, "close-all", monkeypatch, "--yes") == 0


def test_nothing_is_done_by_hand_that_nobody_agreed_to(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = make_bench(who=())
    for answered in (None, lambda _: False):
        monkeypatch.setattr(launch, "keyboard", lambda answered=answered: answered)
        assert by_hand(bench, "close-all", monkeypatch) == 2
    assert len(bench.resting()) == 2
    assert bench.ledger.halts() == []
    assert "close-all --yes" in capsys.readouterr().err
