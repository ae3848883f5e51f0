"""Every operation the simulator offers, asked rightly and wrongly: none breaks, none answers off the spec.

`schemathesis` makes the requests from the published specification. First one thing at a time is varied or wrong in
a request that would do (a field missing, of another type, past its bounds), then all at random. What the simulator
offers is read off its route table, so an operation that is added there is asked here. Requests are signed and go
through `requests` as ever. What a request has changed no other one sees: an exchange opens anew for it.

The pytest plugin of schemathesis is neither needed nor wanted (`-p no:schemathesis`): it blanks the values in
Hypothesis's reports of all other tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis.core
import pytest
import requests
import schemathesis
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation.drivers import CoverageGenerator
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from simulator import embedded
from simulator.api.service import COSTS, KEYS, LIMITS, ROUTES
from simulator.embedded import EmbeddedExchange
from simulator.reading import READINGS, Reading
from tests.support.project import SPECIFICATION, START, needs
from tests.support.published_spec import FORBIDDEN as FORBIDDEN_PATHS
from tests.support.raw_client import ORDERS, RawClient, create_body

pytestmark = [pytest.mark.slow, needs(SPECIFICATION)]

Json = dict[str, Any]

OFFERED = [*((route.method, route.template) for route in ROUTES), ("GET", LIMITS), ("GET", COSTS), ("GET", KEYS)]
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
]  # fmt: skip
AT_RANDOM = settings(
    max_examples=5, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
SIGNED_WITH = ("KALSHI-ACCESS-KEY", "KALSHI-ACCESS-TIMESTAMP", "KALSHI-ACCESS-SIGNATURE")

EVERYWHERE = {"400": "BadRequestError", "429": "RateLimitError"}
"""Refusals that any operation of the real exchange may give, listed or not: a query that does not validate was
answered with 400 by each that was tried, and every request is counted against the limits."""

FORBIDDEN = {path: {"403": "ForbiddenError"} for path in FORBIDDEN_PATHS}
"""What an ordinary account may not read, listed or not."""

PAUSED = {"409": "ConflictError"}
"""What a pause or a closed market answers to a write, listed or not."""

HOUR = 3_600
NOW = int(START.timestamp())
KNOWN: Json = {
    "price": "0.0100", "count": "1.00", "reduce_by": "0.50", "contracts_limit_fp": "50.00",
    "client_order_id": "mine", "expiration_time": NOW + HOUR, "subaccount": 0,
    "start_ts": NOW - HOUR, "end_ts": NOW, "min_ts": NOW - HOUR, "max_ts": NOW + HOUR,
}  # fmt: skip
"""Values that do, by the name of a field. Those of tickers, ids and shards are learnt from the exchange."""

LEARNT = re.compile(r"(\w+_)?ticker|\w+_id|exchange_index")


# -- the specification, cut to what is offered ------------------------------------------------------------------


@pytest.fixture(scope="session")
def document() -> Json:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with SPECIFICATION.open(encoding="utf-8") as file:
        loaded: Json = yaml.load(file, Loader=loader)  # noqa: S506  (a safe loader, the fast one)
    return loaded


def cut(document: Json) -> Json:
    """The specification of the offered operations alone, with the answers that go unlisted there."""
    paths: Json = {}
    for method, path in OFFERED:
        operation = document["paths"][path][method.lower()]
        shared = {"parameters": document["paths"][path].get("parameters", [])}
        unlisted = EVERYWHERE | FORBIDDEN.get(path, {}) | (PAUSED if method != "GET" else {})
        answers = {status: {"$ref": f"#/components/responses/{name}"} for status, name in unlisted.items()}
        described = operation | {"responses": answers | operation["responses"]}
        paths.setdefault(path, shared)[method.lower()] = described
    return document | {"paths": paths}


def with_examples(node: Any, values: Json) -> Any:
    """A copy of the specification in which fields and parameters have these values as their examples: the
    requests that schemathesis varies start from examples, and the published ones are of no market of ours."""
    if isinstance(node, list):
        return [with_examples(child, values) for child in node]
    if not isinstance(node, dict):
        return node
    copy = {key: with_examples(child, values) for key, child in node.items()}
    if isinstance(copy.get("example"), dict):
        copy["example"] = known_fields(copy["example"], values)
    if "in" in copy and copy.get("name") in values:
        value = values[copy["name"]]
        copy["example"] = [value] if copy["schema"].get("type") == "array" else value
    if "in" in copy and copy.get("name") in ("tickers", "market_tickers"):
        copy["example"] = [values["ticker"]] if copy["schema"].get("type") == "array" else values["ticker"]
    if isinstance(copy.get("properties"), dict):
        for name in copy["properties"].keys() & values.keys():
            copy["properties"][name] = {"allOf": [copy["properties"][name]], "example": values[name]}
    return copy


def known_fields(example: Any, values: Json) -> Any:
    if isinstance(example, list):
        return [known_fields(item, values) for item in example]
    if not isinstance(example, dict):
        return example
    return {name: values.get(name, known_fields(item, values)) for name, item in example.items()}


def configured(values: Json) -> schemathesis.Config:
    """Random requests that are right in form have these values more often than not, or all would end at the first
    unknown ticker."""
    places = ("{}", "body.{}", "body.orders[*].{}")
    return schemathesis.Config.from_dict(
        {
            "warnings": False,
            "generation": {"with-security-parameters": False},
            "phases": {"coverage": {"unexpected-methods": []}},
            "dictionaries": {name: {"values": [value]} for name, value in values.items()},
            "parameters": {
                place.format(name): {"dictionary": name, "probability": 0.8} for name in values for place in places
            },
            "output": {"sanitization": {"keys-to-sanitize": SIGNED_WITH}},
        }
    )


# -- the customer who asks ----------------------------------------------------------------------------------------


class Customer:
    """Asks an exchange where one order of theirs rests. `known` are the names of things there."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._exchange: EmbeddedExchange | None = None
        self.known = dict(KNOWN)
        self._open()
        orders_first = sorted(OFFERED, key=lambda route: route[1] != "/portfolio/orders")
        for method, path in orders_first:
            if method == "GET" and "{" not in path:
                response = self._send("GET", path)
                self._learn(response.json() if response.ok else None)

    def _open(self) -> EmbeddedExchange:
        self._exchange = embedded.start(seed=1, pace=None, at=START, programs=6, reading=self._reading, past=0)
        self._exchange.session.auth = RawClient.of_owner(self._exchange).sign
        if "ticker" not in self.known:
            market = self._send("GET", "/markets?limit=1&status=open").json()["markets"][0]
            self.known |= {"ticker": market["ticker"], "exchange_index": market["exchange_index"]}
        order = create_body(
            self.known["ticker"],
            count="2.00",
            price=self.known["price"],
            exchange_index=self.known["exchange_index"],
        )
        placed = self._send("POST", ORDERS, json=order)
        assert placed.ok, placed.text
        self._learn(self._send("POST", "/portfolio/order_groups/create", json={"contracts_limit": 50}).json())
        return self._exchange

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        assert self._exchange is not None
        return self._exchange.session.request(method, self._exchange.base_url + path, **options)

    def _learn(self, answer: Any) -> None:
        if isinstance(answer, dict):
            for name, value in answer.items():
                if LEARNT.fullmatch(name) and value not in ("", None):
                    self.known.setdefault(name, value)
        for child in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ():
            self._learn(child)

    def ask(self, case: schemathesis.Case) -> None:
        """Raises what breaks in the exchange, or a `FailureGroup` for an answer off the specification."""
        exchange = self._exchange or self._open()
        exchange.clock.advance(2)  # within all limits of requests
        self._exchange = None
        response = case.call(session=exchange.session, base_url=exchange.base_url)
        if case.method == "GET" or response.status_code >= 400:
            self._exchange = exchange
        case.validate_response(response, checks=CHECKS)


