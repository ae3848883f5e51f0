"""An exchange that amends no orders: what rests must not die of it, nor be left at a price that is not wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from exchange.optional_calls import LONGEST
from tests.support.bench import (
    Bench,
    MakeBench,
    answer,
    assert_quoting_once,
    cut_before,
    fill_quote,
    is_quote,
    not_there,
    own_resting,
)

Answer = Callable[[requests.PreparedRequest], Any]

GONE: dict[str, Answer] = {
    "403": answer(403, '{"error":{"code":"forbidden","message":"not for you"}}'),
    "404": answer(404, '{"error":{"code":"not_found","message":"not found"}}'),
    "404 HTML": answer(404, "<html>no such page</html>", "text/html"),
    "410": answer(410, '{"error":{"code":"deprecated_endpoint"}}'),
    "501": not_there,
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
def test_quotes_rest_without_amends_and_are_amended_after_them(
    make_bench: MakeBench, what: str, healthy: int
) -> None:
    """The bot does not stop, tells it once, and asks again less and less often. No quote is doubled."""
    bench = make_bench(who=())
    if healthy:
        bench.run(cycles=healthy)
    amends_are(bench, GONE[what])
    bench.run(cycles=4)
    asking = 0
    for _ in range(16):
        sent = amends_sent(bench)
        bench.pass_time(60)
        bench.bot.start_trading()
        assert_quoting_once(bench)
        asking += amends_sent(bench) > sent
    assert 1 <= asking <= 5
    assert bench.log.count("Until it works, orders are canceled and placed again") == 1
    bench.wire.fault = None
    bench.pass_time(LONGEST)
    bench.run(cycles=2)
    assert any("/amend answers again" in line for line in bench.events("INFO"))
    before = {order.order_id for order in bench.resting()}
    bench.run(cycles=2)
    assert {order.order_id for order in bench.resting()} == before, "renewed in place"


def test_a_resized_quote_is_placed_again_with_its_size(make_bench: MakeBench) -> None:
    """The exit that takes a quote's place is a new order, which is post-only too."""
    bench = make_bench(who=(), TRADE_SIZE=5, EXIT="REST")
    bench.run(cycles=1)
    amends_are(bench, GONE["501"])
    bench.run(cycles=1)
    ticker, size = fill_quote(bench)
    bench.run(cycles=2)
    (exit_,) = [order for order in own_resting(bench) if order.ticker == ticker and not order.is_bid]
    assert exit_.remaining == size
    creates = [
        one for one in bench.wire.sent if one.method == "POST" and (one.url or "").endswith("/events/orders")
    ]
    assert all(is_quote(request) for request in creates[-4:])


def test_a_refused_cancel_costs_its_market_no_other_order(make_bench: MakeBench) -> None:
    """Nothing may be placed in a market while an order there was not cleared. So the other order there stays until
    it expires: what was canceled could not be placed again. Both are back in the next cycle."""
    bench = make_bench(who=())
    bench.run(cycles=1)
    amends_are(bench, GONE["501"])
    bench.run(cycles=1)
    before = {order.order_id: order.ticker for order in bench.resting()}
    refused: list[str] = []

    def refuse_a_cancel(request: requests.PreparedRequest, _: int) -> object:
        if request.method != "DELETE" or refused:
            return None
        refused.append(before[request.path_url.partition("?")[0].rpartition("/")[2]])
        return answer(400, '{"error":{"code":"bad_request"}}')

    bench.wire.fault = refuse_a_cancel
    bench.bot.start_trading()
    assert refused
    after = {order.order_id for order in bench.resting()}
    assert {before[name] for name in before.keys() & after} == {*refused}
    assert len(before.keys() & after) == 2
    assert any("NOT_CLEARED" in line for line in bench.events("REFUSED ORDER"))
    bench.pass_time(60)
    bench.bot.start_trading()
    assert_quoting_once(bench)


def test_an_exchange_down_for_a_cycle_costs_no_queue_place(make_bench: MakeBench) -> None:
    """One failed cycle with 503, or a network that is cut, does not make the bot give amends up."""
    for fault in (GONE["503 HTML"], cut_before):
        bench = make_bench(who=())
        bench.run(cycles=2)
        before = {order.order_id for order in bench.resting()}
        amends_are(bench, fault)
        bench.pass_time(60)
        asked = amends_sent(bench)
        bench.run(cycles=1)
        assert amends_sent(bench) > asked
        bench.wire.fault = None
        bench.run(cycles=2)
        assert {order.order_id for order in bench.resting()} == before
