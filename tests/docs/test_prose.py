"""Docstrings can be skimmed: the first line is short."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.project import PACKAGES, PROJECT

LONGEST = 80
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef


def first_lines() -> Iterator[tuple[str, str]]:
    """The first line of each docstring of the product and the benchmarks, with the file it is in."""
    for folder in ("", *PACKAGES, "simulator/api", "benchmarks"):
        for file in sorted((PROJECT / folder).glob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                said = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
                if said:
                    yield file.relative_to(PROJECT).as_posix(), said.splitlines()[0]


def test_the_first_line_of_a_docstring_can_be_skimmed() -> None:
    found = list(first_lines())
    assert len(found) > 1_000
    assert [(file, line) for file, line in found if len(line) > LONGEST] == []
