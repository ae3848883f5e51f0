"""Ticker patterns: a market that takes a wrong pattern is quoted with a size that nobody wrote for it."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.ticker_patterns import PerMarket, covers, matches

TICKERS = st.text("AB-", max_size=5)
PATTERNS = st.text("AB?*", min_size=1, max_size=5) | st.sampled_from(
    ["[AB]*", "A[!A]*", "[!B]?", "*[A]", "[*]A", "A["]
)


@given(st.lists(PATTERNS, max_size=4), TICKERS)
def test_the_first_pattern_that_matches_decides_whole(patterns: list[str], ticker: str) -> None:
    """A later pattern never adds to it, and a market that matches none takes the general value."""
    own = PerMarket(-1, tuple((pattern, number) for number, pattern in enumerate(patterns)))
    fitting = [number for number, pattern in enumerate(patterns) if fnmatchcase(ticker, pattern)]
    assert own.of(ticker) == (fitting[0] if fitting else -1)
    assert own.pattern_of(ticker) == (patterns[fitting[0]] if fitting else None)
    assert own.map(str).of(ticker) == str(own.of(ticker))


@given(PATTERNS, PATTERNS, TICKERS)
def test_a_pattern_that_is_covered_is_never_the_only_match(wide: str, narrow: str, ticker: str) -> None:
    """An entry that some market would take is not refused as one that none takes."""
    if covers(wide, narrow) and matches(narrow, ticker):
        assert matches(wide, ticker)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("KX*", "KXHIGH*"), ("kx*", "KXHIGH*"), ("*", "KX?"), ("*", "KX[AB]*"), ("*HIGH*", "KXHIGHNY*"),
        ("KX?", "KXA"), ("KX[AB]", "kx[ab]"), ("KX*", "KX*-T1"),
    ],
)  # fmt: skip
def test_a_pattern_within_another_is_found(wide: str, narrow: str) -> None:
    assert covers(wide, narrow)
    assert wide.lower() == narrow.lower() or not covers(narrow, wide)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [("KX?", "KX*"), ("KX?*", "KX*"), ("KX[!A]*", "KX*"), ("KXHIGH*", "KX*"), ("KX*A", "KX*"), ("KX[!A]", "KX?")],
)
def test_a_pattern_that_reaches_beyond_another_is_kept(wide: str, narrow: str) -> None:
    """By its text alone `KX*` would match `KX?`, because a `?` matches any character, and so a `*`."""
    assert not covers(wide, narrow)


def test_letters_match_in_any_case() -> None:
    assert PerMarket(1, (("kxhigh*", 2),)).of("KXHIGHNY-26NOV27-T50") == 2
