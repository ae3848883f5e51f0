"""A server that answers as slowly or as endlessly as a test wants, over HTTP, TLS or as a CONNECT proxy."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.support.network import Authority

DRIP = 0.05
"""Seconds from one byte of a drip to the next."""

LONGEST_DRIP = 6.0
"""Seconds after which the server closes a connection, so that a client without limits fails and does not hang."""

HOST = "exchange.test"
"""A host that can be reached through a proxy only."""


@dataclass(frozen=True)
class Answer:
    """What is sent: `begin` at once, then `drip` byte by byte, again and again, or `flood` without end. After an
    answer without drip and flood the connection stays open for the next request."""

    begin: bytes = b""
    drip: bytes = b""
    flood: bytes = b""


def page(body: bytes = b"{}", headers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


WHOLE = Answer(page())


class SlowServer:
    """Gives `answers` one after another, the last again and again. A context manager.

    `kind`: "http", "https" (TLS), or "proxy" (a CONNECT proxy that is also the exchange behind it). `greeting`:
    what a connection gets instead of TLS or instead of the proxy's consent. `takes`: the bytes of a
    request that are read in each `DRIP` seconds; None: it is read at once, and answered."""

    def __init__(
        self,
        answers: Iterable[Answer] = (WHOLE,),
        kind: str = "http",
        folder: Path | None = None,
        greeting: Answer | None = None,
        takes: int | None = None,
    ) -> None:
        self.kind, self.greeting, self.takes = kind, greeting, takes
        self.requests: list[str] = []
        self.connections = 0
        *first, last = answers
        self._answers = itertools.chain(first, itertools.repeat(last))
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.authority = ""
        if kind != "http":
            assert folder is not None
            own = folder / str(self.port)  # others may write theirs at the same time
            own.mkdir()
            authority = Authority(own)
            self.authority = str(authority.file)
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(authority.issue(HOST if kind == "proxy" else "localhost"))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        host = {"http": f"127.0.0.1:{self.port}", "https": f"localhost:{self.port}", "proxy": HOST}[self.kind]
        return f"{'http' if self.kind == 'http' else 'https'}://{host}/trade-api/v2"

    @property
    def proxies(self) -> dict[str, str]:
        return {"https": f"http://127.0.0.1:{self.port}"} if self.kind == "proxy" else {}

    def __enter__(self) -> SlowServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._ended.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._serve_whole(connection)
        except OSError:
            return  # the client has gone

    def _serve_whole(self, connection: socket.socket) -> None:
        if self.kind == "proxy":
            _request(connection)
            if not self.greeting:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if self.greeting:
            self._give(connection, self.greeting)
            self._ended.wait()
        if self.kind != "http":
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection:
            while self.takes is not None and not self._ended.wait(DRIP):
                connection.recv(self.takes)
            while request := _request(connection):
                self.requests.append(request)
                self._give(connection, next(self._answers))

    def _give(self, connection: socket.socket, answer: Answer) -> None:
        connection.sendall(answer.begin)
        for byte in itertools.islice(itertools.cycle(answer.drip), int(LONGEST_DRIP / DRIP)):
            if self._ended.wait(DRIP):
                return
            connection.sendall(bytes((byte,)))
        if answer.drip:
            connection.close()
        while answer.flood and not self._ended.is_set():
            connection.sendall(answer.flood)


def _request(connection: socket.socket) -> str:
    """The line of the next request, once its headers and its body came; empty if the client closed."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65_536)
        if not part:
            return ""
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
    left = int(headers.get("content-length", "0")) - len(body)
    while left > 0:
        left -= len(connection.recv(65_536)) or left
    return head.decode().split("\r\n")[0]
