"""Which cash was a reward.

Promise:
- Pure.
- Cash counts as a window's reward only if it came 1 hour to 3 days after the window's end, about matches the
  estimate, and nothing else explains it as well.
- Cash that only one series can have paid, by one of several windows, counts as that series' reward.
- All other unexplained cash stays unexplained.

The exchange never says what it paid for liquidity. Practitioners report that a payment is in whole cents, is $1.00
or more, comes without a label within three days, and for all markets of an event in one instant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from exchange import models
from exchange.models import Program
from ledger.cash_reconciliation import ExplainedSpan
from ledger.entries import AccruedSeconds, CashFlow
from ledger.payouts import LATEST, SOONEST, PayoutTimes
from report.number_format import dollars
from report.payment_search import TOGETHER, Found, Payment, Step, search
from rewards import rule_2026_07_30 as rule

BELOW, ABOVE = 0.10, 0.25
"""Fractions by which a payment may miss the estimates, because the books between two looks are not seen.

It may be below the estimate by the worse look around each second by `BELOW`, and above the one by the better look
by `ABOVE`. Unknown seconds may have been worth as much as the others."""

NEVER_ASKED: Mapping[str, PayoutTimes] = MappingProxyType({})

_CENT = Decimal("0.01")
_WHOLE = Decimal("0.002")
_NOTHING = Decimal(0)
_BACK = timedelta(days=2)
_PAYMENT = timedelta(days=7)
_NAMED = 3


class WindowState(Enum):
    """The outcome of a window.

    `IN_DOUBT`: some cash was its reward or another window's. `BELOW_FLOOR`: it would have paid $0.00."""

    RUNNING = "running"
    EXPECTED = "expected"
    CREDITED = "credited"
    IN_DOUBT = "perhaps paid"
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


class SeriesReward(NamedTuple):
    """A reward of a series whose window is uncertain. It came between two readings.

    `why`: which windows it could be of.
    """

    series: str
    since: datetime
    until: datetime
    amount: Decimal
    why: str


class Unexplained(NamedTuple):
    """Unexplained cash that came (below 0: went) between two readings.

    `why`: the reason that it does not count as a reward.
    """

    since: datetime
    until: datetime
    amount: Decimal
    why: str


class Rewards(NamedTuple):
    """All rewards, and the cash that stays unexplained, each oldest first."""

    windows: list[Window]
    of_series: list[SeriesReward]
    unexplained: list[Unexplained]


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


class _Expected(NamedTuple):
    """A window that may be paid from `least` ($1.00 or more) to `most` cents.

    `about`: the likeliest amount. `sure`: it is $1.00 or more by every estimate. `likely`: by their mean.
    """

    window: Window
    least: int
    most: int
    about: int
    sure: bool
    likely: bool


def match_rewards(
    programs: Mapping[str, Program],
    seconds: Mapping[str, AccruedSeconds],
    spans: Sequence[ExplainedSpan],
    cash_flows: Collection[CashFlow],
    now: datetime,
    payouts: Mapping[str, PayoutTimes] = NEVER_ASKED,
) -> Rewards:
    """Match cash to the windows in which the bot's orders rested.

    `programs`, `seconds` and `payouts` (whether it was seen paid out) are by program id. `spans`: the readings of
    the cash. `cash_flows`: the payments that the exchange lists."""
    windows = [_window(programs[name], known, now) for name, known in seconds.items() if name in programs]
    windows.sort(key=lambda window: (window.end, window.program_id))
    dues = {
        window.program_id: _expected(programs[window.program_id], window, seconds[window.program_id])
        for window in windows
        if window.end <= now
    }
    jumps = _cash_jumps(spans)
    went = [jump for jump in jumps if jump.amount < 0]
    doubts = {jump: _doubt(jump, went, cash_flows) for jump in jumps}
    steps = {Step(jump.since, jump.until, int(jump.cents * 100)): jump for jump in jumps}
    payable = [expected for expected in dues.values() if expected.most >= rule.payout_cents(1.0)]
    watched = (spans[0].since, spans[-1].until) if spans else (now, now)
    found = _explain({step: doubts[jump] for step, jump in steps.items()}, payable, payouts, watched)
    matched = _Matched(dues, steps, found)
    unexplained = [
        Unexplained(jump.since, jump.until, jump.amount, doubts[jump] or _unfit(step, found.get(step), payable))
        for step, jump in steps.items()
        if step not in matched.counted
    ]
    counted = [steps[step] for step in matched.counted]
    return Rewards(
        [matched.told(window, watched[1] if spans else None) for window in windows],
        matched.of_series,
        [*sorted([*unexplained, *matched.left]), *_drift(spans, counted)],
    )


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
    floor = rule.payout_cents(1.0)
    least = rule.payout_cents(known.reward * (1 - BELOW), program.cap)
    about = rule.payout_cents((known.reward + most) / 2, program.cap)
    highest = rule.payout_cents(most * (1 + ABOVE), program.cap)
    return _Expected(window, max(least, floor), highest, max(about, floor), least > 0, about > 0)


