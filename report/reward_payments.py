"""Which cash was a reward. Promise: pure; cash is taken for the reward of a window only where it came 12 to 48
hours after the window's end and is about what was estimated; all other cash that nothing explains stays that.

The exchange never says what it paid for liquidity. What practitioners know of a payment: whole cents, a dollar at
least, some 12 to 48 hours after the window, without a name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from itertools import combinations, pairwise
from typing import NamedTuple

from exchange.models import Program
from ledger.cash_reconciliation import ExplainedSpan
from ledger.entries import AccruedSeconds, CashFlow
from report.number_format import dollars
from rewards import rule_2026_07_30 as rule

SOONEST, LATEST = timedelta(hours=12), timedelta(hours=48)
"""A reward comes so long after its window's end."""

BELOW, ABOVE = 0.10, 0.25
"""What comes may be so much less than was counted by the worse of the looks around each second, and so much more
than by the better one: the books between two looks are not seen. Seconds of which nothing is known may have been
worth what the others were."""

_TOGETHER = 4
_MOST_TRIED = 14
_CENT = Decimal("0.01")
_WHOLE = Decimal("0.002")
_NOTHING = Decimal(0)
_BACK = timedelta(days=2)
_PAYMENT = timedelta(days=7)


class WindowState(Enum):
    """What became of a window. `BELOW_FLOOR`: it ended and would have paid $0.00."""

    RUNNING = "running"
    EXPECTED = "expected"
    CREDITED = "credited"
    NOTHING_CAME = "nothing came"
    BELOW_FLOOR = "would have paid $0.00"


class Window(NamedTuple):
    """A program's window in which orders of ours rested. `accrued` and `at_most`: dollars by the worse and by the
    better of the looks around each second, before floor and cap; `estimate`: what `accrued` would be paid.
    `credit`: what was paid, at `credited` or up to then; `together`: with so many windows in one sum, which was
    divided by their estimates."""

    program_id: str
    ticker: str
    start: datetime
    end: datetime
    pool: Decimal
    accrued: float
    at_most: float
    estimate: Decimal
    state: WindowState
    credit: Decimal | None = None
    credited: datetime | None = None
    together: int = 1

    @property
    def off(self) -> float | None:
        """By how much the estimate was too high, as a part of what was paid; None where nothing was."""
        return float(self.estimate / self.credit) - 1 if self.credit else None


class Unexplained(NamedTuple):
    """Cash that came (or went, below 0) between two looks at it, and that nothing explains; `why` it is not taken
    for a reward."""

    since: datetime
    until: datetime
    amount: Decimal
    why: str


@dataclass(frozen=True)
class _CashJump:
    """Cash that came at once, or went, between two looks at it."""

    since: datetime
    until: datetime
    amount: Decimal
    anew: bool = False

    @property
    def cents(self) -> Decimal:
        return self.amount.quantize(_CENT, ROUND_HALF_EVEN)


@dataclass(frozen=True)
class _Expected:
    """A window that may be paid: `least` (a dollar or more) to `most` dollars, rather `about` so many."""

    window: Window
    least: Decimal
    most: Decimal
    about: Decimal

    def may_come(self, jump: _CashJump) -> bool:
        return jump.since <= self.window.end + LATEST and jump.until >= self.window.end + SOONEST

    def must_come(self, jump: _CashJump) -> bool:
        return jump.since <= self.window.end + SOONEST and jump.until >= self.window.end + LATEST


