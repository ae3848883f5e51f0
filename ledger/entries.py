"""What the ledger holds, as typed values, and each as the row that it is written as. Promise: what is written and
read again is the same, to the last digit and microsecond.
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
from ledger.cash_reconciliation import ExplainedSpan
from ledger.markouts import BestBids, MarkoutPoint

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class OrderRecord(NamedTuple):
    """An order of ours and its life: it rested from `created` to `ended`, None as long as it does. `fees` in
    dollars."""

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
        """An order as the exchange lists it. Where it does not say when something happened, it is taken to have
        been when it was `seen`."""
        rests = order.status is OrderStatus.RESTING
        return cls(
            order.order_id, order.client_order_id, order.ticker, order.side, order.price, order.asked,
            order.filled, order.fees, order.status, order.created or seen, order.expires,
            None if rests else order.updated or seen,
        )  # fmt: skip


class AccountMark(NamedTuple):
    """What there was at a time, in dollars: cash that nothing ties up (None where the exchange did not tell), what
    is held, at the best bids, and of the UTC day its profit and what it accrued, before floor and cap (None where
    that is not known). `own_profit`: the part of the day's profit since the ledger was begun, on the day on which
    it was."""

    at: datetime
    free_cash: Decimal | None
    held: Decimal
    day_profit: Decimal | None
    accrued: float | None
    own_profit: Decimal | None = None

    @property
    def before_bot(self) -> Decimal:
        """What the day had brought when the ledger was begun; 0 on every later day."""
        if self.day_profit is None or self.own_profit is None:
            return Decimal(0)
        return self.day_profit - self.own_profit


class DayMark(NamedTuple):
    """What was held of a market at 00:00 UTC (`contracts` > 0: YES), and what a contract would have brought then,
    in dollars."""

    contracts: Decimal
    price: Decimal


class CycleRecord(NamedTuple):
    """A cycle of the bot. `orders`: how many rested at its end; `problem`: why it failed, empty where it did
    not."""

    began: datetime
    seconds: float
    requests: int
    markets: int
    orders: int
    problem: str = ""


class CashFlow(NamedTuple):
    """A deposit, a withdrawal or a transfer: `amount` in dollars, and what it adds to the account's cash (`moves`,
    below 0 for what is taken out, 0 between shards or as long as it is not done)."""

    id: str
    kind: str
    amount: Decimal
    moves: Decimal
    at: datetime


class NewFill(NamedTuple):
    """A fill that was not known yet. `closed`: contracts of it that closed what was held of the other side."""

    fill: Fill
    closed: Decimal


class PositionAdjustment(NamedTuple):
    """Contracts (YES positive) that the exchange said were held and no fill explains, taken over at a time."""

    time: datetime
    ticker: str
    change: Decimal


class Halt(NamedTuple):
    """The bot stopped trading by itself. `cleared`: when a person let it go on, `cleared_by` how."""

    at: datetime
    reason: str
    cleared: datetime | None
    cleared_by: str | None


class AccrualKey(NamedTuple):
    """Which seconds: those of a side of a program's market, by UTC day."""

    program_id: str
    side: Side
    day: date
    ticker: str


class AccruedSeconds(NamedTuple):
    """Seconds in which an order of ours rested (`present`), and what they were: they counted, paid nobody, or
    nobody knows. `shares`: our part of the side, 0 to 1, added up over the qualified ones; `reward`: dollars
    accrued, before floor and cap, by the worse of two looks, `at_most` by the better one. Estimates, all of
    them."""

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
        """The same seconds, of which nobody knows any more what they were."""
        return AccruedSeconds(present=self.present, unknown=self.present)


class Outcome(NamedTuple):
    """What a YES contract of a market paid at its end, in dollars."""

    at: datetime
    yes_payout: Decimal


Quotes = tuple[Decimal | None, Decimal | None]
"""Best bids of both sides, YES and NO, in dollars; None where nobody bids."""


@dataclass
class PendingWrites:
    """What goes into the ledger at once. Fills and settlements may be told again; an order replaces what was known
    of it; seconds and capital (dollars times seconds) are added up. `opening`: positions held when the ledger is
    begun; the fills and settlements beside them are from before. `looked`: when the books were looked at that
    replace all earlier `looks`. `traded`: dollars that all fills and settlements since the opening moved."""

    at: datetime
    cycle: CycleRecord | None = None
    mark: AccountMark | None = None
    programs: list[Program] = field(default_factory=list)
    orders: dict[str, OrderRecord] = field(default_factory=dict)
    fills: dict[str, Fill] = field(default_factory=dict)
    settlements: dict[tuple[str, datetime], Settlement] = field(default_factory=dict)
    opening: Mapping[str, DayMark] | None = None
    days: dict[date, Mapping[str, DayMark]] = field(default_factory=dict)
    prices: dict[str, Quotes] = field(default_factory=dict)
    seconds: dict[AccrualKey, AccruedSeconds] = field(default_factory=dict)
    looked: datetime | None = None
    looks: Mapping[str, Book] = field(default_factory=dict)
    traded: Decimal | None = None
    cash: dict[datetime, ExplainedSpan] = field(default_factory=dict)
    flows: dict[str, CashFlow] = field(default_factory=dict)
    markouts: dict[MarkoutPoint, BestBids] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    capital: dict[tuple[date, str], float] = field(default_factory=dict)

    def add(self, seconds: Mapping[AccrualKey, AccruedSeconds]) -> None:
        for key, more in seconds.items():
            self.seconds[key] = self.seconds.get(key, AccruedSeconds()) + more

    def lose_estimates(self) -> None:
        """Say that it could not be written: its seconds are unknown from now on, whenever it is."""
        self.seconds = {key: one.lost() for key, one in self.seconds.items()}


# -- as rows -----------------------------------------------------------------------------------------------------
