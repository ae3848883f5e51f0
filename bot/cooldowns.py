"""Begin and end cooldowns after a look, and after a cycle's requests.

Promise:
- It sends nothing and logs nothing: the log's fields are returned.
- A market loses its slot only to refusals of its own, and only if what rests there would not be paid.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bot.decision import LoopMemory
from bot.observation import AccountSnapshot, MarketView, early_cancels
from exchange.models import ExchangeStatus
from execution.executor import Executor
from execution.outcome import Outcome
from incentive import Strategy
from rewards.estimate import Candidate
from runtime.log_format import Fields
from selection.ranking import is_worth_it


def after_look(
    memory: LoopMemory, account: AccountSnapshot, view: MarketView, status: ExchangeStatus
) -> list[Fields]:
    """End cooldowns that are over; begin new ones after price jumps and early cancels."""
    guards, now, rivals = memory.guards, view.snapshot.at, view.snapshot.rivals
    told = guards.ended(now)
    told += guards.on_books(view.markets, rivals, memory.incentive_program.quoted, now)
    for shard, why in early_cancels(account.early, view.markets, status).items():
        told += guards.on_group_triggered(shard, why, now)
    return told


def after_requests(
    memory: LoopMemory,
    executor: Executor,
    outcome: Outcome,
    quotes: Iterable[Candidate],
    strategy: Strategy,
    now: datetime,
) -> list[Fields]:
    """Begin cooldowns on shards and markets that take no orders.

    `quotes`: those that rest, as `resting_quotes` returns them."""
    rules = strategy.rules.per_market
    paid = {one.ticker for one in quotes if is_worth_it(one.conservative, rules.of(one.ticker))}
    quoted = memory.incentive_program.quoted
    told: list[Fields] = []
    for shard, why in executor.triggered_shards.items():
        told += memory.guards.on_group_triggered(shard, why, now)
    for ticker, why in executor.closed_markets.items():
        told += memory.guards.on_refused(ticker, why, now)
    for aside in memory.refusals.on_cycle(outcome.refused, outcome.taken, quoted, paid.__contains__, now):
        told += memory.guards.on_refused(aside.ticker, aside.why, now, aside.lasts)
    return told
