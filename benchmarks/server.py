"""The server for `benchmarks.client`, which costs its client as little as it can.

It runs in a process of its own, always gives the same answers, and reads no more of a request than it must. So
little but the client is timed. It counts connections, requests and signatures.
"""

from __future__ import annotations

import json
import multiprocessing
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from multiprocessing.connection import Connection

from clients import API_ROOT

STATUS, ORDERS = "/exchange/status", "/portfolio/events/orders"

_AMPLE = {"refill_rate": 10**9, "bucket_capacity": 10**9}
_UP = {"exchange_active": True, "trading_active": True, "intra_exchange_transfers_active": True}
_SHARDS = [{"exchange_index": shard, "description": f"shard {shard}"} | _UP for shard in range(4)]
ANSWERS: dict[tuple[str, str], tuple[int, dict[str, object]]] = {
    ("GET", STATUS): (200, {**_UP, "exchange_index_statuses": _SHARDS}),
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


@dataclass
class Seen:
    """What a server has received since it was last asked."""

    connections: int = 0
    requests: int = 0
    signatures: int = 0
    last: tuple[str, str, str] = ("", "", "")
    """The last request: its line, its headers' names with the constant values, its body."""


class _Handler(socketserver.StreamRequestHandler):
    """One connection, kept open.

    An answer is sent in one write: a second write would wait until the first is acknowledged."""

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
        """Count a request. One client asks at a time, so this needs no lock."""
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
    """Run as the server's process: send the port, then a `Seen` for each message."""
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
        """What the server has received since the last call."""
        self.told.send(True)
        seen: Seen = self.told.recv()
        return seen


@contextmanager
def served() -> Iterator[Served]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Served(f"http://127.0.0.1:{ours.recv()}{API_ROOT}", ours)
    finally:
        process.terminate()
        process.join()
