"""The report's tables, from rows to HTML.

Promise:
- Pure.
- Every cell is text, even if a name contains markup.
- A wide table scrolls in its own box; the page does not scroll sideways.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from report.build import Row
from report.number_format import dollars, hours, percent
from report.svg_charts import escape

_HEADS = (
    "net", "credited", "trading", "spread", "exits", "fees", "moves", "estimated, not paid", "side-hours",
    "qualified", "return a day", "fills",
)  # fmt: skip
_SIGNED = (1, 3, 7, 11)
"""Columns in which a minus means a loss. Elsewhere it may be how a cost is written."""


def of_rows(label: str, name: str, rows: Sequence[Row], total: Row | None = None) -> str:
    """A table of days, markets or series, or "" if there are none.

    Costs have a minus, so that a row adds up.
    """
    if not rows:
        return ""
    foot = ("all", *_cells(total)) if total else ()
    return of_cells(label, (name, *_HEADS), [(row.name, *_cells(row)) for row in rows], signed=_SIGNED, foot=foot)


def _cells(row: Row) -> Sequence[str]:
    money, seconds = row.money, row.seconds
    return (
        dollars(money.net), dollars(money.credited), dollars(money.trading), dollars(money.spread),
        dollars(-money.exits), dollars(-money.fees), dollars(money.moves),
        dollars(money.expected + money.running), hours(seconds.present),
        percent(seconds.qualified / seconds.present) if seconds.present else "-",
        "-" if row.per_dollar is None else percent(row.per_dollar, 2), f"{row.fills:,}",
    )  # fmt: skip


def of_cells(
    label: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    words: Collection[int] = (),
    signed: Collection[int] = (),
    foot: Sequence[str] = (),
    look: str = "",
) -> str:
    """A table whose first column names the row.

    `words`: columns of words; the others hold numbers. `signed`: columns in which losses are highlighted.
    """
    looks = {**dict.fromkeys(signed, "signed"), **dict.fromkeys(words, "words")}
    head = "".join(
        f'<th scope="col" class="{looks.get(place, "")}">{escape(text)}</th>' for place, text in enumerate(heads)
    )
    body = "".join(_line(row, looks) for row in rows)
    feet = f"<tfoot>{_line(foot, looks)}</tfoot>" if foot else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}"><table class="{look}">'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>{feet}</table></div>\n"
    )


def collapsible(title: str, content: str, is_open: bool) -> str:
    """Content that the reader can fold away under its title."""
    state = ' open=""' if is_open else ""
    return f"<details{state}><summary>{escape(title)}</summary>\n{content}</details>\n"


def is_loss(figure: str) -> bool:
    """Whether a figure is below 0. A bare "-" means that there is no figure."""
    return figure.startswith("-") and figure != "-"


def _line(cells: Sequence[str], looks: Mapping[int, str]) -> str:
    first, *rest = cells
    told = "".join(_cell(cell, looks.get(place, "")) for place, cell in enumerate(rest, start=1))
    return f'<tr><th scope="row">{escape(first)}</th>{told}</tr>\n'


def _cell(text: str, look: str) -> str:
    if look == "signed":
        look = "bad" if is_loss(text) else ""
    return f'<td class="{look}">{escape(text)}</td>' if look else f"<td>{escape(text)}</td>"
