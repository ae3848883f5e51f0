"""The form of `trade.log`: what each event says. Deciding to write one is the bot's, and where it goes
`logfile.py`'s.

Promise: one event a line, the same on the console and in the file, in local time:

    2026-01-16 18:05:57 [CANCEL ORDER] Ticker: KXHIGHCHI-26JAN16-B35.5 | Side: yes | Price: 0.4600
      └─ details, where there are any

Nothing that an exchange or a file says can forge a line: line breaks in values become spaces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from account import Fill, Position
from choice import Choice
from entries import Cycle, Mark
from fields import without_ids
from gate import Situation
from incentive import Candidate, Skip, contracts, dollars_per_day
from models import Bid, Book, ExchangeStatus, Order, OrderRequest, OrderResponse, Program, Side
from planning import Plan
from scan import Board, Change
from schedule import Span

TOP_LEVELS = 5
SKIPS_IN_DETAIL = CHANGES_IN_DETAIL = 20

COUNTED = frozenset({"ERROR", "SKIP POSITION", "REFUSED ORDER"})
FORGOTTEN = timedelta(hours=1)
"""What was not said for so long is new again."""

Said = dict[str, str]
"""What an event says, as `Key: value` pairs in the order in which they are shown."""


class Told:
    """What was told so far, so that the log says what is new: programs that came, changed and ended, markets taken
    up and given up, and why the best of the others are not quoted."""

    def __init__(self) -> None:
        self._quoted: frozenset[str] = frozenset()
        self._closed: frozenset[int] = frozenset()
        self._pause: Span | None = None

    def pause(self, planned: Span | None) -> Iterator[tuple[str, Said]]:
        """When the exchange pauses next, where that is new."""
        if planned and planned != self._pause:
            begins, ends = (f"{at:%Y-%m-%d %H:%M}" for at in planned)
            yield "INFO", {"Next pause of the exchange": f"{begins} until {ends} UTC"}
        self._pause = planned

    def shards(self, status: ExchangeStatus) -> Iterator[tuple[str, Said]]:
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

    def board(self, board: Board) -> Iterator[tuple[str, Said]]:
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
        chosen, skipped = board.choice.chosen, board.choice.skipped
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

    def choice(self, choice: Choice, stay: frozenset[str] = frozenset()) -> Iterator[tuple[str, Said]]:
        """What is new in what a cycle quotes. `stay`: markets that keep their orders though they are not
        chosen."""
        chosen = {candidate.ticker: candidate for candidate in choice.chosen}
        reasons = {skip.ticker: skip for skip in choice.skipped}
        for ticker in sorted(self._quoted - chosen.keys() - stay):
            skip = reasons.get(ticker)
            yield "INFO", {"Ticker": ticker, "No longer quoted": why(skip) if skip else "its programs ended"}
        for ticker, candidate in chosen.items():
            if ticker not in self._quoted:
                yield "QUOTE MARKET", quoted_market(candidate, ticker in choice.unpaid)
        self._quoted = frozenset(chosen) | (stay & self._quoted)


class Repeats:
    """How often the same was said. What goes wrong, or cannot be done, in every cycle is shown when it first
    comes, at the 10th, the 100th … time, and once an hour."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], _Repeated] = {}

    def counted(self, event: str, said: str, now: datetime, means: str = "") -> str | None:
        """What is to be shown of an event at a time: `said`, with how often it came; None where that was shown
        lately, and meant the same but for the numbers."""
        if event not in COUNTED:
            return said
        key = event, without_ids(said), re.sub(r"\d+", "", means)
        self._known = {known: one for known, one in self._known.items() if now < one.last + FORGOTTEN}
        one = self._known.get(key)
        if one is None:
            self._known[key] = _Repeated(1, now, now, now)
            return said
        times = one.times + 1
        is_shown = now >= one.shown + FORGOTTEN or str(times).strip("0") == "1"
        self._known[key] = _Repeated(times, one.since, now, now if is_shown else one.shown)
        return f"{said} | Times: {times:,} since {local_time(one.since)}" if is_shown else None


class _Repeated(NamedTuple):
    times: int
    since: datetime
    last: datetime
    shown: datetime


Log = Callable[..., None]
"""Writes an event: its name, what it says, and details (`MarketBot.log`)."""


def pairs(fields: Mapping[str, object]) -> str:
    """`Key: value` pairs as a line shows them."""
    return " | ".join(f"{key}: {value}" for key, value in fields.items())


def entry(when: datetime, event: str, fields: Mapping[str, object] | str, details: Iterable[str] = ()) -> str:
    """One event, ready to be written. `fields` are `Key: value` pairs, or a sentence."""
    said = fields if isinstance(fields, str) else pairs(fields)
    lines = [f"{when.astimezone():%Y-%m-%d %H:%M:%S} [{event}] {_one_line(said)}"]
    return "\n".join(lines + [f"  └─ {_one_line(detail)}" for detail in details])


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def local_time(when: datetime) -> str:
    """A time of day as the log's own lines show it."""
    return f"{when.astimezone():%H:%M:%S}"


def plain(number: Decimal) -> str:
    """A number of contracts without needless zeros."""
    return f"{number.normalize():f}"


def price(dollars: Decimal) -> str:
    return f"{dollars:.4f}"


