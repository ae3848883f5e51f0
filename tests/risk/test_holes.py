"""What may be sold, at which look, down to which price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trade
from exchange.account import Position
from exchange.models import ExchangeStatus, MarketStatus
from exchange.orderbook import SIDES, YES, Book, Level, PriceGrid, Side
from risk.holes import Holes, Sale, bid_down_to
from tests.support.builders import CENTS, NOW, TENTHS, market

D = Decimal
TICKER = "KXA-1"
LIMIT = D("0.10")
TRADES = ExchangeStatus(True, {}, None)
PAUSED = ExchangeStatus(False, {}, None)


def mirrored(side: Side, here: tuple[Level, ...], there: tuple[Level, ...]) -> Book:
    """A book with the levels `here` on `side`, and `there` on the other one."""
    return Book(TICKER, *((here, there) if side is YES else (there, here)))


def whole(side: Side, middle: str, half: str = "0.01", size: int = 900) -> Book:
    """A book whose best bids lie `half` dollars beside the middle, in prices of `side`."""
    bid, ask = D(middle) - D(half), D(middle) + D(half)
    return mirrored(side, (Level(bid, D(size)), Level(bid - D("0.01"), D(size))), (Level(1 - ask, D(size)),))


def torn(side: Side, asks_from: str) -> Book:
    """Nobody bids for `side` but one at a cent."""
    return mirrored(side, (Level(D("0.01"), D(900)),), (Level(1 - D(asks_from), D(900)),))


def position(side: Side, size: float = 20, cost: str = "0.51") -> Position:
    count = D(str(size))
    return Position(TICKER, count if side is YES else -count, count * D(cost), 0)


@dataclass
class Watch:
    """Looks at one market, as a loop takes them."""

    holes: Holes
    held: Position | None
    grid: PriceGrid = CENTS
    now: datetime = NOW

    def look(
        self,
        seconds: float,
        book: Book | None,
        status: ExchangeStatus = TRADES,
        market_status: MarketStatus = MarketStatus.ACTIVE,
    ) -> Sale:
        """Look `seconds` later."""
        self.now += timedelta(seconds=seconds)
        held = (self.held,) if self.held else ()
        one = market(self.grid, ticker=TICKER)._replace(status=market_status)
        books: Mapping[str, Book] = {} if book is None else {TICKER: book}
        self.holes.on_books({TICKER: one}, books, held, status, self.now)
        return self.holes.sales(held, self.now)[TICKER] if held else Sale(D(0), D(0))


def watch(
    side: Side, size: float = 20, looks: Iterable[Book] = (), cost: str = "0.51", grid: PriceGrid = CENTS
) -> Watch:
    """A market that was looked at once a minute, and in which a position was bought then."""
    made = Watch(Holes(LIMIT), None, grid)
    for book in looks:
        made.look(60, book)
    made.held = position(side, size, cost)
    return made


def calm(side: Side, size: float = 20, grid: PriceGrid = CENTS) -> Watch:
    """The middle is 0.52 of the side that is held, at three looks."""
    return watch(side, size, [whole(side, "0.52")] * 3, grid=grid)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("size", [1, 20, 300])
@pytest.mark.parametrize("grid", [CENTS, TENTHS])
def test_a_fill_in_a_whole_book_is_sold_at_once(side: Side, size: int, grid: PriceGrid) -> None:
    sale = calm(side, size, grid).look(60, whole(side, "0.52"))
    assert (sale.wait, sale.middle, sale.lowest) == ("", D("0.52"), D("0.42"))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("size", [1, 20, 300])
def test_a_hole_is_never_sold_into_below_the_limit(side: Side, size: int) -> None:
    """However long it lasts. Afterwards one more look is needed, because the mid price jumps back."""
    seen = calm(side, size)
    first = seen.look(60, torn(side, "0.53"))
    assert "its book is a hole" in first.wait
    assert first.again == seen.now + timedelta(seconds=10)
    for _ in range(30):
        later = seen.look(20, torn(side, "0.53"))
        assert (later.wait, later.lowest) == ("", D("0.42"))
    assert seen.look(60, whole(side, "0.52")).wait == "its mid price moved by 25 ticks"
    assert seen.look(9, whole(side, "0.52")).wait
    assert seen.look(1, whole(side, "0.52")).wait == ""


@pytest.mark.parametrize("side", SIDES)
def test_a_hole_of_one_look_costs_ten_seconds(side: Side) -> None:
    seen = calm(side)
    assert seen.look(60, torn(side, "0.53")).wait
    sale = seen.look(10, whole(side, "0.52"))
    assert (sale.wait, sale.middle) == ("", D("0.52"))


@pytest.mark.parametrize("side", SIDES)
def test_a_second_look_that_comes_too_soon_is_none(side: Side) -> None:
    """A failed cycle is retried at any time."""
    seen = calm(side)
    seen.look(60, torn(side, "0.53"))
    for seconds in (3, 3, 3.9):
        assert seen.look(seconds, whole(side, "0.52")).wait
    assert not seen.look(0.1, whole(side, "0.52")).wait


@pytest.mark.parametrize("side", SIDES)
def test_a_large_position_waits_for_a_second_look(side: Side) -> None:
    """A book that is thin at its usual spread is a hole for a large position, and none for a small one."""
    thin = whole(side, "0.52", size=50)
    assert "50 of 300" not in watch(side, 100, [thin] * 3).look(60, thin).wait
    seen = watch(side, 300, [thin] * 3)
    assert "100 of 300 contracts are bid at 0.4200 or more" in seen.look(60, thin).wait
    assert not seen.look(10, thin).wait


@pytest.mark.parametrize("side", SIDES)
def test_a_jump_is_not_sold_in_its_own_look(side: Side) -> None:
    """Up or down, also while a lasting doubt of another kind would permit a sale."""
    for middle in ("0.46", "0.58"):
        seen = calm(side)
        assert "its mid price moved by 6 ticks" in seen.look(60, whole(side, middle)).wait
        assert not seen.look(10, whole(side, middle)).wait
    thin = whole(side, "0.52", size=50)
    seen = watch(side, 300, [thin] * 3)
    seen.look(60, thin)
    assert not seen.look(60, thin).wait
    assert "moved by 6 ticks" in seen.look(60, whole(side, "0.46", size=50)).wait


@pytest.mark.parametrize("side", SIDES)
def test_jumpy_tenths_of_a_cent_do_not_block_a_sale(side: Side) -> None:
    seen = calm(side, grid=TENTHS)
    middles = ["0.527", "0.52"] * 3
    waits = [bool(seen.look(60, whole(side, middle, "0.001")).wait) for middle in middles]
    assert waits == [True] + [False] * 5


@pytest.mark.parametrize("side", SIDES)
def test_a_collapse_within_the_limit_is_sold(side: Side) -> None:
    seen = calm(side)
    assert seen.look(60, whole(side, "0.44")).wait
    sale = seen.look(10, whole(side, "0.44"))
    assert not sale.wait
    assert sale.lowest <= D("0.43")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("middle", ["0.42", "0.30", "0.05"])
def test_a_collapse_beyond_the_limit_moves_it_never(side: Side, middle: str) -> None:
    """The sane mid price would otherwise follow it, and the position would be sold at any price."""
    seen = calm(side)
    for _ in range(60):
        sale = seen.look(60, whole(side, middle))
        assert sale.lowest == D("0.42")
        assert bid_down_to(whole(side, middle), side, sale.lowest) == 0
    seen.look(60, whole(side, "0.50"))
    back = seen.look(60, whole(side, "0.50"))
    assert not back.wait
    assert back.lowest <= D("0.42")


@pytest.mark.parametrize("side", SIDES)
def test_a_middle_seen_once_does_not_become_sane(side: Side) -> None:
    """Not even if its book is whole: a position that is bought next is judged by what both looks agree on."""
    for middle in ("0.20", "0.80"):
        seen = watch(side, looks=[whole(side, "0.52")] * 3 + [whole(side, middle)] * 2)
        assert seen.look(60, torn(side, "0.53")).middle == D(middle)
        seen = watch(side, looks=[whole(side, "0.52")] * 3 + [whole(side, middle)])
        assert seen.look(60, torn(side, "0.53")).middle == D("0.52")


# -- the first look ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("why", ["start", "forgotten", "paused", "halted", "not read"])
def test_the_first_look_after_a_break_sells_nothing(side: Side, why: str) -> None:
    seen = calm(side) if why != "start" else watch(side)
    if why == "forgotten":
        seen.holes.forget_looks()
    elif why == "paused":
        assert seen.look(60, whole(side, "0.52"), PAUSED).wait
    elif why == "halted":
        assert seen.look(60, whole(side, "0.52"), market_status=MarketStatus.INACTIVE).wait
    elif why == "not read":
        assert seen.look(60, None).wait == "its market could not be looked at"
    assert "the first since" in seen.look(200, whole(side, "0.52")).wait
    assert not seen.look(10, whole(side, "0.52")).wait


@pytest.mark.parametrize("side", SIDES)
def test_a_hole_at_the_second_look_is_not_sold_into(side: Side) -> None:
    """The first look was fine. The second shows something new, so a third one is needed."""
    seen = watch(side)
    seen.look(0, whole(side, "0.52"))
    assert "its book is a hole" in seen.look(10, torn(side, "0.53")).wait


@pytest.mark.parametrize("side", SIDES)
def test_a_hole_at_the_first_look_costs_ten_seconds(side: Side) -> None:
    seen = watch(side)
    assert seen.look(0, torn(side, "0.53")).wait
    assert not seen.look(10, whole(side, "0.52")).wait


@pytest.mark.parametrize("side", SIDES)
def test_before_any_look_cost_or_last_price_is_sane(side: Side) -> None:
    """The higher of the two: a position that was kept at a low price is not sold there by a restart. Last bids
    that were those of a hole do not count."""
    for bid, ask, sane in (("0.60", "0.62", "0.61"), ("0.20", "0.22", "0.51"), ("0.01", "0.99", "0.51")):
        seen = watch(side)
        ours, theirs = D(bid), 1 - D(ask)
        seen.holes.on_start({TICKER: (ours, theirs) if side is YES else (theirs, ours)})
        assert seen.look(0, torn(side, "0.53")).middle == D(sane)
        assert seen.look(10, torn(side, "0.53")).lowest == D(sane) - LIMIT
    seen = watch(side)
    seen.holes.on_start({TICKER: (None, None)})
    assert seen.look(0, torn(side, "0.53")).middle == D("0.51")


@pytest.mark.parametrize("side", SIDES)
def test_a_cheap_contract_is_not_sold_for_a_fraction(side: Side) -> None:
    """Ten cents below eight would be any price."""
    seen = watch(side, looks=[whole(side, "0.08")] * 3, cost="0.08")
    seen.look(60, torn(side, "0.09"))
    assert seen.look(10, torn(side, "0.09")).lowest == D("0.04")


# -- laws
# ----------------------------------------------------------------------------------------------------------


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Any book that does not cross, mostly one around a middle like that of the position's cost."""
    bid = draw(st.one_of(st.integers(45, 55), st.integers(1, 98)))
    ask = draw(st.one_of(st.integers(bid + 1, min(bid + 4, 99)), st.integers(bid + 1, 99)))
    sizes = st.sampled_from((5, 20, 300)).map(D)
    yes = tuple(Level(D(price) / 100, draw(sizes)) for price in range(bid, max(bid - 3, 0), -1))
    no = tuple(Level(D(100 - price) / 100, draw(sizes)) for price in range(ask, min(ask + 3, 100)))
    return Book(TICKER, yes if draw(st.integers(0, 9)) else (), no if draw(st.integers(0, 9)) else ())


