"""Little cash on each shard: an order that the cash does not cover is refused, again in every cycle."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
import requests

from exchange.reserves import BalanceReading, CashRule
from simulator.account import Account
from simulator.matching import DOLLAR
from simulator.people import EVERYBODY
from tests.support.bench import Bench, MakeBench

pytestmark = pytest.mark.slow

D = Decimal
TIGHT: dict[str, Any] = {
    "programs": 60, "who": EVERYBODY, "TRADE_SIZE": 20, "TRADE_TICKER_SIZE": 23, "TRADE_DELTA": 0.0,
    "MAX_CAPITAL": 1000, "MAX_EVENT_LOSS": 500, "DAILY_LOSS_LIMIT": 500, "FILL_COST": 0, "INCENTIVE_SIZE": None,
    "MIN_HOURS_TO_CLOSE": 1, "AVOID": (),
}  # fmt: skip
SHARDS = range(4)


def dollars(amount: int) -> Decimal:
    return D(amount) / DOLLAR


@dataclass
class Witness:
    """What the account really had when its orders and its balance were last read, in dollars by shard.

    `closing`: what the exchange would reserve in addition for orders that only close. `fills`: how many
    fills of quotes there were when the orders were read."""

    bench: Bench
    told: dict[int, Decimal] = field(default_factory=dict)
    reserved: dict[int, Decimal] = field(default_factory=dict)
    closing: dict[int, Decimal] = field(default_factory=dict)
    fills: int = 0

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
                self.told = whole if exchange.balance_is_gross else free

    def refused(self, since: int) -> list[str]:
        """Creates refused for want of cash, of the requests from number `since` on.
        Left out if a quote was filled since the orders were read."""
        sent = zip(self.bench.wire.sent[since:], self.bench.wire.answers[since:], strict=True)
        short = [
            str(request.body)
            for request, answer in sent
            if request.method == "POST" and answer.status_code == 400 and "insufficient_balance" in answer.text
        ]
        return short if self._quotes_filled() == self.fills else []

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
            total += left if rule.balance is BalanceReading.GROSS else max(left, D(0))
        return total


def has_dollars(account: Account, amount: int) -> None:
    for shard in SHARDS:
        account.cash[shard] = amount * DOLLAR


@pytest.mark.parametrize("balance", ["gross", "net"])
@pytest.mark.parametrize(
    ("seed", "cycles", "changed"),
    [(2, 120, {}), (5, 120, {"EXIT": "REST"}), (3, 30, {"TRADE_SIZE": "AUTO"})],
)
def test_no_order_is_refused_for_want_of_cash(
    make_bench: MakeBench, balance: str, seed: int, cycles: int, changed: dict[str, Any]
) -> None:
    """Hours with $40 on each shard and everybody in the market. The bot finds out how the balance is meant, is
    never wrong about it, and knows to the last digit what is free. No create is refused but one that a fill came
    before."""
    bench = make_bench(seed=seed, balance=balance, **TIGHT | changed)
    has_dollars(bench.account, 40)
    witness = Witness(bench)
    bench.wire.after = witness.after
    watch = bench.bot.session.bookkeeper.balance_watch
    known_for = 0
    for _ in range(cycles):
        since = len(bench.wire.sent)
        bench.bot.start_trading()
        assert witness.refused(since) == []
        rule, mark = watch.known.rule, bench.ledger.last_mark()
        assert rule.balance.value in ("not known", balance), "never wrong"
        assert mark is not None
        assert mark.free_cash == witness.free(rule)
        known_for += rule.balance is not BalanceReading.NOT_KNOWN
        bench.pass_time(60)
    assert known_for > cycles - 10
    assert len(bench.ledger.fills()) > cycles / 30
    span = bench.ledger.last_span()
    assert span is not None
    assert abs(span.first.level - span.last.level) < D("0.01")
    assert not [line for line in bench.events("INFO") if "Cash: $" in line], "no cash is imagined"


@pytest.mark.parametrize("balance", ["gross", "net"])
def test_money_that_comes_and_moves_does_not_mislead(make_bench: MakeBench, balance: str) -> None:
    """A reward comes, a person deposits, withdraws and moves cash between shards while the bot finds out how the
    balance is meant. Only the reward is left unexplained."""
    moves: list[dict[str, Any]] = [
        {"do": "cash_moved", "from": 100, "source": 0, "destination": 3, "amount": 7.5},
        {"do": "cash_withdrawn", "from": 160, "amount": 2},
        {"do": "cash_given", "from": 3000, "amount": 3.41},
        {"do": "cash_moved", "from": 3200, "source": 3, "destination": 2, "amount": 9.95},
    ]
    bench = make_bench(seed=6, balance=balance, faults=moves, **TIGHT)
    has_dollars(bench.account, 40)
    watch = bench.bot.session.bookkeeper.balance_watch
    for _ in range(60):
        bench.bot.start_trading()
        assert watch.known.rule.balance.value in ("not known", balance)
        bench.pass_time(60)
    assert watch.known.rule.balance.value == balance
    assert len([line for line in bench.events("INFO") if "Cash: $" in line]) == 1
    assert "Cash: $3.4100 came" in bench.log
