"""The report as text that fits 100 columns, and as JSON.

Promise:
- A figure that adds paid and estimated amounts says so.
"""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from report.build import (
    Accuracy,
    Cash,
    Markout,
    Report,
    Result,
    Row,
    before_bot_text,
    uncertain_text,
    why_none_credited,
)
from report.number_format import DAY, HOUR, dollars, duration, error_text, minute, percent, plural
from report.reward_payments import Unexplained, Window, WindowState
from rewards import rule_dates
from runtime import console

WIDTH = 100
_NAME, _FEW = 24, 10
_LEAST_DAYS = 0.25
"""Minimum length of a report that shows a return per day: less is too little to conclude one."""


_ALSO: Mapping[type, Sequence[str]] = {
    Result: ("trading", "net", "net_if_paid"),
    Row: ("per_dollar",),
    Markout: ("cents",),
    Accuracy: ("off",),
}
"""Computed properties that the JSON has in addition to a type's fields."""


def as_json(report: Report) -> str:
    """One JSON object, its fields named as in `build.py` and `reward_payments.py`."""
    return json.dumps(console.to_json(_with_more(report)), indent=2, ensure_ascii=False)


def _with_more(value: object) -> object:
    """A value's fields and computed properties."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [_with_more(one) for one in value]
    names = getattr(value, "_fields", None) or getattr(value, "__dataclass_fields__", ())
    more = _ALSO.get(type(value), ())
    return {name: _with_more(getattr(value, name)) for name in (*names, *more)} if names else value


def text(report: Report) -> str:
    """The whole report, as tables."""
    span = f"{minute(report.since)} to {minute(report.until)} UTC"
    parts = [
        f"{report.ledger} ({report.exchange})\n{span}, {plural(report.sessions, 'session')}",
        _summary(report),
        _rows("By UTC day (a reward counts on the days that earned it)", "Day", report.days),
        _rows("By series", "Series", report.series),
        _markets(report.markets),
        _windows(report.windows, report.accuracy),
        _markouts(report.markouts),
        _cash(report.cash, report.unexplained),
        textwrap.fill(rule_dates.in_general(report.until), WIDTH),
    ]
    return "\n\n".join(parts)


# -- the parts ---------------------------------------------------------------------------------------------------


def _summary(report: Report) -> str:
    money, windows = report.total.money, report.windows
    count = Counter(window.state for window in windows)
    floor = sum(window.accrued for window in windows if window.state is WindowState.BELOW_FLOOR)
    trading = [
        ("  spread earned", money.spread, "fills better than the mid price of the last book before"),
        ("  exit costs", -money.exits, "given away by selling at once"),
        ("  fees", -money.fees, ""),
        ("  price moves", money.moves, "all the rest; positions are valued at the best bids"),
    ]
    lines = [
        ("Net, as paid", money.net, "trading plus credited rewards"),
        ("Net, if all is paid", money.net_if_paid, "plus the estimates, which are not paid yet"),
        ("Rewards credited", money.credited, _credited(report, count[WindowState.CREDITED])),
        (
            "Rewards expected",
            money.expected,
            f"estimate: {plural(count[WindowState.EXPECTED], 'window')} not paid yet",
        ),
        (
            "Rewards running",
            money.running,
            f"estimate: {plural(count[WindowState.RUNNING], 'window')}, if ended now",
        ),
        (
            "Trading",
            money.trading,
            f"{plural(report.total.fills, 'fill')}, {report.total.contracts:,.2f} contracts",
        ),
        *trading,
    ]
    told = [f"  {name:<21}{dollars(amount):>12}  {more}".rstrip() for name, amount, more in lines]
    told += [f"  {line}" for line in uncertain_text(report)]
    if report.before_bot:
        told.append(f"  {before_bot_text(report)}")
    if count[WindowState.BELOW_FLOOR]:
        ended = f"{plural(count[WindowState.BELOW_FLOOR], 'window')} ended and would have paid $0.00"
        told.append(f"  {ended}: ${floor:.2f} accrued in all, each below the floor of $1.00")
    if count[WindowState.NOTHING_CAME]:
        lost = sum(
            (window.estimate for window in windows if window.state is WindowState.NOTHING_CAME), start=Decimal(0)
        )
        ended = f"{plural(count[WindowState.NOTHING_CAME], 'window')} ended more than 3 days ago and nothing came"
        told.append(f"  {ended}: estimated at {dollars(lost)}, counted as $0.00")
    return "\n".join([*told, *_earning_power(report)])


def _credited(report: Report, windows: int) -> str:
    return plural(windows, "window") if report.total.money.credited else f"none: {why_none_credited(report)}"


def _earning_power(report: Report) -> list[str]:
    """The qualified part of the resting time, and the return on capital."""
    total, lines = report.total, []
    if total.seconds.present:
        hours = total.seconds.present / HOUR
        paid = f"{_percent(total.seconds.qualified, total.seconds.present)} of them qualified"
        unknown = f"{_percent(total.seconds.unknown, total.seconds.present)} unknown"
        lines.append(f"  Orders rested {hours:,.1f} side-hours; {paid}, {unknown}")
    days = (report.until - report.since).total_seconds() / DAY
    if total.per_dollar is not None and days >= _LEAST_DAYS:
        tied = f"${total.capital / days:,.2f} was tied up on average"
        lines.append(f"  {tied}; net as paid is {percent(total.per_dollar, 2)} of it a day")
    return lines


def _rows(title: str, head: str, rows: Sequence[Row]) -> str:
    heads = (head, "Credit", "Estim.", "Spread", "Exits", "Fees", "Moves", "Net", "Hours", "Qual%", "%/day")
    return _table(title, heads, [_row(row) for row in rows])


def _markets(rows: Sequence[Row]) -> str:
    if len(rows) <= 2 * _FEW:
        return _rows("By market, best first", "Market", rows)
    left = len(rows) - 2 * _FEW
    best = _rows(f"The {_FEW} best markets", "Market", rows[:_FEW])
    worst = _rows(f"The {_FEW} worst ({left} in between are not shown)", "Market", rows[-_FEW:])
    return f"{best}\n\n{worst}"


def _row(row: Row) -> Sequence[str]:
    money, seconds = row.money, row.seconds
    numbers = (
        money.credited, money.expected + money.running, money.spread, -money.exits, -money.fees, money.moves,
        money.net,
    )  # fmt: skip
    return (
        _short(row.name, _NAME),
        *map(_number, numbers),
        f"{seconds.present / HOUR:.1f}",
        _percent(seconds.qualified, seconds.present).rstrip("%"),
        "-" if row.per_dollar is None else percent(row.per_dollar, 2).rstrip("%"),
    )


def _windows(windows: Sequence[Window], accuracy: Accuracy | None) -> str:
    shown = [window for window in windows if window.state is not WindowState.BELOW_FLOOR]
    heads = ("Market", "Ends (UTC)", "Pool", "Accrued", "at most", "Estim.", "Paid", "Estimate was", "")
    table = _table("Windows: estimated and paid", heads, map(_window, shown))
    if accuracy is None:
        return f"{table}\n  No window was paid separately yet, so the estimates' error is not known."
    how = error_text(accuracy.off)
    of = f"of {plural(accuracy.windows, 'window')} that were paid separately"
    sums = f"{dollars(accuracy.estimated)} estimated, {dollars(accuracy.credited)} paid"
    return f"{table}\n  The estimates {of} were {how}: {sums}."


def _window(window: Window) -> Sequence[str]:
    off = "" if window.off is None else error_text(window.off).removesuffix(" what was paid")
    state = window.state.value + (f", {window.together} together" if window.together > 1 else "")
    return (
        _short(window.ticker, _NAME), f"{window.end:%m-%d %H:%M}", _number(window.pool), f"{window.accrued:.2f}",
        f"{window.at_most:.2f}", _number(window.estimate),
        "" if window.credit is None else _number(window.credit), off, state,
    )  # fmt: skip


def _markouts(rows: Iterable[Markout]) -> str:
    heads = ("Markout", "Fills", "Contracts", "c/contract", "Dollars", "Age", "Missing")
    body = [
        (row.point, str(row.fills), f"{row.contracts:,.2f}", f"{row.cents:+.2f}", _number(row.dollars),
         duration(row.age) if row.fills else "-", str(row.missing))
        for row in rows
    ]  # fmt: skip
    table = _table("Filled quotes: mid price (at settlement: payout) minus fill price, before fees", heads, body)
    return f"{table}\n  Age: median time from the fill to the price it is compared with."


def _cash(cash: Cash | None, unexplained: Sequence[Unexplained]) -> str:
    if cash is None:
        return "Cash: not read yet, so no reward can be seen."
    span = f"{minute(cash.since)} to {minute(cash.until)} UTC"
    known = (
        f"{dollars(cash.traded)} trading, {dollars(cash.paid_in)} net deposits and transfers, "
        f"{dollars(cash.credited)} rewards"
    )
    lines = [
        f"Cash, {span}: {dollars(cash.first)} to {dollars(cash.last)}",
        f"  {known}, {dollars(cash.unexplained)} unexplained",
    ]
    for one in unexplained:
        said = f"{one.until:%m-%d %H:%M}  {dollars(one.amount)}: {one.why}"
        lines += textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="      ")
    return "\n".join(lines)


# -- formatting --------------------------------------------------------------------------------------------------


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under their heads, right-aligned except the first column and headless ones."""
    body = list(rows)
    if not body:
        return f"{title}: none"
    widths = [max(len(line[place]) for line in [heads, *body]) for place in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            cell.ljust(width) if place == 0 or not heads[place] else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return " ".join(aligned).rstrip()

    return "\n".join([title, *(f"  {line(cells)}" for cells in [heads, *body])])


def _number(amount: Decimal) -> str:
    """Dollars in a table, with cents if there is room."""
    return f"{amount:.2f}" if abs(amount) < 1000 else f"{amount:.0f}"


def _percent(part: float, whole: float) -> str:
    return percent(part / whole) if whole else "-"


def _short(name: str, width: int) -> str:
    """A name, shortened to its beginning and end if it is too long."""
    return name if len(name) <= width else f"{name[: width // 2 - 1]}…{name[-(width - width // 2) :]}"