def top_levels(book: Book) -> list[str]:
    """The best prices of both sides, as details of `[ORDER BOOK]`."""
    lines = []
    for side in Side:
        best = [f"${price(level.price)} x {plain(level.size)}" for level in book.side(side)[:TOP_LEVELS]]
        lines.append(f"{side.value.title()} (Top {TOP_LEVELS}): {' | '.join(best) or 'nobody bids'}")
    return lines


def resting_order(order: Order) -> Said:
    return {"Ticker": order.ticker, "Side": order.side.value, "Price": price(order.price)}


def kept_order(order: Order, bid: Bid, until: datetime | None) -> Said:
    """An order that rests on, as `bid` from now on."""
    said = {"Ticker": order.ticker, "Side": order.side.value, "Price": price(bid.price), "Count": plain(bid.count)}
    if bid != order.bid:
        said["Was"] = f"{plain(order.remaining)} at {price(order.price)}"
    return said | ({"Until": local_time(until)} if until else {})


def new_order(ticker: str, bid: Bid) -> Said:
    return {
        "Ticker": ticker,
        "Side": bid.side.value,
        "Action": "buy",
        "Count": plain(bid.count),
        "Type": "limit",
        "Price": price(bid.price),
    }


def order_response(response: OrderResponse) -> Said:
    said = {
        "OrderID": f"{response.order_id[:8]}...",
        "Status": response.status.value,
        "Filled": plain(response.filled),
        "Remaining": plain(response.remaining),
    }
    if response.average_fee is not None:
        said["Fee"] = f"${response.average_fee * response.filled:.4f}"
    return said


def closing(position: Position, order: OrderRequest) -> Said:
    """The side is the one held, the price what it is sold at."""
    sold_at = {"Price": price(order.bid.other_price)}
    return {"Ticker": position.ticker, "Side": position.side.value} | sold_at | {"Count": plain(position.size)}


def held_position(position: Position) -> Said:
    said = {"Ticker": position.ticker, "Side": position.side.value, "Count": plain(position.size)}
    return said | {"Cost": f"${position.exposure:.4f}"}


def kept_position(position: Position, reason: str) -> Said:
    count = {"Count": plain(position.size)}
    return {"Ticker": position.ticker, "Side": position.side.value} | count | {"Reason": reason}


def fill(done: Fill) -> Said:
    return {
        "Ticker": done.ticker,
        "Side": done.side.value,
        "Action": "buy",
        "Count": plain(done.count),
        "Price": price(done.price),
        "Fee": f"${done.fee:.4f}",
        "Role": "taker" if done.is_taker else "maker",
        "At": local_time(done.time),
    }


def program_change(change: Change) -> tuple[str, Said]:
    """A program that is new, has ended, or has other terms than before."""
    ticker = {"Ticker": change.program.ticker}
    if change.was is None:
        pool = {"Pool": f"${dollars_per_day(change.program):,.2f} a day"}
        return "NEW INCENTIVE", ticker | pool | {"Terms": terms([change.program])}
    now = terms([change.now]) if change.now else "ended"
    return "UPDATE INCENTIVE", ticker | {"Was": terms([change.was])} | {"Now": now}


def quoted_market(candidate: Candidate, is_unpaid: bool) -> Said:
    """A market that is taken up, and what it is hoped to bring."""
    estimate, decided = candidate.estimate, candidate.decided
    said = {
        "Ticker": candidate.ticker,
        "Pool": f"${candidate.incentive.pool_per_day:,.2f} a day",
        "Terms": terms(candidate.incentive.programs),
        "Our share": f"yes {estimate.share_yes:.3%}, no {estimate.share_no:.3%}",
        "Estimate": expected(estimate.dollars_per_day, estimate.payable),
        "Net": f"{signed(decided.net_per_day)} a day with twice the rivals, "
        f"{decided.fills_per_day:,.1f} fills a day at ${decided.fill_cost_per_day + decided.fees_per_day:.4f}",
        "Ties up": f"${candidate.collateral:.2f}",
    }
    if is_unpaid:
        said["Unpaid"] = f"${decided.window:.2f} a window is below the $1.00 floor: it will be paid $0.00"
    return said


def signed(dollars: float | Decimal) -> str:
    """Dollars that may be lost."""
    return f"{'-' if dollars < 0 else ''}${abs(dollars):.4f}"


def cycle(done: Cycle, choice: Choice, plan: Plan, situation: Situation, mark: Mark) -> Said:
    """What a cycle came to. What is tied up and free is what it would be with all of the plan done."""
    per_day = sum(candidate.estimate.dollars_per_day for candidate in choice.chosen)
    payable = sum((candidate.estimate.payable for candidate in choice.chosen), start=Decimal(0))
    balance = situation.balance
    return {
        "Markets": str(done.markets),
        "Orders resting": str(done.orders),
        "Tied up": f"${plan.tied_up:.2f} of ${situation.limits.capital:.2f}",
        "Free cash": f"${balance.available - plan.spends:,.4f}" if balance else "not known",
        "Estimate": expected(per_day, payable),
        "Accrued today": known(mark.accrued),
        "Trading today": known(mark.day_profit),
        "Requests": str(done.requests),
        "Took": f"{done.seconds:.1f} s",
    }


def known(dollars: float | Decimal | None) -> str:
    """Dollars that may be lost, where anybody knows."""
    return "not known" if dollars is None else signed(dollars)


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
