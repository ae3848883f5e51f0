"""Decide which markets to quote, and plan the changes that lead there.

Promise:
- Observations and a time go in, a decision comes out. Nothing is read or sent here.
- Nothing is placed or renewed in a market where something could not be read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bot import another_bot
from bot.observation import AccountSnapshot, MarketView
from bot.settings import Settings
from exchange.models import ExchangeStatus, Market
from exchange.orderbook import Bid, Book
from execution import cancel_reasons
from execution.cancel_reasons import CancelCause, CancelReason
from execution.exits import Exit, kept_below
from execution.fill_limit import fill_limit
from execution.order_groups import OrderGroups
from execution.plan import Plan, TargetQuote, Targets, make_plan
from incentive import Board, IncentiveProgram, Strategy
from rewards.estimate import Candidate, RewardedMarket
from rewards.skips import Reason, Skip, contracts
from risk import exposure, gate
from risk.exposure import Headroom
from risk.gate import Place, TradingState
from risk.guards import Guards, TargetGrace
from risk.holes import Holes, Sale
from risk.refusals import Refusals
from runtime.log_format import local_time
from selection.ranking import Selection
from trade import Trade

_NOT_SEEN = frozenset({Reason.NO_BOOK, Reason.NO_MARKET, Reason.UNREADABLE})


@dataclass(frozen=True)
class Decision:
    """What a cycle does, and why.

    `stay`: markets that keep their orders although they are not in `selection`. `board`: updated with the look.
    `state`: the trading state in which `plan` was made."""

    selection: Selection
    stay: frozenset[str]
    board: Board
    state: TradingState
    plan: Plan


@dataclass(frozen=True)
class CycleInputs:
    """What a decision depends on in addition to the look.

    `accrued_by_program`: dollars by program. `until`: when orders placed or renewed now expire. `sent_lately`:
    orders sent or moved in the last minute."""

    status: ExchangeStatus
    accrued_by_program: Mapping[str, float]
    until: datetime
    sent_lately: int


@dataclass
class LoopMemory:
    """What the loop remembers from one cycle to the next, in addition to its ledger."""

    incentive_program: IncentiveProgram
    guards: Guards
    holes: Holes
    target_grace: TargetGrace
    order_groups: OrderGroups
    refusals: Refusals

    def forget(self) -> None:
        """Drop all traded markets. The next books are not compared with the last ones."""
        self.incentive_program.drop(self.incentive_program.quoted)
        self.guards.forget_books()
        self.holes.forget_looks()


def decide(
    settings: Settings, memory: LoopMemory, account: AccountSnapshot, view: MarketView, inputs: CycleInputs
) -> Decision:
    """Decide which markets to quote, and plan the changes. Sends nothing."""
    snapshot, incentive_program, guards = view.snapshot, memory.incentive_program, memory.guards
    quoted = incentive_program.quoted
    aside = guards.skips(snapshot.markets.values(), snapshot.at)
    unread = "an order or a position of the account could not be read"
    aside |= {ticker: Skip(ticker, Reason.UNREADABLE, "What", unread) for ticker in account.unread}
    sales = memory.holes.sales(account.positions, snapshot.at)
    aside |= _kept(settings, account, view, sales)
    selection, after = incentive_program.choose(
        snapshot, headroom(settings, account), inputs.accrued_by_program, aside
    )
    reasons = {skip.ticker: skip for skip in selection.skipped}
    keep = memory.target_grace.keeps(quoted, selection.skipped)
    blind = frozenset(ticker for ticker in quoted & reasons.keys() if reasons[ticker].reason in _NOT_SEEN)
    stay = keep | blind
    if stay:
        aside |= {ticker: reasons[ticker] for ticker in stay}
        left = headroom(settings, account, stay)
        selection, after = incentive_program.choose(snapshot, left, inputs.accrued_by_program, aside, stay)
    wanted = [
        TargetQuote(  # an order is not paid after its programs' end
            candidate.incentive.market, bid, min(inputs.until, candidate.incentive.ends), size=bid.count
        )
        for candidate in selection.chosen
        for bid in candidate.bids
        if (candidate.ticker, bid.side) not in guards.sides
    ]
    quotes = [(quote.market.ticker, quote.bid) for quote in wanted]
    quotes += [(order.ticker, order.bid) for order in account.ours if order.ticker in stay]
    state = trading_state(settings, account, view, inputs, _fill_limits(settings, view.markets, quotes))
    places = {quote.place for quote in wanted}
    ours = {(order.ticker, order.side) for order in account.ours}
    gone = [place for place in ours - places if place[0] not in keep]
    unwanted = _unwanted(gone, selection, guards, incentive_program.strategy.trade)
    targets = Targets(wanted, keep, blind | account.unread, inputs.until, settings.exit, sales, unwanted)
    shards = {market.shard for market in view.markets.values()}
    plan = make_plan(state, targets, memory.order_groups.group_ids(shards))
    return Decision(selection, stay, after, state, plan)


def _kept(
    settings: Settings, account: AccountSnapshot, view: MarketView, sales: Mapping[str, Sale]
) -> dict[str, Skip]:
    """The markets that are not quoted because their position is kept.

    Only prices below its limit are left."""
    found: dict[str, Skip] = {}
    for position in account.positions if settings.exit is Exit.CROSS else ():
        sale = sales.get(position.ticker)
        if sale and kept_below(position, view.rivals.get(position.ticker), sale):
            number = f"{contracts(position.size)}, the limit is {sale.lowest:.4f}"
            found[position.ticker] = Skip(position.ticker, Reason.EXIT_LIMIT, "Contracts kept", number)
    return found


def resting_quotes(
    chosen: Iterable[Candidate], resting: Mapping[str, tuple[Bid, ...]], strategy: Strategy
) -> tuple[Candidate, ...]:
    """The chosen markets in which an order of the bot rests, with what rests.

    Their estimates count the bids that rest. `resting`: the bids by ticker."""
    found, estimate_rules = [], strategy.estimate_rules
    for candidate in chosen:
        bids = resting.get(candidate.ticker)
        if bids:
            scored = candidate.incentive.score(candidate.rivals, bids)
            decided = candidate.incentive.estimate(scored, candidate.at, estimate_rules.of(candidate.ticker))
            found.append(candidate._replace(scored=scored, conservative=decided))
    return tuple(found)


def _unwanted(
    places: Iterable[Place], selection: Selection, guards: Guards, trade: Trade
) -> dict[Place, CancelCause]:
    """Why no order is wanted on each of these places."""
    skips = {skip.ticker: skip for skip in selection.skipped}
    chosen = {candidate.ticker: candidate for candidate in selection.chosen}

    def cause(place: Place) -> CancelCause:
        ticker, side = place
        if place in guards.sides:
            cooldown = guards.sides[place]
            return CancelCause(CancelReason.GUARD, f"{cooldown.why}, until {local_time(cooldown.until)}")
        if ticker in skips:
            skip = skips[ticker]
            reason = CancelReason.GUARD if skip.reason is Reason.GUARD else CancelReason.NOT_CHOSEN
            return CancelCause(reason, skip.text)
        if ticker not in chosen:
            return cancel_reasons.PROGRAM_ENDED
        prices = trade.prices(chosen[ticker].incentive, chosen[ticker].rivals)
        price = prices if isinstance(prices, Skip) else prices.of(side)
        why = price.text if isinstance(price, Skip) else "AUTO rests nothing on this side"
        return CancelCause(CancelReason.NO_PRICE, f"only the other side is quoted: {why}")

    return {place: cause(place) for place in places}


def _fill_limits(
    settings: Settings, markets: Mapping[str, Market], quotes: Iterable[tuple[str, Bid]]
) -> dict[int, Decimal]:
    """Contracts of quotes that may rest on each shard without an order group.

    `quotes`: by ticker, with the contracts that open a position."""
    on_shard: dict[int, list[Bid]] = defaultdict(list)
    for ticker, bid in quotes:
        market = markets.get(ticker)
        on_shard[market.shard if market else 0].append(bid)
    return {
        shard: settings.fill_limit
        or fill_limit(max(bid.count for bid in bids), bids, settings.max_event_loss).wanted
        for shard, bids in on_shard.items()
    }


def trading_state(
    settings: Settings,
    account: AccountSnapshot,
    view: MarketView,
    inputs: CycleInputs,
    fill_limits: Mapping[int, Decimal],
) -> TradingState:
    known = {incentive.ticker: incentive for incentive in view.snapshot.incentives}
    return TradingState(
        limits=_limits(settings),
        orders=account.orders,
        positions=account.positions.items,
        cash=account.cash,
        markets=view.markets,
        books=view.rivals,
        status=inputs.status,
        exclusive=frozenset(one.market.event_ticker for one in known.values() if one.exclusive),
        cost=lambda ticker, bid: _cost(known.get(ticker), bid),
        fill_limits=fill_limits,
        sent_lately=inputs.sent_lately,
        halted=another_bot.blocked(account),
        strangers=account.strangers,
    )


def _limits(settings: Settings) -> gate.Limits:
    return gate.Limits(
        settings.max_capital, settings.max_event_loss, gate.orders_a_minute(settings.trade_ticker_size)
    )


def _cost(incentive: RewardedMarket | None, bid: Bid) -> Decimal:
    return incentive.cost(bid) if incentive else bid.price * bid.count


def headroom(settings: Settings, account: AccountSnapshot, stay: Collection[str] = ()) -> Headroom:
    """What may still be committed.

    Already committed are positions, a person's resting orders, and our orders in the markets of `stay`."""
    fixed = [*account.theirs, *(order for order in account.ours if order.ticker in stay)]
    free = [order for order in account.ours if order.ticker not in stay]
    limits = settings.max_capital, settings.max_event_loss
    return exposure.remaining_headroom(limits, account.cash, account.positions, fixed, free)


def flatten_plan(
    settings: Settings,
    account: AccountSnapshot,
    markets: Mapping[str, Market],
    rivals: Mapping[str, Book],
    status: ExchangeStatus,
    until: datetime,
    sales: Mapping[str, Sale] | None,
) -> tuple[Plan, TradingState]:
    """The plan that closes the positions of an account, before anything is quoted.

    `rivals`: the books of their `markets`, without the account's orders. `sales`: what may be sold, by market;
    None: everything, at any price."""
    state = TradingState(
        _limits(settings), account.orders, account.positions.items, account.cash, markets, rivals, status,
        halted=another_bot.blocked(account), strangers=account.strangers,
    )  # fmt: skip
    leave = {order.ticker for order in account.ours} | account.unread
    return make_plan(state, Targets(leave=leave, until=until, exit=settings.exit, sales=sales)), state
