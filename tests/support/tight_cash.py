"""A bot with little cash on each shard, held against what its account really had."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import requests

from exchange.reserves import BalanceReading, CashRule
from simulator.matching import DOLLAR, DOLLAR_PIPS
from simulator.people import EVERYBODY
from tests.support.bench import Bench

D = Decimal
SHARDS = range(4)

TIGHT: dict[str, Any] = {
    "programs": 60, "who": EVERYBODY, "TRADE_SIZE": 20, "TRADE_TICKER_SIZE": 23, "TRADE_DELTA": 0.0,
    "MAX_CAPITAL": 1000, "MAX_EVENT_LOSS": 500, "DAILY_LOSS_LIMIT": 500, "FILL_COST": 0, "INCENTIVE_SIZE": None,
    "MIN_HOURS_TO_CLOSE": 1, "AVOID": (),
}  # fmt: skip
"""Far more markets than the cash can quote, at the touch, with everybody in the market."""


def dollars(amount: int) -> Decimal:
    return D(amount) / DOLLAR


@dataclass
class Outcome:
    """What became of some cycles.

    `counts`: creates, and those refused for want of cash, `after a fill` of a quote since the orders were read or
    `without one`; cycles in which a quote was `filled between the reads`; cycles whose reading was `known`.
    `wrong`: each cycle in which the bot was wrong, and how."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    found: int | None = None


@dataclass
class Witness:
    """What the account really had when its orders and its balance were last read, in dollars by shard.

    `closing`: what the exchange would reserve in addition for orders that only close. `fills`: how many fills of
    quotes there were when the orders were read. `between`: what quotes cost that were filled from just before the
    orders were read until the balance was. The bot counts it twice: as cash that is gone, and as reserved."""

    bench: Bench
    told: dict[int, Decimal] = field(default_factory=dict)
    reserved: dict[int, Decimal] = field(default_factory=dict)
    closing: dict[int, Decimal] = field(default_factory=dict)
    fills: int = 0
    between: Decimal = field(default_factory=Decimal)

    def before(self, request: requests.PreparedRequest, _: int) -> None:
        if request.method == "GET" and request.path_url.partition("?")[0].endswith("/portfolio/orders"):
            self._began = len(self.bench.account.fills)

    def after(self, request: requests.PreparedRequest, _: int) -> None:
        exchange, account = self.bench.exchange.api.exchange, self.bench.account
        match request.method, request.path_url.partition("?")[0].rpartition("/")[2]:
            case "GET", "orders":
                flat = replace(account, holdings={})
                resting = {shard: exchange.resting_on(account, shard) for shard in SHARDS}
                self.reserved = {shard: dollars(account.collateral(resting[shard])) for shard in SHARDS}
                self.closing = {
                    shard: dollars(flat.collateral(resting[shard])) - self.reserved[shard] for shard in SHARDS
                }
                self.fills = self._quotes_filled()
            case "GET", "balance":
                free = {shard: dollars(exchange.free_cash(account, shard)) for shard in SHARDS}
                whole = {shard: dollars(account.cash.get(shard, 0)) for shard in SHARDS}
                self.told = whole if exchange.reading.is_balance_gross else free
                self.between = sum(
                    (
                        dollars(one.size * (one.price if one.is_bid else DOLLAR_PIPS - one.price))
                        for one in account.fills[self._began :]
                    ),
                    start=D(0),
                )

    def count(self, counts: Counter[str], since: int) -> None:
        """Count the creates from request number `since` on, and what became of them."""
        sent = zip(self.bench.wire.sent[since:], self.bench.wire.answers[since:], strict=True)
        for request, answer in sent:
            if request.method == "POST" and request.path_url.endswith("/portfolio/events/orders"):
                counts["creates"] += 1
                if answer.status_code == 400 and "insufficient_balance" in answer.text:
                    is_filled = self._quotes_filled() != self.fills
                    counts["after a fill" if is_filled else "without one"] += 1

    def _quotes_filled(self) -> int:
        return sum(not fill.is_taker for fill in self.bench.account.fills)

    def free(self, rule: CashRule) -> Decimal:
        """Free cash in dollars, as the rule counts it."""
        if rule.balance is BalanceReading.NET:
            return sum(self.told.values(), D(0))
        total = D(0)
        for shard in SHARDS:
            left = self.told[shard] - self.reserved[shard]
            left -= D(0) if rule.closing is False else self.closing[shard]
            total += left if rule.balance is BalanceReading.GROSS else max(left, -self.closing[shard])
        return total


def run(bench: Bench, cycles: int, each: int = 40) -> Outcome:
    """Trade for some cycles with `each` dollars on every shard."""
    for shard in SHARDS:
        bench.account.cash[shard] = each * DOLLAR
    witness, outcome = Witness(bench), Outcome()
    bench.wire.fault, bench.wire.after = witness.before, witness.after
    watch = bench.bot.session.bookkeeper.balance_watch
    world = "gross" if bench.exchange.api.exchange.reading.is_balance_gross else "net"
    for number in range(1, cycles + 1):
        since = len(bench.wire.sent)
        bench.bot.start_trading()
        witness.count(outcome.counts, since)
        rule, mark = watch.known.rule, bench.ledger.last_mark()
        if rule.balance.value not in ("not known", world):
            outcome.wrong.append(f"cycle {number}: {rule.balance.value}")
        free = mark.free_cash if mark and mark.free_cash is not None else D(-1)
        off, is_known = witness.free(rule) - free, rule.balance is not BalanceReading.NOT_KNOWN
        if off and (off == witness.between if is_known else 0 < off <= witness.between):
            outcome.counts["filled between the reads"] += 1
        elif off:
            outcome.wrong.append(f"cycle {number}: {free} free, not {witness.free(rule)}")
        if rule.balance is not BalanceReading.NOT_KNOWN:
            outcome.counts["known"] += 1
            outcome.found = outcome.found or number
        bench.pass_time(60)
    return outcome
