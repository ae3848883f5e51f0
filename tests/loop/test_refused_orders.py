"""Orders that are refused again and again: who loses a slot, who gets it, and what the log says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any

import pytest
import requests

from risk.refusals import REFUSED_CYCLES
from simulator.listing import DAY
from simulator.matching import DOLLAR
from simulator.people import NOISE, RIVALS
from tests.support.bench import STILL, Bench, MakeBench, answer, own_resting, trade_cycles

ORDERS = "/portfolio/events/orders"
GROUP = "exceeded_order_group_risk_limit"
Fault = Callable[[requests.PreparedRequest, int], Any]


def refuse(
    tickers: Collection[str] | None = None,
    status: int = 400,
    code: str = "invalid_price",
    side: str = "",
    calls: tuple[str, ...] = ("create", "amend"),
) -> Fault:
    """A wire on which the exchange refuses these orders; None: those of all markets."""

    def fault(request: requests.PreparedRequest, _: int) -> Any:
        path = request.path_url.partition("?")[0]
        call = "create" if path.endswith(ORDERS) else "amend" if path.endswith("/amend") else ""
        if request.method != "POST" or call not in calls:
            return None
        body = json.loads(request.body or b"")
        if (tickers is not None and body["ticker"] not in tickers) or side not in ("", body["side"]):
            return None
        return answer(status, json.dumps({"error": {"code": code, "message": code.replace("_", " ")}}))

    return fault


def quoted(bench: Bench) -> list[str]:
    """The markets in which the bot has orders that sell nothing, by the exchange's record."""
    return sorted({order.ticker for order in own_resting(bench)} - bench.held().keys())


def started(make_bench: MakeBench, **changed: Any) -> tuple[Bench, list[str]]:
    """A bot whose first cycle has placed its quotes, which then all went; and the markets of its slots."""
    bench = make_bench(**(STILL | changed))
    trade_cycles(bench, 1)
    tickers = [candidate.ticker for candidate in bench.board().selection.chosen]
    assert set(quoted(bench)) == set(tickers)
    assert len(tickers) == bench.settings.trade_ticker_size
    bench.let_expire(own_resting(bench))
    return bench, tickers


def guards(bench: Bench, ticker: str = "") -> list[str]:
    """The lines of cooldowns that began after refusals."""
    return [
        line for line in bench.events("GUARD") if "| Guard: its orders were refused in" in line and ticker in line
    ]


# -- the slot --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "changed"),
    [
        (400, "invalid_price", {}),
        (400, "invalid_order_size", {"EXIT": "REST"}),
        (409, "exceeded_per_market_risk_limit", {"TRADE_SIZE": 1}),
        (400, "order_rejected", {"TRADE_SIZE": "AUTO"}),
        (404, "not_found", {"TRADE_TICKER_SIZE": 3}),
        (409, "market_inactive", {"TRADE_SIZE": "AUTO", "EXIT": "REST", "MIN_REWARD": 1}),
    ],
)
def test_a_market_that_refuses_all_gives_its_slot_to_another(
    make_bench: MakeBench, status: int, code: str, changed: dict[str, Any]
) -> None:
    """In the next cycle, told once with the reason and the end. The others keep theirs."""
    bench, (first, *others) = started(make_bench, **changed)
    bench.wire.fault = refuse({first}, status, code)
    trade_cycles(bench, REFUSED_CYCLES - 1)
    assert guards(bench) == []
    trade_cycles(bench, 1)
    (told,) = guards(bench)
    assert f"Ticker: {first} | Guard: its orders were refused in {REFUSED_CYCLES} cycles in a row" in told
    assert code in told
    assert re.search(r"\| Until: \d\d:\d\d:\d\d$", told)
    assert quoted(bench) == sorted(others)
    trade_cycles(bench, 1)
    assert len(quoted(bench)) == len(others) + 1
    assert first not in quoted(bench)
    assert set(others) < set(quoted(bench))
    assert len(guards(bench)) == 1