@pytest.fixture(scope="session", params=READINGS.values(), ids=READINGS)
def customer(request: pytest.FixtureRequest) -> Iterator[Customer]:
    """Exchanges open by the hundred here, so one key does for all: to make one takes longer than to open one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rsa, "generate_private_key", lambda **_: key)
        yield Customer(request.param)


@pytest.fixture(scope="session")
def offered(document: Json, customer: Customer) -> schemathesis.BaseSchema:
    known = customer.known
    return schemathesis.openapi.from_dict(with_examples(cut(document), known), config=configured(known))


@pytest.fixture
def find(
    offered: schemathesis.BaseSchema, monkeypatch: pytest.MonkeyPatch
) -> Callable[[tuple[str, str]], schemathesis.APIOperation]:
    """The published operation of a route."""
    # schemathesis silences the printer of values for the whole process; afterwards it speaks again
    monkeypatch.setattr(hypothesis.core, "RepresentationPrinter", hypothesis.core.RepresentationPrinter)

    return lambda route: offered[route[1]][route[0]]


def name_of(route: tuple[str, str]) -> str:
    return " ".join(route)


# -- tests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", OFFERED, ids=name_of)
def test_one_odd_thing_in_a_request_breaks_no_endpoint(
    route: tuple[str, str], find: Callable[..., schemathesis.APIOperation], customer: Customer
) -> None:
    """A request with one odd thing gets an answer that follows the specification."""
    operation = find(route)
    generation = operation.schema.config.generation_for(operation=operation, phase="coverage")
    requests_of_it = CoverageGenerator(
        operation=operation, generation_modes=list(schemathesis.GenerationMode), generation_config=generation,
        auth_storage=None, as_strategy_kwargs={}, feedback=FeedbackSources(),
    )  # fmt: skip
    found: dict[object, str] = {}
    for case in requests_of_it:
        try:
            customer.ask(case)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                assert isinstance(failure, Failure)
                found.setdefault(failure, failures.message)
        except Exception as error:
            request = f"{case.method} {case.formatted_path}?{case.query} {case.body!r}"
            found.setdefault(repr(error), f"{error!r} upon {request}")
    assert not found, "\n\n".join(map(str, found.values()))


@pytest.mark.parametrize("route", OFFERED, ids=name_of)
def test_random_input_breaks_no_endpoint(
    route: tuple[str, str], find: Callable[..., schemathesis.APIOperation], customer: Customer
) -> None:
    """Every answer to random input follows the specification."""
    operation = find(route)
    modes = schemathesis.GenerationMode

    @AT_RANDOM
    @given(case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]))
    def ask(case: schemathesis.Case) -> None:
        customer.ask(case)

    ask()
