"""Pauses of trading or of the whole exchange, and the weekly maintenance.

Promise:
- Each of several overlapping pauses lasts its own time.
- The strictest of them applies.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from simulator.exchange import SHARDS, Exchange


def pause(exchange: Exchange, what: str, shards: list[int] | None = None) -> None:
    """Pause "trading" or the "exchange", on some shards or on all.
    In a trading pause only cancels work; in an exchange pause nothing works. Orders stay on the book, except those
    with `cancel_on_pause`."""
    for shard in SHARDS if shards is None else shards:
        exchange.pauses.setdefault(shard, []).append(what)
    for market in exchange.markets.values():
        if exchange.pause_on(market.shard) is not None:
            for order in [o for o in market.owned.values() if o.cancel_on_pause]:
                exchange.withdraw(market, order)
            exchange.changed(market)


def resume(exchange: Exchange, what: str, shards: list[int] | None = None) -> None:
    """End one pause of that kind. Other pauses stay."""
    for shard in SHARDS if shards is None else shards:
        if what in exchange.pauses.get(shard, ()):
            exchange.pauses[shard].remove(what)
    for market in exchange.markets.values():
        exchange.changed(market)


def eastern() -> tzinfo:
    """New York's time zone, or its winter time if the machine has no time zone data."""
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        return timezone(timedelta(hours=-5))


def next_maintenance(now: float) -> tuple[float, float]:
    """Start and end (Unix seconds) of the current or next weekly pause.
    It lasts from Thursday 03:00 to 05:00 in New York."""
    zone = eastern()
    today = datetime.fromtimestamp(now, zone).date()
    for ahead in range(8):
        day = today + timedelta(days=ahead)
        starts, ends = (datetime.combine(day, time(hour), zone).timestamp() for hour in (3, 5))
        if day.weekday() == 3 and now < ends:
            return starts, ends
    raise AssertionError("there is a Thursday in every eight days")


def plan_maintenance(exchange: Exchange) -> None:
    """Schedule the weekly pause of trading."""
    starts, ends = next_maintenance(exchange.now)

    def end() -> None:
        resume(exchange, "trading")
        plan_maintenance(exchange)

    exchange.at(starts, lambda: pause(exchange, "trading"))
    exchange.at(ends, end)
