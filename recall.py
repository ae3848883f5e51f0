"""Everything that a report needs, read from a ledger. Promise: all of it is of one moment, whatever the bot writes
meanwhile.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from errors import LedgerError
from ledger import Ledger
from report import Facts


def recall(ledger: Ledger) -> Facts:
    """What a ledger knows. Raises `LedgerError`, also where it is empty."""
    with ledger.at_one_time():
        identity, begun = ledger.identity, ledger.begun
        if identity is None or begun is None:
            raise LedgerError(f"The ledger {ledger.path.name} is empty: no session has begun yet")
        mark = ledger.last_mark()
        return Facts(
            ledger=ledger.path.name,
            exchange=urlsplit(identity.base_url).hostname or identity.base_url,
            begun=begun,
            until=mark.at if mark else begun,
            sessions=len(ledger.sessions()),
            programs=ledger.terms(),
            seconds=ledger.seconds(),
            opening=ledger.opening(),
            changes=[*ledger.changes(), *ledger.adopted()],
            days=ledger.days(),
            prices=ledger.prices(),
            stretches=ledger.stretches(),
            flows=ledger.flows(),
            markouts=ledger.markouts(),
            outcomes=ledger.outcomes(),
            capital=ledger.capital(),
        )