def test_a_market_that_takes_orders_again_gets_its_slot_back(make_bench: MakeBench) -> None:
    """Refusals end while it is put aside. The end is told, and nothing of them is left."""
    bench, (first, other) = started(make_bench)
    bench.wire.fault = refuse({first})
    trade_cycles(bench, REFUSED_CYCLES)
    bench.wire.fault = None
    trade_cycles(bench, 6)
    assert quoted(bench) == sorted([first, other])
    (ended,) = [line for line in bench.events("GUARD") if "| Guard: ended (its orders were refused" in line]
    assert first in ended


def test_a_market_that_goes_on_refusing_is_put_aside_longer(make_bench: MakeBench) -> None:
    """Another uses the slot meanwhile: of 48 minutes the market that refuses has it for twelve."""
    bench, (first, other) = started(make_bench)
    bench.wire.fault = refuse({first})
    held: list[int] = []
    for _ in range(48):
        trade_cycles(bench, 1)
        held.append(len(quoted(bench)))
        assert first not in quoted(bench)
        assert other in quoted(bench)
    assert len(guards(bench, first)) == 4
    assert held.count(1) == 4 * REFUSED_CYCLES


def test_an_old_refusal_is_forgotten_once_orders_are_taken(make_bench: MakeBench) -> None:
    bench, (first, _) = started(make_bench)
    lasted = []
    for _ in range(2):
        bench.wire.fault = refuse({first})
        bench.let_expire(own_resting(bench))
        trade_cycles(bench, REFUSED_CYCLES)
        bench.wire.fault = None
        began = bench.exchange.clock.now()
        while first not in quoted(bench):
            trade_cycles(bench, 1)
        lasted.append(round((bench.exchange.clock.now() - began).total_seconds() / 60))
        bench.pass_time(3_600)
        trade_cycles(bench, 1)
    assert lasted[0] == lasted[1] <= 7


def test_a_market_that_cancels_what_it_accepts_is_replaced(make_bench: MakeBench) -> None:
    """A post-only order that would cross may be answered with success, and rest nowhere."""
    bench, (first, other) = started(make_bench)
    nowhere = {"order_id": "gone", "fill_count": "0.00", "remaining_count": "0.00", "ts_ms": 1}

    def fault(request: requests.PreparedRequest, _: int) -> Any:
        found = refuse({first}, calls=("create",))(request, _)
        return found and answer(201, json.dumps(nowhere))

    bench.wire.fault = fault
    trade_cycles(bench, REFUSED_CYCLES + 1)
    assert "the exchange canceled it at once" in guards(bench, first)[0]
    assert len(quoted(bench)) == 2
    assert first not in quoted(bench)
    assert other in quoted(bench)


@pytest.mark.parametrize("size", [20, "AUTO"])
def test_two_markets_that_refuse_are_both_replaced(make_bench: MakeBench, size: object) -> None:
    bench, tickers = started(make_bench, TRADE_SIZE=size)
    bench.wire.fault = refuse(set(tickers))
    trade_cycles(bench, REFUSED_CYCLES + 1)
    assert len(guards(bench)) == 2
    assert len(quoted(bench)) == 2
    assert not set(quoted(bench)) & set(tickers)


def test_if_all_markets_refuse_the_bot_comes_back_afterwards(make_bench: MakeBench) -> None:
    """It tries the next ones, and is not caught in ever longer cooldowns."""
    bench, _ = started(make_bench)
    bench.wire.fault = refuse(None)
    trade_cycles(bench, 12)
    assert quoted(bench) == []
    bench.wire.fault = None
    trade_cycles(bench, 3)
    assert len(quoted(bench)) == 2


def test_markets_of_a_script_of_faults_are_replaced(make_bench: MakeBench) -> None:
    """The simulator's own refusals, of one side and of both: creates and amends, from the first cycle on."""
    _, (first, other) = started(make_bench, TRADE_SIZE=1)
    rules = [
        {"do": "order_refused", "ticker": first, "code": "invalid_order_size"},
        {"do": "order_refused", "ticker": other, "side": "ask", "status": 409, "code": "order_rejected"},
    ]
    bench = make_bench(**(STILL | {"TRADE_SIZE": 1}), faults=rules)
    trade_cycles(bench, REFUSED_CYCLES + 1)
    assert first not in quoted(bench)
    assert "invalid_order_size" in guards(bench, first)[0]
    assert re.search(r"refused in \d cycles in a row \(no: 409 order_rejected\)", guards(bench, other)[0])


