"""What is concluded from another bot's orders: which of two halts, and whether a start finds a running bot."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import market_bot
from bot.another_bot import FoundAtStart, Watch, blocked
from bot.decision import headroom
from bot.observation import AccountSnapshot
from exchange import client_ids
from exchange.account import Position
from exchange.client_ids import Process
from exchange.json_fields import PartialList
from exchange.models import Order
from exchange.orderbook import Side
from tests.support import builders

D = Decimal
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)
OURS, THEIRS = Process("aaaaaaaa", 2_000), Process("bbbbbbbb", 1_000)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def order(sender: Process, name: str = "1", expires: float | None = 120, price: str = "0.50") -> Order:
    found = builders.order("KXA-1", Side.YES, price, 2, name)
    until = later(expires) if expires is not None else None
    return found._replace(client_order_id=sender.new_id(), expires=until)


def quiet(*_: object) -> None:
    pass


# -- ids ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_an_id_tells_its_process_and_the_exchange_takes_it(started: int) -> None:
    process = Process(client_ids.new_tag(), started)
    name = process.new_id()
    assert client_ids.sender(name) == process
    assert len(name) <= 64
    assert set(name) <= set("0123456789abcdefghijklmnopqrstuvwxyz-")
    assert process.new_id() != name


@pytest.mark.parametrize(
    ("name", "sender"),
    [
        ("lipbot-0a1b2c3d-0123456789abcdef0123456789abcdef", Process("0a1b2c3d", 0)),
        ("lipbot-0a1b2c3d-00000010-0123456789abcdef0123456789abcdef", Process("0a1b2c3d", 16)),
        ("lipbot-1", Process("1", 0)),
        ("lipbot-", Process("", 0)),
        ("lipbot-a-zzzzzzzz-0123456789abcdef0123456789abcdef", Process("a", 0)),
        ("typed-by-hand", None),
        ("my-lipbot-1", None),
        ("", None),
    ],
)
def test_ids_of_older_versions_and_of_people_are_read(name: str, sender: Process | None) -> None:
    assert client_ids.sender(name) == sender


# -- which of two halts ------------------------------------------------------------------------------------------


@given(
    st.integers(1, 100), st.integers(1, 100), st.integers(10, 600), st.integers(10, 600), st.integers(0, 600),
    st.integers(0, 600),
)  # fmt: skip
def test_of_two_bots_the_later_halts_whatever_their_cycles(
    first: int, second: int, one_cycle: int, other_cycle: int, one_phase: int, other_phase: int
) -> None:
    """Both look at the other's orders in their own cycles until one halts. The one that started later halts at
    its second look, the other never, unless both started in the same second."""
    one, other = Process("aaaaaaaa", first), Process("bbbbbbbb", second)
    looks = sorted(
        [(one_phase + one_cycle * n, one, other) for n in range(9)]
        + [(other_phase + other_cycle * n, other, one) for n in range(9)]
    )
    watches = {one: Watch(one_cycle), other: Watch(other_cycle)}
    halted: dict[Process, int] = {}
    seen = {one: 0, other: 0}
    for at, looker, stranger in looks:
        if looker not in halted and (stranger not in halted or first == second):
            seen[looker] += 1
            if watches[looker].look([order(stranger)], looker, later(at), quiet):
                halted[looker] = seen[looker]
    expected = {one, other} if first == second else {max(one, other, key=lambda p: p.started)}
    assert halted == dict.fromkeys(expected, 2)


@pytest.mark.parametrize(("gap", "halts"), [(1, True), (599, True), (601, False)])
def test_looks_far_apart_are_two_occasions(gap: float, halts: bool) -> None:
    watch = Watch(60)
    elder = [order(Process("bbbbbbbb", 1_000))]
    assert watch.look(elder, OURS, NOW, quiet) == ""
    assert watch.look([], OURS, later(gap / 2), quiet) == ""
    assert bool(watch.look(elder, OURS, later(gap), quiet)) is halts


def test_a_bot_that_restarts_again_and_again_is_one_stranger() -> None:
    """Each of its runs has another tag."""
    watch = Watch(60)
    assert watch.look([order(Process("bbbbbbbb", 1_000))], OURS, NOW, quiet) == ""
    assert "started no later" in watch.look([order(Process("cccccccc", 1_500))], OURS, later(60), quiet)


@pytest.mark.parametrize("started", [0, 1_000, 2_000])
def test_one_earlier_stranger_among_later_ones_halts(started: int) -> None:
    watch = Watch(60)
    found = [order(Process("cccccccc", 3_000)), order(Process("bbbbbbbb", started), "2")]
    assert watch.look(found, OURS, NOW, quiet) == ""
    assert watch.look(found, OURS, later(60), quiet)


def test_a_strangers_order_counts_like_a_persons() -> None:
    """It ties up what the bot may not commit, and blocks new orders by its market's name."""
    ours, theirs, typed = (
        order(OURS, "1"),
        order(THEIRS, "2"),
        builders.order("KXA-1", Side.NO, "0.30", 2, "3", False),
    )
    held: PartialList[Position] = PartialList(())
    account = AccountSnapshot((ours, theirs, typed), held, None, (), frozenset(), {}, frozenset({"2"}))
    assert account.ours == (ours,)
    assert account.theirs == (theirs, typed)
    assert blocked(account) == "another bot's orders rest in KXA-1"
    settings = market_bot.read_settings({"MAX_CAPITAL": 10})
    assert headroom(settings, account).capital == D(10) - D("0.50") * 2 - D("0.30") * 2
    assert blocked(account._replace(strangers=frozenset())) == ""


# -- at a start --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "runs"),
    [
        ([], False),
        ([order(THEIRS)], False),
        ([order(THEIRS)._replace(remaining=D(1), filled=D(1))], False),
        ([order(THEIRS, expires=180)], True),
        ([order(THEIRS, price="0.49")], True),
        ([order(THEIRS), order(THEIRS, "2")], True),
        ([order(THEIRS, "2")], True),
        ([order(THEIRS, expires=None)], True),
    ],
    ids=["expired", "as it was", "filled", "renewed", "moved", "one more", "placed again", "no expiry"],
)
def test_a_bot_runs_if_its_orders_change(after: list[Order], runs: bool) -> None:
    assert FoundAtStart([order(THEIRS)]).are_unchanged(after) is not runs


@given(st.floats(1, 600), st.floats(6, 3_600), st.floats(0, 1))
def test_a_start_waits_for_the_next_renewal(cycle: float, lives: float, part: float) -> None:
    """For a cycle of its own, and as long as a running bot of any cycle up to five minutes may take."""
    age = cycle * part  # renewed that long ago, so that it rests for the cycle and EXPIRATION_TS
    found = FoundAtStart([order(THEIRS, expires=cycle + lives - age)])
    waits = found.seconds_to_wait(20, NOW)
    assert waits >= 20
    assert waits >= min(cycle - age, 300)
    assert waits <= 300 or waits == 20


def test_orders_without_an_expiry_are_waited_for_as_well() -> None:
    assert FoundAtStart([order(THEIRS, expires=None)]).seconds_to_wait(60, NOW) == 60
