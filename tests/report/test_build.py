"""The report: what a person reads about their money in the morning."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.account import Fill, Settlement
from exchange.models import Program
from exchange.orderbook import NO, YES
from ledger.cash_reconciliation import CashReading, ExplainedSpan, cash_effect
from ledger.entries import AccrualKey, AccruedSeconds, DayMark, Outcome, PositionAdjustment, Quotes
from ledger.markouts import BestBids, MarkoutPoint
from report import text
from report.build import Report, Result, build_report
from report.facts import ReportFacts
from report.reward_payments import WindowState
from tests.support.builders import NOW, program

D = Decimal
HOUR = timedelta(hours=1)
TODAY = NOW.date()


def later(hours: float) -> datetime:
    return NOW + hours * HOUR


def fill(
    name: str,
    hours: float,
    side: object,
    price: str,
    count: str,
    fee: str = "0",
    taker: bool = False,
    ticker: str = "KXA-1",
) -> Fill:
    return Fill(name, "o", ticker, side, D(price), D(count), D(fee), taker, later(hours))  # type: ignore[arg-type]


def facts(**known: object) -> ReportFacts:
    """A ledger's facts: empty, but for what is `known`."""
    empty: dict[str, object] = {
        "ledger": "trade-sim.db", "exchange": "simulator.invalid", "begun": NOW, "until": later(72), "sessions": 1,
        "programs": {}, "seconds": {}, "opening": {}, "changes": [], "days": {}, "prices": {}, "cash_spans": [],
        "cash_flows": [], "markouts": {}, "outcomes": {}, "capital": {},
    }  # fmt: skip
    return ReportFacts(**(empty | known))  # type: ignore[arg-type]


def test_a_balance_that_is_read_in_another_way_is_no_cash() -> None:
    """Net until then, gross after: $26.50 that orders reserve are neither a reward nor unexplained."""
    net, gross = CashReading(D("33.50"), D(0), D(0)), CashReading(D(60), D(0), D(0))
    spans = [
        ExplainedSpan(NOW, later(1), net, net, anew=True),
        ExplainedSpan(later(2), later(30), gross, gross, reread=True),
    ]
    told = build_report(facts(cash_spans=spans))
    assert told.unexplained == []
    assert told.cash is not None
    assert (told.cash.first, told.cash.last, told.cash.unexplained) == (60, 60, 0)


def test_a_round_trip_is_split_into_spread_exit_fees_and_moves() -> None:
    """The spread, the cost of the exit, the fees and the move of the middle add up to the trading result."""
    bought, sold = fill("a", 1, YES, "0.40", "10"), fill("b", 2, NO, "0.64", "10", "0.18", True)
    before = {
        MarkoutPoint("a", "before"): BestBids(later(0.99), D("0.41"), D("0.55")),  # the middle is 0.43
        MarkoutPoint("b", "before"): BestBids(later(1.99), D("0.36"), D("0.60")),  # NO's middle is 0.62
    }
    money = build_report(facts(changes=[bought, sold], markouts=before)).total.money
    assert money.spread == D("0.30")
    assert money.exits == D("0.20")
    assert money.fees == D("0.18")
    assert money.moves == D("-0.50"), "the middle fell from 0.43 to 0.38"
    assert money.trading == D("-4.00") + D("3.60") - D("0.18") == D("-0.58")


def test_a_fill_before_which_nobody_looked_earns_no_spread() -> None:
    money = build_report(
        facts(changes=[fill("a", 1, YES, "0.40", "10")], prices={"KXA-1": (D("0.40"), None)})
    ).total.money
    assert (money.spread, money.moves, money.trading) == (0, 0, 0)


def test_what_was_held_before_the_ledger_is_not_its_gain() -> None:
    held = {"KXA-1": (D(10), D("0.30")), "KXB-1": (D(-5), D("0.70"))}
    prices: dict[str, Quotes] = {"KXA-1": (D("0.35"), D("0.60")), "KXB-1": (D("0.20"), D("0.65"))}
    markets = {row.name: row.money.net for row in build_report(facts(opening=held, prices=prices)).markets}
    assert markets == {"KXA-1": D("0.50"), "KXB-1": D("-0.25")}


