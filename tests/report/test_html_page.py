"""The report's page: what a trader reads in the morning, on a phone, offline, is what the report says."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report import svg_charts
from report.build import Accuracy, Report, Result, Row
from report.html_page import MOST_BARS, page
from report.number_format import dollars, duration, hours
from report.reward_payments import WindowState
from tests.support import sample_reports
from tests.support.browser import NAMES, Browser, installed

D = Decimal
SHAPES = {
    "a week": sample_reports.report(7),
    "an hour": sample_reports.report(1, markets=1),
    "a first day": sample_reports.first_day(),
    "two months": sample_reports.report(60, markets=60),
    "nothing but losses": sample_reports.report(9, scale="-98765"),
    "no fills": sample_reports.unfilled(),
    "an empty ledger": sample_reports.empty(),
}
SHAPE = pytest.mark.parametrize("shape", SHAPES)


def tree(report: Report) -> ElementTree.Element:
    """The page, as something that reads it strictly sees it."""
    return ElementTree.fromstring(page(report))  # noqa: S314 - our own page


def text(element: ElementTree.Element | None) -> str:
    assert element is not None
    return " ".join("".join(element.itertext()).split())


def section(report: Report, title: str) -> ElementTree.Element:
    return next(one for one in tree(report).iter("section") if text(one.find("h2")) == title)


def table(element: ElementTree.Element) -> dict[str, dict[str, str]]:
    """The rows of all tables in it: by the first cell, by the column's head."""
    found = {}
    for one in element.iter("table"):
        heads = [text(head) for head in one.findall("thead/tr/th")]
        for row in (row for row in one.iter("tr") if row.find("td") is not None):
            cells = [text(cell) for cell in row]
            found[cells[0]] = dict(zip(heads[1:], cells[1:], strict=True))
    return found


# -- what the page says ------------------------------------------------------------------------------------------


@SHAPE
def test_the_totals_are_the_reports(shape: str) -> None:
    report = SHAPES[shape]
    money = report.total.money
    figures = {one.get("id"): text(one) for one in tree(report).iter("dd") if one.get("id")}
    assert figures["net"] == dollars(money.net)
    assert figures["credited"] == dollars(money.credited)
    assert figures["trading"] == dollars(money.spread - money.exits + money.moves)
    assert figures["fees"] == dollars(-money.fees)
    assert figures["estimated"] == dollars(money.expected + money.running)


def test_no_estimate_stands_as_if_it_were_paid() -> None:
    """More is expected, and all else stays: figures, curves, tables."""
    report = sample_reports.report(3)
    more = Result(expected=D("777.77"), running=D("555.55"))
    days = [*report.days[:-1], report.days[-1]._replace(money=report.days[-1].money + more)]
    total = report.total._replace(money=report.total.money + more)
    hoped = replace(report, days=days, total=total)
    assert text(section(hoped, "Cumulative net")) == text(section(report, "Cumulative net"))
    before, after = table(section(report, "By day")), table(section(hoped, "By day"))
    for row in (*before.values(), *after.values()):
        del row["estimated, not paid"]
    assert after == before
    unpaid = next(one for one in tree(hoped).iter("div") if one.get("class") == "unpaid")
    assert "Estimated, not paid" in text(unpaid)
    assert text(unpaid).endswith(f"net would be {dollars(total.money.net_if_paid)}")
    assert text(tree(hoped)).count(dollars(total.money.net_if_paid)) == 1


@SHAPE
def test_every_row_and_window_is_there_and_adds_up(shape: str) -> None:
    report = SHAPES[shape]
    for title, rows in (("By day", report.days), ("By series", report.series), ("By market", report.markets)):
        found = table(section(report, title))
        assert {row.name for row in rows} <= found.keys()
        for row in rows:
            cells = found[row.name]
            assert cells["net"] == dollars(row.money.net)
            assert cells["exits"] == dollars(-row.money.exits)
            assert cells["side-hours"] == hours(row.seconds.present)
    windows = section(report, "Reward windows")
    assert len(list(windows.iter("tr"))) == len(report.windows) + bool(report.windows)


