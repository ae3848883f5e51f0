"""What a fill in each market really costs, by replays with other luck.

Promise:
- The board is the same, but its own luck, by which strategies are judged, is not looked at: the cost is no
  knowledge of the future.

A small maker rests a few contracts on both sides of every market with a program, directly on the exchange. Its
price is that of the bot's rule in version 0.10.0 (`TodaysPrice`). It skips what that rule skips, and the hours
before a market ends, as the bot does. Each fill is compared with the market's hidden value a while later. Fees and
exits are left out, and so is the day before the opening: it takes time, and no fill is in it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from benchmarks.harness import START
from benchmarks.quoter import CASH, KNOWN_SECONDS, MINUTE
from simulator import order_entry
from simulator.account import Fill
from simulator.exchange import Exchange, Refusal
from simulator.kinds import KINDS
from simulator.listing import ListedMarket
from simulator.matching import CONTRACT, DOLLAR_PIPS, HalfBook, Order
from simulator.opening import open_exchange
from simulator.order_entry import OrderTerms
from simulator.people import EVERYBODY
from simulator.rewards import Meter, at_top_tick

LUCKS = range(1, 5)
"""Other lucks of a board; 0 is its own."""

SIZE = 25 * CONTRACT
MOST_AHEAD = 300 * CONTRACT
LEAST_HOURS = 6.0
"""The bot's `INCENTIVE_SIZE` and `MIN_HOURS_TO_CLOSE`, as shipped."""

FEW = 600.0
"""Contracts for which a market's kind counts in its cost, and the board in its kind's.

Of 10 to 3,000, this weight made costs of four lucks of boards 1 to 4 tell best those of the other four: the mean
square of the error was a sixth less than with the board's mean alone."""

OWNER = "maker"
Answer = TypeVar("Answer")


class Cost(NamedTuple):
    """What fills in a market cost: dollars a contract, and the contracts filled.

    `standard_error`: of the dollars, over lucks; infinite if fewer than two of them had fills."""

    contracts: float
    dollars: float
    standard_error: float


class Losses(NamedTuple):
    """What one luck's fills in a market lost in all, in dollars."""

    contracts: float
    dollars: float


def true_costs(
    seed: int, programs: int, hours: float, lucks: Collection[int] = LUCKS, who: Collection[str] = EVERYBODY
) -> dict[str, Cost]:
    """What a fill costs in each market that had any in the first hours, by ticker.

    The board is that of `benchmarks.harness.desk`."""
    found: dict[str, list[Losses]] = defaultdict(list)
    for luck in lucks:
        for ticker, losses in _replay(seed, programs, hours, luck, who).items():
            found[ticker].append(losses)
    return {ticker: _cost(each) for ticker, each in found.items()}


class PooledCosts(NamedTuple):
    """Costs of a fill in dollars a contract.

    `board`: in a market of which nothing is known."""

    by_ticker: Mapping[str, float]
    board: float


def pooled(costs: Mapping[str, Cost]) -> PooledCosts:
    """Costs in which a market with few contracts counts as others of its kind do.

    `FEW` contracts at the kind's cost are added to a market's own, and `FEW` at the board's to the kind's."""
    board = _mean(costs.values(), 0.0, 0.0)
    kinds: dict[str, list[Cost]] = defaultdict(list)
    for ticker, cost in costs.items():
        kinds[kind_of(ticker)].append(cost)
    of_kind = {kind: _mean(each, board, FEW) for kind, each in kinds.items()}
    return PooledCosts(
        {ticker: _mean([cost], of_kind[kind_of(ticker)], FEW) for ticker, cost in costs.items()}, board
    )


def kind_of(ticker: str) -> str:
    """The kind of a market on an invented board; of an oddity, its series."""
    found = [kind.prefix for kind in KINDS if ticker.startswith(kind.prefix)]
    return max(found, key=len, default=ticker.partition("-")[0])


def usual_price(market: ListedMarket, is_bid: bool, own: Order | None, target: int) -> int | None:
    """The price of `TodaysPrice` for a side of a market that it quotes.

    In pips of YES. None if it would leave the side empty. `own`: the maker's resting order there, which does not
    count. `target`: in 1/100 contract."""
    grid, step = market.grid, 1 if is_bid else -1
    levels = list(_rivals(market.book.half(is_bid), own))
    behind = grid.price(grid.tick(levels[0][0]) - step) if levels else None
    if behind is None:
        return None
    reference = next((price for price, _, so_far in levels if so_far * 5 >= target), behind)
    price = min(behind, reference) if is_bid else max(behind, reference)
    at_price = sum(size for at, size, _ in levels if at == price)
    better = sum(size for at, size, _ in levels if (at - price) * step > 0)
    return None if better >= target or better + at_price > MOST_AHEAD else price


