"""What the settings want, put to the rooms that decide. Promise: pure; the same board, time and limits give the
same choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bot.settings import Settings
from exchange.models import Book
from rewards.estimate import RIVALS_ANSWER, Caution, IncentiveProgram, Skip
from risk.exposure import Room
from selection import advice, allocation
from selection.ranking import Choice, Wish, choose, no_slot_left
from selection.screening import Screen
from trade import Trade


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to price (`trade`), what to keep to (`screen`), what a choice is to bring (`wish`)."""

    trade: Trade
    screen: Screen
    wish: Wish

    @classmethod
    def of(cls, rules: Settings) -> Strategy:
        return cls(
            Trade(rules.trade_size, rules.delta_ticks, rules.incentive_size),
            Screen(rules.only, rules.avoid, rules.hours_to_close),
            Wish(rules.ticker_slots, rules.min_reward, rules.fill_cost),
        )

    @property
    def caution(self) -> Caution:
        """How the estimates of a fixed size are made that decide."""
        return Caution(RIVALS_ANSWER, fill_cost=self.wish.fill_cost)

    def with_fewer_slots(self, taken: int) -> Strategy:
        """The same, with so many slots taken already."""
        return replace(self, wish=replace(self.wish, slots=max(self.wish.slots - taken, 0))) if taken else self

    def decide(
        self,
        incentives: Iterable[IncentiveProgram],
        rivals: Mapping[str, Book],
        now: datetime,
        room: Room,
        quoted: frozenset[str],
        skipped: Iterable[Skip] = (),
    ) -> Choice:
        """The markets to quote, with which bids, and one reason for each of the rest. `rivals`: books without our
        own orders; `quoted`: the tickers that have a slot now; `skipped`: those that were left out before."""
        if self.trade.size is None and self.wish.slots:
            return allocation.choose_sizes(self.trade, incentives, rivals, now, self.wish, room, quoted, skipped)
        if self.trade.size is None:
            return Choice((), (*(no_slot_left(one.ticker) for one in incentives), *skipped))
        candidates, unquoted = self.trade.candidates(incentives, rivals, now, self.caution)
        return choose(candidates, [*unquoted, *skipped], self.wish, room, quoted)

    def advise(
        self,
        choice: Choice,
        incentives: Iterable[IncentiveProgram],
        rivals: Mapping[str, Book],
        now: datetime,
        room: Room,
    ) -> str:
        """What to change where a choice is paid nothing, empty where it is paid."""
        return advice.advise(self.trade, self.caution, choice, incentives, rivals, now, room)
