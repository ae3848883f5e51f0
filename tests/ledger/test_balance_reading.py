"""Net or gross: a reading that is wrong gets orders refused, or shows cash that nobody paid."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.account import Balance
from exchange.models import Order
from exchange.orderbook import NO, YES
from exchange.reserves import BalanceReading, reserves
from ledger.balance_reading import BalanceWatch, KnownCashRule
from tests.support.builders import NOW, held, order

D = Decimal
NET, GROSS, UNKNOWN = BalanceReading.NET, BalanceReading.GROSS, BalanceReading.NOT_KNOWN
BOTH = pytest.mark.parametrize("world", [NET, GROSS])

FEE = "KXNFLGAME"


def rate(ticker: str) -> Decimal:
    return D("0.0175") if ticker.startswith(FEE) else D(0)


class Account:
    """An account on an exchange that counts cash in one way, and the watch on it.

    `cash` by shard is whole, orders reserved or not. Each look reads what rests now."""

    def __init__(self, world: BalanceReading, closing: bool = False, told_by_shard: bool = True) -> None:
        self.world, self.closing, self.told_by_shard = world, closing, told_by_shard
        self.cash = {0: D(100), 2: D(100)}
        self.orders: list[Order] = []
        self.positions: dict[str, Decimal] = {}
        self.said: list[str] = []
        self.anew = 0
        self.watch = BalanceWatch(lambda _, told, details=(): self.said.append(str(told)), self.on_reading)

    def on_reading(self) -> None:
        self.anew += 1

    @property
    def reading(self) -> BalanceReading:
        return self.watch.known.rule.balance

    def balance(self) -> Balance:
        own = reserves(self.orders, self.held(), rate)
        told = dict(self.cash)
        for one in self.orders if self.world is NET else ():
            reserve = own[one.order_id]
            told[one.exchange_index or 0] -= reserve.opening + (reserve.closing if self.closing else 0)
        return Balance(sum(told.values()), told if self.told_by_shard else {})

    def held(self) -> list[Any]:
        return [held(ticker, float(count)) for ticker, count in self.positions.items()]

    def look(self, times: int = 1, balance: Balance | None = None) -> None:
        for _ in range(times):
            own = reserves(self.orders, self.held(), rate)
            self.watch.look(NOW, balance or self.balance(), self.orders, self.held(), own, rate)

    def place(self, cost: str, name: str, ticker: str = "KXHIGHNY-26-T1", shard: int = 0) -> None:
        self.orders.append(order(ticker, YES, "0.50", float(D(cost) * 2), name, shard=shard))

    def cancel(self, *names: str) -> None:
        self.orders = [one for one in self.orders if one.order_id not in names]

    def fill(self, name: str, fee: str = "0") -> None:
        """An order is filled, and the position sold at cost at once."""
        (one,) = (one for one in self.orders if one.order_id == name)
        self.cancel(name)
        shard = one.exchange_index or 0
        for moved in (-one.price * one.remaining - D(fee), one.price * one.remaining):
            self.cash[shard] += moved
            self.watch.on_change(shard, moved)


def settle(account: Account, steps: Iterable[str]) -> None:
    """Place an order for each amount, and look until it has settled."""
    account.look(3)
    for number, cost in enumerate(steps, len(account.orders)):
        account.place(cost, f"n{number}")
        account.look(3)


@BOTH
def test_two_changes_that_agree_decide(world: BalanceReading) -> None:
    account = Account(world)
    settle(account, ["5"])
    assert account.reading is UNKNOWN
    settle(account, ["3"])
    assert account.reading is world
    assert account.watch.known.at == NOW
    assert (len(account.said), account.anew) == (1, 1)
    account.cancel("n0")
    account.look(9)
    assert (len(account.said), account.anew) == (1, 1), "told once"


@BOTH
def test_each_shard_shows_it_by_itself(world: BalanceReading) -> None:
    """A quote on each of two shards are two observations. Money that moves between shards is none."""
    account = Account(world)
    account.look(3)
    account.place("5", "a")
    account.place("5", "b", shard=2)
    account.look(3)
    assert account.reading is world


@BOTH
def test_without_a_breakdown_the_sum_shows_it(world: BalanceReading) -> None:
    account = Account(world, told_by_shard=False)
    settle(account, ["5", "3"])
    assert account.reading is world


@BOTH
@pytest.mark.parametrize("late", [1, 2])
def test_a_balance_that_is_late_shows_nothing_wrong(world: BalanceReading, late: int) -> None:
    """The balance that is read still is the one from before the change, for one or two looks."""
    account = Account(world)
    account.look(3)
    for number in range(4):
        before = account.balance()
        account.place("5", f"n{number}")
        account.look(late, before)
        account.look(4)
        assert account.reading in (UNKNOWN, world)
    assert account.reading is world


@BOTH
@pytest.mark.parametrize("came", ["5", "-5", "5.01", "0.40", "12.34"])
def test_cash_that_came_in_between_shows_nothing(world: BalanceReading, came: str) -> None:
    """A reward, a transfer or a deposit comes while the orders change. Once it may look like the other world, but
    one observation decides nothing."""
    account = Account(world)
    account.look(3)
    account.place("5", "a")
    account.cash[0] += D(came)
    account.look(3)
    account.cancel("a")
    account.look(3)
    assert account.reading in (UNKNOWN, world)
    settle(account, ["3", "2", "4"])
    assert account.reading is world


@BOTH
def test_fills_in_between_are_explained(world: BalanceReading) -> None:
    account = Account(world)
    account.look(3)
    account.place("5", "a")
    account.place("8", "b")
    account.look(3)
    account.fill("a", fee="0.21")
    account.look(3)
    assert account.reading is world


@BOTH
def test_markets_with_a_position_do_not_count(world: BalanceReading) -> None:
    """What an order reserves there is not known, so its change shows nothing."""
    account = Account(world)
    account.positions["KXHIGHNY-26-T9"] = D(5)
    account.look(3)
    for number in range(3):
        account.place("5", f"p{number}", "KXHIGHNY-26-T9")
        account.look(3)
    assert account.reading is UNKNOWN


@BOTH
def test_a_maker_fee_that_is_reserved_or_not_does_not_mislead(world: BalanceReading) -> None:
    """Whether an order reserves its fee is not known, so a change that is as large as the fee shows nothing."""
    account = Account(world)
    account.look(3)
    for number in range(4):
        account.place("60", f"f{number}", f"{FEE}-26-T1")
        account.place("0.40", f"n{number}")
        account.look(3)
        account.cancel(f"f{number}")
        account.cash[0] -= D("0.04")
        account.place("60", f"g{number}", f"{FEE}-26-T2")
        account.look(3)
        account.cancel(f"g{number}")
    assert account.reading in (UNKNOWN, world)


@BOTH
def test_orders_that_make_up_for_each_other_show_nothing(world: BalanceReading) -> None:
    """Each time one comes in a market with a fee and one goes in a market without, for the same money: the balance
    stays, whatever it means."""
    account = Account(world)
    account.place("5", "n", "KXHIGHNY-26-T1")
    account.place("5", "f", "KXHIGHNY-26-T9")
    account.positions["KXHIGHNY-26-T9"] = D(1)
    account.look(3)
    for number in range(4):
        came, went = ("n", "f") if number % 2 else ("f", "n")
        account.cancel(f"{went}{number - 1}" if number else went)
        account.place("5", f"{came}{number}", "KXHIGHNY-26-T1" if came == "n" else "KXHIGHNY-26-T9")
        account.look(3)
    assert account.reading in (UNKNOWN, world)


@BOTH
def test_a_change_below_the_step_shows_nothing(world: BalanceReading) -> None:
    account = Account(world)
    for number in range(4):
        account.place("0.45", f"n{number}")
        account.look(3)
        account.cancel(f"n{number}")
        account.look(3)
    assert account.reading is UNKNOWN


@BOTH
def test_a_market_that_never_rests_shows_it_too(world: BalanceReading) -> None:
    """The quotes move at each look, so no two looks have the same orders. A change that lasts is enough."""
    account = Account(world)
    account.look(3)
    for number in range(8):
        account.cancel(f"n{number - 1}")
        account.place(str(D("5.20") + D(number % 3) / 10), f"n{number}")
        account.look()
    account.cancel("n7")
    account.look(3)
    assert account.reading is world


@BOTH
def test_an_exchange_that_changes_its_mind_is_noticed(world: BalanceReading) -> None:
    """The first change that contradicts makes the reading unknown, the second that agrees decides again."""
    account = Account(world)
    settle(account, ["5", "3"])
    account.world = other = NET if world is GROSS else GROSS
    account.look(3)
    account.cancel("n0")
    account.look(3)
    assert account.reading is UNKNOWN
    account.place("6", "late")
    account.look(3)
    assert account.reading is other
    assert account.anew == 3, "each time the span of explained cash begins anew"


def test_a_refused_order_that_no_fill_explains_is_believed() -> None:
    account = Account(GROSS)
    settle(account, ["5", "3"])
    account.watch.refused(0, only_closes=False)
    account.fill("n0", fee="0.01")
    account.look()
    assert account.reading is GROSS
    account.watch.refused(0, only_closes=False)
    account.look()
    assert account.reading is UNKNOWN
    assert "refused for want of cash" in account.said[-1]


def test_an_earlier_sessions_reading_is_checked_silently() -> None:
    account = Account(NET)
    account.watch.restore(KnownCashRule(KnownCashRule().rule._replace(balance=NET)), None)
    assert account.said == []
    settle(account, ["5"])
    assert (account.reading, account.watch.known.at, account.said) == (NET, NOW, [])


# -- orders that only close ------------------------------------------------------------------------------------


@pytest.mark.parametrize("closing", [True, False])
def test_a_net_balance_shows_whether_closing_orders_reserve(closing: bool) -> None:
    account = Account(NET, closing)
    settle(account, ["5", "3"])
    account.positions["KXHIGHNY-26-T9"] = D(20)
    account.look(3)
    assert account.watch.known.rule.closing is None
    account.orders.append(order("KXHIGHNY-26-T9", NO, "0.40", 20, "exit"))
    account.look(3)
    assert (account.reading, account.watch.known.rule.closing) == (NET, closing)


def test_a_gross_balance_shows_it_once_too_much_rests() -> None:
    account = Account(GROSS)
    settle(account, ["50", "45"])
    account.positions["KXHIGHNY-26-T9"] = D(20)
    account.orders.append(order("KXHIGHNY-26-T9", NO, "0.20", 20, "exit"))
    account.look(3)
    assert account.watch.known.rule.closing is None, "99 of 100 dollars: all may be reserved"
    account.orders[-1] = order("KXHIGHNY-26-T9", NO, "0.40", 20, "exit")
    account.look(3)
    assert account.watch.known.rule.closing is False


def test_a_refused_exit_shows_that_it_needs_cash() -> None:
    account = Account(GROSS)
    settle(account, ["5", "3"])
    account.watch.refused(0, only_closes=True)
    account.look()
    assert (account.reading, account.watch.known.rule.closing) == (GROSS, True)


# -- any account -----------------------------------------------------------------------------------------------

HAPPENS = st.lists(
    st.tuples(
        st.sampled_from(("place", "cancel", "fill", "come", "look", "look", "settle", "settle", "hold")),
        st.integers(1, 60),
        st.sampled_from((0, 2)),
    ),
    max_size=40,
)


@given(st.sampled_from((NET, GROSS)), HAPPENS)
def test_whatever_happens_the_reading_is_never_wrong(
    world: BalanceReading, happens: list[tuple[str, int, int]]
) -> None:
    """Orders come and go on two shards, with and without fees and positions. Fills are explained. Unexplained cash
    comes in amounts that no order costs."""
    account = Account(world)
    for number, (what, size, shard) in enumerate(happens):
        if what == "place":
            ticker = (FEE if size % 5 == 0 else "KXHIGHNY") + f"-26-T{size % 3}"
            account.place(str(size), f"n{number}", ticker, shard)
        elif what in ("cancel", "fill") and account.orders:
            name = account.orders[size % len(account.orders)].order_id
            account.cancel(name) if what == "cancel" else account.fill(name, fee="0.13")
        elif what == "come":
            account.cash[shard] += D(size) + D("0.37")
        elif what == "hold":
            account.positions["KXHIGHNY-26-T1"] = D(size)
        account.look(3 if what == "settle" else 1)
        assert account.reading in (UNKNOWN, world)
