"""What our client costs: `python -m benchmarks.client [--rounds N] [--requests N]`.

Prints three tables. First, time and CPU of this process per signed request over loopback, beside a plain
`requests.Session` that signs the same request the same way, the barest such session there can be, and two clients
that other people wrote. Second, what `import clients` takes beside the packages under it. Third, 500 reads and
then 200 writes on the embedded exchange with its lowest limits, over a wire of 0 to 50 ms: simulated time beside
what the exchange's buckets dictate.

The server of the first table is a process of its own, says the same thing always, and reads no more of a request
than it must, so that little but the client is timed. It counts connections and signatures, and the run stops where
our client's request is not, header by header and byte by byte, what the bare ones' is.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from email.utils import formatdate
from functools import partial
from importlib import import_module
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from account import AccountLimits
from budget import BASIC
from clients import API_ROOT, Environment, KalshiHttpClient
from clock import WallClock
from connection import connect
from models import Bid, OrderRequest, SelfTradePrevention, Side, TimeInForce
from signing import PrivateKey, Signer
from simulator import embedded
from simulator.opening import CUSTOMER
from simulator.transport import ExchangeAdapter

PROJECT = Path(__file__).resolve().parents[1]
KEY_ID = "5c0f6e4a-8d55-4e61-a1c6-0e6a2d5f7b11"
STATUS, ORDERS = "/exchange/status", "/portfolio/events/orders"

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
"""`ORDER` as it goes out."""

_AMPLE = {"refill_rate": 10**9, "bucket_capacity": 10**9}
_UP = {"exchange_active": True, "trading_active": True, "intra_exchange_transfers_active": True}
_SHARDS = [{"exchange_index": shard, "description": f"shard {shard}"} | _UP for shard in range(4)]
ANSWERS: dict[tuple[str, str], tuple[int, dict[str, object]]] = {
    ("GET", STATUS): (
        200,
        {**_UP, "exchange_index_statuses": _SHARDS},
    ),
    ("POST", ORDERS): (
        201,
        {
            "order_id": "0b6c2a3e-52b7-4c2e-9a57-3f0a3c1d9e10",
            "client_order_id": "lipbot-26112215-000001",
            "fill_count": "0.00",
            "remaining_count": "10.00",
            "ts_ms": 1_795_359_600_123,
        },
    ),
    ("GET", "/account/limits"): (200, {"usage_tier": "ample", "read": _AMPLE, "write": _AMPLE, "grants": []}),
    ("GET", "/account/endpoint_costs"): (200, {"default_cost": 10, "endpoint_costs": []}),
}


# -- the server --------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What a server has seen since it was last asked."""

    connections: int = 0
    requests: int = 0
    signatures: int = 0
    last: tuple[str, str, str] = ("", "", "")
    """The last request: its line, the names of its headers with what does not change of them, its body."""


class _Handler(socketserver.StreamRequestHandler):
    """One connection, kept open. An answer leaves in one piece: in two, the second would wait for the first's
    receipt."""

    server: _Server

    def handle(self) -> None:
        self.server.seen.connections += 1
        while line := self.rfile.readline():
            headers, length = [], 0
            while (header := self.rfile.readline()) not in (b"\r\n", b""):
                headers.append(header)
                if header[:15].lower() == b"content-length:":
                    length = int(header[15:])
            body = self.rfile.read(length)
            self.server.see(line, headers, body)
            method, target, _ = line.decode().split(" ")
            status, payload = self.server.payloads[method, target.partition("?")[0]]
            self.wfile.write(
                b"HTTP/1.1 %d OK\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (status, formatdate(usegmt=True).encode(), len(payload), payload)
            )


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.seen = Seen()
        self.payloads = {
            (method, API_ROOT + path): (status, json.dumps(answer).encode())
            for (method, path), (status, answer) in ANSWERS.items()
        }
        self.last: tuple[bytes, list[bytes], bytes] = (b"", [], b"")
        super().__init__(("127.0.0.1", 0), _Handler)

    def see(self, line: bytes, headers: list[bytes], body: bytes) -> None:
        """One client asks at a time, so counting needs no lock."""
        self.seen.requests += 1
        self.seen.signatures += sum(header[:24].lower() == b"kalshi-access-signature:" for header in headers)
        self.last = line, headers, body

    def take_seen(self) -> Seen:
        line, headers, body = self.last
        constant = sorted(
            name if name.lower().startswith("kalshi-access-") else f"{name}: {value.strip()}"
            for name, _, value in (header.decode().partition(":") for header in headers)
        )
        seen, self.seen = self.seen, Seen()
        seen.last = line.decode().strip(), "\n".join(constant), body.decode()
        return seen


