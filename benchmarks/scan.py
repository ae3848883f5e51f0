"""Measure the time to read a whole board.

Run it with `python -m benchmarks.scan [--programs N] [--seeds N]`.

It prints the simulated seconds of a scan with the shipped settings, and of a look at the watched markets. They run
on an embedded exchange with its lowest limits, and 20 ms per request. They are compared with the least time that
the exchange's token bucket allows. Requests, tokens and 429s are counted. The bucket is full at first, and there
are no other traders. The last column is wall time of this process, including the simulated exchange's part of it.

The first scan also reads the fees of all series, and the kinds of the watched markets' events. The next scan
within a day does not read them again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import requests

import market_bot
from bot.connection import embedded_client
from bot.settings import strategy_of
from exchange.rate_limits import BASIC, COSTS
from exchange.reserves import FreeCash
from incentive import Board, IncentiveProgram
from risk.exposure import remaining_headroom
from runtime.console import progress
from simulator import embedded
from simulator.transport import ExchangeAdapter

PROGRAMS = 8_140
WAY = 0.02
"""Simulated seconds from a request to its answer."""

START = datetime(2026, 11, 22, 15, tzinfo=timezone.utc)


class CountingWire(ExchangeAdapter):
    """A wire that takes `way` simulated seconds. It counts requests and 429s."""

    def __init__(self, exchange: embedded.EmbeddedExchange, way: float = WAY) -> None:
        super().__init__(exchange.api, exchange.clock, way)
        self.requests = self.refusals = 0

    def send(self, request: requests.PreparedRequest, *rest: Any, **options: Any) -> requests.Response:
        response = super().send(request, *rest, **options)
        self.requests += 1
        self.refusals += response.status_code == 429
        return response


@dataclass(frozen=True)
class Pace:
    """What a scan or a look took.

    `seconds`: simulated. `requests`: all, including the 429s (`refusals`). `held`: tokens in the bucket at first.
    `wall`: real seconds."""

    seconds: float
    requests: int
    refusals: int
    held: int
    wall: float

    @property
    def tokens(self) -> int:
        """Tokens spent: every read here costs the same."""
        return self.requests * COSTS.default

    @property
    def floor(self) -> float:
        """The least simulated seconds: the lowest tier's bucket refills evenly."""
        return max((self.tokens - self.held) / BASIC.read.rate, 0.0)


class Reader:
    """Only the reading part of a bot, on an exchange of the lowest tier.

    The board has `programs` programs and no simulated traders."""

    def __init__(self, programs: int, seed: int = 1) -> None:
        self._exchange = exchange = embedded.start(seed, None, at=START, programs=programs, who=())
        self._wire = CountingWire(exchange)
        exchange.session.mount(embedded.HOST, self._wire)
        self._client = embedded_client(exchange)
        settings = market_bot.read_settings()
        self._incentives = IncentiveProgram(self._client, strategy_of(settings), self._told)
        self._lives = timedelta(seconds=settings.wait_time + settings.expiration_ts)
        self._client.read_limits()
        self._status = self._client.get_exchange_status()
        self._resting = self._client.get_resting_orders().all_or_raise()
        positions = self._client.get_positions().all_or_raise()
        limits = settings.max_capital, settings.max_event_loss
        cash = FreeCash(self._client.get_balance().total)
        self._headroom = remaining_headroom(limits, cash, positions, self._resting)

    def scan(self, before: Board | None = None, dry: bool = False) -> tuple[Board, Pace]:
        """Read the whole board, from a full bucket or, if `dry`, from an empty one."""
        until = self._exchange.clock.now() + self._lives
        self._incentives.board = before
        return self._timed(lambda: self._incentives.scan(self._status, self._resting, until, self._headroom), dry)

    def look(self, board: Board) -> tuple[Board, Pace]:
        """Read the watched markets of a board, from a full bucket."""
        self._incentives.board = board
        until = self._exchange.clock.now() + self._lives

        def look() -> Board:
            seen = self._incentives.refresh(self._status, self._resting, until)
            return self._incentives.choose(seen, self._headroom)[1]

        return self._timed(look)

    def _timed(self, read: Callable[[], Board], dry: bool = False) -> tuple[Board, Pace]:
        clock, wire = self._exchange.clock, self._wire
        clock.advance(BASIC.read.capacity / BASIC.read.rate)
        if dry:
            for _ in range(2 * BASIC.read.capacity // COSTS.default):  # twice, because it refills meanwhile
                self._client.get_exchange_status()
        began, wall, sent, refused = clock.monotonic(), time.perf_counter(), wire.requests, wire.refusals
        board = read()
        return board, Pace(
            clock.monotonic() - began,
            wire.requests - sent,
            wire.refusals - refused,
            0 if dry else BASIC.read.capacity,
            time.perf_counter() - wall,
        )

    def _told(self, what: str) -> None:
        progress(f"{what}, {self._wire.requests:,} requests" if what else "")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan", description=__doc__)
    parser.add_argument(
        "--programs", type=int, default=PROGRAMS, help=f"programs of the board (default {PROGRAMS})"
    )
    parser.add_argument("--seeds", type=int, default=2, help="boards to try (default 2)")
    arguments = parser.parse_args()
    print(
        f"A board of {arguments.programs:,} programs, read at {BASIC.read.rate} tokens a second from a bucket of"
        f" {BASIC.read.capacity}, with {WAY * 1e3:.0f} ms per request. Simulated, except for the last column.\n"
    )
    print(f"{'':20}{'took':>10}{'least':>10}{'':>11}{'requests':>10}{'tokens':>9}{'429s':>6}{'wall':>10}")
    for seed in range(1, arguments.seeds + 1):
        progress(f"seed {seed}: the exchange opens")
        reader = Reader(arguments.programs, seed)
        board, first = reader.scan()
        board, look = reader.look(board)
        _, again = reader.scan(board)
        for name, pace in (("first scan", first), ("next scan", again), ("look", look)):
            over = f"{pace.seconds / pace.floor:9.3f} x" if pace.floor else ""
            print(
                f"seed {seed}, {name:12}{pace.seconds:8.2f} s{pace.floor:8.2f} s{over:>11}"
                f"{pace.requests:10,}{pace.tokens:9,}{pace.refusals:6,}{pace.wall:8.1f} s"
            )


if __name__ == "__main__":
    main()
