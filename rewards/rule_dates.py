"""Until when the reward rule is known, and what the bot does beyond that.

Promise:
- Every function is pure.
- A window is known only if all of it lies within the rule's dates.
- Where money is real, a rule that is not known is not traded on, unless a person trusts it by name.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

from exchange.models import Program
from rewards import rule_2026_07_30 as rule

KNOWN_RULES = (rule.NAME,)
"""The names that the setting `TRUST_RULE` may have."""

CLOSING_TIME = timedelta(days=7)
"""For this long before the rule's known end no market is newly quoted that stays open after it."""


class Beyond(Enum):
    """What the bot does beyond the dates for which the rule is known."""

    STOP = "stop"
    TRUST = "trust"
    PLAY = "play"

    @classmethod
    def of(cls, is_real_money: bool, trusted: str | None) -> Beyond:
        """`trusted`: the rule that `TRUST_RULE` names, if any."""
        if not is_real_money:
            return cls.PLAY
        return cls.TRUST if trusted == rule.NAME else cls.STOP


def is_known(program: Program) -> bool:
    """Whether the rule is known for the whole window of a program."""
    return program.start >= rule.KNOWN_SINCE and program.end <= rule.KNOWN_UNTIL


def is_known_at(now: datetime) -> bool:
    return rule.KNOWN_SINCE <= now < rule.KNOWN_UNTIL


def ends_soon(now: datetime) -> bool:
    """Whether the rule's known end is less than `CLOSING_TIME` away, or past."""
    return now >= rule.KNOWN_UNTIL - CLOSING_TIME


def utc(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def until_text(now: datetime) -> str:
    """Say until when the rule is known."""
    until = utc(rule.KNOWN_UNTIL)
    if now < rule.KNOWN_SINCE:
        return f"the {rule.TITLE} is known from {utc(rule.KNOWN_SINCE)} to {until}; now is earlier"
    if now < rule.KNOWN_UNTIL:
        return f"the {rule.TITLE} is known until {until}; the program ends then unless it is renewed"
    return f"the {rule.TITLE} was known until {until}; the program has ended, or goes on by a rule not known here"


def beyond_text(beyond: Beyond) -> str:
    """Say what the bot does beyond the dates for which the rule is known."""
    if beyond is Beyond.PLAY:
        return "the bot quotes on as if the rule stayed the same, because no real money is involved"
    if beyond is Beyond.TRUST:
        return f'the bot quotes on by this rule, because TRUST_RULE = "{rule.NAME}"'
    return (
        f"the bot quotes no window that reaches so far, and in the last {CLOSING_TIME.days} days no market "
        f'that stays open longer. To quote on by this rule: TRUST_RULE = "{rule.NAME}"'
    )


def in_general(now: datetime) -> str:
    """Say until when the rule is known and what follows, for any settings."""
    until = until_text(now)
    return (
        f"{until[0].upper()}{until[1:]}. With real money the bot quotes no window that reaches beyond, unless the "
        "setting TRUST_RULE names the rule. Without real money it quotes on."
    )
