"""What the exchange tells a customer of the account, as frozen values. No rule, no clock, no file and no network
lives here.

Promise: as in `exchange/models.py`, cash and prices are exact `Decimal` dollars, sizes `Decimal` contracts, times
aware.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from exchange.orderbook import Side


class Identity(NamedTuple):
    """Whose account on which exchange. `run`: of a simulator, which forgets everything when it stops; empty
    elsewhere."""

    base_url: str
    key_id: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Contracts held in a market: `count` > 0 is YES, < 0 is NO. `exposure` is what they cost, `fees` what was
    paid in fees in this market so far, in dollars."""

    ticker: str
    count: Decimal
    exposure: Decimal
    exchange_index: int
    fees: Decimal = Decimal(0)

    @property
    def side(self) -> Side:
        return Side.YES if self.count > 0 else Side.NO

    @property
    def size(self) -> Decimal:
        return abs(self.count)


@dataclass(frozen=True, slots=True)
class Fill:
    """Contracts that changed hands against one of our orders. `fee` in dollars."""

    fill_id: str
    order_id: str
    ticker: str
    side: Side
    price: Decimal
    count: Decimal
    fee: Decimal
    is_taker: bool
    time: datetime

    @property
    def change(self) -> Decimal:
        """What it adds to a position, YES positive."""
        return self.count if self.side is Side.YES else -self.count


class Settlement(NamedTuple):
    """A market that was paid out. Contracts held then and what they had cost, by side; `revenue`: what came in,
    `fee`: all fees paid for them. `yes_payout` is what a YES contract paid in dollars, None where not said."""

    ticker: str
    event_ticker: str
    yes_count: Decimal
    yes_cost: Decimal
    no_count: Decimal
    no_cost: Decimal
    revenue: Decimal
    fee: Decimal
    yes_payout: Decimal | None
    exchange_index: int
    time: datetime

    @property
    def change(self) -> Decimal:
        """What it adds to a position, YES positive: it ends it."""
        return self.no_count - self.yes_count


class PaymentStatus(Enum):
    PENDING = "pending"
    APPLIED = "applied"
    FAILED = "failed"
    RETURNED = "returned"


class Payment(NamedTuple):
    """A deposit or a withdrawal: `amount` and `fee` in dollars, both positive. It counts in the balance once it is
    applied."""

    id: str
    status: PaymentStatus
    amount: Decimal
    fee: Decimal
    created: datetime
    finalized: datetime | None


class Transfer(NamedTuple):
    """Dollars moved between two shards of the account. `status` in the exchange's words."""

    id: str
    status: str
    amount: Decimal
    source_shard: int
    destination_shard: int
    created: datetime


class SubaccountTransfer(NamedTuple):
    """Dollars moved between two subaccounts, 0 being the primary one."""

    id: str
    amount: Decimal
    from_subaccount: int
    to_subaccount: int
    created: datetime


class Balance(NamedTuple):
    """Cash in dollars that no order ties up: in all, and by shard (an order can spend only its own shard's)."""

    available: Decimal
    by_shard: dict[int, Decimal]


class OrderGroup(NamedTuple):
    """Orders that the exchange cancels together when more than `limit` contracts of them (None: no limit) are
    filled within 15 seconds. It lives on one shard."""

    id: str
    limit: Decimal | None
    exchange_index: int


class BucketLimit(NamedTuple):
    """Tokens a second, and how many of them a bucket holds."""

    rate: int
    capacity: int


class AccountLimits(NamedTuple):
    """How much the account's keys may ask for. `tier` in the exchange's words."""

    tier: str
    read: BucketLimit
    write: BucketLimit


class EndpointCosts(NamedTuple):
    """Tokens that a call costs: `default`, or what the table says for a method and a path. Its places are written
    `:name`, `{name}` or, for all that follows, `*name`."""

    default: int
    table: tuple[tuple[str, str, int], ...]
