"""A request has an end as a whole, whatever the other side does. Times are real: sockets know no other.

A drip goes on for `LONGEST_DRIP`, if the client lets it, which is longer than `SOON`.
"""

from __future__ import annotations

import gzip
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from exchange.clock import WallClock
from exchange.errors import NoAnswer
from exchange.http_session import LONGEST_ANSWER, WHOLE, CutShort, in_turns, open_session
from exchange.rate_limits import Endpoint
from exchange.signing import Signer
from exchange.transport import Transport
from tests.support.faulty_exchange import KEY
from tests.support.slow_server import Answer, SlowServer, page

CONNECT, SILENCE = 1.0, 0.8
SOON = CONNECT + SILENCE * WHOLE + 2.0
"""Seconds within which a request must have ended, on a busy machine too."""

STATUS = b"HTTP/1.1 200 OK\r\n"
CHUNKED = STATUS + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = b"Content-Length: 9999\r\n"

DRIPS = {
    "the status line": Answer(drip=STATUS[:-2]),
    "a header": Answer(STATUS + b"X-Slow: ", b"z"),
    "headers without end": Answer(STATUS, b"X-Slow: 1\r\n"),
    "interim answers without end": Answer(drip=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": Answer(STATUS + LONG + b"\r\n", b" "),
    "an error's body": Answer(b"HTTP/1.1 503 Unavailable\r\n" + LONG + b"\r\n", b" "),
    "a body whose length is not known": Answer(STATUS + b"\r\n", b" "),
    "a chunk's length": Answer(CHUNKED, b"0"),
    "chunks": Answer(CHUNKED, b"1\r\nx\r\n"),
    "a trailer": Answer(CHUNKED + b"1\r\nx\r\n0\r\nX-Slow: ", b"z"),
    "a compressed body": Answer(
        STATUS + LONG + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"1")[:10], b"\0"
    ),
    "a body that stops": Answer(STATUS + LONG + b"\r\n" + b"x" * 5_000),
}


def ask(server: SlowServer, session: requests.Session | None = None, **options: Any) -> requests.Response:
    session = session or open_session()
    session.trust_env = False
    session.proxies.update(server.proxies)
    session.verify = server.authority or True
    options = {"timeout": (CONNECT, SILENCE), "allow_redirects": False} | options
    return session.request(options.pop("method", "GET"), server.url, **options)


def end_of(act: Callable[[], object]) -> str:
    """How a request ended: the error's name and text. It must be soon."""
    began = time.monotonic()
    try:
        act()
    except (requests.RequestException, CutShort) as error:
        took = time.monotonic() - began
        return f"{type(error).__name__}: {error}" if took < SOON else f"ended after {took:.1f} s: {error}"
    return "an answer"


CARRIED = [("http", part) for part in DRIPS]
CARRIED += [("https", part) for part in ("the status line", "a header", "a body", "chunks")]
CARRIED += [("proxy", part) for part in ("the status line", "a body")]


def test_a_dripping_answer_does_not_hold_the_bot_for_minutes(tmp_path: Path) -> None:
    """Whichever part drips, the request ends, and says that an answer had begun. Its connection is not used again:
    the next request is answered over another."""

    def drip(kind_and_part: tuple[str, str]) -> tuple[str, int, int]:
        kind, part = kind_and_part
        with SlowServer([DRIPS[part], Answer(page())], kind, tmp_path) as server:
            session = open_session()
            told = end_of(lambda: ask(server, session)).rpartition(": ")[0]
            return told, ask(server, session).status_code, server.connections

    with ThreadPoolExecutor(len(CARRIED)) as pool:  # all at once, because each of them waits
        ended = dict(zip(CARRIED, pool.map(drip, CARRIED), strict=True))
    assert ended == dict.fromkeys(CARRIED, ("CutShort: the answer took too long to come whole", 200, 2))


def test_silence_is_not_taken_for_a_slow_answer() -> None:
    with SlowServer([Answer(b"")]) as server:
        assert end_of(lambda: ask(server, timeout=(CONNECT, 0.2))).startswith("ReadTimeout")


