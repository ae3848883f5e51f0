"""Hours with little cash: `python -m tests.slow.tight_cash [--hours 3] [--seeds 8]`.

Each board is traded with a gross and with a net balance. Ends with 1 if the bot was wrong about the balance or
about what is free, or if a create was refused for want of cash and no fill explains it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import market_bot
from bot.connection import embedded_client
from runtime import log_output
from simulator import embedded
from tests.support import tight_cash
from tests.support.bench import Bench, Wire
from tests.support.project import START

MOVED = [{"do": "cash_moved", "from": 100, "source": 0, "destination": shard, "amount": 1.23} for shard in (2, 3)]
"""A person moves cash to other shards while the first orders would show how the balance is meant."""


def trade(seed: int, balance: str, exit_by: str, cycles: int, is_moved: bool = False) -> tight_cash.Outcome:
    """One board, traded for some cycles. `is_moved`: with `MOVED`."""
    settings = {**tight_cash.TIGHT, "EXIT": exit_by}
    programs, who = settings.pop("programs"), settings.pop("who")
    exchange = embedded.start(
        seed, None, None, START, programs, who, faults=MOVED if is_moved else None, balance=balance
    )
    wire = Wire(exchange.session.adapters[embedded.HOST])
    exchange.session.mount(embedded.HOST, wire)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "trade.log"
        logger = log_output.open_log(log)
        for handler in logger.handlers[:1]:
            logger.removeHandler(handler)
        bench = Bench(
            exchange, wire, embedded_client(exchange), market_bot.read_settings(settings), logger, log,
            Path(folder) / "trade-sim.db",
        )  # fmt: skip
        outcome = tight_cash.run(bench, cycles)
        bench.end()
        for handler in logger.handlers:
            handler.close()
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.slow.tight_cash", description=__doc__)
    parser.add_argument("--hours", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first", type=int, default=30, help="the first seed")
    parser.add_argument("--moved", action="store_true", help="cash moves between the shards at the beginning")
    arguments = parser.parse_args()
    is_wrong = False
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for balance in ("gross", "net"):
            for exit_by in ("CROSS", "REST"):
                outcome = trade(seed, balance, exit_by, 60 * arguments.hours, arguments.moved)
                told = ", ".join(f"{name}: {count:,}" for name, count in sorted(outcome.counts.items()))
                print(f"seed {seed} {balance:5} {exit_by:5} found in cycle {outcome.found}; {told}", flush=True)
                print("".join(f"  {line}\n" for line in outcome.wrong[:5]), end="")
                is_wrong = is_wrong or bool(outcome.wrong) or outcome.counts["without one"] > 0
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
