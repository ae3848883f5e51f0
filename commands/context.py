"""The start of every command: settings file, connection, headline and consent.

Promise:
- A problem that stops a command is one line with its remedy.
- Nothing is done before a person agreed to it.

`market_bot.py` is imported inside functions: a person edits it, so it may not run.
"""

from __future__ import annotations

import argparse
import sys

from bot import connection, launch
from bot.connection import Connection, Variables
from bot.setting_variables import replaced_by
from bot.settings import Settings, environment_of
from clients import Environment
from exchange.errors import ConfigError
from runtime import preflight
from runtime.console import typed


def sharing() -> str:
    """Say how to reach a simulated exchange from outside the bot's process."""
    return f"""\
A simulated exchange lives inside the process that opened it, so this command cannot read or change the account
inside another process. To share one exchange, run this in another terminal, put the SIM_ lines that it prints into
.env, and start the bot again:
  {typed("-m simulator")}"""


def importable() -> None:
    """Check that `market_bot.py` can be imported. Raises `ConfigError` if not."""
    try:
        import market_bot  # noqa: F401
    except Exception as error:
        raise ConfigError(preflight.import_problem(error, "market_bot")) from None


def settings() -> Settings:
    """The settings with which this folder's bot would start. Raises `ConfigError`."""
    import market_bot

    return market_bot.read_settings(replaced=replaced_by(variables()))


def variables() -> Variables:
    """The variables of the terminal and of this folder's `.env`. Raises `ConfigError`."""
    import market_bot

    return connection.read_variables(market_bot.paths().dotenv)


def environment() -> Environment:
    """The environment of the settings, even if others are wrong. Raises `ConfigError`."""
    import market_bot

    return environment_of(market_bot.env, replaced_by(variables()))


def connected() -> tuple[Environment, Connection]:
    """Connect to the exchange of the settings' environment. Raises `ConfigError`."""
    import market_bot

    found = variables()
    named = environment_of(market_bot.env, replaced_by(found))
    return named, connection.connect(named, found)


def headline(environment: Environment, exchange: str, money: str) -> str:
    """The first line of what a command prints."""
    return f"Environment: {environment.value} ({exchange}; {money})"


def named(environment: Environment, connection: Connection, private: str) -> str:
    """The first line, for a connection. `private`: the name of an embedded exchange."""
    exchange = private if connection.is_private else connection.about["Exchange"]
    return headline(environment, exchange, connection.about["Money"])


def warn(connection: Connection) -> None:
    """Print warnings to stderr: things to fix although the command works."""
    for warning in [*connection.warnings, connection.client.clock.pop_message()]:
        if warning:
            print(f"main: {warning}", file=sys.stderr)


def agreed(args: argparse.Namespace, question: str) -> bool:
    """Whether a person agrees, by `--yes` or at the keyboard. Asks if need be."""
    ask = launch.keyboard()
    if args.yes:
        return True
    if ask is None:
        told = (
            "there is no keyboard to confirm it, or no place to show the question. To confirm in advance: "
            f"{typed(f'main.py {args.command} --yes')}"
        )
        print(f"main: nothing was done: {told}", file=sys.stderr)
        return False
    if ask(question):
        return True
    print("main: nothing was done", file=sys.stderr)
    return False
