"""More keys and users of a simulated exchange, and a bench's bot under another key, address or environment."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.connection import Connection
from clients import KalshiHttpClient
from exchange.signing import Signer
from simulator.api.service import ROOT
from simulator.embedded import HOST, EmbeddedExchange
from simulator.opening import CASH, OTHER_CUSTOMER
from tests.support.bench import Bench
from tests.support.raw_client import RawClient

ADDRESSES = (HOST + ROOT, f"{HOST}.{ROOT}", f"{HOST.upper()}{ROOT}", f"{HOST}:80{ROOT}")
"""One exchange's address, written in several ways."""


def add_key(exchange: EmbeddedExchange, key_id: str, is_other_user: bool = False) -> Signer:
    """Let another key in: of the same user, or of another one with an account of its own."""
    key = Ed25519PrivateKey.generate()
    exchange.api.keys[key_id] = key.public_key()
    if is_other_user:
        if OTHER_CUSTOMER not in exchange.api.exchange.accounts:
            exchange.api.exchange.open_account(OTHER_CUSTOMER, CASH)
        exchange.api.owners[key_id] = OTHER_CUSTOMER
    return Signer(key_id, key)


def place_as(exchange: EmbeddedExchange, signer: Signer, ticker: str = "KXODD-26NOV23-EMPTY") -> str:
    """A person places an order with a key. Returns its id."""
    client = RawClient(exchange.base_url, signer, exchange.session, exchange.clock.now, ticker)
    return client.place(client_order_id=f"by-hand-{signer.key_id}", post_only=True)


def first_key(exchange: EmbeddedExchange) -> Signer:
    """The key that a bench's bot has at first."""
    return Signer(exchange.key_id, exchange.private_key)


def client_of(exchange: EmbeddedExchange, signer: Signer, address: str = ADDRESSES[0]) -> KalshiHttpClient:
    exchange.session.mount(address.removesuffix(ROOT).lower(), exchange.session.get_adapter(HOST))
    return KalshiHttpClient(address, signer, exchange.clock, exchange.session)


def start_with(bench: Bench, signer: Signer, address: str = ADDRESSES[0]) -> None:
    """A person starts the bot again, with another key or address in `.env`."""
    bench.client = client_of(bench.exchange, signer, address)
    bench.connection = replace(bench.connection, client=bench.client)
    bench.restart()


def connection_of(exchange: EmbeddedExchange, signer: Signer) -> Connection:
    return Connection(client_of(exchange, signer), exchange.about)
