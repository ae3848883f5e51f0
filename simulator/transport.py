"""The exchange under a `requests.Session` of the same process: a transport adapter in the network's place.

Promise: above it nothing is different. Requests are prepared, signed and parsed as ever; only the wire is short.
"""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from simulator.api import Api, Request
from simulator.clock import SimulatedClock


class ExchangeAdapter(HTTPAdapter):
    """Hands every request to `api`, half of `latency` simulated seconds after it was sent; the answer takes
    the other half."""

    def __init__(self, api: Api, clock: SimulatedClock, latency: float) -> None:
        super().__init__()
        self._api = api
        self._clock = clock
        self._latency = latency

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
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
            answer = self._api.handle(arrived, self._clock.now().timestamp())
            self._clock.advance(self._latency / 2)
        raw = HTTPResponse(
            body=io.BytesIO(answer.payload),
            headers={"Content-Type": "application/json", "Date": format_datetime(self._clock.now())},
            status=answer.status,
            preload_content=False,
        )
        return self.build_response(request, raw)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold a Ctrl-C back until the exchange has finished: no customer's keyboard stops an exchange half-way
    through an order. Elsewhere than in the main thread no Ctrl-C arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(*came[0])
