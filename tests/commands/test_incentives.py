"""`python main.py incentives`: what it tells must be what the bot does, or a person is led astray."""

from __future__ import annotations

import re
import sys
from decimal import Decimal

import pytest

import main
import market_bot
from bot import settings
from bot.settings import AUTO
from commands import incentives
from rewards.skips import Reason
from selection.allocation import estimate_rules_of
from simulator.listing import DAY
from tests.support.bench import Bench, MakeBench


def rules(**changed: object) -> settings.Settings:
    return market_bot.read_settings(changed)


@pytest.mark.parametrize("size", [1, 20, AUTO])
def test_the_board_shows_the_orders_that_the_bot_then_places(make_bench: MakeBench, size: object) -> None:
    bench = make_bench(TRADE_SIZE=size, FILL_COST=0)
    seen = incentives.read_view(bench.client, rules(TRADE_SIZE=size, FILL_COST=0))
    told = incentives.board_text(seen)
    choice = bench.bot.start_trading()
    assert choice is not None
    assert choice.chosen
    assert {c.ticker: c.bids for c in choice.chosen} == {c.ticker: c.bids for c in seen.board.selection.chosen}
    for candidate in choice.chosen:
        (row,) = [line for line in told.splitlines() if line.startswith(f"  {candidate.ticker} ")]
        for bid in candidate.bids:
            assert f"{bid.count} at {bid.price:.4f}" in row
        assert f"${candidate.estimate.payable:.2f}" in row


@pytest.mark.parametrize(("min_reward", "least"), [(0, 1.5), (1, 1.5), (20, 20.0)])
def test_auto_is_explained_by_the_least_window_it_decides_by(min_reward: int, least: float) -> None:
    """With MIN_REWARD above $1.50 AUTO counts no window that brings less, and `--why` must not show it as paid."""
    strategy = settings.strategy_of(rules(TRADE_SIZE=AUTO, MIN_REWARD=min_reward))
    assert strategy.estimate_rules.general.min_window == least
    assert strategy.estimate_rules.general == estimate_rules_of(strategy.rules)


def test_why_tells_whose_settings_a_market_has(make_bench: MakeBench) -> None:
    """The numbers below it are those of the entry: its size, and its cost of fills. Without entries there is no
    such line."""
    bench = make_bench(past=DAY)
    general = rules(TRADE_SIZE=5, FILL_COST=0)
    own = rules(
        TRADE_SIZE=5,
        FILL_COST=0,
        OVERRIDES={"KXNONE*": {"MIN_REWARD": 1}, "kxcpi*": {"TRADE_SIZE": 20, "FILL_COST": 0.5}},
    )
    told = {}
    for name, written in (("general", general), ("own", own)):
        seen = incentives.read_view(bench.client, written)
        told[name] = incentives.market_text(seen, "KXCPI-26DEC21-T5")
        other = incentives.market_text(seen, "KXRAINCHI-26DEC09-T2")
        assert "ours: 5 at" in other
        assert ("Settings: the general ones; no pattern of OVERRIDES matches" in other) is (name == "own")
    assert 'Settings: TRADE_SIZE 20, FILL_COST $0.5 by "kxcpi*" of OVERRIDES' in told["own"]
    assert "ours: 20 at" in told["own"]
    assert "$0.0000 of losses" not in told["own"]
    assert "ours: 5 at" in told["general"]
    assert "$0.0000 of losses" in told["general"]
    assert "Settings: " not in told["general"]


def test_looking_places_nothing(bench: Bench) -> None:
    before = {order.order_id for order in bench.resting()}
    seen = incentives.read_view(bench.client, rules())
    incentives.market_text(seen, seen.board.selection.chosen[0].ticker)
    assert {request.method for request in bench.wire.sent} == {"GET"}
    assert {order.order_id for order in bench.resting()} == before


def test_a_skipped_market_is_told_with_the_reason_of_the_log(bench: Bench) -> None:
    """The text for one market, such as one without a slot, begins with the one reason that the log gives, and
    with its number."""
    seen = incentives.read_view(bench.client, rules(TRADE_TICKER_SIZE=1))
    skipped = {skip.reason: skip for skip in seen.board.selection.skipped}
    assert len(skipped) > 5
    for reason, skip in skipped.items():
        first = incentives.market_text(seen, skip.ticker).splitlines()[0]
        assert first == f"{skip.ticker}: is not quoted. Reason: {reason.value} | {skip.label}: {skip.number}"


def test_the_numbers_behind_a_market_add_up_to_its_share(bench: Bench) -> None:
    seen = incentives.read_view(bench.client, rules(TRADE_SIZE=20, FILL_COST=0))
    (first, *_) = seen.board.selection.chosen
    told = incentives.market_text(seen, first.ticker)
    found = re.findall(r"rivals ([\d.,]+), ours ([\d.,]+); share ([\d.]+)%", told)
    shares = [Decimal(share) for _, _, share in found]
    assert len(shares) == 2 * len(first.incentive.programs)
    for (rivals, ours, _), share in zip(found, shares, strict=True):
        weighed = float(ours) / (float(rivals.replace(",", "")) + float(ours))
        assert float(share) / 100 == pytest.approx(weighed, abs=1e-4)
    assert f"${first.estimate.payable:.2f} payable" in told
    assert (
        f"net {'-' if first.conservative.net_per_day < 0 else ''}${abs(first.conservative.net_per_day):.4f}"
        in told
    )
    assert f"Ties up ${first.collateral:.4f}" in told


def test_a_market_that_misses_the_target_is_told_so(bench: Bench) -> None:
    """If the scan excluded a market because a side misses the target, the text for its ticker says so."""
    seen = incentives.read_view(bench.client, rules())
    missed = next(s for s in seen.board.selection.skipped if s.reason is Reason.TARGET_MISSED)
    assert "misses the target" in incentives.market_text(seen, missed.ticker)


def test_a_ticker_that_nobody_pays_for_is_told_so(bench: Bench) -> None:
    seen = incentives.read_view(bench.client, rules())
    assert incentives.market_text(seen, "KXNOT-THERE") == "KXNOT-THERE: has no program that is listed as active"


def test_the_bots_own_quotes_do_not_count_as_rivals(make_bench: MakeBench) -> None:
    """The view chooses the same bids as the running bot does. The money of the bot's own quotes is free to
    move."""
    bench = make_bench(TRADE_SIZE=20, FILL_COST=0)
    choice = bench.bot.start_trading()
    assert choice is not None
    seen = incentives.read_view(bench.client, rules(TRADE_SIZE=20, FILL_COST=0))
    assert {c.ticker: c.bids for c in seen.board.selection.chosen} == {c.ticker: c.bids for c in choice.chosen}
    assert seen.headroom.capital == 100
    assert seen.headroom.free_cash == bench.client.get_balance().total


def test_the_command_prints_the_board_and_one_market_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["main.py", "incentives"])
    assert main.main() == 0
    board = capsys.readouterr()
    assert "Would be quoted: 2" in board.out
    assert "Left out" in board.out
    assert board.err == "", "progress belongs to a terminal"
    ticker = re.findall(r"^  (KX[A-Z]+-\d\d[A-Z]{3}\d\d-\S+) ", board.out, re.MULTILINE)[
        0
    ]  # others name the minute
    monkeypatch.setattr(sys, "argv", ["main.py", "incentives", "--why", ticker])
    assert main.main() == 0
    assert f"\n\n{ticker}: " in capsys.readouterr().out
