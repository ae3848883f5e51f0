"""Faults x verbs: what the exchange does wrong, what the client is asked for, and what comes of it.

A cell reads `outcome sent left`. The outcome is `ok` (what was asked for, and true), a word of `ERRORS`, or
`maybe`: any error that says it may have been done. `sent`: requests to the verb's path, `n` for several. `left`,
by the exchange's own word: our resting orders; of an amend the `old` terms or the `new`; of a group, the groups.

A fault strikes `once`, `always`, or `down`: always, and every path. `acted`: answered so although it was done.
`x, then y`: x once, y from then on. Besides its cell each row must keep the laws of `assert_true`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from clients import KalshiHttpClient
from exchange import errors
from exchange.errors import ExchangeError, Gone
from exchange.json_fields import PartialList
from exchange.models import AmendResponse, Order, OrderRequest, OrderResponse, OrderStatus
from exchange.models import SelfTradePrevention as Stp
from exchange.models import TimeInForce as Tif
from exchange.orderbook import Bid, Side
from exchange.signing import Signer
from simulator import order_entry
from simulator.matching import Order as Real
from simulator.opening import CUSTOMER
from simulator.order_entry import OrderTerms
from tests.support.bench import Wire, answer, cut_before
from tests.support.faulty_exchange import HOST, MARKET, Client, open_with
from tests.support.raw_client import ORDERS, ROOT

pytestmark = pytest.mark.slow

ERRORS = {
    "unsent": errors.NotSent, "silence": errors.NoAnswer, "garbled": errors.Unreadable, "down": errors.Unavailable,
    "limited": errors.RateLimited, "denied": errors.Unauthorized, "refused": errors.Refused, "gone": errors.Gone,
    "unknown": errors.OutcomeUnknown, "paused": errors.Paused, "between": errors.Intercepted,
}  # fmt: skip
VERBS = {
    "read": "GET /portfolio/orders", "create": f"POST {ORDERS}", "create 3": f"POST {ORDERS}*",
    "amend": f"POST {ORDERS}/*/amend", "cancel": f"DELETE {ORDERS}/*", "cancel 3": f"DELETE {ORDERS}/batched",
    "cancel all": f"DELETE {ORDERS}", "group": "POST /portfolio/order_groups/create",
}  # fmt: skip
RESTS_BEFORE = {"read": 2, "amend": 1, "cancel": 1, "cancel 3": 3, "cancel all": 3}

ANSWERS = {
    "400": (400, '{"error":{"code":"invalid_order","message":"invalid order"}}'),
    "403_page": (403, "<html><title>Access denied</title></html>"),
    "404_page": (404, "404 page not found"),
    "404_path": (404, '{"error":{"code":"not_found","message":"not found"}}'),
    "409": (409, '{"error":{"code":"trading_is_paused","message":"trading is paused"}}'),
    "410": (410, '{"error":{"code":"deprecated_v1_order_endpoint","message":"Please switch"}}'),
}
"""What the script of faults cannot answer; the wire does, in the exchange's place."""

ASKED, AMENDED = Decimal(10), Decimal(4)
LONGEST = 60.0
"""Simulated seconds that any call may take."""

MOST_SENT = 15
"""Requests of one kind that any call may make of an exchange that is not well."""

NOBODY_COULD_KNOW = {("429 acted always", verb) for verb in VERBS} | {("exchange_paused", "cancel all")}
"""Where the exchange itself says what is false: that it did nothing; that all was canceled."""

ANOTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

