"""Slips in the settings, and what to type, over real processes: not everybody who trades can program."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import main
from runtime.version import VERSION

SLIPS = [
    ("TRADE_SIZE = 1", "TRADE_SIZE = auto", r"line \d+: TRADE_SIZE = auto \(NameError: .*Write words in quotes"),
    ("TRADE_SIZE = 1", "TRADE_SIZE = Auto", r"line \d+: TRADE_SIZE = Auto \(NameError: "),
    ('EXIT = "CROSS"', "EXIT = CROSS", r'line \d+: EXIT = CROSS \(NameError: .*words in quotes \("CROSS"\)'),
    ('EXIT = "CROSS"', 'EXIT = "cross"', r"EXIT = 'cross': must be \"CROSS\" or \"REST\", with quotes"),
    (
        "env = Environment.SIM",
        "env = Environment.prod",
        r"line \d+: env = Environment.prod .*Write Environment\.SIM, ",
    ),
    ("env = Environment.SIM", "env = PROD", r"line \d+: env = PROD \(NameError: "),
    ("env = Environment.SIM", 'env = "PROD"', r"env (= 'PROD': )?must be Environment\.SIM, .* without quotes"),
    ("MAX_CAPITAL = 100", 'MAX_CAPITAL = "$200"', r"MAX_CAPITAL = '\$200': must be a number, without quotes, \$"),
    ("MAX_CAPITAL = 100", "MAX_CAPITAL = 1,000", r"MAX_CAPITAL = \(1, 0\): must be one number: write 1000"),
    (
        "MAX_CAPITAL = 100",
        "max_capital = 3",
        r"Unknown setting max_capital \(did you mean MAX_CAPITAL\?\).*MAX_CAPITAL is mi",
    ),
    (
        "FILL_COST = 0.03",
        "FILL_COST = 0.03\nFILL_COTS = 1",
        r"Unknown setting FILL_COTS \(did you mean FILL_COST\?\)",
    ),
    ("ONLY = ()", 'ONLY = ("KXHIGH*")', r"ONLY = 'KXHIGH\*': must be ticker patterns in parentheses"),
    ("LOG_DETAIL = False", 'LOG_DETAIL = "yes"', r"LOG_DETAIL = 'yes': must be True or False, without quotes"),
    ("WAIT_TIME = 60", "WAIT_TIME = 60 / 0", r"line \d+: WAIT_TIME = 60 / 0 \(ZeroDivisionError: "),
]
MISREAD = {"TRADE_SIZE = auto", 'EXIT = "cross"', "max_capital = 3"}
"""One slip of each kind: a name that Python does not know, a wrong value, an unknown setting."""

UNREADABLE = [
    ("MAX_CAPITAL = 100", "MAX_CAPITAL = $200"),
    ("AVOID = (", "AVOID = (("),
    ("FILL_COST = 0.03", "FILL_COST = 0.03 dollars"),
    ("MAX_CAPITAL = 100", "  MAX_CAPITAL = 100"),
]


def run(clone: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(clone)}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=cwd or clone, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
    )


def edit(clone: Path, before: str, after: str) -> None:
    file = clone / "market_bot.py"
    text = file.read_text(encoding="utf-8")
    assert text.count(f"\n{before}") == 1
    file.write_text(text.replace(f"\n{before}", f"\n{after}"), encoding="utf-8")


@pytest.mark.parametrize(("before", "after", "told"), SLIPS, ids=[after for _, after, _ in SLIPS])
def test_a_slip_in_the_settings_is_one_line_and_exit_2(clone: Path, before: str, after: str, told: str) -> None:
    """From the bot, and from main.py for each kind, with what to write in its place. Nothing was sent."""
    edit(clone, before, after)
    for command in (["market_bot.py"], *([["main.py", "incentives"]] if after in MISREAD else [])):
        done = run(clone, *command)
        assert done.returncode == 2, done.stdout
        assert len(done.stdout.splitlines()) == 1, done.stdout
        assert re.search(told, done.stdout), done.stdout
    assert not (clone / "trade-sim.db").exists()


def test_a_setting_below_the_settings_is_told_too(clone: Path) -> None:
    """Somebody wrote it at the file's end, in small letters: nobody would read it."""
    with (clone / "market_bot.py").open("a") as file:
        file.write("\nmax_capital = 3\n")
    done = run(clone, "market_bot.py")
    assert done.returncode == 2
    assert "Unknown setting max_capital (did you mean MAX_CAPITAL?)" in done.stdout


@pytest.mark.parametrize(("before", "after"), UNREADABLE, ids=[after for _, after in UNREADABLE])
def test_what_python_cannot_read_is_one_line(clone: Path, before: str, after: str) -> None:
    """From main.py, and from what `make run` asks first. Of `python market_bot.py` Python reads the whole file
    before it runs any of it, and says in its own words where it stopped."""
    edit(clone, before, after)
    for command in (["main.py"], ["-m", "runtime.preflight"], ["main.py", "doctor"]):
        done = run(clone, *command)
        assert done.returncode == 2, done.stdout
        (line,) = [line for line in done.stdout.splitlines() if "market_bot.py cannot be read, line" in line]
        assert "Write numbers plainly (200, 0.01), words in quotes" in line
        assert command[-1] == "doctor" or len(done.stdout.splitlines()) == 1
    alone = run(clone, "market_bot.py")
    assert alone.returncode == 1
    assert "Error" in alone.stdout.splitlines()[-1]


