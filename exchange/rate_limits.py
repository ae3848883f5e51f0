"""Keep requests within the exchange's rate limits, by token buckets.

Promise:
- A request leaves when its tokens are there, not before and not later.
- If only this process uses the account, the exchange has no reason to answer 429.

The exchange keeps token buckets per account (docs.kalshi.com/getting_started/rate_limits):
- one for reads,
- one per shard for writes; batches draw on that of shard 0,
- one for the balance: one read per second, which nothing else draws on.

The exchange reports the buckets' sizes and the calls' costs. Until then the limits are those of the lowest tier.

A request reaches the exchange between its sending and its answer. A full bucket gains nothing meanwhile. So tokens
are counted as spent when the answer arrives: the exchange's bucket then holds at least as many as this one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from exchange.account import AccountLimits, BucketLimit, EndpointCosts
from exchange.clock import Clock

BASIC = AccountLimits("basic", read=BucketLimit(200, 600), write=BucketLimit(100, 100))
"""The lowest tier, October 2026."""

BALANCE = BucketLimit(1, 1)
"""Reads of the balance. Higher tiers allow five per second; the bot needs one."""

COSTS = EndpointCosts(
    default=10,
    table=(
        ("DELETE", "/portfolio/events/orders", 2),
        ("DELETE", "/portfolio/events/orders/:order_id", 2),
        ("DELETE", "/portfolio/events/orders/batched", 2),
    ),
)
"""Costs of the calls used here, by the demo exchange's table of September 2026."""

_GRAIN, _MOMENT = 1e-6, 1e-5
"""Tokens that float sums may lack, and the shortest wait in seconds."""


class Endpoint(NamedTuple):
    """A kind of request; its path has `{name}` for each parameter.

    `idempotent`: sending it twice has the same effect as once, so it may be repeated after an unknown outcome.
    `changes_lists`: its effect shows in the account's lists."""

    method: str
    path: str
    bucket: str = "read"
    idempotent: bool = True
    changes_lists: bool = True


class TokenBucket:
    """Tokens that refill by `limit.rate` per second up to `limit.capacity`.

    A new bucket is full."""

    def __init__(self, limit: BucketLimit, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._tokens = float(limit.capacity)
        self._at = clock.monotonic()

    def change(self, limit: BucketLimit) -> None:
        """Use another limit from now on. Spent tokens stay spent."""
        self._refill()
        self._tokens += limit.capacity - self._limit.capacity
        self._limit = limit

    def wait_for(self, tokens: float) -> None:
        """Wait until the bucket holds `tokens`, or is full."""
        self._refill()
        missing = min(tokens, self._limit.capacity) - self._tokens
        while missing > _GRAIN:
            self._clock.sleep(max(missing / self._limit.rate, _MOMENT))
            self._refill()
            missing = min(tokens, self._limit.capacity) - self._tokens

    def take(self, tokens: float) -> None:
        self._refill()
        self._tokens -= tokens

    def empty(self) -> None:
        """Set the bucket to empty after a 429: another program draws on it too."""
        self._refill()
        self._tokens = min(self._tokens, 0.0)

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._tokens + (now - self._at) * self._limit.rate, self._limit.capacity)
        self._at = now


class RateLimiter:
    """All buckets of one account."""

    def __init__(self, clock: Clock) -> None:
        self.limits = BASIC
        self._costs = COSTS
        self._cost_by_endpoint: dict[tuple[str, str], int] = {}
        self._clock = clock
        self._read = TokenBucket(BASIC.read, clock)
        self._balance = TokenBucket(BALANCE, clock)
        self._writes: dict[int, TokenBucket] = {}

    def use_limits(self, limits: AccountLimits, costs: EndpointCosts) -> None:
        """Use the exchange's own limits and costs from now on."""
        self.limits = limits
        self._costs = costs
        self._cost_by_endpoint.clear()
        self._read.change(limits.read)
        for bucket in self._writes.values():
            bucket.change(limits.write)

    def cost(self, endpoint: Endpoint) -> int:
        """Return the tokens for one such call, or for one order of such a batch."""
        if endpoint.bucket == "balance":
            return 1  # that bucket counts reads
        key = (endpoint.method, endpoint.path)
        known = self._cost_by_endpoint.get(key)
        if known is None:
            known = self._cost_by_endpoint[key] = _cost(self._costs, endpoint)
        return known

    @contextmanager
    def acquire(self, endpoint: Endpoint, shard: int, units: int = 1, keep: float = 0.0) -> Iterator[None]:
        """Wait for a request's tokens, and count them as spent when the request is over.

        `keep` more tokens must be there, and stay. `units`: the number of orders in a batch."""
        bucket = self.bucket(endpoint, shard)
        tokens = self.cost(endpoint) * units
        bucket.wait_for(tokens + keep)
        try:
            yield
        finally:
            bucket.take(tokens)

    def bucket(self, endpoint: Endpoint, shard: int) -> TokenBucket:
        """Return the bucket that a call draws on. A shard's is full at its first use."""
        if endpoint.bucket == "write":
            if shard not in self._writes:
                self._writes[shard] = TokenBucket(self.limits.write, self._clock)
            return self._writes[shard]
        return self._balance if endpoint.bucket == "balance" else self._read

    def reserve_for_cancels(self, cancels: int, cancel: Endpoint) -> float:
        """Return the tokens that creates must leave for `cancels` cancels.

        That is up to half of the bucket."""
        return min(cancels * self.cost(cancel), self.limits.write.capacity / 2)


def _cost(costs: EndpointCosts, endpoint: Endpoint) -> int:
    """Return the cost in the row that fits best."""
    best, found = -1, costs.default
    for method, path, cost in costs.table:
        fit = _fit(path, endpoint.path) if method == endpoint.method else None
        if fit is not None and fit > best:
            best, found = fit, cost
    return found


def _fit(pattern: str, path: str) -> int | None:
    """Rate how well a pattern fits a path; None if it does not match.

    More literal parts rate higher. Among equals, a pattern that covers the whole path beats a `*`."""
    named = 0
    parts, wanted = path.split("/"), pattern.rstrip("/").split("/")
    for place, part in enumerate(wanted):
        if part.startswith("*"):
            return 2 * named
        if place >= len(parts):
            return None
        is_place = part.startswith((":", "{"))
        if part == parts[place] and not is_place:
            named += 1
        elif not is_place:
            return None
    return 2 * named + 1 if len(parts) == len(wanted) else None


def largest_batch(limits: AccountLimits, cost: int, keep: float) -> int:
    """Return the most orders in a batch: the bucket must hold all its tokens."""
    return max(math.floor((limits.write.capacity - keep) / cost), 1)
