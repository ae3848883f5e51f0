"""Check what a first run needs: `python main.py doctor`.

Promise:
- It only reads. It sends only GET requests to the exchange, and neither makes nor changes a file.
- It shows neither a key nor its id.
- A check is one line, with the remedy if something must be fixed. A check that depends on a failed one says that
  it was not made.
- An exchange that does not answer costs seconds and one line.

`runtime/preflight.py` checks Python and the packages: without them this file cannot be imported.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import trade
from bot.connection import Connection, Variables, connect, missing_text, read_variables
from bot.setting_variables import replaced_by
from bot.settings import NOTHING_REPLACED, environment_of
from clients import Environment, KalshiHttpClient
from commands import alert, cash, context, optional_calls, real_money
from commands.doctor_state import ACCOUNT_STATE, check_state
from commands.explained import explained, may_be_misaddressed
from commands.real_money import EXPECTED
from commands.status_facts import ledger_knowledge
from exchange.account import Position
from exchange.clock import how_to_set
from exchange.errors import ConfigError, ExchangeError
from exchange.json_fields import PartialList
from exchange.models import Market, Order, Program
from exchange.reserves import CashRule, FreeCash
from exchange.trading_hours import new_york, next_pause
from ledger.database import LedgerError
from rewards import estimate, rule_dates
from rewards.rule_dates import Beyond
from runtime import log_output
from runtime.console import Checklist, ExitCode, in_project, typed
from selection.screening import Screen
from simulator.embedded import OPENED

EXCHANGE, PAUSE, CLOCK, PROGRAMS, RULE = "Exchange", "Next pause", "Clock", "Programs", "Reward rule"
SIGNATURE, LIMITS, CASH, START, OPTIONAL = "Signature", "Limits", "Cash", "At a start", "Other calls"
BEYOND_STATUS = (
    PAUSE, CLOCK, PROGRAMS, RULE, SIGNATURE, ACCOUNT_STATE, LIMITS, CASH, START, EXPECTED, OPTIONAL,
)  # fmt: skip
_SEE = f"not known, see {OPTIONAL}"

_LISTED = 10  # orders, and positions, that are listed one by one

_MARKETS_READ = 500
"""Best-paid markets that are read, with their books. They take 10 requests; the whole real board would take
160."""

_NEW_KEY = "save its private key, and put its id and the file's path into .env (if there is no .env: {copy})"
_WHERE_FROM = {
    Environment.SIM: "Put the SIM_ lines that the simulator printed into .env, or remove SIM_URL from it",
    Environment.DEMO: f"Make an API key on the demo site, {_NEW_KEY}",
    Environment.PROD: f"Make an API key on the exchange's website, {_NEW_KEY}",
}
T = TypeVar("T")


def examine(checklist: Checklist, home: Path) -> None:
    """Check the project in the folder `home`, and the exchange that its settings name."""
    environment, log_json = _settings(checklist)
    log_file = home / "trade.log"
    _log(checklist, log_file, *([log_output.json_path(log_file)] if log_json else []))
    alert.check(checklist, home / ".env")
    if environment is None:
        _unchecked(checklist, "it needs valid settings", ".env", "Key file", EXCHANGE, *BEYOND_STATUS)
        return
    connection = _connection(checklist, environment, home / ".env")
    if connection is None:
        _unchecked(checklist, "it needs .env and the key file", EXCHANGE, *BEYOND_STATUS)
    else:
        exchange(checklist, environment, connection)


def _unchecked(checklist: Checklist, why: str, *checks: str) -> None:
    for what in checks:
        checklist.unchecked(what, why)


# -- this machine ------------------------------------------------------------------------------------------------


def _settings(checklist: Checklist) -> tuple[Environment | None, bool]:
    """Check the settings.

    Returns the environment if they name one, and whether the log is also written as JSON."""
    try:
        context.importable()
    except ConfigError as error:
        checklist.fail("Settings", str(error), ExitCode.MISCONFIGURED)
        return None, False
    import market_bot

    replaced, named = NOTHING_REPLACED, None
    with suppress(ConfigError):  # the check of .env tells it
        replaced = replaced_by(context.variables())
    try:
        named = environment_of(market_bot.env, replaced)
        found = market_bot.read_settings(replaced=replaced)
    except ConfigError as error:
        checklist.fail("Settings", str(error), ExitCode.MISCONFIGURED)
        return named, False
    shown = {"env": named.value} | found.in_words()
    if named is Environment.PROD:
        shown["env"] = f"{shown['env']} (REAL MONEY)"
    told = checklist.note if named is Environment.PROD else checklist.ok
    told("Settings", ", ".join(f"{name} {value}" for name, value in shown.items()))
    return named, found.log_json


def _log(checklist: Checklist, *log_files: Path) -> None:
    """Check that the log's files can be written or, if there are none yet, created."""
    for file in log_files:
        try:
            with file.open("ab") if file.exists() else tempfile.TemporaryFile(dir=file.parent):
                pass
        except OSError as error:
            remedy = "Make the file and its folder writable, or run the bot from a copy that is"
            checklist.fail("Log", f"{file} cannot be written ({error.strerror}). {remedy}", ExitCode.MISCONFIGURED)
            return
    checklist.ok("Log", f"{' and '.join(map(str, log_files))} can be written")


