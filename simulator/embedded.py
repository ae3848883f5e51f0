"""The embedded exchange: a simulated exchange inside this process.

Promise:
- A client gets a session, a key and a clock.
- Every line of the client runs as it would against the real exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
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
from simulator.listing import DAY
from simulator.mishaps import Mishaps
from simulator.opening import PROGRAMS, open_exchange
from simulator.reading import REAL, Reading
from simulator.rewards import TopTick
from simulator.transport import ExchangeAdapter

HOST = "http://simulator.invalid"
"""A host name that never resolves: a request that bypasses the adapter goes nowhere."""

PACE = 25.0
"""A simulated wait takes 1/25 of its time in real time."""

LATENCY = 0.05
"""Simulated seconds from request to answer."""

OPENED = "simulated, opened for this command alone"
THE_BOTS = "simulated, inside the bot's own process"
"""How a command describes an embedded exchange: in the command's own process, or in the bot's."""

SEED = 1


@dataclass(frozen=True)
class EmbeddedExchange:
    """An embedded exchange and the access to it.
    A client needs `base_url`, `key_id`, `private_key`, `session` and `clock`. `about` describes it for a person.
    `api` is the exchange behind it."""

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
    top_tick: TopTick = TopTick.COUNTED,
    programs_end: datetime | None = None,
    balance: str | None = None,
    reading: Reading = REAL,
    past: float = DAY,
    told: Callable[[str], None] = lambda _: None,
) -> EmbeddedExchange:
    """Open an exchange with a new key. It starts `at` a time, or now if None.
    `faults` are the rules of a script (`simulator.faults`). No program runs after `programs_end`.
    Contested questions are answered by `reading`; `balance`, "gross" or "net", decides that of the balance. The
    traders have traded for `past` seconds before, and `told` receives the progress of that (`open_exchange`)."""
    clock = SimulatedClock(at or datetime.now(timezone.utc), pace)
    last = None if programs_end is None else programs_end.timestamp()
    chosen = reading.with_balance(balance)
    exchange = open_exchange(
        clock.now().timestamp(), seed, books, programs, who, top_tick, last, chosen, past=past, told=told
    )
    api = Api(exchange, tier=TIERS[tier])
    front = Mishaps(api, parse_faults(faults)) if faults else api
    private_key = Ed25519PrivateKey.generate()  # faster to create and to use than RSA
    key_id = "embedded-simulator"
    api.keys[key_id] = private_key.public_key()
    session = requests.Session()
    session.trust_env = False
    session.mount(HOST, ExchangeAdapter(front, clock, LATENCY))
    speed = "does not wait" if pace is None else f"runs {pace:.0f} times as fast as real time"
    about = {
        "Money": "no real money is involved",
        "Exchange": "simulated, inside this process",
        "Clock": f"simulated, starts now, {speed}; a request takes {LATENCY:.2f} s",
        "Seed": str(seed),
    }
    return EmbeddedExchange(HOST + ROOT, key_id, private_key, session, clock, about, api)
