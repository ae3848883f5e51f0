"""All there is beside the loop, in the environment that `market_bot.py` names. `python main.py` prints the state
of the account and of its bot; `doctor` tells what a first run lacks, `incentives` which markets the bot would
quote and why; `cancel-all` and `close-all` halt the bot and tidy up, `resume` lets it go on. Promise: nothing is
ever quoted from here, what acts names the environment and asks first, all else only reads; and it starts on Python
3.8 too, with or without the packages.
"""

from __future__ import annotations

import argparse
import functools
import io
import os
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from runtime.console import AT_RUN_TIME, IN_CONFIGURATION, Sheet
from runtime.preflight import HOME, machine, unstartable

# The rest of the project is imported inside functions, for this reason only: it needs Python 3.10 and packages,
# and whoever lacks them is to read a line that says so, not a traceback.
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.connection import Connection
    from clients import Environment

SHARING = """\
A simulated exchange lives inside the process that opened it: another process's account cannot be looked at or
tidied up from here. To share one, start `python -m simulator` in a terminal of its own, put the SIM_ lines that it
prints into .env, and start the bot again."""

_EXIT_CODES = """\
exit code: 0 nothing failed, 1 the exchange does not answer as it should, or something still rests or is held,
2 something on this machine is missing or wrong (Python, packages, settings, .env, key file, log, ledger, what was
typed), or nobody agreed to it"""


# -- what this machine must have -------------------------------------------------------------------------------


# -- what only reads -------------------------------------------------------------------------------------------


def examine(_: argparse.Namespace) -> int:
    """`doctor`: print what a first run needs and whether it is there. Returns the exit code."""
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
        from commands import doctor

        doctor.examine(sheet, HOME)
    print(f"\n{sheet.summary()}")
    return sheet.code


def state(asked: argparse.Namespace) -> int:
    """`status`: print what the account has, and what its bot does."""
    import market_bot
    from commands import status, status_facts

    environment, connection = connected()
    found = status_facts.facts(environment, connection, market_bot.files())
    print(status.as_json(found) if asked.json else status.text(found))
    warn(connection)
    if connection.is_private:
        print(f"\n{SHARING}", file=sys.stderr if asked.json else sys.stdout)
    if found.is_broken:
        print(f"main: {found.problem}", file=sys.stderr)
        return IN_CONFIGURATION
    return 0


def incentives(asked: argparse.Namespace) -> int:
    """`incentives`: print the ranked board, or every number behind the place of one market."""
    import market_bot
    from commands import incentives, status_facts
    from simulator import embedded

    environment, connection = connected()
    rules = market_bot.read_settings()
    seen = incentives.view(
        connection.client, rules, status_facts.earned(market_bot.files().ledger(environment), connection)
    )
    if asked.why and not seen.lists(asked.why):
        where = ", opened for this command alone" if connection.is_private else ""
        told = f"{asked.why} has no program that is listed as active on this exchange{where}"
        print(f"main: {told}; python main.py incentives shows tickers that have one", file=sys.stderr)
        return IN_CONFIGURATION
    print(named(environment, connection, embedded.OPENED), end="\n\n")
    print(incentives.explained(seen, asked.why) if asked.why else incentives.ranked(seen))
    warn(connection)
    if connection.is_private:
        print(f"\n{SHARING}")
    return 0


def connected() -> tuple[Environment, Connection]:
    """The environment of the settings, and a way to its exchange. Raises a `ConfigError`."""
    import market_bot
    from bot.connection import connect, read_variables

    return market_bot.env, connect(market_bot.env, read_variables(market_bot.files().dotenv))


def named(environment: Environment, connection: Connection, private: str) -> str:
    """Which environment, on which exchange; `private` says what one inside a process is."""
    from commands.context import headline

    exchange = private if connection.is_private else connection.about["Exchange"]
    return headline(environment, exchange, connection.about["Money"])


def warn(connection: Connection) -> None:
    for warning in [*connection.warnings, connection.client.clock.take_news()]:
        if warning:
            print(f"main: {warning}", file=sys.stderr)