# -- one side --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["bid", "ask"])
def test_one_side_alone_keeps_the_slot_only_if_it_is_paid(make_bench: MakeBench, side: str) -> None:
    """A side that rests for $0.00 holds no slot against a market that pays. One that is paid goes on resting."""
    for size, is_paid in ((20, True), (1, False)):
        bench, (first, _) = started(make_bench, TRADE_SIZE=size)
        bench.wire.fault = refuse({first}, side=side)
        trade_cycles(bench, REFUSED_CYCLES + 3)
        assert (first in quoted(bench)) == is_paid
        assert len(guards(bench, first)) == (not is_paid)
        assert len(quoted(bench)) == 2
        sides = {order.is_bid for order in own_resting(bench) if order.ticker == first}
        assert sides == ({side == "ask"} if is_paid else set())


@pytest.mark.parametrize(("name", "is_dear"), [("MIN_REWARD", False), ("MIN_REWARD", True), ("FILL_COST", False)])
def test_one_side_alone_is_judged_by_its_markets_settings(make_bench: MakeBench, name: str, is_dear: bool) -> None:
    """What its entry in `OVERRIDES` says counts, not the general setting, which says the opposite."""
    one_slot: dict[str, Any] = {
        "who": (NOISE, RIVALS), "past": DAY, "TRADE_TICKER_SIZE": 1, "FILL_COST": 0,
    }  # fmt: skip
    bench, (first,) = started(make_bench, **one_slot)
    (both,) = bench.board().selection.chosen
    assert both.conservative.fills_per_day > 1
    dear = {"MIN_REWARD": float(both.conservative.payable) * 0.9, "FILL_COST": 1}[name]
    general, own = (0, dear) if is_dear else (dear, 0)
    bench, _ = started(make_bench, **(one_slot | {name: general, "OVERRIDES": {first: {name: own}}}))
    bench.wire.fault = refuse({first}, side="bid")
    trade_cycles(bench, REFUSED_CYCLES + 2)
    assert (first in quoted(bench)) is not is_dear


# -- amends ----------------------------------------------------------------------------------------------------


def test_amends_that_are_refused_for_good_cost_the_slot(make_bench: MakeBench) -> None:
    """The quotes are neither renewed nor placed again. Another market is quoted as soon as they expire: the amends
    that were refused before count."""
    bench = make_bench(**STILL)
    trade_cycles(bench, 1)
    first = quoted(bench)[0]
    bench.wire.fault = refuse({first}, 400, "invalid_order")
    trade_cycles(bench, REFUSED_CYCLES)
    assert len(guards(bench, first)) == 1
    trade_cycles(bench, 1)
    assert first not in quoted(bench)
    assert len(quoted(bench)) == 2


def test_refused_amends_cost_no_slot_if_orders_are_taken(make_bench: MakeBench) -> None:
    """What expires unrenewed is placed again, and taken."""
    bench = make_bench(**STILL)
    trade_cycles(bench, 1)
    first, other = quoted(bench)
    bench.wire.fault = refuse({first}, 400, "invalid_order", calls=("amend",))
    for _ in range(12):
        trade_cycles(bench, 1)
        assert first in quoted(bench) or other in quoted(bench)
    assert first in quoted(bench)
    assert guards(bench) == []


# -- what is not the market's fault ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "insufficient_balance"), (400, "available_balance_too_low"), (409, "trading_is_paused"),
        (409, "exchange_is_paused"), (409, GROUP), (400, "order_group_not_found"),
    ],
)  # fmt: skip
def test_want_of_cash_and_pauses_are_not_counted(make_bench: MakeBench, status: int, code: str) -> None:
    """A pause has a cooldown of its own, and an order group too."""
    bench, _ = started(make_bench)
    bench.wire.fault = refuse(None, status, code, calls=("create",))
    trade_cycles(bench, REFUSED_CYCLES + 1)
    assert guards(bench) == []
    bench.wire.fault = None
    trade_cycles(bench, 6)
    assert len(quoted(bench)) == 2


