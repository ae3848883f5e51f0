"""The reasons why a market is not quoted.

Promise:
- Every reason has one name, used by the log and docs/trade-log.md.
- Every skipped market has the number behind its reason.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import NamedTuple


class Reason(Enum):
    """Why a market is not quoted. The value is what the log prints."""

    PAID_OUT = "PAID_OUT"
    NOT_LIQUIDITY = "NOT_LIQUIDITY"
    NOT_RUNNING = "NOT_RUNNING"
    RULE_NOT_KNOWN = "RULE_NOT_KNOWN"
    NO_PUBLISHED_SCORE = "NO_PUBLISHED_SCORE"
    ONLY = "ONLY"
    AVOID = "AVOID"
    NO_MARKET = "NO_MARKET"
    MARKET_STATUS = "MARKET_STATUS"
    TRADING_PAUSED = "TRADING_PAUSED"
    MIN_HOURS_TO_CLOSE = "MIN_HOURS_TO_CLOSE"
    RULE_ENDS_SOON = "RULE_ENDS_SOON"
    NO_BOOK = "NO_BOOK"
    TOP_TICK = "TOP_TICK"
    NO_REFERENCE = "NO_REFERENCE"
    PRICE_BOUNDS = "PRICE_BOUNDS"
    TRADE_DELTA = "TRADE_DELTA leaves the paid levels"
    INCENTIVE_SIZE = "INCENTIVE_SIZE"
    TARGET_MISSED = "TARGET_MISSED"
    MIN_REWARD = "MIN_REWARD"
    REWARD_FLOOR = "REWARD_FLOOR"
    FILL_COST = "FILL_COST"
    CASH = "CASH"
    MAX_CAPITAL = "MAX_CAPITAL"
    MAX_EVENT_LOSS = "MAX_EVENT_LOSS"
    TRADE_TICKER_SIZE = "TRADE_TICKER_SIZE"
    GUARD = "GUARD"
    EXIT_LIMIT = "EXIT_LIMIT"
    UNREADABLE = "UNREADABLE"


class Skip(NamedTuple):
    """A market that is not quoted, with its one reason.

    `label` and `number` are the number behind the reason, as the log prints it."""

    ticker: str
    reason: Reason
    label: str
    number: str

    @property
    def text(self) -> str:
        """The reason and its number, as the log prints them."""
        return f"{self.reason.value} | {self.label}: {self.number}"


def contracts(count: Decimal | int) -> str:
    """Format a number of contracts for the log.

    Commas separate thousands; decimals appear only for a fraction."""
    return f"{count:,.2f}".removesuffix(".00")
