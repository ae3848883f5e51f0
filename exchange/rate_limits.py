"""How much may be asked of the exchange, and when. Promise: no request leaves before its tokens are there, none
waits longer than they need, and the exchange never has a reason to answer 429 to this process alone.

The exchange keeps token buckets for each account (docs.kalshi.com/getting_started/rate_limits): one for reads;
one for writes on each shard, where a write that names shard 0, and every batch, draws on the first; and one look
at the balance a second, which nothing else draws on. What a bucket holds and what a call costs it tells itself;
until then this is the lowest tier.

A request reaches the exchange some time between leaving and being answered. A bucket that is full gains nothing
meanwhile, so its tokens are counted as spent when the answer is there: whatever the way took, the exchange's
bucket then holds at least what this one does.
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
"""Looks at the balance. Higher tiers have five a second; nobody here needs them."""

COSTS = EndpointCosts(
    default=10,
    table=(
        ("DELETE", "/portfolio/events/orders", 2),
        ("DELETE", "/portfolio/events/orders/:order_id", 2),
        ("DELETE", "/portfolio/events/orders/batched", 2),
    ),
)
"""What the table of the demo exchange said of the calls used here, September 2026."""

_GRAIN, _MOMENT = 1e-6, 1e-5
"""So little of a token may be missing, for sums of floats do; and so short a wait, in seconds, is the shortest."""


class Endpoint(NamedTuple):
    """A kind of request, its path with `{name}` for each parameter. `idempotent`: sent twice it does what it does
    once, so it may be sent again where the outcome is not known; `changes_lists`: what it does shows in the
    account's lists."""

    method: str
    path: str
    bucket: str = "read"
    idempotent: bool = True
    changes_lists: bool = True


class TokenBucket:
    """Tokens that refill by `limit.rate` a second up to `limit.capacity`. A new one is full."""

    def __init__(self, limit: BucketLimit, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._tokens = float(limit.capacity)
        self._at = clock.monotonic()

    def change(self, limit: BucketLimit) -> None:
        """Go by another limit from now on. What was spent stays spent."""
        self._refill()
        self._tokens += limit.capacity - self._limit.capacity
        self._limit = limit

    def wait_for(self, tokens: float) -> None:
        """Return once so many are there, or all that fit in."""
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
        """The exchange says that there is nothing left: somebody else draws on it too."""
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
        """Go by what the exchange says from now on."""
        self.limits = limits
        self._costs = costs
        self._cost_by_endpoint.clear()
        self._read.change(limits.read)
        for bucket in self._writes.values():
            bucket.change(limits.write)

    def cost(self, endpoint: Endpoint) -> int:
        """Tokens for one such call, or for one order of such a batch."""
        if endpoint.bucket == "balance":
            return 1  # that bucket counts looks
        key = (endpoint.method, endpoint.path)
        known = self._cost_by_endpoint.get(key)
        if known is None:
            known = self._cost_by_endpoint[key] = _cost(self._costs, endpoint)
        return known

    @contextmanager
    def acquire(self, endpoint: Endpoint, shard: int, units: int = 1, keep: float = 0.0) -> Iterator[None]:
        """Around a request: wait until its tokens are there and `keep` beyond them, and count them as spent once
        it is over. `units`: the orders of a batch."""
        bucket = self.bucket(endpoint, shard)
        tokens = self.cost(endpoint) * units
        bucket.wait_for(tokens + keep)
        try:
            yield
        finally:
            bucket.take(tokens)

    def bucket(self, endpoint: Endpoint, shard: int) -> TokenBucket:
        """The bucket that a call draws on. A shard's is full when it is first used."""
        if endpoint.bucket == "write":
            if shard not in self._writes:
                self._writes[shard] = TokenBucket(self.limits.write, self._clock)
            return self._writes[shard]
        return self._balance if endpoint.bucket == "balance" else self._read

    def reserve_for_cancels(self, cancels: int, cancel: Endpoint) -> float:
        """Tokens that creates leave in a bucket, so that `cancels` orders can be canceled: half of it at most."""
        return min(cancels * self.cost(cancel), self.limits.write.capacity / 2)


def _cost(costs: EndpointCosts, endpoint: Endpoint) -> int:
    """By the row that fits best."""
    best, found = -1, costs.default
    for method, path, cost in costs.table:
        fit = _fit(path, endpoint.path) if method == endpoint.method else None
        if fit is not None and fit > best:
            best, found = fit, cost
    return found


def _fit(pattern: str, path: str) -> int | None:
    """How well a pattern fits a path: by the parts that it names, then by whether it goes to the end of it. None
    where it is another's."""
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
    """Orders that fit into a batch: all of it must be in the bucket at once."""
    return max(math.floor((limits.write.capacity - keep) / cost), 1)