def test_what_an_amend_without_cash_blocks_is_not_counted(make_bench: MakeBench) -> None:
    """The market's other order is not sent then, and the gate says `NOT_CLEARED`."""
    bench = make_bench(**STILL, EXPIRATION_TS=10)
    trade_cycles(bench, 1)
    bench.let_expire(order for order in own_resting(bench) if order.is_bid)
    bench.wire.fault = refuse(None, 400, "insufficient_balance", calls=("amend",))
    trade_cycles(bench, REFUSED_CYCLES + 1)
    assert [line for line in bench.events("REFUSED ORDER") if "NOT_CLEARED" in line]
    assert guards(bench) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failed_cycle_is_not_counted(make_bench: MakeBench, status: int) -> None:
    """It also leaves the count of the cycles before as it is."""
    bench, (first, other) = started(make_bench)
    bench.wire.fault = refuse({first}, status, "busy")
    bench.run(cycles=REFUSED_CYCLES + 2)
    assert guards(bench) == []
    bench.wire.fault = None
    bench.run(cycles=6)
    assert quoted(bench) == sorted([first, other])


def test_a_shard_without_cash_keeps_its_slots(make_bench: MakeBench) -> None:
    """The gate refuses for want of cash in every cycle, and the market is quoted as soon as there is some."""
    bench, _ = started(make_bench)
    cash = dict(bench.account.cash)
    bench.account.cash[0] = DOLLAR
    trade_cycles(bench, 3 * REFUSED_CYCLES)
    assert guards(bench) == []
    bench.account.cash[0] = cash[0]
    trade_cycles(bench, 2)
    assert len(quoted(bench)) == 2


# -- what is told ----------------------------------------------------------------------------------------------


def told(bench: Bench) -> tuple[str, str]:
    """The last cycle's line, and the last details of one."""
    details = [line for line in bench.log.splitlines() if "  └─ Tied up: " in line or "  └─ Estimate: " in line]
    return bench.events("CYCLE")[-1], "".join(details[-2:])


def reserved(bench: Bench) -> float:
    """Dollars that the account's orders reserve, by the exchange."""
    account, exchange = bench.account, bench.exchange.api.exchange
    free = sum(exchange.free_cash(account, shard) for shard in account.cash)
    return (sum(account.cash.values()) - free) / DOLLAR


@pytest.mark.parametrize(
    ("size", "side"), [(1, ""), (1, "ask"), (20, ""), (20, "bid"), ("AUTO", "ask"), ("AUTO", "")]
)
def test_the_log_counts_what_rests_and_not_what_was_wanted(make_bench: MakeBench, size: object, side: str) -> None:
    """Markets, orders, money and the estimate, while a market refuses orders and once it takes them again."""
    bench, (first, other) = started(make_bench, TRADE_SIZE=size, LOG_DETAIL=True)
    bench.know_balance()
    for fault in (refuse({first}, side=side), refuse({first, other}, side=side), None):
        bench.wire.fault = fault
        for _ in range(2):
            trade_cycles(bench, 1)
            line, details = told(bench)
            assert f"| Markets: {len(quoted(bench))} | Orders: {len(own_resting(bench))} (" in line
            cost = reserved(bench)
            for name in ("Reserved", "Tied up"):  # the bot rounds each contract's fee up to $0.0001
                stated = float(re.findall(rf"{name}: \$([\d.]+) ", details)[-1])
                assert stated == pytest.approx(cost, abs=0.01)
            record = bench.ledger.last_cycle()
            assert record is not None
            assert (record.markets, record.orders) == (len(quoted(bench)), len(own_resting(bench)))
            estimate = float(re.findall(r"Estimate: \$([\d.]+) a day", details)[-1])
            assert (estimate > 0) == bool(own_resting(bench))


def test_the_estimate_of_one_side_is_less_than_that_of_two(make_bench: MakeBench) -> None:
    estimates = []
    for side in ("none", "bid", ""):
        bench, _ = started(make_bench, LOG_DETAIL=True)
        bench.wire.fault = refuse(None, side=side)
        trade_cycles(bench, 1)
        estimates.append(float(re.findall(r"Estimate: \$([\d.]+) a day", told(bench)[1])[-1]))
    assert estimates[0] > estimates[1] > estimates[2] == 0
