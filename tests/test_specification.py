"""The published specification: a request that is off it is refused by the real exchange on the first day.

Runs where the specification lies beside the project. The published schema is loose: prices and counts are plain
strings there, so their prose is checked here, and fields that it does not name are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

import trade
from simulator.embedded import HOST
from tests.conftest import SPECIFICATION, Bench, Wire

pytestmark = pytest.mark.skipif(not SPECIFICATION.exists(), reason=f"no specification here: {SPECIFICATION}")

PRICE = re.compile(r"0\.\d{2,4}")
COUNT = re.compile(r"\d+(\.\d{1,2})?")


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with SPECIFICATION.open(encoding="utf-8") as file:
        document: dict[str, Any] = yaml.load(file, Loader=loader)  # noqa: S506  (a safe loader, the fast one)
    document["servers"] = [{"url": f"{HOST}/trade-api/v2"}]
    document["components"]["schemas"]["CreateOrderV2Request"]["additionalProperties"] = False
    inline_nullable(document, document["components"]["schemas"])
    return document


def inline_nullable(node: Any, schemas: dict[str, Any]) -> None:
    """`nullable` beside a reference is void by the letter of OpenAPI 3.0; the exchange means it."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        inline_nullable(child, schemas)
    if isinstance(node, dict) and "$ref" in node and node.get("nullable"):
        node.update(schemas[node.pop("$ref").rpartition("/")[2]])


@pytest.fixture(scope="module")
def judge(specification: dict[str, Any]) -> OpenAPI:
    return OpenAPI.from_dict(specification, config=Config(spec_validator_cls=None))


def operation(specification: dict[str, Any], request: requests.PreparedRequest) -> dict[str, Any]:
    path = urlsplit(request.url or "").path.removeprefix("/trade-api/v2")
    for template, methods in specification["paths"].items():
        if re.fullmatch(re.sub(r"{[^}]+}", "[^/]+", template), path) and "{" not in path:
            found = methods.get((request.method or "").lower())
            if found:
                return dict(found)
    raise AssertionError(f"{request.method} {path} is not in the specification")


def assert_valid(specification: dict[str, Any], judge: OpenAPI, wire: Wire) -> None:
    for request, response in zip(wire.sent, wire.answers, strict=True):
        described = operation(specification, request)
        by_reference = specification["components"]["parameters"]
        parameters = [
            by_reference[p["$ref"].rpartition("/")[2]] if "$ref" in p else p
            for p in described.get("parameters", [])
        ]
        known = {p["name"] for p in parameters if p["in"] == "query"}
        assert set(parse_qs(urlsplit(request.url or "").query)) <= known
        as_request = RequestsOpenAPIRequest(request)
        judge.validate_request(as_request)
        if request.body:
            body = json.loads(request.body)
            assert PRICE.fullmatch(body["price"]), body
            assert COUNT.fullmatch(body["count"]), body
        judge.validate_response(as_request, RequestsOpenAPIResponse(response))


def test_every_request_of_the_bot_and_every_answer_it_got_is_as_published(
    specification: dict[str, Any], judge: OpenAPI, make_bench: Callable[..., Bench]
) -> None:
    bench = make_bench(TRADE_TICKER_SIZE=6, TRADE_SIZE=2.5)
    for _ in range(3):
        bench.bot.start_trading()
        bench.pass_time(60)
    asked = {re.sub(r"[0-9a-f-]{36}", "ID", line) for line in bench.wire.asked()}
    assert len(asked) == 10, asked
    assert_valid(specification, judge, bench.wire)


def test_the_judge_is_awake(
    specification: dict[str, Any],
    judge: OpenAPI,
    make_bench: Callable[..., Bench],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A field of the retired API, sent on purpose, is caught."""
    from clients import KalshiHttpClient

    bench = make_bench()
    send = KalshiHttpClient._request

    def with_old_field(self: KalshiHttpClient, *args: Any, **options: Any) -> Any:
        if options.get("body"):
            options["body"]["expiration_ts"] = 1
        return send(self, *args, **options)

    monkeypatch.setattr(KalshiHttpClient, "_request", with_old_field)
    bench.bot.start_trading()
    assert any(trade.OWN_PREFIX in str(request.body) for request in bench.wire.sent)
    with pytest.raises(Exception, match=r"(?i)body"):
        assert_valid(specification, judge, bench.wire)
