"""An exchange that says of an order that rests that it is gone: no second one may rest beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import requests

from tests.support.bench import BUSY, Bench, MakeBench, answer, own_resting

GONE = answer(404, '{"error":{"code":"not_found","message":"not found"}}')


def gone(request: requests.PreparedRequest, of: str) -> Callable[..., requests.Response] | None:
    """The answer of an exchange that finds no order to cancel, and none to amend if `of` says so."""
    is_amend = "amend" in of and "/amend" in (request.url or "")
    return GONE if is_amend or request.method == "DELETE" else None


def placed_twice(bench: Bench) -> list[tuple[str, bool]]:
    """The sides on which two of the bot's orders rest."""
    sides = Counter((order.ticker, order.is_bid) for order in own_resting(bench))
    return [side for side, count in sides.items() if count > 1]


@pytest.mark.parametrize("of", ["cancels", "cancels and amends"])
def test_no_second_order_rests_beside_one_that_is_said_gone(make_bench: MakeBench, of: str) -> None:
    """Neither in the place of one that was to move, nor of one that was to be canceled and placed again."""
    bench = make_bench(**BUSY)
    bench.run(cycles=2)
    bench.wire.fault = lambda request, _: gone(request, of)
    for _ in range(12):
        bench.pass_time(60)
        bench.bot.start_trading()
        assert placed_twice(bench) == []
    assert any("the one before was gone" in line for line in bench.events("INFO")) or "amends" in of
    assert "was gone already" in bench.log
