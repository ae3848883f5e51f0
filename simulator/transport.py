"""A `requests` transport adapter that calls the embedded exchange.

Promise:
- Code above the adapter does not change: requests are prepared, signed and parsed as for a real network.
- A lost request or answer fails as `requests` fails on a real network.
"""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from simulator.api.listing_forms import http_date
from simulator.api.wire import Answer, Request
from simulator.clock import SimulatedClock

_STOPS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK", "SIGALRM")
    if hasattr(signal, name)
]


class Front(Protocol):
    """Answers requests: the exchange's API, alone or behind `Mishaps`."""

    def handle(self, request: Request, now: float) -> Answer: ...


class ExchangeAdapter(HTTPAdapter):
    """Hands every request to `front`, half of `latency` seconds after it was sent.
    The answer takes the other half. Seconds are simulated."""

    def __init__(self, front: Front, clock: SimulatedClock, latency: float) -> None:
        super().__init__()
        self._front = front
        self._clock = clock
        self._latency = latency

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        url = urlsplit(request.url or "")
        body = request.body or b""
        arrived = Request(
            method=request.method or "GET",
            path=url.path,
            query=url.query,
            headers={name.lower(): str(value) for name, value in request.headers.items()},
            body=body if isinstance(body, bytes) else str(body).encode(),
        )
        with uninterrupted():
            self._clock.advance(self._latency / 2)
            answer = self._front.handle(arrived, self._clock.now().timestamp())
            self._carry(request, answer, _patience(options.get("timeout")))
        headers = {"Content-Type": answer.content_type, "Date": http_date(self._clock.now().timestamp())}
        raw = HTTPResponse(
            body=io.BytesIO(answer.payload),
            headers=headers | dict(answer.headers),
            status=answer.status,
            preload_content=False,
        )
        return self.build_response(request, raw)

    def _carry(self, request: requests.PreparedRequest, answer: Answer, patience: float) -> None:
        """Delay the answer's way back, or lose the answer."""
        if answer.cut == "refused":
            refused = NewConnectionError(HTTPConnection("simulator.invalid"), "[Errno 111] Connection refused")
            pool = HTTPConnectionPool("simulator.invalid")
            raise requests.exceptions.ConnectionError(
                MaxRetryError(pool, request.path_url, refused), request=request
            )
        if answer.cut == "reset":
            lost = ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
            raise requests.exceptions.ConnectionError(lost, request=request)
        if answer.cut == "timeout" or answer.delay > patience:
            self._clock.advance(patience)
            raise requests.exceptions.ReadTimeout(f"Read timed out. (read timeout={patience})", request=request)
        self._clock.advance(answer.delay + self._latency / 2)


def _patience(timeout: Any) -> float:
    """Seconds that a client waits for an answer; 60 if it would wait forever."""
    seconds = timeout[1] if isinstance(timeout, tuple) else timeout
    return 60.0 if seconds is None else float(seconds)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay handled signals, such as Ctrl-C, until the exchange has finished.
    Otherwise a signal could stop the exchange halfway through an order. Threads other than the main thread
    receive no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    answered = {number: answer for number in _STOPS if callable(answer := signal.getsignal(number))}
    for number in answered:
        signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for number, answer in answered.items():
            signal.signal(number, answer)
    if came:
        answered[signal.Signals(came[0][0])](*came[0])
