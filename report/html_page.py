"""The report as one HTML page: `python main.py report --html FILE`.

Promise:
- Pure.
- The page is self-contained: it has no script, needs no network, and its policy forbids it to load anything.
- An estimate is never shown as paid.
- Figures are the report's own, rounded to the cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from report import svg_charts
from report.build import (
    Accuracy,
    Cash,
    Markout,
    Report,
    Row,
    before_bot_text,
    uncertain_text,
    why_none_credited,
)
from report.css import CSS
from report.growth import before_fees, growth
from report.html_tables import collapsible, is_loss, of_cells, of_rows
from report.number_format import dollars, duration, error_text, hours, minute, number, percent, plural
from report.reward_payments import Window, WindowState
from report.svg_charts import escape
from rewards import rule_dates

MOST_BARS = 15
"""Maximum number of markets in the presence chart."""
_MOST_ROWS = 40
"""Maximum number of rows in a table that is unfolded at first."""
_MOST_LETTERS = 10
"""Maximum characters of a total that a phone shows at full size."""

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
base-uri 'none'; form-action 'none'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
"""


def page(report: Report) -> str:
    """The whole page, as text."""
    title = f"{dollars(report.total.money.net)} net: report to {minute(report.until)} UTC"
    parts = [
        _HEAD,
        f"<title>{escape(title)}</title>\n",
        f"<style>{CSS}</style>\n</head>\n<body>\n",
        _header(report),
        _totals(report),
        _section("Cumulative net", _growth(report)),
        f'<div class="pair">{_section("Presence per market", _presence(report))}',
        f"{_section('Markout', _markout(report.markouts))}</div>\n",
        _section("By day", _days(report)),
        _section("By series", of_rows("By series", "series", report.series) or _sentence("No series yet.")),
        _section("By market", _markets(report.markets)),
        _section("Reward windows", _windows(report.windows, report.accuracy)),
        _section("Cash", _cash(report)),
        _footer(report),
        "</body>\n</html>\n",
    ]
    return "".join(parts)


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>\n"


def _sentence(text: str) -> str:
    return f"<p>{escape(text)}</p>\n"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>\n'


def _header(report: Report) -> str:
    sessions = escape(plural(report.sessions, "session"))
    return (
        f'<header>\n<h1>What the bot earned</h1>\n<p class="where"><b>{escape(report.exchange)}</b> '
        f"<span>{escape(minute(report.since))}</span> to <span>{escape(minute(report.until))} UTC</span>, "
        f"<span>{sessions}</span>, ledger {escape(report.ledger)}</p>\n</header>\n"
    )


# -- totals ------------------------------------------------------------------------------------------------------


def _totals(report: Report) -> str:
    total, money = report.total, report.total.money
    capital = (
        "no capital was tied up" if total.per_dollar is None else "a day: net as paid, divided by capital tied up"
    )
    return (
        '<dl class="totals">\n'
        + _figure(
            "Net, as paid",
            dollars(money.net),
            "the sum of rewards credited, trading before fees, and fees",
            "hero",
            "net",
        )
        + _figure("Rewards credited", dollars(money.credited), _credited(report), "", "credited")
        + _figure(
            "Trading before fees",
            dollars(before_fees(money)),
            f"{plural(total.fills, 'fill')}, {number(total.contracts, 2).removesuffix('.00')} contracts",
            "",
            "trading",
        )
        + _figure("Fees", dollars(-money.fees), f"trading after fees {dollars(money.trading)}", "", "fees")
        + _figure(
            "Return on capital",
            "-" if total.per_dollar is None else percent(total.per_dollar, 2),
            capital,
            "",
            "return",
        )
        + _figure(
            "Estimated, not paid",
            dollars(money.expected + money.running),
            f"{dollars(money.expected)} for windows that ended, {dollars(money.running)} for windows still "
            f"running; if all of it is paid, net would be {dollars(money.net_if_paid)}",
            "unpaid",
            "estimated",
        )
        + "</dl>\n"
    )


def _credited(report: Report) -> str:
    if not report.total.money.credited:
        return f"none: {why_none_credited(report)}"
    return "; ".join(["received as cash", *uncertain_text(report)])


def _figure(name: str, figure: str, told: str, look: str, key: str) -> str:
    bad = " bad" if is_loss(figure) else ""
    bad += " long" if len(figure) > _MOST_LETTERS else ""
    return (
        f'<div class="{look}"><dt>{escape(name)}</dt><dd class="figure{bad}" id="{key}">{escape(figure)}</dd>'
        f'<dd class="small">{escape(told)}</dd></div>\n'
    )


