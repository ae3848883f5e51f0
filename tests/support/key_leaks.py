"""Whether a text contains a private key or a signature made with it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def leaks(text: bytes, key: Ed25519PrivateKey, signatures: Sequence[str]) -> list[str]:
    """What a text has of a private key, in any usual form, and of these signatures."""
    encoding, form = serialization.Encoding, serialization.PrivateFormat
    plain = serialization.NoEncryption()
    raw = key.private_bytes(encoding.Raw, form.Raw, plain)
    pem = key.private_bytes(encoding.PEM, form.PKCS8, plain)
    shapes = [raw, raw.hex().encode(), b64encode(raw), b64encode(raw).rstrip(b"="), b"PRIVATE KEY"]
    shapes += [line for line in pem.splitlines() if not line.startswith(b"-----")]
    found = ["the private key"] if any(shape in text for shape in shapes) else []
    every = "\n".join(signatures)
    words = {word.decode() for word in re.findall(rb"[A-Za-z0-9+/]{24,}", text)}
    return found + (["a signature"] if any(word in every for word in words) else [])
