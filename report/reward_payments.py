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
from ledger.cash_reconciliation import Stretch
from ledger.entries import Flow, Seconds
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


class State(Enum):
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
    state: State
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
class _Step:
    """Cash that came at once, or went, between two looks at it."""

    since: datetime
    until: datetime
    amount: Decimal
    anew: bool = False

    @property
    def cents(self) -> Decimal:
        return self.amount.quantize(_CENT, ROUND_HALF_EVEN)


@dataclass(frozen=True)
class _Due:
    """A window that may be paid: `least` (a dollar or more) to `most` dollars, rather `about` so many."""

    window: Window
    least: Decimal
    most: Decimal
    about: Decimal

    def may_come(self, step: _Step) -> bool:
        return step.since <= self.window.end + LATEST and step.until >= self.window.end + SOONEST

    def must_come(self, step: _Step) -> bool:
        return step.since <= self.window.end + SOONEST and step.until >= self.window.end + LATEST


def attribute(
    programs: Mapping[str, Program],
    seconds: Mapping[str, Seconds],
    stretches: Sequence[Stretch],
    flows: Collection[Flow],
    now: datetime,
) -> tuple[list[Window], list[Unexplained]]:
    """What became of each window, by program id, in which orders of ours rested, and the cash that remains without
    an explanation; both oldest first. `stretches` are the looks at the cash, `flows` the payments that the
    exchange lists."""
    windows = [_window(programs[name], known, now) for name, known in seconds.items() if name in programs]
    windows.sort(key=lambda window: (window.end, window.program_id))
    ended = [window for window in windows if window.end <= now]
    dues = [_due(programs[window.program_id], window, seconds[window.program_id]) for window in ended]
    payable = [due for due in dues if due.most >= rule.PAYOUT_FLOOR]
    steps = _steps(stretches)
    doubts = {step: _doubt(step, steps, flows) for step in steps}
    found = _matched([step for step in steps if not doubts[step]], payable)
    paid = {
        due.window.program_id: (step, part, len(dues))
        for step, dues in found.items()
        for due, part in zip(dues, _divided(step.cents, dues), strict=True)
    }
    watched = stretches[-1].until if stretches else None
    unexplained = [
        Unexplained(step.since, step.until, step.amount, doubts[step] or _unfit(step, payable))
        for step in steps
        if step not in found
    ]
    return [_told(window, paid.get(window.program_id), watched) for window in windows], [
        *unexplained,
        *_drift(stretches, found),
    ]


# -- windows -----------------------------------------------------------------------------------------------------


def _window(program: Program, known: Seconds, now: datetime) -> Window:
    estimate = rule.payout(known.reward, program.cap)
    state = State.RUNNING if program.end > now else State.EXPECTED
    return Window(
        program.id, program.ticker, program.start, program.end, program.reward, known.reward, known.at_most,
        estimate, state,
    )  # fmt: skip


def _due(program: Program, window: Window, known: Seconds) -> _Due:
    seen = known.present - known.unknown
    most = known.at_most * (known.present / seen if seen > 0 else 1.0)
    least = rule.payout(known.reward * (1 - BELOW), program.cap)
    about = max(rule.payout((known.reward + most) / 2, program.cap), rule.PAYOUT_FLOOR)
    return _Due(window, max(least, rule.PAYOUT_FLOOR), rule.payout(most * (1 + ABOVE), program.cap), about)


def _told(window: Window, paid: tuple[_Step, Decimal, int] | None, watched: datetime | None) -> Window:
    if paid:
        step, part, together = paid
        return window._replace(state=State.CREDITED, credit=part, credited=step.until, together=together)
    if window.state is State.RUNNING:
        return window
    if not window.estimate:
        return window._replace(state=State.BELOW_FLOOR)
    if watched and watched > window.end + LATEST:
        return window._replace(state=State.NOTHING_CAME)
    return window


# -- cash --------------------------------------------------------------------------------------------------------


def _steps(stretches: Sequence[Stretch]) -> list[_Step]:
    return [
        _Step(before.until, after.since, after.first.level - before.last.level, after.anew)
        for before, after in pairwise(stretches)
        if after.first.level != before.last.level
    ]


