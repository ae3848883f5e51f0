"""Settings outside the tracked file: a variable does what the constant does, and a slip is told like one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

import market_bot
from bot import settings
from bot.connection import Variables, read_variables
from bot.overrides import Override
from bot.setting_variables import VARIABLES, replaced_by
from bot.settings import Settings
from clients import Environment
from exchange.errors import ConfigError
from execution.exits import Exit
from tests.support.bench import Said

TYPED: dict[str, tuple[str, object]] = {
    "env": ("DEMO", Environment.DEMO),
    "TRADE_SIZE": ("AUTO", None),
    "TRADE_DELTA": ("0.02", 2),
    "WAIT_TIME": ("30", 30.0),
    "EXPIRATION_TS": ("2", 120.0),
    "TRADE_TICKER_SIZE": ("3", 3),
    "INCENTIVE_SIZE": ("None", None),
    "ONLY": ("KXHIGH*, KXLOWT*", ("KXHIGH*", "KXLOWT*")),
    "AVOID": ("", ()),
    "OVERRIDES": ('{"KXHIGH*": {"TRADE_SIZE": 20}}', (Override("KXHIGH*", {"trade_size": Decimal(20)}),)),
    "MAX_CAPITAL": ("200", Decimal(200)),
    "MAX_EVENT_LOSS": ("12.50", Decimal("12.5")),
    "MIN_HOURS_TO_CLOSE": ("12", 12.0),
    "MIN_REWARD": ("1.5", Decimal("1.5")),
    "TRUST_RULE": ("2026-07-30", "2026-07-30"),
    "FILL_COST": ("0.015", 0.015),
    "EXIT": ("REST", Exit.REST),
    "EXIT_LIMIT": ("0.05", Decimal("0.05")),
    "DAILY_LOSS_LIMIT": ("10", Decimal(10)),
    "FILL_PAUSE": ("60", 60.0),
    "FILL_LIMIT": ("25", Decimal(25)),
    "SCAN_TIME": ("300", 300.0),
    "WATCH_TIME": ("None", None),
    "LOG_SIZE": ("1.5", 1_500_000),
    "LOG_FILES": ("2", 2),
    "LOG_DETAIL": ("True", True),
    "LOG_JSON": ("True", True),
}
"""What you type for each setting, and the checked value. None is the shipped one."""


def read(dotenv: dict[str, str], terminal: dict[str, str] | None = None) -> Settings:
    return market_bot.read_settings(replaced=replaced_by(Variables(terminal or {}, dotenv)))


def test_every_setting_has_a_variable_that_is_typed_here() -> None:
    assert list(VARIABLES.values()) == list(TYPED) == list(settings.NAMES)


@pytest.mark.parametrize("name", TYPED)
def test_a_variable_replaces_its_constant_and_no_other(name: str) -> None:
    text, value = TYPED[name]
    variable = f"BOT_{name.upper()}"
    found, shipped = read({variable: text}), market_bot.read_settings()
    field = name.lower()
    assert getattr(shipped, field) != value, "the shipped value would pass without the variable"
    assert getattr(found, field) == value
    assert found.in_words()[name] == f"{found.in_words()[name]!s}".partition(" (")[0] + f" ({variable} in .env)"
    others = [one for one in settings.NAMES if one != name]
    assert {one: getattr(found, one.lower()) for one in others} == {
        one: getattr(shipped, one.lower()) for one in others
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ONLY", '("KXHIGH*", "KXLOWT*")'), ("ONLY", '["KXHIGH*", "KXLOWT*"]'), ("ONLY", "KXHIGH*,KXLOWT*,"),
        ("ONLY", '"KXHIGH*", "KXLOWT*"'), ("ONLY", " KXHIGH* , KXLOWT* "), ("env", "Environment.DEMO"),
        ("EXIT", '"REST"'), ("TRADE_SIZE", '"AUTO"'), ("MAX_CAPITAL", " 200 "), ("MAX_CAPITAL", "2e2"),
    ],
)  # fmt: skip
def test_a_value_may_be_written_as_in_the_file(name: str, text: str) -> None:
    assert getattr(read({f"BOT_{name.upper()}": text}), name.lower()) == TYPED[name][1]


def test_an_amount_in_a_variable_is_exact() -> None:
    found = read({"BOT_MAX_EVENT_LOSS": "0.1", "BOT_TRADE_SIZE": "7.55"})
    assert (found.max_event_loss, found.trade_size) == (Decimal("0.1"), Decimal("7.55"))


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("BOT_ENV", "demo", "BOT_ENV in .env = 'demo': must be Environment.SIM, "),
        ("BOT_TRADE_SIZE", "auto", "BOT_TRADE_SIZE in .env = 'auto': must be a number of contracts, or AUTO"),
        ("BOT_TRADE_SIZE", "0", "BOT_TRADE_SIZE in .env = 0: must be a number of contracts above 0"),
        ("BOT_MAX_CAPITAL", "$200", r"BOT_MAX_CAPITAL in .env = '\$200': must be a number, without quotes, \$"),
        ("BOT_MAX_CAPITAL", "1,000", "must be one number: write 1000, not 1,000"),
        ("BOT_MAX_CAPITAL", "1e999", "must be a finite number"),
        ("BOT_MAX_CAPITAL", "nan", "must be a number"),
        ("BOT_MAX_CAPITAL", "", "BOT_MAX_CAPITAL in .env has no value"),
        ("BOT_LOG_DETAIL", "yes", "BOT_LOG_DETAIL in .env = 'yes': must be True or False"),
        ("BOT_AVOID", "(KX*", r"BOT_AVOID in .env = '\(KX\*': must be ticker patterns"),
        ("BOT_AVOID", "KX* KY*", "BOT_AVOID in .env = .* must be ticker patterns"),
        ("BOT_TRADE_SISE", "5", r"Unknown variable BOT_TRADE_SISE in .env \(did you mean BOT_TRADE_SIZE\?\)"),
        ("bot_trade_size", "5", r"Unknown variable bot_trade_size in .env \(did you mean BOT_TRADE_SIZE\?\)"),
        (
            "BOT_TOKEN",
            "5",
            "Unknown variable BOT_TOKEN in .env.*: BOT_... is for settings; fix the spelling or remove it",
        ),
        ("BOT_", "5", "Unknown variable BOT_ in .env.*: BOT_... is for settings"),
    ],
)
def test_a_slip_in_a_variable_is_told_with_its_place(variable: str, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        read({variable: text})
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match=told.replace(".env", "this terminal")):
        read({}, {variable: text})


def test_all_slips_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_bot, "WAIT_TIME", 0)
    with pytest.raises(ConfigError) as error:
        read({"BOT_TRADE_SIZE": "x", "BOT_NONSENSE": "1", "BOT_FILL_COST": ""})
    for name in ("WAIT_TIME = 0", "BOT_TRADE_SIZE in .env", "BOT_NONSENSE", "BOT_FILL_COST in .env"):
        assert name in str(error.value)


def test_a_wrong_constant_that_a_variable_replaces_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_bot, "WAIT_TIME", 0)
    assert read({"BOT_WAIT_TIME": "30"}).wait_time == 30


def test_the_terminal_wins_over_the_file_and_says_so() -> None:
    variables = Variables({"BOT_WAIT_TIME": "30"}, {"BOT_WAIT_TIME": "40", "BOT_FILL_COST": "0.01"})
    found = market_bot.read_settings(replaced=replaced_by(variables))
    assert found.wait_time == 30
    assert found.in_words()["WAIT_TIME"] == "30 s (BOT_WAIT_TIME in this terminal)"
    (warning,) = variables.warnings(Environment.SIM)
    assert warning.startswith("BOT_WAIT_TIME is set differently from .env in this terminal")


@pytest.mark.parametrize("name", ["BOT_TRADE_SIZE", "DEMO_KEYID", "ALERT_URL", "HEARTBEAT_URL"])
def test_two_values_in_the_file_are_a_contradiction(tmp_path: Path, name: str) -> None:
    (tmp_path / ".env").write_text(f"{name}=1\nOTHER=a\n{name}=2\nOTHER=b\n")
    with pytest.raises(ConfigError, match=rf"^{name}: more than one value in \.env"):
        read_variables(tmp_path / ".env")
    (tmp_path / ".env").write_text(f"{name}=1\n{name}=1\n")
    assert read_variables(tmp_path / ".env")[name] == "1"


@pytest.mark.parametrize("command", [["status"], ["incentives"], ["cancel-all", "--yes"], ["report"], ["doctor"]])
def test_a_command_reaches_the_environment_of_the_variable(typed: Callable[..., Said], command: list[str]) -> None:
    """A command that looked at another exchange than the bot would comfort, or cancel nothing."""
    market_bot.DOTENV_FILE.write_text("BOT_ENV=DEMO\n")
    said = typed(*command)
    assert said.code == 2
    assert "DEMO_KEYID" in said.out + said.err or "trade-demo.db" in said.err


@pytest.mark.parametrize("command", [["status"], ["incentives"], ["close-all", "--yes"], ["resume", "--yes"]])
def test_a_wrong_environment_in_a_variable_is_one_line(typed: Callable[..., Said], command: list[str]) -> None:
    market_bot.DOTENV_FILE.write_text("BOT_ENV=REAL\n")
    said = typed(*command)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("main: BOT_ENV in .env = 'REAL': must be Environment.SIM, ")
    assert len(said.err.splitlines()) == 1


def test_the_doctor_tells_what_a_variable_replaces(typed: Callable[..., Said]) -> None:
    market_bot.DOTENV_FILE.write_text("BOT_TRADE_SIZE=AUTO\nBOT_WAIT_TIME=30\n")
    (line,) = [line for line in typed("doctor").out.splitlines() if "Settings" in line]
    assert "TRADE_SIZE AUTO (BOT_TRADE_SIZE in .env)" in line
    assert "WAIT_TIME 30 s (BOT_WAIT_TIME in .env)" in line
    assert "TRADE_DELTA 0.01," in line
