"""What a person does by hand: `python main.py cancel-all`, `close-all` and `resume`.

Promise: the halt is written before anything is sent, so that a running bot does not put up again what a person
took down; where that fails it is said, and what was asked for is done all the same. What could not be canceled or
sold is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from bot.connection import Connection
from bot.decision import session_start
from bot.halts import HOW_TO_GO_ON
from bot.observation import Account
from bot.settings import Settings
from exchange.errors import ExchangeError
from execution.canceler import Clearing, NoRecords
from execution.executor import Sender
from execution.plan import Exit
from ledger.database import LedgerError
from ledger.entries import Halt
from ledger.ledger import Ledger
from runtime import log_format

_LEFT = 1
"""Exit code: something still rests or is held."""


def standing(file: Path) -> list[Halt]:
    """The halts of a ledger that nobody has cleared. Raises `LedgerError`."""
    if not file.exists():
        return []
    with closing(Ledger(file, read_only=True)) as ledger:
        return ledger.halts(standing=True)


def resume(file: Path) -> str:
    """Clear the halts of a ledger. Returns what to tell; raises `LedgerError`."""
    if not file.exists():
        return f"There is no ledger ({file.name}), so nothing is halted."
    with closing(Ledger(file)) as ledger:
        standing = ledger.halts(standing=True)
        ledger.clear_halts(datetime.now(timezone.utc), "python main.py resume")
    if not standing:
        return "Nothing is halted."
    reasons = "".join(f"\n  {halt.at.astimezone():%Y-%m-%d %H:%M:%S} {halt.reason}" for halt in standing)
    then = (
        "A running bot begins a new session with its next cycle: it cancels all orders and closes all positions."
    )
    return f"Cleared:{reasons}\n{then}"


def halt(file: Path, connection: Connection, reason: str) -> str:
    """Halt whatever bot trades on this account. Returns what to tell; says so where it could not be done."""
    try:
        with closing(Ledger(file)) as ledger:
            if not connection.is_private and _answers(connection):
                ledger.claim(connection.client.identity, connection.client.clock.now())
            ledger.halt(datetime.now(timezone.utc), reason)
    except LedgerError as error:
        return f"The bot could not be halted: {error}. If one runs, stop it with Ctrl-C."
    return f"The bot is halted: {HOW_TO_GO_ON}."


def _answers(connection: Connection) -> bool:
    """Whether the exchange answers: that tells a simulator's run, and so whose ledger it is. Where it does not,
    the bot that used the ledger last is the one to halt."""
    try:
        connection.client.get_exchange_status()
    except ExchangeError:
        return False
    return True


class ByHand:
    """Cancels and sells, and prints what it does as the log would."""

    def __init__(self, connection: Connection) -> None:
        self._client = connection.client
        self._clearing = Clearing(self._client, self._log, NoRecords())

    def cancel_all(self) -> None:
        """Cancel every order of the account and see that none rests. Raises an `ExchangeError`."""
        self._clearing.everything()
        print("No order of the account rests any more.")

    def close_all(self, rules: Settings) -> int:
        """Cancel all, then sell every position at the best bids, never worse. Returns the exit code; raises an
        `ExchangeError`."""
        self.cancel_all()
        client = self._client
        status, positions = client.get_exchange_status(), client.get_positions()
        positions.whole()
        account = Account((), positions, None, (), (), frozenset(), {})
        crossing = replace(rules, exit=Exit.CROSS)
        plan, situation = session_start(crossing, client, account, status, client.clock.now())
        sender = Sender(client, self._clearing, NoRecords(), lambda: "", self._log)
        sender.carry_out(plan, situation)
        self._clearing.await_lists()
        left = client.get_positions()
        print(f"{len(positions) - len(left)} of {len(positions)} positions are closed.")
        for position in left:
            print(log_format.pairs(log_format.held_position(position)))
        return _LEFT if left else 0

    def _log(self, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> None:
        print(log_format.entry(self._client.clock.now(), event, fields, details), flush=True)
