"""The exchange's own truth about an account, told outside its API: what the API never says is here too.

Promise: every cent of cash is in the journal; every second of every reward is there, with the shares it was paid
by.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.account import Account
from simulator.api import account_forms as forms
from simulator.api.listing_forms import contracts, dollars, moment
from simulator.exchange import Exchange, account_value
from simulator.matching import DOLLAR
from simulator.rewards import SHARE, Meter


def statement(exchange: Exchange, owner: str) -> dict[str, Any]:
    """Everything about an account, in plain values: `journal` (why cash changed, in order), `orders`, `fills`,
    `settlements`, `rewards` (one for each window in which it scored), `cash` by shard, `positions` (YES positive)
    and their `value` at the best bids. Money is dollars in strings, times are ISO 8601."""
    account = exchange.accounts[owner]
    return {
        "owner": owner,
        "time": moment(exchange.now),
        "cash": {str(shard): dollars(amount) for shard, amount in account.cash.items()},
        "positions": {ticker: contracts(held.count) for ticker, held in account.holdings.items() if held.count},
        "value": dollars(account_value(exchange, account)),
        "totals": _totals(account),
        "journal": [
            {
                "time": moment(entry.time),
                "exchange_index": entry.shard,
                "amount": dollars(entry.amount),
                "kind": entry.kind,
                "about": entry.about,
            }
            for entry in account.journal
        ],
        "orders": [forms.order(exchange, order) for order in account.orders.values()],
        "fills": [forms.fill(exchange, fill) for fill in account.fills],
        "settlements": [forms.settlement(s) for s in account.settlements],
        "rewards": [_window(exchange, meter, owner) for meter in meters(exchange, owner)],
    }


def meters(exchange: Exchange, owner: str) -> list[Meter]:
    """The windows in which an account has scored, counted up to now."""
    exchange.advance(exchange.now)
    running = [meter for meters in exchange.running.values() for meter in meters]
    for meter in running:
        meter.count(exchange.now)
    return [meter for meter in (*exchange.ended, *running) if owner in meter.scores]


def rewards(exchange: Exchange, owner: str) -> int:
    """Cents that an account has earned: paid, to be paid, and of running windows what they would pay by now."""
    return sum(meter.cents(owner) for meter in meters(exchange, owner))


def seconds(meter: Meter, owner: str) -> Iterator[tuple[int, float, float]]:
    """(Unix second, share of YES, share of NO) of every second in which an account scored."""
    for run in meter.scores[owner].runs:
        for second in range(run.second, run.second + run.length):
            yield second, run.yes / SHARE, run.no / SHARE


def _totals(account: Account) -> dict[str, str]:
    """What each kind of entry adds up to."""
    kinds = sorted({entry.kind for entry in account.journal})
    return {kind: dollars(sum(e.amount for e in account.journal if e.kind == kind)) for kind in kinds}


def _window(exchange: Exchange, meter: Meter, owner: str) -> dict[str, Any]:
    program, score = meter.program, meter.scores[owner]
    return {
        "program_id": program.program_id,
        "ticker": program.ticker,
        "start_date": moment(program.starts),
        "end_date": moment(program.ends),
        "reward": dollars(program.reward * 100),
        "snapshots": meter.end - meter.start,
        "valid_snapshots": meter.valid,
        "share_seconds": score.total / SHARE,
        "pays": dollars(meter.cents(owner) * DOLLAR // 100),
        "paid_out": program.paid_out,
        "runs": [
            {"second": run.second, "seconds": run.length, "yes": run.yes / SHARE, "no": run.no / SHARE}
            for run in score.runs
        ],
    }
