"""A customer's account: cash by shard, positions, orders and a journal of cash.

Promise:
- Every change of cash adds a journal entry that gives the reason.
- Every change is exact, in integers.
"""

from __future__ import annotations

import copy
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from simulator.matching import DOLLAR, DOLLAR_PIPS, Order

CENT = DOLLAR // 100


@dataclass(slots=True)
class Holding:
    """A position in one market.
    `count` > 0 is YES, < 0 is NO. `cost` is what the contracts held now cost. The four fields of a side are all
    contracts ever bought of it, and what they cost."""

    count: int = 0
    cost: int = 0
    realized: int = 0
    fees: int = 0
    yes_count: int = 0
    yes_cost: int = 0
    no_count: int = 0
    no_cost: int = 0
    updated: float = 0.0

    @property
    def traded(self) -> int:
        """What all contracts ever bought cost."""
        return self.yes_cost + self.no_cost

    def pays(self, payout: int) -> int:
        """What the contracts held pay at settlement, in 1/1,000,000 dollar.
        It is whole cents, rounded down. `payout`: pips that a YES contract pays."""
        exact = self.count * payout if self.count > 0 else -self.count * (DOLLAR_PIPS - payout)
        return exact // CENT * CENT


@dataclass(frozen=True, slots=True)
class Fill:
    """One account's side of trade number `number`."""

    number: int
    order_id: str
    ticker: str
    shard: int
    is_bid: bool
    price: int
    size: int
    is_taker: bool
    fee: int
    time: float


@dataclass(frozen=True, slots=True)
class Settlement:
    """The payout of a market to one account. Counts and costs by side as in `Holding`.
    `payout`: pips that a YES contract pays. `revenue`: whole cents, in 1/1,000,000 dollar."""

    number: int
    ticker: str
    event_ticker: str
    shard: int
    result: str
    payout: int
    yes_count: int
    yes_cost: int
    no_count: int
    no_cost: int
    revenue: int
    fees: int
    time: float


@dataclass(frozen=True, slots=True)
class CashEntry:
    """One change of cash and its reason. `amount` in 1/1,000,000 dollar.
    `kind` is deposit, withdrawal, transfer, trade, fee, settlement, reward or gift. `about` is the ticker,
    program or id it belongs to."""

    time: float
    shard: int
    amount: int
    kind: str
    about: str


@dataclass(frozen=True, slots=True)
class Payment:
    """A deposit or a withdrawal. `amount` and `fee` in cents.
    A deposit's fee is a part of its amount."""

    number: int
    payment_id: str
    amount: int
    time: float
    fee: int = 0


@dataclass(frozen=True, slots=True)
class ShardTransfer:
    """Cash moved between two shards. `amount` in 1/1,000,000 dollar."""

    number: int
    transfer_id: str
    client_transfer_id: str
    source: int
    destination: int
    amount: int
    time: float


@dataclass(frozen=True, slots=True)
class SetAside:
    """Cash moved to another subaccount, which is not simulated. `amount` in cents."""

    number: int
    transfer_id: str
    amount: int
    shard: int
    time: float


@dataclass(slots=True)
class OrderGroup:
    """A customer's circuit breaker for a group of orders.
    It triggers if more than `limit` (1/100 contract) is filled in 15 s. `filled` lists (time, size)."""

    group_id: str
    shard: int
    limit: int | None
    triggered: bool = False
    filled: list[tuple[float, int]] = field(default_factory=list)


