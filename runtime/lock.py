"""File locks that allow one bot for each folder and account.

Promise:
- The operating system holds the lock (`flock`, on Windows `msvcrt.locking`) and releases it when the process ends,
  even after a crash.
- A leftover lock file does not block the next start; its text says which process left it.
- The locks of accounts are in one folder for all copies of the bot of this user of the machine.
- A lock file that is removed or replaced while its lock is held is noticed by `renew`, which holds a new one.

The text in the file is for people only.
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
from runtime.console import HOME

_BEYOND = 1 << 20
"""Windows: offset of the locked byte, beyond any text. Other processes cannot read a locked byte."""


_A_LOOK = 0.05
"""Seconds after which a process that took the lock only to check it has released it."""


class AlreadyRuns(ConfigError):
    """Another process holds the lock."""


class Lock:
    """A lock on a file, held from creation until `release`.

    `left_by`: the text of the process that ended without releasing it, or "". Raises `AlreadyRuns` if another
    process holds it. `what` is what only one bot may do, such as "trades on this account". Raises `OSError` if the
    file cannot be opened or locked."""

    def __init__(self, path: Path, what: str) -> None:
        self.path, self._what = path, what
        self._text = f"process {os.getpid()}, since {datetime.now():%Y-%m-%d %H:%M:%S}, in {HOME}"  # noqa: DTZ005
        self._file, self.left_by = self._taken("Nothing was sent")

    def renew(self) -> bool:
        """Hold a new lock if the file was removed or replaced.

        Returns whether it was.
        Without it, a bot that starts then would find the account free. Raises `AlreadyRuns` if one has, and
        `OSError` as the creation does; the lock on the old file stays."""
        with suppress(FileNotFoundError):
            if os.path.samestat(self.path.stat(), os.fstat(self._file)):
                return False
        lost, (self._file, _) = self._file, self._taken("This one places nothing more")
        os.close(lost)
        return True

    def release(self) -> None:
        """Release the lock.

        Clears the file's text, so that it does not look like one left by a crash."""
        _write(self._file, "")
        os.close(self._file)

    def _taken(self, then: str) -> tuple[int, str]:
        """The file, locked, and the text that was in it.

        Raises `AlreadyRuns` or `OSError`. `then`: what an error says that this bot does."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            is_free = _lock(file)
            if not is_free:  # another process may only be checking it, see `current_holder`
                time.sleep(_A_LOOK)
                is_free = _lock(file)
            found = os.read(file, 1_000).decode(errors="replace").strip()
            if not is_free:
                raise AlreadyRuns(
                    f"Another bot {self._what}: {found or 'process unknown'}. {then}: two bots would cancel "
                    "each other's orders and sell each other's positions. Stop the other one first, with Ctrl-C "
                    "in its terminal."
                )
            _write(file, self._text)
        except BaseException:
            os.close(file)
            raise
        return file, found


def _write(file: int, text: str) -> None:
    """Replace a file's text. A failure is ignored: the text is for people only."""
    with suppress(OSError):
        os.lseek(file, 0, os.SEEK_SET)
        os.ftruncate(file, 0)
        os.write(file, text.encode())


def current_holder(path: Path) -> str:
    """The text of the process that holds a lock, or "" if it is free.

    Takes the lock for an instant to find out. Raises `OSError` if the file cannot be opened."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return ""
    try:
        is_free = _lock(file)
        return "" if is_free else os.read(file, 1_000).decode(errors="replace").strip() or "process unknown"
    finally:
        os.close(file)


def account_file(environment: str, key_id: str, subaccount: int) -> Path:
    """The path of the lock of a key's account.

    It is the same for every copy of the bot of this user. The file's name does not reveal the key. Raises
    `RuntimeError` if the user has no home folder."""
    return lock_file(environment, hashed(environment, key_id, subaccount))


def lock_file(environment: str, whose: str) -> Path:
    """The path of a lock, by the hash of a key, a user or a folder.

    Raises `RuntimeError` if the user has no home folder."""
    return state_folder() / f"{environment.lower()}-{whose}.lock"


def hashed(environment: str, name: str, subaccount: int) -> str:
    """What stands for a name, such as a key's, and does not reveal it."""
    return hashlib.sha256(f"{environment}\n{name}\n{subaccount}".encode()).hexdigest()[:16]


def state_folder() -> Path:
    """The folder of what all copies of the bot of this user share.

    Raises `RuntimeError` if the user has no home folder."""
    return Path.home() / ".kalshi-bot"


def all_holders() -> dict[Path, str]:
    """The held locks in the state folder, each with the text of its process.

    Raises `OSError` or `RuntimeError` if they cannot be read."""
    try:
        files = sorted(state_folder().iterdir())  # `glob` would find nothing in a folder that it cannot read
    except FileNotFoundError:
        return {}
    files = [file for file in files if file.suffix == ".lock"]
    return {file: holder for file in files if (holder := current_holder(file))}


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
