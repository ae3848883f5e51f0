"""The watch beside a trading bot: no cash is lost or made up, whatever happens on the way."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchange.reserves import BalanceReading
from ledger.markouts import POINTS
from report.build import Cash, Report, build_report
from report.facts import read_report_facts
from simulator import lifecycle
from tests.support.bench import (
    BUSY,
    STILL,
    Bench,
    Killed,
    MakeBench,
    answer,
    place_by_hand,
    trade_cycles,
    unavailable,
)

pytestmark = pytest.mark.slow

D = Decimal


def told(bench: Bench) -> Report:
    return build_report(read_report_facts(bench.ledger))


def cash(bench: Bench) -> Cash:
    found = told(bench).cash
    assert found is not None
    return found


def moves(kind: str, **more: Any) -> list[dict[str, Any]]:
    return [{"do": kind, "from": 90, **more}]


def test_a_steady_bot_explains_all_its_cash(make_bench: MakeBench) -> None:
    bench = make_bench(**BUSY)
    bench.know_balance()
    bench.run(12, Killed)
    assert len(bench.ledger.fills()) > 6
    seen = cash(bench)
    assert seen.unexplained == 0
    assert seen.traded != 0
    (span,) = read_report_facts(bench.ledger).cash_spans
    assert span.until - span.since > timedelta(minutes=8)


def test_cash_that_a_person_takes_out_or_moves_is_explained(
    make_bench: MakeBench,
) -> None:
    """The exchange's lists explain cash that a person withdraws, sets aside or moves to another shard."""
    taken = moves("cash_withdrawn", amount=50) + moves("cash_set_aside", amount=20)
    bench = make_bench(faults=taken + moves("cash_moved", destination=3, amount=30), **STILL)
    bench.know_balance()
    trade_cycles(bench, 5)
    seen = cash(bench)
    assert (seen.paid_in, seen.unexplained) == (-70, 0)
    assert told(bench).unexplained == []


def test_a_deposit_with_a_fee_is_explained_to_the_cent(make_bench: MakeBench) -> None:
    """What is missing of the deposit is not unexplained, so a reward that comes with it is not hidden by it."""
    taken = moves("cash_deposited", amount=378, fee=7.56)
    bench = make_bench(faults=taken, **STILL)
    bench.know_balance()
    trade_cycles(bench, 5)
    assert (cash(bench).paid_in, cash(bench).unexplained) == (D("370.44"), 0)
    assert told(bench).unexplained == []
    bench.restart()
    trade_cycles(bench, 3)
    assert (cash(bench).paid_in, cash(bench).unexplained) == (D("370.44"), 0)


def test_unexplained_cash_is_logged_and_never_a_reward(
    make_bench: MakeBench,
) -> None:
    """Cash that came without a fill, payment or reward window is logged and reported with the reason. It is not
    counted as a reward."""
    bench = make_bench(faults=moves("cash_given", amount=41.17), **STILL)
    bench.know_balance()
    trade_cycles(bench, 5)
    seen = told(bench)
    assert seen.total.money.credited == 0
    assert [(one.amount, one.why) for one in seen.unexplained] == [
        (D("41.17"), "no window that could pay had ended 1 hour to 3 days before")
    ]
    assert [line for line in bench.events("INFO") if "Cash: $41.1700 came that no fill" in line]


@pytest.mark.parametrize("balance", ["net", "gross"])
def test_cash_is_seen_before_the_balances_reading_is_known(make_bench: MakeBench, balance: str) -> None:
    """One contract a side: the quotes never change by so much that they show it. A reward is seen all the same,
    and quotes that come and go are no cash."""
    bench = make_bench(faults=[{"do": "cash_given", "from": 500, "amount": 7.25}], who=(), balance=balance)
    trade_cycles(bench, 6)
    bench.raw.place(
        ticker=bench.resting()[0].ticker, count="9.00", price="0.0100", client_order_id="typed-by-hand"
    )
    trade_cycles(bench, 6)
    assert bench.bot.session.bookkeeper.balance_watch.known.rule.balance is BalanceReading.NOT_KNOWN
    assert [line for line in bench.events("INFO") if "Cash: $" in line] != []
    assert [one.amount for one in told(bench).unexplained] == [D("7.25")]


