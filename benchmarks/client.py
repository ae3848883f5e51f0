"""Measure what a signed request costs through our client.

Run it with `python -m benchmarks.client [--rounds N] [--requests N]`. It prints wall time and CPU time of this
process per signed request over loopback. Our client is compared with four others:

* a plain `requests.Session` that signs the same request in the same way
* the barest such session that is possible
* two clients by other authors, if they are installed

The clients take turns in every round.

The run stops if our client's request differs from the bare sessions' in any header or byte. It also stops if any
client needs a second connection or another signature.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from benchmarks.server import ORDERS, STATUS, Seen, Served, served
from bot.connection import connect
from clients import API_ROOT, Environment, KalshiHttpClient
from exchange.clock import WallClock
from exchange.models import OrderRequest, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Side
from exchange.signing import PrivateKey, Signer
from runtime.console import progress

KEY_ID = "5c0f6e4a-8d55-4e61-a1c6-0e6a2d5f7b11"

ORDER = OrderRequest(
    ticker="KXHIGHNY-26NOV22-B45.5",
    exchange_index=0,
    client_order_id="lipbot-26112215-000001",
    bid=Bid(Side.YES, Decimal("0.4200"), Decimal("10.00")),
    time_in_force=TimeInForce.GOOD_TILL_CANCELED,
    self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
    post_only=True,
)
BODY = {
    "ticker": "KXHIGHNY-26NOV22-B45.5",
    "client_order_id": "lipbot-26112215-000001",
    "side": "bid",
    "count": "10.00",
    "price": "0.4200",
    "time_in_force": "good_till_canceled",
    "self_trade_prevention_type": "taker_at_cross",
    "post_only": True,
    "reduce_only": False,
    "cancel_order_on_pause": False,
    "subaccount": 0,
    "exchange_index": 0,
}
"""The JSON body of `ORDER`."""


# -- clients -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asker:
    """A client that makes the same two calls, or the reason why it cannot."""

    name: str
    calls: tuple[Callable[[], object], ...] = ()
    why_not: str = ""


def _ours(url: str, key_file: Path) -> Asker:
    variables = {"SIM_URL": url, "SIM_KEYID": KEY_ID, "SIM_KEYFILE": str(key_file)}
    client = connect(Environment.SIM, variables).client
    client.read_limits()
    return Asker("our client", (client.get_exchange_status, partial(client.create_order, ORDER)))


def _bare(name: str, url: str, key: PrivateKey, **options: Any) -> Asker:
    """The same requests through `requests` alone.

    With `trust_env=False` it looks for no proxy and no password. The `options` can turn redirects off."""
    session = requests.Session()
    session.trust_env = options.pop("trust_env", True)
    sign: Callable[[bytes], bytes] = key.sign  # type: ignore[assignment]
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
        sign = partial(key.sign, padding=pss, algorithm=hashes.SHA256())

    def ask(method: str, path: str, body: dict[str, object] | None = None) -> object:
        stamp = str(int(time.time() * 1000))
        headers = {
            "KALSHI-ACCESS-KEY": KEY_ID,
            "KALSHI-ACCESS-TIMESTAMP": stamp,
            "KALSHI-ACCESS-SIGNATURE": b64encode(sign(f"{stamp}{method}{API_ROOT}{path}".encode())).decode(),
        }
        response = session.request(method, url + path, json=body, headers=headers, **options)
        response.raise_for_status()
        return response.json()

    return Asker(name, (partial(ask, "GET", STATUS), partial(ask, "POST", ORDERS, BODY)))


def _pykalshi(url: str, key_file: Path, key: PrivateKey) -> Asker:
    try:
        pykalshi: Any = import_module("pykalshi")
    except ImportError:
        return Asker("pykalshi", why_not="not installed")
    name = f"pykalshi {version('pykalshi')}"
    if not isinstance(key, rsa.RSAPrivateKey):
        return Asker(name, why_not="does not accept this type of key")
    client = pykalshi.KalshiClient(KEY_ID, str(key_file), url, max_retries=0)
    place = partial(
        client.portfolio.place_order,
        ORDER.ticker,
        book_side=pykalshi.BookSide.BID,
        price_dollars="0.4200",
        count_fp="10.00",
        post_only=True,
        client_order_id=ORDER.client_order_id,
    )
    return Asker(name, (client.exchange.get_status, place))


def _sdk(url: str, key_file: Path) -> Asker:
    try:
        sdk: Any = import_module("kalshi_python_sync")
    except ImportError:
        return Asker("kalshi-python-sync", why_not="not installed")
    configuration = sdk.Configuration(host=url)
    configuration.api_key_id = KEY_ID
    configuration.private_key_pem = key_file.read_text()
    client = sdk.KalshiClient(configuration)
    place = partial(client.create_order_v2, **BODY)
    return Asker(f"kalshi-python-sync {version('kalshi_python_sync')}", (client.get_exchange_status, place))


# -- requests ----------------------------------------------------------------------------------------------------


@dataclass
class Cost:
    """Microseconds per request, one value for each round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def _measure_requests(rounds: int, count: int) -> None:
    keys: dict[str, PrivateKey] = {
        "RSA-2048": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    print(
        f"A signed request over loopback, in microseconds: medians of {rounds} rounds of {count} requests each.\n"
        "The clients take turns. A factor is our client's time divided by theirs: the median of the rounds' own.\n"
    )
    print(f"{'':46}{'wall':>8}{'CPU':>8}{'factor, wall':>17}{'CPU':>8}")
    for kind, key in keys.items():
        with served() as server, tempfile.TemporaryDirectory() as folder:
            key_file = Path(folder) / "key.pem"
            key_file.touch(mode=0o600)
            key_file.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
            askers = [
                _ours(server.url, key_file),
                _bare("requests.Session()", server.url, key, timeout=10.0),
                _bare(
                    "the barest: trust_env=False, no redirects",
                    server.url,
                    key,
                    trust_env=False,
                    timeout=(5.0, 10.0),
                    allow_redirects=False,
                ),
                _pykalshi(server.url, key_file, key),
                _sdk(server.url, key_file),
            ]
            _check(server, key, askers)
            for number, what in enumerate((f"GET {STATUS}", f"POST {ORDERS}")):
                able = {asker.name: asker.calls[number] for asker in askers if asker.calls}
                costs = _costs(f"{kind}, {what}", able, rounds, count)
                print(f"{kind}, {what}")
                for asker in askers:
                    print(_row(asker, costs), flush=True)
            seen = server.seen()
            asked = 2 * rounds * count * len(able)
            _require(seen == Seen(0, asked, asked, seen.last), "a connection was not reused")
    print(
        "\nEach client used one connection throughout, and each request carried one signature. Our client made"
        "\none signature per request, and sent what the bare sessions sent: line, headers and body."
    )


def _costs(title: str, calls: dict[str, Callable[[], object]], rounds: int, count: int) -> dict[str, Cost]:
    costs = {name: Cost() for name in calls}
    order = list(calls)
    for number in range(rounds):
        progress(f"{title}: round {number + 1} of {rounds}")
        for name in order:
            call, cost = calls[name], costs[name]
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(count):
                call()
            cost.wall.append((time.perf_counter() - wall) / count * 1e6)
            cost.cpu.append((time.process_time() - cpu) / count * 1e6)
        order.append(order.pop(0))  # no client is always the next one after the slowest
    progress("")
    return costs


def _row(asker: Asker, costs: dict[str, Cost]) -> str:
    if not asker.calls:
        return f"  {asker.name:44}{asker.why_not:>41}"
    ours, theirs = next(iter(costs.values())), costs[asker.name]
    row = f"  {asker.name:44}{statistics.median(theirs.wall):8,.0f}{statistics.median(theirs.cpu):8,.0f}"
    if ours is theirs:
        return row
    wall, cpu = (
        statistics.median(a / b for a, b in zip(*pair, strict=True))
        for pair in ((ours.wall, theirs.wall), (ours.cpu, theirs.cpu))
    )
    return f"{row}{wall:15.2f} x{cpu:6.2f} x"


def _check(server: Served, key: PrivateKey, askers: list[Asker]) -> None:
    """Stop the run if the comparison is not valid, and warm every client up."""
    server.seen()
    ours, plain, barest, *_ = askers
    for number in range(2):
        sent = []
        for asker in (ours, plain, barest):
            asker.calls[number]()
            sent.append(server.seen().last)
        _require(sent[0] == sent[1] == sent[2], f"our client sent a different request: {sent}")
    for asker in askers:
        for call in asker.calls:
            for _ in range(20):
                call()
    server.seen()

    class Counting(Signer):
        made = 0

        def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
            self.made += 1
            return super().headers(method, path, timestamp_ms)

    signer = Counting(KEY_ID, key)
    client = KalshiHttpClient(server.url, signer, WallClock())
    for _ in range(10):
        client.get_exchange_status()
        client.create_order(ORDER)
    seen = server.seen()
    _require((seen.connections, seen.requests, seen.signatures, signer.made) == (1, 20, 20, 20), f"{seen}")


def _require(fair: bool, why: str) -> None:
    if not fair:
        sys.exit(f"The comparison is not valid: {why}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="rounds of each (default 20)")
    parser.add_argument("--requests", type=int, default=25, help="requests in a round (default 25)")
    arguments = parser.parse_args()
    for variable in ("http_proxy", "https_proxy", "all_proxy"):  # for outside hosts only, and slow to look up
        os.environ.pop(variable, None)
        os.environ.pop(variable.upper(), None)
    _measure_requests(arguments.rounds, arguments.requests)


if __name__ == "__main__":
    main()
