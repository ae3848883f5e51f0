"""What positions are worth. If a thin best bid counted for a whole position, a benchmark would show money that no
sale brings."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness import desk
from simulator import lifecycle, order_entry
from simulator.api.account_forms import balance
from simulator.exchange import Exchange
from simulator.fees import STANDARD, FeeTerms
from simulator.lifecycle import DETERMINE_SECONDS, WITHDRAW_SECONDS
from simulator.listing import CENTI_EDGE, DECI, LINEAR, TAPERED, Grid, ListedMarket
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS, MatchingBook, Order
from simulator.opening import CUSTOMER
from simulator.order_entry import OrderTerms
from simulator.statement import statement
from simulator.worth import account_value, account_worth, sale_proceeds
from tests.support.small_exchange import NOW, QUARTER, M, ask, bid, listed

NO_FEES, DOUBLE = FeeTerms(percent=0), FeeTerms(percent=200)


def holding(count: float, fees: FeeTerms = STANDARD, result: str | int = "yes") -> Exchange:
    """An exchange on which ann holds contracts, bought at 50 cents: YES above 0, NO below. Nothing rests."""
    exchange = Exchange(NOW, 3)
    listed(exchange, fees=fees, closes_in=1_000, result=result)
    for owner in ("ann", "bob"):
        exchange.open_account(owner, {0: 1_000_000 * DOLLAR})
    (ask if count > 0 else bid)(exchange, "bob", 50, abs(count))
    (bid if count > 0 else ask)(exchange, "ann", 50, abs(count))
    return exchange


def worth(exchange: Exchange) -> Decimal:
    """Dollars that a sale of all that ann holds would bring, by her statement."""
    return Decimal(statement(exchange, "ann")["worth"])


def value(exchange: Exchange) -> Decimal:
    return Decimal(statement(exchange, "ann")["value"])


def trade_at_once(exchange: Exchange, owner: str, ticker: str, is_bid: bool, size: int) -> int:
    """Trade 1/100 contracts at any price. The owner's own orders in the way are canceled. Returns by how much the
    cash rose, in 1/1,000,000 dollar."""
    account, market = exchange.accounts[owner], exchange.markets[ticker]
    before = account.cash[market.shard]
    price = market.grid.prices[-1 if is_bid else 0]
    how = {"time_in_force": "immediate_or_cancel", "self_trade_prevention": "maker"}
    order_entry.create(exchange, owner, OrderTerms(ticker, is_bid, price, size, **how))
    return account.cash[market.shard] - before


def sell_all(exchange: Exchange, owner: str, ticker: str = M) -> int:
    """Sell a whole position at once."""
    held = exchange.accounts[owner].holdings[ticker].count
    return trade_at_once(exchange, owner, ticker, held < 0, abs(held))


# -- by hand ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["yes", "no"])
def test_a_thin_best_bid_does_not_count_for_a_whole_position(side: str) -> None:
    """One contract is wanted at 45 cents, ten at 40 and a hundred at 30: 20 contracts bring 45 cents once, 40 ten
    times and 30 nine times."""
    exchange = holding(20 if side == "yes" else -20, fees=NO_FEES)
    for cents, count in ((45, 1), (40, 10), (30, 100)):
        if side == "yes":
            bid(exchange, "bob", cents, count)
        else:
            ask(exchange, "bob", 100 - cents, count)
    assert worth(exchange) == Decimal("7.15")
    assert value(exchange) == Decimal("9.00")


def test_a_sale_pays_the_taker_fee_of_each_price() -> None:
    """The standard fee, worked out by hand: 0.07 x 10 x 0.40 x 0.60 and 0.07 x 10 x 0.20 x 0.80 dollars."""
    exchange = holding(20)
    bid(exchange, "bob", 40, 10)
    bid(exchange, "bob", 20, 10)
    assert worth(exchange) == Decimal("6.00") - Decimal("0.168") - Decimal("0.112")
    doubled = holding(20, DOUBLE)
    bid(doubled, "bob", 40, 20)
    assert worth(doubled) == Decimal("8.00") - Decimal("0.672")


@pytest.mark.parametrize("count", [10, -10])
def test_nobody_sells_to_himself(count: float) -> None:
    """Ann's own bid is the best one, and stands in front of bob's at his price too."""
    exchange = holding(count, fees=NO_FEES)
    places = bid if count > 0 else ask
    for owner, cents, contracts in (("ann", 45, 100), ("ann", 30, 5), ("bob", 30, 4), ("bob", 20, 100)):
        places(exchange, owner, cents if count > 0 else 100 - cents, contracts)
    assert worth(exchange) == 4 * Decimal("0.30") + 6 * Decimal("0.20")


@pytest.mark.parametrize("count", [10, -10])
def test_contracts_that_nobody_wants_bring_nothing(count: float) -> None:
    exchange = holding(count, fees=NO_FEES)
    assert worth(exchange) == 0
    (ask if count > 0 else bid)(exchange, "bob", 70 if count > 0 else 30, 100)  # bob sells what ann holds
    assert worth(exchange) == 0
    (bid if count > 0 else ask)(exchange, "bob", 60 if count > 0 else 40, 2)
    assert worth(exchange) == Decimal("1.20")


def test_positions_of_all_markets_count() -> None:
    exchange = holding(10, fees=NO_FEES)
    listed(exchange, "KXN-26-T1", fees=NO_FEES)
    ask(exchange, "bob", 50, 4, ticker="KXN-26-T1")
    bid(exchange, "ann", 50, 4, ticker="KXN-26-T1")
    bid(exchange, "bob", 40, 4, ticker="KXN-26-T1")
    bid(exchange, "bob", 30, 10)
    assert worth(exchange) == Decimal("1.60") + Decimal("3.00")


@pytest.mark.parametrize(("count", "brings"), [(10.03, "4.51"), (-10.03, "5.51")])
def test_a_position_counts_what_its_market_pays(count: float, brings: str) -> None:
    """A contract pays 45 cents if it is YES, else 55. Until that is known, the orders that still rest count; then
    the payment in whole cents, before it comes. Afterwards it is cash, and not counted twice."""
    exchange = holding(count, fees=NO_FEES, result=4_500)
    market = exchange.markets[M]
    (bid if count > 0 else ask)(exchange, "bob", 30 if count > 0 else 70, 100)
    resting = Decimal(str(abs(count))) * Decimal("0.30")
    lifecycle.halt(exchange, market)
    assert (market.status, worth(exchange)) == ("inactive", resting)
    closes = market.closes
    exchange.advance(closes + WITHDRAW_SECONDS - 1)
    assert (market.status, worth(exchange)) == ("closed", resting)
    exchange.advance(closes + WITHDRAW_SECONDS)
    assert (market.status, worth(exchange)) == ("closed", 0)
    exchange.advance(closes + DETERMINE_SECONDS)
    assert (market.status, worth(exchange)) == ("determined", Decimal(brings))
    before = exchange.accounts["ann"].cash[0]
    exchange.advance(closes + DETERMINE_SECONDS + market.settlement_timer)
    assert (market.status, worth(exchange)) == ("finalized", 0)
    assert exchange.accounts["ann"].cash[0] - before == Decimal(brings) * DOLLAR


# -- the balance of the API -------------------------------------------------------------------------------------


def test_the_portfolio_value_of_the_api_stays_at_the_best_bids() -> None:
    """The API's figure is no sale's. With `exchange_index` it is that shard's, as the specification says."""
    exchange = holding(20)
    listed(exchange, "KXS-26-T1", shard=3)
    for owner in ("ann", "bob"):
        exchange.deposit_cash(exchange.accounts[owner], 3, 1_000, 0)
    ask(exchange, "bob", 50, 5, ticker="KXS-26-T1")
    bid(exchange, "ann", 50, 5, ticker="KXS-26-T1")
    bid(exchange, "bob", 10, 1, ticker="KXS-26-T1")
    bid(exchange, "bob", 45, 1)
    told = {n: balance(exchange, exchange.accounts["ann"], n)["portfolio_value"] for n in (None, 0, 1, 3)}
    assert told == {None: 950, 0: 900, 1: 0, 3: 50}
    assert value(exchange) == Decimal("9.50")


