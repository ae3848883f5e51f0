"""The loop's own events in `trade.log`: the board, the quotes, the cycle.

Promise:
- Every function is pure: facts go in, events come out.
- `Announcements` keeps only what was logged so far, so that the log says what is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from bot.blocked_sales import BlockedSale, blocked_sales
from bot.decision import Decision
from bot.halts import worst_case
from exchange.models import ExchangeStatus, Program
from exchange.optional_calls import ASKED_AGAIN, LONGEST, FailingCall
from exchange.trading_hours import Span
from execution.outcome import Outcome
from execution.plan import Plan
from incentive import Board, ProgramChange
from ledger.day_summary import DaySummary
from ledger.entries import AccountMark, CycleRecord
from rewards import rule_2026_07_30 as rule
from rewards import rule_dates
from rewards.estimate import Candidate, dollars_per_day
from rewards.skips import Reason, contracts
from risk import exposure
from risk.gate import TradingState
from runtime.console import typed
from runtime.log_format import (
    NOT_KNOWN,
    Fields,
    count_text,
    local_time,
    pairs,
    price_text,
    short_dollars,
    signed_dollars,
    span_text,
)
from selection.ranking import Selection

SKIPS_IN_DETAIL = CHANGES_IN_DETAIL = 20


RETOLD = timedelta(hours=1)
"""How often a cycle's details are logged even if nothing changed."""

CHANGED_BY = 0.1
"""An amount in a cycle's details has changed if it differs by more than this fraction."""

Event = tuple[str, Mapping[str, str]] | tuple[str, str, list[str]] | tuple[str, Mapping[str, str], list[str]]
"""An event's name, its `Key: value` pairs or sentence, and details below it."""


class CycleReport(NamedTuple):
    """The outcome of a cycle.

    `kept`: orders that rest as before. `some_unread`: whether an order or a position of the account could not be
    read; no figure counts it then. `outcome`: what rests now. `quotes`: the chosen markets, with the bids that
    rest there."""

    number: int
    record: CycleRecord
    kept: int
    some_unread: bool
    decision: Decision
    outcome: Outcome
    quotes: tuple[Candidate, ...]
    mark: AccountMark