class _Matched:
    """What was found, as dollars of windows and series."""

    def __init__(
        self, dues: Mapping[str, _Expected], steps: Mapping[Step, _CashJump], found: Mapping[Step, Found]
    ) -> None:
        self.counted: list[Step] = []
        self.of_series: list[SeriesReward] = []
        self.left: list[Unexplained] = []
        self._paid: dict[str, tuple[_CashJump, Decimal, int]] = {}
        self._of_series: set[str] = set()
        self._perhaps: set[str] = set()
        for step, jump in steps.items():
            one = found.get(step)
            if one is None:
                continue
            possible = {name for payment in one.possible for name in payment.names}
            self._perhaps |= possible
            if not one.common and not one.series:
                continue
            self.counted.append(step)
            named = [dues[name] for payment in one.common for name in payment.names]
            cents = step.cents
            if not one.is_whole and not one.series:  # only what is theirs in any case
                cents = max(cents - one.rest_most, sum(payment.least for payment in one.common))
            rest = (one.rest_least, one.rest_most) if one.series else None
            chosen, parts, left = _divided(cents, named, rest)
            for expected, part in zip(chosen, parts, strict=True):
                self._paid[expected.window.program_id] = jump, _in_dollars(part), len(chosen) + (not one.is_whole)
            why = f"it could be {_named(one.possible)}, and nothing tells which"
            if one.series:
                self._of_series |= possible
                self.of_series.append(SeriesReward(one.series, jump.since, jump.until, _in_dollars(left), why))
            elif cents < step.cents:
                came = _in_dollars(step.cents - cents)
                self.left.append(Unexplained(jump.since, jump.until, came, f"the rest of a sum: {why}"))

    def told(self, window: Window, watched: datetime | None) -> Window:
        """A window with its outcome. `watched`: the last reading of the cash."""
        name = window.program_id
        if name in self._paid:
            jump, part, together = self._paid[name]
            return window._replace(state=WindowState.CREDITED, credit=part, credited=jump.until, together=together)
        if window.state is WindowState.RUNNING:
            return window
        if not window.estimate:
            return window._replace(state=WindowState.BELOW_FLOOR)
        is_over = watched is not None and watched > window.end + LATEST
        if name in self._of_series or (is_over and name in self._perhaps):
            return window._replace(state=WindowState.IN_DOUBT)
        return window._replace(state=WindowState.NOTHING_CAME) if is_over else window


def _in_dollars(cents: int) -> Decimal:
    return (Decimal(cents) / 100).quantize(_CENT)


