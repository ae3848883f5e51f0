"""Ticker patterns, such as "KXHIGH*", and values that differ by them.

Promise:
- Every function is pure.
- Patterns match in any case of letters.
- Of several patterns the first that matches counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")

_CLASS = re.compile(r"\[!?\]?[^]]*\]")
"""A part of a pattern that matches one of several characters, such as "[AB]"."""

_NO_LETTER = "\0"
"""A character that no ticker and no pattern has."""


def any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """What matches each ticker that one of `patterns` matches."""
    return re.compile("|".join(map(translate, patterns)), re.IGNORECASE)


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return any_of([pattern])


def matches(pattern: str, ticker: str) -> bool:
    return _compiled(pattern).match(ticker) is not None


def covers(wide: str, narrow: str) -> bool:
    """Whether `wide` matches each ticker that `narrow` matches.

    It is not judged if `wide` has a part in brackets: then only the same pattern is covered."""
    if wide.lower() == narrow.lower():
        return True
    if "[" in wide:
        return False
    single = _CLASS.sub(_NO_LETTER, narrow)  # a "?" in it stands for itself: only "?" and "*" match it
    anything = _NO_LETTER * (len(wide) + 1)  # more than `wide` has places for, if it has no "*"
    return all(matches(wide, single.replace("*", filling)) for filling in ("", anything))


@dataclass(frozen=True, slots=True)
class PerMarket(Generic[T]):
    """A value for all markets, and other values for those that match a pattern.

    `exceptions`: (pattern, value). A market takes the first one whose pattern it matches, else `general`."""

    general: T
    exceptions: tuple[tuple[str, T], ...] = ()

    def of(self, ticker: str) -> T:
        """The value of a market."""
        for pattern, value in self.exceptions:
            if _compiled(pattern).match(ticker):
                return value
        return self.general

    def pattern_of(self, ticker: str) -> str | None:
        """The pattern whose value a market takes, None if it takes the general one."""
        return next((pattern for pattern, _ in self.exceptions if matches(pattern, ticker)), None)

    def values(self) -> tuple[T, ...]:
        """The general value, and then the others."""
        return (self.general, *(value for _, value in self.exceptions))

    def map(self, change: Callable[[T], U]) -> PerMarket[U]:
        """Each value changed, for the same markets."""
        return PerMarket(
            change(self.general), tuple((pattern, change(value)) for pattern, value in self.exceptions)
        )
