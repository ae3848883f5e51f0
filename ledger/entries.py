"""The ledger's entries, as typed values.

Promise:
- An entry that is written and read again is the same, to the last digit and microsecond.
- Money is exact `Decimal`; times are timezone-aware UTC. Seconds, shares, rewards and capital are floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import NamedTuple

from exchange.account import Fill, Settlement
from exchange.models import Order, OrderStatus, Program
from exchange.orderbook import Book, Side
from ledger.balance_reading import KnownCashRule
from ledger.cash_reconciliation import ExplainedSpan
from ledger.markouts import BestBids, MarkoutPoint

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class OrderRecord(NamedTuple):
    """One of the bot's own orders, and its life.

    It rested from `created` to `ended` (None while it rests). `fees` in dollars."""

    order_id: str
    client_order_id: str
    ticker: str
    side: Side
    price: Decimal
    asked: Decimal
    filled: Decimal
    fees: Decimal
    status: OrderStatus
    created: datetime
    expires: datetime | None
    ended: datetime | None

    @classmethod
    def of(cls, order: Order, seen: datetime) -> OrderRecord:
        """Convert an order that the exchange lists.

        `seen` replaces a creation or update time that the exchange does not give."""
        rests = order.status is OrderStatus.RESTING
        return cls(
            order.order_id, order.client_order_id, order.ticker, order.side, order.price, order.asked,
            order.filled, order.fees, order.status, order.created or seen, order.expires,
            None if rests else order.updated or seen,
        )  # fmt: skip


class AccountMark(NamedTuple):
    """The account's state at a time, in dollars.

    `free_cash`: cash that is not tied up, None if the exchange did not give it. `held`: the positions' value at
    the best bids. `day_profit`, `accrued`: the UTC day's profit, and its rewards before floor and cap; None if
    unknown. `own_profit`: the bot's part of `day_profit`, which `DAILY_LOSS_LIMIT` counts: its own orders, and
    what it took over. It differs only on the day on which the ledger was begun."""

    at: datetime
    free_cash: Decimal | None
    held: Decimal
    day_profit: Decimal | None
    accrued: float | None
    own_profit: Decimal | None = None

    @property
    def before_bot(self) -> Decimal:
        """The day's profit that is not the bot's: before it began. 0 on every later day."""
        if self.day_profit is None or self.own_profit is None:
            return Decimal(0)
        return self.day_profit - self.own_profit


class DayMark(NamedTuple):
    """A market's position at 00:00 UTC.

    `contracts` > 0: YES. `price`: dollars that a contract would have brought then."""

    contracts: Decimal
    price: Decimal


class CycleRecord(NamedTuple):
    """A cycle of the bot.

    `orders`: the number of resting orders at its end. `problem`: why it failed, or "". `without`: the calls that
    failed and that it did without, a line each."""

    began: datetime
    seconds: float
    requests: int
    markets: int
    orders: int
    problem: str = ""
    without: str = ""


class CashFlow(NamedTuple):
    """A deposit, a withdrawal or a transfer, in dollars.

    `amount`: a deposit's is what arrives, without its fee. `moves`: what it adds to the account's cash. It is
    below 0 for money taken out, and 0 for a transfer between shards or a payment that is not applied yet."""

    id: str
    kind: str
    amount: Decimal
    moves: Decimal
    at: datetime


class NewFill(NamedTuple):
    """A fill that was not known yet.

    `closed`: its contracts that closed a position of the other side."""

    fill: Fill
    closed: Decimal


class PositionAdjustment(NamedTuple):
    """Contracts (YES positive) that the exchange listed and no fill explains.

    `time`: when the ledger adopted them. `price`: what one was worth then, in dollars of its side. None if an
    older version wrote it: it counts as held since the day began."""

    time: datetime
    ticker: str
    change: Decimal
    price: Decimal | None = None

    @property
    def as_fill(self) -> Fill | None:
        """The trade that would have brought the contracts, None without a price."""
        if self.price is None:
            return None
        side = Side.YES if self.change > 0 else Side.NO
        nothing = Decimal(0)
        return Fill("", "", self.ticker, side, self.price, abs(self.change), nothing, False, self.time)


Mismatch = tuple[Decimal, Decimal]
"""Contracts of a market according to the ledger, and according to the exchange, YES positive."""


class Halt(NamedTuple):
    """A halt, by the bot itself or by a command such as `cancel-all`.

    `cleared`: when a person resumed trading. `cleared_by`: how."""

    at: datetime
    reason: str
    cleared: datetime | None
    cleared_by: str | None


class AccrualKey(NamedTuple):
    """Identifies accrued seconds: by program, side and UTC day."""

    program_id: str
    side: Side
    day: date
    ticker: str


class AccruedSeconds(NamedTuple):
    """Seconds in which our orders rested (`present`), and their rewards.

    All are estimates. Each second is `qualified` (it counted), `excluded` (it paid no one) or `unknown`. `shares`:
    our share of the side, 0 to 1, summed over the qualified seconds. `reward`: dollars accrued, before floor and
    cap, by the worse of two looks. `at_most`: the same by the better look."""

    present: float = 0.0
    qualified: float = 0.0
    excluded: float = 0.0
    unknown: float = 0.0
    shares: float = 0.0
    reward: float = 0.0
    at_most: float = 0.0

    def __add__(self, other: object) -> AccruedSeconds:
        if not isinstance(other, AccruedSeconds):
            return NotImplemented
        return AccruedSeconds(*(mine + yours for mine, yours in zip(self, other, strict=True)))

    def lost(self) -> AccruedSeconds:
        """The same seconds, all of them unknown."""
        return AccruedSeconds(present=self.present, unknown=self.present)


class PayoutLook(NamedTuple):
    """An ended program, as the exchange listed it at a time, paid out or not yet."""

    at: datetime
    program: Program


class Outcome(NamedTuple):
    """The payout of a market's YES contract at its end, in dollars."""

    at: datetime
    yes_payout: Decimal


