"""The manual commands: `python main.py cancel-all`, `close-all` and `resume`.

Promise:
- The halt is written before anything is sent, so that a running bot does not place the canceled orders again.
- The halt is written to the account's state, so that it reaches the account's bot in whatever folder it runs.
- If the halt cannot be written, the command says so, then cancels and sells anyway.
- A bot of this user that goes on is named, with its folder, and the exit code is not 0.
- The command reports what could not be canceled or sold.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import market_bot
from bot import day_loss
from bot.account_user import ask
from bot.connection import Connection, account_state, is_embedded
from bot.halts import how_to_go_on, merged
from bot.launch import Paths
from bot.observation import AccountSnapshot
from bot.second_look import flatten
from bot.settings import Settings
from clients import Environment
from commands import context
from commands.running_bots import RunningBot, pid_of, running_bots
from commands.status_facts import running
from exchange import order_payloads
from exchange.errors import ConfigError, ExchangeError
from execution import cancel_reasons
from execution.canceler import Canceler, NullRecorder
from execution.executor import Executor
from execution.exits import Exit
from ledger.account_state import AccountState
from ledger.database import LedgerError
from ledger.entries import Halt
from ledger.ledger import Ledger
from ledger.own_tags import OwnTags
from risk.holes import Holes
from runtime import lock, log_format
from runtime.console import ExitCode
from simulator.embedded import THE_BOTS


def cancel_or_close(args: argparse.Namespace) -> int:
    """Run `cancel-all` or `close-all`: halt the bot and cancel all resting orders.

    `close-all` also sells all positions. Returns the exit code, `FAILED` if a bot goes on that it did not reach.
    """
    sells, paths = args.command == "close-all", market_bot.paths()
    environment, connection = context.connected()
    settings = context.settings() if sells else None
    print(context.named(environment, connection, THE_BOTS))
    if connection.is_private and running(environment, connection, paths.lock).runs is False:
        nothing = "No bot runs in this folder, so there are no resting orders and no positions. Nothing was done."
        going_on = told_of_others(environment, connection, account_state(environment, connection))
        print("\n".join([nothing, *going_on]), f"\n\n{context.sharing()}", sep="")
        return ExitCode.FAILED if going_on else ExitCode.OK
    what = "cancel every resting order" + (" and sell every position" if sells else "")
    if not context.agreed(args, f"Halt the bot and {what} of the account on {environment.value}?"):
        return ExitCode.MISCONFIGURED
    halted = halt(environment, paths, connection, f"python main.py {args.command}")
    print(halted.text)
    code: int = ExitCode.OK
    if connection.is_private:
        then = "Once halted, it cancels its orders in its next cycle, and keeps its positions."
        print(f"{then}\n\n{context.sharing()}")
        code = ExitCode.FAILED if sells else ExitCode.OK
    else:
        by_hand = ManualTrader(connection, paths.ledger(environment))
        if settings:
            code = by_hand.close_all(settings)
        else:
            by_hand.cancel_all()
    if halted.going_on:  # last, to be seen
        print("\n".join(halted.going_on))
    return max(code, ExitCode.FAILED) if halted.going_on else code


def resume(args: argparse.Namespace) -> int:
    """Run `resume`: let a halted bot trade again. Returns the exit code.

    It needs no answer from the exchange if the bot ran in this folder, because its ledger knows the account.
    """
    environment, paths = context.environment(), market_bot.paths()
    file = paths.ledger(environment)
    is_private = is_embedded(environment, context.variables())
    connection, state = None, state_of_ledger(file, environment)
    if not is_private:
        with suppress(ConfigError):  # without a key: the account of the ledger
            connection = context.connected()[1]
            state = state_of(file, environment, connection, identify(environment, connection))
    standing = standing_halts(file, state)
    print(f"Environment: {environment.value} ({file.name})")
    reasons = "".join(f"Halted since {one.at.astimezone():%Y-%m-%d %H:%M:%S}: {one.reason}\n" for one in standing)
    loss = day_loss_text(file, state, is_private) if standing else ""
    if loss:
        reasons += f"{loss}\n"
    then = "a new session, which cancels every order and closes every position of the account"
    if standing and not context.agreed(args, f"{reasons}Resume the bot on {environment.value} with {then}?"):
        return ExitCode.MISCONFIGURED
    print(clear_halts(file, state))
    if loss:
        print(loss)
    if is_private:
        print(f"\n{context.sharing()}")
    elif connection is not None and state is not None and standing:
        print(where_it_runs(environment, connection, state))
    return ExitCode.OK


# -- the halt in the account's state and in the ledger ------------------------------------------------------------


class Halted(NamedTuple):
    """What a command says of the halt, and of bots that go on: a line for each."""

    text: str
    going_on: tuple[str, ...] = ()


def state_of(file: Path, environment: Environment, connection: Connection, answers: bool) -> AccountState:
    """The state of a connection's account.

    If the exchange does not answer, the ledger of the same key tells the account. Raises `LedgerError`."""
    if not answers and not connection.is_private:
        with suppress(LedgerError):
            remembered = state_of_ledger(file, environment, connection.client.identity.key_id)
            if remembered:
                return remembered
    return account_state(environment, connection)


def state_of_ledger(file: Path, environment: Environment, key_id: str = "") -> AccountState | None:
    """The state of a ledger's account; None if there is none, or it is not of the key.

    Raises `LedgerError`."""
    if not file.exists():
        return None
    with closing(Ledger(file, read_only=True)) as ledger:
        identity = ledger.identity
    if identity is None or key_id not in ("", identity.key_id):
        return None
    return AccountState.open(environment.value, order_payloads.PRIMARY_SUBACCOUNT, lambda: identity)


def day_loss_text(file: Path, state: AccountState | None, is_private: bool) -> str:
    """What to know before a resume on a day that lost too much, empty if it did not.

    It is by the account's state or the ledger, whichever knows the greater loss. `is_private`: the ledger's times
    are simulated. Raises `LedgerError`, or `ConfigError` for a wrong setting."""
    mark, now = None, datetime.now(timezone.utc)
    if file.exists():
        with closing(Ledger(file, read_only=True)) as ledger:
            mark = ledger.last_mark()
    if mark and is_private:
        now = mark.at
    noted = state.day_result(now.date()) if state else None
    of_ledger = mark.own_profit if mark and mark.at.date() == now.date() else None
    worst = min((one for one in (noted, of_ledger) if one is not None), default=Decimal(0))
    return day_loss.still_halts(worst, context.settings().daily_loss_limit, now)


def standing_halts(file: Path, state: AccountState | None) -> list[Halt]:
    """The standing halts of an account and of a ledger. Raises `LedgerError`."""
    of_account, of_ledger = state.halts() if state else [], list[Halt]()
    if file.exists():
        with closing(Ledger(file, read_only=True)) as ledger:
            of_ledger = ledger.halts(standing=True)
    return merged(of_account, of_ledger)


def clear_halts(file: Path, state: AccountState | None = None) -> str:
    """Clear the halts of an account and of a ledger. Returns the text to print.

    `state`: the account's; if None, that of the ledger's account. Raises `LedgerError`."""
    state = state or state_of_ledger(file, context.environment())
    standing, now, by = standing_halts(file, state), datetime.now(timezone.utc), "python main.py resume"
    if file.exists():
        with closing(Ledger(file)) as ledger:
            ledger.clear_halts(now, by)
    if state:  # last: a running bot takes a halt over that stands in the state alone, and none that is cleared
        state.clear_halts(now, by)
    if not standing:
        missing = "" if file.exists() else f"There is no ledger ({file.name}), and no halt of the account. "
        return f"{missing}The bot is not halted."
    reasons = "".join(f"\n  {halt.at.astimezone():%Y-%m-%d %H:%M:%S} {halt.reason}" for halt in standing)
    then = "A running bot begins a new session in its next cycle: it cancels all orders and closes all positions."
    return f"Cleared:{reasons}\n{then}"


def identify(environment: Environment, connection: Connection) -> bool:
    """Ask the exchange whose the account is. Returns whether it answered.

    The answer identifies a simulator's run, and the account's user."""
    try:
        connection.client.get_exchange_status()
    except ExchangeError:
        return False
    with suppress(ExchangeError, LedgerError):
        if not connection.is_private:
            ask(connection, account_state(environment, connection))
    return True


def halt(environment: Environment, paths: Paths, connection: Connection, reason: str) -> Halted:
    """Halt any bot on this account, in its state and in this folder's ledger."""
    now, errors, file = datetime.now(timezone.utc), list[str](), paths.ledger(environment)
    answers = identify(environment, connection)
    state = state_of(file, environment, connection, answers)
    in_state = in_ledger = False
    if not connection.is_private:
        try:
            state.halt(now, reason)
            in_state = True
        except LedgerError as error:
            errors.append(str(error))
    try:
        with closing(Ledger(file)) as ledger:
            if not connection.is_private and answers:
                ledger.open_for(connection.client.identity, connection.client.clock.now(), state.is_mine)
            ledger.halt(now, reason)
            in_ledger = True
    except LedgerError as error:
        errors.append(str(error))
    return _halted(environment, connection, state, paths.lock, Written(in_state, in_ledger, errors))


