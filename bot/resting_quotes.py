"""The quotes that rest after a cycle, and the markets that refuse them.

Promise:
- An estimate counts the bids that rest, at the prices and sizes at which they rest.
- A market loses its slot only to refusals of its own, and only if what rests there would not be paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from bot.decision import LoopMemory
from exchange.orderbook import Bid
from execution.executor import Executor
from execution.outcome import Outcome
from incentive import Strategy
from rewards.estimate import Candidate
from runtime.log_format import Fields


def resting_quotes(
    chosen: Iterable[Candidate], resting: Mapping[str, tuple[Bid, ...]], strategy: Strategy
) -> tuple[Candidate, ...]:
    """The chosen markets in which an order of the bot rests, with the bids that rest.

    `resting`: the bids by ticker. `strategy`: the rules for the estimate that decides."""
    found = []
    for candidate in chosen:
        bids = resting.get(candidate.ticker)
        if bids:
            scored = candidate.incentive.score(candidate.rivals, bids)
            decided = candidate.incentive.estimate(scored, candidate.at, strategy.estimate_rules)
            found.append(candidate._replace(scored=scored, conservative=decided))
    return tuple(found)


def cooldowns(
    memory: LoopMemory,
    executor: Executor,
    outcome: Outcome,
    quotes: Iterable[Candidate],
    strategy: Strategy,
    now: datetime,
) -> list[Fields]:
    """Start cooldowns on shards and markets that take no orders.

    `quotes`: as `resting_quotes` returns them. Returns the log's fields."""
    paid = {one.ticker for one in quotes if _is_paid(one, strategy)}
    quoted = memory.incentive_program.quoted
    told: list[Fields] = []
    for shard, why in executor.triggered_shards.items():
        told += memory.guards.on_group_triggered(shard, why, now)
    for ticker, why in executor.closed_markets.items():
        told += memory.guards.on_refused(ticker, why, now)
    for aside in memory.refusals.on_cycle(outcome.refused, outcome.taken, quoted, paid.__contains__, now):
        told += memory.guards.on_refused(aside.ticker, aside.why, now, aside.lasts)
    return told


def _is_paid(quote: Candidate, strategy: Strategy) -> bool:
    """Whether what rests in a market is paid, and more than its fills cost."""
    decided = quote.conservative
    return 0 < decided.payable >= strategy.rules.min_reward and decided.net_per_day > 0
