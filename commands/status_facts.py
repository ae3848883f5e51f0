"""Reads the facts that `commands/status.py` prints.

Facts on the account are from its exchange. Facts on its bot are from the ledger and the locks.

Promise:
- It only reads, and leaves no file behind.
- A ledger that cannot be read, or belongs to another account, is reported. It hides no other fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from bot.account_user import ask
from bot.connection import Connection, account_state
from bot.halts import merged
from bot.launch import Paths
from clients import Environment, KalshiHttpClient
from commands import optional_calls
from commands.cash import read_events, read_free
from commands.kept_positions import kept
from commands.running_bots import locks_of
from exchange import client_ids
from exchange.account import Fill, Position
from exchange.models import Order
from exchange.orderbook import Side
from exchange.reserves import CashRule, FreeCash
from ledger.account_state import AccountState
from ledger.daily_pnl import midnight
from ledger.database import LedgerError
from ledger.entries import AccountMark, CycleRecord, Halt
from ledger.ledger import Ledger
from rewards.estimate import NOTHING_ACCRUED
from risk import exposure, gate
from runtime import lock
from simulator.embedded import OPENED, THE_BOTS


class HeldPosition(NamedTuple):
    """A position: its `cost` and `worst_case` loss in dollars, None if not known."""

    ticker: str
    side: Side
    contracts: Decimal
    cost: Decimal | None = None
    worst_case: Decimal | None = None


class RestingOrder(NamedTuple):
    """An order in a book: contracts, and dollars a contract.

    `is_ours`: this bot sent it, in this run or an earlier one.
    """

    ticker: str
    side: Side
    contracts: Decimal
    price: Decimal
    expires: datetime | None
    is_ours: bool


class AccountFacts(NamedTuple):
    """What an account has.

    `cash`: what is free and reserved. `tied_up`: dollars. `risks`: worst-case loss by event. They are None if the
    ledger is the only source and does not know them. `reading`: how the balance was read. `kept`: why a position
    is kept with `EXIT = "CROSS"`, by market.
    """

    cash: FreeCash | None
    reading: CashRule
    held: tuple[HeldPosition, ...]
    resting: tuple[RestingOrder, ...]
    tied_up: Decimal | None = None
    risks: Mapping[str, Decimal] | None = None
    unreadable: tuple[str, ...] = ()
    kept: Mapping[str, str] = MappingProxyType({})


class SessionFacts(NamedTuple):
    """When a session of the bot began and ended, and how it ended."""

    began: datetime
    ended: datetime | None
    how: str


class LedgerView(NamedTuple):
    """What a ledger says about its bot.

    `fills`: number of fills on the UTC day of `mark`, since the ledger was begun. `halts`: those that stand.
    `tags`: those of its orders.
    """

    mark: AccountMark | None
    fills: int
    halts: tuple[Halt, ...]
    cycle: CycleRecord | None
    session: SessionFacts | None
    cash_rule: CashRule
    tags: frozenset[str]


class BotProcess(NamedTuple):
    """Whether a bot runs, None if not known.

    `where`: the scope of the search. `process`: the bot's process, or why it is not known whether one runs.
    """

    runs: bool | None
    where: str
    process: str


@dataclass(frozen=True)
class StatusFacts:
    """All facts of the status.

    `is_remembered`: the account is from the ledger, because its exchange lives inside the bot. `problem`: why
    there is no `ledger_view` of this account. `is_broken`: the problem must be fixed. `halts`: those that stand,
    None if neither the account's state nor a ledger knows the account.
    """

    environment: Environment
    exchange: str
    money: str
    at: datetime
    account: AccountFacts
    bot: BotProcess
    ledger: str
    ledger_view: LedgerView | None = None
    problem: str = ""
    is_remembered: bool = False
    is_broken: bool = False
    halts: tuple[Halt, ...] | None = None


def read_status(
    environment: Environment, connection: Connection, paths: Paths, exit_limit: Decimal | None
) -> StatusFacts:
    """Read all facts of the status.

    `exit_limit`: dollars a contract below the sane mid price at which the bot still sells, None if it only rests.
    If the exchange lives inside a process, the bot's ledger replaces it, if there is one. Raises `ExchangeError`
    if the exchange does not answer.
    """
    ledger_file = paths.ledger(environment)
    client, remembered, ledger_view, is_broken = connection.client, None, None, False
    halts: tuple[Halt, ...] | None = None
    client.get_exchange_status()  # its answer has the time, and identifies a simulator's run
    try:
        state = known_state(environment, connection)
        ledger_view, remembered, problem = _recall(ledger_file, connection, state)
        halts = _halts(state, ledger_view)
    except LedgerError as error:
        problem, is_broken = str(error), True
    if remembered is None:
        rule, tags = (ledger_view.cash_rule, ledger_view.tags) if ledger_view else (CashRule(), frozenset[str]())
        account, exchange = (
            _account(client, rule, tags, exit_limit),
            OPENED if connection.is_private else connection.about["Exchange"],
        )
    else:
        account, exchange = remembered, THE_BOTS
    return StatusFacts(
        environment, exchange, connection.about["Money"], client.clock.now(), account,
        running(environment, connection, paths.lock), ledger_file.name, ledger_view, problem,
        remembered is not None,
        is_broken,
        halts,
    )  # fmt: skip


class LedgerKnowledge(NamedTuple):
    """What a bot's ledger knows of an account that the exchange does not tell.

    `accrued_by_program`: dollars that windows have accrued so far, by program id. `cash_rule`: how the exchange
    was found to count cash."""

    accrued_by_program: Mapping[str, float] = NOTHING_ACCRUED
    cash_rule: CashRule = CashRule()


def ledger_knowledge(ledger_file: Path, environment: Environment, connection: Connection) -> LedgerKnowledge:
    """What the account's ledger knows; nothing if no bot traded on this account.

    Raises `LedgerError`, or `ExchangeError` if the exchange does not answer.
    """
    if connection.is_private or not ledger_file.exists():
        return LedgerKnowledge()
    connection.client.get_exchange_status()  # its answer identifies a simulator's run
    with closing(Ledger(ledger_file, read_only=True)) as ledger:
        whose = ledger.identity
        if whose is None or not (
            whose == connection.client.identity or known_state(environment, connection).is_mine(whose)
        ):
            return LedgerKnowledge()
        return LedgerKnowledge(ledger.accrued_by_program(), ledger.cash_rule().rule)


def running(environment: Environment, connection: Connection, lock_file: Path) -> BotProcess:
    """The bot that trades on the account, if it is this user's.

    If the exchange lives inside a process: the bot that runs in the folder of `lock_file`.
    """
    where = "in this folder" if connection.is_private else "on this account, on this machine"
    try:
        files = [lock_file]
        if not connection.is_private:
            files = locks_of(environment, connection, account_state(environment, connection))
        holder = next(filter(None, map(lock.current_holder, files)), "")
    except (OSError, RuntimeError, LedgerError) as error:
        return BotProcess(None, where, str(error))
    return BotProcess(bool(holder), where, holder)


# -- the exchange ------------------------------------------------------------------------------------------------


def _account(
    client: KalshiHttpClient, rule: CashRule, tags: frozenset[str], exit_limit: Decimal | None
) -> AccountFacts:
    positions, orders = client.get_positions(), client.get_resting_orders()
    counted = _counted(client, positions.items, orders.items)
    return AccountFacts(
        read_free(client, rule, orders.items, positions),
        rule,
        tuple(
            HeldPosition(one.ticker, one.side, one.size, one.exposure, max(exposure.position_losses(one)))
            for one in positions
        ),
        tuple(
            RestingOrder(one.ticker, one.side, one.remaining, one.price, one.expires, _is_ours(one, tags))
            for one in orders
        ),
        counted.tied_up,
        counted.risks(),
        (*map(str, (*positions.unreadable, *orders.unreadable)), *optional_calls.failing(client)),
        {} if exit_limit is None else kept(client, positions, orders, exit_limit),
    )


def _is_ours(order: Order, tags: frozenset[str]) -> bool:
    """Whether a process of the ledger sent an order: `tags` are theirs."""
    sender = client_ids.sender(order.client_order_id)
    return sender is not None and sender.tag in tags


def _counted(client: KalshiHttpClient, positions: tuple[Position, ...], orders: tuple[Order, ...]) -> gate.Gate:
    """Count the account as the bot's own gate does, by the events of its markets."""
    tickers = sorted({one.ticker for one in positions} | {one.ticker for one in orders})
    markets = {market.ticker: market for market in client.get_markets(tickers)} if tickers else {}
    names = sorted({market.event_ticker for market in markets.values()})
    exclusive = {event.ticker for event in read_events(client, names) if event.mutually_exclusive}
    no_limits = gate.Limits(Decimal(0), Decimal(0), 0)
    state = gate.TradingState(no_limits, orders, positions, markets=markets, exclusive=frozenset(exclusive))
    return gate.Gate(state, {})


