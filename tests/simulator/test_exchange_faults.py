"""What a script lets happen to the exchange itself, as a plain client meets it and as it really is."""

from __future__ import annotations

import pytest

from simulator.matching import DOLLAR
from tests.support.faulty_exchange import CANCEL, CREATE, FINE, MARKET, OTHER, open_with, said, shows
from tests.support.raw_client import ORDERS


@shows("trading_paused", "exchange_paused")
@pytest.mark.parametrize("what", ["trading", "exchange"])
def test_a_pause_takes_no_orders_keeps_what_rests_and_ends(what: str) -> None:
    client = open_with({"do": f"{what}_paused", "from": 10, "until": 60})
    stays, goes = client.place(), client.place(cancel_order_on_pause=True)
    status = client.get("/exchange/status")
    assert (status["exchange_active"], status["trading_active"]) == (True, True)
    client.wait_until(10)
    assert [order.order_id for order in client.resting()] == [stays]
    assert client.account.orders[goes].status == "canceled"
    status = client.get("/exchange/status")
    assert (status["exchange_active"], status["trading_active"]) == (what == "trading", False)
    assert said(client.create()) == (409, f"{what}_is_paused")
    canceled = client.cancel(stays)
    if what == "trading":
        assert canceled.json()["reduced_by"] == "10.00"
    else:
        assert said(canceled) == (409, "exchange_is_paused")
        assert [order.order_id for order in client.resting()] == [stays]
    client.wait_until(60)
    assert client.get("/exchange/status")["trading_active"] is True
    client.place()


@shows("trading_paused")
def test_a_pause_of_one_shard_leaves_the_others_alone() -> None:
    client = open_with({"do": "trading_paused", "shards": [2]})
    active = {
        row["exchange_index"]: row["trading_active"]
        for row in client.get("/exchange/status")["exchange_index_statuses"]
    }
    assert active == {0: True, 1: True, 2: False, 3: True}
    client.place()
    client = open_with({"do": "trading_paused", "shards": [0]})
    assert said(client.create()) == (409, "trading_is_paused")


@shows("trading_paused", "exchange_paused")
@pytest.mark.parametrize("what", ["trading", "exchange"])
def test_a_pause_set_off_by_a_request_refuses_that_request(what: str) -> None:
    """The order that sets off the pause is itself refused. The exchange status shows the pause, and orders are
    taken again after its end."""
    client = open_with({"do": f"{what}_paused", "on": CREATE, "skip": 1, "times": 1, "until": 60})
    client.place()
    assert client.get("/exchange/status")["trading_active"] is True
    assert said(client.create()) == (409, f"{what}_is_paused")
    assert client.get("/exchange/status")["trading_active"] is False
    client.wait_until(60)
    client.place()


@shows("halted")
@pytest.mark.parametrize("by_request", [False, True])
def test_a_halted_market_takes_no_orders_and_drops_its_own(by_request: bool) -> None:
    """During a halt, orders of the market still rest and can be canceled, and other markets trade. When the
    halt ends, its resting orders are canceled."""
    how = {"on": CREATE, "skip": 2, "times": 1} if by_request else {"from": 10, "ticker": MARKET}
    client = open_with({"do": "halted", "until": 60} | how)
    kept, dropped = client.place(), client.place()
    client.wait_until(10)
    assert said(client.create()) == (409, "trading_is_paused")
    assert client.get(f"/markets/{MARKET}")["market"]["status"] == "inactive"
    assert client.get("/exchange/status")["trading_active"] is True
    assert [order.order_id for order in client.resting()] == [kept, dropped]
    assert client.cancel(kept).status_code == 200
    elsewhere = client.place(ticker=OTHER)
    client.wait_until(60)
    assert client.get(f"/markets/{MARKET}")["market"]["status"] == "active"
    assert client.account.orders[dropped].status == "canceled"
    assert client.resting() == []
    assert [order.order_id for order in client.resting(OTHER)] == [elsewhere]
    client.place()


