"""The report's figures by UTC day, market and series, from a ledger's facts.

Promise:
- Pure. Nothing is counted twice or made to look better than it is.
- Paid and expected rewards are separate. An expected reward never counts as paid.
- The trading result has everything that fills, fees, settlements and prices brought, to the last digit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import NamedTuple

from exchange.account import Fill
from exchange.orderbook import ONE_DOLLAR, Side
from ledger.cash_reconciliation import ExplainedSpan
from ledger.daily_pnl import midnight
from ledger.entries import AccruedSeconds
from ledger.markouts import POINTS, SETTLEMENT, MarkoutPoint
from report.facts import ReportFacts
from report.number_format import dollars, percent, plural
from report.pnl import attribute_pnl
from report.reward_payments import Rewards, SeriesReward, Unexplained, Window, WindowState, match_rewards

_NOTHING, _CENT = Decimal(0), Decimal("0.01")
_DAY = 86_400.0
_FIRST_DAY = timedelta(days=1)

EARLIER_LEDGER = "(earlier ledger)"
"""In place of a market: what the bot's orders brought on the first day before this ledger was begun."""


class Result(NamedTuple):
    """A result in dollars, by source.

    Rewards: `credited` came as cash. `expected` is the estimate of ended windows that may still be paid. `running`
    is what windows that have not ended would pay by now.

    Trading: `spread` was earned by fills better than the mid price of the last book before them. `exits` was given
    away by selling at once, `fees` were charged; both are positive. `moves` is the rest: the effect of price
    changes on positions.
    """

    credited: Decimal = _NOTHING
    expected: Decimal = _NOTHING
    running: Decimal = _NOTHING
    spread: Decimal = _NOTHING
    exits: Decimal = _NOTHING
    fees: Decimal = _NOTHING
    moves: Decimal = _NOTHING

    def __add__(self, other: object) -> Result:
        if not isinstance(other, Result):
            return NotImplemented
        return Result(*(mine + yours for mine, yours in zip(self, other, strict=True)))

    @property
    def trading(self) -> Decimal:
        """Fills, fees and settlements, with positions valued at the best bids."""
        return self.spread - self.exits - self.fees + self.moves

    @property
    def net(self) -> Decimal:
        """Trading plus credited rewards."""
        return self.trading + self.credited

    @property
    def net_if_paid(self) -> Decimal:
        """`net` plus all estimates, as if they were paid."""
        return self.net + self.expected + self.running


class Row(NamedTuple):
    """The figures of a UTC day (`name` like 2026-11-22), a market, a series, or all.

    `capital`: dollars that orders and positions tied up, times days. `contracts` and `fills` are the account's.
    """

    name: str
    money: Result = Result()
    seconds: AccruedSeconds = AccruedSeconds()
    fills: int = 0
    contracts: Decimal = _NOTHING
    capital: float = 0.0

    @property
    def per_dollar(self) -> float | None:
        """Net dollars per dollar of capital and day. None if no capital was tied up."""
        return float(self.money.net) / self.capital if self.capital else None


class Markout(NamedTuple):
    """The value of filled quotes at a `point`, minus the price they were filled at.

    `dollars`: the total over `fills` and `contracts`. `age`: median seconds from the fill to the price at the
    point, negative if that price came first. `missing`: fills whose price is not known, or not yet.
    """

    point: str
    fills: int
    contracts: Decimal
    dollars: Decimal
    age: float
    missing: int

    @property
    def cents(self) -> float:
        """Cents per contract."""
        return float(self.dollars / self.contracts * 100) if self.contracts else 0.0


class Cash(NamedTuple):
    """The reconciliation of the cash, in dollars, including the collateral of orders.

    The cash went from `first` at `since` to `last` at `until`. `traded`: moved by trading and settlements.
    `paid_in`: deposits and transfers, less withdrawals. `credited`: counted as rewards. `unexplained`: the rest.
    """

    since: datetime
    until: datetime
    first: Decimal
    last: Decimal
    traded: Decimal
    paid_in: Decimal
    credited: Decimal
    unexplained: Decimal


