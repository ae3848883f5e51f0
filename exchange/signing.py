"""Load API keys and sign requests.

Promise:
- Neither a key nor a signature leaves this module except in a request's headers.
- The signed text is `timestamp in ms + METHOD + path`. The path starts at the host's root and has no query.

An RSA key signs by RSA-PSS (SHA-256, MGF1 with SHA-256, salt as long as the digest), an Ed25519 key plainly.
The key's type decides, not the text in its file. Source: docs.kalshi.com/getting_started/api_keys.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from exchange.errors import ConfigError

_LIKE_A_SECRET = re.compile(r"[A-Za-z0-9+=_-]{30,}")

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Signer:
    """Signs requests for one API key. Its `repr` shows neither the key nor its id."""

    def __init__(self, key_id: str, key: PrivateKey) -> None:
        self.key_id = key_id
        self._sign: Callable[[bytes], bytes]
        if isinstance(key, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
            self._sign = partial(key.sign, padding=pss, algorithm=hashes.SHA256())
        else:
            self._sign = key.sign

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        """Return the three headers that authenticate a request.

        `path` starts at the host's root and has no query."""
        signature = self._sign(f"{timestamp_ms}{method}{path}".encode())
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
            "KALSHI-ACCESS-SIGNATURE": b64encode(signature).decode(),
        }

    def without_secrets(self, text: str) -> str:
        """Return `text` without the key's id, which an exchange may repeat in its answers."""
        return text.replace(self.key_id, "[key id]")


def load_key(path: Path, variable: str) -> PrivateKey:
    """Load the private key of a PEM file: RSA (PKCS#1 or PKCS#8) or Ed25519 (PKCS#8).

    Raises `ConfigError` if the file is not such a key. The error names `variable`."""
    if "-----BEGIN" in str(path):  # never shown: a pasted key must not get into a log
        raise ConfigError(f"{variable} holds a key. It must hold the path of the file that the key is in.")
    try:
        pem = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigError(
            f"{variable}: the key file {_shown(path)} cannot be read ({why}). "
            f"Set {variable} in .env to the private key that you downloaded with the API key."
        ) from None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ConfigError(
            f"{variable}: the key in {path} is protected by a password. Save it without one, keep the file "
            f"readable by you alone, and name it in {variable}: {_openssl(path)}"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(
            f"{variable}: {path} holds no private key that can be read: it {_flaw(pem, path)}. It must be the PEM "
            "file that begins with -----BEGIN RSA PRIVATE KEY----- or -----BEGIN PRIVATE KEY-----."
        ) from None
    if not isinstance(key, (rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        raise ConfigError(
            f"{variable}: the key in {path} is neither RSA nor Ed25519, and the exchange accepts no other. "
            "Create an API key on the exchange's website and save the private key that it shows."
        )
    return key


_FLAWS = (
    (rb"\A\s*\Z", "is empty"),
    (rb"\A(\xff\xfe|\xfe\xff)|\A-\0|\A\0-", "is UTF-16 text, as some Windows editors save it: save it as UTF-8"),
    (
        rb"-----BEGIN [^\n]*\\n",
        "has the two characters \\n where its lines should end: replace each by a line break",
    ),
    (rb"-----BEGIN (RSA |EC )?PUBLIC KEY-----|\A(ssh-|ecdsa-)", "is a public key: the private one is needed"),
    (rb"-----BEGIN CERTIFICATE", "is a certificate, not a key"),
    (
        rb"-----BEGIN OPENSSH PRIVATE KEY",
        "is a key in OpenSSH's form: make an API key and save the file it comes in",
    ),
    (rb"\APuTTY-User-Key-File", "is a key in PuTTY's form: make an API key and save the file it comes in"),
    (rb"\A\s*[{\[]", "is JSON"),
    (
        rb"(?s)\A\x30([\x10-\x7f]|\x81.|\x82..)\x02\x01",
        "is a key in binary form (DER). Convert it: {openssl}",
    ),
    (rb"-----BEGIN (?![\s\S]*-----END )", "is cut short: it has no -----END line. Copy all of it"),
    (rb"-----BEGIN ", "is damaged between its -----BEGIN and its -----END line. Copy it again"),
    (rb"", "has no -----BEGIN line"),
)
"""Patterns of files that are not a private key in PEM form, with the text for the error."""


def _flaw(pem: bytes, path: Path) -> str:
    """Return why a file is not a private key in PEM form, without its content."""
    said = next(said for pattern, said in _FLAWS if re.search(pattern, pem))
    return said.format(openssl=_openssl(path, "-inform DER "))


def _openssl(path: Path, form: str = "") -> str:
    """Return the command that writes a key as a plain PEM file next to it."""
    plain = path.with_name(f"{path.stem}-plain.pem")
    return f"openssl pkey {form}-in {shlex.quote(str(path))} -out {shlex.quote(str(plain))}"


def _shown(path: Path) -> str:
    """Return a path for the log, unless it may be a key's line or id instead."""
    nowhere = [part.name for part in (path, *path.parents) if not part.exists()]
    if not path.suffix and any(map(_LIKE_A_SECRET.fullmatch, nowhere)):
        return "(not shown: it looks like a key, or a key's id)"
    return str(path)


def key_file_warning(path: Path) -> str | None:
    """Return a warning with its remedy if others can read a key file, else None."""
    if os.name != "posix":
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    return f"the key file {path} can be read by others (mode {mode:o}): chmod 600 {shlex.quote(str(path))}"
