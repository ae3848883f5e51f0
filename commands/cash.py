"""The account's free cash, as a command tells it.

Promise:
- It only reads.
- It goes by what the bot found out about the balance. Without a bot's ledger, free cash is the smaller figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

import trade
from bot.settings import Settings, strategy_of
from clients import KalshiHttpClient
from exchange.account import Balance, Position
from exchange.errors import ExchangeError
from exchange.models import Event, Market, Order, Program, Series, event_of
from exchange.reserves import BalanceReading, CashRule, FreeCash, free_cash, reserves
from rewards import fees
from risk import exposure
from selection.screening import with_terms


def free_of(
    client: KalshiHttpClient,
    balance: Balance,
    rule: CashRule,
    orders: Sequence[Order],
    positions: Iterable[Position],
    series: Mapping[str, Series] | None = None,
) -> FreeCash:
    """What is free of a balance while `orders` rest.

    Reads their maker fees, and assumes those that cannot be read. `series`: if they were read already."""
    names = sorted({event_of(order.ticker) for order in orders})
    if names and series is None:
        series = read_series(client)
    events = {event.ticker: event for event in read_events(client, names)}
    reserved = reserves(orders, positions, lambda ticker: fees.exact_maker_rate(ticker, series or {}, events))
    return free_cash(balance, orders, reserved, rule)


def read_series(client: KalshiHttpClient) -> Mapping[str, Series]:
    """Every series, by ticker. Empty if they cannot be read."""
    try:
        return {one.ticker: one for one in client.get_all_series()}
    except ExchangeError:
        return {}


def read_events(client: KalshiHttpClient, names: Sequence[str]) -> Sequence[Event]:
    """The named events. Empty if they cannot be read."""
    try:
        return client.get_events(names).items if names else ()
    except ExchangeError:
        return ()


def read_free(
    client: KalshiHttpClient, rule: CashRule, orders: Sequence[Order], positions: Iterable[Position]
) -> FreeCash | None:
    """What is free of the account's balance. None if the balance cannot be read."""
    try:
        return free_of(client, client.get_balance(), rule, orders, positions)
    except ExchangeError:
        return None


def in_words(cash: FreeCash, rule: CashRule) -> str:
    """Free cash and what resting orders reserve, by shard if the exchange tells it."""
    told = f"${cash.total:,.4f}" + _by_shard(cash.by_shard)
    if not cash.reserved:
        return told
    told += f"; resting orders reserve ${cash.reserved:,.4f}" + _by_shard(
        {shard: dollars for shard, dollars in cash.reserved_by_shard.items() if dollars}
    )
    if rule.balance is BalanceReading.NOT_KNOWN:
        told += "; it is not known yet whether the balance contains that, so the smaller figure is shown"
    return told


def _by_shard(dollars: Mapping[int, Decimal]) -> str:
    told = ", ".join(f"shard {shard}: ${amount:,.4f}" for shard, amount in sorted(dollars.items()))
    return f" ({told})" if told else ""


def lacking_by_shard(
    client: KalshiHttpClient,
    settings: Settings,
    programs: Mapping[str, Sequence[Program]],
    markets: Iterable[Market],
    series: Mapping[str, Series],
    cash: FreeCash,
    orders: Sequence[Order],
) -> dict[int, Decimal]:
    """Dollars that shards lack for what the bot would quote if cash were no limit.

    `programs`: those that run, by market. `markets`: the candidates. The bot's own `orders` would be placed anew,
    so what they reserve counts as free. Raises `ExchangeError`."""
    strategy, now = strategy_of(settings), client.clock.now()
    listed = {market.ticker: market for market in markets}
    until = now + timedelta(seconds=settings.wait_time + settings.expiration_ts)
    tradable, _ = strategy.screen.markets(
        {ticker: found for ticker, found in programs.items() if ticker in listed},
        listed, client.get_exchange_status(), now, until,
    )  # fmt: skip
    rivals = trade.books_without_own(client.get_orderbooks([market.ticker for market in tradable]), orders)
    incentives = with_terms(tradable, programs, series, {}, {})
    limits = settings.max_capital, settings.max_event_loss
    selection = strategy.decide(
        incentives, rivals, now, exposure.remaining_headroom(limits, None, (), ()), frozenset()
    )
    left = dict(cash.by_shard)
    for order in filter(trade.is_own, orders):
        left[order.shard] = left.get(order.shard, Decimal(0)) + cash.by_order[order.order_id]
    for candidate in selection.chosen:
        shard = candidate.incentive.market.shard
        left[shard] = left.get(shard, Decimal(0)) - candidate.collateral
    return {shard: -dollars for shard, dollars in sorted(left.items()) if dollars < 0}
