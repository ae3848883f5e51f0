"""The plan of a cycle: the fewest requests that turn resting orders into targets.

Promise:
- Pure and deterministic: the same orders, positions, books and targets give the same plan.
- Every new or changed order has passed the gate. The check counts the plan's other orders as resting, and no exit
  as filled.
- An order that matches its target stays. It is renewed in place, which keeps its place in the queue.
- An order at the wrong price is amended. It is canceled and placed again, as post-only, only in two cases: the new
  price is too near the other side's best bid (`is_clear`), or the order is in the wrong order group.
- Orders that the bot did not send are not touched.

Prices come from `trade.py`. Positions are sold (`execution/exits.py`). With `CROSS` an exit order takes bids now,
and the position's side is not quoted before the position is gone. With `REST` an order on the other side sells it,
at its own price, instead of that side's quote.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

import trade
from exchange.models import Market, Order, OrderRequest
from exchange.order_payloads import unix_seconds_up
from exchange.orderbook import ONE_DOLLAR, Bid, PriceGrid
from execution import cancel_reasons
from execution.cancel_reasons import CancelCause, CancelReason
from execution.exits import Exit, ExitOrder, Exits, UnsoldPosition, plan_exits
from execution.fill_limit import FillLimit, fill_limit
from rewards.skips import contracts
from risk.gate import Gate, Place, Refusal, RefusalCode, TradingState
from risk.holes import Sale

CLEARANCE = 2
"""Steps of the grid, each counted as one cent at least, between a moved order and the other side's best bid."""

_CENT = Decimal("0.01")
_NOTHING = Decimal(0)


class TargetQuote(NamedTuple):
    """An order that is wanted on a side, with `until` as its expiry.

    `size`: the contracts of the quote. `bid` may have more, to sell a position, or fewer, because some contracts
    are held already. `group_id`: the order group that it belongs in, set by the plan."""

    market: Market
    bid: Bid
    until: datetime
    size: Decimal
    group_id: str | None = None

    @property
    def place(self) -> Place:
        return self.market.ticker, self.bid.side


class AmendKind(Enum):
    """How a resting order changes.

    RENEW: only its expiry. REDUCE: fewer contracts. REPLACE: another price, or more contracts."""

    RENEW = "renewed"
    REDUCE = "reduced"
    REPLACE = "moved"


_AMEND_KINDS = tuple(AmendKind)


class Amendment(NamedTuple):
    """A resting order of the bot that becomes `bid`, with `until` as its expiry."""

    order: Order
    bid: Bid
    until: datetime
    kind: AmendKind


@dataclass(frozen=True)
class Plan:
    """The requests of a cycle, in the order in which they are sent.

    New orders have no client order id yet. `places`: the sides with an order of the bot afterwards. `sizes`: the
    quote's size by side. `fill_limits`: of the shards whose quotes are in an order group, if `FILL_LIMIT` is
    None."""

    cancels: tuple[tuple[Order, CancelCause], ...] = ()
    amendments: tuple[Amendment, ...] = ()
    exits: tuple[ExitOrder, ...] = ()
    orders: tuple[OrderRequest, ...] = ()
    unsold: tuple[UnsoldPosition, ...] = ()
    refused: tuple[Refusal, ...] = ()
    stays: tuple[Order, ...] = ()
    places: frozenset[Place] = frozenset()
    sizes: Mapping[Place, Decimal] = field(default_factory=dict)
    fill_limits: Mapping[int, FillLimit] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not (self.cancels or self.amendments or self.exits or self.orders)

    def amended(self, *kinds: AmendKind) -> tuple[Amendment, ...]:
        return tuple(one for one in self.amendments if one.kind in kinds)


@dataclass(frozen=True)
class Targets:
    """The orders that a cycle wants.

    `quotes`: the most important first. `keep`: markets whose orders stay as they are and are renewed. `leave`:
    markets that could not be read. The plan does not touch them: their orders expire. `until`: the expiry of new
    and renewed orders. `sales`: what may be sold, by market; None: everything, at any price. `unwanted`: why a
    side is no longer quoted."""

    quotes: Sequence[TargetQuote] = ()
    keep: Collection[str] = ()
    leave: Collection[str] = ()
    until: datetime | None = None
    exit: Exit = Exit.CROSS
    sales: Mapping[str, Sale] | None = None
    unwanted: Mapping[Place, CancelCause] = field(default_factory=dict)


