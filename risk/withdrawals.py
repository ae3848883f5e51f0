"""Judge between two cycles which quotes to withdraw.

Promise:
- Pure: quotes, books and times go in, withdrawals come out. Nothing here is placed, moved or sold.
- Each withdrawal names its rule, with the numbers behind it.
- A quote of ours that the public book may not show yet is never taken out of it.

The rules compare a look with the books of the last cycle:

- A market is withdrawn if its book is gone or empty, if it is a hole, or if its mid price jumped.
- A side is withdrawn if its touch thinned. It is also withdrawn if the book shows less of our quote than rests as
  far as the bot knows: then somebody trades at our price.
- A fill, or a touch that thinned in any watched market of the event, withdraws the same bet in the others.
- Fills in two markets of one family within a minute withdraw the family.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from exchange.orderbook import ONE_DOLLAR, SIDES, Bid, Book, PriceGrid, Side
from rewards.skips import contracts
from risk.gate import Place
from risk.guards import JUMP, WITHDRAWN_TIMES, twice_the_middle
from risk.holes import NARROW, WIDER

SHOWN_AFTER = timedelta(seconds=20)
"""The public book shows an order at most this long after it was placed (reported of the real exchange)."""

THINNED = Decimal("0.5")
"""A touch has thinned if less than this part of its contracts is left at its price or ahead of it."""

NEWS = 200
"""Contracts that must be gone from a thinned touch: many take less at random; who takes more may know more."""

FAMILY_HITS = 2
"""Markets of one family in which quotes were filled within `HITS_APART`: one piece of news is behind that."""

HITS_APART = timedelta(minutes=1)


class RestingQuote(NamedTuple):
    """A quote of ours as it rests. `since`: since when it has this price and size."""

    order_id: str
    ticker: str
    bid: Bid
    since: datetime

    @property
    def place(self) -> Place:
        return self.ticker, self.bid.side


class MarketFacts(NamedTuple):
    """What the last cycle knew of a market.

    `rivals`: its book without our orders. `usual`: its usual spread in dollars, None if not known yet."""

    grid: PriceGrid
    rivals: Book | None
    usual: Decimal | None


class Withdrawal(NamedTuple):
    """A market, or one side of it, that is not quoted for a while.

    `times`: how many `FILL_PAUSE`s it lasts."""

    ticker: str
    side: Side | None
    why: str
    times: int = 1


class Hit(NamedTuple):
    """A quote of ours was filled at a time."""

    ticker: str
    side: Side
    at: datetime


def without_quotes(book: Book, quotes: Iterable[RestingQuote], now: datetime) -> Book:
    """The rivals' book, from a public one.

    Quotes that it may not show yet stay in it: too many rivals are more careful than too few."""
    return book.without_bids([one.bid for one in quotes if one.since + SHOWN_AFTER <= now])


def are_shown(book: Book, quotes: Iterable[RestingQuote], now: datetime) -> bool:
    """Whether a public book certainly contains all of these quotes."""
    return all(one.since + SHOWN_AFTER <= now and _shown(book, one.bid) >= one.bid.count for one in quotes)


def judge_market(
    ticker: str, book: Book | None, quotes: Collection[RestingQuote], facts: MarketFacts, now: datetime
) -> list[Withdrawal]:
    """What one market's public `book` withdraws.

    `book` None: none was given. `quotes`: ours in this market."""
    if book is None or not (book.yes or book.no):
        return [Withdrawal(ticker, None, "its book is gone, as if trading had stopped")]
    rivals = without_quotes(book, quotes, now)
    gone = [
        Withdrawal(
            ticker,
            one.bid.side,
            f"somebody trades at our price: the book shows {contracts(_shown(book, one.bid))} "
            f"of our {contracts(one.bid.count)} contracts",
        )
        for one in quotes
        if one.since + SHOWN_AFTER <= now and _shown(book, one.bid) < one.bid.count
    ]
    return gone + _of_market(ticker, rivals, facts)


def _of_market(ticker: str, rivals: Book, facts: MarketFacts) -> list[Withdrawal]:
    spread = ONE_DOLLAR - sum((best or Decimal(0) for best in rivals.best_bids()), start=Decimal(0))
    if facts.usual is not None and spread > max(NARROW, WIDER * facts.usual):
        return [
            Withdrawal(
                ticker, None, f"its book is a hole: the spread is {spread:.4f}, usual are {facts.usual:.4f}"
            )
        ]
    before = None if facts.rivals is None else twice_the_middle(facts.grid, facts.rivals)
    after = twice_the_middle(facts.grid, rivals)
    if before is None or after is None or abs(after - before) <= 2 * JUMP:
        return []
    why = f"its mid price moved by {abs(after - before) / 2:g} ticks"
    return [Withdrawal(ticker, None, why, WITHDRAWN_TIMES)]


def thinned_sides(rivals: Book, facts: MarketFacts) -> dict[Side, str]:
    """The sides of a market whose touch was taken, each with the numbers.

    The market need not be quoted. If the other side's best bid rose, rivals moved their prices, and nothing was
    taken."""
    found: dict[Side, str] = {}
    before = facts.rivals or Book(rivals.ticker, (), ())
    for side in SIDES:
        was, across = before.best(side), before.best(side.other)
        across_now = rivals.best(side.other)
        if was is None or across is None or across_now is None or across_now.price > across.price:
            continue
        left = _near(rivals, side, was.price)
        if left < was.size * THINNED and was.size - left >= NEWS:
            found[side] = f"{contracts(left)} of {contracts(was.size)} contracts are left of its touch"
    return found


def same_bets(
    ticker: str,
    side: Side,
    what: str,
    quotes: Iterable[RestingQuote],
    events: Mapping[str, str],
    exclusive: Collection[str],
) -> list[Withdrawal]:
    """Withdraw the quotes in the event's other markets that lose by the same news.

    If one market at most settles YES (`exclusive`), that is the other side of the others; else the same side:
    they are strikes of one number. `what` happened to the side. `events`: each market's event."""
    event = events.get(ticker)
    bet = side.other if event in exclusive else side
    why = f"it is the same bet as {ticker} {side.value}: {what}"
    return [
        Withdrawal(one.ticker, bet, why)
        for one in quotes
        if event is not None and events.get(one.ticker) == event and one.ticker != ticker and one.bid.side is bet
    ]


