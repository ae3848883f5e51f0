"""What `make run` installs next to a key that can spend money: nothing that requirements.lock does not list."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from runtime import preflight
from tests.support.lock_file import ONLY_WHEELS, applicable, parse, problems
from tests.support.project import PROJECT

REQUIREMENTS = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
LOCK = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")


def needs_of_installed(name: str) -> Iterable[str]:
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:  # needed on other machines only
        return []


def test_the_lock_is_that_of_the_requirements() -> None:
    """Otherwise `make run` installs other packages than those that were chosen, or unchecked ones: `make lock`."""
    assert problems(REQUIREMENTS, LOCK, needs_of_installed) == []
    assert len(preflight.requirements()) == 3


def test_what_is_tested_is_what_runs() -> None:
    """The packages of this environment have the locked versions, whatever the development tools asked for."""
    locked = applicable(parse(LOCK)[0])
    assert len(locked) >= 9
    assert {name: importlib.metadata.version(name) for name in locked} == locked


def test_every_installation_for_a_user_is_from_the_lock() -> None:
    """A stranger's file with the right name and version would be installed otherwise."""
    installs = [line for line in MAKEFILE.splitlines() if "pip install" in line]
    assert [line for line in installs if "requirements-dev.txt" not in line]
    for told in (*installs, preflight.LOCKED):
        assert ("--require-hashes -r requirements.lock" in told) != ("requirements-dev.txt" in told), told


def test_a_failed_installation_starts_nothing(tmp_path: Path) -> None:
    """pip's own words may be many lines; the last one is for the person at the keyboard."""
    for name in ("Makefile", "market_bot.py"):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / "requirements.lock").write_text("--no-such-option\n")
    command = ["make", f"BIN={Path(sys.executable).parent}", "run"]
    env = {"PATH": os.environ["PATH"]}  # not that of a `make test`
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    (told,) = [line for line in done.stderr.splitlines() if "nothing was started" in line]
    assert "check the network or the proxy" in told
    assert "not the one that was tested, do not install it" in told
    assert not (tmp_path / ".venv").exists()
    assert not done.stdout


HASH = f"--hash=sha256:{'0' * 64}"
WANTED = "a==1.0\n"
NEEDS = {
    "a": ["b>=2", 'c; sys_platform == "win32"', 'd<5; python_version < "3.12"', 'e; extra == "x"', "b!=9"],
    "b": ["F_g"],
}
GOOD = [
    "# a comment", ONLY_WHEELS, f"a==1.0 \\\n    {HASH} \\\n    {HASH}\n    # via me", f"b==2.5 {HASH}",
    f"c==1 ; sys_platform == 'win32' {HASH}", f"d==3 ; python_full_version < '3.12' {HASH}", f"f-g==7 {HASH}",
]  # fmt: skip


def needs(name: str) -> Iterable[str]:
    return NEEDS.get(name, [])


def test_a_lock_for_every_machine_is_accepted() -> None:
    assert problems(WANTED, "\n".join(GOOD), needs) == []
    both = [
        *GOOD[:3],
        f"b==2.5 ; python_version < '3.12' {HASH}",
        f"b==3 ; python_version >= '3.12' {HASH}",
        *GOOD[4:],
    ]
    assert problems(WANTED, "\n".join(both), needs) == []


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        (2, f"a==1.1 {HASH}", "a 1.1 is locked, ==1.0 is needed"),
        (3, f"b==1.9 {HASH}", "b 1.9 is locked, !=9,>=2 is needed|b 1.9 is locked, >=2 is needed"),
        (3, "", "missing: b"),
        (4, "", "missing: c"),
        (4, f"c==1 ; sys_platform == 'linux' {HASH}", "not needed: c"),
        (4, f"c==1 {HASH}", "not needed: c"),
        (5, f"d==3 ; python_version < '3.11' {HASH}", "missing: d"),
        (6, "", "missing: f-g"),
        (6, f"f-g==7 {HASH}\nevil==1 {HASH}", "not needed: evil"),
        (6, f"f-g==7 {HASH}\ne==1 {HASH}", "not needed: e"),
        (6, f"f-g==7 {HASH}\nf_g==8 {HASH}", "twice: f-g"),
        (6, "f-g==7", "without hash: f-g==7"),
        (6, "f-g==7 --hash=md5:00", "without hash: f-g==7"),
        (6, f"f-g==7 {HASH} --hash=sha256:", "without hash: f-g==7"),
        (6, f"f-g>=7 {HASH}", "not pinned: f-g>=7"),
        (6, f"f-g==7.* {HASH}", "not pinned: f-g==7.*"),
        (6, f"f-g {HASH}", "not pinned: f-g"),
        (6, f"f-g @ https://example.com/f.whl {HASH}", "not pinned: f-g @ https://example.com/f.whl"),
        (6, "-e .", "not a package: -e ."),
        (6, f"f-g==7 {HASH}\n--index-url https://example.com", "not a package: --index-url https://example.com"),
        (1, "", "--only-binary :all: is missing"),
    ],
)
def test_a_lock_that_disagrees_is_named(line: int, instead: str, told: str) -> None:
    lock = [*GOOD[:line], instead, *GOOD[line + 1 :]]
    assert set(told.split("|")) & set(problems(WANTED, "\n".join(lock), needs))


@pytest.mark.parametrize("wanted", ["", "a==1.0\nb==2.4\n", "a==1.0\nz==1\n", "a==2.0  # newer\n"])
def test_requirements_that_changed_need_a_new_lock(wanted: str) -> None:
    assert problems(wanted, "\n".join(GOOD), needs)