def _serve(told: Connection) -> None:
    """A process: tells its port, and then, whenever anything is sent to it, what it has seen."""
    server = _Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.send(server.server_address[1])
    while told.recv():
        told.send(server.take_seen())


@dataclass(frozen=True)
class Served:
    url: str
    told: Connection

    def seen(self) -> Seen:
        """What came since this was last asked."""
        self.told.send(True)
        seen: Seen = self.told.recv()
        return seen


@contextmanager
def _served() -> Iterator[Served]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Served(f"http://127.0.0.1:{ours.recv()}{API_ROOT}", ours)
    finally:
        process.terminate()
        process.join()


# -- who asks it -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asker:
    """A client that makes the same two calls. `why_not`: why it cannot."""

    name: str
    calls: tuple[Callable[[], object], ...] = ()
    why_not: str = ""


def _ours(url: str, key_file: Path) -> Asker:
    variables = {"SIM_URL": url, "SIM_KEYID": KEY_ID, "SIM_KEYFILE": str(key_file)}
    client = connect(Environment.SIM, variables).client
    client.read_limits()
    return Asker("our client", (client.get_exchange_status, partial(client.create_order, ORDER)))


def _bare(name: str, url: str, key: PrivateKey, **options: Any) -> Asker:
    """The same requests by `requests` alone. With `trust_env=False` it looks for no proxy and no password, and
    with the `options` it looks for no redirect."""
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
        return Asker(name, why_not="takes no such key")
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
    """Microseconds a request, by round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def _measure_requests(rounds: int, count: int) -> None:
    keys: dict[str, PrivateKey] = {
        "RSA-2048": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    print(
        f"A signed request over loopback, in microseconds: medians of {rounds} rounds of {count} requests each, "
        "all in turns.\nThe factors are our client's time by theirs in the same round: medians of those.\n"
    )
    print(f"{'':46}{'wall':>8}{'CPU':>8}{'ours is, wall':>17}{'CPU':>8}")
    for kind, key in keys.items():
        with _served() as server, tempfile.TemporaryDirectory() as folder:
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
            _require(seen == Seen(0, asked, asked, seen.last), "a connection was not used again")
    print(
        "\nEach client used one connection throughout, and each request carried one signature. Ours made one"
        "\nsignature a request, and sent what the bare sessions sent: line, headers and body."
    )


def _costs(title: str, calls: dict[str, Callable[[], object]], rounds: int, count: int) -> dict[str, Cost]:
    costs = {name: Cost() for name in calls}
    order = list(calls)
    for number in range(rounds):
        _progress(f"{title}: round {number + 1} of {rounds}")
        for name in order:
            call, cost = calls[name], costs[name]
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(count):
                call()
            cost.wall.append((time.perf_counter() - wall) / count * 1e6)
            cost.cpu.append((time.process_time() - cpu) / count * 1e6)
        order.append(order.pop(0))  # nobody is always the one after the slowest
    _progress("")
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
    """Stop where the comparison would not be one. Everybody is warm after it."""
    server.seen()
    ours, plain, barest, *_ = askers
    for number in range(2):
        sent = []
        for asker in (ours, plain, barest):
            asker.calls[number]()
            sent.append(server.seen().last)
        _require(sent[0] == sent[1] == sent[2], f"our client asks for something else: {sent}")
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
        sys.exit(f"These figures would mean nothing: {why}")


# -- imports -----------------------------------------------------------------------------------------------------

IMPORTS = {
    "import clients": "import clients",
    "import requests, cryptography, dotenv": "import requests, cryptography, dotenv",
    "the parts of them that the project uses": (
        "import requests, dotenv; "
        "from cryptography.exceptions import UnsupportedAlgorithm; "
        "from cryptography.hazmat.primitives import hashes, serialization; "
        "from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa"
    ),
}


def _measure_imports(rounds: int) -> None:
    took: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for number in range(-1, rounds):  # the first writes what Python keeps of a module, and does not count
        _progress(f"imports: round {number + 1} of {rounds}")
        for name, statement in IMPORTS.items():
            program = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
            )
            if number >= 0:
                took[name].append(float(done.stdout) * 1000)
    _progress("")
    print(f"\nImports, each in a new interpreter that is up already: medians of {rounds} rounds, in turns.\n")
    ours = took["import clients"]
    for name, times in took.items():
        row = f"{name:46}{statistics.median(times):8.0f} ms"
        if times is not ours:
            row += f"{'ours is':>15}{statistics.median(a / b for a, b in zip(ours, times, strict=True)):7.2f} x"
        print(row)


# -- limits ------------------------------------------------------------------------------------------------------

READS, WRITES, COST = 500, 200, 10
LONGEST_WAY = 0.05


class UnevenWire(ExchangeAdapter):
    """Takes 0 to 50 simulated ms, some before the exchange has the request and the rest after, by chance."""

    def __init__(self, exchange: embedded.EmbeddedExchange, seed: int) -> None:
        super().__init__(exchange.api, exchange.clock, latency=0.0)
        self.refusals = 0
        self._exchange = exchange
        self._dice = random.Random(seed)

    def send(self, request: requests.PreparedRequest, *rest: Any, **options: Any) -> requests.Response:
        takes = self._dice.uniform(0.0, LONGEST_WAY)
        there = self._dice.uniform(0.0, takes)
        self._exchange.clock.advance(there)
        response = super().send(request, *rest, **options)
        self._exchange.clock.advance(takes - there)
        self.refusals += response.status_code == 429
        return response


@dataclass(frozen=True)
class Pace:
    """Simulated seconds that reads and writes took, how often the exchange said 429, and how many orders the
    writes left resting."""

    reads: float
    writes: float
    refusals: int = 0
    resting: int = 0


def dictated(limits: AccountLimits = BASIC) -> Pace:
    """What the buckets dictate: full at first, each refills evenly."""
    reads, writes = READS * COST, WRITES * COST
    return Pace(
        (reads - limits.read.capacity) / limits.read.rate, (writes - limits.write.capacity) / limits.write.rate
    )


def pace(seed: int) -> Pace:
    """500 reads and then 200 writes that leave nothing resting, on an exchange of the lowest tier."""
    at = datetime(2026, 11, 22, 15, tzinfo=timezone.utc)
    exchange = embedded.start(seed, None, at=at, programs=20, who=())
    wire = UnevenWire(exchange, seed)
    exchange.session.mount(embedded.HOST, wire)
    signer = Signer(exchange.key_id, exchange.private_key)
    client = KalshiHttpClient(exchange.base_url, signer, exchange.clock, exchange.session)
    market = next(iter(exchange.api.exchange.markets.values()))
    rested = len(exchange.api.exchange.resting(CUSTOMER))
    began = exchange.clock.monotonic()
    for _ in range(READS):
        client.get_positions()
    read = exchange.clock.monotonic()
    for number in range(WRITES):
        client.create_order(
            OrderRequest(
                ticker=market.ticker,
                exchange_index=market.shard,
                client_order_id=f"bench-{number}",
                bid=Bid(Side.YES, Decimal("0.01"), Decimal(1)),
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
                self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            )
        )
    wrote = exchange.clock.monotonic()
    return Pace(read - began, wrote - read, wire.refusals, len(exchange.api.exchange.resting(CUSTOMER)) - rested)


def _measure_pace(seeds: int) -> None:
    least = dictated()
    print(f"\nLimits: {READS} reads, then {WRITES} writes, on the lowest tier, a way of 0 to 50 ms. Simulated.\n")
    print(f"{'':10}{'reads':>10}{'writes':>10}{'in all':>10}{'dictated':>12}{'429s':>8}")
    for seed in range(seeds):
        _progress(f"limits: seed {seed}")
        found = pace(seed)
        whole, dictate = found.reads + found.writes, least.reads + least.writes
        _progress("")
        print(
            f"seed {seed:<5}{found.reads:8.2f} s{found.writes:8.2f} s{whole:8.2f} s{dictate:10.2f} s"
            f"{found.refusals:8}{whole / dictate:10.3f} x"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="rounds of each (default 20)")
    parser.add_argument("--requests", type=int, default=25, help="requests in a round (default 25)")
    arguments = parser.parse_args()
    for variable in ("http_proxy", "https_proxy", "all_proxy"):  # for the world outside, and costly to look for
        os.environ.pop(variable, None)
        os.environ.pop(variable.upper(), None)
    _measure_requests(arguments.rounds, arguments.requests)
    _measure_imports(max(arguments.rounds // 2, 1))
    _measure_pace(3)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:90}", end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
