"""The house: five front doors, packages behind them, every import pointing down.

An import goes to the own package or to a lower layer, wherever it stands: at the top, in a function or for types
only. Nobody can read a room alone whose imports point up, and a circle is one room with many doors.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

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
"""The upper ones first. Those beside each other do not know each other."""

LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}
FRONT_DOORS = ["clients", "incentive", "main", "market_bot", "trade"]
PACKAGES = sorted(set(LEVELS) - set(FRONT_DOORS))
LONGEST = 450
"""Lines of a file."""


def sources() -> dict[str, str]:
    """The product's modules with their text, by dotted name."""
    files = [*PROJECT.glob("*.py"), *(file for name in PACKAGES for file in (PROJECT / name).rglob("*.py"))]
    names = (file.relative_to(PROJECT).with_suffix("") for file in files)
    return {
        ".".join(name.parts).removesuffix(".__init__"): file.read_text(encoding="utf-8")
        for name, file in zip(names, files, strict=True)
    }


def imported(text: str, modules: Mapping[str, str]) -> Iterator[str]:
    """The product's modules that a text imports."""
    for node in ast.walk(ast.parse(text)):
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
    """Modules that import each other, directly or not; empty where none do."""
    arrows = {name: set(imported(text, modules)) - {name} for name, text in modules.items()}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_the_top_folder_holds_the_five_front_doors_only() -> None:
    """The project has no other module in its top folder. Its other folders with modules are the known packages,
    benchmarks and tests."""
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
    assert [name for name, text in sources().items() if len(text.splitlines()) > LONGEST] == []


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
