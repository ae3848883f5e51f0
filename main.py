"""The commands besides the loop, in the environment that `market_bot.py` sets.

`python main.py` prints the state of the account and of its bot. `report` shows what the bot did and earned,
`doctor` what a first run lacks, `incentives` which markets the bot would quote and why. `alert` tries the alerts.
`cancel-all` halts the bot and cancels all orders, `close-all` also sells all positions, `resume` lets the bot
trade again.

Promise:
- No command places a quote.
- `cancel-all`, `close-all` and `resume` name the environment and ask first. All other commands only read.
- It starts on Python 3.8 too, with or without the packages.
"""

from __future__ import annotations

import argparse
import functools
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from runtime import signals, standard_streams
from runtime.console import HOME, Checklist, ExitCode, typed
from runtime.preflight import check_machine, startup_problem
from runtime.version import VERSION

# Imports are inside functions so that an old Python or a missing package gives one line, not a traceback.
if TYPE_CHECKING:
    from collections.abc import Sequence

_EXIT_CODES = """\
exit code: 0 nothing failed, 1 the exchange does not answer as it should, or orders or positions remain, or the
output could not be written, 2 something on this machine is missing or wrong (Python, packages, settings, .env,
key file, log, ledger, command line), or you did not agree"""


def doctor() -> int:
    """`doctor`: check and print what a first run needs. Returns the exit code."""
    checklist = Checklist()
    check_machine(checklist)
    problem = "" if checklist.code else startup_problem()
    if problem:
        checklist.fail("Packages", problem, ExitCode.MISCONFIGURED)
    if checklist.code:
        checklist.unchecked("The rest", "it needs Python and the packages")
    else:
        from commands.doctor import examine

        examine(checklist, HOME)
    print(f"\n{checklist.summary()}")
    return checklist.code


def day(word: str) -> date:
    """Parse a UTC day, such as 2026-11-20."""
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word} is not a day: write it as 2026-11-20") from None


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        command = self.prog.partition("main.py")[2]
        self.exit(ExitCode.MISCONFIGURED, f"main: {message}. See: {typed(f'main.py{command} --help')}\n")


def commands() -> Parser:
    """The parser of all commands. `run_command` runs them."""
    form = functools.partial(argparse.RawDescriptionHelpFormatter, max_help_position=16)
    parser = Parser(
        prog="python main.py",
        formatter_class=form,
        description="Show the account and its bot, check the setup, clear the account. Without a command: status.",
        epilog=f"examples:\n{examples()}\n\n{_EXIT_CODES}",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, does: str, more: str = _READS) -> Parser:
        epilog = f"examples:\n{examples(name)}\n\n{_EXIT_CODES}"
        says = f"{does[0].upper()}{does[1:]}. {more}"
        command: Parser = subparsers.add_parser(
            name, help=does, description=says, epilog=epilog, formatter_class=form, allow_abbrev=False
        )
        return command

    status = add("status", "show cash, positions, orders, the worst case, halts and the bot's last cycle")
    for_whom = status.add_mutually_exclusive_group()
    for_whom.add_argument("--json", action="store_true", help="one JSON object, for programs")
    for_whom.add_argument(
        "--check",
        action="store_true",
        help="one line for monitors, exit code 1 if this folder's bot does not run, is halted or in an outage, or "
        "its last cycle is old",
    )
    report = add("report", "show what the bot did and earned, from its ledger: paid, estimated, lost")
    report.add_argument("--since", metavar="DAY", type=day, help="from a UTC day on, such as 2026-11-20")
    report.add_argument("--ledger", metavar="FILE", type=Path, help="another ledger, such as an archived one")
    form_of = report.add_mutually_exclusive_group()
    form_of.add_argument("--json", action="store_true", help="one JSON object, for programs")
    form_of.add_argument("--html", metavar="FILE", type=Path, help="write a page with charts to a file")
    add("doctor", "check what a first run needs, one line each with the remedy")
    board = add("incentives", "show which markets the bot would quote, and why not the others")
    board.add_argument("--why", metavar="TICKER", type=str.upper, help="every number behind one market's rank")
    alert = add("alert", "send a test alert everywhere, and say who took it", _TELLS)
    alert.add_argument(
        "--test", action="store_true", required=True, help="needed, so that nothing is sent by mistake"
    )
    for name, does, more in (
        ("cancel-all", "cancel every resting order of the account", _HALTS),
        ("close-all", "cancel every order and sell every position at the best bids", _HALTS),
        ("resume", "let a halted bot trade again", _RESUMES),
    ):
        add(name, does, more).add_argument("--yes", action="store_true", help="do not ask")
    return parser


