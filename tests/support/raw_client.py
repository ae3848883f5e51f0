"""A client independent of the bot's: it signs its requests and sends them over `requests`, like any program."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from exchange.signing import Signer
from simulator.embedded import EmbeddedExchange

ROOT = "/trade-api/v2"
ORDERS = "/portfolio/events/orders"


class RequestSigner(Protocol):
    """Makes the headers by which the exchange identifies the sender."""

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]: ...


class Ed25519Signer:
    """Signs as an owner of an Ed25519 key does."""

    def __init__(self, key_id: str, key: ed25519.Ed25519PrivateKey) -> None:
        self._key_id = key_id
        self._key = key

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        signature = self._key.sign(f"{timestamp_ms}{method}{path}".encode())
        return {
            "KALSHI-ACCESS-KEY": self._key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }


def create_body(ticker: str, /, **changed: Any) -> dict[str, Any]:
    """The body of a create request: one YES contract for a cent, which rests. `changed` replaces fields."""
    return {
        "ticker": ticker, "side": "bid", "count": "1.00", "price": "0.0100",
        "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
    } | changed  # fmt: skip


class RawClient:
    """Sends requests to the exchange at `base` (up to `/trade-api/v2`) over `session`. `now` is its clock,
    `ticker` the market of its orders, `timeout` the seconds that it waits for an answer."""

    def __init__(
        self,
        base: str,
        signer: RequestSigner,
        session: requests.Session,
        now: Callable[[], datetime],
        ticker: str = "",
        timeout: float | None = None,
    ) -> None:
        self.base, self.signer, self.session, self.now = base, signer, session, now
        self.ticker, self.timeout = ticker, timeout

    @staticmethod
    def of_owner(opened: EmbeddedExchange) -> RawClient:
        """A program of the account's owner, on an exchange inside this process."""
        signer = Signer(opened.key_id, opened.private_key)
        return RawClient(opened.base_url, signer, opened.session, opened.clock.now)

    def sign(
        self,
        request: requests.PreparedRequest,
        signer: RequestSigner | None = None,
        skew_ms: int = 0,
        signed_path: str = "",
    ) -> requests.PreparedRequest:
        """Sign a request as it leaves. Headers that a test has set stay. `skew_ms`: how far this client's clock is
        ahead; `signed_path`: a path to sign instead of the request's."""
        path = signed_path or urlsplit(str(request.url)).path
        now_ms = int(self.now().timestamp() * 1000) + skew_ms
        for name, value in (signer or self.signer).headers(request.method or "", path, now_ms).items():
            request.headers.setdefault(name, value)
        return request

    def send(
        self,
        method: str,
        path: str,
        signer: RequestSigner | None = None,
        skew_ms: int = 0,
        signed_path: str = "",
        **options: Any,
    ) -> requests.Response:
        """Send a signed request; `options` are those of `requests`."""
        auth = partial(self.sign, signer=signer, skew_ms=skew_ms, signed_path=signed_path)
        return self.session.request(method, self.base + path, auth=auth, **({"timeout": self.timeout} | options))

    def get(self, path: str, **options: Any) -> Any:
        """The body of a signed read that must succeed."""
        response = self.send("GET", path, **options)
        assert response.status_code == 200, response.text
        return response.json()

    def create(self, **changed: Any) -> requests.Response:
        return self.send("POST", ORDERS, json=create_body(self.ticker, **changed))

    def place(self, **changed: Any) -> str:
        """Create an order that the exchange must accept. Returns its id."""
        response = self.create(**changed)
        assert response.status_code == 201, response.text
        return str(response.json()["order_id"])

    def cancel(self, order_id: str) -> requests.Response:
        return self.send("DELETE", f"{ORDERS}/{order_id}?market_ticker={self.ticker}")


def sell_all(variables: Mapping[str, str]) -> None:
    """Sell all that the account of a served simulator holds, by the `SIM_` variables that the simulator told.

    A bot that starts with positions waits ten seconds for the second look at their books."""
    key = serialization.load_pem_private_key(Path(variables["SIM_KEYFILE"]).read_bytes(), None)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    signer = Ed25519Signer(variables["SIM_KEYID"], key)
    client = RawClient(variables["SIM_URL"], signer, requests.Session(), lambda: datetime.now(timezone.utc))
    for held in client.get("/portfolio/positions")["market_positions"]:
        count = float(held["position_fp"])
        client.place(
            ticker=held["ticker"], side="ask" if count > 0 else "bid", price="0.0100" if count > 0 else "0.9900",
            count=f"{abs(count):.2f}", time_in_force="immediate_or_cancel", reduce_only=True,
        )  # fmt: skip
