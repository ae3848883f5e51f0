"""The report's charts, from numbers to SVG.

Promise:
- Pure.
- A chart is as wide as its container, and its text keeps its size.
- It can be read without color.
- Names are shown as text, even if they contain markup.

Horizontal positions are fractions of the width; vertical ones are pixels. Elements that need horizontal pixels
are in an inner `svg`, which is placed by fraction.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from report.number_format import dollars, number

_LETTER = 7.2
"""Pixels that a letter of a chart's 12 pixel text takes on average, an upper bound."""
_LINE = 15
"""Pixels from one line of text to the next."""


def escape(text: str) -> str:
    """Escape text from an exchange or a file. Unprintable characters become spaces."""
    return html.escape("".join(sign if sign.isprintable() else " " for sign in text))


class Line(NamedTuple):
    """A named series. `points`: (fraction of the width, value).

    `look`: its class in the style sheet.
    """

    name: str
    look: str
    points: Sequence[tuple[float, Decimal]]


class Span(NamedTuple):
    """A part of the width with its tooltip, `told`."""

    start: float
    end: float
    told: str


class Date(NamedTuple):
    """A label under a chart, centered at `at`. A narrow page shows only `main` labels."""

    at: float
    text: str
    main: bool


class Bar(NamedTuple):
    """A named bar. `parts`: the lengths of its parts.

    `sum`: the text next to the name. `told`: the tooltip.
    """

    name: str
    parts: Sequence[float]
    sum: str
    told: str


class Stop(NamedTuple):
    """A point of a curve, above its `name`.

    `value`: None if not known. `told`: the text at the point. `below`: further facts.
    """

    name: str
    value: float | None
    told: str
    below: Sequence[str]


PARTS = ("qualified", "excluded", "unknown")
"""The style sheet's classes of a bar's parts, in order."""
_PATTERNS = (
    '<defs><pattern id="striped" width="5" height="5" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="under" width="5" height="5"/>'
    '<rect class="stripe" width="2" height="5"/></pattern></defs>'
)


class _Scale:
    """Maps values to pixels. `lines`: round values, including 0, around all others."""

    def __init__(self, values: Sequence[float | Decimal], height: int, margin: int) -> None:
        low, high = min([0.0, *map(float, values)]), max([0.0, *map(float, values)])
        rough = (high - low) / 4 or 0.25
        power = math.floor(math.log10(rough))
        step = next(step for step in (1, 2, 5, 10) if step * 10.0**power >= rough * 0.999)
        self.step = step * Decimal(10) ** power
        first, last = math.floor(low / float(self.step)), math.ceil(high / float(self.step))
        self.lines = [self.step * place for place in range(first, max(last, first + 1) + 1)]
        self._height, self._margin = height, margin

    def y(self, value: float | Decimal) -> float:
        low, high = float(self.lines[0]), float(self.lines[-1])
        room = self._height - 2 * self._margin
        return round(self._margin + room * (high - float(value)) / (high - low), 1)

    def grid(self, text: Callable[[Decimal], str]) -> tuple[str, int]:
        """The grid lines with labels on their left, and the pixels that the labels take."""
        drawn, room = [], 0
        for line in self.lines:
            y, label = self.y(line), text(line)
            look = "zero" if line == 0 else "grid"
            drawn.append(f'<line class="{look}" x1="0" x2="100%" y1="{y}" y2="{y}"/>')
            drawn.append(f'<text class="axis" x="-6" y="{y + 4}">{escape(label)}</text>')
            room = max(room, _pixels(label) + 8)
        return "".join(drawn), room

    @property
    def places(self) -> int:
        """Decimals that a round value needs."""
        return max(0, math.ceil(-math.log10(self.step)))


def lines(title: str, series: Sequence[Line], spans: Sequence[Span], dates: Sequence[Date]) -> str:
    """Draw dollars over time, with a line for each series, labeled at its end.

    The last series is drawn over the others. A dot marks the end of each of the `spans`, if there are 31 or fewer.
    """
    height = 270
    scale = _Scale([value for line in series for _, value in line.points], height, 12)
    grid, left = scale.grid(lambda line: dollars(line, 0 if scale.step >= 1 else max(2, scale.places)))
    drawn = [grid]
    for line in series:
        path = " ".join(f"{at * 1000:.2f},{scale.y(value)}" for at, value in line.points)
        drawn.append(
            f'<svg class="stretched" width="100%" height="{height}" viewBox="0 0 1000 {height}" '
            f'preserveAspectRatio="none"><polyline class="{line.look}" points="{path}"/></svg>'
        )
    ends = [scale.y(line.points[-1][1]) for line in series]
    labels = ""
    for line, end, y in zip(series, ends, _apart(ends, _LINE, height), strict=True):
        labels += f'<line class="leader" x1="4" y1="{end}" x2="12" y2="{y}"/>'
        labels += f'<text class="{line.look}" x="15" y="{y + 4}">{escape(line.name)}</text>'
    drawn.append(f'<svg class="at" x="100%">{labels}</svg>')
    if len(spans) <= 31:
        top = dict(series[-1].points)
        drawn += (f'<circle r="3" cx="{span.end:.3%}" cy="{scale.y(top[span.end])}"/>' for span in spans)
    for span in spans:
        drawn.append(
            f'<rect class="bare" x="{span.start:.3%}" width="{span.end - span.start:.3%}" height="{height}">'
            f"<title>{escape(span.told)}</title></rect>"
        )
    for date in dates:
        look = "date" if date.main else "date wide"
        drawn.append(f'<text class="{look}" x="{date.at:.3%}" y="{height + 12}">{escape(date.text)}</text>')
    right = max(_pixels(line.name) for line in series) + 16
    return _chart(title, "".join(drawn), height + 20, left, right)