class Accuracy(NamedTuple):
    """Estimates and payments, in dollars, of windows that were paid separately."""

    windows: int
    estimated: Decimal
    credited: Decimal

    @property
    def off(self) -> float:
        """The estimates' error, as a fraction of the payments. Positive: too high."""
        return float(self.estimated / self.credited) - 1


class Hour(NamedTuple):
    """Cumulative dollars at a time, since the report's beginning.

    `credited`: rewards. `trading`: the result after fees. `fees`: positive.
    """

    at: datetime
    credited: Decimal
    trading: Decimal
    fees: Decimal


@dataclass(frozen=True)
class Report:
    """The whole report.

    Lists with a time are oldest first. The others have the best net first. `cash` is None if it was never read.
    `of_series`: credited rewards whose windows are uncertain. `hours` is empty if the report is longer than a day.
    `before_bot`: the trading result of the UTC day on which the ledger was begun, up to that time. It counts in no
    other figure.
    """

    ledger: str
    exchange: str
    since: datetime
    until: datetime
    sessions: int
    total: Row
    days: Sequence[Row]
    markets: Sequence[Row]
    series: Sequence[Row]
    windows: Sequence[Window]
    markouts: Sequence[Markout]
    cash: Cash | None
    unexplained: Sequence[Unexplained]
    accuracy: Accuracy | None
    of_series: Sequence[SeriesReward] = ()
    hours: Sequence[Hour] = ()
    before_bot: Decimal = _NOTHING


# -- from a ledger's facts ---------------------------------------------------------------------------------------


def build_report(facts: ReportFacts, since: date | None = None) -> Report:
    """Build the report from a ledger's facts, from the day `since` on if it is given."""
    accrued = _accrued_by_program(facts)
    by_program = {name: sum(days.values(), start=AccruedSeconds()) for name, days in accrued.items()}
    rewards = match_rewards(
        facts.programs, by_program, facts.cash_spans, facts.cash_flows, facts.until, facts.payouts
    )
    start = max(facts.begun, midnight(since)) if since else facts.begun
    cells = {key: row for key, row in _cells(facts, accrued, rewards).items() if key[0] >= start.date()}
    quotes = [fill for fill in _fills(facts) if fill.time >= start and not fill.is_taker]
    told = [window for window in rewards.windows if window.end >= start]
    of_series = [one for one in rewards.of_series if one.until >= start]
    total = _summed("all", cells.values())
    days = sorted(_grouped(cells, lambda day, _: day.isoformat()), key=lambda row: row.name)
    return Report(
        ledger=facts.ledger,
        exchange=facts.exchange,
        since=start,
        until=facts.until,
        sessions=facts.sessions,
        total=total,
        days=days,
        markets=_by_net(_grouped(cells, lambda _, ticker: ticker)),
        series=_by_net(_grouped(cells, lambda _, ticker: ticker.partition("-")[0])),
        windows=told,
        of_series=of_series,
        markouts=[_markout(facts, name, quotes) for name in (*POINTS, SETTLEMENT)],
        cash=_cash([span for span in facts.cash_spans if span.until >= start], rewards),
        unexplained=[one for one in rewards.unexplained if one.until >= start],
        accuracy=_accuracy(told),
        hours=_hours(facts, start, days, _came(told, of_series), total.money),
        before_bot=facts.before_bot if start == facts.begun else _NOTHING,
    )


_Cells = Mapping[tuple[date, str], Row]
_Earned = Mapping[str, Mapping[date, AccruedSeconds]]


def _accrued_by_program(facts: ReportFacts) -> _Earned:
    """The accrued seconds of both sides, by program and UTC day."""
    found: dict[str, dict[date, AccruedSeconds]] = defaultdict(lambda: defaultdict(AccruedSeconds))
    for key, seconds in facts.seconds.items():
        found[key.program_id][key.day] += seconds
    return found


