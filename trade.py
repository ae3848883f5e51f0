"""Set the prices and terms of our orders.

Promise:
- Every function is pure: markets, books, positions and limits go in, orders come out.
- A quote's price is on the market's grid, and `TRADE_DELTA` or more behind the rivals' best bid.
- A quote would be paid by the rule in force, with the quote itself in the book.
- A quote cannot rest beyond its expiry.

The wanted price of a side is its reference, or `TRADE_DELTA` behind the rivals' best bid, whichever is lower.
Rivals' orders are all orders but the account's. If our own quote counted as a rival's, a lone quote would chase
itself down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from exchange import client_ids
from exchange.account import Position
from exchange.models import Market, MarketStatus, Order, OrderRequest, SelfTradePrevention, TimeInForce
from exchange.orderbook import NO, ONE_DOLLAR, SIDES, YES, Bid, Book, Level, PriceGrid, Side
from exchange.ticker_patterns import PerMarket
from rewards import rule_2026_07_30 as rule
from rewards.estimate import Candidate, EstimateRules, RewardedMarket, Scored, contracts_ahead
from rewards.rule_2026_07_30 import TopTick
from rewards.skips import Reason, Skip, contracts

OWN_PREFIX = client_ids.PREFIX
"""The prefix of our client order ids."""

_NOTHING = Decimal(0)

_NoPrice = tuple[Reason, Decimal]
"""Why a side has no price, with its number: the best bid, the price that is not paid, or the contracts ahead."""


class Prices(NamedTuple):
    """The price of each side of a market, or why the side has none."""

    yes: Decimal | Skip
    no: Decimal | Skip

    def of(self, side: Side) -> Decimal | Skip:
        """The price of a side, or why the side has none."""
        return self.yes if side is YES else self.no

    def bids(self, yes: Decimal, no: Decimal) -> tuple[Bid, ...]:
        """Bids of `yes` and `no` contracts on the sides that have a price, none for 0."""
        sides = ((YES, self.yes, yes), (NO, self.no, no))
        return tuple(
            Bid(side, price, count) for side, price, count in sides if isinstance(price, Decimal) and count
        )


@dataclass(frozen=True, slots=True)
class Trade:
    """How to quote: size, distance from the best bid, limit on rivals ahead.

    `trade_size`: contracts per order (None: sizes that pay, `TRADE_SIZE = AUTO`). `trade_delta`: ticks behind a
    side's best bid. `incentive_size`: at most this many rival contracts at our price or ahead of it (None: no
    limit). `overrides`: by ticker pattern, how to quote the markets that match it; all sizes are fixed or none."""

    trade_size: Decimal | None
    trade_delta: int
    incentive_size: Decimal | None
    overrides: tuple[tuple[str, Trade], ...] = ()

    @property
    def per_market(self) -> PerMarket[Trade]:
        return PerMarket(self, self.overrides)

    def for_market(self, ticker: str) -> Trade:
        """How to quote a market."""
        return self.per_market.of(ticker) if self.overrides else self

    def prices(self, incentive: RewardedMarket, rivals: Book) -> Prices | Skip:
        """The price for each side of a market, or why it cannot be quoted at all.

        A side may stay empty (too many rivals ahead, or `TRADE_DELTA` behind the best bid is no longer paid) while
        the other is quoted, because each side earns its own half. With a fixed size the rivals alone must set a
        side's reference. `AUTO` may set it, behind their best bid, but not on a side without bids.
        """
        here = self.for_market(incentive.ticker)
        found = here._find(incentive, rivals)
        if isinstance(found, Skip):
            return found
        yes, no = found
        if not isinstance(yes, Decimal) and not isinstance(no, Decimal):
            return here._skip(incentive, YES, rivals.yes, yes)
        return Prices(
            yes if isinstance(yes, Decimal) else here._skip(incentive, YES, rivals.yes, yes),
            no if isinstance(no, Decimal) else here._skip(incentive, NO, rivals.no, no),
        )

    def quote(self, incentive: RewardedMarket, rivals: Book) -> Scored | Skip:
        """The scored bids of the fixed size for a market, or why there are none.

        At most one bid a side. Both sides of the *book* must reach the target with our bids in it, else no second
        of the market pays any account."""
        here = self.for_market(incentive.ticker)
        size = here.trade_size
        if size is None:
            raise ValueError("no size is fixed")
        found = here._find(incentive, rivals)
        if isinstance(found, Skip):
            return found
        yes, no = found
        if isinstance(yes, Decimal):
            bids = (Bid(YES, yes, size), Bid(NO, no, size)) if isinstance(no, Decimal) else (Bid(YES, yes, size),)
        elif isinstance(no, Decimal):
            bids = (Bid(NO, no, size),)
        else:
            return here._skip(incentive, YES, rivals.yes, yes)
        scored = incentive.score(rivals, bids)
        return scored if scored.qualifies else target_missed(incentive, rivals, bids)

    def candidates(
        self,
        incentives: Iterable[RewardedMarket],
        rivals: Mapping[str, Book],
        now: datetime,
        estimate_rules: PerMarket[EstimateRules],
    ) -> tuple[list[Candidate], list[Skip]]:
        """The markets that could be quoted with the fixed size, and the skipped ones.

        Each candidate has the estimate that decides, each skipped market its reason."""
        found: list[Candidate] = []
        skipped: list[Skip] = []
        for incentive in incentives:
            book = rivals.get(incentive.ticker)
            if book is None:
                skipped.append(no_book(incentive))
                continue
            scored = self.quote(incentive, book)
            if isinstance(scored, Skip):
                skipped.append(scored)
            else:
                decided = incentive.estimate(scored, now, estimate_rules.of(incentive.ticker))
                found.append(Candidate(incentive, book, scored, decided, now))
        return found, skipped

    def _find(
        self, incentive: RewardedMarket, rivals: Book
    ) -> tuple[Decimal | _NoPrice, Decimal | _NoPrice] | Skip:
        """As `prices`, but reasons are not yet text, because most of a board is skipped."""
        target, grid = incentive.target, incentive.market.grid
        needed = target / rule.REFERENCE_PART
        at_top = incentive.side_at_top_tick(rivals) if incentive.top_tick is TopTick.DISQUALIFIED else None
        if at_top is not None:  # before the target: the other side then has no room for bids, and misses it too
            best = f"{rivals.side(at_top)[0].price:.4f}, no higher price exists"
            return Skip(incentive.ticker, Reason.TOP_TICK, f"Best {at_top.value} bid", best)
        found: list[Decimal | _NoPrice] = []
        for side, levels in ((YES, rivals.yes), (NO, rivals.no)):
            reached = _reach(levels, needed)
            if reached is None and (self.trade_size is not None or not levels):
                resting = sum((level.size for level in levels), start=_NOTHING)
                return Skip(
                    incentive.ticker, Reason.NO_REFERENCE, f"Rivals on {side.value}",
                    f"{contracts(resting)} of {contracts(needed)} needed",
                )  # fmt: skip
            found.append(self._price(grid, side, levels, reached, target))
        return found[0], found[1]

    def _price(
        self,
        grid: PriceGrid,
        side: Side,
        levels: Sequence[Level],
        reached: tuple[Decimal, Decimal] | None,
        target: Decimal,
    ) -> Decimal | _NoPrice:
        best = levels[0].price
        behind = grid.below(side, best, self.trade_delta)
        if behind is None:
            return Reason.PRICE_BOUNDS, best
        if reached is not None and reached[0] <= behind:
            price, ahead = grid.floor(side, reached[0]), reached[1]
        else:
            price, ahead = behind, contracts_ahead(levels, behind)
        if ahead >= target and ahead - _size_at(levels, price) >= target:
            return Reason.TRADE_DELTA, price
        if self.incentive_size is not None and ahead > self.incentive_size:
            return Reason.INCENTIVE_SIZE, ahead
        return price

    def _skip(self, incentive: RewardedMarket, side: Side, levels: Sequence[Level], why: _NoPrice) -> Skip:
        """A refusal of `_price` in words."""
        reason, number = why
        best = f"best {side.value} bid {levels[0].price:.4f}"
        if reason is Reason.PRICE_BOUNDS:
            return Skip(incentive.ticker, reason, "Price", f"none below the {best}")
        if reason is Reason.TRADE_DELTA:
            return Skip(
                incentive.ticker, reason, "Price",
                f"{number:.4f}, a whole target of {contracts(incentive.target)} rests ahead of it, {best}",
            )  # fmt: skip
        limit = contracts(self.incentive_size or _NOTHING)
        return Skip(
            incentive.ticker, reason, f"Rivals ahead on {side.value}", f"{contracts(number)}, at most {limit}"
        )


TRADE = Trade  # the design document's spelling


def _reach(levels: Sequence[Level], needed: Decimal) -> tuple[Decimal, Decimal] | None:
    """The price at which a side reaches `needed` contracts, and how many it has.

    `levels` is best first. None if the side falls short."""
    walked = _NOTHING
    for level in levels:
        walked += level.size
        if walked >= needed:
            return level.price, walked
    return None


def _size_at(levels: Sequence[Level], price: Decimal) -> Decimal:
    for level in levels:
        if level.price <= price:
            return level.size if level.price == price else _NOTHING
    return _NOTHING


def no_book(incentive: RewardedMarket) -> Skip:
    return Skip(incentive.ticker, Reason.NO_BOOK, "Book", "not sent by the exchange")


def target_missed(incentive: RewardedMarket, rivals: Book, bids: Sequence[Bid]) -> Skip:
    """The skip of a market in which no second counts, by its thinner side."""
    yes, no = (
        sum([level.size for level in rivals.side(side)], start=_NOTHING)
        + sum([bid.count for bid in bids if bid.side is side], start=_NOTHING)
        for side in SIDES
    )
    side, resting = (YES, yes) if yes <= no else (NO, no)
    return Skip(
        incentive.ticker, Reason.TARGET_MISSED, f"Contracts on {side.value}",
        f"{contracts(resting)} of {contracts(incentive.target)}",
    )  # fmt: skip


def books_without_own(books: Iterable[Book], resting: Iterable[Order]) -> dict[str, Book]:
    """The books by ticker, without `resting`, the account's own orders."""
    own = bids_by_ticker(resting)
    return {book.ticker: book.without_bids(own.get(book.ticker, ())) for book in books}


