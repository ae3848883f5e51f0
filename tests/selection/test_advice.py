"""The advice at start: a person whose settings earn nothing is told once what would, and it must be true."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from bot.settings import AUTO
from exchange.reserves import FreeCash
from rewards.estimate import Candidate
from rewards.skips import Reason
from risk.exposure import remaining_headroom
from selection.ranking import broken_limit
from simulator.listing import DAY
from simulator.people import NOISE, RIVALS
from tests.support.bench import Bench, MakeBench

pytestmark = pytest.mark.slow


def advice(bench: Bench) -> str:
    """What the log says of it, empty where it says nothing. At most once."""
    found = [line.partition("Advice: ")[2] for line in bench.events("INFO") if "Advice: " in line]
    assert len(found) <= 1
    return found[0] if found else ""


def named(told: str) -> tuple[int, str, Decimal, Decimal]:
    """Size, market, dollars paid, dollars tied up."""
    found = re.search(
        r"the smallest size that is paid today is ([\d,]+) contracts \((\S+): \$([\d.]+) by the windows' ends, "
        r"and it ties up \$([\d.]+);",
        told,
    )
    assert found, told
    return int(found[1].replace(",", "")), found[2], Decimal(found[3]), Decimal(found[4])


def paid_at(make_bench: MakeBench, size: int, **changed: object) -> list[Candidate]:
    """What would be paid at a size in any market, within the limits, as the bot itself decides: with as many slots
    as there are markets, and fills for nothing."""
    many = {"TRADE_TICKER_SIZE": 1, "FILL_COST": 0} | changed
    bench = make_bench(TRADE_SIZE=size, **many)
    found = []
    bench.bot.start_trading()
    board = bench.board()
    limits = Decimal(str(many.get("MAX_CAPITAL", 100))), Decimal(str(many.get("MAX_EVENT_LOSS", 20)))
    empty = remaining_headroom(limits, FreeCash(bench.client.get_balance().total), (), ())
    for candidate in (*board.selection.chosen, *board.selection.runners_up):
        if candidate.conservative.payable > 0 and broken_limit(candidate, empty) is None:
            found.append(candidate)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("who", [(), (NOISE, RIVALS)], ids=["nobody trades", "people trade"])
def test_the_size_that_the_advice_names_is_the_smallest_paid(
    make_bench: MakeBench, seed: int, who: tuple[str, ...]
) -> None:
    """The size that the log names is paid, and one contract less is not. The payment and the cash tied up are
    as told."""
    bench = make_bench(seed=seed, who=who, TRADE_SIZE=1)
    bench.bot.start_trading()
    smallest, ticker, payable, tied_up = named(advice(bench))
    assert "at TRADE_SIZE = 1 the best market would pay $0." in advice(bench)
    assert smallest > 1
    there = {c.ticker: c for c in paid_at(make_bench, smallest, seed=seed, who=who)}
    assert there[ticker].estimate.payable == pytest.approx(payable, abs=Decimal("0.02"))
    assert there[ticker].collateral == pytest.approx(tied_up, abs=Decimal("0.01"))
    if "more than it earns" in advice(bench):
        assert there[ticker].incentive.market.volume_a_day(there[ticker].at) > 0
        assert paid_at(make_bench, smallest - 1, seed=seed, who=who) == []
    else:
        less = paid_at(make_bench, smallest - 1, seed=seed, who=who, FILL_COST=0.03)
        assert [candidate for candidate in less if candidate.conservative.net_per_day > 0] == []


def test_a_size_that_is_named_stays_within_the_limits(make_bench: MakeBench) -> None:
    """The first thing a person does is to set it."""
    bench = make_bench(who=(), MAX_CAPITAL=6, MAX_EVENT_LOSS=4)
    bench.bot.start_trading()
    smallest, ticker, _, tied_up = named(advice(bench))
    assert tied_up <= 6
    taken = make_bench(
        who=(), TRADE_SIZE=smallest, MAX_CAPITAL=6, MAX_EVENT_LOSS=4, ONLY=(ticker,), FILL_COST=0
    ).bot.start_trading()
    assert taken is not None
    assert [c.ticker for c in taken.chosen if c.conservative.payable] == [ticker]


def test_where_the_limits_bear_no_paid_size_that_is_said(make_bench: MakeBench) -> None:
    bench = make_bench(who=(), MAX_CAPITAL=2, MAX_EVENT_LOSS=1)
    bench.bot.start_trading()
    within = "no size is paid today within MAX_CAPITAL, MAX_EVENT_LOSS and the other limits"
    told, _, beyond = advice(bench).partition(". With larger limits ")
    assert told.endswith(within)
    assert named(beyond)[3] > 2


def test_nothing_is_advised_where_the_settings_are_paid(make_bench: MakeBench) -> None:
    for size in (20, AUTO):
        bench = make_bench(who=(), TRADE_SIZE=size, FILL_COST=0)
        choice = bench.bot.start_trading()
        assert choice is not None
        assert any(candidate.conservative.payable for candidate in choice.chosen)
        assert advice(bench) == ""


def test_the_advice_names_the_setting_that_leaves_out_markets(
    make_bench: MakeBench,
) -> None:
    """If markets would be paid but a setting leaves them out, the log names the setting and their number."""
    bench = make_bench(past=DAY, TRADE_SIZE=20, FILL_COST=1)
    bench.bot.start_trading()
    left = sum(skip.reason is Reason.FILL_COST for skip in bench.board().selection.skipped)
    assert left
    assert f"but the markets that would be paid are skipped: FILL_COST {left}" in advice(bench)


def test_auto_that_funds_nothing_says_so(make_bench: MakeBench) -> None:
    bench = make_bench(who=(), TRADE_SIZE=AUTO, MAX_CAPITAL=1)
    bench.bot.start_trading()
    assert bench.resting() == []
    assert advice(bench).startswith("AUTO quotes nothing: no market would pay $1.50 a window")


def test_a_board_on_which_nothing_can_be_quoted_is_told_as_such(make_bench: MakeBench) -> None:
    bench = make_bench(who=(), ONLY=("KXODD-*-EMPTY",))
    bench.bot.start_trading()
    assert advice(bench).startswith("nothing can be quoted with these settings: ONLY 44, NO_REFERENCE 1")
    assert advice(bench).endswith("To change: more patterns in ONLY, or ONLY = () for all")


def test_advice_is_given_at_the_start_and_not_at_every_scan(bench: Bench) -> None:
    bench.bot.start_trading()
    assert advice(bench)
    for _ in range(3):
        bench.pass_time(600)
        bench.bot.scan_board()
    assert advice(bench), "and once"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"ONLY": ("KXNOWHERE*",)}, r"^no listed market matches KXNOWHERE\* in ONLY; nothing can be quoted: of"),
        (
            {"OVERRIDES": {"KXNOWHERE*": {"TRADE_SIZE": 2}, "KXODD*": {"TRADE_SIZE": 2}}},
            r"^no listed market matches KXNOWHERE\* in OVERRIDES; at TRADE_SIZE = ",
        ),
        ({"ONLY": ("KXNOWHERE*",)}, r"such as KX\S+, ONLY = KXNOWHERE\* leaves none.*ONLY = \(\) for all"),
        ({"AVOID": ("*",)}, r"nothing can be quoted .*: AVOID \d+.*To change: fewer patterns in AVOID"),
        ({"MIN_HOURS_TO_CLOSE": 8_000}, r"MIN_HOURS_TO_CLOSE \d+.*To change: .*a smaller MIN_HOURS_TO_CLOSE"),
        ({"INCENTIVE_SIZE": 0}, r"INCENTIVE_SIZE \d+.*To change: .*a larger INCENTIVE_SIZE, or None"),
        ({"TRADE_DELTA": 0.90}, r"To change: .*a smaller TRADE_DELTA"),
        ({"MIN_REWARD": 10_000}, r"^nothing can be quoted .*MIN_REWARD \d+.*To change: a smaller MIN_REWARD"),
        ({"MIN_REWARD": 10_000, "TRADE_SIZE": AUTO}, r"AUTO quotes nothing: .* \$10,000.00 a window \(MIN_"),
        ({"MAX_CAPITAL": 0.05}, r"no size is paid today within MAX_CAPITAL"),
        ({"TRADE_SIZE": 50, "FILL_COST": 1}, r"are skipped: FILL_COST \d+.* To change: a smaller FILL_COST"),
        ({"TRADE_SIZE": AUTO, "ONLY": ("KXNOWHERE*",)}, r"nothing can be quoted: of .* ONLY = KXNOWHERE\*"),
        ({"TRADE_SIZE": AUTO, "MIN_HOURS_TO_CLOSE": 8_000}, r"To change: .*a smaller MIN_HOURS_TO_CLOSE"),
    ],
)  # fmt: skip
def test_settings_that_leave_nothing_say_what_to_change(
    make_bench: MakeBench, changed: dict[str, object], told: str
) -> None:
    """In the first cycle, once."""
    bench = make_bench(who=(), **changed)
    bench.run(cycles=2)
    assert re.search(told, advice(bench)), advice(bench)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"OVERRIDES": {"*": {"TRADE_SIZE": 2}}, "TRADE_SIZE": 50},
            r'^at TRADE_SIZE = 2 the best market \(it takes "\*" of OVERRIDES\) would pay \$[\d.]+ a window,',
        ),
        (
            {"OVERRIDES": {"*": {"TRADE_SIZE": 2}}, "TRADE_SIZE": 50},
            r'the smallest size that is paid today is \d+ contracts \(KX\S+, it takes "\*" of OVERRIDES: \$',
        ),
        ({"OVERRIDES": {"KXN*": {"TRADE_SIZE": 2}}}, r"; at TRADE_SIZE = 1 the best market would.*\(KX[^ ,]+: \$"),
        ({"OVERRIDES": {"*": {"INCENTIVE_SIZE": 0}}}, r"a larger INCENTIVE_SIZE, or None \(also in OVERRIDES\)"),
        (
            {"OVERRIDES": {"*": {"MIN_REWARD": 9_000}}, "TRADE_SIZE": AUTO},
            r"AUTO quotes nothing: no market would pay \$1.50 to \$9,000.00 a window \(MIN_REWARD\)",
        ),
        ({"OVERRIDES": {"KXN*": {"MIN_REWARD": 9}}, "INCENTIVE_SIZE": 0}, r"larger INCENTIVE_SIZE, or None(;|$)"),
    ],
)  # fmt: skip
def test_advice_names_the_entry_whose_settings_it_is_about(
    make_bench: MakeBench, changed: dict[str, object], told: str
) -> None:
    """The general size is not what these markets are quoted with, so changing it would change nothing."""
    bench = make_bench(who=(), **changed)
    bench.bot.start_trading()
    assert re.search(told, advice(bench)), advice(bench)


def test_the_size_that_is_named_pays_by_its_markets_fill_cost(make_bench: MakeBench) -> None:
    for written in ({}, {"*": {"FILL_COST": 0}}):
        bench = make_bench(past=DAY, FILL_COST=1, OVERRIDES=written)
        bench.bot.start_trading()
        assert ("more than it earns" in advice(bench)) is not bool(written)


def test_a_pattern_that_matches_nothing_is_told_in_any_case(make_bench: MakeBench) -> None:
    bench = make_bench(who=(), ONLY=("KXAAA*", "KXLOWW*", "kxhigh*"))
    bench.run(cycles=1)
    assert advice(bench).startswith("no listed market matches KXLOWW* in ONLY; at TRADE_SIZE = 1 the best market")
