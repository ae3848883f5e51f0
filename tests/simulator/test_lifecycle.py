"""Markets live and end as the exchange says. A bot that quotes into a close, or counts on money before it is paid,
must find here what it would find there."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from simulator import lifecycle, order_entry, pauses
from simulator.exchange import Exchange, Refusal
from simulator.fees import STANDARD
from simulator.lifecycle import DETERMINE_SECONDS, WITHDRAW_SECONDS
from simulator.listing import DECI, LINEAR, ListedProgram
from simulator.matching import CONTRACT, DOLLAR
from simulator.pauses import next_maintenance
from tests.support.small_exchange import NOW, M, amend, ask, bid, held, listed, refusal, small_exchange

HOUR = 3_600.0


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=timezone.utc).timestamp()  # type: ignore[arg-type, misc]


def test_an_order_goes_when_it_expires() -> None:
    exchange, market = small_exchange()
    short, long = bid(exchange, "ann", 40, 1, expires=NOW + 10), bid(exchange, "ann", 40, 1)
    exchange.advance(NOW + 9.9)
    assert short.status == "resting"
    exchange.advance(NOW + 10)
    assert (short.status, short.updated, long.status) == ("canceled", NOW + 10, "resting")
    assert market.book.bids.levels() == [(4_000, 100)]


def test_a_market_opens_closes_is_determined_then_pays() -> None:
    """Orders are refused before the opening and after the close. After the close a resting order cannot be
    changed or cancelled; the exchange withdraws it."""
    exchange, _ = small_exchange()
    market = listed(exchange, "KXN-26-T1", opens_in=60, closes_in=600)
    want = {"ticker": "KXN-26-T1"}
    assert market.status == "initialized"
    assert refusal(lambda: bid(exchange, "ann", 40, 1, **want)) == (409, "market_closed")
    exchange.advance(NOW + 60)
    assert market.status == "active"
    ask(exchange, "bob", 40, 10, **want)
    bid(exchange, "ann", 40, 10, **want)
    resting = bid(exchange, "ann", 30, 1, **want)
    closes = NOW + 600
    exchange.advance(closes)
    assert (market.status, resting.status, market.result) == ("closed", "resting", "")
    for late in (
        lambda: order_entry.cancel(exchange, "ann", resting.order_id, 0),
        lambda: order_entry.decrease(exchange, "ann", resting.order_id, 0, 1, None),
        lambda: amend(exchange, resting, count=0.5),
    ):
        assert refusal(late) == (409, "market_inactive")
    assert refusal(lambda: bid(exchange, "ann", 40, 1, **want)) == (409, "market_closed")
    order_entry.cancel_all(exchange, "ann")
    assert resting.status == "resting"
    exchange.advance(closes + WITHDRAW_SECONDS)
    assert (resting.status, exchange.resting("ann")) == ("canceled", [])
    exchange.advance(closes + DETERMINE_SECONDS)
    assert (market.status, market.result, market.settled) == ("determined", "yes", None)
    cash = exchange.accounts["ann"].cash[0]
    ends = closes + DETERMINE_SECONDS + market.settlement_timer
    exchange.advance(ends - 0.1)
    assert exchange.accounts["ann"].cash[0] == cash
    exchange.advance(ends)
    assert (market.status, market.settled) == ("finalized", ends)
    assert exchange.accounts["ann"].cash[0] == cash + 10 * DOLLAR


@pytest.mark.parametrize(("result", "ann", "bob"), [("yes", 10, 0), ("no", 0, 10)])
def test_a_settlement_pays_a_dollar_for_each_contract_that_won(result: str, ann: int, bob: int) -> None:
    """The settlement lists the revenue, the counts, the costs and the fees, for the side that won and for the
    one that lost."""
    exchange, market = small_exchange()
    ask(exchange, "bob", 40, 10)
    bid(exchange, "ann", 40, 10)
    before = {owner: account.cash[0] for owner, account in exchange.accounts.items()}
    lifecycle.settle_now(exchange, market, result)
    assert (market.status, market.result) == ("finalized", result)
    for owner, revenue, yes, no, cost in (("ann", ann, 10, 0, 4), ("bob", bob, 0, 10, 6)):
        account = exchange.accounts[owner]
        assert account.cash[0] == before[owner] + revenue * DOLLAR
        (settled,) = account.settlements
        assert settled.revenue == revenue * DOLLAR
        assert (settled.yes_count, settled.no_count) == (yes * CONTRACT, no * CONTRACT)
        assert (settled.yes_cost, settled.no_cost) == ((cost * DOLLAR, 0) if yes else (0, cost * DOLLAR))
        assert (settled.result, settled.ticker, settled.event_ticker) == (result, M, market.event.ticker)
        assert settled.fees == (STANDARD.at_most(4_000, 10 * CONTRACT) if owner == "ann" else 0)
        holding = account.holdings[M]
        assert (holding.count, holding.cost, holding.realized) == (0, 0, (revenue - cost) * DOLLAR)


def test_a_settlement_lists_all_bought_and_pays_the_rest() -> None:
    """Pairs that were paid back long before are in the counts and the costs, and pay nothing again. The fees are
    those of the fills, and are not charged again."""
    exchange, market = small_exchange()
    ask(exchange, "bob", 40, 20.31)
    bid(exchange, "ann", 40, 20.31)
    bid(exchange, "bob", 45, 20)
    ask(exchange, "ann", 45, 20)
    account = exchange.accounts["ann"]
    cash, fees = account.cash[0], sum(fill.fee for fill in account.fills)
    lifecycle.settle_now(exchange, market, "yes")
    (settled,) = account.settlements
    assert (settled.yes_count, settled.no_count) == (2_031, 2_000)
    assert (settled.yes_cost, settled.no_cost) == (8_124_000, 11_000_000)
    assert (settled.revenue, settled.fees) == (310_000, fees)
    assert account.cash[0] - cash == 310_000


def test_a_flat_market_has_a_settlement_that_pays_nothing() -> None:
    """An account that never traded there has none, even if its order rested."""
    exchange, market = small_exchange(owners="ann bob cat")
    ask(exchange, "bob", 40, 10)
    bid(exchange, "ann", 40, 10)
    bid(exchange, "bob", 45, 10)
    ask(exchange, "ann", 45, 10)
    bid(exchange, "cat", 30, 10)
    held(exchange.accounts["cat"])
    journal = {owner: len(account.journal) for owner, account in exchange.accounts.items()}
    lifecycle.settle_now(exchange, market, "yes")
    for owner in ("ann", "bob"):
        (settled,) = exchange.accounts[owner].settlements
        assert (settled.yes_count, settled.no_count, settled.revenue) == (1_000, 1_000, 0)
    assert exchange.accounts["cat"].settlements == []
    assert {owner: len(account.journal) for owner, account in exchange.accounts.items()} == journal


@pytest.mark.parametrize(
    ("payout", "result", "count", "yes_cents", "no_cents"),
    [
        (4_500, "scalar", 0.14, 6, 7),  # 6.3 and 7.7 cents
        (5_000, "scalar", 1, 50, 50),  # a tie
        (5_000, "scalar", 0.01, 0, 0),  # half a cent each
        (100, "scalar", 10, 10, 990),
        (10_000, "yes", 0.31, 31, 0),
        (0, "no", 0.31, 0, 31),
    ],
)
def test_a_market_may_pay_a_part_to_each_side(
    payout: int, result: str, count: float, yes_cents: int, no_cents: int
) -> None:
    """The exchange keeps what is less than a cent. YES and NO never get more than a dollar together."""
    exchange, market = small_exchange()
    ask(exchange, "bob", 40, count)
    bid(exchange, "ann", 40, count)
    lifecycle.settle_now(exchange, market, payout)
    assert (market.result, market.payout) == (result, payout)
    for owner, cents in (("ann", yes_cents), ("bob", no_cents)):
        account = exchange.accounts[owner]
        (settled,) = account.settlements
        assert (settled.revenue, settled.payout, settled.result) == (cents * 10_000, payout, result)
        assert sum(entry.amount for entry in account.journal) == account.cash[0]
        assert sum(entry.amount for entry in account.journal if entry.kind == "settlement") == cents * 10_000
    assert yes_cents + no_cents <= count * 100


def test_a_market_that_is_settled_early_stays_settled() -> None:
    exchange, market = small_exchange()
    unopened = listed(exchange, "KXN-26-T1", opens_in=60, closes_in=600)
    resting = bid(exchange, "ann", 40, 1)
    lifecycle.settle_now(exchange, market, "no")
    lifecycle.settle_now(exchange, unopened, "no")
    assert resting.status == "canceled"
    for seconds in (0, 61, 601, 2e6):
        exchange.advance(NOW + seconds)
        assert {m.status for m in (market, unopened)} == {"finalized"}
    assert market.closes == market.settled == NOW


def test_a_market_that_closes_early_is_not_paid_twice() -> None:
    """If a market closes early and its planned close comes later, each account has one settlement, and the
    first result stays."""
    exchange, market = small_exchange()
    ask(exchange, "bob", 40, 10)
    bid(exchange, "ann", 40, 10)
    lifecycle.close(exchange, market, lambda: "no")
    lifecycle.close(exchange, market, lambda: "yes")
    exchange.advance(NOW + 2e6)
    assert market.result == "no"
    assert [len(account.settlements) for account in exchange.accounts.values()] == [1, 1]


def test_a_halt_keeps_orders_and_the_reactivation_takes_them() -> None:
    exchange, market = small_exchange()
    order, other = bid(exchange, "ann", 40, 1), bid(exchange, "ann", 41, 1)
    exchange.crowd_rest(market, False, 6_000, 500)
    lifecycle.halt(exchange, market)
    assert refusal(lambda: bid(exchange, "ann", 40, 1)) == (409, "trading_is_paused")
    assert refusal(lambda: amend(exchange, order, count=0.5)) == (409, "trading_is_paused")
    order_entry.cancel(exchange, "ann", other.order_id, 0)
    assert order.status == "resting"
    lifecycle.reactivate(exchange, market)
    assert (order.status, market.status) == ("canceled", "active")
    assert market.book.bids.levels() == market.book.asks.levels() == []
    bid(exchange, "ann", 40, 1)
    lifecycle.reactivate(exchange, market)
    assert market.book.bids.levels() == [(4_000, 100)], "it was trading"


def test_a_halted_market_closes_all_the_same() -> None:
    exchange, market = small_exchange()
    ask(exchange, "bob", 40, 10)
    bid(exchange, "ann", 40, 10)
    lifecycle.halt(exchange, market)
    exchange.advance(market.closes + 2 * HOUR)
    assert market.status == "finalized"
    assert len(exchange.accounts["ann"].settlements) == 1


def test_a_finer_grid_keeps_resting_orders() -> None:
    """After a change to a finer grid the market takes finer prices, which it refused before. The orders that
    rested still trade."""
    exchange, market = small_exchange()
    order = bid(exchange, "ann", 40, 1)
    assert refusal(lambda: bid(exchange, "ann", 40.1, 1)) == (400, "invalid_price")
    assert market.grid is LINEAR
    lifecycle.change_grid(exchange, market, DECI)
    finer = bid(exchange, "ann", 40.1, 1)
    assert market.book.bids.levels() == [(4_000, 100), (4_010, 100)]
    ask(exchange, "bob", 40, 1.5)
    assert (finer.status, order.filled) == ("executed", 50)


# -- the weekly pause --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "starts"),
    [
        (utc(2026, 11, 22, 15), utc(2026, 11, 26, 8)),  # winter: UTC-5
        (utc(2026, 7, 1, 15), utc(2026, 7, 2, 7)),  # summer: UTC-4
        (utc(2026, 7, 2, 7), utc(2026, 7, 2, 7)),
        (utc(2026, 7, 2, 8, 59), utc(2026, 7, 2, 7)),
        (utc(2026, 7, 2, 9), utc(2026, 7, 9, 7)),
        (utc(2026, 10, 29, 9), utc(2026, 11, 5, 8)),  # the clocks change in between
        (utc(2027, 3, 11, 10), utc(2027, 3, 18, 7)),
        (utc(2026, 11, 26, 4, 30), utc(2026, 11, 26, 8)),  # Thursday in UTC, Wednesday in New York
    ],
)
def test_the_weekly_pause_is_on_thursday_from_3_to_5_in_new_york(now: float, starts: float) -> None:
    """This holds in winter and in summer, across a change of the clocks, and where the day in UTC is another
    one."""
    assert next_maintenance(now) == (starts, starts + 2 * HOUR)
    local = datetime.fromtimestamp(starts, ZoneInfo("America/New_York"))
    assert (local.weekday(), local.hour, local.minute) == (3, 3, 0)


@pytest.mark.parametrize("opens", [utc(2026, 11, 22, 15), utc(2026, 7, 1, 15)])
def test_trading_pauses_every_week_for_two_hours(opens: float) -> None:
    exchange = Exchange(opens, 1)
    listed(exchange, closes_in=1e7)
    exchange.open_account("ann", {0: 100 * DOLLAR})
    pauses.plan_maintenance(exchange)
    stays = bid(exchange, "ann", 40, 1)
    leaves = bid(exchange, "ann", 40, 1, cancel_on_pause=True)
    first, _ = next_maintenance(opens)
    for week in range(4):
        starts = first + week * 7 * 24 * HOUR
        exchange.advance(starts - 1)
        bid(exchange, "ann", 1, 1)
        exchange.advance(starts)
        with pytest.raises(Refusal, match="trading_is_paused"):
            bid(exchange, "ann", 1, 1)
        exchange.advance(starts + 2 * HOUR - 1)
        with pytest.raises(Refusal, match="trading_is_paused"):
            bid(exchange, "ann", 1, 1)
        exchange.advance(starts + 2 * HOUR)
        bid(exchange, "ann", 1, 1)
    assert (stays.status, leaves.status, leaves.updated) == ("resting", "canceled", first)


def test_an_exchange_that_opens_in_the_weekly_pause_is_paused() -> None:
    exchange = Exchange(utc(2026, 11, 26, 9), 1)
    listed(exchange)
    exchange.open_account("ann", {0: 100 * DOLLAR})
    pauses.plan_maintenance(exchange)
    exchange.advance(exchange.now)
    assert refusal(lambda: bid(exchange, "ann", 40, 1)) == (409, "trading_is_paused")
    exchange.advance(utc(2026, 11, 26, 10))
    bid(exchange, "ann", 40, 1)


def test_the_weekly_pause_does_not_end_an_exchange_pause() -> None:
    """The weekly pause neither ends nor weakens a pause of the whole exchange. A cancel is refused before, in
    and after it, until the exchange resumes."""
    exchange, _ = small_exchange()
    pauses.plan_maintenance(exchange)
    order = bid(exchange, "ann", 40, 1)
    starts, ends = next_maintenance(NOW)
    exchange.at(starts - 60, lambda: pauses.pause(exchange, "exchange"))
    for time in (starts - 1, starts + 1, ends + 1):
        exchange.advance(time)
        cancel = lambda: order_entry.cancel(exchange, "ann", order.order_id, 0)  # noqa: E731
        assert refusal(cancel) == (409, "exchange_is_paused")
    pauses.resume(exchange, "exchange")
    order_entry.cancel(exchange, "ann", order.order_id, 0)


def test_pauses_that_overlap_each_last_their_own_time() -> None:
    exchange, _ = small_exchange()
    order = bid(exchange, "ann", 40, 1)
    pauses.pause(exchange, "exchange")
    pauses.pause(exchange, "trading")
    pauses.resume(exchange, "trading")
    assert refusal(lambda: order_entry.cancel(exchange, "ann", order.order_id, 0)) == (409, "exchange_is_paused")
    pauses.pause(exchange, "trading")
    pauses.resume(exchange, "exchange")
    order_entry.cancel(exchange, "ann", order.order_id, 0)
    assert refusal(lambda: bid(exchange, "ann", 40, 1)) == (409, "trading_is_paused")
    pauses.resume(exchange, "trading")
    bid(exchange, "ann", 40, 1)


# -- programs ----------------------------------------------------------------------------------------------------


def test_a_short_window_pays_two_to_three_days_after_its_end() -> None:
    """The account whose orders rested in the window gets its reward on shard 0."""
    exchange, market = small_exchange()
    program = ListedProgram(
        exchange.next_number(), "p", M, "liquidity", NOW + 60, NOW + HOUR, 40 * 10_000, 10 * CONTRACT, 5_000
    )
    lifecycle.list_program(exchange, program)
    bid(exchange, "ann", 40, 10)
    ask(exchange, "ann", 60, 10)
    before = exchange.accounts["ann"].cash[0]
    exchange.advance(NOW + HOUR)
    assert exchange.running[market.ticker] == []
    exchange.advance(NOW + 49 * HOUR - 1)
    assert (program.paid_out, exchange.accounts["ann"].cash[0]) == (False, before)
    exchange.advance(NOW + 73 * HOUR)
    assert program.paid_out
    assert exchange.accounts["ann"].cash[0] == before + 40 * DOLLAR
    (entry,) = [entry for entry in exchange.accounts["ann"].journal if entry.kind == "reward"]
    assert (entry.about, entry.shard) == ("p", 0)
    assert held(exchange.accounts["ann"]) == 0