def quote_order(
    where: Market | Order, bid: Bid, client_order_id: str, expires: datetime, group_id: str | None = None
) -> OrderRequest:
    """A resting quote in a market, or in the market of an order.

    It is post-only, so that it never pays the taker fee. It expires at `expires` unless renewed. The exchange
    cancels it when trading pauses, because prices move during a pause. `group_id`: the order group that cancels it
    when too much is filled at once."""
    return OrderRequest(
        ticker=where.ticker,
        exchange_index=where.exchange_index,
        client_order_id=client_order_id,
        bid=bid,
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
        post_only=True,
        cancel_on_pause=True,
        expires=expires,
        group_id=group_id,
    )


@dataclass(frozen=True, slots=True)
class NoExit:
    """The reason why a position cannot be closed now.

    `is_blocked`: an order of the account's owner stands in the way."""

    reason: str
    is_blocked: bool = False


def not_trading(market: Market | None) -> NoExit | None:
    """Why positions in a market cannot be closed, None if they can."""
    if market is not None and market.status is MarketStatus.ACTIVE:
        return None
    return NoExit(f"market is {market.status.value if market else 'not listed'}")


class Walk(NamedTuple):
    """What a walk down a side's bids finds.

    `size` contracts for `dollars`, the last of them at the price `worst`."""

    size: Decimal
    dollars: Decimal
    worst: Decimal


