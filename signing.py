"""Keys and signatures. Promise: neither a key nor a signature leaves this room except in a request's headers.

A request is signed with RSA-PSS (SHA-256, MGF1 with SHA-256, salt as long as the digest) over
`timestamp in ms + METHOD + path`, where the path runs from the host's root and has no query.
Source: docs.kalshi.com/getting_started/api_keys.
"""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from errors import ConfigError


class Signer:
    """Signs requests for one API key. Its `repr` shows neither."""

    def __init__(self, key_id: str, key: rsa.RSAPrivateKey) -> None:
        self._key_id = key_id
        self._key = key
        self._padding = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        """The three headers that authenticate a request. `path` runs from the host's root, without query."""
        message = f"{timestamp_ms}{method}{path}".encode()
        signature = self._key.sign(message, self._padding, hashes.SHA256())
        return {
            "KALSHI-ACCESS-KEY": self._key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }


def load_key(path: Path, variable: str) -> rsa.RSAPrivateKey:
    """The RSA private key in a PEM file (PKCS#1 or PKCS#8). `variable` is the one to name in a `ConfigError`,
    which is raised for whatever keeps the file from being such a key."""
    if "-----BEGIN" in str(path):  # never shown: whoever pasted the key must not find it in a log
        raise ConfigError(f"{variable} holds a key. It must hold the path of the file that the key is in.")
    try:
        pem = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{variable}: the key file {path} cannot be read ({why}). "
            f"Set {variable} in .env to the private key that you downloaded with the API key."
        ) from None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ConfigError(
            f"{variable}: the key in {path} is protected by a password. Save it without one "
            "(openssl pkey -in KEY -out NEW-KEY) and keep the file readable by you alone."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(
            f"{variable}: {path} holds no private key that can be read. It must be the PEM file that begins "
            "with -----BEGIN RSA PRIVATE KEY----- or -----BEGIN PRIVATE KEY-----."
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError(
            f"{variable}: {path} is not an RSA key, and this version signs with RSA only. "
            "Create an API key of type RSA on the exchange's website."
        )
    return key