TABLE = """
fault                  read         create       create 3     amend          cancel       cancel 3     cancel all
refused once           ok 2 2       ok 2 1       ok 2 3       ok 2 new       ok 2 0       ok 2 0       ok 2 0
refused always         unsent n 2   unsent n 0   unsent n 0   unsent n old   unsent n 1   unsent n 3   unsent n 3
reset_before once      ok 2 2       ok 2 1       ok 2 3       ok 2 new       ok 2 0       ok 2 0       ok 2 0
reset_before always    silence n 2  unknown n 0  unknown n 0  silence n old  silence n 1  silence n 3  silence n 3
reset_after once       ok 2 2       ok 1 1       ok 1 3       ok 2 new       gone 2 0     gone 2 0     ok 2 0
reset_after always     silence n 2  ok 1 1       ok 1 3       silence n new  silence n 0  silence n 0  silence n 0
reset_after down       silence n 2  unknown 1 1  unknown 1 3  silence n new  silence n 0  silence n 0  silence n 0
timeout_before once    ok 2 2       ok 2 1       ok 2 3       ok 2 new       ok 2 0       ok 2 0       ok 2 0
timeout_before always  silence 2 2  unknown 2 0  unknown 2 0  silence 2 old  silence 2 1  silence 2 3  silence 2 3
timeout_after once     ok 2 2       ok 1 1       ok 1 3       ok 2 new       gone 2 0     gone 2 0     ok 2 0
timeout_after always   silence 2 2  ok 1 1       ok 1 3       silence 2 new  silence 2 0  silence 2 0  silence 2 0
timeout_after down     silence 2 2  unknown 1 1  unknown 1 3  silence 2 new  silence 2 0  silence 2 0  silence 2 0
429 once               ok 2 2       ok 2 1       ok 2 3       ok 2 new       ok 2 0       ok 2 0       ok 2 0
429 always             limited n 2  limited n 0  limited n 0  limited n old  limited n 1  limited n 3  limited n 3
429 acted once         ok 2 2       ok 2 1       ok 2 3       ok 2 new       gone 2 0     gone 2 0     ok 2 0
429 acted always       limited n 2  limited n 1  limited n 3  limited n new  limited n 0  limited n 0  limited n 0
500 once               ok 2 2       ok 2 1       ok 2 3       ok 2 new       ok 2 0       ok 2 0       ok 2 0
500 always             down n 2     unknown n 0  unknown n 0  down n old     down n 1     down n 3     down n 3
500 acted once         ok 2 2       ok 1 1       ok 1 3       ok 2 new       gone 2 0     gone 2 0     ok 2 0
503 once               ok 2 2       ok 2 1       ok 2 3       ok 2 new       ok 2 0       ok 2 0       ok 2 0
503 down               down n 2     unknown 1 0  unknown 1 0  down n old     down n 1     down n 3     down n 3
503 acted once         ok 2 2       ok 1 1       ok 1 3       ok 2 new       gone 2 0     gone 2 0     ok 2 0
503_html once          ok 2 2       ok 2 1       ok 2 3       ok 2 new       ok 2 0       ok 2 0       ok 2 0
503_html acted once    ok 2 2       ok 1 1       ok 1 3       ok 2 new       gone 2 0     gone 2 0     ok 2 0
truncated once         ok 2 2       ok 1 1       ok 1 3       ok 2 new       gone 2 0     gone 2 0     ok 1 0
truncated always       garbled n 2  ok 1 1       ok 1 3       garbled n new  maybe 2 0    garbled n 0  ok 1 0
no_order once          garbled 1 2  ok 1 1       ok 1 3       garbled 1 new  garbled 1 0  garbled 1 0  ok 1 0
no_order always        garbled 1 2  ok 1 1       ok 1 3       garbled 1 new  garbled 1 0  garbled 1 0  ok 1 0
clock_jump once        denied 2 2   denied 2 0   denied 2 0   denied 2 old   denied 2 1   denied 2 3   denied 2 3
clock_jump always      ok 2 2       ok 2 1       ok 2 3       ok 2 new       ok 2 0       ok 2 0       ok 2 0
wrong_key              denied 1 2   denied 1 0   denied 1 0   denied 1 old   denied 1 1   denied 1 3   denied 1 3
key_revoked            denied 1 2   denied 1 0   denied 1 0   denied 1 old   denied 1 1   denied 1 3   denied 1 3
trading_paused         ok 1 2       paused 1 0   paused 1 0   paused 1 old   ok 1 0       ok 1 0       ok 1 0
exchange_paused        ok 1 2       paused 1 0   paused 1 0   paused 1 old   paused 1 1   paused 1 3   ok 1 3
400                    refused 1 2  refused 1 0  refused 1 0  refused 1 old  refused 1 1  refused 1 3  refused 1 3
403_page               between n 2  unknown n 0  unknown n 0  between n old  between n 1  between n 3  between n 3
404_page               between 1 2  unknown n 0  unknown n 0  between 1 old  between 1 1  between 1 3  between 1 3
404_path               refused 1 2  refused 1 0  refused 1 0  -              -            refused 1 3  refused 1 3
409                    paused 1 2   paused 1 0   paused 1 0   paused 1 old   paused 1 1   paused 1 3   paused 1 3
410                    refused 1 2  refused 1 0  refused 1 0  refused 1 old  refused 1 1  refused 1 3  refused 1 3
gone_before            -            -            -            gone 1 0       gone 1 0     gone 1 0     ok 1 0
"""

