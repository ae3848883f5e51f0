"""Variables and key files: what is wrong with one is told by its name, and never by its content."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import NameOID

from bot.connection import Variables, connect, read_variables
from clients import Environment
from exchange.errors import ConfigError
from exchange.signing import load_key
from runtime.console import HOME
from tests.support.builders import NOW, later

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
PEM, DER, SSH = serialization.Encoding.PEM, serialization.Encoding.DER, serialization.Encoding.OpenSSH
PKCS1, PKCS8 = serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8
OPENSSH = serialization.PrivateFormat.OpenSSH
PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
PLAIN = serialization.NoEncryption()

GOOD = RSA.private_bytes(PEM, PKCS8, PLAIN)
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
CERTIFICATE = (
    x509.CertificateBuilder(NAME, NAME, RSA.public_key(), 1, NOW, NOW + later(60))
    .sign(RSA, hashes.SHA256())
    .public_bytes(PEM)
)
ON_ONE_LINE = GOOD.replace(b"\n", b"\\n")
BODY = b"".join(GOOD.splitlines()[1:-1])

FLAWS = {
    "an empty file": (b" \n", "is empty"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "is UTF-16 text"),
    "UTF-16, big-endian": (b"\xfe\xff" + GOOD.decode().encode("utf-16-be"), "is UTF-16 text"),
    "UTF-16 without a mark": (GOOD.decode().encode("utf-16-le"), "is UTF-16 text"),
    "line ends as two characters": (ON_ONE_LINE, r"has the two characters \\n where its lines should end"),
    "the same in quotes": (b'"' + ON_ONE_LINE + b'"', r"has the two characters \\n"),
    "truncated": (GOOD[:-60], "is cut short: it has no -----END line"),
    "truncated early": (GOOD[:300], "is cut short"),
    "PKCS#1 truncated": (RSA.private_bytes(PEM, PKCS1, PLAIN)[:-40], "is cut short"),
    "a public key": (RSA.public_key().public_bytes(PEM, PUBLIC), "is a public key: the private one is needed"),
    "an RSA public key": (
        RSA.public_key().public_bytes(PEM, serialization.PublicFormat.PKCS1), "is a public key"
    ),
    "an Ed25519 public key": (ED25519.public_key().public_bytes(PEM, PUBLIC), "is a public key"),
    "an ssh public key": (
        ED25519.public_key().public_bytes(SSH, serialization.PublicFormat.OpenSSH), "is a public key"
    ),
    "an OpenSSH key": (ED25519.private_bytes(PEM, OPENSSH, PLAIN), "is a key in OpenSSH's form"),
    "a PuTTY key": (b"PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n", "is a key in PuTTY's form"),
    "a certificate": (CERTIFICATE, "is a certificate, not a key"),
    "DER": (RSA.private_bytes(DER, PKCS8, PLAIN), "is a key in binary form"),
    "Ed25519 in DER": (ED25519.private_bytes(DER, PKCS8, PLAIN), "is a key in binary form"),
    "DER with any bytes in it": (b"\x30\x82\x01\x00\x02\x01\x00 \\n -\x00", "is a key in binary form"),
    "a JSON web key": (b'{"kty": "RSA", "d": "x"}', "is JSON"),
    "the body alone": (BODY, "has no -----BEGIN line"),
    "damaged": (GOOD.replace(GOOD[100:110], b"##########"), "is damaged between its -----BEGIN"),
}  # fmt: skip


@pytest.mark.parametrize("what", FLAWS)
def test_a_key_file_in_another_form_is_named_for_what_it_is(tmp_path: Path, what: str) -> None:
    """The message says what the file is, and shows nothing of it."""
    content, told = FLAWS[what]
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"DEMO_KEYFILE: .*/key.pem holds no private key .*: it {told}") as error:
        load_key(path, "DEMO_KEYFILE")
    assert "\n" not in str(error.value)
    secret = BODY.decode()
    assert not any(secret[at : at + 12] in str(error.value) for at in range(len(secret) - 12))


@pytest.mark.parametrize(
    "content", [GOOD, b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"\n", b"\r\n"), b"# mine\n" + GOOD]
)
def test_a_key_file_that_only_looks_odd_is_read(tmp_path: Path, content: bytes) -> None:
    """A mark of UTF-8, the line ends of Windows, a line above."""
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    assert isinstance(load_key(path, "DEMO_KEYFILE"), rsa.RSAPrivateKey)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
@pytest.mark.parametrize("what", ["DER", "Ed25519 in DER"])
def test_the_command_that_mends_a_binary_key_mends_it(tmp_path: Path, what: str) -> None:
    """As printed, whatever the folder is called."""
    path = tmp_path / "my keys" / "key.der"
    path.parent.mkdir()
    path.write_bytes(FLAWS[what][0])
    with pytest.raises(ConfigError, match="Convert it: ") as error:
        load_key(path, "DEMO_KEYFILE")
    command = str(error.value).partition("Convert it: ")[2].partition(". It must be")[0]
    subprocess.run(["sh", "-c", command], check=True, timeout=20)
    assert load_key(path.with_name("key-plain.pem"), "DEMO_KEYFILE")


# -- variables -------------------------------------------------------------------------------------------------


def variables(terminal: dict[str, str], dotenv: dict[str, str]) -> Variables:
    return Variables(terminal, dotenv)


@pytest.mark.parametrize(
    ("terminal", "dotenv", "told"),
    [
        (
            {"DEMO_KEYID": ""},
            {"DEMO_KEYID": "an-id"},
            "DEMO_KEYID is set, but empty, in this terminal, which takes",
        ),
        (
            {"DEMO_KEYID": "  "},
            {},
            "DEMO_KEYID is set, but empty, in this terminal, which takes precedence over .env: unset",
        ),
        ({}, {"DEMO_KEYID": ""}, "DEMO_KEYID has no value in .env"),
        ({}, {}, "DEMO_KEYID is not set"),
        ({}, {"DEMO_KEYID": "your_demo_api_key_id"}, "DEMO_KEYID still has the example's value"),
        ({}, {"PROD_KEYID": "an-id"}, "DEMO_KEYID is not set"),
    ],
)
def test_a_variable_without_a_value_is_told_as_what_it_is(
    terminal: dict[str, str], dotenv: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{told}"):
        connect(Environment.DEMO, variables(terminal, dotenv))


def test_a_variable_that_the_terminal_hides_is_a_warning() -> None:
    """It names the variable and what to type, shows no value, and speaks of this environment's variables alone."""
    hidden = variables(
        {"DEMO_URL": "https://other", "DEMO_KEYID": "same", "PROD_KEYID": "x", "DEMO_KEYFILE": ""},
        {"DEMO_URL": "https://mine", "DEMO_KEYID": "same", "PROD_KEYID": "y", "DEMO_KEYFILE": "k.pem"},
    )
    first = "in this terminal, which takes precedence"
    assert hidden.warnings(Environment.DEMO) == (
        f"DEMO_KEYFILE is set, but empty, {first}. To use .env: unset DEMO_KEYFILE",
        f"DEMO_URL is set differently from .env {first}. To use .env: unset DEMO_URL",
    )
    assert hidden["DEMO_URL"] == "https://other"
    assert variables({}, {"DEMO_KEYID": "x"}).warnings(Environment.DEMO) == ()


