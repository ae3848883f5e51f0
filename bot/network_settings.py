"""This machine's proxies and trusted certificates, checked at the start.

Promise:
- A file of certificates or a proxy's address that cannot be used is a `ConfigError` that names its variable.
- A proxy's user and password are never told.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import requests
from requests.utils import get_environ_proxies, select_proxy

from exchange.errors import ConfigError
from exchange.http_session import open_session
from exchange.no_answer import is_proxy_address

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables that may name trusted certificates. The first that is set counts."""

_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")
"""How OpenSSL names a certificate in a folder. It ignores other files there."""


def session_to(base_url: str, variables: Mapping[str, str], is_loopback: bool) -> requests.Session:
    """A session with this machine's current proxies and certificates.

    By default `requests` looks for them, and for a password, again for each request. Raises a `ConfigError`."""
    session = open_session()
    session.trust_env = False
    if not is_loopback:  # an outside proxy must not see requests to this machine
        session.proxies.update(get_environ_proxies(base_url))
        _check_proxy(select_proxy(base_url, session.proxies))
    if base_url.startswith("https:"):
        session.verify = _trusted_certificates(variables)
    return session


def _trusted_certificates(variables: Mapping[str, str]) -> str | bool:
    """The path of the certificates to trust, or True for those of the packages."""
    name = next((name for name in CA_VARIABLES if variables.get(name, "").strip()), None)
    if name is None:
        return True
    path = Path(variables[name].strip())
    problem = _problem_with(path)
    if problem:
        raise ConfigError(
            f"{name} names {path}, which {problem}. It must be a file of CA certificates in PEM form. To trust "
            f"only the usual ones: unset {name}, and remove it from .env. Nothing was sent."
        )
    return str(path.absolute())


def _problem_with(path: Path) -> str:
    """Why a path holds no trusted certificates, as a clause; empty if it does."""
    try:
        if path.is_dir():
            is_filled = any(_HASHED_NAME.fullmatch(file.name) for file in path.iterdir())
            return "" if is_filled else "is a folder without certificates named by their hash"
        if path.exists() and not path.is_file():
            return "is no file"
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        return "holds no certificate in PEM form"
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"
    return ""


def _check_proxy(proxy: str | None) -> None:
    if not proxy:
        return
    if proxy.startswith("socks") and find_spec("socks") is None:
        raise ConfigError(
            "HTTPS_PROXY names a SOCKS proxy, for which the package PySocks is missing. Install it, or name an "
            "http:// proxy. Nothing was sent."
        )
    if not is_proxy_address(proxy):
        raise ConfigError(
            "HTTPS_PROXY is no proxy's address. It must look like http://host:port or "
            "http://user:password@host:port, with %40 for an @ and %2F for a / in the password. Nothing was sent."
        )
