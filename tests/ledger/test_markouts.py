"""Prices around a fill: a price from another time, or one that nobody saw, would tell a wrong story."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from exchange.account import Fill
from exchange.models import Candle
from exchange.orderbook import NO, YES, Book
from ledger.markouts import POINTS, BestBids, MarkoutPoint, MarkoutTracker
from tests.support.builders import NOW, cents

D = Decimal


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def fill(seconds: float = 0, name: str = "f") -> Fill:
    return Fill(name, "o", "M", YES, D("0.40"), D(10), D(0), False, at(seconds))


def books(yes: int = 38, no: int = 58) -> dict[str, Book]:
    return {"M": Book("M", cents((yes, 100)), cents((no, 100)))}


def ages(found: dict[MarkoutPoint, BestBids]) -> dict[str, float]:
    return {point.name: (seen.at - NOW).total_seconds() for point, seen in found.items()}


def test_each_markout_point_is_the_first_look_at_its_time() -> None:
    """Each point keeps the true age of its look, and no point is missing after all looks came."""
    markouts = MarkoutTracker()
    markouts.on_books(at(-30), books())
    found = ages(markouts.on_fill(fill()))
    for seconds in range(20, 4_000, 60):
        found |= ages(markouts.on_books(at(seconds), books()))
    assert found == {"before": -30, "after": 20, "5 min": 320, "1 h": 3620}
    assert markouts.missing(at(100_000)) == {}


def test_a_late_fill_is_not_measured_against_a_later_book() -> None:
    """If the bot learns of a fill late, the point before it is the last look before the fill, not a look after
    it."""
    markouts = MarkoutTracker()
    for seconds in (-70, -10, 50):
        markouts.on_books(at(seconds), books())
    assert ages(markouts.on_fill(fill())) == {"before": -10, "after": 50}


def test_a_look_long_before_or_after_tells_nothing() -> None:
    markouts = MarkoutTracker()
    markouts.on_books(at(-91), books())
    assert markouts.on_fill(fill()) == {}
    assert markouts.on_books(at(91), books()) == {}
    assert {point.name for point in markouts.missing(at(92))} == {"before", "after"}


def candle(seconds: float, bid: str = "0.30") -> Candle:
    return Candle("M", at(seconds), D(bid), D("0.50"))


def test_minutes_without_a_look_come_from_candles_and_say_so() -> None:
    markouts = MarkoutTracker()
    markouts.on_fill(fill())
    found = markouts.from_candles(at(8_000), [candle(60 * n) for n in range(-70, 100)])
    assert ages(found) == {"before": 0, "after": 60, "5 min": 360, "1 h": 3660}
    assert all(seen.is_candle and seen.mid_price(YES) == D("0.40") for seen in found.values())
    assert markouts.missing(at(8_000)) == {}


def test_a_candle_an_hour_away_is_no_price_of_that_time() -> None:
    markouts = MarkoutTracker()
    markouts.on_fill(fill())
    assert markouts.from_candles(at(8_000), [candle(-3_601), candle(7_300)]) == {}
    markouts.from_candles(at(20_000), [])
    assert markouts.missing(at(20_000)) == {}, "nobody will tell any more"


def test_after_a_restart_only_what_is_missing_is_asked_for() -> None:
    markouts = MarkoutTracker()
    markouts.expect([fill()], [MarkoutPoint("f", "before"), MarkoutPoint("f", "after")])
    assert {point.name for point in markouts.missing(at(9_000))} == {"5 min", "1 h"}
    assert set(POINTS) == {"before", "after", "5 min", "1 h"}


def test_the_middle_of_a_side_that_is_empty_is_not_known() -> None:
    assert BestBids(NOW, D("0.38"), D("0.58")).mid_price(YES) == D("0.40")
    assert BestBids(NOW, D("0.38"), D("0.58")).mid_price(NO) == D("0.60")
    assert BestBids(NOW, None, D("0.58")).mid_price(YES) is None
    assert BestBids(NOW, D("0.38"), None).mid_price(NO) is None
