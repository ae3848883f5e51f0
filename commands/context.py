"""Where every command starts: the settings file, the way to the exchange, and what is said of both.

Promise: whatever stands against a command is one line that says the remedy. Nothing is done before a person agreed
to it. `market_bot.py` is imported inside functions: a person edits it, and it may not run.
"""

from __future__ import annotations

import argparse
import sys

from bot import connection, launch
from bot.connection import Connection
from clients import Environment
from exchange.errors import ConfigError
from runtime import preflight
from runtime.console import typed


def sharing() -> str:
    """What to do to look at a simulated exchange from outside the bot's process."""
    return f"""\
A simulated exchange lives inside the process that opened it: another process's account cannot be looked at or
tidied up from here. To share one, type this in a terminal of its own, put the SIM_ lines that it prints into .env,
and start the bot again:
  {typed("-m simulator")}"""


def importable() -> None:
    """Make sure that `market_bot.py`, which a person edits, is a program still. Raises a `ConfigError`."""
    try:
        import market_bot  # noqa: F401
    except Exception as error:
        raise ConfigError(preflight.import_problem(error, "market_bot")) from None


def connected() -> tuple[Environment, Connection]:
    """The environment of the settings, and a way to its exchange. Raises a `ConfigError`."""
    import market_bot

    return market_bot.env, connection.connect(market_bot.env, connection.read_variables(market_bot.paths().dotenv))


def headline(environment: Environment, exchange: str, money: str) -> str:
    """The first line of what a command prints."""
    return f"Environment: {environment.value} ({exchange}; {money})"


def named(environment: Environment, connection: Connection, private: str) -> str:
    """Which environment, on which exchange; `private` says what one inside a process is."""
    exchange = private if connection.is_private else connection.about["Exchange"]
    return headline(environment, exchange, connection.about["Money"])


def warn(connection: Connection) -> None:
    """Say on stderr what a person should mend, though all works."""
    for warning in [*connection.warnings, connection.client.clock.pop_message()]:
        if warning:
            print(f"main: {warning}", file=sys.stderr)


def agreed(args: argparse.Namespace, question: str) -> bool:
    """Whether a person wants it done: by `--yes`, or at the keyboard."""
    ask = launch.keyboard()
    if args.yes:
        return True
    if ask is None:
        told = f"nobody sits at a keyboard to confirm this: {typed(f'main.py {args.command} --yes')}"
        print(f"main: nothing was done, {told}", file=sys.stderr)
        return False
    if ask(question):
        return True
    print("main: nothing was done", file=sys.stderr)
    return False
