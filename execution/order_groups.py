"""An order group for each shard, the exchange's own limit on fills, which takes our quotes down by itself, within
the second, where too much of them is filled at once.

Promise: no quote goes out but in a group; the limit is the setting's, or one largest order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal

from clients import KalshiHttpClient
from exchange.account import OrderGroup
from exchange.errors import ExchangeError, Refused
from runtime.log_format import Log

NEW_GROUP = "new"
"""Stands for the group of a shard that has none yet; it is opened when the first quote is sent."""

LEAST = Decimal(1)
"""The smallest limit that the exchange takes, in contracts."""

_TOO_WIDE = 2


class OrderGroups:
    """The groups of a process. `fill_limit`: contracts filled within 15 s beyond which the exchange withdraws all
    quotes of a shard; None: one largest order."""

    def __init__(self, client: KalshiHttpClient, fill_limit: Decimal | None, log: Log) -> None:
        self._client, self._fill_limit, self._log = client, fill_limit, log
        self._groups: dict[int, OrderGroup] = {}

    def group_ids(self, shards: Iterable[int]) -> dict[int, str]:
        """The group of each shard; `NEW_GROUP` where there is none yet."""
        return {shard: self._groups[shard].id if shard in self._groups else NEW_GROUP for shard in shards}

    def ensure(self, largest: Mapping[int, Decimal]) -> None:
        """Have a group on each of the shards, with a limit for its `largest` order. Raises an `ExchangeError`."""
        for shard, count in largest.items():
            wanted = self._fill_limit or max(count.to_integral_value(ROUND_CEILING), LEAST)
            group = self._groups.get(shard)
            if group is None:
                group = OrderGroup(self._open(wanted, shard), wanted, shard)
                self._groups[shard] = group
                many = f"more than {wanted:f} contract{'s' * (wanted != 1)} in 15 s"
                says = f"the exchange withdraws our quotes there after fills of {many}"
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
            return self._client.create_order_group(limit, shard)  # an empty group that nobody uses harms nobody

    def group_on(self, shard: int) -> str:
        """The id of a shard's group, which `ensure` has opened."""
        return self._groups[shard].id

    def refused_by_group(self, error: ExchangeError, shard: int) -> bool:
        """Whether an order was refused by its group. One that the exchange does not know is opened anew."""
        said = f"{error.code} {error.message} {error.details}".lower().replace(" ", "_")
        if "order_group_not_found" in said:
            self._groups.pop(shard, None)
            return False
        return "order_group" in said

    def reset(self, shard: int) -> None:
        """Let a shard's group take orders again. Raises an `ExchangeError`."""
        group = self._groups.get(shard)
        if group is not None:
            try:
                self._client.reset_order_group(group)
            except Refused as error:
                if error.status != 404:
                    raise
                del self._groups[shard]  # a person removed it: the next quote opens another

    def close(self) -> None:
        """Remove the groups: nothing rests in them any more."""
        for shard, group in list(self._groups.items()):
            try:
                self._client.delete_order_group(group)
            except ExchangeError as error:
                self._log("INFO", {"Shard": shard, "Order group": f"an empty one stays behind: {error}"})
            del self._groups[shard]