def _cells(facts: ReportFacts, accrued: _Earned, rewards: Rewards) -> _Cells:
    """The figures of each UTC day in each market.

    A reward whose window is uncertain counts on the day that it came, for a market with the series' name."""
    found: dict[tuple[date, str], list[Row]] = defaultdict(list)
    for key, seconds in facts.seconds.items():
        found[key.day, key.ticker].append(Row("", seconds=seconds))
    for (day, ticker), dollar_seconds in facts.capital.items():
        found[day, ticker].append(Row("", capital=dollar_seconds / _DAY))
    for fill in _fills(facts):
        found[fill.time.date(), fill.ticker].append(Row("", fills=1, contracts=fill.count))
    traded = attribute_pnl(
        facts.begun.date(), facts.opening, facts.changes, facts.days, facts.prices, facts.markouts
    )  # fmt: skip
    for cell, parts in traded.items():
        found[cell].append(Row("", Result(**parts._asdict())))
    if facts.carried:
        found[facts.begun.date(), EARLIER_LEDGER].append(Row("", Result(moves=facts.carried)))
    for one in rewards.of_series:
        found[one.until.date(), one.series].append(Row("", Result(credited=one.amount)))
    for window in rewards.windows:
        for day, money in _by_day(accrued[window.program_id], window).items():
            found[day, window.ticker].append(Row("", money))
    return {cell: _summed("", rows) for cell, rows in found.items()}


def _fills(facts: ReportFacts) -> list[Fill]:
    return [one for one in facts.changes if isinstance(one, Fill)]


def _by_day(accrued: Mapping[date, AccruedSeconds], window: Window) -> Mapping[date, Result]:
    """Split a window's reward, to the cent, over the days that earned it."""
    if window.state is WindowState.CREDITED and window.credit:
        whole, kind = window.credit, "credited"
    elif window.state in (WindowState.EXPECTED, WindowState.RUNNING):
        whole, kind = window.estimate, window.state.value
    else:
        return {}
    if not whole:  # there may be no seconds to divide by
        return {}
    days = sorted(accrued)
    total = sum(accrued[day].at_most for day in days)
    later = [(whole * Decimal(accrued[day].at_most / total)).quantize(_CENT) for day in days[1:]]
    parts = [whole - sum(later, start=_NOTHING), *later]
    return {day: Result(**{kind: part}) for day, part in zip(days, parts, strict=True)}


def _summed(name: str, rows: Iterable[Row]) -> Row:
    rows = list(rows)
    return Row(
        name,
        sum((row.money for row in rows), start=Result()),
        sum((row.seconds for row in rows), start=AccruedSeconds()),
        sum(row.fills for row in rows),
        sum((row.contracts for row in rows), start=_NOTHING),
        sum(row.capital for row in rows),
    )


def _grouped(cells: _Cells, name: Callable[[date, str], str]) -> list[Row]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for cell, row in cells.items():
        groups[name(*cell)].append(row)
    return [_summed(name, rows) for name, rows in groups.items()]


def _by_net(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-row.money.net, -row.money.net_if_paid, row.name))


def _came(windows: Iterable[Window], of_series: Iterable[SeriesReward]) -> list[tuple[datetime, Decimal]]:
    """When each credited reward came, and its dollars."""
    paid = [(one.credited, one.credit) for one in windows if one.credited and one.credit]
    return [*paid, *((one.until, one.amount) for one in of_series)]


def _hours(
    facts: ReportFacts,
    start: datetime,
    days: Sequence[Row],
    paid: Sequence[tuple[datetime, Decimal]],
    end: Result,
) -> list[Hour]:
    """The hourly points of a report of one day or less.

    `paid`: when rewards came, and their dollars. Trading is as of the last cycle before each hour. The last
    point is the report's `end`.
    """
    if facts.until - start > _FIRST_DAY or not days:
        return []
    fills = [fill for fill in _fills(facts) if fill.time >= start]
    found: list[Hour] = []
    hour = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while hour < facts.until:
        mark = next((one for one in reversed(facts.marks) if one.at <= hour and one.own_profit is not None), None)
        if mark is not None and mark.own_profit is not None and mark.at >= start:
            earlier = (day.money.trading for day in days if day.name < mark.at.date().isoformat())
            found.append(
                Hour(
                    hour,
                    sum((credit for at, credit in paid if at <= hour), start=_NOTHING),
                    sum(earlier, start=mark.own_profit),
                    sum((fill.fee for fill in fills if fill.time <= mark.at), start=_NOTHING),
                )
            )
        hour += timedelta(hours=1)
    return [*found, Hour(facts.until, end.credited, end.trading, end.fees)]