def test_settings_that_can_be_read_pass_without_a_word(clone: Path) -> None:
    done = run(clone, "-m", "runtime.preflight")
    assert (done.returncode, done.stdout) == (0, "")


def test_auto_needs_no_quotes(clone: Path) -> None:
    edit(clone, "TRADE_SIZE = 1", "TRADE_SIZE = AUTO")
    assert "TRADE_SIZE AUTO" in run(clone, "main.py", "doctor").stdout


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("TRADE_SIZE = 0", "TRADE_SIZE = 0: must be"),
        ("TRADE_SIZE = one", r"cannot be read, line \d+: TRADE_SIZE = one \(NameError: "),
        ("TRADE_SIZE = = 1", r"cannot be read, line \d+: TRADE_SIZE = = 1 \(SyntaxError: "),
    ],
)
def test_the_doctor_tells_a_wrong_setting_and_goes_on(clone: Path, line: str, told: str) -> None:
    edit(clone, "env = Environment.SIM", "env = Environment.DEMO")
    edit(clone, "TRADE_SIZE = 1", line)
    done = run(clone, "main.py", "doctor")
    assert done.returncode == 2
    (said,) = re.findall(r"^  FAIL  Settings +(.*)$", done.stdout, re.MULTILINE)
    assert re.search(told, said)
    assert re.search(r"^  ok    Log  ", done.stdout, re.MULTILINE)
    assert "Settings" in done.stdout.splitlines()[-1]


# -- what to type ----------------------------------------------------------------------------------------------


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(("name", "is_inside"), [("clone", True), ("a folder with a space", False)])
def test_what_is_told_to_be_typed_can_be_typed_from_anywhere(clone: Path, name: str, is_inside: bool) -> None:
    """From the project's folder, whatever it is called, and from another one: the examples of --help, and the
    ticker in the board's last line, which exists today."""
    place = clone.rename(clone.with_name(name))
    cwd = place if is_inside else place.parent
    told = run(place, str(place / "main.py"), "--help", cwd=cwd).stdout
    examples = [line.split("  ")[1] for line in re.findall(r"^(  .*main\.py.*)$", told, re.MULTILINE)]
    examples = [line for line in examples if "usage" not in line]
    assert len(examples) == len(main.EXAMPLES)
    typed = {line: shell(line, cwd) for line in examples[:1] + [one for one in examples if "incentives" in one]}
    for line, done in typed.items():
        assert done.returncode == (2 if "TICKER" in line else 0), (line, done.stdout)
    board = next(done.stdout for line, done in typed.items() if line.endswith("incentives"))
    (why,) = re.findall(r"^Every number behind a market: (.*)$", board, re.MULTILINE)
    done = shell(why, place)  # where the first line has led
    assert done.returncode == 0
    assert re.search(rf"^{re.escape(shlex.split(why)[-1])}: (would be|is not) quoted", done.stdout, re.MULTILINE)
    unknown = next(done.stdout for line, done in typed.items() if "TICKER" in line)
    assert shell(unknown.partition("One that has: ")[2].strip(), place).returncode == 0


def test_the_version_is_told_everywhere(clone: Path) -> None:
    for program in ("market_bot.py", "main.py"):
        done = run(clone, program, "--version")
        assert (done.returncode, done.stdout) == (0, f"{VERSION}\n")
    assert f"Version       {VERSION} of the bot" in run(clone, "main.py", "doctor").stdout


DOTENV_SLIPS = [
    ("BOT_TRADE_SIZE=auto", r"BOT_TRADE_SIZE in \.env = 'auto': must be a number of contracts, or AUTO"),
    ("BOT_MAX_CAPITAL=$200", r"BOT_MAX_CAPITAL in \.env = '\$200': must be a number"),
    ("BOT_TRADE_SISE=5", r"Unknown variable BOT_TRADE_SISE in \.env \(did you mean BOT_TRADE_SIZE\?\)"),
    ("BOT_WAIT_TIME=30\nBOT_WAIT_TIME=60", r"BOT_WAIT_TIME: more than one value in \.env"),
    (
        'BOT_OVERRIDES={"KX*": {"TRADE_SIZE": 5}, "KXHIGH*": {"TRADE_SIZE": 6}}',
        r'"KX\*" before it matches them all',
    ),
    ('BOT_TRADE_SIZE=AUTO\nBOT_OVERRIDES={"KXHIGH*": {"TRADE_SIZE": 6}}', r"contradicts TRADE_SIZE = AUTO"),
    ("ALERT_URL=https://ntfy.sh/secret", r"ALERT_FORMAT must be one of ntfy, slack, discord, json"),
    ("HEARTBEAT_URL=hc-ping.com/secret", r"HEARTBEAT_URL must be an address that begins with https://"),
]


@pytest.mark.parametrize(("lines", "told"), DOTENV_SLIPS, ids=[lines for lines, _ in DOTENV_SLIPS])
def test_a_slip_in_dotenv_is_one_line_and_exit_2(clone: Path, lines: str, told: str) -> None:
    """Nothing was sent, and no value that may be secret is told."""
    (clone / ".env").write_text(f"{lines}\n")
    done = run(clone, "market_bot.py")
    assert done.returncode == 2, done.stdout
    assert len(done.stdout.splitlines()) == 1, done.stdout
    assert re.search(told, done.stdout), done.stdout
    assert "secret" not in done.stdout
    assert not (clone / "trade-sim.db").exists()
