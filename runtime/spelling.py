"""Which known name a misspelt one may mean.

Promise:
- Every function is pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def folded(name: str) -> str:
    """A name without case and underscores."""
    return name.replace("_", "").lower()


def near(name: str, known: Iterable[str]) -> str:
    """Which of the known names may be meant, in brackets; empty if none is near."""
    by_fold = {folded(one): one for one in known}
    meant = get_close_matches(folded(name), by_fold, n=1)
    return f" (did you mean {by_fold[meant[0]]}?)" if meant else ""