def hit_families(
    hits: Collection[Hit], quotes: Iterable[RestingQuote], events: Mapping[str, str], now: datetime
) -> list[Withdrawal]:
    """Withdraw all markets of a family of which several were filled within a minute.

    Markets of one series are a family, and so are those of one occasion: a day, or a game."""
    found: dict[str, set[str]] = {}
    for hit in hits:
        if hit.at > now - HITS_APART:
            for family in families(events.get(hit.ticker, "")):
                found.setdefault(family, set()).add(hit.ticker)
    struck = {family: markets for family, markets in found.items() if len(markets) >= FAMILY_HITS}
    told: dict[str, Withdrawal] = {}
    for one in quotes:
        for family in families(events.get(one.ticker, "")):
            if family in struck:
                why = f"{len(struck[family])} markets of {family} were filled within a minute"
                told[one.ticker] = Withdrawal(one.ticker, None, why)
    return list(told.values())


def families(event: str) -> list[str]:
    """The families of an event: its series, and its occasion, such as `26JAN16`."""
    return [part for part in event.split("-", 1) if part]


def _near(book: Book, side: Side, price: Decimal) -> Decimal:
    """Contracts that are bid at a price or ahead of it."""
    return sum((level.size for level in book.side(side) if level.price >= price), start=Decimal(0))


def _shown(book: Book, bid: Bid) -> Decimal:
    """Contracts that a book shows at a bid's price."""
    return next((level.size for level in book.side(bid.side) if level.price == bid.price), Decimal(0))
