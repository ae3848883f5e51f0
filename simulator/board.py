"""The board: the markets and programs that an exchange lists, now and later.

Promise:
- The same seed gives the same board; the customer's actions do not change it.
- When an event of `kinds` ends, another of its series follows. When a program's window ends, another follows while
  the market is open.
- The board has every case that a bot must tell apart. Books: thin ones that pay, crowded ones, sides below the
  target, empty sides, fine price grids. Markets: strike ladders, several shards, maker fees, a halted market, one
  that closes within minutes, combos. Programs: for volume, without a target, overlapping, upcoming, paid out.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone

from simulator import kinds, people
from simulator.exchange import Exchange
from simulator.fees import FeeTerms
from simulator.kinds import KINDS, SHAPES, Kind, Sizes
from simulator.lifecycle import halt, list_market, list_program
from simulator.listing import (
    CENTI_EDGE,
    DAY,
    DECI,
    HOUR,
    LINEAR,
    TAPERED,
    Grid,
    ListedEvent,
    ListedMarket,
    ListedProgram,
    ListedSeries,
)
from simulator.matching import CONTRACT, DOLLAR_PIPS
from simulator.rivals import Shape
from simulator.toxicity import own_factor
from simulator.value import EventValue, MarketValue, strike_for

CALM = 1.0
"""News jumps per day."""

EVENTS_OF_A_SERIES = 3
"""Events per series; a larger board adds series."""

SECOND_PROGRAM, VOLUME_PROGRAM = 0.04, 0.05
"""Fractions of markets with an overlapping program and with a volume program."""


@dataclass(frozen=True, slots=True)
class Levels:
    """A recorded book: size (1/100 contract) by YES price (pips), per side."""

    bids: dict[int, int]
    asks: dict[int, int]


class Board:
    """Lists markets and programs, and brings in the simulated traders of `who`.
    No program runs after `programs_end` (Unix seconds; None: programs go on). If the exchange's time is before its
    opening, the traders trade until then in the markets that are open, and programs are listed at the opening."""

    def __init__(
        self, exchange: Exchange, who: frozenset[str] = people.EVERYBODY, programs_end: float | None = None
    ) -> None:
        self._exchange = exchange
        self._opening = exchange.opened
        self._who = who
        self._programs_end = programs_end
        self._dice = random.Random(f"{exchange.seed}:board")
        self._ids = random.Random(f"{exchange.seed}:programs")

    # -- invented -------------------------------------------------------------------------------------------

    def invented(self, programs: int) -> None:
        """List events until `programs` liquidity programs run, then the special cases."""
        taken = {kind.prefix: 0 for kind in KINDS}
        listed = 0
        while listed < programs:
            kind = min(KINDS, key=lambda k: (taken[k.prefix] * k.strikes + 1) / k.weight)
            round_, place = divmod(taken[kind.prefix], len(kind.codes))
            taken[kind.prefix] += 1
            number, later = divmod(round_, EVENTS_OF_A_SERIES)
            series = f"{kind.prefix}{kind.codes[place]}{number + 1 if number else ''}"
            elapsed = (later + self._dice.random()) / EVENTS_OF_A_SERIES * 0.8 * kind.open_for
            listed += self._event(kind, series, self._opening - elapsed, programs - listed)
        self._oddities()

    def _event(self, kind: Kind, series: str, opens: float, at_most: int) -> int:
        """List one event, and the next one when it ends.
        Lists up to `at_most` markets. Returns the number of liquidity programs that run in them."""
        exchange = self._exchange
        closes = opens + kind.open_for
        # Outcomes are read shortly before trading ends, except if the question is about the close itself.
        reads = closes - (0.0 if kind.open_for < HOUR else self._dice.uniform(120.0, 1_800.0))
        event = ListedEvent(
            exchange.next_number(), self._event_ticker(series, closes),
            ListedSeries(series, kind.question, kind.category, _frequency(kind.open_for), kind.shard, kind.fees),
            kind.question, exclusive=kind.ranges, strike_date=reads,
        )  # fmt: skip
        hidden = EventValue(
            exchange.fortune,
            event.ticker,
            max(opens, self._opening),
            reads,
            kind.news_a_day,
            max(opens, exchange.now),
        )
        # At listing, the middle strike of the ladder is worth about one half.
        centre = self._dice.gauss(0.0, 0.4)
        cuts = [centre + strike_for(1 - (n + 1) / (kind.strikes + 1)) for n in range(kind.strikes)]
        count, running = min(kind.strikes, at_most), 0
        for number in range(count):
            value = MarketValue(hidden, cuts[number], cuts[number + 1] if number + 1 < len(cuts) else 20.0)
            value = value if kind.ranges else MarketValue(hidden, cuts[number])
            ticker = f"{event.ticker}-{'B' if kind.ranges else 'T'}{number + 1}{'.5' if kind.ranges else ''}"
            title = f"{kind.question}: strike {number + 1}"
            market = ListedMarket(
                exchange.next_number(), ticker, event, title, opens, closes, kind.grid, resolves=reads,
                strikes=(number + 1, number + 2 if kind.ranges else None),
            )  # fmt: skip
            self._list(market, value, self._shape(kind), kind.take_minutes * 60, kind.toxicity)
            running += self._programs(market, kind, opens)
        exchange.at(closes, lambda: self._next_event(kind, series, closes, count))
        return running

    def _next_event(self, kind: Kind, series: str, opens: float, count: int) -> None:
        self._event(kind, series, opens, count)

    def _event_ticker(self, series: str, closes: float) -> str:
        """A ticker named for the day the event closes.
        If that is taken, it is named for the minute; if that is taken too, a number is added."""
        day = datetime.fromtimestamp(closes, timezone.utc)
        names = [f"{series}-{day:{form}}".upper() for form in ("%y%b%d", "%y%b%d%H%M")]
        free = [name for name in names if name not in self._exchange.events]
        return free[0] if free else f"{names[-1]}N{len(self._exchange.events)}"

    def _shape(self, kind: Kind) -> Shape:
        """Draw the shape of a book. Its two sides are mostly alike."""
        first = self._dice.choices(SHAPES, kind.shapes)[0]
        other = self._dice.choices(SHAPES, kind.shapes)[0] if self._dice.random() < 0.15 else first
        steps = self._dice.choice((1, 1, 2, 3))
        return _shape(first(self._dice), other(self._dice), steps)

    def _programs(self, market: ListedMarket, kind: Kind, opens: float) -> int:
        """List a market's running window and, in some markets, further programs.
        Returns the number of liquidity programs that run."""
        elapsed = max(self._opening - opens, 0.0)
        starts = opens + elapsed // kind.window * kind.window
        self._window(market, kind, starts)
        second = self._dice.random() < SECOND_PROGRAM
        if second:
            self._program(market, kind.reward // 2, starts, kind.window / 2, kind.target, cap=50_000)
        if self._dice.random() < VOLUME_PROGRAM:
            self._program(market, kind.reward, starts, kind.window, kind.target, "volume")
        return 1 + (second and starts + kind.window / 2 > self._opening)

    def _window(self, market: ListedMarket, kind: Kind, starts: float) -> None:
        """List a program. When it ends and its market is still open, list another like it."""
        ends = min(starts + kind.window, market.closes)
        self._program(market, kind.reward, starts, ends - starts, kind.target, discount_bps=kind.discount_bps)
        if ends < market.closes:
            self._exchange.at(ends, lambda: self._window(market, kind, ends))

    def _oddities(self) -> None:
        """List a market for each special case, a fee-free event and a combo."""
        exchange, now = self._exchange, self._opening
        date = f"{datetime.fromtimestamp(now + DAY, timezone.utc):%y%b%d}".upper()
        series = ListedSeries("KXODD", "Oddities", "World", "custom", 0)
        event = ListedEvent(exchange.next_number(), f"KXODD-{date}", series, "Oddities")
        hidden = EventValue(exchange.fortune, event.ticker, now, now + 4 * DAY, CALM, max(now - DAY, exchange.now))
        calm = _shape(kinds.thin(self._dice), kinds.thin(self._dice), 2)

        def odd(name: str, shape: Shape = calm, seconds: float = 4 * DAY, grid: Grid = LINEAR) -> ListedMarket:
            market = ListedMarket(
                exchange.next_number(), f"{event.ticker}-{name}", event, f"A market that is {name.lower()}",
                now - DAY, now + seconds, grid, resolves=now + 4 * DAY,
            )  # fmt: skip
            worth = 0.07 if grid is TAPERED else 0.55
            self._list(market, MarketValue(hidden, strike_for(worth)), shape, 900.0)
            return market

        self._program(odd("FINEGRID", grid=TAPERED), 120, now, 4 * DAY)
        self._program(odd("EMPTY", _shape({}, {}, 2)), 100, now, 4 * DAY)
        self._program(odd("ONESIDED", _shape(calm.bids, {}, 2)), 100, now, 4 * DAY)
        self._program(odd("CLOSING", seconds=90.0), 20, now - DAY / 2, DAY)
        self._program(odd("UPCOMING"), 100, now + DAY, 3 * DAY)
        self._program(odd("VOLUME"), 100, now, 4 * DAY, kind="volume")
        self._program(odd("NOTARGET"), 100, now, 4 * DAY, target=None)
        self._program(odd("PAIDOUT"), 100, now - 2 * DAY, DAY, paid_out=True)
        self._program(odd("CAPPED"), 100, now, 4 * DAY, cap=100_000)
        twice = odd("TWICE")
        self._program(twice, 40, now, 4 * DAY)
        self._program(twice, 60, now, 2 * DAY)
        halted = odd("HALTED")
        self._program(halted, 100, now, 4 * DAY)
        exchange.at(now, lambda: halt(exchange, halted))
        self._fee_free(series, date)
        self._combo(date)

    def _fee_free(self, series: ListedSeries, date: str) -> None:
        """List an event whose own fees override its series'."""
        exchange, now = self._exchange, self._opening
        event = ListedEvent(
            exchange.next_number(), f"KXODDFREE-{date}", series, "Free of fees", fees=FeeTerms("quadratic", 0)
        )
        hidden = EventValue(exchange.fortune, event.ticker, now, now + 4 * DAY, CALM, max(now - DAY, exchange.now))
        market = ListedMarket(
            exchange.next_number(), f"{event.ticker}-1", event, "A market without fees", now - DAY, now + 4 * DAY,
            resolves=now + 4 * DAY,
        )  # fmt: skip
        shape = _shape(kinds.thin(self._dice), kinds.thin(self._dice), 2)
        self._list(market, MarketValue(hidden, strike_for(0.45)), shape, 900.0)
        self._program(market, 80, now, 4 * DAY)

    def _combo(self, date: str) -> None:
        """List a combo (a bundle of outcomes) on its own shard, with few orders."""
        exchange, now = self._exchange, self._opening
        fees = FeeTerms("quadratic_with_combo_maker_fees")
        series = ListedSeries("KXMVESPORTS", "Combos", "Exotics", "custom", 1, fees)
        event = ListedEvent(exchange.next_number(), f"KXMVESPORTS-{date}", series, "Combo", combo=True)
        hidden = EventValue(
            exchange.fortune, event.ticker, now, now + 2 * DAY, CALM, max(now - HOUR, exchange.now)
        )
        market = ListedMarket(
            exchange.next_number(), f"{event.ticker}-1", event, "Both favourites win", now - HOUR, now + 2 * DAY,
            CENTI_EDGE, resolves=now + 2 * DAY,
        )  # fmt: skip
        self._list(market, MarketValue(hidden, strike_for(0.3)), _shape({3: 500}, {4: 700}, 3), 7_200.0)

    # -- recorded -------------------------------------------------------------------------------------------

    def recorded(self, ticker: str, levels: Levels) -> None:
        """List a recorded book as a market that stays open for a week.
        Its program is like most real ones: target 1,000, discount 0.5, $20 a day."""
        exchange, now = self._exchange, self._opening
        name = ticker.rpartition("-")[0] or ticker
        series = ListedSeries(ticker.partition("-")[0], f"Recorded {name}", "Recorded", "custom", 0)
        event = exchange.events.get(name) or ListedEvent(exchange.next_number(), name, series, f"Recorded {name}")
        grid = grid_of([*levels.bids, *levels.asks])
        market = ListedMarket(
            exchange.next_number(), ticker, event, f"Recorded book of {ticker}", now - DAY, now + 7 * DAY, grid,
            resolves=now + 7 * DAY,
        )  # fmt: skip
        shape, worth = shape_of(levels, grid)
        hidden = EventValue(exchange.fortune, ticker, now, now + 7 * DAY, CALM, max(now - DAY, exchange.now))
        self._list(market, MarketValue(hidden, strike_for(worth), sure=0.9999), shape, 300.0, opens_untouched=True)
        self._program(market, 140, now, 7 * DAY)

    def _new_id(self) -> str:
        """Draw a program id, from a generator that customers' requests do not affect."""
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    # -- both -----------------------------------------------------------------------------------------------

    def _list(
        self,
        market: ListedMarket,
        value: MarketValue,
        shape: Shape,
        take_seconds: float,
        kind_factor: float = 1.0,
        opens_untouched: bool = False,
    ) -> None:
        """List a market and bring the traders in.
        One that `opens_untouched` has its shape at the opening, whatever was traded before."""
        exchange = self._exchange
        exchange.hidden_value[market.ticker] = value.at
        list_market(exchange, market, value.outcome)
        factor = kind_factor * own_factor(exchange.seed, market.event.series.ticker, market.ticker)
        exchange.toxicity[market.ticker] = factor

        def move_in() -> None:
            rivals = people.move_in(exchange, market, value, shape, take_seconds, factor, self._who)
            if opens_untouched and exchange.now < self._opening:
                exchange.at(self._opening, rivals.start_over)

        if market.opened <= exchange.now:
            move_in()
        else:
            exchange.at(market.opened, move_in)
        if exchange.now < self._opening:
            exchange.at(self._opening, lambda: market.assume_earlier_volume(self._opening))

    def _program(
        self,
        market: ListedMarket,
        dollars: int,
        starts: float,
        seconds: float,
        target: int | None = 1_000,
        kind: str = "liquidity",
        discount_bps: int = 5_000,
        cap: int | None = None,
        paid_out: bool = False,
    ) -> None:
        exchange, ends, reward = self._exchange, starts + seconds, dollars * 10_000
        if self._programs_end is not None and ends > self._programs_end:
            if starts >= self._programs_end:
                return
            ends = self._programs_end
            reward = int(reward * (ends - starts) / seconds)  # a shorter window pays as much a day
        program = ListedProgram(
            exchange.next_number(), self._new_id(), market.ticker, kind, starts, ends, reward,
            None if target is None else target * CONTRACT,
            None if target is None else discount_bps, cap, paid_out,
        )  # fmt: skip
        if exchange.now < self._opening:
            exchange.at(self._opening, lambda: list_program(exchange, program))
        else:
            list_program(exchange, program)