def is_clear(bid: Bid, grid: PriceGrid, best_across: Decimal | None) -> bool:
    """Whether an order may be moved in place to `bid`.

    An amend cannot be post-only, and the book may move between the look and the amend. So the other side's best
    bid, `best_across` dollars, must leave two steps of the grid and two cents at least. If the steps differ on the
    way, the largest one counts. Without a bid (None), $1.00 is asked."""
    asked = ONE_DOLLAR - (best_across or _NOTHING)
    step = max(grid.largest_step(bid.side, bid.price, asked), _CENT)
    return asked - bid.price >= CLEARANCE * step


def make_plan(state: TradingState, targets: Targets, groups: Mapping[int, str | None] | None = None) -> Plan:
    """Plan the requests that turn resting orders into the targets.

    `groups`: the quotes' order group by shard, None if there is none to have. An order in another group is placed
    again."""
    return _Planner(state, targets, groups or {}).plan()


def plan_sales(state: TradingState, sales: Mapping[str, Sale]) -> Plan:
    """Plan to sell positions with `CROSS`, and nothing else. Orders stay as they are."""
    exits, gate = plan_exits(state, Exit.CROSS, sales), Gate(state, {})
    passed, refused = _pass(gate, exits)
    return Plan(exits=passed, unsold=exits.unsold, refused=refused)


def _pass(gate: Gate, exits: Exits) -> tuple[tuple[ExitOrder, ...], tuple[Refusal, ...]]:
    """The exits that pass the gate, and the refusals of the others."""
    answers = [(sale, gate.check(sale.order)) for sale in exits.crossing]
    passed = tuple(sale for sale, refusal in answers if refusal is None)
    return passed, tuple(refusal for _, refusal in answers if refusal is not None)


