"""Prices: one that crosses, leads the market or earns nothing costs money."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import incentive as rule
import trade
from incentive import Reason, Skip
from models import Bid, MarketStatus, Order, OrderStatus, PriceGrid, SelfTradePrevention, Side, TimeInForce
from tests import values
from tests.values import CENTS, GRIDS, NOW, TAPERED, book, cents, level, program
from trade import Trade, Unclosable

THIN = book(yes=cents((54, 80), (52, 160), (50, 900)), no=cents((44, 60), (42, 180), (40, 900)))
ONE_LOT = Trade(Decimal(1), 1, Decimal(300))


def price_of(bids: tuple[Bid, ...] | Skip, side: Side) -> Decimal | None:
    assert not isinstance(bids, Skip), bids
    return next((bid.price for bid in bids if bid.side is side), None)


def test_the_price_is_the_reference_where_that_is_deeper_than_trade_delta() -> None:
    bids = ONE_LOT.quote(values.incentive(), THIN)
    assert price_of(bids, Side.YES) == Decimal("0.52")
    assert price_of(bids, Side.NO) == Decimal("0.42")


def test_the_price_is_trade_delta_behind_the_best_bid_where_the_touch_is_the_reference() -> None:
    rivals = book(yes=cents((54, 250), (53, 10), (50, 900)), no=THIN.no)
    assert price_of(ONE_LOT.quote(values.incentive(), rivals), Side.YES) == Decimal("0.53")
    at_touch = Trade(Decimal(1), 0, Decimal(300))
    assert price_of(at_touch.quote(values.incentive(), rivals), Side.YES) == Decimal("0.54")


def test_trade_delta_counts_the_grids_own_steps_and_no_prices_round_down_on_the_mirrored_grid() -> None:
    rivals = book(yes=(level("0.047", 250), level("0.044", 900)), no=(level("0.949", 250), level("0.94", 900)))
    bids = ONE_LOT.quote(values.incentive(TAPERED), rivals)
    assert price_of(bids, Side.YES) == Decimal("0.046")
    assert price_of(bids, Side.NO) == Decimal("0.948")


def test_no_quote_where_a_whole_target_rests_ahead_of_it() -> None:
    crowded = book(yes=cents((54, 1_000), (53, 900)), no=cents((44, 1_000), (43, 900)))
    skip = ONE_LOT.quote(values.incentive(), crowded)
    assert isinstance(skip, Skip)
    assert skip.reason is Reason.TRADE_DELTA
    assert "0.5300, paid down to 0.5400" in skip.number


def test_a_side_with_too_many_rivals_ahead_stays_empty_while_the_other_is_quoted() -> None:
    rivals = book(yes=cents((54, 150), (53, 151), (52, 900)), no=THIN.no)
    bids = Trade(Decimal(1), 1, Decimal(300)).quote(values.incentive(), rivals)
    assert price_of(bids, Side.YES) is None
    assert price_of(bids, Side.NO) == Decimal("0.42")
    assert price_of(Trade(Decimal(1), 1, Decimal(301)).quote(values.incentive(), rivals), Side.YES)
    assert price_of(Trade(Decimal(1), 1, None).quote(values.incentive(), rivals), Side.YES)


def test_a_market_that_pays_nobody_is_not_quoted() -> None:
    short = book(yes=THIN.yes, no=cents((44, 60), (42, 180)))
    skip = ONE_LOT.quote(values.incentive(), short)
    assert isinstance(skip, Skip)
    assert (skip.reason, skip.label, skip.number) == (Reason.TARGET_MISSED, "Contracts on no", "241 of 1,000")


def test_our_own_order_may_complete_a_target_but_never_be_the_reference() -> None:
    nearly = book(yes=THIN.yes, no=cents((44, 60), (42, 180), (40, 700)))
    assert price_of(Trade(Decimal(60), 1, Decimal(300)).quote(values.incentive(), nearly), Side.NO)
    assert isinstance(Trade(Decimal(59), 1, Decimal(300)).quote(values.incentive(), nearly), Skip)
    lone = book(yes=THIN.yes, no=cents((44, 150)))
    skip = Trade(Decimal(5_000), 1, None).quote(values.incentive(), lone)
    assert isinstance(skip, Skip)
    assert (skip.reason, skip.number) == (Reason.NO_REFERENCE, "150 of 200")


@settings(max_examples=600, deadline=None)
@given(
    st.data(), st.sampled_from(GRIDS), st.integers(1, 5_000), st.integers(0, 4), st.integers(5, 2_000),
    st.sampled_from([None, 0, 300, 2_000]),
)  # fmt: skip
def test_a_quote_never_crosses_leads_leaves_the_grid_or_earns_nothing(
    data: st.DataObject, grid: PriceGrid, size: int, delta: int, target: int, limit: int | None
) -> None:
    rivals = data.draw(values.books(grid))
    found = values.incentive(grid, program(target=target))
    rules = Trade(Decimal(size) / 100, delta, None if limit is None else Decimal(limit))
    bids = rules.quote(found, rivals)
    event("quoted" if not isinstance(bids, Skip) else bids.reason.name)
    if isinstance(bids, Skip):
        return
    assert bids
    merged = rivals.with_bids(bids)
    for bid in bids:
        best, opposite = rivals.best(bid.side), rivals.best(bid.side.other)
        assert best is not None
        assert opposite is not None
        assert grid.floor(bid.side, bid.price) == bid.price
        assert bid.price + opposite.price < 1
        assert grid.ticks(bid.side, best.price) - grid.ticks(bid.side, bid.price) >= delta
        score = rule.score_side(merged, bid.side, grid, found.target, found.discount)
        assert rule.share_of([bid], score, bid.side, grid, found.discount) > 0
        ahead = sum(level.size for level in rivals.side(bid.side) if level.price >= bid.price)
        assert limit is None or ahead <= limit
    for side in Side:
        assert rule.score_side(merged, side, grid, found.target, found.discount) is not None


def test_a_person_resting_beside_the_bot_is_not_a_rival() -> None:
    mine = Order(
        "1", "typed-by-hand", "KXTEST-1", Side.YES, Decimal("0.55"), OrderStatus.RESTING,
        Decimal(400), Decimal(0), Decimal(400), Decimal(0), 0, NOW + timedelta(hours=1),
    )  # fmt: skip
    shown = THIN.with_bids([mine.bid])
    (found,), skipped = ONE_LOT.candidates([values.incentive()], {"KXTEST-1": shown}, [mine], NOW)
    assert skipped == []
    assert found.rivals == THIN
    assert found.bids == ONE_LOT.quote(values.incentive(), THIN)


def test_a_market_without_a_book_has_its_reason() -> None:
    found, (skip,) = ONE_LOT.candidates([values.incentive()], {}, [], NOW)
    assert found == []
    assert skip.reason is Reason.NO_BOOK


def position(count: str) -> trade.Position:
    return trade.Position("KXTEST-1", Decimal(count), Decimal(1), 0)


@pytest.mark.parametrize(("held", "buys", "at"), [("3", Side.NO, "0.46"), ("-3", Side.YES, "0.56")])
def test_an_exit_sells_at_the_best_bid_and_cannot_open_anything(held: str, buys: Side, at: str) -> None:
    order = trade.close_order(position(held), values.market(), THIN, [], "lipbot-x")
    assert not isinstance(order, Unclosable)
    assert order.bid == Bid(buys, Decimal(at), Decimal(3))
    assert order.reduce_only
    assert not order.post_only
    assert order.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
    assert order.expires is None
    assert order.self_trade_prevention is SelfTradePrevention.MAKER


def test_an_exit_waits_for_a_bid_and_for_an_open_market() -> None:
    nobody = book(no=THIN.no)
    halted = values.market()._replace(status=MarketStatus.INACTIVE)
    for market, rivals in ((values.market(), nobody), (halted, THIN), (None, THIN), (values.market(), None)):
        assert isinstance(trade.close_order(position("3"), market, rivals, [], "lipbot-x"), Unclosable)


def test_an_exit_neither_takes_nor_cancels_an_order_that_a_person_rests() -> None:
    above, below = (Bid(Side.YES, Decimal(price), Decimal(50)) for price in ("0.55", "0.53"))
    kept = trade.close_order(position("3"), values.market(), THIN.with_bids([above]), [above], "lipbot-x")
    assert isinstance(kept, Unclosable)
    assert "0.5500" in kept.reason
    sold = trade.close_order(position("3"), values.market(), THIN.with_bids([below]), [below], "lipbot-x")
    assert not isinstance(sold, Unclosable)
    assert sold.bid.other_price == Decimal("0.54")


def test_a_quote_never_pays_the_takers_fee_and_never_outstays_its_expiry() -> None:
    order = trade.open_order(values.market(CENTS), Bid(Side.NO, Decimal("0.42"), Decimal(1)), "lipbot-x", NOW)
    assert order.post_only
    assert order.cancel_on_pause
    assert order.expires == NOW
    assert order.time_in_force is TimeInForce.GOOD_TILL_CANCELED
    assert order.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS
