"""Standard streams that are closed, full, or without a reader, in small processes of their own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import PROJECT

SECURED = "import json, os, sys; from runtime import standard_streams as s; s.secure(); "
HOLDERS = "numbers = [os.path.realpath(f'/proc/self/fd/{n}') for n in range(3)]; f = open(sys.argv[1], 'w'); "
TOLD = "os.write(f.fileno(), json.dumps([numbers, f.fileno()]).encode())"


def run(
    script: str, *arguments: str, closed: tuple[int, ...] = (), encoding: str = "utf-8", **streams: Any
) -> subprocess.CompletedProcess[str]:
    """Run a script after `secure`, with some streams closed and without unbuffered output."""

    def close_some() -> None:
        for number in closed:
            os.close(number)

    command = [sys.executable, "-c", SECURED + script, *arguments]
    usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    environment = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": encoding}
    return subprocess.run(
        command, cwd=PROJECT, env=environment, text=True, timeout=20, check=False, preexec_fn=close_some, **usual
    )


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc on this system")
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)])
def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path, closed: tuple[int, ...]) -> None:
    """A message would be written into the ledger, or sent to the exchange."""
    file = tmp_path / "told"
    script = f"{HOLDERS}{TOLD}; print('out'); print('error', file=sys.stderr); sys.exit(len(sys.stdin.read()))"
    done = run(script, str(file), closed=closed)
    assert done.returncode == 0
    numbers, own = json.loads(file.read_text())
    assert {numbers[number] for number in closed} == {"/dev/null"}
    assert own > 2
    assert (done.stdout, done.stderr) == ("" if 1 in closed else "out\n", "" if 2 in closed else "error\n")


def test_streams_that_python_did_not_open_are_usable() -> None:
    """A start without a console, such as `pythonw`: all three are None."""
    script = "sys.stdin = sys.stdout = sys.stderr = None; s.secure(); print('x'); print('y', file=sys.stderr); "
    script += "ok = (sys.stdin.read(), sys.stdin.isatty(), s.lost_output(), s.shows_questions()); "
    script += "sys.exit(0 if ok == ('', False, '', False) else 9)"
    done = run(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


BROKEN = "print('x' * 100_000); print('y', flush=True); print('z', file=sys.stderr); "


def test_a_broken_output_changes_no_exit_code() -> None:
    """No traceback either. A reader that left is no loss. A full disk and a stream that cannot be written are one,
    and named."""
    reader, writer = os.pipe()
    os.close(reader)
    full, readable = os.open("/dev/full", os.O_WRONLY), os.open(os.devnull, os.O_RDONLY)
    report = f"{BROKEN}open(sys.argv[1], 'w').write(s.lost_output()); print('more'); sys.exit(5)"
    for stream, lost in ((writer, ""), (full, "No space left on device"), (readable, "Bad file descriptor")):
        for both in ({"stdout": stream}, {"stdout": stream, "stderr": stream}):
            told_reader, told = os.pipe()
            done = run(report.replace("sys.argv[1]", "int(sys.argv[1])"), str(told), pass_fds=(told,), **both)
            os.close(told)
            with os.fdopen(told_reader) as said:
                assert (done.returncode, said.read()) == (5, lost)
            assert done.stderr in ("z\n", None)
    for one in (writer, full, readable):
        os.close(one)


def test_a_question_needs_a_place_where_it_is_seen() -> None:
    """A terminal, a file and a pipe show it. The null device, a full one, and a pipe without a reader do not."""
    asks = "print('first'); sys.stderr.write(str(s.shows_questions()))"
    near, far = pty.openpty()
    reader, writer = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as full:
        places: dict[str, Any] = {
            "terminal": far,
            "pipe": subprocess.PIPE,
            "null": subprocess.DEVNULL,
            "no reader": writer,
            "full": full,
        }
        seen = {name: run(asks, stdout=stream).stderr for name, stream in places.items()}
    assert [name for name, answer in seen.items() if answer == "True"] == ["terminal", "pipe"]
    assert set(seen.values()) == {"True", "False"}
    assert run(asks, closed=(1,)).stderr == "False"
    os.close(near)
    assert run(asks, stdout=far).stderr == "False", "its terminal is gone"
    os.close(far)
    os.close(writer)


def test_a_character_that_the_output_cannot_show_is_no_error() -> None:
    done = run("print('\u2514\u2500 \u00e9'); sys.exit(4)", encoding="ascii")
    assert (done.returncode, done.stdout, done.stderr) == (4, "?? ?\n", "")


def test_a_warning_of_the_log_needs_no_output(tmp_path: Path) -> None:
    """Neither place takes a line: the program goes on, and the file says later how many it misses."""
    script = (
        "from pathlib import Path; from runtime.log_output import open_log; "
        "file = Path(sys.argv[1]) / 'a.log'; log = open_log(file); log.info('one'); "
        "file.rename(file.with_suffix('.old')); file.mkdir(); log.info('two'); log.info('three'); "
        "file.rmdir(); log.info('four'); sys.exit(6)"
    )
    reader, writer = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as full:
        ways: dict[str, dict[str, Any]] = {
            "closed": {"closed": (0, 1)},
            "reader": {"stdout": writer},
            "full": {"stdout": full},
        }
        for name, way in ways.items():
            folder = tmp_path / name
            folder.mkdir()
            done = run(script, str(folder), **way)
            assert (name, done.returncode, done.stderr) == (name, 6, "")
            assert (folder / "a.old").read_text() == "one\n"
            assert (folder / "a.log").read_text().endswith("four\n")
            assert "2 entries are missing here" in (folder / "a.log").read_text()
    os.close(writer)
