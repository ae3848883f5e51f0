"""What the loop says of itself: a line a cycle, and what is new, so that a night's log can be read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.decision import Decision
from bot.log_events import Announcements, CycleReport, Event, trading_today
from execution.outcome import Outcome
from execution.plan import Plan
from incentive import Board
from ledger.entries import AccountMark, CycleRecord
from rewards.skips import Reason, Skip
from risk.gate import Limits, TradingState
from runtime import log_format
from selection.ranking import Selection
from tests.support.bench import STILL, Bench, MakeBench, fill_quote
from tests.support.builders import NOW, program
from tests.support.documented_log import LONGEST_CYCLE

D = Decimal


@dataclass(frozen=True)
class Chosen:
    """What a market is told to earn."""

    per_day: float
    payable: Decimal

    @property
    def estimate(self) -> Any:
        return SimpleNamespace(dollars_per_day=self.per_day, payable=self.payable)


def report(
    number: int = 1,
    markets: int = 2,
    kept: int = 4,
    risk: str = "1.22",
    tied_up: str = "1.88",
    earns: Iterable[Chosen] = (Chosen(0.67, D(0)),),
    mark: AccountMark | None = None,
    at: datetime = NOW,
    some_unread: bool = False,
) -> CycleReport:
    """A cycle of so many markets, with both sides of each quoted."""
    selection, quotes = Selection((), ()), cast(Any, tuple(earns))
    decision = Decision(selection, frozenset(), Board(at), TradingState(Limits(D(100), D(20), 60)), Plan())
    outcome = Outcome(risks={"KXA-1": D(risk)}, tied_up=D(tied_up))
    record = CycleRecord(at, 0.6, 12, markets, 2 * markets)
    mark = mark or AccountMark(at, D(1), D(0), D(-1), 0.1, D(-1))
    return CycleReport(number, record, kept, some_unread, decision, outcome, quotes, mark)


def lines(told: Iterable[Event]) -> list[list[str]]:
    """Events as they stand in the log, each with its details."""
    return [str(log_format.entry(NOW, one[0], one[1], *one[2:])).splitlines() for one in told]


def cycle(announcements: Announcements, done: CycleReport) -> list[str]:
    (event,) = lines(announcements.cycle(done, done.record.began + timedelta(minutes=1)))
    return event


# -- a line a cycle ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("money", ["0.0001", "-0.0521", "-9.9999", "1234.5678", "-9999.9999"])
def test_the_line_of_a_cycle_fits_in_200_characters(money: str) -> None:
    """With a hundred markets and large sums: on its first day, with a cycle a second, and in its second year."""
    for number, before in ((86_400, D(money)), (1_051_200, D(0))):
        mark = AccountMark(NOW, D(1), D(0), D(money) + before, abs(float(money)), D(money))
        told = cycle(Announcements(), report(number, 100, 200, risk=money.lstrip("-") + "99", mark=mark))
        assert len(told[0]) <= LONGEST_CYCLE, told[0]
        assert "Orders: 200 (200 kept)" in told[0]


def test_orders_that_could_not_be_read_are_told_as_such() -> None:
    """They may rest, and no figure counts them."""
    told = cycle(Announcements(), report(kept=0, some_unread=True))
    assert "Orders: 4 (0 kept, some unread) |" in told[0]


def test_a_cycles_details_come_when_they_change_and_hourly() -> None:
    """Sums that hardly move are not told again for an hour."""
    announcements = Announcements()
    told = [len(cycle(announcements, report(at=NOW)))]
    for minute in range(1, 122):
        slightly = str(D("1.88") + D(minute % 3) / 100)
        told.append(len(cycle(announcements, report(tied_up=slightly, at=NOW + timedelta(minutes=minute)))))
    assert [minute for minute, count in enumerate(told) if count > 1] == [0, 60, 120]


@pytest.mark.parametrize(
    "changed",
    [
        {"markets": 1}, {"risk": "1.50"}, {"risk": "0"}, {"tied_up": "1.60"}, {"earns": (Chosen(0.80, D(0)),)},
        {"earns": (Chosen(0.67, D("1.20")),)}, {"earns": ()},
    ],
)  # fmt: skip
def test_each_change_of_a_cycles_details_is_told_at_once(changed: dict[str, Any]) -> None:
    announcements = Announcements()
    cycle(announcements, report())
    assert len(cycle(announcements, report())) == 1
    assert len(cycle(announcements, report(**changed))) == 3
    assert len(cycle(announcements, report(**changed))) == 1, "and once"


def test_in_detail_everything_is_told_every_time() -> None:
    announcements = Announcements(detail=True)
    assert [len(cycle(announcements, report())) for _ in range(3)] == [3, 3, 3]
    told = [lines(announcements.board(board("KXA-1", "KXB-1"))) for _ in range(2)]
    assert told[0] == told[1]


def test_what_the_day_had_brought_before_the_bot_stands_beside() -> None:
    mark = AccountMark(NOW, D(1), D(0), D("-0.3410"), 0.0, D("-0.0521"))
    assert trading_today(mark) == "-$0.0521 (-$0.2889 before the bot)"
    assert trading_today(mark._replace(own_profit=D("-0.3410"))) == "-$0.3410"
    assert trading_today(mark._replace(day_profit=None, own_profit=None)) == "not known"


# -- skips -----------------------------------------------------------------------------------------------------


def board(*tickers: str, reason: Reason = Reason.MAX_CAPITAL, number: str = "$1") -> Board:
    skipped = tuple(Skip(ticker, reason, "Ties up", number) for ticker in tickers)
    programs = tuple(program(ticker=ticker) for ticker in tickers)
    return Board(NOW, programs=programs, selection=Selection((), skipped))


def skips(announcements: Announcements, seen: Board) -> list[str]:
    return [str(one[1]["Ticker"]) for one in announcements.board(seen) if one[0] == "SKIP MARKET"]  # type: ignore[index]


def test_a_skip_is_told_again_only_when_its_reason_changes() -> None:
    """Another number, or another place among the next best, is no news; a market that went and came back is."""
    announcements = Announcements()
    assert skips(announcements, board("KXA-1", "KXB-1")) == ["KXA-1", "KXB-1"]
    assert skips(announcements, board("KXB-1", "KXA-1", number="$2")) == []
    assert skips(announcements, board("KXA-1", "KXC-1")) == ["KXC-1"]
    assert skips(announcements, board("KXA-1", "KXB-1", reason=Reason.CASH)) == ["KXA-1", "KXB-1"]
    assert skips(announcements, board("KXB-1")) == ["KXB-1"], "its reason is another again"
    assert skips(announcements, board("KXA-1")) == ["KXA-1"], "it was not listed meanwhile"


def test_a_market_that_loses_its_slot_is_explained_anew(bench: Bench) -> None:
    """A market that was skipped, then quoted, then skipped again."""
    announcements = Announcements()
    bench.bot.start_trading()
    selection = bench.board().selection
    ticker = selection.chosen[0].ticker
    seen = board(ticker)
    assert skips(announcements, seen) == [ticker]
    list(announcements.selection(selection))
    assert skips(announcements, seen) == [ticker]


def test_the_counts_of_reasons_are_told_when_they_change() -> None:
    announcements = Announcements()

    def counts(seen: Board) -> int:
        return sum("Worth a slot" in one[1] for one in announcements.board(seen))

    assert [counts(board("KXA-1")), counts(board("KXA-1")), counts(board("KXA-1", "KXB-1"))] == [1, 0, 1]


@pytest.mark.parametrize(("detail", "told"), [(False, [1, 0, 1, 0, 1, 0]), (True, [1, 1, 1, 0, 1, 1])])
def test_an_empty_board_is_told_once_until_it_has_programs(detail: bool, told: list[int]) -> None:
    """And again if it empties again. With `detail`, at each scan."""
    announcements = Announcements(detail)
    some = board("KXA-1")
    seen = [
        [fields["Board"] for _, fields, *_ in announcements.board(each) if "Board" in fields]
        for each in (Board(NOW), Board(NOW), some, some, Board(NOW), Board(NOW))
    ]
    assert [len(lines) for lines in seen] == told
    assert "looks again at each scan" in seen[0][0]
    assert "listed again" in seen[2][0]


# -- a whole hour ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_quiet_hour_of_two_markets_is_at_most_100_lines(make_bench: MakeBench, seed: int) -> None:
    """Indented lines counted; the hour after the start. In detail it is several times as long."""
    found = {}
    for detail in (False, True):
        bench = make_bench(seed=seed, LOG_DETAIL=detail, **STILL)
        bench.run(cycles=2)
        before = len(bench.log.splitlines())
        bench.run(cycles=60)
        hour = bench.log.splitlines()[before:]
        assert len([line for line in hour if "[CYCLE]" in line]) == 60
        assert "[ERROR]" not in "".join(hour)
        found[detail] = len(hour)
    assert found[False] <= 100
    assert found[True] > 3 * found[False]


def test_a_cycle_says_how_many_orders_were_kept(make_bench: MakeBench) -> None:
    """All of them where nothing happens, without a line for each; one less where one was filled."""
    bench = make_bench(**STILL)
    bench.run(cycles=3)
    assert re.findall(r"Orders: 4 \((\d) kept\)", bench.log) == ["0", "4", "4"]
    assert bench.events("KEEP ORDER") == []
    fill_quote(bench)
    bench.run(cycles=1)
    assert re.findall(r"Orders: (\d) \((\d) kept\)", bench.log)[-1] == ("3", "3")
    detailed = make_bench(LOG_DETAIL=True, **STILL)
    detailed.run(cycles=2)
    assert len(detailed.events("KEEP ORDER")) == 4


def test_a_process_that_slept_says_how_long_and_looks_at_once(make_bench: MakeBench) -> None:
    """Nothing is made up for, and no wait follows before the next cycle."""
    bench = make_bench(who=())
    clock, waits = bench.exchange.clock, []
    sleep = clock.sleep

    def suspended(seconds: float) -> float | None:
        if seconds <= 10:  # the second look at a position
            return sleep(seconds)
        waits.append(seconds)
        if len(waits) == 1:
            clock.advance(20 + 5_400)  # twenty seconds into the wait, an hour and a half long
            return 5_400.0
        raise KeyboardInterrupt

    clock.sleep = suspended  # type: ignore[assignment, method-assign]
    assert bench.bot.run() == 0
    (line,) = [line for line in bench.events("INFO") if "Awake again" in line]
    assert "did not run for 90.0 min (suspended, or the machine slept); the next cycle begins at once" in line
    assert "Number: 2 " in bench.log.partition("Awake again")[2]
    (second,) = [line for line in bench.events("CYCLE") if "Number: 2 " in line]
    assert second[:16] == line[:16], "in the same minute"
