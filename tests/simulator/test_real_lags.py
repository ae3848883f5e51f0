"""What the real exchange shows late, or leaves behind: nothing that a client was refused looks like a success."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from benchmarks.harness import moment
from clients import KalshiHttpClient
from exchange.errors import AlreadyExists, Refused
from exchange.models import OrderRequest, OrderResponse, OrderStatus, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Side
from exchange.signing import Signer
from simulator.matching import CONTRACT
from simulator.opening import CUSTOMER
from simulator.reading import REAL, SPEC, Reading
from tests.support.bench import Wire, answer
from tests.support.raw_client import ORDERS
from tests.support.small_exchange import Desk, M, ask, bid, code, listed, open_desk, wanted

QUOTES = ("yes_bid_dollars", "yes_ask_dollars", "yes_bid_size_fp", "last_price_dollars")


@pytest.fixture
def desk() -> Desk:
    return open_desk()


# -- quotes ------------------------------------------------------------------------------------------------------


def seconds_behind(desk: Desk, ticker: str = M) -> float:
    """How long a market shows its old quotes after its book has changed, in seconds to a tenth."""
    market = desk.exchange.markets[ticker]

    def shown() -> list[str]:
        row = desk.look(f"/markets/{ticker}")["market"]
        return [row[name] for name in QUOTES]

    desk.exchange.crowd_rest(market, True, 4_000, 3 * CONTRACT)
    desk.exchange.crowd_rest(market, False, 4_400, 2 * CONTRACT)
    desk.exchange.changed(market)
    desk.wait(10)
    before = shown()
    assert before == ["0.4000", "0.4400", "3.00", "0.0000"]
    desk.exchange.crowd_rest(market, True, 4_100, 5 * CONTRACT)
    desk.exchange.crowd_take(market, True, 4_400, CONTRACT)
    tenths = 0
    while (now := shown()) == before:
        assert len(desk.look(f"/markets/{ticker}/orderbook")["orderbook_fp"]["yes_dollars"]) == 2
        desk.wait(0.1)
        tenths += 1
    assert now == ["0.4100", "0.4400", "5.00", "0.4400"], "all of it at once"
    return tenths / 10


def test_quotes_of_a_market_lag_its_book_by_seconds() -> None:
    """1 to 5 seconds, by market. The same seed gives the same lags."""
    names = [f"KXLAG-26-T{number}" for number in range(5)]

    def lags(seed: int) -> list[float]:
        desk = open_desk(seed=seed)
        for name in names:
            listed(desk.exchange, name)
        return [seconds_behind(desk, name) for name in names]

    first = lags(1)
    assert 1 <= min(first) < max(first) <= 5.1
    assert lags(1) == first != lags(2)


def test_quotes_do_not_lag_as_specified() -> None:
    assert seconds_behind(open_desk(reading=SPEC)) == 0


def test_a_new_market_shows_the_quotes_that_it_opened_with() -> None:
    desk = open_desk(programs=12)
    rows = desk.look("/markets?limit=1000")["markets"]
    best = {m.ticker: m.book.bids.best() or 0 for m in desk.exchange.markets.values()}
    assert {row["ticker"]: round(float(row["yes_bid_dollars"]) * 10_000) for row in rows} == best
    assert max(best.values()) > 0


# -- orders ------------------------------------------------------------------------------------------------------


def test_a_canceled_order_rests_in_the_lists_for_a_moment(desk: Desk) -> None:
    """The order itself and all lists of orders agree. `user_data_timestamp` does not claim more."""
    order_id = desk.place(count="2.00")
    desk.wait(10)
    before = desk.get(f"/portfolio/orders/{order_id}")["order"]
    desk.cancel(order_id)
    since = desk.embedded.clock.now()

    def assert_shown(status: str) -> None:
        row = desk.get(f"/portfolio/orders/{order_id}")["order"]
        assert row["status"] == status
        assert (row == before) == (status == "resting")
        for asked in ("resting", "canceled"):
            rows = desk.get(f"/portfolio/orders?ticker={M}&status={asked}")["orders"]
            assert [one["order_id"] for one in rows] == ([order_id] if asked == status else [])
        as_of = desk.look("/exchange/user_data_timestamp")["as_of_time"]
        assert (moment(as_of) >= since) == (status == "canceled")

    desk.wait(0.2)
    assert_shown("resting")
    desk.wait(0.05)
    assert_shown("canceled")


@pytest.mark.parametrize("reading", [REAL, SPEC], ids=lambda reading: reading.name)
def test_what_is_filled_is_told_at_once(reading: Reading) -> None:
    desk = open_desk(reading=reading)
    order = bid(desk.exchange, CUSTOMER, 40, 1)
    desk.exchange.crowd_take(desk.exchange.markets[M], False, 4_000, CONTRACT)
    assert desk.get(f"/portfolio/orders/{order.order_id}")["order"]["status"] == "executed"


def test_own_size_may_show_late_in_the_public_book() -> None:
    """Only the account's own new orders are missing, also after they were moved, and only for so long."""
    desk = open_desk(reading=replace(REAL, own_size_lag=20.0))
    market = desk.exchange.markets[M]
    desk.exchange.crowd_rest(market, True, 4_000, 3 * CONTRACT)

    def bids(side: str = "yes") -> list[list[str]]:
        (row,) = desk.look(f"/markets/orderbooks?tickers={M}")["orderbooks"]
        levels: list[list[str]] = row["orderbook_fp"][f"{side}_dollars"]
        return levels

    order_id = desk.place(price="0.4000", count="2.00")
    ask(desk.exchange, CUSTOMER, 40, 0.5)
    ask(desk.exchange, CUSTOMER, 90, 1)
    desk.place(price="0.3900", count="1.00")
    theirs = [["0.4000", "2.50"]]
    assert (bids(), bids("no")) == (theirs, [])
    desk.wait(20)
    assert (bids(), bids("no")) == ([["0.3900", "1.00"], ["0.4000", "4.50"]], [["0.1000", "1.00"]])
    change = {"ticker": M, "side": "bid", "price": "0.3900", "count": "2.00"}
    assert desk.send("POST", f"{ORDERS}/{order_id}/amend", json=change).status_code == 200
    assert bids() == [["0.3900", "1.00"], *theirs]
    desk.wait(20)
    assert bids() == [["0.3900", "3.00"], *theirs]