def earnings(asked: argparse.Namespace) -> int:
    """`report`: print what the bot did and what came of it, by its ledger alone, or write it to a page."""
    from contextlib import closing

    import market_bot
    from bot.connection import known
    from exchange.errors import ConfigError
    from ledger.ledger import Ledger
    from report import html_page, text
    from report.build import report
    from report.facts import recall

    environment = known(market_bot.env)
    file = asked.ledger or market_bot.files().ledger(environment)
    if not file.is_file():
        raise ConfigError(f"There is no ledger {file} yet: python market_bot.py begins one.")
    with closing(Ledger(file, read_only=True)) as ledger:
        facts = recall(ledger)
    if asked.since and asked.since > facts.until.date():
        raise ConfigError(
            f"Nothing is known since {asked.since}: {file.name} ends on {facts.until:%Y-%m-%d} (UTC)."
        )
    found = report(facts, asked.since)
    if asked.html is None:
        print(text.as_json(found) if asked.json else text.text(found))
        return 0
    try:
        asked.html.write_text(html_page.page(found), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{asked.html} cannot be written: {error.strerror}") from None
    print(f"{asked.html} is written: open it in a browser, it needs no network.")
    return 0


# -- what acts -------------------------------------------------------------------------------------------------


def tidy_up(asked: argparse.Namespace) -> int:
    """`cancel-all` and `close-all`: halt the bot, and take down what rests; sell what is held."""
    import market_bot
    from commands import emergency, status_facts
    from simulator import embedded

    sells, files = asked.command == "close-all", market_bot.files()
    environment, connection = connected()
    rules = market_bot.read_settings() if sells else None
    print(named(environment, connection, embedded.THE_BOTS))
    if connection.is_private and status_facts.running(environment, connection, files.lock).runs is False:
        print(f"No bot runs in this folder, so nothing rests and nothing is held: nothing was done.\n\n{SHARING}")
        return 0
    what = "cancel every resting order" + (" and sell every position" if sells else "")
    if not agreed(asked, f"Halt the bot and {what} of the account on {environment.value}?"):
        return IN_CONFIGURATION
    print(emergency.halt(files.ledger(environment), connection, f"python main.py {asked.command}"))
    if connection.is_private:
        print(f"Once halted it cancels its orders with its next cycle, and keeps its positions.\n\n{SHARING}")
        return AT_RUN_TIME if sells else 0
    by_hand = emergency.ByHand(connection)
    if rules:
        return by_hand.close_all(rules)
    by_hand.cancel_all()
    return 0


def resume(asked: argparse.Namespace) -> int:
    """`resume`: let a halted bot go on. Needs no exchange: the halt is in the ledger."""
    import market_bot
    from bot.connection import known, lives_inside, read_variables
    from commands import emergency

    environment, files = known(market_bot.env), market_bot.files()
    is_private = lives_inside(environment, read_variables(files.dotenv))
    file = files.ledger(environment)
    standing = emergency.standing(file)
    print(f"Environment: {environment.value} ({file.name})")
    reasons = "".join(f"Halted since {one.at.astimezone():%Y-%m-%d %H:%M:%S}: {one.reason}\n" for one in standing)
    then = "a new session, which cancels every order and closes every position of the account"
    if standing and not agreed(asked, f"{reasons}Let the bot go on, on {environment.value}, with {then}?"):
        return IN_CONFIGURATION
    print(emergency.resume(file))
    if is_private:
        print(f"\n{SHARING}")
    return 0


def agreed(asked: argparse.Namespace, question: str) -> bool:
    """Whether a person wants it done: by `--yes`, or at the keyboard."""
    from bot import launch

    ask = launch.keyboard()
    if asked.yes:
        return True
    if ask is None:
        told = f"nobody sits at a keyboard to confirm this: python main.py {asked.command} --yes"
        print(f"main: nothing was done, {told}", file=sys.stderr)
        return False
    if ask(question):
        return True
    print("main: nothing was done", file=sys.stderr)
    return False


# -- from what was typed to what is done -----------------------------------------------------------------------


def day(typed: str) -> date:
    """A UTC day as it is typed."""
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{typed} is no day, which is written as 2026-11-20") from None


class Parser(argparse.ArgumentParser):
    """Tells in a line what it does not know."""

    def error(self, message: str) -> NoReturn:
        self.exit(IN_CONFIGURATION, f"main: {message}. See: {self.prog} --help\n")


def commands() -> Parser:
    """What can be typed. A command is added here, with the function that does it: that gets what was typed, and
    returns the exit code."""
    form = functools.partial(argparse.RawDescriptionHelpFormatter, max_help_position=16)
    parser = Parser(
        prog="python main.py",
        formatter_class=form,
        description="Look at the account and at its bot, check and tidy up. Without a command: status.",
        epilog=f"examples:\n{_EXAMPLES}\n\n{_EXIT_CODES}",
    )
    known = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, does: str, done_by: Callable[[argparse.Namespace], int], more: str = _READS) -> Parser:
        examples = "".join(line for line in _EXAMPLES.splitlines(keepends=True) if f"main.py {name}" in line)
        epilog = f"examples:\n{examples.rstrip()}\n\n{_EXIT_CODES}"
        says = f"{does[0].upper()}{does[1:]}. {more}"
        one: Parser = known.add_parser(
            name, help=does, description=says, epilog=epilog, formatter_class=form, allow_abbrev=False
        )
        one.set_defaults(done_by=done_by)
        return one

    looks = add("status", "show cash, positions, orders, the worst case, halts and the bot's last cycle", state)
    looks.add_argument("--json", action="store_true", help="one JSON object, for programs")
    earned = add("report", "tell what the bot did and earned, by its ledger: paid, estimated, lost", earnings)
    earned.add_argument("--since", metavar="DAY", type=day, help="from a UTC day on, such as 2026-11-20")
    earned.add_argument("--ledger", metavar="FILE", type=Path, help="another ledger, such as one put aside")
    form_of = earned.add_mutually_exclusive_group()
    form_of.add_argument("--json", action="store_true", help="one JSON object, for programs")
    form_of.add_argument("--html", metavar="FILE", type=Path, help="write a page with charts to a file")
    add("doctor", "check what a first run needs, a line each with the remedy", examine)
    board = add("incentives", "show which markets the bot would quote, and why not the others", incentives)
    board.add_argument(
        "--why", metavar="TICKER", type=str.upper, help="every number behind the place of one market"
    )
    for name, does, done_by, more in (
        ("cancel-all", "cancel every resting order of the account", tidy_up, _HALTS),
        ("close-all", "cancel every order and sell every position at the best bids", tidy_up, _HALTS),
        ("resume", "let a halted bot go on", resume, _RESUMES),
    ):
        add(name, does, done_by, more).add_argument("--yes", action="store_true", help="do not ask")
    return parser


