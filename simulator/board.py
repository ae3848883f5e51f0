"""What an exchange lists when it opens: invented markets, or recorded books from a file.

Promise: the same seed gives the same board. The invented one is small and has one of everything that a bot must
tell apart: thin books that pay, crowded ones, sides that miss the target, empty sides, fine price grids, strike
ladders, other shards, programs that are not for resting orders or have no target, overlapping ones, a market
that closes within minutes. The customer's account is found in use: two orders rest, two positions are held.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from simulator.exchange import Exchange, ListedMarket, ListedProgram, OrderTerms
from simulator.flow import Crowd, Levels
from simulator.matching import CONTRACT, DOLLAR, DOLLAR_PIPS

CUSTOMER = "customer"
CASH = {0: 1_000 * DOLLAR, 1: 0, 2: 250 * DOLLAR, 3: 250 * DOLLAR}
"""Opening cash by shard, in 1/1,000,000 dollar."""

HOUR = 3_600.0
DAY = 24 * HOUR
TICK = 100
FINE_TICK = 10

Grid = tuple[str, tuple[tuple[int, int, int], ...]]
"""A price structure: its name, and (start, end, step) of each stretch in YES pips."""

LINEAR: Grid = ("linear_cent", ((0, DOLLAR_PIPS, TICK),))
TAPERED: Grid = (
    "tapered_deci_cent",
    ((0, 1_000, FINE_TICK), (1_000, 9_000, TICK), (9_000, DOLLAR_PIPS, FINE_TICK)),
)
DECI: Grid = ("deci_cent", ((0, DOLLAR_PIPS, FINE_TICK),))


@dataclass(frozen=True, slots=True)
class Family:
    """A series of markets: one event with `strikes` markets, their prices spread evenly. Each pays `reward`
    dollars over `days`, and is taken from once in `take_minutes` on average."""

    series: str
    question: str
    shard: int
    strikes: int
    reward: int
    days: float
    take_minutes: float


FAMILIES = (
    Family("KXHIGHCHI", "Highest temperature in Chicago", 0, 4, 50, 2, 4),
    Family("KXHIGHNY", "Highest temperature in New York", 0, 4, 50, 2, 3),
    Family("KXLOWTMIA", "Lowest temperature in Miami", 0, 3, 40, 2, 8),
    Family("KXAAAGASW", "Gas price this week", 0, 5, 100, 5, 10),
    Family("KXRAINSEA", "Rain in Seattle this month", 0, 3, 200, 10, 20),
    Family("KXALBUMREL", "Album released before the year ends", 0, 3, 300, 14, 30),
    Family("KXCORNW", "Corn price this week", 2, 4, 60, 3, 6),
    Family("KXTENNISSET", "Sets in tonight's match", 3, 3, 40, 1, 2),
)


class BoardBuilder:
    """Lays markets, programs and people on an exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._random = random.Random(f"{exchange.seed}:board")

    def invented(self) -> None:
        day = datetime.fromtimestamp(self._exchange.now, timezone.utc) + timedelta(days=1)
        for family in FAMILIES:
            event = f"{family.series}-{day:%y%b%d}".upper()
            for number in range(family.strikes):
                middle = DOLLAR_PIPS * (number + 1) // (family.strikes + 1) // TICK * TICK
                self._family_market(family, event, number, middle)
        self._oddities(f"{day:%y%b%d}".upper())

    def _family_market(self, family: Family, event: str, number: int, middle: int) -> None:
        shape = self._random.choice((thin, thin, busy, crowded, short))
        half_spread = self._random.choice((1, 1, 2, 3)) * TICK
        bids = shape(self._random, middle - half_spread, -TICK)
        asks = shape(self._random, middle + half_spread, TICK)
        one_sided = self._random.random() < 0.15
        home = Levels(bids, {} if one_sided else asks)
        market = self._market(
            f"{event}-{'T' if number % 2 else 'B'}{number + 1}", event,
            f"{family.question}: strike {number + 1}", family.shard, family.days * DAY, LINEAR,
            home, family.take_minutes * 60,
        )  # fmt: skip
        self._program(market, family.reward, family.days)

    def _oddities(self, date: str) -> None:
        """One each of what does not fit the mould, on one event."""
        event = f"KXODD-{date}"
        calm = Levels(thin(self._random, 5_400, -TICK), thin(self._random, 5_600, TICK))
        fine = Levels(
            {470: 150 * CONTRACT, 460: 140 * CONTRACT, 440: 900 * CONTRACT},
            {510: 120 * CONTRACT, 530: 160 * CONTRACT, 600: 1_200 * CONTRACT},
        )

        def odd(name: str, home: Levels, days: float = 4.0, grid: Grid = LINEAR) -> ListedMarket:
            title = f"A market that is {name.lower()}"
            return self._market(f"{event}-{name}", event, title, 0, days * DAY, grid, home, 900.0)

        self._program(odd("FINEGRID", fine, grid=TAPERED), 120, 4)
        self._program(odd("EMPTY", Levels({}, {})), 100, 4)
        self._program(odd("CLOSING", calm, days=90 / 86_400), 20, 1)
        self._program(odd("UPCOMING", calm), 100, 4, starts_in=DAY)
        self._program(odd("VOLUME", calm), 100, 4, kind="volume")
        self._program(odd("NOTARGET", calm), 100, 4, target=None)
        self._program(odd("PAIDOUT", calm), 100, 1, starts_in=-2 * DAY, paid_out=True)
        twice = odd("TWICE", calm)
        self._program(twice, 40, 4)
        self._program(twice, 60, 2)
        halted = odd("HALTED", calm)
        halted.status = "inactive"
        self._program(halted, 100, 4)

    def _market(
        self,
        ticker: str,
        event: str,
        title: str,
        shard: int,
        seconds: float,
        grid: Grid,
        home: Levels,
        take_seconds: float,
    ) -> ListedMarket:
        now = self._exchange.now
        market = ListedMarket(ticker, event, title, shard, now - DAY, now + seconds, *grid)
        self._exchange.list_market(market)
        Crowd(self._exchange, market, home, take_seconds).move_in()
        return market

    def recorded(self, ticker: str, home: Levels) -> None:
        """List a recorded book: open for a week, under a program like most real ones (target 1,000, discount
        0.5, $20 a day)."""
        event = ticker.rpartition("-")[0] or ticker
        prices = [*home.bids, *home.asks]
        market = self._market(
            ticker, event, f"Recorded book of {ticker}", 0, 7 * DAY, grid_of(prices), home, 300.0
        )
        self._program(market, 140, 7)

    def _program(
        self,
        market: ListedMarket,
        dollars: int,
        days: float,
        starts_in: float | None = None,
        kind: str = "liquidity",
        target: int | None = 1_000,
        paid_out: bool = False,
    ) -> None:
        starts = self._exchange.now + (-0.1 * days * DAY if starts_in is None else starts_in)
        self._exchange.programs.append(
            ListedProgram(
                self._exchange.new_id(), market.ticker, kind, starts, starts + days * DAY,
                dollars * 10_000, None if target is None else target * CONTRACT,
                None if target is None else 5_000, paid_out,
            )
        )  # fmt: skip


