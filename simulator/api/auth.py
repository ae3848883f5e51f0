"""Authenticate a request by its signed headers.

Promise:
- A request is admitted only with a valid signature of a known key.
- Its timestamp is at most `SKEW_SECONDS` from one of the accepted clocks.

The signed message is the timestamp in ms, the method in capitals and the path, joined. The path starts at the
host's root and has no query. The key decides the algorithm: RSA-PSS over SHA-256 with a salt of the digest's
length for an RSA key, plain Ed25519 for an Ed25519 key.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from simulator.api.wire import Request
from simulator.exchange import Refusal

PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey

SKEW_SECONDS = 5.0
"""How far a request's clock may be off. Measured: the real exchange accepts 5 s and refuses 30 s."""

_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)


def authenticate(keys: Mapping[str, PublicKey], request: Request, clocks: Collection[float]) -> str:
    """Admit a request and return its key's id. Raises a `Refusal` with a 401.

    The timestamp must be near one of `clocks`, in Unix seconds."""
    headers = request.headers
    name = headers.get("kalshi-access-key", "")
    stamp = headers.get("kalshi-access-timestamp", "")
    if not headers.get("kalshi-access-signature"):
        raise Refusal(401, "signature_is_missing_from_headers")
    key = keys.get(name)
    if key is None:
        raise _unknown("NOT_FOUND")
    if not re.fullmatch(r"[0-9]{1,18}", stamp) or all(
        abs(int(stamp) / 1000 - now) > SKEW_SECONDS for now in clocks
    ):
        raise Refusal(401, "header_timestamp_expired")
    message = f"{stamp}{request.method}{request.path}".encode()
    try:
        signature = base64.b64decode(headers["kalshi-access-signature"], validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, _PSS, hashes.SHA256())
        else:
            key.verify(signature, message)
    except (binascii.Error, InvalidSignature, ValueError):
        raise _unknown("INCORRECT_API_KEY_SIGNATURE") from None
    return name


def _unknown(details: str) -> Refusal:
    return Refusal(401, "authentication_error", "authentication_error", details)
