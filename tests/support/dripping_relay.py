"""A relay between a bot and a served simulator, which passes on what it is told to byte by byte."""

from __future__ import annotations

import threading
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import requests

DRIP = 0.2
"""Seconds from one byte of a drip to the next."""


class DrippingRelay:
    """Passes requests to the simulator at `url`, and its answers back.

    `drip`: a pattern of requests ("GET */markets") whose answers' bodies come byte by byte. It may be changed at
    any time. `began`: how many such answers have begun."""

    def __init__(self, url: str, drip: str = "") -> None:
        self.drip, self.began = drip, 0
        parts = urlsplit(url)
        origin, ended = f"{parts.scheme}://{parts.netloc}", threading.Event()
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name: value for name, value in self.headers.items() if name.startswith("KALSHI")}
                answer = requests.request(
                    self.command, origin + self.path, data=body, headers=headers, timeout=20, allow_redirects=False
                )
                head = f"HTTP/1.1 {answer.status_code} -\r\nContent-Type: application/json\r\n"
                head += f"Date: {answer.headers['Date']}\r\nContent-Length: {len(answer.content)}\r\n\r\n"
                self.wfile.write(head.encode())
                if relay.drip and fnmatchcase(f"{self.command} {self.path.partition('?')[0]}", relay.drip):
                    relay.began += 1
                    for byte in answer.content:
                        self.wfile.write(bytes((byte,)))
                        if ended.wait(DRIP):
                            return
                else:
                    self.wfile.write(answer.content)

            do_GET = do_POST = do_PUT = do_DELETE = pass_on  # noqa: N815

            def log_message(self, format: str, *args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """The client has gone: it had enough."""

        self._server, self._ended = Server(("127.0.0.1", 0), Handler), ended
        self.url = f"http://127.0.0.1:{self._server.server_port}{parts.path}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