def walk(levels: Sequence[Level], count: Decimal, lowest: Decimal = _NOTHING) -> Walk:
    """Walk down bids, best first, for `count` contracts, at `lowest` dollars or more.

    Without such bids all figures are 0."""
    found, dollars, worst = _NOTHING, _NOTHING, _NOTHING
    for level in levels:
        part = min(level.size, count - found)
        if level.price < lowest or part <= 0:
            break
        found, dollars, worst = found + part, dollars + part * level.price, level.price
    return Walk(found, dollars, worst)


def exit_order(
    position: Position,
    market: Market | None,
    rivals: Book | None,
    own: Sequence[Bid],
    client_order_id: str,
    lowest: Decimal = _NOTHING,
) -> OrderRequest | NoExit:
    """The order that sells what the rivals bid for at `lowest` dollars or more.

    Its price is that of the worst level that the whole position needs. If less rests down to `lowest`, no more is
    sold. The order is immediate-or-cancel, and reduce-only, so that it cannot open a position. Selling a side at p
    is bidding 1 - p for the other.

    `own`: a person's resting bids in the market, from the same account. A sale would cancel such a bid instead of
    trading with it, so nothing is sold at its price or below."""
    closed = not_trading(market)
    if closed is not None or market is None:
        return closed or NoExit("market is not listed")
    side = position.side
    levels = rivals.side(side) if rivals else ()
    if not levels:
        return NoExit(f"there are no bids for {side.value}")
    in_the_way = max((bid.price for bid in own if bid.side is side), default=_NOTHING)
    if in_the_way >= levels[0].price:
        return NoExit(f"an order of your own, {side.value} at {in_the_way:.4f}, stands in the way", True)
    found = walk([level for level in levels if level.price > in_the_way], position.size, lowest)
    if not found.size:
        return NoExit(f"the best bid for {side.value}, {levels[0].price:.4f}, is below the limit of {lowest:.4f}")
    return OrderRequest(
        ticker=position.ticker,
        exchange_index=market.exchange_index,
        client_order_id=client_order_id,
        bid=Bid(side.other, ONE_DOLLAR - found.worst, found.size),
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        self_trade_prevention=SelfTradePrevention.MAKER,
        reduce_only=True,
    )