def _connection(checklist: Checklist, environment: Environment, dotenv_file: Path) -> Connection | None:
    """Check `.env` and the key file. Returns the connection if both are right."""
    key_id, key_file = f"{environment.value}_KEYID", f"{environment.value}_KEYFILE"
    try:
        variables = read_variables(dotenv_file)
    except ConfigError as error:
        checklist.fail(".env", str(error), ExitCode.MISCONFIGURED)
        checklist.unchecked("Key file", "it needs .env")
        return None
    missing = [name for name in (key_id, key_file) if not variables.get(name, "").strip()]
    connection, problem = None, ""
    try:  # a stand-in for a missing id, so that a wrong key file is reported in the same run
        connection = connect(environment, variables.with_value(key_id, "none") if key_id in missing else variables)
    except ConfigError as error:
        problem = str(error)
    if connection and connection.is_private:
        _hidden(checklist, environment, variables, "nothing is needed: env SIM is a simulator inside this process")
        checklist.ok("Key file", "none is needed: the simulator makes its own")
        return connection
    about_key_file = problem.startswith(key_file)
    key_file_warnings = (
        [one for one in connection.warnings if one.startswith(f"{key_file}: ")] if connection else []
    )
    if missing:
        unset = [name for name in missing if name not in variables]
        said = [f"not set: {' and '.join(unset)}"] if unset else []
        said += [missing_text(variables, name) for name in missing if name in variables]
        said += [] if dotenv_file.exists() else [f"{dotenv_file} does not exist"]
        remedy = _WHERE_FROM[environment].format(copy=in_project("cp .env.example .env"))
        checklist.fail(".env", f"{'; '.join(said)}. {remedy}", ExitCode.MISCONFIGURED)
    elif problem and not about_key_file:
        checklist.fail(".env", problem, ExitCode.MISCONFIGURED)
    else:
        apart = [name for name in (key_id, key_file) if name in variables.terminal]
        where = f"; {' and '.join(apart)} in this terminal's variables" if apart else ""
        _hidden(checklist, environment, variables, f"{key_id} and {key_file} are set{where}")
    if about_key_file and key_file not in missing:
        checklist.fail("Key file", problem, ExitCode.MISCONFIGURED)
    elif problem:
        checklist.unchecked("Key file", "there is none yet" if key_file in missing else "it needs .env")
    elif key_file_warnings:
        checklist.note("Key file", key_file_warnings[0])
    else:
        alone = ", readable by you alone" if os.name == "posix" else ""
        checklist.ok("Key file", f"{variables[key_file].strip()} is a private key{alone}")
    return None if missing else connection


