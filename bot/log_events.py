"""What the loop's own events say in `trade.log`: the board, what is quoted, the cycle. Promise: pure, but for what
was told so far, so that the log says what is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from bot.decision import Decision
from bot.halts import worst_case
from exchange.models import ExchangeStatus, Program
from exchange.trading_hours import Span
from incentive import Board, ProgramChange
from ledger.entries import AccountMark, CycleRecord
from rewards.estimate import Candidate, dollars_per_day
from rewards.skips import Skip, contracts
from runtime.log_format import Fields, dollars_or_unknown, local_time, signed_dollars
from selection.ranking import Selection

SKIPS_IN_DETAIL = CHANGES_IN_DETAIL = 20


class Announcements:
    """What was told so far, so that the log says what is new: programs that came, changed and ended, markets taken
    up and given up, and why the best of the others are not quoted."""

    def __init__(self) -> None:
        self._quoted: frozenset[str] = frozenset()
        self._closed: frozenset[int] = frozenset()
        self._pause: Span | None = None

    def pause(self, planned: Span | None) -> Iterator[tuple[str, Fields]]:
        """When the exchange pauses next, where that is new."""
        if planned and planned != self._pause:
            begins, ends = (f"{at:%Y-%m-%d %H:%M}" for at in planned)
            yield "INFO", {"Next pause of the exchange": f"{begins} until {ends} UTC"}
        self._pause = planned

    def shards(self, status: ExchangeStatus) -> Iterator[tuple[str, Fields]]:
        """Which shards take no orders any more, and which do again."""
        closed = frozenset(shard for shard, trades in status.trading_by_shard.items() if not trades)
        for shard in sorted(closed - self._closed):
            yield (
                "INFO",
                {"Shard": str(shard), "Exchange": "trading is paused there; nothing is placed or renewed"},
            )
        for shard in sorted(self._closed - closed):
            yield "INFO", {"Shard": str(shard), "Exchange": "takes orders again"}
        self._closed = closed

    def board(self, board: Board) -> Iterator[tuple[str, Fields]]:
        """What a scan brought: events and what they say, in the order in which they are logged."""
        pool = sum(map(dollars_per_day, board.programs))
        if not board.programs:
            yield "INFO", {"Board": "no program that pays for resting orders is listed; nothing is quoted"}
        changes = sorted(
            board.changes, key=lambda c: (c.program.ticker not in self._quoted, -dollars_per_day(c.program))
        )
        for change in changes[:CHANGES_IN_DETAIL]:
            yield program_change(change)
        if len(changes) > CHANGES_IN_DETAIL:
            yield "INFO", {"Changes": f"{len(changes) - CHANGES_IN_DETAIL:,} more of smaller programs, not shown"}
        chosen, skipped = board.selection.chosen, board.selection.skipped
        counts = Counter(skip.reason.value for skip in skipped)
        totals = {"Programs": f"{len(board.programs):,}", "Pools": f"${pool:,.0f} a day"}
        yield (
            "INFO",
            totals | {"Worth a slot": str(len(chosen))} | {name: f"{n:,}" for name, n in counts.most_common()},
        )
        for skip in skipped[:SKIPS_IN_DETAIL]:
            yield "SKIP MARKET", {"Ticker": skip.ticker, "Reason": why(skip)}
        if board.advice:
            yield "INFO", {"Advice": board.advice}

    def selection(self, selection: Selection, stay: frozenset[str] = frozenset()) -> Iterator[tuple[str, Fields]]:
        """What is new in what a cycle quotes. `stay`: markets that keep their orders though they are not
        chosen."""
        chosen = {candidate.ticker: candidate for candidate in selection.chosen}
        reasons = {skip.ticker: skip for skip in selection.skipped}
        for ticker in sorted(self._quoted - chosen.keys() - stay):
            skip = reasons.get(ticker)
            yield "INFO", {"Ticker": ticker, "No longer quoted": why(skip) if skip else "its programs ended"}
        for ticker, candidate in chosen.items():
            if ticker not in self._quoted:
                yield "QUOTE MARKET", quoted_market(candidate, ticker in selection.unpaid)
        self._quoted = frozenset(chosen) | (stay & self._quoted)


def problems(board: Board) -> Iterator[tuple[str, str, list[str]]]:
    """What of the board is not known."""
    if board.problems:
        more = f"{len(board.problems)} part(s) of the board are not known; those markets are left out"
        yield "ERROR", str(board.problems[0]), [more]


def program_change(change: ProgramChange) -> tuple[str, Fields]:
    """A program that is new, has ended, or has other terms than before."""
    ticker = {"Ticker": change.program.ticker}
    if change.was is None:
        pool = {"Pool": f"${dollars_per_day(change.program):,.2f} a day"}
        return "NEW INCENTIVE", ticker | pool | {"Terms": terms([change.program])}
    now = terms([change.now]) if change.now else "ended"
    return "UPDATE INCENTIVE", ticker | {"Was": terms([change.was])} | {"Now": now}


def quoted_market(candidate: Candidate, is_unpaid: bool) -> Fields:
    """A market that is taken up, and what it is hoped to bring."""
    estimate, decided = candidate.estimate, candidate.conservative
    said = {
        "Ticker": candidate.ticker,
        "Pool": f"${candidate.incentive.pool_per_day:,.2f} a day",
        "Terms": terms(candidate.incentive.programs),
        "Our share": f"yes {estimate.share_yes:.3%}, no {estimate.share_no:.3%}",
        "Estimate": expected(estimate.dollars_per_day, estimate.payable),
        "Net": f"{signed_dollars(decided.net_per_day)} a day with twice the rivals, "
        f"{decided.fills_per_day:,.1f} fills a day at ${decided.fill_cost_per_day + decided.fees_per_day:.4f}",
        "Ties up": f"${candidate.collateral:.2f}",
    }
    if is_unpaid:
        said["Unpaid"] = f"${decided.window:.2f} a window is below the $1.00 floor: it will be paid $0.00"
    return said


def cycle(number: int, done: CycleRecord, decision: Decision, mark: AccountMark, next_cycle: datetime) -> Fields:
    """What a cycle came to. What is tied up and free is what it would be with all of the plan done."""
    chosen, plan, state = decision.selection.chosen, decision.plan, decision.state
    per_day = sum(candidate.estimate.dollars_per_day for candidate in chosen)
    payable = sum((candidate.estimate.payable for candidate in chosen), start=Decimal(0))
    balance = state.balance
    return {
        "Number": str(number),
        "Markets": str(done.markets),
        "Orders resting": str(done.orders),
        "Tied up": f"${plan.tied_up:.2f} of ${state.limits.max_capital:.2f}",
        "Free cash": f"${balance.available - plan.spends:,.4f}" if balance else "not known",
        "Estimate": expected(per_day, payable),
        "Accrued today": dollars_or_unknown(mark.accrued),
        "Trading today": dollars_or_unknown(mark.day_profit),
        "Requests": str(done.requests),
        "Took": f"{done.seconds:.1f} s",
        "Worst case": worst_case(plan.risks.items()),
        "Next": local_time(next_cycle),
    }


def expected(dollars_per_day: float, payable: Decimal) -> str:
    """What quotes would earn by the rule, and what would really be paid: nothing below $1.00 a window."""
    return f"${dollars_per_day:.4f} a day before the $1.00 floor, ${payable:.2f} payable"


def terms(programs: Iterable[Program]) -> str:
    """What programs pay and ask for."""
    return " + ".join(
        f"${program.reward:,.2f} until {program.end:%Y-%m-%d %H:%M} UTC, "
        f"target {contracts(program.target or 0)}, discount {program.discount}"
        for program in programs
    )


def why(skip: Skip) -> str:
    return f"{skip.reason.value} | {skip.label}: {skip.number}"
