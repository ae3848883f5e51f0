"""What the exchange pays for resting orders: a judge that scores wrongly would bless a bot that scores wrongly.

The rule is transcribed twice, in `rewards/rule_2026_07_30.py` and in the simulator, by nobody's copy of the
other. They must agree: here on recorded books, in `test_rule.py` on drawn ones. What the
simulator adds up in stretches is also added up second by second, the slow way.
"""

from __future__ import annotations

import json
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.orderbook import Bid, Book, Level, Side
from rewards import rule_2026_07_30 as rule
from simulator import lifecycle, order_entry, pauses
from simulator.exchange import Exchange
from simulator.listing import LINEAR, ListedEvent, ListedMarket, ListedProgram, ListedSeries
from simulator.matching import CONTRACT, DOLLAR, HalfBook, Order
from simulator.order_entry import OrderTerms
from simulator.recorded import read_books
from simulator.rewards import Level as SimulatedLevel
from simulator.rewards import ladder, payment, score_side
from simulator.statement import meters, rewards, seconds, statement
from tests.support.builders import CENTS
from tests.support.project import LIP_VECTORS, RECORDED_BOOKS, START, needs
from tests.support.small_exchange import listed

NOW = START.timestamp()
HALF = Fraction(1, 2)
HOUR, DAY = 3_600.0, 86_400.0


# -- one snapshot ----------------------------------------------------------------------------------------------


def levels_of(*owned: tuple[str | None, list[tuple[int, float]]]) -> list[SimulatedLevel]:
    """A side's levels, best first, from (tick, contracts) of each owner."""
    merged: dict[int, dict[str | None, int]] = {}
    for owner, levels in owned:
        for tick, size in levels:
            at = merged.setdefault(tick, {})
            at[owner] = at.get(owner, 0) + round(size * CONTRACT)
    return sorted(merged.items(), reverse=True)


@needs(LIP_VECTORS)
def test_every_published_vector_holds() -> None:
    published = json.loads(LIP_VECTORS.read_text(encoding="utf-8"))
    assert len(published["side"]) >= 10
    for vector in published["side"]:
        side = levels_of((None, vector["levels_ticks"]), ("me", vector["own"]))
        shares = score_side(side, vector["target"] * CONTRACT, Fraction(str(vector["df"])))
        if vector["result"] is None:
            assert shares == {}, vector["id"]
        else:
            assert float(shares.get("me", 0)) == pytest.approx(vector["result"]["share"], rel=1e-12), vector["id"]
    for vector in published["payout"]:
        args = vector["args"]
        cents = payment(
            Fraction(str(args["sum_user"])), Fraction(args["sum_all"]), Fraction(args["reward"]),
            args["n_valid"], args["n_total"],
        )  # fmt: skip
        assert cents / 100 == vector["expect"], vector["id"]


LADDERS = st.lists(
    st.tuples(st.integers(1, 99), st.sampled_from([None, "ann", "bob"]), st.integers(1, 200_000)), max_size=25
)


@given(LADDERS, st.integers(1, 300_000), st.sampled_from([HALF, Fraction(1, 20), Fraction(1)]))
def test_a_sides_shares_sum_to_one(
    orders: list[tuple[int, str | None, int]], target: int, discount: Fraction
) -> None:
    """What lies deeper than the target earns nothing. A side that is short of the target has no shares."""
    merged: dict[int, dict[str | None, int]] = {}
    for tick, owner, size in orders:
        at = merged.setdefault(tick, {})
        at[owner] = at.get(owner, 0) + size
    side = sorted(merged.items(), reverse=True)
    shares = score_side(side, target, discount)
    if sum(size for _, _, size in orders) < target:
        assert shares == {}
        return
    assert sum(shares.values()) == 1
    assert all(share > 0 for share in shares.values())
    walked, paid = 0, set()
    for _, sizes in side:
        if walked < target:
            paid |= sizes.keys()
        walked += sum(sizes.values())
    assert shares.keys() == paid


