"""What the exchange lists over HTTP: nothing lost or doubled from page to page, and an account's queues, positions
and cash as they really are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator import lifecycle, order_entry, pauses
from simulator.account import Payment
from simulator.listing import DAY, ListedProgram
from simulator.matching import CONTRACT, DOLLAR
from simulator.opening import CUSTOMER
from simulator.reading import SPEC
from tests.support.small_exchange import NOW, Desk, M, ask, bid, code, held, listed, open_desk, terms

MOVES = "/portfolio/intra_exchange_instance_transfer"
RESTING_VALUE = "/portfolio/summary/total_resting_order_value"


@pytest.fixture
def desk() -> Desk:
    return open_desk()


# -- paging ------------------------------------------------------------------------------------------------------


def take(desk: Desk, ticker: str = M, cents: int = 10) -> None:
    """The customer buys one contract of the crowd."""
    desk.exchange.crowd_rest(desk.exchange.markets[ticker], False, cents * 100, CONTRACT)
    bid(desk.exchange, CUSTOMER, cents, 1, ticker=ticker, time_in_force="immediate_or_cancel")


def hold(desk: Desk) -> str:
    """The customer holds a contract in a market of its own."""
    ticker = f"KXH{desk.exchange.next_number()}-26-T1"
    listed(desk.exchange, ticker)
    take(desk, ticker)
    return ticker


def settle(desk: Desk) -> None:
    lifecycle.settle_now(desk.exchange, desk.exchange.markets[hold(desk)], "yes")


def promise(desk: Desk) -> None:
    exchange = desk.exchange
    number, name = exchange.next_number(), exchange.new_id()
    lifecycle.list_program(
        exchange, ListedProgram(number, name, M, "liquidity", exchange.now, exchange.now + DAY, 1, 1, 1)
    )


def deposit(desk: Desk) -> None:
    exchange = desk.exchange
    desk.account.deposits.append(Payment(exchange.next_number(), exchange.new_id(), 100, exchange.now))


def withdraw(desk: Desk) -> None:
    exchange = desk.exchange
    desk.account.withdrawals.append(Payment(exchange.next_number(), exchange.new_id(), 100, exchange.now))


LISTS: list[tuple[str, str, str, int, Callable[[Desk], object]]] = [
    ("/markets", "markets", "ticker", 1_000, hold),
    ("/markets/trades", "trades", "trade_id", 1_000, take),
    ("/events", "events", "event_ticker", 200, hold),
    ("/incentive_programs", "incentive_programs", "id", 10_000, promise),
    ("/portfolio/orders", "orders", "order_id", 1_000, lambda desk: bid(desk.exchange, CUSTOMER, 1, 1)),
    ("/portfolio/fills", "fills", "fill_id", 1_000, take),
    ("/portfolio/positions", "market_positions", "ticker", 1_000, hold),
    ("/portfolio/settlements", "settlements", "ticker", 1_000, settle),
    ("/portfolio/deposits", "deposits", "id", 500, deposit),
    ("/portfolio/withdrawals", "withdrawals", "id", 500, withdraw),
    (f"{MOVES}s", "transfers", "transfer_id", 500, lambda d: d.exchange.move_cash(d.account, 0, 2, 100)),
    (
        "/portfolio/subaccounts/transfers",
        "transfers",
        "transfer_id",
        500,
        lambda d: d.exchange.set_cash_aside(d.account, 0, 100),
    ),
]


@pytest.mark.parametrize(("path", "name", "key", "most", "grow"), LISTS, ids=[row[1] for row in LISTS])
def test_no_row_is_lost_or_doubled_from_page_to_page(
    desk: Desk, path: str, name: str, key: str, most: int, grow: Callable[[Desk], object]
) -> None:
    cursor_name = "next_cursor" if name == "incentive_programs" else "cursor"
    for _ in range(8):
        grow(desk)
    whole = desk.get(f"{path}?limit={most}")
    everything = [row[key] for row in whole[name]]
    assert len(everything) == len(set(everything)) >= 8
    assert not whole.get(cursor_name)
    for limit in (1, 3, len(everything)):
        pages = desk.pages(path, name, limit, cursor_name)
        assert [row[key] for page in pages for row in page] == everything
        assert all(len(page) == limit for page in pages[:-1])
        assert 0 < len(pages[-1]) <= limit
    found, cursor = [], ""
    while not found or cursor:
        answer = desk.get(f"{path}?limit=3&cursor={cursor}")
        found += [row[key] for row in answer[name]]
        cursor = answer.get(cursor_name, "")
        if len(found) < 9:
            grow(desk)
    assert [row for row in found if row in everything] == everything, "new rows came in between"
    assert len(found) == len(set(found))
    assert desk.get(f"{path}?limit={most}&cursor=garbage")[name][0] in desk.get(f"{path}?limit=1")[name]
    for limit in (most + 1, -1, "many"):
        refused = desk.send("GET", f"{path}?limit={limit}")
        assert (refused.status_code, list(refused.json())) == (400, ["msg"])


# -- the account -------------------------------------------------------------------------------------------------


def test_queue_positions_are_the_contracts_that_trade_first(desk: Desk) -> None:
    market = desk.exchange.markets[M]
    for cents, size in ((42, 100), (40, 250), (39, 900)):
        desk.exchange.crowd_rest(market, True, cents * 100, size)
    orders = [bid(desk.exchange, CUSTOMER, cents, 2) for cents in (40, 40, 43)]
    desk.exchange.crowd_rest(market, True, 4_000, 700)
    far = ask(desk.exchange, CUSTOMER, 90, 1)
    wanted = {
        orders[0].order_id: "5.50",
        orders[1].order_id: "7.50",
        orders[2].order_id: "0.00",
        far.order_id: "0.00",
    }
    for query in (f"market_tickers={M},KXNONE", "event_ticker=KXM-26"):
        rows = desk.get(f"/portfolio/orders/queue_positions?{query}")["queue_positions"]
        assert {row["order_id"]: row["queue_position_fp"] for row in rows} == wanted
        assert {row["market_ticker"] for row in rows} == {M}
    desk.exchange.crowd_take(market, False, 4_000, 350)
    one = desk.get(f"/portfolio/orders/{orders[0].order_id}/queue_position")
    assert one == {"queue_position_fp": "2.00"}
    order_entry.cancel(desk.exchange, CUSTOMER, orders[0].order_id, 0)
    assert desk.get(f"/portfolio/orders/{orders[0].order_id}/queue_position") == {"queue_position_fp": "0.00"}
    assert desk.send("GET", "/portfolio/orders/queue_positions").status_code == 400


def test_filters_narrow_the_lists_of_orders_and_fills(desk: Desk) -> None:
    """The filters are ticker, event, status, time, shard, subaccount and order id. A fill states its count,
    price, fee and taker, and no client order id."""
    listed(desk.exchange, "KXS-26-T1", shard=3)
    desk.wait(60)
    take(desk)
    take(desk, "KXS-26-T1")
    desk.wait(60)
    take(desk)
    resting = bid(desk.exchange, CUSTOMER, 1, 1)
    since = int(NOW) + 1

    def count(query: str, name: str) -> int:
        return len(desk.get(f"/portfolio/{name}?min_ts={since}&{query}")[name])

    for query, orders, fills in (
        ("", 4, 3), (f"ticker={M}", 3, 2), (f"ticker={M},KXS-26-T1", 4, 3), ("exchange_index=3", 1, 1),
        (f"min_ts={int(NOW) + 100}", 4, 3), (f"max_ts={int(NOW) + 100}", 2, 2), ("ticker=KXNONE", 0, 0),
        ("subaccount=0", 4, 3),
    ):  # fmt: skip
        assert (count(query, "orders"), count(query, "fills")) == (orders, fills), query
    assert count("event_ticker=KXS-26", "orders") == count("status=resting", "orders") == 1
    assert (count("status=executed", "orders"), count("status=canceled", "orders")) == (3, 0)
    order_id = desk.account.fills[-1].order_id
    assert count(f"order_id={order_id}", "fills") == 1
    assert desk.get(f"/portfolio/orders/{resting.order_id}")["order"]["status"] == "resting"
    fill = desk.get(f"/portfolio/fills?order_id={order_id}")["fills"][0]
    assert (fill["count_fp"], fill["yes_price_dollars"], fill["is_taker"]) == ("1.00", "0.1000", True)
    assert fill["fee_cost"] == "0.006300"
    assert "client_order_id" not in fill


def test_a_settled_position_leaves_the_list(desk: Desk) -> None:
    """The position is listed as settled with its profit. Its settlement says the result, the revenue, the cost
    and the fees, and no order rests there."""
    take(desk)
    ask(desk.exchange, CUSTOMER, 90, 1)
    (row,) = desk.get(f"/portfolio/positions?ticker={M}")["market_positions"]
    assert (row["position_fp"], row["market_exposure_dollars"], row["fees_paid_dollars"]) == (
        "1.00", "0.100000", "0.006300",
    )  # fmt: skip
    lifecycle.settle_now(desk.exchange, desk.exchange.markets[M], "yes")
    assert desk.get(f"/portfolio/positions?ticker={M}")["market_positions"] == []
    (done,) = desk.get(f"/portfolio/positions?ticker={M}&settlement_status=settled")["market_positions"]
    assert (done["position_fp"], done["realized_pnl_dollars"]) == ("0.00", "0.900000")
    assert (
        desk.get(f"/portfolio/positions?ticker={M}&settlement_status=all&count_filter=position")[
            "market_positions"
        ]
        == []
    )
    (settled,) = desk.get(f"/portfolio/settlements?ticker={M}")["settlements"]
    assert (settled["market_result"], settled["revenue"], settled["value"]) == ("yes", 100, 100)
    assert (settled["yes_count_fp"], settled["yes_total_cost_dollars"]) == ("1.00", "0.100000")
    assert (settled["no_count_fp"], settled["no_total_cost_dollars"]) == ("0.00", "0.000000")
    assert settled["fee_cost"] == "0.006300"
    desk.wait(1)
    assert desk.get(f"/portfolio/orders?ticker={M}&status=resting")["orders"] == []
    assert held(desk.account) == 0


def test_cash_moves_between_shards_only_if_it_is_free(desk: Desk) -> None:
    """A transfer with the same id is refused the second time, and a wrong or paused one moves nothing. The
    transfers and the balance of each shard are listed."""

    def move(**changed: Any) -> Any:
        desk.wait(1)
        body = {
            "source": "event_contract", "destination": "event_contract", "amount": 1_000_000,
            "source_exchange_shard": 0, "destination_exchange_shard": 3,
        } | changed  # fmt: skip
        return desk.send("POST", MOVES, json=body)

    before = dict(desk.account.cash)
    name = "11111111-2222-4333-8444-555555555555"
    made = move(client_transfer_id=name)
    assert made.status_code == 200
    assert desk.account.cash == before | {0: before[0] - 100 * DOLLAR, 3: before[3] + 100 * DOLLAR}
    again = move(client_transfer_id=name)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "transfer_already_exists")
    order_entry.create(desk.exchange, CUSTOMER, terms(True, 50, 1_780))
    for wrong in ({"amount": 100_000}, {"amount": 0}, {"amount": "1"}, {"amount": 1.5}, {"source": "margined"},
                  {"destination_exchange_shard": 0}, {"destination_exchange_shard": 9},
                  {"source_exchange_shard": 1}, {"client_transfer_id": "x"}):  # fmt: skip
        assert move(**wrong).status_code == 400, wrong
    pauses.pause(desk.exchange, "exchange", [3])
    assert move(amount=1).status_code == 409
    pauses.resume(desk.exchange, "exchange")
    assert move(amount=1).status_code == 200
    last, first = desk.get(f"{MOVES}s")["transfers"]
    assert (first["transfer_id"], first["amount"], first["status"]) == (
        made.json()["transfer_id"],
        "100.0000",
        "complete",
    )
    assert last["amount"] == "0.0001"
    assert desk.get(f"{MOVES}s/{first['transfer_id']}") == {"transfer": first}
    assert desk.send("GET", f"{MOVES}s/none").status_code == 404
    balance = desk.get("/portfolio/balance")
    by_shard = {row["exchange_index"]: float(row["balance"]) for row in balance["balance_breakdown"]}
    assert by_shard[3] == 350.0001
    assert float(balance["balance_dollars"]) == pytest.approx(sum(by_shard.values()), abs=1e-6)
    assert balance["balance"] == int(float(balance["balance_dollars"]) * 100)
    desk.wait(1)
    assert desk.get("/portfolio/balance?exchange_index=3")["balance_dollars"] == "350.0001"
    assert code(desk.send("GET", RESTING_VALUE)) == "permission_denied"
    desk.exchange.reading = SPEC
    value = desk.get(RESTING_VALUE)
    assert value["total_resting_order_value"] >= 89_000


def test_deposits_are_listed_in_cents(desk: Desk) -> None:
    (row,) = desk.get("/portfolio/deposits")["deposits"]
    assert (row["amount_cents"], row["status"], row["created_ts"]) == (150_000, "applied", NOW)
    assert desk.get("/portfolio/withdrawals") == {"withdrawals": [], "cursor": ""}
