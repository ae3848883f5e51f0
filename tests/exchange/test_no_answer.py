"""A request that gets no answer: whatever the HTTP library raises is one of our errors, says what failed and
what to do, and never that nothing was sent if something may have been. No proxy's password is told."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import urllib3

from bot import network_settings
from bot.network_settings import session_to
from clients import KalshiHttpClient
from exchange.errors import ConfigError, ExchangeError, NoAnswer, NotSent
from exchange.signing import Signer
from simulator.clock import SimulatedClock
from tests.support.canned_answers import KEY, KEY_ID, client_that_hears, give, terms
from tests.support.network import Authority, Front, Proxy, closed_port, front, page, proxy
from tests.support.project import START

PASSWORD, USER = "hush-password", "somebody"
HOST = "exchange.invalid"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def through(authority: Authority) -> Iterator[tuple[Front, Proxy]]:
    """A server with a good certificate, and the proxy that leads to it."""
    with front(authority.issue(HOST)) as server, proxy(server.port) as between:
        yield server, between


def client_of(address: str, trusted: object = True, through: str = "") -> KalshiHttpClient:
    session = requests.Session()
    session.trust_env = False
    session.verify = trusted  # type: ignore[assignment]
    if through:
        session.proxies["https"] = through
    clock = SimulatedClock(START, pace=None)
    client = KalshiHttpClient(f"{address}/trade-api/v2", Signer(KEY_ID, KEY), clock, session)
    client.shorten_timeouts()
    return client


def assert_told(client: KalshiHttpClient, kind: type[ExchangeError], told: str) -> None:
    """A read fails with this kind and text, and a create says the same about whether it may have been done."""
    with pytest.raises(ExchangeError, match=told) as failed:
        client.get_exchange_status()
    error = failed.value
    assert type(error) is kind, error
    for secret in (PASSWORD, USER, KEY_ID):
        assert secret not in f"{error} {error!r} {vars(error)}"
    with pytest.raises(ExchangeError) as placed:
        client.create_order(terms())
    assert placed.value.maybe_done is (kind is not NotSent), placed.value
    assert PASSWORD not in str(placed.value)


# -- certificates ----------------------------------------------------------------------------------------------

CERTIFICATES: dict[str, tuple[dict[str, Any], str]] = {
    "signs itself": ({"signs_itself": True}, "of localhost could not be verified .*REQUESTS_CA_BUNDLE"),
    "has expired": ({"days_left": -1}, "of localhost has expired .*machine's clock.*REQUESTS_CA_BUNDLE"),
    "is another's": ({"host": "elsewhere.invalid"}, "that came is not for localhost .*login page"),
}


@pytest.mark.parametrize("what", CERTIFICATES)
def test_a_wrong_certificate_is_told_with_its_remedy(authority: Authority, what: str) -> None:
    given, told = CERTIFICATES[what]
    with front(authority.issue(**({"host": "localhost"} | given))) as server:
        assert_told(client_of(f"https://localhost:{server.port}", str(authority.file)), NotSent, told)
    assert server.paths == []


def test_a_companys_certificate_is_told_with_its_variable(authority: Authority) -> None:
    with front(authority.issue("localhost")) as server:
        server.instead = page(200, "{}")
        address = f"https://localhost:{server.port}"
        assert_told(client_of(address), NotSent, "of localhost could not be verified .*REQUESTS_CA_BUNDLE")
        assert server.paths == []
        with pytest.raises(ExchangeError, match="field exchange_active"):
            client_of(address, str(authority.file)).get_exchange_status()


TRUSTED_FILES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "a folder without certificates": lambda path: path.mkdir(),
    "empty": lambda path: path.write_text(""),
    "text": lambda path: path.write_text("my certificate"),
    "binary": lambda path: path.write_bytes(b"\x30\x82\xff\x00" * 50),
    "a broken certificate": lambda path: path.write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    ),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("what", TRUSTED_FILES)
def test_a_trusted_file_that_breaks_costs_requests_and_no_more(
    authority: Authority, through: tuple[Front, Proxy], tmp_path: Path, what: str
) -> None:
    """Nothing is sent, the error says so, and the next request after it is back is answered. The connection that
    was open before is no way around it."""
    server, between = through
    server.instead, between.answer = page(200, '{"exchange_active": 1}', "Keep-Alive: 9"), None
    path = tmp_path / "bundle.pem"
    path.write_bytes(authority.file.read_bytes())
    client = client_of(f"https://{HOST}", str(path), f"http://127.0.0.1:{between.port}")
    with pytest.raises(ExchangeError, match="field exchange_active"):
        client.get_exchange_status()
    path.unlink()
    TRUSTED_FILES[what](path)
    came = len(server.paths)
    if what == "a folder without certificates":  # to OpenSSL it is a folder that trusts nobody
        assert_told(client, NotSent, "could not be verified .*REQUESTS_CA_BUNDLE")
    else:
        assert_told(client, NotSent, "trusted certificates cannot be used .*REQUESTS_CA_BUNDLE")
    assert len(server.paths) == came
    path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    path.write_bytes(authority.file.read_bytes())
    with pytest.raises(ExchangeError, match="field exchange_active"):
        client.get_exchange_status()


@pytest.mark.parametrize("what", TRUSTED_FILES)
@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_wrong_trusted_file_is_told_at_the_start(tmp_path: Path, what: str, name: str) -> None:
    path = tmp_path / "bundle.pem"
    TRUSTED_FILES[what](path)
    with pytest.raises(
        ConfigError,
        match=rf"^{name} names {path}, which .* unset {name}, and remove it from .env. Nothing was sent",
    ) as wrong:
        session_to("https://localhost/trade-api/v2", {name: str(path)}, True)
    assert "\n" not in str(wrong.value)
    assert session_to("http://localhost/trade-api/v2", {name: str(path)}, True).verify is True, "no use for it"


def test_a_folder_of_certificates_is_as_good_as_a_file(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "0123abcd.0").write_bytes(authority.file.read_bytes())
    assert session_to("https://x/", {"REQUESTS_CA_BUNDLE": str(tmp_path)}, True).verify == str(tmp_path)
    assert session_to("https://x/", {"REQUESTS_CA_BUNDLE": f" {authority.file}"}, True).verify == str(
        authority.file
    )
    assert session_to("https://x/", {"REQUESTS_CA_BUNDLE": ""}, True).verify is True


def test_a_peer_without_tls_is_told_as_that() -> None:
    with front(None) as server:
        server.instead = page(400, "")
        told = "localhost does not answer in TLS on this port"
        assert_told(client_of(f"https://localhost:{server.port}"), NoAnswer, told)


# -- proxies ---------------------------------------------------------------------------------------------------

CONNECT = {
    403: "answered 403 .*does not let this machine reach the exchange",
    407: "answered 407 .*wants a user name and a password.*HTTPS_PROXY",
    502: "answered 502 .*could not reach the exchange",
    404: "answered 404 .*see HTTPS_PROXY",
}


@pytest.mark.parametrize("status", CONNECT)
def test_a_proxy_that_refuses_was_reached(through: tuple[Front, Proxy], status: int) -> None:
    server, between = through
    came = len(server.paths)
    between.answer = page(status, "<html>no</html>")
    address = f"http://{USER}:{PASSWORD}@127.0.0.1:{between.port}"
    told = f"the proxy 127.0.0.1 was reached and {CONNECT[status]}"
    assert_told(client_of(f"https://{HOST}", through=address), NotSent, told)
    assert len(server.paths) == came


BAD_PROXIES = {
    "no host": "http://",
    "a user and no host": f"http://{USER}:{PASSWORD}@",
    "no host, with a port": f"http://{USER}:{PASSWORD}@:80",
    "a port too large": f"http://{USER}:{PASSWORD}@h:99999",
    "a port in words": f"http://{USER}:{PASSWORD}@h:port",
    "another scheme": f"ftp://{USER}:{PASSWORD}@h",
    "socks without its package": f"socks5://{USER}:{PASSWORD}@127.0.0.1:1080",
    "half an address": f"http://{USER}:{PASSWORD}@[::1",
    "a slash in the password": f"http://{USER}:{PASSWORD}/x@h:1",
    "a space": f"http://{USER}:{PASSWORD}@h h:1",
}


@pytest.mark.parametrize("what", BAD_PROXIES)
def test_a_bad_proxy_address_is_told_and_sends_nothing(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The start refuses it. A script that takes it all the same hears that nothing was sent."""
    address = BAD_PROXIES[what]
    if what.startswith("socks"):  # the package may be here as a part of another one
        monkeypatch.setattr(network_settings, "find_spec", lambda name: None)
        monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", _no_socks)
    for variable in ("http_proxy", "all_proxy", "no_proxy", "https_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(ConfigError, match=r"^HTTPS_PROXY .*Nothing was sent") as wrong:
        session_to(f"https://{HOST}/trade-api/v2", {}, False)
    assert PASSWORD not in str(wrong.value)
    assert USER not in str(wrong.value)
    told = "the address of the proxy cannot be used .*check HTTPS_PROXY"
    assert_told(client_of(f"https://{HOST}", through=address), NotSent, told)


def _no_socks(*_: object, **__: object) -> None:
    raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")


def test_a_good_proxy_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (
        "proxy:3128",
        f"http://{USER}:{PASSWORD}@[::1]:3128",
        "https://proxy",
        "http://a:b%40c@proxy:80",
    ):
        monkeypatch.setenv("https_proxy", address)
        assert session_to(f"https://{HOST}/trade-api/v2", {}, False).proxies["https"] == address
    assert not session_to("https://localhost/trade-api/v2", {}, True).proxies


@pytest.mark.parametrize("odd", ["p#q", "p/q", "p@q", "p%40q", "p//q"])
def test_no_password_of_a_proxy_is_told_whatever_it_is(odd: str) -> None:
    """Not even a part of one that breaks the address: then the library may take it for the host."""
    for address in (f"http://{USER}:{PASSWORD}{odd}@127.0.0.1:{closed_port()}", f"http://{PASSWORD}{odd}@h:1"):
        with pytest.raises(ExchangeError) as failed:
            client_of(f"https://{HOST}", through=address).get_exchange_status()
        for secret in (USER, PASSWORD):
            assert secret not in f"{failed.value} {failed.value!r} {vars(failed.value)}"


def test_nobody_at_the_proxys_address_is_told_as_that() -> None:
    address = f"http://{USER}:{PASSWORD}@127.0.0.1:{closed_port()}"
    told = "the proxy 127.0.0.1 could not be reached .Connection refused.*check HTTPS_PROXY"
    assert_told(client_of(f"https://{HOST}", through=address), NotSent, told)


@pytest.mark.parametrize(
    ("through", "told"),
    [
        ("", f"the name of {HOST} could not be looked up .check the network or DNS.$"),
        ("http://proxy.invalid:3128", "the name of the proxy proxy.invalid could not be looked up .*HTTPS_PROXY"),
    ],
)
def test_a_name_that_cannot_be_looked_up_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, through: str, told: str
) -> None:
    def no_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    assert_told(client_of(f"https://{HOST}", through=through), NotSent, told)


