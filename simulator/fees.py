"""What a trade costs beside its price. Promise: an order's fees, over all its fills, are what one fill of the
whole would have cost, to within $0.0001; more only where a fill would have to be paid for instead of charged.

Rules: the exchange's fee schedule of 7 July 2026 and its page on fee rounding of October 2026. Takers pay 0.07 x
contracts x P x (1 - P). Makers pay nothing, a quarter or half of that, as the series says.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.matching import DOLLAR_PIPS, Order

CENTICENT = 100
"""Balances are kept to $0.0001, in 1/1,000,000 dollar."""

EXACT = 10**10
"""Exact fees are integers of 1e-16 dollar: so many of them are 1/1,000,000 dollar."""

_MAKER_PERCENT = {
    "quadratic": 0,
    "quadratic_with_maker_fees": 25,
    "quadratic_with_combo_maker_fees": 50,
}


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """A series' or an event's fees: `kind` in the exchange's words, `percent` of the standard schedule."""

    kind: str = "quadratic"
    percent: int = 100

    def exact(self, price: int, size: int, is_taker: bool) -> int:
        """The fee before rounding, in 1e-16 dollar."""
        rate = 100 if is_taker else _MAKER_PERCENT[self.kind]
        return 7 * size * price * (DOLLAR_PIPS - price) * self.percent * rate

    def of_a_contract(self, price: float) -> float:
        """About what a taker pays for one contract, in dollars."""
        return self.percent / 100 * 0.07 * price * (1 - price)

    def at_most(self, price: int, size: int, is_taker: bool = True) -> int:
        """What may be charged, in 1/1,000,000 dollar: the fee rounded up to $0.0001."""
        return -(-self.exact(price, size, is_taker) // (EXACT * CENTICENT)) * CENTICENT


STANDARD = FeeTerms()


def charge(order: Order, cost: int, exact: int) -> int:
    """The fee of one fill in 1/1,000,000 dollar, where `cost` is what the trade itself takes from the cash
    (negative: brings). The fee is rounded up to 1/1,000,000 dollar; what then keeps the balance off $0.0001 is
    charged too; what rounding took in excess comes back with a later fill of the same order, in steps of $0.0001,
    never more than that fill is charged.
    """
    fee = -(-exact // EXACT)
    fee += (-cost - fee) % CENTICENT
    order.overpaid += fee * EXACT - exact
    rebate = min(order.overpaid // EXACT, fee) // CENTICENT * CENTICENT
    order.overpaid -= rebate * EXACT
    return fee - rebate