def test_selling_an_opening_position_without_a_price_is_no_gain() -> None:
    """If the first version held a position at its beginning without a known price, its sale counts with its fee
    alone."""
    held = {"KXA-1": (D(10), None), "KXB-1": (D(-5), None)}
    sold = [fill("a", 1, NO, "0.64", "10", "0.18"), fill("b", 1, YES, "0.30", "5", ticker="KXB-1")]
    markets = {row.name: row.money.net for row in build_report(facts(opening=held, changes=sold)).markets}
    assert markets == {"KXA-1": D("-0.18"), "KXB-1": 0}


def test_positions_that_were_taken_over_are_no_gain_of_their_day() -> None:
    midnight = later(9)
    days = {TODAY: {}, midnight.date(): {"KXA-1": DayMark(D(10), D("0.30"))}}
    taken = PositionAdjustment(midnight + HOUR, "KXA-1", D(10))
    total = build_report(facts(changes=[taken], days=days, prices={"KXA-1": (D("0.32"), None)})).total
    assert total.money.net == D("0.20")


def test_a_day_that_nobody_looked_at_belongs_to_the_one_before() -> None:
    days = {TODAY: {}, TODAY + timedelta(days=3): {"KXA-1": DayMark(D(10), D("0.50"))}}
    changes = [fill("a", 1, YES, "0.40", "10"), fill("b", 100, NO, "0.45", "10")]
    rows = {row.name: row.money.net for row in build_report(facts(changes=changes, days=days)).days}
    third = (TODAY + timedelta(days=3)).isoformat()
    assert {name: net for name, net in rows.items() if net} == {TODAY.isoformat(): 1, third: D("0.5")}


PRICES = st.integers(1, 99).map(lambda n: D(n) / 100)
TRADES = st.lists(
    st.tuples(st.floats(0.1, 90), st.sampled_from((YES, NO)), PRICES, st.integers(1, 900), st.booleans()),
    max_size=9,
)


@given(TRADES, st.lists(st.tuples(st.integers(1, 4), PRICES), max_size=4), st.integers(-9, 9), PRICES, PRICES)
def test_days_markets_and_parts_add_up_to_what_the_cash_did(
    trades: list[tuple[float, object, Decimal, int, bool]],
    known: list[tuple[int, Decimal]],
    held: int,
    first: Decimal,
    last: Decimal,
) -> None:
    fills = [
        fill(str(n), hours, side, str(price), str(D(count) / 100), "0.01", taker)
        for n, (hours, side, price, count, taker) in enumerate(trades)
    ]
    days = {TODAY + timedelta(days=day): {"KXA-1": DayMark(D(1), price)} for day, price in known}
    told = build_report(
        facts(
            changes=fills,
            days=days,
            opening={"KXA-1": (D(held), first)},
            prices={"KXA-1": (last, 1 - last)},
            markouts={MarkoutPoint(one.fill_id, "before"): BestBids(NOW, first, D("0.01")) for one in fills[::2]},
            until=later(99),
        )
    )
    count, moved = D(held), -abs(held) * first
    for one in sorted(fills, key=lambda one: one.time):
        moved += cash_effect(count, one)
        count += one.change
    moved += abs(count) * (last if count > 0 else 1 - last)
    assert told.total.money.trading == moved
    for rows in (told.days, told.markets, told.series):
        assert sum((row.money for row in rows), start=Result()) == told.total.money


def paid_window() -> dict[str, object]:
    """A window of three days, earned on two of them, that was paid $4.12 a day after its end."""
    terms = program(days=1, name="p", ticker="KXA-1")._replace(start=later(-20), end=later(12))
    seconds = {
        AccrualKey("p", side, day, "KXA-1"): AccruedSeconds(3600, 3000, 400, 200, 50, reward, reward * 1.1)
        for side in (YES, NO)
        for day, reward in ((TODAY, 1.5), (TODAY + timedelta(days=1), 0.5))
    }
    flat, more = CashReading(D(1000), D(0), D(0)), CashReading(D("1004.12"), D(0), D(0))
    cash = [ExplainedSpan(NOW, later(35), flat, flat), ExplainedSpan(later(36), later(72), more, more)]
    return {"programs": {"p": terms}, "seconds": seconds, "cash_spans": cash}


