"""Keys: whatever the exchange gives out works, whatever else lies there is named, and none is ever shown."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import BaseAdapter

from bot.connection import connect, read_variables
from clients import Environment, KalshiHttpClient
from exchange.errors import NoAnswer
from exchange.signing import PrivateKey, Signer, load_key
from simulator.clock import SimulatedClock
from tests.support.bench import Bench
from tests.support.canned_answers import ORDER
from tests.support.network import Authority
from tests.support.project import START

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
PKCS1, PKCS8 = serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8


def pem(key: PrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def verify(key: PrivateKey, signature: bytes, message: bytes) -> None:
    """As the exchange does it, by the key that it has."""
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        key.public_key().verify(signature, message, pss, hashes.SHA256())
    else:
        key.public_key().verify(signature, message)


@pytest.mark.parametrize("key", [RSA, ED25519], ids=["RSA", "Ed25519"])
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]), st.text("abc/-_0123", max_size=40), st.integers(0, 2**45)
)
def test_a_signature_covers_the_time_the_method_and_the_path(
    key: PrivateKey, method: str, path: str, stamp: int
) -> None:
    headers = Signer("an-id", key).headers(method, path, stamp)
    signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"])
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == str(stamp)
    verify(key, signature, f"{stamp}{method}{path}".encode())
    with pytest.raises(InvalidSignature):
        verify(key, signature, f"{stamp}{method}{path}x".encode())


class Seen(BaseAdapter):
    """In the network's place: keeps what would have been sent, and nobody answers."""

    def __init__(self) -> None:
        self.sent: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        self.sent.append((request, options))
        raise requests.exceptions.ReadTimeout

    def close(self) -> None: ...


@given(st.text(min_size=1, max_size=30))
def test_the_path_that_is_sent_is_signed_without_its_query(name: str) -> None:
    """The signature fits the path as it is sent, with any characters in it. Order ids are the exchange's, and
    it promises nothing about their characters."""
    seen, session = Seen(), requests.Session()
    session.mount("http://", seen)
    clock = SimulatedClock(START, pace=None)
    client = KalshiHttpClient("http://exchange.invalid/trade-api/v2", Signer("an-id", ED25519), clock, session)
    with pytest.raises(NoAnswer):
        client.cancel_order(ORDER._replace(order_id=name))
    request, _ = seen.sent[0]
    assert "?" in request.path_url
    stamp = request.headers["KALSHI-ACCESS-TIMESTAMP"]
    path = request.path_url.partition("?")[0]
    signature = base64.b64decode(request.headers["KALSHI-ACCESS-SIGNATURE"])
    verify(ED25519, signature, f"{stamp}DELETE{path}".encode())
    assert path.startswith("/trade-api/v2/portfolio/events/orders/")


@pytest.mark.parametrize(
    ("key", "form"), [(RSA, PKCS1), (RSA, PKCS8), (ED25519, PKCS8)], ids=["RSA PKCS#1", "RSA PKCS#8", "Ed25519"]
)
def test_every_key_that_the_exchange_gives_out_trades(
    bench: Bench, tmp_path: Path, key: PrivateKey, form: serialization.PrivateFormat
) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(key, form))
    bench.exchange.api.keys["another"] = key.public_key()
    signer = Signer("another", load_key(path, "DEMO_KEYFILE"))
    client = KalshiHttpClient(bench.exchange.base_url, signer, bench.exchange.clock, bench.exchange.session)
    assert client.get_balance().total > 0


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o644, True)])
def test_a_key_file_that_others_can_read_is_warned_about(tmp_path: Path, mode: int, warned: bool) -> None:
    """The warning names the file and the chmod that mends it. A key file that only its owner can read gives no
    warning."""
    path = tmp_path / "key.pem"
    path.write_bytes(pem(ED25519, PKCS8))
    path.chmod(mode)
    found = connect(Environment.DEMO, {"DEMO_KEYID": "an-id", "DEMO_KEYFILE": str(path)}).warnings
    assert bool(found) is warned
    assert all(f"DEMO_KEYFILE: the key file {path} can be read by others" in told for told in found)
    assert all(f"chmod 600 {path}" in told for told in found)


def test_a_machines_proxy_is_used_and_its_passwords_are_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client uses the proxy and the certificates that the machine's environment names. It does not send the
    login of a netrc file."""
    path = tmp_path / "key.pem"
    path.write_bytes(pem(ED25519, PKCS8))
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    trusted = str(Authority(tmp_path).file)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", trusted)
    variables = read_variables(tmp_path / ".env").with_value("DEMO_KEYID", "an-id")
    client = connect(Environment.DEMO, variables.with_value("DEMO_KEYFILE", str(path))).client
    seen = Seen()
    monkeypatch.setattr(requests.Session, "get_adapter", lambda *_, **__: seen)
    client.shorten_timeouts()
    with pytest.raises(NoAnswer):
        client.cancel_all_orders()
    request, options = seen.sent[0]
    assert options["proxies"]["https"] == "http://proxy.example:3128"
    assert options["verify"] == trusted
    assert "Authorization" not in request.headers