# -- whatever else is raised -----------------------------------------------------------------------------------

OTHERS: list[Exception] = [
    OSError(24, "Too many open files"), ssl.SSLError(1, "odd"), UnicodeDecodeError("utf-8", b"x", 0, 1, "odd"),
    http.client.BadStatusLine("odd"), http.client.LineTooLong("odd"), ValueError("odd"), TypeError("odd"),
    MemoryError(), RuntimeError("odd"), AssertionError("odd"), BrokenPipeError(32, "Broken pipe"),
    urllib3.exceptions.ProtocolError("odd"), urllib3.exceptions.DecodeError("odd"),
    requests.exceptions.ChunkedEncodingError("odd"), requests.exceptions.RetryError("odd"),
    requests.exceptions.InvalidHeader("odd"), requests.exceptions.ContentDecodingError("odd"), TimeoutError(),
]  # fmt: skip


@pytest.mark.parametrize("raised", OTHERS, ids=lambda raised: type(raised).__name__)
def test_whatever_the_library_raises_is_an_error_of_ours(raised: Exception) -> None:
    """Such an exception may come after the request was sent, so it may have been carried out."""

    def fail(request: requests.PreparedRequest) -> requests.Response:
        raise raised

    assert_told(client_that_hears(fail), NoAnswer, rf"^GET /exchange/status: .*{type(raised).__name__}")


