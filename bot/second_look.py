"""Sell positions after a second look at their books, ten seconds after the first.

Promise:
- Before a session quotes, its positions are sold after two looks.
- A position whose sale waits for a second look is looked at again in the same cycle, unless the next cycle comes
  first. Then that one is the second look.
- The second look sells only. No order is placed, renewed or canceled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.decision import Decision, flatten_plan
from bot.observation import AccountSnapshot, read_markets
from bot.settings import Settings
from clients import KalshiHttpClient
from exchange.models import ExchangeStatus
from execution.executor import Executor
from execution.plan import plan_sales
from risk.holes import SECOND_LOOK, Holes
from runtime.log_format import Log


def flatten(
    client: KalshiHttpClient,
    executor: Executor,
    settings: Settings,
    account: AccountSnapshot,
    status: ExchangeStatus,
    holes: Holes,
    log: Log,
    at_any_price: bool = False,
) -> None:
    """Close the account's positions, as the settings say, after two looks.

    `at_any_price`: sell all that the books take, whatever `EXIT_LIMIT`. Raises an `ExchangeError`."""
    held = [one for one in account.positions if one.count]
    tickers = [one.ticker for one in held]
    for look in (1, 2) if held else ():
        if look == 2:
            seconds = SECOND_LOOK.total_seconds()
            log(
                "INFO", {"Positions": f"{len(held)} to close", "Second look at their books": f"in {seconds:.0f} s"}
            )
            if client.clock.sleep(seconds):
                holes.forget_looks()
        markets, rivals = read_markets(client, tickers, account.orders)
        holes.on_books(markets, rivals, held, status, client.clock.now())
    if held:
        now = client.clock.now()
        sales = None if at_any_price else holes.sales(held, now)
        until = settings.expiry(now, now)
        executor.execute(*flatten_plan(settings, account, markets, rivals, status, until, sales))


def wait(
    client: KalshiHttpClient, holes: Holes, decision: Decision, due: float, look_until: Callable[[float], float]
) -> frozenset[str]:
    """Wait for the second look that positions of a decision need.

    Returns their markets. `due`: the monotonic time of the next cycle. Returns nothing, without a wait, if that
    comes first, and nothing if the machine slept meanwhile. `look_until` watches the quotes in the wait, until
    shortly before a monotonic time, and returns the seconds that the machine slept."""
    again = {one.position.ticker: one.again for one in decision.plan.unsold if one.again is not None}
    if not again:
        return frozenset()
    seconds = max((max(again.values()) - client.clock.now()).total_seconds(), 0.0)
    until = client.clock.monotonic() + seconds
    if until >= due:
        return frozenset()
    if look_until(until) or client.clock.sleep(max(until - client.clock.monotonic(), 0.0)):
        holes.forget_looks()
        return frozenset()
    return frozenset(again)


def sell(
    client: KalshiHttpClient,
    executor: Executor,
    holes: Holes,
    decision: Decision,
    account: AccountSnapshot,
    tickers: frozenset[str],
) -> bool:
    """Look at these markets, and sell what may be sold there.

    Returns whether anything was sent. `account`: as it is now. Raises an `ExchangeError`."""
    held = tuple(one for one in account.positions if one.count and one.ticker in tickers - account.unread)
    if not held:
        return False
    markets, rivals = read_markets(client, sorted(one.ticker for one in held), account.orders)
    now = client.clock.now()
    holes.on_books(markets, rivals, held, decision.state.status, now)
    state = replace(
        decision.state, orders=account.orders, positions=held, markets=markets, books=rivals, cash=account.cash
    )
    plan = plan_sales(state, holes.sales(held, now))
    executor.execute(plan, state)
    return bool(plan.exits)
