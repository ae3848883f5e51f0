"""Prices: one that crosses, leads the market or earns nothing costs money."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import trade
from exchange.account import Position
from exchange.models import MarketStatus, Order, OrderStatus, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Book, PriceGrid, Side
from exchange.ticker_patterns import PerMarket
from rewards.estimate import EstimateRules, Scored
from rewards.skips import Reason, Skip
from tests.support import builders, strategies
from tests.support.builders import CENTS, GRIDS, NOW, TAPERED, book, cents, level, program
from trade import NoExit, Prices, Trade, books_without_own

THIN = book(yes=cents((54, 80), (52, 160), (50, 900)), no=cents((44, 60), (42, 180), (40, 900)))
ONE_LOT = Trade(Decimal(1), 1, Decimal(300))
AUTO = Trade(None, 1, Decimal(300))


def price_of(quote: Scored | Skip, side: Side) -> Decimal | None:
    assert not isinstance(quote, Skip), quote
    return next((bid.price for bid in quote.bids if bid.side is side), None)


def refused(quote: Scored | Prices | Skip | Decimal) -> tuple[Reason, str, str]:
    assert isinstance(quote, Skip), quote
    assert quote.ticker == "KXTEST-1"
    return quote.reason, quote.label, quote.number


def test_the_price_is_the_reference_if_deeper_than_trade_delta() -> None:
    """If the reference price lies further behind the best bid than TRADE_DELTA, the bot bids at the reference."""
    quote = ONE_LOT.quote(builders.incentive(), THIN)
    assert price_of(quote, Side.YES) == Decimal("0.52")
    assert price_of(quote, Side.NO) == Decimal("0.42")
    assert isinstance(quote, Scored)
    assert quote == builders.incentive().score(THIN, quote.bids)


def test_the_price_is_trade_delta_behind_the_best_bid() -> None:
    """If the best bid is itself the reference, the bot bids TRADE_DELTA ticks behind it, and at it if
    TRADE_DELTA is 0."""
    rivals = book(yes=cents((54, 250), (53, 10), (50, 900)), no=THIN.no)
    assert price_of(ONE_LOT.quote(builders.incentive(), rivals), Side.YES) == Decimal("0.53")
    at_touch = Trade(Decimal(1), 0, Decimal(300))
    assert price_of(at_touch.quote(builders.incentive(), rivals), Side.YES) == Decimal("0.54")


def test_trade_delta_counts_the_steps_of_the_grid() -> None:
    """TRADE_DELTA counts the grid's own ticks at the price. NO prices round down on the mirrored grid."""
    rivals = book(yes=(level("0.047", 250), level("0.044", 900)), no=(level("0.949", 250), level("0.94", 900)))
    quote = ONE_LOT.quote(builders.incentive(TAPERED), rivals)
    assert price_of(quote, Side.YES) == Decimal("0.046")
    assert price_of(quote, Side.NO) == Decimal("0.948")


def test_no_quote_where_a_whole_target_rests_ahead_of_it() -> None:
    crowded = book(yes=cents((54, 1_000), (53, 900)), no=cents((44, 1_000), (43, 900)))
    told = "0.5300, a whole target of 1,000 rests ahead of it, best yes bid 0.5400"
    assert refused(ONE_LOT.quote(builders.incentive(), crowded)) == (Reason.TRADE_DELTA, "Price", told)
    almost = book(yes=cents((54, 999), (53, 900)), no=cents((44, 999), (43, 900)))
    assert price_of(Trade(Decimal(1), 1, None).quote(builders.incentive(), almost), Side.YES) == Decimal("0.53")


def test_a_side_with_too_many_rivals_ahead_stays_empty() -> None:
    """The bot still quotes the other side of the market."""
    rivals = book(yes=cents((54, 150), (53, 151), (52, 900)), no=THIN.no)
    quote = Trade(Decimal(1), 1, Decimal(300)).quote(builders.incentive(), rivals)
    assert price_of(quote, Side.YES) is None
    assert price_of(quote, Side.NO) == Decimal("0.42")
    prices = ONE_LOT.prices(builders.incentive(), rivals)
    assert isinstance(prices, Prices)
    assert refused(prices.yes) == (Reason.INCENTIVE_SIZE, "Rivals ahead on yes", "301, at most 300")
    assert price_of(Trade(Decimal(1), 1, Decimal(301)).quote(builders.incentive(), rivals), Side.YES)
    assert price_of(Trade(Decimal(1), 1, None).quote(builders.incentive(), rivals), Side.YES)


