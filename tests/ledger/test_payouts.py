"""Whether a window was paid out: asked now and then, never at the cost of a cycle."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from ledger.entries import EPOCH, PendingWrites
from ledger.payouts import LATEST, PayoutTimes, PayoutWatch, is_due, payout_times
from simulator import lifecycle
from simulator.listing import ListedProgram
from tests.support.bench import STILL, Bench, Killed, MakeBench, unavailable
from tests.support.builders import NOW

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TEN_MINUTES: dict[str, Any] = {**STILL, "WAIT_TIME": 600, "EXPIRATION_TS": 5, "MIN_HOURS_TO_CLOSE": 0}


def about_ended(bench: Bench) -> list[requests.PreparedRequest]:
    return [one for one in bench.wire.sent if "status=closed" in str(one.url) or "status=paid_out" in str(one.url)]


def first_ended(bench: Bench) -> ListedProgram:
    """Quote for two cycles, and wait for the first of the quoted windows to end. The bot is down meanwhile."""
    bench.run(2, Killed)
    names = {key.program_id for key in bench.ledger.seconds()}
    programs = [one for one in bench.exchange.api.exchange.programs if one.program_id in names]
    first = min(programs, key=lambda one: one.ends)
    bench.pass_time(first.ends - bench.exchange.api.exchange.now + 60)
    bench.restart()
    return first


def moment(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, timezone.utc)


def times(bench: Bench, program: ListedProgram) -> PayoutTimes:
    return payout_times(bench.ledger)[program.program_id]


def test_a_payment_is_seen_within_the_hour(make_bench: MakeBench) -> None:
    """The ledger has the last time that the window was seen not paid out, and the first at which it was. Both are
    kept by a restart."""
    bench = make_bench(**TEN_MINUTES)
    program = first_ended(bench)
    assert about_ended(bench) == [], "while no window waits for its money, nobody asks"
    paid = moment(lifecycle.credit_time(bench.exchange.api.exchange, program))
    while moment(bench.exchange.api.exchange.now) < paid + 2 * HOUR:
        bench.run(12, Killed)
        bench.restart()
    seen = times(bench, program)
    assert seen.unpaid is not None
    assert seen.paid is not None
    assert moment(program.ends) < seen.unpaid < paid <= seen.paid
    assert seen.paid - seen.unpaid <= HOUR + 21 * MINUTE
    assert bench.ledger.latest_programs()[program.program_id].paid_out
    again = PendingWrites(EPOCH)
    PayoutWatch(bench.client, bench.ledger).catch_up(again)
    assert program.program_id not in again.payouts, "what was paid out is not asked again"


def test_one_answer_an_hour_is_enough(make_bench: MakeBench) -> None:
    """While no cash comes that nobody explains. The list of what was paid out is not read while nothing was."""
    bench = make_bench(**TEN_MINUTES)
    first_ended(bench)
    bench.wire.sent.clear()
    bench.run(13, Killed)
    asked = [str(one.url) for one in about_ended(bench)]
    assert 2 <= len(asked) <= 3
    assert all("status=closed" in url and "limit=10000" in url for url in asked)


@pytest.mark.parametrize(
    ("minutes", "came", "due"),
    [(59, None, False), (60, None, True), (9, 5, False), (10, 5, True), (59, -5, False), (60, -5, True)],
)
def test_cash_that_nobody_explains_is_a_reason_to_ask_soon(minutes: int, came: int | None, due: bool) -> None:
    """But not more often than every ten minutes, and once for each."""
    at = None if came is None else NOW + came * MINUTE
    assert is_due(NOW + minutes * MINUTE, NOW, at) is due


def test_an_exchange_that_does_not_answer_costs_no_cycle(make_bench: MakeBench) -> None:
    """The failure is logged, the quotes stay, and the bot asks again an hour later."""
    bench = make_bench(**TEN_MINUTES)
    program = first_ended(bench)
    bench.wire.fault = lambda request, _: unavailable if "status=closed" in request.path_url else None
    bench.run(4, Killed)
    assert bench.resting()
    assert len([line for line in bench.events("ERROR") if "incentive_programs" in line]) == 1
    assert not [cycle for cycle in bench.ledger.cycles() if cycle.problem]
    assert times(bench, program).paid is None
    bench.wire.fault = None
    before = len(about_ended(bench))
    bench.run(8, Killed)
    assert len(about_ended(bench)) > before


@pytest.mark.parametrize(("before", "asks"), [(60.0, 1), (-60.0, 0)])
def test_a_window_that_was_never_paid_is_given_up(make_bench: MakeBench, before: float, asks: int) -> None:
    """Three days after its end nobody asks for it any more."""
    bench = make_bench(**TEN_MINUTES)
    first_ended(bench)
    programs = bench.ledger.latest_programs()
    last = max(programs[name].end for name in bench.ledger.accrued_by_program())
    bench.pass_time((last + LATEST - bench.client.clock.now()).total_seconds() - before)
    bench.wire.sent.clear()
    PayoutWatch(bench.client, bench.ledger).catch_up(PendingWrites(EPOCH))
    assert bool(about_ended(bench)) == bool(asks)
