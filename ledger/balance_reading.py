"""Find out whether the balance contains what resting orders reserve.

Promise:
- It only watches: changes of the account's own orders show how the exchange counts.
- Two observations that agree decide. One that contradicts, or an order that is refused for want of cash although
  enough was free, makes the reading unknown again.
- A change of cash that fills and settlements do not explain is no observation.

If the balance is gross, it changes by fills and settlements only. If it is net, the balance plus what orders
reserve does. Each shard is watched by itself; the reading is the exchange's, so it counts for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from exchange.account import Balance, Position
from exchange.models import Order
from exchange.reserves import BalanceReading, CashRule, MakerRate, Reserve, shard_of
from runtime.log_format import Log

STEP = Decimal("0.50")
"""Dollars by which the reserves of a shard must change for an observation."""

SAME = Decimal("0.02")
"""Dollars by which an unchanged amount may differ: fees are rounded."""

_SETTLED = 3
"""Looks with the same orders after which the balance is not late any more."""

_NOTHING = Decimal(0)
_ALL = -1  # the shard, if the exchange tells only the sum

_MEANS = {
    BalanceReading.GROSS: "the balance contains what resting orders reserve; free cash is the balance less that",
    BalanceReading.NET: "the balance is what resting orders leave free",
    BalanceReading.NOT_KNOWN: "free cash is counted as the balance less all resting orders until two changes of "
    "our orders agree; no reward is seen in the cash until then",
}


class KnownCashRule(NamedTuple):
    """What is known of how the exchange counts cash, and when it was last seen to be so."""

    rule: CashRule = CashRule()
    at: datetime | None = None


class ShardLook(NamedTuple):
    """One look at a shard, in dollars.

    `level`: the balance less all that fills and settlements moved. `orders`: all that rest. `beside`: those of
    them in markets with a position or a maker fee, or whose fee is not known. `clean`: what the others reserve.
    `opening`, `closing`: what all of them reserve, see `Reserve`."""

    balance: Decimal
    level: Decimal
    orders: Hashable
    beside: Hashable
    clean: Decimal
    opening: Decimal
    closing: Decimal


def balance_shown(before: ShardLook, now: ShardLook) -> BalanceReading | None:
    """What a change of the orders between two settled looks shows, None if nothing."""
    changed = now.clean - before.clean
    if before.beside != now.beside or abs(changed) < STEP:
        return None
    moved = now.level - before.level
    if abs(moved) <= SAME:
        return BalanceReading.GROSS
    return BalanceReading.NET if abs(moved + changed) <= SAME else None


def closing_shown(before: ShardLook, now: ShardLook, reading: BalanceReading) -> bool | None:
    """Whether orders that only close reserve cash, as two settled looks show it; None if they show nothing."""
    if reading is BalanceReading.GROSS:
        exceeds = now.opening + now.closing > now.balance + SAME >= now.opening
        return False if exceeds else None  # all of it rests, so not all of it is reserved
    changed = now.closing - before.closing
    if reading is not BalanceReading.NET or abs(changed) < STEP:
        return None
    moved = now.level + now.opening - before.level - before.opening
    if abs(moved) <= SAME:
        return False
    return True if abs(moved + changed) <= SAME else None


class _ShardWatch:
    """Looks at one shard, up to the last that was settled."""

    def __init__(self) -> None:
        self._run: list[ShardLook] = []
        self._before: ShardLook | None = None

    def look(self, now: ShardLook) -> tuple[ShardLook, ShardLook] | None:
        """Take a look. Returns the settled look before it, and this one, if it is settled too.

        A look is settled if the same orders rested at the two before it, and the level has stood still."""
        same = self._run and (self._run[-1].orders, self._run[-1].closing) == (now.orders, now.closing)
        self._run = [*self._run[1 - _SETTLED :], now] if same else [now]
        if len(self._run) < _SETTLED or abs(now.level - self._run[-2].level) > SAME:
            return None
        before, self._before = self._before, now
        return (before, now) if before is not None else None


class BalanceWatch:
    """Watches one account's balance. `known`: what was found out so far.

    `on_reading` is called when the reading is found, or becomes unknown again."""

    def __init__(self, log: Log, on_reading: Callable[[], None]) -> None:
        self._log, self._on_reading = log, on_reading
        self.known = KnownCashRule()
        self._first: BalanceReading | None = None
        self._checked = False
        self._shards: dict[int, _ShardWatch] = defaultdict(_ShardWatch)
        self._explained: dict[int, Decimal] = defaultdict(Decimal)
        self._refused: dict[int, Decimal] = {}

    def restore(self, known: KnownCashRule) -> None:
        """Continue with what an earlier session found out. This one checks it again."""
        self.known = known
        if known.rule.balance is BalanceReading.NOT_KNOWN:
            self._tell("not known yet whether it contains what resting orders reserve")

    def on_change(self, exchange_index: int, moved: Decimal) -> None:
        """Take the dollars by which a fill or a settlement changed a shard's cash."""
        self._explained[exchange_index] += moved

    def look(
        self,
        at: datetime,
        balance: Balance,
        orders: Collection[Order],
        positions: Iterable[Position],
        reserved: Mapping[str, Reserve],
        maker_rate: MakerRate,
    ) -> None:
        """Take a look at the whole account, whose positions fills explain."""
        unexplained = [shard for shard, moved in self._refused.items() if self._explained[shard] == moved]
        self._refused.clear()
        if unexplained and self.known.rule.balance is not BalanceReading.NOT_KNOWN:
            self._forget("an order was refused for want of cash although enough seemed free")
        held = {position.ticker for position in positions}
        by_shard: dict[int, list[Order]] = defaultdict(list)
        for order in orders:
            by_shard[shard_of(order) if balance.by_shard else _ALL].append(order)
        told = balance.by_shard or {_ALL: balance.total}
        for shard, dollars in told.items():
            explained = self._explained[shard] if balance.by_shard else sum(self._explained.values())
            settled = self._shards[shard].look(
                _shard_look(dollars, dollars - explained, by_shard[shard], held, reserved, maker_rate)
            )
            if settled:
                self._observe(at, *settled)

    def refused(self, exchange_index: int, only_closes: bool) -> None:
        """Take an order that was refused for want of cash although enough seemed free.

        If no fill or settlement explains it by the next look, the reading is not known any more."""
        if only_closes:
            self.known = self.known._replace(rule=self.known.rule._replace(closing=True))
        else:
            self._refused[exchange_index] = self._explained[exchange_index]

    def _observe(self, at: datetime, before: ShardLook, now: ShardLook) -> None:
        rule = self.known.rule
        shown = balance_shown(before, now)
        if shown is None:
            closing = closing_shown(before, now, rule.balance)
            if closing is not None:
                self.known = KnownCashRule(rule._replace(closing=closing), at)
        elif rule.balance is BalanceReading.NOT_KNOWN:
            if shown is self._first:
                self.known, self._first, self._checked = KnownCashRule(CashRule(shown), at), None, True
                self._tell(f"{shown.value}, as two changes of our orders showed")
                self._on_reading()
            else:
                self._first = shown
        elif shown is not rule.balance:
            self._forget(f"a change of our orders looked {shown.value}, not {rule.balance.value} as before")
            self._first = shown
        elif not self._checked:
            self.known, self._checked = self.known._replace(at=at), True

    def _forget(self, why: str) -> None:
        self.known, self._first = KnownCashRule(), None
        self._tell(f"not known any more whether it contains what resting orders reserve: {why}")
        self._on_reading()

    def _tell(self, said: str) -> None:
        self._log("INFO", {"Balance": said, "Means": _MEANS[self.known.rule.balance]})


def _shard_look(
    balance: Decimal,
    level: Decimal,
    orders: Iterable[Order],
    held: Collection[str],
    reserved: Mapping[str, Reserve],
    maker_rate: MakerRate,
) -> ShardLook:
    """The look at a shard. `held`: the markets with a position."""
    clean = opening = closing = _NOTHING
    all_orders, beside = set(), set()
    for order in orders:
        one, rests = reserved[order.order_id], (order.order_id, order.price, order.remaining)
        opening, closing = opening + one.opening, closing + one.closing
        all_orders.add(rests)
        if order.ticker in held or maker_rate(order.ticker) != 0:
            beside.add(rests)
        else:
            clean += one.opening
    return ShardLook(balance, level, frozenset(all_orders), frozenset(beside), clean, opening, closing)
