"""The state of the account and of its bot: `python main.py status`.

Promise:
- It only reads.
- Text and JSON say the same.
- What is not known is shown as not known.

The object of `--json`: money, prices and counts are strings with all their digits. Times are ISO 8601 in UTC. A
value that is not known, or does not exist, is null.

    environment, exchange, money  SIM, DEMO or PROD; which exchange; whether its money is real
    at            when the account was read, by the exchange's clock
    source        "exchange", or "ledger" if the exchange lives inside the bot's process. Then balance, positions
                  and orders are what the ledger knew at `day.as_of`
    balance       `free`: dollars that no order reserves, `by_shard`: the same by shard; `reserved`: by resting
                  orders, `reserved_by_shard`; `reading`: whether the exchange's balance contains the reserved
                  dollars ("gross"), or not ("net"), or "not known": then `free` is the smaller figure
    tied_up       dollars that orders and positions tie up
    positions     each: ticker, side, contracts, cost, worst_case (dollars that it can lose)
    orders        each resting order: ticker, side, contracts, price, expires, is_ours (the bot's)
    worst_case    dollars that may be lost, `total` and `by_event`, from positions and resting orders. Each order
                  counts as if it alone were filled. Maker fees are not included
    kept          positions that the bot keeps below `EXIT_LIMIT`, by market, and why
    unreadable    positions and orders that could not be read, and calls that failed just now
    bot           `runs`, and `process`: which process, since when, in which folder
    ledger        `file`, and the `problem` if it has nothing on this account: then all further fields are null,
                  except halts of the account
    halts         each that stands, for the account or in the ledger: since, reason
    day           date (UTC), as_of, trading (the bot's result, which DAILY_LOSS_LIMIT counts), before_bot (the
                  day's result before the bot), fills, accrued (an estimate before the $1.00 floor)
    last_cycle    began, seconds, requests, markets, orders (resting at its end), problem, and `without`: the calls
                  that failed and that it did without
    session       the last one: began, ended, how
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import market_bot
from bot import day_loss, halts
from bot.log_events import trading_today
from commands import context, health
from commands.cash import in_words
from commands.status_facts import AccountFacts, HeldPosition, RestingOrder, SessionFacts, StatusFacts, read_status
from exchange.errors import ConfigError
from exchange.reserves import FreeCash
from execution.exits import Exit
from ledger.entries import AccountMark, CycleRecord
from runtime.console import ExitCode, table, to_json
from runtime.log_format import pairs, signed_dollars


def run(args: argparse.Namespace) -> int:
    """Print the state of the account and of its bot. Returns the exit code."""
    if args.check:
        return health.run()
    environment, connection = context.connected()
    found = read_status(environment, connection, market_bot.paths(), _exit_limit())
    print(as_json(found) if args.json else text(found))
    context.warn(connection)
    if connection.is_private:
        print(f"\n{context.sharing()}", file=sys.stderr if args.json else sys.stdout)
    if found.is_broken:
        print(f"main: {found.problem}", file=sys.stderr)
        return ExitCode.MISCONFIGURED
    return ExitCode.OK


def _exit_limit() -> Decimal | None:
    """The setting, None if it is wrong or if positions are not sold at once."""
    try:
        settings = context.settings()
    except ConfigError:
        return None
    return settings.exit_limit if settings.exit is Exit.CROSS else None


# -- as text ---------------------------------------------------------------------------------------------------


def text(facts: StatusFacts) -> str:
    """The status for a person, in local time."""
    account, then = facts.account, " at that time" if facts.is_remembered else ""
    parts = [
        "\n".join([context.headline(facts.environment, facts.exchange, facts.money), *_bot(facts)]),
        "\n".join(_money(facts)),
        table(f"Positions{then}", ("Ticker", "Side", "Count", "Cost", "Worst case"), map(_position, account.held)),
        table(
            f"Resting orders{then}",
            ("Ticker", "Side", "Count", "Price", "Expires", "Sent by"),
            map(_order, account.resting),
        ),
    ]
    if account.risks:
        parts.append(table("Worst case by event", ("Event", "Dollars"), _events(account.risks)))
    if account.kept:
        parts.append(table("Positions that the bot keeps", ("Ticker", "Because"), list(account.kept.items())))
    if account.unreadable:
        parts.append(table("Could not be read", ("",), [[one] for one in account.unreadable]))
    return "\n\n".join(parts)


def _bot(facts: StatusFacts) -> Iterator[str]:
    """Lines on whether a bot runs, its last cycle, its last session and its halts."""
    bot, ledger_view = facts.bot, facts.ledger_view
    if bot.runs is None:
        yield f"Bot: unknown whether one runs {bot.where} ({bot.process})"
    else:
        yield f"Bot: one runs {bot.where} ({bot.process})" if bot.runs else f"Bot: none runs {bot.where}"
    for halt in facts.halts or ():
        then = halts.how_to_go_on() + day_loss.until_midnight(halt.reason, facts.at)
        yield f"HALTED since {_local(halt.at)}: {halt.reason}. {then}"
    if ledger_view is None:
        yield facts.problem if facts.is_broken else f"Ledger: {facts.problem}"
        return
    yield f"Last cycle: {_cycle(ledger_view.cycle, facts)}"
    for call in ledger_view.cycle.without.splitlines() if ledger_view.cycle else ():
        yield f"It did without: {call}"
    if ledger_view.session and not bot.runs:
        began, ended, how = ledger_view.session
        killed = f"began {_local(began)}, ended without a clean shutdown (killed, or power loss)"
        yield f"Last session: {f'ended {_local(ended)}, {how}' if ended else killed}"


def _cycle(cycle: CycleRecord | None, facts: StatusFacts) -> str:
    if cycle is None:
        return "none has ended yet"
    ago = " of simulated time" if facts.is_remembered else f", {_age(facts.at - cycle.began)} ago"
    said = {"Took": f"{cycle.seconds:.1f} s", "Requests": cycle.requests}
    if cycle.problem:
        return f"began {_local(cycle.began)}{ago} | FAILED: {cycle.problem} | {pairs(said)}"
    return f"began {_local(cycle.began)}{ago} | {pairs(said)} | Markets: {cycle.markets} | Orders: {cycle.orders}"


def _age(passed: timedelta) -> str:
    seconds = max(passed.total_seconds(), 0.0)
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _money(facts: StatusFacts) -> Iterator[str]:
    """Lines on cash, the worst case, and the day."""
    account, ledger_view = facts.account, facts.ledger_view
    mark = ledger_view.mark if ledger_view else None
    if facts.is_remembered:
        since = _local(mark.at) if mark else "its beginning"
        over = "" if facts.bot.runs else "; that exchange ended with its bot"
        yield f"The rest is from {facts.ledger} as of {since}, simulated time{over}."
    yield f"Free cash: {in_words(account.cash, account.reading) if account.cash else 'not known'}"
    if account.tied_up is not None:
        yield f"Tied up in positions and orders: ${account.tied_up:,.4f}"
    if account.risks is None:
        yield "Worst case: not known here; the [CYCLE] lines of trade.log show it"
    else:
        more = "each order as if it alone were filled; before maker fees"
        yield f"Worst case: {halts.worst_case(account.risks.items())} ({more})"
    if mark and ledger_view:
        brought = f"trading {trading_today(mark)}, {ledger_view.fills} fills"
        accrued = f"rewards accrued {signed_dollars(mark.accrued)}, an estimate before the $1.00 floor"
        by = f"from {facts.ledger}, as of {_local(mark.at)}"
        yield f"Day of {mark.at:%Y-%m-%d} (UTC) {by}: {brought}; {accrued}"


def _dollars(amount: Decimal | None) -> str:
    return "not known" if amount is None else f"${amount:,.4f}"


def _position(held: HeldPosition) -> Sequence[str]:
    return held.ticker, held.side.value, f"{held.contracts:,.2f}", _dollars(held.cost), _dollars(held.worst_case)


def _order(order: RestingOrder) -> Sequence[str]:
    return (
        order.ticker,
        order.side.value,
        f"{order.contracts:,.2f}",
        f"${order.price:.4f}",
        _local(order.expires) if order.expires else "never",
        "this bot" if order.is_ours else "somebody else",
    )


def _events(risks: Mapping[str, Decimal]) -> list[Sequence[str]]:
    found = sorted(risks.items(), key=lambda one: (-one[1], one[0]))
    return [(event, f"${risk:,.4f}") for event, risk in found if risk]


def _local(when: datetime) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


# -- as JSON ---------------------------------------------------------------------------------------------------


def as_json(facts: StatusFacts) -> str:
    """The status as one JSON object, described in this module's docstring."""
    account, ledger_view = facts.account, facts.ledger_view
    told: dict[str, object] = {
        "environment": facts.environment,
        "exchange": facts.exchange,
        "money": facts.money,
        "at": facts.at,
        "source": "ledger" if facts.is_remembered else "exchange",
        "balance": _balance(account),
        "tied_up": account.tied_up,
        "positions": account.held,
        "orders": account.resting,
        "worst_case": _worst_case(account.risks) if account.risks is not None else None,
        "kept": dict(account.kept),
        "unreadable": account.unreadable,
        "bot": {"runs": facts.bot.runs, "process": facts.bot.process or None},
        "ledger": {"file": facts.ledger, "problem": facts.problem or None},
        "halts": None if facts.halts is None else [{"since": one.at, "reason": one.reason} for one in facts.halts],
        "day": _day(ledger_view.mark, ledger_view.fills) if ledger_view and ledger_view.mark else None,
        "last_cycle": _last(ledger_view.cycle) if ledger_view and ledger_view.cycle else None,
        "session": _session(ledger_view.session) if ledger_view and ledger_view.session else None,
    }
    return json.dumps(to_json(told), indent=2, ensure_ascii=False)


