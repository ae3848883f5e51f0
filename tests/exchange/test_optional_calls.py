"""Calls that the bot can do without: a call that fails for good costs little, and its return is noticed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from clients import KalshiHttpClient
from exchange.errors import ExchangeError
from exchange.optional_calls import ASKED_AGAIN, LONGEST, FailingCall, OptionalCall
from tests.support.bench import Bench, MakeBench, answer, cut_before, not_there
from tests.support.pages import TEXTS, first_spans
from tests.support.project import START

SINCE = START - timedelta(hours=1)

READS: dict[OptionalCall, Callable[[KalshiHttpClient], Any]] = {
    OptionalCall.SCHEDULE: lambda c: c.get_schedule(),
    OptionalCall.LISTS_TIME: lambda c: c.get_lists_time(),
    OptionalCall.SERIES: lambda c: c.get_all_series(),
    OptionalCall.EVENTS: lambda c: c.get_events(["KXHIGHCHI-26NOV24"]),
    OptionalCall.CANDLES: lambda c: c.get_candles(["KXHIGHCHI-26NOV24-B5.5"], SINCE, START),
    OptionalCall.ENDED_PROGRAMS: lambda c: c.get_ended_programs(["x"]),
    OptionalCall.LIMITS: lambda c: c.read_limits(),
    OptionalCall.BALANCE: lambda c: c.get_balance(),
    OptionalCall.SETTLEMENTS: lambda c: c.get_settlements(SINCE),
    OptionalCall.DEPOSITS: lambda c: c.get_deposits(),
    OptionalCall.WITHDRAWALS: lambda c: c.get_withdrawals(),
    OptionalCall.TRANSFERS: lambda c: c.get_transfers(),
    OptionalCall.SUBACCOUNT_TRANSFERS: lambda c: c.get_subaccount_transfers(),
    OptionalCall.API_KEYS: lambda c: c.get_api_keys(),
    OptionalCall.ORDER_GROUPS: lambda c: c.create_order_group(Decimal(5), 0),
}
"""The method that makes each call. Amends are in `tests/execution/test_no_amend.py`; costs are below."""


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench(programs=12, who=())


def news_of(bench: Bench) -> list[tuple[OptionalCall, bool]]:
    found: list[tuple[OptionalCall, bool]] = []

    def note(one: FailingCall, fails: bool) -> None:
        found.append((one.call, fails))

    bench.client.optional_calls.on_news = note
    return found


def failed(bench: Bench, call: OptionalCall) -> ExchangeError:
    with pytest.raises(ExchangeError) as error:
        READS[call](bench.client)
    return error.value


def test_every_call_is_tried_here_or_elsewhere() -> None:
    assert set(OptionalCall) - READS.keys() == {OptionalCall.COSTS, OptionalCall.AMEND}


@pytest.mark.parametrize("call", READS, ids=lambda call: call.name)
def test_a_call_that_fails_is_asked_ever_more_rarely(bench: Bench, call: OptionalCall) -> None:
    """For two hours somebody asks every ten seconds. The exchange sees a request after 1, 2, 4, 8, then every 10
    minutes. It is told once that the call fails, and once that it works."""
    news, sent = news_of(bench), []
    bench.wire.fault = lambda *_: not_there
    for step in range(720):
        before = bench.client.requests_sent
        failed(bench, call)
        if bench.client.requests_sent > before:
            sent.append(step * 10)
        bench.pass_time(10)
    waits = [after - before for before, after in pairwise(sent)]
    if call is OptionalCall.LISTS_TIME:
        assert set(waits) <= {60, 70}, "an order could be placed twice without it"
    else:
        assert waits[:4] == pytest.approx([60, 120, 240, 480], abs=10)
        assert {round(wait, -1) for wait in waits[4:]} <= {LONGEST, LONGEST + 10}
    assert news == [(call, True)]
    bench.wire.fault = None
    bench.pass_time(LONGEST)
    READS[call](bench.client)
    assert news == [(call, True), (call, False)]
    assert not bench.client.optional_calls.failing


def test_the_error_of_the_last_attempt_is_told_meanwhile(bench: Bench) -> None:
    bench.wire.fault = lambda *_: not_there
    first = failed(bench, OptionalCall.BALANCE)
    bench.wire.fault = lambda *_: answer(404, "<html>nobody</html>", "text/html")
    assert str(failed(bench, OptionalCall.BALANCE)) == str(first)
    bench.pass_time(ASKED_AGAIN)
    assert "404" in str(failed(bench, OptionalCall.BALANCE))
    assert bench.client.optional_calls.failing


@pytest.mark.parametrize(
    "rows", ["[1]", '[null, {"a": "b"}]', '["x", [], {}]'], ids=["a number", "an object", "several"]
)
def test_a_list_of_nothing_readable_is_a_failure(bench: Bench, rows: str) -> None:
    """It would be taken for an empty list otherwise: for a month without deposits."""
    bench.wire.fault = lambda *_: answer(200, f'{{"deposits": {rows}, "cursor": ""}}')
    failed(bench, OptionalCall.DEPOSITS)
    assert [one.call for one in bench.client.optional_calls.failing] == [OptionalCall.DEPOSITS]


def test_an_attempt_at_a_failing_call_is_short(bench: Bench) -> None:
    """A call that hangs or answers nonsense is repeated when it fails first, because that may pass. Later attempts
    are one request each, or the orders of a busy cycle would expire meanwhile."""
    bench.wire.fault = lambda *_: cut_before
    failed(bench, OptionalCall.BALANCE)
    assert bench.client.requests_sent > 3
    bench.pass_time(ASKED_AGAIN)
    before, began = bench.client.requests_sent, bench.exchange.clock.monotonic()
    failed(bench, OptionalCall.BALANCE)
    assert bench.client.requests_sent == before + 1
    assert bench.exchange.clock.monotonic() - began < 1
    bench.wire.fault = None
    bench.pass_time(LONGEST)
    bench.client.get_balance()
    bench.wire.fault = lambda *_: cut_before
    failed(bench, OptionalCall.BALANCE)
    assert bench.client.requests_sent > before + 5, "patient again"


@pytest.mark.parametrize("status", [501, 503])
def test_a_call_that_the_exchange_does_not_have_is_not_repeated(bench: Bench, status: int) -> None:
    bench.wire.fault = lambda *_: answer(status, "nothing here", "text/plain")
    failed(bench, OptionalCall.SCHEDULE)
    assert (bench.client.requests_sent == 1) is (status == 501)


def test_a_read_is_asked_again_although_nobody_needs_it(bench: Bench) -> None:
    """And nothing that changes the exchange."""
    news = news_of(bench)
    bench.wire.fault = lambda *_: not_there
    for call in (OptionalCall.TRANSFERS, OptionalCall.ORDER_GROUPS):
        failed(bench, call)
    bench.wire.fault = None
    bench.client.optional_calls.ask_again()
    assert len(news) == 2, "not yet"
    bench.pass_time(ASKED_AGAIN)
    sent = len(bench.wire.sent)
    bench.client.optional_calls.ask_again()
    assert news[2:] == [(OptionalCall.TRANSFERS, False)]
    assert bench.wire.asked()[sent:] == ["GET /trade-api/v2/portfolio/intra_exchange_instance_transfers"]


def test_costs_that_cannot_be_read_leave_the_limits_in_use(bench: Bench) -> None:
    """Requests keep to the account's own limits, and cost what they cost in the lowest tier."""
    bench.wire.fault = lambda request, _: not_there if "endpoint_costs" in (request.url or "") else None
    told = bench.client.read_limits()
    assert bench.client.limits == told
    assert not bench.client.may_read_limits, "not before a while"
    bench.wire.fault = None
    bench.pass_time(ASKED_AGAIN)
    assert bench.client.may_read_limits
    bench.client.read_limits()
    bench.pass_time(LONGEST)
    assert not bench.client.may_read_limits, "all is known"


def test_the_calls_that_the_bot_can_do_without_are_all_told() -> None:
    assert first_spans(TEXTS["docs/troubleshooting.md"], "call | until") == [one.request for one in OptionalCall]
