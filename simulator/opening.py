"""Open an exchange: a board, simulated traders and a customer's account in use.

Both the embedded and the served exchange open here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from simulator import order_entry, people
from simulator.board import Board
from simulator.exchange import Exchange
from simulator.listing import DAY, HOUR, ListedMarket
from simulator.matching import CONTRACT, DOLLAR
from simulator.order_entry import OrderTerms
from simulator.pauses import plan_maintenance
from simulator.reading import REAL, Reading
from simulator.recorded import read_books
from simulator.rewards import TopTick

CUSTOMER, OTHER_CUSTOMER = "customer", "another customer"
CASH = {0: 1_000 * DOLLAR, 1: 0, 2: 250 * DOLLAR, 3: 250 * DOLLAR}
"""Opening cash by shard, in 1/1,000,000 dollar."""

PROGRAMS = 120
"""Default number of liquidity programs that run on a board."""

MOST_PAST_HOURS = 24
"""Most hours that the simulated traders may have traded when an exchange opens, and the default."""


def parse_past_hours(text: str) -> int:
    """The hours that the traders have traded when an exchange opens.

    Raises a `ValueError` that says what they must be."""
    if not (text.isdecimal() and int(text) <= MOST_PAST_HOURS):
        raise ValueError(f"must be a whole number from 0 to {MOST_PAST_HOURS}")
    return int(text)


def open_exchange(
    now: float,
    seed: int,
    books: Path | None = None,
    programs: int = PROGRAMS,
    who: Collection[str] = people.EVERYBODY,
    top_tick: TopTick = TopTick.COUNTED,
    programs_end: float | None = None,
    reading: Reading = REAL,
    luck: int = 0,
    past: float = DAY,
    told: Callable[[str], None] = lambda _: None,
) -> Exchange:
    """Open an exchange at `now` (Unix seconds) with the simulated traders of `who`.
    The board is invented, with `programs` liquidity programs, or comes from a file of recorded `books`. No program
    runs after `programs_end` (Unix seconds; None: programs go on). Contested questions are answered by `reading`.
    Another `luck` gives other hidden values and other visits of the traders on the same board.

    The traders have traded for `past` seconds when it opens, if rivals are among them: without rivals nobody
    refills the books. That takes a while on a large board: `told` receives the progress.

    Raises `UnusableBooks` if that file cannot be used."""
    exchange = Exchange(now - past if people.RIVALS in who else now, seed, reading, luck)
    exchange.opened = now
    exchange.top_tick = top_tick
    board = Board(exchange, frozenset(who), programs_end)
    if books is None:
        board.invented(programs)
    else:
        for ticker, levels in read_books(books).items():
            board.recorded(ticker, levels)
    plan_maintenance(exchange)
    while exchange.now < now:
        told(f"the traders trade the day before: {(now - exchange.now) / HOUR:.0f} hours left")
        exchange.advance(min(exchange.now + HOUR, now))
    told("")
    exchange.advance(now)
    use_account(exchange)
    exchange.advance(now)
    return exchange


def use_account(exchange: Exchange) -> None:
    """Open the customer's account and leave it in use, as a bot may find it.
    Two orders that were placed by hand rest. YES is held in one market and NO in another."""
    exchange.open_account(CUSTOMER, CASH)
    liquid = [m for m in exchange.markets.values() if _both_sides(m)][:4]
    for number, market in enumerate(liquid):
        book, buys = market.book, number % 2 == 0
        resting = number < 2
        price = book.half(buys).best() if resting else book.half(not buys).best()
        assert price is not None  # noqa: S101  (there are two sides)
        order_entry.create(
            exchange,
            CUSTOMER,
            OrderTerms(
                ticker=market.ticker,
                is_bid=buys,
                price=price,
                size=(5 if resting else 3) * CONTRACT,
                client_order_id=f"by-hand-{number}",
                time_in_force="good_till_canceled" if resting else "immediate_or_cancel",
                post_only=resting,
            ),
        )


def _both_sides(market: ListedMarket) -> bool:
    book = market.book
    return market.status == "active" and book.bids.best() is not None and book.asks.best() is not None
