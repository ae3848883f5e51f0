"""Count refused orders, and say which markets are put aside for a while.

Promise:
- Pure: the caller passes what a cycle's requests came to, and the time.
- Only refusals that are due to the market count. Want of cash, too many requests, pauses, order groups, halts and
  limits that other markets' orders use up never do.
- A market is put aside longer each time, up to `LONGEST`.

A market whose orders are refused for good would keep its slot and earn nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from exchange.errors import ExchangeError, Refused
from risk.gate import Place, RefusalCode

REFUSED_CYCLES = 3
"""Cycles in a row in which a side's order is refused before its market is put aside."""

FIRST, LONGEST = timedelta(minutes=5), timedelta(minutes=160)
"""How long a market is put aside at first, and at most. Each time lasts twice as long as the one before."""

_DOUBLED = 8
"""Doublings after which `LONGEST` is reached for sure."""

FORGOTTEN = timedelta(hours=1)
"""A market that took orders for this long, without a refusal, is put aside for `FIRST` again."""

MARKETS_OWN = frozenset(
    {
        RefusalCode.GRID,
        RefusalCode.PRICE_BOUNDS,
        RefusalCode.SIZE,
        RefusalCode.FORM,
        RefusalCode.WOULD_CROSS,
        RefusalCode.OWN_ORDER,
        RefusalCode.NOT_CLEARED,
    }
)
"""Codes of the gate that are due to the market, or to what the account has there."""


class MarketAside(NamedTuple):
    """A market to put aside: why, and for how long."""

    ticker: str
    why: str
    lasts: timedelta


class _Taken(NamedTuple):
    """How often a market was put aside. `since`: when it began to take orders again."""

    times: int
    since: datetime | None = None


def is_markets_own(error: ExchangeError) -> bool:
    """Whether the exchange refused an order for a reason of its market.

    Each 4xx counts that has no known cause elsewhere: the kinds of `Refused` have one, such as cash or a pause,
    and so have refusals by an order group."""
    said = f"{error.code} {error.message} {error.details}".lower().replace(" ", "_")
    return type(error) is Refused and 400 <= error.status < 500 and "order_group" not in said


class Refusals:
    """The refusals in a row of each side, and how often each market was put aside.

    `wait_time`: from one cycle to the next. A market is put aside for two of them at least."""

    def __init__(self, wait_time: timedelta) -> None:
        self._least = 2 * wait_time
        self._in_a_row: dict[Place, int] = {}
        self._aside: dict[str, _Taken] = {}

    def on_cycle(
        self,
        refused: Mapping[Place, str],
        taken: Collection[Place],
        quoted: Collection[str],
        is_paid: Callable[[str], bool],
        now: datetime,
    ) -> list[MarketAside]:
        """Count a cycle, and return the markets that lose their slot.

        `refused`: why an order was refused, by side, if that was the market's fault. `taken`: the sides on which
        an order was placed, amended or kept. A side that is in neither keeps its count. `quoted`: the markets
        that have a slot; no other is counted. `is_paid`: whether a market would be paid for what rests there
        now; such a market keeps its slot although one side is refused."""
        failed = {place: why for place, why in refused.items() if place not in taken and place[0] in quoted}
        self._in_a_row = {
            place: count for place, count in self._in_a_row.items() if place not in taken and place[0] in quoted
        }
        for place in failed:
            self._in_a_row[place] = self._in_a_row.get(place, 0) + 1
        self._forget({ticker for ticker, _ in taken}, {ticker for ticker, _ in failed}, now)
        found = []
        for ticker in sorted({place[0] for place in failed if self._in_a_row[place] >= REFUSED_CYCLES}):
            if not is_paid(ticker):
                most = max(count for place, count in self._in_a_row.items() if place[0] == ticker)
                said = (f"{side.value}: {why}" for (name, side), why in failed.items() if name == ticker)
                found.append(self._put_aside(ticker, most, said))
        return found

    def _put_aside(self, ticker: str, cycles: int, said: Iterable[str]) -> MarketAside:
        self._in_a_row = {place: count for place, count in self._in_a_row.items() if place[0] != ticker}
        before = self._aside.get(ticker, _Taken(0)).times
        self._aside[ticker] = _Taken(before + 1)
        why = f"its orders were refused in {cycles} cycles in a row ({'; '.join(sorted(said))})"
        lasts = min(FIRST * 2 ** min(before, _DOUBLED), LONGEST)
        return MarketAside(ticker, why, max(lasts, self._least))

    def _forget(self, taking: Collection[str], failing: Collection[str], now: datetime) -> None:
        """Forget markets that took orders for long enough without a refusal."""
        for ticker, (times, since) in list(self._aside.items()):
            if ticker in failing:
                self._aside[ticker] = _Taken(times)
            elif since is not None and now >= since + FORGOTTEN:
                del self._aside[ticker]
            elif since is None and ticker in taking:
                self._aside[ticker] = _Taken(times, now)