class Announcements:
    """What was logged so far, so that the log says only what is new.

    This covers programs that came, changed or ended, a board without any, markets that are newly or no longer
    quoted, why the best of the others are not quoted, and what a cycle ties up. With `detail`, everything is
    logged every time."""

    def __init__(self, detail: bool = False) -> None:
        self._detail = detail
        self._quoted: frozenset[str] = frozenset()
        self._closed: frozenset[int] = frozenset()
        self._pause: Span | None = None
        self._is_empty = self._told_beyond = False
        self._counts: Fields = {}
        self._skipped: dict[str, Reason] = {}
        self._blocked: dict[str, BlockedSale] = {}
        self._amounts: tuple[float, ...] = ()
        self._amounts_at: datetime | None = None

    def pause(self, planned: Span | None) -> Iterator[Event]:
        """When the exchange pauses next, if that is new."""
        if planned and planned != self._pause:
            begins, ends = (f"{at:%Y-%m-%d %H:%M}" for at in planned)
            yield "INFO", {"Next pause of the exchange": f"{begins} until {ends} UTC"}
        self._pause = planned

    def shards(self, status: ExchangeStatus) -> Iterator[Event]:
        """Which shards stopped taking orders, and which take them again."""
        closed = frozenset(shard for shard, trades in status.trading_by_shard.items() if not trades)
        for shard in sorted(closed - self._closed):
            yield (
                "INFO",
                {"Shard": str(shard), "Exchange": "trading is paused there; the bot places and renews nothing"},
            )
        for shard in sorted(self._closed - closed):
            yield "INFO", {"Shard": str(shard), "Exchange": "takes orders again"}
        self._closed = closed

    def board(self, board: Board) -> Iterator[Event]:
        """The events of a scan, in the order in which they are logged."""
        pool = sum(map(dollars_per_day, board.programs))
        if not board.programs and (self._detail or not self._is_empty):
            yield "INFO", {"Board": no_programs(board.at)}
        if board.programs and self._is_empty:
            yield "INFO", {"Board": "programs are listed again; the bot quotes those that pay"}
        self._is_empty = not board.programs
        changes = sorted(
            board.changes, key=lambda c: (c.program.ticker not in self._quoted, -dollars_per_day(c.program))
        )
        for change in changes[:CHANGES_IN_DETAIL]:
            yield program_change(change)
        if len(changes) > CHANGES_IN_DETAIL:
            yield "INFO", {"Changes": f"{len(changes) - CHANGES_IN_DETAIL:,} more, of smaller programs, not shown"}
        chosen, skipped = board.selection.chosen, board.selection.skipped
        counts = Counter(skip.reason.value for skip in skipped)
        totals = {"Programs": f"{len(board.programs):,}", "Pools": f"${pool:,.0f} a day"}
        totals |= {"Worth a slot": str(len(chosen))} | {name: f"{n:,}" for name, n in counts.most_common()}
        if totals != self._counts or self._detail:
            yield "INFO", totals
        self._counts = totals
        yield from self._skips(board)
        if board.advice:
            yield "INFO", {"Advice": board.advice}

    def _skips(self, board: Board) -> Iterator[Event]:
        """Why the best of the others are not quoted, if the reason is new.

        A change in a reason's numbers alone is not logged."""
        listed = {program.ticker for program in board.programs}
        self._skipped = {ticker: reason for ticker, reason in self._skipped.items() if ticker in listed}
        for skip in board.selection.skipped[:SKIPS_IN_DETAIL]:
            if self._skipped.get(skip.ticker) is not skip.reason or self._detail:
                yield "SKIP MARKET", {"Ticker": skip.ticker, "Reason": skip.text}
            self._skipped[skip.ticker] = skip.reason

    def selection(self, selection: Selection, stay: frozenset[str] = frozenset()) -> Iterator[Event]:
        """What is new in a cycle's quotes.

        `stay`: markets that keep their orders although they are not chosen."""
        chosen = {candidate.ticker: candidate for candidate in selection.chosen}
        reasons = {skip.ticker: skip for skip in selection.skipped}
        for ticker in sorted(self._quoted - chosen.keys() - stay):
            skip = reasons.get(ticker)
            yield "INFO", {"Ticker": ticker, "No longer quoted": skip.text if skip else "its programs ended"}
        beyond = [one for one in selection.chosen if not all(map(rule_dates.is_known, one.incentive.programs))]
        if beyond and not self._told_beyond:
            self._told_beyond = True
            yield "INFO", {"Rule": beyond_rule(beyond[0])}
        for ticker, candidate in chosen.items():
            if ticker not in self._quoted:
                yield "QUOTE MARKET", quoted_market(candidate, ticker in selection.unpaid)
        self._quoted = frozenset(chosen) | (stay & self._quoted)
        self._skipped = {ticker: reason for ticker, reason in self._skipped.items() if ticker not in chosen}

    def blocked_sales(self, plan: Plan, state: TradingState) -> Iterator[Event]:
        """Which orders of the owner newly block a sale, and which no longer do."""
        resting = {order.order_id for order in state.orders}
        held = {position.ticker for position in state.positions if position.count}
        for name, sale in list(self._blocked.items()):
            if name not in resting or sale.position.ticker not in held:
                del self._blocked[name]
                yield (
                    "INFO",
                    {"Ticker": sale.position.ticker, "Sale": f"your order {name[:8]}... is out of its way"},
                )
        for sale in blocked_sales(plan, state):
            if sale.order.order_id not in self._blocked:
                self._blocked[sale.order.order_id] = sale
                yield blocked_sale(sale)

    def cycle(self, done: CycleReport, next_cycle: datetime) -> Iterator[Event]:
        """The outcome of a cycle, with details if they changed and once an hour."""
        began = done.record.began
        amounts = _amounts(done)
        is_due = self._amounts_at is None or began >= self._amounts_at + RETOLD
        is_told = is_due or self._detail or _differ(amounts, self._amounts)
        if is_told:
            self._amounts, self._amounts_at = amounts, began
        yield "CYCLE", cycle(done, next_cycle), cycle_details(done) if is_told else []


def blocked_sale(sale: BlockedSale) -> Event:
    """An order of the owner blocks a sale: which, and what to do."""
    position, order = sale
    what = f"{order.ticker}, {order.side.value}, {count_text(order.remaining)} at {price_text(order.price)}"
    held = f"{count_text(position.size)} {position.side.value}"
    loss = max(exposure.position_losses(position))
    instead = f"{typed('main.py cancel-all')} cancels all orders of the account, and halts the bot"
    return (
        "ERROR",
        f"An order of your own stands in the way of a sale: {what}, order {order.order_id[:8]}...",
        [
            f"The bot keeps {held} there, which may lose ${loss:.2f}, and sells it once that order is gone",
            f"Cancel that order on the exchange's website. Or {instead}",
        ],
    )


