"""The rules that every `trade.log` keeps in every test: each line has the documented form, and every event, reason
and code is in docs/trade-log.md.
"""

from __future__ import annotations

import re
from functools import cache

from execution.cancel_reasons import CancelReason
from rewards.skips import Reason
from risk.gate import RefusalCode
from tests.support.pages import TEXTS, rows, spans

TRADE_LOG = TEXTS["docs/trade-log.md"]

LONGEST_CYCLE = 200
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[([A-Z ]+)\] \S")
CODES = {
    "CANCEL ORDER": {one.value for one in CancelReason},
    "SKIP MARKET": {one.value for one in Reason},
    "REFUSED ORDER": {one.value for one in RefusalCode},
}


WORDS = {"GUARD": "Guard", "SKIP POSITION": "Reason", "HALT": "Reason"}
"""Events whose reasons are phrases, and the key that holds the phrase."""


@cache
def documented_phrases(event: str) -> tuple[str, ...]:
    """The reasons of an event on the page; `…` stands for any text."""
    (reasons,) = [cells[1] for cells in rows(TRADE_LOG, "event | reasons") if cells[0] == f"`[{event}]`"]
    return tuple(spans(reasons))


@cache
def _patterns(event: str) -> re.Pattern[str]:
    phrases = (re.escape(phrase).replace("…", ".*") for phrase in documented_phrases(event))
    return re.compile(rf"[|\]] {WORDS[event]}: (?:{'|'.join(phrases)})(?: \||$)")


@cache
def documented_events() -> frozenset[str]:
    cells = (cells[0] for cells in rows(TRADE_LOG, "event | says"))
    return frozenset(name for cell in cells for name in re.findall(r"`\[([A-Z ]+)\]`", cell))


def assert_documented(log: str) -> None:
    """Every line of a log has the documented form."""
    for line in log.splitlines():
        if line.startswith("  └─ "):
            continue
        found = LINE.match(line)
        assert found, line
        event = found[1]
        assert event in documented_events(), line
        if event in CODES:
            reason = re.search(r"\| Reason: ([^|]+?) \| \S", line)
            assert reason, line
            assert reason[1] in CODES[event], line
        if event in WORDS:
            assert _patterns(event).search(line), line
        if event == "CYCLE":
            assert len(line) <= LONGEST_CYCLE, line
