"""What a person does by hand beside a running bot: it must stay done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot import launch
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
