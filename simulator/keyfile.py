"""The key of a served simulator, in a file beside it. Promise: readable by its owner alone, made on the spot, and
the same on the next start, so that an `.env` stays right.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class UnusableKey(Exception):
    """The key file is there and is not one that this simulator wrote."""


def read_or_make(path: Path) -> rsa.RSAPrivateKey:
    """The key in `path`, or a new one written there with mode 600."""
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        return _make(path)
    except OSError as error:
        raise UnusableKey(f"{path} cannot be read ({error.strerror})") from None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UnusableKey(f"{path} is no key of this simulator; move it away, or name another with --key-file")
    path.chmod(0o600)  # whoever copied it here may have loosened it
    return key


def key_id(key: rsa.RSAPrivateKey) -> str:
    """An id that belongs to the key: the same file always goes with the same id."""
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sim-{hashlib.sha256(public).hexdigest()[:24]}"


def _make(path: Path) -> rsa.RSAPrivateKey:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UnusableKey(f"{path} cannot be written ({error.strerror})") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return key
