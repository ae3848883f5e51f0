"""Which bots of this user run on this machine, and which a halt reaches.

Promise:
- A bot is found by the locks that it holds, whatever folder or environment it runs in.
- What cannot be found out is told as not known, never as "none runs".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from bot.connection import Connection
from clients import Environment
from exchange import order_payloads
from ledger.account_state import AccountState
from ledger.database import LedgerError
from runtime import lock
from runtime.console import HOME


class RunningBot(NamedTuple):
    """A bot that runs: its environment, and the text of its process, with its folder.

    `is_mine`: it trades on the command's account. `is_reached`: a halt in the account's state holds for it."""

    environment: str
    process: str
    is_mine: bool
    is_reached: bool

    @property
    def pid(self) -> str:
        return pid_of(self.process)


def pid_of(process: str) -> str:
    """The number of a process in a lock's text, empty if it is not known."""
    found = re.match(r"process (\d+),", process)
    return found[1] if found else ""


def locks_of(environment: Environment, connection: Connection, state: AccountState) -> list[Path]:
    """The locks of which a bot on the account holds one or more.

    If the exchange lives inside a process: the lock of the bot in this folder. Raises `LedgerError` or
    `RuntimeError`."""
    name = environment.value
    if connection.is_private:
        return [lock.account_file(name, f"folder {HOME}", order_payloads.PRIMARY_SUBACCOUNT)]
    whose = [*([state.user] if state.user else []), *state.key_hashes()]
    return [lock.lock_file(name, one) for one in whose]


def running_bots(environment: Environment, connection: Connection, state: AccountState) -> list[RunningBot]:
    """All bots of this user that run on this machine, those on the account first.

    Raises `OSError`, `RuntimeError` or `LedgerError` if it cannot be found out."""
    mine, found = locks_of(environment, connection, state), dict[str, RunningBot]()
    held = lock.all_holders()
    for file in sorted(held, key=lambda one: one not in mine):
        name, _, whose = file.stem.partition("-")
        is_mine = file in mine
        is_reached = is_mine or (name == environment.value.lower() and _is_reached(state, whose))
        bot = RunningBot(name.upper(), held[file], is_mine, is_reached)
        known = found.setdefault(
            bot.pid or file.name, bot
        )  # one bot holds a lock for its key and one for its user
        if bot.is_reached and not known.is_reached:
            found[bot.pid] = bot
    return list(found.values())


def _is_reached(state: AccountState, whose: str) -> bool:
    try:
        return state.is_reached(whose)
    except LedgerError:
        return False
