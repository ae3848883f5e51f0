"""The simplest market maker, to measure an exchange with.

Promise:
- It uses the order book and no other information.

Once a minute it cancels its quotes. It then rests `SIZE` contracts at the best bid and the best ask of each of its
markets, next to any other orders there. It never sells its fills: they are held to settlement. It chooses its
markets once, among the paid ones: those whose two sides reach the target. `benchmarks.calibration` runs it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields

from simulator import order_entry
from simulator.account import Fill
from simulator.exchange import Exchange, Refusal
from simulator.listing import ListedMarket
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS
from simulator.opening import open_exchange
from simulator.order_entry import OrderTerms
from simulator.statement import rewards

OWNER = "quoter"
SIZE = 25
MINUTE = 60.0
EVER = 1e9
DAY = 86_400.0
START = 1_795_000_000.0
CASH = dict.fromkeys(range(4), 1_000_000 * DOLLAR)


@dataclass(frozen=True)
class Marks:
    """A quoter's result, in dollars and contracts.

    A fill's gain is measured at the market's hidden value. `after_five_minutes`: five minutes after each fill.
    `at_the_latest`: at settlement, or at the end of the run. `of_the_last_hour`: the same, for fills in a market's
    last hour only."""

    contracts: float
    rewards: float
    fees: float
    after_five_minutes: float
    at_the_latest: float
    late_contracts: float
    of_the_last_hour: float

    def __add__(self, other: Marks) -> Marks:
        return Marks(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def net(self) -> float:
        return self.rewards + self.at_the_latest - self.fees


def quote(who: frozenset[str], seed: int, markets: int, days: float, programs: int = 60) -> Marks:
    """Let the quoter trade from the opening for `days`, and add its result up.

    `who` are the simulated traders on the board."""
    exchange = open_exchange(START, seed, programs=programs, who=who)
    exchange.open_account(OWNER, CASH)
    chosen = _paid_markets(exchange)
    random.Random(seed).shuffle(chosen)
    chosen = chosen[:markets]
    while exchange.now < START + days * DAY:
        for market in chosen:
            _requote(exchange, market)
        exchange.advance(exchange.now + MINUTE)
    return _marks(exchange)


def _paid_markets(exchange: Exchange) -> list[ListedMarket]:
    return [
        market
        for market in exchange.markets.values()
        if any(
            m.program.target and _reaches(market, m.program.target)
            for m in exchange.running.get(market.ticker, ())
        )
    ]


def _reaches(market: ListedMarket, target: int) -> bool:
    return min(market.book.bids.total, market.book.asks.total) >= target


def _requote(exchange: Exchange, market: ListedMarket) -> None:
    if market.status != "active":
        return
    for order in [o for o in market.owned.values() if o.owner == OWNER]:
        order_entry.cancel(exchange, OWNER, order.order_id, market.shard)
    touch = [(is_bid, market.book.half(is_bid).best()) for is_bid in (True, False)]
    for is_bid, price in touch:
        if price is not None:
            terms = OrderTerms(market.ticker, is_bid, price, SIZE * CONTRACT, post_only=True)
            try:
                order_entry.create(exchange, OWNER, terms)
            except Refusal as no:  # the market moved between the two orders, or trading is paused
                if no.code not in ("invalid_order", "trading_is_paused"):
                    raise


def _marks(exchange: Exchange) -> Marks:
    account = exchange.accounts[OWNER]
    fills = account.fills
    late = [f for f in fills if 0 <= (exchange.markets[f.ticker].resolves or 0) - f.time < 3_600]

    def gained(of: list[Fill], after: float) -> float:
        """Dollars that the fills `of` had gained `after` seconds after each."""
        return sum(_gain(exchange, fill, fill.time + after) for fill in of)

    return Marks(
        contracts=sum(fill.size for fill in fills) / CONTRACT,
        rewards=rewards(exchange, OWNER) / 100,
        fees=sum(fill.fee for fill in fills) / DOLLAR,
        after_five_minutes=gained(fills, 300.0),
        at_the_latest=gained(fills, EVER),
        late_contracts=sum(fill.size for fill in late) / CONTRACT,
        of_the_last_hour=gained(late, EVER),
    )


def _gain(exchange: Exchange, fill: Fill, time: float) -> float:
    """Dollars that a fill had gained at `time`, by the hidden value or the payout."""
    market = exchange.markets[fill.ticker]
    if market.payout is not None and time >= market.closes:
        worth = market.payout / DOLLAR_PIPS
    else:
        worth = exchange.worth[fill.ticker](min(time, exchange.now))
    paid = fill.price / DOLLAR_PIPS
    return (worth - paid if fill.is_bid else paid - worth) * fill.size / CONTRACT