def _divided(
    cents: int, expectations: Sequence[_Expected], rest: tuple[int, int] | None
) -> tuple[list[_Expected], list[int], int]:
    """Split a sum among windows, each within its bounds, by what was expected.

    `rest`: the bounds of what is not theirs. Returns the windows that were paid, without those that are rather
    below the floor, their cents, and the rest."""
    chosen = sorted(expectations, key=lambda one: (not one.sure, not one.likely, -one.about))
    low, high = rest or (0, 0)

    def fits(several: Sequence[_Expected]) -> bool:
        return sum(one.least for one in several) + low <= cents <= sum(one.most for one in several) + high

    kept = [one for one in chosen if one.sure or one.likely]
    sizes = sorted(range(len(chosen) + 1), key=lambda size: abs(size - len(kept)))
    kept = next((chosen[:size] for size in sizes if (size or rest) and fits(chosen[:size])), chosen)
    bounds = [(one.least, one.about, one.most) for one in kept]
    if rest:
        bounds.append((low, (low + high) // 2, high))
    over = cents - sum(about for _, about, _ in bounds)
    room = [most - about if over > 0 else about - least for least, about, most in bounds]
    parts = [
        about + (over * free // sum(room) if sum(room) else 0)
        for (_, about, _), free in zip(bounds, room, strict=True)
    ]
    for place in sorted(range(len(parts)), key=lambda n: -room[n]):
        most_left = cents - sum(parts)
        parts[place] += min(most_left, max(bounds[place][2] - parts[place], 0))
    left = parts.pop() if rest else 0
    return kept, parts, left


# -- search ------------------------------------------------------------------------------------------------------


def _explain(
    steps: Mapping[Step, str],
    payable: Sequence[_Expected],
    payouts: Mapping[str, PayoutTimes],
    watched: tuple[datetime, datetime],
) -> dict[Step, Found]:
    """Search for the windows that each step without a doubt may have paid.

    First whole events, as of the time that they were paid out if that was seen; round amounts after the others;
    then whole events at any time, and at last single windows."""
    events: dict[tuple[str, datetime], list[_Expected]] = defaultdict(list)
    for expected in payable:
        events[event_of(expected.window.ticker), expected.window.end].append(expected)
    whole = [_payment(several, payouts) for several in events.values()]
    single = [_payment([expected], payouts) for several in events.values() for expected in several]
    found: dict[Step, Found] = {}
    for payments, is_round, late, together in (
        (whole, False, False, TOGETHER),
        (whole, True, False, TOGETHER),
        (whole, False, True, TOGETHER),
        (single, False, True, 1),
    ):
        taken = {name for one in found.values() for payment in one.common for name in payment.names}
        claimed = {name for one in found.values() for payment in one.possible for name in payment.names}
        left = [step for step in steps if step not in found]
        tried = [step for step in left if not steps[step] and step.is_round == is_round]
        free = [payment for payment in payments if taken.isdisjoint(payment.names)]
        for step, one in search(left, tried, free, watched, late, together).items():
            is_free = all(claimed.isdisjoint(payment.names) for payment in one.possible)
            found[step] = one if is_free else Found((), one.possible, False)
    return found


def _payment(several: Sequence[_Expected], payouts: Mapping[str, PayoutTimes]) -> Payment:
    """The windows of one event that end together, as one payment."""
    sure = [expected.least for expected in several if expected.sure]
    times = [payouts.get(expected.window.program_id, PayoutTimes()) for expected in several]
    paid = [one.paid for one in times if one.paid]
    return Payment(
        tuple(expected.window.program_id for expected in several),
        event_of(several[0].window.ticker),
        several[0].window.end,
        sum(sure) if sure else min(expected.least for expected in several),
        sum(expected.most for expected in several),
        bool(sure),
        max((one.unpaid for one in times if one.unpaid), default=None),
        max(paid) if len(paid) == len(times) else None,
    )


def event_of(ticker: str) -> str:
    """The event that a market's ticker begins with. One without an event is its own."""
    return models.event_of(ticker) or ticker


# -- cash --------------------------------------------------------------------------------------------------------


def _cash_jumps(spans: Sequence[ExplainedSpan]) -> list[_CashJump]:
    """The steps between spans, unless the balance was read in another way from then."""
    return [
        _CashJump(before.until, after.since, after.first.level - before.last.level, after.anew)
        for before, after in pairwise(spans)
        if not after.reread and after.first.level != before.last.level
    ]


def _drift(spans: Iterable[ExplainedSpan], found: Iterable[_CashJump]) -> Iterator[Unexplained]:
    """Unexplained cash in pieces below a step, and the rewards' fractions of a cent."""
    spans = list(spans)
    drifted = sum((one.last.level - one.first.level for one in spans), start=_NOTHING)
    drifted += sum((jump.amount - jump.cents for jump in found), start=_NOTHING)
    if drifted:
        yield Unexplained(spans[0].since, spans[-1].until, drifted, "in pieces below $0.50")


def _doubt(jump: _CashJump, went: Iterable[_CashJump], cash_flows: Iterable[CashFlow]) -> str:
    """Why a step cannot be a reward, even if an estimate fits. "" if it can.

    `went`: the steps below 0."""
    if jump.anew:
        return "positions that no fill explains were taken over then"
    if jump.amount < 0:
        return "cash left the account"
    if abs(jump.amount - jump.cents) > _WHOLE:
        return "not whole cents, unlike a reward"
    if jump.cents < rule.PAYOUT_FLOOR:
        return "below the smallest reward, $1.00"
    if any(abs(jump.amount + one.amount) <= _CENT and abs(jump.until - one.until) <= _BACK for one in went):
        return "the same amount left within two days"
    for flow in cash_flows:
        if abs(jump.amount - flow.amount) <= _CENT and jump.since - _PAYMENT <= flow.at <= jump.until + _PAYMENT:
            return f"the same amount as the {flow.kind} of {flow.at:%Y-%m-%d}"
    return ""


def _unfit(step: Step, found: Found | None, payable: Sequence[_Expected]) -> str:
    """Why nothing was credited for a step."""
    if found:
        return f"it could be {_named(found.possible)}, and nothing tells which"
    near = [
        one for one in payable if step.since <= one.window.end + LATEST and step.until >= one.window.end + SOONEST
    ]
    if not near:
        return "no window that could pay had ended 1 hour to 3 days before"
    if step.is_round and any(one.least <= step.cents <= one.most for one in near):
        return "a round amount, as a referral pays, and no window was seen paid out just then"
    told = ", ".join(
        f"{dollars(_in_dollars(one.least))} to {dollars(_in_dollars(one.most))} {one.window.ticker}"
        for one in near[:_NAMED]
    )
    more = f" and {len(near) - _NAMED} more" if len(near) > _NAMED else ""
    return f"windows that had ended 1 hour to 3 days before were expected to pay other amounts: {told}{more}"


def _named(payments: Sequence[Payment]) -> str:
    """The events that a sum may be of: "A (ended 11-24 03:59) or B (ended ...)"."""
    names = [f"{payment.event} (ended {payment.end:%m-%d %H:%M})" for payment in payments[:_NAMED]]
    more = [f"{len(payments) - _NAMED} more"] if len(payments) > _NAMED else []
    return " or ".join([*names, *more])