Quotes = tuple[Decimal | None, Decimal | None]
"""Best bids of YES and NO, in dollars; None if there are no bids."""


class PriceLook(NamedTuple):
    """A market's best bids at its last look.

    `counted`: what a position counts at, the higher bids of this look and the one before."""

    at: datetime
    bids: Quotes
    counted: Quotes


@dataclass
class PendingWrites:
    """One entry, written in one transaction.

    Fills and settlements may repeat. An order replaces its earlier record. Seconds and `capital` (dollars times
    seconds) are added to the stored sums. `opening`: positions when the ledger is begun; the entry's fills and
    settlements are then from before it. `looked`: the time of `looks`, which replace all earlier ones. `traded`:
    change of the cash by all fills and settlements since the opening, in dollars. `payouts`: by program id.
    `cash_rule`: how the exchange was found to count cash. `carried`: with `opening`, what the bot's orders had
    brought on that day before."""

    at: datetime
    cycle: CycleRecord | None = None
    mark: AccountMark | None = None
    programs: list[Program] = field(default_factory=list)
    orders: dict[str, OrderRecord] = field(default_factory=dict)
    fills: dict[str, Fill] = field(default_factory=dict)
    settlements: dict[tuple[str, datetime], Settlement] = field(default_factory=dict)
    opening: Mapping[str, DayMark] | None = None
    days: dict[date, Mapping[str, DayMark]] = field(default_factory=dict)
    prices: dict[str, PriceLook] = field(default_factory=dict)
    seconds: dict[AccrualKey, AccruedSeconds] = field(default_factory=dict)
    looked: datetime | None = None
    looks: Mapping[str, Book] = field(default_factory=dict)
    traded: Decimal | None = None
    cash: dict[datetime, ExplainedSpan] = field(default_factory=dict)
    flows: dict[str, CashFlow] = field(default_factory=dict)
    markouts: dict[MarkoutPoint, BestBids] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    capital: dict[tuple[date, str], float] = field(default_factory=dict)
    payouts: dict[str, PayoutLook] = field(default_factory=dict)
    cash_rule: KnownCashRule | None = None
    carried: Decimal = Decimal(0)

    def add(self, seconds: Mapping[AccrualKey, AccruedSeconds]) -> None:
        for key, more in seconds.items():
            self.seconds[key] = self.seconds.get(key, AccruedSeconds()) + more

    def lose_estimates(self) -> None:
        """Make the entry's seconds unknown, because it could not be written in time."""
        self.seconds = {key: one.lost() for key, one in self.seconds.items()}