def _hidden(checklist: Checklist, environment: Environment, variables: Variables, told: str) -> None:
    """Report that the variables are set, and which ones the terminal's own override."""
    warnings = variables.warnings(environment)
    (checklist.note if warnings else checklist.ok)(".env", ". ".join((told, *warnings)))


# -- the exchange ------------------------------------------------------------------------------------------------


def exchange(checklist: Checklist, environment: Environment, connection: Connection) -> None:
    """Check the exchange, the account, and what a start would do there."""
    client = connection.client
    if not connection.is_private:
        client.shorten_timeouts(answer_seconds=6.0)  # the list of all programs may take a while to come
    if not _status(checklist, environment, connection):
        _unchecked(checklist, "it needs the exchange", *BEYOND_STATUS)
        return
    _pause(checklist, client)
    _clock(checklist, connection)
    programs = _programs(checklist, environment, client)
    _rule(checklist, environment, client)
    if not _signature(checklist, environment, client):
        why = "it needs an accepted signature"
        _unchecked(checklist, why, ACCOUNT_STATE, LIMITS, CASH, START, EXPECTED, OPTIONAL)
        return
    check_state(checklist, environment, connection)
    _limits(checklist, client)
    account = _account(checklist, environment, client)
    if account is None:
        _unchecked(checklist, "it needs the resting orders and the positions", CASH, EXPECTED)
    else:
        free = _cash(checklist, environment, connection, programs, account)
        _start(checklist, account)
        real_money.examine(checklist, environment, connection, account[0], free)
    _optional(checklist, client, programs[1])


def _status(checklist: Checklist, environment: Environment, connection: Connection) -> bool:
    """Check that the exchange answers, and print whether it trades."""
    name = f"{connection.about['Exchange']} ({connection.about['Money']})"
    if connection.is_private:
        name = f"{OPENED}. To share one with a bot: {typed('-m simulator')}"
    try:
        status = connection.client.get_exchange_status()
    except ExchangeError as error:
        remedy = f"In another terminal: {typed('-m simulator')}, or remove SIM_URL from .env"
        if environment is not Environment.SIM:
            remedy = f"Check {environment.value}_URL, if .env sets it"
        said = f"{name}: {explained(error, environment)}"
        checklist.fail(EXCHANGE, f"{said}. {remedy}" if may_be_misaddressed(error) else said, ExitCode.FAILED)
        return False
    shards = sorted(shard for shard, trading in status.trading_by_shard.items() if not trading)
    if status.trading and not shards:
        checklist.ok(EXCHANGE, f"{name}; trading")
        return True
    where = f" on shard {', '.join(map(str, shards))}" if any(status.trading_by_shard.values()) else ""
    resumes = f", until about {_local(status.resumes)}" if status.resumes else ""
    checklist.note(EXCHANGE, f"{name}; trading is paused{where}{resumes}. The bot waits until trading resumes")
    return True


def _pause(checklist: Checklist, client: KalshiHttpClient) -> None:
    try:
        schedule = client.get_schedule()
    except ExchangeError:
        checklist.note(PAUSE, _SEE)
        return
    now, told = client.clock.now(), "none is planned"
    pause = next_pause(schedule, now)
    if pause:
        told = f"{_local(pause[0]) if pause[0] > now else 'now'} to {_local(pause[1])}"
    unsure = f"; up to an hour off, because this machine has no time zone data: {typed('-m pip install tzdata')}"
    checklist.ok(PAUSE, told if isinstance(new_york(), ZoneInfo) else told + unsure)


def _clock(checklist: Checklist, connection: Connection) -> None:
    seconds = connection.client.clock.offset
    if connection.is_private:
        checklist.ok(CLOCK, "the simulator's own")
    elif not connection.client.clock.is_known:
        checklist.note(CLOCK, "not compared: the exchange's answers carry no time")
    elif not seconds:
        checklist.ok(CLOCK, "agrees with the exchange's")
    else:
        off = f"{abs(seconds):,.0f} s {'behind' if seconds > 0 else 'ahead of'} the exchange's"
        remedy = f"The bot corrects for that by itself, but set the clock{how_to_set()}"
        checklist.note(CLOCK, f"this machine's clock is {off}. {remedy}")