# -- laws -------------------------------------------------------------------------------------------------------


class Resting(NamedTuple):
    """An order on the side that a position is sold to. `at` is the place of its price on the grid, from 0 to 1.
    `owner` None is a simulated trader."""

    owner: str | None
    at: float
    size: int


FEES = st.sampled_from((STANDARD, QUARTER, NO_FEES, DOUBLE, FeeTerms(percent=37)))
GRIDS = st.sampled_from((LINEAR, TAPERED, DECI, CENTI_EDGE))
SIZES = st.one_of(st.integers(1, 40), st.integers(1, 4_000))
"""In 1/100 contract. Small ones are mostly rounding."""

ORDERS = st.lists(
    st.builds(Resting, st.sampled_from(("ann", "bob", "cat", None)), st.floats(0, 1), SIZES), max_size=8
)


def price_of(order: Resting, grid: Grid) -> int:
    return grid.prices[round(order.at * (len(grid.prices) - 1))]


def crowded(grid: Grid, fees: FeeTerms, held: int, orders: list[Resting]) -> tuple[Exchange, ListedMarket]:
    """An exchange on which ann holds a position and others, and she herself, bid for what she holds."""
    exchange = Exchange(NOW, 3)
    market = listed(exchange, grid=grid, fees=fees)
    for owner in ("ann", "bob", "cat"):
        exchange.open_account(owner, {0: 1_000_000 * DOLLAR})
    for owner, buys in (("bob", held < 0), ("ann", held > 0)):
        order_entry.create(exchange, owner, OrderTerms(M, buys, DOLLAR_PIPS // 2, abs(held)))
    for order in orders:
        price = price_of(order, grid)
        if order.owner is None:
            exchange.crowd_rest(market, held > 0, price, order.size)
        else:
            order_entry.create(exchange, order.owner, OrderTerms(M, held > 0, price, order.size))
    return exchange, market


@given(GRIDS, FEES, SIZES, st.booleans(), ORDERS, st.integers(0, 500))
def test_a_position_is_worth_what_selling_it_brings(
    grid: Grid, fees: FeeTerms, size: int, holds_yes: bool, orders: list[Resting], taken: int
) -> None:
    """The figure is the cash that a real order brings, to the last digit, in whole and in used books. What is left
    over then is worth nothing, because nobody wants it."""
    exchange, market = crowded(grid, fees, size if holds_yes else -size, orders)
    if taken:
        exchange.crowd_take(market, not holds_yes, 0 if holds_yes else DOLLAR_PIPS, taken)
    ann = exchange.accounts["ann"]
    said = account_worth(exchange, ann)
    assert sell_all(exchange, "ann") == said
    assert account_worth(exchange, ann) == 0


@given(GRIDS, FEES, st.booleans(), ORDERS, SIZES, SIZES)
def test_no_sale_beats_the_best_bid_and_more_never_brings_less(
    grid: Grid, fees: FeeTerms, holds_yes: bool, orders: list[Resting], size: int, more: int
) -> None:
    """Less would come for more contracts if a fee was rounded above what its contracts bring."""
    book, sign = MatchingBook(), 1 if holds_yes else -1
    for order in orders:
        book.half(holds_yes).add(Order(M, holds_yes, price_of(order, grid), order.size, order.owner))
    prices = [price_of(order, grid) for order in orders if order.owner != "ann"]
    best = max((price if holds_yes else DOLLAR_PIPS - price for price in prices), default=0)
    brings = sale_proceeds(book, "ann", sign * size, fees)
    assert 0 <= brings <= size * best
    assert brings <= sale_proceeds(book, "ann", sign * (size + 1), fees)
    assert brings <= sale_proceeds(book, "ann", sign * (size + more), fees)


# -- the benchmarks ---------------------------------------------------------------------------------------------


def test_a_benchmark_does_not_gain_by_holding_on() -> None:
    """A bot that holds more than the best bids want must not look better in a benchmark's table than one that has
    sold it all."""
    with desk(1, 12, ()) as one:
        exchange = one.exchange.api.exchange
        account = exchange.accounts[CUSTOMER]
        tickers = [ticker for ticker, held in account.holdings.items() if held.count]
        assert len(tickers) == 2
        for ticker in tickers:
            exchange.deposit_cash(account, exchange.markets[ticker].shard, 1_000_000, 0)
            trade_at_once(exchange, CUSTOMER, ticker, account.holdings[ticker].count > 0, 1_000 * CONTRACT)
        held = one.worth()
        assert account_value(exchange, account) > account_worth(exchange, account) > 0
        assert all(sell_all(exchange, CUSTOMER, ticker) for ticker in tickers)
        assert one.worth() == held
