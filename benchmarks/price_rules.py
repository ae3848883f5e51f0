"""Price rules that stay as they are, to compare the bot with.

Promise:
- A change of `trade.py`'s price rule changes no price here. What they share is the exchange's rule and its grid.
- A quote would be paid by the rule in force if the market qualifies.

`TodaysPrice` is the rule of `trade.py` in version 0.10.0, before the price was a decision. The others differ from
it in the wanted price only: they skip the same markets and sides, for the same reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from exchange.orderbook import SIDES, Book, Level, PriceGrid, Side
from incentive import Strategy
from rewards.estimate import RewardedMarket, contracts_ahead
from rewards.rule_2026_07_30 import REFERENCE_PART, TopTick
from rewards.skips import Reason, Skip
from trade import Prices, Trade


class Wanted(NamedTuple):
    """A wanted price in dollars, and the rivals' contracts at it or ahead of it."""

    price: Decimal
    ahead: Decimal


@dataclass(frozen=True, slots=True)
class TodaysPrice(Trade):
    """The reference, or `trade_delta` ticks behind the rivals' best bid.

    Whichever is lower."""

    def prices(self, incentive: RewardedMarket, rivals: Book) -> Prices | Skip:
        """As `Trade.prices`."""
        here = self.for_market(incentive.ticker)
        if not isinstance(here, TodaysPrice):
            raise TypeError(f"{incentive.ticker} is priced by another rule")
        if incentive.top_tick is TopTick.DISQUALIFIED and incentive.side_at_top_tick(rivals) is not None:
            return Skip(incentive.ticker, Reason.TOP_TICK, "Best bid", "no higher price exists")
        found: list[Decimal | Skip] = []
        for side in SIDES:
            levels = rivals.side(side)
            reference = _reference(levels, incentive.target / REFERENCE_PART)
            if reference is None and (here.trade_size is not None or not levels):
                return Skip(incentive.ticker, Reason.NO_REFERENCE, "Rivals on", side.value)
            found.append(here._side(incentive, side, levels, reference))
        yes, no = found
        return yes if isinstance(yes, Skip) and isinstance(no, Skip) else Prices(yes, no)

    def wanted(
        self, grid: PriceGrid, side: Side, levels: Sequence[Level], reference: Wanted | None
    ) -> Wanted | None:
        """The price that this rule wants, None if it would be below the lowest tick.

        `levels`: the rivals' bids, best first, at least one. `reference`: the price that sets their score, None if
        they are too few."""
        behind = grid.below(side, levels[0].price, self.trade_delta)
        if behind is None:
            return None
        if reference is not None and reference.price <= behind:
            return Wanted(grid.floor(side, reference.price), reference.ahead)
        return Wanted(behind, contracts_ahead(levels, behind))

    def _side(
        self, incentive: RewardedMarket, side: Side, levels: Sequence[Level], reference: Wanted | None
    ) -> Decimal | Skip:
        wanted = self.wanted(incentive.market.grid, side, levels, reference)
        if wanted is None:
            return Skip(incentive.ticker, Reason.PRICE_BOUNDS, "Price", f"none below {levels[0].price}")
        at_price = sum((level.size for level in levels if level.price == wanted.price), start=Decimal(0))
        if wanted.ahead - at_price >= incentive.target:
            return Skip(
                incentive.ticker, Reason.TRADE_DELTA, "Price", f"{wanted.price}, a target rests ahead of it"
            )
        if self.incentive_size is not None and wanted.ahead > self.incentive_size:
            return Skip(incentive.ticker, Reason.INCENTIVE_SIZE, "Rivals ahead", f"{wanted.ahead} contracts")
        return wanted.price


@dataclass(frozen=True, slots=True)
class TouchPrice(TodaysPrice):
    """The rivals' best bid."""

    def wanted(
        self, grid: PriceGrid, side: Side, levels: Sequence[Level], reference: Wanted | None
    ) -> Wanted | None:
        touch = grid.floor(side, levels[0].price)
        return Wanted(touch, contracts_ahead(levels, touch)) if touch else None


@dataclass(frozen=True, slots=True)
class ReferencePrice(TouchPrice):
    """The reference, also at the best bid.

    If the rivals are too few to set it: the best bid."""

    def wanted(
        self, grid: PriceGrid, side: Side, levels: Sequence[Level], reference: Wanted | None
    ) -> Wanted | None:
        if reference is None:
            return TouchPrice.wanted(self, grid, side, levels, reference)
        price = grid.floor(side, reference.price)
        return Wanted(price, reference.ahead) if price else None


def priced_by(rule: type[TodaysPrice], strategy: Strategy) -> Strategy:
    """A strategy with another price rule, in the markets of its overrides too."""
    return replace(strategy, trade=_with(rule, strategy.trade))


def _with(rule: type[TodaysPrice], trade: Trade) -> TodaysPrice:
    own = tuple((pattern, _with(rule, other)) for pattern, other in trade.overrides)
    return rule(trade.trade_size, trade.trade_delta, trade.incentive_size, own)


def _reference(levels: Sequence[Level], needed: Decimal) -> Wanted | None:
    """The price at which a side reaches `needed` contracts, None if it falls short."""
    walked = Decimal(0)
    for level in levels:
        walked += level.size
        if walked >= needed:
            return Wanted(level.price, walked)
    return None
