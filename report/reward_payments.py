"""Which cash was a reward.

Promise:
- Pure.
- Cash counts as a window's reward only if it came 12 to 48 hours after the window's end and about matches the
  estimate.
- All other unexplained cash stays unexplained.

The exchange never says what it paid for liquidity. Practitioners report that a payment is in whole cents, is $1.00
or more, comes some 12 to 48 hours after the window, and has no label.
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
"""The earliest and latest arrival of a reward, after its window's end."""

BELOW, ABOVE = 0.10, 0.25
"""Fractions by which a payment may miss the estimates, because the books between two looks are not seen.

It may be below the estimate by the worse look around each second by `BELOW`, and above the one by the better look
by `ABOVE`. Unknown seconds may have been worth as much as the others."""

_TOGETHER = 4
_MOST_TRIED = 14
_CENT = Decimal("0.01")
_WHOLE = Decimal("0.002")
_NOTHING = Decimal(0)
_BACK = timedelta(days=2)
_PAYMENT = timedelta(days=7)


class WindowState(Enum):
    """The outcome of a window. `BELOW_FLOOR`: it ended and would have paid $0.00."""

    RUNNING = "running"
    EXPECTED = "expected"
    CREDITED = "credited"
    NOTHING_CAME = "nothing came"
    BELOW_FLOOR = "would have paid $0.00"


class Window(NamedTuple):
    """A program's window in which the bot's orders rested.

    `accrued` and `at_most`: dollars by the worse and by the better look around each second, before floor and cap.
    `estimate`: the payment for `accrued`. `credit`: the amount paid, at the time `credited` or shortly before.
    `together`: number of windows paid in one sum, which was split by their estimates.
    """

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
        """The estimate's error as a fraction of the payment (> 0: too high), or None."""
        return float(self.estimate / self.credit) - 1 if self.credit else None


class Unexplained(NamedTuple):
    """Unexplained cash that came (below 0: went) between two readings.

    `why`: the reason that it does not count as a reward.
    """

    since: datetime
    until: datetime
    amount: Decimal
    why: str


@dataclass(frozen=True)
class _CashJump:
    """A step in the cash between two readings. Below 0 it went."""

    since: datetime
    until: datetime
    amount: Decimal
    anew: bool = False

    @property
    def cents(self) -> Decimal:
        return self.amount.quantize(_CENT, ROUND_HALF_EVEN)


@dataclass(frozen=True)
class _Expected:
    """A window that may be paid from `least` ($1.00 or more) to `most` dollars.

    `about`: the likeliest amount.
    """

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
    """Match cash to the windows in which the bot's orders rested.

    `programs` and `seconds` are by program id. `spans`: the readings of the cash. `cash_flows`: the payments that
    the exchange lists. Returns the windows and the cash that stays unexplained, both oldest first.
    """
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
    """Unexplained cash in pieces below a step, and the rewards' fractions of a cent."""
    spans = list(spans)
    drifted = sum((one.last.level - one.first.level for one in spans), start=_NOTHING)
    drifted += sum((jump.amount - jump.cents for jump in found), start=_NOTHING)
    if drifted:
        yield Unexplained(spans[0].since, spans[-1].until, drifted, "in pieces below $0.50")


def _doubt(jump: _CashJump, jumps: Iterable[_CashJump], cash_flows: Iterable[CashFlow]) -> str:
    """Why a step cannot be a reward, even if an estimate fits. "" if it can."""
    if jump.anew:
        return "positions that no fill explains were taken over then"
    if jump.amount < 0:
        return "cash left the account"
    if abs(jump.amount - jump.cents) > _WHOLE:
        return "not whole cents, unlike a reward"
    if jump.cents < rule.PAYOUT_FLOOR:
        return "below the smallest reward, $1.00"
    if any(abs(jump.amount + one.amount) <= _CENT and abs(jump.until - one.until) <= _BACK for one in jumps):
        return "the same amount left within two days"
    for flow in cash_flows:
        if abs(jump.amount - flow.amount) <= _CENT and jump.since - _PAYMENT <= flow.at <= jump.until + _PAYMENT:
            return f"the same amount as the {flow.kind} of {flow.at:%Y-%m-%d}"
    return ""


def _unfit(jump: _CashJump, expectations: Iterable[_Expected]) -> str:
    near = [expected for expected in expectations if expected.may_come(jump)]
    if not near:
        return "no window that could pay had ended 12 to 48 hours before"
    told = ", ".join(
        f"{dollars(expected.least)} to {dollars(expected.most)} {expected.window.ticker}" for expected in near[:3]
    )
    more = f" and {len(near) - 3} more" if len(near) > 3 else ""
    return f"windows that had ended 12 to 48 hours before were expected to pay other amounts: {told}{more}"


# -- matching ----------------------------------------------------------------------------------------------------


def _matched(jumps: Sequence[_CashJump], expectations: Sequence[_Expected]) -> dict[_CashJump, list[_Expected]]:
    """The windows that each step pays.

    As many steps as possible pay one window each. The others pay a few windows together. A step without such a
    set of windows is left out.
    """
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
    """Match as many steps as possible to one fitting window each (augmenting paths)."""
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
    """The smallest set of windows whose sum fits a step.

    It includes every window that must have been paid in the step. It is empty if no set fits.
    """
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
    """Split a sum in whole cents, in proportion to what was expected."""
    whole = sum((expected.about for expected in expectations), start=_NOTHING)
    parts = [(cents * expected.about / whole).quantize(_CENT) for expected in expectations[:-1]]
    return [*parts, cents - sum(parts, start=_NOTHING)]
