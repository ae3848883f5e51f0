"""What `status` says of a position that could only be sold below the limit."""

from __future__ import annotations

import pytest

from tests.support.bench import Beside, fill_quote
from tests.support.crowds import crowd


@pytest.mark.parametrize("is_bid", [True, False], ids=["yes", "no"])
def test_status_names_a_position_that_the_bot_keeps(beside: Beside, is_bid: bool) -> None:
    bench, typed = beside
    bench.run(cycles=1)
    ticker, _ = fill_quote(bench, is_bid)
    assert typed("status", "--json").json["kept"] == {}
    crowd(bench, bench.exchange.api.exchange.markets[ticker], *((100, 200) if is_bid else (9_800, 9_900)))
    assert "(EXIT_LIMIT)" in typed("status", "--json").json["kept"][ticker]
    assert "Positions that the bot keeps" in typed("status").out
