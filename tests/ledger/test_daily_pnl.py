"""The day's profit: the number that stops the bot must be right whatever happened on the way."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exchange.account import Fill
from exchange.orderbook import NO, YES
from ledger.daily_pnl import day_profit, held_before, midnight, value
from ledger.entries import DayMark, Quotes
from tests.support.builders import NOW, fill, settlement
from tests.support.strategies import FILLS, PRICES

D = Decimal


def test_a_purchase_and_a_sale_bring_the_difference_less_fees() -> None:
    """Ten contracts are bought at $0.40 and sold at $0.45. The day's profit is the difference of the prices
    less the fees of both fills."""
    fills = [fill(YES, "0.40", "10", "0.17"), fill(NO, "0.55", "10", "0.18")]  # sold at 0.45
    assert day_profit({}, fills, [], {}) == D("0.15")


def test_what_is_held_is_worth_what_the_best_bid_brings() -> None:
    quotes: dict[str, Quotes] = {"M": (D("0.38"), D("0.60"))}
    assert day_profit({}, [fill(YES, "0.40", "10")], [], quotes) == D("-0.20")
    assert day_profit({}, [fill(NO, "0.61", "10")], [], quotes) == D("-0.10")


def test_what_nobody_bids_for_is_worth_nothing() -> None:
    assert day_profit({}, [fill(YES, "0.40", "10")], [], {"M": (None, D("0.60"))}) == D("-4")


def test_what_was_held_at_midnight_counts_from_its_price_then() -> None:
    opening = {"M": DayMark(D(-5), D("0.30"))}
    assert day_profit(opening, [], [], {"M": (D("0.60"), D("0.25"))}) == D("-0.25")
    assert day_profit(opening, [fill(YES, "0.80", "5", "0.06")], [], {}) == D("-0.56")  # bought back at 0.80


def test_a_settlement_pays_what_was_held_and_no_fee_twice() -> None:
    opening = {"M": DayMark(D(3), D("0.50"))}
    assert day_profit(opening, [fill(YES, "0.60", "1")], [settlement("4", "4")], {}) == D("1.9")
    assert day_profit(opening, [], [settlement("3", "0")], {}) == D("-1.5")


def test_what_was_settled_today_was_held_at_midnight() -> None:
    assert held_before({}, [fill(YES, "0.60", "1")], [settlement("4", "4")]) == {"M": D(3)}
    assert held_before({}, [], [settlement("-4", "0")]) == {"M": D(-4)}


def test_a_day_begins_at_midnight_utc() -> None:
    assert midnight(NOW.date()) == datetime(2026, 11, 22, tzinfo=timezone.utc)


POSITIONS = st.dictionaries(
    st.sampled_from(["A-1", "A-2", "B-1"]), st.integers(-500, 500).filter(bool).map(D), max_size=3
)


def cash_account(fills: list[Fill], start: dict[str, Decimal]) -> tuple[Decimal, dict[str, Decimal]]:
    """The plain way: a book of cash, contract by contract, as an exchange keeps it: what closes brings back the
    dollar of the pair."""
    cash, held = D(0), dict(start)
    for one in fills:
        before = held.get(one.ticker, D(0))
        against = -before if one.side is YES else before
        closes = min(max(against, D(0)), one.count)
        cash += closes * (1 - one.price) - (one.count - closes) * one.price - one.fee
        held[one.ticker] = before + one.change
    return cash, held


@given(POSITIONS, FILLS, PRICES, PRICES)
def test_profit_is_the_change_of_cash_and_of_what_is_held(
    start: dict[str, Decimal], fills: list[Fill], then: Decimal, now: Decimal
) -> None:
    opening = {ticker: DayMark(count, then) for ticker, count in start.items()}
    cash, held = cash_account(fills, start)
    quotes: dict[str, Quotes] = dict.fromkeys(("A-1", "A-2", "B-1"), (now, 1 - now))
    before = sum((abs(count) * then for count in start.values()), start=D(0))
    assert day_profit(opening, fills, [], quotes) == cash + value(held, quotes) - before


@given(POSITIONS, FILLS)
def test_what_was_held_before_is_found_again(start: dict[str, Decimal], fills: list[Fill]) -> None:
    _, held = cash_account(fills, start)
    assert held_before(held, fills, []) == start


@given(POSITIONS, FILLS, FILLS, PRICES)
def test_a_day_in_two_halves_is_the_same_day(
    start: dict[str, Decimal], first: list[Fill], second: list[Fill], price: Decimal
) -> None:
    """Whoever looks away in between sees the same sum."""
    quotes: dict[str, Quotes] = dict.fromkeys(("A-1", "A-2", "B-1"), (price, 1 - price))
    opening = {ticker: DayMark(count, price) for ticker, count in start.items()}
    _, held = cash_account(first, start)
    noon = {ticker: DayMark(count, price if count > 0 else 1 - price) for ticker, count in held.items() if count}
    halves = day_profit(opening, first, [], quotes) + day_profit(noon, second, [], quotes)
    assert halves == day_profit(opening, [*first, *second], [], quotes)
