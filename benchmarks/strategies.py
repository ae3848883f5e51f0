"""Judge pricing rules: other strategies and the bot on the same boards.

Run it with `python -m benchmarks.strategies [--boards N] [--first SEED] [--hours H] [--programs N]
[--strategies a,b] [--building] [--out FILE]`. A run with the same `--out` skips what is finished. Boards are held
out unless `--building`.

Each strategy is the whole bot in its own loop with all simulated traders, with `MONEY`. Only the price, the choice
of markets or `FILL_COST` differ:

- `bot`: as it is now, with its own price rule and `FILL_COST`. While these are those of `today-0.03`, it runs only
  if it is named.
- `today-0.03`, `today-0.015`, `today-0.008`: the price rule of version 0.10.0 (`benchmarks/price_rules.py`), with
  this `FILL_COST`.
- `touch`, `reference`: both sides at the rivals' best bid, or at the reference.
- `richest`, `emptiest`: today's price, a fixed size in the markets with the richest pools or the fewest rivals, as
  public bots choose (`benchmarks/slot_rules.py`).
- `oracle`: today's price, and each market's true cost of a fill (`benchmarks/true_cost.py`): what could be gained
  by knowing the cost, with all else as it is.

Columns are dollars a board, on average. *Rewards* of a window that ends within the run are what is paid. Others
count if at the run's pace the whole window would pay $1.00 or more. *Trading* is all else: fills, fees, exits,
settlements, and open positions by the exchange's record; *at hidden value*: positions at what the exchange knows
that they are worth. In brackets is the interval that contains nine of ten means if the boards are drawn again with
replacement. The worst decile is the mean of the worst tenth of the boards.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import NamedTuple

from benchmarks import results_file
from benchmarks.harness import BUILDING_SEEDS, HELD_OUT_SEEDS, desk, done, filled
from benchmarks.judgement import Result, payable, table
from benchmarks.price_rules import ReferencePrice, TodaysPrice, TouchPrice, priced_by
from benchmarks.results_file import Done, Job
from benchmarks.slot_rules import emptiest, richest, slots_by
from benchmarks.true_cost import pooled, true_costs
from bot.settings import Settings, strategy_of
from exchange.ticker_patterns import matches
from incentive import Strategy
from market_bot import read_settings
from simulator.account import Account
from simulator.exchange import Exchange
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS
from simulator.opening import CUSTOMER
from simulator.people import EVERYBODY
from simulator.rewards import SHARE, Meter
from simulator.statement import meters

MONEY: Mapping[str, object] = MappingProxyType(
    {
        "TRADE_SIZE": "AUTO",
        "TRADE_TICKER_SIZE": 10,
        "MAX_CAPITAL": 500,
        "MAX_EVENT_LOSS": 100,
        "DAILY_LOSS_LIMIT": 10_000,
    }
)
"""The shipped limits times five, sizes that pay, and no halt: it would end a run early. All else is as shipped."""

SIZE = 50
"""Contracts of a fixed size. Both sides of a market cost up to a dollar together, and ten slots up to $500."""

BASE = "today-0.03"
COST_DIGITS = 4


class Plan(NamedTuple):
    """A strategy: how it differs from the bot as it is.

    `knows_costs`: whether it is told each market's true cost of a fill."""

    strategy_of: Callable[[Settings], Strategy] = strategy_of
    settings: Mapping[str, object] = MappingProxyType({})
    knows_costs: bool = False


def _priced(rule: type[TodaysPrice]) -> Callable[[Settings], Strategy]:
    return lambda settings: priced_by(rule, strategy_of(settings))


_TODAY = _priced(TodaysPrice)
_FIXED = {"TRADE_SIZE": SIZE, "INCENTIVE_SIZE": None}

STRATEGIES: Mapping[str, Plan] = MappingProxyType(
    {
        "bot": Plan(),
        BASE: Plan(_TODAY, {"FILL_COST": 0.03}),
        "today-0.015": Plan(_TODAY, {"FILL_COST": 0.015}),
        "today-0.008": Plan(_TODAY, {"FILL_COST": 0.008}),
        "touch": Plan(_priced(TouchPrice), {"FILL_COST": 0.03}),
        "reference": Plan(_priced(ReferencePrice), {"FILL_COST": 0.03}),
        "richest": Plan(lambda settings: slots_by(richest, _TODAY(settings)), _FIXED),
        "emptiest": Plan(lambda settings: slots_by(emptiest, _TODAY(settings)), _FIXED),
        "oracle": Plan(_TODAY, knows_costs=True),
    }
)

COMPARED = [name for name in STRATEGIES if name != "bot"]
"""Those that run if none are named. The bot's line would repeat that of `BASE` today."""