# -- the ledger and the account's state --------------------------------------------------------------------------


def _recall(
    file: Path, connection: Connection, state: AccountState
) -> tuple[LedgerView | None, AccountFacts | None, str]:
    """Read the ledger: its view of the bot, the account, and a problem.

    The account is None unless the ledger is its only source. The problem says why there is no view, or is "".
    Raises `LedgerError`.
    """
    if not file.exists():
        return None, None, f"there is no {file.name} yet: no bot has traded here"
    mine = connection.client.identity
    with closing(Ledger(file, read_only=True)) as ledger:
        whose = ledger.identity
        if whose is None:  # the next bot takes this ledger, with its halts
            return _ledger_view(ledger), None, ""
        if connection.is_private and whose.base_url == mine.base_url:
            return _ledger_view(ledger), _remembered(ledger), ""
        if connection.is_private or not (whose == mine or state.is_mine(whose)):
            return None, None, f"{file.name} belongs to another account, or to a simulator that was stopped since"
        return _ledger_view(ledger), None, ""


def known_state(environment: Environment, connection: Connection) -> AccountState:
    """The state of an account, whose user the exchange was asked for.

    Nothing is written. Raises `LedgerError`, or `ExchangeError` if the exchange does not answer."""
    state = account_state(environment, connection)
    if not connection.is_private and not state.user:
        ask(connection, state, writes=False)
    return state