def _drift(stretches: Iterable[Stretch], found: Iterable[_Step]) -> Iterator[Unexplained]:
    """What came in pieces too small to be a step of their own, and what the rewards had beside whole cents."""
    stretches = list(stretches)
    drifted = sum((one.last.level - one.first.level for one in stretches), start=_NOTHING)
    drifted += sum((step.amount - step.cents for step in found), start=_NOTHING)
    if drifted:
        yield Unexplained(stretches[0].since, stretches[-1].until, drifted, "in pieces below $0.50")


def _doubt(step: _Step, steps: Iterable[_Step], flows: Iterable[Flow]) -> str:
    """Why a step is no reward, whatever was estimated; empty where it may be one."""
    if step.anew:
        return "positions that no fill explains were taken over then"
    if step.amount < 0:
        return "it went"
    if abs(step.amount - step.cents) > _WHOLE:
        return "not whole cents, as rewards are"
    if step.cents < rule.PAYOUT_FLOOR:
        return "less than the least reward, $1.00"
    if any(abs(step.amount + one.amount) <= _CENT and abs(step.until - one.until) <= _BACK for one in steps):
        return "as much went within two days"
    for flow in flows:
        if abs(step.amount - flow.amount) <= _CENT and step.since - _PAYMENT <= flow.at <= step.until + _PAYMENT:
            return f"as much as the {flow.kind} of {flow.at:%Y-%m-%d}"
    return ""


def _unfit(step: _Step, dues: Iterable[_Due]) -> str:
    near = [due for due in dues if due.may_come(step)]
    if not near:
        return "no window that could pay had ended 12 to 48 hours before"
    told = ", ".join(f"{dollars(due.least)} to {dollars(due.most)} {due.window.ticker}" for due in near[:3])
    more = f" and {len(near) - 3} more" if len(near) > 3 else ""
    return f"windows that had ended 12 to 48 hours before were to bring something else: {told}{more}"


# -- which is which ----------------------------------------------------------------------------------------------


def _matched(steps: Sequence[_Step], dues: Sequence[_Due]) -> dict[_Step, list[_Due]]:
    """The windows that each step pays: as many steps as can be for one window each, what is left for a few
    together. A step that no such set explains is left out."""
    found = {step: [due] for step, due in _singles(steps, dues).items()}
    taken = {id(due) for several in found.values() for due in several}
    for step in steps:
        if step not in found:
            free = [due for due in dues if id(due) not in taken and due.may_come(step)]
            several = _several(step, free)
            if several:
                found[step] = several
                taken |= set(map(id, several))
    return found


def _singles(steps: Sequence[_Step], dues: Sequence[_Due]) -> dict[_Step, _Due]:
    """A largest set of pairs of a step and a window that it can have paid, alone (augmenting paths)."""
    fits = {
        step: sorted(
            (
                place
                for place, due in enumerate(dues)
                if due.may_come(step) and due.least <= step.cents <= due.most
            ),
            key=lambda place: abs(dues[place].about - step.cents) / dues[place].about,
        )
        for step in steps
    }
    payer: dict[int, _Step] = {}

    def place_one(step: _Step, tried: set[int]) -> bool:
        for place in fits[step]:
            if place not in tried:
                tried.add(place)
                if place not in payer or place_one(payer[place], tried):
                    payer[place] = step
                    return True
        return False

    for step in steps:
        place_one(step, set())
    return {step: dues[place] for place, step in payer.items()}


def _several(step: _Step, free: Sequence[_Due]) -> list[_Due]:
    """The fewest windows, all that must have come in it among them, whose sum a step can be; none where there is
    no such set."""
    sure = [due for due in free if due.must_come(step)]
    perhaps = [due for due in free if not due.must_come(step)][:_MOST_TRIED]
    for more in range(_TOGETHER + 1):
        sets = [[*sure, *some] for some in combinations(perhaps, more)]
        fitting = [dues for dues in sets if _total_fits(step, dues)]
        if fitting:
            return min(fitting, key=lambda dues: abs(sum(due.about for due in dues) - step.cents))
    return []


def _total_fits(step: _Step, dues: Sequence[_Due]) -> bool:
    least = sum((due.least for due in dues), start=_NOTHING)
    return bool(dues) and least <= step.cents <= sum((due.most for due in dues), start=_NOTHING)


def _divided(cents: Decimal, dues: Sequence[_Due]) -> list[Decimal]:
    """A sum, divided in whole cents as it was expected."""
    whole = sum((due.about for due in dues), start=_NOTHING)
    parts = [(cents * due.about / whole).quantize(_CENT) for due in dues[:-1]]
    return [*parts, cents - sum(parts, start=_NOTHING)]