@shows("closes")
@pytest.mark.parametrize("result", ["yes", "no"])
def test_a_market_that_closes_before_a_write_refuses_it(result: str) -> None:
    """The market was still active when it was read. Its resting orders cannot be canceled and go by themselves,
    the result follows later, and other markets trade."""
    client = open_with({"do": "closes", "on": CREATE, "skip": 1, "times": 1, "result": result})
    order_id = client.place()
    assert client.get(f"/markets/{MARKET}")["market"]["status"] == "active"
    assert said(client.create()) == (409, "market_closed")
    closed = client.get(f"/markets/{MARKET}")["market"]
    assert (closed["status"], closed["result"]) == ("closed", "")
    assert said(client.cancel(order_id)) == (409, "market_inactive"), "nobody can take it down"
    assert [order.order_id for order in client.resting()] == [order_id]
    client.wait_until(30)
    assert (client.resting(), client.account.orders[order_id].status) == ([], "canceled")
    client.wait_until(600)
    assert client.get(f"/markets/{MARKET}")["market"]["result"] == result
    client.place(ticker=OTHER)


@shows("closes", "settles")
@pytest.mark.parametrize("kind", ["closes", "settles"])
def test_a_market_can_end_at_its_time_with_nobody_asking(kind: str) -> None:
    client = open_with({"do": kind, "ticker": MARKET, "from": 10})
    client.wait_until(9)
    assert client.get(f"/markets/{MARKET}")["market"]["status"] == "active"
    client.wait_until(10)
    listed = client.get(f"/markets/{MARKET}")["market"]["status"]
    assert listed == ("closed" if kind == "closes" else "finalized")
    assert said(client.create()) == (409, "market_closed")
    assert client.get(f"/markets/{OTHER}")["market"]["status"] == "active"


