"""The life of markets and programs, from listing to settlement and reward.

Promise:
- Every market ends. A YES and a NO contract together pay a dollar: all to one of them, or a part to each.
- Every position is paid out, in whole cents: the exchange keeps a fraction of a cent.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from simulator.account import Account, Settlement
from simulator.exchange import Exchange
from simulator.listing import Grid, ListedMarket, ListedProgram
from simulator.matching import DOLLAR, DOLLAR_PIPS
from simulator.rewards import Meter

WITHDRAW_SECONDS = 5.0
"""Seconds that resting orders stay on the book after a close. They cannot be canceled then."""

DETERMINE_SECONDS = 300.0
"""Seconds from a market's close until its result is known."""

CREDIT_HOURS = ((1.27, 1.83), (3.5, 24.0), (12.0, 48.0))
"""A window's reward arrives as cash this many hours after its end, as measured. A series has one of these."""

CREDIT_WEIGHTS = (3, 3, 2)
"""How often a series has each of these spans."""

SHORT_WINDOW, SHORT_CREDIT_HOURS = 3_600.0, (48.0, 72.0)
"""A window of up to so many seconds is paid this many hours after its end, whatever its series."""

REWARD_SHARD = 0

REMEMBER_SECONDS = 86_400.0
"""Seconds that a market keeps its candlesticks after it was paid out."""

Outcome = Callable[[], str | int]
"""Returns a market's result after its close: `yes`, `no`, or the pips that a YES contract pays."""


def list_market(exchange: Exchange, market: ListedMarket, outcome: Outcome) -> None:
    """List a market. It opens and closes at its times, and settles afterwards."""
    exchange.series.setdefault(market.event.series.ticker, market.event.series)
    exchange.events.setdefault(market.event.ticker, market.event)
    exchange.markets[market.ticker] = market
    market.updated = exchange.now
    if market.opened <= exchange.now:
        _open(exchange, market)
    else:
        exchange.at(market.opened, lambda: _open(exchange, market))
    exchange.at(market.closes, lambda: close(exchange, market, outcome))


def list_program(exchange: Exchange, program: ListedProgram) -> None:
    """List a program.
    A liquidity program with a target is scored while it runs and paid afterwards."""
    exchange.programs.append(program)
    if program.ends > exchange.now:
        exchange.at(program.starts, lambda: _start(exchange, program))
    elif not program.paid_out:
        _end(exchange, program, None)


def set_status(exchange: Exchange, market: ListedMarket, status: str) -> None:
    market.status = status
    market.updated = exchange.now
    exchange.changed(market)


def _open(exchange: Exchange, market: ListedMarket) -> None:
    if market.status == "initialized":
        set_status(exchange, market, "active")


def halt(exchange: Exchange, market: ListedMarket) -> None:
    """Stop trading in one market. Its orders stay on the book until it is reactivated."""
    if market.status == "active":
        set_status(exchange, market, "inactive")


def reactivate(exchange: Exchange, market: ListedMarket) -> None:
    """Resume trading in one market. All its resting orders are canceled first."""
    if market.status == "inactive":
        _clear(exchange, market)
        set_status(exchange, market, "active")


def close(exchange: Exchange, market: ListedMarket, outcome: Outcome) -> None:
    """End trading. Orders are canceled after 5 s; the result and the payout follow."""
    if market.status not in ("initialized", "active", "inactive"):
        return
    market.closes = min(market.closes, exchange.now)
    set_status(exchange, market, "closed")
    exchange.at(exchange.now + WITHDRAW_SECONDS, lambda: _clear(exchange, market))
    exchange.at(exchange.now + DETERMINE_SECONDS, lambda: _determine(exchange, market, outcome()))


def settle_now(exchange: Exchange, market: ListedMarket, result: str | int) -> None:
    """Close a market and pay it out at once, as an early resolution does.
    `result` is as an `Outcome` returns it. A market that was already paid out does not change."""
    if market.status == "finalized":
        return
    close(exchange, market, lambda: result)
    _clear(exchange, market)
    _decide(market, result)
    _finalize(exchange, market)