class Written(NamedTuple):
    """Where a halt was written, and what failed."""

    in_state: bool
    in_ledger: bool
    errors: list[str]


def _halted(
    environment: Environment, connection: Connection, state: AccountState, folder_lock: Path, written: Written
) -> Halted:
    """What to say of a halt: which bots it reaches, and which go on."""
    said = [f"The bot is halted: {how_to_go_on()}."]
    if written.errors:
        failed = "; ".join(written.errors)
        said = [f"The bot could not be halted: {failed}. If a bot runs, stop it with Ctrl-C."]
        if written.in_state or written.in_ledger:
            kept = "the account's state" if written.in_state else "this folder's ledger"
            said = [f"The bot is halted in {kept} alone ({failed}): {how_to_go_on()}."]
    try:
        bots = running_bots(environment, connection, state)
        here = pid_of(lock.current_holder(folder_lock))
    except (OSError, RuntimeError, LedgerError) as error:
        return Halted("\n".join([*said, _not_known(error)]))
    by_ledger = written.in_ledger and here
    reached = [
        one for one in bots if (one.is_reached and written.in_state) or (one.is_mine and by_ledger == one.pid)
    ]
    said += [f"It runs as {one.process}. It takes the halt over in its next cycle." for one in reached]
    if not any(one.is_mine for one in bots) and not connection.is_private:
        said.append(f"{_NONE_RUNS} The halt holds for the next start.")
    return Halted("\n".join(said), _going_on([one for one in bots if one not in reached]))


