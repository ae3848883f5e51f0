"""A plain client of an exchange that a script of faults strikes."""

from __future__ import annotations

from collections.abc import Callable
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
from tests.support.project import START
from tests.support.raw_client import ORDERS, ROOT, RawClient

HOST = "http://simulator.invalid"
LATENCY = 0.05
MARKET, OTHER, FINE = (f"KXODD-26NOV23-{name}" for name in ("CAPPED", "TWICE", "FINEGRID"))
"""Only the orders that opened their books are in these. Prices: 0.53 to 0.56, and the last 0.068 to 0.071 in steps
of 0.001."""

CREATE, CANCEL = f"POST {ORDERS}", f"DELETE {ORDERS}/*"
PATIENCE = 3.0


Test = TypeVar("Test", bound=Callable[..., None])


def shows(*kinds: str) -> Callable[[Test], Test]:
    """Mark the `kinds` of fault that a test covers, for the test that counts them."""
    return lambda test: test


class Client(RawClient):
    """A plain client that waits up to `PATIENCE` seconds for an answer. Times are simulated seconds since the
    exchange opened. It can read the exchange's own state."""

    def __init__(
        self, exchange: Exchange, clock: SimulatedClock, session: requests.Session, signer: Signer
    ) -> None:
        super().__init__(HOST + ROOT, signer, session, clock.now, MARKET, PATIENCE)
        self.exchange, self.clock = exchange, clock

    @property
    def account(self) -> Account:
        return self.exchange.accounts[CUSTOMER]

    @property
    def elapsed(self) -> float:
        return (self.clock.now() - START).total_seconds()

    def wait_until(self, elapsed: float) -> None:
        self.clock.advance(elapsed - self.elapsed)
        self.exchange.advance(self.clock.now().timestamp())

    def create(self, **changed: Any) -> requests.Response:
        """Create a bid for ten contracts at 52 cents, behind the best bid. `changed` replaces fields."""
        return super().create(**({"count": "10.00", "price": "0.5200"} | changed))

    def resting(self, ticker: str = MARKET) -> list[Order]:
        """The orders that rest in a market, by the exchange's record."""
        return list(self.exchange.markets[ticker].owned.values())


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def open_with(*faults: dict[str, Any], seed: int = 1) -> Client:
    """A client of an exchange like `simulator.embedded`'s. All share one key, because keys are slow to make."""
    clock = SimulatedClock(START, None)
    api = Api(open_exchange(START.timestamp(), seed, programs=4, who=()), {"a-key": KEY.public_key()})
    session = requests.Session()
    session.trust_env = False
    session.mount(HOST, ExchangeAdapter(Mishaps(api, parse_faults(list(faults))), clock, LATENCY))
    return Client(api.exchange, clock, session, Signer("a-key", KEY))


def said(answer: requests.Response) -> tuple[int, str]:
    """A refusal's status and code."""
    return answer.status_code, answer.json()["error"]["code"]
