"""The real process on an exchange whose answers come byte by byte."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from benchmarks.harness import read_variables
from simulator.people import EVERYBODY
from tests.support.dripping_relay import DrippingRelay
from tests.support.processes import python, read, stop, wait_for
from tests.support.project import PROJECT
from tests.support.raw_client import sell_all
from tests.support.statements import own_orders

QUICK = 2.0
"""Seconds that stopping may take while an answer drips."""

IN_SECONDS = (
    "from runtime import preflight; preflight.prepare('market_bot'); import market_bot as m; m.WAIT_TIME = 2; "
    "from exchange import transport; transport.TIMEOUTS, transport.PATIENCE = (1.0, 1.0), 0.5; "
    "raise SystemExit(m.main())"
)
"""The bot with limits of a second or two."""


@pytest.fixture
def on_exit() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_dripping_answer_delays_neither_trading_nor_a_stop(
    clone: Path, tmp_path: Path, on_exit: ExitStack
) -> None:
    """An answer that comes byte by byte is given up, and the log says so. The cycle goes on if the bot can do
    without that call. A stop in the middle of such an answer is quick, and no order rests."""

    def begun(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        on_exit.callback(process.communicate)
        on_exit.callback(process.kill)
        return process

    command = [sys.executable, "-m", "simulator", "--port", "0", "--ed25519", "--programs", "20"]
    command += ["--key-file", str(tmp_path / "sim.pem"), "--without", ",".join(EVERYBODY)]
    variables = read_variables(begun(subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)))
    sell_all(variables)
    relay = DrippingRelay(variables["SIM_URL"])
    on_exit.callback(relay.close)
    changed = variables | {"SIM_URL": relay.url}
    (clone / ".env").write_text("".join(f"{name}={value}\n" for name, value in changed.items()))
    bot, log = begun(python(clone, "-c", IN_SECONDS)), clone / "trade.log"
    wait_for(lambda: "[CYCLE] Number: 1 " in read(log), 30, "first cycle")

    relay.drip = "GET */portfolio/balance"
    wait_for(lambda: "took too long to come whole" in read(log), 20, "word of the slow answer")
    (told,) = [line for line in read(log).splitlines() if "took too long to come whole" in line]
    assert re.search(
        r"\[ERROR\] GET /portfolio/balance: the answer took too long to come whole: \d+ bytes came", told
    )
    cycles = read(log).count("[CYCLE]")
    wait_for(lambda: read(log).count("[CYCLE]") > cycles, 20, "a cycle without that call")

    relay.drip, began = "GET */markets/orderbooks", relay.began
    wait_for(lambda: relay.began > began, 20, "dripping order books")
    code, seconds = stop(bot, signal.SIGTERM)
    assert (code, seconds < QUICK) == (0, True), f"exit {code} after {seconds:.1f} s"
    assert "[SHUTDOWN] None of our orders rests any more" in read(log)
    root = variables["SIM_URL"].rpartition("/trade-api")[0]
    orders = own_orders(requests.get(f"{root}/simulator/statement", timeout=10).json()["orders"])
    assert orders
    assert [order for order in orders if order["status"] == "resting"] == []
