"""When the rivals of a market answer an order, and where their stock is.

Promise:
- They know of an order what the book shows, and act minutes later on what they then find.
- A market without customers' orders costs nothing, and none of its random numbers are drawn.
- Their random numbers are their own: an answer changes no other trader's visits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from simulator.answers import Away, Rival, Sight, answer, delay, rivals_of
from simulator.exchange import Exchange
from simulator.listing import ListedMarket
from simulator.rewards import ladder, qualifying


@dataclass(frozen=True, slots=True)
class Home:
    """What rivals rest on a side if nobody provokes them.
    `sizes` are in 1/100 contract by ticks behind the touch. `foremost` is the nearest place that the public value
    allows, in ticks behind the touch; below 0 is ahead of it."""

    sizes: Mapping[int, int]
    foremost: int


@dataclass(slots=True, eq=False)
class _Seat:
    """A rival, its answer (None: at home), and whether it will look again."""

    rival: Rival
    answer: Away | None = None
    will_look: bool = False


class Answering:
    """The answers of a market's rivals, by side (True: bids).
    `touches` are the ticks of the rivals' touch, which their owner keeps. `moved` is called when an answer
    changes."""

    def __init__(
        self, exchange: Exchange, market: ListedMarket, homes: dict[bool, Home], moved: Callable[[], None]
    ) -> None:
        self.touches: dict[bool, int] = {}
        self._exchange = exchange
        self._market = market
        self._homes = homes
        self._moved = moved
        self._seats: dict[bool, list[_Seat]] = {}
        self._seen: dict[bool, Sight | None] = {}
        self._moves: dict[bool, dict[tuple[int, int | None], int]] = {}

    @cached_property
    def _dice(self) -> random.Random:
        return self._exchange.dice(f"{self._market.ticker}:answers")

    def see(self) -> None:
        """Let every rival that would now stand elsewhere look at it later.
        Call it when customers' orders may have changed, or the book around them."""
        for is_bid in (True, False):
            sight = self._sight(is_bid)
            if sight == self._seen.get(is_bid):
                continue
            self._seen[is_bid] = sight
            for seat in self._seats.get(is_bid) or self._seated(is_bid):
                if not seat.will_look and self._wants(is_bid, seat, sight) != seat.answer:
                    self._look_later(is_bid, seat)

    def moves(self, is_bid: bool) -> Mapping[tuple[int, int | None], int]:
        """What is not at home on a side, in 1/100 contract.
        The keys are (ticks behind the touch at home, ticks behind it now; None: withdrawn)."""
        return self._moves.get(is_bid, {})

    def _count(self, is_bid: bool) -> None:
        """Sum up what is not at home on a side."""
        found: dict[tuple[int, int | None], int] = {}
        for seat in self._seats[is_bid]:
            for home, size in seat.rival.pieces if seat.answer is not None else ():
                now = None if seat.answer is None or seat.answer.behind is None else min(home, seat.answer.behind)
                if now != home:
                    found[home, now] = found.get((home, now), 0) + size
        self._moves[is_bid] = found

    def _seated(self, is_bid: bool) -> list[_Seat]:
        target = self._target()
        if target is None:
            return []
        dice = random.Random(f"{self._exchange.seed}:{self._market.ticker}:{is_bid}:tempers")
        self._seats[is_bid] = [_Seat(one) for one in rivals_of(self._homes[is_bid].sizes, target, dice)]
        return self._seats[is_bid]

    def _look_later(self, is_bid: bool, seat: _Seat) -> None:
        when = self._exchange.now + delay(self._dice)
        if when < self._market.closes:
            seat.will_look = True
            self._exchange.at(when, lambda: self._look(is_bid, seat))

    def _look(self, is_bid: bool, seat: _Seat) -> None:
        seat.will_look = False
        wanted = self._wants(is_bid, seat, self._sight(is_bid))
        if wanted != seat.answer:
            seat.answer = wanted
            self._count(is_bid)
            self._moved()

    def _wants(self, is_bid: bool, seat: _Seat, sight: Sight | None) -> Away | None:
        return answer(seat.rival, sight, self._homes[is_bid].foremost, seat.answer is not None)

    def _target(self) -> int | None:
        """The target of the running program that pays most, in 1/100 contract."""
        programs = [meter.program for meter in self._exchange.running.get(self._market.ticker, ())]
        return max(programs, key=lambda one: one.reward / (one.ends - one.starts)).target if programs else None

    def _sight(self, is_bid: bool) -> Sight | None:
        """What the side shows of the customers; None: nothing, or no program runs."""
        market, grid, target = self._market, self._market.grid, self._target()
        owned = [order for order in market.owned.values() if order.is_bid == is_bid]
        if not owned or target is None or is_bid not in self.touches:
            return None

        def behind(tick: int) -> int:
            return self.touches[is_bid] - tick if is_bid else tick - self.touches[is_bid]

        places = {order.order_id: behind(grid.tick(order.price)) for order in owned}
        largest = min(owned, key=lambda order: (-order.remaining, places[order.order_id]))
        place = places[largest.order_id]
        found = qualifying(ladder(market.book.half(is_bid), grid, is_bid), target)
        if found is None:
            return Sight(largest.remaining, place, None, is_paid=False)
        reference, levels = found
        sign = 1 if is_bid else -1  # a ladder's ticks rise to the better price
        return Sight(
            largest.remaining, place, behind(sign * reference), is_paid=place <= behind(sign * levels[-1][0])
        )