# -- charts ------------------------------------------------------------------------------------------------------


def _growth(report: Report) -> str:
    if not report.days:
        return _sentence("No day is in the ledger yet.")
    if not any(day.money.trading or day.money.fees or day.money.credited for day in report.days):
        return _sentence("No reward was paid and there is no trading result yet.")
    grown = growth(report)
    legend = [(svg_charts.line_sample(name.lower()), f"{name} {dollars(end)}") for name, end in grown.sums.items()]
    told = ", ".join(f"{name.lower()} {dollars(end)}" for name, end in grown.sums.items())
    each = "A point an hour, in UTC. " if report.hours else ""
    return (
        _note(
            f"Dollars since the report's beginning. {each}Net is the sum of paid rewards, trading before "
            "fees, and fees."
        )
        + _legend(legend)
        + svg_charts.lines(f"Cumulative net: {told}", grown.lines, grown.spans, grown.dates)
    )


def _presence(report: Report) -> str:
    rested = [market for market in report.markets if market.seconds.present > 0]
    rested.sort(key=lambda market: -market.seconds.present)
    if not rested:
        return _sentence("No order rested in a reward window yet.")
    shown, left = rested[:MOST_BARS], rested[MOST_BARS:]
    bars = [
        svg_charts.Bar(
            market.name,
            market.seconds[1:4],
            f"{hours(market.seconds.present)} h, {percent(market.seconds.qualified / market.seconds.present)}",
            f"{market.name}: {_parts(market)}",
        )
        for market in shown
    ]
    names = ("qualified", "excluded (the rule pays nothing)", "unknown")
    sums = [hours(sum(market.seconds[place] for market in rested)) for place in (1, 2, 3)]
    legend = [
        (svg_charts.bar_sample(look), f"{name} {total} h")
        for look, name, total in zip(svg_charts.PARTS, names, sums, strict=True)
    ]
    more = ""
    if left:
        length = hours(sum(market.seconds.present for market in left))
        more = _note(f"{plural(len(left), 'more market')} with {length} side-hours: see By market.")
    return (
        _note(
            "Side-hours: hours in which an order rested on one side of a market in a reward window. Both sides "
            "for an hour are two side-hours. Next to each market are its side-hours, and the percentage that "
            "qualified under the rule. The payment for them shows after the window ends."
        )
        + _legend(legend)
        + svg_charts.bars(f"Presence in side-hours: {'; '.join(bar.told for bar in bars)}", bars)
        + more
    )


def _parts(market: Row) -> str:
    parts = zip(svg_charts.PARTS, market.seconds[1:4], strict=True)
    return ", ".join(f"{name} {hours(seconds)} h" for name, seconds in parts)


def _markout(points: Sequence[Markout]) -> str:
    if not any(point.fills for point in points):
        missing = max((point.missing for point in points), default=0)
        none = f"{plural(missing, 'fill')}, and no price yet to compare with." if missing else "No fill yet."
        return _sentence(none)
    stops, told = [], []
    for point in points:
        known = point.fills > 0
        text = number(point.cents, 2) + "¢" if known else "none"
        below = (f"{point.fills:,}", duration(point.age) if known else "-", f"{point.missing:,}")
        stops.append(svg_charts.Stop(point.point, point.cents if known else None, text, below))
        told.append(f"{point.point} {text} over {plural(point.fills, 'fill')}, {point.missing:,} missing")
    return _note(
        "The value of a filled quote minus its fill price, in cents per contract. The value is the mid price, or "
        "the payout at settlement. Above 0 the fill was good. Below each point are its fills, their age (median "
        "time from the fill to that price), and missing fills (price not known, or not yet)."
    ) + svg_charts.curve(f"Markout in cents per contract: {'; '.join(told)}", stops, ("fills", "age", "missing"))


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    items = "".join(f"<li>{sample}{escape(text)}</li>" for sample, text in entries)
    return f'<ul class="legend">{items}</ul>\n'


# -- tables ------------------------------------------------------------------------------------------------------


def _days(report: Report) -> str:
    if not report.days:
        return _sentence("No day is in the ledger yet.")
    before = f" {before_bot_text(report)}." if report.before_bot else ""
    return _note(
        "Newest first, in UTC days. Net is credited rewards plus trading. Trading is the sum of spread, exits, "
        f"fees and moves; costs are negative. Moves is the effect of price changes on positions.{before}"
    ) + of_rows("By day", "day", report.days[::-1], report.total)