def match_rewards(
    programs: Mapping[str, Program],
    seconds: Mapping[str, AccruedSeconds],
    spans: Sequence[ExplainedSpan],
    cash_flows: Collection[CashFlow],
    now: datetime,
) -> tuple[list[Window], list[Unexplained]]:
    """What became of each window, by program id, in which orders of ours rested, and the cash that remains without
    an explanation; both oldest first. `spans` are the looks at the cash, `cash_flows` the payments that the
    exchange lists."""
    windows = [_window(programs[name], known, now) for name, known in seconds.items() if name in programs]
    windows.sort(key=lambda window: (window.end, window.program_id))
    ended = [window for window in windows if window.end <= now]
    dues = [_expected(programs[window.program_id], window, seconds[window.program_id]) for window in ended]
    payable = [expected for expected in dues if expected.most >= rule.PAYOUT_FLOOR]
    jumps = _cash_jumps(spans)
    doubts = {jump: _doubt(jump, jumps, cash_flows) for jump in jumps}
    found = _matched([jump for jump in jumps if not doubts[jump]], payable)
    paid = {
        expected.window.program_id: (jump, part, len(expectations))
        for jump, expectations in found.items()
        for expected, part in zip(expectations, _divided(jump.cents, expectations), strict=True)
    }
    watched = spans[-1].until if spans else None
    unexplained = [
        Unexplained(jump.since, jump.until, jump.amount, doubts[jump] or _unfit(jump, payable))
        for jump in jumps
        if jump not in found
    ]
    return [_told(window, paid.get(window.program_id), watched) for window in windows], [
        *unexplained,
        *_drift(spans, found),
    ]


# -- windows -----------------------------------------------------------------------------------------------------


def _window(program: Program, known: AccruedSeconds, now: datetime) -> Window:
    estimate = rule.payout(known.reward, program.cap)
    state = WindowState.RUNNING if program.end > now else WindowState.EXPECTED
    return Window(
        program.id, program.ticker, program.start, program.end, program.reward, known.reward, known.at_most,
        estimate, state,
    )  # fmt: skip


def _expected(program: Program, window: Window, known: AccruedSeconds) -> _Expected:
    seen = known.present - known.unknown
    most = known.at_most * (known.present / seen if seen > 0 else 1.0)
    least = rule.payout(known.reward * (1 - BELOW), program.cap)
    about = max(rule.payout((known.reward + most) / 2, program.cap), rule.PAYOUT_FLOOR)
    return _Expected(window, max(least, rule.PAYOUT_FLOOR), rule.payout(most * (1 + ABOVE), program.cap), about)


def _told(window: Window, paid: tuple[_CashJump, Decimal, int] | None, watched: datetime | None) -> Window:
    if paid:
        jump, part, together = paid
        return window._replace(state=WindowState.CREDITED, credit=part, credited=jump.until, together=together)
    if window.state is WindowState.RUNNING:
        return window
    if not window.estimate:
        return window._replace(state=WindowState.BELOW_FLOOR)
    if watched and watched > window.end + LATEST:
        return window._replace(state=WindowState.NOTHING_CAME)
    return window


# -- cash --------------------------------------------------------------------------------------------------------


def _cash_jumps(spans: Sequence[ExplainedSpan]) -> list[_CashJump]:
    return [
        _CashJump(before.until, after.since, after.first.level - before.last.level, after.anew)
        for before, after in pairwise(spans)
        if after.first.level != before.last.level
    ]


def _drift(spans: Iterable[ExplainedSpan], found: Iterable[_CashJump]) -> Iterator[Unexplained]:
    """What came in pieces too small to be a step of their own, and what the rewards had beside whole cents."""
    spans = list(spans)
    drifted = sum((one.last.level - one.first.level for one in spans), start=_NOTHING)
    drifted += sum((jump.amount - jump.cents for jump in found), start=_NOTHING)
    if drifted:
        yield Unexplained(spans[0].since, spans[-1].until, drifted, "in pieces below $0.50")


def _doubt(jump: _CashJump, jumps: Iterable[_CashJump], cash_flows: Iterable[CashFlow]) -> str:
    """Why a step is no reward, whatever was estimated; empty where it may be one."""
    if jump.anew:
        return "positions that no fill explains were taken over then"
    if jump.amount < 0:
        return "it went"
    if abs(jump.amount - jump.cents) > _WHOLE:
        return "not whole cents, as rewards are"
    if jump.cents < rule.PAYOUT_FLOOR:
        return "less than the least reward, $1.00"
    if any(abs(jump.amount + one.amount) <= _CENT and abs(jump.until - one.until) <= _BACK for one in jumps):
        return "as much went within two days"
    for flow in cash_flows:
        if abs(jump.amount - flow.amount) <= _CENT and jump.since - _PAYMENT <= flow.at <= jump.until + _PAYMENT:
            return f"as much as the {flow.kind} of {flow.at:%Y-%m-%d}"
    return ""


