"""Rivals answer a larger order: a simulator in which nobody does would flatter whoever farms the rewards.

The fractions are a guess, so the tests hold the rules and not the figures: stock moves and never grows, nobody
crosses or knows more than the book shows, and what is not provoked stays as it was.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import lifecycle, order_entry
from simulator.exchange import Exchange
from simulator.listing import ListedMarket, ListedProgram
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS, Order
from simulator.opening import CUSTOMER, open_exchange
from simulator.order_entry import Amendment, OrderTerms
from simulator.people import EVERYBODY, RIVALS
from simulator.rivals import Rivals, Shape
from simulator.takers import InformedTaker, NoiseTaker
from simulator.value import EventValue, MarketValue, strike_for
from tests.support.small_exchange import NOW, M, listed

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
SETTLED = 62 * MINUTE
"""The longest delay of an answer, and the time to the rivals' next visit."""

TARGET = 1_000
THIN = {0: 80, 2: 180, 4: 700, 5: 450}
TOUCH = {True: 5_300, False: 5_600}
"""The rivals' best prices at a value of 54.5 cents."""

REFERENCE = 2
"""Ticks from the touch to the reference price, in the book `THIN`."""


DEEP = dict.fromkeys(range(100, 9_901, 100), 5 * CONTRACT)
"""Recorded levels that keep their prices, where no level that moves with the value is."""


def shape(sizes: dict[int, int], deep: dict[int, int]) -> Shape:
    stock = {behind: size * CONTRACT for behind, size in sizes.items()}
    return Shape(2, 2, stock, dict(stock), deep, deep)


class Place:
    """One market in which rivals quote `sizes` on both sides, around a value that hardly moves."""

    def __init__(
        self,
        seed: int = 1,
        is_bid: bool = True,
        sizes: dict[int, int] | None = None,
        paid: bool = True,
        takers: bool = False,
        value_days: int = 40_000,
        deep: dict[int, int] | None = None,
        worth: float = 0.545,
    ) -> None:
        self.is_bid = is_bid
        self.sizes = THIN if sizes is None else sizes
        self.exchange = Exchange(NOW, seed)
        self.market = listed(self.exchange, closes_in=10 * DAY)
        self.exchange.open_account("ann", {0: 100_000 * DOLLAR})
        hidden = EventValue(seed, "E", NOW, NOW + value_days * DAY, 1.0)
        self.value = MarketValue(hidden, strike_for(worth))
        rivals = Rivals(self.exchange, self.market, self.value, shape(self.sizes, deep or {}))
        rivals.visit()
        rivals.move_in()
        if takers:
            NoiseTaker(self.exchange, self.market, 120.0).move_in()
            InformedTaker(self.exchange, self.market, self.value, 1.0).move_in()
        if paid:
            program = ListedProgram(
                self.exchange.next_number(), "p", M, "liquidity", NOW, NOW + 10 * DAY, 2_000_000,
                TARGET * CONTRACT, 5_000,
            )  # fmt: skip
            lifecycle.list_program(self.exchange, program)
        self.exchange.advance(NOW)

    def price(self, behind: int) -> int:
        return TOUCH[self.is_bid] - 100 * behind if self.is_bid else TOUCH[self.is_bid] + 100 * behind

    def rest(self, size: int, behind: int = REFERENCE) -> Order:
        """The customer rests `size` contracts some ticks behind the rivals' touch."""
        order = OrderTerms(M, self.is_bid, self.price(behind), size * CONTRACT, post_only=True)
        return order_entry.create(self.exchange, "ann", order)[0]

    def wait(self, seconds: float) -> None:
        self.exchange.advance(self.exchange.now + seconds)

    def stock(self, is_bid: bool | None = None) -> dict[int, int]:
        """The rivals' contracts on the side, by ticks behind their touch."""
        side = self.is_bid if is_bid is None else is_bid
        found: dict[int, int] = {}
        for price, queue in self.market.book.half(side).queues():
            behind = (TOUCH[side] - price if side else price - TOUCH[side]) // 100
            size = sum(order.remaining for order in queue if order.owner is None) // CONTRACT
            found |= {behind: size} if size else {}
        return found


def answered(seed: int, is_bid: bool, size: int = 300, behind: int = REFERENCE) -> dict[int, int]:
    place = Place(seed, is_bid)
    place.rest(size, behind)
    place.wait(SETTLED)
    return place.stock()


SIDES = [(seed, is_bid) for seed in range(20) for is_bid in (True, False)]


