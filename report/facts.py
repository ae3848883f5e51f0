"""Everything that a report needs, read from a ledger. Promise: all of it is of one moment, whatever the bot writes
meanwhile.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

from exchange.account import Identity
from exchange.errors import LedgerError
from ledger import entries
from ledger.entries import Adopted, Outcome
from ledger.ledger import Ledger
from report.build import Facts
from simulator.embedded import HOST, THE_BOTS


def recall(ledger: Ledger) -> Facts:
    """What a ledger knows. Raises `LedgerError`, also where it is empty."""
    with ledger.at_one_time():
        identity, begun, mark = ledger.identity, ledger.begun, ledger.last_mark()
        if identity is None or begun is None:
            raise LedgerError(f"The ledger {ledger.path.name} is empty: no session has begun yet")
        days = [date.fromisoformat(row[0]) for row in ledger.select("SELECT day FROM days ORDER BY day")]
        return Facts(
            ledger=ledger.path.name,
            exchange=_exchange(identity),
            begun=begun,
            until=mark.at if mark else begun,
            sessions=len(ledger.sessions()),
            programs=ledger.terms(),
            seconds=ledger.seconds(),
            opening={
                ticker: (Decimal(count), entries.maybe(Decimal, price))
                for ticker, count, price in ledger.select("SELECT ticker, count, price FROM opening_positions")
            },
            changes=[*ledger.changes(), *_adopted(ledger)],
            days={day: ledger.day_marks(day) or {} for day in days},
            prices=ledger.prices(),
            stretches=list(map(entries.stretch_of, ledger.select("SELECT * FROM cash ORDER BY since"))),
            flows=ledger.flows(),
            markouts=ledger.markouts(),
            outcomes={
                ticker: Outcome(entries.time(at), Decimal(payout))
                for ticker, at, payout in ledger.select("SELECT ticker, at, yes_payout FROM outcomes")
            },
            capital={
                (date.fromisoformat(day), ticker): dollar_seconds
                for day, ticker, dollar_seconds in ledger.select("SELECT * FROM capital")
            },
        )


def _exchange(identity: Identity) -> str:
    host = urlsplit(identity.base_url).hostname or identity.base_url
    if not identity.run:
        return host
    return THE_BOTS if identity.base_url.startswith(HOST) else f"simulated, {host}"


def _adopted(ledger: Ledger) -> list[Adopted]:
    rows = ledger.select("SELECT at, ticker, count FROM adopted ORDER BY at")
    return [Adopted(entries.time(at), ticker, Decimal(count)) for at, ticker, count in rows]
