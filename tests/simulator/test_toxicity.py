"""How toxic each market is: if all were alike, no rule that learns what fills cost could be told from luck.

The value that others know must not depend on which visits are left out, nor on luck.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.calibration import cents
from benchmarks.quoter import Marked, quote_in
from simulator import people
from simulator.exchange import Exchange
from simulator.listing import ListedMarket
from simulator.matching import CONTRACT
from simulator.opening import open_exchange
from simulator.people import EVERYBODY, SWEEPS
from simulator.rivals import Rivals, Shape
from simulator.takers import NoiseTaker
from simulator.toxicity import (
    HOUR,
    STRETCHES,
    Changes,
    informed_pace,
    own_factor,
    public_from,
    public_time,
    rivals_pace,
    stretch_at,
)
from simulator.value import EventValue, MarketValue, strike_for
from simulator.visitor import Visitor
from tests.support.project import START
from tests.support.small_exchange import listed

NOW = START.timestamp()
DAY = 86_400.0
READS = NOW + 5 * DAY

SIDE = dict.fromkeys(range(5), 300 * CONTRACT)
SHAPE = Shape(2, 2, SIDE, SIDE, {}, {})

TURNS = [READS - stretch.hours * HOUR for stretch in STRETCHES[1:]]
"""The times at which a market changes."""

NEAR = [turn + seconds for turn in TURNS for seconds in range(-200, 201, 20)]
"""Times around these, rising."""

moments = st.floats(NOW, READS + HOUR)
"""Times from days before a reading to an hour after it."""


def pace_at(pace: tuple[float, Changes], time: float) -> float:
    """Average seconds between visits at a time."""
    seconds, changes = pace
    return next((then for change, then in reversed(changes) if time >= change), seconds)


# -- the laws ---------------------------------------------------------------------------------------------------


@given(factor=st.floats(0.01, 100.0))
def test_a_market_gets_more_toxic_towards_its_reading(factor: float) -> None:
    """Informed takers come more often, know less long before the others, and the others learn sooner."""
    for early, late in pairwise([NOW, *NEAR, READS + HOUR]):
        assert 0 < pace_at(informed_pace(factor, READS), late) <= pace_at(informed_pace(factor, READS), early)
        assert 0 < pace_at(rivals_pace(READS), late) <= pace_at(rivals_pace(READS), early)
        far, near = stretch_at(READS - early), stretch_at(READS - late)
        assert 0 < near.ahead <= far.ahead
        assert 0 < near.lag <= far.lag
        assert public_time(early, READS) <= public_time(late, READS) < late


@given(time=moments, now=moments)
def test_a_value_is_public_from_its_moment_on_and_not_before(time: float, now: float) -> None:
    """Rivals leave out the visits before that moment: one too late, and they would quote what is long past."""
    assert (public_time(now, READS) >= time) == (now >= public_from(time, READS))


def test_what_became_public_at_a_turn_is_public_from_then_on() -> None:
    """At a turn the public learns some minutes at once."""
    for time, now in product(NEAR, NEAR):
        assert (public_time(now, READS) >= time) == (now >= public_from(time, READS)), (time - READS, now - READS)


def test_far_from_the_reading_a_market_is_calm_and_near_it_not() -> None:
    pace = informed_pace(1.0, READS)
    assert pace_at(pace, READS - 4.5 * DAY) > 3 * pace_at(pace, READS - 0.5 * HOUR)
    assert pace_at(informed_pace(4.0, READS), NOW) == pytest.approx(pace_at(pace, NOW) / 4)


def test_markets_of_one_series_are_more_alike_than_others() -> None:
    """Nothing could be learned from one market about the next otherwise."""
    series = [
        [math.log(own_factor(7, f"KXS{number}", f"KXS{number}-{market}")) for market in range(8)]
        for number in range(200)
    ]
    within = statistics.mean(statistics.variance(markets) for markets in series)
    over_all = statistics.variance([factor for markets in series for factor in markets])
    assert 0.15 < within < 0.6 * over_all
    assert abs(statistics.mean(statistics.mean(markets) for markets in series)) < 0.15


# -- on a board -------------------------------------------------------------------------------------------------


def test_other_luck_leaves_each_market_as_toxic_as_it_was() -> None:
    """The same board replayed shows whether a rule knew its markets or was lucky. Another board differs."""
    board = open_exchange(NOW, 4, programs=60, who=())
    assert open_exchange(NOW, 4, programs=60, who=(), luck=1).toxicity == board.toxicity
    other = open_exchange(NOW, 5, programs=60, who=()).toxicity
    shared = board.toxicity.keys() & other.keys()
    assert sum(board.toxicity[ticker] != other[ticker] for ticker in shared) == len(shared) > 10
    assert board.toxicity.keys() == board.markets.keys()


def test_kinds_that_makers_avoid_are_more_toxic_than_calm_ones() -> None:
    factors = defaultdict(list)
    for seed in range(6):
        for ticker, factor in open_exchange(NOW, seed, programs=200, who=()).toxicity.items():
            factors[ticker[:5]].append(factor)
    typical = {kind: statistics.median(found) for kind, found in factors.items()}
    calm = max(typical[kind] for kind in ("KXALB", "KXCPI", "KXRAI"))
    assert min(typical[kind] for kind in ("KXINX", "KXNAT", "KXETH")) > 2 * calm
    everything = statistics.quantiles([factor for found in factors.values() for factor in found], n=10)
    assert everything[8] > 8 * everything[0] > 0


# -- visits -----------------------------------------------------------------------------------------------------


class Counted(Visitor):
    """A trader that does nothing but come."""

    def __init__(self, market: ListedMarket, exchange: Exchange, seconds: float, changes: Changes) -> None:
        super().__init__(exchange, market, "counted", seconds, changes)
        self.times: list[float] = []

    def visit(self) -> None:
        self.times.append(self.exchange.now)


def come(seconds: float, changes: Changes, steps: int = 1) -> list[float]:
    """Seconds from the start at which a trader came, on a day."""
    exchange = Exchange(NOW, 3)
    visitor = Counted(listed(exchange, closes_in=DAY), exchange, seconds, changes)
    visitor.move_in()
    for step in range(1, steps + 1):
        exchange.advance(NOW + DAY * step / steps)
    return [time - NOW for time in visitor.times]


def test_visits_come_as_often_as_each_pace_says() -> None:
    bounds = (0.0, 6 * HOUR, 12 * HOUR, 24 * HOUR)
    paces = (40.0, 400.0, 10.0)
    changes = tuple((NOW + bound, pace) for bound, pace in zip(bounds[1:], paces[1:], strict=False))
    times = come(paces[0], changes)
    for pace, since, until in zip(paces, bounds, bounds[1:], strict=False):
        expected = (until - since) / pace
        came = sum(since <= time < until for time in times)
        assert abs(came - expected) < 4 * expected**0.5
    assert times == come(paces[0], changes, steps=500)


def test_a_later_pace_leaves_the_visits_before_it_alone() -> None:
    plain, changed = come(60.0, ()), come(60.0, ((NOW + 6 * HOUR, 5.0),))
    before = [time for time in plain if time < 6 * HOUR]
    assert changed[: len(before)] == before
    assert len(changed) > 5 * len(plain)
    # The first wait is half over when the pace changes. The other half passes ten times as fast.
    half = plain[0] / 2
    assert come(60.0, ((NOW + half, 6.0),))[0] == pytest.approx(half + half / 10)


class Always(Visitor):
    """Sends rivals to each of their visits, also those that they would leave out."""

    def __init__(self, market: ListedMarket, rivals: Rivals, value: MarketValue) -> None:
        super().__init__(rivals.exchange, market, "rivals", *rivals_pace(value.event.reads))
        self._rivals = rivals

    def visit(self) -> None:
        self._rivals.visit()


@pytest.mark.parametrize("seed", range(4))
def test_rivals_miss_nothing_by_the_visits_they_leave_out(seed: int) -> None:
    """Through the last hours, in which their pace and what they know change, and beyond the reading."""
    exchanges, markets = [], []
    for leaves_out in (True, False):
        exchange = Exchange(NOW, seed)
        market = listed(exchange, closes_in=3 * HOUR)
        event = EventValue(seed, "E", NOW, NOW + 2.7 * HOUR, 100.0)
        value = MarketValue(event, strike_for(0.4))
        rivals = Rivals(exchange, market, value, SHAPE)
        rivals.visit()
        (rivals if leaves_out else Always(market, rivals, value)).move_in()
        NoiseTaker(exchange, market, 200.0).move_in()
        exchanges.append(exchange)
        markets.append(market)
    books = set()
    for second in range(0, int(3 * HOUR), 5):
        for exchange in exchanges:
            exchange.advance(NOW + second)
        left_out, all_came = ((m.book.bids.levels(), m.book.asks.levels(), m.volume) for m in markets)
        assert left_out == all_came, second
        books.add(str(left_out))
    assert len(books) > 100


# -- what it costs ----------------------------------------------------------------------------------------------


def known(fill: Marked) -> float:
    return fill.known


def cost(factor: float, hours: float, seeds: range) -> tuple[float, float]:
    """What a quoter at the touch lost, in cents a contract, in a market of a factor that is read in some `hours`.
    With the standard error."""
    fills: list[Marked] = []
    for seed in seeds:
        exchange = Exchange(NOW, seed)
        market = listed(exchange, f"KX{seed}-1-M", closes_in=hours * HOUR)
        market.resolves = NOW + hours * HOUR
        value = MarketValue(EventValue(seed, "E", NOW, market.resolves, 4.0), strike_for(0.5))
        exchange.hidden_value[market.ticker] = value.at
        people.move_in(exchange, market, value, SHAPE, 900.0, factor, EVERYBODY - {SWEEPS})
        fills += quote_in(exchange, [market], 0.5).fills
    mean, error = cents(fills, known)
    return -mean, error


@pytest.mark.slow
def test_a_toxic_market_costs_a_quoter_more_than_a_calm_one() -> None:
    """The same values, the same random takers: only who knows more differs."""
    (toxic, one), (calm, other) = cost(6.0, 24, range(16)), cost(0.05, 24, range(16))
    assert toxic - calm > 4 * math.hypot(one, other)
    assert toxic > 2
    assert calm < 1
