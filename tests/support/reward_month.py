"""A simulated month of windows that are paid with the real lags, and who was given which dollar.

The exchange is the simulator's own: its programs, scores, lags and journal. The bot's loop is left out: an account
rests orders in every window, its estimates are what the meters counted with some error, its cash is read once a
minute, and it asks which windows were paid out as often as the bot does.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import partial

from exchange.models import IncentiveType, Program
from ledger.cash_reconciliation import CashReading, ExplainedSpan, extend_span
from ledger.entries import EPOCH, AccruedSeconds
from ledger.payouts import LATEST, PayoutTimes, is_due
from report.reward_payments import Rewards, event_of, match_rewards
from simulator import lifecycle, order_entry
from simulator.exchange import Exchange
from simulator.listing import ListedProgram
from simulator.matching import CONTRACT, DOLLAR
from simulator.order_entry import OrderTerms
from simulator.rewards import SHARE, Meter
from tests.support.project import START
from tests.support.small_exchange import listed

D = Decimal
NONE = Decimal(0)
NOW = START.timestamp()
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
US = "us"
DAILY = ("KXGASD", "KXHIGHNY", "KXTEMPAUSH", "KXINXHUD", "KXLOWTCHI")
QUARTERS = ("KXGOLD15M", "KXWTI15M")


@dataclass
class Given:
    """Dollars that came, by what became of them.

    `uncertain`: given to a series. `wrong`: given to an event or a series that was not paid then. `split`: too
    much for an event or a series, because a sum was divided by estimates. `unpaid`: given to a window below
    the floor, of an event that was paid. `others`: what was no reward and stays unexplained."""

    came: Decimal = NONE
    given: Decimal = NONE
    uncertain: Decimal = NONE
    unexplained: Decimal = NONE
    wrong: Decimal = NONE
    split: Decimal = NONE
    unpaid: Decimal = NONE
    daily_came: Decimal = NONE
    daily_given: Decimal = NONE
    others: list[Decimal] = field(default_factory=list)


class Month:
    """A month on one exchange. `gifts`: (day, dollars) of cash that is no reward."""

    def __init__(
        self,
        seed: int,
        days: int = 30,
        daily: Sequence[str] = DAILY,
        quarters: Sequence[str] = QUARTERS,
        gifts: Sequence[tuple[float, str]] = (),
    ) -> None:
        self._dice = random.Random(f"{seed}:month")
        self.exchange = Exchange(NOW, seed)
        self.account = self.exchange.open_account(US, {0: 1_000_000 * DOLLAR})
        self.end = NOW + (days + 4) * DAY
        for series in daily:
            first = NOW + self._dice.uniform(0, DAY)
            for day in range(days):
                self._event(series, first + day * DAY, 20 * HOUR, self._dice.randint(2, 5), 100, 1_000)
        for series in quarters:
            for place in range(days * 96):
                self._event(series, NOW + place * 15 * MINUTE, 15 * MINUTE, 1, 20, 300)
        for day, dollars in gifts:
            self.exchange.at(NOW + day * DAY, partial(self._gift, dollars))
        self.exchange.advance(self.end)
        self.programs = {one.program_id: _program(one) for one in self.exchange.programs}
        self.payments = {
            one.program_id: lifecycle.credit_time(self.exchange, one) for one in self.exchange.programs
        }
        self.spans = self._spans()
        self.estimates = {one.program.program_id: self._estimate(one) for one in self.exchange.ended}

    def _event(self, series: str, starts: float, length: float, strikes: int, pool: int, target: int) -> None:
        ends = starts + length
        name = f"{series}-{datetime.fromtimestamp(ends, timezone.utc):%y%b%d%H%M}".upper()
        for strike in range(strikes):
            self.exchange.at(starts, partial(self._open, f"{name}-T{strike}", length, pool, target))

    def _open(self, ticker: str, length: float, pool: int, target: int) -> None:
        """List a market whose sides just reach the target, and rest an order in it."""
        exchange = self.exchange
        market = listed(exchange, ticker, closes_in=length + MINUTE)
        for is_bid, price in ((True, 4_000), (False, 6_000)):
            exchange.crowd_rest(market, is_bid, price, target * CONTRACT)
        number = exchange.next_number()
        lifecycle.list_program(
            exchange,
            ListedProgram(
                number, f"p{number}", ticker, "liquidity", exchange.now, exchange.now + length, pool * 10_000,
                target * CONTRACT, 5_000,
            ),
        )  # fmt: skip
        share = self._dice.uniform(0.02, 0.22) if pool == 100 else self._dice.uniform(0.09, 0.4)
        size = round(target * share / (1 - share)) * CONTRACT
        order_entry.create(exchange, US, OrderTerms(ticker, True, 4_000, size))

    def _gift(self, dollars: str) -> None:
        self.account.book(self.exchange.now, 0, int(D(dollars) * DOLLAR), "gift", "")

    def _estimate(self, meter: Meter) -> AccruedSeconds:
        """What the bot may have counted: mostly a few percent off, sometimes as far as a payment may be."""
        pool = meter.program.reward / 10_000
        earned = meter.scores[US].total / SHARE / 2 / (meter.end - meter.start) * pool
        dice, kind = self._dice, self._dice.random()
        if kind < 0.85:
            low, high = earned * dice.uniform(0.93, 1.01), earned * dice.uniform(1.01, 1.08)
        elif kind < 0.93:
            low = earned * dice.uniform(1.04, 1.10)
            high = low * dice.uniform(1.0, 1.03)
        else:
            high = earned * dice.uniform(0.82, 0.9)
            low = high * dice.uniform(0.95, 1.0)
        present = float(meter.end - meter.start)
        return AccruedSeconds(present, present, 0.0, 0.0, 0.0, low, high)

    # -- what the bot sees ---------------------------------------------------------------------------------------

    def _spans(self) -> list[ExplainedSpan]:
        """The account's cash, read once a minute."""
        journal, found = list(self.account.journal), {}
        cash, place = 0, 0
        span: ExplainedSpan | None = None
        doubt: ExplainedSpan | None = None
        for minute in range(int((self.end - NOW) // MINUTE) + 1):
            now = NOW + minute * MINUTE
            while place < len(journal) and journal[place].time <= now:
                cash += journal[place].amount
                place += 1
            at = _moment(now)
            new, doubt = extend_span(span, doubt, at, CashReading(D(cash) / DOLLAR, NONE, NONE))
            if new:
                span = found[new.since] = new
        return list(found.values())

    def payouts(self) -> Mapping[str, PayoutTimes]:
        """When the bot saw each program not paid out, and paid out."""
        asked, asks = EPOCH, []
        came = [span.since for span in self.spans[1:]]
        for minute in range(int((self.end - NOW) // MINUTE)):
            at = _moment(NOW + minute * MINUTE + 20)
            known = bisect_left(came, at - timedelta(minutes=1))  # the look after the first confirms it
            if is_due(at, asked, came[known - 1] if known else None):
                asked = at
                asks.append(at)
        found = {}
        for name, paid in self.payments.items():
            place = bisect_left(asks, _moment(paid))
            unpaid = asks[place - 1] if place and asks[place - 1] >= self.programs[name].end else None
            seen = asks[place] if place < len(asks) and asks[place] < self.programs[name].end + LATEST else None
            found[name] = PayoutTimes(unpaid, seen)
        return found

    def rewards(self, asks: bool) -> Rewards:
        """What the report makes of it. `asks`: whether the exchange says which windows were paid out."""
        payouts = self.payouts() if asks else {}
        return match_rewards(self.programs, self.estimates, self.spans, [], _moment(self.end), payouts)

    # -- what is true --------------------------------------------------------------------------------------------

    def compare(self, rewards: Rewards) -> Given:
        """Hold rewards against the journal, reading by reading."""
        found = Given()
        true: dict[datetime, dict[str, Decimal]] = defaultdict(dict)
        begins = [span.since for span in self.spans]
        for entry in self.account.journal:
            if entry.kind == "reward":
                step = begins[bisect_left(begins, _moment(entry.time))]
                true[step][entry.about] = D(entry.amount) / DOLLAR
        for programs in true.values():
            found.came += sum(programs.values())
            found.daily_came += sum(paid for name, paid in programs.items() if self._is_daily(name))
        given: dict[datetime, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for window in rewards.windows:
            if window.credit is None or window.credited is None:
                continue
            event = event_of(window.ticker)
            paid = true.get(window.credited, {})
            if not any(event_of(self.programs[name].ticker) == event for name in paid):
                found.wrong += window.credit
                continue
            given[window.credited][event] += window.credit
            found.given += window.credit
            found.daily_given += window.credit if self._is_daily(window.program_id) else 0
            found.unpaid += window.credit if window.program_id not in paid else 0
        for one in rewards.of_series:
            paid = true.get(one.until, {})
            if not any(self.programs[name].ticker.startswith(f"{one.series}-") for name in paid):
                found.wrong += one.amount
                continue
            given[one.until][one.series] += one.amount
            found.uncertain += one.amount
        for at, parts in given.items():
            owed: dict[str, Decimal] = defaultdict(Decimal)
            for name, amount in true[at].items():
                event = event_of(self.programs[name].ticker)
                owed[event if event in parts else event.partition("-")[0]] += amount
            found.split += sum((max(amount - owed[event], NONE) for event, amount in parts.items()), start=NONE)
        rewarded = set(true)
        for one_left in rewards.unexplained:
            if one_left.until in rewarded:
                found.unexplained += one_left.amount
            else:
                found.others.append(one_left.amount)
        return found

    def _is_daily(self, program_id: str) -> bool:
        return self.programs[program_id].end - self.programs[program_id].start > timedelta(hours=1)


def _moment(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, timezone.utc)


def _program(listed_program: ListedProgram) -> Program:
    return Program(
        listed_program.program_id, listed_program.ticker, IncentiveType.LIQUIDITY, _moment(listed_program.starts),
        _moment(listed_program.ends), D(listed_program.reward) / 10_000, False, D(1_000), D("0.5"), None,
    )  # fmt: skip
