"""Prices our orders. Pure: markets, books, positions and limits go in, orders come out.

Promise: an order that leaves this room is on the market's grid, behind the touch by `TRADE_DELTA`, would be
paid by the rule in `incentive.py` with itself in the book, and cannot rest beyond its expiry.

The wanted price of a side is its reference, or `TRADE_DELTA` behind the rivals' best bid, whichever is lower.
Rivals hold everything that the account does not: reading our own quote as a rival's would let a lone quote
walk itself down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from account import Position
from incentive import (
    REFERENCE_PART,
    Candidate,
    IncentiveProgram,
    Reason,
    Skip,
    contracts,
    paid_down_to,
    reference_price,
)
from models import (
    ONE_DOLLAR,
    Bid,
    Book,
    Market,
    MarketStatus,
    Order,
    OrderRequest,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

OWN_PREFIX = "lipbot-"
"""How a client order id of ours begins. No dots: the exchange refuses them in ids."""


@dataclass(frozen=True, slots=True)
class Trade:
    """How to quote: `size` contracts an order, `delta_ticks` grid steps behind a side's best bid, and at most
    `rivals_ahead` contracts of others at or ahead of our price (None: no limit)."""

    size: Decimal
    delta_ticks: int
    rivals_ahead: Decimal | None

    def quote(self, incentive: IncentiveProgram, rivals: Book) -> tuple[Bid, ...] | Skip:
        """The bids to rest in a market, one a side at most, or why none.

        A side may stay empty (too many rivals ahead, or `TRADE_DELTA` behind the best bid is no longer paid)
        while the other is quoted: each side earns its own half. But both sides of the *book* must reach the
        target with our bids in it, else no second of the market pays anybody.
        """
        references: dict[Side, Decimal] = {}
        for side in Side:
            reference = reference_price(rivals.side(side), incentive.target)
            if reference is None:
                resting = sum(level.size for level in rivals.side(side))
                return Skip(
                    incentive.ticker, Reason.NO_REFERENCE, f"Rivals on {side.value}",
                    f"{contracts(resting)} of {contracts(incentive.target / REFERENCE_PART)}",
                )  # fmt: skip
            references[side] = reference
        bids: list[Bid] = []
        refusals: list[Skip] = []
        for side, reference in references.items():
            bid = self._side(incentive, rivals, side, reference)
            if isinstance(bid, Bid):
                bids.append(bid)
            else:
                refusals.append(bid)
        return self._judged(incentive, rivals, bids) or tuple(bids) or refusals[0]

    def candidates(
        self,
        incentives: Iterable[IncentiveProgram],
        books: Mapping[str, Book],
        resting: Iterable[Order],
        now: datetime,
    ) -> tuple[list[Candidate], list[Skip]]:
        """What could be quoted, with its estimate, and a reason for each market that can't. `books` are as the
        exchange shows them, `resting` is all that the account has in them."""
        own = bids_by_ticker(resting)
        found: list[Candidate] = []
        skipped: list[Skip] = []
        for incentive in incentives:
            book = books.get(incentive.ticker)
            if book is None:
                skipped.append(Skip(incentive.ticker, Reason.NO_BOOK, "Book", "not sent by the exchange"))
                continue
            rivals = book.without_bids(own.get(incentive.ticker, []))
            bids = self.quote(incentive, rivals)
            if isinstance(bids, Skip):
                skipped.append(bids)
            else:
                estimate = incentive.estimate(rivals, bids, now)
                found.append(Candidate(incentive, rivals, bids, estimate))
        return found, skipped

    def _side(self, incentive: IncentiveProgram, rivals: Book, side: Side, reference: Decimal) -> Bid | Skip:
        levels = rivals.side(side)
        behind = incentive.market.grid.below(side, levels[0].price, self.delta_ticks)
        best = f"best {side.value} bid {levels[0].price:.4f}"
        if behind is None:
            return Skip(incentive.ticker, Reason.TRADE_DELTA, "Price", f"none under the {best}")
        bid = Bid(side, incentive.market.grid.floor(side, min(reference, behind)), self.size)
        deepest = paid_down_to(rivals.with_bids([bid]).side(side), incentive.target)
        if deepest is not None and bid.price < deepest:
            return Skip(
                incentive.ticker, Reason.TRADE_DELTA, "Price",
                f"{bid.price:.4f}, paid down to {deepest:.4f}, {best}",
            )  # fmt: skip
        ahead = sum((level.size for level in levels if level.price >= bid.price), start=Decimal(0))
        if self.rivals_ahead is not None and ahead > self.rivals_ahead:
            return Skip(
                incentive.ticker, Reason.INCENTIVE_SIZE, f"Rivals ahead on {side.value}",
                f"{contracts(ahead)} of {contracts(self.rivals_ahead)}",
            )  # fmt: skip
        return bid

    @staticmethod
    def _judged(incentive: IncentiveProgram, rivals: Book, bids: Sequence[Bid]) -> Skip | None:
        book = rivals.with_bids(bids)
        for side in Side:
            resting = sum((level.size for level in book.side(side)), start=Decimal(0))
            if resting < incentive.target:
                return Skip(
                    incentive.ticker, Reason.TARGET_MISSED, f"Contracts on {side.value}",
                    f"{contracts(resting)} of {contracts(incentive.target)}",
                )  # fmt: skip
        return None


TRADE = Trade  # the design document's spelling


def open_order(market: Market, bid: Bid, client_order_id: str, expires: datetime) -> OrderRequest:
    """A resting quote: post-only, so that it never pays the taker's fee, gone at `expires` if nobody renews
    it, and gone when trading pauses, since prices move while it stands still."""
    return OrderRequest(
        ticker=market.ticker,
        exchange_index=market.exchange_index,
        client_order_id=client_order_id,
        bid=bid,
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
        post_only=True,
        cancel_on_pause=True,
        expires=expires,
    )


@dataclass(frozen=True, slots=True)
class Unclosable:
    """A position that cannot be closed now, and why."""

    reason: str


def close_order(
    position: Position, market: Market | None, book: Book | None, own: Sequence[Bid], client_order_id: str
) -> OrderRequest | Unclosable:
    """The order that sells `position` at the rivals' best bid for its side, never worse: immediate or cancel,
    and reduce-only, so that it cannot open anything. Selling a side at p is bidding 1 - p for the other.

    `book` is as the exchange shows it, `own` what the account rests in it: a sale would cancel such an order
    rather than trade with it, so one that stands in the way keeps the position."""
    if market is None or market.status is not MarketStatus.ACTIVE:
        return Unclosable(f"market is {market.status.value if market else 'not listed'}")
    best = book.without_bids(own).best(position.side) if book else None
    if best is None:
        return Unclosable(f"nobody bids for {position.side.value}")
    in_the_way = [bid.price for bid in own if bid.side is position.side and bid.price >= best.price]
    if in_the_way:
        return Unclosable(
            f"an order of your own, {position.side.value} at {max(in_the_way):.4f}, stands in the way"
        )
    return OrderRequest(
        ticker=position.ticker,
        exchange_index=market.exchange_index,
        client_order_id=client_order_id,
        bid=Bid(position.side.other, ONE_DOLLAR - best.price, position.size),
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        self_trade_prevention=SelfTradePrevention.MAKER,
        reduce_only=True,
    )


def bids_by_ticker(orders: Iterable[Order]) -> dict[str, list[Bid]]:
    """What orders rest, by market."""
    found: dict[str, list[Bid]] = defaultdict(list)
    for order in orders:
        found[order.ticker].append(order.bid)
    return dict(found)


def is_own(order: Order) -> bool:
    """Whether the bot sent the order, now or in an earlier life."""
    return order.client_order_id.startswith(OWN_PREFIX)
