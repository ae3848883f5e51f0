"""The fault matrix of `tests/slow/matrix.py`, pairwise; and that it would see what it says it sees.

A bot that passes every test of one fault at one place may still double an order when a fault comes where nobody
thought of it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest

from clients import KalshiHttpClient
from simulator import order_entry
from simulator.faults import KINDS
from simulator.matching import CONTRACT
from simulator.opening import CUSTOMER
from tests.slow import matrix
from tests.support.bench import Killed
from tests.support.fault_run import Ended, Stage
from tests.support.fault_scenarios import CYCLE, NO_KEY, Cell, Script, calm, recover, strike, to_the_end, turn
from tests.support.fault_steps import STEPS, WATCH_PHASE, Step
from trade import OWN_PREFIX

PARTS = {
    "start and stop": [name for name in STEPS if STEPS[name].phase in ("start", "stop")],
    "kill": ["kill", "reset"],
    "look at the account": ["status", "fresh", "orders", "fills", "posit", "balan"],
    "look at the market": ["market", "books", "scan"],
    "orders that stay": ["cancel", "renew", "move"],
    "orders that are sent": ["sell", "place"],
    "watch": ["~books", "~fills", "~order", "~cance"],
}
SELDOM = 0.11
"""The part of a step's cells in which the fault may find nothing to strike, for an earlier one keeps the bot from
going so far. Faults that end the bot, or strike orders alone, do not count."""


@pytest.mark.parametrize("names", PARTS.values(), ids=list(PARTS))
def test_no_fault_at_any_step_doubles_an_order_or_breaks_a_limit(names: list[str], tmp_path: Path) -> None:
    """No fault leaves anything behind after the end of the bot."""
    tally = matrix.try_all(matrix.pairwise(names), tmp_path, markets=1)
    print("\n".join(["", *tally.table(), tally.totals()]))
    assert tally.broken() == []
    assert sum(tally.runs.values()) == len(names) * len(matrix.FAULTS)
    excused = NO_KEY.keys() | matrix.ORDERS_ALONE
    missed = [fault for fault, _ in tally.not_struck() if matrix.FAULTS[fault]["do"] not in excused]
    assert len(missed) <= SELDOM * len(tally.runs)


def test_every_kind_of_fault_and_every_step_is_in_the_suite() -> None:
    assert {given["do"] for given in matrix.FAULTS.values()} == set(KINDS)
    assert sorted(name for names in PARTS.values() for name in names) == sorted(STEPS)


def test_every_pair_of_values_of_two_factors_occurs() -> None:
    cells = matrix.pairwise(STEPS)
    values = [
        (cell.fault, "+".join(step.name for step in cell.steps), cell.duration, cell.way, cell.is_alone)
        for cell in cells
    ]
    for first, second in combinations(range(5), 2):
        pairs = {(one[first], one[second]) for one in values}
        every = len({one[first] for one in values}) * len({one[second] for one in values})
        assert len(pairs) == every, f"factors {first} and {second}: {len(pairs)} of {every}"


# -- what the matrix would see ---------------------------------------------------------------------------------


def a_second_order(stage: Stage) -> None:
    ours = stage.own()[0]
    order_entry.create(
        stage.exchange,
        CUSTOMER,
        order_entry.OrderTerms(ours.ticker, ours.is_bid, ours.price, CONTRACT, f"{OWN_PREFIX}twice"),
    )


def an_order_beyond_the_limit(stage: Stage) -> None:
    ours = next(one for one in stage.own() if one.is_bid)
    terms = order_entry.OrderTerms(ours.ticker, True, ours.price - 100, 200 * CONTRACT, "by-hand-too-much")
    order_entry.create(stage.exchange, CUSTOMER, terms)


def a_position_that_nobody_knows(stage: Stage) -> None:
    stage.account.holdings["KXODD-26NOV23-EMPTY"].count = 700


def an_order_that_never_expires(stage: Stage) -> None:
    stage.own()[0].expires = None


def a_key_in_the_log(stage: Stage) -> None:
    print(b64encode(stage.opened.private_key.private_bytes_raw()).decode())


def a_signature_in_the_log(stage: Stage) -> None:
    print(f"Signature: {stage.signatures[-1][:40]}...")


@pytest.mark.parametrize(
    ("done", "end", "seen"),
    [
        (a_second_order, KeyboardInterrupt, "two live orders of one intent"),
        (an_order_beyond_the_limit, KeyboardInterrupt, "tied up"),
        (a_position_that_nobody_knows, KeyboardInterrupt, "a position is not known"),
        (a_position_that_nobody_knows, KeyboardInterrupt, "has halted"),
        (an_order_that_never_expires, Killed, "orders rest after the bot has ended"),
        (a_key_in_the_log, KeyboardInterrupt, "the console has the private key in it"),
        (a_signature_in_the_log, KeyboardInterrupt, "the console has a signature in it"),
    ],
)
def test_what_may_never_be_is_seen(
    done: Callable[[Stage], None], end: type[BaseException], seen: str, tmp_path: Path
) -> None:
    stage = Stage(tmp_path, "CROSS", ())

    def direct() -> Script:
        assert (yield from calm(stage))
        done(stage)
        if end is Killed:
            ended = yield Killed
            stage.after_end(ended)
            return
        yield from recover(stage, stage.quotes())
        yield from turn(stage)
        if stage.is_running:
            yield from to_the_end(stage)

    stage.play(direct())
    stage.close()
    assert any(seen in what for what in stage.broken), stage.broken


def test_a_missing_quote_and_an_order_left_behind_are_seen(tmp_path: Path) -> None:
    """The stage reports a bot that does not quote again after a fault. It also reports one that leaves an order
    at its end."""
    stage = Stage(tmp_path, "CROSS", ())

    def direct() -> Script:
        assert (yield from calm(stage))
        stage.full += 1
        yield from recover(stage, {*stage.quotes(), ("KXMORE", True)})
        stage.after_end(Ended(0))

    stage.play(direct())
    stage.close()
    assert any("1 of 5 sides are not quoted" in what for what in stage.broken)
    assert any("4 orders rest after the bot has ended with 0" in what for what in stage.broken)


@pytest.mark.parametrize(
    "step", [one for one in STEPS.values() if one.phase == WATCH_PHASE], ids=lambda one: one.name
)
def test_a_fault_of_a_look_strikes_no_cycle(step: Step, tmp_path: Path) -> None:
    """The cycle makes the same requests as a look: a fault that struck only these would show nothing."""
    stage = Stage(tmp_path, "CROSS", ())
    rules = {}

    def direct() -> Script:
        assert (yield from calm(stage))
        cell = Cell("500", {"do": "500"}, (step,), CYCLE, "CROSS", True)
        rules.update(strike(stage, cell, [WATCH_PHASE], "", stage.left))
        stage.before_look = partial(step.provoke, stage)
        yield from turn(stage)
        assert rules[step.name].struck
        stage.before_look = lambda: None
        yield from turn(stage)

    stage.play(direct())
    stage.close()
    assert "500 internal_server_error" in stage.log
    assert "This cycle ends here" not in stage.log


def test_a_look_that_delays_the_cycle_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests of a look that hang must end before the next cycle is due."""
    monkeypatch.setattr(KalshiHttpClient, "hurried", lambda *_: nullcontext())
    cell = Cell("timeout_before", {"do": "timeout_before"}, (STEPS["~order"],), CYCLE, "CROSS", True)
    tally = matrix.try_all([cell], tmp_path, markets=1)
    assert any("s are left until the cycle" in what for what in tally.broken())
