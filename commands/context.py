"""Where every command starts: the settings file, the connection, and what is said of them.

Promise: whatever stands against a command is one line that says the remedy.
"""

from __future__ import annotations

from clients import Environment


def headline(environment: Environment, exchange: str, money: str) -> str:
    return f"Environment: {environment.value} ({exchange}; {money})"
