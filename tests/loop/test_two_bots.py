"""Two bots on one account, each with its own ledger: neither harms the other, and one of them stops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clients import Environment
from exchange import client_ids
from exchange.client_ids import Process
from execution import cancel_reasons
from tests.support.bench import (
    Bench,
    MakeBench,
    assert_quoting_once,
    fill_quote,
    own_resting,
)
from tests.support.two_bots import Pair, join, start_at

pytestmark = pytest.mark.slow


@pytest.fixture
def make_pair(make_bench: MakeBench) -> Iterator[Any]:
    made: list[Pair] = []

    def make(second: dict[str, Any] | None = None, **changed: Any) -> Pair:
        first = make_bench(who=(), **changed)
        made.append(Pair(first, join(first, **(second or {}))))
        return made[-1]

    yield make
    for pair in made:
        pair.close()


def settle(pair: Pair, schedule: list[tuple[float, int]], seconds: float, nested: bool = False) -> None:
    """Run cycles at the times of a schedule: pairs of seconds from now, and which bot (0 or 1)."""
    clock = pair.first.exchange.clock
    begins = clock.now()
    bots = (pair.first, pair.second)
    for at, which in sorted(schedule):
        if at > seconds:
            break
        clock.advance(max(at - (clock.now() - begins).total_seconds(), 0))
        pair.turn(bots[which], bots[1 - which] if nested else None)


def every(step: float, offset: float, which: int, seconds: float = 480) -> list[tuple[float, int]]:
    return [(offset + step * number, which) for number in range(int((seconds - offset) / step) + 1)]


def assert_first_goes_on(pair: Pair) -> None:
    """The second bot halted, the first quotes, and no bot touched the other's orders."""
    assert pair.misdeeds == []
    assert pair.of(pair.second) == []
    (halt,) = pair.second.events("HALT")
    assert "another bot trades on this account and started no later" in halt
    assert pair.first.events("HALT") == []
    assert len(pair.of(pair.first)) == 4
    assert_quoting_once(pair.first)


@pytest.mark.parametrize(
    ("first", "second", "offset"),
    [(60, 60, 1), (60, 60, 30), (60, 60, 59), (60, 20, 7), (20, 60, 7), (60, 180, 50), (180, 60, 50)],
)
def test_the_later_bot_halts_and_the_other_goes_on(
    make_pair: Any, first: float, second: float, offset: float
) -> None:
    """Whatever the phase and the ratio of their cycles, one bot halts and the other quotes at the end."""
    pair = make_pair({"wait_time": second}, WAIT_TIME=first, EXPIRATION_TS=1)
    settle(pair, every(first, 0, 0, 480) + every(second, offset, 1, 480), 480)
    assert_first_goes_on(pair)


def test_bots_in_step_do_not_cancel_each_others_orders(make_pair: Any) -> None:
    """Each looks before the other writes, in every cycle: both place at first, and then one halts."""
    pair = make_pair()
    pair.turn(pair.first)
    pair.turn(pair.second)
    assert pair.of(pair.second) == [], "the second bot saw the first one's orders"
    for _ in range(6):
        pair.first.pass_time(60)
        pair.turn(pair.first, nested=pair.second)
    assert_first_goes_on(pair)


def test_bots_that_both_placed_before_either_saw_the_other(make_pair: Any) -> None:
    pair = make_pair()
    start_at(pair.first, 1_000)
    start_at(pair.second, 1_001)
    pair.first.bot.session.begin(pair.first.settings, pair.first.client.get_exchange_status())
    pair.turn(pair.first, nested=pair.second)
    assert len(pair.of(pair.first)) == len(pair.of(pair.second)) == 4
    for _ in range(4):
        pair.first.pass_time(60)
        pair.turn(pair.first, nested=pair.second)
    assert_first_goes_on(pair)


@pytest.mark.parametrize("started", [1_000, 0])
def test_bots_that_started_in_the_same_second_both_halt(make_pair: Any, started: int) -> None:
    pair = make_pair()
    for bench in (pair.first, pair.second):
        start_at(bench, 1_000)
    pair.first.bot.session.begin(pair.first.settings, pair.first.client.get_exchange_status())
    pair.turn(pair.first, nested=pair.second)
    assert len(pair.of(pair.first)) == len(pair.of(pair.second)) == 4
    for _ in range(3):
        pair.first.pass_time(60)
        pair.turn(pair.first, nested=pair.second)
    assert pair.misdeeds == []
    assert pair.first.resting() == []
    for bench in (pair.first, pair.second):
        assert len(bench.events("HALT")) == 1