LOOKS = st.lists(st.tuples(st.sampled_from((4, 10, 60)), books()), min_size=2, max_size=14)


@settings(max_examples=40)
@given(st.sampled_from(SIDES), st.sampled_from((1, 20, 300)), LOOKS)
def test_no_sale_is_below_the_limit_or_too_large(side: Side, size: int, looks: list[tuple[int, Book]]) -> None:
    seen = watch(side, size)
    for seconds, book in looks:
        sale = seen.look(seconds, book)
        order = trade.exit_order(position(side, size), market(ticker=TICKER), book, [], "", sale.lowest)
        if isinstance(order, trade.NoExit):
            assert bid_down_to(book, side, sale.lowest) == 0
            continue
        price, count = order.bid.other_price, order.bid.count
        assert price >= sale.lowest >= sale.middle / 2
        assert sale.lowest >= sale.middle - LIMIT
        assert count == min(D(size), sum((one.size for one in book.side(side) if one.price >= sale.lowest), D(0)))


@settings(max_examples=40)
@given(st.sampled_from(SIDES), st.sampled_from((1, 20, 300)), LOOKS)
def test_the_sane_mid_price_moves_by_whole_books(side: Side, size: int, looks: list[tuple[int, Book]]) -> None:
    """By two of them without a hole between, ten seconds apart, and not beyond either."""
    seen, sane, wholes = watch(side, size), D("0.51"), list[tuple[datetime, Decimal]]()
    spreads: list[Decimal] = []
    for seconds, book in looks:
        yes, no = (book.best(one).price if book.best(one) else D(0) for one in SIDES)  # type: ignore[union-attr]
        spread, middle = 1 - yes - no, (1 + yes - no) / 2 if side is YES else (1 + no - yes) / 2
        is_wide = spread > max(D("0.05"), 3 * median(spreads[-9:] or [D(0)]))
        near = bid_down_to(book, side, sane - min(LIMIT, sane / 2))
        now = seen.look(seconds, book).middle
        wholes = [] if is_wide or near < size else [*wholes, (seen.now, middle)]
        if now != sane:
            earlier = [one for when, one in wholes if when <= seen.now - timedelta(seconds=10)]
            assert earlier
            assert min(middle, *earlier, sane) <= now <= max(middle, *earlier, sane)
            assert abs(now - middle) <= abs(sane - middle)
        sane = now
        spreads.append(spread)


@settings(max_examples=40)
@given(st.sampled_from(SIDES), st.sampled_from((1, 20, 300)), LOOKS)
def test_a_sale_was_looked_at_ten_seconds_before(side: Side, size: int, looks: list[tuple[int, Book]]) -> None:
    seen, times = watch(side, size), list[datetime]()
    for seconds, book in looks:
        sale = seen.look(seconds, book)
        assert sale.wait or any(seen.now - one >= timedelta(seconds=10) for one in times)
        times.append(seen.now)