def trade(job: Job) -> Result:
    """Run one job."""
    plan = STRATEGIES[job.strategy]
    settings = {**MONEY, **plan.settings, **(_told_costs(job) if plan.knows_costs else {})}
    with desk(job.seed, job.programs, EVERYBODY, settings, strategy_of=plan.strategy_of, is_signed=False) as one:
        exchange = one.exchange.api.exchange
        account, began = exchange.accounts[CUSTOMER], exchange.now
        trading, hidden = float(one.worth()), hidden_worth(exchange, account)
        tied_up: list[float] = []
        one.run(job.hours, lambda: tied_up.append(capital(account)))
        return Result(
            sum(_payable(meter, began, exchange.now) for meter in meters(exchange, CUSTOMER)),
            float(one.worth()) - trading,
            hidden_worth(exchange, account) - hidden,
            filled(one.statement),
            fmean(tied_up),
        )


def _told_costs(job: Job) -> dict[str, object]:
    """Settings that tell a bot each market's true cost of a fill.

    A cost below $0 counts as $0. A market without one has the board's."""
    costs = pooled(true_costs(job.seed, job.programs, job.hours))
    avoided = read_settings().avoid
    told = {
        ticker: {"FILL_COST": round(max(cost, 0.0), COST_DIGITS)}
        for ticker, cost in costs.by_ticker.items()
        if not any(matches(pattern, ticker) for pattern in avoided)
    }
    return {"FILL_COST": round(max(costs.board, 0.0), COST_DIGITS), "OVERRIDES": told}


def _payable(meter: Meter, began: float, now: float) -> float:
    """Dollars of a window that count for a run from `began` to `now`."""
    program = meter.program
    if program.ends <= now:
        return meter.cents(CUSTOMER) / 100
    window = meter.end - meter.start
    accrued = program.reward / 10_000 * meter.scores[CUSTOMER].total / SHARE / 2 / window
    cap = None if program.cap is None else program.cap / 10_000
    return payable(accrued, now - max(began, meter.start), window, cap)


def hidden_worth(exchange: Exchange, account: Account) -> float:
    """Dollars from trades, fees and settlements, with positions at the hidden value."""
    kinds = ("trade", "fee", "settlement")
    dollars = sum(entry.amount for entry in account.journal if entry.kind in kinds) / DOLLAR
    for ticker, held in account.holdings.items():
        payout = exchange.markets[ticker].payout
        of_yes = exchange.hidden_value[ticker](exchange.now) if payout is None else payout / DOLLAR_PIPS
        dollars += abs(held.count) / CONTRACT * (of_yes if held.count > 0 else 1 - of_yes)
    return dollars


def capital(account: Account) -> float:
    """Dollars that orders tie up now, and that positions cost."""
    held = sum(holding.cost for holding in account.holdings.values())
    return (account.collateral(account.resting.values()) + held) / DOLLAR


def finish(jobs: Iterable[Job], file: Path | None) -> list[Done]:
    """All jobs done: those that the file lacks now, and written to it."""
    wanted = list(jobs)
    found = {one.job: one for one in results_file.read(file) if one.job in wanted}
    code, left = results_file.code_digest(), [job for job in wanted if job not in found]
    for job, result in done(trade, left) if left else ():
        found[job] = Done(job, result, code)
        results_file.append(file, found[job])
    return [found[job] for job in wanted]


def told(finished: Iterable[Done], names: Iterable[str]) -> str:
    """The table, and which code made it if that is not all the code of now."""
    results: dict[str, list[Result]] = {name: [] for name in names}
    codes: dict[str, set[str]] = {name: set() for name in names}
    for one in finished:
        results[one.job.strategy].append(one.result)
        codes[one.job.strategy].add(one.code)
    text = table(results, BASE)
    now = results_file.code_digest()
    if any(code != {now} for code in codes.values()):
        by_name = "; ".join(f"{name} {', '.join(sorted(code))}" for name, code in codes.items())
        text += f"\n\nNot all of it was made by the code of now ({now}), so it may not compare: {by_name}."
    return text


def _names(text: str) -> list[str]:
    """Names of strategies, with the one that all are compared with."""
    asked = text.split(",")
    unknown = [name for name in asked if name not in STRATEGIES]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; possible: {', '.join(STRATEGIES)}")
    return [name for name in STRATEGIES if name in {BASE, *asked}]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strategies", description=__doc__)
    parser.add_argument("--boards", type=int, default=len(HELD_OUT_SEEDS))
    parser.add_argument("--first", type=int, help="the first board's seed")
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--strategies", type=_names, default=COMPARED, help="names, with commas between")
    parser.add_argument("--building", action="store_true", help="boards to build and tune on, not held-out ones")
    parser.add_argument("--out", type=Path, help="a file of results, which the next run with it skips")
    asked = parser.parse_args()
    seeds = BUILDING_SEEDS if asked.building else HELD_OUT_SEEDS
    first = seeds[0] if asked.first is None else asked.first
    boards = range(first, first + asked.boards)
    jobs = [Job(name, seed, asked.hours, asked.programs) for seed in boards for name in asked.strategies]
    finished = finish(jobs, asked.out)
    print(
        f"{asked.boards} boards of {asked.programs} programs from {first}, {asked.hours:g} hours each, "
        f"${MONEY['MAX_CAPITAL']}, simulated: python -m benchmarks.strategies {shlex.join(sys.argv[1:])}"
    )
    print(told(finished, asked.strategies))


if __name__ == "__main__":
    main()