def test_each_kind_of_answer_is_seen_on_many_sides() -> None:
    """Most stock that was behind the order comes to it, some stays, some leaves, and on a few sides a whole target
    steps ahead of it."""
    found = [answered(*side) for side in SIDES]
    stepped = [stock for stock in found if stock.get(REFERENCE - 1)]
    assert 1 <= len(stepped) <= len(found) // 4
    assert {stock[REFERENCE - 1] for stock in stepped} == {TARGET}
    others = [stock for stock in found if not stock.get(REFERENCE - 1)]
    deep, whole = THIN[4] + THIN[5], sum(THIN.values())
    came = sum(stock[REFERENCE] - THIN[REFERENCE] for stock in others) / deep / len(others)
    stayed = sum(stock.get(4, 0) + stock.get(5, 0) for stock in others) / deep / len(others)
    left = sum(whole - sum(stock.values()) for stock in others) / whole / len(others)
    assert came > 0.5
    assert 0.1 < stayed < 0.4
    assert 0.01 < left < 0.15


def test_followers_take_no_better_price_than_the_order_has() -> None:
    """An order between the levels behind the reference draws them to its own price. Only a whole target goes in
    front of it."""
    found = [answered(*side, behind=3) for side in SIDES]
    assert sum(stock.get(3, 0) > 0 for stock in found) > len(SIDES) / 2
    assert all(stock.get(2, 0) <= THIN[2] or stock[2] >= TARGET for stock in found)


def test_an_order_at_the_touch_is_stepped_over_within_the_value() -> None:
    """The value allows one tick in front of the rivals' touch, and no order draws anybody farther."""
    foremost = set()
    for seed, is_bid in SIDES:
        for behind in (0, -1):
            foremost.add(min(answered(seed, is_bid, behind=behind)))
    assert foremost == {-1, 0}


def test_nobody_answers_before_two_minutes_or_after_an_hour() -> None:
    changes = []
    for seed, is_bid in SIDES[:8]:
        place = Place(seed, is_bid)
        place.rest(300)
        before = place.stock()
        for minute in range(1, 180):
            place.wait(MINUTE)
            if place.stock() != before:
                before = place.stock()
                changes.append(minute)
        assert before != THIN
        assert place.stock(not is_bid) == THIN, "the other side saw nothing"
    assert 2 < min(changes) < 10
    assert 40 < max(changes) <= SETTLED / MINUTE


@pytest.mark.parametrize(
    ("size", "behind", "paid"),
    [(1, REFERENCE, True), (300, REFERENCE, False), (300, 8, True)],
    ids=["smaller", "no program", "not paid"],
)
def test_an_order_that_takes_nobodys_share_is_let_alone(size: int, behind: int, paid: bool) -> None:
    for seed in range(6):
        place = Place(seed, paid=paid)
        place.rest(size, behind)
        for _ in range(20):
            place.wait(10 * MINUTE)
            assert place.stock() == THIN


def test_more_answer_a_larger_order() -> None:
    def moved(size: int) -> int:
        found = [answered(*side, size=size) for side in SIDES[:10]]
        return sum(max(THIN[4] + THIN[5] - stock.get(4, 0) - stock.get(5, 0), 0) for stock in found)

    assert 0 < moved(20) < moved(50) < moved(120)


def renewed(place: Place, order: Order, how: str) -> Order:
    if how == "amended":
        change = Amendment(M, order.is_bid, order.price, order.size, expires=place.exchange.now + 200)
        return order_entry.amend(place.exchange, "ann", order.order_id, change)[0]
    order_entry.cancel(place.exchange, "ann", order.order_id, 0)
    return place.rest(300)


@pytest.mark.parametrize("how", ["amended", "canceled and placed"])
def test_a_renewed_order_provokes_nobody_a_second_time(how: str) -> None:
    """The bot renews its orders each minute. Rivals then do what they do about an order that stays."""
    held, other = Place(3), Place(3)
    held.rest(300)
    order = other.rest(300)
    for _ in range(150):
        for place in (held, other):
            place.wait(MINUTE)
        order = renewed(other, order, how)
        assert other.stock() == held.stock()
    assert held.stock() != THIN


def test_rivals_go_home_within_an_hour_after_the_order() -> None:
    for seed, is_bid in SIDES[:12]:
        place = Place(seed, is_bid)
        order = place.rest(300)
        place.wait(2 * HOUR)
        away = place.stock()
        assert away != THIN
        order_entry.cancel(place.exchange, "ann", order.order_id, 0)
        place.wait(2 * MINUTE - 1)
        assert place.stock() == away
        place.wait(SETTLED)
        assert place.stock() == THIN


def test_who_stepped_ahead_stays_ahead_while_the_order_is_there() -> None:
    """The order is not paid for any more: because of the answer, and that is no reason to take it back."""
    stepped = [side for side in SIDES if answered(*side).get(REFERENCE - 1) == TARGET]
    assert stepped
    for side in stepped:
        place = Place(*side)
        place.rest(300)
        place.wait(SETTLED)
        for _ in range(30):
            place.wait(10 * MINUTE)
            assert place.stock()[REFERENCE - 1] == TARGET


