"""What a cycle decides: the markets to quote, and the plan that leads there.

Promise: what was observed and a time go in, a decision comes out; nothing is read or sent here. Where something
could not be read nothing is placed or renewed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bot.observation import Account, View
from bot.settings import Settings
from exchange.models import ExchangeStatus, Market
from exchange.orderbook import Bid, Book
from execution.order_groups import Breaker
from execution.plan import Plan, TargetQuote, Wishes, make_plan
from incentive import Board, IncentiveProgram
from rewards.estimate import RewardedMarket
from rewards.skips import Reason, Skip
from risk import exposure, gate
from risk.exposure import Room
from risk.gate import Situation
from risk.guards import Guards, Patience
from selection.ranking import Choice

_NOT_SEEN = frozenset({Reason.NO_BOOK, Reason.NO_MARKET, Reason.UNREADABLE})


@dataclass(frozen=True)
class Decision:
    """What a cycle does: the choice it comes from, the markets that keep their orders though they are not chosen,
    the situation it was made in, and the plan. `board` knows of the look."""

    choice: Choice
    stay: frozenset[str]
    board: Board
    situation: Situation
    plan: Plan


@dataclass(frozen=True)
class Circumstances:
    """What a decision depends on beside the look: `earned` dollars by program, `until` when what is placed or
    renewed now expires, and orders that were `sent_lately`."""

    status: ExchangeStatus
    earned: Mapping[str, float]
    until: datetime
    sent_lately: int


@dataclass
class LoopMemory:
    """What the loop remembers from one cycle to the next, beside its ledger."""

    incentives: IncentiveProgram
    guards: Guards
    patience: Patience
    order_groups: Breaker

    def forget(self) -> None:
        """Nothing is traded any more, and what is seen next is not compared with what was seen last."""
        self.incentives.drop(self.incentives.quoted)
        self.guards.forget_books()


def decide(rules: Settings, memory: LoopMemory, account: Account, view: View, now: Circumstances) -> Decision:
    """The markets to quote, and the plan that leads there. Sends nothing."""
    seen, incentives, guards = view.seen, memory.incentives, memory.guards
    quoted = incentives.quoted
    aside = guards.skips(seen.markets.values(), seen.at)
    unread = "an order or a position of ours could not be read"
    aside |= {ticker: Skip(ticker, Reason.UNREADABLE, "What", unread) for ticker in account.unread}
    choice, after = incentives.choose(seen, headroom(rules, account), now.earned, aside)
    reasons = {skip.ticker: skip for skip in choice.skipped}
    keep = memory.patience.keeps(quoted, choice.skipped)
    blind = frozenset(ticker for ticker in quoted & reasons.keys() if reasons[ticker].reason in _NOT_SEEN)
    stay = keep | blind
    if stay:
        aside |= {ticker: reasons[ticker] for ticker in stay}
        left = headroom(rules, account, stay)
        choice, after = incentives.choose(seen, left, now.earned, aside, stay)
    wanted = [
        TargetQuote(  # later than its programs' end is not paid
            candidate.incentive.market, bid, min(now.until, candidate.incentive.ends), size=bid.count
        )
        for candidate in choice.chosen
        for bid in candidate.bids
        if (candidate.ticker, bid.side) not in guards.sides
    ]
    situation = situation_of(rules, account, view, now)
    wishes = Wishes(wanted, keep, blind | account.unread, now.until, rules.exit)
    shards = {market.exchange_index or 0 for market in view.markets.values()}
    plan = make_plan(situation, wishes, memory.order_groups.ids(shards))
    return Decision(choice, stay, after, situation, plan)


def situation_of(rules: Settings, account: Account, view: View, now: Circumstances) -> Situation:
    known = {incentive.ticker: incentive for incentive in view.seen.incentives}
    return Situation(
        limits=_limits(rules),
        orders=account.orders,
        positions=account.positions.items,
        balance=account.balance,
        markets=view.markets,
        books=view.rivals,
        status=now.status,
        exclusive=frozenset(one.market.event_ticker for one in known.values() if one.exclusive),
        cost=lambda ticker, bid: _cost(known.get(ticker), bid),
        sent_lately=now.sent_lately,
    )


def _limits(rules: Settings) -> gate.Limits:
    return gate.Limits(rules.max_capital, rules.max_event_loss, gate.orders_a_minute(rules.trade_ticker_size))


def _cost(incentive: RewardedMarket | None, bid: Bid) -> Decimal:
    return incentive.cost(bid) if incentive else bid.price * bid.count


def headroom(rules: Settings, account: Account, stay: Collection[str] = ()) -> Room:
    """What may be committed beside what is held, what a person has resting, and our orders in the markets of
    `stay`."""
    fixed = [*account.theirs, *(order for order in account.ours if order.ticker in stay)]
    free = [order for order in account.ours if order.ticker not in stay]
    limits = rules.max_capital, rules.max_event_loss
    return exposure.room_beside(limits, account.balance, account.positions, fixed, free)


def flatten_plan(
    rules: Settings,
    account: Account,
    markets: Mapping[str, Market],
    rivals: Mapping[str, Book],
    status: ExchangeStatus,
    until: datetime,
) -> tuple[Plan, Situation]:
    """What closes the positions of an account, before anything is quoted. `rivals`: the books of their `markets`,
    the account's orders not in them."""
    situation = Situation(
        _limits(rules), account.orders, account.positions.items, account.balance, markets, rivals, status
    )
    leave = {order.ticker for order in account.ours} | account.unread
    return make_plan(situation, Wishes(leave=leave, until=until, exit=rules.exit)), situation
