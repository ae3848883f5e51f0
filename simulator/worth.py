"""What an account's positions are worth: at the best bids, and if sold now.

Promise:
- Both are exact, in 1/1,000,000 dollar, and change nothing.
- What a sale is said to bring is what an immediate sale into the same book brings, to the last digit.

The exchange nets YES and NO of a market, so a position has one side and one sale closes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.account import Account, Holding
from simulator.exchange import Exchange
from simulator.fees import FeeTerms, charge
from simulator.listing import ListedMarket
from simulator.matching import DOLLAR_PIPS, MatchingBook, Order


def account_value(exchange: Exchange, account: Account, shard: int | None = None) -> int:
    """Value of an account's positions at the best bids now, in 1/1,000,000 dollar.
    With a `shard`, of the positions there. A best bid counts for the whole position, however small it is. The
    balance reports this as the portfolio value. How the real exchange values a portfolio is not documented."""
    positions = ((exchange.markets[ticker], held.count) for ticker, held in account.holdings.items())
    return sum(_mark(market.book, count) for market, count in positions if shard in (None, market.shard))


def account_worth(exchange: Exchange, account: Account) -> int:
    """What selling all positions now would bring after fees, in 1/1,000,000 dollar.

    - Each position is sold into its market's book, best price first. The account's own orders there are left out.
      Contracts for which nobody else bids bring nothing.
    - The orders that rest count, also while trading is halted. Some seconds after a market's close none rest, and
      its positions count nothing.
    - As soon as a market's result is known, a position counts what it will be paid. A paid one is cash.
    """
    return sum(_worth(exchange.markets[ticker], account.owner, held) for ticker, held in account.holdings.items())


def sale_proceeds(book: MatchingBook, owner: str, held: int, fees: FeeTerms) -> int:
    """What selling a position now brings after fees, in 1/1,000,000 dollar.
    The sale is one immediate order at any price, and its taker fees are rounded as that order's. It passes over
    the orders of `owner`. `held` in 1/100 contract: > 0 is YES, < 0 is NO."""
    sale = Order("", held < 0, DOLLAR_PIPS if held < 0 else 0, abs(held), owner)
    brought = 0
    for price, size in _fills(book, sale):
        paid = size * (DOLLAR_PIPS - price if sale.is_bid else price)
        brought += paid - charge(sale, -paid, fees.exact(price, size, is_taker=True))
    return brought


def _mark(book: MatchingBook, held: int) -> int:
    if held >= 0:
        return held * (book.bids.best() or 0)
    best_ask = book.asks.best()
    return -held * (DOLLAR_PIPS - best_ask) if best_ask is not None else 0


def _worth(market: ListedMarket, owner: str, held: Holding) -> int:
    if market.payout is not None:
        return held.pays(market.payout)
    return sale_proceeds(market.book, owner, held.count, market.event.fee_terms)


def _fills(book: MatchingBook, sale: Order) -> Iterator[tuple[int, int]]:
    """(price, size) of each fill of a sale, in order.
    Each resting order makes a fill of its own, as in a match, because fees are rounded by fill."""
    left = sale.size
    for price, queue in book.half(not sale.is_bid).queues():
        for maker in queue:
            if left == 0:
                return
            if maker.owner != sale.owner:
                size = min(left, maker.remaining)
                left -= size
                yield price, size
