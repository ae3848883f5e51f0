"""The simulated traders that rest orders beside a customer's.

Promise:
- They know of the hidden value only what is public.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from simulator.answering import Answering, Home
from simulator.exchange import Exchange
from simulator.listing import ListedMarket
from simulator.matching import DOLLAR_PIPS, Order
from simulator.toxicity import public_from, public_time, rivals_pace
from simulator.value import MarketValue
from simulator.visitor import Visitor

VISIT_SECONDS = 1_200.0
"""Average seconds between rivals that join the best price or step in front of it."""

VISIT_MEDIAN = 60.0
STAY_SECONDS = (120.0, 900.0)

LOOK_AHEAD = 120
"""Points of the value's walk that are looked through at once for the next one at which rivals move."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How rivals fill a book.
    `bid_steps` and `ask_steps` are the ticks from the value to the best bid and ask. `bids` and `asks` give sizes
    (1/100 contract) by ticks behind these. `deep_bids` and `deep_asks` give sizes at fixed prices."""

    bid_steps: int
    ask_steps: int
    bids: dict[int, int]
    asks: dict[int, int]
    deep_bids: dict[int, int]
    deep_asks: dict[int, int]

    def touch(self, is_bid: bool, middle: int) -> int:
        """The tick of the best price of a side, by the tick of the value."""
        return middle - self.bid_steps if is_bid else middle - 1 + self.ask_steps


class Rivals(Visitor):
    """Quote a book's shape around the public value, and refill it on each visit.
    Visits at which they would find nothing to do are left out. Some answer a customer's larger order
    (`simulator.answers`): then a part of the shape is elsewhere."""

    def __init__(self, exchange: Exchange, market: ListedMarket, value: MarketValue, shape: Shape) -> None:
        super().__init__(exchange, market, "rivals", *rivals_pace(value.event.reads))
        self._value = value
        self._shape = shape
        self._resting: dict[tuple[bool, int], Order] = {}
        self._quoted: tuple[int, int] | None = None
        self._visits: deque[float] = deque([exchange.now])
        self._next: float | None = None
        homes = {True: Home(shape.bids, 1 - shape.bid_steps), False: Home(shape.asks, 1 - shape.ask_steps)}
        self._answering = Answering(exchange, market, homes, self._requote)

    def move_in(self) -> None:
        self.market.on_stir = self._plan
        self.market.on_owned = self._answering.see
        self._plan()

    def _requote(self) -> None:
        self._quoted = None
        self._plan()

    def _plan(self) -> None:
        """Come at the first visit at which there is something to do."""
        now, wakes = self.exchange.now, self._wakes()
        while self._visits[-1] <= now or self._visits[-1] < wakes:
            self._visits.append(self.after(self._visits[-1]))
        while self._visits[0] <= now:
            self._visits.popleft()
        when = next(visit for visit in self._visits if visit >= wakes)
        if when != self._next and when < self.market.closes:
            self._next = when
            self.exchange.at(when, lambda: self._come_at(when))

    def _come_at(self, when: float) -> None:
        if when == self._next:  # no earlier visit took its place
            self._next = None
            self.visit()
            self._plan()

    def _wakes(self) -> float:
        """The time from which on a visit finds something to do, or may."""
        if self._quoted is None or self._quoted[1] != self.market.stirred:
            return self.exchange.now
        event = self._value.event
        step = event.step(public_time(self.exchange.now, event.reads))
        for ahead in range(LOOK_AHEAD):
            time = event.time(step + ahead)
            if time >= event.reads:
                return public_from(event.reads, event.reads)
            if self._middle(time) != self._quoted[0]:
                return public_from(time, event.reads)
        return public_from(event.time(step + LOOK_AHEAD), event.reads)

    def _middle(self, known: float) -> int:
        return self.market.grid.tick(int(self._value.at(known) * DOLLAR_PIPS))

    def visit(self) -> None:
        exchange, market = self.exchange, self.market
        if not exchange.trades_in(market):
            return
        middle = self._middle(public_time(exchange.now, self._value.event.reads))
        if (middle, market.stirred) == self._quoted:
            return
        self._quote(middle)

    def start_over(self) -> None:
        """Empty the book, and quote the value as it is now."""
        self.exchange.withdraw_all(self.market)
        self._quote(self._middle(self.exchange.now))

    def _quote(self, middle: int) -> None:
        exchange, market = self.exchange, self.market
        self._quoted = middle, market.stirred
        self._answering.touches = {is_bid: self._shape.touch(is_bid, middle) for is_bid in (True, False)}
        wanted = self._wanted(middle)
        for place, order in list(self._resting.items()):
            if order.remaining != wanted.get(place):
                if order.status == "resting":
                    exchange.withdraw(market, order)
                del self._resting[place]
        for place, size in wanted.items():
            if place not in self._resting:
                rested = exchange.crowd_rest(market, *place, size)
                if rested is not None:
                    self._resting[place] = rested
                else:
                    self._quoted = None
        exchange.changed(market)

    def _wanted(self, middle: int) -> dict[tuple[bool, int], int]:
        """Wanted size by (is_bid, price)."""
        shape, grid = self._shape, self.market.grid
        wanted: dict[tuple[bool, int], int] = {}
        for is_bid, sizes in ((True, shape.bids), (False, shape.asks)):
            touch = shape.touch(is_bid, middle)
            for behind, size in sizes.items():
                price = grid.price(touch - behind if is_bid else touch + behind)
                if price is not None:
                    wanted[is_bid, price] = size
        bids, asks = ([p for is_bid, p in wanted if is_bid == side] for side in (True, False))
        below, above = min([*bids, *asks, DOLLAR_PIPS]), max([*asks, *bids, 0])
        for is_bid in (True, False):
            self._move(wanted, is_bid, shape.touch(is_bid, middle))
        wanted.update({(True, p): size for p, size in shape.deep_bids.items() if p < below})
        wanted.update({(False, p): size for p, size in shape.deep_asks.items() if p > above})
        return wanted

    def _move(self, wanted: dict[tuple[bool, int], int], is_bid: bool, touch: int) -> None:
        """Move the stock of the rivals that answer an order."""
        for (home, now), size in self._answering.moves(is_bid).items():
            places = [touch - n if is_bid else touch + n for n in (home, home if now is None else now)]
            left, came = (self.market.grid.price(place) for place in places)
            if left is None:  # off the grid, so it was not in the market
                continue
            wanted[is_bid, left] -= size
            if now is not None and came is not None:
                wanted[is_bid, came] = wanted.get((is_bid, came), 0) + size
            if not wanted[is_bid, left]:
                del wanted[is_bid, left]


class Joiner(Visitor):
    """A rival that stays for some minutes.
    It joins the best price, or steps in front of it if there is room."""

    def __init__(self, exchange: Exchange, market: ListedMarket) -> None:
        super().__init__(exchange, market, "joiner", VISIT_SECONDS)

    def visit(self) -> None:
        is_bid, in_front = self.dice.random() < 0.5, self.dice.random() < 0.5
        size, stay = self.contracts(VISIT_MEDIAN), self.dice.uniform(*STAY_SECONDS)
        exchange, market = self.exchange, self.market
        best = market.book.half(is_bid).best()
        if best is None or not exchange.trades_in(market):
            return
        price = market.grid.nearest(best, (1 if is_bid else -1) if in_front else 0)
        order = exchange.crowd_rest(market, is_bid, price, size)
        if order is None:
            return
        exchange.changed(market)
        exchange.at(exchange.now + stay, lambda: exchange.take_down(market, order))