@needs(RECORDED_BOOKS)
def test_the_bot_and_the_exchange_agree_on_every_recorded_book() -> None:
    scored = disqualified = 0
    for levels in read_books(RECORDED_BOOKS).values():
        book = Book("R", *(tuple(_bot_levels(levels, side)) for side in Side))
        for side, is_bid in ((Side.YES, True), (Side.NO, False)):
            half = HalfBook(is_bid)
            sizes = levels.bids if is_bid else levels.asks
            if any(price % 100 for price in sizes):
                continue
            for price, size in sizes.items():
                half.add(Order("R", is_bid, price, size))
            touch = book.best(side)
            if touch is None:
                continue
            own = Bid(side, touch.price, Decimal(7))
            price = half.best()
            assert price is not None
            half.add(Order("R", is_bid, price, 7 * CONTRACT, owner="us"))
            by_exchange = score_side(ladder(half, LINEAR, is_bid), 1_000 * CONTRACT, HALF).get("us", Fraction(0))
            ticks, top = CENTS.tick_table(side), CENTS.tops[0]
            by_bot = rule.score_side(book.side(side), [own], Decimal(1000), Decimal("0.5"), ticks, top)
            if touch.price >= top:
                assert by_bot is None
                disqualified += 1
                continue
            assert (by_bot.share() if by_bot else 0) == pytest.approx(float(by_exchange), rel=1e-9)
            scored += by_exchange > 0
    assert scored > 1_000
    assert 0 < disqualified < scored / 10


def _bot_levels(levels: Any, side: Side) -> list[Level]:
    own = levels.bids if side is Side.YES else {10_000 - price: size for price, size in levels.asks.items()}
    return [Level(Decimal(p) / 10_000, Decimal(s) / CONTRACT) for p, s in sorted(own.items(), reverse=True)]


# -- windows ---------------------------------------------------------------------------------------------------


def exchange_with_program(reward: int = 100, seconds: float = DAY, **terms: Any) -> tuple[Exchange, ListedMarket]:
    """A market with 1,000 contracts on each side, and a program of `reward` dollars that starts now."""
    exchange = Exchange(NOW, 5)
    event = ListedEvent(1, "KXM", ListedSeries("KXM", "A series", "World", "custom", 0), "An event")
    market = ListedMarket(exchange.next_number(), "KXM-1", event, "A market", NOW - 1, NOW + 30 * DAY)
    lifecycle.list_market(exchange, market, lambda: "yes")
    for owner in ("ann", "bob"):
        exchange.open_account(owner, {0: 10_000 * DOLLAR})
    for is_bid, price in ((True, 4_000), (False, 6_000)):
        assert exchange.crowd_rest(market, is_bid, price, 1_000 * CONTRACT)
    add_program(exchange, reward, seconds, **terms)
    return exchange, market


def add_program(exchange: Exchange, reward: int, length: float, **terms: Any) -> None:
    shape: dict[str, Any] = {
        "kind": "liquidity", "starts": NOW, "reward": reward * 10_000, "target": 1_000 * CONTRACT,
        "discount_bps": 5_000,
    }  # fmt: skip
    number = exchange.next_number()
    program = ListedProgram(number, f"program-{number}", "KXM-1", ends=NOW + length, **(shape | terms))
    lifecycle.list_program(exchange, program)


def bid(exchange: Exchange, owner: str, price: int, contracts: int, is_bid: bool = True) -> Order:
    order, _ = order_entry.create(exchange, owner, OrderTerms("KXM-1", is_bid, price, contracts * CONTRACT))
    return order


def credits(exchange: Exchange, owner: str) -> list[tuple[float, int]]:
    return [(entry.time, entry.amount) for entry in exchange.accounts[owner].journal if entry.kind == "reward"]


def test_a_window_is_paid_within_two_days_of_its_end() -> None:
    """The reward comes an hour to two days after the end. It is cash without a label, in no list of fills,
    settlements, transfers or deposits."""
    exchange, _ = exchange_with_program(reward=100)
    bid(exchange, "ann", 4_000, 1_000)
    before = exchange.accounts["ann"].cash[0]
    exchange.advance(NOW + DAY + HOUR)
    assert credits(exchange, "ann") == []
    assert not exchange.programs[0].paid_out
    exchange.advance(NOW + DAY + 48 * HOUR + 1)
    assert exchange.programs[0].paid_out
    # Half of one side, all of the time: a quarter of the pool.
    ((_, paid),) = credits(exchange, "ann")
    assert paid == 25 * DOLLAR
    account = exchange.accounts["ann"]
    assert account.cash[0] == before + paid
    assert (account.fills, account.settlements, account.transfers, len(account.deposits)) == ([], [], [], 1)
    assert credits(exchange, "bob") == []


