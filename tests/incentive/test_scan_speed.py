"""Reading the board within the account's limits: a scan that asks for more than it needs, or waits longer than the
tokens dictate, quotes by a board that is old; one that hurries is refused."""

from __future__ import annotations

from math import ceil

import pytest

from benchmarks.scan import Pace, Reader
from exchange.market_data import TICKERS_PER_CALL
from incentive import WATCHED, Board
from rewards.skips import Reason

pytestmark = pytest.mark.slow

PROGRAMS = 1_000
MOST_OVER_FLOOR = 1.15

TOLD_BY_THE_PROGRAM = {
    Reason.PAID_OUT,
    Reason.NOT_LIQUIDITY,
    Reason.NOT_RUNNING,
    Reason.NO_PUBLISHED_SCORE,
    Reason.ONLY,
    Reason.AVOID,
}
TOLD_BY_THE_MARKET = {
    Reason.NO_MARKET,
    Reason.MARKET_STATUS,
    Reason.TRADING_PAUSED,
    Reason.MIN_HOURS_TO_CLOSE,
}


@pytest.fixture(scope="session")
def reader() -> Reader:
    return Reader(PROGRAMS)


@pytest.fixture(scope="session")
def scanned(reader: Reader) -> tuple[Board, Pace]:
    return reader.scan(dry=True)


def test_a_scan_without_tokens_left_is_never_refused(
    scanned: tuple[Board, Pace],
) -> None:
    """A scan that begins with an empty rate limit takes hardly longer than its tokens need to refill."""
    _, pace = scanned
    assert pace.floor > 0.5
    assert pace.floor <= pace.seconds <= MOST_OVER_FLOOR * pace.floor
    assert pace.refusals == 0


def test_a_scan_spends_no_reads_on_markets_that_cannot_pass(scanned: tuple[Board, Pace]) -> None:
    """The bot reads markets and books in batches of a hundred. It reads no market that its program rules out,
    and no book that its market rules out."""
    board, pace = scanned
    listed = {program.ticker for program in board.programs}
    out = {skip.ticker: skip.reason for skip in board.selection.skipped}
    markets = [ticker for ticker in listed if out.get(ticker) not in TOLD_BY_THE_PROGRAM]
    books = [ticker for ticker in markets if out.get(ticker) not in TOLD_BY_THE_MARKET]
    assert len(listed) > len(markets) > len(books) > PROGRAMS / 2
    assert len(board.watched) == WATCHED
    programs = series = events = 1
    by_the_hundred = ceil(len(markets) / TICKERS_PER_CALL) + ceil(len(books) / TICKERS_PER_CALL)
    assert pace.requests == programs + series + events + by_the_hundred


def test_fees_and_events_that_are_known_are_not_read_again(reader: Reader, scanned: tuple[Board, Pace]) -> None:
    board, first = scanned
    _, again = reader.scan(board, dry=True)
    assert again.requests == first.requests - 2
    assert again.refusals == 0


def test_a_look_costs_the_cycle_two_requests(reader: Reader, scanned: tuple[Board, Pace]) -> None:
    board, _ = scanned
    _, look = reader.look(board)
    assert (look.requests, look.refusals) == (2, 0)
