"""An exchange inside this process. Promise: a client gets a session, a key and a clock, and every line of it runs
as it would against the real exchange.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulator import people
from simulator.api.limits import TIERS
from simulator.api.service import ROOT, Api
from simulator.clock import SimulatedClock
from simulator.faults import parse_faults
from simulator.mishaps import Mishaps
from simulator.opening import PROGRAMS, open_exchange
from simulator.transport import ExchangeAdapter

HOST = "http://simulator.invalid"
"""A name that no network resolves: a request that missed the adapter would go nowhere."""

PACE = 25.0
"""A simulated wait takes a 25th of itself on the wall."""

LATENCY = 0.05
"""Simulated seconds from sending a request to having its answer."""

OPENED = "simulated, opened for this command alone"
THE_BOTS = "simulated, inside the bot's own process"
"""What an exchange is that lives inside a process: the one that asks, or another."""

SEED = 1


@dataclass(frozen=True)
class EmbeddedExchange:
    """What a client needs (`base_url`, `key_id`, `private_key`, `session`, `clock`), what a person should know
    (`about`), and the exchange behind it."""

    base_url: str
    key_id: str
    private_key: Ed25519PrivateKey
    session: requests.Session
    clock: SimulatedClock
    about: dict[str, str]
    api: Api


def start(
    seed: int = SEED,
    pace: float | None = PACE,
    books: Path | None = None,
    at: datetime | None = None,
    programs: int = PROGRAMS,
    who: Collection[str] = people.EVERYBODY,
    tier: str = "basic",
    faults: list[dict[str, Any]] | None = None,
) -> EmbeddedExchange:
    """Open an exchange that starts `at` a time (the wall's present where None), with a key made on the spot.
    `faults` are the rules of a script."""
    clock = SimulatedClock(at or datetime.now(timezone.utc), pace)
    api = Api(open_exchange(clock.now().timestamp(), seed, books, programs, who), tier=TIERS[tier])
    front = Mishaps(api, parse_faults(faults)) if faults else api
    private_key = Ed25519PrivateKey.generate()  # made and used in a fraction of an RSA key's time
    key_id = "embedded-simulator"
    api.keys[key_id] = private_key.public_key()
    session = requests.Session()
    session.trust_env = False
    session.mount(HOST, ExchangeAdapter(front, clock, LATENCY))
    speed = "does not wait" if pace is None else f"runs {pace:.0f} times as fast as the wall's"
    about = {
        "Money": "no real money is involved",
        "Exchange": "simulated, inside this process",
        "Clock": f"simulated, from the present on, {speed}; a request takes {LATENCY:.2f} s",
        "Seed": str(seed),
    }
    return EmbeddedExchange(HOST + ROOT, key_id, private_key, session, clock, about, api)
