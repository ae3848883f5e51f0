"""What resting orders reserve of the account's cash, and what is free.

Promise:
- Pure and exact.
- As long as it is not known how the exchange counts, free cash is the smaller figure.

The specification calls the balance "available". Accounts on the real exchange saw it stay the same while their
orders rested. `ledger/balance_reading.py` finds out which of the two is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from exchange.account import Balance, Position
from exchange.models import Order
from exchange.orderbook import Side

_NOTHING = Decimal(0)
_PIP = Decimal("0.0001")
_MILLIONTH = Decimal("0.000001")
_NONE: Mapping[int, Decimal] = MappingProxyType({})
_NO_ORDERS: Mapping[str, Decimal] = MappingProxyType({})

MakerRate = Callable[[str], Decimal]
"""By ticker: the maker fee for a contract at price P, divided by P x (1 - P)."""


class BalanceReading(Enum):
    """Whether the balance contains what resting orders reserve: GROSS if it does."""

    NOT_KNOWN = "not known"
    NET = "net"
    GROSS = "gross"


class CashRule(NamedTuple):
    """How the exchange counts the account's cash.

    `closing`: whether contracts that would only close a position reserve cash too. None: not known; they are
    counted, but an order that only closes is sent even if cash seems short."""

    balance: BalanceReading = BalanceReading.NOT_KNOWN
    closing: bool | None = None


class Reserve(NamedTuple):
    """Dollars that an order reserves.

    `opening`: for contracts that would open a position. `closing`: for those that would only close one, if the
    exchange reserves anything for them."""

    opening: Decimal
    closing: Decimal

    def by(self, rule: CashRule) -> Decimal:
        """Dollars reserved, as far as `rule` is known."""
        return self.opening if rule.closing is False else self.opening + self.closing


class FreeCash(NamedTuple):
    """Dollars that new orders can spend, in total and by shard.

    `by_shard` is empty if the exchange does not tell the balance by shard. `reserved`: by resting orders, the
    account's own and a person's. `by_order`: what each of them frees if it goes, by order id. `closing`: see
    `CashRule`. `doubtful`: by shard, what orders that only close do not free if they reserve nothing. `whole`: all
    cash, reserved or not, None if it is not known. `told`: the balance, None if it is known how it is meant."""

    total: Decimal
    by_shard: Mapping[int, Decimal] = _NONE
    reserved: Decimal = _NOTHING
    reserved_by_shard: Mapping[int, Decimal] = _NONE
    by_order: Mapping[str, Decimal] = _NO_ORDERS
    closing: bool | None = False
    doubtful: Mapping[int, Decimal] = _NONE
    told: Decimal | None = None
    whole: Decimal | None = None


def reserves(orders: Iterable[Order], positions: Iterable[Position], maker_rate: MakerRate) -> dict[str, Reserve]:
    """What each resting order reserves, by order id: its price and its maker fee.

    The oldest orders close a position first."""
    held = {position.ticker: position.count for position in positions}
    closable: dict[tuple[str, Side], Decimal] = {}
    found = {}
    for order in sorted(orders, key=lambda order: (order.created is not None, order.created, order.order_id)):
        side = order.ticker, order.side
        count = held.get(order.ticker, _NOTHING)
        left = closable.get(side, max(-count if order.side is Side.YES else count, _NOTHING))
        closes = min(left, order.remaining)
        closable[side] = left - closes
        found[order.order_id] = Reserve(
            _cost(order, order.remaining - closes, maker_rate), _cost(order, closes, maker_rate)
        )
    return found


def _cost(order: Order, count: Decimal, maker_rate: MakerRate) -> Decimal:
    """Dollars for `count` contracts of an order.

    The fee is rounded up for the whole order, then divided."""
    cost, rate = count * order.price, maker_rate(order.ticker)
    if rate and order.asked and count:
        fee = (rate * order.asked * order.price * (1 - order.price)).quantize(_PIP, ROUND_CEILING)
        cost += (fee * count / order.asked).quantize(_MILLIONTH, ROUND_CEILING)
    return cost


def reserved_by_shard(
    orders: Iterable[Order], reserved: Mapping[str, Reserve], rule: CashRule
) -> dict[int, Decimal]:
    """Dollars that orders reserve on each shard, as far as `rule` is known."""
    found: dict[int, Decimal] = {}
    for order in orders:
        shard = order.shard
        found[shard] = found.get(shard, _NOTHING) + reserved[order.order_id].by(rule)
    return found


def free_cash(
    balance: Balance, orders: Iterable[Order], reserved: Mapping[str, Reserve], rule: CashRule
) -> FreeCash:
    """What is free of a `balance` while `orders` rest, as far as the `rule` is known.

    If the reading is not known, it is the balance less all reserves, but at least what orders that only close may
    reserve for nothing: the others are paid for."""
    is_net, is_unknown = rule.balance is BalanceReading.NET, rule.balance is BalanceReading.NOT_KNOWN
    orders = list(orders)
    all_there = dict.fromkeys(balance.by_shard, _NOTHING) | reserved_by_shard(orders, reserved, rule)
    may_close = dict.fromkeys(balance.by_shard, _NOTHING)
    if rule.closing is None:
        for order in orders:
            shard = order.shard
            may_close[shard] = may_close.get(shard, _NOTHING) + reserved[order.order_id].closing

    def free(told: Decimal, all_of_them: Decimal, closing: Decimal) -> Decimal:
        if is_net:
            return told
        return max(told - all_of_them, -closing) if is_unknown else told - all_of_them

    by_shard = {shard: free(told, all_there[shard], may_close[shard]) for shard, told in balance.by_shard.items()}
    total, closing = (sum(one.values(), start=_NOTHING) for one in (all_there, may_close))
    in_all = free(balance.total, total, closing)
    if is_unknown and by_shard:  # one shard's cash does not pay for another's orders
        in_all = sum(by_shard.values(), start=_NOTHING)
    whole = None if is_unknown or (is_net and closing) else balance.total + (total if is_net else _NOTHING)
    return FreeCash(
        total=in_all,
        by_shard=by_shard,
        reserved=total,
        reserved_by_shard=all_there,
        by_order={
            name: one.opening if is_net and rule.closing is None else one.by(rule)
            for name, one in reserved.items()
        },
        closing=rule.closing,
        doubtful=may_close if is_net else _NONE,
        told=balance.total if is_unknown else None,
        whole=whole,
    )
