"""What is the account's, call by call: cash, orders, holdings and payments are read as the exchange has them, and
no list is believed before it is up to date."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.account import BucketLimit, PaymentStatus
from exchange.models import OrderStatus, TimeInForce
from exchange.orderbook import Side
from simulator import lifecycle
from simulator.opening import CASH
from simulator.reading import SPEC
from tests.support import call_coverage
from tests.support.bench import Bench, MakeBench
from tests.support.call_coverage import (
    SHARD_0,
    SHARD_3,
    about,
    ask_for,
    dollars,
    market,
    place,
    queue,
    real,
    taken_by_others,
    wait,
)
from tests.support.project import START

D = Decimal

bench, open_bench = call_coverage.bench, call_coverage.open_bench


@about("lists_are_current", "get_lists_time")
def test_lists_that_lag_behind_a_write_are_not_believed(open_bench: MakeBench) -> None:
    """After a create or a cancel the bot does not believe the lists until they show what was sent. A read does
    not change that."""
    bench = open_bench(faults=[{"do": "stale", "on": "GET /*", "seconds": 5}])
    assert bench.client.lists_are_current(), "nothing was sent"
    assert bench.client.requests_sent == 0
    response = bench.client.create_order(ask_for(bench, "new"))
    assert response.order_id in bench.account.resting
    assert not bench.client.lists_are_current()
    assert response.order_id not in {order.order_id for order in bench.client.get_resting_orders()}
    wait(bench, 6)
    assert bench.client.lists_are_current()
    (order,) = [o for o in bench.client.get_resting_orders() if o.order_id == response.order_id]
    bench.client.cancel_order(order)
    assert not bench.client.lists_are_current(), "a cancel is a write too"
    assert order.order_id in {o.order_id for o in bench.client.get_resting_orders()}
    wait(bench, 6)
    bench.client.get_resting_orders()
    assert bench.client.lists_are_current(), "a read is none"


def test_lists_that_do_not_lag_are_believed_at_once(open_bench: MakeBench) -> None:
    bench = open_bench(reading=SPEC)
    bench.client.create_order(ask_for(bench, "new"))
    assert bench.client.lists_are_current()


@about("lists_are_current")
def test_a_write_without_a_time_in_its_answer_is_waited_for(bench: Bench) -> None:
    """The bot does not believe the lists for as long as the clocks may differ, about two seconds."""
    bench.client.cancel_all_orders()
    assert not bench.client.lists_are_current()
    wait(bench, 2.5)
    assert bench.client.lists_are_current()


@about("read_limits")
def test_a_higher_tier_is_made_use_of_and_not_overdrawn(open_bench: MakeBench) -> None:
    bench = open_bench(tier="advanced")
    assert bench.client.limits.tier == "basic", "the lowest until it is known"
    limits = bench.client.read_limits()
    assert (limits.tier, limits.read, limits.write) == ("advanced", BucketLimit(300, 900), BucketLimit(300, 900))
    assert bench.client.limits == limits
    began = bench.exchange.clock.now()
    for number in range(60):
        bench.client.create_order(ask_for(bench, f"n-{number}", count="0.01"))
    seconds = (bench.exchange.clock.now() - began).total_seconds()
    assert seconds < 60 * 0.06, "60 creates fit into its bucket; the lowest tier would take 5 s"
    assert all(response.status_code != 429 for response in bench.wire.answers)


@about("get_balance")
def test_cash_of_one_shard_is_not_taken_for_anothers(open_bench: MakeBench) -> None:
    """If the balance is net, an order lowers that of its own shard only."""
    bench = open_bench(balance="net")
    before = bench.client.get_balance()
    place(bench, "mine", count="10.00")
    balance = bench.client.get_balance()
    exchange = bench.exchange.api.exchange
    assert balance.by_shard == {n: dollars(exchange.free_cash(bench.account, n)) for n in range(4)}
    assert balance.total == sum(balance.by_shard.values())
    assert before.by_shard[3] - balance.by_shard[3] >= D("5.00")
    assert [before.by_shard[n] - balance.by_shard[n] for n in (0, 1, 2)] == [0, 0, 0]


@about("get_positions")
def test_what_is_held_is_listed_and_what_was_closed_is_not(bench: Bench) -> None:
    """Each position has its side, its size and its cost."""
    positions = {p.ticker: p for p in bench.client.get_positions().all_or_raise()}
    held = {ticker: h for ticker, h in bench.account.holdings.items() if h.count}
    assert set(positions) == set(held)
    for ticker, holding in held.items():
        ours = positions[ticker]
        assert (ours.count * 100, ours.exposure) == (holding.count, dollars(holding.cost))
        assert (ours.side, ours.size) == (Side.YES if holding.count > 0 else Side.NO, abs(ours.count))
    assert {p.side for p in positions.values()} == {Side.YES, Side.NO}
    bench.client.create_order(
        ask_for(bench, "sell", "KXHIGHCHI-26NOV24-B3.5", side=Side.NO, price="0.9900", count="3.00",
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL, reduce_only=True)
    )  # fmt: skip
    assert bench.account.holdings["KXHIGHCHI-26NOV24-B3.5"].count == 0
    assert "KXHIGHCHI-26NOV24-B3.5" not in {p.ticker for p in bench.client.get_positions()}
    bench.client.create_order(
        ask_for(bench, "buy", count="1.25", price="0.5300", time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    )
    (new,) = [p for p in bench.client.get_positions() if p.ticker == SHARD_3]
    assert (new.count, new.exposure, new.exchange_index) == (D("1.25"), D("0.6625"), 3)


@about("get_resting_orders")
def test_no_order_that_rests_is_missed_whoever_sent_it(bench: Bench) -> None:
    expires = START + timedelta(minutes=7)
    place(bench, "mine", side=Side.NO, price="0.4000", expires=expires)
    taken_by_others(bench, SHARD_3, True, 6_000, 10**9)
    listed = {order.order_id: order for order in bench.client.get_resting_orders().all_or_raise()}
    resting = {order.order_id: order for order in bench.resting()}
    assert set(listed) == set(resting)
    assert any(order.client_order_id.startswith("by-hand") for order in listed.values())
    for order_id, theirs in resting.items():
        ours = listed[order_id]
        price = D(theirs.price) / 10_000
        assert (ours.ticker, ours.client_order_id) == (theirs.ticker, theirs.client_order_id)
        assert (ours.side, ours.price) == ((Side.YES, price) if theirs.is_bid else (Side.NO, 1 - price))
        counts = (ours.asked, ours.filled, ours.remaining)
        assert counts == (D(theirs.asked) / 100, D(theirs.filled) / 100, D(theirs.remaining) / 100)
        assert ours.exchange_index == market(bench, ours.ticker).shard
        assert ours.fees == dollars(theirs.maker_fees + theirs.taker_fees)
        assert ours.expires == (None if theirs.expires is None else expires)
        assert ours.status is OrderStatus.RESTING


def test_a_partly_filled_order_shows_what_is_left_of_it(bench: Bench) -> None:
    """The order also shows what was asked, what was filled and the fees that it paid."""
    order = place(bench, "mine", price="0.5200", count="4.00")
    taken_by_others(bench, SHARD_3, False, 5_200, queue(bench, order) + 150)
    (order,) = [o for o in bench.client.get_resting_orders() if o.order_id == order.order_id]
    assert (order.asked, order.filled, order.remaining) == (4, D("1.5"), D("2.5"))
    assert order.fees == dollars(real(bench, order).maker_fees) > 0


@about("get_orders")
def test_what_became_of_an_order_is_told_with_its_times(bench: Bench) -> None:
    """Resting, filled and canceled orders have their status, the time of their creation and the time of their
    last change."""
    wait(bench, 3_600)
    since = bench.client.clock.now()
    gone, filled, rests = (
        place(bench, name, price="0.5200", count="4.00") for name in ("gone", "filled", "rests")
    )
    bench.client.cancel_order(gone)
    wait(bench, 100)
    taken_by_others(bench, SHARD_3, False, 5_200, queue(bench, filled) + 400)
    orders = {order.order_id: order for order in bench.client.get_orders(since)}
    assert set(orders) == {gone.order_id, filled.order_id, rests.order_id}
    statuses = [orders[one.order_id].status for one in (gone, filled, rests)]
    assert statuses == [OrderStatus.CANCELED, OrderStatus.EXECUTED, OrderStatus.RESTING]
    for order in orders.values():
        theirs = real(bench, order)
        assert order.created is not None
        assert order.updated is not None
        assert order.created.timestamp() == pytest.approx(theirs.created, abs=1e-5)
        assert order.updated.timestamp() == pytest.approx(theirs.updated, abs=1e-5)
    assert (orders[filled.order_id].updated or since) >= since + timedelta(seconds=100)
    assert len(bench.client.get_orders(since + timedelta(seconds=50))) == 0


@about("get_fills")
def test_no_fill_since_a_time_is_missed(bench: Bench) -> None:
    """Each fill has its price, its fee and its time, and the oldest comes first."""
    wait(bench, 3_600)
    since = bench.client.clock.now()
    order = place(bench, "maker", price="0.5200", count="4.00")
    taken_by_others(bench, SHARD_3, False, 5_200, queue(bench, order) + 150)
    wait(bench, 10)
    taken_by_others(bench, SHARD_3, False, 5_200, 250)
    bench.client.create_order(
        ask_for(bench, "taker", SHARD_0, side=Side.NO, price="0.8700", count="1.00",
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    )  # fmt: skip
    fills = bench.client.get_fills(since).all_or_raise()
    theirs = [fill for fill in bench.account.fills if fill.time >= since.timestamp()]
    assert [fill.time for fill in fills] == sorted(fill.time for fill in fills), "oldest first"
    assert sorted((f.order_id, f.count * 100, f.fee, f.is_taker) for f in fills) == sorted(
        (f.order_id, D(f.size), dollars(f.fee), f.is_taker) for f in theirs
    )
    maker = [fill for fill in fills if fill.order_id == order.order_id]
    assert [(f.side, f.price, f.count) for f in maker] == [
        (Side.YES, D("0.52"), D("1.5")), (Side.YES, D("0.52"), D("2.5"))
    ]  # fmt: skip
    assert sum(f.fee for f in maker) == dollars(real(bench, order).maker_fees) > 0
    assert [(f.side, f.price, f.is_taker) for f in fills if f.ticker == SHARD_0] == [(Side.NO, D("0.87"), True)]
    assert len({f.fill_id for f in fills}) == len(fills)
    assert len(bench.client.get_fills(START)) == len(bench.account.fills) > len(fills)
    later = bench.client.clock.now() + timedelta(hours=1)
    assert bench.client.get_fills(later) == bench.client.get_fills(later + timedelta(hours=1))
    assert len(bench.client.get_fills(later)) == 0


@about("get_settlements")
def test_what_a_market_paid_out_is_what_arrived(bench: Bench) -> None:
    exchange = bench.exchange.api.exchange
    won, lost = "KXHIGHCHI-26NOV24-B3.5", "KXHIGHCHI-26NOV24-B4.5"
    bench.client.create_order(
        ask_for(bench, "more", price="0.5300", count="2.50", time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    )
    assert len(bench.client.get_settlements(START)) == 0
    cash = dict(bench.account.cash)
    cost = {t: dollars(h.cost) for t, h in bench.account.holdings.items()}
    fees = {t: dollars(h.fees) for t, h in bench.account.holdings.items()}
    for ticker in (won, lost, SHARD_3):
        lifecycle.settle_now(exchange, market(bench, ticker), "yes")
        wait(bench, 60)
    settlements = bench.client.get_settlements(START).all_or_raise()
    assert [s.ticker for s in settlements] == [won, lost, SHARD_3], "oldest first"
    first, second, third = settlements
    assert (first.yes_count, first.yes_cost, first.no_count, first.no_cost) == (3, cost[won], 0, 0)
    assert (first.revenue, first.yes_payout, first.fee) == (3, 1, fees[won])
    assert (second.yes_count, second.no_count, second.no_cost, second.revenue) == (0, 3, cost[lost], 0)
    assert (third.yes_count, third.revenue, third.exchange_index) == (D("2.5"), D("2.5"), 3)
    assert sum(s.revenue for s in settlements if s.exchange_index == 0) == dollars(bench.account.cash[0] - cash[0])
    assert first.event_ticker == "KXHIGHCHI-26NOV24"
    assert second.time - first.time >= timedelta(minutes=1)
    assert bench.client.get_settlements(third.time).all_or_raise() == (third,)


@about("get_deposits", "get_withdrawals", "get_transfers", "get_subaccount_transfers")
def test_money_that_went_in_or_out_is_told_to_the_cent(
    open_bench: MakeBench,
) -> None:
    """Deposits, withdrawals, moves to another shard and moves to a subaccount have their exact amounts and
    times."""
    bench = open_bench(
        faults=[
            {"do": "cash_withdrawn", "from": 60, "amount": 12.34, "source": 0},
            {"do": "cash_moved", "from": 120, "amount": 7.5, "source": 2, "destination": 1},
            {"do": "cash_moved", "from": 180, "amount": 1, "source": 0, "destination": 3},
            {"do": "cash_set_aside", "from": 190, "amount": 2.5, "source": 0},
        ]
    )
    (deposit,) = bench.client.get_deposits().all_or_raise()
    assert deposit.amount == dollars(sum(CASH.values())) == 1_500
    assert (deposit.status, deposit.fee, deposit.created) == (PaymentStatus.APPLIED, 0, START)
    assert len(bench.client.get_withdrawals()) == len(bench.client.get_transfers()) == 0
    wait(bench, 200)
    (out,) = bench.client.get_withdrawals().all_or_raise()
    assert (out.amount, out.status, out.finalized) == (D("12.34"), PaymentStatus.APPLIED, out.created)
    assert out.created == START + timedelta(seconds=60)
    moves = {t.created: t for t in bench.client.get_transfers().all_or_raise()}
    assert [moves[at].amount for at in sorted(moves)] == [D("7.5"), 1]
    assert [(moves[at].source_shard, moves[at].destination_shard) for at in sorted(moves)] == [(2, 1), (0, 3)]
    assert {t.status for t in moves.values()} == {"complete"}
    (aside,) = bench.client.get_subaccount_transfers().all_or_raise()
    assert (aside.amount, aside.from_subaccount, aside.to_subaccount) == (D("2.5"), 0, 1)
    assert aside.created == START + timedelta(seconds=190)
    entries = [e for e in bench.account.journal if e.kind in ("deposit", "withdrawal")]
    assert deposit.amount - out.amount == dollars(sum(e.amount for e in entries))
