"""Time the making of a plan against parsing the answers that it needs.

Run it with `python -m benchmarks.planning`. There are 100 markets with books of 20 levels a side, and 400 resting
orders, half of them a person's. The plan renews, moves, places and cancels orders. The answers are those that the
exchange would send for the books, the markets and the orders. They are parsed as the client parses them, including
`json.loads`. The figures are medians of the rounds, and each round times both.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from statistics import median
from typing import Any

import trade
from exchange import parse_account, parse_markets
from exchange.json_fields import JsonObject
from exchange.orderbook import NO, YES, Bid
from execution.plan import AmendKind, TargetQuote, Targets, make_plan
from risk.gate import Limits, TradingState
from runtime.console import progress

MARKETS, LEVELS, ROUNDS = 100, 20, 15
NOW = datetime(2026, 11, 22, 15, 0, tzinfo=timezone.utc)
GROUP = "group-0"


def answers() -> dict[str, str]:
    """The exchange's JSON for books, markets and orders."""
    dice = random.Random(1)
    markets: list[dict[str, Any]] = []
    books: list[dict[str, Any]] = []
    orders: list[dict[str, Any]] = []
    for number in range(MARKETS):
        ticker = f"KXBENCH{number // 5}-26NOV-{number}"
        best = dice.randint(30, 60)
        markets.append(_market(ticker))
        sides = {
            "yes_dollars": [[f"{(best - n) / 100:.4f}", f"{dice.randint(1, 900)}.00"] for n in range(LEVELS)],
            "no_dollars": [[f"{(97 - best - n) / 100:.4f}", f"{dice.randint(1, 900)}.00"] for n in range(LEVELS)],
        }
        books.append({"ticker": ticker, "orderbook_fp": sides})
        for side, top in (("yes", best), ("no", 97 - best)):
            for name, behind in (("ours", dice.choice((1, 2, 3))), ("theirs", dice.choice((5, 6)))):
                orders.append(_order(f"{ticker}-{side}-{name}", ticker, side, top - behind, name == "ours"))
    return {
        "markets": json.dumps({"markets": markets}),
        "orderbooks": json.dumps({"orderbooks": books}),
        "orders": json.dumps({"orders": orders}),
    }


def _market(ticker: str) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "event_ticker": ticker.rpartition("-")[0],
        "status": "active",
        "close_time": "2026-12-01T00:00:00Z",
        "expected_expiration_time": "2026-12-02T00:00:00Z",
        "open_time": "2026-11-01T00:00:00Z",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "exchange_index": 0,
        "volume_24h_fp": "1200.00",
    }


def _order(order_id: str, ticker: str, side: str, cents: int, ours: bool) -> dict[str, Any]:
    yes = cents if side == "yes" else 100 - cents
    return {
        "order_id": order_id,
        "client_order_id": f"{trade.OWN_PREFIX if ours else 'typed-'}{order_id}",
        "ticker": ticker,
        "outcome_side": side,
        "yes_price_dollars": f"{yes / 100:.4f}",
        "no_price_dollars": f"{1 - yes / 100:.4f}",
        "status": "resting",
        "initial_count_fp": "10.00",
        "fill_count_fp": "0.00",
        "remaining_count_fp": "10.00",
        "maker_fees_dollars": "0.0000",
        "taker_fees_dollars": "0.0000",
        "exchange_index": 0,
        "expiration_time": "2026-11-22T15:01:00Z",
        "created_time": "2026-11-22T14:01:00.123456Z",
        "last_update_time": "2026-11-22T14:59:00.123456Z",
        **({"order_group_id": GROUP} if ours else {}),
    }


def read(said: dict[str, str]) -> tuple[list[Any], list[Any], list[Any]]:
    """Markets, books and orders, parsed."""
    markets, books, orders = (JsonObject(name, json.loads(text)) for name, text in said.items())
    return (
        [parse_markets.market(row) for row in markets.objects("markets")],
        [parse_markets.book(row) for row in books.objects("orderbooks")],
        [parse_account.order(row) for row in orders.objects("orders")],
    )


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    said = answers()
    markets, books, orders = read(said)
    rivals = trade.books_without_own(books, orders)
    situation = TradingState(
        Limits(Decimal(100_000), Decimal(100_000), 10_000),
        tuple(orders),
        markets={market.ticker: market for market in markets},
        books=rivals,
    )
    until = NOW + timedelta(seconds=120)
    quotes = []
    for market in markets:
        for side in (YES, NO):
            best = rivals[market.ticker].side(side)[0].price
            bid = Bid(side, best - Decimal("0.02"), Decimal(10))
            quotes.append(TargetQuote(market, bid, until, bid.count))
    make = partial(make_plan, situation, Targets(quotes, until=until), {0: GROUP})
    made = make()
    changes = ", ".join(f"{len(made.amended(change))} {change.value}" for change in AmendKind)
    print(f"{len(markets)} markets, {len(orders)} resting orders: {changes}, {len(made.orders)} placed, "
          f"{len(made.cancels)} canceled, {len(made.refused)} refused")  # fmt: skip
    pairs = []
    for number in range(ROUNDS):
        progress(f"round {number + 1} of {ROUNDS}")
        pairs.append((timed(make), timed(partial(read, said))))
    progress("")
    planned, parsed = (median(side) for side in zip(*pairs, strict=True))
    ratio = median(one / other for one, other in pairs)
    print(f"plan {planned * 1e3:.1f} ms, parsing {parsed * 1e3:.1f} ms; ratio {ratio:.2f} x")


if __name__ == "__main__":
    main()
