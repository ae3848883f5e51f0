"""The public tape: a busy market costs no other its trades, no page loses or doubles one, and none is slow."""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import Any, SupportsIndex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.api.listing_forms import trade_id
from simulator.listing import TRADES_KEPT, ListedMarket, PublicTrade
from tests.support.small_exchange import NOW, SPORTS, Desk, M, listed, open_desk

QUIET = "KXQ-26-T1"


@pytest.fixture
def desk() -> Desk:
    return open_desk()


def trade(desk: Desk, ticker: str = M, size: int = 100) -> PublicTrade:
    """Two of the crowd trade with each other."""
    market = desk.exchange.markets[ticker]
    desk.exchange.crowd_rest(market, False, 6_000, size)
    desk.exchange.crowd_take(market, True, 6_000, size)
    return market.trades[-1]


def names(desk: Desk, trades: list[PublicTrade]) -> list[str]:
    return [trade_id(desk.exchange, one.number) for one in trades]


def shown(desk: Desk, query: str, limit: int = 1_000) -> list[str]:
    """The ids on all pages of a list of trades."""
    return [row["trade_id"] for page in desk.pages(f"/markets/trades?{query}", "trades", limit) for row in page]


def test_a_market_keeps_its_trades_for_two_days(desk: Desk) -> None:
    """However much is traded elsewhere, and until a trade of its own comes later than that."""
    listed(desk.exchange, QUIET)
    early, late = trade(desk, QUIET), None
    for _ in range(3):
        for _ in range(400):
            late = trade(desk)
        desk.wait(TRADES_KEPT / 3)
        assert shown(desk, f"ticker={QUIET}") == names(desk, [early])
    assert desk.exchange.now - early.time == TRADES_KEPT
    second = trade(desk, QUIET)
    assert shown(desk, f"ticker={QUIET}") == names(desk, [second, early]), "two days old, and not older"
    desk.wait(1)
    assert shown(desk, f"ticker={QUIET}") == names(desk, [second, early])
    third = trade(desk, QUIET)
    assert shown(desk, f"ticker={QUIET}") == names(desk, [third, second])
    assert late is not None
    assert shown(desk, f"ticker={M}")[0] == trade_id(desk.exchange, late.number)


def test_a_market_that_is_not_listed_shows_no_trades(desk: Desk) -> None:
    trade(desk)
    assert desk.look("/markets/trades?ticker=KXNONE") == {"trades": [], "cursor": ""}


MOMENTS = st.lists(st.tuples(st.sampled_from([M, QUIET, SPORTS]), st.sampled_from([0.0, 0.0, 0.25, 1.0, 7.5])))
BOUNDS = st.none() | st.integers(-2, 40)


@settings(max_examples=40)
@given(MOMENTS, BOUNDS, BOUNDS, st.sampled_from(["", M, QUIET]), st.integers(1, 5))
def test_pages_show_each_trade_that_was_asked_for_once(
    moments: list[tuple[str, float]], low: int | None, high: int | None, ticker: str, limit: int
) -> None:
    """Newest first, whether of one market or of all. The trades of the second that `max_ts` names count."""
    desk = open_desk()
    for name in (QUIET, SPORTS):
        listed(desk.exchange, name)
    past = list(chain.from_iterable(market.trades for market in desk.exchange.markets.values()))
    made = sorted(past, key=lambda one: one.number)
    for name, pause in moments:
        desk.wait(pause)
        made.append(trade(desk, name))
    wanted = [
        one
        for one in reversed(made)
        if (low is None or one.time >= NOW + low)
        and (high is None or one.time < NOW + high + 1)
        and ticker in ("", one.ticker)
    ]
    bounds = {"ticker": ticker, "min_ts": low, "max_ts": high}
    query = "&".join(
        f"{name}={int(NOW) + value if isinstance(value, int) else value}"
        for name, value in bounds.items()
        if value not in (None, "")
    )
    assert shown(desk, query, limit) == names(desk, wanted)
    assert shown(desk, query) == names(desk, wanted)
    assert shown(desk, f"{query}&is_block_trade=false") == names(desk, wanted)
    assert shown(desk, f"{query}&is_block_trade=true") == []


class Counted(deque[PublicTrade]):
    """Trades that count how many of them are looked at."""

    looks = 0

    def __getitem__(self, place: SupportsIndex) -> PublicTrade:  # type: ignore[override]
        self.looks += 1
        return super().__getitem__(place)

    def __iter__(self) -> Any:
        for place in range(len(self)):
            yield self[place]

    __reversed__ = __iter__


def busy(market: ListedMarket, count: int) -> Counted:
    """From now on the market has so many trades, one a second."""
    made = (PublicTrade(number, market.ticker, 5_000, 100, True, NOW + number) for number in range(count))
    market.trades = Counted(made)
    return market.trades


@pytest.mark.parametrize("query", [f"ticker={M}", "", f"ticker={M}&min_ts={int(NOW) + 9_000}"])
def test_a_page_of_a_busy_market_looks_at_few_trades(desk: Desk, query: str) -> None:
    """Not at all that were ever made, on the first page or on a later one."""
    trades = busy(desk.exchange.markets[M], 20_000)
    cursor = ""
    for page in range(3):
        trades.looks = 0
        answer = desk.look(f"/markets/trades?{query}&max_ts={int(NOW) + 15_000}&limit=100&cursor={cursor}")
        newest = 15_000 - 100 * page
        assert [row["trade_id"] for row in answer["trades"]] == [
            trade_id(desk.exchange, number) for number in range(newest, newest - 100, -1)
        ]
        assert trades.looks < 200
        cursor = answer["cursor"]
