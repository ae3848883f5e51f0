"""docs/server.md, docs/kalshi-bot.service and docs/Dockerfile agree with each other and with the code."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import market_bot
from ledger.ledger import Ledger
from runtime import lock, preflight
from runtime.console import ExitCode
from tests.support.pages import FENCED, TEXTS
from tests.support.project import PROJECT

PAGE = TEXTS["docs/server.md"]
UNIT = (PROJECT / "docs" / "kalshi-bot.service").read_text(encoding="utf-8")
DOCKERFILE = (PROJECT / "docs" / "Dockerfile").read_text(encoding="utf-8")
HOME = "/srv/kalshi"
CLONE = f"{HOME}/kalshi-bot"

LAST_CHECKS = 45
"""Seconds that a stop may go on after the last order has expired."""


def values(name: str) -> list[str]:
    """The values of a key of the unit."""
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def value(name: str) -> str:
    (found,) = values(name)
    return found


def typed() -> list[str]:
    """The lines of the page that are typed, without the breaks in long ones."""
    blocks = [block for language, block in FENCED.findall(PAGE) if language == "bash"]
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def the_line(pattern: str) -> str:
    (found,) = [line for line in typed() if re.search(pattern, line)]
    return found


# -- the unit ----------------------------------------------------------------------------------------------------


def verify(unit: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "kalshi-bot.service"
    file.write_text(unit, encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def with_real_paths(folder: Path) -> str:
    """The unit for this user, with a clone and a Python that exist."""
    python = folder / "kalshi-bot" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    own = UNIT.replace(HOME, str(folder))
    return re.sub(r"^User=.*$", f"User={pwd.getpwuid(os.getuid()).pw_name}", own, flags=re.MULTILINE)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    """What it prints for a trivial unit is not due to ours. It warns of an unknown key with exit code 0."""
    noise = verify("[Service]\nExecStart=/bin/true\n", tmp_path)
    unit = with_real_paths(tmp_path)
    told = verify(unit, tmp_path)
    assert (told.returncode, told.stdout + told.stderr) == (0, noise.stdout + noise.stderr)
    misspelt = verify(unit.replace("ProcSubset=", "ProcSubsett="), tmp_path)
    assert "ProcSubsett" in misspelt.stderr, "the check sees nothing"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_page_tells_how_systemd_rates_the_unit(tmp_path: Path) -> None:
    file = tmp_path / "kalshi-bot.service"
    file.write_text(UNIT, encoding="utf-8")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(file)]
    rated = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if rated.returncode and "offline" in rated.stderr:
        pytest.skip("this systemd rates no file")
    (exposure,) = re.findall(r"Overall exposure level for kalshi-bot\.service: ([\d.]+)", rated.stdout)
    (told,) = re.findall(r"rates the unit ([\d.]+)", PAGE)
    assert abs(float(exposure) - float(told)) <= 0.3, "versions of systemd differ a little"


def test_the_unit_runs_what_the_page_installs() -> None:
    assert value("WorkingDirectory") == CLONE
    assert value("ExecStart") == f"{CLONE}/.venv/bin/python market_bot.py", "without --yes"
    assert (value("User"), values("StandardInput")) == ("kalshi", []), "no keyboard"
    assert the_line("^useradd").split()[1:] == [
        "--create-home", "--home-dir", HOME, "--shell", "/bin/bash", value("User"),
    ]  # fmt: skip
    assert the_line(r"\.service") == f"cd {CLONE} && cp docs/kalshi-bot.service /etc/systemd/system/"
    assert f".venv/bin/{preflight.LOCKED}" in typed()


def test_what_the_page_shows_of_the_unit_is_in_it() -> None:
    (shown,) = [block for language, block in FENCED.findall(PAGE) if "ExecStart=" in block]
    assert len(shown.splitlines()) > 5
    assert set(shown.splitlines()) <= set(UNIT.splitlines())


def test_the_unit_starts_again_unless_you_must_repair_it() -> None:
    assert (value("Restart"), value("RestartPreventExitStatus")) == (
        "on-failure",
        str(int(ExitCode.MISCONFIGURED)),
    )
    codes = re.findall(r"^\| (\d): ", PAGE, re.MULTILINE)
    assert list(map(int, codes)) == [ExitCode.OK, ExitCode.MISCONFIGURED, ExitCode.ORDERS_MAY_REST]
    starts, within = int(value("StartLimitBurst")), int(value("StartLimitIntervalSec"))
    assert (starts, within) == (5, 10 * 60), "the sixth start within ten minutes"
    assert starts * int(value("RestartSec")) < within, "otherwise no number of deaths is ever too many"


def test_a_stop_has_the_time_that_it_needs() -> None:
    """No order outlives the wait for a stop, even if the exchange does not answer. Docker waits as long."""
    lives = market_bot.WAIT_TIME + 60 * market_bot.EXPIRATION_TS
    patience = int(value("TimeoutStopSec"))
    assert f"`WAIT_TIME` and `EXPIRATION_TS`, {lives} seconds together" in PAGE
    assert patience >= lives + LAST_CHECKS
    assert f"The {patience} seconds are longer" in PAGE
    assert f"--stop-timeout {patience} " in the_line("^docker run")
    assert (value("KillSignal"), value("KillMode")) == ("SIGTERM", "mixed")


def test_the_unit_leaves_clone_and_state_folder_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", HOME)
    folders = [lock.state_folder(), Path(CLONE)]
    writable = Path(value("ReadWritePaths"))
    assert all(folder.is_relative_to(writable) for folder in folders)
    assert writable.parts[1] not in ("home", "root", "run"), "ProtectHome hides these"
    assert (value("ProtectSystem"), value("ProtectHome")) == ("strict", "yes")


# -- Docker ------------------------------------------------------------------------------------------------------


def test_the_image_holds_python_and_the_packages_alone() -> None:
    assert re.findall(r"^(?:COPY|ADD) (.*)$", DOCKERFILE, re.MULTILINE) == [
        "requirements.lock /tmp/requirements.lock"
    ]
    assert the_line("docker build").startswith("tar -c requirements.lock -C docs Dockerfile | ")
    version = re.search(r"^FROM python:(\d+)\.(\d+)-slim$", DOCKERFILE, re.MULTILINE)
    assert version
    assert tuple(map(int, version.groups())) >= preflight.PYTHON_NEEDED
    assert "--require-hashes -r /tmp/requirements.lock" in DOCKERFILE
    assert 'CMD ["python", "market_bot.py"]' in DOCKERFILE


def test_the_container_finds_the_clone_and_the_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    (home,) = re.findall(r"^ENV HOME=(\S+)", DOCKERFILE, re.MULTILINE)
    monkeypatch.setenv("HOME", home)
    words = shlex.split(the_line("^docker run"))
    mounts = dict(words[at + 1].split(":") for at, word in enumerate(words) if word == "--volume")
    assert mounts == {"$PWD": "/bot", "$HOME/.kalshi-bot": str(lock.state_folder())}
    assert "WORKDIR /bot\n" in DOCKERFILE
    assert {"--read-only", "--init", "--detach"} <= set(words)


# -- backups -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["sqlite3", "python3"])
def test_a_backup_of_a_ledger_in_use_is_whole(program: str, tmp_path: Path) -> None:
    """The lines as they stand on the page, while the ledger is open and its newest rows are in the -wal."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    clone, aside = tmp_path / "kalshi-bot", tmp_path / "backup"
    clone.mkdir()
    aside.mkdir()
    line = the_line(rf"^{program} .*trade-prod\.db")
    with closing(Ledger(clone / "trade-prod.db")), closing(sqlite3.connect(clone / "trade-prod.db")) as db:
        db.execute("CREATE TABLE trial AS SELECT 'newest' AS word")
        db.commit()
        assert (clone / "trade-prod.db-wal").stat().st_size > 0
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        subprocess.run(["bash", "-c", line], cwd=clone, env=environment, check=True, timeout=30)
    with closing(sqlite3.connect(aside / "trade-prod.db")) as copy:
        assert copy.execute("SELECT word FROM trial").fetchall() == [("newest",)]
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert [file.name for file in aside.iterdir()] == ["trade-prod.db"]