def test_an_event_is_paid_in_one_instant_with_a_measured_lag() -> None:
    """All windows of an event that end together are paid then. A series keeps its kind of lag, each event has its
    own. Windows of an hour or less take longest. The same seed pays at the same times."""
    lags = paid_after(seed=3, length=DAY)
    assert lags == paid_after(seed=3, length=DAY)
    assert lags != paid_after(seed=4, length=DAY)
    spans = set()
    for series in range(40):
        events = [lags[f"KX{series}-{event}"] for event in range(5)]
        assert {len(hours) for hours in events} == {1}, "the three markets of an event in one instant"
        hours = [one for several in events for one in several]
        assert len(set(hours)) == 5
        (span,) = [span for span in lifecycle.CREDIT_HOURS if span[0] <= min(hours) and max(hours) <= span[1]][-1:]
        spans.add(span)
    assert spans == set(lifecycle.CREDIT_HOURS)
    for hours in paid_after(seed=3, length=HOUR).values():
        assert len(hours) == 1
        assert 48 <= min(hours) <= 72


def paid_after(seed: int, length: float) -> dict[str, set[float]]:
    """Hours from the end to the payment of each of five events of forty series, with three markets each."""
    exchange = Exchange(NOW, seed)
    found: dict[str, set[float]] = {}
    for series in range(40):
        for event in range(5):
            for market in range(3):
                ticker = f"KX{series}-{event}-T{market}"
                listed(exchange, ticker)
                program = ListedProgram(
                    exchange.next_number(), f"p-{ticker}", ticker, "liquidity", NOW, NOW + length, 10_000,
                    CONTRACT, 5_000,
                )  # fmt: skip
                hours = (lifecycle.credit_time(exchange, program) - NOW - length) / HOUR
                found.setdefault(f"KX{series}-{event}", set()).add(hours)
    return found


def test_paid_out_is_told_from_the_instant_of_the_payment_on() -> None:
    exchange, _ = exchange_with_program(reward=100)
    bid(exchange, "ann", 4_000, 1_000)
    (program,) = exchange.programs
    at = lifecycle.credit_time(exchange, program)
    exchange.advance(at - 1)
    assert (program.paid_out, credits(exchange, "ann")) == (False, [])
    exchange.advance(at)
    assert (program.paid_out, credits(exchange, "ann")) == (True, [(at, 25 * DOLLAR)])


def test_a_running_window_is_told_up_to_now() -> None:
    exchange, _ = exchange_with_program(reward=100)
    bid(exchange, "ann", 4_000, 1_000)
    exchange.advance(NOW + 12 * HOUR)
    assert rewards(exchange, "ann") == 1_250
    assert statement(exchange, "ann")["rewards"][0]["share_seconds"] == pytest.approx(DAY / 4, abs=1)


def test_seconds_that_an_order_does_not_rest_are_not_paid() -> None:
    exchange, _ = exchange_with_program(reward=100)
    exchange.advance(NOW + 6 * HOUR)
    order = bid(exchange, "ann", 4_000, 1_000)
    exchange.advance(NOW + 12 * HOUR)
    order_entry.cancel(exchange, "ann", order.order_id, 0)
    exchange.advance(NOW + DAY)
    assert rewards(exchange, "ann") == 625


def test_excluded_seconds_pay_nothing() -> None:
    """They still count in the denominator, as in the official example: a fifth of all scores, $100, 8,000 of
    10,000 snapshots valid: $16.00."""
    exchange, market = exchange_with_program(reward=100, seconds=10_000)
    for is_bid, price in ((True, 4_000), (False, 6_000)):
        bid(exchange, "ann", price, 250, is_bid)
    exchange.advance(NOW + 4_000)
    lifecycle.halt(exchange, market)
    exchange.advance(NOW + 6_000)
    market.status = "active"
    exchange.changed(market)
    exchange.advance(NOW + 10_000)
    assert rewards(exchange, "ann") == 1_600


@pytest.mark.parametrize("what", ["trading", "exchange"])
def test_nothing_is_earned_while_trading_is_paused(what: str) -> None:
    exchange, _ = exchange_with_program(reward=100)
    bid(exchange, "ann", 4_000, 1_000)
    exchange.advance(NOW + 12 * HOUR)
    pauses.pause(exchange, what)
    exchange.advance(NOW + DAY)
    assert rewards(exchange, "ann") == 1_250


def test_a_side_short_of_the_target_costs_both_sides_pay() -> None:
    """While one side is short of the target, the other side is not paid either. Those snapshots are not valid."""
    exchange, market = exchange_with_program(reward=100)
    bid(exchange, "ann", 4_000, 1_000)
    exchange.advance(NOW + 12 * HOUR)
    exchange.crowd_take(market, True, 6_000, 1)
    exchange.advance(NOW + DAY)
    assert rewards(exchange, "ann") == 1_250
    assert statement(exchange, "ann")["rewards"][0]["valid_snapshots"] == pytest.approx(DAY / 2, abs=1)


