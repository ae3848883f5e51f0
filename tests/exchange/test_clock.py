"""The exchange's time on a machine whose clock is wrong: what is signed, sent and compared goes by the former."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clients import KalshiHttpClient
from exchange.clock import TOLERANCE, ExchangeClock, WallClock
from exchange.errors import Unauthorized
from exchange.models import OrderRequest, OrderStatus, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Side
from exchange.signing import Signer
from simulator.api.listing_forms import http_date
from simulator.clock import SimulatedClock
from tests.support.bench import Bench, MakeBench, answer
from tests.support.project import START

MARKET, SHARD = "KXMLBGAME-26NOV25-T2", 3
EXPIRED = '{"error":{"code":"header_timestamp_expired","message":"too far from now"}}'


@dataclass
class Machine:
    """The clock of a machine that is `ahead` of the exchange. What it measures between two moments is right."""

    true: SimulatedClock
    ahead: float = 0.0

    def now(self) -> datetime:
        return self.true.now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return self.true.monotonic()

    def sleep(self, seconds: float) -> None:
        self.true.sleep(seconds)


@dataclass
class Off:
    """A client on a machine whose clock is off, and the exchange that it speaks to."""

    bench: Bench
    machine: Machine
    client: KalshiHttpClient

    @property
    def error(self) -> float:
        """Seconds by which what the client takes for the exchange's time is wrong."""
        return abs((self.client.clock.now() - self.machine.true.now()).total_seconds())

    def order(self, seconds: float = 30) -> OrderRequest:
        return OrderRequest(
            MARKET, SHARD, "lipbot-clock", Bid(Side.YES, Decimal("0.50"), Decimal(1)),
            TimeInForce.GOOD_TILL_CANCELED, SelfTradePrevention.MAKER,
            expires=self.client.clock.now() + timedelta(seconds=seconds),
        )  # fmt: skip


@pytest.fixture
def off(make_bench: MakeBench) -> Callable[..., Off]:
    def make(ahead: float, **options: object) -> Off:
        bench = make_bench(programs=12, who=(), **options)
        exchange = bench.exchange
        machine = Machine(exchange.clock, ahead)
        signer = Signer(exchange.key_id, exchange.private_key)
        return Off(bench, machine, KalshiHttpClient(exchange.base_url, signer, machine, exchange.session))

    return make


# -- the clock alone ----------------------------------------------------------------------------------------------

Answers = list[tuple[float, float, float]]
"""Of each answer: seconds before its request, on the way there, and on the way back."""


def answers(slowest: float) -> st.SearchStrategy[Answers]:
    way = st.floats(0, slowest / 2)
    return st.lists(st.tuples(st.floats(0, 5), way, way), min_size=1, max_size=25)


def heard(clock: ExchangeClock, true: SimulatedClock, told: Answers) -> Iterator[str | None]:
    """Let the exchange answer, and see what the clock has to say after each answer."""
    for pause, there, back in told:
        true.advance(pause + there)
        date = http_date(true.now().timestamp())
        true.advance(back)
        clock.synchronize({"Date": date}, there + back)
        yield clock.pop_message()


@settings(max_examples=60)
@given(st.floats(-1, 1), st.floats(0, 1), answers(0.9))
def test_a_clock_that_is_a_second_off_is_left_alone(ahead: float, fraction: float, told: Answers) -> None:
    true = SimulatedClock(START + timedelta(seconds=fraction), pace=None)
    clock = ExchangeClock(Machine(true, ahead))
    assert set(heard(clock, true, told)) == {None}
    assert clock.offset == 0
    assert clock.now() == true.now() + timedelta(seconds=ahead)


