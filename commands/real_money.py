"""What the doctor says of money: what settings bring and cost, what was agreed.

Promise:
- It only reads.
- What cannot be read is told as not known, with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from bot import agreement, expectations
from bot.connection import Connection, account_state
from clients import Environment
from commands import context
from commands.status_facts import ledger_knowledge
from exchange.errors import ConfigError, ExchangeError
from exchange.models import Order
from exchange.reserves import FreeCash
from ledger.database import LedgerError
from runtime.console import Checklist
from runtime.log_format import pairs

EXPECTED, AGREEMENT = "Expected", "Agreement"


def examine(
    checklist: Checklist,
    environment: Environment,
    connection: Connection,
    orders: Collection[Order],
    cash: FreeCash | None,
) -> None:
    """Report what the settings bring and cost a day; in PROD, what was agreed.

    `orders`: all that rest in the account. `cash`: None if it is not known."""
    import market_bot

    try:
        settings = context.settings()
    except ConfigError:
        checklist.unchecked(EXPECTED, "it needs valid settings")
        return
    found: expectations.Expectation | str
    try:
        accrued = ledger_knowledge(
            market_bot.paths().ledger(environment), environment, connection
        ).accrued_by_program
        status = connection.client.get_exchange_status()
        found = expectations.read(connection.client, settings, status, orders, cash, accrued)
    except (LedgerError, ExchangeError) as error:
        found = str(error)
    earns = not isinstance(found, str) and found.net > 0
    day, *more = expectations.lines(found)
    told = day.pop(EXPECTED)
    (checklist.ok if earns or not settings.must_pay else checklist.note)(EXPECTED, told)
    for line in (day, *more):
        if line:
            checklist.detail(pairs(line))
    if environment is Environment.PROD:
        _agreement(checklist, environment, connection, agreement.limits_of(settings))


def _agreement(
    checklist: Checklist, environment: Environment, connection: Connection, limits: Mapping[str, Decimal]
) -> None:
    try:
        agreed = account_state(environment, connection).agreed()
    except LedgerError as error:
        checklist.note(AGREEMENT, f"not known: {error}")
        return
    missing = agreement.beyond(limits, agreed)
    if missing:
        asks = "the next start asks at the keyboard, or needs --yes"
        held = f". Agreed: {agreement.in_words(agreed)}" if agreed else ""
        checklist.note(AGREEMENT, f"{'; '.join(missing)}: {asks}{held}")
    else:
        checklist.ok(AGREEMENT, f"a start asks nothing within {agreement.in_words(agreed or {})}")
