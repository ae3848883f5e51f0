"""What may be asked for, and when: the exchange is given no reason to say 429, and nobody waits for nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.limits import UnevenWire, dictated, pace
from exchange import parse_account
from exchange.account import AccountLimits, BucketLimit
from exchange.errors import Gone
from exchange.json_fields import JsonObject
from exchange.models import Order, OrderRequest, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Side
from exchange.rate_limits import BALANCE, BASIC, COSTS, Endpoint, RateLimiter, largest_batch
from simulator.clock import SimulatedClock
from simulator.transport import ExchangeAdapter
from tests.support.bench import Bench, MakeBench, answer
from tests.support.project import START

LITTLE = 1e-3
"""Tokens that sums of floats may be off; the simulator's exchange lets as many be missing."""

READ = Endpoint("GET", "/portfolio/positions")
LOOK = Endpoint("GET", "/portfolio/balance", "balance")
CREATE = Endpoint("POST", "/portfolio/events/orders", "write", idempotent=False)
CANCEL = Endpoint("DELETE", "/portfolio/events/orders/{order_id}", "write")
CREATE_BATCH = Endpoint("POST", "/portfolio/events/orders/batched", "write", idempotent=False)
CANCEL_BATCH = Endpoint("DELETE", "/portfolio/events/orders/batched", "write")
TOLD_COSTS = {READ: 10, LOOK: 1, CREATE: 10, CANCEL: 2, CREATE_BATCH: 10, CANCEL_BATCH: 2}
"""By hand, from the exchange's page on rate limits: nothing of ours decides what the exchange takes."""

PREMIER = AccountLimits("premier", read=BucketLimit(1_200, 1_200), write=BucketLimit(1_200, 3_600))


# -- the buckets, beside a model of the exchange's ---------------------------------------------------------------


@dataclass
class Kept:
    """A bucket that is full at first and refills evenly."""

    rate: float
    capacity: float
    since: float
    left: float = 0.0

    def __post_init__(self) -> None:
        self.left = self.capacity

    def holds(self, now: float) -> float:
        self.left = min(self.capacity, self.left + (now - self.since) * self.rate)
        self.since = now
        return self.left

    def pay(self, tokens: float, now: float) -> None:
        self.left = self.holds(now) - tokens


class Step(NamedTuple):
    """A pause, then a call: `before` the exchange has it and `after` that so many seconds pass, and it may be lost
    on its way there, or on its way back."""

    call: Endpoint
    shard: int
    units: int
    keep: float
    pause: float
    before: float
    after: float
    lost: str


