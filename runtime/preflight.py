"""Startup checks that run before anything else is imported.

Promise:
- The module runs on Python 3.8 too, with or without the packages.
- A missing requirement gives one line, not a traceback.
- If you stop the process at this point, it says that nothing was sent.
"""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from runtime import standard_streams
from runtime.console import HOME, Checklist, ExitCode, in_project, typed
from runtime.signals import stop_signals
from runtime.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PYTHON_NEEDED = (3, 10)
LOCKED = "pip install --require-hashes -r requirements.lock"


def prepare(program: str) -> None:
    """Check that `program` can be imported, and let its startup be stopped.

    Secures the standard streams first. If the rest of the project cannot be imported, prints one line and exits.
    """
    standard_streams.secure()
    for number in stop_signals():
        signal.signal(number, lambda *_: _stopped(program))
    problem = startup_problem()
    if problem:
        print(f"{program}: {problem}", file=sys.stderr)
        sys.exit(ExitCode.MISCONFIGURED)


def start(program: str) -> NoReturn:
    """Run a program of the project's folder as a module, after `prepare`.

    An error that prevents its import, such as a typo in its settings, gives one line."""
    prepare(program)
    try:
        module = importlib.import_module(program)
    except Exception as error:
        print(f"{program}: {import_problem(error, program)}", file=sys.stderr)
        sys.exit(ExitCode.MISCONFIGURED)
    sys.exit(module.main())


def syntax_problem(program: str) -> str:
    """Why Python cannot compile a program of the project's folder, or "".

    Python finds such an error before any line of the program runs, and prints its own message."""
    file = HOME / f"{program}.py"
    try:
        compile(file.read_bytes(), str(file), "exec")
    except (SyntaxError, ValueError) as error:
        return import_problem(error, program)
    return ""


def import_problem(error: Exception, program: str) -> str:
    """Why a program that you edit cannot be imported: line, text and remedy."""
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
    """The remedy for an error in the settings, by its type and by the line's text."""
    if isinstance(error, SyntaxError):
        return 'Write numbers plainly (200, 0.01), words in quotes ("CROSS"), and close every bracket'
    if isinstance(error, NameError):
        return 'Write words in quotes ("CROSS"); AUTO, None, True, False and Environment.SIM need no quotes'
    if isinstance(error, AttributeError) and "Environment." in text:
        return "Write Environment.SIM, Environment.DEMO or Environment.PROD"
    return "Check the last change that you made there"


def startup_problem() -> str:
    """Why the rest of the project cannot be imported, and the remedy; "" if it can."""
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
    """How to install the packages."""
    if sys.prefix != sys.base_prefix:
        return f"Install them: {typed(f'-m {LOCKED}')}"
    python = Path(".venv", "Scripts" if os.name == "nt" else "bin", "python")
    if (HOME / python).parent.is_dir():
        command = " ".join([str(python), Path(sys.argv[0]).name, *sys.argv[1:]])
        return f"Use the Python of the project's environment: {in_project(command)}"
    installed = f"python3 -m venv .venv && {python} -m {LOCKED}"
    return f"With make: {in_project('make run')}. Without: {in_project(f'{installed} && {python} market_bot.py')}"


def _stopped(program: str) -> None:
    """End at once with one line, however many signals came.

    An exception raised in the middle of an import may be swallowed there, and nothing is open yet that would have
    to be closed."""
    for number in stop_signals():
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):  # without a buffer, which another signal may have found half written
        os.write(2, f"{program}: stopped at its start; nothing was sent\n".encode())
    os._exit(0)


def check_machine(checklist: Checklist) -> None:
    """Check Python and the packages."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_NEEDED:
        needed = ".".join(map(str, PYTHON_NEEDED))
        newer = f"Install a newer one and recreate the environment: make run PYTHON=python{needed}"
        checklist.fail(
            "Python", f"{version} is too old, {needed} or newer is needed. {newer}", ExitCode.MISCONFIGURED
        )
    else:
        checklist.ok("Python", version)
    checklist.ok("Version", f"{VERSION} of the bot; CHANGELOG.md lists what is new")
    try:
        wanted = requirements()
    except OSError as error:
        checklist.note("Packages", f"not compared: requirements.txt cannot be read ({error.strerror})")
        return
    missing = [name for name in wanted if _installed(name) is None]
    others = [
        f"{name} {_installed(name)} instead of {version}"
        for name, version in wanted.items()
        if version and _installed(name) not in (None, version)
    ]
    if missing:
        checklist.fail("Packages", f"{', '.join(missing)} missing. {remedy()}", ExitCode.MISCONFIGURED)
    elif others:
        tried = f"the bot was tested with those of requirements.txt: {remedy()}"
        checklist.note("Packages", f"{', '.join(others)}; {tried}")
    else:
        checklist.ok("Packages", ", ".join(f"{name} {version}" for name, version in wanted.items()))


def requirements() -> dict[str, str]:
    """The packages of requirements.txt with their pinned versions, or "" if unpinned."""
    lines = (HOME / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = [re.match(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:==\s*([^\s;#]+))?", line) for line in lines]
    return {match[1]: match[2] or "" for match in found if match}


def _installed(package: str) -> str | None:
    import importlib.metadata  # here: it is slow, and a Ctrl-C before `prepare` is a traceback

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    standard_streams.secure()
    found = syntax_problem("market_bot")
    if found:
        print(f"market_bot: {found}", file=sys.stderr)
        sys.exit(ExitCode.MISCONFIGURED)
