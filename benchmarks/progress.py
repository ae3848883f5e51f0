"""How far a benchmark is, for who watches it: nothing of it reaches a pipe or a file."""

from __future__ import annotations

import sys


def progress(text: str) -> None:
    """One line that the next one overwrites. An empty one clears it."""
    if sys.stderr.isatty():
        print(f"\r{text:90}", end="\r", file=sys.stderr, flush=True)
