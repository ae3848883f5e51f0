"""Who is asking. Promise: a request is let in only with a valid signature of a known key, made just now.

The signed message is `timestamp in ms + METHOD + path` (from the host's root, no query), with RSA-PSS over
SHA-256, its salt as long as the digest.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simulator.exchange import Refusal

SKEW_SECONDS = 5.0
"""How far a request's clock may be off. Measured on the real exchange: 5 s are taken, 30 s are not."""

_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)


def authenticate(
    keys: Mapping[str, rsa.RSAPublicKey], method: str, path: str, headers: Mapping[str, str], now: float
) -> None:
    """Let a request in, or raise the 401 that the exchange answers."""
    key = keys.get(headers.get("kalshi-access-key", ""))
    stamp = headers.get("kalshi-access-timestamp", "")
    if key is None:
        raise Refusal(401, "authentication_error", "authentication failed", "NOT_FOUND")
    if not stamp.isdecimal() or abs(int(stamp) / 1000 - now) > SKEW_SECONDS:
        raise Refusal(401, "header_timestamp_expired", "the timestamp in the header is too far from now")
    try:
        signature = base64.b64decode(headers.get("kalshi-access-signature", ""), validate=True)
        key.verify(signature, f"{stamp}{method}{path}".encode(), _PSS, hashes.SHA256())
    except (binascii.Error, InvalidSignature):
        raise Refusal(
            401, "authentication_error", "authentication failed", "INCORRECT_API_KEY_SIGNATURE"
        ) from None
