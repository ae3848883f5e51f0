"""The first moments of a process, before anything else is imported: what is missing is said in a line, not in a
traceback, and whoever stops it then is told that nothing was sent.

Promise: it runs on Python 3.8 too, with or without the packages.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import signal
import sys
from pathlib import Path

from runtime.console import Checklist, ExitCode
from runtime.signals import stop_signals

HOME = Path(__file__).resolve().parents[1]

PYTHON_NEEDED = (3, 10)


def prepare(program: str) -> None:
    """Let the start of `program` be stopped, and end it with a line where the rest of it cannot be imported."""
    for number in stop_signals():
        signal.signal(number, lambda *_: _stopped(program))
    problem = startup_problem()
    if problem:
        print(f"{program}: {problem}", file=sys.stderr)
        sys.exit(ExitCode.MISCONFIGURED)


def startup_problem() -> str:
    """Why the rest of the project cannot be imported, and the remedy; empty where it can."""
    needed = ".".join(map(str, PYTHON_NEEDED))
    if sys.version_info < PYTHON_NEEDED:
        return f"Python {needed} or newer is needed: make run PYTHON=python{needed}"
    try:
        import cryptography.hazmat.primitives.asymmetric.rsa  # noqa: F401  (loads its compiled part too)
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


def check_machine(checklist: Checklist) -> None:
    """Check Python and the packages."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_NEEDED:
        needed = ".".join(map(str, PYTHON_NEEDED))
        newer = f"Install a newer one and make the environment from it: make run PYTHON=python{needed}"
        checklist.fail(
            "Python", f"{version} is too old, {needed} or newer is needed. {newer}", ExitCode.MISCONFIGURED
        )
    else:
        checklist.ok("Python", version)
    try:
        wanted = requirements()
    except OSError as error:
        checklist.note("Packages", f"not compared: requirements.txt cannot be read ({error.strerror})")
        return
    missing = [name for name in wanted if _installed(name) is None]
    others = [
        f"{name} {_installed(name)} in place of {version}"
        for name, version in wanted.items()
        if version and _installed(name) not in (None, version)
    ]
    if missing:
        checklist.fail("Packages", f"{', '.join(missing)} missing. {remedy()}", ExitCode.MISCONFIGURED)
    elif others:
        tried = f"the bot was tried with those of requirements.txt: {remedy()}"
        checklist.note("Packages", f"{', '.join(others)}; {tried}")
    else:
        checklist.ok("Packages", ", ".join(f"{name} {version}" for name, version in wanted.items()))


def requirements() -> dict[str, str]:
    """The packages of requirements.txt with the versions they are pinned to, empty where one is not."""
    lines = (HOME / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = [re.match(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:==\s*([^\s;#]+))?", line) for line in lines]
    return {match[1]: match[2] or "" for match in found if match}


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