def test_a_market_with_no_price_on_either_side_has_one_reason() -> None:
    """If neither side of a market has a price, the market is skipped with a single reason."""
    crowded = book(yes=cents((54, 301), (52, 900)), no=cents((44, 400), (42, 900)))
    reason, _, number = refused(ONE_LOT.quote(builders.incentive(), crowded))
    assert (reason, number) == (Reason.INCENTIVE_SIZE, "301, at most 300")


def test_no_price_is_found_under_the_lowest_tick() -> None:
    rivals = book(yes=cents((2, 250), (1, 900)), no=cents((44, 60), (42, 180), (40, 900)))
    prices = Trade(Decimal(1), 2, Decimal(300)).prices(builders.incentive(), rivals)
    assert isinstance(prices, Prices)
    assert refused(prices.yes) == (Reason.PRICE_BOUNDS, "Price", "none below the best yes bid 0.0200")
    assert price_of(Trade(Decimal(1), 1, None).quote(builders.incentive(), rivals), Side.YES) == Decimal("0.01")


@pytest.mark.parametrize("rules", [ONE_LOT, AUTO])
@pytest.mark.parametrize("side", Side)
def test_a_market_with_a_best_bid_at_the_top_tick_is_not_quoted(rules: Trade, side: Side) -> None:
    """A best bid at the top tick of either side keeps the whole market out, with a fixed size and with AUTO."""
    high, low = cents((99, 100), (98, 2_000)), cents((1, 2_000))
    rivals = book(high, low) if side is Side.YES else book(low, high)
    told = (Reason.TOP_TICK, f"Best {side.value} bid", "0.9900, no higher price exists")
    assert refused(rules.prices(builders.incentive(), rivals)) == told
    alone = book(high) if side is Side.YES else book(no=high)
    assert refused(rules.prices(builders.incentive(), alone)) == told, "not that the empty side misses the target"


def test_a_market_that_pays_nobody_is_not_quoted() -> None:
    short = book(yes=THIN.yes, no=cents((44, 60), (42, 180)))
    told = (Reason.TARGET_MISSED, "Contracts on no", "241 of 1,000")
    assert refused(ONE_LOT.quote(builders.incentive(), short)) == told
    half = Trade(Decimal("0.5"), 1, Decimal(300)).quote(builders.incentive(), book(short.no, THIN.no))
    assert refused(half) == (Reason.TARGET_MISSED, "Contracts on yes", "240.50 of 1,000")


def test_our_own_order_is_never_the_reference() -> None:
    """The bot's own order may complete a target, but the reference must come from rivals."""
    nearly = book(yes=THIN.yes, no=cents((44, 60), (42, 180), (40, 700)))
    assert price_of(Trade(Decimal(60), 1, Decimal(300)).quote(builders.incentive(), nearly), Side.NO)
    assert isinstance(Trade(Decimal(59), 1, Decimal(300)).quote(builders.incentive(), nearly), Skip)
    lone = book(yes=THIN.yes, no=cents((44, 150)))
    told = (Reason.NO_REFERENCE, "Rivals on no", "150 of 200 needed")
    assert refused(Trade(Decimal(5_000), 1, None).quote(builders.incentive(), lone)) == told
    just = book(yes=THIN.yes, no=cents((44, 200)))
    assert price_of(Trade(Decimal(5_000), 1, None).quote(builders.incentive(), just), Side.NO) == Decimal("0.43")


def test_auto_never_leads_an_empty_side() -> None:
    """With AUTO the bot may supply the reference behind the best bid, but it places no bid on a side without
    rivals."""
    lone = book(yes=THIN.yes, no=cents((44, 150)))
    prices = AUTO.prices(builders.incentive(), lone)
    assert prices == Prices(Decimal("0.52"), Decimal("0.43"))
    assert isinstance(prices, Prices)
    bids = prices.bids(Decimal(0), Decimal(900))
    assert bids == (builders.bid(Side.NO, "0.43", 900),)
    ((_, on_no),) = [sides for sides in builders.incentive().score(lone, bids).sides if sides]
    assert (on_no.reference, on_no.ours, on_no.rivals) == (Decimal("0.43"), 900, 150)
    nobody = (Reason.NO_REFERENCE, "Rivals on no", "0 of 200 needed")
    assert refused(AUTO.prices(builders.incentive(), book(yes=THIN.yes))) == nobody
    assert AUTO.prices(builders.incentive(), THIN) == ONE_LOT.prices(builders.incentive(), THIN)