def test_a_credit_replaces_its_estimate_on_the_earning_days() -> None:
    """A credit is divided among the days that earned it, and no estimate is left beside it. The report compares
    the estimate with the credit and explains the cash."""
    told = build_report(facts(**paid_window()))
    assert (told.total.money.credited, told.total.money.expected, told.total.money.running) == (D("4.12"), 0, 0)
    assert [row.money.credited for row in told.days] == [D("3.09"), D("1.03")]
    assert told.total.money.net == told.total.money.net_if_paid == D("4.12")
    assert told.accuracy is not None
    assert (told.accuracy.estimated, told.accuracy.credited) == (D("4.00"), D("4.12"))
    assert told.cash is not None
    assert (told.cash.credited, told.cash.unexplained) == (D("4.12"), 0)


def test_what_is_only_estimated_is_in_no_net() -> None:
    known = paid_window() | {"cash_spans": [], "until": later(20)}
    told = build_report(facts(**known))
    assert [window.state for window in told.windows] == [WindowState.EXPECTED]
    assert (told.total.money.net, told.total.money.net_if_paid) == (0, 4)
    said = text.text(told)
    assert "Rewards credited" in said
    assert "$4.00  estimate: 1 window not paid yet" in said
    assert "Cash: not read yet" in said


def test_a_running_window_that_pays_nothing_is_reported() -> None:
    """If a running window paid no one for days, the report still comes, with no money and with those seconds as
    excluded."""
    known = paid_window() | {"cash_spans": [], "until": later(10)}
    nobody = {key: AccruedSeconds(3600, excluded=3600) for key in known["seconds"]}  # type: ignore[attr-defined]
    told = build_report(facts(**known | {"seconds": nobody}))
    assert [window.state for window in told.windows] == [WindowState.RUNNING]
    assert (told.total.money, told.total.seconds.excluded) == (Result(), 14_400)


def test_presence_is_shown_with_what_counted_and_what_is_unknown() -> None:
    """The report gives the hours in which orders rested, the percentage of them that qualified and the percentage
    that is not known."""
    (market,) = build_report(facts(**paid_window())).markets
    assert (market.seconds.present, market.seconds.qualified) == (14_400, 12_000)
    assert "Orders rested 4.0 side-hours; 83% of them qualified, 6% unknown" in text.text(
        build_report(facts(**paid_window()))
    )


def test_a_dollar_of_capital_brings_what_was_really_paid() -> None:
    known = paid_window() | {"capital": {(TODAY, "KXA-1"): 100 * 86_400.0, (TODAY + timedelta(1), "KXA-1"): 4e6}}
    total = build_report(facts(**known)).total
    assert total.per_dollar == pytest.approx(4.12 / (100 + 4e6 / 86_400))


def test_markouts_are_of_quotes_alone_at_the_middle() -> None:
    """A fill as a taker gets no markout. Each point, up to the settlement, has its dollars, cents a contract,
    the median age of its looks, and the fills without one."""
    taken = fill("taken", 1, YES, "0.90", "99", taker=True)
    fills = [fill("a", 1, YES, "0.40", "10"), fill("b", 1, NO, "0.55", "30"), taken]
    seen = {
        MarkoutPoint("a", "5 min"): BestBids(later(1) + timedelta(seconds=310), D("0.30"), D("0.66")),
        MarkoutPoint("b", "5 min"): BestBids(later(1) + timedelta(seconds=350), D("0.30"), D("0.66")),
        MarkoutPoint("taken", "5 min"): BestBids(later(1) + timedelta(seconds=310), D("0.30"), D("0.66")),
    }
    outcomes = {"KXA-1": Outcome(later(20), D(1))}
    rows = {
        row.point: row for row in build_report(facts(changes=fills, markouts=seen, outcomes=outcomes)).markouts
    }
    five, end = rows["5 min"], rows["settlement"]
    assert (five.dollars, five.contracts, five.age) == (D("-0.80") + D("3.90"), 40, 330)
    assert five.cents == pytest.approx(7.75)
    assert end.dollars == D("6.00") - D("16.50")
    assert (rows["before"].fills, rows["before"].missing) == (0, 2)


