"""The bot with real money on boards that pay little: it waits instead of giving away fills."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from clients import Environment
from rewards.skips import Reason
from simulator.listing import DAY
from tests.support.bench import Bench, MakeBench
from tests.support.boards import quoted, skipped

STILL: dict[str, Any] = {"who": (), "TRADE_SIZE": 20, "MAX_CAPITAL": 500, "MAX_EVENT_LOSS": 200, "SCAN_TIME": 120}


def real_money(bench: Bench, **changed: Any) -> Bench:
    bench.confirm = lambda _: True
    bench.restart(env=Environment.PROD, **changed)
    return bench


def advice(bench: Bench) -> list[str]:
    return [line.partition("Advice: ")[2] for line in bench.events("INFO") if "] Advice: " in line]


def scale_rewards(bench: Bench, factor: float, *tickers: str) -> None:
    """The exchange changes what programs pay, by default all."""
    for program in bench.exchange.api.exchange.programs:
        if not tickers or program.ticker in tickers:
            program.reward = max(int(program.reward * factor), 1)


@pytest.mark.parametrize("changed", [
    {"TRADE_SIZE": 1}, {"TRADE_SIZE": 1, "EXIT": "REST"}, {"TRADE_SIZE": "AUTO", "MAX_CAPITAL": 0.5},
    {"TRADE_SIZE": 20, "FILL_COST": 1, "who": None, "past": DAY}, {"TRADE_SIZE": 1, "MIN_REWARD": 1},
])  # fmt: skip
def test_settings_that_earn_nothing_rest_no_order(make_bench: MakeBench, changed: dict[str, Any]) -> None:
    """A size that is not paid, money that is too little, fills that cost more than they bring. The bot says what
    to change, once, and keeps running."""
    changed = dict(STILL | changed)
    if changed["who"] is None:
        del changed["who"]
    prod = real_money(make_bench(**changed))
    prod.run(cycles=6)
    assert prod.bot.incentive_program.quoted == frozenset()
    assert quoted(prod) <= set(prod.held()), "an exit of REST may rest"
    assert len(prod.events("CYCLE")) == 6
    assert prod.events("ERROR") == []
    (told,) = advice(prod)
    assert "no market is worth a slot" in told or "AUTO quotes nothing" in told
    if "FILL_COST" in changed:
        assert "a smaller FILL_COST" in told
    else:
        assert "the smallest size that is paid today is" in told
    assert ("With larger limits" in told) == ("MAX_CAPITAL" in told and changed["MAX_CAPITAL"] == 0.5)
    why = {Reason.REWARD_FLOOR, Reason.FILL_COST, Reason.MIN_REWARD}
    assert why & {skip.reason for skip in skipped(prod).values()}
    assert any(f"Reason: {reason.value} | " in prod.log for reason in why)


def test_the_log_names_a_size_that_then_is_quoted(make_bench: MakeBench) -> None:
    """A person who does what the log says has a bot that earns."""
    first = real_money(make_bench(**STILL | {"TRADE_SIZE": 1}))
    first.run(cycles=1)
    found = re.search(r"the smallest size that is paid today is ([\d,]+) contracts \((\S+):", advice(first)[0])
    assert found
    second = real_money(make_bench(**STILL | {"TRADE_SIZE": int(found[1].replace(",", ""))}))
    second.run(cycles=1)
    assert found[2] in quoted(second)
    third = real_money(make_bench(**STILL | {"TRADE_SIZE": int(found[1].replace(",", "")) - 1}))
    third.run(cycles=1)
    assert quoted(third) == set()


@pytest.mark.parametrize(("size", "slots"), [(20, 12), ("AUTO", 7)])
def test_each_slot_is_expected_to_pay(make_bench: MakeBench, size: object, slots: int) -> None:
    """More slots than markets that pay: the others stay empty."""
    bench = real_money(make_bench(**STILL | {"TRADE_SIZE": size, "TRADE_TICKER_SIZE": slots, "MAX_CAPITAL": 60}))
    bench.run(cycles=2)
    traded = bench.bot.incentive_program.traded
    assert 0 < len(traded) < slots
    assert quoted(bench) == set(traded)
    assert all(one.conservative.payable > 0 and one.conservative.net_per_day > 0 for one in traded.values())
    assert "it will be paid $0.00" not in bench.log


@pytest.mark.parametrize("size", [20, "AUTO"])
def test_a_quoted_market_that_pays_no_longer_loses_its_slot(make_bench: MakeBench, size: object) -> None:
    """Its orders are canceled with the reason, the bot says that nothing is left and what to change, and it quotes
    again when the exchange pays again."""
    bench = real_money(make_bench(**STILL | {"TRADE_SIZE": size}))
    bench.run(cycles=2)
    before = quoted(bench)
    assert len(before) == 2
    scale_rewards(bench, 0.001)
    bench.run(cycles=6)
    assert quoted(bench) == set()
    canceled = [line for line in bench.events("CANCEL ORDER") if "Reason: NOT_CHOSEN" in line]
    assert len(canceled) >= 2
    assert all("REWARD_FLOOR" in line for line in canceled)
    (told,) = advice(bench)
    assert "no market is worth a slot, so nothing is quoted now" in told or "AUTO quotes nothing" in told
    scale_rewards(bench, 1_000)
    bench.run(cycles=6)
    assert quoted(bench) == before
    assert len(advice(bench)) == 1
    assert bench.events("ERROR") == []


def test_a_market_just_short_of_a_dollar_keeps_its_orders(make_bench: MakeBench) -> None:
    """The reward falls until the quoted market would be paid $0.95 by the doubled rivals: its orders stay where
    they are. At $0.70 they go."""
    bench = real_money(make_bench(**STILL | {"TRADE_TICKER_SIZE": 1}))
    bench.run(cycles=2)
    (one,) = bench.bot.incentive_program.traded.values()
    left = 1.0
    for window, stays in ((0.95, True), (0.70, False)):
        accrued = sum(bench.bot.session.bookkeeper.accrued_by_program().values())
        factor = (window - accrued) / one.conservative.window
        scale_rewards(bench, factor / left)
        left = factor
        others = [p.ticker for p in bench.exchange.api.exchange.programs if p.ticker != one.ticker]
        scale_rewards(bench, 0.0001, *others)
        bench.run(cycles=4)
        assert (quoted(bench) == {one.ticker}) is stays, window


def test_what_pays_takes_the_slot_of_what_no_longer_does(make_bench: MakeBench) -> None:
    bench = real_money(make_bench(**STILL | {"TRADE_TICKER_SIZE": 1}))
    bench.run(cycles=2)
    (first,) = quoted(bench)
    scale_rewards(bench, 0.001, first)
    bench.run(cycles=6)
    assert len(quoted(bench)) == 1
    assert quoted(bench) != {first}
    assert advice(bench) == []


def test_without_real_money_a_free_slot_is_for_watching(make_bench: MakeBench) -> None:
    for environment in (Environment.SIM, Environment.DEMO):
        bench = make_bench(**STILL | {"TRADE_SIZE": 1})
        bench.restart(env=environment, trade_size=Decimal(1))
        bench.run(cycles=2)
        assert len(quoted(bench)) == 2
        assert "it will be paid $0.00" in bench.log
