"""How an exchange opens: a board, people, a customer's account in use. Both ways in begin here."""

from __future__ import annotations

from pathlib import Path

from simulator.board import BoardBuilder, use_account
from simulator.exchange import Exchange
from simulator.recorded import read_books


def open_exchange(now: float, seed: int, books: Path | None = None) -> Exchange:
    """An exchange that opens at `now` (Unix seconds): with the invented board of `seed`, or with the recorded
    books of a file. Raises `UnusableBooks` where the file is none."""
    exchange = Exchange(now, seed)
    board = BoardBuilder(exchange)
    if books is None:
        board.invented()
    else:
        for ticker, home in read_books(books).items():
            board.recorded(ticker, home)
    use_account(exchange)
    return exchange
