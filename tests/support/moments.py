"""Something happens at a chosen moment of a run: a signal comes, or a call fails.

A moment is the number of lines, or of functions, that the product has run; the simulated exchange does not count.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from tests.support.bench import Bench, own_resting
from tests.support.project import PROJECT

_NOT_THE_PRODUCT = tuple(f"{PROJECT}/{name}/" for name in ("simulator", "tests", ".venv"))


def at_line(number: int, act: Callable[[], object], run: Callable[[], int | None]) -> tuple[int | None, int]:
    """Run, and act before a line of the product. What `act` raises appears there.

    Returns what `run` returned, and how many lines ran until then or in all."""
    seen = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if not _is_product(frame):
            return None
        if event == "line":
            seen += 1
            if seen == number:
                sys.settrace(None)
                act()
        return trace

    return _traced(trace, run), seen


def at_call(of: str, act: Callable[[], object], run: Callable[[], int | None]) -> tuple[int | None, list[str]]:
    """Run, and act when a function of the product is called first.

    `of`: as it is returned, or only its name; "" for none. Returns what `run` returned, and
    the functions that were called."""
    called: dict[str, None] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "call" and _is_product(frame):
            code = frame.f_code
            name = f"{code.co_filename.removeprefix(f'{PROJECT}/')}:{code.co_name}:{code.co_firstlineno}"
            is_first = name not in called
            called[name] = None
            if is_first and of in (name, code.co_name):
                sys.settrace(None)
                act()

    return _traced(trace, run), list(called)


def _is_product(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(f"{PROJECT}/") and not file.startswith(_NOT_THE_PRODUCT)


def _traced(trace: Any, run: Callable[[], int | None]) -> int | None:
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return run()
    finally:
        sys.settrace(before)


class Seconds:
    """The time that signals go by."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def send(*numbers: int) -> None:
    """These signals come in the same moment."""
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    for number in numbers:
        signal.raise_signal(number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def assert_ended(bench: Bench, code: int | None, since: int, may_rest: bool = False) -> None:
    """A run has ended as it may, by its exit code and by the log from `since` on.

    `may_rest`: whether 3 is allowed, which says how many orders may rest."""
    log = bench.log[since:]
    lines = [line for line in log.splitlines() if not line.startswith("  └─")]
    assert log.count("[SHUTDOWN]") == 1
    assert "[SHUTDOWN]" in lines[-1]
    assert "Traceback" not in log
    resting = len(own_resting(bench))
    assert code in ((0, 3) if may_rest else (0,)), lines[-1]
    if code == 0:
        assert resting == 0
    else:
        assert "OUR ORDERS MAY STILL REST until" in lines[-1]
        assert "main.py cancel-all" in lines[-1]
        told = [int(word) for word in lines[-1].partition("latest (")[2].split()[:1] if word.isdigit()]
        assert told >= [resting] or resting == 0
    assert bench.ledger.prices() is not None, "the ledger can be read"
