"""The top tick, in both readings of the rule: a bot that counted what is not paid would promise what never comes.

The bot takes a side whose best bid is at the top tick as disqualified. The simulated exchange can do either. On a
grid that stays as it is nothing hangs on it: a bid at the top tick leaves the other side no price. It matters only
after a change of grid, when orders keep prices that are no longer on it.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from commands import incentives
from exchange.orderbook import ONE_DOLLAR, Bid, Book, PriceGrid, Side
from ledger.accrual import RestingInterval, count_seconds
from market_bot import read_settings
from rewards import rule_2026_07_30 as rule
from rewards.estimate import RewardedMarket
from rewards.rule_2026_07_30 import TopTick
from rewards.skips import Reason, Skip
from simulator import rewards
from simulator.exchange import Exchange
from simulator.lifecycle import change_grid, list_program
from simulator.listing import DECI, LINEAR, ListedProgram
from simulator.matching import CONTRACT, DOLLAR
from simulator.rewards import TopTick as Paid
from simulator.statement import rewards as paid_cents
from tests.support import builders, small_exchange, strategies
from tests.support.bench import MakeBench
from tests.support.boards import list_window, skipped
from tests.support.builders import CENTS, GRIDS, NOW, book, cents, level, market, prices_of, program
from trade import Trade

DAY = 86_400.0
D = Decimal
HALF = D("0.5")


# -- one side --------------------------------------------------------------------------------------------------


@given(st.data(), st.sampled_from(GRIDS), st.sampled_from(Side))
def test_a_side_has_one_score_counted_and_none_disqualified(
    data: st.DataObject, grid: PriceGrid, side: Side
) -> None:
    """Counted, the bot scores every side as the simulated exchange does, up to the top tick. Disqualified, a side
    with its best bid there has no score, and every other side has the same one."""
    top = grid.tops[side is Side.NO]
    rivals = data.draw(strategies.sides(grid, side is Side.YES, top))
    ours = data.draw(strategies.own_bids(grid, rivals, side))
    merged = (book(rivals) if side is Side.YES else book(no=rivals)).with_bids(ours).side(side)
    target = data.draw(strategies.targets(merged))
    counted, disqualified = (
        rule.score_side(rivals, ours, target, HALF, grid.tick_table(side), top, reading) for reading in TopTick
    )
    steps = {price: tick for tick, price in enumerate(prices_of(grid, side))}
    owned: dict[int, dict[str | None, int]] = {}
    for owner, price, size in [*((None, *one) for one in rivals), *(("us", b.price, b.count) for b in ours)]:
        here = owned.setdefault(steps[price], {})
        here[owner] = here.get(owner, 0) + int(size * CONTRACT)
    by_exchange = rewards.score_side(sorted(owned.items(), reverse=True), int(target * CONTRACT), Fraction(1, 2))
    assert (counted is None) == (by_exchange == {})
    share = counted.share() if counted else 0.0
    assert share == pytest.approx(float(by_exchange.get("us", 0)), rel=1e-9, abs=1e-9)
    is_at_top = bool(merged) and merged[0].price == top
    event("at the top tick" if is_at_top else "below it")
    assert disqualified == (None if is_at_top else counted)


def test_the_bot_decides_by_the_reading_that_pays_less() -> None:
    assert rule.TOP_TICK is TopTick.DISQUALIFIED
    assert RewardedMarket(market(), (program(),)).top_tick is TopTick.DISQUALIFIED


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("grid", GRIDS)
def test_a_bid_at_the_top_tick_leaves_the_other_side_no_price(grid: PriceGrid, side: Side) -> None:
    """So on an unchanged grid the other side is empty, misses the target, and both readings pay nothing."""
    top = grid.tops[side is Side.NO]
    others = [price for price in prices_of(grid, side.other) if 0 < price < ONE_DOLLAR]
    assert others
    assert all(top + price >= ONE_DOLLAR for price in others), "it would trade"


# -- a market that was on a finer grid -------------------------------------------------------------------------

AT_TOP = {
    Side.YES: book((level("0.99", 300), level("0.98", 900)), (level("0.005", 1_200),)),
    Side.NO: book((level("0.005", 1_200),), (level("0.99", 300), level("0.98", 900))),
}
"""Books of a market whose grid was changed from 0.1¢ to 1¢, by the side that is at the top tick."""

BELOW = book(cents((54, 300), (52, 900)), cents((44, 300), (42, 900)))
BOOKS = {"yes at the top": AT_TOP[Side.YES], "no at the top": AT_TOP[Side.NO], "below": BELOW}
PAID_BY = {Paid.COUNTED: TopTick.COUNTED, Paid.DISQUALIFIED: TopTick.DISQUALIFIED}


def our_bids(rivals: Book) -> tuple[Bid, Bid]:
    """100 contracts a side, at the last level of the rivals."""
    yes, no = (Bid(side, rivals.side(side)[-1].price, D(100)) for side in Side)
    return yes, no


def exchange_with(rivals: Book, world: Paid, dollars: int) -> Exchange:
    """A simulated exchange with a book of rivals and our bids, and a program of a day that has been paid."""
    exchange, market = small_exchange.small_exchange(owners="rival us", cash=50_000)
    exchange.top_tick = world
    change_grid(exchange, market, DECI)
    bids = [("us", bid) for bid in our_bids(rivals)]
    bids += [("rival", Bid(side, *one)) for side in Side for one in rivals.side(side)]
    for owner, bid in bids:
        place = small_exchange.bid if bid.side is Side.YES else small_exchange.ask
        price = bid.price if bid.side is Side.YES else bid.other_price
        place(exchange, owner, float(price * 100), float(bid.count))
    change_grid(exchange, market, LINEAR)
    now = exchange.now
    list_program(
        exchange,
        ListedProgram(
            1, "p", market.ticker, "liquidity", now, now + DAY, dollars * 10_000, 1_000 * CONTRACT, 5_000
        ),
    )
    exchange.advance(now + 5 * DAY)
    return exchange


@pytest.mark.parametrize("world", Paid)
@pytest.mark.parametrize("name", BOOKS)
def test_the_bot_never_accrues_more_than_is_paid(name: str, world: Paid) -> None:
    """A day of rest in a book, in both worlds. If the readings differ, the bot has accrued nothing. If they do
    not, it is paid what it accrued."""
    rivals, bids, dollars = BOOKS[name], our_bids(BOOKS[name]), 500
    window = program(dollars, days=1, ticker="KXTEST-1")
    rested = [RestingInterval(NOW, NOW + timedelta(days=1), bids)]
    accrued = sum(one.reward for one in count_seconds(market(CENTS), [window], (rivals, rivals), rested).values())
    cents_paid = paid_cents(exchange_with(rivals, world, dollars), "us")
    assert round(accrued * 100, 6) <= cents_paid + 1
    if name == "below":
        assert cents_paid == pytest.approx(accrued * 100, abs=2)
        assert cents_paid > 100
    else:
        assert accrued == 0
        assert (cents_paid > 100) == (world is Paid.COUNTED)


@pytest.mark.parametrize("world", Paid)
@pytest.mark.parametrize("name", BOOKS)
def test_an_estimate_by_the_worlds_own_reading_is_what_it_pays(name: str, world: Paid) -> None:
    """With the exchange's reading the estimate of a day is its payment: the figure that `--why` shows is true."""
    rivals, dollars = BOOKS[name], 500
    incentive = RewardedMarket(market(CENTS), (program(dollars, days=1),), top_tick=PAID_BY[world])
    estimate = incentive.estimate(incentive.score(rivals, our_bids(rivals)), NOW)
    assert float(estimate.payable) * 100 == pytest.approx(
        paid_cents(exchange_with(rivals, world, dollars), "us"), abs=2
    )


