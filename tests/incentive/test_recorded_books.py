"""Real books: a bot that has only met invented ones meets its first surprise with money."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from rewards.estimate import dollars_per_day
from simulator.recorded import UnusableBooks, read_books
from tests.support.bench import MakeBench, assert_told_apart
from tests.support.project import RECORDED_BOOKS, needs

pytestmark = pytest.mark.slow


@needs(RECORDED_BOOKS)
def test_cycles_on_thousands_of_recorded_books_quote(
    make_bench: MakeBench,
) -> None:
    """Each cycle quotes two markets and gives a reason for each of the others, without an error."""
    bench = make_bench(books=RECORDED_BOOKS)
    listed = set(bench.exchange.api.exchange.markets)
    assert len(listed) > 2_000
    for _ in range(4):
        choice = bench.bot.start_trading()
        assert choice is not None
        assert len(choice.chosen) == 2
        assert {candidate.ticker for candidate in choice.chosen} == {order.ticker for order in bench.resting()}
        assert_told_apart(choice, set(bench.board().watched))
        assert_told_apart(bench.board().selection, listed)
        bench.pass_time(56)
    assert bench.events("ERROR") == []
    assert bench.events("SKIP MARKET")


def line(ticker: str, yes: list[list[str]], no: list[list[str]] | None) -> str:
    return json.dumps({"ticker": ticker, "orderbook_fp": {"yes_dollars": yes, "no_dollars": no}})


DEEP = [["0.0400", "900.00"], ["0.0450", "120.50"]]


def test_a_file_of_books_becomes_the_board(tmp_path: Path, make_bench: MakeBench) -> None:
    path = tmp_path / "books.jsonl.gz"
    lines = [line("KXA-1", DEEP, DEEP), line("KXA-1", [], []), "", line("KXB-1", [["0.5000", "3.00"]], None)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    bench = make_bench(books=path)
    books = {book.ticker: book for book in bench.client.get_orderbooks(["KXA-1", "KXB-1"])}
    assert [(str(level.price), str(level.size)) for level in books["KXA-1"].no] == [
        ("0.0450", "120.50"),
        ("0.0400", "900.00"),
    ]
    assert books["KXB-1"].no == ()
    grids = {market.ticker: market for market in bench.client.get_markets(["KXA-1", "KXB-1"])}
    assert (len(grids["KXA-1"].grid.ranges), len(grids["KXB-1"].grid.ranges)) == (3, 1)
    (program,) = [p for p in bench.client.get_incentive_programs() if p.ticker == "KXA-1"]
    assert (program.target, float(program.discount or 0), dollars_per_day(program)) == (1000, 0.5, 20.0)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "books.jsonl.gz"
    whole = gzip.compress(line("KXA-1", DEEP, DEEP).encode())
    path.write_bytes(whole[:20] + b"\xff\xff\xff\xff" + whole[24:])
    with pytest.raises(UnusableBooks, match="cannot be read"):
        read_books(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "contains no order book"),
        ("{", "line 1"),
        ('{"ticker": "A"}', "line 1 is not a recorded order book: no field 'orderbook_fp'"),
        (line("A", [["0.6000", "1.00"]], [["0.5000", "1.00"]]), "crossed"),
        (line("A", [["1.2000", "1.00"]], []), "price 1.2000"),
        (line("A", [["0.5000", "-1.00"]], []), "size -1.00"),
        ('["A"]', "line 1"),
        ("[" * 100_000, "line 1"),
        (line("A", [["0.5000", "Infinity"]], []), "line 1"),
        (line("A", [["0.5000", "1e999999"]], []), "line 1"),
        (line("A", [["0.5000", "1" * 5_000]], []), "size is not a number"),
        (line("A", [[0.5, "1.00"]], []), "price is not a number"),  # type: ignore[list-item]
        (line("A/B C", DEEP, DEEP), "ticker is not a valid name"),
        (line("A\ud800", DEEP, DEEP), "ticker is not a valid name"),
    ],
)
def test_a_file_that_is_no_record_of_books_is_refused(tmp_path: Path, content: str, told: str) -> None:
    """The error names the file and what is wrong with it: the line, the price, the size or the ticker."""
    path = tmp_path / "books.jsonl"
    path.write_text(content)
    with pytest.raises(UnusableBooks, match=r"books\.jsonl") as error:
        read_books(path)
    assert told in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableBooks, match="nowhere"):
        read_books(tmp_path / "nowhere.jsonl.gz")
