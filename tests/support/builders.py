"""Short ways to write markets, books, programs, orders, positions, fills and ledger rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import trade
from exchange.account import Fill, Identity, Position, Settlement
from exchange.models import IncentiveType, Market, MarketStatus, Order, OrderStatus, Program
from exchange.orderbook import NO, YES, Bid, Book, Level, PriceGrid, PriceRange, Side
from ledger.entries import AccrualKey, OrderRecord
from rewards.estimate import RewardedMarket
from risk.gate import Limits, TradingState
from tests.support.project import START

D = Decimal
NOW = START


# -- the market --------------------------------------------------------------------------------------------------


def grid(*ranges: tuple[str, str, str]) -> PriceGrid:
    return PriceGrid(tuple(PriceRange(*map(Decimal, r)) for r in ranges))


CENTS = grid(("0", "1", "0.01"))
TAPERED = grid(("0", "0.1", "0.001"), ("0.1", "0.9", "0.01"), ("0.9", "1", "0.001"))
TENTHS = grid(("0", "1", "0.001"))
FINE_BELOW = grid(("0", "0.2", "0.001"), ("0.2", "1", "0.01"))
"""Not symmetric: NO prices have their fine steps at the top."""

GRIDS = (CENTS, TAPERED, TENTHS, FINE_BELOW)


def prices_of(price_grid: PriceGrid, side: Side) -> list[Decimal]:
    """All prices of a side, lowest first: the ends of all steps from the first."""
    yes = [price_grid.ranges[0].start]
    for stretch in price_grid.ranges:
        while yes[-1] < stretch.end:
            yes.append(yes[-1] + stretch.step)
    return yes if side is Side.YES else [1 - price for price in reversed(yes)]


def level(price: str, size: float) -> Level:
    return Level(Decimal(price), Decimal(str(size)))


def cents(*levels: tuple[int, float]) -> tuple[Level, ...]:
    """A side from (cents, contracts) pairs, sorted best first."""
    return tuple(level(f"{price / 100:.2f}", size) for price, size in sorted(levels, reverse=True))


def book(yes: tuple[Level, ...] = (), no: tuple[Level, ...] = ()) -> Book:
    return Book("KXTEST-1", yes, no)


def market(
    price_grid: PriceGrid = CENTS,
    closes_in: float = 7 * 86_400,
    resolves_in: float | None = None,
    volume: int = 0,
    ticker: str = "KXTEST-1",
    shard: int | None = 0,
) -> Market:
    """A market of the event that its ticker begins with."""
    closes = NOW + timedelta(seconds=closes_in)
    resolves = None if resolves_in is None else NOW + timedelta(seconds=resolves_in)
    event = ticker.rpartition("-")[0]
    return Market(ticker, event, MarketStatus.ACTIVE, closes, price_grid, shard, resolves, Decimal(volume))


def program(
    reward: int = 100,
    days: float = 5,
    target: int | None = 1_000,
    discount: str = "0.5",
    name: str = "p",
    cap: int | None = None,
    kind: IncentiveType = IncentiveType.LIQUIDITY,
    starts_in: float = 0,
    paid_out: bool = False,
    ticker: str = "KXTEST-1",
) -> Program:
    start = NOW + timedelta(days=starts_in)
    return Program(
        id=name,
        ticker=ticker,
        type=kind,
        start=start,
        end=start + timedelta(days=days),
        reward=Decimal(reward),
        paid_out=paid_out,
        target=None if target is None else Decimal(target),
        discount=Decimal(discount),
        cap=None if cap is None else Decimal(cap),
    )


def incentive(price_grid: PriceGrid = CENTS, *programs: Program, **known: Any) -> RewardedMarket:
    """A market with its programs; `known` sets its other fields."""
    return RewardedMarket(market(price_grid), programs or (program(),))._replace(**known)


def bid(side: Side, price: str, count: float) -> Bid:
    return Bid(side, Decimal(price), Decimal(str(count)))


UNTIL = NOW + timedelta(seconds=120)


AMPLE = Limits(D(10_000), D(10_000), 1_000)


def order(
    ticker: str, side: Side, price: str | Decimal, count: float | Decimal, name: str = "1", ours: bool = True,
    shard: int = 0, expires: float = 60, filled: float = 0, group: str | None = "group-0",
) -> Order:  # fmt: skip
    left, done = D(str(count)), D(str(filled))
    prefix = trade.OWN_PREFIX if ours else "typed-"
    return Order(
        name, f"{prefix}{name}", ticker, side, D(price), OrderStatus.RESTING, left + done, done, left, D(0), shard,
        NOW + timedelta(seconds=expires), group_id=group if ours else None,
    )  # fmt: skip


def held(ticker: str, count: float, cost: str = "1") -> Position:
    """`count` below 0 is NO."""
    return Position(ticker, D(str(count)), D(cost), 0)


BOOK = Book("KXA-1", cents((50, 100), (48, 900)), cents((45, 100), (40, 900)))


def state(**changed: object) -> TradingState:
    """One market, bid at 0.50 for YES and 0.45 for NO."""
    one = market(ticker="KXA-1")
    return replace(TradingState(AMPLE, markets={"KXA-1": one}, books={"KXA-1": BOOK}), **changed)  # type: ignore[arg-type]


# -- trades -----------------------------------------------------------------------------------------------------


def fill(
    side: Side, price: str, count: str, fee: str = "0", ticker: str = "M", name: str = "f", at: float = 0
) -> Fill:
    """A fill `at` seconds after `NOW`."""
    return Fill(name, "o", ticker, side, D(price), D(count), D(fee), False, NOW + later(at))


def settlement(count: str, revenue: str, ticker: str = "M") -> Settlement:
    held = D(count)
    yes, no = max(held, D(0)), max(-held, D(0))
    return Settlement(ticker, "E", yes, D(0), no, D(0), D(revenue), D("9"), D(1), 0, NOW)


# -- ledger rows ------------------------------------------------------------------------------------------------

US = Identity("https://exchange.example/trade-api/v2", "key-1")
SECONDS = AccrualKey("p", YES, NOW.date(), "M")


def later(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def ledger_order(name: str = "o", ended: float | None = None) -> OrderRecord:
    """An order with a digit in every place that an exchange sends."""
    return OrderRecord(
        name, f"lipbot-{name}", "M", NO, D("0.0710"), D("12.50"), D("0.01"), D("0.000001"), OrderStatus.RESTING,
        NOW + timedelta(microseconds=1), NOW + later(120), None if ended is None else NOW + later(ended),
    )  # fmt: skip


def ledger_fill(name: str = "f", count: str = "3.00", side: Side = YES, at: float = 0) -> Fill:
    """A fill with a digit in every place that an exchange sends."""
    return fill(side, "0.0710", count, "0.014231", name=name, at=at)