AFTERWARDS = """
fault                          create       create 3     amend        cancel       cancel 3     cancel all
reset_before, then 429         limited n 0  limited n 0  maybe n old  maybe n 1    maybe n 3    maybe n 3
reset_before, then refused     unsent n 0   unsent n 0   maybe n old  maybe n 1    maybe n 3    maybe n 3
reset_after, then 429          ok 1 1       ok 1 3       maybe n new  maybe n 0    maybe n 0    maybe n 0
reset_after, then refused      ok 1 1       ok 1 3       maybe n new  maybe n 0    maybe n 0    maybe n 0
reset_after, then key_revoked  ok 1 1       ok 1 3       maybe 2 new  maybe 2 0    maybe 2 0    maybe 2 0
reset_after, then clock_jump   ok 1 1       ok 1 3       ok n new     gone n 0     gone n 0     ok n 0
"""

GROUPS = """
fault                  group
refused once           ok 2 1
refused always         unsent n 0
reset_before once      ok 2 1
reset_after once       ok 2 2
timeout_after once     ok 2 2
429 once               ok 2 1
429 acted once         ok 2 2
503_html once          ok 2 1
500 acted once         ok 2 2
truncated once         ok 2 2
no_order once          garbled 1 1
clock_jump always      ok 2 1
key_revoked            denied 1 0
404_path               refused 1 0
"""


def rows(table: str) -> list[Any]:
    """(fault, verb, outcome, sent, left), by columns that two spaces part."""
    first, *lines = [[cell.strip() for cell in line.split("  ") if cell] for line in table.strip().splitlines()]
    return [
        pytest.param(fault, verb, *cell.split(), id=f"{fault} x {verb}")
        for fault, *cells in lines
        for verb, cell in zip(first[1:], cells, strict=True)
        if cell != "-"
    ]


def rules(fault: str, on: str) -> list[dict[str, Any]]:
    """The script of a fault."""
    if ", then " in fault:
        first, then = fault.split(", then ")
        return [rule(first, on) | {"times": 1}, rule(then, on) | {"skip": 1}]
    do, *how = fault.split()
    if do in ANSWERS or do in ("wrong_key", "gone_before"):
        return []
    when = {"times": 1} if "once" in how else {}
    acted = {"acted": True} if "acted" in how else {}
    return [rule(do, "* /*" if "down" in how else on) | when | acted]


def rule(do: str, on: str) -> dict[str, Any]:
    return {"do": do, "on": on} | ({"seconds": 30} if do == "clock_jump" else {})


@dataclass
class Scene:
    """An exchange with a fault, a client, and so many of its orders (`olds`) resting."""

    exchange: Client
    wire: Wire
    client: KalshiHttpClient
    olds: list[Order]

    @property
    def resting(self) -> dict[str, Real]:
        return {order.order_id: order for order in self.exchange.exchange.resting(CUSTOMER)}

    def made(self, client_order_id: str) -> list[Real]:
        """All orders that ever were under an id."""
        return [o for o in self.exchange.account.orders.values() if o.client_order_id == client_order_id]


