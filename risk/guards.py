"""What the bot stays out of for a while, and why: those who fill a quote often know something.

Promise: what is paused says why and until when, and its end is told too. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from exchange.account import Fill
from exchange.models import Market
from exchange.orderbook import NO, ONE_DOLLAR, YES, Book
from rewards.skips import Reason, Skip
from risk.gate import Place
from runtime.log_format import Fields, local_time

MANY_FILLS = 3
"""So many fills of quotes in one market within a minute are not chance."""

FILLS_APART = timedelta(minutes=1)

JUMP = 5
"""A middle of the book that moved by more grid steps than this from one look to the next has news behind it."""

WITHDRAWN_TIMES = 10
"""A whole market is stayed out of so many times longer than a side that was filled."""

NO_ORDERS_TAKEN = timedelta(minutes=5)
"""A market that refused an order, for it takes none now, is asked again so much later: a halt of one lasts for
minutes, and its status may not show it."""

LOOKS_MISSED = 3
"""A quoted market is given up when its target was missed at so many looks in a row: until then it may come back,
and what is taken down would miss it."""

_MISSED = frozenset({Reason.TARGET_MISSED, Reason.NO_REFERENCE})


class Cooldown(NamedTuple):
    """Until when something is stayed out of, and why. Of one that was never told the end is not told either."""

    until: datetime
    why: str
    is_told: bool = True


class Guards:
    """Sides, markets and shards that are not quoted for now. `fill_pause`: how long a filled side stays away."""

    def __init__(self, fill_pause: timedelta) -> None:
        self._fill_pause = fill_pause
        self._sides: dict[Place, Cooldown] = {}
        self._markets: dict[str, Cooldown] = {}
        self._shards: dict[int, Cooldown] = {}
        self._fills: list[Fill] = []
        self._mid_prices: dict[str, int] = {}

    @property
    def sides(self) -> Mapping[Place, Cooldown]:
        """The sides that are not quoted."""
        return self._sides

    @property
    def shards(self) -> Mapping[int, Cooldown]:
        """The shards on which nothing is quoted."""
        return self._shards

    def on_fills(self, fills: Iterable[Fill], now: datetime) -> list[Fields]:
        """Quotes were filled: their sides are left alone for a while, and their markets where there were many."""
        told = []
        for fill in fills:
            if fill.is_taker:
                continue
            cooldown = Cooldown(fill.time + self._fill_pause, "it was filled")
            if cooldown.until > now:
                self._sides[fill.ticker, fill.side] = cooldown
                told.append({"Ticker": fill.ticker, "Side": fill.side.value} | _begins(cooldown))
            self._fills = [one for one in self._fills if one.time > fill.time - FILLS_APART] + [fill]
            many = sum(1 for one in self._fills if one.ticker == fill.ticker)
            if many >= MANY_FILLS:
                told += self._withdraw(fill.ticker, fill.time, f"{many} fills within a minute", now)
        return told

    def on_books(self, markets: Mapping[str, Market], books: Mapping[str, Book], quoted: Collection[str],
               now: datetime) -> list[Fields]:  # fmt: skip
        """The rivals' books were looked at: a market whose price jumped is left alone. Told of those `quoted`."""
        told = []
        middles: dict[str, int] = {}
        for ticker, book in books.items():
            market, yes, no = markets.get(ticker), book.best(YES), book.best(NO)
            if market is None or yes is None or no is None:
                continue
            grid = market.grid
            middle = grid.ticks(YES, yes.price) + grid.ticks(YES, ONE_DOLLAR - no.price)  # twice, to stay whole
            moved = abs(middle - self._mid_prices.get(ticker, middle))
            if moved > 2 * JUMP:
                why = f"the middle of its book moved by {moved / 2:g} steps"
                told += self._withdraw(ticker, now, why, now, is_told=ticker in quoted)
            middles[ticker] = middle
        self._mid_prices = middles
        return told

    def on_group_triggered(self, shard: int, why: str, now: datetime) -> list[Fields]:
        """The exchange took quotes down on a shard, or takes none."""
        known = self._shards.get(shard)
        if known and known.until > now:
            return []
        self._shards[shard] = Cooldown(now + self._fill_pause, why)
        return [{"Shard": str(shard)} | _begins(self._shards[shard])]

    def on_refused(self, ticker: str, why: str, now: datetime) -> list[Fields]:
        """A market takes no orders for now."""
        self._markets[ticker] = Cooldown(now + NO_ORDERS_TAKEN, why)
        return [{"Ticker": ticker} | _begins(self._markets[ticker])]

    def due(self, now: datetime) -> list[int]:
        """The shards that have waited long enough."""
        return [shard for shard, pause in self._shards.items() if pause.until <= now]

    def ended(self, now: datetime, but: Collection[int] = ()) -> list[Fields]:
        """Let go what has waited long enough, `but` for some shards."""
        told: list[Fields] = []
        for place in [place for place, cooldown in self._sides.items() if cooldown.until <= now]:
            told += _ended({"Ticker": place[0], "Side": place[1].value}, self._sides.pop(place))
        for ticker in [ticker for ticker, pause in self._markets.items() if pause.until <= now]:
            told += _ended({"Ticker": ticker}, self._markets.pop(ticker))
        for shard in [shard for shard in self.due(now) if shard not in but]:
            told += _ended({"Shard": str(shard)}, self._shards.pop(shard))
        return told

    def skips(self, markets: Iterable[Market], now: datetime) -> dict[str, Skip]:
        """The markets that are stayed out of, whole, with the reason; those of a shard until it is let go."""
        found = {}
        for market in markets:
            shard = self._shards.get(market.exchange_index or 0)
            cooldown = self._markets.get(market.ticker) or shard
            if cooldown is not None and (shard or cooldown.until > now):
                number = f"{cooldown.why}, {max((cooldown.until - now).total_seconds(), 0.0):.0f} s more"
                found[market.ticker] = Skip(market.ticker, Reason.GUARD, "Because", number)
        return found

    def forget_books(self) -> None:
        """What is seen next is not compared with what was seen last: too much time lies between."""
        self._mid_prices = {}

    def _withdraw(
        self, ticker: str, since: datetime, why: str, now: datetime, is_told: bool = True
    ) -> list[Fields]:
        """Stay out of a market. One that was told before is told again when it lasts longer."""
        known = self._markets.get(ticker)
        is_told = is_told or (known is not None and known.is_told)
        cooldown = Cooldown(since + WITHDRAWN_TIMES * self._fill_pause, why, is_told)
        if cooldown.until <= now or (known and known.until >= cooldown.until):
            return []
        self._markets[ticker] = cooldown
        return [{"Ticker": ticker} | _begins(cooldown)] if is_told else []


class TargetGrace:
    """How often in a row quoted markets missed their target."""

    def __init__(self) -> None:
        self._missed: dict[str, int] = {}

    def keeps(self, quoted: Collection[str], skipped: Iterable[Skip]) -> frozenset[str]:
        """The quoted markets that are kept though a look would have skipped them for their target."""
        missed = {
            skip.ticker: self._missed.get(skip.ticker, 0) + 1
            for skip in skipped
            if skip.ticker in quoted and skip.reason in _MISSED
        }
        self._missed = missed
        return frozenset(ticker for ticker, looks in missed.items() if looks < LOOKS_MISSED)


def _begins(cooldown: Cooldown) -> Fields:
    return {"Guard": cooldown.why, "Until": local_time(cooldown.until)}


def _ended(where: Fields, cooldown: Cooldown) -> list[Fields]:
    return [where | {"Guard": f"ended ({cooldown.why})"}] if cooldown.is_told else []
