"""What a line says of a trade: a person must not have to turn a sale of YES out of a purchase of NO."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.account import Fill
from exchange.models import OrderRequest, SelfTradePrevention, TimeInForce
from exchange.orderbook import NO, YES, Bid, Side
from runtime.log_format import fill, requested_order, short_dollars
from tests.support.bench import BUSY, Bench, MakeBench, fill_quote
from tests.support.builders import ledger_fill
from tests.support.small_exchange import take

D = Decimal


def at_40(count: str, side: Side) -> Fill:
    return replace(ledger_fill(count=count, side=side), price=D("0.40"))


@pytest.mark.parametrize("side", [YES, NO])
@pytest.mark.parametrize(
    ("count", "closed", "told"),
    [
        ("3", "0", {"Action": "buy", "Count": "3", "Price": "0.4000"}),
        ("3", "3", {"Action": "sell", "Count": "3", "Price": "0.6000"}),
        ("3.50", "3.50", {"Action": "sell", "Count": "3.5", "Price": "0.6000"}),
    ],
)
def test_a_fill_that_closes_reads_as_a_sale(side: Side, count: str, closed: str, told: dict[str, str]) -> None:
    said = fill(at_40(count, side), D(closed))
    assert {name: said[name] for name in told} == told
    assert said["Side"] == (side if closed == "0" else side.other).value
    assert "Of it" not in said


def test_a_fill_that_closes_with_a_part_says_with_which() -> None:
    """Two YES were held when five NO were bought."""
    said = fill(at_40("5", NO), D(2))
    assert (said["Side"], said["Action"], said["Count"], said["Price"]) == ("no", "buy", "5", "0.4000")
    assert said["Of it"] == "2 sell yes at 0.6000"


@given(st.integers(1, 99), st.sampled_from([YES, NO]))
def test_a_sale_brings_what_the_purchase_saved(price: int, side: Side) -> None:
    """The price of the sale and of the purchase that it is are a dollar together."""
    one = replace(at_40("1", side), price=D(price) / 100)
    assert D(fill(one, D(1))["Price"]) + D(fill(one)["Price"]) == 1


@pytest.mark.parametrize("side", [YES, NO])
def test_an_exit_that_is_kept_back_reads_as_a_sale(side: Side) -> None:
    exits = OrderRequest(
        "KXA-1", 0, "x", Bid(side.other, D("0.30"), D(2)), TimeInForce.IMMEDIATE_OR_CANCEL,
        SelfTradePrevention.MAKER, reduce_only=True,
    )  # fmt: skip
    said = requested_order(exits)
    assert (said["Side"], said["Action"], said["Price"]) == (side.value, "sell", "0.7000")
    assert requested_order(exits._replace(reduce_only=False))["Action"] == "buy"


@pytest.mark.parametrize(
    ("dollars", "told"),
    [
        (0.00004, "$0.0000"), (-9.5, "-$9.5000"), (D("-10"), "-$10.00"), (999.99, "$999.99"), (-1000.4, "-$1,000"),
        (D("-0.0521"), "-$0.0521"),
    ],
)  # fmt: skip
def test_sums_are_as_long_as_there_is_room(dollars: float | Decimal, told: str) -> None:
    assert short_dollars(dollars) == told


# -- in the loop -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["CROSS", "REST"])
@pytest.mark.parametrize("is_bid", [True, False])
def test_what_was_filled_is_sold_by_the_same_name(make_bench: MakeBench, way: str, is_bid: bool) -> None:
    """The quote of a side is bought, and sold as that side, whether at once or by an order that waits."""
    bench = make_bench(who=(), TRADE_SIZE=5, EXIT=way, FILL_PAUSE=0, MAX_CAPITAL=500, MAX_EVENT_LOSS=500)
    bench.run(cycles=2)
    before = len(bench.events("FILL"))
    ticker, _ = fill_quote(bench, is_bid=is_bid)
    bench.run(cycles=1)
    if way == "REST":
        resting = next(one for one in bench.resting() if one.ticker == ticker and one.is_bid != is_bid)
        assert resting.size == 500, "the exit alone"
        fill_resting(bench, ticker, is_bid)
        bench.run(cycles=1)
    bought, sold = [line for line in bench.events("FILL")[before:] if ticker in line][:2]
    side = "yes" if is_bid else "no"
    assert f"Side: {side} | Action: buy | Count: 5 |" in bought
    assert f"Side: {side} | Action: sell | Count: 5 |" in sold


def fill_resting(bench: Bench, ticker: str, is_bid: bool) -> None:
    """Somebody takes five contracts from the order that waits to sell."""
    order = next(one for one in bench.resting() if one.ticker == ticker and one.is_bid != is_bid)
    take(bench.exchange.api.exchange, order, 500 / order.size)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["CROSS", "REST"])
def test_all_fills_of_a_busy_hour_lead_to_what_is_held(make_bench: MakeBench, way: str) -> None:
    """A person who adds up the log's purchases and sales arrives at what the exchange says is held, and sells
    nothing that is not there."""
    bench = make_bench(**BUSY, EXIT=way)
    held = {(ticker, count > 0): D(abs(count)) / 100 for ticker, count in bench.held().items()}
    bench.run(cycles=45)
    for line in bench.events("FILL"):
        said = dict(part.split(": ") for part in line.partition("[FILL] ")[2].split(" | "))
        place, other = ((said["Ticker"], (said["Side"] == "yes") is is_same) for is_same in (True, False))
        count = D(said["Count"])
        if said["Action"] == "sell":
            assert held.get(place, D(0)) >= count, line
            held[place] -= count
            continue
        closed = D(said["Of it"].partition(" ")[0]) if "Of it" in said else D(0)
        assert held.get(other, D(0)) == closed, "else it closed what was not told"
        held[other] = D(0)
        held[place] = held.get(place, D(0)) + count - closed
    real = {(ticker, count > 0): D(abs(count)) / 100 for ticker, count in bench.held().items()}
    assert {place: count for place, count in held.items() if count} == real
    assert len([line for line in bench.events("FILL") if "Action: sell" in line]) > 3
