"""Which markets pay for resting orders, how much they would pay for ours, and why not the others.

Promise: pure. Programs, markets, books, intended bids and a time go in; scored markets, ranked, come out,
and for every market that is not chosen exactly one reason with its number. Shares and estimates are floats;
prices, sizes and rewards stay exact.

The rule is the exchange's Liquidity Incentive Program as amended with effect from **30 July 2026**. Once a
second each side of a market's book is walked from its best bid down to the level at which `target` contracts
are reached. The *reference* is the price at which a fifth of the target is reached. What rests on the walked
levels is weighted by `discount` per tick behind the reference and shares that side's half of the reward; what
rests deeper earns nothing. If either side of the book holds less than the target, the second is *excluded*:
it pays nobody and still counts in the window. A window pays nothing below $1.00.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from enum import Enum

from models import (
    Bid,
    Book,
    ExchangeStatus,
    IncentiveType,
    Level,
    Market,
    MarketStatus,
    PriceGrid,
    Program,
    Side,
)

REFERENCE_PART = 5
"""The reference is where the walk has met a fifth of the target (rule of 30 July 2026)."""

PAYOUT_FLOOR = Decimal("1.00")
"""Dollars: a window that would pay an account less pays it nothing, and nothing is carried over."""


class Reason(Enum):
    """Why a market is not quoted. The name is what the log prints."""

    PAID_OUT = "PAID_OUT"
    NOT_LIQUIDITY = "NOT_LIQUIDITY"
    NOT_RUNNING = "NOT_RUNNING"
    NO_PUBLISHED_SCORE = "NO_PUBLISHED_SCORE"
    NO_MARKET = "NO_MARKET"
    MARKET_STATUS = "MARKET_STATUS"
    TRADING_PAUSED = "TRADING_PAUSED"
    CLOSES_SOON = "CLOSES_SOON"
    NO_BOOK = "NO_BOOK"
    NO_REFERENCE = "NO_REFERENCE"
    TARGET_MISSED = "TARGET_MISSED"
    TRADE_DELTA = "TRADE_DELTA leaves the paid levels"
    INCENTIVE_SIZE = "INCENTIVE_SIZE"
    TRADE_TICKER_SIZE = "TRADE_TICKER_SIZE"
    NOT_CLEARED = "NOT_CLEARED"


@dataclass(frozen=True, slots=True)
class Skip:
    """A market that is not quoted: the one reason, and the number behind it as the log prints it."""

    ticker: str
    reason: Reason
    label: str
    number: str


@dataclass(frozen=True, slots=True)
class SideScore:
    """One side of a book as the rule reads it. `total`: the weighted size, in contracts, of all that qualifies."""

    reference: Decimal
    paid_down_to: Decimal
    total: float


def reference_price(levels: Sequence[Level], target: Decimal) -> Decimal | None:
    """The reference price in dollars of a side (best level first), or None where it holds less than a fifth
    of the target."""
    walked = Decimal(0)
    for level in levels:
        walked += level.size
        if walked * REFERENCE_PART >= target:
            return level.price
    return None


def paid_down_to(levels: Sequence[Level], target: Decimal) -> Decimal | None:
    """The deepest price in dollars that is paid on a side: the level at which the target is reached counts
    whole, the next one not at all. None where the side holds less than the target: nobody on it is paid."""
    walked = Decimal(0)
    for level in levels:
        walked += level.size
        if walked >= target:
            return level.price
    return None


def weight(grid: PriceGrid, side: Side, price: Decimal, reference: Decimal, discount: Decimal) -> float:
    """What a contract at `price` counts: 1 at or above the reference, times `discount` for each tick below.
    Ticks are the market's grid steps, also across a change of step, which the rule leaves open."""
    return float(discount) ** max(grid.ticks(side, reference) - grid.ticks(side, price), 0)


def score_side(book: Book, side: Side, grid: PriceGrid, target: Decimal, discount: Decimal) -> SideScore | None:
    """Score one side of a book that has our own orders in it, or None where the side misses the target."""
    levels = book.side(side)
    reference = reference_price(levels, target)
    deepest = paid_down_to(levels, target)
    if reference is None or deepest is None:
        return None
    total = sum(
        weight(grid, side, level.price, reference, discount) * float(level.size)
        for level in levels
        if level.price >= deepest
    )
    return SideScore(reference, deepest, total)


