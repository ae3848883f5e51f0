"""Check a lock file against the requirements that it locks.

A lock file has a line for each package that is installed: its version, on which machines it is needed, and the
hashes of its files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ONLY_WHEELS = "--only-binary :all:"
"""The one option of a lock file. A package that is built at its installation brings tools that no hash covers."""

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
SYSTEMS = (("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"), ("win32", "Windows", "nt"))

Needs = Callable[[str], Iterable[str]]
"""The requirements of a package by its name, as its metadata lists them."""


class Locked(NamedTuple):
    """A line of a lock file: `requirement` is pinned to `version`."""

    requirement: Requirement
    version: str

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)


def machines() -> Iterator[Mapping[str, str]]:
    """The values of markers on each kind of machine that the project supports."""
    for python, (platform, system, os_name) in product(PYTHONS, SYSTEMS):
        yield {
            "python_version": python, "python_full_version": f"{python}.1", "sys_platform": platform, "extra": "",
            "platform_system": system, "os_name": os_name, "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }  # fmt: skip


def parse(lock: str) -> tuple[list[Locked], list[str]]:
    """The packages of a lock file, and what is wrong with its lines."""
    found, wrong = [], []
    lines = [line.partition("#")[0].strip() for line in lock.replace("\\\n", " ").splitlines()]
    for line in filter(None, lines):
        head, *hashes = line.split("--hash=")
        if line == ONLY_WHEELS:
            continue
        try:
            requirement = Requirement(head)
        except InvalidRequirement:
            wrong.append(f"not a package: {line}")
            continue
        pinned = re.fullmatch(r"==([\w.]+)", str(requirement.specifier))
        if pinned is None or requirement.url or requirement.extras:
            wrong.append(f"not pinned: {head.strip()}")
        elif not hashes or not all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", one) for one in hashes):
            wrong.append(f"without hash: {head.strip()}")
        else:
            found.append(Locked(requirement, pinned[1]))
    if ONLY_WHEELS not in lines:
        wrong.append(f"{ONLY_WHEELS} is missing")
    return found, wrong


def problems(requirements: str, lock: str, needs: Needs) -> list[str]:
    """Why a lock file is not the one of these requirements; empty if it is."""
    locked, wrong = parse(lock)
    wanted = [Requirement(line.partition("#")[0]) for line in requirements.splitlines() if line.partition("#")[0]]
    for machine in machines():
        wrong += _on(machine, wanted, locked, needs)
    return list(dict.fromkeys(wrong))


def applicable(locked: Iterable[Locked], machine: Mapping[str, str] | None = None) -> dict[str, str]:
    """The versions by name that are installed on a machine, by default on this one."""
    return {one.name: one.version for one in locked if _applies(one.requirement, machine)}


def _applies(requirement: Requirement, machine: Mapping[str, str] | None) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(dict(machine) if machine else {"extra": ""})


def _on(
    machine: Mapping[str, str], wanted: list[Requirement], locked: list[Locked], needs: Needs
) -> Iterator[str]:
    """What is wrong on one kind of machine."""
    here = [one.name for one in locked if _applies(one.requirement, machine)]
    yield from (f"twice: {name}" for name in here if here.count(name) > 1)
    versions = applicable(locked, machine)
    reached: set[str] = set()
    left = list(wanted)
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if not _applies(requirement, machine):
            continue
        if name not in versions:
            yield f"missing: {name}"
        elif not requirement.specifier.contains(versions[name], prereleases=True):
            yield f"{name} {versions[name]} is locked, {requirement.specifier} is needed"
        if name not in reached:
            reached.add(name)
            left += map(Requirement, needs(name))
    yield from (f"not needed: {name}" for name in sorted(versions.keys() - reached))
