"""Start a bot from the command line, run it, and return its exit code.

Promise:
- Each obstacle to a start gives one clear line and exit code 2, and nothing was sent.
- No two bots of this user trade on one account, whatever keys they use, or write to one folder.
- With real money, a state folder that cannot be read or written is such an obstacle.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from logging import Logger
from pathlib import Path
from typing import NamedTuple, Protocol

from bot.alert_receivers import configured
from bot.connection import Connection, account_state, connect, read_variables
from bot.held_locks import HeldLocks
from bot.notifier import SILENT, Notifier
from bot.prod_confirmation import Confirm
from bot.setting_variables import replaced_by
from bot.settings import Replaced, Settings
from clients import Environment
from exchange import order_payloads
from exchange.errors import ConfigError
from ledger.database import LedgerError
from ledger.ledger import Ledger
from runtime import lock, log_format, log_output, signals, standard_streams
from runtime.console import HOME, ExitCode
from runtime.last_words import named, say
from runtime.lock import AlreadyRuns


class Paths(NamedTuple):
    """The paths of the log, `.env`, the folder's lock and each environment's ledger."""

    log: Path
    dotenv: Path
    lock: Path
    ledger: Callable[[Environment], Path]


class ReadSettings(Protocol):
    """Reads the settings, some of which variables replace. Raises a `ConfigError`."""

    def __call__(self, *, replaced: Replaced) -> Settings: ...


class Bot(Protocol):
    """The bot that `start` runs."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        ledger: Ledger,
        logger: Logger,
        confirm: Confirm | None,
        notifier: Notifier,
    ) -> None: ...

    def run(self) -> int: ...


def start(read_settings: ReadSettings, paths: Paths, confirm: Confirm | None, bot_class: type[Bot]) -> int:
    """Run a bot with the settings until it ends. Returns the process's exit code."""
    signals.heed()
    held, bots = ExitStack(), list[Bot | None]()
    try:
        if signals.until_hurried(lambda: bots.append(_ready(read_settings, paths, confirm, bot_class, held))):
            say("stopped at its start; nothing was sent")
            return ExitCode.OK
        return bots[0].run() if bots[0] else ExitCode.MISCONFIGURED
    finally:
        signals.ignore()
        _let_go(held)


def _let_go(held: ExitStack) -> None:
    """Close the ledger and release the locks.

    An error is told and no more: the end of the process does both as well."""
    try:
        held.close()
    except Exception as error:
        say(f"at its end: {named(error)}")


def _ready(
    read_settings: ReadSettings,
    paths: Paths,
    confirm: Confirm | None,
    bot_class: type[Bot],
    held: ExitStack,
) -> Bot | None:
    """A bot that is ready to run, or None if something prevents it.

    `held` keeps its locks and its ledger. The obstacle is logged or printed."""
    left_by, logger, locks, notifier = "", None, HeldLocks(held), SILENT
    try:
        left_by = _lock(paths.lock, "runs in this folder", locks)
        try:
            variables = read_variables(paths.dotenv)
            notifier = Notifier(configured(variables))
            settings = read_settings(replaced=replaced_by(variables))
        except ConfigError:  # log it, at the default log size
            logger = log_output.open_log(paths.log)
            raise
        logger = log_output.open_log(paths.log, settings.log_size, settings.log_files, settings.log_json)
        connection = connect(settings.env, variables)
        left_by, warning = _lock_account(settings, connection, locks, left_by)
        _check_state(settings, connection)
        ledger = held.enter_context(closing(Ledger(paths.ledger(settings.env))))
    except (ConfigError, LedgerError) as error:
        # The log belongs to the other process if one runs.
        if logger is None or isinstance(error, AlreadyRuns):
            say(str(error))
        else:
            now = datetime.now().astimezone()
            logger.info(log_format.entry(now, "STOP", str(error)))
            notifier.on_event(now, "", "STOP", str(error))
            notifier.flush_at_end()
        return None
    found = (
        f"The previous bot ({left_by}) was killed, or lost power, before it could cancel its orders"
        if left_by
        else ""
    )
    warnings = (*connection.warnings, *(one for one in (found, warning) if one))
    hold_user, keep = partial(_lock_user, settings.env, locks), partial(locks.keep, settings.env)
    connection = replace(
        connection, warnings=warnings, hold_user=hold_user, keep_locks=keep, show_life=locks.show_life
    )
    return bot_class(settings, connection, ledger, logger, confirm, notifier)


def _lock(file: Path, what: str, locks: HeldLocks) -> str:
    """Hold a lock until the process ends. Returns the process that left it behind.

    Raises a `ConfigError`."""
    try:
        return locks.hold(file, what).left_by
    except OSError as error:
        raise ConfigError(f"{file} cannot be locked ({error.strerror}): make its folder writable.") from None


def _lock_account(settings: Settings, connection: Connection, locks: HeldLocks, left_by: str) -> tuple[str, str]:
    """Hold the lock of the key's account.

    Not if only this process can reach the exchange. Returns the process that left a lock behind, and a warning.
    Raises a `ConfigError`."""
    environment = settings.env.value
    if connection.is_private:  # the folder has its own lock; this one lets commands of other folders find the bot
        with suppress(OSError, RuntimeError, AlreadyRuns):
            file = lock.account_file(environment, f"folder {HOME}", order_payloads.PRIMARY_SUBACCOUNT)
            locks.hold(file, "runs in this folder")
        return left_by, ""
    try:
        key_id = connection.client.identity.key_id
        file = lock.account_file(environment, key_id, order_payloads.PRIMARY_SUBACCOUNT)
        taken = locks.hold(file, "trades on this account")
    except (OSError, RuntimeError) as error:
        if settings.env is Environment.PROD:
            raise _without_state_folder(error) from None
        return (
            left_by,
            f"Could not check for another bot on this account; the bot starts anyway ({error})",
        )
    return left_by or taken.left_by, ""


def _check_state(settings: Settings, connection: Connection) -> None:
    """Prove that the account's state can be read and written.

    If it cannot, and the bot can do without it, the first cycle says so. Raises a `ConfigError` if it cannot."""
    try:
        account_state(settings.env, connection).check()
    except LedgerError as error:
        raise _without_state_folder(error) from None


def _without_state_folder(error: Exception) -> ConfigError:
    needs = "With real money the bot keeps halts, and locks against a second bot, in its state folder"
    problem = f"The state folder cannot be used: {error}" if isinstance(error, OSError) else error
    return ConfigError(f"{problem}. {needs}. Nothing was sent. Make the folder readable and writable to you.")


def _lock_user(environment: Environment, locks: HeldLocks, user: str) -> None:
    """Hold the lock of an account's user, by its hash.

    Raises a `ConfigError`, such as `AlreadyRuns`."""
    try:
        locks.hold(lock.lock_file(environment.value, user), "trades on this account, with another key")
    except (OSError, RuntimeError) as error:
        if environment is Environment.PROD:
            raise _without_state_folder(error) from None
        return  # the start has told it


def keyboard() -> Confirm | None:
    """A function that asks the person at the keyboard.

    None if there is no keyboard, or if nobody would see the question."""
    if sys.stdin is None or not sys.stdin.isatty() or not standard_streams.shows_questions():
        return None

    def ask(question: str) -> bool:
        if not standard_streams.shows_questions():  # its reader left
            return False
        try:
            return input(f"{question} Type yes: ").strip().lower() == "yes"
        except (EOFError, OSError):  # Ctrl-D, or the terminal is gone
            return False

    return ask
