"""Advise which settings to change when the present ones earn nothing.

Promise:
- Every function is pure.
- A size that the advice names would be paid today, by the estimate that decides, within the other settings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from exchange.orderbook import Book
from exchange.ticker_patterns import PerMarket
from rewards import rule_2026_07_30 as rule
from rewards.estimate import Candidate, EstimateRules, RewardedMarket
from rewards.skips import Reason, Skip
from risk.exposure import Headroom
from selection.allocation import LEAST_WINDOW
from selection.ranking import Selection, broken_limit
from trade import Trade

MOST_CONTRACTS = 100_000


def advise(
    trade: Trade,
    estimate_rules: PerMarket[EstimateRules],
    selection: Selection,
    incentives: Iterable[RewardedMarket],
    rivals: Mapping[str, Book],
    now: datetime,
    headroom: Headroom,
    must_pay: bool = False,
) -> str:
    """Return advice about settings that earn nothing.

    Returns "" if a chosen market would be paid. `rivals`: books without our own orders. `estimate_rules`: the
    rules of the estimates that decide. `must_pay`: no slot goes to a market that would be paid $0.00."""
    if any(candidate.conservative.payable for candidate in selection.chosen):
        return ""
    counts = Counter(skip.reason for skip in selection.skipped)
    unscored = not counts.keys() & _SCORED
    if not selection.chosen and (unscored or (Reason.MIN_REWARD in counts and not must_pay)):
        return nothing_quoted(selection, trade.per_market)
    found = list(incentives)
    if trade.trade_size is None:
        least = _least_window(estimate_rules)
        return (
            f"AUTO quotes nothing: no market would pay {least} and more than its fills cost within MAX_CAPITAL, "
            "MAX_EVENT_LOSS and the other limits. [SKIP MARKET] lists the reasons"
            f"{_beyond_limits(trade, estimate_rules, found, rivals, now)}"
        )
    return _for_fixed_size(trade, estimate_rules, counts, selection, found, rivals, now, headroom)


def _least_window(estimate_rules: PerMarket[EstimateRules]) -> str:
    """What `AUTO` expects a window to pay at least: one sum, or from which to which."""
    least = sorted({own.min_window for own in estimate_rules.values()})
    dollars = " to ".join(f"${window:,.2f}" for window in dict.fromkeys((least[0], least[-1])))
    return f"{dollars} a window" + (" (MIN_REWARD)" if least[-1] > LEAST_WINDOW else "")


def _for_fixed_size(
    trade: Trade,
    estimate_rules: PerMarket[EstimateRules],
    counts: Mapping[Reason, int],
    selection: Selection,
    found: list[RewardedMarket],
    rivals: Mapping[str, Book],
    now: datetime,
    headroom: Headroom,
) -> str:
    """What the fixed size would be paid at best, and which size would be paid."""
    candidates, _ = trade.candidates(found, rivals, now, estimate_rules)
    best_market = max(candidates, key=lambda candidate: candidate.estimate.window, default=None)
    if best_market is None:
        return nothing_quoted(selection, trade.per_market)
    best, size = best_market.estimate.window, best_market.bids[0].count
    none = "" if selection.chosen else "no market is worth a slot, so nothing is quoted now; "
    taken = _entry_taken(" ({})", best_market.ticker, trade.per_market)
    at_size = f"{none}at TRADE_SIZE = {size.normalize():f} the best market{taken} would pay ${best:.2f} a window"
    if any(candidate.conservative.payable for candidate in candidates):
        kept_out = [reason for reason in _LIMITS if reason in counts]
        why = ", ".join(f"{reason.value} {counts[reason]}" for reason in kept_out)
        change = _to_change(kept_out, _overridden(selection, trade.per_market))
        return f"{at_size}, but the markets that would be paid are skipped: {why}.{change}"
    if best < float(rule.PAYOUT_FLOOR):
        at_size += f", below the ${rule.PAYOUT_FLOOR} floor"
    else:
        at_size += ", but below the payout floor with the rivals' score doubled"
    for worth_it in (True, False):
        smallest = smallest_paid(trade, estimate_rules, found, rivals, now, headroom, worth_it)
        if smallest is not None:
            return f"{at_size}; {_told(smallest, worth_it, trade.per_market)}"
    beyond = _beyond_limits(trade, estimate_rules, found, rivals, now)
    return f"{at_size}; no size is paid today within MAX_CAPITAL, MAX_EVENT_LOSS and the other limits{beyond}"


def _beyond_limits(
    trade: Trade,
    estimate_rules: PerMarket[EstimateRules],
    incentives: Iterable[RewardedMarket],
    rivals: Mapping[str, Book],
    now: datetime,
) -> str:
    """Which size would be paid with more money, or "" if none would."""
    smallest = smallest_paid(trade, estimate_rules, incentives, rivals, now, _AMPLE, worth_it=True)
    return f". With larger limits {_told(smallest, True, trade.per_market)}" if smallest else ""


_AMPLE = Headroom(Decimal(10_000_000), Decimal(10_000_000), Decimal(10_000_000))
"""Money for any size that advice may name."""

_LIMITS = (Reason.FILL_COST, Reason.MIN_REWARD, Reason.MAX_CAPITAL, Reason.MAX_EVENT_LOSS, Reason.CASH)
"""The reasons that skip markets that would be paid."""

_SCORED = frozenset({*_LIMITS, Reason.TRADE_TICKER_SIZE, Reason.REWARD_FLOOR})
"""The reasons of markets in which our bids would be scored. For the others the reward is unknown."""

_TRUST = f'TRUST_RULE = "{rule.NAME}", if you know that the program goes on by this rule'

_REMEDIES = {
    Reason.FILL_COST: "a smaller FILL_COST, if fills cost you less",
    Reason.MIN_REWARD: "a smaller MIN_REWARD",
    Reason.MAX_CAPITAL: "a larger MAX_CAPITAL",
    Reason.MAX_EVENT_LOSS: "a larger MAX_EVENT_LOSS",
    Reason.CASH: "more cash on the market's shard",
    Reason.AVOID: "fewer patterns in AVOID",
    Reason.MIN_HOURS_TO_CLOSE: "a smaller MIN_HOURS_TO_CLOSE",
    Reason.INCENTIVE_SIZE: "a larger INCENTIVE_SIZE, or None",
    Reason.TRADE_DELTA: "a smaller TRADE_DELTA",
    Reason.PRICE_BOUNDS: "a smaller TRADE_DELTA",
    Reason.TARGET_MISSED: "TRADE_SIZE = AUTO, which can complete a side that is below its target",
    Reason.ONLY: "more patterns in ONLY, or ONLY = () for all",
    Reason.RULE_NOT_KNOWN: _TRUST,
    Reason.RULE_ENDS_SOON: _TRUST,
}
"""The setting to change for each reason."""


def nothing_quoted(selection: Selection, per_market: PerMarket[Trade]) -> str:
    """Say why the settings leave no market to quote, and what to change."""
    counts = Counter(skip.reason for skip in selection.skipped)
    only = next((skip for skip in selection.skipped if skip.reason is Reason.ONLY), None)
    elsewhere = (Reason.ONLY, Reason.AVOID, *_NEVER_PAY)
    left = sum(count for reason, count in counts.items() if reason not in elsewhere)
    if only is not None and not left:
        return (
            f"nothing can be quoted: of {counts.total():,} markets with a program, such as {only.ticker}, ONLY = "
            f"{only.number} leaves none that pays now. Fix its patterns, or set ONLY = () for all"
        )
    told = ", ".join(f"{reason.value} {count:,}" for reason, count in counts.most_common(5))
    reasons = (reason for reason, _ in counts.most_common())
    change = _to_change(reasons, _overridden(selection, per_market)) or " No setting would help"
    return f"nothing can be quoted with these settings: {told or 'no program is listed'}.{change}"


def _entry_taken(form: str, ticker: str, per_market: PerMarket[Trade]) -> str:
    """Which entry of `OVERRIDES` a market takes, in the `form` given, or "" if none."""
    pattern = per_market.pattern_of(ticker)
    return "" if pattern is None else form.format(f'it takes "{pattern}" of OVERRIDES')


def _overridden(selection: Selection, per_market: PerMarket[Trade]) -> set[Reason]:
    """The reasons of skipped markets that take an entry of `OVERRIDES`."""
    if not per_market.exceptions:
        return set()
    return {skip.reason for skip in selection.skipped if per_market.pattern_of(skip.ticker) is not None}


def _to_change(reasons: Iterable[Reason], overridden: Set[Reason]) -> str:
    """The settings to change, in the order of the `reasons`, or "" if none helps.

    The text has three remedies or fewer. `overridden`: reasons of markets that take an entry of `OVERRIDES`."""
    remedies = dict.fromkeys(
        _REMEDIES[reason] + (_IN_OVERRIDES if reason in _PER_MARKET & overridden else "")
        for reason in reasons
        if reason in _REMEDIES
    )
    return f" To change: {'; '.join([*remedies][:3])}" if remedies else ""


_IN_OVERRIDES = " (also in OVERRIDES)"

_PER_MARKET = {
    Reason.FILL_COST, Reason.MIN_REWARD, Reason.MIN_HOURS_TO_CLOSE, Reason.INCENTIVE_SIZE, Reason.TRADE_DELTA,
    Reason.PRICE_BOUNDS,
}  # fmt: skip
"""The reasons by settings that a market may have for itself."""

_NEVER_PAY = (Reason.PAID_OUT, Reason.NOT_LIQUIDITY, Reason.NOT_RUNNING, Reason.NO_PUBLISHED_SCORE)
"""The reasons of programs that pay no resting orders now, under any settings."""


def _told(smallest: Candidate, worth_it: bool, per_market: PerMarket[Trade]) -> str:
    costs = smallest.conservative.fill_cost_per_day + smallest.conservative.fees_per_day
    taken = _entry_taken(", {}", smallest.ticker, per_market)
    verdict = "" if worth_it else ": more than it earns, so the bot would skip it"
    return (
        f"the smallest size that is paid today is {smallest.bids[0].count:,} contracts ({smallest.ticker}"
        f"{taken}: ${smallest.estimate.payable:.2f} by the windows' ends, and it ties up "
        f"${smallest.collateral:.2f}; fills are expected to cost ${costs:.2f} a day{verdict})"
    )


def smallest_paid(
    trade: Trade,
    estimate_rules: PerMarket[EstimateRules],
    incentives: Iterable[RewardedMarket],
    rivals: Mapping[str, Book],
    now: datetime,
    headroom: Headroom,
    worth_it: bool,
) -> Candidate | None:
    """The market that is paid for the smallest whole size, with that size.

    Returns None if no size fits into `headroom`. `worth_it`: only sizes that earn more than their fills cost,
    which is the bot's own condition."""
    best: Candidate | None = None

    def at(incentive: RewardedMarket, size: int) -> Candidate | None:
        sized = replace(trade.for_market(incentive.ticker), trade_size=Decimal(size))
        scored = sized.quote(incentive, rivals[incentive.ticker])
        if isinstance(scored, Skip):
            return None
        decided = incentive.estimate(scored, now, estimate_rules.of(incentive.ticker))
        candidate = Candidate(incentive, rivals[incentive.ticker], scored, decided, now)
        is_paid = decided.payable > 0 and (decided.net_per_day > 0 or not worth_it)
        return candidate if is_paid and broken_limit(candidate, headroom) is None else None

    for incentive in incentives:
        if incentive.ticker not in rivals:
            continue
        high = _most(trade, incentive, rivals[incentive.ticker], headroom)
        high = min(high, int(best.bids[0].count) - 1) if best else high
        found = at(incentive, high) if high > 0 else None
        low = 1
        while found and low < high:
            middle = (low + high) // 2
            smaller = at(incentive, middle)
            found, low, high = (smaller, low, middle) if smaller else (found, middle + 1, high)
        best = found or best
    return best


def _most(trade: Trade, incentive: RewardedMarket, rivals: Book, headroom: Headroom) -> int:
    """The largest whole size that a market's limits allow, or 0 if it has no price."""
    prices = trade.prices(incentive, rivals)
    if isinstance(prices, Skip):
        return 0
    one = prices.bids(Decimal(1), Decimal(1))
    if not one:
        return 0
    costs = [incentive.cost(bid) for bid in one]
    cash = min(headroom.capital, headroom.cash_on(incentive.market.exchange_index))
    most = min(cash / sum(costs), headroom.event_loss / max(costs))
    return min(int(most.to_integral_value(ROUND_FLOOR)), MOST_CONTRACTS)
