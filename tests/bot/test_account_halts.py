"""A halt belongs to the account: no other key, address, folder or ledger loses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.connection import account_state
from commands import emergency
from exchange.signing import Signer
from ledger.account_state import FILE_NAME
from runtime.lock import AlreadyRuns, state_folder
from tests.support.bench import Bench, MakeBench, assert_quoting_once, own_resting
from tests.support.users import ADDRESSES, add_key, first_key, place_as, start_with

D = Decimal
REASON = "a position that no fill, settlement or transfer explains"


def by_loss(bench: Bench) -> None:
    bench.bot.settings = replace(bench.bot.settings, daily_loss_limit=D("0.01"))  # the opening sales cost more
    bench.run(cycles=1)
    bench.settings = replace(bench.settings, daily_loss_limit=D(25))
    bench.bot.settings = bench.settings  # a limit above what the day lost: else a resume halts again at once


def by_mismatch(bench: Bench) -> None:
    bench.account.holdings["KXODD-26NOV23-EMPTY"].count = 700
    bench.run(cycles=2)


def by_command(bench: Bench) -> None:
    bench.client.get_exchange_status()  # its answer names the simulator's run
    account_state(bench.settings.env, bench.connection).halt(
        bench.exchange.clock.now(), "python main.py cancel-all"
    )
    bench.run(cycles=1)


def halted(make_bench: MakeBench, by: Callable[[Bench], None] = by_loss) -> Bench:
    bench = make_bench(programs=12, who=())
    bench.run(cycles=1)
    assert own_resting(bench)
    by(bench)
    assert len(bench.events("HALT")) == 1
    return bench


def assert_halted(bench: Bench) -> None:
    sessions = len(bench.events("NEW SESSION"))
    bench.run(cycles=2)
    assert own_resting(bench) == []
    assert len(bench.events("NEW SESSION")) == sessions, "it neither cancels for all nor sells"


def same_key(bench: Bench) -> Signer:
    return first_key(bench.exchange)


def second_key(bench: Bench) -> Signer:
    return add_key(bench.exchange, "second-key")


@pytest.mark.parametrize(
    ("by", "key", "ledger"),
    [
        (by_loss, same_key, "deleted"), (by_loss, second_key, "stays"), (by_loss, second_key, "renamed by hand"),
        (by_mismatch, same_key, "renamed by hand"), (by_mismatch, second_key, "deleted"),
        (by_command, same_key, "stays"), (by_command, second_key, "deleted"),
    ],
)  # fmt: skip
def test_no_other_key_or_ledger_loses_a_halt(
    make_bench: MakeBench, by: Callable[[Bench], None], key: Callable[[Bench], Signer], ledger: str
) -> None:
    bench = halted(make_bench, by)
    bench.end()
    if ledger == "deleted":
        bench.ledger_file.unlink()
    elif ledger != "stays":
        bench.ledger_file.rename(bench.ledger_file.with_name("my-old-ledger.db"))
    start_with(bench, key(bench))
    assert_halted(bench)
    assert len(bench.ledger.halts(standing=True)) == 1, "the report's ledger has it too, once"


@pytest.mark.parametrize("address", ADDRESSES[1:])
def test_another_address_loses_neither_halt_nor_ledger(make_bench: MakeBench, address: str) -> None:
    bench = halted(make_bench)
    begun = bench.ledger.begun
    start_with(bench, first_key(bench.exchange), address)
    assert_halted(bench)
    assert bench.ledger.begun == begun
    assert "another account's" not in bench.log


def test_the_halted_ledger_of_the_first_key_is_taken_up_again(make_bench: MakeBench) -> None:
    """Another user's bot used the folder meanwhile: it is not halted, and has a ledger of its own."""
    bench = halted(make_bench)
    begun, first = bench.ledger.begun, first_key(bench.exchange)
    bench.pass_time(3600)
    other = add_key(bench.exchange, "other-key", is_other_user=True)
    place_as(bench.exchange, other)
    start_with(bench, other)
    bench.run(cycles=1)
    assert len(bench.events("NEW SESSION")) == 2, "another user's account is not halted"
    assert bench.ledger.halts() == []
    (state_folder() / FILE_NAME).unlink()  # the ledger alone knows of the halt
    start_with(bench, first)
    assert_halted(bench)
    assert bench.ledger.begun == begun
    assert "is this account's; it is trade-sim-1.db again" in bench.log


def test_a_user_without_an_order_is_known_by_the_list_of_keys(make_bench: MakeBench) -> None:
    """Until the user is known every halt of this exchange on this machine holds. Neither key has an order: the
    list of keys tells that they are one user's."""
    bench = make_bench(programs=12, who=())
    bench.account.orders.clear()
    bench.account.resting.clear()
    first, second = first_key(bench.exchange), second_key(bench)
    by_command(bench)
    start_with(bench, second)
    assert_halted(bench)
    state = account_state(bench.settings.env, bench.connection)
    assert state.halts(own=True) == state.halts() != []
    assert first.key_id != second.key_id