def test_auto_has_no_size_to_quote_with() -> None:
    with pytest.raises(ValueError, match="no size is fixed"):
        AUTO.quote(builders.incentive(), THIN)


@settings(max_examples=150)
@given(
    st.data(), st.sampled_from(GRIDS), st.sampled_from([None, *range(1, 5_000, 7)]), st.integers(0, 4),
    st.sampled_from([None, 0, 300, 2_000]),
)  # fmt: skip
def test_a_quote_never_crosses_leads_or_earns_nothing(
    data: st.DataObject, grid: PriceGrid, size: int | None, delta: int, limit: int | None
) -> None:
    """A quote stays on the grid, at least TRADE_DELTA ticks behind the best bid, and within the limit of rivals
    ahead."""
    rivals = data.draw(strategies.books(grid, 1))
    terms = program()._replace(target=data.draw(strategies.targets(data.draw(st.sampled_from(rivals[1:])))))
    found = builders.incentive(grid, terms)
    rules = Trade(size and Decimal(size) / 100, delta, None if limit is None else Decimal(limit))
    if rules.trade_size is None:
        prices = rules.prices(found, rivals)
        sizes = [Decimal(n) for n in data.draw(st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)))]
        quote = found.score(rivals, prices.bids(*sizes)) if isinstance(prices, Prices) else prices
    else:
        quote = rules.quote(found, rivals)
    event("quoted" if not isinstance(quote, Skip) else quote.reason.name)
    if isinstance(quote, Skip):
        return
    if rules.trade_size is not None:
        assert quote.bids
        assert quote.qualifies
        prices = rules.prices(found, rivals)
        assert isinstance(prices, Prices)
        assert quote.bids == prices.bids(rules.trade_size, rules.trade_size)
    for bid, ahead in zip(quote.bids, quote.ahead, strict=True):
        best, opposite = rivals.best(bid.side), rivals.best(bid.side.other)
        assert best is not None
        assert opposite is not None
        assert grid.floor(bid.side, bid.price) == bid.price > 0
        assert bid.price + opposite.price < 1
        assert grid.ticks(bid.side, best.price) - grid.ticks(bid.side, bid.price) >= delta
        assert ahead == sum(size for price, size in rivals.side(bid.side) if price >= bid.price)
        assert limit is None or ahead <= limit
        if quote.qualifies:
            assert quote.sides[0]
            assert quote.sides[0][0 if bid.side is Side.YES else 1].ours > 0


@given(st.data(), st.sampled_from(GRIDS), st.integers(0, 4), st.integers(5, 2_000))
def test_a_side_is_quoted_no_higher_than_its_reference(
    data: st.DataObject, grid: PriceGrid, delta: int, target: int
) -> None:
    """A side is also quoted no lower than it must be: at the reference or TRADE_DELTA behind the best bid, the
    lower of the two."""
    rivals = data.draw(strategies.books(grid))
    found = builders.incentive(grid, program(target=target))
    prices = Trade(None, delta, None).prices(found, rivals)
    if isinstance(prices, Skip):
        return
    for side, price in zip(Side, prices, strict=True):
        if isinstance(price, Skip):
            continue
        best = rivals.side(side)[0].price
        wanted = [grid.price(side, grid.ticks(side, best) - delta)]
        walked = Decimal(0)
        for one in rivals.side(side):
            walked += one.size
            if walked * 5 >= target:
                wanted.append(one.price)
                break
        assert price == min(wanted)


def resting(price: str, count: int, name: str = "typed-by-hand", ticker: str = "KXTEST-1") -> Order:
    left = Decimal(count)
    return Order(
        "1", name, ticker, Side.YES, Decimal(price), OrderStatus.RESTING, left, Decimal(0), left, Decimal(0), 0,
        NOW + timedelta(hours=1),
    )  # fmt: skip


def test_own_orders_are_not_rivals() -> None:
    """The orders of the bot and of a person on the same account are taken out of the books of rivals."""
    orders = [resting("0.55", 400), resting("0.52", 30, "lipbot-1"), resting("0.50", 5, ticker="KXOTHER-1")]
    shown = THIN.with_bids([order.bid for order in orders[:2]])
    other = Book("KXEMPTY-1", (), ())
    rivals = books_without_own([shown, other], orders)
    assert rivals == {"KXTEST-1": THIN, "KXEMPTY-1": other}
    (found,), skipped = ONE_LOT.candidates([builders.incentive()], rivals, NOW, PerMarket(EstimateRules()))
    assert skipped == []
    assert found.rivals == THIN
    assert found.scored == ONE_LOT.quote(builders.incentive(), THIN)
    assert [trade.is_own(order) for order in orders] == [False, True, False]