def scene(script: Sequence[dict[str, Any]] = (), before: int = 0, signer: Signer | None = None) -> Scene:
    plain = open_with(*script)
    exchange, account = plain.exchange, plain.account
    for order in list(account.resting.values()):
        exchange.take_down(exchange.markets[order.ticker], order)
    plain.clock.advance(1)  # then no list shows them any more
    for number in range(before):
        terms = OrderTerms(MARKET, True, 5_200 - 100 * number, 1_000, client_order_id=f"old-{number}")
        order_entry.create(exchange, CUSTOMER, terms)
    wire = Wire(plain.session.adapters[HOST])
    plain.session.mount(HOST, wire)
    client = KalshiHttpClient(HOST + ROOT, signer or plain.signer, plain.clock, plain.session)
    return Scene(plain, wire, client, [as_listed(order) for order in account.resting.values()])


def as_listed(order: Real) -> Order:
    price = Decimal(order.price) / 10_000
    return Order(
        order.order_id, order.client_order_id, order.ticker, Side.YES, price, OrderStatus.RESTING, ASKED,
        Decimal(0), ASKED, Decimal(0), exchange_index=0, expires=None,
    )  # fmt: skip


def asked(number: int, price: str = "0.5200") -> OrderRequest:
    bid = Bid(Side.YES, Decimal(price), ASKED)
    return OrderRequest(MARKET, 0, f"new-{number}", bid, Tif.GOOD_TILL_CANCELED, Stp.TAKER_AT_CROSS)


def do(verb: str, on: Scene) -> Any:
    """What the caller gets: a result, a list of them, or the error."""
    client, olds = on.client, on.olds
    calls: Mapping[str, Any] = {
        "read": client.get_resting_orders,
        "create": lambda: client.create_order(asked(0)),
        "create 3": lambda: client.create_orders([*map(asked, range(3))]),
        "amend": lambda: client.amend_order(olds[0], Bid(Side.YES, olds[0].price, AMENDED)),
        "cancel": lambda: client.cancel_order(olds[0]),
        "cancel 3": lambda: client.cancel_orders(olds),
        "cancel all": client.cancel_all_orders,
        "group": lambda: client.create_order_group(Decimal(50), 0),
    }
    try:
        return calls[verb]()
    except ExchangeError as error:
        return error


def assert_true(verb: str, got: Any, seen: Scene) -> None:
    """The laws of any row: nothing that the caller believes is false, and what rests, rests once."""
    results = got if isinstance(got, list) else [got] * max(len(seen.olds), 1)
    if verb.startswith("create"):
        for number, result in enumerate(results):
            assert_order_is(asked(number), result, seen)
        return
    if isinstance(got, PartialList):
        listed = {order.order_id: order.remaining * 100 for order in got.all_or_raise()}
        assert listed == {order_id: order.remaining for order_id, order in seen.resting.items()}
        return
    if verb == "group" and isinstance(got, str):
        assert got in seen.exchange.account.groups
    for old, result in zip(seen.olds, results, strict=False):
        real = seen.resting.get(old.order_id)
        if isinstance(result, Gone):
            assert real is None, "said to be gone, and rests"
        elif isinstance(result, ExchangeError):
            untouched = real is not None and real.remaining == 100 * ASKED
            assert result.maybe_done or untouched, "said not to be done, and was"
        elif isinstance(result, AmendResponse):
            assert real is not None
            assert real.remaining == 100 * AMENDED
            assert result.remaining in (None, AMENDED)
        else:
            assert real is None, "said to be canceled, and rests"
            assert result in (None, ASKED)


def assert_order_is(order: OrderRequest, result: Any, seen: Scene) -> None:
    made = seen.made(order.client_order_id)
    if isinstance(result, OrderResponse):
        assert [real.order_id for real in made] == [result.order_id]
        assert result.status is OrderStatus.RESTING
        real = seen.resting[result.order_id]
        assert (real.price, real.remaining) == (int(order.bid.price * 10_000), int(100 * result.remaining))
    else:
        assert result.maybe_done or not made, "said not to be placed, and was"