def change_grid(exchange: Exchange, market: ListedMarket, grid: Grid) -> None:
    """Change a market's price grid. Resting orders keep their prices."""
    market.grid = grid
    market.updated = exchange.now
    exchange.changed(market)


# -- ends --------------------------------------------------------------------------------------------------------


def _clear(exchange: Exchange, market: ListedMarket) -> None:
    exchange.withdraw_all(market)
    market.stir()
    exchange.changed(market)


def _decide(market: ListedMarket, result: str | int) -> None:
    """Record a market's result, and what a YES contract pays."""
    market.payout = {"yes": DOLLAR_PIPS, "no": 0}[result] if isinstance(result, str) else result
    market.result = {DOLLAR_PIPS: "yes", 0: "no"}.get(market.payout, "scalar")


def _determine(exchange: Exchange, market: ListedMarket, result: str | int) -> None:
    if market.status == "closed":
        _decide(market, result)
        set_status(exchange, market, "determined")
        exchange.at(exchange.now + market.settlement_timer, lambda: _finalize(exchange, market))


def _finalize(exchange: Exchange, market: ListedMarket) -> None:
    if market.status == "finalized":
        return
    market.settled = exchange.now
    set_status(exchange, market, "finalized")
    exchange.at(exchange.now + REMEMBER_SECONDS, market.touches.clear)
    for account in exchange.accounts.values():
        if market.ticker in account.holdings:
            _settle(exchange, account, market)


def _settle(exchange: Exchange, account: Account, market: ListedMarket) -> None:
    """Pay an account for the contracts that it holds, in whole cents.
    An account that traded in the market but holds nothing gets a settlement too, which pays nothing."""
    held, payout = account.holdings[market.ticker], market.payout
    if not held.traded or payout is None:
        return
    revenue = held.pays(payout)
    account.settlements.append(
        Settlement(
            exchange.next_number(), market.ticker, market.event.ticker, market.shard, market.result, payout,
            held.yes_count, held.yes_cost, held.no_count, held.no_cost, revenue, held.fees, exchange.now,
        )
    )  # fmt: skip
    account.book(exchange.now, market.shard, revenue, "settlement", market.ticker)
    held.realized += revenue - held.cost
    held.count = held.cost = 0
    held.updated = exchange.now


# -- programs ----------------------------------------------------------------------------------------------------


def _start(exchange: Exchange, program: ListedProgram) -> None:
    market = exchange.markets[program.ticker]
    meter = None
    if program.kind == "liquidity" and program.target is not None:
        meter = Meter(program, market, exchange.snapshots, exchange.now, exchange.top_tick)
        exchange.running.setdefault(market.ticker, []).append(meter)
        meter.note(exchange.now, exchange.trades_in(market))
    exchange.at(program.ends, lambda: _end(exchange, program, meter))


def _end(exchange: Exchange, program: ListedProgram, meter: Meter | None) -> None:
    if meter is not None:
        meter.count(exchange.now)
        exchange.running[program.ticker].remove(meter)
        if meter.scores:
            exchange.ended.append(meter)
    exchange.at(credit_time(exchange, program), lambda: _credit(exchange, program, meter))


def credit_time(exchange: Exchange, program: ListedProgram) -> float:
    """When a program is paid, in Unix seconds.
    All windows of an event that end together are paid in one instant."""
    event = exchange.markets[program.ticker].event
    is_short = program.ends - program.starts <= SHORT_WINDOW
    of_series = random.Random(f"{exchange.seed}:{event.series.ticker}:credit")
    (hours,) = of_series.choices(CREDIT_HOURS, CREDIT_WEIGHTS)
    of_event = random.Random(f"{exchange.seed}:{event.ticker}:{program.ends}:{is_short}:credit")
    return program.ends + of_event.uniform(*(SHORT_CREDIT_HOURS if is_short else hours)) * 3_600


def _credit(exchange: Exchange, program: ListedProgram, meter: Meter | None) -> None:
    program.paid_out = True
    for owner, account in exchange.accounts.items():
        cents = meter.cents(owner) if meter is not None else 0
        account.book(exchange.now, REWARD_SHARD, cents * DOLLAR // 100, "reward", program.program_id)