def _balance(account: AccountFacts) -> dict[str, object]:
    cash = account.cash or FreeCash(Decimal(0))
    told = {
        "free": cash.total,
        "by_shard": dict(cash.by_shard),
        "reserved": cash.reserved,
        "reserved_by_shard": dict(cash.reserved_by_shard),
    }
    if account.cash is None:
        told = dict.fromkeys(told)
    return told | {"reading": account.reading.balance}


def _worst_case(risks: Mapping[str, Decimal]) -> dict[str, object]:
    return {
        "total": sum(risks.values(), start=Decimal(0)),
        "by_event": {e: risk for e, risk in risks.items() if risk},
    }


def _day(mark: AccountMark, fills: int) -> dict[str, object]:
    accrued = None if mark.accrued is None else Decimal(str(mark.accrued))
    day = {"date": f"{mark.at:%Y-%m-%d}", "as_of": mark.at}
    before = mark.before_bot if mark.own_profit is not None else None
    return day | {"trading": mark.own_profit, "before_bot": before, "fills": fills, "accrued": accrued}


def _last(cycle: CycleRecord) -> dict[str, object]:
    return cycle._asdict() | {"problem": cycle.problem or None, "without": cycle.without.splitlines()}


def _session(session: SessionFacts) -> dict[str, object]:
    return session._asdict() | {"how": session.how if session.ended else None}
