"""Read recorded order books from a file.

Promise:
- A file that cannot be used is refused with the line and the reason.
- The first line of each ticker counts; other lines of that ticker are ignored.

Format: one JSON object a line, gzipped if the name ends in `.gz`. It has `ticker` and `orderbook_fp` in the API's
own shape (`yes_dollars` and `no_dollars`: lists of ["price", "size"], NO bids in NO prices). Other fields are
ignored.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from simulator.board import Levels
from simulator.matching import CONTRACT, DOLLAR_PIPS

LONGEST_NUMBER = 20


class UnusableBooks(Exception):
    """A file of recorded books cannot be used. The text says where and why."""


def read_books(path: Path) -> dict[str, Levels]:
    """Read the first book of each ticker, in file order. Raises `UnusableBooks`."""
    books: dict[str, Levels] = {}
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    ticker, home = _book(path, number, line)
                    books.setdefault(ticker, home)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise UnusableBooks(f"{path} cannot be read: {error}") from None
    if not books:
        raise UnusableBooks(f"{path} contains no order book")
    return books


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _book(path: Path, number: int, line: str) -> tuple[str, Levels]:
    try:
        record = json.loads(line)
        sides = record["orderbook_fp"]
        bids = dict(_levels(sides.get("yes_dollars")))
        asks = {DOLLAR_PIPS - price: size for price, size in _levels(sides.get("no_dollars"))}
        ticker = record["ticker"]
        if not isinstance(ticker, str) or not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", ticker):
            raise ValueError("ticker is not a valid name")
        if bids and asks and max(bids) >= min(asks):
            raise ValueError("the book is crossed")
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = f"no field {error}" if isinstance(error, KeyError) else error
        raise UnusableBooks(f"{path} line {number} is not a recorded order book: {reason}") from None
    return ticker, Levels(bids, asks)


def _levels(pairs: Any) -> Iterator[tuple[int, int]]:
    for price, size in pairs or []:
        yield _units(price, DOLLAR_PIPS, "price"), _units(size, CONTRACT, "size")


def _units(text: str, units: int, what: str) -> int:
    if not isinstance(text, str) or len(text) > LONGEST_NUMBER:
        raise ValueError(f"{what} is not a number in a string")
    value = Decimal(text) * units
    if value != int(value) or value <= 0 or (what == "price" and value >= DOLLAR_PIPS):
        raise ValueError(f"{what} {text} is not possible in an order book")
    return int(value)
