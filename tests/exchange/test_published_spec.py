"""The published specification: a request that is off it is refused by the real exchange on the first day.

Runs where the specification lies beside the project. The bot's requests are judged here, and the answers that the
exchange gives in every state; the tests of calls judge their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import requests

import clients
import trade
from exchange import order_payloads
from exchange.account import OrderGroup
from simulator import lifecycle, pauses
from simulator.api.service import COSTS, KEYS, LIMITS, ROUTES
from simulator.matching import MatchingBook
from simulator.reading import READINGS, Reading
from tests.support.bench import Bench, MakeBench
from tests.support.call_coverage import place
from tests.support.project import SPECIFICATION, needs
from tests.support.published_spec import assert_all_published, assert_answer_published, assert_published
from tests.support.raw_client import create_body

pytestmark = [pytest.mark.slow, needs(SPECIFICATION)]

D = Decimal


def test_every_request_and_answer_of_the_bot_is_as_published(
    make_bench: MakeBench,
) -> None:
    """In three cycles the bot makes 18 kinds of request. Each request and each answer fits the exchange's
    published specification, and all succeed."""
    bench = make_bench(TRADE_TICKER_SIZE=6, TRADE_SIZE=2.5)
    for _ in range(3):
        bench.bot.start_trading()
        bench.pass_time(60)
    asked = {re.sub(r"[0-9a-f-]{36}", "ID", line) for line in bench.wire.asked()}
    assert len(asked) == 18, asked
    assert {response.status_code for response in bench.wire.answers} == {200, 201}
    assert_all_published(bench.wire)


def test_the_judge_is_awake(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field of the retired API, sent on purpose, is caught."""
    bench = make_bench()
    monkeypatch.setattr(
        clients, "order_body", lambda order: order_payloads.order_body(order) | {"expiration_ts": 1}
    )
    bench.bot.start_trading()
    assert any(trade.OWN_PREFIX in str(request.body) for request in bench.wire.sent)
    with pytest.raises(Exception, match=r"(?i)body"):
        assert_all_published(bench.wire)


def test_the_judge_notices_a_field_too_many_and_a_shard_too_few(make_bench: MakeBench) -> None:
    bench = make_bench(programs=12, who=())
    group = bench.client.create_order_group(D(5), 2)
    orders = [place(bench, "one"), place(bench, "two")]
    bench.client.amend_order(orders[0], orders[0].bid)
    bench.client.limit_order_group(OrderGroup(group, D(5), 2), D(6))
    bench.client.cancel_orders(orders)
    bodies = [(s, a) for s, a in zip(bench.wire.sent, bench.wire.answers, strict=True) if s.body]
    assert len(bodies) == 6
    for sent, answer in bodies:
        assert_published(sent, answer)
        body = json.loads(sent.body or b"")
        spoilt = sent.copy()
        for row in body.get("orders", [body]):
            row["buy_max_cost"] = 1
        spoilt.prepare_body(None, None, body)
        with pytest.raises(Exception, match=r"(?i)body"):
            assert_published(spoilt, answer)
        body = json.loads(sent.body or b"")
        lost = [row.pop("exchange_index", None) for row in body.get("orders", [body])]
        spoilt.prepare_body(None, None, body)
        spoilt.url = re.sub("exchange_index=[0-9]", "", sent.url or "")
        assert any(n is not None for n in lost) or spoilt.url != sent.url
        with pytest.raises(AssertionError, match="exchange_index"):
            assert_published(spoilt, answer)


# -- the exchange's own answers, in every state ----------------------------------------------------------------