def test_nothing_is_sold_while_a_strangers_order_rests(make_pair: Any) -> None:
    """A position is kept while another bot may sell it too. It is sold when that bot's orders are gone. Renewals
    go on meanwhile."""
    pair = make_pair()
    bench = pair.first
    pair.turn(bench)
    later = Process("feedbeef", 2**31).new_id()
    order_id = bench.raw.place(ticker="KXRAINCHI-26DEC09-T1", post_only=True, client_order_id=later)
    ticker, _ = fill_quote(bench)
    resting = {order.order_id for order in pair.of(bench)}
    for _ in range(3):
        bench.pass_time(60)
        pair.turn(bench)
        assert bench.held()[ticker] > 0
        assert {order.order_id for order in pair.of(bench)} <= resting
        assert f"Orders: {len(pair.of(bench))} (" in bench.events("CYCLE")[-1], "the other's is not among them"
    assert len(pair.of(bench)) >= 2, "the others are renewed"
    assert len([line for line in bench.events("ERROR") if "Another bot trades on this account" in line]) == 1
    assert any("Reason: HALT | another bot's orders rest in KXRAINCHI" in x for x in bench.events("REFUSED ORDER"))
    bench.let_expire([order for order in bench.resting() if order.order_id == order_id])
    bench.pass_time(60)
    pair.turn(bench)
    assert ticker not in bench.held()
    assert "its orders are gone" in bench.log
    bench.pass_time(600)
    pair.turn(bench)
    assert_quoting_once(bench)
    assert (bench.events("HALT"), pair.misdeeds) == ([], [])
    bench.restart()
    pair.turn(bench)  # a session's start reads the orders that ended, too
    senders = {client_ids.sender(record.client_order_id) for record in bench.ledger.orders()}
    assert Process("feedbeef", 2**31) not in senders, "its seconds are not the bot's"


@pytest.mark.parametrize("name", ["lipbot-0a1b2c3d-0123456789abcdef0123456789abcdef", "lipbot-x", "lipbot-"])
def test_a_bot_of_an_older_version_counts_as_the_earlier(make_pair: Any, name: str) -> None:
    pair = make_pair()
    bench = pair.first
    pair.turn(bench)
    bench.raw.place(ticker="KXRAINCHI-26DEC09-T1", post_only=True, client_order_id=name)
    for _ in range(2):
        bench.pass_time(60)
        assert len(bench.events("HALT")) == 0
        pair.turn(bench)
    assert "started no later, at a time that is not known" in bench.events("HALT")[0]
    assert len(bench.resting()) == 1


@pytest.mark.parametrize("minutes", [4, 11])
def test_two_looks_count_together_only_if_they_are_near(make_pair: Any, minutes: int) -> None:
    """An order that is gone at the next looks is no running bot, unless one turns up again soon."""
    pair = make_pair()
    bench = pair.first
    pair.turn(bench)
    for number in range(2):
        name = Process(f"feedbee{number}", 1_000).new_id()
        found = bench.raw.place(ticker="KXRAINCHI-26DEC09-T1", post_only=True, client_order_id=name)
        pair.turn(bench)
        bench.let_expire([order for order in bench.resting() if order.order_id == found])
        for _ in range(minutes):
            bench.pass_time(59)
            pair.turn(bench)
    assert len(bench.events("HALT")) == (minutes < 10)


def test_a_halt_an_outage_and_a_stop_cancel_no_strangers_order(make_pair: Any) -> None:
    pair = make_pair()
    bench = pair.first
    pair.turn(bench)
    name = Process("feedbeef", 2**31).new_id()
    order_id = bench.raw.place(ticker="KXRAINCHI-26DEC09-T1", post_only=True, client_order_id=name)
    session = bench.bot.session
    session.halts.halt("python main.py cancel-all", (), None)
    assert [order.order_id for order in bench.resting()] == [order_id]
    session.withdraw(cancel_reasons.OUTAGE)
    session.stop("Ctrl-C")
    assert [order.order_id for order in bench.resting()] == [order_id]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_session_start_spares_an_order_that_comes_meanwhile(bench: Bench, number: int) -> None:
    """Another bot places at this look of the start. Its order stays, the positions are kept, nothing is placed."""
    looks: list[str] = []
    held = bench.held()

    def come(request: Any, _: int) -> None:
        looks.extend(["look"] if "/portfolio/orders" in request.path_url and request.method == "GET" else [])
        if len(looks) == number:
            bench.wire.after = None
            name = Process("feedbeef", 2**31).new_id()
            bench.raw.place(ticker="KXRAINCHI-26DEC09-T1", post_only=True, client_order_id=name)

    bench.wire.after = come
    for _ in range(3):
        bench.bot.start_trading()
        bench.pass_time(60)
    (order,) = own_resting(bench)
    assert order.client_order_id.startswith("lipbot-feedbeef-")
    assert bench.held() == held
    assert bench.events("HALT") == bench.events("OPEN ORDER") == []
    assert len([line for line in bench.events("ERROR") if "Another bot trades on this account" in line]) == 1


# -- starts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [(60, 60), (180, 60), (60, 20), (20, 60), (100, 20)])
def test_a_bot_does_not_start_next_to_one_that_renews(make_pair: Any, first: float, second: float) -> None:
    """Exit code 2, nothing sold and nothing canceled, also if the other's cycles are longer."""
    pair = make_pair({"wait_time": second}, WAIT_TIME=first)
    pair.turn(pair.first)
    before = [order.order_id for order in pair.first.resting()]
    pair.first.pass_time(first / 3)
    code = pair.sleep_beside(pair.second, 900, first)
    assert code == 2
    assert [order.order_id for order in pair.first.resting()] == before
    assert pair.misdeeds == []
    assert "Another bot trades on this account: it renewed or placed orders in" in pair.second.events("STOP")[0]
    assert pair.second.events("NEW SESSION") == []