UNSENT: list[Exception] = [
    requests.exceptions.InvalidURL("odd"), socket.gaierror(-2, "odd"), requests.exceptions.ProxyError("odd"),
    requests.exceptions.ConnectTimeout("odd"), urllib3.exceptions.LocationParseError("odd"),
]  # fmt: skip


@pytest.mark.parametrize("raised", UNSENT, ids=lambda raised: type(raised).__name__)
def test_once_an_answer_has_begun_nothing_is_told_as_unsent(raised: Exception) -> None:
    """By itself each of these says that nothing was sent. While a body is read, it cannot mean that."""

    def fail(request: requests.PreparedRequest) -> requests.Response:
        raise raised

    def begin(request: requests.PreparedRequest) -> requests.Response:
        response = give(200, b"{}")(request)
        response.raw = SimpleNamespace(stream=lambda *_, **__: fail(request), close=lambda: None)
        return response

    assert_told(client_that_hears(fail), NotSent, "^GET /exchange/status: ")
    assert_told(client_that_hears(begin), NoAnswer, rf"the answer was .*{type(raised).__name__}")


@pytest.mark.parametrize("location", ["http://[::1", "http://h:99999/", "http://\xff\xfe", "http:///x", "x:y"])
def test_a_redirect_that_cannot_be_read_is_not_told_as_unsent(location: str) -> None:
    """The library reads a redirect before it gives the answer. Its complaint looks like one about an address."""

    def redirect(request: requests.PreparedRequest) -> requests.Response:
        response = give(302, b"")(request)
        response.headers["Location"] = location
        return response

    client = client_that_hears(redirect)
    with pytest.raises(ExchangeError) as failed:
        client.create_order(terms())
    assert failed.value.maybe_done
    with pytest.raises(ExchangeError) as failed:
        client.get_exchange_status()
    assert type(failed.value) is not NotSent
