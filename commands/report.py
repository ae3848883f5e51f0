"""What the bot did and what came of it: `python main.py report`, by its ledger alone.

Promise: it needs no exchange, and reads; only the page is written, where a person asks for it.
"""

from __future__ import annotations

import argparse
from contextlib import closing

import market_bot
from bot.connection import known
from exchange.errors import ConfigError
from ledger.ledger import Ledger
from report import html_page, text
from report.build import report
from report.facts import recall
from runtime.console import ExitCode


def run(asked: argparse.Namespace) -> int:
    """Print the report, as text or JSON, or write it to a page. Returns the exit code; raises a `ConfigError`
    where there is no ledger, or none of what is asked for, and a `LedgerError` where it cannot be read."""
    environment = known(market_bot.env)
    file = asked.ledger or market_bot.files().ledger(environment)
    if not file.is_file():
        raise ConfigError(f"There is no ledger {file} yet: python market_bot.py begins one.")
    with closing(Ledger(file, read_only=True)) as ledger:
        facts = recall(ledger)
    if asked.since and asked.since > facts.until.date():
        raise ConfigError(
            f"Nothing is known since {asked.since}: {file.name} ends on {facts.until:%Y-%m-%d} (UTC)."
        )
    found = report(facts, asked.since)
    if asked.html is None:
        print(text.as_json(found) if asked.json else text.text(found))
        return ExitCode.OK
    try:
        asked.html.write_text(html_page.page(found), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{asked.html} cannot be written: {error.strerror}") from None
    print(f"{asked.html} is written: open it in a browser, it needs no network.")
    return ExitCode.OK
