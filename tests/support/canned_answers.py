"""Every call of the client, the simulator's real answer to it, and clients that receive any given answer.

Answers go through `requests` and the whole client, as the exchange's do.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from bot.connection import embedded_client
from clients import KalshiHttpClient
from exchange.account import OrderGroup
from exchange.errors import ExchangeError
from exchange.models import Order, OrderRequest, OrderStatus, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Side
from exchange.signing import Signer
from simulator import embedded, lifecycle
from simulator.clock import SimulatedClock
from tests.support.bench import Wire
from tests.support.project import START

D = Decimal
USER = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"
KEY_ID = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
KEY = Ed25519PrivateKey.generate()
TICKER = "KXMLBGAME-26NOV25-T2"

BID = Bid(Side.YES, D("0.50"), D(2))
ORDER = Order(
    "00000000-0000-4000-8000-000000000001", "lipbot-1", TICKER, Side.YES, D("0.50"), OrderStatus.RESTING, D(2),
    D(0), D(2), D(0), 3, None,
)  # fmt: skip
GROUP = OrderGroup("00000000-0000-4000-8000-000000000002", D(5), 3)


def terms(name: str = "lipbot-1") -> OrderRequest:
    return OrderRequest(TICKER, 3, name, BID, TimeInForce.GOOD_TILL_CANCELED, SelfTradePrevention.MAKER)


def since_a_write(client: KalshiHttpClient) -> bool:
    with suppress(ExchangeError):
        client.cancel_all_orders()
    return client.lists_are_current()


LIMITS = {
    "usage_tier": "basic",
    "read": {"refill_rate": 200, "bucket_capacity": 600},
    "write": {"refill_rate": 100, "bucket_capacity": 100},
}
"""The simulator's account limits, in a body with the costs: one answer for both calls."""

CALLS: dict[str, Callable[[KalshiHttpClient], Any]] = {
    "amend_order": lambda c: c.amend_order(ORDER, BID),
    "cancel_all_orders": lambda c: c.cancel_all_orders(),
    "cancel_order": lambda c: c.cancel_order(ORDER),
    "cancel_orders": lambda c: c.cancel_orders([ORDER, ORDER]),
    "create_order": lambda c: c.create_order(terms()),
    "create_order_group": lambda c: c.create_order_group(D(5), 3),
    "create_orders": lambda c: c.create_orders([terms(), terms("lipbot-2")]),
    "delete_order_group": lambda c: c.delete_order_group(GROUP),
    "get_all_series": lambda c: c.get_all_series(),
    "get_balance": lambda c: c.get_balance(),
    "get_candles": lambda c: c.get_candles([TICKER], START, START + timedelta(minutes=5)),
    "get_deposits": lambda c: c.get_deposits(),
    "get_ended_programs": lambda c: c.get_ended_programs(["not-there"]),
    "get_events": lambda c: c.get_events(["KXMLBGAME-26NOV25", "KXODDFREE-26NOV23"]),
    "get_exchange_status": lambda c: c.get_exchange_status(),
    "get_fills": lambda c: c.get_fills(START),
    "get_incentive_programs": lambda c: c.get_incentive_programs(),
    "get_lists_time": lambda c: c.get_lists_time(),
    "get_markets": lambda c: c.get_markets([TICKER, "KXODD-26NOV23-FINEGRID"]),
    "get_order_groups": lambda c: c.get_order_groups(),
    "get_orderbooks": lambda c: c.get_orderbooks([TICKER, "KXODD-26NOV23-FINEGRID"]),
    "get_orders": lambda c: c.get_orders(START),
    "get_positions": lambda c: c.get_positions(),
    "get_resting_orders": lambda c: c.get_resting_orders(),
    "get_schedule": lambda c: c.get_schedule(),
    "get_settlements": lambda c: c.get_settlements(START),
    "get_subaccount_transfers": lambda c: c.get_subaccount_transfers(),
    "get_trades": lambda c: c.get_trades(TICKER, START - timedelta(hours=1), most_pages=5),
    "get_transfers": lambda c: c.get_transfers(),
    "get_withdrawals": lambda c: c.get_withdrawals(),
    "get_user_id": lambda c: c.get_user_id(),
    "get_api_keys": lambda c: c.get_api_keys(),
    "limit_order_group": lambda c: c.limit_order_group(GROUP, D(6)),
    "lists_are_current": since_a_write,
    "read_limits": lambda c: c.read_limits(),
    "reset_order_group": lambda c: c.reset_order_group(GROUP),
    "trigger_order_group": lambda c: c.trigger_order_group(GROUP),
}


