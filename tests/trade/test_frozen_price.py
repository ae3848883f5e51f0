"""The frozen price rule: if it drifts, a new rule is compared with one that never was."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from benchmarks.price_rules import ReferencePrice, TodaysPrice, TouchPrice, priced_by
from benchmarks.true_cost import MOST_AHEAD, usual_price
from bot.settings import strategy_of
from exchange.orderbook import Book, Level, PriceGrid, Side
from market_bot import read_settings
from rewards.skips import Reason, Skip
from simulator.listing import LINEAR, ListedMarket
from simulator.matching import CONTRACT, DOLLAR_PIPS
from simulator.opening import open_exchange
from tests.support import builders, strategies
from tests.support.builders import CENTS, GRIDS, TAPERED, book, cents, program
from trade import Prices, Trade

Rule = type[Trade]


def told(found: Prices | Skip) -> Reason | tuple[Decimal | Reason, ...]:
    """The prices, or the reasons why there are none."""
    if isinstance(found, Skip):
        return found.reason
    return tuple(side.reason if isinstance(side, Skip) else side for side in found)


@given(st.data(), st.sampled_from(GRIDS), st.sampled_from([None, 1, 700]), st.integers(0, 4))
def test_the_frozen_rule_is_the_rule_of_trade(
    data: st.DataObject, grid: PriceGrid, size: int | None, delta: int
) -> None:
    """Delete this test when `trade.py` gets another rule: `TodaysPrice` stays what it was."""
    rivals = data.draw(strategies.books(grid))
    levels = data.draw(st.sampled_from(rivals[1:]))
    found = builders.incentive(grid, program()._replace(target=data.draw(strategies.targets(levels))))
    limit = data.draw(st.sampled_from([None, Decimal(0), Decimal(300), Decimal(2_000)]))
    terms = (None if size is None else Decimal(size), delta, limit)
    frozen, now = (told(rule(*terms).prices(found, rivals)) for rule in (TodaysPrice, Trade))
    event(str(now) if isinstance(now, Reason) else "quoted")
    assert frozen == now


DEEP = book(yes=cents((54, 80), (52, 160), (50, 900)), no=cents((44, 250), (42, 900)))


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [(TodaysPrice, "0.52", "0.43"), (TouchPrice, "0.54", "0.44"), (ReferencePrice, "0.52", "0.44")],
)
def test_each_rule_rests_where_its_name_says(rule: Rule, yes: str, no: str) -> None:
    assert rule(None, 1, None).prices(builders.incentive(), DEEP) == Prices(Decimal(yes), Decimal(no))


@pytest.mark.parametrize("limit", [239, 240, 241, 250])
def test_the_frozen_limit_is_the_limit_of_trade(limit: int) -> None:
    """240 contracts rest at the YES price or ahead of it, 250 at the NO price."""
    frozen, now = (
        told(rule(None, 1, Decimal(limit)).prices(builders.incentive(), DEEP)) for rule in (TodaysPrice, Trade)
    )
    assert frozen == now


@pytest.mark.parametrize("rule", [TodaysPrice, TouchPrice, ReferencePrice])
def test_a_market_with_own_settings_has_the_same_rule(rule: type[TodaysPrice]) -> None:
    """The markets that an oracle is told of would else be priced by the bot's own rule of the day."""
    told_cost = {"FILL_COST": 0.01, "TRADE_DELTA": 0.02}
    settings = read_settings({"TRADE_SIZE": "AUTO", "OVERRIDES": {"KXTEST-1": told_cost}})
    trade = priced_by(rule, strategy_of(settings)).trade
    assert type(trade.for_market("KXTEST-1")) is type(trade.for_market("KXOTHER")) is rule
    assert trade.for_market("KXTEST-1").trade_delta == 2
    alone = rule(None, 2, Decimal(300)).prices(builders.incentive(), DEEP)
    assert trade.prices(builders.incentive(), DEEP) == alone


# -- the same rule in pips, for the maker that measures the true cost --------------------------------------------


TARGET = 1_000 * CONTRACT


def as_read(market: ListedMarket) -> Book:
    """A simulated market's book as the bot reads it."""

    def side(is_bid: bool) -> tuple[Level, ...]:
        half = market.book.half(is_bid)
        pips = [(price if is_bid else DOLLAR_PIPS - price, half.size_at(price)) for price, _ in half.queues()]
        return tuple(Level(Decimal(price) / DOLLAR_PIPS, Decimal(size) / CONTRACT) for price, size in pips)

    return Book("KXTEST-1", side(True), side(False))


def test_the_true_cost_is_measured_at_the_frozen_price() -> None:
    exchange = open_exchange(1_795_000_000.0, 3, programs=80)
    exchange.advance(exchange.now + 1_800)
    compared = 0
    for market in exchange.markets.values():
        grid = CENTS if market.grid is LINEAR else TAPERED
        found = builders.incentive(grid, program(target=1_000))
        prices = TodaysPrice(None, 1, Decimal(MOST_AHEAD // CONTRACT)).prices(found, as_read(market))
        if isinstance(prices, Skip) and prices.reason in (Reason.NO_REFERENCE, Reason.TOP_TICK):
            continue
        for side in Side:
            own = usual_price(market, side is Side.YES, None, TARGET)
            wanted = prices if isinstance(prices, Skip) else prices.of(side)
            pips = None if own is None else own if side is Side.YES else DOLLAR_PIPS - own
            assert pips == (None if isinstance(wanted, Skip) else wanted * DOLLAR_PIPS), market.ticker
            compared += pips is not None
    assert compared > 20


def test_the_makers_own_order_does_not_move_its_price() -> None:
    """A maker that follows its own order sinks away from the book, and nothing fills it."""
    exchange = open_exchange(1_795_000_000.0, 3, programs=80)
    seen = 0
    for market in exchange.markets.values():
        price = usual_price(market, True, None, TARGET)
        if price is not None:
            order = exchange.crowd_rest(market, True, price, 250 * CONTRACT)
            assert usual_price(market, True, order, TARGET) == price
            seen += 1
    assert seen > 10
