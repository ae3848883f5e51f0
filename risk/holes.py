"""Judge whether a book is a hole, and what of a position may be sold into it.

Promise:
- Pure: books, positions and times go in, answers come out.
- The sane mid price moves only by books that were no hole at two looks, and only as far as both looks agree.
- No answer permits a sale below the limit, or at the first look at a hole, at a jump, or after a start, a pause,
  an
  outage or a sleep.

A book is a hole if its spread is more than three times the usual and more than five cents. The usual is the median
of the last nine looks. It is also a hole if fewer contracts than the position are bid at or above the limit:
`EXIT_LIMIT` below the sane mid price, but never below half of it. So a book that collapsed beyond the limit stays
a hole, and does not move the sane mid price."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import NamedTuple

from exchange.account import Position
from exchange.models import ExchangeStatus, Market, MarketStatus
from exchange.orderbook import ONE_DOLLAR, YES, Book, PriceGrid, Side
from rewards.skips import contracts
from risk.guards import JUMP, twice_the_middle

SECOND_LOOK = timedelta(seconds=10)
"""Time between two looks that count as two: others who only requote are back by then."""

WIDER = 3
"""A spread that is more than this many times the usual is that of a hole."""

NARROW = Decimal("0.05")
"""Dollars: a spread up to this is never that of a hole."""

USUAL_LOOKS = 9
"""Looks whose median spread is the usual one. A spread that lasts for five of them has become usual."""

REMEMBERED = timedelta(hours=1)
"""How long a market is remembered that is not looked at and has no position."""

_NOTHING = Decimal(0)

Quotes = tuple[Decimal | None, Decimal | None]
"""The best YES and NO bids in dollars, None if there are none."""


class Sale(NamedTuple):
    """What may be done with a position at a look.

    In dollars of the side that is held: `middle` is the sane mid price, `lowest` the limit of a sale. `wait`: why
    nothing is sold at this look, empty if it may be. `again`: when a second look settles it. `is_wide`: the spread
    is that of a hole."""

    middle: Decimal
    lowest: Decimal
    wait: str = ""
    again: datetime | None = None
    is_wide: bool = False


def lowest_price(middle: Decimal, exit_limit: Decimal) -> Decimal:
    """Return the lowest price of a sale, for a sane mid price.

    Both are of the side that is held, in dollars a contract."""
    return middle - min(exit_limit, middle / 2)


def stand_in(position: Position, last: Quotes | None) -> Decimal | None:
    """Return what stands for the sane mid price before the looks have shown one.

    `last`: the market's bids that the ledger knows. It is the middle of these, if their spread is narrow, or the
    cost of a contract if that is higher. In dollars of the side that is held. None if neither is known."""
    found = [position.exposure / position.size] if position.exposure > 0 else []
    yes, no = last or (None, None)
    if yes is not None and no is not None and ONE_DOLLAR - yes - no <= NARROW:
        found.append(_of_side(position.side, (ONE_DOLLAR + yes - no) / 2))
    return max(found, default=None)


def bid_down_to(book: Book, side: Side, lowest: Decimal) -> Decimal:
    """Return the contracts that are bid on a side at `lowest` dollars or more."""
    return sum((level.size for level in book.side(side) if level.price >= lowest), start=_NOTHING)


class Holes:
    """The last looks at each market's rivals, and the sane mid price that they show.

    `exit_limit`: dollars a contract."""

    def __init__(self, exit_limit: Decimal) -> None:
        self._exit_limit = exit_limit
        self._seen: dict[str, _Seen] = {}
        self._last: Mapping[str, Quotes] = {}

    def on_start(self, last: Mapping[str, Quotes]) -> None:
        """Take the bids that the ledger knows, by ticker.

        They stand for looks at markets that were not looked at yet."""
        self._last = last

    def on_books(
        self,
        markets: Mapping[str, Market],
        books: Mapping[str, Book],
        positions: Iterable[Position],
        status: ExchangeStatus,
        now: datetime,
    ) -> None:
        """Count a look at the rivals' `books`.

        `positions`: those whose markets were looked at. A market that takes no orders, or whose book was not read,
        begins with a first look when it is back."""
        held = {one.ticker: one for one in positions if one.count}
        for ticker in books.keys() | held.keys():
            seen, market, book = self._seen.setdefault(ticker, _Seen()), markets.get(ticker), books.get(ticker)
            position = held.get(ticker)
            if position is not None and seen.sane is None:
                stands = stand_in(position, self._last.get(ticker))
                seen.sane = None if stands is None else _of_side(position.side, stands)
            takes_orders = market is not None and market.status is MarketStatus.ACTIVE
            if market is None or book is None or not takes_orders or not status.trades(market.exchange_index):
                seen.begin_again()
            else:
                seen.look(market.grid, book, position, self._exit_limit, now)
        self._seen = {
            ticker: seen
            for ticker, seen in self._seen.items()
            if ticker in held or (seen.at is not None and now - seen.at < REMEMBERED)
        }

    def sales(self, positions: Iterable[Position], now: datetime) -> dict[str, Sale]:
        """Return what may be done with each position, by the look that was counted last."""
        return {one.ticker: self._sale(one, now) for one in positions if one.count}

    def usual_spread(self, ticker: str) -> Decimal | None:
        """The usual spread of a market in dollars, None before its first look."""
        seen = self._seen.get(ticker)
        return median(seen.spreads) if seen and seen.spreads else None

    def forget_looks(self) -> None:
        """Count the next look at every market as its first. The sane mid prices stay."""
        for seen in self._seen.values():
            seen.begin_again()

    def _sale(self, position: Position, now: datetime) -> Sale:
        seen = self._seen.get(position.ticker, _Seen())
        if seen.is_first:
            return Sale(ONE_DOLLAR, ONE_DOLLAR, "its market could not be looked at")
        again = None if seen.doubted is None else seen.doubted + SECOND_LOOK
        if seen.sane is None:  # two looks at books that are no hole show one
            return Sale(
                ONE_DOLLAR, ONE_DOLLAR, "no sane mid price is known yet", max(again or now, now + SECOND_LOOK)
            )
        middle = _of_side(position.side, seen.sane)
        sale = Sale(middle, lowest_price(middle, self._exit_limit), is_wide=seen.is_wide)
        return sale if again is None or now >= again else sale._replace(wait=seen.why, again=again)


_FIRST, _WIDE, _THIN, _JUMPED = "first", "wide", "thin", "jumped"


@dataclass
class _Seen:
    """One market. Prices are in dollars of YES.

    `sane`: the sane mid price. `whole`: the last book that was no hole, and its middle. `doubted`: since when a
    sale needs a second look, and `why`."""

    at: datetime | None = None
    is_first: bool = True
    is_wide: bool = False
    sane: Decimal | None = None
    whole: tuple[datetime, Decimal] | None = None
    doubted: datetime | None = None
    doubts: frozenset[str] = frozenset()
    why: str = ""
    spreads: deque[Decimal] = field(default_factory=lambda: deque(maxlen=USUAL_LOOKS))
    twice_the_middle: int | None = None

    def begin_again(self) -> None:
        self.is_first, self.is_wide = True, False
        self.whole, self.doubted, self.doubts, self.twice_the_middle = None, None, frozenset(), None

    def look(
        self, grid: PriceGrid, book: Book, position: Position | None, exit_limit: Decimal, now: datetime
    ) -> None:
        yes, no = (best or _NOTHING for best in book.best_bids())
        spread, middle, whys = ONE_DOLLAR - yes - no, (ONE_DOLLAR + yes - no) / 2, {}
        usual = median(self.spreads) if self.spreads else None
        if self.is_first:
            whys[_FIRST] = "the first since a start, a pause, an outage or a sleep"
        self.is_wide = spread > max(NARROW, WIDER * (usual or _NOTHING))
        if self.is_wide:
            than = "" if usual is None else f", usual are {usual:.4f}"
            whys[_WIDE] = f"its book is a hole: the spread is {spread:.4f}{than}"
        if position is not None and self.sane is not None:
            sane = _of_side(position.side, self.sane)
            lowest = lowest_price(sane, exit_limit)
            near = bid_down_to(book, position.side, lowest)
            if near < position.size:
                whys[_THIN] = (
                    f"its book is a hole: {contracts(near)} of {contracts(position.size)} contracts are bid at "
                    f"{lowest:.4f} or more, the sane mid price is {sane:.4f}"
                )
        twice = twice_the_middle(grid, book)
        if (
            twice is not None
            and self.twice_the_middle is not None
            and abs(twice - self.twice_the_middle) > 2 * JUMP
        ):
            whys[_JUMPED] = f"its mid price moved by {abs(twice - self.twice_the_middle) / 2:g} ticks"
        self._doubt(whys, now)
        self._note_whole(middle, bool(whys.keys() & {_WIDE, _THIN}), now)
        self.at, self.is_first = now, False
        self.spreads.append(spread)
        self.twice_the_middle = self.twice_the_middle if twice is None else twice

    def _doubt(self, whys: Mapping[str, str], now: datetime) -> None:
        """Begin or end a doubt. A new kind of doubt begins it again.

        A first look at a hole stands for a jump into it, so that the jump out of it is nothing new."""
        if whys.keys() - self.doubts:
            self.doubted = now
            self.why = "; ".join(whys.values())
        elif not whys and self.doubted is not None and now - self.doubted >= SECOND_LOOK:
            self.doubted = None
        self.doubts = frozenset(whys)
        if _FIRST in whys and whys.keys() & {_WIDE, _THIN}:
            self.doubts |= {_JUMPED}

    def _note_whole(self, middle: Decimal, is_hole: bool, now: datetime) -> None:
        if is_hole:
            self.whole = None
        elif self.whole is None:
            self.whole = now, middle
        elif now - self.whole[0] >= SECOND_LOOK:
            self.sane = median((middle if self.sane is None else self.sane, self.whole[1], middle))
            self.whole = now, middle


def _of_side(side: Side, price: Decimal) -> Decimal:
    """A YES price as a price of `side`, or the other way round."""
    return price if side is YES else ONE_DOLLAR - price
