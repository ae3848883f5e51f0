"""Windows that ended, what their seconds came to, and the cash that came afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from exchange.models import Program
from ledger.cash_reconciliation import CashReading, ExplainedSpan
from ledger.entries import AccruedSeconds, CashFlow
from ledger.payouts import PayoutTimes
from report.reward_payments import Rewards, match_rewards
from tests.support.builders import NOW, program

D = Decimal
HOUR = timedelta(hours=1)
END = NOW + 24 * HOUR
LONG_AFTER = END + 100 * HOUR


def window(
    name: str = "p",
    accrued: float = 4.0,
    at_most: float = 4.4,
    ends: float = 0,
    unknown: float = 0,
    event: str = "",
) -> tuple[Program, AccruedSeconds]:
    """A day's window that ended so many hours after `END`, and what its seconds came to.

    Its market is the only one of its event, unless another has the same `event`."""
    terms = program(days=1, name=name, ticker=f"{event or f'KX{name}-26'}-T{name}".upper())
    terms = terms._replace(start=NOW + ends * HOUR, end=END + ends * HOUR)
    return terms, AccruedSeconds(3600, 3600 - unknown, 0, unknown, 100, accrued, at_most)


def looks(*levels: tuple[float, str], anew: bool = False) -> list[ExplainedSpan]:
    """The cash that nothing explains: from so many hours after `END` on, until a minute before the next."""
    starts = [END + hours * HOUR for hours, _ in levels]
    ends = [*(start - timedelta(minutes=1) for start in starts[1:]), LONG_AFTER]
    return [
        ExplainedSpan(start, end, till(level), till(level), anew and place > 0)
        for place, (start, end, (_, level)) in enumerate(zip(starts, ends, levels, strict=True))
    ]


def till(level: str) -> CashReading:
    return CashReading(D(level) + D("7.13") - 300, D("7.13"), D(-300))


def matched(
    *windows: tuple[Program, AccruedSeconds],
    cash: list[ExplainedSpan],
    flows: tuple[CashFlow, ...] = (),
    now: datetime = LONG_AFTER,
    seen: dict[str, tuple[float | None, float | None]] | None = None,
) -> Rewards:
    """`seen`: by name, hours after `END` at which it was last seen not paid out, and first seen paid out."""
    programs = {terms.id: terms for terms, _ in windows}
    seconds = {terms.id: known for terms, known in windows}
    hours = (seen or {}).items()
    payouts = {
        name: PayoutTimes(*(None if at is None else END + at * HOUR for at in times)) for name, times in hours
    }
    return match_rewards(programs, seconds, cash, flows, now, payouts)
