"""What the exchange takes for a fill: the taker's and the maker's rate of a market.

Promise: pure; where the exchange does not tell a fee, the dearest maker's fee is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from exchange.models import Event, FeeType, Market, Series

TAKER_RATE = 0.07
"""Dollars of fee for a contract taken at P, divided by P x (1 - P): the exchange's schedule of 7 July 2026."""

_MAKERS_PART = {
    FeeType.QUADRATIC: 0.0,
    FeeType.QUADRATIC_WITH_MAKER_FEES: 0.25,
    FeeType.QUADRATIC_WITH_COMBO_MAKER_FEES: 0.5,
    FeeType.FLAT: 1.0,  # its table is not published with the series: taken for the dearest
}


def maker_rate(kind: FeeType, multiplier: Decimal) -> float:
    """Dollars of fee for a contract that is filled resting at P, divided by P x (1 - P)."""
    return TAKER_RATE * _MAKERS_PART[kind] * float(multiplier)


UNKNOWN_MAKER_RATE = maker_rate(FeeType.QUADRATIC_WITH_MAKER_FEES, Decimal(1))
"""The makers' fee of a series that the exchange did not tell of."""


def maker_rate_of(market: Market, series: Mapping[str, Series], event: Event | None) -> float:
    """What a maker pays in a market (see `maker_rate`): an event's own terms go before its series'. A
    market does not name its series; the event's ticker begins with it. Where the exchange does not tell, a fee is
    assumed."""
    name = event.series_ticker if event else market.event_ticker.partition("-")[0]
    known = series.get(name)
    kind = (event.fee_type if event else None) or (known.fee_type if known else None)
    multiplier = event.fee_multiplier if event else None
    if multiplier is None:
        multiplier = known.fee_multiplier if known else Decimal(1)
    return UNKNOWN_MAKER_RATE if kind is None else maker_rate(kind, multiplier)
