"""Judge requests and answers by the published specification, which may lie next to the project.

The published schema is loose: prices and counts are plain strings, so the rules from its descriptions are checked
here. A field that it does not name is refused. So is a call that takes a place (account, shard, market) but names
none.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

from simulator.embedded import HOST
from tests.support.bench import Wire
from tests.support.project import SPECIFICATION

PRICE = re.compile(r"0\.\d{2,4}")
COUNT = re.compile(r"\d+(\.\d{1,2})?")

CREATES = ("CreateOrderV2Request", "BatchCreateOrdersV2Request")
BODIES = (*CREATES, "AmendOrderV2Request", "BatchCancelOrdersV2Request", "CreateOrderGroupRequest",
          "UpdateOrderGroupLimitRequest", "EmptyResponse")  # fmt: skip
PLACES = {"exchange_index", "market_ticker", "subaccount"}
FORBIDDEN = ("/portfolio/summary/total_resting_order_value", "/api_keys")
"""What some keys may not read. That is not published. Ordinary accounts saw it for the first path; for the second
the simulator answers so to a key that lacks the permission."""

FILTERS = {"/portfolio/balance", "/portfolio/orders", "/portfolio/fills", "/portfolio/positions"}
"""Reads that `exchange_index` would narrow to one shard. The bot wants all: "Omit to return results from all
exchange shards"."""


def inline_nullable(node: Any, schemas: dict[str, Any]) -> None:
    """Put each nullable schema in the place of its reference. OpenAPI 3.0 ignores `nullable` next to a reference,
    but the exchange means it."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        inline_nullable(child, schemas)
    if isinstance(node, dict) and "$ref" in node and node.get("nullable"):
        node.update(schemas[node.pop("$ref").rpartition("/")[2]])


@lru_cache(maxsize=1)
def published() -> tuple[dict[str, Any], OpenAPI]:
    """The specification, and the judge by it.

    Bodies are closed to unnamed fields. Unlisted error answers are added: 400 for an invalid query, 429 for too
    many requests, 409 for a write during a pause or in a closed market, and 403 for `FORBIDDEN`."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with SPECIFICATION.open(encoding="utf-8") as file:
        document: dict[str, Any] = yaml.load(file, Loader=loader)  # noqa: S506  (a safe loader, the fast one)
    document["servers"] = [{"url": f"{HOST}/trade-api/v2"}]
    schemas = document["components"]["schemas"]
    for name in BODIES:
        schemas[name]["additionalProperties"] = False
    schemas["BatchCancelOrdersV2Request"]["properties"]["orders"]["items"]["additionalProperties"] = False
    inline_nullable(document, schemas)
    described = {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}
    refusal = {"description": "refused", "content": {"application/json": described}}
    for methods in document["paths"].values():
        for method in {"get", "post", "put", "delete"} & set(methods):
            for status in ("400", "429", *(() if method == "get" else ("409",))):
                methods[method]["responses"].setdefault(status, refusal)
    for path in FORBIDDEN:
        document["paths"][path]["get"]["responses"]["403"] = refusal
    return document, OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


def operation(document: dict[str, Any], request: requests.PreparedRequest) -> dict[str, Any]:
    """The specification's entry for a request. Fixed paths take precedence over those with places."""
    path = urlsplit(request.url or "").path.removeprefix("/trade-api/v2")
    assert "{" not in path, f"a place of {path} was left open"
    for template, methods in sorted(document["paths"].items(), key=lambda item: item[0].count("{")):
        if re.fullmatch(re.sub(r"{[^}]+}", "[^/]+", template), path) and (request.method or "").lower() in methods:
            return dict(methods[(request.method or "").lower()])
    raise AssertionError(f"{request.method} {path} is not in the specification")


def takes(document: dict[str, Any], request: requests.PreparedRequest) -> tuple[set[str], dict[str, Any]]:
    """The query parameters of an operation, and the schema of its body ({} if it takes none)."""
    components = document["components"]
    described = operation(document, request)
    listed = [
        components["parameters"][p["$ref"].rpartition("/")[2]] if "$ref" in p else p
        for p in described.get("parameters", [])
    ]
    schema = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = components["schemas"][schema["$ref"].rpartition("/")[2]]
    return {p["name"] for p in listed if p["in"] == "query"}, schema


def rows_of(document: dict[str, Any], schema: dict[str, Any], body: Any) -> list[tuple[set[str], dict[str, Any]]]:
    """Each object of a body, with its allowed names."""
    inner = schema.get("properties", {}).get("orders", {}).get("items")
    if inner is None:
        return [(set(schema.get("properties", {})), body or {})]
    inner = document["components"]["schemas"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
    return [(set(inner["properties"]), row) for row in body["orders"]]


def assert_places_named(document: dict[str, Any], request: requests.PreparedRequest) -> None:
    """Every call that takes an account, a shard or a market must name it, because defaults differ."""
    known, schema = takes(document, request)
    url = urlsplit(request.url or "")
    exempt = {"exchange_index"} if url.path.removeprefix("/trade-api/v2") in FILTERS else set()
    missing = (known & PLACES) - set(parse_qs(url.query)) - exempt
    for names, row in rows_of(document, schema, json.loads(request.body or b"{}")):
        missing |= (names & PLACES) - set(row)
    assert not missing, f"{request.method} {request.url} was sent without {missing}"


def assert_published(request: requests.PreparedRequest, response: requests.Response, base: str = "") -> None:
    """A request and its answer match the specification. `base`: the address it went to, unless that is the
    embedded exchange."""
    document, judge = published()
    request = request.copy()
    request.url = (request.url or "").replace(base, HOST, 1) if base else request.url
    known, schema = takes(document, request)
    strange = set(parse_qs(urlsplit(request.url or "").query)) - known
    assert not strange, f"{request.method} {request.url} does not take {strange}"
    assert bool(request.body) <= bool(schema), f"{request.method} {request.url} takes no body"
    judge.validate_request(RequestsOpenAPIRequest(request))
    for _, row in rows_of(document, schema, json.loads(request.body or b"{}")):
        assert PRICE.fullmatch(row.get("price", "0.50")), row
        for name in ("count", "contracts_limit_fp"):
            assert COUNT.fullmatch(row.get(name, "1.00")), row
    assert_places_named(document, request)
    assert_answer_published(request, response)


def assert_answer_published(request: requests.PreparedRequest, response: requests.Response) -> None:
    """An answer matches the specification, for any request."""
    _, judge = published()
    judge.validate_response(RequestsOpenAPIRequest(request), RequestsOpenAPIResponse(response))


def assert_all_published(wire: Wire) -> None:
    """All requests and answers of a wire match the specification."""
    for request, response in zip(wire.sent, wire.answers, strict=True):
        assert_published(request, response)
