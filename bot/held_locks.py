"""The locks that a bot holds until its process ends.

Promise:
- A lock whose file is removed while the bot runs is held anew, so that a second bot still finds it.
- With real money the bot places nothing while it cannot hold them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from clients import Environment
from ledger.database import LedgerError
from runtime.lock import Lock


class HeldLocks:
    """Locks that `held` releases."""

    def __init__(self, held: ExitStack) -> None:
        self._held = held
        self._locks: list[Lock] = []

    def hold(self, file: Path, what: str) -> Lock:
        """Hold one more. Raises `AlreadyRuns` or `OSError` as `Lock` does."""
        taken = Lock(file, what)
        self._locks.append(taken)
        self._held.callback(taken.release)
        return taken

    def show_life(self) -> None:
        """Set the time of the lock files: a cycle ended now, for monitors.

        A failure is not told."""
        for one in self._locks:
            with suppress(OSError):
                os.utime(one.path)

    def keep(self, environment: Environment) -> Mapping[str, str]:
        """Hold those anew whose files were removed. Returns what to log.

        Empty if all are in place. Raises `AlreadyRuns` if another bot has one of them, or a `LedgerError` if one
        cannot be held and real money is at stake."""
        gone = []
        try:
            gone = [one.path.name for one in self._locks if one.renew()]
        except OSError as error:
            told = f"The bot's locks were removed while it ran, and cannot be held again: {error}"
            if environment is Environment.PROD:
                then = "The bot places nothing without them. Make the folder writable to you"
                raise LedgerError(f"{told}. {then}") from None
            return {"Warning": f"{told}. The bot goes on; a second bot would not find it"}
        return {"Locks": f"{', '.join(gone)}: removed while the bot ran; it holds them again"} if gone else {}
