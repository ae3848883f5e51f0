"""The process is killed at random moments: `make soak` does it 300 times."""

from __future__ import annotations

import subprocess
import sys

from tests.support.project import PROJECT


def test_twenty_kills_repeat_lose_and_leave_nothing() -> None:
    """A bot that is killed twenty times repeats no order, loses no fill and leaves nothing resting. The test
    runs in a process of its own, which forks."""
    command = [sys.executable, "-m", "tests.slow.kills", "--times", "20"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("20 kills: ")
    assert "the invariants held" in done.stdout
