"""An exchange that amends no orders: what rests must not die of it, nor be left at a price that is not wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from execution.executor import AMEND_AGAIN
from simulator.matching import CONTRACT
from tests.support.bench import (
    Bench,
    MakeBench,
    answer,
    assert_quoting_once,
    cut_before,
    fill_quote,
    is_quote,
    own_resting,
)

Answer = Callable[[requests.PreparedRequest], Any]

GONE: dict[str, Answer] = {
    "403": answer(403, '{"error":{"code":"forbidden","message":"not for you"}}'),
    "404 HTML": answer(404, "<html>no such page</html>", "text/html"),
    "410": answer(410, '{"error":{"code":"deprecated_endpoint"}}'),
    "501": answer(501, '{"error":{"code":"not_implemented"}}'),
    "503 HTML": answer(503, "<html>down</html>", "text/html"),
    "200 HTML": answer(200, "<html>hello</html>", "text/html"),
    "200 nonsense": answer(200, '{"order":[]}'),
    "a redirect": answer(302, ""),
}


def is_amend(request: requests.PreparedRequest) -> bool:
    return request.method == "POST" and "/amend" in (request.url or "")


def amends_are(bench: Bench, instead: Answer) -> None:
    bench.wire.fault = lambda request, _: instead if is_amend(request) else None


def amends_sent(bench: Bench) -> int:
    return len([request for request in bench.wire.sent if is_amend(request)])


@pytest.mark.parametrize("what", GONE)
@pytest.mark.parametrize("healthy", [0, 3], ids=["from the start", "later"])
def test_quotes_rest_without_amends_and_are_amended_again_after_them(
    make_bench: MakeBench, what: str, healthy: int
) -> None:
    """The bot does not stop, tells it once, and asks again after ten minutes. No quote is doubled."""
    bench = make_bench(who=())
    if healthy:
        bench.run(cycles=healthy)
    amends_are(bench, GONE[what])
    bench.run(cycles=4)
    asked = amends_sent(bench)
    for _ in range(3):
        bench.run(cycles=1)
        assert_quoting_once(bench)
    assert amends_sent(bench) == asked, "what is gone is not asked for at each renewal"
    assert "\n".join(bench.events("ERROR")).count("/amend") <= 2
    assert bench.log.count("Until this works, the bot cancels orders and places them again") == 1
    bench.wire.fault = None
    bench.pass_time(AMEND_AGAIN)
    bench.run(cycles=2)
    assert any("the exchange amends them again" in line for line in bench.events("INFO"))
    before = {order.order_id for order in bench.resting()}
    bench.run(cycles=2)
    assert {order.order_id for order in bench.resting()} == before, "renewed in place"


def test_a_resized_quote_is_placed_again_with_its_size(make_bench: MakeBench) -> None:
    """A filled part is topped up by a new order, which is post-only too."""
    bench = make_bench(who=(), TRADE_SIZE=5, EXIT="REST")
    bench.run(cycles=1)
    amends_are(bench, GONE["501"])
    bench.run(cycles=1)
    ticker, size = fill_quote(bench)
    bench.run(cycles=2)
    (exit_,) = [order for order in own_resting(bench) if order.ticker == ticker and not order.is_bid]
    assert exit_.remaining == 5 * CONTRACT + size, "the quote and what it sells"
    creates = [
        one for one in bench.wire.sent if one.method == "POST" and (one.url or "").endswith("/events/orders")
    ]
    assert all(is_quote(request) for request in creates[-4:])


def test_an_order_that_may_not_be_placed_again_stays_until_it_expires(make_bench: MakeBench) -> None:
    """A market that takes no orders would not take back what was canceled there."""
    bench = make_bench(who=())
    bench.run(cycles=1)
    amends_are(bench, GONE["404 HTML"])
    bench.run(cycles=1)
    before = {order.order_id for order in bench.resting()}
    paused = bench.resting()[0].ticker
    here = {order.order_id for order in bench.resting() if order.ticker == paused}
    bench.exchange.api.exchange.markets[paused].status = "inactive"
    bench.bot.start_trading()
    left = {order.order_id for order in bench.resting()}
    assert not left & (before - here), "the others were placed again"


def test_an_exchange_that_is_down_for_a_cycle_costs_no_place_in_the_queue(make_bench: MakeBench) -> None:
    """One failed cycle with 503, or a network that is cut, does not make the bot give amends up."""
    for fault in (GONE["503 HTML"], cut_before):
        bench = make_bench(who=())
        bench.run(cycles=2)
        before = {order.order_id for order in bench.resting()}
        amends_are(bench, fault)
        bench.run(cycles=1)
        bench.wire.fault = None
        bench.run(cycles=2)
        assert {order.order_id for order in bench.resting()} == before