class Stranger:
    """A client that is not ours and knows every call. `places` fills the places of paths."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.exchange = bench.exchange.api.exchange
        self.raw = bench.raw
        market = next(m for m in self.exchange.markets.values() if m.ticker in bench.held())
        self.market = market
        self.places = {
            "ticker": market.ticker,
            "event_ticker": market.event.ticker,
            "series_ticker": market.event.series.ticker,
        }
        self.group = self.send(
            "POST", "/portfolio/order_groups/create", {"contracts_limit": 50, "exchange_index": market.shard}
        ).json()["order_group_id"]
        self.order = self.send("POST", "/portfolio/events/orders", self.terms()).json()["order_id"]
        moved = {
            "source": "event_contract",
            "destination": "event_contract",
            "amount": 10_000,
            "destination_exchange_shard": 2,
        }
        transfer = self.send("POST", "/portfolio/intra_exchange_instance_transfer", moved).json()
        self.places |= {
            "order_id": self.order, "order_group_id": self.group, "transfer_id": transfer["transfer_id"],
        }  # fmt: skip

    def terms(self, **changed: Any) -> dict[str, Any]:
        shape = {"count": "2.00", "self_trade_prevention_type": "maker", "order_group_id": self.group}
        return create_body(self.market.ticker, **(shape | changed))

    def send(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A signed request, slow enough for all limits."""
        self.bench.pass_time(1.0)
        return self.raw.send(method, path, json=body)

    def ask_everything(self) -> None:
        """Every call with this state's names in it, and with names that nobody has."""
        now = int(self.exchange.now)
        period = f"start_ts={now - 3_600}&end_ts={now}&period_interval=1"
        queries = {
            "/markets/orderbooks": f"tickers={self.market.ticker}",
            "/markets/candlesticks": f"market_tickers={self.market.ticker}&{period}",
            "/series/{series_ticker}/markets/{ticker}/candlesticks": period,
            "/portfolio/orders/queue_positions": f"market_tickers={self.market.ticker}",
            "/markets": "limit=1000",
            "/events": "with_nested_markets=true",
            "/portfolio/positions": "settlement_status=all",
        }
        for places in (self.places, dict.fromkeys(self.places, "nobodys")):
            for method, template in [
                *((r.method, r.template) for r in ROUTES),
                ("GET", LIMITS),
                ("GET", COSTS),
                ("GET", KEYS),
            ]:
                path = re.sub(r"{(\w+)}", lambda found, places=places: places[found[1]], template)
                query = queries.get(template)
                self.send(method, f"{path}?{query}" if query else path, self._body(template, places["order_id"]))

    def _body(self, template: str, order_id: str) -> Any:
        """What a write of that path takes."""
        change = {"ticker": self.market.ticker, "side": "bid", "price": "0.0200", "count": "1.00"}
        bodies: dict[str, Any] = {
            "/portfolio/events/orders": self.terms(),
            "/portfolio/events/orders/batched": {
                "orders": [
                    self.terms(price="0.0200") | {"order_id": order_id},
                    self.terms(price="9.99") | {"order_id": "x"},
                ]
            },
            "/portfolio/events/orders/{order_id}/amend": change,
            "/portfolio/events/orders/{order_id}/decrease": {"reduce_by": "0.10"},
            "/portfolio/order_groups/{order_group_id}/limit": {"contracts_limit": 30},
            "/portfolio/order_groups/create": {"contracts_limit": 5},
        }
        return bodies.get(template)


def wait(s: Stranger, seconds: float) -> None:
    s.bench.pass_time(seconds)
    s.exchange.advance(s.bench.exchange.clock.now().timestamp())


def nothing(_: Stranger) -> None:
    """As it was found."""


def traded(s: Stranger) -> None:
    book = s.market.book
    price = book.asks.best()
    s.send(
        "POST",
        "/portfolio/events/orders",
        s.terms(price=f"{(price or 0) / 10_000:.4f}", time_in_force="immediate_or_cancel"),
    )
    wait(s, 7_200)


def group_triggered(s: Stranger) -> None:
    s.send("PUT", f"/portfolio/order_groups/{s.group}/trigger?exchange_index={s.market.shard}", {})


def halted(s: Stranger) -> None:
    lifecycle.halt(s.exchange, s.market)


def closed(s: Stranger) -> None:
    lifecycle.close(s.exchange, s.market, lambda: "no")


def determined(s: Stranger) -> None:
    closed(s)
    wait(s, lifecycle.DETERMINE_SECONDS + 1)
    assert s.market.status == "determined"


def settled(s: Stranger) -> None:
    determined(s)
    wait(s, s.market.settlement_timer + 1)
    assert s.market.status == "finalized"


def trading_paused(s: Stranger) -> None:
    pauses.pause(s.exchange, "trading")


def exchange_paused(s: Stranger) -> None:
    pauses.pause(s.exchange, "exchange", [0])


def not_yet_open(s: Stranger) -> None:
    soon = replace(
        s.market, number=s.exchange.next_number(), ticker=f"{s.market.ticker}-SOON", book=MatchingBook()
    )
    soon.opened, soon.status = s.exchange.now + 86_400, "initialized"
    lifecycle.list_market(s.exchange, soon, lambda: "yes")
    s.market = soon
    s.places["ticker"] = soon.ticker


def days_later(s: Stranger) -> None:
    wait(s, 4 * 86_400)


STATES = (
    nothing, traded, group_triggered, halted, closed, determined, settled, trading_paused, exchange_paused,
    not_yet_open, days_later,
)  # fmt: skip


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
@pytest.mark.parametrize("into", STATES, ids=lambda state: state.__name__)
def test_every_answer_in_every_state_is_as_published(
    into: Callable[[Stranger], None], reading: Reading, make_bench: MakeBench
) -> None:
    """In any state, the simulated exchange answers every route as the specification says, by both readings. It
    never answers with a 5xx, and errors have one of four known shapes."""
    bench = make_bench(programs=12, who=(), reading=reading)
    stranger = Stranger(bench)
    into(stranger)
    stranger.ask_everything()
    assert len(bench.wire.sent) > 2 * len(ROUTES)
    shapes = set()
    for request, response in zip(bench.wire.sent, bench.wire.answers, strict=True):
        assert_answer_published(request, response)
        assert response.status_code < 500
        if response.status_code >= 400:
            shapes.add(tuple(sorted(response.json())))
    assert shapes <= {("error",), ("msg",), ("code", "details", "message"), ("code", "message")}
