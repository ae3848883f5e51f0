"""A look at the account without starting the loop: `python main.py` prints cash, positions and resting orders
of the environment that `market_bot.py` names, and exits. It reads only; nothing is placed or canceled.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import market_bot
import trade
from account import Balance, Position
from clients import Environment
from connection import Connection, connect, read_variables
from errors import ConfigError, ExchangeError
from models import Order

DOTENV_FILE = Path(__file__).resolve().parent / ".env"

PRIVATE_SIMULATOR = (
    "This simulator was opened for this command alone and is not the one a running bot trades on. To share one,\n"
    "start `python -m simulator` and put the SIM_ lines that it prints into .env."
)


def report(environment: Environment, connection: Connection) -> str:
    """What the account has, as text. Raises an `ExchangeError` where the exchange does not tell."""
    client = connection.client
    about = ", ".join(f"{name.lower()}: {what}" for name, what in connection.about.items())
    parts = [
        f"Environment: {environment.value} ({about})",
        _balance(client.get_balance()),
        _table("Positions", ("Ticker", "Side", "Count", "Cost"), map(_position, client.get_positions())),
        _table(
            "Resting orders",
            ("Ticker", "Side", "Count", "Price", "Expires", "Sent by"),
            map(_order, client.get_resting_orders()),
        ),
    ]
    return "\n\n".join(parts)


def _balance(balance: Balance) -> str:
    shards = ", ".join(f"shard {index}: ${cash:,.4f}" for index, cash in sorted(balance.by_shard.items()))
    return f"Free cash: ${balance.available:,.4f}" + (f" ({shards})" if shards else "")


def _position(position: Position) -> Sequence[str]:
    return position.ticker, position.side.value, f"{position.size:,.2f}", f"${position.exposure:,.4f}"


def _order(order: Order) -> Sequence[str]:
    return (
        order.ticker,
        order.side.value,
        f"{order.remaining:,.2f}",
        f"${order.price:.4f}",
        _local(order.expires) if order.expires else "never",
        "this bot" if trade.is_own(order) else "somebody else",
    )


def _local(when: datetime) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = list(rows)
    if not body:
        return f"{title}: none"
    widths = [max(len(line[column]) for line in [heads, *body]) for column in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [heads, *body]
    ]
    return "\n".join([f"{title}: {len(body)}", *(f"  {line.rstrip()}" for line in lines)])


def main() -> int:
    """Print the report. Returns the exit code: 2 where a setting, variable or key is wrong, 1 where the
    exchange does not answer as it should."""
    argparse.ArgumentParser(
        prog="python main.py",
        description="Print the account's cash, positions and resting orders. Reads only.",
    ).parse_args()
    environment = market_bot.env
    try:
        connection = connect(environment, read_variables(DOTENV_FILE))
        print(report(environment, connection))
        if connection.is_private:
            print(f"\n{PRIVATE_SIMULATOR}")
    except ConfigError as error:
        print(f"main: {error}", file=sys.stderr)
        return 2
    except ExchangeError as error:
        print(f"main: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