@settings(max_examples=40)
@given(
    st.integers(0, 10**6), st.booleans(), st.integers(1, 1_500), st.integers(-1, 6), st.booleans(),
    st.dictionaries(st.integers(0, 8), st.integers(1, 3_000), max_size=6),
)  # fmt: skip
def test_rivals_move_their_stock_and_never_multiply(
    seed: int, is_bid: bool, size: int, behind: int, takers: bool, sizes: dict[int, int]
) -> None:
    """Whatever rests where, and whoever trades: a side never has more of the rivals' stock than its shape. With
    the value in motion no book is crossed, and no rival pays more than the value that the public knows."""
    place = Place(seed, is_bid, sizes, takers=takers, value_days=3)
    place.rest(size, behind)
    book = place.market.book
    for _ in range(20):
        place.wait(6 * MINUTE)
        for side in (True, False):
            assert sum(place.stock(side).values()) <= sum(sizes.values())
        bid, ask = book.bids.best(), book.asks.best()
        assert bid is None or ask is None or bid < ask
        assert_within_the_value(place)


def test_no_covered_level_appears_because_others_left() -> None:
    """Levels that keep their prices are covered by those that move with the value, also if all that rested at the
    last of these is withdrawn."""
    sizes, withdrawn = {0: 400, 2: 700, 9: 1}, 0
    covered = set(range(9)) - set(sizes) - {REFERENCE - 1}
    for seed in range(60):
        place = Place(seed, sizes=sizes, deep=DEEP)
        place.rest(300)
        place.wait(SETTLED)
        stock = place.stock()
        withdrawn += 9 not in stock and sum(stock.get(n, 0) for n in range(9)) <= 1_100
        assert covered.isdisjoint(stock)
    assert withdrawn


def test_what_is_off_the_grid_does_not_come_back_for_an_order() -> None:
    """At 2.5 cents the rivals' lower bids have no price. They are not in the market, so they cannot follow."""
    for seed in range(4):
        place = Place(seed, sizes={0: 1_100, 2: 500}, worth=0.025)
        assert place.market.book.bids.levels() == [(100, 1_100 * CONTRACT)]
        place.rest(300, (TOUCH[True] - 100) // 100)
        place.wait(SETTLED)
        assert place.market.book.bids.total <= (1_100 + 300) * CONTRACT


def assert_within_the_value(place: Place) -> None:
    """Since the last visit of the rivals the value may have moved: at one time of the last quarter hour each price
    was within it."""
    now = place.exchange.now
    worths = [place.value.at(now - 120 - age) * DOLLAR_PIPS for age in range(0, 900, 30)]
    for side in (True, False):
        for price, queue in place.market.book.half(side).queues():
            if any(order.owner is None for order in queue):
                assert price < max(worths) if side else price > min(worths) - 100


def tape(exchange: Exchange) -> list[tuple[object, ...]]:
    return [
        (m.ticker, m.status, m.last_price, m.volume, m.book.bids.levels(), m.book.asks.levels())
        for m in exchange.markets.values()
    ]


def open_board(who: frozenset[str] = EVERYBODY, order: bool = True) -> tuple[Exchange, ListedMarket]:
    """A board with an order of 300 contracts at the best bid of one paid market."""
    exchange = open_exchange(NOW, 5, programs=25, who=who)
    market = next(
        m for m in exchange.markets.values()
        if exchange.running.get(m.ticker) and not m.owned and m.closes > NOW + DAY
        and min(m.book.bids.total, m.book.asks.total) >= TARGET * CONTRACT
    )  # fmt: skip
    if order:
        exchange.accounts[CUSTOMER].book(NOW, market.shard, 1_000 * DOLLAR, "deposit", "test")
        terms = OrderTerms(market.ticker, True, market.book.bids.best() or 0, 300 * CONTRACT, post_only=True)
        order_entry.create(exchange, CUSTOMER, terms)
    return exchange, market


def test_answers_are_the_same_in_steps_of_any_size() -> None:
    (once, market), (often, _) = open_board(), open_board()
    assert market.owned
    once.advance(NOW + 4 * HOUR)
    for step in range(1, 481):
        often.advance(NOW + 4 * HOUR * step / 480)
    assert tape(once) == tape(often)


def test_an_order_changes_no_market_but_its_own() -> None:
    (without, market), (with_one, _) = open_board(order=False), open_board()
    for exchange in (without, with_one):
        exchange.advance(NOW + 4 * HOUR)
    pairs = list(zip(tape(without), tape(with_one), strict=True))
    assert [here[0] for here, there in pairs if here != there] == [market.ticker]


def test_without_rivals_nobody_answers() -> None:
    """The first visit fills the book. Who is left out does not come back for an order."""
    place = Place(paid=True)
    exchange, market = open_board(who=frozenset())
    before = market.book.bids.levels()
    exchange.advance(NOW + 4 * HOUR)
    assert market.owned
    assert market.book.bids.levels() == before
    exchange, market = open_board(who=frozenset({RIVALS}))
    exchange.advance(NOW + 4 * HOUR)
    assert market.book.bids.levels() != before
    assert place.stock() == THIN
