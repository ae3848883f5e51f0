"""README.md and the pages of docs/, read as one text."""

from __future__ import annotations

import re

from tests.support.project import PROJECT

FILES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TEXTS = {file.relative_to(PROJECT).as_posix(): file.read_text(encoding="utf-8") for file in FILES}
README = TEXTS["README.md"]
PAGES = "\n".join(TEXTS.values())

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(found[1], found[2]) for found in FENCED.finditer(PAGES)]
PROSE = FENCED.sub("", PAGES)


def spans(text: str) -> list[str]:
    """The texts between backticks."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def rows(text: str, head: str) -> list[list[str]]:
    """The cells of the first table in `text` whose first line begins with `head`."""
    table = text.partition(f"| {head}")[2].partition("\n\n")[0].splitlines()[2:]
    assert table, head
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def first_spans(text: str, head: str) -> list[str]:
    """The texts between backticks in a table's first column."""
    return [span for cells in rows(text, head) for span in spans(cells[0])]