def test_a_candidate_is_decided_on_with_caution() -> None:
    """The bot decides by the conservative estimate of a candidate and reports the plain one."""
    size = Trade(Decimal(100), 1, Decimal(300))
    (found,), _ = size.candidates(
        [builders.incentive()], {"KXTEST-1": THIN}, NOW, PerMarket(EstimateRules(2.0, 1.5, 0.03))
    )
    assert found.conservative == found.incentive.estimate(found.scored, NOW, EstimateRules(2.0, 1.5, 0.03))
    assert found.estimate == found.incentive.estimate(found.scored, NOW)
    assert found.conservative.payable < found.estimate.payable
    assert found.collateral == 100 * (Decimal("0.52") + Decimal("0.42"))
    assert found.ticker == "KXTEST-1"


def test_every_market_is_a_candidate_or_has_its_reason() -> None:
    good, bad, unread = (
        builders.incentive(market=builders.market(ticker=f"KX{name}-1")) for name in ("GOOD", "BAD", "UNREAD")
    )
    rivals = {"KXGOOD-1": THIN, "KXBAD-1": book()}
    found, skipped = ONE_LOT.candidates([good, bad, unread], rivals, NOW, PerMarket(EstimateRules()))
    assert [one.ticker for one in found] == ["KXGOOD-1"]
    assert [(skip.ticker, skip.reason) for skip in skipped] == [
        ("KXBAD-1", Reason.NO_REFERENCE), ("KXUNREAD-1", Reason.NO_BOOK),
    ]  # fmt: skip


def position(count: str) -> Position:
    return Position("KXTEST-1", Decimal(count), Decimal(1), 0)


@pytest.mark.parametrize(("held", "buys", "at"), [("3", Side.NO, "0.46"), ("-3", Side.YES, "0.56")])
def test_an_exit_sells_at_the_best_bid_and_cannot_open_anything(held: str, buys: Side, at: str) -> None:
    order = trade.exit_order(position(held), builders.market(), THIN, [], "lipbot-x")
    assert not isinstance(order, NoExit)
    assert order.bid == Bid(buys, Decimal(at), Decimal(3))
    assert order.reduce_only
    assert not order.post_only
    assert order.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
    assert order.expires is None
    assert order.self_trade_prevention is SelfTradePrevention.MAKER


def test_an_exit_waits_for_a_bid_and_for_an_open_market() -> None:
    nobody = book(no=THIN.no)
    halted = builders.market()._replace(status=MarketStatus.INACTIVE)
    for market, rivals in ((builders.market(), nobody), (halted, THIN), (None, THIN), (builders.market(), None)):
        assert isinstance(trade.exit_order(position("3"), market, rivals, [], "lipbot-x"), NoExit)


def test_an_exit_does_not_touch_the_resting_order_of_a_person() -> None:
    """An exit neither takes nor cancels the order of a person. It is left out if that order is in its way."""
    above, beside, below = (builders.bid(Side.YES, price, 50) for price in ("0.55", "0.54", "0.53"))
    for own in (above, beside):
        kept = trade.exit_order(position("3"), builders.market(), THIN, [own], "lipbot-x")
        assert isinstance(kept, NoExit)
        assert f"yes at {own.price:.4f}" in kept.reason
    lone = trade.exit_order(position("3"), builders.market(), book(no=THIN.no), [below], "lipbot-x")
    assert lone == NoExit("there are no bids for yes")
    sold = trade.exit_order(position("3"), builders.market(), THIN, [below], "lipbot-x")
    assert not isinstance(sold, NoExit)
    assert sold.bid.other_price == Decimal("0.54")


def test_a_quote_never_pays_the_takers_fee() -> None:
    """A quote is post-only, is canceled on a pause, and does not outstay its expiry."""
    order = trade.quote_order(builders.market(CENTS), Bid(Side.NO, Decimal("0.42"), Decimal(1)), "lipbot-x", NOW)
    assert order.post_only
    assert order.cancel_on_pause
    assert order.expires == NOW
    assert order.time_in_force is TimeInForce.GOOD_TILL_CANCELED
    assert order.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS
