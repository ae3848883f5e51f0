"""README.md, the pages of docs/ and the code say the same: what they show can be typed, what they name exists."""

from __future__ import annotations

import ast
import io
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout, suppress
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import pytest
import yaml

import main
import market_bot
from clients import Environment
from commands import status, status_facts
from exchange.reserves import CashRule
from ledger.schema import MIGRATIONS
from runtime import console, preflight
from runtime.version import VERSION
from simulator import embedded
from tests.support import documented_log
from tests.support.documented_log import TRADE_LOG
from tests.support.pages import BLOCKS, FILES, PAGES, PROSE, README, TEXTS, first_spans, rows, spans
from tests.support.project import PACKAGES, PROJECT

MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
DEVELOPMENT = (PROJECT / "requirements-dev.txt").read_text(encoding="utf-8")
SERVER = (PROJECT / "simulator" / "server.py").read_text(encoding="utf-8")
FOLDERS = [*PACKAGES, "benchmarks"]
BOTS = [name for name in PACKAGES if name != "simulator"]
FRONT_DOORS = {file.name for file in PROJECT.glob("*.py")}
ROOMS = FRONT_DOORS | {
    str(file.relative_to(PROJECT))
    for name in BOTS
    for file in (PROJECT / name).glob("*.py")
    if file.stem != "__init__"
}


def section(title: str) -> str:
    """The text under a heading of any page, up to the next one of its level."""
    level = re.search(rf"^(#+) {re.escape(title)}$", PAGES, re.MULTILINE)
    assert level, title
    return re.split(rf"^#{{1,{len(level[1])}}} ", PAGES[level.end() :], maxsplit=1, flags=re.MULTILINE)[0]


# -- the first screen ------------------------------------------------------------------------------------------


def test_make_run_starts_the_bot() -> None:
    """The lines for a start without make do the same. The needed Python, the log file and the pace are those of
    the code."""
    start = section("Start")
    assert "\nmake run\n" in start
    assert re.search(r"^run:.*\n\t@.*\n\t\$\(BIN\)/python market_bot\.py$", MAKEFILE, re.MULTILINE)
    by_hand = [line for language, block in BLOCKS if language == "bash" for line in block.splitlines()]
    assert f".venv/bin/{preflight.LOCKED}" in by_hand
    assert ".venv/bin/python market_bot.py" in by_hand
    assert f"Python {'.'.join(map(str, preflight.PYTHON_NEEDED))} or newer" in start
    assert f"`tail -F {market_bot.paths().log.name}`" in start
    assert f"takes {market_bot.WAIT_TIME / embedded.PACE:.1f} seconds of yours" in start


def events_of_the_code() -> set[str]:
    """What is passed to `log`, and what `bot/log_events.py` tells the loop to log."""
    found: set[str] = set()
    for name in ROOMS:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.Call) and called(node) in ("log", "_log", "entry"):
                place = 1 if called(node) == "entry" else 0
                found |= words(node.args[place : place + 1])
            elif name == "bot/log_events.py" and isinstance(node, ast.Tuple) and node.elts:
                found |= words(node.elts[:1])
    return found


@cache
def tree(name: str) -> ast.Module:
    return ast.parse((PROJECT / name).read_text(encoding="utf-8"))


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def words(nodes: Iterable[ast.AST]) -> set[str]:
    """The constants among what an argument may be, in capitals."""
    found = (one.value for node in nodes for one in ast.walk(node) if isinstance(one, ast.Constant))
    return {one for one in found if isinstance(one, str) and re.fullmatch(r"[A-Z]+( [A-Z]+)*", one)}


def test_every_event_of_the_log_is_in_the_table() -> None:
    """The sample log and the text name only events that the code can log."""
    events = events_of_the_code()
    assert len(events) > 20
    listed = [name.strip("[]") for name in first_spans(TRADE_LOG, "event | says")]
    assert sorted(listed) == sorted(events)
    samples = [block for _, block in BLOCKS if "[START]" in block]
    assert len(samples) == 2
    for sample in samples:
        shown = re.findall(r"^[-\d]{10} [:\d]{8} \[([A-Z ]+)\] ", sample, re.MULTILINE)
        assert len(shown) == len([line for line in sample.splitlines() if not line.startswith("  └─ ")]) > 5
        assert set(shown) <= events
    assert set(re.findall(r"`\[([A-Z ]+)\]", PROSE)) <= events


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    """At most 180 lines. The five questions stand on the first screen, and the tree has every folder."""
    lines = README.splitlines()
    assert len(lines) <= 180
    assert len([line for line in lines[:50] if line.startswith("| ") and "?" in line]) == 5
    pages = {cells[0].partition("](")[2].rstrip(")") for cells in rows(README, "page |")}
    assert pages == {name for name in TEXTS if name != "README.md"}
    (tree,) = [block for _, block in BLOCKS if block.startswith("market_bot.py ")]
    assert {*FRONT_DOORS, *(f"{name}/" for name in (*FOLDERS, "tests", "docs"))} <= set(tree.split())


LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


@pytest.mark.parametrize(
    "file", [*FILES, PROJECT / "SECURITY.md", PROJECT / "CONTRIBUTING.md"], ids=lambda file: file.name
)
def test_a_link_leads_to_a_page_and_a_heading_that_are_there(file: Path) -> None:
    for path, anchor in LINK.findall(file.read_text(encoding="utf-8")):
        page = file.parent / path if path else file
        assert page.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^-\w ]", "", title.lower()).replace(" ", "-") for title in headings}, (
                anchor
            )


# -- the commands ----------------------------------------------------------------------------------------------


def command_lines() -> list[str]:
    """Every line of a block that is typed, and every piece of code in the text that is a command."""
    blocks = [block.replace("\\\n", " ") for language, block in BLOCKS if language == "bash"]
    lines = [line for block in blocks for line in block.splitlines()]
    typed = r"(\.venv/bin/)?python3? |-m \w|make \w|(\./)?(main|market_bot)\.py \S|cp |pip install|apt "
    return lines + [span for span in spans(PROSE) if re.match(typed, span)]


def parts_of(line: str) -> Iterator[list[str]]:
    """The commands of a line, word by word, without what leads to a program."""
    for part in re.split(r" && |; ", line.partition("  #")[0]):
        found = [word.removeprefix(".venv/bin/") for word in shlex.split(part)]
        if found[0] in ("python", "python3"):
            found = found[1:]
        yield found


KNOWN_ELSEWHERE = {"git", "cd", "apt", "touch", "mkdir", "chmod", "umask", "tail", "useradd", "su", "systemctl"}
KNOWN_ELSEWHERE |= {"tmux", "docker", "tar", "sqlite3", "jq", "-c"}


def test_every_command_can_be_typed_as_it_stands() -> None:
    lines = command_lines()
    assert len(lines) > 40
    for line in lines:
        for command, *arguments in parts_of(line):
            if command == "-m":
                module, *options = arguments
                assert_module(module, options, line)
            elif command == "main.py":
                assert_understood([one for one in arguments if not one.startswith("[")], line)
            elif command == "market_bot.py":
                assert set(arguments) <= options_of("market_bot"), line
            elif command == "make":
                assert re.search(rf"^{arguments[0]}:", MAKEFILE, re.MULTILINE), line
            elif command == "cp":
                assert (PROJECT / arguments[0]).exists(), line
            elif command == "pip":
                files = [name for name in arguments if name.endswith((".txt", ".lock"))]
                assert all((PROJECT / name).exists() for name in files), line
            elif command in ("ruff", "mypy", "pytest"):
                assert re.search(rf"^{command}==", DEVELOPMENT, re.MULTILINE), line
            elif command == "curl":
                (path,) = re.findall(r"http://127.0.0.1:8080/simulator(/\S+)", line)
                verb = "POST" if "-X POST" in line else "GET"
                assert f'case "{verb}", "{path}":' in SERVER, line
            else:
                assert command in KNOWN_ELSEWHERE, line


def assert_module(module: str, options: list[str], line: str) -> None:
    if module in ("venv", "pip"):
        return
    asked = {one.partition("=")[0] for one in options if one.startswith("--")}
    assert asked <= options_of(module), line


def assert_understood(arguments: list[str], line: str) -> None:
    try:
        main.parse(arguments)
    except SystemExit as end:
        raise AssertionError(f"main.py does not understand {line!r}") from end


@cache
def options_of(module: str) -> set[str]:
    """The options that a module's parser has, by its source."""
    path = PROJECT / module.replace(".", "/")
    file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    assert file.exists(), f"there is no {module}"
    source = tree(str(file.relative_to(PROJECT)))
    calls = [node for node in ast.walk(source) if isinstance(node, ast.Call) and called(node) == "add_argument"]
    assert "__main__" in ast.dump(source), f"{module} is nothing to run"
    return {one.value for call in calls for one in call.args if isinstance(one, ast.Constant)}


def test_an_option_that_is_named_alone_exists() -> None:
    """An option without its command in the text belongs to a command that the pages name."""
    modules = {"market_bot", *re.findall(r"-m ((?:tests|benchmarks|simulator)[.\w]*)", PAGES)}
    known = {"--help"}.union(*commands_of_main().values(), *map(options_of, modules))
    alone = {span.partition(" ")[0] for span in spans(PROSE) if span.startswith("--")}
    assert len(alone) > 5
    assert alone <= known


def test_the_simulators_options_are_all_told() -> None:
    told = [span.split()[0] for span in first_spans(TEXTS["docs/simulator.md"], "option |")]
    assert sorted(told) == sorted(options_of("simulator") - {"--port"})


def commands_of_main() -> dict[str, set[str]]:
    """The options of each command, by its help."""
    listed = main.commands().format_help().partition("positional arguments:")[2].partition("\noptions:")[0]
    names = re.findall(r"^    (\S+)", listed, re.MULTILINE)
    return {name: set(re.findall(r"^  (--[-\w]+)", help_of(name), re.MULTILINE)) for name in names}


def help_of(name: str) -> str:
    """What `python main.py NAME --help` prints."""
    with redirect_stdout(io.StringIO()) as printed, suppress(SystemExit):
        main.parse([name, "--help"])
    return printed.getvalue()


def test_the_commands_of_main_are_all_in_one_table() -> None:
    """README has the table too. The section on main.py shows all options of the commands and no others."""
    text = section("The commands of main.py")
    for page in (text, README):
        assert [span.split()[1] for span in first_spans(page, "command |")] == list(commands_of_main())
    shown = set(re.findall(r"(?<![-\w])--[a-z]+", text)) - {"--help", "--version"}
    assert shown == set().union(*commands_of_main().values())


def test_the_examples_of_help_can_be_typed() -> None:
    shown = main.examples().splitlines()
    assert len(shown) == len(main.EXAMPLES)
    for line, (example, _) in zip(shown, main.EXAMPLES, strict=True):
        assert line.startswith(f"  {console.typed(f'main.py {example}').rstrip()} ")
        main.parse(shlex.split(example))


def test_what_the_code_tells_people_to_type_can_be_typed() -> None:
    known, told = commands_of_main(), set()
    for name in ROOMS:
        source = (PROJECT / name).read_text(encoding="utf-8")
        told |= set(re.findall(r"typed\(f?['\"]main\.py ([a-z][-a-z]*)(?: (--[a-z]+))?", source))
    assert len(told) > 3
    assert {command for command, _ in told} <= set(known)
    assert {command: option for command, option in told if option and option not in known[command]} == {}


def test_the_fields_of_the_json_are_those_that_are_listed() -> None:
    nobody = status_facts.BotProcess(False, "on this account", "")
    nothing = status_facts.AccountFacts(None, CashRule(), (), ())
    facts = status_facts.StatusFacts(
        Environment.SIM, "x", "y", datetime.now(timezone.utc), nothing, nobody, "trade-sim.db"
    )
    fields = re.findall(r'^  "(\w+)":', status.as_json(facts), re.MULTILINE)
    assert first_spans(TEXTS["docs/commands.md"], "field |") == fields
    described = (status.__doc__ or "").partition("The object of")[2]
    heads = ", ".join(re.findall(r"^    (\w[\w, ]*?)  ", described, re.MULTILINE))
    assert heads.split(", ") == fields


# -- reasons, codes, files, tables -----------------------------------------------------------------------------