def no_programs(now: datetime) -> str:
    """Why the bot idles while no program is listed."""
    told = "no program that pays for resting orders is listed"
    known = f" ({rule_dates.until_text(now)})" if rule_dates.ends_soon(now) else ""
    return f"{told}{known}; the bot quotes nothing and looks again at each scan"


def beyond_rule(candidate: Candidate) -> str:
    """A market is quoted for a window for which the rule is not known."""
    dates = f"{rule.KNOWN_SINCE:%Y-%m-%d} to {rule_dates.utc(rule.KNOWN_UNTIL)}"
    window = (
        f"a window of {candidate.ticker} reaches beyond the dates for which the {rule.TITLE} is known ({dates})"
    )
    return f"{window}; the bot quotes such windows as if the rule stayed the same"


def rule_known(now: datetime, beyond: rule_dates.Beyond) -> Event:
    """Until when the reward rule is known, and what the bot does then."""
    return "INFO", {"Rule": rule_dates.until_text(now), "Beyond": rule_dates.beyond_text(beyond)}


def problems(board: Board) -> Iterator[Event]:
    """An error for the parts of the board that could not be read."""
    if board.problems:
        more = f"{len(board.problems)} part(s) of the board could not be read; the bot leaves those markets out"
        yield "ERROR", str(board.problems[0]), [more]


def program_change(change: ProgramChange) -> Event:
    """A program that is new, has ended, or has other terms than before."""
    ticker = {"Ticker": change.program.ticker}
    if change.was is None:
        pool = {"Pool": f"${dollars_per_day(change.program):,.2f} a day"}
        return "NEW INCENTIVE", ticker | pool | {"Terms": terms([change.program])}
    now = terms([change.now]) if change.now else "ended"
    return "UPDATE INCENTIVE", ticker | {"Was": terms([change.was])} | {"Now": now}


def quoted_market(candidate: Candidate, is_unpaid: bool) -> Fields:
    """A market that is newly quoted, and what its quotes are expected to earn."""
    estimate, decided = candidate.estimate, candidate.conservative
    costs = decided.fill_cost_per_day + decided.fees_per_day
    said = {
        "Ticker": candidate.ticker,
        "Pool": f"${candidate.incentive.pool_per_day:,.2f} a day",
        "Terms": terms(candidate.incentive.programs),
        "Our share": f"yes {estimate.share_yes:.3%}, no {estimate.share_no:.3%}",
        "Estimate": expected(estimate.dollars_per_day, estimate.payable),
        "Net": f"{signed_dollars(decided.net_per_day)} a day with twice the rivals; "
        f"{decided.fills_per_day:,.1f} fills a day are expected to cost ${costs:.4f} a day",
        "Ties up": f"${candidate.collateral:.2f}",
    }
    if is_unpaid:
        said["Unpaid"] = f"${decided.window:.2f} a window is below the $1.00 floor: it will be paid $0.00"
    return said


def day(found: DaySummary) -> Event:
    """What a UTC day brought, at its end."""
    mark = found.mark
    return "DAY", {
        "Date": f"{found.day:%Y-%m-%d} (UTC)",
        "Trading": trading_today(mark) if mark else NOT_KNOWN,
        "Accrued": short_dollars(mark.accrued if mark else None),
        "Fills": f"{found.fills:,} of {count_text(found.contracts)} contracts",
        "Cycles": f"{found.cycles:,}, {found.failed:,} of them failed",
    }


def cycle(done: CycleReport, next_cycle: datetime) -> Fields:
    """The line of a cycle, at most 200 characters long including its time."""
    record, mark = done.record, done.mark
    unread = ", some unread" if done.some_unread else ""
    risk = _total_risk(done)
    return {
        "Number": str(done.number),
        "Markets": str(record.markets),
        "Orders": f"{record.orders} ({done.kept} kept{unread})",
        "Accrued today": short_dollars(mark.accrued),
        "Trading today": trading_today(mark),
        "Worst case": f"${risk:,.{2 if risk < 1_000 else 0}f}",
        "Next": local_time(next_cycle),
    }


