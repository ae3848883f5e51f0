"""Cooldowns: places, markets and shards that are not quoted for a while.

Promise:
- A cooldown has a reason and an end time. Its start and its end are returned for the log, except a price jump's in
  a market that is not quoted.
- Nothing here reads a clock: the caller passes the time.

Fills and price jumps start cooldowns, because a trader who fills a quote often knows something.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from exchange.account import Fill
from exchange.models import Market
from exchange.orderbook import ONE_DOLLAR, YES, Book, PriceGrid, Side
from rewards.skips import Reason, Skip
from risk.gate import Place
from runtime.log_format import Fields, local_time

MANY_FILLS = 3
"""Fills of quotes in one market within a minute that are not chance."""

FILLS_APART = timedelta(minutes=1)

JUMP = 5
"""A mid price that moved by more ticks than this between two looks has news behind it."""

WITHDRAWN_TIMES = 10
"""A whole market's cooldown lasts this many times a filled side's."""

NO_ORDERS_TAKEN = timedelta(minutes=5)
"""Cooldown of a market that refused an order because it accepts none now. Such a pause lasts for minutes, and the
market's status may not show it."""

LOOKS_MISSED = 3
"""Looks in a row that miss a quoted market's target before its quotes are canceled. Until then the target may be
met again, and canceled quotes would miss that."""

_MISSED = frozenset({Reason.TARGET_MISSED, Reason.NO_REFERENCE})


class Cooldown(NamedTuple):
    """A cooldown's end and reason. `is_told`: its start was logged, so is its end."""

    until: datetime
    why: str
    is_told: bool = True