def resting_exit_price(position: Position, market: Market | None, rivals: Book | None) -> Decimal | NoExit:
    """The price of an order that rests only to sell `position`.

    In dollars of the other side. The order joins the rivals' best bid there, so that it is next to be filled and
    earns that side's reward meanwhile."""
    closed = not_trading(market)
    if closed is not None:
        return closed
    best = rivals.best(position.side.other) if rivals else None
    if best is None:
        return NoExit(f"there are no bids for {position.side.other.value}, so there is no price to rest at")
    return best.price


def exit_spread(position: Position, rivals: Book, price: Decimal) -> Decimal:
    """Dollars per contract that a sale at `price` gives away against the mid price.

    If there is no ask, $1.00 counts as the ask."""
    other = rivals.best(position.side.other)
    asked = ONE_DOLLAR - other.price if other else ONE_DOLLAR
    return (asked - price) / 2


def bids_by_ticker(orders: Iterable[Order]) -> dict[str, list[Bid]]:
    """The bids of orders, by ticker."""
    found: dict[str, list[Bid]] = defaultdict(list)
    for order in orders:
        found[order.ticker].append(order.bid)
    return dict(found)


def is_own(order: Order, strangers: Collection[str] = ()) -> bool:
    """Whether an order has the bot's prefix and is not one of `strangers`.

    `strangers`: ids of orders that another copy of the bot sent. Without them it is any copy's order."""
    return order.client_order_id.startswith(OWN_PREFIX) and order.order_id not in strangers
