"""The manual commands: `python main.py cancel-all`, `close-all` and `resume`.

Promise:
- The halt is written before anything is sent, so that a running bot does not place the canceled orders again.
- If the halt cannot be written, the command says so, then cancels and sells anyway.
- The command reports what could not be canceled or sold.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import market_bot
from bot.connection import Connection, is_embedded, read_variables, require_environment
from bot.halts import how_to_go_on
from bot.observation import AccountSnapshot
from bot.second_look import flatten
from bot.settings import Settings
from commands import context
from commands.status_facts import running
from exchange.errors import ExchangeError
from execution import cancel_reasons
from execution.canceler import Canceler, NullRecorder
from execution.executor import Executor
from execution.exits import Exit
from ledger.database import LedgerError
from ledger.entries import Halt
from ledger.ledger import Ledger
from risk.holes import Holes
from runtime import log_format
from runtime.console import ExitCode
from simulator.embedded import THE_BOTS


def cancel_or_close(args: argparse.Namespace) -> int:
    """Run `cancel-all` or `close-all`: halt the bot and cancel all resting orders.

    `close-all` also sells all positions. Returns the exit code.
    """
    sells, paths = args.command == "close-all", market_bot.paths()
    environment, connection = context.connected()
    settings = market_bot.read_settings() if sells else None
    print(context.named(environment, connection, THE_BOTS))
    if connection.is_private and running(environment, connection, paths.lock).runs is False:
        nothing = "No bot runs in this folder, so there are no resting orders and no positions. Nothing was done."
        print(f"{nothing}\n\n{context.sharing()}")
        return ExitCode.OK
    what = "cancel every resting order" + (" and sell every position" if sells else "")
    if not context.agreed(args, f"Halt the bot and {what} of the account on {environment.value}?"):
        return ExitCode.MISCONFIGURED
    print(halt(paths.ledger(environment), connection, f"python main.py {args.command}"))
    if connection.is_private:
        then = "Once halted, it cancels its orders in its next cycle, and keeps its positions."
        print(f"{then}\n\n{context.sharing()}")
        return ExitCode.FAILED if sells else ExitCode.OK
    by_hand = ManualTrader(connection)
    if settings:
        return by_hand.close_all(settings)
    by_hand.cancel_all()
    return ExitCode.OK


def resume(args: argparse.Namespace) -> int:
    """Run `resume`: let a halted bot trade again. Returns the exit code.

    It needs no exchange, because the halt is in the ledger.
    """
    environment, paths = require_environment(market_bot.env), market_bot.paths()
    is_private = is_embedded(environment, read_variables(paths.dotenv))
    file = paths.ledger(environment)
    standing = standing_halts(file)
    print(f"Environment: {environment.value} ({file.name})")
    reasons = "".join(f"Halted since {one.at.astimezone():%Y-%m-%d %H:%M:%S}: {one.reason}\n" for one in standing)
    then = "a new session, which cancels every order and closes every position of the account"
    if standing and not context.agreed(args, f"{reasons}Resume the bot on {environment.value} with {then}?"):
        return ExitCode.MISCONFIGURED
    print(clear_halts(file))
    if is_private:
        print(f"\n{context.sharing()}")
    return ExitCode.OK


# -- the halt in the ledger ---------------------------------------------------------------------------------------


def standing_halts(file: Path) -> list[Halt]:
    """The halts of a ledger that are not cleared. Raises `LedgerError`."""
    if not file.exists():
        return []
    with closing(Ledger(file, read_only=True)) as ledger:
        return ledger.halts(standing=True)


def clear_halts(file: Path) -> str:
    """Clear the halts of a ledger. Returns the text to print. Raises `LedgerError`."""
    if not file.exists():
        return f"There is no ledger ({file.name}), so the bot is not halted."
    with closing(Ledger(file)) as ledger:
        standing = ledger.halts(standing=True)
        ledger.clear_halts(datetime.now(timezone.utc), "python main.py resume")
    if not standing:
        return "The bot is not halted."
    reasons = "".join(f"\n  {halt.at.astimezone():%Y-%m-%d %H:%M:%S} {halt.reason}" for halt in standing)
    then = "A running bot begins a new session in its next cycle: it cancels all orders and closes all positions."
    return f"Cleared:{reasons}\n{then}"


def halt(file: Path, connection: Connection, reason: str) -> str:
    """Halt any bot on this account. Returns the text to print, also of a failure."""
    try:
        with closing(Ledger(file)) as ledger:
            if not connection.is_private and _answers(connection):
                ledger.open_for(connection.client.identity, connection.client.clock.now())
            ledger.halt(datetime.now(timezone.utc), reason)
    except LedgerError as error:
        return f"The bot could not be halted: {error}. If a bot runs, stop it with Ctrl-C."
    return f"The bot is halted: {how_to_go_on()}."


def _answers(connection: Connection) -> bool:
    """Whether the exchange answers.

    The answer identifies a simulator's run, and so the ledger's account. Without an answer the halt is for the bot
    that used the ledger last.
    """
    try:
        connection.client.get_exchange_status()
    except ExchangeError:
        return False
    return True


# -- what is sent ----------------------------------------------------------------------------------------------


class ManualTrader:
    """Cancels and sells, and prints what it does in the log's format."""

    def __init__(self, connection: Connection) -> None:
        self._client = connection.client
        self._canceler = Canceler(self._client, self._log, NullRecorder())

    def cancel_all(self) -> None:
        """Cancel every order of the account and verify it. Raises `ExchangeError`."""
        self._canceler.cancel_all(cancel_reasons.BY_HAND)
        print("The account has no resting orders now.")

    def close_all(self, settings: Settings) -> int:
        """Cancel all orders, then sell every position at any price, after two looks.

        Returns the exit code. Raises `ExchangeError`.
        """
        self.cancel_all()
        client = self._client
        status, positions = client.get_exchange_status(), client.get_positions()
        positions.all_or_raise()
        account = AccountSnapshot((), positions, None, (), frozenset(), {})
        executor = Executor(client, self._canceler, NullRecorder(), lambda: "", self._log)
        holes, crossing = Holes(settings.exit_limit), replace(settings, exit=Exit.CROSS)
        flatten(client, executor, crossing, account, status, holes, self._log, at_any_price=True)
        self._canceler.wait_for_lists()
        left = client.get_positions()
        print(f"{len(positions) - len(left)} of {len(positions)} positions are closed.")
        for position in left:
            print(log_format.pairs(log_format.held_position(position)))
        return ExitCode.FAILED if left else ExitCode.OK

    def _log(self, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> None:
        print(log_format.entry(self._client.clock.now(), event, fields, details), flush=True)
