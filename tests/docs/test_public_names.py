"""The documented names: a script written against the design still imports them, and they do what it says."""

from __future__ import annotations

import inspect

import pytest

import clients
import incentive
import main
import market_bot
import trade
from tests.support.bench import MakeBench


def test_the_design_documents_names_stay_importable() -> None:
    assert market_bot.MARKET_BOT is market_bot.MarketBot
    assert incentive.INCENTIVE_PROGRAM is incentive.IncentiveProgram
    assert trade.TRADE is trade.Trade
    assert inspect.isclass(clients.KalshiHttpClient)
    assert {environment.name for environment in clients.Environment} == {"SIM", "DEMO", "PROD"}
    for method in ("start_trading", "place_order", "run", "log"):
        assert callable(getattr(market_bot.MarketBot, method))
    assert callable(main.main)
    assert market_bot.Environment is clients.Environment


def test_the_tracker_loads_selects_and_keeps_what_is_traded(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    tracker = bench.bot.incentive_program
    assert type(tracker) is incentive.INCENTIVE_PROGRAM
    assert (tracker.board, tracker.traded) == (None, {})
    choice = bench.bot.start_trading()
    assert choice is not None
    assert choice.chosen
    assert tracker.board is not None
    assert {program.ticker for program in tracker.board.programs} >= set(tracker.traded)
    assert tracker.traded == {candidate.ticker: candidate for candidate in choice.chosen}
    assert {order.ticker for order in bench.resting()} == set(tracker.traded)


def test_every_incentive_quote_is_placed_by_place_order(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If place_order does nothing, no order rests. With the real place_order, orders rest in exactly the
    markets that the incentive program trades."""
    bench = make_bench(who=())
    placed = market_bot.MarketBot.place_order
    monkeypatch.setattr(market_bot.MarketBot, "place_order", lambda *_: 0)
    bench.bot.start_trading()
    assert bench.resting() == []
    monkeypatch.setattr(market_bot.MarketBot, "place_order", placed)
    bench.bot.start_trading()
    assert {order.ticker for order in bench.resting()} == set(bench.bot.incentive_program.traded)


def test_the_owners_six_settings_stand_at_the_top_of_market_bot() -> None:
    for name in ("TRADE_SIZE", "TRADE_DELTA", "WAIT_TIME", "EXPIRATION_TS", "TRADE_TICKER_SIZE", "INCENTIVE_SIZE"):
        assert hasattr(market_bot, name)
        assert f"\n{name} = " in inspect.getsource(market_bot).partition("class MarketBot")[0]