@shows("settles")
@pytest.mark.parametrize(
    ("ends", "result", "pays"),
    [({"result": "yes"}, "yes", 1_000), ({"result": "no"}, "no", 0), ({"value": 45}, "scalar", 450),
     ({"value": 100}, "yes", 1_000), ({"value": 0}, "no", 0)],
)  # fmt: skip
def test_a_market_that_settles_during_a_sale_pays_the_position(
    ends: dict[str, object], result: str, pays: int
) -> None:
    """The sale is refused, the position is gone, and the settlement with its revenue is listed. A resting order
    is gone, and its cancel finds nothing."""
    client = open_with({"do": "settles", "on": CREATE, "skip": 2, "times": 1, **ends})
    client.create(price="0.5600", time_in_force="immediate_or_cancel")
    order_id = client.place()
    cash = client.account.cash[0]
    assert client.get(f"/portfolio/positions?ticker={MARKET}")["market_positions"][0]["position_fp"] == "10.00"
    sale = client.create(side="ask", price="0.5300", time_in_force="immediate_or_cancel")
    assert said(sale) == (409, "market_closed")
    assert client.account.cash[0] - cash == pays * DOLLAR // 100
    assert client.get(f"/portfolio/positions?ticker={MARKET}")["market_positions"] == []
    assert client.get(f"/markets/{MARKET}")["market"]["settlement_value_dollars"] == f"{pays / 1_000:.4f}"
    (settlement,) = client.get(f"/portfolio/settlements?ticker={MARKET}")["settlements"]
    assert (settlement["market_result"], settlement["yes_count_fp"]) == (result, "10.00")
    assert (settlement["revenue"], settlement["value"]) == (pays, pays // 10)
    assert said(client.cancel(order_id)) == (404, "not_found")
    assert client.resting() == []


@shows("new_grid")
def test_a_finer_grid_takes_prices_that_were_off_it() -> None:
    client = open_with({"do": "new_grid", "ticker": MARKET, "grid": "deci", "from": 10})
    assert said(client.create(price="0.5250")) == (400, "invalid_price")
    client.wait_until(10)
    client.place(price="0.5250")
    (ranges,) = client.get(f"/markets/{MARKET}")["market"]["price_ranges"]
    assert ranges["step"] == "0.0010"
    assert said(client.create(price="0.5255")) == (400, "invalid_price")


@shows("new_grid")
def test_a_coarser_grid_refuses_an_old_price_and_keeps_orders() -> None:
    """When the ticks become coarser, a price that was valid a moment ago is refused. An order that rests at
    such a price stays, and a price on the new grid is taken."""
    client = open_with({"do": "new_grid", "on": CREATE, "skip": 1, "times": 1, "grid": "linear"})
    order_id = client.place(ticker=FINE, price="0.0670")
    assert said(client.create(ticker=FINE, price="0.0670")) == (400, "invalid_price")
    assert [(order.order_id, order.price) for order in client.resting(FINE)] == [(order_id, 670)]
    client.place(ticker=FINE, price="0.0600")


@shows("new_grid")
def test_a_tapered_grid_is_fine_only_at_its_ends() -> None:
    client = open_with({"do": "new_grid", "ticker": MARKET, "grid": "tapered"})
    client.place(price="0.0850")
    assert said(client.create(price="0.5250")) == (400, "invalid_price")


@shows("partial_fill")
def test_a_cancel_after_a_partial_fill_removes_only_the_rest() -> None:
    """If a part of the order is filled just before the cancel, the cancel reports the rest alone. The fill is
    listed, and an order ahead of it is filled first."""
    client = open_with({"do": "partial_fill", "on": CANCEL, "part": 0.3})
    others, order_id = client.place(), client.place()
    answer = client.cancel(order_id)
    assert answer.json()["reduced_by"] == "7.00"
    fills = client.get(f"/portfolio/fills?order_id={order_id}")["fills"]
    assert [(fill["count_fp"], fill["yes_price_dollars"], fill["is_taker"]) for fill in fills] == [
        ("3.00", "0.5200", False)
    ]
    assert client.account.orders[others].status == "executed", "it was ahead of the other"
    assert client.account.holdings[MARKET].count == 1_300
    assert client.resting() == []


@shows("partial_fill", "trading_paused")
def test_nobody_trades_where_nothing_trades() -> None:
    client = open_with({"do": "partial_fill", "on": CANCEL}, {"do": "trading_paused", "from": 10})
    order_id = client.place()
    client.wait_until(11)
    assert client.cancel(order_id).json()["reduced_by"] == "10.00"
    assert all(fill.order_id != order_id for fill in client.account.fills)


@shows("partial_fill", "halted")
def test_a_batch_is_struck_by_its_first_order() -> None:
    client = open_with(
        {"do": "partial_fill", "on": f"DELETE {ORDERS}/batched"},
        {"do": "halted", "on": f"POST {ORDERS}/batched"},
    )
    batch = [{"order_id": client.place(), "market_ticker": MARKET} for _ in range(2)]
    rows = client.send("DELETE", f"{ORDERS}/batched", json={"orders": batch}).json()["orders"]
    assert [row["reduced_by"] for row in rows] == ["5.00", "10.00"]
    client.send("POST", f"{ORDERS}/batched", json={"orders": [{"ticker": OTHER}, {"ticker": MARKET}]})
    statuses = [client.exchange.markets[ticker].status for ticker in (OTHER, MARKET)]
    assert statuses == ["inactive", "active"]


@shows("partial_fill")
def test_a_cancel_of_a_filled_order_is_a_404_with_a_listed_fill() -> None:
    """If the whole order is filled just before the cancel, the exchange answers 404, lists the fill and has the
    order as executed."""
    client = open_with({"do": "partial_fill", "on": CANCEL, "part": 1})
    order_id = client.place(side="ask", price="0.5500")
    assert said(client.cancel(order_id)) == (404, "not_found")
    (fill,) = client.get(f"/portfolio/fills?order_id={order_id}")["fills"]
    assert (fill["count_fp"], fill["book_side"]) == ("10.00", "ask")
    assert client.account.orders[order_id].status == "executed"


@shows("partial_fill")
def test_an_order_can_be_half_taken_at_a_time_with_nobody_asking() -> None:
    client = open_with({"do": "partial_fill", "ticker": MARKET, "from": 10})
    order_id = client.place()
    client.wait_until(10)
    assert [(order.order_id, order.remaining) for order in client.resting()] == [(order_id, 500)]


@shows("stranger")
def test_another_program_rests_an_order_until_it_expires() -> None:
    """At a time in a named market, or in the market of a request. The order is the account's, and is listed as
    any other."""
    client = open_with(
        {"do": "stranger", "ticker": MARKET, "from": 10, "until": 40, "name": "bot-7-"},
        {"do": "stranger", "on": CREATE, "times": 1, "name": "bot-8-"},
    )
    client.wait_until(10)
    listed = client.get("/portfolio/orders?status=resting")["orders"]
    (order,) = [row for row in listed if row["client_order_id"].startswith("bot-")]
    assert (order["ticker"], order["remaining_count_fp"]) == (MARKET, "1.00")
    client.place()

    def names() -> list[str]:
        return [one.client_order_id[:6] for one in client.resting() if one.client_order_id.startswith("bot-")]

    assert names() == ["bot-7-", "bot-8-"]
    client.wait_until(41)
    assert names() == ["bot-8-"]


@shows("cash_moved")
def test_cash_moved_to_another_shard_cannot_be_spent() -> None:
    """The total balance stays the same, the transfer is listed, and a new order on the old shard is refused. A
    resting order keeps its cash and stays."""
    client = open_with({"do": "cash_moved", "from": 10, "source": 0, "destination": 3, "amount": 1_000_000})
    order_id = client.place()
    before = client.get("/portfolio/balance")
    client.wait_until(10)
    after = client.get("/portfolio/balance")
    assert after["balance_dollars"] == before["balance_dollars"], "all shards together"
    free = [{row["exchange_index"]: row["balance"] for row in b["balance_breakdown"]} for b in (before, after)]
    assert float(free[0][0]) > 900
    moved = float(free[0][0]) - float(free[1][0])
    assert client.exchange.free_cash(client.account, 0) == 0, (
        "what the order reserves stays, and nobody owes anything"
    )
    assert float(free[1][3]) == pytest.approx(float(free[0][3]) + moved)
    assert said(client.create()) == (400, "insufficient_balance")
    assert [order.order_id for order in client.resting()] == [order_id]
    (move,) = client.get("/portfolio/intra_exchange_instance_transfers")["transfers"]
    assert (move["source_exchange_shard"], move["destination_exchange_shard"]) == (0, 3)
    assert float(move["amount"]) == pytest.approx(moved)


@shows("cash_moved")
def test_so_much_of_the_cash_is_moved_as_the_script_says() -> None:
    client = open_with({"do": "cash_moved", "on": CREATE, "times": 1, "source": 2, "amount": 100.1})
    client.place()
    assert client.account.cash[2] == 149_900_000
    assert client.account.cash[1] == 100_100_000


@shows("cash_deposited")
@pytest.mark.parametrize(("given", "fee", "arrives"), [({"fee": 7.56}, 756, 370_440_000), ({}, 0, 378_000_000)])
def test_a_deposit_arrives_less_its_fee(given: dict[str, float], fee: int, arrives: int) -> None:
    """The list has the amount that was paid in, and the fee."""
    client = open_with({"do": "cash_deposited", "from": 10, "source": 2, "amount": 378, **given})
    before = client.account.cash[2]
    client.wait_until(10)
    paid, _ = client.get("/portfolio/deposits")["deposits"]
    assert (paid["amount_cents"], paid["fee_cents"], paid["status"]) == (37_800, fee, "applied")
    assert client.account.cash[2] - before == arrives


@shows("cash_withdrawn")
def test_withdrawn_cash_is_gone_and_the_withdrawal_is_listed() -> None:
    """Both the cash of the shard and the list of withdrawals show the amount to the cent."""
    client = open_with({"do": "cash_withdrawn", "from": 10, "source": 2, "amount": 100.1})
    before = client.account.cash[2]
    client.wait_until(10)
    (gone,) = client.get("/portfolio/withdrawals")["withdrawals"]
    assert gone["amount_cents"] == 10_010
    assert client.account.cash[2] == before - 100_100_000


@shows("cash_set_aside", "cash_given")
def test_cash_can_come_without_a_listed_entry() -> None:
    """Cash that goes to a subaccount is listed as a transfer. Cash that is given appears in the balance but in
    neither deposits nor withdrawals."""
    client = open_with(
        {"do": "cash_set_aside", "from": 10, "amount": 7.5}, {"do": "cash_given", "from": 20, "amount": 41.17}
    )
    before = client.account.cash[0]
    client.wait_until(10)
    (aside,) = client.get("/portfolio/subaccounts/transfers")["transfers"]
    assert (aside["amount_cents"], aside["from_subaccount"]) == (750, 0)
    assert client.account.cash[0] == before - 7_500_000
    client.wait_until(20)
    assert client.account.cash[0] == before - 7_500_000 + 41_170_000
    for name in ("deposits", "withdrawals"):
        told = client.get(f"/portfolio/{name}")[name]
        assert [one for one in told if one["amount_cents"] == 4_117] == []


@shows("group_triggered")
def test_a_triggered_order_group_takes_no_orders_until_its_reset() -> None:
    """The exchange cancels the orders of the group in all markets. Orders outside the group stay and are still
    taken."""
    client = open_with({"do": "group_triggered", "from": 10})
    group = client.send("POST", "/portfolio/order_groups/create", json={"contracts_limit": 100}).json()
    inside = {"order_group_id": group["order_group_id"]}
    client.place(**inside)
    client.place(ticker=OTHER, **inside)
    alone = client.place()
    client.wait_until(10)
    assert [order.order_id for order in client.resting()] == [alone]
    assert client.resting(OTHER) == []
    assert said(client.create(**inside)) == (409, "exceeded_order_group_risk_limit")
    client.place()
    assert client.send("PUT", f"/portfolio/order_groups/{group['order_group_id']}/reset", json={}).json() == {}
    client.place(**inside)


@shows("key_revoked")
def test_a_revoked_key_is_refused_and_its_orders_stay() -> None:
    """Reads of the account, new orders and cancels get a 401 with NOT_FOUND. The resting orders stay, and
    market data still answers without a key."""
    client = open_with({"do": "key_revoked", "from": 10})
    order_id = client.place()
    client.wait_until(10)
    for answer in (client.send("GET", "/portfolio/balance"), client.create(), client.cancel(order_id)):
        assert said(answer) == (401, "authentication_error")
        assert answer.json()["error"]["details"] == "NOT_FOUND"
    assert [order.order_id for order in client.resting()] == [order_id]
    assert client.get("/exchange/status"), "market data asks for no key"


@shows("hole")
@pytest.mark.parametrize("side", ["bid", "ask"])
def test_a_hole_takes_the_others_and_brings_them_back(side: str) -> None:
    """The order of a customer stays. The other side is not touched."""
    client = open_with({"do": "hole", "ticker": MARKET, "side": side, "from": 10, "seconds": 20})
    book = client.exchange.markets[MARKET].book
    torn, other = book.half(side == "bid"), book.half(side != "bid")
    before, beside = torn.levels(), other.levels()
    order_id = client.place(side="bid" if side == "bid" else "ask", price="0.0200" if side == "bid" else "0.9800")
    client.wait_until(10)
    assert [price for price, _ in torn.levels()] == ([100, 200] if side == "bid" else [9_800, 9_900])
    assert other.levels() == beside
    client.cancel(order_id)
    client.wait_until(30)
    assert torn.levels() == before