@pytest.mark.parametrize("back", [7, 20, 58])
def test_a_bot_that_clears_its_account_is_a_running_one(make_pair: Any, back: int) -> None:
    """All its orders are gone for a while, because it begins a new session. The start goes on looking."""
    pair = make_pair()
    bench, clock = pair.first, pair.first.exchange.clock
    pair.turn(bench)
    gone, sleep, began = bench.resting(), clock.sleep, clock.now()

    def watched(seconds: float) -> None:
        sleep(seconds)
        since = (clock.now() - began).total_seconds()
        bench.let_expire([order for order in gone if order.status == "resting"])
        if since >= back and not pair.of(bench):
            name = bench.bot.session.bookkeeper.own.process.new_id()
            bench.raw.place(ticker="KXRAINCHI-26DEC09-T1", post_only=True, client_order_id=name)

    clock.sleep = watched
    assert pair.second.bot.run() == 2
    clock.sleep = sleep
    assert pair.second.events("NEW SESSION") == []


def test_one_trades_if_the_other_slept_through_its_start(make_pair: Any) -> None:
    """The other's orders are not renewed while its machine sleeps. When it wakes, it does not trade beside the
    new one."""
    pair = make_pair()
    pair.turn(pair.first)
    assert pair.sleep_beside(pair.second, 400, 0) is None
    assert len(pair.of(pair.second)) == 4
    assert pair.of(pair.first) == []
    for _ in range(5):
        pair.first.pass_time(30)
        pair.turn(pair.first)
        pair.first.pass_time(30)
        pair.turn(pair.second)
    assert pair.of(pair.first) == []
    assert len(pair.of(pair.second)) == 4
    assert "Another bot trades on this account" in pair.first.events("ERROR")[-1]


@pytest.mark.parametrize(
    ("wait", "lives", "waits"), [(60, 60, (95, 120)), (200, 60, (200, 200)), (20, 3_600, (300, 300))]
)
def test_after_a_lost_ledger_the_orders_are_left_over(
    make_pair: Any, wait: float, lives: float, waits: tuple[int, int]
) -> None:
    """They are canceled after a wait, or have expired, and the bot quotes without a halt."""
    pair = make_pair({"wait_time": wait}, EXPIRATION_TS=lives / 60)
    bench = pair.first
    pair.turn(bench)
    assert pair.sleep_beside(pair.second, 700, 0) is None
    assert len(pair.of(pair.second)) == 4
    assert pair.of(bench) == []
    assert pair.second.events("HALT") == []
    lines = [line for line in pair.second.events("INFO") if "Another bot" in line]
    waited = int(lines[0].rpartition("Waits: ")[2].removesuffix(" s"))
    assert waits[0] <= waited <= waits[1]
    assert ("4 are left over and will be canceled" if wait != 200 else "their orders are gone") in lines[1]
    canceled = [line for line in pair.second.events("CANCEL ORDER") if "NEW_SESSION" in line]
    assert len(canceled) == (4 if wait != 200 else 0)


def test_ctrl_c_while_a_start_waits_stops_at_once(make_pair: Any) -> None:
    """Nothing was sent, and no time is spent on canceling."""
    pair = make_pair()
    pair.turn(pair.first)
    sent, now = len(pair.first.wire.sent), pair.first.exchange.clock.now()
    assert pair.second.run(cycles=1, end=KeyboardInterrupt, waits_in={"_is_alone"}) == 0
    assert {request.method for request in pair.first.wire.sent[sent:]} == {"GET"}
    assert (pair.first.exchange.clock.now() - now).total_seconds() < 2
    assert "[SHUTDOWN] Nothing was placed or canceled" in pair.second.log
    assert len(pair.of(pair.first)) == 4


def test_real_money_lists_what_another_copy_left(make_pair: Any) -> None:
    pair = make_pair(EXPIRATION_TS=30)
    pair.turn(pair.first)
    asked: list[int] = []

    def refuse(_: str) -> bool:
        asked.append(len(pair.of(pair.first)))
        return False

    pair.second.confirm = refuse
    pair.second.restart(env=Environment.PROD)
    assert pair.sleep_beside(pair.second, 600, 0) == 2
    assert asked == [4], "nothing was canceled before"
    found = pair.second.events("FOUND ORDER")
    assert len(found) == 4
    assert all("another copy of the bot left it" in line for line in found)


def test_a_start_that_finds_a_halt_leaves_strangers_alone(make_pair: Any) -> None:
    """A halted bot waits for nothing and cancels only its own orders."""
    pair = make_pair()
    pair.turn(pair.second)
    pair.second.bot.session.halts.halt("python main.py cancel-all", (), None)
    pair.first.pass_time(5)
    pair.turn(pair.first)
    assert len(pair.of(pair.first)) == 4
    pair.second.restart()
    assert pair.sleep_beside(pair.second, 50, 0) is None
    assert len(pair.of(pair.first)) == 4
    assert "Waits: " not in pair.second.log
