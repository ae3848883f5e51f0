"""How contested questions are answered: as the real exchange did, or as specified.

Promise:
- All answers that differ between the two are decided by a `Reading`. An exchange has one.

The real exchange was watched from June to September 2026. Where it and its specification differ, or the
specification leaves a choice, nobody knows what it does today.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from simulator.matching import Order


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the API.

    - `is_balance_gross`: the balance contains what resting orders reserve.
    - `leaves_out_unset`: a key that is unset is absent; otherwise it is null or false.
    - `keeps_refused`: a refused post-only create leaves a canceled order in the lists, and uses up its id.
    - `tells_resting_value`: an ordinary account may read the value of its resting orders.
    - `checks_program_status`: an unknown status of programs is refused; otherwise it means all.
    - `quote_lags`: the seconds that a market's quotes lag behind its book, from and to.
    - `order_lag`: the seconds that the account's orders show an order after its cancel.
    - `own_size_lag`: the seconds after which an order of an account shows in the public book."""

    name: str
    is_balance_gross: bool
    leaves_out_unset: bool
    keeps_refused: bool
    tells_resting_value: bool
    checks_program_status: bool
    quote_lags: tuple[float, float] = (0.0, 0.0)
    order_lag: float = 0.0
    own_size_lag: float = 0.0

    def with_balance(self, balance: str | None) -> Reading:
        """This reading with a "gross" or a "net" balance; None: as it is."""
        return self if balance is None else replace(self, is_balance_gross=balance == "gross")

    def quote_lag(self, seed: int, ticker: str) -> float:
        """Seconds that a market's quotes lag behind its book."""
        low, high = self.quote_lags
        return low + (high - low) * (zlib.crc32(f"{seed}:{ticker}:quotes".encode()) % 1_000) / 999

    def shows_in_book(self, order: Order, now: float) -> bool:
        """Whether the public book shows an account's resting order at a time."""
        return now - order.entered >= self.own_size_lag

    def listed(self, order: Order, now: float) -> Order:
        """An order as the account's lists show it at a time."""
        return order.was if order.was is not None and now - order.updated < self.order_lag else order


REAL = Reading(
    "real", is_balance_gross=True, leaves_out_unset=True, keeps_refused=True, tells_resting_value=False,
    checks_program_status=False, quote_lags=(1.0, 5.0), order_lag=0.4,
)  # fmt: skip
"""As accounts saw it. Own size was in the public book after 20 s at most, perhaps at once: here at once."""

SPEC = Reading(
    "spec", is_balance_gross=False, leaves_out_unset=False, keeps_refused=False, tells_resting_value=True,
    checks_program_status=True,
)  # fmt: skip
"""As the specification says."""

READINGS = {reading.name: reading for reading in (REAL, SPEC)}