def _shape(bids: Sizes, asks: Sizes, steps: int) -> Shape:
    return Shape(steps, steps, bids, asks, {}, {})


def _frequency(seconds: float) -> str:
    if seconds < DAY:
        return "hourly"
    return "daily" if seconds < 4 * DAY else "one_off"


NEAR_STEPS = 10
"""Recorded levels within this many ticks of the best price move with the value; others keep their prices."""


def shape_of(levels: Levels, grid: Grid) -> tuple[Shape, float]:
    """The shape in which rivals quote a recorded book, and its value in dollars."""
    bid, ask = max(levels.bids, default=None), min(levels.asks, default=None)
    low = grid.tick(bid) if bid is not None else (grid.tick(ask) - 2 if ask is not None else grid.tick(5_000))
    high = grid.tick(ask) if ask is not None else low + 2
    middle = min(max((low + high + 1) // 2, 0), len(grid.prices) - 1)
    worth = grid.prices[middle] / DOLLAR_PIPS
    near_bids = {low - grid.tick(p): s for p, s in levels.bids.items() if low - grid.tick(p) <= NEAR_STEPS}
    near_asks = {grid.tick(p) - high: s for p, s in levels.asks.items() if grid.tick(p) - high <= NEAR_STEPS}
    shape = Shape(
        middle - low,
        high - middle + 1,
        near_bids,
        near_asks,
        {p: s for p, s in levels.bids.items() if low - grid.tick(p) > NEAR_STEPS},
        {p: s for p, s in levels.asks.items() if grid.tick(p) - high > NEAR_STEPS},
    )
    return shape, worth


def grid_of(prices: list[int]) -> Grid:
    """The coarsest price grid that fits recorded prices.
    The candidates are whole cents, whole cents tapered at the edges, and 0.1¢."""
    return next((grid for grid in (LINEAR, TAPERED) if all(map(grid.holds, prices))), DECI)
