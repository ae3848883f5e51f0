"""The format of the report's numbers.

Promise:
- Pure.
- Numbers are rounded, never truncated.
- A number that rounds to 0 has no sign.
"""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

MINUTE, HOUR, DAY = 60, 3_600, 86_400
"""In seconds."""


def number(value: Decimal | float, places: int = 0, unit: str = "") -> str:
    """A number with its sign before its `unit`: -$1,234.50."""
    digits = f"{abs(value):,.{places}f}"
    return ("-" if value < 0 and digits.strip("0.,") else "") + unit + digits


def dollars(amount: Decimal | float, places: int = 2) -> str:
    return number(amount, places, "$")


def percent(part: float, places: int = 0) -> str:
    return f"{number(part * 100, places)}%"


def error_text(off: float) -> str:
    """Describe the error of an estimate.

    `off`: how much too high it was, as a fraction of the payment (below 0: too low).
    """
    if off >= 1:
        return f"{number(1 + off, 1)} times what was paid"
    if not percent(off).strip("-0%"):
        return "right to the percent"
    return f"{percent(abs(off))} too {'high' if off > 0 else 'low'}"


def hours(seconds: float) -> str:
    return number(seconds / HOUR, 1)


def duration(seconds: float) -> str:
    """A duration in the unit that suits its length."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if abs(seconds) >= unit:
            return f"{number(seconds / unit, 1).removesuffix('.0')} {name}"
    return f"{number(seconds, 1).removesuffix('.0')} s"


def plural(count: int, what: str) -> str:
    """1 fill, 2 fills."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def minute(when: datetime) -> str:
    """A time in UTC, to the minute."""
    return f"{when.astimezone(timezone.utc):%Y-%m-%d %H:%M}"
