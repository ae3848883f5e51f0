"""What the bot did and earned: `python main.py report`.

Promise:
- It needs no exchange: everything comes from the ledger.
- It only reads, except that it writes the page if you ask for it.
"""

from __future__ import annotations

import argparse
from contextlib import closing

import market_bot
from commands import context
from exchange.errors import ConfigError
from ledger.ledger import Ledger
from report import html_page, text
from report.build import build_report
from report.facts import read_report_facts
from runtime.console import ExitCode, typed


def run(args: argparse.Namespace) -> int:
    """Print the report as text or JSON, or write it as a page. Returns the exit code.

    Raises `ConfigError` if there is no ledger, if it has nothing since the day asked for, or if the page cannot be
    written. Raises `LedgerError` if the ledger cannot be read.
    """
    environment = context.environment()
    file = args.ledger or market_bot.paths().ledger(environment)
    if not file.is_file():
        raise ConfigError(
            f"There is no ledger {file} yet. To start a bot, which creates it: {typed('market_bot.py')}"
        )
    with closing(Ledger(file, read_only=True)) as ledger:
        facts = read_report_facts(ledger)
    if args.since and args.since > facts.until.date():
        raise ConfigError(
            f"There is no data since {args.since}: {file.name} ends on {facts.until:%Y-%m-%d} (UTC)."
        )
    found = build_report(facts, args.since)
    if args.html is None:
        print(text.as_json(found) if args.json else text.text(found))
        return ExitCode.OK
    try:
        args.html.write_text(html_page.page(found), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{args.html} cannot be written: {error.strerror}") from None
    print(f"{args.html} is written: open it in a browser, it needs no network.")
    return ExitCode.OK