_READS = "Reads only, places nothing."
_HALTS = "A running bot is halted first, and stays so until resume. Asks first."
_RESUMES = "A running bot begins a new session with its next cycle. Asks first."
_EXAMPLES = """\
  python main.py                                        the same as status
  python main.py status --json                          for programs
  python main.py report --since 2026-11-20              from a UTC day on
  python main.py report --html report.html              a page with charts
  python main.py doctor                                 before the first start
  python main.py incentives                             the ranked board
  python main.py incentives --why KXCPI-26DEC21-T5      one market of it
  python main.py cancel-all                             asks, halts the bot, cancels
  python main.py close-all --yes                        does not ask: for scripts
  python main.py resume                                 after a halt"""


def carried_out(asked: argparse.Namespace) -> int:
    """Do what was asked for. Returns the exit code: that of the command, or what an error means."""
    if asked.command == "doctor":  # which needs nothing, and tells what is missing
        return examine(asked)
    problem = unstartable()
    if problem:
        print(f"main: {problem}", file=sys.stderr)
        return IN_CONFIGURATION
    from exchange.errors import ConfigError, ExchangeError
    from ledger.database import LedgerError

    try:
        importable()
        return int(asked.done_by(asked))
    except (ConfigError, LedgerError) as error:
        print(f"main: {error}", file=sys.stderr)
        return IN_CONFIGURATION
    except ExchangeError as error:
        print(f"main: {error}. python main.py doctor looks for the cause", file=sys.stderr)
        return AT_RUN_TIME


def importable() -> None:
    """Make sure that `market_bot.py`, which a person edits, is a program still. Raises a `ConfigError`."""
    import traceback

    from exchange.errors import ConfigError

    try:
        import market_bot  # noqa: F401
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = "".join(f", line {f.lineno}" for f in frames if f.filename.endswith("market_bot.py"))
        said = f"market_bot.py does not run ({type(error).__name__}: {error}{where})"
        raise ConfigError(f"{said}. Look at what was changed there last") from None


def read(typed: Sequence[str]) -> argparse.Namespace:
    """What was typed, understood."""
    if not typed or (typed[0].startswith("-") and typed[0] not in ("-h", "--help")):
        typed = ["status", *typed]
    return commands().parse_args(typed)


def main() -> int:
    """Do what is asked for. Returns the exit code, as `--help` says."""
    return carried_out(read(sys.argv[1:]))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("main: stopped before its end", file=sys.stderr)
        sys.exit(AT_RUN_TIME)
    except BrokenPipeError:  # whoever read along has seen enough, `head` for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
