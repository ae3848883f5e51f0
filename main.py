"""The account and the machine without the loop: `python main.py` prints cash, positions and resting orders of the
environment that `market_bot.py` names; `doctor` tells what a first run still lacks, `incentives` which markets the
bot would quote and why; `cancel-all` and `close-all` halt the bot and tidy up, `resume` lets it go on. Promise:
nothing is ever quoted from here, what acts asks first, all else only reads; and it starts on Python 3.8 too, with
or without the packages.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import os
import re
import sys
from typing import TYPE_CHECKING

from sheet import AT_RUN_TIME, IN_CONFIGURATION, Sheet, table
from startup import HOME, PYTHON_NEEDED, remedy, unstartable

# The rest of the project is imported inside functions, for this reason only: it needs Python 3.10 and packages,
# and whoever lacks them is to read a line that says so, not a traceback.
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from account import Balance, Position
    from clients import Environment
    from connection import Connection
    from ledger import Ledger
    from models import Order

    Parser = argparse.ArgumentParser

DOTENV_FILE = HOME / ".env"

PRIVATE_SIMULATOR = (
    "This simulator was opened for this command alone and is not the one a running bot trades on. To share one,\n"
    "start `python -m simulator` and put the SIM_ lines that it prints into .env."
)

OUT_OF_REACH = (
    "The simulated exchange of a running bot lives inside its process, out of reach from here: that bot cancels\n"
    "its orders with its next cycle. To share an exchange, start `python -m simulator` and put the SIM_ lines\n"
    "that it prints into .env."
)

_EXIT_CODES = """\
exit code: 0 nothing failed, 1 the exchange does not answer as it should, or something still rests or is held,
2 something on this machine is missing or wrong (Python, packages, settings, .env, key file, log),
or nobody agreed to it"""


# -- what this machine must have -------------------------------------------------------------------------------


def machine(sheet: Sheet) -> None:
    """Check Python and the packages."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_NEEDED:
        needed = ".".join(map(str, PYTHON_NEEDED))
        newer = f"Install a newer one and make the environment from it: make run PYTHON=python{needed}"
        sheet.fail("Python", f"{version} is too old, {needed} or newer is needed. {newer}", IN_CONFIGURATION)
    else:
        sheet.ok("Python", version)
    try:
        wanted = requirements()
    except OSError as error:
        sheet.note("Packages", f"not compared: requirements.txt cannot be read ({error.strerror})")
        return
    missing = [name for name in wanted if _installed(name) is None]
    others = [
        f"{name} {_installed(name)} in place of {version}"
        for name, version in wanted.items()
        if version and _installed(name) not in (None, version)
    ]
    if missing:
        sheet.fail("Packages", f"{', '.join(missing)} missing. {remedy()}", IN_CONFIGURATION)
    elif others:
        tried = f"the bot was tried with those of requirements.txt: {remedy()}"
        sheet.note("Packages", f"{', '.join(others)}; {tried}")
    else:
        sheet.ok("Packages", ", ".join(f"{name} {version}" for name, version in wanted.items()))


