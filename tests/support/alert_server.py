"""A server on this machine that takes alerts, or does not, as its path says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

DRIP = 0.2
"""Seconds between the bytes of an answer that drips."""


class Got(NamedTuple):
    """A request: its method, path, headers and body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


class AlertServer:
    """What came, and how to answer it: `/ok`, `/500`, `/redirect` (to `/moved`), `/hang`, `/drip`.

    `status`: what `/switch` answers, which a test changes meanwhile."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.status = 200
        self._ended = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                outer.got.append(Got(self.command, self.path, dict(self.headers), body))
                outer.answer(self)

            do_GET = do_POST  # noqa: N815  (the library calls it so)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def posted(self) -> list[Got]:
        return [one for one in self.got if one.method == "POST"]

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request as its path says."""
        what = handler.path.split("/")[1]
        if what == "hang":
            self._ended.wait()
            return
        handler.send_response({"500": 500, "redirect": 302, "switch": self.status}.get(what, 200))
        if what == "redirect":
            handler.send_header("Location", "/moved")
        if what == "drip":
            with suppress(OSError):  # the client leaves
                handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not self._ended.wait(DRIP):
                    handler.wfile.write(b"X")
            return
        handler.send_header("Content-Length", "0")
        handler.end_headers()


@contextmanager
def alert_server() -> Iterator[AlertServer]:
    """A server that closes at the end."""
    server = AlertServer()
    try:
        yield server
    finally:
        server.close()
