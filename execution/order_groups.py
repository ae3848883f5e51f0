"""Order groups: the exchange's own limit on fills, one group for each shard.

If more than a group's limit is filled within 15 s, the exchange cancels all its orders within the second.

Promise:
- Every quote is sent in a group. If the exchange makes none, quotes rest without one, at most `FILL_LIMIT`
  contracts of them on a shard (`risk/gate.py` keeps to that), until it makes one again.
- A group's limit is `FILL_LIMIT`. If that is None, it is at least the shard's largest quote and less than twice
  it, but never more than `MAX_EVENT_LOSS` pays for (`execution/fill_limit.py`).
- A group that cannot be adjusted, or takes no orders after a reset, is given up for a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from clients import KalshiHttpClient
from exchange.account import OrderGroup
from exchange.errors import ExchangeError
from execution.fill_limit import FillLimit
from runtime.log_format import Log

NEW_GROUP = "new"
"""Placeholder for a shard's group before it exists; the first quote creates it."""

_TOO_WIDE = 2


class OrderGroups:
    """The order groups of a process.

    `fill_limit`: contracts filled within 15 s above which the exchange cancels all quotes of a shard. None: as
    the plan says."""

    def __init__(self, client: KalshiHttpClient, fill_limit: Decimal | None, log: Log) -> None:
        self._client, self._fill_limit, self._log = client, fill_limit, log
        self._groups: dict[int, OrderGroup] = {}
        self._refused: dict[int, Decimal] = {}
        self._reset: set[str] = set()

    def group_ids(self, shards: Iterable[int]) -> dict[int, str | None]:
        """The group id of each shard; `NEW_GROUP` if it has none yet.

        None: the exchange makes none."""
        missing = {shard: None if shard in self._refused else NEW_GROUP for shard in shards}
        return missing | {shard: group.id for shard, group in self._groups.items() if shard in missing}

    def ensure(self, limits: Mapping[int, FillLimit]) -> None:
        """Create each shard's group, or adjust it to its limit.

        `limits`: by shard, if `FILL_LIMIT` is None."""
        for shard, limit in limits.items():
            wanted, most = FillLimit(self._fill_limit, self._fill_limit) if self._fill_limit else limit
            group = self._groups.get(shard)
            if group is None:
                self._create(shard, wanted)
            elif group.limit is not None and not (group.limit / _TOO_WIDE < wanted <= group.limit <= most):
                try:
                    self._client.limit_order_group(group, wanted)
                except ExchangeError as error:
                    self._give_up(shard, f"could not be adjusted ({error})")
                else:
                    self._groups[shard] = group._replace(limit=wanted)

    def try_again(self) -> None:
        """Create the groups that the exchange did not make before."""
        for shard, wanted in list(self._refused.items()):
            self._create(shard, wanted)

    def _create(self, shard: int, wanted: Decimal) -> None:
        """Create a shard's group with the limit `wanted`, if the exchange makes one."""
        try:
            group_id = self._client.create_order_group(wanted, shard)
        except ExchangeError:  # the log says so when the call begins to fail
            self._refused[shard] = wanted
            return
        self._refused.pop(shard, None)
        self._groups[shard] = OrderGroup(group_id, wanted, shard)
        many = f"more than {wanted:f} contract{'s' * (wanted != 1)} in 15 s"
        says = f"the exchange cancels our quotes there after fills of {many}"
        self._log("INFO", {"Shard": shard, "Order group": says})

    def _give_up(self, shard: int, why: str) -> None:
        """Use a shard's group no more: the next quote creates another."""
        del self._groups[shard]
        self._log("INFO", {"Shard": shard, "Order group": f"{why}; the next quotes go into a new one"})

    def group_on(self, shard: int) -> str | None:
        """The id of a shard's group, after `ensure`. None if it has none."""
        group = self._groups.get(shard)
        return group.id if group else None

    def refused_by_group(self, error: ExchangeError, shard: int) -> bool:
        """Whether an order was refused by its group. An unknown group is created again."""
        said = f"{error.code} {error.message} {error.details}".lower().replace(" ", "_")
        if "order_group_not_found" in said:
            self._groups.pop(shard, None)
            return False
        refused, group = "order_group" in said, self._groups.get(shard)
        if refused and group and group.id in self._reset:
            self._give_up(shard, "takes no orders after its reset")
        return refused

    def reset(self, shard: int) -> None:
        """Let a shard's group accept orders again."""
        group = self._groups.get(shard)
        if group is not None:
            self._reset.add(group.id)
            try:
                self._client.reset_order_group(group)
            except ExchangeError as error:
                self._give_up(shard, f"could not be reset ({error})")

    def close(self) -> None:
        """Delete the groups. No order may rest in them any more."""
        for shard, group in list(self._groups.items()):
            try:
                self._client.delete_order_group(group)
            except ExchangeError as error:
                self._log(
                    "INFO", {"Shard": shard, "Order group": f"an empty group stays on the exchange: {error}"}
                )
            del self._groups[shard]
