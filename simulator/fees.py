"""Trading fees, rounded as the exchange rounds them.

Promise:
- An order's fees over all its fills equal the fee of one fill of the whole, to within $0.0001.
- They are higher only if a fill would otherwise have a negative fee.

Rules: the exchange's fee schedule of 7 July 2026 and its page on fee rounding of October 2026. The taker fee is
0.07 x contracts x P x (1 - P). The maker fee is 0, a quarter or half of that, depending on the series.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.matching import DOLLAR_PIPS, Order

CENTICENT = 100
"""Balances are kept to $0.0001, in 1/1,000,000 dollar."""

EXACT = 10**10
"""Exact fees are integers in 1e-16 dollar. This many of them are 1/1,000,000 dollar."""

_MAKER_PERCENT = {
    "quadratic": 0,
    "quadratic_with_maker_fees": 25,
    "quadratic_with_combo_maker_fees": 50,
}


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """The fee terms of a series or an event.
    `kind` is in the exchange's words. `percent` is relative to the standard schedule."""

    kind: str = "quadratic"
    percent: int = 100

    def exact(self, price: int, size: int, is_taker: bool) -> int:
        """The fee before rounding, in 1e-16 dollar."""
        rate = 100 if is_taker else _MAKER_PERCENT[self.kind]
        return 7 * size * price * (DOLLAR_PIPS - price) * self.percent * rate

    def of_a_contract(self, price: float) -> float:
        """The approximate taker fee of one contract, in dollars."""
        return self.percent / 100 * 0.07 * price * (1 - price)

    def at_most(self, price: int, size: int, is_taker: bool = True) -> int:
        """The highest charge in 1/1,000,000 dollar: the fee rounded up to $0.0001."""
        return -(-self.exact(price, size, is_taker) // (EXACT * CENTICENT)) * CENTICENT


STANDARD = FeeTerms()


def charge(order: Order, cost: int, exact: int) -> int:
    """Charge the fee of one fill. Returns it in 1/1,000,000 dollar.
    `cost` is the cash that the trade itself takes (negative: brings in). `exact` is the fee in 1e-16 dollar.
    The fee is rounded up to 1/1,000,000 dollar, then up again until the balance is a multiple of $0.0001.
    The excess from rounding is returned with this or a later fill of the order, in multiples of $0.0001. A rebate
    is never higher than that fill's fee.
    """
    fee = -(-exact // EXACT)
    fee += (-cost - fee) % CENTICENT
    order.overpaid += fee * EXACT - exact
    rebate = min(order.overpaid // EXACT, fee) // CENTICENT * CENTICENT
    order.overpaid -= rebate * EXACT
    return fee - rebate