@settings(max_examples=60)
@given(st.floats(3, 1e6), st.booleans(), st.floats(0, 1), answers(0.9))
@example(3, True, 0.0, [(0, 0.45, 0), (0.999, 0, 0.45), (0.001, 0.45, 0)])
@example(600, False, 0.999, [(0, 0, 0.45), (0.001, 0.45, 0)])
def test_a_wrong_clock_is_corrected_by_the_first_answer(
    seconds: float, slow: bool, fraction: float, told: Answers
) -> None:
    """The log says so once. It holds for any delay on the way and any part of a second at which an answer is
    written."""
    true = SimulatedClock(START + timedelta(seconds=fraction), pace=None)
    clock = ExchangeClock(Machine(true, -seconds if slow else seconds))
    news = list(heard(clock, true, told))
    assert news[0] is not None
    assert "behind" in news[0] if slow else "ahead of" in news[0]
    assert set(news[1:]) <= {None}
    assert abs((clock.now() - true.now()).total_seconds()) <= 1


@settings(max_examples=60)
@given(st.sampled_from([0.0, 1.0, -1.0, 3.0, -3.0, 600.0]), st.floats(0, 1), answers(6))
@example(3.0, 0.999, [(0, 2.0, 0), (0.001, 0, 1.999)])
@example(3.0, 0.5, [(1.25, 0, 3.0), (0, 0, 1.75), (0, 1.5, 0)])
def test_answers_slow_one_way_do_not_make_the_clock_flap(ahead: float, fraction: float, told: Answers) -> None:
    """If answers are slow in one direction, the clock is corrected at most once, and not at all within its
    tolerance."""
    true = SimulatedClock(START + timedelta(seconds=fraction), pace=None)
    clock = ExchangeClock(Machine(true, ahead))
    said = [news for news in heard(clock, true, told) if news is not None]
    assert len(said) <= (1 if abs(ahead) > TOLERANCE else 0), said
    assert abs((clock.now() - true.now()).total_seconds()) <= max(TOLERANCE, abs(ahead))


@pytest.mark.parametrize(
    ("headers", "took"),
    [
        ({"Age": "7"}, 0.1),
        ({"Age": "600"}, 0.1),
        ({"Age": "600"}, 30.0),
    ],
)
def test_an_answer_from_a_cache_corrects_nothing(headers: dict[str, str], took: float) -> None:
    clock = ExchangeClock(SimulatedClock(START, pace=None))
    clock.synchronize(headers | {"Date": http_date(START.timestamp() + 600)}, took)
    assert clock.offset == 0
    assert clock.pop_message() is None
    clock.synchronize({"Age": "0", "Date": http_date(START.timestamp() + 600)}, 0.1)
    assert clock.offset == pytest.approx(600, abs=1), "a fresh one does"


@pytest.mark.parametrize(("ahead", "corrected"), [(-10, False), (600, True)])
def test_a_slow_answer_corrects_only_what_exceeds_its_doubt(ahead: int, corrected: bool) -> None:
    """An answer that took 30 seconds moves the clock only if the clock is further off than that delay explains.
    A clock that is far off is noticed even if all answers are slow."""
    clock = ExchangeClock(SimulatedClock(START, pace=None))
    clock.synchronize({"Date": http_date(START.timestamp() + ahead)}, 30.0)
    assert clock.offset == (pytest.approx(ahead, abs=16) if corrected else 0)
    assert clock.is_known


@settings(max_examples=60)
@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,5} [0-9:]{1,12} ?[A-Z+0-9-]*"))
@example("")
@example("Sun, 22 Nov 2026 15:00:00")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 GMT")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example(" ")
def test_a_date_that_is_no_time_stops_nobody(date: str) -> None:
    clock = ExchangeClock(SimulatedClock(START, pace=None))
    clock.synchronize({"Date": date}, 1.5)
    clock.synchronize({"Date": date}, 1.5, refused=True)
    assert clock.now().tzinfo is not None


def test_the_machines_own_clock_never_runs_backwards() -> None:
    """The machine's own clock gives the present time in UTC, and its monotonic time does not go back."""
    clock = WallClock()
    before = clock.monotonic()
    assert clock.now().utcoffset() == timedelta(0)
    assert abs((clock.now() - datetime.now(timezone.utc)).total_seconds()) < 1
    assert clock.monotonic() >= before


