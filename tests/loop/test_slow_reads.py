"""The loop on an exchange that reads slowly: quotes are renewed and placed, or the log says what happened."""

from __future__ import annotations

from itertools import pairwise

import pytest
import requests

from exchange.http_session import WHOLE, CutShort
from tests.support.bench import Bench, MakeBench, assert_quoting_once

CUT = "the answer took too long to come whole: 153 bytes came in 15 s"

READS = (
    "/exchange/status", "/exchange/user_data_timestamp", "/portfolio/orders", "/portfolio/fills",
    "/portfolio/positions", "/portfolio/balance", "/markets", "/markets/orderbooks",
)  # fmt: skip
"""The reads of a cycle without a scan."""


def is_read(request: requests.PreparedRequest, *paths: str) -> bool:
    return request.method == "GET" and request.path_url.partition("?")[0].endswith(paths)


def drip(bench: Bench, seconds: float) -> None:
    bench.pass_time(seconds)
    raise CutShort(CUT)


@pytest.mark.parametrize("path", READS)
def test_a_dripping_answer_costs_no_order_its_place(make_bench: MakeBench, path: str) -> None:
    """If one answer of a cycle never comes whole, the log says so. The cycle goes on without it or is tried again,
    and renews the orders before they expire."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    orders, dripped = {order.order_id for order in bench.resting()}, list[str]()

    def once(request: requests.PreparedRequest, _: int) -> None:
        if is_read(request, path) and not dripped:
            dripped.append(path)
            drip(bench, bench.wire.timeouts[-1][1] * WHOLE)

    bench.wire.fault = once
    bench.run(cycles=3)
    assert dripped
    told = [line for line in bench.events("ERROR") if f"GET {path}: {CUT}" in line]
    assert told
    assert {order.order_id for order in bench.resting()} == orders
    assert_quoting_once(bench)


def test_an_exchange_whose_answers_all_drip_is_an_outage(make_bench: MakeBench) -> None:
    """Three cycles fail, and the log says that quotes are given up and when the bot tries again."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    bench.wire.fault = lambda *_: drip(bench, bench.wire.timeouts[-1][1] * WHOLE)
    bench.run(cycles=3)
    (line,) = bench.events("OUTAGE")
    assert CUT in line
    assert "Tried again" in line


def test_a_stop_whose_answers_all_drip_ends_by_itself(make_bench: MakeBench) -> None:
    """It ends within half a minute, and says until when orders may rest."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    bench.wire.fault = lambda *_: drip(bench, bench.wire.timeouts[-1][1] * WHOLE)
    began = bench.exchange.clock.monotonic()
    assert bench.bot.session.stop("Ctrl-C") == 3
    assert bench.exchange.clock.monotonic() - began < 30
    assert "[SHUTDOWN] OUR ORDERS MAY STILL REST until" in bench.log.splitlines()[-1]


@pytest.mark.parametrize(("seconds", "kept"), [(5.0, True), (9.0, False), (14.0, False)])
def test_slow_reads_do_not_keep_the_bot_from_quoting(make_bench: MakeBench, seconds: float, kept: bool) -> None:
    """Reads that take less than `WAIT_TIME` together cost no order its place. If they take longer, orders expire
    before they are renewed: the log says so, and each second cycle places them again."""
    bench = make_bench(who=())
    bench.run(cycles=2)
    before = {order.order_id for order in bench.resting()}

    def slowly(request: requests.PreparedRequest, _: int) -> None:
        if is_read(request, *READS):
            bench.pass_time(seconds)

    bench.wire.after = slowly
    ended = []
    for _ in range(6):
        began = bench.exchange.clock.monotonic()
        bench.bot.start_trading()
        ended.append({order.order_id for order in bench.resting()})
        bench.pass_time(max(60 - (bench.exchange.clock.monotonic() - began), 0))
    if kept:
        assert ended == [before] * 6
    else:
        assert all(len(one | other) == 4 for one, other in pairwise(ended[1:]))
        assert any("was gone already: filled, expired" in line for line in bench.events("INFO"))
