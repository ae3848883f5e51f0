"""The day's loss that halts trading, and how long it does.

Promise:
- Pure.
- What a UTC day lost counts until 00:00 UTC. A restart, a resume, a new session or ledger never sets it back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from ledger.daily_pnl import midnight
from ledger.entries import AccountMark

LIMIT = "DAILY_LOSS_LIMIT"
"""Part of a halt's reason that says that it is the day's loss."""


def reason(mark: AccountMark, daily_loss_limit: Decimal) -> str:
    """Why the day's loss halts trading, empty if it does not.

    `daily_loss_limit`: dollars."""
    lost = -(mark.own_profit or Decimal(0))
    if lost < daily_loss_limit:
        return ""
    return f"lost ${lost:.4f} today, {_name(mark.at)}, {LIMIT} is ${daily_loss_limit:.2f}"


def until_midnight(halt_reason: str, now: datetime) -> str:
    """What a resume of a halt leads to today, as a sentence for logs.

    Empty unless the loss of this UTC day is the halt's reason."""
    if LIMIT not in halt_reason or _name(now) not in halt_reason:
        return ""
    return f". Before 00:00 UTC (in {_left(now)}) the bot then halts again at once, unless {LIMIT} is raised"


def still_halts(result: Decimal, daily_loss_limit: Decimal, now: datetime) -> str:
    """What to know before a resume after which the bot halts again at once.

    Empty if it does not. `result`: dollars that the UTC day of `now` brought."""
    lost = -result
    if lost < daily_loss_limit:
        return ""
    return (
        f"The UTC day has lost ${lost:.2f}, {LIMIT} is ${daily_loss_limit:.2f}: the bot halts again at once, "
        f"unless you raise {LIMIT} and restart the bot, or wait until 00:00 UTC (in {_left(now)})."
    )


def _name(when: datetime) -> str:
    return f"{when:%Y-%m-%d} UTC"


def _left(now: datetime) -> str:
    """The time until the next 00:00 UTC."""
    minutes = -((now - midnight(now.date()) - timedelta(days=1)) // timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