@pytest.mark.parametrize(
    ("kind", "greeting"),
    [
        ("https", Answer(b"\x16\x03\x03\x40\x00", b"\0")),
        ("proxy", Answer(drip=b"HTTP/1.1 200 Connection established\r\nX-Slow: 1")),
        ("proxy", Answer(b"HTTP/1.1 200 Connection established\r\n\r\n", b"\x16\x03\x03\x40\x00" + b"\0" * 999)),
        ("proxy", Answer(b"HTTP/1.1 200 Connection established\r\n", b"X-Slow: 1\r\n")),
        ("https", Answer()),
        ("proxy", Answer()),
    ],
    ids=[
        "TLS drips",
        "a proxy drips",
        "TLS drips behind a proxy",
        "a proxy's headers",
        "no TLS",
        "a silent proxy",
    ],
)
def test_a_connection_not_made_in_time_carried_nothing_out(tmp_path: Path, kind: str, greeting: Answer) -> None:
    """No request was sent, so an order may safely be sent again."""
    with SlowServer(kind=kind, folder=tmp_path, greeting=greeting) as server:
        assert end_of(lambda: ask(server, timeout=(0.3, 9.0), method="POST")).startswith("ConnectTimeout")
        assert server.requests == []


@pytest.mark.parametrize("takes", [0, 16_384])
@pytest.mark.parametrize("kind", ["http", "https"])
def test_a_request_that_is_not_taken_ends(tmp_path: Path, kind: str, takes: int) -> None:
    """The other side reads nothing, or a little at a time. What does not fit into the buffers between is sent for
    no longer than a connection may take."""
    with SlowServer(kind=kind, folder=tmp_path, takes=takes) as server:
        ended = end_of(lambda: ask(server, method="POST", data=b"x" * 20_000_000, timeout=(0.3, 9.0)))
        assert ended == "CutShort: the request took too long to send"


