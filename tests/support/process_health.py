"""Record a process's memory, handles and threads as it runs, so that growth can be seen later.

Promise:
- It reads only `/proc` of its own process. Without `/proc` it writes nothing.
"""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import NamedTuple

DAY = 86_400.0
_FILE = "health.jsonl"
_OWN = Path("/proc/self")


class Health(NamedTuple):
    """A bot process's resident bytes, handles and threads. `at`: Unix second of simulated time."""

    at: float
    pid: int
    memory: int
    handles: int
    threads: int


def note(folder: Path, now: float) -> None:
    """Write the health of this process at a Unix second of simulated time."""
    if not (_OWN / "statm").exists():
        return
    gc.collect()
    pages = int((_OWN / "statm").read_text(encoding="ascii").split()[1])
    counts = (sum(1 for _ in (_OWN / what).iterdir()) for what in ("fd", "task"))
    with (folder / _FILE).open("a", encoding="ascii") as file:
        file.write(f"{json.dumps(Health(now, os.getpid(), pages * os.sysconf('SC_PAGE_SIZE'), *counts))}\n")


def last_process(folder: Path) -> list[Health]:
    """The health rows of the bot's last process, from the end of its first day. If it lived for less, from the end
    of its first quarter of a day."""
    file = folder / _FILE
    rows = [Health(*json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []
    last = [row for row in rows if row.pid == rows[-1].pid]
    whole_days = [row for row in last if row.at >= last[0].at + DAY]
    return whole_days or last[1:]
