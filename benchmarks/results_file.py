"""Results of finished jobs in a file of JSON lines, so that a cut run can go on.

Promise:
- Each result is on disk before the next one is awaited. A line that was cut is no result.
- Each line names the code that made it: what the bot, the simulator and the benchmarks were.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.judgement import Result
from runtime.console import HOME


class Job(NamedTuple):
    """One strategy on one board for some hours."""

    strategy: str
    seed: int
    hours: float
    programs: int


class Done(NamedTuple):
    """A finished job, and the digest of the code that did it."""

    job: Job
    result: Result
    code: str


def read(file: Path | None) -> list[Done]:
    """The finished jobs of a file, none if there is no file."""
    if file is None or not file.exists():
        return []
    return [one for line in file.read_text(encoding="utf-8").splitlines() for one in _finished(line)]


def append(file: Path | None, done: Done) -> None:
    """Write a finished job down."""
    if file is None:
        return
    was_cut = file.exists() and not file.read_bytes().endswith(b"\n") and file.stat().st_size
    line = json.dumps({"code": done.code} | done.job._asdict() | done.result._asdict())
    with file.open("a", encoding="utf-8") as out:
        out.write(("\n" if was_cut else "") + line + "\n")


def code_digest() -> str:
    """Eight characters that differ if a module of the project does, tests left out."""
    digest = hashlib.sha256()
    for path in sorted(HOME.rglob("*.py")):
        room = path.relative_to(HOME).parts[0]
        if room != "tests" and not room.startswith("."):
            digest.update(path.relative_to(HOME).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def _finished(line: str) -> Iterator[Done]:
    """The job that a line tells of, none if it was cut or is of another form."""
    try:
        told = json.loads(line)
        job = Job(**{name: told[name] for name in Job._fields})
        yield Done(job, Result(**{name: told[name] for name in Result._fields}), told["code"])
    except (ValueError, KeyError, TypeError):
        return