def _halts(state: AccountState, ledger_view: LedgerView | None) -> tuple[Halt, ...] | None:
    """The standing halts of the ledger and of the account. Raises `LedgerError`."""
    found = merged(ledger_view.halts if ledger_view else (), state.halts())
    return None if ledger_view is None and not found else tuple(found)


def _ledger_view(ledger: Ledger) -> LedgerView:
    mark, sessions = ledger.last_mark(), ledger.sessions()
    return LedgerView(
        mark,
        sum(isinstance(one, Fill) for one in ledger.changes(midnight(mark.at.date()))) if mark else 0,
        tuple(ledger.halts(standing=True)),
        ledger.last_cycle(),
        SessionFacts(*sessions[-1]) if sessions else None,
        ledger.cash_rule().rule,
        ledger.tags(),
    )


def _remembered(ledger: Ledger) -> AccountFacts:
    mark = ledger.last_mark()
    held = (
        HeldPosition(ticker, Side.YES if count > 0 else Side.NO, abs(count))
        for ticker, count in ledger.positions().items()
    )
    return AccountFacts(
        FreeCash(mark.free_cash) if mark and mark.free_cash is not None else None,
        ledger.cash_rule().rule,
        tuple(held),
        tuple(
            RestingOrder(one.ticker, one.side, one.asked - one.filled, one.price, one.expires, is_ours=True)
            for one in ledger.orders()
            if one.ended is None
        ),
    )