class Guards:
    """The places, markets and shards in cooldown.

    `fill_pause`: the cooldown of a filled side."""

    def __init__(self, fill_pause: timedelta) -> None:
        self._fill_pause = fill_pause
        self._sides: dict[Place, Cooldown] = {}
        self._markets: dict[str, Cooldown] = {}
        self._shards: dict[int, Cooldown] = {}
        self._fills: list[Fill] = []
        self._mid_prices: dict[str, int] = {}

    @property
    def sides(self) -> Mapping[Place, Cooldown]:
        """The places that are not quoted."""
        return self._sides

    @property
    def shards(self) -> Mapping[int, Cooldown]:
        """The shards on which nothing is quoted."""
        return self._shards

    def on_fills(self, fills: Iterable[Fill], now: datetime) -> list[Fields]:
        """Start cooldowns for filled sides, and for markets with many fills.

        Returns the log's fields."""
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
        """Start a cooldown for each market whose mid price jumped in the rivals' books.

        Returns the log's fields of the `quoted` ones."""
        told = []
        middles: dict[str, int] = {}
        for ticker, book in books.items():
            market = markets.get(ticker)
            middle = twice_the_middle(market.grid, book) if market else None
            if middle is None:
                continue
            moved = abs(middle - self._mid_prices.get(ticker, middle))
            if moved > 2 * JUMP:
                why = f"its mid price moved by {moved / 2:g} ticks"
                told += self._withdraw(ticker, now, why, now, is_told=ticker in quoted)
            middles[ticker] = middle
        self._mid_prices = middles
        return told

    def on_group_triggered(self, shard: int, why: str, now: datetime) -> list[Fields]:
        """Start a shard's cooldown: its order group was triggered, or refuses orders."""
        known = self._shards.get(shard)
        if known and known.until > now:
            return []
        self._shards[shard] = Cooldown(now + self._fill_pause, why)
        return [{"Shard": str(shard)} | _begins(self._shards[shard])]

    def on_refused(self, ticker: str, why: str, now: datetime, lasts: timedelta = NO_ORDERS_TAKEN) -> list[Fields]:
        """Start the cooldown of a market that refuses orders. One that lasts longer stays."""
        cooldown, known = Cooldown(now + lasts, why), self._markets.get(ticker)
        if known and known.until > cooldown.until:
            return []
        self._markets[ticker] = cooldown
        return [{"Ticker": ticker} | _begins(cooldown)]

    def due(self, now: datetime) -> list[int]:
        """Return the shards whose cooldown is over."""
        return [shard for shard, pause in self._shards.items() if pause.until <= now]

    def ended(self, now: datetime) -> list[Fields]:
        """End the cooldowns that are over. Returns the log's fields."""
        told: list[Fields] = []
        for place in [place for place, cooldown in self._sides.items() if cooldown.until <= now]:
            told += _ended({"Ticker": place[0], "Side": place[1].value}, self._sides.pop(place))
        for ticker in [ticker for ticker, pause in self._markets.items() if pause.until <= now]:
            told += _ended({"Ticker": ticker}, self._markets.pop(ticker))
        for shard in self.due(now):
            told += _ended({"Shard": str(shard)}, self._shards.pop(shard))
        return told

    def skips(self, markets: Iterable[Market], now: datetime) -> dict[str, Skip]:
        """Return the markets that are not quoted on either side, with the reason.

        A shard's markets are included until `ended` ends its cooldown."""
        found = {}
        for market in markets:
            shard = self._shards.get(market.shard)
            cooldown = self._markets.get(market.ticker) or shard
            if cooldown is not None and (shard or cooldown.until > now):
                number = f"{cooldown.why}, {max((cooldown.until - now).total_seconds(), 0.0):.0f} s left"
                found[market.ticker] = Skip(market.ticker, Reason.GUARD, "Because", number)
        return found

    def withdraw(self, ticker: str, side: Side | None, why: str, times: int, now: datetime) -> list[Fields]:
        """Start or extend a cooldown of a market, or of one side.

        It lasts `times` times `fill_pause`. Returns the log's fields."""
        if side is None:
            return self._withdraw(ticker, now, why, now, times=times)
        cooldown = Cooldown(now + times * self._fill_pause, why)
        if not _outlasts(cooldown, self._sides.get((ticker, side)), now):
            return []
        self._sides[ticker, side] = cooldown
        return [{"Ticker": ticker, "Side": side.value} | _begins(cooldown)]

    def blocking(self, place: Place, now: datetime) -> Cooldown | None:
        """The cooldown of a place or of its market, None if neither has one."""
        found = [self._sides.get(place), self._markets.get(place[0])]
        return next((one for one in found if one is not None and one.until > now), None)

    def forget_books(self) -> None:
        """Forget the mid prices: the next look comes too late for a comparison."""
        self._mid_prices = {}

    def _withdraw(
        self,
        ticker: str,
        since: datetime,
        why: str,
        now: datetime,
        is_told: bool = True,
        times: int = WITHDRAWN_TIMES,
    ) -> list[Fields]:
        """Start or extend a market's cooldown. A logged one is logged again if extended."""
        known = self._markets.get(ticker)
        is_told = is_told or (known is not None and known.is_told)
        cooldown = Cooldown(since + times * self._fill_pause, why, is_told)
        if not _outlasts(cooldown, known, now):
            return []
        self._markets[ticker] = cooldown
        return [{"Ticker": ticker} | _begins(cooldown)] if is_told else []


class TargetGrace:
    """Counts the looks in a row at which quoted markets missed their target."""

    def __init__(self) -> None:
        self._missed: dict[str, int] = {}

    def keeps(self, quoted: Collection[str], skipped: Iterable[Skip]) -> frozenset[str]:
        """Return the quoted markets to keep although this look missed their target."""
        missed = {
            skip.ticker: self._missed.get(skip.ticker, 0) + 1
            for skip in skipped
            if skip.ticker in quoted and skip.reason in _MISSED
        }
        self._missed = missed
        return frozenset(ticker for ticker, looks in missed.items() if looks < LOOKS_MISSED)


def twice_the_middle(grid: PriceGrid, book: Book) -> int | None:
    """Twice the mid price in ticks of YES, to stay whole. None if a side has no bids."""
    yes, no = book.best_bids()
    return None if yes is None or no is None else grid.ticks(YES, yes) + grid.ticks(YES, ONE_DOLLAR - no)


def _outlasts(cooldown: Cooldown, known: Cooldown | None, now: datetime) -> bool:
    """Whether a cooldown is not over yet, and ends later than a known one."""
    return cooldown.until > now and (known is None or cooldown.until > known.until)


def _begins(cooldown: Cooldown) -> Fields:
    return {"Guard": cooldown.why, "Until": local_time(cooldown.until)}


def _ended(where: Fields, cooldown: Cooldown) -> list[Fields]:
    return [where | {"Guard": f"ended ({cooldown.why})"}] if cooldown.is_told else []
