"""Clients that other people wrote, trading over a loopback port: what a stranger's bot sees is the exchange that
it was written for, not the one that ours happens to ask.

`pykalshi` cannot name a shard, so it trades where an order goes that names none; Kalshi's own SDK trades on
another shard. Both are left as their authors published them. The SDK needs Python 3.13.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.project import PROJECT

FAR, LESS_FAR = "0.0200", "0.0300"
"""Prices on every market's grid, well under the best bid of the markets that are traded here."""


@dataclass(frozen=True)
class Served:
    """What the simulator told who started it."""

    url: str
    key_id: str
    key_file: Path

    def liquid_market(self, is_wanted_shard: Callable[[int], bool]) -> str:
        """The market with the most volume whose bid and ask leave room for ours."""
        answer = requests.get(f"{self.url}/markets", {"status": "open", "limit": "1000"}, timeout=5)
        markets: list[dict[str, Any]] = [
            market
            for market in answer.json()["markets"]
            if is_wanted_shard(market["exchange_index"])
            and Decimal(market["yes_bid_dollars"]) >= Decimal("0.10")
            and Decimal(market["yes_ask_dollars"]) < 1
        ]
        ticker: str = max(markets, key=lambda market: Decimal(market["volume_fp"]))["ticker"]
        return ticker

    def wait_for_lists(self) -> None:
        """Ask until the account's lists show what was done before this call."""
        since = self._lists_as_of() + timedelta(seconds=1)  # they lag by less than a second
        while self._lists_as_of() < since:
            pass

    def _lists_as_of(self) -> datetime:
        answer = requests.get(f"{self.url}/exchange/user_data_timestamp", timeout=5)
        return datetime.fromisoformat(answer.json()["as_of_time"].replace("Z", "+00:00"))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A simulator as a process of its own. Whatever proxy this machine uses, loopback goes through none."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "simulator",
            "--port",
            "0",
            "--programs",
            "60",
            "--key-file",
            str(tmp_path / "key.pem"),
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed, told = "", dict[str, str]()
        while "SIM_KEYFILE" not in told:
            line = process.stdout.readline()
            assert line, printed
            printed += line
            name, _, value = line.strip().partition("=")
            told[name] = value
        yield Served(told["SIM_URL"], told["SIM_KEYID"], Path(told["SIM_KEYFILE"]))
    finally:
        process.kill()
        process.communicate()


def test_pykalshi_can_read_quote_amend_and_cancel(served: Served) -> None:
    pykalshi = pytest.importorskip("pykalshi")
    ticker = served.liquid_market(lambda shard: shard == 0)
    with pykalshi.KalshiClient(served.key_id, str(served.key_file), served.url, max_retries=0) as client:
        portfolio = client.portfolio

        def listed(status: Any) -> list[Any]:
            orders = portfolio.get_orders(status=status, ticker=ticker, limit=1000)
            return [order for order in orders if order.client_order_id == "of-pykalshi"]

        assert portfolio.get_balance().balance > 0

        order = portfolio.place_order(
            ticker,
            book_side=pykalshi.BookSide.BID,
            price_dollars=FAR,
            count_fp="2.00",
            post_only=True,
            client_order_id="of-pykalshi",
        )
        assert (order.status, order.remaining_count_fp) == (pykalshi.OrderStatus.RESTING, "2.00")
        (seen,) = listed(pykalshi.OrderStatus.RESTING)
        assert seen.order_id == order.order_id
        assert (seen.is_bid, seen.yes_price_dollars, seen.remaining_count_fp) == (True, FAR, "2.00")

        market = client.get_market(ticker)
        assert market.status is pykalshi.MarketStatus.ACTIVE
        book = market.get_orderbook()
        assert Decimal(dict(book.orderbook.yes_dollars)[FAR]) >= 2, "our own bid is in the book"
        assert Decimal(book.best_yes_bid) < Decimal(book.best_yes_ask)

        seen.amend(price_dollars=LESS_FAR, count_fp="3.00")
        (amended,) = listed(pykalshi.OrderStatus.RESTING)
        assert amended.order_id == order.order_id
        assert (amended.yes_price_dollars, amended.remaining_count_fp) == (LESS_FAR, "3.00")

        assert portfolio.cancel_order(order.order_id).status is pykalshi.OrderStatus.CANCELED
        served.wait_for_lists()
        assert not listed(pykalshi.OrderStatus.RESTING)
        assert [gone.order_id for gone in listed(pykalshi.OrderStatus.CANCELED)] == [order.order_id]
        with pytest.raises(pykalshi.ResourceNotFoundError):
            portfolio.cancel_order(order.order_id)


def test_the_exchanges_own_sdk_can_read_quote_amend_and_cancel(served: Served) -> None:
    kalshi = pytest.importorskip("kalshi_python_sync", minversion="3.34.0")
    ticker = served.liquid_market(lambda shard: shard != 0)
    configuration = kalshi.Configuration(host=served.url)
    configuration.api_key_id = served.key_id
    configuration.private_key_pem = served.key_file.read_text()
    client = kalshi.KalshiClient(configuration)

    def listed(status: str) -> list[Any]:
        orders = client.get_orders(status=status, ticker=ticker, limit=1000).orders
        return [order for order in orders if order.client_order_id == "of-the-sdk"]

    balance = client.get_balance()
    assert Decimal(balance.balance_dollars) > 0
    (market,) = client.get_markets(tickers=ticker).markets
    assert (market.ticker, market.status) == (ticker, "active")
    (of_many,) = client.get_market_orderbooks([ticker]).orderbooks
    best = max(Decimal(price) for price, _ in of_many.orderbook_fp.yes_dollars)
    assert Decimal(LESS_FAR) < best, "our bid is far from the touch"

    terms = {"ticker": ticker, "side": "bid"}
    placed = client.create_order_v2(
        **terms,
        price=FAR,
        count="2.00",
        time_in_force="good_till_canceled",
        self_trade_prevention_type="taker_at_cross",
        post_only=True,
        client_order_id="of-the-sdk",
    )
    assert (placed.fill_count, placed.remaining_count) == ("0.00", "2.00")
    (seen,) = listed("resting")
    assert seen.order_id == placed.order_id
    assert (seen.book_side, seen.yes_price_dollars, seen.remaining_count_fp) == ("bid", FAR, "2.00")

    book = client.get_market_orderbook(ticker).orderbook_fp
    assert Decimal(dict(book.yes_dollars)[FAR]) >= 2, "our own bid is in the book"
    assert book.no_dollars

    amended = client.amend_order_v2(placed.order_id, **terms, price=LESS_FAR, count="3.00")
    assert amended.order_id == placed.order_id
    (seen,) = listed("resting")
    assert (seen.yes_price_dollars, seen.remaining_count_fp) == (LESS_FAR, "3.00")

    canceled = client.cancel_order_v2(placed.order_id, market_ticker=ticker)
    assert canceled.reduced_by == "3.00"
    served.wait_for_lists()
    assert not listed("resting")
    assert [gone.order_id for gone in listed("canceled")] == [placed.order_id]
    with pytest.raises(kalshi.exceptions.NotFoundException):
        client.cancel_order_v2(placed.order_id, market_ticker=ticker)
