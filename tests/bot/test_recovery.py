"""Every error has one of three answers, and the whole bot gives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from bot.recovery import resting_text
from exchange import errors
from exchange.errors import BotError, Recovery
from runtime.log_format import local_time
from tests.support.bench import MakeBench, answer, cut_before, fill_quote, is_quote, own_resting, unavailable
from tests.support.builders import NOW, later

REVOKED = answer(401, '{"error":{"code":"authentication_error","message":"authentication_error"}}')
READ_ONLY = answer(403, '{"error":{"code":"forbidden","message":"this API key may not write"}}')


DOES = {Recovery.STOP: "stops", Recovery.SKIP: "skips", Recovery.RETRY: "retries"}


def kinds(kind: type[BotError] = BotError) -> Iterator[type[BotError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from kinds(one)


def test_the_table_of_errors_says_what_the_code_does() -> None:
    """The table tells every class of error and what is done about it. It is what a person reads at night: it
    must not say anything else than the code does."""
    rows = dict(re.findall(r"[├└]── (\w+)  .*?  (\S.*)$", errors.__doc__ or "", re.M))
    abstract = {"BotError", "ExchangeError", "Unreachable", "Answered"}
    told = {
        kind.__name__: kind
        for kind in kinds()
        if kind.__module__ == errors.__name__ and kind.__name__ not in abstract
    }
    assert told.keys() <= rows.keys()
    for name in told.keys() - {"Unauthorized", "Unreadable"}:
        assert rows[name].split()[-1] == DOES[told[name].recovery], name
    assert errors.error_for_status("GET /x", 401, "authentication_error", "", "").recovery is Recovery.STOP
    assert errors.error_for_status("GET /x", 401, "header_timestamp_expired", "", "").recovery is Recovery.RETRY
    assert errors.Unreadable("GET /x", "odd", ticker="A-1").recovery is Recovery.SKIP
    assert errors.Unreadable("GET /x", "odd").recovery is Recovery.RETRY


def test_a_key_that_is_not_accepted_stops_the_start_at_once(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.wire.fault = lambda *_: REVOKED
    assert bench.run(cycles=5) == 2
    assert "only you can fix this" in bench.events("STOP")[-1]
    assert len([request for request in bench.wire.sent if request.method != "GET"]) == 0
    assert "Until it works" not in bench.log, "it is no call to do without"


def test_a_key_that_may_not_write_stops_the_start_at_once(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.wire.fault = lambda request, _: None if request.method == "GET" else READ_ONLY
    assert bench.run(cycles=5) == 2
    assert "write permission" in bench.log
    assert len(bench.events("ERROR")) < 6


def test_a_revoked_key_stops_the_bot_within_a_minute(
    make_bench: MakeBench,
) -> None:
    """The bot stops at the third cycle and says until when its orders may rest. After that time none rests."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    bench.wire.fault = lambda *_: REVOKED
    began = bench.exchange.clock.monotonic()
    assert bench.run(cycles=10) == 3
    assert bench.exchange.clock.monotonic() - began < 60
    assert "MAY STILL REST until" in bench.events("SHUTDOWN")[-1]
    bench.pass_time(150)
    bench.exchange.api.exchange.advance(bench.exchange.clock.now().timestamp())
    assert own_resting(bench) == []


def test_a_refusal_in_passing_stops_nothing(make_bench: MakeBench) -> None:
    bench = make_bench(who=())
    bench.run(cycles=2)
    struck: list[int] = []

    def once(_: object, number: int) -> Callable[..., object] | None:
        if bench.waits and len(struck) < 2:
            struck.append(number)
            return REVOKED
        return None

    bench.wire.fault = once
    bench.run(cycles=4)
    assert len(own_resting(bench)) == 4
    assert len(bench.events("NEW SESSION")) == 1


