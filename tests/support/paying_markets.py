"""Markets that pay a chosen amount for our bids."""

from __future__ import annotations

from decimal import Decimal

from exchange.orderbook import PriceGrid
from exchange.ticker_patterns import PerMarket
from rewards.estimate import RIVAL_MULTIPLIER, Candidate, EstimateRules, RewardedMarket
from tests.support.builders import CENTS, NOW, book, cents, market, program
from trade import Trade


def candidate(
    ticker: str = "KXA-1",
    window: float = 0.5,
    *,
    size: int = 20,
    volume: int = 0,
    accrued: float = 0.0,
    cap: int | None = None,
    grid: PriceGrid = CENTS,
) -> Candidate:
    """A market in which `size` contracts a side earn `window` dollars with twice the rivals over five days, and
    `accrued` before. 1,000 contracts of rivals rest on each side."""
    reward = window * (2_000 + size) / size
    one = program(ticker=ticker, cap=cap)._replace(reward=Decimal(str(round(reward, 6))))
    found = RewardedMarket(
        market(grid, ticker=ticker, volume=volume), (one,), accrued_by_program={one.id: accrued}
    )
    levels = cents((40, 1_000))
    rivals = {ticker: book(levels, levels)._replace(ticker=ticker)}
    decides = PerMarket(EstimateRules(RIVAL_MULTIPLIER, fill_cost=0.03))
    (made,), _ = Trade(Decimal(size), 0, None).candidates([found], rivals, NOW, decides)
    return made
