"""Orders of the bot's own earlier runs: they are canceled whenever they turn up, and halt nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from exchange import client_ids
from exchange.client_ids import Process
from ledger import schema
from tests.support.bench import (
    Bench,
    Beside,
    Killed,
    Said,
    assert_quoting_once,
    fill_quote,
    is_quote,
    own_resting,
    share,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("late", [0, 1, 3])
def test_a_late_order_of_an_earlier_run_is_canceled(bench: Bench, late: int) -> None:
    """The bot was killed in the middle of placing it. It halts nobody, however late it is listed."""

    def kill(request: Any, _: int) -> None:
        if is_quote(request):
            raise Killed

    bench.wire.after = kill
    with pytest.raises(Killed):
        bench.bot.start_trading()
    (order,) = own_resting(bench)
    bench.wire.after = None
    bench.let_expire([order])
    bench.restart()
    for _ in range(late):
        bench.bot.start_trading()
        bench.pass_time(60)
    name = client_ids.sender(order.client_order_id)
    assert name is not None
    bench.raw.place(ticker=order.ticker, client_order_id=name.new_id(), post_only=True)
    for _ in range(3):
        bench.bot.start_trading()
        bench.pass_time(60)
    reason = "NEW_SESSION" if late == 0 else "EARLIER_RUN"
    assert len([line for line in bench.events("CANCEL ORDER") if reason in line and "0.0100" in line]) == 1
    assert_quoting_once(bench)
    assert bench.events("HALT") == []
    assert "Another bot" not in bench.log


def test_a_tag_is_in_the_ledger_before_the_first_order(bench: Bench) -> None:
    """Nothing is placed while the ledger cannot keep the tag, and the log says so."""
    bench.let_ledger_write(False)
    bench.run(cycles=2)
    assert own_resting(bench) == []
    assert "trade-sim-1.db cannot be written" in bench.events("ERROR")[0]
    bench.let_ledger_write(True)

    def look(request: Any, _: int) -> None:
        if is_quote(request):
            assert bench.bot.session.bookkeeper.own.process.tag in bench.ledger.tags()

    bench.wire.fault = look
    bench.run(cycles=1)
    assert_quoting_once(bench)


def test_orders_of_an_older_version_are_own_after_an_upgrade(bench: Bench) -> None:
    """That version wrote no tags. Its orders that rest after the upgrade halt nobody, and the start does not
    wait for them."""
    bench.run(cycles=1)
    bench.end()
    tag, before = "0a1b2c3d", schema.MIGRATIONS.index(next(one for one in schema.MIGRATIONS if "own_tags" in one))
    db = sqlite3.connect(bench.ledger_file)
    db.execute("DROP TABLE own_tags")
    older = f"lipbot-{tag}-"
    db.execute("UPDATE orders SET client_order_id = ? || substr(client_order_id, 26)", (older,))
    db.execute(f"PRAGMA user_version = {before}")
    db.commit()
    db.close()
    for order in own_resting(bench):
        bench.let_expire([order])
    bench.pass_time(5)
    bench.raw.place(ticker="KXRAINCHI-26DEC09-T1", client_order_id=f"lipbot-{tag}-{'0' * 32}", post_only=True)
    bench.restart()
    assert tag in bench.ledger.tags()
    bench.run(cycles=2)
    assert "Waits: " not in bench.log
    assert_quoting_once(bench)


def test_the_sales_of_close_all_are_the_bots_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., Said]
) -> None:
    """What the command sold counts against what the bot opened, also with real money."""
    share(bench, monkeypatch)
    bench.run(cycles=1)
    ticker, _ = fill_quote(bench)
    bench.bot.session.bookkeeper.read_fills()
    assert typed("close-all", "--yes").code == 0
    bench.run(cycles=1)
    assert typed("resume", "--yes").code == 0
    bench.run(cycles=1)
    assert bench.held().get(ticker) is None
    assert bench.ledger.opened_positions().get(ticker) is None


def test_status_tells_another_bots_orders_from_the_bots(beside: Beside) -> None:
    bench, typed = beside
    bench.run(cycles=1)
    name = Process("feedbeef", 1).new_id()
    bench.raw.place(ticker=bench.resting()[0].ticker, post_only=True, client_order_id=name)
    bench.restart()  # its own orders are those of an earlier run
    orders = typed("--json").json["orders"]
    assert sorted(row["is_ours"] for row in orders) == [False, True, True, True, True]
    assert [row["price"] for row in orders if not row["is_ours"]] == ["0.0100"]
