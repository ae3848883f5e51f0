"""What a person agreed to for real money, and whether a start keeps within it.

Promise:
- Every function is pure.
- An agreement covers the same limits and lower ones. A higher one needs a new agreement.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bot.settings import Settings

LARGEST_ORDER = "Largest order"
"""The dollars that an order may cost at most, in any market.

The largest `TRADE_SIZE`, `OVERRIDES` included, at $1.00 a contract; for AUTO all of `MAX_CAPITAL`."""

ELIGIBLE = (
    "the exchange pays no rewards to brokers and their customers, to its affiliates and employees, or to users "
    "outside the USA, and may exclude others: read its terms"
)
"""Who cannot earn rewards, by the program's terms."""

QUESTION = (
    "Are you eligible for the rewards, and may the bot trade real money on this account within these limits?"
)


def limits_of(settings: Settings) -> dict[str, Decimal]:
    """The limits that an agreement is about, in dollars by name."""
    capital, size = settings.max_capital, settings.largest_size
    return {
        "MAX_CAPITAL": capital,
        "MAX_EVENT_LOSS": settings.max_event_loss,
        "DAILY_LOSS_LIMIT": settings.daily_loss_limit,
        LARGEST_ORDER: capital if size is None else min(size, capital),
    }


def beyond(limits: Mapping[str, Decimal], agreed: Mapping[str, Decimal] | None) -> list[str]:
    """Why `limits` need a new agreement, one text each; empty if `agreed` covers them."""
    if agreed is None:
        return ["nobody has agreed to real money on this account yet"]
    return [
        f"{name} is ${dollars:,.2f}, agreed was {dollars_agreed(agreed, name)}"
        for name, dollars in limits.items()
        if name not in agreed or dollars > agreed[name]
    ]


def dollars_agreed(agreed: Mapping[str, Decimal], name: str) -> str:
    return f"${agreed[name]:,.2f}" if name in agreed else "nothing"


def in_words(limits: Mapping[str, Decimal]) -> str:
    """Limits in one sentence, such as in a check of the doctor."""
    return ", ".join(f"{name} ${dollars:,.2f}" for name, dollars in limits.items())
