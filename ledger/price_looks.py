"""The price at which a position counts: the higher bid of the last two looks.

Promise:
- Pure. One look at which nobody bids changes no position's worth.
- A price that stays down counts at the second look.
- A price that is too low never stands at a day's beginning, where it would flatter the day.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from exchange.models import Candle
from ledger.entries import PriceLook, Quotes

_MINUTE = timedelta(minutes=1)


def higher(one: Quotes, other: Quotes) -> Quotes:
    """The higher bid of each side. A side without a bid counts as $0.00."""
    yes, no = (
        max((bid for bid in bids if bid is not None), default=None) for bids in zip(one, other, strict=True)
    )
    return yes, no


def after_look(before: PriceLook | None, at: datetime, bids: Quotes, longest: timedelta) -> PriceLook:
    """A market's look at a time, after the one `before` it.

    A look that is more than `longest` earlier does not count: then the newest counts alone."""
    if before is None or at - before.at > longest:
        return PriceLook(at, bids, bids)
    return PriceLook(at, bids, higher(before.bids, bids))


def bids_at(at: datetime, candles: Iterable[Candle]) -> dict[str, Quotes]:
    """The higher bids of two moments, `at` and a minute before, by ticker.

    `candles`: one-minute candles until `at`, each market's oldest first. A market counts at a moment as its last
    candle until then says."""
    now: dict[str, Quotes] = {}
    before: dict[str, Quotes] = {}
    for candle in candles:
        now[candle.ticker] = candle.yes_bid, candle.no_bid
        if candle.end <= at - _MINUTE:
            before[candle.ticker] = now[candle.ticker]
    return {ticker: higher(bids, before.get(ticker, bids)) for ticker, bids in now.items()}
