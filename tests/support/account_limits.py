"""Limits that bind, and a check that an account keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from exchange.account import Position
from exchange.models import Order
from risk.gate import Gate, Limits, TradingState
from trade import is_own

CAPITAL, EVENT_LOSS = 60, 15


RULES: dict[str, Any] = {
    "TRADE_DELTA": 0.00,
    "TRADE_TICKER_SIZE": 3,
    "INCENTIVE_SIZE": None,
    "MAX_CAPITAL": CAPITAL,
    "MAX_EVENT_LOSS": EVENT_LOSS,
    "DAILY_LOSS_LIMIT": 1_000,
    "FILL_COST": 0,
    "MIN_HOURS_TO_CLOSE": 1,
    "AVOID": (),
}
"""Settings that quote at the touch, with limits that bind and nothing that halts."""


def exceeded(orders: Sequence[Order], positions: Sequence[Position]) -> list[str]:
    """The limits that these orders and positions break."""
    settled = Limits(Decimal(CAPITAL), Decimal(EVENT_LOSS), 0)
    known = Gate(TradingState(settled, orders=tuple(orders), positions=tuple(positions)), {})
    found = [f"{event}: ${risk} at risk" for event, risk in known.risks().items() if risk > EVENT_LOSS]
    if known.tied_up > CAPITAL:
        found.append(f"${known.tied_up} tied up")
    sides = [(order.ticker, order.side) for order in orders if is_own(order)]
    if len(sides) > len(set(sides)):
        found.append("two orders on one side")
    return found
