"""The structure of the project: five front doors, packages behind them, tests laid out like the packages.

Every import goes to its own package or to a lower layer: at the top of a file, in a function, or for types only. A
package whose imports point up cannot be read alone, and packages in a circle cannot be read apart.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeGuard

import pytest

from tests.support.pages import TEXTS, rows, spans
from tests.support.project import PROJECT

LAYERS = (
    ("main",),
    ("commands",),
    ("market_bot",),
    ("bot",),
    ("incentive",),
    ("selection", "execution", "report"),
    ("risk", "ledger"),
    ("trade",),
    ("clients", "runtime", "rewards"),
    ("exchange", "simulator"),
)
"""The upper layers first. Packages of one layer do not import each other."""

LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}
FRONT_DOORS = ["clients", "incentive", "main", "market_bot", "trade"]
PACKAGES = sorted(set(LEVELS) - set(FRONT_DOORS))
LONGEST = 450
"""Lines of a file."""

LONGEST_FIRST_LINE = 80
"""Characters of a docstring's first line."""


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def sources_of_tests() -> dict[str, str]:
    """The files of `tests/` with their text, by dotted name."""
    found = sorted((PROJECT / "tests").rglob("*.py"))
    return {".".join(file.relative_to(PROJECT).with_suffix("").parts): read(file) for file in found}


def sources() -> dict[str, str]:
    """The product's modules with their text, by dotted name."""
    files = [*PROJECT.glob("*.py"), *(file for name in PACKAGES for file in (PROJECT / name).rglob("*.py"))]
    names = (file.relative_to(PROJECT).with_suffix("") for file in files)
    return {
        ".".join(name.parts).removesuffix(".__init__"): read(file) for name, file in zip(names, files, strict=True)
    }


def sources_of_benchmarks() -> dict[str, str]:
    """The files of `benchmarks/` with their text, by dotted name."""
    return {f"benchmarks.{file.stem}": read(file) for file in PROJECT.glob("benchmarks/*.py")}


@cache
def nodes(text: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(text)))


def imported(text: str, modules: Mapping[str, str]) -> Iterator[str]:
    """The product's modules that a text imports."""
    for node in nodes(text):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, else this cannot read them"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name if name in modules else str(node.module) for name in found]
        else:
            continue
        yield from (name for name in found if name in modules)


def upward(modules: Mapping[str, str]) -> list[str]:
    """The imports that do not point down."""
    found = []
    for name, text in modules.items():
        for other in imported(text, modules):
            here, there = name.partition(".")[0], other.partition(".")[0]
            if here != there and LEVELS[there] <= LEVELS[here]:
                found.append(f"{name} imports {other}")
    return found


