"""The account's data as frozen values: positions, fills, payments, limits.

Promise:
- As in `exchange/models.py`, cash and prices are exact `Decimal` dollars, sizes are `Decimal` contracts, and times
  are timezone-aware.
- The module holds no rules, and uses no clock, file or network.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from exchange.orderbook import Side


class Identity(NamedTuple):
    """An account on an exchange.

    `run` identifies a simulator's run, because a simulator forgets everything when it stops. It is empty for
    a real exchange."""

    base_url: str
    key_id: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Contracts held in a market: `count` > 0 is YES, < 0 is NO.

    In dollars: `exposure` is their cost, `fees` all fees paid in this market so far."""

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
    """A trade of one of our orders. `fee` is in dollars."""

    fill_id: str
    order_id: str
    ticker: str
    side: Side
    price: Decimal
    count: Decimal
    fee: Decimal
    is_taker: bool
    time: datetime
    exchange_index: int = 0

    @property
    def change(self) -> Decimal:
        """The change in position, in contracts; YES is positive."""
        return self.count if self.side is Side.YES else -self.count


class Settlement(NamedTuple):
    """A market's payout to the account.

    A market that was traded has one even if nothing was held at its end. Counts and costs (dollars) are of all
    contracts ever bought, by side, so they include pairs that the exchange paid back long before. Only the
    difference of the counts was held at the end, and only that is paid for.

    - `revenue`: dollars received, in whole cents: a fraction of a cent is not paid.
    - `fee`: all fees of the market's fills. The fills have charged them already.
    - `yes_payout`: dollars paid for a YES contract, also between 0 and 1. None if the exchange did not say."""

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
        """The change in position, which ends it, in contracts; YES is positive.

        0 if nothing was held."""
        return self.no_count - self.yes_count


class PaymentStatus(Enum):
    PENDING = "pending"
    APPLIED = "applied"
    FAILED = "failed"
    RETURNED = "returned"


class Payment(NamedTuple):
    """A deposit or a withdrawal: `amount` and `fee` in dollars, both positive.

    It counts in the balance once it is applied. A deposit's fee is a part of its amount: `amount` less `fee`
    arrives. Whether a withdrawal's fee is a part of its amount is not known."""

    id: str
    status: PaymentStatus
    amount: Decimal
    fee: Decimal
    created: datetime
    finalized: datetime | None


class Transfer(NamedTuple):
    """Dollars moved between two shards of the account.

    `status` is in the exchange's words."""

    id: str
    status: str
    amount: Decimal
    source_shard: int
    destination_shard: int
    created: datetime


class SubaccountTransfer(NamedTuple):
    """Dollars moved between two subaccounts; 0 is the primary one."""

    id: str
    amount: Decimal
    from_subaccount: int
    to_subaccount: int
    created: datetime


class Balance(NamedTuple):
    """Cash in dollars as the exchange tells it: in total, and by shard.

    Whether it still contains what resting orders reserve is not known beforehand: see `exchange/reserves.py`. An
    order can spend only its own shard's cash."""

    total: Decimal
    by_shard: dict[int, Decimal]


class OrderGroup(NamedTuple):
    """Orders that the exchange cancels together after too many fills.

    It does so when more than `limit` of their contracts (None: no limit) are filled within 15 seconds. A group
    belongs to one shard."""

    id: str
    limit: Decimal | None
    exchange_index: int


class BucketLimit(NamedTuple):
    """A bucket's refill in tokens per second, and its capacity in tokens."""

    rate: int
    capacity: int


class AccountLimits(NamedTuple):
    """The account's rate limits. `tier` is in the exchange's words."""

    tier: str
    read: BucketLimit
    write: BucketLimit


class EndpointCosts(NamedTuple):
    """Tokens that a call costs: by method and path in `table`, otherwise `default`.

    A path's parameters are written `:name`, `{name}` or, for all the rest of the path, `*name`."""

    default: int
    table: tuple[tuple[str, str, int], ...]
