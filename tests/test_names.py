"""The documented names: whoever wrote a script against the design can still import them."""

from __future__ import annotations

import inspect

import clients
import main
import market_bot
import trade
from rewards import estimate


def test_the_design_documents_names_stay_importable() -> None:
    assert market_bot.MARKET_BOT is market_bot.MarketBot
    assert estimate.INCENTIVE_PROGRAM is estimate.IncentiveProgram
    assert trade.TRADE is trade.Trade
    assert inspect.isclass(clients.KalshiHttpClient)
    assert {environment.name for environment in clients.Environment} == {"SIM", "DEMO", "PROD"}
    for method in ("start_trading", "place_order", "run", "log"):
        assert callable(getattr(market_bot.MarketBot, method))
    assert callable(main.main)
    assert market_bot.Environment is clients.Environment


def test_the_owners_six_settings_stand_at_the_top_of_market_bot() -> None:
    for name in ("TRADE_SIZE", "TRADE_DELTA", "WAIT_TIME", "EXPIRATION_TS", "TRADE_TICKER_SIZE", "INCENTIVE_SIZE"):
        assert hasattr(market_bot, name)
        assert f"\n{name} = " in inspect.getsource(market_bot).partition("class MarketBot")[0]
