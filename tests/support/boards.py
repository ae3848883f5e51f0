"""Board helpers for tests: list and end windows, scan, and read the result."""

from __future__ import annotations

import requests

from rewards.skips import Skip
from simulator.lifecycle import list_program
from simulator.listing import ListedProgram
from simulator.matching import CONTRACT
from tests.support.bench import Bench, own_resting
from tests.support.project import START


def skipped(bench: Bench) -> dict[str, Skip]:
    return {skip.ticker: skip for skip in bench.board().selection.skipped}


def scan(bench: Bench) -> list[requests.PreparedRequest]:
    """Scan, and return the requests that were sent for it."""
    before = len(bench.wire.sent)
    bench.bot.scan_board()
    return bench.wire.sent[before:]


def quoted(bench: Bench) -> set[str]:
    return {order.ticker for order in own_resting(bench)}


def list_window(
    bench: Bench,
    ticker: str,
    starts: float,
    ends: float,
    name: str,
    dollars: int = 5_000,
    target: int = 1_000,
    discount: int = 5_000,
) -> ListedProgram:
    """List a window in the simulator, in seconds from `START`; `discount` in 1/10,000."""
    now, exchange = START.timestamp(), bench.exchange.api.exchange
    program = ListedProgram(
        exchange.next_number(), name, ticker, "liquidity", now + starts, now + ends, dollars * 10_000,
        target * CONTRACT, discount,
    )  # fmt: skip
    list_program(exchange, program)
    return program


def end_programs(bench: Bench, *tickers: str) -> None:
    programs = bench.exchange.api.exchange.programs
    programs[:] = [program for program in programs if program.ticker not in tickers]


Windows = dict[str, tuple[int, int, int, int]]
"""By ticker: dollars, minutes, target, discount in 1/10,000."""


def with_windows(bench: Bench, windows: Windows) -> dict[str, str]:
    """Replace all programs by windows that begin now. Returns their markets by program id."""
    bench.exchange.api.exchange.programs.clear()
    listed = [
        list_window(bench, ticker, 0, minutes * 60, f"window of {ticker}", dollars, target, discount)
        for ticker, (dollars, minutes, target, discount) in windows.items()
    ]
    return {program.program_id: program.ticker for program in listed}