@pytest.mark.parametrize(
    ("fault", "verb", "outcome", "sent", "left"), rows(TABLE) + rows(AFTERWARDS) + rows(GROUPS)
)
def test_no_fault_doubles_an_order_or_misleads_the_caller(
    fault: str, verb: str, outcome: str, sent: str, left: str
) -> None:
    """Each call ends with the outcome, the number of requests and the orders that the table states, within the
    limits of requests and time."""
    on = VERBS[verb]
    signer = Signer("a-key", ANOTHER_KEY) if fault == "wrong_key" else None
    seen = scene(rules(fault, on), RESTS_BEFORE.get(verb, 0), signer)
    if fault in ANSWERS:
        seen.wire.fault = lambda request, _: answer(*ANSWERS[fault]) if strikes(request, on) else None
    if fault == "gone_before":
        order_entry.cancel_all(seen.exchange.exchange, CUSTOMER)
    began, ever = seen.exchange.elapsed, len(seen.exchange.account.orders)
    got = do(verb, seen)
    took = seen.exchange.elapsed - began
    number = sum(strikes(request, on) for request in seen.wire.sent)
    assert_outcome(outcome, got)
    assert sent == (str(number) if number < 3 else "n"), f"{number} requests"
    assert number <= MOST_SENT
    assert left == left_over(verb, seen)
    assert len(seen.exchange.account.orders) - ever <= {"create": 1, "create 3": 3}.get(verb, 0)
    assert took <= LONGEST, f"{took:.0f} s"
    if (fault, verb) not in NOBODY_COULD_KNOW:
        assert_true(verb, got, seen)


def left_over(verb: str, seen: Scene) -> str:
    if verb == "group":
        return str(len(seen.exchange.account.groups))
    if verb == "amend" and seen.resting:
        (real,) = seen.resting.values()
        return {100 * ASKED: "old", 100 * AMENDED: "new"}[Decimal(real.remaining)]
    return str(len(seen.resting))


def strikes(request: requests.PreparedRequest, on: str) -> bool:
    path = request.path_url.partition("?")[0].replace(ROOT, "")
    return fnmatchcase(f"{request.method} {path}", on)


def assert_outcome(outcome: str, got: Any) -> None:
    for result in got if isinstance(got, list) else [got]:
        if outcome == "ok":
            assert not isinstance(result, ExchangeError), repr(result)
        elif outcome == "maybe":
            assert isinstance(result, ExchangeError) and result.maybe_done, repr(result)
        else:
            assert type(result) is ERRORS[outcome], repr(result)


@pytest.mark.parametrize("seconds", [3, 10, 30])
@pytest.mark.parametrize("fault", ["reset_after once", "reset_before once", "429 acted once"])
def test_a_list_that_lags_does_not_place_an_order_twice(fault: str, seconds: int) -> None:
    """If the exchange's lists lag behind, the bot still finds its order, or says that it does not know."""
    stale = {"do": "stale", "on": "GET /*", "seconds": seconds}
    seen = scene([*rules(fault, VERBS["create"]), stale])
    got = do("create", seen)
    assert_outcome("ok" if seconds < 30 else "unknown", got)
    assert_true("create", got, seen)
    assert seen.exchange.elapsed <= LONGEST


def test_an_order_that_arrives_late_is_found() -> None:
    """The first attempt stays on its way until after the bot looked for it. The later attempts are refused with
    a 429."""
    seen = scene()
    late: list[requests.PreparedRequest] = []

    def delay(request: requests.PreparedRequest, _: int) -> Any:
        if not strikes(request, VERBS["create"]):
            return None
        if not late:
            late.append(request.copy())
            return cut_before
        seen.wire.inner.send(late[0])
        return answer(429, "{}")

    seen.wire.fault = delay
    got = do("create", seen)
    assert_outcome("ok", got)
    assert_true("create", got, seen)


