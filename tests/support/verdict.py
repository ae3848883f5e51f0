"""The end of a long run over many cells: what was tried, what is broken, and the exit code."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path


def conclude(table: Iterable[str], broken: Sequence[str], totals: str, began: float, folder: Path) -> int:
    """Print a run that `began` at that monotonic time, with its logs in `folder`. Returns the exit code."""
    print("\n".join(table))
    for line in broken:
        print(f"BROKEN: {line}")
    print(f"{totals}; {time.monotonic() - began:.0f} s, logs in {folder}")
    return 1 if broken else 0
