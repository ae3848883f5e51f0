"""What resting orders reserve: counted too low, an order is refused; counted too high, money lies idle."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.account import Balance
from exchange.orderbook import NO, YES
from exchange.reserves import BalanceReading, CashRule, free_cash, reserves
from simulator.exchange import SHARDS
from tests.support.bench import Killed, MakeBench
from tests.support.builders import held, order

D = Decimal
NET, GROSS, UNKNOWN = BalanceReading.NET, BalanceReading.GROSS, BalanceReading.NOT_KNOWN

MAKERS_PART = {
    "quadratic": D(0), "quadratic_with_maker_fees": D("0.25"), "quadratic_with_combo_maker_fees": D("0.5"),
}  # fmt: skip


def no_fee(_: str) -> Decimal:
    return D(0)


TICKER = "KXHIGHNY-26OCT04-B65.5"
TWO = [order(TICKER, YES, "0.33", 50, "1"), order(TICKER, NO, "0.20", 50, "2")]
TOLD = Balance(D(60), {0: D(30), 2: D(30)})
"""The real account of September 2026 whose balance did not move while its two orders rested."""


def test_a_gross_balance_is_not_taken_for_free_cash() -> None:
    """$26.50 of the $30.00 on shard 0 are reserved: an order for $4.50 is refused there, one for $3.50 is not."""
    for reading in (GROSS, UNKNOWN):
        cash = free_cash(TOLD, TWO, reserves(TWO, (), no_fee), CashRule(reading))
        assert (cash.total, cash.by_shard) == (D("33.50"), {0: D("3.50"), 2: D("30")})
        assert (cash.reserved, cash.reserved_by_shard) == (D("26.50"), {0: D("26.50"), 2: 0})
    assert free_cash(TOLD, TWO, reserves(TWO, (), no_fee), CashRule(GROSS)).whole == 60
    assert cash.whole is None


def test_a_net_balance_is_free_as_it_is() -> None:
    cash = free_cash(TOLD, TWO, reserves(TWO, (), no_fee), CashRule(NET))
    assert (cash.total, cash.by_shard, cash.whole) == (60, TOLD.by_shard, D("86.50"))


def test_what_rests_is_paid_for_whatever_the_balance_means() -> None:
    """If the balance was net, it may be smaller than the reserves. Then nothing is free, and what rests can be
    planned anew with its own money, never with the balance in addition."""
    told = Balance(D(10), {0: D(10), 2: D(0)})
    cash = free_cash(told, TWO, reserves(TWO, (), no_fee), CashRule(UNKNOWN))
    assert (cash.total, cash.by_shard) == (0, {0: 0, 2: 0})
    assert sum(cash.by_order.values()) == D("26.50")


@pytest.mark.parametrize(("closing", "free"), [(None, "3.50"), (True, "3.50"), (False, "13.50")])
def test_an_order_that_only_closes_counts_until_seen_otherwise(closing: bool | None, free: str) -> None:
    """50 NO would close 50 of the 80 YES that are held."""
    reserved = reserves(TWO, [held(TICKER, 80, "24")], no_fee)
    assert free_cash(TOLD, TWO, reserved, CashRule(GROSS, closing)).by_shard[0] == D(free)
    whole = free_cash(TOLD, TWO, reserved, CashRule(NET, closing)).whole
    assert whole == (None if closing is None else 60 + (D("26.50") if closing else D("16.50")))


def test_without_a_breakdown_the_sum_is_judged() -> None:
    cash = free_cash(Balance(D(60), {}), TWO, reserves(TWO, (), no_fee), CashRule(GROSS))
    assert (cash.total, cash.by_shard) == (D("33.50"), {})


def test_an_order_without_a_shard_is_on_shard_0() -> None:
    one = [order(TICKER, YES, "0.33", 50)._replace(exchange_index=None)]
    cash = free_cash(TOLD, one, reserves(one, (), no_fee), CashRule(GROSS))
    assert cash.by_shard == {0: D("13.50"), 2: D("30")}


@pytest.mark.parametrize("balance", ["net", "gross"])
def test_reserves_are_what_the_exchange_keeps_back(make_bench: MakeBench, balance: str) -> None:
    """The cash that orders reserve agrees to the last digit. Also of orders that close a position, in markets
    with and without a maker's fee."""
    bench = make_bench(
        programs=60, TRADE_SIZE=7, TRADE_TICKER_SIZE=12, MAX_CAPITAL=900, MAX_EVENT_LOSS=900, EXIT="REST",
        INCENTIVE_SIZE=None, FILL_COST=0, MIN_HOURS_TO_CLOSE=1, AVOID=(), balance=balance,
    )  # fmt: skip
    bench.run(3, Killed)
    exchange = bench.exchange.api.exchange

    def rate(ticker: str) -> Decimal:
        terms = exchange.markets[ticker].event.fee_terms
        return D("0.07") * MAKERS_PART[terms.kind] * terms.percent / 100

    orders, positions = bench.client.get_resting_orders(), bench.client.get_positions()
    assert len(orders) > 10
    assert any(rate(one.ticker) for one in orders)
    assert {one.ticker for one in orders} & {one.ticker for one in positions}
    rule = CashRule(BalanceReading(balance), closing=False)
    cash = free_cash(bench.client.get_balance(), orders, reserves(orders, positions, rate), rule)
    assert cash.whole == D(sum(bench.account.cash.values())) / 1_000_000
    free = {shard: D(exchange.free_cash(bench.account, shard)) / 1_000_000 for shard in SHARDS}
    assert cash.by_shard == free
