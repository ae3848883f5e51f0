"""One bot at a time. Promise: who holds a lock holds it until its process ends, however it ends; a file that a
dead one left behind keeps nobody out, and is recognised for what it is.

The operating system keeps the lock (`flock`, on Windows `msvcrt.locking`); what stands in the file is for people.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from exchange.errors import ConfigError

_BEYOND = 1 << 20
"""On Windows a locked byte can be read by nobody else: it lies where no text is."""


_A_LOOK = 0.05
"""Seconds after which whoever only looked has let go."""


class AlreadyRuns(ConfigError):
    """Another process holds the lock."""


class Lock:
    """Held from its opening until `release`. `left_by` says who ended without releasing it, empty where nobody
    did. Raises `AlreadyRuns`, with `what` only one may do and who does it, and `OSError` where the file cannot be
    opened or locked."""

    def __init__(self, path: Path, what: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            is_free = _lock(self._file)
            if not is_free:  # somebody may only be looking, see `current_holder`
                time.sleep(_A_LOOK)
                is_free = _lock(self._file)
            found = os.read(self._file, 1_000).decode(errors="replace").strip()
            if not is_free:
                raise AlreadyRuns(
                    f"Another bot {what}: {found or 'it does not say who'}. Two would cancel each other's orders "
                    "and sell each other's positions. Stop that one first, with Ctrl-C there. Nothing was sent."
                )
            self.left_by = found
            self._write(f"process {os.getpid()}, since {datetime.now():%Y-%m-%d %H:%M:%S}, in {Path.cwd()}")  # noqa: DTZ005
        except BaseException:
            os.close(self._file)
            raise

    def release(self) -> None:
        """Let the next one in, and leave nothing that looks like a process that died."""
        with suppress(OSError):
            self._write("")
        os.close(self._file)

    def _write(self, text: str) -> None:
        """Say who holds it, where the disk takes that."""
        os.lseek(self._file, 0, os.SEEK_SET)
        os.ftruncate(self._file, 0)
        with suppress(OSError):
            os.write(self._file, text.encode())


def current_holder(path: Path) -> str:
    """Who holds a lock, empty where nobody does. It is taken for an instant to find that out. Raises `OSError`
    where the file cannot be opened."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return ""
    try:
        is_free = _lock(file)
        return "" if is_free else os.read(file, 1_000).decode(errors="replace").strip() or "it does not say which"
    finally:
        os.close(file)


def account_file(environment: str, key_id: str, subaccount: int) -> Path:
    """Where an account's lock is, for every copy of the bot that this user runs: its name tells nobody the key.
    Raises `RuntimeError` where the user has no home."""
    whose = hashlib.sha256(f"{environment}\n{key_id}\n{subaccount}".encode()).hexdigest()[:16]
    return Path.home() / ".kalshi-bot" / f"{environment.lower()}-{whose}.lock"


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> bool:
        os.lseek(file, _BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(file, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