def give(status: int, payload: bytes, content_type: str = "application/json") -> Callable[..., requests.Response]:
    """An answer of any bytes."""

    def answer(request: requests.PreparedRequest) -> requests.Response:
        raw = HTTPResponse(io.BytesIO(payload), {"Content-Type": content_type}, status, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    return answer


def client_that_hears(*answers: Callable[..., requests.Response], key_id: str = KEY_ID) -> KalshiHttpClient:
    """A client that receives these answers one after the other, and then the last one again."""
    client, _ = client_and_wire(*answers, key_id=key_id)
    return client


def client_and_wire(
    *answers: Callable[..., requests.Response], key_id: str = KEY_ID
) -> tuple[KalshiHttpClient, Wire]:
    """`client_that_hears`, with the wire that it sends over."""
    session = requests.Session()
    session.trust_env = False
    wire = Wire(HTTPAdapter(), lambda _, number: answers[min(number, len(answers) - 1)])
    session.mount(embedded.HOST, wire)
    clock = SimulatedClock(START, pace=None)
    client = KalshiHttpClient(f"{embedded.HOST}/trade-api/v2", Signer(key_id, KEY), clock, session)
    client.shorten_timeouts()
    return client, wire


# -- the exchange's real answers ----------------------------------------------------------------------------------


@cache
def real_answers() -> dict[str, bytes]:
    """By method, the simulator's last answer to it."""
    exchange = embedded.start(1, None, None, START, 12, ())
    wire = Wire(exchange.session.adapters[embedded.HOST])
    exchange.session.mount(embedded.HOST, wire)
    client = embedded_client(exchange)
    inner = exchange.api.exchange
    account = inner.accounts["customer"]
    for amount in (1_000_000, 2_000_000):
        inner.move_cash(account, 2, 3, amount)
        inner.withdraw_cash(account, 2, amount // 10_000)
        inner.set_cash_aside(account, 2, amount // 10_000)
        account.deposits.append(account.withdrawals[-1])
    for ticker in ("KXHIGHCHI-26NOV24-B3.5", "KXHIGHCHI-26NOV24-B4.5"):
        client.get_positions()
        positions = wire.answers[-1].content
        lifecycle.settle_now(inner, inner.markets[ticker], "yes")
    for _ in range(2):
        inner.crowd_take(inner.markets[TICKER], True, 9_900, 50)
    found: dict[str, bytes] = {}

    def hear(name: str, call: Callable[[KalshiHttpClient], object]) -> Any:
        result = call(client)
        found[name] = wire.answers[-1].content
        return result

    made = hear("create_order", CALLS["create_order"])
    (order,) = [o for o in client.get_resting_orders() if o.order_id == made.order_id]
    hear("amend_order", lambda c: c.amend_order(order, Bid(Side.YES, D("0.51"), D(3))))
    hear("create_orders", lambda c: c.create_orders([terms("lipbot-3"), terms("lipbot-4")]))
    orders = [o for o in client.get_resting_orders() if o.client_order_id in ("lipbot-3", "lipbot-4")]
    groups = [client.create_order_group(D(5), 3) for _ in range(2)]
    hear("create_order_group", lambda c: c.create_order_group(D(5), 3))
    exchange.clock.advance(200)
    for name in CALLS:
        if name.startswith("get_"):
            hear(name, CALLS[name])
    hear("lists_are_current", lambda c: c.lists_are_current())
    hear("read_limits", lambda c: c.read_limits())
    for name in ("limit", "reset", "trigger", "delete"):
        group = OrderGroup(groups[0], D(5), 3)
        call = {"limit": lambda c, g=group: c.limit_order_group(g, D(6))}.get(
            name, lambda c, n=name, g=group: getattr(c, f"{n}_order_group")(g)
        )
        hear(f"{name}_order_group", call)
    hear("cancel_order", lambda c: c.cancel_order(order))
    hear("cancel_orders", lambda c: c.cancel_orders(orders))
    hear("cancel_all_orders", lambda c: c.cancel_all_orders())
    both = json.dumps(LIMITS | json.loads(found["read_limits"])).encode()
    return found | {"get_positions": positions, "read_limits": both}


@cache
def short_answer(name: str) -> bytes:
    """A real answer with its lists cut to two items."""
    body = json.loads(real_answers()[name] or b"{}")
    for container, key in list(places(body)):
        if isinstance(container[key], list) and not (isinstance(container, list) or key == "standard_hours"):
            container[key] = container[key][:2]
    return json.dumps(body).encode()


def body_of(name: str) -> Any:
    return json.loads(short_answer(name))


# -- spoiled answers ----------------------------------------------------------------------------------------------

DEEP = "[" * 100_000 + "]" * 100_000
RAW = {
    "nan": "NaN", "infinity": "-Infinity", "large": "1e999999999", "larger": "1e9999999999999999999999",
    "small": "1e-999999999", "digits": "9" * 5_000, "deep": DEEP,
    "less deep": "[" * 600 + "]" * 600, "surrogate": '"\\ud800"', "fraction": "0.1",
}  # fmt: skip
"""Text that is JSON, or nearly, and that `json.dumps` does not write. Values hold its place as `@name`."""


def sent(value: Any) -> bytes:
    """A value as JSON, with the `RAW` texts put into their places."""
    text = json.dumps(value)
    for name, raw in RAW.items():
        text = text.replace(f'"@{name}"', raw) if "@" in text else text
    return text.encode()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from places(value[key])
