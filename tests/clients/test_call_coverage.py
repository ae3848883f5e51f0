"""No call is without a test of its own, no docstring sends a reader astray, and a served exchange is spoken to as
the embedded one.

The tests of the calls by name are in the files `test_*_calls.py`.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from clients import KalshiHttpClient
from exchange import signing
from exchange.clock import WallClock
from exchange.errors import ExchangeError, Gone
from exchange.models import OrderRequest, OrderStatus, SelfTradePrevention, TimeInForce
from exchange.orderbook import Bid, Side
from simulator.api.service import COSTS, KEYS, LIMITS, ROUTES
from tests.support.bench import Wire
from tests.support.call_coverage import calls_of, public_methods
from tests.support.processes import simulator
from tests.support.project import SPECIFICATION, noted
from tests.support.published_spec import assert_published

D = Decimal
NO_CALL = dict.fromkeys(("shorten_timeouts", "hurried"), "changes how long is waited, and asks nothing")


def test_no_call_is_without_a_test_of_its_own() -> None:
    files = sorted(Path(__file__).parent.glob("test_*_calls.py"))
    assert len(files) >= 3
    assert noted("about", files) | set(NO_CALL) == set(public_methods())


@pytest.mark.parametrize("name", sorted(set(public_methods()) - set(NO_CALL)))
def test_no_docstring_sends_a_reader_to_a_path_that_is_not_there(name: str) -> None:
    there = {(route.method, route.template) for route in ROUTES} | {("GET", LIMITS), ("GET", COSTS), ("GET", KEYS)}
    named = calls_of(public_methods()[name])
    assert named, "a docstring names the call that is made"
    assert set(named) <= there


def test_a_served_exchange_is_spoken_to_as_the_embedded_one(tmp_path: Path) -> None:
    key_file, script = tmp_path / "key.pem", tmp_path / "faults.json"
    orders = "/portfolio/events/orders"
    lost = {"do": "reset_after", "on": f"POST {orders}", "times": 1}
    script.write_text(json.dumps([lost, {"do": "reset_after", "on": f"DELETE {orders}/*", "times": 1}]))
    arguments = ["--port", "0", "--programs", "12", "--without", "informed,noise,rivals,sweeps"]
    process = simulator(*arguments, "--key-file", str(key_file), "--faults", str(script))
    try:
        printed = ""
        while "DEMO_KEYFILE" not in printed:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, printed
            printed += line
        told = dict(re.findall(r"^SIM_(\w+)=(.+)$", printed, re.MULTILINE))
        signer = signing.Signer(told["KEYID"], signing.load_key(key_file, "SIM_KEYFILE"))
        session = requests.Session()
        session.trust_env = False
        wire = Wire(session.get_adapter(told["URL"]))
        session.mount(told["URL"], wire)
        served(KalshiHttpClient(told["URL"], signer, WallClock(), session))
        if SPECIFICATION.exists():
            base = told["URL"].removesuffix("/trade-api/v2")
            lost_ones = [sent for sent in wire.sent if not any(a.request is sent for a in wire.answers)]
            assert [sent.method for sent in lost_ones] == ["POST", "DELETE"]
            for answer in wire.answers:
                assert_published(answer.request, answer, base)
    finally:
        process.kill()
        process.communicate()


def served(client: KalshiHttpClient) -> None:
    assert client.read_limits().tier == "basic"
    assert client.get_exchange_status().trading
    programs = client.get_incentive_programs().all_or_raise()
    markets = {m.ticker: m for m in client.get_markets({p.ticker for p in programs}).all_or_raise()}
    book = next(b for b in client.get_orderbooks(markets) if b.ticker.endswith("-CAPPED"))
    assert book.best(Side.YES)
    found = markets[book.ticker]
    bid = Bid(Side.YES, D("0.0200"), D("1.50"))
    expires = client.clock.now() + timedelta(minutes=5)
    terms = OrderRequest(
        found.ticker, found.exchange_index, "over-a-socket", bid,
        TimeInForce.GOOD_TILL_CANCELED, SelfTradePrevention.MAKER, expires=expires,
    )  # fmt: skip
    response = client.create_order(terms)
    assert response.status is OrderStatus.RESTING, "its answer was lost, and it was found"
    mine = [o for o in client.get_resting_orders() if o.client_order_id == "over-a-socket"]
    assert [(o.order_id, o.bid) for o in mine] == [(response.order_id, bid)]
    client.amend_order(mine[0], Bid(Side.YES, D("0.0300"), D("1.00")))
    balance = client.get_balance()
    assert balance.total == sum(balance.by_shard.values())
    with pytest.raises(Gone):
        client.cancel_order(mine[0])  # the first attempt's answer was lost; it was repeated
    while not client.lists_are_current():
        client.clock.sleep(0.1)
    assert "over-a-socket" not in {o.client_order_id for o in client.get_resting_orders()}
    results: list[Decimal | ExchangeError] = client.cancel_orders(mine)
    assert isinstance(results[0], Gone)
