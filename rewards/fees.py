"""The exchange's fees for a fill: a market's taker fee rate and maker fee rate.

Promise:
- Every function is pure.
- If the exchange does not report a market's fee type, `maker_rate_of_event` assumes the dearest maker fee
  (`UNKNOWN_MAKER_RATE`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from exchange.models import Event, FeeType, Market, Series, event_of

TAKER_RATE = 0.07
"""Taker fee in dollars a contract at price P, divided by P x (1 - P). Exchange's fee schedule of 7 July 2026."""

_MAKERS_PART = {
    FeeType.QUADRATIC: 0.0,
    FeeType.QUADRATIC_WITH_MAKER_FEES: 0.25,
    FeeType.QUADRATIC_WITH_COMBO_MAKER_FEES: 0.5,
    FeeType.FLAT: 1.0,  # its table is not published with the series: assumed to be the highest rate
}


def maker_rate(kind: FeeType, multiplier: Decimal) -> float:
    """Maker fee in dollars a contract at price P, divided by P x (1 - P)."""
    return TAKER_RATE * _MAKERS_PART[kind] * float(multiplier)


UNKNOWN_MAKER_RATE = max(maker_rate(kind, Decimal(1)) for kind in FeeType)
"""The maker fee rate assumed for a series whose fees the exchange did not report: the dearest."""


def exact(rate: float) -> Decimal:
    """A fee rate as a decimal, without the float's last digits."""
    return Decimal(repr(round(rate, 9)))


def maker_rate_of_event(event_ticker: str, series: Mapping[str, Series], event: Event | None) -> float:
    """The maker fee rate (see `maker_rate`) of an event's markets.

    An event's own terms take precedence over its series'. Without the `event` its ticker names its series. If the
    exchange reports no fee type, `UNKNOWN_MAKER_RATE` is returned."""
    known = series.get(event.series_ticker if event else event_ticker.partition("-")[0])
    kind = (event.fee_type if event else None) or (known.fee_type if known else None)
    multiplier = event.fee_multiplier if event else None
    if multiplier is None:
        multiplier = known.fee_multiplier if known else Decimal(1)
    return UNKNOWN_MAKER_RATE if kind is None else maker_rate(kind, multiplier)


def exact_maker_rate(ticker: str, series: Mapping[str, Series], events: Mapping[str, Event]) -> Decimal:
    """The maker fee rate of a market of which only the ticker is known."""
    event = event_of(ticker)
    return exact(maker_rate_of_event(event, series, events.get(event)))


def maker_rate_of(market: Market, series: Mapping[str, Series], event: Event | None) -> float:
    """A market's maker fee rate: that of its event, whose ticker it names."""
    return maker_rate_of_event(market.event_ticker, series, event)
