"""Paths of the project, its packages and the files next to it; the start of simulated days."""

from __future__ import annotations

import ast
import compileall
import itertools
import shutil
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

import pytest

START = datetime(2026, 11, 22, 15, 0, tzinfo=timezone.utc)

PROJECT = Path(__file__).resolve().parents[2]
SHARED = PROJECT.parent / "shared"
SPECIFICATION = SHARED / "kalshi" / "openapi.yaml"
LIP_VECTORS = SHARED / "kalshi" / "lip_vectors.json"
RECORDED_BOOKS = SHARED / "data" / "books-2026-07-23.jsonl.gz"

PACKAGES = sorted(file.parent.name for file in PROJECT.glob("*/__init__.py") if file.parent.name != "benchmarks")
PRODUCT = [
    "*.py",
    *(f"{name}/**/*.py" for name in PACKAGES),
    "requirements.txt",
    "requirements.lock",
    ".env.example",
]

COMPILED = ["__pycache__/*.pyc", *(f"{name}/**/*.pyc" for name in PACKAGES)]


def needs(file: Path) -> pytest.MarkDecorator:
    """Skip a test if `file`, which may lie next to the project, is not there."""
    told = "not beside this clone: ../shared with the exchange's specification, rule vectors and recorded books"
    return pytest.mark.skipif(not file.exists(), reason=told)


def compile_product() -> None:
    """Compile the product's modules. A process that does so itself starts in twice the time."""
    for file in itertools.chain.from_iterable(map(PROJECT.glob, PRODUCT)):
        if file.suffix == ".py":
            compileall.compile_file(file, quiet=2)


def copy_of_the_product(there: Path) -> Path:
    """Copy the files that a user needs to a folder, without key, log or settings. Returns the folder.

    What `compile_product` compiled is copied too, with the times by which Python recognizes it."""
    for pattern in (*PRODUCT, *COMPILED):
        for file in PROJECT.glob(pattern):
            (there / file.relative_to(PROJECT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, there / file.relative_to(PROJECT))
    return there


def noted(decorator: str, files: Iterable[Path]) -> set[str]:
    """The texts in each `@decorator("text", ...)` of the tests in some files. The files are read, not imported, so
    the result does not depend on the selected tests."""
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for one in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if isinstance(one, ast.Call) and ast.unparse(one.func).rpartition(".")[2] == decorator:
                    found |= {ast.literal_eval(text) for text in one.args}
    return found
