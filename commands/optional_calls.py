"""The calls that the bot can do without, as commands tell of them.

Promise:
- It only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import timedelta

from clients import KalshiHttpClient
from exchange.errors import ExchangeError
from exchange.models import Market

_BACK = timedelta(minutes=10)


def ask_others(client: KalshiHttpClient, markets: Collection[Market]) -> None:
    """Send the calls that the bot can do without and that the doctor has not sent.

    `markets`: some of the board, if there are any."""
    since, now = client.clock.now() - _BACK, client.clock.now()
    reads: list[Callable[[], object]] = [
        client.get_lists_time,
        client.get_all_series,
        lambda: client.get_settlements(since),
        client.get_deposits,
        client.get_withdrawals,
        client.get_transfers,
        client.get_subaccount_transfers,
    ]
    if markets:
        market = next(iter(markets))
        reads.append(lambda: client.get_events([market.event_ticker]))
        reads.append(lambda: client.get_candles([market.ticker], since, now))
    for read in reads:
        with suppress(ExchangeError):  # `failing` tells of it
            read()


def failing(client: KalshiHttpClient) -> Iterator[str]:
    """What failed when this command asked for it, and what a bot does without it."""
    for one in client.optional_calls.failing:
        yield f"{one.error}. Without it {one.call.without}"