@dataclass(slots=True)
class Account:
    """A customer's account.
    `user_id` is new in each run, even with the same seed: another run is another exchange."""

    owner: str
    cash: dict[int, int] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=lambda: defaultdict(Holding))
    orders: dict[str, Order] = field(default_factory=dict)
    resting: dict[str, Order] = field(default_factory=dict)
    client_order_ids: set[str] = field(default_factory=set)
    fills: list[Fill] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    deposits: list[Payment] = field(default_factory=list)
    withdrawals: list[Payment] = field(default_factory=list)
    transfers: list[ShardTransfer] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    groups: dict[str, OrderGroup] = field(default_factory=dict)
    journal: list[CashEntry] = field(default_factory=list)
    cancel_all_until: float = 0.0
    user_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def book(self, time: float, shard: int, amount: int, kind: str, about: str) -> None:
        """Change cash and write the reason to the journal."""
        if amount:
            self.cash[shard] = self.cash.get(shard, 0) + amount
            self.journal.append(CashEntry(time, shard, amount, kind, about))

    def cost_of(self, ticker: str, is_bid: bool, price: int, size: int) -> int:
        """Cash that a trade would take (negative: bring in), without its fee.
        Buying YES while NO is held closes pairs, each worth a dollar. The rest opens a position."""
        own_price = price if is_bid else DOLLAR_PIPS - price
        closing = min(size, self.held_against(ticker, is_bid))
        return (size - closing) * own_price - closing * (DOLLAR_PIPS - own_price)

    def trade(self, shard: int, fill: Fill) -> int:
        """Book a fill and its fee. Returns the cash that the trade took, without the fee."""
        cost = self.cost_of(fill.ticker, fill.is_bid, fill.price, fill.size)
        held = self.holdings[fill.ticker]
        own_price = fill.price if fill.is_bid else DOLLAR_PIPS - fill.price
        closing = min(fill.size, self.held_against(fill.ticker, fill.is_bid))
        if closing:
            released = held.cost * closing // abs(held.count)
            held.cost -= released
            held.realized += closing * (DOLLAR_PIPS - own_price) - released
        held.cost += (fill.size - closing) * own_price
        held.count += fill.size if fill.is_bid else -fill.size
        held.fees += fill.fee
        if fill.is_bid:
            held.yes_count += fill.size
            held.yes_cost += fill.size * own_price
        else:
            held.no_count += fill.size
            held.no_cost += fill.size * own_price
        held.updated = fill.time
        self.book(fill.time, shard, -cost, "trade", fill.ticker)
        self.book(fill.time, shard, -fill.fee, "fee", fill.ticker)
        self.fills.append(fill)
        return cost

    def held_against(self, ticker: str, is_bid: bool) -> int:
        """Contracts held on the side that an order of `is_bid` sells."""
        held = self.holdings.get(ticker)
        return 0 if held is None else max(-held.count if is_bid else held.count, 0)

    def collateral(self, resting: Iterable[Order]) -> int:
        """Cash that `resting` orders tie up.
        It is the full price and the maker fee of every contract that would open a position. Contracts that would
        only close one need none; the oldest orders close first."""
        closable: dict[tuple[str, bool], int] = {}
        total = 0
        for order in resting:
            opens = order.remaining
            if order.ticker in self.holdings:
                side = order.ticker, order.is_bid
                left = closable.get(side, self.held_against(*side))
                closes = min(left, opens)
                closable[side] = left - closes
                opens -= closes
            total += opens * (order.price if order.is_bid else DOLLAR_PIPS - order.price)
            if order.fee_reserve:
                total += -(-order.fee_reserve * opens // order.size)
        return total

    def as_it_is(self) -> Account:
        """A copy that stays as the account is now.
        It shares finished orders and list entries, because they never change."""
        orders = self.orders | {order_id: copy.copy(order) for order_id, order in self.resting.items()}
        return replace(
            self,
            cash=dict(self.cash),
            holdings=defaultdict(Holding, {ticker: copy.copy(held) for ticker, held in self.holdings.items()}),
            orders=orders,
            resting={order_id: orders[order_id] for order_id in self.resting},
            fills=list(self.fills),
            settlements=list(self.settlements),
            deposits=list(self.deposits),
            withdrawals=list(self.withdrawals),
            transfers=list(self.transfers),
            set_aside=list(self.set_aside),
            groups={group_id: copy.copy(group) for group_id, group in self.groups.items()},
        )