BOMB, DEFLATED = (pack(b"\0" * (LONGEST_ANSWER + 1)) for pack in (gzip.compress, zlib.compress))
PACKED = STATUS + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10]
LONG_LINE = b"X-Long: " + b"x" * 50_000 + b"\r\n"
FLOODS = {
    "a body whose length is not known": Answer(STATUS + b"\r\n", flood=b"x" * 65_536),
    "chunks": Answer(CHUNKED, flood=b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
    "trailers": Answer(CHUNKED + b"1\r\nx\r\n0\r\n", flood=LONG_LINE),
    "interim answers": Answer(flood=b"HTTP/1.1 100 Continue\r\n" + LONG_LINE + b"\r\n"),
    "what unpacks to nothing": Answer(PACKED, flood=b"\0\0\0\xff\xff" * 13_000),
    "a body that unpacks to more": Answer(page(BOMB, "Content-Encoding: gzip\r\n")),
    "the same, packed by deflate": Answer(page(DEFLATED, "Content-Encoding: deflate\r\n")),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_an_endless_answer_does_not_fill_the_memory(flood: str) -> None:
    with SlowServer([FLOODS[flood], Answer(page())]) as server:
        session = open_session()
        ended = end_of(lambda: ask(server, session, timeout=(CONNECT, 20.0)))
        assert ended == "CutShort: the answer is longer than 32 MiB, so it was not read to its end"
        assert ask(server, session).status_code == 200


@pytest.mark.parametrize("kind", ["http", "https", "proxy"])
def test_a_healthy_exchange_is_read_over_one_connection(tmp_path: Path, kind: str) -> None:
    """The largest page that the bot knows is far below the limit. It comes whole, packed or not, and the limits of
    one request are not those of the next."""
    programs = b"[" + b"," * 4_000_000 + b"]"
    packed = page(gzip.compress(programs), "Content-Encoding: gzip\r\n")
    with SlowServer([Answer(page(programs)), Answer(packed), Answer(page())], kind, tmp_path) as server:
        session = open_session()
        for _ in range(2):
            assert ask(server, session, timeout=(CONNECT, 20.0)).content == programs
        time_limit = time.monotonic() + 0.8
        while time.monotonic() < time_limit:
            assert ask(server, session, timeout=(0.5, 0.5)).content == b"{}"
        assert server.connections == 1


@pytest.mark.parametrize(
    ("endpoint", "sent", "maybe_done"),
    [
        (Endpoint("GET", "/markets"), 2, False),
        (Endpoint("DELETE", "/portfolio/events/orders", "write"), 2, True),
        (Endpoint("POST", "/portfolio/events/orders", "write", idempotent=False), 1, True),
    ],
    ids=["a read", "a cancel", "a create"],
)
def test_a_dripping_answer_does_not_send_an_order_twice(endpoint: Endpoint, sent: int, maybe_done: bool) -> None:
    """A create could take effect twice. The error says whether the request may have been carried out."""
    with SlowServer([DRIPS["a body"]]) as server:
        transport = Transport(server.url, Signer("a-key", KEY), WallClock(), open_session())
        transport.timeouts, transport.patience = (CONNECT, 0.3), 1.2
        with pytest.raises(NoAnswer, match=r"the answer took too long to come whole: \d+ bytes came") as ended:
            transport.request(endpoint)
        assert ended.value.request == f"{endpoint.method} {endpoint.path}"
        assert (len(server.requests), ended.value.maybe_done) == (sent, maybe_done)


# -- the addresses of a host -------------------------------------------------------------------------------------


@pytest.fixture
def nowhere() -> Iterator[int]:
    """A port at 127.0.0.2 and above, at which connections are neither accepted nor refused."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(4):  # its queue is full then
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(("127.0.0.2", port))
        yield port
        for one in waiting:
            one.close()


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """From now on `exchange.test` has these addresses."""
    ask_system = socket.getaddrinfo

    def found(host: str, port: int, *rest: Any) -> list[Any]:
        if host != "exchange.test":
            return ask_system(host, port, *rest)
        return [one for address in addresses for one in ask_system(*address, *rest)]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_a_host_of_many_dead_addresses_ends_like_one(monkeypatch: pytest.MonkeyPatch, nowhere: int) -> None:
    resolve(monkeypatch, *[("127.0.0.2", nowhere)] * 12)
    ended = end_of(lambda: open_session().get("http://exchange.test", timeout=(CONNECT, 9.0)))
    assert ended.startswith("ConnectTimeout")


@pytest.mark.parametrize("dead", [1, 4])
def test_a_dead_address_does_not_hide_one_that_answers(
    monkeypatch: pytest.MonkeyPatch, nowhere: int, dead: int
) -> None:
    with SlowServer() as server:
        resolve(monkeypatch, *[("127.0.0.2", nowhere)] * dead, ("127.0.0.1", server.port))
        got = open_session().get("http://exchange.test", timeout=(CONNECT, 9.0))
        assert got.status_code == 200


def test_a_dead_family_of_addresses_does_not_take_all_the_time() -> None:
    """Eight addresses of one family would leave the other 1/256 of the time. They take turns instead, each in the
    system's order."""
    six, four = [(10, f"::{n}") for n in range(8)], [(2, f"10.0.0.{n}") for n in range(2)]
    assert in_turns([*six, *four])[:5] == ["::0", "10.0.0.0", "::1", "10.0.0.1", "::2"]
    assert in_turns([*four, *six])[:2] == ["10.0.0.0", "::0"]


def test_a_refused_address_does_not_hide_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with SlowServer() as server:
        resolve(monkeypatch, ("127.0.0.1", 9), ("127.0.0.1", server.port))
        assert open_session().get("http://exchange.test", timeout=(CONNECT, 9.0)).status_code == 200


@pytest.mark.parametrize("name", ["no-such-name.invalid", "a..b", f"{'a' * 64}.test"])
def test_a_name_without_an_address_carried_nothing_out(name: str) -> None:
    with pytest.raises(requests.RequestException) as ended:
        open_session().get(f"http://{name}", timeout=(CONNECT, 9.0))
    assert isinstance(ended.value, requests.ConnectionError | requests.exceptions.InvalidURL)