class _Planner:
    def __init__(self, state: TradingState, targets: Targets, groups: Mapping[int, str | None]) -> None:
        self._state, self._wanted, self._groups = state, targets, groups
        self._ours: dict[Place, list[Order]] = defaultdict(list)
        self._left: list[Order] = []
        for order in state.orders:
            if trade.is_own(order, state.strangers) and order.ticker in targets.leave:
                self._left.append(order)
            elif trade.is_own(order, state.strangers):
                self._ours[order.ticker, order.side].append(order)
        self._held = {(one.ticker, one.side): one.size for one in state.positions if one.count}
        self._cancels: list[tuple[Order, CancelCause]] = []
        self._amendments: list[Amendment] = []
        self._orders: list[OrderRequest] = []
        self._refused: list[Refusal] = []
        self._stays: list[Order] = []
        self._largest: dict[int, Decimal] = {}
        self._opening: dict[int, list[Bid]] = defaultdict(list)
        self._places: set[Place] = {(order.ticker, order.side) for order in self._left}

    def plan(self) -> Plan:
        wanted = self._wanted
        exits = plan_exits(self._state, wanted.exit, wanted.sales, wanted.leave)
        unsold, targets = exits.unsold, self._targets(exits)
        sizes = {place: target.size for place, target in targets.items()}
        sizes |= {(one.ticker, one.side): one.remaining for one in self._left}
        gate = Gate(self._state, sizes)
        for (ticker, _), orders in self._ours.items():  # frees their money until it is decided which of them stay
            gate.gone(ticker, *[order.order_id for order in orders])
        for one in unsold:
            gate.block(one.position.ticker)
        blocked = {one.position.ticker for one in unsold}
        for place, target in targets.items():
            self._fill(gate, place, target, target.market.ticker in blocked)
        for place, orders in self._ours.items():
            self._cancels += [(order, self._unwanted(place)) for order in orders]
        passed, refused = _pass(gate, exits)
        self._refused += refused
        self._amendments.sort(key=self._rank)
        return Plan(
            cancels=tuple(self._cancels),
            amendments=tuple(self._amendments),
            exits=passed,
            orders=tuple(self._orders),
            unsold=unsold,
            refused=tuple(self._refused),
            stays=tuple(self._stays),
            places=frozenset(self._places),
            sizes=sizes,
            fill_limits=self._fill_limits(),
        )

    def _fill_limits(self) -> dict[int, FillLimit]:
        """The limits of the shards with quotes in an order group."""
        for order in self._left:  # its fills count in the group too
            self._note_opening(order.shard, order.ticker, order.bid)
        money = self._state.limits.max_event_loss
        return {shard: fill_limit(most, self._opening[shard], money) for shard, most in self._largest.items()}

    def _unwanted(self, place: Place) -> CancelCause:
        """Why no order is wanted on a side: it is not quoted, or its whole size is held."""
        held = f"{contracts(self._held.get(place, _NOTHING))} contracts of this side are held and being sold"
        return self._wanted.unwanted.get(place) or CancelCause(CancelReason.POSITION, held)

    # -- targets -----------------------------------------------------------------------------------------------

    def _targets(self, exits: Exits) -> dict[Place, TargetQuote]:
        """Targets by side, the most important first.

        A side whose position is sold now, or at the second look, is not quoted. Nor is one on which an exit rests:
        a quote at the exit's price would be nearer the best bid than `TRADE_DELTA` permits."""
        found: dict[Place, TargetQuote] = {}
        for quote in self._wanted.quotes:
            side, price, count = quote.bid.side, quote.bid.price, quote.bid.count
            rest = Bid(side, price, max(count - self._held.get(quote.place, _NOTHING), _NOTHING))
            group = self._groups.get(quote.market.shard)
            found.setdefault(quote.place, quote._replace(bid=rest, group_id=group))
        for place, kept in self._as_they_are():
            found.setdefault(place, kept)
        selling = [one.position for one in exits.crossing]
        if self._wanted.exit is Exit.CROSS:
            selling += [one.position for one in exits.unsold if one.again is not None]
        for position in selling:
            found.pop((position.ticker, position.side), None)
        until = self._wanted.until
        for market, bid in exits.resting:
            if until is None:
                break
            place = market.ticker, bid.side
            alone = TargetQuote(market, bid, until, size=_NOTHING)
            found[place] = found.get(place, alone)._replace(bid=bid)
        return found

    def _as_they_are(self) -> Iterable[tuple[Place, TargetQuote]]:
        """The bot's orders in markets of `keep`, as targets.

        Contracts that they sell are in their size already. A side with a position of its own is left out."""
        until = self._wanted.until
        for place, orders in self._ours.items():
            ticker, side = place
            market = self._state.markets.get(ticker)
            if ticker not in self._wanted.keep or place in self._held or market is None or until is None:
                continue
            best = max(orders, key=lambda order: (order.remaining, order.order_id))
            bid = Bid(side, best.price, best.remaining)
            yield place, TargetQuote(market, bid, until, best.remaining, best.group_id)

    # -- from resting orders to targets ------------------------------------------------------------------------

    def _fill(self, gate: Gate, place: Place, target: TargetQuote, is_blocked: bool) -> None:
        """Plan one side: keep, amend, cancel or place, as far as the gate permits."""
        if not target.bid.count:
            return
        orders = self._ours.pop(place, [])
        order = max(orders, key=lambda one: self._likeness(one, target), default=None)
        self._cancels += [(one, cancel_reasons.DUPLICATE) for one in orders if one is not order]
        if order is None:
            self._place(gate, place, target)
            return
        bid = target.bid
        if is_blocked:  # nothing may be added there: the order may only stay or shrink
            bid = Bid(bid.side, order.price, min(bid.count, order.remaining))
        elif order.group_id != target.group_id or not self._may_move(order, target):
            self._cancels.append((order, _replaced(order, bid)))
            self._place(gate, place, target)
            return
        refusal = self._amend(gate, place, order, target, bid)
        if refusal is None:
            return
        as_it_is = Bid(bid.side, order.price, min(bid.count, order.remaining))
        may_stay = as_it_is != bid and order.price == target.bid.price
        if may_stay and self._amend(gate, place, order, target, as_it_is) is None:
            return
        self._cancels.append((order, CancelCause(CancelReason.LIMIT, refusal.text)))

    def _place(self, gate: Gate, place: Place, target: TargetQuote) -> None:
        request = trade.quote_order(target.market, target.bid, "", target.until, target.group_id)
        refusal = gate.admit(request, f"new {target.bid.side.value}")
        if refusal is not None:
            self._refused.append(refusal)
            sells = min(self._held.get((place[0], place[1].other), _NOTHING), target.bid.count)
            if refusal.code is RefusalCode.FILL_LIMIT and sells:  # the part that sells the position still rests
                self._place(gate, place, target._replace(bid=Bid(place[1], target.bid.price, sells)))
            return
        gate.count_order()
        self._note(target, target.bid)
        self._orders.append(request)
        self._places.add(place)

    def _amend(self, gate: Gate, place: Place, order: Order, target: TargetQuote, bid: Bid) -> Refusal | None:
        """Amend an order to `bid`. Returns the gate's refusal, or None."""
        kind = _amend_kind(order, bid)
        request = trade.quote_order(target.market, bid, order.client_order_id, target.until, target.group_id)
        refusal = gate.admit(request, order.order_id, is_kept=kind is not AmendKind.REPLACE)
        if refusal is not None:
            self._refused.append(refusal)
            return refusal
        if kind is AmendKind.REPLACE:
            gate.count_order()
        self._note(target, bid, order.bid)
        self._places.add(place)
        if (
            kind is AmendKind.RENEW
            and order.expires
            and unix_seconds_up(order.expires) == unix_seconds_up(target.until)
        ):
            self._stays.append(order)
        else:
            self._amendments.append(Amendment(order, bid, target.until, kind))
        return None

    def _note(self, target: TargetQuote, bid: Bid, before: Bid | None = None) -> None:
        """Count a quote in its shard's fill limit, at the costlier end of its way.

        The limit changes before the order does."""
        if target.group_id is not None:
            shard, before = target.market.shard, before or bid
            self._largest[shard] = max(bid.count, self._largest.get(shard, _NOTHING))
            costlier = Bid(bid.side, max(bid.price, before.price), max(bid.count, before.count))
            self._note_opening(shard, target.market.ticker, costlier)

    def _note_opening(self, shard: int, ticker: str, bid: Bid) -> None:
        """Note a quote without its contracts that only sell a position."""
        count = max(bid.count - self._held.get((ticker, bid.side.other), _NOTHING), _NOTHING)
        self._opening[shard].append(Bid(bid.side, bid.price, count))

    def _may_move(self, order: Order, target: TargetQuote) -> bool:
        """Whether an amend to the target is far enough from taking.

        At its own price an order already rests: no bid that it could take can rest too, however it is resized."""
        bid, book = target.bid, self._state.books.get(order.ticker)
        if bid.price == order.price:
            return True
        if book is None:
            return False
        best = book.best(bid.side.other)
        # The rivals' book may lack a bid at the price of an own order that was filled before the book was read.
        across = [best.price] if best else []
        across += [one.price for one in self._state.orders if _is_across(one, order)]
        return is_clear(bid, target.market.grid, max(across, default=None))

    def _rank(self, one: Amendment) -> tuple[int, Decimal]:
        """Sort key: renewals first, then changes that free money, then those that need it."""
        cost = self._state.cost
        return _AMEND_KINDS.index(one.kind), cost(one.order.ticker, one.bid) - cost(
            one.order.ticker, one.order.bid
        )

    @staticmethod
    def _likeness(order: Order, target: TargetQuote) -> tuple[bool, bool, Decimal, str]:
        is_its = order.group_id == target.group_id
        return is_its, order.price == target.bid.price, order.remaining, order.order_id


def _is_across(one: Order, order: Order) -> bool:
    """Whether two orders rest on the two sides of one market."""
    return one.ticker == order.ticker and one.side is order.side.other


def _amend_kind(order: Order, bid: Bid) -> AmendKind:
    if bid.price != order.price or bid.count > order.remaining:
        return AmendKind.REPLACE
    return AmendKind.RENEW if bid.count == order.remaining else AmendKind.REDUCE


def _replaced(order: Order, bid: Bid) -> CancelCause:
    """Why an order is placed again instead of amended."""
    if order.price == bid.price:
        return CancelCause(CancelReason.ORDER_GROUP, "placed again in its order group")
    return CancelCause(
        CancelReason.NEW_PRICE, f"placed again at {bid.price:.4f}, too near the other side's best bid to be moved"
    )
