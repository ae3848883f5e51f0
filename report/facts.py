"""Everything that a report needs, read from a ledger.

Promise:
- All facts are of one moment, even if the bot writes to the ledger meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from urllib.parse import urlsplit

from exchange.account import Fill, Identity, Settlement
from exchange.models import Program
from ledger import sql_rows
from ledger.cash_reconciliation import ExplainedSpan
from ledger.daily_pnl import before_bot
from ledger.database import LedgerError
from ledger.entries import (
    AccountMark,
    AccrualKey,
    AccruedSeconds,
    CashFlow,
    DayMark,
    Outcome,
    PositionAdjustment,
    Quotes,
)
from ledger.ledger import Ledger
from ledger.markouts import BestBids, MarkoutPoint
from ledger.payouts import PayoutTimes, payout_times
from simulator.embedded import HOST, THE_BOTS


def read_report_facts(ledger: Ledger) -> ReportFacts:
    """Read the facts of a ledger. Raises `LedgerError`, also if it is empty."""
    with ledger.at_one_time():
        identity, begun, mark = ledger.identity, ledger.begun, ledger.last_mark()
        if identity is None or begun is None:
            raise LedgerError(f"The ledger {ledger.path.name} is empty: no session has begun yet")
        days = [date.fromisoformat(row[0]) for row in ledger.select("SELECT day FROM days ORDER BY day")]
        return ReportFacts(
            ledger=ledger.path.name,
            exchange=_exchange(identity),
            begun=begun,
            until=mark.at if mark else begun,
            sessions=len(ledger.sessions()),
            programs=ledger.latest_programs(),
            payouts=payout_times(ledger),
            seconds=ledger.seconds(),
            opening=ledger.opening(),
            changes=[*ledger.changes(), *ledger.adjustments()],
            days={day: ledger.day_marks(day) or {} for day in days},
            prices=ledger.prices(),
            cash_spans=list(map(sql_rows.stretch_of, ledger.select("SELECT * FROM cash ORDER BY since"))),
            cash_flows=ledger.flows(),
            markouts=ledger.markouts(),
            outcomes={
                ticker: Outcome(sql_rows.from_micros(at), Decimal(payout))
                for ticker, at, payout in ledger.select("SELECT ticker, at, yes_payout FROM outcomes")
            },
            capital={
                (date.fromisoformat(day), ticker): dollar_seconds
                for day, ticker, dollar_seconds in ledger.select("SELECT * FROM capital")
            },
            marks=ledger.marks(),
            before_bot=before_bot(ledger, begun.date()),
            carried=ledger.carried(begun.date()),
        )


def _exchange(identity: Identity) -> str:
    host = urlsplit(identity.base_url).hostname or identity.base_url
    if not identity.run:
        return host
    return THE_BOTS if identity.base_url.startswith(HOST) else f"simulated, {host}"


@dataclass(frozen=True)
class ReportFacts:
    """The facts of a ledger at one moment.

    `opening`: positions when the ledger was begun, and the dollars that a contract would have brought (None: no
    price was read). `changes`: fills, settlements and adjustments since then. `days`: positions at 00:00 UTC.
    `prices`: the last best bids for positions. `marks`: the account at the end of each cycle of the last two days.
    `before_bot`: the part of the first UTC day's trading result that is not the bot's. `payouts`: by
    program id, when it was seen not paid out, and paid out. `carried`: what the bot's orders brought on the first
    UTC day with an earlier ledger, in dollars.
    """

    ledger: str
    exchange: str
    begun: datetime
    until: datetime
    sessions: int
    programs: Mapping[str, Program]
    seconds: Mapping[AccrualKey, AccruedSeconds]
    opening: Mapping[str, tuple[Decimal, Decimal | None]]
    changes: Sequence[Fill | Settlement | PositionAdjustment]
    days: Mapping[date, Mapping[str, DayMark]]
    prices: Mapping[str, Quotes]
    cash_spans: Sequence[ExplainedSpan]
    cash_flows: Sequence[CashFlow]
    markouts: Mapping[MarkoutPoint, BestBids]
    outcomes: Mapping[str, Outcome]
    capital: Mapping[tuple[date, str], float]
    marks: Sequence[AccountMark] = ()
    before_bot: Decimal = Decimal(0)
    carried: Decimal = Decimal(0)
    payouts: Mapping[str, PayoutTimes] = field(default_factory=dict)