def test_a_window_tells_its_error_only_if_it_was_paid_alone() -> None:
    """A window that was paid together with others shows no error of its estimate. A window below the floor
    shows no credit."""
    report = sample_reports.report(7)
    alone = next(one for one in report.windows if one.credit and one.together == 1)
    shared = next(one for one in report.windows if one.credit and one.together > 1)
    cells = table(section(replace(report, windows=[alone]), "Reward windows"))[alone.ticker]
    assert (cells["credit"], cells["the estimate was"]) == (dollars(alone.credit or 0), "11% too low")
    cells = table(section(replace(report, windows=[shared]), "Reward windows"))[shared.ticker]
    assert (cells["the estimate was"], cells["state"]) == ("-", "credited, 3 together")
    below = alone._replace(state=WindowState.BELOW_FLOOR, credit=None, credited=None)
    cells = table(section(replace(report, windows=[below]), "Reward windows"))[below.ticker]
    assert (cells["credit"], cells["state"]) == ("-", "would have paid $0.00")


@pytest.mark.parametrize(
    ("accuracy", "sentence"),
    [
        (None, "so the estimates cannot be checked"),
        (
            Accuracy(7, D("8.80"), D(10)),
            "In 7 windows paid separately the estimates were 12% too low: $8.80 est",
        ),
        (Accuracy(1, D(15), D(10)), "In 1 window the estimates were 50% too high: $15.00 estimated, $10.00 paid."),
        (Accuracy(1, D(455), D(10)), "In 1 window the estimates were 45.5 times what was paid: $455.00"),
        (Accuracy(2, D("10.01"), D(10)), "the estimates were right to the percent: $10.01 estimated, $10.00 paid"),
        (Accuracy(2, D("1.50"), D(0)), "Estimates in 2 windows paid separately: $1.50 estimated, $0.00 paid."),
    ],
)
def test_how_good_the_estimates_were_is_a_sentence(accuracy: Accuracy | None, sentence: str) -> None:
    assert sentence in text(section(replace(sample_reports.report(2), accuracy=accuracy), "Reward windows"))


def test_what_there_is_not_is_said_and_not_drawn() -> None:
    found = tree(sample_reports.empty())
    assert [one for one in found.iter() if one.get("role") == "img"] == []
    for title, sentence in (
        ("Cumulative net", "No day is in the ledger yet."),
        ("Presence per market", "No order rested in a reward window yet."),
        ("Markout", "No fill yet."),
        ("By market", "No market yet."),
        ("Cash", "Cash has not been read yet."),
    ):
        assert sentence in text(section(sample_reports.empty(), title))
    assert "No reward was paid and there is no trading result yet." in text(
        section(sample_reports.unfilled(), "Cumulative net")
    )
    unpriced = [point._replace(fills=0, contracts=D(0), missing=4) for point in sample_reports.markouts()]
    assert "4 fills, and no price yet" in text(
        section(replace(sample_reports.report(1), markouts=unpriced), "Markout")
    )


