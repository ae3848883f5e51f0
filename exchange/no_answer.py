"""What an exception of the HTTP library means, and if the request was sent.

Promise:
- Any exception becomes `NotSent` if the request certainly did not leave this machine, otherwise `NoAnswer`.
- The text is made here. The exception's own would repeat the address, with a proxy's password.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from exchange.errors import NoAnswer, NotSent, Unreachable
from exchange.machine_trouble import shortage

E = TypeVar("E", bound=BaseException)

EXPIRED, NOT_YET_VALID, OTHER_NAME = 10, 9, 62
"""OpenSSL's numbers for what is wrong with a certificate."""

_CONNECT_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")

_TRUSTED_FILE = (
    "put back the file that REQUESTS_CA_BUNDLE names; if it names none, install the bot's packages again"
)
_COMPANY = (
    "if your company's network or a virus scanner inspects connections, put the path of its CA certificate into "
    "REQUESTS_CA_BUNDLE"
)
_PROXY_ADVICE = {
    403: "it does not let this machine reach the exchange: ask the one who runs it, or use another network",
    407: "it wants a user name and a password: put them into HTTPS_PROXY, as http://user:password@host:port",
}


class _Meaning(NamedTuple):
    """What failed, what you can do, and whether the request may have been sent."""

    said: str
    advice: str = ""
    may_be_sent: bool = True


def no_answer(
    source: str, error: Exception, host: str, proxy: str | None = None, has_begun: bool = False
) -> Unreachable:
    """Return the error for a request that raised `error`.

    `host`: of the exchange. `proxy`: the address of the proxy in use, None if there is none. `has_begun`: whether
    an answer had begun to come."""
    meaning = _meaning(error, host, proxy, has_begun)
    kind = NoAnswer if meaning.may_be_sent or has_begun else NotSent
    return kind(source, meaning.said, meaning.advice)


def is_proxy_address(text: str) -> bool:
    """Whether `text` is the address of a proxy, as far as its form shows."""
    try:
        address = parse_url(text if "://" in text else f"http://{text}")
    except LocationParseError:
        return False
    return bool(address.host) and (address.scheme or "").startswith(("http", "socks"))


def _meaning(error: Exception, host: str, proxy: str | None, has_begun: bool) -> _Meaning:
    """The most exact kinds come first: most of them derive from those that follow."""
    causes = list(_causes(error))
    name = type(error).__name__
    lack = next(filter(None, map(shortage, causes)), None)
    if lack is not None:
        was_connected = _first(causes, urllib3.exceptions.NewConnectionError) is None
        return _Meaning(f"{lack.said} ({name})", lack.advice, may_be_sent=was_connected)
    if has_begun:
        said = "the answer was malformed" if isinstance(error, ValueError) else "the answer was cut off"
        return _Meaning(f"{said} ({name})")
    before = _before_connection(error, causes, host, proxy)
    if before is not None:
        return before
    tls = _first(causes, ssl.SSLError)
    if tls is not None and any(word in str(tls) for word in _NO_TLS):
        advice = "check the address in .env; a proxy or a login page may be in between"
        return _Meaning(f"{host} does not answer in TLS on this port ({name})", advice)
    if isinstance(error, (requests.exceptions.SSLError, ssl.SSLError)):
        return _Meaning(f"the encrypted connection failed ({name})")
    if isinstance(error, (requests.exceptions.ReadTimeout, TimeoutError)):
        return _Meaning(f"no answer in time ({name})")
    if isinstance(error, (requests.exceptions.ConnectionError, ConnectionError)):
        return _Meaning(f"the connection was cut ({name})")
    return _Meaning(f"the request failed ({name})")


def _before_connection(
    error: Exception, causes: list[BaseException], host: str, proxy: str | None
) -> _Meaning | None:
    """What failed before there was a connection; None if it may have been later."""
    name = type(error).__name__
    certificate = _first(causes, ssl.SSLCertVerificationError)
    if certificate is not None:
        return _Meaning(*_certificate(certificate, host), may_be_sent=False)
    if _is_trusted_file(error, causes):
        return _Meaning("the file of trusted certificates cannot be used", _TRUSTED_FILE, may_be_sent=False)
    through = f"the proxy {_host_of(proxy)}" if proxy else "the proxy"
    refused = next(filter(None, (_CONNECT_REFUSED.search(str(cause)) for cause in causes)), None)
    if refused:
        status = int(refused[1])
        other = (
            "it could not reach the exchange: try again later, or without it"
            if status >= 500
            else "see HTTPS_PROXY"
        )
        said = f"{through} was reached and answered {status}"
        return _Meaning(said, _PROXY_ADVICE.get(status, other), may_be_sent=False)
    if _first(causes, socket.gaierror) is not None:
        sought = through if proxy else host
        advice = "check the network or DNS, and HTTPS_PROXY" if proxy else "check the network or DNS"
        return _Meaning(f"the name of {sought} could not be looked up", advice, may_be_sent=False)
    if any(isinstance(cause, _UNUSABLE) for cause in causes) or (proxy and not is_proxy_address(proxy)):
        said, advice = f"the address of {host} cannot be used", "check the address in .env"
        if proxy:
            said, advice = "the address of the proxy cannot be used", "check HTTPS_PROXY"
        return _Meaning(f"{said} ({name})", advice, may_be_sent=False)
    why = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), name)
    if isinstance(error, requests.exceptions.ProxyError):
        return _Meaning(f"{through} could not be reached ({why})", "check HTTPS_PROXY and the network", False)
    if _first(causes, urllib3.exceptions.NewConnectionError) is not None:
        return _Meaning(f"no connection could be made ({why})", may_be_sent=False)
    timeouts = (requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError)
    if any(isinstance(cause, timeouts) for cause in causes):
        return _Meaning(f"no connection in time ({name})", may_be_sent=False)
    return None


_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.URLSchemeUnknown,
)
"""An address that the library cannot use, the exchange's or the proxy's."""


def _certificate(error: ssl.SSLCertVerificationError, host: str) -> tuple[str, str]:
    """What is wrong with the certificate that `host` showed, and what you can do."""
    number = getattr(error, "verify_code", 0)
    if number in (EXPIRED, NOT_YET_VALID):
        said = "has expired" if number == EXPIRED else "is not valid yet"
        return f"the certificate of {host} {said}", f"check this machine's clock. Otherwise: {_COMPANY}"
    if number == OTHER_NAME:
        advice = "check the address in .env; a login page of this network may answer: open a browser"
        return f"the certificate that came is not for {host}", advice
    return f"the certificate of {host} could not be verified", _COMPANY


def _is_trusted_file(error: Exception, causes: list[BaseException]) -> bool:
    """Whether the file of trusted certificates could not be read, or holds none."""
    if type(error) is OSError and "TLS CA certificate bundle" in str(error):
        return True
    tls = _first(causes, urllib3.exceptions.SSLError)
    opened = tls.args[0] if tls is not None and tls.args else None
    if isinstance(opened, ssl.SSLError):
        return opened.library == "X509"
    return isinstance(opened, OSError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it wraps: the library nests them four deep."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inside = (*one.args, getattr(one, "reason", None), one.__cause__)
        waiting += [cause for cause in inside if isinstance(cause, BaseException)]


def _first(causes: list[BaseException], kind: type[E]) -> E | None:
    return next((cause for cause in causes if isinstance(cause, kind)), None)


def _host_of(proxy: str) -> str:
    """The host of a proxy's address, without its user and password."""
    try:
        return urlsplit(f"//{proxy.rpartition('@')[2].rpartition('//')[2]}").hostname or "of this machine"
    except ValueError:
        return "of this machine"
