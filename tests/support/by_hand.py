"""What the account's owner buys beside the bot, on the website."""

from __future__ import annotations

from simulator.exchange import Exchange
from simulator.matching import CONTRACT, Order
from simulator.opening import CUSTOMER
from simulator.order_entry import OrderTerms, create


def buy_elsewhere(exchange: Exchange) -> str:
    """Buy three contracts in a market of an event in which the account has nothing. Returns its ticker."""
    account = exchange.accounts[CUSTOMER]
    tickers = {*account.holdings, *(order.ticker for order in account.resting.values())}
    used = {exchange.markets[ticker].event for ticker in tickers}
    for market in exchange.markets.values():
        bid, ask = market.book.bids.best(), market.book.asks.best()
        if market.event not in used and bid and ask and ask < 9_000 and exchange.trades_in(market):
            _take(exchange, market.ticker, True, ask, 3)
            return market.ticker
    raise RuntimeError("no market is there to buy in")


def buy_beside(exchange: Exchange, filled: Order) -> None:
    """Buy ten contracts of a side on which an order was just filled: its exit is larger than any quote."""
    book = exchange.markets[filled.ticker].book
    price = (book.asks if filled.is_bid else book.bids).best()
    assert price
    _take(exchange, filled.ticker, filled.is_bid, price, 10)


def _take(exchange: Exchange, ticker: str, is_bid: bool, price: int, contracts: int) -> None:
    terms = OrderTerms(ticker, is_bid, price, contracts * CONTRACT, exchange.new_id(), "immediate_or_cancel")
    create(exchange, CUSTOMER, terms)
