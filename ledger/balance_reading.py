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

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from exchange.account import Balance, Position
from exchange.models import Order
from exchange.reserves import BalanceReading, CashRule, MakerRate, Reserve
from runtime.log_format import Log

STEP = Decimal("0.50")
"""Dollars by which the reserves of a shard must change for an observation."""

SAME = Decimal("0.02")
"""Dollars by which an unchanged amount may differ: fees are rounded."""

_LASTS = 3
"""Looks for which a change must last: a balance that is late by less than that shows nothing."""

_NARROW = Decimal("0.10")
"""Dollars by which the least and the most of a change may differ, to compare it with a net balance."""

_REMEMBERED = 30
"""Looks at a shard with which a new one is compared."""

_NOTHING = Decimal(0)
_ALL = -1  # the shard, if the exchange tells only the sum

_MEANS = {
    BalanceReading.GROSS: "the balance contains what resting orders reserve; free cash is the balance less that",
    BalanceReading.NET: "the balance is what resting orders leave free",
    BalanceReading.NOT_KNOWN: "free cash is counted as the balance less all resting orders until two changes of "
    "our orders agree",
}


class KnownCashRule(NamedTuple):
    """What is known of how the exchange counts cash. `at`: when it was last seen."""

    rule: CashRule = CashRule()
    at: datetime | None = None


class ShardLook(NamedTuple):
    """One look at a shard, in dollars.

    `level`: the balance less all that fills and settlements moved. `orders`: for each resting order, the least and
    the most that it may reserve; see `_may_reserve`. `opening`, `closing`: what all of them reserve, see
    `Reserve`."""

    balance: Decimal
    level: Decimal
    orders: Mapping[Hashable, tuple[Decimal, Decimal]]
    opening: Decimal
    closing: Decimal


def reserve_change(before: ShardLook, now: ShardLook) -> tuple[Decimal, Decimal]:
    """By how many dollars at least, and at most, the reserves of a shard have changed.

    Orders that stayed as they were reserve the same, whatever that is."""
    came = [now.orders[order] for order in now.orders.keys() - before.orders.keys()]
    went = [before.orders[order] for order in before.orders.keys() - now.orders.keys()]
    least = sum((low for low, _ in came), start=_NOTHING) - sum((high for _, high in went), start=_NOTHING)
    most = sum((high for _, high in came), start=_NOTHING) - sum((low for low, _ in went), start=_NOTHING)
    return least, most


def has_changed(before: ShardLook, now: ShardLook) -> bool:
    """Whether the reserves have surely changed by a step."""
    least, most = reserve_change(before, now)
    return least >= STEP or most <= -STEP


def closes_more_or_less(before: ShardLook, now: ShardLook) -> bool:
    """Whether what orders that only close would reserve has changed by a step."""
    return abs(now.closing - before.closing) >= STEP


def balance_shown(before: ShardLook, since: Sequence[ShardLook]) -> BalanceReading | None:
    """What a change of the reserves shows that lasted for the looks `since`.

    None if it shows nothing."""
    if all(abs(look.level - before.level) <= SAME for look in since):
        return BalanceReading.GROSS
    changes = [(reserve_change(before, look), before.level - look.level) for look in since]
    net = all(most - least <= _NARROW and least - SAME <= went <= most + SAME for (least, most), went in changes)
    return BalanceReading.NET if net else None


def closing_shown(before: ShardLook, since: Sequence[ShardLook]) -> bool | None:
    """Whether orders that only close reserve cash, as a net balance shows it.

    None if it shows nothing."""
    if all(abs(look.level + look.opening - before.level - before.opening) <= SAME for look in since):
        return False
    all_reserve = all(
        abs(look.level + look.opening + look.closing - before.level - before.opening - before.closing) <= SAME
        for look in since
    )
    return True if all_reserve else None


def closing_exceeds(look: ShardLook) -> bool:
    """Whether more rests than a gross balance could reserve.

    Then orders that only close reserve nothing."""
    return look.opening + look.closing > look.balance + SAME >= look.opening


class LastBalance(NamedTuple):
    """The last balance that was read, or what stands for it.

    `explained`, `reserved`: by shard, what fills and settlements had moved by then, and what orders reserved at
    least."""

    balance: Balance
    explained: Mapping[int, Decimal]
    reserved: Mapping[int, Decimal]

    def now(self, explained: Mapping[int, Decimal], reserved: Mapping[int, Decimal], rule: CashRule) -> Balance:
        """What the balance must be now, if nothing else has moved it."""
        moved = {n: explained.get(n, _NOTHING) - self.explained.get(n, _NOTHING) for n in explained}
        if rule.balance is BalanceReading.NET:
            for shard in {*reserved, *self.reserved}:
                less = reserved.get(shard, _NOTHING) - self.reserved.get(shard, _NOTHING)
                moved[shard] = moved.get(shard, _NOTHING) - less
        by_shard = {n: told + moved.get(n, _NOTHING) for n, told in self.balance.by_shard.items()}
        return Balance(self.balance.total + sum(moved.values(), start=_NOTHING), by_shard)


