"""How much a key may ask for. Promise: the published token buckets, by tier, and no other limit.

Source: the exchange's page on rate limits, October 2026. Reads and writes have a bucket each, refilled evenly; a
write for a numbered shard spends that shard's own. The balance may be read once a second on the lower tiers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.exchange import SHARDS

GRAIN = 0.001
"""So little of a token may be missing: clocks tell microseconds."""


class TooMany(Exception):
    """A bucket does not hold what a request costs. Nothing was spent."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Tokens a second, and the seconds of them that a bucket holds."""

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
        """Pay for a write to a shard: the first shard's bucket is that of all writes that name none. A `shard` of
        None is a batch, which pays there; -1 is one that has yet to be routed, and pays everywhere."""
        buckets = list(self.write.values()) if shard == -1 else [self.write.get(shard or 0, self.write[0])]
        _take(buckets, cost, now)


def _take(buckets: list[Bucket], cost: int, now: float) -> None:
    held = [bucket.holds(cost, now) for bucket in buckets]
    if not all(held):
        raise TooMany
    for bucket in buckets:
        bucket.spend(cost)