# -- through the client -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [0, 1, -1])
def test_a_clock_that_agrees_costs_no_request_and_says_nothing(off: Callable[..., Off], ahead: float) -> None:
    it = off(ahead)
    for _ in range(8):
        it.client.get_balance()
    assert it.client.requests_sent == 8
    assert (it.client.clock.offset, it.client.clock.pop_message()) == (0, None)


@pytest.mark.parametrize("ahead", [3, -3, 600, -600, 86_400 * 400])
def test_an_account_can_be_used_under_a_wrong_clock(off: Callable[..., Off], ahead: float) -> None:
    """If the machine's clock is wrong, the first request is sent again at most once and the log says it once.
    All later requests go through at the first try."""
    it = off(ahead)
    it.client.get_balance()
    assert it.client.requests_sent == (1 if abs(ahead) < 5 else 2), "sent again once at most"
    assert it.error <= 0.6
    news = it.client.clock.pop_message()
    assert news is not None
    assert f"{abs(ahead):,.0f} s {'behind' if ahead < 0 else 'ahead of'} the exchange's" in news
    sent = it.client.requests_sent
    for _ in range(20):
        it.client.get_balance()
        it.bench.pass_time(0.37)
    assert it.client.requests_sent == sent + 20
    assert it.client.clock.pop_message() is None, "said once"
    assert it.error <= 0.6


def test_an_unsigned_request_corrects_the_clock(off: Callable[..., Off]) -> None:
    """After the answer to a request without a signature, the first signed request needs no second try."""
    it = off(-600)
    it.client.get_exchange_status()
    assert it.error <= 0.6
    it.client.get_balance()
    assert it.client.requests_sent == 2


@pytest.mark.parametrize("ahead", [600, -600])
def test_an_order_under_a_wrong_clock_is_placed_once(off: Callable[..., Off], ahead: float) -> None:
    it = off(ahead)
    order = it.order(seconds=1_800)
    assert it.client.create_order(order).status is OrderStatus.RESTING
    assert it.bench.wire.asked() == ["POST /trade-api/v2/portfolio/events/orders"] * 2
    assert [response.status_code for response in it.bench.wire.answers] == [401, 201]
    assert len([o for o in it.bench.resting() if o.client_order_id == order.client_order_id]) == 1


def test_a_wrong_clock_does_not_lose_an_unanswered_order(off: Callable[..., Off]) -> None:
    """The first answer corrects the clock and the second is lost. The bot looks for the order by the exchange's
    time, not by the time it believed when it made the order."""
    lost = {"do": "timeout_after", "on": "POST /portfolio/events/orders", "skip": 1, "times": 1}
    it = off(600, faults=[lost])
    order = it.order(seconds=1_800)
    assert it.client.create_order(order).status is OrderStatus.RESTING
    assert len([o for o in it.bench.resting() if o.client_order_id == order.client_order_id]) == 1


@pytest.mark.parametrize("ahead", [600, -600])
def test_an_order_expires_when_it_was_meant_to(off: Callable[..., Off], ahead: float) -> None:
    it = off(ahead)
    it.client.get_exchange_status()
    meant = it.machine.true.now() + timedelta(seconds=30)
    it.client.create_order(it.order(30))
    sent = json.loads(it.bench.wire.sent[-1].body or b"")["expiration_time"]
    assert abs(sent - meant.timestamp()) <= 2
    (order,) = [o for o in it.bench.resting() if o.client_order_id == "lipbot-clock"]
    exchange = it.bench.exchange.api.exchange
    exchange.advance(meant.timestamp() - 2)
    assert order.status == "resting"
    exchange.advance(meant.timestamp() + 2)
    assert order.status == "canceled"


@pytest.mark.parametrize("ahead", [600, -600])
def test_lists_are_believed_again_in_time_under_a_wrong_clock(off: Callable[..., Off], ahead: float) -> None:
    """After a write the lists are not current. Four seconds later they are, also if the machine's clock is ten
    minutes ahead or behind."""
    it = off(ahead)
    it.client.cancel_all_orders()
    assert not it.client.lists_are_current()
    it.bench.pass_time(4)
    assert it.client.lists_are_current()