class _ShardWatch:
    """The looks at one shard since its last observation."""

    def __init__(self) -> None:
        self._looks: deque[ShardLook] = deque(maxlen=_REMEMBERED)

    def look(self, now: ShardLook) -> Sequence[ShardLook]:
        """Take a look. Returns the last looks, empty if there are too few.

        A change must have lasted for all of them."""
        self._looks.append(now)
        return list(self._looks)[-_LASTS:] if len(self._looks) >= _LASTS else ()

    def before(
        self, since: Sequence[ShardLook], has_changed: Callable[[ShardLook, ShardLook], bool]
    ) -> ShardLook | None:
        """The latest look from which all looks `since` have changed."""
        earlier = reversed(list(self._looks)[:-_LASTS])
        return next((one for one in earlier if all(has_changed(one, look) for look in since)), None)

    def forget(self) -> None:
        """Each change counts for one observation only: begin with the last look."""
        self._looks = deque(list(self._looks)[-1:], maxlen=_REMEMBERED)


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
        self._last: LastBalance | None = None

    def restore(self, known: KnownCashRule, free: Decimal | None) -> None:
        """Continue with what an earlier session found out. This one checks it again.

        `free`: dollars that were free when it ended, None if not known."""
        self.known = known
        if free is not None:
            self._last = LastBalance(Balance(free, {}), {}, {})
        if known.rule.balance is BalanceReading.NOT_KNOWN:
            self._tell("not known yet whether it contains what resting orders reserve")

    def on_change(self, exchange_index: int, moved: Decimal) -> None:
        """Take the dollars by which a fill or a settlement changed a shard's cash."""
        self._explained[exchange_index] += moved

    def remember(self, balance: Balance, reserved: Mapping[int, Decimal]) -> None:
        """Remember a balance that was read, and what orders reserved at least, by shard."""
        self._last = LastBalance(balance, dict(self._explained), reserved)

    def reckoned(self, reserved: Mapping[int, Decimal]) -> Balance | None:
        """The balance as it must be now, by the last one that was read. None if none was.

        `reserved`: what orders reserve now, by shard."""
        return self._last.now(self._explained, reserved, self.known.rule) if self._last else None

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
        held = {position.ticker: position.count for position in positions}
        by_shard: dict[int, list[Order]] = defaultdict(list)
        for order in orders:
            by_shard[order.shard if balance.by_shard else _ALL].append(order)
        told = balance.by_shard or {_ALL: balance.total}
        for shard, dollars in told.items():
            explained = self._explained[shard] if balance.by_shard else sum(self._explained.values())
            look = _shard_look(dollars, dollars - explained, by_shard[shard], held, reserved, maker_rate)
            watch = self._shards[shard]
            since = watch.look(look)
            if since and self._observe(at, watch, since):
                watch.forget()

    def refused(self, exchange_index: int, only_closes: bool) -> None:
        """Take an order that was refused for want of cash although enough seemed free.

        If no fill or settlement explains it by the next look, the reading is not known any more."""
        if only_closes:
            self.known = self.known._replace(rule=self.known.rule._replace(closing=True))
        else:
            self._refused[exchange_index] = self._explained[exchange_index]

    def _observe(self, at: datetime, shard: _ShardWatch, since: Sequence[ShardLook]) -> bool:
        """See what the last looks show. Returns whether they show the balance's reading."""
        before = shard.before(since, has_changed)
        shown = balance_shown(before, since) if before else None
        if shown is None:
            self._observe_closing(at, shard, since)
        elif self.known.rule.balance is BalanceReading.NOT_KNOWN and shown is self._first:
            self.known, self._first, self._checked = KnownCashRule(CashRule(shown), at), None, True
            self._tell(f"{shown.value}, as two changes of our orders showed")
            self._on_reading()
        elif self.known.rule.balance is BalanceReading.NOT_KNOWN:
            self._first = shown
        elif shown is not self.known.rule.balance:
            was = self.known.rule.balance.value
            self._forget(f"a change of our orders looked {shown.value}, not {was} as before")
            self._first = shown
        elif not self._checked:
            self.known, self._checked = self.known._replace(at=at), True
        return shown is not None

    def _observe_closing(self, at: datetime, shard: _ShardWatch, since: Sequence[ShardLook]) -> None:
        """See what the last looks show of orders that only close."""
        rule, shown = self.known.rule, None
        if rule.balance is BalanceReading.GROSS and all(map(closing_exceeds, since)):
            shown = False
        before = shard.before(since, closes_more_or_less)
        if rule.balance is BalanceReading.NET and before:
            shown = closing_shown(before, since)
        if shown is not None:
            self.known = KnownCashRule(rule._replace(closing=shown), at)

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
    held: Mapping[str, Decimal],
    reserved: Mapping[str, Reserve],
    maker_rate: MakerRate,
) -> ShardLook:
    """The look at a shard. `held`: contracts by market."""
    opening = closing = _NOTHING
    found: dict[Hashable, tuple[Decimal, Decimal]] = {}
    for order in orders:
        one, count = reserved[order.order_id], held.get(order.ticker, _NOTHING)
        opening, closing = opening + one.opening, closing + one.closing
        found[order.order_id, order.price, order.remaining, count] = _may_reserve(order, one, count, maker_rate)
    return ShardLook(balance, level, found, opening, closing)


def _may_reserve(order: Order, reserve: Reserve, held: Decimal, maker_rate: MakerRate) -> tuple[Decimal, Decimal]:
    """The least and the most dollars that an order may reserve.

    Whether it reserves its maker fee is not known for sure; nor, in a market with a position, anything at all."""
    most = reserve.opening + reserve.closing
    if held:
        return _NOTHING, most
    return (order.price * order.remaining, most) if maker_rate(order.ticker) else (most, most)
