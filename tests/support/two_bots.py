"""Two bots with ledgers of their own on one simulated account, as on two machines: no lock sees both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import requests

from bot.connection import embedded_client
from exchange import client_ids
from runtime import log_output
from simulator.matching import Order
from tests.support.bench import Bench, Killed
from tests.support.documented_log import assert_documented


def join(bench: Bench, name: str = "other", **changed: Any) -> Bench:
    """A second bot on the account of `bench`, on a machine and with settings of its own."""
    log_file = bench.log_file.with_name(f"trade-{name}.log")
    return Bench(
        bench.exchange,
        bench.wire,
        embedded_client(bench.exchange),
        replace(bench.settings, **changed),
        log_output.open_log(log_file),
        log_file,
        bench.ledger_file.with_name(f"trade-sim-{name}.db"),
        home=bench.log_file.with_name(f"home-{name}"),
    )


@dataclass
class Pair:
    """Two bots, the first and the second, and what one did to the other's orders."""

    first: Bench
    second: Bench
    misdeeds: list[str] = field(default_factory=list)
    _acting: list[Bench] = field(default_factory=list)
    _nested: Bench | None = None

    def __post_init__(self) -> None:
        self.first.wire.fault = self._watch

    def turn(self, bench: Bench, nested: Bench | None = None) -> None:
        """One cycle of a bot. `nested`: its cycle comes between the other's look and its first write."""
        self._acting.append(bench)
        self._nested = nested
        bench.bot.start_trading()
        if self._nested is not None:  # the other had nothing to write
            self._run_nested()
        self._acting.pop()

    def _run_nested(self) -> None:
        nested, self._nested = self._nested, None
        if nested is not None:
            self.turn(nested)

    def _watch(self, request: requests.PreparedRequest, _: int) -> None:
        if request.method == "GET" or not self._acting:
            return
        bench = self._acting[-1]
        bots = [*orders_of(self.first), *orders_of(self.second)]
        named = [one for one in bots if one.order_id in str(request.path_url) and one not in orders_of(bench)]
        self.misdeeds += [f"{request.method} {one.client_order_id}" for one in named]
        if self._nested is not None and "/orders" in str(request.path_url):
            self._run_nested()

    def of(self, bench: Bench) -> list[Order]:
        """The orders of a bot that rest, by the exchange's record."""
        return orders_of(bench)

    def sleep_beside(self, starter: Bench, until: float, every: float) -> int | None:
        """Start a bot's whole process, and kill it after `until` seconds.

        The other runs a cycle every `every` seconds (0: it sleeps), the first after two thirds of that. Returns
        the exit code; None if the process still ran."""
        (other,) = (one for one in (self.first, self.second) if one is not starter)
        clock = starter.exchange.clock
        sleep, begins = clock.sleep, clock.now()
        due = begins + timedelta(seconds=every * 2 / 3)
        end = begins + timedelta(seconds=until)

        def watched(seconds: float) -> None:
            nonlocal due
            wakes = clock.now() + timedelta(seconds=seconds)
            while every and due <= wakes and seconds > 2:
                sleep(max((due - clock.now()).total_seconds(), 0))
                due += timedelta(seconds=every)
                clock.sleep = sleep  # type: ignore[method-assign]
                self.turn(other)
                clock.sleep = watched  # type: ignore[method-assign]
            sleep(max((wakes - clock.now()).total_seconds(), 0))
            if clock.now() >= end:
                raise Killed

        clock.sleep = watched  # type: ignore[method-assign]
        self._acting.append(starter)
        try:
            return starter.bot.run()
        except Killed:
            return None
        finally:
            self._acting.pop()
            clock.sleep = sleep  # type: ignore[method-assign]

    def close(self) -> None:
        self.second.end()
        for handler in self.second.logger.handlers:
            handler.close()
        assert_documented(self.second.log)


def orders_of(bench: Bench) -> list[Order]:
    """The orders of a bench's bot that rest, by the tags of its process."""
    tag = bench.bot.session.bookkeeper.own.process.tag
    senders = ((order, client_ids.sender(order.client_order_id)) for order in bench.resting())
    return [order for order, sender in senders if sender and sender.tag == tag]


def start_at(bench: Bench, seconds: int) -> None:
    """Let a bot's process have started at this second (since 1970)."""
    own = bench.bot.session.bookkeeper.own
    own.process = own.process._replace(started=seconds)
