"""Measure the time that the exchange's rate limits cost our client.

Run it with `python -m benchmarks.limits [--seeds N]`. It prints the simulated time of 500 reads, then 200 writes,
on the embedded exchange. The limits are its lowest, and a request takes 0 to 50 ms. It compares that time with the
time that the exchange's token buckets dictate, and counts the 429s.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import requests

from bot.connection import embedded_client
from exchange.account import AccountLimits
from exchange.models import OrderRequest, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Side
from exchange.rate_limits import BASIC
from runtime.console import progress
from simulator import embedded
from simulator.opening import CUSTOMER
from simulator.transport import ExchangeAdapter

READS, WRITES, COST = 500, 200, 10
LONGEST_WAY = 0.05


class UnevenWire(ExchangeAdapter):
    """A wire that takes 0 to 50 simulated ms per request, by chance.

    A random part passes before the exchange has the request, the rest after."""

    def __init__(self, exchange: embedded.EmbeddedExchange, seed: int) -> None:
        super().__init__(exchange.api, exchange.clock, latency=0.0)
        self.refusals = 0
        self._exchange = exchange
        self._dice = random.Random(seed)

    def send(self, request: requests.PreparedRequest, *rest: Any, **options: Any) -> requests.Response:
        takes = self._dice.uniform(0.0, LONGEST_WAY)
        there = self._dice.uniform(0.0, takes)
        self._exchange.clock.advance(there)
        response = super().send(request, *rest, **options)
        self._exchange.clock.advance(takes - there)
        self.refusals += response.status_code == 429
        return response


@dataclass(frozen=True)
class Pace:
    """Simulated seconds that the reads and the writes took.

    `refusals`: the exchange's 429s. `resting`: orders that the writes left resting."""

    reads: float
    writes: float
    refusals: int = 0
    resting: int = 0


def dictated(limits: AccountLimits = BASIC) -> Pace:
    """The times that the buckets dictate: they are full at first, and refill evenly."""
    reads, writes = READS * COST, WRITES * COST
    return Pace(
        (reads - limits.read.capacity) / limits.read.rate, (writes - limits.write.capacity) / limits.write.rate
    )


def pace(seed: int) -> Pace:
    """Time 500 reads, then 200 writes that leave no order resting, on the lowest tier."""
    at = datetime(2026, 11, 22, 15, tzinfo=timezone.utc)
    exchange = embedded.start(seed, None, at=at, programs=20, who=())
    wire = UnevenWire(exchange, seed)
    exchange.session.mount(embedded.HOST, wire)
    client = embedded_client(exchange)
    market = next(iter(exchange.api.exchange.markets.values()))
    rested = len(exchange.api.exchange.resting(CUSTOMER))
    began = exchange.clock.monotonic()
    for _ in range(READS):
        client.get_positions()
    read = exchange.clock.monotonic()
    for number in range(WRITES):
        client.create_order(
            OrderRequest(
                ticker=market.ticker,
                exchange_index=market.shard,
                client_order_id=f"bench-{number}",
                bid=Bid(Side.YES, Decimal("0.01"), Decimal(1)),
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
                self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            )
        )
    wrote = exchange.clock.monotonic()
    return Pace(read - began, wrote - read, wire.refusals, len(exchange.api.exchange.resting(CUSTOMER)) - rested)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="exchanges to try (default 3)")
    arguments = parser.parse_args()
    least = dictated()
    print(f"Limits: {READS} reads, then {WRITES} writes, on the lowest tier, 0 to 50 ms per request. Simulated.\n")
    print(f"{'':10}{'reads':>10}{'writes':>10}{'total':>10}{'dictated':>12}{'429s':>8}")
    for seed in range(arguments.seeds):
        progress(f"seed {seed}")
        found = pace(seed)
        whole, dictate = found.reads + found.writes, least.reads + least.writes
        progress("")
        print(
            f"seed {seed:<5}{found.reads:8.2f} s{found.writes:8.2f} s{whole:8.2f} s{dictate:10.2f} s"
            f"{found.refusals:8}{whole / dictate:10.3f} x"
        )


if __name__ == "__main__":
    main()
