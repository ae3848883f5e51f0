"""What a test does with a board: windows that it lists and ends, a scan, and what came of it."""

from __future__ import annotations

import requests

from rewards.skips import Skip
from simulator.lifecycle import list_program
from simulator.listing import ListedProgram
from simulator.matching import CONTRACT
from tests.support.bench import Bench
from tests.support.project import START


def skipped(bench: Bench) -> dict[str, Skip]:
    return {skip.ticker: skip for skip in bench.board().selection.skipped}


def scan(bench: Bench) -> list[requests.PreparedRequest]:
    """Scan, and return what was sent for it."""
    before = len(bench.wire.sent)
    bench.bot.scan_board()
    return bench.wire.sent[before:]


def quoted(bench: Bench) -> set[str]:
    return {order.ticker for order in bench.resting() if order.client_order_id.startswith("lipbot-")}


def list_window(bench: Bench, ticker: str, starts: float, ends: float, name: str, dollars: int = 5_000) -> None:
    """A window in the simulator, in seconds from `START`."""
    now = START.timestamp()
    exchange = bench.exchange.api.exchange
    program = ListedProgram(
        exchange.next_number(), name, ticker, "liquidity", now + starts, now + ends, dollars * 10_000,
        1_000 * CONTRACT, 5_000,
    )  # fmt: skip
    list_program(exchange, program)


def end_programs(bench: Bench, *tickers: str) -> None:
    programs = bench.exchange.api.exchange.programs
    programs[:] = [program for program in programs if program.ticker not in tickers]


Windows = dict[str, tuple[int, int, int, int]]
"""By ticker: dollars, minutes, target, discount in 1/10,000."""


def with_windows(bench: Bench, windows: Windows) -> dict[str, str]:
    """Replace all programs by windows that begin now. Returns their markets by program id."""
    exchange = bench.exchange.api.exchange
    exchange.programs.clear()
    now = START.timestamp()
    ids = {}
    for ticker, (dollars, minutes, target, discount) in windows.items():
        program = ListedProgram(
            exchange.next_number(), f"window of {ticker}", ticker, "liquidity", now, now + minutes * 60,
            dollars * 10_000, target * CONTRACT, discount,
        )  # fmt: skip
        list_program(exchange, program)
        ids[program.program_id] = ticker
    return ids