def test_payments_are_not_read_at_each_change_of_the_orders(make_bench: MakeBench) -> None:
    """As long as it is not known how the balance is meant, a change of the orders begins a new span of cash, once
    they rest for two looks. A busy board would cost four lists a cycle."""
    bench = make_bench(**STILL)
    trade_cycles(bench, 1)
    ticker = bench.resting()[0].ticker
    for number in range(5):
        place_by_hand(bench, ticker, name=f"another-{number}")
        trade_cycles(bench, 1)
    assert [path for path in bench.wire.asked() if path.endswith("/deposits")] == []


def test_cash_that_came_while_the_bot_was_down_is_seen(make_bench: MakeBench) -> None:
    """After its restart the bot reports the cash as unexplained."""
    bench = make_bench(faults=moves("cash_given", amount=7.25), **STILL)
    bench.know_balance()
    trade_cycles(bench, 1)
    bench.pass_time(3_600)
    bench.restart()
    trade_cycles(bench, 3)
    assert cash(bench).unexplained == D("7.25")


def test_an_unreadable_payment_list_leaves_no_cash_unexplained(
    make_bench: MakeBench,
) -> None:
    """If the list of withdrawals cannot be read, no withdrawal becomes unexplained cash. Trading goes on, and
    the bot reads the list again now and then."""
    bench = make_bench(faults=moves("cash_withdrawn", amount=50), **STILL)
    bench.know_balance()
    trade_cycles(bench, 1)
    bench.wire.fault = lambda request, _: unavailable if "withdrawals" in request.path_url else None
    trade_cycles(bench, 3)
    assert len(bench.resting()) == 4, "trading goes on"
    assert cash(bench).paid_in == cash(bench).unexplained == 0
    asked = [request for request in bench.wire.sent if "withdrawals" in request.path_url]
    assert len(asked) < 40, "repeated in the first look only, then once in a while"
    bench.wire.fault = None
    trade_cycles(bench, 10)
    assert (cash(bench).paid_in, cash(bench).unexplained) == (-50, 0)


def test_a_deposit_that_is_not_there_yet_explains_nothing(make_bench: MakeBench) -> None:
    bench = make_bench(faults=moves("cash_given", amount=50), **STILL)
    bench.know_balance()
    on_its_way = (
        '{"deposits": [{"id": "d", "status": "pending", "amount_cents": 5000, "fee_cents": 0, "created_ts": 1}]}'
    )
    give = answer(200, on_its_way)
    bench.wire.fault = lambda request, _: give if "deposits" in request.path_url else None
    trade_cycles(bench, 4)
    assert (cash(bench).paid_in, cash(bench).unexplained) == (0, 50)


def test_a_payment_that_is_no_longer_listed_stays_known(
    make_bench: MakeBench,
) -> None:
    """A withdrawal that the exchange no longer lists does not turn into cash, not even after a restart."""
    bench = make_bench(faults=moves("cash_withdrawn", amount=50), **STILL)
    bench.know_balance()
    trade_cycles(bench, 4)
    bench.account.withdrawals.clear()
    bench.restart()
    trade_cycles(bench, 3)
    assert (cash(bench).paid_in, cash(bench).unexplained) == (-50, 0)


def test_every_fill_gets_its_prices_from_looks_or_from_candles(make_bench: MakeBench) -> None:
    bench = make_bench(**BUSY)
    bench.run(8, Killed)
    fills = [one for one in bench.ledger.changes() if one.time]
    assert len(fills) > 6
    bench.pass_time(3 * 3_600)  # killed; nobody looks at what happens in the hours after
    bench.restart()
    bench.run(2, Killed)
    known = bench.ledger.markouts()
    for name in POINTS:
        assert len([point for point in known if point.name == name]) >= len(fills), name
    assert {seen.is_candle for seen in known.values()} == {False, True}
    for row in told(bench).markouts[:-1]:
        assert row.missing <= 2, row


def test_the_payout_of_a_market_is_known_without_a_position(make_bench: MakeBench) -> None:
    """The ledger has what a traded market paid, though the bot held nothing there in the end."""
    bench = make_bench(**BUSY)
    bench.run(6, Killed)
    ticker = next(one.ticker for one in bench.ledger.changes())
    exchange = bench.exchange.api.exchange
    lifecycle.settle_now(exchange, exchange.markets[ticker], "no")
    bench.pass_time(600)
    bench.restart()
    bench.run(2, Killed)
    assert read_report_facts(bench.ledger).outcomes[ticker].yes_payout == 0