def circle(modules: Mapping[str, str]) -> list[str]:
    """Modules that import each other, directly or not; empty if there are none."""
    arrows = {name: set(imported(text, modules)) - {name} for name, text in modules.items()}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_the_top_folder_holds_the_five_front_doors_only() -> None:
    """The top folder has no other module. The other folders with modules are the known packages, benchmarks and
    tests."""
    assert sorted(file.stem for file in PROJECT.glob("*.py")) == FRONT_DOORS
    folders = {file.parent.name for file in PROJECT.glob("*/*.py")} - {"benchmarks", "tests"}
    assert folders == set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_promises_in_its_first_line_what_it_is(name: str) -> None:
    text = (PROJECT / name / "__init__.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    if name != "simulator":
        assert len(text.splitlines()) == 1


def test_every_import_points_down() -> None:
    assert upward(sources()) == []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle(sources()) == []


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    texts = sources() | sources_of_tests() | sources_of_benchmarks()
    assert [name for name, text in texts.items() if len(text.splitlines()) > LONGEST] == []


def test_the_first_line_of_a_docstring_can_be_skimmed() -> None:
    found = [
        (name, (ast.get_docstring(node) or "").partition("\n")[0])
        for name, text in (sources() | sources_of_benchmarks()).items()
        for node in nodes(text)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
    ]
    assert len([line for _, line in found if line]) > 1_000
    assert [(name, line) for name, line in found if len(line) > LONGEST_FIRST_LINE] == []


# -- the tests' own layout ---------------------------------------------------------------------------------------

BESIDE_ROOMS = {"docs", "loop", "processes", "slow", "support"}
"""Folders of tests that cover several packages, or support tests."""

LONGEST_NAME = 60
"""Characters of a test's name, so that it is readable in a report."""

PUBLIC = {"_replace", "_asdict", "_fields", "_exit", "_getframe"}
"""Names of named tuples and of Python that are public in spite of their underscore."""


def test_tests_are_laid_out_like_the_rooms() -> None:
    """The tests of a package are in a folder of its name."""
    folders = {name.split(".")[1] for name in sources_of_tests() if name.count(".") > 1}
    assert folders - BESIDE_ROOMS <= set(LEVELS)
    assert set(LEVELS) - {"main", "market_bot"} <= folders


def test_no_test_needs_another_test_file() -> None:
    """A test can be moved or deleted without breaking another one."""
    modules = sources_of_tests()
    shared = {name for name in modules if name.rpartition(".")[2].startswith("test_")}
    assert [name for name, text in modules.items() if shared & set(imported(text, modules))] == []


def test_names_of_tests_fit_in_a_report() -> None:
    named = {
        node.name for text in sources_of_tests().values() for node in ast.walk(ast.parse(text)) if is_test(node)
    }
    assert len(named) > 900
    assert [name for name in named if len(name) > LONGEST_NAME] == []


def is_test(node: ast.AST) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test_")


def test_no_test_reaches_into_what_is_private() -> None:
    """A package may change its private names without breaking a test."""
    found = [f"{name}: {reach}" for name, text in sources_of_tests().items() for reach in private_reaches(text)]
    assert found == []


def private_reaches(text: str) -> list[str]:
    """The places at which a text uses a private attribute of anything but `self` or `cls`."""
    return [
        ast.unparse(node)
        for node in nodes(text)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if node.attr not in PUBLIC and ast.unparse(node.value) not in ("self", "cls")
    ]


def test_a_reach_into_what_is_private_is_found() -> None:
    assert private_reaches("bench.bot._session.begun") == ["bench.bot._session"]
    assert private_reaches("self._file, one._replace(a=1), type(x).__name__") == []


def test_the_pages_tell_the_same_layers() -> None:
    told = [spans(what) for _, what in rows(TEXTS["docs/architecture.md"], "layer |")]
    assert [{name.removesuffix(".py").rstrip("/") for name in names} for names in told] == list(map(set, LAYERS))


# -- what the checks catch ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "line", "told"),
    [
        ("exchange.models", "import market_bot", "exchange.models imports market_bot"),
        ("exchange.models", "def late():\n    from bot import settings", "exchange.models imports bot.settings"),
        ("exchange.clock", "from simulator.clock import Clock", "exchange.clock imports simulator.clock"),
        ("simulator.board", "from exchange.models import Market", "simulator.board imports exchange.models"),
        ("report.text", "if TYPE_CHECKING:\n    import incentive", "report.text imports incentive"),
        ("ledger.entries", "from risk.gate import Gate", "ledger.entries imports risk.gate"),
        ("market_bot", "import commands.doctor", "market_bot imports commands.doctor"),
        ("trade", "from trade import Trade\nimport main", "trade imports main"),
    ],
)
def test_an_import_that_points_up_or_aside_is_found(room: str, line: str, told: str) -> None:
    modules = sources()
    assert upward(modules | {room: f"{modules[room]}\n{line}\n"}) == [told]


def test_a_circle_within_a_package_is_found() -> None:
    modules = sources()
    modules["exchange.orderbook"] += "\ndef late():\n    from exchange.models import Market\n"
    assert {"exchange.orderbook", "exchange.models"} <= set(circle(modules))