def requirements() -> dict[str, str]:
    """The packages of requirements.txt with the versions they are pinned to, empty where one is not."""
    lines = (HOME / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = [re.match(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:==\s*([^\s;#]+))?", line) for line in lines]
    return {match[1]: match[2] or "" for match in found if match}


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


# -- the report ------------------------------------------------------------------------------------------------


def report(environment: Environment, connection: Connection, ledger: Ledger | None) -> str:
    """What the account has, as text, and what its `ledger` says of the day, where there is one. Raises an
    `ExchangeError` where the exchange does not tell."""
    client = connection.client
    about = ", ".join(f"{name.lower()}: {what}" for name, what in connection.about.items())
    balance, positions, orders = client.get_balance(), client.get_positions(), client.get_resting_orders()
    parts = [
        f"Environment: {environment.value} ({about})",
        _balance(balance),
        *([_today(ledger), *_halts(ledger)] if ledger else []),
        table("Positions", ("Ticker", "Side", "Count", "Cost"), map(_position, positions)),
        table(
            "Resting orders",
            ("Ticker", "Side", "Count", "Price", "Expires", "Sent by"),
            map(_order, orders),
        ),
    ]
    unreadable = [*positions.unreadable, *orders.unreadable]
    if unreadable:
        parts.append(
            table("There is more, which could not be read", ("",), [[str(error)] for error in unreadable])
        )
    return "\n\n".join(parts)


def _balance(balance: Balance) -> str:
    shards = ", ".join(f"shard {index}: ${cash:,.4f}" for index, cash in sorted(balance.by_shard.items()))
    return f"Free cash: ${balance.available:,.4f}" + (f" ({shards})" if shards else "")


def _today(ledger: Ledger) -> str:
    from profit import midnight
    from tradelog import known

    mark = ledger.last_mark()
    if mark is None:
        return f"Ledger: {ledger.path.name}, no cycle has ended yet"
    start = midnight(mark.at.date())
    brought = f"trading {known(mark.day_profit)}, {len(ledger.fills(start))} fills"
    accrued = f"rewards accrued {known(mark.accrued)}, an estimate before the $1.00 floor"
    return f"Day of {start:%Y-%m-%d} (UTC) by {ledger.path.name}, as of {_local(mark.at)}: {brought}; {accrued}"


def _halts(ledger: Ledger) -> list[str]:
    from halting import HOW_TO_GO_ON

    standing = ledger.halts(standing=True)
    return [f"HALTED at {_local(halt.at)}: {halt.reason}. {HOW_TO_GO_ON}" for halt in standing]


def _position(position: Position) -> Sequence[str]:
    return position.ticker, position.side.value, f"{position.size:,.2f}", f"${position.exposure:,.4f}"


def _order(order: Order) -> Sequence[str]:
    import trade

    return (
        order.ticker,
        order.side.value,
        f"{order.remaining:,.2f}",
        f"${order.price:.4f}",
        _local(order.expires) if order.expires else "never",
        "this bot" if trade.is_own(order) else "somebody else",
    )


def _local(when: datetime) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


def look(told: Callable[[Connection], str]) -> int:
    """Print what `told` reads through a connection. Returns the exit code."""

    def work() -> int:
        import market_bot
        from connection import connect, read_variables

        connection = connect(market_bot.env, read_variables(DOTENV_FILE))
        print(told(connection))
        for warning in [*connection.warnings, connection.client.clock.take_news()]:
            if warning:
                print(f"main: {warning}", file=sys.stderr)
        if connection.is_private:
            print(f"\n{PRIVATE_SIMULATOR}")
        return 0

    return carried_out(work)


def carried_out(work: Callable[[], int]) -> int:
    """Do what needs the rest of the project. Returns the exit code: that of `work`, or what an error means."""
    problem = unstartable()
    if problem:
        print(f"main: {problem}", file=sys.stderr)
        return IN_CONFIGURATION
    from errors import ConfigError, ExchangeError, LedgerError

    try:
        return work()
    except (ConfigError, LedgerError) as error:
        print(f"main: {error}", file=sys.stderr)
        return IN_CONFIGURATION
    except ExchangeError as error:
        print(f"main: {error}", file=sys.stderr)
        return AT_RUN_TIME


def account(connection: Connection) -> str:
    """The account's report, for the environment of the settings."""
    import market_bot

    return report(market_bot.env, connection, remembered(connection))


def remembered(connection: Connection) -> Ledger | None:
    """The ledger of the bot that trades, or traded, on this account; None where there is none. Raises a
    `LedgerError` where it cannot be read."""
    import market_bot
    from ledger import Ledger

    path = market_bot.ledger_file(market_bot.env)
    if connection.is_private or not path.exists():
        return None
    ledger = Ledger(path, read_only=True)
    connection.client.get_exchange_status()  # its answer tells a simulator's run
    return ledger if ledger.identity == connection.client.identity else None


def incentives(ticker: str | None) -> Callable[[Connection], str]:
    """The ranked board, or every number behind the place of one market."""

    def told(connection: Connection) -> str:
        import market_bot
        import why

        rules = market_bot.read_settings()
        ledger = remembered(connection)
        seen = why.view(connection.client, rules, ledger.earned() if ledger else {})
        return why.ranked(seen) if ticker is None else why.explained(seen, ticker)

    return told


# -- what acts -------------------------------------------------------------------------------------------------


def act(command: str, is_agreed: bool) -> int:
    """Do what changes something, once a person has agreed. Returns the exit code."""

    def work() -> int:
        import market_bot
        import tidying
        from connection import connect, read_variables

        file = market_bot.ledger_file(market_bot.env)
        if command == "resume":
            print(tidying.resume(file))
            return 0
        rules = market_bot.read_settings()
        connection = connect(market_bot.env, read_variables(DOTENV_FILE))
        if not is_agreed and not _agreed(command, market_bot.env, connection):
            return IN_CONFIGURATION
        print(tidying.halt(file, connection, f"python main.py {command}"))
        if connection.is_private:
            print(OUT_OF_REACH)
            return 0
        by_hand = tidying.ByHand(connection)
        if command == "close-all":
            return by_hand.close_all(rules)
        by_hand.cancel_all()
        return 0

    return carried_out(work)


def _agreed(command: str, environment: Environment, connection: Connection) -> bool:
    import launch

    what = "cancel every resting order" + (" and sell every position" if command == "close-all" else "")
    where = f"{environment.value} ({', '.join(connection.about.values())})"
    ask = launch.keyboard()
    if ask is None:
        told = f"nobody sits at a keyboard to confirm this: python main.py {command} --yes"
        print(f"main: nothing was done, {told}", file=sys.stderr)
        return False
    return ask(f"Halt the bot and {what} of the account on {where}?")


def examine() -> int:
    """Print what a first run needs and whether it is there. Returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a path may hold what a terminal cannot show
    sheet = Sheet()
    machine(sheet)
    problem = "" if sheet.code else unstartable()
    if problem:
        sheet.fail("Packages", problem, IN_CONFIGURATION)
    if sheet.code:
        sheet.unchecked("The rest", "it needs Python and the packages")
    else:
        import doctor

        doctor.examine(sheet, HOME)
    print(f"\n{sheet.summary()}")
    return sheet.code


def main() -> int:
    """Print what is asked for. Returns the exit code, as `--help` says."""
    parser = argparse.ArgumentParser(
        prog="python main.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Print the account's cash, positions and resting orders. Without a command it reads only.",
        epilog=_EXIT_CODES,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, does: str, more: str, only: str = "Reads only, places nothing.") -> Parser:
        return commands.add_parser(
            name,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            help=does,
            description=f"{does[0].upper()}{does[1:]}{more}. {only}",
            epilog=_EXIT_CODES,
        )

    command("doctor", "check what a first run needs, a line each with the remedy", "")
    board = command(
        "incentives",
        "show which markets the bot would quote, what they would pay, and why not the others",
        ", by the settings of market_bot.py",
    )
    board.add_argument("--why", metavar="TICKER", help="every number behind the place of one market")
    halts = "A running bot is halted first, and stays so until resume."
    for name, does in (
        ("cancel-all", "cancel every resting order of the account"),
        ("close-all", "cancel every order and sell every position at the best bids"),
    ):
        command(name, does, "", halts).add_argument("--yes", action="store_true", help="do not ask")
    command("resume", "let a halted bot go on", "", "A running bot begins a new session with its next cycle.")
    asked = parser.parse_args()
    if asked.command == "doctor":
        return examine()
    if asked.command in ("cancel-all", "close-all", "resume"):
        return act(asked.command, getattr(asked, "yes", False))
    return look(incentives(asked.why) if asked.command == "incentives" else account)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # whoever read along has seen enough, `head` for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