def test_less_than_a_dollar_or_more_than_the_cap_is_not_paid() -> None:
    """A reward of less than a dollar is not paid at all. No account gets more than the cap of a program."""
    for reward, cap, cents in ((4, None, 100), (3, None, 0), (100, 30_000, 300)):
        exchange, _ = exchange_with_program(reward=reward, cap=cap)
        bid(exchange, "ann", 4_000, 1_000)
        exchange.advance(NOW + 4 * DAY)
        assert rewards(exchange, "ann") == cents
        assert sum(amount for _, amount in credits(exchange, "ann")) == cents * 10_000


def test_overlapping_programs_both_pay() -> None:
    """Programs of other kinds do not pay."""
    exchange, _ = exchange_with_program(reward=100)
    add_program(exchange, 200, DAY)
    add_program(exchange, 400, DAY, kind="volume")
    add_program(exchange, 800, DAY, target=None, discount_bps=None)
    bid(exchange, "ann", 4_000, 1_000)
    exchange.advance(NOW + 4 * DAY)
    assert sorted(amount for _, amount in credits(exchange, "ann")) == [25 * DOLLAR, 50 * DOLLAR]
    assert all(program.paid_out for program in exchange.programs)


def test_scores_of_stretches_equal_the_sum_of_their_seconds() -> None:
    """A busy hour is added up in stretches and scored again one snapshot at a time, each at its own instant."""
    dice = random.Random(11)
    exchange, market = exchange_with_program(reward=500, seconds=HOUR)
    by_hand = {"ann": Fraction(0), "bob": Fraction(0)}
    valid = 0
    moments = sorted(dice.uniform(NOW, NOW + HOUR) for _ in range(400))
    for second in range(int(NOW), int(NOW + HOUR)):
        instant = exchange.snapshots.instant(second)
        while moments and moments[0] < instant:
            exchange.advance(moments.pop(0))
            _something_happens(exchange, market, dice)
        exchange.advance(instant)
        sides = [
            score_side(ladder(market.book.half(is_bid), LINEAR, is_bid), 1_000 * CONTRACT, HALF)
            for is_bid in (True, False)
        ]
        if market.status == "active" and all(sides):
            valid += 1
            for owner in by_hand:
                by_hand[owner] += sum((side.get(owner, Fraction(0)) for side in sides), Fraction(0))
    exchange.advance(NOW + HOUR)
    (meter,) = exchange.ended
    assert 1_000 < meter.valid < HOUR
    assert meter.valid == valid
    for owner, total in by_hand.items():
        assert total > 0
        assert meter.scores[owner].total / 10**18 == pytest.approx(float(total), rel=1e-12)
        listed = sum(yes + no for _, yes, no in seconds(meter, owner))
        assert listed == pytest.approx(float(total), rel=1e-9)


def _something_happens(exchange: Exchange, market: ListedMarket, dice: random.Random) -> None:
    owner, is_bid = dice.choice(["ann", "bob"]), dice.random() < 0.5
    price = dice.randint(30, 49) * 100 if is_bid else dice.randint(51, 70) * 100
    roll = dice.random()
    resting = exchange.resting(owner)
    if market.status != "active":
        market.status = "active"
        exchange.changed(market)
    elif roll < 0.4:
        bid(exchange, owner, price, dice.randint(1, 400), is_bid)
    elif roll < 0.6 and resting:
        order_entry.cancel(exchange, owner, dice.choice(resting).order_id, 0)
    elif roll < 0.75:
        exchange.crowd_rest(market, is_bid, price, dice.randint(1, 900) * CONTRACT)
        exchange.changed(market)
    elif roll < 0.95:
        exchange.crowd_take(market, not is_bid, 3_000 if is_bid else 7_000, dice.randint(1, 600) * CONTRACT)
    else:
        lifecycle.halt(exchange, market)


def test_the_statement_says_where_every_cent_came_from() -> None:
    exchange, _ = exchange_with_program(reward=100)
    bid(exchange, "ann", 4_000, 1_000)
    exchange.advance(NOW + 4 * DAY)
    told = statement(exchange, "ann")
    booked = sum(Decimal(entry["amount"]) for entry in told["journal"])
    assert booked == sum(map(Decimal, told["cash"].values()))
    assert told["totals"] == {"deposit": "10000.0000", "reward": "25.0000"}
    (window,) = told["rewards"]
    assert (window["pays"], window["paid_out"]) == ("25.0000", True)
    assert window["share_seconds"] == pytest.approx(DAY / 2)
    assert len(meters(exchange, "bob")) == 0
    assert json.loads(json.dumps(told)) == told