def bars(title: str, shown: Sequence[Bar]) -> str:
    """Draw bars one below the other on one scale, each under its name and sum."""
    longest = max(sum(bar.parts) for bar in shown) or 1.0
    drawn, each = [_PATTERNS], 38
    for place, bar in enumerate(shown):
        y, at = place * each, 0.0
        parts = ""
        for look, part in zip(PARTS, bar.parts, strict=True):
            width = part / longest
            if part:
                parts += f'<rect class="{look}" x="{at:.3%}" y="{y + 17}" width="{width:.3%}" height="12"/>'
            at += width
        drawn.append(
            f"<g><title>{escape(bar.told)}</title>"
            f'<text class="name" x="0" y="{y + 12}">{escape(_short(bar.name))}</text>'
            f'<text class="sum" x="100%" y="{y + 12}">{escape(bar.sum)}</text>{parts}</g>'
        )
    return _chart(title, "".join(drawn), each * len(shown), 0, 0)


def curve(title: str, stops: Sequence[Stop], below: Sequence[str]) -> str:
    """Draw cents at evenly spaced points in the given order, each with its number.

    The line has a gap at a point without a value. Each point has its name and further facts under it. `below`:
    the labels of these rows.
    """
    height = 210
    scale = _Scale([stop.value for stop in stops if stop.value is not None], height, 26)
    grid, left = scale.grid(lambda line: number(line, scale.places) + "¢")
    drawn, texts, before = [grid], "", None
    for place, stop in enumerate(stops):
        at = (place + 0.5) / len(stops)
        where, y = f'x="{at:.3%}"', scale.y(stop.value or 0)
        if stop.value is None:
            before = None
        else:
            if before is not None:
                drawn.append(f'<line class="curve" x1="{before[0]:.3%}" y1="{before[1]}" x2="{at:.3%}" y2="{y}"/>')
            before = (at, y)
            texts += f'<circle r="4" cx="{at:.3%}" cy="{y}"/>'
        number_at = y + 20 if _is_dip(stops, place) else y - 10
        texts += f'<text class="value" {where} y="{number_at}">{escape(stop.told)}</text>'
        for row, text in enumerate((stop.name, *stop.below)):
            look = "date" if row else "date strong"
            texts += f'<text class="{look}" {where} y="{height + 12 + row * _LINE}">{escape(text)}</text>'
    for row, text in enumerate(below, start=1):
        texts += f'<text class="axis" x="-6" y="{height + 12 + row * _LINE}">{escape(text)}</text>'
        left = max(left, _pixels(text) + 8)
    return _chart(title, "".join(drawn) + texts, height + 4 + (1 + len(below)) * _LINE, left, 0)


def line_sample(look: str) -> str:
    """A line as it is drawn, for a legend."""
    return f'<svg class="sample" aria-hidden="true"><line class="{look}" x1="0" x2="26" y1="6" y2="6"/></svg>'


def bar_sample(look: str) -> str:
    """A bar's part as it is drawn, for a legend."""
    return f'<svg class="sample" aria-hidden="true"><rect class="{look}" width="26" height="12"/></svg>'


def _chart(title: str, drawn: str, height: int, left: int, right: int) -> str:
    return (
        f'<div class="chart" style="padding-left:{left}px;padding-right:{right}px">'
        f'<svg role="img" aria-label="{escape(title)}" width="100%" height="{height}">'
        f"{drawn}</svg></div>"
    )


def _apart(wanted: Sequence[float], gap: float, height: float) -> list[float]:
    """Places as near to the wanted ones as `gap` and height allow, in the same order."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    found = [0.0] * len(wanted)
    lowest = 6.0
    for place in order:
        found[place] = max(wanted[place], lowest)
        lowest = found[place] + gap
    highest = height - 6.0
    for place in reversed(order):
        found[place] = round(min(found[place], highest), 1)
        highest = found[place] - gap
    return found


def _is_dip(stops: Sequence[Stop], place: int) -> bool:
    """Whether all known neighbors of a point are higher: its number has room below."""
    value = stops[place].value
    beside = [stop.value for stop in (*stops[max(0, place - 1) : place], *stops[place + 1 : place + 2])]
    known = [other for other in beside if other is not None]
    return value is not None and bool(known) and all(other > value for other in known)


def _pixels(text: str) -> int:
    """An upper bound of a text's width, in pixels."""
    return math.ceil(len(text) * _LETTER)


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