def _markets(markets: Sequence[Row]) -> str:
    """Markets with a gain, with a loss, and with neither. Largest amounts first."""
    if not markets:
        return _sentence("No market yet.")
    found = []
    for name, group in (
        ("a gain", [market for market in markets if market.money.net > 0]),
        ("a loss", [market for market in reversed(markets) if market.money.net < 0]),
        ("no gain or loss", [market for market in markets if market.money.net == 0]),
    ):
        total = sum((market.money.net for market in group), start=Decimal(0))
        told = f"{plural(len(group), 'market')} with {name}" + (f": {dollars(total)}" if total else "")
        found.append(
            collapsible(told, of_rows(told, "market", group), is_open=bool(total) and len(group) <= _MOST_ROWS)
            if group
            else ""
        )
    return "".join(found)


def _windows(windows: Sequence[Window], accuracy: Accuracy | None) -> str:
    if not windows:
        return _sentence("No order rested in a reward window yet.")
    counts = Counter(window.state for window in windows)
    told = f"{plural(len(windows), 'window')}: " + ", ".join(
        f"{counts[state]:,} {state.value}" for state in WindowState if counts[state]
    )
    heads = ("market", "ended or ends (UTC)", "pool", "estimate", "credit", "the estimate was", "state")
    table = of_cells("Reward windows", heads, [_window(window) for window in reversed(windows)], words=(1, 5, 6))
    return (
        _sentence(_accuracy(accuracy))
        + _note(
            "Newest first. An estimate is what the window would pay, by the ledger's record. If several "
            "windows were paid together in one sum, the sum is split by their estimates, so their own errors are "
            "not known."
        )
        + collapsible(told, table, is_open=len(windows) <= _MOST_ROWS)
    )


def _window(window: Window) -> Sequence[str]:
    state, error = window.state.value, "-"
    if window.together > 1:
        state += f", {window.together} together"
    elif window.off is not None:
        error = error_text(window.off)
    credit = "-" if window.credit is None else dollars(window.credit)
    return (
        window.ticker, minute(window.end), dollars(window.pool), dollars(window.estimate), credit, error, state
    )  # fmt: skip


def _accuracy(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return "No window has been paid separately yet, so the estimates cannot be checked."
    sums = f"{dollars(accuracy.estimated)} estimated, {dollars(accuracy.credited)} paid"
    told = plural(accuracy.windows, "window") + " paid separately" * (accuracy.windows > 1)
    if not accuracy.credited:
        return f"Estimates in {told}: {sums}."
    return f"In {told} the estimates were {error_text(accuracy.off)}: {sums}."


def _cash(report: Report) -> str:
    found = _sentence("Cash has not been read yet.") if report.cash is None else _reconciled(report.cash)
    if not report.unexplained:
        return found + _sentence("No cash is unexplained.")
    heads = ("from (UTC)", "to (UTC)", "amount", "why it does not count as a reward")
    rows = [
        (minute(one.since), minute(one.until), dollars(one.amount), one.why)
        for one in reversed(report.unexplained)
    ]
    return (
        found
        + "<h3>Unexplained cash</h3>\n"
        + _note("Newest first. None of it counts as a reward.")
        + of_cells("Unexplained cash", heads, rows, words=(1, 3), look="said")
    )


def _reconciled(cash: Cash) -> str:
    rows = [
        (f"Cash at {minute(cash.since)} UTC", dollars(cash.first)),
        ("Trading and settlements", dollars(cash.traded)),
        ("Net deposits and transfers", dollars(cash.paid_in)),
        ("Credited as rewards", dollars(cash.credited)),
        ("Unexplained", dollars(cash.unexplained)),
    ]
    last = (f"Cash at {minute(cash.until)} UTC", dollars(cash.last))
    return _note("Includes the collateral of resting orders.") + of_cells("Cash", ("", "dollars"), rows, foot=last)


def _footer(report: Report) -> str:
    return (
        f"<footer>\n<p>Exchange: {escape(report.exchange)}. Made from the ledger file alone, without asking the "
        "exchange. Estimates count in no sum until they are paid. Positions are valued at the best bids. Figures "
        "are rounded to the cent; sums are of exact amounts.</p>\n"
        f"<p>{escape(rule_dates.in_general(report.until))}</p>\n</footer>\n"
    )
