"""Ways to choose markets without asking what fills cost or what is paid.

Promise:
- Only the choice differs: prices, limits, exits and the loop are the bot's.

The bot is compared with them (`benchmarks.strategies`). Public bots choose like this: a fixed size in the markets
with the richest pools, or with the emptiest books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from exchange.orderbook import Book
from incentive import Strategy
from rewards.estimate import Candidate, RewardedMarket
from rewards.skips import Reason, Skip
from risk.exposure import Headroom
from selection.ranking import HYSTERESIS, Selection, broken_limit, headroom_after
from trade import no_book, target_missed


@dataclass(frozen=True, slots=True)
class BestFirst(Strategy):
    """Fixed sizes in the markets of the highest `merit`.

    It takes as many as the slots and the limits allow. A market that has a slot counts for a quarter more, as in
    the bot's own ranking. `merit` is above 0."""

    merit: Callable[[Candidate], float]

    def decide(
        self,
        incentives: Iterable[RewardedMarket],
        rivals: Mapping[str, Book],
        now: datetime,
        headroom: Headroom,
        quoted: frozenset[str],
        skipped: Iterable[Skip] = (),
    ) -> Selection:
        """As `Strategy.decide`."""
        found = [self._candidate(incentive, rivals.get(incentive.ticker), now) for incentive in incentives]
        left_out = [one for one in found if isinstance(one, Skip)]
        ranked = [one for one in found if isinstance(one, Candidate)]
        ranked.sort(key=lambda one: (-self.merit(one) * (HYSTERESIS if one.ticker in quoted else 1), one.ticker))
        chosen: list[Candidate] = []
        beyond: list[Skip] = []
        for candidate in ranked:
            full = len(chosen) == self.rules.trade_ticker_size
            lacking = _no_slot(candidate) if full else broken_limit(candidate, headroom)
            if lacking is not None:
                beyond.append(lacking)
                continue
            chosen.append(candidate)
            headroom = headroom_after(headroom, candidate)
        return Selection(tuple(chosen), (*beyond, *left_out, *skipped))

    def _candidate(self, incentive: RewardedMarket, rivals: Book | None, now: datetime) -> Candidate | Skip:
        """The market with the fixed size on each side that has a price.

        Returns the reason if it has none, or pays nobody."""
        if rivals is None:
            return no_book(incentive)
        prices, size = self.trade.prices(incentive, rivals), self.trade.trade_size
        if isinstance(prices, Skip):
            return prices
        if size is None:
            raise ValueError("no size is fixed")
        bids = prices.bids(size, size)
        scored = incentive.score(rivals, bids)
        if not scored.qualifies:
            return target_missed(incentive, rivals, bids)
        rules = self.estimate_rules.of(incentive.ticker)
        return Candidate(incentive, rivals, scored, incentive.estimate(scored, now, rules), now)


def richest(candidate: Candidate) -> float:
    """The market's whole pool, in dollars a day."""
    return candidate.incentive.pool_per_day


def emptiest(candidate: Candidate) -> float:
    """The less the rivals score, the more.

    Both sides count, by the richest program whose seconds count."""
    yes, no = next(sides for sides in candidate.scored.sides if sides is not None)
    return 1 / (1 + yes.rivals + no.rivals)


def slots_by(merit: Callable[[Candidate], float], strategy: Strategy) -> Strategy:
    """A strategy that gives its slots by merit instead."""
    return BestFirst(strategy.trade, strategy.screen, strategy.rules, merit)


def _no_slot(candidate: Candidate) -> Skip:
    return Skip(candidate.ticker, Reason.TRADE_TICKER_SIZE, "Rank", "others have the slots")