# -- a refused post-only order -----------------------------------------------------------------------------------


def crossed(desk: Desk) -> None:
    """The best ask of others is at 52 cents."""
    desk.exchange.crowd_rest(desk.exchange.markets[M], False, 5_200, CONTRACT)


CROSSES = {"price": "0.5200", "post_only": True, "client_order_id": "mine"}


def listed_as_mine(desk: Desk) -> list[tuple[str, str, str]]:
    rows = desk.get(f"/portfolio/orders?ticker={M}")["orders"]
    return [(r["status"], r["fill_count_fp"], r["remaining_count_fp"]) for r in rows if r["client_order_id"]]


@pytest.mark.parametrize("is_batch", [False, True], ids=["alone", "in a batch"])
def test_a_refused_post_only_order_is_listed_as_canceled(desk: Desk, is_batch: bool) -> None:
    """Nothing of it is filled or rests. Its client order id is used up, as an id that a canceled order had."""
    crossed(desk)
    if is_batch:
        (row,) = desk.send("POST", f"{ORDERS}/batched", json={"orders": [wanted(**CROSSES)]}).json()["orders"]
        assert (row["error"]["code"], row["error"]["details"]) == ("invalid_order", "post only cross")
    else:
        assert code(desk.create(**CROSSES)) == "invalid_order"
    assert listed_as_mine(desk) == [("canceled", "0.00", "0.00")]
    assert not [order for order in desk.exchange.resting(CUSTOMER) if order.ticker == M]
    assert code(desk.create(**CROSSES | {"price": "0.0100"})) == "order_already_exists"
    assert len(listed_as_mine(desk)) == 1


def test_a_refused_post_only_order_leaves_no_trace_as_specified() -> None:
    desk = open_desk(reading=SPEC)
    crossed(desk)
    assert code(desk.create(**CROSSES)) == "invalid_order"
    assert listed_as_mine(desk) == []
    assert desk.create(**CROSSES | {"price": "0.0100"}).status_code == 201


def post_only(name: str) -> OrderRequest:
    """A request for one YES at 52 cents that may not take."""
    bid_ = Bid(Side.YES, Decimal("0.5200"), Decimal(1))
    return OrderRequest(
        M, 0, name, bid_, TimeInForce.GOOD_TILL_CANCELED, SelfTradePrevention.TAKER_AT_CROSS, post_only=True
    )


def client_of(desk: Desk) -> tuple[KalshiHttpClient, Wire]:
    signer = Signer(desk.embedded.key_id, desk.embedded.private_key)
    wire = Wire(next(iter(desk.session.adapters.values())))
    for prefix in list(desk.session.adapters):
        desk.session.mount(prefix, wire)
    return KalshiHttpClient(desk.base, signer, desk.embedded.clock, desk.session), wire


def test_the_bot_takes_no_refused_order_for_placed(desk: Desk) -> None:
    """It is told of the refusal, alone and in a batch. If the answer is lost, it finds the order as canceled. An
    order whose id such an order has used does not count as placed either."""
    crossed(desk)
    client, wire = client_of(desk)
    with pytest.raises(Refused, match="post only cross"):
        client.create_order(post_only("told"))
    results = client.create_orders([post_only("batch-1"), post_only("batch-2")])
    assert [type(result) for result in results] == [Refused, Refused]
    lost = answer(503, "{}")
    wire.after = lambda request, _: lost if request.method == "POST" else None
    found = client.create_order(post_only("lost"))
    wire.after = None
    again = client.create_order(post_only("lost"))
    for response in (found, again):
        assert isinstance(response, OrderResponse)
        assert (response.status, response.filled, response.remaining) == (OrderStatus.CANCELED, 0, 0)
    with pytest.raises(AlreadyExists):
        client.create_order(post_only("lost")._replace(bid=Bid(Side.YES, Decimal("0.1000"), Decimal(1))))
    assert not [order for order in client.get_resting_orders() if order.ticker == M]
