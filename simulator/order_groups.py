"""Order groups: the exchange cancels a group's orders if they fill too fast.

Promise:
- A group belongs to one shard. A call for another shard raises `Refusal` (not found).
- No call changes a group while the exchange is paused on its shard.
"""

from __future__ import annotations

from simulator.account import Account, OrderGroup
from simulator.exchange import Exchange, Refusal


def create(exchange: Exchange, owner: str, shard: int, limit: int | None) -> OrderGroup:
    """Create a group. `limit` is in 1/100 contract; None: only `trigger` triggers it."""
    group = OrderGroup(exchange.new_id(), shard, limit)
    exchange.accounts[owner].groups[group.group_id] = group
    return group


def find(exchange: Exchange, owner: str, group_id: str, shard: int | None = None) -> OrderGroup:
    group = exchange.accounts[owner].groups.get(group_id)
    if group is None or shard not in (None, group.shard):
        raise Refusal(404, "not_found", "order group not found")
    return group


def _changeable(exchange: Exchange, owner: str, group_id: str, shard: int) -> OrderGroup:
    group = find(exchange, owner, group_id, shard)
    if exchange.pause_on(group.shard) == "exchange":
        raise Refusal(409, "exchange_is_paused", "exchange is paused")
    return group


def reset(exchange: Exchange, owner: str, group_id: str, shard: int) -> None:
    """Let the group accept orders again, and count its fills from zero."""
    group = _changeable(exchange, owner, group_id, shard)
    group.triggered = False
    group.filled.clear()


def trigger(exchange: Exchange, owner: str, group_id: str, shard: int) -> None:
    _take_down(exchange, exchange.accounts[owner], _changeable(exchange, owner, group_id, shard))


def set_limit(exchange: Exchange, owner: str, group_id: str, shard: int, limit: int) -> None:
    """Change the limit. A limit below the recent fills triggers the group at once."""
    group = _changeable(exchange, owner, group_id, shard)
    group.limit = limit
    if exchange.group_volume(group) > limit:
        _take_down(exchange, exchange.accounts[owner], group)


def delete(exchange: Exchange, owner: str, group_id: str, shard: int) -> None:
    """Delete a group and cancel its orders."""
    group = _changeable(exchange, owner, group_id, shard)
    _take_down(exchange, exchange.accounts[owner], group)
    del exchange.accounts[owner].groups[group_id]


def _take_down(exchange: Exchange, account: Account, group: OrderGroup) -> None:
    group.triggered = True
    exchange.sweep_group(account, group)