def test_the_log_is_told_what_the_terminal_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the simulator inside the process too: its SIM_URL may be what was forgotten."""
    (tmp_path / ".env").write_text("SIM_URL=http://127.0.0.1:8080/trade-api/v2\n")
    monkeypatch.setenv("SIM_URL", "")
    connection = connect(Environment.SIM, read_variables(tmp_path / ".env"))
    assert connection.is_private
    assert [told.partition(",")[0] for told in connection.warnings] == ["SIM_URL is set"]


def test_the_embedded_exchange_opens_after_the_hours_asked_for() -> None:
    """A person who waits for its day at each start can do without, and gets a day where nothing is said."""
    now = datetime.now(timezone.utc)
    for hours, least, most in (("", 20, 24.1), ("6", 4, 6.1), ("0", -0.1, 0.1)):
        client = connect(Environment.SIM, {"SIM_PAST_HOURS": hours}).client
        tickers = sorted({program.ticker for program in client.get_incentive_programs()})
        lists = (client.get_trades(ticker, now - timedelta(days=2), most_pages=9) for ticker in tickers)
        ages = [now - trade.time for trades in lists for trade in trades] or [timedelta()]
        assert least <= max(ages) / timedelta(hours=1) <= most


@pytest.mark.parametrize("hours", ["25", "-1", "1.5", "one", "0x1"])
def test_no_exchange_opens_after_hours_that_make_no_sense(hours: str) -> None:
    with pytest.raises(ConfigError, match=f"SIM_PAST_HOURS is {hours}. It must be a whole number from 0 to 24"):
        connect(Environment.SIM, {"SIM_PAST_HOURS": hours})


@pytest.mark.parametrize("name", ["key.pem", "keys/key.pem", "./key.pem"])
def test_a_relative_key_file_is_looked_for_in_the_project(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Not where the terminal happens to be."""
    monkeypatch.chdir("/")
    with pytest.raises(ConfigError, match=f"the key file {HOME}/\\S*key.pem cannot be read"):
        connect(Environment.DEMO, {"DEMO_KEYID": "an-id", "DEMO_KEYFILE": name})


def test_a_home_folder_in_a_path_is_the_persons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key.pem").write_bytes(GOOD)
    (tmp_path / "key.pem").chmod(0o600)
    assert connect(Environment.DEMO, {"DEMO_KEYID": "an-id", "DEMO_KEYFILE": "~/key.pem"}).warnings == ()


def test_an_env_that_is_a_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigError, match=r"\.env is a folder\. It must be a text file of lines NAME=value"):
        read_variables(tmp_path / ".env")