def test_a_report_since_a_day_leaves_out_what_was_before() -> None:
    changes = [fill("a", 1, YES, "0.40", "10"), fill("b", 2, NO, "0.50", "10"), fill("c", 30, YES, "0.40", "2")]
    days = {TODAY: {}, TODAY + timedelta(days=1): {}}
    since = TODAY + timedelta(days=1)
    told = build_report(facts(changes=changes, days=days, **paid_window()), since)
    assert [row.name for row in told.days] == [since.isoformat()]
    assert told.total.fills == 1
    assert told.total.money.credited == D("1.03")
    assert told.total.money.trading == D("-0.80")


def test_json_has_every_digit_and_no_float_for_money() -> None:
    known = paid_window() | {"changes": [fill("a", 1, YES, "0.4012", "10.25", "0.000001")]}
    told = json.loads(text.as_json(build_report(facts(**known))))
    assert told["total"]["money"]["fees"] == "0.000001"
    assert told["total"]["money"]["net"] == str(build_report(facts(**known)).total.money.net)
    assert told["windows"][0]["state"] == "credited"
    assert told["since"] == "2026-11-22T15:00:00.000Z"


def crowd(count: int) -> Iterable[tuple[str, Program]]:
    for n in range(count):
        yield f"p{n}", program(days=1, name=f"p{n}", ticker=f"KXVERYLONGSERIESNAME-26NOV24-SOMEBODY{n:03d}")


def test_no_line_is_wider_than_a_hundred_columns() -> None:
    programs = dict(crowd(40))
    seconds = {
        AccrualKey(name, YES, TODAY, terms.ticker): AccruedSeconds(90_000, 90_000, 0, 0, 1, 4_000.0, 5_000.0)
        for name, terms in programs.items()
    }
    fills = [
        fill(name, 2, YES, "0.40", "99999.25", "1234.56", ticker=terms.ticker) for name, terms in programs.items()
    ]
    flat, more = CashReading(D(1_000_000), D(0), D(0)), CashReading(D("7000000.00"), D(0), D(0))
    known = facts(
        programs=programs,
        seconds=seconds,
        changes=fills,
        cash_spans=[ExplainedSpan(NOW, later(60), flat, flat), ExplainedSpan(later(60), later(70), more, more)],
        capital={(TODAY, terms.ticker): 1e9 for terms in programs.values()},
        until=later(70),
    )
    told: Report = build_report(known)
    lines = text.text(told).splitlines()
    assert max(map(len, lines)) <= text.WIDTH
    assert any("20 in between are not shown" in line for line in lines)
    empty = text.text(build_report(facts()))
    assert max(map(len, empty.splitlines())) <= text.WIDTH
    assert "By UTC day (a reward counts on the days that earned it): none" in empty


def test_a_settlement_is_trading_and_its_day_is_when_it_was_paid() -> None:
    bought = fill("a", 1, YES, "0.40", "10", "0.05")
    settled = Settlement("KXA-1", "KXA", D(10), D(4), D(0), D(0), D(10), D("0.05"), D(1), 0, later(30))
    tomorrow: date = later(30).date()
    days = {TODAY: {}, tomorrow: {"KXA-1": DayMark(D(10), D("0.60"))}}
    rows = {row.name: row.money for row in build_report(facts(changes=[bought, settled], days=days)).days}
    assert rows[TODAY.isoformat()].trading == D("1.95")
    assert rows[tomorrow.isoformat()].trading == D("4.00")
    assert rows[TODAY.isoformat()].fees == D("0.05")