def test_an_id_used_again_places_no_second_order() -> None:
    """The same order under the same id returns the first answer. Other terms under that id raise an error."""
    seen = scene()
    first = seen.client.create_order(asked(0))
    assert seen.client.create_order(asked(0)) == first
    with pytest.raises(errors.AlreadyExists, match="other terms"):
        seen.client.create_order(asked(0, price="0.5100"))
    assert len(seen.resting) == 1


def test_two_orders_under_one_id_are_not_sent() -> None:
    """The client refuses a batch in which two orders have the same client order id, and neither order rests."""
    seen = scene()
    with pytest.raises(ValueError, match="same client order id"):
        seen.client.create_orders([asked(0), asked(1)._replace(client_order_id=asked(0).client_order_id)])
    assert not seen.resting


def test_orders_are_not_half_placed_if_one_is_invalid() -> None:
    """If one order of several has a price with too many decimals, the client refuses them all and none rests."""
    seen = scene()
    with pytest.raises(ValueError, match="decimals"):
        seen.client.create_orders([*map(asked, range(10)), asked(10, price="0.52001")])
    assert not seen.resting


@pytest.mark.parametrize("fault", ["timeout_after down", "503 acted down"])
def test_an_outage_does_not_hold_up_a_whole_batch_for_minutes(fault: str) -> None:
    seen = scene(rules(fault, ""))
    assert_outcome("unknown", seen.client.create_orders([*map(asked, range(10))]))
    assert seen.exchange.elapsed <= LONGEST


def test_a_fill_of_an_amend_is_never_reported_as_nothing() -> None:
    """If the first answer to an amend that bought is lost, the client gives the filled count or leaves it open.
    An error of it allows for the fill."""
    seen = scene(rules("reset_after once", VERBS["amend"]), before=1)
    bought = len(seen.exchange.account.fills)
    try:
        got = seen.client.amend_order(seen.olds[0], Bid(Side.YES, Decimal("0.56"), Decimal(900)))
    except ExchangeError as error:
        assert error.maybe_done or isinstance(error, Gone)
    else:
        fills = seen.exchange.account.fills[bought:]
        assert fills
        assert got.filled in (None, Decimal(sum(fill.size for fill in fills)) / 100), "None: look at the fills"


@pytest.mark.parametrize("said", ["{}", '{"details":"not now"}', '{"code":"","message":""}'])
def test_an_error_without_words_is_not_taken_for_a_cancel(said: str) -> None:
    seen = scene(before=1)
    row = f'{{"order_id":"{seen.olds[0].order_id}","reduced_by":"0.00","error":{said}}}'
    seen.wire.fault = lambda *_: answer(200, f'{{"orders":[{row}]}}')
    (got,) = seen.client.cancel_orders(seen.olds)
    assert isinstance(got, ExchangeError)


def test_a_list_without_its_orders_does_not_deny_an_order() -> None:
    """If a list comes without its orders, the bot does not conclude that its order was never placed."""
    on = VERBS["create"]
    seen = scene([*rules("reset_after, then 429", on), *rules("no_order always", VERBS["read"])])
    got = do("create", seen)
    assert_true("create", got, seen)


def test_a_fast_clock_does_not_hide_an_order() -> None:
    """The first attempt is refused for its time, the second lands and its answer is lost, and others get a 429.
    The look for the order still finds it."""
    on = VERBS["create"]
    lost = {"do": "reset_after", "on": on, "skip": 1, "times": 1}
    seen = scene([lost, {"do": "429", "on": on, "skip": 2}])
    real = seen.exchange.clock
    fast = SimpleNamespace(now=lambda: real.now() + timedelta(hours=1), monotonic=real.monotonic, sleep=real.sleep)
    seen.client = KalshiHttpClient(HOST + ROOT, seen.exchange.signer, fast, seen.exchange.session)
    assert_true("create", do("create", seen), seen)
