"""Serve an exchange on a loopback port, for any client.

Promise:
- Requests of all connections are answered one after the other.
- A fault that loses an answer loses it on the socket itself.

In addition to the API, `/simulator` gives a test or a person what the API does not offer:

- `GET /simulator/statement`: the account in full, see `simulator.statement`.
- `GET /simulator/time`.
- `POST /simulator/advance` with `{"seconds": 60}`, if the clock stands still (`--step`).
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from simulator.api.listing_forms import http_date, moment
from simulator.api.service import Api
from simulator.api.wire import Answer, BodyRefused, Request
from simulator.exchange import Refusal
from simulator.opening import CUSTOMER
from simulator.statement import statement
from simulator.transport import Front

HOST = "127.0.0.1"
CONTROL = "/simulator"
LARGEST_BODY = 1_000_000
LONGEST_STEP = 7 * 86_400.0

BREATH = 0.25
"""Seconds between updates of the exchange while no request arrives."""

LONGEST_SILENCE = 120.0
"""Seconds that a lost answer keeps its connection open, unless the client closes it first."""


class Control:
    """The clock of a served exchange, and the calls outside its API.
    With `step` the clock stands still from now on and moves only when it is advanced."""

    def __init__(self, api: Api, step: bool) -> None:
        self._api = api
        self._still = api.exchange.now if step else None

    def now(self) -> float:
        """Unix seconds."""
        return time.time() if self._still is None else self._still

    def catch_up(self) -> None:
        """Run all events that are due by now."""
        self._api.exchange.advance(self.now())

    def handle(self, request: Request) -> Answer:
        exchange = self._api.exchange
        self.catch_up()
        match request.method, request.path.removeprefix(CONTROL):
            case "GET", "/statement":
                return Answer(200, statement(exchange, CUSTOMER))
            case "GET", "/time":
                return Answer(200, self._time())
            case "POST", "/advance":
                return self._advance(request)
        return Answer(404, {"msg": "not found: use /statement, /time or /advance"})

    def _advance(self, request: Request) -> Answer:
        if self._still is None:
            return Answer(409, {"msg": "the clock runs by itself; start the simulator with --step"})
        try:
            seconds = request.json().fields.get("seconds")
        except (Refusal, BodyRefused) as no:
            return Answer(400, {"msg": str(no)})
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= LONGEST_STEP:
            return Answer(400, {"msg": "seconds must be a number from 0 to 604,800 (a week)"})
        self._still += seconds
        self._api.exchange.advance(self._still)
        return Answer(200, self._time())

    def _time(self) -> dict[str, Any]:
        return {"time": moment(self.now()), "unix": self.now(), "stands_still": self._still is not None}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60.0  # seconds that a client may keep a request unfinished
    wbufsize = 65_536  # sends an answer in one piece: a second piece would wait for the ACK of the first
    server: SimulatorServer

    def _answer(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if "Transfer-Encoding" in self.headers:
            self._turn_away(411, "send a Content-Length, not a Transfer-Encoding")
            return
        if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > LARGEST_BODY:
            self._turn_away(413, "the body is too large")
            return
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, query, headers, self.rfile.read(int(length)))
        with self.server.turn:
            answer = self.server.handle(request)
        if answer.cut is not None:
            self._lose(answer.cut)
            return
        time.sleep(answer.delay)
        self._write(answer)

    # The base class looks for these names.
    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _answer  # noqa: N815

    def _turn_away(self, status: int, why: str) -> None:
        self._write(Answer(status, {"msg": why}))
        self.close_connection = True

    def _write(self, answer: Answer) -> None:
        payload = answer.payload
        self.send_response_only(answer.status)
        headers = {"Date": http_date(self.server.control.now())} | dict(answer.headers)
        if answer.body is not None:
            headers["Content-Type"] = answer.content_type
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def _lose(self, how: str) -> None:
        """End the connection without an answer: with a reset, or by silence.
        A silent connection waits for the client to give up. A listening port cannot refuse a connection, so a
        `refused` of the embedded exchange is a reset here."""
        self.close_connection = True
        if how == "timeout":
            self.connection.settimeout(LONGEST_SILENCE)
            try:
                self.connection.recv(1)
            except OSError:
                return
        else:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing; requests are in the client's log."""


class SimulatorServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, front: Front, control: Control) -> None:
        self.control = control
        self.turn = threading.Lock()
        self._front = front
        super().__init__((HOST, port), Handler)
        threading.Thread(target=self._live, daemon=True).start()

    def _live(self) -> None:
        """Advance the exchange between requests.
        This way a request after a quiet night does not wait until that night is simulated."""
        while True:
            time.sleep(BREATH)
            with self.turn:
                self.control.catch_up()

    def handle(self, request: Request) -> Answer:
        if request.path.startswith(f"{CONTROL}/"):
            return self.control.handle(request)
        return self._front.handle(request, self.control.now())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that disconnected during its answer; report other errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