def thin(dice: random.Random, touch: int, tick: int) -> dict[int, int]:
    """A side that pays well: it reaches a target of 1,000, with a few hundred contracts near the touch.
    `tick` leads away from the touch: negative for bids."""
    return {
        touch: dice.randint(40, 130) * CONTRACT,
        touch + 2 * tick: dice.randint(160, 190) * CONTRACT,
        touch + 4 * tick: dice.randint(500, 900) * CONTRACT,
        touch + 5 * tick: dice.randint(300, 600) * CONTRACT,
    }


def busy(dice: random.Random, touch: int, tick: int) -> dict[int, int]:
    """A side that qualifies a few levels down, behind many hundreds of contracts."""
    return {touch + n * tick: dice.randint(280, 330) * CONTRACT for n in range(5)}


def crowded(dice: random.Random, touch: int, tick: int) -> dict[int, int]:
    """A side whose first two levels hold a whole target: one tick behind it earns little or nothing."""
    return {touch + n * tick: dice.randint(700, 2_500) * CONTRACT for n in range(4)}


def short(dice: random.Random, touch: int, tick: int) -> dict[int, int]:
    """A side that misses the target: every second of its market is excluded."""
    return {touch + n * tick: dice.randint(60, 160) * CONTRACT for n in range(4)}


def grid_of(prices: list[int]) -> Grid:
    """The coarsest price grid that recorded prices lie on: whole cents, tapered at the edges, or 0.1¢."""
    for structure in (LINEAR, TAPERED):
        if all(any(s <= p <= e and (p - s) % step == 0 for s, e, step in structure[1]) for p in prices):
            return structure
    return DECI


def use_account(exchange: Exchange) -> None:
    """Open the customer's account and leave it in use, as a bot may find it: two orders of somebody else's
    making rest, and YES is held in one market and NO in another."""
    exchange.open_account(CUSTOMER, CASH)
    liquid = [m for m in exchange.markets.values() if _both_sides(m)][:4]
    for number, market in enumerate(liquid):
        best = market.book.bids.best() if number % 2 == 0 else market.book.asks.best()
        takes = market.book.asks.best() if number % 2 == 0 else market.book.bids.best()
        assert best is not None and takes is not None  # noqa: S101
        resting = number < 2
        terms = OrderTerms(
            ticker=market.ticker,
            is_bid=number % 2 == 0,
            price=best if resting else takes,
            size=(5 if resting else 3) * CONTRACT,
            client_order_id=f"by-hand-{number}",
            time_in_force="good_till_canceled" if resting else "immediate_or_cancel",
            self_trade_prevention="taker_at_cross",
            post_only=resting,
            reduce_only=False,
            cancel_on_pause=False,
            expires=None,
            shard=market.shard,
        )
        exchange.create(CUSTOMER, terms)


def _both_sides(market: ListedMarket) -> bool:
    book = market.book
    return market.status == "active" and book.bids.best() is not None and book.asks.best() is not None
