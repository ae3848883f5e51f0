"""What a cycle sees of its orders: only fills that an order group stopped keep a shard from being quoted."""

from __future__ import annotations

import pytest

from bot.observation import early_cancels
from exchange.models import ExchangeStatus, MarketStatus
from tests.support.builders import ledger_order, market

OPEN = ExchangeStatus(True, {0: True, 3: True}, None)
GONE = [ledger_order(ended=10)._replace(ticker="KXA-1")]


def test_orders_that_somebody_canceled_are_told_by_shard() -> None:
    (told,) = early_cancels(GONE, {"KXA-1": market(ticker="KXA-1", shard=3)}, OPEN).items()
    assert told[0] == 3
    assert "KXA-1" in told[1]


@pytest.mark.parametrize("status", [one for one in MarketStatus if one is not MarketStatus.ACTIVE])
def test_orders_that_went_with_their_market_pause_no_shard(status: MarketStatus) -> None:
    ended = market(ticker="KXA-1")._replace(status=status)
    assert early_cancels(GONE, {"KXA-1": ended}, OPEN) == {}


def test_orders_in_a_market_that_was_not_read_pause_no_shard() -> None:
    """It settled while nobody looked. The other markets of shard 0 would stand still for it."""
    assert early_cancels(GONE, {}, OPEN) == {}


def test_orders_that_went_with_a_pause_are_the_pauses() -> None:
    paused = OPEN._replace(trading_by_shard={0: False})
    assert early_cancels(GONE, {"KXA-1": market(ticker="KXA-1")}, paused) == {}