@SHAPE
def test_names_from_an_exchange_stay_text(shape: str) -> None:
    hostile = sample_reports.HOSTILE + "\x00\x1b[31m\u202e"
    report = replace(
        SHAPES[shape], ledger=hostile, exchange=hostile, series=[Row(hostile)],
        markouts=[point._replace(point=hostile) for point in SHAPES[shape].markouts],
    )  # fmt: skip
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "footer", "section", "h1", "h2", "h3"}
    allowed |= {"p", "b", "span", "div", "dl", "dt", "dd", "ul", "li", "details", "summary", "svg", "g", "line"}
    allowed |= {"text", "rect", "circle", "polyline", "defs", "pattern", "table", "thead", "tbody", "tfoot"}
    assert {one.tag for one in tree(report).iter()} <= allowed | {"tr", "th", "td"}
    assert sample_reports.HOSTILE in text(section(report, "By series"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", page(report))


# -- how numbers are written and drawn ---------------------------------------------------------------------------


@given(st.decimals(-1000, 1000, places=5))
def test_a_rounded_amount_keeps_its_sign_unless_it_is_nothing(amount: Decimal) -> None:
    written = dollars(amount)
    assert D(written.replace("$", "").replace(",", "")) == round(amount, 2)
    assert written != "-$0.00"


def test_times_stand_in_the_unit_that_suits_them() -> None:
    assert [duration(seconds) for seconds in (-30.0, 0.04, 300, 5_400, 172_800)] == [
        "-30 s", "0 s", "5 min", "1.5 h", "2 d",
    ]  # fmt: skip


AMOUNTS = st.lists(st.decimals(-100_000, 100_000, places=2), min_size=1, max_size=12)


@given(AMOUNTS)
def test_a_line_is_as_high_as_its_dollars(amounts: list[Decimal]) -> None:
    """Read by the lines of the grid, as a person reads it, to half a pixel."""
    points = [((place + 1) / len(amounts), amount) for place, amount in enumerate(amounts)]
    drawn = ElementTree.fromstring(svg_charts.lines("t", [svg_charts.Line("Net", "net", points)], [], []))  # noqa: S314
    grid = [
        (Decimal(line.text.replace("$", "").replace(",", "")), float(line.get("y", 0)) - 4)
        for line in drawn.iter("text")
        if line.get("class") == "axis" and line.text
    ]
    (low, bottom), (high, top) = min(grid), max(grid)
    assert 0 in [value for value, _ in grid]
    assert 2 <= len(grid) <= 8
    path = next(drawn.iter("polyline")).get("points", "")
    for amount, point in zip(amounts, path.split(), strict=True):
        dollars_a_pixel = float(high - low) / (bottom - top)
        read = float(low) + (bottom - float(point.split(",")[1])) * dollars_a_pixel
        assert abs(read - float(amount)) <= 0.5 * dollars_a_pixel
        assert low <= amount <= high


# -- in a browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = installed()
    if program is None:
        pytest.skip(f"no browser to open the page in: none of {', '.join(NAMES)} is installed")
    one = Browser(program, tmp_path_factory.mktemp("browser"))
    yield one
    one.close()


@pytest.fixture
def show(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Any:
    def open_(content: str, width: int, dark: bool = False) -> Browser:
        file = tmp_path_factory.mktemp("page") / "report.html"
        file.write_text(content, encoding="utf-8")
        browser.open(file.as_uri(), width, dark=dark)
        return browser

    return open_


BOXES = """
Object.fromEntries([...document.querySelectorAll('svg[role=img]')].map(svg => [
  svg.closest('section').querySelector('h2').textContent,
  [...svg.querySelectorAll('text, rect, circle, polyline')].filter(one => one.getClientRects().length).map(one => {
      const box = one.getBoundingClientRect();
      return {tag: one.tagName, look: one.getAttribute('class') || '', text: one.textContent,
        left: box.left, right: box.right, top: box.top, bottom: box.bottom};
  })]))
"""
"""What is drawn in each chart, and where it stands in the window."""


def read(boxes: list[dict[str, Any]], y: float, unit: str) -> float:
    """A height of a chart, read by the labels of its grid."""
    grid = [
        (float(box["text"].replace(unit, "").replace(",", "")), (box["top"] + box["bottom"]) / 2)
        for box in boxes
        if box["look"] == "axis" and unit in box["text"]
    ]
    (low, bottom), (high, top) = min(grid), max(grid)
    return low + (bottom - y) / (bottom - top) * (high - low)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_rendered_charts_and_totals_are_the_reports(show: Any, width: int) -> None:
    report = SHAPES["a week"]
    shown = show(page(report), width)
    assert len(shown.requests) == 1, "the page asked for more than itself"
    assert shown.complaints == []
    assert shown.ask("document.getElementById('net').innerText") == dollars(report.total.money.net)
    boxes = shown.ask(BOXES)

    growth = boxes["Cumulative net"]
    dots = [box for box in growth if box["tag"] == "circle"]
    so_far = D(0)
    for day, dot in zip(report.days, dots, strict=True):
        so_far += day.money.net
        assert read(growth, (dot["top"] + dot["bottom"]) / 2, "$") == pytest.approx(float(so_far), abs=0.15)
    labels = {box["text"] for box in growth if box["tag"] == "text"}
    assert {"Net", "Rewards", "Trading", "Fees"} <= labels
    net = next(box for box in growth if box["tag"] == "polyline" and box["look"] == "net")
    assert net["right"] - net["left"] > width * 0.6, "the chart is squashed"

    bars = boxes["Presence per market"]
    rested = sorted(report.markets, key=lambda market: -market.seconds.present)[:MOST_BARS]
    scale = None
    for look in ("qualified", "excluded", "unknown"):
        drawn = [box["right"] - box["left"] for box in bars if box["look"] == look]
        scale = scale or drawn[0] / rested[0].seconds.qualified
        assert drawn == pytest.approx([getattr(market.seconds, look) * scale for market in rested], abs=1)
    assert next(box["text"] for box in bars if box["look"] == "name") == rested[0].name

    curve = boxes["Markout"]
    dots = [box for box in curve if box["tag"] == "circle"]
    for point, dot in zip(report.markouts, dots, strict=True):
        assert read(curve, (dot["top"] + dot["bottom"]) / 2, "¢") == pytest.approx(point.cents, abs=0.02)
    assert [box["text"] for box in curve if box["look"] == "value"] == [
        f"{point.cents:.2f}¢" for point in report.markouts
    ]


@pytest.mark.parametrize(
    ("shape", "width"),
    [("an hour", 390), ("nothing but losses", 360), ("two months", 390), ("two months", 1280)],
)
def test_nothing_is_cut_off_or_written_over(show: Any, shape: str, width: int) -> None:
    shown = show(page(SHAPES[shape]), width)
    assert shown.ask("document.scrollingElement.scrollWidth") <= width, "the page has to be scrolled sideways"
    cut_off = "[...document.querySelectorAll('dd, dt, p, li, h1, h2')].filter(one => one.scrollWidth > "
    assert (
        shown.ask(f"{cut_off} one.clientWidth + 1 || one.getBoundingClientRect().right > innerWidth).length") == 0
    )
    in_two = "[...document.querySelectorAll('.figure')].filter(one => one.getBoundingClientRect().height > "
    assert shown.ask(f"{in_two} 1.5 * parseFloat(getComputedStyle(one).lineHeight)).length") == 0
    for boxes in shown.ask(BOXES).values():
        bars = [box for box in boxes if box["look"] in svg_charts.PARTS]
        texts = [box for box in boxes if box["tag"] == "text"]
        assert [box["text"] for box in texts if box["left"] < 0 or box["right"] > width] == []
        assert [
            (one["text"], other["text"])
            for place, one in enumerate(texts)
            for other in [*texts[:place], *bars]
            if min(one["right"], other["right"]) - max(one["left"], other["left"]) > 1
            and min(one["bottom"], other["bottom"]) - max(one["top"], other["top"]) > 2
        ] == []


def test_the_page_may_load_and_run_nothing(show: Any) -> None:
    """Should a name ever get through as markup, the browser still refuses it; without the page's policy it would
    not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        markup = f"<body><script>window.ran = 1</script><img loading='lazy' src='{address}'/>"
        broken = page(SHAPES["a week"]).replace("<body>", markup)
        shown = show(broken, 390)
        assert shown.ask("typeof window.ran") == "undefined"
        assert not select.select([listener], [], [], 0)[0]
        shown = show(re.sub(r"<meta http-equiv=[^>]*>", "", broken), 390)
        assert shown.ask("typeof window.ran") == "number"
        assert select.select([listener], [], [], 10)[0]


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_by_day_and_by_night(show: Any, dark: bool) -> None:
    """At least 4.5 times as bright as what is behind it, or the other way round (WCAG AA)."""
    shown = show(page(SHAPES["a week"]), 390, dark=dark)
    found = shown.ask("""
    (() => {
      const parts = text => text.match(/[\\d.]+/g).map(Number);
      const light = text => parts(text).slice(0, 3).map(one => one / 255).map(
        one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4
      ).reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
      const behind = one => {
        for (; one; one = one.parentElement) {
          const back = getComputedStyle(one).backgroundColor;
          if (parts(back)[3] !== 0) return back;
        }
      };
      const says = one => [...one.childNodes].some(child => child.nodeType === 3 && child.data.trim());
      const all = [...document.body.querySelectorAll('*')];
      return all.filter(one => says(one) && one.tagName !== 'title').map(one => {
        const style = getComputedStyle(one);
        const both = [light(one.tagName === 'text' ? style.fill : style.color), light(behind(one))];
        return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
      });
    })()
    """)
    assert len(found) > 300
    assert min(found) >= 4.5
    back = shown.ask("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") is not dark
