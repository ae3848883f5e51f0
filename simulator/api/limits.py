"""The exchange's rate limits, as token buckets for each API key.

Promise:
- The limits are the published token buckets of each tier, and no others.

Source: the exchange's page on rate limits, October 2026. Reads and writes have separate buckets, refilled evenly.
A write for a numbered shard spends that shard's own tokens. On the lower tiers the balance may be read once a
second.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.exchange import SHARDS

GRAIN = 0.001
"""The part of a token that may be missing, because a clock has only microseconds."""


class TooMany(Exception):
    """A bucket holds fewer tokens than a request costs. None were spent."""


@dataclass(frozen=True, slots=True)
class Tier:
    """An account's rates, in tokens per second.

    A bucket holds the tokens of `read_burst` or `write_burst` seconds. `balance_per_second` counts requests."""

    name: str
    read: int
    write: int
    read_burst: int
    write_burst: int
    balance_per_second: int


TIERS = {
    tier.name: tier
    for tier in (
        Tier("basic", 200, 100, 3, 1, 1),
        Tier("advanced", 300, 300, 3, 3, 1),
        Tier("expert", 600, 600, 1, 3, 5),
        Tier("premier", 1_200, 1_200, 1, 3, 5),
        Tier("paragon", 2_400, 2_400, 1, 3, 5),
        Tier("prime", 4_800, 4_800, 1, 3, 5),
        Tier("prestige", 12_000, 9_600, 1, 3, 5),
    )
}


@dataclass(slots=True)
class Bucket:
    rate: float
    capacity: float
    filled: float = field(init=False)
    since: float | None = None

    def __post_init__(self) -> None:
        self.filled = self.capacity

    def holds(self, cost: float, now: float) -> bool:
        if self.since is not None:
            self.filled = min(self.capacity, self.filled + max(now - self.since, 0.0) * self.rate)
        self.since = now
        return self.filled >= cost - GRAIN

    def spend(self, cost: float) -> None:
        self.filled -= cost


class Budget:
    """One key's buckets."""

    def __init__(self, tier: Tier) -> None:
        self.read = Bucket(tier.read, tier.read * tier.read_burst)
        self.balance = Bucket(tier.balance_per_second, 1)
        self.write = {shard: Bucket(tier.write, tier.write * tier.write_burst) for shard in SHARDS}

    def take_read(self, cost: int, now: float) -> None:
        _take([self.read], cost, now)

    def take_balance(self, now: float) -> None:
        _take([self.balance], 1, now)

    def take_write(self, cost: int, shard: int | None, now: float) -> None:
        """Pay for a write to a shard, from that shard's bucket.

        A write that names no shard pays from the first shard's bucket. So does a batch, whose `shard` is None.
        -1 is a write that is not yet routed: it pays from every bucket."""
        buckets = list(self.write.values()) if shard == -1 else [self.write.get(shard or 0, self.write[0])]
        _take(buckets, cost, now)


def _take(buckets: list[Bucket], cost: int, now: float) -> None:
    held = [bucket.holds(cost, now) for bucket in buckets]
    if not all(held):
        raise TooMany
    for bucket in buckets:
        bucket.spend(cost)