def _signature(checklist: Checklist, environment: Environment, client: KalshiHttpClient) -> bool:
    """Check that the exchange accepts the key: only a valid one sees positions."""
    accepted = _asked(checklist, SIGNATURE, environment, client.get_positions) is not None
    if accepted:
        checklist.ok(SIGNATURE, "accepted; only the first order shows whether the key may also place orders")
    return accepted


def _limits(checklist: Checklist, client: KalshiHttpClient) -> None:
    try:
        limits = client.read_limits()
    except ExchangeError:
        checklist.note(LIMITS, _SEE)
        return
    read, write = (f"{b.rate:,} tokens/s, {b.capacity:,} at once" for b in (limits.read, limits.write))
    checklist.ok(LIMITS, f"tier {limits.tier}; reads {read}; writes {write}; most requests cost 10 tokens")


def _optional(checklist: Checklist, client: KalshiHttpClient, markets: Sequence[Market]) -> None:
    """Check the calls that the bot can do without for a while."""
    optional_calls.ask_others(client, markets)
    failing = list(optional_calls.failing(client))
    if not failing:
        checklist.ok(OPTIONAL, "the calls that the bot can do without for a while answer too")
        return
    checklist.note(OPTIONAL, f"{len(failing)} fail that the bot can do without for a while:")
    for line in failing:
        checklist.detail(line)


_Board = tuple[Mapping[str, Sequence[Program]], Sequence[Market]]
"""The programs that run, by market, and the best-paid markets."""


def _programs(checklist: Checklist, environment: Environment, client: KalshiHttpClient) -> _Board:
    """Check the programs. Returns those that run, and the best-paid markets."""
    listed = _asked(checklist, PROGRAMS, environment, client.get_incentive_programs)
    if listed is None:
        return {}, ()
    running, _ = Screen().programs(listed, client.clock.now())
    if not running:
        checklist.note(PROGRAMS, f"none of {len(listed)} runs and pays, so the bot would quote and earn nothing")
        return {}, ()
    a_day = {ticker: sum(map(estimate.dollars_per_day, found)) for ticker, found in running.items()}
    best = sorted(a_day, key=lambda ticker: -a_day[ticker])[:_MARKETS_READ]
    markets = _asked(checklist, PROGRAMS, environment, lambda: client.get_markets(best))
    if markets is None:
        return {}, ()
    count = sum(map(len, running.values()))
    told = f"{count:,} in {len(running):,} markets, ${sum(a_day.values()):,.2f} a day shared by all makers"
    unreadable = len(listed.unreadable) + len(markets.unreadable)
    left_out = f"; {unreadable} could not be read and are left out" if unreadable else ""
    (checklist.note if unreadable else checklist.ok)(PROGRAMS, told + left_out)
    return running, markets.items


def _rule(checklist: Checklist, environment: Environment, client: KalshiHttpClient) -> None:
    """Report until when the reward rule is known, and what the bot does then."""
    try:
        beyond = Beyond.of(environment is Environment.PROD, context.settings().trust_rule)
    except ConfigError:
        checklist.unchecked(RULE, "it needs valid settings")
        return
    now = client.clock.now()
    is_known = rule_dates.is_known_at(now) and not rule_dates.ends_soon(now)
    told = checklist.ok if is_known else checklist.note
    told(RULE, f"{rule_dates.until_text(now)}. Beyond that: {rule_dates.beyond_text(beyond)}")


_Account = tuple[Sequence[Order], PartialList[Position], int]
"""The resting orders, the positions, and how many of both could not be read."""


