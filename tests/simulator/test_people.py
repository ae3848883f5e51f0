"""Who else is in a market: if nobody there knew more than the bot, it would look better here than it ever will.

The hidden value must be a fair price, or holding would pay by itself and the simulator would flatter or slander.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from itertools import pairwise

import pytest

from simulator.exchange import Exchange
from simulator.matching import DOLLAR_PIPS
from simulator.opening import CUSTOMER, open_exchange
from simulator.people import EVERYBODY, INFORMED, NOISE, RIVALS, SWEEPS
from simulator.value import EventValue, MarketValue, strike_for
from tests.slow.calibration import earned
from tests.support.project import START

pytestmark = pytest.mark.slow

NOW = START.timestamp()
DAY = 86_400.0


def tape(exchange: Exchange) -> list[tuple[object, ...]]:
    return [
        (m.ticker, m.status, m.last_price, m.volume, m.book.bids.levels(), m.book.asks.levels())
        for m in exchange.markets.values()
    ]


def after(hours: float, seed: int = 5, who: frozenset[str] = EVERYBODY, steps: int = 1) -> Exchange:
    exchange = open_exchange(NOW, seed, programs=25, who=who)
    for step in range(1, steps + 1):
        exchange.advance(NOW + hours * 3_600 * step / steps)
    return exchange


def test_the_same_seed_is_the_same_market_in_steps_of_any_size() -> None:
    """Prices, volumes and books are the same after one step and after 500 steps. Another seed gives another
    market."""
    once = tape(after(6))
    assert tape(after(6, steps=500)) == once
    assert tape(after(6, seed=6)) != once


def test_people_come_alike_whatever_the_customer_does() -> None:
    """Where the customer has never been, everything is as if there were no customer."""
    idle, busy = after(0), after(0)
    for order in list(busy.accounts[CUSTOMER].resting.values()):
        busy.withdraw(busy.markets[order.ticker], order)
    for exchange in (idle, busy):
        exchange.advance(NOW + 6 * 3_600)
    touched = {order.ticker for order in busy.accounts[CUSTOMER].orders.values()}
    assert 0 < len(touched) < 5
    untouched = [
        (before, now) for before, now in zip(tape(idle), tape(busy), strict=True) if before[0] not in touched
    ]
    assert all(before == now for before, now in untouched)
    assert any(before[3] for before, _ in untouched), "nobody traded"


def test_each_of_the_people_can_be_left_out() -> None:
    def traded(who: set[str]) -> int:
        return sum(m.volume for m in after(12, who=frozenset(who)).markets.values())

    nobody = traded(set())
    assert nobody == traded({RIVALS}), "rivals take nothing"
    assert traded({NOISE}) > nobody
    assert traded({INFORMED}) > nobody
    quiet, swept = (after(54, who=frozenset(who)) for who in (set(), {SWEEPS}))
    closed = [m.ticker for m in swept.markets.values() if m.status not in ("active", "initialized", "inactive")]
    assert closed
    for ticker, market in swept.markets.items():
        assert market.volume == quiet.markets[ticker].volume or ticker in closed, "a sweep before a close only"
    assert any(swept.markets[ticker].volume > quiet.markets[ticker].volume for ticker in closed)


def test_rivals_put_back_what_was_taken_and_follow_the_value() -> None:
    exchange = after(0, who=frozenset({RIVALS}))
    market = next(m for m in exchange.markets.values() if m.book.bids.total and m.book.asks.total)
    asks = market.book.asks.levels()
    exchange.crowd_take(market, True, 9_900, asks[0][1])
    assert market.book.asks.levels() != asks
    exchange.advance(NOW + 600)
    assert market.book.asks.total >= sum(size for _, size in asks) * 0.9
    # Over a day prices wander with the value, and the book is around it.
    exchange.advance(NOW + DAY * 0.4)
    off = []
    for active in exchange.markets.values():
        bid, ask = active.book.bids.best(), active.book.asks.best()
        if active.status == "active" and bid and ask:
            worth = exchange.hidden_value[active.ticker](exchange.now - 180) * 10_000
            off.append(max(bid - worth, worth - ask, 0.0))
    assert len(off) > 10
    assert statistics.median(off) < 100
    assert statistics.quantiles(off)[2] < 150


def test_a_hidden_value_is_a_fair_price() -> None:
    """Holding pays nothing by itself. Over many events, what a contract pays is on average what it was worth at
    any time before, at any price."""
    gains = defaultdict(list)
    for number in range(1_500):
        event = EventValue(number, "E", NOW, NOW + 6 * 3_600, 4.0)
        for chance in (0.1, 0.5, 0.8):
            value = MarketValue(event, strike_for(chance))
            assert value.chance(NOW) == pytest.approx(chance)
            paid = value.outcome() / DOLLAR_PIPS
            for hours in (0.0, 3.0, 5.5):
                gains[chance, hours].append(paid - value.chance(NOW + hours * 3_600))
    for when, found in gains.items():
        deviation = statistics.stdev(found) / len(found) ** 0.5
        assert abs(statistics.mean(found)) < 3.5 * deviation, when


def test_a_few_events_pay_a_part_to_each_side() -> None:
    """Ties pay half a dollar, events without a reading pay any number of cents. The exclusive markets of one event
    pay a dollar together in every case, and a lower strike never pays less than a higher one."""
    cuts = [strike_for(chance) for chance in (0.9, 0.7, 0.5, 0.3, 0.1)]
    kinds = {"a dollar or nothing": 0, "half": 0, "other": 0}
    for number in range(2_000):
        event = EventValue(number, "E", NOW, NOW + 3 * 3_600, 4.0)
        ranges = [MarketValue(event, low, high).outcome() for low, high in pairwise([-20.0, *cuts, 20.0])]
        above = [MarketValue(event, cut).outcome() for cut in cuts]
        assert sum(ranges) == DOLLAR_PIPS
        assert above == sorted(above, reverse=True)
        paid = {*ranges, *above} - {0, DOLLAR_PIPS}
        assert all(0 < one < DOLLAR_PIPS and one % 100 == 0 for one in paid)
        kinds["other" if paid - {5_000} else "half" if paid else "a dollar or nothing"] += 1
    assert 1_880 < kinds["a dollar or nothing"] < 1_985
    assert kinds["half"] > 5
    assert kinds["other"] > 20


def test_the_outcomes_of_one_event_agree_with_each_other() -> None:
    """At most one of several exclusive markets ends with yes. Otherwise outcomes and prices both fall from a
    lower strike to a higher one."""
    exchange = after(0)
    seen = set()
    for event in exchange.events.values():
        inside = [m for m in exchange.markets.values() if m.event is event]
        ends = (inside[0].resolves or 0) + 1
        results = [exchange.hidden_value[m.ticker](ends) for m in inside]
        if event.exclusive:
            assert sum(result > 0.5 for result in results) <= 1
        elif "ODD" not in event.ticker:
            assert results == sorted(results, reverse=True), "above a higher strike, and not above a lower one"
        prices = [exchange.hidden_value[m.ticker](NOW) for m in inside]
        assert event.exclusive or "ODD" in event.ticker or prices == sorted(prices, reverse=True)
        seen.add((event.exclusive, len(inside) > 1))
    assert {(True, True), (False, True)} <= seen


def test_a_quoter_at_the_touch_loses_to_informed_traders() -> None:
    """It loses in a few hours in which it would have earned without them. `make soak` looks at days, and at the
    rewards beside the losses."""
    _, trading = earned(EVERYBODY, range(1, 5), days=0.25)
    _, without_them = earned(EVERYBODY - {INFORMED}, range(1, 5), days=0.25)
    assert trading < -3
    assert without_them > 8
