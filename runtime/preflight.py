"""The first moments of a process, before anything else is imported: what is missing is said in a line, not in a
traceback, and whoever stops it then is told that nothing was sent.

Promise: it runs on Python 3.8 too, with or without the packages.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from runtime.console import IN_CONFIGURATION

HOME = Path(__file__).resolve().parent

PYTHON_NEEDED = (3, 10)


def prepare(program: str) -> None:
    """Let the start of `program` be stopped, and end it with a line where the rest of it cannot be imported."""
    for number in stop_signals():
        signal.signal(number, lambda *_: _stopped(program))
    problem = unstartable()
    if problem:
        print(f"{program}: {problem}", file=sys.stderr)
        sys.exit(IN_CONFIGURATION)


def stop_signals() -> list[signal.Signals]:
    """The signals by which a person or the machine stops a process, on this system: Ctrl-C, a polite kill, a
    closed terminal. One that whoever started it wants ignored (`nohup`) is not among them."""
    known = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")]
    return [number for number in known if number and signal.getsignal(number) is not signal.SIG_IGN]


def unstartable() -> str:
    """Why the rest of the project cannot be imported, and the remedy; empty where it can."""
    needed = ".".join(map(str, PYTHON_NEEDED))
    if sys.version_info < PYTHON_NEEDED:
        return f"Python {needed} or newer is needed: make run PYTHON=python{needed}"
    try:
        import cryptography.hazmat.primitives.asymmetric  # noqa: F401
        import dotenv  # noqa: F401
        import requests  # noqa: F401
    except ImportError as error:
        return f"a package is missing or broken ({error}). {remedy()}"
    return ""


def remedy() -> str:
    """How the packages get in."""
    folder, command = HOME / ".venv" / ("Scripts" if os.name == "nt" else "bin"), " ".join(sys.argv[1:])
    if sys.prefix != sys.base_prefix:
        return f"Install them: {sys.executable} -m pip install -r requirements.txt"
    if folder.is_dir():
        program = Path(sys.argv[0]).name
        return f"Use the Python of the project's environment: {folder / 'python'} {program} {command}".rstrip()
    venv = f"python3 -m venv .venv, then {folder.relative_to(HOME) / 'pip'} install -r requirements.txt"
    return f"Say make run, or without make: {venv}, and use {folder.relative_to(HOME) / 'python'} from then on"


def _stopped(program: str) -> None:
    print(f"{program}: stopped at its start; nothing was sent", file=sys.stderr)
    sys.exit(0)
