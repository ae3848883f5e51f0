"""A plain client at an exchange that a script of faults strikes, and the list of faults that tests have shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar

import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from exchange.signing import Signer
from simulator.account import Account
from simulator.api.service import Api
from simulator.clock import SimulatedClock
from simulator.exchange import Exchange
from simulator.faults import parse_faults
from simulator.matching import Order
from simulator.mishaps import Mishaps
from simulator.opening import CUSTOMER, open_exchange
from simulator.transport import ExchangeAdapter

START = datetime(2026, 11, 22, 15, 0, tzinfo=timezone.utc)
HOST, ROOT = "http://simulator.invalid", "/trade-api/v2"
LATENCY = 0.05
MARKET, OTHER, FINE = (f"KXODD-26NOV23-{name}" for name in ("CAPPED", "TWICE", "FINEGRID"))
"""Nobody is in these but who opened their books: 0.53 to 0.56, and the last 0.068 to 0.071 in steps of 0.001."""

ORDERS = "/portfolio/events/orders"
CREATE, CANCEL = f"POST {ORDERS}", f"DELETE {ORDERS}/*"
PATIENCE = 3.0

SHOWN: set[str] = set()


class Killed(BaseException):
    """Ends a bot as `kill -9` does: nothing of it runs any more."""


Test = TypeVar("Test", bound=Callable[..., None])


def shows(*kinds: str) -> Callable[[Test], Test]:
    """Notes the kinds of fault that a test is about."""
    SHOWN.update(kinds)
    return lambda test: test


@dataclass(frozen=True)
class Client:
    """A plain one: it signs, sends, and waits for `PATIENCE` seconds. Times are simulated seconds since the
    exchange opened. What is really the case it can look up at the exchange itself."""

    exchange: Exchange
    clock: SimulatedClock
    session: requests.Session
    signer: Signer

    @property
    def account(self) -> Account:
        return self.exchange.accounts[CUSTOMER]

    @property
    def elapsed(self) -> float:
        return (self.clock.now() - START).total_seconds()

    def wait_until(self, elapsed: float) -> None:
        self.clock.advance(elapsed - self.elapsed)
        self.exchange.advance(self.clock.now().timestamp())

    def ask(self, method: str, path: str, off: float = 0.0, **options: Any) -> requests.Response:
        """A signed request. `off` is how many seconds this client's clock is fast."""
        now_ms = int((self.clock.now().timestamp() + off) * 1000)
        headers = self.signer.headers(method, ROOT + path.partition("?")[0], now_ms)
        return self.session.request(method, HOST + ROOT + path, headers=headers, timeout=PATIENCE, **options)

    def get(self, path: str, **options: Any) -> Any:
        """The body of a read that succeeds."""
        answer = self.ask("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def create(self, **changed: Any) -> requests.Response:
        """Ten contracts for 52 cents, which nobody wants, but for what is `changed`."""
        terms = {
            "ticker": MARKET, "side": "bid", "count": "10.00", "price": "0.5200",
            "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
        }  # fmt: skip
        return self.ask("POST", ORDERS, json=terms | changed)

    def place(self, **changed: Any) -> str:
        """The id of an order that is taken."""
        answer = self.create(**changed)
        assert answer.status_code == 201, answer.text
        order_id: str = answer.json()["order_id"]
        return order_id

    def cancel(self, order_id: str, ticker: str = MARKET) -> requests.Response:
        return self.ask("DELETE", f"{ORDERS}/{order_id}?market_ticker={ticker}")

    def resting(self, ticker: str = MARKET) -> list[Order]:
        """What really rests in a market."""
        return list(self.exchange.markets[ticker].owned.values())


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def open_with(*faults: dict[str, Any], seed: int = 1) -> Client:
    """A client of an exchange like `simulator.embedded`'s; all of them have one key, for keys are slow to make."""
    clock = SimulatedClock(START, None)
    api = Api(open_exchange(START.timestamp(), seed, programs=4, who=()), {"a-key": KEY.public_key()})
    session = requests.Session()
    session.trust_env = False
    session.mount(HOST, ExchangeAdapter(Mishaps(api, parse_faults(list(faults))), clock, LATENCY))
    return Client(api.exchange, clock, session, Signer("a-key", KEY))


def said(answer: requests.Response) -> tuple[int, str]:
    """A refusal's status and code."""
    return answer.status_code, answer.json()["error"]["code"]
