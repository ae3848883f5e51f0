"""The simplest market maker, to measure an exchange with.

Promise:
- It uses the order book and no other information.

Once a minute it cancels its quotes. It then rests `SIZE` contracts at the best bid and the best ask of each of its
markets, next to any other orders there. It never sells its fills: they are held to settlement. It chooses its
markets once, among the paid ones: those whose two sides reach the target. `benchmarks.calibration` runs it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from simulator import order_entry
from simulator.account import Fill
from simulator.exchange import Exchange, Refusal
from simulator.kinds import KINDS
from simulator.listing import ListedMarket
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS
from simulator.opening import open_exchange
from simulator.order_entry import OrderTerms
from simulator.statement import rewards
from simulator.takers import INFORMED_AHEAD

OWNER = "quoter"
SIZE = 25
MINUTE = 60.0
EVER = 1e9
DAY = 86_400.0
START = 1_795_000_000.0
CASH = dict.fromkeys(range(4), 1_000_000 * DOLLAR)


KNOWN_SECONDS = INFORMED_AHEAD[1]
"""No trader knows the value longer ahead, except for the outcome itself just before it is read."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A quoted market, as the public saw it when the quoter began.

    `volume`: contracts of the day before. `at_the_touch`: contracts at the best price, on the smaller side."""

    ticker: str
    kind: str
    volume: float
    at_the_touch: float


@dataclass(frozen=True, slots=True)
class Marked:
    """A fill of the quoter, and its gain in dollars by the market's hidden value.

    `event` is unique over all boards. `hours` to the reading are negative after it. `from_the_edge`: dollars to
    the nearer of 0 and 1.

    Gains: `after_five_minutes`; `known`, once no trader knows more than the value, which is what settlement brings
    on average; `at_the_latest`, at settlement or at the end of the run."""

    event: str
    market: Quoted
    hours: float
    from_the_edge: float
    contracts: float
    after_five_minutes: float
    known: float
    at_the_latest: float


@dataclass(frozen=True)
class Marks:
    """A quoter's result: its fills, and dollars of rewards and fees."""

    fills: tuple[Marked, ...]
    rewards: float
    fees: float

    def __add__(self, other: Marks) -> Marks:
        return Marks(self.fills + other.fills, self.rewards + other.rewards, self.fees + other.fees)

    @property
    def contracts(self) -> float:
        return sum(fill.contracts for fill in self.fills)

    @property
    def after_five_minutes(self) -> float:
        return sum(fill.after_five_minutes for fill in self.fills)

    @property
    def at_the_latest(self) -> float:
        return sum(fill.at_the_latest for fill in self.fills)

    @property
    def net(self) -> float:
        return self.rewards + self.at_the_latest - self.fees


def quote(
    who: frozenset[str], seed: int, markets: int, days: float, programs: int = 60, past: float = DAY
) -> Marks:
    """Let the quoter trade from the opening for `days`, and add its result up.

    `who` are the simulated traders on the board, who have traded for `past` seconds before."""
    exchange = open_exchange(START, seed, programs=programs, who=who, past=past)
    chosen = _paid_markets(exchange)
    random.Random(seed).shuffle(chosen)
    return quote_in(exchange, chosen[:markets], days)


def quote_in(exchange: Exchange, markets: Sequence[ListedMarket], days: float) -> Marks:
    """Let the quoter trade in some markets for `days`, and add its result up."""
    exchange.open_account(OWNER, CASH)
    quoted = {market.ticker: _quoted(market, exchange.now) for market in markets}
    ends = exchange.now + days * DAY
    while exchange.now < ends:
        for market in markets:
            _requote(exchange, market)
        exchange.advance(exchange.now + MINUTE)
    account = exchange.accounts[OWNER]
    return Marks(
        tuple(_marked(exchange, fill, quoted[fill.ticker]) for fill in account.fills),
        rewards(exchange, OWNER) / 100,
        sum(fill.fee for fill in account.fills) / DOLLAR,
    )


def _quoted(market: ListedMarket, now: float) -> Quoted:
    ticker = market.event.series.ticker
    kind = max((k.prefix for k in KINDS if ticker.startswith(k.prefix)), key=len, default="special cases")
    sides = [half.size_at(half.best() or 0) for half in (market.book.bids, market.book.asks)]
    return Quoted(market.ticker, kind, market.volume_since(now - DAY) / CONTRACT, min(sides) / CONTRACT)


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


def _marked(exchange: Exchange, fill: Fill, market: Quoted) -> Marked:
    listed = exchange.markets[fill.ticker]
    return Marked(
        event=f"{exchange.seed}:{listed.event.ticker}",
        market=market,
        hours=((listed.resolves or 0.0) - fill.time) / 3_600,
        from_the_edge=min(fill.price, DOLLAR_PIPS - fill.price) / DOLLAR_PIPS,
        contracts=fill.size / CONTRACT,
        after_five_minutes=_gain(exchange, fill, fill.time + 300.0),
        known=_gain(exchange, fill, fill.time + KNOWN_SECONDS),
        at_the_latest=_gain(exchange, fill, fill.time + EVER),
    )


def _gain(exchange: Exchange, fill: Fill, time: float) -> float:
    """Dollars that a fill had gained at `time`, by the hidden value or the payout."""
    market = exchange.markets[fill.ticker]
    if market.payout is not None and time >= market.closes:
        worth = market.payout / DOLLAR_PIPS
    else:
        worth = exchange.hidden_value[fill.ticker](min(time, exchange.now))
    paid = fill.price / DOLLAR_PIPS
    return (worth - paid if fill.is_bid else paid - worth) * fill.size / CONTRACT
