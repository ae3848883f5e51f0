"""Rank the markets that can be quoted, and choose the ones that get a slot.

Promise:
- Every function is pure.
- The chosen markets keep within the headroom.
- Every market that is not chosen has exactly one reason with its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from exchange.orderbook import NO, YES
from exchange.ticker_patterns import PerMarket
from rewards import rule_2026_07_30 as rule
from rewards.estimate import RIVAL_MULTIPLIER, Candidate, Estimate, EstimateRules
from rewards.skips import Reason, Skip
from risk.exposure import Headroom
from runtime.log_format import signed_dollars

RUNNERS_UP = 20
"""Up to this many of the best markets without a slot are kept, to show their estimates."""

HYSTERESIS = 1.25
"""A market that is already quoted counts for a quarter more, so a slightly better one does not take its slot."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The markets to quote, best first, and one reason for each of the others.

    `skipped` begins with the markets that ranked next. `unpaid`: the chosen markets that would be paid $0.00; they
    got slots that were free. `runners_up`: the best of the skipped markets that have sizes."""

    chosen: tuple[Candidate, ...]
    skipped: tuple[Skip, ...]
    unpaid: frozenset[str] = frozenset()
    runners_up: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectionRules:
    """The user's settings for a selection.

    `trade_ticker_size`: the number of slots. `min_reward`: a market that would pay fewer dollars is skipped.
    `fill_cost`: dollars charged for each contract that is filled. `must_pay`: no slot goes to a market that is
    expected to be paid $0.00. `overrides`: by ticker pattern, the rules of markets that have a
    `min_reward` and a `fill_cost` of their own; their other fields do not count."""

    trade_ticker_size: int
    min_reward: Decimal = Decimal(0)
    fill_cost: float = 0.0
    must_pay: bool = False
    overrides: tuple[tuple[str, SelectionRules], ...] = ()

    @property
    def per_market(self) -> PerMarket[SelectionRules]:
        return PerMarket(self, self.overrides)


def choose(
    candidates: Iterable[Candidate],
    skipped: Iterable[Skip],
    rules: SelectionRules,
    headroom: Headroom,
    quoted: frozenset[str],
) -> Selection:
    """Fill the slots by net payable dollars a day, within `headroom`.

    `quoted`: the tickers that have a slot now. A market must be payable and earn more than its fills cost. If
    `min_reward` is 0 and not every slot must pay, free slots go to markets that would be paid $0.00. Those rank by
    their reward before the $1.00 floor, regardless of what fills cost. If every slot must pay, a quoted market
    that falls slightly short keeps a slot that no other market takes."""
    paid: list[Candidate] = []
    unpaid: list[Candidate] = []
    near: list[Candidate] = []
    below: list[Candidate] = []
    dear: list[Candidate] = []
    refused: list[Skip] = []
    per_market = rules.per_market
    for candidate in candidates:
        decided, own = candidate.conservative, per_market.of(candidate.ticker)
        if is_worth_it(decided, own):
            paid.append(candidate)
            continue
        if rules.must_pay and candidate.ticker in quoted:
            lenient = _with_fewer_rivals(candidate, own)
            if is_worth_it(lenient.conservative, own):
                near.append(lenient)
                continue
        if decided.payable > 0 and decided.payable >= own.min_reward:
            dear.append(candidate)
            refused.append(skip_for_fill_cost(candidate.ticker, decided))
        elif own.min_reward > 0:
            number = f"${decided.payable:.2f} of ${own.min_reward:.2f} a window"
            refused.append(Skip(candidate.ticker, Reason.MIN_REWARD, "Payable", number))
        else:
            (below if rules.must_pay else unpaid).append(candidate)
    ranked = _ranked(paid, quoted, lambda estimate: estimate.net_per_day)
    ranked += _ranked(near, quoted, lambda estimate: estimate.net_per_day)
    ranked += _ranked(unpaid, quoted, lambda estimate: estimate.dollars_per_day)
    below = _ranked(below, quoted, lambda estimate: estimate.window)
    refused = [*map(skip_for_floor, below), *refused]
    chosen: list[Candidate] = []
    beyond: list[Skip] = []
    for rank, candidate in enumerate(ranked, start=1):
        if len(chosen) == rules.trade_ticker_size:
            number = f"{rank:,} of {len(ranked):,}, the best {rules.trade_ticker_size:,} are quoted"
            beyond.append(Skip(candidate.ticker, Reason.TRADE_TICKER_SIZE, "Rank", number))
            continue
        lacking = broken_limit(candidate, headroom)
        if lacking is not None:
            beyond.append(lacking)
        else:
            chosen.append(candidate)
            headroom = headroom_after(headroom, candidate)
    taken = {candidate.ticker for candidate in chosen}
    runners_up = [candidate for candidate in [*ranked, *below, *dear] if candidate.ticker not in taken][
        :RUNNERS_UP
    ]
    none_paid = frozenset(c.ticker for c in chosen if not c.conservative.payable)
    return Selection(tuple(chosen), (*beyond, *refused, *skipped), none_paid, tuple(runners_up))


def estimate_rules_of(rules: SelectionRules) -> EstimateRules:
    """The rules of the estimates that decide for a fixed size."""
    return EstimateRules(RIVAL_MULTIPLIER, fill_cost=rules.fill_cost)


def is_worth_it(decided: Estimate, rules: SelectionRules) -> bool:
    """Whether a market is paid, not less than its minimum, and nets more than nothing.

    `rules`: those of this market."""
    return decided.payable > 0 and decided.payable >= rules.min_reward and decided.net_per_day > 0


def _with_fewer_rivals(candidate: Candidate, rules: SelectionRules) -> Candidate:
    """A quoted candidate, judged with 1.6 times the rivals instead of twice."""
    lenient = estimate_rules_of(rules)._replace(rival_multiplier=RIVAL_MULTIPLIER / HYSTERESIS)
    decided = candidate.incentive.estimate(candidate.scored, candidate.at, lenient)
    return candidate._replace(conservative=decided)


def _ranked(
    candidates: Iterable[Candidate], quoted: frozenset[str], value: Callable[[Estimate], float]
) -> list[Candidate]:
    """Sort candidates, best first; the ticker breaks ties."""

    def key(candidate: Candidate) -> tuple[float, str]:
        times = HYSTERESIS if candidate.ticker in quoted else 1.0
        return -value(candidate.conservative) * times, candidate.ticker

    return sorted(candidates, key=key)


def skip_for_fill_cost(ticker: str, decided: Estimate) -> Skip:
    costs = decided.fill_cost_per_day + decided.fees_per_day
    number = (
        f"{signed_dollars(decided.net_per_day)}, {decided.fills_per_day:,.1f} fills a day cost ${costs:.4f} a day"
    )
    return Skip(ticker, Reason.FILL_COST, "Net a day", number)


def skip_for_floor(candidate: Candidate) -> Skip:
    """Why a market that would be paid $0.00 gets no slot."""
    number = f"$0.00, ${candidate.conservative.window:.2f} of ${rule.PAYOUT_FLOOR} a window"
    return Skip(candidate.ticker, Reason.REWARD_FLOOR, "Payable", number)


def no_slot_left(ticker: str) -> Skip:
    return Skip(ticker, Reason.TRADE_TICKER_SIZE, "Slots", "all are taken by quoted markets")


def losses(candidate: Candidate) -> tuple[Decimal, Decimal]:
    """Dollars that the bids lose if the market settles YES, and if it settles NO.

    The worst case: one side of a quote is filled alone."""
    by_side = dict.fromkeys((YES, NO), Decimal(0))
    for bid in candidate.bids:
        by_side[bid.side.other] += candidate.incentive.cost(bid)
    return by_side[YES], by_side[NO]


def broken_limit(candidate: Candidate, headroom: Headroom) -> Skip | None:
    """The limit that the bids would break, or None if they fit."""
    market, needs = candidate.incentive.market, candidate.collateral
    if needs > headroom.capital:
        number = f"${needs:.2f}, ${max(headroom.capital, Decimal(0)):.2f} left"
        return Skip(candidate.ticker, Reason.MAX_CAPITAL, "Ties up", number)
    cash = headroom.cash_on(market.exchange_index)
    if needs > cash:
        number = f"${needs:.2f}, ${cash:.2f} free on shard {market.exchange_index}"
        return Skip(candidate.ticker, Reason.CASH, "Ties up", number)
    at_risk = headroom_after(headroom, candidate).event_risk(market.event_ticker)
    if at_risk > headroom.event_loss:
        number = f"${at_risk:.2f} with it, limit ${headroom.event_loss:.2f}"
        return Skip(candidate.ticker, Reason.MAX_EVENT_LOSS, "Event's risk", number)
    return None


def headroom_after(headroom: Headroom, candidate: Candidate) -> Headroom:
    """The headroom left after a candidate's bids."""
    incentive = candidate.incentive
    return headroom.after(
        incentive.market.event_ticker, candidate.ticker, losses(candidate), candidate.collateral,
        incentive.market.exchange_index, incentive.exclusive,
    )  # fmt: skip
