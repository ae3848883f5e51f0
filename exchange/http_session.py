"""The HTTP session to an exchange: each request has an end as a whole.

Promise, for a request with `timeout=(connect, answer)`, in seconds:
- `connect` for a connection: all addresses of the host, a proxy and TLS included. The same again to send it.
- `answer` without a byte of the answer, and `WHOLE` times that from the request's end to the answer's last byte.
- An answer has at most `LONGEST_ANSWER` bytes, as they come and when they are unpacked.
- Without a connection in time it raises `requests.exceptions.ConnectTimeout`: nothing was sent. If no byte of an
  answer comes, `requests.exceptions.ReadTimeout`. A request that is ended later raises `CutShort`.
- A connection is not used again after any of them.

Only the time to look up the host's name is the operating system's own. The limits begin after it.
"""

from __future__ import annotations

import http.client
import io
import itertools
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from time import monotonic
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family, create_connection

WHOLE = 1.5
"""Times the limit without a byte: the limit for a whole answer."""

LONGEST_ANSWER = 32 * 2**20
"""Bytes. The longest answers are lists that come as one page: of 10,000 programs, of all series. They have a few
million bytes."""

T = TypeVar("T")

_PIECE = 16_384
"""Bytes that are sent at once: one TLS record. TLS would give each record the whole timeout."""


class CutShort(Exception):
    """A request was ended after it was sent, at least in part. The text says why."""


def open_session() -> requests.Session:
    """A session whose requests end. Each of them must have a timeout."""
    session = requests.Session()
    adapter = _Adapter()
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session


def in_turns(found: Iterable[tuple[int, T]]) -> list[T]:
    """Addresses in an order in which their families take turns.

    `found`: each with its family's number. All addresses of one family may lead nowhere."""
    turns: defaultdict[int, Iterator[int]] = defaultdict(itertools.count)
    return [address for _, address in sorted(found, key=lambda one: next(turns[one[0]]))]


def _left(until: float) -> float:
    """Seconds until a monotonic time. Raises a `TimeoutError` if it has passed."""
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _Reader(io.RawIOBase):
    """The bytes of one answer, as they come from a socket, until a monotonic time."""

    def __init__(self, raw: Any, sock: Any, silence: float, until: float) -> None:
        self._raw, self._sock, self._silence, self._until = raw, sock, silence, until
        self._began, self._size = monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            self._sock.settimeout(min(_left(self._until), self._silence))
            count: int = self._raw.readinto(buffer)
        except TimeoutError:
            if not self._size:
                raise
            came = f"{self._size:,} bytes came in {monotonic() - self._began:.0f} s"
            raise CutShort(f"the answer took too long to come whole: {came}") from None
        self._size += count
        _require_sane(self._size)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _require_sane(size: int) -> None:
    if size > LONGEST_ANSWER:
        raise CutShort(f"the answer is longer than {LONGEST_ANSWER // 2**20} MiB, so it was not read to its end")


class _Source:
    """A socket as `http.client` reads an answer from it."""

    def __init__(self, sock: Any, silence: float, until: float) -> None:
        self._sock, self._silence, self._until = sock, silence, until

    def makefile(self, mode: str) -> io.BufferedReader:
        raw = self._sock.makefile(mode, buffering=0)
        return io.BufferedReader(_Reader(raw, self._sock, self._silence, self._until))


class _Connection(HTTPConnection):
    """A connection whose steps end in time."""

    _until = 0.0
    """When the present step must have ended, as a monotonic time."""

    def connect(self) -> None:
        try:
            super().connect()
        except (TimeoutError, CutShort) as error:  # of a proxy or of TLS: no request was sent yet
            raise ConnectTimeoutError(self, "no connection in time") from error

    def _new_conn(self) -> socket.socket:
        host = self._dns_host.strip("[]")
        try:
            found = socket.getaddrinfo(host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        self._until = monotonic() + self._limit
        try:
            return self._connected(in_turns([(one[0], (str(one[4][0]), int(one[4][1]))) for one in found]))
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

    def _connected(self, addresses: Sequence[tuple[str, int]]) -> socket.socket:
        """A connection to the first address that accepts one.

        Each but the last gets half of the time left."""
        failed = OSError("the name has no address")
        for number, address in enumerate(addresses, start=1):
            share = _left(self._until) / (1 if number == len(addresses) else 2)
            try:
                sock = create_connection(address, share, socket_options=self.socket_options)
                sock.settimeout(_left(self._until))
            except OSError as error:
                failed = error
            else:
                return sock
        raise failed

    @property
    def _limit(self) -> float:
        """Seconds for the present step.

        `urllib3` sets them before each: to connect and send, then to answer."""
        assert self.timeout is not None, "a request must have a timeout"  # noqa: S101
        return self.timeout

    def request(self, *arguments: Any, **options: Any) -> None:
        self._until = monotonic() + self._limit
        super().request(*arguments, **options)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        try:
            for start in range(0, len(data), _PIECE):
                self.sock.settimeout(_left(self._until))
                super().send(data[start : start + _PIECE])
        except TimeoutError:
            raise CutShort("the request took too long to send") from None

    def getresponse(self) -> Any:
        self._until = monotonic() + self._limit * WHOLE
        return super().getresponse()

    def response_class(self, sock: Any, *rest: Any, **options: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        source: Any = _Source(sock, self._limit, self._until)
        return http.client.HTTPResponse(source, *rest, **options)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Body:
    """A response of `urllib3` whose unpacked bytes are counted."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def stream(self, *arguments: Any, **options: Any) -> Iterator[bytes]:
        size = 0
        try:
            for part in self._response.stream(*arguments, **options):
                size += len(part)
                _require_sane(size)
                yield part
        except CutShort:
            self._response.close()
            raise


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if isinstance(manager, ProxyManager):
            manager.pool_classes_by_scheme = self.poolmanager.pool_classes_by_scheme
        return manager

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        return super().build_response(req, _Body(resp))  # type: ignore[arg-type]
