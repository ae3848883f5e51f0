"""Terminal output of a process: exit codes, doctor findings, tables and JSON.

Promise:
- A finding is one line, printed at once, even if an exchange or a file puts line breaks into it.
- The module imports on Python 3.8 without any package.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


HOME = Path(__file__).resolve().parents[1]
"""The project's folder."""


def typed(command: str) -> str:
    """A command of the project, as you type it on this machine.

    It is valid in the folder where this process was started. In the project's own folder `main.py resume` is
    `.venv/bin/python main.py resume`."""
    python = Path(sys.executable or "python3")
    with suppress(ValueError):
        python = python.relative_to(HOME)
    return in_project(f"{quoted(python)} {command}")


def in_project(line: str) -> str:
    """A command line for the project's folder, as you type it in the current folder.

    The current folder is the one where this process was started."""
    with suppress(OSError):  # the folder was removed meanwhile
        if Path.cwd() == HOME:
            return line
    return f"cd {quoted(HOME)} && {line}"


def quoted(path: Path) -> str:
    """A path quoted for the shell."""
    if os.name == "nt":
        return f'"{path}"' if " " in str(path) else str(path)
    return shlex.quote(str(path))


def progress(text: str) -> None:
    """Show the progress of long work on a terminal.

    It is one line, which the next text replaces and an empty one clears. In a pipe nothing is shown."""
    if sys.stderr.isatty():
        print(f"\r{text:79}", end="\r", file=sys.stderr, flush=True)


class ExitCode(IntEnum):
    """The exit code of a process, the highest if several apply.

    `FAILED`: the exchange does not answer as it should, or orders still rest, or positions are still held.
    `MISCONFIGURED`: something on this machine is missing or wrong, or you did not confirm. `ORDERS_MAY_REST`: the
    bot stopped, and its orders may still rest."""

    OK = 0
    FAILED = 1
    MISCONFIGURED = 2
    ORDERS_MAY_REST = 3


class Checklist:
    """The doctor's findings, each printed as one line when it is found.

    `code` is the process's exit code."""

    def __init__(self) -> None:
        self.code = ExitCode.OK
        self._failed: list[str] = []
        self._notes = 0

    def ok(self, what: str, text: str) -> None:
        self._line("ok", what, text)

    def note(self, what: str, text: str) -> None:
        """Something works, and you should know about it."""
        self._notes += 1
        self._line("note", what, text)

    def fail(self, what: str, text: str, code: ExitCode) -> None:
        self.code = max(self.code, code)
        self._failed.append(what)
        self._line("FAIL", what, text)

    def unchecked(self, what: str, why: str) -> None:
        self._line("-", what, f"not checked: {why}")

    def detail(self, text: str) -> None:
        self._line("", "", text)

    def summary(self) -> str:
        notes = f"{self._notes} note{'s' * (self._notes != 1)}" if self._notes else "no notes"
        if not self._failed:
            return f"Ready, with {notes}. To start the bot: {typed('market_bot.py')}"
        more = f", then {', '.join(self._failed[1:])}" if self._failed[1:] else ""
        again = typed("main.py doctor")
        return f"Not ready. Fix first: {self._failed[0]}{more}. Then check again: {again}"

    @staticmethod
    def _line(mark: str, what: str, text: str) -> None:
        """Print one line. Unprintable signs in `text`, such as line breaks, become spaces."""
        plain = "".join(sign if sign.isprintable() else " " for sign in text)
        print(f"  {mark:<6}{what:<14}{plain}", flush=True)


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format rows under their heads, each column as wide as its longest cell."""
    body = list(rows)
    if not body:
        return f"{title}: none"
    widths = [max(len(line[column]) for line in [heads, *body]) for column in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [heads, *body]
    ]
    return "\n".join([f"{title}: {len(body)}", *(f"  {line.rstrip()}" for line in lines)])


def to_json(value: object) -> object:
    """Convert a value to types that JSON has.

    Money becomes exact text, times become ISO 8601 in UTC."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return to_json(value._asdict())
    if isinstance(value, dict):
        return {str(name): to_json(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(one) for one in value]
    return value
