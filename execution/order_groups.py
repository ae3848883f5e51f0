"""Order groups: the exchange's own limit on fills, one group for each shard.

If more than a group's limit is filled within 15 s, the exchange cancels all its orders within the second.

Promise:
- Every quote is sent in a group.
- A group's limit is `FILL_LIMIT`. If that is None, it is at least the shard's largest quote and less than twice
  it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal

from clients import KalshiHttpClient
from exchange.account import OrderGroup
from exchange.errors import ExchangeError, Refused
from runtime.log_format import Log

NEW_GROUP = "new"
"""Placeholder for a shard's group before it exists; the first quote creates it."""

LEAST = Decimal(1)
"""The smallest limit that the exchange accepts, in contracts."""

_TOO_WIDE = 2


class OrderGroups:
    """The order groups of a process.

    `fill_limit`: contracts filled within 15 s above which the exchange cancels all quotes of a shard. None: the
    size of the largest quote."""

    def __init__(self, client: KalshiHttpClient, fill_limit: Decimal | None, log: Log) -> None:
        self._client, self._fill_limit, self._log = client, fill_limit, log
        self._groups: dict[int, OrderGroup] = {}

    def group_ids(self, shards: Iterable[int]) -> dict[int, str]:
        """The group id of each shard; `NEW_GROUP` if it has none yet."""
        return {shard: self._groups[shard].id if shard in self._groups else NEW_GROUP for shard in shards}

    def ensure(self, largest: Mapping[int, Decimal]) -> None:
        """Create each shard's group, or adjust it to its `largest` order.

        Raises `ExchangeError`."""
        for shard, count in largest.items():
            wanted = self._fill_limit or max(count.to_integral_value(ROUND_CEILING), LEAST)
            group = self._groups.get(shard)
            if group is None:
                group = OrderGroup(self._open(wanted, shard), wanted, shard)
                self._groups[shard] = group
                many = f"more than {wanted:f} contract{'s' * (wanted != 1)} in 15 s"
                says = f"the exchange cancels our quotes there after fills of {many}"
                self._log("INFO", {"Shard": shard, "Order group": says})
            elif group.limit is not None and not group.limit / _TOO_WIDE < wanted <= group.limit:
                self._client.limit_order_group(group, wanted)
                self._groups[shard] = group._replace(limit=wanted)

    def _open(self, limit: Decimal, shard: int) -> str:
        try:
            return self._client.create_order_group(limit, shard)
        except ExchangeError as error:
            if not error.maybe_done:
                raise
            return self._client.create_order_group(
                limit, shard
            )  # the first attempt may have left an empty group, which does no harm

    def group_on(self, shard: int) -> str:
        """The id of a shard's group, after `ensure`."""
        return self._groups[shard].id

    def refused_by_group(self, error: ExchangeError, shard: int) -> bool:
        """Whether an order was refused by its group. An unknown group is created again."""
        said = f"{error.code} {error.message} {error.details}".lower().replace(" ", "_")
        if "order_group_not_found" in said:
            self._groups.pop(shard, None)
            return False
        return "order_group" in said

    def reset(self, shard: int) -> None:
        """Let a shard's group accept orders again. Raises `ExchangeError`."""
        group = self._groups.get(shard)
        if group is not None:
            try:
                self._client.reset_order_group(group)
            except Refused as error:
                if error.status != 404:
                    raise
                del self._groups[shard]  # a person removed it: the next quote creates another

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