@pytest.mark.parametrize("ahead", [3, 600, -600])
def test_a_clock_that_is_set_right_later_is_noticed(off: Callable[..., Off], ahead: float) -> None:
    it = off(ahead)
    it.client.get_balance()
    it.client.clock.pop_message()
    it.machine.ahead = 0.2
    it.bench.pass_time(3)
    sent = it.client.requests_sent
    it.client.get_balance()
    assert it.client.requests_sent - sent <= 2
    assert it.client.clock.offset == 0
    assert "agrees with the exchange's again" in (it.client.clock.pop_message() or "")
    it.client.get_balance()
    assert it.client.clock.pop_message() is None


@pytest.mark.parametrize("seconds", [600, -600, 10])
def test_an_exchange_whose_clock_jumps_is_followed(off: Callable[..., Off], seconds: float) -> None:
    it = off(0, faults=[{"do": "clock_jump", "seconds": seconds, "on": "*", "from": 60, "until": 120}])
    it.client.get_balance()
    assert it.client.clock.offset == 0
    it.bench.pass_time(70)
    sent = it.client.requests_sent
    it.client.get_balance()
    assert it.client.requests_sent - sent == 2
    assert it.client.clock.offset == pytest.approx(seconds, abs=0.6)
    assert it.client.clock.pop_message() is not None
    it.bench.pass_time(60)
    it.client.get_balance()
    assert it.client.requests_sent - sent == 4
    assert it.client.clock.offset == 0


def test_a_time_that_is_refused_twice_is_not_tried_a_third_time(off: Callable[..., Off]) -> None:
    it = off(0)
    it.bench.wire.fault = lambda *_: answer(401, EXPIRED)
    with pytest.raises(Unauthorized) as refused:
        it.client.get_positions()
    assert it.client.requests_sent == 2
    assert refused.value.by_clock
    assert "clock is right" in str(refused.value)
    it.bench.wire.fault = None
    it.client.get_positions()


def test_a_time_refused_again_after_a_pause_is_not_retried(off: Callable[..., Off]) -> None:
    """If a request's time is refused twice, the client gives up. A failure of another kind in between does not
    give it another try."""
    it = off(0)
    told = [answer(401, EXPIRED), answer(503, "{}"), answer(401, EXPIRED)]
    it.bench.wire.fault = lambda _, number: told[number] if number < 3 else None
    with pytest.raises(Unauthorized):
        it.client.get_positions()
    assert it.client.requests_sent == 3


def test_a_refused_key_does_not_move_the_clock(off: Callable[..., Off]) -> None:
    """When the exchange refuses the key, the client sends each request only once. The clock stays as it is and
    the log says nothing about it."""
    it = off(3)
    it.client.get_positions()
    assert it.client.clock.pop_message() is not None
    it.bench.exchange.api.keys.clear()
    said = []
    for _ in range(6):
        it.bench.pass_time(1.3)
        sent = it.client.requests_sent
        with pytest.raises(Unauthorized) as refused:
            it.client.get_positions()
        assert not refused.value.by_clock
        assert it.client.requests_sent == sent + 1
        said.append(it.client.clock.pop_message())
    assert set(said) == {None}, "the clock was right: the key is not"
    assert it.error <= 1


def test_a_cached_answer_does_not_set_the_time_of_requests(off: Callable[..., Off]) -> None:
    """An answer from a cache carries an old date and an age. The client takes no clock offset from it."""
    it = off(0)

    def kept(request: requests.PreparedRequest) -> requests.Response:
        response = it.bench.wire.inner.send(request)
        old = (START - timedelta(minutes=10)).timestamp()
        response.headers.update({"Date": http_date(old), "Age": "600"})
        return response

    it.bench.wire.fault = lambda *_: kept
    it.client.get_exchange_status()
    it.client.get_balance()
    assert it.client.clock.offset == 0


def test_a_slow_answer_does_not_set_the_time_of_what_is_sent(off: Callable[..., Off]) -> None:
    it = off(0, faults=[{"do": "latency", "seconds": 8, "on": "*"}])
    for _ in range(3):
        it.client.get_balance()
    assert (it.client.clock.offset, it.client.requests_sent) == (0, 3)