def _rivals(half: HalfBook, own: Order | None) -> Iterator[tuple[int, int, int]]:
    """Price, size, and size so far of each level without our own order, best first."""
    ahead = 0
    for price, _ in half.queues():
        size = half.size_at(price) - (own.remaining if own is not None and own.price == price else 0)
        if size:
            ahead += size
            yield price, size, ahead


def _replay(seed: int, programs: int, hours: float, luck: int, who: Collection[str]) -> dict[str, Losses]:
    """What fills lost in each market that had any, with one luck."""
    exchange = open_exchange(START.timestamp(), seed, programs=programs, who=who, luck=luck, past=0.0)
    exchange.open_account(OWNER, CASH)
    resting: dict[tuple[str, bool], Order] = {}
    until = exchange.now + hours * 3_600
    while exchange.now < until:
        for ticker, meters in list(exchange.running.items()):
            _requote(exchange, exchange.markets[ticker], meters, resting)
        exchange.advance(min(exchange.now + MINUTE, until))
    found: dict[str, Losses] = {}
    for fill in exchange.accounts[OWNER].fills:
        contracts, dollars = found.get(fill.ticker, Losses(0.0, 0.0))
        found[fill.ticker] = Losses(contracts + fill.size / CONTRACT, dollars + _lost(exchange, fill))
    return found


def _requote(
    exchange: Exchange, market: ListedMarket, meters: Sequence[Meter], resting: dict[tuple[str, bool], Order]
) -> None:
    """Let an order rest at the usual price of each side that is quoted."""
    target = max((meter.program.target or 0 for meter in meters), default=0)
    left = (min(market.closes, market.resolves or market.closes) - exchange.now) / 3_600
    own = {is_bid: resting.get((market.ticker, is_bid)) for is_bid in (True, False)}
    quoted = (
        target
        and left > LEAST_HOURS
        and exchange.trades_in(market)
        and not at_top_tick(market.book, market.grid)
        and all(any(_rivals(market.book.half(is_bid), own[is_bid])) for is_bid in own)
    )
    for is_bid, order in own.items():
        price = usual_price(market, is_bid, order, target) if quoted else None
        if order is not None and order.status == "resting":
            if (order.price, order.remaining) == (price, SIZE):
                continue
            _try(order_entry.cancel, exchange, OWNER, order.order_id, market.shard)
        if price is not None:
            terms = OrderTerms(market.ticker, is_bid, price, SIZE, post_only=True)
            placed = _try(order_entry.create, exchange, OWNER, terms)
            if placed is not None:
                resting[market.ticker, is_bid] = placed[0]


def _try(request: Callable[..., Answer], *arguments: object) -> Answer | None:
    """A request's answer, None if the market moved or trading is paused."""
    try:
        return request(*arguments)
    except Refusal as no:
        if no.code not in ("invalid_order", "trading_is_paused", "exchange_is_paused", "market_inactive"):
            raise
        return None


def _lost(exchange: Exchange, fill: Fill) -> float:
    """Dollars that a fill had lost `KNOWN_SECONDS` seconds later, by the hidden value."""
    worth, paid = exchange.hidden_value[fill.ticker](fill.time + KNOWN_SECONDS), fill.price / DOLLAR_PIPS
    return (paid - worth if fill.is_bid else worth - paid) * fill.size / CONTRACT


def _cost(lucks: Sequence[Losses]) -> Cost:
    """The cost over some lucks, and its error as that of a ratio of sums."""
    contracts, dollars = (sum(column) for column in zip(*lucks, strict=True))
    mean, count = dollars / contracts, len(lucks)
    if count < 2:
        return Cost(contracts, mean, math.inf)
    off = sum((one.dollars - mean * one.contracts) ** 2 for one in lucks)
    return Cost(contracts, mean, math.sqrt(off * count / (count - 1)) / contracts)


def _mean(costs: Collection[Cost], prior: float, weight: float) -> float:
    """The cost of a contract over some markets and `weight` contracts at a `prior`."""
    contracts = sum(cost.contracts for cost in costs) + weight
    dollars = sum(cost.contracts * cost.dollars for cost in costs) + weight * prior
    return dollars / contracts if contracts else 0.0
