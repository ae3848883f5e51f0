"""A ledger that is lost takes no loss of the day with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.account import Fill, Settlement
from exchange.orderbook import NO, YES
from ledger.daily_pnl import day_profit, marked, midnight
from ledger.entries import DayMark, Quotes
from ledger.rebuilt_day import OwnOrders, own_result, read_own_orders
from tests.support.bench import MakeBench
from tests.support.builders import D, fill, later, settlement
from tests.support.strategies import FILLS, PRICES
from trade import OWN_PREFIX

TICKERS = ("A-1", "A-2", "B-1")
POSITIONS = st.dictionaries(st.sampled_from(TICKERS), st.integers(-500, 500).filter(bool).map(D), max_size=3)
QUOTES = st.fixed_dictionaries({ticker: st.tuples(st.none() | PRICES, st.none() | PRICES) for ticker in TICKERS})
NONE = OwnOrders(frozenset(), frozenset())
OURS = OwnOrders(frozenset({"o"}), frozenset())


def held_after(start: Mapping[str, DayMark], changes: Sequence[Fill | Settlement]) -> dict[str, Decimal]:
    held = {ticker: mark.contracts for ticker, mark in start.items()}
    for one in changes:
        held[one.ticker] = held.get(one.ticker, D(0)) + one.change
    return {ticker: count for ticker, count in held.items() if count}


def in_order(fills: Sequence[Fill]) -> list[Fill]:
    return [replace(one, time=one.time + later(number)) for number, one in enumerate(fills)]


@given(POSITIONS, PRICES, FILLS, st.integers(0, 12), QUOTES, QUOTES, st.sets(st.sampled_from(TICKERS)))
def test_one_ledger_and_two_see_the_same_day(
    start: dict[str, Decimal],
    price: Decimal,
    traded: list[Fill],
    lost_after: int,
    noon: dict[str, Quotes],
    now: dict[str, Quotes],
    settles: set[str],
) -> None:
    """All trades are ours: whenever the ledger is lost, what is rebuilt and the rest add up to the whole day."""
    fills, began = in_order(traded), {ticker: DayMark(count, price) for ticker, count in start.items()}
    first, second = fills[:lost_after], fills[lost_after:]
    quiet = {one.ticker for one in second}
    held = held_after(began, first)
    settled = [settlement(str(held[t]), str(abs(held[t])), t) for t in sorted(settles - quiet) if t in held]
    at_noon = marked(held_after(began, [*first, *settled]), noon)
    rebuilt = own_result(began, first, settled, OwnOrders(frozenset({"o"}), frozenset(TICKERS)), at_noon)
    whole = day_profit(began, fills, settled, now)
    assert rebuilt + day_profit(at_noon, second, [], now) == whole


@given(POSITIONS, PRICES, FILLS, QUOTES)
def test_a_persons_day_is_not_the_bots(
    start: dict[str, Decimal], price: Decimal, traded: list[Fill], now: dict[str, Quotes]
) -> None:
    """A new user of the bot has traded all day by hand: nothing of it counts."""
    began = {ticker: DayMark(count, price) for ticker, count in start.items()}
    at_noon = marked(held_after(began, traded), now)
    assert own_result(began, traded, [], NONE, at_noon) == 0


@given(FILLS, FILLS, QUOTES)
def test_other_markets_change_nothing(ours: list[Fill], theirs: list[Fill], now: dict[str, Quotes]) -> None:
    """A person's trades in markets in which the bot has no order leave the bot's result as it is."""
    elsewhere = [
        replace(one, ticker=f"X{one.ticker}", order_id="typed", fill_id=f"x{one.fill_id}") for one in theirs
    ]
    alone = own_result({}, ours, [], OURS, marked(held_after({}, ours), now))
    both = marked(held_after({}, [*ours, *elsewhere]), {**now, **{f"X{name}": bids for name, bids in now.items()}})
    assert own_result({}, [*ours, *elsewhere], [], OURS, both) == alone


def typed(one: Fill) -> Fill:
    return replace(one, order_id="typed", fill_id="typed")


def test_what_a_person_bought_counts_from_the_bots_first_trade() -> None:
    """A person buys at $0.80, the bot takes it over and sells at $0.55: the person lost $0.25 a contract, and the
    bot its fee. A later collapse of the market is nobody's any more."""
    fills = [typed(fill(YES, "0.80", "10")), fill(NO, "0.45", "10", "0.18")]
    assert own_result({}, fills, [], OURS, {}) == D("-0.18")
    rest = {"M": DayMark(D(6), D("0.05"))}
    assert own_result({}, [fills[0], fill(NO, "0.45", "4")], [], OURS, rest) == 6 * (D("0.05") - D("0.55"))


def test_a_position_counts_from_midnight_if_the_bot_was_there() -> None:
    """It fell from $0.50 to $0.10 without a trade. If no order of the bot is older than the day, it was a
    person's."""
    began, now = {"M": DayMark(D(10), D("0.50"))}, {"M": DayMark(D(10), D("0.10"))}
    assert own_result(began, [], [], OwnOrders(frozenset(), frozenset({"M"})), now) == -4
    assert own_result(began, [], [], NONE, now) == 0
    sold = [fill(NO, "0.80", "10")]
    assert own_result(began, sold, [], OwnOrders(frozenset({"o"}), frozenset({"M"})), {}) == -3
    assert own_result(began, sold, [], OURS, {}) == 0, "taken over today, and sold at once"


def test_a_settlement_of_the_day_counts_with_the_fills_before_it() -> None:
    bought = [fill(YES, "0.60", "4", "0.07")]
    assert own_result({}, bought, [settlement("4", "0")], OURS, {}) == D("-2.47")
    assert own_result({}, bought, [settlement("4", "4")], OURS, {}) == D("1.53")
    assert own_result({}, [typed(one) for one in bought], [settlement("4", "0")], OURS, {}) == 0


@pytest.mark.parametrize("days", [0, 1, 5])
@pytest.mark.parametrize("name", [f"{OWN_PREFIX}old", "typed"])
def test_an_order_of_days_ago_is_known_when_it_is_filled(make_bench: MakeBench, days: int, name: str) -> None:
    """A quote that is renewed in place rests for days: its fills of today are the bot's."""
    bench = make_bench(who=())
    exchange, ticker = bench.exchange.api.exchange, "KXRAINCHI-26DEC09-T1"
    bench.raw.place(ticker=ticker, client_order_id=name)
    bench.pass_time(days * 86_400)
    bench.client.get_exchange_status()  # the exchange lives until now
    now = bench.exchange.clock.now()
    start = midnight(now.date())
    (order,) = [one for one in bench.resting() if one.client_order_id == name]
    half = exchange.markets[ticker].book.bids
    while half.best() != order.price:
        half.remove(half.first(half.best() or 0))
    exchange.crowd_take(exchange.markets[ticker], False, order.price, order.size)
    fills = [one for one in bench.client.get_fills(start) if one.order_id == order.order_id]
    ours = read_own_orders(bench.client, start, fills)
    assert len(fills) == 1
    assert (order.order_id in ours.ids) == name.startswith(OWN_PREFIX)
    assert (ticker in ours.at_midnight) == (name.startswith(OWN_PREFIX) and days > 0)
