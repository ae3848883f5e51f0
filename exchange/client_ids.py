"""Client order ids: which copy of the bot sent an order, and when it started.

Promise:
- Pure: names and times go in, text comes out, and back.
- An id is 57 characters of `0-9a-z-`. The exchange takes up to 64, and no dots.

An id is `lipbot-TAG-START-UNIQUE`. Ids of versions up to 0.9.3 are `lipbot-TAG-UNIQUE`, without a start.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timezone
from typing import NamedTuple

PREFIX = "lipbot-"
"""The prefix of the client order ids of every copy of the bot."""

_ID = re.compile(rf"{PREFIX}(?P<tag>[^-]*)(?:-(?P<start>[0-9a-f]{{8}})-[0-9a-f]{{32}}$)?")


class Process(NamedTuple):
    """A run of a copy of the bot.

    `tag`: 8 random hex digits. `started`: seconds since 1970 by the exchange's clock; 0 if not known."""

    tag: str
    started: int = 0

    def new_id(self) -> str:
        """A new client order id of this process."""
        return f"{PREFIX}{self.tag}-{self.started:08x}-{uuid.uuid4().hex}"

    @property
    def started_text(self) -> str:
        if not self.started:
            return "at a time that is not known"
        return f"{datetime.fromtimestamp(self.started, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def sender(client_order_id: str) -> Process | None:
    """The process that sent an order; None if no copy of the bot sent it."""
    found = _ID.match(client_order_id)
    return Process(found["tag"], int(found["start"] or "0", 16)) if found else None


def new_tag() -> str:
    """A tag that no other process has: 8 random hex digits."""
    return uuid.uuid4().hex[:8]