def share_of(
    bids: Iterable[Bid], score: SideScore | None, side: Side, grid: PriceGrid, discount: Decimal
) -> float:
    """The part, 0 to 1, of a side's score that is earned by `bids`, which the scored book must contain."""
    if score is None:
        return 0.0
    ours = sum(
        weight(grid, side, bid.price, score.reference, discount) * float(bid.count)
        for bid in bids
        if bid.side is side and bid.price >= score.paid_down_to
    )
    return ours / score.total


def dollars_per_day(program: Program) -> float:
    """A program's whole pool, for everybody, normalised to a day: windows run from 15 minutes to 31 days."""
    return float(program.reward) * 86_400 / program.seconds


def payout(amount: float, cap: Decimal | None = None) -> Decimal:
    """Dollars a window really pays for `amount` dollars of reward earned: at most the cap, floored to the
    cent, and nothing at all below $1.00."""
    exact = Decimal(repr(round(amount, 9)))
    capped = exact if cap is None else min(exact, cap)
    paid = capped.quantize(Decimal("0.01"), ROUND_FLOOR)
    return paid if paid >= PAYOUT_FLOOR else Decimal(0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What bids would earn. `dollars_per_day` is before the $1.00 floor; `payable` is what the rest of the
    windows would really pay, in dollars; `payable_per_day` the same, normalised to a day."""

    share_yes: float
    share_no: float
    dollars_per_day: float
    payable: Decimal
    payable_per_day: float


@dataclass(frozen=True, slots=True)
class IncentiveProgram:
    """A market whose resting orders are paid for, with the running programs that pay, richest a day first."""

    market: Market
    programs: tuple[Program, ...]

    @property
    def ticker(self) -> str:
        return self.market.ticker

    @property
    def target(self) -> Decimal:
        """Contracts a side must hold, by the richest program."""
        return _published(self.programs[0])[0]

    @property
    def discount(self) -> Decimal:
        """Factor per tick behind the reference, by the richest program."""
        return _published(self.programs[0])[1]

    @property
    def pool_per_day(self) -> float:
        """Dollars a day that all who quote here share."""
        return sum(map(dollars_per_day, self.programs))

    def estimate(self, rivals: Book, bids: Sequence[Bid], now: datetime) -> Estimate:
        """What `bids` would earn in the rivals' book (our own orders removed) if nothing else moved until the
        windows end or the market closes.

        Conservative: what was earned before `now` is not counted, and a market with a best bid at the top tick
        pays nothing (the clean text of the rule no longer says so, practitioners still see it).
        """
        book = rivals.with_bids(bids)
        shares: dict[Side, float] = dict.fromkeys(Side, 0.0)
        per_day, payable, payable_per_day = 0.0, Decimal(0), 0.0
        for program in self.programs:
            target, discount = _published(program)
            scores = {side: score_side(book, side, self.market.grid, target, discount) for side in Side}
            if None in scores.values() or any(_at_top(book, side, self.market.grid) for side in Side):
                continue
            here = {s: share_of(bids, scores[s], s, self.market.grid, discount) for s in Side}
            part = (here[Side.YES] + here[Side.NO]) / 2
            earns_until = min(program.end, self.market.close_time)
            left = max((earns_until - now).total_seconds(), 0.0)
            pays = payout(float(program.reward) * part * left / program.seconds, program.cap)
            per_day += dollars_per_day(program) * part
            payable += pays
            payable_per_day += float(pays) * 86_400 / left if left else 0.0
            shares = {s: max(shares[s], here[s]) for s in Side}
        return Estimate(shares[Side.YES], shares[Side.NO], per_day, payable, payable_per_day)


INCENTIVE_PROGRAM = IncentiveProgram  # the design document's spelling


def _published(program: Program) -> tuple[Decimal, Decimal]:
    if program.target is None or program.discount is None:
        raise ValueError(f"program {program.id} of {program.ticker} has no published score")
    return program.target, program.discount


def _at_top(book: Book, side: Side, grid: PriceGrid) -> bool:
    best = book.best(side)
    return best is not None and grid.price(side, grid.ticks(side, best.price) + 1) >= 1


def contracts(count: Decimal | int) -> str:
    """A number of contracts for the log: thousands apart, decimals only where there are any."""
    return f"{count:,.2f}".removesuffix(".00")


def running(programs: Iterable[Program], now: datetime) -> tuple[dict[str, list[Program]], list[Skip]]:
    """The programs that pay for resting orders now, by market, richest a day first, and a reason for each
    market that has none of them."""
    by_ticker: dict[str, list[Program]] = defaultdict(list)
    refused: dict[str, Skip] = {}
    for program in programs:
        skip = _not_running(program, now)
        if skip is None:
            by_ticker[program.ticker].append(program)
        else:
            refused.setdefault(program.ticker, skip)
    for same_market in by_ticker.values():
        same_market.sort(key=lambda p: (-dollars_per_day(p), p.id))
    return dict(by_ticker), [skip for ticker, skip in refused.items() if ticker not in by_ticker]


def _not_running(program: Program, now: datetime) -> Skip | None:
    if program.type is not IncentiveType.LIQUIDITY:
        return Skip(program.ticker, Reason.NOT_LIQUIDITY, "Type", program.type.value)
    if program.paid_out:
        return Skip(program.ticker, Reason.PAID_OUT, "Ended", f"{program.end:%Y-%m-%d %H:%M} UTC")
    if not program.start <= now < program.end:
        return Skip(
            program.ticker,
            Reason.NOT_RUNNING,
            "Window",
            f"{program.start:%m-%d %H:%M} to {program.end:%m-%d %H:%M} UTC",
        )
    if not program.target or program.discount is None:
        return Skip(program.ticker, Reason.NO_PUBLISHED_SCORE, "Target", str(program.target))
    return None


def tradable(
    by_ticker: Mapping[str, Sequence[Program]],
    markets: Mapping[str, Market],
    status: ExchangeStatus,
    until: datetime,
) -> tuple[list[IncentiveProgram], list[Skip]]:
    """The markets in which an order could rest until `until`, its expiry, and a reason for each of the rest."""
    found: list[IncentiveProgram] = []
    skipped: list[Skip] = []
    for ticker, programs in by_ticker.items():
        skip = _not_tradable(ticker, markets.get(ticker), status, until)
        if skip is None:
            found.append(IncentiveProgram(markets[ticker], tuple(programs)))
        else:
            skipped.append(skip)
    return found, skipped


def _not_tradable(ticker: str, market: Market | None, status: ExchangeStatus, until: datetime) -> Skip | None:
    if market is None:
        return Skip(ticker, Reason.NO_MARKET, "Market", "not listed by the exchange")
    if market.status is not MarketStatus.ACTIVE:
        return Skip(ticker, Reason.MARKET_STATUS, "Status", market.status.value)
    if not status.trades(market.exchange_index):
        return Skip(ticker, Reason.TRADING_PAUSED, "Shard", str(market.exchange_index))
    if market.close_time <= until:
        return Skip(ticker, Reason.CLOSES_SOON, "Closes", f"{market.close_time:%Y-%m-%d %H:%M} UTC")
    return None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A market that can be quoted: the rivals' book, the bids we mean to rest in it and what they would earn."""

    incentive: IncentiveProgram
    rivals: Book
    bids: tuple[Bid, ...]
    estimate: Estimate

    @property
    def ticker(self) -> str:
        return self.incentive.ticker


@dataclass(frozen=True, slots=True)
class Choice:
    """The markets to quote, best first, and one reason for each of the rest, those that came next first."""

    chosen: tuple[Candidate, ...]
    skipped: tuple[Skip, ...]


def choose(candidates: Iterable[Candidate], skipped: Iterable[Skip], slots: int) -> Choice:
    """The `slots` best markets by what they would really pay a day. The estimate before the $1.00 floor
    breaks ties, since small sizes are mostly paid nothing anywhere; the ticker breaks the rest."""
    ranked = sorted(
        candidates,
        key=lambda c: (-c.estimate.payable_per_day, -c.estimate.dollars_per_day, c.ticker),
    )
    beyond = [
        Skip(c.ticker, Reason.TRADE_TICKER_SIZE, "Rank", f"{rank:,}, the best {slots:,} are quoted")
        for rank, c in enumerate(ranked[slots:], start=slots + 1)
    ]
    return Choice(tuple(ranked[:slots]), (*beyond, *skipped))


def without(choice: Choice, blocked: Iterable[str]) -> Choice:
    """The choice less the markets in which an order or a position of ours could not be removed."""
    out = set(blocked)
    left = "an order or a position of ours that could not be removed"
    return Choice(
        tuple(c for c in choice.chosen if c.ticker not in out),
        (
            *(Skip(c.ticker, Reason.NOT_CLEARED, "Left", left) for c in choice.chosen if c.ticker in out),
            *choice.skipped,
        ),
    )
