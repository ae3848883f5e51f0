"""Little cash on each shard: an order that the cash does not cover is refused, again in every cycle."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from exchange.reserves import BalanceReading
from simulator.opening import CUSTOMER
from simulator.people import RIVALS
from simulator.statement import statement
from tests.support import tight_cash
from tests.support.bench import STILL, MakeBench, answer, is_quote, trade_cycles
from tests.support.tight_cash import SHARDS, TIGHT

pytestmark = pytest.mark.slow

D = Decimal


@pytest.mark.parametrize("balance", ["gross", "net"])
@pytest.mark.parametrize(
    ("seed", "cycles", "changed"),
    [(2, 45, {}), (5, 45, {"EXIT": "REST"}), (3, 30, {"TRADE_SIZE": "AUTO"})],
)
def test_no_order_is_refused_for_want_of_cash(
    make_bench: MakeBench, balance: str, seed: int, cycles: int, changed: dict[str, Any]
) -> None:
    """Hours with $40 on each shard and everybody in the market. The bot finds out how the balance is meant, is
    never wrong about it, and knows to the last digit what is free. No create is refused but one that a fill came
    before."""
    bench = make_bench(seed=seed, balance=balance, **TIGHT | changed)
    outcome = tight_cash.run(bench, cycles)
    assert outcome.wrong == []
    assert outcome.counts["creates"] > 15
    assert outcome.counts["without one"] == 0
    assert outcome.counts["known"] > cycles - 10
    assert len(bench.ledger.fills()) > cycles / 30
    span = bench.ledger.last_span()
    assert span is not None
    assert abs(span.first.level - span.last.level) < D("0.01")
    assert not [line for line in bench.events("INFO") if "Cash: $" in line], "no cash is imagined"


@pytest.mark.parametrize("balance", ["gross", "net"])
def test_free_and_reserved_are_as_stated_on_each_shard(make_bench: MakeBench, balance: str) -> None:
    bench = make_bench(seed=4, balance=balance, **TIGHT | {"who": {RIVALS}})  # rivals fill nothing
    bench.know_balance(balance)
    tight_cash.run(bench, 6)
    for _ in range(5):
        account, true = bench.bot.session.look_at_account(), statement(bench.exchange.api.exchange, CUSTOMER)
        assert account.cash is not None
        assert not account.positions, "nothing only closes"
        assert account.cash.by_shard == {shard: D(true["free"][str(shard)]) for shard in SHARDS}
        assert sum(account.cash.by_shard.values()) == account.cash.total
        assert account.cash.reserved_by_shard == {shard: D(true["reserved"][str(shard)]) for shard in SHARDS}
        trade_cycles(bench, 1)


def test_what_was_found_is_kept_and_said_once(make_bench: MakeBench) -> None:
    bench = make_bench(seed=2, **TIGHT)
    tight_cash.run(bench, 6)
    bench.restart()
    trade_cycles(bench, 3)
    known = bench.ledger.cash_rule()
    assert known.rule.balance is BalanceReading.GROSS
    assert known.at is not None
    assert len([line for line in bench.events("INFO") if "] Balance: gross" in line]) == 1
    assert len([line for line in bench.events("INFO") if "] Balance: not known" in line]) == 1


def test_a_refusal_although_enough_was_free_is_believed(make_bench: MakeBench) -> None:
    """The rest of the cycle's orders on that shard are left out, and free cash is the smaller figure again."""
    bench = make_bench(**STILL)
    bench.know_balance("net")
    no_cash = answer(400, '{"error":{"code":"insufficient_balance","message":"insufficient balance"}}')
    bench.wire.fault = lambda request, _: no_cash if is_quote(request) else None
    trade_cycles(bench, 1)
    assert len(bench.events("OPEN ORDER")) == 1
    assert "places nothing more on shard 0 in this cycle" in bench.log
    bench.wire.fault = None
    trade_cycles(bench, 1)
    assert bench.ledger.cash_rule().rule.balance is BalanceReading.NOT_KNOWN
    assert "refused for want of cash although enough seemed free" in bench.log
    assert len(bench.resting()) == 4


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
    outcome = tight_cash.run(bench, 60)
    assert outcome.wrong == []
    assert outcome.found is not None
    assert len([line for line in bench.events("INFO") if "Cash: $" in line]) == 1
    assert "Cash: $3.4100 came" in bench.log