def test_an_unknown_user_is_released_once_it_is_another(make_bench: MakeBench) -> None:
    bench = halted(make_bench)
    other = add_key(bench.exchange, "other-key", is_other_user=True)
    bench.exchange.api.without_key_list.add("other-key")
    start_with(bench, other)
    assert_halted(bench)
    place_as(bench.exchange, other)  # on the website
    sessions = len(bench.events("NEW SESSION"))
    bench.run(cycles=1)
    assert len(bench.events("NEW SESSION")) == sessions + 1


@pytest.mark.parametrize("where", ["its ledger", "another ledger", "the state alone"])
def test_resume_ends_the_halt_wherever_it_is_written(make_bench: MakeBench, where: str) -> None:
    bench = halted(make_bench)
    file = bench.ledger_file if where == "its ledger" else bench.ledger_file.with_name("elsewhere.db")
    state = account_state(bench.settings.env, bench.connection)
    if where == "the state alone":
        state.clear_halts(bench.exchange.clock.now(), "python main.py resume")
    else:
        assert "DAILY_LOSS_LIMIT" in emergency.clear_halts(file, state)
    bench.run(cycles=2)
    assert_quoting_once(bench)
    assert bench.ledger.halts(standing=True) == state.halts() == []
    bench.restart()
    bench.run(cycles=1)
    assert len(bench.events("HALT")) == 1, "and it stays ended"


def test_an_older_ledgers_halt_holds_for_the_other_key(make_bench: MakeBench) -> None:
    """An earlier version wrote a halt to the ledger alone. From the first cycle on it is the account's."""
    bench = halted(make_bench)
    (state_folder() / FILE_NAME).unlink()
    bench.restart()
    assert_halted(bench)
    bench.end()
    bench.ledger_file.unlink()
    start_with(bench, second_key(bench))
    assert_halted(bench)


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def garbage(file: Path) -> None:
    file.write_text("this is no database, and longer than the header of one would be" * 20)


def removed(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("break_it", [a_folder, garbage, removed])
def test_a_state_that_breaks_meanwhile_leaves_the_ledgers_halt(
    make_bench: MakeBench, break_it: Callable[[Path], None]
) -> None:
    bench = make_bench(programs=12, who=())
    bench.run(cycles=1)
    break_it(state_folder() / FILE_NAME)
    by_loss(bench)
    assert own_resting(bench) == []
    assert len(bench.ledger.halts(standing=True)) == 1
    if break_it is not removed:
        assert "The halt stands in the one that could be written" in bench.log
    bench.restart()
    assert_halted(bench)


def test_a_bot_without_a_state_says_what_that_means(make_bench: MakeBench) -> None:
    """Where no real money is at stake the bot trades on. Its log says that a halt is the ledger's alone."""
    state_folder().write_text("not a folder")
    bench = make_bench(programs=12, who=())
    bench.run(cycles=2)
    assert own_resting(bench)
    (line,) = [line for line in bench.events("INFO") if "goes on with its ledger alone" in line]
    assert "accounts.db" in line
    by_loss(bench)
    bench.restart()
    assert_halted(bench)


def test_a_halt_that_no_file_takes_is_written_later(make_bench: MakeBench) -> None:
    bench = make_bench(programs=12, who=())
    bench.run(cycles=1)
    file = state_folder() / FILE_NAME
    a_folder(file)
    bench.let_ledger_write(False)
    by_loss(bench)
    assert "The halt stands while this process runs" in bench.log
    assert own_resting(bench) == []
    file.rmdir()
    bench.let_ledger_write(True)
    bench.run(cycles=1)
    assert len(bench.ledger.halts(standing=True)) == 1
    assert len(account_state(bench.settings.env, bench.connection).halts()) == 1


def test_two_keys_of_one_user_do_not_trade_at_once(make_bench: MakeBench) -> None:
    """The second bot learns at its first contact whose the account is. It stops, and has sent only reads."""
    bench = make_bench(programs=12, who=())
    bench.run(cycles=1)
    resting = {order.order_id for order in bench.resting()}

    def is_held(user: str) -> None:
        assert user
        raise AlreadyRuns("Another bot trades on this account, with another key: process 1. Nothing was sent")

    bench.connection = replace(bench.connection, hold_user=is_held)
    bench.ledger_file = bench.ledger_file.with_name("elsewhere.db")
    start_with(bench, second_key(bench))
    sent = len(bench.wire.sent)
    assert bench.run(cycles=3) == 2
    assert {request.method for request in bench.wire.sent[sent:]} <= {"GET"}
    assert {order.order_id for order in bench.resting()} == resting
