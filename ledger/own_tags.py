"""Which orders are the bot's own, by the tags in their client order ids.

Promise:
- An order is own only if its tag is in the ledger. Another copy's order has the bot's prefix and another tag.
- A process's tag is in the ledger before the process sends its first order.
"""

from __future__ import annotations

from datetime import datetime

import trade
from exchange import client_ids
from exchange.client_ids import Process
from exchange.models import Order
from ledger.ledger import Ledger


class OwnTags:
    """The tags of a ledger's processes.

    `process`: this process. Until `register`, only its tag is known, and not its start."""

    def __init__(self) -> None:
        self.process = Process(client_ids.new_tag())
        self._tags = frozenset({self.process.tag})

    def register(self, ledger: Ledger, now: datetime) -> None:
        """Read the earlier processes' tags from the ledger, and write this one's.

        `now`: by the exchange's clock. The first one is the start. Raises `LedgerError`."""
        if not self.process.started:
            self.process = self.process._replace(started=int(now.timestamp()))
        self.reload(ledger)  # first: if nothing can be written, earlier orders can still be canceled
        ledger.add_tag(self.process.tag, now)

    def reload(self, ledger: Ledger) -> None:
        """Read the tags again: a command such as `close-all` has its own.

        Raises `LedgerError`."""
        self._tags = ledger.tags() | {self.process.tag}

    def is_own(self, order: Order) -> bool:
        """Whether this process, or an earlier one of the ledger, sent the order."""
        return self._tag(order) in self._tags

    def is_earlier(self, order: Order) -> bool:
        """Whether an earlier process of the ledger sent the order."""
        return self.is_own(order) and self._tag(order) != self.process.tag

    def is_stranger(self, order: Order) -> bool:
        """Whether another copy of the bot sent the order."""
        return trade.is_own(order) and not self.is_own(order)

    @staticmethod
    def _tag(order: Order) -> str | None:
        process = client_ids.sender(order.client_order_id)
        return process.tag if process else None
