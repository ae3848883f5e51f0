"""Real processes: start them, wait for them and stop them as a person does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.project import PROJECT


def heed_signals() -> None:
    """In a process about to become another: react to stop signals, as in a terminal. A signal that the test run
    ignores (a closed terminal under `nohup`, Ctrl-C in the background of a shell) would be ignored there too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def python(clone: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Python in the clone, with its home there, as a terminal starts it; `options` are of `Popen`. The proxy leads
    nowhere, because requests to this machine must not go through one."""
    home = {"PATH": os.environ["PATH"], "HOME": str(clone), "PYTHONUNBUFFERED": "1", "SIM_PAST_HOURS": "0"}
    usual: dict[str, Any] = {
        "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": home | {"HTTP_PROXY": "http://127.0.0.1:9"},
        "preexec_fn": heed_signals,
    }  # fmt: skip
    return subprocess.Popen([sys.executable, *arguments], cwd=clone, text=True, **(usual | options))


@contextmanager
def killed_at_the_end() -> Iterator[list[subprocess.Popen[Any]]]:
    """A list of processes. Those in it that still run at the end are killed."""
    running: list[subprocess.Popen[Any]] = []
    yield running
    for process in running:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until `condition` holds. Returns the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"no {what} within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


def read(log: Path) -> str:
    return log.read_text(encoding="utf-8") if log.exists() else ""


def stop(process: subprocess.Popen[str], number: int = signal.SIGINT, patience: float = 10.0) -> tuple[int, float]:
    """Send a signal. Returns the exit code, and the seconds until it came."""
    began = time.monotonic()
    process.send_signal(number)
    return process.wait(timeout=patience), time.monotonic() - began


def simulator(*arguments: str) -> subprocess.Popen[str]:
    """A served simulator: `python -m simulator ARGUMENTS`."""
    return subprocess.Popen(
        [sys.executable, "-m", "simulator", *arguments],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
