"""Order groups, a customer's own breaker: filled faster than its limit, a group's orders come down by themselves.

Promise: groups live on one shard; a call for another finds nothing, and a paused exchange changes none.
"""

from __future__ import annotations

from simulator.account import Account, OrderGroup
from simulator.exchange import Exchange, Refusal


def create(exchange: Exchange, owner: str, shard: int, limit: int | None) -> OrderGroup:
    """A new group. `limit` in 1/100 contract, None for one that only a call triggers."""
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
    """Let the group take orders again, and count from nothing."""
    group = _changeable(exchange, owner, group_id, shard)
    group.triggered = False
    group.filled.clear()


def trigger(exchange: Exchange, owner: str, group_id: str, shard: int) -> None:
    _take_down(exchange, exchange.accounts[owner], _changeable(exchange, owner, group_id, shard))


def set_limit(exchange: Exchange, owner: str, group_id: str, shard: int, limit: int) -> None:
    """Change the limit. One below what was just filled triggers the group at once."""
    group = _changeable(exchange, owner, group_id, shard)
    group.limit = limit
    if exchange.group_volume(group) > limit:
        _take_down(exchange, exchange.accounts[owner], group)


def delete(exchange: Exchange, owner: str, group_id: str, shard: int) -> None:
    """Remove a group, and its orders with it."""
    group = _changeable(exchange, owner, group_id, shard)
    _take_down(exchange, exchange.accounts[owner], group)
    del exchange.accounts[owner].groups[group_id]


def _take_down(exchange: Exchange, account: Account, group: OrderGroup) -> None:
    group.triggered = True
    exchange.sweep_group(account, group)