@st.composite
def _steps(draw: st.DrawFn) -> Step:
    call = draw(st.sampled_from(list(TOLD_COSTS)))
    is_batch = call.path.endswith("/batched")
    creates = call in (CREATE, CREATE_BATCH)
    way = st.just(0.0) | st.floats(0, 0.05) | st.floats(0, 10)
    return Step(
        call=call,
        shard=0 if is_batch else draw(st.sampled_from([0, 1, 3])),
        units=draw(st.integers(1, 100 // TOLD_COSTS[call])) if is_batch else 1,
        keep=draw(st.integers(0, 50)) if creates else 0,
        pause=draw(st.just(0.0) | st.floats(0, 5)),
        before=draw(way),
        after=draw(way),
        lost=draw(st.sampled_from(["", "", "", "there", "back"])),
    )


@given(st.sampled_from([BASIC, PREMIER]), st.lists(_steps(), min_size=1, max_size=80))
def test_no_sequence_of_calls_overdraws_a_rate_limit_bucket(limits: AccountLimits, steps: list[Step]) -> None:
    """The exchange charges a call when it arrives. The sender only knows that the answer came later, so the bot
    waits as if it had just arrived, and not a moment longer."""
    clock = SimulatedClock(START, pace=None)
    budget = RateLimiter(clock)
    budget.use_limits(limits, COSTS)
    sizes = {"read": limits.read, "write": limits.write, "balance": BALANCE}
    exchange: dict[tuple[str, int], Kept] = {}
    at_the_latest: dict[tuple[str, int], Kept] = {}
    for step in steps:
        clock.advance(step.pause)
        size = sizes[step.call.bucket]
        which = (step.call.bucket, step.shard if step.call.bucket == "write" else 0)
        theirs, known = (
            buckets.setdefault(which, Kept(size.rate, size.capacity, clock.monotonic()))
            for buckets in (exchange, at_the_latest)
        )
        tokens = TOLD_COSTS[step.call] * step.units
        began = clock.monotonic()
        needed = min(tokens + step.keep, size.capacity)
        must = max(needed - known.holds(began), 0.0) / size.rate
        with suppress(TimeoutError), budget.acquire(step.call, step.shard, step.units, step.keep):
            assert clock.monotonic() - began == pytest.approx(must, abs=1e-4)
            clock.advance(step.before)
            if step.lost != "there":
                theirs.pay(tokens, clock.monotonic())
                assert theirs.left >= -LITTLE
            clock.advance(step.after)
            if step.lost:
                raise TimeoutError
        known.pay(tokens, clock.monotonic())


@given(st.integers(1, 120), st.integers(0, 2**32))
def test_a_burst_takes_little_longer_than_the_bucket_dictates(calls: int, seed: int) -> None:
    """A burst takes at most two network ways more. A full bucket gains nothing during the first way, and the
    last way comes on top."""
    dice = random.Random(seed)
    clock = SimulatedClock(START, pace=None)
    budget = RateLimiter(clock)
    began, on_the_way = clock.monotonic(), 0.0
    for _ in range(calls):
        with budget.acquire(CREATE, 0):
            way = dice.uniform(0, 0.05)
            on_the_way += way
            clock.advance(way)
    took = clock.monotonic() - began
    assert took <= max((calls * 10 - 100) / 100, on_the_way) + 2 * 0.05 + LITTLE


def test_a_wait_ends_at_the_latest_when_the_bucket_is_full() -> None:
    """A call that asks for more tokens than the bucket can hold goes out when the bucket is full."""
    clock = SimulatedClock(START, pace=None)
    budget = RateLimiter(clock)
    began = clock.monotonic()
    for _ in range(2):
        with budget.acquire(CREATE_BATCH, 0, units=10, keep=50):
            pass
    assert clock.monotonic() - began == pytest.approx(1, abs=LITTLE)


@given(st.sampled_from([BASIC, PREMIER]), st.integers(0, 5_000), st.sampled_from([2, 10, 150]))
def test_creates_leave_tokens_for_cancels(limits: AccountLimits, resting: int, cost: int) -> None:
    """Creates leave the tokens that canceling all resting orders costs, at most half of the bucket. There is
    always room for a batch of at least one order."""
    budget = RateLimiter(SimulatedClock(START, pace=None))
    budget.use_limits(limits, COSTS)
    kept = budget.reserve_for_cancels(resting, CANCEL)
    assert kept == min(2 * resting, limits.write.capacity / 2)
    size = largest_batch(limits, cost, kept)
    assert size >= 1
    assert size == 1 or size * cost + kept <= limits.write.capacity < (size + 1) * cost + kept


# -- what a call costs -------------------------------------------------------------------------------------------

ANY, BATCH = "/portfolio/events/orders/:order_id", "/portfolio/events/orders/batched"
COSTS_TOLD: list[tuple[dict[str, int], Endpoint, int]] = [
    ({}, CREATE, 10),
    ({"POST /portfolio/events/orders": 7}, CREATE, 7),
    ({"POST /portfolio/events/orders/": 7}, CREATE, 7),
    ({"POST /portfolio/events/orders": 7}, CREATE_BATCH, 10),
    ({"POST /portfolio/events": 7}, CREATE, 10),
    ({"DELETE /portfolio/events/orders": 7}, CREATE, 10),
    ({f"DELETE {ANY}": 7}, CANCEL, 7),
    ({"DELETE /portfolio/events/orders/{id}": 7}, CANCEL, 7),
    ({"DELETE /portfolio/:what/orders/:order_id": 7}, CANCEL, 7),
    ({f"DELETE {BATCH}": 7}, CANCEL, 10),
    ({f"DELETE {ANY}": 7}, CANCEL_BATCH, 7),
    ({f"DELETE {ANY}": 7, f"DELETE {BATCH}": 3}, CANCEL_BATCH, 3),
    ({f"DELETE {BATCH}": 3, f"DELETE {ANY}": 7}, CANCEL_BATCH, 3),
    ({"DELETE /portfolio/*rest": 5}, CANCEL, 5),
    ({"DELETE /portfolio/*rest": 5}, CREATE, 10),
    ({"DELETE /portfolio/*rest": 5, f"DELETE {ANY}": 7}, CANCEL, 7),
    ({f"DELETE {ANY}": 7, "DELETE /portfolio/*rest": 5}, CANCEL, 7),
    ({"DELETE /*": 6, "DELETE /portfolio/*rest": 5}, CANCEL, 5),
    ({"DELETE /markets/*rest": 5}, CANCEL, 10),
]


@pytest.mark.parametrize("prefix", ["", "/trade-api/v2"])
@pytest.mark.parametrize(("table", "call", "cost"), COSTS_TOLD)
def test_a_call_costs_what_the_row_says_that_fits_it_best(
    table: dict[str, int], call: Endpoint, cost: int, prefix: str
) -> None:
    budget = RateLimiter(SimulatedClock(START, pace=None))
    budget.use_limits(BASIC, _told(table, prefix))
    assert budget.cost(call) == cost


@pytest.mark.parametrize("is_first", [True, False])
def test_a_cost_for_one_place_goes_before_a_cost_for_all(is_first: bool) -> None:
    """A row for one part of the path fits better than a row for all that follows, in either order of the rows."""
    rows = {f"DELETE {ANY}": 7, "DELETE /portfolio/events/orders/*rest": 5}
    budget = RateLimiter(SimulatedClock(START, pace=None))
    budget.use_limits(BASIC, _told(rows if is_first else dict(reversed(rows.items()))))
    assert budget.cost(CANCEL) == 7


def test_costs_that_the_exchange_tells_replace_the_known_ones() -> None:
    """When the exchange tells its costs, they replace all costs that were known before. A look at the balance
    costs one token of its own bucket."""
    budget = RateLimiter(SimulatedClock(START, pace=None))
    assert {call: budget.cost(call) for call in TOLD_COSTS} == TOLD_COSTS
    budget.use_limits(BASIC, _told({}))
    assert (budget.cost(CANCEL), budget.cost(LOOK)) == (10, 1), "a look at the balance is one of its own bucket"


def _told(table: dict[str, int], prefix: str = "") -> Any:
    rows = [
        {"method": method, "path": prefix + path, "cost": cost}
        for (method, path), cost in ((row.split(), cost) for row, cost in table.items())
    ]
    return parse_account.endpoint_costs(JsonObject("costs", {"default_cost": 10, "endpoint_costs": rows}))


# -- the client, on an exchange ----------------------------------------------------------------------------------


@pytest.fixture
def at_once(bench: Bench) -> Bench:
    """A bench whose wire takes no time: what passes is waited for."""
    bench.wire.inner = ExchangeAdapter(bench.exchange.api, bench.exchange.clock, latency=0.0)
    return bench


def order(bench: Bench, name: str, shard: int, rests: bool = False) -> OrderRequest:
    """Far from the market: it rests, or goes at once, and nobody trades with it."""
    market = next(m for m in bench.exchange.api.exchange.markets.values() if m.shard == shard)
    time_in_force = TimeInForce.GOOD_TILL_CANCELED if rests else TimeInForce.IMMEDIATE_OR_CANCEL
    bid = Bid(Side.YES, Decimal("0.01"), Decimal("0.01"))
    return OrderRequest(market.ticker, shard, name, bid, time_in_force, SelfTradePrevention.TAKER_AT_CROSS)


def burst(bench: Bench, count: int, shard: int, name: str = "burst") -> None:
    for number in range(count):
        bench.client.create_order(order(bench, f"{name}-{shard}-{number}", shard))


def took(bench: Bench, act: Callable[[], object]) -> float:
    began = bench.exchange.clock.monotonic()
    act()
    return bench.exchange.clock.monotonic() - began


def rest(bench: Bench, count: int, shard: int) -> list[Order]:
    """So many orders that rest, and full buckets after them."""
    for number in range(count):
        bench.client.create_order(order(bench, f"rests-{shard}-{number}", shard, rests=True))
    listed = [one for one in bench.client.get_resting_orders() if one.exchange_index == shard]
    assert len(listed) == count
    bench.pass_time(10)
    return listed


def refusals(bench: Bench) -> int:
    return sum(response.status_code == 429 for response in bench.wire.answers)


@pytest.mark.parametrize("seed", range(5))
def test_500_reads_then_200_writes_take_what_the_buckets_dictate(seed: int) -> None:
    found, least = pace(seed), dictated()
    assert (found.refusals, found.resting) == (0, 0)
    assert least.reads - 0.1 <= found.reads <= least.reads * 1.05
    assert least.writes - 0.1 <= found.writes <= least.writes * 1.05


@pytest.mark.parametrize("seed", range(4))
def test_no_mix_of_calls_is_ever_one_too_many(make_bench: MakeBench, seed: int) -> None:
    """Over a wire of 0 to 50 ms, on the exchange's own count."""
    bench = make_bench(seed)
    wire = bench.wire.inner = UnevenWire(bench.exchange, seed)
    dice, client = random.Random(seed), bench.client
    names = (f"mix-{number}" for number in range(100_000))

    def wanted() -> OrderRequest:
        return order(bench, next(names), dice.choice([0, 3]), rests=dice.random() < 0.7)

    def some(most: int) -> list[Order]:
        listed = client.get_resting_orders().all_or_raise()
        return dice.sample(listed, min(len(listed), dice.randint(0, most)))

    def cancel_some() -> None:
        for one in some(12):
            with suppress(Gone):
                client.cancel_order(one)

    def amend_some() -> None:
        for one in some(8):
            with suppress(Gone):  # a list still shows what was canceled just now
                client.amend_order(one, replace(one.bid, count=Decimal("0.02")))

    def read() -> None:
        for _ in range(dice.randint(1, 80)):
            client.get_exchange_status()

    def create() -> None:
        for _ in range(dice.randint(1, 25)):
            client.create_order(wanted())

    acts: list[Callable[[], object]] = [
        read,
        create,
        cancel_some,
        client.get_balance,
        lambda: client.create_orders([wanted() for _ in range(dice.randint(1, 25))]),
        lambda: client.cancel_orders(some(60)),
        amend_some,
        client.cancel_all_orders,
    ]
    for _ in range(80):
        dice.choice(acts)()
        if dice.random() < 0.3:
            bench.pass_time(dice.uniform(0, 2))
    assert client.requests_sent > 500
    assert wire.refusals == 0


@pytest.mark.parametrize("asked_before", [0, 30, 60])
def test_limits_that_are_read_fill_no_bucket(at_once: Bench, asked_before: int) -> None:
    for _ in range(asked_before):
        at_once.client.get_positions()
    assert at_once.client.read_limits() == BASIC
    for _ in range(70):
        at_once.client.get_positions()
    assert refusals(at_once) == 0


def test_a_higher_tier_is_used_once_it_is_known(make_bench: MakeBench) -> None:
    bench = make_bench(tier="premier")
    bench.wire.inner = ExchangeAdapter(bench.exchange.api, bench.exchange.clock, latency=0.0)
    bench.client.read_limits()
    bench.pass_time(10)
    assert took(bench, lambda: burst(bench, 360, shard=3)) == pytest.approx(0, abs=LITTLE)
    assert took(bench, lambda: burst(bench, 120, shard=3, name="more")) == pytest.approx(1, abs=LITTLE)
    assert refusals(bench) == 0


def test_a_look_at_the_balance_delays_nothing_else(at_once: Bench) -> None:
    """The bot reads the balance at most once a second, and that wait does not delay another call."""

    def look_five_times() -> None:
        for _ in range(5):
            at_once.client.get_balance()

    assert took(at_once, look_five_times) == pytest.approx(4, abs=LITTLE)
    assert took(at_once, at_once.client.get_positions) == 0
    assert refusals(at_once) == 0


def test_a_shards_bucket_is_its_own(at_once: Bench) -> None:
    assert took(at_once, lambda: burst(at_once, 10, shard=3)) == 0
    assert took(at_once, lambda: burst(at_once, 10, shard=0)) == 0
    assert took(at_once, lambda: burst(at_once, 5, shard=3, name="more")) == pytest.approx(0.5, abs=LITTLE)
    assert took(at_once, lambda: burst(at_once, 5, shard=0, name="more")) == 0, "it was filling meanwhile"
    assert took(at_once, at_once.client.get_positions) == 0, "reads have a bucket of their own"
    assert refusals(at_once) == 0


def test_a_batch_pays_for_each_of_its_orders(at_once: Bench) -> None:
    """A batch is one request, but it pays for every order from the bucket of shard 0, the first shard."""
    orders = [order(at_once, f"batch-{number}", shard=3) for number in range(10)]
    assert took(at_once, lambda: at_once.client.create_orders(orders)) == 0
    assert len(at_once.wire.sent) == 1
    assert took(at_once, lambda: burst(at_once, 10, shard=3)) == 0
    assert took(at_once, lambda: burst(at_once, 10, shard=0)) == pytest.approx(1, abs=LITTLE)
    assert refusals(at_once) == 0


@pytest.mark.parametrize("resting", [0, 1, 20, 25, 40])
def test_a_burst_of_creates_leaves_tokens_for_cancels(at_once: Bench, resting: int) -> None:
    """A burst of creates leaves the tokens that canceling all resting orders costs, at most half of the bucket.
    If nothing rests, it leaves none."""
    orders = rest(at_once, resting, shard=3)
    kept = min(2 * resting, 50)
    assert took(at_once, lambda: burst(at_once, 30, shard=3)) == pytest.approx(
        (300 + kept - 100) / 100, abs=LITTLE
    )

    def cancel_all() -> None:
        for one in orders:
            at_once.client.cancel_order(one)

    assert took(at_once, cancel_all) == pytest.approx((2 * resting - kept) / 100, abs=LITTLE)
    at_once.pass_time(10)
    again = lambda: burst(at_once, 10, shard=3, name="again")  # noqa: E731
    assert took(at_once, again) == 0, "nothing rests any more, so nothing is kept"
    assert refusals(at_once) == 0


def test_what_rests_on_one_shard_holds_nobody_up_on_another(at_once: Bench) -> None:
    at_once.client.cancel_all_orders()  # the account begins with orders on the first shard
    rest(at_once, 20, shard=3)
    assert took(at_once, lambda: burst(at_once, 10, shard=0)) == 0


def test_after_a_429_a_client_waits(at_once: Bench) -> None:
    """Another program draws on the same buckets, so a client waits though it counted enough tokens, and writes
    do not wait. With 10 tokens a read and 200 a second, 20 reads take a second."""
    at_once.wire.fault = lambda _, number: answer(429, '{"error":"too many requests"}') if number == 0 else None

    def read_twenty_times() -> None:
        for _ in range(20):
            at_once.client.get_positions()

    assert took(at_once, read_twenty_times) == pytest.approx(1, abs=0.06)
    assert len(at_once.wire.sent) == 21
    assert took(at_once, lambda: burst(at_once, 10, shard=3)) == 0, "a refused read says nothing of writes"
