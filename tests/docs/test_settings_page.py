"""What the pages and .env.example say of settings and variables is what the code reads."""

from __future__ import annotations

import ast
import re

import market_bot
from bot import network_settings, settings
from bot.alert_receivers import VARIABLES as ALERT_VARIABLES
from bot.setting_variables import VARIABLES as SETTING_VARIABLES
from clients import Environment
from execution.cancel_reasons import CancelReason
from rewards.skips import Reason
from risk.gate import RefusalCode
from tests.support.pages import PAGES, PROSE, README, TEXTS, rows, spans
from tests.support.project import PROJECT


def settings_of_the_code() -> list[tuple[str, str]]:
    """Names and values of the settings, as they are written, in their order."""
    source = (PROJECT / "market_bot.py").read_text(encoding="utf-8")
    part = source.partition("\n# Settings ---")[2].partition("\n# End of the settings ---")[0]
    assigned = [node for node in ast.parse(f"# {part}").body if isinstance(node, ast.Assign)]
    return [(ast.unparse(node.targets[0]), ast.unparse(node.value)) for node in assigned]


def test_the_settings_table_is_that_of_the_code() -> None:
    """The table has every setting with its default and a meaning, in the order of the code."""
    told: list[tuple[str, str]] = []
    for names, defaults, meaning in rows(TEXTS["docs/settings.md"], "setting |"):
        values = [cell.replace("`", "").replace('"', "'") for cell in defaults.split(", ", 1)]
        cells = spans(names)
        assert meaning
        assert len(values) == len(cells), names
        told += zip(cells, values, strict=True)
    real = dict(settings_of_the_code())
    toxic = dict(told)["AVOID"]
    assert toxic == "families known to be toxic", "told in words, for they are many"
    assert len(market_bot.AVOID) > 3
    assert told == [(name, toxic if name == "AVOID" else value) for name, value in real.items()]
    assert list(real) == list(settings.NAMES)


def test_the_readme_has_ten_settings_as_they_are() -> None:
    real = dict(settings_of_the_code())
    shown = {spans(name)[0]: spans(default)[0] for name, default, _ in rows(README, "setting |")}
    assert len(shown) == 10
    assert {name: default.replace('"', "'") for name, default in shown.items()} == {
        name: real[name] for name in shown
    }


def test_names_in_capitals_exist_in_the_code() -> None:
    """Names in capitals are settings, reasons, refusal codes or variables. A setting that was renamed lives on
    in the text otherwise."""
    known = {"AUTO", *settings.NAMES, *variables()}
    known |= {one.name for one in Reason} | {one.value for one in RefusalCode} | {one.name for one in Environment}
    known |= {one.value for one in CancelReason}
    known |= {"CROSS", "REST", "FAIL", "PYTHON", "SIM_", "DEMO_", "PROD_", "TICKER", "NAME", "OK"}
    known |= {"BOT_", "HTTPS_PROXY", *SETTING_VARIABLES, *ALERT_VARIABLES, *network_settings.CA_VARIABLES}
    named = {span for span in spans(PROSE) if re.fullmatch(r"[A-Z][A-Z_]+", span)}
    assert named - known == set()
    first = {span.partition(" ")[0] for span in spans(PROSE) if re.fullmatch(r"[A-Z][A-Z_]+_[A-Z]+ = .*", span)}
    assert first <= set(settings.NAMES)


def variables() -> set[str]:
    """The environment variables that the code reads."""
    source = (PROJECT / "bot" / "connection.py").read_text(encoding="utf-8")
    kinds = set(re.findall(r"\{name\}_([A-Z]+)\"", source))
    assert kinds == {"URL", "KEYID", "KEYFILE"}
    own = set(re.findall(r"\"(SIM_[A-Z_]+)\"", source))
    return {f"{environment.value}_{kind}" for environment in Environment for kind in kinds} | own


def test_the_example_has_all_variables_that_are_read() -> None:
    """The pages name only variables that the code reads, and .env.example has all of them."""
    pattern = rf"\b(?:{'|'.join(one.value for one in Environment)})_[A-Z_]+\b"
    assert set(re.findall(pattern, PAGES)) <= variables()
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(rf"^(?:# )?({pattern})=", example, re.MULTILINE)) == variables()
    assert set(re.findall(r"^# ((?:ALERT|HEARTBEAT)_[A-Z]+)=", example, re.MULTILINE)) == set(ALERT_VARIABLES)
    shown = set(re.findall(r"^# (BOT_[A-Z_]+)=", example, re.MULTILINE))
    assert shown
    assert shown <= set(SETTING_VARIABLES)
    listed = {spans(cells[0])[0] for cells in rows(TEXTS["docs/running.md"], "variable | holds")}
    assert listed == set(ALERT_VARIABLES)