_READS = "Reads only, places nothing."
_TELLS = "Asks the exchange nothing."
_HALTS = "Halts a running bot first, until resume. Asks first."
_RESUMES = "A running bot begins a new session in its next cycle. Asks first."
EXAMPLES = (
    ("", "the same as status"),
    ("status --json", "for programs"),
    ("status --check", "for monitors: one line, exit code 0 if all is well"),
    ("report --since 2026-11-20", "from a UTC day on"),
    ("report --html report.html", "a page with charts"),
    ("doctor", "before the first start"),
    ("incentives", "the ranked board; its last line is the next example, with a ticker"),
    ("incentives --why TICKER", "one market of the board"),
    ("alert --test", "after a change of ALERT_ or HEARTBEAT_ variables"),
    ("cancel-all", "asks, halts the bot, cancels"),
    ("close-all --yes", "does not ask: for scripts"),
    ("resume", "after a halt"),
)
"""What you can type after `main.py`, and its purpose."""


def examples(command: str = "") -> str:
    """The examples of a command, or of all, as you type them on this machine."""
    shown = [(typed(f"main.py {one}").rstrip(), does) for one, does in EXAMPLES if one.startswith(command)]
    width = max(len(line) for line, _ in shown)
    return "\n".join(f"  {line:{width}}  {does}" for line, does in shown)


def run_command(args: argparse.Namespace) -> int:
    """Run a command. Returns its exit code, or that of its error."""
    if args.command == "doctor":  # needs nothing, and reports what is missing
        return doctor()
    problem = startup_problem()
    if problem:
        print(f"main: {problem}", file=sys.stderr)
        return ExitCode.MISCONFIGURED
    from commands import context
    from exchange.errors import ConfigError, ExchangeError
    from ledger.database import LedgerError

    try:
        context.importable()
        from commands import alert, emergency, incentives, report, status

        does = {
            "status": status.run,
            "report": report.run,
            "incentives": incentives.run,
            "alert": alert.run,
            "cancel-all": emergency.cancel_or_close,
            "close-all": emergency.cancel_or_close,
            "resume": emergency.resume,
        }
        return does[args.command](args)
    except (ConfigError, LedgerError) as error:
        print(f"main: {error}", file=sys.stderr)
        return ExitCode.MISCONFIGURED
    except ExchangeError as error:
        print(f"main: {error}. To find the cause: {typed('main.py doctor')}", file=sys.stderr)
        return ExitCode.FAILED


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Without a command: `status`."""
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help", "--version")):
        words = ["status", *words]
    return commands().parse_args(words)


def main() -> int:
    """Run the command line. Returns the exit code, as `--help` says."""
    return run_command(parse(sys.argv[1:]))


def _reported(code: int) -> int:
    """`code`, or at least `FAILED` if the output could not be written."""
    problem = standard_streams.lost_output()
    if not problem:
        return code
    print(f"main: the output could not be written ({problem}). The command ran to its end", file=sys.stderr)
    return max(code, ExitCode.FAILED)


if __name__ == "__main__":
    standard_streams.secure()
    signals.heed()
    codes: list[int] = []
    signals.until_stopped(lambda: codes.append(main()))
    if not codes:
        print("main: interrupted before it was done. To finish it, type the command again", file=sys.stderr)
    sys.exit(_reported(codes[0] if codes else ExitCode.FAILED))
