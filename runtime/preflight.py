"""The first moments of a process, before anything else is imported: what is missing is said in a line, not in a
traceback, and whoever stops it then is told that nothing was sent.

Promise: it runs on Python 3.8 too, with or without the packages.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import signal
import sys
import traceback
from pathlib import Path

from runtime.console import HOME, Checklist, ExitCode, in_project, typed
from runtime.signals import stop_signals
from runtime.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PYTHON_NEEDED = (3, 10)


def prepare(program: str) -> None:
    """Let the start of `program` be stopped, and end it with a line where the rest of it cannot be imported."""
    for number in stop_signals():
        signal.signal(number, lambda *_: _stopped(program))
    problem = startup_problem()
    if problem:
        print(f"{program}: {problem}", file=sys.stderr)
        sys.exit(ExitCode.MISCONFIGURED)


def start(program: str) -> NoReturn:
    """Run a program of the project's folder as a module, after `prepare`. What keeps it from being imported, such
    as a slip in its settings, is one line."""
    prepare(program)
    try:
        module = importlib.import_module(program)
    except Exception as error:
        print(f"{program}: {import_problem(error, program)}", file=sys.stderr)
        sys.exit(ExitCode.MISCONFIGURED)
    sys.exit(module.main())


def syntax_problem(program: str) -> str:
    """Why Python cannot read a program of the project's folder, empty where it can. Python itself finds that out
    before any line of it runs, and says it in its own way."""
    file = HOME / f"{program}.py"
    try:
        compile(file.read_bytes(), str(file), "exec")
    except (SyntaxError, ValueError) as error:
        return import_problem(error, program)
    return ""


def import_problem(error: Exception, program: str) -> str:
    """Why a program that a person edits cannot be imported: where, what is written there, and the remedy."""
    number, text = 0, ""
    if isinstance(error, SyntaxError):
        number, text = error.lineno or 0, error.text or ""
    else:
        places = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).stem == program]
        if places:
            number, text = places[-1].lineno or 0, places[-1].line or ""
    where = f", line {number}: {text.strip()}" if number else ""
    what = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
    return f"{program}.py cannot be read{where} ({what}). {_slip(error, text)}"


def _slip(error: Exception, text: str) -> str:
    """What to do about an error in the settings, by its kind and by the line's text."""
    if isinstance(error, SyntaxError):
        return 'Write numbers plainly (200, 0.01), words in quotes ("CROSS"), and close every bracket'
    if isinstance(error, NameError):
        return 'Write words in quotes ("CROSS"); AUTO, None, True, False and Environment.SIM stand without'
    if isinstance(error, AttributeError) and "Environment." in text:
        return "Write Environment.SIM, Environment.DEMO or Environment.PROD"
    return "Look at what was changed there last"


def startup_problem() -> str:
    """Why the rest of the project cannot be imported, and the remedy; empty where it can."""
    needed = ".".join(map(str, PYTHON_NEEDED))
    if sys.version_info < PYTHON_NEEDED:
        return f"Python {needed} or newer is needed. With make: make run PYTHON=python{needed}"
    try:
        import cryptography.hazmat.primitives.asymmetric.rsa  # noqa: F401  (loads its compiled part too)
        import dotenv  # noqa: F401
        import requests  # noqa: F401
    except ImportError as error:
        return f"a package is missing or broken ({error}). {remedy()}"
    return ""


def remedy() -> str:
    """How the packages get in."""
    if sys.prefix != sys.base_prefix:
        return f"Install them: {typed('-m pip install -r requirements.txt')}"
    python = Path(".venv", "Scripts" if os.name == "nt" else "bin", "python")
    if (HOME / python).parent.is_dir():
        command = " ".join([str(python), Path(sys.argv[0]).name, *sys.argv[1:]])
        return f"Use the Python of the project's environment: {in_project(command)}"
    installed = f"python3 -m venv .venv && {python} -m pip install -r requirements.txt"
    return f"With make: {in_project('make run')}. Without: {in_project(f'{installed} && {python} market_bot.py')}"


def _stopped(program: str) -> None:
    """End at once. What is raised in the middle of an import may be swallowed there, and nothing is open yet that
    would have to be closed."""
    print(f"{program}: stopped at its start; nothing was sent", file=sys.stderr, flush=True)
    os._exit(0)


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
    checklist.ok("Version", f"{VERSION} of the bot; CHANGELOG.md says what is new in it")
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


if __name__ == "__main__":
    found = syntax_problem("market_bot")
    if found:
        print(f"market_bot: {found}", file=sys.stderr)
        sys.exit(ExitCode.MISCONFIGURED)