def test_the_reasons_and_the_codes_are_all_told_once() -> None:
    for event, codes in documented_log.CODES.items():
        assert sorted(first_spans(TRADE_LOG, f"reason of `[{event}]`")) == sorted(codes), event
    source = "".join((PROJECT / name).read_text(encoding="utf-8") for name in ROOMS)
    for event in documented_log.WORDS:
        for phrase in documented_log.documented_phrases(event):
            words = [part.strip(" ().") for part in re.split("…|(?<=python main.py) ", phrase)]
            assert [part for part in words if part not in source] == [], phrase


def test_the_file_table_names_each_module_once() -> None:
    """The table of files names nothing that does not exist. It lists each folder and the benchmarks that can be
    run."""
    table = rows(TEXTS["docs/architecture.md"], "file |")
    first = [span for cells in table for span in spans(cells[0])]
    assert sorted(name for name in first if name.endswith(".py")) == sorted(FRONT_DOORS)
    assert [name for name in first if not (PROJECT / name).exists()] == []
    assert {name.rstrip("/") for name in first} >= set(FOLDERS)
    for name in BOTS:
        (told,) = [spans(cells[1]) for cells in table if f"`{name}/`" in cells[0]]
        files = [f"{name}/{span}" for span in told if span.endswith(".py") and span not in FRONT_DOORS]
        assert sorted(files) == sorted(room for room in ROOMS if room.startswith(f"{name}/"))
    for name in ("simulator", "benchmarks"):
        (told,) = [spans(cells[1]) for cells in table if f"`{name}/`" in cells[0]]
        assert [one for one in told if not any((PROJECT / name).glob(f"{one.rstrip('/')}*"))] == []
    runnable = {name for name in (file.stem for file in (PROJECT / "benchmarks").glob("*.py")) if is_run(name)}
    assert sorted(told) == sorted(runnable), "of the benchmarks"


def is_run(benchmark: str) -> bool:
    return "__main__" in ast.dump(tree(f"benchmarks/{benchmark}.py"))


def test_files_that_are_named_anywhere_exist() -> None:
    made = {"trade.log", ".env", "simulator-key.pem", "trade.lock"}
    names = {span for span in spans(PROSE) if re.fullmatch(r"\.?[\w/-]+\.(py|txt|md|json|example)", span)}
    assert len(names) > 20
    homes = (PROJECT, *(PROJECT / name for name in FOLDERS))
    assert [name for name in names - made if not any((home / name).exists() for home in homes)] == []


def test_the_ledgers_tables_are_there() -> None:
    tables = set(re.findall(r"CREATE TABLE (\w+)", "".join(MIGRATIONS)))
    told = first_spans(TEXTS["docs/ledger.md"], "table |")
    assert len(told) > 10
    assert set(told) <= tables


@pytest.mark.parametrize("target", ["run", "status", "report", "doctor", "test", "soak"])
def test_the_makefile_runs_what_is_there(target: str) -> None:
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe
    for line in recipe[1].splitlines():
        command = line.strip().replace("$(BIN)/", "")
        found = re.match(r"python -m ([\w.]+)(.*)", command)
        if found:
            assert_module(found[1], found[2].split(), line)
        found = re.match(r"python main\.py (.*)", command)
        if found:
            assert_understood(found[1].split(), line)
            assert found[1] == target


def test_the_public_workflow_runs_make_test() -> None:
    text = (PROJECT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)["jobs"]["test"]
    pythons = [tuple(map(int, version.split("."))) for version in job["strategy"]["matrix"]["python"]]
    assert min(pythons) == preflight.PYTHON_NEEDED
    assert [step["run"].split()[:2] for step in job["steps"] if "run" in step] == [["make", "test"]]


def test_make_help_lists_every_target() -> None:
    command = ["make", "--no-print-directory", "help"]
    told = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True, timeout=20)
    listed = re.findall(r"^make (\w+) +\S", told.stdout, re.MULTILINE)
    targets = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert targets
    assert sorted(listed) == sorted(targets[1].split())
    assert len(told.stdout.splitlines()) == len(listed)


def test_the_changelog_begins_with_this_version() -> None:
    """Each version once, the latest first."""
    told = re.findall(
        r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M
    )
    assert told[0] == VERSION
    assert len(told) == len(set(told))