_NONE_RUNS = "No bot runs on this account, on this machine."


def _not_known(error: Exception) -> str:
    return f"It is not known whether a bot runs on this machine ({error})."


def told_of_others(environment: Environment, connection: Connection, state: AccountState) -> tuple[str, ...]:
    """A line for each bot that runs, none of which was reached."""
    try:
        return _going_on(running_bots(environment, connection, state))
    except (OSError, RuntimeError, LedgerError) as error:
        return (_not_known(error),)


def _going_on(bots: Iterable[RunningBot]) -> tuple[str, ...]:
    def line(one: RunningBot) -> str:
        why = "the halt could not be written where it reads" if one.is_mine else "it trades on another account"
        stop = "Stop it with Ctrl-C in its terminal, or with this command in its folder"
        return f"A BOT GOES ON: {one.environment}, {one.process} ({why}). {stop}."

    return tuple(map(line, bots))


def where_it_runs(environment: Environment, connection: Connection, state: AccountState) -> str:
    """Which bot a resume reaches."""
    try:
        mine = [one for one in running_bots(environment, connection, state) if one.is_mine]
    except (OSError, RuntimeError, LedgerError) as error:
        return _not_known(error)
    if not mine:
        return _NONE_RUNS
    return "\n".join(f"It runs as {one.process}." for one in mine)


# -- what is sent ----------------------------------------------------------------------------------------------


class ManualTrader:
    """Cancels and sells, and prints what it does in the log's format.

    `ledger_file`: the bot's, so that the sales count as the bot's own."""

    def __init__(self, connection: Connection, ledger_file: Path) -> None:
        self._client = connection.client
        own = OwnTags()
        self._canceler = Canceler(self._client, self._log, NullRecorder(), own)
        with suppress(LedgerError), closing(Ledger(ledger_file)) as ledger:  # the halt has told the error
            own.register(ledger, self._client.clock.now())

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
