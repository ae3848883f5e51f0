"""Measure the CPU time and the memory of the bot's process.

Run it with `python -m benchmarks.machine [--markets 2,100]`. The bot quotes both sides of each given number of
markets. It runs in its own process, on a board of 8,140 programs that a simulator serves from another process over
loopback. There are no other traders, so a cycle sends only renewals. CPU seconds and memory are the bot's alone,
on this machine. They compare with the seconds of a cycle (`WAIT_TIME`). The connection is plain HTTP, without TLS.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import market_bot
from benchmarks.harness import SteppedClock, read_variables, trade
from benchmarks.scan import PROGRAMS
from runtime.console import progress
from simulator.people import EVERYBODY

PROJECT = Path(__file__).resolve().parents[1]
WAIT, FEWEST = float(market_bot.WAIT_TIME), 100
CYCLES, SETTLING = 6, 2
"""Cycles of a run, and those at its start in which the orders are placed."""

RULES: dict[str, object] = {
    "TRADE_SIZE": 0.1,
    "INCENTIVE_SIZE": None,
    "MAX_CAPITAL": 10_000,
    "MAX_EVENT_LOSS": 10_000,
    "FILL_COST": 0,
    "SCAN_TIME": 180,
}
"""Settings that limit the quoted markets only by their number, and give a short run a scan."""


class Taken(NamedTuple):
    """CPU seconds of the bot's process, and its peak memory.

    `cycle`: a usual cycle. `scan`: what a scan adds to it. `start`: from the process's start to the end of the
    first cycle. `memory`: MiB, 0 if the system does not report it."""

    cycle: float
    scan: float
    start: float
    memory: float


def measure(markets: int) -> Taken:
    """Run the bot with this number of markets, and measure it.

    The tier is the highest one: the clock stands still during a cycle, so no tokens refill."""
    command = [sys.executable, "-m", "simulator", "--step", "--port", "0", "--ed25519", "--tier", "prestige"]
    command += ["--programs", str(PROGRAMS), "--without", ",".join(EVERYBODY)]
    with tempfile.TemporaryDirectory() as name:
        command += ["--key-file", str(Path(name) / "key.pem")]
        bot = [sys.executable, "-m", "benchmarks.machine", "--bot", name, "--markets", str(markets)]
        with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as simulator:  # noqa: S603
            try:
                progress(f"{markets:,} markets, the bot in a process of its own")
                subprocess.run(bot, cwd=PROJECT, env=os.environ | read_variables(simulator), check=True)  # noqa: S603
            finally:
                simulator.kill()
        progress("")
        said = json.loads((Path(name) / "machine.json").read_text())
    cycles = [after - before for before, after in pairwise(said["cpu"])][SETTLING - 1 :]
    usual = median(cycles)
    return Taken(usual, max(cycles) - usual, said["cpu"][0], said["memory"])


def be_the_bot(folder: Path, markets: int) -> int:
    """Run as the bot's process: trade some cycles, and save what they cost."""
    cpu: list[float] = []

    def before_wait(_: SteppedClock, seconds: float) -> None:
        if seconds < WAIT / 2 or len(cpu) > CYCLES:
            return
        cpu.append(time.process_time())
        if len(cpu) > CYCLES:
            (folder / "machine.json").write_text(json.dumps({"cpu": cpu, "memory": peak()}))
            raise KeyboardInterrupt

    return trade(folder, RULES | {"TRADE_TICKER_SIZE": markets}, os.environ, before_wait)


def peak() -> float:
    """The peak resident memory of this process, in MiB; 0 if it is unknown.

    `getrusage` is not used, because it may report the parent's."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def tell(ladder: Iterable[int]) -> None:
    """Print the cost of each number of markets in `ladder`."""
    print(f"The bot's process alone, on this machine; a cycle has {WAIT:.0f} s")
    print(f"{'markets':>10}{'cycle, CPU':>12}{'scan, CPU':>12}{'start, CPU':>12}{'memory':>13}")
    for markets in ladder:
        took = measure(markets)
        seconds = "".join(f"{value:10.2f} s" for value in took[:3])
        print(f"{markets:10,}{seconds}{took.memory:9.1f} MiB", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machine", description=__doc__)
    parser.add_argument("--markets", default=f"2,{FEWEST}", help=f"numbers, with commas (default 2,{FEWEST})")
    parser.add_argument("--bot", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.bot:
        return be_the_bot(asked.bot, int(asked.markets))
    tell(map(int, asked.markets.split(",")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
