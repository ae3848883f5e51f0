"""The private key file of a served simulator.

Promise:
- The file is created if it does not exist, readable by its owner alone.
- The next start uses the same key, so an `.env` stays valid.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class UnusableKey(Exception):
    """The key file cannot be read, written, protected or used as a key."""


def read_or_make(path: Path, make_ed25519: bool = False) -> PrivateKey:
    """Read the key in `path`, RSA or Ed25519, or write a new one with mode 600."""
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        return _make(path, make_ed25519)
    except OSError as error:
        raise UnusableKey(f"{path} cannot be read ({error.strerror})") from None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, (rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        raise UnusableKey(f"{path} is not a key of this simulator; move it away, or name another with --key-file")
    try:
        path.chmod(0o600)  # copying may have loosened it
    except OSError as error:
        raise UnusableKey(f"{path} cannot be made readable by its owner alone ({error.strerror})") from None
    return key


def key_id(key: PrivateKey) -> str:
    """The id of a key. The same file always gives the same id."""
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sim-{hashlib.sha256(public).hexdigest()[:24]}"


def _make(path: Path, make_ed25519: bool) -> PrivateKey:
    """Create a key file.
    RSA keys are written in PKCS#1, as the real exchange does. Ed25519 keys exist only in PKCS#8."""
    key: PrivateKey
    if make_ed25519:
        key, form = ed25519.Ed25519PrivateKey.generate(), serialization.PrivateFormat.PKCS8
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = serialization.PrivateFormat.TraditionalOpenSSL
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UnusableKey(f"{path} cannot be written ({error.strerror})") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return key