@pytest.mark.parametrize("size", [D(20), None])
@pytest.mark.parametrize("side", Side)
def test_only_the_counting_reading_has_a_price(side: Side, size: Decimal | None) -> None:
    trade = Trade(size, 1, None)
    incentive = builders.incentive()
    skip = trade.prices(incentive, AT_TOP[side])
    assert isinstance(skip, Skip)
    assert skip.reason is Reason.TOP_TICK
    prices = trade.prices(incentive._replace(top_tick=TopTick.COUNTED), AT_TOP[side])
    assert not isinstance(prices, Skip)
    assert prices.of(side) == D("0.98")


# -- told to a person ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [20, "AUTO"])
def test_why_shows_what_hangs_on_the_top_tick(make_bench: MakeBench, size: object) -> None:
    """The log's reason is the top tick. `--why` shows it at the side, and what quotes would earn if it counted."""
    changed = {"TRADE_SIZE": size, "INCENTIVE_SIZE": None, "FILL_COST": 0}
    bench = make_bench(who=(), **changed)
    exchange = bench.exchange.api.exchange
    ticker = next(name for name in exchange.markets if name.endswith("-EMPTY"))
    exchange.open_account("ann", {0: 50_000 * DOLLAR})
    change_grid(exchange, exchange.markets[ticker], DECI)
    for price, count in ((99.0, 300), (98.0, 900)):
        small_exchange.bid(exchange, "ann", price, count, ticker=ticker)
    small_exchange.ask(exchange, "ann", 99.5, 1_200, ticker=ticker)
    change_grid(exchange, exchange.markets[ticker], LINEAR)
    list_window(bench, ticker, 0, 2 * DAY, "rich")
    bench.bot.start_trading()
    assert skipped(bench)[ticker].text == "TOP_TICK | Best yes bid: 0.9900, no higher price exists"
    told = incentives.market_text(incentives.read_view(bench.client, read_settings(changed)), ticker)
    assert f"{ticker}: is not quoted. Reason: TOP_TICK | Best yes bid: 0.9900" in told
    assert "its best bid is at the top tick: the bot takes the side as disqualified, so no second pays" in told
    counted = told.partition("If the exchange counted a side whose best bid is at the top tick")[2]
    assert "yes at 0.9800" in counted
    assert "payable by the windows' ends" in counted
    assert "$0.00 payable" not in counted


def test_why_says_that_nothing_hangs_on_it_on_an_unchanged_grid(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    exchange = bench.exchange.api.exchange
    ticker = next(name for name in exchange.markets if name.endswith("-EMPTY"))
    exchange.open_account("ann", {0: 50_000 * DOLLAR})
    small_exchange.bid(exchange, "ann", 99.0, 1_200, ticker=ticker)
    told = incentives.market_text(incentives.read_view(bench.client, read_settings()), ticker)
    assert "Reason: TOP_TICK | Best yes bid: 0.9900" in told
    counted = told.partition("If the exchange counted a side whose best bid is at the top tick")[2]
    assert "would not be quoted all the same. Reason: NO_REFERENCE | Rivals on no: 0 of 200 needed" in counted