def cycle_details(done: CycleReport) -> list[str]:
    """Tied up and free after the cycle, the resting quotes' estimate, its cost."""
    rests, state, record = done.outcome, done.decision.state, done.record
    free = reserved = "not known"
    if state.cash:
        free = f"${state.cash.total - rests.spent:,.4f}"
        reserved = f"${state.cash.reserved + rests.spent:,.4f}"
    tied_up = f"${rests.tied_up:.2f} of ${state.limits.max_capital:.2f}"
    work = {"Requests": str(record.requests), "Took": f"{record.seconds:.1f} s"}
    if record.without:
        many = len(record.without.splitlines())
        work["Without"] = f"{many} call{'s' * (many != 1)} of the exchange, see {typed('main.py status')}"
    return [
        pairs(
            {
                "Tied up": tied_up,
                "Reserved": reserved,
                "Free cash": free,
                "Worst case": worst_case(rests.risks.items()),
            }
        ),
        pairs({"Estimate": expected(*_estimate(done))} | work),
    ]


def _estimate(done: CycleReport) -> tuple[float, Decimal]:
    """The estimate of all quotes that rest.

    Dollars a day before the floor, and dollars payable by the windows' ends."""
    estimates = [quote.estimate for quote in done.quotes]
    per_day = sum(estimate.dollars_per_day for estimate in estimates)
    return per_day, sum((estimate.payable for estimate in estimates), start=Decimal(0))


def _total_risk(done: CycleReport) -> Decimal:
    return sum(done.outcome.risks.values(), start=Decimal(0))


def _amounts(done: CycleReport) -> tuple[float, ...]:
    """The amounts whose change makes the log repeat a cycle's details."""
    record = done.record
    per_day, payable = _estimate(done)
    dollars = float(done.outcome.tied_up), float(_total_risk(done)), per_day, float(payable)
    return record.markets, record.orders, *dollars


def _differ(now: tuple[float, ...], before: tuple[float, ...]) -> bool:
    pairs_of_amounts = zip(now, before, strict=True)
    return any(abs(new - old) > CHANGED_BY * max(abs(new), abs(old)) for new, old in pairs_of_amounts)


def call_fails(one: FailingCall) -> Event:
    """A call begins to fail that the bot can do without."""
    again = f"The bot asks again in {ASKED_AGAIN:.0f} s, later at least every {LONGEST / 60:.0f} min"
    return "ERROR", str(one.error), [f"Until it works, {one.call.without}. {again}"]


def call_works(one: FailingCall, now: datetime) -> Event:
    """A call works again that the bot did without."""
    return "INFO", {
        "Call": f"{one.call.request} answers again after {span_text((now - one.since).total_seconds())}"
    }


def failing_call(one: FailingCall) -> str:
    """A call that the bot does without, as the ledger keeps it."""
    return f"{one.error}, since {one.since:%Y-%m-%d %H:%M} UTC. Meanwhile {one.call.without}"


def slow_cycle(took: float, wait_time: float) -> Event:
    """A cycle overran. In seconds: the time it `took`, and `wait_time`."""
    why = "a slow exchange, many orders, or this process was suspended"
    says = f"it took {took:.1f} s, more than {wait_time:g} ({why}); the next one begins at once"
    return "INFO", {"Slow cycle": says}


def awake_again(seconds: float) -> Event:
    """The process did not run for `seconds` of a wait."""
    lasted = f"this process did not run for {span_text(seconds)} (suspended, or the machine slept)"
    return "INFO", {"Awake again": f"{lasted}; the next cycle begins at once"}


def trading_today(mark: AccountMark) -> str:
    """The bot's trading profit in a UTC day, with the day's profit before the bot."""
    before = f" ({short_dollars(mark.before_bot)} before the bot)" if mark.before_bot else ""
    return short_dollars(mark.own_profit) + before


def expected(dollars_per_day: float, payable: Decimal) -> str:
    """What quotes would earn by the rule, and what would be paid.

    A window below $1.00 pays nothing."""
    return f"${dollars_per_day:.4f} a day before the $1.00 floor, ${payable:.2f} payable by the windows' ends"


def terms(programs: Iterable[Program]) -> str:
    """What programs pay and require."""
    return " + ".join(
        f"${program.reward:,.2f} until {program.end:%Y-%m-%d %H:%M} UTC, "
        f"target {contracts(program.target or 0)}, discount {program.discount}"
        for program in programs
    )