def test_a_refused_order_leaves_the_others_alone(
    make_bench: MakeBench,
) -> None:
    """An order that is refused for want of cash ends the cycle's orders on its shard, where all of them are here.
    An exchange that is out of service ends the cycle without orders. In all cases a later cycle places them."""
    bad_price = answer(400, '{"error":{"code":"invalid_price","message":"off the grid"}}')
    no_cash = answer(400, '{"error":{"code":"insufficient_balance","message":"no cash"}}')
    for fault, placed in ((bad_price, 3), (no_cash, 0), (unavailable, 0)):
        bench = make_bench(who=())
        first: list[object] = []

        def on_the_first(request: object, _: int, fault: object = fault, first: list[object] = first) -> object:
            if is_quote(request) and (not first or fault is unavailable):
                first.append(request)
                return fault
            return None

        bench.wire.fault = on_the_first
        bench.run(cycles=1)
        assert len(own_resting(bench)) == placed
        bench.wire.fault = None
        bench.run(cycles=2)
        assert len(own_resting(bench)) == 4


# -- what is told of it ----------------------------------------------------------------------------------------


def test_a_failed_read_is_not_told_as_if_it_had_done_something(make_bench: MakeBench) -> None:
    """A read that got no answer changed nothing: a person need not look for what it may have done."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    bench.wire.fault = lambda request, _: cut_before if request.method == "GET" else None
    bench.run(cycles=2)
    assert all("the connection was cut" in line for line in bench.events("ERROR"))
    assert bench.events("ERROR")
    assert "carried out" not in bench.log
    bench.wire.fault = None
    bench.run(cycles=2)
    bench.wire.after = lambda request, _: cut_before(request) if request.method != "GET" else None
    bench.run(cycles=2)
    assert "may have been carried out" in bench.log, "of a write it is told"


def test_an_outage_says_what_rests_and_when_it_is_tried_again(make_bench: MakeBench) -> None:
    """Until when orders of ours may rest, or that the last of them has expired."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    bench.wire.fault = lambda *_: cut_before
    bench.run(cycles=6)
    ends = re.search(r"tries again at ([\d:]+)\. Orders: any that still rest expire by ([\d:]+)", bench.log)
    assert ends
    (outage,) = bench.events("OUTAGE")
    said = re.search(
        r"Orders: being canceled; .* ([\d:]+) \| Tried again: at ([\d:]+), then at least every 5 min", outage
    )
    assert said
    assert said[1] == ends[2]
    assert said[2] > outage[11:19]
    bench.run(cycles=4)
    assert "the last one expired at" in bench.log or "Orders could not be canceled" in bench.log


def test_what_may_rest_is_told_by_the_clock() -> None:
    """Before and after the last order's expiry, and where none was placed."""
    assert resting_text(None, NOW) == "the bot has placed none"
    assert resting_text(NOW + later(60), NOW) == f"any that still rest expire by {local_time(NOW + later(60))}"
    assert resting_text(NOW, NOW) == f"the last one expired at {local_time(NOW)}"


@pytest.mark.parametrize("seconds", [1, 2])
def test_a_stop_tells_each_cancel_once_though_lists_lag(make_bench: MakeBench, seconds: float) -> None:
    """The lists show the orders for a while after they are gone, and each is canceled again, to be sure."""
    stale = {"do": "stale", "on": "GET /portfolio/*", "seconds": seconds}
    bench = make_bench(who=(), faults=[stale])
    assert bench.run(cycles=2, end=KeyboardInterrupt) == 0
    for reason, count in (("NEW_SESSION", 2), ("STOP", 4)):
        told = [line.partition("Ticker: ")[2] for line in bench.events("CANCEL ORDER") if reason in line]
        assert len(told) == len(set(told)) == count
    assert len([request for request in bench.wire.sent if request.method == "DELETE"]) > 6
    assert "was gone already" not in bench.log


@pytest.mark.parametrize("filled", [False, True])
def test_the_shutdown_is_the_last_line_and_tells_what_is_held(make_bench: MakeBench, filled: bool) -> None:
    """Also where a quote was filled in the last wait, which is told before it."""
    bench = make_bench(who=(), TRADE_SIZE=5)
    bench.run(cycles=2)
    if filled:
        fill_quote(bench)
    assert bench.bot.session.stop("Ctrl-C") == 0
    last = [line for line in bench.log.splitlines() if not line.startswith("  └─")][-1]
    assert "[SHUTDOWN] None of our orders rests any more; " in last
    sell = "1 position is still held: sell them, or the next start sells what it can"
    held = sell if filled else "no positions are held"
    assert last.endswith(held)
    assert ("Count: 5 | Cost: $" in bench.log.splitlines()[-1]) is filled