def _account(checklist: Checklist, environment: Environment, client: KalshiHttpClient) -> _Account | None:
    found = _asked(checklist, START, environment, lambda: (client.get_resting_orders(), client.get_positions()))
    if found is None:
        return None
    orders, positions = found
    return orders.items, positions, len(orders.unreadable) + len(positions.unreadable)


def _cash(
    checklist: Checklist,
    environment: Environment,
    connection: Connection,
    board: _Board,
    account: _Account,
) -> FreeCash | None:
    """Check that there is cash where markets would be quoted. Returns it if known."""
    import market_bot

    client, (orders, positions, _) = connection.client, account
    try:
        balance = client.get_balance()
    except ExchangeError:
        checklist.note(CASH, _SEE)
        return None
    try:
        rule = ledger_knowledge(market_bot.paths().ledger(environment), environment, connection).cash_rule
    except LedgerError:  # the bot would not start with it either, and says why
        rule = CashRule()

    def ask() -> tuple[FreeCash, dict[int, Decimal]]:
        if not balance.by_shard:
            return cash.free_of(client, balance, rule, orders, positions), {}
        series = cash.read_series(client)
        free = cash.free_of(client, balance, rule, orders, positions, series)
        wanted = context.settings()
        return free, cash.lacking_by_shard(client, wanted, *board, series, free, orders)

    found = _asked(checklist, CASH, environment, ask)
    if found is None:
        return None
    free, lacking = found
    told = f"free {cash.in_words(free, rule)}"
    if free.total <= 0 and not free.reserved:
        checklist.fail(CASH, f"{told}: no order can be placed. Deposit on the exchange's website", ExitCode.FAILED)
    elif lacking:
        moves = " and ".join(f"move ${dollars:,.2f} to shard {shard}" for shard, dollars in lacking.items())
        why = "the markets that would be quoted there need it, and an order can spend only its own shard's cash"
        checklist.note(CASH, f"{told}; {moves} on the exchange's website: {why}")
    else:
        checklist.ok(CASH, told)
    return free


def _start(checklist: Checklist, account: _Account) -> None:
    """Report the orders and positions that a start would cancel and close."""
    orders, positions, unreadable = account
    if not (orders or positions or unreadable):
        checklist.ok(START, "no resting orders and no positions: nothing to cancel or close")
        return
    tied = sum((order.price * order.remaining for order in orders), start=Decimal(0))
    cost = sum((abs(position.exposure) for position in positions), start=Decimal(0))
    told = (
        f"{len(orders)} resting orders (${tied:,.4f}) would be canceled, including any not sent by the bot, "
        f"and {len(positions)} positions sold at the best bids: they cost ${cost:,.4f}, and the worst case is to "
        "lose all of it"
    )
    checklist.note(START, told + (f"; {unreadable} more could not be read" if unreadable else ""))
    _list(checklist, "order", [
        f"{order.ticker} {order.side.value} {order.remaining:,.2f} at ${order.price:.4f}, "
        f"{'this bot' if trade.is_own(order) else 'somebody else'}'s"
        for order in orders
    ])  # fmt: skip
    _list(checklist, "position", [
        f"{held.ticker} {held.side.value} {held.size:,.2f}, cost ${abs(held.exposure) / held.size:.4f} each"
        for held in positions
    ])  # fmt: skip


def _list(checklist: Checklist, what: str, shown: list[str]) -> None:
    for line in shown[:_LISTED]:
        checklist.detail(f"{what:<10}{line}")
    if len(shown) > _LISTED:
        checklist.detail(f"{'':<10}and {len(shown) - _LISTED:,} more")


def _asked(checklist: Checklist, what: str, environment: Environment, ask: Callable[[], T]) -> T | None:
    """The exchange's answer. None, and a failed check, if it does not answer."""
    try:
        return ask()
    except ExchangeError as error:
        checklist.fail(what, explained(error, environment), ExitCode.FAILED)
        return None


def _local(when: datetime) -> str:
    return f"{when.astimezone():%a %Y-%m-%d %H:%M %Z}"
