"""What is withdrawn between two cycles, and what is not: each rule at both sides of its number."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.orderbook import NO, SIDES, YES, Bid, Book, Level, Side
from risk.guards import JUMP, WITHDRAWN_TIMES
from risk.holes import NARROW, WIDER
from risk.withdrawals import (
    HITS_APART,
    NEWS,
    SHOWN_AFTER,
    Hit,
    MarketFacts,
    RestingQuote,
    Withdrawal,
    are_shown,
    families,
    hit_families,
    judge_market,
    same_bets,
    thinned_sides,
    without_quotes,
)
from tests.support.builders import CENTS, GRIDS, NOW, bid, cents, later, prices_of

D = Decimal
TICKER = "KXA-1"
MOMENT = timedelta(microseconds=1)
BOTH = pytest.mark.parametrize("side", SIDES, ids=["yes", "no"])


def quote(
    side: Side = YES, price: str = "0.48", count: float = 20, age: timedelta = SHOWN_AFTER, ticker: str = TICKER
) -> RestingQuote:
    """A quote of ours that rests as it is since `age`."""
    return RestingQuote(f"{ticker}-{side.value}", ticker, bid(side, price, count), NOW - age)


def two_sided(side: Side, here: tuple[Level, ...], there: tuple[Level, ...] = cents((48, 500))) -> Book:
    """A book with the levels `here` on `side`, and `there` on the other one."""
    return Book(TICKER, *((here, there) if side is YES else (there, here)))


def known(rivals: Book | None, usual: str | None = None) -> MarketFacts:
    return MarketFacts(CENTS, rivals, None if usual is None else D(usual))


def judged(
    book: Book | None, ours: list[RestingQuote], facts: MarketFacts, now: datetime = NOW
) -> list[Withdrawal]:
    return judge_market(TICKER, book, ours, facts, now)


def with_ours(rivals: Book, *ours: RestingQuote) -> Book:
    return rivals.with_bids([one.bid for one in ours])


# -- a market that is no place to be ---------------------------------------------------------------------------


@pytest.mark.parametrize("book", [None, Book(TICKER, (), ())], ids=["not told", "empty"])
def test_a_market_without_a_book_is_withdrawn(book: Book | None) -> None:
    """Both sides at once, also if nothing is known of the last cycle."""
    (found,) = judged(book, [quote(YES), quote(NO)], known(None))
    assert (found.ticker, found.side, found.times) == (TICKER, None, 1)


def test_a_book_with_one_bid_is_not_gone() -> None:
    rivals = Book(TICKER, cents((1, 1)), ())
    assert judged(with_ours(rivals, quote()), [quote()], known(None)) == []


@pytest.mark.parametrize(("usual", "most"), [("0.01", NARROW), ("0.03", 3 * WIDER * D("0.01"))])
@BOTH
def test_a_hole_is_withdrawn_and_a_wide_book_is_not(side: Side, usual: str, most: Decimal) -> None:
    """A hole is wider than twice or so the usual spread, and than what is narrow in any market."""
    half = D("0.50")
    for wider, number in ((D(0), 0), (D("0.01"), 1)):
        lower = half - most - wider
        rivals = two_sided(side, (Level(lower, D(500)),), (Level(half, D(500)),))
        ours = quote(side.other, "0.40")
        found = judged(with_ours(rivals, ours), [ours], known(None, usual))
        assert [one.side for one in found] == [None] * number, f"{most + wider} wide"
    assert "hole" in found[0].why


@BOTH
def test_a_side_without_bids_is_a_hole_if_the_usual_is_known(side: Side) -> None:
    rivals = two_sided(side, (), cents((48, 500)))
    ours = [quote(side.other)]
    assert [one.side for one in judged(with_ours(rivals, *ours), ours, known(None, "0.02"))] == [None]
    assert judged(with_ours(rivals, *ours), ours, known(None)) == []


@pytest.mark.parametrize("up", [1, -1])
@BOTH
def test_a_jump_withdraws_the_market_and_a_step_does_not(side: Side, up: int) -> None:
    """More than JUMP ticks of the mid price, up or down. It lasts as long as a jump between two cycles does."""
    before = two_sided(side, cents((50, 500)), cents((48, 500)))
    for ticks, number in ((JUMP, 0), (JUMP + 1, 1)):
        shift = up * ticks
        after = two_sided(side, cents((50 + shift, 500)), cents((48 - shift, 500)))
        ours = quote(side, "0.10")
        found = judged(with_ours(after, ours), [ours], known(before))
        assert [one.side for one in found] == [None] * number, ticks
    assert found[0].times == WITHDRAWN_TIMES
    assert f"{JUMP + 1} ticks" in found[0].why


def test_half_a_tick_more_than_a_jump_is_one() -> None:
    """The mid price moves by half ticks."""
    before = Book(TICKER, cents((50, 500)), cents((40, 500)))
    after = Book(TICKER, cents((50 + 2 * JUMP + 1 - 10, 500)), cents((30, 500)))
    assert after.yes[0].price == D("0.51")
    ours = quote(YES, "0.10")
    (found,) = judged(with_ours(after, ours), [ours], known(before))
    assert f"{JUMP + 0.5:g} ticks" in found.why


# -- a touch that thinned --------------------------------------------------------------------------------------


@BOTH
def test_a_touch_thinned_if_most_and_much_of_it_left(side: Side) -> None:
    """Less than half is left at its price and ahead of it. What is behind does not count."""
    touch = 3 * NEWS
    before = two_sided(side, cents((48, touch), (47, 900)))
    half = touch // 2
    for left, behind, thinned in ((half, 0, False), (half - 1, 9_000, True), (0, 900, True)):
        here = tuple(one for one in cents((48, left), (47, behind)) if one.size)
        found = thinned_sides(two_sided(side, here), known(before))
        assert list(found) == [side] * thinned, left
    assert f"0 of {touch} contracts" in found[side]


@BOTH
def test_a_touch_that_lost_less_than_news_has_not_thinned(side: Side) -> None:
    """Small orders are taken at random all day."""
    before = two_sided(side, cents((48, NEWS)))
    for left, thinned in ((1, False), (0, True)):
        here = tuple(one for one in cents((48, left), (40, 1)) if one.size)
        assert bool(thinned_sides(two_sided(side, here), known(before))) == thinned, left


@BOTH
def test_rivals_who_move_their_prices_are_no_news(side: Side) -> None:
    """If the best bid of the other side rose, the touch moved and nothing was taken."""
    before = two_sided(side, cents((49, 2 * NEWS)), cents((48, 500)))
    for best, number in ((48, 1), (49, 0)):
        after = two_sided(side, cents((47, 2 * NEWS)), cents((best, 500)))
        assert len(thinned_sides(after, known(before))) == number, best


@BOTH
def test_nothing_can_thin_that_was_not_seen_before(side: Side) -> None:
    after = two_sided(side, cents((47, 1)))
    assert thinned_sides(after, known(None)) == {}
    assert thinned_sides(after, known(two_sided(side, ()))) == {}, "nobody bid"


# -- our own quotes in the book --------------------------------------------------------------------------------


@BOTH
def test_a_quote_of_which_a_part_is_gone_is_withdrawn(side: Side) -> None:
    """Somebody trades at our price, although no fill of it is listed yet. Rivals at our price hide that."""
    ours = quote(side, "0.48", 20)
    rivals = two_sided(side, cents((49, 400), (47, 900)))
    for missing, number in (("0", 0), ("0.01", 1), ("20", 1)):
        shown = rivals.with_bids([Bid(side, D("0.48"), D(20) - D(missing))])
        found = judged(shown, [ours], known(rivals))
        assert [one.side for one in found] == [side] * number, missing
    assert "0 of our 20" in found[0].why


@BOTH
def test_a_young_quote_is_neither_subtracted_nor_missed(side: Side) -> None:
    """The public book may not show it for 20 s. After that it must."""
    rivals = two_sided(side, cents((49, 400), (48, 10), (47, 900)))
    young, shown = quote(side, age=SHOWN_AFTER - MOMENT), quote(side)
    assert judged(rivals, [young], known(rivals)) == []
    assert without_quotes(with_ours(rivals, young), [young], NOW) == with_ours(rivals, young)
    assert not are_shown(with_ours(rivals, young), [young], NOW)
    assert [one.side for one in judged(rivals, [shown], known(rivals))] == [side]
    assert without_quotes(with_ours(rivals, shown), [shown], NOW) == rivals
    assert are_shown(with_ours(rivals, shown), [shown], NOW)
    assert are_shown(rivals, [quote(side, count=10)], NOW)
    assert not are_shown(rivals, [quote(side, count=10.01)], NOW)


# -- one piece of news -----------------------------------------------------------------------------------------

EVENTS = {"KXA-1-T1": "KXA-1", "KXA-1-T2": "KXA-1", "KXA-1-T3": "KXA-1", "KXB-1-T1": "KXB-1"}


@BOTH
def test_a_fill_withdraws_the_same_side_of_a_ladder(side: Side) -> None:
    """Strikes of one number lose together on the same side. Other events and the filled market stay."""
    quotes = [quote(one, ticker=ticker) for ticker in EVENTS for one in SIDES]
    found = same_bets("KXA-1-T1", side, "it was filled", quotes, EVENTS, ())
    assert [(one.ticker, one.side) for one in found] == [("KXA-1-T2", side), ("KXA-1-T3", side)]


@BOTH
def test_a_fill_withdraws_the_other_side_of_rival_outcomes(side: Side) -> None:
    """If one market at most settles YES, news against one outcome is news for the others."""
    quotes = [quote(one, ticker=ticker) for ticker in EVENTS for one in SIDES]
    found = same_bets("KXA-1-T1", side, "it was filled", quotes, EVENTS, {"KXA-1"})
    assert [(one.ticker, one.side) for one in found] == [("KXA-1-T2", side.other), ("KXA-1-T3", side.other)]


def test_a_fill_in_an_unknown_event_withdraws_no_other_market() -> None:
    quotes = [quote(YES, ticker="KXC-1-T1"), quote(YES, ticker="KXC-1-T2")]
    assert same_bets("KXC-1-T1", YES, "it was filled", quotes, {}, ()) == []
    assert hit_families([Hit("KXC-1-T1", YES, NOW), Hit("KXC-1-T2", YES, NOW)], quotes, {}, NOW) == []


def test_an_event_belongs_to_its_series_and_its_occasion() -> None:
    assert families("KXHIGHCHI-26NOV24") == ["KXHIGHCHI", "26NOV24"]
    assert families("KXTENNIS-26NOV24-ANNBOB") == ["KXTENNIS", "26NOV24-ANNBOB"]
    assert families("KXALONE") == ["KXALONE"]
    assert families("") == []


HIGH, LOW, LATER, ELSE = "KXHIGHCHI-26NOV24", "KXLOWTCHI-26NOV24", "KXHIGHCHI-26NOV25", "KXCPI-26DEC21"
FAMILIES = {f"{event}-T{strike}": event for event in (HIGH, LOW, LATER, ELSE) for strike in (1, 2)}


def struck(*hits: Hit, now: datetime = NOW) -> set[str]:
    quotes = [quote(side, ticker=ticker) for ticker in FAMILIES for side in SIDES]
    found = hit_families(hits, quotes, FAMILIES, now)
    assert all(one.side is None and "within a minute" in one.why for one in found)
    assert len(found) == len({one.ticker for one in found}), "each once"
    return {one.ticker for one in found}


def test_two_fills_of_a_series_withdraw_the_series() -> None:
    """A third series on the same day stays, and so does a series of its own."""
    hits = Hit(f"{HIGH}-T1", YES, NOW), Hit(f"{LATER}-T1", NO, NOW)
    assert struck(*hits) == {one for one, event in FAMILIES.items() if event in (HIGH, LATER)}


def test_two_fills_of_one_occasion_withdraw_all_of_it() -> None:
    hits = Hit(f"{HIGH}-T1", YES, NOW), Hit(f"{LOW}-T1", YES, NOW)
    assert struck(*hits) == {one for one, event in FAMILIES.items() if event in (HIGH, LOW)}


def test_two_strikes_of_one_event_withdraw_both_families() -> None:
    hits = Hit(f"{HIGH}-T1", YES, NOW), Hit(f"{HIGH}-T2", YES, NOW)
    assert struck(*hits) == {one for one, event in FAMILIES.items() if event != ELSE}


def test_fills_more_than_a_minute_apart_are_two_pieces_of_news() -> None:
    """The older of two hits counts until just before the minute is over."""
    young = Hit(f"{HIGH}-T2", YES, NOW)
    assert struck(Hit(f"{HIGH}-T1", YES, NOW - HITS_APART + MOMENT), young)
    assert not struck(Hit(f"{HIGH}-T1", YES, NOW - HITS_APART), young)


def test_two_fills_of_one_market_are_no_family() -> None:
    assert not struck(Hit(f"{HIGH}-T1", YES, NOW), Hit(f"{HIGH}-T1", NO, NOW - later(5)))
    assert not struck(Hit(f"{HIGH}-T1", YES, NOW), Hit(f"{ELSE}-T1", YES, NOW)), "nothing in common"


# -- nothing happened ------------------------------------------------------------------------------------------


@st.composite
def seen_twice(draw: st.DrawFn) -> tuple[MarketFacts, Book, list[RestingQuote]]:
    """Any book of rivals, any quotes of ours in it that it shows by now, and the same look again."""
    grid = draw(st.sampled_from(GRIDS))
    sizes = st.decimals("0.01", 10_000, places=2)
    sides = []
    for side in SIDES:
        prices = st.sampled_from(prices_of(grid, side)[1:-1])
        rows = draw(st.dictionaries(prices, sizes, max_size=6))
        sides.append(tuple(Level(price, rows[price]) for price in sorted(rows, reverse=True)))
    rivals = Book(TICKER, *sides)
    ages = st.timedeltas(SHOWN_AFTER, timedelta(days=1))
    ours = []
    for side in draw(st.sets(st.sampled_from(SIDES), min_size=1)):
        price = draw(st.sampled_from(prices_of(grid, side)[1:-1]))
        ours.append(RestingQuote(side.value, TICKER, Bid(side, price, draw(sizes)), NOW - draw(ages)))
    usual = draw(st.none() | st.just(1 - sum((best or D(0) for best in rivals.best_bids()), start=D(0))))
    return MarketFacts(grid, rivals, usual), rivals.with_bids([one.bid for one in ours]), ours


@given(seen=seen_twice())
def test_nothing_is_withdrawn_while_nothing_changes(seen: tuple[MarketFacts, Book, list[RestingQuote]]) -> None:
    """Whatever the book: the same rivals, and our quotes among them, are no reason to leave."""
    facts, book, ours = seen
    assert judge_market(TICKER, book, ours, facts, NOW) == []
    assert thinned_sides(without_quotes(book, ours, NOW), facts) == {}
