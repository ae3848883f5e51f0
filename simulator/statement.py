"""The full statement of an account, including what the API never shows.

Promise:
- The journal accounts for every cent of cash.
- Every second of every reward is listed, with the shares that it was paid for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.account import Account
from simulator.api import account_forms as forms
from simulator.api.listing_forms import contracts, dollars, moment
from simulator.exchange import Exchange
from simulator.matching import DOLLAR
from simulator.rewards import SHARE, Meter
from simulator.worth import account_value, account_worth


def statement(exchange: Exchange, owner: str) -> dict[str, Any]:
    """Everything about an account, as JSON values.
    Money is dollars in strings. Times are ISO 8601.

    - `journal`: the cash changes and their reasons, in order. `totals`: its sum for each kind.
    - `orders`, `fills`, `settlements`. `rewards`: one for each window in which the account scored.
    - `cash`: by shard, with what resting orders reserve of it (`reserved`) and leave (`free`). `positions`: YES is
      positive. `value`: of the positions, at the best bids. `worth`: what selling all of them now would bring
      after fees, see `simulator.worth`.
    """
    account = exchange.accounts[owner]
    return {
        "owner": owner,
        "time": moment(exchange.now),
        "cash": {str(shard): dollars(amount) for shard, amount in account.cash.items()},
        "reserved": {str(n): dollars(cash - exchange.free_cash(account, n)) for n, cash in account.cash.items()},
        "free": {str(shard): dollars(exchange.free_cash(account, shard)) for shard in account.cash},
        "positions": {ticker: contracts(held.count) for ticker, held in account.holdings.items() if held.count},
        "value": dollars(account_value(exchange, account)),
        "worth": dollars(account_worth(exchange, account)),
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
    """The meters of windows in which an account has scored, counted up to now."""
    exchange.advance(exchange.now)
    running = [meter for meters in exchange.running.values() for meter in meters]
    for meter in running:
        meter.count(exchange.now)
    return [meter for meter in (*exchange.ended, *running) if owner in meter.scores]


def rewards(exchange: Exchange, owner: str) -> int:
    """Rewards of an account, in cents.
    This is the sum of paid rewards, rewards due, and the rewards of running windows so far."""
    return sum(meter.cents(owner) for meter in meters(exchange, owner))


def seconds(meter: Meter, owner: str) -> Iterator[tuple[int, float, float]]:
    """(Unix second, YES share, NO share) of every second in which an account scored."""
    for run in meter.scores[owner].runs:
        for second in range(run.second, run.second + run.length):
            yield second, run.yes / SHARE, run.no / SHARE


def _totals(account: Account) -> dict[str, str]:
    """The total of each kind of journal entry."""
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