def _unfit(jump: _CashJump, expectations: Iterable[_Expected]) -> str:
    near = [expected for expected in expectations if expected.may_come(jump)]
    if not near:
        return "no window that could pay had ended 12 to 48 hours before"
    told = ", ".join(
        f"{dollars(expected.least)} to {dollars(expected.most)} {expected.window.ticker}" for expected in near[:3]
    )
    more = f" and {len(near) - 3} more" if len(near) > 3 else ""
    return f"windows that had ended 12 to 48 hours before were to bring something else: {told}{more}"


# -- which is which ----------------------------------------------------------------------------------------------


def _matched(jumps: Sequence[_CashJump], expectations: Sequence[_Expected]) -> dict[_CashJump, list[_Expected]]:
    """The windows that each step pays: as many steps as can be for one window each, what is left for a few
    together. A step that no such set explains is left out."""
    found = {jump: [expected] for jump, expected in _singles(jumps, expectations).items()}
    taken = {id(expected) for several in found.values() for expected in several}
    for jump in jumps:
        if jump not in found:
            free = [expected for expected in expectations if id(expected) not in taken and expected.may_come(jump)]
            several = _several(jump, free)
            if several:
                found[jump] = several
                taken |= set(map(id, several))
    return found


def _singles(jumps: Sequence[_CashJump], expectations: Sequence[_Expected]) -> dict[_CashJump, _Expected]:
    """A largest set of pairs of a step and a window that it can have paid, alone (augmenting paths)."""
    fits = {
        jump: sorted(
            (
                place
                for place, expected in enumerate(expectations)
                if expected.may_come(jump) and expected.least <= jump.cents <= expected.most
            ),
            key=lambda place: abs(expectations[place].about - jump.cents) / expectations[place].about,
        )
        for jump in jumps
    }
    payer: dict[int, _CashJump] = {}

    def place_one(jump: _CashJump, tried: set[int]) -> bool:
        for place in fits[jump]:
            if place not in tried:
                tried.add(place)
                if place not in payer or place_one(payer[place], tried):
                    payer[place] = jump
                    return True
        return False

    for step in jumps:
        place_one(step, set())
    return {jump: expectations[place] for place, jump in payer.items()}


def _several(jump: _CashJump, free: Sequence[_Expected]) -> list[_Expected]:
    """The fewest windows, all that must have come in it among them, whose sum a step can be; none where there is
    no such set."""
    sure = [expected for expected in free if expected.must_come(jump)]
    perhaps = [expected for expected in free if not expected.must_come(jump)][:_MOST_TRIED]
    for more in range(_TOGETHER + 1):
        sets = [[*sure, *some] for some in combinations(perhaps, more)]
        fitting = [expectations for expectations in sets if _total_fits(jump, expectations)]
        if fitting:
            return min(
                fitting,
                key=lambda expectations: abs(sum(expected.about for expected in expectations) - jump.cents),
            )
    return []


def _total_fits(jump: _CashJump, expectations: Sequence[_Expected]) -> bool:
    least = sum((expected.least for expected in expectations), start=_NOTHING)
    return bool(expectations) and least <= jump.cents <= sum(
        (expected.most for expected in expectations), start=_NOTHING
    )


def _divided(cents: Decimal, expectations: Sequence[_Expected]) -> list[Decimal]:
    """A sum, divided in whole cents as it was expected."""
    whole = sum((expected.about for expected in expectations), start=_NOTHING)
    parts = [(cents * expected.about / whole).quantize(_CENT) for expected in expectations[:-1]]
    return [*parts, cents - sum(parts, start=_NOTHING)]
