"""Read settings from variables: `BOT_<NAME>`, in the terminal or in `.env`.

Each replaces the constant <NAME> of `market_bot.py`.

Promise:
- Every function is pure: variables go in, values and problems come out.
- A value is written as in `market_bot.py`; words need no quotes, and patterns no parentheses.
- A variable that is unknown, misspelled or empty is a problem that names it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bot.connection import Variables
from bot.settings import NAMES, Replaced
from clients import Environment
from runtime.spelling import folded, near

PREFIX = "BOT_"

PATTERNS = frozenset({"ONLY", "AVOID"})
"""The settings that are ticker patterns, separated by commas in a variable. Empty: none."""

_PATTERN = re.compile(r"[\w.*?\-\[\]!]+")


def variable_of(setting: str) -> str:
    """The variable that replaces a setting."""
    return PREFIX + setting.upper()


VARIABLES = {variable_of(name): name for name in NAMES}
"""The settings by their variables."""


def replaced_by(variables: Variables) -> Replaced:
    """The settings that variables replace, and what is wrong with such variables."""
    known = {variable: text.strip() for variable, text in variables.items() if variable in VARIABLES}
    problems = list(_unknown(variables))
    for variable in [one for one, text in known.items() if not text and VARIABLES[one] not in PATTERNS]:
        del known[variable]
        problems.append(f"{variable} in {variables.place(variable)} has no value: give it one, or remove it")
    return Replaced(
        {VARIABLES[variable]: _value(VARIABLES[variable], text) for variable, text in known.items()},
        {VARIABLES[variable]: f"{variable} in {variables.place(variable)}" for variable in known},
        tuple(problems),
    )


def _value(name: str, text: str) -> object:
    """A text as the constant that it stands for.

    A text that is no Python value is a word, such as AUTO."""
    if name == "env":
        return Environment.__members__.get(text.removeprefix("Environment."), text)
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text
    if name not in PATTERNS or not isinstance(value, str):
        return value
    patterns = tuple(part.strip() for part in value.split(",") if part.strip())
    return patterns if all(map(_PATTERN.fullmatch, patterns)) else value


def _unknown(variables: Variables) -> Iterator[str]:
    """The variables that look like those of settings and are not, a clause each."""
    for name in sorted(variables.keys() - VARIABLES.keys()):
        if name.startswith(PREFIX) or folded(name) in map(folded, VARIABLES):
            told = f"{PREFIX}... is for settings; fix the spelling or remove it"
            yield f"Unknown variable {name} in {variables.place(name)}{near(name, VARIABLES)}: {told}"
