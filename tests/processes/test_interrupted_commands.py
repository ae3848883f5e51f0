"""Commands and the simulator that are stopped twice in the same moment: one line, no traceback."""

from __future__ import annotations

import io
import runpy
import signal
import sys
from pathlib import Path

import pytest

from tests.support.moments import at_line, send
from tests.support.processes import heed_signals, simulator
from tests.support.project import PROJECT


@pytest.mark.parametrize("moment", [150, 600, 3_000])
def test_a_command_that_is_interrupted_twice_says_so_once(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    heed_signals()
    said = io.StringIO()
    for name, value in (("argv", ["main.py", "status"]), ("stdout", io.StringIO()), ("stderr", said)):
        monkeypatch.setattr(sys, name, value)

    def run() -> int:
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(PROJECT / "main.py"), run_name="__main__")
        return int(ended.value.code or 0)

    assert at_line(moment, lambda: send(signal.SIGINT, signal.SIGTERM), run) == (1, moment)
    assert said.getvalue() == "main: interrupted before it was done. To finish it, type the command again\n"


def test_a_simulator_that_is_stopped_twice_is_stopped(tmp_path: Path) -> None:
    served = simulator("--port", "0", "--programs", "5", "--key-file", str(tmp_path / "sim.pem"))
    assert served.stdout is not None
    while "_KEYFILE=" not in served.stdout.readline():
        assert served.poll() is None
    served.send_signal(signal.SIGINT)
    served.send_signal(signal.SIGINT)
    said, _ = served.communicate(timeout=10)
    assert (served.returncode, said.splitlines()[-1]) == (0, "stopped"), said
    assert "Traceback" not in said
