"""Settlements by a market's public result, if the account's own cannot be read.

Promise:
- Pure and exact.
- A market is settled once: a settlement by its result and the account's own, read later, are the same one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from exchange.account import Settlement
from exchange.models import Market, MarketStatus

ONE_SETTLEMENT = timedelta(days=1)
"""The longest time between two reports of one settlement."""

_CENT = Decimal("0.01")
_NOTHING = Decimal(0)


def by_result(market: Market, held: Decimal, now: datetime) -> Settlement | None:
    """The settlement of a position, `held` contracts (YES positive).

    None if the market's result is not final. Costs and fees are unknown, and so 0. `now`: its time, if the
    exchange does not tell it."""
    if market.status is not MarketStatus.FINALIZED or market.yes_payout is None:
        return None
    yes, no = max(held, _NOTHING), max(-held, _NOTHING)
    pays = yes * market.yes_payout + no * (1 - market.yes_payout)
    return Settlement(
        market.ticker, market.event_ticker, yes, _NOTHING, no, _NOTHING,
        revenue=pays.quantize(_CENT, ROUND_FLOOR),
        fee=_NOTHING,
        yes_payout=market.yes_payout,
        exchange_index=market.shard,
        time=market.settled or now,
    )  # fmt: skip


def is_same(one: Settlement, other: Settlement) -> bool:
    """Whether two reports are of the same settlement."""
    return one.ticker == other.ticker and abs(one.time - other.time) < ONE_SETTLEMENT