def before_bot_text(report: Report) -> str:
    """Describe the first day's result from before the ledger was begun."""
    return (
        f"{report.since:%Y-%m-%d}: before the bot began, trading made {dollars(report.before_bot)}, "
        "which is not included"
    )


def why_none_credited(report: Report) -> str:
    """Say why no reward was credited."""
    count = Counter(window.state for window in report.windows)
    told = [
        (WindowState.RUNNING, "still running"),
        (WindowState.EXPECTED, "ended less than 3 days ago and not paid yet"),
        (WindowState.BELOW_FLOOR, "ended below the $1.00 floor"),
        (WindowState.IN_DOUBT, "perhaps paid by cash that could be several windows'"),
        (WindowState.NOTHING_CAME, "ended more than 3 days ago and nothing came"),
    ]
    if not report.windows:
        return "no order rested in a reward window"
    found = [f"{plural(count[state], 'window')} {words}" for state, words in told if count[state]]
    unseen = "" if report.cash else "; cash has not been read yet"
    return ", ".join(found) + unseen


def uncertain_text(report: Report) -> Sequence[str]:
    """How much of all that was credited came for uncertain windows, by series."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for one in report.of_series:
        found[one.series] += one.amount
    credited = report.total.money.credited
    return [
        f"{dollars(amount)} of it ({percent(float(amount / credited))}) came from {series}, for windows that "
        "cannot be told apart"
        for series, amount in sorted(found.items())
        if credited
    ]


# -- markouts, cash, accuracy ------------------------------------------------------------------------------------


def _markout(facts: ReportFacts, name: str, fills: Iterable[Fill]) -> Markout:
    known: list[tuple[Fill, Decimal, float]] = []
    missing = 0
    for fill in fills:
        at, worth = _worth(facts, name, fill)
        if at is None or worth is None:
            missing += 1
        else:
            known.append((fill, worth, (at - fill.time).total_seconds()))
    return Markout(
        name,
        len(known),
        sum((fill.count for fill, _, _ in known), start=_NOTHING),
        sum(((worth - fill.price) * fill.count for fill, worth, _ in known), start=_NOTHING),
        median([age for _, _, age in known]) if known else 0.0,
        missing,
    )


def _worth(facts: ReportFacts, name: str, fill: Fill) -> tuple[datetime | None, Decimal | None]:
    """The time and dollar value of a contract at a point. None if not known."""
    if name != SETTLEMENT:
        seen = facts.markouts.get(MarkoutPoint(fill.fill_id, name))
        return (seen.at, seen.mid_price(fill.side)) if seen else (None, None)
    outcome = facts.outcomes.get(fill.ticker)
    if outcome is None:
        return None, None
    return outcome.at, outcome.yes_payout if fill.side is Side.YES else ONE_DOLLAR - outcome.yes_payout


def _cash(spans: Sequence[ExplainedSpan], rewards: Rewards) -> Cash | None:
    """Reconcile the cash since the balance was last read in another way."""
    if not spans:
        return None
    spans = spans[max((place for place, span in enumerate(spans) if span.reread), default=0) :]
    first, last = spans[0].first, spans[-1].last
    since = spans[0].since
    came = _came(rewards.windows, rewards.of_series)
    credited = sum((amount for at, amount in came if at > since), start=_NOTHING)
    return Cash(
        since,
        spans[-1].until,
        first.cash,
        last.cash,
        last.traded - first.traded,
        last.paid - first.paid,
        credited,
        last.level - first.level - credited,
    )


def _accuracy(windows: Iterable[Window]) -> Accuracy | None:
    paid = [(window.estimate, window.credit) for window in windows if window.credit and window.together == 1]
    if not paid:
        return None
    return Accuracy(
        len(paid),
        sum((estimate for estimate, _ in paid), start=_NOTHING),
        sum((credit for _, credit in paid), start=_NOTHING),
    )
